//! How a core that leads carries payments: `clearing::Route` says what comes next.
//!
//! A model of `server::roles::core::{orders, recovery, remote}`: a route goes on until it is
//! finished; a bank that does not answer is away, and what it has to do is looked for when it
//! answers again, and once more every while.

use std::collections::BTreeSet;

use clearing::route::{Action, Finish, Heard};
use clearing::testkit::{environment, funding, own_account, side_of};
use clearing::{
    CustomerAnswer, CustomerWork, Route, SettlementAnswer, SettlementBook, SettlementWork,
};
use journal::Journal;
use record::{Durability, Ending, Promise, ReleaseReason, SettleOrder, Settled, Side, Signed};
use seal::Digest;
use terms::{InstitutionName, PaymentId, Position};

use super::cores::hosted_side;
use super::pool::{self, kept, pool};
use super::writer::{Reply, Seen, Waiter};
use super::{BankAsk, Canary, MS, Msg, Node, Shelf, Timer, World, number_of, variant_of};

/// Pause after a book took nothing, or after an answer that was lost.
const PAUSE: u64 = 25 * MS;
/// Pause while a bank is away.
const LONG_PAUSE: u64 = 150 * MS;
/// How long a bank's answer is waited for.
const CALL: u64 = 400 * MS;
/// Gatherings between two looks for open holds.
const LOOK_EVERY: u64 = 16;

/// A route under way.
pub(crate) struct Live {
    route: Route,
    /// Who waits for a promise: the payment and which of its orders.
    asker: Option<(usize, usize)>,
    waiting: bool,
    /// Planted: what is posted by hand when the book takes it again.
    again: Option<CustomerWork>,
}

impl World {
    /// A wallet brings an order.
    pub(crate) fn order(&mut self, core: usize, number: usize, variant: usize) {
        let order = &pool().docs[number].orders[variant].checked;
        let holds = self.holds_lease(core);
        let from = Node::Core(core);
        let ready = |lead: &&mut super::cores::Lead| lead.recovered && lead.settlement.is_some();
        let Some(lead) = self.lead(core).filter(ready).filter(|_| holds) else {
            return self.send(from, Node::Wallet(number), Msg::NotReady(variant));
        };
        let asked = lead.routes.values().any(|live| live.asker == Some((number, variant)));
        if asked {
            return;
        }
        let route = Route::of_client(order.clone());
        self.enter(core, route, Some((number, variant)));
    }

    fn enter(&mut self, core: usize, route: Route, asker: Option<(usize, usize)>) {
        let Some(lead) = self.lead(core) else { return };
        lead.next += 1;
        let id = lead.next;
        lead.routes.insert(id, Live { route, asker, waiting: false, again: None });
        self.drive(core, id);
    }

    fn carries(&mut self, core: usize, payment: PaymentId) -> bool {
        self.lead(core)
            .is_some_and(|lead| lead.routes.values().any(|l| l.route.payment() == payment))
    }

    /// One step of a route.
    pub(crate) fn drive(&mut self, core: usize, id: u64) {
        self.post_again(core, id);
        self.tell_ending(core, id);
        let remote = self.remote;
        let Some(live) = self.lead(core).and_then(|lead| lead.routes.get_mut(&id)) else { return };
        if live.waiting {
            return;
        }
        let payment = live.route.payment();
        let action = live.route.next();
        if let Action::Finished(finish) = action {
            return self.finished(core, id, finish);
        }
        live.waiting = true;
        let who = Waiter::Route(id);
        let is_remote = |of: InstitutionName| side_of(of) == remote;
        let taken = match action {
            Action::Customers(of, work) if is_remote(of) => {
                return self.step_of_bank(core, id, payment, &work);
            }
            Action::AskDebtor(of) if is_remote(of) => {
                return self.call_bank(core, id, BankAsk::SeesDebtor(payment));
            }
            Action::AskCreditor(of) if is_remote(of) => {
                return self.call_bank(core, id, BankAsk::SeesCreditor(payment));
            }
            Action::Customers(_, work) => self.ask_hosted(core, work, who),
            Action::Settlement(work) => self.settle(core, id, work),
            Action::AskSettlement => self.read_settlement(core, who, move |state, head| {
                Seen::Heard(Heard::SawSettlement(state.payment(payment).cloned(), head))
            }),
            Action::AskDebtor(_) => self.read_hosted(core, who, move |state, _| {
                Seen::Heard(Heard::SawDebtor(state.debtor_seen(payment)))
            }),
            Action::AskCreditor(_) => self.read_hosted(core, who, move |state, _| {
                Seen::Heard(Heard::SawCreditor(state.creditor_side(payment)))
            }),
            Action::Finished(_) => true,
        };
        if !taken {
            self.not_now(core, id, PAUSE);
        }
    }

