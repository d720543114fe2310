//! The raw inputs of a decision: what its findings were made from, kept beside its record.
//!
//! Sealed under the payment's data key, as the record is, and destroyed with that key. Lists are
//! named by digest: their bytes are kept once, for as long as a decision names them. With them, and
//! with the pack, [`replayed`](crate::replay::replayed) finds again what the edge found.
//! Layout: `docs/formats/inputs.md`.

use std::collections::BTreeMap;

use credential::HighWater;
use credential::status::SeenList;
use minicbor::{Decode, Encode};
use seal::{
    BoxError, CanonicalError, DataKey, Digest, Domain, from_canonical, open_with, seal_with,
    to_canonical,
};
use terms::{BookName, DecisionId, Instant, Minor, PaymentId};
use thiserror::Error;

use crate::decide::{Inputs, OpenConsent, Parts};
use crate::desk::{Desk, Statuses};
use crate::exchange::nonce_of;
use crate::out::{self, OpenOut};
use crate::sandbox::Bounds;
use crate::ticket::{CreditorTicket, DebtorTicket, OutTicket};

/// Domain of raw inputs sealed under the payment's data key; they are about the payment id.
pub const SEALED_INPUTS: Domain = Domain::new("wayleave/sealed-inputs/v1");
/// The layout written today.
pub const INPUTS_LAYOUT: u16 = 1;
/// Longest raw inputs, in bytes: a presentation and the documents of a consent came in one request,
/// and a request's body is bounded by less.
pub const INPUTS_MAX: usize = 1 << 20;
/// Most status lists of one decision: one for each credential that a query asks for, and as many
/// again that a response may name.
pub const STATUS_LISTS_MAX: usize = 64;

/// What one decision was made from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RawInputs {
    /// Layout version, [`INPUTS_LAYOUT`].
    #[n(0)]
    pub layout: u16,
    /// The decision.
    #[n(1)]
    pub decision: DecisionId,
    /// The payment.
    #[n(2)]
    pub payment: PaymentId,
    /// What was handed in, by side.
    #[n(3)]
    pub handed: Handed,
    /// The edge's base URL: whom a presentation was for.
    #[n(4)]
    pub url: String,
    /// What the institution granted per mandate and month, in minor units of the debited asset.
    #[n(5)]
    pub mandate_month_limit: Minor,
    /// Status lists at hand, by URI.
    #[n(6)]
    pub status_lists: Vec<StatusListAtHand>,
    /// The instant at which everything was judged.
    #[n(7)]
    pub now: Instant,
    /// How far the corridor went, where it was a sandbox.
    #[n(8)]
    pub sandbox: Option<Bounds>,
    /// The settlement book: a travel-rule message counts in its own only.
    #[n(9)]
    pub book: BookName,
}

/// What was handed in for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Handed {
    /// To the debtor's edge.
    #[n(0)]
    Debtor(#[n(0)] Box<DebtorTicket>, #[n(1)] Box<Parts>, #[n(2)] Presented),
    /// To the creditor's edge: its payee presented with the request to pay.
    #[n(1)]
    Creditor(#[n(0)] Box<CreditorTicket>, #[n(1)] Box<Parts>),
    /// To the one edge of a payment out: the terms string, no other document.
    #[n(2)]
    Out(#[n(0)] Box<OutTicket>, #[n(1)] String, #[n(2)] Presented),
}

/// A presentation as it came, and the nonce that it was asked under.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Presented {
    /// The text of `vp_token`.
    #[n(0)]
    pub vp_token: String,
    /// The nonce.
    #[n(1)]
    pub nonce: String,
}

/// A status list that a decision could look at, and the newest edition seen before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StatusListAtHand {
    /// Its URI.
    #[n(0)]
    pub uri: String,
    /// SHA-256 of the token as it came.
    #[n(1)]
    pub token: Digest,
    /// When the newest edition seen before was signed, and the SHA-256 of its token.
    #[n(2)]
    pub newest: Option<(Instant, Digest)>,
}

/// Why bytes are no raw inputs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RawInputsError {
    /// Longer than the limit.
    #[error("expected raw inputs of at most {INPUTS_MAX} bytes, got {got}")]
    TooLong {
        /// How many.
        got: usize,
    },
    /// Not what we write.
    #[error("raw inputs: {0}")]
    NotCanonical(#[from] CanonicalError),
    /// Another layout.
    #[error("expected raw inputs of layout {INPUTS_LAYOUT}, got {got}")]
    LayoutUnknown {
        /// Which.
        got: u16,
    },
    /// More status lists than a decision may name.
    #[error("expected at most {STATUS_LISTS_MAX} status lists, got {got}")]
    TooManyLists {
        /// How many.
        got: usize,
    },
}

