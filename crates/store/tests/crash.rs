//! Worlds under a seed: a book over a disk that fails and loses power, and an oracle that knows
//! what was acknowledged.
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

use journal::book::apply_all;
use journal::testkit::{Add, Added, Counter, FixedSalts, batch_after, book_name};
use journal::{
    Append, Batch, Book, ClaimError, End, Journal, Limits, Machine, NotDone, ReadError, Start,
    Ticket, Tip,
};
use record::SaltSlot;
use store::fault::{FaultDisk, Faults};
use store::segment_journal::OpenJournalError;
use store::{
    Answer, BookConfig, ImagePolicy, NoRecall, Opening, Parts, SegmentConfig, SegmentJournal, fsck,
    spawn_book,
};
use support::Dice;
use terms::{Epoch, Instant, Position, RunId};

const SEGMENT_BYTES: u64 = 4096;

/// What the callers remember.
#[derive(Default)]
struct Oracle {
    /// Answered as done, by id: amount and position.
    acknowledged: BTreeMap<u64, (u64, Position)>,
    /// Offered at least once, by id.
    offered: BTreeMap<u64, u64>,
    /// Largest total any caller was ever told.
    told: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    crashes: u64,
    faults: u64,
    torn: u64,
    acknowledged: u64,
}

fn config() -> SegmentConfig {
    SegmentConfig { book: book_name(), segment_bytes: SEGMENT_BYTES, opening: Opening::ReadsTail }
}

fn limits(dice: &mut Dice) -> Limits {
    Limits { batch_facts: 1 + dice.below(6) as usize, ..Limits::WIDEST }
}

fn faults(dice: &mut Dice) -> Faults {
    let rate = |dice: &mut Dice| if dice.below(3) == 0 { dice.below(40) } else { 0 };
    Faults {
        read_per_mille: rate(dice) / 4,
        write_per_mille: rate(dice),
        sync_per_mille: rate(dice),
        full_per_mille: rate(dice),
        crash_at_call: if dice.below(4) == 0 { 0 } else { 1 + dice.below(120) },
    }
}

/// Runs one life of a process until the power goes, a fault cannot be cured, or work runs out.
/// What the journal adapter is made of is `wrap`'s choice, so that a canary can plant a bug.
fn live<J: Journal>(
    disk: &FaultDisk,
    dice: &mut Dice,
    oracle: &mut Oracle,
    wrap: impl Fn(SegmentJournal<FaultDisk>) -> J,
) -> Result<u64, String> {
    let run = RunId::from_bytes([dice.roll() as u8; 16]);
    let journal = match SegmentJournal::open(disk.clone(), config()) {
        Ok(journal) => journal,
        Err(OpenJournalError::Read(ReadError::Damaged { place, offset, error, .. })) => {
            return Err(format!("a crash looks like damage: {place} {offset} {error}"));
        }
        Err(_) => return Ok(0),
    };
    let torn = journal.torn_bytes();
    let mut journal = wrap(journal);
    let mut now = 0;
    for _reopening in 0..3 {
        let limits = limits(dice);
        let start = Start::genesis(Counter::default());
        let Ok((mut book, _)) = Book::open(book_name(), limits, run, start, &mut journal) else {
            continue;
        };
        let mut waiting: BTreeMap<Ticket, Option<Add>> = BTreeMap::new();
        for _turn in 0..8 {
            for _ in 0..dice.below(8) {
                now += dice.below(3);
                let at = Instant::from_nanos(now);
                if dice.below(6) == 0 {
                    if let Ok(ticket) = book.read(at) {
                        waiting.insert(ticket, None);
                    }
                    continue;
                }
                let id = dice.below(60);
                // The amount is a function of the id: the same id is the same command.
                let command = Add { id, amount: id % 5, slot: SaltSlot(id) };
                if let Ok(ticket) = book.submit(at, &(), &command, &FixedSalts) {
                    oracle.offered.insert(id, command.amount);
                    waiting.insert(ticket, Some(command));
                }
            }
            let _ = book.write_out(&mut journal, &FixedSalts);
            for release in book.release() {
                let command = waiting.remove(&release.ticket).flatten();
                note(oracle, command, &release.end)?;
            }
            if book.is_stopped() {
                if !waiting.is_empty() {
                    return Err("a stopped book left callers without an answer".into());
                }
                break;
            }
        }
    }
    Ok(torn)
}

