//! Tiles and entries, cut out of the packed file.

use std::io;

use evidence::Tile;
use evidence::edge::root_of_row;
use evidence::tile::{TILE_HEIGHT, TILE_WIDTH, TilePath, hashes_at, write_bundle};
use evidence::tree::{HashReader, ProveError, TreeHead, prove_consistency, prove_inclusion};
use record::{Commitment, leaf_bytes};
use seal::Digest;

use super::layout::{
    HASH_BYTES, HEAD_STRIDE, HEADS, HeadSector, LOG_NAME, as_u64, as_usize, entries_offset,
    read_head, tile_offset,
};
use crate::disk::{Disk, DiskFile};

/// The file, to read beside the one who writes it.
#[derive(Debug)]
pub struct LogReader<F> {
    file: F,
}

impl<F: DiskFile> LogReader<F> {
    /// Opens the log of a directory.
    ///
    /// # Errors
    /// `NotFound` when there is none, or the device's.
    pub fn open<D: Disk<File = F>>(disk: &D) -> io::Result<Self> {
        Ok(Self { file: disk.open(LOG_NAME)? })
    }

    pub(crate) const fn file_mut(&mut self) -> &mut F {
        &mut self.file
    }

    pub(crate) const fn file(&self) -> &F {
        &self.file
    }

    /// The newest head that the file shows.
    ///
    /// For a log that nobody writes: beside a writer it may not be durable yet, and
    /// [`super::LogWatch::durable`] says what is.
    ///
    /// # Errors
    /// The device's.
    pub fn head(&self) -> io::Result<Option<TreeHead>> {
        let heads = self.heads()?.into_iter().filter_map(|sector| match sector {
            HeadSector::Head(head) => Some(head),
            HeadSector::Blank | HeadSector::Broken => None,
        });
        Ok(heads.max_by_key(|head| head.size))
    }

    pub(crate) fn heads(&self) -> io::Result<[HeadSector; HEADS]> {
        let sector = |number: usize| {
            let offset = as_u64(number.saturating_mul(HEAD_STRIDE));
            self.file.read_at(offset, HEAD_STRIDE).map(|bytes| read_head(&bytes))
        };
        Ok([sector(0)?, sector(1)?])
    }

    /// The tree of the first `size` entries, which must be durable.
    pub const fn view(&self, size: u64) -> TreeView<'_, F> {
        TreeView { file: &self.file, size }
    }
}

/// The tree at one size.
#[derive(Debug)]
pub struct TreeView<'f, F> {
    file: &'f F,
    size: u64,
}

impl<F: DiskFile> TreeView<'_, F> {
    /// How many entries it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of a tile: `width` hashes. `None` when this tree has not that many there.
    ///
    /// # Errors
    /// The device's; `UnexpectedEof` when the file is shorter than its head says.
    pub fn tile(&self, tile: Tile) -> io::Result<Option<Vec<u8>>> {
        let first = tile.index.saturating_mul(TILE_WIDTH);
        match tile_offset(tile) {
            Some(at) if self.has(tile) => self.read(at, first, tile.width).map(Some),
            _ => Ok(None),
        }
    }

    /// The bytes of a bundle of entries beside a tile of level 0.
    ///
    /// # Errors
    /// As [`TreeView::tile`].
    pub fn entry_bundle(&self, index: u64, width: u64) -> io::Result<Option<Vec<u8>>> {
        let tile = Tile { level: 0, index, width };
        if !self.has(tile) {
            return Ok(None);
        }
        let commitments = self.commitments(index.saturating_mul(TILE_WIDTH), width)?;
        let entries: Vec<_> = commitments.iter().map(leaf_bytes).collect();
        Ok(Some(write_bundle(&entries)))
    }

    /// What stands at a path below the log's prefix, checkpoint apart; `None` for a path that is
    /// no tile of this tree. To be answered as `application/octet-stream`.
    ///
    /// # Errors
    /// As [`TreeView::tile`].
    pub fn resource(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match TilePath::parse(path) {
            Some(TilePath::Hashes(tile)) => self.tile(tile),
            Some(TilePath::Entries(tile)) => self.entry_bundle(tile.index, tile.width),
            None => Ok(None),
        }
    }

    /// The commitment at a position.
    ///
    /// # Errors
    /// As [`TreeView::tile`].
    pub fn commitment(&self, position: u64) -> io::Result<Option<Commitment>> {
        if position >= self.size {
            return Ok(None);
        }
        Ok(self.commitments(position, 1)?.pop())
    }

    /// The commitments of `count` positions within one page.
    pub(crate) fn commitments(&self, first: u64, count: u64) -> io::Result<Vec<Commitment>> {
        let page = entries_offset(first / TILE_WIDTH);
        let at = page.saturating_add((first % TILE_WIDTH).saturating_mul(as_u64(HASH_BYTES)));
        let bytes = self.read(at, first, count)?;
        let (commitments, _) = bytes.as_chunks::<HASH_BYTES>();
        Ok(commitments.iter().map(|bytes| Commitment(Digest::from_bytes(*bytes))).collect())
    }

    /// `count` hashes of a level from `first` on, all in one tile.
    pub(crate) fn hashes(&self, level: u32, first: u64, count: u64) -> io::Result<Vec<Digest>> {
        let index = first / TILE_WIDTH;
        let Some(tile) = tile_offset(Tile { level, index, width: TILE_WIDTH }) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let at = tile.saturating_add((first % TILE_WIDTH).saturating_mul(as_u64(HASH_BYTES)));
        let bytes = self.read(at, first, count)?;
        let (hashes, _) = bytes.as_chunks::<HASH_BYTES>();
        Ok(hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect())
    }

    fn read(&self, at: u64, first: u64, count: u64) -> io::Result<Vec<u8>> {
        let wanted = as_usize(count).saturating_mul(HASH_BYTES);
        let bytes = self.file.read_at(at, wanted)?;
        if bytes.len() == wanted {
            return Ok(bytes);
        }
        let what = format!("`{LOG_NAME}` ends before hash or entry `{first}` of its head's tree");
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
    }

    fn has(&self, tile: Tile) -> bool {
        let end = tile.index.checked_mul(TILE_WIDTH).and_then(|at| at.checked_add(tile.width));
        (1..=TILE_WIDTH).contains(&tile.width)
            && end.is_some_and(|end| end <= hashes_at(tile.level, self.size))
    }

    /// Its root.
    ///
    /// # Errors
    /// As [`TreeView::inclusion`].
    pub fn root(&self) -> Result<Digest, ProveError> {
        evidence::tree::root(self, self.size)
    }

    /// The inclusion path of an entry in this tree.
    ///
    /// # Errors
    /// [`ProveError`]; what cannot be read counts as missing, and asking again is safe.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Digest>, ProveError> {
        prove_inclusion(self, index, self.size)
    }

    /// The proof that this tree extends the tree of `old` entries.
    ///
    /// # Errors
    /// As [`TreeView::inclusion`].
    pub fn consistency(&self, old: u64) -> Result<Vec<Digest>, ProveError> {
        prove_consistency(self, old, self.size)
    }
}

impl<F: DiskFile> HashReader for TreeView<'_, F> {
    fn subtree(&self, level: u32, index: u64) -> Option<Digest> {
        let within = level % TILE_HEIGHT;
        let (first, count) = (index.checked_shl(within)?, 1_u64 << within);
        let end = first.checked_add(count)?;
        if end > hashes_at(level / TILE_HEIGHT, self.size) {
            return None;
        }
        let row = self.hashes(level / TILE_HEIGHT, first, count).ok()?;
        Some(root_of_row(&row))
    }
}
