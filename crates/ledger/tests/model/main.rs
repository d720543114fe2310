//! Random histories against a slow model: lists of everything that happened, summed with signed
//! integers after each step. The model knows nothing of stages, counters or sweeps' indexes.
//!
//! Each answer is compared whole: done, or first done when, or which rule says no and with which
//! numbers. Several commands share a stamp, as in one batch, so expiry races post, void and pin.
//! Each command is also checked by a ledger that remembers nothing, with rows found in the journal
//! for the ids that it plans, and run dry; some commands come as a bulk that is done together or
//! not at all.
//!
//! `WAYLEAVE_MODEL_SEED` draws other histories, `WAYLEAVE_MODEL_HISTORIES` more or fewer.
#![expect(clippy::unwrap_used, clippy::as_conversions, reason = "tests may stop, and cut numbers")]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests may stop")]

#[path = "../support/mod.rs"]
mod support;

mod drafts;
mod generate;
mod lines;
mod reference;
mod seen;

use std::collections::BTreeMap;

use ledger::{
    Answer, BulkRefusal, Change, Checked, Command, FullLedger, PastKey, Period, Refusal, Resolved,
    Rows, VelocityLimit,
};
use proptest::prelude::*;
use terms::{BusinessDate, Instant};

use generate::{Moment, Roll, altered, command, openings, race};
use reference::{Did, End, Model, signed, slot};
use seen::Seen;
use support::{eur, limit, sgd};

/// Operations per history and histories: 1,100,000 operations in all.
pub(crate) const STEPS: usize = 220;
pub(crate) const HISTORIES: u32 = 5000;
pub(crate) const DAY: u32 = 20_779;
/// Ten minutes: a history takes some days, so that rolling windows roll.
pub(crate) const UNIT: u64 = 600_000_000_000;

/// Ledger time begins on the business day, so that limits of a day five weeks ago run out.
pub(crate) fn at(units: u64) -> Instant {
    BusinessDate::from_days(DAY).start().plus(std::time::Duration::from_nanos(units * UNIT))
}

fn same(ledger: &FullLedger, model: &Model) -> Result<(), TestCaseError> {
    let mut sums = BTreeMap::<_, i128>::new();
    let all = model.sums();
    for id in model.accounts.keys() {
        let balances = ledger.balances(*id).unwrap();
        let counters = [
            balances.debits_posted,
            balances.credits_posted,
            balances.debits_pending,
            balances.credits_pending,
        ]
        .map(signed);
        prop_assert_eq!(counters, all[slot(*id)]);
        prop_assert_eq!(balances.available, model.available(*id, counters));
        prop_assert!(model.within_limits(*id, counters), "{} has passed a limit", id);
        *sums.entry(balances.asset).or_default() += counters[0] - counters[1];
    }
    prop_assert!(sums.values().all(|sum| *sum == 0), "money is not conserved");
    Ok(())
}

/// Every total that some limit of the histories bounds.
fn same_totals(ledger: &FullLedger, model: &Model, now: u64) -> Result<(), TestCaseError> {
    for day in 0..2 {
        let date = BusinessDate::from_days(DAY + day);
        for (key, asset, period) in [
            (1, eur(), Period::BusinessDay),
            (1, eur(), Period::Month),
            (2, eur(), Period::RollingHours(7)),
            (2, eur(), Period::RollingDays(2)),
            (3, sgd(), Period::BusinessDay),
            (4, sgd(), Period::RollingHours(7)),
        ] {
            let limit = VelocityLimit { period, ..limit(key, asset, 0, 0) };
            let total = ledger.open().total_until(&limit.bucket(date, at(now)));
            let got = (signed(total.amount), total.count);
            prop_assert_eq!(got, model.counted(&limit, date, now), "{:?}", period);
        }
    }
    Ok(())
}

/// What was done, and where each id stands: as a journal and its index of ids.
#[derive(Default)]
struct Journal {
    facts: Vec<(u64, Vec<u8>)>,
    ids: BTreeMap<PastKey, Vec<usize>>,
}

impl Journal {
    fn note(&mut self, now: u64, change: &Change) {
        let place = self.facts.len();
        let mut bytes = Vec::new();
        change.encode_into(&mut bytes);
        self.facts.push((now, bytes));
        let mut ids = Vec::new();
        match change.resolved() {
            Resolved::HoldPlaced(placement) => ids.push(PastKey::Hold(placement.id)),
            Resolved::HoldPinned { hold }
            | Resolved::HoldVoided { hold, .. }
            | Resolved::HoldExpired { hold, .. } => ids.push(PastKey::Hold(*hold)),
            Resolved::Posted { transaction, ended, .. } => {
                ids.push(PastKey::Transaction(transaction.id));
                ids.extend(ended.iter().map(|end| PastKey::Hold(end.hold)));
            }
            Resolved::AccountOpened(_)
            | Resolved::LimitsSet { .. }
            | Resolved::FreezeSet { .. }
            | Resolved::BlockedSet { .. }
            | Resolved::AccountClosed { .. } => {}
        }
        for id in ids {
            self.ids.entry(id).or_default().push(place);
        }
    }

