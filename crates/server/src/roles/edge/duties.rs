//! What a decision makes due, on its way to the institution's book with the record.

use admission::{Decided, Travelled, Verdict, is_owed, record_commitment};
use record::{Duty, DutyClosing, DutyNotice, DutyOpened, EVIDENCE_ESCROW, Signed, TRAVEL_RULE};
use seal::{DataKey, Digest};

use super::state::Edge;

/// The duties of a decision, and those of them that were done before its answer leaves. Nothing
/// where nothing is due.
pub(super) fn notice(
    edge: &Edge,
    data_key: &DataKey,
    decided: &Decided,
    travelled: Option<&Travelled>,
) -> Option<DutyNotice> {
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    let owed = |duty: &&Duty| is_owed(&decided.record, &duty.kind);
    for duty in decided.record.duties.iter().filter(owed) {
        let one = opening(edge, decided, duty);
        let evidence = evidence(data_key, decided, travelled, &one.kind);
        closed.extend(evidence.map(|evidence| closing(edge, &one, evidence)));
        opened.push(one);
    }
    (!opened.is_empty()).then_some(DutyNotice { opened, closed })
}

fn opening(edge: &Edge, decided: &Decided, duty: &Duty) -> DutyOpened {
    let (record, settings) = (&decided.record, &edge.settings);
    DutyOpened {
        environment: settings.environment,
        book: settings.book,
        institution: settings.institution,
        corridor: record.corridor,
        payment: record.payment,
        side: record.side,
        decision: record.decision,
        rule: duty.id.clone(),
        kind: duty.kind.clone(),
        owner: duty.owner.clone(),
        // Whoever owns it: one key speaks for the institution so far.
        closer: edge.permit_key.public_key(),
        visibility: duty.visibility,
        opened_at: record.decided_at,
        due_at: duty.deadline,
    }
}

/// What shows that a duty is done already: the gate let nothing out before.
fn evidence(
    data_key: &DataKey,
    decided: &Decided,
    travelled: Option<&Travelled>,
    kind: &str,
) -> Option<Digest> {
    match kind {
        EVIDENCE_ESCROW => Some(record_commitment(data_key, &decided.record)),
        TRAVEL_RULE => match &decided.verdict {
            // What must travel with a payment out stands in the order's parties.
            Verdict::Order { order, .. } => Some(order.digest()),
            Verdict::Permit(_) => travelled.map(|travelled| travelled.receipt.digest()),
            Verdict::Refusal { .. } | Verdict::Referral { .. } => None,
        },
        _ => None,
    }
}

fn closing(edge: &Edge, duty: &DutyOpened, evidence: Digest) -> Signed<DutyClosing> {
    let closing = DutyClosing {
        layout: 1,
        environment: duty.environment,
        book: duty.book,
        institution: duty.institution,
        duty: duty.id(),
        evidence,
        closed_at: duty.opened_at,
    };
    Signed::sign(&closing, &edge.permit_key)
}
