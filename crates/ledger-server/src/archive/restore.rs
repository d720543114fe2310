//! Builds a book's folder from an archive, and from what is left of the old one.

use std::fs;
use std::path::Path;

use evidence::{SignedCheckpoint, VerifierKey};
use store::FileDisk;
use store::disk::replace;
use store::epoch_file::write_epoch;
use store::segment::segment_first;
use terms::{BookName, Epoch, Position, RunId};

use super::check::check;
use super::later::Later;
use super::manifest::Manifest;
use super::opened::{Opened, known, salts_beside};
use super::taken::{hold, keys_and_clients, log_key, newest_checkpoint, salts, sync};
use super::{ArchiveError, Step, failed, names, put_new};
use crate::folder::{Folder, guard_path};
use crate::guard::Guard;
use crate::public_log::CHECKPOINT_NAME;

/// What restoring did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The book.
    pub book: BookName,
    /// Facts of the new folder.
    pub facts: Position,
    /// Segments from the archive.
    pub archived: u64,
    /// Later segments, from what was left of the old folder.
    pub later: u64,
    /// Why not more of them were taken, if more were there.
    pub later_refused: Option<String>,
    /// Whether the log goes on under its key. Not where facts are missing that it has published:
    /// under that key their positions would be signed a second time, with other facts.
    pub same_log: bool,
    /// Whether the salts of all facts are there: without them no receipt of the old facts can be
    /// made.
    pub has_salts: bool,
    /// Slots of salt keys up to the newest fact's that the old folder's file does not reach.
    pub salts_missing: u64,
    /// How many facts were compared with their commitments. The others are what archive or export
    /// says, and whoever could change that could change them.
    pub opened: Opened,
    /// How many facts the book had, by the newest checkpoint or guard that is there, when that is
    /// more than was restored.
    pub had: Option<Position>,
}

/// Builds the folder `to`, which must not exist, from an archive and what is left of the old one.
///
/// Everything is built under another name beside it and renamed at the end: stopped before, there
/// is no folder, and the next run begins anew. Says after each segment how far it has come.
///
/// # Errors
/// [`ArchiveError`].
pub fn restore(
    from: &Path,
    to: &Path,
    with: Option<&Path>,
    told: &mut dyn FnMut(Step),
) -> Result<Restored, ArchiveError> {
    if to.exists() {
        return Err(ArchiveError::Exists(to.to_owned()));
    }
    let salts = with.map(|with| salts_beside(&with.join("journal"))).transpose()?.flatten();
    let report = check(from, None, known(salts.as_ref()), told)?;
    if report.segments == 0 {
        return Err(ArchiveError::Unready(format!("`{}` holds no archive", from.display())));
    }
    let opened = report.opened;
    let last = match report {
        super::ArchiveReport { last: Some(last), findings, .. } if findings.is_empty() => last,
        report => return Err(ArchiveError::Damaged(report.findings)),
    };
    restore_by(to, with, (&last, opened), |journal| {
        let segments = names(from, store::segment::SEGMENT_SUFFIX)?;
        for (number, name) in (1..).zip(&segments) {
            if segment_first(name).is_some_and(|first| first < last.next) {
                let source = from.join(name);
                put_new(journal, name, &fs::read(&source).map_err(failed(&source))?)?;
            }
            told(Step::of("copy", number, segments.len()));
        }
        Ok(())
    })
}

/// Builds the folder `to`, which must not exist, from segments that `fill` puts into the journal's
/// folder, checked before and ending as the manifest says, as many of them opened.
///
/// # Errors
/// [`ArchiveError`].
pub fn restore_by(
    to: &Path,
    with: Option<&Path>,
    checked: (&Manifest, Opened),
    fill: impl FnOnce(&Path) -> Result<(), ArchiveError>,
) -> Result<Restored, ArchiveError> {
    if to.exists() {
        return Err(ArchiveError::Exists(to.to_owned()));
    }
    // Until the new folder stands: one that is served goes on, and would be a second signer.
    let _held = with.map(hold).transpose()?;
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let building = to.with_file_name(name);
    if building.exists() {
        fs::remove_dir_all(&building).map_err(failed(&building))?;
    }
    let restored = build(fill, &building, with, checked)?;
    sync(&building.join("keys"))?;
    sync(&building)?;
    fs::rename(&building, to).map_err(failed(to))?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync(parent.unwrap_or(Path::new(".")))?;
    guard(restored, to, with)
}

