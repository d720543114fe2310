//! Statements of customers' accounts: read models of one customers' book, beside it.
//!
//! They hold nothing of their own. What they were told of is in the book's journal, and a file
//! that is of another journal, or damaged, is built again from it at a start. A file that cannot
//! be opened, or a feed that fails, stops alone: payments go on, and statements are *not ready*
//! until the next start.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::messages::AccountView;
use api::statement::{LINES_MAX, LINES_USUAL, StatementLine, StatementPage, Way};
use api::{Caller, Problem, Role, problem};
use axum::extract::Query;
use axum::http::Uri;
use clearing::CustomersBook;
use clearing::customers::change_of;
use journal::{Batch, Tip};
use ledger::{Reason, Side};
use seal::Domain;
use seal::digest::digest_of;
use serde::Deserialize;
use store::BookHandle;
use store::views::{
    Config, Feed, Filter, Order, QueryError, Start, StatementEntry, StatementQuery, Views,
};
use terms::{AccountId, Position, TransactionId};

use crate::system;
use crate::web::Refuse;

/// How long a question waits for its position: the feed follows within milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);
/// How long the batch that the file ends with is waited for at a start.
const READ_PATIENCE: Duration = Duration::from_secs(10);

/// Where statements are asked.
#[derive(Clone)]
pub struct Statements {
    /// Absent where they could not be opened.
    views: Option<Arc<Views>>,
    /// Why nothing more comes, if so.
    stopped: Arc<Mutex<Option<String>>>,
}

impl std::fmt::Debug for Statements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statements").finish_non_exhaustive()
    }
}

/// For whom a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The account's institution, by its edge.
    Institution,
    /// The account's owner. That the law blocked money is told by its bank, if it may be told at
    /// all: to the owner such a line is one that the bank made, as a correction is.
    Owner,
}

impl Reader {
    fn of(caller: &Caller) -> Self {
        if caller.role() == Role::Edge { Self::Institution } else { Self::Owner }
    }
}

/// What an owner reads of money that its bank moved by itself.
const BY_THE_BANK: &str = "by-the-bank";
/// Domain of the names that such lines have for an owner.
const NEUTRAL_ID: Domain = Domain::new("wayleave/statement-line/v1");

/// What a question may say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The state at this position or later.
    pub at_least: Option<u64>,
    /// At most so many lines.
    pub limit: Option<usize>,
    /// `newest` first, or `oldest`.
    pub order: Option<Wanted>,
    /// Where another page ended.
    pub cursor: Option<String>,
}

impl Asked {
    /// Reads a question.
    ///
    /// # Errors
    /// Which words are none of it.
    pub fn of(uri: &Uri) -> Result<Self, Refuse> {
        let read = Query::<Self>::try_from_uri(uri);
        read.map(|Query(asked)| asked).map_err(|error| {
            let problem = Problem::of(&problem::BAD_FIELD).detail(error.body_text());
            problem.expected("`at_least`, `limit`, `order`, `cursor`").into()
        })
    }
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// The newest line.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
}

impl Statements {
    /// Follows a book that this process writes, on a thread of its own, until the book is closed.
    ///
    /// # Errors
    /// In words.
    pub fn follow(folder: &Path, book: &BookHandle<CustomersBook>) -> Result<Self, String> {
        let last = book.clone();
        let tip_at = move |at| {
            let batch = last.subscribe(at).recv_timeout(READ_PATIENCE).ok()?;
            Some(batch.tip())
        };
        let (feed, statements) = StatementFeed::open(folder, tip_at)?;
        statements.go_on(feed, book)
    }

    /// Goes on with what was fed so far, once this process writes the book.
    ///
    /// # Errors
    /// In words.
    pub fn go_on(
        self,
        mut feed: StatementFeed,
        book: &BookHandle<CustomersBook>,
    ) -> Result<Self, String> {
        let (batches, damage) = (book.subscribe(feed.next()), book.damage());
        let told = self.clone();
        let follow = move || {
            let mut outcome = batches.iter().try_for_each(|batch| feed.take(&batch));
            outcome = outcome.and_then(|()| damage.at(feed.next()).map_or(Ok(()), Err));
            match outcome.and_then(|()| feed.close()) {
                Ok(()) => {}
                Err(why) => told.stop(why),
            }
        };
        let thread = std::thread::Builder::new().name("statements".to_owned()).spawn(follow);
        thread.map_err(|error| format!("no thread for statements: {error}"))?;
        Ok(self)
    }

