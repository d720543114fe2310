//! What an author of packs is told: mistakes with their places, cases, comparisons, words.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "helpers of tests fail by panicking"
    )
)]

use std::collections::{BTreeMap, BTreeSet};

use policy::compare::{Comparison, Direction};
use policy::{Chapter, Mistake, Pack, PackFiles, cases, check, compare, shipped, skeleton};
use record::Side;

/// The shipped packs with their cases.
const SHIPPED: [(PackFiles<'static>, &str); 8] = [
    (shipped::NL_SG, include_str!("../../../packs/nl-sg/cases.json")),
    (shipped::SG_IN, include_str!("../../../packs/sg-in/cases.json")),
    (shipped::CN_SG, include_str!("../../../packs/cn-sg/cases.json")),
    (shipped::SG_IN_CN, include_str!("../../../packs/sg-in-cn/cases.json")),
    (shipped::KE_GB, include_str!("../../../packs/ke-gb/cases.json")),
    (shipped::GB_IN, include_str!("../../../packs/gb-in/cases.json")),
    (shipped::MX_ES, include_str!("../../../packs/mx-es/cases.json")),
    (shipped::ES_IN, include_str!("../../../packs/es-in/cases.json")),
];

#[test]
fn a_shipped_pack_passes_its_own_cases_and_each_rule_has_one() {
    for (files, text) in &SHIPPED {
        let pack = Pack::load(files).unwrap_or_else(|error| panic!("{error}"));
        let all = cases::read(text, &pack).unwrap();
        let run = cases::run(&pack, &all);
        assert_eq!(run.failed, [], "{}", pack.name());
        assert_eq!(run.untested, BTreeSet::new(), "{}", pack.name());
        assert_eq!(run.passed, all.len());
        assert_eq!(check(files), []);
    }
}

/// A pack whose files own themselves.
struct Own(BTreeMap<&'static str, String>);

impl Own {
    fn skeleton() -> Self {
        let corridor = "nl-sg".parse().unwrap();
        Self(skeleton::files("mine", corridor, Side::Debtor).into_iter().collect())
    }

    fn files(&self) -> PackFiles<'_> {
        PackFiles {
            schema: &self.0["corridor.cedarschema"],
            decide: &self.0["decide.cedar"],
            oblige: &self.0["oblige.cedar"],
            gate: &self.0["gate.cedar"],
            assumptions: &self.0["assumptions.cedar"],
            parameters: &self.0["parameters.json"],
        }
    }

    fn with(&self, file: &'static str, from: &str, to: &str) -> Self {
        let mut changed = self.0.clone();
        let text = &changed[file];
        assert!(text.contains(from), "{from}");
        let text = text.replacen(from, to, 1);
        changed.insert(file, text);
        Self(changed)
    }
}

#[test]
fn a_new_pack_loads_passes_its_cases_and_leaves_no_rule_untested() {
    let own = Own::skeleton();
    assert_eq!(check(&own.files()), []);
    let pack = Pack::load(&own.files()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((pack.name(), pack.side()), ("mine", Side::Debtor));
    let all = cases::read(&own.0["cases.json"], &pack).unwrap();
    let run = cases::run(&pack, &all);
    assert_eq!((run.failed, run.untested), (vec![], BTreeSet::new()));
}

/// File, text replaced, replacement; then line's content, message and hint that must be told.
type Bad = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const BAD: &[Bad] = &[
    (
        "decide.cedar",
        "context.ownerMatches",
        "context.ownerMatch",
        "context.ownerMatch",
        "`ownerMatch` is no finding",
        "did you mean `ownerMatches`",
    ),
    (
        "decide.cedar",
        "context.ownerMatches",
        "context.taxStandingGood",
        "context.taxStandingGood",
        "not declared in `corridor.cedarschema`",
        "add `taxStandingGood: Bool,` to type `Findings`",
    ),
    (
        "decide.cedar",
        "@reason(\"The amount is nothing.\")\n",
        "",
        "@id(\"amount-not-positive\")",
        "lacks annotation `@reason`",
        "add `@reason(",
    ),
    (
        "decide.cedar",
        "@reason_zh(\"金额为零。\")\n",
        "",
        "@id(\"amount-not-positive\")",
        "lacks annotation `@reason_zh`",
        "add `@reason_zh(",
    ),
    (
        "decide.cedar",
        "金额为零。",
        "The amount is nothing.",
        "@reason_zh",
        "`@reason_zh` does not say",
        "情况",
    ),
    (
        "decide.cedar",
        "@mend(\"Enter",
        "@mned(\"Enter",
        "@id(\"amount-not-positive\")",
        "lacks annotation `@mend`",
        "did you mean `@mend`",
    ),
    (
        "decide.cedar",
        "@id(\"amount-not-positive\")\n",
        "",
        "@precedence(\"20\")",
        "lacks annotation `@id`",
        "add `@id(",
    ),
    (
        "decide.cedar",
        "@visibility(\"restricted\")",
        "@visibility(\"open\")",
        "",
        "open rule reads restricted finding",
        "restricted",
    ),
    (
        "decide.cedar",
        "@visibility(\"open\")",
        "@visibility(\"opne\")",
        "@visibility(\"opne\")",
        "does not say `opne`",
        "open",
    ),
    (
        "decide.cedar",
        "@id(\"terms-differ\")",
        "@id(\"owner-differs\")",
        "@id(\"owner-differs\")",
        "stands twice",
        "its own",
    ),
    ("decide.cedar", "context.amount > 0\n};", "context.amount > 0\n}", "", "unexpected", ""),
    (
        "decide.cedar",
        "context.amount > 0",
        "context.amount > \"0\"",
        "context.amount > \"0\"",
        "Long",
        "",
    ),
    (
        "decide.cedar",
        "context.amount > 0",
        "context == context",
        "context == context",
        "named findings only",
        "context.name",
    ),
    ("oblige.cedar", "permit (", "forbid (", "forbid (", "a duty forbids nothing", "decide.cedar"),
    (
        "gate.cedar",
        "resource\n);",
        "resource\n) when { true };",
        "permit (",
        "refuses without a reason",
        "forbid",
    ),
    (
        "corridor.cedarschema",
        "  amount: Long",
        "  amout: Long",
        "amout: Long",
        "`amout` is no finding",
        "did you mean `amount`",
    ),
    (
        "corridor.cedarschema",
        "  amount: Long",
        "  amount: String",
        "amount: String",
        "another type",
        "amount: Long",
    ),
    (
        "corridor.cedarschema",
        "  amount: Long",
        "  asset: String,\n  amount: Long",
        "asset: String",
        "no rule reads `asset`",
        "take the line out",
    ),
    (
        "corridor.cedarschema",
        "type Findings = {",
        "type Findings {",
        "type Findings {",
        "unexpected",
        "",
    ),
    (
        "parameters.json",
        "\"amountLimit\"",
        "\"amountLimits\"",
        "amountLimits",
        "no rule reads parameter `amountLimits`",
        "did you mean `amountLimit`",
    ),
    (
        "parameters.json",
        "[\"KP\"]",
        "[]",
        "sanctionedCountries",
        "`sanctionedCountries` not to be empty",
        "",
    ),
    (
        "parameters.json",
        "\"tightens\": \"up\"",
        "\"tightens\": \"sideways\"",
        "sideways",
        "unknown variant",
        "",
    ),
    (
        "parameters.json",
        "\"value\": 50000000",
        "\"value\": 50000000000000000",
        "amountLimit",
        "53 bits",
        "",
    ),
];

#[test]
fn each_mistake_is_told_with_its_place_and_a_hint() {
    let own = Own::skeleton();
    for (file, from, to, excerpt, message, hint) in BAD {
        let bad = own.with(file, from, to);
        let found = check(&bad.files());
        assert!(Pack::load(&bad.files()).is_err(), "{message}: loading must refuse it too");
        let right = |m: &Mistake| {
            m.file == *file
                && m.excerpt.contains(excerpt)
                && m.message.contains(message)
                && (hint.is_empty() || m.hint.as_ref().is_some_and(|h| h.contains(hint)))
        };
        assert!(found.iter().any(right), "{message}: {found:#?}");
        let text = &bad.0[file];
        for one in found.iter().filter(|one| one.file == *file) {
            let line = text.lines().nth(one.line - 1).unwrap_or("");
            assert_eq!(one.excerpt, line.trim_end(), "{message}");
        }
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    let bad = Own::skeleton()
        .with("decide.cedar", "context.ownerMatches", "context.ownerMatch")
        .with("decide.cedar", "@mend_zh(\"请输入大于零的金额。\")\n", "")
        .with("gate.cedar", "@ref(", "@reff(")
        .with("parameters.json", "\"amountLimit\"", "\"amountLimits\"");
    let found = check(&bad.files());
    let files: BTreeSet<&str> = found.iter().map(|m| m.file).collect();
    assert_eq!(files, ["decide.cedar", "gate.cedar", "parameters.json"].into());
    assert!(found.len() >= 4, "{found:#?}");
    let shown = found[0].to_string();
    assert!(shown.contains("decide.cedar:") && shown.contains(" | ") && shown.contains('^'));
}

#[test]
fn cases_name_their_first_difference_and_refuse_what_is_no_input() {
    let own = Own::skeleton();
    let pack = Pack::load(&own.files()).unwrap();
    let text = &own.0["cases.json"];
    let failed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let all = cases::read(&text.replacen(from, to, 1), &pack).unwrap();
        cases::run(&pack, &all).failed
    };
    let wrong = failed("[\"owner-differs\"]", "[\"terms-differ\"]");
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].0, "another's account");
    assert_eq!((wrong[0].1.part, wrong[0].1.got.as_str()), ("reasons", "owner-differs"));
    let wrong =
        failed("\"permit\", \"duties\": [\"evidence-escrow\"]", "\"permit\", \"duties\": []");
    assert_eq!((wrong[0].1.part, wrong[0].1.got.as_str()), ("duties", "evidence-escrow"));
    let wrong = failed("\"outcome\": \"referral\"", "\"outcome\": \"denial\"");
    assert_eq!(wrong[0].1.part, "outcome");
    let read = |from: &str, to: &str| cases::read(&text.replacen(from, to, 1), &pack);
    for (from, to, why) in [
        ("\"ownerMatches\": false", "\"ownerMatch\": false", "did you mean `ownerMatches`?"),
        ("\"amount\": 0", "\"amount\": \"0\"", "expected `amount` to be a Number"),
        ("\"amount\": 0", "\"amount\": 9007199254740992", "expected `amount` to be a Number"),
        ("\"action\": \"pay\"", "\"action\": \"steal\"", "expected action"),
        ("2026-11-22T10:00:00Z", "2026-11-22T25:00:00Z", "expected an instant"),
        ("2026-11-22T10:00:00Z", "2020-11-22T10:00:00Z", "no parameters are in force"),
        ("EUR.2@tcb-sandbox", "euro", "is no asset"),
        ("\"case\": \"nothing\"", "\"case\": \"dollars\"", "each name once"),
    ] {
        let error = read(from, to).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    // A rule without a case is told.
    let without: Vec<&str> = text.lines().filter(|l| !l.contains("owner-differs")).collect();
    let all = cases::read(&without.join("\n"), &pack).unwrap();
    assert_eq!(cases::run(&pack, &all).untested, ["owner-differs".to_owned()].into());
}

fn compared(old: &Own, new: &Own) -> Comparison {
    compare(&old.files(), &new.files()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_comparison_tells_rules_parameters_and_lists_with_their_direction() {
    let own = Own::skeleton();
    assert_eq!(compared(&own, &own).changes, []);
    assert!(!compared(&own, &own).needs_sign_off());
    let one = |file: &'static str, from: &str, to: &str| {
        let changed = compared(&own, &own.with(file, from, to)).changes;
        assert_eq!(changed.len(), 1, "{changed:#?}");
        let change = changed[0].clone();
        (change.of, change.what, change.direction)
    };
    let limit = |to: &str| one("parameters.json", "\"value\": 50000000", to);
    let named = |of: &str, what: &str, direction| (of.to_owned(), what.to_owned(), direction);
    assert_eq!(
        limit("\"value\": 40000000"),
        named("amountLimit", "from 2026-01-01: 50000000 → 40000000", Direction::Tightens)
    );
    assert_eq!(limit("\"value\": 60000000").2, Direction::Loosens);
    let list = |to: &str| one("parameters.json", "[\"KP\"]", to);
    assert_eq!(
        list("[\"KP\", \"BY\"]"),
        named("sanctionedCountries", "from 2026-01-01: with BY", Direction::Tightens)
    );
    assert_eq!(
        list("[\"BY\"]"),
        named("sanctionedCountries", "from 2026-01-01: with BY; without KP", Direction::Loosens)
    );
    assert_eq!(
        one("decide.cedar", "context.amount > 0", "context.amount > 1"),
        named("amount-not-positive", "condition changed", Direction::Open)
    );
    assert_eq!(
        one("decide.cedar", "Enter an amount", "Type an amount"),
        named("amount-not-positive", "words changed", Direction::Words)
    );
    assert_eq!(one("decide.cedar", "@outcome(\"refer\")\n", "").1, "effect changed");
    let added = "@id(\"small\")\n@precedence(\"9\")\n@visibility(\"open\")\n@ref(\"r\")\n\
                 @reason(\"r\")\n@reason_zh(\"金额过小。\")\n@mend(\"m\")\n@mend_zh(\"请加大金额。\")\n\
                 forbid (principal, action == Action::\"pay\", resource) \
                 when { context.amount < 100 };\n\n@id(\"owner-differs\")";
    let more = own.with("decide.cedar", "@id(\"owner-differs\")", added);
    assert_eq!(
        (compared(&own, &more).changes[0].direction, compared(&more, &own).changes[0].direction),
        (Direction::Tightens, Direction::Loosens)
    );
    assert!(compared(&more, &own).needs_sign_off());
    let day = own.with(
        "parameters.json",
        "\"value\": 50000000}]",
        "\"value\": 50000000}, {\"from\": \"2027-01-01\", \"value\": 70000000}]",
    );
    assert_eq!(compared(&own, &day).changes[0].what, "from 2027-01-01: 50000000 → 70000000");
}

#[test]
fn each_code_has_a_law_and_words_in_both_languages() {
    for (files, _) in &SHIPPED {
        let pack = Pack::load(files).unwrap();
        let mut seen = 0;
        for rule in pack.described() {
            let Some(words) = rule.words else {
                assert_ne!(rule.chapter, Chapter::Oblige);
                continue;
            };
            seen += 1;
            assert!(!words.reference.is_empty() && words.sentence.english.ends_with('.'));
            assert!(words.sentence.chinese.ends_with('。'), "{}", rule.code);
            assert_eq!(words.mend.is_some(), rule.chapter != Chapter::Oblige);
            let chinese = |text: &str| text.chars().filter(|c| *c > '\u{4e00}').count();
            assert!(chinese(&words.sentence.chinese) >= 4, "{}", rule.code);
        }
        assert!(seen >= 30, "{seen}");
    }
}
