//! Two real books with a lease between them, and the steps that every test takes.

use core::time::Duration;
use std::collections::BTreeSet;

use clearing::customers::lease::{LeaseBankWork, acceptance_of};
use clearing::rule::RuleName;
use clearing::settlement::lease::{FinalReport, LeaseAsk, LeaseWork, Spending};
use clearing::testkit::{
    Books, Deal, OrderParts, Who, blind, environment, eur, institution, name, now, settlement_name,
    sgd, start,
};
use clearing::under_lease::{check_ended, check_under};
use clearing::{
    BankWork, CheckedByTwo, CustomerAnswer, CustomerWork, Pins, SettlementAnswer, SettlementWork,
    check_two_persons,
};
use record::lease::LEASE_DRAWN;
use record::{
    Commitment, Durability, Ending, FactBody as _, LeaseConsent, LeaseDrawn, LeaseEnd, LeaseFinal,
    LeaseGrant, LeaseLine, LeaseSpent, LimitClaim, LimitPeriod, Promise, SettleOrder, Side, Signed,
    TwoPersons,
};
use seal::{Digest, PublicKey, sha256};
use terms::{Amount, Instant, InstitutionName, Minor, PaymentId};

pub(crate) const ORIGIN: &str = "wayleave.example/sandbox/settlement";
/// What one payment takes of a lease: 1,000.00 SGD at the fixture's rate.
pub(crate) const TAKES: u128 = 68_460;
pub(crate) const CREDIT: u128 = 100_000;
pub(crate) const LEASED: u128 = 2 * TAKES + 10;
pub(crate) const SECONDS: u32 = 120;
pub(crate) const SKEW: u32 = 5;

pub(crate) fn line() -> LeaseLine {
    let institution = institution(Side::Debtor);
    LeaseLine { institution, provider: name("fx-dealer"), debit: eur(), credit: sgd() }
}

pub(crate) fn consent() -> LeaseConsent {
    LeaseConsent {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        line: line(),
        ceiling: Minor::new(5 * CREDIT),
        ends_at: start().plus(Duration::from_secs(86_400)),
    }
}

