//! Leases over the real books: what each rule refuses, and seeded worlds in which a bank is cut
//! off, comes back, crashes, hears everything late, twice or never, while payments go to the core,
//! to the bank under a lease, or to both.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test fail by panicking"
)]

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use clearing::customers::lease::{LeaseBankWork, acceptance_of};
use clearing::rule::RuleName;
use clearing::saga::DebtorSide;
use clearing::settlement::lease::{LeaseAsk, LeaseWork, Spending};
use clearing::settlement::own::MirrorTerms;
use clearing::testkit::{
    Books, Deal, OrderParts, Who, blind, customers_genesis, environment, eur, institution, name,
    now, pack_notice, settlement_genesis, settlement_name, sgd, start,
};
use clearing::under_lease::{check_ended, check_under};
use clearing::{
    BankWork, CheckedByTwo, CustomerAnswer, CustomerWork, CustomersBook, Pins, SettlementAnswer,
    SettlementBook, SettlementWork, check_two_persons,
};
use journal::Image;
use ledger::{Command, VoidGround};
use record::lease::LEASE_DRAWN;
use record::{
    Commitment, Durability, Ending, FactBody, LeaseConsent, LeaseDrawn, LeaseEnd, LeaseGrant,
    LeaseLine, LeaseSpent, PackStanding, Promise, SettleOrder, Side, Signed, TwoPersons,
};
use seal::{Digest, PublicKey, sha256};
use terms::{Instant, Minor, PaymentId};

const ORIGIN: &str = "wayleave.example/sandbox/settlement";
/// What one payment takes of a lease: 1,000.00 SGD at the fixture's rate.
const TAKES: u128 = 68_460;
const CREDIT: u128 = 100_000;
const LEASED: u128 = 2 * TAKES + 10;
const SECONDS: u32 = 120;
const SKEW: u32 = 5;

fn line() -> LeaseLine {
    let institution = institution(Side::Debtor);
    LeaseLine { institution, provider: name("fx-dealer"), debit: eur(), credit: sgd() }
}

fn consent() -> LeaseConsent {
    LeaseConsent {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        line: line(),
        ceiling: Minor::new(5 * CREDIT),
        ends_at: start().plus(Duration::from_secs(86_400)),
    }
}

fn ask() -> LeaseAsk {
    LeaseAsk {
        line: line(),
        debit: Minor::new(LEASED),
        credit: Minor::new(2 * CREDIT),
        seconds: SECONDS,
        skew_seconds: SKEW,
        exposure_max: Minor::new(2 * LEASED),
        consent: Signed::sign(&consent(), &Who::Dealer.key()),
    }
}

fn pins() -> Pins {
    Pins {
        environment: environment(),
        institution: institution(Side::Debtor),
        settlement: settlement_name(),
        origin: ORIGIN.into(),
        log_key: Who::Operator.key().public_key(),
        permit_keys: vec![Who::BankNl.key().public_key()],
    }
}

fn core(books: &mut Books, at: Instant, work: LeaseWork) -> SettlementAnswer {
    books.settle(at, SettlementWork::Lease(Box::new(work))).0
}

fn bank(books: &mut Books, at: Instant, work: BankWork) -> CustomerAnswer {
    books.tell(at, Side::Debtor, CustomerWork::Bank(Box::new(work)))
}

fn newest(books: &Books) -> LeaseGrant {
    let leases = books.settlement.state.leases();
    leases.of(line()).max_by_key(|one| one.grant.number).expect("a lease").grant.clone()
}

fn take(books: &mut Books, at: Instant, grant: &LeaseGrant) {
    let signed = Signed::sign(grant, &Who::Operator.key());
    let taken = Box::new(pins().leased(signed).expect("the log signed it"));
    let answer = bank(books, at, BankWork::Lease(LeaseBankWork::Take(taken)));
    assert_eq!(answer, CustomerAnswer::Done);
}

