//! A bank that keeps its own book in its own process, on its own disk. It believes its own permit
//! and the settlement book's signed word, checked by `clearing::Pins`.

use clearing::route::Heard;
use clearing::{
    BankWork, CustomerAnswer, CustomerCommand, CustomerWork, CustomersBook, Pins, Rule,
};
use journal::{Append, Book, Journal};
use record::{SaltSlot, Side};
use store::fault::{FaultDisk, Faults};
use terms::{PaymentId, RunId};

use super::cores::fill;
use super::pool::{kept, pool};
use super::routes::is_done;
use super::writer::{LIMITS, Reply, Seen, Waiter, Writer};
use super::{BankAsk, MS, Msg, Node, Timer, World};
use crate::backing::Backing;

/// The process and its disk.
pub(crate) struct Bank {
    side: Side,
    pub(crate) backing: Backing,
    disk: Option<FaultDisk>,
    pub(crate) writer: Option<Writer<CustomersBook>>,
    /// Of the batch on its way: how it ended, where the disk had it before it said so.
    early: Option<Append>,
    was_filled: bool,
}

impl Bank {
    /// On a disk that tears and forgets, or in memory.
    pub(crate) fn new(side: Side, disk_seed: Option<u64>) -> Self {
        let ready = &pool().customers[usize::from(side == Side::Creditor)];
        let disk = disk_seed.map(FaultDisk::new);
        let backing = match &disk {
            Some(disk) => Backing::disk(ready.name, disk.clone()),
            None => Backing::memory(ready.name),
        };
        Self { side, backing, disk, writer: None, early: None, was_filled: false }
    }

    pub(crate) const fn side(&self) -> Side {
        self.side
    }

    fn index(&self) -> usize {
        usize::from(self.side == Side::Creditor)
    }
}

impl World {
    pub(crate) fn start_bank(&mut self) {
        self.run_number += 1;
        let number = self.run_number.to_be_bytes();
        let run = RunId::from_bytes([number, number].concat().try_into().unwrap_or([0; 16]));
        let bank = &mut self.bank;
        let ready = &pool().customers[bank.index()];
        let opened = bank.backing.open().and_then(|()| {
            if !core::mem::replace(&mut bank.was_filled, true) {
                fill(&mut bank.backing, &ready.batches);
            }
            let start = ready.begun.clone();
            Book::open(ready.name, LIMITS, run, start, &mut bank.backing)
                .map_err(|error| error.to_string())
        });
        match opened {
            Ok((book, _)) => self.bank.writer = Some(Writer::of(book, self.run_number << 24)),
            Err(_) => self.crash(Node::Bank),
        }
        self.plan_disk();
    }

    /// While the weather is bad, the power may go at some call of the disk.
    pub(crate) fn plan_disk(&mut self) {
        let Some(disk) = &self.bank.disk else { return };
        let bad = self.weather.is_bad() && self.dice.one_in(2);
        let rate = |on: bool, most: u64| if on { most } else { 0 };
        disk.plan(Faults {
            read_per_mille: 0,
            write_per_mille: rate(bad, 10),
            sync_per_mille: rate(bad, 10),
            full_per_mille: 0,
            crash_at_call: if bad { 20 + self.dice.below(400) } else { 0 },
        });
    }

    pub(crate) fn bank_dies(&mut self) {
        let power = self.dice.one_in(2) || self.bank.disk.as_ref().is_some_and(FaultDisk::is_down);
        self.bank.writer = None;
        self.bank.early = None;
        self.bank.backing.restart(power);
    }

    pub(crate) fn bank_hears(&mut self, from: Node, msg: Msg) {
        match msg {
            Msg::Bank(call, ask) => self.bank_asked(from, call, *ask),
            Msg::Probe(call, payments) => {
                let side = self.bank.side();
                self.bank_reads(Waiter::Call(from, call), move |book| {
                    let holds = book.open_holds().map(|(payment, _)| payment).collect();
                    let open = |payment: &PaymentId| !is_done(book, side, *payment);
                    Seen::Sides(holds, payments.into_iter().filter(open).collect())
                });
            }
            Msg::Keep(side, number) => {
                let parcel =
                    pool().docs[number].parcels[usize::from(side == Side::Creditor)].clone();
                let who = Waiter::Parcel(from, number);
                self.bank_takes(CustomerWork::Store(Box::new(kept(parcel))), who);
            }
            _ => {}
        }
    }

    fn bank_asked(&mut self, from: Node, call: u64, ask: BankAsk) {
        let who = Waiter::Call(from, call);
        match ask {
            BankAsk::SeesDebtor(payment) => self.bank_reads(who, move |book| {
                Seen::Heard(Heard::SawDebtor(book.debtor_seen(payment)))
            }),
            BankAsk::SeesCreditor(payment) => self.bank_reads(who, move |book| {
                Seen::Heard(Heard::SawCreditor(book.creditor_side(payment)))
            }),
            step => match proven(&pool().pins[self.bank.index()], step) {
                Ok(work) => {
                    if !self.bank_takes(CustomerWork::Bank(Box::new(work)), who) {
                        let said = Msg::BankSaid(call, Box::new(Heard::NotDone));
                        self.send(Node::Bank, from, said);
                    }
                }
                Err(rule) => {
                    let refused = Heard::Customers(CustomerAnswer::Refused(rule));
                    self.send(Node::Bank, from, Msg::BankSaid(call, Box::new(refused)));
                }
            },
        }
    }

