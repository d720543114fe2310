//! The writer thread: group commit over all callers of one book.
//!
//! One thread owns the book and its journal. It drains what is queued, checks and applies each
//! command on the working state, writes one batch with one sync, and only then answers. While it
//! syncs, the queue fills: the next batch is as large as the sync was slow.
//!
//! When an append ends otherwise than appended, everything that waits is answered
//! [`Answer::Unknown`], the state is dropped, an epoch is claimed and the journal refolded; this
//! is the same code that opens the book at start. Commands queued meanwhile wait. A writer that was
//! fenced does not claim the epoch back: it answers [`Answer::Stopped`] from then on.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use journal::{
    Append, Batch, Book, End, Journal, Limits, Machine, NotDone, OpenError, Release, Salts, Start,
    SubmitError, Ticket,
};
use terms::{BookName, Instant, Position, RunId};

use crate::disk::Disk;
use crate::image::{load_image, save_image};
use crate::recovery::Recovery;

/// Commands that may wait for the writer: a batch or two of small ones. Beyond, callers are told
/// [`Answer::Busy`] at once rather than made to wait longer than their deadline.
pub const QUEUE_MAX: usize = 8192;
/// Batches that may wait for one subscriber before the writer reads the journal again for it.
pub const SUBSCRIBER_BATCHES: usize = 64;
/// Batches the writer reads for a lagging subscriber in one turn.
const CATCH_UP_BATCHES: usize = 8;
/// How long the writer waits for work while a subscriber lags.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(5);
/// How long a book that could not be opened rests before the next try.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

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
    /// Commands that may wait.
    pub queue: usize,
}

impl BookConfig {
    /// The widest limits.
    #[must_use]
    pub const fn new(name: BookName, run: RunId) -> Self {
        Self { name, run, limits: Limits::WIDEST, queue: QUEUE_MAX }
    }
}

#[expect(clippy::type_complexity, reason = "a name for each would only be looked up")]
struct Images<M> {
    load: Box<dyn Fn() -> Result<Option<Start<M>>, String> + Send>,
    save: Box<dyn Fn(&M, journal::Tip) -> Result<(), String> + Send>,
}

/// Whether and how often the state is saved. Images bound the time of a restart and nothing
/// else: a bad one is ignored.
pub struct ImagePolicy<M> {
    images: Option<Images<M>>,
    every: u64,
}

impl<M> std::fmt::Debug for ImagePolicy<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImagePolicy").field("every", &self.every).finish_non_exhaustive()
    }
}

impl<M> ImagePolicy<M> {
    /// No images: every opening refolds from genesis.
    #[must_use]
    pub fn none() -> Self {
        Self { images: None, every: u64::MAX }
    }

    /// An image on `disk` after every so many facts.
    #[must_use]
    pub fn every<D: Disk + Sync + 'static>(facts: u64, disk: D, book: BookName) -> Self
    where
        M: journal::Image + 'static,
    {
        let disk = Arc::new(disk);
        let load_disk = Arc::clone(&disk);
        let load = Box::new(move || load_image(&*load_disk, &book));
        let save = Box::new(move |state: &M, tip| save_image(&*disk, &book, state, &tip));
        Self { images: Some(Images { load, save }), every: facts.max(1) }
    }
}

enum Work<M: Machine> {
    Command(M::Command, Box<dyn FnOnce(Answer<M::Outcome>) + Send>),
    Read(Look<M>),
    Subscribe(Position, SyncSender<Arc<Batch>>),
}

/// Looks at the state, or learns that there is none.
#[expect(clippy::type_complexity, reason = "this struct is the name of the type")]
struct Look<M>(Box<dyn FnOnce(Option<&M>) -> Finish + Send>);

/// Holds what a read saw until it may be told.
struct Finish(Box<dyn FnOnce(Answer<()>) + Send>);

enum Waiting<O> {
    Command(Box<dyn FnOnce(Answer<O>) + Send>),
    Read(Finish),
}

/// Callers' side of a book. Clones share the queue; the writer ends when the last is dropped.
pub struct BookHandle<M: Machine> {
    queue: SyncSender<Work<M>>,
    latest: Arc<Mutex<Recovery>>,
}

