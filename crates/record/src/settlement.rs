//! The bodies of facts: which field says what, by kind. The table of `docs/formats/facts.md`.
//!
//! Fields 0 to 5 are the heading ([`crate::fact`]). In the two kinds that end a payment, fields 6
//! to 10 are the same, so that a receipt reads alike for an approval and a refusal.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use seal::{Digest, PublicKey, from_canonical, to_canonical};
use terms::{AccountId, CompanyId, Environment, Instant, PaymentId, Position, Uetr};
use thiserror::Error;

use crate::document::{Document, Signed};
use crate::duty::DutyNotice;
use crate::fact::{Fact, FactKind, HEADING_FIELDS, Heading, SaltSlot};
use crate::permit::{Permit, Refusal};
use crate::promise::Ending;
use crate::quote::{Acceptance, Invoice, Quote};
use crate::settled::Blind;
use crate::trust::Side;

/// Both legs and all fees of a payment, in one fact with the whole order. Settlement book; read
/// only, see [`crate::settled`].
pub const PAYMENT_SETTLED: FactKind = FactKind { number: 1, version: 1 };
/// A payment that nothing was posted for. Settlement book.
pub const PAYMENT_REFUSED: FactKind = FactKind { number: 2, version: 1 };
/// An account, a funding, a limit: a ledger change outside any payment. Every book.
pub const LEDGER_CHANGED: FactKind = FactKind { number: 3, version: 1 };
/// A new edition of a jurisdiction's trust list. Settlement book.
pub const TRUST_LIST_ADOPTED: FactKind = FactKind { number: 4, version: 1 };
/// A pack comes into force or is retired. Settlement book.
pub const PACK_NOTICED: FactKind = FactKind { number: 5, version: 1 };
/// A new snapshot of lists. Settlement book.
pub const SNAPSHOT_PUBLISHED: FactKind = FactKind { number: 6, version: 1 };
/// An edge instance joins. Settlement book.
pub const EDGE_JOINED: FactKind = FactKind { number: 7, version: 1 };
/// A recovery certificate. Settlement book.
pub const RECOVERY_CERTIFIED: FactKind = FactKind { number: 8, version: 1 };
/// The report of a recovery drill. Settlement book.
pub const DRILL_RECORDED: FactKind = FactKind { number: 60, version: 1 };
/// Settled payments that are complete in both customers' books. Settlement book.
pub const PAYMENTS_COMPLETED: FactKind = FactKind { number: 11, version: 1 };
/// A customer's account with its owner and keys. Customers' books.
pub const ACCOUNT_OPENED: FactKind = FactKind { number: 32, version: 1 };
/// One step of a payment in a customers' book.
pub const CUSTOMER_STEP: FactKind = FactKind { number: 33, version: 1 };
/// A sealed payload. Customers' books.
pub const PARCEL_STORED: FactKind = FactKind { number: 34, version: 1 };
/// A step of a payment with the promise that proves it. Customers' books run by themselves.
pub const PROVEN_STEP: FactKind = FactKind { number: 35, version: 1 };
/// A duty to return is done. Customers' books.
pub const RETURN_DUTY_CLOSED: FactKind = FactKind { number: 36, version: 1 };

/// Field of the payment id in both ending kinds.
pub const PAYMENT_FIELD: u16 = HEADING_FIELDS;
/// Field of the environment in both ending kinds.
pub const ENVIRONMENT_FIELD: u16 = 7;
/// Field of the terms digest in both ending kinds.
pub const TERMS_DIGEST_FIELD: u16 = 8;
/// Field of the [`Ending`] in both ending kinds.
pub const ENDING_FIELD: u16 = 9;
/// Field of the writer's stamp in both ending kinds.
pub const RECORDED_AT_FIELD: u16 = 10;
/// Field of the terms string of a settled payment.
pub const TERMS_FIELD: u16 = 11;
/// Field of the identifiers of a settled payment.
pub const IDENTIFIERS_FIELD: u16 = 12;
/// Field of the signed quote of a settled payment.
pub const QUOTE_FIELD: u16 = 13;
/// Field of the invoice digest of a settled payment.
pub const INVOICE_FIELD: u16 = 14;
/// Field of the signed acceptance of a settled payment.
pub const ACCEPTANCE_FIELD: u16 = 15;
/// Field of the debtor side's signed permit.
pub const DEBTOR_PERMIT_FIELD: u16 = 16;
/// Field of the creditor side's signed permit.
pub const CREDITOR_PERMIT_FIELD: u16 = 17;
/// Field of the ledger change of a settled payment.
pub const POSTINGS_FIELD: u16 = 18;
/// Field of who refused.
pub const REFUSED_BY_FIELD: u16 = 11;
/// Field of a recovery certificate.
pub const CERTIFICATE_FIELD: u16 = HEADING_FIELDS;

