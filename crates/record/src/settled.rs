//! A settled payment as the settlement book keeps it: who pays whom is not there.
//!
//! Version 2 of kinds 1 and 31. The terms string, the identifiers, the invoice and the acceptance
//! stand in the payer's bank's own book ([`crate::CustomerStep::Held`]), with the [`Blind`] that
//! their commitments are made under. The settlement fact holds these commitments as its fields, so
//! a receipt opens them like any other field, and is checked like any other. What folding and
//! later acts need beside is in the quote, the permits and [`SettledAccounts`].
//!
//! The acceptance is among them because it names the invoice by its digest: whoever has that digest
//! could try names and purposes against the digest of the terms.

use core::fmt;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use seal::{Digest, Salt, Secret, to_canonical};
use terms::{AccountId, PaymentId};
use thiserror::Error;

use crate::after::{GIVEN_BACK_FIELD, GivenBack, PAYMENT_REFUNDED, PaymentRefunded};
use crate::document::Signed;
use crate::fact::{Fact, FactKind, Heading, OpenedField, SaltSlot, field_commitment};
use crate::permit::Permit;
use crate::quote::{Acceptance, Invoice, Quote};
use crate::settlement::{
    ACCEPTANCE_FIELD, BodyError, CREDITOR_PERMIT_FIELD, DEBTOR_PERMIT_FIELD, FactBody, Fields,
    IDENTIFIERS_FIELD, INVOICE_FIELD, Identifiers, PAYMENT_SETTLED, POSTINGS_FIELD, PaymentEnded,
    PaymentSettled, QUOTE_FIELD, SettleOrder, TERMS_FIELD,
};
use crate::terms_string::PaymentTerms;

/// A settled payment that names nobody. Settlement book.
pub const PAYMENT_SETTLED_2: FactKind = FactKind { number: 1, version: 2 };
/// A refund that names nobody. Settlement book.
pub const PAYMENT_REFUNDED_2: FactKind = FactKind { number: 31, version: 2 };

/// Field of the accounts of both sides, from version 2 on.
pub const ACCOUNTS_FIELD: u16 = 20;
/// The fields of version 2 that the settlement book holds as commitments only.
pub(crate) const WITHHELD_FIELDS: &[u16] =
    &[TERMS_FIELD, IDENTIFIERS_FIELD, INVOICE_FIELD, ACCEPTANCE_FIELD];

/// What makes the commitments to a payment's documents mute: 32 bytes, drawn for each payment by
/// who keeps the payer's book, and kept there only. Never printed.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Blind(#[n(0)] ByteArray<32>);

impl Blind {
    /// From 32 bytes that nobody can guess.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }

    /// The salt of one field.
    #[must_use]
    pub fn salt(&self, index: u16) -> Salt {
        Salt::of_field(&Secret::from_bytes(*self.0), index)
    }
}

impl fmt::Debug for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blind(..)")
    }
}

/// The documents of one payment that name somebody, with what blinds their commitments.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct KeptDocuments {
    /// The terms string.
    #[n(0)]
    pub terms: String,
    /// References in other systems.
    #[n(1)]
    pub identifiers: Identifiers,
    /// The creditor's request to pay.
    #[n(2)]
    pub invoice: Signed<Invoice>,
    /// The creditor institution's acceptance.
    #[n(3)]
    pub acceptance: Signed<Acceptance>,
    /// What blinds them.
    #[n(4)]
    pub blind: Blind,
}

impl KeptDocuments {
    /// Those of an order.
    #[must_use]
    pub fn of(order: &SettleOrder, blind: Blind) -> Self {
        Self {
            terms: order.terms.clone(),
            identifiers: order.identifiers.clone(),
            invoice: order.invoice.clone(),
            acceptance: order.acceptance.clone(),
            blind,
        }
    }

    /// One of them opened, as a field of the settlement fact.
    #[must_use]
    pub fn open(&self, index: u16) -> Option<OpenedField> {
        let bytes = match index {
            TERMS_FIELD => to_canonical(&self.terms),
            IDENTIFIERS_FIELD => to_canonical(&self.identifiers),
            INVOICE_FIELD => to_canonical(&self.invoice),
            ACCEPTANCE_FIELD => to_canonical(&self.acceptance),
            _ => return None,
        };
        Some(OpenedField { index, salt: self.blind.salt(index), bytes: bytes.into() })
    }
}

