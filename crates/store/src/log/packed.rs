//! The writer of the packed file.

use std::io;

use evidence::tile::TILE_WIDTH;
use evidence::tree::{TreeHead, empty_root};
use evidence::{Tile, TileEdge};
use record::{Commitment, leaf_hash};
use seal::Digest;

use super::layout::{
    HASH_BYTES, HEAD_STRIDE, HEADS, HeadSector, LOG_NAME, PAGE_BYTES, PLACE_BYTES, as_u64,
    as_usize, page_offset, tile_offset, write_head,
};
use super::reader::{LogReader, TreeView};
use crate::disk::{Disk, DiskFile, replace};

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The device failed.
    #[error("the log's file failed: {0}")]
    Failed(#[from] io::Error),
    /// The file is damaged where it must be read to go on. It holds nothing that the journal has
    /// not: move it away and feed from position 0.
    #[error("the log's file is damaged: {0}")]
    Damaged(String),
}

/// Why nothing more is written.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// The device failed: whether the flush is durable is unknown. Open the log again.
    #[error("the log's file failed: {0}")]
    Failed(#[from] io::Error),
    /// An earlier fault: open the log again.
    #[error("the log's file is stopped after an earlier fault")]
    Stopped,
}

/// A log that is being written: one file, one owner.
///
/// *Crash story*. A flush writes pages, tiles and, into the sector of the head before last, the
/// new head; then it syncs once. Until the sync returns the newest durable head stands in the
/// other sector, and every byte it needs was durable before: bytes below a durable size are only
/// ever written again with what they hold. After a crash the newer head may be there with a part
/// of its tiles missing. So opening starts at the *older* head, appends the commitments that the
/// file holds beyond it, by the same code, and compares the root: equal, everything that the newer
/// head needs is flushed again and the newer head stands; else it never stood, nobody saw it, and
/// its entries are fed again.
///
/// Flushing again matters after a failed sync: the kernel may show bytes that no later sync would
/// write.
#[derive(Debug)]
pub struct PackedLog<F> {
    reader: LogReader<F>,
    edge: TileEdge,
    /// Pages from the one that holds the first entry not flushed, or its last before.
    pages: Vec<u8>,
    first_page: u64,
    /// Full tiles above level 0 since the last flush.
    full: Vec<(Tile, Vec<u8>)>,
    /// Leaf hashes of the entries being appended: kept to allocate once.
    leaves: Vec<Digest>,
    durable: TreeHead,
    /// INVARIANT (OtherHeadIsDurable): the head in this sector is durable with all its tiles, and a
    /// flush writes the other sector. Guard: `flush` turns it over only after its sync, and `open`
    /// begins at the older head. Without it a crash could leave no head that stands.
    sector: usize,
    stopped: bool,
}

