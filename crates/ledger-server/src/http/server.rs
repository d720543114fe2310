//! Accepting connections within limits, on threads of their own, until told to stop.

use core::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tower::Service;

use super::problem::{BAD_REQUEST, LATE, MEDIA_TYPE, Problem, REQUEST_LATE, TOO_LARGE};
use super::{App, Interface, amounts, routes};

/// Threads that read requests and write replies.
const WORKERS: usize = 2;

/// What strangers may cost. Memory is bounded by `connections × (body_bytes + head_bytes)`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; more wait in the system's queue.
    pub connections: usize,
    /// Until the head of a request is complete, idle time between two requests included.
    pub head: Duration,
    /// Until its body is complete.
    pub body: Duration,
    /// Until its outcome is known; after that it is told to be unknown.
    pub outcome: Duration,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Bytes of a head.
    pub head_bytes: usize,
    /// Until the last request is done after stopping began.
    pub drain: Duration,
}

/// A thousand transactions fit a body four times; 512 connections stay within 600 MiB.
pub const LIMITS: Limits = Limits {
    connections: 512,
    head: Duration::from_secs(60),
    body: Duration::from_secs(10),
    outcome: Duration::from_secs(20),
    body_bytes: 1 << 20,
    head_bytes: 16 << 10,
    drain: Duration::from_secs(5),
};

/// Why HTTP is not served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Keys and amounts would travel in the clear.
    #[error("`{0}` is not on loopback, and HTTP here has no TLS: put a proxy with TLS before it")]
    NotLoopback(SocketAddr),
    /// The address is taken, or not ours.
    #[error("could not listen for HTTP on `{address}`: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No threads.
    #[error("the threads of HTTP cannot be started: {0}")]
    Thread(io::Error),
}

/// HTTP being served. Dropping it stops it, too.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, waits for those underway within [`Limits::drain`], and ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Listens on `address` (port 0 chooses one), which must be on loopback, and serves.
///
/// # Errors
/// [`HttpError`].
pub fn start(address: SocketAddr, interface: Interface) -> Result<HttpServer, HttpError> {
    if !address.ip().to_canonical().is_loopback() {
        return Err(HttpError::NotLoopback(address));
    }
    let failed = |source| HttpError::Listen { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(WORKERS).thread_name("http").enable_all();
    let runtime = builder.build().map_err(HttpError::Thread)?;
    let (stop, stopped) = oneshot::channel();
    let app = Arc::new(App { interface, assets: amounts::Assets::default() });
    let run = move || {
        runtime.block_on(async {
            // Bound above; only a runtime without I/O would refuse it.
            match TcpListener::from_std(listener) {
                Ok(listener) => serve(listener, routes::router(app), stopped).await,
                Err(error) => tracing::error!(%error, "HTTP is not served"),
            }
        });
    };
    let thread = std::thread::Builder::new().name("http-accept".into()).spawn(run);
    let thread = Some(thread.map_err(HttpError::Thread)?);
    Ok(HttpServer { address, stop: Some(stop), thread })
}

async fn serve(listener: TcpListener, router: Router, mut stopped: oneshot::Receiver<()>) {
    let places = Arc::new(Semaphore::new(LIMITS.connections));
    let (stop, watching) = watch::channel(());
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            accepted = accept(&listener, &places) => accepted,
        };
        if let Some((stream, place)) = accepted {
            tokio::spawn(connection(stream, router.clone(), watching.clone(), place));
        }
    }
    drop(listener);
    drop(watching);
    // Each connection holds a receiver: `closed` is when all are gone.
    let _ = stop.send(());
    if tokio::time::timeout(LIMITS.drain, stop.closed()).await.is_err() {
        tracing::warn!("requests still ran when the time to drain ended");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            // Out of file handles, most likely: waiting is the only mend.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    mut stopped: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let router = router.clone();
        async move { Ok::<_, Infallible>(answer(router, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(LIMITS.head)
        .max_buf_size(LIMITS.head_bytes)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = core::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// One request: its body whole and within size and time, then its outcome.
async fn answer(mut router: Router, request: Request<Incoming>) -> Response {
    let (head, body) = request.into_parts();
    let body = match whole(&head, body).await {
        Ok(body) => body,
        Err(problem) => {
            let mut response = problem.into_response();
            // The rest of the body is still on its way: the connection cannot be used again.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
            return response;
        }
    };
    let request = Request::from_parts(head, Body::from(body));
    let mut response = match tokio::time::timeout(LIMITS.outcome, router.call(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => Problem::of(&LATE)
            .mend("ask by id, or send the same bytes again: an id is done once")
            .into_response(),
    };
    // An error of the framework's own, such as a path that is not UTF-8.
    let known = response.headers().contains_key(header::CONTENT_TYPE);
    if response.status() == StatusCode::BAD_REQUEST && !known {
        response = Problem::of(&BAD_REQUEST).into_response();
    }
    // What may be kept says so itself: full tiles of the log, which never change.
    let uncached = HeaderValue::from_static("no-store");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(uncached);
    response
}

async fn whole(head: &http::request::Parts, body: Incoming) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let too_large = || {
        let expected = format!("at most {} bytes", LIMITS.body_bytes);
        Problem::of(&TOO_LARGE).expected(expected).mend("send less at once")
    };
    if body.size_hint().lower() > u64::try_from(LIMITS.body_bytes).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let kind = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let plain = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    if head.method != Method::GET && !plain.eq_ignore_ascii_case(b"application/json") {
        let got = String::from_utf8_lossy(kind).into_owned();
        return Err(Problem::of(&MEDIA_TYPE).expected("application/json").got(got));
    }
    match tokio::time::timeout(LIMITS.body, Limited::new(body, LIMITS.body_bytes).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Problem::of(&BAD_REQUEST).detail(error.to_string())),
        Err(_) => {
            Err(Problem::of(&REQUEST_LATE)
                .expected(format!("the whole body within {:?}", LIMITS.body)))
        }
    }
}
