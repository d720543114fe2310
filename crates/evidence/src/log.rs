//! The projection that turns a book's facts into a log: entries in, tiles and a checkpoint out.
//!
//! Entry *n* is the 33-byte commitment to fact *n*, so everything here is a function of the
//! journal. Partial files are keyed by width and full ones never change, which makes each write
//! idempotent.

use record::{Commitment, LEAF_BYTES, leaf_bytes};
use seal::Digest;
use thiserror::Error;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::note::NoteSigner;
use crate::tile::{
    CHECKPOINT_PATH, StoreFault, TILE_WIDTH, Tile, TileReader, TileStore, root_of, write_bundle,
};
use crate::tree::{
    CompactRange, ProveError, TreeHead, leaf_hash, prove_consistency, prove_inclusion,
};

/// A log that is being written. Its published part lies in the store; what was appended since
/// lies in memory only and comes again from the journal after a crash.
#[derive(Debug)]
pub struct Log<S> {
    store: S,
    published: Option<SignedCheckpoint>,
    range: CompactRange,
    /// INVARIANT (EdgeIsPartial): row *L* holds the hashes of the last partial tile of level
    /// *L*, fewer than 256. Guard: `append` moves a full row up before it returns.
    edge: Vec<Vec<Digest>>,
    bundle: Vec<[u8; LEAF_BYTES]>,
    /// Full tiles and bundles since the last publication.
    full: Vec<(String, Vec<u8>)>,
}

impl<S: TileStore> Log<S> {
    /// Opens the log in this store, or begins it. The stored tiles must lead to the stored
    /// checkpoint's root, and that must be signed by this key.
    ///
    /// The caller compares [`Log::size`] with its journal: a journal that is shorter was restored
    /// too old, and nothing may be appended.
    pub fn open(store: S, signer: &NoteSigner) -> Result<Self, LogError> {
        let Some(bytes) = store.read(CHECKPOINT_PATH)? else {
            return Ok(Self::begun(store));
        };
        let published = SignedCheckpoint::parse(&bytes)?;
        published.check(signer.verifier())?;
        let head = published.head();
        let reader = TileReader::new(&store, head.size);
        let range = CompactRange::read(&reader, head.size)?;
        if range.root() != head.root {
            return Err(LogError::TilesDiffer { size: head.size });
        }
        let (edge, bundle) = read_edge(&reader, head.size)?;
        Ok(Self { store, published: Some(published), range, edge, bundle, full: Vec::new() })
    }

    const fn begun(store: S) -> Self {
        Self {
            store,
            published: None,
            range: CompactRange::empty(),
            edge: Vec::new(),
            bundle: Vec::new(),
            full: Vec::new(),
        }
    }