    fn settle(&mut self, core: usize, id: u64, work: SettlementWork) -> bool {
        let taken = self.ask_settlement(core, work, Waiter::Route(id));
        if taken && self.setting.canary == Canary::PromiseEarly {
            let lead = self.lead(core).expect("it leads");
            let live = &lead.routes[&id];
            let state = lead.settlement.as_ref().expect("it took the command").state();
            let entry = state.payment(live.route.payment()).cloned();
            if let (Some((number, variant)), Some(entry)) = (live.asker, entry) {
                let told = Msg::Told(variant, entry.ending, entry.position);
                self.send(Node::Core(core), Node::Wallet(number), told);
            }
        }
        taken
    }

    pub(crate) fn read_settlement(
        &mut self,
        core: usize,
        who: Waiter,
        see: impl FnOnce(&SettlementBook, Position) -> Seen,
    ) -> bool {
        let now = self.clock(Node::Core(core));
        let writer = self.lead(core).and_then(|lead| lead.settlement.as_mut());
        let taken = writer.is_some_and(|writer| writer.read(now, who, see));
        self.turn_soon(core, Shelf::Settlement);
        taken
    }

    fn read_hosted(
        &mut self,
        core: usize,
        who: Waiter,
        see: impl FnOnce(&clearing::CustomersBook, Position) -> Seen,
    ) -> bool {
        let now = self.clock(Node::Core(core));
        let writer = self.lead(core).and_then(|lead| lead.hosted.as_mut());
        let taken = writer.is_some_and(|writer| writer.read(now, who, see));
        self.turn_soon(core, Shelf::Hosted);
        taken
    }

    fn not_now(&mut self, core: usize, id: u64, pause: u64) {
        if let Some(live) = self.lead(core).and_then(|lead| lead.routes.get_mut(&id)) {
            live.waiting = false;
        }
        self.timer(pause, Node::Core(core), Timer::Route(id));
    }

    /// The ending leaves as soon as it is final, while books are still being told.
    fn tell_ending(&mut self, core: usize, id: u64) {
        let holds = self.holds_lease(core);
        let Some(live) = self.lead(core).and_then(|lead| lead.routes.get_mut(&id)) else { return };
        let (Some((ending, at)), Some((number, variant)), true) =
            (live.route.ending(), live.asker, holds)
        else {
            return;
        };
        let told = Msg::Told(variant, ending.clone(), at);
        live.asker = None;
        self.send(Node::Core(core), Node::Wallet(number), told);
    }

    fn finished(&mut self, core: usize, id: u64, finish: Finish) {
        let Some(lead) = self.lead(core) else { return };
        let Some(live) = lead.routes.remove(&id) else { return };
        match finish {
            Finish::Ended(ending, _) => {
                if ending == Ending::Settled {
                    lead.completions.insert(live.route.payment());
                }
            }
            Finish::PaymentIdUsed { .. } => {
                if let Some((number, variant)) = live.asker {
                    let used = Msg::IdUsed(variant);
                    self.send(Node::Core(core), Node::Wallet(number), used);
                }
            }
            Finish::NothingToDo => {}
            Finish::Stuck { .. } => {
                self.wrong(|| format!("`{}` ends as {finish:?}", live.route.payment()));
            }
        }
    }

    /// What a book of this process said.
    pub(crate) fn settlement_told(
        &mut self,
        core: usize,
        waiter: Waiter,
        reply: Reply<SettlementAnswer>,
    ) {
        match waiter {
            Waiter::Route(id) => {
                let heard = match reply {
                    Reply::Done(answer, position) => Heard::Settlement(answer, position),
                    Reply::Saw(Seen::Heard(heard)) => heard,
                    Reply::Saw(_) | Reply::Unknown => Heard::Unknown,
                };
                self.hear(core, id, heard);
            }
            Waiter::Complete(payments) => {
                if !matches!(reply, Reply::Done(SettlementAnswer::Done, _))
                    && let Some(lead) = self.lead(core)
                {
                    lead.completions.extend(payments);
                }
            }
            other => self.outside_told(core, other, reply),
        }
    }

