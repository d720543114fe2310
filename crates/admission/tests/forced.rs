//! Companies of the sandbox that always reach one state.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests fail by panicking, and are shared with other tests"
)]

mod support;

use admission::forced::{self, FORCED, FORCED_MINOR_MAX, Forced, forced as leads};
use admission::{Bounds, Verdict, is_exercise};
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

#[test]
fn a_sandbox_corridor_denies_what_is_beyond_its_bounds_when_it_is_decided() {
    let mut world = World::new();
    let owner = world.payer_account.owner;
    let debited = world.quote.debit.minor;
    let later = |seconds| world.now.plus(core::time::Duration::from_secs(seconds));
    let within = Bounds { amount_max: debited, parties: [owner].into(), until: later(1) };
    let less = terms::Minor::new(debited.units() - 1);
    let other: terms::CompanyId = "nl-kvk:12345678".parse().unwrap();
    let table = [
        (within.clone(), ""),
        (Bounds { amount_max: less, ..within.clone() }, "SandboxAmountExceeded"),
        (Bounds { parties: [other].into(), ..within.clone() }, "SandboxPartyNotAdmitted"),
        (Bounds { until: world.now, ..within.clone() }, "SandboxEnded"),
        // Each is looked at: the first that fails is told.
        (Bounds { until: world.now, amount_max: less, ..within }, "SandboxEnded"),
    ];
    let exchanged = world.exchange();
    for (bounds, expected) in table {
        let mark = bounds.mark();
        world.sandbox = Some(bounds);
        let decided = world.debtor_decides(&exchanged);
        let code = match &decided.verdict {
            Verdict::Permit(_) => "",
            Verdict::Refusal { told, .. } => &told.code,
            other @ (Verdict::Order { .. } | Verdict::Referral { .. }) => panic!("{other:?}"),
        };
        assert_eq!(code, expected);
        assert!(!decided.alarm, "{expected}");
        // Marked, whatever the outcome; and the record replays under the pack alone.
        assert!(decided.record.lists.contains(&mark), "{:?}", decided.record.lists);
        assert!(is_exercise(&decided.record));
        // Where money is real, so are its reports, whatever marks a record has.
        let mut elsewhere = decided.record.clone();
        elsewhere.environment = "pilot".parse().unwrap();
        assert!(!is_exercise(&elsewhere));
        let bytes = seal::to_canonical(&decided.record);
        assert_eq!(replay(&bytes, &shipped::nl_sg().unwrap()), Ok(Replay::Match));
    }
    world.sandbox = None;
    assert!(!is_exercise(&world.debtor_decides(&exchanged).record));
}

#[test]
fn bounds_that_differ_in_anything_have_another_mark() {
    let base = Bounds {
        amount_max: terms::Minor::new(1_000),
        parties: ["nl-kvk:68750110".parse().unwrap()].into(),
        until: terms::Instant::from_seconds(1_800_000_000),
    };
    let others = [
        Bounds { amount_max: terms::Minor::new(1_001), ..base.clone() },
        Bounds { parties: ["nl-kvk:68750111".parse().unwrap()].into(), ..base.clone() },
        Bounds { until: terms::Instant::from_seconds(1_800_000_001), ..base.clone() },
    ];
    for other in others {
        assert_ne!(other.mark().digest, base.mark().digest);
    }
    assert!(base.mark().name.starts_with("sandbox-corridor:at most 1000 minor units, 1 parties"));
}

#[test]
fn a_sandbox_company_is_an_exercise_and_closes_an_institution_that_is_always_open() {
    for (value, _) in FORCED {
        let world = World::of_payer(&format!("nl-kvk:{value}"));
        assert!(is_exercise(&world.debtor_decides(&world.exchange()).record), "{value}");
    }
    let world = World::of_payer("nl-kvk:sandbox-closed");
    let owner = world.payer_account.owner;
    let led = world.at(Side::Debtor, |desk| {
        let found = FindingsBuilder::new(Action::Pay).number(v::AMOUNT, 1).build();
        forced::apply(desk, owner, &found).unwrap().0.value("localDate").cloned()
    });
    assert_eq!(led, Some(FindingValue::Text("1970-01-01".to_owned())));
}
