//! One line per rule: the command breaks that rule and as many later ones as it can, and the
//! earliest speaks. The lines stand in the order of precedence.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on stops")]

mod support;

use ledger::hold::HOLD_PARTS_MAX;
use ledger::label::{METADATA_BYTES_MAX, METADATA_MAX};
use ledger::{
    Ask, Ceiling, Command, Datum, Detail, Draft, Entry, Floor, Freeze, FullLedger, Line, Link,
    Part, Refusal, Rest, Side, Term, Transaction, Value, VoidGround,
};
use support::{
    account, at, claim, credit, debit, eur, funded, held, hold, limit, opening, placement, post,
    run, sgd, transaction, txn,
};
use terms::{BusinessDate, Minor, PaymentId};

/// `funded`, and: 6 closed, 7 frozen; holds 1 posted, 2 voided, 3 expired, 4 pinned, 5 open on
/// account 3; transaction 1 posted. The stamp of the table is 20.
fn world() -> FullLedger {
    let mut ledger = funded();
    let zero = Floor::MayNotGoBelowZero;
    for n in [6, 7] {
        let new = Command::OpenAccount(opening(n, eur(), zero, Ceiling::Unlimited));
        run(&mut ledger, 3, &new).unwrap();
    }
    for (n, term) in [
        (1, Term::Pinned),
        (2, Term::Expiring { at: at(99) }),
        (3, Term::Expiring { at: at(10) }),
        (4, Term::Pinned),
        (5, Term::Expiring { at: at(99) }),
    ] {
        run(&mut ledger, 4, &Command::PlaceHold(placement(n, 3, 100, term))).unwrap();
    }
    for command in [
        Command::CloseAccount { account: account(6) },
        Command::SetFreeze { account: account(7), freeze: Freeze::Both },
        post(1, vec![held(3, 100, 1), credit(1, 100)]),
        Command::VoidHold { hold: hold(2), ground: VoidGround::Cancelled },
        Command::ExpireHolds { at_most: 9 },
    ] {
        run(&mut ledger, 12, &command).unwrap();
    }
    let worn = placement(6, 5, 300, Term::Pinned);
    run(&mut ledger, 12, &Command::PlaceHold(worn)).unwrap();
    for n in 0..HOLD_PARTS_MAX {
        run(&mut ledger, 12, &part(transaction(1_000 + u128::from(n), vec![]))).unwrap();
    }
    ledger
}

/// One unit of hold 6 on account 5; the rest stays held.
fn part(like: Transaction) -> Command {
    let Transaction { id, business_date, reason, claims, links, detail, .. } = like;
    let line =
        |n, side| Line { account: account(n), side, ask: Ask::Exact(Minor::new(1)), part: None };
    let part = Some(Part { hold: hold(6), rest: Rest::Kept });
    let lines = vec![Line { part, ..line(5, Side::Debit) }, line(2, Side::Credit)];
    Command::PostDraft(Draft { id, business_date, reason, lines, claims, links, detail })
}

/// A transaction that breaks a velocity limit, whatever else it does.
fn greedy(entries: Vec<Entry>) -> Transaction {
    let claims = vec![claim(limit(1, eur(), 0, 0), 9)];
    Transaction { claims, ..transaction(50, entries) }
}

fn bad(entries: Vec<Entry>) -> Command {
    Command::Post(greedy(entries))
}

/// A draft that breaks a velocity limit, whatever else it does.
fn drafted(lines: &[(u8, Side, Ask)]) -> Command {
    let Transaction { id, business_date, reason, claims, links, detail, .. } = greedy(vec![]);
    let line = |(n, side, ask): &(u8, Side, Ask)| Line {
        account: account(*n),
        side: *side,
        ask: *ask,
        part: None,
    };
    let lines = lines.iter().map(line).collect();
    Command::PostDraft(Draft { id, business_date, reason, lines, claims, links, detail })
}

/// Metadata of so many entries, each of so many bytes of text.
fn metadata(entries: usize, bytes: usize, same_key: bool) -> Option<Box<Detail>> {
    let datum = |n: usize| Datum {
        key: format!("key-{}", if same_key { 0 } else { n }).parse().unwrap(),
        value: Value::Text("x".repeat(bytes)),
    };
    let metadata = (0..entries).map(datum).collect();
    Some(Box::new(Detail { metadata, ..Detail::default() }))
}

