//! A folder's book, opened and running: its writer, what follows it, and who answers for it.
//!
//! It listens nowhere: the doors are [`crate::serve`]'s, which several books of a process share.
//! Nothing else is shared: each book has its own writer, journal, projections, guard, clients and
//! keys, so that one whose disk fails leaves the others as they are.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use bookkeeping::{ClientNumber, Effect, LedgerBook, Request, What};
use ledger::Command;
use ledger::command::SWEEP_MAX;
use record::SaltSlot;
use store::ids::{Ids, IdsConfig, IdsLimits, IdsSeed};
use store::{
    BookConfig, BookHandle, BookWriter, FileDisk, ImagePolicy, Opening, Parts, Recovery, SaltKeys,
    SegmentConfig, SegmentJournal, SegmentReader, spawn_book,
};
use terms::{BookName, Position, RunId};
use wire::server::StartError;

use crate::contents::Contents;
use crate::events::{EventThreads, Events};
use crate::figures::{Counted, Figures};
use crate::folder::Folder;
use crate::guard;
use crate::http::Interface;
use crate::projections::{GuardKeeper, LogProjection, LogStart, LogStartError, ViewsProjection};
use crate::public_log::Prover;
use crate::questions::{Answering, Behind, Questions};
use crate::recall::LedgerRecall;
use crate::serve::{Kept, PUBLISH_EVERY, Protections, SEGMENT_BYTES, ServeError, ServeOptions};
use crate::service::LedgerService;
use client::BookClock;

/// Facts between two images, as long as there are at most three times as many accounts, unless it
/// is said otherwise. The newest image is at most so many facts behind, and those that come while
/// the next one is taken: a start refolds no more, within half a second.
pub const IMAGE_EVERY: u64 = 400_000;
/// Salt keys made durable at once: one is used by each start.
const SALT_POOL: u64 = 4;
/// Requests that may wait for the writer.
const QUEUE_REQUESTS: usize = 4096;
/// How often holds are looked at whose time may have come.
const SWEEP_EVERY: Duration = Duration::from_millis(250);

/// A running book.
#[derive(Debug)]
pub(crate) struct RunningBook {
    pub(crate) name: BookName,
    pub(crate) recovery: Recovery,
    pub(crate) handle: BookHandle<LedgerBook>,
    pub(crate) events: Events,
    writer: BookWriter<Counted<SegmentJournal<FileDisk>>>,
    answering: Answering,
    followed: EventThreads,
    sweeper: (std::sync::mpsc::Sender<()>, JoinHandle<()>),
    log: Option<LogProjection>,
    guard: Option<GuardKeeper>,
    views: Option<ViewsProjection>,
}

/// What answers for a running book: at the door of the protocol, and at that of HTTP.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) service: LedgerService,
    pub(crate) interface: Interface,
}

impl RunningBook {
    /// Opens the folder's book.
    pub(crate) fn start(
        folder: &Folder,
        options: &ServeOptions,
        clock: &BookClock,
        mut with: Protections,
    ) -> Result<(Self, Answers), ServeError> {
        let clock = measured(folder, clock)?;
        let opened = Opened::open(folder, options, &clock, &with)?;
        // Only now the folder is this process's.
        let parted = !clock.may_expire();
        opened.figures.clock_parted.store(u64::from(parted), Ordering::Relaxed);
        if let Some(Err(error)) = clock.anchor().map(|anchor| folder.note_clock(&anchor)) {
            tracing::error!(%error, "the next start measures the clock by an earlier one");
        }
        let (log, views) = opened.follow(folder, options, &with)?;
        let keeper = match (with.guard.take(), &log) {
            (Some(guard), Some(log)) => Some(log.keeps(guard)),
            // What the guard would say of the log is not known without one.
            (Some(_) | None, _) => None,
        };
        let guard = keeper.transpose().map_err(ServeError::Projection)?;
        let Opened {
            name, handle, writer, slot, recovery, contents, figures, prover_parts, ..
        } = opened;
        let prover = log.as_ref().map(|log| {
            let (journal, salts) = prover_parts;
            Arc::new(Prover { log: Arc::clone(&log.public), journal, salts })
        });
        let behind = Behind {
            log: log.as_ref().map(LogProjection::feed),
            views: views.as_ref().map(|views| (Arc::clone(&views.views), views.progress.clone())),
            prover: prover.clone(),
        };
        let (clients, epoch) = (folder.clients()?, recovery.epoch);
        let next = recovery.tip.next;
        let (shared, counted) = (Arc::clone(&contents), Arc::clone(&figures));
        let seen = Arc::clone(&figures);
        let started = Events::start(&handle, next, shared, counted);
        let (events, followed) = started.map_err(StartError::Thread)?;
        let started = Questions::start(handle.clone(), slot, behind, &contents, figures);
        let (questions, answering) = started.map_err(StartError::Thread)?;
        let asked = (questions.clone(), events.clone());
        let service = LedgerService::new(handle.clone(), clients.clone(), slot, epoch, asked);
        let interface = Interface {
            book: name,
            handle: handle.clone(),
            clients,
            slot,
            epoch,
            questions,
            events: events.clone(),
            personal: folder.personal_keys(),
            prover,
        };
        let sweeper =
            sweep(handle.clone(), slot, SweptBy { clock, folder: folder.clone(), figures: seen })?;
        let book = Self {
            name,
            recovery,
            handle,
            events,
            writer,
            answering,
            followed,
            sweeper,
            log,
            guard,
            views,
        };
        Ok((book, Answers { service, interface }))
    }

