//! A journal in memory: for tests, worlds under a seed, and books that need not outlive a process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use terms::{BookName, Epoch, Position, RunId};

use crate::batch::{BATCH_BYTES_MAX, Batch};
use crate::port::{Append, ClaimError, Journal, NotDone, ReadError, Tip};

/// A journal in memory. Clones share it, so that two writers can contend.
#[derive(Clone, Debug)]
pub struct MemoryJournal {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    book: BookName,
    epoch: Epoch,
    batches: Vec<Batch>,
    #[cfg(any(test, feature = "testkit"))]
    fault: Option<Fault>,
}

/// What the next append should suffer.
#[cfg(any(test, feature = "testkit"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Surely not done.
    NotDone,
    /// Unknown, and it landed.
    UnknownLanded,
    /// Unknown, and it did not land.
    UnknownLost,
}

impl MemoryJournal {
    /// The empty journal of `book`.
    #[must_use]
    pub fn new(book: BookName) -> Self {
        let shared = Shared {
            book,
            epoch: Epoch::ZERO,
            batches: Vec::new(),
            #[cfg(any(test, feature = "testkit"))]
            fault: None,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Makes the next append fail.
    #[cfg(any(test, feature = "testkit"))]
    pub fn fail_next(&self, fault: Fault) {
        self.lock().fault = Some(fault);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Every change is one push or one assignment: a panic elsewhere leaves nothing half done.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn tip(&self) -> Tip {
        self.batches.last().map_or(Tip::GENESIS, Batch::tip)
    }
}

/// The refusals that every adapter makes alike, in order of precedence.
///
/// # Errors
/// The [`NotDone`] that stands in the way.
pub fn admissible(
    batch: &Batch,
    expected: Position,
    epochs: Epochs,
    book: &BookName,
    tip: &Tip,
) -> Result<(), NotDone> {
    let origin = batch.origin();
    if epochs.offered != epochs.newest {
        return Err(NotDone::Fenced { newest: epochs.newest });
    }
    if expected != tip.next {
        return Err(NotDone::Moved { next: tip.next });
    }
    if batch.bytes().len() > BATCH_BYTES_MAX {
        return Err(NotDone::TooLarge { bytes: batch.bytes().len(), most: BATCH_BYTES_MAX });
    }
    let follows = [
        (origin.book == *book, "another book"),
        (origin.first == expected, "another position"),
        (origin.epoch == epochs.offered, "another epoch"),
        (origin.previous == tip.digest, "another previous batch"),
        (origin.stamp > tip.stamp, "a stamp that is not later"),
    ];
    match follows.iter().find(|(holds, _)| !holds) {
        Some((_, why)) => Err(NotDone::Unchained(why)),
        None => Ok(()),
    }
}

/// The epoch an append offers and the newest that was claimed.
#[derive(Clone, Copy, Debug)]
pub struct Epochs {
    /// What the writer offers.
    pub offered: Epoch,
    /// The newest claimed.
    pub newest: Epoch,
}

impl Journal for MemoryJournal {
    fn append(&mut self, expected: Position, epoch: Epoch, batch: &Batch) -> Append {
        let mut shared = self.lock();
        let epochs = Epochs { offered: epoch, newest: shared.epoch };
        if let Err(why) = admissible(batch, expected, epochs, &shared.book, &shared.tip()) {
            return Append::NotDone(why);
        }
        #[cfg(any(test, feature = "testkit"))]
        match shared.fault.take() {
            None => {}
            Some(Fault::NotDone) => return Append::NotDone(NotDone::Failed("planned".into())),
            Some(Fault::UnknownLost) => return Append::Unknown("planned".into()),
            Some(Fault::UnknownLanded) => {
                shared.batches.push(batch.clone());
                return Append::Unknown("planned".into());
            }
        }
        shared.batches.push(batch.clone());
        Append::Appended
    }

    fn read_from(&self, position: Position, most: usize) -> Result<Vec<Batch>, ReadError> {
        let shared = self.lock();
        let start = shared.batches.partition_point(|b| b.tip().next <= position);
        Ok(shared.batches.iter().skip(start).take(most).cloned().collect())
    }

    fn head(&self) -> Result<Tip, ReadError> {
        Ok(self.lock().tip())
    }

    fn claim_epoch(&mut self, _run: RunId) -> Result<Epoch, ClaimError> {
        let mut shared = self.lock();
        let Some(next) = shared.epoch.next() else {
            return Err(ClaimError::Failed("no epoch is left".into()));
        };
        shared.epoch = next;
        Ok(next)
    }
}
