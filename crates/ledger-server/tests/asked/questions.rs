//! Each kind of question, at random moments, against the model.

use ledger::{Link, Resolved, Side};
use ledger_server::contents::{FactLine, FactSaid};
use ledger_server::query::{AsOf, EntryFilter, Freshness, StatementLine, Told};
use ledger_server::{Query, Said};
use terms::{AccountId, BusinessDate, Instant, Minor, Position};
use wire::client::WhyNotDone;
use wire::outcome::Coded;
use wire::{Client, Completion, NotDoneCode};

use crate::model::{Line, Model};
use crate::{Dice, Scratch, completion, start, told};
use std::time::Duration;

/// Histories; `WAYLEAVE_ASKED_HISTORIES` asks for more, `WAYLEAVE_ASKED_SEED` for others.
const HISTORIES: u64 = 8;
const STEPS: u64 = 60;
const QUESTIONS: u64 = 25;

#[test]
fn every_question_is_answered_as_the_slow_model_answers_it() {
    let more = std::env::var("WAYLEAVE_ASKED_HISTORIES").ok();
    let from = std::env::var("WAYLEAVE_ASKED_SEED").ok();
    let from: u64 = from.map_or(0, |seed| seed.parse().unwrap());
    let mut seen = std::collections::BTreeMap::<&str, u64>::new();
    for seed in from..from + more.map_or(HISTORIES, |more| more.parse().unwrap()) {
        let mut dice = Dice(seed);
        let scratch = Scratch::new("asked");
        let folder = scratch.book();
        let (mut running, mut client) = start(&folder);
        let mut model = Model::default();
        model.begin(&mut client, &mut dice);
        for step in 0..STEPS {
            model.step_of(&mut client, &mut dice, 40);
            if step % 15 == 7 {
                model.expire_one(&mut client, &mut dice);
            }
            for _ in 0..QUESTIONS {
                ask(&mut model, &mut client, &mut dice);
            }
            if step == STEPS / 3 || step == STEPS * 2 / 3 {
                drop(client);
                running.stop();
                if step > STEPS / 2 {
                    let facts = ledger_server::rebuild::views(&folder, |_, _| {}).unwrap();
                    assert_eq!(facts, model.next());
                }
                (running, client) = start(&folder);
            }
        }
        drop(client);
        running.stop();
        for (what, count) in model.counts {
            *seen.entry(what).or_default() += count;
        }
    }
    println!("{seen:?}");
    for (what, least) in [
        ("commands", 1_000),
        ("questions", 1_000),
        ("pinned", 20),
        ("voided", 20),
        ("expired", 3),
        ("posted of a hold", 20),
        ("drafts", 20),
        ("kept", 20),
        ("many entries", 20),
        ("refused", 20),
        ("repeated", 20),
    ] {
        assert!(seen.get(what).is_some_and(|count| *count >= least), "{what}: {seen:?}");
    }
}

/// As of now: the answer has seen everything that was acknowledged.
pub(crate) fn now(client: &mut Client, model: &Model, query: Query) -> Said {
    let query = Query::Fresh { fresh: Freshness::Now, query: Box::new(query) };
    let Told { position, said } = told(client, &query);
    assert_eq!(position, model.next(), "{query:?}");
    said
}

fn ask(model: &mut Model, client: &mut Client, dice: &mut Dice) {
    let account = dice.pick(&model.accounts).id;
    model.count("questions");
    match dice.below(12) {
        8 | 9 => crate::states::ask(model, client, dice, account),
        0 => balances(model, client, dice, account),
        1 | 2 => statements(model, client, dice, account),
        3 => trials(model, client, dice),
        4 => holds(model, client, dice, account),
        5 => links(model, client, dice),
        6 => contents(model, client, dice),
        7 => times(model, client, dice),
        _ => histories(model, client, dice, account),
    }
}

fn some_time(model: &Model, dice: &mut Dice) -> u64 {
    let stamp = dice.pick(&model.stamps);
    match dice.below(3) {
        0 => stamp,
        1 => stamp - 1,
        _ => stamp + dice.below(1_000_000_000),
    }
}

