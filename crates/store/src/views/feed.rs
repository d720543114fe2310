//! The one who feeds: changes in order, batch ends, flushes.

use std::sync::{Arc, RwLockReadGuard, RwLockWriteGuard};

use journal::Tip;
use ledger::{Change, Resolved, Transaction};
use terms::{Instant, Position};

use super::error::{FeedError, ResumeError};
use super::head::{At, Head};
use super::{Views, flush};

/// Feeds the read models: there is one, and it is on a thread of its own.
pub struct Feed {
    views: Arc<Views>,
    /// The library answers nothing more after a failed write, so that what is taken could never be
    /// written: the buffer is bounded by taking nothing.
    flush_failed: bool,
}

impl Feed {
    pub(super) const fn new(views: Arc<Views>) -> Self {
        Self { views, flush_failed: false }
    }

    /// Up to where the file goes: the end of the last batch that a flush wrote.
    ///
    /// # Errors
    /// [`FeedError::Stopped`].
    pub fn stored(&self) -> Result<Tip, FeedError> {
        Ok(self.read()?.stored.tip)
    }

    /// Compares the stored end with the journal's: `tip` is that of the journal's batch that holds
    /// the position before the stored end, or the journal's head where it is shorter. Says from
    /// where to feed.
    ///
    /// # Errors
    /// [`ResumeError`]: the read models are of another journal and must be rebuilt.
    pub fn resume(&self, tip: &Tip) -> Result<Position, ResumeError> {
        let stored = self.stored().map(|stored| stored.next).unwrap_or(Position::ZERO);
        let same = self.stored().is_ok_and(|known| known.next == Position::ZERO || known == *tip);
        if same { Ok(stored) } else { Err(ResumeError::AnotherJournal { stored }) }
    }

    /// Takes what happened at a position; one that was seen before is passed over. Facts that are
    /// no changes may be left out.
    ///
    /// # Errors
    /// [`FeedError`]: nothing more is taken and nothing answered until the read models are rebuilt.
    pub fn take(
        &mut self,
        position: Position,
        stamp: Instant,
        change: &Change,
    ) -> Result<(), FeedError> {
        let effective = match change.resolved() {
            Resolved::Posted { transaction, .. } => effective_of(transaction),
            Resolved::AccountOpened(_)
            | Resolved::LimitsSet { .. }
            | Resolved::FreezeSet { .. }
            | Resolved::BlockedSet { .. }
            | Resolved::AccountClosed { .. }
            | Resolved::HoldPlaced(_)
            | Resolved::HoldPinned { .. }
            | Resolved::HoldVoided { .. }
            | Resolved::HoldExpired { .. } => None,
        };
        self.take_at(position, stamp, effective, change)
    }

    /// As [`Feed::take`], for a transaction that takes effect at another time than it is posted.
    ///
    /// # Errors
    /// [`FeedError`].
    pub fn take_effective(
        &mut self,
        position: Position,
        stamp: Instant,
        effective: Instant,
        change: &Change,
    ) -> Result<(), FeedError> {
        self.take_at(position, stamp, Some(effective), change)
    }

    fn take_at(
        &mut self,
        position: Position,
        stamp: Instant,
        effective: Option<Instant>,
        change: &Change,
    ) -> Result<(), FeedError> {
        let views = Arc::clone(&self.views);
        let mut head = self.write()?;
        let taken = match head.place(position, stamp) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                let effective = effective.map(Instant::nanos);
                let at = At { position: position.number(), effective };
                head.take(&views.store, at, change)
            }
            Err(refused) => Err(refused),
        };
        if taken.is_err() {
            head.stopped = Some("a change was refused");
        }
        taken
    }

    /// Ends a batch; `tip` is the journal's end after it. Flushes when the buffer is full.
    ///
    /// # Errors
    /// [`FeedError`]. After a [`FeedError::Store`] that does not need a rebuild nothing more is
    /// taken, and the file must be opened again.
    pub fn batch_end(&mut self, tip: &Tip) -> Result<(), FeedError> {
        let full = {
            let views = Arc::clone(&self.views);
            let mut head = self.write()?;
            let (next, stamp) = (tip.next.number(), tip.stamp.nanos());
            if next < head.next || (next == head.next && !head.batch_open) {
                return Ok(());
            }
            if (head.batch_open && stamp != head.stamp) || stamp < head.stamp {
                head.stopped = Some("a batch end was refused");
                let expected = Position::new(head.next);
                return Err(FeedError::Order { expected, got: tip.next });
            }
            head.end_batch(next, stamp);
            is_full(&head, &views)
        };
        if full { self.flush(tip) } else { Ok(()) }
    }

    /// Writes everything up to `tip`, which is the end of the newest batch: at a clean stop.
    ///
    /// # Errors
    /// [`FeedError`].
    pub fn flush(&mut self, tip: &Tip) -> Result<(), FeedError> {
        let stored = {
            let head = self.read()?;
            let expected = Position::new(head.next);
            if head.batch_open || tip.next != expected {
                return Err(FeedError::Order { expected, got: tip.next });
            }
            if head.stored.tip.next == tip.next {
                return Ok(());
            }
            // Only this thread changes the head, so what is read here stands until it is finished;
            // who asks meanwhile is answered from the buffer.
            flush::write(&self.views.store, &head, *tip, self.views.limits.block_bytes)
        };
        self.flush_failed = stored.is_err();
        // On a crash here the file is ahead of this memory, which is gone; opening reads the file.
        let stored = stored?;
        flush::finish(&mut *self.write()?, stored);
        Ok(())
    }

    fn read(&self) -> Result<RwLockReadGuard<'_, Head>, FeedError> {
        let head = self.views.head.read().map_err(|_| FeedError::Stopped("it has panicked"))?;
        head.stopped.map_or(Ok(head), |why| Err(FeedError::Stopped(why)))
    }

    fn write(&self) -> Result<RwLockWriteGuard<'_, Head>, FeedError> {
        if self.flush_failed {
            return Err(FeedError::Stopped("a flush failed: the file must be opened again"));
        }
        let head = self.views.head.write().map_err(|_| FeedError::Stopped("it has panicked"))?;
        head.stopped.map_or(Ok(head), |why| Err(FeedError::Stopped(why)))
    }
}

/// When a transaction takes effect, where it says so: the one line that knows of it.
const fn effective_of(_transaction: &Transaction) -> Option<Instant> {
    None
}

fn is_full(head: &Head, views: &Views) -> bool {
    let limits = &views.limits;
    let (buffer, holds) = (&head.buffer, &head.holds);
    let used = [
        (buffer.items(), limits.items),
        (buffer.events(), limits.events),
        (holds.count(), limits.holds),
        (buffer.moments.len(), limits.moments),
        (buffer.links.len(), limits.links),
    ];
    used.iter().any(|(used, limit)| used >= limit)
}
