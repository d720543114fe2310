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
        clippy::print_stdout,
        reason = "helpers of tests fail by panicking; the score is for who reads it"
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

/// The cases of a pack: the one place that knows where they are kept. To its own come values at the
/// very edge of what a rule takes: what is one stricter is seen there.
fn cases(pack: &Pack, parameters: &str) -> Vec<Findings> {
    let side = support::SIDES
        .iter()
        .find(|side| Pack::load(&side.files).is_ok_and(|known| known.name() == pack.name()))
        .unwrap();
    let rows = support::rows(pack).into_iter().map(|row| support::findings(side, &row));
    let base = || limit((side.base)());
    rows.chain(at_the_edges(parameters, &base)).collect()
}

/// A payment at each value of each parameter, and one beside it.
fn at_the_edges(parameters: &str, base: &dyn Fn() -> FindingsBuilder) -> Vec<Findings> {
    const AGES: [v::Number; 5] = [
        v::LIST_AGE,
        v::REGISTRATION_STATUS_AGE,
        v::MANDATE_STATUS_AGE,
        v::CREDIT_STATUS_AGE,
        v::TAX_STANDING_AGE,
    ];
    let mut all = Vec::new();
    for (unit, value) in numbers(parameters) {
        match unit.as_str() {
            "minutes" => all.push(base().number(v::MINUTE_OF_DAY, value)),
            "ISO weekday" => all.push(base().number(v::WEEKDAY, value)),
            "seconds" => all.extend(AGES.map(|age| base().number(age, value))),
            _ => {
                let at = |amount| base().number(v::AMOUNT, amount);
                let bands = ["A", "B", "C"].map(|band| at(value).text(v::CREDIT_BAND_GIVEN, band));
                all.extend(bands);
                all.push(at(value).flag(v::PAYER_ADDRESS_STRUCTURED, false));
                let below = value.saturating_sub(1).max(1);
                all.push(at(below).texts(v::DUTIES_DONE, &["evidence-escrow"]));
            }
        }
    }
    all.into_iter().map(FindingsBuilder::build).collect()
}

/// Each parameter that is a number, with its unit.
fn numbers(parameters: &str) -> Vec<(String, i64)> {
    let file: Value = serde_json::from_str(parameters).unwrap();
    let rows = file["parameters"].as_array().unwrap();
    let mut all = Vec::new();
    for row in rows {
        let unit = row["unit"].as_str().unwrap_or_default();
        // Of every day: which of them counts is the clock's to say.
        let dated = row["values"].as_array().unwrap().iter();
        all.extend(dated.filter_map(|one| Some((unit.to_owned(), one["value"].as_i64()?))));
    }
    all
}

fn limit(b: FindingsBuilder) -> FindingsBuilder {
    b.number(v::MANDATE_LIMIT, policy::findings::NUMBER_MAX)
}

/// Why a mutant that no case and no invariant tells from the pack is no gap; `None` when it is one.
fn explained(parameters: &str, mutant: &Mutant) -> Option<&'static str> {
    let file: Value = serde_json::from_str(parameters).unwrap();
    let number = |name: &str| {
        let row = file["parameters"].as_array()?.iter().find(|row| row["name"] == name)?;
        row["values"].as_array()?.last()?["value"].as_i64()
    };
    let above = |band: &str| number(band) > number("amountLimit");
    match (mutant.id.as_str(), mutant.how.as_str()) {
        ("evidence-undone", "only the right of `&&`") => {
            Some("stricter, and the same: `evidence-escrow` is due of every payment")
        }
        ("travel-rule-undone", "only the right of `&&`")
            if number("travelRuleThreshold") == Some(0) =>
        {
            Some(
                "stricter, and the same: the threshold is nothing, the duty is due of every payment",
            )
        }
        ("credit-band-limit-exceeded", "`<=` is `<`")
            if above("bandALimit") || above("bandBLimit") =>
        {
            Some("the corridor's limit is below that band's, so no payment comes near it")
        }
        _ => None,
    }
}

/// A rule changed, or gone.
struct Mutant {
    chapter: Chapter,
    id: String,
    how: String,
    rule: Option<Value>,
}

/// How much of one pack is left to the solver: the cases are to kill the rest.
const QUESTIONS_MAX: u32 = 40;
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

/// The cases of a pack with what it decides of each.
fn decided(pack: &Pack, parameters: &str) -> Vec<(Findings, Decision)> {
    let decide = |findings: Findings| {
        let decision = pack.decide(&findings, support::now());
        (findings, decision)
    };
    cases(pack, parameters).into_iter().map(decide).collect()
}

fn end(
    prover: &mut Prover,
    (one, subject, cases): (&Proved, &Subject, &[(Findings, Decision)]),
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
    let differs = |(findings, was): &(Findings, Decision)| {
        changed.pack.decide(findings, support::now()) != *was
    };
    let by_case = cases.iter().any(differs);
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

/// How the mutants of one pack ended.
struct Score {
    ends: BTreeMap<End, usize>,
    unexplained: Vec<String>,
    asked: u32,
}

fn score(one: &Proved, all: bool) -> Score {
    let mut prover = Prover::new(Solvers::find(false).unwrap()).unwrap();
    let subject = Subject::new(&one.files, one.invariants).unwrap();
    let cases = decided(&subject.pack, one.files.parameters);
    let mut score = Score { ends: BTreeMap::new(), unexplained: Vec::new(), asked: 0 };
    for mutant in mutants(&subject.pack) {
        let end = end(&mut prover, (one, &subject, &cases), &mutant, all);
        *score.ends.entry(end).or_default() += 1;
        let named = format!("{} {}: {}", one.name, mutant.id, mutant.how);
        if !matches!(end, End::KilledByCase | End::RefusedAtLoad) || all {
            println!("{named}: {end:?}");
        }
        if end == End::Survived {
            match explained(one.files.parameters, &mutant) {
                Some(why) => println!("  {why}"),
                None => score.unexplained.push(named),
            }
        }
    }
    score.asked = prover.asked();
    score
}

/// Needs a solver: the suite `packs-proved` brings it.
mod on_solver {
    use super::*;

    #[test]
    fn each_mutant_of_each_rule_is_killed_or_says_the_same() {
        let all = std::env::var("WAYLEAVE_MUTANTS").is_ok_and(|value| value == "all");
        // Two at a time: most of it is the engine deciding cases, not the solver.
        for pair in PACKS.chunks(2) {
            std::thread::scope(|scope| {
                let ask = |one| scope.spawn(move || (one, score(one, all)));
                let asked: Vec<_> = pair.iter().map(ask).collect();
                for (one, score) in asked.into_iter().map(|one| one.join().unwrap()) {
                    println!("{}: {:?}, {} questions", one.name, score.ends, score.asked);
                    assert!(score.unexplained.is_empty(), "{:#?}", score.unexplained);
                    assert!(all || score.asked <= QUESTIONS_MAX, "{} questions", score.asked);
                }
            });
        }
    }
}
