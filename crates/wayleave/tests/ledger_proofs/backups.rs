//! A served book in a place of objects, and back.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::book::{Book, copy, json};
use crate::support::{Ran, command, run};

/// Where a suite's own S3 server stands; without it a folder is the place.
const BUCKET: &str = "WAYLEAVE_S3";

/// A place of its own, and what reaches it.
struct Place {
    url: String,
    endpoint: Vec<String>,
}

impl Place {
    fn folder(book: &Book, name: &str) -> Self {
        Self { url: format!("file:{}", book.path(name)), endpoint: Vec::new() }
    }

    fn run(&self, args: &[&str]) -> Ran {
        let more: Vec<&str> = self.endpoint.iter().map(String::as_str).collect();
        run(&[args, &more, &["--json"]].concat())
    }

    fn backup(&self, dir: &Path, more: &[&str]) -> Ran {
        let dir = dir.to_str().unwrap();
        self.run(&[&["backup", dir, "--to", &self.url], more].concat())
    }

    fn backed_up(&self, dir: &Path, more: &[&str]) -> Value {
        let ran = self.backup(dir, more);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        json(&ran)
    }

    fn verify(&self, more: &[&str]) -> Ran {
        self.run(&[&["backup", "verify", "--from", &self.url], more].concat())
    }

    fn restore(&self, dir: &Path, more: &[&str]) -> Ran {
        let dir = dir.to_str().unwrap();
        self.run(&[&["restore", dir, "--from", &self.url], more].concat())
    }
}

fn posts(book: &Book, from: u32, to: u32) {
    for number in from..to {
        book.post("cash", "bob", "1", &format!("p-{number}"));
    }
}

fn recovery_key(book: &Book) -> (String, String) {
    let file = book.path("recovery.key");
    let made = run(&["backup", "key", &file]);
    assert_eq!(made.code, Some(0), "{made:?}");
    (file, made.out.trim().to_owned())
}

