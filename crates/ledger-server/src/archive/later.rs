//! What stands in the old folder's journal behind that from which a book is restored.

use std::fs;
use std::path::Path;

use journal::batch::stated_length;
use journal::{Batch, Salts, Tip};
use store::FileDisk;
use store::epoch_file::read_epoch;
use store::segment::{Found, SegmentEnd, scan, segment_first, segment_name};
use terms::{BookName, Epoch, Instant, Position};

use super::manifest::Manifest;
use super::opened::Opened;
use super::write::salt_slots;
use super::{ArchiveError, failed, names, put_new};

/// Batches behind the archive's or export's.
pub(super) struct Later<'s> {
    salts: Option<&'s dyn Salts>,
    pub(super) tip: Tip,
    pub(super) segments: u64,
    pub(super) refused: Option<String>,
    pub(super) salt_slots: u64,
    pub(super) epoch: u64,
    pub(super) opened: Opened,
}

impl<'s> Later<'s> {
    pub(super) fn after(last: &Manifest, salts: Option<&'s dyn Salts>) -> Self {
        let (salt_slots, epoch) = (last.salt_slots, last.epoch);
        let opened = Opened::default();
        Self { salts, tip: last.tip(), segments: 0, refused: None, salt_slots, epoch, opened }
    }

    /// Takes batches as long as each follows the one before.
    pub(super) fn take(
        &mut self,
        from: &Path,
        to: &Path,
        book: &BookName,
    ) -> Result<(), ArchiveError> {
        if !from.is_dir() {
            return Ok(());
        }
        let mut firsts: Vec<Position> =
            names(from, "")?.iter().filter_map(|name| segment_first(name)).collect();
        firsts.sort_unstable();
        let newest = read_epoch(&FileDisk::look(from)).map_or(0, Epoch::number);
        self.epoch = self.epoch.max(newest);
        let end = self.tip.next;
        // An export may end within a segment.
        let within = firsts.iter().rev().find(|first| **first < end).copied();
        if let Some(first) = within.filter(|_| !firsts.contains(&end)) {
            self.rest_of(from, to, first, book)?;
        }
        for first in firsts.into_iter().filter(|first| *first >= end) {
            if self.refused.is_some() {
                return Ok(());
            }
            let name = segment_name(first);
            if first != self.tip.next {
                let why = format!("`{name}` does not go on at position `{}`", self.tip.next);
                self.refused = Some(why);
                return Ok(());
            }
            let bytes = read(from, &name)?;
            let scanned = scan(&bytes, self.tip, book);
            self.put(to, &bytes, &scanned.found)?;
            self.end(&name, scanned.used, &scanned.end);
        }
        Ok(())
    }

    /// What a segment that begins before holds from here on.
    fn rest_of(
        &mut self,
        from: &Path,
        to: &Path,
        first: Position,
        book: &BookName,
    ) -> Result<(), ArchiveError> {
        let name = segment_name(first);
        let bytes = read(from, &name)?;
        // What came before it is taken at its word: that the batch before the rest is the last one
        // of what is restored binds all before it.
        let scanned = scan(&bytes, before(&bytes).unwrap_or(Tip::GENESIS), book);
        if scanned.tip.next > self.tip.next {
            let here = scanned.found.iter().position(|found| found.batch.tip() == self.tip);
            let rest = here.and_then(|here| scanned.found.get(here.saturating_add(1)..));
            let Some(rest) = rest else {
                let next = self.tip.next;
                self.refused = Some(format!(
                    "`{name}` does not go on at position `{next}`: its facts are others"
                ));
                return Ok(());
            };
            self.put(to, &bytes, rest)?;
        }
        self.end(&name, scanned.used, &scanned.end);
        Ok(())
    }

    /// Puts batches into a segment of their own, up to one that does not open.
    fn put(&mut self, to: &Path, bytes: &[u8], found: &[Found]) -> Result<(), ArchiveError> {
        let Some(first) = found.first() else { return Ok(()) };
        let (start, mut end) = (first.offset, first.offset);
        let name = segment_name(first.batch.origin().first);
        for one in found {
            let mut opened = Opened::default();
            if let Err(why) = opened.batch(self.salts, &one.batch) {
                self.refused = Some(format!("`{name}`: {why}"));
                break;
            }
            self.opened = self.opened.and(opened);
            self.tip = one.batch.tip();
            self.salt_slots = self.salt_slots.max(salt_slots(std::slice::from_ref(one))?);
            self.epoch = self.epoch.max(one.batch.origin().epoch.number());
            end = one.offset.saturating_add(one.batch.bytes().len());
        }
        if end > start {
            put_new(to, &name, bytes.get(start..end).unwrap_or_default())?;
            self.segments = self.segments.saturating_add(1);
        }
        Ok(())
    }

    fn end(&mut self, name: &str, used: usize, end: &SegmentEnd) {
        if let (SegmentEnd::Damaged(error), None) = (end, &self.refused) {
            self.refused = Some(format!("`{name}` is damaged after byte {used}: {error}"));
        }
    }
}

fn read(from: &Path, name: &str) -> Result<Vec<u8>, ArchiveError> {
    let path = from.join(name);
    fs::read(&path).map_err(failed(&path))
}

/// The end of the journal before a segment, by the segment's first batch.
fn before(bytes: &[u8]) -> Option<Tip> {
    let length = stated_length(bytes).ok()?;
    let batch = Batch::decode(bytes.get(..length)?).ok()?;
    let origin = batch.origin();
    Some(Tip { next: origin.first, digest: origin.previous, stamp: Instant::from_nanos(0) })
}
