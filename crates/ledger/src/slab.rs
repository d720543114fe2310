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
    kept: Vec<Vec<(u32, T)>>,
    /// A bit for each row before `end`: whether it is kept.
    is_kept: Vec<u64>,
}

impl<T: Clone> Copying<T> {
    fn new(end: u32) -> Self {
        let kept = vec![Vec::new(); place(end.div_ceil(CHUNK_ROWS))];
        Self { end, next: 0, kept, is_kept: vec![0; place(end.div_ceil(u64::BITS))] }
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
            kept.push((slot, row.clone()));
        }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), rows: 0, copying: None }
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
        self.copying = Some(Box::new(Copying::new(self.rows)));
    }

    /// Keeps no rows any more.
    pub(crate) fn end_copy(&mut self) {
        self.copying = None;
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
            match kept.filter(|kept| !kept.is_empty()) {
                None => rows.for_each(&mut out),
                Some(kept) => {
                    let mut places = vec![None; place(CHUNK_ROWS)];
                    for (slot, row) in kept.iter() {
                        if let Some(to) = places.get_mut(place(slot % CHUNK_ROWS)) {
                            *to = Some(row);
                        }
                    }
                    let stood = places.into_iter().skip(place(first));
                    rows.zip(stood).for_each(|(row, stood)| out(stood.unwrap_or(row)));
                    if next.is_multiple_of(CHUNK_ROWS) {
                        *kept = Vec::new();
                    }
                }
            }
            copying.next = next;
        }
        if to < copying.end {
            self.copying = Some(copying);
        }
        to.saturating_sub(from)
    }
}

/// Tables of one index.
const TABLES: u32 = 256;

/// Slots by key, in many small tables.
///
/// A table that grows reads the row of each slot that it holds: a single one would stop the writer
/// for 100 ms at a million accounts and for seconds at some ten million. Small ones do so one after
/// another, some in each batch, because no two have exactly as many slots.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    tables: Vec<HashTable<u32>>,
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
        self.tables.get(table(hash))?.find(hash, |slot| is(*slot)).copied()
    }

    /// Adds a slot; `rehash` tells the hash of each slot that is known already.
    pub(crate) fn insert(&mut self, hash: u64, slot: u32, rehash: impl Fn(u32) -> u64) {
        if let Some(table) = self.tables.get_mut(table(hash)) {
            table.insert_unique(hash, slot, |slot| rehash(*slot));
        }
    }

    /// Makes room for about `more` slots at once.
    pub(crate) fn reserve(&mut self, more: u32, rehash: impl Fn(u32) -> u64) {
        for table in &mut self.tables {
            table.reserve(place(more / TABLES), |slot| rehash(*slot));
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let table = self.tables.get_mut(table(hash))?;
        let entry = table.find_entry(hash, |slot| is(*slot)).ok()?;
        Some(entry.remove().0)
    }
}

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
