//! What crosses about authority that is leased beforehand.
//!
//! | role | route | body → answer |
//! |---|---|---|
//! | bank | `POST /v1/leases` | [`LeaseTold`], by the core |
//! | bank | `GET /v1/leases?after={payment}` | → [`LeaseReports`], by the core |
//! | bank | `POST /v1/lease-orders` | [`SettleOrder`] → signed [`LeaseAcceptance`], by a wallet |
//! | bank | `GET /v1/leases/held` | → JSON [`HeldLeases`], by the operator |
//! | core | `GET /v1/leases` | → JSON [`Leases`], by the operator |
//! | core | `POST /v1/lease-ends` | `TwoPersons<LeaseEnd>`, by the operator |

use minicbor::{Decode, Encode};
use record::{Blind, LeaseAcceptance, LeaseFinal, LeaseGrant, LeaseLine, SettleOrder, Signed};
use serde::{Deserialize, Serialize};
use terms::{Minor, PaymentId};

/// What the core tells a bank.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LeaseTold {
    /// A lease was granted.
    #[n(0)]
    Granted(#[n(0)] Box<Signed<LeaseGrant>>),
    /// A lease is settled: it need not be reported any more.
    #[n(1)]
    Settled(#[n(0)] LeaseLine, #[n(1)] u64),
}

/// What a bank has to report: again and again, until the core has settled it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LeaseReports {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Payments that it accepted and that are not ended here, ascending, at most
    /// [`SPENDINGS_PAGE`].
    #[n(1)]
    pub spendings: Vec<ReportedSpending>,
    /// Ask again after this payment, if there may be more.
    #[n(2)]
    pub after: Option<PaymentId>,
    /// Its leases, those that never arrived too.
    #[n(3)]
    pub leases: Vec<ReportedLease>,
}

/// Spendings of one answer: some 12 KiB each.
pub const SPENDINGS_PAGE: usize = 64;

/// A payment that a bank accepted under a lease.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReportedSpending {
    /// The order.
    #[n(0)]
    pub order: SettleOrder,
    /// What its documents are kept under in the bank's book.
    #[n(1)]
    pub blind: Blind,
    /// The bank's word.
    #[n(2)]
    pub acceptance: Signed<LeaseAcceptance>,
}

/// What a bank says of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReportedLease {
    /// Of which line.
    #[n(0)]
    pub line: LeaseLine,
    /// Which lease.
    #[n(1)]
    pub number: u64,
    /// How much of its own side is spent, in minor units.
    #[n(2)]
    pub spent: Minor,
    /// Its signed word that nothing more is spent of it, once that is so.
    #[n(3)]
    pub closed: Option<Signed<LeaseFinal>>,
}

/// The leases of a settlement book that are not settled, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leases {
    /// One for each, by line and number.
    pub leases: Vec<LeaseRow>,
}

/// A lease that is not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRow {
    /// The bank.
    pub institution: String,
    /// The provider.
    pub provider: String,
    /// Its number.
    pub number: u64,
    /// The asset of the bank's side.
    pub debit_asset: String,
    /// How much of it is held back, in minor units.
    pub debit: String,
    /// The asset of the provider's side.
    pub credit_asset: String,
    /// How much of it is held back, in minor units.
    pub credit: String,
    /// What was reported as spent of the bank's side, in minor units.
    pub spent: String,
    /// How many payments that were.
    pub payments: u64,
    /// When it was granted.
    pub granted_at: String,
    /// When the authority ends.
    pub ends_at: String,
    /// `in-force`; `ended-waiting`: nothing more may be spent, and of what was reported something
    /// waits; `ended-unreported`: nothing more may be spent, and the bank has not said what was.
    pub standing: String,
    /// What keeps a reported spending from settling, if something does.
    pub waits: Vec<WaitingSpending>,
}

/// A reported spending that an account does not let through now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingSpending {
    /// The payment.
    pub payment: String,
    /// The rule, and what it says.
    pub rule: String,
}

/// The leases of a bank's own book, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldLeases {
    /// Whether the bank hears the core.
    pub link: LinkStanding,
    /// One for each line.
    pub lines: Vec<HeldRow>,
}

/// Whether a bank hears the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkStanding {
    /// It does: nothing is accepted under a lease.
    Heard,
    /// It has not for longer than its patience.
    Cut,
}

/// How a line stands in a bank's own book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldRow {
    /// The provider.
    pub provider: String,
    /// The asset of the bank's side.
    pub debit_asset: String,
    /// The asset of the provider's side.
    pub credit_asset: String,
    /// The newest lease's number.
    pub number: u64,
    /// How much was leased, in minor units.
    pub debit: String,
    /// How much of it is spent, in minor units.
    pub spent: String,
    /// What is accepted on this line and not yet ended by the core, in minor units.
    pub unreported: String,
    /// When the authority ends, by the core's clock.
    pub ends_at: String,
    /// Whether something may still be spent of it.
    pub is_open: bool,
}
