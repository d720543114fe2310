//! Rows in memory: each keeps its slot for as long as it stands, found by an index on a keyed
//! hash. The order of an index is never observed: whoever lists rows sorts them.
//!
//! A slab can be written out while it changes: a row that is about to change and was not written
//! yet is kept as it was. See [`Slab::begin_copy`].

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use hashbrown::HashTable;

/// Rows of one chunk: growing never moves more than one chunk, so it never pauses for long.
const CHUNK_ROWS: u32 = 4096;

/// Rows by slot.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<T>>,
    rows: u32,
    copying: Option<Box<Copying<T>>>,
    spare: Spare<T>,
}

/// A slab that is being written out as it stood at one moment.
#[derive(Clone, Debug)]
struct Copying<T> {
    /// How many rows there were.
    end: u32,
    /// The first row that was not written yet.
    next: u32,
    // INVARIANT (CopyBeforeWrite): a row in `next..end` that changed stands here as it was when
    // the copy began. Upheld by `Slab::get_mut`, the one door to a row; without it an image would
    // mix two positions and its sums would not agree.
    /// By chunk, in the order in which they changed: keeping a row must not be slow, because many
    /// change while a large slab is written.
    kept: Vec<Kept<T>>,
    /// A bit for each row before `end`: whether it is kept.
    is_kept: Vec<u64>,
    spare: Spare<T>,
}

/// Kept rows of one chunk: apart from their places, because rows may be aligned to cache lines and
/// a pair would take as much again.
#[derive(Clone, Debug)]
struct Kept<T> {
    /// Where in the chunk each stood.
    places: Vec<u16>,
    rows: Vec<T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { places: Vec::new(), rows: Vec::new() }
    }
}

/// Room of kept rows for the next copy: memory that the system hands out anew costs more to touch
/// for the first time than a row costs to keep.
#[derive(Clone, Debug)]
struct Spare<T> {
    room: Vec<Kept<T>>,
    /// Rows that fit, in all.
    rows: usize,
}

/// Rows that spare room is kept for at most, 8 MiB of accounts: as many as change while a million
/// of them are written.
const SPARE_ROWS: usize = 65_536;

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self { room: Vec::new(), rows: 0 }
    }
}

impl<T> Spare<T> {
    fn take(&mut self) -> Kept<T> {
        let kept = self.room.pop().unwrap_or_default();
        self.rows = self.rows.saturating_sub(kept.rows.capacity());
        kept
    }

    fn put(&mut self, mut kept: Kept<T>) {
        let rows = self.rows.saturating_add(kept.rows.capacity());
        if rows <= SPARE_ROWS {
            kept.places.clear();
            kept.rows.clear();
            self.rows = rows;
            self.room.push(kept);
        }
    }
}

impl<T: Clone> Copying<T> {
    fn new(end: u32, spare: Spare<T>) -> Self {
        let kept = vec![Kept::default(); place(end.div_ceil(CHUNK_ROWS))];
        Self { end, next: 0, kept, is_kept: vec![0; place(end.div_ceil(u64::BITS))], spare }
    }

    /// Keeps a row that is about to change, the first time.
    fn keep(&mut self, slot: u32, row: &T) {
        if slot < self.next || slot >= self.end {
            return;
        }
        let bit = 1_u64 << (slot % u64::BITS);
        if let Some(word) = self.is_kept.get_mut(place(slot / u64::BITS))
            && *word & bit == 0
            && let Some(kept) = self.kept.get_mut(place(slot / CHUNK_ROWS))
        {
            *word |= bit;
            if kept.rows.capacity() == 0 {
                *kept = self.spare.take();
            }
            kept.places.push(in_chunk(slot));
            kept.rows.push(row.clone());
        }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), rows: 0, copying: None, spare: Spare::default() }
    }
}

impl<T: Clone> Slab<T> {
    pub(crate) const fn len(&self) -> u32 {
        self.rows
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.chunks.get(place(slot / CHUNK_ROWS))?.get(place(slot % CHUNK_ROWS))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        let chunk = self.chunks.get_mut(place(slot / CHUNK_ROWS))?;
        let row = chunk.get_mut(place(slot % CHUNK_ROWS))?;
        if let Some(copying) = &mut self.copying {
            copying.keep(slot, row);
        }
        Some(row)
    }

