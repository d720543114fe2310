//! Findings and a pack of rules become a permit, a denial or a referral, with reasons and duties.
//!
//! A [`Pack`] is Cedar text with a schema and dated parameters; its identity is a digest over the
//! canonical JSON of all of them. [`Pack::decide`] is a pure function of [`Findings`] and an
//! instant: whoever holds the record decides again with [`replay`] and gets the same answer.
//! An error in any rule denies. [`Pack::asks`] is what wallets are asked for, derived from what
//! the rules read, so that the two cannot differ. Knows no wire, no ledger, no credential format.

pub mod assumptions;
pub mod cases;
pub mod certificate;
pub mod check;
pub mod compare;
pub mod conflicts;
pub mod decide;
pub mod describe;
pub mod export;
pub mod findings;
pub mod invariants;
pub mod pack;
pub mod parameters;
pub mod preflight;
pub mod replay;
pub mod rule;
pub mod shadow;
pub mod shipped;
pub mod skeleton;
pub mod vocabulary;

pub mod json;
pub mod walk;

pub use assumptions::{Assumption, Assumptions};
pub use certificate::CertificateError;
mod source;
mod whole;

pub use check::check;
pub use compare::compare;
pub use decide::{Decision, DecisionEnvelope, EvaluationError};
pub use findings::{Action, Findings, FindingsBuilder, FindingsError};
pub use pack::{Ask, Pack, PackError, PackFiles, Shelf};
pub use preflight::{Lack, Missing};
pub use replay::{Difference, DigestCheck, Replay, ReplayError, replay, replay_with};
pub use rule::{Chapter, Sentence, Words};
pub use source::Mistake;
