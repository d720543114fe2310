//! The writer thread: group commit, reads, subscriptions, faults, images.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::type_complexity,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use journal::memory::Fault;
use journal::testkit::{Add, Added, Counter, FixedSalts, book_name};
use journal::{Batch, Journal, MemoryJournal, SubmitError, Tip};
use record::SaltSlot;
use store::{
    Answer, BookConfig, BookHandle, BookWriter, Bulk, BulkEnd, BulkPlace, FileDisk, ImagePolicy,
    NoRecall, Opening, Parts, SegmentConfig, SegmentJournal, spawn_book,
};
use support::Scratch;
use terms::{Instant, Position, RunId};

fn config() -> BookConfig {
    BookConfig::new(book_name(), RunId::from_bytes([5; 16]))
}

/// A clock that goes on by a second per look: no test waits for a real one.
fn ticking() -> impl FnMut() -> Instant + Send + 'static {
    let mut seconds = 0;
    move || {
        seconds += 1;
        Instant::from_seconds(seconds)
    }
}

fn spawn<J: Journal + Send + 'static>(
    journal: J,
    images: ImagePolicy<Counter>,
) -> (BookHandle<Counter>, BookWriter<J>) {
    let parts = Parts {
        genesis: Counter::default(),
        journal,
        salts: FixedSalts,
        clock: ticking(),
        images,
        recall: NoRecall,
    };
    spawn_book(config(), parts).unwrap()
}

fn add(id: u64, amount: u64) -> Add {
    Add { id, amount, slot: SaltSlot(id) }
}

fn segments(scratch: &Scratch) -> SegmentJournal<FileDisk> {
    let config =
        SegmentConfig { book: book_name(), segment_bytes: 16 << 10, opening: Opening::ReadsTail };
    SegmentJournal::open(FileDisk::take(scratch.path()).unwrap(), config).unwrap()
}

fn chained(batches: impl IntoIterator<Item = Arc<Batch>>, until: Position) -> Vec<Arc<Batch>> {
    let (mut tip, mut all) = (Tip::GENESIS, Vec::new());
    for batch in batches {
        batch.follows(&tip, &book_name()).unwrap();
        tip = batch.tip();
        all.push(batch);
        if tip.next >= until {
            break;
        }
    }
    assert_eq!(tip.next, until);
    all
}

#[test]
fn many_callers_share_syncs_and_a_subscriber_sees_every_batch() {
    let scratch = Scratch::new("group");
    let (handle, writer) = spawn(segments(&scratch), ImagePolicy::none());
    let feed: Receiver<Arc<Batch>> = handle.subscribe(Position::ZERO);
    let (threads, each) = (8, 100);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let handle = handle.clone();
            scope.spawn(move || {
                for n in 0..each {
                    let answer = handle.submit_blocking(add(thread * each + n, 1));
                    assert!(
                        matches!(answer, Answer::Done { outcome: Added::Total(_), .. }),
                        "{answer:?}"
                    );
                }
            });
        }
    });
    let total = threads * each;
    let read = handle.read_blocking(|state| state.total);
    assert!(matches!(read, Answer::Done { outcome, .. } if outcome == total), "{read:?}");
    let batches = chained(feed, Position::new(total));
    assert!((batches.len() as u64) < total, "{} syncs for {total} commands", batches.len());
    // A late subscriber, from the middle.
    let late = handle.subscribe(Position::new(total / 2));
    let first = late.recv().unwrap();
    assert!(first.origin().first <= Position::new(total / 2));
    assert!(first.tip().next > Position::new(total / 2));
    drop(handle);
    let journal = writer.join().unwrap();
    assert_eq!(journal.head().unwrap().next, Position::new(total));
    drop(journal);
    let (handle, writer) = spawn(segments(&scratch), ImagePolicy::none());
    assert_eq!(writer.recovery.facts_refolded, total);
    assert!(matches!(
        handle.submit_blocking(add(3, 1)),
        Answer::Done { outcome: Added::Duplicate(_), .. }
    ));
}

