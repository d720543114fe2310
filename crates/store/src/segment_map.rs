//! Where batches lie in segments that are no longer written to, and how they are read.
//!
//! A segment that was left is described by a *summary* beside it: its extent, the end of the
//! journal after it, and every so often where a batch begins. Opening then reads summaries and the
//! last segment only, however long the journal is. A summary is a cache: it is written without a
//! sync, and one that is missing, torn or does not fit its neighbours makes opening read its
//! segment again. The bytes of a segment are checked whenever a batch of it is read, and all of
//! them by [`fsck`](crate::fsck).
//!
//! `WLsm` ‖ version 1 (2 bytes) ‖ length of the book's name (1) ‖ name ‖ first position (8) ‖
//! digest before (32) ‖ next position (8) ‖ last stamp (8) ‖ last digest (32) ‖ bytes used (8) ‖
//! count of places (4) ‖ per place: position (8) ‖ offset (8) ‖ SHA-256 under
//! `wayleave/segment-summary/v1` of all before (32). Integers big-endian.

use std::sync::{Arc, PoisonError, RwLock};

use journal::batch::{HEADER_BYTES, stated_length};
use journal::{Batch, BatchError, BatchProblem, ReadError, Tip};
use seal::Digest;
use seal::digest::{Domain, digest};
use terms::{BookName, Instant, Position};

use crate::disk::{Disk, DiskFile, read_whole};
use crate::segment::{Scan, segment_name};

/// Bytes between two places that are remembered: what a read may have to skip. A place takes
/// 16 bytes of memory, so the index of a terabyte takes 64 MiB.
pub const PLACE_EVERY_BYTES: u64 = 256 << 10;
/// Bytes read at once while batches are looked for.
const READ_AHEAD_BYTES: usize = 1 << 20;
const MAGIC: &[u8; 6] = b"WLsm\x00\x01";
const DOMAIN: Domain = Domain::new("wayleave/segment-summary/v1");

/// Where a batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) first: Position,
    pub(crate) offset: u64,
}

/// A segment and where some of its batches lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) first: Position,
    /// The end of the journal before it.
    pub(crate) previous: Digest,
    /// The end of the journal after it, as far as it is written.
    pub(crate) tip: Tip,
    /// Bytes of its batches.
    pub(crate) used: u64,
    pub(crate) places: Vec<Place>,
}

impl Extent {
    /// A segment without a batch, which begins where the journal ends.
    pub(crate) const fn empty(tip: Tip) -> Self {
        Self { first: tip.next, previous: tip.digest, tip, used: 0, places: Vec::new() }
    }

    /// What a scan found.
    pub(crate) fn scanned(before: &Tip, scan: &Scan) -> Self {
        let mut extent = Self::empty(*before);
        for found in &scan.found {
            extent.add(&found.batch);
        }
        extent
    }

    /// Takes note of a batch appended at its end.
    pub(crate) fn add(&mut self, batch: &Batch) {
        let far = self
            .places
            .last()
            .is_none_or(|last| self.used.saturating_sub(last.offset) >= PLACE_EVERY_BYTES);
        if far {
            self.places.push(Place { first: batch.origin().first, offset: self.used });
        }
        let bytes = u64::try_from(batch.bytes().len()).unwrap_or(u64::MAX);
        self.used = self.used.saturating_add(bytes);
        self.tip = batch.tip();
    }

    fn name(&self) -> String {
        segment_name(self.first)
    }

    /// The last remembered place at or before a position.
    fn place_before(&self, position: Position) -> Option<Place> {
        let index = self.places.partition_point(|p| p.first <= position).checked_sub(1)?;
        self.places.get(index).copied()
    }

