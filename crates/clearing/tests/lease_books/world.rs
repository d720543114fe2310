//! Seeded worlds: a bank is cut off, comes back, crashes, hears everything late, twice or never.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use clearing::customers::lease::LeaseBankWork;
use clearing::rule::RuleName;
use clearing::saga::DebtorSide;
use clearing::settlement::lease::LeaseWork;
use clearing::settlement::own::MirrorTerms;
use clearing::testkit::{
    Books, OrderParts, blind, customers_genesis, environment, eur, settlement_genesis,
    settlement_name,
};
use clearing::{
    BankWork, CustomerAnswer, CustomersBook, SettlementAnswer, SettlementBook, SettlementWork,
};
use journal::Image as _;
use record::{Ending, LeaseFinal, LeaseGrant, LeaseSpent, SettleOrder, Side};
use seal::sha256;
use terms::PaymentId;

use crate::bench::{
    LEASED, SECONDS, SKEW, accept, ask, bank, core, deal, end_hold, final_report, hold_for_core,
    later, line, newest, take, try_report,
};

/// A generator without luck: the same seed, the same world.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// A report as it left the bank at some moment.
#[derive(Clone, Debug)]
struct Sent {
    spendings: Vec<(LeaseSpent, SettleOrder)>,
    /// The final words.
    leases: Vec<LeaseFinal>,
}

