//! Open holds, links, and times.

use std::sync::Arc;

use ledger::{Link, Side, Term};
use terms::{AccountId, BusinessDate, HoldId, Instant, Minor, Position, TransactionId};

use super::cursor::{Cursor, List};
use super::error::QueryError;
use super::head::link_key;
use super::holds::{self, Record};
use super::links::{self, Linked};
use super::moments::Stamps;
use super::statement::Start;
use super::{LINKED_MAX, Look, PAGE_MAX, Seen, Views};

/// An open hold, as facts say; an expiring one may be past its moment and not yet swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenHold {
    /// Which hold.
    pub hold: HoldId,
    /// On which account.
    pub account: AccountId,
    /// On which side.
    pub side: Side,
    /// How much is still held.
    pub amount: Minor,
    /// Until when.
    pub term: Term,
    /// The day it counts for.
    pub business_date: BusinessDate,
    /// Of the fact that placed it.
    pub position: Position,
    /// When it was placed.
    pub placed_at: Instant,
}

/// Some open holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldPage {
    /// In the order of the list.
    pub holds: Vec<OpenHold>,
    /// To go on with.
    pub next: Cursor,
    /// Whether no further hold was seen.
    pub at_end: bool,
}

/// Transactions that name something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedTransactions {
    /// The oldest, by position: at most [`LINKED_MAX`].
    pub transactions: Vec<(Position, TransactionId)>,
    /// Whether these are all that were seen.
    pub all: bool,
}

impl Views {
    /// One page of all open holds by their last moment, then by id; those that do not expire come
    /// last. Ends with those whose last moment is `until`.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn holds_by_expiry(
        &self,
        until: Instant,
        start: Start,
        limit: usize,
    ) -> Result<Seen<HoldPage>, QueryError> {
        page_size(limit)?;
        self.look(|look| {
            let from = match start {
                Start::AtEnd => (0, 0),
                Start::At(cursor) => cursor.of(List::HoldTerms, 0)?,
            };
            let most = limit.saturating_add(1);
            let until = (until.nanos(), u128::MAX);
            let found = holds::by_term(look.reading, &look.head.holds, from, until, most)?;
            let after = |(id, record): &(u128, Record)| (record.moment(), *id);
            let next = found.get(limit).map(after);
            let (major, minor) = next.unwrap_or((until.0, until.1));
            let next_cursor = Cursor::new(List::HoldTerms, 0, major, minor);
            let holds = open_holds(look, found.iter().take(limit))?;
            Ok(HoldPage { holds, next: next_cursor, at_end: next.is_none() })
        })
    }

    /// One page of an account's open holds, by id.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn open_holds(
        &self,
        account: AccountId,
        start: Start,
        limit: usize,
    ) -> Result<Seen<HoldPage>, QueryError> {
        page_size(limit)?;
        self.look(|look| {
            let slot = look.slot(account)?;
            let from = match start {
                Start::AtEnd => 0,
                Start::At(cursor) => cursor.of(List::HoldAccounts, slot)?.1,
            };
            let most = limit.saturating_add(1);
            let found = holds::by_account(look.reading, &look.head.holds, slot, from, most)?;
            let next = found.get(limit).map(|(id, _)| *id);
            let next_cursor = Cursor::new(List::HoldAccounts, slot, 0, next.unwrap_or(u128::MAX));
            let holds = open_holds(look, found.iter().take(limit))?;
            Ok(HoldPage { holds, next: next_cursor, at_end: next.is_none() })
        })
    }

    /// The transactions that name a payment, a quote or another transaction, oldest first.
    ///
    /// Costs a look into each run that has links.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn linked(&self, link: &Link) -> Result<Seen<LinkedTransactions>, QueryError> {
        let link = link_key(link);
        let asked = |look: &Look<'_>| {
            let buffer = &look.head.buffer;
            let recent = buffer.links.iter().filter(|(key, _)| *key == link);
            let recent = recent.filter_map(|(_, event)| buffer.event_id(*event));
            let mut recent: Vec<Linked> =
                recent.map(|(transaction, position)| Linked { position, transaction }).collect();
            recent.dedup();
            Ok((Arc::clone(&look.head.runs), recent))
        };
        self.look_then(asked, |(runs, mut recent), reading| {
            let mut found: Vec<Linked> = Vec::new();
            for (number, run) in (0_u32..).zip(&*runs) {
                if run.links && found.len() <= LINKED_MAX {
                    found.extend(links::stored(reading, number, link)?);
                }
            }
            found.append(&mut recent);
            let all = found.len() <= LINKED_MAX;
            let transactions = found.iter().take(LINKED_MAX).map(|linked| {
                (Position::new(linked.position), TransactionId::from_bytes(linked.transaction))
            });
            Ok(LinkedTransactions { transactions: transactions.collect(), all })
        })
    }

    /// How many facts, of those seen, have this stamp or an earlier one: the position of the first
    /// later fact.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn position_at(&self, time: Instant) -> Result<Seen<Position>, QueryError> {
        self.look(|look| {
            let facts = look.stamps().facts_until(time.nanos(), look.head.next)?;
            Ok(Position::new(facts))
        })
    }

    /// The stamp of the fact at a position.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn stamp_of(&self, position: Position) -> Result<Seen<Instant>, QueryError> {
        self.look(|look| {
            let next = look.head.next;
            if position.number() >= next {
                return Err(QueryError::NotSeenYet { asked: position, next: Position::new(next) });
            }
            Ok(Instant::from_nanos(look.stamps().stamp(position.number())?))
        })
    }
}

fn page_size(limit: usize) -> Result<(), QueryError> {
    if (1..=PAGE_MAX).contains(&limit) {
        Ok(())
    } else {
        Err(QueryError::Page { max: PAGE_MAX, got: limit })
    }
}

fn open_holds<'a>(
    look: &Look<'_>,
    found: impl Iterator<Item = &'a (u128, Record)>,
) -> Result<Vec<OpenHold>, QueryError> {
    let mut stamps = look.stamps();
    found.map(|(id, record)| open_hold(look, &mut stamps, *id, record)).collect()
}

fn open_hold(
    look: &Look<'_>,
    stamps: &mut Stamps<'_>,
    id: u128,
    record: &Record,
) -> Result<OpenHold, QueryError> {
    Ok(OpenHold {
        hold: HoldId::from_bytes(id.to_be_bytes()),
        account: look.account(record.slot)?.account,
        side: record.side,
        amount: Minor::new(record.amount),
        term: record.term(),
        business_date: BusinessDate::from_days(record.date),
        position: Position::new(record.position),
        placed_at: Instant::from_nanos(stamps.stamp(record.position)?),
    })
}