    /// Statements that could not be opened, for this reason: nothing waits for them.
    #[must_use]
    pub fn unopened(why: String) -> Self {
        let none = Self { views: None, stopped: Arc::default() };
        none.stop(why);
        none
    }

    /// Nothing more comes, for this reason.
    pub fn stop(&self, why: String) {
        tracing::error!(why, "statements stop");
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// One page of an account that its institution or its owner sees, once everything before the
    /// position that was asked for has been seen: without one, all that the view had.
    ///
    /// # Errors
    /// *Not ready* when that takes too long or the feed has stopped; what the question asks wrong.
    pub async fn page(
        &self,
        view: &AccountView,
        caller: &Caller,
        asked: &Asked,
    ) -> Result<StatementPage, Refuse> {
        let (account, asset) = (view.profile.account, view.available.asset);
        let reader = Reader::of(caller);
        let least = asked.at_least.map_or(view.head, Position::new);
        let waiting = tokio::time::timeout(PATIENCE, self.wait(least)).await;
        waiting.map_err(|_| self.not_ready(least))??;
        let query = query(account, asked)?;
        let views = self.views.clone().ok_or_else(|| not_ready(self.why_stopped()))?;
        let page = tokio::task::spawn_blocking(move || views.statement(&query)).await;
        let seen = match page.map_err(|error| not_ready(error.to_string()))? {
            Ok(seen) => seen,
            // An account on which nothing was ever posted, in a book that has seen no change.
            Err(error) => return Err(asked_wrong(&error)),
        };
        let next = (!seen.answer.at_end).then(|| seen.answer.next.to_string());
        let lines = seen.answer.lines.iter().map(|entry| line(entry, account, reader)).collect();
        Ok(StatementPage { layout: 1, account, asset, head: seen.next, lines, next })
    }

    async fn wait(&self, least: Position) -> Result<(), Refuse> {
        loop {
            let views = self.views.as_ref().ok_or_else(|| not_ready(self.why_stopped()))?;
            let seen = views.status().map_err(|error| not_ready(error.to_string()))?;
            if seen.next >= least {
                return Ok(());
            }
            let stopped = self.why_stopped();
            if !stopped.is_empty() {
                return Err(not_ready(stopped));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Empty while they go on.
    fn why_stopped(&self) -> String {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    fn not_ready(&self, least: Position) -> Refuse {
        let seen = self.views.as_ref().and_then(|views| views.status().ok());
        let next = seen.map_or(Position::ZERO, |seen| seen.next);
        not_ready(format!("statements are at position {next}, {least} was asked for"))
    }
}

fn not_ready(why: String) -> Refuse {
    Problem::of(&problem::NOT_READY).detail(why).into()
}

fn asked_wrong(error: &QueryError) -> Refuse {
    match error {
        QueryError::Cursor | QueryError::Page { .. } => {
            Problem::of(&problem::BAD_REQUEST).detail(error.to_string()).into()
        }
        QueryError::Store(_)
        | QueryError::UnknownAccount { .. }
        | QueryError::NotSeenYet { .. }
        | QueryError::Stopped => not_ready(error.to_string()),
    }
}

fn query(account: AccountId, asked: &Asked) -> Result<StatementQuery, Refuse> {
    let limit = asked.limit.unwrap_or(LINES_USUAL);
    if limit == 0 || limit > LINES_MAX {
        let problem = Problem::of(&problem::BAD_REQUEST).detail("the page is empty or too large");
        return Err(problem.expected(format!("`limit` of 1 to {LINES_MAX}, got {limit}")).into());
    }
    let start = match &asked.cursor {
        None => Start::AtEnd,
        Some(text) => Start::At(text.parse().map_err(|error| asked_wrong(&error))?),
    };
    let order = match asked.order.unwrap_or_default() {
        Wanted::Newest => Order::NewestFirst,
        Wanted::Oldest => Order::OldestFirst,
    };
    Ok(StatementQuery { account, filter: Filter::ALL, order, start, limit })
}

fn line(entry: &StatementEntry, account: AccountId, reader: Reader) -> StatementLine {
    let (transaction, reason) = match (entry.reason, reader) {
        (Reason::Blocking | Reason::Correction, Reader::Owner) => {
            (neutral_id(entry.transaction, account), BY_THE_BANK)
        }
        (reason, Reader::Owner | Reader::Institution) => (entry.transaction, reason.name()),
    };
    StatementLine {
        position: entry.position,
        at: entry.stamp,
        date: entry.business_date,
        transaction,
        reason: reason.to_owned(),
        way: match entry.side {
            Side::Debit => Way::Out,
            Side::Credit => Way::In,
        },
        amount: entry.amount,
        debits: entry.debits_posted,
        credits: entry.credits_posted,
    }
}

/// A name of a line that leads to no order of a block or a correction.
fn neutral_id(transaction: TransactionId, account: AccountId) -> TransactionId {
    TransactionId::from_bytes(
        digest_of(NEUTRAL_ID, &[&transaction.bytes(), &account.bytes()]).half(),
    )
}

/// Who tells the read models what was posted.
pub struct StatementFeed {
    feed: Feed,
    last: Option<Tip>,
    next: Position,
}

impl std::fmt::Debug for StatementFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementFeed").field("next", &self.next).finish_non_exhaustive()
    }
}

impl StatementFeed {
    /// Opens the file in `folder`, or begins a new one where it is not of this journal: `tip_at`
    /// says how the journal's batch that holds a position ends.
    ///
    /// # Errors
    /// In words.
    pub fn open(
        folder: &Path,
        tip_at: impl FnOnce(Position) -> Option<Tip>,
    ) -> Result<(Self, Statements), String> {
        let words = |error: &dyn std::fmt::Display| format!("statements: {error}");
        std::fs::create_dir_all(folder).map_err(|error| words(&error))?;
        let seed = system::random().map(u64::from_be_bytes).map_err(|error| words(&error))?;
        let (path, config) = (folder.join("statements.redb"), Config::standard(seed));
        let opened = Views::open_of(&path, &config, tip_at);
        let (feed, views) = opened.map_err(|error| words(&error))?;
        let next = feed.stored().map_err(|error| words(&error))?.next;
        Ok((
            Self { feed, last: None, next },
            Statements { views: Some(views), stopped: Arc::default() },
        ))
    }

    /// The first position that it has not seen.
    #[must_use]
    pub const fn next(&self) -> Position {
        self.next
    }

    /// Takes a batch; facts that were taken before are passed over.
    ///
    /// # Errors
    /// In words: nothing more is taken.
    pub fn take(&mut self, batch: &Batch) -> Result<(), String> {
        let (stamp, tip) = (batch.origin().stamp, batch.tip());
        for stored in batch.entries() {
            let fact = stored.fact().map_err(|error| error.to_string())?;
            if let Some(change) = change_of(&fact)? {
                let taken = self.feed.take(stored.position, stamp, &change);
                taken.map_err(|error| error.to_string())?;
            }
        }
        self.feed.batch_end(&tip).map_err(|error| error.to_string())?;
        self.next = tip.next;
        self.last = Some(tip);
        Ok(())
    }

    /// Writes what was taken.
    ///
    /// # Errors
    /// In words.
    pub fn close(&mut self) -> Result<(), String> {
        match self.last.take() {
            Some(tip) => self.feed.flush(&tip).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use terms::{BusinessDate, Instant, Minor};

    use super::*;

    #[test]
    fn that_money_was_blocked_is_told_to_the_institution_alone() {
        let entry = |reason| StatementEntry {
            position: Position::new(7),
            stamp: Instant::from_seconds(1_795_380_600),
            effective: None,
            transaction: TransactionId::from_bytes([0x66; 16]),
            business_date: BusinessDate::from_days(20_780),
            reason,
            side: Side::Debit,
            amount: Minor::new(500),
            debits_posted: Minor::new(500),
            credits_posted: Minor::ZERO,
        };
        let account = AccountId::from_bytes([1; 16]);
        let told = |reason, reader| line(&entry(reason), account, reader);
        let blocked = told(Reason::Blocking, Reader::Owner);
        assert_eq!(blocked, told(Reason::Correction, Reader::Owner), "one cannot be told apart");
        assert_ne!(blocked.transaction, entry(Reason::Blocking).transaction);
        assert_eq!(blocked.amount, Minor::new(500));
        for reason in [Reason::Blocking, Reason::Correction, Reason::Payment] {
            let line = told(reason, Reader::Institution);
            assert_eq!(
                (line.reason.as_str(), line.transaction),
                (reason.name(), entry(reason).transaction)
            );
        }
        assert_eq!(
            told(Reason::Payment, Reader::Owner),
            told(Reason::Payment, Reader::Institution)
        );
    }
}
