//! Personal metadata: sealed before it is recorded, under keys that can be forgotten.
//!
//! A journal keeps its bytes for ever, and its log keeps their hashes; so what is about a person
//! stands there sealed, under a key that stands only here: in the book's folder, `personal/`, one
//! file for each slot. To forget the key is to erase what it sealed, in every copy of the journal
//! at once; what was sealed under other slots stays. Give each person a slot of their own.
//!
//! Sealing gives the same bytes for the same words in the same place, so that a repeated request is
//! known again. Once its key is forgotten it cannot be repeated: its id can still be looked up.
//! The sealed bytes show how long the words were.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::Key;
use seal::digest::Domain;
use seal::text::{from_hex_array, to_hex};
use seal::{DataKey, open_with, seal_with};
use terms::{BookName, TransactionId};

/// Domain of what is sealed here; bound to book ‖ 0 ‖ transaction ‖ key of the metadata.
pub const PERSONAL_DOMAIN: Domain = Domain::new("wayleave/ledger-personal/v1");
const SECRET_FILE_MODE: u32 = 0o600;
/// What a key is overwritten with: no digit, so that what is left of one is no key.
const ERASED: [u8; 64] = [b'-'; 64];
/// Slots that are remembered as durable; when there are more it begins again.
const REMEMBERED_MAX: usize = 65_536;

/// Why something cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum PersonalError {
    /// Its key was forgotten on purpose, or never made here.
    #[error("the key of slot `{0}` was forgotten: what it sealed is erased")]
    Forgotten(u32),
    /// Not sealed by this key for this place.
    #[error("the sealed bytes are not of this transaction and key")]
    DoesNotOpen,
    /// The file system failed.
    #[error("`{path}`: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] client::system::NoEntropy),
}

/// The keys of one book's personal metadata.
#[derive(Clone, Debug)]
pub struct PersonalKeys {
    path: PathBuf,
    book: BookName,
    makes: bool,
    durable: Arc<Mutex<Durable>>,
}

/// What surely outlives a crash, as far as this process made it so.
#[derive(Debug, Default)]
struct Durable {
    folder: bool,
    slots: BTreeSet<u32>,
}

impl PersonalKeys {
    /// Those that lie in this folder.
    #[must_use]
    pub fn new(path: PathBuf, book: BookName) -> Self {
        Self { path, book, makes: true, durable: Arc::default() }
    }

    /// The same keys for what is only tried: where a slot has none yet, none is made, and a key is
    /// used that nobody keeps.
    #[must_use]
    pub fn without_making(self) -> Self {
        Self { makes: false, ..self }
    }

    /// Seals words for a place in a transaction; makes the slot's key when there is none yet.
    ///
    /// # Errors
    /// [`PersonalError`]: nothing was sealed.
    pub fn seal(
        &self,
        slot: u32,
        transaction: TransactionId,
        key: &Key,
        words: &str,
    ) -> Result<Vec<u8>, PersonalError> {
        let data_key = match self.read(slot)? {
            Some(data_key) => {
                self.settle(slot)?;
                data_key
            }
            None if self.makes => self.make(slot)?,
            None => DataKey::from_bytes(client::system::random()?),
        };
        let about = self.about(transaction, key);
        seal_with(&data_key, PERSONAL_DOMAIN, &about, words.as_bytes())
            .map_err(|_| PersonalError::DoesNotOpen)
    }

    /// The words that were sealed for that place.
    ///
    /// # Errors
    /// [`PersonalError`].
    pub fn open(
        &self,
        slot: u32,
        transaction: TransactionId,
        key: &Key,
        sealed: &[u8],
    ) -> Result<String, PersonalError> {
        let data_key = self.read(slot)?.ok_or(PersonalError::Forgotten(slot))?;
        let about = self.about(transaction, key);
        let words = open_with(&data_key, PERSONAL_DOMAIN, &about, sealed)
            .map_err(|_| PersonalError::DoesNotOpen)?;
        String::from_utf8(words).map_err(|_| PersonalError::DoesNotOpen)
    }

    /// Erases what was sealed under a slot: its key is overwritten and removed, and none is ever
    /// made for it again. Whether there was one.
    ///
    /// # Errors
    /// [`PersonalError::File`]: try again.
    pub fn forget(&self, slot: u32) -> Result<bool, PersonalError> {
        self.make_folder()?;
        // First the mark: from here on nobody seals under it.
        let mark = self.path.join(format!("{slot}.forgotten"));
        self.write_new(&mark, b"").map(|_is_new| ())?;
        let path = self.key_path(slot);
        let failed = |source| PersonalError::File { path: path.clone(), source };
        let mut file = match OpenOptions::new().write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        file.write_all(&ERASED).and_then(|()| file.sync_all()).map_err(failed)?;
        match fs::remove_file(&path) {
            // Somebody else saw the mark, and removed it.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => sync(&self.path).map_err(failed)?,
        }
        Ok(true)
    }