    fn bank_takes(&mut self, work: CustomerWork, who: Waiter) -> bool {
        let now = self.clock(Node::Bank);
        let command = CustomerCommand { slot: SaltSlot(0), work };
        let Some(writer) = &mut self.bank.writer else { return false };
        let taken = writer.submit(now, &command, who);
        self.bank_turn_soon();
        taken
    }

    fn bank_reads(&mut self, who: Waiter, see: impl FnOnce(&CustomersBook) -> Seen) {
        let now = self.clock(Node::Bank);
        let Some(writer) = &mut self.bank.writer else { return };
        writer.read(now, who, |state, _| see(state));
        self.bank_turn_soon();
    }

    fn bank_turn_soon(&mut self) {
        let Some(writer) = &mut self.bank.writer else { return };
        if !core::mem::replace(&mut writer.turn_due, true) {
            self.timer(200_000, Node::Bank, Timer::Turn(super::Shelf::Hosted));
        }
    }

    pub(crate) fn bank_rings(&mut self, timer: &Timer) {
        match timer {
            Timer::Turn(_) => {
                let Some(writer) = &mut self.bank.writer else { return };
                writer.turn_due = false;
                if let Some((first, epoch, batch, flight)) = writer.begin() {
                    // The disk may have it before it says so.
                    let early = self.dice.one_in(2);
                    let backing = &mut self.bank.backing;
                    self.bank.early = early.then(|| backing.append(first, epoch, &batch));
                    let takes = MS + self.dice.below(6) * MS;
                    self.timer(takes, Node::Bank, Timer::Disk(flight));
                }
                self.bank_releases();
            }
            Timer::Disk(flight) => self.bank_written(*flight),
            _ => {}
        }
    }

    fn bank_written(&mut self, flight: u64) {
        let Some(writer) = &mut self.bank.writer else { return };
        let Some(batch) = writer.flight.clone().filter(|_| writer.flights == flight) else {
            return;
        };
        let epoch = writer.book.epoch();
        let backing = &mut self.bank.backing;
        let how = match self.bank.early.take() {
            Some(how) => how,
            None => backing.append(batch.origin().first, epoch, &batch),
        };
        if self.bank.disk.as_ref().is_some_and(FaultDisk::is_down) {
            return self.crash(Node::Bank);
        }
        let Some(writer) = &mut self.bank.writer else { return };
        writer.ended(&how);
        let stopped = writer.book.is_stopped();
        self.bank_releases();
        if stopped {
            self.bank.writer = None;
            self.start_bank();
        }
        self.bank_turn_soon();
    }

    fn bank_releases(&mut self) {
        let Some(writer) = &mut self.bank.writer else { return };
        for (waiter, reply) in writer.release() {
            self.bank_told(waiter, reply);
        }
    }

    fn bank_told(&mut self, waiter: Waiter, reply: Reply<CustomerAnswer>) {
        match (waiter, reply) {
            (Waiter::Call(to, call), Reply::Done(answer, _)) => {
                let heard = Heard::Customers(answer);
                self.send(Node::Bank, to, Msg::BankSaid(call, Box::new(heard)));
            }
            (Waiter::Call(to, call), Reply::Saw(Seen::Heard(heard))) => {
                self.send(Node::Bank, to, Msg::BankSaid(call, Box::new(heard)));
            }
            (Waiter::Call(to, call), Reply::Saw(Seen::Sides(holds, undone))) => {
                let Some(writer) = &self.bank.writer else { return };
                let held = writer.state().open_holds();
                let held = held.filter(|(payment, _)| holds.contains(payment));
                let orders = held.map(|(_, order)| order.clone()).collect();
                self.send(Node::Bank, to, Msg::Probed(call, orders, undone));
            }
            (Waiter::Call(to, call), Reply::Unknown) => {
                self.send(Node::Bank, to, Msg::BankSaid(call, Box::new(Heard::Unknown)));
            }
            (Waiter::Parcel(edge, number), Reply::Done(CustomerAnswer::Done, _)) => {
                self.send(Node::Bank, edge, Msg::Kept(number));
            }
            _ => {}
        }
    }
}

/// Nothing is taken on the core's word.
fn proven(pins: &Pins, step: BankAsk) -> Result<BankWork, Rule> {
    Ok(match step {
        // The bank's own check of its permit is a function of the order, and was made once.
        BankAsk::Hold(number, variant) => {
            BankWork::Hold(Box::new(pool().docs[number].orders[variant].permitted.clone()))
        }
        BankAsk::Debit(promise) => BankWork::Debit(Box::new(pins.proven(*promise)?)),
        BankAsk::Release(promise) => BankWork::Release(Box::new(pins.proven(*promise)?)),
        BankAsk::Credit(promise, number, variant) => {
            let order = &pool().docs[number].orders[variant].signed;
            let credit = pins.creditable(&promise, &order.terms, &order.creditor_permit)?;
            BankWork::Credit(Box::new(credit))
        }
        BankAsk::SeesDebtor(_) | BankAsk::SeesCreditor(_) => {
            return Err(Rule::new(clearing::rule::RuleName::LedgerRefuses, "a question"));
        }
    })
}
