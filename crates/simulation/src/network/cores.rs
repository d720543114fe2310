//! A core as a process: it stands by and follows, takes the lease over, opens its books by
//! claiming their epochs, writes, and ends when it was fenced.
//!
//! A model of `server::roles::core::{standby, books}`. The lease is a row beside the journals,
//! asked without delay and only while the two are not cut off; it advises, the epoch decides.

use std::collections::{BTreeMap, BTreeSet};

use clearing::SettlementWork;
use clearing::testkit::{customers_name, settlement_name};
use clearing::{CustomerCommand, CustomerWork, CustomersBook, SettlementBook, SettlementCommand};
use evidence::{Log, MemoryStore};
use journal::{Append, Batch, Book, Claimed, Journal, Machine, MemoryJournal, NotDone, Start};
use record::{Commitment, Fact, Promise, SaltSlot, Side, Signed};
use terms::{BookName, OutsideId, PaymentId, RunId};

use super::pool::{self, Ready, pool};
use super::rails::Driver;
use super::routes::Live;
use super::writer::{Followed, LIMITS, Waiter, Writer, begun};
use super::{Canary, MS, Msg, Node, Shelf, Timer, World};

/// How long a lease lasts without a sign of life.
const LEASE: u64 = 600 * MS;
/// Signs of life.
const BEAT: u64 = 100 * MS;
/// Between two looks of a standby.
const WATCH: u64 = 150 * MS;
/// How long an append's answer is waited for.
const APPEND: u64 = 600 * MS;
/// Batches read at once while following.
const PAGE: usize = 32;

/// Where the cores' journals lie.
pub(crate) struct Db {
    pub(crate) settlement: MemoryJournal,
    pub(crate) hosted: MemoryJournal,
    holder: Option<usize>,
    beat: u64,
}

impl Db {
    pub(crate) fn new(remote: Side) -> Self {
        let hosted = &pool().customers[usize::from(remote == Side::Debtor)];
        let settlement = filled(settlement_name(), &pool().settlement.batches);
        Self { settlement, hosted: filled(hosted.name, &hosted.batches), holder: None, beat: 0 }
    }

    fn shelf(&mut self, shelf: Shelf) -> &mut MemoryJournal {
        match shelf {
            Shelf::Settlement => &mut self.settlement,
            Shelf::Hosted => &mut self.hosted,
        }
    }
}

/// A journal with the batches that make a book ready.
pub(crate) fn filled(name: BookName, batches: &[Batch]) -> MemoryJournal {
    let mut journal = MemoryJournal::new(name);
    fill(&mut journal, batches);
    journal
}

pub(crate) fn fill<J: Journal>(journal: &mut J, batches: &[Batch]) {
    let epoch = journal.claim_epoch(RunId::from_bytes([1; 16])).expect("an epoch");
    for batch in batches {
        let end = journal.append(batch.origin().first, epoch, batch);
        assert_eq!(end, Append::Appended, "the setup");
    }
}

/// One core.
pub(crate) struct Core {
    role: Role,
    settlement: Followed<SettlementBook>,
    hosted: Followed<CustomersBook>,
    log: Option<Log<MemoryStore>>,
}

enum Role {
    Dead,
    StandsBy { seen: Option<(usize, u64)>, since: u64 },
    Leads(Box<Lead>),
}

/// What a core has while it leads.
pub(crate) struct Lead {
    pub(crate) settlement: Option<Writer<SettlementBook>>,
    pub(crate) hosted: Option<Writer<CustomersBook>>,
    /// The commitments to the settlement book's durable facts.
    pub(crate) leaves: Vec<Commitment>,
    pub(crate) routes: BTreeMap<u64, Live>,
    pub(crate) next: u64,
    pub(crate) calls: BTreeMap<u64, u64>,
    pub(crate) probe: Option<u64>,
    pub(crate) away: bool,
    pub(crate) completions: BTreeSet<PaymentId>,
    pub(crate) promises: BTreeMap<PaymentId, Box<Signed<Promise>>>,
    pub(crate) drivers: BTreeMap<OutsideId, Driver>,
    pub(crate) witnesses: [u64; 2],
    pub(crate) recovered: bool,
    pub(crate) looks: u64,
    beat_at: u64,
    opening: bool,
}

fn followed<M: Clone>(ready: &Ready<M>) -> Followed<M> {
    Followed { start: ready.begun.clone(), leaves: ready.leaves.clone() }
}

