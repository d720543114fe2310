//! ISO 4217: the currencies that money can be in, and how many digits their minor unit has.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::error::{Rule, shown};
use crate::node::leaf;

/// An active currency of ISO 4217 that money can be in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; 3],
    exponent: u8,
}

impl Currency {
    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        core::str::from_utf8(&self.code).unwrap_or("")
    }

    /// How many digits of an amount stand behind the point: 0, 2, 3 or 4.
    #[must_use]
    pub const fn exponent(self) -> u8 {
        self.exponent
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        if let Some((_, what)) = NO_MONEY.iter().find(|(code, _)| *code == text) {
            return Err(CurrencyError::NoMoney { code: text.to_owned(), what });
        }
        let unknown = || CurrencyError::Unknown { got: shown(text) };
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| unknown())?;
        let listed = |(_, codes): &&(u8, &str)| codes.split(' ').any(|known| known == text);
        let (exponent, _) = ACTIVE.iter().find(listed).ok_or_else(unknown)?;
        Ok(Self { code, exponent: *exponent })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A code that no money can be in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CurrencyError {
    /// A code of ISO 4217 that is no currency of payments.
    #[error("expected a currency, got `{code}`, {what}")]
    NoMoney {
        /// The code.
        code: String,
        /// What it is.
        what: &'static str,
    },
    /// No active code of ISO 4217.
    #[error("expected an active currency of ISO 4217 such as `EUR`, got `{got}`")]
    Unknown {
        /// The first 64 characters of what came.
        got: String,
    },
}

impl CurrencyError {
    pub(crate) fn expected(self) -> String {
        match self {
            Self::NoMoney { code, what } => {
                format!("a currency that money can be in (`{code}` is {what})")
            }
            Self::Unknown { .. } => "an active currency of ISO 4217 such as `EUR`".to_owned(),
        }
    }
}

leaf!(Currency, Rule::Currency);

/// Active currencies by the digits of their minor unit. The list of 2026: `XCG` has replaced
/// `ANG`, `ZWG` has replaced `ZWL`, Bulgaria and Croatia use `EUR`.
const ACTIVE: [(u8, &str); 4] = [
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD \
         CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD \
         GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL \
         MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN \
         PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP \
         SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
    ),
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "UYW"),
];

/// Codes of ISO 4217 that stand for something else than money: each is refused by its name.
const NO_MONEY: [(&str, &str); 22] = [
    ("XAU", "gold"),
    ("XAG", "silver"),
    ("XPD", "palladium"),
    ("XPT", "platinum"),
    ("XXX", "the code for no currency"),
    ("XTS", "the code for tests"),
    ("XDR", "a special drawing right"),
    ("XSU", "the sucre, a unit of account"),
    ("XUA", "the unit of account of the African Development Bank"),
    ("XAD", "the Arab accounting dinar, a unit of account"),
    ("XBA", "a bond market unit"),
    ("XBB", "a bond market unit"),
    ("XBC", "a bond market unit"),
    ("XBD", "a bond market unit"),
    ("BOV", "a fund code"),
    ("CHE", "a fund code"),
    ("CHW", "a fund code"),
    ("CLF", "a fund code"),
    ("COU", "a fund code"),
    ("MXV", "a fund code"),
    ("USN", "a fund code"),
    ("UYI", "a fund code"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_currency_has_the_digits_of_its_minor_unit() {
        let table = [("EUR", 2), ("JPY", 0), ("KWD", 3), ("UYW", 4), ("CLP", 0), ("TND", 3)];
        for (code, exponent) in table {
            let currency: Currency = code.parse().unwrap();
            assert_eq!((currency.code(), currency.exponent()), (code, exponent));
        }
    }

    #[test]
    fn what_is_no_money_is_refused_by_its_name() {
        let table = [("XAU", "gold"), ("XXX", "no currency"), ("XTS", "tests"), ("CLF", "a fund")];
        for (code, words) in table {
            let error = code.parse::<Currency>().unwrap_err();
            assert!(matches!(error, CurrencyError::NoMoney { .. }), "{code}");
            assert!(error.to_string().contains(words), "{error}");
        }
        for bad in ["", "eur", "EU", "EURO", "DEM", "BGN", "EU ", "R A", "€"] {
            assert!(matches!(bad.parse::<Currency>(), Err(CurrencyError::Unknown { .. })), "{bad}");
        }
    }

    #[test]
    fn no_code_is_listed_twice() {
        let mut codes: Vec<&str> = ACTIVE.iter().flat_map(|(_, codes)| codes.split(' ')).collect();
        codes.extend(NO_MONEY.iter().map(|(code, _)| *code));
        let listed = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!((codes.len(), listed), (listed, 178));
        assert!(codes.iter().all(|code| code.len() == 3));
    }
}
