//! Payments that leave over a rail: what wallets ask an edge, edges the core, and the answers.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use record::{OutgoingParties, OutgoingPayment, OutsideAddress, OutsideParty, Signed};
use terms::{AccountId, Amount, CorridorName, PaymentId};

use crate::messages::{MissingThing, OrderAnswer};

/// The body of `POST /v1/outgoing-payments`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutgoingRequest {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// What the payer's bank signed; the settlement book keeps it.
    #[n(1)]
    pub order: Signed<OutgoingPayment>,
    /// Who pays whom, as the order commits to it; the payer's bank's own book keeps it.
    #[n(2)]
    pub parties: OutgoingParties,
    /// The terms string that the payer's mandate key signed: of orders of layout 2, which name its
    /// digest. It is compared with both, and not kept.
    #[n(3)]
    pub terms: Option<String>,
}

/// Asks the payer's edge to prepare a payment out: the body of `POST /v1/outgoing-preparations`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutgoingAsk {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// A corridor on which nobody stands for the payee.
    #[n(1)]
    pub corridor: CorridorName,
    /// From which account.
    #[n(2)]
    pub debited_account: AccountId,
    /// What is to arrive outside.
    #[n(3)]
    pub amount: Amount,
    /// Whereto.
    #[n(4)]
    pub to: OutsideParty,
    /// Where the payee lives.
    #[n(5)]
    pub address: OutsideAddress,
    /// What the payee is to recognise it by.
    #[n(6)]
    pub end_to_end_id: String,
    /// ISO 20022 purpose code.
    #[n(7)]
    pub purpose: String,
}

/// What the edge prepared.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutgoingPreparation {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The terms string: payment id, fee and end are the edge's.
    #[n(1)]
    pub terms: String,
    /// The edge's note to itself.
    #[n(2)]
    pub ticket: ByteVec,
    /// Its OpenID4VP authorization request, JSON.
    #[n(3)]
    pub ask: String,
    /// All that open rules miss, at once. Empty: nothing is missing.
    #[n(4)]
    pub missing: Vec<MissingThing>,
    /// How many rules will be asked, for people.
    #[n(5)]
    pub rules: u32,
}

/// What comes with the consent to a payment out, as the `state` of the direct post.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutgoingConsent {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The edge's own ticket.
    #[n(1)]
    pub ticket: ByteVec,
    /// The terms string.
    #[n(2)]
    pub terms: String,
}

/// How an outgoing payment stands. While the rail gave no end there is no promise: ask again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutgoingStanding {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The payment.
    #[n(1)]
    pub payment: PaymentId,
    /// Where its transfer stands, as of withdrawals: `held`, `send-intended`, `sent`, `in-doubt`,
    /// `stuck`, `confirmed`, `rejected`; `none` when it was refused before.
    #[n(2)]
    pub phase: String,
    /// How it ended, once it has.
    #[n(3)]
    pub ended: Option<OrderAnswer>,
}
