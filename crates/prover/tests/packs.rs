//! The shipped packs are proved; packs with one hole each are refuted, with the payment.
#![cfg_attr(
    test,
    expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")
)]

use policy::certificate::{ALIVE, NEVER_ERRORS, NOT_VACUOUS, certifies, of_json};
use policy::shipped::{NL_SG, PACKS, Proved, SG_IN};
use policy::{PackFiles, shipped};
use prover::certificate::{difference, fresh};
use prover::{Check, Prover, Solvers, Subject, certificate};

/// The suite brings both solvers and says so; by hand cvc5 is enough.
fn prover() -> Prover {
    let second = std::env::var_os("Z3").is_some();
    Prover::new(Solvers::find(second).unwrap_or_else(|e| panic!("{e}"))).unwrap()
}

fn subject(one: &Proved) -> Subject {
    Subject::new(&one.files, one.invariants).unwrap_or_else(|e| panic!("{}: {e}", one.name))
}

/// A pack with one hole: what is changed, to what, and the invariant that no longer holds.
type Hole = (&'static str, &'static str, &'static str, &'static str);

const HOLES_NL_SG: &[Hole] = &[
    (
        "never-a-sanctioned-country",
        "decide",
        "resource.sanctionedCountries.contains(context.payerCountry)",
        "(resource.sanctionedCountries.contains(context.payerCountry) && context.amount > 1000000)",
    ),
    (
        "never-a-listed-or-unscreened-party",
        "decide",
        "  context.payeeScreening == \"Match\"",
        "  context.payeeScreening == \"Match\" && context.amount > 1000000",
    ),
    (
        "never-above-the-corridors-limit",
        "decide",
        "context.amount <= resource.amountLimit",
        "context.amount <= resource.amountLimit || context.purpose == \"SUPP\"",
    ),
    (
        "never-another-currency",
        "decide",
        "context.currency == resource.currency",
        "context.currency == resource.currency || context.currency == \"USD\"",
    ),
    (
        "never-above-the-mandates-limit",
        "decide",
        "context.amount <= context.mandateLimit",
        "context.amount <= context.mandateLimit || context.creditBand == \"A\"",
    ),
    (
        "travel-rule-data-complete",
        "decide",
        "  context.payeeNameGiven\n",
        "  context.payeeNameGiven || context.amount < 100000\n",
    ),
    (
        "never-on-a-stale-list",
        "decide",
        "context.listAge <= resource.listAgeMax",
        "context.listAge <= resource.listAgeMax || context.amount < 100000",
    ),
    (
        "never-on-a-stale-status",
        "decide",
        "context.registrationStatusAge <= resource.statusAgeMax",
        "context.registrationStatusAge <= resource.listAgeMax",
    ),
    (
        "never-on-a-stale-mandate",
        "decide",
        "context.mandateStatusAge <= resource.statusAgeMax",
        "context.mandateStatusAge <= resource.listAgeMax",
    ),
    (
        "never-above-the-credit-bands-limit",
        "decide",
        "(context.creditBand == \"C\" &&",
        "((context.creditBand == \"C\" || context.creditBand == \"D\") &&",
    ),
    (
        "never-without-tax-standing",
        "decide",
        "context.taxStandingAge <= resource.taxStandingAgeMax",
        "context.taxStandingAge <= resource.taxStandingAgeMax || context.amount < 100000",
    ),
    (
        "never-without-the-other-sides-statement",
        "decide",
        "  context.statementPresent\n",
        "  context.statementPresent || context.amount < 100000\n",
    ),
    (
        "never-on-a-stale-credit-band",
        "decide",
        "context.creditStatusAge <= resource.statusAgeMax",
        "context.creditStatusAge <= resource.listAgeMax",
    ),
    (
        "large-payments-are-reviewed",
        "oblige",
        "context.amount >= resource.reviewThreshold",
        "context.amount > resource.reviewThreshold",
    ),
    (
        "large-payments-are-reported",
        "oblige",
        "context.amount >= resource.reportThreshold",
        "context.amount > resource.reportThreshold && context.purpose != \"SUPP\"",
    ),
    (
        "travel-rule-data-is-sent",
        "oblige",
        "context.amount >= resource.travelRuleThreshold",
        "context.amount > resource.travelRuleThreshold && context.currency != \"EUR\"",
    ),
    (
        "evidence-is-kept",
        "oblige",
        "@parameters(\"years: 5\")\npermit (\n  principal,\n  action in [Action::\"pay\", \
         Action::\"refund\"],\n  resource\n)",
        "@parameters(\"years: 5\")\npermit (\n  principal,\n  action == Action::\"pay\",\n  \
         resource\n)",
    ),
    (
        "payments-count-toward-the-mandates-month",
        "oblige",
        "  action == Action::\"pay\",\n  resource\n);",
        "  action == Action::\"pay\",\n  resource\n) when { context.amount > 100000 };",
    ),
    (
        "nothing-settles-with-an-undone-duty",
        "gate",
        "!context.dutiesDone.contains(\"evidence-escrow\")",
        "!context.dutiesDone.contains(\"travel-rule\")",
    ),
    (
        "payments-count-toward-the-mandates-month",
        "oblige",
        "@period(\"month\")",
        "@period(\"day\")",
    ),
];

