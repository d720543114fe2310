//! The referral queue, pure: what a person may say, what a release lets go on and when it is void,
//! and that nobody outside can tell one kind of referral from another.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop")]
#![expect(unreachable_pub, dead_code, reason = "support is shared with other tests")]

#[path = "referrals/acts.rs"]
mod acts;
#[path = "referrals/model.rs"]
mod model;
mod support;

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use admission::referrals::{AMOUNT_DRIFT_PER_MILLE, Queue, Stage};
use admission::replay::{FoundAgain, Missing, replayed};
use admission::{Decided, Referred, Told, Verdict};
use policy::{Pack, PackFiles, Replay, replay, shipped};
use record::{
    DecisionOutcome, FindingValue, ReferralAct, ReferralCase, ReferralEvent, ReferralVerdict, Side,
    Signed, signed_digest,
};
use screening::Entry;
use seal::{Digest, SigningKey};
use support::*;
use terms::{Instant, Minor, PaymentId, QuoteId};

/// Persons, by the seed of their key.
const ADA: (u8, &str) = (91, "ada");
const BEN: (u8, &str) = (92, "ben");
const REASON: &str = "another firm in another trade";

/// The shipped rules with two more: a company that is watched, and orders that chance draws.
static RULES: LazyLock<Pack> = LazyLock::new(|| rules(2_000_000));
/// The same, where one key releases nothing.
static TWO_KEYS: LazyLock<Pack> = LazyLock::new(|| rules(0));

