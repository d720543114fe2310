//! One row per rule: a permitted base payment, one finding changed, exactly that reason.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "helpers of tests fail by panicking"
    )
)]

mod support;

use std::collections::BTreeSet;

use policy::findings::NUMBER_MAX;
use policy::vocabulary as v;
use policy::{
    Action, Decision, DigestCheck, EvaluationError, Findings, FindingsBuilder, Lack, Pack,
    PackError, PackFiles, Replay, replay, replay_with, shipped,
};
use record::{DecisionOutcome, OpenOutcome, Visibility};
use support::{SIDES, SideCase, envelope, findings, now, rows};
use terms::Instant;

fn pack(side: &SideCase) -> Pack {
    Pack::load(&side.files).unwrap_or_else(|error| panic!("{error}"))
}

fn codes(decision: &Decision) -> Vec<&str> {
    if decision.outcome == DecisionOutcome::Permit {
        return decision.determining.iter().map(String::as_str).collect();
    }
    decision.reasons.iter().map(|r| r.code.as_str()).collect()
}

#[test]
fn each_row_gives_exactly_its_reasons() {
    for side in &SIDES {
        let pack = pack(side);
        for row in &rows(&pack) {
            let decision = pack.decide(&findings(side, row), now());
            assert_eq!(decision.errors, [], "{} {}", pack.name(), row.0);
            assert_eq!(codes(&decision), row.2, "{} {}", pack.name(), row.0);
        }
    }
}

#[test]
fn packs_have_enough_rules_and_each_forbid_has_a_row() {
    for side in &SIDES {
        let pack = pack(side);
        let rows = rows(&pack);
        let shown: BTreeSet<&str> =
            rows.iter().flat_map(|r| r.2.iter().map(String::as_str)).collect();
        let texts = [side.files.decide, side.files.gate];
        let forbids = ids_of(&texts.concat(), "forbid");
        assert!(forbids.len() >= 15, "{}", forbids.len());
        for id in &forbids {
            assert!(shown.contains(id.as_str()), "no row for `{id}`");
        }
    }
}

#[test]
fn only_open_hours_and_near_hits_refer() {
    for side in &SIDES {
        let pack = pack(side);
        for row in &rows(&pack) {
            let decision = pack.decide(&findings(side, row), now());
            let refers = matches!(decision.outcome, DecisionOutcome::Referral { .. });
            let waits = [["closed-now"], ["screening-unclear"], ["bank-holiday"]];
            assert_eq!(refers, waits.iter().any(|code| row.2 == *code), "{}", row.0);
        }
    }
}

#[test]
fn a_referral_names_the_next_opening() {
    let pack = shipped::nl_sg().unwrap();
    // Friday 2026-11-20 18:30 UTC is 19:30 at UTC+1; Monday opens at 07:00, 06:00 UTC.
    let friday = Instant::from_seconds(1_795_199_400);
    assert_eq!(pack.local_time(friday), Some((5, 1170)));
    let findings = support::debtor().number(v::WEEKDAY, 5).number(v::MINUTE_OF_DAY, 1170).build();
    let decision = pack.decide(&findings, friday);
    let monday = Instant::from_seconds(1_795_413_600);
    assert_eq!(monday.to_string(), "2026-11-23T06:00:00.000Z");
    assert_eq!(decision.outcome, DecisionOutcome::Referral { next_opening: Some(monday) });
}

