//! The part of the index that is in memory only: entries in position order, and a table of them.

use hashbrown::HashTable;

use super::Positions;
use super::key::{Entry, IdKey, KeyHash};
use terms::Position;

/// Room beyond a full part for the further keys of the position that filled it: growing the table
/// would stop the caller for milliseconds.
const SLACK: usize = 8192;

/// Entries in memory. While it is the recent part it takes inserts; frozen, it is only read.
///
/// The table holds numbers of slots, not slots: a probe that finds nothing touches one line of its
/// control bytes (half a MiB in all, so mostly in the second cache), and an insert appends to the
/// slots. Its iteration order is never observed: what leaves is sorted.
pub(super) struct Part {
    base: u64,
    last: Option<u64>,
    slots: Vec<Slot>,
    table: HashTable<u32>,
}

struct Slot {
    key: IdKey,
    /// From the part's first position.
    offset: u32,
}

impl Part {
    pub(super) fn with_room(entries: usize) -> Self {
        let room = entries + SLACK.min(entries);
        Self {
            base: 0,
            last: None,
            slots: Vec::with_capacity(room),
            table: HashTable::with_capacity(room),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The newest position.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// One past the newest position.
    pub(super) fn end(&self) -> u64 {
        self.last.map_or(0, |last| last.saturating_add(1))
    }

    /// Whether a position is near enough to the first one to be stored as its distance.
    pub(super) fn reaches(&self, position: u64) -> bool {
        self.last.is_none() || u32::try_from(position.saturating_sub(self.base)).is_ok()
    }

    /// Adds an entry whose position is not before the newest and is reached.
    pub(super) fn insert(&mut self, hash: KeyHash, key: &IdKey, position: u64) {
        if self.last.is_none() {
            self.base = position;
        }
        self.last = Some(position);
        let offset = u32::try_from(position.saturating_sub(self.base)).unwrap_or(u32::MAX);
        let number = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { key: *key, offset });
        let slots = &self.slots;
        self.table.insert_unique(hash.of(key), number, |number| {
            slot(slots, *number).map_or(0, |slot| hash.of(&slot.key))
        });
    }

    /// Adds the positions of a key, in order.
    pub(super) fn collect(&self, hash: u64, key: &IdKey, found: &mut Positions) {
        let before = found.len();
        for number in self.table.iter_hash(hash) {
            if let Some(slot) = slot(&self.slots, *number).filter(|slot| slot.key == *key) {
                found.push(self.position(slot));
            }
        }
        if let Some(new) = found.get_mut(before..) {
            new.sort_unstable();
        }
    }

    /// Reads the place of a hash, for its effect on the caches only.
    pub(super) fn touch(&self, hash: u64) -> u64 {
        u64::from(self.table.iter_hash(hash).next().is_some())
    }

    /// All entries, in the order of keys.
    pub(super) fn sorted(&self) -> Vec<Entry> {
        let entry = |slot: &Slot| Entry::new(&slot.key, self.position(slot).number());
        let mut entries: Vec<Entry> = self.slots.iter().map(entry).collect();
        entries.sort_unstable();
        entries
    }

    /// All entries, in the order of positions.
    pub(super) fn entries(&self) -> impl Iterator<Item = (IdKey, Position)> {
        self.slots.iter().map(|slot| (slot.key, self.position(slot)))
    }

    /// The entries before a position, as a part of its own.
    pub(super) fn before(&self, position: u64, hash: KeyHash, room: usize) -> Self {
        let mut part = Self::with_room(room);
        for (key, at) in self.entries().take_while(|(_, at)| at.number() < position) {
            part.insert(hash, &key, at.number());
        }
        part
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.table.allocation_size() + self.slots.capacity() * size_of::<Slot>()
    }

    fn position(&self, slot: &Slot) -> Position {
        Position::new(self.base + u64::from(slot.offset))
    }
}

fn slot(slots: &[Slot], number: u32) -> Option<&Slot> {
    slots.get(usize::try_from(number).unwrap_or(usize::MAX))
}
