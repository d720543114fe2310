//! Copies what is sealed and not archived yet.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use evidence::tree::CompactRange;
use evidence::{SignedCheckpoint, VerifierKey};
use journal::Tip;
use record::{Fact, leaf_hash};
use seal::{Digest, sha256};
use store::disk::SystemFile;
use store::log::{LogReader, TreeView};
use store::segment::{Found, Scan, SegmentEnd, scan, segment_first, segment_name};
use store::{FileDisk, fsck};
use terms::{BookName, Position};

use super::manifest::{MANIFEST_MAGIC, MANIFEST_SUFFIX, Manifest, manifest_name};
use super::{ArchiveError, Step, failed, names, put_new};
use crate::folder::Folder;
use crate::public_log::stored_checkpoint;

/// What archiving did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// First positions of the segments added now.
    pub added: Vec<Position>,
    /// Segments that were there before.
    pub before: u64,
    /// One after the last archived position.
    pub next: Position,
    /// Sealed segments left for later, because no published checkpoint covers them yet.
    pub uncovered: u64,
}

/// Copies the sealed segments of a folder's journal that an archive does not hold yet.
///
/// Reads beside a running book. Stopped anywhere, what is complete stands, and the next run goes
/// on: a segment counts when its manifest is there, which is written after it. Says after each
/// how far it has come.
///
/// # Errors
/// [`ArchiveError`].
pub fn archive(
    folder: &Folder,
    to: &Path,
    told: &mut dyn FnMut(Step),
) -> Result<Archived, ArchiveError> {
    let (journal, log) = (folder.part("journal"), folder.part("log"));
    let key = folder.log_key()?;
    let checkpoint = stored_checkpoint(&log, &key).map_err(ArchiveError::Unready)?;
    let none = || ArchiveError::Unready("no checkpoint was published yet: serve the book".into());
    let checkpoint = checkpoint.ok_or_else(none)?;
    let reader = LogReader::open(&FileDisk::look(&log)).map_err(failed(&log))?;
    DirBuilder::new().recursive(true).mode(0o700).create(to).map_err(failed(to))?;
    let mut last = newest(to, &folder.book(), &key)?;
    let mut done = Archived {
        added: Vec::new(),
        before: last.as_ref().map_or(0, |last| last.number.saturating_add(1)),
        next: last.as_ref().map_or(Position::ZERO, |last| last.next),
        uncovered: 0,
    };
    let mut firsts: Vec<Position> =
        names(&journal, "")?.iter().filter_map(|name| segment_first(name)).collect();
    firsts.sort_unstable();
    // The last segment is still written to.
    firsts.pop();
    let archived = done.next;
    firsts.retain(|first| *first >= archived);
    let whole = firsts.len();
    for (number, first) in (1..).zip(firsts) {
        let source = Source { journal: &journal, checkpoint: &checkpoint, key: &key };
        match source.copy(folder.book(), first, last.as_ref(), &reader, to)? {
            Some(manifest) => {
                done.next = manifest.next;
                done.added.push(first);
                last = Some(manifest);
            }
            None => done.uncovered = done.uncovered.saturating_add(1),
        }
        told(Step::of("archive", number, whole));
    }
    Ok(done)
}

/// The newest manifest of an archive; the lengths of all its segments are compared, their bytes
/// are for [`super::check()`].
fn newest(to: &Path, book: &BookName, key: &VerifierKey) -> Result<Option<Manifest>, ArchiveError> {
    let other = |why: String| ArchiveError::OtherHistory { dir: to.to_owned(), why };
    let mut last: Option<Manifest> = None;
    for name in names(to, MANIFEST_SUFFIX)? {
        let path = to.join(&name);
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let read = Manifest::from_bytes(&bytes)
            .map_err(|why| ArchiveError::Damaged(vec![format!("`{name}`: {why}")]))?;
        if read.book != book.as_str() || read.key != key.to_string() {
            let got = format!("book `{}`, log `{}`", read.book, read.key);
            return Err(other(format!("expected book `{book}`, log `{key}`, got {got}")));
        }
        let follows = last.as_ref().map_or(Digest::ZERO, Manifest::digest) == read.previous;
        let segment = to.join(segment_name(read.first));
        let there = fs::metadata(&segment).map_err(failed(&segment))?.len();
        if !follows || there != read.bytes {
            let why = "it does not follow the one before, or its segment has another length";
            return Err(ArchiveError::Damaged(vec![format!("`{name}`: {why}")]));
        }
        last = Some(read);
    }
    Ok(last)
}