    pub(crate) fn hosted_told(
        &mut self,
        core: usize,
        waiter: Waiter,
        reply: Reply<CustomerAnswer>,
    ) {
        match (waiter, reply) {
            (Waiter::Route(id), Reply::Done(answer, _)) => {
                self.hear(core, id, Heard::Customers(answer));
            }
            (Waiter::Route(id), Reply::Saw(Seen::Heard(heard))) => self.hear(core, id, heard),
            (Waiter::Route(id), _) => self.hear(core, id, Heard::Unknown),
            (Waiter::Parcel(edge, number), Reply::Done(CustomerAnswer::Done, _)) => {
                self.send(Node::Core(core), edge, Msg::Kept(number));
            }
            _ => {}
        }
    }

    fn hear(&mut self, core: usize, id: u64, heard: Heard) {
        if heard == Heard::Unknown {
            self.plant(core, id);
        }
        let Some(live) = self.lead(core).and_then(|lead| lead.routes.get_mut(&id)) else { return };
        live.waiting = false;
        let pauses = matches!(heard, Heard::NotDone | Heard::Unknown);
        live.route.hear(heard);
        if pauses {
            self.timer(PAUSE, Node::Core(core), Timer::Route(id));
        } else {
            self.drive(core, id);
        }
    }

    /// The planted bugs that act on an unknown answer.
    fn plant(&mut self, core: usize, id: u64) {
        let canary = self.setting.canary;
        if !matches!(canary, Canary::ReleaseOnUnknown | Canary::CreditTwice) {
            return;
        }
        let hosted = hosted_side(self.remote);
        let Some(live) = self.lead(core).and_then(|lead| lead.routes.get(&id)) else { return };
        let (payment, action) = (live.route.payment(), live.route.next());
        let work = match (canary, action) {
            (Canary::ReleaseOnUnknown, Action::Settlement(SettlementWork::Settle(_)))
                if hosted == Side::Debtor =>
            {
                CustomerWork::Release(payment, ReleaseReason::NeverSettled(Position::ZERO))
            }
            (Canary::CreditTwice, Action::Customers(_, CustomerWork::Credit(order)))
                if hosted == Side::Creditor =>
            {
                let amount = order.amount.minor.units();
                let reference = 0x80 | payment.bytes()[7];
                let command = funding(reference, own_account(1), order.account, amount);
                let reason = "again, to be sure".to_owned();
                CustomerWork::Ledger { command: Box::new(command), reason }
            }
            _ => return,
        };
        // A book that stopped takes it when it is open again.
        if let Some(live) = self.lead(core).and_then(|lead| lead.routes.get_mut(&id)) {
            live.again = Some(work);
        }
        self.post_again(core, id);
    }

    fn post_again(&mut self, core: usize, id: u64) {
        let live = self.lead(core).and_then(|lead| lead.routes.get_mut(&id));
        let Some(work) = live.and_then(|live| live.again.take()) else { return };
        if !self.ask_hosted(core, work.clone(), Waiter::Nobody)
            && let Some(live) = self.lead(core).and_then(|lead| lead.routes.get_mut(&id))
        {
            live.again = Some(work);
        }
    }

    /// The step as a bank takes it: with the settlement book's signed word.
    fn step_of_bank(&mut self, core: usize, id: u64, payment: PaymentId, work: &CustomerWork) {
        let number = number_of(payment);
        let ask = match work {
            CustomerWork::Hold(order) => {
                Some(BankAsk::Hold(number, variant_of(number, order.terms_digest())))
            }
            CustomerWork::Debit(..) => self.promise(core, payment).map(|(p, _)| BankAsk::Debit(p)),
            CustomerWork::Release(..) => {
                self.promise(core, payment).map(|(p, _)| BankAsk::Release(p))
            }
            CustomerWork::Credit(_) => self
                .promise(core, payment)
                .map(|(p, terms)| BankAsk::Credit(p, number, variant_of(number, terms))),
            other => {
                self.wrong(|| format!("no step of a payment: {other:?}"));
                None
            }
        };
        match ask {
            Some(ask) => self.call_bank(core, id, ask),
            None => self.not_now(core, id, PAUSE),
        }
    }

