//! Work that waits for facts of long ago, and the thread that reads them.
//!
//! A command whose id was used long ago is compared with what was recorded then, and one request
//! may hold thousands of such, each with its fact in another batch. Reading and hashing batches
//! back on the writer's thread would stop the book for seconds. So the writer sets such work aside,
//! with its client's line behind it, and serves the others; it goes on with it once the facts are
//! in memory. Facts that are durable never change, so what is found a moment later is the same.

use std::collections::{BTreeMap, VecDeque};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, never, unbounded};
use journal::Machine;
use terms::{BookName, Instant, Position};

use super::bulk::Bulk;
use super::recall::{Past, RecallError};
use super::turns::Lane;
use super::{Answer, BookConfig};

/// Facts that are read for one client before the next one's: each may lie in a batch of its own,
/// of which some thousand are read and hashed in a second.
const READ_TURN: usize = 32;

/// Work that was begun.
pub(super) enum Begun<M: Machine> {
    Command(M::Command, Box<dyn FnOnce(Answer<M::Outcome>) + Send>),
    Bulk {
        bulk: Box<dyn Bulk<M>>,
        /// What it gave and was not judged yet.
        rest: Vec<M::Command>,
        /// How often the state had been lost: what was judged before is of that state.
        losses: u64,
    },
}

/// Facts by position, as far as they could be read.
#[derive(Debug)]
pub struct Known<F>(BTreeMap<Position, Result<(Instant, F), RecallError>>);

impl<F> Default for Known<F> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<F> Known<F> {
    /// Takes what was read at this position.
    pub fn learn(&mut self, position: Position, read: Result<(Instant, F), RecallError>) {
        let _ = self.0.insert(position, read);
    }

    /// What is known of this position; `None` when it was not read.
    #[must_use]
    pub fn at(&self, position: Position) -> Option<&Result<(Instant, F), RecallError>> {
        self.0.get(&position)
    }
}

/// Work that waits, and what for.
pub(super) struct SetAside<M: Machine> {
    pub(super) lane: Lane,
    pub(super) begun: Begun<M>,
    /// Which facts are to be read, the next one last.
    pub(super) wanted: Vec<Position>,
    pub(super) known: Known<M::Fact>,
}

/// The writer's side of the thread that reads.
pub(super) struct Aside<M: Machine> {
    /// `None` where nothing is ever looked up.
    sender: Option<Sender<SetAside<M>>>,
    /// Work that can go on.
    pub(super) back: Receiver<SetAside<M>>,
    thread: Option<JoinHandle<()>>,
    /// How much waits: at most one for each line.
    waiting: usize,
}

impl<M> Aside<M>
where
    M: Machine + 'static,
    M::Command: Send + 'static,
    M::Fact: 'static,
{
    pub(super) fn start(
        config: &BookConfig,
        past: Option<Box<dyn Past<M::Fact>>>,
    ) -> std::io::Result<Self> {
        let Some(mut past) = past else {
            return Ok(Self { sender: None, back: never(), thread: None, waiting: 0 });
        };
        // INVARIANT (OneEach): a line whose work was set aside gives no other, so that both
        // channels hold no more than there are clients.
        let (sender, taken) = unbounded();
        let (told, back) = unbounded();
        let name: BookName = config.name;
        let thread = std::thread::Builder::new().name(format!("recall {name}"));
        let thread = thread.spawn(move || read_all(&mut *past, &taken, &told))?;
        Ok(Self { sender: Some(sender), back, thread: Some(thread), waiting: 0 })
    }

    /// Has its facts read; gives it back when nobody reads any.
    pub(super) fn put(&mut self, work: SetAside<M>) -> Result<(), Box<SetAside<M>>> {
        let Some(sender) = &self.sender else { return Err(Box::new(work)) };
        sender.send(work).map_err(|gone| Box::new(gone.0))?;
        self.waiting = self.waiting.saturating_add(1);
        Ok(())
    }

    /// One came back.
    pub(super) const fn came_back(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// The thread is gone, by a panic: whoever waited was told *unknown* when it went.
    pub(super) fn is_gone(&mut self) {
        (self.sender, self.back, self.waiting) = (None, never(), 0);
    }

    /// Whether there is work that waits.
    pub(super) const fn is_waited_for(&self) -> bool {
        self.waiting > 0
    }

    pub(super) fn end(self) {
        drop(self.sender);
        if let Some(thread) = self.thread {
            let _ = thread.join();
        }
    }
}

/// Reads for one after another, a few facts each.
fn read_all<M: Machine>(
    past: &mut dyn Past<M::Fact>,
    taken: &Receiver<SetAside<M>>,
    told: &Sender<SetAside<M>>,
) {
    let mut line = VecDeque::new();
    loop {
        if line.is_empty() {
            let Ok(first) = taken.recv() else { return };
            line.push_back(first);
        }
        line.extend(taken.try_iter());
        let Some(mut first) = line.pop_front() else { continue };
        for _ in 0..READ_TURN {
            let Some(position) = first.wanted.pop() else { break };
            first.known.learn(position, past.fact(position));
        }
        if !first.wanted.is_empty() {
            line.push_back(first);
        } else if told.send(first).is_err() {
            return;
        }
    }
}
