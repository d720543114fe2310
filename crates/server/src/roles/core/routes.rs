//! The core's routes: parse, call one use case, map its outcome.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use api::messages::{self, EndedAt, NewCustomer, PaymentStatus};
use api::{Caller, Problem, Role, problem, wire};
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use clearing::customers::CreditStanding;
use clearing::rule::RuleName;
use clearing::saga::DebtorSide;
use clearing::settlement::{Given, PaymentEntry};
use clearing::status::Standing;
use clearing::{CustomerAnswer, CustomerWork, SettlementWork, check_parcel};
use record::{
    Document, DutyClosing, EdgeNotice, PackNotice, Parcel, Refusal, SettleOrder, Side, Signed,
    Snapshot, TrustList,
};
use seal::{KeyId, PublicKey};
use terms::{AccountId, BookName, Environment, InstitutionName, PaymentId};

use super::admin::{self, NotDone};
use super::after;
use super::books::{Failed, Running};
use super::config::Config;
use super::documents::NoDocuments;
use super::files::TileFiles;
use super::orders::{Clearing, NoPromise};
use super::projection::Published;
use super::receipts::{self, NoReceipt, institution_of};
use super::remote::held_of;
use super::transfers::Outside;
use super::{decision_duties, in_book, leases, mirrors, outgoing};
use crate::web::{Gate, Refuse};
use crate::{statements, system};

/// What the handlers share.
#[derive(Debug)]
pub struct Core {
    /// The use cases.
    pub clearing: Arc<Clearing>,
    /// Transfers over rails.
    pub outside: Arc<Outside>,
    /// The contracts about leases, and what waits.
    pub leases: Arc<leases::LeaseDesk>,
    /// The log.
    pub published: Arc<Published>,
    /// The log's files.
    pub tiles: TileFiles,
    /// The core's own folder.
    pub dir: PathBuf,
    /// The configuration.
    pub config: Config,
    /// The log's verifier key (C2SP vkey text).
    pub log_vkey: String,
    /// Since when facts wait for their witnesses.
    pub watch: super::alerts::Watch,
}

pub(super) type Shared = State<Arc<Core>>;
pub(super) type Answer = Result<Response, Refuse>;

/// All routes, guarded.
pub fn routes(core: &Arc<Core>, gate: &Gate) -> Router {
    let open = Router::new().route("/v1/about", get(about)).route("/log/{*path}", get(tile));
    let wallets = Router::new().route("/v1/orders", post(order)).merge(after::of_wallets());
    let readers = Router::new()
        .route("/v1/payments/{id}", get(payment))
        .route("/v1/payments/{id}/receipt", get(receipt))
        .route("/v1/accounts/{id}", get(account))
        .route("/v1/accounts/{id}/statement", get(statement))
        .merge(after::of_readers());
    let edges = Router::new()
        .route("/v1/refusals", post(refusal))
        .route("/v1/parcels", post(parcel))
        .route("/v1/parcels/{payment}/{side}/{kind}", get(parcel_back))
        .route("/v1/decision-duties", get(decision_duties))
        .route("/v1/duty-closings", post(duty_closing))
        .route("/v1/customers", post(customer))
        .route("/v1/snapshots", post(snapshot))
        .route("/v1/packs", post(pack))
        .route("/v1/edges", post(edge))
        .merge(outgoing::of_edges())
        .merge(after::of_edges());
    let lists = Router::new().route("/v1/trust-lists", post(trust_list));
    let operators = super::outside_routes::routes()
        .route("/v1/mirrors", get(mirrors))
        .route("/v1/duties", get(duties))
        .merge(leases::of_operators())
        .merge(after::of_operators());
    Router::new()
        .merge(open.with_state(Arc::clone(core)))
        .merge(gate.only(&[Role::Wallet], wallets.with_state(Arc::clone(core))))
        .merge(gate.only(
            &[Role::Wallet, Role::Edge, Role::Supervisor, Role::Witness],
            readers.with_state(Arc::clone(core)),
        ))
        .merge(gate.only(&[Role::Edge], edges.with_state(Arc::clone(core))))
        .merge(gate.only(
            &[Role::Edge, Role::Supervisor, Role::Witness, Role::Operator],
            lists.with_state(Arc::clone(core)),
        ))
        .merge(gate.only(&[Role::Operator], operators.with_state(Arc::clone(core))))
}

async fn about(State(core): Shared) -> Answer {
    let config = &core.config;
    let institutions: Vec<InstitutionName> =
        core.clearing.books.customers.keys().copied().collect();
    let look = move |s: &clearing::SettlementBook| {
        let version = |name: &InstitutionName| Some((name.to_string(), s.snapshot_version(*name)?));
        institutions.iter().filter_map(version).collect::<BTreeMap<_, _>>()
    };
    let snapshots = core.clearing.books.settlement.look(look).await.map_err(failed)?.outcome;
    let about = Json(serde_json::json!({
        "environment": config.common.environment,
        "book": config.book.to_string(),
        "origin": config.origin,
        "log_key": core.log_vkey,
        "policy": config.policy,
        "witnessing": core.published.trust().witnessing().label(),
        "snapshots": snapshots,
    }));
    Ok(about.into_response())
}