#[test]
fn a_referral_on_a_holiday_names_the_first_day_that_is_none() {
    let day = |text: &str| text.parse::<terms::BusinessDate>().unwrap().start().seconds();
    let noon = |text: &str| Instant::from_seconds(day(text) + 4 * 3_600);
    let pack = Pack::load(&shipped::CN_SG).unwrap();
    let told = |at: Instant| {
        let base = (SIDES.iter().find(|s| s.files.decide == shipped::CN_SG.decide).unwrap().base)();
        pack.decide(&pack.calendar(base, at).build(), at)
    };
    // 1 to 7 October, and the eighth is a Thursday; the Spring Festival of 2026 has nine days.
    for (holiday, opens) in [
        ("2026-10-01", "2026-10-08"),
        ("2026-10-05", "2026-10-08"),
        ("2026-02-14", "2026-02-24"),
        ("2026-12-31", ""),
    ] {
        let decision = told(noon(holiday));
        if opens.is_empty() {
            assert_eq!(codes(&decision), ["permit"], "{holiday}");
            continue;
        }
        // Nine o'clock at UTC+8.
        let next = Some(Instant::from_seconds(day(opens) + 3_600));
        assert_eq!(decision.outcome, DecisionOutcome::Referral { next_opening: next }, "{holiday}");
    }
    // New Year's Eve at 20:00 UTC is New Year's Day at UTC+8.
    let eve = told(Instant::from_seconds(day("2026-12-31") + 20 * 3_600));
    assert!(codes(&eve).contains(&"bank-holiday"), "{eve:?}");
    // No calendar of 2028: nothing is permitted on a day that may be a holiday.
    assert_eq!(codes(&told(noon("2028-03-01"))), ["calendar-unknown"]);
}

#[test]
fn duties_and_limits_follow_amount_and_outcome() {
    let pack = shipped::nl_sg().unwrap();
    let kinds = |d: &Decision| d.duties.iter().map(|d| d.id.clone()).collect::<Vec<_>>();
    let small = pack.decide(&support::debtor().build(), now());
    assert_eq!(kinds(&small), ["evidence-escrow", "travel-rule-data"]);
    assert_eq!(small.limits.len(), 1);
    assert_eq!(small.limits[0].key, "mandate:m1");
    assert_eq!(small.limits[0].amount.minor.units(), 20_000_000);
    assert_eq!(small.limits[0].amount.asset.as_str(), "EUR.2@tcb-sandbox");
    let large =
        support::debtor().number(v::AMOUNT, 24_000_000).number(v::MANDATE_LIMIT, NUMBER_MAX);
    let large = pack.decide(&large.build(), now());
    let all = ["evidence-escrow", "report-large", "review-large", "travel-rule-data"];
    assert_eq!(kinds(&large), all);
    let hit = support::debtor().text(v::PAYEE_SCREENING, "Match").build();
    let hit = pack.decide(&hit, now());
    assert_eq!(kinds(&hit), ["evidence-escrow", "report-attempt"]);
    assert_eq!(hit.limits, []);
}

#[test]
fn each_missing_finding_denies_with_an_alarm() {
    for side in &SIDES {
        let pack = pack(side);
        let base = (side.base)().build();
        for name in pack.reads() {
            let decision = pack.decide(&base.without(name), now());
            let error = EvaluationError::FindingMissing { finding: name.to_owned() };
            assert_eq!(decision.errors, [error]);
            assert_eq!((decision.outcome, decision.alarm()), (DecisionOutcome::Denial, true));
        }
    }
}

