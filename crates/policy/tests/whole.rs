//! Asking all forbids at once says what asking each of them says.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "helpers of tests fail by panicking, and are shared with other tests"
)]

mod support;

use std::sync::LazyLock;

use policy::vocabulary::{Kind, TABLE};
use policy::{Findings, FindingsBuilder, Pack, PackFiles, shipped};
use proptest::prelude::*;
use support::{SIDES, findings, now, rows};

static PACKS: LazyLock<[Pack; 2]> =
    LazyLock::new(|| [shipped::nl_sg().unwrap(), shipped::sg_in().unwrap()]);

fn same(pack: &Pack, findings: &Findings) {
    assert_eq!(pack.decide(findings, now()), pack.decide_one_by_one(findings, now()));
}

#[test]
fn every_case_is_decided_the_same_both_ways() {
    for (pack, side) in PACKS.iter().zip(&SIDES) {
        for row in &rows(pack) {
            same(pack, &findings(side, row));
        }
    }
}

#[test]
fn an_error_is_told_by_the_rule_that_has_it() {
    let overflow = "context.amount * 9000000000000000000 > 1 || ";
    let decide = shipped::NL_SG.decide.replacen(
        "  context.termsMatch",
        &format!("  {overflow}context.termsMatch"),
        1,
    );
    let pack = Pack::load(&PackFiles { decide: &decide, ..shipped::NL_SG }).unwrap();
    let found = support::debtor().build();
    same(&pack, &found);
    let decision = pack.decide(&found, now());
    assert!(decision.alarm() && decision.errors[0].to_string().contains("terms-differ"));
}

/// Some findings of a permitted payment replaced by whatever fits their types.
fn changed() -> impl Strategy<Value = Vec<(usize, i64)>> {
    prop::collection::vec((0..TABLE.len(), -2_i64..90_000_000), 0..6)
}

fn put(builder: FindingsBuilder, (row, value): (usize, i64)) -> FindingsBuilder {
    let row = &TABLE[row];
    let words = ["Clear", "Match", "Possible", "NotScreened", "GDDS", "KP", "EUR", "A", "D", "x"];
    let word = words[usize::try_from(value.unsigned_abs()).unwrap() % words.len()];
    let name = row.name.to_owned();
    let value = match row.kind {
        Kind::Flag => serde_json::json!(value % 2 == 0),
        Kind::Number => serde_json::json!(value),
        Kind::Text => serde_json::json!(word),
        Kind::Texts => serde_json::json!([word]),
    };
    builder.of_json(&name, &value).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_forbids_as_one_permit_what_each_of_them_permits(
        side in 0_usize..2,
        changes in changed(),
    ) {
        let base = (SIDES[side].base)();
        let findings = changes.into_iter().fold(base, put).build();
        same(&PACKS[side], &findings);
    }
}
