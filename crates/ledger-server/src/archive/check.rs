//! Checks every byte of an archive, with nothing but the archive.

use std::fs;
use std::io;
use std::path::Path;

use evidence::VerifierKey;
use evidence::tree::{CompactRange, TreeHead};
use journal::{Salts, Tip};
use record::leaf_hash;
use seal::{Digest, sha256};
use store::segment::{SEGMENT_SUFFIX, SegmentEnd, scan, segment_first, segment_name};
use store::{FileDisk, fsck};
use terms::BookName;

use super::manifest::{MANIFEST_SUFFIX, Manifest, manifest_name};
use super::opened::Opened;
use super::{ArchiveError, Step, failed, names};

/// What the check saw.
#[derive(Clone, Debug, Default)]
pub struct ArchiveReport {
    /// What is wrong, by segment, batch and fact; none means sound.
    pub findings: Vec<String>,
    /// Manifests read.
    pub segments: u64,
    /// The last sound manifest of an unbroken chain.
    pub last: Option<Manifest>,
    /// The log's tree at its end, made again from the facts' commitments.
    pub head: Option<TreeHead>,
    /// How many facts of the manifests' segments were compared with their commitments: what the log
    /// signed says nothing of the others' contents.
    pub opened: Opened,
    /// A segment that was copied and has no manifest yet: the next run completes it.
    pub incomplete: Option<String>,
}

impl ArchiveReport {
    /// Whether nothing was found.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Reads everything again. With `trusted`, the log's key must be that one; with the salts of the
/// book, each fact must be what its commitment says, and damage is named down to the fact. An
/// archive of nothing is not sound. Says after each segment how far it has come.
///
/// # Errors
/// [`ArchiveError::File`]: what could not be read was not checked.
pub fn check(
    dir: &Path,
    trusted: Option<&VerifierKey>,
    salts: Option<&dyn Salts>,
    told: &mut dyn FnMut(Step),
) -> Result<ArchiveReport, ArchiveError> {
    let (report, tree) = (ArchiveReport::default(), Some(CompactRange::empty()));
    let mut walk = Walk { report, tip: Tip::GENESIS, tree, salts };
    let manifests = names(dir, MANIFEST_SUFFIX)?;
    for (number, name) in (1..).zip(&manifests) {
        walk.one(dir, name, trusted)?;
        told(Step::of("check", number, manifests.len()));
    }
    for name in names(dir, SEGMENT_SUFFIX)? {
        let first = segment_first(&name);
        let has = first.is_some_and(|first| manifests.contains(&manifest_name(first)));
        match first {
            Some(first) if !has && first == walk.tip.next => walk.report.incomplete = Some(name),
            _ if !has => walk.report.findings.push(format!("`{name}` has no manifest")),
            _ => {}
        }
    }
    let Walk { mut report, tree, .. } = walk;
    if manifests.is_empty() {
        report.findings.push("it holds no archive: no manifest is in it".to_owned());
    }
    report.head = tree.map(|tree| TreeHead { size: tree.size(), root: tree.root() });
    let book = report.last.as_ref().and_then(|last| last.book.parse::<BookName>().ok());
    if let Some(book) = book.filter(|_| report.incomplete.is_some() || !report.is_sound()) {
        // Names batch and fact of what a digest alone calls different.
        let found = fsck(&FileDisk::look(dir), &book, salts).map_err(failed(dir))?;
        let in_segments = |finding: &&store::Finding| finding.file.ends_with(SEGMENT_SUFFIX);
        report.findings.extend(found.findings.iter().filter(in_segments).map(ToString::to_string));
    }
    Ok(report)
}

struct Walk<'s> {
    salts: Option<&'s dyn Salts>,
    report: ArchiveReport,
    tip: Tip,
    /// The log's tree so far; `None` behind damage, where it cannot be made.
    tree: Option<CompactRange>,
}