impl Core {
    pub(crate) fn new(remote: Side) -> Self {
        Self {
            role: Role::Dead,
            settlement: followed(&pool().settlement),
            hosted: followed(&pool().customers[usize::from(remote == Side::Debtor)]),
            log: None,
        }
    }

    pub(crate) const fn lead(&mut self) -> Option<&mut Lead> {
        match &mut self.role {
            Role::Leads(lead) => Some(lead),
            Role::Dead | Role::StandsBy { .. } => None,
        }
    }
}

impl World {
    pub(crate) fn lead(&mut self, core: usize) -> Option<&mut Lead> {
        self.cores[core].lead()
    }

    /// A process begins: it stands by.
    pub(crate) fn core_up(&mut self, core: usize) {
        let since = self.time;
        self.cores[core].role = Role::StandsBy { seen: None, since };
        let first = self.dice.below(WATCH);
        self.timer(first, Node::Core(core), Timer::Watch);
    }

    /// What a process knows besides its log's tiles is gone.
    pub(crate) fn core_dies(&mut self, core: usize) {
        let remote = self.remote;
        let dead = &mut self.cores[core];
        dead.role = Role::Dead;
        dead.settlement = followed(&pool().settlement);
        dead.hosted = followed(&pool().customers[usize::from(remote == Side::Debtor)]);
        if let Some(log) = dead.log.take() {
            dead.log = Log::open(log.store().clone(), &pool::note_signer()).ok();
        }
    }

    pub(crate) fn lead_at_once(&mut self, core: usize) {
        self.db.holder = Some(core);
        self.take_lead(core);
    }

    fn reaches_db(&self, core: usize) -> bool {
        !self.is_cut(Node::Core(core), Node::Db) && !self.down.contains(&Node::Db)
    }

    /// A standby follows both journals and looks at the lease.
    fn watch(&mut self, core: usize) {
        if !matches!(self.cores[core].role, Role::StandsBy { .. }) {
            return;
        }
        self.timer(WATCH, Node::Core(core), Timer::Watch);
        let (time, reaches) = (self.time, self.reaches_db(core));
        let seen_now = self.db.holder.map(|holder| (holder, self.db.beat));
        let me = &mut self.cores[core];
        let Role::StandsBy { seen, since } = &mut me.role else { return };
        if !reaches {
            *since = time;
            return;
        }
        let follows =
            follow(&mut me.settlement, &self.db.settlement, settlement_name()).and_then(|()| {
                follow(&mut me.hosted, &self.db.hosted, customers_name(hosted_side(self.remote)))
            });
        if let Err(what) = follows {
            self.wrong = Some(format!("a standby cannot follow: {what}"));
            return;
        }
        if *seen != seen_now {
            (*seen, *since) = (seen_now, time);
        }
        // Its own row, from a life before, is nobody's.
        if self.db.holder == Some(core) || time - *since >= LEASE {
            self.db.holder = Some(core);
            self.db.beat += 1;
            self.takeovers.0 += 1;
            self.take_lead(core);
        }
    }

    fn take_lead(&mut self, core: usize) {
        let lead = Lead {
            settlement: None,
            hosted: None,
            leaves: Vec::new(),
            routes: BTreeMap::new(),
            next: 0,
            calls: BTreeMap::new(),
            probe: None,
            away: true,
            completions: BTreeSet::new(),
            promises: BTreeMap::new(),
            drivers: BTreeMap::new(),
            witnesses: [0; 2],
            recovered: false,
            looks: 0,
            beat_at: self.time,
            opening: true,
        };
        self.cores[core].role = Role::Leads(Box::new(lead));
        let node = Node::Core(core);
        self.open_books(core);
        self.timer(BEAT, node, Timer::Beat);
        self.timer(10 * MS, node, Timer::Probe);
        self.timer(120 * MS, node, Timer::Gather);
        self.timer(500 * MS, node, Timer::Publish);
        self.timer(50 * MS, node, Timer::Rails);
    }

