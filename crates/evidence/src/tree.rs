//! The hash tree of RFC 6962 section 2.1: roots, inclusion and consistency proofs.
//!
//! The maker's side reads hashes of complete subtrees through [`HashReader`]; the checker's side
//! needs the proof only and follows RFC 9162 sections 2.1.3.2 and 2.1.4.2. Nothing here knows
//! of tiles, notes or keys.

use seal::Digest;
use seal::digest::{sha256, sha256_array, sha256_of};
use thiserror::Error;

/// Most hashes an inclusion or consistency proof may have: a tree of 2^62 entries needs fewer.
pub const PROOF_HASHES_MAX: usize = 63;

/// The hash of one entry: SHA-256 of `0x00 ‖ entry`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    sha256_of(&[&[0], entry])
}

/// The hash of two halves: SHA-256 of `0x01 ‖ left ‖ right`.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut hashed = [1; 65];
    if let Some(to) = hashed.last_chunk_mut::<32>() {
        *to = *right.as_bytes();
    }
    if let Some(to) = hashed.split_at_mut(1).1.first_chunk_mut::<32>() {
        *to = *left.as_bytes();
    }
    sha256_array(&hashed)
}

/// The root of a tree without entries: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Digest {
    sha256(&[])
}

/// Where hashes of complete subtrees come from (a port of the proof maker).
pub trait HashReader {
    /// The hash over the entries `index · 2^level` to `(index + 1) · 2^level`, all of which
    /// exist. `None` when it is not stored; the reader must not invent one.
    fn subtree(&self, level: u32, index: u64) -> Option<Digest>;
}

/// Why no proof can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProveError {
    /// The tree asked about has no such entry or older size.
    #[error("expected an index or size within a tree of size `{size}`, got `{got}`")]
    OutOfRange {
        /// The size of the tree.
        size: u64,
        /// What was asked for.
        got: u64,
    },
    /// A hash that the tree is made of is not stored.
    #[error("the hash at level `{level}`, index `{index}` is not stored")]
    Missing {
        /// Height over the entries.
        level: u32,
        /// Place within its level.
        index: u64,
    },
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The index or the sizes cannot belong together.
    #[error("expected sizes and index in order, got `{lower}` against `{upper}`")]
    OutOfRange {
        /// The index, or the older size.
        lower: u64,
        /// The size, or the newer size.
        upper: u64,
    },
    /// Too many or too few hashes.
    #[error("the proof has too many or too few hashes")]
    WrongLength,
    /// The hashes do not lead to the root that was given.
    #[error("the proof leads to another root")]
    OtherRoot,
}

/// The right edge of a growing tree: the roots of its complete subtrees, largest first.
///
/// Enough to append and to tell the root at each size; 64 hashes at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    peaks: Vec<Digest>,
}

impl CompactRange {
    /// The edge of a tree without entries.
    #[must_use]
    pub const fn empty() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// The edge of a stored tree of this size.
    pub fn read<R: HashReader>(reader: &R, size: u64) -> Result<Self, ProveError> {
        let mut peaks = Vec::new();
        let mut start = 0_u64;
        for level in (0..u64::BITS).rev() {
            if size >> level & 1 == 1 {
                peaks.push(read_subtree(reader, level, start >> level)?);
                start = start.saturating_add(1 << level);
            }
        }
        Ok(Self { size, peaks })
    }

    /// How many entries the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf hash.
    pub fn append(&mut self, leaf: Digest) {
        let mut carried = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                carried = node_hash(&left, &carried);
            }
        }
        self.peaks.push(carried);
        self.size = self.size.saturating_add(1);
    }

    /// The roots of its complete subtrees, largest first.
    pub(crate) fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// The root at the present size.
    #[must_use]
    pub fn root(&self) -> Digest {
        let folded =
            self.peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        folded.unwrap_or_else(empty_root)
    }
}

/// The root of a stored tree.
pub fn root<R: HashReader>(reader: &R, size: u64) -> Result<Digest, ProveError> {
    CompactRange::read(reader, size).map(|range| range.root())
}

