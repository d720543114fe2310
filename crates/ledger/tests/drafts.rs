//! Drafts: what their lines come to, and that the same request is known again.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops")]

mod support;

use ledger::{
    Answer, Ask, Available, Ceiling, Command, Draft, Floor, FullLedger, HoldState, Line, Part,
    Refusal, Resolved, Rest, Side, Term, VoidGround,
};
use support::{account, at, eur, funded, hold, limit, opening, placement, run, transaction, txn};
use terms::Minor;

const LEFT: Side = Side::Debit;
const RIGHT: Side = Side::Credit;

fn line(n: u8, side: Side, ask: Ask) -> Line {
    Line { account: account(n), side, ask, part: None }
}

fn draft(n: u128, lines: Vec<Line>) -> Command {
    let plain = transaction(n, vec![]);
    Command::PostDraft(Draft {
        id: plain.id,
        business_date: plain.business_date,
        reason: plain.reason,
        lines,
        claims: vec![],
        links: vec![],
        detail: None,
    })
}

/// Account, side and amount of each entry that a draft comes to.
fn entries(ledger: &mut FullLedger, lines: Vec<Line>) -> Result<Vec<(u8, Side, u128)>, Refusal> {
    let changes = run(ledger, 9, &draft(77, lines))?;
    let Resolved::Posted { transaction, .. } = changes[0].resolved() else { return Ok(vec![]) };
    let of = |e: &ledger::Entry| (e.account.bytes()[0], e.side, e.amount.units());
    Ok(transaction.entries.iter().map(of).collect())
}

const fn exact(units: u128) -> Ask {
    Ask::Exact(Minor::new(units))
}

const fn up_to(units: u128) -> Ask {
    Ask::UpTo(Minor::new(units))
}

const fn share(weight: u32) -> Ask {
    Ask::Share { weight }
}

/// 1,000 on account 3 of which 100 are blocked; account 4 takes at most 500; 6 to 8 are empty.
fn world() -> FullLedger {
    let mut ledger = funded();
    for n in 6..9 {
        let new = opening(n, eur(), Floor::MayNotGoBelowZero, Ceiling::Unlimited);
        run(&mut ledger, 3, &Command::OpenAccount(new)).unwrap();
    }
    let block = Command::SetBlocked { account: account(3), amount: Minor::new(100) };
    run(&mut ledger, 3, &block).unwrap();
    ledger
}

