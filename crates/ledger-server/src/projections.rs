//! What follows the journal behind the answers: the log, and the read models.
//!
//! Each has a thread of its own and says up to which position it has come. Neither is asked by the
//! writer, and a projection that fails stops alone: its folder can be removed and is built again
//! from the journal.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use bookkeeping::{Event, LedgerBook, LedgerFact};
use evidence::tree::TreeHead;
use evidence::{NoteSigner, SignedCheckpoint};
use journal::Tip;
use store::log::{LogConfig, LogFeed, LogThread, LogWatch, PackedLog, Reopen};
use store::views::{Config as ViewsConfig, Feed, Views};
use store::{BookHandle, FileDisk, SegmentReader};
use terms::Position;

use crate::figures::{Figures, count};
use crate::guard::{Guard, NotTheNewest};
use crate::log_follower::{Fed, LogFollower};
use crate::public_log::{PublicLog, stored_checkpoint};

/// The log follows within a fiftieth of a second: the window in which a fact has no leaf yet.
const LOG_CONFIG: LogConfig = LogConfig { gather: Duration::from_millis(20), ..LogConfig::USUAL };

/// How far the guard is behind at most: what was acknowledged within it before a crash is not
/// missed by the guard when an older copy is served.
const GUARD_EVERY: Duration = Duration::from_millis(200);

