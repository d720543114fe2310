//! A folder that is not the newest copy is not served, as far as anybody outside it knows.

use crate::book::{Book, copy};

fn replace(book: &Book, by: &str) {
    std::fs::remove_dir_all(book.dir()).unwrap();
    copy(&book.folder.path().join(by), &book.dir());
}

fn keep(book: &Book, name: &str) {
    copy(&book.dir(), &book.folder.path().join(name));
}

#[test]
fn an_older_copy_is_refused_and_the_newest_is_served_again() {
    let mut book = Book::new(&[]);
    book.stop();
    keep(&book, "old");
    book.start(&[]).unwrap();
    book.post("alice", "bob", "1", "one");
    book.post("alice", "bob", "2", "two");
    let kept = book.checkpoint(6)["checkpoint"].as_str().unwrap().to_owned();
    let kept = book.folder.write("kept", kept);
    book.stop();
    keep(&book, "new");

    replace(&book, "old");
    let why = book.start(&[]).unwrap_err();
    assert!(why.contains("JournalRolledBack: the guard"), "{why}");
    assert!(why.contains("`6` facts") && why.contains("positions `4` to `5`"), "{why}");
    assert!(why.contains("wayleave ledger restore"), "{why}");
    // Nothing was written to it: the newest copy goes on, and so would the old one.
    replace(&book, "new");
    book.start(&["--known-checkpoint", &kept]).unwrap();
    assert_eq!(book.balance("bob"), "3.00");
    book.stop();

    // Without the guard a checkpoint that somebody kept tells, ...
    let guard = book.path("book.guard");
    std::fs::rename(&guard, book.path("away")).unwrap();
    replace(&book, "old");
    let why = book.start(&["--known-checkpoint", &kept]).unwrap_err();
    assert!(why.contains("JournalRolledBack: the checkpoint"), "{why}");
    // ... and without both the clients do, before they send anything.
    std::fs::remove_file(&guard).unwrap();
    book.start(&[]).unwrap();
    let asked = book.ask(&["balance", "bob"]);
    assert_eq!(asked.code, Some(5), "{asked:?}");
    assert!(asked.err.contains("JournalRolledBack: this client has seen"), "{}", asked.err);
    book.stop();
}

#[test]
fn a_history_that_went_another_way_is_refused() {
    let mut book = Book::new(&[]);
    book.stop();
    keep(&book, "old");
    let guard = book.path("book.guard");
    std::fs::copy(&guard, book.path("guard-old")).unwrap();
    book.start(&[]).unwrap();
    book.post("alice", "bob", "1", "one");
    let kept = book.checkpoint(5)["checkpoint"].as_str().unwrap().to_owned();
    let kept = book.folder.write("kept", kept);
    book.stop();
    std::fs::rename(&guard, book.path("guard-new")).unwrap();
    // The older copy is written on, as far as the newer one and further.
    replace(&book, "old");
    std::fs::copy(book.path("guard-old"), &guard).unwrap();
    book.start(&[]).unwrap();
    for id in ["other", "another", "third"] {
        let what = ["post", "--from", "cash", "--to", "bob", "--amount", "5", "--id", id];
        let args = [&what[..], &["--within", "20"]].concat();
        // Without its memory, which would refuse: another user's client.
        let ran = crate::support::command()
            .env("WAYLEAVE_STATE", book.path("other-state"))
            .arg("ledger")
            .args(args)
            .args(["--dir", book.dir().to_str().unwrap()])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    book.stop();
    let why = book.start(&["--known-checkpoint", &kept]).unwrap_err();
    assert!(why.contains("JournalForked") && why.contains("the checkpoint"), "{why}");
    std::fs::copy(book.path("guard-new"), &guard).unwrap();
    let why = book.start(&[]).unwrap_err();
    assert!(why.contains("JournalForked") && why.contains("the guard"), "{why}");
}

#[test]
fn a_killed_book_starts_with_its_guard() {
    let mut book = Book::new(&[]);
    for round in 0..3 {
        book.post("alice", "bob", "1", &format!("round-{round}"));
        book.kill();
        book.start(&[]).unwrap();
    }
    assert_eq!(book.balance("bob"), "3.00");
}

#[test]
fn a_guard_of_another_book_or_a_damaged_one_is_named() {
    let mut book = Book::new(&[]);
    let mut other = Book::new(&[]);
    book.stop();
    other.stop();
    let why = book.start(&["--guard", &other.path("book.guard")]).unwrap_err();
    assert!(why.contains("is of another book"), "{why}");
    let guard = book.path("book.guard");
    let mut bytes = std::fs::read(&guard).unwrap();
    bytes.iter_mut().for_each(|byte| *byte ^= 1);
    std::fs::write(&guard, bytes).unwrap();
    let why = book.start(&[]).unwrap_err();
    assert!(why.contains("is damaged"), "{why}");
    // A new book in the place of a former one has a guard of its own.
    std::fs::remove_dir_all(book.dir()).unwrap();
    let made = book.ask(&["init"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    book.start(&[]).unwrap();
    book.fund();
}
