//! Recovery drills: reports recorded, which drills are due, and the file that proves one.

use std::sync::Arc;
use std::time::Duration;

use api::{Caller, Problem, Role, problem, wire};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use clearing::{SettlementBook, SettlementWork};
use record::settlement::{CERTIFICATE_FIELD, DRILL_RECORDED};
use record::{DrillReport, RecoveryFile};
use serde::{Deserialize, Serialize};
use terms::{Instant, Position};

use super::admin;
use super::books::Failed;
use super::receipts;
use super::routes::{self, Core};
use crate::system;
use crate::web::{Gate, Refuse};

type Shared = State<Arc<Core>>;
type Answer = Result<Response, Refuse>;

/// The operator's key that signs reports, in its descriptor.
pub const REPORT_KEY: &str = "report";
const SECONDS_A_DAY: u64 = 86_400;
/// Who may know how the system stands drills: whoever answers for it.
const READING: &[Role] = &[Role::Operator, Role::Supervisor, Role::Witness];

/// A drill that must be run again and again: one that is overdue is an open duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillDuty {
    /// A name of the catalogue: `wayleave drill list`.
    pub name: String,
    /// Days after which it is overdue.
    pub every_days: u32,
}

/// What `GET /v1/drills` says of one drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStanding {
    /// Its name.
    pub name: String,
    /// Whether it has to be run now.
    pub overdue: bool,
    /// Days after which it is due again, where the configuration asks for it.
    pub every_days: Option<u32>,
    /// Position of its newest report.
    pub position: Option<u64>,
    /// When that was recorded.
    pub recorded_at: Option<String>,
    /// Whether what was expected happened.
    pub held: Option<bool>,
}

/// The routes: the operator records, the operator and supervisors read.
pub fn routes(core: &Arc<Core>, gate: &Gate) -> Router {
    let operator = Router::new().route("/v1/drills", post(record));
    let readers = Router::new()
        .route("/v1/drills", get(standing))
        .route("/v1/drills/{position}/{from}", get(file));
    Router::new()
        .merge(gate.only(&[Role::Operator], operator.with_state(Arc::clone(core))))
        .merge(gate.only(READING, readers.with_state(Arc::clone(core))))
}

/// Records a report that the operator signed, and says where it stands.
async fn record(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let signed = routes::signed::<DrillReport>(&body)?;
    let refused = |why: String| Refuse::from(routes::not_accepted(&why));
    let operators = core.config.common.peers_of(Role::Operator);
    let mut keys = operators.filter_map(|operator| operator.key(REPORT_KEY));
    let key = keys.find(|key| key.key_id() == signed.key());
    let key = key.ok_or_else(|| refused("no operator's key signed this report".into()))?;
    let report = signed.verify(&key).map_err(|error| refused(error.to_string()))?;
    tracing::info!(drill = %report.drill, verdict = %report.verdict, by = caller.name(), "a drill");
    let work = SettlementWork::RecordDrill(Box::new(signed));
    admin::submit(&core.clearing, work).await.map_err(routes::not_done)?;
    let name = report.drill.clone();
    let look = move |book: &SettlementBook| {
        book.drills().last().find(|(known, _)| *known == name).map(|(_, run)| run.position)
    };
    let at = core.clearing.books.settlement.look(look).await.map_err(routes::failed)?.outcome;
    let at = at.ok_or_else(|| Problem::of(&problem::FAULT))?;
    Ok(Json(serde_json::json!({ "position": at.number() })).into_response())
}

async fn standing(State(core): Shared) -> Answer {
    let duties = core.config.drills.clone();
    let now = system::now();
    let look = move |book: &SettlementBook| all(&duties, book, now);
    let all = core.clearing.books.settlement.look(look).await.map_err(routes::failed)?.outcome;
    Ok(Json(all).into_response())
}

/// Every drill that is asked for, then every other one that was ever run.
fn all(duties: &[DrillDuty], book: &SettlementBook, now: Instant) -> Vec<DrillStanding> {
    let drills = book.drills();
    let of = |name: &str, duty: Option<&DrillDuty>| {
        let run = drills.last().find(|(known, _)| *known == name).map(|(_, run)| *run);
        let every = |duty: &DrillDuty| {
            Duration::from_secs(u64::from(duty.every_days).saturating_mul(SECONDS_A_DAY))
        };
        DrillStanding {
            name: name.to_owned(),
            overdue: duty.is_some_and(|duty| drills.overdue(name, every(duty), now)),
            every_days: duty.map(|duty| duty.every_days),
            position: run.map(|run| run.position.number()),
            recorded_at: run.map(|run| run.recorded_at.to_string()),
            held: run.map(|run| run.held),
        }
    };
    let asked = duties.iter().map(|duty| of(&duty.name, Some(duty)));
    let others = drills
        .last()
        .filter(|(name, _)| duties.iter().all(|duty| duty.name != *name))
        .map(|(name, _)| of(name, None));
    asked.chain(others).collect()
}

/// The recovery file of a report: its receipt, and that the log only grew since a checkpoint of
/// size `from`, which the reader has and puts in.
async fn file(State(core): Shared, Path((position, from)): Path<(u64, u64)>) -> Answer {
    let position = Position::new(position);
    let fact = core.clearing.facts.fact(position).await.map_err(routes::failed)?;
    if fact.kind != DRILL_RECORDED {
        return Err(Problem::of(&problem::NOT_FOUND).into());
    }
    let fields = [0, 1, CERTIFICATE_FIELD];
    let receipt = receipts::make(&core.clearing, &core.published, position, &fact, &fields).await;
    let receipt = receipt.map_err(routes::no_receipt)?;
    let fault = |why: String| Refuse::from(routes::failed(Failed::NotDone(why)));
    let read = evidence::receipt::inspect(&receipt).map_err(|error| fault(error.to_string()))?;
    let size = read.proof().checkpoint.head().size;
    let consistency = match from {
        0 => Vec::new(),
        from => {
            let proved = core.published.log().consistency(from, size);
            proved.map_err(|error| routes::not_accepted(&error.to_string()))?
        }
    };
    let file = RecoveryFile {
        layout: 1,
        receipt: receipt.into(),
        checkpoint_before: Vec::new().into(),
        consistency,
    };
    Ok(([("content-type", wire::CBOR)], seal::to_canonical(&file)).into_response())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clearing::settlement::SettlementConfig;

    use super::*;

    #[test]
    fn a_drill_that_was_never_run_is_overdue() {
        let book = SettlementBook::new(SettlementConfig {
            environment: "sandbox".parse().unwrap(),
            book: "settlement".parse().unwrap(),
            operator: "op".parse().unwrap(),
            roots: BTreeMap::new(),
        });
        let duty = DrillDuty { name: "core-kill".into(), every_days: 7 };
        let standing = all(&[duty], &book, Instant::from_seconds(1));
        let [one] = standing.as_slice() else { panic!("{standing:?}") };
        assert!(one.overdue);
        assert_eq!((one.every_days, one.position, one.held), (Some(7), None, None));
    }
}
