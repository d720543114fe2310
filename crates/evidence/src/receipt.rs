//! A receipt: some fields of one fact, opened, and the proof that the fact stands in a log that
//! others watch. The file's layout is in `docs/formats/receipt.md`.
//!
//! Whom to trust is never read from the receipt: [`verify`] takes it from the caller, and
//! [`inspect`] without it says only that the file is consistent, vouched for by nobody.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use record::{
    Commitment, LEAF_BYTES, OpenedFactError, OpenedField, commitment_of, leaf_bytes, leaf_hash,
};
use seal::Digest;
use terms::Position;
use thiserror::Error;

use crate::checkpoint::Checkpoint;
use crate::note::{KeyName, VerifierKey};
use crate::proof::{Cosigned, ProofTextError, SignaturesError, TlogProof};
use crate::quorum::{Trust, Witnessing};
use crate::tree::ProofError;

/// The first item of the array: names the file and its version.
pub const RECEIPT_MAGIC: &str = "wayleave/receipt/v1";
/// How a receipt's file is named.
pub const RECEIPT_FILE_SUFFIX: &str = ".receipt";

/// The document, in the order of its array.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Receipt {
    #[n(0)]
    magic: String,
    #[n(1)]
    origin: KeyName,
    #[n(2)]
    position: Position,
    #[n(3)]
    commitments: Vec<Digest>,
    #[n(4)]
    opened: Vec<OpenedField>,
    #[n(5)]
    proof: ByteVec,
}

impl Receipt {
    /// Makes a receipt for the fact with these field commitments. Origin and position are the
    /// proof's; the fields are put in order. Refuses whatever [`inspect`] would refuse.
    pub fn new(
        commitments: Vec<Digest>,
        mut opened: Vec<OpenedField>,
        proof: &TlogProof,
    ) -> Result<Self, Refused> {
        opened.sort_by_key(|field| field.index);
        let receipt = Self {
            magic: RECEIPT_MAGIC.to_owned(),
            origin: proof.checkpoint.checkpoint().origin.clone(),
            position: Position::new(proof.index),
            commitments,
            opened,
            proof: proof.to_string().into_bytes().into(),
        };
        inspect(&receipt.to_bytes()).map(|inspected| inspected.receipt)
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        seal::to_canonical(self)
    }

    /// The log that it names.
    #[must_use]
    pub const fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// The fact's place in its book, and the entry's in the log.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The commitments of all fields of the fact, in order.
    #[must_use]
    pub fn commitments(&self) -> &[Digest] {
        &self.commitments
    }

    /// The fields that are shown, by index.
    #[must_use]
    pub fn opened(&self) -> &[OpenedField] {
        &self.opened
    }

    /// The `.tlog-proof` file, for verifiers that are not ours.
    #[must_use]
    pub fn tlog_proof(&self) -> &[u8] {
        &self.proof
    }

    /// The log entry that the proof is about, for verifiers that are not ours.
    #[must_use]
    pub fn entry(&self) -> [u8; LEAF_BYTES] {
        leaf_bytes(&self.commitment())
    }

    fn commitment(&self) -> Commitment {
        commitment_of(&self.commitments)
    }
}

/// One check of a receipt. They run in this order; the first that fails ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The bytes are the one encoding of a receipt.
    Canonical,
    /// Each opened field, with its salt, has the commitment that stands at its index.
    OpeningsFitCommitments,
    /// The proof is the one encoding of a tlog-proof.
    CanonicalProof,
    /// The proof is about this origin and position.
    ProofFitsReceipt,
    /// The entry that commits to the fields stands at the position under the root.
    Inclusion,
    /// The checkpoint is signed by the log that the caller trusts.
    LogSignature,
    /// Every other signature is a listed witness's, and valid.
    Cosignatures,
    /// The witnesses are enough by the caller's policy.
    QuorumOfWitnesses,
}

impl Check {
    /// All checks, in order.
    pub const ALL: [Self; 8] = [
        Self::Canonical,
        Self::OpeningsFitCommitments,
        Self::CanonicalProof,
        Self::ProofFitsReceipt,
        Self::Inclusion,
        Self::LogSignature,
        Self::Cosignatures,
        Self::QuorumOfWitnesses,
    ];

