//! The file of salt keys: one random key per slot, erasable on its own.
//!
//! 64 bytes per slot: state (1 byte: 1 = key, 2 = erased) ‖ 7 zero bytes ‖ slot (8 bytes,
//! big-endian) ‖ key (32 bytes) ‖ the first 16 bytes of SHA-256 under `wayleave/salt-slot/v1` of
//! all before. A record never crosses a sector, so it is there whole or not at all.
//!
//! Keys are made durable a pool at a time, ahead of their use, so that a payment costs no sync of
//! its own. *Crash story*: which slots of the pool were handed out is not recorded; opening
//! skips to the end of the file, so a slot is never handed out twice, and at most a pool's worth
//! of keys is wasted. A pool whose sync failed is never handed out; its slots are skipped too.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use journal::Salts;
use record::SaltSlot;
use seal::digest::{Domain, digest};
use seal::{Secret, derive};
use terms::Position;

use crate::disk::{Disk, DiskFile};

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
    /// An earlier fault: open the file again.
    #[error("the file of salt keys is stopped after an earlier fault")]
    Stopped,
}

/// The salt keys of one book.
pub struct SaltKeys<D: Disk> {
    inner: Mutex<Inner<D::File>>,
}

struct Inner<F> {
    file: F,
    entropy: Box<dyn FnMut() -> io::Result<[u8; 32]> + Send>,
    /// The next slot to hand out.
    next: u64,
    /// One after the last durable slot.
    filled: u64,
    pool: u64,
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
        let entropy = Box::new(entropy);
        let pool = pool.max(1);
        let inner = Inner { file, entropy, next, filled: next, pool, stopped: false };
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// A slot whose key is durable and was never handed out before.
    ///
    /// Writes and syncs a new pool when the old one is used up; call [`SaltKeys::refill`] ahead
    /// of that on another thread.
    ///
    /// # Errors
    /// [`SaltError`]: no slot was handed out.
    pub fn take_slot(&self) -> Result<SaltSlot, SaltError> {
        let mut inner = self.lock();
        if inner.next >= inner.filled {
            inner.fill()?;
        }
        let slot = inner.next;
        inner.next = slot.saturating_add(1);
        Ok(SaltSlot(slot))
    }

    /// Makes another pool durable when less than half of one is left.
    ///
    /// # Errors
    /// [`SaltError`].
    pub fn refill(&self) -> Result<(), SaltError> {
        let mut inner = self.lock();
        let left = inner.filled.saturating_sub(inner.next);
        if left < inner.pool.div_ceil(2) { inner.fill() } else { Ok(()) }
    }

    /// Erases a slot's key, durably: the salts of its facts, and so their openings, are gone.
    /// Overwritten in place; what a drive keeps of old blocks is outside this promise.
    ///
    /// # Errors
    /// [`SaltError`]; after [`SaltError::Failed`] the key may still be there.
    pub fn erase(&self, slot: SaltSlot) -> Result<(), SaltError> {
        let mut inner = self.lock();
        if inner.stopped {
            return Err(SaltError::Stopped);
        }
        if slot.0 >= inner.filled {
            return Err(SaltError::NoSuchSlot(slot.0));
        }
        let record = encode(slot.0, STATE_ERASED, &[0; 32]);
        inner.write(slot.0, &record)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<D::File>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: DiskFile> Inner<F> {
    fn fill(&mut self) -> Result<(), SaltError> {
        if self.stopped {
            return Err(SaltError::Stopped);
        }
        let mut records = Vec::new();
        let end = self.filled.saturating_add(self.pool);
        for slot in self.filled..end {
            records.extend_from_slice(&encode(slot, STATE_KEY, &(self.entropy)()?));
        }
        let first = self.filled;
        self.write(first, &records)?;
        self.filled = end;
        Ok(())
    }

    fn write(&mut self, slot: u64, records: &[u8]) -> Result<(), SaltError> {
        let written = self.file.write_at(offset(slot), records).and_then(|()| self.file.sync());
        // The descriptor is not used again to write after a failure.
        self.stopped = written.is_err();
        Ok(written?)
    }
}

impl<D: Disk> Salts for SaltKeys<D> {
    fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret> {
        let inner = self.lock();
        // Only durable keys: after a failed sync the file may hold more than the disk does.
        if slot.0 >= inner.filled {
            return None;
        }
        let record = inner.file.read_at(offset(slot.0), RECORD_BYTES).ok()?;
        let key = decode(slot.0, &record)?;
        Some(derive(&key, ROOT_DOMAIN, &position.number().to_be_bytes()))
    }
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
