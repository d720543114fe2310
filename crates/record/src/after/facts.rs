//! The bodies of the facts.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use seal::to_canonical;
use terms::{AccountId, Amount, Instant, InstitutionName, PaymentId, Position, TransactionId};

use super::{
    BOOK_CORRECTED, BlockOrder, BlockRelease, CANCELLATION_ANSWERED, CANCELLATION_REQUESTED,
    CANCELLED_BY_FIELD, CASE_CHANGED, CREDIT_DIVERTED, CancellationAnswer, CancellationRequest,
    CancellationVerdict, CaseNotice, Correction, FUNDS_BLOCKED, GIVEN_BACK_FIELD, ORIGINAL_FIELD,
    PAYMENT_CANCELLED, PAYMENT_REFUNDED, PAYMENT_RETURNED, RETURN_ORDER_FIELD,
    RETURN_PARTIES_FIELD, RETURN_POSTINGS_FIELD, RETURN_STEP, ReturnConsent, ReturnOrder,
    TwoPersons,
};
use crate::document::Signed;
use crate::fact::{FactKind, HEADING_FIELDS};
use crate::settlement::{BodyError, FactBody, Fields, PaymentEnded, PaymentSettled};

/// A payment that was cancelled before it settled. Version 1, which nothing writes any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentCancelled {
    /// What every ended payment says; the ending is `refused: PaymentCancelled`.
    pub ended: PaymentEnded,
    /// The payer's request.
    pub request: Signed<CancellationRequest>,
}

impl FactBody for PaymentCancelled {
    const KIND: FactKind = PAYMENT_CANCELLED;

    fn fields(&self) -> Vec<Vec<u8>> {
        let mut fields = self.ended.fields();
        fields.push(to_canonical(&self.request));
        fields
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        let request = fields.value(CANCELLED_BY_FIELD)?;
        Ok(Self { ended: PaymentEnded::read(fields)?, request })
    }
}

/// A settled payment is asked back. Version 1, which nothing writes any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancellationRequested {
    /// The payment.
    pub payment: PaymentId,
    /// The request.
    pub request: Signed<CancellationRequest>,
    /// The writer's stamp.
    pub recorded_at: Instant,
    /// An answer counts while the writer's stamp is before this.
    pub answer_by: Instant,
}

impl FactBody for CancellationRequested {
    const KIND: FactKind = CANCELLATION_REQUESTED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![
            to_canonical(&self.payment),
            to_canonical(&self.request),
            to_canonical(&self.recorded_at),
            to_canonical(&self.answer_by),
        ]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            payment: fields.value(HEADING_FIELDS)?,
            request: fields.value(7)?,
            recorded_at: fields.value(8)?,
            answer_by: fields.value(9)?,
        })
    }
}

/// The payee's side answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancellationAnswered {
    /// The payment.
    pub payment: PaymentId,
    /// The answer.
    pub answer: Signed<CancellationAnswer>,
    /// What it says.
    pub verdict: CancellationVerdict,
    /// The writer's stamp.
    pub recorded_at: Instant,
}

impl FactBody for CancellationAnswered {
    const KIND: FactKind = CANCELLATION_ANSWERED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![
            to_canonical(&self.payment),
            to_canonical(&self.answer),
            to_canonical(&self.verdict),
            to_canonical(&self.recorded_at),
        ]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            payment: fields.value(HEADING_FIELDS)?,
            answer: fields.value(7)?,
            verdict: fields.value(8)?,
            recorded_at: fields.value(9)?,
        })
    }
}

/// Who took part in a return, from the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReturnParties {
    /// Who gives back.
    #[n(0)]
    pub debtor: InstitutionName,
    /// The account that the original credited.
    #[n(1)]
    pub debited: AccountId,
    /// Who gets it for its customer.
    #[n(2)]
    pub creditor: InstitutionName,
    /// The account that the original debited.
    #[n(3)]
    pub credited: AccountId,
}

/// A return: decision and money in one append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentReturned {
    /// What every ended payment says; the terms digest is that of the return order.
    pub ended: PaymentEnded,
    /// The payment that was given back.
    pub original: PaymentId,
    /// The order.
    pub order: Signed<ReturnOrder>,
    /// Who took part.
    pub parties: ReturnParties,
    /// The ledger's change, in the ledger's own canonical form.
    pub postings: Vec<u8>,
}

impl FactBody for PaymentReturned {
    const KIND: FactKind = PAYMENT_RETURNED;

    fn fields(&self) -> Vec<Vec<u8>> {
        let mut fields = self.ended.fields();
        fields.extend([
            to_canonical(&self.original),
            to_canonical(&self.order),
            to_canonical(&self.parties),
            self.postings.clone(),
        ]);
        fields
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            ended: PaymentEnded::read(fields)?,
            original: fields.value(ORIGINAL_FIELD)?,
            order: fields.value(RETURN_ORDER_FIELD)?,
            parties: fields.value(RETURN_PARTIES_FIELD)?,
            postings: fields.bytes(RETURN_POSTINGS_FIELD)?.to_vec(),
        })
    }
}

