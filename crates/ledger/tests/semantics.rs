//! Marks, details, rolling windows, dry runs and bulks: one table each.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use ledger::bulk::TOGETHER_MAX;
use ledger::{
    Answer, Available, BulkRefusal, Ceiling, Command, Datum, Detail, Floor, FullLedger, Ledger,
    LimitKey, Marks, Opening, Period, Refusal, Tags, Term, Transaction, Value, VelocityLimit,
    VoidGround,
};
use seal::Digest;
use support::{account, at, claim, credit, debit, eur, funded, hold, limit, opening, placement};
use support::{post, run, transaction};
use terms::{Amount, BusinessDate, Minor};

fn marks(code: Option<u16>, tags: &[&str]) -> Option<Marks> {
    let tags = Tags::of(tags.iter().map(|tag| tag.parse().unwrap())).unwrap();
    Some(Marks { code, tags })
}

#[test]
fn an_account_keeps_its_code_and_its_tags_in_order() {
    let mut ledger = FullLedger::new();
    let plain = opening(1, eur(), Floor::MayNotGoBelowZero, Ceiling::Unlimited);
    let table = [
        (marks(Some(2010), &["payroll", "nl", "nl"]), marks(Some(2010), &["nl", "payroll"])),
        (marks(Some(7), &[]), marks(Some(7), &[])),
        (marks(None, &["x"]), marks(None, &["x"])),
        (marks(None, &[]), None),
        (None, None),
    ];
    for (n, (given, kept)) in (1..).zip(table) {
        let new = Command::OpenAccount(Opening { id: account(n), marks: given, ..plain });
        run(&mut ledger, 3, &new).unwrap();
        assert_eq!(ledger.account(account(n)).unwrap().opening().marks, kept);
        let again = ledger.check(at(9), &new).unwrap();
        assert_eq!(again.outcome().answer, Answer::Repeated { first: at(3) });
        let other = Opening { id: account(n), marks: marks(Some(1), &[]), ..plain };
        let refused = ledger.check(at(9), &Command::OpenAccount(other)).unwrap_err();
        assert_eq!(refused, Refusal::IdUsedWithOtherContent { field: "marks" });
    }
    assert_eq!(Ledger::load(&ledger.open().save()).as_ref(), Ok(ledger.open()));
    let image = seal::to_canonical(&ledger);
    assert_eq!(seal::from_canonical::<FullLedger>(&image), Ok(ledger));
    for bad in ["", "A", "a b", "a-tag-too-long-x"] {
        assert!(bad.parse::<ledger::Tag>().is_err(), "{bad}");
    }
    let nine = (0..9).map(|n| format!("t{n}").parse().unwrap());
    assert!(Tags::of(nine).is_err());
}

/// One entry of each type.
fn every_value() -> Vec<Datum> {
    let datum = |key: &str, value| Datum { key: key.parse().unwrap(), value };
    vec![
        datum("remittance", Value::Text("invoice 7".to_owned())),
        datum("attempt", Value::Integer(-3)),
        datum("message-digest", Value::Bytes(vec![1, 2, 3])),
        datum("value-date", Value::Instant(at(99))),
        datum("original", Value::Amount(Amount::new(Minor::new(5), eur()))),
        datum("payer", Value::Personal { key_slot: 4, sealed: vec![9; 40] }),
    ]
}

#[test]
fn a_transaction_keeps_its_effective_time_code_and_metadata() {
    let mut ledger = funded();
    let detail = Detail { effective: Some(at(1)), code: Some(42), metadata: every_value() };
    let noted = |detail| {
        let plain = transaction(5, vec![debit(3, 5), credit(1, 5)]);
        Command::Post(Transaction { detail, ..plain })
    };
    let new = noted(Some(Box::new(detail.clone())));
    run(&mut ledger, 3, &new).unwrap();
    let (posted, stored) = ledger.transaction(support::txn(5)).unwrap();
    assert_eq!((posted, stored.detail.as_deref()), (at(3), Some(&detail)));
    let again = ledger.check(at(9), &new).unwrap();
    assert_eq!(again.outcome().answer, Answer::Repeated { first: at(3) });
    let table = [
        (Detail { effective: None, ..detail.clone() }, "effective"),
        (Detail { code: Some(43), ..detail.clone() }, "code"),
        (Detail { metadata: vec![], ..detail.clone() }, "metadata"),
    ];
    for (other, field) in table {
        let refused = ledger.check(at(9), &noted(Some(Box::new(other)))).unwrap_err();
        assert_eq!(refused, Refusal::IdUsedWithOtherContent { field });
    }
    let refused = ledger.check(at(9), &noted(None)).unwrap_err();
    assert_eq!(refused, Refusal::IdUsedWithOtherContent { field: "detail" });
    assert_eq!(ledger.audit(), Ok(()));
}

const HOUR: u64 = 3_600_000_000_000;

fn rolling(period: Period) -> VelocityLimit {
    VelocityLimit { period, ..limit(1, eur(), 100, 3) }
}

