//! One connection: what is checked and set on it, its statements, and how an answer is judged.
//!
//! The rule that everything hangs on: an error of severity `ERROR` means that the server rolled
//! the statement back and lives on to say so; whatever else ends a call (`FATAL`, a closed
//! socket, silence) says nothing about whether it was committed.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use terms::{BookName, Position, RunId};
use tokio::task::AbortHandle;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Config, Error, Row, Socket, Statement};

use super::config::Deadlines;
use super::row::{NewRow, StoredRow};
use super::server::{Durability, ServerFacts, ServerRefusal};

/// What the client runs; `docs/formats/postgres-journal.md` explains each.
pub(super) const APPEND: &str = include_str!("sql/append.sql");
pub(super) const CLAIM: &str = include_str!("sql/claim.sql");
const CLAIM_LEASED: &str = include_str!("sql/claim_leased.sql");
const ENTER: &str = include_str!("sql/enter.sql");
const STANDING: &str = include_str!("sql/standing.sql");
const LAST: &str = include_str!("sql/last.sql");
pub(super) const READ: &str = include_str!("sql/read.sql");
const AT: &str = include_str!("sql/at.sql");
const SERVER: &str = include_str!("sql/server.sql");

/// How a statement failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server refused it and rolled it back: surely not done.
    Refused {
        /// The SQLSTATE.
        code: SqlState,
        /// The server's sentence. Never its detail, which may show a row.
        message: String,
    },
    /// No telling.
    Lost(String),
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        match error.as_db_error() {
            Some(db) if db.parsed_severity() == Some(Severity::Error) => {
                Self::Refused { code: db.code().clone(), message: db.message().to_owned() }
            }
            Some(db) => Self::Lost(format!("{}: {}", db.severity(), db.message())),
            None => Self::Lost(error.to_string()),
        }
    }

    /// An answer that cannot be read is no answer.
    pub(super) fn unreadable(error: &Error) -> Self {
        Self::Lost(format!("the answer cannot be read: {error}"))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { code, message } => write!(f, "{message} ({})", code.code()),
            Self::Lost(why) => f.write_str(why),
        }
    }
}

/// The newest epoch and the head, as the columns say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) newest: i64,
    /// Next position, digest, stamp.
    pub(super) head: Option<(i64, [u8; 32], i64)>,
}

/// A checked connection with its statements.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    driver: AbortHandle,
    warned: Arc<AtomicBool>,
    closed: AtomicBool,
    book: BookName,
    facts: ServerFacts,
    statements: Statements,
}

#[derive(Debug)]
struct Statements {
    append: Statement,
    claim: Statement,
    standing: Statement,
    last: Statement,
    read: Statement,
    at: Statement,
}

