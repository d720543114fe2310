//! Histories recorded by several clients of the threaded driver, and what must hold of them.
//!
//! The journal's disk fails a sync now and then, so that some answers are *unknown*, the book is
//! lost and opened again between, and within, requests.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    clippy::large_enum_variant,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test fails by panicking; a part of the shared modules is used"
)]

#[path = "simulation/clients.rs"]
mod clients;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use bookkeeping::{Event, Found, Key, LedgerBook, LedgerFact, Outcome, Request, What, keys};
use clients::Asked;
use journal::testkit::{FixedSalts, book_name};
use journal::{Append, Batch, Book, ClaimError, Journal, Machine, ReadError, Tip};
use ledger::{Command, FullLedger, Refusal, Term};
use ledger_server::LedgerRecall;
use store::fault::{FaultDisk, Faults};
use store::ids::{Ids, IdsConfig, IdsLimits, IdsSeed};
use store::{
    Answer, BookConfig, BookHandle, Bulk, BulkEnd, BulkPlace, ImagePolicy, Known, NoRows, Opening,
    Parts, Past, Recall, RecallError, SegmentConfig, SegmentJournal, spawn_book,
};
use terms::{Epoch, Instant, Position, RunId};

/// A small generator of pseudo-random numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }
}

/// Planted on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    /// Ids are not looked up in the past.
    NothingLookedUp,
    /// Now and then a batch is told to be appended and is not.
    LostIsDone,
    /// A read is answered with what was true one read ago.
    StaleReads,
    /// An ended hold that a post names is not looked up: another rule says no than should.
    HoldsForgotten,
}

const CLIENTS: u64 = 4;
const STEPS: u64 = 60;
const IDS: u64 = 400;

/// What a client saw of one request or item.
#[derive(Clone, Debug)]
struct Noted {
    /// Moments of call and reply, on one clock for all clients.
    called: u64,
    replied: u64,
    client: u64,
    what: Saw,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "kept once each")]
enum Saw {
    Item {
        asked: Asked,
        outcome: Outcome,
        position: Position,
        stamp: Instant,
    },
    /// Surely not done.
    NotTaken,
    /// How many facts a read has seen, and the sum of all debits then.
    Read {
        position: Position,
        debits: u128,
    },
    Unknown,
}

fn debits(book: &LedgerBook) -> u128 {
    book.ledger().totals().values().map(|total| total.debits_posted.units()).sum()
}

struct Recorder {
    clock: AtomicU64,
    events: Mutex<Vec<Noted>>,
    stale: Mutex<Option<(Position, u128)>>,
}

impl Recorder {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn note(&self, called: u64, client: u64, saw: impl IntoIterator<Item = Saw>) {
        let replied = self.tick();
        let made = saw.into_iter().map(|what| Noted { called, replied, client, what });
        self.events.lock().unwrap().extend(made);
    }
}

/// What each came to, in order; nothing for one that was not taken.
type Told = (BulkEnd, Vec<Option<(BulkPlace, Outcome)>>);

/// A request of many commands.
struct Many {
    left: Vec<Request>,
    told: Vec<Option<(BulkPlace, Outcome)>>,
    end: SyncSender<Told>,
}

impl Bulk<LedgerBook> for Many {
    fn fill(&mut self, into: &mut Vec<Request>) {
        into.extend(self.left.drain(..self.left.len().min(7)));
    }

    fn decided(&mut self, place: BulkPlace, outcome: Outcome) {
        self.told.push(Some((place, outcome)));
    }

    fn not_taken(&mut self, _why: &str) {
        self.told.push(None);
    }

    fn finish(self: Box<Self>, end: BulkEnd) {
        let _ = self.end.try_send((end, self.told));
    }
}

/// The clock here counts seconds, and so do the holds: some end on the way, some never.
fn any(dice: &mut Dice) -> Asked {
    let mut asked = Asked::any(dice, IDS);
    if let What::Do(Command::PlaceHold(new)) = &mut asked.request.what
        && let Term::Expiring { at } = new.term
    {
        new.term = match at.nanos() % 4 {
            1 => Term::Pinned,
            _ => Term::Expiring { at: Instant::from_nanos(at.nanos() * 1_000_000_000) },
        };
    }
    asked
}

