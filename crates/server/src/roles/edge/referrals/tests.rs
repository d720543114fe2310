//! The file: what is told of is there again, and what was taken out of it stops the start.

use std::path::PathBuf;

use record::{Document, EdgeMark, ReferralCase, ReferralVerdict, Side};
use seal::{Digest, SigningKey};
use terms::{Amount, Minor, PaymentId, Sequence};

use super::*;

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("wayleave-queue-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn queue() -> Queue {
    Queue::new("sandbox".parse().unwrap(), "bank-nl".parse().unwrap())
}

const fn at(seconds: u64) -> Instant {
    Instant::from_seconds(1_794_996_000 + seconds)
}

fn case(number: u8) -> ReferralCase {
    ReferralCase {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        institution: "bank-nl".parse().unwrap(),
        case: DecisionId::from_bytes([number; 16]),
        mark: EdgeMark { edge: "bank-nl.1".parse().unwrap(), sequence: Sequence::new(3) },
        side: Side::Debtor,
        corridor: "nl-sg".parse().unwrap(),
        payment: PaymentId::from_bytes([number; 16]),
        terms: Digest::from_bytes([1; 32]),
        order: Digest::from_bytes([number; 32]),
        owner: "nl-kvk:68750110".parse().unwrap(),
        amount: Amount::new(Minor::new(900), "EUR.2@tcb-sandbox".parse().unwrap()),
        pack: Digest::from_bytes([2; 32]),
        snapshot: Digest::from_bytes([3; 32]),
        record: Digest::from_bytes([4; 32]),
        reasons: vec!["screening-unclear".into()],
        hits: vec![],
        basis: Digest::from_bytes([5; 32]),
        evidence: Digest::from_bytes([6; 32]),
        keys: 1,
        remember_seconds: 0,
        opened_at: at(0),
        decide_by: at(86_400),
    }
}

fn opened(number: u8) -> ReferralEvent {
    ReferralEvent::Opened(Box::new(case(number)), vec![number; 40].into())
}

#[test]
fn what_was_told_of_is_there_again_after_a_restart() {
    let path = folder("again").join(REFERRALS_FILE);
    let mut store = Store::open(&path, queue()).unwrap();
    store.take(opened(7), at(1)).unwrap();
    let key = SigningKey::from_seed(&[91; 32]);
    let act = ReferralAct {
        layout: 1,
        environment: case(7).environment,
        institution: case(7).institution,
        case: case(7).case,
        about: case(7).digest(),
        verdict: ReferralVerdict::Release,
        reason: "another firm in another trade".into(),
        until: Some(at(3_600)),
        remember_until: None,
        said_at: at(2),
    };
    let signed = Signed::sign(&act, &key);
    store.take(ReferralEvent::Acted(signed, "ada".into(), key.public_key()), at(2)).unwrap();
    let (head, standing) = (store.queue.head(), store.queue.case(case(7).case).cloned());
    drop(store);
    // A tail that a crash cut short was never told of.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(&[0, 0, 1]);
    std::fs::write(&path, &bytes).unwrap();
    let mut store = Store::open(&path, queue()).unwrap();
    assert_eq!(store.queue.head(), head);
    assert_eq!(store.queue.case(case(7).case).cloned(), standing);
    assert_eq!(standing.unwrap().stage.word(), "released");
    assert_eq!(store.evidence(case(7).case).unwrap(), Some(vec![7; 40]));
    assert_eq!(store.evidence(case(8).case).unwrap(), None);
    assert_eq!(read_referrals(&path).unwrap().len(), 2);
}

#[test]
fn a_file_that_lost_an_entry_or_is_another_institutions_is_not_opened() {
    let path = folder("lost").join(REFERRALS_FILE);
    let mut store = Store::open(&path, queue()).unwrap();
    for number in 1..=3 {
        store.take(opened(number), at(u64::from(number))).unwrap();
    }
    drop(store);
    let other = Queue::new("sandbox".parse().unwrap(), "bank-sg".parse().unwrap());
    assert!(Store::open(&path, other).is_err());
    let bytes = std::fs::read(&path).unwrap();
    let (found, rest) = whole_records(&bytes);
    assert_eq!((found.len(), rest), (3, 0));
    let second = bytes.len() / 3;
    let without = [&bytes[..second], &bytes[second * 2..]].concat();
    std::fs::write(&path, &without).unwrap();
    let Err(refused) = Store::open(&path, queue()) else { panic!("it opens") };
    assert!(refused.to_string().contains("does not follow"), "{refused}");
}

#[test]
fn a_queue_is_configured_with_persons_and_never_forgotten() {
    let folder = folder("configured");
    let whose = ("sandbox".parse().unwrap(), "bank-nl".parse().unwrap());
    let person = |name: &str, seed: u8, role: &str| ReviewerEntry {
        name: name.into(),
        key: SigningKey::from_seed(&[seed; 32]).public_key().to_string(),
        role: role.into(),
    };
    let of = |reviewers: Vec<ReviewerEntry>| ReferralConfig { reviewers, ..Default::default() };
    for (config, expected) in [
        (of(vec![]), "1 to 100 persons"),
        (of(vec![person("ada", 1, "teller")]), "`compliance`"),
        (of(vec![person("ada", 1, "compliance"), person("ben", 1, "compliance")]), "of its own"),
        (
            ReferralConfig { review_per_mille: 1_001, ..of(vec![person("ada", 1, "compliance")]) },
            "at most 1000",
        ),
    ] {
        let refused = config.read_reviewers().unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(Desk::open(&folder, None, whose).unwrap().is_none());
    let config = of(vec![person("ada", 1, "compliance"), person("ada", 2, "compliance")]);
    assert!(Desk::open(&folder, Some(&config), whose).unwrap().is_some());
    // What one blocked would be let go by an edge that was told of no queue any more.
    assert!(Desk::open(&folder, None, whose).is_err());
}
