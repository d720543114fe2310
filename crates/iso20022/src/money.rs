//! Amounts: decimal text to exact minor units of its currency, and back.

use core::fmt;

use terms::{Amount, AssetCode, Minor};
use thiserror::Error;

use crate::currency::Currency;
use crate::decimal::{pointed, split};
use crate::error::{Rule, shown};
use crate::limits::{AMOUNT_DIGITS_MAX, AMOUNT_FRACTION_MAX};
use crate::node::{Fault, Node, Part};
use crate::out::Writer;

/// `ActiveCurrencyAndAmount` or `ActiveOrHistoricCurrencyAndAmount`: minor units and currency.
///
/// Whose liability it is, a message does not say: [`Money::of_asset`] joins the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    minor: Minor,
    currency: Currency,
}

impl Money {
    /// Minor units of a currency; refused above the 18 digits that a message can hold.
    pub fn new(minor: Minor, currency: Currency) -> Result<Self, MoneyError> {
        let money = Self { minor, currency };
        if minor.units() >= 10_u128.pow(18) {
            return Err(MoneyError::TooLong { got: money.decimal_text() });
        }
        Ok(money)
    }

    /// Reads decimal text such as `1250.00`: digits with at most one point.
    ///
    /// Digits beyond the currency's minor unit are refused unless they are zeros: nothing is
    /// rounded.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let (whole, fraction) =
            split(text).ok_or_else(|| MoneyError::Malformed { got: shown(text) })?;
        let significant = whole.trim_start_matches('0');
        let used = fraction.trim_end_matches('0');
        let digits = significant.len().saturating_add(used.len());
        if digits > AMOUNT_DIGITS_MAX || used.len() > AMOUNT_FRACTION_MAX {
            return Err(MoneyError::TooLong { got: shown(text) });
        }
        let exponent = usize::from(currency.exponent());
        if used.len() > exponent {
            let got = shown(text);
            return Err(MoneyError::Fraction { currency, exponent: currency.exponent(), got });
        }
        let units = format!("{significant}{used:0<exponent$}");
        let units = units.trim_start_matches('0');
        let units = if units.is_empty() { Ok(0) } else { units.parse() };
        let units = units.map_err(|_| MoneyError::TooLong { got: shown(text) })?;
        Self::new(Minor::new(units), currency)
    }

    /// The minor units.
    #[must_use]
    pub const fn minor(&self) -> Minor {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// The same money as a claim on somebody: the asset's currency and exponent must be this
    /// currency's.
    pub fn of_asset(&self, asset: AssetCode) -> Result<Amount, MoneyError> {
        if asset.currency() == self.currency.code() && asset.exponent() == self.currency.exponent()
        {
            return Ok(Amount::new(self.minor, asset));
        }
        Err(MoneyError::OtherAsset { currency: self.currency, asset })
    }

    /// The decimal text with all digits of the minor unit: `1250.00`, `1250` in `JPY`.
    #[must_use]
    pub fn decimal_text(&self) -> String {
        pointed(self.minor.units(), usize::from(self.currency.exponent()))
    }

    /// The amount at 17 digits behind the point, to be compared with control sums.
    pub(crate) fn fixed(&self) -> u128 {
        let shift = 17_u32.saturating_sub(u32::from(self.currency.exponent()));
        self.minor.units().saturating_mul(10_u128.saturating_pow(shift))
    }
}

impl TryFrom<Amount> for Money {
    type Error = MoneyError;

    /// The amount without its liability. The asset's exponent must be its currency's.
    fn try_from(amount: Amount) -> Result<Self, MoneyError> {
        let asset = amount.asset;
        let unknown = || MoneyError::NoCurrency { asset };
        let currency: Currency = asset.currency().parse().map_err(|_| unknown())?;
        if currency.exponent() != asset.exponent() {
            return Err(MoneyError::OtherAsset { currency, asset });
        }
        Self::new(amount.minor, currency)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal_text(), self.currency)
    }
}

/// Why something is no exact amount.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// Other characters than digits and one point.
    #[error("expected digits with at most one point, such as `1250.00`, got `{got}`")]
    Malformed {
        /// The first 64 characters of what came.
        got: String,
    },
    /// More digits than an amount has.
    #[error("expected at most 18 digits, 5 of them behind the point, got `{got}`")]
    TooLong {
        /// The first 64 characters of what came.
        got: String,
    },
    /// Digits that the currency does not have.
    #[error("expected at most {exponent} digits behind the point in `{currency}`, got `{got}`")]
    Fraction {
        /// The currency.
        currency: Currency,
        /// The digits of its minor unit.
        exponent: u8,
        /// What came.
        got: String,
    },
    /// The asset is in another currency, or has another exponent.
    #[error("expected an asset in `{currency}`, got `{asset}`")]
    OtherAsset {
        /// The money's currency.
        currency: Currency,
        /// The asset.
        asset: AssetCode,
    },
    /// The asset's currency is none that a message can carry.
    #[error("expected an asset in a currency of ISO 4217, got `{asset}`")]
    NoCurrency {
        /// The asset.
        asset: AssetCode,
    },
}

