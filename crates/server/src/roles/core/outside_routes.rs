//! The operator's routes about money outside: statements, reconciliation, open lines, day close.

use std::sync::Arc;

use api::{Caller, Problem, problem, wire};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use clearing::Rule;
use clearing::settlement::funding::{FundingWork, ResolutionWish};
use record::LineId;
use serde::{Deserialize, Serialize};
use seal::Digest;
use serde_json::Value;

use super::books::Failed;
use super::outside::{self, NoVerdict};
use super::routes::{Core, failed};
use crate::web::Refuse;

type Shared = State<Arc<Core>>;
type Answer = Result<Response, Refuse>;

/// All of them; the caller guards them.
pub fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/v1/outside-statements", post(statement))
        .route("/v1/outside-accounts", get(overview))
        .route("/v1/outside-lines/{line}/resolution", post(resolution))
        .route("/v1/reconciliations", post(reconciliation))
}

async fn statement(State(core): Shared, body: Bytes) -> Answer {
    // A task of its own: a client that goes away does not leave a file half counted.
    let taken = tokio::spawn(async move {
        outside::take(&core.clearing, &core.statements, &body).await
    });
    told(taken.await.unwrap_or(Err(NoVerdict::Failed(Failed::Unknown))))
}

async fn overview(State(core): Shared) -> Answer {
    told(outside::overview(&core.clearing).await)
}

async fn reconciliation(State(core): Shared, body: Bytes) -> Answer {
    told(outside::reconcile(&core.clearing, &body).await)
}

/// What a person says about an open line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolutionRequest {
    /// `release`, `return` or `charge`.
    pub act: String,
    /// Whom to credit or charge.
    pub participant: Option<String>,
    /// Why.
    pub reason: String,
}

async fn resolution(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    Path(line): Path<String>,
    body: Bytes,
) -> Answer {
    let line: Digest = wire::read_text("line", &line)?;
    let asked: ResolutionRequest = serde_json::from_slice(&body).map_err(|error| {
        Problem::of(&problem::BAD_JSON)
            .detail(error.to_string())
            .expected("`act`, `participant` and `reason`")
    })?;
    let whom = || -> Result<_, Problem> {
        let name = asked.participant.clone().unwrap_or_default();
        wire::read_text("participant", &name)
    };
    let wish = match asked.act.as_str() {
        "release" => ResolutionWish::Release(whom()?),
        "return" => ResolutionWish::Return,
        "charge" => ResolutionWish::Charge(whom()?),
        other => {
            return Err(Problem::of(&problem::BAD_JSON)
                .detail("the act is unknown")
                .expected("`release`, `return` or `charge`")
                .got(other)
                .into());
        }
    };
    let by = caller.name().to_owned();
    let work = FundingWork::Resolve { line: LineId(line), wish, by, reason: asked.reason };
    told(outside::resolve(&core.clearing, work).await)
}

pub(super) fn told(outcome: Result<Value, NoVerdict>) -> Answer {
    match outcome {
        Ok(value) => Ok(Json(value).into_response()),
        Err(NoVerdict::Refused(rule)) => Err(refused(&rule).into()),
        Err(NoVerdict::NotKept(error)) => {
            tracing::error!(%error, "a file could not be kept");
            Err(Problem::of(&problem::FAULT).detail("the file could not be kept").into())
        }
        Err(NoVerdict::Failed(error)) => Err(failed(error).into()),
    }
}

fn refused(rule: &Rule) -> Problem {
    Problem::of(&STATEMENT_REFUSED)
        .detail(format!("{}: {}", rule.name, rule.detail))
        .mend(rule.name.for_people())
}

/// A statement or an act on one that a rule refuses; nothing was booked.
const STATEMENT_REFUSED: api::Kind = api::Kind {
    code: "statement-refused",
    status: 422,
    title: "read, and refused; nothing was booked",
};
