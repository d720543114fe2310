//! Holds: they end once, and time is judged by the stamp alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use ledger::{
    Answer, Available, Command, Freeze, FullLedger, HoldState, NotDone, NotDoneSource, Refusal,
    Term, VoidGround,
};
use support::{account, at, credit, debit, eur, funded, held, hold, limit, placement, post, run};
use terms::Minor;

fn place(n: u128, amount: u128, term: Term) -> Command {
    Command::PlaceHold(placement(n, 3, amount, term))
}

fn pinned_evidence() -> VoidGround {
    let document = seal::Digest::from_bytes([9; 32]);
    VoidGround::NotDone(NotDone { source: NotDoneSource::RailRefused, document })
}

fn available(ledger: &FullLedger, n: u8) -> Available {
    ledger.balances(account(n)).unwrap().available
}

#[test]
fn a_partial_post_releases_the_rest_across_two_assets() {
    let mut ledger = funded();
    run(&mut ledger, 3, &place(1, 600, Term::Pinned)).unwrap();
    assert_eq!(available(&ledger, 3), Available::UpTo(Minor::new(400)));
    let entries = vec![held(3, 450, 1), credit(4, 450), debit(5, 10), credit(2, 10)];
    run(&mut ledger, 4, &post(1, entries)).unwrap();
    assert_eq!(available(&ledger, 3), Available::UpTo(Minor::new(550)));
    assert_eq!(available(&ledger, 4), Available::UpTo(Minor::new(450)));
    let transaction = support::txn(1);
    let posted = HoldState::Posted { transaction, amount: Minor::new(450) };
    assert_eq!(ledger.hold(hold(1)).unwrap().state(), posted);
    assert_eq!(ledger.audit(), Ok(()));
}

#[test]
fn an_expired_hold_is_not_open_before_the_sweep_has_run() {
    let mut ledger = funded();
    run(&mut ledger, 3, &place(1, 600, Term::Expiring { at: at(10) })).unwrap();
    let expired = Refusal::HoldAlreadyExpired { hold: hold(1) };
    let pin = Command::PinHold { hold: hold(1) };
    let take = post(1, vec![held(3, 600, 1), credit(1, 600)]);
    let void = Command::VoidHold { hold: hold(1), ground: VoidGround::Cancelled };
    for command in [&pin, &take, &void] {
        assert!(ledger.check(at(9), command).is_ok());
        assert_eq!(ledger.check(at(10), command).unwrap_err(), expired);
    }
    // Its money stays set aside until the sweep says so in a fact.
    assert_eq!(available(&ledger, 3), Available::UpTo(Minor::new(400)));
    let sweep = Command::ExpireHolds { at_most: 9 };
    assert_eq!(run(&mut ledger, 9, &sweep).unwrap().len(), 0);
    assert_eq!(run(&mut ledger, 10, &sweep).unwrap().len(), 1);
    assert_eq!(run(&mut ledger, 11, &sweep).unwrap().len(), 0);
    assert_eq!(available(&ledger, 3), Available::UpTo(Minor::new(1000)));
    assert_eq!(ledger.check(at(12), &pin).unwrap_err(), expired);
}

#[test]
fn a_sweep_is_bounded_and_takes_the_earliest_first() {
    let mut ledger = funded();
    for n in 1..=5 {
        let at = at(20 - u64::try_from(n).unwrap());
        run(&mut ledger, 3, &place(n, 1, Term::Expiring { at })).unwrap();
    }
    assert_eq!(ledger.next_deadline(), Some(at(15)));
    run(&mut ledger, 30, &Command::ExpireHolds { at_most: 2 }).unwrap();
    let expired = |n| ledger.hold(hold(n)).unwrap().state() == HoldState::Expired;
    assert_eq!([1, 2, 3, 4, 5].map(expired), [false, false, false, true, true]);
}

#[test]
fn a_pinned_hold_never_expires_and_is_voided_only_with_evidence() {
    let mut ledger = funded();
    run(&mut ledger, 3, &place(1, 600, Term::Expiring { at: at(10) })).unwrap();
    run(&mut ledger, 9, &Command::PinHold { hold: hold(1) }).unwrap();
    assert_eq!(ledger.next_deadline(), None);
    let sweep = Command::ExpireHolds { at_most: 9 };
    assert_eq!(run(&mut ledger, u64::MAX, &sweep).unwrap().len(), 0);
    let bare = Command::VoidHold { hold: hold(1), ground: VoidGround::Cancelled };
    assert_eq!(
        ledger.check(at(11), &bare).unwrap_err(),
        Refusal::EvidenceRequired { hold: hold(1) }
    );
    let void = Command::VoidHold { hold: hold(1), ground: pinned_evidence() };
    run(&mut ledger, 12, &void).unwrap();
    assert_eq!(
        ledger.check(at(13), &void).unwrap_err(),
        Refusal::HoldAlreadyVoided { hold: hold(1) }
    );
}