/// Backup, more, backup, verify, restore: with and without keys.
fn there_and_back(place: &Place, mut book: Book) {
    let (file, public) = recovery_key(&book);
    let seal = ["--seal-to", public.as_str()];
    posts(&book, 0, 5);
    let first = place.backed_up(&book.dir(), &seal);
    assert_eq!(first["books"][0]["facts"], 9, "{first}");
    posts(&book, 5, 20);
    let second = place.backed_up(&book.dir(), &seal);
    assert_eq!(second["books"][0]["copied_facts"], 15, "only what is new: {second}");
    let head = book.checkpoint(24);
    let third = place.backed_up(&book.dir(), &seal);
    assert_eq!(third["books"][0]["copied_facts"], 0, "{third}");
    assert_eq!(third["checkpoint"], head["size"]);

    let verified = place.verify(&["--recovery-key", &file]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let verified = json(&verified);
    let total = &verified["books"][0]["trial_balance"]["totals"][0];
    assert_eq!((&total["debits"], &total["credits"]), (&"12000".into(), &"12000".into()));
    assert_eq!((&verified["opened"], &verified["not_opened"]), (&24.into(), &0.into()));
    assert_eq!(verified["unnamed_objects"], 0);
    let blind = json(&place.verify(&[]));
    assert_eq!((&blind["opened"], &blind["not_opened"]), (&0.into(), &24.into()));

    book.stop();
    // With the keys it goes on as itself: its clients, its names, its log.
    let with = book.folder.path().join("with");
    let ran = place.restore(&with, &["--recovery-key", &file, "--same-log"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(json(&ran)["not_opened"], 0);
    book.start_in(&with, &[]).unwrap();
    assert_eq!(book.balance_in(&with, "bob"), "20.00");
    let what = ["post", "--from", "cash", "--to", "bob", "--amount", "1", "--id", "p-3"];
    assert_eq!(json(&book.ask_in(&with, &what))["position"].as_u64(), Some(7), "the first answer");
    let key = |dir: &Path| json(&book.ask_in(dir, &["checkpoint", "--key"]));
    assert_eq!(key(&with), key(&book.dir()));
    book.stop();
    assert_eq!(book.ask_in(&with, &["fsck"]).code, Some(0));

    // Without them the money is there, and another operator.
    let without = book.folder.path().join("without");
    let ran = place.restore(&without, &[]);
    assert_eq!((ran.code, &json(&ran)["not_opened"]), (Some(0), &24.into()), "{ran:?}");
    book.start_in(&without, &[]).unwrap();
    let cash = without.join("names").exists();
    assert!(!cash, "names lie with the keys");
    book.stop();
    assert_eq!(place.restore(&without, &[]).code, Some(1), "nothing is written over");
    assert_eq!(book.ask_in(&without, &["fsck"]).code, Some(0));
}

#[test]
fn a_book_goes_to_a_folder_and_comes_back_with_and_without_its_keys() {
    let book = Book::new(&["--segment-bytes", "4096"]);
    let place = Place::folder(&book, "backup");
    there_and_back(&place, book);
}

mod on_bucket {
    use super::*;

    #[test]
    fn a_book_goes_to_a_bucket_and_comes_back() {
        let Some(endpoint) = std::env::var(BUCKET).ok() else {
            assert!(std::env::var_os("CI").is_none(), "`{BUCKET}` names no server");
            println!("left out: `{BUCKET}` names no server");
            return;
        };
        let book = Book::new(&["--segment-bytes", "4096"]);
        let url = format!("s3://wayleave/book-{}", std::process::id());
        there_and_back(&Place { url, endpoint: vec!["--endpoint".to_owned(), endpoint] }, book);
    }
}

fn objects(place: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(place.join("journal")).unwrap().flatten();
    let mut files: Vec<PathBuf> = folders
        .flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten())
        .map(|file| file.path())
        .collect();
    files.sort();
    files
}

#[test]
fn a_changed_or_missing_object_is_named_and_nothing_is_restored_from_it() {
    let book = Book::new(&[]);
    posts(&book, 0, 5);
    let place = Place::folder(&book, "backup");
    place.backed_up(&book.dir(), &[]);
    let path = PathBuf::from(book.path("backup"));
    let object = objects(&path).pop().unwrap();
    let sound = std::fs::read(&object).unwrap();
    for at in [20, sound.len() / 2, sound.len() - 2] {
        let mut changed = sound.clone();
        changed[at] ^= 1;
        std::fs::write(&object, &changed).unwrap();
        let ran = place.verify(&[]);
        assert_eq!(ran.code, Some(1), "byte {at}: {ran:?}");
        assert!(ran.err.contains("00000000000000000000-"), "{}", ran.err);
        let to = book.folder.path().join("restored");
        assert_eq!(place.restore(&to, &[]).code, Some(1), "byte {at}");
        assert!(!to.exists(), "a damaged backup made a folder");
    }
    std::fs::remove_file(&object).unwrap();
    assert!(place.verify(&[]).err.contains("is missing"));
    std::fs::write(&object, &sound).unwrap();
    assert_eq!(place.verify(&[]).code, Some(0));
}

#[test]
fn a_restored_older_copy_meets_the_guard_and_a_forked_book_is_not_added() {
    let mut book = Book::new(&[]);
    let (file, public) = recovery_key(&book);
    posts(&book, 0, 3);
    let place = Place::folder(&book, "backup");
    place.backed_up(&book.dir(), &["--seal-to", &public]);
    posts(&book, 3, 6);
    let kept = book.checkpoint(10)["checkpoint"].as_str().unwrap().to_owned();
    let kept = book.folder.write("kept", kept);
    book.stop();
    // Where the old folder was its guard still stands, and knows more.
    let newest = book.folder.path().join("newest");
    copy(&book.dir(), &newest);
    std::fs::remove_dir_all(book.dir()).unwrap();
    let key = ["--recovery-key", file.as_str(), "--same-log"];
    assert_eq!(place.restore(&book.dir(), &key).code, Some(0));
    let why = book.start(&[]).unwrap_err();
    assert!(why.contains("JournalRolledBack: the guard"), "{why}");
    assert!(why.contains("positions `7` to `9`"), "{why}");
    // Elsewhere a checkpoint that somebody kept tells.
    let elsewhere = book.folder.path().join("elsewhere");
    assert_eq!(place.restore(&elsewhere, &key).code, Some(0));
    let why = book.start_in(&elsewhere, &["--known-checkpoint", &kept]).unwrap_err();
    assert!(why.contains("JournalRolledBack: the checkpoint"), "{why}");
    // It is written on all the same, and then the true book's backup goes on: the other's does not.
    book.start_in(&elsewhere, &[]).unwrap();
    let what = ["post", "--from", "cash", "--to", "bob", "--amount", "7", "--id", "fork"];
    let state = book.path("other-state");
    let posted = command()
        .env("WAYLEAVE_STATE", state)
        .arg("ledger")
        .args(what)
        .args(["--dir", elsewhere.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(posted.status.success(), "{posted:?}");
    book.stop();
    place.backed_up(&newest, &[]);
    let ran = place.backup(&elsewhere, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("is not the one that lies there"), "{}", ran.err);
    let verified = json(&place.verify(&[]));
    assert_eq!(verified["books"][0]["facts"], 10);
}

/// Follows a book into a place until it is killed.
fn following(place: &Place, dir: &Path) -> Child {
    command()
        .args(["backup", dir.to_str().unwrap(), "--to", &place.url, "--follow", "--json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The restore drill: a book under load is backed up meanwhile, everything dies, the book is built
/// elsewhere: every acknowledged transaction up to the backed-up position is there.
#[test]
fn everything_acknowledged_up_to_the_backed_up_position_survives_the_machine() {
    let mut book = Book::new(&["--segment-bytes", "4096"]);
    let (file, public) = recovery_key(&book);
    let place = Place::folder(&book, "backup");
    place.backed_up(&book.dir(), &["--seal-to", &public]);
    let mut follower = following(&place, &book.dir());
    let mut acknowledged = Vec::new();
    for number in 0..60 {
        let id = format!("load-{number}");
        let what = ["post", "--from", "cash", "--to", "bob", "--amount", "1", "--id", &id];
        let posted = json(&book.ask(&what));
        acknowledged.push((id, posted["position"].as_u64().unwrap()));
        if number == 30 {
            // The backup dies in the middle, too, and goes on.
            follower.kill().unwrap();
            follower.wait().unwrap();
            follower = following(&place, &book.dir());
        }
    }
    let mut verified = json(&place.verify(&[]));
    // The follower looks once a second: it has seen some of the load by now, or soon.
    while verified["books"][0]["facts"].as_u64().unwrap() < 40 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        verified = json(&place.verify(&[]));
    }
    book.kill();
    follower.kill().unwrap();
    follower.wait().unwrap();
    let to = book.folder.path().join("elsewhere");
    let ran = place.restore(&to, &["--recovery-key", &file]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let facts = json(&ran)["books"][0]["facts"].as_u64().unwrap();
    let kept = acknowledged.iter().filter(|(_, position)| *position < facts).count();
    let lag = acknowledged.len() - kept;
    println!("{} acknowledged, {kept} restored, {lag} behind the backup", acknowledged.len());
    assert!(kept >= 30, "{kept}");
    assert_eq!(book.ask_in(&to, &["fsck"]).code, Some(0));
    book.start_in(&to, &[]).unwrap();
    // By a client that has not seen what was behind the backup: one that has refuses an older copy.
    let balance = command()
        .env("WAYLEAVE_STATE", book.path("new-state"))
        .args(["ledger", "balance", "bob", "--json", "--dir", to.to_str().unwrap()])
        .output()
        .unwrap();
    let balance: Value = serde_json::from_slice(&balance.stdout).unwrap();
    assert_eq!(balance["balance"], format!("{kept}.00"));
    for (id, position) in &acknowledged {
        let what = ["post", "--from", "cash", "--to", "bob", "--amount", "1", "--id", id];
        let state = book.path("new-state");
        let again = command()
            .env("WAYLEAVE_STATE", state)
            .arg("ledger")
            .args(what)
            .args(["--json", "--dir", to.to_str().unwrap()])
            .output()
            .unwrap();
        let said: Value = serde_json::from_slice(&again.stdout).unwrap();
        if *position < facts {
            assert_eq!(said["position"].as_u64(), Some(*position), "{id}: {said}");
        }
    }
    assert_eq!(book.balance_in(&to, "bob"), "60.00", "the client's tries again made up the lag");
}

#[test]
fn two_backups_at_once_leave_one_history() {
    let book = Book::new(&["--segment-bytes", "4096"]);
    let place = Place::folder(&book, "backup");
    for round in 0..4 {
        posts(&book, round * 3, round * 3 + 3);
        let ends: Vec<Ran> = std::thread::scope(|scope| {
            let tries: Vec<_> =
                (0..3).map(|_| scope.spawn(|| place.backup(&book.dir(), &[]))).collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(ends.iter().any(|ran| ran.code == Some(0)), "{ends:?}");
        let second = |ran: &Ran| ran.err.contains("came first; run this again");
        assert!(ends.iter().all(|ran| ran.code == Some(0) || second(ran)), "{ends:?}");
        let verified = json(&place.verify(&[]));
        assert_eq!(verified["books"][0]["facts"], 7 + round * 3, "{verified}");
    }
}