    /// How many entries were appended. The next fact to append is the one at this position.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.range.size()
    }

    /// The last checkpoint that is in the store.
    #[must_use]
    pub const fn published(&self) -> Option<&SignedCheckpoint> {
        self.published.as_ref()
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Appends the entry of the next fact, in memory only.
    pub fn append(&mut self, commitment: &Commitment) {
        let entry = leaf_bytes(commitment);
        let index = self.range.size() / TILE_WIDTH;
        let leaf = leaf_hash(&entry);
        self.range.append(leaf);
        self.bundle.push(entry);
        if self.bundle.len() == FULL {
            let tile = Tile { level: 0, index, width: TILE_WIDTH };
            self.full.push((tile.bundle_path(), write_bundle(&self.bundle)));
            self.bundle.clear();
        }
        self.append_hash(leaf);
    }

    fn append_hash(&mut self, leaf: Digest) {
        let mut carried = Some(leaf);
        let mut level = 0_u32;
        let mut rows = core::mem::take(&mut self.edge);
        for row in &mut rows {
            let Some(hash) = carried.take() else { break };
            row.push(hash);
            if row.len() == FULL {
                // The size that was just reached is a multiple of this tile's span.
                let span = TILE_HEIGHT_BITS.saturating_mul(level.saturating_add(1));
                let index = (self.range.size() >> span).saturating_sub(1);
                let tile = Tile { level, index, width: TILE_WIDTH };
                self.full.push((tile.path(), hashes_as_bytes(row)));
                carried = Some(root_of(row));
                row.clear();
            }
            level = level.saturating_add(1);
        }
        rows.extend(carried.map(|hash| vec![hash]));
        self.edge = rows;
    }

    /// Writes what was appended: bundles and tiles first, then the checkpoint.
    ///
    /// Stopped before the checkpoint is written, the old checkpoint stands and every file it
    /// needs is untouched; the journal's facts are appended again and each file gets the same
    /// bytes. Stopped after, the new checkpoint stands with all its files. Signing is
    /// deterministic, so a second run at the same size writes the same checkpoint.
    pub fn publish(&mut self, signer: &NoteSigner) -> Result<SignedCheckpoint, LogError> {
        let head = TreeHead { size: self.range.size(), root: self.range.root() };
        if let Some(published) = self.published.as_ref().filter(|p| p.head() == head) {
            return Ok(published.clone());
        }
        for (path, bytes) in self.full.iter().chain(&self.partial_files(head.size)) {
            self.store.write(path, bytes)?;
        }
        let checkpoint = SignedCheckpoint::sign(signer, head)?;
        self.store.write(CHECKPOINT_PATH, checkpoint.to_string().as_bytes())?;
        self.full.clear();
        self.published = Some(checkpoint.clone());
        Ok(checkpoint)
    }

    fn partial_files(&self, size: u64) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for tile in partial_tiles(size) {
            let row = usize::try_from(tile.level).ok().and_then(|level| self.edge.get(level));
            files.extend(row.map(|row| (tile.path(), hashes_as_bytes(row))));
            if tile.level == 0 {
                files.push((tile.bundle_path(), write_bundle(&self.bundle)));
            }
        }
        files
    }

    /// The inclusion path of a published entry in the tree of `size`, which was published.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Digest>, LogError> {
        self.is_published(size)?;
        Ok(prove_inclusion(&TileReader::new(&self.store, size), index, size)?)
    }

    /// The proof that the tree of `new` entries extends the tree of `old`, both published.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Digest>, LogError> {
        self.is_published(new)?;
        Ok(prove_consistency(&TileReader::new(&self.store, new), old, new)?)
    }

    fn is_published(&self, size: u64) -> Result<(), LogError> {
        let published = self.published.as_ref().map_or(0, |p| p.head().size);
        if size > published {
            return Err(LogError::NotPublished { published, got: size });
        }
        Ok(())
    }
}

/// The right edge of a stored tree: one row of hashes per level, and the last entries.
#[expect(clippy::type_complexity, reason = "the two halves of a log's edge, taken apart at once")]
fn read_edge<S: TileStore>(
    reader: &TileReader<'_, S>,
    size: u64,
) -> Result<(Vec<Vec<Digest>>, Vec<[u8; LEAF_BYTES]>), LogError> {
    let differ = || LogError::TilesDiffer { size };
    let mut edge = Vec::new();
    let mut bundle = Vec::new();
    for tile in partial_tiles(size) {
        let level = usize::try_from(tile.level).map_err(|_| differ())?;
        let hashes = reader.hashes(tile).ok_or_else(differ)?;
        if tile.level == 0 {
            let entries = reader.entries(tile).ok_or_else(differ)?;
            if !crate::tile::bundle_fits(&entries, &hashes) {
                return Err(differ());
            }
            let lengths: Result<Vec<_>, _> = entries.into_iter().map(TryInto::try_into).collect();
            bundle = lengths.map_err(|_| differ())?;
        }
        edge.resize(level, Vec::new());
        edge.push(hashes);
    }
    Ok((edge, bundle))
}

/// The partial tiles of a tree of `size`, one per level at most, bottom up.
fn partial_tiles(size: u64) -> Vec<Tile> {
    let levels = 0..u64::BITS / TILE_HEIGHT_BITS;
    let tile = |level: u32| {
        let hashes = size >> TILE_HEIGHT_BITS.saturating_mul(level);
        Tile { level, index: hashes / TILE_WIDTH, width: hashes % TILE_WIDTH }
    };
    levels.map(tile).filter(|tile| tile.width > 0).collect()
}

fn hashes_as_bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

const FULL: usize = 256;
const TILE_HEIGHT_BITS: u32 = crate::tile::TILE_HEIGHT;

/// Why a log cannot be opened, written or asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogError {
    /// The world failed; try again, the bytes will be the same.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The stored checkpoint is not this log's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The stored tiles do not lead to the stored checkpoint.
    #[error("the stored tiles do not lead to the checkpoint of size `{size}`")]
    TilesDiffer {
        /// The checkpoint's size.
        size: u64,
    },
    /// A proof about a size that has no checkpoint yet.
    #[error("expected a size up to the published `{published}`, got `{got}`")]
    NotPublished {
        /// The newest published size.
        published: u64,
        /// What was asked for.
        got: u64,
    },
    /// No such proof.
    #[error(transparent)]
    Prove(#[from] ProveError),
}
