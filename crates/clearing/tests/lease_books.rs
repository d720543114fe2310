// long file: the rules and the seeded worlds share one bench of two real books
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
use clearing::settlement::lease::{FinalReport, LeaseAsk, LeaseWork, Spending};
use clearing::settlement::own::MirrorTerms;
use clearing::testkit::{
    Books, Deal, OrderParts, Who, blind, customers_genesis, environment, eur, institution, name,
    now, pack_notice, settlement_genesis, settlement_name, sgd, signed_trust_list, start,
};
use clearing::under_lease::{check_ended, check_under};
use clearing::{
    BankWork, CheckedByTwo, CustomerAnswer, CustomerWork, CustomersBook, Pins, SettlementAnswer,
    SettlementBook, SettlementWork, check_two_persons,
};
use journal::Image;
use ledger::{Command, VoidGround};
use record::lease::{LEASE_DRAWN, LEASE_ENDED};
use record::{
    Commitment, Durability, Ending, FactBody, LeaseAcceptance, LeaseConsent, LeaseDrawn, LeaseEnd,
    LeaseEnded, LeaseEndedBy, LeaseFinal, LeaseGrant, LeaseLine, LeaseSpent, LimitClaim,
    LimitPeriod, PackStanding, Promise, SettleOrder, Side, Signed, TwoPersons,
};
use seal::{Digest, PublicKey, sha256};
use terms::{Amount, Instant, InstitutionName, Minor, PaymentId};

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
    // A late copy of one that is over by now is refused, and changes nothing.
    let late = books.debtor.state.leases().newest(line()).is_some_and(|n| grant.number < n.number);
    assert!(answer == CustomerAnswer::Done || late, "{answer:?}");
}