    fn to_bytes(&self, book: &BookName) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(u8::try_from(book.as_str().len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(book.as_str().as_bytes());
        bytes.extend_from_slice(&self.first.number().to_be_bytes());
        bytes.extend_from_slice(self.previous.as_bytes());
        bytes.extend_from_slice(&self.tip.next.number().to_be_bytes());
        bytes.extend_from_slice(&self.tip.stamp.nanos().to_be_bytes());
        bytes.extend_from_slice(self.tip.digest.as_bytes());
        bytes.extend_from_slice(&self.used.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(self.places.len()).unwrap_or(0).to_be_bytes());
        for place in &self.places {
            bytes.extend_from_slice(&place.first.number().to_be_bytes());
            bytes.extend_from_slice(&place.offset.to_be_bytes());
        }
        let check = digest(DOMAIN, &bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    fn parse(bytes: &[u8], book: &BookName) -> Option<Self> {
        let (covered, check) = bytes.split_last_chunk::<32>()?;
        if digest(DOMAIN, covered).as_bytes() != check {
            return None;
        }
        let (length, rest) = covered.strip_prefix(MAGIC)?.split_first()?;
        let (name, rest) = rest.split_at_checked((*length).into())?;
        let (first, rest) = number(rest)?;
        let (previous, rest) = rest.split_first_chunk::<32>()?;
        let (next, rest) = number(rest)?;
        let (stamp, rest) = number(rest)?;
        let (last, rest) = rest.split_first_chunk::<32>()?;
        let (used, rest) = number(rest)?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (numbers, odd) = rest.as_chunks::<16>();
        let whole = odd.is_empty()
            && usize::try_from(u32::from_be_bytes(*count)) == Ok(numbers.len())
            && name == book.as_str().as_bytes();
        let places = numbers.iter().filter_map(|pair| {
            let (first, rest) = number(pair)?;
            let (offset, _) = number(rest)?;
            Some(Place { first: Position::new(first), offset })
        });
        let tip = Tip {
            next: Position::new(next),
            digest: Digest::from_bytes(*last),
            stamp: Instant::from_nanos(stamp),
        };
        whole.then(|| Self {
            first: Position::new(first),
            previous: Digest::from_bytes(*previous),
            tip,
            used,
            places: places.collect(),
        })
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}

/// The name of a segment's summary.
pub(crate) fn summary_name(first: Position) -> String {
    format!("{:020}.summary", first.number())
}

/// Writes a summary; whether it lasts is of no consequence.
pub(crate) fn write_summary<D: Disk>(disk: &D, book: &BookName, extent: &Extent) {
    if let Ok(mut file) = disk.create(&summary_name(extent.first), 0) {
        let _ = file.write_at(0, &extent.to_bytes(book));
    }
}

/// The summary of the segment that begins at `first`, when it is sound and the segment follows
/// `tip` and is as long as it says.
pub(crate) fn read_summary<D: Disk>(
    disk: &D,
    book: &BookName,
    first: Position,
    tip: &Tip,
) -> Option<Extent> {
    let bytes = read_whole(disk, &summary_name(first)).ok()??;
    let extent = Extent::parse(&bytes, book)?;
    let there = disk.open(&segment_name(first)).ok()?.bytes().ok()?;
    let fits = extent.first == first
        && extent.first == tip.next
        && extent.previous == tip.digest
        && extent.tip.next > extent.first
        && extent.used <= there;
    fits.then_some(extent)
}

/// What is wrong with the summary of the segment that begins at `first`, if there is one. Opening
/// passes over such a summary and reads the segment.
pub fn summary_fault<D: Disk>(disk: &D, book: &BookName, first: Position) -> Option<String> {
    let name = summary_name(first);
    let bytes = match read_whole(disk, &name) {
        Ok(bytes) => bytes?,
        Err(error) => return Some(format!("`{name}`: {error}")),
    };
    let is_sound = Extent::parse(&bytes, book).is_some_and(|extent| extent.first == first);
    (!is_sound).then(|| format!("`{name}` is damaged"))
}

/// All segments of a journal, shared with those who read it beside its writer.
/// Durable batches only.
#[derive(Clone, Debug)]
pub(crate) struct Map(Arc<RwLock<Vec<Extent>>>);

impl Map {
    pub(crate) fn new(extents: Vec<Extent>) -> Self {
        Self(Arc::new(RwLock::new(extents)))
    }

    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Vec<Extent>) -> R) -> R {
        // Every change is one push or the growth of the last: a panic leaves nothing half done.
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// At most `most` batches in order, from the one that holds `position`, read from `disk`.
    pub(crate) fn read<D: Disk>(
        &self,
        disk: &D,
        position: Position,
        most: usize,
    ) -> Result<Vec<Batch>, ReadError> {
        self.read_some(
            disk,
            position,
            Most { batches: most, bytes: usize::MAX, keeps_sound: false },
        )
    }

    /// As many batches in order as are wanted, from the one that holds `position`.
    fn read_some<D: Disk>(
        &self,
        disk: &D,
        position: Position,
        most: Most,
    ) -> Result<Vec<Batch>, ReadError> {
        let mut read = Vec::new();
        let mut next = position;
        let mut bytes = 0_usize;
        while most.wants(&read, bytes) {
            // What is read was synced before the map was told of it.
            let found = {
                let extents = self.0.read().unwrap_or_else(PoisonError::into_inner);
                let index = extents.partition_point(|e| e.tip.next <= next);
                extents.get(index).and_then(|e| {
                    let place = e.place_before(next)?;
                    Some((e.name(), place, e.used, e.tip.next))
                })
            };
            let Some((name, place, used, end)) = found else { break };
            let walk = Walk { name, place, used, from: next, most };
            // What was read before bytes that are damaged is sound, and is served.
            match walk.run(disk, &mut read, &mut bytes) {
                Err(_) if most.keeps_sound && !read.is_empty() => break,
                walked => walked?,
            }
            next = read.last().map_or(end, |last| last.tip().next);
        }
        Ok(read)
    }
}

/// Reads on from a place within one segment.
struct Walk {
    name: String,
    place: Place,
    used: u64,
    from: Position,
    most: Most,
}

/// How much is read.
#[derive(Clone, Copy, Debug)]
struct Most {
    batches: usize,
    /// Reading ends with the batch that reaches it.
    bytes: usize,
    /// Whether what was read before bytes that cannot be is an answer.
    keeps_sound: bool,
}

impl Most {
    const fn wants(&self, read: &[Batch], bytes: usize) -> bool {
        read.len() < self.batches && bytes < self.bytes
    }
}

impl Walk {
    fn run<D: Disk>(
        &self,
        disk: &D,
        read: &mut Vec<Batch>,
        read_bytes: &mut usize,
    ) -> Result<(), ReadError> {
        let failed = |error: std::io::Error| ReadError::Failed(error.to_string());
        let file = disk.open(&self.name).map_err(failed)?;
        let (mut offset, mut buffer, mut begins) = (self.place.offset, Vec::new(), 0_u64);
        while offset < self.used && self.most.wants(read, *read_bytes) {
            let mut rest = ahead(&buffer, begins, offset);
            let mut wanted = stated_length(rest).unwrap_or(HEADER_BYTES);
            if rest.len() < wanted.max(HEADER_BYTES) {
                let left = usize::try_from(self.used.saturating_sub(offset)).unwrap_or(usize::MAX);
                buffer = file.read_at(offset, READ_AHEAD_BYTES.min(left)).map_err(failed)?;
                begins = offset;
                rest = &buffer;
                wanted = stated_length(rest).map_err(|error| self.damaged(offset, error))?;
            }
            let bytes = rest.get(..wanted).ok_or_else(|| {
                let problem = BatchProblem::Short;
                self.damaged(offset, BatchError { batch: None, fact: None, offset: 0, problem })
            })?;
            if skippable(bytes, self.from) {
                offset = offset.saturating_add(u64::try_from(wanted).unwrap_or(u64::MAX));
                continue;
            }
            let batch =
                Batch::from_bytes(bytes.to_vec()).map_err(|error| self.damaged(offset, error))?;
            offset = offset.saturating_add(u64::try_from(wanted).unwrap_or(u64::MAX));
            *read_bytes = read_bytes.saturating_add(wanted);
            read.push(batch);
        }
        Ok(())
    }

    fn damaged(&self, offset: u64, error: BatchError) -> ReadError {
        ReadError::Damaged {
            place: self.name.clone(),
            offset: offset.saturating_add(u64::try_from(error.offset).unwrap_or(u64::MAX)),
            batch: error.batch.unwrap_or(self.from),
            error,
        }
    }
}

/// What the buffer holds from an offset of the file on.
fn ahead(buffer: &[u8], begins: u64, offset: u64) -> &[u8] {
    let skip = usize::try_from(offset.saturating_sub(begins)).unwrap_or(usize::MAX);
    buffer.get(skip..).unwrap_or_default()
}

/// Whether a batch ends before the position, by its header.
fn skippable(bytes: &[u8], from: Position) -> bool {
    journal::batch::stated_next(bytes).is_some_and(|next| next <= from)
}

/// Reads a journal of segments beside its writer, on another thread: what is durable and nothing
/// else.
#[derive(Clone, Debug)]
pub struct SegmentReader<D> {
    pub(crate) disk: D,
    pub(crate) map: Map,
}

impl<D: Disk> SegmentReader<D> {
    /// At most `most` batches in order, from the one that holds `position`; empty at the head.
    ///
    /// # Errors
    /// [`ReadError`]: damaged bytes are never data.
    pub fn read_from(&self, position: Position, most: usize) -> Result<Vec<Batch>, ReadError> {
        self.map.read(&self.disk, position, most)
    }

    /// The batch that holds `position` and those after it, until there are so many bytes, or up to
    /// bytes that cannot be read; empty at the head.
    ///
    /// # Errors
    /// [`ReadError`], of the first: damaged bytes are never data.
    pub fn read_ahead(&self, position: Position, bytes: usize) -> Result<Vec<Batch>, ReadError> {
        let most = Most { batches: usize::MAX, bytes: bytes.max(1), keeps_sound: true };
        self.map.read_some(&self.disk, position, most)
    }
}
