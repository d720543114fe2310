//! What a restored folder takes over from the old one, and when it takes nothing.

use std::path::{Path, PathBuf};

use ledger_server::archive::Manifest;

use crate::book::{Book, copy, json};
use crate::forge::{self, AMOUNT};
use crate::support::{Ran, run};

const SMALL: [&str; 2] = ["--segment-bytes", "4096"];

fn posts(book: &Book, from: u32, to: u32) {
    for number in from..to {
        book.post("cash", "bob", "1", &format!("p-{number}"));
    }
}

/// A book, stopped, with an archive of it.
fn archived(more: impl FnOnce(&Book)) -> (Book, String) {
    let mut book = Book::new(&SMALL);
    more(&book);
    posts(&book, 0, 25);
    book.checkpoint(29);
    let archive = book.path("archive");
    let done = book.ask(&["archive", "--to", &archive]);
    assert_eq!(done.code, Some(0), "{done:?}");
    book.stop();
    (book, archive)
}

fn restored(book: &Book, from: &[&str]) -> (PathBuf, Ran) {
    let to = book.folder.path().join("restored");
    let dir = book.dir();
    let ends = ["--to", to.to_str().unwrap(), "--with", dir.to_str().unwrap(), "--json"];
    let ran = run(&[&["ledger", "restore"], from, &ends[..]].concat());
    (to, ran)
}

fn done(ran: &Ran) -> serde_json::Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    json(ran)
}

#[test]
fn personal_keys_and_what_was_forgotten_are_taken_over() {
    let (book, archive) = archived(|book| {
        for (id, personal) in [("kept", "7:payer=Jan Jansen"), ("gone", "8:payer=Piet")] {
            let post = ["post", "--from", "alice", "--to", "bob", "--amount", "1", "--id", id];
            done(&book.ask(&[&post[..], &["--personal", personal]].concat()));
        }
    });
    let seal = |id, slot, words| ["personal", "seal", slot, id, "payer", words];
    let sealed = done(&book.ask(&seal("kept", "7", "Jan Jansen")))["sealed"].clone();
    let piet = done(&book.ask(&seal("gone", "8", "Piet")))["sealed"].clone();
    done(&book.ask(&["personal", "forget", "8"]));
    let (to, ran) = restored(&book, &["--from", &archive]);
    done(&ran);
    let open = ["personal", "open", "7", "kept", "payer", sealed.as_str().unwrap()];
    assert_eq!(done(&book.ask_in(&to, &open))["words"], "Jan Jansen");
    // No key is ever made again for a slot that was forgotten.
    let again = book.ask_in(&to, &seal("gone", "8", "Piet"));
    assert!(again.code == Some(5) && again.err.contains("forgotten"), "{again:?}");
    let open = ["personal", "open", "8", "gone", "payer", piet.as_str().unwrap()];
    assert!(book.ask_in(&to, &open).err.contains("forgotten"));
}

#[test]
fn a_folder_that_is_served_gives_nothing() {
    let (mut book, archive) = archived(|_| ());
    book.start(&SMALL).unwrap();
    let (to, ran) = restored(&book, &["--from", &archive]);
    assert!(ran.code == Some(1) && ran.err.contains("in use"), "{ran:?}");
    assert!(!to.exists());
    book.stop();
    done(&restored(&book, &["--from", &archive]).1);
}

#[test]
fn what_follows_an_export_within_its_last_segment_is_taken() {
    let mut book = Book::new(&[]);
    posts(&book, 0, 3);
    book.checkpoint(7);
    let file = book.path("book.jsonl");
    assert_eq!(book.ask(&["export", "--out", &file]).code, Some(0));
    posts(&book, 3, 8);
    book.checkpoint(12);
    book.stop();
    let text = book.ask(&["export"]).out;
    let (to, ran) = restored(&book, &["--from-export", &file]);
    let told = done(&ran);
    assert_eq!((&told["facts"], &told["same_log"]), (&12.into(), &true.into()), "{told}");
    assert_eq!((&told["later_refused"], &told["later_segments"]), (&().into(), &1.into()));
    assert_eq!(book.ask_in(&to, &["export"]).out, text);
    book.start_in(&to, &[]).unwrap();
    assert_eq!(book.balance_in(&to, "bob"), "8.00");
    book.stop();
    let sound = book.ask_in(&to, &["fsck"]);
    assert_eq!(sound.code, Some(0), "{sound:?}");
}