/// A log that makes no progress for so long at a start, while somebody knows more, is given up.
const STILL_MAX: Duration = Duration::from_secs(10);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Looks without progress after which what it waits for is read here: a fifth of a second.
const LOOKS: u32 = 100;
/// Batches of the journal that are read at once.
const READ_BATCHES: usize = 8;

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
    pub(crate) fn new(next: Position) -> Self {
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

    pub(crate) fn reached(&self, next: Position) {
        self.next.store(next.number(), Ordering::SeqCst);
        self.moved();
    }

    pub(crate) fn fail(&self, why: String) {
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
    /// Counts what cannot be read.
    pub figures: Arc<Figures>,
}

/// The log's projection.
#[derive(Debug)]
pub struct LogProjection {
    /// How far it was fed.
    pub progress: Progress,
    /// What others see of it.
    pub public: Arc<PublicLog>,
    /// How far the journal had come, whatever the log does.
    pub fed: Arc<Fed>,
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
        reader: &Arc<SegmentReader<FileDisk>>,
        tip: Tip,
        start: LogStart,
    ) -> Result<Self, LogStartError> {
        let LogStart { signer, mut known, publish_every, figures } = start;
        let head = tip.next;
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
        let fed = Arc::new(Fed::new(tip));
        let from = Position::new(size);
        let again = Arc::clone(reader);
        let read = move |at| again.read_from(at, READ_BATCHES).map_err(|error| error.to_string());
        let (of, to) = (progress.clone(), Arc::clone(&fed));
        let follower = LogFollower::new(from, feed.clone(), of, to, read);
        let batches = handle.subscribe(from);
        let (damage, ended) = (handle.damage(), progress.clone());
        let follower = named("log feed", move || {
            let end = follower.run(&batches);
            if let Some(why) = damage.at(end) {
                tracing::error!(why, "the log stops");
                count(&figures.unreadable);
                ended.fail(why);
            }
        })?;
        let this = Self { progress, public, fed, feed, log, follower };
        if let Err(why) = this.compare(&known, reader) {
            // Nobody waits any more for a disk that fails.
            this.feed.stop();
            return Err(why);
        }
        // Until the next one is signed, the last one is what others are told.
        this.public.begin(own);
        gate.store(true, Ordering::Release);
        Ok(this)
    }

    /// Waits until the log holds what is known, and compares the roots.
    fn compare(
        &self,
        known: &[(TreeHead, String)],
        reader: &SegmentReader<FileDisk>,
    ) -> Result<(), LogStartError> {
        let wanted = known.iter().map(|(head, _)| head.size).max().unwrap_or(0);
        let read = |at| match reader.read_from(at, READ_BATCHES) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        wait_for(self.feed.watch(), &self.progress, wanted, STILL_MAX, read)?;
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

    /// Has a guard raised behind the journal and this log.
    ///
    /// # Errors
    /// In words.
    pub fn keeps(&self, guard: Guard) -> Result<GuardKeeper, String> {
        GuardKeeper::start(guard, Arc::clone(&self.fed), self.feed.watch().clone())
    }

    /// Entries that are durable in the log.
    #[must_use]
    pub fn durable(&self) -> Position {
        Position::new(self.feed.watch().durable())
    }

    /// Waits until the book is closed and all of it is in the log.
    pub fn join(self) {
        // A disk that fails is not waited for: what is not in the log is fed at the next start.
        self.feed.stop();
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

/// Waits until so many entries are durable; an error when the log has ended, or has made no
/// progress for as long as `still`. Where it stands still, what it needs next is read: nobody else
/// tells of a journal that cannot be read there.
pub(crate) fn wait_for(
    watch: &LogWatch,
    progress: &Progress,
    wanted: u64,
    still: Duration,
    read: impl Fn(Position) -> Result<(), String>,
) -> Result<(), String> {
    let (mut seen, mut looks) = (watch.durable(), 0_u32);
    while seen < wanted {
        if let Some(why) = progress.failure() {
            return Err(why);
        }
        if let Some(closed) = watch.failure() {
            return Err(closed.to_string());
        }
        std::thread::sleep(LOOK_EVERY);
        let durable = watch.durable();
        looks = if durable > seen { 0 } else { looks.saturating_add(1) };
        seen = durable;
        if looks > 0 && looks.is_multiple_of(LOOKS) {
            let next = progress.next();
            read(next)
                .map_err(|why| format!("the log cannot go on at position `{next}`: {why}"))?;
        }
        if LOOK_EVERY.saturating_mul(looks) >= still {
            let why = watch.fault().unwrap_or_else(|| "nothing comes from the journal".to_owned());
            return Err(format!("the log stays at `{seen}` of `{wanted}` entries: {why}"));
        }
    }
    Ok(())
}

/// Raises a guard behind the journal until it is told to stop, and once more then.
#[derive(Debug)]
pub struct GuardKeeper {
    fed: Arc<Fed>,
    thread: JoinHandle<()>,
}

impl GuardKeeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// In words.
    pub fn start(mut guard: Guard, fed: Arc<Fed>, watch: LogWatch) -> Result<Self, String> {
        let of = Arc::clone(&fed);
        let thread = named("guard", move || {
            // A guard that knows nothing learns at once.
            let mut pause = guard.newest().map(|_| GUARD_EVERY);
            loop {
                let (tip, goes_on) = of.wait(pause);
                pause = Some(GUARD_EVERY);
                let raised = tip.map_or(Ok(()), |tip| guard.raise(tip, watch.head()));
                if let Err(error) = raised {
                    // The book goes on: what it acknowledges is as durable as before, and what is
                    // lost is the knowledge of it outside the folder.
                    tracing::error!(%error, "the guard could not be raised");
                }
                if !goes_on {
                    return;
                }
            }
        })?;
        Ok(Self { fed, thread })
    }

    /// Raises it a last time and ends. To be called when the log has ended.
    pub fn join(self) {
        self.fed.stop();
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
        figures: Arc<Figures>,
    ) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let (path, config) = (folder.join("views.redb"), ViewsConfig::standard(seed));
        let tip_at = |at| reader.read_from(at, 1).ok()?.first().map(journal::Batch::tip);
        let opened = Views::open_of(&path, &config, tip_at);
        let (feed, views) = opened.map_err(|error| failed(&error))?;
        let from = feed.stored().map_err(|error| failed(&error))?.next;
        let progress = Progress::new(from);
        let (batches, reached) = (handle.subscribe(from), progress.clone());
        let damage = handle.damage();
        let follow = move || {
            let projected = project(feed, batches, &reached);
            let damaged = || damage.at(reached.next()).map_or(Ok(()), Err);
            if let Err(why) = projected.and_then(|()| damaged()) {
                tracing::error!(why, "the read models stop");
                count(&figures.unreadable);
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