/// Why a fact is not of the kind it says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Another kind, or a version this build does not know.
    #[error("expected a fact of kind {expected:?}, got {got:?}")]
    OtherKind {
        /// What was expected.
        expected: FactKind,
        /// What came.
        got: FactKind,
    },
    /// A field is missing or not canonical.
    #[error("field {index} of a fact of kind {kind:?} is not what its kind says")]
    BadField {
        /// The kind.
        kind: FactKind,
        /// The field.
        index: u16,
    },
}

/// The body of one kind of fact.
pub trait FactBody: Sized {
    /// The kind.
    const KIND: FactKind;

    /// The fields after the heading, in order.
    fn fields(&self) -> Vec<Vec<u8>>;

    /// Reads the fields.
    fn read(fields: &Fields<'_>) -> Result<Self, BodyError>;

    /// The whole fact.
    fn to_fact(&self, salt_slot: SaltSlot, heading: Heading) -> Fact {
        let body = self.fields().into_iter().map(Into::into).collect();
        Fact { kind: Self::KIND, salt_slot, heading, body }
    }

    /// Reads a fact of this kind.
    fn from_fact(fact: &Fact) -> Result<Self, BodyError> {
        if fact.kind != Self::KIND {
            return Err(BodyError::OtherKind { expected: Self::KIND, got: fact.kind });
        }
        Self::read(&Fields::of(fact))
    }
}

/// The fields of a body while it is read.
pub struct Fields<'a> {
    kind: FactKind,
    body: &'a [ByteVec],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(fact: &'a Fact) -> Self {
        Self { kind: fact.kind, body: &fact.body }
    }

    pub(crate) const fn kind(&self) -> FactKind {
        self.kind
    }

    pub(crate) const fn refused(&self, index: u16) -> BodyError {
        BodyError::BadField { kind: self.kind, index }
    }
    pub(crate) fn bytes(&self, index: u16) -> Result<&[u8], BodyError> {
        let refused = BodyError::BadField { kind: self.kind, index };
        let place = usize::from(index.checked_sub(HEADING_FIELDS).ok_or_else(|| refused.clone())?);
        self.body.get(place).map(|field| field.as_slice()).ok_or(refused)
    }

    pub(crate) fn value<T>(&self, index: u16) -> Result<T, BodyError>
    where
        T: Encode<()> + for<'b> Decode<'b, ()>,
    {
        from_canonical(self.bytes(index)?)
            .map_err(|_| BodyError::BadField { kind: self.kind, index })
    }
}

/// References of the payment in other people's systems (ISO 20022).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Identifiers {
    /// Unique end-to-end transaction reference.
    #[n(0)]
    pub uetr: Uetr,
    /// The debtor's own reference, at most 35 characters.
    #[n(1)]
    pub end_to_end_id: String,
    /// The instructing party's reference, at most 35 characters.
    #[n(2)]
    pub instruction_id: String,
}

/// What stands for an end-to-end reference where the debtor gave none (ISO 20022 usage).
pub const NOT_PROVIDED: &str = "NOTPROVIDED";

impl Identifiers {
    /// What is wrong with them: the field that no bank would carry. A `Uetr` is sound by its type.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        if !is_reference(&self.end_to_end_id) {
            return Some("end_to_end_id");
        }
        (!is_reference(&self.instruction_id)).then_some("instruction_id")
    }

    /// A debtor's own words as its end-to-end reference: [`NOT_PROVIDED`] when no bank would carry
    /// them. Cut or changed they would be another's reference.
    #[must_use]
    pub fn end_to_end(words: &str) -> String {
        if is_reference(words) { words.to_owned() } else { NOT_PROVIDED.to_owned() }
    }
}

