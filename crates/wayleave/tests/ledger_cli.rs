//! `wayleave ledger` as a stranger runs it: outcomes told apart, imports, rights, damage.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;
use support::{Folder, Ran, command, run};

/// A book that is served until the value goes.
struct Book {
    folder: Folder,
    server: Option<Child>,
}

impl Book {
    /// With accounts `cash`, which may fall, `alice` with 100.00 and `bob`.
    fn new() -> Self {
        let folder = Folder::new("ledger");
        let mut book = Self { folder, server: None };
        assert_eq!(book.ask(&["init"]).code, Some(0));
        book.start();
        let open = ["account", "open", "cash", "--asset", "EUR.2@bank", "--normal", "debit"];
        assert_eq!(book.ask(&[&open[..], &["--no-floor"]].concat()).code, Some(0));
        for name in ["alice", "bob"] {
            let opened = book.ask(&["account", "open", name, "--asset", "EUR.2@bank"]);
            assert_eq!(opened.code, Some(0), "{opened:?}");
        }
        let funded = book.post("cash", "alice", "100.00", &["--id", "funds"]);
        assert_eq!(funded.code, Some(0), "{funded:?}");
        book
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("book")
    }

    fn start(&mut self) {
        let dir = self.dir();
        let mut server = command()
            .args(["ledger", "serve", "--until-input-ends", "--dir", dir.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready "), "{line}");
        self.server = Some(server);
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            assert!(server.wait().unwrap().success());
        }
    }

    fn ask(&self, args: &[&str]) -> Ran {
        let dir = self.dir();
        run(&[&["ledger"], args, &["--dir", dir.to_str().unwrap(), "--json"]].concat())
    }

    fn post(&self, from: &str, to: &str, amount: &str, more: &[&str]) -> Ran {
        let what = ["post", "--from", from, "--to", to, "--amount", amount];
        self.ask(&[&what[..], more].concat())
    }

    fn balance(&self, account: &str) -> String {
        let said = json(&self.ask(&["balance", account]));
        said.first().unwrap().get("balance").unwrap().as_str().unwrap().to_owned()
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn json(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn statuses(ran: &Ran) -> Vec<String> {
    let status = |line: &Value| line.get("status").map(|s| s.as_str().unwrap().to_owned());
    json(ran).iter().filter_map(status).collect()
}

#[test]
fn an_answer_that_never_came_is_had_by_sending_the_same_again() {
    let book = Book::new();
    let address = std::fs::read_to_string(book.dir().join("address")).unwrap();
    // Challenge, welcome, how far the book is and the two accounts come through; the answer to the
    // post does not.
    let deaf = deaf_after(5, address.trim().to_owned());
    std::fs::write(book.dir().join("address"), format!("{deaf}\n")).unwrap();
    let unknown = book.post("alice", "bob", "12.50", &["--id", "rent", "--within", "2"]);
    assert_eq!(unknown.code, Some(4), "{unknown:?}");
    assert_eq!(statuses(&unknown), ["unknown"]);
    assert!(unknown.err.contains("wayleave ledger retry"), "{}", unknown.err);

    std::fs::write(book.dir().join("address"), address).unwrap();
    let again = book.ask(&["retry"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(statuses(&again), ["repeated"]);
    assert_eq!(book.balance("bob"), "12.50");
    // Nothing waits any more, and who repeats by hand moves nothing either.
    assert_eq!(statuses(&book.ask(&["retry"])), Vec::<String>::new());
    let by_hand = book.post("alice", "bob", "12.50", &["--id", "rent"]);
    assert_eq!((by_hand.code, statuses(&by_hand)), (Some(0), vec!["repeated".into()]));
    let other = book.post("alice", "bob", "12.51", &["--id", "rent"]);
    assert_eq!((other.code, statuses(&other)), (Some(1), vec!["conflict".into()]));
    assert_eq!(book.balance("bob"), "12.50");
}

/// Passes everything to the book, and its first `frames` answers back.
fn deaf_after(frames: usize, address: String) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(address).unwrap();
        let (mut from_client, mut to_server) =
            (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        let (mut from_server, mut to_client) = (server, client);
        let mut bytes = [0; 1 << 16];
        for frame in 0.. {
            let Ok(length @ 1..) = from_server.read(&mut bytes) else { break };
            if frame < frames {
                to_client.write_all(bytes.get(..length).unwrap()).unwrap();
            }
        }
    });
    here
}

#[test]
fn an_import_done_twice_changes_nothing_and_tells_of_each_item() {
    let book = Book::new();
    let file = book.folder.write(
        "history.csv",
        "id,business_date,effective,from,to,amount,reason\n\
         i-1,2026-01-05,,alice,bob,1.00,payment\n\
         i-2,2026-01-05,,alice,bob,1.005,payment\n\
         i-3,2026-01-06,,nobody,bob,1.00,\n\
         i-4,2026-01-06,,bob,alice,\"0.40\",refund\n\
         i-5,2026-01-07,2026-01-06T23:00:00Z,alice,bob,2.00,fee\n\
         i-6,2026-01-07,,alice,bob,9999.00,\n\
         i-7,2026-01-07,,alice,bob,1.00,gift\n",
    );
    let count = |ran: &Ran, status: &str| {
        let last = json(ran).pop().unwrap();
        last.get("import").unwrap().get(status).and_then(Value::as_u64).unwrap_or(0)
    };
    let first = book.ask(&["import", &file]);
    assert_eq!(first.code, Some(1), "{first:?}");
    assert_eq!(json(&first).len(), 7 + 1, "{}", first.out);
    let done = count(&first, "done");
    assert_eq!((done, count(&first, "malformed"), count(&first, "refused")), (3, 2, 2));
    let balances = || (book.balance("alice"), book.balance("bob"));
    let facts = || json(&book.ask(&["status"])).first().unwrap().get("facts").unwrap().as_u64();
    let before = (balances(), facts());
    assert_eq!(before.0, ("97.40".into(), "2.60".into()));

    let second = book.ask(&["import", &file]);
    assert_eq!((count(&second, "done"), count(&second, "repeated")), (0, done));
    assert_eq!((balances(), facts()), before);
    // The same as JSON lines is the same.
    let lines = book.folder.write(
        "history.jsonl",
        r#"{"id":"i-1","business_date":"2026-01-05","from":"alice","to":"bob","amount":"1.00"}"#,
    );
    let third = book.ask(&["import", &lines]);
    assert_eq!((third.code, count(&third, "repeated")), (Some(0), 1), "{third:?}");
}

#[test]
fn a_flipped_byte_is_named_and_a_client_may_only_what_it_may() {
    let mut book = Book::new();
    book.stop();
    assert_eq!(book.ask(&["client", "add", "auditor", "--may", "read"]).code, Some(0));
    book.start();
    let refused = book.post("alice", "bob", "1", &["--client", "auditor"]);
    assert_eq!((refused.code, statuses(&refused)), (Some(1), vec!["refused".into()]));
    assert_eq!(book.ask(&["balance", "alice", "--client", "auditor"]).code, Some(0));
    book.stop();
    assert_eq!(book.post("alice", "bob", "1", &[]).code, Some(5));

    let sound = book.ask(&["fsck"]);
    assert_eq!(sound.code, Some(0), "{sound:?}");
    let exported = json(&book.ask(&["export"]));
    assert_eq!(exported.len(), 4);
    let segment = book.dir().join("journal/00000000000000000000.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    *bytes.get_mut(200).unwrap() ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = book.ask(&["fsck"]);
    assert_eq!(damaged.code, Some(1), "{damaged:?}");
    let found = json(&damaged).first().unwrap().get("findings").unwrap().to_string();
    assert!(found.contains("segment") && found.contains("byte"), "{found}");
    assert_eq!(book.ask(&["export"]).code, Some(1));
}
