//! Feeds the log behind the journal, and says how far the journal had come whatever the log does.
//!
//! A log whose disk fails waits for it, and its queue fills. Whoever feeds it must not wait as
//! well: the guard rises by what this thread sees, and the book's end waits for this thread.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use journal::{Batch, Tip};
use record::Commitment;
use store::log::LogFeed;
use terms::Position;

use crate::projections::Progress;

/// A batch of fewer facts is one of many: the log waits for some of them, so that thousands of
/// small ones a second do not wake it each.
const SMALL_BATCH: usize = 1024;
/// How long it waits for them. A subscription holds the batches of that time.
const SMALL_PAUSE: Duration = Duration::from_millis(2);
/// How long until a full queue is tried again.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// How often a full queue is tried before batches are taken past it: a fifth of a second, within
/// which a disk that only has much to write makes room.
const FULL_TRIES: u32 = 100;

/// How far the journal had come, for the guard.
#[derive(Debug)]
pub struct Fed {
    state: Mutex<FedState>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug)]
struct FedState {
    /// The end of the last batch; `None` of a book without facts.
    tip: Option<Tip>,
    stopped: bool,
}

impl Fed {
    /// Of a journal that ends here.
    #[must_use]
    pub fn new(tip: Tip) -> Self {
        let tip = (tip.next > Position::ZERO).then_some(tip);
        Self { state: Mutex::new(FedState { tip, stopped: false }), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, FedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch that ends here is durable.
    pub(crate) fn came(&self, tip: Tip) {
        if self.state().tip.replace(tip).is_none() {
            self.changed.notify_all();
        }
    }

    /// Ends the waiting.
    pub(crate) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Waits this long, or without a time for a first fact; what the end is then, and whether
    /// there is more to wait for.
    pub(crate) fn wait(&self, pause: Option<Duration>) -> (Option<Tip>, bool) {
        let state = self.state();
        let state = match pause {
            Some(pause) => {
                let waited = self.changed.wait_timeout_while(state, pause, |s| !s.stopped);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let nothing = |s: &mut FedState| !s.stopped && s.tip.is_none();
                let waited = self.changed.wait_while(state, nothing);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        (state.tip, !state.stopped)
    }
}

/// Commitments that the log's queue has not taken yet.
struct Run {
    first: Position,
    commitments: Vec<Commitment>,
    end: Position,
}

/// The thread between a book and its log.
pub(crate) struct LogFollower<R> {
    feed: LogFeed,
    reached: Progress,
    fed: Arc<Fed>,
    /// Reads batches of the journal from a position on.
    read: R,
    /// What comes next.
    waiting: Option<Run>,
    /// How often it was refused.
    refused: u32,
    /// The queue has taken all before.
    taken: Position,
    /// The journal has come so far.
    end: Position,
    /// The log has ended: only the guard is told of what comes.
    closed: bool,
}

impl<R: FnMut(Position) -> Result<Vec<Batch>, String>> LogFollower<R> {
    /// From a position on.
    pub(crate) fn new(
        from: Position,
        feed: LogFeed,
        reached: Progress,
        fed: Arc<Fed>,
        read: R,
    ) -> Self {
        let (waiting, refused, closed) = (None, 0, false);
        Self { feed, reached, fed, read, waiting, refused, taken: from, end: from, closed }
    }

    /// Until the book is closed and the log has taken all of it, or has ended; how far it came.
    pub(crate) fn run(mut self, batches: &Receiver<Arc<Batch>>) -> Position {
        loop {
            // A queue that only just filled makes room before more is taken past it.
            if (1..FULL_TRIES).contains(&self.refused) {
                std::thread::sleep(FULL_PAUSE);
            } else {
                let batch = if self.lags() {
                    batches.recv_timeout(FULL_PAUSE)
                } else {
                    batches.recv().map_err(|_| RecvTimeoutError::Disconnected)
                };
                match batch {
                    Ok(batch) => self.take(batch, batches),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            self.push();
        }
        while self.lags() {
            std::thread::sleep(FULL_PAUSE);
            self.push();
        }
        self.end
    }

    fn lags(&self) -> bool {
        !self.closed && (self.waiting.is_some() || self.taken < self.end)
    }

    fn take(&mut self, batch: Arc<Batch>, batches: &Receiver<Arc<Batch>>) {
        if batch.entries().len() < SMALL_BATCH {
            std::thread::sleep(SMALL_PAUSE);
        }
        let first = batch.origin().first;
        // What comes while the log lags is read again when it is its turn.
        let in_turn = !self.closed && self.waiting.is_none() && self.taken == first;
        let (mut commitments, mut more) = (Vec::new(), Some(batch));
        while let Some(batch) = more {
            if in_turn {
                commitments.extend(batch.entries().map(|entry| entry.commitment));
            }
            self.end = batch.tip().next;
            self.fed.came(batch.tip());
            more = batches.try_recv().ok();
        }
        if in_turn {
            self.waiting = Some(Run { first, commitments, end: self.end });
        }
    }

    /// Puts what waits into the queue, and what is behind it, as long as there is room.
    fn push(&mut self) {
        while self.lags() {
            let Some(Run { first, commitments, end }) = self.waiting.take() else {
                self.read_again();
                continue;
            };
            match self.feed.offer(first, commitments) {
                Ok(None) => {
                    self.refused = 0;
                    self.taken = end;
                    self.reached.reached(end);
                }
                Ok(Some(commitments)) => {
                    self.waiting = Some(Run { first, commitments, end });
                    self.refused = self.refused.saturating_add(1);
                    if self.refused == FULL_TRIES {
                        let why = self.feed.watch().fault();
                        tracing::error!(?why, "the log lags: its queue is full");
                    }
                    return;
                }
                Err(closed) => self.fail(closed.to_string()),
            }
        }
    }

    /// Reads what came past a full queue.
    fn read_again(&mut self) {
        match (self.read)(self.taken) {
            Ok(read) => {
                let (Some(first), Some(last)) = (read.first(), read.last()) else {
                    return self.fail(format!("the journal ends at `{}`", self.taken));
                };
                let (first, end) = (first.origin().first, last.tip().next);
                let entries = read.iter().flat_map(Batch::entries);
                let commitments = entries.map(|entry| entry.commitment).collect();
                self.waiting = Some(Run { first, commitments, end });
            }
            Err(why) => self.fail(why),
        }
    }

    fn fail(&mut self, why: String) {
        self.closed = true;
        self.refused = 0;
        self.waiting = None;
        self.reached.fail(why);
    }
}

#[cfg(test)]
mod tests;
