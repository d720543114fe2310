//! What persons may say of a case, and every near miss of it.

use admission::referrals::{
    OPEN_PER_OWNER_MAX, REASON_CHARACTERS, RELEASE_SECONDS_MAX, ReferralRefused, Reviewer,
    SAID_AHEAD_SECONDS, SAID_SECONDS_MAX, reviewer_of,
};
use record::{
    Document, ReferralAct, ReferralCase, ReferralEntry, ReferralEvent, ReferralUse,
    ReferralVerdict as V, Signed,
};
use seal::Digest;
use terms::{Amount, CompanyId, DecisionId, Minor, PaymentId};

use super::*;

/// The name of what refused, without its fields.
fn why(refused: &ReferralRefused) -> &'static str {
    match refused {
        ReferralRefused::Full { .. } => "Full",
        ReferralRefused::OpenAlready { .. } => "OpenAlready",
        ReferralRefused::Unknown { .. } => "Unknown",
        ReferralRefused::Differs { field, .. } | ReferralRefused::Time { field, .. } => field,
        ReferralRefused::NotAReviewer { .. } => "NotAReviewer",
        ReferralRefused::Document(_) => "Document",
        ReferralRefused::SaidBefore => "SaidBefore",
        ReferralRefused::SamePerson { .. } => "SamePerson",
        ReferralRefused::NotNow { .. } => "NotNow",
        ReferralRefused::Reason { .. } => "Reason",
        ReferralRefused::Chain { .. } => "Chain",
    }
}

/// A queue with one case that asks for as many keys as the rules say.
fn opened(rules: &'static Pack) -> (World, ReferralCase) {
    let mut world = World { rules: Some(rules), ..near_hit() };
    let case = case_of(&decide(&mut world));
    (world, case)
}

fn stage(world: &World, case: &ReferralCase) -> &'static str {
    world.queue.as_ref().unwrap().case(case.case).unwrap().stage.word()
}