#[test]
fn a_subscriber_that_falls_behind_is_not_skipped() {
    let (handle, _writer) = spawn(MemoryJournal::new(book_name()), ImagePolicy::none());
    let feed = handle.subscribe(Position::ZERO);
    for id in 0..500 {
        let _ = handle.submit_blocking(add(id, 1));
    }
    chained(feed, Position::new(500));
}

#[test]
fn after_an_unknown_append_the_answer_is_found_by_asking_again() {
    let journal = MemoryJournal::new(book_name());
    let (handle, _writer) = spawn(journal.clone(), ImagePolicy::none());
    let feed = handle.subscribe(Position::ZERO);
    let faults =
        [(Fault::NotDone, false), (Fault::UnknownLost, false), (Fault::UnknownLanded, true)];
    for (id, (fault, landed)) in (0..).zip(faults) {
        journal.fail_next(fault);
        assert_eq!(handle.submit_blocking(add(id, 1)), Answer::Unknown);
        let again = handle.submit_blocking(add(id, 1));
        let Answer::Done { outcome, .. } = again else { panic!("{again:?}") };
        assert_eq!(matches!(outcome, Added::Duplicate(_)), landed, "{fault:?}");
    }
    chained(feed, Position::new(3));
    let latest = handle.latest_recovery();
    assert_eq!(latest.tip.next, Position::new(3));
    assert_eq!(latest.epoch.number(), 4, "one claim at start and one after each fault");
}

#[test]
fn a_full_queue_says_busy_and_a_closed_book_stopped() {
    let parts = Parts {
        genesis: Counter::default(),
        journal: MemoryJournal::new(book_name()),
        salts: FixedSalts,
        clock: ticking(),
        images: ImagePolicy::none(),
        recall: NoRecall,
    };
    let (handle, writer) = spawn_book(BookConfig { queue: 2, ..config() }, parts).unwrap();
    let (entered, at_gate) = channel();
    let (open, gate) = channel::<()>();
    handle.read(
        move |_| {
            entered.send(()).unwrap();
            let _ = gate.recv();
        },
        |_| {},
    );
    at_gate.recv().unwrap();
    // The writer stands at the gate: two wait, the third is turned away at once.
    let (answers, told) = channel();
    for id in 0..3 {
        let answers = answers.clone();
        handle.submit(add(id, 1), move |answer| answers.send((id, answer)).unwrap());
    }
    assert_eq!(told.recv().unwrap(), (2, Answer::Busy));
    open.send(()).unwrap();
    assert!(matches!(told.recv().unwrap(), (0, Answer::Done { .. })));
    assert!(matches!(told.recv().unwrap(), (1, Answer::Done { .. })));
    drop(handle);
    assert_eq!(writer.join().unwrap().head().unwrap().next, Position::new(2));
}

/// Many reads of one client are no reason for another's to wait, nor for its own commands.
#[test]
fn a_reader_waits_for_its_own_reads_and_not_for_those_of_others() {
    let (handle, _writer) = spawn(MemoryJournal::new(book_name()), ImagePolicy::none());
    let (entered, at_gate) = channel();
    let (open, gate) = channel::<()>();
    handle.read(
        move |_| {
            entered.send(()).unwrap();
            let _ = gate.recv();
        },
        |_| {},
    );
    at_gate.recv().unwrap();
    let (answers, told) = channel();
    let read = |client: u32, items: u64| {
        let answers = answers.clone();
        handle.read_as(
            store::Asked { client, items },
            |_| (),
            move |_| answers.send(client).unwrap(),
        );
    };
    (0..300).for_each(|_| read(1, 500));
    read(2, 1);
    let done = answers.clone();
    handle.submit_as(1, add(1, 1), move |_| done.send(0).unwrap());
    open.send(()).unwrap();
    let order: Vec<u32> = (0..302).map(|_| told.recv().unwrap()).collect();
    let before = |who: u32| order.iter().position(|one| *one == who).unwrap();
    assert!(before(2) <= 4, "{}", before(2));
    // What is appended is answered when it is durable.
    assert!(before(0) < 300, "{}", before(0));
}

