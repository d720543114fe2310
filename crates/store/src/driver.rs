//! The writer thread: group commit over all callers of one book.
//!
//! Two threads serve one book. The *writer* owns the working state: it drains what is queued,
//! checks and applies each command there, and closes a batch when the other thread is idle or the
//! batch is full. The *appender* owns the journal: it commits to the facts, chains, writes and
//! syncs; only then does the writer answer. While a batch is written the next one is judged, at
//! most two are in flight, and each is as large as the sync before it was slow.
//!
//! Who waits for the writer waits in a line of its own client's, and the lines are served in turn
//! ([`QUANTUM`]): a client that sends large requests, over however many connections, holds up no
//! other one for longer than a request.
//!
//! What needs facts of long ago, such as a command whose id was used years before, waits beside the
//! writer until another thread has read them, and its client's line behind it: nobody else does.
//!
//! When an append ends otherwise than appended, everything that waits is answered
//! [`Answer::Unknown`], the state is dropped, an epoch is claimed and the journal refolded; this
//! is the same code that opens the book at start. Commands queued meanwhile wait. A writer that was
//! fenced does not claim the epoch back: it answers [`Answer::Stopped`] from then on.

mod appender;
mod aside;
mod bulk;
mod images;
mod imaging;
mod pauses;
mod recall;
mod teaching;
mod turns;
mod writer;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, TrySendError, bounded};
use journal::{Batch, Journal, Limits, Machine, OpenError, ReadError, Salts, SubmitError};
use terms::{BookName, Instant, Position, RunId};

pub use self::aside::Known;
pub use self::bulk::{Bulk, BulkEnd, BulkPlace};
pub use self::images::ImagePolicy;
pub use self::pauses::{Pauses, PausesSeen};
pub use self::recall::{NoRecall, NoRows, Past, Recall, RecallError};
pub use self::turns::{CLIENT_ITEMS_MAX, Lane, NoRoom, QUANTUM, Turns};
use self::writer::Writer;
use crate::recovery::Recovery;

/// Commands that may wait for the writer: a batch or two of small ones. Beyond, callers are told
/// [`Answer::Busy`] at once rather than made to wait longer than their deadline.
pub const QUEUE_MAX: usize = 8192;
/// Batches that may wait for one subscriber before the writer reads the journal again for it.
pub const SUBSCRIBER_BATCHES: usize = 64;
/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<O> {
    /// Computed from durable facts only.
    Done {
        /// The machine's answer.
        outcome: O,
        /// Position of its first fact; of the next fact when it journalled none.
        position: Position,
        /// The instant it was judged at.
        stamp: Instant,
    },
    /// May have happened: ask by id.
    Unknown,
    /// Surely not done: the queue is full.
    Busy,
    /// Surely not done: the book refused to take it.
    NotTaken(SubmitError),
    /// Surely not done: what must be known of the past could not be read.
    NotRecalled(String),
    /// Surely not done: the book is closed or cannot be opened.
    Stopped,
}

/// How a book is driven.
#[derive(Clone, Copy, Debug)]
pub struct BookConfig {
    /// The book.
    pub name: BookName,
    /// This process run.
    pub run: RunId,
    /// How large a batch may grow.
    pub limits: Limits,
    /// Commands that may wait in all; of one client three quarters of them.
    pub queue: usize,
}

impl BookConfig {
    /// The widest limits.
    #[must_use]
    pub const fn new(name: BookName, run: RunId) -> Self {
        Self { name, run, limits: Limits::WIDEST, queue: QUEUE_MAX }
    }
}

/// What the writer is told: that somebody waits in the lines, or who follows the book.
enum Call {
    Turn,
    Subscribe(Position, SyncSender<Arc<Batch>>),
}

enum Work<M: Machine> {
    Command(M::Command, Box<dyn FnOnce(Answer<M::Outcome>) + Send>),
    Bulk(Box<dyn Bulk<M>>),
    Read(Look<M>, u64),
}

impl<M: Machine> Work<M> {
    /// How many items it is judged as.
    fn items(&self) -> u64 {
        match self {
            Self::Command(..) => 1,
            Self::Read(_, items) => *items,
            Self::Bulk(bulk) => u64::try_from(bulk.items()).unwrap_or(u64::MAX).max(1),
        }
    }
}

/// Who asks from the book's own process, and for clients that nobody told apart.
const OWN: u32 = 0;
/// Calls that may wait beside those of the lines: subscriptions.
const CALLS_BESIDE: usize = 64;

