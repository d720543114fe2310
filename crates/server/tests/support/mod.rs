//! A role on loopback with a folder of its own, and a client that calls it.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    missing_docs,
    reason = "each test file uses a part; a helper of tests may stop the test"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use api::{Problem, Role};
use bytes::Bytes;
use client::{AddressGuard, CLIENT_LIMITS, Client, Outcome, Outgoing, Peer};
use seal::SigningKey;
use server::keys::{Descriptor, KeyStore};
use server::roles::{Common, RoleError};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A folder that goes away with its owner.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("wayleave-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// A peer whose request key is that of `seed`.
pub fn peer(role: Role, name: &str, seed: u8) -> Descriptor {
    Descriptor::new(role, name, "http://localhost:1").with_key("request", &key(seed))
}

pub async fn socket() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

pub fn common(name: &str, port: u16, peers: Vec<Descriptor>) -> Common {
    Common {
        environment: "sandbox".to_owned(),
        name: name.to_owned(),
        url: format!("http://localhost:{port}"),
        port,
        peers,
    }
}

/// A role that runs until it is stopped.
pub struct Running {
    pub port: u16,
    client: Client,
    peer: Peer,
    open: Peer,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), RoleError>>,
}

impl Running {
    /// Starts what `role` makes of a shutdown signal.
    pub fn start<F>(dir: &Path, port: u16, role: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = Result<(), RoleError>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(role(stopped));
        let authority = format!("localhost:{port}");
        let url = format!("http://{authority}");
        let signer = KeyStore::open(dir).unwrap().signing_key("request").unwrap();
        Self {
            port,
            client: Client::new(AddressGuard::public_only().allow(&authority), CLIENT_LIMITS),
            peer: Peer::signing(&url, signer.public_key()).unwrap(),
            open: Peer::unverified(&url).unwrap(),
            stop,
            done,
        }
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.done.await.unwrap().unwrap();
    }

    /// A signed `POST`.
    pub async fn post(&self, path: &str, kind: &str, body: impl Into<Bytes>, by: u8) -> Outcome {
        // What was signed before the role knew its callers is refused: it might be a replay.
        self.get("/health").await;
        self.client.send(&self.peer, Outgoing::post(path, kind, body), &key(by)).await
    }

    /// An unsigned `POST`.
    pub async fn post_open(&self, path: &str, kind: &str, body: impl Into<Bytes>) -> Outcome {
        self.client.send_unsigned(&self.peer, Outgoing::post(path, kind, body)).await
    }

    /// An unsigned `GET`, answered by the role itself.
    pub async fn get(&self, path: &str) -> Outcome {
        self.client.send_unsigned(&self.peer, Outgoing::get(path)).await
    }

    /// Any unsigned request, its answer whole: status, content type and body, problems included.
    pub async fn raw(&self, head: &str, body: &[u8]) -> (u16, String, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let length = body.len();
        let head = format!(
            "{head}\r\nhost: localhost:{}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n",
            self.port
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        (status, kind.unwrap_or_default().to_owned(), body.to_owned())
    }
}

pub fn answered(outcome: Outcome) -> Bytes {
    match outcome {
        Outcome::Answer(answer) => answer.body,
        other => panic!("expected an answer, got {other:?}"),
    }
}

pub fn refusal(outcome: Outcome) -> Problem {
    match outcome {
        Outcome::Refused(problem) => problem,
        other => panic!("expected a refusal, got {other:?}"),
    }
}