#[test]
fn a_subscriber_far_behind_catches_up() {
    let (handle, _writer) = spawn(MemoryJournal::new(book_name()), ImagePolicy::none());
    let total = 5_000;
    for id in 0..total {
        let _ = handle.submit_blocking(add(id, 1));
    }
    let batches = chained(handle.subscribe(Position::ZERO), Position::new(total));
    assert!(batches.len() > 2_500);
}

#[test]
fn a_subscription_ends_at_damage_and_says_where() {
    let scratch = Scratch::new("behind");
    let (handle, writer) = spawn(segments(&scratch), ImagePolicy::none());
    let total = 250;
    for id in 0..total {
        let _ = handle.submit_blocking(add(id, 1));
    }
    let path = scratch.path().join(segment_named(&scratch, 2));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[900] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let feed = handle.subscribe(Position::ZERO);
    let next = feed.into_iter().last().unwrap().tip().next;
    assert!(next < Position::new(total));
    let why = handle.damage().at(next).unwrap();
    assert!(why.contains(&format!("position `{next}`")), "{why}");
    // The book goes on, and so does whoever follows its end.
    let feed = handle.subscribe(Position::new(total));
    let _ = handle.submit_blocking(add(total, 1));
    assert_eq!(feed.recv().unwrap().origin().first, Position::new(total));
    drop(handle);
    writer.join().unwrap();
}

fn segment_named(scratch: &Scratch, index: usize) -> String {
    let names = std::fs::read_dir(scratch.path()).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".segment"));
    names.sort();
    names[index].clone()
}

#[test]
fn a_fenced_writer_stops_and_does_not_fence_back() {
    let mut journal = MemoryJournal::new(book_name());
    let (handle, _writer) = spawn(journal.clone(), ImagePolicy::none());
    let newer = journal.claim_epoch(RunId::from_bytes([8; 16])).unwrap();
    assert_eq!(handle.submit_blocking(add(1, 1)), Answer::Unknown);
    assert_eq!(handle.submit_blocking(add(1, 1)), Answer::Stopped);
    assert!(handle.trouble().unwrap().contains("fenced"), "{:?}", handle.trouble());
    assert_eq!(journal.claim_epoch(RunId::from_bytes([8; 16])).ok(), newer.next());
}

#[test]
fn async_callers_are_answered_too() {
    let (handle, _writer) = spawn(MemoryJournal::new(book_name()), ImagePolicy::none());
    let answer = handle.submit_async(add(1, 4)).blocking_recv().unwrap();
    assert!(matches!(answer, Answer::Done { outcome: Added::Total(4), .. }));
    let read = handle.read_async(|state| state.total).blocking_recv().unwrap();
    assert!(matches!(read, Answer::Done { outcome: 4, .. }));
}

#[test]
fn a_command_larger_than_a_batch_is_not_taken() {
    let parts = Parts {
        genesis: Counter::default(),
        journal: MemoryJournal::new(book_name()),
        salts: FixedSalts,
        clock: ticking(),
        images: ImagePolicy::none(),
        recall: NoRecall,
    };
    let mut config = config();
    config.limits.batch_bytes = 200;
    let (handle, _writer) = spawn_book(config, parts).unwrap();
    assert_eq!(handle.submit_blocking(add(1, 1)), Answer::NotTaken(SubmitError::TooLarge));
}

