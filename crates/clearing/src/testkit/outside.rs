//! What goes out over a rail: a person's word about a stuck transfer, and who is paid outside.

use record::{
    Identifiers, OutgoingParties, OutsideAddress, OutsideParty, Signed, StuckAct, StuckDecision,
};
use terms::Uetr;

use super::{Deal, Who, environment, settlement_name};
use crate::outside::Transfer;

/// What the operator's person decides about a transfer that is stuck as it is seen.
#[must_use]
pub fn stuck_act(transfer: &Transfer, decision: StuckDecision) -> Box<Signed<StuckAct>> {
    let act = StuckAct {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        id: transfer.id,
        stuck_at: transfer.at,
        decision,
        reason: "asked the bank by telephone".into(),
        by: "m.visser".into(),
    };
    Box::new(Signed::sign(&act, &Who::Operator.key()))
}

/// A payer of the fixture's bank and a payee whose bank is no participant.
#[must_use]
pub fn outgoing_parties(number: u64) -> OutgoingParties {
    OutgoingParties {
        layout: 1,
        salt: [7; 32].into(),
        payer_name: "Brightwater B.V.".into(),
        to: OutsideParty {
            name: "Atelier Nord SARL".into(),
            account: "FR7630006000011234567890189".into(),
            bic: "AGRIFRPP".into(),
        },
        address: OutsideAddress {
            street: "Rue du Port".into(),
            building: "4".into(),
            post_code: "59000".into(),
            town: "Lille".into(),
            country: "FR".into(),
        },
        identifiers: Identifiers {
            uetr: Uetr::from_random(Deal::number(number).payment().bytes()),
            end_to_end_id: format!("INV-{number}"),
            instruction_id: "1".into(),
        },
        payer_address: None,
        payer_account: None,
        purpose: None,
    }
}