fn note(oracle: &mut Oracle, command: Option<Add>, end: &End<Added>) -> Result<(), String> {
    let (Some(command), End::Done { outcome: Some(outcome), position, .. }) = (command, end) else {
        return Ok(());
    };
    match outcome {
        Added::Total(total) => {
            oracle.told = oracle.told.max(*total);
            match oracle.acknowledged.insert(command.id, (command.amount, *position)) {
                None => Ok(()),
                Some(before) => Err(format!("{} was added twice: {before:?}", command.id)),
            }
        }
        Added::Duplicate(at) => match oracle.acknowledged.insert(command.id, (command.amount, *at))
        {
            Some((_, before)) if before != *at => Err(format!("{} moved", command.id)),
            _ => Ok(()),
        },
        Added::Refused => Ok(()),
    }
}

/// After a clean boot: everything acknowledged is there, nothing else but what was offered, the
/// chain holds, the state equals the refold, and the check of the directory agrees.
fn judge(disk: &FaultDisk, oracle: &Oracle) -> Result<(), String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let mut journal = SegmentJournal::open(disk.clone(), config()).map_err(|e| text(&e))?;
    let batches = journal.read_from(Position::ZERO, usize::MAX).map_err(|e| text(&e))?;
    let (mut state, mut tip) = (Counter::default(), Tip::GENESIS);
    for batch in &batches {
        batch.follows(&tip, &book_name()).map_err(|e| text(&e))?;
        apply_all(&mut state, batch).unwrap();
        tip = batch.tip();
    }
    for (id, (amount, position)) in &oracle.acknowledged {
        if state.seen.get(id) != Some(&(*position, *amount)) {
            return Err(format!(
                "acknowledged {id} at {position} is lost: {:?}",
                state.seen.get(id)
            ));
        }
    }
    if state.seen.iter().any(|(id, (_, amount))| oracle.offered.get(id) != Some(amount)) {
        return Err("the journal holds what nobody offered".into());
    }
    if state.total < oracle.told {
        return Err("a total was told that never was".into());
    }
    let run = RunId::from_bytes([0xee; 16]);
    let start = Start::genesis(Counter::default());
    let (book, _) =
        Book::open(book_name(), Limits::WIDEST, run, start, &mut journal).map_err(|e| text(&e))?;
    if *book.working() != state {
        return Err("the state differs from the refold".into());
    }
    let report = fsck(disk, &book_name(), Some(&FixedSalts)).map_err(|e| text(&e))?;
    match report.findings.first() {
        Some(finding) => Err(finding.to_string()),
        None => Ok(()),
    }
}

fn world<J: Journal>(
    seed: u64,
    wrap: impl Fn(SegmentJournal<FaultDisk>) -> J,
) -> Result<Seen, String> {
    let mut dice = Dice(seed);
    let disk = FaultDisk::new(dice.roll());
    let (mut oracle, mut seen) = (Oracle::default(), Seen::default());
    for _life in 0..4 {
        disk.plan(faults(&mut dice));
        seen.torn += u64::from(live(&disk, &mut dice, &mut oracle, &wrap)? > 0);
        seen.crashes += u64::from(disk.is_down());
        // The power goes, or only the process: then pages that no sync wrote are still seen.
        if disk.is_down() || dice.below(2) == 0 {
            disk.reboot();
        } else {
            disk.kill_process();
        }
    }
    disk.reboot();
    judge(&disk, &oracle)?;
    seen.faults = disk.injected();
    seen.acknowledged = oracle.acknowledged.len() as u64;
    Ok(seen)
}

