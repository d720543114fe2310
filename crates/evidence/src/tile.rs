//! The tree as static files: paths, widths, and which change between two sizes (C2SP tlog-tiles).
//!
//! A tile is up to 256 hashes of one level; levels are 8 apart. A bundle is up to 256 entries.
//! A full tile never changes; a partial one is written beside it under its own width.

use std::collections::BTreeMap;

use record::LEAF_BYTES;
use seal::Digest;
use thiserror::Error;

use crate::tree::{CompactRange, HashReader, leaf_hash};

/// Hashes of a full tile, entries of a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Levels of the tree within one tile.
pub const TILE_HEIGHT: u32 = 8;
/// Where the newest checkpoint stands.
pub const CHECKPOINT_PATH: &str = "checkpoint";

/// One file of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// The level of the tile: its hashes span `256^level` entries each.
    pub level: u32,
    /// Its place within the level.
    pub index: u64,
    /// How many hashes it has, 1 to 256.
    pub width: u64,
}

impl Tile {
    /// The tile that holds hash `at` of `level` in a tree of `size`; `None` when that hash does
    /// not exist there.
    #[must_use]
    pub fn holding(level: u32, at: u64, size: u64) -> Option<Self> {
        let hashes = hashes_at(level, size);
        let index = at / TILE_WIDTH;
        let width = (hashes - index.saturating_mul(TILE_WIDTH).min(hashes)).min(TILE_WIDTH);
        (at < hashes).then_some(Self { level, index, width })
    }

    /// `tile/<L>/<N>[.p/<W>]`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, numbered(self.index, self.width))
    }

    /// `tile/entries/<N>[.p/<W>]` of the bundle beside a tile of level 0.
    #[must_use]
    pub fn bundle_path(&self) -> String {
        format!("tile/entries/{}", numbered(self.index, self.width))
    }

    /// The same place, all 256 hashes: a log may drop a partial tile once this one is there.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }
}

/// What a path below a log's prefix names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TilePath {
    /// Hashes.
    Hashes(Tile),
    /// The entries beside a tile of level 0.
    Entries(Tile),
}

impl TilePath {
    /// Reads a path as a stranger sent it; `None` for anything but the one spelling of a tile.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, numbered) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = read_number(numbered)?;
        let (found, spelled) = if kind == "entries" {
            let tile = Tile { level: 0, index, width };
            (Self::Entries(tile), tile.bundle_path())
        } else {
            let tile = Tile { level: kind.parse().ok().filter(|l| *l < 64)?, index, width };
            (Self::Hashes(tile), tile.path())
        };
        (spelled == path).then_some(found)
    }
}

/// The tiles that a tree of `new` entries has and one of `old` has not, bottom up.
#[must_use]
pub fn changed(old: u64, new: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let mut level = 0;
    while hashes_at(level, new) > 0 {
        let (had, has) = (hashes_at(level, old), hashes_at(level, new));
        if had < has {
            let last = (has - 1) / TILE_WIDTH;
            let found = (had / TILE_WIDTH..=last)
                .filter_map(|index| Tile::holding(level, index.saturating_mul(TILE_WIDTH), new));
            tiles.extend(found);
        }
        level += 1;
    }
    tiles
}

/// Where files of a log are kept (a port of [`crate::log::Log`]).
///
/// Contract: `write` replaces the file at the path as a whole and returns when the bytes are
/// durable; a reader sees the old or the new bytes, never a mixture. After a fault the file may
/// hold either: the log writes the same bytes again, so the two need not be told apart. Paths
/// hold `a-z 0-9 . /` only and no `..`.
pub trait TileStore {
    /// The bytes at the path; `None` when nothing was ever written there.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreFault>;
    /// Replaces the bytes at the path, durably.
    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), StoreFault>;
}

/// The store could not read or write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot reach `{path}` in the tile store: {reason}")]
pub struct StoreFault {
    /// Which file.
    pub path: String,
    /// What the world said.
    pub reason: String,
}

/// A store in memory, for checks and tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryStore {
    /// A store without files.
    #[must_use]
    pub const fn empty() -> Self {
        Self { files: BTreeMap::new() }
    }

    /// All files by path.
    #[must_use]
    pub const fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }
}

impl TileStore for MemoryStore {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.files.get(path).cloned())
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), StoreFault> {
        self.files.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }
}

