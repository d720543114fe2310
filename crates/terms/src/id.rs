//! Identifiers that machines choose: 16 random or time-ordered bytes, each of its own type.
//!
//! The text form is a prefix that names the kind and 32 lower-case hex digits
//! (`pay_0190…`), so an id pasted into the wrong field is refused by its first letters.

use core::fmt;
use core::str::FromStr;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use thiserror::Error;

/// Text that is not an identifier of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected an identifier such as `{expected}…` with 32 lower-case hex digits, got `{got}`")]
pub struct IdError {
    /// The prefix that was expected.
    pub expected: &'static str,
    /// The first 64 characters of what came.
    pub got: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The prefix of the text form.
            pub const PREFIX: &'static str = $prefix;

            /// An id of these bytes. Chosen by the client, stored by it before it is sent.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bare bytes.
            #[must_use]
            pub const fn bytes(&self) -> [u8; 16] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let refused =
                    || IdError { expected: $prefix, got: text.chars().take(64).collect() };
                text.strip_prefix($prefix).and_then(parse_hex).map(Self).ok_or_else(refused)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), EncodeError<W::Error>> {
                e.bytes(&self.0)?;
                Ok(())
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                d.bytes()?.try_into().map(Self).map_err(|_| DecodeError::message("expected 16 bytes"))
            }
        }
    };
}

id! {
    /// One payment across the border. The same in every book, permit, promise and receipt.
    PaymentId, "pay_"
}
id! {
    /// An account of one book.
    AccountId, "acct_"
}
id! {
    /// A hold on money in one account.
    HoldId, "hold_"
}
id! {
    /// A transaction of one book: entries that stand or fall together.
    TransactionId, "txn_"
}
id! {
    /// A firm FX quote.
    QuoteId, "qte_"
}
id! {
    /// A request to pay.
    InvoiceId, "inv_"
}
id! {
    /// One edge's decision about one payment.
    DecisionId, "dec_"
}
id! {
    /// One party statement that crossed the border.
    StatementId, "stm_"
}
id! {
    /// A case in a referral queue.
    CaseId, "case_"
}
id! {
    /// One transfer over a rail outside of our books.
    OutsideId, "out_"
}
id! {
    /// One act of the operator's persons, such as a suspension.
    ActId, "act_"
}
id! {
    /// One run of a writer process: tells apart two writers that claim one epoch number.
    RunId, "run_"
}

/// The unique end-to-end transaction reference of ISO 20022: a UUID version 4, text with hyphens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Uetr(#[n(0)] UuidBytes);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct UuidBytes([u8; 16]);

impl<C> Encode<C> for UuidBytes {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for UuidBytes {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let bytes: [u8; 16] =
            d.bytes()?.try_into().map_err(|_| DecodeError::message("expected 16 bytes"))?;
        if bytes[6] >> 4 == 4 && bytes[8] >> 6 == 2 {
            Ok(Self(bytes))
        } else {
            Err(DecodeError::message("expected a UUID of version 4"))
        }
    }
}

impl Uetr {
    /// A reference made of 16 random bytes: version and variant bits are set here.
    #[must_use]
    pub const fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(UuidBytes(bytes))
    }

    /// The bare bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 16] {
        self.0.0
    }
}

impl fmt::Display for Uetr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uetr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uetr {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused =
            || IdError { expected: "a lower-case UUIDv4, ", got: text.chars().take(64).collect() };
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        let uetr = Self::from_random(parse_hex(&hex).ok_or_else(refused)?);
        if uetr.to_string() == text { Ok(uetr) } else { Err(refused()) }
    }
}

fn parse_hex(text: &str) -> Option<[u8; 16]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 16];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (hex_digit(*high)? << 4) | hex_digit(*low)?;
    }
    Some(bytes)
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] u64);

        impl $name {
            /// The first one.
            pub const ZERO: Self = Self(0);

            /// The `number`-th.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The bare number.
            #[must_use]
            pub const fn number(self) -> u64 {
                self.0
            }

            /// The next one; `None` after 2^64 - 1, which no journal of ours will reach.
            #[must_use]
            pub fn next(self) -> Option<Self> {
                self.0.checked_add(1).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

counter! {
    /// The place of a fact in a book's journal, from 0, dense. Leaf `n` of the book's log is the
    /// commitment to the fact at position `n`.
    Position
}
counter! {
    /// A writer's term. A journal accepts appends of the highest claimed epoch only.
    Epoch
}
counter! {
    /// The place of a request in an edge instance's own count, from 0, dense.
    Sequence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_kind_is_refused_by_its_prefix() {
        let id = PaymentId::from_bytes([7; 16]);
        assert_eq!(id.to_string().parse::<PaymentId>(), Ok(id));
        assert!(id.to_string().parse::<HoldId>().is_err());
        assert!("pay_00".parse::<PaymentId>().is_err());
        assert!(id.to_string().to_uppercase().parse::<PaymentId>().is_err());
    }

    #[test]
    fn a_uetr_is_a_uuid_of_version_4_with_hyphens() {
        let uetr = Uetr::from_random([0xff; 16]);
        assert_eq!(uetr.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uetr.to_string().parse::<Uetr>(), Ok(uetr));
        assert!("ffffffff-ffff-1fff-bfff-ffffffffffff".parse::<Uetr>().is_err());
        assert!("ffffffffffff4fffbfffffffffffffff".parse::<Uetr>().is_err());
        assert!(
            minicbor::decode::<Uetr>(&minicbor::to_vec(PaymentId::from_bytes([1; 16])).unwrap())
                .is_err()
        );
    }
}
