//! What crosses between the roles, by route. Bodies are canonical documents (`application/cbor`)
//! unless the route's own standard says otherwise (OpenID4VP, OpenID4VCI, tlog-witness).
//!
//! | role | route | body → answer |
//! |---|---|---|
//! | provider | `POST /v1/quotes` | [`QuoteRequest`] → `Signed<Quote>` |
//! | creditor's edge | `POST /v1/invoices` | `Signed<Invoice>` → JSON OpenID4VP request |
//! | creditor's edge | `POST /v1/invoices/presentations` | form `vp_token`, `state` → JSON `{"ticket"}` |
//! | debtor's edge | `POST /v1/preparations` | [`PreparationRequest`] → [`Preparation`] |
//! | creditor's edge | `POST /v1/statements` | [`StatementExchange`] → [`StatementReply`] |
//! | both edges | `POST /v1/decisions` | form `vp_token` (where asked), `state` → JSON [`DecisionAnswer`] |
//! | core | `POST /v1/orders` | `SettleOrder` → [`OrderAnswer`] |
//! | core | `POST /v1/refusals` | `Signed<Refusal>` → [`OrderAnswer`] |
//! | core | `GET /v1/payments/{id}` | → [`PaymentStatus`] |
//! | core | `GET /v1/payments/{id}/receipt` | → receipt file, or 404 with `retry-after` while not yet cosigned |
//! | core | `POST /v1/parcels`, `GET /v1/parcels/{payment}/{side}/{kind}` | `Parcel` of the caller's own institution |
//! | core | `GET /v1/accounts/{id}` | → [`AccountView`], own institution or owner only |
//! | core | `POST /v1/customers` | [`NewCustomer`], by the institution's edge |
//! | core | `POST /v1/trust-lists`, `/v1/snapshots`, `/v1/packs`, `/v1/pack-steps`, `/v1/edges`; `GET /v1/packs/{corridor}/{side}` → [`StagedPacks`] | the signed document |
//! | core | `POST /v1/edge-accounts`, `/v1/edge-closings` | the signed document, by the instance |
//! | core | `GET /v1/edge-basis` | → [`EdgeBasis`], own institution only |
//! | core | `GET /v1/edge-instances` | → JSON: who has joined, and which numbers are missing |
//! | core | `POST /v1/outside-statements`, `/v1/reconciliations` | camt.053 or camt.054 by the operator → JSON verdict |
//! | core | `GET /v1/outside-accounts`, `POST /v1/outside-lines/{line}/resolution` | by the operator, JSON |
//! | core | `POST /v1/day-closes`, `GET /v1/day-closes/{date}/{file}` | by the operator, JSON |
//! | core | `GET /v1/about` | → JSON: environment, book, log key, witnesses, tlog-policy |
//! | core | `GET /log/checkpoint`, `/log/tile/…` | C2SP tlog-tiles, open to everybody |
//! | supervisor | `POST /add-checkpoint` | C2SP tlog-witness |
//! | supervisor | `GET /v1/trust-list`, `GET /v1/sanctions` | `Signed<TrustList>`, signed sanctions list |
//! | supervisor | `POST /v1/trust-list/edits` | an operator's act on the list it keeps |
//! | issuer | `/{issuer}/…` | OpenID4VCI 1.0, Token Status List, `/.well-known/jwt-vc-issuer` |
//! | issuer | `POST /{issuer}/v1/revocations` | JSON, by the issuer's operator |

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use record::{
    Acceptance, AccountProfile, Ending, Invoice, Permit, Promise, Quote, Refusal, RequestToPay,
    Signed, Snapshot, StatusMark, TravelReceipt,
};
use seal::Digest;
use serde::{Deserialize, Serialize};
use terms::{
    AccountId, Amount, AssetCode, CorridorName, Instant, InstitutionName, PaymentId, Position,
};

/// Asks a provider for a firm quote.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct QuoteRequest {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The payment it shall be bound to.
    #[n(1)]
    pub payment: PaymentId,
    /// The corridor.
    #[n(2)]
    pub corridor: CorridorName,
    /// What the creditor shall get.
    #[n(3)]
    pub credit: Amount,
    /// In which asset the debtor pays.
    #[n(4)]
    pub debit_asset: AssetCode,
    /// How long it shall hold, in seconds; the provider gives at most its own lifetime.
    #[n(5)]
    pub good_for_seconds: u32,
    /// Quote at the rate of this earlier quote, the other way round: for a refund, while the
    /// provider guarantees it.
    #[n(6)]
    pub at_rate_of: Option<Digest>,
}

/// The longest that a wallet asks a quote to hold.
pub const QUOTE_SECONDS_MAX: u32 = 60;