impl RawInputs {
    /// Of a decision on the debtor's side.
    #[must_use]
    pub fn of_debtor(
        desk: &Desk<'_>,
        consent: &OpenConsent<DebtorTicket>,
        vp_token: &str,
        inputs: &Inputs<'_>,
    ) -> Self {
        let ticket = consent.ticket().clone();
        let nonce = nonce_of(desk, &ticket.about);
        let presented = Presented { vp_token: vp_token.to_owned(), nonce };
        let parts = Box::new(consent.parts().clone());
        let payment = ticket.about.payment;
        Self::of(desk, inputs, payment, Handed::Debtor(Box::new(ticket), parts, presented))
    }

    /// Of a decision on the creditor's side.
    #[must_use]
    pub fn of_creditor(
        desk: &Desk<'_>,
        consent: &OpenConsent<CreditorTicket>,
        inputs: &Inputs<'_>,
    ) -> Self {
        let ticket = consent.ticket().clone();
        let parts = Box::new(consent.parts().clone());
        let payment = ticket.about.payment;
        Self::of(desk, inputs, payment, Handed::Creditor(Box::new(ticket), parts))
    }

    /// Of a decision on a payment out.
    #[must_use]
    pub fn of_out(desk: &Desk<'_>, consent: &OpenOut, vp_token: &str, inputs: &Inputs<'_>) -> Self {
        let ticket = consent.ticket().clone();
        let nonce = out::nonce_of(desk, &ticket);
        let presented = Presented { vp_token: vp_token.to_owned(), nonce };
        let terms = consent.terms().to_terms_string();
        let payment = ticket.payment;
        Self::of(desk, inputs, payment, Handed::Out(Box::new(ticket), terms, presented))
    }

    fn of(desk: &Desk<'_>, inputs: &Inputs<'_>, payment: PaymentId, handed: Handed) -> Self {
        let marks = inputs.statuses.high_water.marks();
        let at_hand = |(uri, token): (&String, &String)| StatusListAtHand {
            uri: uri.clone(),
            token: token_digest(token),
            newest: marks.get(uri).map(|seen| (seen.issued_at, seen.digest)),
        };
        Self {
            layout: INPUTS_LAYOUT,
            decision: inputs.decision,
            payment,
            handed,
            url: desk.url.to_owned(),
            mandate_month_limit: desk.mandate_month_limit,
            status_lists: inputs.statuses.tokens.iter().map(at_hand).collect(),
            now: desk.now,
            sandbox: desk.sandbox.cloned(),
            book: desk.book,
        }
    }

    /// Reads what [`to_canonical`] wrote, within the limits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RawInputsError> {
        if bytes.len() > INPUTS_MAX {
            return Err(RawInputsError::TooLong { got: bytes.len() });
        }
        let inputs: Self = from_canonical(bytes)?;
        if inputs.layout != INPUTS_LAYOUT {
            return Err(RawInputsError::LayoutUnknown { got: inputs.layout });
        }
        let got = inputs.status_lists.len();
        if got > STATUS_LISTS_MAX {
            return Err(RawInputsError::TooManyLists { got });
        }
        Ok(inputs)
    }

    /// Sealed under the payment's data key.
    pub fn sealed(&self, data_key: &DataKey) -> Result<Vec<u8>, BoxError> {
        seal_with(data_key, SEALED_INPUTS, &self.payment.bytes(), &to_canonical(self))
    }

    /// The bytes that [`RawInputs::sealed`] sealed.
    pub fn open(
        data_key: &DataKey,
        payment: PaymentId,
        sealed: &[u8],
    ) -> Result<Vec<u8>, BoxError> {
        open_with(data_key, SEALED_INPUTS, &payment.bytes(), sealed)
    }

    /// The marks of status lists before the decision.
    pub(crate) fn high_water(&self) -> HighWater {
        let mark = |one: &StatusListAtHand| {
            let (issued_at, digest) = one.newest?;
            Some((one.uri.clone(), SeenList { issued_at, digest }))
        };
        HighWater::restore(self.status_lists.iter().filter_map(mark).collect())
    }
}

/// The digest that a status list's token is kept under.
#[must_use]
pub fn token_digest(token: &str) -> Digest {
    seal::digest::sha256(token.as_bytes())
}

/// The status lists that were at hand, as bytes under the digests that raw inputs name.
#[must_use]
pub fn kept_tokens(statuses: Statuses<'_>) -> BTreeMap<Digest, Vec<u8>> {
    let kept = |token: &String| (token_digest(token), token.clone().into_bytes());
    statuses.tokens.values().map(kept).collect()
}