fn client(number: u64, seed: u64, handle: &BookHandle<LedgerBook>, to: &Recorder, bug: Bug) {
    let mut dice = Dice(seed * CLIENTS + number);
    for _ in 0..STEPS {
        let called = to.tick();
        match dice.below(4) {
            0 => {
                let read = handle.read_blocking(debits);
                let Answer::Done { outcome, position, .. } = read else { continue };
                let mut now = (position, outcome);
                if bug == Bug::StaleReads {
                    now = to.stale.lock().unwrap().replace(now).unwrap_or(now);
                }
                let (position, debits) = now;
                to.note(called, number, [Saw::Read { position, debits }]);
            }
            1 => {
                let asked: Vec<Asked> = (0..1 + dice.below(60)).map(|_| any(&mut dice)).collect();
                let (end, ended) = sync_channel(1);
                let left = asked.iter().map(|asked| asked.request.clone()).collect();
                handle.submit_bulk(Box::new(Many { left, told: Vec::new(), end }));
                match ended.recv() {
                    Ok((BulkEnd::Durable { .. }, told)) => {
                        assert_eq!(told.len(), asked.len(), "each is told of, in order");
                        let item = |(asked, told): (Asked, Option<(BulkPlace, Outcome)>)| {
                            let Some((place, outcome)) = told else { return Saw::NotTaken };
                            let (position, stamp) = (place.position, place.stamp);
                            Saw::Item { asked, outcome, position, stamp }
                        };
                        to.note(called, number, asked.into_iter().zip(told).map(item));
                    }
                    _ => to.note(called, number, [Saw::Unknown]),
                }
            }
            _ => {
                let asked = any(&mut dice);
                match handle.submit_blocking(asked.request.clone()) {
                    Answer::Done { outcome, position, stamp, .. } => {
                        to.note(called, number, [Saw::Item { asked, outcome, position, stamp }]);
                    }
                    _ => to.note(called, number, [Saw::Unknown]),
                }
            }
        }
    }
}

/// The real look-ups, or none.
struct Looks<R>(R, Bug);

impl<R: Recall<LedgerBook>> Recall<LedgerBook> for Looks<R> {
    fn opened(&mut self, tip: &Tip) -> Result<Position, RecallError> {
        self.0.opened(tip)
    }

    fn learn(&mut self, batch: &Arc<Batch>) -> Result<(), RecallError> {
        self.0.learn(batch)
    }

    fn rows(&mut self, book: &Book<LedgerBook>, request: &Request) -> Result<Found, NoRows> {
        let found = self.0.rows(book, request)?;
        let own = match &request.what {
            What::Do(command) => keys::of_command(request.client, command),
            _ => None,
        };
        let is_new = own
            .is_some_and(|own| found.first_under(&own).is_none() && found.refused(&own).is_none());
        Ok(match self.1 {
            Bug::NothingLookedUp => Found::default(),
            Bug::HoldsForgotten if is_new => Found::default(),
            _ => found,
        })
    }

    fn cold(&mut self, book: &Book<LedgerBook>, all: &[Request], into: &mut BTreeSet<Position>) {
        self.0.cold(book, all, into);
    }

    fn past(&mut self) -> Option<Box<dyn Past<LedgerFact>>> {
        self.0.past()
    }

    fn lend(&mut self, known: Known<LedgerFact>) {
        self.0.lend(known);
    }

    fn take_back(&mut self) -> Known<LedgerFact> {
        self.0.take_back()
    }

    fn decided(&mut self, position: Position, stamp: Instant, facts: &[LedgerFact]) {
        self.0.decided(position, stamp, facts);
    }

    fn durable(&mut self, batch: &Arc<Batch>) {
        self.0.durable(batch);
    }
}

/// The real journal, or one that lies now and then.
struct Journals(SegmentJournal<FaultDisk>, Bug, u64);

