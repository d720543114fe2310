//! What a restored folder takes over from the old one beside its journal.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use evidence::{SignedCheckpoint, VerifierKey};
use store::FileDisk;
use store::disk::{LOCK_NAME, replace};
use store::salt_keys::{SALT_KEYS_NAME, erase_up_to};

use super::manifest::Manifest;
use super::{ArchiveError, failed, names};
use crate::folder::{Folder, LOG_KEY_FILE, LOG_VKEY_FILE};
use crate::public_log::stored_checkpoint;

/// Bytes of one record of the file of salt keys.
const SALT_RECORD_BYTES: u64 = 64;

/// Keeps the old folder from being served, for as long as the locks live. Nothing is written to it:
/// it may lie on what cannot be written.
pub(super) fn hold(with: &Path) -> Result<Vec<File>, ArchiveError> {
    let mut locks = Vec::new();
    for part in ["journal", "log"] {
        let path = with.join(part).join(LOCK_NAME);
        let file = match File::open(&path) {
            // Nobody ever served it from here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(failed(&path))?,
        };
        match file.try_lock() {
            Ok(()) => locks.push(file),
            Err(TryLockError::WouldBlock) => {
                let with = with.display();
                let why = format!(
                    "`{with}` is in use by another process: stop the book first, or two would \
                     write under one key"
                );
                return Err(ArchiveError::Unready(why));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path)(error)),
        }
    }
    Ok(locks)
}

/// Takes the log's key over, when it is the archive's.
pub(super) fn log_key(with: &Path, building: &Path, last: &Manifest) -> Result<bool, ArchiveError> {
    let is_same = match Folder::open(with) {
        Ok(old) => with.join(LOG_KEY_FILE).is_file() && old.log_key()?.to_string() == last.key,
        Err(_) => false,
    };
    if is_same {
        copy(with, building, LOG_KEY_FILE)?;
        copy(with, building, LOG_VKEY_FILE)?;
    }
    Ok(is_same)
}

/// The newest checkpoint that the book's log signed, by archive and old folder; empty when there is
/// none.
pub(super) fn newest_checkpoint(with: Option<&Path>, last: &Manifest) -> String {
    let size = SignedCheckpoint::parse(last.checkpoint.as_bytes())
        .map_or(0, |checkpoint| checkpoint.head().size);
    let old = with
        .zip(last.key.parse::<VerifierKey>().ok())
        .and_then(|(with, key)| stored_checkpoint(&with.join("log"), &key).ok().flatten());
    match old {
        Some(old) if old.head().size > size => old.to_string(),
        Some(_) | None => last.checkpoint.clone(),
    }
}

/// Clients with their keys, names, and the keys of personal data with the marks of those that were
/// forgotten, as far as they are there.
pub(super) fn keys_and_clients(with: &Path, building: &Path) -> Result<(), ArchiveError> {
    for name in ["clients.json", "names"] {
        if with.join(name).is_file() {
            copy(with, building, name)?;
        }
    }
    every(with, building, "keys", &[".seed"])?;
    every(with, building, "personal", &[".forgotten", ".key"])
}

/// All files of a folder that end so.
fn every(
    with: &Path,
    building: &Path,
    folder: &str,
    suffixes: &[&str],
) -> Result<(), ArchiveError> {
    let source = with.join(folder);
    if !source.is_dir() {
        return Ok(());
    }
    let to = building.join(folder);
    DirBuilder::new().recursive(true).mode(0o700).create(&to).map_err(failed(&to))?;
    for suffix in suffixes {
        for name in names(&source, suffix)? {
            copy(with, building, &format!("{folder}/{name}"))?;
        }
    }
    sync(&to)
}

/// Copies a file with who may read it, durably but for its name.
fn copy(with: &Path, building: &Path, name: &str) -> Result<(), ArchiveError> {
    let (source, to) = (with.join(name), building.join(name));
    fs::copy(&source, &to).map_err(failed(&source))?;
    File::open(&to).and_then(|file| file.sync_all()).map_err(failed(&to))
}

/// Makes a folder's names durable.
pub(super) fn sync(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))
}

/// The salt keys, where they are; and no slot of an old fact is ever filled again. How many slots
/// of old facts have no key that was ever here.
pub(super) fn salts(with: Option<&Path>, disk: &FileDisk, slots: u64) -> Result<u64, ArchiveError> {
    let kept = with.map(|with| with.join("journal").join(SALT_KEYS_NAME));
    let mut filled = 0;
    if let Some(path) = kept.filter(|path| path.is_file()) {
        let bytes = fs::read(&path).map_err(failed(&path))?;
        filled = u64::try_from(bytes.len()).unwrap_or(u64::MAX).div_ceil(SALT_RECORD_BYTES);
        replace(disk, SALT_KEYS_NAME, &bytes).map_err(failed(&path))?;
    }
    erase_up_to(disk, slots).map_err(failed(Path::new(SALT_KEYS_NAME)))?;
    Ok(slots.saturating_sub(filled))
}
