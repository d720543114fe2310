//! Opens folders' books and serves them: one door for the protocol and one for HTTP, however many
//! books.

use std::net::SocketAddr;
use std::time::Duration;

use bookkeeping::LedgerBook;
use evidence::SignedCheckpoint;
use store::ids::IdsError;
use store::{BookHandle, OpenJournalError, Recovery, SaltError, SpawnError};
use terms::{BookName, Position};
use wire::server::StartError;
use wire::tls::ServerTls;
use wire::{Books, Limits, PlainPolicy, Server, ServerConfig, Timeouts};

use crate::book::{Answers, RunningBook};
use crate::events::Events;
use crate::folder::{Folder, FolderError};
use crate::guard::{Guard, NotTheNewest};
use crate::http::{HttpError, HttpServer, Interface};
use crate::service::LedgerService;
use client::BookClock;

/// Size of a segment: some half a million transactions.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 20;
/// Connections, each with buffers of its own.
const CONNECTIONS_MAX: usize = 4096;
/// Connections of one client of one book: a sixteenth of all. Enough for some hundreds of programs
/// under one name, and fifteen other clients that take as many still leave some.
pub const CONNECTIONS_OF_CLIENT: usize = CONNECTIONS_MAX / 16;
/// The least time from one published checkpoint to the next, unless it is said otherwise: a receipt
/// waits no longer, and a sync of the log's thread each is nothing.
pub const PUBLISH_EVERY: Duration = Duration::from_millis(500);
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
    /// How far the book had come, as a file outside the folder knows it.
    pub guard: Option<Guard>,
    /// Checkpoints that others kept, with their names: the log must extend each.
    pub known: Vec<(SignedCheckpoint, String)>,
    /// The least time between two checkpoints; `None` for [`PUBLISH_EVERY`].
    pub publish_every: Option<Duration>,
    /// Size of a new segment; `None` for the usual one.
    pub segment_bytes: Option<u64>,
    /// Facts between two images; `None` for [`IMAGE_EVERY`](crate::IMAGE_EVERY).
    pub image_every: Option<u64>,
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
    /// Two folders hold books of one name: a hello could mean either.
    #[error("two folders hold a book `{0}`: a process serves one of a name")]
    SameName(BookName),
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] client::system::NoEntropy),
}

/// A book that is served alone.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What opening found.
    pub recovery: Recovery,
    doors: Doors,
    book: RunningBook,
}

/// Books that are served together.
#[derive(Debug)]
pub struct RunningBooks {
    /// Where they listen.
    pub address: SocketAddr,
    /// Those that are not served, each with why: their clients are told that they are unavailable.
    pub failed: Vec<(BookName, ServeError)>,
    doors: Doors,
    books: Vec<RunningBook>,
}

/// Where requests come in, for all books of the process.
#[derive(Debug)]
struct Doors {
    http: Option<HttpServer>,
    server: Server,
}

impl Doors {
    /// Opens them for these books; the folders of those that are served note where.
    fn open(
        options: &ServeOptions,
        tls: Option<ServerTls>,
        books: Vec<(BookName, Option<Answers>)>,
    ) -> Result<Self, ServeError> {
        let apart = |(name, answers): (BookName, Option<Answers>)| {
            let (service, interface) =
                answers.map(|Answers { service, interface }| (service, interface)).unzip();
            ((name, service), (name, interface))
        };
        type Behind<T> = Vec<(BookName, Option<T>)>;
        let (services, interfaces): (Behind<LedgerService>, Behind<Interface>) =
            books.into_iter().map(apart).unzip();
        let config = ServerConfig {
            plain: if tls.is_some() { PlainPolicy::Never } else { PlainPolicy::Loopback },
            tls,
            limits: Limits::STANDARD,
            timeouts: Timeouts::STANDARD,
            connections_max: CONNECTIONS_MAX,
            connections_of_client: CONNECTIONS_OF_CLIENT,
        };
        let server = Server::start(options.address, config, Books::these(services))?;
        let http = options.http.map(|address| crate::http::start(address, interfaces));
        Ok(Self { http: http.transpose()?, server })
    }

    /// Takes no more requests.
    fn close(self) {
        if let Some(http) = self.http {
            http.stop();
        }
        self.server.stop();
    }
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
    serve_protected(folder, options, clock, Protections::default(), None)
}

