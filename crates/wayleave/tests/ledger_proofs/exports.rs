//! Exports: everything, checked by anybody, and a book built from one is the same book.

use crate::book::{Book, json};
use crate::support::run;

/// Accounts, postings, holds placed, posted, voided and expired, limits, a freeze, a refusal.
fn lived() -> Book {
    let mut book = Book::new(&[]);
    let done = |args: &[&str], code| {
        let ran = book.ask(args);
        assert_eq!(ran.code, Some(code), "{args:?} {ran:?}");
    };
    done(&["account", "limits", "bob", "--overdraft", "5"], 0);
    done(&["account", "block", "alice", "3"], 0);
    done(&["account", "freeze", "bob", "debits"], 0);
    done(&["hold", "place", "--on", "alice", "--amount", "9", "--id", "h1"], 0);
    done(&["hold", "post", "h1", "--to", "bob", "--amount", "4", "--id", "taken"], 0);
    done(&["hold", "place", "--on", "alice", "--amount", "2", "--id", "h2", "--pinned"], 0);
    done(&["hold", "place", "--on", "alice", "--amount", "1", "--id", "h3", "--lasts", "1s"], 0);
    done(&["post", "--from", "alice", "--to", "bob", "--amount", "999", "--id", "refused"], 1);
    book.post("alice", "bob", "7.77", "rent");
    // Until the hold's time has come, and it is expired by the book itself.
    for _ in 0..200 {
        if book.ask(&["export"]).out.contains("hold_expired") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    book.stop();
    book
}

#[test]
fn an_export_carries_everything_and_a_book_built_from_it_is_the_same() {
    let mut book = lived();
    let file = book.path("book.jsonl");
    let written = book.ask(&["export", "--out", &file]);
    assert_eq!(written.code, Some(0), "{written:?}");
    let next = json(&written)["next"].as_u64().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(u64::try_from(text.lines().count()).unwrap(), next);
    for kind in [
        "account_opened",
        "limits_set",
        "blocked_set",
        "freeze_set",
        "hold_placed",
        "posted",
        "hold_expired",
        "refused",
    ] {
        assert!(text.contains(&format!("\"kind\":\"{kind}\"")), "{kind}");
    }
    // The same rows as on standard output, and never over a file.
    assert_eq!(book.ask(&["export"]).out, text);
    assert_ne!(book.ask(&["export", "--out", &file]).code, Some(0));
    let key = json(&book.ask(&["checkpoint", "--key"]))["key"].as_str().unwrap().to_owned();
    let good = run(&["ledger", "export", "verify", &file, "--key", &key, "--json"]);
    assert_eq!((good.code, &json(&good)["covered"]), (Some(0), &next.into()), "{good:?}");
    assert_eq!(run(&["ledger", "export", "verify", &file]).code, Some(3));

    // Built anew, with the old keys: equal to the byte, and it serves.
    let dir = book.dir();
    let again = book.folder.path().join("again");
    let asked = ["ledger", "restore", "--from-export", &file, "--json", "--to"];
    let with = ["--with", dir.to_str().unwrap()];
    let done = run(&[&asked[..], &[again.to_str().unwrap()], &with[..]].concat());
    assert_eq!((done.code, &json(&done)["same_log"]), (Some(0), &true.into()), "{done:?}");
    assert_eq!(book.ask_in(&again, &["export"]).out, text);
    book.start(&[]).unwrap();
    let totals = book.ask(&["totals"]).out;
    let balances = ["cash", "alice", "bob"].map(|account| book.balance(account));
    book.stop();
    book.start_in(&again, &[]).unwrap();
    assert_eq!(book.ask_in(&again, &["totals"]).out, totals);
    assert_eq!(["cash", "alice", "bob"].map(|one| book.balance_in(&again, one)), balances);
    book.stop();
    let sound = book.ask_in(&again, &["fsck"]);
    assert_eq!(sound.code, Some(0), "{sound:?}");
    // Without them it is the same book under another log.
    let alone = book.folder.path().join("alone");
    let done = run(&[&asked[..], &[alone.to_str().unwrap()]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    book.start_in(&alone, &[]).unwrap();
    assert_eq!(["cash", "alice", "bob"].map(|one| book.balance_in(&alone, one)), balances);
}

#[test]
fn a_changed_export_is_refused_by_its_row() {
    let book = lived();
    let file = book.path("book.jsonl");
    assert_eq!(book.ask(&["export", "--out", &file]).code, Some(0));
    let text = std::fs::read_to_string(&file).unwrap();
    let refused = |changed: &str, words: &str| {
        std::fs::write(&file, changed).unwrap();
        let ran = run(&["ledger", "export", "verify", &file]);
        assert_eq!(ran.code, Some(1), "{words}: {ran:?}");
        assert!(ran.out.contains(words), "{words}: {ran:?}");
    };
    refused(&text.replacen("\"12.50\"", "\"12.51\"", 1).replacen("7.77", "7.78", 1), "row ");
    let lines: Vec<&str> = text.lines().collect();
    refused(&format!("{}\n", lines[1..].join("\n")), "row 1");
    refused(&format!("{}\n", lines[..lines.len() - 1].join("\n")), "does not end");
    let swapped: Vec<&str> =
        [lines[1], lines[0]].into_iter().chain(lines[2..].iter().copied()).collect();
    refused(&format!("{}\n", swapped.join("\n")), "row 1");
    // Words that were changed together with every hash from there on.
    let (mut hash, mut forged) = (seal::Digest::ZERO, String::new());
    let domain = seal::digest::Domain::new("wayleave/ledger-export/row/v1");
    for line in &lines {
        let (open, _) = line.rsplit_once(",\"hash\":\"").unwrap();
        let open = open.replace("7.77", "7.78");
        hash = seal::digest::digest_of(domain, &[hash.as_bytes(), open.as_bytes()]);
        forged.push_str(&format!("{open},\"hash\":\"{hash}\"}}\n"));
    }
    refused(&forged, "its words are not those of its bytes");
}
