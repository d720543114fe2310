//! Everything that `wayleave ledger` can write: drafts, parts of holds, what stands beside the
//! money, limits, marks, personal data.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]
#![cfg(unix)]

#[path = "support/book.rs"]
mod book;
mod support;

use book::Book;
use serde_json::json;

#[test]
fn amounts_that_the_ledger_finds() {
    let book = Book::new();
    let up_to = ["post", "--from", "alice", "--to", "bob", "--amount", "up-to:30", "--id", "a"];
    let dry = book.done(&[&up_to[..], &["--dry-run"]].concat());
    assert_eq!(dry["status"], "passes");
    assert_eq!(book.balance("bob"), "0.00");
    let done = book.done(&up_to);
    assert_eq!((&done["status"], &done["balances"]), (&json!("done"), &dry["balances"]));
    assert_eq!(book.done(&up_to)["status"], "repeated");
    assert_eq!(book.balance("bob"), "30.00");
    let split = [
        "post",
        "--debit",
        "alice=all",
        "--credit",
        "bob=share:1",
        "--credit",
        "carol=share:2",
        "--credit",
        "bob=rest",
        "--id",
        "split",
    ];
    book.done(&split);
    assert_eq!(book.balance("alice"), "0.00");
    // 70.00 in three: 23.33 and 46.66, and the named one takes the unit that is left.
    assert_eq!((book.balance("bob"), book.balance("carol")), ("53.34".into(), "46.66".into()));
    let nothing = ["post", "--from", "alice", "--to", "bob", "--amount", "all", "--id", "b"];
    assert_eq!(book.told(&nothing, 1)["rule"], "nothing_to_move");
    let odd = ["post", "--from", "bob", "--to", "carol", "--amount", "share:x"];
    assert_eq!(book.ask(&odd).code, Some(5));
}

#[test]
fn a_hold_is_posted_in_parts() {
    let book = Book::new();
    book.done(&["hold", "place", "--on", "alice", "--amount", "50", "--id", "room", "--pinned"]);
    let part = |id: &'static str, amount: &'static str, more: &[&'static str]| {
        let post = ["hold", "post", "room", "--from", "alice", "--to", "bob", "--amount", amount];
        [&post[..], &["--id", id], more].concat()
    };
    book.done(&part("night-1", "20", &["--keep-rest"]));
    let shown = book.done(&["hold", "show", "room"]);
    assert_eq!((&shown["amount"], &shown["remaining"]), (&json!("50.00"), &json!("30.00")));
    assert_eq!(book.done(&part("night-1", "20", &["--keep-rest"]))["status"], "repeated");
    assert_eq!(
        book.told(&part("night-2", "31", &["--keep-rest"]), 1)["rule"],
        "amount_exceeds_hold"
    );
    book.done(&part("night-3", "10", &[]));
    assert_eq!((book.balance("alice"), book.balance("bob")), ("70.00".into(), "30.00".into()));
    assert_eq!(book.told(&["hold", "void", "room"], 1)["rule"], "hold_already_posted");
}

#[test]
fn what_stands_beside_the_money_and_what_is_about_persons() {
    let book = Book::new();
    let post = |id: &'static str, more: &[&'static str]| {
        let post = ["post", "--from", "alice", "--to", "bob", "--amount", "1", "--id", id];
        [&post[..], more].concat()
    };
    let more = [
        "--note",
        "invoice=INV-17",
        "--number",
        "lines=-3",
        "--code",
        "4711",
        "--effective",
        "2026-01-02T03:04:05Z",
        "--link",
        "refunds=funds",
        "--reason",
        "refund",
        "--personal",
        "7:payer=Jan Jansen",
    ];
    book.done(&post("one", &more));
    assert_eq!(book.done(&post("one", &more))["status"], "repeated");
    assert_eq!(book.told(&post("one", &more[2..]), 1)["field"], "metadata");
    let journal = book.journal();
    let holds = |words: &str| journal.windows(words.len()).any(|w| w == words.as_bytes());
    assert!(holds("INV-17") && holds("payer") && !holds("Jansen"));
    let seal = ["personal", "seal", "7", "one", "payer", "Jan Jansen"];
    let sealed = book.done(&seal)["sealed"].as_str().unwrap().to_owned();
    let open = ["personal", "open", "7", "one", "payer", &sealed];
    assert_eq!(book.done(&open)["words"], "Jan Jansen");
    assert_eq!(book.done(&["personal", "forget", "7"])["there_was"], true);
    let gone = book.ask(&open);
    assert!(gone.code == Some(5) && gone.err.contains("forgotten"), "{gone:?}");
    let again = book.ask(&post("one", &more));
    assert!(again.code == Some(5) && again.err.contains("forgotten"), "{again:?}");
    assert_eq!(book.ask(&["find", "one"]).code, Some(0));
    for odd in [["--note", "no-equals"], ["--link", "gift=one"], ["--personal", "payer=Jan"]] {
        assert_eq!(book.ask(&post("two", &odd)).code, Some(5), "{odd:?}");
    }
}

#[test]
fn limits_are_counted_and_given_back_and_accounts_are_marked() {
    let book = Book::new();
    let limit = ["--limit", "alice,business_day,50.00,3"];
    let post = |id: &'static str, amount: &'static str| {
        let post = ["post", "--from", "alice", "--to", "bob", "--amount", amount, "--id", id];
        [&post[..], &limit].concat()
    };
    book.done(&post("one", "30"));
    let place = ["hold", "place", "--on", "alice", "--amount", "20", "--id", "h"];
    book.done(&[&place[..], &limit].concat());
    let over = book.told(&post("two", "0.01"), 1);
    assert_eq!(over["rule"], "velocity_amount_exceeded");
    let words = over["words"].as_str().unwrap();
    assert!(words.contains("5000") && words.contains("5001"), "{words}");
    book.done(&["hold", "void", "h"]);
    book.done(&post("three", "20"));
    let open = ["account", "open", "dave", "--asset", "EUR.2@bank"];
    let marked = [&open[..], &["--code", "1600", "--tag", "retail", "--tag", "amsterdam"]].concat();
    book.done(&marked);
    let shown = book.done(&["account", "show", "dave"]);
    assert_eq!((&shown["code"], &shown["tags"]), (&json!(1600), &json!(["amsterdam", "retail"])));
    assert_eq!(book.told(&open, 1)["field"], "marks");
    book.done(&["account", "close", "dave"]);
    assert_eq!(book.told(&["account", "freeze", "dave"], 1)["rule"], "account_closed");
}
