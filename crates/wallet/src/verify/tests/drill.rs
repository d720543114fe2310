//! The file of a drill: each word that does not add up is refused by name.

use record::settlement::DRILL_RECORDED;
use record::{DrillCounts, DrillReport, DrillTimes, DrillVerdict};

use super::*;

fn report(before: &SignedCheckpoint) -> DrillReport {
    DrillReport {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        book: "settlement".parse().unwrap(),
        drill: "core-kill".into(),
        hypothesis: "nothing is lost".into(),
        seed: 1,
        build: "test".into(),
        started_at: NOW,
        times: DrillTimes {
            injected_at: later(1),
            detected_at: Some(later(1)),
            healed_at: None,
            recovered_at: Some(later(2)),
        },
        counts: DrillCounts { orders: 2, acknowledged: 2, found: 2, ..DrillCounts::default() },
        last_acknowledged: Position::new(2),
        head_before: Position::new(2),
        head_after: Position::new(3),
        in_doubt: vec![],
        verdict: DrillVerdict::Held,
        checkpoint_size: before.head().size,
        checkpoint_root: before.head().root,
    }
}

/// Two facts under the checkpoint before, one settled in the drill, then the report.
fn drilled(change: impl Fn(&mut DrillReport)) -> RecoveryFile {
    let (_, before) = OURS.publish(&[filler(0), filler(1)], &[2]);
    let mut report = report(&before[0]);
    change(&mut report);
    let signed = Signed::sign(&report, &key(50));
    let fact = Fact::plain(DRILL_RECORDED, SaltSlot(0), vec![signed.to_bytes()]);
    let facts = [filler(0), filler(1), filler(2), fact.clone()];
    let (log, checkpoints) = OURS.publish(&facts, &[2, 4]);
    RecoveryFile {
        layout: 1,
        receipt: receipt_of(&log, &checkpoints[1], &fact, 3, &[0, CERTIFICATE_FIELD]).into(),
        checkpoint_before: checkpoints[0].to_string().into_bytes().into(),
        consistency: log.consistency(2, 4).unwrap(),
    }
}

#[test]
fn a_drills_file_passes_and_each_word_that_does_not_add_up_is_refused_by_name() {
    let good = drilled(|_| ());
    let report = judged(&good);
    assert!(report.is_good(), "{}", report.text());
    assert!(report.text().contains("after 1000 ms"), "{}", report.text());
    assert_eq!(verify(&seal::to_canonical(&good), None).exit_code(), 3);

    let starts = |file: &RecoveryFile, check: &str| {
        let failed = judged(file).first_failure().unwrap_or_default();
        assert!(failed.starts_with(check), "expected `{check}`, got `{failed}`");
    };
    let lost = "nothing acknowledged is lost:";
    starts(&drilled(|r| r.counts.found = 1), lost);
    starts(&drilled(|r| (r.counts.found, r.counts.lost) = (1, 1)), lost);
    let sums = "report adds up:";
    starts(&drilled(|r| r.head_after = Position::new(9)), sums);
    starts(&drilled(|r| r.head_after = Position::new(1)), sums);
    starts(&drilled(|r| r.last_acknowledged = Position::new(3)), sums);
    starts(&drilled(|r| r.times.injected_at = Instant::EPOCH), sums);
    starts(&drilled(|r| r.times.recovered_at = Some(NOW)), sums);
    starts(&drilled(|r| r.checkpoint_root = Digest::ZERO), "checkpoint before:");
    let refuted = DrillVerdict::Refuted("it took longer".into());
    let expected = "what was expected happened:";
    starts(&drilled(move |r| r.verdict = refuted.clone()), expected);
    starts(&RecoveryFile { consistency: Vec::new(), ..good }, "the log only grew:");
}
