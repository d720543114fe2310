//! What happened on an account, page by page.

use core::ops::ControlFlow;
use std::collections::BTreeMap;

use ledger::{Reason, Side, Term};
use terms::{AccountId, BusinessDate, HoldId, Instant, Minor, Position, TransactionId};

use super::blocks::Line;
use super::buffer::Moment;
use super::cursor::{Cursor, List};
use super::error::{QueryError, StoreFault, Table};
use super::item::{What, reason_of};
use super::moments::Stamps;
use super::tables::Reading;
use super::walk::{Path, Place};
use super::{Look, PAGE_MAX, Seen, Views};

/// In which order a page goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the oldest to the newest.
    OldestFirst,
    /// From the newest to the oldest.
    NewestFirst,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest or the newest, as the order says.
    AtEnd,
    /// Where another page ended or began.
    At(Cursor),
}

/// A stretch of time: from a moment on, and before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment in it.
    pub from: Instant,
    /// The first moment after it.
    pub until: Instant,
}

/// Which entries are wanted: those that fit everything that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// On this side.
    pub side: Option<Side>,
    /// Posted in this period.
    pub ledger_time: Option<Period>,
    /// In effect in this period; an entry that does not say otherwise takes effect when posted.
    pub effective_time: Option<Period>,
    /// Of these business dates, both included.
    pub business_dates: Option<(BusinessDate, BusinessDate)>,
    /// Of these amounts, both included.
    pub amounts: Option<(Minor, Minor)>,
    /// For this reason.
    pub reason: Option<Reason>,
}

impl Filter {
    /// Every entry.
    pub const ALL: Self = Self {
        side: None,
        ledger_time: None,
        effective_time: None,
        business_dates: None,
        amounts: None,
        reason: None,
    };
}

/// Which page of a statement is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementQuery {
    /// Of which account.
    pub account: AccountId,
    /// Which entries.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// From where.
    pub start: Start,
    /// At most how many: 1 to [`PAGE_MAX`].
    pub limit: usize,
}

/// One entry of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementEntry {
    /// Of the fact that posted it.
    pub position: Position,
    /// When it was posted.
    pub stamp: Instant,
    /// When it takes effect, where that was said.
    pub effective: Option<Instant>,
    /// By which transaction.
    pub transaction: TransactionId,
    /// The day it counts for.
    pub business_date: BusinessDate,
    /// Why.
    pub reason: Reason,
    /// Left or right.
    pub side: Side,
    /// How much.
    pub amount: Minor,
    /// Sum of all debits posted, this one included.
    pub debits_posted: Minor,
    /// Sum of all credits posted, this one included.
    pub credits_posted: Minor,
}

/// How a hold moved on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldStep {
    /// Placed, until then.
    Placed(Term),
    /// Posted; what was held and is not any more, whether posted or released.
    Posted,
    /// Released by a person or a use case.
    Voided,
    /// Released by time.
    Expired,
    /// It will not expire any more.
    Pinned,
}

/// One step of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldEvent {
    /// Of the fact.
    pub position: Position,
    /// When.
    pub stamp: Instant,
    /// Which hold.
    pub hold: HoldId,
    /// What.
    pub step: HoldStep,
    /// On which side.
    pub side: Side,
    /// How much came to be held, or is not held any more; nothing where it was pinned.
    pub amount: Minor,
    /// Sum of all held debits afterwards.
    pub debits_pending: Minor,
    /// Sum of all held credits afterwards.
    pub credits_pending: Minor,
}

/// One page of a list that goes both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order asked for; fewer than asked for, or none, does not mean that there are no
    /// more: a filter that fits little ends the page after [`SCAN_MAX`](super::SCAN_MAX) items.
    pub lines: Vec<T>,
    /// To go on in the same order, also later, when there is more.
    pub next: Cursor,
    /// To go back, in the other order.
    pub back: Cursor,
    /// Whether nothing further was seen in this order.
    pub at_end: bool,
}

