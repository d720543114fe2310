//! Recovery drills: their reports are facts, and a drill that is due is an open duty.
//!
//! The book believes a report as little as any other document of the operator: what was measured
//! is the drill's, that it was recorded and when is the book's, and the receipt brings both under
//! a checkpoint that the witnesses cosigned.

use std::collections::BTreeMap;

use journal::Checked;
use minicbor::{Decode, Encode};
use record::settlement::DRILL_RECORDED;
use record::{Document, DrillReport, DrillVerdict, IN_DOUBT_MAX, SaltSlot, Signed};
use seal::Digest;
use terms::{Instant, Position};

use super::{SettlementAnswer, SettlementBook, done, not_accepted};

/// The longest name of a drill.
pub const DRILL_NAME_MAX: usize = 40;
/// The longest hypothesis, verdict or build, in bytes: a sentence or two.
pub const DRILL_WORDS_MAX: usize = 1_000;
/// Names of drills that a book remembers the last run of. The catalogue has some twenty.
const DRILLS_MAX: usize = 256;

/// The last run of each drill.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Drills {
    #[n(0)]
    last: BTreeMap<String, DrillRun>,
    #[n(1)]
    count: u64,
}

/// The last run of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DrillRun {
    /// Position of its report.
    #[n(0)]
    pub position: Position,
    /// The writer's stamp of the report.
    #[n(1)]
    pub recorded_at: Instant,
    /// Whether what was expected happened.
    #[n(2)]
    pub held: bool,
    /// Digest of the report.
    #[n(3)]
    pub report: Digest,
}

impl Drills {
    /// The last run of each drill, by name.
    pub fn last(&self) -> impl Iterator<Item = (&str, &DrillRun)> {
        self.last.iter().map(|(name, run)| (name.as_str(), run))
    }

    /// How many reports were recorded.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether a drill is overdue: never run, not run for `every`, or its last run did not hold.
    #[must_use]
    pub fn overdue(&self, name: &str, every: core::time::Duration, now: Instant) -> bool {
        self.last.get(name).is_none_or(|run| !run.held || run.recorded_at.plus(every) <= now)
    }

    pub(super) fn recorded(&mut self, position: Position, stamp: Instant, report: &DrillReport) {
        self.count = self.count.saturating_add(1);
        let held = report.verdict == DrillVerdict::Held;
        let run = DrillRun { position, recorded_at: stamp, held, report: report.digest() };
        if self.last.len() < DRILLS_MAX || self.last.contains_key(&report.drill) {
            self.last.insert(report.drill.clone(), run);
        }
    }
}

impl SettlementBook {
    /// The drills that were run.
    #[must_use]
    pub const fn drills(&self) -> &Drills {
        &self.drills
    }

    pub(super) fn record_drill(
        &self,
        slot: SaltSlot,
        signed: &Signed<DrillReport>,
    ) -> Checked<SettlementAnswer> {
        let report = match signed.read_unverified() {
            Ok(report) => report,
            Err(error) => return not_accepted(error.to_string()),
        };
        if let Some(wrong) = self.wrong_report(&report) {
            return not_accepted(wrong);
        }
        match self.drills.last.get(&report.drill) {
            // Sent again, after a lost answer.
            Some(run) if run.report == signed.digest() => done(),
            Some(run) if report.started_at <= run.recorded_at => {
                not_accepted(format!("a later run of `{}` is recorded", report.drill))
            }
            Some(_) | None => self.record(slot, DRILL_RECORDED, signed.to_bytes()),
        }
    }

    fn wrong_report(&self, report: &DrillReport) -> Option<String> {
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let name = &report.drill;
        let counts = &report.counts;
        let long = [&report.hypothesis, &report.build, verdict_words(&report.verdict)]
            .into_iter()
            .any(|words| words.len() > DRILL_WORDS_MAX);
        if report.layout != 1 {
            Some(format!("expected a drill report of layout 1, got {}", report.layout))
        } else if report.environment != self.environment || report.book != self.book {
            Some("the drill was run on another book or in another environment".to_owned())
        } else if name.is_empty() || name.len() > DRILL_NAME_MAX || !name.chars().all(named) {
            Some(format!("expected a drill's name of at most {DRILL_NAME_MAX} of a-z, 0-9 and -"))
        } else if long || report.in_doubt.len() > IN_DOUBT_MAX {
            Some("the drill report says more than a report may hold".to_owned())
        } else if counts.found.checked_add(counts.lost) != Some(counts.acknowledged) {
            Some(format!(
                "{} payments were acknowledged, and the report accounts for {} and {}",
                counts.acknowledged, counts.found, counts.lost
            ))
        } else if report.verdict == DrillVerdict::Held && counts.lost > 0 {
            Some(format!(
                "{} acknowledged payments are lost, and the report says held",
                counts.lost
            ))
        } else {
            None
        }
    }
}

