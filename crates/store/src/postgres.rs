//! The journal as rows of a PostgreSQL server.
//!
//! For who already runs such a server, with its backups and standbys, and can wait for its commit
//! (figures in ADR 0017). `docs/formats/postgres-journal.md` has the tables, the statements, and
//! how to check the chain with SQL alone.
//!
//! # Crash story
//!
//! An append is one conditional insert, a transaction of its own, acknowledged when the server
//! says that it ended; the server says so after its commit record is durable. **The server refuses
//! it** (an error of severity `ERROR`): rolled back. **It took no row**: fenced, moved or
//! unchained, found out by a read. **Anything else** (the connection is lost, the server is
//! stopped, it answers nothing, or it warns while it commits): *unknown*, the connection is closed,
//! and all further appends are refused until [`Journal::claim_epoch`].
//!
//! *Claiming* connects again and updates the book's epoch row. An append in flight holds that row
//! with `for share` until it is committed or rolled back, so the update waits for it; one that
//! reaches the server later finds a newer epoch and takes no row. When the claim returns, the
//! append is decided: its position is read and its bytes compared ([`Resolution`]).
//!
//! *Opening* runs a commit that changes nothing on the epoch row, for the same two reasons: it
//! waits for what is in flight, and makes durable what it saw.
//!
//! Nothing is retried here, and nothing connects again but [`Journal::claim_epoch`].

use std::sync::Arc;
use std::time::Duration;

use journal::batch::BATCH_BYTES_MAX;
use journal::memory::{Epochs, admissible};
use journal::{Append, Batch, ClaimError, Journal, NotDone, ReadError, Tip};
use terms::{Epoch, Position, RunId};
use tokio_postgres::error::SqlState;

use self::lane::Lane;
use self::row::{NewRow, StoredRow, tip, unchained};
use self::session::{Failure, Refusal, Session};

mod config;
mod desk;
mod lane;
mod leader;
mod lease;
mod reader;
mod row;
mod salts;
mod schema;
mod server;
mod session;

pub use self::config::{ClusterMember, ConfigError, Deadlines, PostgresConfig};
pub use self::lease::{Held, Lease, LeaseState};
pub use self::reader::PostgresReader;
pub use self::salts::PostgresSalts;
pub use self::schema::SchemaError;
pub use self::server::{
    DataChecksums, Durability, SERVER_VERSION_MIN, ServerFacts, ServerRefusal, SynchronousCommit,
};

/// Rows read in one statement: at most 32 MiB in memory beside the batches.
const READ_ROWS_MAX: usize = 32;
/// Hosts of a connection string that are tried within one opening, each with its own deadline.
const HOSTS_TRIED: u32 = 4;

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenPostgresError {
    /// No thread for the client.
    #[error("the client's thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// The server may lose what it acknowledged, or takes no writes.
    #[error(transparent)]
    Server(#[from] ServerRefusal),
    /// The tables are not ours.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The server refused or was lost.
    #[error("failed: {0}")]
    Failed(String),
    /// Nothing within the deadlines.
    #[error("no answer within `{0:?}`")]
    Late(Duration),
}

impl From<Refusal> for OpenPostgresError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Server(why) => Self::Server(why),
            Refusal::Failed(failure) => Self::Failed(failure.to_string()),
        }
    }
}

/// What became of an append that ended as *unknown*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The batch is in the journal.
    Landed(Position),
    /// It is not, and never will be.
    Lost(Position),
    /// It is not; another writer's batch has its position.
    Superseded(Position),
}

/// A journal over PostgreSQL. Durability class: what [`PostgresJournal::server`] says.
#[derive(Debug)]
pub struct PostgresJournal {
    // Before the lane: a session's connection is closed on the lane's thread.
    session: Option<Arc<Session>>,
    lane: Lane,
    config: PostgresConfig,
    facts: ServerFacts,
    /// Why nothing can be appended before an epoch is claimed.
    stopped: Option<String>,
    in_doubt: Option<InDoubt>,
    resolution: Option<Resolution>,
}

#[derive(Debug)]
struct InDoubt {
    first: Position,
    bytes: Vec<u8>,
}

/// Makes the tables of the journal, or brings them up to date; tells how many migrations were
/// applied. Needs a user who may create a schema; appending does not.
///
/// # Errors
/// [`OpenPostgresError`]: nothing was changed, or, when the connection was lost at the very end,
/// everything.
pub fn migrate(config: &PostgresConfig) -> Result<usize, OpenPostgresError> {
    let lane = Lane::start()?;
    let limit = opening_limit(config.deadlines);
    let (connector, server) = (Arc::clone(&config.connector), config.server.clone());
    let applied = lane.wait(limit, async move {
        let server = server.primary().await.map_err(OpenPostgresError::Connect)?;
        let link = connector.connect(server).0.await.map_err(OpenPostgresError::Connect)?;
        let applied = schema::migrate(&link).await;
        link.abort();
        Ok(applied?)
    });
    applied.unwrap_or(Err(OpenPostgresError::Late(limit)))
}