    /// Opens what is not open, by claiming its epoch and folding to its head. Only while the lease
    /// is ours: a core that lost it ends.
    pub(crate) fn open_books(&mut self, core: usize) {
        if self.lead(core).is_none() {
            return;
        }
        if !self.reaches_db(core) {
            return self.timer(100 * MS, Node::Core(core), Timer::Open);
        }
        if self.db.holder != Some(core) && self.setting.canary != Canary::FencedIsDone {
            return self.crash(Node::Core(core));
        }
        self.run_number += 1;
        let base = self.run_number << 24;
        let number = self.run_number.to_be_bytes();
        let run = RunId::from_bytes([number, number].concat().try_into().unwrap_or([0; 16]));
        let me = &mut self.cores[core];
        let Role::Leads(lead) = &mut me.role else { return };
        let remote = self.remote;
        if lead.settlement.is_none() {
            match opened((run, base), &me.settlement, &pool().settlement, &mut self.db.settlement) {
                Ok((writer, leaves)) => (lead.settlement, lead.leaves) = (Some(writer), leaves),
                Err(what) => return self.wrong(|| what),
            }
        }
        if lead.hosted.is_none() {
            let ready = &pool().customers[usize::from(remote == Side::Debtor)];
            match opened((run, base), &me.hosted, ready, &mut self.db.hosted) {
                Ok((writer, _)) => lead.hosted = Some(writer),
                Err(what) => return self.wrong(|| what),
            }
        }
        lead.opening = false;
        if !core::mem::replace(&mut lead.recovered, true) {
            self.recover(core);
        }
    }

    pub(crate) fn core_rings(&mut self, core: usize, timer: Timer) {
        match timer {
            Timer::Watch => self.watch(core),
            Timer::Beat => self.beat(core),
            Timer::Open => self.open_books(core),
            Timer::Turn(shelf) => self.write_out(core, shelf),
            Timer::AppendLate(shelf, flight) => {
                self.appended(core, shelf, flight, &Append::Unknown("no answer".into()));
            }
            Timer::Route(route) => self.drive(core, route),
            Timer::CallLate(call) => self.call_ended(core, call, None),
            Timer::Probe => self.probe(core),
            Timer::Gather => self.gather(core),
            Timer::Publish => self.publish(core),
            Timer::Rails => self.take_up_transfers(core),
            Timer::Pause(id, token) => self.transfer_timer(core, id, token),
            Timer::RailLate(id, token) => self.rail_late(core, id, token),
            Timer::Again | Timer::Disk(_) | Timer::Stored(_) | Timer::Tick => {}
        }
    }

    fn beat(&mut self, core: usize) {
        let (time, reaches) = (self.time, self.reaches_db(core));
        if self.lead(core).is_none() {
            return;
        }
        self.timer(BEAT, Node::Core(core), Timer::Beat);
        if !reaches {
            return;
        }
        if self.db.holder != Some(core) {
            // It was replaced, and knows it now.
            if self.setting.canary != Canary::FencedIsDone {
                self.crash(Node::Core(core));
            }
            return;
        }
        self.db.beat += 1;
        if let Some(lead) = self.lead(core) {
            lead.beat_at = time;
        }
    }

    /// Whether nobody else may think this core dead.
    pub(crate) fn holds_lease(&mut self, core: usize) -> bool {
        let time = self.time;
        let ignores = self.setting.canary == Canary::FencedIsDone;
        self.lead(core).is_some_and(|lead| ignores || time - lead.beat_at < LEASE / 5 * 4)
    }

    /// Gives the open batch to the journal.
    fn write_out(&mut self, core: usize, shelf: Shelf) {
        let Some(lead) = self.lead(core) else { return };
        let begun = match shelf {
            Shelf::Settlement => lead.settlement.as_mut().and_then(turn),
            Shelf::Hosted => lead.hosted.as_mut().and_then(turn),
        };
        if let Some((first, epoch, batch, flight)) = begun {
            let node = Node::Core(core);
            self.send(node, Node::Db, Msg::Append(shelf, flight, first, epoch, Box::new(batch)));
            self.timer(APPEND, node, Timer::AppendLate(shelf, flight));
        }
        self.release(core, shelf);
    }

    /// Tells who waits for what is durable.
    pub(crate) fn release(&mut self, core: usize, shelf: Shelf) {
        let Some(lead) = self.lead(core) else { return };
        match shelf {
            Shelf::Settlement => {
                let told = lead.settlement.as_mut().map(Writer::release).unwrap_or_default();
                for (waiter, reply) in told {
                    self.settlement_told(core, waiter, reply);
                }
            }
            Shelf::Hosted => {
                let told = lead.hosted.as_mut().map(Writer::release).unwrap_or_default();
                for (waiter, reply) in told {
                    self.hosted_told(core, waiter, reply);
                }
            }
        }
    }