/// What a return or a refund counts against its original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct GivenBack {
    /// The original payment.
    #[n(0)]
    pub original: PaymentId,
    /// How much counts, in the asset that the original credited.
    #[n(1)]
    pub counted: Amount,
}

/// A settled refund: every field of a settled payment, and the link. Version 1, which nothing
/// writes any more; see [`crate::settled`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRefunded {
    /// The payment that it is.
    pub settled: PaymentSettled,
    /// What it gives back.
    pub given: GivenBack,
}

impl FactBody for PaymentRefunded {
    const KIND: FactKind = PAYMENT_REFUNDED;

    fn fields(&self) -> Vec<Vec<u8>> {
        let mut fields = self.settled.fields();
        fields.push(to_canonical(&self.given));
        fields
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        let given = fields.value(GIVEN_BACK_FIELD)?;
        Ok(Self { settled: PaymentSettled::read(fields)?, given })
    }
}

/// Two persons' correction, with what it moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookCorrected {
    /// The document, as both signed it.
    pub correction: TwoPersons<Correction>,
    /// The ledger's change, in the ledger's own canonical form.
    pub change: Vec<u8>,
}

impl FactBody for BookCorrected {
    const KIND: FactKind = BOOK_CORRECTED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.correction), self.change.clone()]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self { correction: fields.value(HEADING_FIELDS)?, change: fields.bytes(7)?.to_vec() })
    }
}

/// One step of a return in the book that gives back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReturnStep {
    /// The money is held, pinned, before the settlement book is asked.
    #[n(0)]
    Held {
        /// The order, so that recovery can go on.
        #[n(0)]
        order: Box<Signed<ReturnOrder>>,
        /// Who takes part.
        #[n(1)]
        parties: Box<ReturnParties>,
        /// The payee's consent, where its account is debited.
        #[n(2)]
        consent: Option<Signed<ReturnConsent>>,
        /// The ledger's change.
        #[n(3)]
        change: ByteVec,
    },
    /// The hold is posted: the settlement book has the return at this position.
    #[n(1)]
    Debited {
        /// The return.
        #[n(0)]
        payment: PaymentId,
        /// Where it settled.
        #[n(1)]
        settled: Position,
        /// The ledger's change.
        #[n(2)]
        change: ByteVec,
    },
    /// The hold is released: the settlement book refused the return at this position.
    #[n(2)]
    Released {
        /// The return.
        #[n(0)]
        payment: PaymentId,
        /// Where.
        #[n(1)]
        refused: Position,
        /// The ledger's change.
        #[n(2)]
        change: ByteVec,
    },
}

/// A credit that did not go to its account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CreditDiverted {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// Where it settled.
    #[n(1)]
    pub settled: Position,
    /// The account it was meant for.
    #[n(2)]
    pub account: AccountId,
    /// How much.
    #[n(3)]
    pub amount: Amount,
    /// Why it went elsewhere.
    #[n(4)]
    pub into: Diverted,
    /// The ledger's change.
    #[n(5)]
    pub change: ByteVec,
}

/// Why a credit went elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Diverted {
    /// Its owner's money is blocked by this order.
    #[n(0)]
    Blocked(#[n(0)] TransactionId),
    /// This case is open: accepted without posting.
    #[n(1)]
    Waiting(#[n(0)] TransactionId),
}

/// A case changed, and what that posted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CaseChanged {
    /// The notice.
    #[n(0)]
    pub notice: Signed<CaseNotice>,
    /// The ledger's change, if anything was posted.
    #[n(1)]
    pub change: Option<ByteVec>,
}

/// Money was blocked or released.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum FundsBlocked {
    /// Blocked.
    #[n(0)]
    Blocked {
        /// The order.
        #[n(0)]
        order: Box<Signed<BlockOrder>>,
        /// How much moved.
        #[n(1)]
        amount: Amount,
        /// The ledger's change, if there was anything to move.
        #[n(2)]
        change: Option<ByteVec>,
    },
    /// Released by two persons.
    #[n(1)]
    Released {
        /// The release, as both signed it.
        #[n(0)]
        release: Box<TwoPersons<BlockRelease>>,
        /// The ledger's change, if there was anything to move.
        #[n(1)]
        change: Option<ByteVec>,
    },
}

macro_rules! one_field {
    ($($body:ty => $kind:ident),* $(,)?) => {$(
        impl FactBody for $body {
            const KIND: FactKind = $kind;

            fn fields(&self) -> Vec<Vec<u8>> {
                vec![to_canonical(self)]
            }

            fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
                fields.value(HEADING_FIELDS)
            }
        }
    )*};
}

one_field! {
    ReturnStep => RETURN_STEP,
    CreditDiverted => CREDIT_DIVERTED,
    CaseChanged => CASE_CHANGED,
    FundsBlocked => FUNDS_BLOCKED,
}