    /// Adds a row and says where; `None` after 2^32 - 1 rows.
    pub(crate) fn push(&mut self, row: T) -> Option<u32> {
        let slot = self.rows;
        self.rows = slot.checked_add(1)?;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < place(CHUNK_ROWS) => chunk.push(row),
            Some(_) | None => self.chunks.push(vec![row]),
        }
        Some(slot)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// From now on the rows as they stand are kept until [`Self::copy`] has given them out.
    pub(crate) fn begin_copy(&mut self) {
        self.end_copy();
        let spare = core::mem::take(&mut self.spare);
        self.copying = Some(Box::new(Copying::new(self.rows, spare)));
    }

    /// Keeps no rows any more.
    pub(crate) fn end_copy(&mut self) {
        if let Some(copying) = self.copying.take() {
            self.spare = copying.spare;
        }
    }

    /// Gives out at most `budget` of the kept rows, in order of their slots, and says how many it
    /// gave. None are left when it gave fewer than `budget`.
    pub(crate) fn copy(&mut self, budget: u32, mut out: impl FnMut(&T)) -> u32 {
        let Some(mut copying) = self.copying.take() else { return 0 };
        let from = copying.next;
        let to = copying.end.min(from.saturating_add(budget));
        while copying.next < to {
            let (chunk, first) = (copying.next / CHUNK_ROWS, copying.next % CHUNK_ROWS);
            let next = chunk.saturating_add(1).saturating_mul(CHUNK_ROWS).min(to);
            let many = place(next.saturating_sub(copying.next));
            let rows = self.chunks.get(place(chunk)).map_or(&[][..], Vec::as_slice);
            let rows = rows.iter().skip(place(first)).take(many);
            let kept = copying.kept.get_mut(place(chunk));
            match kept.filter(|kept| !kept.rows.is_empty()) {
                None => rows.for_each(&mut out),
                Some(kept) => {
                    let mut places = vec![None; place(CHUNK_ROWS)];
                    for (at, row) in kept.places.iter().zip(&kept.rows) {
                        if let Some(to) = places.get_mut(usize::from(*at)) {
                            *to = Some(row);
                        }
                    }
                    let stood = places.into_iter().skip(place(first));
                    rows.zip(stood).for_each(|(row, stood)| out(stood.unwrap_or(row)));
                    if next.is_multiple_of(CHUNK_ROWS) {
                        copying.spare.put(core::mem::take(kept));
                    }
                }
            }
            copying.next = next;
        }
        if to < copying.end {
            self.copying = Some(copying);
        } else {
            self.spare = copying.spare;
        }
        to.saturating_sub(from)
    }
}

/// A slot's place in its chunk.
#[inline]
fn in_chunk(slot: u32) -> u16 {
    // A chunk has 4096 of them.
    u16::try_from(slot % CHUNK_ROWS).unwrap_or(u16::MAX)
}

/// Tables of one index.
const TABLES: u32 = 256;

/// Slots by key, in many small tables.
///
/// A table that grows moves each slot that it holds: a single one would stop the writer. Small ones
/// do so one after another, some in each batch, because no two have exactly as many slots. What is
/// needed of each slot's hash stands beside it: reading it from the row took a cache miss for each,
/// and a batch of accounts hundreds of milliseconds at ten million of them.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    tables: Vec<HashTable<Entry>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    slot: u32,
    /// See [`mark`].
    mark: u32,
}

impl Default for Index {
    fn default() -> Self {
        Self { tables: vec![HashTable::new(); place(TABLES)] }
    }
}

impl Index {
    /// The slot under `hash` whose row `is` the wanted one.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mark = mark(hash);
        let found = self.tables.get(table(hash))?;
        Some(found.find(hash, |entry| entry.mark == mark && is(entry.slot))?.slot)
    }

    /// Adds a slot.
    pub(crate) fn insert(&mut self, hash: u64, slot: u32) {
        if let Some(table) = self.tables.get_mut(table(hash)) {
            let entry = Entry { slot, mark: mark(hash) };
            table.insert_unique(hash, entry, |entry| of_mark(entry.mark));
        }
    }

    /// Makes room for about `more` slots at once.
    pub(crate) fn reserve(&mut self, more: u32) {
        for table in &mut self.tables {
            table.reserve(place(more / TABLES), |entry| of_mark(entry.mark));
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let table = self.tables.get_mut(table(hash))?;
        let mark = mark(hash);
        let entry = table.find_entry(hash, |entry| entry.mark == mark && is(entry.slot)).ok()?;
        Some(entry.remove().0.slot)
    }
}

