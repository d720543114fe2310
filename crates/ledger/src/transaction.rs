//! A transaction: entries that stand or fall together.

use minicbor::{Decode, Encode};
use terms::{AccountId, BusinessDate, HoldId, Minor, PaymentId, QuoteId, TransactionId};

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
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
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
    pub entries: Vec<Entry>,
    /// Totals it counts into. Lines that post a hold were counted when it was placed.
    #[n(4)]
    pub claims: Vec<Claim>,
    /// What it belongs to.
    #[n(5)]
    pub links: Vec<Link>,
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
    }
}
