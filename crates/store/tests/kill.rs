//! A real process on a real directory, killed with SIGKILL while it appends: what it printed as
//! acknowledged is there when the book is opened again.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use journal::Journal;
use journal::testkit::{Add, Added, Counter, FixedSalts, book_name};
use record::SaltSlot;
use store::{
    Answer, BookConfig, BookHandle, BookWriter, FileDisk, ImagePolicy, NoRecall, Opening, Parts,
    SegmentConfig, SegmentJournal, fsck, spawn_book,
};
use support::Scratch;
use terms::{Instant, Position, RunId};

const DIRECTORY: &str = "WAYLEAVE_KILL_DIRECTORY";
const ROUND: &str = "WAYLEAVE_KILL_ROUND";
const ROUNDS: u64 = 6;
const ROUND_IDS: u64 = 1_000_000;

type Journals = SegmentJournal<FileDisk>;

fn open(directory: &Path) -> (BookHandle<Counter>, BookWriter<Journals>) {
    let config =
        SegmentConfig { book: book_name(), segment_bytes: 64 << 10, opening: Opening::ReadsTail };
    let disk = FileDisk::take(&directory.join("book")).unwrap();
    let images = FileDisk::take(&directory.join("images")).unwrap();
    let mut nanos = 0;
    let parts = Parts {
        genesis: Counter::default(),
        journal: SegmentJournal::open(disk, config).unwrap(),
        salts: FixedSalts,
        clock: move || {
            nanos += 1;
            Instant::from_nanos(nanos)
        },
        images: ImagePolicy::every(50, images, book_name()),
        recall: NoRecall,
    };
    spawn_book(BookConfig::new(book_name(), RunId::from_bytes([6; 16])), parts).unwrap()
}

/// Not a test of its own: the child that [`what_a_killed_process_acknowledged_is_there`] starts.
#[test]
fn child_appends_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let (handle, _writer) = open(&directory);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let handle = handle.clone();
            scope.spawn(move || {
                for n in 0.. {
                    let id = round * ROUND_IDS + n * 4 + thread;
                    let add = Add { id, amount: 1, slot: SaltSlot(id) };
                    let answer = handle.submit_blocking(add);
                    let Answer::Done { position, .. } = answer else { return };
                    // One write: a line is there whole.
                    let line = format!("\nacknowledged {id} {position} .\n");
                    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
                        return;
                    }
                    let _ = std::io::stdout().flush();
                }
            });
        }
    });
}

fn kill_after(directory: &Path, round: u64, lines: usize) -> Vec<(u64, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_appends_until_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut lines_left = Some(lines);
    for line in output.lines() {
        let Ok(line) = line else { break };
        let words: Vec<&str> = line.split(' ').collect();
        let ["acknowledged", id, position, "."] = words.as_slice() else { continue };
        acknowledged.push((id.parse().unwrap(), position.parse().unwrap()));
        if lines_left.is_some() && acknowledged.len() >= lines {
            // Goes on reading afterwards: what was printed before the signal counts too.
            child.kill().unwrap();
            lines_left = None;
        }
    }
    assert!(!child.wait().unwrap().success(), "the child was to be killed");
    acknowledged
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let scratch = Scratch::new("kill");
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        let lines = 30 + usize::try_from(round).unwrap() * 45;
        let told = kill_after(scratch.path(), round, lines);
        assert!(told.len() >= lines);
        acknowledged.extend(told);
        let (handle, writer) = open(scratch.path());
        let read = handle.read_blocking(|state| state.seen.clone());
        let Answer::Done { outcome: seen, .. } = read else { panic!("{read:?}") };
        for (id, position) in &acknowledged {
            let wanted = Some(&(Position::new(*position), 1));
            assert_eq!(seen.get(id), wanted, "round {round}: {id}");
        }
        let first = *acknowledged.keys().next().unwrap();
        let again = handle.submit_blocking(Add { id: first, amount: 1, slot: SaltSlot(first) });
        assert!(matches!(again, Answer::Done { outcome: Added::Duplicate(_), .. }));
        drop(handle);
        let head = writer.join().unwrap().head().unwrap();
        let disk = FileDisk::look(&scratch.path().join("book"));
        let report = fsck(&disk, &book_name(), Some(&FixedSalts)).unwrap();
        assert!(report.is_sound(), "{:?}", report.findings);
        assert_eq!(report.tip, head);
    }
}
