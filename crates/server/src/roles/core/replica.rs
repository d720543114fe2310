//! What a core that stands by answers: payments, accounts and the log, as they were at a position.
//!
//! A question says by `?at_least=P` that it knows what it asks for: the state at some position, not
//! the newest. Without it the answer is *not ready*, as for every write, and the caller asks the
//! core that leads. The position is that of the book that is read: of the settlement book for a
//! payment and the log, of the customers' book for an account; every answer names its own.
#![expect(clippy::disallowed_methods, reason = "rank 6: a lag is told by our own clock")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use api::messages::AccountView;
use api::{Caller, Problem, Role, problem, wire};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use clearing::customers::CreditStanding;
use clearing::saga::DebtorSide;
use clearing::{CustomersBook, SettlementBook};
use evidence::SignedCheckpoint;
use journal::Start;
use serde::Deserialize;
use terms::{AccountId, BookName, InstitutionName, PaymentId, Position};

use super::after::told_to;
use super::config::Config;
use super::files::TileFiles;
use super::in_book::account_seen;
use super::receipts::institution_of;
use super::routes::{Answer, Known, cbor, not_accepted};
use crate::statements::{self, Statements};
use crate::web::{Gate, Readiness, Refuse, health_routes};

/// How long a question waits until its position is here.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(25);
/// Names the position of an answer whose bytes do not.
const POSITION: HeaderName = HeaderName::from_static("wayleave-position");

/// A book that is followed: its state, as far as it is surely durable. Nothing is there before
/// following begins, and after this core has taken over.
#[derive(Debug)]
pub struct Shelf<M> {
    start: RwLock<Option<Start<M>>>,
    /// When the end of what the database had was last reached.
    caught_up: Mutex<Instant>,
}

impl<M> Default for Shelf<M> {
    fn default() -> Self {
        Self { start: RwLock::default(), caught_up: Mutex::new(Instant::now()) }
    }
}

impl<M> Shelf<M> {
    /// Puts a state there.
    pub fn put(&self, start: Start<M>) {
        *self.start.write().unwrap_or_else(PoisonError::into_inner) = Some(start);
    }