/// Who reads, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Whose line it waits in.
    pub client: u32,
    /// How many items it looks at, about: a page counts as its lines, so that many long pages take
    /// as many turns as they take time.
    pub items: u64,
}

impl Asked {
    /// One item, from the book's own process.
    pub const OWN: Self = Self { client: OWN, items: 1 };

    /// One item, for this client.
    #[must_use]
    pub const fn one(client: u32) -> Self {
        Self { client, items: 1 }
    }
}

/// Looks at the state, or learns that there is none.
#[expect(clippy::type_complexity, reason = "this struct is the name of the type")]
struct Look<M>(Box<dyn FnOnce(Option<&M>) -> Finish + Send>);

/// Holds what a read saw until it may be told.
struct Finish(Box<dyn FnOnce(Answer<()>) + Send>);

/// Callers' side of a book. Clones share the queue; the writer ends when the last is dropped.
pub struct BookHandle<M: Machine> {
    calls: Sender<Call>,
    turns: Arc<Turns<Work<M>>>,
    latest: Latest,
    pauses: Arc<Pauses>,
    damage: Damage,
}

impl<M: Machine> Clone for BookHandle<M> {
    fn clone(&self) -> Self {
        Self {
            calls: self.calls.clone(),
            turns: Arc::clone(&self.turns),
            latest: self.latest.clone(),
            pauses: Arc::clone(&self.pauses),
            damage: self.damage.clone(),
        }
    }
}

impl<M: Machine> std::fmt::Debug for BookHandle<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BookHandle").finish_non_exhaustive()
    }
}