    /// The signed promise on a payment that has ended, and its terms.
    fn promise(
        &mut self,
        core: usize,
        payment: PaymentId,
    ) -> Option<(Box<Signed<Promise>>, Digest)> {
        let lead = self.lead(core)?;
        let entry = lead.settlement.as_ref()?.state().payment(payment)?.clone();
        let index = usize::try_from(entry.position.number()).ok()?;
        let commitment = *lead.leaves.get(index)?;
        let signed = lead.promises.entry(payment).or_insert_with(|| {
            let promise = Promise {
                layout: 1,
                environment: environment(),
                origin: pool::origin(),
                position: entry.position,
                commitment,
                payment,
                terms: entry.terms,
                outcome: entry.ending.clone(),
                durability: Durability::OneDisk,
                settled_at: entry.recorded_at,
                integrate_by: entry.recorded_at.plus(std::time::Duration::from_secs(60)),
            };
            Box::new(Signed::sign(&promise, &pool::log_key()))
        });
        Some((signed.clone(), entry.terms))
    }

    fn call_bank(&mut self, core: usize, id: u64, ask: BankAsk) {
        let node = Node::Core(core);
        let refused = self.is_cut(node, Node::Bank) && self.dice.one_in(2);
        let Some(lead) = self.lead(core) else { return };
        if lead.away || refused {
            let was_there = !core::mem::replace(&mut lead.away, true);
            // What has ended is in the settlement book's own list: whoever looks for what waits
            // for the bank finds it there.
            let ended = lead.routes.get(&id).is_some_and(|live| live.route.ending().is_some());
            if ended {
                lead.routes.remove(&id);
            } else {
                self.not_now(core, id, LONG_PAUSE);
            }
            if was_there {
                self.probe(core);
            }
            return;
        }
        lead.next += 1;
        let call = lead.next;
        lead.calls.insert(call, id);
        self.send(node, Node::Bank, Msg::Bank(call, Box::new(ask)));
        self.timer(CALL, node, Timer::CallLate(call));
    }

    /// An answer of the bank, or that there was none.
    pub(crate) fn call_ended(&mut self, core: usize, call: u64, said: Option<Heard>) {
        let Some(lead) = self.lead(core) else { return };
        if lead.probe == Some(call) && said.is_none() {
            (lead.probe, lead.away) = (None, true);
            return self.timer(LONG_PAUSE, Node::Core(core), Timer::Probe);
        }
        let Some(id) = lead.calls.remove(&call) else { return };
        match said {
            Some(heard) => self.hear(core, id, heard),
            None => {
                lead.away = true;
                self.hear(core, id, Heard::Unknown);
                self.probe(core);
            }
        }
    }

    /// Asks a bank that is away, or once more, what is open there.
    pub(crate) fn probe(&mut self, core: usize) {
        let Some(lead) = self.lead(core) else { return };
        let Some(settlement) = lead.settlement.as_ref().filter(|_| lead.probe.is_none()) else {
            return self.timer(LONG_PAUSE, Node::Core(core), Timer::Probe);
        };
        let open = settlement.state().transit().iter().map(|(payment, _)| payment).collect();
        lead.next += 1;
        let call = lead.next;
        lead.probe = Some(call);
        self.send(Node::Core(core), Node::Bank, Msg::Probe(call, open));
        self.timer(CALL, Node::Core(core), Timer::CallLate(call));
    }

    /// What the bank said is open there: those that nobody carries are brought to their end.
    pub(crate) fn probed(
        &mut self,
        core: usize,
        call: u64,
        holds: &[SettleOrder],
        undone: &[PaymentId],
    ) {
        let remote = self.remote;
        let Some(lead) = self.lead(core).filter(|lead| lead.probe == Some(call)) else { return };
        (lead.probe, lead.away) = (None, false);
        for order in holds {
            if let Some(route) = Route::of_recovery(order)
                && !self.carries(core, route.payment())
            {
                self.enter(core, route, None);
            }
        }
        let Some(lead) = self.lead(core) else { return };
        let (Some(settlement), Some(hosted)) = (&lead.settlement, &lead.hosted) else { return };
        let undone: BTreeSet<PaymentId> = undone.iter().copied().collect();
        let (mut open, mut done) = (Vec::new(), Vec::new());
        for (payment, one) in settlement.state().transit().iter() {
            let here = is_done(hosted.state(), hosted_side(remote), payment);
            if here && !undone.contains(&payment) {
                done.push(payment);
            } else {
                open.push((payment, one.settled));
            }
        }
        lead.completions.extend(
            done.iter().filter(|payment| {
                !lead.routes.values().any(|live| live.route.payment() == **payment)
            }),
        );
        self.complete_all(core, open);
    }

