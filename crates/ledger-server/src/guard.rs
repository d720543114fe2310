//! What is known of a book outside its folder, so that an older copy of the folder is not served.
//!
//! A copy of a folder agrees with itself: nothing in it tells that newer facts were acknowledged.
//! So a small file lies beside the folder, the *guard*: how far the journal and the log had come,
//! written within a fraction of a second behind them. Checkpoints that others kept say the same.
//! What neither finds, and what is done about it, stands in `docs/formats/guard.md`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use evidence::VerifierKey;
use evidence::tree::TreeHead;
use journal::{Journal, Tip};
use seal::Digest;
use seal::digest::{Domain, digest};
use terms::{Instant, Position};

/// A place of a mark: what a disk may tear is never both.
const STRIDE: u64 = 4096;
/// Marks are written in turn.
const PLACES: u64 = 2;
const MAGIC: &[u8; 16] = b"wayleave mark v1";
/// Of a mark: magic, book, sequence, journal (next, stamp, digest), log (size, root), check.
pub const MARK_BYTES: usize = 16 + 32 + 8 + 8 + 8 + 32 + 8 + 32 + CHECK_BYTES;
const CHECK_BYTES: usize = 16;
const MARK_DOMAIN: Domain = Domain::new("wayleave/ledger/mark/v1");
const BOOK_DOMAIN: Domain = Domain::new("wayleave/ledger/mark/book/v1");

/// How far a book had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which book: made of its log's key, which no other book has.
    pub book: Digest,
    /// Grows by one from mark to mark.
    pub sequence: u64,
    /// The end of a durable batch of the journal.
    pub tip: Tip,
    /// A durable head of the log, at most as large.
    pub log: TreeHead,
}

/// What stands for a book in its marks.
#[must_use]
pub fn book_of(key: &VerifierKey) -> Digest {
    digest(BOOK_DOMAIN, key.to_string().as_bytes())
}

impl Mark {
    /// The bytes of a mark.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(self.book.as_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.tip.next.number().to_be_bytes());
        bytes.extend_from_slice(&self.tip.stamp.nanos().to_be_bytes());
        bytes.extend_from_slice(self.tip.digest.as_bytes());
        bytes.extend_from_slice(&self.log.size.to_be_bytes());
        bytes.extend_from_slice(self.log.root.as_bytes());
        let check = digest(MARK_DOMAIN, &bytes);
        bytes.extend(check.as_bytes().iter().take(CHECK_BYTES));
        bytes
    }

    /// The mark of these bytes; `None` for any that [`Mark::to_bytes`] does not give.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (book, rest) = rest.split_first_chunk::<32>()?;
        let (sequence, rest) = number(rest)?;
        let (next, rest) = number(rest)?;
        let (stamp, rest) = number(rest)?;
        let (last, rest) = rest.split_first_chunk::<32>()?;
        let (size, rest) = number(rest)?;
        let (root, _) = rest.split_first_chunk::<32>()?;
        let tip = Tip {
            next: Position::new(next),
            digest: Digest::from_bytes(*last),
            stamp: Instant::from_nanos(stamp),
        };
        let log = TreeHead { size, root: Digest::from_bytes(*root) };
        let mark = Self { book: Digest::from_bytes(*book), sequence, tip, log };
        (mark.to_bytes() == bytes).then_some(mark)
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}

/// Why a guard cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The file system failed.
    #[error("the guard `{path}`: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither of its marks can be read.
    #[error(
        "the guard `{0}` is damaged: check by a checkpoint that others kept (`--known-checkpoint`) \
         that this folder is the newest, then remove the file"
    )]
    Damaged(PathBuf),
    /// It speaks of another book.
    #[error(
        "the guard `{0}` is of another book: name this book's own with `--guard`, or remove the \
         file if that book is gone"
    )]
    OtherBook(PathBuf),
}

/// The file beside a book's folder.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    file: File,
    book: Digest,
    newest: Option<Mark>,
}

