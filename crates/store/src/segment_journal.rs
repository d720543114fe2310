//! The journal as preallocated segment files.
//!
//! # Crash story
//!
//! An append is one write into the zeros of the last segment and one sync; it is acknowledged
//! after the sync. **Stopped before the write**: nothing. **During the write or the sync**: the
//! segment ends in any mixture of written and unwritten sectors. Opening reads every batch,
//! checks digests and chain, and finds the new batch whole (it stays: its caller was told
//! nothing, or *unknown*) or torn (it is cut). **After the sync**: it is there.
//!
//! *Opening never trusts the page cache for the tail.* A sync that failed may have left pages in
//! memory that are marked clean and are not on the disk, and this outlives the process. So
//! opening copies the sound batches of the last segment into a new file, syncs it, renames it
//! over the old one and syncs the directory; only then is the tail served. Stopped anywhere in
//! between: the old segment stands and opening begins again. Earlier segments are never touched:
//! a segment is left only after all its appends were synced.
//!
//! *After a failed write or sync* the descriptor is not used again: the append is *unknown* and
//! all further ones are refused until [`Journal::claim_epoch`] reopens the directory as above.
//!
//! A new segment is made as a temporary file, synced, renamed, and its name synced, before its
//! first append. Stopped in between: an empty last segment or a leftover, which opening removes.

use journal::memory::{Epochs, admissible};
use journal::{Append, Batch, ClaimError, Journal, NotDone, ReadError, Tip};
use terms::{BookName, Epoch, Position, RunId};

use crate::disk::{Disk, DiskFile, TEMPORARY_SUFFIX, read_whole};
use crate::epoch_file::{EpochError, read_epoch, write_epoch};
use crate::segment::{Scan, SegmentEnd, scan, segment_first, segment_name};
use crate::segment_map::{Extent, Map, SegmentReader, read_summary, write_summary};

/// Size of a new segment: large enough that rolling is rare, small enough that copying the last
/// one on opening takes well under a second.
pub const SEGMENT_BYTES: u64 = 16 << 20;

/// What opening looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Every byte of every segment.
    ReadsAll,
    /// The last segment, and of the others their summaries: for journals too long to be read at
    /// each start. Damage further back shows when it is read, or to [`fsck`](crate::fsck).
    ReadsTail,
}

/// How a journal is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentConfig {
    /// The book.
    pub book: BookName,
    /// Size of a new segment. A batch larger than this gets a segment of its own size.
    pub segment_bytes: u64,
    /// What opening looks at.
    pub opening: Opening,
}

impl SegmentConfig {
    /// Segments of [`SEGMENT_BYTES`], all read at each opening.
    #[must_use]
    pub const fn new(book: BookName) -> Self {
        Self { book, segment_bytes: SEGMENT_BYTES, opening: Opening::ReadsAll }
    }
}

/// Why a journal could not be opened. It is never repaired behind anybody's back: damage names
/// its place and stays.
#[derive(Debug, thiserror::Error)]
pub enum OpenJournalError {
    /// Damaged bytes, or segments that do not follow one another.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The epoch file.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The device failed.
    #[error("the journal's directory failed: {0}")]
    Failed(#[from] std::io::Error),
}

/// A journal over preallocated segment files. Durability class: `one_disk`.
#[derive(Debug)]
pub struct SegmentJournal<D: Disk> {
    disk: D,
    config: SegmentConfig,
    epoch: Epoch,
    open: Option<Opened<D::File>>,
    map: Map,
    /// Why nothing can be appended before an epoch is claimed.
    stopped: Option<String>,
    torn_bytes_cut: u64,
}

#[derive(Debug)]
struct Opened<F> {
    /// The last segment; `None` before the first.
    writing: Option<Writing<F>>,
    tip: Tip,
}

#[derive(Debug)]
struct Writing<F> {
    file: F,
    /// Its length.
    bytes: u64,
    /// Where the next batch goes.
    used: u64,
}

impl<D: Disk> SegmentJournal<D> {
    /// Reads and checks the whole journal, cuts a torn tail, and rewrites the last segment.
    ///
    /// # Errors
    /// [`OpenJournalError`].
    pub fn open(disk: D, config: SegmentConfig) -> Result<Self, OpenJournalError> {
        let epoch = read_epoch(&disk)?;
        let mut journal = Self {
            disk,
            config,
            epoch,
            open: None,
            map: Map::new(Vec::new()),
            stopped: None,
            torn_bytes_cut: 0,
        };
        journal.reopen()?;
        Ok(journal)
    }