/// 1 to 35 characters of SWIFT's set X, without a slash first, last or twice (`Max35Text` as CBPR+
/// restricts it).
fn is_reference(text: &str) -> bool {
    let set_x = |b: u8| b.is_ascii_alphanumeric() || b" /-?:().,'+".contains(&b);
    let slashes = text.starts_with('/') || text.ends_with('/') || text.contains("//");
    (1..=35).contains(&text.len()) && text.bytes().all(set_x) && !slashes && text.trim() == text
}

/// Everything that the wallet hands to the core. Its content for idempotency is the terms digest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SettleOrder {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The terms string, as it was signed.
    #[n(1)]
    pub terms: String,
    /// References in other systems.
    #[n(2)]
    pub identifiers: Identifiers,
    /// The FX provider's quote.
    #[n(3)]
    pub quote: Signed<Quote>,
    /// The creditor's request to pay.
    #[n(4)]
    pub invoice: Signed<Invoice>,
    /// The creditor institution's acceptance.
    #[n(5)]
    pub acceptance: Signed<Acceptance>,
    /// The debtor side's permit.
    #[n(6)]
    pub debtor_permit: Signed<Permit>,
    /// The creditor side's permit.
    #[n(7)]
    pub creditor_permit: Signed<Permit>,
}

impl Document for SettleOrder {
    const DOMAIN: seal::Domain = seal::Domain::new("wayleave/settle-order/v1");
    const NAME: &'static str = "settle order";
}

/// What both ending kinds begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentEnded {
    /// The payment.
    pub payment: PaymentId,
    /// Where it ran.
    pub environment: Environment,
    /// The terms that were asked for.
    pub terms: Digest,
    /// How it ended.
    pub ending: Ending,
    /// The writer's stamp.
    pub recorded_at: Instant,
}

impl PaymentEnded {
    pub(crate) fn fields(&self) -> Vec<Vec<u8>> {
        vec![
            to_canonical(&self.payment),
            to_canonical(&self.environment),
            to_canonical(&self.terms),
            to_canonical(&self.ending),
            to_canonical(&self.recorded_at),
        ]
    }

    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            payment: fields.value(PAYMENT_FIELD)?,
            environment: fields.value(ENVIRONMENT_FIELD)?,
            terms: fields.value(TERMS_DIGEST_FIELD)?,
            ending: fields.value(ENDING_FIELD)?,
            recorded_at: fields.value(RECORDED_AT_FIELD)?,
        })
    }
}

/// A settled payment with its whole order: version 1, which nothing writes any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentSettled {
    /// What every ended payment says.
    pub ended: PaymentEnded,
    /// Everything the wallet handed in, as it was.
    pub order: SettleOrder,
    /// The ledger's change, in the ledger's own canonical form.
    pub postings: Vec<u8>,
}

impl FactBody for PaymentSettled {
    const KIND: FactKind = PAYMENT_SETTLED;

    fn fields(&self) -> Vec<Vec<u8>> {
        let mut fields = self.ended.fields();
        fields.extend([
            to_canonical(&self.order.terms),
            to_canonical(&self.order.identifiers),
            to_canonical(&self.order.quote),
            to_canonical(&self.order.invoice),
            to_canonical(&self.order.acceptance),
            to_canonical(&self.order.debtor_permit),
            to_canonical(&self.order.creditor_permit),
            self.postings.clone(),
        ]);
        fields
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            ended: PaymentEnded::read(fields)?,
            order: SettleOrder {
                layout: 1,
                terms: fields.value(TERMS_FIELD)?,
                identifiers: fields.value(IDENTIFIERS_FIELD)?,
                quote: fields.value(QUOTE_FIELD)?,
                invoice: fields.value(INVOICE_FIELD)?,
                acceptance: fields.value(ACCEPTANCE_FIELD)?,
                debtor_permit: fields.value(DEBTOR_PERMIT_FIELD)?,
                creditor_permit: fields.value(CREDITOR_PERMIT_FIELD)?,
            },
            postings: fields.bytes(POSTINGS_FIELD)?.to_vec(),
        })
    }
}

/// A payment that was refused by an edge or by the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRefused {
    /// What every ended payment says.
    pub ended: PaymentEnded,
    /// Who refused.
    pub by: RefusedBy,
}

