//! Acts of the operator's persons: who may do what, from when, and what stops.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test fail by panicking"
)]

use core::time::Duration;

use clearing::rule::RuleName::{self, *};
use clearing::settlement::acts::{ActEntry, ActStanding, ActsAnswer, ActsWork};
use clearing::testkit::{
    Books, Deal, OrderParts, Who, account, corridor, environment, eur, name, now, own_account,
    settlement_genesis, settlement_name, sgd, start,
};
use clearing::{
    CustomerAnswer, CustomerWork, Finish, May, Operator, Route, Rule, SettlementAnswer,
    SettlementWork, check_act, check_act_decision,
};
use journal::Image;
use record::{
    AccountLimits, Act, ActAccount, ActDecision, ActKind, ActVerdict, Document, Ending, Side,
    Signed, Stop, Subject,
};
use seal::{Digest, SigningKey};
use terms::{ActId, Instant, Minor};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

const ADA: u8 = 0x61;
const BEN: u8 = 0x62;
const CAI: u8 = 0x63;
const DEE: u8 = 0x64;
/// Ada's other key.
const ADA_TOO: u8 = 0x65;

fn operators() -> Vec<Operator> {
    [
        (ADA, "ada", May::Both),
        (BEN, "ben", May::Both),
        (CAI, "cai", May::Check),
        (DEE, "dee", May::Make),
        (ADA_TOO, "ada", May::Both),
    ]
    .map(|(seed, name, may)| Operator { name: name.into(), key: key(seed).public_key(), may })
    .into()
}

