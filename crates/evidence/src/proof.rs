//! Inclusion proof, checkpoint and cosignatures in one text (C2SP tlog-proof, v1).
//!
//! One encoding only, and narrower than the specification: no `extra` line, which nothing
//! authenticates; and a verifier refuses signature lines of keys that its trust does not list,
//! so that no byte of a proof is without a check.

use core::fmt;
use std::collections::BTreeSet;

use seal::Digest;
use terms::Instant;
use thiserror::Error;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::cosignature::{self, CosignatureError};
use crate::line::{decimal, hash, of_hash, shown};
use crate::note::{KeyName, SignatureLine, VerifierKey};
use crate::quorum::Trust;
use crate::tree::{PROOF_HASHES_MAX, ProofError, check_inclusion};

/// The first line.
pub const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof that an entry stands at an index of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// The entry's place, from 0.
    pub index: u64,
    /// From the leaf's sibling to the root's child.
    pub path: Vec<Digest>,
    /// The log at the size that the path belongs to, with all cosignatures.
    pub checkpoint: SignedCheckpoint,
}

/// A witness whose cosignature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// Whose.
    pub key: VerifierKey,
    /// When, by its own clock.
    pub at: Instant,
}

impl TlogProof {
    /// Reads the text.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofTextError> {
        let text = core::str::from_utf8(bytes).map_err(|_| ProofTextError::NotText)?;
        let (head, note) = text.split_once("\n\n").ok_or(ProofTextError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(PROOF_HEADER) {
            return Err(ProofTextError::Header);
        }
        let second = lines.next().unwrap_or_default();
        if second.starts_with("extra ") {
            return Err(ProofTextError::Extra);
        }
        let index = second.strip_prefix("index ").and_then(decimal);
        let index = index.ok_or_else(|| ProofTextError::Index { got: shown(second) })?;
        let path: Vec<Digest> = lines
            .take(PROOF_HASHES_MAX + 1)
            .map(|line| hash(line).ok_or_else(|| ProofTextError::Hash { got: shown(line) }))
            .collect::<Result<_, _>>()?;
        if path.len() > PROOF_HASHES_MAX {
            return Err(ProofTextError::TooManyHashes);
        }
        let proof = Self { index, path, checkpoint: SignedCheckpoint::parse(note.as_bytes())? };
        if proof.to_string() == text { Ok(proof) } else { Err(ProofTextError::NotCanonical) }
    }

    /// Checks that the path leads from this leaf to the checkpoint's root.
    pub fn check_inclusion(&self, leaf: Digest) -> Result<(), ProofError> {
        let head = self.checkpoint.head();
        check_inclusion(leaf, self.index, head.size, &self.path, head.root)
    }

    /// Checks the signatures: the log's own, then every other line, which must be a listed
    /// witness's, valid and there once. Does not judge whether they are enough.
    pub fn check_signatures(&self, trust: &Trust) -> Result<Vec<Cosigned>, SignaturesError> {
        self.checkpoint.check(trust.log())?;
        let mut met = BTreeSet::new();
        let mut cosigned = Vec::new();
        for line in self.checkpoint.note().signatures() {
            if !met.insert((&line.name, line.id)) {
                return Err(SignaturesError::Twice { name: line.name.clone() });
            }
            if !trust.log().made(line) {
                cosigned.push(self.check_cosignature(trust, line)?);
            }
        }
        Ok(cosigned)
    }

    fn check_cosignature(
        &self,
        trust: &Trust,
        line: &SignatureLine,
    ) -> Result<Cosigned, SignaturesError> {
        let mut listed = trust.policy().witnesses().iter().map(|(_, key)| key);
        let key = listed.find(|key| key.made(line));
        let key = key.ok_or_else(|| SignaturesError::NotListed { name: line.name.clone() })?;
        let at = cosignature::check(key, self.checkpoint.checkpoint(), line)?;
        Ok(Cosigned { key: key.clone(), at })
    }

    /// All checks of a proof for an entry: log, cosignatures, quorum, inclusion.
    pub fn verify(&self, leaf: Digest, trust: &Trust) -> Result<Vec<Cosigned>, VerifyError> {
        let cosigned = self.check_signatures(trust)?;
        let keys: Vec<&VerifierKey> = cosigned.iter().map(|c| &c.key).collect();
        if !trust.policy().is_met_by(&keys) {
            return Err(VerifyError::QuorumNotMet { got: keys.len() });
        }
        self.check_inclusion(leaf)?;
        Ok(cosigned)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF_HEADER}\nindex {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", of_hash(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Why a text is no proof.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofTextError {
    /// No UTF-8.
    #[error("expected UTF-8")]
    NotText,
    /// Another first line.
    #[error("expected the first line `{PROOF_HEADER}`")]
    Header,
    /// A line that nothing authenticates.
    #[error("an `extra` line is not accepted, because nothing authenticates it")]
    Extra,
    /// The second line is not the index.
    #[error("expected `index` and a number, got `{got}`")]
    Index {
        /// The line.
        got: String,
    },
    /// A path line is no hash.
    #[error("expected a base64 hash, got `{got}`")]
    Hash {
        /// The line.
        got: String,
    },
    /// Too many path lines.
    #[error("expected at most {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// No checkpoint after an empty line.
    #[error("expected an empty line and a checkpoint")]
    NoCheckpoint,
    /// The checkpoint is none.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The same proof in other bytes.
    #[error("expected the one canonical encoding of the proof")]
    NotCanonical,
}

/// Why the signatures of a proof are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignaturesError {
    /// The log's own is missing or wrong, or it is another log.
    #[error(transparent)]
    Log(#[from] CheckpointError),
    /// A line of a key that the trust does not list.
    #[error("`{name}` signed with a key that the policy does not list")]
    NotListed {
        /// The name on the line.
        name: KeyName,
    },
    /// One key twice.
    #[error("`{name}` signed twice with one key")]
    Twice {
        /// The name on the lines.
        name: KeyName,
    },
    /// A cosignature that does not hold.
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
}

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// A signature is wrong.
    #[error(transparent)]
    Signatures(#[from] SignaturesError),
    /// Too few witnesses, or not the right ones.
    #[error("the cosignatures of {got} witnesses do not meet the policy's quorum")]
    QuorumNotMet {
        /// How many hold.
        got: usize,
    },
    /// The path leads elsewhere.
    #[error(transparent)]
    Inclusion(#[from] ProofError),
}