/// Reads hashes of a tree of one size out of its tiles. Trusts the store: compare the root with
/// a checkpoint before relying on it. A file that cannot be read counts as missing: either way
/// there is no proof now, and asking again later is safe.
#[derive(Debug)]
pub struct TileReader<'s, S> {
    store: &'s S,
    size: u64,
}

impl<'s, S: TileStore> TileReader<'s, S> {
    /// The tree of this size in that store.
    #[must_use]
    pub const fn new(store: &'s S, size: u64) -> Self {
        Self { store, size }
    }

    /// The hashes of one tile, from the full tile where the partial one is gone.
    #[must_use]
    pub fn hashes(&self, tile: Tile) -> Option<Vec<Digest>> {
        let bytes = read_either(self.store, &tile.path(), &tile.full().path())?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        let wanted = hashes.get(..usize::try_from(tile.width).ok()?)?;
        rest.is_empty().then(|| wanted.iter().copied().map(Digest::from_bytes).collect())
    }

    /// The entries beside a tile of level 0.
    #[must_use]
    pub fn entries(&self, tile: Tile) -> Option<Vec<Vec<u8>>> {
        let bytes = read_either(self.store, &tile.bundle_path(), &tile.full().bundle_path())?;
        let entries = read_bundle(&bytes)?;
        Some(entries.get(..usize::try_from(tile.width).ok()?)?.to_vec())
    }
}

impl<S: TileStore> HashReader for TileReader<'_, S> {
    fn subtree(&self, level: u32, index: u64) -> Option<Digest> {
        let within = level % TILE_HEIGHT;
        let first = index.checked_shl(within)?;
        let tile = Tile::holding(level / TILE_HEIGHT, first, self.size)?;
        let hashes = self.hashes(tile)?;
        let from = usize::try_from(first % TILE_WIDTH).ok()?;
        let covered = hashes.get(from..from.checked_add(1 << within)?)?;
        Some(root_of(covered))
    }
}

/// One bundle: each entry after its length in two bytes, big-endian.
#[must_use]
pub fn write_bundle(entries: &[[u8; LEAF_BYTES]]) -> Vec<u8> {
    // INVARIANT (LeafLength): an entry is 33 bytes, so its length fits the second byte.
    entries.iter().flat_map(|entry| [0, 33].into_iter().chain(*entry)).collect()
}

/// The entries of a bundle of any log; `None` when the lengths do not add up.
#[must_use]
pub fn read_bundle(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry.to_vec());
        rest = after;
    }
    rest.is_empty().then_some(entries)
}

/// Whether a bundle and the tile beside it say the same.
#[must_use]
pub fn bundle_fits(entries: &[Vec<u8>], hashes: &[Digest]) -> bool {
    entries.iter().map(|entry| leaf_hash(entry)).eq(hashes.iter().copied())
}

/// The root over these hashes, taken as leaves.
#[must_use]
pub fn root_of(hashes: &[Digest]) -> Digest {
    let mut range = CompactRange::empty();
    hashes.iter().for_each(|hash| range.append(*hash));
    range.root()
}

fn read_either<S: TileStore>(store: &S, partial: &str, full: &str) -> Option<Vec<u8>> {
    match store.read(partial) {
        Ok(Some(bytes)) => Some(bytes),
        Ok(None) | Err(_) => store.read(full).ok().flatten(),
    }
}

/// How many hashes a tree of `size` has at a level of tiles.
#[must_use]
pub const fn hashes_at(level: u32, size: u64) -> u64 {
    match size.checked_shr(level.saturating_mul(TILE_HEIGHT)) {
        Some(hashes) => hashes,
        None => 0,
    }
}

/// Index and width of a path; whether it is the one spelling is for the caller to check.
fn read_number(numbered: &str) -> Option<(u64, u64)> {
    let (digits, width) = match numbered.split_once(".p/") {
        Some((digits, width)) => (digits, width.parse().ok().filter(|w| *w < TILE_WIDTH)?),
        None => (numbered, TILE_WIDTH),
    };
    let mut index = 0_u64;
    for group in digits.split('/') {
        let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
        index = index.checked_mul(1000)?.checked_add(group)?;
    }
    (width > 0).then_some((index, width))
}

fn numbered(index: u64, width: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < TILE_WIDTH { format!("{path}.p/{width}") } else { path }
}