/// A person and what is said.
type Said = ((u8, &'static str), V);
/// What is said in turn, and what the last of it comes to.
type Row = (&'static [Said], &'static str);

#[test]
fn each_stage_takes_just_what_may_be_said_there() {
    const A: (u8, &str) = ADA;
    const B: (u8, &str) = BEN;
    const ROWS: &[Row] = &[
        (&[(A, V::Release)], "waits for a second key"),
        (&[(A, V::Release), (B, V::Approve)], "released"),
        (&[(A, V::Release), (A, V::Approve)], "SamePerson"),
        (&[(A, V::Release), (A, V::Reject)], "SamePerson"),
        (&[(A, V::Release), (B, V::Reject)], "open"),
        (&[(A, V::Release), (A, V::Withdraw)], "open"),
        (&[(A, V::Release), (B, V::Reject), (B, V::Approve)], "NotNow"),
        (&[(A, V::Release), (B, V::Release)], "NotNow"),
        (&[(A, V::Release), (B, V::Refuse)], "refused"),
        (&[(A, V::Release), (B, V::Block)], "blocked"),
        (&[(A, V::Release), (B, V::Approve), (B, V::Withdraw)], "closed"),
        (&[(A, V::Release), (B, V::Approve), (B, V::Revoke)], "released"),
        (&[(A, V::Release), (B, V::Approve), (B, V::Revoke), (A, V::Revoke)], "NotNow"),
        (&[(A, V::Release), (B, V::Approve), (B, V::Refuse)], "NotNow"),
        (&[(A, V::Release), (B, V::Approve), (A, V::Approve)], "NotNow"),
        (&[(A, V::Refuse)], "refused"),
        (&[(A, V::Refuse), (B, V::Release)], "NotNow"),
        (&[(A, V::Refuse), (B, V::Approve)], "NotNow"),
        (&[(A, V::Block)], "blocked"),
        (&[(A, V::Block), (B, V::Release)], "NotNow"),
        (&[(A, V::Block), (B, V::Withdraw)], "NotNow"),
        (&[(A, V::Block), (A, V::Revoke)], "blocked, lifting waits for a second key"),
        (&[(A, V::Block), (A, V::Revoke), (A, V::Approve)], "SamePerson"),
        (&[(A, V::Block), (A, V::Revoke), (B, V::Approve)], "closed"),
        (&[(A, V::Block), (A, V::Revoke), (B, V::Reject)], "blocked"),
        (&[(A, V::Approve)], "NotNow"),
        (&[(A, V::Reject)], "NotNow"),
        (&[(A, V::Withdraw)], "NotNow"),
        (&[(A, V::Revoke)], "NotNow"),
    ];
    for (said, expected) in ROWS {
        let (mut world, case) = opened(&TWO_KEYS);
        let mut last = case.digest();
        let mut first = case.digest();
        let mut got = String::new();
        for (step, (who, verdict)) in said.iter().enumerate() {
            // A first verdict is about the case, the others about what waits to be answered.
            let about = if verdict.is_first() { case.digest() } else { last };
            let about =
                if *verdict == V::Revoke || *verdict == V::Withdraw { first } else { about };
            let now = world.now.plus(seconds(u64::try_from(step).unwrap()));
            let said = ReferralAct { said_at: now, ..act(&case, *verdict, about, world.now) };
            got = match says(&mut world, *who, &said) {
                Ok(digest) => {
                    if verdict.is_first() {
                        (first, last) = (digest, digest);
                    } else if *verdict == V::Revoke {
                        last = digest;
                    }
                    stage(&world, &case).to_owned()
                }
                Err(refused) => why(&refused).to_owned(),
            };
        }
        assert_eq!(got, *expected, "{said:?}");
    }
}

#[test]
fn one_key_releases_up_to_the_packs_amount_and_no_further() {
    let (mut world, case) = opened(&RULES);
    release(&mut world, &case);
    assert_eq!(stage(&world, &case), "released");
    let (mut world, case) = opened(&TWO_KEYS);
    release(&mut world, &case);
    order_again(&mut world, 8);
    assert!(!permitted(&decide(&mut world)), "one of two keys releases nothing");
}

/// A change to a good release, and what refuses it.
type Miss = (&'static str, fn(&mut ReferralAct));

#[test]
fn a_release_that_is_not_just_right_is_refused_by_name() {
    let misses: [Miss; 17] = [
        ("layout", |a| a.layout = 2),
        ("environment", |a| a.environment = "production".parse().unwrap()),
        ("institution", |a| a.institution = "bank-sg".parse().unwrap()),
        ("Unknown", |a| a.case = DecisionId::from_bytes([9; 16])),
        ("case", |a| a.about = Digest::from_bytes([9; 32])),
        ("NotNow", |a| a.verdict = V::Approve),
        ("Reason", |a| a.reason = "too short".into()),
        ("Reason", |a| a.reason = "x".repeat(REASON_CHARACTERS.end() + 1)),
        ("until", |a| a.until = None),
        ("until", |a| a.until = Some(NOW)),
        ("until", |a| a.until = Some(NOW.plus(seconds(RELEASE_SECONDS_MAX + 1)))),
        ("remember_until", |a| a.remember_until = Some(NOW)),
        ("remember_until", |a| a.remember_until = Some(NOW.plus(seconds(30 * 86_400 + 1)))),
        ("said_at", |a| a.said_at = NOW.minus(seconds(SAID_SECONDS_MAX + 1))),
        ("said_at", |a| a.said_at = NOW.plus(seconds(SAID_AHEAD_SECONDS + 1))),
        ("until", |a| a.verdict = V::Refuse),
        ("NotNow", |a| {
            a.verdict = V::Withdraw;
            a.until = None;
        }),
    ];
    for (expected, change) in misses {
        let (mut world, case) = opened(&RULES);
        let mut said = act(&case, V::Release, case.digest(), NOW);
        change(&mut said);
        if said.verdict == V::Approve {
            said.until = None;
        }
        let refused = says(&mut world, ADA, &said).unwrap_err();
        assert_eq!(why(&refused), expected, "{refused}");
        assert_eq!(stage(&world, &case), "open", "{expected}: nothing has changed");
    }
}

#[test]
fn another_key_another_person_and_a_changed_signature_are_refused() {
    let (mut world, case) = opened(&RULES);
    let said = act(&case, V::Release, case.digest(), NOW);
    let signed = Signed::sign(&said, &person(ADA.0));
    let reviewers = [Reviewer { name: BEN.1.into(), key: person(BEN.0).public_key() }];
    let refused = reviewer_of(&signed, &reviewers).unwrap_err();
    assert_eq!(why(&refused), "NotAReviewer");
    let others = ReferralEvent::Acted(signed.clone(), "ben".into(), person(BEN.0).public_key());
    assert_eq!(why(&put(&mut world, others).unwrap_err()), "Document");
    let mut bytes = signed.to_bytes();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    let changed = Signed::<ReferralAct>::from_bytes(&bytes).unwrap();
    let event = ReferralEvent::Acted(changed, "ada".into(), person(ADA.0).public_key());
    assert_eq!(why(&put(&mut world, event).unwrap_err()), "Document");
}

#[test]
fn one_person_with_two_keys_is_one_person() {
    let (mut world, case) = opened(&TWO_KEYS);
    let first = says(&mut world, ADA, &act(&case, V::Release, case.digest(), NOW)).unwrap();
    let refused = says(&mut world, (93, "ada"), &act(&case, V::Approve, first, NOW)).unwrap_err();
    assert_eq!(why(&refused), "SamePerson");
}

#[test]
fn what_a_second_key_signs_is_the_firsts_own_bytes() {
    let (mut world, case) = opened(&TWO_KEYS);
    says(&mut world, ADA, &act(&case, V::Release, case.digest(), NOW)).unwrap();
    // The case's digest, or that of the same words signed by another, is not it.
    let same_words = Signed::sign(&act(&case, V::Release, case.digest(), NOW), &person(BEN.0));
    for about in [case.digest(), signed_digest(&same_words)] {
        let refused = says(&mut world, BEN, &act(&case, V::Approve, about, NOW)).unwrap_err();
        assert_eq!(why(&refused), "act");
    }
}

#[test]
fn a_release_that_was_taken_back_cannot_be_handed_in_again() {
    let (mut world, case) = opened(&TWO_KEYS);
    let said = act(&case, V::Release, case.digest(), NOW);
    let first = says(&mut world, ADA, &said).unwrap();
    says(&mut world, ADA, &act(&case, V::Withdraw, first, NOW)).unwrap();
    assert_eq!(stage(&world, &case), "open");
    assert_eq!(why(&says(&mut world, ADA, &said).unwrap_err()), "SaidBefore");
    // And once it is released and withdrawn, the case is closed for good.
    let later = ReferralAct { said_at: NOW.plus(seconds(1)), ..said };
    let second = says(&mut world, ADA, &later).unwrap();
    says(&mut world, BEN, &act(&case, V::Approve, second, NOW)).unwrap();
    says(&mut world, BEN, &act(&case, V::Withdraw, second, NOW)).unwrap();
    assert_eq!(why(&says(&mut world, ADA, &later).unwrap_err()), "SaidBefore");
    let anew = ReferralAct { said_at: NOW.plus(seconds(2)), ..later };
    assert_eq!(why(&says(&mut world, ADA, &anew).unwrap_err()), "NotNow");
}

#[test]
fn a_release_that_was_used_cannot_be_taken_back_and_what_it_remembers_can() {
    let (mut world, case) = opened(&RULES);
    let signed = release(&mut world, &case);
    order_again(&mut world, 8);
    assert!(permitted(&decide(&mut world)));
    let refused = says(&mut world, BEN, &act(&case, V::Withdraw, signed, NOW)).unwrap_err();
    assert_eq!(why(&refused), "NotNow");
    says(&mut world, BEN, &act(&case, V::Revoke, signed, NOW)).unwrap();
    assert_eq!(stage(&world, &case), "used");
}

#[test]
fn a_case_past_its_deadline_is_refused_or_blocked_and_not_released() {
    let (mut world, case) = opened(&TWO_KEYS);
    let first = {
        world.now = case.decide_by.minus(Duration::from_nanos(1));
        let now = world.now;
        says(&mut world, ADA, &act(&case, V::Release, case.digest(), now)).unwrap()
    };
    world.now = case.decide_by;
    let now = world.now;
    let refused = says(&mut world, BEN, &act(&case, V::Approve, first, now)).unwrap_err();
    assert_eq!(why(&refused), "decide_by");
    says(&mut world, BEN, &act(&case, V::Refuse, case.digest(), now)).unwrap();
}

#[test]
fn a_use_is_of_the_very_order_basis_and_payment() {
    type Other = (&'static str, fn(&mut ReferralUse));
    let misses: [Other; 6] = [
        ("Unknown", |u| u.case = DecisionId::from_bytes([9; 16])),
        ("order", |u| u.order = Digest::from_bytes([9; 32])),
        ("basis", |u| u.basis = Digest::from_bytes([9; 32])),
        ("amount", |u| u.amount = Amount::new(Minor::new(1 << 40), u.amount.asset)),
        ("asset", |u| u.amount.asset = "USD.2@tcb-sandbox".parse().unwrap()),
        ("NotNow", |_| {}),
    ];
    for (expected, change) in misses {
        let (mut world, case) = opened(&RULES);
        if expected != "NotNow" {
            release(&mut world, &case);
        }
        let mut used = use_of(&case);
        change(&mut used);
        assert_eq!(why(&put(&mut world, ReferralEvent::Used(used)).unwrap_err()), expected);
    }
    let (mut world, case) = opened(&RULES);
    release(&mut world, &case);
    put(&mut world, ReferralEvent::Used(use_of(&case))).unwrap();
    put(&mut world, ReferralEvent::Used(use_of(&case))).unwrap();
    for (expected, other) in [
        ("payment", ReferralUse { payment: PaymentId::from_bytes([7; 16]), ..use_of(&case) }),
        ("terms", ReferralUse { terms: Digest::from_bytes([7; 32]), ..use_of(&case) }),
    ] {
        assert_eq!(why(&put(&mut world, ReferralEvent::Used(other)).unwrap_err()), expected);
    }
}

fn use_of(case: &ReferralCase) -> ReferralUse {
    ReferralUse {
        case: case.case,
        payment: PaymentId::from_bytes([6; 16]),
        terms: Digest::from_bytes([6; 32]),
        order: case.order,
        basis: case.basis,
        amount: case.amount,
        decision: DecisionId::from_bytes([6; 16]),
    }
}

#[test]
fn a_full_queue_takes_no_case_and_an_open_one_is_never_put_out() {
    let (mut world, case) = opened(&RULES);
    let another = |number: u8, owner: &str| ReferralCase {
        case: DecisionId::from_bytes([number; 16]),
        order: Digest::from_bytes([number; 32]),
        owner: owner.parse::<CompanyId>().unwrap(),
        ..case.clone()
    };
    let open =
        |world: &mut World, case| put(world, ReferralEvent::Opened(Box::new(case), vec![].into()));
    for number in 0..OPEN_PER_OWNER_MAX - 1 {
        open(&mut world, another(u8::try_from(100 + number).unwrap(), PAYER)).unwrap();
    }
    assert_eq!(why(&open(&mut world, another(99, PAYER)).unwrap_err()), "Full");
    open(&mut world, another(99, OTHER)).unwrap();
    assert_eq!(stage(&world, &case), "open", "the first is still there");
    // One is decided: there is room for one.
    says(&mut world, ADA, &act(&case, V::Refuse, case.digest(), NOW)).unwrap();
    open(&mut world, another(98, PAYER)).unwrap();
    assert_eq!(why(&open(&mut world, another(97, PAYER)).unwrap_err()), "Full");
    let large = ReferralEvent::Opened(Box::new(another(96, OTHER)), vec![0; 300_000].into());
    assert_eq!(why(&put(&mut world, large).unwrap_err()), "Full");
}

#[test]
fn a_chain_that_lost_doubled_swapped_or_changed_an_entry_is_refused() {
    let (mut world, case) = opened(&RULES);
    let mut entries: Vec<ReferralEntry> = Vec::new();
    let mut queue = queue();
    let mut add = |event: ReferralEvent| {
        let entry = queue.next(event, NOW).unwrap();
        queue.apply(&entry).unwrap();
        entries.push(entry);
    };
    add(ReferralEvent::Opened(Box::new(case.clone()), vec![1].into()));
    let signed = Signed::sign(&act(&case, V::Release, case.digest(), NOW), &person(ADA.0));
    let first = signed_digest(&signed);
    add(ReferralEvent::Acted(signed, "ada".into(), person(ADA.0).public_key()));
    let back = Signed::sign(&act(&case, V::Withdraw, first, NOW), &person(BEN.0));
    add(ReferralEvent::Acted(back, "ben".into(), person(BEN.0).public_key()));
    add(ReferralEvent::Noted(DecisionId::from_bytes([3; 16])));
    let read = |entries: &[ReferralEntry]| {
        let mut queue = super::queue();
        entries.iter().try_for_each(|entry| queue.apply(entry)).map(|()| queue.head())
    };
    let whole = read(&entries).unwrap();
    assert_eq!(whole, queue.head());
    for at in 0..entries.len() - 1 {
        let mut less = entries.clone();
        less.remove(at);
        assert_eq!(why(&read(&less).unwrap_err()), "Chain", "without {at}");
        let mut twice = entries.clone();
        twice.insert(at, entries[at].clone());
        assert_eq!(why(&read(&twice).unwrap_err()), "Chain", "{at} twice");
        let mut swapped = entries.clone();
        swapped.swap(at, at + 1);
        assert_eq!(why(&read(&swapped).unwrap_err()), "Chain", "{at} swapped");
        let mut changed = entries.clone();
        changed[at].at = changed[at].at.plus(seconds(1));
        assert_eq!(why(&read(&changed).unwrap_err()), "Chain", "{at} changed");
    }
    // A tail that is missing leaves a chain that is good and shorter: its end tells.
    let shorter = read(&entries[..3]).unwrap();
    assert_ne!(shorter, whole);
    world.now = NOW;
}
