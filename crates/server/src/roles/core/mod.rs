//! The core: settlement book, hosted customers' books, log; one process, one writer per book.
//!
//! Start at [`run`]; the use case is [`orders`].
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "rank 6: answers of the books are mapped; the rules match each case below"
)]

pub mod acts;
pub mod admin;
pub mod after;
pub mod alerts;
pub mod books;
pub mod config;
pub mod customers;
pub mod day;
pub(crate) mod decision_duties;
pub mod documents;
pub mod drills;
mod edges;
pub mod facts;
pub mod files;
pub mod in_book;
pub mod journal;
pub mod leases;
pub mod lists;
pub mod mirrors;
pub mod orders;
pub mod outgoing;
pub mod outside;
pub mod outside_routes;
pub mod projection;
pub mod quota;
pub mod receipts;
pub mod recovery;
pub mod remote;
pub mod replica;
pub mod routes;
pub mod salts;
mod stages;
pub mod standby;
pub mod transfer_routes;
pub mod transfers;
pub mod under_way;
mod vouched;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::Callers;
use client::Peer;
use evidence::quorum::Policy;
use evidence::{KeyName, Log, NoteSigner, Trust, VerifierKey};
use record::Resolved;
use seal::SigningKey;
use terms::{InstitutionName, RunId};
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};

pub use config::{Config, Hosted, OutsideEntry, OwnBook, WitnessEntry, account_id, own_account};
pub use transfers::{Adapter, PatienceEntry, RailEntry, ResendEntry};

pub use self::acts::{MayEntry, OperatorEntry};
pub use self::drills::{DrillDuty, DrillStanding};
pub use self::journal::{Cluster, JournalConfig};
pub use self::leases::LeaseEntry;

use self::customers::CustomersPort;
use self::files::TileFiles;
use self::orders::Clearing;
use self::outside::StatementFolder;
use self::projection::{Published, WitnessLink};
use self::recovery::{Comeback, Guarded};
use self::remote::RemoteBook;
use self::replica::Replica;
use self::routes::Core;
use self::standby::{Ended, Renewed, Standby, Standing};
use self::transfers::Outside;
use self::under_way::record_completions;
use super::RoleError;
use crate::keys::{KeyStore, REQUEST_KEY};
use crate::system;
use crate::web::{Gate, LIMITS, Readiness, Site, health_routes, serve};

/// The key of the log and of promises.
pub const LOG_KEY: &str = "log";
/// Pause between two askings of a witness that is not there.
const WITNESS_PAUSE: Duration = Duration::from_millis(100);
/// Pause between two looks at the lease that this core holds.
const LEASE_LOOK: Duration = Duration::from_millis(100);

