//! One world: clients with orders, the three books, one planned fault, and what was promised.

use core::time::Duration;

use clearing::testkit::{
    Deal, OrderParts, PAYER_FUNDS, account, customers_genesis, customers_name, customers_setup,
    funding, now, own_account, settlement_genesis, settlement_name, settlement_setup, side_of,
    start,
};
use clearing::{
    Action, CustomerCommand, CustomerWork, CustomersBook, Finish, Heard, Route, SettlementBook,
    SettlementCommand, SettlementWork,
};
use record::{Ending, ReleaseReason, SaltSlot, SettleOrder, Side};
use store::fault::{FaultDisk, Faults};
use terms::{Instant, Position};

use crate::backing::{Backing, Fault};
use crate::books::Running;
use crate::dice::Dice;
use crate::oracle;

/// The appends of a payment's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    /// The debtor's book holds.
    Hold,
    /// The settlement book settles.
    Settle,
    /// The creditor's book credits.
    Credit,
    /// The debtor's book posts the hold.
    Debit,
    /// The settlement book refuses what was held.
    Refuse,
    /// The debtor's book releases.
    Release,
    /// The settlement book records that nothing could be held.
    Record,
}

impl Port {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Hold,
        Self::Settle,
        Self::Credit,
        Self::Debit,
        Self::Refuse,
        Self::Release,
        Self::Record,
    ];

    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Settle => "settle",
            Self::Credit => "credit",
            Self::Debit => "debit",
            Self::Refuse => "refuse",
            Self::Release => "release",
            Self::Record => "record",
        }
    }

    const fn victim(self) -> Kind {
        match self {
            Self::Hold | Self::Settle | Self::Credit | Self::Debit => Kind::Good,
            Self::Refuse | Self::Release => Kind::Stale,
            Self::Record => Kind::TooDear,
        }
    }
}

/// How an order of a world is meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Settles.
    Good,
    /// Its permits have expired: held, refused, released.
    Stale,
    /// The payer lacks the money: never held.
    TooDear,
}

/// One fault at one port of one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What happens.
    pub fault: Fault,
    /// Where.
    pub port: Port,
}

/// A mistake planted to see whether the oracle sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// None.
    None,
    /// Unknown is taken for not done: the hold is released.
    ReleaseOnUnknown,
    /// A credit whose answer was lost is posted again.
    CreditTwice,
    /// The promise leaves before the fact is durable.
    PromiseEarly,
    /// Nobody recovers after a crash.
    NoRecovery,
}

/// A client, its order, and what it was told.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) parts: OrderParts,
    order: clearing::CheckedOrder,
    route: Option<Route>,
    is_waiting: bool,
    returns: bool,
    pub(crate) promised: Option<(Ending, Position)>,
}

/// What a world came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the planned fault happened.
    pub fired: bool,
    /// How often the process died.
    pub crashes: u32,
    /// Payments in it, and how many settled.
    pub payments: (usize, usize),
    /// What the oracle found wrong.
    pub verdict: Result<(), String>,
}

/// One world.
pub struct World {
    dice: Dice,
    plan: Option<Plan>,
    bug: Bug,
    now: Instant,
    pub(crate) settlement: Running<SettlementBook>,
    pub(crate) debtor: Running<CustomersBook>,
    pub(crate) creditor: Running<CustomersBook>,
    disks: Vec<FaultDisk>,
    pub(crate) clients: Vec<Client>,
    victim: usize,
    armed: bool,
    recovering: bool,
    crashes: u32,
    again: u32,
    contradiction: Option<String>,
    link: Option<Link>,
}

/// The way to the customers' books, where they are other processes: questions that do not arrive
/// for a while, answers that are lost.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    /// Questions that will not arrive.
    away: usize,
    /// Questions that did not arrive, and answers that were lost.
    lost: u32,
}

/// More turns than any world takes.
const TURNS_MAX: u32 = 20_000;
/// Lives of a process in a world; the last ones run without new faults.
const LIVES_MAX: u32 = 40;
/// Lives with faults of the disk.
const FAULTY_LIVES: u32 = 4;
/// Nobody's answer.
const NOBODY: usize = usize::MAX;

