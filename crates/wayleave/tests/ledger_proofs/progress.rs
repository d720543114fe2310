//! What takes long tells how far it has come, on standard error and nowhere else.

use crate::book::Book;
use crate::support::{Ran, run};

/// Runs a command without and with its progress told: the answer must be the same, byte for byte.
/// What stands in `DIFFERENT` is `a` once and `b` once: for names of what is written.
#[track_caller]
fn told(args: &[&str]) -> Vec<String> {
    let of = |name: &str| -> Vec<String> {
        args.iter().map(|word| word.replace("DIFFERENT", name)).collect()
    };
    let with = |name: &str, more: &[&str]| -> Ran {
        let words = of(name);
        let words: Vec<&str> =
            words.iter().map(String::as_str).chain(more.iter().copied()).collect();
        run(&[&["ledger"], words.as_slice()].concat())
    };
    let quiet = with("a", &["--quiet"]);
    let loud = with("b", &["--progress-every", "0"]);
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""), "{args:?}: {quiet:?}");
    assert_eq!(loud.code, Some(0), "{args:?}: {loud:?}");
    let same = |text: &str, name: &str| text.replace(&format!("to-{name}"), "to");
    assert_eq!(same(&quiet.out, "a"), same(&loud.out, "b"), "{args:?}");
    loud.err.lines().map(str::to_owned).collect()
}

/// That a stage told of something on its way, with these words, and of its end.
#[track_caller]
fn has(lines: &[String], stage: &str, words: &str) {
    let stage = format!("{stage}   ");
    let all: Vec<&String> = lines.iter().filter(|line| line.starts_with(&stage)).collect();
    let (ended, moved): (Vec<&String>, Vec<&String>) =
        all.into_iter().partition(|line| line.contains(" in "));
    let is_rate = |line: &&String| line.ends_with("/s") || line.ends_with(" left");
    let is_told = moved.iter().any(|line| line.contains(words) && is_rate(line));
    assert!(is_told && ended.len() == 1 && ended.iter().all(is_rate), "{stage}: {lines:?}");
}

#[test]
fn long_work_tells_how_far_it_has_come_on_standard_error_alone() {
    let mut book = Book::new(&["--segment-bytes", "4096", "--image-every", "5"]);
    let rows: String =
        (0..60).map(|n| format!("p-{n},2026-01-31,cash,bob,1.00,payment\n")).collect();
    let head = "id,business_date,from,to,amount,reason\n";
    let file = book.folder.write("history.csv", format!("{head}{rows}"));
    let dir = book.dir().to_str().unwrap().to_owned();
    let lines = told(&["import", &file, "--dry-run", "--dir", &dir]);
    has(&lines, "import", " rows   100 %");
    assert_eq!(book.ask(&["import", &file, "--quiet"]).code, Some(0));
    // Batches of their own, so that segments are sealed.
    for number in 0..25 {
        book.post("cash", "bob", "1", &format!("q-{number}"));
    }
    let key = book.checkpoint(89)["key"].as_str().unwrap().to_owned();
    book.stop();

    has(&told(&["rebuild", "--dir", &dir]), "rebuild", " facts   100 %");
    let lines = told(&["fsck", "--dir", &dir]);
    has(&lines, "check", " facts   100 %");
    has(&lines, "fold", " facts");
    has(&lines, "image", " facts");
    has(&told(&["export", "--dir", &dir]), "export", " facts   100 %");
    let out = book.path("to-DIFFERENT.jsonl");
    has(&told(&["export", "--dir", &dir, "--out", &out]), "export", " facts   100 %");
    let export = book.path("to-a.jsonl");
    let verify = ["export", "verify", &export, "--key", &key, "--with", &dir];
    has(&told(&verify), "check", " rows   100 %");
    let archive = book.path("to-DIFFERENT");
    has(&told(&["archive", "--dir", &dir, "--to", &archive]), "archive", " segments   100 %");
    let archive = book.path("to-a");
    let verify = ["archive", "verify", &archive, "--key", &key, "--with", &dir];
    has(&told(&verify), "check", " segments   100 %");
    let to = book.path("restored-to-DIFFERENT");
    let lines = told(&["restore", "--from", &archive, "--to", &to]);
    has(&lines, "check", " segments   100 %");
    has(&lines, "copy", " segments   100 %");
    let to = book.path("made-to-DIFFERENT");
    let lines = told(&["restore", "--from-export", &export, "--to", &to]);
    has(&lines, "check", " rows   100 %");
    has(&lines, "write", " rows   100 %");
}

#[test]
fn a_program_that_reads_json_and_short_work_are_told_nothing() {
    let mut book = Book::new(&[]);
    let file = book.folder.write(
        "history.csv",
        "id,business_date,from,to,amount,reason\np-1,2026-01-31,cash,bob,1.00,payment\n",
    );
    let imported = book.ask(&["import", &file]);
    assert_eq!((imported.code, imported.err.as_str()), (Some(0), ""), "{imported:?}");
    book.stop();
    let dir = book.dir().to_str().unwrap().to_owned();
    for asked in ["fsck", "rebuild", "export"] {
        let json = book.ask(&[asked]);
        assert_eq!((json.code, json.err.as_str()), (Some(0), ""), "{asked}: {json:?}");
        let short = run(&["ledger", asked, "--dir", &dir]);
        assert_eq!((short.code, short.err.as_str()), (Some(0), ""), "{asked}: {short:?}");
    }
}
