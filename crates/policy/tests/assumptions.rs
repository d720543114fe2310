//! What a pack assumes is checked before each decision, and what breaks it is denied.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking"))]

#[expect(dead_code, reason = "the rows of the table are not read here")]
mod support;

use policy::certificate::{CertificateError, certifies, of_json, seconded, to_json};
use policy::findings::NUMBER_MAX;
use policy::invariants::invariants_of;
use policy::vocabulary as v;
use policy::{
    EvaluationError, FindingsBuilder, Pack, PackError, PackFiles, Replay, replay, shipped,
};
use record::DecisionOutcome;
use support::{SIDES, creditor, debtor, envelope, now};

type Change = fn(FindingsBuilder) -> FindingsBuilder;

/// Each assumption about findings, with findings that break it and no rule.
const BROKEN: &[(&str, Change)] = &[
    ("ages-not-negative", |b| b.number(v::REGISTRATION_STATUS_AGE, -1)),
    ("ages-not-negative", |b| b.number(v::LIST_AGE, -1)),
    ("screening-says-one-of-four", |b| b.text(v::PAYER_SCREENING, "clear")),
    ("screening-says-one-of-four", |b| b.text(v::PAYEE_SCREENING, "")),
    ("countries-named", |b| b.text(v::PAYER_COUNTRY, "")),
    ("countries-named", |b| b.text(v::PAYEE_COUNTRY, "")),
    ("time-of-a-week", |b| b.number(v::WEEKDAY, 0)),
    ("time-of-a-week", |b| b.number(v::WEEKDAY, 8)),
    ("time-of-a-week", |b| b.number(v::MINUTE_OF_DAY, -1)),
    ("time-of-a-week", |b| b.number(v::MINUTE_OF_DAY, 1_440)),
];

/// The widest numbers that a record can hold break nothing: whoever pays may name any amount.
#[test]
fn no_amount_that_a_customer_can_name_breaks_an_assumption() {
    for side in &SIDES {
        let pack = Pack::load(&side.files).unwrap();
        let findings = (side.base)().number(v::AMOUNT, NUMBER_MAX).build();
        let decision = pack.decide(&findings, now());
        assert_eq!((decision.outcome, decision.alarm()), (DecisionOutcome::Denial, false));
        let codes: Vec<&str> = decision.reasons.iter().map(|r| r.code.as_str()).collect();
        assert!(codes.contains(&"corridor-limit-exceeded"), "{} {codes:?}", pack.name());
    }
}

#[test]
fn a_broken_assumption_takes_no_reason_and_no_lasting_duty_with_it() {
    let pack = shipped::nl_sg().unwrap();
    let listed = debtor().text(v::PAYER_SCREENING, "Match");
    let plain = pack.decide(&listed.clone().build(), now());
    assert!(!plain.reasons.is_empty() && !plain.duties.is_empty());
    let broken = pack.decide(&listed.text(v::PAYEE_COUNTRY, "").build(), now());
    assert!(broken.alarm() && broken.limits.is_empty());
    assert_eq!((broken.reasons, broken.duties), (plain.reasons, plain.duties));
}

#[test]
fn a_pack_for_other_requests_than_an_edge_makes_is_none() {
    let base = shipped::NL_SG;
    let refused = |schema: &str, decide: &str, assumptions: &str| {
        Pack::load(&PackFiles { schema, decide, assumptions, ..base }).map(|_| ()).unwrap_err()
    };
    let person = base.schema.replace("[Company]", "[Person]") + "entity Person;\n";
    let also = base.schema.replacen("[Company]", "[Company, Person]", 1) + "entity Person;\n";
    let more = format!(
        "{}action wave appliesTo {{ principal: [Company], resource: [Corridor], \
         context: Gate }};\n",
        base.schema
    );
    for schema in [&person, &also, &more] {
        assert!(matches!(
            refused(schema, base.decide, base.assumptions),
            PackError::Invalid { .. }
        ));
    }
    for scope in ["principal is Company", "principal == Company::\"other\""] {
        let narrow = |text: &str| text.replace("principal,", &format!("{scope},"));
        let decide = refused(base.schema, &narrow(base.decide), base.assumptions);
        assert!(matches!(decide, PackError::ScopeNarrow { .. }), "{decide}");
        let assumed = refused(base.schema, base.decide, &narrow(base.assumptions));
        assert!(matches!(assumed, PackError::ScopeNarrow { .. }), "{assumed}");
    }
    // What is assumed of some actions only would stand before the rules of all.
    let some = base.assumptions.replacen(
        "action in [Action::\"pay\", Action::\"refund\"]",
        "action == Action::\"pay\"",
        1,
    );
    assert_ne!(some, base.assumptions);
    let error = refused(base.schema, base.decide, &some);
    assert!(matches!(error, PackError::AssumptionForm { .. }), "{error}");
}