fn balances(model: &Model, client: &mut Client, dice: &mut Dice, account: AccountId) {
    let ask =
        |client: &mut Client, as_of| match now(client, model, Query::Balance { account, as_of }) {
            Said::Balance(of) => (of.posted, of.pending),
            other => panic!("{other:?}"),
        };
    let next = model.next().number();
    let expected = (model.posted(account, |_| true), Some(model.pending(account, next)));
    assert_eq!(ask(client, AsOf::Now), expected);
    let at = dice.below(next);
    let expected =
        (model.posted(account, |l| l.position <= at), Some(model.pending(account, at + 1)));
    assert_eq!(ask(client, AsOf::Position(Position::new(at))), expected);
    let time = some_time(model, dice);
    let before = model.stamps.iter().filter(|stamp| **stamp <= time).count() as u64;
    let expected =
        (model.posted(account, |l| l.stamp <= time), Some(model.pending(account, before)));
    assert_eq!(ask(client, AsOf::LedgerTime(Instant::from_nanos(time))), expected);
    let expected = (model.posted(account, |l| l.effective() <= time), None);
    assert_eq!(ask(client, AsOf::EffectiveTime(Instant::from_nanos(time))), expected);
}

fn some_filter(model: &Model, dice: &mut Dice) -> EntryFilter {
    let mut filter = EntryFilter::default();
    let time = |dice: &mut Dice| Some(Instant::from_nanos(some_time(model, dice)));
    for _ in 0..dice.below(3) {
        match dice.below(12) {
            0 => filter.side = Some(dice.pick(&[Side::Debit, Side::Credit])),
            1 => filter.from = time(dice),
            2 => filter.until = time(dice),
            3 => filter.effective_from = time(dice),
            4 => filter.effective_until = time(dice),
            5 => filter.first_date = Some(model.date(dice)),
            6 => filter.last_date = Some(model.date(dice)),
            7 => filter.amount_min = Some(Minor::new(u128::from(dice.below(5_000)))),
            8 => filter.amount_max = Some(Minor::new(u128::from(dice.below(5_000)))),
            9 => filter.reason = Some(dice.pick(&ledger::Reason::ALL)),
            10 => filter.code = Some(1 + dice.below(3) as u16),
            _ => filter.counterparty = Some(dice.pick(&model.accounts).id),
        }
    }
    filter
}

fn statements(model: &Model, client: &mut Client, dice: &mut Dice, account: AccountId) {
    let filter = some_filter(model, dice);
    let newest_first = dice.one_in(2);
    let mut expected: Vec<&Line> =
        model.lines.iter().filter(|l| l.account == account && l.fits(&filter)).collect();
    if newest_first {
        expected.reverse();
    }
    let (mut after, mut got): (_, Vec<StatementLine>) = (None, Vec::new());
    let limit = 1 + dice.below(40) as u32;
    loop {
        let query = Query::Entries { account, filter, newest_first, after, limit };
        let Said::Statement { lines, next, at_end } = now(client, model, query) else { panic!() };
        assert!(lines.len() <= limit as usize);
        got.extend(lines);
        if at_end {
            break;
        }
        after = Some(next);
    }
    assert_eq!(got.len(), expected.len(), "{filter:?}");
    for (got, expected) in got.iter().zip(expected) {
        assert_eq!(got.position.number(), expected.position);
        assert_eq!((got.stamp.nanos(), got.side), (expected.stamp, expected.side));
        assert_eq!(got.amount.units(), expected.amount);
        assert_eq!(got.transaction, expected.transaction.id);
        assert_eq!(got.reason, expected.transaction.reason);
        assert_eq!(got.business_date, expected.transaction.business_date);
    }
}