impl PostgresJournal {
    /// Connects, checks the server and its tables, and waits until what an earlier writer left in
    /// flight is decided.
    ///
    /// # Errors
    /// [`OpenPostgresError`].
    pub fn open(config: PostgresConfig) -> Result<Self, OpenPostgresError> {
        let lane = Lane::start()?;
        let session = enter(&lane, &config)?;
        let facts = *session.facts();
        Ok(Self {
            session: Some(Arc::new(session)),
            lane,
            config,
            facts,
            stopped: None,
            in_doubt: None,
            resolution: None,
        })
    }

    /// What the server said of itself.
    #[must_use]
    pub const fn server(&self) -> &ServerFacts {
        &self.facts
    }

    /// What became of the latest append that ended as *unknown*, once an epoch was claimed.
    #[must_use]
    pub const fn resolution(&self) -> Option<Resolution> {
        self.resolution
    }

    fn stop(&mut self, why: &str) {
        self.session = None;
        self.stopped = Some(why.to_owned());
    }

    fn unknown(&mut self, batch: &Batch, why: String) -> Append {
        self.stop(&why);
        let bytes = batch.bytes().to_vec();
        self.in_doubt = Some(InDoubt { first: batch.origin().first, bytes });
        self.resolution = None;
        Append::Unknown(why)
    }

    /// Why a batch that was not taken was not: said by what the journal holds now. What stands
    /// in the way of an append stays: epochs and heads only grow.
    fn why_not(&mut self, expected: Position, epoch: Epoch, batch: &Batch) -> NotDone {
        let standing = match self.ask(|session| async move { session.standing().await }) {
            Ok(standing) => standing,
            Err(why) => {
                self.stop(&why);
                return NotDone::Failed(format!("not taken; why could not be read: {why}"));
            }
        };
        let newest = Epoch::new(u64::try_from(standing.newest).unwrap_or(u64::MAX));
        let head = standing.head.map_or(Tip::GENESIS, tip);
        let epochs = Epochs { offered: epoch, newest };
        match admissible(batch, expected, epochs, &self.config.book, &head) {
            Err(why) => why,
            Ok(()) => NotDone::Failed("not taken, and nothing stands in the way".into()),
        }
    }

    /// Runs one question on the session; the error says why there is no answer.
    fn ask<T, F, Q>(&self, question: Q) -> Result<T, String>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
        Q: FnOnce(Arc<Session>) -> F,
    {
        let session = match (&self.session, &self.stopped) {
            (Some(session), None) => Arc::clone(session),
            (_, Some(why)) => return Err(format!("stopped: {why}")),
            (None, None) => return Err("not open".into()),
        };
        let limit = self.config.deadlines.answer;
        match self.lane.wait(limit, question(Arc::clone(&session))) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(refused @ Failure::Refused { .. })) => Err(refused.to_string()),
            // A connection that may still answer an older question is not asked another one.
            Some(Err(Failure::Lost(why))) => {
                session.close();
                Err(why)
            }
            None => {
                session.close();
                Err(format!("no answer within `{limit:?}`"))
            }
        }
    }

    /// Reads the position of the append in doubt and compares bytes. Only after a claim.
    fn resolve(&mut self) -> Result<(), String> {
        let Some(InDoubt { first, .. }) = self.in_doubt else { return Ok(()) };
        let found = self.ask(|session| async move { session.bytes_at(first).await })?;
        let Some(InDoubt { first, bytes }) = self.in_doubt.take() else { return Ok(()) };
        self.resolution = Some(match found {
            None => Resolution::Lost(first),
            Some(found) if found == bytes => Resolution::Landed(first),
            Some(_) => Resolution::Superseded(first),
        });
        Ok(())
    }

    fn read_page(&self, from: Position, most: usize) -> Result<Vec<Batch>, ReadError> {
        let Ok(from) = i64::try_from(from.number()) else { return Ok(Vec::new()) };
        let most = i64::try_from(most.min(READ_ROWS_MAX)).unwrap_or(i64::MAX);
        let rows = self.ask(|session| async move { session.read(from, most).await });
        let rows = rows.map_err(ReadError::Failed)?;
        rows.iter().map(|row: &StoredRow| row.batch(&self.config.book)).collect()
    }
}

/// How long opening may take in all.
fn opening_limit(deadlines: Deadlines) -> Duration {
    deadlines.connect.saturating_mul(HOSTS_TRIED).saturating_add(deadlines.answer)
}

fn enter(lane: &Lane, config: &PostgresConfig) -> Result<Session, OpenPostgresError> {
    let limit = opening_limit(config.deadlines);
    let (connector, server) = (Arc::clone(&config.connector), config.server.clone());
    let (book, deadlines, wanted) = (config.book, config.deadlines, config.wanted);
    let session = lane.wait(limit, async move {
        let server = server.primary().await.map_err(OpenPostgresError::Connect)?;
        let link = connector.connect(server).0.await.map_err(OpenPostgresError::Connect)?;
        schema::check(&link).await?;
        Ok(Session::enter(link, book, deadlines, wanted).await?)
    });
    let session = session.unwrap_or(Err(OpenPostgresError::Late(limit)));
    if session.is_err() {
        config.server.pass_over();
    }
    session
}