/// Why no session could be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Server(ServerRefusal),
    Failed(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Session {
    /// Checks the server, prepares the statements, and waits until whatever an earlier
    /// connection left in flight on this book is decided.
    pub(super) async fn enter(
        link: Link,
        book: BookName,
        deadlines: Deadlines,
        wanted: Durability,
    ) -> Result<Self, Refusal> {
        let facts = link.trust(deadlines, wanted).await?;
        let statements = link.prepare_all().await?;
        // A commit that changes nothing. It waits for the lock of an append in flight, and, being
        // durable itself, makes durable whatever it saw: a server that restarted may show rows
        // that no standby has.
        let enter = link.prepare(ENTER, &[Type::TEXT]).await?;
        let Link { client, driver, warned } = link;
        let closed = AtomicBool::new(false);
        let session = Self { client, driver, warned, closed, book, facts, statements };
        session.begins();
        session.client.execute(&enter, &[&book.as_str()]).await.map_err(|e| Failure::of(&e))?;
        session.was_acknowledged()?;
        Ok(session)
    }

    /// A statement that commits begins: what was warned of before is not about it.
    fn begins(&self) {
        self.warned.store(false, Ordering::SeqCst);
    }

    /// Whether the commit since [`Session::begins`] is what it says. A cancelled wait for a standby
    /// ends in a warning and a success, and the standby may not have it.
    fn was_acknowledged(&self) -> Result<(), Failure> {
        if self.warned.load(Ordering::SeqCst) {
            return Err(Failure::Lost("the server warned while it committed".into()));
        }
        Ok(())
    }

    pub(super) const fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// Whether nothing can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst) || self.client.is_closed()
    }

    /// Ends the connection at once.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.driver.abort();
    }

    /// The conditional insert: whether the row was taken. Returns when the server has said that
    /// the transaction ended, which is after the commit record is durable.
    pub(super) async fn append(&self, row: &NewRow) -> Result<bool, Failure> {
        self.begins();
        let book = self.book.as_str();
        let NewRow { first, next, epoch, previous, digest, stamp, bytes } = row;
        let (previous, digest) = (previous.as_slice(), digest.as_slice());
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
            [&book, first, next, epoch, &previous, &digest, stamp, bytes];
        let taken = self.client.execute(&self.statements.append, &parameters).await;
        let taken = taken.map_err(|error| Failure::of(&error))?;
        self.was_acknowledged()?;
        Ok(taken == 1)
    }

    /// A new epoch, once everything in flight on the book is decided. The server is looked at
    /// again: its settings may have changed, and with them the class that was promised.
    pub(super) async fn claim(
        &self,
        run: RunId,
        class: Durability,
        leased: Option<BookName>,
    ) -> Result<i64, Refusal> {
        let now = check_server(&self.client, Durability::OneDisk).await?.durability;
        if now != class {
            return Err(Refusal::Server(ServerRefusal::Changed { before: class, now }));
        }
        let (book, run) = (self.book.as_str(), run.bytes());
        let run = run.as_slice();
        self.begins();
        let (rows, missing) = match &leased {
            None => {
                let rows = self.client.query(&self.statements.claim, &[&book, &run]).await;
                (rows, "the book has no epoch row")
            }
            Some(lease) => {
                let rows = self.client.query(CLAIM_LEASED, &[&book, &run, &lease.as_str()]).await;
                (rows, "another core holds the lease")
            }
        };
        let rows = rows.map_err(|error| Failure::of(&error))?;
        self.was_acknowledged()?;
        let row = rows.first().ok_or_else(|| Failure::Lost(missing.into()))?;
        row.try_get(0).map_err(|error| Refusal::Failed(Failure::unreadable(&error)))
    }

    pub(super) async fn standing(&self) -> Result<Standing, Failure> {
        let rows = self
            .client
            .query(&self.statements.standing, &[&self.book.as_str()])
            .await
            .map_err(|error| Failure::of(&error))?;
        let row = rows.first().ok_or_else(|| Failure::Lost("the book has no epoch row".into()))?;
        standing_of(row).map_err(|error| Failure::unreadable(&error))
    }

    pub(super) async fn last(&self) -> Result<Option<StoredRow>, Failure> {
        let rows = self
            .client
            .query(&self.statements.last, &[&self.book.as_str()])
            .await
            .map_err(|error| Failure::of(&error))?;
        rows.first().map(StoredRow::of).transpose()
    }

    /// At most `most` rows from the one that holds `position`.
    pub(super) async fn read(&self, position: i64, most: i64) -> Result<Vec<StoredRow>, Failure> {
        let rows = self
            .client
            .query(&self.statements.read, &[&self.book.as_str(), &position, &most])
            .await
            .map_err(|error| Failure::of(&error))?;
        rows.iter().map(StoredRow::of).collect()
    }

    /// The bytes that stand at exactly this position.
    pub(super) async fn bytes_at(&self, position: Position) -> Result<Option<Vec<u8>>, Failure> {
        let Ok(first) = i64::try_from(position.number()) else { return Ok(None) };
        let rows = self
            .client
            .query(&self.statements.at, &[&self.book.as_str(), &first])
            .await
            .map_err(|error| Failure::of(&error))?;
        let bytes = |row: &Row| row.try_get(0).map_err(|error| Failure::unreadable(&error));
        rows.first().map(bytes).transpose()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Without this a connection whose peer is silent would wait for its answers.
        self.close();
    }
}

fn standing_of(row: &Row) -> Result<Standing, Error> {
    let newest = row.try_get(0)?;
    let next: Option<i64> = row.try_get(1)?;
    let digest: Option<&[u8]> = row.try_get(2)?;
    let stamp: Option<i64> = row.try_get(3)?;
    // A digest of another length is refused by the table.
    let digest = digest.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let head = next.zip(digest).zip(stamp).map(|((next, digest), stamp)| (next, digest, stamp));
    Ok(Standing { newest, head })
}

/// A connection before anything was checked.
pub(super) struct Link {
    pub(super) client: Client,
    driver: AbortHandle,
    warned: Arc<AtomicBool>,
}