impl Journal for Journals {
    fn append(&mut self, expected: Position, epoch: Epoch, batch: &Batch) -> Append {
        self.2 += 1;
        if self.1 == Bug::LostIsDone && self.2.is_multiple_of(40) {
            return Append::Appended;
        }
        self.0.append(expected, epoch, batch)
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

fn segments() -> SegmentConfig {
    SegmentConfig { book: book_name(), segment_bytes: 16 << 10, opening: Opening::ReadsTail }
}

/// A history, and the journal's batches after it.
fn record(seed: u64, bug: Bug) -> (Vec<Noted>, Vec<Batch>) {
    let disks = [1, 2, 3].map(|n| FaultDisk::new(seed * 3 + n));
    let journal = SegmentJournal::open(disks[0].clone(), segments()).unwrap();
    let limits = IdsLimits { recent_max: 40, frozen_max: 1, merge_runs: 2, ..IdsLimits::STANDARD };
    let config = IdsConfig { book: book_name(), seed: IdsSeed::new([5; 16]), limits };
    let (ids, covered) = Ids::open(disks[1].clone(), &config).unwrap();
    let reader = journal.reader(disks[0].clone());
    let mut nanos = 0;
    let parts = Parts {
        genesis: LedgerBook::new(1),
        journal: Journals(journal, bug, 0),
        salts: FixedSalts,
        clock: move || {
            // Past each rest of a book that could not be opened.
            nanos += 1_000_000_001;
            Instant::from_nanos(nanos)
        },
        images: ImagePolicy::every(50, disks[2].clone(), book_name()),
        recall: Looks(LedgerRecall::new(ids, covered, reader), bug),
    };
    let mut config = BookConfig::new(book_name(), RunId::from_bytes([4; 16]));
    config.limits.batch_facts = 8;
    let (handle, writer) = spawn_book(config, parts).unwrap();
    for n in 0..clients::ACCOUNTS {
        let _ = handle.submit_blocking(Asked::command(n, 0).request);
    }
    disks[0].plan(Faults { sync_per_mille: 25, ..Faults::default() });
    let recorder = Recorder {
        clock: AtomicU64::new(0),
        events: Mutex::new(Vec::new()),
        stale: Mutex::new(None),
    };
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (handle, recorder) = (&handle, &recorder);
            scope.spawn(move || client(number, seed, handle, recorder, bug));
        }
    });
    drop(handle);
    drop(writer.join());
    disks[0].plan(Faults::default());
    // Only the platter counts.
    disks[0].reboot();
    let journal = SegmentJournal::open(disks[0].clone(), segments()).unwrap();
    let batches = journal.read_from(Position::ZERO, usize::MAX).unwrap();
    (recorder.events.into_inner().unwrap(), batches)
}

/// The prefix sums of a refold, and where each id was answered.
struct Refold {
    facts: Vec<LedgerFact>,
    /// Sum of all debits before each position.
    debits: Vec<u128>,
    /// State after each fact, only as far as balances go.
    after: Vec<BTreeMap<terms::AccountId, ledger::Balances>>,
}

/// What was asked and came to something, by the position that the answer names.
fn by_position(events: &[Noted]) -> BTreeMap<Position, Vec<&Saw>> {
    let mut all: BTreeMap<Position, Vec<&Saw>> = BTreeMap::new();
    for event in events {
        if let Saw::Item { position, .. } = &event.what {
            all.entry(*position).or_default().push(&event.what);
        }
    }
    all
}

/// Asks again what was asked at this state, of a ledger that keeps its whole past and knows
/// nothing of look-ups. `refused` are the ids that were refused before.
fn judge(
    ledger: &FullLedger,
    refused: &BTreeSet<Key>,
    what: &[&Saw],
    judged: &mut Judged,
) -> Result<(), String> {
    for what in what {
        let Saw::Item { asked, outcome, stamp, .. } = what else { continue };
        let What::Do(command) = &asked.request.what else { continue };
        let was_refused = asked.key.is_some_and(|key| refused.contains(&key));
        let conflict =
            |refusal: &Refusal| matches!(refusal, Refusal::IdUsedWithOtherContent { .. });
        let wrong = |again: &dyn std::fmt::Debug| Err(format!("{again:?} was right: {what:?}"));
        match (outcome, ledger.check(*stamp, command)) {
            // Which ids were refused no ledger remembers.
            (Outcome::Refused { refusal }, _) if was_refused && conflict(refusal) => {
                judged.conflicts += 1;
            }
            (Outcome::Refused { refusal }, Err(again)) if *refusal == again && !was_refused => {
                *judged.rules.entry(refusal.rule_name()).or_default() += 1;
            }
            (Outcome::Done { .. }, Ok(again))
                if again.outcome().answer == ledger::Answer::Done && !was_refused =>
            {
                judged.done += 1;
            }
            (Outcome::Repeated { first, .. }, Ok(again))
                if again.outcome().answer == (ledger::Answer::Repeated { first: *first }) =>
            {
                judged.repeated += 1;
            }
            (Outcome::RefusedBefore { .. }, _) if was_refused => judged.repeated += 1,
            (_, again) => return wrong(&again.map(|again| again.outcome().answer)),
        }
    }
    Ok(())
}

/// How many answers were given again by the judge.
#[derive(Debug, Default)]
struct Judged {
    done: u64,
    repeated: u64,
    conflicts: u64,
    rules: BTreeMap<&'static str, u64>,
}

