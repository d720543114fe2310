//! What follows the journal behind the answers: the log, and the read models.
//!
//! Each has a thread of its own and says up to which position it has come. Neither is asked by the
//! writer, and a projection that fails stops alone: its folder can be removed and is built again
//! from the journal.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bookkeeping::{Event, LedgerBook, LedgerFact};
use evidence::tree::TreeHead;
use evidence::{NoteSigner, SignedCheckpoint};
use journal::Tip;
use store::log::{LogConfig, LogFeed, LogThread, PackedLog, Reopen};
use store::views::{Config as ViewsConfig, Feed, OpenError, Views};
use store::{BookHandle, FileDisk, SegmentReader};
use terms::Position;

use crate::guard::{Guard, NotTheNewest};
use crate::public_log::{PublicLog, stored_checkpoint};

/// The log follows within a fiftieth of a second: the window in which a fact has no leaf yet.
const LOG_CONFIG: LogConfig = LogConfig { gather: Duration::from_millis(20), ..LogConfig::USUAL };

/// How far the guard is behind at most: what was acknowledged within it before a crash is not
/// missed by the guard when an older copy is served.
const GUARD_EVERY: Duration = Duration::from_millis(200);

/// How often a guard that knows nothing yet looks for a first fact.
const GUARD_FIRST: Duration = Duration::from_millis(5);

/// A batch of fewer facts is one of many: the log waits for some of them, so that thousands of
/// small ones a second do not wake it each.
const SMALL_BATCH: usize = 1024;
/// How long it waits for them. A subscription holds the batches of that time.
const SMALL_PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

/// How far a projection has come, and whether it still goes on.
#[derive(Clone)]
pub struct Progress {
    next: Arc<AtomicU64>,
    failed: Arc<std::sync::Mutex<Option<String>>>,
    moved: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("next", &self.next()).finish_non_exhaustive()
    }
}

impl Progress {
    fn new(next: Position) -> Self {
        let next = Arc::new(AtomicU64::new(next.number()));
        Self { next, failed: Arc::default(), moved: Arc::default() }
    }

    /// Has this called whenever it has come further, or stopped: once for all, on the thread that
    /// feeds it.
    pub fn on_reached(&self, moved: impl Fn() + Send + Sync + 'static) {
        let _ = self.moved.set(Box::new(moved));
    }

    fn moved(&self) {
        if let Some(moved) = self.moved.get() {
            moved();
        }
    }

    fn reached(&self, next: Position) {
        self.next.store(next.number(), Ordering::SeqCst);
        self.moved();
    }

    fn fail(&self, why: String) {
        tracing::error!(why, "a projection stopped");
        *self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(why);
        self.moved();
    }

    /// It has seen all facts before this position.
    #[must_use]
    pub fn next(&self) -> Position {
        Position::new(self.next.load(Ordering::SeqCst))
    }

    /// Why it stopped, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// What a log's projection needs beside the journal.
pub struct LogStart {
    /// Signs its checkpoints.
    pub signer: NoteSigner,
    /// Heads that somebody knows, with whoever knows them: this log must extend each.
    pub known: Vec<(TreeHead, String)>,
    /// The least time from one checkpoint to the next.
    pub publish_every: Duration,
}

/// The log's projection.
#[derive(Debug)]
pub struct LogProjection {
    /// How far it was fed.
    pub progress: Progress,
    /// What others see of it.
    pub public: Arc<PublicLog>,
    /// The end of the last batch that it was fed.
    pub fed: Arc<Mutex<Option<Tip>>>,
    feed: LogFeed,
    log: LogThread,
    follower: JoinHandle<()>,
}

impl LogProjection {
    /// Opens the log in `folder` and follows the book from there.
    ///
    /// Returns when the log has come as far as anybody knows and agrees with it; no checkpoint is
    /// signed before.
    ///
    /// # Errors
    /// [`LogStartError`].
    pub fn start(
        folder: &Path,
        handle: &BookHandle<LedgerBook>,
        reader: &SegmentReader<FileDisk>,
        head: Position,
        start: LogStart,
    ) -> Result<Self, LogStartError> {
        let LogStart { signer, mut known, publish_every } = start;
        let disk = Arc::new(FileDisk::take(folder).map_err(in_words)?);
        let log = PackedLog::open(disk.as_ref()).map_err(in_words)?;
        let public = Arc::new(PublicLog::open(folder).map_err(in_words)?);
        let own = stored_checkpoint(folder, signer.verifier())?;
        let of_own = own.as_ref().map(SignedCheckpoint::head);
        known.extend(of_own.map(|head| (head, "its own last checkpoint".to_owned())));
        let size = log.size();
        let all = known.iter().map(|(head, by)| (head.size, by.as_str()));
        for (known, by) in all.chain([(size, "the book's log")]) {
            if known > head.number() {
                return Err(NotTheNewest::rolled_back(by, known, head).into());
            }
        }
        same_leaf(&public, reader, size)?;
        let gate = Arc::new(AtomicBool::new(false));
        let (open, signed) = (Arc::clone(&gate), Arc::clone(&public));
        let again = Arc::clone(&disk);
        // The lock of the folder lasts as long as the thread.
        let publish = move |head: TreeHead| {
            if !open.load(Ordering::Acquire) {
                return Err("it is being compared with what others know".to_owned());
            }
            signed.publish(&disk, &signer, head)
        };
        let config = LogConfig { publish_every, ..LOG_CONFIG };
        // Disk full, most likely: the log goes on when there is room.
        let reopen = Reopen::by(move || PackedLog::open(again.as_ref()));
        let started = LogThread::spawn_reopening(log, config, publish, reopen);
        let (feed, log) = started.map_err(in_words)?;
        let progress = Progress::new(Position::new(size));
        let fed = Arc::default();
        let follower = follow(handle, Position::new(size), feed.clone(), &progress, &fed)?;
        let this = Self { progress, public, fed, feed, log, follower };
        this.compare(&known)?;
        // Until the next one is signed, the last one is what others are told.
        this.public.begin(own);
        gate.store(true, Ordering::Release);
        Ok(this)
    }

