//! Exact decimal numbers: control sums, totals, rates. No exponent, no float.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::error::{Rule, shown};
use crate::node::leaf;

/// Digits of `DecimalNumber`.
const DIGITS_MAX: usize = 18;
/// Digits of `DecimalNumber` behind the point.
const FRACTION_MAX: usize = 17;

/// `DecimalNumber`: at most 18 digits, at most 17 of them behind the point; some banks sum debits
/// up below nothing.
///
/// Held in its shortest form, so `1.50` and `1.5` are one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    units: u64,
    scale: u8,
}

impl Decimal {
    /// `units` divided by ten to the power of `scale`.
    pub fn new(units: u64, scale: u8) -> Result<Self, DecimalError> {
        let mut number = Self { negative: false, units, scale };
        while number.scale > 0 && number.units.is_multiple_of(10) {
            number.units /= 10;
            number.scale = number.scale.saturating_sub(1);
        }
        if number.units == 0 {
            number.scale = 0;
        }
        let fits = usize::from(number.scale) <= FRACTION_MAX && digits(number.units) <= DIGITS_MAX;
        if fits { Ok(number) } else { Err(DecimalError::new(&number.to_string())) }
    }

    /// The number with the other sign; nothing has none.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self { negative: !self.negative && self.units != 0, ..self }
    }

    /// Whether it is below nothing.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.negative
    }

    /// The digits, without point and sign.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.units
    }

    /// How many of them stand behind the point.
    #[must_use]
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// The number at 17 digits behind the point, where two are compared and added; `None` below
    /// nothing.
    pub(crate) fn fixed(self) -> Option<u128> {
        let shift = FRACTION_MAX.saturating_sub(usize::from(self.scale));
        let factor = 10_u128.saturating_pow(u32::try_from(shift).unwrap_or(u32::MAX));
        (!self.negative).then(|| u128::from(self.units).saturating_mul(factor))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Reads digits with at most one point among them and a minus before them if any sign.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = split(unsigned).ok_or_else(|| DecimalError::new(text))?;
        let fraction = fraction.trim_end_matches('0');
        let scale = u8::try_from(fraction.len()).map_err(|_| DecimalError::new(text))?;
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        if significant.len() > DIGITS_MAX || fraction.len() > FRACTION_MAX {
            return Err(DecimalError::new(text));
        }
        let units = if significant.is_empty() { Ok(0) } else { significant.parse() };
        let number = Self::new(units.map_err(|_| DecimalError::new(text))?, scale)?;
        Ok(if unsigned == text { number } else { number.negated() })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{}", pointed(u128::from(self.units), usize::from(self.scale)))
    }
}

/// `BaseOneRate`: at most 11 digits, at most 10 behind the point, more than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate(Decimal);

impl Rate {
    /// The number.
    #[must_use]
    pub const fn decimal(self) -> Decimal {
        self.0
    }
}

impl TryFrom<Decimal> for Rate {
    type Error = DecimalError;

    fn try_from(number: Decimal) -> Result<Self, DecimalError> {
        if number.negative || number.units == 0 || digits(number.units) > 11 || number.scale > 10 {
            let expected = "a rate above nothing of at most 11 digits, 10 behind the point";
            return Err(DecimalError { expected, got: number.to_string() });
        }
        Ok(Self(number))
    }
}

impl FromStr for Rate {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        text.parse::<Decimal>()?.try_into()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is no such number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected {expected}, got `{got}`")]
pub struct DecimalError {
    /// What was expected, in words.
    pub expected: &'static str,
    /// The first 64 characters of what came.
    pub got: String,
}

impl DecimalError {
    fn new(got: &str) -> Self {
        let expected = "a number such as `1250.5` of at most 18 digits";
        Self { expected, got: shown(got) }
    }

    pub(crate) fn expected(self) -> &'static str {
        self.expected
    }
}

leaf!(Decimal, Rule::Value);
leaf!(Rate, Rule::Value);

/// Digits before and behind the point; `None` unless there are digits and nothing else.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let some = !whole.is_empty() || !fraction.is_empty();
    (some && number(whole) && number(fraction)).then_some((whole, fraction))
}

/// `units` with a point before the last `scale` digits.
pub(crate) fn pointed(units: u128, scale: usize) -> String {
    let digits = format!("{units:0>width$}", width = scale.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

fn digits(units: u64) -> usize {
    units.checked_ilog10().map_or(1, |log| usize::try_from(log).unwrap_or(0).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_held_in_their_shortest_form() {
        let table = [
            ("1.50", "1.5"),
            ("0", "0"),
            ("0.00", "0"),
            ("-0.0", "0"),
            ("-12.50", "-12.5"),
            ("007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("120", "120"),
            ("999999999999999999", "999999999999999999"),
            ("0.00000000000000001", "0.00000000000000001"),
        ];
        for (text, shortest) in table {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), shortest, "{text}");
        }
        for bad in
            ["", ".", "-", "--1", "+1", "1e3", "1,5", "1.2.3", "٣", "1000000000000000000", " 1"]
        {
            assert!(bad.parse::<Decimal>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_above_nothing_and_of_eleven_digits() {
        assert_eq!("1.4282".parse::<Rate>().unwrap().to_string(), "1.4282");
        for bad in ["0", "0.000", "-1", "123456789012", "0.12345678901"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
