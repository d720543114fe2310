//! Sending: connect to a checked address, sign, wait within a deadline, read within a cap.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use api::signature::single;
use api::{
    AnswerParts, Nonce, Problem, RequestParts, SignatureHeaders, sign_request, verify_answer,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use seal::{PublicKey, SigningKey};
use tokio::net::TcpStream;

use crate::answer::{Answer, NotDone, Outcome, Unknown};
use crate::guard::{AddressGuard, Forbidden};
use crate::system;

/// What one request may cost.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Until a connection stands. A failure here is surely *not done*.
    pub connect: Duration,
    /// Until the whole answer is read, connecting included.
    pub deadline: Duration,
    /// Bytes of an answer.
    pub answer_bytes: usize,
    /// Idle connections kept per peer.
    pub idle_per_peer: usize,
}

/// Between machines of one settlement: a connection in two seconds, an answer in ten; 4 MiB hold
/// the largest document with its proofs; eight idle connections carry a busy pair of roles.
pub const CLIENT_LIMITS: ClientLimits = ClientLimits {
    connect: Duration::from_secs(2),
    deadline: Duration::from_secs(10),
    answer_bytes: 4 << 20,
    idle_per_peer: 8,
};

impl Default for ClientLimits {
    fn default() -> Self {
        CLIENT_LIMITS
    }
}

/// A server to call: `http://host:port`, and the key that its answers must be signed with.
///
/// Several URLs, with blanks between them, are one server that may be at either: an active one and
/// those that stand by. Whoever surely did not begin is passed over, and remembered.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Whose turn it is, or was when this copy was made.
    authority: String,
    /// All places, in the order given.
    places: Arc<[String]>,
    key: Option<PublicKey>,
}

/// A URL that cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// No URL of a server.
    #[error("expected `http://host:port` without a path, got `{got}`")]
    NotABase {
        /// The URL, cut to 64 characters.
        got: String,
    },
    /// TLS is not built in yet.
    #[error("`https` is not supported yet, got `{got}`: put the roles behind a local proxy")]
    Https {
        /// The URL, cut to 64 characters.
        got: String,
    },
}

impl Peer {
    /// A peer whose answers need no signature: only for what is verified by itself.
    pub fn unverified(url: &str) -> Result<Self, PeerError> {
        let places = url
            .split_ascii_whitespace()
            .take(PLACES_MAX)
            .map(authority_of)
            .collect::<Result<Arc<[String]>, PeerError>>()?;
        let first = places.first().cloned();
        let authority = first.ok_or_else(|| PeerError::NotABase { got: String::new() })?;
        Ok(Self { authority, places, key: None })
    }

    /// A peer whose every answer must be signed with `key`; any other answer is *unknown*.
    pub fn signing(url: &str, key: PublicKey) -> Result<Self, PeerError> {
        Self::unverified(url).map(|peer| Self { key: Some(key), ..peer })
    }

    /// Host and port; of several, the first.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// A guard that lets exactly this peer through, at each of its places, on loopback too.
    #[must_use]
    pub fn guard(&self) -> AddressGuard {
        self.places.iter().fold(AddressGuard::public_only(), |guard, place| guard.allow(place))
    }

    /// The same peer at one of its places.
    fn at(&self, turn: usize) -> Self {
        let at = turn.checked_rem(self.places.len()).unwrap_or_default();
        let authority = self.places.get(at).unwrap_or(&self.authority).clone();
        Self { authority, ..self.clone() }
    }
}

/// Which place of a peer is asked first: the one that last answered. A peer is made anew for each
/// request in places, so the client remembers.
#[derive(Default)]
struct Places(Mutex<BTreeMap<Arc<[String]>, usize>>);

impl Places {
    fn turn(&self, peer: &Peer) -> usize {
        let turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.get(&peer.places).copied().unwrap_or_default()
    }

    /// Passes over the place of that turn, unless somebody did meanwhile.
    fn pass_over(&self, peer: &Peer, turn: usize) {
        if peer.places.len() > 1 {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = turns.entry(Arc::clone(&peer.places)).or_default();
            if *now == turn {
                *now = turn.wrapping_add(1);
            }
        }
    }
}

