//! A receipt of a fact that was committed as one: the whole fact with its salt, and the proof that
//! it stands in a log. The file's layout is in `docs/formats/receipt.md`.
//!
//! The checks are those of [`crate::receipt`], under the same names and in the same order. What
//! differs is what is opened: a fact of a stand-alone ledger has one commitment, so it is shown
//! whole or not at all.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use record::{Commitment, Fact, LEAF_BYTES, OpenedFact, leaf_bytes, leaf_hash};
use terms::Position;

use crate::note::KeyName;
use crate::proof::{Cosigned, TlogProof};
use crate::quorum::{Trust, Witnessing};
use crate::receipt::{Check, Reason, Refused, vouch};

/// The first item of the array: names the file and its version.
pub const WHOLE_RECEIPT_MAGIC: &str = "wayleave/receipt/whole/v1";

/// The document, in the order of its array.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct WholeReceipt {
    #[n(0)]
    magic: String,
    #[n(1)]
    origin: KeyName,
    #[n(2)]
    position: Position,
    #[n(3)]
    opened: OpenedFact,
    #[n(4)]
    proof: ByteVec,
}

impl WholeReceipt {
    /// Makes a receipt. Origin and position are the proof's. Refuses whatever [`inspect_whole`]
    /// would refuse.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn new(opened: OpenedFact, proof: &TlogProof) -> Result<Self, Refused> {
        let receipt = Self {
            magic: WHOLE_RECEIPT_MAGIC.to_owned(),
            origin: proof.checkpoint.checkpoint().origin.clone(),
            position: Position::new(proof.index),
            opened,
            proof: proof.to_string().into_bytes().into(),
        };
        inspect_whole(&receipt.to_bytes()).map(|inspected| inspected.receipt)
    }

    /// Whether these bytes begin as such a file does, whatever else is wrong with them.
    #[must_use]
    pub fn is_named_by(bytes: &[u8]) -> bool {
        // Array of five, text of 25 bytes (two bytes of head), the name.
        let name = bytes.strip_prefix(&[0x85, 0x78, 25]);
        name.is_some_and(|rest| rest.starts_with(WHOLE_RECEIPT_MAGIC.as_bytes()))
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

    /// The `.tlog-proof` file, for verifiers that are not ours.
    #[must_use]
    pub fn tlog_proof(&self) -> &[u8] {
        &self.proof
    }
}

/// A receipt that agrees with itself. Nobody vouches for it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedWhole {
    receipt: WholeReceipt,
    commitment: Commitment,
    fact: Fact,
    proof: TlogProof,
}

impl InspectedWhole {
    /// The receipt.
    #[must_use]
    pub const fn receipt(&self) -> &WholeReceipt {
        &self.receipt
    }

    /// The fact that it shows.
    #[must_use]
    pub const fn fact(&self) -> &Fact {
        &self.fact
    }

    /// Its proof, read.
    #[must_use]
    pub const fn proof(&self) -> &TlogProof {
        &self.proof
    }

    /// The log entry that the proof is about, for verifiers that are not ours.
    #[must_use]
    pub fn entry(&self) -> [u8; LEAF_BYTES] {
        leaf_bytes(&self.commitment)
    }

    /// The checks that need trust: who cosigned, and what the quorum is worth as far as keys show.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn verify(&self, trust: &Trust) -> Result<(Vec<Cosigned>, Witnessing), Refused> {
        Ok((vouch(&self.proof, trust)?, trust.witnessing()))
    }
}

/// Checks everything that needs no trust.
///
/// # Errors
/// [`Refused`], by the first check that fails.
pub fn inspect_whole(bytes: &[u8]) -> Result<InspectedWhole, Refused> {
    let by = |check| move |reason: Reason| Refused { check, reason };
    let receipt: WholeReceipt =
        seal::from_canonical(bytes).map_err(|error| by(Check::Canonical)(error.into()))?;
    if receipt.magic != WHOLE_RECEIPT_MAGIC {
        return Err(by(Check::Canonical)(Reason::OtherVersion { got: receipt.magic }));
    }
    let read = receipt.opened.read();
    let (commitment, fact) =
        read.map_err(|error| by(Check::OpeningsFitCommitments)(error.into()))?;
    let proof = TlogProof::parse(&receipt.proof)
        .map_err(|error| by(Check::CanonicalProof)(error.into()))?;
    check_belongs(&receipt, &proof).map_err(by(Check::ProofFitsReceipt))?;
    proof
        .check_inclusion(leaf_hash(&commitment))
        .map_err(|error| by(Check::Inclusion)(error.into()))?;
    Ok(InspectedWhole { receipt, commitment, fact, proof })
}

fn check_belongs(receipt: &WholeReceipt, proof: &TlogProof) -> Result<(), Reason> {
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
