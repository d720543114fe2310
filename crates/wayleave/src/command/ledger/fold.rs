//! A book's journal read from its files: checked, and folded again from the first fact.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use bookkeeping::{LedgerBook, LedgerFact};
use evidence::CompactRange;
use journal::{Machine, Tip};
use ledger_server::Folder;
use record::{Commitment, leaf_hash};
use seal::Digest;
use serde_json::json;
use store::log::LogReader;
use store::segment::{Found, SegmentEnd, scan, segment_first, segment_name};
use store::{FileDisk, fsck_telling};
use terms::{BookName, Position};

use super::fsck_parts;
use super::progress::{Progress, Work};
use super::session::folder_path;
use crate::cli::ledger::FsckArgs;
use crate::command::{say, say_json};
use crate::fsck::salts;

/// How often a last segment is read that is being written while it is read.
const READS: usize = 3;

/// Each sound batch of a journal, in order. A torn tail ends it; damage is an error.
pub(super) fn each_batch(
    journal: &Path,
    book: &BookName,
    from: Position,
    mut each: impl FnMut(&Found) -> anyhow::Result<()>,
) -> anyhow::Result<Tip> {
    let mut firsts: Vec<Position> = fs::read_dir(journal)
        .with_context(|| format!("`{}`", journal.display()))?
        .flatten()
        .filter_map(|entry| segment_first(&entry.file_name().into_string().ok()?))
        .collect();
    firsts.sort_unstable();
    let mut tip = Tip::GENESIS;
    let last = firsts.last().copied();
    for first in firsts {
        let path = journal.join(segment_name(first));
        let mut reads = if Some(first) == last { READS } else { 1 };
        let scanned = loop {
            let bytes = fs::read(&path).with_context(|| format!("`{}`", path.display()))?;
            let scanned = scan(&bytes, tip, book);
            reads = reads.saturating_sub(1);
            if reads == 0 || !matches!(scanned.end, SegmentEnd::Damaged(_)) {
                break scanned;
            }
        };
        for found in scanned.found.iter().filter(|found| found.batch.tip().next > from) {
            each(found)?;
        }
        if let SegmentEnd::Damaged(error) = scanned.end {
            bail!("`{}` is damaged after byte {}: {error}", path.display(), scanned.used);
        }
        tip = scanned.tip;
    }
    Ok(tip)
}

/// Checks bytes, digests, commitments; then folds the facts and checks the sums.
pub(super) fn command(args: &FsckArgs) -> anyhow::Result<ExitCode> {
    let json = args.folder.json;
    let folder = Folder::open(&folder_path(&args.folder))?;
    let (journal, book) = (folder.part("journal"), folder.book());
    if !journal.is_dir() {
        bail!("the book was never served: there is no `{}`", journal.display());
    }
    let salts = salts(&journal)?;
    let known: Option<&dyn journal::Salts> = match &salts {
        Some(salts) => Some(salts),
        None => None,
    };
    let whole = log_size(&folder);
    let work = Work { name: "check", unit: "facts", json };
    let mut progress = Progress::begin(args.progress, work);
    let mut told = |next: Position| progress.facts(next, whole);
    let report = fsck_telling(&FileDisk::look(&journal), &book, known, &mut told)
        .with_context(|| format!("`{}` cannot be read", journal.display()))?;
    let mut findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let mut accounts = 0;
    if findings.is_empty() {
        let mut walked = Walked::new(whole);
        progress.stage("fold", "facts");
        let refolded = refold(&journal, &book, None, &mut |position, leaf| {
            progress.each_fact(position, whole);
            walked.take(leaf);
        });
        match refolded {
            Ok(folded) => {
                accounts = folded.ledger().accounts_len();
                let faults = folded.ledger().audit().err();
                findings.extend(faults.map(|fault| format!("the sums do not fit: {fault:?}")));
                findings.extend(fsck_parts::findings(&folder, &report.tip, &walked, &mut progress));
            }
            Err(error) => findings.push(format!("{error:#}")),
        }
    }
    progress.end();
    let sound = findings.is_empty();
    let (facts, batches) = (report.tip.next.number(), report.batches);
    let (checked, muted) = (report.commitments_checked, report.commitments_unchecked);
    if json {
        say_json(&json!({
            "sound": sound,
            "book": book.to_string(),
            "facts": facts,
            "batches": batches,
            "commitments_checked": checked,
            "commitments_unchecked": muted,
            "accounts": accounts,
            "digest": report.tip.digest.to_string(),
            "findings": findings,
        }));
    } else {
        say(&format!("{}  book `{book}`", if sound { "sound" } else { "NOT SOUND" }));
        say(&format!(
            "       {facts} facts in {batches} batches, {checked} commitments computed again, \
             {muted} without salts"
        ));
        if sound {
            say(&format!("       folded again: {accounts} accounts, debits equal credits"));
        }
        findings.iter().for_each(|finding| say(&format!("       {finding}")));
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Folds the facts before `until`, or all, and hands each one's commitment on.
pub(super) fn refold(
    journal: &Path,
    book: &BookName,
    until: Option<Position>,
    each: &mut dyn FnMut(Position, Commitment),
) -> anyhow::Result<LedgerBook> {
    let mut folded = LedgerBook::default();
    each_batch(journal, book, Position::ZERO, |found| {
        for stored in found.batch.entries() {
            if until.is_some_and(|until| stored.position >= until) {
                continue;
            }
            let fact: LedgerFact = stored.fact()?;
            folded.apply(stored.position, found.batch.origin().stamp, &fact);
            each(stored.position, stored.commitment);
        }
        Ok(())
    })?;
    Ok(folded)
}

/// The log's tree, made again from the journal's commitments as far as the log goes.
pub(super) struct Walked {
    tree: CompactRange,
    size: u64,
}

impl Walked {
    pub(super) const fn new(size: u64) -> Self {
        Self { tree: CompactRange::empty(), size }
    }

    pub(super) fn take(&mut self, commitment: Commitment) {
        if self.tree.size() < self.size {
            self.tree.append(leaf_hash(&commitment));
        }
    }

    /// The root at the size that was asked for at the beginning.
    pub(super) fn root_at(&self, size: u64) -> Option<Digest> {
        (self.tree.size() == size).then(|| self.tree.root())
    }
}

/// How many entries the folder's log has.
pub(super) fn log_size(folder: &Folder) -> u64 {
    let reader = LogReader::open(&FileDisk::look(&folder.part("log")));
    let head = reader.and_then(|reader| reader.head()).ok().flatten();
    head.map_or(0, |head| head.size)
}