impl Walk<'_> {
    fn add(&mut self, name: &str, why: impl std::fmt::Display) {
        self.report.findings.push(format!("`{name}`: {why}"));
    }

    fn one(
        &mut self,
        dir: &Path,
        name: &str,
        trusted: Option<&VerifierKey>,
    ) -> Result<(), ArchiveError> {
        self.report.segments = self.report.segments.saturating_add(1);
        let path = dir.join(name);
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let manifest = match Manifest::from_bytes(&bytes) {
            Ok(manifest) => manifest,
            Err(why) => {
                self.tree = None;
                self.add(name, why);
                return Ok(());
            }
        };
        self.chain(name, &manifest);
        if let Err(why) = manifest.check_log() {
            self.add(name, why);
        }
        if trusted.is_some_and(|key| key.to_string() != manifest.key) {
            self.add(name, format!("its log is `{}`, not the one you trust", manifest.key));
        }
        self.segment(dir, &manifest)?;
        self.tip = manifest.tip();
        self.report.last = Some(manifest);
        Ok(())
    }

    /// What one manifest says of the one before.
    fn chain(&mut self, name: &str, manifest: &Manifest) {
        let last = self.report.last.as_ref();
        let number = last.map_or(0, |last| last.number.saturating_add(1));
        let expected = (number, last.map_or(Digest::ZERO, Manifest::digest));
        let mut wrong = Vec::new();
        if (manifest.number, manifest.previous) != expected {
            wrong.push(format!("it is not manifest `{number}` after the one before it"));
        }
        if last.is_some_and(|last| (&last.book, &last.key) != (&manifest.book, &manifest.key)) {
            wrong.push("it is of another book or log than the one before it".to_owned());
        }
        if name != manifest_name(manifest.first) {
            wrong.push(format!("it is of the segment from `{}` on", manifest.first));
        }
        if (manifest.first, manifest.chain_before) != (self.tip.next, self.tip.digest) {
            wrong.push(format!(
                "it does not go on where the one before it ends, `{}`",
                self.tip.next
            ));
        }
        for why in wrong {
            self.add(name, why);
        }
    }

    fn segment(&mut self, dir: &Path, manifest: &Manifest) -> Result<(), ArchiveError> {
        let name = segment_name(manifest.first);
        let path = dir.join(&name);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.tree = None;
                self.add(&name, "it is missing");
                return Ok(());
            }
            read => read.map_err(failed(&path))?,
        };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length != manifest.bytes {
            self.add(&name, format!("expected {} bytes, got {length}", manifest.bytes));
        }
        if sha256(&bytes) != manifest.sha256 {
            self.add(&name, "its bytes are not those that were archived");
        }
        let Ok(book) = manifest.book.parse::<BookName>() else {
            self.add(&name, format!("`{}` is no book's name", manifest.book));
            return Ok(());
        };
        let before =
            Tip { next: manifest.first, digest: manifest.chain_before, stamp: self.tip.stamp };
        let scanned = scan(&bytes, before, &book);
        match &scanned.end {
            SegmentEnd::Clean if scanned.tip == manifest.tip() => {}
            SegmentEnd::Clean => self.add(&name, "its batches do not end as its manifest says"),
            SegmentEnd::Torn { .. } => self.add(&name, "its last batch is cut off"),
            SegmentEnd::Damaged(error) => {
                let (at, batch) = (scanned.used, scanned.tip.next);
                self.add(&name, format!("batch of position `{batch}`, from byte {at}: {error}"));
            }
        }
        if scanned.tip != manifest.tip() {
            self.tree = None;
        }
        for found in &scanned.found {
            if let Err(why) = self.report.opened.batch(self.salts, &found.batch) {
                self.add(&name, why);
            }
        }
        if let Some(tree) = &mut self.tree {
            for found in &scanned.found {
                found.batch.entries().for_each(|entry| tree.append(leaf_hash(&entry.commitment)));
            }
            if tree.root() != manifest.root {
                self.add(&name, "its facts' commitments lead to another root of the log");
            }
        }
        Ok(())
    }
}
