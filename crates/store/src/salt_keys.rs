//! The file of salt keys: one random key per slot, erasable on its own.
//!
//! 64 bytes per slot: state (1 byte: 1 = key, 2 = erased) ‖ 7 zero bytes ‖ slot (8 bytes,
//! big-endian) ‖ key (32 bytes) ‖ the first 16 bytes of SHA-256 under `wayleave/salt-slot/v1` of
//! all before. A record never crosses a sector, so it is there whole or not at all.
//!
//! Keys are made durable a pool at a time, ahead of their use, so that a payment costs no sync of
//! its own. *Crash story*: which slots of the pool were handed out is not recorded; opening
//! skips to the end of the file, so a slot is never handed out twice, and at most a pool's worth
//! of keys is wasted. A pool whose write or sync failed is never handed out: the next try opens
//! the file anew and writes other keys over it; after a restart its slots are skipped.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use journal::Salts;
use record::SaltSlot;
use seal::digest::{Domain, digest};
use seal::{SaltStream, Secret, derive};
use terms::Position;

use crate::disk::{Disk, DiskFile, Opener};

/// Its name.
pub const SALT_KEYS_NAME: &str = "salt.keys";
/// Keys made durable at once: 16 KiB, one sync per 256 payments.
pub const POOL_KEYS: u64 = 256;
const RECORD_BYTES: usize = 64;
const STATE_KEY: u8 = 1;
const STATE_ERASED: u8 = 2;
const RECORD_DOMAIN: Domain = Domain::new("wayleave/salt-slot/v1");
/// Domain of a fact's salt root: derived with the position as info (8 bytes, big-endian).
pub const ROOT_DOMAIN: Domain = Domain::new("wayleave/salt-root/v1");

/// Why no slot could be taken, or none erased.
#[derive(Debug, thiserror::Error)]
pub enum SaltError {
    /// The device failed.
    #[error("the file of salt keys failed: {0}")]
    Failed(#[from] io::Error),
    /// The slot never held a key.
    #[error("salt slot `{0}` was never filled")]
    NoSuchSlot(u64),
    /// An earlier fault, and the file cannot be opened again yet.
    #[error("the file of salt keys failed earlier and cannot be opened again yet")]
    Stopped,
}

/// The salt keys of one book. Shared by the threads that take slots and the one that writes:
/// making a pool durable never makes a reader of roots wait.
pub struct SaltKeys<D: Disk> {
    pool: u64,
    slots: Mutex<Slots>,
    writing: Mutex<Writing<D::File>>,
    reading: Mutex<D::File>,
}

#[derive(Clone, Copy)]
struct Slots {
    /// The next slot to hand out.
    next: u64,
    /// One after the last durable slot.
    filled: u64,
}

struct Writing<F> {
    file: F,
    again: Opener<F>,
    entropy: Box<dyn FnMut() -> io::Result<[u8; 32]> + Send>,
    stopped: bool,
}

impl<D: Disk> std::fmt::Debug for SaltKeys<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SaltKeys").finish_non_exhaustive()
    }
}

impl<D: Disk> SaltKeys<D> {
    /// Opens or makes the file. `entropy` yields 32 random bytes per call; `pool` is how many
    /// keys are made durable at once ([`POOL_KEYS`]).
    ///
    /// # Errors
    /// [`SaltError::Failed`].
    pub fn open(
        disk: &D,
        pool: u64,
        entropy: impl FnMut() -> io::Result<[u8; 32]> + Send + 'static,
    ) -> Result<Self, SaltError> {
        let file = match disk.open(SALT_KEYS_NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut file = disk.create(SALT_KEYS_NAME, 0)?;
                file.sync()?;
                disk.sync_directory()?;
                file
            }
            Err(error) => return Err(error.into()),
        };
        let record = u64::try_from(RECORD_BYTES).unwrap_or(u64::MAX);
        let next = file.bytes()?.div_ceil(record);
        let again = disk.opener(SALT_KEYS_NAME);
        let writing = Writing { file, again, entropy: Box::new(entropy), stopped: false };
        Ok(Self {
            pool: pool.max(1),
            slots: Mutex::new(Slots { next, filled: next }),
            writing: Mutex::new(writing),
            reading: Mutex::new(disk.open(SALT_KEYS_NAME)?),
        })
    }

    /// A slot whose key is durable and was never handed out before.
    ///
    /// Writes and syncs a new pool when the old one is used up; call [`SaltKeys::refill`] ahead
    /// of that on another thread.
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

    /// Makes another pool durable when less than half of one is left.
    ///
    /// # Errors
    /// [`SaltError`].
    pub fn refill(&self) -> Result<(), SaltError> {
        let slots = *lock(&self.slots);
        let left = slots.filled.saturating_sub(slots.next);
        if left < self.pool.div_ceil(2) { self.fill(slots.filled) } else { Ok(()) }
    }

    /// Erases a slot's key, durably: the salts of its facts, and so their openings, are gone.
    /// Overwritten in place; what a drive keeps of old blocks is outside this promise.
    ///
    /// # Errors
    /// [`SaltError`]; after [`SaltError::Failed`] the key may still be there.
    pub fn erase(&self, slot: SaltSlot) -> Result<(), SaltError> {
        let mut writing = lock(&self.writing);
        if slot.0 >= lock(&self.slots).filled {
            return Err(SaltError::NoSuchSlot(slot.0));
        }
        let record = encode(slot.0, STATE_ERASED, &[0; 32]);
        writing.write(slot.0, &record)
    }

    /// The salts of the whole facts of a slot; `None` when it never held a key or was erased.
    ///
    /// Reads the file and derives a key: whoever commits to many facts keeps the stream.
    #[must_use]
    pub fn stream(&self, slot: SaltSlot) -> Option<SaltStream> {
        Some(SaltStream::of(&self.key(slot)?))
    }

    fn key(&self, slot: SaltSlot) -> Option<Secret> {
        // Only durable keys: after a failed sync the file may hold more than the disk does.
        if slot.0 >= lock(&self.slots).filled {
            return None;
        }
        let record = lock(&self.reading).read_at(offset(slot.0), RECORD_BYTES).ok()?;
        decode(slot.0, &record)
    }

    /// Makes the pool durable that begins at `filled`, unless another thread did meanwhile.
    fn fill(&self, filled: u64) -> Result<(), SaltError> {
        let mut writing = lock(&self.writing);
        if lock(&self.slots).filled != filled {
            return Ok(());
        }
        let end = filled.saturating_add(self.pool);
        let mut records = Vec::new();
        for slot in filled..end {
            records.extend_from_slice(&encode(slot, STATE_KEY, &(writing.entropy)()?));
        }
        writing.write(filled, &records)?;
        // The commit point of the pool: only now may its slots be handed out.
        lock(&self.slots).filled = end;
        Ok(())
    }
}