fn rules(one_key_max: i64) -> Pack {
    let rule = |id: &str, reads: &str| {
        format!(
            "\n@id(\"{id}\")\n@precedence(\"66\")\n@visibility(\"restricted\")\n@outcome(\"refer\")\n\
             @ref(\"example\")\n@reason(\"To be looked at.\")\n@reason_zh(\"需要复核。\")\n\
             @mend(\"Compliance: look at it.\")\n@mend_zh(\"合规部门：请复核。\")\n\
             forbid (principal, action in [Action::\"pay\", Action::\"refund\"], resource)\n\
             when {{ {reads} }};\n"
        )
    };
    let decide = format!(
        "{}{}{}",
        shipped::NL_SG.decide,
        rule("monitoring-alert", "context.monitoringAlert && context.amount > 0"),
        rule("quality-review", "context.qualityReview"),
    );
    let schema = shipped::NL_SG
        .schema
        .replace("  minuteOfDay: Long,\n", "  minuteOfDay: Long,\n  monitoringAlert: Bool,\n")
        .replace("  purpose: String,\n", "  purpose: String,\n  qualityReview: Bool,\n");
    let parameter = |name: &str, value: i64| {
        format!(
            "    {{\"name\": \"{name}\", \"unit\": \"\", \"tightens\": \"down\", \
             \"reference\": \"example\", \
             \"values\": [{{\"from\": \"2026-01-01\", \"value\": {value}}}]}},\n"
        )
    };
    let added = [
        parameter("referralOneKeyMax", one_key_max),
        parameter("referralHours", 24),
        parameter("notTheSameDays", 30),
    ]
    .concat();
    let parameters = shipped::NL_SG
        .parameters
        .replace("\"parameters\": [\n", &format!("\"parameters\": [\n{added}"));
    Pack::load(&PackFiles {
        schema: &schema,
        decide: &decide,
        parameters: &parameters,
        ..shipped::NL_SG
    })
    .unwrap()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn queue() -> Queue {
    Queue::new("sandbox".parse().unwrap(), "bank-nl".parse().unwrap())
}

/// A world with a queue, in which the payee resembles a listed firm of another country.
fn near_hit() -> World {
    World {
        queue: Some(queue()),
        rules: Some(&RULES),
        sanctions: vec![sanctions(&[("X4", PAYEE_NAME, "MY")])],
        ..World::new()
    }
}

/// Decides at the debtor's edge and puts what it asks of the queue into it.
fn decide(world: &mut World) -> Decided {
    let done = world.exchange();
    let decided = world.debtor_decides(&done);
    replays(world, &decided);
    let event = match decided.referral.clone() {
        Some(Referred::Opens(case, evidence)) => {
            assert_eq!(record::Document::digest(&*evidence), case.evidence);
            assert_eq!(decided.record.digest(), case.record);
            Some(ReferralEvent::Opened(case, vec![1; 900].into()))
        }
        Some(Referred::Uses(used)) => Some(ReferralEvent::Used(*used)),
        Some(Referred::Noted) => Some(ReferralEvent::Noted(decided.record.decision)),
        None => None,
    };
    if let Some(event) = event {
        match put(world, event) {
            // As an edge does: what waits already opens no second case.
            Err(admission::referrals::ReferralRefused::OpenAlready { .. }) => {
                put(world, ReferralEvent::Noted(decided.record.decision)).unwrap();
            }
            other => other.unwrap(),
        }
    }
    world.decision += 1;
    decided
}

fn put(
    world: &mut World,
    event: ReferralEvent,
) -> Result<(), admission::referrals::ReferralRefused> {
    let queue = world.queue.as_mut().unwrap();
    let entry = queue.next(event, world.now)?;
    queue.apply(&entry).unwrap();
    Ok(())
}

/// The customer orders the same again: another payment at another quote.
fn order_again(world: &mut World, number: u8) {
    world.quote.payment = PaymentId::from_bytes([number; 16]);
    world.quote.quote = QuoteId::from_bytes([number; 16]);
}

fn replays(world: &World, decided: &Decided) {
    let bytes = seal::to_canonical(&decided.record);
    let pack = world.rules.unwrap_or(&RULES);
    assert_eq!(replay(&bytes, pack), Ok(Replay::Match));
}

fn case_of(decided: &Decided) -> ReferralCase {
    match &decided.referral {
        Some(Referred::Opens(case, _)) => (**case).clone(),
        other => panic!("expected a case, got {other:?}"),
    }
}

fn finding(decided: &Decided, name: &str) -> (FindingValue, String) {
    let found = decided.record.findings.iter().find(|one| one.name == name);
    let found = found.unwrap_or_else(|| panic!("no finding `{name}`"));
    (found.value.clone(), found.source.clone())
}

fn permitted(decided: &Decided) -> bool {
    matches!(decided.verdict, Verdict::Permit(_))
}

fn act(case: &ReferralCase, verdict: ReferralVerdict, about: Digest, now: Instant) -> ReferralAct {
    let release = verdict == ReferralVerdict::Release;
    ReferralAct {
        layout: 1,
        environment: case.environment,
        institution: case.institution,
        case: case.case,
        about,
        verdict,
        reason: REASON.to_owned(),
        until: release.then(|| now.plus(seconds(3_600))),
        remember_until: None,
        said_at: now,
    }
}

fn person(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn says(
    world: &mut World,
    (seed, name): (u8, &str),
    act: &ReferralAct,
) -> Result<Digest, admission::referrals::ReferralRefused> {
    let signed = Signed::sign(act, &person(seed));
    let digest = signed_digest(&signed);
    put(world, ReferralEvent::Acted(signed, name.to_owned(), person(seed).public_key()))?;
    Ok(digest)
}

/// One person releases; the digest of what was signed.
fn release(world: &mut World, case: &ReferralCase) -> Digest {
    let said = act(case, ReferralVerdict::Release, record::Document::digest(case), world.now);
    says(world, ADA, &said).unwrap()
}

/// One person releases and has it remembered.
fn not_the_same(world: &mut World, case: &ReferralCase, for_seconds: u64) -> Digest {
    let until = Some(world.now.plus(seconds(for_seconds)));
    let said = act(case, ReferralVerdict::Release, record::Document::digest(case), world.now);
    says(world, ADA, &ReferralAct { remember_until: until, ..said }).unwrap()
}

#[test]
fn a_referral_becomes_a_case_with_all_that_was_seen() {
    let mut world = near_hit();
    let decided = decide(&mut world);
    let Some(Referred::Opens(case, evidence)) = &decided.referral else { panic!("{decided:?}") };
    assert_eq!(case.reasons, ["screening-unclear"]);
    assert_eq!((case.keys, case.remember_seconds), (1, 30 * 86_400));
    assert_eq!(case.decide_by, NOW.plus(seconds(24 * 3_600)));
    assert_eq!((case.payment, case.amount), (world.quote.payment, world.quote.debit));
    let [hit] = evidence.hits.as_slice() else { panic!("{evidence:?}") };
    assert_eq!((hit.name.as_str(), hit.country.as_str()), (PAYEE_NAME, "SG"));
    assert_eq!((hit.identity.as_str(), hit.contradicted), (PAYEE, true));
    let entry: Entry = seal::from_canonical(&hit.entry).unwrap();
    assert_eq!((entry.id.as_str(), entry.digest()), ("X4", hit.hit.entry));
    assert_eq!(hit.hit.list.version, 4);
    let words: Vec<&str> = hit.aligned.iter().map(|one| one.party.as_str()).collect();
    assert_eq!(words, ["lim", "ceramics"]);
    let names: Vec<&str> = evidence.findings.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["payeeScreening", "payerScreening"], "all that the rule reads");
    assert_eq!(world.queue.unwrap().open(), 1);
}

#[test]
fn without_a_queue_nothing_changes_and_a_pack_that_says_nothing_asks_for_two_keys() {
    let mut world = World { queue: None, ..near_hit() };
    assert_eq!(decide(&mut world).referral, None);
    let mut world = World { rules: None, ..near_hit() };
    let done = world.exchange();
    let case = case_of(&world.debtor_decides(&done));
    assert_eq!((case.keys, case.remember_seconds), (2, 0));
    assert_eq!(case.decide_by, NOW.plus(seconds(72 * 3_600)));
    world.rules = Some(&TWO_KEYS);
    assert_eq!(case_of(&decide(&mut world)).keys, 2);
}

#[test]
fn the_same_order_waits_once() {
    let mut world = near_hit();
    decide(&mut world);
    order_again(&mut world, 8);
    let done = world.exchange();
    let decided = world.debtor_decides(&done);
    let Some(Referred::Opens(case, _)) = decided.referral else { panic!("no case") };
    let again = put(&mut world, ReferralEvent::Opened(case, vec![].into()));
    assert!(matches!(again, Err(admission::referrals::ReferralRefused::OpenAlready { .. })));
}

#[test]
fn a_release_lets_one_payment_go_on_once_and_says_so_in_its_record() {
    let mut world = near_hit();
    let case = case_of(&decide(&mut world));
    let signed = release(&mut world, &case);
    order_again(&mut world, 8);
    let decided = decide(&mut world);
    assert!(permitted(&decided), "{:?}", decided.record.reasons);
    let word = FindingValue::Text("Clear".into());
    assert_eq!(finding(&decided, "payeeScreening"), (word, format!("released:{signed}")));
    assert!(decided.record.lists.iter().any(|list| list.name == "referrals"));
    // Asked again with the same payment and terms it says the same.
    assert!(permitted(&decide(&mut world)));
    // Another payment finds it used up, and is referred anew.
    order_again(&mut world, 9);
    assert_ne!(case_of(&decide(&mut world)).case, case.case);
}

#[test]
fn a_decision_replays_from_its_raw_inputs_unless_it_used_a_persons_word() {
    let again = |world: &World| {
        let (decided, file) = world.decides_for_replay(&world.exchange(), Side::Debtor);
        (decided, replayed(&file, &RULES).unwrap())
    };
    let mut world = near_hit();
    world.watched.insert(PAYER.parse().unwrap());
    world.review_per_mille = 1_000;
    assert_eq!(again(&world).1, FoundAgain::Match, "the chain is empty");
    let case = case_of(&decide(&mut world));
    order_again(&mut world, 8);
    let (decided, found) = again(&world);
    assert!(decided.record.lists.iter().any(|list| list.name == "referrals"));
    assert_eq!(found, FoundAgain::Match, "the chain is named, and nobody's word was used");
    release(&mut world, &case);
    let (_, digest) = world.queue.as_ref().unwrap().head();
    let (decided, found) = again(&world);
    assert!(permitted(&decided), "{:?}", decided.record.reasons);
    let chain = Missing { what: "referrals".to_owned(), digest };
    assert_eq!(found, FoundAgain::Missing(vec![chain]));
}

#[test]
fn persons_decide_neither_what_a_sandbox_forced_or_bounds_nor_what_failed_before_the_rules() {
    for forced in ["nl-kvk:sandbox-permitted", "nl-kvk:sandbox-unclear"] {
        let of_payer = World::of_payer(forced);
        let mut world = World { queue: Some(queue()), rules: Some(&RULES), ..of_payer };
        world.sanctions = near_hit().sanctions;
        let decided = decide(&mut world);
        assert_eq!(decided.record.determining, ["screening-unclear"], "{forced}");
        assert_eq!(decided.referral, Some(Referred::Noted), "{forced}: no case");
    }
    let bounds = admission::Bounds {
        amount_max: Minor::new(1),
        parties: [PAYER.parse().unwrap()].into(),
        until: NOW.plus(seconds(86_400)),
    };
    for bounded in [true, false] {
        let mut world = near_hit();
        let case = case_of(&decide(&mut world));
        release(&mut world, &case);
        order_again(&mut world, 8);
        let done = world.exchange();
        let decided = if bounded {
            world.sandbox = Some(bounds.clone());
            world.debtor_decides(&done)
        } else {
            world.debtor_decides_on(&done, "{}")
        };
        assert!(matches!(decided.verdict, Verdict::Refusal { .. }), "{:?}", decided.verdict);
        assert!(!matches!(decided.referral, Some(Referred::Uses(_) | Referred::Opens(..))));
        assert!(decided.record.findings.iter().all(|one| !one.source.starts_with("released:")));
    }
}

/// What is changed before the customer orders again: the release must be void.
type Change = (&'static str, fn(&mut World));

#[test]
fn a_release_is_void_when_anything_that_mattered_has_changed() {
    let cases: [Change; 9] = [
        ("the entry", |w| w.sanctions = vec![sanctions(&[("X4", PAYEE_NAME, "ID")])]),
        ("one more hit", |w| {
            w.sanctions = vec![sanctions(&[("X4", PAYEE_NAME, "MY"), ("X5", PAYEE_NAME, "ID")])];
        }),
        ("a hit on the payer, too", |w| {
            w.sanctions = vec![sanctions(&[("X4", PAYEE_NAME, "MY"), ("X6", PAYER_NAME, "BE")])];
        }),
        ("another rule refers as well", |w| {
            w.watched.insert(PAYER.parse().unwrap());
        }),
        ("chance draws it", |w| w.review_per_mille = 1_000),
        ("the pack", |w| w.rules = Some(&TWO_KEYS)),
        ("the invoice", |w| w.invoice.number = "INV-015".into()),
        ("the time", |w| w.now = w.now.plus(seconds(3_600))),
        ("the amount, beyond what rates move", |w| {
            let units = w.quote.debit.minor.units();
            let more = units * AMOUNT_DRIFT_PER_MILLE / 1_000 + 1;
            w.quote.debit.minor = Minor::new(units + more);
            w.quote.principal.minor = Minor::new(w.quote.principal.minor.units() + more);
        }),
    ];
    for (what, change) in cases {
        let mut world = near_hit();
        let case = case_of(&decide(&mut world));
        release(&mut world, &case);
        order_again(&mut world, 8);
        change(&mut world);
        fresh(&mut world);
        let decided = decide(&mut world);
        assert!(!permitted(&decided), "{what}");
        let Some(Referred::Opens(anew, _)) = &decided.referral else { panic!("{what}: no case") };
        assert_ne!(anew.case, case.case, "{what}");
        // And the release was not used up by what it did not let go on.
        let queue = world.queue.as_ref().unwrap();
        let Stage::Released(release) = &queue.case(case.case).unwrap().stage else { panic!() };
        assert_eq!(release.used, None, "{what}");
    }
}

/// Lists and quote of the world's moment: what changes is what a test says.
fn fresh(world: &mut World) {
    world.quote.issued_at = world.now;
    world.quote.expires_at = world.now.plus(seconds(60));
    world.nl_status(world.now, &[]);
    world.sg_status(world.now, &[]);
    world.sanctions[0].version += 1;
    world.sanctions[0].issued_at = world.now;
}

#[test]
fn a_release_stands_when_only_the_lists_edition_is_newer_and_the_rate_moved_a_little() {
    let mut world = near_hit();
    let case = case_of(&decide(&mut world));
    release(&mut world, &case);
    order_again(&mut world, 8);
    world.quote.debit.minor = Minor::new(world.quote.debit.minor.units() + 100);
    world.quote.principal.minor = Minor::new(world.quote.principal.minor.units() + 100);
    fresh(&mut world);
    assert!(permitted(&decide(&mut world)));
}

#[test]
fn what_is_not_the_same_is_remembered_for_later_orders_until_its_end() {
    let mut world = near_hit();
    let case = case_of(&decide(&mut world));
    let signed = not_the_same(&mut world, &case, 1_800);
    // Another invoice altogether: no release is for it.
    order_again(&mut world, 8);
    world.invoice.number = "INV-015".into();
    let decided = decide(&mut world);
    assert!(permitted(&decided));
    let word = FindingValue::Text("Clear".into());
    assert_eq!(finding(&decided, "payeeScreening"), (word, format!("cleared:{signed}")));
    assert_eq!(decided.referral, None, "and the release is not used up by it");
    let forgets: [Change; 4] = [
        ("its end", |w| w.now = w.now.plus(seconds(1_800))),
        ("another entry", |w| w.sanctions = vec![sanctions(&[("X4", PAYEE_NAME, "ID")])]),
        ("another party of the name", |w| {
            let account = w.payee_account.account;
            w.payee_account.owner = OTHER_PAYEE.parse().unwrap();
            w.invoice.creditor = OTHER_PAYEE.parse().unwrap();
            w.payee = payee_of(OTHER_PAYEE, account);
        }),
        ("a new hit beside it", |w| {
            w.sanctions = vec![sanctions(&[("X4", PAYEE_NAME, "MY"), ("X5", PAYEE_NAME, "ID")])];
        }),
    ];
    for (what, change) in forgets {
        let mut world = world.clone();
        order_again(&mut world, 10);
        world.invoice.number = "INV-016".into();
        change(&mut world);
        fresh(&mut world);
        assert!(!permitted(&decide(&mut world)), "{what}");
    }
}

const OTHER_PAYEE: &str = "sg-uen:201999999Z";

fn payee_of(company: &str, account: terms::AccountId) -> Vec<credential::HeldCredential> {
    let ownership = credential::claims::AccountOwnership {
        company: company.parse().unwrap(),
        account,
        institution: "bank-sg".parse().unwrap(),
        asset: "SGD.2@mas-sandbox".parse().unwrap(),
        holder_name: PAYEE_NAME.to_owned(),
    };
    vec![
        held(&registration(company, PAYEE_NAME, "SG"), "register-sg", Some(20), 4),
        held(&ownership, "bank-sg-accounts", Some(30), 4),
    ]
}

#[test]
fn a_revoked_memory_and_a_withdrawn_release_count_no_more() {
    for verdict in [ReferralVerdict::Revoke, ReferralVerdict::Withdraw] {
        let mut world = near_hit();
        let case = case_of(&decide(&mut world));
        let signed = not_the_same(&mut world, &case, 1_800);
        let said = act(&case, verdict, signed, world.now);
        says(&mut world, BEN, &said).unwrap();
        order_again(&mut world, 8);
        world.invoice.number = "INV-015".into();
        assert!(!permitted(&decide(&mut world)), "{verdict:?}");
    }
    let mut world = near_hit();
    let case = case_of(&decide(&mut world));
    let signed = release(&mut world, &case);
    let said = act(&case, ReferralVerdict::Withdraw, signed, world.now);
    says(&mut world, BEN, &said).unwrap();
    order_again(&mut world, 8);
    assert_ne!(case_of(&decide(&mut world)).case, case.case, "referred anew");
}

#[test]
fn whom_a_person_took_for_the_listed_one_is_denied_from_then_on() {
    let mut world = near_hit();
    let case = case_of(&decide(&mut world));
    let about = record::Document::digest(&case);
    let said = act(&case, ReferralVerdict::Block, about, world.now);
    let signed = says(&mut world, ADA, &said).unwrap();
    order_again(&mut world, 8);
    world.invoice.number = "INV-015".into();
    let decided = decide(&mut world);
    assert_eq!(decided.record.outcome, DecisionOutcome::Denial);
    assert_eq!(decided.record.determining, ["payee-listed"]);
    let word = FindingValue::Text("Match".into());
    assert_eq!(finding(&decided, "payeeScreening"), (word, format!("blocked:{signed}")));
    assert!(decided.record.duties.iter().any(|duty| duty.kind == "report"), "the report is due");
    assert_eq!(decided.referral, Some(Referred::Noted));
}

#[test]
fn a_release_is_bound_to_whatever_the_referring_rules_read_and_not_to_screening_alone() {
    // Watched: the rule reads the amount, too; and a near hit beside it.
    let mut world = near_hit();
    world.watched.insert(PAYER.parse().unwrap());
    let case = case_of(&decide(&mut world));
    assert_eq!(case.reasons, ["monitoring-alert", "screening-unclear"]);
    let signed = not_the_same(&mut world, &case, 86_400);
    // What it remembers of the hit does not make the rest of it fit another amount.
    let mut dearer = world.clone();
    order_again(&mut dearer, 8);
    dearer.quote.debit.minor = Minor::new(dearer.quote.debit.minor.units() + 1);
    dearer.quote.principal.minor = Minor::new(dearer.quote.principal.minor.units() + 1);
    let anew = case_of(&decide(&mut dearer));
    assert_eq!(anew.reasons, ["monitoring-alert"], "the hit is cleared, the alert is not");
    // All as it was: released, with the rule named, and it replays.
    order_again(&mut world, 9);
    let decided = decide(&mut world);
    assert!(permitted(&decided), "{:?}", decided.record.reasons);
    let rules = FindingValue::Texts(vec!["monitoring-alert".into()]);
    assert_eq!(finding(&decided, "releasedRules"), (rules, format!("released:{signed}")));
    // A record that names another rule, or one that denies, does not replay.
    for other in ["quality-review", "payee-listed"] {
        let mut record = decided.record.clone();
        let released = record.findings.iter_mut().find(|one| one.name == "releasedRules").unwrap();
        released.value = FindingValue::Texts(vec![other.into()]);
        let bytes = seal::to_canonical(&record);
        assert_ne!(replay(&bytes, &RULES), Ok(Replay::Match), "{other}");
    }
}

#[test]
fn what_waits_for_the_opening_is_nobodys_to_release_and_a_match_neither() {
    let mut world = near_hit();
    world.sanctions = vec![sanctions(&[("X2", PAYEE_NAME, "SG")])];
    assert_eq!(decide(&mut world).referral, Some(Referred::Noted));
    // Closed and unclear: a case, for the hit is a person's; but its release waits with the rest.
    let mut world = near_hit();
    world.now = Instant::from_seconds(NOW.seconds() + 10 * 3_600);
    fresh(&mut world);
    let case = case_of(&decide(&mut world));
    assert_eq!(case.reasons, ["closed-now", "screening-unclear"]);
    release(&mut world, &case);
    order_again(&mut world, 8);
    assert!(!permitted(&decide(&mut world)), "no person opens the institution at night");
    // Closed alone is told openly, and is no case.
    let mut world = World { sanctions: World::new().sanctions, ..near_hit() };
    world.now = Instant::from_seconds(NOW.seconds() + 10 * 3_600);
    fresh(&mut world);
    let decided = decide(&mut world);
    assert!(matches!(decided.verdict, Verdict::Referral { .. }));
    assert_eq!(decided.referral, None);
}

#[test]
fn a_near_hit_an_alert_a_review_and_a_denial_look_the_same_to_the_customer() {
    let kinds: [Change; 5] = [
        ("screening-unclear", |w| w.sanctions = vec![sanctions(&[("X4", PAYEE_NAME, "MY")])]),
        ("monitoring-alert", |w| {
            w.watched.insert(PAYER.parse().unwrap());
        }),
        ("quality-review", |w| w.review_per_mille = 1_000),
        ("payee-listed", |w| w.sanctions = vec![sanctions(&[("X2", PAYEE_NAME, "SG")])]),
        ("list-expired", |w| w.sanctions[0].next_update = NOW),
    ];
    let mut seen = BTreeSet::new();
    for (rule, change) in kinds {
        let mut world = World { sanctions: World::new().sanctions, ..near_hit() };
        change(&mut world);
        let decided = decide(&mut world);
        assert_eq!(decided.record.determining, [rule]);
        let Verdict::Refusal { document, told } = &decided.verdict else {
            panic!("{rule}: {:?}", decided.verdict)
        };
        assert_eq!(**told, Told::neutral(), "{rule}");
        // Each of them asks something durable of the queue: they take as long.
        assert!(decided.referral.is_some(), "{rule}");
        seen.insert(document.to_bytes().len());
    }
    assert_eq!(seen.len(), 1, "one answer for all");
}
