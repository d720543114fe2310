//! Every way a peer can fail, over real loopback sockets: each ends in its own outcome.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a helper of tests may stop the test"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client::{
    AddressGuard, Client, ClientLimits, NotDone, Outcome, Outgoing, Peer, PeerError, Unknown,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMITS: ClientLimits = ClientLimits {
    connect: Duration::from_millis(500),
    deadline: Duration::from_millis(800),
    answer_bytes: 1000,
    idle_per_peer: 2,
};

/// A server that answers each request with `answer`, then closes or hangs.
struct Script {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    Close,
    Hang,
    KeepOpen,
}

async fn script(answer: impl Into<Vec<u8>>, then: Then) -> Script {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (seen, asked) = (Arc::clone(&connections), Arc::clone(&requests));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(speak(stream, answer.clone(), then, Arc::clone(&asked)));
        }
    });
    Script { address, connections, requests }
}

async fn speak(mut stream: TcpStream, answer: Vec<u8>, then: Then, asked: Arc<AtomicUsize>) {
    let mut buffer = [0; 4096];
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 {
            return;
        }
        asked.fetch_add(1, Ordering::SeqCst);
        let _ = stream.write_all(&answer).await;
        match then {
            Then::Close => return,
            Then::Hang => tokio::time::sleep(Duration::from_secs(30)).await,
            Then::KeepOpen => {}
        }
    }
}

async fn ask(address: SocketAddr) -> Outcome {
    let (client, peer) = allowed(address);
    client.send_unsigned(&peer, Outgoing::post("/x", "text/plain", "hello")).await
}

fn allowed(address: SocketAddr) -> (Client, Peer) {
    let guard = AddressGuard::public_only().allow(&address.to_string());
    (Client::new(guard, LIMITS), Peer::unverified(&format!("http://{address}")).unwrap())
}

fn problem(status: u16) -> String {
    let body = r#"{"type":"urn:x","title":"No","status":400,"code":"no","future":1}"#;
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/problem+json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_good_answer_reuses_its_connection() {
    let server = script("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Then::KeepOpen).await;
    let (client, peer) = allowed(server.address);
    for _ in 0..3 {
        let outcome = client.send_unsigned(&peer, Outgoing::get("/x")).await;
        assert!(matches!(outcome, Outcome::Answer(ref answer) if answer.body == "ok"));
        // The pool takes the connection back in a task of its own.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn refused_and_not_begun_are_told_apart_from_unknown() {
    for (status, expected) in [
        (409, "refused"),
        (422, "refused"),
        (401, "refused"),
        (503, "not begun"),
        (429, "not begun"),
        (408, "not begun"),
        (500, "unknown"),
        (504, "unknown"),
        (302, "unknown"),
    ] {
        let server = script(problem(status), Then::Close).await;
        let got = match ask(server.address).await {
            Outcome::Refused(problem) if problem.code == "no" => "refused",
            Outcome::NotDone(NotDone::NotBegun { .. }) => "not begun",
            Outcome::Unknown(Unknown::Status { .. }) => "unknown",
            other => panic!("{status}: {other:?}"),
        };
        assert_eq!(got, expected, "{status}");
    }
    let server = script("HTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\nno", Then::Close).await;
    let outcome = ask(server.address).await;
    assert!(matches!(outcome, Outcome::Unknown(Unknown::Status { .. })), "a proxy's 503");
}

#[tokio::test]
async fn nobody_listening_is_not_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcome = ask(address).await;
    assert!(matches!(outcome, Outcome::NotDone(NotDone::NoConnection { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_peer_that_breaks_off_is_unknown_and_not_asked_again() {
    for answer in [
        "",
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "\x00\x01garbage\r\n\r\n",
    ] {
        let server = script(answer, Then::Close).await;
        let outcome = ask(server.address).await;
        assert!(matches!(outcome, Outcome::Unknown(Unknown::Broken { .. })), "{outcome:?}");
        assert_eq!(server.requests.load(Ordering::SeqCst), 1, "sent twice for {answer:?}");
    }
}

#[tokio::test]
async fn a_silent_or_dripping_peer_is_unknown_in_time() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"] {
        let server = script(answer, Then::Hang).await;
        let outcome = ask(server.address).await;
        assert!(matches!(outcome, Outcome::Unknown(Unknown::Late { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_oversized_answer_is_unknown() {
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n{}", "x".repeat(1001));
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100_000));
    for answer in [long, endless] {
        let server = script(answer, Then::Close).await;
        let outcome = ask(server.address).await;
        assert!(
            matches!(outcome, Outcome::Unknown(Unknown::TooLarge { limit: 1000, .. })),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = script("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Then::Close).await;
    let location = format!(
        "HTTP/1.1 307 X\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
        target.address
    );
    let server = script(location, Then::Close).await;
    let outcome = ask(server.address).await;
    assert!(matches!(outcome, Outcome::Unknown(Unknown::Status { status: 307, .. })));
    assert_eq!(target.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_address_inside_is_forbidden_before_any_connection() {
    let server = script("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Then::Close).await;
    let client = Client::new(AddressGuard::public_only(), LIMITS);
    let port = server.address.port();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "0x7f.1"] {
        let Ok(peer) = Peer::unverified(&format!("http://{host}:{port}")) else { continue };
        let outcome = client.send_unsigned(&peer, Outgoing::get("/")).await;
        let resolves_nowhere = host == "0x7f.1";
        match outcome {
            Outcome::NotDone(NotDone::Forbidden(_)) => {}
            Outcome::NotDone(NotDone::NoConnection { .. }) if resolves_nowhere => {}
            other => panic!("{host}: {other:?}"),
        }
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_cannot_be_written_is_not_done() {
    let server = script("", Then::Close).await;
    let (client, peer) = allowed(server.address);
    let key = seal::SigningKey::from_seed(&[1; 32]);
    for target in ["x", "/a b", "/a\r\nx: y", "/?", "/é"] {
        let outcome = client.send(&peer, Outgoing::get(target), &key).await;
        let unsendable = matches!(outcome, Outcome::NotDone(NotDone::Unsendable { .. }));
        assert!(unsendable, "{target:?}: {outcome:?}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[test]
fn only_a_plain_http_base_is_a_peer() {
    assert!(matches!(Peer::unverified("https://a"), Err(PeerError::Https { .. })));
    for bad in
        ["", "a", "ftp://a", "http://", "http://a/b", "http://u@a", "http://a?b", "http://a b"]
    {
        assert!(matches!(Peer::unverified(bad), Err(PeerError::NotABase { .. })), "{bad}");
    }
    assert_eq!(Peer::unverified("http://A.example:80/").unwrap().authority(), "a.example");
}