/// Positions that a filter leaves, and those that take effect in the wanted period if they do
/// not say when.
struct Bounds {
    first: u64,
    until: u64,
    effective: (u64, u64),
}

/// A page's place, order and size.
struct Turn {
    account: AccountId,
    order: Order,
    start: Start,
    limit: usize,
}

impl Views {
    /// One page of an account's entries, each with what was posted in all after it.
    ///
    /// Costs one look per run of the file that a page touches, whatever the account's age.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn statement(
        &self,
        query: &StatementQuery,
    ) -> Result<Seen<Page<StatementEntry>>, QueryError> {
        let StatementQuery { account, filter, order, start, limit } = *query;
        let turn = Turn { account, order, start, limit };
        self.page(&turn, &filter, &|line, bounds| fits(line, &filter, bounds), &entry_of)
    }

    /// One page of what happened to an account's holds.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn hold_events(
        &self,
        account: AccountId,
        order: Order,
        start: Start,
        limit: usize,
    ) -> Result<Seen<Page<HoldEvent>>, QueryError> {
        let turn = Turn { account, order, start, limit };
        let is_hold = |line: &Line, _: &Bounds| line.item.kind.what != What::Entry;
        self.page(&turn, &Filter::ALL, &is_hold, &hold_event_of)
    }

    fn page<T>(
        &self,
        turn: &Turn,
        filter: &Filter,
        wanted: &dyn Fn(&Line, &Bounds) -> bool,
        make: &dyn Fn(&Line, Instant) -> Result<T, StoreFault>,
    ) -> Result<Seen<Page<T>>, QueryError> {
        if !(1..=PAGE_MAX).contains(&turn.limit) {
            return Err(QueryError::Page { max: PAGE_MAX, got: turn.limit });
        }
        let asked = |look: &Look<'_>| Begun::of(look, turn, filter, self.limits.scan, wanted);
        self.look_then(asked, |begun, reading| {
            let (page, known) = begun.finish(reading, wanted)?;
            let mut stamps = Stamps::new(reading, known.stored, &[], known.open);
            page.finish(known.slot, known.next, &mut |line| {
                let position = line.item.position;
                let stamp = match known.stamps.get(&position) {
                    Some(stamp) => *stamp,
                    None => stamps.stamp(position)?,
                };
                make(line, Instant::from_nanos(stamp))
            })
        })
    }
}

/// A page as far as the memory has it.
struct Begun {
    bounds: Bounds,
    page: Taken,
    path: Path,
    known: Known,
    rest: Rest,
}

/// What the memory knows of a page's lines.
struct Known {
    slot: u32,
    /// The first position not seen.
    next: u64,
    /// The last moment in the file, and the stamp of what comes.
    stored: Moment,
    open: u64,
    /// Stamps of lines that are not in the file.
    stamps: BTreeMap<u64, u64>,
}

/// What of a page is still to be read.
enum Rest {
    /// The file before this place, newest first.
    Before(Place),
    /// The file from this place on, and then what was looked at in memory.
    From(Place, Vec<Looked>),
    /// Nothing.
    Nothing,
}

/// An item that was looked at: where a page goes on after it, and the line when it is wanted.
struct Looked {
    place: Place,
    line: Option<Box<Line>>,
}