#[test]
fn an_error_in_any_chapter_denies() {
    let overflow = "context.amount * 9000000000000000000 > 1";
    let forbid = format!(
        "@id(\"x\") @precedence(\"1\") @visibility(\"open\") @ref(\"r\") \
         @reason(\"s\") @reason_zh(\"情况\") @mend(\"m\") @mend_zh(\"办法\") \
         forbid (principal, action == Action::\"pay\", resource) \
         when {{ {overflow} }};"
    );
    let permit = format!(
        "@id(\"x\") @kind(\"k\") @visibility(\"open\") @ref(\"r\") @owner(\"o\") @hours(\"1\") \
         @reason(\"s\") @reason_zh(\"情况\") \
         permit (principal, action == Action::\"pay\", resource) when {{ {overflow} }};"
    );
    let decide = [shipped::NL_SG.decide, &forbid].concat();
    let oblige = [shipped::NL_SG.oblige, &permit].concat();
    let schema = shipped::NL_SG.schema.replace("type Gate = {", "type Gate = {\n  listAge: Long,");
    let gate = forbid
        .replace("Action::\"pay\"", "Action::\"settle\"")
        .replace("context.amount", "context.listAge")
        .replace("\"open\"", "\"restricted\"");
    let gate = [shipped::NL_SG.gate, &gate].concat();
    let broken = [
        PackFiles { decide: &decide, ..shipped::NL_SG },
        PackFiles { oblige: &oblige, ..shipped::NL_SG },
        PackFiles { schema: &schema, gate: &gate, ..shipped::NL_SG },
    ];
    for files in broken {
        let decision = Pack::load(&files).unwrap().decide(&support::debtor().build(), now());
        assert_eq!(decision.outcome, DecisionOutcome::Denial);
        assert!(
            matches!(
                &decision.errors[..],
                [EvaluationError::PolicyFailed { policy, .. }] if policy == "x"
            ),
            "{:?}",
            decision.errors
        );
        assert!(decision.limits.is_empty());
    }
}

#[test]
fn inputs_that_are_no_findings_deny() {
    let pack = shipped::nl_sg().unwrap();
    let late = Instant::from_seconds(now().seconds() + 61);
    let table = [
        support::debtor().minor(v::AMOUNT, terms::Minor::MAX),
        support::debtor().number(v::AMOUNT, NUMBER_MAX + 1),
        support::debtor().number(v::MANDATE_LIMIT, i64::MIN),
        support::debtor().age(v::CREDIT_STATUS_AGE, now(), late),
    ];
    for builder in table {
        let findings = builder.build();
        assert_eq!(findings.errors().len(), 1);
        let decision = pack.decide(&findings, now());
        assert_eq!(decision.outcome, DecisionOutcome::Denial);
        assert!(matches!(&decision.errors[..], [EvaluationError::FindingMissing { .. }]));
        let bytes = seal::to_canonical(&pack.record(envelope(), &findings, &decision, now()));
        assert_eq!(replay(&bytes, &pack), Ok(Replay::Match));
    }
    for before in [Instant::from_seconds(1_700_000_000), Instant::from_nanos(0)] {
        let decision = pack.decide(&support::debtor().build(), before);
        assert_eq!(decision.errors, [EvaluationError::NotInForce { at: before }]);
        assert_eq!(decision.outcome, DecisionOutcome::Denial);
    }
    // At the end of time a duty's deadline and an age stay what they can be, and nothing wraps.
    let last = Instant::from_nanos(u64::MAX);
    let old = support::debtor().age(v::LIST_AGE, last, Instant::from_nanos(0)).build();
    let decision = pack.decide(&old, last);
    assert_eq!(codes(&decision), ["list-stale"]);
    assert!(!decision.alarm());
}

#[test]
fn a_parameter_changes_on_its_day() {
    let pack = shipped::nl_sg().unwrap();
    let large = support::debtor()
        .number(v::AMOUNT, 60_000_000)
        .number(v::MANDATE_LIMIT, NUMBER_MAX)
        .text(v::CREDIT_BAND_GIVEN, "A")
        .build();
    let day = |text: &str| text.parse::<terms::BusinessDate>().unwrap().start();
    assert_eq!(codes(&pack.decide(&large, day("2026-12-31"))), ["corridor-limit-exceeded"]);
    assert_eq!(codes(&pack.decide(&large, day("2027-01-01"))), ["permit"]);
}

#[test]
fn deleting_any_rule_changes_some_row_and_every_replay() {
    // Two sides at a time: each deletion is a pack to load.
    for pair in SIDES.chunks(2) {
        std::thread::scope(|scope| {
            for side in pair {
                scope.spawn(|| each_deletion_is_seen(side));
            }
        });
    }
}

