//! Money: unsigned integer minor units tied to an asset, and only checked arithmetic.
//!
//! There is no `Add`: each operation returns a `Result`, and each rounding is named at the call.

use core::fmt;
use core::str::FromStr;

use minicbor::data::Tag;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use thiserror::Error;

use crate::name::AssetCode;

/// CBOR tag of an unsigned bignum (RFC 8949 section 3.4.3).
const UNSIGNED_BIGNUM: Tag = Tag::new(2);

/// A count of the smallest unit of some asset (cents, yen, fils), without saying which.
///
/// Stored as the shortest CBOR unsigned integer, or as an unsigned bignum above 2^64 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(u128);

impl Minor {
    /// Nothing at all.
    pub const ZERO: Self = Self(0);
    /// The largest count that fits; used as "no ceiling".
    pub const MAX: Self = Self(u128::MAX);

    /// A count of minor units.
    #[must_use]
    pub const fn new(units: u128) -> Self {
        Self(units)
    }

    /// The bare count.
    #[must_use]
    pub const fn units(self) -> u128 {
        self.0
    }

    /// Whether this is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or [`AmountError::Overflow`].
    pub fn plus(self, other: Self) -> Result<Self, AmountError> {
        self.0.checked_add(other.0).map(Self).ok_or(AmountError::Overflow)
    }

    /// The difference, or [`AmountError::Underflow`] when `other` is larger.
    pub fn minus(self, other: Self) -> Result<Self, AmountError> {
        self.0.checked_sub(other.0).map(Self).ok_or(AmountError::Underflow)
    }

    /// `self * numerator / denominator`, rounded down, with the remainder (in units of
    /// `1/denominator`) returned so that the caller must say where it goes.
    pub fn split_floor(self, numerator: u128, denominator: u128) -> Result<Split, AmountError> {
        let product = self.0.checked_mul(numerator).ok_or(AmountError::Overflow)?;
        let whole = product.checked_div(denominator).ok_or(AmountError::DivisionByZero)?;
        let remainder = product.checked_rem(denominator).ok_or(AmountError::DivisionByZero)?;
        Ok(Split { whole: Self(whole), remainder })
    }

    /// `self * numerator / denominator`, rounded up: what must be paid so that nobody is short.
    pub fn split_ceiling(self, numerator: u128, denominator: u128) -> Result<Self, AmountError> {
        let split = self.split_floor(numerator, denominator)?;
        if split.remainder == 0 { Ok(split.whole) } else { split.whole.plus(Self(1)) }
    }
}

/// The result of [`Minor::split_floor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The whole minor units.
    pub whole: Minor,
    /// What is left, in units of one `denominator`-th of a minor unit.
    pub remainder: u128,
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Minor {
    type Err = AmountError;

    /// Reads a decimal count of minor units: digits only, no sign, no leading zero.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let canonical = !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'));
        if !canonical {
            return Err(AmountError::Malformed { got: text.chars().take(64).collect() });
        }
        text.parse().map(Self).map_err(|_| AmountError::Overflow)
    }
}

impl<C> Encode<C> for Minor {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        if let Ok(small) = u64::try_from(self.0) {
            e.u64(small)?;
        } else {
            let bytes = self.0.to_be_bytes();
            let zeros = bytes.iter().take_while(|b| **b == 0).count();
            e.tag(UNSIGNED_BIGNUM)?.bytes(bytes.get(zeros..).unwrap_or(&[]))?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Minor {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        if d.datatype()? != minicbor::data::Type::Tag {
            return Ok(Self(u128::from(d.u64()?)));
        }
        if d.tag()? != UNSIGNED_BIGNUM {
            return Err(DecodeError::message("expected an unsigned bignum"));
        }
        let bytes = d.bytes()?;
        if bytes.len() > 16 {
            return Err(DecodeError::message("amount exceeds 128 bits"));
        }
        let units = bytes.iter().fold(0_u128, |sum, b| (sum << 8) | u128::from(*b));
        Ok(Self(units))
    }
}

/// A count of minor units of one asset.
///
/// Two amounts of different assets cannot be added: that is [`AmountError::AssetsDiffer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(array)]
pub struct Amount {
    /// How many minor units.
    #[n(0)]
    pub minor: Minor,
    /// Of what.
    #[n(1)]
    pub asset: AssetCode,
}

impl Amount {
    /// `minor` units of `asset`.
    #[must_use]
    pub const fn new(minor: Minor, asset: AssetCode) -> Self {
        Self { minor, asset }
    }