    /// Takes the state away: nothing is answered from it any more.
    pub fn take(&self) -> Option<Start<M>> {
        self.start.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Changes the state, where there is one.
    pub fn change<R>(&self, change: impl FnOnce(&mut Start<M>) -> R) -> Option<R> {
        self.start.write().unwrap_or_else(PoisonError::into_inner).as_mut().map(change)
    }

    /// The next position that is not here; zero without a state.
    #[must_use]
    pub fn next(&self) -> Position {
        self.look(|_| ()).map_or(Position::ZERO, |(next, ())| next)
    }

    /// The end of what the database had was reached now.
    pub fn reached_end(&self) {
        *self.caught_up.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn lag(&self) -> Duration {
        self.caught_up.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    fn look<R>(&self, look: impl FnOnce(&M) -> R) -> Option<(Position, R)> {
        let start = self.start.read().unwrap_or_else(PoisonError::into_inner);
        start.as_ref().map(|start| (start.tip.next, look(&start.state)))
    }
}

/// Everything that is followed.
#[derive(Debug)]
pub struct Replica {
    /// The settlement book.
    pub settlement: (BookName, Arc<Shelf<SettlementBook>>),
    /// The hosted customers' books.
    pub customers: BTreeMap<InstitutionName, (BookName, Arc<Shelf<CustomersBook>>)>,
    /// Statements of the customers' accounts, where their feed stands.
    pub statements: RwLock<BTreeMap<InstitutionName, Statements>>,
    /// Whether some institution keeps its own book, which is not followed here.
    others_elsewhere: bool,
    tiles: TileFiles,
    readiness: Readiness,
}

impl Replica {
    /// Of these books; none has a state yet.
    #[must_use]
    pub fn new(config: &Config, tiles: TileFiles, readiness: Readiness) -> Self {
        let hosted = config.hosted.iter();
        Self {
            settlement: (config.book, Arc::default()),
            customers: hosted.map(|one| (one.institution, (one.book, Arc::default()))).collect(),
            statements: RwLock::default(),
            others_elsewhere: !config.banks.is_empty(),
            tiles,
            readiness,
        }
    }

    /// Answers questions about statements of an institution's customers from here on.
    pub fn offer(&self, institution: InstitutionName, statements: Option<Statements>) {
        let mut all = self.statements.write().unwrap_or_else(PoisonError::into_inner);
        all.extend(statements.map(|of| (institution, of)));
    }

    /// *Not ready*, with the leader's place.
    fn refuse(&self) -> Refuse {
        self.refuse_because("")
    }

    fn refuse_because(&self, why: &str) -> Refuse {
        let reason = self.readiness.reason().unwrap_or_else(|| "this core takes over".into());
        let detail = if why.is_empty() { reason } else { format!("{why}; {reason}") };
        Problem::of(&problem::NOT_READY).detail(detail).into()
    }

    /// Reads a book once it is there up to the position.
    async fn read<M, R>(
        &self,
        shelf: &Shelf<M>,
        asked: &Asked,
        look: impl Fn(&M) -> R,
    ) -> Result<(Position, R), Refuse> {
        let Some(least) = asked.at_least else { return Err(self.refuse()) };
        let begun = Instant::now();
        loop {
            let next = shelf.next();
            if next.number() >= least {
                return shelf.look(&look).ok_or_else(|| self.refuse());
            }
            if begun.elapsed() > PATIENCE {
                let why = format!("this replica is at position {next}, {least} was asked for");
                return Err(self.refuse_because(&why));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What a question may say.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// The state at this position or later.
    at_least: Option<u64>,
}

type Shared = State<Arc<Replica>>;

/// Health, what a replica answers, and *not ready* for all else: the caller knows another place
/// of the core, and asks there.
pub fn routes(replica: &Arc<Replica>, gate: &Gate) -> Router {
    let unready = Arc::clone(replica);
    let refuse = move || {
        let refused = unready.refuse();
        async move { refused }
    };
    let readers = Router::new()
        .route("/v1/payments/{id}", get(payment).fallback(refuse.clone()))
        .route("/v1/accounts/{id}", get(account).fallback(refuse.clone()))
        .route("/v1/accounts/{id}/statement", get(statement).fallback(refuse.clone()))
        .with_state(Arc::clone(replica));
    let readers = gate.only(&[Role::Wallet, Role::Edge, Role::Supervisor, Role::Witness], readers);
    let open = Router::new()
        .route("/log/{*path}", get(tile).fallback(refuse.clone()))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(replica));
    let rest = Router::new().route("/", any(refuse.clone())).route("/{*path}", any(refuse));
    health_routes(replica.readiness.clone()).merge(readers).merge(open).merge(rest)
}

async fn payment(
    State(replica): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let payment: PaymentId = wire::read_text("payment", &id)?;
    let look = |s: &SettlementBook| (s.payment(payment).cloned(), s.given_back(payment).cloned());
    let (head, (ended, given)) = replica.read(&replica.settlement.1, &asked, look).await?;
    let (mut held, mut credit) = (DebtorSide::Untouched, None);
    for (name, (_, shelf)) in &replica.customers {
        let look = |s: &CustomersBook| (s.debtor_seen(payment).side, s.credit_standing(payment));
        let (_, (side, standing)) = shelf.look(look).ok_or_else(|| replica.refuse())?;
        if side != DebtorSide::Untouched {
            held = side;
        }
        credit = credit.or_else(|| told_to(&caller, *name, standing));
    }
    if held == DebtorSide::Untouched && replica.others_elsewhere {
        let why = "the payer's money is in no book that is followed here";
        return Err(replica.refuse_because(why));
    }
    let credit = credit.unwrap_or(CreditStanding::Untouched);
    Ok(at(head, cbor(&Known { ended, given, held, credit, head }.status(payment))))
}

async fn account(
    State(replica): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let account: AccountId = wire::read_text("account", &id)?;
    let (_, view) = account_for(&replica, &caller, account, asked.at_least).await?;
    Ok(at(view.head, cbor(&view)))
}

/// An account for its institution's edge or its owner, and where it is.
async fn account_for(
    replica: &Replica,
    caller: &Caller,
    account: AccountId,
    at_least: Option<u64>,
) -> Result<(InstitutionName, AccountView), Refuse> {
    let asked = Asked { at_least };
    let own = institution_of(caller).filter(|_| caller.role() == Role::Edge);
    for (name, (_, shelf)) in &replica.customers {
        // An edge reads its own institution's book; a wallet its own account, wherever it is.
        if own.is_some_and(|own| own != *name) {
            continue;
        }
        let seen = shelf.look(|state| account_seen(state, account).is_some());
        if !seen.is_some_and(|(_, known)| known) && replica.customers.len() > 1 {
            continue;
        }
        let look = |state: &CustomersBook| account_seen(state, account);
        let (head, Some(mut view)) = replica.read(shelf, &asked, look).await? else { continue };
        if own.is_some() || view.profile.client_key == caller.key() {
            view.head = head;
            return Ok((*name, view));
        }
    }
    if asked.at_least.is_none() || replica.others_elsewhere {
        return Err(replica.refuse());
    }
    Err(not_accepted("there is no such account of yours").into())
}

/// A statement that has seen what the account was asked for: at this position or later.
async fn statement(
    State(replica): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let asked = statements::Asked::of(&uri)?;
    let account: AccountId = wire::read_text("account", &id)?;
    let (name, view) = account_for(&replica, &caller, account, asked.at_least).await?;
    let here =
        replica.statements.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    let statements = here.ok_or_else(|| replica.refuse_because("no statements are here"))?;
    let page = statements.page(&view, &caller, &asked).await?;
    Ok(at(page.head, cbor(&page)))
}

/// Tiles as they are; the checkpoint only to who asks for a position. What is not here yet may be
/// where the leader is.
async fn tile(
    State(replica): Shared,
    Path(path): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let bytes = replica.tiles.serve(&path).ok_or_else(|| replica.refuse())?;
    if path.starts_with("tile/") {
        return Ok(([("content-type", "application/octet-stream")], bytes).into_response());
    }
    let note = SignedCheckpoint::parse(&bytes).ok().filter(|_| path == "checkpoint");
    let size = note.map(|note| note.head().size);
    match (size, asked.at_least) {
        (Some(size), Some(least)) if size >= least => {
            let answer = ([("content-type", wire::TEXT)], bytes).into_response();
            Ok(at(Position::new(size), answer))
        }
        (Some(size), Some(least)) => {
            let why = format!("this replica's log has {size} entries, {least} were asked for");
            Err(replica.refuse_because(&why))
        }
        _ => Err(replica.refuse()),
    }
}

/// Positions and lags, in the text form of Prometheus.
async fn metrics(State(replica): Shared) -> Response {
    let (book, shelf) = &replica.settlement;
    let mut rows = vec![(*book, shelf.next(), shelf.lag())];
    rows.extend(replica.customers.values().map(|(book, of)| (*book, of.next(), of.lag())));
    let mut text = String::from(
        "# HELP wayleave_replica_position Facts of the book that this replica answers from.\n\
         # TYPE wayleave_replica_position gauge\n",
    );
    for (book, next, _) in &rows {
        let _ = writeln!(text, "wayleave_replica_position{{book=\"{book}\"}} {next}");
    }
    text.push_str(
        "# HELP wayleave_replica_lag_seconds Since it last reached the database's end.\n\
         # TYPE wayleave_replica_lag_seconds gauge\n",
    );
    for (book, _, lag) in &rows {
        let seconds = lag.as_secs_f64();
        let _ = writeln!(text, "wayleave_replica_lag_seconds{{book=\"{book}\"}} {seconds:.3}");
    }
    ([("content-type", "text/plain; version=0.0.4")], text).into_response()
}

fn at(position: Position, mut answer: Response) -> Response {
    answer.headers_mut().insert(POSITION, position.number().into());
    answer
}
