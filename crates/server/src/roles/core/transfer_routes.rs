//! The routes of transfers over rails.
//!
//! | route | who | body → answer |
//! |---|---|---|
//! | `POST /v1/outside` | an edge, a provider | `Signed<Withdrawal>` → JSON status |
//! | `GET /v1/outside/{id}` | its participant, an operator | → JSON status |
//! | `GET /v1/outside` | an operator | → JSON list of what is open, contradicted, in transit |
//! | `POST /v1/stuck` | an operator | `Signed<StuckAct>` → JSON status |
//! | `GET /v1/rails/figures` | an operator | → counters, Prometheus text |

use std::sync::Arc;

use api::{Caller, Problem, Role, problem, wire};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use clearing::outside::{Phase, Transfer};
use record::{OutsideEvidence, StuckAct, Withdrawal};
use serde_json::{Value, json};
use terms::OutsideId;

use super::receipts::institution_of;
use super::routes::{Core, failed, not_accepted, signed};
use super::transfers::{NotDone, look};
use crate::web::{Gate, Refuse};

type Shared = State<Arc<Core>>;
type Answer = Result<Response, Refuse>;

/// All routes of this file, guarded.
pub fn routes(core: &Arc<Core>, gate: &Gate) -> Router {
    let participants = Router::new().route("/v1/outside", post(withdraw));
    let both = Router::new().route("/v1/outside/{id}", get(status));
    let operators = Router::new()
        .route("/v1/outside", get(open))
        .route("/v1/stuck", post(resolve))
        .route("/v1/rails/figures", get(figures));
    Router::new()
        .merge(gate.only(&[Role::Edge, Role::Provider], participants.with_state(Arc::clone(core))))
        .merge(
            gate.only(
                &[Role::Edge, Role::Provider, Role::Operator],
                both.with_state(Arc::clone(core)),
            ),
        )
        .merge(gate.only(&[Role::Operator], operators.with_state(Arc::clone(core))))
}

async fn withdraw(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let order = signed::<Withdrawal>(&body)?;
    let claimed = order.read_unverified().map_err(|error| not_accepted(&error.to_string()))?;
    if institution_of(&caller) != Some(claimed.participant) {
        return Err(not_accepted("the order is of another participant").into());
    }
    let transfer = core.outside.request(&core.clearing, order).await.map_err(not_done)?;
    Ok(Json(shown(&transfer)).into_response())
}

async fn status(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let id: OutsideId = wire::read_text("id", &id)?;
    let found = look(&core.clearing, id).await.map_err(failed)?;
    // Another's transfer is not told apart from none.
    let own = |one: &Transfer| {
        caller.role() == Role::Operator || institution_of(&caller) == Some(one.participant)
    };
    let transfer = found.filter(own).ok_or_else(|| Problem::of(&problem::NOT_FOUND))?;
    Ok(Json(shown(&transfer)).into_response())
}

async fn open(State(core): Shared) -> Answer {
    let open = |state: &clearing::SettlementBook| {
        let wanted = |one: &&Transfer| {
            one.phase.is_driven()
                || matches!(one.phase, Phase::Stuck(_))
                || one.in_transit()
                || one.contradicted.is_some()
        };
        state.transfers().filter(wanted).map(shown).collect::<Vec<_>>()
    };
    let placed = core.clearing.books.settlement.look(open).await.map_err(failed)?;
    Ok(Json(placed.outcome).into_response())
}

async fn resolve(State(core): Shared, body: Bytes) -> Answer {
    let act = signed::<StuckAct>(&body)?;
    let transfer = core.outside.resolve(&core.clearing, act).await.map_err(not_done)?;
    Ok(Json(shown(&transfer)).into_response())
}

async fn figures(State(core): Shared) -> Response {
    ([("content-type", wire::TEXT)], core.outside.figures()).into_response()
}

/// A transfer for its participant and the operator; amounts as minor units in text.
fn shown(one: &Transfer) -> Value {
    let detail = match &one.phase {
        Phase::Held | Phase::SendIntended => String::new(),
        Phase::Sent(words) | Phase::InDoubt(words) | Phase::Stuck(words) => words.clone(),
        Phase::Confirmed(how) | Phase::Rejected(how) => evidence(how),
    };
    json!({
        "id": one.id.to_string(),
        "participant": one.participant.to_string(),
        "asset": one.amount.asset.to_string(),
        "minor": one.amount.minor.to_string(),
        "to": one.to.as_ref().map(|to| {
            json!({ "name": to.name, "account": to.account, "bic": to.bic })
        }),
        "payment": one.carries.as_ref().map(|carried| carried.payment.to_string()),
        "parties": one.carries.as_ref().map(|carried| carried.parties.to_string()),
        "reference": one.reference,
        "phase": one.phase.as_str(),
        "detail": detail,
        "position": one.at.number(),
        "changed_at": one.changed_at.to_string(),
        "rail": one.rail.map(|rail| rail.to_string()),
        "message_id": one.message_id(),
        "uetr": one.uetr().to_string(),
        "in_transit": if one.in_transit() { "yes" } else { "no" },
        "line": one.line,
        "returned": one.returned.as_ref().map(evidence),
        "contradicted": one.contradicted.as_ref().map(evidence),
    })
}

fn evidence(how: &OutsideEvidence) -> String {
    match how {
        OutsideEvidence::Message { kind, code, reason, message_id, .. } => {
            format!("{kind} {code} {reason} in `{message_id}`").replace("  ", " ")
        }
        OutsideEvidence::Line(line) => format!("booked line `{line}`"),
        OutsideEvidence::Act(act) => format!("a person's act `{act}`"),
        OutsideEvidence::NeverSent(words) => format!("never sent: {words}"),
        OutsideEvidence::Lapsed(words) => words.clone(),
    }
}

fn not_done(error: NotDone) -> Problem {
    match error {
        NotDone::NotAccepted(why) => not_accepted(&why),
        NotDone::Refused(rule) => {
            not_accepted(&rule.to_string()).mend(rule.name.for_people().to_owned())
        }
        NotDone::Failed(error) => failed(error),
    }
}
