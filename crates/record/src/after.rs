//! What may follow an order: documents and facts of cancellation, return, refund, correction,
//! blocked funds and cases.
//!
//! Settled is final, so nothing here takes money back: a return and a refund are payments of
//! their own, linked to the original, and a correction is a transaction of its own. The table of
//! `docs/formats/facts.md` says the same by number.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use seal::{Digest, Domain, to_canonical};
use terms::{
    AccountId, Amount, BookName, CompanyId, Environment, Instant, InstitutionName, PaymentId,
    Position, ProviderName, TransactionId,
};

use crate::document::{Document, Signed};
use crate::fact::{Fact, FactKind, HEADING_FIELDS};
use crate::quote::{Fee, Quote};
use crate::settlement::{
    BodyError, FactBody, Fields, PAYMENT_SETTLED, PaymentEnded, PaymentSettled,
};

/// A payment that its payer cancelled before it settled. Settlement book.
pub const PAYMENT_CANCELLED: FactKind = FactKind { number: 26, version: 1 };
/// A request to give a settled payment back. Settlement book.
pub const CANCELLATION_REQUESTED: FactKind = FactKind { number: 27, version: 1 };
/// The payee's side's answer to it. Settlement book.
pub const CANCELLATION_ANSWERED: FactKind = FactKind { number: 28, version: 1 };
/// A return: the payee's bank's linked payment back. Settlement book.
pub const PAYMENT_RETURNED: FactKind = FactKind { number: 29, version: 1 };
/// A correction by two persons. Settlement book.
pub const BOOK_CORRECTED: FactKind = FactKind { number: 30, version: 1 };
/// A refund: a settled payment with the link to its original. Settlement book.
pub const PAYMENT_REFUNDED: FactKind = FactKind { number: 31, version: 1 };
/// One step of a return in the book that gives back.
pub const RETURN_STEP: FactKind = FactKind { number: 48, version: 1 };
/// A credit that did not go to its account: blocked, or waiting for a case. Customers' books.
pub const CREDIT_DIVERTED: FactKind = FactKind { number: 49, version: 1 };
/// A case is opened or closed. Customers' books.
pub const CASE_CHANGED: FactKind = FactKind { number: 50, version: 1 };
/// Money is blocked or released. Customers' books.
pub const FUNDS_BLOCKED: FactKind = FactKind { number: 51, version: 1 };

/// Field of the signed request in [`PAYMENT_CANCELLED`].
pub const CANCELLED_BY_FIELD: u16 = 11;
/// Field of the original payment's id in [`PAYMENT_RETURNED`].
pub const ORIGINAL_FIELD: u16 = 11;
/// Field of the signed return order in [`PAYMENT_RETURNED`].
pub const RETURN_ORDER_FIELD: u16 = 12;
/// Field of who took part in [`PAYMENT_RETURNED`].
pub const RETURN_PARTIES_FIELD: u16 = 13;
/// Field of the ledger change in [`PAYMENT_RETURNED`].
pub const RETURN_POSTINGS_FIELD: u16 = 14;
/// Field of the link in [`PAYMENT_REFUNDED`], after those of a settled payment.
pub const GIVEN_BACK_FIELD: u16 = 19;

/// The code of a payment that its payer cancelled, in [`crate::Ending::Refused`]: an ending like
/// any other, so that every promise and receipt of a build that knows no cancellation reads it.
pub const CANCELLED_CODE: &str = "PaymentCancelled";

/// The payer's wish that a payment does not happen; after settlement, that it is given back.
/// Signed with the client key of the debited account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CancellationRequest {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The terms string of the payment. It names the account whose key must sign this.
    #[n(2)]
    pub terms: String,
    /// ISO 20022 cancellation reason, such as `CUST`, `DUPL`, `UPAY`.
    #[n(3)]
    pub reason: String,
    /// When it was asked.
    #[n(4)]
    pub asked_at: Instant,
}

impl Document for CancellationRequest {
    const DOMAIN: Domain = Domain::new("wayleave/cancellation-request/v1");
    const NAME: &'static str = "cancellation request";
}

/// The payee's side's answer, signed by its institution (camt.029). It moves no money.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CancellationAnswer {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The payment that was asked back.
    #[n(2)]
    pub payment: PaymentId,
    /// Digest of the request that is answered.
    #[n(3)]
    pub request: Digest,
    /// Who answers.
    #[n(4)]
    pub institution: InstitutionName,
    /// What it says.
    #[n(5)]
    pub verdict: CancellationVerdict,
    /// When it was decided.
    #[n(6)]
    pub answered_at: Instant,
}

