//! What crosses after an order: cancellations, and what became of a payment since.
//!
//! | role | route | body → answer |
//! |---|---|---|
//! | core | `POST /v1/cancellations` | [`CancellationAsk`] by the payer → [`CancellationTaken`] |
//! | core | `POST /v1/cancellation-answers` | `Signed<CancellationAnswer>` by the payee's bank |
//! | core | `POST /v1/returns` | `ReturnAsk` by the payee's bank → `OrderAnswer` |
//! | core | `POST /v1/cases`, `/v1/blocks` | `Signed<CaseNotice>`, `Signed<BlockOrder>` by a bank, for its own book |
//! | core | `POST /v1/block-releases` | `TwoPersons<BlockRelease>` |
//! | core | `POST /v1/corrections` | `TwoPersons<Correction>` by the operator |
//! | core | `GET /v1/payments/{id}/after` | → [`AfterView`] |

use minicbor::{Decode, Encode};
use record::{CancellationRequest, CancellationVerdict, Quote, Signed};
use seal::Digest;
use terms::{Instant, Minor, PaymentId};

use crate::messages::OrderAnswer;

/// Asks for a cancellation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CancellationAsk {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// What the payer signed.
    #[n(1)]
    pub request: Signed<CancellationRequest>,
    /// The provider's quote that the terms are made of. A payment that has not ended is cancelled
    /// with it only: whoever knows an id can write terms for it, and has no quote for it.
    #[n(2)]
    pub quote: Option<Signed<Quote>>,
}

/// What became of a cancellation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CancellationTaken {
    /// The payment has an ending that is not *settled*: cancelled now, or refused before.
    #[n(0)]
    Ended(#[n(0)] OrderAnswer),
    /// It had settled: it is asked back, and the payee's bank answers. No money has moved.
    #[n(1)]
    Asked(#[n(0)] AskedBack),
}

/// A settled payment that is asked back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AskedBack {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// Digest of the request, which an answer names.
    #[n(1)]
    pub request: Digest,
    /// Its reason code.
    #[n(2)]
    pub reason: String,
    /// When it was recorded.
    #[n(3)]
    pub recorded_at: Instant,
    /// An answer counts until then.
    #[n(4)]
    pub answer_by: Instant,
    /// The answer, if there is one.
    #[n(5)]
    pub verdict: Option<CancellationVerdict>,
}

/// What became of a settled payment since.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AfterView {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The payment.
    #[n(1)]
    pub payment: PaymentId,
    /// What was given back, in minor units of the asset that it credited.
    #[n(2)]
    pub given_back: Minor,
    /// By which returns and refunds.
    #[n(3)]
    pub by: Vec<PaymentId>,
    /// Whether it is asked back.
    #[n(4)]
    pub asked: Option<AskedBack>,
    /// Where its money lies in the payee's book, as an ISO 20022 status: `ACSC` not yet posted,
    /// `ACCC`, and to institutions `ACWP`. Blocked money looks like money not yet posted to
    /// everybody here: only its bank may tell.
    #[n(5)]
    pub credit: String,
}