    /// Routes that complete settled payments, from their facts.
    fn complete_all(&mut self, core: usize, open: Vec<(PaymentId, Position)>) {
        for (payment, settled) in open {
            if self.carries(core, payment) {
                continue;
            }
            if let Some(route) = self.completing(settled) {
                self.enter(core, route, None);
            }
        }
    }

    fn completing(&self, settled: Position) -> Option<Route> {
        let batches = self.db.settlement.read_from(settled, 1).ok()?;
        let stored = batches.first()?.entries().find(|stored| stored.position == settled)?;
        Route::of_settled(&Settled::of_fact(&stored.fact().ok()?).ok()?)
    }

    /// What is under way in the books of this process, at its start.
    pub(crate) fn recover(&mut self, core: usize) {
        if self.setting.canary == Canary::NoRecovery {
            return;
        }
        let side = hosted_side(self.remote);
        let Some(lead) = self.lead(core) else { return };
        let (Some(settlement), Some(hosted)) = (&lead.settlement, &lead.hosted) else { return };
        let routes: Vec<Route> = hosted
            .state()
            .open_holds()
            .filter_map(|(_, order)| Route::of_recovery(order))
            .collect();
        let open = settlement
            .state()
            .transit()
            .iter()
            .filter(|(payment, _)| !is_done(hosted.state(), side, *payment))
            .map(|(payment, one)| (payment, one.settled))
            .collect();
        for route in routes {
            self.enter(core, route, None);
        }
        self.complete_all(core, open);
    }

    /// Records what is complete; looks for what is open once more.
    pub(crate) fn gather(&mut self, core: usize) {
        let Some(lead) = self.lead(core) else { return };
        lead.looks += 1;
        let look = lead.looks.is_multiple_of(LOOK_EVERY) && !lead.away && lead.probe.is_none();
        let some: Vec<PaymentId> = core::mem::take(&mut lead.completions).into_iter().collect();
        self.timer(120 * MS, Node::Core(core), Timer::Gather);
        if look && !matches!(self.setting.canary, Canary::LooksOnce | Canary::NoRecovery) {
            self.probe(core);
        }
        if some.is_empty() {
            return;
        }
        let work = SettlementWork::Complete(some.clone());
        if !self.ask_settlement(core, work, Waiter::Complete(some.clone()))
            && let Some(lead) = self.lead(core)
        {
            lead.completions.extend(some);
        }
    }

    pub(crate) fn core_hears(&mut self, core: usize, from: Node, msg: Msg) {
        match msg {
            Msg::Order(number, variant) => self.order(core, number, variant),
            Msg::BankSaid(call, heard) => self.call_ended(core, call, Some(*heard)),
            Msg::Probed(call, holds, undone) => self.probed(core, call, &holds, &undone),
            Msg::Keep(side, number) => {
                let parcel =
                    pool().docs[number].parcels[usize::from(side == Side::Creditor)].clone();
                let who = Waiter::Parcel(from, number);
                self.ask_hosted(core, CustomerWork::Store(Box::new(kept(parcel))), who);
            }
            Msg::Appended(shelf, flight, how) => self.appended(core, shelf, flight, &how),
            Msg::Cosigned(size, status, body) => self.cosigned(core, from, size, &(status, body)),
            other => self.core_hears_outside(core, other),
        }
    }
}

/// Whether a book has done its part of a settled payment.
pub(crate) fn is_done(book: &clearing::CustomersBook, side: Side, payment: PaymentId) -> bool {
    match side {
        Side::Debtor => book.not_debited(&[payment]).is_empty(),
        Side::Creditor => book.credited_at(payment).is_some(),
    }
}
