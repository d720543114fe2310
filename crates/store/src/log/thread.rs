//! The log projection: a thread of its own between the journal and the packed file.
//!
//! It takes runs of commitments from a bounded queue, appends them, flushes when enough came or
//! the first of them waited long enough, and then has the checkpoint published. Nobody waits for
//! it unless the queue is full; how far it is behind is [`LogWatch::lag`].
//!
//! A flush that failed leaves the file unknown: it is opened again ([`Reopen`]), as at a start, and
//! what was not durable is appended again from memory, until it works. So a full disk delays the
//! log and does not end it. A file that is damaged when it is opened again ends it: waiting does
//! not mend that. So does [`LogFeed::stop`]: nobody can wait for a disk for ever.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use evidence::tree::TreeHead;
use record::Commitment;
use terms::Position;

use super::layout::as_u64;
use super::packed::{OpenLogError, PackedLog};
use crate::disk::DiskFile;

/// When the thread flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Runs that may wait in the queue. A run is a batch of at most 4096 commitments of 32 bytes,
    /// so 64 of them are 8 MiB.
    pub queue_runs: usize,
    /// Entries after which it flushes at once: 16,384 are 1 MiB to write, which stays in the cache,
    /// and the sync after them is a small part of the time.
    pub flush_entries: u64,
    /// How long an entry waits for others at most: the window in which a fact has no leaf yet.
    pub gather: Duration,
    /// The least time from one published checkpoint to the next; the last head is published at the
    /// end whatever it is.
    pub publish_every: Duration,
}

impl LogConfig {
    /// The limits as they are explained at each field.
    pub const USUAL: Self = Self {
        queue_runs: 64,
        flush_entries: 16_384,
        gather: Duration::from_millis(100),
        publish_every: Duration::ZERO,
    };
}

/// The thread ended: what it was fed after [`LogWatch::durable`] may be lost, and is fed again
/// after the log was opened again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log projection is stopped: {reason}")]
pub struct LogClosed {
    /// Why.
    pub reason: String,
}

/// Opens the log again after a fault.
pub struct Reopen<F>(Box<dyn FnMut() -> Result<PackedLog<F>, OpenLogError> + Send>);

impl<F> Reopen<F> {
    /// By this call, tried until it works.
    #[must_use]
    pub fn by(open: impl FnMut() -> Result<PackedLog<F>, OpenLogError> + Send + 'static) -> Self {
        Self(Box::new(open))
    }
}

impl<F> std::fmt::Debug for Reopen<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reopen").finish_non_exhaustive()
    }
}

struct Run {
    first: u64,
    commitments: Vec<Commitment>,
}

#[derive(Debug)]
struct Progress {
    /// One after the last position that was put into the queue.
    fed: AtomicU64,
    /// Size of the newest durable head.
    durable: AtomicU64,
    /// Size of the newest published checkpoint.
    published: AtomicU64,
    /// A fault is not waited for any more.
    stopping: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    head: TreeHead,
    /// Why the newest durable head has no checkpoint.
    unpublished: Option<String>,
    /// Why nothing can be flushed at the moment.
    fault: Option<String>,
    closed: Option<LogClosed>,
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Feeds the thread, which ends when it is dropped. Clones share the queue; runs must come in
/// order, so one of them feeds.
#[derive(Clone, Debug)]
pub struct LogFeed {
    sender: SyncSender<Run>,
    watch: LogWatch,
    /// What a thread that waits for the disk sees: somebody still feeds it.
    _alive: Arc<()>,
}

/// How far the thread is, for whoever serves or measures it. Does not keep it running.
#[derive(Clone, Debug)]
pub struct LogWatch {
    progress: Arc<Progress>,
}

impl LogFeed {
    /// Puts a run into the queue, waiting for room: the commitments of the facts from `first` on.
    /// A run, or a part of one, that the log has already is passed over.
    ///
    /// # Errors
    /// [`LogClosed`].
    pub fn feed(&self, first: Position, commitments: Vec<Commitment>) -> Result<(), LogClosed> {
        let end = end_of(first, &commitments);
        let run = Run { first: first.number(), commitments };
        self.sender.send(run).map_err(|_| self.watch.closed())?;
        self.watch.progress.fed.fetch_max(end, Ordering::Relaxed);
        Ok(())
    }

    /// Puts a run into the queue if there is room, and gives it back if there is none: as
    /// [`LogFeed::feed`], for whoever has more to do than to wait for a disk.
    ///
    /// # Errors
    /// [`LogClosed`].
    pub fn offer(
        &self,
        first: Position,
        commitments: Vec<Commitment>,
    ) -> Result<Option<Vec<Commitment>>, LogClosed> {
        let end = end_of(first, &commitments);
        // Also of what found no room: it is waited for.
        self.watch.progress.fed.fetch_max(end, Ordering::Relaxed);
        match self.sender.try_send(Run { first: first.number(), commitments }) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(run)) => Ok(Some(run.commitments)),
            Err(TrySendError::Disconnected(_)) => Err(self.watch.closed()),
        }
    }

    /// From now on a fault ends the thread, the one that it waits out too, even while others feed:
    /// what is not durable then is fed again after the next opening.
    pub fn stop(&self) {
        self.watch.progress.stopping.store(true, Ordering::SeqCst);
    }

    /// How far the thread is.
    #[must_use]
    pub const fn watch(&self) -> &LogWatch {
        &self.watch
    }
}

