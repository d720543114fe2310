//! Exports: everything, checked by anybody, and a book built from one is the same book.

use journal::Batch;
use journal::batch::{Entry, Origin};
use serde_json::Value;

use crate::book::{Book, json};
use crate::forge::{self, AMOUNT, FORGED};
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
    let dir = book.dir();
    let verify = ["ledger", "export", "verify", &file, "--key", &key, "--json"];
    let good = run(&[&verify[..], &["--with", dir.to_str().unwrap()]].concat());
    assert_eq!((good.code, &json(&good)["covered"]), (Some(0), &next.into()), "{good:?}");
    assert_eq!(json(&good)["opened"], next, "{good:?}");
    let order = run(&verify);
    assert_eq!((order.code, &json(&order)["verdict"]), (Some(3), &"not-opened".into()));
    assert_eq!(run(&["ledger", "export", "verify", &file]).code, Some(3));

    // Built anew, with the old keys: equal to the byte, and it serves.
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

/// Rows with their hashes made again, each first changed by `change`.
fn rehashed(text: &str, mut change: impl FnMut(usize, &str) -> String) -> String {
    let (mut hash, mut all) = (seal::Digest::ZERO, String::new());
    let domain = seal::digest::Domain::new("wayleave/ledger-export/row/v1");
    for (number, line) in text.lines().enumerate() {
        let (open, _) = line.rsplit_once(",\"hash\":\"").unwrap();
        let open = change(number, open);
        hash = seal::digest::digest_of(domain, &[hash.as_bytes(), open.as_bytes()]);
        all.push_str(&format!("{open},\"hash\":\"{hash}\"}}\n"));
    }
    all
}

/// The manifest of an export, to end as its rows now do.
fn ends_as(file: &str, text: &str, digest: Option<&str>) {
    let path = format!("{file}.manifest");
    let mut about: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    about["hash"] = last["hash"].clone();
    if let Some(digest) = digest {
        about["digest"] = digest.into();
    }
    std::fs::write(path, about.to_string()).unwrap();
    std::fs::write(file, text).unwrap();
}

#[test]
fn a_forged_export_is_never_good_and_nothing_is_built_from_it_beside_the_salts() {
    let mut book = Book::new(&[]);
    // One fact a batch: the batches are made again from the rows, each on its own.
    book.post("cash", "bob", AMOUNT, "forged");
    book.post("cash", "bob", "1", "after");
    book.checkpoint(6);
    book.stop();
    let file = book.path("book.jsonl");
    assert_eq!(book.ask(&["export", "--out", &file]).code, Some(0));
    let key = json(&book.ask(&["checkpoint", "--key"]))["key"].as_str().unwrap().to_owned();
    let text = std::fs::read_to_string(&file).unwrap();
    let about: Value =
        serde_json::from_str(&std::fs::read_to_string(format!("{file}.manifest")).unwrap())
            .unwrap();
    let name: terms::BookName = about["book"].as_str().unwrap().parse().unwrap();
    let mut digest = seal::Digest::ZERO;
    let forged = rehashed(&text, |_, open| {
        let mut row: Value = serde_json::from_str(&format!("{open}}}")).unwrap();
        let bytes = seal::text::from_hex(row["bytes"].as_str().unwrap()).unwrap();
        let commitment = record::Commitment(row["commitment"].as_str().unwrap().parse().unwrap());
        let entry = Entry { fact: seal::from_canonical(&bytes).unwrap(), commitment };
        let (entry, _) = forge::forged(&entry);
        let run = seal::text::from_hex_array(row["batch"]["run"].as_str().unwrap()).unwrap();
        let nanos = row["stamp_nanos"].as_str().unwrap().parse().unwrap();
        let origin = Origin {
            book: name,
            first: terms::Position::new(row["batch"]["first"].as_u64().unwrap()),
            epoch: terms::Epoch::new(row["epoch"].as_u64().unwrap()),
            run: terms::RunId::from_bytes(run),
            previous: digest,
            stamp: terms::Instant::from_nanos(nanos),
        };
        assert_eq!(row["position"], row["batch"]["first"], "one fact a batch");
        row["bytes"] = seal::text::to_hex(&seal::to_canonical(&entry.fact)).into();
        row["batch"]["previous"] = digest.to_string().into();
        digest = Batch::seal(origin, &[entry]).unwrap().digest();
        row["batch"]["digest"] = digest.to_string().into();
        row.to_string().strip_suffix('}').unwrap().replace(AMOUNT, FORGED)
    });
    ends_as(&file, &forged, Some(&digest.to_string()));
    let verify = ["ledger", "export", "verify", &file, "--key", &key];
    let order = run(&verify);
    assert_eq!(order.code, Some(3), "{order:?}");
    assert!(order.out.contains("not opened") && !order.out.contains("good"), "{order:?}");
    let dir = book.dir();
    let with = ["--with", dir.to_str().unwrap()];
    let opened = run(&[&verify[..], &with].concat());
    assert_eq!(opened.code, Some(1), "{opened:?}");
    assert!(opened.out.contains("row 5: its commitment"), "{opened:?}");
    let to = book.path("to");
    let restore = ["ledger", "restore", "--from-export", &file, "--to", &to, "--json"];
    let refused = run(&[&restore[..], &with].concat());
    assert!(refused.code != Some(0) && refused.err.contains("row 5"), "{refused:?}");
    assert!(!std::path::Path::new(&to).exists());
    let done = run(&restore);
    assert_eq!(json(&done)["opened"], 0, "{done:?}");
}

#[test]
fn a_row_has_its_members_once_and_no_others() {
    let book = lived();
    let file = book.path("book.jsonl");
    assert_eq!(book.ask(&["export", "--out", &file]).code, Some(0));
    let text = std::fs::read_to_string(&file).unwrap();
    let third = |change: &dyn Fn(&str) -> String| {
        let changed =
            rehashed(&text, |row, open| if row == 2 { change(open) } else { open.to_owned() });
        ends_as(&file, &changed, None);
        let ran = run(&["ledger", "export", "verify", &file, "--json"]);
        (ran.code, json(&ran).to_string())
    };
    assert_eq!(third(&str::to_owned).0, Some(3));
    for (what, words) in [
        ("{\"note\":\"free\",", "unknown"),
        ("{\"client\":1,", "written"),
        ("{ ", "written"),
        ("{\"position\":77,", "written"),
    ] {
        let (code, said) = third(&|open| open.replacen('{', what, 1));
        assert!(code == Some(1) && said.contains("row 3") && said.contains(words), "{what} {said}");
    }
    let (code, said) = third(&|open| open.replace("\"batch\":{", "\"batch\":{\"a\":1,"));
    assert!(code == Some(1) && said.contains("unknown"), "{said}");
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
    let forged = rehashed(&text, |_, open| open.replace("7.77", "7.78"));
    refused(&forged, "its words are not those of its bytes");
}