const fn verdict_words(verdict: &DrillVerdict) -> &String {
    static NONE: String = String::new();
    match verdict {
        DrillVerdict::Held => &NONE,
        DrillVerdict::Refuted(why) | DrillVerdict::Aborted(why) => why,
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use record::{DrillCounts, DrillTimes};
    use seal::SigningKey;

    use super::*;
    use crate::settlement::SettlementConfig;

    fn book() -> SettlementBook {
        SettlementBook::new(SettlementConfig {
            environment: "sandbox".parse().unwrap(),
            book: "settlement".parse().unwrap(),
            operator: "op".parse().unwrap(),
            roots: BTreeMap::new(),
        })
    }

    fn report() -> DrillReport {
        DrillReport {
            layout: 1,
            environment: "sandbox".parse().unwrap(),
            book: "settlement".parse().unwrap(),
            drill: "core-kill".into(),
            hypothesis: "nothing is lost".into(),
            seed: 1,
            build: "test".into(),
            started_at: Instant::from_seconds(100),
            times: DrillTimes {
                injected_at: Instant::from_seconds(101),
                detected_at: None,
                healed_at: None,
                recovered_at: None,
            },
            counts: DrillCounts { orders: 2, acknowledged: 2, found: 2, ..DrillCounts::default() },
            last_acknowledged: Position::new(4),
            head_before: Position::new(2),
            head_after: Position::new(5),
            in_doubt: vec![],
            verdict: DrillVerdict::Held,
            checkpoint_size: 2,
            checkpoint_root: Digest::ZERO,
        }
    }

    fn offer(book: &SettlementBook, report: &DrillReport) -> Checked<SettlementAnswer> {
        let key = SigningKey::from_seed(&[7; 32]);
        book.record_drill(SaltSlot(0), &Signed::sign(report, &key))
    }

    #[test]
    fn a_report_is_recorded_once_and_only_if_it_adds_up() {
        let mut book = book();
        let fine = report();
        assert_eq!(offer(&book, &fine).facts.len(), 1);
        book.drills.recorded(Position::new(9), Instant::from_seconds(103), &fine);
        assert_eq!(offer(&book, &fine).facts.len(), 0, "again");
        let later = DrillReport { started_at: Instant::from_seconds(200), ..report() };
        assert_eq!(offer(&book, &later).facts.len(), 1, "another run");
        let older = DrillReport { started_at: Instant::from_seconds(50), ..report() };
        let answer = offer(&book, &older).outcome;
        assert!(matches!(answer, SettlementAnswer::NotAccepted(why) if why.contains("later run")));
        let lossy = DrillCounts { found: 1, lost: 1, ..fine.counts };
        let wrong = [
            ("layout", DrillReport { layout: 2, ..report() }),
            ("another book", DrillReport { book: "other".parse().unwrap(), ..report() }),
            ("name", DrillReport { drill: "Core Kill".into(), ..report() }),
            ("name", DrillReport { drill: String::new(), ..report() }),
            ("more than", DrillReport { hypothesis: "x".repeat(1_001), ..report() }),
            ("accounts for", {
                DrillReport { counts: DrillCounts { found: 1, ..fine.counts }, ..report() }
            }),
            ("says held", DrillReport { counts: lossy, ..report() }),
        ];
        for (words, report) in wrong {
            let SettlementAnswer::NotAccepted(why) = offer(&book, &report).outcome else {
                panic!("{words} was accepted");
            };
            assert!(why.contains(words), "{words}: {why}");
        }
        let refuted = DrillVerdict::Refuted("one is lost".into());
        let told = DrillReport { counts: lossy, verdict: refuted, ..later };
        assert_eq!(offer(&book, &told).facts.len(), 1, "a loss that is told is recorded");
    }

    #[test]
    fn a_drill_is_overdue_when_never_run_too_old_or_not_held() {
        let mut drills = Drills::default();
        let day = Duration::from_secs(86_400);
        let at = Instant::from_seconds(1_000);
        assert!(drills.overdue("core-kill", day, at));
        drills.recorded(Position::new(1), at, &report());
        assert!(!drills.overdue("core-kill", day, at));
        assert!(drills.overdue("core-kill", day, at.plus(day)));
        assert!(drills.overdue("edge-kill", day, at));
        let refuted = DrillVerdict::Refuted(String::new());
        drills.recorded(Position::new(2), at, &DrillReport { verdict: refuted, ..report() });
        assert!(drills.overdue("core-kill", day, at));
        assert_eq!((drills.count(), drills.last().count()), (2, 1));
    }
}