    /// The facts of the planned ids alone.
    fn find(&self, ledger: &FullLedger, commands: &[Command]) -> Rows {
        let mut rows = Rows::new();
        for command in commands {
            ledger.open().plan(command, &mut |key| {
                for place in self.ids.get(&key).into_iter().flatten() {
                    let (stamp, bytes) = &self.facts[*place];
                    rows.learn(at(*stamp), &Change::from_bytes(bytes).unwrap());
                }
            });
        }
        rows
    }
}

/// Does what was checked, and looks whether it came as it was said.
fn perform(
    now: u64,
    ledger: &mut FullLedger,
    journal: &mut Journal,
    checked: Checked,
) -> Result<(), TestCaseError> {
    let (changes, outcome) = checked.into_parts();
    for change in changes {
        journal.note(now, &change);
        ledger.apply(at(now), &change);
    }
    for promised in outcome.balances {
        prop_assert_eq!(ledger.balances(promised.account), Some(promised));
    }
    Ok(())
}

/// What the model's answer is in the ledger's words.
fn answer(did: Did) -> Answer {
    match did {
        Did::Now => Answer::Done,
        Did::Before(then) => Answer::Repeated { first: at(then) },
    }
}

/// One command: the ledger with its whole past, the one with found rows, run dry, and the model.
fn single(
    now: u64,
    command: &Command,
    (ledger, model, journal): (&mut FullLedger, &mut Model, &mut Journal),
    seen: &mut Seen,
) -> Result<(), TestCaseError> {
    let rows = journal.find(ledger, std::slice::from_ref(command));
    let dry = ledger.open().dry_run(&rows, at(now), command);
    let before = ledger.open().counters();
    let named = seen.before(now, command, model);
    let expected = model.run(now, command);
    seen.after(now, command, &expected, &named, model);
    let checked = ledger.check(at(now), command);
    let said = checked.as_ref().map(|checked| checked.outcome().answer);
    let expected = expected.map(answer);
    prop_assert_eq!(said, expected.as_ref().copied(), "{:?}", command);
    prop_assert_eq!(&dry, &checked.as_ref().map(|c| c.outcome().clone()).map_err(Clone::clone));
    prop_assert_eq!(ledger.open().counters(), before, "asking changes nothing");
    prop_assert_eq!(&ledger.open().check(&rows, at(now), command), &checked);
    let Ok(checked) = checked else { return Ok(()) };
    if matches!(command, Command::ExpireHolds { .. }) {
        seen.expired += checked.changes().len() as u32;
    }
    for change in checked.changes() {
        let Resolved::Posted { transaction, ended, .. } = change.resolved() else { continue };
        seen.held_posts += u32::from(!ended.is_empty());
        seen.kept += u32::from(ended.iter().any(|end| end.kept.is_some()));
        seen.most = seen.most.max(transaction.entries.len());
        prop_assert_eq!(transaction, &model.transactions[&transaction.id].content);
    }
    perform(now, ledger, journal, checked)
}

/// Several commands together: as one after the other, or the model as it was.
fn together(
    now: u64,
    commands: &[Command],
    (ledger, model, journal): (&mut FullLedger, &mut Model, &mut Journal),
    seen: &mut Seen,
) -> Result<(), TestCaseError> {
    let mut after = model.clone();
    let mut ran = seen.clone();
    let refused = commands.iter().enumerate().find_map(|(item, command)| {
        let named = ran.before(now, command, &after);
        let expected = after.run(now, command);
        ran.after(now, command, &expected, &named, &after);
        expected.err().map(|refusal| (item, refusal))
    });
    let rows = journal.find(ledger, commands);
    let all = ledger.open().check_all(&rows, at(now), commands);
    // On a clone of the whole ledger, one after the other.
    let mut clone = ledger.clone();
    let mut one_by_one = Vec::new();
    let mut first: Option<(usize, Refusal)> = None;
    for (item, command) in commands.iter().enumerate() {
        match clone.check(at(now), command) {
            Ok(checked) => {
                checked.changes().iter().for_each(|change| clone.apply(at(now), change));
                one_by_one.push(checked);
            }
            Err(refusal) => {
                first = Some((item, refusal));
                break;
            }
        }
    }
    prop_assert_eq!(&first, &refused);
    seen.bulks += 1;
    match (all, first) {
        (Ok(all), None) => {
            prop_assert_eq!(&all, &one_by_one);
            *model = after;
            ran.bulks = seen.bulks;
            *seen = ran;
            for checked in all {
                for change in checked.changes() {
                    journal.note(now, change);
                    ledger.apply(at(now), change);
                }
            }
            prop_assert_eq!(&*ledger, &clone);
        }
        (Err(got), Some((item, refusal))) => {
            seen.refused_bulks += 1;
            prop_assert_eq!(got, BulkRefusal::Item { item, refusal });
        }
        (all, first) => prop_assert!(false, "{:?} {:?}", all, first),
    }
    Ok(())
}