impl Seen {
    fn and(self, other: Self) -> Self {
        Self {
            crashes: self.crashes + other.crashes,
            faults: self.faults + other.faults,
            torn: self.torn + other.torn,
            acknowledged: self.acknowledged + other.acknowledged,
        }
    }
}

/// Every second world of these.
fn many(seeds: std::ops::Range<u64>) -> Seen {
    let run = |seed| world(seed, |journal| journal).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    seeds.step_by(2).map(run).fold(Seen::default(), Seen::and)
}

#[test]
fn what_was_acknowledged_survives_every_accident() {
    let worlds = std::env::var("WAYLEAVE_WORLDS").ok().and_then(|w| w.parse().ok()).unwrap_or(2000);
    let all = std::thread::scope(|scope| {
        let half = |first: u64| scope.spawn(move || many(first..worlds));
        let halves = [half(0), half(1)].map(|thread| thread.join().unwrap());
        halves.into_iter().fold(Seen::default(), Seen::and)
    });
    println!("{worlds} worlds: {all:?}");
    // The worlds must be rough, or they prove nothing.
    assert!(all.crashes > worlds && all.faults > worlds / 2 && all.torn > worlds / 50, "{all:?}");
    assert!(all.acknowledged > 10 * worlds, "{all:?}");
}

/// A bug planted on purpose: unknown is passed on as appended.
struct Liar<J>(J);

impl<J: Journal> Journal for Liar<J> {
    fn append(&mut self, expected: Position, epoch: Epoch, batch: &Batch) -> Append {
        match self.0.append(expected, epoch, batch) {
            Append::Unknown(_) => Append::Appended,
            other => other,
        }
    }

    fn read_from(&self, position: Position, most: usize) -> Result<Vec<Batch>, ReadError> {
        self.0.read_from(position, most)
    }

    fn head(&self) -> Result<Tip, ReadError> {
        self.0.head()
    }

    fn claim_epoch(&mut self, run: RunId) -> Result<Epoch, ClaimError> {
        self.0.claim_epoch(run)
    }
}

#[test]
fn the_oracle_catches_an_acknowledgement_before_the_sync() {
    let caught = (0..300).filter(|seed| world(*seed, Liar).is_err()).count();
    assert!(caught > 30, "the planted bug was caught in {caught} of 300 worlds");
}

/// A failed sync leaves pages that are seen but will never be written. Whatever an opening shows
/// afterwards must be on the disk, or it would be acknowledged as a duplicate and then lost.
#[test]
fn what_an_opening_shows_after_a_failed_sync_survives_a_loss_of_power() {
    let (mut seen_whole, run) = (0, RunId::from_bytes([1; 16]));
    for seed in 0..200 {
        let disk = FaultDisk::new(seed);
        let mut journal = SegmentJournal::open(disk.clone(), config()).unwrap();
        let epoch = journal.claim_epoch(run).unwrap();
        let first = batch_after(&Tip::GENESIS, epoch, 9);
        assert_eq!(journal.append(Position::ZERO, epoch, &first), Append::Appended);
        let second = batch_after(&first.tip(), epoch, 9);
        disk.plan(Faults { sync_per_mille: 1000, ..Faults::default() });
        let end = journal.append(first.tip().next, epoch, &second);
        assert!(matches!(end, Append::Unknown(_)), "{end:?}");
        let again = journal.append(first.tip().next, epoch, &second);
        assert!(matches!(again, Append::NotDone(NotDone::Stopped(_))), "{again:?}");
        assert!(journal.head().is_err(), "the head is not known");
        if seed % 2 == 0 {
            // The same process opens again.
            disk.plan(Faults::default());
            journal.claim_epoch(run).unwrap();
        } else {
            disk.kill_process();
            journal = SegmentJournal::open(disk.clone(), config()).unwrap();
        }
        let shown = journal.head().unwrap();
        seen_whole += u64::from(shown == second.tip());
        disk.reboot();
        let journal = SegmentJournal::open(disk, config()).unwrap();
        assert_eq!(journal.head(), Ok(shown), "seed {seed}");
    }
    assert!(seen_whole > 0, "the page cache showed the batch in no world");
}

