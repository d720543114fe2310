//! National identifiers, and the legal entity identifier among them.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::codes::NationalIdentifierType;
use crate::member::{Member, part};
use crate::text::{Text, shown};

/// An identifier that a country's authority gave (`NationalIdentification`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NationalIdentification {
    /// The identifier.
    pub identifier: Text<35>,
    /// What it is.
    pub kind: NationalIdentifierType,
    /// Which country gave it; never for a legal person (C9).
    pub country_of_issue: Option<Text<2>>,
    /// Which register holds it, by GLEIF's list of registration authorities (C10).
    pub registration_authority: Option<Text<8>>,
}

part!(NationalIdentification {
    identifier: Member::both("nationalIdentifier") => one,
    kind: Member::both("nationalIdentifierType") => one,
    country_of_issue: Member::both("countryOfIssue") => optional,
    registration_authority: Member::both("registrationAuthority") => optional,
});

impl NationalIdentification {
    /// A legal entity identifier.
    #[must_use]
    pub fn lei(lei: &Lei) -> Self {
        Self {
            identifier: lei.text(),
            kind: NationalIdentifierType::Lei,
            country_of_issue: None,
            registration_authority: None,
        }
    }
}

/// A legal entity identifier: 18 upper-case letters or digits and two check digits (ISO 17442,
/// ISO 7064 mod 97-10). That somebody holds it is not said.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lei(Text<35>);

impl Lei {
    /// The twenty characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    fn text(&self) -> Text<35> {
        self.0.clone()
    }
}

impl FromStr for Lei {
    type Err = LeiError;

    fn from_str(text: &str) -> Result<Self, LeiError> {
        let refused = || LeiError { got: shown(text) };
        let (number, check) = text.split_at_checked(18).ok_or_else(refused)?;
        let formed = number.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && check.len() == 2
            && check.bytes().all(|b| b.is_ascii_digit());
        if formed && remainder_97(text) == Some(1) {
            return text.parse().map(Self).map_err(|_| refused());
        }
        Err(refused())
    }
}

impl fmt::Display for Lei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Lei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No legal entity identifier.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected 18 letters or digits and two right check digits (ISO 17442), got `{got}`")]
pub struct LeiError {
    /// The text, its first characters.
    pub got: String,
}

/// The number that letters (`A` is 10) and digits make, modulo 97.
fn remainder_97(text: &str) -> Option<u32> {
    text.chars().try_fold(0_u32, |sum, character| {
        let digit = character.to_digit(36)?;
        let shift = if digit < 10 { 10 } else { 100 };
        sum.checked_mul(shift)?.checked_add(digit)?.checked_rem(97)
    })
}