    /// How many of them need no trust.
    pub const WITHOUT_TRUST: usize = 5;

    /// The check's name for people and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Canonical => "canonical",
            Self::OpeningsFitCommitments => "openings fit commitments",
            Self::CanonicalProof => "canonical proof",
            Self::ProofFitsReceipt => "proof fits receipt",
            Self::Inclusion => "inclusion",
            Self::LogSignature => "log signature",
            Self::Cosignatures => "cosignatures",
            Self::QuorumOfWitnesses => "quorum of witnesses",
        }
    }
}

/// A receipt that agrees with itself. Nobody vouches for it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    receipt: Receipt,
    proof: TlogProof,
}

impl Inspected {
    /// The receipt.
    #[must_use]
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Its proof, read.
    #[must_use]
    pub const fn proof(&self) -> &TlogProof {
        &self.proof
    }

    /// The checks that were passed.
    #[must_use]
    pub fn checks(&self) -> &'static [Check] {
        Check::ALL.get(..Check::WITHOUT_TRUST).unwrap_or(&[])
    }

    /// The checks that need trust.
    pub fn verify(self, trust: &Trust) -> Result<Verified, Refused> {
        let cosigned = vouch(&self.proof, trust)?;
        let (receipt, proof) = (self.receipt, self.proof);
        Ok(Verified { receipt, proof, cosigned, witnessing: trust.witnessing() })
    }
}

/// The checks of a receipt's proof that need trust, of whatever kind the receipt is.
pub(crate) fn vouch(proof: &TlogProof, trust: &Trust) -> Result<Vec<Cosigned>, Refused> {
    proof.checkpoint.check(trust.log()).map_err(|error| Refused {
        check: Check::LogSignature,
        reason: SignaturesError::Log(error).into(),
    })?;
    let cosigned = proof
        .check_signatures(trust)
        .map_err(|error| Refused { check: Check::Cosignatures, reason: error.into() })?;
    let keys: Vec<&VerifierKey> = cosigned.iter().map(|c| &c.key).collect();
    if !trust.policy().is_met_by(&keys) {
        let reason = Reason::QuorumNotMet { got: keys.len() };
        return Err(Refused { check: Check::QuorumOfWitnesses, reason });
    }
    Ok(cosigned)
}

/// A receipt that the caller's trust vouches for. Made by [`verify`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    receipt: Receipt,
    proof: TlogProof,
    cosigned: Vec<Cosigned>,
    witnessing: Witnessing,
}

impl Verified {
    /// The receipt.
    #[must_use]
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The checkpoint that it stands under.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        self.proof.checkpoint.checkpoint()
    }

    /// Who cosigned it, and when by their clocks.
    #[must_use]
    pub fn cosigned(&self) -> &[Cosigned] {
        &self.cosigned
    }

    /// What the quorum is worth, as far as keys show. A caller that knows which other keys the
    /// log's holder has asks [`crate::quorum::Policy::witnessing`].
    #[must_use]
    pub const fn witnessing(&self) -> Witnessing {
        self.witnessing
    }

    /// The checks that were passed: all.
    #[must_use]
    pub const fn checks(&self) -> &'static [Check] {
        &Check::ALL
    }
}

/// Checks everything that needs no trust.
pub fn inspect(bytes: &[u8]) -> Result<Inspected, Refused> {
    let receipt: Receipt = seal::from_canonical(bytes)
        .map_err(|error| Refused { check: Check::Canonical, reason: error.into() })?;
    check_form(&receipt).map_err(|reason| Refused { check: Check::Canonical, reason })?;
    check_openings(&receipt)
        .map_err(|reason| Refused { check: Check::OpeningsFitCommitments, reason })?;
    let proof = TlogProof::parse(&receipt.proof)
        .map_err(|error| Refused { check: Check::CanonicalProof, reason: error.into() })?;
    check_belongs(&receipt, &proof)
        .map_err(|reason| Refused { check: Check::ProofFitsReceipt, reason })?;
    proof
        .check_inclusion(leaf_hash(&receipt.commitment()))
        .map_err(|error| Refused { check: Check::Inclusion, reason: error.into() })?;
    Ok(Inspected { receipt, proof })
}