fn each_deletion_is_seen(side: &SideCase) {
    let whole = pack(side);
    let recorded: Vec<(Findings, Decision, Vec<u8>)> = rows(&whole)
        .iter()
        .map(|row| {
            let findings = findings(side, row);
            let decision = whole.decide(&findings, now());
            let record = whole.record(envelope(), &findings, &decision, now());
            (findings, decision, seal::to_canonical(&record))
        })
        .collect();
    let (mut killed, mut ids) = (0, 0);
    let texts = [side.files.decide, side.files.oblige, side.files.gate];
    for (file, text) in texts.iter().enumerate() {
        for (id, rest) in without_each(text) {
            ids += 1;
            let mut files = side.files;
            *[&mut files.decide, &mut files.oblige, &mut files.gate][file] = &rest;
            // Deleting the wide permit, or the last reader of a finding, is refused at load.
            let mutant = match Pack::load(&files) {
                Ok(mutant) => mutant,
                Err(
                    PackError::NotOneWidePermit { .. }
                    | PackError::FindingUnread { .. }
                    | PackError::ParameterUnread { .. },
                ) => {
                    let files = undeclared(&files);
                    match Pack::load(&borrow(&files)) {
                        Ok(mutant) => mutant,
                        Err(PackError::NotOneWidePermit { .. }) => {
                            killed += 1;
                            continue;
                        }
                        Err(other) => panic!("{id}: {other}"),
                    }
                }
                Err(other) => panic!("{id}: {other}"),
            };
            let Replay::Mismatch(named) = replay(&recorded[0].2, &mutant).unwrap() else {
                panic!("{id}: replay under another pack must not match")
            };
            assert_eq!(named.part, "pack digest", "{id}");
            let sees = |(findings, decision, bytes): &&(Findings, Decision, Vec<u8>)| {
                mutant.decide(findings, now()) != *decision
                    && names(&id, &replay_with(bytes, &mutant, DigestCheck::Ignored).unwrap())
            };
            // Rows that name the rule first: one of them sees it as a rule.
            let (likely, rest): (Vec<_>, Vec<_>) =
                recorded.iter().partition(|(_, decision, _)| mentions(decision, &id));
            let seen = likely.iter().chain(&rest).any(sees);
            assert!(seen, "{}: deleting `{id}` changes no row", whole.name());
            killed += 1;
        }
    }
    assert_eq!(killed, ids, "{}", whole.name());
}

fn mentions(decision: &Decision, id: &str) -> bool {
    decision.determining.iter().any(|one| one == id)
        || decision.duties.iter().any(|duty| duty.id == id)
}

/// Whether a replay names the rule; a limit claim is named by its key instead.
fn names(id: &str, replay: &Replay) -> bool {
    match replay {
        Replay::Match => false,
        Replay::Mismatch(d) => {
            d.recorded.contains(id) || (d.part == "limits" && d.recorded.contains("mandate:"))
        }
    }
}

#[test]
fn a_record_replays_and_a_weakened_rule_is_named() {
    for side in &SIDES {
        let pack = pack(side);
        for row in &rows(&pack) {
            let findings = findings(side, row);
            let decision = pack.decide(&findings, now());
            let bytes = seal::to_canonical(&pack.record(envelope(), &findings, &decision, now()));
            assert_eq!(replay(&bytes, &pack), Ok(Replay::Match), "{}", row.0);
        }
    }
    let weak = shipped::NL_SG.decide.replace("context.amount > 0", "context.amount > -1");
    let weak = Pack::load(&PackFiles { decide: &weak, ..shipped::NL_SG }).unwrap();
    let pack = shipped::nl_sg().unwrap();
    let findings = support::debtor().number(v::AMOUNT, 0).build();
    let decision = pack.decide(&findings, now());
    let bytes = seal::to_canonical(&pack.record(envelope(), &findings, &decision, now()));
    let Replay::Mismatch(named) = replay(&bytes, &weak).unwrap() else { panic!("must differ") };
    assert_eq!((named.part, named.replayed), ("pack digest", weak.digest().to_string()));
    let Replay::Mismatch(named) = replay_with(&bytes, &weak, DigestCheck::Ignored).unwrap() else {
        panic!("must differ")
    };
    assert_eq!(named.to_string(), "determining: recorded `amount-not-positive`, replayed `permit`");
}

