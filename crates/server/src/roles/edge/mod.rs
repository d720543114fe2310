//! An institution's edge: decides its own side of every corridor that it is configured for.
//!
//! | route | who | what |
//! |---|---|---|
//! | `POST /v1/preparations` | wallet, debtor side | statements, terms, what to present |
//! | `POST /v1/outgoing-preparations` | wallet, debtor side | terms of a payment out |
//! | `POST /v1/invoices`, `/v1/invoices/presentations` | wallet, creditor side | request to pay |
//! | `POST /v1/statements` | the other edge, creditor side | its statement for ours |
//! | `POST /v1/decisions` | wallet, both sides | OpenID4VP direct post → permit or refusal |
//! | `GET /v1/decisions/{payment}/record` | the institution's operator | the whole record |
//! | `GET /v1/referrals`, `/v1/referrals/{case}` | the institution's operator | cases, evidence |
//! | `POST /v1/referrals/{case}/acts` | the institution's operator | what a person signed |
//!
//! Folder: `pack/` (rules), `packs/NAME/` (of further corridors, and by stage), `shadow.log`,
//! `lists/` (newest lists and snapshot), `outbox` (sequence, decisions on their way), `data-keys`,
//! `status-marks`, `referrals` (the queue's chain). Nothing of a payment lives in memory between
//! two of its requests.

mod certified;
mod config;
mod count;
mod deliver;
mod disk;
mod form;
mod keeper;
mod out;
mod outbox;
mod packs;
mod referrals;
mod retire;
mod routes;
mod state;
mod statuses;
mod ways;

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use admission::asking::{DECISIONS_PATH, PAYEE_PATH};
use admission::{Asks, edge_client_id, registered_claims};
use api::Callers;
use api::wire::CBOR;
use client::{Outcome, Outgoing};
use policy::Pack;
use record::{EdgeMark, EdgeNotice, PackNotice, PackStanding, RegisteredVerifier, Side, Signed};
use tokio::net::TcpListener;

pub use self::certified::{
    CERTIFICATE, COUNTERSIGNATURE, INVARIANTS, PackKeys, write_more_pack, write_pack,
};
pub use self::config::FILES as PACK_FILES;
use self::config::wrong;
pub use self::config::{Config, Customer, Example, ListSource, WayConfig, example_config};
use self::keeper::Keeper;
use self::outbox::Destination;
pub use self::packs::fits;
pub use self::referrals::{REFERRALS_FILE, ReferralConfig, ReviewerEntry, read_referrals};
pub use self::retire::{Retired, retire};
use self::state::Edge;
use self::ways::Way;
use super::RoleError;
use crate::keys::KeyStore;
use crate::web::{Gate, LIMITS, Site, health_routes, serve};

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
    let edge = Arc::new(Edge::open(dir, &config, &keys)?);
    if edge.outbox().is_closed() {
        let why = format!("instance `{}` has left: its name is not used again", edge.settings.edge);
        return Err(RoleError::Unsound(why));
    }
    let mut callers = Callers::nobody();
    for peer in &config.common.peers {
        peer.admit_to(&mut callers).map_err(|error| wrong("peers", error.to_string()))?;
    }
    // The institution's one address, and this instance's own place behind it.
    let own = format!("localhost:{}", config.common.port);
    let gate = Gate::new(callers, BTreeSet::from([config.common.authority(), own]));
    let router = routes::routes(&edge, &gate).merge(health_routes(edge.readiness.clone()));
    let keeper = Keeper::open(Arc::clone(&edge), &config)?;
    let pause = Duration::from_millis(config.refresh_milliseconds.max(1));
    let mut keeping = tokio::spawn(keep(Arc::clone(&edge), keeper, pause));
    let mut to_book = tokio::spawn(deliver::deliver(Arc::clone(&edge), Destination::Book));
    let mut to_core = tokio::spawn(deliver::deliver(Arc::clone(&edge), Destination::Core));
    let mut accounting = tokio::spawn(deliver::account(edge));
    let signer = Some(Arc::new(keys.signing_key(crate::keys::REQUEST_KEY)?));
    // No task ends but by a panic: an edge without it would decide on old lists, or keep its
    // records to itself, and look well.
    tokio::select! {
        () = serve(listener, Site { router, limits: LIMITS, signer }, shutdown) => {}
        _ = &mut keeping => return Err(RoleError::Unsound("the lists' task ended".into())),
        _ = &mut to_book => return Err(RoleError::Unsound("the outbox's task ended".into())),
        _ = &mut to_core => return Err(RoleError::Unsound("the outbox's task ended".into())),
        _ = &mut accounting => return Err(RoleError::Unsound("the account's task ended".into())),
    }
    // Waited for: what they hold, the folder's lock among it, is let go before this returns.
    for task in [keeping, to_book, to_core, accounting] {
        task.abort();
        let _cancelled = task.await;
    }
    Ok(())
}