impl LogWatch {
    /// How many entries are durable: positions below it have their leaf.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.progress.durable.load(Ordering::Acquire)
    }

    /// How many entries the newest published checkpoint covers.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.progress.published.load(Ordering::Acquire)
    }

    /// The newest durable head.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.progress.state().head
    }

    /// How many positions that were fed are not durable yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.progress.fed.load(Ordering::Relaxed).saturating_sub(self.durable())
    }

    /// Why the last try to publish a checkpoint failed; `None` when it did not.
    #[must_use]
    pub fn publish_failure(&self) -> Option<String> {
        self.progress.state().unpublished.clone()
    }

    /// Why nothing becomes durable at the moment; `None` when nothing is in the way.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.progress.state().fault.clone()
    }

    /// Why the thread ended; `None` while it runs.
    #[must_use]
    pub fn failure(&self) -> Option<LogClosed> {
        self.progress.state().closed.clone()
    }

    fn closed(&self) -> LogClosed {
        let unknown = || LogClosed { reason: "its thread ended".to_owned() };
        self.failure().unwrap_or_else(unknown)
    }
}

/// The thread. It ends when all feeds are dropped, after a last flush, or at a fault.
#[derive(Debug)]
pub struct LogThread {
    thread: JoinHandle<()>,
    progress: Arc<Progress>,
}

impl LogThread {
    /// Starts the thread over an opened log; [`PackedLog::size`] before says from where to feed.
    ///
    /// `publish` is called after each flush, with what is durable, and once at the start, in case
    /// the last run stopped between a flush and its checkpoint: it signs and stores the
    /// checkpoint. When it fails it is called again with the next flush, or soon when nothing
    /// comes.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn spawn<F, P, E>(
        log: PackedLog<F>,
        config: LogConfig,
        publish: P,
    ) -> std::io::Result<(LogFeed, Self)>
    where
        F: DiskFile + 'static,
        P: FnMut(TreeHead) -> Result<(), E> + Send + 'static,
        E: std::fmt::Display,
    {
        Self::start(log, config, publish, None)
    }

    /// [`LogThread::spawn`], and goes on after a fault with the log opened again.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn spawn_reopening<F, P, E>(
        log: PackedLog<F>,
        config: LogConfig,
        publish: P,
        reopen: Reopen<F>,
    ) -> std::io::Result<(LogFeed, Self)>
    where
        F: DiskFile + 'static,
        P: FnMut(TreeHead) -> Result<(), E> + Send + 'static,
        E: std::fmt::Display,
    {
        Self::start(log, config, publish, Some(reopen))
    }

    fn start<F, P, E>(
        log: PackedLog<F>,
        config: LogConfig,
        publish: P,
        reopen: Option<Reopen<F>>,
    ) -> std::io::Result<(LogFeed, Self)>
    where
        F: DiskFile + 'static,
        P: FnMut(TreeHead) -> Result<(), E> + Send + 'static,
        E: std::fmt::Display,
    {
        let head = log.durable();
        let progress = Arc::new(Progress {
            fed: AtomicU64::new(head.size),
            durable: AtomicU64::new(head.size),
            published: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            state: Mutex::new(State { head, unpublished: None, fault: None, closed: None }),
        });
        let (sender, receiver) = sync_channel(config.queue_runs);
        let alive = Arc::new(());
        let worker = Worker {
            log,
            config,
            publish,
            progress: Arc::clone(&progress),
            owed: true,
            due: None,
            reopen,
            unflushed: Vec::new(),
            fed_by: Arc::downgrade(&alive),
        };
        let thread = Builder::new()
            .name("log projection".to_owned())
            .spawn(move || worker.run(&receiver))?;
        let watch = LogWatch { progress: Arc::clone(&progress) };
        Ok((LogFeed { sender, watch, _alive: alive }, Self { thread, progress }))
    }

    /// Waits for the end of the thread: drop all feeds before. What is durable then.
    ///
    /// # Errors
    /// [`LogClosed`] when it ended at a fault.
    pub fn join(self) -> Result<TreeHead, LogClosed> {
        if self.thread.join().is_err() {
            return Err(LogClosed { reason: "its thread panicked".to_owned() });
        }
        let state = self.progress.state();
        state.closed.clone().map_or(Ok(state.head), Err)
    }
}

struct Worker<F, P> {
    log: PackedLog<F>,
    config: LogConfig,
    publish: P,
    progress: Arc<Progress>,
    /// Whether the newest durable head has no checkpoint yet.
    owed: bool,
    /// The next checkpoint is published no sooner.
    due: Option<Instant>,
    reopen: Option<Reopen<F>>,
    /// What was appended since the last flush, to be appended again to a log opened again. No more
    /// than a flush takes and one run.
    unflushed: Vec<Commitment>,
    fed_by: Weak<()>,
}