#[test]
fn a_tampered_record_does_not_replay() {
    let pack = shipped::nl_sg().unwrap();
    let findings = support::debtor().flag(v::TERMS_MATCH, false).build();
    let decision = pack.decide(&findings, now());
    let good = pack.record(envelope(), &findings, &decision, now());
    let replayed = |change: fn(&mut record::DecisionRecord)| {
        let mut bad = good.clone();
        change(&mut bad);
        replay(&seal::to_canonical(&bad), &pack)
    };
    let mismatch = |change| matches!(replayed(change), Ok(Replay::Mismatch(_)));
    assert!(mismatch(|r| r.outcome = DecisionOutcome::Permit));
    assert!(mismatch(|r| r.determining.clear()));
    assert!(mismatch(|r| r.reasons[0].mend.push('x')));
    assert!(mismatch(|r| r.duties.clear()));
    assert!(mismatch(|r| r.errors.push("x".into())));
    assert!(mismatch(|r| r.side = record::Side::Creditor));
    assert!(mismatch(|r| {
        r.findings.pop();
    }));
    assert!(mismatch(|r| r.findings[0].visibility = Visibility::Restricted));
    assert!(replayed(|r| r.findings[0].name = "unknown".into()).is_err());
    assert!(replayed(|r| r.action = "steal".into()).is_err());
    let huge = |r: &mut record::DecisionRecord| {
        r.findings[0].name = "amount".into();
        r.findings[0].value = record::FindingValue::Number(i64::MAX);
    };
    assert!(replayed(huge).is_err());
    assert!(replayed(|r| r.version = 2).is_err());
    assert!(replay(b"\x80", &pack).is_err());
}

#[test]
fn restricted_rows_show_the_customer_one_answer() {
    for side in &SIDES {
        let pack = pack(side);
        let mut parts = BTreeSet::new();
        for row in &rows(&pack) {
            let findings = findings(side, row);
            let decision = pack.decide(&findings, now());
            let record = pack.record(envelope(), &findings, &decision, now());
            let part = record.open_part();
            let restricted = !record.reasons.is_empty()
                && record.reasons.iter().all(|r| r.visibility == Visibility::Restricted);
            assert_eq!(restricted, part.outcome == OpenOutcome::NotExecuted, "{}", row.0);
            if restricted {
                parts.insert(seal::to_canonical(&part));
            }
            assert!(part.findings.iter().all(|f| !f.name.contains("creening")));
        }
        assert_eq!(parts.len(), 1);
    }
}

#[test]
fn preflight_lists_open_rules_only_and_all_at_once() {
    for side in &SIDES {
        let pack = pack(side);
        let nothing = FindingsBuilder::new(Action::Pay).build();
        let all = pack.preflight(&nothing, now());
        assert!(all.iter().all(|m| matches!(m.lack, Lack::Untold(_)) && !m.reason.mend.is_empty()));
        assert!(all.iter().all(|m| m.reason.visibility == Visibility::Open));
        assert!(all.len() >= 15);
        assert_eq!(pack.preflight(&(side.base)().build(), now()), []);
        let hit = (side.base)()
            .text(v::PAYEE_SCREENING, "Match")
            .flag(v::LIST_EXPIRED, true)
            .number(v::AMOUNT, 0)
            .text(v::PURPOSE, "GAMB")
            .build();
        let found = pack.preflight(&hit, now());
        let codes: Vec<&str> = found.iter().map(|m| m.reason.code.as_str()).collect();
        assert_eq!(codes, ["amount-not-positive", "purpose-not-allowed"]);
        assert!(found.iter().all(|m| m.lack == Lack::Fails));
    }
}