fn broken(decision: &policy::Decision) -> Vec<String> {
    assert_eq!(decision.outcome, DecisionOutcome::Denial);
    let id = |error: &EvaluationError| {
        if let EvaluationError::AssumptionBroken { assumption, .. } = error {
            return assumption.clone();
        }
        error.to_string()
    };
    decision.errors.iter().map(id).collect()
}

#[test]
fn what_breaks_an_assumption_is_denied_with_an_alarm_and_replays() {
    for side in &SIDES {
        let pack = Pack::load(&side.files).unwrap();
        for (id, change) in BROKEN {
            let findings = change((side.base)()).build();
            let decision = pack.decide(&findings, now());
            assert_eq!(broken(&decision), [*id], "{}", pack.name());
            assert!(decision.alarm() && decision.limits.is_empty());
            let bytes = seal::to_canonical(&pack.record(envelope(), &findings, &decision, now()));
            assert_eq!(replay(&bytes, &pack), Ok(Replay::Match));
        }
    }
    let payer_only: [(&str, Change); 3] = [
        ("ages-not-negative", |b| b.number(v::MANDATE_STATUS_AGE, -1)),
        ("ages-not-negative", |b| b.number(v::CREDIT_STATUS_AGE, -1)),
        ("ages-not-negative", |b| b.number(v::TAX_STANDING_AGE, -1)),
    ];
    for (id, change) in payer_only {
        let decision = shipped::nl_sg().unwrap().decide(&change(debtor()).build(), now());
        assert_eq!(broken(&decision), [id]);
    }
}

#[test]
fn a_negative_parameter_breaks_an_assumption() {
    for (name, value) in
        [("amountLimit", "75000000"), ("listAgeMax", "86400"), ("statusAgeMax", "900")]
    {
        let row = shipped::SG_IN.parameters.lines().find(|line| line.contains(name)).unwrap();
        let changed = row.replace(&format!("\"value\": {value}"), "\"value\": -1");
        assert_ne!(row, changed, "{name}");
        let parameters = shipped::SG_IN.parameters.replace(row, &changed);
        let pack = Pack::load(&PackFiles { parameters: &parameters, ..shipped::SG_IN }).unwrap();
        assert_eq!(
            broken(&pack.decide(&creditor().build(), now())),
            ["parameters-not-negative"],
            "{name}"
        );
    }
}

#[test]
fn every_assumption_of_a_shipped_pack_has_a_row_that_breaks_it() {
    for side in &SIDES {
        let pack = Pack::load(&side.files).unwrap();
        for (id, assumption) in pack.assumptions().named() {
            let row = BROKEN.iter().any(|(broken, _)| *broken == id);
            // No finding holds such an amount: `NUMBER_MAX`.
            let never = ["parameters-not-negative", "amount-countable"].contains(&id);
            assert!(row || never, "{id}");
            assert!(!assumption.sentence.is_empty() && !assumption.reference.is_empty());
        }
    }
}

#[test]
fn a_record_from_before_packs_had_assumptions_replays() {
    // The digest under `wayleave/pack/v1` of the pack as it was, and a decision that assumed
    // nothing: an age below nothing was fresh then.
    let pack = shipped::nl_sg().unwrap();
    let before = PackFiles { assumptions: "", ..shipped::NL_SG };
    let findings = debtor().number(v::LIST_AGE, -1).build();
    let old = Pack::load(&before).unwrap();
    let decision = old.decide(&findings, now());
    assert_eq!(decision.outcome, DecisionOutcome::Permit);
    let mut record = old.record(envelope(), &findings, &decision, now());
    assert!(replay(&seal::to_canonical(&record), &pack).unwrap() != Replay::Match);
    record.pack = pack.digest_before_assumptions();
    assert_eq!(replay(&seal::to_canonical(&record), &pack), Ok(Replay::Match));
    assert_ne!(record.pack, old.digest());
}

