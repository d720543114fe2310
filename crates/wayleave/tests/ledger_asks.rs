//! `wayleave ledger` asked of the past, of holds and links, and followed: over the real binary.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use support::{Folder, Ran, command, run};

struct Book {
    folder: Folder,
    server: Option<Child>,
}

impl Book {
    /// With `alice` and `bob`, three transactions between them and a hold of 4.00 that ends in
    /// seven days.
    fn new() -> Self {
        let mut book = Self { folder: Folder::new("asks"), server: None };
        book.ok(&["init"]);
        book.start();
        let open = ["account", "open", "alice", "--asset", "EUR.2@bank", "--no-floor"];
        book.ok(&open);
        book.ok(&["account", "open", "bob", "--asset", "EUR.2@bank"]);
        for (id, amount) in [("first", "10.00"), ("second", "2.50"), ("third", "0.05")] {
            let post = ["post", "--from", "alice", "--to", "bob", "--amount", amount];
            book.ok(&[&post[..], &["--id", id, "--date", "2026-11-23"]].concat());
        }
        book.ok(&[
            "hold", "place", "--on", "bob", "--amount", "4.00", "--lasts", "7d", "--id", "h",
        ]);
        book
    }

    fn dir(&self) -> String {
        self.folder.path().join("book").to_str().unwrap().to_owned()
    }

    fn start(&mut self) {
        let mut server = command()
            .args(["ledger", "serve", "--until-input-ends", "--dir", &self.dir()])
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
        let mut server = self.server.take().unwrap();
        drop(server.stdin.take());
        assert!(server.wait().unwrap().success());
    }

    fn ask(&self, args: &[&str]) -> Ran {
        run(&[&["ledger"], args, &["--dir", &self.dir(), "--json"]].concat())
    }

    fn ok(&self, args: &[&str]) -> Vec<Value> {
        let ran = self.ask(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// As people read it.
    fn text(&self, args: &[&str]) -> String {
        let ran = run(&[&["ledger"], args, &["--dir", &self.dir()]].concat());
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        ran.out
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

#[test]
fn the_past_is_asked_for_by_commands_and_is_the_same_after_a_rebuild() {
    let mut book = Book::new();
    let before = everything(&book);
    // While it is served nobody else may touch its folder.
    let refused = book.ask(&["rebuild"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.err.contains("in use by another process"), "{refused:?}");
    book.stop();
    assert_eq!(book.ok(&["rebuild"])[0]["facts"], 6);
    book.start();
    assert_eq!(everything(&book), before);
}

fn everything(book: &Book) -> Vec<Value> {
    let first = &book.ok(&["transaction", "first"])[0];
    let fact = &first["facts"][0];
    assert_eq!((&fact["kind"], &fact["position"]), (&json!("posted"), &json!(2)));
    assert_eq!(fact["entries"][1]["moved"]["amount"], "10.00");
    assert!(book.text(&["transaction", "first"]).contains("10.00"));
    assert_eq!(book.ok(&["fact", "2"])[0]["facts"][0], *fact);
    assert_eq!(book.ask(&["transaction", "never"]).code, Some(5));

    let then = &book.ok(&["balance", "bob", "--position", "3"])[0];
    assert_eq!((&then["balance"], &then["debits_pending"]), (&json!("12.50"), &json!("0.00")));
    let stamp = fact["stamp"].as_str().unwrap();
    for kind in ["--at", "--effective"] {
        assert_eq!(book.ok(&["balance", "bob", kind, stamp])[0]["balance"], "10.00", "{kind}");
    }
    assert!(book.text(&["balance", "bob", "--position", "3"]).contains("12.50"));

    let big = book.ok(&["statement", "bob", "--min", "1", "--newest", "--with", "alice"]);
    let amounts: Vec<&Value> = big.iter().filter_map(|line| line.get("amount")).collect();
    assert_eq!(amounts, ["2.50", "10.00"]);
    let holds = &book.ok(&["holds"])[0]["holds"];
    assert_eq!((&holds[0]["amount"], holds.as_array().unwrap().len()), (&json!("4.00"), 1));
    assert_eq!(book.ok(&["holds", "--on", "bob"])[0]["holds"], *holds);
    assert_eq!(book.ok(&["holds", "--until", "2026-01-01T00:00:00Z"])[0]["holds"], json!([]));
    assert!(book.text(&["holds"]).contains("4.00"));
    let history = &book.ok(&["history", "h"])[0];
    assert_eq!(history["facts"][0]["kind"], "hold_placed");
    let none = &book.ok(&["links", "payment", &"ab".repeat(16)])[0];
    assert_eq!((&none["transactions"], &none["position"]), (&json!([]), &json!(6)));
    let trial = &book.ok(&["trial", "2026-11-23", "--accounts"])[0];
    assert_eq!(trial["accounts"][1]["day"]["credits"], "12.55");
    assert!(book.text(&["trial", "2026-11-23", "--accounts"]).contains("12.55"));

    let events = book.ok(&["events", "--from", "1"]);
    let positions: Vec<u64> = events.iter().map(|e| e["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5]);
    assert_eq!(events[1], *fact);
    let limited = book.ok(&["events", "--limit", "2", "--follow"]);
    assert_eq!(limited.len(), 2);

    let status = &book.ok(&["status"])[0];
    assert_eq!((&status["facts"], &status["lag"]["views"]), (&json!(6), &json!(0)));
    assert!(book.text(&["metrics"]).contains("wayleave_ledger_position{book=\"ledger\"} 6"));
    let late = book.ask(&["holds", "--at-least", "1000", "--within", "1"]);
    assert_ne!(late.code, Some(0), "{late:?}");
    vec![first.clone(), then.clone(), json!(big), holds.clone(), history.clone(), json!(events)]
}

#[test]
fn a_follower_prints_what_comes_and_ends_when_the_book_stops() {
    let mut book = Book::new();
    let mut follower = command()
        .args(["ledger", "events", "--from", "5", "--follow", "--json", "--dir", &book.dir()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["kind"], "hold_placed");
    book.ok(&["hold", "void", "h"]);
    let voided = next();
    assert_eq!((&voided["kind"], &voided["position"]), (&json!("hold_voided"), &json!(6)));
    book.stop();
    let ended = follower.wait_with_output().unwrap();
    assert!(!ended.status.success());
    let words = String::from_utf8(ended.stderr).unwrap();
    assert!(words.contains("go on with --from 7"), "{words}");
}
