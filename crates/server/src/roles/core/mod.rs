//! The core: settlement book, hosted customers' books, log; one process, one writer per book.
//!
//! Start at [`run`]; the use case is [`orders`].
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "rank 6: answers of the books are mapped; the rules match each case below"
)]

pub mod admin;
pub mod after;
pub mod books;
pub mod config;
pub mod customers;
pub mod day;
pub mod drills;
pub mod facts;
pub mod files;
pub mod in_book;
pub mod lists;
pub mod mirrors;
pub mod orders;
pub mod outside;
pub mod outside_routes;
pub mod projection;
pub mod receipts;
pub mod recovery;
pub mod remote;
pub mod routes;
pub mod transfer_routes;
pub mod transfers;
pub mod under_way;

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
use tokio::task::JoinSet;

pub use config::{Config, Hosted, OutsideEntry, OwnBook, WitnessEntry, account_id, own_account};
pub use transfers::{Adapter, PatienceEntry, RailEntry, ResendEntry};

pub use self::drills::{DrillDuty, DrillStanding};

use self::customers::CustomersPort;
use self::files::TileFiles;
use self::orders::Clearing;
use self::outside::StatementFolder;
use self::projection::{Published, WitnessLink};
use self::recovery::{Comeback, Guarded};
use self::remote::RemoteBook;
use self::routes::Core;
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

/// Runs the core until `shutdown` ends.
pub async fn run(
    dir: PathBuf,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RoleError> {
    let started_at = system::now();
    let keys = KeyStore::open(&dir)?;
    let run = RunId::from_bytes(system::random().map_err(|e| RoleError::Unsound(e.to_string()))?);
    let in_order = recovery::ended_in_order(&dir)?;
    let mut books = books::open(&dir, &config, run)?;
    books.customers.extend(banks(&config, &keys)?);
    let fresh = books.settlement.recovery.tip.next.number() == 0;
    books::open_accounts(&books, &config).await?;
    let clearing = start_clearing(&config, books, keys.signing_key(LOG_KEY)?).await?;
    let (published, signer) = open_log(&dir, &config, keys.signing_key(LOG_KEY)?)?;
    recovery::compare(&clearing, &published).await?;
    let before = published.log().published().cloned().filter(|note| note.head().size > 0);
    let client = config.common.client();
    let mut witnesses = witnesses(&config)?;
    let readiness = Readiness::waiting("the books are read");
    let outside = open_rails(&dir, &config, &keys)?;
    let core = shared(&dir, &config, (&clearing, &published, &outside), &signer)?;
    let (listener, site) = start_server(&config, &keys, core, &readiness).await?;
    let (stop, stopped) = tokio::sync::watch::channel(());
    let mut ended = stopped.clone();
    let serving = tokio::spawn(serve(listener, site, async move {
        let _ = ended.changed().await;
    }));
    tokio::pin!(shutdown);
    let guarded = guard_patiently(&published, &client, &mut witnesses, &readiness);
    tokio::select! {
        guarded = guarded => guarded?,
        () = &mut shutdown => return Ok(()),
    }
    let from = terms::Position::new(published.log().size());
    let batches = clearing.books.settlement.handle.subscribe(from);
    let log = Arc::clone(&published);
    let mut projection =
        tokio::spawn(projection::run(log, batches, signer, client.clone(), witnesses));
    let lists = lists::keep(Arc::clone(&clearing), config.common.clone(), client);
    let mut keeper = tokio::spawn(both(lists, transfers::keep(outside, Arc::clone(&clearing))));
    let mut completing = tokio::spawn(record_completions(Arc::clone(&clearing)));
    greet_banks(&clearing).await;
    let resolved = finish(&clearing, &dir).await?;
    if !fresh && (!in_order || !resolved.is_empty()) {
        let comeback = Comeback { run, started_at, before, resolved };
        recovery::certify(&clearing, &published, &dir, comeback).await.map_err(unsound)?;
    }
    let behind = behind(&clearing, &readiness);
    readiness.ready();
    tracing::info!(url = %config.common.url, "the core serves");
    // A core that lost its log, its lists or a writer stops: it would promise what it cannot keep.
    let lost = tokio::select! {
        () = &mut shutdown => None,
        book = clearing.books.ended() => Some(format!("the writer of book `{book}`")),
        _ = &mut projection => Some("the log's task".to_owned()),
        _ = &mut keeper => Some("the lists' task".to_owned()),
        _ = &mut completing => Some("the completions' task".to_owned()),
    };
    if let Some(lost) = lost {
        return Err(unsound(format!("{lost} ended")));
    }
    readiness.not_ready("the core is stopping");
    let _ = stop.send(());
    let _ = serving.await;
    drop(behind);
    completing.abort();
    keeper.abort();
    projection.abort();
    recovery::mark_end(&dir).map_err(RoleError::world("the mark of an orderly end"))
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
        tiles,
        dir: dir.to_path_buf(),
        config: config.clone(),
        log_vkey: signer.verifier().to_string(),
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

/// Runs both until one of them ends.
async fn both(lists: impl Future<Output = ()>, rails: impl Future<Output = ()>) {
    tokio::select! {
        () = lists => {}
        () = rails => {}
    }
}

fn open_rails(dir: &Path, config: &Config, keys: &KeyStore) -> Result<Arc<Outside>, RoleError> {
    let key = || keys.signing_key(REQUEST_KEY).map_err(RoleError::from);
    Outside::open(dir, config, key).map(Arc::new)
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

fn open_log(
    dir: &Path,
    config: &Config,
    key: SigningKey,
) -> Result<(Arc<Published>, NoteSigner), RoleError> {
    let wrong =
        |what: &str, error: &dyn std::fmt::Display| RoleError::Unsound(format!("{what}: {error}"));
    let name: KeyName = config.origin.parse().map_err(|e| wrong("origin", &e))?;
    let signer = NoteSigner::new(name, key);
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

async fn start_server(
    config: &Config,
    keys: &KeyStore,
    core: Arc<Core>,
    readiness: &Readiness,
) -> Result<(TcpListener, Site), RoleError> {
    let address = (std::net::Ipv4Addr::LOCALHOST, config.common.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(RoleError::world(format!("port {}", config.common.port)))?;
    let mut callers = Callers::nobody();
    for peer in &config.common.peers {
        peer.admit_to(&mut callers).map_err(unsound)?;
    }
    let gate = Gate::new(callers, BTreeSet::from([config.common.authority()]));
    let all = routes::routes(&core, &gate)
        .merge(drills::routes(&core, &gate))
        .merge(transfer_routes::routes(&core, &gate));
    let routes = crate::web::when_ready(readiness, all);
    let router = health_routes(readiness.clone()).merge(routes);
    let signer = Some(Arc::new(keys.signing_key(REQUEST_KEY)?));
    Ok((listener, Site { router, limits: LIMITS, signer }))
}
