//! Who may call which route: 401 for nobody we know, 403 for the wrong role.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use api::signature::single;
use api::{
    Acceptance, Caller, Callers, Problem, Rejection, ReplayCache, Role, SignatureHeaders,
    verify_request,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::refuse::Refuse;
use super::serve::request_parts;
use crate::system;

/// Checks signatures against the table of callers. One per role process: it holds the nonces.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    callers: Callers,
    audience: BTreeSet<String>,
    replay: Mutex<ReplayCache>,
}

#[derive(Clone)]
struct Guarded {
    gate: Gate,
    allowed: &'static [Role],
}

impl Gate {
    /// A gate for `callers`, served at `audience` (`host:port`, as clients write it).
    #[must_use]
    pub fn new(callers: Callers, audience: BTreeSet<String>) -> Self {
        let replay = Mutex::new(ReplayCache::starting(system::now()));
        Self(Arc::new(Inner { callers, audience, replay }))
    }

    /// Lets only these roles through to the routes of `router`; the handler may ask for
    /// `Extension<Caller>`.
    pub fn only(&self, allowed: &'static [Role], router: Router) -> Router {
        let guarded = Guarded { gate: self.clone(), allowed };
        router.route_layer(from_fn_with_state(guarded, check))
    }

    fn caller(&self, parts: &http::request::Parts, body: &[u8]) -> Result<Caller, Rejection> {
        let content_type = single(&parts.headers, "content-type")?;
        let host = single(&parts.headers, "host")?.unwrap_or_default();
        let signed = SignatureHeaders::read(&parts.headers)?;
        let acceptance =
            Acceptance { callers: &self.0.callers, audience: &self.0.audience, now: system::now() };
        let mut replay = self.0.replay.lock().unwrap_or_else(PoisonError::into_inner);
        let described = request_parts(parts, &host, content_type.as_deref());
        verify_request(&described, &signed, body, &acceptance, &mut replay)
    }
}

async fn check(State(guarded): State<Guarded>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // `serve` has read the body whole, within the site's limit: nothing is waited for here.
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return Refuse::from(Problem::of(&api::problem::FAULT)).into_response();
    };
    let caller = match guarded.gate.caller(&parts, &body) {
        Ok(caller) => caller,
        Err(rejection) => {
            tracing::info!(path = parts.uri.path(), %rejection, "caller refused");
            return Refuse::from(Problem::from(rejection)).into_response();
        }
    };
    if !guarded.allowed.contains(&caller.role()) {
        let allowed: Vec<&str> = guarded.allowed.iter().map(|role| role.as_str()).collect();
        let role = caller.role().as_str();
        let problem = api::problem::wrong_role(caller.key_id(), role, &allowed.join(" or "));
        return Refuse::from(problem).into_response();
    }
    parts.extensions.insert(caller);
    next.run(Request::from_parts(parts, Body::from(body))).await
}
