//! Answers from the read models and from the journal, on the threads that answer questions.

use std::collections::VecDeque;

use ledger::Resolved;
use store::views::{
    AsOf as At, Filter, Order, PAGE_MAX, Period, QueryError, Start, StatementEntry, StatementQuery,
    Views,
};
use terms::{AccountId, BusinessDate, Instant, Minor, Position};

use super::lines::{AsOf, EntryFilter, LinkedLine};
use super::{Query, Said, Told, trial_line};
use crate::contents::{Contents, ContentsError, FactLine, FactSaid};

/// Entries whose transactions are read from the journal for one page: each may cost a batch.
pub const READ_MAX: usize = 400;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The question itself, or the read models.
    #[error(transparent)]
    Views(#[from] QueryError),
    /// The journal.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// It is asked of the book itself.
    #[error("this is asked of the book")]
    AskedOfTheBook,
    /// Fresh questions do not lie in one another.
    #[error("a question can say once how fresh its answer must be")]
    FreshTwice,
}

/// Answers a question that goes to the read models.
///
/// # Errors
/// [`Unanswered`].
pub fn answer_from(views: &Views, contents: &Contents, query: &Query) -> Result<Told, Unanswered> {
    Ok(match query {
        Query::Statement { account, newest_first, after, limit } => {
            let page = Page { newest_first: *newest_first, after: after.as_deref(), limit: *limit };
            statement(views, contents, *account, &EntryFilter::default(), &page)?
        }
        Query::Entries { account, filter, newest_first, after, limit } => {
            let page = Page { newest_first: *newest_first, after: after.as_deref(), limit: *limit };
            statement(views, contents, *account, filter, &page)?
        }
        Query::TrialBalance(date) => {
            let seen = views.trial_balance(*date)?;
            let lines = seen.answer.iter().map(trial_line).collect();
            Told { position: seen.next, said: Said::TrialBalance(lines) }
        }
        Query::TrialOfAccounts { date, after, limit } => {
            let (start, limit) = (start(after.as_deref())?, size(*limit));
            let seen = views.trial_balance_of_accounts(*date, start, limit)?;
            let page = seen.answer;
            let lines = page.lines.iter().map(Into::into).collect();
            let (next, at_end) = (page.next.to_string(), page.at_end);
            Told { position: seen.next, said: Said::TrialOfAccounts { lines, next, at_end } }
        }
        Query::Balance { account, as_of } => {
            let seen = views.balance(*account, (*as_of).into())?;
            Told { position: seen.next, said: Said::Balance(seen.answer.into()) }
        }
        Query::HoldsByExpiry { until, after, limit } => {
            let until = until.unwrap_or(Instant::from_nanos(u64::MAX));
            holds(views.holds_by_expiry(until, start(after.as_deref())?, size(*limit))?)
        }
        Query::OpenHoldsOf { account, after, limit } => {
            holds(views.open_holds(*account, start(after.as_deref())?, size(*limit))?)
        }
        Query::HoldEvents { account, newest_first, after, limit } => {
            let (start, limit) = (start(after.as_deref())?, size(*limit));
            let seen = views.hold_events(*account, order(*newest_first), start, limit)?;
            let page = seen.answer;
            let lines = page.lines.iter().map(Into::into).collect();
            let (next, at_end) = (page.next.to_string(), page.at_end);
            Told { position: seen.next, said: Said::HoldEvents { lines, next, at_end } }
        }
        Query::Linked(link) => {
            let seen = views.linked(link)?;
            let line = |(position, transaction)| LinkedLine { position, transaction };
            let transactions = seen.answer.transactions.into_iter().map(line).collect();
            let said = Said::Linked { transactions, whole: seen.answer.all };
            Told { position: seen.next, said }
        }
        Query::PositionAt(time) => {
            let seen = views.position_at(*time)?;
            Told { position: seen.next, said: Said::PositionAt(seen.answer) }
        }
        Query::Account(_)
        | Query::Totals
        | Query::Status
        | Query::AccountWhole(_)
        | Query::Accounts(_)
        | Query::OpenHold(_)
        | Query::Transaction { .. }
        | Query::HoldWhole(_)
        | Query::Fact(_)
        | Query::Engine
        | Query::Metrics
        | Query::Receipt(_) => return Err(Unanswered::AskedOfTheBook),
        Query::Fresh { .. } => return Err(Unanswered::FreshTwice),
    })
}

impl From<AsOf> for At {
    fn from(as_of: AsOf) -> Self {
        match as_of {
            AsOf::Now => Self::Now,
            AsOf::Position(position) => Self::Position(position),
            AsOf::LedgerTime(time) => Self::LedgerTime(time),
            AsOf::EffectiveTime(time) => Self::EffectiveTime(time),
        }
    }
}

