//! The code lists of the standard: four letters each, as text.

use core::fmt;

use crate::error::{Problem, ReadError, WriteError};
use crate::json::{Node, quoted};
use crate::member::{Part, refused, text};
use crate::payload::Version;
use crate::text::shown;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// All of them, in the standard's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as it is written.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }

        impl Part for $name {
            fn read(node: Node, at: &str, _: Version) -> Result<Self, ReadError> {
                let code = text(node, at)?;
                match code.as_str() {
                    $($code => Ok(Self::$variant),)+
                    other => {
                        let expected = ["one of", $($code,)+].join(" ");
                        Err(refused(at, Problem::Value { expected, got: shown(other) }))
                    }
                }
            }

            fn write(&self, out: &mut String, _: Version) -> Result<(), WriteError> {
                quoted(self.code(), out);
                Ok(())
            }
        }
    };
}

codes! {
    /// What kind of name of a natural person (`NaturalPersonNameTypeCode`).
    NaturalNameType {
        /// Another name by which the person is known.
        Alias = "ALIA",
        /// The name at birth.
        Birth = "BIRT",
        /// The name before a marriage.
        Maiden = "MAID",
        /// The legal name.
        Legal = "LEGL",
        /// Another kind.
        Other = "MISC",
    }
}

codes! {
    /// What kind of name of a legal person (`LegalPersonNameTypeCode`).
    LegalNameType {
        /// The official name, as registered.
        Legal = "LEGL",
        /// A short name.
        Short = "SHRT",
        /// The name under which it trades.
        Trading = "TRAD",
    }
}

codes! {
    /// What an address is (`AddressTypeCode`).
    AddressType {
        /// Home.
        Home = "HOME",
        /// Business.
        Business = "BIZZ",
        /// Where it is, not further said: the one that counts for a legal person (C4).
        Geographic = "GEOG",
    }
}

codes! {
    /// What an identifier is (`NationalIdentifierTypeCode`).
    NationalIdentifierType {
        /// Alien registration number.
        AlienRegistration = "ARNU",
        /// Passport number.
        Passport = "CCPT",
        /// Registration authority identifier.
        RegistrationAuthority = "RAID",
        /// Driver's licence number.
        DriverLicence = "DRLC",
        /// Foreign investment identity number.
        ForeignInvestment = "FIIN",
        /// Tax identification number.
        Tax = "TXID",
        /// Social security number.
        SocialSecurity = "SOCS",
        /// Identity card number.
        IdentityCard = "IDCD",
        /// Legal entity identifier (ISO 17442).
        Lei = "LEIX",
        /// Another kind.
        Other = "MISC",
    }
}

codes! {
    /// How a name came into Latin letters (`TransliterationMethodCode`).
    Transliteration {
        /// Arabic, ISO 233-2.
        Arabic = "arab",
        /// Arabic (Persian), ISO 233-3.
        Persian = "aran",
        /// Armenian, ISO 9985.
        Armenian = "armn",
        /// Cyrillic, ISO 9.
        Cyrillic = "cyrl",
        /// Devanagari and related, ISO 15919.
        Devanagari = "deva",
        /// Georgian, ISO 9984.
        Georgian = "geor",
        /// Greek, ISO 843.
        Greek = "grek",
        /// Han, ISO 7098.
        Han = "hani",
        /// Hebrew, ISO 259-2.
        Hebrew = "hebr",
        /// Kana, ISO 3602.
        Kana = "kana",
        /// Korean, the Revised Romanization.
        Korean = "kore",
        /// Thai, ISO 11940-2.
        Thai = "thai",
        /// Another way.
        Other = "othr",
    }
}
