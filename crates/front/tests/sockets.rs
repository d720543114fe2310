//! Limits over real sockets.
#![expect(clippy::unwrap_used, reason = "a helper of tests may stop the test")]

use std::time::Duration;

use bytes::Bytes;
use front::{BodyFault, Limits, read_body, serve};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const BODY: usize = 1 << 20;

const LIMITS: Limits = Limits {
    connections: 4,
    head: Duration::from_secs(5),
    body: Duration::from_secs(5),
    body_bytes: BODY,
    head_bytes: 16 << 10,
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

async fn served() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(
        listener,
        LIMITS,
        async |request, _| answer(request).await,
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
