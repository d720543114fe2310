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

mod bench;
mod world;

use std::collections::BTreeMap;

use clearing::customers::lease::LeaseBankWork;
use clearing::rule::RuleName;
use clearing::saga::DebtorSide;
use clearing::settlement::lease::{LeaseAsk, LeaseWork, Spending};
use clearing::testkit::{
    Books, Deal, OrderParts, Who, blind, environment, eur, institution, name, now, pack_notice,
    settlement_genesis, settlement_name, signed_trust_list,
};
use clearing::under_lease::check_ended;
use clearing::{BankWork, CustomerAnswer, SettlementAnswer, SettlementWork};
use ledger::{Command, VoidGround};
use record::lease::LEASE_ENDED;
use record::{
    Ending, FactBody as _, LeaseAcceptance, LeaseConsent, LeaseEnded, LeaseEndedBy, LeaseFinal,
    LeaseGrant, LeaseLine, LimitClaim, PackStanding, Side, Signed,
};
use seal::{Digest, sha256};
use terms::{Amount, Instant, Minor};

use crate::bench::{
    CREDIT, LEASED, SECONDS, SKEW, TAKES, accept, ask, bank, claim, close, consent, core, core_at,
    deal, drawn, end_hold, final_report, finals, hold_for_core, later, leased, limited, line,
    newest, order, payment_of, persons, pins, report, take, try_report,
};
use crate::world::World;

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
