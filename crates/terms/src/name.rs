//! Names that people choose: short ASCII labels, each of its own type.
//!
//! A name is 1 to 48 characters of `a-z A-Z 0-9 . _ @ : + -`. It is `Copy`, because it is a key
//! everywhere, and it never needs escaping in a URL path segment, a file name or a log line.

use core::fmt;
use core::str::FromStr;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use thiserror::Error;

/// The longest name, in bytes: a DID or URL is not a name, a LEI with its scheme is.
pub const NAME_BYTES_MAX: usize = 48;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Label {
    bytes: [u8; NAME_BYTES_MAX],
    length: u8,
}

impl Label {
    fn parse(text: &str, what: &'static str) -> Result<Self, NameError> {
        let refused = || NameError { what, got: text.chars().take(64).collect() };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._@:+-".contains(&b);
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(refused());
        }
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes.get_mut(..text.len()).ok_or_else(refused)?.copy_from_slice(text.as_bytes());
        Ok(Self { bytes, length: u8::try_from(text.len()).map_err(|_| refused())? })
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }
}

/// Text that is not a name of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected {what}, got `{got}`")]
pub struct NameError {
    /// What was expected, in words.
    pub what: &'static str,
    /// The first 64 characters of what came.
    pub got: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => { name!($(#[$doc])* $name, $what, |_| true); };
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Label);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let label = Label::parse(text, $what)?;
                let rule: fn(&str) -> bool = $rule;
                if rule(text) {
                    Ok(Self(label))
                } else {
                    Err(NameError { what: $what, got: text.to_owned() })
                }
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), EncodeError<W::Error>> {
                e.str(self.as_str())?;
                Ok(())
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                d.str()?.parse().map_err(|_| DecodeError::message(concat!("expected ", $what)))
            }
        }
    };
}

name! {
    /// A currency with its exponent and whose liability it is: `EUR.2@tcb-sandbox`.
    ///
    /// `EUR.2@bank-x` is not `EUR.2@bank-y`. The exponent is part of the name, so an amount can
    /// be shown and checked without a table. Not an ISO 4217 code alone.
    AssetCode,
    "an asset such as `EUR.2@central-bank`: currency, exponent 0 to 9, `@`, whose liability",
    is_asset
}
name! {
    /// A book: one state machine, one journal, one writer. Not an institution, which may have
    /// several.
    BookName, "a book name such as `settlement` or `bank-nl.customers`"
}
name! {
    /// An institution that decides and holds accounts: `bank-nl`. Not an instance of its edge.
    InstitutionName, "an institution name such as `bank-nl`"
}
name! {
    /// One instance of an institution's edge, with its own dense sequence: `bank-nl.1`.
    EdgeName, "an edge instance name such as `bank-nl.1`"
}
name! {
    /// An FX provider: `fx-dealer`.
    ProviderName, "a provider name such as `fx-dealer`"
}
name! {
    /// A way to move money that we do not control: `tcb-files`. Not the bank at its other end.
    RailName, "a rail name such as `tcb-files`"
}
name! {
    /// A pair of jurisdictions and the scheme between them: `nl-sg`.
    CorridorName, "a corridor name such as `nl-sg`"
}
name! {
    /// Where this runs and whether its money is real: `sandbox`, `production`. A record of one
    /// environment is worth nothing in another.
    Environment, "an environment such as `sandbox` or `production`"
}
name! {
    /// A company identifier, scheme and value: `nl-kvk:68750110`, `lei:5493…`. Not an account
    /// owner's name, and not a DID.
    CompanyId, "a company identifier with its scheme, such as `nl-kvk:68750110`",
    |text| text.split_once(':').is_some_and(|(scheme, value)| !scheme.is_empty() && !value.is_empty())
}
name! {
    /// An ISO 3166-1 alpha-2 country code, upper case: `NL`.
    Jurisdiction, "a two-letter upper-case country code such as `NL`",
    |text| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
}

impl AssetCode {
    /// The ISO 4217 currency code.
    #[must_use]
    pub fn currency(&self) -> &str {
        self.as_str().split_once('.').map_or("", |(currency, _)| currency)
    }

    /// How many decimal digits the minor unit stands behind the point.
    #[must_use]
    pub fn exponent(&self) -> u8 {
        self.as_str().as_bytes().get(4).map_or(0, |digit| digit.saturating_sub(b'0'))
    }

    /// Whose liability it is.
    #[must_use]
    pub fn liability_of(&self) -> &str {
        self.as_str().split_once('@').map_or("", |(_, holder)| holder)
    }
}

fn is_asset(text: &str) -> bool {
    let Some((unit, holder)) = text.split_once('@') else { return false };
    let Some((currency, exponent)) = unit.split_once('.') else { return false };
    currency.len() == 3
        && currency.bytes().all(|b| b.is_ascii_uppercase())
        && exponent.len() == 1
        && exponent.bytes().all(|b| b.is_ascii_digit())
        && !holder.is_empty()
        && !holder.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_names_currency_exponent_and_liability() {
        let asset: AssetCode = "EUR.2@tcb-sandbox".parse().unwrap();
        assert_eq!(
            (asset.currency(), asset.exponent(), asset.liability_of()),
            ("EUR", 2, "tcb-sandbox")
        );
    }

    #[test]
    fn names_of_the_wrong_shape_are_refused() {
        for bad in ["", "EUR", "EUR@x", "eur.2@x", "EUR.2@", "EUR.22@x", "EUR.2@x@y", "EUR 2@x"] {
            assert!(bad.parse::<AssetCode>().is_err(), "{bad}");
        }
        for bad in ["nl", "NLD", "N1"] {
            assert!(bad.parse::<Jurisdiction>().is_err(), "{bad}");
        }
        assert!("a/b".parse::<BookName>().is_err());
        assert!("a".repeat(NAME_BYTES_MAX + 1).parse::<BookName>().is_err());
        assert!(":5".parse::<CompanyId>().is_err());
    }

    #[test]
    fn stored_form_is_text_and_round_trips() {
        let name: CompanyId = "nl-kvk:68750110".parse().unwrap();
        let bytes = minicbor::to_vec(name).unwrap();
        assert_eq!(bytes.first(), Some(&0x6f));
        assert_eq!(minicbor::decode::<CompanyId>(&bytes).unwrap(), name);
    }
}