#[test]
fn what_is_asked_is_what_the_text_reads() {
    for side in &SIDES {
        let pack = pack(side);
        let text = [side.files.decide, side.files.oblige, side.files.gate].concat();
        let expected = read_by_text(&text);
        assert_eq!(pack.reads().map(str::to_owned).collect::<BTreeSet<_>>(), expected);
        let asks = pack.asks();
        for row in v::TABLE {
            let asked = asks.iter().any(|ask| ask.findings.contains(row.name));
            assert_eq!(
                asked,
                expected.contains(row.name) && !row.asks_on(pack.side()).is_empty(),
                "{}",
                row.name
            );
        }
        let tax = asks.iter().any(|ask| ask.vct == v::TAX_STANDING);
        let asked = ["nl-sg", "nl-ch", "cn-sg", "mx-es"];
        assert_eq!(tax, asked.contains(&pack.name()), "{}", pack.name());
    }
    // Nobody is asked for what the other party's wallet holds.
    let of = |pack: Pack| {
        let ask = pack.asks().into_iter().find(|a| a.vct == v::REGISTRATION).unwrap();
        ask.claims.iter().map(|path| path.join("/")).collect::<Vec<_>>()
    };
    let (town, common) = ("address/locality", ["address/country", "company_id", "legal_name"]);
    let (payer, payee) = (of(shipped::nl_sg().unwrap()), of(shipped::sg_in().unwrap()));
    assert!(payer.iter().any(|p| p == town) && payee.iter().all(|p| p != town));
    assert!(common.iter().all(|c| payer.iter().any(|p| p == c) && payee.iter().any(|p| p == c)));
    // A rule fewer is a claim fewer.
    let (_, rest) = without_each(shipped::NL_SG.decide)
        .into_iter()
        .find(|(id, _)| id == "tax-standing-stale")
        .unwrap();
    let files = undeclared(&PackFiles { decide: &rest, ..shipped::NL_SG });
    let less = Pack::load(&borrow(&files)).unwrap();
    let claims = |pack: &Pack| {
        let ask = pack.asks().into_iter().find(|a| a.vct == v::TAX_STANDING).unwrap();
        ask.claims.into_iter().flatten().collect::<Vec<_>>()
    };
    assert_eq!(claims(&shipped::nl_sg().unwrap()), ["as_of", "company_id", "good_standing"]);
    assert_eq!(claims(&less), ["company_id", "good_standing"]);
}