impl MoneyError {
    fn expected(&self) -> String {
        match self {
            Self::Malformed { .. } => "digits with at most one point, such as `1250.00`".to_owned(),
            Self::TooLong { .. } => "at most 18 digits, 5 of them behind the point".to_owned(),
            Self::Fraction { currency, exponent, .. } => {
                format!("at most {exponent} digits behind the point in `{currency}`")
            }
            Self::OtherAsset { .. } | Self::NoCurrency { .. } => "an amount".to_owned(),
        }
    }
}

impl Part for Money {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        let mend = "nothing is rounded or converted here: the sender must correct it";
        let Some(code) = node.element.currency.as_deref() else {
            return Err(node.fault(Rule::Currency, "the attribute `Ccy`", "nothing", mend));
        };
        let currency: Currency = code.parse().map_err(|error: crate::CurrencyError| {
            node.fault(Rule::Currency, error.expected(), code, mend)
        })?;
        let text = node.collapsed()?;
        Self::parse(text, currency)
            .map_err(|error| node.fault(Rule::Amount, error.expected(), text, mend))
    }

    fn write(&self, out: &mut Writer, name: &str) {
        out.amount(name, self.currency.code(), &self.decimal_text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, currency: &str) -> Result<u128, MoneyError> {
        Money::parse(text, currency.parse().unwrap()).map(|money| money.minor().units())
    }

    #[test]
    fn decimal_text_becomes_minor_units_exactly() {
        let table = [
            ("1250.00", "EUR", 125_000),
            ("1250", "EUR", 125_000),
            ("1250.5", "EUR", 125_050),
            ("0", "EUR", 0),
            ("0.01", "EUR", 1),
            (".01", "EUR", 1),
            ("1.", "EUR", 100),
            ("0001.10000", "EUR", 110),
            ("1250", "JPY", 1_250),
            ("1250.00", "JPY", 1_250),
            ("1.234", "KWD", 1_234),
            ("1.2345", "UYW", 12_345),
            // A double would give …94.
            ("9007199254740993.01", "EUR", 900_719_925_474_099_301),
            ("9999999999999999.99", "EUR", 999_999_999_999_999_999),
        ];
        for (text, currency, units) in table {
            assert_eq!(parse(text, currency), Ok(units), "{text} {currency}");
        }
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        for bad in ["", ".", "-1", "+1", "1e3", "1,00", "1 000", "0x1", "NaN", "INF", "1.0.0", "١"]
        {
            assert!(matches!(parse(bad, "EUR"), Err(MoneyError::Malformed { .. })), "{bad}");
        }
        for (bad, currency) in [("1.001", "EUR"), ("1.1", "JPY"), ("1.2345", "KWD")] {
            assert!(matches!(parse(bad, currency), Err(MoneyError::Fraction { .. })), "{bad}");
        }
        for (bad, currency) in [
            ("1234567890123456789", "JPY"),
            ("12345678901234567", "EUR"),
            ("1.000001", "UYW"),
            ("123456789012345678.9", "JPY"),
        ] {
            assert!(matches!(parse(bad, currency), Err(MoneyError::TooLong { .. })), "{bad}");
        }
    }

    #[test]
    fn money_meets_an_asset_of_its_currency_only() {
        let money = Money::parse("12.34", "EUR".parse().unwrap()).unwrap();
        let asset = "EUR.2@tcb".parse().unwrap();
        let amount = money.of_asset(asset).unwrap();
        assert_eq!(Money::try_from(amount), Ok(money));
        for other in ["USD.2@tcb", "EUR.3@tcb"] {
            assert!(money.of_asset(other.parse().unwrap()).is_err(), "{other}");
        }
        let gold = Amount::new(Minor::new(1), "XAU.2@vault".parse().unwrap());
        assert!(matches!(Money::try_from(gold), Err(MoneyError::NoCurrency { .. })));
    }

    proptest::proptest! {
        #[test]
        fn text_round_trips(units in 0_u128..10_u128.pow(18), which in 0_usize..4) {
            let currency = ["EUR", "JPY", "KWD", "UYW"][which].parse().unwrap();
            let money = Money::new(Minor::new(units), currency).unwrap();
            proptest::prop_assert_eq!(Money::parse(&money.decimal_text(), currency), Ok(money));
        }
    }
}