fn leased() -> Books {
    let mut books = Books::ready();
    assert_eq!(core(&mut books, now(), LeaseWork::Grant(ask())), SettlementAnswer::Done);
    let grant = newest(&books);
    take(&mut books, now(), &grant);
    books
}

fn accept(books: &mut Books, at: Instant, order: &SettleOrder) -> Result<(), RuleName> {
    let leases = books.debtor.state.leases();
    let Some(grant) = leases.newest(line()).cloned() else {
        return Err(RuleName::LeaseNotInForce);
    };
    let offered = blind(payment_of(order));
    let checked = pins().under(order.clone(), &grant, offered).map_err(|rule| rule.name)?;
    match bank(books, at, BankWork::Lease(LeaseBankWork::Accept(Box::new(checked)))) {
        CustomerAnswer::Done => Ok(()),
        CustomerAnswer::Refused(rule) => Err(rule.name),
        CustomerAnswer::PaymentIdUsed { .. } => Err(RuleName::PaymentIdUsed),
        other => panic!("{other:?}"),
    }
}

fn payment_of(order: &SettleOrder) -> PaymentId {
    order.debtor_permit.read_unverified().expect("a permit").payment
}

/// What the core makes of a reported spending.
fn spending(books: &Books, spent: &LeaseSpent, order: &SettleOrder) -> Spending {
    let here = (environment(), settlement_name());
    let said = acceptance_of(spent, here);
    let kept = blind(spent.payment);
    let open = books.settlement.state.leases().get(spent.line, spent.number);
    let order = match open {
        Some(open) => check_under(order.clone(), &open.grant, here, kept),
        None => {
            let (of, trust) = ((spent.line, spent.number), books.settlement.state.trust());
            check_ended(order.clone(), of, here, trust, kept)
        }
    };
    let acceptance = Signed::sign(&said, &Who::BankNl.key());
    Spending { order: order.expect("checked").kept_under(kept), acceptance, said }
}

fn report(books: &mut Books, at: Instant, spent: &LeaseSpent, order: &SettleOrder) -> Ending {
    let spending = Box::new(spending(books, spent, order));
    match core(books, at, LeaseWork::Spent(spending)) {
        SettlementAnswer::EndedNow(ended) => ended.ending,
        SettlementAnswer::EndedBefore(entry) => entry.ending,
        other => panic!("{other:?}"),
    }
}

fn promise(books: &Books, payment: PaymentId) -> Signed<Promise> {
    let entry = books.settlement.state.payment(payment).expect("it ended");
    let promise = Promise {
        layout: 1,
        environment: environment(),
        origin: ORIGIN.into(),
        position: entry.position,
        commitment: Commitment(Digest::ZERO),
        payment,
        terms: entry.terms,
        outcome: entry.ending.clone(),
        durability: Durability::OneDisk,
        settled_at: entry.recorded_at,
        integrate_by: entry.recorded_at,
    };
    Signed::sign(&promise, &Who::Operator.key())
}

/// The core's step that ends the hold of a payment that ended.
fn end_hold(books: &mut Books, at: Instant, payment: PaymentId) -> CustomerAnswer {
    let end = Box::new(pins().proven(promise(books, payment)).expect("the log signed it"));
    let settled = *end.ending() == Ending::Settled;
    bank(books, at, if settled { BankWork::Debit(end) } else { BankWork::Release(end) })
}

fn hold_for_core(books: &mut Books, at: Instant, order: &SettleOrder) -> CustomerAnswer {
    let offered = blind(payment_of(order));
    let permitted = pins().permitted(order.clone(), offered).expect("its own permit");
    bank(books, at, BankWork::Hold(Box::new(permitted)))
}

fn deal(number: u64, at: Instant) -> Deal {
    Deal { at, ..Deal::number(number) }
}

fn order(number: u64, at: Instant) -> SettleOrder {
    OrderParts::of(deal(number, at)).order()
}

fn later(seconds: u64) -> Instant {
    now().plus(Duration::from_secs(seconds))
}