/// What a table uses of a hash: the lowest 25 bits for its places, of which it has at most 2^25
/// because all tables together hold 2^32 slots, and the seven highest for its control bytes.
const fn mark(hash: u64) -> u32 {
    let [a, b, c, d, .., high] = hash.to_le_bytes();
    let low = u32::from_le_bytes([a, b, c, d]) & LOW_BITS;
    low | (u32::from_le_bytes([high, 0, 0, 0]) >> 1) << LOW_BITS.count_ones()
}

/// The hash of a mark, as far as a table looks at it.
fn of_mark(mark: u32) -> u64 {
    let high = u64::from(mark >> LOW_BITS.count_ones());
    u64::from(mark & LOW_BITS) | high << (u64::BITS - 7)
}

const LOW_BITS: u32 = (1 << 25) - 1;

/// Bits of the hash that a table uses neither for its places (the lowest) nor for its control bytes
/// (the seven highest).
#[inline]
fn table(hash: u64) -> usize {
    let [low, ..] = (hash >> 48).to_le_bytes();
    usize::from(low)
}

/// The key of the indexes: who does not know it cannot choose ids that collide.
#[derive(Clone, Debug)]
pub(crate) struct HashKey {
    seed: u64,
    shared: SharedSeed,
}

impl HashKey {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, shared: SharedSeed::from_u64(seed) }
    }

    /// The hash of the 16 bytes of an id.
    #[inline]
    pub(crate) fn of_id(&self, id: [u8; 16]) -> u64 {
        use core::hash::Hasher as _;
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write_u128(u128::from_le_bytes(id));
        hasher.finish()
    }

    /// The hash of some bytes and two numbers.
    pub(crate) fn of_bytes(&self, bytes: &[u8], more: [u32; 2]) -> u64 {
        use core::hash::Hasher as _;
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        let [first, second] = more;
        hasher.write(bytes);
        hasher.write_u32(first);
        hasher.write_u32(second);
        hasher.finish()
    }
}

/// A slot as a place in memory: 32 bits always fit where this runs.
#[inline]
fn place(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a table looks at must be the same when it grows: a slot that moved is found again.
    #[test]
    fn slots_are_found_after_their_tables_grew() {
        let key = HashKey::new(3);
        let hash = |slot: u32| key.of_id(u128::from(slot).wrapping_mul(0x9e37_79b9).to_be_bytes());
        let mut index = Index::default();
        for slot in 0..200_000 {
            index.insert(hash(slot), slot);
        }
        for slot in 0..200_000 {
            let full = hash(slot);
            let (low, high) = (u64::from(LOW_BITS), 0x7f << 57);
            assert_eq!(of_mark(mark(full)), full & (low | high));
            assert_eq!(index.find(full, |found| found == slot), Some(slot));
        }
        assert_eq!(index.remove(hash(7), |found| found == 7), Some(7));
        assert_eq!(index.find(hash(7), |found| found == 7), None);
        index.reserve(1_000_000);
        assert!((8..200_000).all(|slot| index.find(hash(slot), |n| n == slot) == Some(slot)));
    }

    /// Room is used again from one copy to the next, and no row of an earlier one shows.
    #[test]
    fn a_copy_shows_rows_as_they_stood_when_it_began() {
        let mut slab = Slab::default();
        for row in 0..20_000_u32 {
            assert_eq!(slab.push(row), Some(row));
        }
        for round in 0..5 {
            let stood: Vec<u32> = slab.iter().copied().collect();
            slab.begin_copy();
            let mut copied = Vec::new();
            loop {
                for slot in (round..20_000).step_by(3) {
                    *slab.get_mut(slot).unwrap() += 1;
                }
                if slab.copy(1_500, |row| copied.push(*row)) < 1_500 {
                    break;
                }
                if round == 3 && copied.len() > 6_000 {
                    slab.end_copy();
                    break;
                }
            }
            assert_eq!(copied, stood[..copied.len()], "{round}");
            assert!(round == 3 || copied.len() == stood.len());
        }
        assert!(slab.spare.rows > 0 && slab.spare.rows <= SPARE_ROWS);
    }
}