/// A world in memory with one planned fault, or none.
#[must_use]
pub fn run_world(seed: u64, plan: Option<Plan>, bug: Bug) -> Outcome {
    let mut world = World::new(seed, plan, bug, Backing::memory);
    world.run()
}

/// A world on disks that lose power at any call, tear, forget and fail.
#[must_use]
pub fn run_disk_world(seed: u64) -> Outcome {
    let mut disks = Vec::new();
    let mut world = World::new(seed, None, Bug::None, |book| {
        let count = u64::try_from(disks.len()).unwrap_or(0);
        let disk = FaultDisk::new(seed.wrapping_mul(3).wrapping_add(count));
        disks.push(disk.clone());
        Backing::disk(book, disk)
    });
    world.disks = disks;
    world.plan_disks();
    world.run()
}

/// A world whose customers' books are reached over links that lose questions for a while and
/// answers at any time. Also says how much was lost.
#[must_use]
pub fn run_lossy_world(seed: u64, bug: Bug) -> (Outcome, u32) {
    let mut world = World::new(seed, None, bug, Backing::memory);
    world.link = Some(Link::default());
    let outcome = world.run();
    (outcome, world.link.map_or(0, |link| link.lost))
}

impl World {
    fn new(
        seed: u64,
        plan: Option<Plan>,
        bug: Bug,
        mut backing: impl FnMut(terms::BookName) -> Backing,
    ) -> Self {
        let mut dice = Dice(seed);
        let customers =
            |side, backing| Running::new(customers_name(side), customers_genesis(side), backing);
        let mut world = Self {
            settlement: Running::new(
                settlement_name(),
                settlement_genesis(),
                backing(settlement_name()),
            ),
            debtor: customers(Side::Debtor, backing(customers_name(Side::Debtor))),
            creditor: customers(Side::Creditor, backing(customers_name(Side::Creditor))),
            victim: 0,
            clients: clients(&mut dice, plan),
            dice,
            plan,
            bug,
            now: now(),
            disks: Vec::new(),
            armed: false,
            recovering: false,
            crashes: 0,
            again: 0,
            contradiction: None,
            link: None,
        };
        world.victim = world.dice.index(world.clients.len());
        world.clients.swap(0, world.victim);
        world.set_up();
        world
    }

    fn set_up(&mut self) {
        self.open_all().expect("no fault is planned yet");
        let slot = SaltSlot(0);
        for work in settlement_setup() {
            let taken = self.settlement.submit(start(), &SettlementCommand { slot, work }, NOBODY);
            assert!(taken, "setup");
            let _ = self.settlement.turn(&mut self.dice, Heard::Settlement);
        }
        for side in [Side::Debtor, Side::Creditor] {
            for work in customers_setup(side) {
                let command = CustomerCommand { slot, work };
                let (book, dice) = self.customers(side);
                assert!(book.submit(start(), &command, NOBODY), "setup");
                let _ = book.turn(dice, |answer, _| Heard::Customers(answer));
            }
        }
        for client in &mut self.clients {
            client.route = Some(Route::of_client(client.order.clone()));
        }
    }

    const fn customers(&mut self, side: Side) -> (&mut Running<CustomersBook>, &mut Dice) {
        match side {
            Side::Debtor => (&mut self.debtor, &mut self.dice),
            Side::Creditor => (&mut self.creditor, &mut self.dice),
        }
    }

    fn run(&mut self) -> Outcome {
        let mut turns = 0;
        let verdict = loop {
            turns += 1;
            if turns > TURNS_MAX || self.crashes > LIVES_MAX {
                break Err("the world does not come to rest".to_owned());
            }
            if self.has_crashed() {
                self.restart();
            } else if !self.tick() && !self.has_crashed() {
                if !self.recovering {
                    break self.judge();
                }
                self.recovering = false;
                self.clients_return();
            }
        };
        let settled = |c: &&Client| matches!(c.promised, Some((Ending::Settled, _)));
        Outcome {
            fired: self.settlement.backing.fired
                || self.debtor.backing.fired
                || self.creditor.backing.fired,
            crashes: self.crashes,
            payments: (self.clients.len(), self.clients.iter().filter(settled).count()),
            verdict,
        }
    }