impl Document for CancellationAnswer {
    const DOMAIN: Domain = Domain::new("wayleave/cancellation-answer/v1");
    const NAME: &'static str = "cancellation answer";
}

/// Whether the payee's side agrees.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CancellationVerdict {
    /// It agrees: a return or a refund follows, each with its own decision.
    #[n(0)]
    Accepted,
    /// It does not, for this ISO 20022 reason: `CUST`, `NOAS`, `LEGL`, `ARDT`.
    #[n(1)]
    Rejected(#[n(0)] String),
}

/// The provider's word that it takes a payment's money back at the rate of that payment's quote.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RateGuarantee {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// Who guarantees.
    #[n(2)]
    pub provider: ProviderName,
    /// Digest of the quote whose rate holds.
    #[n(3)]
    pub quote: Digest,
    /// When it was given.
    #[n(4)]
    pub issued_at: Instant,
    /// It holds while the writer's stamp is before this.
    #[n(5)]
    pub valid_until: Instant,
}

impl Document for RateGuarantee {
    const DOMAIN: Domain = Domain::new("wayleave/rate-guarantee/v1");
    const NAME: &'static str = "rate guarantee";
}

/// At what rate a return is exchanged. There is none without the provider's signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReturnRate {
    /// A new quote for the return, the other way round.
    #[n(0)]
    Quoted(#[n(0)] Signed<Quote>),
    /// The original quote's rate, which the provider guaranteed.
    #[n(1)]
    Guaranteed(#[n(0)] Signed<RateGuarantee>),
}

/// The payee's bank gives a payment back, whole or in part (pacs.004). Signed with its permit key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReturnOrder {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book.
    #[n(2)]
    pub book: BookName,
    /// The return's own id.
    #[n(3)]
    pub payment: PaymentId,
    /// The payment that is given back.
    #[n(4)]
    pub original: PaymentId,
    /// Who gives back: the original's creditor institution.
    #[n(5)]
    pub institution: InstitutionName,
    /// ISO 20022 return reason, such as `AC04`, `AC06`, `FOCR`, `CUST`.
    #[n(6)]
    pub reason: String,
    /// What leaves the institution's settlement account, in the asset that it was credited.
    #[n(7)]
    pub amount: Amount,
    /// What the original's debtor gets, in the asset that it paid in.
    #[n(8)]
    pub credited: Amount,
    /// At what rate.
    #[n(9)]
    pub rate: ReturnRate,
    /// Every fee of the original: all stay with their takers, as does the provider's margin.
    #[n(10)]
    pub fees_kept: Vec<Fee>,
    /// When it was decided.
    #[n(11)]
    pub decided_at: Instant,
    /// It holds while the writer's stamp is before this.
    #[n(12)]
    pub valid_until: Instant,
}

impl Document for ReturnOrder {
    const DOMAIN: Domain = Domain::new("wayleave/return-order/v1");
    const NAME: &'static str = "return order";
}

/// The payee agrees that its account is debited for a return. Signed with its client key; needed
/// where the money had reached its account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReturnConsent {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The payment that is given back.
    #[n(2)]
    pub original: PaymentId,
    /// The account that is debited.
    #[n(3)]
    pub account: AccountId,
    /// At most how much. It is good for one return.
    #[n(4)]
    pub amount: Amount,
    /// It holds while the writer's stamp is before this.
    #[n(5)]
    pub valid_until: Instant,
}

impl Document for ReturnConsent {
    const DOMAIN: Domain = Domain::new("wayleave/return-consent/v1");
    const NAME: &'static str = "return consent";
}

/// What an institution sends to give a payment back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReturnAsk {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The order.
    #[n(1)]
    pub order: Signed<ReturnOrder>,
    /// The payee's consent, where the money had reached its account.
    #[n(2)]
    pub consent: Option<Signed<ReturnConsent>>,
}

impl Document for ReturnAsk {
    const DOMAIN: Domain = Domain::new("wayleave/return-ask/v1");
    const NAME: &'static str = "return ask";
}

/// One document that two persons signed, each with a key of their own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TwoPersons<T: Document> {
    /// As the first signed it.
    #[n(0)]
    pub first: Signed<T>,
    /// As the second signed it.
    #[n(1)]
    pub second: Signed<T>,
}