impl<M: Machine> Clone for BookHandle<M> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), latest: Arc::clone(&self.latest) }
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
        match self.queue.try_send(Work::Command(command, Box::new(reply))) {
            Ok(()) => {}
            Err(TrySendError::Full(work)) => decline(work, Decline::Busy),
            Err(TrySendError::Disconnected(work)) => decline(work, Decline::Stopped),
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
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.submit(command, move |answer| {
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
        let work = Work::Read(Look(Box::new(move |state| {
            let seen = state.map(look);
            Finish(Box::new(move |answer| reply(with_outcome(answer, seen))))
        })));
        match self.queue.try_send(work) {
            Ok(()) => {}
            Err(TrySendError::Full(work)) => decline(work, Decline::Busy),
            Err(TrySendError::Disconnected(work)) => decline(work, Decline::Stopped),
        }
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
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.read(look, move |answer| {
            let _ = sender.send(answer);
        });
        receiver
    }

    /// What the newest opening found and did: at start, or after an append that failed since.
    #[must_use]
    pub fn latest_recovery(&self) -> Recovery {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every durable batch in order, from the one that holds `from`; the first may begin before
    /// it. A slow subscriber is never skipped and never stops the writer: its batches are read
    /// from the journal again. Waits for room in the queue. The channel closes with the book.
    #[must_use]
    pub fn subscribe(&self, from: Position) -> Receiver<Arc<Batch>> {
        let (sender, receiver) = sync_channel(SUBSCRIBER_BATCHES);
        // On a closed book the sender is dropped and the receiver says so.
        let _ = self.queue.send(Work::Subscribe(from, sender));
        receiver
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
        Work::Read(look) => ((look.0)(None).0)(why.answer()),
        Work::Subscribe(..) => {}
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
    }
}

/// The writer's thread.
#[derive(Debug)]
pub struct BookWriter<J> {
    /// What opening found.
    pub recovery: Recovery,
    thread: JoinHandle<J>,
}

impl<J> BookWriter<J> {
    /// Waits until the last handle is dropped and all queued work is answered; gives the journal
    /// back. `None` when the writer panicked: reopen from disk.
    #[must_use]
    pub fn join(self) -> Option<J> {
        self.thread.join().ok()
    }
}

/// Why a book does not run.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No thread.
    #[error("the writer's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// What a book is driven over.
#[derive(Debug)]
pub struct Parts<M, J, S, C> {
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
}

/// Opens a book (claims an epoch, refolds) on this thread, then starts its writer.
///
/// # Errors
/// [`SpawnError`].
pub fn spawn_book<M, J, S, C>(
    config: BookConfig,
    parts: Parts<M, J, S, C>,
) -> Result<(BookHandle<M>, BookWriter<J>), SpawnError>
where
    M: Machine + Clone + Send + 'static,
    M::Command: Send + 'static,
    M::Outcome: Send + 'static,
    J: Journal + Send + 'static,
    S: Salts + Send + 'static,
    C: FnMut() -> Instant + Send + 'static,
{
    let mut parts = parts;
    let (book, recovery) = open_book(&config, &mut parts)?;
    let (queue, work) = sync_channel(config.queue.max(1));
    let imaged = recovery.tip.next;
    let latest = Arc::new(Mutex::new(recovery.clone()));
    let writer = Writer {
        config,
        parts,
        book: Some(book),
        waiting: BTreeMap::new(),
        subscribers: Vec::new(),
        imaged,
        latest: Arc::clone(&latest),
        retry_at: Instant::EPOCH,
        fenced: false,
    };
    let thread = std::thread::Builder::new()
        .name(format!("book {}", config.name))
        .spawn(move || writer.run(&work))
        .map_err(SpawnError::Thread)?;
    Ok((BookHandle { queue, latest }, BookWriter { recovery, thread }))
}

/// The one way to open a book: at start and after a failed append.
fn open_book<M, J, S, C>(
    config: &BookConfig,
    parts: &mut Parts<M, J, S, C>,
) -> Result<(Book<M>, Recovery), OpenError>
where
    M: Machine + Clone,
    J: Journal,
{
    let started = std::time::Instant::now();
    let loaded = match &parts.images.images {
        None => Ok(None),
        Some(images) => (images.load)(),
    };
    let (image, mut image_refused) = match loaded {
        Ok(image) => (image, None),
        Err(why) => (None, Some(why)),
    };
    let mut from_image = image.is_some();
    let start = image.unwrap_or_else(|| Start::genesis(parts.genesis.clone()));
    let open =
        |start, journal: &mut J| Book::open(config.name, config.limits, config.run, start, journal);
    let opened = match open(start, &mut parts.journal) {
        Err(OpenError::ForeignState(position)) if from_image => {
            // An image ahead of the journal or of another one: refold. That the journal itself
            // was rolled back is for the witnesses' checkpoints to say.
            image_refused = Some(format!("the image at `{position}` is not of this journal"));
            from_image = false;
            open(Start::genesis(parts.genesis.clone()), &mut parts.journal)
        }
        other => other,
    };
    let (book, refolded) = opened?;
    let recovery = Recovery {
        tip: refolded.tip,
        epoch: refolded.epoch,
        torn_bytes_cut: parts.journal.torn_bytes(),
        batches_refolded: refolded.batches,
        facts_refolded: refolded.facts,
        from_image,
        image_refused,
        took: started.elapsed(),
    };
    Ok((book, recovery))
}

struct Subscriber {
    next: Position,
    sender: SyncSender<Arc<Batch>>,
    gone: bool,
}

struct Writer<M: Machine, J, S, C> {
    config: BookConfig,
    parts: Parts<M, J, S, C>,
    /// `None` after a failed append until it could be opened again.
    book: Option<Book<M>>,
    waiting: BTreeMap<Ticket, Waiting<M::Outcome>>,
    subscribers: Vec<Subscriber>,
    /// Position of the newest image.
    imaged: Position,
    latest: Arc<Mutex<Recovery>>,
    retry_at: Instant,
    /// Another writer claimed a newer epoch.
    fenced: bool,
}

impl<M, J, S, C> Writer<M, J, S, C>
where
    M: Machine + Clone,
    J: Journal,
    S: Salts,
    C: FnMut() -> Instant,
{
    fn run(mut self, work: &Receiver<Work<M>>) -> J {
        loop {
            let first = if self.someone_lags() {
                work.recv_timeout(CATCH_UP_PAUSE)
            } else {
                work.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match first {
                Ok(first) => {
                    self.take(first);
                    for _ in 0..self.config.queue {
                        let Ok(next) = work.try_recv() else { break };
                        self.take(next);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.write_all();
            self.catch_up();
            self.save_image();
        }
        self.parts.journal
    }

    fn take(&mut self, work: Work<M>) {
        if self.book.is_none() && !matches!(work, Work::Subscribe(..)) && !self.reopen() {
            return decline(work, Decline::Stopped);
        }
        match work {
            Work::Command(command, reply) => self.take_command(&command, reply),
            Work::Read(look) => self.take_read(look),
            Work::Subscribe(next, sender) => {
                self.subscribers.push(Subscriber { next, sender, gone: false });
            }
        }
    }

    fn take_command(
        &mut self,
        command: &M::Command,
        reply: Box<dyn FnOnce(Answer<M::Outcome>) + Send>,
    ) {
        // Twice at most: a full batch is written, and the command fits the empty one.
        for _ in 0..2 {
            let now = (self.parts.clock)();
            let Some(book) = &mut self.book else { return reply(Answer::Stopped) };
            match book.submit(now, command, &self.parts.salts) {
                Ok(ticket) => {
                    self.waiting.insert(ticket, Waiting::Command(reply));
                    return;
                }
                Err(SubmitError::BatchFull) => self.write_all(),
                Err(SubmitError::Busy) => return reply(Answer::Busy),
                Err(SubmitError::Stopped) => return reply(Answer::Stopped),
                Err(why @ (SubmitError::TooLarge | SubmitError::NoSaltKey(_))) => {
                    return reply(Answer::NotTaken(why));
                }
            }
        }
        reply(Answer::Busy);
    }

    fn take_read(&mut self, look: Look<M>) {
        let now = (self.parts.clock)();
        let Some(book) = &mut self.book else { return ((look.0)(None).0)(Answer::Stopped) };
        match book.read(now) {
            Ok(ticket) => {
                self.waiting.insert(ticket, Waiting::Read((look.0)(Some(book.working()))));
            }
            Err(SubmitError::Busy) => ((look.0)(None).0)(Answer::Busy),
            Err(_) => ((look.0)(None).0)(Answer::Stopped),
        }
    }

    /// Writes what is open, answers what may be answered.
    fn write_all(&mut self) {
        while let Some(book) = &mut self.book {
            let written = book.write_out(&mut self.parts.journal);
            let released = book.release();
            let stopped = book.is_stopped();
            let more = book.has_unwritten();
            if let Ok(Some(batch)) = &written {
                self.deliver(batch);
            }
            self.answer(released);
            if stopped {
                self.book = None;
                // Fenced: somebody else became the writer on purpose. Claiming the epoch back
                // would only fence them in turn: this writer is done.
                self.fenced = matches!(written, Err(Append::NotDone(NotDone::Fenced { .. })));
                self.reopen();
                return;
            }
            if !more {
                return;
            }
        }
    }

    fn answer(&mut self, released: Vec<Release<M::Outcome>>) {
        for Release { ticket, end } in released {
            match (self.waiting.remove(&ticket), end) {
                (None, _) => {}
                (Some(Waiting::Command(reply)), End::Unknown) => reply(Answer::Unknown),
                (Some(Waiting::Read(reply)), End::Unknown) => (reply.0)(Answer::Unknown),
                (Some(Waiting::Read(reply)), End::Done { position, stamp, .. }) => {
                    (reply.0)(Answer::Done { outcome: (), position, stamp });
                }
                (Some(Waiting::Command(reply)), End::Done { outcome, position, stamp }) => {
                    reply(outcome.map_or(Answer::Unknown, |outcome| Answer::Done {
                        outcome,
                        position,
                        stamp,
                    }));
                }
            }
        }
    }

    fn reopen(&mut self) -> bool {
        let now = (self.parts.clock)();
        if self.fenced || now < self.retry_at {
            return false;
        }
        self.waiting.clear();
        match open_book(&self.config, &mut self.parts) {
            Ok((book, recovery)) => {
                *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = recovery;
                self.book = Some(book);
                true
            }
            Err(_) => {
                self.retry_at = now.plus(REOPEN_PAUSE);
                false
            }
        }
    }

    fn durable_next(&self) -> Option<Position> {
        self.book.as_ref().map(|book| book.durable().next)
    }

    fn someone_lags(&self) -> bool {
        self.durable_next().is_some_and(|next| self.subscribers.iter().any(|s| s.next < next))
    }

    /// Hands a batch that just became durable to every subscriber that is up to date.
    fn deliver(&mut self, batch: &Arc<Batch>) {
        for subscriber in &mut self.subscribers {
            if subscriber.next == batch.origin().first {
                subscriber.offer(batch);
            }
        }
    }

    /// Reads a few batches for each subscriber that lags.
    fn catch_up(&mut self) {
        if self.book.is_some() {
            for subscriber in &mut self.subscribers {
                let Ok(read) = self.parts.journal.read_from(subscriber.next, CATCH_UP_BATCHES)
                else {
                    // Damaged bytes are never handed on: the subscriber waits, the next append
                    // or opening reports.
                    continue;
                };
                for batch in read {
                    if !subscriber.offer(&Arc::new(batch)) {
                        break;
                    }
                }
            }
        }
        self.subscribers.retain(|s| !s.gone);
    }

    fn save_image(&mut self) {
        let Some(images) = &self.parts.images.images else { return };
        let Some((state, tip)) = self.book.as_ref().and_then(Book::settled_state) else { return };
        if tip.next.number().saturating_sub(self.imaged.number()) < self.parts.images.every {
            return;
        }
        // A failed save costs time at the next opening and nothing else; the next try comes
        // after as many facts again.
        let _ = (images.save)(state, tip);
        self.imaged = tip.next;
    }
}

impl Subscriber {
    fn offer(&mut self, batch: &Arc<Batch>) -> bool {
        match self.sender.try_send(Arc::clone(batch)) {
            Ok(()) => {
                self.next = batch.tip().next;
                true
            }
            Err(TrySendError::Full(_)) => false,
            Err(TrySendError::Disconnected(_)) => {
                self.gone = true;
                false
            }
        }
    }
}
