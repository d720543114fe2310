//! Every document and fact as data: layout, version, digest, commitments, openings. No rules.
//!
//! Start at [`fact`]: what a journal stores and how a log leaf commits to it.

pub mod fact;
pub mod terms_string;

pub use fact::{
    Commitment, EdgeMark, Fact, FactKind, Heading, LEAF_BYTES, OpenedField, SaltSlot,
    commitment_of, field_commitment, leaf_bytes, leaf_hash,
};
pub use terms_string::{
    ChargeBearer, MANDATE_QUERY_ID, PaymentTerms, TERMS_TYPE, TermsAction, TermsDiffer, TermsFee,
    TermsStringError,
};
