//! The whole network in one process under a seed: wallets, edges, provider, two cores over one
//! journal of which one leads, a bank that keeps its own book, witnesses, a rail, files of booked
//! lines; over a network that loses, delays, repeats and cuts, with processes that die and stand
//! still, disks that tear and clocks that step.
//!
//! What decides is the shipped code: `clearing::Route`, both books and their machines, `journal`'s
//! `Book` and its fencing, `clearing::outside`, `clearing::Pins`, `evidence`'s log and witness.
//! The core's driver around them lives in `server` with its threads and sockets; [`cores`] models
//! it, with its waits made shorter. Documents are signed once for all worlds ([`pool`]).
//!
//! An event is one message delivered, one timer, one disk that finished, one crash.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a party hears only the messages and timers that are for it"
)]

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use clearing::outside::{Report, Sending};
use clearing::route::Heard;
use clearing::testkit::now;
use journal::{Append, Batch};
use record::{Ending, Promise, SettleOrder, Side, Signed};
use terms::{Epoch, Instant, OutsideId, PaymentId, Position};

use crate::dice::Dice;

mod bank;
pub mod canaries;
mod cores;
mod faults;
mod judge;
mod parties;
mod pool;
mod rails;
mod routes;
pub mod table;
mod writer;

pub use canaries::{Catch, PLANTED, Planted};
pub use faults::{Call, NetFault, NetPlan};
pub use table::{NetTable, net_table};

use self::bank::Bank;
use self::cores::Core;
use self::faults::Weather;
use self::parties::{Edge, Pay, Seat};
use self::rails::{Desk, Rail};

/// The rail's name in facts.
pub(crate) const RAIL: &str = "tcb-files";
/// A millisecond of a world's time.
pub(crate) const MS: u64 = 1_000_000;

/// A party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// The wallet of one payment.
    Wallet(usize),
    /// The FX provider.
    Provider,
    /// An edge instance of a side's institution.
    Edge(Side, usize),
    /// The bank that keeps its own book.
    Bank,
    /// A core: one of two over the same journal.
    Core(usize),
    /// Where the journals of the cores lie, with the lease.
    Db,
    /// A witness.
    Witness(usize),
    /// The rail.
    Rail,
    /// The dealer's and the operator's desk: withdrawals and files.
    Desk,
}

/// One of the core's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    Settlement,
    Hosted,
}

/// What the core asks of a bank's own book.
#[derive(Clone, Debug)]
pub(crate) enum BankAsk {
    Hold(usize, usize),
    Debit(Box<Signed<Promise>>),
    Release(Box<Signed<Promise>>),
    Credit(Box<Signed<Promise>>, usize, usize),
    SeesDebtor(PaymentId),
    SeesCreditor(PaymentId),
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    AskQuote,
    Quote,
    AskPermit(usize),
    Permit(Side),
    Order(usize, usize),
    Told(usize, Ending, Position),
    IdUsed(usize),
    NotReady(usize),
    Bank(u64, Box<BankAsk>),
    BankSaid(u64, Box<Heard>),
    Probe(u64, Vec<PaymentId>),
    Probed(u64, Vec<SettleOrder>, Vec<PaymentId>),
    Keep(Side, usize),
    Kept(usize),
    Append(Shelf, u64, Position, Epoch, Box<Batch>),
    Appended(Shelf, u64, Append),
    Cosign(u64, Vec<u8>),
    Cosigned(u64, u16, String),
    Send(OutsideId, u64, String),
    Sent(OutsideId, u64, Box<Sending>),
    AskRail(OutsideId, u64),
    RailSaid(OutsideId, u64, Option<Box<Report>>),
    Report(OutsideId, Box<Report>),
    ReportTaken(OutsideId, Box<Report>),
    Withdraw(usize),
    WithdrawTaken(usize),
    File(usize, usize),
    FileTaken(usize, usize),
    Act(usize),
    ActTaken(usize, bool),
}

/// A timer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    /// A wallet or desk tries again.
    Again,
    /// A book writes out.
    Turn(Shelf),
    /// An append got no answer.
    AppendLate(Shelf, u64),
    /// A bank's disk finished.
    Disk(u64),
    /// A call got no answer.
    CallLate(u64),
    /// A route goes on.
    Route(u64),
    /// The lease is renewed.
    Beat,
    /// A standby looks at the lease and follows the journal.
    Watch,
    /// Books are opened.
    Open,
    /// A bank that is away is asked.
    Probe,
    /// What is complete is recorded, and open holds are looked for once more.
    Gather,
    /// The log is published.
    Publish,
    /// Transfers that nobody drives are taken up.
    Rails,
    /// A driver of a transfer goes on.
    Pause(OutsideId, u64),
    /// A rail gave no answer.
    RailLate(OutsideId, u64),
    /// A witness's state is stored.
    Stored(u64),
    /// Time passes at the rail.
    Tick,
}

