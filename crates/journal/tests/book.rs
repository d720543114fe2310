//! The loop: nothing that is not durable leaves, whatever becomes of an append.
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

use journal::book::{IN_FLIGHT_MAX, apply_all};
use journal::memory::Fault;
use journal::testkit::{Add, Added, Counter, FixedSalts, book_name};
use journal::{
    Append, Book, End, Journal, Limits, MemoryJournal, NotDone, OpenError, Salts, Start,
    SubmitError, Tip,
};
use proptest::prelude::*;
use record::SaltSlot;
use seal::{SaltStream, Secret};
use terms::{Instant, Position, RunId};

const RUN: RunId = RunId::from_bytes([1; 16]);

fn open(journal: &mut MemoryJournal) -> Book<Counter> {
    open_with(journal, Limits::WIDEST)
}

fn open_with(journal: &mut MemoryJournal, limits: Limits) -> Book<Counter> {
    Book::open(book_name(), limits, RUN, Start::genesis(Counter::default()), journal).unwrap().0
}

fn add(id: u64, amount: u64) -> Add {
    Add { id, amount, slot: SaltSlot(id) }
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn outcome(end: &End<Added>) -> Option<Added> {
    match end {
        End::Done { outcome, .. } => *outcome,
        End::Unknown => None,
    }
}

#[test]
fn nothing_leaves_before_what_it_was_computed_from_is_durable() {
    let mut journal = MemoryJournal::new(book_name());
    let mut book = open(&mut journal);
    book.submit(at(5), &(), &add(1, 10), &FixedSalts).unwrap();
    let duplicate = book.submit(at(5), &(), &add(1, 10), &FixedSalts).unwrap();
    let refused = book.submit(at(5), &(), &add(2, 0), &FixedSalts).unwrap();
    let read = book.read(at(5)).unwrap();
    assert_eq!(book.working().total, 10, "applied at once");
    assert_eq!(book.release(), [], "neither answer, duplicate, refusal nor read");
    assert_eq!(book.settled_state(), None);
    let closed = book.close().unwrap();
    let batch = book.take_sealer().unwrap().seal(closed, &FixedSalts).unwrap();
    assert_eq!(book.release(), [], "sealed is not durable");
    book.landed(batch.digest());
    let released = book.release();
    let outcomes: Vec<_> = released.iter().map(|r| outcome(&r.end)).collect();
    let duplicate_of = Added::Duplicate(Position::ZERO);
    assert_eq!(outcomes, [Some(Added::Total(10)), Some(duplicate_of), Some(Added::Refused), None]);
    let tickets: Vec<_> = released.iter().skip(1).map(|r| r.ticket).collect();
    assert_eq!(tickets, [duplicate, refused, read], "in the order of submission");
    assert!(matches!(released[0].end, End::Done { position: Position::ZERO, .. }));
    assert!(matches!(released[3].end, End::Done { position, .. } if position == Position::new(1)));
}

#[test]
fn an_answer_from_durable_facts_alone_leaves_at_once() {
    let mut journal = MemoryJournal::new(book_name());
    let mut book = open(&mut journal);
    book.submit(at(5), &(), &add(2, 0), &FixedSalts).unwrap();
    assert_eq!(book.release().len(), 1);
    assert_eq!(book.write_out(&mut journal, &FixedSalts), Ok(None), "nothing to write");
}

#[test]
fn at_most_two_batches_are_in_flight_and_they_chain() {
    let mut journal = MemoryJournal::new(book_name());
    let mut book = open(&mut journal);
    let mut batches = Vec::new();
    let mut sealer = book.take_sealer().unwrap();
    for id in 0..3 {
        book.submit(at(1), &(), &add(id, 1), &FixedSalts).unwrap();
        let closed = book.close();
        batches.extend(closed.map(|closed| sealer.seal(closed, &FixedSalts).unwrap()));
    }
    assert_eq!(batches.len(), IN_FLIGHT_MAX);
    batches[1].follows(&batches[0].tip(), &book_name()).unwrap();
    for batch in &batches {
        assert_eq!(journal.append(book.durable().next, book.epoch(), batch), Append::Appended);
        book.landed(batch.digest());
        assert_eq!(book.durable(), batch.tip());
    }
    assert_eq!(book.release().len(), 2, "the third waits in the open batch");
}

#[test]
fn every_failed_append_answers_unknown_and_stops_the_book() {
    for (fault, landed) in
        [(Fault::NotDone, false), (Fault::UnknownLost, false), (Fault::UnknownLanded, true)]
    {
        let mut journal = MemoryJournal::new(book_name());
        let mut book = open(&mut journal);
        book.submit(at(1), &(), &add(1, 10), &FixedSalts).unwrap();
        book.read(at(1)).unwrap();
        journal.fail_next(fault);
        assert!(book.write_out(&mut journal, &FixedSalts).is_err());
        assert!(book.release().iter().all(|r| r.end == End::Unknown));
        assert_eq!(book.settled_state(), None);
        assert_eq!(book.submit(at(2), &(), &add(2, 1), &FixedSalts), Err(SubmitError::Stopped));
        assert_eq!(book.read(at(2)), Err(SubmitError::Stopped));
        let mut book = open(&mut journal);
        book.submit(at(3), &(), &add(1, 10), &FixedSalts).unwrap();
        book.write_out(&mut journal, &FixedSalts).unwrap();
        let first = outcome(&book.release()[0].end);
        let wanted = if landed { Added::Duplicate(Position::ZERO) } else { Added::Total(10) };
        assert_eq!(first, Some(wanted), "{fault:?}: asked by id, it is definite");
        assert_eq!(book.working().total, 10);
    }
}

#[test]
fn an_older_writer_is_fenced() {
    let mut journal = MemoryJournal::new(book_name());
    let mut older = open(&mut journal);
    let mut other = journal.clone();
    let mut newer = open(&mut other);
    older.submit(at(1), &(), &add(1, 1), &FixedSalts).unwrap();
    newer.submit(at(1), &(), &add(2, 2), &FixedSalts).unwrap();
    let fenced = older.write_out(&mut journal, &FixedSalts).unwrap_err();
    assert!(matches!(fenced, Append::NotDone(NotDone::Fenced { .. })));
    assert!(newer.write_out(&mut other, &FixedSalts).unwrap().is_some());
    assert_eq!(journal.head().unwrap().next, Position::new(1));
}

#[test]
fn stamps_grow_even_when_the_clock_goes_back() {
    let mut journal = MemoryJournal::new(book_name());
    let mut book = open(&mut journal);
    for (id, now) in [(0, 50), (1, 10), (2, 10), (3, 100)] {
        book.submit(at(now), &(), &add(id, 1), &FixedSalts).unwrap();
        book.write_out(&mut journal, &FixedSalts).unwrap();
    }
    let batches = journal.read_from(Position::ZERO, 9).unwrap();
    let stamps: Vec<u64> = batches.iter().map(|b| b.origin().stamp.nanos()).collect();
    assert_eq!(stamps, [50, 51, 52, 100]);
}

#[test]
fn a_judgement_without_a_fact_holds_the_clock_too() {
    let mut journal = MemoryJournal::new(book_name());
    let mut book = open(&mut journal);
    book.read(at(70)).unwrap();
    book.submit(at(60), &(), &add(1, 1), &FixedSalts).unwrap();
    let batch = book.write_out(&mut journal, &FixedSalts).unwrap().unwrap();
    assert_eq!(batch.origin().stamp, at(70));
}

#[test]
fn a_full_batch_refuses_without_effect() {
    let mut journal = MemoryJournal::new(book_name());
    let limits = Limits { batch_facts: 2, ..Limits::WIDEST };
    let mut book = open_with(&mut journal, limits);
    book.submit(at(1), &(), &add(1, 1), &FixedSalts).unwrap();
    book.submit(at(1), &(), &add(2, 1), &FixedSalts).unwrap();
    let before = book.working().clone();
    assert_eq!(book.submit(at(1), &(), &add(3, 1), &FixedSalts), Err(SubmitError::BatchFull));
    assert_eq!(*book.working(), before);
    book.write_out(&mut journal, &FixedSalts).unwrap();
    assert!(book.submit(at(1), &(), &add(3, 1), &FixedSalts).is_ok());
    let narrow = Limits { batch_bytes: 200, ..Limits::WIDEST };
    let mut book = open_with(&mut journal, narrow);
    assert_eq!(book.submit(at(1), &(), &add(9, 1), &FixedSalts), Err(SubmitError::TooLarge));
}

struct NoSalts;

impl Salts for NoSalts {
    fn root(&self, _position: Position, _slot: SaltSlot) -> Option<Secret> {
        None
    }

    fn stream(&self, _slot: SaltSlot) -> Option<SaltStream> {
        None
    }
}

#[test]
fn a_fact_that_could_never_be_opened_is_not_taken() {
    let mut journal = MemoryJournal::new(book_name());
    let mut book = open(&mut journal);
    let refused = book.submit(at(1), &(), &add(4, 1), &NoSalts);
    assert_eq!(refused, Err(SubmitError::NoSaltKey(SaltSlot(4))));
    assert_eq!(*book.working(), Counter::default());
}

#[test]
fn a_state_of_another_journal_is_refused() {
    let mut journal = MemoryJournal::new(book_name());
    let mut book = open(&mut journal);
    book.submit(at(1), &(), &add(1, 1), &FixedSalts).unwrap();
    book.write_out(&mut journal, &FixedSalts).unwrap();
    let tip = journal.head().unwrap();
    let foreign = [
        Tip { digest: seal::sha256(b"x"), ..tip },
        Tip { next: Position::new(7), ..tip },
        Tip { digest: seal::sha256(b"x"), ..Tip::GENESIS },
    ];
    for tip in foreign {
        let start = Start { state: Counter::default(), tip };
        let opened = Book::open(book_name(), Limits::WIDEST, RUN, start, &mut journal);
        assert!(matches!(opened, Err(OpenError::ForeignState(_))), "{tip:?}");
    }
}

proptest! {
    /// Against a model that does everything at once: same answers, same end, and the journal
    /// folds to the working state.
    #[test]
    fn batching_changes_no_answer(
        commands in proptest::collection::vec((0_u64..20, 0_u64..5, any::<bool>()), 0..60),
        batch_facts in 1_usize..6,
    ) {
        let mut journal = MemoryJournal::new(book_name());
        let limits = Limits { batch_facts, ..Limits::WIDEST };
        let mut book = open_with(&mut journal, limits);
        let mut model = std::collections::BTreeMap::new();
        let (mut total, mut wanted, mut got) = (0, Vec::new(), Vec::new());
        for (id, amount, write) in commands {
            let next = model.len() as u64;
            wanted.push(match model.get(&id) {
                Some(position) => Added::Duplicate(*position),
                None if amount == 0 => Added::Refused,
                None => {
                    model.insert(id, Position::new(next));
                    total += amount;
                    Added::Total(total)
                }
            });
            let command = add(id, amount);
            if book.submit(at(1), &(), &command, &FixedSalts) == Err(SubmitError::BatchFull) {
                book.write_out(&mut journal, &FixedSalts).unwrap();
                book.submit(at(1), &(), &command, &FixedSalts).unwrap();
            }
            if write {
                book.write_out(&mut journal, &FixedSalts).unwrap();
            }
            got.extend(book.release().iter().filter_map(|r| outcome(&r.end)));
        }
        book.write_out(&mut journal, &FixedSalts).unwrap();
        got.extend(book.release().iter().filter_map(|r| outcome(&r.end)));
        prop_assert_eq!(got, wanted);
        let mut folded = Counter::default();
        let batches = journal.read_from(Position::ZERO, usize::MAX).unwrap();
        batches.iter().for_each(|b| apply_all(&mut folded, b).unwrap());
        prop_assert_eq!(book.settled_state().unwrap().0, &folded);
    }
}