fn authority_of(url: &str) -> Result<String, PeerError> {
    let got = || url.chars().take(64).collect::<String>();
    if url.starts_with("https://") {
        return Err(PeerError::Https { got: got() });
    }
    let authority = url.strip_prefix("http://").unwrap_or_default();
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let authority = authority.strip_suffix(":80").unwrap_or(authority).to_ascii_lowercase();
    let parsed: Option<http::uri::Authority> = authority.parse().ok();
    let plain = parsed.is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
    if plain { Ok(authority) } else { Err(PeerError::NotABase { got: got() }) }
}

/// A request to send.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// `GET`, `POST` …
    pub method: &'a str,
    /// Path and query, as in `/orders?side=a`.
    pub target: &'a str,
    /// Media type and bytes; an empty body is no body.
    pub body: Option<(&'a str, Bytes)>,
    /// A bearer token (RFC 6750), where a protocol of others asks for one. No signature covers it.
    pub bearer: Option<&'a str>,
}

impl<'a> Outgoing<'a> {
    /// A `GET`.
    #[must_use]
    pub const fn get(target: &'a str) -> Self {
        Self { method: "GET", target, body: None, bearer: None }
    }

    /// A `POST` of a body.
    #[must_use]
    pub fn post(target: &'a str, media_type: &'a str, body: impl Into<Bytes>) -> Self {
        Self { method: "POST", target, body: Some((media_type, body.into())), bearer: None }
    }

    /// The same with a bearer token.
    #[must_use]
    pub const fn with_bearer(mut self, token: &'a str) -> Self {
        self.bearer = Some(token);
        self
    }
}

/// The client of one role: its pool of connections and its guard. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pool: Pool<Connector, Full<Bytes>>,
    limits: ClientLimits,
    places: Arc<Places>,
}

impl Client {
    /// A client. Call within a tokio runtime.
    #[must_use]
    pub fn new(guard: AddressGuard, limits: ClientLimits) -> Self {
        let connector = Connector { guard: Arc::new(guard), timeout: limits.connect };
        let pool = Pool::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS))
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(limits.idle_per_peer)
            .build(connector);
        Self { pool, limits, places: Arc::default() }
    }

    /// Sends a request signed with `key` and waits for its end. Never retries what was sent; a
    /// peer with several places is asked at the next one when surely nothing was done.
    pub async fn send(&self, peer: &Peer, request: Outgoing<'_>, key: &SigningKey) -> Outcome {
        self.at_places(peer, request, Manner::Signed(key)).await
    }

    /// Sends a request without saying who asks: for what is public.
    pub async fn send_unsigned(&self, peer: &Peer, request: Outgoing<'_>) -> Outcome {
        self.at_places(peer, request, Manner::Open).await
    }

    /// Sends an unsigned request of a protocol that gives its own meaning to every status: each
    /// complete answer is [`Outcome::Answer`], whatever its status says.
    pub async fn send_foreign(&self, peer: &Peer, request: Outgoing<'_>) -> Outcome {
        self.at_places(peer, request, Manner::Foreign).await
    }

    pub(crate) const fn limits(&self) -> &ClientLimits {
        &self.limits
    }

    async fn at_places(&self, peer: &Peer, request: Outgoing<'_>, manner: Manner<'_>) -> Outcome {
        let mut left = peer.places.len();
        loop {
            let turn = self.places.turn(peer);
            let one = peer.at(turn);
            let outcome = match manner {
                Manner::Signed(key) => self.end(&one, request.clone(), Some(key)).await,
                Manner::Open => self.end(&one, request.clone(), None).await,
                Manner::Foreign => self.foreign(&one, &request).await,
            };
            let outcome = outcome.unwrap_or_else(|outcome| outcome);
            left = left.saturating_sub(1);
            match &outcome {
                Outcome::NotDone(NotDone::NoConnection { .. } | NotDone::NotBegun { .. }) => {
                    self.places.pass_over(peer, turn);
                    if left == 0 {
                        return outcome;
                    }
                }
                // Nobody knows: not sent again, but the next request goes elsewhere.
                Outcome::Unknown(Unknown::Late { .. } | Unknown::Broken { .. }) => {
                    self.places.pass_over(peer, turn);
                    return outcome;
                }
                Outcome::Answer(_)
                | Outcome::Refused(_)
                | Outcome::NotDone(_)
                | Outcome::Unknown(_) => return outcome,
            }
        }
    }

    async fn foreign(&self, peer: &Peer, request: &Outgoing<'_>) -> Result<Outcome, Outcome> {
        let (_, message) = write_request(peer, request, None).map_err(unsendable)?;
        let (answer, body) =
            tokio::time::timeout(self.limits.deadline, self.exchange(peer, message))
                .await
                .map_err(|_| late(peer, self.limits.deadline))??;
        let content_type = answer.headers().get("content-type");
        let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Outcome::Answer(Answer { status: answer.status().as_u16(), content_type, body }))
    }

    async fn end(
        &self,
        peer: &Peer,
        request: Outgoing<'_>,
        key: Option<&SigningKey>,
    ) -> Result<Outcome, Outcome> {
        let (parts, message) = write_request(peer, &request, key).map_err(unsendable)?;
        let signature = message
            .headers()
            .get("signature")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let asked = AnswerParts {
            status: 0,
            content_type: None,
            request: parts,
            request_signature: signature.as_deref(),
        };
        let (answer, body) =
            tokio::time::timeout(self.limits.deadline, self.exchange(peer, message))
                .await
                .map_err(|_| late(peer, self.limits.deadline))??;
        check_signature(peer, &asked, &answer, &body)?;
        Ok(judge(peer, &answer, body))
    }

    pub(crate) async fn exchange(
        &self,
        peer: &Peer,
        message: Request<Full<Bytes>>,
    ) -> Result<(Response<()>, Bytes), Outcome> {
        let answer = self.pool.request(message).await.map_err(|error| failed(peer, &error))?;
        let (head, body) = answer.into_parts();
        let body = read_body(peer, body, self.limits.answer_bytes).await?;
        Ok((Response::from_parts(head, ()), body))
    }
}