    /// The sum of two amounts of one asset.
    pub fn plus(self, other: Self) -> Result<Self, AmountError> {
        self.same_asset(other)?;
        Ok(Self { minor: self.minor.plus(other.minor)?, asset: self.asset })
    }

    /// The difference of two amounts of one asset.
    pub fn minus(self, other: Self) -> Result<Self, AmountError> {
        self.same_asset(other)?;
        Ok(Self { minor: self.minor.minus(other.minor)?, asset: self.asset })
    }

    fn same_asset(self, other: Self) -> Result<(), AmountError> {
        if self.asset == other.asset {
            Ok(())
        } else {
            Err(AmountError::AssetsDiffer { expected: self.asset, got: other.asset })
        }
    }

    /// The amount for people: decimal point after `exponent` digits from the right and groups of
    /// three, then the currency: `12,400.00 SGD`.
    #[must_use]
    pub fn for_people(&self) -> String {
        let exponent = usize::from(self.asset.exponent());
        let digits = format!("{:0>width$}", self.minor, width = exponent.saturating_add(1));
        let split = digits.len().saturating_sub(exponent);
        let (whole, fraction) = digits.split_at(split);
        let mut text = grouped(whole);
        if !fraction.is_empty() {
            text.push('.');
            text.push_str(fraction);
        }
        text.push(' ');
        text.push_str(self.asset.currency());
        text
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.minor, self.asset)
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len().saturating_mul(2));
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(index);
        if index > 0 && left.is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Why an operation on money gave no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// The result does not fit in 128 bits.
    #[error("the amount exceeds 128 bits")]
    Overflow,
    /// More would be taken than there is.
    #[error("more would be taken than there is")]
    Underflow,
    /// A ratio had nothing below its line.
    #[error("a ratio was divided by zero")]
    DivisionByZero,
    /// Amounts of two assets met in one sum.
    #[error("expected an amount of `{expected}`, got one of `{got}`")]
    AssetsDiffer {
        /// The asset of the left side.
        expected: AssetCode,
        /// The asset of the right side.
        got: AssetCode,
    },
    /// The text is not a canonical decimal count.
    #[error("expected a decimal count of minor units without sign or leading zero, got `{got}`")]
    Malformed {
        /// The first 64 characters of what came.
        got: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_amounts_with_point_groups_and_currency() {
        let table = [
            (1_240_000, "SGD.2@mas-sandbox", "12,400.00 SGD"),
            (5, "EUR.2@tcb", "0.05 EUR"),
            (1_234_567, "JPY.0@boj", "1,234,567 JPY"),
            (1, "KWD.3@cbk", "0.001 KWD"),
            (0, "EUR.2@tcb", "0.00 EUR"),
        ];
        for (minor, asset, text) in table {
            let amount = Amount::new(Minor::new(minor), asset.parse().unwrap());
            assert_eq!(amount.for_people(), text);
        }
    }

    #[test]
    fn text_that_is_not_canonical_is_refused() {
        for bad in ["", "01", "+1", "-1", "1.0", " 1", "1e3", "٣"] {
            assert!(bad.parse::<Minor>().is_err(), "{bad}");
        }
        assert_eq!(
            "340282366920938463463374607431768211456".parse::<Minor>(),
            Err(AmountError::Overflow)
        );
    }

    #[test]
    fn amounts_of_two_assets_do_not_add() {
        let a = Amount::new(Minor::new(1), "EUR.2@x".parse().unwrap());
        let b = Amount::new(Minor::new(1), "EUR.2@y".parse().unwrap());
        assert!(matches!(a.plus(b), Err(AmountError::AssetsDiffer { .. })));
    }

    proptest::proptest! {
        #[test]
        fn stored_form_round_trips(units: u128) {
            let bytes = minicbor::to_vec(Minor::new(units)).unwrap();
            proptest::prop_assert_eq!(minicbor::decode::<Minor>(&bytes).unwrap().units(), units);
        }

        #[test]
        fn a_split_loses_nothing(
            units in 0_u128..1 << 64,
            n in 1_u128..1 << 30,
            d in 1_u128..1 << 30,
        ) {
            let split = Minor::new(units).split_floor(n, d).unwrap();
            proptest::prop_assert_eq!(split.whole.units() * d + split.remainder, units * n);
            proptest::prop_assert!(split.remainder < d);
        }
    }
}
