//! Every document and fact as data: layout, version, digest, commitments, openings. No rules.
//!
//! Start at [`fact`]: what a journal stores and how a log leaf commits to it.
//! [`decision`]: what an edge decided and from which findings.

pub mod decision;
pub mod fact;

pub use decision::{
    DECISION_DOMAIN, DECISION_VERSION, DecisionOutcome, DecisionRecord, Duty, Finding,
    FindingValue, LimitClaim, ListVersion, OpenOutcome, OpenPart, Reason, ReasonEffect, Side,
    Visibility,
};
pub use fact::{
    Commitment, EdgeMark, Fact, FactKind, Heading, LEAF_BYTES, OpenedField, SaltSlot,
    commitment_of, field_commitment, leaf_bytes, leaf_hash,
};