impl Guard {
    /// Opens the guard of the book whose log has this key, or makes an empty one.
    ///
    /// # Errors
    /// [`GuardError`].
    pub fn open(path: &Path, key: &VerifierKey) -> Result<Self, GuardError> {
        let failed = |source| GuardError::File { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(failed)?;
        let (mut newest, mut broken) = (None, false);
        for place in 0..PLACES {
            let mut bytes = vec![0; MARK_BYTES];
            let read = read_up_to(&file, place.saturating_mul(STRIDE), &mut bytes);
            let read = read.map_err(failed)?;
            bytes.truncate(read);
            if bytes.iter().all(|byte| *byte == 0) {
                continue;
            }
            match Mark::from_bytes(&bytes) {
                Some(mark) => newest = newest.max_by_sequence(mark),
                None => broken = true,
            }
        }
        let book = book_of(key);
        match newest {
            None if broken => Err(GuardError::Damaged(path.to_owned())),
            Some(Mark { book: other, .. }) if other != book => {
                Err(GuardError::OtherBook(path.to_owned()))
            }
            newest => Ok(Self { path: path.to_owned(), file, book, newest }),
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it knows; `None` for a new one, which knows nothing.
    #[must_use]
    pub const fn newest(&self) -> Option<&Mark> {
        self.newest.as_ref()
    }

    /// Raises the mark, durably. A crash leaves the mark before it or this one.
    ///
    /// # Errors
    /// The device's: either of the two may stand.
    pub fn raise(&mut self, tip: Tip, log: TreeHead) -> io::Result<()> {
        let known = self.newest.map(|mark| (mark.tip, mark.log));
        if known == Some((tip, log)) {
            return Ok(());
        }
        let sequence = self.newest.map_or(0, |mark| mark.sequence.saturating_add(1));
        let mark = Mark { book: self.book, sequence, tip, log };
        self.file.write_all_at(&mark.to_bytes(), (sequence % PLACES).saturating_mul(STRIDE))?;
        self.file.sync_data()?;
        self.newest = Some(mark);
        Ok(())
    }
}

/// The later of two marks.
trait BySequence {
    fn max_by_sequence(self, other: Mark) -> Option<Mark>;
}

impl BySequence for Option<Mark> {
    fn max_by_sequence(self, other: Mark) -> Self {
        match self {
            Some(mark) if mark.sequence > other.sequence => Some(mark),
            Some(_) | None => Some(other),
        }
    }
}

fn read_up_to(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX)))? {
            0 => break,
            more => read = read.saturating_add(more),
        }
    }
    Ok(read)
}

/// A folder that is not the book that somebody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTheNewest {
    /// It ends before what is known.
    #[error(
        "JournalRolledBack: {by} knows `{known}` facts of this book, this journal ends at \
         `{head}`: positions `{head}` to `{last}` are missing, and they were acknowledged. This \
         folder is an older copy: put the newest one back, or build it from an archive with \
         `wayleave ledger restore`"
    )]
    RolledBack {
        /// Who knows.
        by: String,
        /// One after the last position that is known.
        known: Position,
        /// One after the last position of the journal.
        head: Position,
        /// The last that is missing.
        last: Position,
    },
    /// Other facts stand at positions that are known.
    #[error(
        "JournalForked: up to position `{known}` this journal has other facts than {by} knows: an \
         older copy of the folder was written on. Put the newest copy of the book's own history \
         back"
    )]
    Forked {
        /// Who knows.
        by: String,
        /// One after the last position that is known.
        known: Position,
    },
    /// It cannot be told.
    #[error("whether this folder is the newest copy cannot be told: {0}")]
    Unread(String),
}

impl NotTheNewest {
    /// What is known of `known` facts, and the journal ends at `head` before.
    pub(crate) fn rolled_back(by: &str, known: u64, head: Position) -> Self {
        let (known, last) = (Position::new(known), Position::new(known.saturating_sub(1)));
        Self::RolledBack { by: by.to_owned(), known, head, last }
    }
}

