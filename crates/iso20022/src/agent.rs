//! Banks: `BranchAndFinancialInstitutionIdentification6`.

use core::fmt;
use core::str::FromStr;

use crate::codes::Choice;
use crate::error::Rule;
use crate::node::{leaf, part};
use crate::party::Address;
use crate::text::{Text, TextError};

/// `BICFIDec2014Identifier`: 8 or 11 characters of ISO 9362.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bic(Box<str>);

impl Bic {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Bic {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let capital = |b: u8| b.is_ascii_uppercase();
        let either = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        let country = text.get(4..6).is_some_and(|code| code.bytes().all(capital));
        if matches!(text.len(), 8 | 11) && text.bytes().all(either) && country {
            return Ok(Self(text.into()));
        }
        Err(TextError::new("a BIC of 8 or 11 characters such as `ZABCGB9AXXX`", text))
    }
}

impl fmt::Display for Bic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Bic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

leaf!(Bic, Rule::Value);

/// `BranchAndFinancialInstitutionIdentification6`, without the branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Agent {
    /// `FinInstnId`.
    pub institution: Institution,
}

part!(Agent { institution: "FinInstnId" });

impl From<Bic> for Agent {
    fn from(bic: Bic) -> Self {
        Self { institution: Institution { bic: Some(bic), ..Institution::default() } }
    }
}

impl Agent {
    /// The BIC, if that is how the agent is named.
    #[must_use]
    pub const fn bic(&self) -> Option<&Bic> {
        self.institution.bic.as_ref()
    }
}

/// `FinancialInstitutionIdentification18`: any of the ways to name a bank.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Institution {
    /// `BICFI`; `BIC` in camt.053.001.02.
    pub bic: Option<Bic>,
    /// `ClrSysMmbId`.
    pub clearing_member: Option<ClearingMember>,
    /// `LEI`.
    pub lei: Option<Text<20>>,
    /// `Nm`.
    pub name: Option<Text<140>>,
    /// `PstlAdr`.
    pub address: Option<Address>,
    /// `Othr`.
    pub other: Option<OtherInstitution>,
}

part!(Institution {
    bic: "BICFI|BIC",
    clearing_member: "ClrSysMmbId",
    lei: "LEI",
    name: "Nm",
    address: "PstlAdr",
    other: "Othr",
});

/// `ClearingSystemMemberIdentification2`: a sort code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClearingMember {
    /// `ClrSysId`: which clearing system, for instance `GBDSC`.
    pub system: Option<Choice<Text<5>>>,
    /// `MmbId`.
    pub member: Text<35>,
}

part!(ClearingMember { system: "ClrSysId", member: "MmbId" });

/// `GenericFinancialIdentification1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherInstitution {
    /// `Id`.
    pub id: Text<35>,
    /// `SchmeNm`.
    pub scheme: Option<Choice<Text<4>>>,
    /// `Issr`.
    pub issuer: Option<Text<35>>,
}

part!(OtherInstitution { id: "Id", scheme: "SchmeNm", issuer: "Issr" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bic_has_eight_or_eleven_characters() {
        for good in ["ZABCGB9A", "ZABCGB9AXXX", "GSCRUS30"] {
            assert!(good.parse::<Bic>().is_ok(), "{good}");
        }
        for bad in ["", "ZABCGB9", "ZABCGB9AXX", "zabcgb9a", "ZABC1B9A", "ZABCGB9é"] {
            assert!(bad.parse::<Bic>().is_err(), "{bad}");
        }
    }
}