/// [`serve_by`], with what lies outside the folder. With a certificate, plain TCP is not taken,
/// from nowhere.
///
/// # Errors
/// [`ServeError`].
pub fn serve_protected(
    folder: &Folder,
    options: &ServeOptions,
    clock: &BookClock,
    with: Protections,
    tls: Option<ServerTls>,
) -> Result<Running, ServeError> {
    let (book, answers) = RunningBook::start(folder, options, clock, with)?;
    let doors = Doors::open(options, tls, vec![(book.name, Some(answers))])?;
    let (address, recovery) = (doors.server.address(), book.recovery.clone());
    folder.note_address(address)?;
    Ok(Running { address, recovery, doors, book })
}

/// Serves several books: one writer each, behind one door.
///
/// A book that cannot be opened (its disk, a roll-back) is named in [`RunningBooks::failed`], and
/// the others are served.
///
/// # Errors
/// [`ServeError`], when none can be served, two have one name, or nobody could ask.
pub fn serve_books(
    books: Vec<(Folder, Protections)>,
    options: &ServeOptions,
    clock: &BookClock,
    tls: Option<ServerTls>,
) -> Result<RunningBooks, ServeError> {
    let names: Vec<BookName> = books.iter().map(|(folder, _)| folder.book()).collect();
    let twice = (1..).zip(&names).find(|(next, name)| names.iter().skip(*next).any(|n| n == *name));
    if let Some((_, name)) = twice {
        return Err(ServeError::SameName(*name));
    }
    let (mut running, mut failed, mut behind) = (Vec::new(), Vec::new(), Vec::new());
    for (folder, with) in books {
        let name = folder.book();
        match RunningBook::start(&folder, options, clock, with) {
            Ok((book, answers)) => {
                behind.push((name, Some(answers)));
                running.push((folder, book));
            }
            Err(why) => {
                behind.push((name, None));
                failed.push((name, why));
            }
        }
    }
    if running.is_empty()
        && let Some((_, why)) = failed.pop()
    {
        return Err(why);
    }
    let doors = Doors::open(options, tls, behind)?;
    let address = doors.server.address();
    // A folder that cannot be written to any more fails its own book's requests, and no other's.
    for (folder, book) in &running {
        if let Err(error) = folder.note_address(address) {
            tracing::error!(%error, book = %book.name, "its folder does not say where it listens");
        }
    }
    let books = running.into_iter().map(|(_, book)| book).collect();
    Ok(RunningBooks { address, failed, doors, books })
}

impl Running {
    /// The book, for readers in this process.
    #[must_use]
    pub const fn handle(&self) -> &BookHandle<LedgerBook> {
        &self.book.handle
    }

    /// Its facts in order, for readers in this process.
    #[must_use]
    pub const fn events(&self) -> &Events {
        &self.book.events
    }

    /// Where HTTP is listened for, when it is.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.doors.http.as_ref().map(HttpServer::address)
    }

    /// How far each projection that is kept has come: the log durably, the read models as asked.
    #[must_use]
    pub fn projected(&self) -> Vec<Position> {
        self.book.projected()
    }

    /// Why a projection stopped, if one did.
    #[must_use]
    pub fn projection_failure(&self) -> Option<String> {
        self.book.projection_failure()
    }

    /// Takes no more requests, answers those underway, and lets go of the folder.
    pub fn stop(self) {
        self.book.dismiss();
        self.doors.close();
        self.book.end();
    }
}

impl RunningBooks {
    /// Each book that is served, with what opening it found.
    pub fn served(&self) -> impl Iterator<Item = (BookName, &Recovery)> {
        self.books.iter().map(|book| (book.name, &book.recovery))
    }

    /// Where HTTP is listened for, when it is.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.doors.http.as_ref().map(HttpServer::address)
    }

    /// Takes no more requests, answers those underway, and lets go of all folders.
    pub fn stop(self) {
        self.books.iter().for_each(RunningBook::dismiss);
        self.doors.close();
        // Each syncs on its own disk: one that is slow keeps no other waiting.
        std::thread::scope(|scope| {
            for book in self.books {
                scope.spawn(move || book.end());
            }
        });
    }
}