#[test]
fn facts_that_went_another_way_do_not_follow_an_export() {
    let mut book = Book::new(&[]);
    book.stop();
    let old = book.folder.path().join("old");
    copy(&book.dir(), &old);
    book.start(&[]).unwrap();
    posts(&book, 0, 3);
    book.stop();
    let file = book.path("book.jsonl");
    assert_eq!(book.ask(&["export", "--out", &file]).code, Some(0));
    // The older copy goes another way, and further.
    std::fs::remove_dir_all(book.dir()).unwrap();
    copy(&old, &book.dir());
    std::fs::remove_file(Path::new(&book.path("book.guard"))).unwrap();
    book.start(&[]).unwrap();
    for number in 0..6 {
        let id = format!("other-{number}");
        let post = ["post", "--from", "cash", "--to", "bob", "--amount", "2", "--id", &id];
        let ran = crate::support::command()
            .env("WAYLEAVE_STATE", book.path("other-state"))
            .arg("ledger")
            .args(post)
            .args(["--dir", book.dir().to_str().unwrap()])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    book.stop();
    // Its salts are others: by them the export is not what it says.
    let (_, ran) = restored(&book, &["--from-export", &file]);
    assert!(ran.code == Some(1) && ran.err.contains("row 5: its commitment"), "{ran:?}");
    std::fs::remove_file(book.dir().join("journal/salt.keys")).unwrap();
    let (_, ran) = restored(&book, &["--from-export", &file]);
    let told = done(&ran);
    assert_eq!((&told["facts"], &told["opened"]), (&7.into(), &0.into()), "{told}");
    let why = told["later_refused"].as_str().unwrap();
    assert!(why.contains("does not go on at position `7`"), "{why}");
}

#[test]
fn a_forged_fact_behind_the_archive_is_not_taken() {
    let (mut book, archive) = archived(|_| ());
    book.start(&SMALL).unwrap();
    book.post("cash", "bob", "2", "before");
    book.post("cash", "bob", AMOUNT, "forged");
    book.checkpoint(31);
    book.stop();
    let mut manifests: Vec<PathBuf> = std::fs::read_dir(&archive)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "manifest"))
        .collect();
    manifests.sort();
    let last = std::fs::read(manifests.last().unwrap()).unwrap();
    let last = Manifest::from_bytes(&last).unwrap();
    forge::journal(&book.dir().join("journal"), &last.book, last.tip());
    let (_, ran) = restored(&book, &["--from", &archive]);
    let told = done(&ran);
    // All before it, and under another log: the fact was published.
    assert_eq!((&told["facts"], &told["had"]), (&30.into(), &31.into()), "{told}");
    assert_eq!((&told["opened"], &told["same_log"]), (&30.into(), &false.into()), "{told}");
    let why = told["later_refused"].as_str().unwrap();
    assert!(why.contains("fact `30`: its commitment is not that of its bytes"), "{why}");
}

#[test]
fn the_newer_checkpoint_is_kept_and_missing_salts_are_told() {
    let (mut book, archive) = archived(|_| ());
    book.start(&SMALL).unwrap();
    posts(&book, 25, 30);
    let newest = book.checkpoint(34)["checkpoint"].as_str().unwrap().to_owned();
    book.stop();
    let salts = book.dir().join("journal/salt.keys");
    let bytes = std::fs::read(&salts).unwrap();
    let (to, ran) = restored(&book, &["--from", &archive]);
    assert_eq!(done(&ran)["has_salts"], true);
    assert_eq!(std::fs::read_to_string(to.join("log/checkpoint")).unwrap(), newest);
    std::fs::remove_dir_all(&to).unwrap();
    let _ = std::fs::remove_file(book.path("restored.guard"));
    // An older copy of the salts: three keys of them.
    std::fs::write(&salts, &bytes[..3 * 64]).unwrap();
    let (_, ran) = restored(&book, &["--from", &archive]);
    let told = done(&ran);
    assert_eq!(told["has_salts"], false, "{told}");
    assert!(told["salts_missing"].as_u64().unwrap() > 0, "{told}");
    assert_eq!(told["opened"].as_u64().unwrap() + told["not_opened"].as_u64().unwrap(), 34);
    assert!(told["not_opened"].as_u64().unwrap() > 0, "{told}");
}