    /// The disk, for what lies beside the segments.
    #[must_use]
    pub const fn disk(&self) -> &D {
        &self.disk
    }

    /// Gives the disk back.
    #[must_use]
    pub fn into_disk(self) -> D {
        self.disk
    }

    fn reopen(&mut self) -> Result<(), OpenJournalError> {
        self.open = None;
        let mut firsts = Vec::new();
        for name in self.disk.list()? {
            // Only leftovers of this module: images and keys clean up after themselves.
            if name.strip_suffix(TEMPORARY_SUFFIX).and_then(segment_first).is_some() {
                self.disk.remove(&name)?;
            }
            firsts.extend(segment_first(&name));
        }
        let (mut extents, mut writing, mut tip) = (Vec::new(), None, Tip::GENESIS);
        let last = firsts.last().copied();
        for first in firsts {
            let summary = match self.config.opening {
                Opening::ReadsTail if Some(first) != last => {
                    read_summary(&self.disk, &self.config.book, first, &tip)
                }
                Opening::ReadsTail | Opening::ReadsAll => None,
            };
            let extent = match summary {
                Some(extent) => extent,
                None => self.open_segment(first, Some(first) == last, &tip, &mut writing)?,
            };
            tip = extent.tip;
            extents.push(extent);
        }
        // What readers saw is still there: durable batches are never taken back.
        self.map.change(|known| *known = extents);
        self.open = Some(Opened { writing, tip });
        self.stopped = None;
        Ok(())
    }

    fn open_segment(
        &mut self,
        first: Position,
        is_last: bool,
        tip: &Tip,
        writing: &mut Option<Writing<D::File>>,
    ) -> Result<Extent, OpenJournalError> {
        let name = segment_name(first);
        let bytes = read_whole(&self.disk, &name)?.unwrap_or_default();
        let scanned = scan(&bytes, *tip, &self.config.book);
        check_segment(&scanned, first, tip.next, is_last)
            .map_err(|error| damaged(&name, &scanned, error))?;
        let extent = Extent::scanned(tip, &scanned);
        if !is_last {
            write_summary(&self.disk, &self.config.book, &extent);
            return Ok(extent);
        }
        if let SegmentEnd::Torn { bytes } = scanned.end {
            let cut = u64::try_from(bytes).unwrap_or(u64::MAX);
            self.torn_bytes_cut = self.torn_bytes_cut.saturating_add(cut);
        }
        let sound = bytes.get(..scanned.used).unwrap_or_default();
        let length = self.config.segment_bytes.max(extent.used);
        let file = self.place(&name, length, sound)?;
        *writing = Some(Writing { file, bytes: length, used: extent.used });
        Ok(extent)
    }

    /// Makes a durable segment of this content, in place of any of that name.
    fn place(&self, name: &str, length: u64, content: &[u8]) -> std::io::Result<D::File> {
        let temporary = format!("{name}{TEMPORARY_SUFFIX}");
        let mut file = self.disk.create(&temporary, length)?;
        if !content.is_empty() {
            file.write_at(0, content)?;
        }
        file.sync()?;
        self.disk.rename(&temporary, name)?;
        self.disk.sync_directory()?;
        Ok(file)
    }