#[test]
fn packs_that_could_fail_open_are_refused() {
    let base = shipped::NL_SG;
    let load = |files: &PackFiles<'_>| Pack::load(files).map(|_| ()).unwrap_err();
    let decide = |from: &str, to: &str| {
        assert!(base.decide.contains(from), "{from}");
        base.decide.replacen(from, to, 1)
    };
    let text = decide("@reason(\"The amount is nothing.\")\n", "");
    assert!(matches!(
        load(&PackFiles { decide: &text, ..base }),
        PackError::AnnotationMissing { annotation: "reason", .. }
    ));
    let text = decide("@id(\"terms-differ\")", "@id(\"statement-missing\")");
    assert!(matches!(load(&PackFiles { decide: &text, ..base }), PackError::Syntax { .. }));
    let text = decide("context.amount > 0", "context.amount > \"0\"");
    assert!(matches!(load(&PackFiles { decide: &text, ..base }), PackError::Invalid { .. }));
    let text = decide("context.amount > 0", "context.colour");
    assert!(matches!(load(&PackFiles { decide: &text, ..base }), PackError::Invalid { .. }));
    let text = decide("@visibility(\"restricted\")", "@visibility(\"open\")");
    assert!(matches!(
        load(&PackFiles { decide: &text, ..base }),
        PackError::OpenRuleReadsRestricted { .. }
    ));
    let text = decide("unless {\n  context.amount > 0", "when {\n  context == context");
    assert!(matches!(
        load(&PackFiles { decide: &text, ..base }),
        PackError::ReadsMoreThanItNames { .. } | PackError::Invalid { .. }
    ));
    let forbid = "@id(\"x\") forbid (principal, action == Action::\"pay\", resource);";
    let text = [
        base.oblige,
        "@precedence(\"1\")@visibility(\"open\")@ref(\"r\")@reason(\"r\")@reason_zh(\"情况\")\
        @mend(\"m\")@mend_zh(\"办法\")@kind(\"k\")@owner(\"o\")@hours(\"1\")",
        forbid,
    ]
    .concat();
    assert_eq!(load(&PackFiles { oblige: &text, ..base }), PackError::ForbidInOblige);
    let text = base.schema.replace("  amount: Long", "  amount?: Long");
    assert!(matches!(
        load(&PackFiles { schema: &text, ..base }),
        PackError::Invalid { .. } | PackError::FindingTypeDiffers { .. }
    ));
    let text = base.schema.replace("type Findings = {", "type Findings = {\n  listName: String,");
    assert_eq!(
        load(&PackFiles { schema: &text, ..base }),
        PackError::FindingUnread { finding: "listName".into() }
    );
    let text = base.parameters.replace("\"amountLimit\"", "\"amountLimits\"");
    assert!(matches!(
        load(&PackFiles { parameters: &text, ..base }),
        PackError::ParameterUnread { .. } | PackError::Parameters { .. }
    ));
}

#[test]
fn layout_and_comments_do_not_change_the_digest() {
    let base = shipped::NL_SG;
    let decide =
        base.decide.replace("\n\n", "\n// A comment.\n\n").replace("  context", "    context");
    let parameters = base.parameters.replace("\": ", "\" :   ");
    let same = Pack::load(&PackFiles { decide: &decide, parameters: &parameters, ..base }).unwrap();
    let pack = shipped::nl_sg().unwrap();
    assert_eq!(same.digest(), pack.digest());
    let mend = base.decide.replacen("@mend(\"Enter", "@mend(\"enter", 1);
    let other = Pack::load(&PackFiles { decide: &mend, ..base }).unwrap();
    assert_ne!(other.digest(), pack.digest());
    let parameters = base.parameters.replacen("50000000", "50000001", 1);
    let other = Pack::load(&PackFiles { parameters: &parameters, ..base }).unwrap();
    assert_ne!(other.digest(), pack.digest());
}

#[test]
fn the_vocabulary_names_each_finding_once() {
    let names: BTreeSet<&str> = v::TABLE.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), v::TABLE.len());
}

/// Texts of a pack that own themselves.
type Owned = [String; 5];

fn borrow(files: &Owned) -> PackFiles<'_> {
    let [schema, decide, oblige, gate, parameters] = files.each_ref().map(String::as_str);
    // What is assumed may speak of what is no longer declared.
    PackFiles { schema, decide, oblige, gate, assumptions: "", parameters }
}

/// The pack with declarations that no rule reads any more taken out of schema and parameters.
fn undeclared(files: &PackFiles<'_>) -> Owned {
    let text = [files.decide, files.oblige, files.gate].concat();
    let read = read_by_text(&text);
    let keep = |line: &&str| match line.trim().split_once(": ") {
        Some((name, rest)) if rest.ends_with(',') && line.starts_with("  ") => {
            name == "principal"
                || name == "resource"
                || name == "context"
                || name == "dutiesDue"
                || name == "dutiesDone"
                || read.contains(name)
                || text.contains(&format!("resource.{name}"))
        }
        _ => true,
    };
    let schema: Vec<&str> = files.schema.lines().filter(keep).collect();
    let parameter = |line: &&str| match line.split_once("{\"name\": \"") {
        Some((_, rest)) => {
            let name = rest.split('"').next().unwrap();
            name == "utcOffsetMinutes" || text.contains(&format!("resource.{name}"))
        }
        None => true,
    };
    let parameters: Vec<&str> = files.parameters.lines().filter(parameter).collect();
    [
        schema.join("\n"),
        files.decide.into(),
        files.oblige.into(),
        files.gate.into(),
        parameters.join("\n"),
    ]
}