    /// What became of an append. A core that was fenced ends; one that does not know opens again.
    pub(crate) fn appended(&mut self, core: usize, shelf: Shelf, flight: u64, how: &Append) {
        let fenced = matches!(how, Append::NotDone(NotDone::Fenced { .. }));
        let lies = fenced && self.setting.canary == Canary::FencedIsDone;
        let how = if lies { &Append::Appended } else { how };
        let Some(lead) = self.lead(core) else { return };
        let stopped = match shelf {
            Shelf::Settlement => lead.settlement.as_mut().and_then(|w| land(w, flight, how)),
            Shelf::Hosted => lead.hosted.as_mut().and_then(|w| land(w, flight, how)),
        };
        let Some((leaves, stopped)) = stopped else { return };
        if shelf == Shelf::Settlement {
            lead.leaves.extend(leaves);
        }
        self.takeovers.1 += u32::from(fenced);
        if fenced && !lies {
            return self.crash(Node::Core(core));
        }
        self.release(core, shelf);
        let Some(lead) = self.lead(core) else { return };
        if !stopped {
            return self.turn_soon(core, shelf);
        }
        match shelf {
            Shelf::Settlement => lead.settlement = None,
            Shelf::Hosted => lead.hosted = None,
        }
        lead.opening = true;
        self.timer(20 * MS, Node::Core(core), Timer::Open);
    }

    /// A turn of a book, after what comes in the same moment.
    pub(crate) fn turn_soon(&mut self, core: usize, shelf: Shelf) {
        let Some(lead) = self.lead(core) else { return };
        let due = match shelf {
            Shelf::Settlement => lead.settlement.as_mut().map(|w| &mut w.turn_due),
            Shelf::Hosted => lead.hosted.as_mut().map(|w| &mut w.turn_due),
        };
        if due.is_some_and(|due| !core::mem::replace(due, true)) {
            self.timer(200_000, Node::Core(core), Timer::Turn(shelf));
        }
    }

    pub(crate) fn ask_settlement(
        &mut self,
        core: usize,
        work: SettlementWork,
        who: Waiter,
    ) -> bool {
        let now = self.clock(Node::Core(core));
        let Some(writer) = self.lead(core).and_then(|lead| lead.settlement.as_mut()) else {
            return false;
        };
        let taken = writer.submit(now, &SettlementCommand { slot: SaltSlot(0), work }, who);
        self.turn_soon(core, Shelf::Settlement);
        taken
    }

    pub(crate) fn ask_hosted(&mut self, core: usize, work: CustomerWork, who: Waiter) -> bool {
        let now = self.clock(Node::Core(core));
        let Some(writer) = self.lead(core).and_then(|lead| lead.hosted.as_mut()) else {
            return false;
        };
        let taken = writer.submit(now, &CustomerCommand { slot: SaltSlot(0), work }, who);
        self.turn_soon(core, Shelf::Hosted);
        taken
    }

    pub(crate) fn db_hears(&mut self, from: Node, msg: Msg) {
        let Msg::Append(shelf, flight, first, epoch, batch) = msg else { return };
        let fails = self.dice.below(1_000) < self.weather.journal;
        let coin = if fails { self.dice.below(3) } else { 3 };
        let how = if coin == 0 {
            Append::NotDone(NotDone::Failed("planned".into()))
        } else if coin == 1 {
            Append::Unknown("planned, not there".into())
        } else {
            let how = self.db.shelf(shelf).append(first, epoch, &batch);
            if coin == 2 { Append::Unknown("planned, perhaps there".into()) } else { how }
        };
        self.send(Node::Db, from, Msg::Appended(shelf, flight, how));
    }

    /// Publishes the log as far as facts are durable, and asks the witnesses.
    fn publish(&mut self, core: usize) {
        if self.lead(core).is_none() {
            return;
        }
        self.timer(1_000 * MS, Node::Core(core), Timer::Publish);
        let signer = pool::note_signer();
        let me = &mut self.cores[core];
        let Role::Leads(lead) = &mut me.role else { return };
        let log = me.log.get_or_insert_with(|| {
            Log::open(MemoryStore::empty(), &signer).expect("an empty store")
        });
        let size = usize::try_from(log.size()).unwrap_or(usize::MAX);
        for leaf in lead.leaves.iter().skip(size) {
            log.append(leaf);
        }
        let checkpoint = log.publish(&signer).expect("a store in memory");
        let head = checkpoint.head();
        let mut asks = Vec::new();
        for (witness, seen) in lead.witnesses.iter().enumerate() {
            if *seen >= head.size {
                continue;
            }
            let proof = if *seen == 0 { Ok(vec![]) } else { log.consistency(*seen, head.size) };
            let Ok(proof) = proof else { continue };
            let checkpoint = checkpoint.clone();
            let ask = evidence::exchange::AddCheckpoint { old_size: *seen, proof, checkpoint };
            asks.push((witness, ask.encode()));
        }
        let first = *self.roots.entry(head.size).or_insert(head.root);
        if first != head.root {
            return self.wrong(|| format!("two checkpoints of size {}", head.size));
        }
        for (witness, bytes) in asks {
            let msg = Msg::Cosign(head.size, bytes);
            self.send(Node::Core(core), Node::Witness(witness), msg);
        }
    }

