use seal::from_canonical;
use seal::text::to_hex;
use terms::Sequence;

use super::*;

fn reason(code: &str, effect: ReasonEffect, visibility: Visibility) -> Reason {
    Reason {
        code: code.into(),
        reference: "ref".into(),
        sentence: "say".into(),
        mend: "mend".into(),
        effect,
        visibility,
    }
}

fn record() -> DecisionRecord {
    DecisionRecord {
        version: DECISION_VERSION,
        environment: "sandbox".parse().unwrap(),
        decision: DecisionId::from_bytes([1; 16]),
        payment: PaymentId::from_bytes([2; 16]),
        institution: "bank-nl".parse().unwrap(),
        side: Side::Debtor,
        edge: EdgeMark { edge: "bank-nl.1".parse().unwrap(), sequence: Sequence::new(7) },
        corridor: "nl-sg".parse().unwrap(),
        action: "pay".into(),
        terms: Digest::from_bytes([3; 32]),
        pack: Digest::from_bytes([4; 32]),
        schema: Digest::from_bytes([5; 32]),
        findings_layer: 1,
        snapshot: Digest::from_bytes([6; 32]),
        statements: vec![Digest::from_bytes([7; 32])],
        lists: vec![ListVersion { name: "l".into(), version: 3, digest: Digest::ZERO }],
        findings: vec![
            finding("a", FindingValue::Flag(true), Visibility::Open),
            finding("b", FindingValue::Number(-1), Visibility::Restricted),
        ],
        outcome: DecisionOutcome::Referral { next_opening: Some(Instant::from_nanos(9)) },
        determining: vec!["hours".into()],
        reasons: vec![reason("hours", ReasonEffect::Refers, Visibility::Open)],
        duties: vec![],
        limits: vec![LimitClaim {
            key: "mandate:m".into(),
            amount: terms::Amount::new(terms::Minor::new(5), "EUR.2@x".parse().unwrap()),
            period: crate::LimitPeriod::Month,
        }],
        errors: vec![],
        engine: "cedar".into(),
        decided_at: Instant::from_nanos(8),
    }
}

fn finding(name: &str, value: FindingValue, visibility: Visibility) -> Finding {
    Finding { name: name.into(), value, unit: "u".into(), source: "book".into(), visibility }
}

#[test]
fn the_stored_form_is_fixed() {
    let record = record();
    let bytes = to_canonical(&record);
    let b = |byte: &str, count: usize| byte.repeat(count);
    let golden = [
        "9819".into(),                                    // 25 things
        "01".into(),                                      // layout version
        "6773616e64626f78".into(),                        // environment
        format!("50{}", b("01", 16)),                     // decision
        format!("50{}", b("02", 16)),                     // payment
        "6762616e6b2d6e6c".into(),                        // institution
        "00".into(),                                      // side
        "826962616e6b2d6e6c2e3107".into(),                // edge and sequence
        "656e6c2d7367".into(),                            // corridor
        "63706179".into(),                                // action
        format!("5820{}", b("03", 32)),                   // terms
        format!("5820{}", b("04", 32)),                   // pack
        format!("5820{}", b("05", 32)),                   // schema
        "01".into(),                                      // findings layer
        format!("5820{}", b("06", 32)),                   // snapshot
        format!("815820{}", b("07", 32)),                 // statements
        format!("8183616c035820{}", b("00", 32)),         // lists
        "82856161820081f5617564626f6f6b00".into(),        // open finding
        "856162820181206175".to_owned() + "64626f6f6b01", // restricted finding
        "82028109".into(),                                // referral until 9
        "8165686f757273".into(),                          // determining
        "8186".into(),                                    // one reason:
        "65686f75727363726566".into(),                    // code, reference
        "63736179646d656e640100".into(),                  // sentence, mend, refers, open
        "80".into(),                                      // duties
        "8183696d616e646174653a6d".into(),                // limit: key
        "8205674555522e32407801".into(),                  // most, asset, month
        "80".into(),                                      // errors
        "656365646172".into(),                            // engine
        "08".into(),                                      // decided at
    ];
    assert_eq!(to_hex(&bytes), golden.concat());
    assert_eq!(from_canonical::<DecisionRecord>(&bytes).unwrap(), record);
}

#[test]
fn each_changed_byte_is_refused_or_another_record() {
    let bytes = to_canonical(&record());
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        if let Ok(other) = from_canonical::<DecisionRecord>(&changed) {
            assert_ne!(other.digest(), record().digest(), "byte {index}");
        }
    }
    assert!(from_canonical::<DecisionRecord>(&[bytes, vec![0]].concat()).is_err());
}

#[test]
fn the_open_part_holds_only_what_is_open() {
    let part = record().open_part();
    assert_eq!(part.findings.len(), 1);
    assert_eq!(part.outcome, OpenOutcome::Referral { next_opening: Some(Instant::from_nanos(9)) });
    assert_eq!(part.reasons.len(), 1);
}

#[test]
fn all_restricted_outcomes_look_the_same() {
    use ReasonEffect::{Denies, Refers};
    use Visibility::Restricted;
    let hit = |outcome, reasons, errors| DecisionRecord { outcome, reasons, errors, ..record() };
    let waiting = DecisionOutcome::Referral { next_opening: None };
    let match_found =
        hit(DecisionOutcome::Denial, vec![reason("match", Denies, Restricted)], vec![]);
    let near = hit(waiting, vec![reason("near", Refers, Restricted)], vec![]);
    let error = hit(DecisionOutcome::Denial, vec![], vec!["overflow".into()]);
    let hours = reason("hours", Refers, Visibility::Open);
    let both = hit(waiting, vec![hours.clone(), reason("near", Refers, Restricted)], vec![]);
    let all =
        hit(DecisionOutcome::Denial, vec![hours, reason("match", Denies, Restricted)], vec![]);
    let expected = match_found.open_part();
    assert_eq!(expected.outcome, OpenOutcome::NotExecuted);
    for other in [near, error, both, all] {
        assert_eq!(to_canonical(&other.open_part()), to_canonical(&expected));
    }
}

#[test]
fn an_open_denial_does_not_show_the_restricted_reason_beside_it() {
    let open = reason("address", ReasonEffect::Denies, Visibility::Open);
    let restricted = reason("match", ReasonEffect::Denies, Visibility::Restricted);
    let outcome = DecisionOutcome::Denial;
    let alone = DecisionRecord { outcome, reasons: vec![open.clone()], ..record() };
    let beside = DecisionRecord { outcome, reasons: vec![restricted, open], ..record() };
    assert_eq!(alone.open_part(), beside.open_part());
}
