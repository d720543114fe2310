//! One segment file: batches one after another, then zeros to the preallocated end.
//!
//! The scan tells three ends apart. *Clean*: only zeros follow. *Torn*: an append that was never
//! acknowledged reached the disk in part; it is last, and at least one of its sectors was never
//! written and still reads zero. *Damaged*: anything else; damaged bytes are never cut and never
//! served. A write may also have been cut short in the middle of a sector: then the batch's last
//! byte, which is never zero, is missing. A bit flipped in the last acknowledged batch leaves every
//! sector and the last byte non-zero, so it is found as damage and not mistaken for a torn append.

use journal::batch::{BATCH_BYTES_MAX, HEADER_BYTES, MAGIC, stated_length};
use journal::{Batch, BatchError, BatchProblem, Tip};
use terms::{BookName, Position};

/// What a disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;
/// How names of segments end; before it stands the first position in 20 digits.
pub const SEGMENT_SUFFIX: &str = ".segment";

/// The name of the segment whose first batch begins at `first`.
#[must_use]
pub fn segment_name(first: Position) -> String {
    format!("{:020}{SEGMENT_SUFFIX}", first.number())
}

/// The first position that a segment's name states; `None` for other names.
#[must_use]
pub fn segment_first(name: &str) -> Option<Position> {
    let first = Position::new(name.strip_suffix(SEGMENT_SUFFIX)?.parse().ok()?);
    (segment_name(first) == name).then_some(first)
}

/// A batch found in a segment.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it begins.
    pub offset: usize,
    /// It.
    pub batch: Batch,
}

/// How a segment ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentEnd {
    /// Only zeros follow.
    Clean,
    /// A torn append follows, this many bytes to its last non-zero one.
    Torn {
        /// Bytes to cut.
        bytes: usize,
    },
    /// Damage.
    Damaged(BatchError),
}

/// What a segment holds.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Its sound batches, in order, chained.
    pub found: Vec<Found>,
    /// Where the first byte after them lies.
    pub used: usize,
    /// The end of the journal after them.
    pub tip: Tip,
    /// What follows them.
    pub end: SegmentEnd,
}

/// Reads a segment whose first batch must follow `tip`.
#[must_use]
pub fn scan(bytes: &[u8], tip: Tip, book: &BookName) -> Scan {
    let mut scan = Scan { found: Vec::new(), used: 0, tip, end: SegmentEnd::Clean };
    loop {
        let rest = bytes.get(scan.used..).unwrap_or_default();
        if rest.iter().all(|byte| *byte == 0) {
            return scan;
        }
        match next_batch(rest, &scan.tip, book) {
            Ok(batch) => {
                let offset = scan.used;
                scan.used = offset.saturating_add(batch.bytes().len());
                scan.tip = batch.tip();
                scan.found.push(Found { offset, batch });
            }
            Err(error) => {
                scan.end = judge(rest, scan.used, &scan.tip, book, &error);
                return scan;
            }
        }
    }
}

fn next_batch(rest: &[u8], tip: &Tip, book: &BookName) -> Result<Batch, BatchError> {
    let length = stated_length(rest)?;
    let short = BatchError {
        batch: Some(tip.next),
        fact: None,
        offset: rest.len(),
        problem: BatchProblem::Short,
    };
    let batch = Batch::from_bytes(rest.get(..length).ok_or(short)?.to_vec())?;
    batch.follows(tip, book)?;
    Ok(batch)
}

/// Torn or damaged? `rest` begins with bytes that are no batch, at `offset` of the segment.
fn judge(rest: &[u8], offset: usize, tip: &Tip, book: &BookName, error: &BatchError) -> SegmentEnd {
    let damaged = SegmentEnd::Damaged(error.clone());
    if matches!(error.problem, BatchProblem::Unchained(_)) {
        return damaged;
    }
    let last = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    let torn = match stated_length(rest) {
        // A sound header states the extent. Nothing may lie beyond it; its last byte is never
        // zero, so a write that was cut short is told by it.
        Ok(length) => last < length || last == length && has_hole(rest, offset, length),
        // Otherwise the write was cut short within the header, or one of the header's own
        // sectors was never written. Where the torn append would end is not known then, so sound
        // batches further on are looked for; with a sound header they are not, because a fact
        // may hold bytes that look like a batch.
        Err(_) if last < HEADER_BYTES => true,
        Err(_) => has_hole(rest, offset, HEADER_BYTES) && !later_batch(rest, tip, book),
    };
    if torn && last <= BATCH_BYTES_MAX { SegmentEnd::Torn { bytes: last } } else { damaged }
}

/// Whether one of the sectors that the first `extent` bytes touch was never written: all zero as
/// far as it lies in `bytes`, which begin at `offset` of the segment.
fn has_hole(bytes: &[u8], offset: usize, extent: usize) -> bool {
    let to_boundary = SECTOR_BYTES.saturating_sub(offset % SECTOR_BYTES).min(bytes.len());
    let (head, rest) = bytes.split_at_checked(to_boundary).unwrap_or((bytes, &[]));
    let sectors = extent.saturating_sub(to_boundary).div_ceil(SECTOR_BYTES);
    core::iter::once(head)
        .chain(rest.chunks(SECTOR_BYTES).take(sectors))
        .any(|sector| sector.iter().all(|byte| *byte == 0))
}

/// Whether a sound batch of this book lies further on: then what is broken before it is no torn
/// append, because nothing is ever appended after one.
fn later_batch(rest: &[u8], tip: &Tip, book: &BookName) -> bool {
    let starts = rest.windows(MAGIC.len()).enumerate().skip(1);
    starts.filter(|(_, window)| *window == MAGIC).any(|(start, _)| {
        let candidate = rest.get(start..).unwrap_or_default();
        let batch = stated_length(candidate)
            .ok()
            .and_then(|length| candidate.get(..length))
            .and_then(|bytes| Batch::from_bytes(bytes.to_vec()).ok());
        batch.is_some_and(|b| b.origin().book == *book && b.origin().first > tip.next)
    })
}