/// Whatever was sent may arrive at any later moment, any number of times or never.
pub(crate) struct World {
    books: Books,
    dice: Dice,
    /// Seconds after [`now`] by each clock.
    core: u64,
    bank: u64,
    orders: Vec<(SettleOrder, PaymentId)>,
    grants: Vec<LeaseGrant>,
    reports: Vec<Sent>,
    told: Vec<u64>,
    /// Held for the core and not settled or abandoned by it yet.
    held: BTreeSet<usize>,
    /// What the bank truly accepted.
    accepted: BTreeMap<PaymentId, LeaseSpent>,
    pub(crate) seen: BTreeMap<&'static str, u32>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            books: Books::ready(),
            dice: Dice(seed * 2 + 1),
            core: 0,
            bank: 0,
            orders: vec![],
            grants: vec![],
            reports: vec![],
            told: vec![],
            held: BTreeSet::new(),
            accepted: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.dice.roll(of.len())].clone())
    }

    pub(crate) fn turn(&mut self) {
        match self.dice.roll(14) {
            0 => self.time(),
            1 => self.grant(),
            2 => {
                let grants = self.grants.clone();
                if let Some(grant) = self.pick(&grants) {
                    take(&mut self.books, later(self.bank), &grant);
                }
            }
            3 => {
                let number = u64::try_from(self.orders.len()).unwrap() + 1;
                let made = deal(number, later(self.core.min(self.bank)));
                self.orders.push((OrderParts::of(made).order(), made.payment()));
            }
            4..=6 => self.accept(),
            7 => self.hold(),
            8 => self.settle_held(),
            9 => self.send_report(),
            10 => {
                let reports = self.reports.clone();
                if let Some(sent) = self.pick(&reports) {
                    self.hear_report(&sent);
                }
            }
            11 => {
                let orders = self.orders.clone();
                if let Some((_, payment)) = self.pick(&orders)
                    && self.books.settlement.state.payment(payment).is_some()
                {
                    end_hold(&mut self.books, later(self.bank), payment);
                }
            }
            12 => {
                let told = self.told.clone();
                if let Some(number) = self.pick(&told) {
                    let work = BankWork::Lease(LeaseBankWork::Settled(line(), number));
                    bank(&mut self.books, later(self.bank), work);
                }
            }
            _ => self.crash(),
        }
        self.look();
    }

    /// Time passes by both clocks, which stay as near to each other as was agreed.
    fn time(&mut self) {
        let (core, bank) = (self.dice.roll(30), self.dice.roll(30));
        self.core += u64::try_from(core).unwrap();
        self.bank += u64::try_from(bank).unwrap();
        let skew = u64::from(SKEW);
        // The bank's may be ahead by more than was agreed: what it accepts then waits for its time.
        self.bank = self.bank.clamp(self.core.saturating_sub(skew), self.core + 6 * skew);
    }

    fn grant(&mut self) {
        let answer = core(&mut self.books, later(self.core), LeaseWork::Grant(Box::new(ask())));
        if answer == SettlementAnswer::Done {
            let grant = newest(&self.books);
            assert!(self.grants.iter().all(|one| one.number < grant.number), "numbers grow");
            self.grants.push(grant);
            self.saw("granted");
        }
    }

    fn accept(&mut self) {
        let orders = self.orders.clone();
        let Some((order, payment)) = self.pick(&orders) else { return };
        if accept(&mut self.books, later(self.bank), &order).is_ok() {
            let spent = *self.books.debtor.state.leases().spent(payment).expect("just accepted");
            let before = self.accepted.insert(payment, spent);
            assert!(before.is_none_or(|before| before == spent), "accepted once");
            self.saw("accepted");
        }
    }

    fn hold(&mut self) {
        if self.orders.is_empty() {
            return;
        }
        let number = self.dice.roll(self.orders.len());
        let order = self.orders[number].0.clone();
        if let CustomerAnswer::Held(_) = hold_for_core(&mut self.books, later(self.bank), &order) {
            self.held.insert(number);
            self.saw("held");
        }
    }

    /// The core settles what is held for it, or its recovery abandons it.
    fn settle_held(&mut self) {
        let held: Vec<usize> = self.held.iter().copied().collect();
        let Some(number) = self.pick(&held) else { return };
        self.held.remove(&number);
        let (made, payment) = self.orders[number].clone();
        assert!(!self.accepted.contains_key(&payment), "held for the core and accepted");
        let at = later(self.core);
        if self.dice.roll(3) == 0 {
            let terms = sha256(made.terms.as_bytes());
            let rule = clearing::Rule::new(RuleName::OrderInterrupted, "recovery");
            let heading = record::Heading::default();
            let work = SettlementWork::RecordCoreRefusal { payment, terms, heading, rule };
            self.books.settle(at, work);
        } else {
            let terms = record::PaymentTerms::from_terms_string(&made.terms).unwrap();
            let (trust, kept) = (self.books.settlement.state.trust().clone(), blind(payment));
            let here = (environment(), settlement_name());
            let checked = clearing::check_order(made, terms, here.0, here.1, &trust, kept);
            let order = Box::new(checked.unwrap().kept_under(kept));
            self.books.settle(at, SettlementWork::Settle(order));
        }
        self.saw("ended at the core");
    }

    fn send_report(&mut self) {
        let work = BankWork::Lease(LeaseBankWork::Close { also: None });
        bank(&mut self.books, later(self.bank), work);
        let state = &self.books.debtor.state;
        let spendings = state.open_spendings(None).map(|one| (one.spent, one.order)).collect();
        let leases = state.leases().finals((environment(), settlement_name())).collect();
        self.reports.push(Sent { spendings, leases });
    }

    fn hear_report(&mut self, sent: &Sent) {
        let at = later(self.core);
        for (spent, order) in &sent.spendings {
            match try_report(&mut self.books, at, spent, order) {
                Ok(ending) => {
                    assert_eq!(ending, Ending::Settled, "an acceptance within its lease binds");
                    self.saw("settled out of a lease");
                }
                Err(why) => {
                    let ahead = spent.accepted_at > at.plus(Duration::from_secs(SKEW.into()));
                    assert!(ahead, "{why}");
                    self.saw("waited for its time");
                }
            }
        }
        for said in &sent.leases {
            let work = final_report(*said, line().institution);
            // A late report may be final before its spendings were heard: then nothing ends.
            if core(&mut self.books, at, work) == SettlementAnswer::Done {
                self.told.push(said.number);
                self.saw("lease settled");
            }
        }
    }

    /// A process dies: what it knows afterwards is the fold of its facts.
    fn crash(&mut self) {
        if self.dice.roll(2) == 0 {
            let book = &mut self.books.settlement;
            let again = book.refold(settlement_genesis());
            assert_eq!(again, book.state);
            book.state = SettlementBook::load(&again.save()).expect("its own image");
        } else {
            let book = &mut self.books.debtor;
            let again = book.refold(customers_genesis(Side::Debtor));
            assert_eq!(again, book.state);
            book.state = CustomersBook::load(&again.save()).expect("its own image");
        }
        self.saw("crashed");
    }

    /// What must hold at every moment.
    fn look(&self) {
        let settlement = &self.books.settlement.state;
        settlement.ledger().audit().expect("the settlement book adds up");
        self.books.debtor.state.ledger().audit().expect("the bank's book adds up");
        let leases = settlement.leases();
        assert!(leases.exposure(line()).units() <= 2 * LEASED, "the contract's bound");
        let mut unended = 0;
        for grant in &self.grants {
            let of_lease = self.accepted.values().filter(|spent| spent.number == grant.number);
            let (mut all, mut open) = (0, 0);
            for spent in of_lease {
                all += spent.debit.units();
                let is_open = settlement.payment(spent.payment).is_none();
                open += if is_open { spent.debit.units() } else { 0 };
                assert!(spent.accepted_at < grant.ends_at, "within the time");
            }
            assert!(all <= grant.debit.units(), "within the amount");
            if leases.get(line(), grant.number).is_none() {
                assert_eq!(open, 0, "a settled lease has nothing unsettled");
            }
            unended += open;
        }
        // What the bank promised and the core has not settled is held back, to the last cent.
        let holds = settlement.ledger().holds();
        let held_back: u128 = holds
            .filter(|hold| hold.is_open(later(self.core)))
            .filter(|hold| {
                let account = settlement.settlement_account(line().institution, eur());
                Some(hold.placement().account) == account
            })
            .map(|hold| hold.remaining().units())
            .sum();
        assert!(unended <= held_back, "{unended} promised, {held_back} held back");
        assert!(unended <= leases.exposure(line()).units(), "the loss is bounded");
    }

    /// The link is good for long enough, and everybody comes back.
    pub(crate) fn comes_back(&mut self) {
        let work = BankWork::Lease(LeaseBankWork::Close { also: None });
        self.core += 2 * u64::from(SECONDS);
        self.bank = self.core;
        bank(&mut self.books, later(self.bank), work);
        for grant in self.grants.clone() {
            take(&mut self.books, later(self.bank), &grant);
        }
        while !self.held.is_empty() {
            self.settle_held();
        }
        self.send_report();
        let sent = self.reports.last().unwrap().clone();
        self.hear_report(&sent);
        for (_, payment) in self.orders.clone() {
            if self.books.settlement.state.payment(payment).is_some() {
                assert_eq!(
                    end_hold(&mut self.books, later(self.bank), payment),
                    CustomerAnswer::Done
                );
            }
        }
        self.send_report();
        let sent = self.reports.last().unwrap().clone();
        assert!(sent.spendings.is_empty(), "nothing is left to report");
        self.hear_report(&sent);
        self.look();
    }

    pub(crate) fn ends(&self) {
        let (settlement, own) = (&self.books.settlement.state, &self.books.debtor.state);
        for (payment, spent) in &self.accepted {
            let entry = settlement.payment(*payment).expect("every acceptance has an end");
            assert_eq!((&entry.ending, entry.terms), (&Ending::Settled, spent.terms));
            assert_eq!(own.debtor_side(*payment), DebtorSide::Debited);
        }
        let last = own.leases().lines().next().and_then(|line| line.newest.map(|one| one.number));
        for open in settlement.leases().open() {
            assert!(Some(open.grant.number) > last, "only what never arrived is open");
        }
        assert_eq!(own.ledger().holds().filter(|hold| hold.is_open(later(self.core))).count(), 0);
        let sums = |book: &ledger::FullLedger, account| {
            let balances = book.balances(account).unwrap();
            (balances.debits_posted, balances.credits_posted)
        };
        let due = sums(own.ledger(), own.due_from_settlement(eur()).unwrap());
        let account = settlement.settlement_account(line().institution, eur()).unwrap();
        let held = sums(settlement.ledger(), account);
        let mirror = MirrorTerms {
            due_from: [due.0, due.1],
            settlement: [held.0, held.1],
            own: settlement.own_money().of(line().institution, eur()),
            ..MirrorTerms::NOTHING
        };
        let [book, settled] = mirror.both_sides().unwrap();
        let before = Self::apart();
        assert_eq!(book.units().abs_diff(settled.units()), before, "the mirrors agree");
    }

    /// By how much the fixture's books are apart before anybody pays: they are funded by hand.
    fn apart() -> u128 {
        let books = Books::ready();
        let (settlement, own) = (&books.settlement.state, &books.debtor.state);
        let due = own.ledger().balances(own.due_from_settlement(eur()).unwrap()).unwrap();
        let account = settlement.settlement_account(line().institution, eur()).unwrap();
        let held = settlement.ledger().balances(account).unwrap();
        let mirror = MirrorTerms {
            due_from: [due.debits_posted, due.credits_posted],
            settlement: [held.debits_posted, held.credits_posted],
            own: settlement.own_money().of(line().institution, eur()),
            ..MirrorTerms::NOTHING
        };
        let [book, settled] = mirror.both_sides().unwrap();
        book.units().abs_diff(settled.units())
    }
}
