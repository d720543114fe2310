//! What the core answers to a payment that leaves over a rail.

use minicbor::{Decode, Encode};
use record::{OutgoingParties, OutgoingPayment, Signed};
use terms::PaymentId;

use crate::messages::OrderAnswer;

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
