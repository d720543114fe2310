//! `wayleave-simulate`: repeats a world, prints the tables, or runs worlds of the whole network.
#![expect(clippy::print_stdout, reason = "a command line program")]
#![expect(clippy::disallowed_methods, reason = "events a second of wall time are measured here")]

use std::process::ExitCode;
use std::time::Instant;

use simulation::network::{Canary, NetOutcome, PLANTED, Setting, net_table, run};
use simulation::table::plan_of;
use simulation::{Bug, run_disk_world, run_world, table};

const USAGE: &str =
    "wayleave-simulate [--network] [--seed N] [--worlds N] [--disk] [--table] [--canaries] [--json]
  --seed N      repeat world N alone (with --disk: on failing disks; with --network: the network)
  --worlds N    worlds in each cell of the table, 10 if not said; with --network alone: worlds
  --disk        worlds on disks that tear, forget, fail and lose power
  --network     the whole network: wallets, edges, two cores, a bank, witnesses, rail, files
  --table       with --network: the table of fault and call
  --canaries    in how many of --worlds N each planted bug is seen, and what the oracle says
  --payments N  with --network: payments of a world, 48 if not said, at most 64
  --json        with --network: figures as JSON";

const WORDS: [&str; 8] =
    ["--seed", "--worlds", "--disk", "--network", "--table", "--canaries", "--payments", "--json"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |flag: &str| {
        let place = words.iter().position(|word| word == flag)?;
        Some(words.get(place.saturating_add(1)).and_then(|word| word.parse::<u64>().ok()))
    };
    let known = |word: &String| WORDS.contains(&word.as_str()) || word.parse::<u64>().is_ok();
    let has = |flag: &str| words.iter().any(|word| word == flag);
    let (seed, worlds, payments) = (number("--seed"), number("--worlds"), number("--payments"));
    let malformed = [seed, worlds, payments].contains(&Some(None));
    if !words.iter().all(known) || malformed {
        println!("{USAGE}");
        return ExitCode::from(2);
    }
    let worlds = worlds.flatten();
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let is_fine = if has("--canaries") {
        planted(worlds.unwrap_or(40))
    } else if has("--network") && has("--table") {
        network_table(seed.flatten().unwrap_or(0), small(worlds.unwrap_or(10)), has("--json"))
    } else if has("--network") {
        let payments = payments.flatten().and_then(|n| usize::try_from(n).ok()).unwrap_or(48);
        let count = worlds.unwrap_or(if seed.is_some() { 1 } else { 200 });
        networks(seed.flatten().unwrap_or(0), count, payments, has("--json"))
    } else {
        books(seed.flatten(), has("--disk"), worlds.unwrap_or(10))
    };
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn books(seed: Option<u64>, on_disk: bool, worlds: u64) -> bool {
    match (seed, on_disk) {
        (Some(seed), false) => one(seed),
        (Some(seed), true) => disks(seed, 1),
        (None, true) => disks(0, worlds),
        (None, false) => {
            let table = table(0, u32::try_from(worlds).unwrap_or(u32::MAX), Bug::None);
            println!("{table}");
            table.found.is_empty()
        }
    }
}

fn one(seed: u64) -> bool {
    let plan = plan_of(seed);
    let outcome = run_world(seed, Some(plan), Bug::None);
    println!("world {seed}: {} at {}", plan.fault.as_str(), plan.port.as_str());
    println!("{outcome:#?}");
    outcome.verdict.is_ok()
}

fn disks(first: u64, worlds: u64) -> bool {
    let mut is_fine = true;
    for seed in first..first.saturating_add(worlds) {
        let outcome = run_disk_world(seed);
        println!("disk world {seed}: {outcome:?}");
        is_fine = is_fine && outcome.verdict.is_ok();
    }
    is_fine
}

fn network_table(seed: u64, worlds: u32, json: bool) -> bool {
    let begun = Instant::now();
    let table = net_table(seed, worlds);
    let nanos = begun.elapsed().as_nanos();
    if json {
        println!(
            "{{\"seed\":{seed},\"fewest\":{},\"events\":{},\"nanoseconds\":{nanos},\"found\":{}}}",
            table.fewest(),
            table.events,
            table.found.len()
        );
    } else {
        println!("{table}");
        println!("{} events, {} a second", table.events, a_second(table.events, nanos));
    }
    table.found.is_empty()
}

/// Fine when each planted bug was seen.
fn planted(worlds: u64) -> bool {
    let mut is_fine = true;
    for planted in &PLANTED {
        let catch = planted.measure(worlds);
        let place = planted.plan.map_or_else(
            || "weather".to_owned(),
            |plan| format!("{} at {}", plan.fault.as_str(), plan.call.as_str()),
        );
        let first = catch.first.map_or_else(
            || "never".to_owned(),
            |(seed, what)| format!("first {seed}: {}", what.chars().take(150).collect::<String>()),
        );
        println!("{:?} | {place} | {} of {worlds} | {first}", planted.canary, catch.found);
        is_fine = is_fine && catch.found > 0;
    }
    is_fine
}

fn networks(first: u64, count: u64, payments: usize, json: bool) -> bool {
    let mut found: Vec<(u64, String)> = Vec::new();
    let mut sum = Sum::default();
    // The documents are signed before the first world.
    let warm = Setting { seed: first, payments: 1, plan: None, canary: Canary::None };
    drop(run(warm));
    let begun = Instant::now();
    for seed in first..first.saturating_add(count) {
        let outcome = run(Setting { seed, payments, plan: None, canary: Canary::None });
        if count == 1 && !json {
            println!("network world {seed}: {outcome:#?}");
        }
        sum.add(&outcome);
        if let Err(what) = outcome.verdict {
            found.push((seed, what));
        }
    }
    let nanos = begun.elapsed().as_nanos();
    sum.print(first, count, nanos, &found, json);
    found.is_empty()
}

/// Events a second of wall time.
fn a_second(events: u64, nanos: u128) -> u128 {
    u128::from(events).saturating_mul(1_000_000_000).checked_div(nanos).unwrap_or(0)
}

#[derive(Default)]
struct Sum {
    events: u64,
    kinds: [u64; 4],
    payments: usize,
    settled: usize,
    takeovers: u32,
    fenced: u32,
    withdrawals: usize,
    stops: (usize, usize),
    lasted: u64,
}

impl Sum {
    fn add(&mut self, outcome: &NetOutcome) {
        self.events += outcome.events;
        for (sum, kind) in self.kinds.iter_mut().zip(outcome.kinds) {
            *sum += kind;
        }
        self.payments += outcome.payments.0;
        self.settled += outcome.payments.1;
        self.takeovers += outcome.takeovers.0;
        self.fenced += outcome.takeovers.1;
        self.withdrawals += outcome.withdrawals.0 + outcome.withdrawals.1;
        self.stops.0 += outcome.stops.0;
        self.stops.1 += outcome.stops.1;
        self.lasted += outcome.lasted / 1_000_000_000;
    }

    fn print(&self, first: u64, count: u64, nanos: u128, found: &[(u64, String)], json: bool) {
        let Self { events, payments, settled, takeovers, fenced, withdrawals, lasted, .. } = self;
        let [messages, timers, disks, crashes] = self.kinds;
        let rate = a_second(*events, nanos);
        if json {
            let seeds: Vec<String> = found.iter().map(|(seed, _)| seed.to_string()).collect();
            println!(
                "{{\"first_seed\":{first},\"worlds\":{count},\"events\":{events},\
                 \"messages\":{messages},\"timers\":{timers},\"disks\":{disks},\
                 \"crashes\":{crashes},\"nanoseconds\":{nanos},\"events_a_second\":{rate},\
                 \"payments\":{payments},\"settled\":{settled},\"takeovers\":{takeovers},\
                 \"fenced\":{fenced},\"withdrawals\":{withdrawals},\"kill_switches\":{},\
                 \"stopped\":{},\"world_seconds\":{lasted},\
                 \"failing_seeds\":[{}]}}",
                self.stops.0,
                self.stops.1,
                seeds.join(",")
            );
            return;
        }
        for (seed, what) in found {
            println!("seed {seed}: {what}");
        }
        println!(
            "{count} worlds from seed {first}: {events} events ({messages} messages, {timers} \
             timers, {disks} disks, {crashes} crashes), {rate} events a second"
        );
        println!(
            "{payments} payments, {settled} settled, {withdrawals} withdrawals, {takeovers} \
             take-overs, {fenced} appends fenced, {} kill switches that stopped {} payments, \
             {lasted} seconds of worlds' time, {} worlds wrong",
            self.stops.0,
            self.stops.1,
            found.len()
        );
    }
}