    fn about(&self, transaction: TransactionId, key: &Key) -> Vec<u8> {
        let book = self.book.as_str().as_bytes();
        [book, &[0], &transaction.bytes(), key.as_str().as_bytes()].concat()
    }

    fn key_path(&self, slot: u32) -> PathBuf {
        self.path.join(format!("{slot}.key"))
    }

    fn is_not_forgotten(&self, slot: u32) -> Result<(), PersonalError> {
        let mark = self.path.join(format!("{slot}.forgotten"));
        match mark.try_exists() {
            Ok(false) => Ok(()),
            Ok(true) => Err(PersonalError::Forgotten(slot)),
            Err(source) => Err(PersonalError::File { path: mark, source }),
        }
    }

    /// The key of a slot; `None` when none was made yet.
    fn read(&self, slot: u32) -> Result<Option<DataKey>, PersonalError> {
        self.is_not_forgotten(slot)?;
        let text = self.text(slot)?;
        self.key_in(slot, text)
    }

    /// What stands in the key's file.
    fn text(&self, slot: u32) -> Result<Option<String>, PersonalError> {
        let path = self.key_path(slot);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(PersonalError::File { path, source }),
        }
    }

    /// The key that was read, unless it was forgotten meanwhile: the mark stands before the file
    /// is touched, so that what was read without one was whole.
    fn key_in(&self, slot: u32, text: Option<String>) -> Result<Option<DataKey>, PersonalError> {
        self.is_not_forgotten(slot)?;
        let Some(text) = text else { return Ok(None) };
        let path = self.key_path(slot);
        let failed = |source| PersonalError::File { path: path.clone(), source };
        let bytes = text.strip_suffix('\n').and_then(from_hex_array);
        let malformed = || failed(io::Error::other("expected 64 lower-case hex digits"));
        bytes.map(DataKey::from_bytes).map(Some).ok_or_else(malformed)
    }

    /// Makes a key, durable before it is used; of two that make one at once the first wins.
    fn make(&self, slot: u32) -> Result<DataKey, PersonalError> {
        self.make_folder()?;
        let bytes: [u8; 32] = client::system::random()?;
        let whole = format!("{}\n", to_hex(&bytes));
        let path = self.key_path(slot);
        self.write_new(&path, whole.as_bytes())?;
        let data_key = self.read(slot);
        if matches!(data_key, Err(PersonalError::Forgotten(_))) {
            // It was forgotten while it was made: nothing was sealed under it.
            let _gone = fs::remove_file(&path);
        }
        let data_key = data_key?.ok_or(PersonalError::Forgotten(slot))?;
        self.remember(slot);
        Ok(data_key)
    }

    /// A key that somebody else made may be there before its name is durable.
    fn settle(&self, slot: u32) -> Result<(), PersonalError> {
        if !self.makes || self.durable().slots.contains(&slot) {
            return Ok(());
        }
        let failed = |source| PersonalError::File { path: self.path.clone(), source };
        sync(&self.path).map_err(failed)?;
        self.remember(slot);
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, slot: u32) {
        let mut durable = self.durable();
        if durable.slots.len() >= REMEMBERED_MAX {
            durable.slots.clear();
        }
        durable.slots.insert(slot);
    }

    fn make_folder(&self) -> Result<(), PersonalError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let failed = |source| PersonalError::File { path: self.path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(failed)?;
        if !self.durable().folder {
            if let Some(parent) = self.path.parent() {
                sync(parent).map_err(failed)?;
            }
            self.durable().folder = true;
        }
        Ok(())
    }

    /// Puts a whole file in place unless there is one; whether it did.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> Result<bool, PersonalError> {
        let failed = |source| PersonalError::File { path: path.to_owned(), source };
        let unique = to_hex(&client::system::random::<8>()?);
        let temporary = path.with_extension(format!("{unique}.new"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(SECRET_FILE_MODE);
        let mut file = options.open(&temporary).map_err(failed)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        // A link, unlike a rename, never replaces what is there.
        let linked = written.and_then(|()| fs::hard_link(&temporary, path));
        let _gone = fs::remove_file(&temporary);
        match linked {
            Ok(()) => sync(&self.path).map(|()| true).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Whoever made it may not have come so far yet.
                sync(&self.path).map(|()| false).map_err(failed)
            }
            Err(error) => Err(failed(error)),
        }
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(name: &str) -> PersonalKeys {
        let dir = std::env::temp_dir().join(format!("wayleave-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        PersonalKeys::new(dir, "book".parse().unwrap())
    }

    #[test]
    fn words_open_in_their_place_until_their_key_is_forgotten() {
        let keys = keys("personal");
        let (txn, name): (_, Key) = (TransactionId::from_bytes([1; 16]), "payer".parse().unwrap());
        let sealed = keys.seal(7, txn, &name, "Jan Jansen").unwrap();
        assert_eq!(keys.seal(7, txn, &name, "Jan Jansen").unwrap(), sealed, "known again");
        assert!(!sealed.windows(3).any(|bytes| bytes == b"Jan"));
        assert_eq!(keys.open(7, txn, &name, &sealed).unwrap(), "Jan Jansen");
        let other = TransactionId::from_bytes([2; 16]);
        assert!(matches!(keys.open(7, other, &name, &sealed), Err(PersonalError::DoesNotOpen)));
        let beside = keys.seal(8, txn, &name, "Piet").unwrap();
        assert!(keys.forget(7).unwrap());
        assert!(!keys.forget(7).unwrap());
        let gone = |error| matches!(error, Err(PersonalError::Forgotten(7)));
        assert!(gone(keys.open(7, txn, &name, &sealed)));
        assert!(gone(keys.seal(7, txn, &name, "again").map(|_| String::new())));
        assert_eq!(keys.open(8, txn, &name, &beside).unwrap(), "Piet");
        let left: Vec<_> =
            fs::read_dir(&keys.path).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        fs::remove_dir_all(&keys.path).unwrap();
    }

    /// What a reader finds that opened the key's file just before it was forgotten.
    #[test]
    fn what_is_left_of_a_forgotten_key_is_no_key() {
        let keys = keys("personal-left");
        let (txn, name): (_, Key) = (TransactionId::from_bytes([1; 16]), "payer".parse().unwrap());
        keys.seal(7, txn, &name, "Jan").unwrap();
        let aside = keys.path.join("aside");
        fs::hard_link(keys.key_path(7), &aside).unwrap();
        assert!(keys.forget(7).unwrap());
        assert_eq!(fs::read(&aside).unwrap().first_chunk(), Some(&ERASED));
        fs::rename(&aside, keys.key_path(8)).unwrap();
        assert!(matches!(keys.seal(8, txn, &name, "Jan"), Err(PersonalError::File { .. })));
        fs::remove_dir_all(&keys.path).unwrap();
    }

    /// Each moment of a seal at which its slot may be forgotten.
    #[test]
    fn a_key_that_is_forgotten_while_it_is_read_is_not_used() {
        let keys = keys("personal-race");
        let (txn, name): (_, Key) = (TransactionId::from_bytes([1; 16]), "payer".parse().unwrap());
        keys.seal(7, txn, &name, "Jan").unwrap();
        keys.is_not_forgotten(7).unwrap();
        let before = keys.text(7).unwrap();
        assert!(before.is_some());
        keys.forget(7).unwrap();
        let after = keys.text(7).unwrap();
        for text in [before, Some("-".repeat(64)), after] {
            assert!(matches!(keys.key_in(7, text), Err(PersonalError::Forgotten(7))));
        }
        // Nobody makes one anew, and what was made meanwhile does not stay.
        assert!(matches!(keys.make(7), Err(PersonalError::Forgotten(7))));
        assert!(!keys.key_path(7).exists());
        fs::remove_dir_all(&keys.path).unwrap();
    }

    #[test]
    fn what_is_only_tried_makes_no_key() {
        let keys = keys("personal-tried");
        let (txn, name): (_, Key) = (TransactionId::from_bytes([1; 16]), "payer".parse().unwrap());
        let tried = keys.clone().without_making();
        let length = tried.seal(7, txn, &name, "Jan").unwrap().len();
        assert!(!keys.path.exists());
        let sealed = keys.seal(7, txn, &name, "Jan").unwrap();
        assert_eq!((sealed.len(), tried.seal(7, txn, &name, "Jan").unwrap()), (length, sealed));
        fs::remove_dir_all(&keys.path).unwrap();
    }
}
