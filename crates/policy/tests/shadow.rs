//! A pack against what was recorded under another.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::as_conversions,
        dead_code,
        reason = "helpers of tests fail by panicking, and are shared"
    )
)]

mod support;

use policy::shadow::{Otherwise, Shadow};
use policy::{Pack, PackFiles, shipped};
use record::DecisionRecord;
use support::{SIDES, envelope, findings, now, rows};

fn recorded() -> Vec<DecisionRecord> {
    let pack = shipped::nl_sg().unwrap();
    rows(&pack)
        .iter()
        .map(|row| {
            let findings = findings(&SIDES[0], row);
            let decision = pack.decide(&findings, now());
            pack.record(envelope(), &findings, &decision, now())
        })
        .collect()
}

#[test]
fn the_same_pack_changes_nothing() {
    let pack = shipped::nl_sg().unwrap();
    let mut shadow = Shadow::of(&pack, 3);
    recorded().iter().for_each(|record| shadow.take(record));
    assert_eq!((shadow.differing(), shadow.elsewhere()), (0, 0));
    assert_eq!(shadow.same(), recorded().len() as u64);
}

#[test]
fn a_lower_limit_hits_the_permits_above_it_and_names_them() {
    let parameters = shipped::NL_SG.parameters.replacen("50000000", "1000000", 1);
    let pack = Pack::load(&PackFiles { parameters: &parameters, ..shipped::NL_SG }).unwrap();
    let all = recorded();
    let mut shadow = Shadow::of(&pack, 2);
    all.iter().for_each(|record| shadow.take(record));
    let change = &shadow.changes()["permit → denial"];
    let permits = all.iter().filter(|r| r.outcome == record::DecisionOutcome::Permit).count();
    assert_eq!(change.count, permits as u64);
    assert_eq!(change.codes["corridor-limit-exceeded"], change.count);
    assert_eq!(change.samples.len(), 2);
    assert!(change.samples[0].contains("1240000 minor units of EUR"), "{change:?}");
    assert!(change.amounts["EUR"] >= 1_240_000 * i128::from(change.count));
    // What was refused for one reason is refused for two.
    assert!(shadow.changes()["other reasons"].count > 0);
    // A weaker rule frees what it refused.
    let decide = shipped::NL_SG.decide.replace("context.amount > 0", "context.amount > -1");
    let weak = Pack::load(&PackFiles { decide: &decide, ..shipped::NL_SG }).unwrap();
    let nothing = all.iter().find(|r| r.determining == ["amount-not-positive"]).unwrap();
    let freed =
        Otherwise::Differs { change: "denial → permit".into(), codes: vec!["permit".into()] };
    assert_eq!(weak.otherwise(nothing), freed);
}

#[test]
fn what_was_not_recorded_is_unknown_and_another_side_is_not_looked_at() {
    let all = recorded();
    let sg = shipped::sg_in().unwrap();
    assert_eq!(sg.otherwise(&all[0]), Otherwise::Elsewhere);
    let nl = shipped::nl_sg().unwrap();
    let mut less = all[0].clone();
    less.findings.retain(|finding| finding.name != "termsMatch");
    assert_eq!(nl.otherwise(&less), Otherwise::Untold(["termsMatch".to_owned()].into()));
    let mut shadow = Shadow::of(&nl, 1);
    shadow.take(&less);
    assert_eq!(shadow.untold().len(), 1);
    assert_eq!((shadow.differing(), shadow.looked_at()), (1, 1));
}
