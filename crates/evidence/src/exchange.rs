//! What goes between a log and a witness: the request body of `add-checkpoint`, and what its
//! answer means to the one who asked (C2SP tlog-witness). No HTTP here: bytes and a status.

use seal::Digest;
use terms::Instant;
use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::cosignature::{self, CosignatureError};
use crate::line::{decimal, hash, of_hash, shown};
use crate::note::{SIGNATURES_MAX, SignatureLine, VerifierKey};
use crate::tree::PROOF_HASHES_MAX;

/// Where a witness takes checkpoints, below its submission prefix.
pub const ADD_CHECKPOINT_PATH: &str = "add-checkpoint";
/// The largest request body read, in bytes: a note and 63 hashes.
pub const REQUEST_BYTES_MAX: usize = crate::note::NOTE_BYTES_MAX + 4096;
/// The content type of the one answer whose body is a size.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";
/// The content type of every other answer.
pub const TEXT_CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// The body of `POST add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the asker believes the witness saw last.
    pub old_size: u64,
    /// From that size to the checkpoint's.
    pub proof: Vec<Digest>,
    /// What to cosign.
    pub checkpoint: SignedCheckpoint,
}

impl AddCheckpoint {
    /// The body's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let proof: String = self.proof.iter().map(|hash| of_hash(hash) + "\n").collect();
        format!("old {}\n{proof}\n{}", self.old_size, self.checkpoint).into_bytes()
    }

    /// Reads a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLarge { got: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| RequestError::NotText)?;
        let (head, note) = text.split_once("\n\n").ok_or(RequestError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        let first = lines.next().unwrap_or_default();
        let old_size = first.strip_prefix("old ").and_then(decimal);
        let old_size = old_size.ok_or_else(|| RequestError::OldSize { got: shown(first) })?;
        let proof: Vec<Digest> = lines
            .take(PROOF_HASHES_MAX + 1)
            .map(|line| hash(line).ok_or_else(|| RequestError::Hash { got: shown(line) }))
            .collect::<Result<_, _>>()?;
        if proof.len() > PROOF_HASHES_MAX {
            return Err(RequestError::TooManyHashes);
        }
        Ok(Self { old_size, proof, checkpoint: SignedCheckpoint::parse(note.as_bytes())? })
    }
}

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It cosigned: put the line under the checkpoint.
    Cosigned {
        /// The line, checked.
        line: SignatureLine,
        /// When, by its own clock.
        at: Instant,
    },
    /// It saw another size last. Ask again with a proof from there; a size above our own log is
    /// a fork or a copy restored too old: stop.
    SawOther {
        /// The size it saw last.
        size: u64,
    },
    /// It does not know this log (404).
    UnknownLog,
    /// It found the log's signature wrong or missing (403).
    BadLogSignature,
    /// It found the request malformed (400): a bug of ours.
    Malformed,
    /// It found that the proof or root does not fit what it saw (422): treat it as a fork until
    /// shown otherwise.
    Inconsistent,
}

/// Reads the answer of the witness that holds `key` to a request about `asked`.
pub fn read_answer(
    status: u16,
    body: &[u8],
    key: &VerifierKey,
    asked: &Checkpoint,
) -> Result<Answer, AnswerError> {
    match status {
        200 => read_cosignature(body, key, asked),
        400 => Ok(Answer::Malformed),
        403 => Ok(Answer::BadLogSignature),
        404 => Ok(Answer::UnknownLog),
        409 => {
            let text = core::str::from_utf8(body).map_err(|_| AnswerError::NotASize)?;
            let size = text.strip_suffix('\n').and_then(decimal).ok_or(AnswerError::NotASize)?;
            Ok(Answer::SawOther { size })
        }
        422 => Ok(Answer::Inconsistent),
        got => Err(AnswerError::Status { got }),
    }
}

fn read_cosignature(
    body: &[u8],
    key: &VerifierKey,
    asked: &Checkpoint,
) -> Result<Answer, AnswerError> {
    let text = core::str::from_utf8(body).map_err(|_| AnswerError::NoCosignature)?;
    let lines = text.strip_suffix('\n').ok_or(AnswerError::NoCosignature)?;
    for line in lines.split('\n').take(SIGNATURES_MAX) {
        let line = SignatureLine::parse(line).map_err(|_| AnswerError::NoCosignature)?;
        // Lines of other keys are allowed and mean nothing to us.
        if key.made(&line) {
            let at = cosignature::check(key, asked, &line)?;
            return Ok(Answer::Cosigned { line, at });
        }
    }
    Err(AnswerError::NoCosignature)
}

/// Why a body is no request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Too many bytes.
    #[error("expected at most {REQUEST_BYTES_MAX} bytes, got {got}")]
    TooLarge {
        /// How many bytes came.
        got: usize,
    },
    /// No UTF-8.
    #[error("expected UTF-8")]
    NotText,
    /// No empty line between proof and checkpoint.
    #[error("expected an empty line and a checkpoint after the proof")]
    NoCheckpoint,
    /// The first line is not the old size.
    #[error("expected `old` and a size, got `{got}`")]
    OldSize {
        /// The line.
        got: String,
    },
    /// A proof line is no hash.
    #[error("expected a base64 hash, got `{got}`")]
    Hash {
        /// The line.
        got: String,
    },
    /// Too many proof lines.
    #[error("expected at most {PROOF_HASHES_MAX} proof lines")]
    TooManyHashes,
    /// The checkpoint is none.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Why an answer is not one of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// Success without a cosignature by the key we asked.
    #[error("the answer holds no cosignature by the witness that was asked")]
    NoCosignature,
    /// A cosignature by that key that does not hold.
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
    /// A conflict without a size.
    #[error("expected a size and a newline")]
    NotASize,
    /// A status that the protocol does not know. Whether the witness recorded the checkpoint is
    /// unknown; asking again tells.
    #[error("expected status 200, 400, 403, 404, 409 or 422, got `{got}`")]
    Status {
        /// The status.
        got: u16,
    },
}