#[test]
fn a_rolling_window_counts_what_lies_in_its_buckets() {
    // A claim of 60, made at half past the hour; whether a second one fits so much later.
    let (half, day) = (HOUR / 2, 24 * HOUR);
    let table = [
        (Period::RollingHours(1), half - 1, false),
        (Period::RollingHours(1), half, true),
        (Period::RollingHours(24), 23 * HOUR + half - 1, false),
        (Period::RollingHours(24), 23 * HOUR + half, true),
        (Period::RollingHours(96), 95 * HOUR, false),
        (Period::RollingHours(96), 96 * HOUR, true),
        (Period::RollingDays(1), day - half - 1, false),
        (Period::RollingDays(1), day - half, true),
        (Period::RollingDays(30), 29 * day, false),
        (Period::RollingDays(30), 30 * day, true),
    ];
    for (period, later, fits) in table {
        let mut ledger = funded();
        let bound = rolling(period);
        let start = 20_000 * day + half;
        let spend = |n| {
            let mut new = transaction(n, vec![debit(1, 60), credit(3, 60)]);
            new.claims = vec![claim(bound, 60)];
            Command::Post(new)
        };
        run(&mut ledger, start, &spend(1)).unwrap();
        let second = run(&mut ledger, start + later, &spend(2));
        assert_eq!(second.is_ok(), fits, "{period:?} {later}");
        assert_eq!(ledger.audit(), Ok(()));
    }
}

#[test]
fn a_void_gives_back_to_the_hour_in_which_the_hold_was_placed() {
    let mut ledger = funded();
    let bound = rolling(Period::RollingHours(10));
    let start = 20_000 * 24 * HOUR;
    let mut new = placement(1, 3, 80, Term::Pinned);
    new.limits = vec![bound];
    run(&mut ledger, start, &Command::PlaceHold(new.clone())).unwrap();
    let bucket = |stamp| bound.bucket(new.business_date, at(stamp));
    assert_eq!(ledger.open().total_until(&bucket(start + 9 * HOUR)).amount, Minor::new(80));
    assert_eq!(ledger.open().total_until(&bucket(start + 10 * HOUR)).amount, Minor::ZERO);
    let document = seal::Digest::from_bytes([9; 32]);
    let source = ledger::NotDoneSource::NeverSent;
    let ground = VoidGround::NotDone(ledger::NotDone { source, document });
    run(&mut ledger, start + 3 * HOUR, &Command::VoidHold { hold: hold(1), ground }).unwrap();
    let total = ledger.open().total_until(&bucket(start + 3 * HOUR));
    assert_eq!((total.amount, total.count), (Minor::ZERO, 0));
    let image = ledger.open().save();
    assert_eq!(Ledger::load(&image).as_ref(), Ok(ledger.open()));
}

#[test]
fn what_a_window_has_left_behind_is_forgotten() {
    let mut ledger = funded();
    let bound = VelocityLimit { amount_max: Minor::MAX, ..rolling(Period::RollingHours(5)) };
    let bound = VelocityLimit { count_max: u32::MAX, ..bound };
    let mut held = placement(1, 3, 80, Term::Pinned);
    held.limits = vec![bound];
    run(&mut ledger, HOUR, &Command::PlaceHold(held)).unwrap();
    for n in 1..200 {
        let mut new = transaction(n, vec![debit(1, 1), credit(3, 1)]);
        new.claims = vec![claim(bound, 7)];
        run(&mut ledger, u64::try_from(n).unwrap() * HOUR, &Command::Post(new)).unwrap();
        assert!(ledger.open().counters().len() <= 10);
        assert_eq!(ledger.audit(), Ok(()));
    }
    let (image, total) = (ledger.open().save(), 5 * 7);
    let last = bound.bucket(BusinessDate::from_days(0), at(199 * HOUR));
    assert_eq!(ledger.open().total_until(&last).amount, Minor::new(total));
    assert_eq!(Ledger::load(&image).as_ref(), Ok(ledger.open()));
    // Given back to an hour that is forgotten: nothing to change.
    let document = seal::Digest::from_bytes([9; 32]);
    let source = ledger::NotDoneSource::NeverSent;
    let ground = VoidGround::NotDone(ledger::NotDone { source, document });
    run(&mut ledger, 199 * HOUR, &Command::VoidHold { hold: hold(1), ground }).unwrap();
    assert_eq!(ledger.open().total_until(&last).amount, Minor::new(total));
    assert_eq!(ledger.audit(), Ok(()));
}

#[test]
fn a_month_ends_with_its_last_business_day() {
    let bound = rolling(Period::Month);
    let of = |day: &str| bound.bucket(day.parse::<BusinessDate>().unwrap(), at(0));
    assert_eq!(of("2026-11-01"), of("2026-11-30"));
    assert_ne!(of("2026-11-30"), of("2026-12-01"));
    assert_eq!(of("2026-11-30").window().count(), 1);
}

