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
use seal::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use terms::BusinessDate;

use super::books::Failed;
use super::day;
use super::outside::{self, NoVerdict, StatementFolder};
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
        .route("/v1/day-closes", post(close))
        .route("/v1/day-closes/{date}/{name}", get(day_file))
}

async fn statement(State(core): Shared, body: Bytes) -> Answer {
    // A task of its own: a client that goes away does not leave a file half counted.
    let taken = tokio::spawn(async move {
        let folder = StatementFolder::below(&core.dir);
        outside::take(&core.clearing, &folder, &body).await
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

/// Which day to close.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseRequest {
    /// `YYYY-MM-DD`; absent: the day that runs.
    pub date: Option<String>,
}

async fn close(State(core): Shared, body: Bytes) -> Answer {
    let asked: CloseRequest = serde_json::from_slice(&body).map_err(|error| {
        Problem::of(&problem::BAD_JSON).detail(error.to_string()).expected("`date`, or null")
    })?;
    let date = asked.date.map(|date| wire::read_text("date", &date)).transpose()?;
    let closed = tokio::spawn(async move { day::close(&core.clearing, &core.dir, date).await });
    told(closed.await.unwrap_or(Err(NoVerdict::Failed(Failed::Unknown))))
}

/// A file of a close, as JSON: every answer of the core but the log's is.
async fn day_file(State(core): Shared, Path((date, name)): Path<(String, String)>) -> Answer {
    let date: BusinessDate = wire::read_text("date", &date)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let unknown = || Problem::of(&problem::NOT_FOUND);
    if name.starts_with('.') || !name.chars().all(plain) {
        return Err(unknown().into());
    }
    let path = day::folder(&core.dir, date).join(&name);
    let text = std::fs::read_to_string(&path).map_err(|_| unknown())?;
    if text.len() > DAY_FILE_BYTES_MAX {
        let detail =
            format!("{} bytes: take it from `days/{date}` in the core's folder", text.len());
        return Err(Problem::of(&problem::REFUSED).detail(detail).into());
    }
    Ok(Json(serde_json::json!({ "text": text })).into_response())
}

/// What an answer carries of a file, with room for the escapes of JSON: clients take 4 MiB.
const DAY_FILE_BYTES_MAX: usize = 3 << 20;

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
