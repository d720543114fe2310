//! Checks one book's journal directory without changing it: for a copy, a backup, a supervisor.

use std::fmt;

use journal::batch::{LENGTH_BYTES, Uncommitted};
use journal::commit::commit;
use journal::{Batch, BatchError, BatchProblem, Salts, Tip};
use record::Fact;
use seal::to_canonical;
use terms::{BookName, Epoch, Position};

use crate::disk::{Disk, read_whole};
use crate::epoch_file::{EPOCH_NAME, read_epoch};
use crate::segment::{SegmentEnd, scan, segment_first};
use crate::segment_journal::check_segment;

/// One thing that is not as it should be, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// Byte offset in it.
    pub offset: u64,
    /// First position of the batch, where there is one.
    pub batch: Option<Position>,
    /// Position of the fact, where the damage lies in one.
    pub fact: Option<Position>,
    /// What is wrong.
    pub what: String,
    /// Whether opening the journal would refuse. A torn tail is cut instead.
    pub fatal: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` byte {}", self.file, self.offset)?;
        if let Some(batch) = self.batch {
            write!(f, ", batch of position `{batch}`")?;
        }
        if let Some(fact) = self.fact {
            write!(f, ", fact `{fact}`")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What the check saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsckReport {
    /// All findings; none means sound.
    pub findings: Vec<Finding>,
    /// The end of the sound prefix.
    pub tip: Tip,
    /// Segments read.
    pub segments: u64,
    /// Sound batches.
    pub batches: u64,
    /// Facts whose commitment was computed again.
    pub commitments_checked: u64,
    /// Facts whose salts are erased or were not given.
    pub commitments_unchecked: u64,
}

impl FsckReport {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Checks chain, digests, epochs, unused bytes, and with `salts` every commitment.
///
/// # Errors
/// The device's: what could not be read was not checked.
pub fn fsck<D: Disk>(
    disk: &D,
    book: &BookName,
    salts: Option<&dyn Salts>,
) -> std::io::Result<FsckReport> {
    fsck_telling(disk, book, salts, &mut |_| {})
}

/// As [`fsck`]; says after each sound batch up to where it has come.
///
/// # Errors
/// As [`fsck`].
pub fn fsck_telling<D: Disk>(
    disk: &D,
    book: &BookName,
    salts: Option<&dyn Salts>,
    told: &mut dyn FnMut(Position),
) -> std::io::Result<FsckReport> {
    let mut report = FsckReport {
        findings: Vec::new(),
        tip: Tip::GENESIS,
        segments: 0,
        batches: 0,
        commitments_checked: 0,
        commitments_unchecked: 0,
    };
    let firsts: Vec<Position> = disk.list()?.iter().filter_map(|n| segment_first(n)).collect();
    let last = firsts.last().copied();
    let mut epoch = Epoch::ZERO;
    for first in firsts {
        let name = crate::segment::segment_name(first);
        let bytes = read_whole(disk, &name)?.unwrap_or_default();
        let scanned = scan(&bytes, report.tip, book);
        report.segments = report.segments.saturating_add(1);
        if let Err(error) = check_segment(&scanned, first, report.tip.next, Some(first) == last) {
            // A header that is damaged does not say which batch it begins: it is the next one.
            let error = BatchError { batch: error.batch.or(Some(scanned.tip.next)), ..error };
            let located = locate(&bytes, scanned.used, &error, salts);
            report.add(&name, scanned.used, located.as_ref().unwrap_or(&error), true);
        } else if let SegmentEnd::Torn { .. } = scanned.end {
            let error = finding_error(scanned.tip.next, BatchProblem::NotZero);
            report.add(&name, scanned.used, &error, false);
        }
        for found in &scanned.found {
            report.check_batch(&name, found.offset, &found.batch, salts);
            if found.batch.origin().epoch < epoch {
                let error = finding_error(
                    found.batch.origin().first,
                    BatchProblem::Unchained("an epoch that went back"),
                );
                report.add(&name, found.offset, &error, true);
            }
            epoch = found.batch.origin().epoch;
            told(found.batch.tip().next);
        }
        report.tip = scanned.tip;
        if report.findings.iter().any(|f| f.fatal) {
            // What follows cannot chain: more findings would only repeat this one.
            return Ok(report);
        }
    }
    report.check_epoch(disk, epoch);
    Ok(report)
}

fn finding_error(batch: Position, problem: BatchProblem) -> BatchError {
    BatchError { batch: Some(batch), fact: None, offset: 0, problem }
}

impl FsckReport {
    fn add(&mut self, file: &str, offset: usize, error: &BatchError, fatal: bool) {
        let offset = offset.saturating_add(error.offset);
        self.findings.push(Finding {
            file: file.to_owned(),
            offset: u64::try_from(offset).unwrap_or(u64::MAX),
            batch: Some(error.batch.unwrap_or(self.tip.next)),
            fact: error.fact,
            what: error.problem.to_string(),
            fatal,
        });
    }

    fn check_batch(&mut self, file: &str, offset: usize, batch: &Batch, salts: Option<&dyn Salts>) {
        self.batches = self.batches.saturating_add(1);
        for stored in batch.entries() {
            let in_batch = |error| BatchError { batch: Some(batch.origin().first), ..error };
            let fact = match stored.fact::<Fact>() {
                Ok(fact) => fact,
                Err(error) => {
                    self.add(file, offset, &in_batch(error), true);
                    continue;
                }
            };
            let uncommitted = Uncommitted {
                position: stored.position,
                slot: fact.salt_slot,
                is_whole: fact.kind.is_whole(),
                bytes: stored.bytes,
            };
            let Some(expected) = salts.and_then(|salts| commit(salts, uncommitted)) else {
                self.commitments_unchecked = self.commitments_unchecked.saturating_add(1);
                continue;
            };
            self.commitments_checked = self.commitments_checked.saturating_add(1);
            if expected != stored.commitment {
                let error = BatchError {
                    batch: None,
                    fact: Some(stored.position),
                    offset: stored.offset.saturating_sub(LENGTH_BYTES),
                    problem: BatchProblem::Commitment,
                };
                self.add(file, offset, &in_batch(error), true);
            }
        }
    }

    fn check_epoch<D: Disk>(&mut self, disk: &D, newest_written: Epoch) {
        let what = match read_epoch(disk) {
            Ok(epoch) if epoch >= newest_written => return,
            Ok(epoch) => format!("the epoch is `{epoch}`, a batch has `{newest_written}`"),
            Err(error) => error.to_string(),
        };
        self.findings.push(Finding {
            file: EPOCH_NAME.to_owned(),
            offset: 0,
            batch: None,
            fact: None,
            what,
            fatal: true,
        });
    }
}

/// Names the fact of a damaged batch: the first that is no fact, or that its commitment denies.
fn locate(
    bytes: &[u8],
    used: usize,
    error: &BatchError,
    salts: Option<&dyn Salts>,
) -> Option<BatchError> {
    // The others speak of no fact, or of a fact that reads.
    if matches!(error.problem, BatchProblem::Unchained(_) | BatchProblem::Commitment) {
        return None;
    }
    let entries = journal::batch::entries_despite_damage(bytes.get(used..)?);
    let broken = entries.into_iter().find(|(position, _, entry)| {
        let Some(entry) = entry else { return true };
        let uncommitted = Uncommitted {
            position: *position,
            slot: entry.fact.salt_slot,
            is_whole: entry.fact.kind.is_whole(),
            bytes: &to_canonical(&entry.fact),
        };
        salts
            .and_then(|salts| commit(salts, uncommitted))
            .is_some_and(|commitment| commitment != entry.commitment)
    });
    let (position, offset, _) = broken?;
    Some(BatchError { fact: Some(position), offset, ..error.clone() })
}
