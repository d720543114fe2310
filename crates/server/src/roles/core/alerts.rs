//! What a person should look at: counted for `/metrics`, named for the operator.
//!
//! `/metrics` is open to whoever reaches the port, so it holds counts and never a name, an amount
//! or an id. `/v1/alerts` and `/v1/suspense` name them, to the operator and supervisors.
//! `docs/parts/operations.md` says what to do about each.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use clearing::outside::Phase;
use clearing::settlement::funding::{LineEntry, LineStanding};
use clearing::{CustomersBook, SettlementBook};
use ledger::Available;
use serde::Serialize;
use serde_json::{Value, json};
use terms::{Amount, AssetCode, Instant, Minor};

use super::books::Failed;
use super::drills::DrillDuty;
use super::outside::age;
use super::routes::{Core, failed};
use crate::system;
use crate::web::Refuse;

type Shared = State<Arc<Core>>;
type Answer = Result<Response, Refuse>;

const DAY: u64 = 86_400;
/// Ages of items in suspense: below so many seconds, the last without an end. A day is normal, a
/// week is a matter for whoever answers for the desk.
const SUSPENSE_AGES: [(u64, &str); 4] =
    [(DAY, "under_1d"), (3 * DAY, "under_3d"), (7 * DAY, "under_7d"), (u64::MAX, "over_7d")];
/// Ages of holds: a payment takes seconds, a rail minutes to a day.
const HOLD_AGES: [(u64, &str); 4] =
    [(60, "under_1m"), (3_600, "under_1h"), (DAY, "under_1d"), (u64::MAX, "over_1d")];
/// A return that a bank has owed for so long is overdue: the next business day has begun.
const DUTY_OVERDUE: Duration = Duration::from_secs(DAY);

/// How many there are of each age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ages([u64; 4]);