#[test]
fn an_image_shortens_the_refold_and_a_bad_one_is_ignored() {
    let (books, images) = (Scratch::new("book"), Scratch::new("image"));
    let policy = || ImagePolicy::every(10, FileDisk::take(images.path()).unwrap(), book_name());
    let (handle, writer) = spawn(segments(&books), policy());
    for id in 0..25 {
        let _ = handle.submit_blocking(add(id, id));
    }
    drop(handle);
    drop(writer.join());
    let state = |handle: &BookHandle<Counter>| {
        let read = handle.read_blocking(Clone::clone);
        let Answer::Done { outcome, .. } = read else { panic!("{read:?}") };
        outcome
    };
    let (handle, writer) = spawn(segments(&books), policy());
    assert!(writer.recovery.from_image && writer.recovery.facts_refolded < 10);
    let from_image = state(&handle);
    drop(handle);
    drop(writer.join());
    let path = images.path().join("image");
    let sound = std::fs::read(&path).unwrap();
    let mut flipped = sound.clone();
    flipped[60] ^= 1;
    for bad in [flipped, sound[..40].to_vec(), Vec::new()] {
        std::fs::write(&path, bad).unwrap();
        let (handle, writer) = spawn(segments(&books), policy());
        assert!(!writer.recovery.from_image && writer.recovery.image_refused.is_some());
        assert_eq!(state(&handle), from_image);
        drop(handle);
        drop(writer.join());
    }
    // An image of a journal that is not this one: sound in itself, and refused.
    std::fs::write(&path, sound).unwrap();
    let other = Scratch::new("other");
    let (handle, writer) = spawn(segments(&other), policy());
    assert!(!writer.recovery.from_image && writer.recovery.image_refused.is_some());
    assert_eq!(state(&handle), Counter::default());
    drop(handle);
    drop(writer.join());
}

#[test]
fn answers_come_in_order_of_positions() {
    let (handle, writer) = spawn(MemoryJournal::new(book_name()), ImagePolicy::none());
    let last = Arc::new(AtomicU64::new(0));
    for id in 0..200 {
        let last = Arc::clone(&last);
        handle.submit(add(id, 1), move |answer| {
            let Answer::Done { position, .. } = answer else { panic!("{answer:?}") };
            assert_eq!(last.swap(position.number() + 1, Ordering::SeqCst), position.number());
        });
    }
    drop(handle);
    assert_eq!(writer.join().unwrap().head().unwrap().next, Position::new(200));
}

/// Forty additions in one request, and where their outcomes go.
struct Forty {
    given: bool,
    told: Vec<(u64, Position, Added)>,
    end: Sender<(BulkEnd, Vec<(u64, Position, Added)>)>,
}

impl Bulk<Counter> for Forty {
    fn fill(&mut self, into: &mut Vec<Add>) {
        if !core::mem::replace(&mut self.given, true) {
            into.extend((0..40).map(|id| add(id, 1)));
        }
    }

    fn decided(&mut self, place: BulkPlace, outcome: Added) {
        self.told.push((self.told.len() as u64, place.position, outcome));
    }

    fn not_taken(&mut self, why: &str) {
        panic!("{why}");
    }

    fn finish(self: Box<Self>, end: BulkEnd) {
        self.end.send((end, self.told)).unwrap();
    }
}