    /// How far each projection that is kept has come: the log durably, the read models as asked.
    pub(crate) fn projected(&self) -> Vec<Position> {
        let log = self.log.as_ref().map(LogProjection::durable);
        let views = self.views.as_ref().map(|views| views.progress.next());
        log.into_iter().chain(views).collect()
    }

    /// Why a projection stopped, if one did.
    pub(crate) fn projection_failure(&self) -> Option<String> {
        let log = self.log.as_ref().and_then(|log| log.progress.failure());
        log.or_else(|| self.views.as_ref().and_then(|views| views.progress.failure()))
    }

    /// Tells those who follow where to go on, while they can still be told: before the doors are
    /// closed.
    pub(crate) fn dismiss(&self) {
        self.followed.stop();
    }

    /// Answers what is underway and lets go of the folder: after the doors are closed.
    pub(crate) fn end(self) {
        let Self { handle, writer, answering, events, followed, log, guard, views, .. } = self;
        let (stop, thread) = self.sweeper;
        drop(stop);
        let _ = thread.join();
        drop((handle, events));
        drop(writer.join());
        // They hold the read models' file, which whoever opens the folder next must find free.
        answering.join();
        followed.join();
        if let Some(log) = log {
            log.join();
        }
        if let Some(guard) = guard {
            guard.join();
        }
        if let Some(views) = views {
            views.join();
        }
    }
}

/// A book that runs and is not served yet.
struct Opened {
    name: BookName,
    handle: BookHandle<LedgerBook>,
    writer: BookWriter<Counted<SegmentJournal<FileDisk>>>,
    figures: Arc<Figures>,
    /// For questions and for those who follow the book.
    contents: Arc<Contents>,
    slot: SaltSlot,
    recovery: Recovery,
    /// For the read models and the log.
    reader: Arc<SegmentReader<FileDisk>>,
    /// For receipts.
    prover_parts: (SegmentReader<FileDisk>, Arc<SaltKeys<FileDisk>>),
    hash_seed: u64,
}

impl Opened {
    fn open(
        folder: &Folder,
        options: &ServeOptions,
        clock: &BookClock,
        with: &Protections,
    ) -> Result<Self, ServeError> {
        let name = folder.book();
        let run = RunId::from_bytes(client::system::random()?);
        let figures = Arc::new(Figures::of(name));
        let disk = FileDisk::take(&folder.part("journal"))?
            .with_flush_delay(options.flush_delay)
            .with_sync_times(Arc::clone(&figures.syncs));
        let entropy = || client::system::random::<32>().map_err(std::io::Error::other);
        let salts = Arc::new(SaltKeys::open(&disk, SALT_POOL, entropy)?);
        let slot = salts.take_slot()?;
        let opening = Opening::ReadsTail;
        let segment_bytes = with.segment_bytes.unwrap_or(SEGMENT_BYTES);
        let config = SegmentConfig { book: name, segment_bytes, opening };
        let journal = SegmentJournal::open(disk, config)?;
        // Before an epoch is claimed: an older copy is not written to.
        with.guard.as_ref().map_or(Ok(()), |guard| guard::compare(&journal, guard))?;
        let seed = IdsSeed::new(client::system::random()?);
        let ids_config = IdsConfig { book: name, seed, limits: IdsLimits::STANDARD };
        let (ids, covered) = Ids::open(FileDisk::take(&folder.part("ids"))?, &ids_config)?;
        let look = || FileDisk::look(&folder.part("journal"));
        let (reader, recalled) = (Arc::new(journal.reader(look())), journal.reader(look()));
        let contents = Arc::new(Contents::new(journal.reader(look())));
        let prover_parts = (journal.reader(look()), Arc::clone(&salts));
        let images = FileDisk::take(&folder.part("images"))?;
        let hash_seed = u64::from_be_bytes(client::system::random()?);
        let stamps = clock.clone();
        let parts = Parts {
            genesis: LedgerBook::new(hash_seed),
            journal: Counted::new(journal, Arc::clone(&figures)),
            salts,
            clock: move || stamps.now(),
            images: ImagePolicy::every(with.image_every.unwrap_or(IMAGE_EVERY), images, name),
            recall: LedgerRecall::new(ids, covered, recalled).telling(Arc::clone(&figures)),
        };
        let config = BookConfig { queue: QUEUE_REQUESTS, ..BookConfig::new(name, run) };
        let (handle, writer) = spawn_book(config, parts)?;
        let recovery = writer.recovery.clone();
        Ok(Self {
            name,
            handle,
            writer,
            figures,
            contents,
            slot,
            recovery,
            reader,
            prover_parts,
            hash_seed,
        })
    }

