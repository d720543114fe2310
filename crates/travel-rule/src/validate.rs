//! The constraints of the standard, by number and name.

use core::fmt;
use core::ops::Deref;

use terms::BusinessDate;
use thiserror::Error;

use crate::address::Address;
use crate::codes::{AddressType, LegalNameType, NationalIdentifierType, NaturalNameType};
use crate::country::is_country;
use crate::identifier::{Lei, NationalIdentification};
use crate::payload::{IdentityPayload, TransferPath};
use crate::person::{LegalPerson, NaturalPerson, Person};
use crate::text::Text;

/// A constraint of IVMS101, section 7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Constraint {
    /// C1: a natural originator has an address, an identifier, a customer number or a birth.
    OriginatorInformationNaturalPerson,
    /// C2: a birth lies in the past.
    DateInPast,
    /// C3: a country is an ISO 3166-1 alpha-2 code, or `XX`.
    ValidCountry,
    /// C4: a legal originator has an address of type `GEOG`, an identifier or a customer number.
    OriginatorInformationLegalPerson,
    /// C5: a legal person has a name of type `LEGL`.
    LegalNamePresentLegalPerson,
    /// C6: a natural person has a name of type `LEGL`.
    LegalNamePresentNaturalPerson,
    /// C7: a legal person's identifier is `RAID`, `MISC`, `LEIX` or `TXID`.
    ValidNationalIdentifierLegalPerson,
    /// C8: an address has a line, or a street with a building.
    ValidAddress,
    /// C9: a legal person's identifier names no country, and names a register unless it is `LEIX`.
    CompleteNationalIdentifierLegalPerson,
    /// C10: a register is written as GLEIF lists it. Only the form is checked: `RA` and six digits.
    RegistrationAuthority,
    /// C11: what is called `LEIX` is a LEI with right check digits.
    ValidLei,
    /// C12: intermediaries are numbered from zero without a gap.
    SequentialIntegrity,
}

impl Constraint {
    /// All of them, by number.
    pub const ALL: [Self; 12] = [
        Self::OriginatorInformationNaturalPerson,
        Self::DateInPast,
        Self::ValidCountry,
        Self::OriginatorInformationLegalPerson,
        Self::LegalNamePresentLegalPerson,
        Self::LegalNamePresentNaturalPerson,
        Self::ValidNationalIdentifierLegalPerson,
        Self::ValidAddress,
        Self::CompleteNationalIdentifierLegalPerson,
        Self::RegistrationAuthority,
        Self::ValidLei,
        Self::SequentialIntegrity,
    ];

    /// Its number.
    #[must_use]
    pub const fn number(self) -> &'static str {
        self.said().0
    }

    /// What mends it, in plain words.
    #[must_use]
    pub const fn mend(self) -> &'static str {
        self.said().1
    }

    const fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::OriginatorInformationNaturalPerson => {
                ("C1", "give the payer's address, identifier, customer number or birth")
            }
            Self::DateInPast => ("C2", "give a day of birth before today"),
            Self::ValidCountry => ("C3", "give an ISO 3166-1 alpha-2 code, or XX"),
            Self::OriginatorInformationLegalPerson => {
                ("C4", "give the payer's address of type GEOG, identifier or customer number")
            }
            Self::LegalNamePresentLegalPerson => ("C5", "give the legal name, type LEGL"),
            Self::LegalNamePresentNaturalPerson => ("C6", "give the legal name, type LEGL"),
            Self::ValidNationalIdentifierLegalPerson => {
                ("C7", "a company is identified by RAID, MISC, LEIX or TXID")
            }
            Self::ValidAddress => ("C8", "give an address line, or street and building"),
            Self::CompleteNationalIdentifierLegalPerson => {
                ("C9", "leave out the country of issue; name the register, but none for LEIX")
            }
            Self::RegistrationAuthority => {
                ("C10", "write the register as GLEIF lists it, RA000000")
            }
            Self::ValidLei => ("C11", "give a LEI with right check digits (ISO 17442)"),
            Self::SequentialIntegrity => ("C12", "number the intermediaries 0, 1, 2 without a gap"),
        }
    }
}

/// One constraint that one place of a payload breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Which constraint.
    pub constraint: Constraint,
    /// Where.
    pub at: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (constraint, number) = (self.constraint, self.constraint.number());
        write!(f, "{number} {constraint:?} at {}: {}", self.at, constraint.mend())
    }
}

/// All that is wrong with a payload, at once, by constraint and place; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Each of them.
    #[must_use]
    pub fn all(&self) -> &[Violation] {
        &self.0
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, violation) in self.0.iter().enumerate() {
            let before = if i == 0 { "" } else { "; " };
            write!(f, "{before}{violation}")?;
        }
        Ok(())
    }
}

/// A payload that keeps every constraint.
///
/// INVARIANT (ValidPayload): made by [`IdentityPayload::validate`] alone; without that, an edge
/// could answer for data that nobody checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidPayload(IdentityPayload);

impl Deref for ValidPayload {
    type Target = IdentityPayload;

    fn deref(&self) -> &IdentityPayload {
        &self.0
    }
}

