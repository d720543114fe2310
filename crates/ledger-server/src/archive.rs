//! Sealed segments of a journal, copied elsewhere with the proof that they are the book's.
//!
//! An archive is a folder of pairs: a segment's bytes, and a manifest that names their digest,
//! their place in the journal's chain, the log's root at their end and a signed checkpoint over it.
//! Manifests are chained. Nothing in the folder is ever changed. `docs/formats/archive.md`.

mod check;
mod later;
mod manifest;
mod opened;
mod restore;
mod taken;
mod write;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use store::segment::{SEGMENT_SUFFIX, segment_first};
use terms::Position;

pub use check::{ArchiveReport, check};
pub use manifest::{MANIFEST_MAGIC, MANIFEST_SUFFIX, Manifest, manifest_name};
pub use opened::{NotItsCommitment, Opened, known, salts_beside};
pub use restore::{Restored, restore, restore_by};
pub use write::{Archived, archive};

/// How far a long work has come, in segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is being done: `archive`, `check` or `copy`.
    pub stage: &'static str,
    /// Segments done.
    pub done: u64,
    /// Segments in all.
    pub whole: u64,
}

impl Step {
    /// So many of all segments.
    fn of(stage: &'static str, done: usize, whole: usize) -> Self {
        let count = |of| u64::try_from(of).unwrap_or(u64::MAX);
        Self { stage, done: count(done), whole: count(whole) }
    }
}

/// Why nothing, or no more, was archived or restored. What is there stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system failed.
    #[error("`{path}`: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is there already, and it is not the same.
    #[error("`{0}` is there already with other content: nothing is written over it")]
    Exists(PathBuf),
    /// The archive is of another book, or of another history of it.
    #[error("the archive in `{dir}` is not of this book's history: {why}")]
    OtherHistory {
        /// The archive.
        dir: PathBuf,
        /// What differs.
        why: String,
    },
    /// Bytes are not what they were.
    #[error("damaged: {}", .0.join("; "))]
    Damaged(Vec<String>),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] crate::folder::FolderError),
    /// Anything else that must be mended first.
    #[error("{0}")]
    Unready(String),
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ArchiveError + '_ {
    move |source| ArchiveError::File { path: path.to_owned(), source }
}

/// Puts a whole file in place, durably, and never over another. The same bytes may be there.
///
/// # Errors
/// [`ArchiveError::Exists`] and [`ArchiveError::File`].
pub fn put_new(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
    let path = folder.join(name);
    if path.exists() {
        let there = fs::read(&path).map_err(failed(&path))?;
        return if there == bytes { Ok(()) } else { Err(ArchiveError::Exists(path)) };
    }
    let temporary = folder.join(format!("{name}.new"));
    let write = || {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // Linking fails where the name is taken, which renaming would not.
        fs::hard_link(&temporary, &path)?;
        fs::remove_file(&temporary)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(failed(&path))
}

/// The first positions of a journal's segments, in order.
///
/// # Errors
/// [`ArchiveError::File`].
pub fn names_of_segments(journal: &Path) -> Result<Vec<Position>, ArchiveError> {
    let names = names(journal, SEGMENT_SUFFIX)?;
    Ok(names.iter().filter_map(|name| segment_first(name)).collect())
}

/// Names in a folder that end so, sorted.
fn names(folder: &Path, suffix: &str) -> Result<Vec<String>, ArchiveError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let name = entry.map_err(failed(folder))?.file_name();
        found.extend(name.into_string().ok().filter(|name| name.ends_with(suffix)));
    }
    found.sort();
    Ok(found)
}