    /// A last segment with room for `bytes` more.
    fn make_room(&mut self, tip: Tip, bytes: u64) -> std::io::Result<()> {
        let fits = |w: &Writing<D::File>| w.used.saturating_add(bytes) <= w.bytes;
        if self.open.as_ref().is_some_and(|o| o.writing.as_ref().is_some_and(fits)) {
            return Ok(());
        }
        let length = self.config.segment_bytes.max(bytes);
        let file = self.place(&segment_name(tip.next), length, &[])?;
        if let Some(open) = &mut self.open {
            open.writing = Some(Writing { file, bytes: length, used: 0 });
            let left = self.map.change(|extents| {
                // An empty last segment that is too small has the same name and was replaced.
                extents.retain(|extent| extent.first != tip.next);
                let left = extents.last().cloned();
                extents.push(Extent::empty(tip));
                left
            });
            if let Some(left) = left {
                write_summary(&self.disk, &self.config.book, &left);
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), String> {
        let opened = self.open.as_mut().ok_or("not open")?;
        let writing = opened.writing.as_mut().ok_or("no segment")?;
        writing.file.write_at(writing.used, batch.bytes()).map_err(|e| format!("write: {e}"))?;
        writing.file.sync().map_err(|e| format!("sync: {e}"))?;
        let bytes = u64::try_from(batch.bytes().len()).unwrap_or(u64::MAX);
        writing.used = writing.used.saturating_add(bytes);
        opened.tip = batch.tip();
        self.map.change(|extents| {
            if let Some(last) = extents.last_mut() {
                last.add(batch);
            }
        });
        Ok(())
    }

    fn opened(&self) -> Result<&Opened<D::File>, ReadError> {
        match (&self.open, &self.stopped) {
            (Some(open), None) => Ok(open),
            (_, Some(why)) => Err(ReadError::Failed(format!("stopped: {why}"))),
            (None, None) => Err(ReadError::Failed("not open".into())),
        }
    }

    /// Reads this journal beside its writer, through a disk of its own over the same directory.
    #[must_use]
    pub fn reader<R: Disk>(&self, disk: R) -> SegmentReader<R> {
        SegmentReader { disk, map: self.map.clone() }
    }
}

/// Whether a segment may stand where it stands.
pub(crate) fn check_segment(
    scanned: &Scan,
    first: Position,
    expected: Position,
    is_last: bool,
) -> Result<(), journal::BatchError> {
    let broken = |why| journal::BatchError {
        batch: Some(expected),
        fact: None,
        offset: 0,
        problem: journal::BatchProblem::Unchained(why),
    };
    if first != expected {
        return Err(broken("the segment's name states another position"));
    }
    match &scanned.end {
        SegmentEnd::Damaged(error) => Err(error.clone()),
        SegmentEnd::Torn { .. } if !is_last => {
            Err(broken("a torn append stands before a later segment"))
        }
        SegmentEnd::Clean if !is_last && scanned.found.is_empty() => {
            Err(broken("an empty segment stands before a later one"))
        }
        SegmentEnd::Clean | SegmentEnd::Torn { .. } => Ok(()),
    }
}

fn damaged(name: &str, scanned: &Scan, error: journal::BatchError) -> ReadError {
    let offset = scanned.used.saturating_add(error.offset);
    ReadError::Damaged {
        place: name.to_owned(),
        offset: u64::try_from(offset).unwrap_or(u64::MAX),
        batch: error.batch.unwrap_or(scanned.tip.next),
        error,
    }
}

impl<D: Disk> Journal for SegmentJournal<D> {
    fn append(&mut self, expected: Position, epoch: Epoch, batch: &Batch) -> Append {
        if let Some(why) = &self.stopped {
            return Append::NotDone(NotDone::Stopped(why.clone()));
        }
        let Some(tip) = self.open.as_ref().map(|o| o.tip) else {
            return Append::NotDone(NotDone::Stopped("not open".into()));
        };
        let epochs = Epochs { offered: epoch, newest: self.epoch };
        if let Err(why) = admissible(batch, expected, epochs, &self.config.book, &tip) {
            return Append::NotDone(why);
        }
        let bytes = u64::try_from(batch.bytes().len()).unwrap_or(u64::MAX);
        if let Err(error) = self.make_room(tip, bytes) {
            // Nothing of the batch was written: surely not done. The directory's state is not
            // known, so it is read again before anything else.
            self.stopped = Some(error.to_string());
            let full = error.kind() == std::io::ErrorKind::StorageFull;
            let make = if full { NotDone::Full } else { NotDone::Failed };
            return Append::NotDone(make(error.to_string()));
        }
        match self.write(batch) {
            Ok(()) => Append::Appended,
            Err(why) => {
                self.stopped = Some(why.clone());
                Append::Unknown(why)
            }
        }
    }

    fn read_from(&self, position: Position, most: usize) -> Result<Vec<Batch>, ReadError> {
        self.opened()?;
        self.map.read(&self.disk, position, most)
    }

    fn head(&self) -> Result<Tip, ReadError> {
        Ok(self.opened()?.tip)
    }

    fn torn_bytes(&self) -> u64 {
        self.torn_bytes_cut
    }

    fn claim_epoch(&mut self, run: RunId) -> Result<Epoch, ClaimError> {
        let failed = |error: &dyn std::fmt::Display| ClaimError::Failed(error.to_string());
        if self.stopped.is_some() || self.open.is_none() {
            self.reopen().map_err(|error| match error {
                OpenJournalError::Read(error) => ClaimError::Read(error),
                OpenJournalError::Epoch(error) => failed(&error),
                OpenJournalError::Failed(error) => failed(&error),
            })?;
        }
        let next = self.epoch.next().ok_or_else(|| failed(&"no epoch is left"))?;
        // Durable before it is told: after a crash the next claim is larger. When writing fails
        // the old epoch or the new one is on disk; the new one is burnt either way.
        self.epoch = next;
        write_epoch(&self.disk, next, run).map_err(|error| failed(&error))?;
        Ok(next)
    }
}
