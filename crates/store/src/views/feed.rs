//! The one who feeds: changes in order, batch ends, flushes.

use std::sync::{Arc, RwLockReadGuard, RwLockWriteGuard};

use journal::Tip;
use ledger::{Change, Resolved, Transaction};
use terms::{Instant, Position};

use super::error::{FeedError, ResumeError};
use super::head::{At, Head, Waiting, event_of};
use super::tables::Store;
use super::{Limits, Views, flush};

/// Entries that wait before they are shown: enough for cache misses to overlap, and few enough that
/// nobody notices.
const WAITING_ENTRIES: usize = 256;

/// Feeds the read models: there is one, and it is on a thread of its own.
pub struct Feed {
    views: Arc<Views>,
    waiting: Waiting,
    /// The first position not taken.
    next: u64,
    /// The newest stamp taken.
    stamp: u64,
    batch_open: bool,
    /// The library answers nothing more after a failed write, so that what is taken could never be
    /// written: the buffer is bounded by taking nothing.
    flush_failed: bool,
}

impl Feed {
    pub(super) fn new(views: Arc<Views>, stored: &Tip) -> Self {
        let (next, stamp) = (stored.next.number(), stored.stamp.nanos());
        let waiting = Waiting::default();
        Self { views, waiting, next, stamp, batch_open: false, flush_failed: false }
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

    /// Whether what is stored is a prefix of this journal.
    pub(super) fn is_of(&self, tip_at: impl FnOnce(Position) -> Option<Tip>) -> bool {
        let Ok(stored) = self.stored() else { return false };
        let Some(last) = stored.next.number().checked_sub(1) else { return true };
        tip_at(Position::new(last)).is_some_and(|tip| self.resume(&tip).is_ok())
    }

    /// Takes what happened at a position; one that was taken before is passed over. Facts that are
    /// no changes may be left out. It is seen by who asks when the batch ends, or before.
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
        if self.seen_before(position, stamp)? {
            return Ok(());
        }
        let at = At { position: position.number(), effective: effective.map(Instant::nanos) };
        match change.resolved() {
            Resolved::Posted { transaction, ended, .. }
                if ended.is_empty() && transaction.links.is_empty() =>
            {
                self.waiting.events.push((event_of(at, transaction), transaction.entries.len()));
                self.waiting.entries.extend_from_slice(&transaction.entries);
                if self.waiting.entries.len() >= WAITING_ENTRIES { self.show() } else { Ok(()) }
            }
            Resolved::Posted { .. }
            | Resolved::AccountOpened(_)
            | Resolved::LimitsSet { .. }
            | Resolved::FreezeSet { .. }
            | Resolved::BlockedSet { .. }
            | Resolved::AccountClosed { .. }
            | Resolved::HoldPlaced(_)
            | Resolved::HoldPinned { .. }
            | Resolved::HoldVoided { .. }
            | Resolved::HoldExpired { .. } => {
                self.show()?;
                self.change_head(|head, store| {
                    head.take(store, at, change)?;
                    head.advance(at.position, stamp.nanos());
                    Ok(())
                })
            }
        }
    }

    /// Says whether the fact was taken before; refuses what comes out of order.
    fn seen_before(&mut self, position: Position, stamp: Instant) -> Result<bool, FeedError> {
        let (got, stamp) = (position.number(), stamp.nanos());
        if got < self.next {
            return Ok(true);
        }
        let in_order = if self.batch_open { stamp == self.stamp } else { stamp >= self.stamp };
        if !in_order || got == u64::MAX {
            return self.refuse(position);
        }
        self.next = got.saturating_add(1);
        self.stamp = stamp;
        self.batch_open = true;
        Ok(false)
    }

    fn refuse<T>(&mut self, got: Position) -> Result<T, FeedError> {
        let expected = Position::new(self.next);
        self.change_head(|_, _| Err(FeedError::Order { expected, got }))
    }

    /// Shows what was taken: a few hundred entries may wait, until a batch ends at the latest.
    ///
    /// # Errors
    /// [`FeedError`].
    pub fn show(&mut self) -> Result<(), FeedError> {
        let waiting = core::mem::take(&mut self.waiting);
        let Some((last, _)) = waiting.events.last() else { return Ok(()) };
        let (position, stamp) = (last.position, self.stamp);
        self.change_head(|head, _| {
            head.take_waiting(&waiting)?;
            head.advance(position, stamp);
            Ok(())
        })?;
        self.waiting = waiting;
        self.waiting.events.clear();
        self.waiting.entries.clear();
        Ok(())
    }

    /// Changes the head; a refusal stops it, since it may be half changed.
    fn change_head<T>(
        &self,
        change: impl FnOnce(&mut Head, &Store) -> Result<T, FeedError>,
    ) -> Result<T, FeedError> {
        let mut head = self.write()?;
        let changed = change(&mut head, &self.views.store);
        if changed.is_err() {
            head.stopped = Some("a change was refused");
        }
        changed
    }

    /// Ends a batch; `tip` is the journal's end after it. Flushes when the buffer is full.
    ///
    /// # Errors
    /// [`FeedError`]. After a [`FeedError::Store`] that does not need a rebuild nothing more is
    /// taken, and the file must be opened again.
    pub fn batch_end(&mut self, tip: &Tip) -> Result<(), FeedError> {
        let (next, stamp) = (tip.next.number(), tip.stamp.nanos());
        if next < self.next || (next == self.next && !self.batch_open) {
            return Ok(());
        }
        if (self.batch_open && stamp != self.stamp) || stamp < self.stamp {
            return self.refuse(tip.next);
        }
        self.show()?;
        (self.next, self.stamp, self.batch_open) = (next, stamp, false);
        let limits = self.views.limits;
        let full = self.change_head(|head, _| {
            head.end_batch(next, stamp);
            Ok(is_full(head, &limits))
        })?;
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
fn effective_of(transaction: &Transaction) -> Option<Instant> {
    transaction.detail.as_ref().and_then(|detail| detail.effective)
}

fn is_full(head: &Head, limits: &Limits) -> bool {
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
