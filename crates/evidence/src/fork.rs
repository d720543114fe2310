//! Does a newer checkpoint extend an older one (RFC 6962 section 2.1.2)? And what convicts a log
//! that signed two histories.

use seal::Digest;
use thiserror::Error;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::note::VerifierKey;
use crate::tree::{ProofError, check_consistency};

/// Checks that `newer` extends `older`, both signed by `log`.
///
/// From size 0 nothing needs proof, and the proof must be empty.
pub fn check_extends(
    older: &SignedCheckpoint,
    newer: &SignedCheckpoint,
    proof: &[Digest],
    log: &VerifierKey,
) -> Result<(), ExtendsError> {
    older.check(log)?;
    newer.check(log)?;
    let (old, new) = (older.head(), newer.head());
    if old.size == new.size && old.root != new.root {
        return Err(ExtendsError::Forked { size: old.size });
    }
    if old.size == 0 {
        let nothing = proof.is_empty() && old.root == crate::tree::empty_root();
        return if nothing { Ok(()) } else { Err(ProofError::WrongLength.into()) };
    }
    Ok(check_consistency(old, new, proof)?)
}

/// Why a checkpoint is not shown to extend another.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExtendsError {
    /// One of them is not this log's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Two roots for one size, both signed: the two checkpoints alone convict the log.
    #[error("the log signed two roots for size `{size}`")]
    Forked {
        /// The size.
        size: u64,
    },
    /// The proof does not show it. Convicts nobody: a better proof may exist.
    #[error(transparent)]
    NotShown(#[from] ProofError),
}