/// Compares a journal with a guard's mark, before anything is written to it.
///
/// # Errors
/// [`NotTheNewest`].
pub fn compare<J: Journal>(journal: &J, guard: &Guard) -> Result<(), NotTheNewest> {
    let Some(mark) = guard.newest() else { return Ok(()) };
    let by = format!("the guard `{}`", guard.path.display());
    let unread = |error: &dyn std::fmt::Display| NotTheNewest::Unread(error.to_string());
    let head = journal.head().map_err(|error| unread(&error))?.next;
    let known = mark.tip.next;
    if known > head {
        return Err(NotTheNewest::rolled_back(&by, known.number(), head));
    }
    let Some(last) = known.number().checked_sub(1) else { return Ok(()) };
    let read = journal.read_from(Position::new(last), 1).map_err(|error| unread(&error))?;
    match read.first().map(journal::Batch::tip) {
        Some(tip) if tip == mark.tip => Ok(()),
        Some(_) | None => Err(NotTheNewest::Forked { by, known }),
    }
}

#[cfg(test)]
mod tests {
    use seal::text::to_hex;

    use super::*;

    fn mark() -> Mark {
        let tip = Tip {
            next: Position::new(258),
            digest: Digest::from_bytes([2; 32]),
            stamp: Instant::from_nanos(7),
        };
        let log = TreeHead { size: 257, root: Digest::from_bytes([3; 32]) };
        Mark { book: Digest::from_bytes([1; 32]), sequence: 5, tip, log }
    }

    #[test]
    fn a_mark_is_fixed_and_no_changed_one_is_read() {
        let bytes = mark().to_bytes();
        let golden = [
            "7761796c65617665206d61726b207631", // wayleave mark v1
            &"01".repeat(32),                   // the book
            "0000000000000005",                 // sequence
            "0000000000000102",                 // the journal: next position
            "0000000000000007",                 // stamp
            &"02".repeat(32),                   // digest of the last batch
            "0000000000000101",                 // the log: size
            &"03".repeat(32),                   // root
        ];
        let (covered, check) = bytes.split_at(MARK_BYTES - CHECK_BYTES);
        assert_eq!(to_hex(covered), golden.concat());
        assert_eq!(to_hex(check), to_hex(&digest(MARK_DOMAIN, covered).as_bytes()[..CHECK_BYTES]));
        assert_eq!(Mark::from_bytes(&bytes), Some(mark()));
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            assert_eq!(Mark::from_bytes(&other), None, "byte {place}");
        }
        assert_eq!(Mark::from_bytes(&bytes[1..]), None);
    }

    #[test]
    fn a_torn_mark_leaves_the_one_before() {
        let path = std::env::temp_dir().join(format!("wayleave-guard-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let signing = seal::SigningKey::from_seed(&[1; 32]);
        let key = VerifierKey::of_log("a.example/log".parse().unwrap(), signing.public_key());
        let other = VerifierKey::of_log("b.example/log".parse().unwrap(), signing.public_key());
        let mut guard = Guard::open(&path, &key).unwrap();
        assert_eq!(guard.newest(), None);
        let at = |next| Tip { next: Position::new(next), ..mark().tip };
        for next in 1..=3 {
            guard.raise(at(next), mark().log).unwrap();
        }
        assert_eq!(Guard::open(&path, &key).unwrap().newest().unwrap().tip, at(3));
        assert!(matches!(Guard::open(&path, &other), Err(GuardError::OtherBook(_))));
        // The third mark lies in the first place.
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[0xff], 100).unwrap();
        assert_eq!(Guard::open(&path, &key).unwrap().newest().unwrap().tip, at(2));
        file.write_all_at(&[0xff], STRIDE + 100).unwrap();
        assert!(matches!(Guard::open(&path, &key), Err(GuardError::Damaged(_))));
        std::fs::remove_file(&path).unwrap();
    }
}
