//! The whole network under a seed: it comes to rest with its invariants, and the oracle sees what
//! is planted.
#![expect(clippy::panic, reason = "a test stops by it")]

use simulation::network::{Call, Canary, NetFault, NetPlan, PLANTED, Setting, net_table, run};

const fn weather(seed: u64, payments: usize, canary: Canary) -> Setting {
    Setting { seed, payments, plan: None, canary }
}

#[test]
fn networks_in_bad_weather_come_to_rest_with_their_invariants() {
    let (mut crashes, mut settled, mut takeovers, mut fenced, mut stopped) = (0, 0, 0, 0, 0);
    for seed in 0..60 {
        let outcome = run(weather(seed, 24, Canary::None));
        assert_eq!(outcome.verdict, Ok(()), "network seed {seed}");
        crashes += outcome.kinds[3];
        settled += outcome.payments.1;
        takeovers += outcome.takeovers.0;
        fenced += outcome.takeovers.1;
        stopped += outcome.stops.1;
    }
    println!("{crashes} crashes, {settled} settled, {takeovers} take-overs, {fenced} fenced");
    println!("{stopped} payments refused by a kill switch");
    assert!(crashes > 60 && settled > 400 && takeovers > 20 && fenced > 0 && stopped > 0);
}

#[test]
fn a_seed_is_a_network() {
    for seed in [3, 17] {
        let setting = weather(seed, 16, Canary::None);
        assert_eq!(run(setting), run(setting));
    }
}

/// Where an act began at its signer's now and the core's clock was behind, payments settled after
/// the switch was acknowledged. One that begins in the past holds from its fact on.
#[test]
fn a_kill_switch_that_begins_in_the_past_holds_whatever_the_clock_does() {
    let plan = Some(NetPlan { fault: NetFault::ClockSteps, call: Call::Act });
    for seed in [0, 6, 15, 16] {
        let outcome = run(Setting { seed, payments: 7, plan, canary: Canary::None });
        assert_eq!(outcome.verdict, Ok(()), "network seed {seed}");
        assert!(outcome.fired && outcome.stops.0 == 1, "network seed {seed}: {outcome:?}");
    }
}

#[test]
fn each_fault_at_each_call_leaves_the_network_right() {
    let table = net_table(0, 2);
    println!("{table}");
    assert!(table.found.is_empty(), "{table}");
    assert!(table.fewest() >= 1, "{table}");
}

/// The oracle sees a planted bug within its seeds; the same world without it is right.
fn is_caught(canary: Canary) -> (u64, String) {
    let planted = PLANTED.iter().find(|one| one.canary == canary);
    let Some(planted) = planted else { panic!("{canary:?} is planted nowhere") };
    let Some((seed, what)) = planted.first() else {
        panic!("{canary:?} is not caught within {} seeds", planted.within)
    };
    assert_eq!(run(planted.world(seed, Canary::None)).verdict, Ok(()), "without {canary:?}");
    (seed, what)
}

#[test]
fn a_hold_released_on_unknown_is_caught() {
    is_caught(Canary::ReleaseOnUnknown);
}

#[test]
fn a_credit_posted_twice_is_caught() {
    is_caught(Canary::CreditTwice);
}

#[test]
fn a_promise_before_the_fact_is_caught() {
    is_caught(Canary::PromiseEarly);
}

#[test]
fn a_fenced_append_taken_for_done_is_caught() {
    is_caught(Canary::FencedIsDone);
}

/// A hold that a core asked for before it died reaches the bank after the next core looked: whoever
/// looks once leaves it for ever. It is why `behind` in the shipped core looks again.
#[test]
fn looking_once_for_open_holds_is_caught() {
    let (_, what) = is_caught(Canary::LooksOnce);
    assert!(what.contains("the bank holds for payment"), "{what}");
}

#[test]
fn an_outbox_that_forgets_is_caught() {
    is_caught(Canary::OutboxForgets);
}

#[test]
fn a_message_sent_again_under_a_new_id_is_caught() {
    is_caught(Canary::NewMessageId);
}

#[test]
fn a_witness_that_answers_too_early_is_caught() {
    is_caught(Canary::WitnessForgets);
}

#[test]
fn a_core_that_recovers_nothing_is_caught() {
    is_caught(Canary::NoRecovery);
}
