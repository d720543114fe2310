//! Archives of sealed segments: made, checked, damaged, restored from.

use std::path::Path;

use crate::book::{Book, json};
use crate::forge::{self, AMOUNT};
use crate::support::{Ran, run};

/// Ten posts or so fill one.
const SMALL: [&str; 2] = ["--segment-bytes", "4096"];

fn posts(book: &Book, from: u32, to: u32) {
    for number in from..to {
        book.post("cash", "bob", "1", &format!("p-{number}"));
    }
}

fn segments(dir: &Path, suffix: &str) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(suffix));
    names.sort();
    names
}

fn restore(args: &[&str]) -> Ran {
    run(&[&["ledger", "restore", "--json"], args].concat())
}

/// Good with key and salts, and only then.
fn verdicts(archive: &str, key: &str, dir: &Path, facts: u64) {
    let verify = ["ledger", "archive", "verify", archive, "--key", key, "--json"];
    let good = run(&[&verify[..], &["--with", dir.to_str().unwrap()]].concat());
    assert_eq!((good.code, &json(&good)["facts"]), (Some(0), &facts.into()), "{good:?}");
    assert_eq!(json(&good)["opened"], facts, "{good:?}");
    // Without the salts the log vouches for commitments alone.
    let order = run(&verify);
    assert_eq!((order.code, &json(&order)["verdict"]), (Some(3), &"not-opened".into()));
    assert_eq!(run(&["ledger", "archive", "verify", archive]).code, Some(3));
}