fn build(
    fill: impl FnOnce(&Path) -> Result<(), ArchiveError>,
    building: &Path,
    with: Option<&Path>,
    (last, opened): (&Manifest, Opened),
) -> Result<Restored, ArchiveError> {
    let book: BookName =
        last.book.parse().map_err(|error| ArchiveError::Unready(format!("its book: {error}")))?;
    let folder = Folder::create(building, book)?;
    if let Some(with) = with {
        keys_and_clients(with, building)?;
    }
    let journal = folder.part("journal");
    let disk =
        FileDisk::take(&journal).map_err(|error| ArchiveError::Unready(error.to_string()))?;
    fill(&journal)?;
    let keys = with.map(|with| salts_beside(&with.join("journal"))).transpose()?.flatten();
    let mut later = Later::after(last, known(keys.as_ref()));
    if let Some(with) = with {
        later.take(&with.join("journal"), &journal, &book)?;
    }
    let salts_missing = salts(with, &disk, later.salt_slots)?;
    write_epoch(&disk, Epoch::new(later.epoch), RunId::from_bytes([0; 16]))
        .map_err(failed(&journal))?;
    let facts = later.tip.next;
    let had =
        Some(known_facts(last, with)).filter(|known| *known > facts.number()).map(Position::new);
    let same_log = match with {
        Some(with) if had.is_none() => log_key(with, building, last)?,
        Some(_) | None => false,
    };
    let checkpoint = newest_checkpoint(with, last);
    if same_log && !checkpoint.is_empty() {
        // The book will not start unless its log, made again, leads to this.
        let log = folder.part("log");
        let disk =
            FileDisk::take(&log).map_err(|error| ArchiveError::Unready(error.to_string()))?;
        replace(&disk, CHECKPOINT_NAME, checkpoint.as_bytes()).map_err(failed(&log))?;
    }
    Ok(Restored {
        book,
        facts,
        archived: last.number.saturating_add(1),
        later: later.segments,
        later_refused: later.refused,
        same_log,
        has_salts: salts_missing == 0,
        salts_missing,
        opened: opened.and(later.opened),
        had,
    })
}

/// How many facts the book had by whatever is there.
fn known_facts(last: &Manifest, with: Option<&Path>) -> u64 {
    let size = |bytes: &[u8]| {
        SignedCheckpoint::parse(bytes).map_or(0, |checkpoint| checkpoint.head().size)
    };
    let Some(with) = with else { return size(last.checkpoint.as_bytes()) };
    let published = fs::read(with.join("log").join(CHECKPOINT_NAME)).unwrap_or_default();
    let marked = last.key.parse::<VerifierKey>().ok().and_then(|key| {
        let path = Some(guard_path(with)).filter(|path| path.is_file())?;
        Some(Guard::open(&path, &key).ok()?.newest()?.tip.next.number())
    });
    size(last.checkpoint.as_bytes()).max(size(&published)).max(marked.unwrap_or(0))
}

/// The guard of the old folder goes on with the log.
fn guard(restored: Restored, to: &Path, with: Option<&Path>) -> Result<Restored, ArchiveError> {
    let old = with.map(guard_path).filter(|path| path.is_file() && restored.same_log);
    let Some(old) = old else { return Ok(restored) };
    let bytes = fs::read(&old).map_err(failed(&old))?;
    let new = guard_path(to);
    let name = new.file_name().unwrap_or_default().to_string_lossy().into_owned();
    put_new(new.parent().unwrap_or(Path::new(".")), &name, &bytes)?;
    Ok(restored)
}