/// What it shows, the lines, and the entries that they come to.
type Case = (&'static str, Vec<Line>, Vec<(u8, Side, u128)>);

/// Amounts that an account bounds.
fn bounded() -> Vec<Case> {
    let rest = Ask::Remainder;
    let sweep = line(3, LEFT, Ask::Everything);
    vec![
        (
            "as much as available",
            vec![line(3, LEFT, up_to(2000)), line(6, RIGHT, rest)],
            vec![(3, LEFT, 900), (6, RIGHT, 900)],
        ),
        (
            "no more than asked",
            vec![line(3, LEFT, up_to(7)), line(6, RIGHT, rest)],
            vec![(3, LEFT, 7), (6, RIGHT, 7)],
        ),
        ("a sweep", vec![sweep, line(6, RIGHT, rest)], vec![(3, LEFT, 900), (6, RIGHT, 900)]),
        (
            "a sweep up to a ceiling",
            vec![line(1, LEFT, rest), line(4, RIGHT, Ask::Everything)],
            vec![(1, LEFT, 500), (4, RIGHT, 500)],
        ),
        (
            "exact lines count first, whatever their place",
            vec![sweep, line(3, LEFT, exact(200)), line(6, RIGHT, rest)],
            vec![(3, LEFT, 700), (3, LEFT, 200), (6, RIGHT, 900)],
        ),
        (
            "bounded lines count in their order",
            vec![
                line(3, LEFT, up_to(800)),
                line(3, LEFT, up_to(800)),
                line(4, RIGHT, up_to(600)),
                line(6, RIGHT, rest),
            ],
            vec![(3, LEFT, 800), (3, LEFT, 100), (4, RIGHT, 500), (6, RIGHT, 400)],
        ),
        (
            "what comes to nothing is left out",
            vec![
                line(6, LEFT, up_to(5)),
                line(3, LEFT, exact(1)),
                line(7, RIGHT, share(1)),
                line(8, RIGHT, share(9)),
            ],
            vec![(3, LEFT, 1), (8, RIGHT, 1)],
        ),
        (
            "each asset by itself",
            vec![
                line(5, LEFT, Ask::Everything),
                line(2, RIGHT, rest),
                line(3, LEFT, exact(3)),
                line(6, RIGHT, rest),
            ],
            vec![(5, LEFT, 1000), (2, RIGHT, 1000), (3, LEFT, 3), (6, RIGHT, 3)],
        ),
    ]
}

/// What the lines leave, divided.
fn divided() -> Vec<Case> {
    let rest = Ask::Remainder;
    vec![
        (
            "the largest fractions get what is left over",
            vec![
                line(3, LEFT, exact(100)),
                line(6, RIGHT, share(1)),
                line(7, RIGHT, share(1)),
                line(8, RIGHT, share(1)),
            ],
            vec![(3, LEFT, 100), (6, RIGHT, 34), (7, RIGHT, 33), (8, RIGHT, 33)],
        ),
        (
            "not the earliest ones",
            vec![
                line(3, LEFT, exact(10)),
                line(6, RIGHT, share(1)),
                line(7, RIGHT, share(2)),
                line(8, RIGHT, share(4)),
            ],
            // 1 3/7, 2 6/7, 5 5/7.
            vec![(3, LEFT, 10), (6, RIGHT, 1), (7, RIGHT, 3), (8, RIGHT, 6)],
        ),
        (
            "a named line takes what is left over",
            vec![
                line(3, LEFT, exact(100)),
                line(6, RIGHT, share(1)),
                line(7, RIGHT, share(2)),
                line(8, RIGHT, rest),
            ],
            vec![(3, LEFT, 100), (6, RIGHT, 33), (7, RIGHT, 66), (8, RIGHT, 1)],
        ),
        (
            "an exact fee before the split",
            vec![
                line(3, LEFT, exact(100)),
                line(6, RIGHT, exact(9)),
                line(7, RIGHT, share(1)),
                line(8, RIGHT, share(3)),
            ],
            vec![(3, LEFT, 100), (6, RIGHT, 9), (7, RIGHT, 23), (8, RIGHT, 68)],
        ),
    ]
}

#[test]
fn each_line_comes_to_what_is_written_of_it() {
    for (name, lines, expected) in [bounded(), divided()].concat() {
        let mut ledger = world();
        assert_eq!(entries(&mut ledger, lines), Ok(expected), "{name}");
        assert_eq!(ledger.audit(), Ok(()), "{name}");
    }
}

#[test]
fn what_the_lines_come_to_is_judged_like_any_other_transaction() {
    let mut ledger = world();
    let unequal = vec![line(3, LEFT, up_to(7)), line(6, RIGHT, exact(8))];
    assert!(matches!(entries(&mut ledger, unequal), Err(Refusal::DebitsMustEqualCredits { .. })));
    let over = vec![line(3, LEFT, exact(901)), line(6, RIGHT, share(1))];
    assert!(matches!(entries(&mut ledger, over), Err(Refusal::InsufficientFunds { .. })));
    let high = vec![line(3, LEFT, exact(600)), line(4, RIGHT, share(1))];
    assert!(matches!(entries(&mut ledger, high), Err(Refusal::CeilingExceeded { .. })));
    let most = u128::MAX;
    let huge = vec![line(1, LEFT, exact(most)), line(1, LEFT, exact(1)), line(6, RIGHT, share(1))];
    assert!(matches!(entries(&mut ledger, huge), Err(Refusal::AmountTooLarge { .. })));
    // Weights as large as they may be, of an amount as large as it may be.
    let wide = vec![
        line(1, LEFT, exact(most - 5000)),
        line(6, RIGHT, share(u32::MAX)),
        line(7, RIGHT, share(u32::MAX)),
        line(8, RIGHT, Ask::Remainder),
    ];
    let half = (most - 5000) / 2;
    let got = entries(&mut ledger, wide).unwrap();
    assert_eq!(got[1..], [(6, RIGHT, half), (7, RIGHT, half), (8, RIGHT, 1)]);
}

#[test]
fn the_same_draft_is_the_first_answer_and_another_one_a_conflict() {
    let mut ledger = world();
    let sweep = draft(5, vec![line(3, LEFT, Ask::Everything), line(6, RIGHT, Ask::Remainder)]);
    run(&mut ledger, 4, &sweep).unwrap();
    // By now it would come to nothing: what it came to first is the answer.
    let again = ledger.check(at(9), &sweep).unwrap();
    assert_eq!(again.outcome().answer, Answer::Repeated { first: at(4) });
    assert!(again.changes().is_empty());
    let conflict = |field| Refusal::IdUsedWithOtherContent { field };
    let other = draft(5, vec![line(3, LEFT, up_to(900)), line(6, RIGHT, Ask::Remainder)]);
    assert_eq!(ledger.check(at(9), &other).unwrap_err(), conflict("lines"));
    // The entries that it came to are not what was asked.
    let (_, posted) = ledger.transaction(txn(5)).unwrap();
    let exactly = Command::Post(posted.clone());
    assert_eq!(ledger.check(at(9), &exactly).unwrap_err(), conflict("lines"));
    let plain = support::post(6, vec![support::debit(1, 5), support::credit(3, 5)]);
    run(&mut ledger, 5, &plain).unwrap();
    let drafted = draft(6, vec![line(1, LEFT, exact(5)), line(3, RIGHT, exact(5))]);
    assert_eq!(ledger.check(at(9), &drafted).unwrap_err(), conflict("lines"));
}

fn part(n: u8, ask: Ask, id: u128, rest: Rest) -> Line {
    Line { part: Some(Part { hold: hold(id), rest }), ..line(n, LEFT, ask) }
}

#[test]
fn a_part_of_a_hold_may_be_posted_and_the_rest_stays_held() {
    let mut ledger = world();
    let bound = limit(1, eur(), 1000, 9);
    let mut new = placement(1, 3, 600, Term::Expiring { at: at(50) });
    new.limits = vec![bound];
    run(&mut ledger, 3, &Command::PlaceHold(new.clone())).unwrap();
    let take = |n, ask, rest| draft(n, vec![part(3, ask, 1, rest), line(6, RIGHT, Ask::Remainder)]);
    run(&mut ledger, 4, &take(1, exact(150), Rest::Kept)).unwrap();
    run(&mut ledger, 5, &take(2, exact(50), Rest::Kept)).unwrap();
    let held = ledger.hold(hold(1)).unwrap().clone();
    assert_eq!((held.taken(), held.remaining()), (Minor::new(200), Minor::new(400)));
    assert_eq!(held.state(), HoldState::Open(Term::Expiring { at: at(50) }));
    // 1,000, less 200 posted, 400 held and 100 blocked.
    let available = ledger.balances(account(3)).unwrap().available;
    assert_eq!(available, Available::UpTo(Minor::new(300)));
    let bucket = bound.bucket(new.business_date, at(3));
    assert_eq!(ledger.counter(&bucket).amount, Minor::new(600));
    let over = ledger.check(at(6), &take(3, exact(401), Rest::Kept)).unwrap_err();
    let expected = Minor::new(400);
    assert_eq!(over, Refusal::AmountExceedsHold { hold: hold(1), expected, got: Minor::new(401) });
    // The same placement is still known, whole.
    let again = ledger.check(at(6), &Command::PlaceHold(new)).unwrap();
    assert_eq!(again.outcome().answer, Answer::Repeated { first: at(3) });
    assert_eq!(ledger.audit(), Ok(()));
    let ends: [(Command, HoldState, u128); 4] = [
        (
            take(4, Ask::Everything, Rest::Kept),
            HoldState::Posted { transaction: txn(4), amount: Minor::new(400) },
            600,
        ),
        (
            take(4, up_to(10), Rest::Released),
            HoldState::Posted { transaction: txn(4), amount: Minor::new(10) },
            210,
        ),
        (
            Command::VoidHold { hold: hold(1), ground: VoidGround::Cancelled },
            HoldState::Voided,
            200,
        ),
        (Command::ExpireHolds { at_most: 1 }, HoldState::Expired, 200),
    ];
    for (command, state, counted) in ends {
        let mut ledger = ledger.clone();
        let stamp = if state == HoldState::Expired { 50 } else { 7 };
        run(&mut ledger, stamp, &command).unwrap();
        assert_eq!(ledger.hold(hold(1)).unwrap().state(), state);
        let counter = ledger.counter(&bucket);
        // What was posted keeps counting, and so does that there was something.
        assert_eq!((counter.amount, counter.count), (Minor::new(counted), 1), "{state:?}");
        assert!(ledger.balances(account(3)).unwrap().debits_pending.is_zero());
        assert_eq!(ledger.audit(), Ok(()));
    }
}