fn act(number: u8, what: ActKind) -> Act {
    Act {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        id: ActId::from_bytes([number; 16]),
        what,
        reason: "a drill".into(),
        from: start(),
        until: None,
        decide_by: now().plus(seconds(3_600)),
    }
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn answer(answer: SettlementAnswer) -> Result<ActEntry, Rule> {
    match answer {
        SettlementAnswer::Acts(answer) => match *answer {
            ActsAnswer::Stands(entry, _) => Ok(*entry),
            ActsAnswer::Refused(rule) => Err(rule),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn propose(books: &mut Books, at: Instant, by: u8, act: &Act) -> Result<ActEntry, Rule> {
    let checked = check_act(Signed::sign(act, &key(by)), &operators())?;
    let work = SettlementWork::Acts(Box::new(ActsWork::Propose(Box::new(checked))));
    let got = answer(books.settle(at, work).0);
    if let Ok(entry) = &got {
        let kept = books.settlement.state.acts().act(act.id).expect("kept");
        assert_eq!(kept.standing, entry.standing, "the answer is what the fold says");
    }
    got
}

fn decide(
    books: &mut Books,
    at: Instant,
    by: u8,
    act: &Act,
    verdict: ActVerdict,
) -> Result<ActEntry, Rule> {
    let decision = ActDecision {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        act: act.id,
        digest: act.digest(),
        verdict,
        reason: "looked at it".into(),
    };
    tell(books, at, by, &decision)
}

fn tell(books: &mut Books, at: Instant, by: u8, decision: &ActDecision) -> Result<ActEntry, Rule> {
    let checked = check_act_decision(Signed::sign(decision, &key(by)), &operators())?;
    let work = SettlementWork::Acts(Box::new(ActsWork::Decide(Box::new(checked))));
    answer(books.settle(at, work).0)
}

fn carry(books: &mut Books, at: Instant) -> bool {
    let work = SettlementWork::Acts(Box::new(ActsWork::Carry));
    match books.settle(at, work).0 {
        SettlementAnswer::Acts(answer) => matches!(*answer, ActsAnswer::Carried(_)),
        other => panic!("{other:?}"),
    }
}

fn pay(books: &mut Books, number: u64, at: Instant) -> Result<(), RuleName> {
    let order = OrderParts::of(Deal { at, ..Deal::number(number) }).checked().expect("an order");
    match books.drive(at, Route::of_client(order)) {
        Finish::Ended(Ending::Settled, _) => Ok(()),
        Finish::Ended(Ending::Refused(code), _) => {
            Err(*RuleName::ALL.iter().find(|rule| rule.as_str() == code).expect("a rule"))
        }
        other => panic!("{other:?}"),
    }
}

fn bank_nl() -> Subject {
    Subject::Participant(name("bank-nl"))
}

fn low_water(minor: u128) -> ActKind {
    ActKind::SetLowWater(name("bank-nl"), eur(), Minor::new(minor))
}

fn limits(overdraft: u128, ceiling: Option<u128>) -> ActKind {
    let limits =
        AccountLimits { overdraft: Minor::new(overdraft), ceiling: ceiling.map(Minor::new) };
    ActKind::SetLimits(name("bank-nl"), eur(), limits)
}

fn settlement_of(of: &str, asset: terms::AssetCode) -> ActAccount {
    ActAccount::Settlement(name(of), asset)
}

#[test]
fn each_kind_has_its_number_of_keys() {
    let books = Books::ready();
    let book = &books.settlement.state;
    let of = settlement_of("bank-nl", eur());
    let table = [
        (ActKind::Suspend(bank_nl()), 1),
        (ActKind::Resume(bank_nl()), 2),
        (ActKind::Freeze(of, Stop::Both), 1),
        (ActKind::Thaw(of), 2),
        (low_water(1), 1),
        (limits(0, None), 1),
        (limits(0, Some(99_999_999)), 1),
        (limits(1, None), 2),
    ];
    for (what, keys) in table {
        assert_eq!(book.keys_needed(what), keys, "{what:?}");
    }
    let mut books = Books::ready();
    propose(&mut books, now(), ADA, &act(1, low_water(500))).expect("raised by one");
    propose(&mut books, now(), ADA, &act(2, limits(0, Some(99_999_999)))).expect("tightened");
    let book = &books.settlement.state;
    assert_eq!(book.keys_needed(low_water(499)), 2);
    assert_eq!(book.keys_needed(limits(0, None)), 2);
    assert_eq!(book.keys_needed(limits(0, Some(99_999_998))), 1);
}

#[test]
fn what_is_stopped_is_refused_with_its_own_rule_and_lifted_by_two() {
    let customer = |side, of: &str| ActAccount::Customer(name(of), account(side, 0));
    let (payer, payee) = (customer(Side::Debtor, "bank-nl"), customer(Side::Creditor, "bank-sg"));
    let subject = |subject| (ActKind::Suspend(subject), ActKind::Resume(subject));
    let frozen = |of, stop| (ActKind::Freeze(of, stop), ActKind::Thaw(of));
    let table = [
        (subject(bank_nl()), Err(ParticipantSuspended)),
        (subject(Subject::Participant(name("bank-sg"))), Err(ParticipantSuspended)),
        (subject(Subject::Participant(name("fx-dealer"))), Err(ParticipantSuspended)),
        (subject(Subject::Corridor(corridor())), Err(CorridorSuspended)),
        (subject(Subject::Asset(eur())), Err(AssetSuspended)),
        (subject(Subject::Asset(sgd())), Err(AssetSuspended)),
        (frozen(settlement_of("bank-nl", eur()), Stop::Debits), Err(AccountFrozen)),
        (frozen(settlement_of("bank-nl", eur()), Stop::Credits), Ok(())),
        (frozen(settlement_of("bank-sg", sgd()), Stop::Credits), Err(AccountFrozen)),
        (frozen(settlement_of("bank-sg", sgd()), Stop::Debits), Ok(())),
        (frozen(settlement_of("fx-dealer", sgd()), Stop::Both), Err(AccountFrozen)),
        (frozen(payer, Stop::Debits), Err(AccountFrozen)),
        (frozen(payer, Stop::Credits), Ok(())),
        (frozen(payee, Stop::Credits), Err(AccountFrozen)),
        (frozen(payee, Stop::Debits), Ok(())),
    ];
    for ((stops, lifts), expected) in table {
        let mut books = Books::ready();
        propose(&mut books, now(), ADA, &act(1, stops)).expect("one key is enough");
        assert_eq!(pay(&mut books, 1, now()), expected, "{stops:?}");
        let lift = act(2, lifts);
        let open = propose(&mut books, now(), ADA, &lift).expect("proposed");
        assert_eq!((open.keys, open.standing), (2, ActStanding::Open));
        assert_eq!(pay(&mut books, 2, now()), expected, "one key lifts nothing: {stops:?}");
        let same = decide(&mut books, now(), ADA, &lift, ActVerdict::Approved);
        assert_eq!(same.expect_err("the same key").name, ActSamePerson);
        assert_eq!(pay(&mut books, 3, now()), expected, "the same key twice lifts nothing");
        decide(&mut books, now(), BEN, &lift, ActVerdict::Approved).expect("another person");
        assert_eq!(pay(&mut books, 4, now()), Ok(()), "{lifts:?}");
        let refolded = books.settlement.refold(settlement_genesis());
        assert_eq!(refolded, books.settlement.state);
        let image = books.settlement.state.save();
        assert_eq!(Image::load(&image), Ok(books.settlement.state));
    }
}

/// What no book takes, who sends it, and the rule that says so.
fn hostile() -> Vec<(&'static str, u8, Act, RuleName)> {
    let stop = ActKind::Suspend(bank_nl());
    let resume = ActKind::Resume(bank_nl());
    let base = act(9, stop);
    let lift = act(9, resume);
    let unknown = |subject| Act { what: ActKind::Suspend(subject), ..base.clone() };
    let strange = terms::AccountId::from_bytes([9; 16]);
    vec![
        ("stranger", 0x99, base.clone(), ActSignerMayNot),
        ("a checker lifts", CAI, lift.clone(), ActSignerMayNot),
        (
            "elsewhere",
            ADA,
            Act { environment: name("production"), ..base.clone() },
            EnvironmentsDiffer,
        ),
        ("another book", ADA, Act { book: name("other"), ..base.clone() }, BooksDiffer),
        ("layout", ADA, Act { layout: 2, ..base.clone() }, ActMalformed),
        ("no reason", ADA, Act { reason: " ".into(), ..base.clone() }, ActMalformed),
        ("long", ADA, Act { reason: "x".repeat(1_001), ..base.clone() }, ActMalformed),
        (
            "a lift that ends",
            ADA,
            Act { until: Some(now().plus(seconds(9))), ..lift.clone() },
            ActMalformed,
        ),
        ("nobody", ADA, unknown(Subject::Participant(name("nobody"))), ActSubjectUnknown),
        ("no corridor", ADA, unknown(Subject::Corridor(name("nl-us"))), ActSubjectUnknown),
        ("no asset", ADA, unknown(Subject::Asset(name("USD.2@x"))), ActSubjectUnknown),
        (
            "no such account",
            ADA,
            Act {
                what: ActKind::Freeze(settlement_of("bank-nl", sgd()), Stop::Both),
                ..base.clone()
            },
            ActSubjectUnknown,
        ),
        (
            "no such bank",
            ADA,
            Act {
                what: ActKind::Freeze(ActAccount::Customer(name("x"), strange), Stop::Both),
                ..base.clone()
            },
            ActSubjectUnknown,
        ),
        ("over", ADA, Act { until: Some(now()), ..base.clone() }, ActDatesWrong),
        ("past until", ADA, Act { until: Some(start()), ..base.clone() }, ActDatesWrong),
        (
            "before it begins",
            ADA,
            Act {
                from: now().plus(seconds(9)),
                until: Some(now().plus(seconds(8))),
                ..base.clone()
            },
            ActDatesWrong,
        ),
        ("long ago", ADA, Act { from: now().minus(seconds(3_601)), ..base.clone() }, ActDatesWrong),
        (
            "too far",
            ADA,
            Act { from: now().plus(seconds(400_000_000)), ..base.clone() },
            ActDatesWrong,
        ),
        ("no time to decide", ADA, Act { decide_by: now(), ..lift.clone() }, ActDatesWrong),
        ("nothing to lift", ADA, lift.clone(), ActNothingToLift),
    ]
}

#[test]
fn hostile_proposals_are_refused_by_name_and_leave_no_fact() {
    for (what, by, act, expected) in hostile() {
        let mut books = Books::ready();
        let before = books.clone();
        let got = propose(&mut books, now(), by, &act).expect_err(what);
        assert_eq!(got.name, expected, "{what}: {got}");
        assert_eq!(books.settlement.state, before.settlement.state, "{what}");
        assert_eq!(books.settlement.next(), before.settlement.next(), "{what}");
    }
}

#[test]
fn hostile_decisions_are_refused_by_name() {
    let mut books = Books::ready();
    propose(&mut books, now(), ADA, &act(1, ActKind::Suspend(bank_nl()))).expect("stopped");
    let lift = act(2, ActKind::Resume(bank_nl()));
    propose(&mut books, now(), ADA, &lift).expect("proposed");
    let good = ActDecision {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        act: lift.id,
        digest: lift.digest(),
        verdict: ActVerdict::Approved,
        reason: "looked at it".into(),
    };
    let wrong = [
        ("stranger", 0x99, good.clone(), ActSignerMayNot),
        ("a maker only", DEE, good.clone(), ActSignerMayNot),
        ("the same key", ADA, good.clone(), ActSamePerson),
        ("the same person's other key", ADA_TOO, good.clone(), ActSamePerson),
        (
            "another takes it back",
            BEN,
            ActDecision { verdict: ActVerdict::Withdrawn, ..good.clone() },
            ActSignerMayNot,
        ),
        (
            "elsewhere",
            BEN,
            ActDecision { environment: name("production"), ..good.clone() },
            EnvironmentsDiffer,
        ),
        ("another book", BEN, ActDecision { book: name("other"), ..good.clone() }, BooksDiffer),
        (
            "unknown",
            BEN,
            ActDecision { act: ActId::from_bytes([7; 16]), ..good.clone() },
            ActNotOpen,
        ),
        ("another wording", BEN, ActDecision { digest: Digest::ZERO, ..good.clone() }, ActDiffers),
        ("no reason", BEN, ActDecision { reason: String::new(), ..good.clone() }, ActMalformed),
        ("layout", BEN, ActDecision { layout: 0, ..good.clone() }, ActMalformed),
    ];
    for (what, by, decision, expected) in wrong {
        let before = books.settlement.next();
        let got = tell(&mut books, now(), by, &decision).expect_err(what);
        assert_eq!(got.name, expected, "{what}: {got}");
        assert_eq!(books.settlement.next(), before, "{what}");
    }
    let late = lift.decide_by;
    let got = tell(&mut books, late, BEN, &good).expect_err("late");
    assert_eq!(got.name, ActLapsed);
    let at = Instant::from_nanos(late.nanos() - 1);
    assert_eq!(
        tell(&mut books, at, CAI, &good).expect("in time").standing,
        ActStanding::Decided(at)
    );
    let again = tell(&mut books, late, CAI, &good).expect("the first answer");
    assert_eq!(again.standing, ActStanding::Decided(at));
    let other = ActDecision { verdict: ActVerdict::Rejected, ..good };
    assert_eq!(tell(&mut books, late, CAI, &other).expect_err("decided").name, ActNotOpen);
}

#[test]
fn an_act_is_proposed_once_and_taken_back_by_its_maker_only() {
    let mut books = Books::ready();
    let stop = act(1, ActKind::Suspend(bank_nl()));
    propose(&mut books, now(), ADA, &stop).expect("stopped");
    let next = books.settlement.next();
    propose(&mut books, now(), ADA, &stop).expect("the first answer");
    assert_eq!(books.settlement.next(), next, "no second fact");
    let other = Act { reason: "another".into(), ..stop.clone() };
    assert_eq!(propose(&mut books, now(), ADA, &other).expect_err("other").name, ActIdUsed);
    assert_eq!(propose(&mut books, now(), BEN, &stop).expect_err("other key").name, ActIdUsed);
    let lift = act(2, ActKind::Resume(bank_nl()));
    propose(&mut books, now(), ADA, &lift).expect("proposed");
    decide(&mut books, now(), ADA, &lift, ActVerdict::Withdrawn).expect("taken back");
    let late = decide(&mut books, now(), BEN, &lift, ActVerdict::Approved);
    assert_eq!(late.expect_err("withdrawn").name, ActNotOpen);
    let lift = act(3, ActKind::Resume(bank_nl()));
    propose(&mut books, now(), ADA, &lift).expect("proposed");
    decide(&mut books, now(), BEN, &lift, ActVerdict::Rejected).expect("rejected");
    assert_eq!(pay(&mut books, 1, now()), Err(ParticipantSuspended));
}

#[test]
fn a_window_holds_to_the_nanosecond_without_any_sweep() {
    let mut books = Books::ready();
    let (from, until) = (now().plus(seconds(10)), now().plus(seconds(20)));
    let what = ActKind::Suspend(Subject::Corridor(corridor()));
    let stop = Act { from, until: Some(until), ..act(1, what) };
    propose(&mut books, now(), ADA, &stop).expect("planned");
    let before = |at: Instant| Instant::from_nanos(at.nanos() - 1);
    let table = [
        (now(), Ok(())),
        (before(from), Ok(())),
        (from, Err(CorridorSuspended)),
        (before(until), Err(CorridorSuspended)),
        (until, Ok(())),
    ];
    for (number, (at, expected)) in (1..).zip(table) {
        assert_eq!(pay(&mut books, number, at), expected, "{at}");
    }
}

#[test]
fn an_order_and_a_stop_in_one_batch_go_by_their_order_in_the_queue() {
    let what = ActKind::Suspend(Subject::Asset(sgd()));
    let mut books = Books::ready();
    assert_eq!(pay(&mut books, 1, now()), Ok(()), "the order stands first");
    propose(&mut books, now(), ADA, &act(1, what)).expect("at the same stamp");
    assert_eq!(pay(&mut books, 2, now()), Err(AssetSuspended), "the act stands first");
    let lift = act(2, ActKind::Resume(Subject::Asset(sgd())));
    propose(&mut books, now(), ADA, &lift).expect("proposed");
    assert_eq!(pay(&mut books, 3, now()), Err(AssetSuspended));
    decide(&mut books, now(), BEN, &lift, ActVerdict::Approved).expect("approved");
    assert_eq!(pay(&mut books, 4, now()), Ok(()), "at the same stamp");
}

#[test]
fn a_lift_ends_what_was_known_when_it_was_proposed_and_nothing_since() {
    let mut books = Books::ready();
    let stop = ActKind::Suspend(bank_nl());
    propose(&mut books, now(), ADA, &act(1, stop)).expect("stopped");
    let lift = act(2, ActKind::Resume(bank_nl()));
    propose(&mut books, now(), ADA, &lift).expect("proposed");
    propose(&mut books, now(), CAI, &act(3, stop)).expect("another alarm");
    decide(&mut books, now(), BEN, &lift, ActVerdict::Approved).expect("approved");
    assert_eq!(pay(&mut books, 1, now()), Err(ParticipantSuspended), "the alarm since stands");
    let lift = act(4, ActKind::Resume(bank_nl()));
    propose(&mut books, now(), BEN, &lift).expect("proposed");
    decide(&mut books, now(), ADA, &lift, ActVerdict::Approved).expect("approved");
    assert_eq!(pay(&mut books, 2, now()), Ok(()));
}

#[test]
fn what_is_set_is_set_once_at_its_moment_and_one_key_never_loosens() {
    let mut books = Books::ready();
    let at = now().plus(seconds(10));
    let later = Act { from: at, ..act(1, limits(0, Some(20_000_000))) };
    propose(&mut books, now(), ADA, &later).expect("one key tightens");
    assert!(!carry(&mut books, now()), "its moment has not come");
    // Until then another act makes it tighter still: the first would loosen now.
    propose(&mut books, now(), BEN, &act(2, limits(0, Some(15_000_000)))).expect("at once");
    let account = books.settlement.state.settlement_account(name("bank-nl"), eur()).expect("one");
    let ceiling = |books: &Books| {
        books.settlement.state.ledger().account(account).expect("an account").ceiling()
    };
    assert_eq!(ceiling(&books), ledger::Ceiling::At(Minor::new(15_000_000)));
    assert!(carry(&mut books, at));
    let fell = books.settlement.state.acts().act(later.id).expect("kept").standing.clone();
    assert!(matches!(fell, ActStanding::FellThrough(rule, _) if rule == "ActLoosens"));
    assert_eq!(ceiling(&books), ledger::Ceiling::At(Minor::new(15_000_000)));
    assert!(!carry(&mut books, at), "once");
    // Two persons loosen; what the ledger refuses falls through.
    let wide = Act { from: at, ..act(3, limits(50, None)) };
    propose(&mut books, at, ADA, &wide).expect("proposed");
    decide(&mut books, at, BEN, &wide, ActVerdict::Approved).expect("approved");
    assert_eq!(ceiling(&books), ledger::Ceiling::Unlimited);
    let tight = Act { from: at, ..act(4, limits(0, Some(1))) };
    let got = propose(&mut books, at, ADA, &tight).expect("taken");
    assert!(matches!(got.standing, ActStanding::FellThrough(..)), "{got:?}");
    propose(&mut books, at, ADA, &Act { from: at, ..act(5, low_water(700)) }).expect("a mark");
    assert_eq!(books.settlement.state.acts().low_water(account), Some(Minor::new(700)));
    assert_eq!(books.settlement.refold(settlement_genesis()), books.settlement.state);
}

#[test]
fn what_settled_before_the_switch_is_credited_after_it() {
    let mut books = Books::ready();
    let order = OrderParts::of(Deal::number(1)).checked().expect("an order");
    let mut route = Route::of_client(order);
    // Until it has settled, and no further.
    while route.ending().is_none() {
        let action = route.next();
        let heard = books.carry(now(), &route, action);
        route.hear(heard);
    }
    for (number, subject) in
        (1..).zip([bank_nl(), Subject::Corridor(corridor()), Subject::Asset(sgd())])
    {
        propose(&mut books, now(), ADA, &act(number, ActKind::Suspend(subject))).expect("stopped");
    }
    assert!(matches!(books.drive(now(), route), Finish::Ended(Ending::Settled, _)));
    assert!(books.creditor.state.credited_at(Deal::number(1).payment()).is_some());
}

#[test]
fn a_customers_book_is_told_how_an_account_shall_stand() {
    use clearing::customers::Restriction;
    let mut books = Books::ready();
    let payer = account(Side::Debtor, 0);
    let told = |at: u64, stop| {
        CustomerWork::Restrict(Restriction {
            act: ActId::from_bytes([1; 16]),
            ordered_at: terms::Position::new(at),
            account: payer,
            stop,
        })
    };
    let tell = |books: &mut Books, work| books.tell(now(), Side::Debtor, work);
    assert_eq!(tell(&mut books, told(5, Some(Stop::Debits))), CustomerAnswer::Done);
    assert_eq!(books.debtor.state.stop_of(payer), Some(Stop::Debits));
    let next = books.debtor.next();
    assert_eq!(tell(&mut books, told(5, Some(Stop::Debits))), CustomerAnswer::Done);
    assert_eq!(books.debtor.next(), next, "told again: no fact");
    assert_eq!(tell(&mut books, told(4, None)), CustomerAnswer::Done);
    assert_eq!(books.debtor.state.stop_of(payer), Some(Stop::Debits), "an older word");
    assert_eq!(pay(&mut books, 1, now()), Err(AccountFrozen), "refused before any hold");
    assert_eq!(tell(&mut books, told(6, None)), CustomerAnswer::Done);
    assert_eq!(pay(&mut books, 2, now()), Ok(()));
    let own = CustomerWork::Restrict(Restriction {
        act: ActId::from_bytes([1; 16]),
        ordered_at: terms::Position::new(9),
        account: own_account(1),
        stop: Some(Stop::Both),
    });
    assert!(matches!(tell(&mut books, own), CustomerAnswer::Refused(rule)
        if rule.name == AccountUnknown));
}

#[test]
fn nobody_signs_with_a_key_of_another_use() {
    let books = Books::ready();
    let stop = act(1, ActKind::Suspend(bank_nl()));
    let forged = Signed::sign(&stop, &Who::Operator.key());
    let got = check_act(forged, &operators()).expect_err("no operator's");
    assert_eq!((got.name, books.settlement.state.acts().iter().count()), (ActSignerMayNot, 0));
}

/// Acts by the hundred.
fn numbered(number: u32, what: ActKind) -> Act {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    Act { id: ActId::from_bytes(id), ..act(1, what) }
}

#[test]
fn acts_that_wait_are_bounded_and_an_alarm_is_not_among_them() {
    let mut books = Books::ready();
    propose(&mut books, now(), ADA, &numbered(0, ActKind::Suspend(bank_nl()))).expect("stopped");
    let lift = |number| numbered(number, ActKind::Resume(bank_nl()));
    for number in 1..=256 {
        propose(&mut books, now(), ADA, &lift(number)).expect("room");
    }
    let full = propose(&mut books, now(), ADA, &lift(257)).expect_err("full");
    assert_eq!(full.name, ActsTooMany);
    let alarm = numbered(258, ActKind::Suspend(Subject::Asset(sgd())));
    propose(&mut books, now(), CAI, &alarm).expect("an alarm is always taken");
    let later = now().plus(seconds(3_600));
    let again = Act { from: later, decide_by: later.plus(seconds(9)), ..lift(257) };
    propose(&mut books, later, ADA, &again).expect("what lapsed waits no more");
}

#[test]
fn freezes_add_up_and_the_newest_word_about_a_customer_is_told() {
    let mut books = Books::ready();
    let of = ActAccount::Customer(name("bank-nl"), account(Side::Debtor, 0));
    propose(&mut books, now(), ADA, &act(1, ActKind::Freeze(of, Stop::Debits))).expect("frozen");
    let thaw = act(2, ActKind::Thaw(of));
    propose(&mut books, now(), ADA, &thaw).expect("proposed");
    let planned = Act { from: now().plus(seconds(10)), ..act(3, ActKind::Suspend(bank_nl())) };
    propose(&mut books, now(), ADA, &planned).expect("planned");
    propose(&mut books, now(), BEN, &act(4, ActKind::Freeze(of, Stop::Credits))).expect("too");
    let sides = |books: &Books| books.settlement.state.acts().stops().sides(now(), of);
    assert_eq!(sides(&books), Some(Stop::Both));
    assert_eq!(pay(&mut books, 1, now()), Err(AccountFrozen));
    decide(&mut books, now(), BEN, &thaw, ActVerdict::Approved).expect("approved");
    assert_eq!(sides(&books), Some(Stop::Credits), "the freeze since stands");
    let told: Vec<ActId> =
        books.settlement.state.acts().stops().customers().map(|(_, _, told)| told.act).collect();
    assert_eq!(told, [ActId::from_bytes([4; 16])], "an older lift is no newer word");
    assert_eq!(pay(&mut books, 2, now()), Ok(()));
    // What is only planned was not forgotten by the acts since.
    assert_eq!(pay(&mut books, 3, planned.from), Err(ParticipantSuspended));
}

#[test]
fn acts_take_effect_in_the_order_of_their_moments() {
    let mut books = Books::ready();
    let at = |n| now().plus(seconds(n));
    let late = Act { from: at(20), ..act(1, low_water(700)) };
    let early = Act { from: at(10), ..act(2, low_water(500)) };
    for one in [&late, &early] {
        propose(&mut books, now(), ADA, one).expect("planned");
    }
    assert!(carry(&mut books, at(30)) && carry(&mut books, at(30)));
    // The other way round the second would loosen what the first set.
    for one in [&late, &early] {
        let stands = &books.settlement.state.acts().act(one.id).expect("kept").standing;
        assert!(matches!(stands, ActStanding::Done(_)), "{stands:?}");
    }
}

#[test]
fn the_first_answer_again_is_for_the_person_who_gave_it() {
    let mut books = Books::ready();
    propose(&mut books, now(), ADA, &act(1, ActKind::Suspend(bank_nl()))).expect("stopped");
    let lift = act(2, ActKind::Resume(bank_nl()));
    propose(&mut books, now(), ADA, &lift).expect("proposed");
    let first = decide(&mut books, now(), BEN, &lift, ActVerdict::Approved).expect("approved");
    let again = decide(&mut books, now(), BEN, &lift, ActVerdict::Approved).expect("again");
    assert_eq!((first.standing, first.checker), (again.standing, again.checker));
    let other = decide(&mut books, now(), CAI, &lift, ActVerdict::Approved);
    assert_eq!(other.expect_err("it was Ben's").name, ActNotOpen);
}

#[test]
fn a_stop_that_is_lifted_before_it_begins_never_holds_and_is_nothing_to_lift() {
    let mut books = Books::ready();
    let at = |n| now().plus(seconds(n));
    let planned = Act { from: at(10), ..act(1, ActKind::Suspend(bank_nl())) };
    propose(&mut books, now(), ADA, &planned).expect("planned");
    let lift = Act { from: at(5), ..act(2, ActKind::Resume(bank_nl())) };
    propose(&mut books, now(), ADA, &lift).expect("proposed");
    decide(&mut books, now(), BEN, &lift, ActVerdict::Approved).expect("approved");
    let again = Act { from: at(2), ..act(3, ActKind::Resume(bank_nl())) };
    let again = propose(&mut books, at(2), ADA, &again);
    assert_eq!(again.expect_err("it will never hold").name, ActNothingToLift);
    assert_eq!(pay(&mut books, 1, at(12)), Ok(()));
}
