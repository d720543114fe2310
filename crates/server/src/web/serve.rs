//! One request from its head to a signed answer.

use core::time::Duration;
use std::sync::Arc;

use api::{AnswerParts, Problem, RequestParts, problem, sign_answer};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use front::{Alive, BodyFault, read_body};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use seal::SigningKey;
use tokio::net::TcpListener;
use tower::Service;

use super::refuse::{AsIs, of_status, write};
use crate::system;

/// What strangers may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections, heads and bodies.
    pub front: front::Limits,
    /// Until the handler has an outcome.
    pub handler: Duration,
}

/// 256 connections of at most 1 MiB stay within 300 MiB; a head arrives in one or two packets;
/// ten seconds suffice for a slow line; handlers answer within a settlement's deadline.
pub const LIMITS: Limits = Limits {
    front: front::Limits {
        connections: 256,
        head: Duration::from_secs(10),
        body: Duration::from_secs(10),
        body_bytes: 1 << 20,
        head_bytes: 32 << 10,
        write: Duration::from_secs(15),
        drain: Duration::from_secs(10),
    },
    handler: Duration::from_secs(20),
};

/// What is served: routes, limits, and the key that signs the answers.
pub struct Site {
    /// The routes; [`serve`] adds the answers for unknown paths and methods.
    pub router: Router,
    /// The limits, usually [`LIMITS`].
    pub limits: Limits,
    /// Signs each complete answer, so that a client knows who spoke.
    pub signer: Option<Arc<SigningKey>>,
}

struct Shared {
    router: Router,
    limits: Limits,
    signer: Option<Arc<SigningKey>>,
}

/// Serves until `shutdown` ends; then no new connection, and started requests finish.
pub async fn serve(listener: TcpListener, site: Site, shutdown: impl Future<Output = ()>) {
    let router = site
        .router
        .fallback(async || write(Problem::of(&problem::NOT_FOUND)))
        .method_not_allowed_fallback(async || write(Problem::of(&problem::METHOD)));
    let limits = site.limits;
    let shared = Arc::new(Shared { router, limits, signer: site.signer });
    let answer = move |request, alive| answer(Arc::clone(&shared), request, alive);
    front::serve(listener, limits.front, answer, shutdown).await;
}

/// One request from head to signed answer.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>, alive: Alive) -> Response {
    let request_id = system::random::<8>().map(|id| seal::text::to_hex(&id)).unwrap_or_default();
    let (mut head, body) = request.into_parts();
    // Outside of `Host` there is one way to name the authority; two would be a way to confuse.
    if head.uri.authority().is_some() {
        head.headers.remove("host");
    }
    let response = match whole(body, &shared.limits.front).await {
        Ok(body) => handle(&shared, Request::from_parts(head.clone(), body), alive).await,
        Err(problem) => {
            let mut response = write(problem);
            // The rest of the body is still on its way: the connection cannot be used again.
            response.headers_mut().insert("connection", HeaderValue::from_static("close"));
            response
        }
    };
    tracing::info!(
        request_id,
        method = %head.method,
        path = head.uri.path(),
        status = response.status().as_u16(),
        "request"
    );
    complete(&shared, &head, response, &request_id).await
}

async fn whole(body: Incoming, limits: &front::Limits) -> Result<Bytes, Problem> {
    read_body(body, limits).await.map_err(|fault| match fault {
        BodyFault::TooLarge { limit } => Problem::of(&problem::TOO_LARGE)
            .expected(format!("at most {limit} bytes"))
            .mend("send less"),
        BodyFault::Late { within } => Problem::of(&problem::REQUEST_LATE)
            .expected(format!("the whole body within {within:?}")),
        BodyFault::Broken(reason) => Problem::of(&problem::BAD_REQUEST).detail(reason),
    })
}

/// Runs the handler in a task of its own: a client that hangs up does not cut it in the middle,
/// and its panic is one request's fault.
async fn handle(shared: &Arc<Shared>, request: Request<Bytes>, alive: Alive) -> Response {
    let mut router = shared.router.clone();
    let request = request.map(Body::from);
    let running = tokio::spawn(async move {
        let answered = router.call(request).await;
        drop(alive);
        answered
    });
    match tokio::time::timeout(shared.limits.handler, running).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_)) => write(Problem::of(&problem::FAULT).mend("ask before you send it again")),
        Err(_) => write(Problem::of(&problem::ANSWER_LATE).mend("ask before you send it again")),
    }
}

/// Adds the request id, turns bare errors into problems and signs what is complete.
async fn complete(
    shared: &Shared,
    head: &http::request::Parts,
    mut response: Response,
    request_id: &str,
) -> Response {
    let error = response.status().is_client_error() || response.status().is_server_error();
    if error && response.extensions().get::<AsIs>().is_none() {
        let status = response.status();
        let close = response.headers().contains_key("connection");
        let allow = response.headers().get("allow").cloned();
        let mut problem = match response.extensions_mut().remove::<Problem>() {
            Some(problem) => problem,
            None => of_bare(response).await,
        };
        problem.request_id = Some(request_id.to_owned());
        response = write(problem);
        *response.status_mut() = status;
        if let Some(allow) = allow {
            response.headers_mut().insert("allow", allow);
        }
        // Surely not begun: a moment later may do, and all callers at once would not help.
        if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status) {
            response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
        }
        if close {
            response.headers_mut().insert("connection", HeaderValue::from_static("close"));
        }
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    match &shared.signer {
        Some(signer) => sign(signer, head, response).await,
        None => response,
    }
}

/// A problem for an error that axum or a careless handler made, with its words.
async fn of_bare(response: Response) -> Problem {
    let problem = of_status(response.status());
    let known = response.body().size_hint().upper().is_some_and(|bytes| bytes <= 4096);
    let bytes = if known { response.into_body().collect().await.ok() } else { None };
    match bytes.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()) {
        Some(text) if !text.is_empty() => problem.detail(text),
        _ => problem,
    }
}

/// Signs an answer whose length is known; a stream goes out unsigned.
async fn sign(signer: &SigningKey, head: &http::request::Parts, response: Response) -> Response {
    if response.body().size_hint().exact().is_none() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return write(Problem::of(&problem::FAULT));
    };
    let text = |map: &HeaderMap, name: &str| {
        map.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let (host, kind) = (text(&head.headers, "host"), text(&parts.headers, "content-type"));
    let (asked_kind, asked_signature) =
        (text(&head.headers, "content-type"), text(&head.headers, "signature"));
    let described = AnswerParts {
        status: parts.status.as_u16(),
        content_type: kind.as_deref(),
        request: request_parts(head, host.as_deref().unwrap_or_default(), asked_kind.as_deref()),
        request_signature: asked_signature.as_deref(),
    };
    // What cannot be signed (a target with odd bytes) goes out unsigned: the client sees it.
    if let Ok(headers) = sign_answer(&described, &body, signer, system::now()) {
        headers.write(&mut parts.headers);
    }
    Response::from_parts(parts, Body::from(body))
}

/// A request as its signature describes it.
pub(super) fn request_parts<'a>(
    head: &'a http::request::Parts,
    host: &'a str,
    content_type: Option<&'a str>,
) -> RequestParts<'a> {
    RequestParts {
        method: head.method.as_str(),
        authority: host,
        path: head.uri.path(),
        query: head.uri.query(),
        content_type,
    }
}