/// What the edge with these packs must be registered as on its trust list: one entry per route
/// that asks wallets for something, with what any of its packs reads.
pub fn registered_verifiers(packs: &[Pack], url: &str) -> Vec<RegisteredVerifier> {
    let url = url.trim_end_matches('/');
    let of = |side: Side| packs.iter().filter(move |pack| pack.side() == side);
    let payers = Asks::together(of(Side::Debtor).map(Asks::of_pack));
    let payees = Asks::together(of(Side::Creditor).map(Asks::of_payee));
    let asked = [
        (DECISIONS_PATH, payers, "decide a payment of a customer"),
        (PAYEE_PATH, payees, "accept a customer's request to pay"),
    ];
    let entries = asked.into_iter().filter(|(_, asks, _)| !asks.is_empty());
    entries
        .map(|(path, asks, purpose)| RegisteredVerifier {
            client_id: edge_client_id(url, path),
            purpose: purpose.to_owned(),
            claims: registered_claims(&asks),
        })
        .collect()
}

/// Lists, snapshot, pack notice and joining, in this order, again and again: what is done already
/// costs nothing.
async fn keep(edge: Arc<Edge>, mut keeper: Keeper, pause: Duration) {
    let mut noticed = false;
    loop {
        if let Err(error) = keeper.refresh().await {
            // A disk that fails: go on with the snapshot in force, and say so.
            tracing::error!(%error, "the lists could not be kept");
            edge.readiness.not_ready("the lists could not be kept");
        } else if edge.lists().is_ok() {
            packs::refresh(&edge).await;
            noticed = noticed || notice(&edge).await;
            if edge.ways.all().any(|way| way.packs.staged() == Some(false)) {
                edge.readiness.not_ready("a pack in force is not at hand in `packs/`");
            } else if noticed {
                edge.readiness.ready();
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = edge.look.notified() => {}
        }
    }
}

/// Puts the packs in force and joins the settlement book. All are facts; the core takes a
/// repeated notice for done.
async fn notice(edge: &Edge) -> bool {
    for way in edge.ways.all() {
        if !notice_pack(edge, way).await {
            return false;
        }
    }
    let settings = &edge.settings;
    let joined = edge.outbox().joined();
    let first = joined.unwrap_or_else(|| edge.outbox().next_sequence());
    let join = EdgeNotice {
        layout: 1,
        environment: settings.environment,
        institution: settings.institution,
        mark: EdgeMark { edge: settings.edge, sequence: first },
        key: edge.permit_key.key_id(),
    };
    let join = Signed::sign(&join, &edge.permit_key).to_bytes();
    if !published(edge, "/v1/edges", join).await {
        return false;
    }
    match joined {
        Some(_) => true,
        None => edge.outbox().note_joined(first).is_ok(),
    }
}

async fn notice_pack(edge: &Edge, way: &Way) -> bool {
    // Where steps say what is in force, the folder's own pack need not be.
    if let Some(at_hand) = way.packs.staged() {
        return at_hand;
    }
    let settings = &edge.settings;
    let pack = PackNotice {
        layout: 1,
        environment: settings.environment,
        institution: settings.institution,
        corridor: way.corridor,
        side: way.side,
        pack: way.packs.own().digest(),
        schema: way.packs.own().schema_digest(),
        standing: PackStanding::InForce,
    };
    let pack = Signed::sign(&pack, &edge.permit_key).to_bytes();
    published(edge, "/v1/packs", pack).await
}

async fn published(edge: &Edge, target: &str, body: Vec<u8>) -> bool {
    match edge.to_core(Outgoing::post(target, CBOR, body)).await {
        Outcome::Answer(_) => true,
        Outcome::Refused(problem) => {
            tracing::warn!(target, code = problem.code, detail = problem.detail, "refused");
            false
        }
        Outcome::NotDone(why) => {
            tracing::debug!(target, %why, "the core does not answer");
            false
        }
        Outcome::Unknown(why) => {
            tracing::debug!(target, %why, "the core does not answer");
            false
        }
    }
}