async fn read_body(peer: &Peer, body: Incoming, limit: usize) -> Result<Bytes, Outcome> {
    let authority = peer.authority.clone();
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Outcome::Unknown(Unknown::TooLarge { authority, limit }))
        }
        Err(error) => {
            Err(Outcome::Unknown(Unknown::Broken { authority, reason: error.to_string() }))
        }
    }
}

fn write_request<'a>(
    peer: &'a Peer,
    request: &'a Outgoing<'a>,
    key: Option<&SigningKey>,
) -> Result<(RequestParts<'a>, Request<Full<Bytes>>), String> {
    let (path, query) = match request.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (request.target, None),
    };
    let body = request.body.as_ref().filter(|(_, bytes)| !bytes.is_empty());
    let content_type = body.map(|(kind, _)| *kind);
    let bytes = body.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
    let parts = RequestParts {
        method: request.method,
        authority: &peer.authority,
        path,
        query,
        content_type,
    };
    let mut message = Request::builder()
        .method(request.method)
        .uri(format!("http://{}{}", peer.authority, request.target))
        .header("host", &peer.authority);
    if let Some(kind) = content_type {
        message = message.header("content-type", kind);
    }
    if let Some(token) = request.bearer {
        message = message.header("authorization", format!("Bearer {token}"));
    }
    let mut message = message.body(Full::new(bytes.clone())).map_err(|error| error.to_string())?;
    if let Some(key) = key {
        let nonce = system::random().map(Nonce::from_bytes).map_err(|error| error.to_string())?;
        sign_request(&parts, &bytes, key, system::now(), nonce)
            .map_err(|error| error.to_string())?
            .write(message.headers_mut());
    }
    Ok((parts, message))
}

