//! Durable facts of the settlement book: commitments of recent ones in memory, any one from the
//! journal.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use clearing::SettlementBook;
use journal::Entry;
use record::{Commitment, Fact};
use store::BookHandle;
use terms::Position;
use tokio::sync::watch;

use super::books::{Failed, Running};

/// How long a fact may take to be read. Bytes that are damaged are never handed on, and whoever
/// waited for them without end would hold a thread for ever.
pub(super) const READ_PATIENCE: Duration = Duration::from_secs(5);

/// Follows the settlement book from the head at start.
#[derive(Debug)]
pub struct Facts {
    handle: BookHandle<SettlementBook>,
    recent: Arc<RwLock<Vec<Commitment>>>,
    first: Position,
    head: watch::Receiver<u64>,
}

impl Facts {
    /// Begins to follow on a thread of its own, which ends with the book.
    #[must_use]
    pub fn follow(book: &Running<SettlementBook>) -> Self {
        let first = book.recovery.tip.next;
        let recent = Arc::new(RwLock::new(Vec::new()));
        let (told, head) = watch::channel(first.number());
        let (handle, kept) = (book.handle.clone(), Arc::clone(&recent));
        let batches = handle.subscribe(first);
        std::thread::spawn(move || {
            for batch in batches {
                let mut kept = kept.write().unwrap_or_else(PoisonError::into_inner);
                kept.extend(batch.entries().filter(|e| e.position >= first).map(|e| e.commitment));
                drop(kept);
                let _ = told.send(batch.tip().next.number());
            }
        });
        Self { handle, recent, first, head }
    }

    /// The commitment of the fact at a durable position.
    pub async fn commitment(&self, position: Position) -> Result<Commitment, Failed> {
        let Some(index) = position.number().checked_sub(self.first.number()) else {
            return Ok(self.entry(position).await?.commitment);
        };
        let mut head = self.head.clone();
        let reached = head.wait_for(|next| *next > position.number()).await;
        reached.map_err(|_| Failed::NotDone("the book is closed".into()))?;
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        recent.get(place).copied().ok_or(Failed::Unknown)
    }

    /// The entry at a durable position, read from the journal.
    pub async fn entry(&self, position: Position) -> Result<Entry, Failed> {
        let handle = self.handle.clone();
        let read = tokio::task::spawn_blocking(move || {
            let batch = handle.subscribe(position).recv_timeout(READ_PATIENCE).ok()?;
            batch.at(position)?.entry().ok()
        });
        read.await.ok().flatten().ok_or_else(|| {
            Failed::NotDone(format!("there is no durable fact at position {position}"))
        })
    }

    /// The fact at a durable position.
    pub async fn fact(&self, position: Position) -> Result<Fact, Failed> {
        self.entry(position).await.map(|entry| entry.fact)
    }
}
