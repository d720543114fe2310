//! `fsck` names a flipped byte of whatever lies in a book's folder.

use std::path::PathBuf;

use crate::book::{Book, copy, json};

#[test]
fn a_flipped_byte_beside_the_journal_is_named_by_its_part() {
    let often = ["--segment-bytes", "4096", "--image-every", "5"];
    let mut book = Book::new(&often);
    for number in 0..25 {
        book.post("cash", "bob", "1", &format!("p-{number}"));
    }
    book.stop();
    // Summaries are written when the book is opened again.
    book.start(&often).unwrap();
    book.stop();
    let sound = book.ask(&["fsck"]);
    assert_eq!(sound.code, Some(0), "{sound:?}");
    let by_the_other = crate::support::run(&["fsck", book.dir().to_str().unwrap(), "--json"]);
    assert_eq!((by_the_other.code, &by_the_other.out), (Some(0), &sound.out));
    let first = |folder: &str, suffix: &str| -> PathBuf {
        let mut names: Vec<PathBuf> = std::fs::read_dir(book.dir().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(suffix))
            .collect();
        names.sort();
        names.remove(0)
    };
    let in_dir = |name: &str| book.dir().join(name);
    let named = |path: PathBuf, place: usize, words: &str| {
        let bytes = std::fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        let place = if place == usize::MAX { changed.len() - 1 } else { place };
        changed[place] ^= 0x10;
        std::fs::write(&path, &changed).unwrap();
        let ran = book.ask(&["fsck"]);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(ran.code, Some(1), "{} byte {place}: {ran:?}", path.display());
        let found = json(&ran)["findings"].to_string();
        assert!(found.contains(words), "{} byte {place}: {found}", path.display());
    };
    named(first("journal", ".segment"), 200, "batch of position");
    // An unused byte at the preallocated end of the last segment.
    let mut segments: Vec<PathBuf> = std::fs::read_dir(in_dir("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "segment"))
        .collect();
    segments.sort();
    named(segments.pop().unwrap(), usize::MAX, ".segment");
    named(first("journal", ".summary"), 30, ".summary` is damaged");
    named(in_dir("journal/epoch"), 10, "epoch");
    named(in_dir("journal/salt.keys"), 20, "slot `0` is damaged");
    // A leaf hash, a commitment, a head, the checkpoint's signature.
    let page = 8192 * 8;
    named(in_dir("log/log.tiles"), page + 5, "log: ");
    named(in_dir("log/log.tiles"), page + 8192 + 5, "log: ");
    named(in_dir("log/log.tiles"), 20, "log: ");
    named(in_dir("log/checkpoint"), 120, "log: ");
    if in_dir("ids/ids.manifest").exists() {
        named(in_dir("ids/ids.manifest"), 12, "ids.manifest");
    }
    for place in [0, 40, 200, usize::MAX] {
        named(in_dir("images/image"), place, "images: `image`: the image is damaged");
    }
    let views = std::fs::metadata(in_dir("views/views.redb")).unwrap().len();
    assert!(views > 0);
    named(in_dir("views/views.redb"), 64, "views: ");
    let again = book.ask(&["fsck"]);
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[test]
fn a_journal_that_went_another_way_than_its_guard_is_named() {
    let mut book = Book::new(&[]);
    book.stop();
    let (old, guard) = (book.folder.path().join("old"), book.path("book.guard"));
    copy(&book.dir(), &old);
    let old_guard = std::fs::read(&guard).unwrap();
    book.start(&[]).unwrap();
    book.post("cash", "bob", "1", "one");
    book.stop();
    let newest = std::fs::read(&guard).unwrap();
    std::fs::remove_dir_all(book.dir()).unwrap();
    copy(&old, &book.dir());
    std::fs::write(&guard, old_guard).unwrap();
    book.start(&[]).unwrap();
    let post = ["ledger", "post", "--from", "cash", "--to", "bob", "--amount", "2", "--id", "two"];
    let dir = book.dir();
    let mut other = crate::support::command();
    other.env("WAYLEAVE_STATE", book.path("other-state")).args(post).arg("--dir").arg(&dir);
    assert!(other.output().unwrap().status.success());
    book.stop();
    assert_eq!(book.ask(&["fsck"]).code, Some(0));
    // As long as the guard's history, and another.
    std::fs::write(&guard, newest).unwrap();
    let ran = book.ask(&["fsck"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(json(&ran)["findings"].to_string().contains("guard: JournalForked"), "{ran:?}");
}
