//! The salt keys of a book: a file beside its segments, or rows beside its journal.

use std::sync::atomic::{AtomicBool, Ordering};

use journal::Salts;
use record::SaltSlot;
use seal::{SaltStream, Secret};
use store::postgres::PostgresSalts;
use store::{FileDisk, SaltError, SaltKeys};
use terms::Position;

/// Where the keys lie.
#[derive(Debug)]
pub enum BookSalts {
    /// In a file of this machine.
    File(SaltKeys<FileDisk>),
    /// In the journal's database: two cores over one journal share them.
    Shared(Box<SharedSalts>),
}

/// Keys in the database. Nobody waits for it on a thread that answers requests.
#[derive(Debug)]
pub struct SharedSalts {
    keys: PostgresSalts,
    is_filling: AtomicBool,
}

impl BookSalts {
    /// Keys beside a journal in PostgreSQL.
    #[must_use]
    pub fn shared(keys: PostgresSalts) -> Self {
        Self::Shared(Box::new(SharedSalts { keys, is_filling: AtomicBool::new(false) }))
    }

    /// A slot whose key is durable and was never handed out before. `Ok(None)`: none is ready
    /// now; [`BookSalts::refill`] makes some.
    pub fn take_slot(&self) -> Result<Option<SaltSlot>, SaltError> {
        match self {
            Self::File(keys) => keys.take_slot().map(Some),
            Self::Shared(shared) => Ok(shared.keys.take_ready()),
        }
    }

    /// Makes another pool durable when little is left. Waits for the disk or the database.
    pub fn refill(&self) -> Result<(), SaltError> {
        match self {
            Self::File(keys) => keys.refill(),
            Self::Shared(shared) => {
                if shared.is_filling.swap(true, Ordering::SeqCst) {
                    return Ok(());
                }
                let filled = shared.keys.refill();
                shared.is_filling.store(false, Ordering::SeqCst);
                filled
            }
        }
    }
}

impl Salts for BookSalts {
    fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret> {
        match self {
            Self::File(keys) => keys.root(position, slot),
            Self::Shared(shared) => shared.keys.root(position, slot),
        }
    }

    fn stream(&self, slot: SaltSlot) -> Option<SaltStream> {
        match self {
            Self::File(keys) => keys.stream(slot),
            Self::Shared(shared) => shared.keys.stream(slot),
        }
    }

    fn holds(&self, slot: SaltSlot) -> bool {
        match self {
            Self::File(keys) => keys.holds(slot),
            Self::Shared(shared) => shared.keys.holds(slot),
        }
    }
}
