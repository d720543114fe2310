//! `/health`: the process runs. `/ready`: it can do its work.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use api::{Problem, problem};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::Refuse;

/// Whether the role can do its work, and if not, why.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<RwLock<Waiting>>);

#[derive(Debug)]
struct Waiting {
    reason: Option<String>,
    /// What a ready role waits for beside its work, by topic.
    waiting: BTreeMap<String, String>,
}

impl Readiness {
    /// Not ready yet, because of `reason`.
    #[must_use]
    pub fn waiting(reason: &str) -> Self {
        let state = Waiting { reason: Some(reason.to_owned()), waiting: BTreeMap::new() };
        Self(Arc::new(RwLock::new(state)))
    }

    /// From now on ready.
    pub fn ready(&self) {
        self.write().reason = None;
    }

    /// From now on not ready, because of `reason`.
    pub fn not_ready(&self, reason: &str) {
        self.write().reason = Some(reason.to_owned());
    }

    /// From now on the role, ready or not, waits for something beside: `reason` says for what.
    pub fn waits_for(&self, topic: &str, reason: &str) {
        self.write().waiting.insert(topic.to_owned(), reason.to_owned());
    }

    /// It does not wait for this any more.
    pub fn waits_no_more_for(&self, topic: &str) {
        self.write().waiting.remove(topic);
    }

    /// What it waits for beside its work.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<String> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.waiting.values().cloned().collect()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Waiting> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why not, if not.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).reason.clone()
    }
}

/// `GET /health` and `GET /ready`, open to everybody; neither tells more than a word or a reason.
pub fn health_routes(readiness: Readiness) -> Router {
    Router::new()
        .route("/health", get(async || Json(serde_json::json!({"status": "up"}))))
        .route("/ready", get(ready))
        .with_state(readiness)
}

async fn ready(State(readiness): State<Readiness>) -> Result<Json<serde_json::Value>, Refuse> {
    match readiness.reason() {
        None => {
            let waiting = readiness.waiting_for();
            Ok(Json(if waiting.is_empty() {
                serde_json::json!({"status": "ready"})
            } else {
                serde_json::json!({"status": "ready", "waiting": waiting})
            }))
        }
        Some(reason) => Err(Refuse::from(Problem::of(&problem::NOT_READY).detail(reason))),
    }
}

/// Lets requests through only while the role can do its work; before, `503` says what it waits
/// for, and nothing has begun.
pub fn when_ready(readiness: &Readiness, router: Router) -> Router {
    let readiness = readiness.clone();
    router.layer(axum::middleware::from_fn_with_state(readiness, only_when_ready))
}

async fn only_when_ready(
    State(readiness): State<Readiness>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Result<axum::response::Response, Refuse> {
    match readiness.reason() {
        None => Ok(next.run(request).await),
        Some(reason) => Err(Refuse::from(Problem::of(&problem::NOT_READY).detail(reason))),
    }
}