/// The operator sets right what was booked wrongly: a new transaction, linked to the wrong one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Correction {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The book.
    #[n(2)]
    pub book: BookName,
    /// The new transaction's id: booked once.
    #[n(3)]
    pub correction: TransactionId,
    /// The transaction that was wrong.
    #[n(4)]
    pub corrects: TransactionId,
    /// Why, in words.
    #[n(5)]
    pub reason: String,
    /// What moves.
    #[n(6)]
    pub moves: Vec<CorrectionMove>,
    /// It holds while the writer's stamp is before this.
    #[n(7)]
    pub valid_until: Instant,
}

impl Document for Correction {
    const DOMAIN: Domain = Domain::new("wayleave/correction/v1");
    const NAME: &'static str = "correction";
}

/// One movement of a correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CorrectionMove {
    /// The account that is debited.
    #[n(0)]
    pub debit: AccountId,
    /// The account that is credited, of the same asset.
    #[n(1)]
    pub credit: AccountId,
    /// How much.
    #[n(2)]
    pub amount: Amount,
}

/// The law says freeze: money of one owner goes to the institution's blocked-funds account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BlockOrder {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// In whose book.
    #[n(2)]
    pub institution: InstitutionName,
    /// The block's id.
    #[n(3)]
    pub block: TransactionId,
    /// The account that the money is taken from.
    #[n(4)]
    pub account: AccountId,
    /// Whose money it is and remains.
    #[n(5)]
    pub owner: CompanyId,
    /// How much.
    #[n(6)]
    pub extent: BlockExtent,
    /// The law, such as `Sanctiewet 1977, article 2`.
    #[n(7)]
    pub legal_basis: String,
    /// The authority that ordered it or is told of it.
    #[n(8)]
    pub authority: String,
    /// When it was ordered.
    #[n(9)]
    pub ordered_at: Instant,
}

impl Document for BlockOrder {
    const DOMAIN: Domain = Domain::new("wayleave/block-order/v1");
    const NAME: &'static str = "block order";
}

/// How much is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum BlockExtent {
    /// What is available on the account, and whatever comes in for it until the release.
    #[n(0)]
    AllAndComing,
    /// This much, once.
    #[n(1)]
    Part(#[n(0)] Amount),
}

/// Two persons release what was blocked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BlockRelease {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// In whose book.
    #[n(2)]
    pub institution: InstitutionName,
    /// The block.
    #[n(3)]
    pub block: TransactionId,
    /// Where the money goes.
    #[n(4)]
    pub to: ReleaseTo,
    /// On what ground: a licence, a court's order.
    #[n(5)]
    pub legal_basis: String,
    /// It holds while the writer's stamp is before this.
    #[n(6)]
    pub valid_until: Instant,
}

impl Document for BlockRelease {
    const DOMAIN: Domain = Domain::new("wayleave/block-release/v1");
    const NAME: &'static str = "block release";
}

/// Where released money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReleaseTo {
    /// Back to the account it came from, or was meant for.
    #[n(0)]
    Owner,
    /// To this account of the same book, as the authority says.
    #[n(1)]
    Account(#[n(0)] AccountId),
}

/// A case about an account: while it is open, what comes in waits (ISO 20022 `ACWP`).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CaseNotice {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// In whose book.
    #[n(2)]
    pub institution: InstitutionName,
    /// The case's id.
    #[n(3)]
    pub case: TransactionId,
    /// The account.
    #[n(4)]
    pub account: AccountId,
    /// What becomes of it.
    #[n(5)]
    pub change: CaseChange,
    /// When it was decided.
    #[n(6)]
    pub decided_at: Instant,
}

impl Document for CaseNotice {
    const DOMAIN: Domain = Domain::new("wayleave/case-notice/v1");
    const NAME: &'static str = "case notice";
}

/// What becomes of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum CaseChange {
    /// It is opened.
    #[n(0)]
    Open,
    /// It is closed, and what waited is posted.
    #[n(1)]
    Post,
    /// It is closed, and what waited is owed back: a return closes that duty.
    #[n(2)]
    GiveBack,
}

/// A payment that was cancelled before it settled.
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

/// A settled payment is asked back.
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

/// A settled refund: every field of a settled payment, and the link.
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

impl PaymentSettled {
    /// The settled payment of a fact that is one: a first payment, or a refund.
    pub fn of_fact(fact: &Fact) -> Result<Self, BodyError> {
        if fact.kind == PAYMENT_REFUNDED {
            return PaymentRefunded::from_fact(fact).map(|refunded| refunded.settled);
        }
        Self::from_fact(fact)
    }

    /// Whether a fact of this kind reads as a settled payment.
    #[must_use]
    pub fn is_kind(kind: FactKind) -> bool {
        kind == PAYMENT_SETTLED || kind == PAYMENT_REFUNDED
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
        parties: ReturnParties,
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