/// Checks everything, against what the caller trusts.
pub fn verify(bytes: &[u8], trust: &Trust) -> Result<Verified, Refused> {
    inspect(bytes)?.verify(trust)
}

fn check_form(receipt: &Receipt) -> Result<(), Reason> {
    if receipt.magic != RECEIPT_MAGIC {
        return Err(Reason::OtherVersion { got: crate::line::shown(&receipt.magic) });
    }
    if receipt.commitments.is_empty() || receipt.commitments.len() > record::fact::FIELDS_MAX {
        return Err(Reason::FieldCount { got: receipt.commitments.len() });
    }
    let pairs = receipt.opened.iter().zip(receipt.opened.iter().skip(1));
    for (before, after) in pairs {
        if before.index >= after.index {
            return Err(Reason::FieldsOutOfOrder { index: after.index });
        }
    }
    Ok(())
}

fn check_openings(receipt: &Receipt) -> Result<(), Reason> {
    for field in &receipt.opened {
        let committed = receipt.commitments.get(usize::from(field.index));
        if committed != Some(&field.commitment()) {
            return Err(Reason::OpeningDiffers { index: field.index });
        }
    }
    Ok(())
}

fn check_belongs(receipt: &Receipt, proof: &TlogProof) -> Result<(), Reason> {
    let origin = &proof.checkpoint.checkpoint().origin;
    if *origin != receipt.origin {
        let (expected, got) = (receipt.origin.clone(), origin.clone());
        return Err(Reason::OtherOrigin { expected, got });
    }
    if proof.index != receipt.position.number() {
        let (expected, got) = (receipt.position.number(), proof.index);
        return Err(Reason::OtherPosition { expected, got });
    }
    Ok(())
}

/// A receipt that is not accepted: by which check, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {reason}", check.name())]
pub struct Refused {
    /// The check that failed. All before it passed.
    pub check: Check,
    /// Why it failed.
    pub reason: Reason,
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// Not the one encoding.
    #[error(transparent)]
    Malformed(#[from] seal::CanonicalError),
    /// Another kind of file, or a version that this reader does not know.
    #[error("expected `{RECEIPT_MAGIC}`, got `{got}`")]
    OtherVersion {
        /// What it says.
        got: String,
    },
    /// No fields, or more than a fact may have.
    #[error("expected 1 to {} field commitments, got {got}", record::fact::FIELDS_MAX)]
    FieldCount {
        /// How many.
        got: usize,
    },
    /// Opened fields twice or out of order.
    #[error("expected opened fields by rising index, got `{index}` out of order")]
    FieldsOutOfOrder {
        /// The field.
        index: u16,
    },
    /// An opened field says something else than was committed.
    #[error("the opened field `{index}` does not fit its commitment")]
    OpeningDiffers {
        /// The field.
        index: u16,
    },
    /// What is opened whole is no fact of such a kind.
    #[error(transparent)]
    Opening(#[from] OpenedFactError),
    /// The proof is none.
    #[error(transparent)]
    ProofText(#[from] ProofTextError),
    /// The proof is about another log.
    #[error("expected a proof of `{expected}`, got one of `{got}`")]
    OtherOrigin {
        /// The receipt's origin.
        expected: KeyName,
        /// The proof's.
        got: KeyName,
    },
    /// The proof is about another entry.
    #[error("expected a proof about position `{expected}`, got one about `{got}`")]
    OtherPosition {
        /// The receipt's position.
        expected: u64,
        /// The proof's.
        got: u64,
    },
    /// The path leads elsewhere.
    #[error(transparent)]
    Inclusion(#[from] ProofError),
    /// A signature is missing, wrong or by a key that is not listed.
    #[error(transparent)]
    Signatures(#[from] SignaturesError),
    /// Too few witnesses, or not the right ones.
    #[error("the cosignatures of {got} witnesses do not meet the policy's quorum")]
    QuorumNotMet {
        /// How many hold.
        got: usize,
    },
}
