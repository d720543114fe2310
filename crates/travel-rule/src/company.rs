//! The payload of a payment between two companies: what the travel rule asks, and nothing else.
//!
//! Regulation (EU) 2023/1113 art. 4 and FATF recommendation 16: name, account and address of the
//! payer, its LEI where it has one; name and account of the payee. No customer number, no register
//! number, no birth: the parts that this module cannot fill are never sent.

use crate::address::Address;
use crate::codes::{AddressType, LegalNameType};
use crate::identifier::{Lei, NationalIdentification};
use crate::name::{LegalNameId, LegalPersonName};
use crate::payload::{Beneficiary, IdentityPayload, Metadata, Originator, Version};
use crate::person::{AccountPerson, LegalPerson, Person};
use crate::text::Text;

/// A payment from one company to another, as the travel rule sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanyTransfer {
    /// Who pays.
    pub payer: Payer,
    /// Who is paid.
    pub payee: Payee,
}

/// The company that pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    /// The legal name.
    pub name: Text<100>,
    /// The account that is debited.
    pub account: Text<100>,
    /// Where it is.
    pub address: LegalAddress,
    /// Where it is registered.
    pub country: Text<2>,
    /// The LEI, where it has one.
    pub lei: Option<Lei>,
}

/// The company that is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee {
    /// The legal name.
    pub name: Text<100>,
    /// The account that is credited.
    pub account: Text<100>,
}

/// An address as a register states it: street and number in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegalAddress {
    /// Street and number; one address line, since no rule divides the two in every country.
    pub street: Text<70>,
    /// Postal code; some countries have none.
    pub post_code: Option<Text<16>>,
    /// Town.
    pub town: Text<35>,
    /// Country.
    pub country: Text<2>,
}

impl CompanyTransfer {
    /// The payload, by the issue of 2023.
    #[must_use]
    pub fn payload(&self) -> IdentityPayload {
        let payer = LegalPerson {
            addresses: vec![self.payer.address.address()],
            national_identification: self.payer.lei.as_ref().map(NationalIdentification::lei),
            ..company(&self.payer.name, Some(&self.payer.country))
        };
        let payee = company(&self.payee.name, None);
        IdentityPayload {
            version: Version::V2023,
            originator: Originator {
                persons: vec![holder(payer, &self.payer.account)],
                accounts: Vec::new(),
            },
            beneficiary: Beneficiary {
                persons: vec![holder(payee, &self.payee.account)],
                accounts: Vec::new(),
            },
            originating: None,
            beneficiary_institution: None,
            path: None,
            metadata: Some(Metadata { transliterations: Vec::new() }),
        }
    }

    /// What a payload tells, if it tells what [`Self::payload`] would and nothing else.
    #[must_use]
    pub fn told_by(payload: &IdentityPayload) -> Option<Self> {
        let (payer, payer_account) = only(&payload.originator.persons)?;
        let (payee, payee_account) = only(&payload.beneficiary.persons)?;
        let address = payer.addresses.first()?;
        let lei = payer.national_identification.as_ref().map(|id| id.identifier.as_str().parse());
        let told = Self {
            payer: Payer {
                name: payer.name.identifiers.first()?.name.clone(),
                account: payer_account.clone(),
                address: LegalAddress {
                    street: address.lines.first()?.clone(),
                    post_code: address.post_code.clone(),
                    town: address.town.clone()?,
                    country: address.country.clone(),
                },
                country: payer.country_of_registration.clone()?,
                lei: lei.transpose().ok()?,
            },
            payee: Payee {
                name: payee.name.identifiers.first()?.name.clone(),
                account: payee_account.clone(),
            },
        };
        // Whatever else stood there would be missing from what is made of this again.
        (told.payload() == *payload).then_some(told)
    }
}

impl LegalAddress {
    fn address(&self) -> Address {
        Address {
            kind: AddressType::Geographic,
            department: None,
            sub_department: None,
            street: None,
            building_number: None,
            building_name: None,
            floor: None,
            post_box: None,
            room: None,
            post_code: self.post_code.clone(),
            town: Some(self.town.clone()),
            town_location: None,
            district: None,
            country_sub_division: None,
            lines: vec![self.street.clone()],
            country: self.country.clone(),
        }
    }
}

fn company(name: &Text<100>, country: Option<&Text<2>>) -> LegalPerson {
    LegalPerson {
        name: LegalPersonName {
            identifiers: vec![LegalNameId { name: name.clone(), kind: LegalNameType::Legal }],
            local: Vec::new(),
            phonetic: Vec::new(),
        },
        addresses: Vec::new(),
        customer_identification: None,
        national_identification: None,
        country_of_registration: country.cloned(),
    }
}

fn holder(company: LegalPerson, account: &Text<100>) -> AccountPerson {
    AccountPerson { person: Person::Legal(Box::new(company)), accounts: vec![account.clone()] }
}

/// The one company of a side with its one account.
fn only(persons: &[AccountPerson]) -> Option<(&LegalPerson, &Text<100>)> {
    match persons {
        [AccountPerson { person: Person::Legal(company), accounts }] => match accounts.as_slice() {
            [account] => Some((company, account)),
            _ => None,
        },
        _ => None,
    }
}
