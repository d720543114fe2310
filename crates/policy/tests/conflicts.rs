//! What is told of two sides that cannot both be satisfied, and what would satisfy them.
#![cfg_attr(
    test,
    expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")
)]

use policy::conflicts::{ConflictRate, Conflicts, NotACorridor, Topic, Weight, conflicts};
use policy::{Pack, PackFiles, shipped};

const CN: PackFiles<'static> = shipped::CN_SG;
const SG: PackFiles<'static> = shipped::SG_IN_CN;
/// CNY 5.53 are SGD 1.
const RATE: ConflictRate = ConflictRate { debit_units: 553, credit_units: 100 };

fn load(files: &PackFiles<'_>) -> Pack {
    Pack::load(files).unwrap_or_else(|error| panic!("{error}"))
}

fn told(a: &PackFiles<'_>, b: &PackFiles<'_>, rate: Option<ConflictRate>) -> Conflicts {
    conflicts(&load(a), &load(b), "2026-11-18".parse().unwrap(), rate).unwrap()
}

/// Weight, topic, what about, the rules of both sides.
fn rows(found: &Conflicts) -> Vec<(Weight, Topic, &str, &str, &str)> {
    found
        .all
        .iter()
        .map(|one| {
            let (debtor, creditor) = (one.debtor.rule.as_str(), one.creditor.rule.as_str());
            (one.weight, one.topic, one.of.as_str(), debtor, creditor)
        })
        .collect()
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

#[test]
fn each_shipped_corridor_has_its_conflicts_with_rule_law_and_way_out() {
    use Topic::{Asked, Holidays, Hours, Limit, Threshold, Words};
    use Weight::Narrows;
    let found = told(&SG, &CN, Some(RATE));
    assert_eq!(
        rows(&found),
        [
            (Narrows, Words, "payeeCountry", "jurisdiction-sanctioned", "jurisdiction-sanctioned"),
            (Narrows, Words, "payerCountry", "jurisdiction-sanctioned", "jurisdiction-sanctioned"),
            (Narrows, Words, "purpose", "purpose-not-allowed", "purpose-not-allowed"),
            (Narrows, Limit, "amount", "corridor-limit-exceeded", "corridor-limit-exceeded"),
            (Narrows, Threshold, "travel-rule", "travel-rule-data", "travel-rule-data"),
            (Narrows, Hours, "hours", "closed-now", "closed-now"),
            (Narrows, Holidays, "holidays", "bank-holiday", "bank-holiday"),
        ]
    );
    let says = |of: &str| found.all.iter().find(|one| one.of == of).unwrap();
    assert_eq!(says("purpose").satisfies, "`purpose` one of GDDS, SCVE, SUPP");
    assert_eq!(says("payerCountry").satisfies, "`payerCountry` none of IR, KP");
    // CNY 4,000,000.00 are SGD 723,327.30, below SGD 750,000.00.
    assert_eq!(says("amount").satisfies, "at most 400000000 minor units of CNY");
    // CNY 5,000.00 are SGD 904.15, below SGD 1,500.00.
    assert!(says("travel-rule").satisfies.ends_with("500000 minor units of CNY"));
    // Nine to five, and nine to half past six, both at UTC+8.
    let hours = says("hours");
    assert_eq!(hours.satisfies, "the payment is decided Mon to Fri 01:00 to 09:00 UTC");
    assert_eq!(hours.debtor.says, "is open Mon to Fri, 09:00 to 17:00 at UTC+8");
    assert!(says("holidays").creditor.says.contains("2026-12-25"));
    for one in &found.all {
        for side in [&one.debtor, &one.creditor] {
            assert_eq!(side.rule.is_empty(), side.reference.is_empty(), "{one:?}");
            assert!(!side.says.is_empty() && !one.satisfies.is_empty());
        }
    }
    assert!(!found.blocked());
    // Kenya asks for the payee's name as the account's, and the United Kingdom checks it too.
    let found = told(&shipped::KE_GB, &shipped::GB_IN, None);
    assert!(found.all.iter().all(|one| one.topic != Asked), "{found:?}");
    let mexico = told(&shipped::MX_ES, &shipped::ES_IN, None);
    let asked: Vec<&str> =
        mexico.all.iter().filter(|one| one.topic == Asked).map(|one| one.of.as_str()).collect();
    assert_eq!(asked, ["payeeNameFitsAccount"]);
    // Without a rate nobody can say which amount is lower.
    let unknown = mexico.all.iter().filter(|one| one.weight == Weight::Unknown);
    assert_eq!(unknown.map(|one| one.of.as_str()).collect::<Vec<_>>(), ["amount", "travel-rule"]);
}

#[test]
fn what_one_side_forbids_and_the_other_asks_for_blocks() {
    let forbids = replaced(
        CN.decide,
        "unless {\n  context.payerAddressStructured\n}",
        "when {\n  context.payerAddressStructured\n}",
    );
    let cn = PackFiles { decide: &forbids, ..CN };
    let always = replaced(
        SG.decide,
        "context.amount < resource.travelRuleThreshold || context.payerAddressStructured",
        "context.payerAddressStructured",
    );
    let sg = PackFiles { decide: &always, ..SG };
    let blocked = told(&cn, &sg, None);
    assert_eq!(
        rows(&blocked).first().unwrap(),
        &(
            Weight::Blocks,
            Topic::Contradiction,
            "payerAddressStructured",
            "payer-address-unstructured",
            "payer-address-unstructured"
        )
    );
    assert!(blocked.blocked());
    // Asked from SGD 1,500 on only: below it both are satisfied.
    let some = told(&cn, &SG, None);
    let one = some.all.iter().find(|one| one.topic == Topic::Contradiction).unwrap();
    assert_eq!(one.weight, Weight::Narrows);
    let way = "the payment is below 150000 minor units of SGD and leaves it out";
    assert_eq!(one.satisfies, way);
}

#[test]
fn each_kind_of_conflict_is_found_where_it_is_planted_and_nowhere_else() {
    let plain = told(&CN, &SG, Some(RATE));
    let with = |from: &str, to: &str| {
        let parameters = replaced(SG.parameters, from, to);
        told(&CN, &PackFiles { parameters: &parameters, ..SG }, Some(RATE))
    };
    let one = |found: &Conflicts, of: &str| -> Option<(Weight, String)> {
        let found = found.all.iter().find(|one| one.of == of)?;
        Some((found.weight, found.satisfies.clone()))
    };
    // No purpose in common.
    let none = with("[\"GDDS\", \"SCVE\", \"SUPP\", \"TRAD\"]", "[\"TRAD\"]");
    assert_eq!(one(&none, "purpose").unwrap().0, Weight::Blocks);
    // The same purposes are no conflict.
    let same = with("[\"GDDS\", \"SCVE\", \"SUPP\", \"TRAD\"]", "[\"GDDS\", \"SCVE\", \"SUPP\"]");
    assert_eq!(one(&same, "purpose"), None);
    // Open at night only.
    let night = with("\"value\": 540", "\"value\": 1080");
    assert_eq!(one(&night, "hours").unwrap().0, Weight::Blocks);
    // A list that closes the corridor itself.
    let closed = with("[\"IR\", \"KP\"]", "[\"CN\", \"KP\"]");
    let (weight, way) = one(&closed, "payerCountry").unwrap();
    assert_eq!(weight, Weight::Blocks);
    assert!(way.contains("CN"), "{way}");
    // The lower limit is the other side's.
    let lower = with("\"value\": 75000000", "\"value\": 70000000");
    assert_eq!(one(&lower, "amount").unwrap().1, "at most 70000000 minor units of SGD");
    // Asked for by the one, seen to by nobody.
    let rule = |text: &str| -> String {
        let (before, rest) = text.split_once("@id(\"payer-account-missing\")").unwrap();
        let (_, after) = rest.split_once("\n};\n").unwrap();
        format!("{before}{after}")
    };
    let schema = replaced(CN.schema, "  payerAccountGiven: Bool,\n", "");
    let decide = rule(CN.decide);
    let cn = PackFiles { schema: &schema, decide: &decide, ..CN };
    let asked = told(&cn, &SG, Some(RATE));
    let found = asked.all.iter().find(|one| one.of == "payerAccountGiven").unwrap();
    assert_eq!((found.weight, found.topic), (Weight::Narrows, Topic::Asked));
    assert_eq!(
        (found.debtor.rule.as_str(), found.creditor.rule.as_str()),
        ("", "payer-account-missing")
    );
    assert!(plain.all.iter().all(|one| one.of != "payerAccountGiven"));
    // A form that is not compared is named, not passed over.
    let odd =
        replaced(SG.decide, "  context.payerNameGiven\n", "  context.payerNameGiven == true\n");
    let odd = told(&CN, &PackFiles { decide: &odd, ..SG }, Some(RATE));
    assert!(odd.not_compared.contains("sg-in-cn payer-name-missing"), "{:?}", odd.not_compared);
    for rule in ["cn-sg tax-filing-missing", "sg-in-cn counterparty-not-recognised"] {
        assert!(plain.not_compared.contains(rule), "{:?}", plain.not_compared);
    }
}

#[test]
fn packs_that_are_no_two_sides_are_refused() {
    let day = "2026-11-18".parse().unwrap();
    let (cn, sg, ke) = (load(&CN), load(&SG), load(&shipped::KE_GB));
    let refused = |a: &Pack, b: &Pack| conflicts(a, b, day, None).map(|_| ()).unwrap_err();
    assert!(matches!(refused(&cn, &ke), NotACorridor::Corridors { .. }));
    assert!(matches!(refused(&cn, &cn), NotACorridor::OneSide { .. }));
    let before = conflicts(&cn, &sg, "2025-12-31".parse().unwrap(), None);
    assert!(matches!(before, Err(NotACorridor::NotInForce { .. })));
    let nothing = ConflictRate { debit_units: 0, credit_units: 1 };
    assert_eq!(conflicts(&cn, &sg, day, Some(nothing)), Err(NotACorridor::NoRate));
    assert_eq!(told(&CN, &SG, Some(RATE)), told(&SG, &CN, Some(RATE)));
}
