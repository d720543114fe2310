//! Reading a journal without being its writer: from any server of the cluster.
//!
//! A replica shows a batch before its commit is confirmed, and one that is not confirmed may be
//! gone after a change of leaders. What is read here is durable only when another batch stands
//! behind it: a writer appends nothing before the batch in front is acknowledged.

use journal::{Batch, ReadError};
use terms::{BookName, Position};

use super::config::PostgresConfig;
use super::desk::{Desk, Purpose, With};
use super::row::StoredRow;
use super::session::READ;
use super::{READ_ROWS_MAX, follow_one_another};

/// A journal that others write.
#[derive(Debug)]
pub struct PostgresReader {
    desk: Desk,
}

impl PostgresReader {
    /// Nothing is asked of a server before the first reading.
    ///
    /// # Errors
    /// No thread for the client.
    pub fn open(config: PostgresConfig) -> std::io::Result<Self> {
        Ok(Self { desk: Desk::open(config, Purpose::Reading)? })
    }

    /// The book.
    #[must_use]
    pub const fn book(&self) -> BookName {
        self.desk.config().book()
    }

    /// At most 32 batches in order, from the one that holds `from`; empty at the end of what this
    /// server has.
    ///
    /// # Errors
    /// [`ReadError`]: another server is asked the next time.
    pub fn read_from(&self, from: Position, most: usize) -> Result<Vec<Batch>, ReadError> {
        let book = self.book();
        let Ok(first) = i64::try_from(from.number()) else { return Ok(Vec::new()) };
        let most = i64::try_from(most.min(READ_ROWS_MAX)).unwrap_or(i64::MAX);
        let with = With(vec![Box::new(book.to_string()), Box::new(first), Box::new(most)]);
        let rows = self.desk.query(READ, with);
        let rows = rows.map_err(|failure| ReadError::Failed(failure.to_string()))?;
        let read = |row| {
            let row = StoredRow::of(row).map_err(|e| ReadError::Failed(e.to_string()))?;
            row.batch(&book)
        };
        let page = rows.iter().map(read).collect::<Result<Vec<Batch>, ReadError>>()?;
        follow_one_another(&book, from, None, &page)?;
        Ok(page)
    }
}
