//! What was seen, in memory: the fold over changes, and what of it the file does not yet have.

use std::sync::Arc;

use ledger::{Change, Ended, Entry, Link, Opening, Placement, Resolved, Term, Transaction};
use terms::{AccountId, HoldId};

use super::Limits;
use super::accounts::Accounts;
use super::buffer::{Buffer, LinkKey, Moment, NewEvent};
use super::error::FeedError;
use super::holds::{self, Changes, Record};
use super::item::{Kind, What, reason_code};
use super::tables::{Store, Stored};

/// What one flush wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Positions from here.
    pub(super) first: u64,
    /// To before here.
    pub(super) next: u64,
    /// Whether an entry says its effective time.
    pub(super) effective: bool,
    /// Whether a transaction has links.
    pub(super) links: bool,
}

/// The state in memory.
pub(super) struct Head {
    pub(super) accounts: Accounts,
    pub(super) buffer: Buffer,
    pub(super) holds: Changes,
    /// Shared with pages that are read while it goes on.
    pub(super) runs: Arc<Vec<Run>>,
    pub(super) stored: Stored,
    /// The first position not seen.
    pub(super) next: u64,
    /// Stamp of the newest fact or batch end seen.
    pub(super) stamp: u64,
    /// Whether facts came after the last batch end.
    pub(super) batch_open: bool,
    /// Why nothing more is taken.
    pub(super) stopped: Option<&'static str>,
}

/// Transactions taken but not yet shown: those with entries alone.
#[derive(Default)]
pub(super) struct Waiting {
    /// With how many entries each.
    pub(super) events: Vec<(NewEvent, usize)>,
    pub(super) entries: Vec<Entry>,
}

/// A fact's place.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) position: u64,
    /// When it takes effect, where that was said.
    pub(super) effective: Option<u64>,
}

impl Head {
    pub(super) fn new(accounts: Accounts, runs: Vec<Run>, stored: Stored, limits: &Limits) -> Self {
        let next = stored.tip.next.number();
        Self {
            accounts,
            buffer: Buffer::new(next, limits),
            holds: Changes::default(),
            runs: Arc::new(runs),
            stored,
            next,
            stamp: stored.tip.stamp.nanos(),
            batch_open: false,
            stopped: None,
        }
    }

    pub(super) fn stored_moment(&self) -> Moment {
        let tip = &self.stored.tip;
        Moment { next: tip.next.number(), stamp: tip.stamp.nanos() }
    }

    /// The moments that a flush writes: all but the last batch's end where the journal began with
    /// nothing.
    pub(super) fn end_batch(&mut self, next: u64, stamp: u64) {
        self.buffer.moments.push(Moment { next, stamp });
        self.next = next;
        self.stamp = stamp;
        self.batch_open = false;
    }

    /// Goes on past a fact that was taken.
    pub(super) fn advance(&mut self, position: u64, stamp: u64) {
        self.next = position.saturating_add(1);
        self.stamp = stamp;
        self.batch_open = true;
    }

    /// Takes entries that wait, in the order of their events.
    pub(super) fn take_waiting(&mut self, waiting: &Waiting) -> Result<(), FeedError> {
        // All accounts first: nothing in this loop waits for what came before it, so that the
        // processor fetches several rows at once. With a million accounts that halves a look-up.
        let slots = waiting.entries.iter().map(|entry| self.slot(entry.account));
        let slots = slots.collect::<Result<Vec<u32>, FeedError>>()?;
        let mut entries = slots.iter().zip(&waiting.entries);
        for (new, count) in &waiting.events {
            let event = self.event(*new)?;
            self.buffer.effective |= new.moment.is_some();
            for (slot, entry) in entries.by_ref().take(*count) {
                let kind = Kind::new(What::Entry, entry.side);
                self.buffer.push(&mut self.accounts, *slot, event, kind, entry.amount.units());
            }
        }
        Ok(())
    }

    /// Takes a change that was not seen before. After an error the state is not to be used.
    pub(super) fn take(&mut self, store: &Store, at: At, change: &Change) -> Result<(), FeedError> {
        match change.resolved() {
            Resolved::AccountOpened(opening) => self.open_account(opening),
            Resolved::HoldPlaced(placement) => self.place_hold(at, placement),
            Resolved::HoldPinned { hold } => {
                let record = self.open_hold(store, *hold)?;
                self.hold_event(at, *hold, &record, What::HoldPinned, 0)?;
                let now = Record { at: None, ..record };
                self.holds.replace(key_of(*hold), &record, Some(now));
                Ok(())
            }
            Resolved::HoldVoided { hold, .. } => self.end_hold(store, at, *hold, What::HoldVoided),
            Resolved::HoldExpired { hold, .. } => {
                self.end_hold(store, at, *hold, What::HoldExpired)
            }
            Resolved::Posted { transaction, ended, .. } => {
                for end in ended {
                    self.post_hold(store, at, end)?;
                }
                self.post(at, transaction)
            }
            // What an account may do is not asked here: the ledger answers that.
            Resolved::LimitsSet { .. }
            | Resolved::FreezeSet { .. }
            | Resolved::BlockedSet { .. }
            | Resolved::AccountClosed { .. } => Ok(()),
        }
    }

