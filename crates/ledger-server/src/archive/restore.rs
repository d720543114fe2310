//! Builds a book's folder from an archive, and from what is left of the old one.

use std::fs;
use std::path::Path;

use evidence::{SignedCheckpoint, VerifierKey};
use journal::Tip;
use store::FileDisk;
use store::disk::replace;
use store::epoch_file::{read_epoch, write_epoch};
use store::salt_keys::{SALT_KEYS_NAME, erase_up_to};
use store::segment::{SegmentEnd, scan, segment_first, segment_name};
use terms::{BookName, Epoch, Position, RunId};

use super::check::check;
use super::manifest::Manifest;
use super::write::salt_slots;
use super::{ArchiveError, failed, names, put_new};
use crate::folder::{Folder, LOG_KEY_FILE, LOG_VKEY_FILE, guard_path};
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
    /// Whether the salts are there: without them no receipt of the old facts can be made.
    pub has_salts: bool,
    /// How many facts the book had, by the newest checkpoint or guard that is there, when that is
    /// more than was restored.
    pub had: Option<Position>,
}

/// Builds the folder `to`, which must not exist, from an archive and what is left of the old one.
///
/// Everything is built under another name beside it and renamed at the end: stopped before, there
/// is no folder, and the next run begins anew.
///
/// # Errors
/// [`ArchiveError`].
pub fn restore(from: &Path, to: &Path, with: Option<&Path>) -> Result<Restored, ArchiveError> {
    if to.exists() {
        return Err(ArchiveError::Exists(to.to_owned()));
    }
    let report = check(from, None, None)?;
    if !report.is_sound() {
        return Err(ArchiveError::Damaged(report.findings));
    }
    let none = || ArchiveError::Unready(format!("`{}` holds no archive", from.display()));
    let last = report.last.ok_or_else(none)?;
    restore_by(to, with, &last, |journal| {
        for name in names(from, store::segment::SEGMENT_SUFFIX)? {
            if segment_first(&name).is_some_and(|first| first < last.next) {
                let source = from.join(&name);
                put_new(journal, &name, &fs::read(&source).map_err(failed(&source))?)?;
            }
        }
        Ok(())
    })
}

/// Builds the folder `to`, which must not exist, from segments that `fill` puts into the journal's
/// folder, checked before and ending as `last` says.
///
/// # Errors
/// [`ArchiveError`].
pub fn restore_by(
    to: &Path,
    with: Option<&Path>,
    last: &Manifest,
    fill: impl FnOnce(&Path) -> Result<(), ArchiveError>,
) -> Result<Restored, ArchiveError> {
    if to.exists() {
        return Err(ArchiveError::Exists(to.to_owned()));
    }
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let building = to.with_file_name(name);
    if building.exists() {
        fs::remove_dir_all(&building).map_err(failed(&building))?;
    }
    let restored = build(fill, &building, with, last)?;
    fs::rename(&building, to).map_err(failed(to))?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed(parent))?;
    guard(restored, to, with)
}

fn build(
    fill: impl FnOnce(&Path) -> Result<(), ArchiveError>,
    building: &Path,
    with: Option<&Path>,
    last: &Manifest,
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
    let mut later = Later::after(last);
    if let Some(with) = with {
        later.take(&with.join("journal"), &journal, &book)?;
    }
    let has_salts = salts(with, &disk, later.salt_slots)?;
    write_epoch(&disk, Epoch::new(later.epoch), RunId::from_bytes([0; 16]))
        .map_err(failed(&journal))?;
    let facts = later.tip.next;
    let had = Some(known(last, with)).filter(|known| *known > facts.number()).map(Position::new);
    let same_log = match with {
        Some(with) if had.is_none() => log_key(with, building, last)?,
        Some(_) | None => false,
    };
    if same_log && !last.checkpoint.is_empty() {
        // The book will not start unless its log, made again, leads to this.
        let log = folder.part("log");
        let disk =
            FileDisk::take(&log).map_err(|error| ArchiveError::Unready(error.to_string()))?;
        replace(&disk, CHECKPOINT_NAME, last.checkpoint.as_bytes()).map_err(failed(&log))?;
    }
    Ok(Restored {
        book,
        facts,
        archived: last.number.saturating_add(1),
        later: later.segments,
        later_refused: later.refused,
        same_log,
        has_salts,
        had,
    })
}

