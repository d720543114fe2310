//! A recovery file: the certificate's receipt, and that the log only grew over the crash.

use evidence::fork::check_extends;
use evidence::receipt::inspect;
use evidence::{SignedCheckpoint, TlogProof};
use record::settlement::{CERTIFICATE_FIELD, DRILL_RECORDED, RECOVERY_CERTIFIED};
use record::{RecoveryCertificate, RecoveryFile, ResolvedEnd, Signed};
use seal::Digest;

use super::opened::kind_of;
use super::report::Report;
use super::{ReadReceipt, VerifyTrust, check_log};

/// Verifies a recovery file.
///
/// Passing shows that the log after the crash extends the log before it, and what the core says of
/// its recovery; that the core was down no longer than it says, only its witnesses' times bound.
#[must_use]
pub fn verify_recovery(bytes: &[u8], trust: Option<&VerifyTrust>) -> Report {
    let mut report = Report::of("recovery file");
    let file: RecoveryFile = match seal::from_canonical(bytes) {
        Ok(file) => file,
        Err(error) => {
            report.fail("recovery file", error);
            return report;
        }
    };
    let layout = file.layout;
    let wrong = (layout != 1).then(|| format!("expected layout 1, got {layout}"));
    report.judge("recovery file", wrong);
    let Some(read) = check_log(&mut report, &file.receipt, trust) else { return report };
    if read.bytes(0).and_then(kind_of) == Some(DRILL_RECORDED) {
        super::drill::check(&mut report, &read, &file, trust);
        return report;
    }
    let Some(signed) = certificate_of(&mut report, &read) else { return report };
    let certificate = match signed.read_unverified() {
        Ok(certificate) => certificate,
        Err(error) => {
            report.fail("certificate", error);
            return report;
        }
    };
    if let Some(trust) = trust {
        let wrong = signed.verify(&trust.log.log().key()).err().map(|error| error.to_string());
        report.judge("certificate's signature", wrong);
    }
    check_words(&mut report, &certificate, &read);
    let named = (certificate.checkpoint_size, certificate.checkpoint_root);
    check_growth(&mut report, &file, named, trust);
    say(&mut report, &certificate);
    report
}

fn certificate_of(report: &mut Report, read: &ReadReceipt) -> Option<Signed<RecoveryCertificate>> {
    let kind = read.bytes(0).and_then(kind_of);
    if kind != Some(RECOVERY_CERTIFIED) {
        report.fail("kind", "the receipt is not that of a recovery certificate");
        return None;
    }
    report.pass("kind", "");
    let signed = read.value(CERTIFICATE_FIELD);
    let wrong = signed.is_none().then(|| "the certificate is not opened".to_owned());
    report.judge("certificate", wrong);
    signed
}

fn check_words(report: &mut Report, certificate: &RecoveryCertificate, read: &ReadReceipt) {
    let before = read.receipt().position().number();
    let (head, size) = (certificate.head.number(), certificate.checkpoint_size);
    let wrong = if size > head {
        Some(format!("a checkpoint of {size} entries was signed, {head} facts were found"))
    } else if head > before {
        Some(format!("it found {head} facts and stands itself at {before}"))
    } else if certificate.serving_at < certificate.started_at {
        Some("it served before it began".to_owned())
    } else {
        None
    };
    report.judge("nothing acknowledged is lost", wrong);
}

/// That the log of the receipt extends the checkpoint before, of which `named` says size and root.
pub(super) fn check_growth(
    report: &mut Report,
    file: &RecoveryFile,
    named: (u64, Digest),
    trust: Option<&VerifyTrust>,
) {
    if file.checkpoint_before.is_empty() {
        let nothing = named.0 == 0 && file.consistency.is_empty();
        let wrong = (!nothing).then(|| "it is left out, though the document names one".to_owned());
        return report.judge("checkpoint before", wrong);
    }
    let older = match SignedCheckpoint::parse(&file.checkpoint_before) {
        Ok(older) => older,
        Err(error) => return report.fail("checkpoint before", error),
    };
    let head = older.head();
    let wrong = ((head.size, head.root) != named)
        .then(|| "it is not the one that the document names".to_owned())
        .or_else(|| wrong_note(&older, file, trust));
    report.judge("checkpoint before", wrong);
    let Ok(inspected) = inspect(&file.receipt) else { return };
    let newer = &inspected.proof().checkpoint;
    // Without trust the log's own name and key cannot be known: only the hashes are compared.
    let wrong = match trust {
        Some(trust) => check_extends(&older, newer, &file.consistency, trust.log.log())
            .err()
            .map(|e| e.to_string()),
        None if head.size == 0 => None,
        None => evidence::tree::check_consistency(head, newer.head(), &file.consistency)
            .err()
            .map(|e| e.to_string()),
    };
    report.judge("the log only grew", wrong);
}

/// The note around the checkpoint before: one encoding, the log's signature, and no line of a key
/// that is not listed or does not fit. Witnesses need not have signed it yet: a crash may have
/// come between.
fn wrong_note(
    older: &SignedCheckpoint,
    file: &RecoveryFile,
    trust: Option<&VerifyTrust>,
) -> Option<String> {
    if older.to_string().as_bytes() != file.checkpoint_before.as_slice() {
        return Some("expected the one canonical encoding".to_owned());
    }
    let signatures = TlogProof { index: 0, path: Vec::new(), checkpoint: older.clone() };
    signatures.check_signatures(&trust?.log).err().map(|error| error.to_string())
}

fn say(report: &mut Report, certificate: &RecoveryCertificate) {
    let down = certificate.serving_at.since(certificate.started_at);
    report.say("back in", format!("{} ms", down.as_millis()));
    report.say("facts found", certificate.head);
    report.say("torn bytes cut", certificate.torn_bytes);
    let count = |end| certificate.resolved.iter().filter(|one| one.end == end).count();
    report.say(
        "under way",
        format!(
            "{} payments: {} settled, {} refused, {} never happened",
            certificate.resolved.len(),
            count(ResolvedEnd::Settled),
            count(ResolvedEnd::Refused),
            count(ResolvedEnd::NeverHappened)
        ),
    );
}
