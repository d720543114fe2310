//! Cancellations as the settlement book keeps them: the request less its terms string, which names
//! the payee. Version 2 of kinds 26 and 27.
//!
//! Whoever has the terms string puts the request together again ([`NamelessRequest::with_terms`])
//! and checks its signature: the payer that signed it, and after settlement the payer's bank.

use minicbor::{Decode, Encode};
use seal::{Digest, KeyId, Signature, sha256, to_canonical};
use terms::{Environment, Instant, PaymentId};

use super::{
    CANCELLATION_REQUESTED, CANCELLED_BY_FIELD, CancellationRequest, CancellationRequested,
    PAYMENT_CANCELLED, PaymentCancelled,
};
use crate::document::Signed;
use crate::fact::{Fact, FactKind, HEADING_FIELDS, Heading, SaltSlot};
use crate::settlement::{BodyError, FactBody, Fields, PaymentEnded};

/// A payment that was cancelled before it settled; names nobody. Settlement book.
pub const PAYMENT_CANCELLED_2: FactKind = FactKind { number: 26, version: 2 };
/// A request to give a settled payment back; names nobody. Settlement book.
pub const CANCELLATION_REQUESTED_2: FactKind = FactKind { number: 27, version: 2 };

/// A signed cancellation request without its terms string.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct NamelessRequest {
    /// Layout version of the request.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// SHA-256 of the terms string.
    #[n(2)]
    pub terms: Digest,
    /// ISO 20022 reason code.
    #[n(3)]
    pub reason: String,
    /// When it was asked.
    #[n(4)]
    pub asked_at: Instant,
    /// The digest of the request: its answer names it.
    #[n(5)]
    pub request: Digest,
    /// The key that signed.
    #[n(6)]
    pub key: KeyId,
    /// Its signature over the whole request.
    #[n(7)]
    pub signature: Signature,
}

impl NamelessRequest {
    /// A request less its terms string; `None` when it does not read.
    #[must_use]
    pub fn of(signed: &Signed<CancellationRequest>) -> Option<Self> {
        let request = signed.read_unverified().ok()?;
        Some(Self {
            layout: request.layout,
            environment: request.environment,
            terms: sha256(request.terms.as_bytes()),
            reason: request.reason,
            asked_at: request.asked_at,
            request: signed.digest(),
            key: signed.key(),
            signature: signed.signature(),
        })
    }

    /// The request as it was signed; `None` with other terms.
    #[must_use]
    pub fn with_terms(&self, terms: &str) -> Option<Signed<CancellationRequest>> {
        let request = CancellationRequest {
            layout: self.layout,
            environment: self.environment,
            terms: terms.to_owned(),
            reason: self.reason.clone(),
            asked_at: self.asked_at,
        };
        let signed = Signed::of_parts(to_canonical(&request), self.key, self.signature);
        (signed.digest() == self.request).then_some(signed)
    }
}

/// A payment that was cancelled before it settled, whichever version its fact has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// What every ended payment says; the ending is `refused: PaymentCancelled`.
    pub ended: PaymentEnded,
    /// The payer's request.
    pub request: NamelessRequest,
}

impl Cancelled {
    /// The fact, in version 2.
    #[must_use]
    pub fn to_fact(&self, slot: SaltSlot, heading: Heading) -> Fact {
        let mut fields = self.ended.fields();
        fields.push(to_canonical(&self.request));
        of_fields(PAYMENT_CANCELLED_2, slot, heading, fields)
    }

    /// Reads a fact of either version.
    pub fn of_fact(fact: &Fact) -> Result<Self, BodyError> {
        if fact.kind == PAYMENT_CANCELLED_2 {
            let fields = Fields::of(fact);
            let request = fields.value(CANCELLED_BY_FIELD)?;
            return Ok(Self { ended: PaymentEnded::read(&fields)?, request });
        }
        let PaymentCancelled { ended, request } = PaymentCancelled::from_fact(fact)?;
        let refused = BodyError::BadField { kind: fact.kind, index: CANCELLED_BY_FIELD };
        Ok(Self { ended, request: NamelessRequest::of(&request).ok_or(refused)? })
    }

    /// Whether a fact of this kind is one.
    #[must_use]
    pub fn is_kind(kind: FactKind) -> bool {
        kind == PAYMENT_CANCELLED || kind == PAYMENT_CANCELLED_2
    }
}

/// A settled payment that is asked back, whichever version its fact has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedBack {
    /// The payment.
    pub payment: PaymentId,
    /// The request.
    pub request: NamelessRequest,
    /// The writer's stamp.
    pub recorded_at: Instant,
    /// An answer counts while the writer's stamp is before this.
    pub answer_by: Instant,
}

impl AskedBack {
    /// The fact, in version 2.
    #[must_use]
    pub fn to_fact(&self, slot: SaltSlot, heading: Heading) -> Fact {
        let fields = vec![
            to_canonical(&self.payment),
            to_canonical(&self.request),
            to_canonical(&self.recorded_at),
            to_canonical(&self.answer_by),
        ];
        of_fields(CANCELLATION_REQUESTED_2, slot, heading, fields)
    }

    /// Reads a fact of either version.
    pub fn of_fact(fact: &Fact) -> Result<Self, BodyError> {
        if fact.kind == CANCELLATION_REQUESTED_2 {
            let fields = Fields::of(fact);
            return Ok(Self {
                payment: fields.value(HEADING_FIELDS)?,
                request: fields.value(7)?,
                recorded_at: fields.value(8)?,
                answer_by: fields.value(9)?,
            });
        }
        let CancellationRequested { payment, request, recorded_at, answer_by } =
            CancellationRequested::from_fact(fact)?;
        let refused = BodyError::BadField { kind: fact.kind, index: 7 };
        let request = NamelessRequest::of(&request).ok_or(refused)?;
        Ok(Self { payment, request, recorded_at, answer_by })
    }

    /// Whether a fact of this kind is one.
    #[must_use]
    pub fn is_kind(kind: FactKind) -> bool {
        kind == CANCELLATION_REQUESTED || kind == CANCELLATION_REQUESTED_2
    }
}

fn of_fields(kind: FactKind, slot: SaltSlot, heading: Heading, fields: Vec<Vec<u8>>) -> Fact {
    let body = fields.into_iter().map(Into::into).collect();
    Fact { kind, salt_slot: slot, heading, body }
}