pub(crate) fn ask() -> LeaseAsk {
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

pub(crate) fn pins() -> Pins {
    Pins {
        environment: environment(),
        institution: institution(Side::Debtor),
        settlement: settlement_name(),
        origin: ORIGIN.into(),
        log_key: Who::Operator.key().public_key(),
        permit_keys: vec![Who::BankNl.key().public_key()],
    }
}

pub(crate) fn core(books: &mut Books, at: Instant, work: LeaseWork) -> SettlementAnswer {
    books.settle(at, SettlementWork::Lease(Box::new(work))).0
}

pub(crate) fn bank(books: &mut Books, at: Instant, work: BankWork) -> CustomerAnswer {
    books.tell(at, Side::Debtor, CustomerWork::Bank(Box::new(work)))
}

pub(crate) fn newest(books: &Books) -> LeaseGrant {
    let leases = books.settlement.state.leases();
    leases.of(line()).max_by_key(|one| one.grant.number).expect("a lease").grant.clone()
}

pub(crate) fn take(books: &mut Books, at: Instant, grant: &LeaseGrant) {
    let signed = Signed::sign(grant, &Who::Operator.key());
    let taken = Box::new(pins().leased(signed).expect("the log signed it"));
    let answer = bank(books, at, BankWork::Lease(LeaseBankWork::Take(taken)));
    // A late copy of one that is over by now is refused, and changes nothing.
    let late = books.debtor.state.leases().newest(line()).is_some_and(|n| grant.number < n.number);
    assert!(answer == CustomerAnswer::Done || late, "{answer:?}");
}

pub(crate) fn leased() -> Books {
    let mut books = Books::ready();
    assert_eq!(core(&mut books, now(), LeaseWork::Grant(Box::new(ask()))), SettlementAnswer::Done);
    let grant = newest(&books);
    take(&mut books, now(), &grant);
    books
}

pub(crate) fn accept(books: &mut Books, at: Instant, order: &SettleOrder) -> Result<(), RuleName> {
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

pub(crate) fn payment_of(order: &SettleOrder) -> PaymentId {
    order.debtor_permit.read_unverified().expect("a permit").payment
}

/// A final report as its bank signed it, brought by somebody.
pub(crate) fn final_report(said: LeaseFinal, reporter: InstitutionName) -> LeaseWork {
    let signed = Signed::sign(&said, &Who::BankNl.key());
    LeaseWork::Report(Box::new(FinalReport { reporter, signed, said }))
}

/// What the bank says last of its leases.
pub(crate) fn finals(books: &Books) -> Vec<LeaseFinal> {
    books.debtor.state.leases().finals((environment(), settlement_name())).collect()
}

/// What the core makes of a reported spending.
pub(crate) fn spending(books: &Books, spent: &LeaseSpent, order: &SettleOrder) -> Spending {
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

pub(crate) fn report(
    books: &mut Books,
    at: Instant,
    spent: &LeaseSpent,
    order: &SettleOrder,
) -> Ending {
    try_report(books, at, spent, order).expect("it ended")
}

/// How a reported payment ended, or why it waits.
pub(crate) fn try_report(
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

pub(crate) fn close(books: &mut Books, at: Instant) {
    let work = LeaseBankWork::Close { also: Some((line(), 1)) };
    assert_eq!(bank(books, at, BankWork::Lease(work)), CustomerAnswer::Done);
}

pub(crate) fn drawn(books: &Books) -> Vec<LeaseDrawn> {
    let facts = books.settlement.facts.iter().map(|(_, fact)| fact);
    facts
        .filter(|fact| fact.kind == LEASE_DRAWN)
        .map(|fact| LeaseDrawn::from_fact(fact).unwrap())
        .collect()
}

pub(crate) fn core_at(books: &mut Books, at: Instant) -> SettlementAnswer {
    core(books, at, LeaseWork::Grant(Box::new(ask())))
}

/// A claim on a limit of the debtor's permit, in cents of the payer's side.
pub(crate) fn claim(key: &str, minor: u128) -> LimitClaim {
    let amount = Amount::new(Minor::new(minor), eur());
    LimitClaim { key: key.into(), amount, period: LimitPeriod::Month }
}

pub(crate) fn limited(number: u64, limits: Vec<LimitClaim>) -> SettleOrder {
    let mut parts = OrderParts::of(deal(number, now()));
    parts.debtor.limits = limits;
    parts.order()
}

pub(crate) fn promise(books: &Books, payment: PaymentId) -> Signed<Promise> {
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
pub(crate) fn end_hold(books: &mut Books, at: Instant, payment: PaymentId) -> CustomerAnswer {
    let end = Box::new(pins().proven(promise(books, payment)).expect("the log signed it"));
    let settled = *end.ending() == Ending::Settled;
    bank(books, at, if settled { BankWork::Debit(end) } else { BankWork::Release(end) })
}

pub(crate) fn hold_for_core(books: &mut Books, at: Instant, order: &SettleOrder) -> CustomerAnswer {
    let offered = blind(payment_of(order));
    let permitted = pins().permitted(order.clone(), offered).expect("its own permit");
    bank(books, at, BankWork::Hold(Box::new(permitted)))
}

pub(crate) fn deal(number: u64, at: Instant) -> Deal {
    Deal { at, ..Deal::number(number) }
}

pub(crate) fn order(number: u64, at: Instant) -> SettleOrder {
    OrderParts::of(deal(number, at)).order()
}

pub(crate) fn later(seconds: u64) -> Instant {
    now().plus(Duration::from_secs(seconds))
}

pub(crate) fn persons(number: u64, words: &str) -> CheckedByTwo<LeaseEnd> {
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
