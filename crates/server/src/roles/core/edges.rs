//! Edge instances at the core: what each accounts for, what a new one must know, who is complete.

use std::sync::Arc;

use api::messages::EdgeBasis;
use api::{Caller, Role};
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use clearing::settlement::edges::compared::{Difference, word};
use clearing::settlement::{EdgeStanding, EdgeWork};
use clearing::{SettlementBook, SettlementWork};
use record::{EdgeAccount, EdgeClosing, SpentNumber};
use serde_json::{Value, json};
use terms::{EdgeName, PaymentId, Sequence};

use super::admin;
use super::routes::{
    Answer, Core, Shared, by_institution, cbor, done, failed, not_done, own, same_environment,
    signed,
};
use crate::web::Gate;

/// Who may know whether the counts are whole: whoever answers for it.
const READING: &[Role] = &[Role::Operator, Role::Supervisor, Role::Witness];

/// The routes: edges account, operator and supervisors read.
pub(super) fn routes(core: &Arc<Core>, gate: &Gate) -> Router {
    let edges = Router::new()
        .route("/v1/edge-accounts", post(account))
        .route("/v1/edge-closings", post(close))
        .route("/v1/edge-basis", get(basis));
    let readers = Router::new().route("/v1/edge-instances", get(instances));
    Router::new()
        .merge(gate.only(&[Role::Edge], edges.with_state(Arc::clone(core))))
        .merge(gate.only(READING, readers.with_state(Arc::clone(core))))
}

async fn account(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let signed = signed::<EdgeAccount>(&body)?;
    let document = by_institution(&core, &caller, &signed, |a: &EdgeAccount| a.institution)?;
    same_environment(&core, document.environment)?;
    let work = SettlementWork::Edges(Box::new(EdgeWork::Account(signed)));
    admin::submit(&core.clearing, work).await.map_err(not_done)?;
    done()
}

async fn close(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let signed = signed::<EdgeClosing>(&body)?;
    let document = by_institution(&core, &caller, &signed, |c: &EdgeClosing| c.institution)?;
    same_environment(&core, document.environment)?;
    tracing::info!(edge = %document.mark.edge, by = caller.name(), "an edge instance leaves");
    let work = SettlementWork::Edges(Box::new(EdgeWork::Close(signed)));
    admin::submit(&core.clearing, work).await.map_err(not_done)?;
    done()
}

/// What an instance of the caller's institution must know before it serves.
async fn basis(State(core): Shared, Extension(caller): Extension<Caller>) -> Answer {
    let own = own(&caller)?;
    let look = move |book: &SettlementBook| {
        let instances = book.instances();
        (instances.snapshot(own).cloned(), instances.status_lists(own))
    };
    let seen = core.clearing.books.settlement.look(look).await.map_err(failed)?;
    let (snapshot, status_lists) = seen.outcome;
    Ok(cbor(&EdgeBasis { layout: 1, snapshot, status_lists }))
}

async fn instances(State(core): Shared) -> Answer {
    let look = |book: &SettlementBook| {
        book.instances().all().map(|(edge, standing)| shown(*edge, standing)).collect::<Vec<_>>()
    };
    let seen = core.clearing.books.settlement.look(look).await.map_err(failed)?;
    let told = json!({ "head": seen.position.number(), "instances": seen.outcome });
    Ok(Json(told).into_response())
}

/// Payments shown whose numbers nobody accounted for.
const SHOWN_MAX: usize = 100;

fn unaccounted((number, payment): (Sequence, PaymentId)) -> Value {
    json!({ "number": number.number(), "payment": payment.to_string() })
}

fn difference((number, one): (Sequence, &Difference)) -> Value {
    let said = |said: SpentNumber| {
        let payment = said.payment.to_string();
        json!({ "payment": payment, "spent_on": word(said.spent_on) })
    };
    json!({
        "number": number.number(),
        "accounted": said(one.accounted),
        "fact": said(one.named),
    })
}

/// Numbers are told as `from` and `to` inclusive.
fn shown(edge: EdgeName, standing: &EdgeStanding) -> Value {
    let last =
        |end: terms::Sequence| (end > standing.first).then(|| end.number().saturating_sub(1));
    let [permits, refusals, referrals, nothing] = standing.spent;
    let missing = standing
        .missing()
        .map(|(from, end)| json!({ "from": from.number(), "to": end.number().saturating_sub(1) }));
    let compared = &standing.compared;
    let waiting: Vec<Value> = compared.unaccounted().take(SHOWN_MAX).map(unaccounted).collect();
    let differences: Vec<Value> = compared.differences().map(difference).collect();
    json!({
        "edge": edge.to_string(),
        "institution": standing.institution.to_string(),
        "joined_at": standing.joined_at.to_string(),
        "first": standing.first.number(),
        "last_accounted": last(standing.accounted),
        "last_seen": last(standing.seen),
        "permits": permits,
        "refusals": refusals,
        "referrals": referrals,
        "nothing": nothing,
        "closed_at": standing.closed.map(|closed| closed.at.to_string()),
        "missing": missing,
        "unaccounted": waiting,
        "differences": differences,
        "more_differences": compared.more(),
    })
}