#[test]
fn sealed_segments_are_archived_checked_and_restored() {
    let mut book = Book::new(&SMALL);
    posts(&book, 0, 25);
    let archive = book.path("archive");
    book.checkpoint(29);
    let first = book.ask(&["archive", "--to", &archive]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let added = json(&first)["added"].as_array().unwrap().len();
    assert!(added >= 2, "{first:?}");
    // Nothing is new, then something is.
    let again = json(&book.ask(&["archive", "--to", &archive]));
    assert_eq!((again["added"].as_array().unwrap().len(), &again["before"]), (0, &added.into()));
    posts(&book, 25, 50);
    book.checkpoint(54);
    let more = json(&book.ask(&["archive", "--to", &archive]));
    assert!(!more["added"].as_array().unwrap().is_empty(), "{more}");
    let archived = more["next"].as_u64().unwrap();
    let key = json(&book.ask(&["checkpoint", "--key"]))["key"].as_str().unwrap().to_owned();
    verdicts(&archive, &key, &book.dir(), archived);
    assert!(!segments(Path::new(&archive), ".keys").iter().any(|_| true), "keys in the archive");

    // With what is left of the folder nothing is missing, and the log goes on.
    let kept = book.checkpoint(54);
    let kept_file = book.folder.write("kept", kept["checkpoint"].as_str().unwrap());
    book.stop();
    let (dir, whole) = (book.dir(), book.folder.path().join("whole"));
    let with = ["--from", &archive, "--to", whole.to_str().unwrap(), "--with"];
    let done = restore(&[&with[..], &[dir.to_str().unwrap()]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    let told = json(&done);
    assert_eq!((&told["facts"], &told["same_log"]), (&54.into(), &true.into()), "{told}");
    assert_eq!((&told["had"], &told["has_salts"]), (&serde_json::Value::Null, &true.into()));
    book.start_in(&whole, &["--known-checkpoint", &kept_file]).unwrap();
    assert_eq!(book.balance_in(&whole, "bob"), "50.00");
    let extends = book.ask_in(&whole, &["checkpoint", "--extends", &kept_file]);
    assert_eq!(json(&extends)["root"], kept["root"], "{extends:?}");
    let receipt = book.path("old.wayleave");
    let made = book.ask_in(&whole, &["receipt", "p-7", "--out", &receipt]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(run(&["ledger", "verify", &receipt, "--key", &key]).code, Some(0));
    book.stop();
    assert_eq!(book.ask_in(&whole, &["fsck"]).code, Some(0));

    // From the archive alone: its facts, another log, no receipts of the old ones.
    let alone = book.folder.path().join("alone");
    let done = restore(&["--from", &archive, "--to", alone.to_str().unwrap()]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let told = json(&done);
    assert_eq!((&told["facts"], &told["same_log"]), (&archived.into(), &false.into()), "{told}");
    assert_eq!(told["had"], 54, "{told}");
    book.start_in(&alone, &[]).unwrap();
    let balance = format!("{}.00", archived - 4);
    assert_eq!(book.balance_in(&alone, "bob"), balance);
    let posted = ["post", "--from", "cash", "--to", "bob", "--amount", "1", "--id", "anew"];
    assert_eq!(book.ask_in(&alone, &posted).code, Some(0));
    let made = book.ask_in(&alone, &["receipt", "--position", "7", "--out", &book.path("none")]);
    assert!(made.code == Some(5) && made.err.contains("salts were erased"), "{made:?}");
    let new = book.ask_in(&alone, &["receipt", "anew", "--out", &book.path("anew")]);
    assert_eq!(new.code, Some(0), "{new:?}");
    book.stop();
    let sound = book.ask_in(&alone, &["fsck"]);
    assert_eq!(sound.code, Some(0), "{sound:?}");
    // A folder that is there is not touched.
    let taken = restore(&["--from", &archive, "--to", alone.to_str().unwrap()]);
    assert!(taken.code != Some(0) && taken.err.contains("is there already"), "{taken:?}");
}

#[test]
fn a_forged_archive_is_never_good_and_nothing_is_restored_from_it_beside_the_salts() {
    let mut book = Book::new(&SMALL);
    book.post("cash", "bob", AMOUNT, "forged");
    posts(&book, 0, 25);
    book.checkpoint(30);
    let archive = book.path("archive");
    assert_eq!(book.ask(&["archive", "--to", &archive]).code, Some(0));
    let key = json(&book.ask(&["checkpoint", "--key"]))["key"].as_str().unwrap().to_owned();
    book.stop();
    let names = segments(Path::new(&archive), ".segment");
    let firsts: Vec<u64> = names.iter().map(|name| name[..20].parse().unwrap()).collect();
    forge::archive(Path::new(&archive), &firsts);
    let dir = book.dir();
    let dir = dir.to_str().unwrap();
    // Every digest without a key fits, and the log did sign these commitments.
    let verify = ["ledger", "archive", "verify", &archive, "--key", &key];
    let order = run(&verify);
    assert_eq!(order.code, Some(3), "{order:?}");
    assert!(order.out.contains("not opened") && !order.out.contains("good"), "{order:?}");
    let opened = run(&[&verify[..], &["--with", dir, "--json"]].concat());
    assert_eq!(opened.code, Some(1), "{opened:?}");
    assert!(json(&opened)["findings"].to_string().contains("fact `4`"), "{opened:?}");
    let to = book.path("restored");
    let refused = restore(&["--from", &archive, "--to", &to, "--with", dir]);
    assert!(refused.code != Some(0) && refused.err.contains("fact `4`"), "{refused:?}");
    assert!(!Path::new(&to).exists());
    // Without the salts nobody can tell: that is said, and the log does not go on.
    let done = restore(&["--from", &archive, "--to", &to]);
    let told = json(&done);
    assert_eq!((&told["opened"], &told["same_log"]), (&0.into(), &false.into()), "{told}");
    assert_eq!(told["not_opened"], told["facts"], "{told}");
}

#[test]
fn an_archive_of_nothing_is_not_good() {
    let book = Book::empty();
    let archive = book.path("empty");
    std::fs::create_dir(&archive).unwrap();
    let ran = run(&["ledger", "archive", "verify", &archive, "--json"]);
    assert_eq!((ran.code, &json(&ran)["verdict"]), (Some(1), &"damaged".into()), "{ran:?}");
    let refused = restore(&["--from", &archive, "--to", &book.path("to")]);
    assert!(refused.err.contains("holds no archive"), "{refused:?}");
}

#[test]
fn damage_in_an_archive_is_named_and_nothing_is_restored_from_it() {
    let mut book = Book::new(&SMALL);
    posts(&book, 0, 25);
    book.checkpoint(29);
    let archive = book.path("archive");
    assert_eq!(book.ask(&["archive", "--to", &archive]).code, Some(0));
    book.stop();
    let all = segments(Path::new(&archive), ".segment");
    let second = Path::new(&archive).join(&all[1]);
    let sound = std::fs::read(&second).unwrap();
    let findings = |args: &[&str]| {
        let ran = run(&[&["ledger", "archive", "verify", &archive, "--json"], args].concat());
        assert_eq!(ran.code, Some(1), "{ran:?}");
        json(&ran)["findings"].to_string()
    };
    // Within the first fact of the segment's second batch.
    let length = sound.windows(4).skip(4).position(|four| four == b"WLjb").unwrap() + 4;
    let mut damaged = sound.clone();
    damaged[length + 143 + 60] ^= 4;
    std::fs::write(&second, &damaged).unwrap();
    let dir = book.dir();
    let found = findings(&["--with", dir.to_str().unwrap()]);
    assert!(found.contains(&all[1]) && found.contains("batch of position"), "{found}");
    assert!(found.contains("fact `"), "{found}");
    assert!(!found.contains(&all[0]), "{found}");
    let to = book.path("restored");
    let refused = restore(&["--from", &archive, "--to", &to]);
    assert!(refused.code != Some(0) && refused.err.contains(&all[1]), "{refused:?}");
    assert!(!Path::new(&to).exists());
    // Every byte counts, the manifests' too; a segment that is gone is missed.
    for place in (0..sound.len()).step_by(97) {
        let mut damaged = sound.clone();
        damaged[place] ^= 1;
        std::fs::write(&second, &damaged).unwrap();
        assert!(findings(&[]).contains(&all[1]), "byte {place}");
        if place > 1000 {
            break;
        }
    }
    std::fs::remove_file(&second).unwrap();
    assert!(findings(&[]).contains("it is missing"));
    std::fs::write(&second, &sound).unwrap();
    let name = &segments(Path::new(&archive), ".manifest")[1];
    let manifest = Path::new(&archive).join(name);
    let bytes = std::fs::read(&manifest).unwrap();
    for place in (0..bytes.len()).step_by(41) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        std::fs::write(&manifest, &damaged).unwrap();
        findings(&[]);
    }
    std::fs::write(&manifest, &bytes).unwrap();
    assert_eq!(run(&["ledger", "archive", "verify", &archive]).code, Some(3));
    // Another book's archive is not added to.
    let other = Book::new(&SMALL);
    posts(&other, 0, 25);
    other.checkpoint(29);
    let mixed = other.ask(&["archive", "--to", &archive]);
    assert!(mixed.code != Some(0) && mixed.err.contains("not of this book"), "{mixed:?}");
    // What was begun is completed.
    std::fs::remove_file(
        manifest.with_file_name(segments(Path::new(&archive), ".manifest").last().unwrap()),
    )
    .unwrap();
    assert_eq!(book.ask(&["archive", "--to", &archive]).code, Some(0));
    assert_eq!(run(&["ledger", "archive", "verify", &archive]).code, Some(3));
}