impl Ages {
    fn add(&mut self, ages: &[(u64, &str); 4], seconds: u64) {
        let place = ages.iter().position(|(below, _)| seconds < *below).unwrap_or(3);
        if let Some(count) = self.0.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    fn rows(self, ages: &[(u64, &'static str); 4]) -> Vec<(&'static str, u64)> {
        ages.iter().map(|(_, word)| *word).zip(self.0).collect()
    }
}

/// A settlement account whose available balance is below its mark.
#[derive(Clone, Debug, Serialize)]
struct BelowMark {
    participant: String,
    asset: String,
    available: String,
    mark: String,
}

/// What the settlement book alone says.
struct OfBook {
    suspense: Ages,
    holds: Ages,
    below: Vec<BelowMark>,
    stuck: Vec<String>,
    overdue_drills: Vec<String>,
    breaks: u64,
    acts: Vec<String>,
    stops: u64,
    leases: OfLeases,
}

/// Leases that are not settled.
#[derive(Clone, Copy, Debug, Default)]
struct OfLeases {
    open: u64,
    unreported: u64,
    payments: u64,
}

/// Everything.
struct Alerts {
    book: OfBook,
    mirror_breaks: u64,
    overdue_duties: u64,
    /// Of decisions, in the books that this process hosts: not done, and past their time.
    decision_duties: (u64, u64),
    books_not_asked: u64,
    unwitnessed_seconds: u64,
    unwitnessed_facts: u64,
    /// Whether the wall clock was set, and is not followed.
    clock_parted: bool,
    refusals_turned_away: u64,
}

/// Since when facts wait for their witnesses.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Option<Instant>>);

impl Watch {
    /// Looks once; a task does so again and again.
    pub fn look(&self, core: &Core) {
        let waits = uncosigned(core) > 0;
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if waits { Some(since.unwrap_or_else(system::now)) } else { None };
    }

    fn seconds(&self, now: Instant) -> u64 {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.map_or(0, |since| now.since(since).as_secs())
    }
}

/// Facts of the published log that no quorum of witnesses has cosigned; none where the book is
/// configured without witnesses.
fn uncosigned(core: &Core) -> u64 {
    if core.config.witnesses.is_empty() {
        return 0;
    }
    let size = core.published.log().size();
    let cosigned = core.published.cosigned().map_or(0, |checkpoint| checkpoint.head().size);
    size.saturating_sub(cosigned)
}

async fn gather(core: &Core) -> Result<Alerts, Failed> {
    let now = system::now();
    let duties = core.config.drills.clone();
    let look = move |state: &SettlementBook| of_book(state, &duties, now);
    let mut book = core.clearing.books.settlement.look(look).await?.outcome;
    let (mut overdue_duties, mut books_not_asked) = (0_u64, 0_u64);
    let decision_duties = decision_duties(core, now).await?;
    for port in core.clearing.books.customers.values() {
        // A bank that is away is a figure of its own, and keeps nobody waiting.
        if port.is_away() {
            books_not_asked = books_not_asked.saturating_add(1);
            continue;
        }
        match (port.open_holds().await, port.duties().await) {
            (Ok(holds), Ok(duties)) => {
                for order in &holds {
                    let decided = order.debtor_permit.read_unverified().map(|one| one.decided_at);
                    let held = decided.map_or(0, |at| now.since(at).as_secs());
                    book.holds.add(&HOLD_AGES, held);
                }
                let late = duties.owed.iter().filter(|one| overdue(&one.since, now)).count();
                overdue_duties = overdue_duties.saturating_add(count(late));
            }
            _ => books_not_asked = books_not_asked.saturating_add(1),
        }
    }
    Ok(Alerts {
        book,
        mirror_breaks: count(core.clearing.breaks.open()),
        overdue_duties,
        decision_duties,
        books_not_asked,
        unwitnessed_seconds: core.watch.seconds(now),
        unwitnessed_facts: uncosigned(core),
        clock_parted: system::clock_was_set(),
        refusals_turned_away: core.clearing.refusals.turned_away(),
    })
}

async fn decision_duties(core: &Core, now: Instant) -> Result<(u64, u64), Failed> {
    let (mut open, mut overdue) = (0_u64, 0_u64);
    for port in core.clearing.books.customers.values() {
        let Some(book) = port.hosted() else { continue };
        let look = move |state: &CustomersBook| {
            (count(state.duties().count()), count(state.duties().overdue(now)))
        };
        let (here, late) = book.look(look).await?.outcome;
        (open, overdue) = (open.saturating_add(here), overdue.saturating_add(late));
    }
    Ok((open, overdue))
}

/// Texts of instants are of one form and width, so that they compare as the instants do.
fn overdue(since: &str, now: Instant) -> bool {
    since <= now.minus(DUTY_OVERDUE).to_string().as_str()
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

fn of_book(state: &SettlementBook, duties: &[DrillDuty], now: Instant) -> OfBook {
    let (mut suspense, mut holds) = (Ages::default(), Ages::default());
    for item in state.funding().suspense() {
        suspense.add(&SUSPENSE_AGES, now.since(item.booked_at).as_secs());
    }
    let mut stuck = Vec::new();
    for one in state.transfers() {
        match one.phase {
            Phase::Confirmed(_) | Phase::Rejected(_) => {}
            Phase::Stuck(_) => {
                stuck.push(one.id.to_string());
                holds.add(&HOLD_AGES, now.since(one.waits_since).as_secs());
            }
            Phase::Held | Phase::SendIntended | Phase::Sent(_) | Phase::InDoubt(_) => {
                holds.add(&HOLD_AGES, now.since(one.waits_since).as_secs());
            }
        }
    }
    let every =
        |duty: &DrillDuty| Duration::from_secs(u64::from(duty.every_days).saturating_mul(DAY));
    let late = duties.iter().filter(|one| state.drills().overdue(&one.name, every(one), now));
    let breaks = state.funding().accounts().map(|of| state.funding().breaks(of.asset).count());
    OfBook {
        suspense,
        holds,
        below: below_marks(state),
        stuck,
        overdue_drills: late.map(|one| one.name.clone()).collect(),
        breaks: count(breaks.sum()),
        acts: state.acts().open(now).map(|one| one.act.id.to_string()).collect(),
        stops: count(state.acts().stops().iter().filter(|one| one.holds(now)).count()),
        leases: of_leases(state, now),
    }
}

fn of_leases(state: &SettlementBook, now: Instant) -> OfLeases {
    let mut all = OfLeases::default();
    for one in state.leases().open() {
        let over = u64::from(now >= one.grant.ends_at);
        all.open = all.open.saturating_add(1);
        all.unreported = all.unreported.saturating_add(over);
        all.payments = all.payments.saturating_add(count(one.counted.len()));
    }
    all
}

fn below_marks(state: &SettlementBook) -> Vec<BelowMark> {
    let accounts = state.ledger().accounts().filter_map(|known| {
        let opening = known.opening();
        let mark = state.acts().low_water(opening.id)?;
        let Available::UpTo(available) = known.available() else { return None };
        let ledger::Owner::Institution(owner) = opening.owner else { return None };
        let told = |minor| Amount::new(minor, opening.asset).for_people();
        (available < mark).then(|| BelowMark {
            participant: owner.to_string(),
            asset: opening.asset.to_string(),
            available: told(available),
            mark: told(mark),
        })
    });
    accounts.collect()
}

/// `GET /metrics`: OpenMetrics text, counts only.
pub async fn metrics(State(core): Shared) -> Answer {
    let text = text(&gather(&core).await.map_err(failed)?);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([("content-type", kind)], text).into_response())
}

fn text(alerts: &Alerts) -> String {
    let book = &alerts.book;
    let mut out = String::new();
    let help = "Items in suspense, by age.";
    by_age(&mut out, "wayleave_suspense_items", help, book.suspense.rows(&SUSPENSE_AGES));
    let help = "Money held for payments and withdrawals under way, by age.";
    by_age(&mut out, "wayleave_holds", help, book.holds.rows(&HOLD_AGES));
    let rows = [
        (
            "wayleave_accounts_below_low_water",
            "Settlement accounts whose available balance is below its mark.",
            count(book.below.len()),
        ),
        ("wayleave_stuck_transfers", "Transfers that wait for a person.", count(book.stuck.len())),
        (
            "wayleave_overdue_duties",
            "Returns that a bank has owed for a day and more.",
            alerts.overdue_duties,
        ),
        ("wayleave_overdue_drills", "Drills to be run now.", count(book.overdue_drills.len())),
        (
            "wayleave_open_breaks",
            "Differences from outside accounts and between books.",
            book.breaks.saturating_add(alerts.mirror_breaks),
        ),
        ("wayleave_leases_open", "Leases that are not settled.", book.leases.open),
        (
            "wayleave_leases_unreported",
            "Leases whose time is over and of which the bank has not said what it spent.",
            book.leases.unreported,
        ),
        (
            "wayleave_lease_payments",
            "Payments that were reported of leases which are not settled.",
            book.leases.payments,
        ),
        ("wayleave_acts_waiting", "Acts that wait for a second key.", count(book.acts.len())),
        ("wayleave_stops", "Suspensions and freezes in force.", book.stops),
        ("wayleave_books_not_asked", "Banks whose book did not answer.", alerts.books_not_asked),
        (
            "wayleave_unwitnessed_facts",
            "Facts that no quorum of witnesses has cosigned.",
            alerts.unwitnessed_facts,
        ),
        (
            "wayleave_witness_quorum_age_seconds",
            "How long facts have waited for a quorum of witnesses.",
            alerts.unwitnessed_seconds,
        ),
        (
            "wayleave_clock_parted",
            "Whether this machine's wall clock was set, and is not followed.",
            u64::from(alerts.clock_parted),
        ),
        (
            "wayleave_refusals_turned_away",
            "Requests since the start of clients with too many refusals on record.",
            alerts.refusals_turned_away,
        ),
    ];
    for (name, help, value) in rows {
        let _ = writeln!(out, "# TYPE {name} gauge\n# HELP {name} {help}\n{name} {value}");
    }
    out.push_str("# EOF\n");
    out
}

fn by_age(out: &mut String, name: &str, help: &str, rows: Vec<(&str, u64)>) {
    let _ = writeln!(out, "# TYPE {name} gauge\n# HELP {name} {help}");
    for (age, value) in rows {
        let _ = writeln!(out, "{name}{{age=\"{age}\"}} {value}");
    }
}

/// `GET /v1/alerts`: the same, with names.
pub async fn told(State(core): Shared) -> Answer {
    let alerts = gather(&core).await.map_err(failed)?;
    let ages = |rows: Vec<(&str, u64)>| {
        let rows = rows.into_iter().map(|(age, value)| (age.to_owned(), json!(value)));
        Value::Object(rows.collect())
    };
    let (open_duties, late_duties) = alerts.decision_duties;
    let book = alerts.book;
    Ok(Json(json!({
        "suspense": ages(book.suspense.rows(&SUSPENSE_AGES)),
        "holds": ages(book.holds.rows(&HOLD_AGES)),
        "below_low_water": book.below,
        "stuck": book.stuck,
        "overdue_duties": alerts.overdue_duties,
        // Not at the open `/metrics`: most of them are restricted, and who watched the count around
        // an own payment would read whether it was reported.
        "decision_duties": { "open": open_duties, "overdue": late_duties },
        "overdue_drills": book.overdue_drills,
        "breaks": book.breaks,
        "mirror_breaks": alerts.mirror_breaks,
        "acts_waiting": book.acts,
        "stops": book.stops,
        "books_not_asked": alerts.books_not_asked,
        "unwitnessed_facts": alerts.unwitnessed_facts,
        "witness_quorum_age_seconds": alerts.unwitnessed_seconds,
        "clock_parted": alerts.clock_parted,
        "refusals_turned_away": alerts.refusals_turned_away,
    }))
    .into_response())
}

/// `GET /v1/suspense`: every item with its age and owner, and the sums of each age.
pub async fn suspense(State(core): Shared) -> Answer {
    let now = system::now();
    let look = move |state: &SettlementBook| {
        let mut items: Vec<&LineEntry> = state.funding().suspense().collect();
        items.sort_by_key(|item| item.booked_at);
        let owner = |asset: AssetCode| {
            state.funding().account(asset).map_or_else(String::new, |of| of.owner.to_string())
        };
        let words = |item: &&LineEntry| {
            let asset = item.line.amount.asset;
            json!({
                "line": item.line.line.to_string(),
                "asset": asset.to_string(),
                "amount": item.line.amount.for_people(),
                "reference": item.line.reference,
                "owner": owner(asset),
                "since": item.booked_at.to_string(),
                "age_days": age(item.booked_at, now),
                "age": bucket(item, now),
                "state": match &item.standing {
                    LineStanding::ReturnOrdered(word) => format!("return ordered: {word}"),
                    _ => "in suspense".to_owned(),
                },
            })
        };
        json!({
            "items": items.iter().map(words).collect::<Vec<_>>(),
            "ages": sums(&items, now),
        })
    };
    let told = core.clearing.books.settlement.look(look).await.map_err(failed)?.outcome;
    Ok(Json(told).into_response())
}

fn bucket(item: &LineEntry, now: Instant) -> &'static str {
    let seconds = now.since(item.booked_at).as_secs();
    let found = SUSPENSE_AGES.iter().find(|(below, _)| seconds < *below);
    found.map_or("over_7d", |(_, word)| *word)
}

/// For each asset and age that occurs: how many, and how much.
fn sums(items: &[&LineEntry], now: Instant) -> Vec<Value> {
    let mut sums = std::collections::BTreeMap::new();
    for item in items {
        let Amount { asset, minor } = item.line.amount;
        let order = SUSPENSE_AGES.iter().position(|(_, word)| *word == bucket(item, now));
        let sum = sums.entry((asset, order)).or_insert((0_u64, Minor::ZERO));
        sum.0 = sum.0.saturating_add(1);
        sum.1 = sum.1.plus(minor).unwrap_or(Minor::MAX);
    }
    let told = |((asset, order), (items, minor)): ((AssetCode, Option<usize>), (u64, Minor))| {
        let word = order.and_then(|at| SUSPENSE_AGES.get(at)).map(|(_, word)| *word);
        let amount = Amount::new(minor, asset).for_people();
        json!({ "asset": asset.to_string(), "age": word, "items": items, "amount": amount })
    };
    sums.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_place_and_its_bound_is_the_next_ones() {
        let mut ages = Ages::default();
        for seconds in [0, DAY - 1, DAY, 3 * DAY - 1, 3 * DAY, 7 * DAY - 1, 7 * DAY, u64::MAX] {
            ages.add(&SUSPENSE_AGES, seconds);
        }
        assert_eq!(ages, Ages([2, 2, 2, 2]));
    }

    #[test]
    fn the_text_has_every_alert_once_and_ends() {
        let book = OfBook {
            suspense: Ages([1, 2, 3, 4]),
            holds: Ages([5, 6, 7, 8]),
            below: vec![],
            stuck: vec!["out_1".into()],
            overdue_drills: vec!["core-kill".into()],
            breaks: 2,
            acts: vec!["act_1".into(), "act_2".into()],
            stops: 3,
            leases: OfLeases { open: 9, unreported: 10, payments: 11 },
        };
        let alerts = Alerts {
            book,
            mirror_breaks: 1,
            overdue_duties: 4,
            decision_duties: (5, 6),
            books_not_asked: 5,
            unwitnessed_seconds: 6,
            unwitnessed_facts: 7,
            clock_parted: true,
            refusals_turned_away: 8,
        };
        let text = text(&alerts);
        assert!(!text.contains("decision_duties"), "restricted duties are not counted in the open");
        for line in [
            "wayleave_suspense_items{age=\"over_7d\"} 4",
            "wayleave_holds{age=\"under_1h\"} 6",
            "wayleave_accounts_below_low_water 0",
            "wayleave_stuck_transfers 1",
            "wayleave_leases_open 9",
            "wayleave_leases_unreported 10",
            "wayleave_lease_payments 11",
            "wayleave_overdue_duties 4",
            "wayleave_overdue_drills 1",
            "wayleave_open_breaks 3",
            "wayleave_acts_waiting 2",
            "wayleave_stops 3",
            "wayleave_books_not_asked 5",
            "wayleave_unwitnessed_facts 7",
            "wayleave_witness_quorum_age_seconds 6",
            "wayleave_clock_parted 1",
            "wayleave_refusals_turned_away 8",
        ] {
            assert_eq!(text.lines().filter(|one| *one == line).count(), 1, "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert!(!text.contains("out_1") && !text.contains("act_1"), "names are not for everybody");
    }

    #[test]
    fn a_duty_is_overdue_after_a_day() {
        let now = Instant::from_seconds(1_795_380_600);
        let since = |ago: u64| now.minus(Duration::from_secs(ago)).to_string();
        assert!(overdue(&since(DAY), now));
        assert!(!overdue(&since(DAY - 1), now));
    }
}
