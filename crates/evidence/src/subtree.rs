//! Proofs about a part of a tree: that an entry stands in it, and that it is a part of the whole
//! (draft-ietf-plants-merkle-tree-certs section 4). What a checker of batch receipts and of
//! ML-DSA-44 subtree cosignatures needs; a root is the subtree from 0.

use seal::Digest;

use crate::tree::{ProofError, TreeHead, check_inclusion, node_hash};

/// The entries `start..end` of a tree, aligned so that they are one of its nodes or the left
/// part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    start: u64,
    end: u64,
    root: Digest,
}

impl Subtree {
    /// A subtree; `start` must be a multiple of the smallest power of two that holds its length.
    pub fn new(start: u64, end: u64, root: Digest) -> Result<Self, ProofError> {
        let refused = ProofError::OutOfRange { lower: start, upper: end };
        let length = end.checked_sub(start).filter(|length| *length > 0).ok_or(refused)?;
        let span = length.checked_next_power_of_two().ok_or(refused)?;
        if start.is_multiple_of(span) { Ok(Self { start, end, root }) } else { Err(refused) }
    }

    /// Checks that `leaf` stands at `index` of the whole tree, within this subtree.
    pub fn check_inclusion(
        &self,
        leaf: Digest,
        index: u64,
        path: &[Digest],
    ) -> Result<(), ProofError> {
        let refused = ProofError::OutOfRange { lower: index, upper: self.end };
        let within = index.checked_sub(self.start).ok_or(refused)?;
        check_inclusion(leaf, within, self.end - self.start, path, self.root)
    }

    /// Checks that this subtree is a part of the tree with that head.
    pub fn check_consistency(&self, whole: TreeHead, proof: &[Digest]) -> Result<(), ProofError> {
        if self.end > whole.size {
            return Err(ProofError::OutOfRange { lower: self.end, upper: whole.size });
        }
        let mut rest = proof;
        let led_to = self.fold(0, whole.size, Known::Part, &mut rest)?;
        if !rest.is_empty() {
            return Err(ProofError::WrongLength);
        }
        if led_to == (self.root, whole.root) { Ok(()) } else { Err(ProofError::OtherRoot) }
    }

    /// The hashes of this subtree's share of `low..high` and of all of it. At most 64 calls deep:
    /// each halves the range.
    fn fold(
        &self,
        low: u64,
        high: u64,
        known: Known,
        rest: &mut &[Digest],
    ) -> Result<(Digest, Digest), ProofError> {
        if self.start <= low && self.end == high {
            let hash = match known {
                Known::Part => self.root,
                Known::Nothing => next(rest)?,
            };
            return Ok((hash, hash));
        }
        let middle = low + (1 << (high - low - 1).ilog2());
        if self.end <= middle {
            let (part, left) = self.fold(low, middle, known, rest)?;
            return Ok((part, node_hash(&left, &next(rest)?)));
        }
        if self.start >= middle {
            let (part, right) = self.fold(middle, high, known, rest)?;
            return Ok((part, node_hash(&next(rest)?, &right)));
        }
        // The subtree reaches over the middle: by alignment it begins where this range begins.
        let (part, right) = self.fold(middle, high, Known::Nothing, rest)?;
        let left = next(rest)?;
        Ok((node_hash(&left, &part), node_hash(&left, &right)))
    }
}

/// Whether a range that ends with the subtree is the whole subtree, whose hash is known.
#[derive(Clone, Copy)]
enum Known {
    Part,
    Nothing,
}

fn next(rest: &mut &[Digest]) -> Result<Digest, ProofError> {
    let (first, others) = rest.split_first().ok_or(ProofError::WrongLength)?;
    *rest = others;
    Ok(*first)
}