impl<F, P, E> Worker<F, P>
where
    F: DiskFile,
    P: FnMut(TreeHead) -> Result<(), E>,
    E: std::fmt::Display,
{
    fn run(mut self, queue: &Receiver<Run>) {
        self.publish_owed();
        let ended = self.serve(queue);
        // Nothing comes any more: what is owed need not wait for its time.
        self.due = None;
        self.publish_owed();
        if let Err(reason) = ended {
            self.progress.state().closed = Some(LogClosed { reason });
        }
    }

    /// Until all feeds are dropped.
    fn serve(&mut self, queue: &Receiver<Run>) -> Result<(), String> {
        loop {
            let first = match queue.recv_timeout(self.patience()) {
                Ok(run) => run,
                Err(RecvTimeoutError::Timeout) => {
                    self.publish_owed();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let until = Instant::now() + self.config.gather;
            self.take(&first)?;
            self.gather(queue, until)?;
            self.flush()?;
        }
    }

    /// Takes more until there is enough or the first has waited long enough.
    fn gather(&mut self, queue: &Receiver<Run>, until: Instant) -> Result<(), String> {
        let start = self.log.durable().size;
        while self.log.size().saturating_sub(start) < self.config.flush_entries {
            let left = until.saturating_duration_since(Instant::now());
            match queue.recv_timeout(left) {
                Ok(run) => self.take(&run)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(())
    }

    fn take(&mut self, run: &Run) -> Result<(), String> {
        let next = self.log.size();
        if run.first > next {
            return Err(format!("expected position `{next}`, got `{}`", run.first));
        }
        let known = usize::try_from(next.saturating_sub(run.first)).unwrap_or(usize::MAX);
        if let Some(new) = run.commitments.get(known..) {
            self.log.append(new);
            if self.reopen.is_some() {
                self.unflushed.extend_from_slice(new);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        let head = match self.log.flush() {
            Ok(head) => head,
            Err(fault) => self.recover(fault.to_string())?,
        };
        self.unflushed.clear();
        let mut state = self.progress.state();
        self.owed |= state.head != head;
        state.head = head;
        state.fault = None;
        drop(state);
        self.progress.durable.store(head.size, Ordering::Release);
        self.publish_owed();
        Ok(())
    }

    /// Opens the log again and flushes what was not durable, until that works, waiting is no use,
    /// or nobody waits any more. Meanwhile the queue fills, and whoever feeds reads the journal
    /// again.
    fn recover(&mut self, mut fault: String) -> Result<TreeHead, String> {
        let durable = self.log.durable().size;
        while let Some(Reopen(open)) = &mut self.reopen {
            let mut state = self.progress.state();
            state.unpublished = Some(fault.clone());
            state.fault = Some(fault.clone());
            drop(state);
            if self.fed_by.strong_count() == 0 || self.progress.stopping.load(Ordering::SeqCst) {
                return Err(fault);
            }
            std::thread::sleep(RETRY);
            let flushed = match open() {
                // Opening may find that the flush that failed was durable after all.
                Ok(log) if log.size() >= durable => {
                    self.log = log;
                    let known = self.log.size().saturating_sub(durable);
                    let known = usize::try_from(known).unwrap_or(usize::MAX);
                    self.log.append(self.unflushed.get(known..).unwrap_or_default());
                    self.log.flush().map_err(|fault| fault.to_string())
                }
                Ok(log) => {
                    let size = log.size();
                    return Err(format!("{fault}; opened again it has `{size}` of `{durable}`"));
                }
                Err(damaged @ OpenLogError::Damaged(_)) => {
                    return Err(format!("{fault}; opened again: {damaged}"));
                }
                Err(error @ OpenLogError::Failed(_)) => Err(error.to_string()),
            };
            match flushed {
                Ok(head) => return Ok(head),
                Err(again) => fault = again,
            }
        }
        Err(fault)
    }

    /// Has the newest durable head published. Tiles come first: a head is never published before
    /// it is durable, and stopped in between, the next start publishes it.
    fn publish_owed(&mut self) {
        let head = self.log.durable();
        if !self.owed || self.wait().is_some() {
            return;
        }
        let published = (self.publish)(head).map_err(|error| error.to_string());
        if published.is_ok() {
            self.owed = false;
            self.due = Instant::now().checked_add(self.config.publish_every);
            self.progress.published.store(head.size, Ordering::Release);
        }
        self.progress.state().unpublished = published.err();
    }

    /// How long until the next checkpoint may be published; `None` when it may be now.
    fn wait(&self) -> Option<Duration> {
        let left = self.due?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// How long to wait for a run: for ever, nearly, unless a checkpoint is owed.
    fn patience(&self) -> Duration {
        if self.owed { self.wait().unwrap_or(RETRY) } else { IDLE }
    }
}

fn end_of(first: Position, commitments: &[Commitment]) -> u64 {
    first.number().saturating_add(as_u64(commitments.len()))
}

/// A queue that nobody feeds is looked at this often; no more than a bound on one wait.
const IDLE: Duration = Duration::from_secs(60);
/// After this time without a run a checkpoint that could not be published is tried again.
const RETRY: Duration = Duration::from_millis(100);