/// The structural rules of a transaction and the precedence of ids over them.
fn shapes() -> Vec<(Command, Refusal)> {
    let link = Link::Payment(PaymentId::from_bytes([1; 16]));
    let nine = vec![claim(limit(1, eur(), 0, 0), 9); 9];
    let twice = vec![claim(limit(1, eur(), 0, 0), 9); 2];
    let key = twice[0].limit.key;
    let all_wrong = vec![debit(99, 0), held(3, 1, 1), held(3, 1, 1)];
    let with = |entries: &[Entry], claims: &[ledger::Claim], links| Transaction {
        claims: claims.to_vec(),
        links: vec![link; links],
        ..transaction(50, entries.to_vec())
    };
    let field = "entries";
    let noted = |detail, refusal| {
        let transaction = with(&all_wrong, &twice, 8);
        (Command::Post(Transaction { detail, ..transaction }), refusal)
    };
    vec![
        (post(1, vec![]), Refusal::IdUsedWithOtherContent { field }),
        (Command::Post(with(&[], &nine, 9)), Refusal::EntriesOutOfRange { max: 64, got: 0 }),
        (
            Command::Post(with(&[debit(99, 0); 65], &nine, 9)),
            Refusal::EntriesOutOfRange { max: 64, got: 65 },
        ),
        (Command::Post(with(&all_wrong, &nine, 9)), Refusal::LimitsOutOfRange { max: 8, got: 9 }),
        (Command::Post(with(&all_wrong, &twice, 9)), Refusal::LinksOutOfRange { max: 8, got: 9 }),
        noted(metadata(17, 3000, true), Refusal::MetadataOutOfRange { max: METADATA_MAX, got: 17 }),
        noted(
            metadata(2, 1100, true),
            Refusal::MetadataTooLarge { max: METADATA_BYTES_MAX, got: 2227 },
        ),
        noted(
            metadata(2, 900, true),
            Refusal::MetadataKeysMustDiffer { key: "key-0".parse().unwrap() },
        ),
        (
            Command::Post(with(&all_wrong, &twice, 8)),
            Refusal::AmountMustBePositive { account: account(99) },
        ),
        (
            drafted(&[(99, Side::Debit, Ask::Share { weight: 0 })]),
            Refusal::WeightMustBePositive { account: account(99) },
        ),
        (
            Command::Post(with(&all_wrong[1..], &twice, 0)),
            Refusal::HoldsMustDiffer { hold: hold(1) },
        ),
        (Command::Post(with(&[debit(99, 1)], &twice, 0)), Refusal::LimitsMustDiffer { key }),
    ]
}

/// Accounts and holds that are not there, or not as the entry says.
fn references() -> Vec<(Command, Refusal)> {
    let (expected, got) = (account(3), account(4));
    let over = Refusal::AmountExceedsHold {
        hold: hold(5),
        expected: Minor::new(100),
        got: Minor::new(101),
    };
    let void = |n| Command::VoidHold { hold: hold(n), ground: VoidGround::Cancelled };
    let other_side = Entry { side: Side::Credit, ..held(3, 101, 5) };
    let elsewhere = Entry { side: Side::Credit, ..held(4, 101, 5) };
    vec![
        (bad(vec![held(3, 1, 99), debit(99, 1)]), Refusal::UnknownAccount { account: account(99) }),
        (bad(vec![held(4, 1, 99), held(4, 1, 1)]), Refusal::UnknownHold { hold: hold(99) }),
        (
            bad(vec![held(4, 1, 3), held(4, 1, 2), held(4, 1, 1)]),
            Refusal::HoldAlreadyPosted { hold: hold(1), transaction: txn(1) },
        ),
        (bad(vec![held(4, 1, 3), held(4, 1, 2)]), Refusal::HoldAlreadyVoided { hold: hold(2) }),
        (bad(vec![held(4, 1, 3)]), Refusal::HoldAlreadyExpired { hold: hold(3) }),
        (Command::PinHold { hold: hold(4) }, Refusal::HoldAlreadyPinned { hold: hold(4) }),
        (void(4), Refusal::EvidenceRequired { hold: hold(4) }),
        (bad(vec![elsewhere]), Refusal::HoldAccountDiffers { expected, got }),
        (
            bad(vec![other_side]),
            Refusal::HoldSideDiffers { expected: Side::Debit, got: Side::Credit },
        ),
        (bad(vec![held(3, 101, 5)]), over),
        (part(greedy(vec![])), Refusal::HoldPartsOutOfRange { hold: hold(6), max: HOLD_PARTS_MAX }),
    ]
}

/// What a draft may not ask for.
fn asks() -> Vec<(Command, Refusal)> {
    let (left, right) = (Side::Debit, Side::Credit);
    let (all, rest) = (Ask::Everything, Ask::Remainder);
    let share = Ask::Share { weight: 1 };
    let unbounded = (1, left, all);
    vec![
        (
            drafted(&[(6, left, rest), (6, right, rest), unbounded]),
            Refusal::RemaindersMustDiffer { asset: eur() },
        ),
        (
            drafted(&[(6, left, share), (6, right, share), unbounded]),
            Refusal::SharesMustFaceOneWay { asset: eur() },
        ),
        (
            drafted(&[unbounded, (6, right, rest)]),
            Refusal::EverythingMustBeBounded { account: account(1), side: left },
        ),
        (drafted(&[(4, left, all), (6, right, rest)]), Refusal::NothingToMove),
    ]
}