/// Asks the debtor's edge to prepare a payment: statements, acceptance, terms, what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PreparationRequest {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// What is to be paid.
    #[n(1)]
    pub request: RequestToPay,
    /// At which quote.
    #[n(2)]
    pub quote: Signed<Quote>,
    /// From which account.
    #[n(3)]
    pub debited_account: AccountId,
    /// The settled payment that it refunds; absent for a payment.
    #[n(4)]
    pub refund_of: Option<PaymentId>,
}

/// The debtor's edge to the creditor's: its party statement, sealed, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StatementExchange {
    /// Layout version: 1, or 2 with what the travel rule asks for.
    #[n(0)]
    pub layout: u8,
    /// Who sends.
    #[n(1)]
    pub from: InstitutionName,
    /// `Signed<PartyStatement>` sealed to the creditor institution's statement key.
    #[n(2)]
    pub sealed: ByteVec,
    /// What is to be paid.
    #[n(3)]
    pub request: RequestToPay,
    /// At which quote.
    #[n(4)]
    pub quote: Signed<Quote>,
    /// The terms string, which both sides make alike.
    #[n(5)]
    pub terms: String,
    /// The settled payment that it refunds; absent for a payment.
    #[n(6)]
    pub refund_of: Option<PaymentId>,
    /// `Signed<TravelMessage>` sealed to the same key, where the travel rule asks; layout 2 only.
    #[n(7)]
    pub travel: Option<ByteVec>,
}

/// The creditor's edge back: its statement, sealed, and its acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StatementReply {
    /// Layout version: 1, or 2 with what the travel rule asks for.
    #[n(0)]
    pub layout: u8,
    /// `Signed<PartyStatement>` sealed to the debtor institution's statement key.
    #[n(1)]
    pub sealed: ByteVec,
    /// It can credit the account.
    #[n(2)]
    pub acceptance: Signed<Acceptance>,
    /// Its sealed note to itself, which comes back with the consent.
    #[n(3)]
    pub ticket: ByteVec,
    /// Its receipt of the travel-rule message; layout 2 only.
    #[n(4)]
    pub travel: Option<Signed<TravelReceipt>>,
}

/// What the debtor's edge hands back to the wallet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Preparation {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The terms string.
    #[n(1)]
    pub terms: String,
    /// The creditor institution's acceptance.
    #[n(2)]
    pub acceptance: Signed<Acceptance>,
    /// Where the creditor's edge decides: its base URL.
    #[n(3)]
    pub creditor_edge: String,
    /// The debtor edge's note to itself.
    #[n(4)]
    pub debtor_ticket: ByteVec,
    /// The creditor edge's note to itself.
    #[n(5)]
    pub creditor_ticket: ByteVec,
    /// The debtor edge's OpenID4VP authorization request, JSON.
    #[n(6)]
    pub ask: String,
    /// All that open rules miss, at once. Empty: nothing is missing.
    #[n(7)]
    pub missing: Vec<MissingThing>,
    /// How many rules both packs will ask, for people: debtor's side.
    #[n(8)]
    pub rules: u32,
}

/// Something that open rules miss before money moves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct MissingThing {
    /// The code of the reason that would follow.
    #[n(0)]
    pub code: String,
    /// What is missing.
    #[n(1)]
    pub what: String,
    /// How to mend it.
    #[n(2)]
    pub mend: String,
    /// The law or agreement that the rule follows.
    #[n(3)]
    pub reference: String,
    /// What is missing, in Chinese.
    #[n(4)]
    pub what_zh: String,
    /// How to mend it, in Chinese.
    #[n(5)]
    pub mend_zh: String,
}

/// What comes with a consent, as the `state` of the direct post: base64url of this document. The
/// edge keeps nothing between preparation and consent, so any instance can decide.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Consent {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The edge's own ticket.
    #[n(1)]
    pub ticket: ByteVec,
    /// The terms string.
    #[n(2)]
    pub terms: String,
    /// The quote.
    #[n(3)]
    pub quote: Signed<Quote>,
    /// The invoice.
    #[n(4)]
    pub invoice: Signed<Invoice>,
    /// The acceptance.
    #[n(5)]
    pub acceptance: Signed<Acceptance>,
}

/// An edge's decision, as JSON (the answer to a direct post is JSON by OpenID4VP section 8.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionAnswer {
    /// `permit`, `refusal` or `referral`.
    pub outcome: String,
    /// `Signed<Permit>` or `Signed<Refusal>`, base64url. A referral has none yet.
    pub document: Option<String>,
    /// The open or neutral code of a refusal or referral.
    pub code: Option<String>,
    /// What happened, in words.
    pub sentence: Option<String>,
    /// How to mend it.
    pub mend: Option<String>,
    /// The law or agreement that the open rule follows; none of a restricted outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What happened, in Chinese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence_zh: Option<String>,
    /// How to mend it, in Chinese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend_zh: Option<String>,
    /// How many policies of the pack were asked and passed.
    pub rules: u32,
    /// Digest of the pack, hex.
    pub pack: String,
    /// When a referral is decided anew at the earliest: RFC 3339.
    pub next: Option<String>,
    /// Of a payment out: whom the order commits to, base64url, for its payer only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parties: Option<String>,
}

