//! Everything that `wayleave ledger` can write: drafts, parts of holds, what stands beside the
//! money, limits, marks, personal data.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]
#![cfg(unix)]

#[path = "ledger_writes/benched.rs"]
mod benched;
#[path = "support/book.rs"]
mod book;
#[path = "ledger_writes/imports.rs"]
mod imports;
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

const HISTORY: &str = "\
kind,id,business_date,effective,from,to,amount,account,side,asset,normal,overdraft,reason,code,tags,\
hold,rest,links,note.invoice,personal.payer,key_slot,freeze\n\
account,till,,,,,,,,EUR.2@bank,debit,unlimited,,1000,branch-1,,,,,,,\n\
account,erin,,,,,,,,EUR.2@bank,,,,,,,,,,,,\n\
transfer,h-1,2025-01-05,2025-01-05T09:00:00Z,till,erin,50.00,,,,,,funding,7,,,,,,,,\n\
entry,h-2,2025-01-06,1736150400,,,12.00,erin,debit,,,,fee,,,,,refunds=h-1,INV-3,Jan Jansen,9,\n\
entry,h-2,2025-01-06,,,,10.00,till,credit,,,,,,,,,,,,,\n\
entry,h-2,2025-01-06,,,,2.00,alice,credit,,,,,,,,,,,,,\n\
hold,room,2025-01-07,,,,20.00,erin,,,,,,,,,,,,,,\n\
transfer,h-3,2025-01-08,,erin,till,5.00,,,,,,,,,room,kept,,,,,\n\
transfer,h-4,2025-01-09,,erin,till,up-to:99.00,,,,,,,,,,,,,,,\n\
transfer,h-5,2025-01-09,,erin,till,1.005,,,,,,,,,,,,,,,\n\
gift,h-6,2025-01-09,,erin,till,1.00,,,,,,,,,,,,,,,\n\
freeze,,,,,,,erin,,,,,,,,,,,,,,debits\n";

fn count(book: &Book, args: &[&str], code: i32, status: &str) -> u64 {
    let told = book.told(&[&["import"], args].concat(), code);
    told["import"].get(status).and_then(serde_json::Value::as_u64).unwrap_or(0)
}

#[test]
fn history_of_every_kind_is_read_once_and_told_by_line_and_column() {
    let book = Book::new();
    let file = book.write("history.csv", HISTORY);
    let ran = book.ask(&["import", &file]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let lines: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |line: u64| lines.iter().find(|said| said["line"] == line).unwrap();
    for line in [2, 3, 4, 5, 8, 9, 10, 13] {
        assert_eq!(told(line)["status"], "done", "{ran:?}");
    }
    let words = |line| told(line)["words"].as_str().unwrap();
    assert!(words(11).starts_with("column 7 `amount`"), "{}", words(11));
    assert!(words(12).starts_with("field `kind`"), "{}", words(12));
    // 50.00 less 12.00 and 5.00; the hold keeps 15.00 of the 33.00, and 18.00 were there.
    assert_eq!((book.balance("erin"), book.balance("alice")), ("15.00".into(), "102.00".into()));
    let shown = book.done(&["account", "show", "erin"]);
    assert_eq!((&shown["frozen"], &shown["debits_pending"]), (&json!("debits"), &json!("15.00")));
    let journal = book.journal();
    let holds = |words: &str| journal.windows(words.len()).any(|w| w == words.as_bytes());
    assert!(holds("INV-3") && !holds("Jansen"));
    // Again: accounts, transactions and holds are found; what has no id of its own is done anew.
    assert_eq!(count(&book, &[&file], 1, "repeated"), 7);
    assert_eq!((book.balance("erin"), book.balance("alice")), ("15.00".into(), "102.00".into()));
    // The same transaction as a JSON object.
    let object = json!({
        "kind": "transaction", "id": "h-2", "business_date": "2025-01-06",
        "effective": "2025-01-06T08:00:00Z", "reason": "fee", "links": "refunds=h-1",
        "notes": { "invoice": "INV-3" }, "personal": { "payer": "Jan Jansen" }, "key_slot": "9",
        "entries": [
            { "account": "erin", "side": "debit", "amount": "12.00" },
            { "account": "till", "side": "credit", "amount": "10.00" },
            { "account": "alice", "side": "credit", "amount": "2.00" },
        ],
    });
    let lines = book.write("history.jsonl", &format!("{object}\n{{\"id\":\n"));
    assert_eq!(count(&book, &[&lines], 1, "repeated"), 1);
    assert_eq!(count(&book, &[&lines], 1, "malformed"), 1);
    let head = book.write("head.csv", "id,business_date,from,to,amount,colour\n");
    let odd = book.ask(&["import", &head]);
    assert!(odd.code == Some(5) && odd.err.contains("line 1, column 6"), "{odd:?}");
}

#[test]
fn a_file_is_done_whole_or_not_at_all() {
    let book = Book::new();
    let rows = |last: &str| {
        let mut text = "id,business_date,from,to,amount\n".to_owned();
        for n in 0..50 {
            text.push_str(&format!("t-{n},2026-01-05,alice,bob,1.00\n"));
        }
        text + last
    };
    let broken = book.write("broken.csv", &rows("last,2026-01-05,alice,bob,50.01\n"));
    let whole = ["--all-or-nothing"];
    let args = [&whole[..], &[broken.as_str()]].concat();
    assert_eq!(count(&book, &args, 5, "refused"), 1);
    assert_eq!(count(&book, &args, 5, "not_done"), 50, "and again the same");
    let malformed = book.write("malformed.csv", &rows("last,2026-01-05,alice,bob,x\n"));
    let args = [&whole[..], &[malformed.as_str()]].concat();
    assert_eq!(count(&book, &args, 5, "not_done"), 50);
    assert_eq!(book.balance("bob"), "0.00");
    let sound = book.write("sound.csv", &rows("other,2026-01-05,alice,bob,50.00\n"));
    let args = [&whole[..], &[sound.as_str()]].concat();
    let dry = [&args[..], &["--dry-run"]].concat();
    assert_eq!(count(&book, &dry, 0, "passes"), 51);
    assert_eq!(count(&book, &args, 0, "done"), 51);
    assert_eq!(count(&book, &args, 0, "repeated"), 51);
    assert_eq!(book.balance("bob"), "100.00");
}