impl<M: Machine + 'static> BookHandle<M> {
    /// Queues a command; `reply` is called once, on the writer's thread or on this one, and must
    /// not block.
    pub fn submit(
        &self,
        command: M::Command,
        reply: impl FnOnce(Answer<M::Outcome>) + Send + 'static,
    ) {
        self.submit_as(OWN, command, reply);
    }

    /// [`BookHandle::submit`] in the line of a client.
    pub fn submit_as(
        &self,
        client: u32,
        command: M::Command,
        reply: impl FnOnce(Answer<M::Outcome>) + Send + 'static,
    ) {
        self.queue(Lane::Does(client), 1, Work::Command(command, Box::new(reply)));
    }

    /// Queues many commands of one request in the line of [`Bulk::client`], judged one after
    /// another in one turn.
    pub fn submit_bulk(&self, bulk: Box<dyn Bulk<M>>) {
        let items = u64::try_from(bulk.items()).unwrap_or(u64::MAX);
        self.queue(Lane::Does(bulk.client()), items.max(1), Work::Bulk(bulk));
    }

    fn queue(&self, lane: Lane, items: u64, work: Work<M>) {
        let announce = || {
            self.calls.try_send(Call::Turn).map_err(|error| match error {
                TrySendError::Full(_) => NoRoom::Full,
                TrySendError::Disconnected(_) => NoRoom::Closed,
            })
        };
        match self.turns.push(lane, items, work, announce) {
            Ok(()) => {}
            Err((NoRoom::Full, work)) => decline(work, Decline::Busy),
            Err((NoRoom::Closed, work)) => decline(work, Decline::Stopped),
        }
    }

    /// Queues a command and waits on this thread. Not for async code.
    #[must_use]
    pub fn submit_blocking(&self, command: M::Command) -> Answer<M::Outcome>
    where
        M::Outcome: Send + 'static,
    {
        let (sender, receiver) = sync_channel(1);
        self.submit(command, move |answer| {
            let _ = sender.try_send(answer);
        });
        // The writer dying before it answered leaves open whether it appended.
        receiver.recv().unwrap_or(Answer::Unknown)
    }

    /// Queues a command; the receiver yields its answer. A closed receiver means *unknown*.
    #[must_use]
    pub fn submit_async(
        &self,
        command: M::Command,
    ) -> tokio::sync::oneshot::Receiver<Answer<M::Outcome>>
    where
        M::Outcome: Send + 'static,
    {
        self.submit_async_as(OWN, command)
    }

    /// [`BookHandle::submit_async`] in the line of a client.
    #[must_use]
    pub fn submit_async_as(
        &self,
        client: u32,
        command: M::Command,
    ) -> tokio::sync::oneshot::Receiver<Answer<M::Outcome>>
    where
        M::Outcome: Send + 'static,
    {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.submit_as(client, command, move |answer| {
            let _ = sender.send(answer);
        });
        receiver
    }

    /// A linearizable read: queued like a command, answered when all that it saw is durable.
    pub fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&M) -> R + Send + 'static,
        reply: impl FnOnce(Answer<R>) + Send + 'static,
    ) {
        self.read_as(Asked::OWN, look, reply);
    }

    /// [`BookHandle::read`] in the line of what this client asks.
    pub fn read_as<R: Send + 'static>(
        &self,
        asked: Asked,
        look: impl FnOnce(&M) -> R + Send + 'static,
        reply: impl FnOnce(Answer<R>) + Send + 'static,
    ) {
        let Asked { client, items } = asked;
        let items = items.max(1);
        let look = Look(Box::new(move |state| {
            let seen = state.map(look);
            Finish(Box::new(move |answer| reply(with_outcome(answer, seen))))
        }));
        self.queue(Lane::Asks(client), items, Work::Read(look, items));
    }

    /// [`BookHandle::read`], waiting on this thread.
    #[must_use]
    pub fn read_blocking<R: Send + 'static>(
        &self,
        look: impl FnOnce(&M) -> R + Send + 'static,
    ) -> Answer<R> {
        let (sender, receiver) = sync_channel(1);
        self.read(look, move |answer| {
            let _ = sender.try_send(answer);
        });
        receiver.recv().unwrap_or(Answer::Unknown)
    }

    /// [`BookHandle::read`] for async code. A closed receiver means *unknown*.
    #[must_use]
    pub fn read_async<R: Send + 'static>(
        &self,
        look: impl FnOnce(&M) -> R + Send + 'static,
    ) -> tokio::sync::oneshot::Receiver<Answer<R>> {
        self.read_async_as(Asked::OWN, look)
    }

    /// [`BookHandle::read_async`] in the line of what this client asks.
    #[must_use]
    pub fn read_async_as<R: Send + 'static>(
        &self,
        asked: Asked,
        look: impl FnOnce(&M) -> R + Send + 'static,
    ) -> tokio::sync::oneshot::Receiver<Answer<R>> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.read_as(asked, look, move |answer| {
            let _ = sender.send(answer);
        });
        receiver
    }

    /// What the newest opening found and did: at start, or after an append that failed since.
    #[must_use]
    pub fn latest_recovery(&self) -> Recovery {
        let since = self.latest.since.lock().unwrap_or_else(PoisonError::into_inner).clone();
        since.recovery.unwrap_or_else(|| self.latest.first.clone())
    }

    /// Why the book takes nothing now: what the append failed with, or the opening after it; `None`
    /// while it is open. A full disk clears by itself once there is room, a writer that was fenced
    /// does not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.latest.since.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    /// Whether another writer claimed the journal: this one takes nothing any more.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.latest.since.lock().unwrap_or_else(PoisonError::into_inner).fenced
    }

    /// How long its images held the book up.
    #[must_use]
    pub fn pauses(&self) -> PausesSeen {
        self.pauses.seen()
    }

    /// How many requests wait for the writer.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.turns.waiting()
    }

    /// Every durable batch in order, from the one that holds `from`; the first may begin before
    /// it. A slow subscriber is never skipped and never stops the writer: its batches are read
    /// from the journal again. Waits for room in the queue. The channel closes with the book, and
    /// before bytes that are damaged: [`BookHandle::damage`] says so.
    #[must_use]
    pub fn subscribe(&self, from: Position) -> Receiver<Arc<Batch>> {
        let (sender, receiver) = sync_channel(SUBSCRIBER_BATCHES);
        // On a closed book the sender is dropped and the receiver says so.
        let _ = self.calls.send(Call::Subscribe(from, sender));
        receiver
    }
}

impl<M: Machine> BookHandle<M> {
    /// Where subscriptions ended, to be asked when one has. It does not keep the book open.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.damage.clone()
    }
}

/// Where bytes of the journal were found damaged by subscriptions, which end there.
#[derive(Clone, Debug, Default)]
pub struct Damage(Arc<Mutex<BTreeMap<Position, String>>>);

impl Damage {
    /// Places that are remembered: each was found by somebody who reads the same journal in order.
    const MOST: usize = 64;

    /// Why a subscription that has come so far goes no further; `None` when it ended with the book.
    #[must_use]
    pub fn at(&self, next: Position) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&next).cloned()
    }

    fn found(&self, next: Position, error: &ReadError) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() < Self::MOST {
            let text = format!("the journal could not be read at position `{next}`: {error}");
            found.insert(next, text);
        }
    }
}

#[derive(Clone, Copy)]
enum Decline {
    Busy,
    Stopped,
}

impl Decline {
    fn answer<O>(self) -> Answer<O> {
        match self {
            Self::Busy => Answer::Busy,
            Self::Stopped => Answer::Stopped,
        }
    }
}

