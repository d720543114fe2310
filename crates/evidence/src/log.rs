//! The projection that turns a book's facts into a log: entries in, tiles and a checkpoint out.
//!
//! Entry *n* is the 33-byte commitment to fact *n*, so everything here is a function of the
//! journal. Partial files are keyed by width and full ones never change, which makes each write
//! idempotent.

use record::{Commitment, LEAF_BYTES, leaf_bytes, leaf_hash};
use seal::Digest;
use thiserror::Error;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::edge::TileEdge;
use crate::note::NoteSigner;
use crate::tile::{
    CHECKPOINT_PATH, StoreFault, TILE_WIDTH, Tile, TileReader, TileStore, write_bundle,
};
use crate::tree::{ProveError, TreeHead, prove_consistency, prove_inclusion};

/// A log that is being written. Its published part lies in the store; what was appended since
/// lies in memory only and comes again from the journal after a crash.
#[derive(Debug)]
pub struct Log<S> {
    store: S,
    published: Option<SignedCheckpoint>,
    edge: TileEdge,
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
        let differ = || LogError::TilesDiffer { size: head.size };
        let edge = TileEdge::read(head.size, |tile| reader.hashes(tile)).ok_or_else(differ)?;
        if edge.root() != head.root {
            return Err(differ());
        }
        let bundle = read_bundle_beside(&reader, &edge).ok_or_else(differ)?;
        Ok(Self { store, published: Some(published), edge, bundle, full: Vec::new() })
    }

    const fn begun(store: S) -> Self {
        Self {
            store,
            published: None,
            edge: TileEdge::empty(),
            bundle: Vec::new(),
            full: Vec::new(),
        }
    }

    /// How many entries were appended. The next fact to append is the one at this position.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.edge.size()
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
        let index = self.edge.size() / TILE_WIDTH;
        self.bundle.push(leaf_bytes(commitment));
        if self.bundle.len() == FULL {
            let tile = Tile { level: 0, index, width: TILE_WIDTH };
            self.full.push((tile.bundle_path(), write_bundle(&self.bundle)));
            self.bundle.clear();
        }
        let full = &mut self.full;
        self.edge.extend(&[leaf_hash(commitment)], |tile, hashes| {
            full.push((tile.path(), hashes_as_bytes(hashes)));
        });
    }

    /// Writes what was appended: bundles and tiles first, then the checkpoint.
    ///
    /// Stopped before the checkpoint is written, the old checkpoint stands and every file it
    /// needs is untouched; the journal's facts are appended again and each file gets the same
    /// bytes. Stopped after, the new checkpoint stands with all its files. Signing is
    /// deterministic, so a second run at the same size writes the same checkpoint.
    pub fn publish(&mut self, signer: &NoteSigner) -> Result<SignedCheckpoint, LogError> {
        let head = TreeHead { size: self.edge.size(), root: self.edge.root() };
        if let Some(published) = self.published.as_ref().filter(|p| p.head() == head) {
            return Ok(published.clone());
        }
        let checkpoint = SignedCheckpoint::sign(signer, head)?;
        self.write(checkpoint.clone())?;
        Ok(checkpoint)
    }

    /// Begins a log that is made again from its facts, in an empty store: [`Log::append`], now and
    /// then [`Log::spill`], and at the checkpoint's size [`Log::adopt`].
    #[must_use]
    pub const fn again(store: S) -> Self {
        Self::begun(store)
    }

    /// Writes the full tiles that wait in memory: they never change.
    pub fn spill(&mut self) -> Result<(), LogError> {
        for (path, bytes) in &self.full {
            self.store.write(path, bytes)?;
        }
        self.full.clear();
        Ok(())
    }

    /// Writes what was appended under a checkpoint that was signed before, when it leads to its
    /// root. Whether the signature holds is the caller's to check.
    pub fn adopt(&mut self, checkpoint: SignedCheckpoint) -> Result<(), LogError> {
        let head = TreeHead { size: self.edge.size(), root: self.edge.root() };
        if checkpoint.head() != head {
            return Err(LogError::TilesDiffer { size: checkpoint.head().size });
        }
        self.write(checkpoint)
    }

    fn write(&mut self, checkpoint: SignedCheckpoint) -> Result<(), LogError> {
        self.spill()?;
        for (path, bytes) in self.partial_files() {
            self.store.write(&path, &bytes)?;
        }
        self.store.write(CHECKPOINT_PATH, checkpoint.to_string().as_bytes())?;
        self.published = Some(checkpoint);
        Ok(())
    }

    fn partial_files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for (tile, row) in self.edge.partial() {
            files.push((tile.path(), hashes_as_bytes(row)));
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

/// The entries beside the edge's lowest partial tile; `None` when they do not hash to it.
fn read_bundle_beside<S: TileStore>(
    reader: &TileReader<'_, S>,
    edge: &TileEdge,
) -> Option<Vec<[u8; LEAF_BYTES]>> {
    let Some((tile, hashes)) = edge.partial().next().filter(|(tile, _)| tile.level == 0) else {
        return Some(Vec::new());
    };
    let entries = reader.entries(tile)?;
    if !crate::tile::bundle_fits(&entries, hashes) {
        return None;
    }
    entries.into_iter().map(|entry| entry.try_into().ok()).collect()
}

fn hashes_as_bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

const FULL: usize = 256;

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
