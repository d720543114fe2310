//! Every document and fact as data: layout, version, digest, commitments, openings. No rules.
//!
//! Start at [`fact`] for what a journal stores and how a log leaf commits to it, and at
//! [`document`] for what parties sign.

pub mod document;
pub mod fact;
pub mod trust;

pub use document::{Document, DocumentError, Signed};
pub use fact::{
    Commitment, EdgeMark, Fact, FactKind, Heading, LEAF_BYTES, OpenedField, SaltSlot,
    commitment_of, field_commitment, leaf_bytes, leaf_hash,
};
pub use trust::{
    CorridorSide, IssuerKey, Recognised, Recognition, RegisteredClaims, RegisteredVerifier, Side,
    TrustList, TrustedInstitution, TrustedIssuer, TrustedProvider,
};
