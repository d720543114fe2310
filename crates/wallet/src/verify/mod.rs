//! Verifying without any server: receipts and recovery files, each check by name.
//!
//! Trust is brought along (`--trust FILE`, or the wallet's own store), never taken from the file.
//! Without it, or under another log than the trusted one, the verdict is [`Verdict::NobodyVouches`]
//! and the exit code 3.

mod after;
mod drill;
mod opened;
mod outgoing;
mod recovery;
mod report;
mod whole;

use evidence::receipt::inspect;
use evidence::{Check, Receipt, Trust, Verified};
use minicbor::{Decode, Encode};
use record::TrustList;

pub use outgoing::words_of;
pub use recovery::verify_recovery;
pub use report::{CheckLine, Passed, Report, Verdict};
pub use whole::read_whole;

pub use crate::trust::{read_trust, read_trust_list};

/// What a verifier brings along.
#[derive(Clone, Debug)]
pub struct VerifyTrust {
    /// The log and the policy for its witnesses.
    pub log: Trust,
    /// Trust lists, verified against their roots by whoever read them. Empty: the keys of permits,
    /// quotes and acceptances are not checked, and the report says so.
    pub lists: Vec<TrustList>,
}

/// A receipt whose bytes agree with themselves.
#[derive(Clone, Debug)]
pub struct ReadReceipt {
    receipt: Receipt,
}

impl ReadReceipt {
    /// The receipt.
    #[must_use]
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The bytes of an opened field.
    #[must_use]
    pub fn bytes(&self, index: u16) -> Option<&[u8]> {
        let opened = self.receipt.opened().iter().find(|field| field.index == index)?;
        Some(opened.bytes.as_slice())
    }

    /// An opened field as a canonical value; `None` when it is not opened or is no such value.
    #[must_use]
    pub fn value<T: Encode<()> + for<'b> Decode<'b, ()>>(&self, index: u16) -> Option<T> {
        seal::from_canonical(self.bytes(index)?).ok()
    }
}

/// Verifies a file: a receipt, a ledger's receipt, or a recovery file.
#[must_use]
pub fn verify(bytes: &[u8], trust: Option<&VerifyTrust>) -> Report {
    if whole::is_whole(bytes) {
        return read_whole(bytes, trust).0;
    }
    match seal::from_canonical::<record::RecoveryFile>(bytes) {
        Ok(_) => verify_recovery(bytes, trust),
        Err(_) => read_receipt(bytes, trust).0,
    }
}

/// Verifies a receipt, and hands it back as far as its bytes agree with themselves.
#[must_use]
pub fn read_receipt(bytes: &[u8], trust: Option<&VerifyTrust>) -> (Report, Option<ReadReceipt>) {
    let mut report = Report::of("receipt");
    let Some(read) = check_log(&mut report, bytes, trust) else { return (report, None) };
    let lists = trust.map_or(&[][..], |trust| trust.lists.as_slice());
    opened::check(&mut report, &read, lists);
    (report, Some(read))
}

/// The checks of format, log and witnesses.
fn check_log(
    report: &mut Report,
    bytes: &[u8],
    trust: Option<&VerifyTrust>,
) -> Option<ReadReceipt> {
    let inspected = match inspect(bytes) {
        Ok(inspected) => inspected,
        Err(refused) => {
            passed_before(report, refused.check);
            report.fail(refused.check.name(), refused.reason.to_string());
            return None;
        }
    };
    let read = ReadReceipt { receipt: inspected.receipt().clone() };
    for check in inspected.checks() {
        report.pass(check.name(), "");
    }
    let checkpoint = inspected.proof().checkpoint.clone();
    report.say("log", read.receipt.origin().as_str());
    report.say("position", read.receipt.position());
    report.say("checkpoint", format!("{} entries", checkpoint.head().size));
    let Some(trust) = trust else {
        report.nobody_vouches("no trust was given: bring it with `--trust FILE`");
        return Some(read);
    };
    if !names_log(&trust.log, &checkpoint) {
        report.nobody_vouches("the log it stands in is not the one you trust");
        return Some(read);
    }
    match inspected.verify(&trust.log) {
        Ok(verified) => passed_log(report, &verified),
        Err(refused) => {
            passed_before(report, refused.check);
            report.fail(refused.check.name(), refused.reason.to_string());
        }
    }
    Some(read)
}

/// Whether the trusted log's key is named on the checkpoint at all; what it signed is judged after.
fn names_log(trust: &Trust, checkpoint: &evidence::SignedCheckpoint) -> bool {
    *trust.log().name() == checkpoint.checkpoint().origin
        && checkpoint.note().signatures().iter().any(|line| trust.log().made(line))
}

fn passed_log(report: &mut Report, verified: &Verified) {
    for check in Check::ALL.iter().skip(Check::WITHOUT_TRUST) {
        report.pass(check.name(), "");
    }
    for cosigned in verified.cosigned() {
        report.say("cosigned by", format!("{} at {}", cosigned.key.name().as_str(), cosigned.at));
    }
    report.say("witnessing", verified.witnessing().label());
}

fn passed_before(report: &mut Report, failed: Check) {
    for check in Check::ALL.into_iter().take_while(|check| *check != failed) {
        if !report.has(check.name()) {
            report.pass(check.name(), "");
        }
    }
}

#[cfg(test)]
mod tests;