/// Findings that a text reads, found without a parser.
fn read_by_text(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|l| !l.starts_with("//")).collect::<Vec<_>>().join("\n");
    let word = |s: &str| s.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    let mut found: BTreeSet<String> = code.split("context.").skip(1).map(word).collect();
    for annotation in ["@key(\"", "@asset(\"", "@max(\""] {
        found.extend(code.split(annotation).skip(1).map(word));
    }
    found.remove("dutiesDue");
    found
}

/// Each rule of a text with the text without it.
fn without_each(text: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = text.split("@id(\"").collect();
    let id = |part: &str| part.split('"').next().unwrap().to_owned();
    (1..parts.len())
        .map(|gone| {
            let rest: Vec<String> = (1..parts.len())
                .filter(|i| *i != gone)
                .map(|i| format!("@id(\"{}", parts[i]))
                .collect();
            (id(parts[gone]), rest.concat())
        })
        .collect()
}

fn ids_of(text: &str, effect: &str) -> Vec<String> {
    let parts = text.split("@id(\"").skip(1);
    let of_effect = parts.filter(|part| part.contains(&format!("\n{effect} (")));
    of_effect.map(|part| part.split('"').next().unwrap().to_owned()).collect()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever the numbers, a permit is within every limit, and a refusal has a cause.
    #[test]
    fn a_permit_is_within_every_limit(
        amount in -10_i64..60_000_000,
        limit in 0_i64..60_000_000,
        band in "[A-E]",
        ages in proptest::array::uniform4(0_i64..1_000),
        minute in 0_i64..1_440,
        weekday in 1_i64..8,
    ) {
        static PACK: std::sync::LazyLock<Pack> =
            std::sync::LazyLock::new(|| shipped::nl_sg().unwrap());
        let findings = support::debtor()
            .number(v::AMOUNT, amount)
            .number(v::MANDATE_LIMIT, limit)
            .text(v::CREDIT_BAND_GIVEN, &band)
            .number(v::REGISTRATION_STATUS_AGE, ages[0])
            .number(v::MANDATE_STATUS_AGE, ages[1])
            .number(v::CREDIT_STATUS_AGE, ages[2])
            .number(v::TAX_STANDING_AGE, ages[3] * 10_000)
            .number(v::MINUTE_OF_DAY, minute)
            .number(v::WEEKDAY, weekday)
            .build();
        let decision = PACK.decide(&findings, now());
        let by_band = match band.as_str() {
            "A" => 100_000_000,
            "B" => 25_000_000,
            "C" => 5_000_000,
            _ => 0,
        };
        let inside = (1..=limit.min(50_000_000).min(by_band)).contains(&amount)
            && ages[..3].iter().all(|age| *age <= 900)
            && ages[3] * 10_000 <= 7_776_000;
        let open = weekday <= 5 && (420..1_080).contains(&minute);
        let expected = match decision.outcome {
            DecisionOutcome::Permit => inside && open,
            DecisionOutcome::Referral { .. } => inside && !open,
            DecisionOutcome::Denial => !inside && !decision.reasons.is_empty(),
        };
        proptest::prop_assert!(expected, "{:?}", decision);
        proptest::prop_assert!(!decision.alarm());
        let preflight = PACK.preflight(&findings, now());
        proptest::prop_assert_eq!(
            preflight.into_iter().map(|m| m.reason).collect::<Vec<_>>(),
            decision.reasons
        );
    }
}
