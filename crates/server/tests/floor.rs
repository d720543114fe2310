//! The floor over real sockets: callers, problems, hostile input, shutdown; client against it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of tests may stop the test")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::{Caller, Callers, Role};
use axum::routing::{get, post};
use axum::{Extension, Router};
use client::{AddressGuard, CLIENT_LIMITS, Client, NotDone, Outcome, Outgoing, Peer, Unknown};
use seal::SigningKey;
use server::web::{
    Gate, LIMITS, Limits, Readiness, Refuse, Site, health_routes, listen_near, serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

struct World {
    authority: String,
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<()>,
    finished: Arc<AtomicUsize>,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

async fn whoami(Extension(caller): Extension<Caller>, body: String) -> String {
    format!("{} {} {body}", caller.role(), caller.name())
}

async fn form(body: axum::body::Bytes) -> Result<String, Refuse> {
    let form: Form = api::json::read_json(&body).map_err(api::Problem::from)?;
    Ok(form.name)
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Form {
    name: String,
}

async fn world(limits: Limits) -> World {
    let listener = listen_near(0).await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let mut callers = Callers::nobody();
    callers.admit(key(1).public_key(), Role::Edge, "edge-a").unwrap();
    callers.admit(key(2).public_key(), Role::Wallet, "wallet-1").unwrap();
    let gate = Gate::new(callers, BTreeSet::from([authority.clone()]));
    let finished = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&finished);
    let slow = async move || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        count.fetch_add(1, Ordering::SeqCst);
        "done"
    };
    let panics = async || -> &'static str { panic!("a bug, on purpose") };
    let router = Router::new()
        .merge(gate.only(&[Role::Edge], Router::new().route("/whoami", post(whoami))))
        .merge(health_routes(Readiness::waiting("the journal is being read")))
        .route("/form", post(form))
        .route("/slow", post(slow))
        .route("/panics", get(panics));
    let (stop, stopped) = oneshot::channel();
    let site = Site { router, limits, signer: Some(Arc::new(key(9))) };
    let done = tokio::spawn(serve(listener, site, async {
        let _ = stopped.await;
    }));
    World { authority, stop, done, finished }
}

fn quick() -> Limits {
    let moment = Duration::from_millis(300);
    Limits {
        front: front::Limits { head: moment, body: moment, body_bytes: 1000, ..LIMITS.front },
        handler: Duration::from_millis(2000),
    }
}

fn client_to(world: &World) -> (Client, Peer) {
    let guard = AddressGuard::public_only().allow(&world.authority);
    let url = format!("http://{}", world.authority);
    (Client::new(guard, CLIENT_LIMITS), Peer::signing(&url, key(9).public_key()).unwrap())
}

/// Sends raw bytes and reads until the server closes or nothing comes for a second.
async fn raw(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(&world.authority).await.unwrap();
    // The server may close while we still write: then its answer is what counts.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn post_raw(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_known_caller_of_the_right_role_is_served_and_nobody_else() {
    let world = world(LIMITS).await;
    let (client, peer) = client_to(&world);
    let request = || Outgoing::post("/whoami?x=1", "text/plain", "hello");
    let Outcome::Answer(answer) = client.send(&peer, request(), &key(1)).await else { panic!() };
    assert_eq!((answer.status, &answer.body[..]), (200, &b"edge edge-a hello"[..]));
    for (outcome, status, code) in [
        (client.send(&peer, request(), &key(2)).await, 403, "forbidden"),
        (client.send(&peer, request(), &key(3)).await, 401, "bad-signature"),
        (client.send_unsigned(&peer, request()).await, 401, "unsigned"),
        (client.send_unsigned(&peer, Outgoing::get("/nothing")).await, 404, "not-found"),
        (client.send_unsigned(&peer, Outgoing::get("/form")).await, 405, "method-not-allowed"),
    ] {
        let Outcome::Refused(problem) = outcome else { panic!("{outcome:?}") };
        assert_eq!((problem.status, problem.code.as_str()), (status, code));
        assert_eq!(problem.request_id.unwrap().len(), 16);
    }
}

#[tokio::test]
async fn an_answer_of_somebody_else_is_unknown() {
    let world = world(LIMITS).await;
    let (client, _) = client_to(&world);
    let url = format!("http://{}", world.authority);
    let other = Peer::signing(&url, key(8).public_key()).unwrap();
    let outcome = client.send_unsigned(&other, Outgoing::get("/health")).await;
    assert!(matches!(outcome, Outcome::Unknown(Unknown::NotTheirs { .. })), "{outcome:?}");
}

#[tokio::test]
async fn health_and_readiness_differ() {
    let world = world(LIMITS).await;
    let (client, peer) = client_to(&world);
    let health = client.send_unsigned(&peer, Outgoing::get("/health")).await;
    assert!(matches!(health, Outcome::Answer(_)), "{health:?}");
    let ready = client.send_unsigned(&peer, Outgoing::get("/ready")).await;
    assert!(matches!(ready, Outcome::NotDone(NotDone::NotBegun { .. })), "{ready:?}");
}

#[tokio::test]
async fn bad_input_gets_a_problem_and_the_server_goes_on() {
    let world = world(quick()).await;
    let deep = [&b"{\"name\":"[..], &b"[".repeat(400), &b"]".repeat(400), b"}"].concat();
    for (bytes, status, code) in [
        (post_raw("/form", &[b'x'; 1001]), "413", "too-large"),
        (post_raw("/form", b"{\"name\":\"\xff\"}"), "400", "bad-json"),
        (post_raw("/form", &deep), "400", "bad-json"),
        (post_raw("/form", b"{\"name\":\"a\",\"name\":\"b\"}"), "400", "came twice"),
        (post_raw("/form", b"{\"name\":\"a\",\"more\":1}"), "400", "unknown member `more`"),
        (post_raw("/whoami", b"\xff"), "401", "unsigned"),
        (b"GET /panics HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "500", "fault"),
        (
            b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{".to_vec(),
            "408",
            "request-late",
        ),
        (
            b"POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
            "400",
            "bad-request",
        ),
    ] {
        let answer = raw(&world, &bytes).await;
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown}\n{answer}");
        assert!(answer.contains(code) && answer.contains("application/problem+json"), "{answer}");
    }
    let chunk = [&b"190\r\n"[..], &[b'x'; 400], b"\r\n"].concat().repeat(5);
    let head = b"POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(raw(&world, &[&head[..], &chunk].concat()).await.starts_with("HTTP/1.1 413"));
    let good = raw(&world, &post_raw("/form", b"{\"name\":\"ok\"}")).await;
    assert!(good.starts_with("HTTP/1.1 200") && good.ends_with("ok"), "{good}");
}

#[tokio::test]
async fn garbage_and_slow_heads_end_the_connection_only() {
    let world = world(quick()).await;
    let garbage = raw(&world, b"\x16\x03\x01\x02\x00 not http\r\n\r\n").await;
    assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    let long = [b"GET /".as_slice(), &[b'a'; 100_000]].concat();
    let long = raw(&world, &long).await;
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 4"), "{long}");
    let mut loris = TcpStream::connect(&world.authority).await.unwrap();
    loris.write_all(b"GET /health HTTP/1.1\r\nHo").await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(3), loris.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "a slow head holds its connection for ever");
    let mut idle = TcpStream::connect(&world.authority).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(3), idle.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "an idle connection is held for ever");
    let good = raw(&world, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(good.starts_with("HTTP/1.1 200"), "{good}");
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_cut_the_handler_and_shutdown_waits_for_it() {
    let world = world(LIMITS).await;
    let mut stream = TcpStream::connect(&world.authority).await.unwrap();
    stream.write_all(&post_raw("/slow", b"x")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    world.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), world.done).await.unwrap().unwrap();
    assert_eq!(world.finished.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_late_handler_is_answered_504_and_still_finishes() {
    let limits = Limits { handler: Duration::from_millis(50), ..LIMITS };
    let world = world(limits).await;
    let (client, peer) = client_to(&world);
    let outcome = client.send_unsigned(&peer, Outgoing::post("/slow", "text/plain", "x")).await;
    let late = matches!(outcome, Outcome::Unknown(Unknown::Status { status: 504, .. }));
    assert!(late, "{outcome:?}");
    world.stop.send(()).unwrap();
    drop(client);
    tokio::time::timeout(Duration::from_secs(5), world.done).await.unwrap().unwrap();
    assert_eq!(world.finished.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_a_place() {
    let world =
        world(Limits { front: front::Limits { connections: 1, ..quick().front }, ..quick() }).await;
    let first = TcpStream::connect(&world.authority).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut second = TcpStream::connect(&world.authority).await.unwrap();
    second.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(100), second.read(&mut byte)).await;
    assert!(early.is_err(), "served beyond the limit");
    drop(first);
    let served = tokio::time::timeout(Duration::from_secs(2), second.read(&mut byte)).await;
    assert_eq!(served.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn the_same_signed_bytes_are_accepted_once_and_elsewhere_never() {
    let (here, there) = (world(LIMITS).await, world(LIMITS).await);
    let parts = api::RequestParts {
        method: "POST",
        authority: &here.authority,
        path: "/whoami",
        query: None,
        content_type: Some("text/plain"),
    };
    let nonce = server::system::nonce().unwrap();
    let now = server::system::now();
    let signed = api::sign_request(&parts, b"hi", &key(1), now, nonce).unwrap();
    let bytes = format!(
        "POST /whoami HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\
         Content-Digest: {}\r\nSignature-Input: {}\r\nSignature: {}\r\n\r\nhi",
        here.authority,
        signed.content_digest.unwrap(),
        signed.signature_input,
        signed.signature
    );
    let elsewhere = raw(&there, bytes.as_bytes()).await;
    assert!(elsewhere.starts_with("HTTP/1.1 421"), "{elsewhere}");
    let first = raw(&here, bytes.as_bytes()).await;
    assert!(first.starts_with("HTTP/1.1 200") && first.contains("\r\nsignature: "), "{first}");
    let again = raw(&here, bytes.as_bytes()).await;
    assert!(again.starts_with("HTTP/1.1 401") && again.contains("replayed"), "{again}");
    let doubled = bytes.replace("\r\nSignature:", "\r\nSignature: x\r\nSignature:");
    let doubled = raw(&here, doubled.as_bytes()).await;
    assert!(doubled.contains("more than once"), "{doubled}");
}

#[tokio::test]
async fn a_taken_port_gives_the_next() {
    let first = listen_near(0).await.unwrap();
    let port = first.local_addr().unwrap().port();
    let second = listen_near(port).await.unwrap();
    assert!(second.local_addr().unwrap().port() > port);
}
