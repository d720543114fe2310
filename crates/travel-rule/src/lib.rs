//! IVMS101: who pays whom, as the travel rule wants it told.
//!
//! The data model of the interVASP working group in both issues, of May 2020 and of August 2023:
//! types, a strict reader, the constraints C1 to C12 by name, and one written form. No file, clock,
//! network or random number; today is an argument. What is read and written, which limits hold and
//! what is left aside stands in `docs/formats/travel-rule.md`.
//!
//! Start at [`IdentityPayload`]; [`read`] and [`write`] are the codec, [`read_exact`] takes only
//! the bytes that [`write`] makes, and [`IdentityPayload::validate`] is the one maker of a
//! [`ValidPayload`]. [`CompanyTransfer`] builds the payload of a payment between companies.
//!
//! ```
//! use terms::BusinessDate;
//! use travel_rule::{CompanyTransfer, LegalAddress, Payee, Payer};
//!
//! let transfer = CompanyTransfer {
//!     payer: Payer {
//!         name: "Brightwater Trading B.V.".parse()?,
//!         account: "NL91ABNA0417164300".parse()?,
//!         address: LegalAddress {
//!             street: "Keizersgracht 12".parse()?,
//!             post_code: Some("1015 CX".parse()?),
//!             town: "Amsterdam".parse()?,
//!             country: "NL".parse()?,
//!         },
//!         country: "NL".parse()?,
//!         lei: None,
//!     },
//!     payee: Payee {
//!         name: "Lim Ceramics Pte. Ltd.".parse()?,
//!         account: "lim-1".parse()?,
//!     },
//! };
//! let payload = transfer.payload().validate(BusinessDate::from_days(20_780))?;
//! let bytes = travel_rule::write(&payload)?;
//! assert_eq!(travel_rule::read_exact(&bytes)?, *payload);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod address;
mod codes;
mod company;
mod country;
mod error;
mod identifier;
mod json;
pub mod limits;
mod member;
mod name;
mod payload;
mod person;
mod text;
mod validate;

pub use address::Address;
pub use codes::{
    AddressType, LegalNameType, NationalIdentifierType, NaturalNameType, Transliteration,
};
pub use company::{CompanyTransfer, LegalAddress, Payee, Payer};
pub use country::is_country;
pub use error::{Problem, ReadError, WriteError};
pub use identifier::{Lei, LeiError, NationalIdentification};
pub use name::{LegalNameId, LegalPersonName, LocalNameId, NaturalNameId, NaturalPersonName};
pub use payload::{
    Beneficiary, IdentityPayload, Intermediary, Metadata, Originator, TransferPath, Version, read,
    read_exact, read_part, write, write_part,
};
pub use person::{
    AccountPerson, BirthDate, DateAndPlaceOfBirth, LegalPerson, NaturalPerson, Person,
};
pub use text::{Text, TextError};
pub use validate::{Constraint, ValidPayload, Violation, Violations};