    /// Waits until the log holds what is known, and compares the roots.
    fn compare(&self, known: &[(TreeHead, String)]) -> Result<(), LogStartError> {
        let wanted = known.iter().map(|(head, _)| head.size).max().unwrap_or(0);
        while self.feed.watch().durable() < wanted {
            if let Some(why) = self.progress.failure() {
                return Err(LogStartError::Failed(why));
            }
            if let Some(closed) = self.feed.watch().failure() {
                return Err(LogStartError::Failed(closed.to_string()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        for (head, by) in known {
            if self.public.root_at(head.size)? != head.root {
                let known = Position::new(head.size);
                return Err(NotTheNewest::Forked { by: by.clone(), known }.into());
            }
        }
        Ok(())
    }

    /// Watches the log's thread.
    #[must_use]
    pub fn feed(&self) -> LogFeed {
        self.feed.clone()
    }

    /// Entries that are durable in the log.
    #[must_use]
    pub fn durable(&self) -> Position {
        Position::new(self.feed.watch().durable())
    }

    /// Waits until the book is closed and all of it is in the log.
    pub fn join(self) {
        let _ = self.follower.join();
        drop(self.feed);
        if let Err(error) = self.log.join() {
            tracing::error!(%error, "the log stopped");
        }
    }
}

/// Why a log does not follow its book.
#[derive(Debug, thiserror::Error)]
pub enum LogStartError {
    /// Somebody knows more of this book, or something else.
    #[error(transparent)]
    NotTheNewest(#[from] NotTheNewest),
    /// Anything else, in words.
    #[error("{0}")]
    Failed(String),
}

impl From<String> for LogStartError {
    fn from(words: String) -> Self {
        Self::Failed(words)
    }
}

fn in_words(error: impl std::fmt::Display) -> LogStartError {
    LogStartError::Failed(error.to_string())
}

/// Compares the log's newest leaf with the journal's fact: it stands for all before it here, and
/// `fsck` compares each.
fn same_leaf(
    public: &PublicLog,
    reader: &SegmentReader<FileDisk>,
    size: u64,
) -> Result<(), LogStartError> {
    let Some(last) = size.checked_sub(1) else { return Ok(()) };
    let read = reader.read_from(Position::new(last), 1).map_err(in_words)?;
    let stored = read.first().and_then(|batch| batch.at(Position::new(last)));
    let of_journal = stored.map(|stored| stored.commitment);
    if of_journal.is_some() && public.commitment(last)? == of_journal {
        return Ok(());
    }
    let (by, known) = ("the book's log".to_owned(), Position::new(size));
    Err(NotTheNewest::Forked { by, known }.into())
}

fn follow(
    handle: &BookHandle<LedgerBook>,
    from: Position,
    feed: LogFeed,
    reached: &Progress,
    fed: &Arc<Mutex<Option<Tip>>>,
) -> Result<JoinHandle<()>, String> {
    let (batches, reached, tip) = (handle.subscribe(from), reached.clone(), Arc::clone(fed));
    named("log feed", move || {
        while let Ok(batch) = batches.recv() {
            if batch.entries().len() < SMALL_BATCH {
                std::thread::sleep(SMALL_PAUSE);
            }
            let first = batch.origin().first;
            let (mut end, mut commitments) = (batch.tip(), Vec::new());
            let mut more = Some(batch);
            while let Some(batch) = more {
                commitments.extend(batch.entries().map(|entry| entry.commitment));
                end = batch.tip();
                more = batches.try_recv().ok();
            }
            if let Err(error) = feed.feed(first, commitments) {
                return reached.fail(error.to_string());
            }
            *tip.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
            reached.reached(end.next);
        }
    })
}

/// Raises a guard behind the log until it is told to stop, and once more then.
#[derive(Debug)]
pub struct GuardKeeper {
    stop: std::sync::mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl GuardKeeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// In words.
    pub fn start(mut guard: Guard, log: &LogProjection) -> Result<Self, String> {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let (fed, watch) = (Arc::clone(&log.fed), log.feed.watch().clone());
        let thread = named("guard", move || {
            loop {
                // A guard that knows nothing learns at once.
                let pause = if guard.newest().is_some() { GUARD_EVERY } else { GUARD_FIRST };
                let waited = stopped.recv_timeout(pause);
                let tip = *fed.lock().unwrap_or_else(PoisonError::into_inner);
                let raised = tip.map_or(Ok(()), |tip| guard.raise(tip, watch.head()));
                if let Err(error) = raised {
                    // The book goes on: what it acknowledges is as durable as before, and what is
                    // lost is the knowledge of it outside the folder.
                    tracing::error!(%error, "the guard could not be raised");
                }
                if waited != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { stop, thread })
    }

    /// Raises it a last time and ends. To be called when the log has ended.
    pub fn join(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

/// The read models' projection.
pub struct ViewsProjection {
    /// How far it has come.
    pub progress: Progress,
    /// Where it is asked.
    pub views: Arc<Views>,
    follower: JoinHandle<()>,
}

impl std::fmt::Debug for ViewsProjection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewsProjection").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl ViewsProjection {
    /// Opens the read models in `folder`, or begins new ones where they are of another journal, and
    /// follows the book from there.
    ///
    /// # Errors
    /// In words.
    pub fn start(
        folder: &Path,
        handle: &BookHandle<LedgerBook>,
        reader: &SegmentReader<FileDisk>,
        seed: u64,
    ) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let (path, config) = (folder.join("views.redb"), ViewsConfig::standard(seed));
        let fits = match Views::open(&path, &config) {
            Ok(opened) if follows(&opened.0, reader) => Some(opened),
            // Of another journal, damaged, or of another version: built again from the journal.
            Ok(_) | Err(OpenError::Version { .. }) => None,
            Err(OpenError::Store(fault)) if fault.needs_rebuild() => None,
            Err(error) => return Err(failed(&error)),
        };
        let (feed, views) = match fits {
            Some(opened) => opened,
            None => Views::rebuild(&path, &config).map_err(|error| failed(&error))?,
        };
        let from = feed.stored().map_err(|error| failed(&error))?.next;
        let progress = Progress::new(from);
        let (batches, reached) = (handle.subscribe(from), progress.clone());
        let follow = move || {
            if let Err(why) = project(feed, batches, &reached) {
                reached.fail(why);
            }
        };
        let follower = named("views", follow)?;
        Ok(Self { progress, views, follower })
    }

    /// Waits until the book is closed and all of it is in the read models.
    pub fn join(self) {
        let _ = self.follower.join();
    }
}

/// Whether what the read models hold is a prefix of this journal.
fn follows(feed: &Feed, reader: &SegmentReader<FileDisk>) -> bool {
    let Ok(stored) = feed.stored() else { return false };
    let Some(last) = stored.next.number().checked_sub(1) else { return true };
    let read = reader.read_from(Position::new(last), 1).unwrap_or_default();
    read.first().is_some_and(|batch| feed.resume(&batch.tip()).is_ok())
}

fn project(
    mut feed: Feed,
    batches: std::sync::mpsc::Receiver<Arc<journal::Batch>>,
    reached: &Progress,
) -> Result<(), String> {
    let mut last = None;
    for batch in batches {
        let stamp = batch.origin().stamp;
        for stored in batch.entries() {
            let fact = stored.fact::<LedgerFact>().map_err(|error| error.to_string())?;
            if let Event::Changed(change) = &fact.event {
                feed.take(stored.position, stamp, change).map_err(|error| error.to_string())?;
            }
        }
        feed.batch_end(&batch.tip()).map_err(|error| error.to_string())?;
        reached.reached(batch.tip().next);
        last = Some(batch.tip());
    }
    match last {
        Some(tip) => feed.flush(&tip).map_err(|error| error.to_string()),
        None => Ok(()),
    }
}

fn named(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| format!("no thread for {name}: {error}"))
}
