//! Each rule of the shipped packs deleted, weakened and swapped: killed by the packs' test cases,
//! or by a solver, or the same rule in other words.
//!
//! `WAYLEAVE_MUTANTS=all` puts every mutant to the solver, also those that the cases killed: the
//! invariants' own score. `cargo xtask soak packs` does that.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "helpers of tests fail by panicking"
    )
)]

#[path = "../../policy/tests/support/mod.rs"]
#[expect(dead_code, reason = "the cases of the packs, as the tests of `policy` keep them")]
mod support;

use std::collections::BTreeMap;

use cedar_policy::{Policy, PolicyId};
use policy::rule::Chapter;
use policy::shipped::{PACKS, Proved};
use policy::vocabulary as v;
use policy::{Decision, Findings, FindingsBuilder, Pack, PackError, PackFiles};
use prover::{Prover, Solvers, Subject};
use serde_json::{Value, json};

/// The cases of a pack: the one place that knows where they are kept.
fn cases(pack: &Pack) -> Vec<Findings> {
    let side = support::SIDES
        .iter()
        .find(|side| Pack::load(&side.files).is_ok_and(|known| known.name() == pack.name()))
        .unwrap();
    let rows = support::rows(pack).into_iter().map(|row| support::findings(side, &row));
    let own = match pack.name() {
        "nl-sg" => DEBTOR,
        "sg-in" => CREDITOR,
        // The others' own cases hold such values.
        _ => &[],
    };
    let edges = SHARED.iter().chain(own).map(|change| change((side.base)()).build());
    rows.chain(edges).collect()
}

type Change = fn(FindingsBuilder) -> FindingsBuilder;

/// Values at the very edge of what a rule takes: what is one stricter is seen here.
const SHARED: &[Change] = &[|b| b.number(v::MINUTE_OF_DAY, 420), |b| b.number(v::LIST_AGE, 86_400)];
const DEBTOR: &[Change] = &[
    |b| b.number(v::WEEKDAY, 5),
    |b| b.number(v::MINUTE_OF_DAY, 1_080),
    |b| limit(b).number(v::AMOUNT, 50_000_000).text(v::CREDIT_BAND_GIVEN, "A"),
    |b| limit(b).number(v::AMOUNT, 25_000_000),
    |b| b.number(v::AMOUNT, 5_000_000).text(v::CREDIT_BAND_GIVEN, "C"),
    |b| b.number(v::CREDIT_STATUS_AGE, 900),
    |b| b.number(v::MANDATE_STATUS_AGE, 900),
    |b| b.number(v::TAX_STANDING_AGE, 7_776_000),
];
const CREDITOR: &[Change] = &[
    |b| b.number(v::WEEKDAY, 6),
    |b| b.number(v::AMOUNT, 75_000_000),
    |b| b.number(v::AMOUNT, 149_999).texts(v::DUTIES_DONE, &["evidence-escrow"]),
];

fn limit(b: FindingsBuilder) -> FindingsBuilder {
    b.number(v::MANDATE_LIMIT, policy::findings::NUMBER_MAX)
}

/// Mutants that no case and no invariant tells from the pack, each with why that is right.
const EXPLAINED: [(&str, &str); 4] = [
    (
        "nl-sg credit-band-limit-exceeded: `<=` is `<`",
        "of band A: the corridor's limit is below the band's, so no payment comes near it",
    ),
    (
        "nl-sg evidence-undone: only the right of `&&`",
        "stricter, and the same: `evidence-escrow` is due of every payment",
    ),
    (
        "nl-sg travel-rule-undone: only the right of `&&`",
        "stricter, and the same: the threshold is nothing, so the duty is due of every payment",
    ),
    (
        "sg-in evidence-undone: only the right of `&&`",
        "stricter, and the same: `evidence-escrow` is due of every payment",
    ),
];

/// A rule changed, or gone.
struct Mutant {
    chapter: Chapter,
    id: String,
    how: String,
    rule: Option<Value>,
}

const CHAPTERS: [Chapter; 3] = [Chapter::Decide, Chapter::Oblige, Chapter::Gate];

fn mutants(pack: &Pack) -> Vec<Mutant> {
    let mut all = Vec::new();
    for chapter in CHAPTERS {
        let mut rules: Vec<&Policy> = pack.policies(chapter).policies().collect();
        rules.sort_by_key(|rule| rule.id().to_string());
        for rule in rules {
            let (id, json) = (rule.id().to_string(), rule.to_json().unwrap());
            let mut add = |how: &str, rule: Option<Value>| {
                all.push(Mutant { chapter, id: id.clone(), how: how.to_owned(), rule });
            };
            add("deleted", None);
            let conditions = json.get("conditions").and_then(Value::as_array).unwrap();
            for (index, condition) in conditions.iter().enumerate() {
                let kind = if condition["kind"] == "when" { "unless" } else { "when" };
                let mut swapped = json.clone();
                swapped["conditions"][index]["kind"] = json!(kind);
                add("when and unless swapped", Some(swapped));
                for (how, body) in weakened(&condition["body"]) {
                    let mut weak = json.clone();
                    weak["conditions"][index]["body"] = body;
                    add(&how, Some(weak));
                }
            }
        }
    }
    all
}