impl<F: DiskFile> Writing<F> {
    fn write(&mut self, slot: u64, records: &[u8]) -> Result<(), SaltError> {
        if self.stopped {
            self.file = (self.again)().map_err(|_| SaltError::Stopped)?;
        }
        let written = self.file.write_at(offset(slot), records).and_then(|()| self.file.sync());
        // The descriptor is not used again to write after a failure. Through a new one the same
        // records, or later ones, are written whole: what the failed write left is behind the
        // last durable slot, was never handed out, and is written over.
        self.stopped = written.is_err();
        Ok(written?)
    }
}

impl<D: Disk> Salts for SaltKeys<D> {
    fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret> {
        let key = self.key(slot)?;
        Some(derive(&key, ROOT_DOMAIN, &position.number().to_be_bytes()))
    }

    fn stream(&self, slot: SaltSlot) -> Option<SaltStream> {
        Some(SaltStream::of(&self.key(slot)?))
    }

    fn holds(&self, slot: SaltSlot) -> bool {
        self.key(slot).is_some()
    }
}

/// What is wrong with the file, if it is there: each record is a key or an erased one, whole.
///
/// # Errors
/// The device's.
pub fn faults<D: Disk>(disk: &D) -> io::Result<Vec<String>> {
    let Some(bytes) = crate::disk::read_whole(disk, SALT_KEYS_NAME)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (slot, record) in (0..).zip(bytes.chunks(RECORD_BYTES)) {
        let is_key = decode(slot, record).is_some();
        if !is_key && encode(slot, STATE_ERASED, &[0; 32]) != record {
            let offset = offset(slot);
            found.push(format!("`{SALT_KEYS_NAME}` byte {offset}: slot `{slot}` is damaged"));
        }
    }
    Ok(found)
}

/// Fills all slots below `slots` that were never filled as erased: a journal that was restored
/// without its salts has facts of such slots, and a new key in one of them would give their
/// commitments another opening than they were made with.
///
/// # Errors
/// The device's.
pub fn erase_up_to<D: Disk>(disk: &D, slots: u64) -> io::Result<()> {
    let mut file = match disk.open(SALT_KEYS_NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(SALT_KEYS_NAME, 0)?,
        opened => opened?,
    };
    let record = u64::try_from(RECORD_BYTES).unwrap_or(u64::MAX);
    let filled = file.bytes()?.div_ceil(record);
    let erased: Vec<u8> =
        (filled..slots).flat_map(|slot| encode(slot, STATE_ERASED, &[0; 32])).collect();
    file.write_at(offset(filled), &erased)?;
    file.sync()?;
    disk.sync_directory()
}

/// Every change under these locks is one assignment: a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn offset(slot: u64) -> u64 {
    slot.saturating_mul(u64::try_from(RECORD_BYTES).unwrap_or(u64::MAX))
}

fn encode(slot: u64, state: u8, key: &[u8; 32]) -> Vec<u8> {
    let mut record = vec![state, 0, 0, 0, 0, 0, 0, 0];
    record.extend_from_slice(&slot.to_be_bytes());
    record.extend_from_slice(key);
    let check = digest(RECORD_DOMAIN, &record);
    record.extend(check.as_bytes().iter().take(16));
    record
}

fn decode(slot: u64, record: &[u8]) -> Option<Secret> {
    let (body, key) = record.get(..48)?.split_last_chunk::<32>()?;
    let is_key = body.first() == Some(&STATE_KEY) && encode(slot, STATE_KEY, key) == record;
    is_key.then(|| Secret::from_bytes(*key))
}
