//! A hold: money of one account set aside until it is posted, voided or expires.

use minicbor::{Decode, Encode};
use seal::Digest;
use terms::{AccountId, BusinessDate, HoldId, Instant, Minor, TransactionId};

use crate::transaction::{Link, Side};
use crate::velocity::VelocityLimit;

/// How long a hold stands by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Term {
    /// Open while `stamp < at`, whether or not a sweep has run.
    #[n(0)]
    Expiring {
        /// The first moment at which it is not open.
        #[n(0)]
        at: Instant,
    },
    /// Never expires: something may have been sent outside.
    #[n(1)]
    Pinned,
}

/// What is said when a hold is placed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Placement {
    /// Its id, chosen by the client.
    #[n(0)]
    pub id: HoldId,
    /// On which account.
    #[n(1)]
    pub account: AccountId,
    /// Debit sets money aside, credit sets room below a ceiling aside.
    #[n(2)]
    pub side: Side,
    /// How much.
    #[n(3)]
    pub amount: Minor,
    /// Until when.
    #[n(4)]
    pub term: Term,
    /// The day it counts for.
    #[n(5)]
    pub business_date: BusinessDate,
    /// Totals the whole amount counts into; given back as far as it is not posted.
    #[n(6)]
    pub limits: Vec<VelocityLimit>,
    /// What it belongs to.
    #[n(7)]
    pub links: Vec<Link>,
}

impl Placement {
    /// The first field in which `other` differs.
    pub(crate) fn differs(&self, other: &Self) -> Option<&'static str> {
        [
            (self.account != other.account, "account"),
            (self.side != other.side, "side"),
            (self.amount != other.amount, "amount"),
            (self.term != other.term, "term"),
            (self.business_date != other.business_date, "business_date"),
            (self.limits != other.limits, "limits"),
            (self.links != other.links, "links"),
        ]
        .into_iter()
        .find_map(|(differs, field)| differs.then_some(field))
    }
}

/// Most posts that take a part of one hold and keep the rest: whoever looks a hold up later reads
/// each of them.
pub const HOLD_PARTS_MAX: u32 = 256;

/// Where a hold stands. It ends once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum HoldState {
    /// Not ended by a fact; an expiring one may nevertheless be past its moment.
    #[n(0)]
    Open(#[n(0)] Term),
    /// Ended: posted, the rest released.
    #[n(1)]
    Posted {
        /// By which transaction.
        #[n(0)]
        transaction: TransactionId,
        /// How much of it, beside what earlier posts took.
        #[n(1)]
        amount: Minor,
    },
    /// Ended: released whole by a person or a use case.
    #[n(2)]
    Voided,
    /// Ended: released whole by time.
    #[n(3)]
    Expired,
}

/// A hold as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Hold {
    #[n(0)]
    pub(crate) placement: Placement,
    #[n(1)]
    pub(crate) placed_at: Instant,
    #[n(2)]
    pub(crate) state: HoldState,
    /// What earlier posts took and left the rest held.
    #[n(3)]
    pub(crate) taken: Option<Minor>,
    /// How many those were.
    #[n(4)]
    pub(crate) parts: Option<u32>,
}

impl Hold {
    /// What was said when it was placed.
    #[must_use]
    pub const fn placement(&self) -> &Placement {
        &self.placement
    }

    /// When it was placed.
    #[must_use]
    pub const fn placed_at(&self) -> Instant {
        self.placed_at
    }

    /// Where it stands by facts.
    #[must_use]
    pub const fn state(&self) -> HoldState {
        self.state
    }

    /// How much of it earlier posts took that kept the rest.
    #[must_use]
    pub fn taken(&self) -> Minor {
        self.taken.unwrap_or(Minor::ZERO)
    }

    /// How many posts took a part of it and kept the rest.
    #[must_use]
    pub fn parts(&self) -> u32 {
        self.parts.unwrap_or(0)
    }

    /// How much of it is left: what is still set aside while it is open.
    #[must_use]
    pub fn remaining(&self) -> Minor {
        Minor::new(self.placement.amount.units().saturating_sub(self.taken().units()))
    }

    /// Whether it may still be pinned or posted at `stamp`.
    #[must_use]
    pub fn is_open(&self, stamp: Instant) -> bool {
        match self.state {
            HoldState::Open(Term::Expiring { at }) => stamp < at,
            HoldState::Open(Term::Pinned) => true,
            HoldState::Posted { .. } | HoldState::Voided | HoldState::Expired => false,
        }
    }
}

/// Who says that what was sent outside was surely not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum NotDoneSource {
    /// The rail refused it, in a message we keep.
    #[n(0)]
    RailRefused,
    /// It was never handed to the rail, as our own facts show.
    #[n(1)]
    NeverSent,
    /// Two persons, with what they saw.
    #[n(2)]
    TwoPersons,
    /// One person, with what they saw; whoever asks for two refuses it before.
    #[n(3)]
    OnePerson,
}

/// Evidence that what a pinned hold waits for was surely not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct NotDone {
    /// Who says so.
    #[n(0)]
    pub source: NotDoneSource,
    /// Digest of the document that says so.
    #[n(1)]
    pub document: Digest,
}

/// Why a hold may be voided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum VoidGround {
    /// Nobody needs it any more; not enough for a pinned hold.
    #[n(0)]
    Cancelled,
    /// What was sent outside was surely not done.
    #[n(1)]
    NotDone(#[n(0)] NotDone),
}
