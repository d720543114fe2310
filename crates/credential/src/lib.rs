//! Verifiable credentials of companies: issued, held, presented, verified, revoked.
//!
//! SD-JWT VC (`dc+sd-jwt`, ES256, bound to a holder key), Token Status Lists, DCQL, OpenID4VP 1.0
//! and OpenID4VCI 1.0, all as values and functions without I/O: keys, salts, entropy and instants
//! are arguments. The crate knows no account, no pack and no transport.
//!
//! Start at [`party`]: a response, a request of ours, a trust snapshot and an instant become a
//! [`VerifiedParty`], which has one maker. The rest, bottom up: [`jose`] (strict JWTs),
//! [`sd_jwt_vc`] (the credential format), [`claims`] (our five types), [`status`], [`query`],
//! [`trust`], [`presentation`] (the request), [`holder`] (consent and response), [`issuance`].

pub mod adapters;
pub mod claims;
pub mod holder;
pub mod issuance;
pub mod jose;
pub mod json;
pub mod nonce;
pub mod party;
pub mod presentation;
pub mod query;
pub mod sd_jwt_vc;
pub mod status;
pub mod trust;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod vectors;

pub use claims::{
    ACCOUNT_OWNERSHIP, AccountOwnership, Address, COMPANY_REGISTRATION, CREDIT_BAND,
    CompanyRegistration, CredentialClaims, CreditBand, MANDATE, Mandate, TAX_STANDING, TaxStanding,
};
pub use holder::{ConsentCredential, ConsentView, compare_terms, consent, respond};
pub use nonce::{NonceRefused, check_nonce, make_nonce};
pub use party::{Expectation, PartyRefused, VerifiedMandate, VerifiedParty, verify_response};
pub use presentation::{PresentationRequest, RequestError};
pub use query::{Query, Requirement, build_query};
pub use sd_jwt_vc::{CredentialDraft, HeldCredential, Presentation, VerifiedPresentation, issue};
pub use status::{
    CheckedStatusList, CredentialStatus, HighWater, StatusBits, StatusList, StatusReference,
};
pub use trust::TrustSnapshot;