async fn tile(State(core): Shared, Path(path): Path<String>) -> Answer {
    let bytes = core.tiles.serve(&path).ok_or_else(|| Problem::of(&problem::NOT_FOUND))?;
    let kind = if path.starts_with("checkpoint") { wire::TEXT } else { "application/octet-stream" };
    Ok(([("content-type", kind)], bytes).into_response())
}

async fn order(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let order: SettleOrder = wire::read_cbor(&body)?;
    let answer = core.clearing.settle(order, &caller).await.map_err(no_promise)?;
    Ok(cbor(&answer))
}

async fn refusal(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let refusal = signed::<Refusal>(&body)?;
    let answer = core.clearing.edge_refuses(refusal, &caller).await.map_err(no_promise)?;
    Ok(cbor(&answer))
}

async fn payment(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let payment: PaymentId = wire::read_text("payment", &id)?;
    let look = move |s: &clearing::SettlementBook| {
        (s.payment(payment).cloned(), s.given_back(payment).cloned())
    };
    let seen = core.clearing.books.settlement.look(look).await.map_err(failed)?;
    let (ended, given) = seen.outcome;
    let parties = core.clearing.parties_of(ended.as_ref()).await.map_err(failed)?;
    let held = match core.clearing.held_told(payment, parties.as_ref()).await {
        Ok(held) => held,
        // A bank that is away keeps nobody from learning how the payment ended.
        Err(_) if ended.is_some() => DebtorSide::Untouched,
        Err(error) => return Err(failed(error).into()),
    };
    let credit = core.clearing.credit_told(payment, parties.as_ref(), &caller).await;
    let known = Known { ended, given, held, credit, head: seen.position };
    Ok(cbor(&known.status(payment)))
}

/// What is known of a payment.
pub(super) struct Known {
    pub(super) ended: Option<PaymentEntry>,
    pub(super) given: Option<Given>,
    pub(super) held: DebtorSide,
    pub(super) credit: CreditStanding,
    pub(super) head: terms::Position,
}

impl Known {
    pub(super) fn status(self, payment: PaymentId) -> PaymentStatus {
        let ending = self.ended.map(|entry| EndedAt {
            ending: entry.ending,
            position: entry.position,
            recorded_at: entry.recorded_at,
        });
        let ended = ending.as_ref().map(|ended| &ended.ending);
        let linked = self.given.map_or_else(Vec::new, |given| given.by);
        let linked = linked.into_iter().map(|(payment, what)| messages::LinkedPayment {
            what: what.as_str().to_owned(),
            payment,
        });
        let standing = Standing::of(ended, self.held, self.credit);
        let standing = standing.map(|standing| messages::Standing {
            state: standing.state.as_str().to_owned(),
            status: standing.state.iso_20022().to_owned(),
            reason: standing.reason.map(|reason| reason.iso_20022().to_owned()),
            linked: linked.collect(),
        });
        let held = held_of(self.held);
        PaymentStatus { layout: 1, payment, ending, head: self.head, held, standing }
    }
}

async fn receipt(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let payment: PaymentId = wire::read_text("payment", &id)?;
    let bytes = receipts::of_payment(&core.clearing, &core.published, payment, &caller)
        .await
        .map_err(no_receipt)?;
    Ok(([("content-type", wire::CBOR)], bytes).into_response())
}

async fn account(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let account: AccountId = wire::read_text("account", &id)?;
    let view = match institution_of(&caller) {
        Some(own) if caller.role() == Role::Edge => {
            admin::view_account(&core.clearing, own, account).await
        }
        _ => admin::account_of_client(&core.clearing, caller.key(), account).await,
    };
    Ok(cbor(&view.map_err(not_done)?))
}

async fn statement(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let asked = statements::Asked::of(&uri)?;
    let account: AccountId = wire::read_text("account", &id)?;
    let own = institution_of(&caller).filter(|_| caller.role() == Role::Edge);
    for (institution, statements) in &core.clearing.books.statements {
        // An edge reads its own institution's book; a wallet its own account, wherever it is.
        if own.is_some_and(|own| own != *institution) {
            continue;
        }
        let Ok(view) = admin::view_account(&core.clearing, *institution, account).await else {
            continue;
        };
        if own.is_some() || view.profile.client_key == caller.key() {
            return Ok(cbor(&statements.page(&view, &caller, &asked).await?));
        }
    }
    Err(not_accepted("there is no such account of yours").into())
}

