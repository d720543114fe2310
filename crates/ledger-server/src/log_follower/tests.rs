//! The log's disk fails while a book goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use evidence::VerifierKey;
use store::fault::{FaultDisk, Faults};
use store::log::{LogConfig, LogThread, PackedLog, Reopen};

use super::*;
use crate::guard::Guard;
use crate::projections::{GuardKeeper, wait_for};

const WITHIN: Duration = Duration::from_secs(20);

fn batch(first: u64) -> Arc<Batch> {
    let origin = journal::Origin {
        book: "book".parse().unwrap(),
        epoch: terms::Epoch::new(1),
        run: terms::RunId::from_bytes([0; 16]),
        first: Position::new(first),
        stamp: terms::Instant::from_nanos(first + 1),
        previous: seal::Digest::ZERO,
    };
    let kind = record::FactKind { number: 0x0100, version: 1 };
    let fact = record::Fact::plain(kind, record::SaltSlot(1), vec![vec![1]]);
    let commitment = Commitment(seal::Digest::from_bytes([7; 32]));
    Arc::new(Batch::seal(origin, &[journal::Entry { fact, commitment }]).unwrap())
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < WITHIN, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn guard(name: &str) -> (std::path::PathBuf, VerifierKey) {
    let name = format!("wayleave-follower-{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    let signing = seal::SigningKey::from_seed(&[1; 32]);
    (path, VerifierKey::of_log("a.example/log".parse().unwrap(), signing.public_key()))
}

fn log_over(disk: &FaultDisk) -> (LogFeed, LogThread) {
    let again = disk.clone();
    let reopen = Reopen::by(move || PackedLog::open(&again));
    let config = LogConfig { gather: Duration::ZERO, ..LogConfig::USUAL };
    let publish = |_| Ok::<(), String>(());
    LogThread::spawn_reopening(PackedLog::open(disk).unwrap(), config, publish, reopen).unwrap()
}

struct Book {
    batches: std::sync::mpsc::SyncSender<Arc<Batch>>,
    fed: Arc<Fed>,
    reached: Progress,
    thread: std::thread::JoinHandle<Position>,
}

/// A book that hands its batches on, one fact each, and whose journal can be read again.
fn follow(feed: &LogFeed) -> Book {
    let (batches, received) = sync_channel(64);
    let (fed, reached) = (Arc::new(Fed::new(Tip::GENESIS)), Progress::new(Position::ZERO));
    let read = |from: Position| {
        let first = from.number();
        Ok((first..(first + 8).min(300)).map(|at| batch(at).as_ref().clone()).collect())
    };
    let (of, to) = (reached.clone(), Arc::clone(&fed));
    let follower = LogFollower::new(Position::ZERO, feed.clone(), of, to, read);
    let thread = std::thread::spawn(move || follower.run(&received));
    Book { batches, fed, reached, thread }
}

#[test]
fn the_guard_rises_and_the_end_comes_while_the_logs_disk_fails() {
    let disk = FaultDisk::new(1);
    let (feed, log) = log_over(&disk);
    disk.plan(Faults { sync_per_mille: 1000, ..Faults::default() });
    let book = follow(&feed);
    let (path, key) = guard("stop");
    let keeper = Guard::open(&path, &key).unwrap();
    let keeper = GuardKeeper::start(keeper, Arc::clone(&book.fed), feed.watch().clone()).unwrap();
    // One after the other, so that each is a run of its own: more than the queue takes.
    for first in 0..150 {
        book.batches.send(batch(first)).unwrap();
        until("taken past the queue", || {
            book.fed.state().tip.is_some_and(|tip| tip.next > Position::new(first))
        });
    }
    assert!(feed.watch().fault().is_some(), "the disk fails");
    let raised = || Guard::open(&path, &key).unwrap().newest().map(|mark| mark.tip.next);
    until("the guard rises", || raised() == Some(Position::new(150)));
    assert_eq!(feed.watch().durable(), 0);
    drop(book.batches);
    feed.stop();
    until("the follower ends", || book.thread.is_finished());
    assert!(log.join().unwrap_err().reason.contains("planned"));
    assert!(book.reached.failure().is_some());
    keeper.join();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn what_came_past_a_full_queue_is_in_the_log_when_the_disk_is_back() {
    let disk = FaultDisk::new(2);
    let (feed, log) = log_over(&disk);
    disk.plan(Faults { sync_per_mille: 1000, ..Faults::default() });
    let book = follow(&feed);
    for first in 0..300 {
        book.batches.send(batch(first)).unwrap();
        until("taken past the queue", || {
            book.fed.state().tip.is_some_and(|tip| tip.next > Position::new(first))
        });
    }
    disk.plan(Faults::default());
    until("the log has all", || feed.watch().durable() == 300);
    until("and is said to", || book.reached.next() == Position::new(300));
    assert_eq!((book.reached.failure(), feed.watch().fault()), (None, None));
    drop(book.batches);
    until("the follower ends", || book.thread.is_finished());
    drop(feed);
    assert_eq!(log.join().unwrap().size, 300);
}

#[test]
fn a_guard_that_knows_nothing_learns_of_an_idle_book_and_of_a_first_fact() {
    let disk = FaultDisk::new(3);
    let (feed, log) = log_over(&disk);
    let (path, key) = guard("idle");
    let raised = || Guard::open(&path, &key).unwrap().newest().map(|mark| mark.tip.next);
    let start = |fed: &Arc<Fed>| {
        let guard = Guard::open(&path, &key).unwrap();
        GuardKeeper::start(guard, Arc::clone(fed), feed.watch().clone()).unwrap()
    };
    let empty = Arc::new(Fed::new(Tip::GENESIS));
    let keeper = start(&empty);
    assert_eq!(raised(), None);
    empty.came(batch(0).tip());
    until("the first fact", || raised() == Some(Position::new(1)));
    keeper.join();
    std::fs::remove_file(&path).unwrap();
    // The guard was lost, and nothing is posted.
    let keeper = start(&Arc::new(Fed::new(batch(4).tip())));
    until("an idle book", || raised() == Some(Position::new(5)));
    keeper.join();
    std::fs::remove_file(&path).unwrap();
    drop(feed);
    log.join().unwrap();
}

#[test]
fn a_start_does_not_wait_for_ever_for_what_is_known() {
    let disk = FaultDisk::new(4);
    let (feed, log) = log_over(&disk);
    let (progress, still) = (Progress::new(Position::ZERO), Duration::from_millis(300));
    // The journal cannot be read where the log would go on.
    let why = wait_for(feed.watch(), &progress, 3, still, |_| Err("damaged".into())).unwrap_err();
    assert_eq!(why, "the log cannot go on at position `0`: damaged");
    // The log's disk fails.
    disk.plan(Faults { sync_per_mille: 1000, ..Faults::default() });
    feed.feed(Position::ZERO, vec![Commitment(seal::Digest::ZERO); 3]).unwrap();
    let why = wait_for(feed.watch(), &progress, 3, still, |_| Ok(())).unwrap_err();
    assert!(
        why.contains("the log stays at `0` of `3` entries: ") && why.contains("planned"),
        "{why}"
    );
    // It is back.
    disk.plan(Faults::default());
    let asked = AtomicBool::new(false);
    wait_for(feed.watch(), &progress, 3, WITHIN, |_| {
        asked.store(true, Ordering::Relaxed);
        Ok(())
    })
    .unwrap();
    drop(feed);
    log.join().unwrap();
}
