//! What was taken since the last flush, in memory.

use std::collections::BTreeMap;

use super::Limits;
use super::accounts::{Accounts, NONE};
use super::bytes::{narrow, wide};
use super::item::{Item, Kind};

/// What several items share: a transaction, or one step of a hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) id: [u8; 16],
    /// After the buffer's first position.
    position: u32,
    pub(super) date: u32,
    moment: u64,
    has_moment: bool,
    reason: u16,
}

/// One item, 24 bytes.
#[derive(Clone, Copy, Debug)]
struct Slim {
    /// The low 64 bits of the amount; the rest is in [`Buffer::highs`].
    amount: u64,
    event: u32,
    /// The item before it on the same account.
    previous: u32,
    kind: u8,
}

/// Stamp of a batch: every fact before `next` and not before the batch before has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) next: u64,
    pub(super) stamp: u64,
}

/// A link of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkKey {
    pub(super) kind: u8,
    pub(super) id: [u8; 16],
}

/// Everything since the last flush but the holds.
pub(super) struct Buffer {
    /// The first position that may be in it.
    pub(super) base: u64,
    events: Vec<Event>,
    items: Vec<Slim>,
    highs: BTreeMap<u32, u64>,
    /// Slots with items, in the order of their first.
    pub(super) touched: Vec<u32>,
    pub(super) moments: Vec<Moment>,
    pub(super) links: Vec<(LinkKey, u32)>,
    /// Whether an entry says its effective time.
    pub(super) effective: bool,
}

/// What makes an [`Event`].
#[derive(Clone, Copy)]
pub(super) struct NewEvent {
    pub(super) id: [u8; 16],
    pub(super) position: u64,
    pub(super) date: u32,
    pub(super) moment: Option<u64>,
    pub(super) reason: u16,
}

impl Buffer {
    /// With room for the limits and a batch beyond them, so that nothing is ever doubled; a page of
    /// memory that was never needed is never there.
    pub(super) fn new(base: u64, limits: &Limits) -> Self {
        let room = |limit: usize| limit.saturating_add(limit / 8);
        Self {
            base,
            events: Vec::with_capacity(room(limits.events)),
            items: Vec::with_capacity(room(limits.items)),
            highs: BTreeMap::new(),
            touched: Vec::new(),
            moments: Vec::new(),
            links: Vec::new(),
            effective: false,
        }
    }

    /// Empty again, its room kept.
    pub(super) fn clear(&mut self, base: u64) {
        self.base = base;
        self.events.clear();
        self.items.clear();
        self.highs.clear();
        self.touched.clear();
        self.moments.clear();
        self.links.clear();
        self.effective = false;
    }

    pub(super) fn items(&self) -> usize {
        self.items.len()
    }

    pub(super) fn events(&self) -> usize {
        self.events.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let parts = [
            self.events.capacity().saturating_mul(size_of::<Event>()),
            self.items.capacity().saturating_mul(size_of::<Slim>()),
            self.highs.len().saturating_mul(24),
            self.touched.capacity().saturating_mul(size_of::<u32>()),
            self.moments.capacity().saturating_mul(size_of::<Moment>()),
            self.links.capacity().saturating_mul(size_of::<(LinkKey, u32)>()),
        ];
        parts.iter().sum()
    }

    /// `None` when the position lies too far from the buffer's first.
    pub(super) fn event(&mut self, new: NewEvent) -> Option<u32> {
        let position = u32::try_from(new.position.checked_sub(self.base)?).ok()?;
        let index = narrow(self.events.len());
        self.events.push(Event {
            id: new.id,
            position,
            date: new.date,
            moment: new.moment.unwrap_or(0),
            has_moment: new.moment.is_some(),
            reason: new.reason,
        });
        Some(index)
    }

    /// Adds an item and applies it to its account.
    pub(super) fn push(
        &mut self,
        accounts: &mut Accounts,
        slot: u32,
        event: u32,
        kind: Kind,
        amount: u128,
    ) {
        let index = narrow(self.items.len());
        let previous = accounts.apply(slot, kind, amount, index);
        if previous == NONE {
            self.touched.push(slot);
        }
        let low = u64::try_from(amount & u128::from(u64::MAX)).unwrap_or(0);
        let high = u64::try_from(amount >> 64).unwrap_or(0);
        if high > 0 {
            self.highs.insert(index, high);
        }
        self.items.push(Slim { amount: low, event, previous, kind: kind.code() });
    }

    /// The id of an event, and its position.
    pub(super) fn event_id(&self, event: u32) -> Option<([u8; 16], u64)> {
        let event = self.events.get(wide(event))?;
        Some((event.id, self.base.saturating_add(event.position.into())))
    }

    /// Brings an item and its event near.
    pub(super) fn touch(&self, index: u32) -> u32 {
        let event = self.items.get(wide(index)).and_then(|slim| self.events.get(wide(slim.event)));
        event.map_or(0, |event| event.date)
    }

    /// The position of an item.
    pub(super) fn position(&self, index: u32) -> Option<u64> {
        let slim = self.items.get(wide(index))?;
        let event = self.events.get(wide(slim.event))?;
        Some(self.base.saturating_add(event.position.into()))
    }

    /// The item before it on the same account.
    pub(super) fn previous(&self, index: u32) -> u32 {
        self.items.get(wide(index)).map_or(NONE, |slim| slim.previous)
    }

    /// An item whole.
    pub(super) fn item(&self, index: u32) -> Option<Item> {
        let slim = self.items.get(wide(index))?;
        let event = self.events.get(wide(slim.event))?;
        let high = if self.highs.is_empty() { None } else { self.highs.get(&index) };
        Some(Item {
            position: self.base.saturating_add(event.position.into()),
            kind: Kind::from_code(slim.kind)?,
            amount: (u128::from(high.copied().unwrap_or(0)) << 64) | u128::from(slim.amount),
            id: event.id,
            date: event.date,
            moment: event.has_moment.then_some(event.moment),
            reason: event.reason,
        })
    }
}
