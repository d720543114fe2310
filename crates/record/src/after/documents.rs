//! What parties sign after an order.

use minicbor::{Decode, Encode};
use seal::{Digest, Domain};
use terms::{
    AccountId, Amount, BookName, CompanyId, Environment, Instant, InstitutionName, PaymentId,
    ProviderName, TransactionId,
};

use crate::document::{Document, Signed};
use crate::quote::{Fee, Quote};

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
    /// The quote's principal: so much comes back …
    #[n(4)]
    pub principal: Amount,
    /// … for the whole of what it credited, and in proportion, rounded down.
    #[n(5)]
    pub credit: Amount,
    /// When it was given.
    #[n(6)]
    pub issued_at: Instant,
    /// It holds while the writer's stamp is before this.
    #[n(7)]
    pub valid_until: Instant,
}

impl RateGuarantee {
    /// What comes back for `amount`; `None` when it overflows.
    #[must_use]
    pub fn back_for(&self, amount: Amount) -> Option<Amount> {
        let split =
            self.principal.minor.split_floor(amount.minor.units(), self.credit.minor.units());
        Some(Amount::new(split.ok()?.whole, self.principal.asset))
    }
}

/// Asks a provider whether it guarantees the rate of a quote of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct GuaranteeRequest {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Digest of the quote: the `quote_hash` of the payment's terms.
    #[n(1)]
    pub quote: Digest,
}

impl Document for GuaranteeRequest {
    const DOMAIN: Domain = Domain::new("wayleave/guarantee-request/v1");
    const NAME: &'static str = "guarantee request";
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
