//! Requests and their outcomes, on threads of their own, until told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use front::{BodyFault, Connection, read_body};
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use terms::BookName;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::Service;

use super::problem::{BAD_REQUEST, LATE, MEDIA_TYPE, Problem, REQUEST_LATE, TOO_LARGE};
use super::shares::{Shares, Slot};
use super::{App, Interface, amounts, books};

/// Threads that read requests and write replies.
const WORKERS: usize = 2;

/// A thousand transactions fit a body four times; 512 connections stay within 600 MiB.
pub const LIMITS: front::Limits = front::Limits {
    connections: 512,
    head: Duration::from_secs(60),
    body: Duration::from_secs(10),
    body_bytes: 1 << 20,
    head_bytes: 16 << 10,
    drain: Duration::from_secs(5),
    write: Duration::from_secs(15),
};

/// Until an outcome is known; after that it is told to be unknown.
pub const OUTCOME_WITHIN: Duration = Duration::from_secs(20);

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

/// Listens on `address` (port 0 chooses one), which must be on loopback, and serves these books;
/// one without an interface is told to be unavailable.
///
/// # Errors
/// [`HttpError`].
pub fn start(
    address: SocketAddr,
    books: Vec<(BookName, Option<Interface>)>,
) -> Result<HttpServer, HttpError> {
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
    let shares = Shares::default();
    let app = |(number, (name, interface)): (usize, (BookName, Option<Interface>))| {
        let (assets, shares) = (amounts::Assets::default(), shares.of_book(number));
        (name, interface.map(|interface| Arc::new(App { interface, assets, shares })))
    };
    let router = books::router(books.into_iter().enumerate().map(app).collect());
    let run = move || {
        runtime.block_on(async {
            // Bound above; only a runtime without I/O would refuse it.
            match TcpListener::from_std(listener) {
                Ok(listener) => serve(listener, router, stopped).await,
                Err(error) => tracing::error!(%error, "HTTP is not served"),
            }
        });
    };
    let thread = std::thread::Builder::new().name("http-accept".into()).spawn(run);
    let thread = Some(thread.map_err(HttpError::Thread)?);
    Ok(HttpServer { address, stop: Some(stop), thread })
}

async fn serve(listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let answer = move |request, _| answer(router.clone(), request);
    front::serve(listener, LIMITS, answer, async { drop(stopped.await) }).await;
}

/// One request: its body whole and within size and time, then its outcome.
async fn answer(mut router: Router, request: Request<Incoming>) -> Response {
    let (mut head, body) = request.into_parts();
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
    let slot = Slot::default();
    head.extensions.insert(slot.clone());
    let request = Request::from_parts(head, Body::from(body));
    let mut response = match tokio::time::timeout(OUTCOME_WITHIN, router.call(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => Problem::of(&LATE)
            .mend("ask by id, or send the same bytes again: an id is done once")
            .into_response(),
    };
    drop(slot);
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
    // Nothing of it is under way yet: while others wait, its place is theirs.
    let arriving = head.extensions.get::<Connection>().map(Connection::arriving);
    let read = read_body(body, &LIMITS).await;
    drop(arriving);
    let body = read.map_err(|fault| match fault {
        BodyFault::TooLarge { limit } => Problem::of(&TOO_LARGE)
            .expected(format!("at most {limit} bytes"))
            .mend("send less at once"),
        BodyFault::Late { within } => {
            Problem::of(&REQUEST_LATE).expected(format!("the whole body within {within:?}"))
        }
        BodyFault::Broken(reason) => Problem::of(&BAD_REQUEST).detail(reason),
    })?;
    let kind = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let plain = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let json = plain.eq_ignore_ascii_case(b"application/json");
    if !body.is_empty() && head.method != Method::GET && !json {
        let got = String::from_utf8_lossy(kind).into_owned();
        return Err(Problem::of(&MEDIA_TYPE).expected("application/json").got(got));
    }
    Ok(body)
}