/// The first of a bulk's batches is lost while its later items are judged. The book is open again
/// before the bulk ends: nothing decided on the lost state may be told as done.
#[test]
fn a_bulk_whose_first_batch_was_lost_is_not_told_as_done() {
    for fault in [Fault::NotDone, Fault::UnknownLost, Fault::UnknownLanded] {
        let journal = MemoryJournal::new(book_name());
        let parts = Parts {
            genesis: Counter::default(),
            journal: journal.clone(),
            salts: FixedSalts,
            clock: ticking(),
            images: ImagePolicy::none(),
            recall: NoRecall,
        };
        let mut config = config();
        config.limits.batch_facts = 4;
        let (handle, _writer) = spawn_book(config, parts).unwrap();
        journal.fail_next(fault);
        let (end, ended) = channel();
        handle.submit_bulk(Box::new(Forty { given: false, told: Vec::new(), end }));
        let (end, told) = ended.recv().unwrap();
        assert_eq!(end, BulkEnd::Unknown, "{fault:?}: {told:?}");
        // Asked again, everything is there once.
        let (end, ended) = channel();
        handle.submit_bulk(Box::new(Forty { given: false, told: Vec::new(), end }));
        let (end, _) = ended.recv().unwrap();
        assert_eq!(end, BulkEnd::Durable { next: Position::new(40) });
        let read = handle.read_blocking(|state| (state.total, state.seen.len()));
        assert!(matches!(read, Answer::Done { outcome: (40, 40), .. }), "{read:?}");
    }
}

/// Holds the writer up until it is let go, so that a queue can grow behind it.
struct Gate(Option<Receiver<()>>);

impl Bulk<Counter> for Gate {
    fn fill(&mut self, _into: &mut Vec<Add>) {
        if let Some(gate) = self.0.take() {
            let _ = gate.recv();
        }
    }

    fn decided(&mut self, _place: BulkPlace, _outcome: Added) {}

    fn not_taken(&mut self, why: &str) {
        panic!("{why}");
    }

    fn finish(self: Box<Self>, _end: BulkEnd) {}
}

/// A request of one client: some adds, told where the first one came to stand.
struct Asked {
    client: u32,
    ids: std::ops::Range<u64>,
    first: Option<Position>,
    told: Sender<(u32, Option<Position>, BulkEnd)>,
}

impl Bulk<Counter> for Asked {
    fn client(&self) -> u32 {
        self.client
    }

    fn items(&self) -> usize {
        self.ids.clone().count()
    }

    fn fill(&mut self, into: &mut Vec<Add>) {
        into.extend(self.ids.by_ref().take(100).map(|id| add(id, 1)));
    }

    fn decided(&mut self, place: BulkPlace, _outcome: Added) {
        self.first.get_or_insert(place.position);
    }

    fn not_taken(&mut self, why: &str) {
        panic!("{why}");
    }

    fn finish(self: Box<Self>, end: BulkEnd) {
        self.told.send((self.client, self.first, end)).unwrap();
    }
}

#[test]
fn a_flood_of_one_client_holds_up_no_other() {
    const BULK: u64 = 2_000;
    let parts = Parts {
        genesis: Counter::default(),
        journal: MemoryJournal::new(book_name()),
        salts: FixedSalts,
        clock: ticking(),
        images: ImagePolicy::none(),
        recall: NoRecall,
    };
    let (handle, _writer) = spawn_book(BookConfig { queue: 64, ..config() }, parts).unwrap();
    let (open, gate) = channel();
    handle.submit_bulk(Box::new(Gate(Some(gate))));
    let (told, answers) = channel();
    let ask = |client, from: u64, count| {
        let (told, ids) = (told.clone(), from..from + count);
        handle.submit_bulk(Box::new(Asked { client, ids, first: None, told }));
    };
    // More than its line takes: 48 of 64. The gate may still stand in the queue.
    (0..60).for_each(|n| ask(1, n * BULK, BULK));
    let busy = answers.try_iter().filter(|(_, _, end)| *end == BulkEnd::Busy).count();
    assert_eq!(busy, 12);
    // Others have room, and are judged before the flood is over.
    ask(2, 1_000_000, 1);
    ask(3, 1_000_001, 5);
    ask(2, 1_000_010, 1);
    open.send(()).unwrap();
    let done: Vec<_> = answers.iter().take(48 + 3).collect();
    for (client, first, end) in done {
        assert!(matches!(end, BulkEnd::Durable { .. }), "{end:?}");
        let first = first.unwrap().number();
        assert!(client == 1 || first <= 2 * BULK + 7, "client {client} waited until {first}");
    }
}