/// The commitments to a payment's documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// To the terms string.
    pub terms: Digest,
    /// To the identifiers.
    pub identifiers: Digest,
    /// To the invoice.
    pub invoice: Digest,
    /// To the acceptance.
    pub acceptance: Digest,
}

/// A document that is not the one a settlement fact commits to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the `{document}` that is kept does not fit its commitment in the settlement fact")]
pub struct NotTheDocument {
    /// Which.
    pub document: &'static str,
}

impl Withheld {
    /// The commitments to these documents.
    #[must_use]
    pub fn of(order: &SettleOrder, blind: Blind) -> Self {
        let commit = |index: u16, bytes: &[u8]| field_commitment(index, &blind.salt(index), bytes);
        Self {
            terms: commit(TERMS_FIELD, &to_canonical(&order.terms)),
            identifiers: commit(IDENTIFIERS_FIELD, &to_canonical(&order.identifiers)),
            invoice: commit(INVOICE_FIELD, &to_canonical(&order.invoice)),
            acceptance: commit(ACCEPTANCE_FIELD, &to_canonical(&order.acceptance)),
        }
    }

    /// Refuses documents that are not the ones committed to, and names the first.
    pub fn check(&self, kept: &KeptDocuments) -> Result<(), NotTheDocument> {
        for (index, document, expected) in [
            (TERMS_FIELD, "terms", self.terms),
            (IDENTIFIERS_FIELD, "identifiers", self.identifiers),
            (INVOICE_FIELD, "invoice", self.invoice),
            (ACCEPTANCE_FIELD, "acceptance", self.acceptance),
        ] {
            if kept.open(index).map(|opened| opened.commitment()) != Some(expected) {
                return Err(NotTheDocument { document });
            }
        }
        Ok(())
    }
}

/// Where a settlement fact's documents are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Documents {
    /// In the fact itself: version 1, which nothing writes any more.
    Here(Box<SettleOrder>),
    /// In the payer's bank's own book; the fact commits to them.
    Withheld(Withheld),
}

/// The customers' accounts of a settled payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SettledAccounts {
    /// The payer's.
    #[n(0)]
    pub debited: AccountId,
    /// The payee's.
    #[n(1)]
    pub credited: AccountId,
}

/// A settled payment or refund, whichever version its fact has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What every ended payment says.
    pub ended: PaymentEnded,
    /// The FX provider's quote.
    pub quote: Signed<Quote>,
    /// The debtor side's permit.
    pub debtor_permit: Signed<Permit>,
    /// The creditor side's permit.
    pub creditor_permit: Signed<Permit>,
    /// The ledger's change, in the ledger's own canonical form.
    pub postings: Vec<u8>,
    /// What a refund gives back; `None` of a first payment.
    pub given: Option<GivenBack>,
    /// The customers' accounts.
    pub accounts: SettledAccounts,
    /// The rest of the order.
    pub documents: Documents,
}

impl Settled {
    /// The settled payment of a fact that is one: a first payment or a refund, of either version.
    pub fn of_fact(fact: &Fact) -> Result<Self, BodyError> {
        match fact.kind {
            PAYMENT_SETTLED_2 | PAYMENT_REFUNDED_2 => Self::read(&Fields::of(fact)),
            PAYMENT_REFUNDED => {
                let PaymentRefunded { settled, given } = PaymentRefunded::from_fact(fact)?;
                Self::of_first_version(settled, Some(given))
            }
            _ => Self::of_first_version(PaymentSettled::from_fact(fact)?, None),
        }
    }

    /// Whether a fact of this kind reads as a settled payment.
    #[must_use]
    pub fn is_kind(kind: FactKind) -> bool {
        let refund = Self::is_refund(kind);
        refund || kind == PAYMENT_SETTLED || kind == PAYMENT_SETTLED_2
    }