fn check_signature(
    peer: &Peer,
    asked: &AnswerParts<'_>,
    answer: &Response<()>,
    body: &[u8],
) -> Result<(), Outcome> {
    let Some(key) = &peer.key else { return Ok(()) };
    let check = || {
        let content_type = single(answer.headers(), "content-type")?;
        let parts = AnswerParts {
            status: answer.status().as_u16(),
            content_type: content_type.as_deref(),
            ..*asked
        };
        verify_answer(&parts, &SignatureHeaders::read(answer.headers())?, body, key)
    };
    check().map_err(|rejection: api::Rejection| {
        Outcome::Unknown(Unknown::NotTheirs {
            authority: peer.authority.clone(),
            reason: rejection.to_string(),
        })
    })
}

/// From a complete answer to its meaning. A status that proves nothing is *unknown*.
fn judge(peer: &Peer, answer: &Response<()>, body: Bytes) -> Outcome {
    let status = answer.status();
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    if status.is_success() {
        let content_type = text("content-type").map(str::to_owned);
        return Outcome::Answer(Answer { status: status.as_u16(), content_type, body });
    }
    let authority = peer.authority.clone();
    let problem = (text("content-type") == Some(api::wire::PROBLEM_JSON))
        .then(|| serde_json::from_slice::<Problem>(&body).ok())
        .flatten();
    let not_begun = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    match problem {
        Some(problem) if not_begun.contains(&status) => {
            Outcome::NotDone(NotDone::NotBegun { authority, problem: Box::new(problem) })
        }
        Some(problem) if status.is_client_error() => Outcome::Refused(problem),
        problem => Outcome::Unknown(Unknown::Status {
            authority,
            status: status.as_u16(),
            detail: problem.map_or_else(
                || "no problem document".to_owned(),
                |problem| problem.detail.unwrap_or(problem.title),
            ),
        }),
    }
}

fn unsendable(reason: String) -> Outcome {
    Outcome::NotDone(NotDone::Unsendable { reason })
}

pub(crate) fn late(peer: &Peer, deadline: Duration) -> Outcome {
    Outcome::Unknown(Unknown::Late {
        authority: peer.authority.clone(),
        deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Only a failure to connect is surely *not done*.
fn failed(peer: &Peer, error: &hyper_util::client::legacy::Error) -> Outcome {
    let authority = peer.authority.clone();
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let boxed = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(forbidden) = boxed.and_then(|inner| inner.downcast_ref::<Forbidden>()) {
            return Outcome::NotDone(NotDone::Forbidden(forbidden.clone()));
        }
        reason = inner.to_string();
        cause = inner.source();
    }
    if error.is_connect() {
        return Outcome::NotDone(NotDone::NoConnection { authority, reason });
    }
    Outcome::Unknown(Unknown::Broken { authority, reason })
}

/// Resolves, checks and connects: the address that passed the guard is the one connected to.
#[derive(Clone)]
struct Connector {
    guard: Arc<AddressGuard>,
    timeout: Duration,
}

impl tower::Service<Uri> for Connector {
    type Response = Connection;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Connection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            tokio::time::timeout(connector.timeout, connector.connect(&uri))
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "connecting took too long"))?
        })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> io::Result<Connection> {
        let missing = || io::Error::new(io::ErrorKind::InvalidInput, "no host in the address");
        let authority = uri.authority().ok_or_else(missing)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(80);
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            self.guard
                .check(&authority.as_str().to_ascii_lowercase(), address.ip())
                .map_err(|forbidden| io::Error::new(io::ErrorKind::PermissionDenied, forbidden))?;
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Connection(TokioIo::new(stream)));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// A connection to a checked address.
struct Connection(TokioIo<TcpStream>);

impl hyper_util::client::legacy::connect::Connection for Connection {
    fn connected(&self) -> hyper_util::client::legacy::connect::Connected {
        hyper_util::client::legacy::connect::Connected::new()
    }
}

impl hyper::rt::Read for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// How a request is sent.
#[derive(Clone, Copy)]
enum Manner<'k> {
    Signed(&'k SigningKey),
    Open,
    Foreign,
}

/// Places of one peer: an active server and a few that stand by.
const PLACES_MAX: usize = 8;
/// How long an idle connection is kept: below what servers allow.
const IDLE_SECONDS: u64 = 8;
/// Resolved addresses that are tried.
const ADDRESSES_MAX: usize = 4;
