//! Companies of the sandbox that always reach one state.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests fail by panicking, and are shared with other tests"
)]

mod support;

use admission::Verdict;
use admission::forced::{self, FORCED, FORCED_MINOR_MAX, Forced, forced as leads};
use policy::findings::NUMBER_MAX;
use policy::vocabulary as v;
use policy::{Action, FindingsBuilder, Replay, replay, shipped};
use record::{FindingValue, NEUTRAL_CODE, Side};
use support::World;

fn outcome(world: &World) -> (&'static str, String, bool) {
    let decided = world.debtor_decides(&world.exchange());
    let bytes = seal::to_canonical(&decided.record);
    assert_eq!(replay(&bytes, &shipped::nl_sg().unwrap()), Ok(Replay::Match));
    let marks: Vec<&str> = decided
        .record
        .lists
        .iter()
        .filter_map(|list| list.name.strip_prefix("sandbox-forced:"))
        .collect();
    let owner = world.payer_account.owner;
    assert!(owner.as_str().ends_with(marks.first().unwrap()), "{marks:?}");
    match decided.verdict {
        Verdict::Permit(_) => ("permit", String::new(), decided.alarm),
        Verdict::Order { .. } => ("order", String::new(), decided.alarm),
        Verdict::Refusal { told, .. } => ("refusal", told.code, decided.alarm),
        Verdict::Referral { told, .. } => ("referral", told.code, decided.alarm),
    }
}

#[test]
fn each_company_of_the_sandbox_reaches_its_state_and_its_record_says_so() {
    let neutral = NEUTRAL_CODE.to_owned();
    let expected = [
        ("permit", String::new(), false),
        ("refusal", "registration-inactive".to_owned(), false),
        ("refusal", neutral.clone(), false),
        ("refusal", neutral.clone(), false),
        ("referral", "closed-now".to_owned(), false),
        ("refusal", neutral, true),
    ];
    for ((value, _), expected) in FORCED.iter().zip(expected) {
        let world = World::of_payer(&format!("nl-kvk:{value}"));
        assert_eq!(outcome(&world), expected, "{value}");
    }
}

#[test]
fn a_forced_company_moves_no_more_than_its_bound() {
    let world = World::of_payer("nl-kvk:sandbox-permitted");
    let led = |minor: i64| {
        world.at(Side::Debtor, |desk| {
            let found = FindingsBuilder::new(Action::Pay).number(v::AMOUNT, minor).build();
            let owner = world.payer_account.owner;
            forced::apply(desk, owner, &found).unwrap().0.value("amount").cloned()
        })
    };
    assert_eq!(led(FORCED_MINOR_MAX), Some(FindingValue::Number(FORCED_MINOR_MAX)));
    // Above every corridor's limit: the pack refuses it by its own rule.
    assert_eq!(led(FORCED_MINOR_MAX + 1), Some(FindingValue::Number(NUMBER_MAX)));
}

#[test]
fn nothing_is_forced_outside_the_sandbox_and_for_other_companies() {
    let owner = "nl-kvk:sandbox-listed".parse().unwrap();
    let sandbox = "sandbox".parse().unwrap();
    assert_eq!(leads(sandbox, owner), Some(("sandbox-listed", Forced::Listed)));
    for environment in ["production", "sandbox-2", "Sandbox"] {
        assert_eq!(leads(environment.parse().unwrap(), owner), None);
    }
    for other in ["nl-kvk:68750110", "nl-kvk:sandbox", "nl-kvk:sandbox-listed-too"] {
        assert_eq!(leads(sandbox, other.parse().unwrap()), None);
    }
}