impl IdentityPayload {
    /// Checks every constraint, as of `today`.
    ///
    /// # Errors
    /// [`Violations`], all of them.
    pub fn validate(self, today: BusinessDate) -> Result<ValidPayload, Violations> {
        let mut check = Check { today, found: Vec::new() };
        check.payload(&self);
        check.found.sort();
        if check.found.is_empty() { Ok(ValidPayload(self)) } else { Err(Violations(check.found)) }
    }
}

struct Check {
    today: BusinessDate,
    found: Vec<Violation>,
}

impl Check {
    fn must(&mut self, holds: bool, constraint: Constraint, at: &str) {
        if !holds {
            self.found.push(Violation { constraint, at: at.to_owned() });
        }
    }

    fn payload(&mut self, payload: &IdentityPayload) {
        for (i, holder) in payload.originator.persons.iter().enumerate() {
            let at = format!("originator[{i}]");
            self.originator(&holder.person, &at);
            self.person(&holder.person, &at);
        }
        for (i, holder) in payload.beneficiary.persons.iter().enumerate() {
            self.person(&holder.person, &format!("beneficiary[{i}]"));
        }
        if let Some(person) = &payload.originating {
            self.person(person, "originatingVASP");
        }
        if let Some(person) = &payload.beneficiary_institution {
            self.person(person, "beneficiaryVASP");
        }
        if let Some(path) = &payload.path {
            self.path(path);
        }
    }

    fn path(&mut self, path: &TransferPath) {
        let mut numbers: Vec<u64> = path.intermediaries.iter().map(|i| i.sequence).collect();
        numbers.sort_unstable();
        let whole = (0_u64..).zip(&numbers).all(|(expected, got)| expected == *got);
        self.must(whole, Constraint::SequentialIntegrity, "transferPath");
        for (i, intermediary) in path.intermediaries.iter().enumerate() {
            self.person(&intermediary.institution, &format!("transferPath[{i}]"));
        }
    }

    fn originator(&mut self, person: &Person, at: &str) {
        match person {
            Person::Natural(p) => {
                let told = !p.addresses.is_empty()
                    || p.national_identification.is_some()
                    || p.customer_identification.is_some()
                    || p.birth.is_some();
                self.must(told, Constraint::OriginatorInformationNaturalPerson, at);
            }
            Person::Legal(p) => {
                let told = p.addresses.iter().any(|a| a.kind == AddressType::Geographic)
                    || p.national_identification.is_some()
                    || p.customer_identification.is_some();
                self.must(told, Constraint::OriginatorInformationLegalPerson, at);
            }
        }
    }

    fn person(&mut self, person: &Person, at: &str) {
        match person {
            Person::Natural(person) => self.natural(person, at),
            Person::Legal(person) => self.legal(person, at),
        }
    }

    fn natural(&mut self, person: &NaturalPerson, at: &str) {
        let named = person.name.identifiers.iter().any(|n| n.kind == NaturalNameType::Legal);
        self.must(named, Constraint::LegalNamePresentNaturalPerson, at);
        let born = person.birth.as_ref().is_none_or(|birth| birth.date.is_before(self.today));
        self.must(born, Constraint::DateInPast, at);
        self.country(person.country_of_residence.as_ref(), at);
        self.addresses(&person.addresses, at);
        if let Some(identification) = &person.national_identification {
            self.identification(identification, at);
        }
    }

    fn legal(&mut self, person: &LegalPerson, at: &str) {
        let named = person.name.identifiers.iter().any(|n| n.kind == LegalNameType::Legal);
        self.must(named, Constraint::LegalNamePresentLegalPerson, at);
        self.country(person.country_of_registration.as_ref(), at);
        self.addresses(&person.addresses, at);
        if let Some(identification) = &person.national_identification {
            self.identification(identification, at);
            self.companys(identification, at);
        }
    }

    fn companys(&mut self, id: &NationalIdentification, at: &str) {
        let kind = matches!(
            id.kind,
            NationalIdentifierType::RegistrationAuthority
                | NationalIdentifierType::Other
                | NationalIdentifierType::Lei
                | NationalIdentifierType::Tax
        );
        self.must(kind, Constraint::ValidNationalIdentifierLegalPerson, at);
        let is_lei = id.kind == NationalIdentifierType::Lei;
        let complete =
            id.country_of_issue.is_none() && id.registration_authority.is_some() != is_lei;
        self.must(complete, Constraint::CompleteNationalIdentifierLegalPerson, at);
        let lei = !is_lei || id.identifier.as_str().parse::<Lei>().is_ok();
        self.must(lei, Constraint::ValidLei, at);
    }

    fn identification(&mut self, id: &NationalIdentification, at: &str) {
        self.country(id.country_of_issue.as_ref(), at);
        let register = id.registration_authority.as_ref();
        let listed = register.is_none_or(|register| is_register(register.as_str()));
        self.must(listed, Constraint::RegistrationAuthority, at);
    }

    fn addresses(&mut self, addresses: &[Address], at: &str) {
        for (i, address) in addresses.iter().enumerate() {
            let at = format!("{at}.geographicAddress[{i}]");
            self.must(address.is_complete(), Constraint::ValidAddress, &at);
            self.country(Some(&address.country), &at);
        }
    }

    fn country(&mut self, country: Option<&Text<2>>, at: &str) {
        let known = country.is_none_or(|country| is_country(country.as_str()));
        self.must(known, Constraint::ValidCountry, at);
    }
}

fn is_register(code: &str) -> bool {
    let digits = code.strip_prefix("RA").unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit())
}