/// A limit on a day of 36 days ago, when the table comes to it.
fn late() -> (Command, Refusal) {
    let (expected, got) = (BusinessDate::from_days(20_780), BusinessDate::from_days(20_779));
    let key = limit(1, eur(), 0, 0).key;
    let refusal = Refusal::LimitPeriodOver { key, expected, got };
    (bad(vec![debit(7, 9), credit(6, 9)]), refusal)
}

/// A limit on a day ten days and one ahead, when the table comes to it.
fn far() -> (Command, Refusal) {
    let (expected, got) = (BusinessDate::from_days(20_778), BusinessDate::from_days(20_779));
    let key = limit(1, eur(), 0, 0).key;
    let refusal = Refusal::LimitPeriodTooFar { key, expected, got };
    (bad(vec![debit(7, 9), credit(6, 9)]), refusal)
}

/// Money, deadlines, accounts and limits.
fn money() -> Vec<(Command, Refusal)> {
    let key = limit(1, eur(), 0, 0).key;
    let (debits, credits) = (Minor::new(9), Minor::new(8));
    let (zero, nine, most) = (Minor::ZERO, Minor::new(9), Minor::MAX);
    let foreign = vec![claim(limit(1, sgd(), 0, 0), 9)];
    let past = placement(60, 6, 9, Term::Expiring { at: at(20) });
    let counted = vec![claim(limit(1, eur(), 9, 0), 9)];
    let limits = |floor, ceiling| Command::SetLimits { account: account(3), floor, ceiling };
    vec![
        (
            Command::Post(Transaction {
                claims: foreign,
                ..transaction(50, vec![debit(6, 9), credit(7, 8)])
            }),
            Refusal::LimitAssetDiffers { got: sgd() },
        ),
        (
            bad(vec![debit(6, 9), credit(7, 8)]),
            Refusal::DebitsMustEqualCredits { asset: eur(), debits, credits },
        ),
        (Command::PlaceHold(past), Refusal::ExpiryMustBeLater { stamp: at(20), got: at(20) }),
        late(),
        far(),
        (bad(vec![debit(7, 9), credit(6, 9)]), Refusal::AccountClosed { account: account(6) }),
        (
            bad(vec![debit(7, 9), credit(4, 9)]),
            Refusal::AccountFrozen { account: account(7), side: Side::Debit },
        ),
        (
            bad(vec![debit(3, most.units()), credit(4, most.units())]),
            Refusal::AmountTooLarge { account: account(3) },
        ),
        (
            bad(vec![debit(3, 701), credit(4, 701)]),
            Refusal::InsufficientFunds {
                account: account(3),
                expected: Minor::new(701),
                got: Minor::new(700),
            },
        ),
        (
            bad(vec![debit(3, 501), credit(4, 501)]),
            Refusal::CeilingExceeded {
                account: account(4),
                expected: Minor::new(500),
                got: Minor::new(501),
            },
        ),
        (
            bad(vec![debit(3, 9), credit(4, 9)]),
            Refusal::VelocityAmountExceeded { key, expected: zero, got: nine },
        ),
        (
            Command::Post(Transaction {
                claims: counted,
                ..transaction(50, vec![debit(3, 9), credit(4, 9)])
            }),
            Refusal::VelocityCountExceeded { key, expected: 0, got: 1 },
        ),
        (
            limits(Floor::MayNotGoBelowZero, Ceiling::At(Minor::new(899))),
            Refusal::BalanceOutsideLimits { account: account(3) },
        ),
        (
            Command::CloseAccount { account: account(3) },
            Refusal::AccountNotEmpty { account: account(3) },
        ),
    ]
}

#[test]
fn the_earliest_rule_speaks() {
    let ledger = world();
    let table = [shapes(), references(), asks(), money()].concat();
    let mut reached = Vec::new();
    for (command, expected) in table {
        let before = ledger.clone();
        let days = |days| BusinessDate::from_days(days).start();
        let stamp = if matches!(expected, Refusal::LimitPeriodOver { .. }) {
            days(20_815)
        } else if matches!(expected, Refusal::LimitPeriodTooFar { .. }) {
            days(20_768)
        } else {
            at(20)
        };
        assert_eq!(ledger.check(stamp, &command).unwrap_err(), expected, "{command:?}");
        assert_eq!(ledger, before);
        reached.push(expected.precedence());
    }
    assert!(reached.is_sorted());
    reached.dedup();
    // Every rule has its line.
    assert_eq!(reached, (0..=39).collect::<Vec<u8>>());
}

