//! Acts against a slow model: one list of what was said, asked anew at each stamp.
//!
//! The model knows nothing of windows or positions: at each question it walks through everything
//! that was ever decided. Beside it: whatever one person did alone, nothing became looser.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test fail by panicking"
)]

use core::time::Duration;

use clearing::settlement::acts::stops::Stopped;
use clearing::settlement::acts::{ActStanding, ActsAnswer, ActsWork};
use clearing::testkit::{Books, environment, eur, name, now, settlement_genesis, settlement_name};
use clearing::{May, Operator, SettlementAnswer, SettlementWork, check_act, check_act_decision};
use ledger::{Ceiling, Floor};
use proptest::collection::vec;
use proptest::prelude::*;
use record::{
    AccountLimits, Act, ActAccount, ActDecision, ActKind, ActVerdict, Document, Signed, Stop,
    Subject,
};
use seal::SigningKey;
use terms::{ActId, Instant, Minor};

#[derive(Clone, Copy, Debug)]
enum Move {
    Propose { kind: u8, by: u8, from: u64, lasts: Option<u64> },
    Decide { which: usize, by: u8, verdict: u8 },
    Carry,
    Wait(u64),
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        5 => (0_u8..8, 0_u8..3, 0_u64..12, proptest::option::of(1_u64..12))
            .prop_map(|(kind, by, from, lasts)| Move::Propose { kind, by, from, lasts }),
        4 => (0_usize..12, 0_u8..3, 0_u8..3)
            .prop_map(|(which, by, verdict)| Move::Decide { which, by, verdict }),
        2 => Just(Move::Carry),
        2 => (1_u64..6).prop_map(Move::Wait),
    ]
}

fn key(by: u8) -> SigningKey {
    SigningKey::from_seed(&[0x70 + by; 32])
}

fn operators() -> Vec<Operator> {
    (0..3)
        .map(|by| Operator {
            name: format!("person-{by}"),
            key: key(by).public_key(),
            may: May::Both,
        })
        .collect()
}

const ACCOUNT: fn() -> ActAccount = || ActAccount::Settlement(name("bank-nl"), eur());

fn kind_of(kind: u8) -> ActKind {
    let participant = Subject::Participant(name("bank-nl"));
    let mark = |minor| ActKind::SetLowWater(name("bank-nl"), eur(), Minor::new(minor));
    let limits = |ceiling| {
        let limits = AccountLimits { overdraft: Minor::ZERO, ceiling: Some(Minor::new(ceiling)) };
        ActKind::SetLimits(name("bank-nl"), eur(), limits)
    };
    match kind {
        0 => ActKind::Suspend(participant),
        1 => ActKind::Resume(participant),
        2 => ActKind::Freeze(ACCOUNT(), Stop::Debits),
        3 => ActKind::Freeze(ACCOUNT(), Stop::Credits),
        4 => ActKind::Thaw(ACCOUNT()),
        5 => mark(100),
        6 => limits(50_000_000),
        _ => limits(60_000_000),
    }
}

/// What was proposed, and when it was decided for good.
struct Said {
    act: Act,
    maker: u8,
    order: usize,
    approved: Option<Instant>,
    closed: bool,
}

/// Whether a stop of `said` holds at `at`: decided, begun, not over, and no lift that was proposed
/// after it and began by now.
fn holds(all: &[Said], said: &Said, at: Instant) -> bool {
    let Some(approved) = said.approved else { return false };
    let lifted = |lift: &Said| {
        let same = match (said.act.what, lift.act.what) {
            (ActKind::Suspend(stopped), ActKind::Resume(resumed)) => stopped == resumed,
            (ActKind::Freeze(frozen, _), ActKind::Thaw(thawed)) => frozen == thawed,
            _ => false,
        };
        let began = lift.approved.is_some_and(|when| when.max(lift.act.from) <= at);
        same && began && lift.order > said.order
    };
    let begun = approved.max(said.act.from) <= at;
    let over = said.act.until.is_some_and(|until| until <= at);
    begun && !over && !all.iter().any(lifted)
}

fn looser(books: &Books) -> (Floor, u128, u128) {
    let state = &books.settlement.state;
    let account = state.settlement_account(name("bank-nl"), eur()).expect("one");
    let known = state.ledger().account(account).expect("one");
    let ceiling = match known.ceiling() {
        Ceiling::At(minor) => minor.units(),
        Ceiling::Unlimited => u128::MAX,
    };
    let mark = state.acts().low_water(account).unwrap_or(Minor::ZERO).units();
    (known.floor(), ceiling, mark)
}