fn leased() -> Books {
    let mut books = Books::ready();
    assert_eq!(core(&mut books, now(), LeaseWork::Grant(Box::new(ask()))), SettlementAnswer::Done);
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

/// A final report as its bank signed it, brought by somebody.
fn final_report(said: LeaseFinal, reporter: InstitutionName) -> LeaseWork {
    let signed = Signed::sign(&said, &Who::BankNl.key());
    LeaseWork::Report(Box::new(FinalReport { reporter, signed, said }))
}

/// What the bank says last of its leases.
fn finals(books: &Books) -> Vec<LeaseFinal> {
    books.debtor.state.leases().finals((environment(), settlement_name())).collect()
}

/// What the core makes of a reported spending.
fn spending(books: &Books, spent: &LeaseSpent, order: &SettleOrder) -> Spending {
    let here = (environment(), settlement_name());
    let said = acceptance_of(spent, here);
    let kept = blind(spent.payment);
    let granted = books.settlement.state.leases().granted(spent.line, spent.number);
    let order = match granted {
        Some(grant) => check_under(order.clone(), grant, here, kept),
        None => {
            let (of, trust) = ((spent.line, spent.number), books.settlement.state.trust());
            check_ended(order.clone(), of, here, trust, kept)
        }
    };
    let acceptance = Signed::sign(&said, &Who::BankNl.key());
    Spending { order: order.expect("checked").kept_under(kept), acceptance, said }
}

fn report(books: &mut Books, at: Instant, spent: &LeaseSpent, order: &SettleOrder) -> Ending {
    try_report(books, at, spent, order).expect("it ended")
}

/// How a reported payment ended, or why it waits.
fn try_report(
    books: &mut Books,
    at: Instant,
    spent: &LeaseSpent,
    order: &SettleOrder,
) -> Result<Ending, String> {
    let spending = Box::new(spending(books, spent, order));
    match core(books, at, LeaseWork::Spent(spending)) {
        SettlementAnswer::EndedNow(ended) => Ok(ended.ending),
        SettlementAnswer::EndedBefore(entry) => Ok(entry.ending),
        SettlementAnswer::NotAccepted(why) => Err(why),
        other => panic!("{other:?}"),
    }
}

fn close(books: &mut Books, at: Instant) {
    let work = LeaseBankWork::Close { also: Some((line(), 1)) };
    assert_eq!(bank(books, at, BankWork::Lease(work)), CustomerAnswer::Done);
}

fn drawn(books: &Books) -> Vec<LeaseDrawn> {
    let facts = books.settlement.facts.iter().map(|(_, fact)| fact);
    facts
        .filter(|fact| fact.kind == LEASE_DRAWN)
        .map(|fact| LeaseDrawn::from_fact(fact).unwrap())
        .collect()
}

#[test]
fn nobody_ends_another_banks_lease_and_the_fact_holds_the_banks_signed_word() {
    let mut books = leased();
    let one = order(1, now());
    assert_eq!(accept(&mut books, now(), &one), Ok(()));
    close(&mut books, later(1));
    let [last] = finals(&books).try_into().expect("one lease");
    assert_eq!((last.number, last.debit, last.credit), (1, Minor::new(TAKES), Minor::new(CREDIT)));
    assert_eq!(last.closed_at, later(1));
    let holds = |books: &Books| {
        books.settlement.state.ledger().holds().filter(|hold| hold.is_open(later(1))).count()
    };
    let nothing = LeaseFinal { debit: Minor::ZERO, credit: Minor::ZERO, ..last };
    for (said, reporter, why) in [
        (nothing, institution(Side::Creditor), "SignerNotTrusted"),
        (last, line().institution, "LeaseNotInForce"),
    ] {
        match core(&mut books, later(1), final_report(said, reporter)) {
            SettlementAnswer::NotAccepted(words) => assert!(words.contains(why), "{words}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(holds(&books), 2, "nothing is free before its spending is counted");
    }
    let spent = *books.debtor.state.leases().spent(payment_of(&one)).unwrap();
    assert_eq!(report(&mut books, later(1), &spent, &one), Ending::Settled);
    let less = LeaseFinal { credit: Minor::new(CREDIT - 1), ..last };
    let answer = core(&mut books, later(1), final_report(less, line().institution));
    assert!(matches!(answer, SettlementAnswer::NotAccepted(_)), "the provider's side: {answer:?}");
    let answer = core(&mut books, later(1), final_report(last, line().institution));
    assert_eq!((answer, holds(&books)), (SettlementAnswer::Done, 0));
    let mut facts = books.settlement.facts.iter().map(|(_, fact)| fact);
    let fact = facts.find(|fact| fact.kind == LEASE_ENDED).expect("it ended");
    let ended = LeaseEnded::from_fact(fact).unwrap();
    let LeaseEndedBy::Report(signed) = ended.by else { panic!("{:?}", ended.by) };
    assert_eq!(signed.verify(&Who::BankNl.key().public_key()), Ok(last));
    let ground = signed.digest();
    let named = |change: &minicbor::bytes::ByteVec| {
        change.windows(ground.as_bytes().len()).any(|window| window == ground.as_bytes())
    };
    assert!(ended.freed.len() == 2 && ended.freed.iter().all(named), "the release's document");
    assert_eq!(books.settlement.refold(settlement_genesis()), books.settlement.state);
}

#[test]
fn nobody_ends_another_banks_payment() {
    let mut books = leased();
    let (one, payment) = (order(1, now()), Deal::number(1).payment());
    let here = (environment(), settlement_name());
    let line = LeaseLine { institution: institution(Side::Creditor), ..line() };
    let said = LeaseAcceptance {
        layout: 1,
        environment: here.0,
        book: here.1,
        line,
        number: 9,
        payment,
        terms: sha256(one.terms.as_bytes()),
        debit: Minor::new(TAKES),
        credit: Minor::new(CREDIT),
        accepted_at: now(),
    };
    let trust = books.settlement.state.trust();
    let order = check_ended(one, (line, 9), here, trust, blind(payment)).expect("checked");
    let order = order.kept_under(blind(payment));
    let acceptance = Signed::sign(&said, &Who::BankSg.key());
    let spending = LeaseWork::Spent(Box::new(Spending { order, acceptance, said }));
    match core(&mut books, now(), spending) {
        SettlementAnswer::NotAccepted(why) => assert!(why.contains("institution"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(books.settlement.state.payment(payment).is_none(), "it may still be paid");
}

#[test]
fn what_was_accepted_by_a_clock_that_is_ahead_waits_for_its_time() {
    let mut books = leased();
    let one = order(1, now());
    assert_eq!(accept(&mut books, later(20), &one), Ok(()));
    let spent = *books.debtor.state.leases().spent(payment_of(&one)).unwrap();
    let waits = try_report(&mut books, later(20 - u64::from(SKEW) - 1), &spent, &one);
    assert!(waits.as_ref().is_err_and(|why| why.contains("to come")), "{waits:?}");
    let there = later(20 - u64::from(SKEW));
    assert_eq!(report(&mut books, there, &spent, &one), Ending::Settled);
    // A clock that is behind by more accepts nothing that the core would have to refuse.
    let mut books = Books::ready();
    assert_eq!(core_at(&mut books, later(20)), SettlementAnswer::Done);
    let grant = newest(&books);
    take(&mut books, now(), &grant);
    assert_eq!(accept(&mut books, now(), &one), Err(RuleName::LeaseNotInForce));
}

fn core_at(books: &mut Books, at: Instant) -> SettlementAnswer {
    core(books, at, LeaseWork::Grant(Box::new(ask())))
}

/// A claim on a limit of the debtor's permit, in cents of the payer's side.
fn claim(key: &str, minor: u128) -> LimitClaim {
    let amount = Amount::new(Minor::new(minor), eur());
    LimitClaim { key: key.into(), amount, period: LimitPeriod::Month }
}

fn limited(number: u64, limits: Vec<LimitClaim>) -> SettleOrder {
    let mut parts = OrderParts::of(deal(number, now()));
    parts.debtor.limits = limits;
    parts.order()
}

#[test]
fn a_limit_that_is_passed_is_dropped_alone_and_the_others_go_on_counting() {
    let mut books = leased();
    let wide = claim("wide", TAKES * 3 / 2 + 1_000);
    let one = limited(1, vec![claim("tiny", 1), wide.clone()]);
    let two = limited(2, vec![wide]);
    for (number, order) in [(1, &one), (2, &two)] {
        assert_eq!(accept(&mut books, now(), order), Ok(()), "{number}");
        let spent = *books.debtor.state.leases().spent(payment_of(order)).unwrap();
        assert_eq!(report(&mut books, now(), &spent, order), Ending::Settled);
        let words = drawn(&books).pop().and_then(|drawn| drawn.despite);
        assert_eq!(words.as_deref(), Some("LimitExceeded"), "{number}");
    }
}

#[test]
fn a_bank_that_was_set_back_takes_the_newest_lease_whatever_its_number() {
    let mut books = leased();
    let far = LeaseGrant { number: 1_000, ..newest(&books) };
    take(&mut books, now(), &far);
    assert_eq!(accept(&mut books, now(), &order(1, now())), Ok(()));
    let passed = finals(&books).len();
    assert!(passed > 60 && passed < 70, "what lies far back is for persons: {passed}");
    let old = LeaseGrant { number: 3, ..far };
    let taken = pins().leased(Signed::sign(&old, &Who::Operator.key())).unwrap();
    let work = BankWork::Lease(LeaseBankWork::Take(Box::new(taken)));
    match bank(&mut books, now(), work) {
        CustomerAnswer::Refused(rule) => assert_eq!(rule.name, RuleName::LeaseNotInForce),
        other => panic!("refused by name: {other:?}"),
    }
}

#[test]
fn what_waits_at_the_front_hides_no_spending_behind_it() {
    let mut books = leased();
    for number in 1..3 {
        assert_eq!(accept(&mut books, now(), &order(number, now())), Ok(()));
    }
    let state = &books.debtor.state;
    let all: Vec<_> = state.open_spendings(None).map(|one| one.spent.payment).collect();
    assert_eq!(all.len(), 2);
    let behind: Vec<_> = state.open_spendings(Some(all[0])).map(|one| one.spent.payment).collect();
    assert_eq!(behind, all[1..]);
    assert_eq!(state.open_spendings(Some(all[1])).count(), 0);
    // A lease closes when its own spendings are counted, whatever waits under another.
    let mut books = leased();
    assert_eq!(accept(&mut books, now(), &order(1, now())), Ok(()));
    assert_eq!(core_at(&mut books, now()), SettlementAnswer::Done);
    let second = newest(&books);
    take(&mut books, now(), &second);
    let work = LeaseBankWork::Close { also: Some((line(), 2)) };
    assert_eq!(bank(&mut books, now(), BankWork::Lease(work)), CustomerAnswer::Done);
    let said = finals(&books);
    assert_eq!(said.iter().map(|last| last.number).collect::<Vec<_>>(), [1, 2]);
    let [first, second] =
        [0, 1].map(|n| core(&mut books, now(), final_report(said[n], line().institution)));
    assert!(matches!(first, SettlementAnswer::NotAccepted(_)), "its spending waits: {first:?}");
    assert_eq!(second, SettlementAnswer::Done);
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
    match core(books, at, LeaseWork::Grant(Box::new(asked))) {
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
    for (seconds, skew) in [(0, 0), (9, 1), (10, 5), (600, 300), (8 * 86_400, 1)] {
        let why = refused_grant(&mut books, now(), |ask| {
            (ask.seconds, ask.skew_seconds) = (seconds, skew);
        });
        assert!(why.contains("seconds"), "{seconds} {skew}: {why}");
    }
    let huge = Minor::new(1 << 100);
    let why = refused_grant(&mut books, now(), |ask| (ask.debit, ask.exposure_max) = (huge, huge));
    assert!(why.contains("InsufficientFunds"), "{why}");
    let why = refused_grant(&mut books, now(), |ask| ask.exposure_max = Minor::new(LEASED - 1));
    assert!(why.contains("at most"), "{why}");
    assert_eq!(books.settlement.state.leases().open().count(), 0);
    // Two leases fit the contract, and no third.
    for _ in 0..2 {
        assert_eq!(
            core(&mut books, now(), LeaseWork::Grant(Box::new(ask()))),
            SettlementAnswer::Done
        );
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
    assert_eq!(core(&mut books, now(), LeaseWork::Grant(Box::new(ask()))), SettlementAnswer::Done);
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

/// A limit that no posting of the payment could be counted against.
fn in_another_asset() -> LimitClaim {
    let amount = Amount::new(Minor::new(1), name("INR.2@mas-sandbox"));
    LimitClaim { amount, ..claim("mandate", 1) }
}

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
    let cases: [(Change, RuleName); 7] = [
        (|parts| parts.debtor.limits = vec![in_another_asset()], RuleName::PermitDiffers),
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
    let drawn = drawn(&books);
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
    // The holder comes back all the same: its spending is refused by name, its customer freed,
    // whatever keys are trusted by now.
    let list = signed_trust_list(Side::Debtor, 2, Who::Stranger);
    let (answer, _) = books.settle(later(650), SettlementWork::AdoptTrustList(list));
    assert_eq!(answer, SettlementAnswer::Done);
    let ending = report(&mut books, later(700), &spent, &one);
    assert_eq!(ending, Ending::Refused("LeaseNotInForce".into()));
    assert_eq!(end_hold(&mut books, later(700), payment), CustomerAnswer::Done);
    assert_eq!(books.debtor.state.debtor_side(payment), DebtorSide::Released);
    // Its final report is taken, though it says another sum, and it need not be sent again.
    close(&mut books, later(700));
    let [last] = finals(&books).try_into().expect("one lease");
    let answer = core(&mut books, later(700), final_report(last, line().institution));
    assert_eq!((last.debit, answer), (Minor::new(TAKES), SettlementAnswer::Done));
    bank(&mut books, later(700), BankWork::Lease(LeaseBankWork::Settled(line(), 1)));
    assert_eq!(finals(&books), []);
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
    /// The final words.
    leases: Vec<LeaseFinal>,
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
    for seed in 1..=90 {
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
        "waited for its time",
        "crashed",
    ] {
        assert!(seen.get(what).copied().unwrap_or(0) > 50, "{what} hardly ever happened: {seen:?}");
    }
}