#[test]
fn every_refusal_has_an_iso_reason_and_a_message_without_a_full_stop() {
    for (_, refusal) in [shapes(), references(), asks(), money()].concat() {
        assert_eq!(refusal.iso_reason().len(), 4);
        let debug = format!("{refusal:?}");
        assert_eq!(debug.split([' ', '{']).next(), Some(refusal.rule_name()));
        let text = refusal.to_string();
        assert!(!text.ends_with('.') && !text.is_empty());
        // What a transaction or a hold can be refused by is told again as the first time.
        let again = Refusal::from_words(refusal.rule_name(), &text);
        let words = again.as_ref().map(ToString::to_string);
        let alone = [
            "IdUsedWithOtherContent",
            "HoldAlreadyPinned",
            "EvidenceRequired",
            "ExpiryMustBeLater",
            "BalanceOutsideLimits",
            "AccountNotEmpty",
        ];
        match alone.contains(&refusal.rule_name()) {
            true => assert_eq!(again, None),
            false => assert_eq!(words, Some(text.clone()), "{refusal:?}"),
        }
        if let Some(again) = again {
            assert_eq!(again.precedence(), refusal.precedence());
        }
        for other in [format!("{text}."), format!(" {text}"), text.replace('`', "'")] {
            let read = Refusal::from_words(refusal.rule_name(), &other);
            assert!(read.is_none() || other == text, "{other}");
        }
    }
}

/// Each rule in its precedence: its name, its ISO 20022 reason, and whether the same command,
/// under a new id, may succeed later.
const RULES: [(&str, &str, bool); 40] = [
    ("IdUsedWithOtherContent", "AM05", false),
    ("EntriesOutOfRange", "FF01", false),
    ("LimitsOutOfRange", "FF01", false),
    ("LinksOutOfRange", "FF01", false),
    ("MetadataOutOfRange", "FF01", false),
    ("MetadataTooLarge", "FF01", false),
    ("MetadataKeysMustDiffer", "FF01", false),
    ("AmountMustBePositive", "AM01", false),
    ("WeightMustBePositive", "FF01", false),
    ("HoldsMustDiffer", "FF01", false),
    ("LimitsMustDiffer", "FF01", false),
    ("UnknownAccount", "AC01", false),
    ("UnknownHold", "ED05", false),
    ("HoldAlreadyPosted", "ED05", false),
    ("HoldAlreadyVoided", "ED05", false),
    ("HoldAlreadyExpired", "AB03", false),
    ("HoldAlreadyPinned", "ED05", false),
    ("EvidenceRequired", "ED05", false),
    ("HoldAccountDiffers", "ED05", false),
    ("HoldSideDiffers", "ED05", false),
    ("AmountExceedsHold", "AM09", false),
    ("HoldPartsOutOfRange", "ED05", false),
    ("RemaindersMustDiffer", "FF01", false),
    ("SharesMustFaceOneWay", "FF01", false),
    ("EverythingMustBeBounded", "FF01", false),
    ("NothingToMove", "AM04", true),
    ("LimitAssetDiffers", "AM11", false),
    ("DebitsMustEqualCredits", "AM10", false),
    ("ExpiryMustBeLater", "DT01", false),
    ("LimitPeriodOver", "DT01", false),
    ("LimitPeriodTooFar", "DT01", true),
    ("AccountClosed", "AC04", false),
    ("AccountFrozen", "AC06", true),
    ("AmountTooLarge", "AM12", false),
    ("InsufficientFunds", "AM04", true),
    ("CeilingExceeded", "AM02", true),
    ("VelocityAmountExceeded", "AM14", true),
    ("VelocityCountExceeded", "AM14", true),
    ("BalanceOutsideLimits", "NARR", true),
    ("AccountNotEmpty", "NARR", true),
];

#[test]
fn each_rule_says_whether_a_retry_may_help() {
    let mut refusals = [shapes(), references(), asks(), money()].concat();
    refusals.dedup_by_key(|(_, refusal)| refusal.precedence());
    assert_eq!(refusals.len(), RULES.len());
    for ((_, refusal), expected) in refusals.iter().zip(RULES) {
        let got = (refusal.rule_name(), refusal.iso_reason(), refusal.may_retry_help());
        assert_eq!(got, expected);
    }
}

#[test]
fn an_account_opened_again_with_other_content_is_a_conflict() {
    let ledger = world();
    let other = opening(3, sgd(), Floor::MayNotGoBelowZero, Ceiling::Unlimited);
    assert_eq!(
        ledger.check(at(20), &Command::OpenAccount(other)).unwrap_err(),
        Refusal::IdUsedWithOtherContent { field: "asset" }
    );
    let new = Command::SetFreeze { account: account(6), freeze: Freeze::Nothing };
    assert_eq!(
        ledger.check(at(20), &new).unwrap_err(),
        Refusal::AccountClosed { account: account(6) }
    );
}
