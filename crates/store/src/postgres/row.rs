//! A batch as a row: columns that SQL can check, and the bytes that are the truth.

use journal::{Batch, BatchError, BatchProblem, ReadError};
use seal::Digest;
use terms::{BookName, Instant, Position};
use tokio_postgres::Row;

use super::session::Failure;

/// What is inserted.
#[derive(Clone, Debug)]
pub(super) struct NewRow {
    pub(super) first: i64,
    pub(super) next: i64,
    pub(super) epoch: i64,
    pub(super) previous: [u8; 32],
    pub(super) digest: [u8; 32],
    pub(super) stamp: i64,
    pub(super) bytes: Vec<u8>,
}

impl NewRow {
    /// `None` when a number is beyond what a column holds: 2^63 − 1.
    pub(super) fn of(batch: &Batch) -> Option<Self> {
        let origin = batch.origin();
        let number = |number: u64| i64::try_from(number).ok();
        Some(Self {
            first: number(origin.first.number())?,
            next: number(batch.tip().next.number())?,
            epoch: number(origin.epoch.number())?,
            previous: *origin.previous.as_bytes(),
            digest: *batch.digest().as_bytes(),
            stamp: number(origin.stamp.nanos())?,
            bytes: batch.bytes().to_vec(),
        })
    }
}

/// What is read back.
#[derive(Clone, Debug)]
pub(super) struct StoredRow {
    first: i64,
    next: i64,
    epoch: i64,
    previous: Vec<u8>,
    digest: Vec<u8>,
    stamp: i64,
    bytes: Vec<u8>,
}

impl StoredRow {
    pub(super) fn of(row: &Row) -> Result<Self, Failure> {
        let read = || {
            Ok(Self {
                first: row.try_get(0)?,
                next: row.try_get(1)?,
                epoch: row.try_get(2)?,
                previous: row.try_get(3)?,
                digest: row.try_get(4)?,
                stamp: row.try_get(5)?,
                bytes: row.try_get(6)?,
            })
        };
        read().map_err(|error| Failure::unreadable(&error))
    }

    /// The batch, when its bytes are one and every column says what the bytes say.
    pub(super) fn batch(&self, book: &BookName) -> Result<Batch, ReadError> {
        let first = position(self.first);
        let batch = Batch::decode(&self.bytes).map_err(|error| damaged(book, first, error))?;
        let (origin, tip) = (batch.origin(), batch.tip());
        let holds = [
            (origin.book == *book, 10, "the column `book` differs from the bytes"),
            (origin.first == first, 59, "the column `first` differs from the bytes"),
            (tip.next == position(self.next), 59, "the column `next` differs from the bytes"),
            (
                u64::try_from(self.epoch) == Ok(origin.epoch.number()),
                67,
                "the column `epoch` differs from the bytes",
            ),
            (
                origin.previous.as_bytes().as_slice() == self.previous,
                91,
                "the column `previous` differs from the bytes",
            ),
            (
                batch.digest().as_bytes().as_slice() == self.digest,
                0,
                "the column `digest` differs from the bytes",
            ),
            (
                u64::try_from(self.stamp) == Ok(origin.stamp.nanos()),
                123,
                "the column `stamp` differs from the bytes",
            ),
        ];
        match holds.iter().find(|(holds, ..)| !holds) {
            None => Ok(batch),
            Some((_, offset, why)) => Err(unchained(book, first, *offset, why)),
        }
    }
}

/// A column's number; the table refuses negative ones.
pub(super) fn position(number: i64) -> Position {
    Position::new(u64::try_from(number).unwrap_or(u64::MAX))
}

/// The head that columns describe.
pub(super) fn tip((next, digest, stamp): (i64, [u8; 32], i64)) -> journal::Tip {
    journal::Tip {
        next: position(next),
        digest: Digest::from_bytes(digest),
        stamp: Instant::from_nanos(u64::try_from(stamp).unwrap_or(u64::MAX)),
    }
}

/// Damage with its place.
pub(super) fn damaged(book: &BookName, first: Position, error: BatchError) -> ReadError {
    ReadError::Damaged {
        place: format!("wayleave_journal.batch, book {book}, first {first}"),
        offset: u64::try_from(error.offset).unwrap_or(u64::MAX),
        batch: first,
        error,
    }
}

/// A row that cannot stand where it stands.
pub(super) fn unchained(
    book: &BookName,
    first: Position,
    offset: usize,
    why: &'static str,
) -> ReadError {
    let problem = BatchProblem::Unchained(why);
    damaged(book, first, BatchError { batch: Some(first), fact: None, offset, problem })
}