fn refold(batches: &[Batch], events: &[Noted], judged: &mut Judged) -> Result<Refold, String> {
    let (mut state, mut tip) = (LedgerBook::new(9), Tip::GENESIS);
    let (mut ledger, mut refused) = (FullLedger::new(), BTreeSet::new());
    let asked = by_position(events);
    let mut refold = Refold { facts: Vec::new(), debits: vec![0], after: Vec::new() };
    for batch in batches {
        batch.follows(&tip, &book_name()).map_err(|error| error.to_string())?;
        for stored in batch.entries() {
            let fact: LedgerFact = stored.fact().map_err(|error| error.to_string())?;
            let here = asked.get(&stored.position).map_or(&[][..], Vec::as_slice);
            judge(&ledger, &refused, here, judged)?;
            match &fact.event {
                Event::Changed(change) => ledger.apply(batch.origin().stamp, change),
                Event::Refused(_) => refused.extend(own_key(&fact)),
            }
            state.apply(stored.position, batch.origin().stamp, &fact);
            refold.debits.push(debits(&state));
            let balances = state.ledger().accounts().map(|a| (a.balances().account, a.balances()));
            refold.after.push(balances.collect());
            refold.facts.push(fact);
        }
        tip = batch.tip();
    }
    let at_end = asked.get(&tip.next).map_or(&[][..], Vec::as_slice);
    judge(&ledger, &refused, at_end, judged)?;
    Ok(refold)
}

fn check(events: &[Noted], refold: &Refold) -> Result<(), String> {
    let mut ends: BTreeMap<Key, Position> = BTreeMap::new();
    let mut taken: BTreeMap<Position, &Noted> = BTreeMap::new();
    for (position, fact) in (0..).map(Position::new).zip(&refold.facts) {
        if let Some(key) = own_key(fact)
            && let Some(first) = ends.insert(key, position)
        {
            return Err(format!("{key:?} was answered at {first} and at {position}"));
        }
    }
    for event in events {
        match &event.what {
            Saw::Item { asked, outcome, position, .. } => {
                check_item(asked, outcome, *position, refold, &ends)?;
                let made = matches!(outcome, Outcome::Done { .. }) && asked.key.is_some();
                if made && let Some(other) = taken.insert(*position, event) {
                    return Err(format!("two answers at {position}: {event:?} {other:?}"));
                }
            }
            Saw::Read { position, debits } => {
                let at = usize::try_from(position.number()).unwrap();
                if refold.debits.get(at) != Some(debits) {
                    return Err(format!("a read at {position} saw {debits}"));
                }
            }
            Saw::Unknown | Saw::NotTaken => {}
        }
    }
    real_time(events)
}

/// The id that a fact answers.
fn own_key(fact: &LedgerFact) -> Option<Key> {
    use ledger::Resolved;
    match &fact.event {
        Event::Refused(_) => {
            let mut own = None;
            keys::of_fact(fact, |key| own = Some(key));
            own
        }
        Event::Changed(change) => match change.resolved() {
            Resolved::Posted { transaction, .. } => {
                Some(Key::transaction(fact.client, transaction.id))
            }
            Resolved::HoldPlaced(placement) => Some(Key::hold(placement.id)),
            _ => None,
        },
    }
}

fn check_item(
    asked: &Asked,
    outcome: &Outcome,
    position: Position,
    refold: &Refold,
    ends: &BTreeMap<Key, Position>,
) -> Result<(), String> {
    let Some(key) = asked.key else { return Ok(()) };
    let wrong = |why: &str| Err(format!("{why} at {position}: {asked:?} {outcome:?}"));
    let there = ends.get(&key).copied();
    let at = usize::try_from(position.number()).unwrap();
    match outcome {
        Outcome::Done { balances } => {
            if there != Some(position) {
                return wrong("done elsewhere or nowhere");
            }
            let after = &refold.after[at];
            if balances.iter().any(|said| after.get(&said.account) != Some(said)) {
                return wrong("other balances");
            }
        }
        Outcome::Repeated { position: first, .. } if *first != there => {
            return wrong("repeated elsewhere");
        }
        Outcome::RefusedBefore { position: first, .. } if Some(*first) != there => {
            return wrong("refused elsewhere");
        }
        Outcome::Absent if there.is_some_and(|there| there < position) => {
            return wrong("absent, and it was there");
        }
        Outcome::Refused { refusal: Refusal::IdUsedWithOtherContent { .. } } => {
            if there.is_none_or(|there| there >= position) {
                return wrong("a conflict with nothing");
            }
        }
        Outcome::Refused { refusal } => {
            let fact = refold.facts.get(at).map(|fact| &fact.event);
            let Some(Event::Refused(said)) = fact else { return wrong("refused without a fact") };
            let same =
                (said.rule.as_str(), &said.text) == (refusal.rule_name(), &refusal.to_string());
            if there != Some(position) || !same {
                return wrong("another refusal was journalled");
            }
        }
        Outcome::RefusedBefore { refused, position: first } => {
            let at = usize::try_from(first.number()).unwrap();
            if !matches!(&refold.facts[at].event, Event::Refused(said) if said == refused) {
                return wrong("told again as another");
            }
        }
        Outcome::Absent | Outcome::Repeated { .. } => {}
        Outcome::NotDone | Outcome::Together(_) | Outcome::Traced { .. } => {
            return wrong("nobody asked for that");
        }
    }
    Ok(())
}