    pub(crate) fn cosigned(&mut self, core: usize, from: Node, size: u64, said: &(u16, String)) {
        use evidence::exchange::Answer;
        let Node::Witness(number) = from else { return };
        let checkpoint = self.cores[core].log.as_ref().and_then(|log| log.published().cloned());
        let Some(asked) = checkpoint.filter(|asked| asked.head().size == size) else { return };
        let verifier = self.seats[number].witness.verifier().clone();
        let read = evidence::exchange::read_answer(
            said.0,
            said.1.as_bytes(),
            &verifier,
            asked.checkpoint(),
        );
        let Some(lead) = self.lead(core) else { return };
        match read {
            Ok(Answer::Cosigned { .. }) => lead.witnesses[number] = size,
            // A core that was replaced may be behind: it will be fenced.
            Ok(Answer::SawOther { size: seen }) => lead.witnesses[number] = seen,
            Ok(other) => self.wrong(|| format!("witness {number} answered {other:?}")),
            Err(error) => self.wrong(|| format!("witness {number}: {error}")),
        }
    }
}

/// The side whose book the core hosts.
pub(crate) const fn hosted_side(remote: Side) -> Side {
    match remote {
        Side::Debtor => Side::Creditor,
        Side::Creditor => Side::Debtor,
    }
}

fn turn<M: Machine<Fact = Fact, Rows = ()>>(
    writer: &mut Writer<M>,
) -> Option<(terms::Position, terms::Epoch, Batch, u64)> {
    writer.turn_due = false;
    writer.begin()
}

/// The flight's end, if it is still under way: what became durable, and whether the book stopped.
fn land<M: Machine<Fact = Fact, Rows = ()>>(
    writer: &mut Writer<M>,
    flight: u64,
    how: &Append,
) -> Option<(Vec<Commitment>, bool)> {
    if writer.flight.is_none() || writer.flights != flight {
        return None;
    }
    let leaves = writer.ended(how);
    Some((leaves, writer.book.is_stopped()))
}

/// As a standby of the shop: the last batch that is seen is left for the take-over.
fn follow<M: Machine<Fact = Fact, Rows = ()>>(
    followed: &mut Followed<M>,
    journal: &MemoryJournal,
    name: BookName,
) -> Result<(), String> {
    let from = followed.start.tip.next;
    let mut page = journal.read_from(from, PAGE).map_err(|error| error.to_string())?;
    page.pop();
    for batch in &page {
        followed.start.follow(&name, batch).map_err(|error| error.to_string())?;
        followed.leaves.extend(batch.entries().map(|stored| stored.commitment));
    }
    Ok(())
}

/// Claims the journal and folds from what was followed.
fn opened<M: Machine<Fact = Fact, Rows = ()> + Clone>(
    (run, base): (RunId, u64),
    followed: &Followed<M>,
    ready: &Ready<M>,
    journal: &mut MemoryJournal,
) -> Result<(Writer<M>, Vec<Commitment>), String> {
    let claimed = Claimed::of(run, journal).map_err(|error| error.to_string())?;
    let mut leaves = followed.leaves.clone();
    let fold = |start: Start<M>, leaves: &mut Vec<Commitment>| {
        Book::fold(ready.name, LIMITS, claimed, start, journal, |batch| {
            leaves.extend(batch.entries().map(|stored| stored.commitment));
        })
        .map(|(book, _)| book)
    };
    let first = fold(followed.start.clone(), &mut leaves);
    let book = begun(first, || {
        leaves.clear();
        fold(Start::genesis(ready.genesis.clone()), &mut leaves)
    });
    book.map(|book| (Writer::of(book, base), leaves)).map_err(|error| error.to_string())
}