impl Journal for PostgresJournal {
    fn append(&mut self, expected: Position, epoch: Epoch, batch: &Batch) -> Append {
        if let Some(why) = &self.stopped {
            return Append::NotDone(NotDone::Stopped(why.clone()));
        }
        let Some(session) = self.session.clone().filter(|session| !session.is_closed()) else {
            let why = "the connection was lost before anything was sent";
            self.stop(why);
            return Append::NotDone(NotDone::Failed(why.into()));
        };
        let origin = batch.origin();
        let as_stated = origin.book == self.config.book
            && origin.first == expected
            && origin.epoch == epoch
            && batch.bytes().len() <= BATCH_BYTES_MAX;
        if !as_stated {
            return Append::NotDone(self.why_not(expected, epoch, batch));
        }
        let Some(row) = NewRow::of(batch) else {
            return Append::NotDone(NotDone::Full("a number is beyond 2^63 − 1".into()));
        };
        let limit = self.config.deadlines.answer;
        let sent = self.lane.wait(limit, async move { session.append(&row).await });
        match sent {
            Some(Ok(true)) => Append::Appended,
            Some(Ok(false)) => Append::NotDone(self.why_not(expected, epoch, batch)),
            Some(Err(Failure::Refused { code, .. })) if code == SqlState::UNIQUE_VIOLATION => {
                Append::NotDone(self.why_not(expected, epoch, batch))
            }
            Some(Err(refused @ Failure::Refused { .. })) => {
                Append::NotDone(refused_append(&refused))
            }
            Some(Err(Failure::Lost(why))) => self.unknown(batch, why),
            None => self.unknown(batch, format!("no answer within `{limit:?}`")),
        }
    }

    fn read_from(&self, from: Position, most: usize) -> Result<Vec<Batch>, ReadError> {
        let mut read: Vec<Batch> = Vec::new();
        while read.len() < most {
            let wanted = most.saturating_sub(read.len()).min(READ_ROWS_MAX);
            let end = read.last().map(Batch::tip);
            let page = self.read_page(end.map_or(from, |tip| tip.next), wanted)?;
            let is_last = page.len() < wanted;
            follow_one_another(&self.config.book, from, read.last(), &page)?;
            read.extend(page);
            if is_last {
                break;
            }
        }
        Ok(read)
    }

    fn head(&self) -> Result<Tip, ReadError> {
        let last = self.ask(|session| async move { session.last().await });
        match last.map_err(ReadError::Failed)? {
            None => Ok(Tip::GENESIS),
            Some(row) => Ok(row.batch(&self.config.book)?.tip()),
        }
    }

    fn claim_epoch(&mut self, run: RunId) -> Result<Epoch, ClaimError> {
        let failed = |error: &dyn std::fmt::Display| ClaimError::Failed(error.to_string());
        let session = match self.session.clone().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => {
                self.stop("the connection was lost");
                Arc::new(enter(&self.lane, &self.config).map_err(|error| failed(&error))?)
            }
        };
        self.session = Some(Arc::clone(&session));
        let (limit, class) = (self.config.deadlines.answer, self.facts.durability);
        let leased = self.config.leased;
        let claimed = self.lane.wait(limit, async move { session.claim(run, class, leased).await });
        let number = match claimed {
            Some(Ok(number)) => number,
            Some(Err(refusal)) => {
                let error = OpenPostgresError::from(refusal);
                self.config.server.pass_over();
                self.stop(&error.to_string());
                return Err(failed(&error));
            }
            None => {
                self.config.server.pass_over();
                self.stop("the claim was not answered");
                return Err(failed(&format!("no answer within `{limit:?}`")));
            }
        };
        self.stopped = None;
        if let Err(why) = self.resolve() {
            self.stop(&why);
            return Err(failed(&why));
        }
        u64::try_from(number).map(Epoch::new).map_err(|_| failed(&"the epoch is negative"))
    }
}

/// What a refusal by the server means for the append: it was rolled back in every case.
fn refused_append(refused: &Failure) -> NotDone {
    match refused {
        Failure::Refused { code, .. } if *code == SqlState::DISK_FULL => {
            NotDone::Full(refused.to_string())
        }
        Failure::Refused { .. } | Failure::Lost(_) => NotDone::Failed(refused.to_string()),
    }
}

/// Whether batches that were read stand without a gap, the first at `from` or after `before`.
fn follow_one_another(
    book: &terms::BookName,
    from: Position,
    before: Option<&Batch>,
    page: &[Batch],
) -> Result<(), ReadError> {
    let mut end = before.map(Batch::tip);
    for batch in page {
        let first = batch.origin().first;
        match &end {
            None if first > from => {
                return Err(unchained(book, first, 59, "the batch before it is missing"));
            }
            None => {}
            Some(tip) => {
                batch.follows(tip, book).map_err(|error| row::damaged(book, first, error))?;
            }
        }
        end = Some(batch.tip());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_shows_the_statements_that_run() {
        let page = include_str!("../../../docs/formats/postgres-journal.md");
        for statement in [super::session::APPEND, super::session::CLAIM] {
            assert!(page.contains(statement), "{statement}");
        }
    }
}