/// How many facts the book had by whatever is there.
fn known(last: &Manifest, with: Option<&Path>) -> u64 {
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

/// Takes the log's key over, when it is the archive's.
fn log_key(with: &Path, building: &Path, last: &Manifest) -> Result<bool, ArchiveError> {
    let is_same = match Folder::open(with) {
        Ok(old) => with.join(LOG_KEY_FILE).is_file() && old.log_key()?.to_string() == last.key,
        Err(_) => false,
    };
    if is_same {
        for name in [LOG_KEY_FILE, LOG_VKEY_FILE] {
            let source = with.join(name);
            fs::copy(&source, building.join(name)).map_err(failed(&source))?;
        }
    }
    Ok(is_same)
}

/// Clients with their keys, and names, as far as they are there.
fn keys_and_clients(with: &Path, building: &Path) -> Result<(), ArchiveError> {
    let copy = |name: &Path| {
        let source = with.join(name);
        if !source.is_file() {
            return Ok(());
        }
        fs::copy(&source, building.join(name)).map(drop).map_err(failed(&source))
    };
    for name in ["clients.json", "names"] {
        copy(Path::new(name))?;
    }
    let keys = with.join("keys");
    if keys.is_dir() {
        for name in names(&keys, ".seed")? {
            copy(&Path::new("keys").join(name))?;
        }
    }
    Ok(())
}

/// Segments behind the archive's.
struct Later {
    tip: Tip,
    segments: u64,
    refused: Option<String>,
    salt_slots: u64,
    epoch: u64,
}

impl Later {
    const fn after(last: &Manifest) -> Self {
        let (salt_slots, epoch) = (last.salt_slots, last.epoch);
        Self { tip: last.tip(), segments: 0, refused: None, salt_slots, epoch }
    }

    /// Takes segments as long as each follows the one before.
    fn take(&mut self, from: &Path, to: &Path, book: &BookName) -> Result<(), ArchiveError> {
        if !from.is_dir() {
            return Ok(());
        }
        let mut firsts: Vec<Position> =
            names(from, "")?.iter().filter_map(|name| segment_first(name)).collect();
        firsts.sort_unstable();
        let newest = read_epoch(&FileDisk::look(from)).map_or(0, Epoch::number);
        self.epoch = self.epoch.max(newest);
        let end = self.tip.next;
        for first in firsts.into_iter().filter(|first| *first >= end) {
            let name = segment_name(first);
            let path = from.join(&name);
            let bytes = fs::read(&path).map_err(failed(&path))?;
            let scanned = scan(&bytes, self.tip, book);
            if first != self.tip.next {
                let why = format!("`{name}` does not go on at position `{}`", self.tip.next);
                self.refused = Some(why);
                return Ok(());
            }
            put_new(to, &name, bytes.get(..scanned.used).unwrap_or_default())?;
            self.segments = self.segments.saturating_add(1);
            self.tip = scanned.tip;
            self.salt_slots = self.salt_slots.max(salt_slots(&scanned)?);
            let written = scanned.found.last().map(|found| found.batch.origin().epoch.number());
            self.epoch = self.epoch.max(written.unwrap_or(0));
            if let SegmentEnd::Damaged(error) = scanned.end {
                let at = scanned.used;
                self.refused = Some(format!("`{name}` is damaged after byte {at}: {error}"));
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The salt keys, where they are; and no slot of an old fact is ever filled again.
fn salts(with: Option<&Path>, disk: &FileDisk, slots: u64) -> Result<bool, ArchiveError> {
    let kept = with.map(|with| with.join("journal").join(SALT_KEYS_NAME));
    let mut has = false;
    if let Some(path) = kept.filter(|path| path.is_file()) {
        let bytes = fs::read(&path).map_err(failed(&path))?;
        replace(disk, SALT_KEYS_NAME, &bytes).map_err(failed(&path))?;
        has = true;
    }
    erase_up_to(disk, slots).map_err(failed(Path::new(SALT_KEYS_NAME)))?;
    Ok(has)
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