/// Runs the core until `shutdown` ends: at once, or over a shared journal when it leads.
pub async fn run(
    dir: PathBuf,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RoleError> {
    let started_at = system::now();
    let keys = KeyStore::open(&dir)?;
    let run = RunId::from_bytes(system::random().map_err(|e| RoleError::Unsound(e.to_string()))?);
    check(&config, &keys)?;
    let begun = books::begin(&dir, &config)?;
    tokio::pin!(shutdown);
    let JournalConfig::Postgres(cluster) = config.journal.clone() else {
        let lead = Lead { dir, config, keys, run, started_at, held: Hold::Alone };
        return lead.serve(begun, &mut shutdown).await;
    };
    let address = (std::net::Ipv4Addr::LOCALHOST, config.common.port);
    let listener = std::net::TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(RoleError::world(format!("port {}", config.common.port)))?;
    let readiness = Readiness::waiting("this core begins to stand by");
    let tiles = TileFiles::open(&dir.join("log")).map_err(RoleError::world("the log's folder"))?;
    let replica = Arc::new(Replica::new(&config, tiles.clone(), readiness.clone()));
    let log = (tiles, log_signer(&config, keys.signing_key(LOG_KEY)?)?);
    let signer = Some(Arc::new(keys.signing_key(REQUEST_KEY)?));
    let router = replica::routes(&replica, &gate(&config)?);
    let site = Site { router, limits: LIMITS, signer };
    let time = cluster.lease();
    let standby = Standby { config: config.clone(), cluster, books: begun, log, replica, run };
    match standby.wait(&listener, site, &readiness, &mut shutdown).await? {
        Ended::Stopped => Ok(()),
        Ended::Leads(led) => {
            let started_at = system::now();
            let held = Renewed::start(led.lease, time).map_err(RoleError::world("a thread"))?;
            let held = Hold::Leased { renewed: held, listener, was_given_back: led.was_given_back };
            let lead = Lead { dir, config, keys, run, started_at, held };
            lead.serve(led.books, &mut shutdown).await
        }
    }
}

/// What a core would stumble upon when it leads is refused before it stands by.
fn check(config: &Config, keys: &KeyStore) -> Result<(), RoleError> {
    if matches!(config.journal, JournalConfig::Postgres(_)) {
        transfers::check_shared(config)?;
    }
    witnesses(config)?;
    banks(config, keys)?;
    acts::operators(config).map_err(RoleError::Unsound)?;
    leases::LeaseDesk::open(config).map_err(RoleError::Unsound)?;
    config.outside().map(drop).map_err(RoleError::Unsound)
}

/// By what right a core serves.
#[derive(Debug)]
enum Hold {
    /// Its books are its own.
    Alone,
    /// It holds the lease of a shared journal, and the port since it stood by.
    Leased {
        /// The lease.
        renewed: Renewed,
        /// The port.
        listener: std::net::TcpListener,
        /// Whether the core that led before ended in order.
        was_given_back: bool,
    },
}

impl Hold {
    /// Ends when another core leads, and says how it shows.
    async fn lost(&self, books: &books::Books) -> String {
        self.watch_telling(books, |_| {}).await
    }

    /// As [`Hold::lost`]; until then readiness says whether the lease is in doubt.
    async fn watch(&self, books: &books::Books, readiness: &Readiness) -> String {
        let tell = |standing| match standing {
            Standing::Held => readiness.ready(),
            Standing::Doubtful | Standing::Lost => {
                readiness.not_ready("the lease could not be renewed in time");
            }
        };
        self.watch_telling(books, tell).await
    }

    async fn watch_telling(&self, books: &books::Books, tell: impl Fn(Standing)) -> String {
        let Self::Leased { renewed, .. } = self else { return std::future::pending().await };
        let mut was = Standing::Held;
        loop {
            let standing = renewed.standing();
            if standing == Standing::Lost {
                return "another core took the lease over".into();
            }
            if let Some(book) = books.fenced() {
                return format!("book `{book}` was claimed by another core");
            }
            if standing != was {
                tell(standing);
                was = standing;
            }
            tokio::time::sleep(LEASE_LOOK).await;
        }
    }

    async fn listener(&self, port: u16) -> Result<TcpListener, RoleError> {
        let listener = match self {
            Self::Alone => TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await,
            Self::Leased { listener, .. } => listener.try_clone().and_then(TcpListener::from_std),
        };
        listener.map_err(RoleError::world(format!("port {port}")))
    }

    /// Whether whoever led last ended in order: over a shared journal that may have been another
    /// core, of which a mark in our own folder says nothing.
    fn ended_in_order(&self, dir: &Path) -> Result<bool, RoleError> {
        match self {
            Self::Alone => recovery::ended_in_order(dir),
            Self::Leased { was_given_back, .. } => Ok(*was_given_back),
        }
    }

    fn renewed(&self) -> Option<Renewed> {
        match self {
            Self::Alone => None,
            Self::Leased { renewed, .. } => Some(renewed.clone()),
        }
    }

    /// Says that this core ended in order; another one takes over at once.
    async fn end(self, dir: &Path) -> Result<(), RoleError> {
        match self {
            Self::Alone => {
                let marked = recovery::mark_end(dir);
                marked.map_err(RoleError::world("the mark of an orderly end"))
            }
            Self::Leased { renewed, .. } => {
                tokio::task::spawn_blocking(move || renewed.release()).await.map_err(unsound)
            }
        }
    }
}

/// A core that leads.
struct Lead {
    dir: PathBuf,
    config: Config,
    keys: KeyStore,
    run: RunId,
    started_at: terms::Instant,
    held: Hold,
}

/// What a core serves: its books are open, and its log agrees with them.
struct Opened {
    clearing: Arc<Clearing>,
    published: Arc<Published>,
    outside: Arc<Outside>,
    signer: NoteSigner,
    in_order: bool,
    fresh: bool,
}

impl Lead {
    async fn open(&self, begun: books::Beginnings) -> Result<Opened, RoleError> {
        let in_order = self.held.ended_in_order(&self.dir)?;
        let (config, run) = (self.config.clone(), self.run);
        let opening = tokio::task::spawn_blocking(move || books::open_from(begun, &config, run));
        let mut books = opening.await.map_err(unsound)??;
        books.customers.extend(banks(&self.config, &self.keys)?);
        let fresh = books.settlement.recovery.tip.next.number() == 0;
        books::open_accounts(&books, &self.config).await?;
        let log_key = || self.keys.signing_key(LOG_KEY);
        let clearing = start_clearing(&self.config, books, log_key()?).await?;
        let (published, signer) = open_log(&self.dir, &self.config, log_key()?)?;
        recovery::compare(&clearing, &published).await?;
        let signer = match self.held {
            Hold::Alone => signer,
            Hold::Leased { .. } => projection::catch_up(&clearing, &published, signer).await?,
        };
        let outside = self.open_rails()?;
        outside.check_driven(&clearing).await?;
        Ok(Opened { clearing, published, outside, signer, in_order, fresh })
    }

    fn open_rails(&self) -> Result<Arc<Outside>, RoleError> {
        let key = || self.keys.signing_key(REQUEST_KEY).map_err(RoleError::from);
        Outside::open(&self.dir, &self.config, key, self.held.renewed()).map(Arc::new)
    }

    async fn serve(
        self,
        begun: books::Beginnings,
        mut shutdown: impl Future<Output = ()> + Unpin,
    ) -> Result<(), RoleError> {
        let opened = self.open(begun).await?;
        let Opened { clearing, published, outside, signer, in_order, fresh } = opened;
        let Self { dir, config, keys, run, started_at, held } = self;
        let before = published.log().published().cloned().filter(|note| note.head().size > 0);
        let client = config.common.client();
        let mut witnesses = witnesses(&config)?;
        let readiness = Readiness::waiting("the books are read");
        let core = shared(&dir, &config, (&clearing, &published, &outside), &signer)?;
        let listener = held.listener(config.common.port).await?;
        let site = site(&config, &keys, &core, &readiness)?;
        let (stop, stopped) = tokio::sync::watch::channel(());
        let mut ended = stopped.clone();
        let serving = tokio::spawn(serve(listener, site, async move {
            let _ = ended.changed().await;
        }));
        let guarded = guard_patiently(&published, &client, &mut witnesses, &readiness);
        tokio::select! {
            guarded = guarded => guarded?,
            lost = held.lost(&clearing.books) => return Err(fenced(&lost)),
            () = &mut shutdown => return Ok(()),
        }
        let from = terms::Position::new(published.log().size());
        let batches = clearing.books.settlement.handle.subscribe(from);
        let log = Arc::clone(&published);
        let log = projection::run(log, batches, signer, client.clone(), witnesses);
        let lists = lists::keep(Arc::clone(&clearing), config.common.clone(), client);
        let rails = transfers::keep(outside, Arc::clone(&clearing));
        let outgoing = outgoing::keep(Arc::clone(&clearing));
        let mut tasks = JoinSet::new();
        tasks.spawn(named("the outgoing payments' task", outgoing));
        tasks.spawn(named("the log's task", log));
        tasks.spawn(named("the lists' task", lists));
        tasks.spawn(named("the rails' task", rails));
        tasks.spawn(named("the acts' task", acts::carry(Arc::clone(&core))));
        tasks.spawn(named("the completions' task", record_completions(Arc::clone(&clearing))));
        greet_banks(&clearing).await;
        let resolved = finish(&clearing, &dir).await?;
        let mut behind = behind(&clearing, &readiness);
        behind.spawn(leases::keep(Arc::clone(&clearing), Arc::clone(&core.leases)));
        if !fresh && (!in_order || !resolved.is_empty()) {
            let comeback = Comeback { run, started_at, before, resolved };
            let written = recovery::certify(&clearing, &published, &dir, comeback).await;
            behind.spawn(written.map_err(unsound)?);
        }
        readiness.ready();
        tracing::info!(url = %config.common.url, "the core serves");
        // A core that lost its log, its lists, a writer or its lease stops: it would promise what
        // it cannot keep.
        tokio::select! {
            () = &mut shutdown => {}
            book = clearing.books.ended() => {
                return Err(unsound(format!("the writer of book `{book}` ended")));
            }
            lost = held.watch(&clearing.books, &readiness) => return Err(fenced(&lost)),
            ended = tasks.join_next() => return Err(unsound(last_word(ended))),
        }
        readiness.not_ready("the core is stopping");
        let _ = stop.send(());
        let _ = serving.await;
        drop((behind, tasks));
        held.end(&dir).await
    }
}

fn fenced(reason: &str) -> RoleError {
    RoleError::Unsound(format!("fenced: {reason}"))
}

/// Runs a task that the core cannot serve without, and says its name when it ends.
async fn named<T>(name: &'static str, task: impl Future<Output = T>) -> &'static str {
    task.await;
    name
}

fn last_word(ended: Option<Result<&'static str, JoinError>>) -> String {
    match ended {
        Some(Ok(name)) => format!("{name} ended"),
        Some(Err(error)) => format!("a task ended: {error}"),
        None => "every task ended".to_owned(),
    }
}

/// What the handlers share.
fn shared(
    dir: &Path,
    config: &Config,
    (clearing, published, outside): (&Arc<Clearing>, &Arc<Published>, &Arc<Outside>),
    signer: &NoteSigner,
) -> Result<Arc<Core>, RoleError> {
    let tiles = TileFiles::open(&dir.join("log")).map_err(RoleError::world("the log's folder"))?;
    Ok(Arc::new(Core {
        clearing: Arc::clone(clearing),
        published: Arc::clone(published),
        outside: Arc::clone(outside),
        leases: leases::LeaseDesk::open(config).map(Arc::new).map_err(RoleError::Unsound)?,
        tiles,
        dir: dir.to_path_buf(),
        config: config.clone(),
        log_vkey: signer.verifier().to_string(),
        watch: alerts::Watch::default(),
    }))
}

/// The ports to the books that institutions keep themselves.
fn banks(
    config: &Config,
    keys: &KeyStore,
) -> Result<Vec<(InstitutionName, CustomersPort)>, RoleError> {
    let port = |bank: &OwnBook| {
        let peer = config.common.signing_peer(&bank.peer)?;
        let client = config.common.client_within(remote::BANK_LIMITS);
        let key = keys.signing_key(REQUEST_KEY)?;
        let book = RemoteBook::new(bank.institution, peer, client, key);
        Ok((bank.institution, CustomersPort::of_remote(book)))
    };
    config.banks.iter().map(port).collect()
}

/// Asks each bank once whether it is there; one that is not keeps nobody waiting.
async fn greet_banks(clearing: &Clearing) {
    for book in clearing.books.customers.values().filter_map(CustomersPort::remote) {
        if let Err(error) = book.probe().await {
            tracing::warn!(?book, %error, "the bank does not answer; the core serves without it");
        }
    }
}

/// What goes on behind the core for each bank, until this is dropped.
fn behind(clearing: &Arc<Clearing>, readiness: &Readiness) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (bank, port) in &clearing.books.customers {
        if port.is_away() {
            readiness.waits_for(&format!("bank {bank}"), &format!("waiting for bank {bank}"));
        }
        if port.remote().is_some() {
            tasks.spawn(recovery::behind(Arc::clone(clearing), *bank, readiness.clone()));
        }
    }
    tasks.spawn(mirrors::watch(Arc::clone(clearing)));
    tasks
}

fn unsound(error: impl std::fmt::Display) -> RoleError {
    RoleError::Unsound(error.to_string())
}

async fn start_clearing(
    config: &Config,
    books: books::Books,
    signer: SigningKey,
) -> Result<Arc<Clearing>, RoleError> {
    let environment = config
        .common
        .environment
        .parse()
        .map_err(|e| RoleError::Unsound(format!("environment: {e}")))?;
    let clearing =
        Clearing::new(books, environment, config.book, config.origin.clone(), signer).await;
    let clearing = clearing.map(Arc::new).map_err(unsound)?;
    outside::name_accounts(&clearing, config).await?;
    Ok(clearing)
}

/// Brings to its end what was under way: payments, and files of statements.
async fn finish(clearing: &Arc<Clearing>, dir: &Path) -> Result<Vec<Resolved>, RoleError> {
    let resolved = recovery::resolve(clearing).await.map_err(unsound)?;
    outside::resume(clearing, &StatementFolder::below(dir)).await.map_err(unsound)?;
    Ok(resolved)
}

fn log_signer(config: &Config, key: SigningKey) -> Result<NoteSigner, RoleError> {
    let name: Result<KeyName, _> = config.origin.parse();
    name.map(|name| NoteSigner::new(name, key))
        .map_err(|error| RoleError::Unsound(format!("origin: {error}")))
}

fn open_log(
    dir: &Path,
    config: &Config,
    key: SigningKey,
) -> Result<(Arc<Published>, NoteSigner), RoleError> {
    let wrong =
        |what: &str, error: &dyn std::fmt::Display| RoleError::Unsound(format!("{what}: {error}"));
    let signer = log_signer(config, key)?;
    let policy = Policy::parse(config.policy.as_bytes()).map_err(|e| wrong("policy", &e))?;
    let trust = Trust::new(signer.verifier().clone(), policy).map_err(|e| wrong("policy", &e))?;
    let folder = dir.join("log");
    let tiles = TileFiles::open(&folder).map_err(RoleError::world("the log's folder"))?;
    let mut log = Log::open(tiles, &signer).map_err(|e| wrong("log", &e))?;
    // An empty tree is published, too: only with a checkpoint of its own can the log be compared
    // with what the witnesses hold.
    log.publish(&signer).map_err(|e| wrong("log", &e))?;
    Ok((Arc::new(Published::new(log, trust, folder)), signer))
}

fn witnesses(config: &Config) -> Result<Vec<WitnessLink>, RoleError> {
    let wrong = |reason: String| RoleError::Unsound(format!("witnesses: {reason}"));
    config
        .witnesses
        .iter()
        .map(|entry| {
            let known = config.common.peer(&entry.peer);
            let known = known.ok_or_else(|| wrong(format!("no peer `{}`", entry.peer)))?;
            let peer = Peer::unverified(&known.url).map_err(|e| wrong(e.to_string()))?;
            let key: VerifierKey = entry.vkey.parse().map_err(|_| wrong(entry.vkey.clone()))?;
            Ok(WitnessLink { peer, key, size: 0 })
        })
        .collect()
}

async fn guard_patiently(
    published: &Published,
    client: &client::Client,
    witnesses: &mut [WitnessLink],
    readiness: &Readiness,
) -> Result<(), RoleError> {
    loop {
        match recovery::guard(published, client, witnesses).await? {
            Guarded::Sound => return Ok(()),
            Guarded::NotAsked(reason) => readiness.not_ready(&reason),
        }
        tokio::time::sleep(WITNESS_PAUSE).await;
    }
}

fn gate(config: &Config) -> Result<Gate, RoleError> {
    let mut callers = Callers::nobody();
    for peer in &config.common.peers {
        peer.admit_to(&mut callers).map_err(unsound)?;
    }
    Ok(Gate::new(callers, BTreeSet::from([config.common.authority()])))
}

fn site(
    config: &Config,
    keys: &KeyStore,
    core: &Arc<Core>,
    readiness: &Readiness,
) -> Result<Site, RoleError> {
    let gate = gate(config)?;
    let all = routes::routes(core, &gate)
        .merge(drills::routes(core, &gate))
        .merge(edges::routes(core, &gate))
        .merge(stages::routes(core, &gate))
        .merge(acts::routes(core, &gate))
        .merge(transfer_routes::routes(core, &gate));
    let routes = crate::web::when_ready(readiness, all);
    let router = health_routes(readiness.clone()).merge(routes);
    let signer = Some(Arc::new(keys.signing_key(REQUEST_KEY)?));
    Ok(Site { router, limits: LIMITS, signer })
}