fn trials(model: &Model, client: &mut Client, dice: &mut Dice) {
    let date = BusinessDate::from_days(19_999 + dice.below(8) as u32);
    let Said::TrialBalance(assets) = now(client, model, Query::TrialBalance(date)) else {
        panic!()
    };
    let limit = 1 + dice.below(9) as u32;
    let (mut after, mut lines) = (None, Vec::new());
    loop {
        let query = Query::TrialOfAccounts { date, after, limit };
        let Said::TrialOfAccounts { lines: page, next, at_end } = now(client, model, query) else {
            panic!()
        };
        lines.extend(page);
        if at_end {
            break;
        }
        after = Some(next);
    }
    assert_eq!(lines.len(), model.accounts.len());
    for (line, opening) in lines.iter().zip(&model.accounts) {
        let before = model.posted(opening.id, |l| l.transaction.business_date < date);
        let day = model.posted(opening.id, |l| l.transaction.business_date == date);
        let until = model.posted(opening.id, |l| l.transaction.business_date <= date);
        assert_eq!((line.account, line.normal), (opening.id, opening.normal));
        assert_eq!((line.opening, line.day, line.closing), (before, day, until));
    }
    let mut expected: Vec<_> = model.accounts.iter().map(|opening| opening.asset).collect();
    expected.sort();
    expected.dedup();
    let mut got: Vec<_> = assets.iter().map(|line| line.asset).collect();
    got.sort();
    assert_eq!(got, expected);
    for line in assets {
        let mine = lines.iter().filter(|one| one.asset == line.asset);
        let days: u128 = mine.clone().map(|one| one.day.debits.units()).sum();
        let before: u128 = mine.map(|one| one.opening.credits.units()).sum();
        assert_eq!((line.debits.units(), line.credits.units()), (days, days));
        assert_eq!(line.credits_before.units(), before);
    }
}

fn holds(model: &Model, client: &mut Client, dice: &mut Dice, account: AccountId) {
    let moment = |held: &crate::model::Held| match held.term {
        ledger::Term::Expiring { at } => at,
        ledger::Term::Pinned => Instant::from_nanos(u64::MAX),
    };
    let until =
        (dice.one_in(2) && !model.holds.is_empty()).then(|| moment(&dice.pick(&model.holds)));
    let mut expected: Vec<_> = model.holds.iter().filter(|h| h.open).collect();
    expected.retain(|held| until.is_none_or(|until| moment(held) <= until));
    expected.sort_by_key(|held| (moment(held), held.placement.id));
    let limit = 1 + dice.below(5) as u32;
    let (mut after, mut got) = (None, Vec::new());
    loop {
        let query = Query::HoldsByExpiry { until, after, limit };
        let Said::OpenHolds { lines, next, at_end } = now(client, model, query) else { panic!() };
        got.extend(lines);
        if at_end {
            break;
        }
        after = Some(next);
    }
    assert_eq!(got.len(), expected.len());
    for (got, held) in got.iter().zip(&expected) {
        assert_eq!((got.hold, got.account), (held.placement.id, held.placement.account));
        assert_eq!((got.amount.units(), got.side), (held.left, held.placement.side));
        assert_eq!(
            (got.position.number(), got.placed_at.nanos()),
            (held.steps[0].0, held.placed_at)
        );
        assert_eq!((got.term, got.business_date), (held.term, held.placement.business_date));
    }
    let query = Query::OpenHoldsOf { account, after: None, limit: 1000 };
    let Said::OpenHolds { lines, .. } = now(client, model, query) else { panic!() };
    let mut got: Vec<_> = lines.iter().map(|line| (line.hold, line.amount.units())).collect();
    let mine = model.holds.iter().filter(|h| h.open && h.placement.account == account);
    let mut expected: Vec<_> = mine.map(|held| (held.placement.id, held.left)).collect();
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected);
}