impl Begun {
    fn of(
        look: &Look<'_>,
        turn: &Turn,
        filter: &Filter,
        scan: usize,
        wanted: &dyn Fn(&Line, &Bounds) -> bool,
    ) -> Result<Self, QueryError> {
        let (slot, next) = (look.slot(turn.account)?, look.head.next);
        let mut stamps = look.stamps();
        let bounds = bounds(&mut stamps, filter, next)?;
        let start = start_of(turn, slot, next)?;
        let (path, recent) = (look.path(slot)?, look.recent(slot)?);
        let mut page = Taken::new(turn, start, scan);
        let mut lines: Vec<u64> = Vec::new();
        let rest = match turn.order {
            Order::NewestFirst => {
                let until = start.min(Place::before(bounds.until));
                let mut visit = |line: &Line| page.take(line, wanted(line, &bounds));
                let ended = recent.backward(until, bounds.first, &mut visit).is_break();
                lines.extend(page.lines.iter().map(|line| line.item.position));
                if ended { Rest::Nothing } else { Rest::Before(until) }
            }
            Order::OldestFirst => {
                let from = start.max(Place::before(bounds.first));
                // What this page would take if the file had nothing: it takes no more.
                let mut alone = Taken::new(turn, start, scan);
                let mut looked = Vec::new();
                let mut visit = |line: &Line| {
                    let is_wanted = wanted(line, &bounds);
                    let wanted = is_wanted.then(|| Box::new(*line));
                    looked.push(Looked { place: Place::after(line), line: wanted });
                    alone.take(line, is_wanted)
                };
                let _ = recent.forward(from, bounds.until, &mut visit);
                lines.extend(alone.lines.iter().map(|line| line.item.position));
                Rest::From(from, looked)
            }
        };
        let stamp = |position: u64| Ok::<_, StoreFault>((position, stamps.stamp(position)?));
        let stamps = lines.into_iter().map(stamp).collect::<Result<_, _>>()?;
        let (stored, open) = (look.head.stored_moment(), look.head.stamp);
        let known = Known { slot, next, stored, open, stamps };
        Ok(Self { bounds, page, path, known, rest })
    }

    /// Reads the rest from the file.
    fn finish(
        self,
        reading: &Reading,
        wanted: &dyn Fn(&Line, &Bounds) -> bool,
    ) -> Result<(Taken, Known), QueryError> {
        let Self { bounds, mut page, path, known, rest } = self;
        let mut visit = |line: &Line| page.take(line, wanted(line, &bounds));
        match rest {
            Rest::Nothing => {}
            Rest::Before(until) => {
                let _ = path.walk(reading)?.backward(until, bounds.first, &mut visit)?;
            }
            Rest::From(from, looked) => {
                if path.walk(reading)?.forward(from, bounds.until, &mut visit)?.is_continue() {
                    let mut take = |one: &Looked| page.look(one.place, one.line.as_deref());
                    let _ = looked.iter().try_for_each(&mut take);
                }
            }
        }
        Ok((page, known))
    }
}

/// What a page has taken so far.
struct Taken {
    order: Order,
    limit: usize,
    /// Items that may still be looked at.
    looks: usize,
    start: Place,
    /// Where the next page begins.
    next: Place,
    full: bool,
    lines: Vec<Line>,
}

impl Taken {
    fn new(turn: &Turn, start: Place, looks: usize) -> Self {
        let Turn { order, limit, .. } = *turn;
        Self { order, limit, looks, start, next: start, full: false, lines: Vec::new() }
    }

    fn take(&mut self, line: &Line, wanted: bool) -> ControlFlow<()> {
        let place = match self.order {
            Order::OldestFirst => Place::after(line),
            Order::NewestFirst => Place::of(line),
        };
        self.look(place, wanted.then_some(line))
    }

    /// Looks at an item: where to go on after it, and the line when it is wanted.
    fn look(&mut self, place: Place, wanted: Option<&Line>) -> ControlFlow<()> {
        if self.lines.len() >= self.limit || self.looks == 0 {
            // There is at least this one more.
            self.full = true;
            return ControlFlow::Break(());
        }
        self.looks = self.looks.saturating_sub(1);
        self.next = place;
        self.lines.extend(wanted);
        ControlFlow::Continue(())
    }

    fn finish<T>(
        self,
        slot: u32,
        seen: u64,
        make: &mut dyn FnMut(&Line) -> Result<T, StoreFault>,
    ) -> Result<Page<T>, QueryError> {
        let cursor = |place: Place| {
            Cursor::new(List::Items, slot, place.position, u128::from(place.ordinal))
        };
        let next = match (self.full, self.order) {
            (true, _) => self.next,
            // Nothing was left out: later entries come after what was seen.
            (false, Order::OldestFirst) => self.next.max(Place::before(seen)),
            (false, Order::NewestFirst) => Place::before(0),
        };
        let lines = self.lines.iter().map(make).collect::<Result<_, _>>()?;
        Ok(Page { lines, next: cursor(next), back: cursor(self.start), at_end: !self.full })
    }
}