impl Link {
    /// Checks the server, pins the settings that it was trusted for, and checks that they hold.
    pub(super) async fn trust(
        &self,
        deadlines: Deadlines,
        wanted: Durability,
    ) -> Result<ServerFacts, Refusal> {
        let facts = check_server(&self.client, wanted).await?;
        self.settle(&facts, deadlines).await?;
        check_server(&self.client, wanted).await
    }

    /// Whether the server warned since this was last asked.
    pub(super) fn warned_since_last(&self) -> bool {
        self.warned.swap(false, Ordering::SeqCst)
    }

    /// Pins what a reload of the server's configuration could change under us.
    async fn settle(&self, facts: &ServerFacts, deadlines: Deadlines) -> Result<(), Failure> {
        let milliseconds = |d: Duration| d.as_millis();
        let settings = format!(
            "set synchronous_commit = '{}'; set default_transaction_isolation = 'read committed'; \
             set search_path = pg_catalog, pg_temp; set client_min_messages = 'warning'; \
             set statement_timeout = {}; set lock_timeout = {}; \
             set idle_session_timeout = 0; set idle_in_transaction_session_timeout = 0",
            facts.synchronous_commit.as_str(),
            milliseconds(deadlines.statement),
            milliseconds(deadlines.lock),
        );
        self.client.batch_execute(&settings).await.map_err(|error| Failure::of(&error))
    }

    async fn prepare(&self, text: &str, types: &[Type]) -> Result<Statement, Failure> {
        self.client.prepare_typed(text, types).await.map_err(|error| Failure::of(&error))
    }

    async fn prepare_all(&self) -> Result<Statements, Failure> {
        let append = [
            Type::TEXT,
            Type::INT8,
            Type::INT8,
            Type::INT8,
            Type::BYTEA,
            Type::BYTEA,
            Type::INT8,
            Type::BYTEA,
        ];
        Ok(Statements {
            append: self.prepare(APPEND, &append).await?,
            claim: self.prepare(CLAIM, &[Type::TEXT, Type::BYTEA]).await?,
            standing: self.prepare(STANDING, &[Type::TEXT]).await?,
            last: self.prepare(LAST, &[Type::TEXT]).await?,
            read: self.prepare(READ, &[Type::TEXT, Type::INT8, Type::INT8]).await?,
            at: self.prepare(AT, &[Type::TEXT, Type::INT8]).await?,
        })
    }

    /// Runs text of ours that takes no parameters.
    pub(super) async fn run(&self, text: &str) -> Result<(), Failure> {
        self.client.batch_execute(text).await.map_err(|error| Failure::of(&error))
    }

    /// Ends the connection at once.
    pub(super) fn abort(&self) {
        self.driver.abort();
    }
}

async fn check_server(client: &Client, wanted: Durability) -> Result<ServerFacts, Refusal> {
    let row = client.query_one(SERVER, &[]).await.map_err(|error| Failure::of(&error))?;
    let facts = ServerFacts::of(&row, wanted).map_err(|error| Failure::unreadable(&error))?;
    facts.map_err(Refusal::Server)
}

/// How a connection is made and driven.
pub(super) trait Connect: Send + Sync {
    /// A connection whose driving task runs on the runtime of the caller.
    fn connect(&self, config: Config) -> Connecting;
}

/// A connection that is being made.
pub(super) struct Connecting(pub(super) Pin<Box<dyn Future<Output = Result<Link, String>> + Send>>);

/// Connections over one kind of TLS, or none.
pub(super) struct Over<T>(pub(super) T);

impl<T> Connect for Over<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self, config: Config) -> Connecting {
        let tls = self.0.clone();
        Connecting(Box::pin(async move {
            let (client, mut connection) =
                config.connect(tls).await.map_err(|error| connect_text(&error))?;
            let warned = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&warned);
            let driver = tokio::spawn(async move {
                while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                    if let AsyncMessage::Notice(notice) = message
                        && notice.parsed_severity() == Some(Severity::Warning)
                    {
                        seen.store(true, Ordering::SeqCst);
                    }
                }
            });
            Ok(Link { client, driver: driver.abort_handle(), warned })
        }))
    }
}

/// The client's sentence with its cause, such as a refused connection.
fn connect_text(error: &Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(db), _) => format!("{}: {}", db.severity(), db.message()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}
