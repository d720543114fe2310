//! A transaction whose amounts the ledger finds: as much as there is, a sweep, a split.
//!
//! A draft is resolved when it is checked, in the writer's turn, into exact entries; what is
//! stored is those, with a digest of the draft, so that the same request is known again and
//! another one under its id is a conflict.
//!
//! How, per asset:
//! 1. `Exact` lines are what they say, and count first.
//! 2. `UpTo` and `Everything` lines follow in their order. Each takes what its account has *room*
//!    for once the lines before it count: on the side on which the balance falls, what is
//!    available; on the side on which it rises, what is left below the ceiling; on a line that
//!    posts a hold, what is left of the hold.
//! 3. The *rest* is what one side of the asset still lacks. `Share` lines divide it by their
//!    weights. With a `Remainder` line each share is rounded down and that line takes what is
//!    left, all of it if there is no share; without one, the units left over go one each to the
//!    largest fractions, the earlier line first.
//! 4. Lines that came to nothing are left out. All rules are then asked of the exact entries.

use minicbor::{Decode, Encode};
use seal::Digest;
use seal::digest::Domain;
use terms::{AccountId, BusinessDate, HoldId, Minor, TransactionId};

use crate::label::Detail;
use crate::transaction::{Link, Reason, Side};
use crate::velocity::Claim;

/// Domain of the digest that a stored transaction keeps of its draft.
const DRAFT: Domain = Domain::new("wayleave/ledger-draft/v1");

/// What becomes of what a line does not post of its hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Rest {
    /// It is released, and the hold ends.
    #[n(0)]
    Released,
    /// It stays held, under the same term; the hold ends when nothing is left.
    #[n(1)]
    Kept,
}

/// The hold that a line posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Part {
    /// Which hold.
    #[n(0)]
    pub hold: HoldId,
    /// What becomes of the rest.
    #[n(1)]
    pub rest: Rest,
}

/// How much a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ask {
    /// So much.
    #[n(0)]
    Exact(#[n(0)] Minor),
    /// As much as there is room for, and no more than this.
    #[n(1)]
    UpTo(#[n(0)] Minor),
    /// All that there is room for. Its account has a floor or ceiling that bounds it.
    #[n(2)]
    Everything,
    /// A part of the rest of its asset, by weight.
    #[n(3)]
    Share {
        /// Its weight beside the other shares of the asset; never nothing.
        #[n(0)]
        weight: u32,
    },
    /// What the shares leave of the rest. At most one per asset.
    #[n(4)]
    Remainder,
}

/// One line of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Line {
    /// On which account; the account says of what asset.
    #[n(0)]
    pub account: AccountId,
    /// Left or right.
    #[n(1)]
    pub side: Side,
    /// How much.
    #[n(2)]
    pub ask: Ask,
    /// The hold that it posts.
    #[n(3)]
    pub part: Option<Part>,
}

/// A transaction whose amounts the ledger finds.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Draft {
    /// The id of the transaction, chosen by the client.
    #[n(0)]
    pub id: TransactionId,
    /// The day of the book that it counts for.
    #[n(1)]
    pub business_date: BusinessDate,
    /// Why.
    #[n(2)]
    pub reason: Reason,
    /// One to [`ENTRIES_MAX`](crate::transaction::ENTRIES_MAX) lines.
    #[n(3)]
    pub lines: Vec<Line>,
    /// Totals it counts into, by exact amounts.
    #[n(4)]
    pub claims: Vec<Claim>,
    /// What it belongs to.
    #[n(5)]
    pub links: Vec<Link>,
    /// What else it says.
    #[n(6)]
    pub detail: Option<Box<Detail>>,
}

impl Draft {
    /// What a stored transaction keeps of the draft it came from.
    #[must_use]
    pub fn digest(&self) -> Digest {
        seal::digest(DRAFT, &seal::to_canonical(self))
    }
}