    /// Whether a fact of this kind is a refund.
    #[must_use]
    pub fn is_refund(kind: FactKind) -> bool {
        kind == PAYMENT_REFUNDED || kind == PAYMENT_REFUNDED_2
    }

    /// The fact, in the version that it was read from, or in the newest.
    #[must_use]
    pub fn to_fact(&self, slot: SaltSlot, heading: Heading) -> Fact {
        let withheld = match &self.documents {
            Documents::Withheld(withheld) => withheld,
            Documents::Here(order) => {
                let settled = PaymentSettled {
                    ended: self.ended.clone(),
                    order: order.as_ref().clone(),
                    postings: self.postings.clone(),
                };
                return match self.given {
                    Some(given) => PaymentRefunded { settled, given }.to_fact(slot, heading),
                    None => settled.to_fact(slot, heading),
                };
            }
        };
        let bare = |commitment: Digest| commitment.as_bytes().to_vec();
        let mut fields = self.ended.fields();
        fields.extend([
            bare(withheld.terms),
            bare(withheld.identifiers),
            to_canonical(&self.quote),
            bare(withheld.invoice),
            bare(withheld.acceptance),
            to_canonical(&self.debtor_permit),
            to_canonical(&self.creditor_permit),
            self.postings.clone(),
            to_canonical(&self.given),
            to_canonical(&self.accounts),
        ]);
        let kind = if self.given.is_some() { PAYMENT_REFUNDED_2 } else { PAYMENT_SETTLED_2 };
        let body = fields.into_iter().map(Into::into).collect();
        Fact { kind, salt_slot: slot, heading, body }
    }

    /// The payment.
    #[must_use]
    pub const fn payment(&self) -> PaymentId {
        self.ended.payment
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        let bare = |index| {
            let bytes = <[u8; 32]>::try_from(fields.bytes(index)?);
            bytes.map(Digest::from_bytes).map_err(|_| fields.refused(index))
        };
        let given: Option<GivenBack> = fields.value(GIVEN_BACK_FIELD)?;
        if given.is_some() != Self::is_refund(fields.kind()) {
            return Err(fields.refused(GIVEN_BACK_FIELD));
        }
        Ok(Self {
            ended: PaymentEnded::read(fields)?,
            quote: fields.value(QUOTE_FIELD)?,
            debtor_permit: fields.value(DEBTOR_PERMIT_FIELD)?,
            creditor_permit: fields.value(CREDITOR_PERMIT_FIELD)?,
            postings: fields.bytes(POSTINGS_FIELD)?.to_vec(),
            given,
            accounts: fields.value(ACCOUNTS_FIELD)?,
            documents: Documents::Withheld(Withheld {
                terms: bare(TERMS_FIELD)?,
                identifiers: bare(IDENTIFIERS_FIELD)?,
                invoice: bare(INVOICE_FIELD)?,
                acceptance: bare(ACCEPTANCE_FIELD)?,
            }),
        })
    }

    fn of_first_version(body: PaymentSettled, given: Option<GivenBack>) -> Result<Self, BodyError> {
        let PaymentSettled { ended, order, postings } = body;
        let kind = if given.is_some() { PAYMENT_REFUNDED } else { PAYMENT_SETTLED };
        let refused = |_| BodyError::BadField { kind, index: TERMS_FIELD };
        let terms = PaymentTerms::from_terms_string(&order.terms).map_err(refused)?;
        Ok(Self {
            ended,
            quote: order.quote.clone(),
            debtor_permit: order.debtor_permit.clone(),
            creditor_permit: order.creditor_permit.clone(),
            postings,
            given,
            accounts: SettledAccounts {
                debited: terms.debited_account,
                credited: terms.credited_account,
            },
            documents: Documents::Here(Box::new(order)),
        })
    }
}

/// The commitment that a journal holds in a withheld field's place.
pub(crate) fn bare_commitment(kind: FactKind, index: u16, field: &[u8]) -> Option<Digest> {
    if !kind.withheld().contains(&index) {
        return None;
    }
    <[u8; 32]>::try_from(field).ok().map(Digest::from_bytes)
}
