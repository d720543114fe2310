//! What the opened fields of a payment that left over a rail must say.
//!
//! Its proof ends with the rail's word: that the payee has the money is said by nobody here.

use record::outgoing::{OUTGOING_EVIDENCE_FIELD, OUTGOING_ORDER_FIELD};
use record::{Ending, OutgoingPayment, OutsideEvidence, Signed, TrustList};

use super::ReadReceipt;
use super::opened::{Ended, differs, opened, permit_keys, unlisted};
use super::report::Report;

/// An outgoing payment that ended: its signed order is its terms.
pub(super) fn check(report: &mut Report, read: &ReadReceipt, ended: &Ended, lists: &[TrustList]) {
    let order: Option<Signed<OutgoingPayment>> = read.value(OUTGOING_ORDER_FIELD);
    if let Some(Ok(order)) = order.map(|signed| signed.read_unverified()) {
        report.say("payer's bank", order.institution);
        report.say("leaves", order.amount.for_people());
        report.say("fee", order.fee.for_people());
        report.say("uetr", order.uetr);
        report.say("who pays whom", format!("commitment {}", order.parties));
    }
    opened(report, read, "outgoing order", OUTGOING_ORDER_FIELD, |signed| {
        wrong_order(signed, ended, lists)
    });
    if let Some(evidence) = read.value::<OutsideEvidence>(OUTGOING_EVIDENCE_FIELD) {
        report.say("proof ends with", words_of(&evidence));
    }
    opened(report, read, "rail's word", OUTGOING_EVIDENCE_FIELD, |evidence| {
        wrong_evidence(evidence, &ended.ending)
    });
    report.skip("payee has the money", "nobody stands for the payee: proof ends with the rail");
}

fn wrong_order(
    signed: &Signed<OutgoingPayment>,
    ended: &Ended,
    lists: &[TrustList],
) -> Option<String> {
    let Ok(order) = signed.read_unverified() else { return Some("unreadable".to_owned()) };
    differs("terms", &ended.terms, &signed.digest())
        .or_else(|| differs("payment", &ended.payment, &order.payment))
        .or_else(|| differs("environment", &ended.environment, &order.environment))
        .or_else(|| order.debited().is_none().then(|| "amount and fee do not add up".to_owned()))
        .or_else(|| unlisted(signed, &permit_keys(order.institution, lists), lists))
}

/// Evidence that cannot be of such an ending.
fn wrong_evidence(evidence: &OutsideEvidence, ending: &Ending) -> Option<String> {
    let settled = *ending == Ending::Settled;
    let fits = match evidence {
        OutsideEvidence::Message { kind, code, .. } if kind == "pacs.002" => match code.as_str() {
            "ACSC" | "ACCC" | "ACWP" => settled,
            "RJCT" | "CANC" => !settled,
            _ => false,
        },
        OutsideEvidence::Message { kind, .. } if kind == "pacs.004" => settled,
        OutsideEvidence::Message { kind, .. } => kind == "camt.029" && !settled,
        OutsideEvidence::Line(_) => settled,
        OutsideEvidence::Act(_) => true,
        OutsideEvidence::NeverSent(_) | OutsideEvidence::Lapsed(_) => !settled,
    };
    (!fits).then(|| format!("{} is no evidence of `{ending}`", words_of(evidence)))
}

/// The evidence in words for people.
#[must_use]
pub fn words_of(evidence: &OutsideEvidence) -> String {
    match evidence {
        OutsideEvidence::Message { digest, message_id, kind, code, .. } => {
            format!("the rail's {kind} `{message_id}` {code}, sha-256 {digest}")
        }
        OutsideEvidence::Line(line) => format!("debit line `{line}` of the outside account"),
        OutsideEvidence::Act(act) => format!("an operator's act {act}"),
        OutsideEvidence::NeverSent(_) => "the core: it was never handed to the rail".to_owned(),
        OutsideEvidence::Lapsed(_) => {
            "the core: it was never sent, and its time is over".to_owned()
        }
    }
}
