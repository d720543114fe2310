//! The HTTP interface over real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::as_conversions,
    reason = "a test stops when it fails"
)]

mod all_or_nothing;
mod asks;
mod beside;
mod drafts;
mod fair;
mod holds;
mod outcomes;
mod refusals;
mod strict;
mod together;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ledger_server::{Folder, Kept, May, Running, ServeOptions, serve};
use serde_json::{Value, json};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A book that is served, and the keys of its clients.
pub(crate) struct Site {
    pub(crate) dir: PathBuf,
    running: Option<Running>,
    pub(crate) operator: String,
    pub(crate) reader: String,
    pub(crate) poster: String,
}

/// A reply as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Reply {
    /// Checks status and outcome at once.
    #[track_caller]
    pub(crate) fn expect(self, status: u16, outcome: &str) -> Value {
        assert_eq!(
            (self.status, self.body["outcome"].as_str()),
            (status, Some(outcome)),
            "{self:?}"
        );
        if status != 200 {
            assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
            assert_eq!(self.body["status"], status);
        }
        self.body
    }
}

pub(crate) fn options() -> ServeOptions {
    ServeOptions {
        address: "127.0.0.1:0".parse().unwrap(),
        http: Some("127.0.0.1:0".parse().unwrap()),
        flush_delay: Duration::ZERO,
        log: Kept::Yes,
        views: Kept::Yes,
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("wayleave-http-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&dir);
        let folder = Folder::create(&dir, "book".parse().unwrap()).unwrap();
        folder.add_client("reader", vec![May::Read]).unwrap();
        folder.add_client("poster", vec![May::Read, May::Post]).unwrap();
        let key = |name| folder.make_api_key(name).unwrap();
        let (operator, reader, poster) = (key("operator"), key("reader"), key("poster"));
        let running = Some(serve(&folder, &options()).unwrap());
        Self { dir, running, operator, reader, poster }
    }

    /// Stops the book and opens it again from its folder.
    pub(crate) fn restart(&mut self) {
        self.running.take().unwrap().stop();
        let folder = Folder::open(&self.dir).unwrap();
        self.running = Some(serve(&folder, &options()).unwrap());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().http_address().unwrap()
    }

    /// Asks as the operator.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.ask_as(&self.operator, method, path, body)
    }

    pub(crate) fn ask_as(&self, key: &str, method: &str, path: &str, body: &Value) -> Reply {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\n");
        self.raw(method, path, &head, text.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &Value::Null)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, body)
    }

    /// One request on a connection of its own.
    pub(crate) fn raw(&self, method: &str, path: &str, head: &str, body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        let length = body.len();
        let whole = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\
             content-length: {length}\r\n\r\n"
        );
        stream.write_all(whole.as_bytes()).unwrap();
        // A body that is too large is refused before it was read.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
        Reply {
            status: head[9..12].parse().unwrap(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
            head: head.to_ascii_lowercase(),
        }
    }

    /// Opens an account of `EUR.2@bank`, credit-normal.
    #[track_caller]
    pub(crate) fn open(&self, number: u8, floor: &str) -> String {
        let id = account(number);
        let form = json!({
            "id": id, "asset": "EUR.2@bank", "normal": "credit", "purpose": "customer",
            "owner": { "institution": "bank" }, "floor": floor,
        });
        self.post("/v1/accounts", &form).expect(200, "done");
        id
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn account(number: u8) -> String {
    format!("acct_{number:032x}")
}

pub(crate) fn hex(number: u64) -> String {
    format!("{number:032x}")
}

/// A transfer in the short form.
pub(crate) fn transfer(id: u64, from: &str, to: &str, amount: &str) -> Value {
    json!({
        "id": hex(id), "business_date": "2026-11-23", "from": from, "to": to, "amount": amount,
    })
}
