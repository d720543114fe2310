//! A transaction: entries that stand or fall together.

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use smallvec::SmallVec;
use terms::{AccountId, BusinessDate, HoldId, Minor, PaymentId, QuoteId, TransactionId};

use crate::label::Detail;
use crate::velocity::Claim;

/// Most entries of one transaction: a payment with both legs, fees and taxes has about twelve.
pub const ENTRIES_MAX: usize = 64;
/// Most links of one transaction or hold.
pub const LINKS_MAX: usize = 8;

/// The left or the right of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Side {
    /// Left.
    #[n(0)]
    Debit,
    /// Right.
    #[n(1)]
    Credit,
}

/// Why money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Reason {
    /// A payment.
    #[n(0)]
    Payment,
    /// A fee.
    #[n(1)]
    Fee,
    /// Money came in from outside.
    #[n(2)]
    Funding,
    /// Money went outside.
    #[n(3)]
    Defunding,
    /// The payee's bank gave a payment back.
    #[n(4)]
    Return,
    /// The payee paid back.
    #[n(5)]
    Refund,
    /// Two persons corrected an earlier transaction.
    #[n(6)]
    Correction,
    /// Money moved to a blocked-funds account, or out of it.
    #[n(7)]
    Blocking,
}

impl Side {
    /// Both, by number.
    pub const ALL: [Self; 2] = [Self::Debit, Self::Credit];

    /// Its word, the same wherever people write or read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
        }
    }

    /// The side of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|side| side.name() == word)
    }

    /// Its number in stored bytes.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Debit => 0,
            Self::Credit => 1,
        }
    }

    pub(crate) const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Debit),
            1 => Some(Self::Credit),
            _ => None,
        }
    }
}

impl Reason {
    /// Each, by number.
    pub const ALL: [Self; 8] = [
        Self::Payment,
        Self::Fee,
        Self::Funding,
        Self::Defunding,
        Self::Return,
        Self::Refund,
        Self::Correction,
        Self::Blocking,
    ];

    /// Its word, the same wherever people write or read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Fee => "fee",
            Self::Funding => "funding",
            Self::Defunding => "defunding",
            Self::Return => "return",
            Self::Refund => "refund",
            Self::Correction => "correction",
            Self::Blocking => "blocking",
        }
    }

    /// The reason of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == word)
    }

    /// Its number in stored bytes and in the protocol.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Payment => 0,
            Self::Fee => 1,
            Self::Funding => 2,
            Self::Defunding => 3,
            Self::Return => 4,
            Self::Refund => 5,
            Self::Correction => 6,
            Self::Blocking => 7,
        }
    }

    /// The reason of that number.
    #[must_use]
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Payment),
            1 => Some(Self::Fee),
            2 => Some(Self::Funding),
            3 => Some(Self::Defunding),
            4 => Some(Self::Return),
            5 => Some(Self::Refund),
            6 => Some(Self::Correction),
            7 => Some(Self::Blocking),
            _ => None,
        }
    }
}

/// What a transaction or hold belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Link {
    /// Part of this payment.
    #[n(0)]
    Payment(#[n(0)] PaymentId),
    /// At the rate of this quote.
    #[n(1)]
    Quote(#[n(0)] QuoteId),
    /// Gives back this transaction.
    #[n(2)]
    Returns(#[n(0)] TransactionId),
    /// Refunds this transaction.
    #[n(3)]
    Refunds(#[n(0)] TransactionId),
    /// Corrects this transaction.
    #[n(4)]
    Corrects(#[n(0)] TransactionId),
}

/// One line of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Entry {
    /// On which account; the account says of what asset.
    #[n(0)]
    pub account: AccountId,
    /// Left or right.
    #[n(1)]
    pub side: Side,
    /// How much; never nothing.
    #[n(2)]
    pub amount: Minor,
    /// The hold that this line posts, wholly or in part; what is left of it is released.
    #[n(3)]
    pub hold: Option<HoldId>,
}

/// Entries that stand or fall together; each asset balances to nothing on its own.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Transaction {
    /// Its id, chosen by the client.
    #[n(0)]
    pub id: TransactionId,
    /// The day of the book that it counts for; its ledger time is the stamp.
    #[n(1)]
    pub business_date: BusinessDate,
    /// Why.
    #[n(2)]
    pub reason: Reason,
    /// One to [`ENTRIES_MAX`] lines.
    #[n(3)]
    #[cbor(with = "list")]
    pub entries: SmallVec<[Entry; 2]>,
    /// Totals it counts into. Lines that post a hold were counted when it was placed.
    #[n(4)]
    pub claims: Vec<Claim>,
    /// What it belongs to.
    #[n(5)]
    pub links: Vec<Link>,
    /// What else it says: absent in most, and then without bytes.
    #[n(6)]
    pub detail: Option<Box<Detail>>,
}

/// By hand, because entries are copied as they lie: the derived clone takes one after the other.
impl Clone for Transaction {
    fn clone(&self) -> Self {
        let Self { id, business_date, reason, entries, claims, links, detail } = self;
        Self {
            id: *id,
            business_date: *business_date,
            reason: *reason,
            entries: SmallVec::from_slice(entries),
            claims: claims.clone(),
            links: links.clone(),
            detail: detail.clone(),
        }
    }
}

impl Transaction {
    /// The first field in which `other` differs.
    pub(crate) fn differs(&self, other: &Self) -> Option<&'static str> {
        [
            (self.business_date != other.business_date, "business_date"),
            (self.reason != other.reason, "reason"),
            (self.entries != other.entries, "entries"),
            (self.claims != other.claims, "claims"),
            (self.links != other.links, "links"),
        ]
        .into_iter()
        .find_map(|(differs, field)| differs.then_some(field))
        .or_else(|| match (&self.detail, &other.detail) {
            (None, None) => None,
            (Some(one), Some(other)) => one.differs(other),
            (Some(_), None) | (None, Some(_)) => Some("detail"),
        })
    }
}

/// Entries as an array, exactly as `Vec` would be.
mod list {
    use super::{
        Decode as _, DecodeError, Decoder, ENTRIES_MAX, Encode as _, EncodeError, Encoder, Entry,
        SmallVec, Write,
    };

    pub(super) fn encode<C, W: Write>(
        entries: &SmallVec<[Entry; 2]>,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(u64::try_from(entries.len()).unwrap_or(u64::MAX))?;
        entries.iter().try_for_each(|entry| entry.encode(e, context))
    }

    pub(super) fn decode<'b, C>(
        d: &mut Decoder<'b>,
        context: &mut C,
    ) -> Result<SmallVec<[Entry; 2]>, DecodeError> {
        let length =
            d.array()?.ok_or_else(|| DecodeError::message("expected a definite length"))?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > ENTRIES_MAX {
            return Err(DecodeError::message("expected no more entries than a transaction has"));
        }
        (0..length).map(|_| Entry::decode(d, context)).collect()
    }
}

#[cfg(test)]
mod word_tests {
    use super::*;

    #[test]
    fn words_and_numbers_stand_for_one_each() {
        for (place, reason) in (0_u8..).zip(Reason::ALL) {
            assert_eq!((reason.number(), Reason::of_number(place)), (place, Some(reason)));
            assert_eq!(Reason::named(reason.name()), Some(reason));
        }
        assert_eq!((Reason::of_number(8), Reason::named("Payment")), (None, None));
        for side in Side::ALL {
            assert_eq!(Side::of_number(side.number()), Some(side));
            assert_eq!(Side::named(side.name()), Some(side));
        }
    }
}
