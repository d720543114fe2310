//! Opens a book's folder and serves it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bookkeeping::{ClientNumber, Effect, LedgerBook, Request, What};
use evidence::SignedCheckpoint;
use ledger::Command;
use ledger::command::SWEEP_MAX;
use record::SaltSlot;
use store::ids::{Ids, IdsConfig, IdsError, IdsLimits, IdsSeed};
use store::{
    BookConfig, BookHandle, BookWriter, FileDisk, ImagePolicy, OpenJournalError, Opening, Parts,
    Recovery, SaltError, SaltKeys, SegmentConfig, SegmentJournal, SegmentReader, SpawnError,
    spawn_book,
};
use terms::{BookName, Position, RunId};
use wire::server::StartError;
use wire::tls::ServerTls;
use wire::{Limits, PlainPolicy, Server, ServerConfig, Timeouts};

use crate::contents::Contents;
use crate::events::{EventThreads, Events};
use crate::figures::{Counted, Figures};
use crate::folder::{Folder, FolderError};
use crate::guard::{self, Guard, NotTheNewest};
use crate::http::{HttpError, HttpServer, Interface};
use crate::projections::{GuardKeeper, LogProjection, LogStart, LogStartError, ViewsProjection};
use crate::public_log::Prover;
use crate::questions::{Answering, Behind, Questions};
use crate::recall::LedgerRecall;
use crate::service::LedgerService;
use client::BookClock;

/// Size of a segment: some half a million transactions.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 20;
/// Facts between two images, as long as there are at most three times as many accounts. The newest
/// image is at most so many facts behind, and those that come while the next one is taken: a start
/// refolds no more, within half a second.
const IMAGE_EVERY: u64 = 400_000;
/// Salt keys made durable at once: one is used by each start.
const SALT_POOL: u64 = 4;
/// Requests that may wait for the writer.
const QUEUE_REQUESTS: usize = 4096;
/// Connections, each with buffers of its own.
const CONNECTIONS_MAX: usize = 4096;
/// The least time from one published checkpoint to the next, unless it is said otherwise: a receipt
/// waits no longer, and a sync of the log's thread each is nothing.
pub const PUBLISH_EVERY: Duration = Duration::from_millis(500);
/// How often holds are looked at whose time may have come.
const SWEEP_EVERY: Duration = Duration::from_millis(250);

/// How a book is served.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Where to listen; port 0 chooses one.
    pub address: SocketAddr,
    /// Where to listen for HTTP: on loopback, because HTTP here has no TLS; a reverse proxy on this
    /// machine adds it. `None` for no HTTP.
    pub http: Option<SocketAddr>,
    /// Added to each sync of the journal, to see what a slower disk would do. Zero but in benches.
    pub flush_delay: Duration,
    /// Whether the transparency log is kept.
    pub log: Kept,
    /// Whether the read models are kept.
    pub views: Kept,
}

/// Whether a projection is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It follows the book.
    Yes,
    /// It does not: for measurements, and for books that nobody asks such questions.
    No,
}

/// What a book is served with beyond its folder.
#[derive(Default)]
pub struct Protections {
    /// Certificate and key: with them plain TCP is not taken, from nowhere.
    pub tls: Option<ServerTls>,
    /// How far the book had come, as a file outside the folder knows it.
    pub guard: Option<Guard>,
    /// Checkpoints that others kept, with their names: the log must extend each.
    pub known: Vec<(SignedCheckpoint, String)>,
    /// The least time between two checkpoints; `None` for [`PUBLISH_EVERY`].
    pub publish_every: Option<Duration>,
    /// Size of a new segment; `None` for the usual one.
    pub segment_bytes: Option<u64>,
}

