//! A core that stands by: it follows the journal that another core writes, and takes over.
//!
//! Over a PostgreSQL journal every core begins here. It refolds each book continuously, so that a
//! take-over replays next to nothing, and watches the lease: a row that the active core renews.
//! When the lease is given back, or shows no sign of life for its time while the database answers,
//! this core takes the row over and claims the epochs.
//!
//! **The row only advises.** A wrong decision by it disrupts and loses nothing: the epoch is the
//! fence, and an active core that was fenced ends its process, to stand by when it starts again.
//!
//! A batch that is read is durable when another stands behind it (a writer appends nothing before
//! the batch in front is acknowledged), so the last one that a server shows is left for the
//! take-over, when the claim has made it durable or it is gone. So neither the states nor the
//! log's tiles here ever hold what a change of leaders could take back.
#![expect(clippy::disallowed_methods, reason = "rank 6: a lease is waited for by our own clock")]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clearing::CustomersBook;
use evidence::{Log, NoteSigner};
use journal::{Batch, Image, OpenError, Start};
use store::postgres::{Held, Lease, LeaseState, PostgresReader};
use terms::{BookName, InstitutionName, Position, RunId};
use tokio::sync::watch;

use super::books::{Beginning, Beginnings};
use super::config::Config;
use super::files::TileFiles;
use super::journal::Cluster;
use super::replica::{Replica, Shelf};
use crate::roles::RoleError;
use crate::statements::{StatementFeed, Statements};
use crate::web::{Readiness, Site, serve};

/// Batches read at once while following.
const PAGE: usize = 32;
/// Pause between two looks at a journal whose end was reached.
const PAUSE: Duration = Duration::from_millis(150);
/// Signs of life in the time of a lease.
const BEATS: u32 = 6;
/// How often the log's tiles are written while following: each writing syncs some files.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// What a core may do once it leads.
#[derive(Debug)]
pub struct Led {
    /// The books, followed as far as they are surely durable.
    pub books: Beginnings,
    /// The lease that is held from now on.
    pub lease: Arc<Lease>,
    /// Whether the core that led before gave the lease back: it ended in order.
    pub was_given_back: bool,
}

/// How standing by ended.
#[derive(Debug)]
pub enum Ended {
    /// This core takes over.
    Leads(Box<Led>),
    /// It was told to stop.
    Stopped,
}

/// What a standing-by core needs.
pub struct Standby {
    /// The configuration.
    pub config: Config,
    /// Where its journal is.
    pub cluster: Cluster,
    /// The books from their newest images on.
    pub books: Beginnings,
    /// Where its own copy of the log lies.
    pub log: (TileFiles, NoteSigner),
    /// What it answers questions from meanwhile.
    pub replica: Arc<Replica>,
    /// This process run.
    pub run: RunId,
}

