//! The growing end of the tree in tiles: many leaf hashes in, full tiles and the root out.
//!
//! A row per level of tiles, each shorter than a tile, is all a tree needs to grow. Nodes within a
//! tile are hashed once, when it is full, level by level over whole slices; what is within a
//! partial tile is hashed when somebody asks for the root, which is once per checkpoint.

use seal::Digest;

use crate::tile::{TILE_HEIGHT, TILE_WIDTH, Tile, hashes_at};
use crate::tree::{CompactRange, empty_root, node_hash};

/// Hashes of a full tile.
const FULL: usize = 256;

/// The last partial tile of each level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TileEdge {
    size: u64,
    /// INVARIANT (EdgeIsPartial): row *L* holds the hashes of the last partial tile of level *L*,
    /// `size / 256^L mod 256` of them. Guard: `extend` moves a full row up before it goes on, and
    /// `read` refuses other widths. Without it tiles would be written under wrong names.
    rows: Vec<Vec<Digest>>,
}

impl TileEdge {
    /// The edge of a tree without entries.
    #[must_use]
    pub const fn empty() -> Self {
        Self { size: 0, rows: Vec::new() }
    }

    /// The edge of a stored tree: `read` yields the hashes of a partial tile.
    ///
    /// `None` when one is missing or has another width. What was read is not checked against
    /// anything: compare [`TileEdge::root`] with a checkpoint.
    pub fn read(size: u64, mut read: impl FnMut(Tile) -> Option<Vec<Digest>>) -> Option<Self> {
        let mut rows = Vec::new();
        for tile in partial_tiles(size) {
            let hashes = read(tile)?;
            if u64::try_from(hashes.len()) != Ok(tile.width) {
                return None;
            }
            rows.resize(usize::try_from(tile.level).ok()?, Vec::new());
            rows.push(hashes);
        }
        Some(Self { size, rows })
    }

    /// How many entries the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends leaf hashes. Each tile that becomes full is handed to `full` once, children before
    /// parents.
    pub fn extend(&mut self, leaves: &[Digest], mut full: impl FnMut(Tile, &[Digest])) {
        let mut rest = leaves;
        while !rest.is_empty() {
            if self.rows.is_empty() {
                self.rows.push(Vec::with_capacity(FULL));
            }
            let Some(row) = self.rows.first_mut() else { return };
            let room = FULL.saturating_sub(row.len()).min(rest.len());
            let (now, later) = rest.split_at(room);
            row.extend_from_slice(now);
            let is_full = row.len() == FULL;
            self.size = self.size.saturating_add(u64::try_from(room).unwrap_or(u64::MAX));
            rest = later;
            if is_full {
                self.carry(&mut full);
            }
        }
    }

    /// Moves full rows up, as many as there are.
    fn carry(&mut self, full: &mut impl FnMut(Tile, &[Digest])) {
        let (size, mut level) = (self.size, 0_u32);
        let mut carried: Option<Digest> = None;
        for row in &mut self.rows {
            row.extend(carried.take());
            if row.len() < FULL {
                return;
            }
            // The size just reached is a multiple of this tile's span.
            let tiles = hashes_at(level.saturating_add(1), size);
            full(Tile { level, index: tiles.saturating_sub(1), width: TILE_WIDTH }, row);
            carried = Some(root_of_row(row));
            row.clear();
            level = level.saturating_add(1);
        }
        if let Some(root) = carried {
            let mut row = Vec::with_capacity(FULL);
            row.push(root);
            self.rows.push(row);
        }
    }

    /// The partial tiles at the present size with their hashes, bottom up.
    pub fn partial(&self) -> impl Iterator<Item = (Tile, &[Digest])> {
        let named = |(level, row): (u32, &'_ Vec<Digest>)| {
            let index = hashes_at(level, self.size) / TILE_WIDTH;
            let width = u64::try_from(row.len()).unwrap_or(u64::MAX);
            Tile { level, index, width }
        };
        let rows = (0..).zip(&self.rows).filter(|(_, row)| !row.is_empty());
        rows.map(move |(level, row)| (named((level, row)), row.as_slice()))
    }

    /// The root at the present size.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut folded = None;
        for row in &self.rows {
            for peak in peaks_of(row).iter().rev() {
                folded = Some(folded.map_or(*peak, |right| node_hash(peak, &right)));
            }
        }
        folded.unwrap_or_else(empty_root)
    }
}

/// The partial tiles of a tree of `size`, one per level at most, bottom up.
pub fn partial_tiles(size: u64) -> impl Iterator<Item = Tile> {
    let tile = move |level: u32| {
        let hashes = hashes_at(level, size);
        Tile { level, index: hashes / TILE_WIDTH, width: hashes % TILE_WIDTH }
    };
    (0..u64::BITS / TILE_HEIGHT).map(tile).filter(|tile| tile.width > 0)
}

/// Roots of the complete subtrees over a row, largest first.
fn peaks_of(row: &[Digest]) -> Vec<Digest> {
    let mut range = CompactRange::empty();
    row.iter().for_each(|hash| range.append(*hash));
    range.peaks().to_vec()
}

/// The root over a row whose length is a power of two up to 256.
#[must_use]
pub fn root_of_row(row: &[Digest]) -> Digest {
    if let [only] = row {
        return *only;
    }
    let mut first = [Digest::ZERO; FULL / 2];
    let mut second = [Digest::ZERO; FULL / 4];
    let mut width = halve(row, &mut first);
    let (mut from, mut to) = (first.as_mut_slice(), second.as_mut_slice());
    while width > 1 {
        width = halve(from.get(..width).unwrap_or_default(), to);
        core::mem::swap(&mut from, &mut to);
    }
    from.first().copied().unwrap_or(Digest::ZERO)
}

/// One level up: a node for each pair. How many there were.
fn halve(row: &[Digest], nodes: &mut [Digest]) -> usize {
    let (pairs, _) = row.as_chunks::<2>();
    for (node, [left, right]) in nodes.iter_mut().zip(pairs) {
        *node = node_hash(left, right);
    }
    pairs.len()
}