impl std::fmt::Debug for Protections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protections").field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// Why a book is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Another process has it, or the file system failed.
    #[error(transparent)]
    Disk(#[from] store::disk::TakeError),
    /// Its journal.
    #[error("the journal: {0}")]
    Journal(#[from] OpenJournalError),
    /// Its salt keys.
    #[error("the salt keys: {0}")]
    Salts(#[from] SaltError),
    /// Its index of ids.
    #[error("the index of ids: {0}")]
    Ids(#[from] IdsError),
    /// Its writer.
    #[error("the book: {0}")]
    Book(#[from] SpawnError),
    /// Somebody knows more of this book than the folder holds, or something else.
    #[error(transparent)]
    NotTheNewest(#[from] NotTheNewest),
    /// A checkpoint that somebody kept is not of this book's log.
    #[error("{by}: {why}")]
    Known {
        /// Which.
        by: String,
        /// What is wrong with it.
        why: evidence::checkpoint::CheckpointError,
    },
    /// Its log or its read models.
    #[error("the projections: {0}")]
    Projection(String),
    /// Its server.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its HTTP interface.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] client::system::NoEntropy),
}

/// A book that is served.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What opening found.
    pub recovery: Recovery,
    http: Option<HttpServer>,
    server: Server,
    handle: BookHandle<LedgerBook>,
    writer: BookWriter<Counted<SegmentJournal<FileDisk>>>,
    answering: Answering,
    events: Events,
    followed: EventThreads,
    sweeper: (std::sync::mpsc::Sender<()>, JoinHandle<()>),
    log: Option<LogProjection>,
    guard: Option<GuardKeeper>,
    views: Option<ViewsProjection>,
}

/// Opens the folder's book and serves it until [`Running::stop`].
///
/// # Errors
/// [`ServeError`].
pub fn serve(folder: &Folder, options: &ServeOptions) -> Result<Running, ServeError> {
    serve_by(folder, options, &BookClock::system())
}

/// [`serve`] by a given clock.
///
/// # Errors
/// [`ServeError`].
pub fn serve_by(
    folder: &Folder,
    options: &ServeOptions,
    clock: &BookClock,
) -> Result<Running, ServeError> {
    serve_protected(folder, options, clock, Protections::default())
}

/// [`serve_by`], with what lies outside the folder.
///
/// # Errors
/// [`ServeError`].
pub fn serve_protected(
    folder: &Folder,
    options: &ServeOptions,
    clock: &BookClock,
    mut with: Protections,
) -> Result<Running, ServeError> {
    let opened = Opened::open(folder, options, clock, &with)?;
    let (log, views) = opened.follow(folder, options, &with)?;
    let keeper = match (with.guard.take(), &log) {
        (Some(guard), Some(log)) => Some(log.keeps(guard)),
        // What the guard would say of the log is not known without one.
        (Some(_) | None, _) => None,
    };
    let guard = keeper.transpose().map_err(ServeError::Projection)?;
    let Opened { book, handle, writer, slot, recovery, contents, figures, prover_parts, .. } =
        opened;
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
    let (shared, counted, next) = (Arc::clone(&contents), Arc::clone(&figures), recovery.tip.next);
    let started = Events::start(&handle, next, shared, counted);
    let (events, followed) = started.map_err(StartError::Thread)?;
    let started = Questions::start(handle.clone(), slot, behind, &contents, figures);
    let (questions, answering) = started.map_err(StartError::Thread)?;
    let asked = (questions.clone(), events.clone());
    let service = LedgerService::new(handle.clone(), clients.clone(), slot, epoch, asked);
    let server_config = ServerConfig {
        book,
        plain: if with.tls.is_some() { PlainPolicy::Never } else { PlainPolicy::Loopback },
        tls: with.tls.take(),
        limits: Limits::STANDARD,
        timeouts: Timeouts::STANDARD,
        connections_max: CONNECTIONS_MAX,
    };
    let server = Server::start(options.address, server_config, service)?;
    let address = server.address();
    folder.note_address(address)?;
    let http = options.http.map(|address| {
        let handle = handle.clone();
        let personal = folder.personal_keys();
        let (questions, events) = (questions.clone(), events.clone());
        let interface =
            Interface { book, handle, clients, slot, epoch, questions, events, personal, prover };
        crate::http::start(address, interface)
    });
    drop(questions);
    let http = http.transpose()?;
    let sweeper = sweep(handle.clone(), slot, clock.clone())?;
    Ok(Running {
        address,
        recovery,
        http,
        server,
        handle,
        writer,
        answering,
        events,
        followed,
        sweeper,
        log,
        guard,
        views,
    })
}

/// A book that runs and is not served yet.
struct Opened {
    book: BookName,
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
        let book = folder.book();
        let run = RunId::from_bytes(client::system::random()?);
        let figures = Arc::new(Figures::default());
        let disk = FileDisk::take(&folder.part("journal"))?
            .with_flush_delay(options.flush_delay)
            .with_sync_times(Arc::clone(&figures.syncs));
        let entropy = || client::system::random::<32>().map_err(std::io::Error::other);
        let salts = Arc::new(SaltKeys::open(&disk, SALT_POOL, entropy)?);
        let slot = salts.take_slot()?;
        let opening = Opening::ReadsTail;
        let segment_bytes = with.segment_bytes.unwrap_or(SEGMENT_BYTES);
        let config = SegmentConfig { book, segment_bytes, opening };
        let journal = SegmentJournal::open(disk, config)?;
        // Before an epoch is claimed: an older copy is not written to.
        with.guard.as_ref().map_or(Ok(()), |guard| guard::compare(&journal, guard))?;
        let seed = IdsSeed::new(client::system::random()?);
        let ids_config = IdsConfig { book, seed, limits: IdsLimits::STANDARD };
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
            images: ImagePolicy::every(IMAGE_EVERY, images, book),
            recall: LedgerRecall::new(ids, covered, recalled).telling(Arc::clone(&figures)),
        };
        let config = BookConfig { queue: QUEUE_REQUESTS, ..BookConfig::new(book, run) };
        let (handle, writer) = spawn_book(config, parts)?;
        let recovery = writer.recovery.clone();
        Ok(Self {
            book,
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
}

impl Opened {
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

impl Running {
    /// The book, for readers in this process.
    #[must_use]
    pub const fn handle(&self) -> &BookHandle<LedgerBook> {
        &self.handle
    }

    /// Its facts in order, for readers in this process.
    #[must_use]
    pub const fn events(&self) -> &Events {
        &self.events
    }

    /// Where HTTP is listened for, when it is.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::address)
    }

    /// How far each projection that is kept has come: the log durably, the read models as asked.
    #[must_use]
    pub fn projected(&self) -> Vec<Position> {
        let log = self.log.as_ref().map(LogProjection::durable);
        let views = self.views.as_ref().map(|views| views.progress.next());
        log.into_iter().chain(views).collect()
    }

    /// Why a projection stopped, if one did.
    pub fn projection_failure(&self) -> Option<String> {
        let log = self.log.as_ref().and_then(|log| log.progress.failure());
        log.or_else(|| self.views.as_ref().and_then(|views| views.progress.failure()))
    }

    /// Takes no more requests, answers those underway, and lets go of the folder.
    pub fn stop(self) {
        let Self { http, server, handle, writer, answering, events, followed, .. } = self;
        let (log, guard, views) = (self.log, self.guard, self.views);
        let (stop, thread) = self.sweeper;
        // Those who follow are told where to go on, while they can still be told.
        followed.stop();
        if let Some(http) = http {
            http.stop();
        }
        server.stop();
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

/// Expires holds whose moment has come, as facts. What has passed its moment is not open whether
/// or not this ran.
fn sweep(
    handle: BookHandle<LedgerBook>,
    slot: SaltSlot,
    clock: BookClock,
) -> Result<(std::sync::mpsc::Sender<()>, JoinHandle<()>), ServeError> {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let run = move || {
        while stopped.recv_timeout(SWEEP_EVERY) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // A clock that was set says nothing about what has come. Whatever needs no deadline
            // goes on.
            if !clock.may_expire() {
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