const HOLES_SG_NL: &[Hole] = &[
    (
        "never-without-the-payers-account",
        "decide",
        "  context.payerAccountGiven\n",
        "  context.payerAccountGiven || context.amount < 200000\n",
    ),
    (
        "never-to-another-name",
        "decide",
        "  context.payeeNameFitsAccount\n",
        "  context.payeeNameFitsAccount || context.amount < 200000\n",
    ),
    (
        "never-on-a-stale-mandate",
        "decide",
        "context.mandateStatusAge <= resource.statusAgeMax",
        "context.mandateStatusAge <= resource.listAgeMax",
    ),
];

const HOLES_NL_IN: &[Hole] = &[
    (
        "never-without-the-payees-invoice",
        "decide",
        "  context.invoiceSigned\n",
        "  context.invoiceSigned || context.amount < 200000\n",
    ),
    (
        "never-without-the-other-sides-statement",
        "decide",
        "  context.termsMatch\n",
        "  context.termsMatch || context.amount < 200000\n",
    ),
];

const HOLES_NL_CH: &[Hole] = &[
    (
        "never-without-the-payers-account",
        "decide",
        "  context.payerAccountGiven\n",
        "  context.payerAccountGiven || context.amount < 100000\n",
    ),
    (
        "never-above-the-corridors-limit",
        "decide",
        "context.amount <= resource.amountLimit",
        "context.amount <= resource.amountLimit || context.purpose == \"SUPP\"",
    ),
    (
        "payments-count-toward-the-mandates-month",
        "oblige",
        "限额。\")\npermit (\n  principal,\n  action == Action::\"pay\",\n  resource\n);",
        "限额。\")\npermit (\n  principal,\n  action == Action::\"pay\",\n  resource\n) \
         when { context.amount > 100000 };",
    ),
];

/// Of each shipped pack, in its order.
const HOLES: [&[Hole]; 11] = [
    HOLES_NL_SG,
    HOLES_SG_IN,
    HOLES_SG_NL,
    HOLES_NL_IN,
    HOLES_NL_CH,
    HOLES_CN_SG,
    HOLES_SG_IN_CN,
    HOLES_KE_GB,
    &[HOLE_ADDRESS],
    HOLES_MX_ES,
    &[HOLE_CALENDAR],
];

/// Open on holidays that are no Sunday, as every pack with a calendar could be.
const HOLE_HOLIDAY: Hole = (
    "never-on-a-holiday",
    "decide",
    "resource.holidays.contains(context.localDate)",
    "resource.holidays.contains(context.localDate) && context.weekday > 5",
);

