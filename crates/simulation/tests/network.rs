//! The whole network under a seed: it comes to rest with its invariants, and the oracle sees what
//! is planted.

use simulation::network::{Call, Canary, NetFault, NetPlan, Setting, net_table, run};

const fn weather(seed: u64, payments: usize, canary: Canary) -> Setting {
    Setting { seed, payments, plan: None, canary }
}

#[test]
fn networks_in_bad_weather_come_to_rest_with_their_invariants() {
    let (mut crashes, mut settled, mut takeovers, mut fenced) = (0, 0, 0, 0);
    for seed in 0..60 {
        let outcome = run(weather(seed, 24, Canary::None));
        assert_eq!(outcome.verdict, Ok(()), "network seed {seed}");
        crashes += outcome.kinds[3];
        settled += outcome.payments.1;
        takeovers += outcome.takeovers.0;
        fenced += outcome.takeovers.1;
    }
    println!("{crashes} crashes, {settled} settled, {takeovers} take-overs, {fenced} fenced");
    assert!(crashes > 60 && settled > 500 && takeovers > 20 && fenced > 0);
}

#[test]
fn a_seed_is_a_network() {
    for seed in [3, 17] {
        let setting = weather(seed, 16, Canary::None);
        assert_eq!(run(setting), run(setting));
    }
}

#[test]
fn each_fault_at_each_call_leaves_the_network_right() {
    let table = net_table(0, 2);
    println!("{table}");
    assert!(table.found.is_empty(), "{table}");
    assert!(table.fewest() >= 1, "{table}");
}

/// In how many of so many networks the oracle finds a planted bug, and where first.
fn caught(canary: Canary, plan: Option<NetPlan>, seeds: u64) -> (usize, Option<u64>) {
    let payments = if plan.is_some() { 7 } else { 24 };
    let finds = |seed: &u64| run(Setting { seed: *seed, payments, plan, canary }).verdict.is_err();
    let found: Vec<u64> = (0..seeds).filter(finds).collect();
    (found.len(), found.first().copied())
}

const fn at(fault: NetFault, call: Call) -> Option<NetPlan> {
    Some(NetPlan { fault, call })
}

#[test]
fn a_hold_released_on_unknown_is_caught() {
    let (found, first) = caught(Canary::ReleaseOnUnknown, None, 40);
    assert!(found > 0, "first {first:?}");
}

/// Each planted bug with the weather or the fault that brings it out, and in how many seeds.
#[test]
#[ignore = "in how many seeds each is caught was not measured yet"]
fn planted_bugs_are_caught() {
    let rows = [
        (Canary::ReleaseOnUnknown, None, 40),
        (Canary::PromiseEarly, None, 20),
        (Canary::FencedIsDone, None, 40),
        (Canary::LooksOnce, at(NetFault::AskerDies, Call::Hold), 60),
        (Canary::OutboxForgets, at(NetFault::Lost, Call::Parcel), 10),
        (Canary::NewMessageId, at(NetFault::AnswerLost, Call::Send), 20),
        (Canary::WitnessForgets, at(NetFault::DiesAfter, Call::Cosign), 10),
        (Canary::NoRecovery, at(NetFault::AskerDies, Call::Append), 40),
    ];
    let mut missed = Vec::new();
    for (canary, plan, seeds) in rows {
        let (found, first) = caught(canary, plan, seeds);
        println!("{canary:?}: {found} of {seeds} seeds, first {first:?}");
        if found == 0 {
            missed.push(canary);
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
