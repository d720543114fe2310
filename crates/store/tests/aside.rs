//! Work that needs facts of long ago waits beside the writer, and nobody else does.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::type_complexity,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use journal::memory::Fault;
use journal::testkit::{ADDED, Add, Added, Counter, FixedSalts, book_name};
use journal::{Batch, Book, Journal as _, MemoryJournal, Tip};
use record::{Fact, SaltSlot};
use store::{
    Answer, BookConfig, BookHandle, BookWriter, Bulk, BulkEnd, BulkPlace, ImagePolicy, Known,
    NoRows, Parts, Past, Recall, RecallError, spawn_book,
};
use terms::{Instant, Position, RunId};

/// Ids from here on need the fact at their own number; those from [`DAMAGED`] on one that cannot be
/// read.
const OLD: u64 = 1_000;
const DAMAGED: u64 = 2_000;

#[derive(Default)]
struct Slow {
    lent: Known<Fact>,
    gate: Option<(Receiver<()>, Sender<Position>)>,
}

/// Says which fact it is about to read, and waits until it is let go.
struct Gated(Receiver<()>, Sender<Position>);

impl Past<Fact> for Gated {
    fn fact(&mut self, position: Position) -> Result<(Instant, Fact), RecallError> {
        let _ = self.1.send(position);
        let _ = self.0.recv();
        if position.number() >= DAMAGED {
            return Err(RecallError("damaged".into()));
        }
        Ok((Instant::from_nanos(9), Fact::plain(ADDED, SaltSlot(1), Vec::new())))
    }
}

impl Recall<Counter> for Slow {
    fn opened(&mut self, tip: &Tip) -> Result<Position, RecallError> {
        Ok(tip.next)
    }

    fn learn(&mut self, _batch: &Arc<Batch>) -> Result<(), RecallError> {
        Ok(())
    }

    fn rows(&mut self, _book: &Book<Counter>, command: &Add) -> Result<(), NoRows> {
        match (command.id >= OLD, self.lent.at(Position::new(command.id))) {
            (false, _) | (true, Some(Ok(_))) => Ok(()),
            (true, Some(Err(why))) => Err(why.clone().into()),
            (true, None) => Err(NoRows::Cold),
        }
    }

    fn cold(&mut self, _: &Book<Counter>, commands: &[Add], into: &mut BTreeSet<Position>) {
        let old = commands.iter().filter(|command| command.id >= OLD);
        into.extend(old.map(|command| Position::new(command.id)));
    }

    fn past(&mut self) -> Option<Box<dyn Past<Fact>>> {
        let (gate, says) = self.gate.take()?;
        Some(Box::new(Gated(gate, says)))
    }

    fn lend(&mut self, known: Known<Fact>) {
        self.lent = known;
    }

    fn take_back(&mut self) -> Known<Fact> {
        core::mem::take(&mut self.lent)
    }

    fn decided(&mut self, _position: Position, _stamp: Instant, _facts: &[Fact]) {}

    fn durable(&mut self, _batch: &Arc<Batch>) {}
}

struct World {
    handle: BookHandle<Counter>,
    writer: BookWriter<MemoryJournal>,
    journal: MemoryJournal,
    /// Lets one read through.
    gate: Sender<()>,
    reads: Receiver<Position>,
}

impl World {
    fn new() -> Self {
        let journal = MemoryJournal::new(book_name());
        let (gate, closed) = channel();
        let (says, reads) = channel();
        let mut seconds = 0;
        let parts = Parts {
            genesis: Counter::default(),
            journal: journal.clone(),
            salts: FixedSalts,
            clock: move || {
                seconds += 1;
                Instant::from_seconds(seconds)
            },
            images: ImagePolicy::none(),
            recall: Slow { gate: Some((closed, says)), ..Slow::default() },
        };
        let mut config = BookConfig::new(book_name(), RunId::from_bytes([5; 16]));
        config.limits.batch_facts = 4;
        let (handle, writer) = spawn_book(config, parts).unwrap();
        Self { handle, writer, journal, gate, reads }
    }

    fn bulk(&self, client: u32, ids: &[u64], told: &Sender<Told>) {
        let (ids, outcomes) = (ids.to_vec(), Vec::new());
        self.handle.submit_bulk(Box::new(Request { client, ids, outcomes, told: told.clone() }));
    }
}

/// Who, how it ended, and the position of each item; `None` for one that was not taken.
type Told = (u32, BulkEnd, Vec<Option<u64>>);

struct Request {
    client: u32,
    ids: Vec<u64>,
    outcomes: Vec<Option<u64>>,
    told: Sender<Told>,
}

impl Bulk<Counter> for Request {
    fn client(&self) -> u32 {
        self.client
    }

    fn items(&self) -> usize {
        self.ids.len()
    }