    fn judge(&mut self) -> Result<(), String> {
        self.disks.iter().for_each(|disk| disk.plan(Faults::default()));
        match self.contradiction.take() {
            Some(what) => Err(what),
            None => oracle::judge(self),
        }
    }

    /// One thing happens. `false` when nothing is left to do.
    fn tick(&mut self) -> bool {
        self.now = self.now.plus(Duration::from_nanos(1 + self.dice.below(1_000_000)));
        let ready: Vec<usize> = (0..self.clients.len())
            .filter(|i| self.clients[*i].route.is_some() && !self.clients[*i].is_waiting)
            .collect();
        let busy = self.settlement.is_busy() || self.debtor.is_busy() || self.creditor.is_busy();
        if ready.is_empty() {
            if busy {
                (0..3).for_each(|book| self.turn(book));
            }
            return busy;
        }
        let who = ready[self.dice.index(ready.len())];
        self.act(who);
        // Sometimes answers wait, and commands of several payments share a batch.
        if self.dice.one_in(2) {
            let book = self.dice.index(3);
            self.turn(book);
        }
        true
    }

    fn turn(&mut self, book: usize) {
        if self.has_crashed() {
            return;
        }
        let told = match book {
            0 => self.settlement.turn(&mut self.dice, Heard::Settlement),
            1 => self.debtor.turn(&mut self.dice, |answer, _| Heard::Customers(answer)),
            _ => self.creditor.turn(&mut self.dice, |answer, _| Heard::Customers(answer)),
        };
        for (who, heard) in told {
            self.tell(who, heard);
        }
    }

    /// Whether a question to a customers' book does not arrive.
    fn is_away(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        if link.away == 0 && self.dice.one_in(12) {
            link.away = 1 + self.dice.index(20);
        }
        if link.away == 0 {
            return false;
        }
        link.away -= 1;
        link.lost += 1;
        true
    }

    /// What arrives of an answer: where it is lost, nobody knows.
    fn arrived(&mut self, heard: Heard) -> Heard {
        let remote =
            matches!(heard, Heard::Customers(_) | Heard::SawDebtor(_) | Heard::SawCreditor(_));
        match &mut self.link {
            Some(link) if remote && self.dice.one_in(6) => {
                link.lost += 1;
                Heard::Unknown
            }
            _ => heard,
        }
    }

    fn tell(&mut self, who: usize, heard: Heard) {
        if who == NOBODY {
            return;
        }
        let heard = self.arrived(heard);
        if heard == Heard::Unknown {
            self.plant(who);
        }
        let client = &mut self.clients[who];
        client.is_waiting = false;
        let Some(route) = &mut client.route else { return };
        route.hear(heard);
        if let Some((ending, at)) = route.ending() {
            let promise = (ending.clone(), at);
            if client.promised.as_ref().is_some_and(|first| *first != promise) {
                self.contradiction = Some(format!("{:?} then {promise:?}", client.promised));
            }
            client.promised = Some(promise);
        }
    }

    fn act(&mut self, who: usize) {
        let Some(route) = &self.clients[who].route else { return };
        let (action, payment, now) = (route.next(), route.payment(), self.now);
        self.clients[who].is_waiting = true;
        let remote =
            matches!(action, Action::Customers(..) | Action::AskDebtor(_) | Action::AskCreditor(_));
        if remote && self.is_away() {
            self.tell(who, Heard::NotDone);
            return;
        }
        match action {
            Action::Finished(finish) => self.finished(who, finish),
            Action::Customers(of, work) => {
                let side = side_of(of);
                self.arm(who, port_of(&work), if side == Side::Debtor { 1 } else { 2 });
                let command = CustomerCommand { slot: SaltSlot(0), work };
                if !self.customers(side).0.submit(now, &command, who) {
                    self.turn(if side == Side::Debtor { 1 } else { 2 });
                    self.tell(who, Heard::NotDone);
                }
            }
            Action::Settlement(work) => self.settle(who, work),
            Action::AskDebtor(_) => {
                self.debtor.read(now, who, |b, _| Heard::SawDebtor(b.debtor_seen(payment)));
            }
            Action::AskSettlement => self
                .settlement
                .read(now, who, |b, head| Heard::SawSettlement(b.payment(payment).cloned(), head)),
            Action::AskCreditor(_) => {
                self.creditor.read(now, who, |b, _| Heard::SawCreditor(b.creditor_side(payment)));
            }
        }
    }

