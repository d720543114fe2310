//! Receipts of a stand-alone ledger: one fact, opened whole.

use evidence::WholeReceipt;
use evidence::whole::{InspectedWhole, inspect_whole};

use super::{Report, VerifyTrust, names_log, passed_before};

/// Verifies a receipt that opens a whole fact, and hands it back as far as its bytes agree with
/// themselves.
#[must_use]
pub fn read_whole(bytes: &[u8], trust: Option<&VerifyTrust>) -> (Report, Option<InspectedWhole>) {
    let mut report = Report::of("ledger receipt");
    let read = match inspect_whole(bytes) {
        Ok(read) => read,
        Err(refused) => {
            passed_before(&mut report, refused.check);
            report.fail(refused.check.name(), refused.reason.to_string());
            return (report, None);
        }
    };
    passed_before(&mut report, evidence::Check::LogSignature);
    let checkpoint = &read.proof().checkpoint;
    report.say("log", read.receipt().origin().as_str());
    report.say("position", read.receipt().position());
    report.say("checkpoint", format!("{} entries", checkpoint.head().size));
    let kind = read.fact().kind;
    report.say("kind", format!("0x{:04x}, version {}", kind.number, kind.version));
    match trust {
        None => report.nobody_vouches("no trust was given: bring it with `--trust FILE`"),
        Some(trust) if !names_log(&trust.log, checkpoint) => {
            report.nobody_vouches("the log it stands in is not the one you trust");
        }
        Some(trust) => match read.verify(&trust.log) {
            Ok((cosigned, witnessing)) => {
                passed_all(&mut report);
                for by in cosigned {
                    report.say("cosigned by", format!("{} at {}", by.key.name().as_str(), by.at));
                }
                report.say("witnessing", witnessing.label());
            }
            Err(refused) => {
                passed_before(&mut report, refused.check);
                report.fail(refused.check.name(), refused.reason.to_string());
            }
        },
    }
    (report, Some(read))
}

fn passed_all(report: &mut Report) {
    for check in evidence::Check::ALL {
        if !report.has(check.name()) {
            report.pass(check.name(), "");
        }
    }
}

/// Whether these bytes begin as such a receipt does.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    WholeReceipt::is_named_by(bytes)
}