/// Open in a year of which nobody told the holidays.
const HOLE_CALENDAR: Hole = (
    "never-on-a-holiday",
    "decide",
    "resource.calendarYears.contains(context.localYear)",
    "resource.calendarYears.contains(context.localYear) || context.amount < 100000",
);

const HOLE_ADDRESS: Hole = (
    "travel-rule-data-complete",
    "decide",
    "  context.payerAddressStructured\n",
    "  context.payerAddressStructured || context.amount < resource.reviewThreshold\n",
);

const HOLES_CN_SG: &[Hole] = &[
    (
        "never-without-the-underlying-document",
        "decide",
        "  context.documentGiven\n",
        "  context.documentGiven || context.purpose == \"GDDS\"\n",
    ),
    (
        "never-large-services-without-tax-standing",
        "decide",
        "context.taxStandingAge <= resource.taxStandingAgeMax",
        "context.taxStandingAge <= resource.taxStandingAgeMax || context.payeeCountry == \"SG\"",
    ),
];

const HOLES_SG_IN_CN: &[Hole] = &[
    HOLE_HOLIDAY,
    (
        "never-on-anothers-word-beyond-recognition",
        "decide",
        "context.amount <= resource.recognitionLimit",
        "(context.amount <= resource.recognitionLimit || context.purpose == \"GDDS\")",
    ),
];

const HOLES_KE_GB: &[Hole] = &[
    (
        "never-large-without-the-underlying-document",
        "decide",
        "context.amount < resource.documentThreshold",
        "context.amount <= resource.documentThreshold",
    ),
    HOLE_HOLIDAY,
];

const HOLES_MX_ES: &[Hole] = &[
    (
        "never-without-tax-standing",
        "decide",
        "  context.taxStandingGood\n",
        "  context.taxStandingGood || context.amount < 100000\n",
    ),
    HOLE_CALENDAR,
];

const HOLES_SG_IN: &[Hole] = &[
    (
        "travel-rule-account-given",
        "decide",
        "  context.payerAccountGiven\n",
        "  context.payerAccountGiven || context.amount < 200000\n",
    ),
    (
        "never-without-the-payees-invoice",
        "decide",
        "  context.invoiceSigned\n",
        "  context.invoiceSigned || context.amount < 200000\n",
    ),
];

