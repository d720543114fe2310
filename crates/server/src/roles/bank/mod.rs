//! A bank that keeps its customers' book in its own process: the same machine, the same engine as
//! a hosted book, and its own folder, journal, salts, writer and pins.
//!
//! It calls nobody. The core brings each step with what proves it ([`clearing::pins`]); the
//! bank's edges ask it for accounts and leave parcels; its operator reads duties. A crash at any
//! point leaves a prefix of its facts: what the core did not hear of it asks for again, and each
//! step is done once.

mod config;
mod routes;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use clearing::{CustomerAnswer, CustomerWork, CustomersBook, Pins};
use terms::RunId;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::config::Config;
use super::RoleError;
use super::core::books::{Running, open_in_segments, statements_of};
use super::start::gate;
use crate::keys::{KeyStore, REQUEST_KEY};
use crate::statements::Statements;
use crate::system;
use crate::web::{LIMITS, Readiness, Site, health_routes, serve};

/// What the handlers share.
pub(crate) struct Bank {
    book: Running<CustomersBook>,
    statements: Statements,
    pins: Pins,
    config: Config,
}

/// Runs until `shutdown` ends.
pub async fn run(
    dir: PathBuf,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RoleError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.common.port))
        .await
        .map_err(RoleError::world(format!("listening on port {}", config.common.port)))?;
    run_on(listener, dir, config, shutdown).await
}

/// As [`run`], on a socket that listens already.
pub async fn run_on(
    listener: TcpListener,
    dir: PathBuf,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RoleError> {
    let keys = KeyStore::open(&dir)?;
    let pins = config.pins()?;
    let gate = gate(&config.common)?;
    let run = RunId::from_bytes(system::random().map_err(|e| RoleError::Unsound(e.to_string()))?);
    let genesis = CustomersBook::new(config.book, config.institution);
    let (told, mut ended) = watch::channel(None);
    let book = open_in_segments(&dir, config.book, genesis, run, &told)?;
    open_accounts(&book, &config).await?;
    let signer = Some(Arc::new(keys.signing_key(REQUEST_KEY)?));
    let readiness = Readiness::waiting("the book is read");
    let folder = dir.join("books").join(config.book.as_str()).join("statements");
    let statements = statements_of(&book, &folder, None);
    let bank = Arc::new(Bank { book, statements, pins, config });
    let router = routes::routes(&bank, &gate).merge(health_routes(readiness.clone()));
    readiness.ready();
    tracing::info!(url = %bank.config.common.url, "the bank serves");
    tokio::select! {
        () = serve(listener, Site { router, limits: LIMITS, signer }, shutdown) => Ok(()),
        _ = ended.wait_for(Option::is_some) => {
            Err(RoleError::Unsound(format!("the writer of book `{}` ended", bank.config.book)))
        }
    }
}

/// Opens the institution's own accounts. Opening one again changes nothing.
async fn open_accounts(book: &Running<CustomersBook>, config: &Config) -> Result<(), RoleError> {
    for opening in config.own_accounts()? {
        let answer = book.ask(CustomerWork::OpenAccount(opening)).await;
        let answer = answer.map_err(|e| RoleError::Unsound(format!("opening accounts: {e}")))?;
        if let CustomerAnswer::Refused(rule) = answer.outcome {
            return Err(RoleError::Unsound(format!("opening an account: {rule}")));
        }
    }
    Ok(())
}