fn start_of(turn: &Turn, slot: u32, seen: u64) -> Result<Place, QueryError> {
    match (turn.start, turn.order) {
        (Start::AtEnd, Order::OldestFirst) => Ok(Place::before(0)),
        (Start::AtEnd, Order::NewestFirst) => Ok(Place::before(seen)),
        (Start::At(cursor), _) => {
            let (position, ordinal) = cursor.of(List::Items, slot)?;
            let ordinal = u32::try_from(ordinal).map_err(|_| QueryError::Cursor)?;
            Ok(Place { position, ordinal })
        }
    }
}

fn bounds(stamps: &mut Stamps<'_>, filter: &Filter, seen: u64) -> Result<Bounds, StoreFault> {
    let mut before = |moment: Instant| match moment.nanos().checked_sub(1) {
        None => Ok(0),
        Some(last) => stamps.facts_until(last, seen),
    };
    let mut range = |period: Option<Period>| match period {
        None => Ok((0, seen)),
        Some(period) => Ok::<_, StoreFault>((before(period.from)?, before(period.until)?)),
    };
    let (first, until) = range(filter.ledger_time)?;
    Ok(Bounds { first, until, effective: range(filter.effective_time)? })
}

fn fits(line: &Line, filter: &Filter, bounds: &Bounds) -> bool {
    let item = &line.item;
    let effective = filter.effective_time.is_none_or(|period| match item.moment {
        Some(moment) => (period.from.nanos()..period.until.nanos()).contains(&moment),
        None => (bounds.effective.0..bounds.effective.1).contains(&item.position),
    });
    let date = BusinessDate::from_days(item.date);
    let amount = Minor::new(item.amount);
    item.kind.what == What::Entry
        && effective
        && filter.side.is_none_or(|side| side == item.kind.side)
        && filter.business_dates.is_none_or(|(from, to)| (from..=to).contains(&date))
        && filter.amounts.is_none_or(|(from, to)| (from..=to).contains(&amount))
        && filter.reason.is_none_or(|reason| super::item::reason_code(reason) == item.reason)
}

fn entry_of(line: &Line, stamp: Instant) -> Result<StatementEntry, StoreFault> {
    let item = &line.item;
    let reason = reason_of(item.reason).ok_or(StoreFault::Damaged {
        table: Table::Items,
        key: item.position.into(),
        problem: "an entry's reason is not known",
    })?;
    Ok(StatementEntry {
        position: Position::new(item.position),
        stamp,
        effective: item.moment.map(Instant::from_nanos),
        transaction: TransactionId::from_bytes(item.id),
        business_date: BusinessDate::from_days(item.date),
        reason,
        side: item.kind.side,
        amount: Minor::new(item.amount),
        debits_posted: Minor::new(line.after.debits),
        credits_posted: Minor::new(line.after.credits),
    })
}

fn hold_event_of(line: &Line, stamp: Instant) -> Result<HoldEvent, StoreFault> {
    let item = &line.item;
    let term =
        item.moment.map_or(Term::Pinned, |at| Term::Expiring { at: Instant::from_nanos(at) });
    let step = match item.kind.what {
        What::HoldPlaced | What::Entry => HoldStep::Placed(term),
        What::HoldPosted => HoldStep::Posted,
        What::HoldVoided => HoldStep::Voided,
        What::HoldExpired => HoldStep::Expired,
        What::HoldPinned => HoldStep::Pinned,
    };
    Ok(HoldEvent {
        position: Position::new(item.position),
        stamp,
        hold: HoldId::from_bytes(item.id),
        step,
        side: item.kind.side,
        amount: Minor::new(item.amount),
        debits_pending: Minor::new(line.after.held_debits),
        credits_pending: Minor::new(line.after.held_credits),
    })
}
