//! The report of a recovery drill, under a cosigned checkpoint.

use record::settlement::CERTIFICATE_FIELD;
use record::{DrillReport, DrillVerdict, InDoubtEnd, RecoveryFile, Signed};

use super::recovery::check_growth;
use super::report::Report;
use super::{ReadReceipt, VerifyTrust};

/// Checks a drill's file.
///
/// Passing shows that the operator's report stands in the log, that it adds up, that nothing
/// acknowledged is missing in it and that the log only grew since before the fault. What the drill
/// measured is the operator's word; the witnesses' times bound it.
pub(super) fn check(
    report: &mut Report,
    read: &ReadReceipt,
    file: &RecoveryFile,
    trust: Option<&VerifyTrust>,
) {
    report.pass("kind", "drill report");
    let Some(signed): Option<Signed<DrillReport>> = read.value(CERTIFICATE_FIELD) else {
        return report.fail("report", "the report is not opened");
    };
    let drill = match signed.read_unverified() {
        Ok(drill) => drill,
        Err(error) => return report.fail("report", error),
    };
    report.pass("report", "");
    report.judge("nothing acknowledged is lost", lost(&drill));
    report.judge("report adds up", contradiction(&drill, read));
    check_growth(report, file, (drill.checkpoint_size, drill.checkpoint_root), trust);
    let wrong = (drill.verdict != DrillVerdict::Held).then(|| drill.verdict.to_string());
    report.judge("what was expected happened", wrong);
    say(report, &drill);
}

fn lost(drill: &DrillReport) -> Option<String> {
    let counts = &drill.counts;
    (counts.lost > 0 || counts.found != counts.acknowledged).then(|| {
        format!("{} were acknowledged, {} are in the journal", counts.acknowledged, counts.found)
    })
}

fn contradiction(drill: &DrillReport, read: &ReadReceipt) -> Option<String> {
    let (before, after) = (drill.head_before, drill.head_after);
    let (size, own) = (drill.checkpoint_size, read.receipt().position());
    let times = &drill.times;
    if before > after || drill.last_acknowledged >= after {
        Some("the journal of the report does not grow over what it acknowledged".to_owned())
    } else if after > own {
        Some(format!("it names a journal of {after} facts and stands itself at {own}"))
    } else if size > before.number() {
        Some(format!("a checkpoint of {size} entries was signed, the journal had {before}"))
    } else if times.injected_at < drill.started_at {
        Some("the fault was made before the drill began".to_owned())
    } else if times.recovered_at.is_some_and(|at| at < times.injected_at) {
        Some("it recovered before the fault was made".to_owned())
    } else {
        None
    }
}

fn say(report: &mut Report, drill: &DrillReport) {
    let times = &drill.times;
    let after = |at: Option<terms::Instant>| {
        at.map_or_else(
            || "nothing was noticed".to_owned(),
            |at| format!("after {} ms", at.since(times.injected_at).as_millis()),
        )
    };
    report.say("drill", &drill.drill);
    report.say("expected", &drill.hypothesis);
    report.say("run at", drill.started_at);
    report.say("build", &drill.build);
    report.say("detected", after(times.detected_at));
    report.say("recovered", after(times.recovered_at));
    let counts = &drill.counts;
    report.say(
        "load",
        format!(
            "{} payments, {} acknowledged, {} in the journal, {} lost, {} tries failed",
            counts.orders, counts.acknowledged, counts.found, counts.lost, counts.failed_tries
        ),
    );
    let count = |end| drill.in_doubt.iter().filter(|one| one.end == end).count();
    report.say(
        "in doubt",
        format!(
            "{} payments: {} settled, {} refused, {} never happened",
            counts.in_doubt,
            count(InDoubtEnd::Settled),
            count(InDoubtEnd::Refused),
            count(InDoubtEnd::NeverHappened)
        ),
    );
}