/// What was called after a reply lies behind it; a read has seen all that was replied before.
fn real_time(events: &[Noted]) -> Result<(), String> {
    let mut by_call: Vec<&Noted> = events.iter().collect();
    by_call.sort_by_key(|event| event.called);
    let mut by_reply: Vec<&Noted> = events.iter().collect();
    by_reply.sort_by_key(|event| event.replied);
    let (mut replied, mut seen) = (by_reply.into_iter().peekable(), 0);
    for event in by_call {
        while let Some(before) = replied.next_if(|before| before.replied < event.called) {
            seen = seen.max(match &before.what {
                Saw::Item { asked, outcome: Outcome::Done { .. }, position, .. }
                    if asked.key.is_some() =>
                {
                    position.number() + 1
                }
                Saw::Read { position, .. } => position.number(),
                _ => 0,
            });
        }
        let position = match &event.what {
            Saw::Item { outcome: Outcome::Done { .. }, position, .. }
            | Saw::Read { position, .. } => position.number(),
            _ => continue,
        };
        if position < seen {
            return Err(format!("{seen} facts were known before {event:?}"));
        }
    }
    Ok(())
}

fn history(seed: u64, bug: Bug, judged: &mut Judged) -> Result<(usize, usize), String> {
    let (events, batches) = record(seed, bug);
    check(&events, &refold(&batches, &events, judged)?)?;
    let unknown = events.iter().filter(|event| matches!(event.what, Saw::Unknown)).count();
    Ok((events.len(), unknown))
}

/// `WAYLEAVE_HISTORIES_SEED` records others.
#[test]
fn recorded_histories_are_linear() {
    let from = std::env::var("WAYLEAVE_HISTORIES_SEED").ok();
    let from: u64 = from.map_or(0, |text| text.parse().unwrap());
    let (mut events, mut unknown, mut judged) = (0, 0, Judged::default());
    for seed in from..from + 24 {
        let (seen, lost) = history(seed, Bug::None, &mut judged)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        events += seen;
        unknown += lost;
    }
    println!("{events} events, {unknown} unknown, {judged:?}");
    assert!(events > 10_000 && unknown > 50, "{events} {unknown}");
    let Judged { done, repeated, conflicts, rules } = judged;
    assert!(done > 2_000 && repeated > 2_000 && conflicts > 100, "{done} {repeated} {conflicts}");
    for rule in [
        "IdUsedWithOtherContent",
        "UnknownHold",
        "HoldAlreadyPosted",
        "HoldAlreadyExpired",
        "AmountExceedsHold",
        "InsufficientFunds",
    ] {
        assert!(rules.get(rule).is_some_and(|count| *count > 10), "{rule}: {rules:?}");
    }
}

#[test]
fn planted_bugs_show_in_the_histories() {
    for bug in [Bug::NothingLookedUp, Bug::LostIsDone, Bug::StaleReads, Bug::HoldsForgotten] {
        let wrong = |seed| history(seed, bug, &mut Judged::default()).err();
        let caught = (100..112).filter_map(wrong).collect::<Vec<_>>();
        println!("{bug:?}: {} of 12, first: {:?}", caught.len(), caught.first());
        assert!(caught.len() >= 3, "{bug:?} was caught in {} of 12", caught.len());
        if bug == Bug::HoldsForgotten {
            let rule = |why: &String| why.contains("was right") && why.contains("UnknownHold");
            assert!(caught.iter().filter(|why| rule(why)).count() >= 3, "{caught:?}");
        }
    }
}