fn ask(books: &mut Books, at: Instant, work: ActsWork) -> ActsAnswer {
    match books.settle(at, SettlementWork::Acts(Box::new(work))).0 {
        SettlementAnswer::Acts(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

fn step(books: &mut Books, all: &mut Vec<Said>, at: &mut Instant, made: Move) {
    match made {
        Move::Wait(seconds) => *at = at.plus(Duration::from_secs(seconds)),
        Move::Carry => {
            // By hand and not at all: what is stopped must not depend on it.
            let _ = ask(books, *at, ActsWork::Carry);
        }
        Move::Propose { kind, by, from, lasts } => {
            let what = kind_of(kind);
            let from = at.plus(Duration::from_secs(from));
            let ends = lasts.filter(|_| what.stops());
            let act = Act {
                layout: 1,
                environment: environment(),
                book: settlement_name(),
                id: ActId::from_bytes([u8::try_from(all.len()).expect("few"); 16]),
                what,
                reason: "a model".into(),
                from,
                until: ends.map(|seconds| from.plus(Duration::from_secs(seconds))),
                decide_by: at.plus(Duration::from_secs(20)),
            };
            let checked = check_act(Signed::sign(&act, &key(by)), &operators()).expect("a person");
            let before = looser(books);
            if let ActsAnswer::Stands(entry, _) =
                ask(books, *at, ActsWork::Propose(Box::new(checked)))
            {
                let approved = (entry.keys == 1).then_some(*at);
                assert!(what.stops() <= approved.is_some(), "an alarm needs one key");
                let order = all.len();
                all.push(Said { act, maker: by, order, approved, closed: approved.is_some() });
                tighter(before, looser(books));
            }
        }
        Move::Decide { which, by, verdict } => decide(books, all, *at, (which, by, verdict)),
    }
}

fn tighter(before: (Floor, u128, u128), after: (Floor, u128, u128)) {
    assert!(after.0 == before.0 && after.1 <= before.1 && after.2 >= before.2, "{before:?}");
}

fn decide(books: &mut Books, all: &mut [Said], at: Instant, (which, by, verdict): (usize, u8, u8)) {
    let Some(said) = all.get_mut(which) else { return };
    let verdict = match verdict {
        0 => ActVerdict::Approved,
        1 => ActVerdict::Rejected,
        _ => ActVerdict::Withdrawn,
    };
    let decision = ActDecision {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        act: said.act.id,
        digest: said.act.digest(),
        verdict,
        reason: "a model".into(),
    };
    let signed = Signed::sign(&decision, &key(by));
    let checked = check_act_decision(signed, &operators()).expect("a person");
    let before = books.settlement.next();
    let answer = ask(books, at, ActsWork::Decide(Box::new(checked)));
    let recorded = books.settlement.next() != before;
    let late = verdict == ActVerdict::Approved && at >= said.act.decide_by;
    let own = said.maker == by;
    let may = own == (verdict == ActVerdict::Withdrawn);
    assert_eq!(recorded, may && !late && !said.closed, "{answer:?}");
    if recorded {
        said.closed = true;
        said.approved = (verdict == ActVerdict::Approved).then_some(at);
    }
}

fn agrees(books: &Books, all: &[Said], at: Instant) {
    let stops = books.settlement.state.acts().stops();
    for later in [0, 1, 3, 8, 20] {
        let at = at.plus(Duration::from_secs(later));
        let participant = Subject::Participant(name("bank-nl"));
        let suspended = |said: &Said| said.act.what == ActKind::Suspend(participant);
        let expected = all.iter().any(|said| suspended(said) && holds(all, said, at));
        assert_eq!(stops.at(at, Stopped::Subject(participant)).is_some(), expected, "{later}");
        let frozen = all.iter().filter(|said| holds(all, said, at));
        let sides = frozen.filter_map(|said| match said.act.what {
            ActKind::Freeze(_, stop) => Some(stop),
            _ => None,
        });
        assert_eq!(stops.sides(at, ACCOUNT()), sides.reduce(Stop::and), "{later}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_holds_is_what_was_said_and_one_person_only_tightens(moves in vec(a_move(), 1..40)) {
        let (mut books, mut all, mut at) = (Books::ready(), Vec::new(), now());
        for made in moves {
            if matches!(made, Move::Carry) {
                let before = looser(&books);
                step(&mut books, &mut all, &mut at, made);
                let two = all.iter().any(|said| {
                    let entry = books.settlement.state.acts().act(said.act.id).expect("kept");
                    entry.keys == 2 && entry.standing == ActStanding::Done(at)
                });
                if !two {
                    tighter(before, looser(&books));
                }
            } else {
                step(&mut books, &mut all, &mut at, made);
            }
            agrees(&books, &all, at);
        }
        prop_assert_eq!(books.settlement.refold(settlement_genesis()), books.settlement.state);
    }
}