fn decline<M: Machine>(work: Work<M>, why: Decline) {
    match work {
        Work::Command(_, reply) => reply(why.answer()),
        Work::Bulk(bulk) => bulk.finish(match why {
            Decline::Busy => BulkEnd::Busy,
            Decline::Stopped => BulkEnd::Stopped,
        }),
        Work::Read(look, _) => ((look.0)(None).0)(why.answer()),
    }
}

fn with_outcome<R>(answer: Answer<()>, seen: Option<R>) -> Answer<R> {
    match (answer, seen) {
        (Answer::Done { position, stamp, .. }, Some(outcome)) => {
            Answer::Done { outcome, position, stamp }
        }
        (Answer::Done { .. } | Answer::Stopped, _) => Answer::Stopped,
        (Answer::Unknown, _) => Answer::Unknown,
        (Answer::Busy, _) => Answer::Busy,
        (Answer::NotTaken(why), _) => Answer::NotTaken(why),
        (Answer::NotRecalled(why), _) => Answer::NotRecalled(why),
    }
}

/// The writer's thread.
#[derive(Debug)]
pub struct BookWriter<J> {
    /// What opening found.
    pub recovery: Recovery,
    thread: JoinHandle<Option<J>>,
}

impl<J> BookWriter<J> {
    /// Waits until the last handle is dropped and all queued work is answered; gives the journal
    /// back. `None` when the writer panicked: reopen from disk.
    #[must_use]
    pub fn join(self) -> Option<J> {
        self.thread.join().ok().flatten()
    }
}

/// Why a book does not run.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What a machine no longer remembers could not be opened.
    #[error(transparent)]
    Recall(#[from] RecallError),
    /// No thread.
    #[error("the writer's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// What a book is driven over.
#[derive(Debug)]
pub struct Parts<M, J, S, C, R = NoRecall> {
    /// The state before the first fact.
    pub genesis: M,
    /// Its journal.
    pub journal: J,
    /// Where salts come from.
    pub salts: S,
    /// Reads the clock.
    pub clock: C,
    /// Whether the state is saved.
    pub images: ImagePolicy<M>,
    /// Looks up what the machine no longer remembers.
    pub recall: R,
}

/// Opens a book (claims an epoch, refolds) on this thread, then starts its two threads.
///
/// # Errors
/// [`SpawnError`].
pub fn spawn_book<M, J, S, C, R>(
    config: BookConfig,
    parts: Parts<M, J, S, C, R>,
) -> Result<(BookHandle<M>, BookWriter<J>), SpawnError>
where
    M: Machine + Clone + Send + 'static,
    M::Command: Send + 'static,
    M::Fact: 'static,
    M::Outcome: Send + 'static,
    J: Journal + Send + 'static,
    S: Salts + Send + Sync + 'static,
    C: FnMut() -> Instant + Send + 'static,
    R: Recall<M> + 'static,
{
    let most = config.queue.max(1);
    let (calls, called) = bounded(most.saturating_add(CALLS_BESIDE));
    let turns = Arc::new(Turns::new(most));
    let served = Served(Arc::clone(&turns));
    let latest = Arc::new(Mutex::new(Since::default()));
    let (pauses, damage) = (Arc::new(Pauses::default()), Damage::default());
    let shared = (Arc::clone(&latest), Arc::clone(&pauses), damage.clone());
    let (mut writer, recovery) = Writer::start(config, parts, shared)?;
    let thread = std::thread::Builder::new()
        .name(format!("book {}", config.name))
        .spawn(move || {
            writer.run(&called, &served.0);
            drop(called);
            drop(served);
            writer.end()
        })
        .map_err(SpawnError::Thread)?;
    let latest = Latest { first: recovery.clone(), since: latest };
    Ok((BookHandle { calls, turns, latest, pauses, damage }, BookWriter { recovery, thread }))
}

/// The writer's hold on the lines: when it ends, in order or by a panic, nobody waits in them.
struct Served<M: Machine>(Arc<Turns<Work<M>>>);

impl<M: Machine> Drop for Served<M> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The newest opening: the first, or one after a failed append since.
#[derive(Clone, Debug)]
struct Latest {
    first: Recovery,
    since: Arc<Mutex<Since>>,
}

/// What happened to a book since it was first opened.
#[derive(Clone, Debug, Default)]
struct Since {
    /// The newest opening after a failed append.
    recovery: Option<Recovery>,
    /// Why it is not open now.
    trouble: Option<String>,
    /// Another writer claimed the journal.
    fenced: bool,
}
