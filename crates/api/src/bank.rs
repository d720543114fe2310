//! What crosses between the core and a bank that keeps its own book.
//!
//! | role | route | body → answer |
//! |---|---|---|
//! | bank | `POST /v1/steps` | [`BankStep`] → [`BankAnswer`], by the core |
//! | bank | `GET /v1/payments/{id}` | → [`PaymentSides`], by the core |
//! | bank | `GET /v1/payments/{id}/documents` | → [`PaymentDocuments`], by the core |
//! | bank | `GET /v1/open-holds?after={payment}` | → [`OpenHolds`], by the core |
//! | bank | `GET /v1/open-returns?after={payment}` | → [`OpenReturns`], by the core |
//! | bank | `POST /v1/mirror` | [`MirrorRequest`] → [`MirrorSide`], by the core |
//! | bank | `POST /v1/owners` | [`OwnerRequest`] → [`OwnerAnswer`], by the core |
//! | bank, core | `GET /v1/duties` | → [`AllDuties`] as JSON, by the operator; at a bank by the core too |
//! | bank | `POST /v1/customers`, `/v1/parcels`, `GET /v1/accounts/{id}`, … | as the core offers them for hosted books |
//! | bank | `POST /v1/freezes` | [`FreezeAct`], by the operator |
//! | core | `GET /v1/mirrors` | → JSON [`Mirrors`], by the operator |

use minicbor::{Decode, Encode};
use record::{Blind, KeptDocuments, Permit, Promise, ReturnAsk, ReturnOrder, SettleOrder, Signed};
use seal::{Digest, PublicKey};
use serde::{Deserialize, Serialize};
use terms::{AccountId, Amount, AssetCode, InstitutionName, PaymentId, Position};

use crate::messages::Held;

/// What the core asks a bank's book to do, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum BankStep {
    /// Hold the debtor's money for this order, pinned.
    #[n(0)]
    Hold(#[n(0)] Box<SettleOrder>),
    /// Post the hold: these terms settled.
    #[n(1)]
    Debit(#[n(0)] Box<Signed<Promise>>),
    /// Release the hold: these terms can never settle.
    #[n(2)]
    Release(#[n(0)] Box<Signed<Promise>>),
    /// Credit the creditor: these terms settled.
    #[n(3)]
    Credit(#[n(0)] Box<CreditProof>),
    /// Hold the money of a return that this institution ordered, pinned.
    #[n(4)]
    HoldReturn(#[n(0)] Box<ReturnHold>),
    /// Credit the payer of a payment that is given back: the return settled.
    #[n(5)]
    CreditReturn(#[n(0)] Box<ReturnProof>),
}

/// A return that a bank ordered, with what proves the payment that it gives back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReturnHold {
    /// The bank's own order, and the payee's consent where its account is debited.
    #[n(0)]
    pub ask: ReturnAsk,
    /// The original: with the bank's permit for the creditor's side.
    #[n(1)]
    pub original: CreditProof,
    /// Whose customer gets it back: the core's word, on which nothing rests here.
    #[n(2)]
    pub creditor: InstitutionName,
}

/// What proves that a bank owes its customer a return.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReturnProof {
    /// The settlement book's word on the return.
    #[n(0)]
    pub promise: Signed<Promise>,
    /// The order that settled.
    #[n(1)]
    pub order: Signed<ReturnOrder>,
    /// The original: with the bank's permit for the debtor's side.
    #[n(2)]
    pub original: CreditProof,
}

/// A settled payment, with what proves it to a bank that took part: that it owes a credit, or that
/// it is given back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CreditProof {
    /// The settlement book's word.
    #[n(0)]
    pub promise: Signed<Promise>,
    /// The terms that settled.
    #[n(1)]
    pub terms: String,
    /// The bank's own permit for its side.
    #[n(2)]
    pub permit: Signed<Permit>,
}

/// What a bank's book answers to a [`BankStep`]: durable, and the same however often it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum BankAnswer {
    /// Done, now or before.
    #[n(0)]
    Done,
    /// The hold of this payment ended before.
    #[n(1)]
    HoldEnded(#[n(0)] Held),
    /// Money is held for this payment id on other terms.
    #[n(2)]
    PaymentIdUsed {
        /// The terms it is held for.
        #[n(0)]
        first: Digest,
        /// The terms that came now.
        #[n(1)]
        got: Digest,
    },
    /// A rule said no: its name and what was expected and got.
    #[n(3)]
    Refused {
        /// The rule.
        #[n(0)]
        rule: String,
        /// The words.
        #[n(1)]
        detail: String,
    },
    /// To [`BankStep::Hold`]: the money is held, now or before, and the order's documents are kept
    /// under this.
    #[n(4)]
    Held(#[n(0)] Blind),
}

/// The documents of a payment that left a bank's book, or is about to: each set that it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PaymentDocuments {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// In the order in which they came.
    #[n(1)]
    pub kept: Vec<KeptDocuments>,
}

/// What a bank's book says of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PaymentSides {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// How far its debtor's side is here.
    #[n(1)]
    pub debtor: Held,
    /// The terms that money is held for, while it is.
    #[n(2)]
    pub terms: Option<Digest>,
    /// Where the payment settled that was credited here, if it was.
    #[n(3)]
    pub credited: Option<Position>,
    /// Whether the money lies in suspense and the bank owes it back.
    #[n(4)]
    pub in_suspense: bool,
    /// Whether the bank accepted it under a lease, and has not heard its ending yet.
    #[n(5)]
    pub accepted: bool,
}

/// The orders of a page of open holds.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OpenHolds {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Ascending by payment, at most [`HOLDS_PAGE`].
    #[n(1)]
    pub orders: Vec<SettleOrder>,
    /// Ask again after this payment, if there may be more.
    #[n(2)]
    pub after: Option<PaymentId>,
}

