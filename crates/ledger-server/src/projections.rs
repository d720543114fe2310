//! What follows the journal behind the answers: the log, and the read models.
//!
//! Each has a thread of its own and says up to which position it has come. Neither is asked by the
//! writer, and a projection that fails stops alone: its folder can be removed and is built again
//! from the journal.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use bookkeeping::{Event, LedgerBook, LedgerFact};
use evidence::tree::TreeHead;
use store::log::{LogConfig, LogFeed, LogThread, PackedLog};
use store::views::{Config as ViewsConfig, Feed, OpenError, Views};
use store::{BookHandle, FileDisk, SegmentReader};
use terms::Position;

/// The log follows within a fiftieth of a second: the window in which a fact has no leaf yet.
const LOG_CONFIG: LogConfig =
    LogConfig { gather: std::time::Duration::from_millis(20), ..LogConfig::USUAL };

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

/// The log's projection.
#[derive(Debug)]
pub struct LogProjection {
    /// How far it was fed.
    pub progress: Progress,
    feed: LogFeed,
    log: LogThread,
    follower: JoinHandle<()>,
}

impl LogProjection {
    /// Opens the log in `folder` and follows the book from there.
    ///
    /// # Errors
    /// In words.
    pub fn start(
        folder: &Path,
        handle: &BookHandle<LedgerBook>,
        head: Position,
    ) -> Result<Self, String> {
        let disk = FileDisk::take(folder).map_err(|error| error.to_string())?;
        let log = PackedLog::open(&disk).map_err(|error| error.to_string())?;
        let size = Position::new(log.size());
        if size > head {
            return Err(format!(
                "JournalRolledBack: the log has {size} entries and the journal {head} facts: \
                 restore the newer journal; positions {head} to {size} are missing"
            ));
        }
        let publish = move |_: TreeHead| {
            // The lock of the folder lasts as long as the thread.
            let _ = &disk;
            Ok::<(), String>(())
        };
        let started = LogThread::spawn(log, LOG_CONFIG, publish);
        let (feed, log) = started.map_err(|error| error.to_string())?;
        let progress = Progress::new(size);
        let (batches, fed, reached) = (handle.subscribe(size), feed.clone(), progress.clone());
        let follow = move || {
            while let Ok(batch) = batches.recv() {
                if batch.entries().len() < SMALL_BATCH {
                    std::thread::sleep(SMALL_PAUSE);
                }
                let first = batch.origin().first;
                let (mut next, mut commitments) = (batch.tip().next, Vec::new());
                let mut more = Some(batch);
                while let Some(batch) = more {
                    commitments.extend(batch.entries().map(|entry| entry.commitment));
                    next = batch.tip().next;
                    more = batches.try_recv().ok();
                }
                if let Err(error) = fed.feed(first, commitments) {
                    return reached.fail(error.to_string());
                }
                reached.reached(next);
            }
        };
        let follower = named("log feed", follow)?;
        Ok(Self { progress, feed, log, follower })
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
