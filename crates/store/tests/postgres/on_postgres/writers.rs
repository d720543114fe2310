//! Two writers that race, and the writer's thread over this adapter.

use std::sync::Barrier;
use std::time::Duration;

use journal::testkit::{Add, Added, Counter, FixedSalts, batch_after, book_name};
use journal::{Append, Journal, NotDone, Tip};
use record::SaltSlot;
use store::{
    Answer, BookConfig, BookHandle, BookWriter, ImagePolicy, NoRecall, Parts, PostgresJournal,
    spawn_book,
};
use terms::{Instant, Position, RunId};

use crate::server::{Database, OURS};

#[test]
fn two_writers_of_one_epoch_never_share_a_position() {
    let Some(database) = Database::fresh() else { return };
    let mut journals = [database.open(), database.open()];
    // A bug, or an operator with two copies of one process: both believe in the same epoch.
    let epoch = journals[0].claim_epoch(RunId::from_bytes([1; 16])).unwrap();
    let rounds = 100;
    let barrier = Barrier::new(2);
    let mut wins = [0, 0];
    let ends = std::thread::scope(|scope| {
        let threads = journals.each_mut().map(|journal| {
            scope.spawn(|| {
                let mut ends = Vec::new();
                for _ in 0..rounds {
                    let tip = journal.head().unwrap();
                    let batch = batch_after(&tip, epoch, 1);
                    barrier.wait();
                    ends.push((journal.append(tip.next, epoch, &batch), batch.tip().next));
                    barrier.wait();
                }
                ends
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    for pair in ends[0].iter().zip(&ends[1]).map(|(first, second)| [first, second]) {
        let winner = usize::from(pair[1].0 == Append::Appended);
        let (won, lost) = (pair[winner], pair[1 - winner]);
        assert_eq!(won.0, Append::Appended, "{pair:?}");
        assert_eq!(lost.0, Append::NotDone(NotDone::Moved { next: won.1 }), "{pair:?}");
        wins[winner] += 1;
    }
    println!("wins: {wins:?}");
    let all = journals[0].read_from(Position::ZERO, usize::MAX).unwrap();
    assert_eq!(all.len(), rounds);
}

#[test]
fn two_writers_that_claim_against_each_other_leave_one_chain() {
    let Some(database) = Database::fresh() else { return };
    let (rounds, each) = (12, 8);
    let written = std::thread::scope(|scope| {
        let threads = [1, 2].map(|number| {
            let mut journal = database.open();
            scope.spawn(move || {
                let mut appended = Vec::new();
                for _ in 0..rounds {
                    let Ok(epoch) = journal.claim_epoch(RunId::from_bytes([number; 16])) else {
                        continue;
                    };
                    let mut tip = journal.head().unwrap();
                    for _ in 0..each {
                        let batch = batch_after(&tip, epoch, u64::from(number));
                        match journal.append(tip.next, epoch, &batch) {
                            Append::Appended => {
                                tip = batch.tip();
                                appended.push(batch);
                            }
                            Append::NotDone(NotDone::Fenced { newest }) => {
                                assert!(newest > epoch);
                                break;
                            }
                            // Claimed and read while the other was still appending.
                            Append::NotDone(NotDone::Moved { .. }) => break,
                            other => panic!("{other:?}"),
                        }
                    }
                }
                appended
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let journal = database.open();
    let all = journal.read_from(Position::ZERO, usize::MAX).unwrap();
    let mut tip = Tip::GENESIS;
    for batch in &all {
        batch.follows(&tip, &book_name()).unwrap();
        tip = batch.tip();
    }
    let epochs: Vec<u64> = all.iter().map(|batch| batch.origin().epoch.number()).collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
    let mut acknowledged: Vec<_> = written.into_iter().flatten().collect();
    acknowledged.sort_by_key(|batch| batch.origin().first);
    assert_eq!(acknowledged, all, "acknowledged and stored differ");
}

fn spawn(journal: PostgresJournal) -> (BookHandle<Counter>, BookWriter<PostgresJournal>) {
    let mut seconds = 0;
    let clock = move || {
        seconds += 1;
        Instant::from_seconds(seconds)
    };
    let parts = Parts {
        genesis: Counter::default(),
        journal,
        salts: FixedSalts,
        clock,
        images: ImagePolicy::none(),
        recall: NoRecall,
    };
    spawn_book(BookConfig::new(book_name(), RunId::from_bytes([5; 16])), parts).unwrap()
}

fn add(id: u64) -> Add {
    Add { id, amount: 1, slot: SaltSlot(id) }
}

/// Submits until it is surely there: the caller's side of *unknown*.
fn submit_until_done(handle: &BookHandle<Counter>, id: u64) -> u64 {
    let mut unknown = 0;
    loop {
        match handle.submit_blocking(add(id)) {
            Answer::Done { outcome: Added::Total(_) | Added::Duplicate(_), .. } => return unknown,
            Answer::Unknown => unknown += 1,
            Answer::Stopped | Answer::Busy => std::thread::sleep(Duration::from_millis(20)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_book_runs_over_postgres_and_counts_once_though_its_connection_is_killed() {
    let Some(database) = Database::fresh() else { return };
    let (handle, writer) = spawn(database.open());
    let admin = database.admin();
    let (threads, each) = (4, 100);
    let unknown: u64 = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|thread| {
                let handle = handle.clone();
                scope.spawn(move || {
                    (0..each).map(|n| submit_until_done(&handle, thread * each + n)).sum::<u64>()
                })
            })
            .collect();
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(20));
            admin.run(&format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where {OURS}"
            ));
        }
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    let total = threads * each;
    let read = handle.read_blocking(|state| state.total);
    assert!(matches!(read, Answer::Done { outcome, .. } if outcome == total), "{read:?}");
    println!("{unknown} answers were unknown");
    drop(handle);
    drop(writer.join());
    let (handle, writer) = spawn(database.open());
    assert_eq!(writer.recovery.facts_refolded, total);
    let read = handle.read_blocking(|state| state.total);
    assert!(matches!(read, Answer::Done { outcome, .. } if outcome == total), "{read:?}");
}