/// The files with one text changed.
fn changed<T>(
    files: &PackFiles<'_>,
    (file, from, to): (&str, &str, &str),
    then: impl FnOnce(&PackFiles<'_>) -> T,
) -> T {
    let text = match file {
        "decide" => files.decide,
        "oblige" => files.oblige,
        "gate" => files.gate,
        _ => files.assumptions,
    };
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    let mut files = *files;
    match file {
        "decide" => files.decide = &text,
        "oblige" => files.oblige = &text,
        "gate" => files.gate = &text,
        _ => files.assumptions = &text,
    }
    then(&files)
}

/// The checks of one invariant of nl-sg or sg-in with a hole.
fn with_hole(prover: &mut Prover, one: &Proved, hole: &Hole) -> Vec<Check> {
    let (id, file, from, to) = *hole;
    let subject = changed(&one.files, (file, from, to), |files| {
        Subject::new(files, one.invariants).unwrap_or_else(|e| panic!("{id}: {e}"))
    });
    prover.one(&subject, id).unwrap_or_else(|e| panic!("{id}: {e}"))
}

#[test]
fn the_certificate_beside_each_shipped_pack_is_about_its_rules_and_the_invariants_of_today() {
    for one in &PACKS {
        let beside = of_json(one.certificate).unwrap();
        let hint = "make it anew: `wayleave policy prove DIR --certificate DIR/certificate.json`";
        fresh(&beside, &subject(one)).unwrap_or_else(|e| panic!("{}: {e}; {hint}", one.name));
        assert!(beside.second_solver.is_some(), "{}: with both solvers", one.name);
    }
}

#[test]
fn every_invariant_is_broken_by_a_planted_pack() {
    for (one, holes) in PACKS.iter().zip(HOLES) {
        let known: Vec<&str> = HOLES.iter().copied().flatten().map(|(id, ..)| *id).collect();
        for invariant in &subject(one).invariants {
            assert!(known.contains(&invariant.id.as_str()), "no hole for `{}`", invariant.id);
        }
        for (id, ..) in holes {
            assert!(subject(one).invariants.iter().any(|known| known.id == *id), "{id}");
        }
    }
}

/// These need solvers: the suite `packs-proved` brings them.
mod on_solver {
    use super::*;

    #[test]
    fn every_shipped_pack_is_proved_and_its_certificate_says_so() {
        for one in &PACKS {
            let (subject, mut prover) = (subject(one), prover());
            let proof = prover.prove(&subject).unwrap_or_else(|e| panic!("{}: {e}", one.name));
            let failing: Vec<&Check> = proof.checks.iter().filter(|c| !c.holds).collect();
            assert!(failing.is_empty(), "{}: {failing:?}", one.name);
            let made = certificate(&subject, &proof, (prover.solvers(), None));
            assert_eq!(certifies(&made, &subject.pack, &subject.invariants), Ok(()));
            assert_eq!(difference(&of_json(one.certificate).unwrap(), &made), None);
            println!("{}: {} checks, {} questions", one.name, proof.checks.len(), proof.asked);
        }
    }

    #[test]
    fn the_same_pack_gives_the_same_scripts() {
        let [one, ..] = &PACKS;
        let (subject, mut prover) = (subject(one), prover());
        let id = "never-above-the-corridors-limit";
        let scripts = |checks: Vec<Check>| -> Vec<_> {
            checks.into_iter().map(|check| check.call.map(|call| call.script)).collect()
        };
        let first = scripts(prover.one(&subject, id).unwrap());
        let again = scripts(prover.one(&subject, id).unwrap());
        assert_eq!(first, again);
        assert!(first.iter().all(Option::is_some) && !first.is_empty());
    }

    #[test]
    fn each_planted_hole_is_found_and_its_payment_replayed() {
        let mut prover = prover();
        for (one, holes) in PACKS.iter().zip(HOLES) {
            for hole in holes {
                let checks = with_hole(&mut prover, one, hole);
                let found = checks.iter().find(|check| !check.holds);
                let found = found.unwrap_or_else(|| panic!("{} is not refuted", hole.0));
                let sample = found.sample.as_ref().unwrap();
                assert!(sample.replayed, "{}\n{}", hole.0, sample.text());
                println!("{} ({})\n  {}", hole.0, found.action, sample.text());
            }
        }
        println!("{} questions", prover.asked());
    }

    #[test]
    fn a_rule_that_can_fail_a_dead_one_and_a_pack_that_allows_nothing_are_found() {
        let mut prover = prover();
        let mut refuted = |file: &str, from: &str, to: &str| -> Vec<(String, String)> {
            let [one, ..] = &PACKS;
            let subject = changed(&NL_SG, (file, from, to), |files| {
                Subject::new(files, one.invariants).unwrap()
            });
            let proof = prover.prove(&subject).unwrap_or_else(|e| panic!("{to}: {e}"));
            let failing = proof.checks.into_iter().filter(|check| !check.holds);
            failing.map(|check| (check.kind.to_owned(), check.subject)).collect()
        };
        // The mandate's limit is not assumed to be small; the amount is, so three times it is fine.
        let fails = refuted(
            "decide",
            "context.amount <= context.mandateLimit",
            "context.amount * 3 <= context.mandateLimit * 3",
        );
        assert!(
            fails.iter().any(|f| *f == (NEVER_ERRORS.into(), "mandate-limit-exceeded".into())),
            "{fails:?}"
        );
        let fine = refuted("decide", "context.amount > 0", "context.amount * 3 > 0");
        assert!(fine.is_empty(), "{fine:?}");
        let dead = refuted(
            "decide",
            "  context.payeeScreening == \"Match\"",
            "  context.payeeScreening == \"match\"",
        );
        assert!(dead.contains(&(ALIVE.into(), "payee-listed".into())), "{dead:?}");
        let nothing = refuted("assumptions", "context.weekday <= 7", "context.weekday < 1");
        assert!(nothing.contains(&(NOT_VACUOUS.into(), "decide".into())), "{nothing:?}");
    }

    #[test]
    fn a_new_version_is_compared_with_the_old_one_parameters_and_lists_included() {
        let [one, ..] = &PACKS;
        let (old, mut prover) = (subject(one), prover());
        let mut ids = |files: &PackFiles<'_>, yes: &[String]| -> (Vec<String>, usize) {
            let new = Subject::new(files, one.invariants).unwrap();
            let compared = prover.compare(&new, &old, yes).unwrap_or_else(|e| panic!("{e}"));
            for sample in compared.differences.iter().filter_map(|d| d.sample.as_ref()) {
                assert!(sample.replayed, "{}", sample.text());
            }
            let open = compared.open().count();
            (compared.differences.into_iter().map(|one| one.id).collect(), open)
        };
        assert_eq!(ids(&one.files, &[]), (vec![], 0));
        let more = NL_SG.parameters.replace("\"value\": 50000000", "\"value\": 60000000");
        let raised = PackFiles { parameters: &more, ..NL_SG };
        let limit = ["allows-more:pay", "allows-more:refund", "loosens:amountLimit"];
        assert_eq!(ids(&raised, &[]).0, limit);
        assert_eq!(ids(&raised, &limit.map(str::to_owned)).1, 0);
        assert_eq!(ids(&raised, &["loosens:amountLimit".to_owned()]).1, 2);
        let less = NL_SG.parameters.replace("\"value\": 50000000", "\"value\": 40000000");
        assert_eq!(ids(&PackFiles { parameters: &less, ..NL_SG }, &[]).0, [""; 0]);
        let fewer = NL_SG.parameters.replace("[\"BY\", \"KP\", \"RU\"]", "[\"BY\", \"KP\"]");
        assert_eq!(
            ids(&PackFiles { parameters: &fewer, ..NL_SG }, &[]).0,
            ["allows-more:pay", "allows-more:refund", "list-shrinks:sanctionedCountries"]
        );
        let later = NL_SG.parameters.replace("\"value\": 20000000}", "\"value\": 30000000}");
        let dropped = ids(&PackFiles { parameters: &later, ..NL_SG }, &[]).0;
        assert_eq!(
            dropped,
            [
                "duty-dropped:report-large:pay",
                "duty-dropped:report-large:refund",
                "loosens:reportThreshold"
            ]
        );
        // What only an annotation says is no payment's, and counts all the same.
        for (from, to, rule) in [
            ("@period(\"month\")", "@period(\"day\")", "mandate-month-limit"),
            ("@hours(\"336\")", "@hours(\"33600\")", "report-large"),
        ] {
            assert!(NL_SG.oblige.contains(from), "{from}");
            let oblige = NL_SG.oblige.replacen(from, to, 1);
            let found = ids(&PackFiles { oblige: &oblige, ..NL_SG }, &[]).0;
            assert_eq!(found, [format!("effect:{rule}")]);
        }
        // What broke an assumption was denied: one dropped lets more pass.
        assert_eq!(
            ids(&PackFiles { assumptions: "", ..NL_SG }, &[]).0,
            ["allows-more:pay", "allows-more:refund"]
        );
        let weaker = NL_SG.decide.replace("context.amount > 0", "context.amount > -1");
        assert_eq!(
            ids(&PackFiles { decide: &weaker, ..NL_SG }, &[]).0,
            ["allows-more:pay", "allows-more:refund"]
        );
    }

    #[test]
    fn the_packs_of_the_two_sides_are_not_compared_by_mistake() {
        let [debtor, creditor, ..] = &PACKS;
        let mut prover = prover();
        assert_eq!(creditor.files.schema, SG_IN.schema);
        assert!(prover.compare(&subject(creditor), &subject(debtor), &[]).is_err());
        assert!(shipped::nl_sg().is_ok());
    }
}