    fn settle(&mut self, who: usize, work: SettlementWork) {
        let settles = matches!(work, SettlementWork::Settle(_));
        let port = match self.plan.map(|plan| plan.port) {
            Some(Port::Refuse) if settles => Port::Refuse,
            _ if settles => Port::Settle,
            _ => Port::Record,
        };
        self.arm(who, Some(port), 0);
        let command = SettlementCommand { slot: SaltSlot(0), work };
        if !self.settlement.submit(self.now, &command, who) {
            self.turn(0);
            self.tell(who, Heard::NotDone);
        } else if self.bug == Bug::PromiseEarly {
            let payment = self.clients[who].parts.terms.payment;
            let entry = self.settlement.state().payment(payment);
            self.clients[who].promised = entry.map(|e| (e.ending.clone(), e.position));
        }
    }

    fn finished(&mut self, who: usize, finish: Finish) {
        let client = &mut self.clients[who];
        (client.route, client.is_waiting) = (None, false);
        match finish {
            Finish::Ended(ending, at) => client.promised = Some((ending, at)),
            Finish::NothingToDo => {}
            Finish::Stuck { .. } | Finish::PaymentIdUsed { .. } => {
                self.contradiction = Some(format!("payment {who} ends as {finish:?}"));
            }
        }
    }

    /// The victim stands at the planned port: its append suffers the fault.
    fn arm(&mut self, who: usize, port: Option<Port>, book: usize) {
        let Some(plan) = self.plan else { return };
        if self.armed || who != self.victim || port != Some(plan.port) {
            return;
        }
        self.armed = true;
        self.backing(book).next = Some(plan.fault);
    }

    const fn backing(&mut self, book: usize) -> &mut Backing {
        match book {
            0 => &mut self.settlement.backing,
            1 => &mut self.debtor.backing,
            _ => &mut self.creditor.backing,
        }
    }

    /// The planted bugs that act on an unknown answer.
    fn plant(&mut self, who: usize) {
        let Some(action) = self.clients[who].route.as_ref().map(Route::next) else { return };
        let payment = self.clients[who].parts.terms.payment;
        let (slot, now) = (SaltSlot(0), self.now);
        match (self.bug, action) {
            (Bug::ReleaseOnUnknown, Action::Settlement(SettlementWork::Settle(_))) => {
                let reason = ReleaseReason::NeverSettled(Position::ZERO);
                let work = CustomerWork::Release(payment, reason);
                self.debtor.submit(now, &CustomerCommand { slot, work }, NOBODY);
            }
            (Bug::CreditTwice, Action::Customers(_, CustomerWork::Credit(order))) => {
                let amount = order.amount.minor.units();
                let command = Box::new(funding(0x99, own_account(1), order.account, amount));
                let reason = "again, to be sure".to_owned();
                let work = CustomerWork::Ledger { command, reason };
                self.creditor.submit(now, &CustomerCommand { slot, work }, NOBODY);
            }
            _ => {}
        }
    }

    const fn has_crashed(&self) -> bool {
        self.settlement.backing.crashed
            || self.debtor.backing.crashed
            || self.creditor.backing.crashed
    }

    /// The process died. A new one opens the books to their heads, and recovers.
    fn restart(&mut self) {
        self.crashes += 1;
        let lost = self.disks.iter().any(FaultDisk::is_down) || self.dice.one_in(2);
        self.settlement.crash(lost);
        self.debtor.crash(lost);
        self.creditor.crash(lost);
        if self.crashes <= FAULTY_LIVES {
            self.plan_disks();
        }
        for client in &mut self.clients {
            client.returns = client.returns || client.route.is_some();
            (client.route, client.is_waiting) = (None, false);
        }
        if self.open_all().is_err() {
            self.settlement.backing.crashed = true;
            return;
        }
        self.recovering = true;
        if self.bug != Bug::NoRecovery {
            self.recover();
        }
    }

