//! Names of natural and legal persons.

use crate::codes::{LegalNameType, NaturalNameType};
use crate::limits::NAMES_MAX;
use crate::member::{Member, part};
use crate::text::Text;

/// The names of a natural person (`NaturalPersonName`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NaturalPersonName {
    /// In Latin letters; at least one is the legal name (C6).
    pub identifiers: Vec<NaturalNameId>,
    /// In local letters.
    pub local: Vec<LocalNameId>,
    /// As spoken.
    pub phonetic: Vec<LocalNameId>,
}

part!(NaturalPersonName {
    identifiers: Member::both("nameIdentifier") => list (1, NAMES_MAX),
    local: Member::both("localNameIdentifier") => list (0, NAMES_MAX),
    phonetic: Member::both("phoneticNameIdentifier") => list (0, NAMES_MAX),
});

/// One name of a natural person (`NaturalPersonNameID`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NaturalNameId {
    /// The family name, or the whole where it cannot be divided.
    pub primary: Text<100>,
    /// The other names.
    pub secondary: Option<Text<100>>,
    /// What kind of name.
    pub kind: NaturalNameType,
}

part!(NaturalNameId {
    primary: Member::both("primaryIdentifier") => one,
    secondary: Member::both("secondaryIdentifier") => optional,
    kind: Member::renamed("nameIdentifierType", "naturalPersonNameIdentifierType") => one,
});

/// One name of a natural person in local letters (`LocalNaturalPersonNameID`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNameId {
    /// The family name, or the whole.
    pub primary: Text<100>,
    /// The other names.
    pub secondary: Option<Text<100>>,
    /// What kind of name.
    pub kind: NaturalNameType,
}

part!(LocalNameId {
    primary: Member::both("primaryIdentifier") => one,
    secondary: Member::both("secondaryIdentifier") => optional,
    kind: Member::both("nameIdentifierType") => one,
});

/// The names of a legal person (`LegalPersonName`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegalPersonName {
    /// In Latin letters; at least one is the legal name (C5).
    pub identifiers: Vec<LegalNameId>,
    /// In local letters.
    pub local: Vec<LegalNameId>,
    /// As spoken.
    pub phonetic: Vec<LegalNameId>,
}

part!(LegalPersonName {
    identifiers: Member::both("nameIdentifier") => list (1, NAMES_MAX),
    local: Member::both("localNameIdentifier") => list (0, NAMES_MAX),
    phonetic: Member::both("phoneticNameIdentifier") => list (0, NAMES_MAX),
});

/// One name of a legal person (`LegalPersonNameID`, `LocalLegalPersonNameID`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegalNameId {
    /// The name.
    pub name: Text<100>,
    /// What kind of name.
    pub kind: LegalNameType,
}

part!(LegalNameId {
    name: Member::both("legalPersonName") => one,
    kind: Member::both("legalPersonNameIdentifierType") => one,
});
