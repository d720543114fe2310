//! The part of the index that is in memory only: entries in position order, and a table of them.

use hashbrown::HashTable;
use terms::Position;

use super::Positions;
use super::key::{Entry, HashedKey, IdHasher, IdKey};

/// Room beyond a full part for the further keys of the position that filled it: growing the table
/// would stop the caller for milliseconds.
const SLACK: usize = 8192;

/// Entries in memory. While it is the recent part it takes inserts; frozen, it is only read.
///
/// The table holds numbers of slots, not slots: a probe that finds nothing touches one line of its
/// control bytes, which mostly lie in the second cache, and an insert appends to the slots. Its
/// iteration order is never observed: what leaves is sorted.
pub(super) struct Part {
    base: u64,
    last: Option<u64>,
    /// Range of the keys: ids that grow with time lie beyond that of a frozen part.
    least: (u128, u32),
    greatest: (u128, u32),
    slots: Vec<Slot>,
    /// Number of a slot, and bits of the hash, see [`tagged`].
    table: HashTable<u32>,
}

/// 24 bytes.
struct Slot {
    id_high: u64,
    id_low: u64,
    tail: u32,
    /// From the part's first position.
    offset: u32,
}

impl Slot {
    fn id(&self) -> u128 {
        u128::from(self.id_high) << 64 | u128::from(self.id_low)
    }

    fn key(&self) -> IdKey {
        IdKey::join(self.id(), self.tail)
    }
}

impl Part {
    pub(super) fn with_room(entries: usize) -> Self {
        let room = entries + SLACK.min(entries);
        Self {
            base: 0,
            last: None,
            least: (u128::MAX, u32::MAX),
            greatest: (0, 0),
            slots: Vec::with_capacity(room),
            table: HashTable::with_capacity(room * SPARE),
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

    /// Whether there is a number for one more slot, and the position is near enough to the first
    /// one to be stored as its distance.
    pub(super) fn reaches(&self, position: u64) -> bool {
        self.last.is_none()
            || self.slots.len() < SLOTS_MAX
                && u32::try_from(position.saturating_sub(self.base)).is_ok()
    }

    /// Adds an entry whose position is not before the newest and is reached.
    pub(super) fn insert(&mut self, hasher: &IdHasher, key: &HashedKey, position: u64) {
        if self.last.is_none() {
            self.base = position;
        }
        self.last = Some(position);
        self.least = self.least.min(key.order());
        self.greatest = self.greatest.max(key.order());
        let offset = u32::try_from(position.saturating_sub(self.base)).unwrap_or(u32::MAX);
        let number = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let id_high = u64::try_from(key.id >> 64).unwrap_or(0);
        let id_low = u64::try_from(key.id & u128::from(u64::MAX)).unwrap_or(0);
        self.slots.push(Slot { id_high, id_low, tail: key.tail, offset });
        let slots = &self.slots;
        self.table.insert_unique(key.hash, tagged(number, key.hash), |number| {
            slot(slots, *number).map_or(0, |slot| hasher.of(&slot.key()))
        });
    }

    /// Adds the positions of a key, in order.
    pub(super) fn collect(&self, key: &HashedKey, found: &mut Positions) {
        if key.order() < self.least || key.order() > self.greatest {
            return;
        }
        let before = found.len();
        let tag = tagged(0, key.hash);
        for number in self.table.iter_hash(key.hash).filter(|number| **number & !NUMBER == tag) {
            if let Some(slot) = slot(&self.slots, *number)
                && (slot.id(), slot.tail) == key.order()
            {
                found.push(self.position(slot));
            }
        }
        if found.len() > before + 1
            && let Some(new) = found.get_mut(before..)
        {
            new.sort_unstable();
        }
    }

    /// Reads the place of a key, for its effect on the caches only.
    pub(super) fn touch(&self, key: &HashedKey) -> u64 {
        if key.order() < self.least || key.order() > self.greatest {
            return 0;
        }
        u64::from(self.table.iter_hash(key.hash).next().is_some())
    }

    /// All entries, in the order of keys.
    pub(super) fn sorted(&self) -> Vec<Entry> {
        let entry = |slot: &Slot| Entry {
            id: slot.id(),
            tail: slot.tail,
            position: self.position(slot).number(),
        };
        let mut entries: Vec<Entry> = self.slots.iter().map(entry).collect();
        entries.sort_unstable();
        entries
    }

    /// All entries, in the order of positions.
    pub(super) fn entries(&self) -> impl Iterator<Item = (IdKey, Position)> {
        self.slots.iter().map(|slot| (slot.key(), self.position(slot)))
    }

    /// The entries before a position, as a part of its own.
    pub(super) fn before(&self, position: u64, hasher: &IdHasher, room: usize) -> Self {
        let mut part = Self::with_room(room);
        for (key, at) in self.entries().take_while(|(_, at)| at.number() < position) {
            part.insert(hasher, &hasher.hashed(&key), at.number());
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

/// Times the room that the entries need: a fuller table has its control bytes in fewer lines, but
/// more of them match by chance and must be followed to the slots.
const SPARE: usize = 1;
/// Bits of a table's value that number the slot. The others are of the hash, so that a chance match
/// of control bytes seldom leads to a slot.
const NUMBER_BITS: u32 = 20;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;
/// Half of what can be numbered, so that the further keys of the fact that fills a part fit: a
/// batch, and so a fact, has less than 2^20 bytes and hence less than 2^19 keys.
const SLOTS_MAX: usize = 1 << 19;

fn tagged(number: u32, hash: u64) -> u32 {
    // Bits that neither the table's place (the lowest) nor its control bytes (the highest) use.
    let bits = u32::try_from(hash >> 24 & u64::from(u32::MAX)).unwrap_or(0);
    bits & !NUMBER | number & NUMBER
}

fn slot(slots: &[Slot], number: u32) -> Option<&Slot> {
    slots.get(usize::try_from(number & NUMBER).unwrap_or(usize::MAX))
}