/// The path from entry `index` to the root of the tree of `size` (RFC 6962 section 2.1.1),
/// sibling of the leaf first.
pub fn prove_inclusion<R: HashReader>(
    reader: &R,
    index: u64,
    size: u64,
) -> Result<Vec<Digest>, ProveError> {
    if index >= size {
        return Err(ProveError::OutOfRange { size, got: index });
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_hash(reader, middle, end)?);
            end = middle;
        } else {
            path.push(range_hash(reader, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show that the tree of `new` entries begins with the tree of `old` (RFC 6962
/// section 2.1.2). Empty when `old` is 0 or equals `new`.
pub fn prove_consistency<R: HashReader>(
    reader: &R,
    old: u64,
    new: u64,
) -> Result<Vec<Digest>, ProveError> {
    if old > new {
        return Err(ProveError::OutOfRange { size: new, got: old });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut path = Vec::new();
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(range_hash(reader, middle, end)?);
            end = middle;
        } else {
            path.push(range_hash(reader, start, middle)?);
            start = middle;
        }
    }
    // The checker knows the old root itself when the old tree is one complete subtree from 0.
    if start != 0 {
        path.push(range_hash(reader, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// The root that a path leads to (RFC 9162 section 2.1.3.2).
pub fn root_by_inclusion(
    leaf: Digest,
    index: u64,
    size: u64,
    path: &[Digest],
) -> Result<Digest, ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { lower: index, upper: size });
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in path {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, &hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok(hash) } else { Err(ProofError::WrongLength) }
}

/// Checks that `leaf` stands at `index` of the tree of `size` with `root`.
pub fn check_inclusion(
    leaf: Digest,
    index: u64,
    size: u64,
    path: &[Digest],
    root: Digest,
) -> Result<(), ProofError> {
    let led_to = root_by_inclusion(leaf, index, size, path)?;
    if led_to == root { Ok(()) } else { Err(ProofError::OtherRoot) }
}

/// A tree at one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

/// Checks that the tree `new` begins with the tree `old` (RFC 9162 section 2.1.4.2).
///
/// The empty tree is the beginning of every tree, so a proof from size 0 shows nothing and is
/// refused; only the empty tree against itself passes, with its one root.
pub fn check_consistency(old: TreeHead, new: TreeHead, proof: &[Digest]) -> Result<(), ProofError> {
    if old.size > new.size || (old.size == 0 && new.size != 0) {
        return Err(ProofError::OutOfRange { lower: old.size, upper: new.size });
    }
    if old.size == new.size {
        if !proof.is_empty() {
            return Err(ProofError::WrongLength);
        }
        let empty_is_empty = old.size != 0 || old.root == empty_root();
        return if old.root == new.root && empty_is_empty {
            Ok(())
        } else {
            Err(ProofError::OtherRoot)
        };
    }
    let (first, rest) = if old.size.is_power_of_two() {
        (old.root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(ProofError::WrongLength)?;
        (*first, rest)
    };
    let shift = (old.size - 1).trailing_ones();
    let halves = fold_both((old.size - 1) >> shift, (new.size - 1) >> shift, first, rest)?;
    if halves == (old.root, new.root) { Ok(()) } else { Err(ProofError::OtherRoot) }
}

/// Folds a consistency proof into the old and the new root at once.
fn fold_both(
    mut place: u64,
    mut last: u64,
    first: Digest,
    rest: &[Digest],
) -> Result<(Digest, Digest), ProofError> {
    let (mut old, mut new) = (first, first);
    for hash in rest {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if place & 1 == 1 || place == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok((old, new)) } else { Err(ProofError::WrongLength) }
}

/// The largest power of two below `length`; `length` is at least 2.
fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

fn read_subtree<R: HashReader>(reader: &R, level: u32, index: u64) -> Result<Digest, ProveError> {
    reader.subtree(level, index).ok_or(ProveError::Missing { level, index })
}

/// The hash over entries `start..end`, where `start` is a multiple of the largest power of two
/// within. Every range that the loops above cut off is one.
fn range_hash<R: HashReader>(reader: &R, start: u64, end: u64) -> Result<Digest, ProveError> {
    let mut peaks = Vec::new();
    let mut from = start;
    for level in (0..u64::BITS).rev() {
        if (end - start) >> level & 1 == 1 {
            peaks.push(read_subtree(reader, level, from >> level)?);
            from = from.saturating_add(1 << level);
        }
    }
    let folded = peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
    folded.ok_or(ProveError::OutOfRange { size: end, got: start })
}