#[test]
fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let mut ledger = funded();
    let before = ledger.clone();
    let command = post(1, vec![debit(3, 5), credit(1, 5)]);
    let outcome = ledger.open().dry_run(ledger.past(), at(9), &command).unwrap();
    assert_eq!(ledger, before);
    let promised = outcome.balances.iter().find(|b| b.account == account(3)).unwrap();
    assert_eq!(promised.available, Available::UpTo(Minor::new(995)));
    run(&mut ledger, 9, &command).unwrap();
    assert_eq!(ledger.balances(account(3)).as_ref(), Some(promised));
    let poor = post(2, vec![debit(3, 5000), credit(1, 5000)]);
    assert!(ledger.open().dry_run(ledger.past(), at(9), &poor).is_err());
}

#[test]
fn commands_are_done_together_or_not_at_all() {
    let ledger = funded();
    let opened = opening(9, eur(), Floor::MayNotGoBelowZero, Ceiling::Unlimited);
    let there = post(1, vec![debit(3, 900), credit(9, 900)]);
    let further = post(2, vec![debit(9, 800), credit(4, 400), credit(1, 400)]);
    let check = |commands: &[Command]| ledger.open().check_all(ledger.past(), at(9), commands);
    let all = check(&[Command::OpenAccount(opened), there.clone(), further.clone()]).unwrap();
    assert_eq!(all.len(), 3);
    let mut after = ledger.clone();
    for change in all.iter().flat_map(|checked| checked.changes()) {
        after.apply(at(9), change);
    }
    assert_eq!(after.balances(account(4)).unwrap().credits_posted, Minor::new(400));
    assert_eq!(after.audit(), Ok(()));
    // The same command twice: the second is an answer to a repeat.
    let twice = check(&[Command::OpenAccount(opened), there.clone(), there.clone()]).unwrap();
    let mut answers = twice.iter().map(|checked| checked.outcome().answer);
    assert_eq!(answers.next_back(), Some(Answer::Repeated { first: at(9) }));
    // What another order would do counts for nothing.
    let refusal = Refusal::UnknownAccount { account: account(9) };
    let expected = BulkRefusal::Item { item: 0, refusal };
    assert_eq!(check(&[there, Command::OpenAccount(opened)]).unwrap_err(), expected);
    let many = vec![further; TOGETHER_MAX + 1];
    assert_eq!(check(&many).unwrap_err(), BulkRefusal::TooMany { got: TOGETHER_MAX + 1 });
}

/// A year of days, forty keys a day, in each kind of period: what nothing counts into any more is
/// forgotten, whoever's it was.
#[test]
fn totals_that_are_over_take_no_memory() {
    let mut ledger = funded();
    let periods =
        [Period::BusinessDay, Period::Month, Period::RollingHours(24), Period::RollingDays(7)];
    let mut most = 0;
    for day in 0..365_u32 {
        let date = BusinessDate::from_days(20_779 + day);
        for n in 0..10_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&(day * 10 + n).to_be_bytes());
            let claims = periods.map(|period| {
                let like = limit(1, eur(), 100, 10);
                claim(VelocityLimit { key: LimitKey(Digest::from_bytes(key)), period, ..like }, 1)
            });
            let mut new = transaction(u128::from(day * 10 + n), vec![debit(1, 1), credit(3, 1)]);
            (new.claims, new.business_date) = (claims.to_vec(), date);
            let stamp = u64::from(day) * 24 * HOUR + u64::from(n);
            run(&mut ledger, stamp, &Command::Post(new)).unwrap();
        }
        most = most.max(ledger.open().counters().len());
    }
    // 36 days of days, 66 of months, 3 of hours and 8 of days, ten of each a day.
    assert!((1_100..=1_200).contains(&most), "{most}");
    assert_eq!(ledger.audit(), Ok(()));
    let image = ledger.open().save();
    assert_eq!(Ledger::load(&image).unwrap(), *ledger.open());
}

/// Entries over both assets: as many credits as asked for, and the two debits that balance them.
fn over_two_assets(credits: u128) -> Vec<ledger::Entry> {
    let each = |n: u128| if n.is_multiple_of(2) { credit(3, 1 + n) } else { credit(5, 1 + n) };
    let of = |side: u128| (0..credits).filter(|n| n % 2 == side).map(|n| 1 + n).sum();
    (0..credits).map(each).chain([debit(1, of(0)), debit(2, of(1))]).collect()
}

#[test]
fn a_transaction_has_up_to_64_entries_over_its_assets_and_no_more() {
    let mut ledger = funded();
    let most = post(64, over_two_assets(62));
    run(&mut ledger, 5, &most).unwrap();
    let (_, posted) = ledger.transaction(support::txn(64)).unwrap();
    assert_eq!(posted.entries.len(), 64);
    // The odd ones up to 61 and the even ones up to 62, on 1,000 each.
    for (n, expected) in [(3, 1_961), (5, 1_992)] {
        let balances = ledger.balances(account(n)).unwrap();
        assert_eq!(balances.credits_posted, Minor::new(expected), "account {n}");
    }
    let before = ledger.clone();
    assert_eq!(
        ledger.check(at(6), &post(65, over_two_assets(63))).unwrap_err(),
        ledger::Refusal::EntriesOutOfRange { max: 64, got: 65 }
    );
    assert_eq!(ledger, before);
}