    fn follow(
        &self,
        folder: &Folder,
        options: &ServeOptions,
        with: &Protections,
    ) -> Result<(Option<LogProjection>, Option<ViewsProjection>), ServeError> {
        let log = match options.log {
            Kept::Yes => Some(self.follow_log(folder, with)?),
            Kept::No => None,
        };
        let views = match options.views {
            Kept::Yes => {
                let (folder, seed) = (folder.part("views"), self.hash_seed);
                let figures = Arc::clone(&self.figures);
                Some(ViewsProjection::start(&folder, &self.handle, &self.reader, seed, figures))
            }
            Kept::No => None,
        };
        Ok((log, views.transpose().map_err(ServeError::Projection)?))
    }

    fn follow_log(&self, folder: &Folder, with: &Protections) -> Result<LogProjection, ServeError> {
        let signer = folder.log_signer()?;
        let mut known = Vec::new();
        for (checkpoint, by) in &with.known {
            let checked = checkpoint.check(signer.verifier());
            checked.map_err(|why| ServeError::Known { by: by.clone(), why })?;
            known.push((checkpoint.head(), by.clone()));
        }
        let mark = with.guard.as_ref().and_then(|guard| Some((guard.newest()?, guard.path())));
        known
            .extend(mark.map(|(mark, path)| (mark.log, format!("the guard `{}`", path.display()))));
        let publish_every = with.publish_every.unwrap_or(PUBLISH_EVERY);
        let figures = Arc::clone(&self.figures);
        let start = LogStart { signer, known, publish_every, figures };
        let tip = self.recovery.tip;
        let started =
            LogProjection::start(&folder.part("log"), &self.handle, &self.reader, tip, start);
        started.map_err(|error| match error {
            LogStartError::NotTheNewest(why) => why.into(),
            LogStartError::Failed(why) => ServeError::Projection(why),
        })
    }
}

/// The book's own clock: the wall clock, measured by what its folder knows of it.
fn measured(folder: &Folder, clock: &BookClock) -> Result<BookClock, ServeError> {
    let clock = clock.for_book();
    if let Some(anchor) = folder.clock()? {
        clock.take(&anchor);
    }
    Ok(clock)
}

/// What says whether anything may expire.
struct SweptBy {
    clock: BookClock,
    folder: Folder,
    figures: Arc<Figures>,
}

impl SweptBy {
    fn may_expire(&self) -> bool {
        if !self.clock.may_expire()
            // A person may have said since that the wall clock is right.
            && let Ok(Some(anchor)) = self.folder.clock()
        {
            self.clock.take(&anchor);
        }
        let may = self.clock.may_expire();
        self.figures.clock_parted.store(u64::from(!may), Ordering::Relaxed);
        may
    }
}

/// Expires holds whose moment has come, as facts. What has passed its moment is not open whether
/// or not this ran.
fn sweep(
    handle: BookHandle<LedgerBook>,
    slot: SaltSlot,
    by: SweptBy,
) -> Result<(std::sync::mpsc::Sender<()>, JoinHandle<()>), ServeError> {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let run = move || {
        while stopped.recv_timeout(SWEEP_EVERY) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // A clock that was set says nothing about what has come. Whatever needs no deadline
            // goes on.
            if !by.may_expire() {
                continue;
            }
            let due = handle.read_blocking(|book| book.ledger().next_deadline());
            let store::Answer::Done { outcome: Some(at), stamp, .. } = due else { continue };
            if at <= stamp {
                let command = Command::ExpireHolds { at_most: SWEEP_MAX };
                let what = What::Do(command);
                let (client, effect) = (ClientNumber::BOOK, Effect::Lasting);
                let _ = handle.submit_blocking(Request { client, slot, what, effect });
            }
        }
    };
    let thread = std::thread::Builder::new().name("expiry".into()).spawn(run);
    Ok((stop, thread.map_err(StartError::Thread)?))
}
