//! What a decision and a screening cost: `cargo xtask bench policy [WORKLOAD…] [--json]`.
//!
//! One thread, its own processor time ([`cpu`]): what else runs on the machine is not counted, and
//! neither are the caches that it takes. Findings are made anew for each decision.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a bench prints, computes with floats, and fails by panicking"
)]

use std::hint::black_box;

use policy::vocabulary as v;
use policy::{Findings, Pack, PackFiles, Shelf, shipped};
use record::DecisionOutcome;
use screening::{Entry, LoadedList, Outcome, Party, ScreeningList, Thresholds, screen};
use terms::{Instant, Minor};

mod names;
#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod support;

use names::Names;

/// Wednesday 2026-11-18, 10:00 UTC.
const NOW: Instant = Instant::from_seconds(1_794_996_000);
/// Decisions measured, after a tenth of that many that are not.
const DECISIONS: usize = 50_000;
/// Corridors loaded at once.
const CORRIDORS: usize = 1_000;
/// Entities of the list.
const ENTITIES: usize = 10_000;
/// Screenings measured.
const SCREENINGS: usize = 10_000;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let json = asked.iter().any(|word| word == "--json");
    let named: Vec<&String> = asked.iter().filter(|word| !word.starts_with('-')).collect();
    let wants = |name: &str| named.is_empty() || named.iter().any(|other| *other == name);
    let mut rows = Rows { json };
    if wants("decide") {
        decide(&mut rows, "decide", &[shipped::nl_sg().unwrap()]);
    }
    if wants("decide-1000-corridors") {
        decide(&mut rows, "decide-1000-corridors", &corridors());
    }
    if wants("screen-10k") {
        screen_10k(&mut rows);
    }
}

/// Rows as they are made.
struct Rows {
    json: bool,
}

impl Rows {
    fn put(&mut self, workload: &str, metric: &str, value: f64, unit: &str) {
        if self.json {
            println!(
                r#"{{"bench":"policy","workload":"{workload}","metric":"{metric}","value":{value:.3},"unit":"{unit}"}}"#
            );
        } else {
            println!("{workload:<24} {metric:<16} {value:>12.3} {unit}");
        }
    }

    /// Median, 99th percentile and rate of costs in nanoseconds of processor time.
    fn costs(&mut self, workload: &str, mut costs: Vec<u64>) {
        costs.sort_unstable();
        let at = |share: usize| costs[(costs.len() - 1) * share / 1_000] as f64 / 1_000.0;
        let mean = costs.iter().sum::<u64>() as f64 / costs.len() as f64;
        self.put(workload, "cpu_p50", at(500), "us");
        self.put(workload, "cpu_p99", at(990), "us");
        self.put(workload, "rate_per_core", 1e9 / mean, "1/s");
    }
}

/// Nanoseconds of this thread's processor time.
fn cpu() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The packs of many corridors, each with a limit of its own.
fn corridors() -> Vec<Pack> {
    let mut shelf = Shelf::default();
    (0..CORRIDORS)
        .map(|n| {
            let letter = |of: usize| char::from(b'a' + u8::try_from(of % 26).unwrap());
            let to = format!("n{}-{}{}", letter(n / 676), letter(n / 26), letter(n));
            let parameters = shipped::NL_SG
                .parameters
                .replace("\"corridor\": \"nl-sg\"", &format!("\"corridor\": \"{to}\""))
                .replace("50000000}", &format!("{}}}", 50_000_000 + n));
            shelf.load(&PackFiles { parameters: &parameters, ..shipped::NL_SG }).unwrap()
        })
        .collect()
}

fn decide(rows: &mut Rows, workload: &str, packs: &[Pack]) {
    let mut random = Names::new(7);
    let mut costs = Vec::with_capacity(DECISIONS);
    for n in 0..DECISIONS + DECISIONS / 10 {
        let pack = &packs[random.below(packs.len())];
        let amount = 1_000 + random.below(2_000_000) as u128;
        let before = cpu();
        let findings = black_box(findings(amount));
        let decision = black_box(pack.decide(&findings, NOW));
        let cost = cpu() - before;
        assert_eq!(decision.outcome, DecisionOutcome::Permit, "{decision:?}");
        if n >= DECISIONS / 10 {
            costs.push(cost);
        }
    }
    rows.costs(workload, costs);
}

/// Findings made anew: what the tests' base payment has, of another amount.
fn findings(minor: u128) -> Findings {
    support::debtor().minor(v::AMOUNT, Minor::new(minor)).build()
}

fn screen_10k(rows: &mut Rows) {
    let mut made = Names::new(11);
    let entries = (0..ENTITIES)
        .map(|n| Entry {
            id: format!("e{n}"),
            name: made.name(),
            aliases: (0..n % 3).map(|_| made.name()).collect(),
            dates: vec![],
            countries: vec!["KP".to_owned()],
            program: "bench".to_owned(),
        })
        .collect::<Vec<_>>();
    let listed: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    let before = resident();
    let list = LoadedList::new(ScreeningList {
        layout: screening::list::LIST_LAYOUT,
        name: "bench".to_owned(),
        version: 1,
        issued_at: NOW,
        next_update: NOW.plus(core::time::Duration::from_secs(86_400)),
        entries,
    });
    rows.put("screen-10k", "index", (resident() - before).max(0.0), "MiB");
    let lists = [list];
    let (mut costs, mut hits) = (Vec::with_capacity(SCREENINGS), 0_usize);
    for n in 0..SCREENINGS {
        // Half are nobody, a quarter is listed, a quarter is listed with a letter changed.
        let name = match n % 4 {
            0 => listed[made.below(listed.len())].clone(),
            1 => made.misspelt(&listed[n % listed.len()]),
            _ => made.name(),
        };
        let party = Party { name: &name, country: "KP", date: None };
        let before = cpu();
        let outcome = black_box(screen(&party, &lists, Thresholds::STANDARD));
        costs.push(cpu() - before);
        hits += usize::from(!matches!(outcome, Outcome::Clear { .. }));
    }
    assert!(hits >= SCREENINGS / 4, "{hits}: what is listed is found");
    rows.put("screen-10k", "hits", hits as f64, "1");
    rows.costs("screen-10k", costs);
}

/// Memory of this process, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
}
