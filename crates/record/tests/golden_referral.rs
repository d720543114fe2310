//! Golden bytes of the referral queue: the case, its evidence, what persons say, and the chain.
//!
//! One line per document or entry in `golden/referral.txt`, which is only added to.
#![expect(clippy::expect_used, reason = "sample values of a test")]

use record::{
    AlignedWords, Document, EdgeMark, Finding, FindingValue, HitEvidence, ListVersion, ReferralAct,
    ReferralCase, ReferralEntry, ReferralEvent, ReferralEvidence, ReferralHit, ReferralParty,
    ReferralUse, ReferralVerdict, Side, Signed, Visibility, party_digest, signed_digest,
};
use seal::text::to_hex;
use seal::{Digest, Secret, SigningKey, from_canonical, to_canonical};
use terms::{Amount, DecisionId, Instant, Minor, PaymentId, Sequence};

fn name<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a well-formed name")
}

const fn at(seconds: u64) -> Instant {
    Instant::from_seconds(1_795_380_600 + seconds)
}

fn hit(who: ReferralParty) -> ReferralHit {
    ReferralHit {
        who,
        party: party_digest(&Secret::from_bytes([7; 32]), "sg-uen:1", "Lim Ceramics", "SG"),
        entry: Digest::from_bytes([0x22; 32]),
        list: ListVersion {
            name: "example".into(),
            version: 4,
            digest: Digest::from_bytes([0x33; 32]),
        },
    }
}

fn evidence() -> ReferralEvidence {
    ReferralEvidence {
        layout: 1,
        case: DecisionId::from_bytes([0x61; 16]),
        findings: vec![Finding {
            name: "payeeScreening".into(),
            value: FindingValue::Text("Possible".into()),
            unit: String::new(),
            source: "list".into(),
            visibility: Visibility::Restricted,
        }],
        hits: vec![HitEvidence {
            hit: hit(ReferralParty::Payee),
            identity: "sg-uen:1".into(),
            name: "Lim Ceramics".into(),
            country: "SG".into(),
            entry: vec![0x80].into(),
            listed: "Lym Ceramics".into(),
            rule: "aligned-words".into(),
            score: 900,
            contradicted: true,
            aligned: vec![AlignedWords { party: "lim".into(), listed: "lym".into(), score: 800 }],
        }],
    }
}

fn case() -> ReferralCase {
    ReferralCase {
        layout: 1,
        environment: name("sandbox"),
        institution: name("bank-nl"),
        case: DecisionId::from_bytes([0x61; 16]),
        mark: EdgeMark { edge: name("bank-nl.1"), sequence: Sequence::new(3) },
        side: Side::Debtor,
        corridor: name("nl-sg"),
        payment: PaymentId::from_bytes([5; 16]),
        terms: Digest::from_bytes([0x44; 32]),
        order: Digest::from_bytes([0x45; 32]),
        owner: name("nl-kvk:68750110"),
        amount: Amount::new(Minor::new(846_691), name("EUR.2@tcb-sandbox")),
        pack: Digest::from_bytes([0x46; 32]),
        snapshot: Digest::from_bytes([0x47; 32]),
        record: Digest::from_bytes([0x48; 32]),
        reasons: vec!["screening-unclear".into()],
        hits: vec![hit(ReferralParty::Payer), hit(ReferralParty::Payee)],
        basis: Digest::from_bytes([0x49; 32]),
        evidence: evidence().digest(),
        keys: 2,
        remember_seconds: 86_400,
        opened_at: at(0),
        decide_by: at(86_400),
    }
}

fn act(verdict: ReferralVerdict) -> ReferralAct {
    let release = verdict == ReferralVerdict::Release;
    ReferralAct {
        layout: 1,
        environment: name("sandbox"),
        institution: name("bank-nl"),
        case: case().case,
        about: case().digest(),
        verdict,
        reason: "another firm in another trade".into(),
        until: release.then(|| at(3_600)),
        remember_until: release.then(|| at(7_200)),
        said_at: at(60),
    }
}

fn document<T: Document + PartialEq + core::fmt::Debug>(label: &str, value: &T) -> String {
    let bytes = to_canonical(value);
    assert_eq!(from_canonical::<T>(&bytes).expect("reads"), *value);
    for index in 0..bytes.len() {
        assert!(bytes.get(..index).is_none_or(|cut| from_canonical::<T>(cut).is_err()));
    }
    format!("{label} {} {}\n", to_hex(&bytes), value.digest())
}

#[test]
fn the_bytes_of_the_referral_queue_are_fixed() {
    let key = SigningKey::from_seed(&[0x61; 32]);
    let mut lines = document("case", &case());
    lines.push_str(&document("evidence", &evidence()));
    for verdict in ReferralVerdict::ALL {
        lines.push_str(&document(verdict.as_str(), &act(verdict)));
    }
    let signed = Signed::sign(&act(ReferralVerdict::Release), &key);
    lines.push_str(&format!("signed-act {}\n", signed_digest(&signed)));
    let used = ReferralUse {
        case: case().case,
        payment: PaymentId::from_bytes([6; 16]),
        terms: Digest::from_bytes([0x54; 32]),
        order: case().order,
        basis: case().basis,
        amount: case().amount,
        decision: DecisionId::from_bytes([0x62; 16]),
    };
    let mut before = Digest::ZERO;
    for (number, event) in [
        ReferralEvent::Opened(Box::new(case()), vec![1, 2, 3].into()),
        ReferralEvent::Acted(signed, "ada".into(), key.public_key()),
        ReferralEvent::Used(used),
        ReferralEvent::Noted(DecisionId::from_bytes([0x63; 16])),
    ]
    .into_iter()
    .enumerate()
    {
        let number = u64::try_from(number).expect("small");
        let entry = ReferralEntry { layout: 1, number, before, at: at(number), event };
        let bytes = to_canonical(&entry);
        let read: ReferralEntry = from_canonical(&bytes).expect("reads");
        assert_eq!(to_canonical(&read), bytes);
        before = entry.digest();
        lines.push_str(&format!("entry {} {before}\n", to_hex(&bytes)));
    }
    assert_eq!(lines, include_str!("golden/referral.txt"), "golden bytes are never edited");
}

#[test]
fn a_party_is_another_under_another_name_identity_country_or_secret() {
    let of = |secret: u8, identity: &str, name: &str, country: &str| {
        party_digest(&Secret::from_bytes([secret; 32]), identity, name, country)
    };
    let all = [
        of(7, "sg-uen:1", "Lim Ceramics", "SG"),
        of(8, "sg-uen:1", "Lim Ceramics", "SG"),
        of(7, "sg-uen:2", "Lim Ceramics", "SG"),
        of(7, "sg-uen:1", "Lim Ceramic", "SG"),
        of(7, "sg-uen:1", "Lim Ceramics", "MY"),
        of(7, "sg-uen:1", "Lim CeramicsS", "G"),
    ];
    let different: std::collections::BTreeSet<_> = all.into_iter().collect();
    assert_eq!(different.len(), all.len());
}
