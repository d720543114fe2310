//! Limits over real sockets.
#![expect(clippy::unwrap_used, reason = "a helper of tests may stop the test")]

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use front::{BodyFault, Limits, read_body, serve};
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const BODY: usize = 1 << 20;

const LIMITS: Limits = Limits {
    connections: 4,
    head: Duration::from_secs(5),
    body: Duration::from_secs(5),
    body_bytes: BODY,
    head_bytes: 16 << 10,
    write: Duration::from_millis(300),
    drain: Duration::from_secs(5),
};

async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, text, close) = match read_body(request.into_body(), &LIMITS).await {
        Ok(body) => (StatusCode::OK, body.len().to_string(), false),
        Err(fault @ BodyFault::TooLarge { .. }) => {
            (StatusCode::PAYLOAD_TOO_LARGE, fault.to_string(), true)
        }
        Err(fault) => (StatusCode::BAD_REQUEST, fault.to_string(), true),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    if close {
        response.headers_mut().insert("connection", "close".parse().unwrap());
    }
    response
}

/// A body that never ends.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 64 << 10])))))
    }
}

async fn served() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(
        listener,
        LIMITS,
        async |request: Request<Incoming>, _| match request.uri().path() {
            "/endless" => Response::new(Either::Left(Endless)),
            "/never" => std::future::pending().await,
            _ => answer(request).await.map(Either::Right),
        },
        std::future::pending(),
    ));
    address
}

/// Writes everything before it reads anything, as simple clients do.
async fn ask(address: std::net::SocketAddr, head: &str, body: &[u8]) -> std::io::Result<String> {
    let socket = TcpSocket::new_v4()?;
    // Otherwise the system takes most of a body before the server has seen its head.
    socket.set_send_buffer_size(16 << 10)?;
    let mut stream = socket.connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn head(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
}

/// The largest body is taken, and whoever sends more reads why, though it wrote all of it first.
#[tokio::test]
async fn a_body_too_large_gets_its_answer_and_not_a_reset() {
    let address = served().await;
    let whole = ask(address, &head(BODY), &vec![b'x'; BODY]).await.unwrap();
    assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with("1048576"), "{whole}");
    for length in [BODY + 1, BODY * 3] {
        let answer = ask(address, &head(length), &vec![b'x'; length]).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413"), "{length}: {answer}");
        assert!(answer.ends_with("longer than 1048576 bytes"), "{length}: {answer}");
    }
    let chunk = [&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat();
    let chunks = [chunk.repeat(33), b"0\r\n\r\n".to_vec()].concat();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = ask(address, head, &chunks).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

/// Patience ends: who goes on and on is cut.
#[tokio::test]
async fn a_body_without_end_is_cut() {
    let address = served().await;
    let length = BODY * 64;
    let ended = ask(address, &head(length), &vec![b'x'; length]).await;
    assert!(ended.is_err(), "{ended:?}");
}

/// A body that is cut off is told apart from one that is late.
#[tokio::test]
async fn half_a_body_is_broken() {
    let address = served().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head(100).as_bytes()).await.unwrap();
    stream.write_all(b"half").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("broke off"), "{answer}");
}

/// An answer that must come.
async fn soon(address: std::net::SocketAddr) -> String {
    let head = head(3);
    let answer = ask(address, &head, b"yes");
    tokio::time::timeout(Duration::from_secs(20), answer).await.unwrap().unwrap()
}

async fn silent(address: std::net::SocketAddr, said: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(said.as_bytes()).await.unwrap();
    stream
}

/// Whoever takes all places and says nothing, or half of something, keeps nobody out.
#[tokio::test]
async fn a_place_without_a_request_is_given_to_who_waits() {
    let address = served().await;
    let mut strangers = Vec::new();
    for said in ["", "POST / HT", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""].repeat(2) {
        strangers.push(silent(address, said).await);
    }
    let answer = soon(address).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// What is under way keeps its place, however many wait.
#[tokio::test]
async fn a_request_under_way_is_not_closed_for_others() {
    let address = served().await;
    let mut busy = Vec::new();
    for _ in 0..LIMITS.connections {
        busy.push(silent(address, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await);
    }
    let head = head(3);
    let waited = tokio::time::timeout(front::IDLE_LEAST * 2, ask(address, &head, b"yes")).await;
    assert!(waited.is_err(), "{waited:?}");
    drop(busy.pop());
    let answer = soon(address).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for stream in &mut busy {
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_millis(10), stream.read(&mut byte)).await;
        assert!(read.is_err(), "it was closed");
    }
}

/// Whoever asks for much and reads nothing is closed, and its place is free.
#[tokio::test]
async fn who_reads_nothing_of_an_answer_is_closed() {
    let address = served().await;
    let mut greedy = Vec::new();
    for _ in 0..LIMITS.connections {
        greedy.push(silent(address, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await);
    }
    let answer = soon(address).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