#[derive(Clone, Debug)]
enum Event {
    Deliver(Node, Node, Box<Msg>),
    Timer(Node, u32, Timer),
    Weather,
    Up(Node),
    Heal(Node, Node),
    Calm,
    Check,
}

/// A mistake planted to see whether the oracle sees it. None is in shipped code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// None.
    None,
    /// The core takes *unknown* for *not done* and releases the hold.
    ReleaseOnUnknown,
    /// A credit whose answer was lost is posted again by hand.
    CreditTwice,
    /// The promise leaves before the fact is durable.
    PromiseEarly,
    /// A core that was fenced takes its append for done.
    FencedIsDone,
    /// Open holds are looked for once, when a bank comes back, and never again.
    LooksOnce,
    /// An edge forgets a parcel when it was sent, not when it was kept.
    OutboxForgets,
    /// A message that is sent again gets a new message id.
    NewMessageId,
    /// A witness answers before its state is stored.
    WitnessForgets,
    /// What a core left behind nobody brings to its end.
    NoRecovery,
}

/// What a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its seed.
    pub seed: u64,
    /// Its payments, up to 64.
    pub payments: usize,
    /// One fault at one call, in otherwise fine weather; `None`: the weather of the seed.
    pub plan: Option<NetPlan>,
    /// What is planted.
    pub canary: Canary,
}

/// What a world came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetOutcome {
    /// Events.
    pub events: u64,
    /// Of them messages delivered, timers, disks and crashes.
    pub kinds: [u64; 4],
    /// Whether the planned fault happened.
    pub fired: bool,
    /// Payments, and how many settled.
    pub payments: (usize, usize),
    /// Take-overs by the other core, and appends that were fenced.
    pub takeovers: (u32, u32),
    /// Withdrawals done and rejected.
    pub withdrawals: (usize, usize),
    /// Refusals that were told, by reason.
    pub refused: BTreeMap<String, u32>,
    /// Kill switches that stood, and payments that one refused.
    pub stops: (usize, usize),
    /// Nanoseconds of the world's own time.
    pub lasted: u64,
    /// What the oracle found wrong.
    pub verdict: Result<(), String>,
}

/// One world.
pub struct World {
    pub(crate) setting: Setting,
    pub(crate) dice: Dice,
    pub(crate) time: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Event>,
    pub(crate) kinds: [u64; 4],
    pub(crate) weather: Weather,
    pub(crate) cuts: BTreeSet<(Node, Node)>,
    pub(crate) stopped: BTreeMap<Node, u64>,
    pub(crate) down: BTreeSet<Node>,
    lives: BTreeMap<Node, u32>,
    skews: BTreeMap<Node, i64>,
    pub(crate) remote: Side,
    pub(crate) db: cores::Db,
    pub(crate) cores: Vec<Core>,
    pub(crate) bank: Bank,
    pub(crate) edges: BTreeMap<(Side, usize), Edge>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) pays: Vec<Pay>,
    pub(crate) rail: Rail,
    pub(crate) desk: Desk,
    pub(crate) roots: BTreeMap<u64, seal::Digest>,
    pub(crate) wrong: Option<String>,
    pub(crate) takeovers: (u32, u32),
    pub(crate) run_number: u64,
    pub(crate) fired: bool,
    limit: u64,
}

/// Runs a world to its rest.
#[must_use]
pub fn run(setting: Setting) -> NetOutcome {
    World::new(setting).run()
}

impl World {
    fn new(setting: Setting) -> Self {
        let mut dice = Dice(setting.seed ^ 0x6e65_7477_6f72_6b00);
        let count = setting.payments.clamp(1, pool::PAYMENTS);
        let remote = match setting.plan.and_then(|plan| plan.call.of_side()) {
            Some(side) => side,
            None if dice.one_in(2) => Side::Debtor,
            None => Side::Creditor,
        };
        let weather = Weather::of(&mut dice, setting.plan);
        let starts = u64::try_from(count).unwrap_or(0) * 150 * MS;
        let calm = starts + (2_000 + dice.below(3_000)) * MS;
        let on_disk = setting.plan.is_none() && dice.one_in(4);
        let mut world = Self {
            bank: Bank::new(remote, on_disk.then_some(setting.seed)),
            db: cores::Db::new(remote),
            cores: vec![Core::new(remote), Core::new(remote)],
            edges: parties::edges(),
            seats: parties::seats(),
            pays: (0..count).map(|number| Pay::new(number, dice.one_in(6))).collect(),
            rail: Rail::default(),
            desk: Desk::new(&mut dice, count, setting.plan),
            setting,
            dice,
            time: 0,
            sequence: 0,
            queue: BTreeMap::new(),
            kinds: [0; 4],
            weather,
            cuts: BTreeSet::new(),
            stopped: BTreeMap::new(),
            down: BTreeSet::new(),
            lives: BTreeMap::new(),
            skews: BTreeMap::new(),
            remote,
            roots: BTreeMap::new(),
            wrong: None,
            takeovers: (0, 0),
            run_number: 0,
            fired: false,
            limit: calm + 120_000 * MS,
        };
        world.begin(calm);
        world
    }