impl DecisionAnswer {
    /// The signed permit inside, read but not believed.
    #[must_use]
    pub fn permit(&self) -> Option<Signed<Permit>> {
        let bytes = seal::text::from_base64url(self.document.as_deref()?)?;
        (self.outcome == "permit").then(|| Signed::from_bytes(&bytes).ok())?
    }

    /// The signed refusal inside, read but not believed.
    #[must_use]
    pub fn refusal(&self) -> Option<Signed<Refusal>> {
        let bytes = seal::text::from_base64url(self.document.as_deref()?)?;
        (self.outcome == "refusal").then(|| Signed::from_bytes(&bytes).ok())?
    }
}

/// What the core answers to an order or a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OrderAnswer {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The promise.
    #[n(1)]
    pub promise: Signed<Promise>,
    /// Whether this is the first answer given again.
    #[n(2)]
    pub repeated: Repeated,
    /// What happened and how to mend it, in words; empty when settled.
    #[n(3)]
    pub words: String,
}

/// Whether an answer was given before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Repeated {
    /// It is new.
    #[n(0)]
    First,
    /// The same request was answered before: this is that answer.
    #[n(1)]
    Again,
}

/// What the core knows of a payment. Linearizable: read in the writer's turn.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PaymentStatus {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The payment.
    #[n(1)]
    pub payment: PaymentId,
    /// How it ended, if it has.
    #[n(2)]
    pub ending: Option<EndedAt>,
    /// The head of the settlement book when it was asked: if nothing has ended below it, nothing
    /// had happened then.
    #[n(3)]
    pub head: Position,
    /// Whether the debtor's money is held.
    #[n(4)]
    pub held: Held,
    /// Where it stands; `None` where the core knows nothing of it.
    #[n(5)]
    pub standing: Option<Standing>,
}

/// A state with its codes in ISO 20022: `docs/formats/status.md`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Standing {
    /// The state's name.
    #[n(0)]
    pub state: String,
    /// External payment transaction status code.
    #[n(1)]
    pub status: String,
    /// External status reason code, where it was refused.
    #[n(2)]
    pub reason: Option<String>,
    /// The payments by which it was given back.
    #[n(3)]
    pub linked: Vec<LinkedPayment>,
}

/// A payment by which another one was given back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LinkedPayment {
    /// `return` or `refund`.
    #[n(0)]
    pub what: String,
    /// Which.
    #[n(1)]
    pub payment: PaymentId,
}

/// An ending and its place.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EndedAt {
    /// How.
    #[n(0)]
    pub ending: Ending,
    /// Where.
    #[n(1)]
    pub position: Position,
    /// When.
    #[n(2)]
    pub recorded_at: Instant,
}

/// What the debtor's book says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Held {
    /// Nothing.
    #[n(0)]
    No,
    /// Money is held, pinned.
    #[n(1)]
    Yes,
    /// It was posted.
    #[n(2)]
    Debited,
    /// It was released.
    #[n(3)]
    Released,
}

/// An account as its institution and its owner see it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AccountView {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Owner, name and key.
    #[n(1)]
    pub profile: AccountProfile,
    /// What may leave it now.
    #[n(2)]
    pub available: Amount,
    /// Whether it takes debits.
    #[n(3)]
    pub debits: Taken,
    /// Whether it takes credits.
    #[n(4)]
    pub credits: Taken,
    /// The head of the customers' book when it was read.
    #[n(5)]
    pub head: Position,
}

/// Whether an account takes entries of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Taken {
    /// It does.
    #[n(0)]
    Yes,
    /// It is frozen or closed for them.
    #[n(1)]
    No,
}

/// An institution opens an account for a customer in its hosted book.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct NewCustomer {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Owner, name and key.
    #[n(1)]
    pub profile: AccountProfile,
    /// In which asset.
    #[n(2)]
    pub asset: AssetCode,
}

/// What an edge instance must know before it serves: what every instance of its institution goes
/// by.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EdgeBasis {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The institution's snapshot in force, if one was published.
    #[n(1)]
    pub snapshot: Option<Signed<Snapshot>>,
    /// The newest status lists that any of its instances saw.
    #[n(2)]
    pub status_lists: Vec<StatusMark>,
}

/// What is staged on one side of a corridor by one institution.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StagedPacks {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The number of the last step; 0 when there was none, and notices say what is in force.
    #[n(1)]
    pub step: u64,
    /// The packs, by digest.
    #[n(2)]
    pub packs: Vec<StagedPack>,
}

/// A pack and its stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StagedPack {
    /// Its digest.
    #[n(0)]
    pub pack: seal::Digest,
    /// Digest of its schema.
    #[n(1)]
    pub schema: seal::Digest,
    /// How far it has come.
    #[n(2)]
    pub stage: record::Stage,
}
