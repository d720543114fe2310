//! Salt keys beside a journal in PostgreSQL: one row per slot, erasable on its own.
//!
//! As in the file of salt keys ([`crate::salt_keys`]), keys are made durable a pool at a time,
//! ahead of use, in the same replicated way as batches. *Crash story*: a pool whose insert was
//! not acknowledged is never handed out; who fills next begins behind the last row. Two processes
//! never hand out one slot: a pool is one insert, and the second one of a slot is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal::Salts;
use record::SaltSlot;
use seal::{SaltStream, Secret, derive};
use terms::Position;
use tokio_postgres::error::SqlState;

use super::config::PostgresConfig;
use super::desk::{Desk, Purpose, With};
use super::session::Failure;
use crate::salt_keys::{ROOT_DOMAIN, SaltError};

/// Keys kept in memory, 32 bytes each with their slot: what is filled, written and read again
/// soon. Older ones are read from the table.
const KNOWN_MAX: usize = 16_384;
/// How often a key is asked for while the database changes its leader.
const READ_TRIES: u32 = 3;

const FILL: &str = "insert into wayleave_journal.salt_key (book, slot, key) \
    select $1::text, $2::bigint + filled.n - 1, filled.key \
    from unnest($3::bytea[]) with ordinality as filled (key, n)";
const END: &str =
    "select coalesce(max(slot) + 1, 0) from wayleave_journal.salt_key where book = $1";
const KEY: &str = "select key from wayleave_journal.salt_key where book = $1 and slot = $2";
const ERASE: &str =
    "update wayleave_journal.salt_key set key = null where book = $1 and slot = $2 returning slot";

/// The salt keys of one book. Shared by the threads that take slots and the one that writes.
pub struct PostgresSalts {
    filling: Mutex<Filling>,
    slots: Mutex<Slots>,
    known: Mutex<BTreeMap<u64, Arc<Secret>>>,
    reading: Desk,
    book: String,
    pool: u64,
}

#[derive(Clone, Copy)]
struct Slots {
    next: u64,
    filled: u64,
}

struct Filling {
    desk: Desk,
    entropy: Box<dyn FnMut() -> std::io::Result<[u8; 32]> + Send>,
}

impl std::fmt::Debug for PostgresSalts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresSalts").field("book", &self.book).finish_non_exhaustive()
    }
}

fn failed(failure: &Failure) -> SaltError {
    SaltError::Failed(std::io::Error::other(failure.to_string()))
}