#[test]
fn assumptions_are_part_of_what_a_pack_means_and_must_have_their_form() {
    let base = shipped::NL_SG;
    let digest = |assumptions: &str| {
        let pack = Pack::load(&PackFiles { assumptions, ..base }).unwrap();
        (pack.digest(), pack.rules_digest())
    };
    let was = digest(base.assumptions);
    assert_eq!(digest(&format!("// said\n{}", base.assumptions)), was);
    let other = digest(&base.assumptions.replace("weekday >= 1", "weekday >= 2"));
    assert!(other.0 != was.0 && other.1 != was.1);
    let refused = |from: &str, to: &str| {
        assert!(base.assumptions.contains(from), "{from}");
        let text = base.assumptions.replacen(from, to, 1);
        Pack::load(&PackFiles { assumptions: &text, ..base }).map(|_| ()).unwrap_err()
    };
    assert!(matches!(refused("@sentence", "@words"), PackError::AnnotationMissing { .. }));
    assert!(matches!(refused("when {", "unless {"), PackError::AssumptionForm { .. }));
    assert!(matches!(refused("permit (", "forbid ("), PackError::AssumptionForm { .. }));
    assert!(matches!(refused("listAge >= 0", "invoiceAge >= 0"), PackError::Invalid { .. }));
    assert!(matches!(refused("listAge >= 0", "listAge >= \"\""), PackError::Invalid { .. }));
}

#[test]
fn a_certificate_must_speak_of_every_rule_and_all_of_it_must_hold() {
    for one in shipped::PACKS {
        let pack = Pack::load(&one.files).unwrap();
        let good = of_json(one.certificate).unwrap();
        let invariants = invariants_of(&pack, one.invariants).unwrap();
        assert_eq!(seconded(&good), Ok(()));
        assert_eq!(certifies(&good, &pack, &invariants), Ok(()));
        assert_eq!(of_json(&to_json(&good)), Ok(good.clone()));
        for index in 0..good.checks.len() {
            let mut bad = good.clone();
            bad.checks[index].holds = false;
            assert!(matches!(
                certifies(&bad, &pack, &invariants),
                Err(CertificateError::NotHeld { .. })
            ));
            let mut bad = good.clone();
            bad.checks[index].second = Some(false);
            assert!(certifies(&bad, &pack, &invariants).is_err());
        }
        for kind in ["not-vacuous", "never-errors", "alive", "invariant"] {
            let mut bad = good.clone();
            bad.checks.retain(|check| check.kind != kind);
            assert!(matches!(
                certifies(&bad, &pack, &invariants),
                Err(CertificateError::Missing { .. })
            ));
        }
        // Each invariant for each action: one that was not asked for is missing.
        for index in 0..good.checks.len() {
            let mut bad = good.clone();
            let check = bad.checks.remove(index);
            let refused = certifies(&bad, &pack, &invariants);
            if check.kind == "invariant" {
                assert!(matches!(refused, Err(CertificateError::Missing { .. })), "{check:?}");
            }
            let mut alone = good.clone();
            alone.checks[index].second = None;
            assert_eq!(seconded(&alone).is_err(), check.script.is_some());
        }
        let fewer = &invariants[1..];
        let refused = certifies(&good, &pack, fewer);
        assert!(matches!(refused, Err(CertificateError::OtherInvariants { .. })));
        let mut bad = good.clone();
        bad.rules = seal::Digest::ZERO;
        assert!(matches!(
            certifies(&bad, &pack, &invariants),
            Err(CertificateError::OtherRules { .. })
        ));
        // Other parameters are another pack, of which the same was proved.
        let parameters =
            one.files.parameters.replace("\"tightens\": \"fewer\"", "\"tightens\": \"neither\"");
        let other = Pack::load(&PackFiles { parameters: &parameters, ..one.files }).unwrap();
        assert!(matches!(
            certifies(&good, &other, &invariants),
            Err(CertificateError::OtherPack { .. })
        ));
        let (for_it, _) = shipped::proved(&other).unwrap();
        assert_eq!(certifies(&for_it, &other, &invariants), Ok(()));
    }
}