async fn parcel(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let parcel: Parcel = wire::read_cbor(&body)?;
    let own = own(&caller)?;
    let book = admin::book_of(&core.clearing, own).map_err(not_done)?;
    keep_parcel(book, parcel, (core.clearing.environment, core.clearing.book, own)).await
}

async fn decision_duties(State(core): Shared, Extension(caller): Extension<Caller>) -> Answer {
    let book = admin::book_of(&core.clearing, own(&caller)?).map_err(not_done)?;
    let duties = decision_duties::list(book, system::now()).await.map_err(failed)?;
    Ok(Json(duties).into_response())
}

async fn duty_closing(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let closing = signed::<DutyClosing>(&body)?;
    let book = admin::book_of(&core.clearing, own(&caller)?).map_err(not_done)?;
    decision_duties::close(book, closing).await.map_err(not_done)?;
    done()
}

/// Keeps a parcel of the caller's own institution, and opens the duties that it tells of.
pub(crate) async fn keep_parcel(
    book: &Running<clearing::CustomersBook>,
    parcel: Parcel,
    here: (Environment, BookName, InstitutionName),
) -> Answer {
    let checked = check_parcel(parcel, here).map_err(|rule| not_accepted(&rule.to_string()))?;
    match book.ask(CustomerWork::Store(Box::new(checked))).await.map_err(failed)?.outcome {
        CustomerAnswer::Refused(rule) if rule.name == RuleName::PaymentIdUsed => {
            Err(Problem::of(&OTHER_PARCEL).detail(rule.detail).into())
        }
        CustomerAnswer::Refused(rule) => Err(not_accepted(&rule.to_string()).into()),
        _ => done(),
    }
}

async fn parcel_back(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    Path((payment, side, kind)): Path<(String, String, String)>,
) -> Answer {
    let payment: PaymentId = wire::read_text("payment", &payment)?;
    let side = side_named(&side)?;
    let own = own(&caller)?;
    let book = admin::book_of(&core.clearing, own).map_err(not_done)?;
    let parcel = in_book::parcel(book, payment, side, kind).await.map_err(failed)?;
    Ok(cbor(&parcel.ok_or_else(|| Problem::of(&problem::NOT_FOUND))?))
}

async fn customer(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let new: NewCustomer = wire::read_cbor(&body)?;
    admin::open_customer(&core.clearing, own(&caller)?, new).await.map_err(not_done)?;
    done()
}

async fn trust_list(State(core): Shared, body: Bytes) -> Answer {
    let list = Box::new(signed::<TrustList>(&body)?);
    let work = SettlementWork::AdoptTrustList(list);
    admin::submit(&core.clearing, work).await.map_err(not_done)?;
    core.clearing.refresh_trust().await.map_err(failed)?;
    done()
}

async fn snapshot(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let signed = signed::<Snapshot>(&body)?;
    let document = by_institution(&core, &caller, &signed, |s: &Snapshot| s.institution)?;
    same_environment(&core, document.environment)?;
    let work = SettlementWork::PublishSnapshot(Box::new(signed));
    admin::submit(&core.clearing, work).await.map_err(not_done)?;
    done()
}

async fn pack(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let signed = signed::<PackNotice>(&body)?;
    let document = by_institution(&core, &caller, &signed, |p: &PackNotice| p.institution)?;
    same_environment(&core, document.environment)?;
    let work = SettlementWork::NoticePack(Box::new(signed));
    admin::submit(&core.clearing, work).await.map_err(not_done)?;
    done()
}

async fn edge(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let signed = signed::<EdgeNotice>(&body)?;
    let document = by_institution(&core, &caller, &signed, |e: &EdgeNotice| e.institution)?;
    same_environment(&core, document.environment)?;
    let work = SettlementWork::JoinEdge(Box::new(signed));
    admin::submit(&core.clearing, work).await.map_err(not_done)?;
    done()
}

pub(crate) fn side_named(side: &str) -> Result<Side, Problem> {
    match side {
        "debtor" => Ok(Side::Debtor),
        "creditor" => Ok(Side::Creditor),
        _ => Err(not_accepted("expected `debtor` or `creditor`")),
    }
}

async fn mirrors(State(core): Shared) -> Response {
    Json(mirrors::compare_all(&core.clearing).await).into_response()
}

async fn duties(State(core): Shared) -> Response {
    Json(mirrors::duties(&core.clearing).await).into_response()
}

/// Opens a document that the caller's own institution signed with a permit key of the lists.
pub(super) fn by_institution<T: Document>(
    core: &Core,
    caller: &Caller,
    signed: &Signed<T>,
    whose: impl Fn(&T) -> InstitutionName,
) -> Result<T, Problem> {
    let own = own(caller)?;
    let trust = core.clearing.trust();
    let key = trust
        .institution(own)
        .and_then(|entry| find(&entry.permit_keys, signed.key()))
        .ok_or_else(|| not_accepted("no trust list names the signer's key for the caller"))?;
    let document = signed.verify(&key).map_err(|error| not_accepted(&error.to_string()))?;
    if whose(&document) == own {
        Ok(document)
    } else {
        Err(not_accepted("the document speaks for another institution"))
    }
}