fn number(row: &tokio_postgres::Row) -> Result<u64, SaltError> {
    let number = row.try_get::<_, i64>(0).map_err(std::io::Error::other)?;
    Ok(u64::try_from(number).unwrap_or_default())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PostgresSalts {
    /// The keys beside the journal of `config`. Nothing is asked of the server before the first
    /// slot is taken. `entropy` yields 32 random bytes per call.
    ///
    /// # Errors
    /// [`SaltError::Failed`]: no thread for the client.
    pub fn open(
        config: PostgresConfig,
        pool: u64,
        entropy: impl FnMut() -> std::io::Result<[u8; 32]> + Send + 'static,
    ) -> Result<Self, SaltError> {
        let book = config.book().to_string();
        // Keys are read from the leader, too: a replica that lags would make them seem erased.
        let reading = Desk::open(config.clone(), Purpose::Writing)?;
        let desk = Desk::open(config, Purpose::Writing)?;
        Ok(Self {
            filling: Mutex::new(Filling { desk, entropy: Box::new(entropy) }),
            slots: Mutex::new(Slots { next: 0, filled: 0 }),
            known: Mutex::new(BTreeMap::new()),
            reading,
            book,
            pool: pool.max(1),
        })
    }

    /// A slot whose key is durable and was never handed out before.
    ///
    /// # Errors
    /// [`SaltError`]: no slot was handed out.
    pub fn take_slot(&self) -> Result<SaltSlot, SaltError> {
        loop {
            let mut slots = lock(&self.slots);
            if slots.next < slots.filled {
                let slot = slots.next;
                slots.next = slot.saturating_add(1);
                return Ok(SaltSlot(slot));
            }
            let filled = slots.filled;
            drop(slots);
            self.fill(filled)?;
        }
    }

    /// [`PostgresSalts::take_slot`] of what is durable already; `None`: fill first, on a thread
    /// that may wait for the server.
    #[must_use]
    pub fn take_ready(&self) -> Option<SaltSlot> {
        let mut slots = lock(&self.slots);
        let slot = slots.next;
        if slot >= slots.filled {
            return None;
        }
        slots.next = slot.saturating_add(1);
        Some(SaltSlot(slot))
    }

    /// Makes another pool durable when less than half of one is left.
    ///
    /// # Errors
    /// [`SaltError`].
    pub fn refill(&self) -> Result<(), SaltError> {
        let slots = *lock(&self.slots);
        let left = slots.filled.saturating_sub(slots.next);
        if left < self.pool.div_ceil(2) { self.fill(slots.filled) } else { Ok(()) }
    }

    /// Erases a slot's key, durably. What the server keeps of old rows (until it is vacuumed), of
    /// its write-ahead log and of backups is outside this promise.
    ///
    /// # Errors
    /// [`SaltError`]; after [`SaltError::Failed`] the key may still be there.
    pub fn erase(&self, slot: SaltSlot) -> Result<(), SaltError> {
        let numbered = i64::try_from(slot.0).map_err(|_| SaltError::NoSuchSlot(slot.0))?;
        let with = With(vec![Box::new(self.book.clone()), Box::new(numbered)]);
        let erased = lock(&self.filling).desk.query(ERASE, with).map_err(|e| failed(&e))?;
        lock(&self.known).remove(&slot.0);
        if erased.is_empty() { Err(SaltError::NoSuchSlot(slot.0)) } else { Ok(()) }
    }

    /// Makes a pool durable, unless another thread did since `filled` was read.
    fn fill(&self, filled: u64) -> Result<(), SaltError> {
        let mut filling = lock(&self.filling);
        if lock(&self.slots).filled != filled {
            return Ok(());
        }
        let mut keys = Vec::new();
        for _ in 0..self.pool {
            keys.push((filling.entropy)()?);
        }
        // Asked each time: an insert of which nothing was heard may have landed, and another core
        // may have filled before this one took over.
        let with = With(vec![Box::new(self.book.clone())]);
        let end = filling.desk.query(END, with).map_err(|e| failed(&e))?;
        let first = end.first().map(number).transpose()?.unwrap_or_default();
        let rows: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
        let at = i64::try_from(first).map_err(std::io::Error::other)?;
        let with = With(vec![Box::new(self.book.clone()), Box::new(at), Box::new(rows)]);
        match filling.desk.query(FILL, with) {
            Ok(_) => {}
            // Somebody else fills: their slots are theirs, and ours lie behind.
            Err(Failure::Refused { code, .. }) if code == SqlState::UNIQUE_VIOLATION => {
                return Ok(());
            }
            Err(failure) => return Err(failed(&failure)),
        }
        self.remember(first, &keys);
        // The commit point of the pool: only now may its slots be handed out. What was left of
        // the pool before is nothing, or is wasted.
        let end = first.saturating_add(self.pool);
        let mut slots = lock(&self.slots);
        if slots.next >= slots.filled || first != slots.filled {
            slots.next = slots.next.max(first);
        }
        slots.filled = end;
        Ok(())
    }

    fn remember(&self, first: u64, keys: &[[u8; 32]]) {
        let mut known = lock(&self.known);
        for (slot, key) in (first..).zip(keys) {
            known.insert(slot, Arc::new(Secret::from_bytes(*key)));
        }
        while known.len() > KNOWN_MAX {
            known.pop_first();
        }
    }

    fn key(&self, slot: SaltSlot) -> Option<Arc<Secret>> {
        if let Some(known) = lock(&self.known).get(&slot.0) {
            return Some(Arc::clone(known));
        }
        let numbered = i64::try_from(slot.0).ok()?;
        for _ in 0..READ_TRIES {
            let with = With(vec![Box::new(self.book.clone()), Box::new(numbered)]);
            let Ok(rows) = self.reading.query(KEY, with) else { continue };
            let key: Option<&[u8]> = rows.first()?.try_get(0).ok()?;
            let key = <[u8; 32]>::try_from(key?).ok()?;
            return Some(Arc::new(Secret::from_bytes(key)));
        }
        None
    }
}

impl Salts for PostgresSalts {
    fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret> {
        let key = self.key(slot)?;
        Some(derive(&key, ROOT_DOMAIN, &position.number().to_be_bytes()))
    }

    fn stream(&self, slot: SaltSlot) -> Option<SaltStream> {
        Some(SaltStream::of(&*self.key(slot)?))
    }

    fn holds(&self, slot: SaltSlot) -> bool {
        self.key(slot).is_some()
    }
}