/// The orders of a page of returns whose hold is open.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OpenReturns {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Ascending by the return's payment, at most [`HOLDS_PAGE`].
    #[n(1)]
    pub orders: Vec<Signed<ReturnOrder>>,
    /// Ask again after this payment, if there may be more.
    #[n(2)]
    pub after: Option<PaymentId>,
}

/// Orders of one page: some 10 KiB each, so that a page fits an answer with room.
pub const HOLDS_PAGE: usize = 128;

/// Asks what mirrors the settlement book here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct MirrorRequest {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Settled payments of this bank that may not be complete, at most [`MIRROR_MAX`].
    #[n(1)]
    pub payments: Vec<PaymentId>,
}

/// Payments of one [`MirrorRequest`]: 17 bytes each, far below a body's limit.
pub const MIRROR_MAX: usize = 32_768;

/// What mirrors the settlement book, at one position.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct MirrorSide {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The next position of this book.
    #[n(1)]
    pub head: Position,
    /// What the settlement book owes, as this book sees it, by asset.
    #[n(2)]
    pub due_from: Vec<DueFrom>,
    /// Of the payments asked for: those whose hold is not posted here.
    #[n(3)]
    pub not_debited: Vec<PaymentId>,
    /// Of the payments asked for: those that are not credited here.
    #[n(4)]
    pub not_credited: Vec<PaymentId>,
    /// How many holds for payments are open.
    #[n(5)]
    pub open_holds: u64,
}

/// A due-from account's two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DueFrom {
    /// The asset.
    #[n(0)]
    pub asset: AssetCode,
    /// All that was debited: what came in.
    #[n(1)]
    pub debits: Amount,
    /// All that was credited: what went out.
    #[n(2)]
    pub credits: Amount,
}

/// Asks whether a key asks for an account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OwnerRequest {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The account.
    #[n(1)]
    pub account: AccountId,
    /// The key.
    #[n(2)]
    pub key: PublicKey,
}

/// Whether it does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OwnerAnswer {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Whether it does.
    #[n(1)]
    pub is_owner: bool,
}

/// The returns that a bank owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duties {
    /// Whose.
    pub institution: String,
    /// The next position of its book.
    pub head: u64,
    /// How many there are in all.
    pub open: u64,
    /// By payment, at most [`DUTIES_MAX`].
    pub owed: Vec<ReturnDuty>,
}

/// The returns that are owed, as JSON: a bank says its own, the core those of all books that
/// answered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllDuties {
    /// By participant.
    pub duties: Vec<Duties>,
    /// Participants whose book did not answer, each with the reason.
    pub not_asked: Vec<NotAsked>,
}

/// Duties shown at once.
pub const DUTIES_MAX: usize = 1_000;

/// A return that is owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnDuty {
    /// The payment whose account did not take the money.
    pub payment: String,
    /// What lies in suspense, in minor units.
    pub minor: String,
    /// In which asset.
    pub asset: String,
    /// Since when.
    pub since: String,
}

/// How the settlement book and the institutions' own books agree, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirrors {
    /// One for each participant and asset.
    pub rows: Vec<MirrorRow>,
    /// Participants whose book did not answer, each with the reason.
    pub not_asked: Vec<NotAsked>,
}

/// A participant whose book did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotAsked {
    /// Who.
    pub participant: String,
    /// Why.
    pub reason: String,
}

/// One participant's settlement account and its mirror, each at a named position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorRow {
    /// Who.
    pub participant: String,
    /// In which asset.
    pub asset: String,
    /// The next position of the settlement book when it was read.
    pub settlement_position: u64,
    /// What the settlement account holds, in minor units.
    pub settlement: String,
    /// The next position of the institution's book when it was read.
    pub book_position: u64,
    /// Of that, the participant's own money, in minor units and with its sign: what came in less
    /// what went out of its own. Its own book follows its customers' money only.
    pub own: String,
    /// What the institution's book says is owed to it, in minor units.
    pub due_from: String,
    /// Settled and not yet posted here, in minor units: still to leave the mirror.
    pub to_leave: String,
    /// Settled and not yet credited here, in minor units: still to come to the mirror.
    pub to_come: String,
    /// Holds for payments that are open in this book, whatever their asset.
    pub open_holds: u64,
    /// What is on its way, at most [`ITEMS_MAX`].
    pub items: Vec<TransitItem>,
    /// Whether they agree.
    pub verdict: Verdict,
}

/// Items in transit shown of one row.
pub const ITEMS_MAX: usize = 100;

/// A settled payment that this book has not done its part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitItem {
    /// The payment.
    pub payment: String,
    /// `to-debit` or `to-credit`.
    pub missing: String,
    /// How much, in minor units.
    pub minor: String,
    /// Since when it is settled.
    pub since: String,
}

/// Whether a mirror agrees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Verdict {
    /// It does, with what is in transit.
    Agree,
    /// It does not.
    Break {
        /// By how much, in minor units.
        minor: String,
        /// `more` or `less`: what the institution's book says against the settlement book.
        says: String,
        /// How long this core has known of it, in seconds.
        age_seconds: u64,
    },
}

/// An operator freezes or thaws an account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct FreezeAct {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Which account.
    #[n(1)]
    pub account: AccountId,
    /// What it refuses from now on.
    #[n(2)]
    pub refuses: Refuses,
    /// Why: recorded with the act.
    #[n(3)]
    pub reason: String,
}

/// Which new entries an account refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refuses {
    /// None.
    #[n(0)]
    Nothing,
    /// Debits.
    #[n(1)]
    Debits,
    /// Credits.
    #[n(2)]
    Credits,
    /// All.
    #[n(3)]
    Both,
}
