//! Receipts of payments that left over a rail: how far their proof goes, and near misses.

use record::{OutgoingEnded, OutgoingPayment, OutsideEvidence};
use terms::Uetr;

use super::*;

const FIELDS: [u16; 9] = [0, 1, 6, 7, 8, 9, 10, 11, 12];

fn order() -> OutgoingPayment {
    let like = permit(Side::Debtor, sha256(b"terms"));
    OutgoingPayment {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        book: "settlement".parse().unwrap(),
        payment: World::new().ended.payment,
        corridor: "nl-out".parse().unwrap(),
        institution: "bank-nl".parse().unwrap(),
        owner: like.owner,
        debited_account: AccountId::from_bytes([3; 16]),
        amount: amount(2_500, "EUR.2@tcb-sandbox"),
        fee: amount(75, "EUR.2@tcb-sandbox"),
        parties: sha256(b"who pays whom"),
        uetr: Uetr::from_random([5; 16]),
        basis: like.basis,
        record: sha256(b"the decision record"),
        mark: like.mark,
        decided_at: NOW,
        valid_until: later(60),
        terms: None,
        limits: None,
    }
}

fn message(code: &str) -> OutsideEvidence {
    OutsideEvidence::Message {
        digest: sha256(code.as_bytes()),
        message_id: "RAIL-1".into(),
        kind: "pacs.002".into(),
        code: code.into(),
        reason: String::new(),
    }
}

fn judged(
    seed: u8,
    ending: Ending,
    evidence: OutsideEvidence,
    change: impl Fn(&mut OutgoingEnded),
) -> Report {
    let order = Signed::sign(&order(), &key(seed));
    let ended = PaymentEnded { ending, terms: order.digest(), ..World::new().ended };
    let mut body = OutgoingEnded { ended, order, evidence };
    change(&mut body);
    let fact = body.to_fact(SaltSlot(0), Heading::default());
    let trust = VerifyTrust { lists: lists(), ..OURS.trust() };
    verify(&OURS.receipt(&fact, &FIELDS), Some(&trust))
}

fn refused() -> Ending {
    Ending::Refused("RailRefused".to_owned())
}

#[test]
fn a_payment_out_is_proven_as_far_as_the_rails_word() {
    let good = [
        (Ending::Settled, message("ACSC")),
        (Ending::Settled, OutsideEvidence::Line("L-1".into())),
        (Ending::Settled, OutsideEvidence::Act(sha256(b"act"))),
        (refused(), message("RJCT")),
        (refused(), OutsideEvidence::NeverSent("no connection".into())),
        (refused(), OutsideEvidence::Lapsed("over".into())),
    ];
    for (ending, evidence) in good {
        let report = judged(DEBTOR_KEY, ending, evidence, |_| {});
        assert!(report.is_good(), "{}", report.text());
        assert!(report.text().contains("payment out"), "{}", report.text());
        let unchecked = report.checks.iter().filter(|line| line.passed == Passed::NotChecked);
        let unchecked: Vec<_> = unchecked.map(|line| line.name).collect();
        assert_eq!(unchecked, ["payee has the money"], "{}", report.text());
    }
}

#[test]
fn a_payment_out_whose_order_or_evidence_does_not_fit_is_refused_by_name() {
    let fails = |report: Report, name: &str| {
        let first = report.first_failure().unwrap_or_else(|| panic!("{}", report.text()));
        assert!(first.starts_with(name), "{first}");
    };
    let settled = |change: fn(&mut OutgoingEnded)| {
        judged(DEBTOR_KEY, Ending::Settled, message("ACSC"), change)
    };
    fails(settled(|body| body.ended.terms = sha256(b"other")), "outgoing order:");
    fails(settled(|body| body.ended.payment = PaymentId::from_bytes([8; 16])), "outgoing order:");
    let unlisted = judged(CREDITOR_KEY, Ending::Settled, message("ACSC"), |_| {});
    fails(unlisted, "outgoing order:");
    let near = [
        (Ending::Settled, message("RJCT")),
        (Ending::Settled, message("ACSP")),
        (Ending::Settled, OutsideEvidence::NeverSent("no connection".into())),
        (Ending::Settled, OutsideEvidence::Lapsed("over".into())),
        (refused(), message("ACSC")),
        (refused(), OutsideEvidence::Line("L-1".into())),
    ];
    for (ending, evidence) in near {
        fails(judged(DEBTOR_KEY, ending, evidence, |_| {}), "rail's word:");
    }
}