/// The commands of a history, each with how long after the one before it comes.
fn commands(steps: &[u64]) -> Vec<(u64, Command)> {
    // The last two accounts are opened on the way.
    let open = openings().into_iter().take(6).map(Command::OpenAccount);
    let mut commands: Vec<(u64, Command)> = open.map(|command| (1, command)).collect();
    let mut now = commands.len() as u64;
    for (n, bits) in steps.iter().enumerate() {
        let mut roll = Roll(*bits);
        // One in four comes at the stamp of the one before it.
        let step = roll.below(4);
        now += step;
        let moment = Moment { now, day: u32::from(n > 120), step: n as u8 };
        if roll.one_in(16) {
            let race = race(&mut roll, moment, &commands);
            let late = if race.is_empty() { step } else { 0 };
            commands.extend(race.into_iter().zip([step, 0]).map(|(one, step)| (step, one)));
            now -= late;
            continue;
        }
        // One in eight says again what was said before, whether it was done or refused; some of
        // these say it with one thing changed.
        let next = if roll.one_in(8) {
            let known = roll.pick(&commands).1;
            if roll.one_in(4) { altered(&known, &mut roll) } else { known }
        } else {
            command(&mut roll, moment)
        };
        commands.push((step, next));
    }
    commands
}

fn history(steps: &[u64], seen: &mut Seen) -> Result<(), TestCaseError> {
    let (mut ledger, mut model) = (FullLedger::new(), Model::default());
    let mut journal = Journal::default();
    let commands = commands(steps);
    seen.begin();
    let mut now;
    now = 0;
    let mut left = commands.as_slice();
    while let Some(((step, command), after)) = left.split_first() {
        now += step;
        let before = model.holds.iter().map(|(id, h)| (*id, h.end)).collect::<Vec<_>>();
        let size = (now as usize + left.len()) % 7;
        let world = (&mut ledger, &mut model, &mut journal);
        if size > 1 && left.len().is_multiple_of(16) && left.len() > size {
            let (bulk, after) = left.split_at(size);
            let bulk: Vec<Command> = bulk.iter().map(|(_, command)| command.clone()).collect();
            together(now, &bulk, world, seen)?;
            seen.steps += bulk.len() as u32;
            left = after;
        } else {
            single(now, command, world, seen)?;
            seen.steps += 1;
            left = after;
        }
        same(&ledger, &model)?;
        if left.len().is_multiple_of(8) {
            same_totals(&ledger, &model, now)?;
        }
        for (id, end) in before {
            let ended_once = matches!(end, End::Open(_)) || model.holds[&id].end == end;
            prop_assert!(ended_once, "{} ended twice", id);
        }
    }
    let facts = journal.facts;
    prop_assert_eq!(ledger.audit(), Ok(()));
    let mut refolded = FullLedger::new();
    for (stamp, bytes) in &facts {
        let change: Change = seal::from_canonical(bytes).expect("a stored change reads back");
        refolded.apply(at(*stamp), &change);
    }
    prop_assert_eq!(&refolded, &ledger);
    let image = seal::to_canonical(&ledger);
    let restored: FullLedger = seal::from_canonical(&image).expect("an image reads back");
    prop_assert_eq!(restored, ledger);
    Ok(())
}

fn of_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn a_million_random_operations_agree_with_the_slow_model() {
    let histories = of_env("WAYLEAVE_MODEL_HISTORIES");
    let cases = histories.map_or(HISTORIES, |n| u32::try_from(n).unwrap());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&of_env("WAYLEAVE_MODEL_SEED").unwrap_or(0).to_be_bytes());
    let algorithm = proptest::test_runner::RngAlgorithm::ChaCha;
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig { cases, ..config },
        proptest::test_runner::TestRng::from_seed(algorithm, &seed),
    );
    let seen = std::cell::RefCell::new(Seen::default());
    let steps = proptest::collection::vec(any::<u64>(), STEPS);
    runner.run(&steps, |steps| history(&steps, &mut seen.borrow_mut())).unwrap();
    let seen = seen.into_inner();
    println!("{} operations in {cases} histories, {seen}", seen.steps);
    assert!(histories.is_some() || seen.steps >= 1_000_000, "{}", seen.steps);
    if cases >= HISTORIES {
        seen.is_everything();
    }
}