    fn open_account(&mut self, opening: &Opening) -> Result<(), FeedError> {
        let asset = self.accounts.add_asset(opening.asset);
        let added = self.accounts.add(opening.id.bytes(), asset, opening.normal);
        added.map(|_| ()).ok_or(FeedError::AccountOpenedTwice { account: opening.id })
    }

    fn post(&mut self, at: At, transaction: &Transaction) -> Result<(), FeedError> {
        let event = self.event(event_of(at, transaction))?;
        self.buffer.effective |= at.effective.is_some();
        for entry in &transaction.entries {
            let slot = self.slot(entry.account)?;
            let kind = Kind::new(What::Entry, entry.side);
            self.buffer.push(&mut self.accounts, slot, event, kind, entry.amount.units());
        }
        for link in &transaction.links {
            self.buffer.links.push((link_key(link), event));
        }
        Ok(())
    }

    fn place_hold(&mut self, at: At, placement: &Placement) -> Result<(), FeedError> {
        let slot = self.slot(placement.account)?;
        let term = match placement.term {
            Term::Expiring { at } => Some(at.nanos()),
            Term::Pinned => None,
        };
        let record = Record {
            slot,
            side: placement.side,
            amount: placement.amount.units(),
            at: term,
            position: at.position,
            date: placement.business_date.days(),
        };
        let event = self.event(NewEvent {
            id: placement.id.bytes(),
            position: at.position,
            date: record.date,
            moment: term,
            reason: 0,
        })?;
        let kind = Kind::new(What::HoldPlaced, record.side);
        self.buffer.push(&mut self.accounts, slot, event, kind, record.amount);
        self.holds.place(key_of(placement.id), record);
        Ok(())
    }

    /// A posted hold; what is neither posted nor released is still held.
    fn post_hold(&mut self, store: &Store, at: At, end: &Ended) -> Result<(), FeedError> {
        let record = self.open_hold(store, end.hold)?;
        let gone = end.posted.units().saturating_add(end.released.units()).min(record.amount);
        self.hold_event(at, end.hold, &record, What::HoldPosted, gone)?;
        let left = record.amount.saturating_sub(gone);
        let now = (left > 0).then_some(Record { amount: left, ..record });
        self.holds.replace(key_of(end.hold), &record, now);
        Ok(())
    }

    fn end_hold(
        &mut self,
        store: &Store,
        at: At,
        hold: HoldId,
        what: What,
    ) -> Result<(), FeedError> {
        let record = self.open_hold(store, hold)?;
        self.hold_event(at, hold, &record, what, record.amount)?;
        self.holds.replace(key_of(hold), &record, None);
        Ok(())
    }

    fn hold_event(
        &mut self,
        at: At,
        hold: HoldId,
        record: &Record,
        what: What,
        amount: u128,
    ) -> Result<(), FeedError> {
        let event = self.event(NewEvent {
            id: hold.bytes(),
            position: at.position,
            date: record.date,
            moment: None,
            reason: 0,
        })?;
        let kind = Kind::new(what, record.side);
        self.buffer.push(&mut self.accounts, record.slot, event, kind, amount);
        Ok(())
    }

    fn open_hold(&self, store: &Store, hold: HoldId) -> Result<Record, FeedError> {
        let known = match self.holds.get(key_of(hold)) {
            Some(known) => known,
            None => holds::stored(&store.read()?, key_of(hold))?,
        };
        known.ok_or(FeedError::HoldNotOpen { hold })
    }

    fn slot(&self, account: AccountId) -> Result<u32, FeedError> {
        self.accounts.slot(account).ok_or(FeedError::UnknownAccount { account })
    }

    fn event(&mut self, new: NewEvent) -> Result<u32, FeedError> {
        self.buffer.event(new).ok_or(FeedError::Stopped("too many positions since the last flush"))
    }

    /// Bytes of memory, beside the library's cache.
    pub(super) fn bytes(&self) -> usize {
        let runs = self.runs.capacity().saturating_mul(size_of::<Run>());
        let parts = [self.accounts.bytes(), self.buffer.bytes(), self.holds.bytes(), runs];
        parts.iter().sum()
    }
}

/// What a transaction's entries share.
pub(super) fn event_of(at: At, transaction: &Transaction) -> NewEvent {
    NewEvent {
        id: transaction.id.bytes(),
        position: at.position,
        date: transaction.business_date.days(),
        moment: at.effective,
        reason: reason_code(transaction.reason),
    }
}

pub(super) fn key_of(hold: HoldId) -> u128 {
    u128::from_be_bytes(hold.bytes())
}

pub(super) fn link_key(link: &Link) -> LinkKey {
    match link {
        Link::Payment(id) => LinkKey { kind: 0, id: id.bytes() },
        Link::Quote(id) => LinkKey { kind: 1, id: id.bytes() },
        Link::Returns(id) => LinkKey { kind: 2, id: id.bytes() },
        Link::Refunds(id) => LinkKey { kind: 3, id: id.bytes() },
        Link::Corrects(id) => LinkKey { kind: 4, id: id.bytes() },
    }
}