/// Where a segment is taken from.
struct Source<'s> {
    journal: &'s Path,
    checkpoint: &'s SignedCheckpoint,
    key: &'s VerifierKey,
}

impl Source<'_> {
    /// Copies one segment; `None` when the checkpoint does not cover it.
    fn copy(
        &self,
        book: BookName,
        first: Position,
        last: Option<&Manifest>,
        log: &LogReader<SystemFile>,
        to: &Path,
    ) -> Result<Option<Manifest>, ArchiveError> {
        let before = last.map_or(Tip::GENESIS, Manifest::tip);
        let name = segment_name(first);
        let path = self.journal.join(&name);
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let scanned = scan(&bytes, before, &book);
        if scanned.end != SegmentEnd::Clean || first != before.next || scanned.found.is_empty() {
            return Err(self.damaged(&book, &name, &scanned, last.is_some()));
        }
        let head = self.checkpoint.head();
        if scanned.tip.next.number() > head.size {
            return Ok(None);
        }
        let content = bytes.get(..scanned.used).unwrap_or_default();
        let view = log.view(head.size);
        let root = self.root(&scanned, first, log)?;
        let consistency = view.consistency(scanned.tip.next.number());
        let consistency = consistency.map_err(|error| unready(&error))?;
        let manifest = Manifest {
            magic: MANIFEST_MAGIC.to_owned(),
            number: last.map_or(0, |last| last.number.saturating_add(1)),
            previous: last.map_or(Digest::ZERO, Manifest::digest),
            book: book.as_str().to_owned(),
            key: self.key.to_string(),
            first,
            next: scanned.tip.next,
            chain_before: before.digest,
            chain_after: scanned.tip.digest,
            stamp: scanned.tip.stamp.nanos(),
            bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
            sha256: sha256(content),
            root,
            checkpoint: self.checkpoint.to_string(),
            consistency,
            salt_slots: salt_slots(&scanned.found)?.max(last.map_or(0, |last| last.salt_slots)),
            epoch: scanned.found.last().map_or(0, |found| found.batch.origin().epoch.number()),
        };
        manifest.check_log().map_err(|why| ArchiveError::Unready(format!("`{name}`: {why}")))?;
        put_new(to, &name, content)?;
        // The commit point: a segment without manifest is written again, the same.
        put_new(to, &manifest_name(first), &manifest.to_bytes())?;
        Ok(Some(manifest))
    }

    /// The log's root at the segment's end, made of the segment's own commitments.
    fn root(
        &self,
        scanned: &Scan,
        first: Position,
        log: &LogReader<SystemFile>,
    ) -> Result<Digest, ArchiveError> {
        let view: TreeView<'_, SystemFile> = log.view(self.checkpoint.head().size);
        let range = CompactRange::read(&view, first.number());
        let mut range = range.map_err(|error| unready(&error))?;
        for found in &scanned.found {
            found.batch.entries().for_each(|entry| range.append(leaf_hash(&entry.commitment)));
        }
        Ok(range.root())
    }

    /// A segment that cannot be archived, in words: where the damage lies, or that the journal has
    /// another history than the archive.
    fn damaged(
        &self,
        book: &BookName,
        name: &str,
        scanned: &Scan,
        follows_archive: bool,
    ) -> ArchiveError {
        let report = fsck(&FileDisk::look(self.journal), book, None);
        let findings: Vec<String> = report
            .map(|report| report.findings.iter().map(ToString::to_string).collect())
            .unwrap_or_default();
        if findings.is_empty() && follows_archive {
            let why = format!("`{name}` of the journal does not follow the archive's last segment");
            return ArchiveError::OtherHistory { dir: self.journal.to_owned(), why };
        }
        if findings.is_empty() {
            let found = scanned.found.len();
            return ArchiveError::Damaged(vec![format!("`{name}`: {found} batches, and no end")]);
        }
        ArchiveError::Damaged(findings)
    }
}

fn unready(error: &dyn std::fmt::Display) -> ArchiveError {
    ArchiveError::Unready(format!("the log cannot be read: {error}"))
}

/// One more than the highest salt slot of the batches' facts.
pub(super) fn salt_slots(batches: &[Found]) -> Result<u64, ArchiveError> {
    let mut slots = 0;
    for found in batches {
        for stored in found.batch.entries() {
            let fact: Fact =
                stored.fact().map_err(|error| ArchiveError::Damaged(vec![error.to_string()]))?;
            slots = slots.max(fact.salt_slot.0.saturating_add(1));
        }
    }
    Ok(slots)
}