/// The facts at these positions, in this order.
///
/// # Errors
/// [`ContentsError`].
pub fn facts(contents: &Contents, positions: &[Position]) -> Result<Vec<FactLine>, ContentsError> {
    let read = |position: &Position| {
        let why = "it is durable, and not there".to_owned();
        let gone = ContentsError { position: *position, why };
        contents.fact(*position)?.ok_or(gone)
    };
    positions.iter().map(read).collect()
}

fn holds(seen: store::views::Seen<store::views::HoldPage>) -> Told {
    let page = seen.answer;
    let lines = page.holds.iter().map(Into::into).collect();
    let (next, at_end) = (page.next.to_string(), page.at_end);
    Told { position: seen.next, said: Said::OpenHolds { lines, next, at_end } }
}

fn start(after: Option<&str>) -> Result<Start, QueryError> {
    after.map_or(Ok(Start::AtEnd), |cursor| Ok(Start::At(cursor.parse()?)))
}

fn size(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

const fn order(newest_first: bool) -> Order {
    if newest_first { Order::NewestFirst } else { Order::OldestFirst }
}

/// Which page of a statement.
struct Page<'q> {
    newest_first: bool,
    after: Option<&'q str>,
    limit: u32,
}

impl EntryFilter {
    fn of_views(&self) -> Filter {
        let period = |from: Option<Instant>, until: Option<Instant>| {
            (from.is_some() || until.is_some()).then(|| Period {
                from: from.unwrap_or(Instant::EPOCH),
                until: until.unwrap_or(Instant::from_nanos(u64::MAX)),
            })
        };
        let dates = (self.first_date, self.last_date);
        let amounts = (self.amount_min, self.amount_max);
        Filter {
            side: self.side,
            ledger_time: period(self.from, self.until),
            effective_time: period(self.effective_from, self.effective_until),
            business_dates: (dates != (None, None)).then(|| {
                let first = dates.0.unwrap_or(BusinessDate::from_days(0));
                (first, dates.1.unwrap_or(BusinessDate::from_days(u32::MAX)))
            }),
            amounts: (amounts != (None, None))
                .then(|| (amounts.0.unwrap_or(Minor::ZERO), amounts.1.unwrap_or(Minor::MAX))),
            reason: self.reason,
        }
    }

    /// Whether a transaction must be read to know.
    const fn reads(&self) -> bool {
        self.code.is_some() || self.counterparty.is_some()
    }

    /// Whether an entry's transaction fits what only the journal knows.
    fn fits(&self, contents: &Contents, entry: &StatementEntry) -> Result<bool, ContentsError> {
        let fact = contents.fact(entry.position)?;
        let Some(FactLine { said: FactSaid::Changed(change), .. }) = fact else { return Ok(false) };
        let Resolved::Posted { transaction, .. } = change.resolved() else { return Ok(false) };
        let code = transaction.detail.as_ref().and_then(|detail| detail.code);
        let touches = |account: AccountId| transaction.entries.iter().any(|e| e.account == account);
        Ok(self.code.is_none_or(|wanted| code == Some(wanted))
            && self.counterparty.is_none_or(touches))
    }
}

fn statement(
    views: &Views,
    contents: &Contents,
    account: AccountId,
    filter: &EntryFilter,
    page: &Page<'_>,
) -> Result<Told, Unanswered> {
    let limit = size(page.limit);
    let ask = |start, limit| {
        let (filter, order) = (filter.of_views(), order(page.newest_first));
        views.statement(&StatementQuery { account, filter, order, start, limit })
    };
    let start = start(page.after)?;
    if !filter.reads() {
        let seen = ask(start, limit)?;
        let (next, at_end) = (seen.answer.next.to_string(), seen.answer.at_end);
        let lines = seen.answer.lines.iter().map(Into::into).collect();
        return Ok(Told { position: seen.next, said: Said::Statement { lines, next, at_end } });
    }
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(QueryError::Page { max: PAGE_MAX, got: limit }.into());
    }
    // Pages that shrink to what is still wanted, so that the cursor of the last one is right.
    let (mut start, mut looked, mut lines) = (start, 0_usize, Vec::new());
    let mut first = None;
    loop {
        let most = limit.saturating_sub(lines.len()).min(READ_MAX.saturating_sub(looked));
        let seen = ask(start, most.max(1))?;
        // From the newest on, what came while this went on is not in the answer.
        let position = *first.get_or_insert(seen.next);
        let position = if page.newest_first { position } else { seen.next };
        let mut entries: VecDeque<&StatementEntry> = seen.answer.lines.iter().collect();
        looked = looked.saturating_add(entries.len());
        while let Some(entry) = entries.pop_front() {
            if filter.fits(contents, entry)? {
                lines.push(entry.into());
            }
        }
        let done = lines.len() >= limit || looked >= READ_MAX || seen.answer.lines.is_empty();
        if seen.answer.at_end || done {
            let (next, at_end) = (seen.answer.next.to_string(), seen.answer.at_end);
            return Ok(Told { position, said: Said::Statement { lines, next, at_end } });
        }
        start = Start::At(seen.answer.next);
    }
}
