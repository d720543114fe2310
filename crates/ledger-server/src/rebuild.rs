//! The read models, made again from the journal by one command, while nobody serves the book.

use std::sync::atomic::{AtomicU64, Ordering};

use bookkeeping::{Event, LedgerFact};
use journal::{Journal as _, ReadError};
use store::disk::TakeError;
use store::views::{Config, Views};
use store::{FileDisk, OpenJournalError, Opening, SegmentConfig, SegmentJournal};
use terms::Position;

use crate::folder::Folder;
use crate::serve::SEGMENT_BYTES;

/// Batches read at once.
const BATCHES: usize = 8;

/// Why the read models were not rebuilt. What was there before is gone; the next try, or the next
/// start of the book, begins from nothing.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The book is served, or the folder cannot be used.
    #[error(transparent)]
    Disk(#[from] TakeError),
    /// Its journal cannot be opened.
    #[error("the journal: {0}")]
    Open(#[from] OpenJournalError),
    /// Its journal cannot be read.
    #[error("the journal: {0}")]
    Read(#[from] ReadError),
    /// The new file failed.
    #[error("the read models: {0}")]
    Views(String),
}

/// Throws the read models of a folder away and folds the whole journal into new ones; says after
/// every few batches how far it has come, and in the end how many facts they hold.
///
/// # Errors
/// [`RebuildError`].
pub fn views(
    folder: &Folder,
    mut told: impl FnMut(Position, Position),
) -> Result<Position, RebuildError> {
    let failed = |error: &dyn std::fmt::Display| RebuildError::Views(error.to_string());
    let disk = FileDisk::take(&folder.part("journal"))?;
    let config = SegmentConfig {
        book: folder.book(),
        segment_bytes: SEGMENT_BYTES,
        opening: Opening::ReadsTail,
    };
    let journal = SegmentJournal::open(disk, config)?;
    let head = journal.head()?.next;
    let path = folder.part("views");
    std::fs::create_dir_all(&path).map_err(|error| failed(&error))?;
    let opened = Views::rebuild(&path.join("views.redb"), &Config::standard(seed()));
    let (mut feed, _views) = opened.map_err(|error| failed(&error))?;
    let (mut next, mut last) = (Position::ZERO, None);
    while next < head {
        for batch in journal.read_from(next, BATCHES)? {
            let stamp = batch.origin().stamp;
            for stored in batch.entries() {
                let fact = stored.fact::<LedgerFact>().map_err(|error| failed(&error))?;
                if let Event::Changed(change) = &fact.event {
                    let taken = feed.take(stored.position, stamp, change);
                    taken.map_err(|error| failed(&error))?;
                }
            }
            feed.batch_end(&batch.tip()).map_err(|error| failed(&error))?;
            next = batch.tip().next;
            last = Some(batch.tip());
        }
        told(next, head);
    }
    if let Some(tip) = last {
        feed.flush(&tip).map_err(|error| failed(&error))?;
    }
    Ok(next)
}

/// A seed for the index of accounts in memory, which lives as long as this call: nobody can
/// choose ids against it meanwhile.
fn seed() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    u64::from(std::process::id()).rotate_left(32) ^ CALLS.fetch_add(1, Ordering::Relaxed)
}
