//! Who serves a book, as a row: advice for those who wait to serve it.
//!
//! A wrong decision by it is safe, only disruptive: whoever takes over claims an epoch of the
//! journal, and an older writer's next append is refused, whatever this row says.

use terms::RunId;

use super::config::PostgresConfig;
use super::desk::{Desk, Purpose, With};
use super::session::Failure;

const LOOK: &str = "select holder, run, beat, state from wayleave_journal.lease where book = $1";
// Only over the row that was seen: of two that wait, one wins.
const TAKE: &str = "insert into wayleave_journal.lease as l (book, holder, run, beat, state) \
    values ($1, $2, $3, $4::bigint + 1, 'held') \
    on conflict (book) do update \
    set holder = excluded.holder, run = excluded.run, beat = excluded.beat, state = 'held', \
        beaten_at = now() \
    where l.beat = $4::bigint \
    returning beat";
const BEAT: &str = "update wayleave_journal.lease set beat = beat + 1, beaten_at = now() \
    where book = $1 and run = $2 and state = 'held' returning beat";
const RELEASE: &str = "update wayleave_journal.lease set state = 'released', beat = beat + 1 \
    where book = $1 and run = $2 returning beat";

/// The row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where the holder serves.
    pub holder: String,
    /// Its run.
    pub run: RunId,
    /// Grows with every sign of life.
    pub beat: i64,
    /// Whether it still means to serve.
    pub state: LeaseState,
}

/// Whether the holder still means to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// It does, as long as it beats.
    Held,
    /// It stopped in order.
    Released,
}

/// The lease of one book.
#[derive(Debug)]
pub struct Lease {
    desk: Desk,
    run: RunId,
    holder: String,
}

impl Lease {
    /// The lease beside the journal of `config`, for the run of a process that serves at `holder`.
    ///
    /// # Errors
    /// No thread for the client.
    pub fn open(config: PostgresConfig, run: RunId, holder: String) -> std::io::Result<Self> {
        Ok(Self { desk: Desk::open(config, Purpose::Writing)?, run, holder })
    }

    /// This process run.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }

    fn book(&self) -> String {
        self.desk.config().book().to_string()
    }

    /// The row, as the leader has it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn look(&self) -> Result<Option<Held>, String> {
        let rows = self.desk.query(LOOK, With(vec![Box::new(self.book())]));
        let rows = rows.map_err(|failure| failure.to_string())?;
        let Some(row) = rows.first() else { return Ok(None) };
        let read = || {
            let run: &[u8] = row.try_get(1)?;
            let state: &str = row.try_get(3)?;
            Ok(Held {
                holder: row.try_get(0)?,
                // A run of another length is refused by the table.
                run: RunId::from_bytes(run.try_into().unwrap_or_default()),
                beat: row.try_get(2)?,
                state: if state == "held" { LeaseState::Held } else { LeaseState::Released },
            })
        };
        read().map(Some).map_err(|error: tokio_postgres::Error| error.to_string())
    }

    /// Takes the lease over what was seen; `false` when somebody was quicker or it beat again.
    ///
    /// # Errors
    /// Why nobody knows whether it was taken: look again.
    pub fn take(&self, seen: Option<&Held>) -> Result<bool, String> {
        let beat = seen.map_or(0, |held| held.beat);
        let run = self.run.bytes().to_vec();
        let with = With(vec![
            Box::new(self.book()),
            Box::new(self.holder.clone()),
            Box::new(run),
            Box::new(beat),
        ]);
        self.changed(TAKE, with)
    }

    /// A sign of life; `false` when another run holds the lease: stop serving.
    ///
    /// # Errors
    /// Why nobody knows.
    pub fn beat(&self) -> Result<bool, String> {
        let with = With(vec![Box::new(self.book()), Box::new(self.run.bytes().to_vec())]);
        self.changed(BEAT, with)
    }

    /// Gives the lease back, so that nobody has to wait for it.
    ///
    /// # Errors
    /// Why it was not given back, perhaps: others wait a little longer.
    pub fn release(&self) -> Result<bool, String> {
        let with = With(vec![Box::new(self.book()), Box::new(self.run.bytes().to_vec())]);
        self.changed(RELEASE, with)
    }

    fn changed(&self, text: &'static str, with: With) -> Result<bool, String> {
        let rows = self.desk.query(text, with).map_err(|failure: Failure| failure.to_string())?;
        Ok(!rows.is_empty())
    }
}
