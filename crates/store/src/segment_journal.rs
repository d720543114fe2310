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
use crate::segment::{Found, Scan, SegmentEnd, scan, segment_first, segment_name};

/// Size of a new segment: large enough that rolling is rare, small enough that copying the last
/// one on opening takes well under a second.
pub const SEGMENT_BYTES: u64 = 16 << 20;

/// How a journal is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentConfig {
    /// The book.
    pub book: BookName,
    /// Size of a new segment. A batch larger than this gets a segment of its own size.
    pub segment_bytes: u64,
}

impl SegmentConfig {
    /// Segments of [`SEGMENT_BYTES`].
    #[must_use]
    pub const fn new(book: BookName) -> Self {
        Self { book, segment_bytes: SEGMENT_BYTES }
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
    /// Why nothing can be appended before an epoch is claimed.
    stopped: Option<String>,
    torn_bytes_cut: u64,
}

#[derive(Debug)]
struct Opened<F> {
    segments: Vec<Segment<F>>,
    tip: Tip,
}

#[derive(Debug)]
struct Segment<F> {
    name: String,
    file: F,
    bytes: u64,
    used: u64,
    index: Vec<Place>,
}

/// Where a batch lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    first: Position,
    offset: u64,
    bytes: usize,
}

impl<D: Disk> SegmentJournal<D> {
    /// Reads and checks the whole journal, cuts a torn tail, and rewrites the last segment.
    ///
    /// # Errors
    /// [`OpenJournalError`].
    pub fn open(disk: D, config: SegmentConfig) -> Result<Self, OpenJournalError> {
        let epoch = read_epoch(&disk)?;
        let mut journal =
            Self { disk, config, epoch, open: None, stopped: None, torn_bytes_cut: 0 };
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
        let mut opened = Opened { segments: Vec::new(), tip: Tip::GENESIS };
        let last = firsts.last().copied();
        for first in firsts {
            let segment = self.open_segment(first, Some(first) == last, &mut opened.tip)?;
            opened.segments.push(segment);
        }
        self.open = Some(opened);
        self.stopped = None;
        Ok(())
    }

    fn open_segment(
        &mut self,
        first: Position,
        is_last: bool,
        tip: &mut Tip,
    ) -> Result<Segment<D::File>, OpenJournalError> {
        let name = segment_name(first);
        let bytes = read_whole(&self.disk, &name)?.unwrap_or_default();
        let scanned = scan(&bytes, *tip, &self.config.book);
        check_segment(&scanned, first, tip.next, is_last)
            .map_err(|error| damaged(&name, &scanned, error))?;
        *tip = scanned.tip;
        if !is_last {
            let file = self.disk.open(&name)?;
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            return Ok(segment(name, file, length, &scanned));
        }
        if let SegmentEnd::Torn { bytes } = scanned.end {
            let cut = u64::try_from(bytes).unwrap_or(u64::MAX);
            self.torn_bytes_cut = self.torn_bytes_cut.saturating_add(cut);
        }
        let sound = bytes.get(..scanned.used).unwrap_or_default();
        let length = self.config.segment_bytes.max(u64::try_from(scanned.used).unwrap_or(u64::MAX));
        let file = self.place(&name, length, sound)?;
        Ok(segment(name, file, length, &scanned))
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
    fn make_room(&mut self, next: Position, bytes: u64) -> std::io::Result<()> {
        let fits = |s: &Segment<D::File>| s.used.saturating_add(bytes) <= s.bytes;
        if self.open.as_ref().is_some_and(|o| o.segments.last().is_some_and(fits)) {
            return Ok(());
        }
        let length = self.config.segment_bytes.max(bytes);
        let name = segment_name(next);
        let file = self.place(&name, length, &[])?;
        if let Some(open) = &mut self.open {
            // An empty last segment that is too small has the same name and was replaced.
            open.segments.retain(|s| s.name != name);
            open.segments.push(Segment { name, file, bytes: length, used: 0, index: Vec::new() });
        }
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), String> {
        let opened = self.open.as_mut().ok_or("not open")?;
        let segment = opened.segments.last_mut().ok_or("no segment")?;
        let offset = segment.used;
        segment.file.write_at(offset, batch.bytes()).map_err(|e| format!("write: {e}"))?;
        segment.file.sync().map_err(|e| format!("sync: {e}"))?;
        let bytes = batch.bytes().len();
        segment.index.push(Place { first: batch.origin().first, offset, bytes });
        segment.used = offset.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        opened.tip = batch.tip();
        Ok(())
    }

    fn opened(&self) -> Result<&Opened<D::File>, ReadError> {
        match (&self.open, &self.stopped) {
            (Some(open), None) => Ok(open),
            (_, Some(why)) => Err(ReadError::Failed(format!("stopped: {why}"))),
            (None, None) => Err(ReadError::Failed("not open".into())),
        }
    }
}

fn segment<F>(name: String, file: F, bytes: u64, scanned: &Scan) -> Segment<F> {
    let place = |found: &Found| Place {
        first: found.batch.origin().first,
        offset: u64::try_from(found.offset).unwrap_or(u64::MAX),
        bytes: found.batch.bytes().len(),
    };
    let used = u64::try_from(scanned.used).unwrap_or(u64::MAX);
    Segment { name, file, bytes, used, index: scanned.found.iter().map(place).collect() }
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
        if let Err(error) = self.make_room(expected, bytes) {
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
        let opened = self.opened()?;
        if position >= opened.tip.next {
            return Ok(Vec::new());
        }
        // The segment, then the batch, that hold the position: the last that begins at or before.
        let segment = opened
            .segments
            .partition_point(|s| s.index.first().is_some_and(|p| p.first <= position))
            .saturating_sub(1);
        let mut read = Vec::new();
        for segment in opened.segments.iter().skip(segment) {
            let start = segment.index.partition_point(|p| p.first <= position).saturating_sub(1);
            for place in segment.index.iter().skip(start) {
                if read.len() >= most {
                    return Ok(read);
                }
                read.push(read_batch(segment, place)?);
            }
        }
        Ok(read)
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

fn read_batch<F: DiskFile>(segment: &Segment<F>, place: &Place) -> Result<Batch, ReadError> {
    let bytes = segment
        .file
        .read_at(place.offset, place.bytes)
        .map_err(|error| ReadError::Failed(error.to_string()))?;
    Batch::from_bytes(bytes).map_err(|error| ReadError::Damaged {
        place: segment.name.clone(),
        offset: place.offset.saturating_add(u64::try_from(error.offset).unwrap_or(u64::MAX)),
        batch: place.first,
        error,
    })
}