impl<F: DiskFile> PackedLog<F> {
    /// Opens the log of a directory, or begins it. What [`PackedLog::size`] says then is durable,
    /// and the next commitment to append.
    ///
    /// The caller compares it with its journal: a journal that is shorter was restored too old,
    /// and nothing may be appended.
    ///
    /// # Errors
    /// [`OpenLogError`].
    pub fn open<D: Disk<File = F>>(disk: &D) -> Result<Self, OpenLogError> {
        let reader = match LogReader::open(disk) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut place = write_head(&TreeHead { size: 0, root: empty_root() });
                place.resize(PLACE_BYTES, 0);
                replace(disk, LOG_NAME, &place)?;
                LogReader::open(disk)?
            }
            opened => opened?,
        };
        // Whoever began the file may have stopped before its name was durable.
        disk.sync_directory()?;
        let mut heads = Vec::new();
        for (sector, found) in reader.heads()?.into_iter().enumerate() {
            if let HeadSector::Head(head) = found {
                heads.push((head, sector));
            }
        }
        heads.sort_by_key(|(head, _)| head.size);
        let Some((older, newer)) = heads.split_first() else {
            return Err(OpenLogError::Damaged("neither of its heads can be read".to_owned()));
        };
        let mut log = Self::at(reader, older.0, older.1)?;
        if let Some((newer, _)) = newer.first() {
            log.go_on_to(*newer)?;
        }
        Ok(log)
    }

    /// The state at a durable head.
    fn at(reader: LogReader<F>, head: TreeHead, sector: usize) -> Result<Self, OpenLogError> {
        let view = reader.view(head.size);
        let mut failed = None;
        let edge = TileEdge::read(head.size, |tile| {
            let first = tile.index.saturating_mul(TILE_WIDTH);
            view.hashes(tile.level, first, tile.width).map_err(|error| failed = Some(error)).ok()
        });
        if let Some(error) = failed.filter(|error| error.kind() != io::ErrorKind::UnexpectedEof) {
            return Err(error.into());
        }
        let Some(edge) = edge.filter(|edge| edge.root() == head.root) else {
            let what = format!("its last tiles do not lead to the root of size `{}`", head.size);
            return Err(OpenLogError::Damaged(what));
        };
        let mut log = Self {
            edge: TileEdge::empty(),
            pages: Vec::new(),
            first_page: head.size / TILE_WIDTH,
            full: Vec::new(),
            leaves: Vec::new(),
            durable: head,
            sector,
            stopped: false,
            reader,
        };
        log.load_page(edge)?;
        Ok(log)
    }

    /// Reads the commitments of the last partial page, which must hash to the tile beside them.
    fn load_page(&mut self, edge: TileEdge) -> Result<(), OpenLogError> {
        let size = edge.size();
        let first = size - size % TILE_WIDTH;
        let view = self.reader.view(size);
        if size > first {
            let commitments = view.commitments(first, size - first).map_err(short_is_damage)?;
            let leaves: Vec<Digest> = commitments.iter().map(leaf_hash).collect();
            if edge.partial().next().map(|(_, row)| row) != Some(leaves.as_slice()) {
                let what = format!("the entries from `{first}` do not hash to their tile");
                return Err(OpenLogError::Damaged(what));
            }
            self.pages.resize(PAGE_BYTES, 0);
            put(&mut self.pages, 0, &leaves, &commitments);
        }
        self.edge = edge;
        Ok(())
    }

    /// From the older head to the newer one, if what the file holds leads there.
    fn go_on_to(&mut self, newer: TreeHead) -> Result<(), OpenLogError> {
        let (start, kept) = (self.edge.clone(), self.pages.clone());
        while self.edge.size() < newer.size {
            let first = self.edge.size();
            let count = (TILE_WIDTH - first % TILE_WIDTH).min(newer.size - first);
            match self.reader.view(newer.size).commitments(first, count) {
                Ok(commitments) => self.append(&commitments),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error.into()),
            }
        }
        if self.head() == newer {
            return match self.flush() {
                Ok(_) => Ok(()),
                Err(LogFault::Failed(error)) => Err(error.into()),
                Err(LogFault::Stopped) => Err(io::Error::other(LogFault::Stopped).into()),
            };
        }
        (self.edge, self.pages) = (start, kept);
        self.full.clear();
        Ok(())
    }

    /// How many entries were appended, durable or not.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The newest durable head.
    #[must_use]
    pub const fn durable(&self) -> TreeHead {
        self.durable
    }

    /// The durable tree, for proofs and tiles.
    #[must_use]
    pub const fn view(&self) -> TreeView<'_, F> {
        self.reader.view(self.durable.size)
    }

    fn head(&self) -> TreeHead {
        TreeHead { size: self.edge.size(), root: self.edge.root() }
    }

    /// Appends the entries of the next facts, in memory only: 64 bytes each until the next flush.
    pub fn append(&mut self, commitments: &[Commitment]) {
        let mut rest = commitments;
        while !rest.is_empty() {
            let within = as_usize(self.edge.size() % TILE_WIDTH);
            if within == 0 {
                self.pages.resize(self.pages.len().saturating_add(PAGE_BYTES), 0);
            }
            let room = as_usize(TILE_WIDTH).saturating_sub(within).min(rest.len());
            let (now, later) = rest.split_at(room);
            self.leaves.clear();
            self.leaves.extend(now.iter().map(leaf_hash));
            put(&mut self.pages, within, &self.leaves, now);
            let full = &mut self.full;
            self.edge.extend(&self.leaves, |tile, row| {
                if tile.level > 0 {
                    full.push((tile, row_bytes(row)));
                }
            });
            rest = later;
        }
    }

    /// Makes what was appended durable, and says what a checkpoint may say now.
    ///
    /// # Errors
    /// [`LogFault`]: the log takes nothing more; open it again.
    pub fn flush(&mut self) -> Result<TreeHead, LogFault> {
        if self.stopped {
            return Err(LogFault::Stopped);
        }
        if self.edge.size() == self.durable.size {
            return Ok(self.durable);
        }
        let head = self.head();
        let next = (self.sector + 1) % HEADS;
        // The descriptor is not used again to write after a failure.
        self.stopped = true;
        self.write(&head, next)?;
        self.reader.file_mut().sync()?;
        // The commit point: tiles and head are durable, and a checkpoint may be signed.
        self.stopped = false;
        self.sector = next;
        self.durable = head;
        self.full.clear();
        let partial = if head.size.is_multiple_of(TILE_WIDTH) { 0 } else { PAGE_BYTES };
        self.pages.drain(..self.pages.len().saturating_sub(partial));
        self.first_page = head.size / TILE_WIDTH;
        Ok(head)
    }

    fn write(&mut self, head: &TreeHead, sector: usize) -> io::Result<()> {
        let file = self.reader.file_mut();
        let (mut page, mut rest) = (self.first_page, self.pages.as_slice());
        while !rest.is_empty() {
            // Pages up to the next tile of level 1 are one run.
            let left = as_usize(TILE_WIDTH - page % TILE_WIDTH);
            let (run, others) = rest.split_at(rest.len().min(left.saturating_mul(PAGE_BYTES)));
            file.write_at(page_offset(page), run)?;
            page = page.saturating_add(as_u64(left));
            rest = others;
        }
        for (tile, bytes) in &self.full {
            file.write_at(offset_of(*tile)?, bytes)?;
        }
        for (tile, row) in self.edge.partial().filter(|(tile, _)| tile.level > 0) {
            file.write_at(offset_of(tile)?, &row_bytes(row))?;
        }
        file.write_at(as_u64(sector.saturating_mul(HEAD_STRIDE)), &write_head(head))
    }
}

/// A file that ends too early is damaged; no later try will find more.
fn short_is_damage(error: io::Error) -> OpenLogError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        OpenLogError::Damaged(error.to_string())
    } else {
        OpenLogError::Failed(error)
    }
}

fn offset_of(tile: Tile) -> io::Result<u64> {
    tile_offset(tile).ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

fn row_bytes(row: &[Digest]) -> Vec<u8> {
    row.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Puts hashes and commitments at their places in the last page.
fn put(pages: &mut [u8], within: usize, leaves: &[Digest], commitments: &[Commitment]) {
    let Some((_, page)) = pages.split_last_chunk_mut::<PAGE_BYTES>() else { return };
    let (hashes, entries) = page.split_at_mut(PLACE_BYTES);
    let places = |half| <[u8]>::as_chunks_mut::<HASH_BYTES>(half).0.iter_mut().skip(within);
    for (to, leaf) in places(hashes).zip(leaves) {
        *to = *leaf.as_bytes();
    }
    for (to, commitment) in places(entries).zip(commitments) {
        *to = *commitment.0.as_bytes();
    }
}