fn links(model: &Model, client: &mut Client, dice: &mut Dice) {
    let link = if dice.one_in(2) && !model.payments.is_empty() {
        Link::Payment(dice.pick(&model.payments))
    } else if model.transactions.is_empty() {
        return;
    } else {
        Link::Refunds(dice.pick(&model.transactions).1.id)
    };
    let Said::Linked { transactions, whole: true } = now(client, model, Query::Linked(link)) else {
        panic!()
    };
    let got: Vec<_> = transactions.iter().map(|l| (l.position.number(), l.transaction)).collect();
    let expected: Vec<_> = model
        .transactions
        .iter()
        .filter(|(_, transaction)| transaction.links.contains(&link))
        .map(|(position, transaction)| (*position, transaction.id))
        .collect();
    assert_eq!(got, expected);
}

fn resolved(line: &FactLine) -> &Resolved {
    match &line.said {
        FactSaid::Changed(change) => change.resolved(),
        FactSaid::Refused(refused) => panic!("{refused:?}"),
    }
}

fn contents(model: &Model, client: &mut Client, dice: &mut Dice) {
    if model.transactions.is_empty() {
        return;
    }
    let (position, transaction) = dice.pick(&model.transactions);
    let by_id = Query::Transaction { client: None, id: transaction.id };
    for query in [by_id, Query::Fact(Position::new(position))] {
        let Said::Facts { facts, whole: true } = now(client, model, query) else { panic!() };
        let [fact] = facts.as_slice() else { panic!("{facts:?}") };
        assert_eq!(fact.position.number(), position);
        assert_eq!(fact.stamp.nanos(), model.stamps[position as usize]);
        let Resolved::Posted { transaction: got, .. } = resolved(fact) else { panic!("{fact:?}") };
        assert_eq!(*got, transaction);
    }
    // Another client's id is another id, and one that was never used is nothing.
    let others = Query::Transaction { client: Some(99), id: transaction.id };
    let never = Query::HoldWhole(terms::HoldId::from_bytes(dice.id()));
    let beyond = Query::Fact(Position::new(model.next().number() + dice.below(9)));
    for query in [others, never, beyond] {
        let said = now(client, model, query);
        assert_eq!(said, Said::Facts { facts: Vec::new(), whole: true });
    }
}

fn histories(model: &Model, client: &mut Client, dice: &mut Dice, account: AccountId) {
    if let Some(held) = (!model.holds.is_empty()).then(|| dice.pick(&model.holds)) {
        let query = Query::HoldWhole(held.placement.id);
        let Said::Facts { facts, whole: true } = now(client, model, query) else { panic!() };
        let positions: Vec<u64> = facts.iter().map(|fact| fact.position.number()).collect();
        assert_eq!(positions, held.steps.iter().map(|step| step.0).collect::<Vec<_>>());
        assert_eq!(*resolved(&facts[0]), Resolved::HoldPlaced(held.placement));
    }
    let newest_first = dice.one_in(2);
    let limit = 1 + dice.below(60) as u32;
    let (mut after, mut lines) = (None, Vec::new());
    loop {
        let query = Query::HoldEvents { account, newest_first, after, limit };
        let Said::HoldEvents { lines: page, next, at_end } = now(client, model, query) else {
            panic!()
        };
        assert!(page.len() <= limit as usize);
        lines.extend(page);
        if at_end {
            break;
        }
        after = Some(next);
    }
    let mut expected = Vec::new();
    for held in model.holds.iter().filter(|h| h.placement.account == account) {
        let (hold, side) = (held.placement.id, held.placement.side);
        let steps = held.steps.iter();
        expected.extend(steps.map(|(at, step, amount)| (*at, *step, *amount, hold, side)));
    }
    expected.sort_by_key(|(at, ..)| *at);
    if newest_first {
        expected.reverse();
    }
    assert_eq!(lines.len(), expected.len());
    for (line, (at, step, amount, hold, side)) in lines.iter().zip(expected) {
        assert_eq!((line.position.number(), line.stamp.nanos()), (at, model.stamps[at as usize]));
        assert_eq!((line.step, line.amount.units()), (step, amount));
        assert_eq!((line.hold, line.side), (hold, side));
        assert_eq!(line.pending, model.pending(account, at + 1));
    }
}