    fn begin(&mut self, calm: u64) {
        self.start_bank();
        self.core_up(0);
        self.core_up(1);
        self.lead_at_once(0);
        for number in 0..self.pays.len() {
            let at = u64::try_from(number).unwrap_or(0) * 150 * MS + self.dice.below(100 * MS);
            self.timer_at(at, Node::Wallet(number), Timer::Again);
        }
        self.timer(20 * MS, Node::Desk, Timer::Again);
        self.timer(60 * MS, Node::Rail, Timer::Tick);
        self.push(100 * MS, Event::Weather);
        self.push(calm, Event::Calm);
    }

    fn run(mut self) -> NetOutcome {
        let verdict = loop {
            if let Some(what) = self.wrong.take() {
                break Err(what);
            }
            let Some(((at, _), event)) = self.queue.pop_first() else {
                break Err("nothing is left to happen".to_owned());
            };
            self.time = at;
            if at > self.limit {
                break Err(format!("the world does not come to rest: {}", self.restless()));
            }
            if matches!(event, Event::Check) && self.wrong.is_none() && self.restless().is_empty() {
                break self.judge();
            }
            self.happen(event);
        };
        self.outcome(verdict)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver(from, to, msg) => {
                if let Some(until) = self.standing_still(to) {
                    return self.push_at(until, Event::Deliver(from, to, msg));
                }
                if self.down.contains(&to) {
                    return;
                }
                self.kinds[0] += 1;
                self.deliver(from, to, *msg);
            }
            Event::Timer(node, life, timer) => {
                if self.life(node) != life {
                    return;
                }
                if let Some(until) = self.standing_still(node) {
                    return self.push_at(until, Event::Timer(node, life, timer));
                }
                self.kinds
                    [if matches!(timer, Timer::Disk(_) | Timer::Stored(_)) { 2 } else { 1 }] += 1;
                self.ring(node, timer);
            }
            Event::Weather => {
                self.change_weather();
                let pause = (100 + self.dice.below(400)) * MS;
                self.push(pause, Event::Weather);
            }
            Event::Up(node) => self.up(node),
            Event::Heal(one, other) => {
                self.cuts.remove(&(one, other));
            }
            Event::Calm => self.calm(),
            Event::Check => {
                self.people();
                self.push(100 * MS, Event::Check);
            }
        }
    }

    /// Everything heals: from now on the world comes to rest.
    fn calm(&mut self) {
        self.weather = Weather::FINE;
        self.cuts.clear();
        self.stopped.clear();
        self.plan_disk();
        self.push(100 * MS, Event::Check);
    }

    fn standing_still(&mut self, node: Node) -> Option<u64> {
        let until = *self.stopped.get(&node)?;
        if until > self.time {
            return Some(until);
        }
        self.stopped.remove(&node);
        None
    }

    fn deliver(&mut self, from: Node, to: Node, msg: Msg) {
        if self.dies_before(from, to, &msg) {
            return;
        }
        match to {
            Node::Wallet(number) => self.wallet_hears(number, msg),
            Node::Provider => self.provider_hears(from, &msg),
            Node::Edge(side, instance) => self.edge_hears(side, instance, from, &msg),
            Node::Bank => self.bank_hears(from, msg),
            Node::Core(core) => self.core_hears(core, from, msg),
            Node::Db => self.db_hears(from, msg),
            Node::Witness(number) => self.witness_hears(number, from, &msg),
            Node::Rail => self.rail_hears(from, msg),
            Node::Desk => self.desk_hears(&msg),
        }
    }

    fn ring(&mut self, node: Node, timer: Timer) {
        match node {
            Node::Wallet(number) => self.wallet_turn(number),
            Node::Edge(side, instance) => self.edge_turn(side, instance),
            Node::Bank => self.bank_rings(&timer),
            Node::Core(core) => self.core_rings(core, timer),
            Node::Witness(number) => self.witness_stored(number, &timer),
            Node::Rail => self.rail_tick(),
            Node::Desk => self.desk_turn(),
            Node::Provider | Node::Db => {}
        }
    }

    /// A process ends. What it had in memory is gone.
    pub(crate) fn crash(&mut self, node: Node) {
        if !self.down.insert(node) {
            return;
        }
        self.kinds[3] += 1;
        *self.lives.entry(node).or_default() += 1;
        match node {
            Node::Core(core) => self.core_dies(core),
            Node::Bank => self.bank_dies(),
            Node::Witness(number) => self.witness_dies(number),
            // An edge's disk remembers all that it has.
            Node::Edge(..)
            | Node::Wallet(_)
            | Node::Provider
            | Node::Db
            | Node::Rail
            | Node::Desk => {}
        }
        let away = (50 + self.dice.below(1_500)) * MS;
        self.push(away, Event::Up(node));
    }

    fn up(&mut self, node: Node) {
        self.down.remove(&node);
        match node {
            Node::Core(core) => self.core_up(core),
            Node::Bank => self.start_bank(),
            Node::Edge(..) => self.timer(5 * MS, node, Timer::Again),
            Node::Wallet(_) | Node::Desk => self.timer(5 * MS, node, Timer::Again),
            Node::Rail => self.timer(60 * MS, node, Timer::Tick),
            Node::Witness(_) | Node::Provider | Node::Db => {}
        }
    }

    pub(crate) fn life(&self, node: Node) -> u32 {
        self.lives.get(&node).copied().unwrap_or(0)
    }

    /// What a party's clock shows.
    pub(crate) fn clock(&self, node: Node) -> Instant {
        let at = now().plus(Duration::from_nanos(self.time));
        match self.skews.get(&node) {
            Some(skew) if *skew < 0 => at.minus(Duration::from_nanos(skew.unsigned_abs())),
            Some(skew) => at.plus(Duration::from_nanos(skew.unsigned_abs())),
            None => at,
        }
    }

    pub(crate) fn step_clock(&mut self, node: Node, skew: i64) {
        self.skews.insert(node, skew);
    }

    pub(crate) fn is_cut(&self, one: Node, other: Node) -> bool {
        self.cuts.contains(&if one < other { (one, other) } else { (other, one) })
    }

    pub(crate) fn cut(&mut self, one: Node, other: Node, time: u64) {
        let pair = if one < other { (one, other) } else { (other, one) };
        if one != other && self.cuts.insert(pair) {
            self.push(time, Event::Heal(pair.0, pair.1));
        }
    }

    fn push(&mut self, after: u64, event: Event) {
        self.push_at(self.time + after, event);
    }

    fn push_at(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    pub(crate) fn arrive(&mut self, after: u64, from: Node, to: Node, msg: Msg) {
        self.push(after, Event::Deliver(from, to, Box::new(msg)));
    }

    pub(crate) fn timer(&mut self, after: u64, node: Node, timer: Timer) {
        self.timer_at(self.time + after, node, timer);
    }

    fn timer_at(&mut self, at: u64, node: Node, timer: Timer) {
        let life = self.life(node);
        self.push_at(at, Event::Timer(node, life, timer));
    }

    pub(crate) fn wrong(&mut self, what: impl FnOnce() -> String) {
        if self.wrong.is_none() {
            self.wrong = Some(what());
        }
    }

    /// Only what was told first counts: nothing else may be told after it.
    fn refusals(&self) -> BTreeMap<String, u32> {
        let mut refusals = BTreeMap::new();
        for answer in self.pays.iter().flat_map(|pay| pay.told.iter().flatten()) {
            if let parties::Answer::Ended(Ending::Refused(why), _) = answer {
                *refusals.entry(why.clone()).or_default() += 1;
            }
        }
        refusals
    }

    fn outcome(&self, verdict: Result<(), String>) -> NetOutcome {
        let settled = |pay: &&Pay| pay.has_settled();
        NetOutcome {
            events: self.kinds.iter().sum(),
            kinds: self.kinds,
            fired: self.fired,
            payments: (self.pays.len(), self.pays.iter().filter(settled).count()),
            takeovers: self.takeovers,
            withdrawals: self.withdrawals_ended(),
            refused: self.refusals(),
            stops: (
                self.desk.stands.len(),
                self.pays.iter().filter(|pay| pay.was_stopped()).count(),
            ),
            lasted: self.time,
            verdict,
        }
    }
}

/// The number of a payment in the pool.
pub(crate) fn number_of(payment: PaymentId) -> usize {
    let first = payment.bytes().first_chunk::<8>().copied().unwrap_or_default();
    usize::try_from(u64::from_be_bytes(first)).unwrap_or(0).saturating_sub(1)
}

/// Which order of a payment has these terms.
pub(crate) fn variant_of(number: usize, terms: seal::Digest) -> usize {
    let orders = &pool::pool().docs[number].orders;
    orders.iter().position(|order| order.checked.terms_digest() == terms).unwrap_or(0)
}