fn find(keys: &[PublicKey], id: KeyId) -> Option<PublicKey> {
    keys.iter().find(|key| key.key_id() == id).copied()
}

pub(super) fn same_environment(
    core: &Core,
    environment: terms::Environment,
) -> Result<(), Problem> {
    if environment == core.clearing.environment {
        Ok(())
    } else {
        Err(not_accepted("the document is of another environment"))
    }
}

pub(crate) fn own(caller: &Caller) -> Result<InstitutionName, Problem> {
    institution_of(caller).ok_or_else(|| not_accepted("the caller names no institution"))
}

pub(crate) fn signed<T: Document>(body: &[u8]) -> Result<Signed<T>, Problem> {
    Signed::from_bytes(body).map_err(|error| {
        Problem::of(&problem::BAD_CBOR)
            .detail(error.to_string())
            .expected(format!("one signed {}", T::NAME))
            .mend("send the document exactly as it was signed")
    })
}

pub(crate) fn cbor<T: minicbor::Encode<()>>(document: &T) -> Response {
    ([("content-type", wire::CBOR)], wire::write_cbor(document)).into_response()
}

pub(crate) fn done() -> Answer {
    Ok(Json(serde_json::json!({"done": true})).into_response())
}

pub(crate) fn not_accepted(reason: &str) -> Problem {
    Problem::of(&NOT_ACCEPTED).detail(reason.to_owned())
}

/// The core read it and does not do it.
const NOT_ACCEPTED: api::Kind =
    api::Kind { code: "not-accepted", status: 422, title: "read, and not accepted" };
/// The payment id belongs to other terms.
const PAYMENT_ID_USED: api::Kind = api::Kind {
    code: "payment-id-used",
    status: 409,
    title: "the payment id was used with other terms",
};
/// The parcel's id belongs to other content.
const OTHER_PARCEL: api::Kind = api::Kind {
    code: "other-parcel-kept",
    status: 409,
    title: "another parcel is kept under this payment, side and kind",
};
/// Nobody knows yet: ask by id.
const UNKNOWN: api::Kind = api::Kind {
    code: "outcome-unknown",
    status: 500,
    title: "the outcome is not known yet: ask by id, do not send again under another id",
};
/// The receipt is not ready.
const NOT_YET: api::Kind = api::Kind {
    code: "not-cosigned-yet",
    status: 404,
    title: "not under a cosigned checkpoint yet",
};

pub(crate) fn failed(error: Failed) -> Problem {
    match error {
        Failed::NotDone(reason) => Problem::of(&problem::NOT_READY).detail(reason),
        Failed::Unknown => Problem::of(&UNKNOWN).mend("ask `GET /v1/payments/{id}`"),
    }
}

pub(crate) fn not_done(error: NotDone) -> Problem {
    match error {
        NotDone::NotAccepted(reason) => not_accepted(&reason),
        NotDone::Failed(error) => failed(error),
    }
}

pub(super) fn no_promise(error: NoPromise) -> Problem {
    match error {
        NoPromise::Malformed(reason) => not_accepted(&reason)
            .expected("a settle order whose terms string reads")
            .mend("build the order from the documents exactly as they were signed"),
        NoPromise::PaymentIdUsed { first, got } => Problem::of(&PAYMENT_ID_USED)
            .detail("`terms` differ".to_owned())
            .expected(first.to_string())
            .got(got.to_string())
            .mend("send the same order again, or choose a new payment id"),
        NoPromise::TooMany(error) => Problem::of(&problem::TOO_MANY)
            .detail(error.to_string())
            .mend("nothing was done; find out why your orders are refused, and wait a minute"),
        NoPromise::Failed(error) => failed(error),
    }
}

pub(super) fn no_receipt(error: NoReceipt) -> Problem {
    let detail = error.to_string();
    match error {
        NoReceipt::NotEnded(_) => Problem::of(&problem::NOT_FOUND).detail(detail),
        NoReceipt::NotAParty(_) => Problem::of(&problem::FORBIDDEN).detail(detail),
        NoReceipt::NotYet(_) => Problem::of(&NOT_YET).detail(detail).mend("ask again in a second"),
        NoReceipt::Erased(_) => not_accepted(&detail),
        NoReceipt::NoDocuments(NoDocuments::Failed(error)) => failed(error),
        NoReceipt::NoDocuments(_) => not_accepted(&detail),
        NoReceipt::Failed(error) => failed(error),
    }
}