    /// From the open holds alone. Sometimes recovery itself suffers a fault.
    fn recover(&mut self) {
        let held: Vec<(terms::PaymentId, SettleOrder)> =
            self.debtor.state().open_holds().map(|(id, order)| (id, order.clone())).collect();
        for (payment, order) in held {
            let known = self.clients.iter_mut().find(|c| c.parts.terms.payment == payment);
            let client = known.expect("a hold belongs to a client's payment");
            client.route = Route::of_recovery(&order);
        }
        if self.plan.is_some() && self.again < 2 && self.dice.one_in(3) {
            self.again += 1;
            let fault = Fault::ALL[self.dice.index(Fault::ALL.len())];
            let book = self.dice.index(3);
            self.backing(book).next = Some(fault);
        }
    }

    /// After recovery, some clients ask again with the same order; some never do.
    fn clients_return(&mut self) {
        for client in &mut self.clients {
            if core::mem::take(&mut client.returns) && self.dice.one_in(2) {
                client.route = Some(Route::of_client(client.order.clone()));
            }
        }
    }

    fn open_all(&mut self) -> Result<(), String> {
        self.settlement.open(&mut self.dice)?;
        self.debtor.open(&mut self.dice)?;
        self.creditor.open(&mut self.dice)
    }

    fn plan_disks(&mut self) {
        for disk in &self.disks {
            let dice = &mut self.dice;
            let rate = |dice: &mut Dice| if dice.one_in(4) { dice.below(30) } else { 0 };
            disk.plan(Faults {
                read_per_mille: 0,
                write_per_mille: rate(dice),
                sync_per_mille: rate(dice),
                full_per_mille: 0,
                crash_at_call: if dice.one_in(4) { 0 } else { 1 + dice.below(24) },
            });
        }
    }
}

const fn port_of(work: &CustomerWork) -> Option<Port> {
    match work {
        CustomerWork::Hold(_) => Some(Port::Hold),
        CustomerWork::Credit(_) => Some(Port::Credit),
        CustomerWork::Debit(..) => Some(Port::Debit),
        CustomerWork::Release(..) => Some(Port::Release),
        CustomerWork::OpenAccount(_)
        | CustomerWork::OpenCustomer(..)
        | CustomerWork::Ledger { .. }
        | CustomerWork::Store(_)
        | CustomerWork::CloseDuty(_)
        | CustomerWork::After(_)
        | CustomerWork::Bank(_)
        | CustomerWork::HoldOutgoing(_)
        | CustomerWork::Restrict(_)
        | CustomerWork::Fund(_) => None,
    }
}

/// The first is the victim's kind; the others are what comes.
fn clients(dice: &mut Dice, plan: Option<Plan>) -> Vec<Client> {
    let count = 3 + dice.below(5);
    (0..count)
        .map(|number| {
            let kind = match (number, plan) {
                (0, Some(plan)) => plan.port.victim(),
                _ => {
                    [Kind::Good, Kind::Good, Kind::Good, Kind::Stale, Kind::TooDear][dice.index(5)]
                }
            };
            client(dice, number + 1, kind)
        })
        .collect()
}

fn client(dice: &mut Dice, number: u64, kind: Kind) -> Client {
    let credit = match kind {
        Kind::Good | Kind::Stale => 1 + u128::from(dice.below(1_500_000)),
        Kind::TooDear => PAYER_FUNDS * 2,
    };
    let at = match kind {
        Kind::Stale => now().minus(Duration::from_secs(61)),
        Kind::Good | Kind::TooDear => now(),
    };
    let person = |dice: &mut Dice| u8::try_from(dice.below(3)).unwrap_or(0);
    let (payer, payee) = (person(dice), person(dice));
    let parts = OrderParts::of(Deal { number, payer, payee, credit, at });
    assert_eq!(parts.terms.debited_account, account(Side::Debtor, payer));
    let order = parts.checked().expect("an order of the fixture");
    Client { parts, order, route: None, is_waiting: false, returns: false, promised: None }
}