fn refused_grant(books: &mut Books, at: Instant, change: impl FnOnce(&mut LeaseAsk)) -> String {
    let mut asked = ask();
    change(&mut asked);
    match core(books, at, LeaseWork::Grant(asked)) {
        SettlementAnswer::NotAccepted(why) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_lease_needs_the_providers_consent_and_both_sides_money() {
    let mut books = Books::ready();
    let signed = |consent: &LeaseConsent, by: Who| Signed::sign(consent, &by.key());
    let other = LeaseLine { institution: institution(Side::Creditor), ..line() };
    let short = LeaseConsent { ends_at: later(60), ..consent() };
    let narrow = LeaseConsent { ceiling: Minor::new(CREDIT), ..consent() };
    let cases: [(&str, Signed<LeaseConsent>); 4] = [
        ("SignerNotTrusted", signed(&consent(), Who::Stranger)),
        ("another line", signed(&LeaseConsent { line: other, ..consent() }, Who::Dealer)),
        ("consented until", signed(&short, Who::Dealer)),
        ("consented to", signed(&narrow, Who::Dealer)),
    ];
    for (expected, consent) in cases {
        let why = refused_grant(&mut books, now(), |ask| ask.consent = consent);
        assert!(why.contains(expected), "{expected}: {why}");
    }
    let huge = Minor::new(1 << 100);
    let why = refused_grant(&mut books, now(), |ask| (ask.debit, ask.exposure_max) = (huge, huge));
    assert!(why.contains("InsufficientFunds"), "{why}");
    let why = refused_grant(&mut books, now(), |ask| ask.exposure_max = Minor::new(LEASED - 1));
    assert!(why.contains("at most"), "{why}");
    assert_eq!(books.settlement.state.leases().open().count(), 0);
    // Two leases fit the contract, and no third.
    for _ in 0..2 {
        assert_eq!(core(&mut books, now(), LeaseWork::Grant(ask())), SettlementAnswer::Done);
    }
    let why = refused_grant(&mut books, now(), |_| ());
    assert!(why.contains("leased and not settled"), "{why}");
}

#[test]
fn what_a_lease_holds_back_is_nobody_elses_and_no_ledger_command_ends_it() {
    let mut books = Books::ready();
    let account = books.settlement.state.settlement_account(line().institution, eur()).unwrap();
    let available = |books: &Books| books.settlement.state.ledger().balances(account).unwrap();
    let before = available(&books);
    assert_eq!(core(&mut books, now(), LeaseWork::Grant(ask())), SettlementAnswer::Done);
    assert_ne!(available(&books).available, before.available, "held back");
    let holds: Vec<_> = books.settlement.state.ledger().holds().map(|h| h.placement().id).collect();
    assert_eq!(holds.len(), 2, "the bank's and the provider's");
    for hold in holds {
        let command = Box::new(Command::VoidHold { hold, ground: VoidGround::Cancelled });
        let work = SettlementWork::Ledger { command, reason: "by hand".into() };
        let (answer, _) = books.settle(now(), work);
        assert!(matches!(answer, SettlementAnswer::NotAccepted(_)), "{answer:?}");
    }
}

type Change = fn(&mut OrderParts);

#[test]
fn each_rule_of_an_acceptance_refuses() {
    let mut books = Books::ready();
    let good = order(1, now());
    assert_eq!(accept(&mut books, now(), &good), Err(RuleName::LeaseNotInForce), "no lease");
    let mut books = leased();
    let of = |change: Change| {
        let mut parts = OrderParts::of(deal(1, now()));
        change(&mut parts);
        parts.order()
    };
    let cases: [(Change, RuleName); 6] = [
        (|parts| parts.debtor_signer = Who::Stranger, RuleName::SignerNotTrusted),
        (|parts| parts.creditor_signer = Who::Stranger, RuleName::SignerNotTrusted),
        (|parts| parts.quote_signer = Who::Stranger, RuleName::SignerNotTrusted),
        (|parts| parts.creditor.basis.pack = Digest::ZERO, RuleName::PackNotInForce),
        (|parts| parts.debtor.basis.snapshot = Digest::ZERO, RuleName::SnapshotTooOld),
        (|parts| parts.debtor.valid_until = later(61), RuleName::PermitDiffers),
    ];
    for (number, (change, rule)) in cases.into_iter().enumerate() {
        assert_eq!(accept(&mut books, now(), &of(change)), Err(rule), "case {number}");
    }
    assert_eq!(accept(&mut books, later(60), &good), Err(RuleName::PermitExpired));
    assert_eq!(accept(&mut books, later(120), &good), Err(RuleName::QuoteExpired));
    let end = u64::from(SECONDS - SKEW);
    let late = order(2, later(end));
    assert_eq!(accept(&mut books, later(end), &late), Err(RuleName::LeaseNotInForce), "skew");
    assert_eq!(accept(&mut books, later(end - 1), &late), Ok(()));
    assert_eq!(accept(&mut books, later(end - 1), &late), Ok(()), "the same again");
    let mut books = leased();
    for number in 1..3 {
        assert_eq!(accept(&mut books, now(), &order(number, now())), Ok(()));
    }
    assert_eq!(accept(&mut books, now(), &order(3, now())), Err(RuleName::LeaseExceeded));
    let held = books.debtor.state.ledger().holds().count();
    assert_eq!(held, 2, "what was refused holds nothing");
}

#[test]
fn a_payment_is_held_for_the_core_or_accepted_never_both() {
    let mut books = leased();
    let (first, second) = (order(1, now()), order(2, now()));
    assert_eq!(
        hold_for_core(&mut books, now(), &first),
        CustomerAnswer::Held(blind(payment_of(&first)))
    );
    assert_eq!(accept(&mut books, now(), &first), Err(RuleName::UnderWayAtCore));
    assert_eq!(accept(&mut books, now(), &second), Ok(()));
    match hold_for_core(&mut books, now(), &second) {
        CustomerAnswer::Refused(rule) => assert_eq!(rule.name, RuleName::AcceptedUnderLease),
        other => panic!("{other:?}"),
    }
    let open: Vec<_> = books.debtor.state.open_holds().map(|(payment, _)| payment).collect();
    assert_eq!(open, [payment_of(&first)], "recovery never sees what was accepted");
}

#[test]
fn what_changed_since_the_acceptance_does_not_undo_it_and_is_said() {
    let mut books = leased();
    let (one, payment) = (order(1, now()), Deal::number(1).payment());
    assert_eq!(accept(&mut books, now(), &one), Ok(()));
    let retired = pack_notice(Side::Creditor, PackStanding::Retired);
    let (answer, _) = books.settle(now(), SettlementWork::NoticePack(retired));
    assert_eq!(answer, SettlementAnswer::Done);
    let spent = *books.debtor.state.leases().spent(payment).unwrap();
    // Long after quote and permits are over.
    assert_eq!(report(&mut books, later(500), &spent, &one), Ending::Settled);
    assert_eq!(report(&mut books, later(501), &spent, &one), Ending::Settled, "once");
    let drawn: Vec<LeaseDrawn> = books
        .settlement
        .facts
        .iter()
        .filter(|(_, fact)| fact.kind == LEASE_DRAWN)
        .map(|(_, fact)| LeaseDrawn::from_fact(fact).unwrap())
        .collect();
    assert_eq!(drawn.len(), 1);
    assert_eq!(drawn[0].despite.as_deref(), Some("PackNotInForce"));
    assert_eq!(end_hold(&mut books, later(501), payment), CustomerAnswer::Done);
    assert_eq!(books.debtor.state.debtor_side(payment), DebtorSide::Debited);
    assert!(books.debtor.state.leases().open().next().is_none());
}

fn persons(number: u64, words: &str) -> CheckedByTwo<LeaseEnd> {
    let end = LeaseEnd {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        line: line(),
        number,
        evidence: sha256(b"the bank's licence was withdrawn"),
        words: words.into(),
    };
    let keys = [Who::RootNl.key(), Who::RootSg.key()];
    let approvers: BTreeSet<PublicKey> = keys.iter().map(seal::SigningKey::public_key).collect();
    let [first, second] = keys.map(|key| Signed::sign(&end, &key));
    check_two_persons(TwoPersons { first, second }, &approvers).unwrap()
}

#[test]
fn two_persons_end_a_lease_whose_holder_is_gone_and_a_late_spending_has_a_named_end() {
    let mut books = leased();
    let (one, payment) = (order(1, now()), Deal::number(1).payment());
    assert_eq!(accept(&mut books, now(), &one), Ok(()));
    let spent = *books.debtor.state.leases().spent(payment).unwrap();
    let end = |books: &mut Books, at: Instant, words: &str| {
        core(books, at, LeaseWork::End(Box::new(persons(1, words))))
    };
    for (at, words) in [(later(60), "freed"), (later(600), " ")] {
        let answer = end(&mut books, at, words);
        assert!(matches!(answer, SettlementAnswer::NotAccepted(_)), "{answer:?}");
    }
    assert_eq!(end(&mut books, later(600), "freed to the bank's estate"), SettlementAnswer::Done);
    assert!(books.settlement.state.ledger().holds().all(|hold| !hold.is_open(later(600))));
    // The holder comes back all the same: its spending is refused by name, its customer freed.
    let ending = report(&mut books, later(700), &spent, &one);
    assert_eq!(ending, Ending::Refused("LeaseNotInForce".into()));
    assert_eq!(end_hold(&mut books, later(700), payment), CustomerAnswer::Done);
    assert_eq!(books.debtor.state.debtor_side(payment), DebtorSide::Released);
}

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
    /// Number, spent: the final ones.
    leases: Vec<(u64, Minor)>,
}

/// Whatever was sent may arrive at any later moment, any number of times or never.
struct World {
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
    seen: BTreeMap<&'static str, u32>,
}

impl World {
    fn new(seed: u64) -> Self {
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

    fn turn(&mut self) {
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
        self.bank = self.bank.clamp(self.core.saturating_sub(skew), self.core + skew);
    }

    fn grant(&mut self) {
        let answer = core(&mut self.books, later(self.core), LeaseWork::Grant(ask()));
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
        let spendings = state.open_spendings().map(|one| (one.spent, one.order)).collect();
        let finals = state.leases().reports().filter(|(_, report)| report.is_final);
        let leases = finals.map(|(_, report)| (report.number, report.spent)).collect();
        self.reports.push(Sent { spendings, leases });
    }

    fn hear_report(&mut self, sent: &Sent) {
        let at = later(self.core);
        for (spent, order) in &sent.spendings {
            let ending = report(&mut self.books, at, spent, order);
            assert_eq!(ending, Ending::Settled, "an acceptance within its lease binds");
            self.saw("settled out of a lease");
        }
        for (number, spent) in &sent.leases {
            let work = LeaseWork::Report { line: line(), number: *number, spent: *spent };
            // A late report may be final before its spendings were heard: then nothing ends.
            if core(&mut self.books, at, work) == SettlementAnswer::Done {
                self.told.push(*number);
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
    fn comes_back(&mut self) {
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

    fn ends(&self) {
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

#[test]
fn a_world_of_leases_over_both_books() {
    let mut seen: BTreeMap<&'static str, u32> = BTreeMap::new();
    for seed in 1..=60 {
        let mut world = World::new(seed);
        for _ in 0..150 {
            world.turn();
        }
        world.comes_back();
        world.ends();
        for (what, times) in world.seen {
            *seen.entry(what).or_default() += times;
        }
    }
    println!("{seen:?}");
    for what in [
        "granted",
        "accepted",
        "held",
        "ended at the core",
        "settled out of a lease",
        "lease settled",
        "crashed",
    ] {
        assert!(seen.get(what).copied().unwrap_or(0) > 50, "{what} hardly ever happened: {seen:?}");
    }
}