    fn fill(&mut self, into: &mut Vec<Add>) {
        into.extend(self.ids.drain(..).map(add));
    }

    fn decided(&mut self, place: BulkPlace, _outcome: Added) {
        self.outcomes.push(Some(place.position.number()));
    }

    fn not_taken(&mut self, _why: &str) {
        self.outcomes.push(None);
    }

    fn finish(self: Box<Self>, end: BulkEnd) {
        self.told.send((self.client, end, self.outcomes)).unwrap();
    }
}

fn add(id: u64) -> Add {
    Add { id, amount: 1, slot: SaltSlot(id) }
}

#[test]
fn who_repeats_old_ids_waits_and_everybody_else_is_served() {
    let world = World::new();
    let (told, answers) = channel();
    // The second fact is needed twice over and read once; the items around it keep their order.
    world.bulk(1, &[0, OLD, 1, OLD + 7, OLD, 2], &told);
    assert_eq!(world.reads.recv().unwrap(), Position::new(OLD));
    // Behind it in its client's line; nobody else's.
    world.bulk(1, &[3], &told);
    for n in 0..50 {
        world.bulk(2, &[50 + n], &told);
        assert_eq!(answers.recv().unwrap().0, 2, "the writer does not wait for the reading");
    }
    assert!(matches!(world.handle.submit_blocking(add(40)), Answer::Done { .. }));
    assert_eq!(world.handle.queued(), 1);
    world.gate.send(()).unwrap();
    assert_eq!(world.reads.recv().unwrap(), Position::new(OLD + 7));
    world.gate.send(()).unwrap();
    let (client, end, places) = answers.recv().unwrap();
    assert_eq!(client, 1);
    assert!(matches!(end, BulkEnd::Durable { .. }));
    // One before it waited, 51 of others meanwhile, the rest after; the repeated one has no fact.
    assert_eq!(places, [0, 52, 53, 54, 55, 55].map(Some));
    assert_eq!(answers.recv().unwrap().2, [Some(56)], "then what waited behind it");
    assert!(world.reads.try_recv().is_err(), "each fact is read once");
    let World { handle, writer, .. } = world;
    drop(handle);
    assert!(writer.join().is_some());
}

#[test]
fn what_cannot_be_read_is_surely_not_done_and_the_rest_is() {
    let world = World::new();
    let (told, answers) = channel();
    world.gate.send(()).unwrap();
    world.bulk(1, &[0, DAMAGED, 1], &told);
    assert_eq!(answers.recv().unwrap().2, [Some(0), None, Some(1)]);
    world.gate.send(()).unwrap();
    let answer = world.handle.submit_blocking(add(DAMAGED));
    assert!(matches!(answer, Answer::NotRecalled(ref why) if why == "damaged"), "{answer:?}");
    world.gate.send(()).unwrap();
    assert!(matches!(world.handle.submit_blocking(add(OLD)), Answer::Done { .. }));
}

/// What was judged before the wait belongs to the state of then.
#[test]
fn a_bulk_whose_book_was_lost_while_it_waited_is_not_told_as_done() {
    for fault in [Fault::NotDone, Fault::UnknownLost, Fault::UnknownLanded] {
        let world = World::new();
        let (told, answers) = channel();
        world.journal.fail_next(fault);
        world.bulk(1, &[0, OLD], &told);
        assert_eq!(world.reads.recv().unwrap(), Position::new(OLD));
        // Its first item is written, with the fault, before this is answered.
        let read = world.handle.read_blocking(|state| state.total);
        assert!(matches!(read, Answer::Done { .. } | Answer::Unknown), "{read:?}");
        world.gate.send(()).unwrap();
        assert_eq!(answers.recv().unwrap().1, BulkEnd::Unknown, "{fault:?}");
        // Asked again, each is there once.
        world.gate.send(()).unwrap();
        world.bulk(1, &[0, OLD], &told);
        assert!(matches!(answers.recv().unwrap().1, BulkEnd::Durable { .. }));
        let read = world.handle.read_blocking(|state| (state.total, state.seen.len()));
        assert!(matches!(read, Answer::Done { outcome: (2, 2), .. }), "{read:?}");
    }
}

#[test]
fn a_book_that_ends_answers_what_waits_first() {
    let World { handle, writer, gate, reads, .. } = World::new();
    let (sender, answered) = channel();
    for id in [OLD, OLD + 1] {
        let sender = sender.clone();
        handle.submit(add(id), move |answer| sender.send(answer).unwrap());
    }
    assert_eq!(reads.recv().unwrap(), Position::new(OLD));
    drop(handle);
    gate.send(()).unwrap();
    gate.send(()).unwrap();
    for _ in 0..2 {
        assert!(matches!(answered.recv().unwrap(), Answer::Done { .. }));
    }
    assert_eq!(writer.join().unwrap().head().unwrap().next, Position::new(2));
}