fn times(model: &Model, client: &mut Client, dice: &mut Dice) {
    let time = some_time(model, dice);
    let query = Query::PositionAt(Instant::from_nanos(time));
    let said = now(client, model, query);
    let before = model.stamps.iter().filter(|stamp| **stamp <= time).count() as u64;
    assert_eq!(said, Said::PositionAt(Position::new(before)));
}

#[test]
fn an_answer_that_is_not_ready_in_time_says_so_and_nothing_else_waits() {
    let scratch = Scratch::new("ready");
    let folder = scratch.book();
    let (running, mut client) = start(&folder);
    let (mut model, mut dice) = (Model::default(), Dice(1));
    model.begin(&mut client, &mut dice);
    let account = model.accounts[0].id;
    let balance = Query::Balance { account, as_of: AsOf::Now };
    let fresh = |at_least: u64, query: Query| {
        let fresh = Freshness::AtLeast(Position::new(at_least));
        Query::Fresh { fresh, query: Box::new(query) }
    };
    let reached = told(&mut client, &fresh(7, balance.clone()));
    assert_eq!(reached.position, Position::new(7));
    // From the read models, from the book, and from the journal.
    let within = Duration::from_millis(300);
    let far = [balance.clone(), Query::Totals, Query::Fact(Position::ZERO)];
    for query in far.map(|query| fresh(1000, query)) {
        match completion(&mut client, &query, within + within) {
            Completion::NotDone(WhyNotDone::Said { not_done, .. }) => {
                assert_eq!(not_done.code(), Coded::Known(NotDoneCode::NotReady), "{query:?}");
            }
            // The client's own clock was first.
            Completion::Unknown(_) => {}
            other => panic!("{other}"),
        }
    }
    let twice = fresh(0, fresh(0, balance));
    assert!(matches!(completion(&mut client, &twice, within), Completion::Refused(_)));
    // A question that waits is answered as soon as what it waits for is there.
    let key = folder.client_key("operator").unwrap();
    let at = ledger_server::load::At {
        address: running.address,
        book: folder.book(),
        key,
        security: wire::Security::Plain,
    };
    let waits = std::thread::spawn(move || {
        let mut other = at.connect().unwrap();
        told(&mut other, &fresh(8, Query::Balance { account, as_of: AsOf::Now })).position
    });
    while model.next() < Position::new(8) {
        model.step(&mut client, &mut dice);
    }
    assert!(waits.join().unwrap() >= Position::new(8));
    drop(client);
    running.stop();
}

#[test]
fn status_and_metrics_tell_lags_times_and_refusals() {
    let scratch = Scratch::new("metrics");
    let folder = scratch.book();
    let (running, mut client) = start(&folder);
    let (mut model, mut dice) = (Model::default(), Dice(2));
    model.begin(&mut client, &mut dice);
    model.step(&mut client, &mut dice);
    let account = model.accounts[0].id;
    let balance = Query::Balance { account, as_of: AsOf::Now };
    now(&mut client, &model, balance);
    let Said::Engine { figures, troubles } = told(&mut client, &Query::Engine).said else {
        panic!()
    };
    assert!(troubles.is_empty(), "{troubles:?}");
    let value = |name: &str| figures.iter().find(|f| f.name == name).unwrap().value;
    assert_eq!(value("wayleave_ledger_position"), model.next().number());
    assert_eq!(value("wayleave_ledger_facts_total"), model.next().number());
    assert_eq!(value("wayleave_ledger_projection_lag{projection=\"views\"}"), 0);
    assert_eq!(value("wayleave_ledger_projection_lag{projection=\"ids\"}"), 0);
    let Said::Metrics(text) = told(&mut client, &Query::Metrics).said else { panic!() };
    assert!(text.ends_with("# EOF\n"));
    let fsyncs = text.lines().find(|l| l.starts_with("wayleave_ledger_fsync_seconds_count"));
    let fsyncs: u64 = fsyncs.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(fsyncs > 0);
    drop(client);
    running.stop();
}
