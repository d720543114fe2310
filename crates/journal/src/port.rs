//! What the loop needs of a store, and what an adapter promises.

use seal::Digest;
use terms::{Epoch, Instant, Position, RunId};

use crate::batch::{Batch, BatchError};

/// An ordered, durable, conditionally appended sequence of batches with one accepted writer.
///
/// The contract, checked by `testkit::contract` on every adapter:
///
/// - [`Append::Appended`]: the batch is durable in the adapter's named class and will be read
///   back, byte for byte, by every later reader, whatever crashes.
/// - [`Append::NotDone`]: surely not in the journal, now or later. The journal is unchanged.
/// - [`Append::Unknown`]: may or may not be there. Nothing more can be appended before
///   [`Journal::claim_epoch`], after which [`Journal::head`] tells which.
/// - An append is atomic: a batch is there whole or not at all.
/// - Nobody retries inside the adapter: the caller claims an epoch, reads the head and decides.
/// - Damaged bytes are an error, never data.
pub trait Journal {
    /// Appends `batch` when the journal's next position is `expected`, the batch chains to the
    /// head, and `epoch` is the newest claimed.
    fn append(&mut self, expected: Position, epoch: Epoch, batch: &Batch) -> Append;

    /// At most `most` batches in order, from the one that holds `position`; empty at the head.
    ///
    /// # Errors
    /// [`ReadError`]: never partial data after damage.
    fn read_from(&self, position: Position, most: usize) -> Result<Vec<Batch>, ReadError>;

    /// Where the journal ends, durably.
    ///
    /// # Errors
    /// [`ReadError::Failed`] when that cannot be said before an epoch is claimed.
    fn head(&self) -> Result<Tip, ReadError>;

    /// Makes the caller the writer: a new epoch, durable, larger than all before. Afterwards
    /// every append of an older epoch is [`NotDone::Fenced`], an append that was in flight is
    /// decided, and the head is known.
    ///
    /// # Errors
    /// [`ClaimError`]: the caller is not the writer; it may ask again.
    fn claim_epoch(&mut self, run: RunId) -> Result<Epoch, ClaimError>;

    /// Bytes of torn appends that opening cut off, for the recovery report. Zero where a store
    /// cannot tear.
    fn torn_bytes(&self) -> u64 {
        0
    }
}

/// The end of a journal, or of a prefix of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Position of the fact that comes next: the number of facts before it.
    pub next: Position,
    /// Digest of the last batch; zero before the first.
    pub digest: Digest,
    /// Stamp of the last batch.
    pub stamp: Instant,
}

impl Tip {
    /// The end of the empty journal.
    pub const GENESIS: Self =
        Self { next: Position::ZERO, digest: Digest::ZERO, stamp: Instant::EPOCH };
}

/// How an append ended. `NotDone` and `Unknown` are never merged: only the first may void.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Append {
    /// Durable.
    Appended,
    /// Surely not there.
    NotDone(NotDone),
    /// May be there: why it cannot be said.
    Unknown(String),
}

/// Why an append surely did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// Another writer claimed a newer epoch.
    #[error("fenced: the newest epoch is `{newest}`")]
    Fenced {
        /// The newest claimed.
        newest: Epoch,
    },
    /// The head is elsewhere.
    #[error("moved: the next position is `{next}`")]
    Moved {
        /// The journal's next position.
        next: Position,
    },
    /// The batch names another book, another epoch or another predecessor than it should.
    #[error("the batch does not follow: {0}")]
    Unchained(&'static str),
    /// The batch is larger than the journal takes.
    #[error("the batch has `{bytes}` bytes, the journal takes `{most}`")]
    TooLarge {
        /// Bytes of the batch.
        bytes: usize,
        /// Most the journal takes.
        most: usize,
    },
    /// No room.
    #[error("full: {0}")]
    Full(String),
    /// The journal stopped after an earlier fault: claim an epoch first.
    #[error("stopped: {0}")]
    Stopped(String),
    /// The world failed before anything could be written.
    #[error("failed: {0}")]
    Failed(String),
}

/// Why batches could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Bytes are damaged.
    #[error("damaged in `{place}` at byte {offset}, batch of position `{batch}`: {error}")]
    Damaged {
        /// Where: a file's name.
        place: String,
        /// Byte offset there.
        offset: u64,
        /// First position of the batch.
        batch: Position,
        /// What is wrong, with the fact where known.
        error: BatchError,
    },
    /// The world failed.
    #[error("failed: {0}")]
    Failed(String),
}

/// Why an epoch could not be claimed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The journal cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The world failed.
    #[error("failed: {0}")]
    Failed(String),
}