#[test]
fn a_freeze_stops_posting_and_pinning_an_expiring_hold_but_not_posting_a_pinned_one() {
    let mut ledger = funded();
    run(&mut ledger, 3, &place(1, 100, Term::Expiring { at: at(99) })).unwrap();
    run(&mut ledger, 3, &place(2, 100, Term::Pinned)).unwrap();
    let freeze = Command::SetFreeze { account: account(3), freeze: Freeze::Debits };
    run(&mut ledger, 4, &freeze).unwrap();
    let expiring = post(1, vec![held(3, 100, 1), credit(1, 100)]);
    assert!(matches!(ledger.check(at(5), &expiring), Err(Refusal::AccountFrozen { .. })));
    let pin = Command::PinHold { hold: hold(1) };
    assert!(matches!(ledger.check(at(5), &pin), Err(Refusal::AccountFrozen { .. })));
    run(&mut ledger, 5, &post(2, vec![held(3, 100, 2), credit(1, 100)])).unwrap();
}

#[test]
fn a_blocked_part_may_exceed_the_balance_and_stops_only_what_leaves() {
    let mut ledger = funded();
    let block = Command::SetBlocked { account: account(3), amount: Minor::new(5000) };
    run(&mut ledger, 3, &block).unwrap();
    assert_eq!(available(&ledger, 3), Available::UpTo(Minor::ZERO));
    let out = ledger.check(at(4), &post(1, vec![debit(3, 1), credit(1, 1)]));
    assert!(matches!(out, Err(Refusal::InsufficientFunds { .. })));
    run(&mut ledger, 4, &post(2, vec![debit(1, 7), credit(3, 7)])).unwrap();
}

#[test]
fn a_void_gives_back_amount_and_count_and_a_partial_post_the_rest() {
    let mut ledger = funded();
    let bound = limit(1, eur(), 300, 2);
    let with_limit = |n, amount| {
        let mut new = placement(n, 3, amount, Term::Expiring { at: at(99) });
        new.limits = vec![bound];
        Command::PlaceHold(new)
    };
    run(&mut ledger, 3, &with_limit(1, 200)).unwrap();
    assert!(matches!(
        ledger.check(at(3), &with_limit(2, 101)),
        Err(Refusal::VelocityAmountExceeded { .. })
    ));
    let void = Command::VoidHold { hold: hold(1), ground: VoidGround::Cancelled };
    run(&mut ledger, 4, &void).unwrap();
    run(&mut ledger, 5, &with_limit(2, 300)).unwrap();
    run(&mut ledger, 6, &post(1, vec![held(3, 100, 2), credit(1, 100)])).unwrap();
    let counter = ledger.counter(&bound.bucket(terms::BusinessDate::from_days(20_779), at(0)));
    assert_eq!((counter.amount, counter.count), (Minor::new(100), 1));
    run(&mut ledger, 7, &with_limit(3, 200)).unwrap();
    assert!(matches!(
        ledger.check(at(8), &with_limit(4, 0)),
        Err(Refusal::AmountMustBePositive { .. })
    ));
}

#[test]
fn the_same_id_with_the_same_content_is_the_first_answer_and_with_other_content_a_conflict() {
    let mut ledger = funded();
    let first = post(1, vec![debit(3, 5), credit(1, 5)]);
    run(&mut ledger, 3, &first).unwrap();
    let again = ledger.check(at(9), &first).unwrap();
    assert_eq!(again.outcome().answer, Answer::Repeated { first: at(3) });
    assert!(again.changes().is_empty());
    let other = ledger.check(at(9), &post(1, vec![debit(3, 6), credit(1, 6)]));
    assert_eq!(other.unwrap_err(), Refusal::IdUsedWithOtherContent { field: "entries" });
    run(&mut ledger, 4, &place(1, 5, Term::Pinned)).unwrap();
    let again = ledger.check(at(9), &place(1, 5, Term::Pinned)).unwrap();
    assert_eq!(again.outcome().answer, Answer::Repeated { first: at(4) });
    let other = ledger.check(at(9), &place(1, 6, Term::Pinned));
    assert_eq!(other.unwrap_err(), Refusal::IdUsedWithOtherContent { field: "amount" });
}