/// Each expression with one operator of it changed.
fn weakened(body: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let Some(members) = body.as_object() else { return all };
    for (operator, inside) in members {
        let other = match operator.as_str() {
            "<=" => Some("<"),
            "<" => Some("<="),
            ">=" => Some(">"),
            ">" => Some(">="),
            "==" => Some("!="),
            _ => None,
        };
        if let Some(other) = other {
            all.push((format!("`{operator}` is `{other}`"), json!({ other: inside })));
        }
        if matches!(operator.as_str(), "&&" | "||") {
            for part in ["left", "right"] {
                all.push((format!("only the {part} of `{operator}`"), inside[part].clone()));
            }
        }
        for part in ["left", "right", "arg"] {
            for (how, changed) in inside.get(part).map(weakened).unwrap_or_default() {
                let mut whole = body.clone();
                whole[operator][part] = changed;
                all.push((how, whole));
            }
        }
    }
    all
}

/// The text of a chapter with a mutant in its place.
fn text(pack: &Pack, chapter: Chapter, mutant: &Mutant) -> String {
    let mut text = String::new();
    for rule in pack.policies(chapter).policies() {
        let here = mutant.chapter == chapter && rule.id().to_string() == mutant.id;
        match (here, &mutant.rule) {
            (true, None) => {}
            (true, Some(json)) => text.push_str(&of(&mutant.id, json).to_cedar().unwrap()),
            (false, _) => text.push_str(&rule.to_cedar().unwrap()),
        }
        text.push('\n');
    }
    text
}

fn of(id: &str, json: &Value) -> Policy {
    Policy::from_json(Some(PolicyId::new(id)), json.clone()).unwrap()
}

/// How a mutant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    RefusedAtLoad,
    KilledByCase,
    SameRule,
    KilledBySolver,
    Survived,
}

/// Decides all cases; what is seen of them.
fn seen(pack: &Pack, cases: &[Findings]) -> Vec<Decision> {
    cases.iter().map(|findings| pack.decide(findings, support::now())).collect()
}

fn end(
    prover: &mut Prover,
    (one, subject): (&Proved, &Subject),
    mutant: &Mutant,
    all: bool,
) -> End {
    let pack = &subject.pack;
    let [decide, oblige, gate] = CHAPTERS.map(|chapter| text(pack, chapter, mutant));
    let files = PackFiles { decide: &decide, oblige: &oblige, gate: &gate, ..one.files };
    let changed = match Subject::new(&files, one.invariants) {
        Ok(changed) => changed,
        Err(prover::SubjectError::Pack(
            PackError::NotOneWidePermit { .. }
            | PackError::FindingUnread { .. }
            | PackError::FindingUnknown { .. }
            | PackError::ParameterUnread { .. }
            | PackError::AssumptionForm { .. },
        )) => return End::RefusedAtLoad,
        Err(other) => panic!("{} {}: {other}", mutant.id, mutant.how),
    };
    let cases = cases(pack);
    let by_case = seen(pack, &cases) != seen(&changed.pack, &cases);
    if by_case && !all {
        return End::KilledByCase;
    }
    if let Some(rule) = &mutant.rule {
        let was = pack.policies(mutant.chapter).policy(&PolicyId::new(&mutant.id)).unwrap();
        let is = of(&mutant.id, rule);
        if prover.same_rule(subject, mutant.chapter, (was, &is)).unwrap() {
            return End::SameRule;
        }
    }
    if prover
        .refutes(&changed, mutant.chapter)
        .unwrap_or_else(|e| panic!("{}: {e}", mutant.id))
        .is_some()
    {
        return End::KilledBySolver;
    }
    if by_case { End::KilledByCase } else { End::Survived }
}

/// Needs a solver: the suite `packs-proved` brings it.
mod on_solver {
    use super::*;

    #[test]
    fn each_mutant_of_each_rule_is_killed_or_says_the_same() {
        let all = std::env::var("WAYLEAVE_MUTANTS").is_ok_and(|value| value == "all");
        let mut prover = Prover::new(Solvers::find(false).unwrap()).unwrap();
        let mut survived = Vec::new();
        for one in &PACKS {
            let subject = Subject::new(&one.files, one.invariants).unwrap();
            let mut ends: BTreeMap<End, usize> = BTreeMap::new();
            for mutant in mutants(&subject.pack) {
                let end = end(&mut prover, (one, &subject), &mutant, all);
                *ends.entry(end).or_default() += 1;
                if !matches!(end, End::KilledByCase | End::RefusedAtLoad) || all {
                    println!("{} {}: {}: {end:?}", one.name, mutant.id, mutant.how);
                }
                if end == End::Survived {
                    survived.push(format!("{} {}: {}", one.name, mutant.id, mutant.how));
                }
            }
            println!("{}: {ends:?}", one.name);
        }
        println!("{} questions", prover.asked());
        for (mutant, why) in EXPLAINED {
            println!("{mutant}: {why}");
        }
        assert_eq!(survived, EXPLAINED.map(|(mutant, _)| mutant));
        assert!(all || prover.asked() <= 100, "{} questions", prover.asked());
    }
}
