//! Every cell of the table has its worlds, and the oracle sees what is planted.

use simulation::{Bug, Fault, Plan, Port, run_disk_world, run_lossy_world, run_world, table};

#[test]
fn each_fault_at_each_port_leaves_the_books_right() {
    let table = table(0, 12, Bug::None);
    println!("{table}");
    assert!(table.found.is_empty(), "{table}");
    assert!(table.fewest() >= 10, "{table}");
}

#[test]
fn a_seed_is_a_world() {
    for seed in [3, 17, 29] {
        let plan = Some(simulation::table::plan_of(seed));
        assert_eq!(run_world(seed, plan, Bug::None), run_world(seed, plan, Bug::None));
    }
}

#[test]
fn worlds_without_a_fault_settle() {
    let mut settled = 0;
    for seed in 0..20 {
        let outcome = run_world(seed, None, Bug::None);
        assert_eq!(outcome.verdict, Ok(()), "seed {seed}");
        assert_eq!(outcome.crashes, 0);
        settled += outcome.payments.1;
    }
    assert!(settled > 20, "{settled}");
}

#[test]
fn power_may_go_at_any_call_of_any_disk() {
    let (mut crashes, mut settled) = (0, 0);
    for seed in 0..60 {
        let outcome = run_disk_world(seed);
        assert_eq!(outcome.verdict, Ok(()), "seed {seed}");
        crashes += outcome.crashes;
        settled += outcome.payments.1;
    }
    assert!(crashes > 60 && settled > 60, "{crashes} crashes, {settled} settled");
}

#[test]
fn books_that_are_away_for_a_while_and_answers_that_are_lost_change_no_ending() {
    let (mut lost, mut settled) = (0, 0);
    for seed in 0..200 {
        let (outcome, in_it) = run_lossy_world(seed, Bug::None);
        assert_eq!(outcome.verdict, Ok(()), "seed {seed}");
        lost += in_it;
        settled += outcome.payments.1;
    }
    assert!(lost > 2_000 && settled > 200, "{lost} lost, {settled} settled");
    // The oracle sees who takes a lost answer for nothing done.
    assert!((0..60).any(|seed| run_lossy_world(seed, Bug::CreditTwice).0.verdict.is_err()));
}

/// How many of 30 worlds the oracle finds wrong.
fn seen(bug: Bug, fault: Fault, port: Port) -> usize {
    let plan = Some(Plan { fault, port });
    (0..30).filter(|seed| run_world(*seed, plan, bug).verdict.is_err()).count()
}

#[test]
fn planted_bugs_are_seen() {
    let rows = [
        (Bug::ReleaseOnUnknown, Fault::UnknownDone, Port::Settle),
        (Bug::CreditTwice, Fault::UnknownDone, Port::Credit),
        (Bug::PromiseEarly, Fault::CrashBefore, Port::Settle),
        (Bug::NoRecovery, Fault::CrashBefore, Port::Settle),
        (Bug::NoRecovery, Fault::CrashAfter, Port::Settle),
    ];
    for (bug, fault, port) in rows {
        assert_eq!(seen(Bug::None, fault, port), 0, "{fault:?} at {port:?}");
        let seen = seen(bug, fault, port);
        assert!(seen > 0, "{bug:?} with {fault:?} at {port:?} is not seen");
    }
}