/// The same oracle over the writer thread with images: real threads, so the seed fixes the
/// accidents only.
#[test]
fn what_the_writer_thread_acknowledged_survives() {
    let mut unknown = 0_u64;
    for seed in 0..150 {
        let (disk, images) = (FaultDisk::new(seed), FaultDisk::new(seed + 1));
        let mut acknowledged = BTreeMap::new();
        for life in 0..3 {
            let mut nanos = 0;
            let Ok(journal) = SegmentJournal::open(disk.clone(), config()) else { continue };
            let parts = Parts {
                genesis: Counter::default(),
                journal,
                salts: FixedSalts,
                clock: move || {
                    nanos += 2_000_000_000;
                    Instant::from_nanos(nanos)
                },
                images: ImagePolicy::every(5, images.clone(), book_name()),
                recall: NoRecall,
            };
            let config = BookConfig::new(book_name(), RunId::from_bytes([life; 16]));
            let (handle, writer) = spawn_book(config, parts).unwrap();
            let crash_at_call = 20 + seed % 90;
            disk.plan(Faults { sync_per_mille: 30, crash_at_call, ..Faults::default() });
            for id in 0..30 {
                let add = Add { id, amount: 1, slot: SaltSlot(id) };
                match handle.submit_blocking(add) {
                    Answer::Done { outcome: Added::Total(_), position, .. } => {
                        assert_eq!(acknowledged.insert(id, position), None, "twice");
                    }
                    Answer::Done { outcome: Added::Duplicate(position), .. } => {
                        assert_eq!(*acknowledged.entry(id).or_insert(position), position);
                    }
                    other => unknown += u64::from(other == Answer::Unknown),
                }
            }
            drop(handle);
            drop(writer.join().unwrap());
            disk.reboot();
            images.reboot();
        }
        let journal = SegmentJournal::open(disk, config()).unwrap();
        let mut state = Counter::default();
        let batches = journal.read_from(Position::ZERO, usize::MAX).unwrap();
        batches.iter().for_each(|batch| apply_all(&mut state, batch).unwrap());
        for (id, position) in acknowledged {
            assert_eq!(state.seen.get(&id), Some(&(position, 1)), "seed {seed}: {id}");
        }
    }
    assert!(unknown > 50, "{unknown}");
}

/// A crash at every single call of one fixed life, one after another.
#[test]
fn a_crash_at_each_call_is_survived() {
    for call in 1..400 {
        let disk = FaultDisk::new(call);
        let (mut dice, mut oracle) = (Dice(7), Oracle::default());
        disk.plan(Faults { crash_at_call: call, ..Faults::default() });
        live(&disk, &mut dice, &mut oracle, |journal| journal).unwrap();
        disk.reboot();
        judge(&disk, &oracle).unwrap_or_else(|e| panic!("call {call}: {e}"));
    }
}

/// The toy's rules stay what the oracle takes them for.
#[test]
fn the_counter_answers_a_duplicate_without_a_fact() {
    let mut counter = Counter::default();
    let add = Add { id: 1, amount: 2, slot: SaltSlot(0) };
    let first = counter.check(&(), Instant::EPOCH, &add);
    counter.apply(Position::ZERO, Instant::EPOCH, &first.facts[0]);
    let second = counter.check(&(), Instant::EPOCH, &add);
    assert!(second.facts.is_empty());
    assert_eq!(second.outcome, Added::Duplicate(Position::ZERO));
}
