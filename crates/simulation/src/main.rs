//! `wayleave-simulate [--seed N] [--worlds N] [--disk]`: repeats a world, or prints the table.
#![expect(clippy::print_stdout, reason = "a command line program")]

use std::process::ExitCode;

use simulation::table::plan_of;
use simulation::{Bug, run_disk_world, run_world, table};

const USAGE: &str = "wayleave-simulate [--seed N] [--worlds N] [--disk]
  --seed N     repeat world N alone (with --disk: the world on failing disks)
  --worlds N   worlds in each cell of the table, 10 if not said
  --disk       worlds on disks that tear, forget, fail and lose power";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |flag: &str| {
        let place = words.iter().position(|word| word == flag)?;
        Some(words.get(place.saturating_add(1)).and_then(|word| word.parse::<u64>().ok()))
    };
    let known = |word: &String| {
        ["--seed", "--worlds", "--disk"].contains(&word.as_str()) || word.parse::<u64>().is_ok()
    };
    let (seed, worlds) = (number("--seed"), number("--worlds"));
    if !words.iter().all(known) || seed == Some(None) || worlds == Some(None) {
        println!("{USAGE}");
        return ExitCode::from(2);
    }
    let on_disk = words.iter().any(|word| word == "--disk");
    let worlds = worlds.flatten().unwrap_or(10);
    let is_fine = match (seed.flatten(), on_disk) {
        (Some(seed), false) => one(seed),
        (Some(seed), true) => disks(seed, 1),
        (None, true) => disks(0, worlds),
        (None, false) => {
            let table = table(0, u32::try_from(worlds).unwrap_or(u32::MAX), Bug::None);
            println!("{table}");
            table.found.is_empty()
        }
    };
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