/// Who refused a payment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RefusedBy {
    /// An edge: its signed refusal.
    #[n(0)]
    Edge(#[n(0)] Signed<Refusal>),
    /// The core: the name of its rule, what was expected and what was got.
    #[n(1)]
    Core(#[n(0)] String, #[n(1)] String),
}

impl FactBody for PaymentRefused {
    const KIND: FactKind = PAYMENT_REFUSED;

    fn fields(&self) -> Vec<Vec<u8>> {
        let mut fields = self.ended.fields();
        fields.push(to_canonical(&self.by));
        fields
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self { ended: PaymentEnded::read(fields)?, by: fields.value(REFUSED_BY_FIELD)? })
    }
}

/// A ledger change outside any payment, with the document that asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerChanged {
    /// The ledger's change, in the ledger's own canonical form.
    pub change: Vec<u8>,
    /// Why: in words, such as the line of a statement file.
    pub reason: String,
}

impl FactBody for LedgerChanged {
    const KIND: FactKind = LEDGER_CHANGED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![self.change.clone(), to_canonical(&self.reason)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self { change: fields.bytes(6)?.to_vec(), reason: fields.value(7)? })
    }
}

/// A customer's account: whose it is, and which keys may ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AccountProfile {
    /// The account.
    #[n(0)]
    pub account: AccountId,
    /// The company that owns it.
    #[n(1)]
    pub owner: CompanyId,
    /// Its legal name.
    #[n(2)]
    pub name: String,
    /// The key that signs its requests and invoices.
    #[n(3)]
    pub client_key: PublicKey,
}

/// One step of a payment in a customers' book.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CustomerStep {
    /// The debtor's money is held, pinned, before the settlement book is asked.
    #[n(0)]
    Held {
        /// The payment.
        #[n(0)]
        payment: PaymentId,
        /// The order, so that recovery can ask for the same again.
        #[n(1)]
        order: Box<SettleOrder>,
        /// The ledger's change.
        #[n(2)]
        change: ByteVec,
        /// What blinds the settlement book's commitments to the order's documents; none in facts
        /// of builds before these commitments.
        #[n(3)]
        blind: Option<Blind>,
    },
    /// The hold is posted: the settlement book has the payment at this position.
    #[n(1)]
    Debited {
        /// The payment.
        #[n(0)]
        payment: PaymentId,
        /// Where it settled.
        #[n(1)]
        settled: Position,
        /// The ledger's change.
        #[n(2)]
        change: ByteVec,
    },
    /// The hold is released: surely not settled.
    #[n(2)]
    Released {
        /// The payment.
        #[n(0)]
        payment: PaymentId,
        /// How we know.
        #[n(1)]
        reason: ReleaseReason,
        /// The ledger's change.
        #[n(2)]
        change: ByteVec,
    },
    /// The creditor has the money: once, on the settlement fact.
    #[n(3)]
    Credited {
        /// The payment.
        #[n(0)]
        payment: PaymentId,
        /// Where it settled.
        #[n(1)]
        settled: Position,
        /// The ledger's change.
        #[n(2)]
        change: ByteVec,
    },
    /// The order came again on the same terms with other documents beside: these are kept, too,
    /// and the money stays held as it is.
    #[n(4)]
    Documented {
        /// The payment.
        #[n(0)]
        payment: PaymentId,
        /// The order as it came now.
        #[n(1)]
        order: Box<SettleOrder>,
        /// What blinds the commitments to its documents.
        #[n(2)]
        blind: Blind,
    },
}

/// Why a pinned hold may be released: evidence that the payment was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReleaseReason {
    /// The settlement book refused it at this position.
    #[n(0)]
    RefusedAt(#[n(0)] Position),
    /// The settlement book, asked after it was read to its head, does not know it.
    #[n(1)]
    NeverSettled(#[n(0)] Position),
}

impl FactBody for CustomerStep {
    const KIND: FactKind = CUSTOMER_STEP;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(self)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        fields.value(HEADING_FIELDS)
    }
}

/// A sealed payload that a record commits to, kept in the institution's own book.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Parcel {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// Whose side's data it is.
    #[n(1)]
    pub side: Side,
    /// What it is, such as `decision`.
    #[n(2)]
    pub kind: String,
    /// The box under the institution's data key.
    #[n(3)]
    pub sealed: ByteVec,
    /// With a decision's record, what it made due. Not of the fact: each becomes one of its own.
    #[n(4)]
    pub duties: Option<DutyNotice>,
}

impl FactBody for Parcel {
    const KIND: FactKind = PARCEL_STORED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&Self { duties: None, ..self.clone() })]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        fields.value(HEADING_FIELDS)
    }
}