impl Standby {
    /// Serves *not ready* on `listener` and follows until this core leads or `shutdown` ends.
    pub async fn wait(
        self,
        listener: &TcpListener,
        site: Site,
        readiness: &Readiness,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Ended, RoleError> {
        let listener = listener.try_clone().map_err(RoleError::world("the port"))?;
        let listener = tokio::net::TcpListener::from_std(listener);
        let listener = listener.map_err(RoleError::world("the port"))?;
        let (served, mut done) = watch::channel(());
        tokio::spawn(serve(listener, site, async move {
            let _ = done.changed().await;
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, readiness) = (Arc::clone(&stop), readiness.clone());
        let mut following = tokio::task::spawn_blocking(move || self.follow(&stopping, &readiness));
        let ended = tokio::select! {
            ended = &mut following => ended,
            () = shutdown => {
                stop.store(true, Ordering::SeqCst);
                following.await
            }
        };
        let _ = served.send(());
        ended.map_err(|error| RoleError::Unsound(format!("standing by: {error}")))?
    }

    fn follow(self, stop: &AtomicBool, readiness: &Readiness) -> Result<Ended, RoleError> {
        let Self { config, cluster, books, log, replica, run } = self;
        let wrong = |reason: String| RoleError::Unsound(reason);
        let reader = |book: BookName| -> Result<PostgresReader, RoleError> {
            let config = cluster.of_book(book).map_err(wrong)?;
            PostgresReader::open(config).map_err(RoleError::world("a thread"))
        };
        let shared = cluster.of_book(config.book).map_err(wrong)?;
        let lease = Lease::open(shared, run, config.common.url.clone());
        let lease = Arc::new(lease.map_err(RoleError::world("a thread"))?);
        let shelf = Arc::clone(&replica.settlement.1);
        let mut settlement = Followed::new(books.settlement, shelf, reader(config.book)?);
        let mut customers: BTreeMap<InstitutionName, Followed<CustomersBook>> = BTreeMap::new();
        for (institution, book) in books.customers {
            let reader = reader(book.name)?;
            let shelf = replica.customers.get(&institution).map(|(_, shelf)| Arc::clone(shelf));
            let mut followed = Followed::new(book, shelf.unwrap_or_default(), reader);
            replica.offer(institution, followed.statements());
            customers.insert(institution, followed);
        }
        let mut log = FollowedLog::open(log, reader(config.book)?)?;
        let mut watched = Watched::new(cluster.lease());
        while !stop.load(Ordering::SeqCst) {
            let mut moved = settlement.step()?;
            for book in customers.values_mut() {
                moved |= book.step()?;
            }
            moved |= log.step()?;
            if watched.may_lead(&lease, readiness) {
                log.publish()?;
                let customers = customers.into_iter().map(|(name, book)| (name, book.end()));
                let customers = customers.collect();
                let books = Beginnings { settlement: settlement.end(), customers };
                let was_given_back = watched.was_given_back;
                return Ok(Ended::Leads(Box::new(Led { books, lease, was_given_back })));
            }
            if !moved {
                std::thread::sleep(PAUSE);
            }
        }
        Ok(Ended::Stopped)
    }
}

/// A book that another core writes.
struct Followed<M> {
    begun: Beginning<M>,
    shelf: Arc<Shelf<M>>,
    reader: PostgresReader,
    /// Feeds its statements; absent where there are none, and after a fault.
    fed: Option<(StatementFeed, Statements)>,
}

impl<M: Image + Clone> Followed<M> {
    fn new(begun: Beginning<M>, shelf: Arc<Shelf<M>>, reader: PostgresReader) -> Self {
        shelf.put(begun.newest());
        Self { shelf, begun, reader, fed: None }
    }

    /// Applies what is surely durable of one page; whether there was any.
    fn step(&mut self) -> Result<bool, RoleError> {
        self.feed_before();
        let Some(page) = durable_page(&self.reader, self.shelf.next()) else { return Ok(false) };
        if page.is_empty() {
            self.shelf.reached_end();
        }
        for batch in &page {
            match self.shelf.change(|state| state.follow(&self.begun.name, batch)) {
                None | Some(Ok(())) => self.feed(batch),
                Some(Err(OpenError::ForeignState(position))) => {
                    let book = self.begun.name;
                    tracing::warn!(%book, %position, "an image of another journal: refolded");
                    self.shelf.put(Start::genesis(self.begun.genesis.clone()));
                    return Ok(true);
                }
                Some(Err(error)) => {
                    let book = self.begun.name;
                    return Err(RoleError::Unsound(format!("following book `{book}`: {error}")));
                }
            }
        }
        Ok(!page.is_empty())
    }

    fn end(mut self) -> Beginning<M> {
        self.begun.followed = self.shelf.take();
        self.begun.fed = self.fed.take();
        self.begun
    }

    /// Tells the statements what was followed before they were fed: a state may begin at an image.
    /// A page at a time, so that nothing else waits.
    fn feed_before(&mut self) {
        let until = self.shelf.next();
        let Some((feed, _)) = self.fed.as_ref().filter(|(feed, _)| feed.next() < until) else {
            return;
        };
        match self.reader.read_from(feed.next(), PAGE) {
            Ok(page) => {
                page.iter().filter(|one| one.tip().next <= until).for_each(|one| self.feed(one))
            }
            Err(error) => tracing::warn!(%error, "statements wait"),
        }
    }

    /// Tells the statements of a batch, unless they have not come so far.
    fn feed(&mut self, batch: &Batch) {
        let Some((feed, _)) = &mut self.fed else { return };
        if feed.next() < batch.origin().first {
            return;
        }
        if let Err(why) = feed.take(batch)
            && let Some((_, statements)) = self.fed.take()
        {
            statements.stop(why);
        }
    }
}

impl Followed<CustomersBook> {
    /// Opens its statements, and says where they are asked.
    fn statements(&mut self) -> Option<Statements> {
        let read = |at| {
            let page = self.reader.read_from(at, 1).ok()?;
            page.first().map(Batch::tip)
        };
        match StatementFeed::open(&self.begun.statements_folder(), read) {
            Ok((feed, statements)) => {
                self.fed = Some((feed, statements.clone()));
                Some(statements)
            }
            Err(why) => {
                tracing::error!(why, "no statements while this core stands by");
                None
            }
        }
    }
}

/// The batches of a page that another stands behind, without those that were read before; `None`
/// when the database does not answer.
fn durable_page(reader: &PostgresReader, from: Position) -> Option<Vec<Batch>> {
    match reader.read_from(from, PAGE) {
        Ok(mut page) => {
            page.pop();
            Some(page)
        }
        Err(error) => {
            tracing::debug!(book = %reader.book(), %error, "not followed now");
            None
        }
    }
}

/// The log's tiles, kept as far as facts are surely durable. The key is the active core's, and
/// signing is deterministic: at each size both would write the same checkpoint.
struct FollowedLog {
    log: Log<TileFiles>,
    signer: NoteSigner,
    reader: PostgresReader,
    published: Instant,
}

impl FollowedLog {
    fn open(
        (tiles, signer): (TileFiles, NoteSigner),
        reader: PostgresReader,
    ) -> Result<Self, RoleError> {
        let log = Log::open(tiles, &signer);
        let log = log.map_err(|error| RoleError::Unsound(format!("log: {error}")))?;
        Ok(Self { log, signer, reader, published: Instant::now() })
    }

    fn step(&mut self) -> Result<bool, RoleError> {
        let page = durable_page(&self.reader, Position::new(self.log.size()));
        let page = page.unwrap_or_default();
        for stored in page.iter().flat_map(Batch::entries) {
            if stored.position.number() == self.log.size() {
                self.log.append(&stored.commitment);
            }
        }
        if self.published.elapsed() > PUBLISH_EVERY {
            self.publish()?;
        }
        Ok(!page.is_empty())
    }

    fn publish(&mut self) -> Result<(), RoleError> {
        self.published = Instant::now();
        let published = self.log.publish(&self.signer);
        published.map(drop).map_err(|error| RoleError::Unsound(format!("log: {error}")))
    }
}

/// What was seen of the lease, and since when it stands still by our own clock.
struct Watched {
    lease_time: Duration,
    seen: Option<Held>,
    still_since: Instant,
    /// Whether what was taken had been given back.
    was_given_back: bool,
}

impl Watched {
    fn new(lease_time: Duration) -> Self {
        Self { lease_time, seen: None, still_since: Instant::now(), was_given_back: false }
    }

    /// Looks, and takes the lease when nobody holds it. Time in which the database does not
    /// answer does not count: the active core could not renew either.
    fn may_lead(&mut self, lease: &Lease, readiness: &Readiness) -> bool {
        let held = match lease.look() {
            Ok(held) => held,
            Err(reason) => {
                readiness.not_ready(&format!("standing by; the lease cannot be read: {reason}"));
                self.still_since = Instant::now();
                return false;
            }
        };
        let holder = held.as_ref().map_or("nobody", |held| held.holder.as_str());
        readiness.not_ready(&format!("this core stands by for the active one: `{holder}`"));
        if held.as_ref().is_some_and(|held| self.is_alive(held)) {
            self.seen = held;
            return false;
        }
        self.still_since = Instant::now();
        self.was_given_back = held.as_ref().is_some_and(|held| held.state == LeaseState::Released);
        match lease.take(held.as_ref()) {
            Ok(taken) => {
                if taken {
                    tracing::info!(from = held.map(|held| held.holder), "the lease is taken over");
                }
                taken
            }
            // The next look tells: our own run stands there then.
            Err(reason) => {
                tracing::warn!(%reason, "whether the lease was taken is unknown");
                false
            }
        }
    }

    fn is_alive(&mut self, held: &Held) -> bool {
        if held.state == LeaseState::Released {
            return false;
        }
        let same = self.seen.as_ref().is_some_and(|s| s.beat == held.beat && s.run == held.run);
        if !same {
            self.still_since = Instant::now();
        }
        self.still_since.elapsed() < self.lease_time
    }
}

/// The active core's hold on its lease: renewed by a thread of its own.
#[derive(Clone, Debug)]
pub struct Renewed {
    lease: Arc<Lease>,
    lease_time: Duration,
    /// When the newest renewal that succeeded was sent.
    sent: Arc<Mutex<Instant>>,
    lost: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

/// How a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was renewed lately: nobody else may think this core dead.
    Held,
    /// It was not: somebody else may lead already, so nothing is answered.
    Doubtful,
    /// Another core took over.
    Lost,
}

impl Renewed {
    /// Begins to renew.
    pub fn start(lease: Arc<Lease>, lease_time: Duration) -> std::io::Result<Self> {
        let renewed = Self {
            lease,
            lease_time,
            sent: Arc::new(Mutex::new(Instant::now())),
            lost: Arc::default(),
            stop: Arc::default(),
        };
        let lease = Arc::clone(&renewed.lease);
        let (sent, lost) = (Arc::clone(&renewed.sent), Arc::clone(&renewed.lost));
        let stop = Arc::clone(&renewed.stop);
        let pause = lease_time.checked_div(BEATS).unwrap_or(lease_time);
        std::thread::Builder::new().name("lease".into()).spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                std::thread::sleep(pause);
                // Before it is sent: who waits counts from when it arrived, which is later.
                let at = Instant::now();
                match lease.beat() {
                    Ok(true) => *sent.lock().unwrap_or_else(PoisonError::into_inner) = at,
                    Ok(false) => return lost.store(true, Ordering::SeqCst),
                    Err(reason) => tracing::warn!(%reason, "the lease was not renewed"),
                }
            }
        })?;
        Ok(renewed)
    }

    /// How it stands now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.lost.load(Ordering::SeqCst) {
            return Standing::Lost;
        }
        let sent = *self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        // Well before anybody else may take it.
        let doubtful = self.lease_time.saturating_mul(4).checked_div(5).unwrap_or_default();
        if sent.elapsed() < doubtful { Standing::Held } else { Standing::Doubtful }
    }

    /// Gives the lease back: another core takes over at once.
    pub fn release(&self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Err(reason) = self.lease.release() {
            tracing::warn!(%reason, "the lease was not given back: others wait for its time");
        }
    }
}
