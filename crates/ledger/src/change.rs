//! What happened: resolved outcomes, as they stand in a fact.

use minicbor::{Decode, Encode};
use seal::Digest;
use smallvec::SmallVec;
use terms::{AccountId, HoldId, Instant, Minor};

use crate::account::{Balances, Ceiling, Floor, Freeze, Opening};
use crate::hold::{Placement, VoidGround};
use crate::transaction::Transaction;

/// One change of a ledger. Made by [`check`](crate::Ledger::check), or read back from a fact.
///
/// Its layout is versioned by the kind of fact that holds it; see `docs/formats/ledger.md`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Change(#[n(0)] pub(crate) Resolved);

impl Change {
    /// What it says, for statements, exports and read models.
    #[must_use]
    pub const fn resolved(&self) -> &Resolved {
        &self.0
    }
}

/// How a hold was posted by a transaction, in whole or in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Ended {
    /// Which hold.
    #[n(0)]
    pub hold: HoldId,
    /// How much of it was posted.
    #[n(1)]
    pub posted: Minor,
    /// How much of it was released.
    #[n(2)]
    pub released: Minor,
    /// How much of it stays held: then it has not ended.
    #[n(3)]
    pub kept: Option<Minor>,
}

/// The content of a [`Change`]. Numbers are never reused.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Resolved {
    /// An account was opened.
    #[n(0)]
    AccountOpened(#[n(0)] Opening),
    /// Floor and ceiling were set.
    #[n(1)]
    LimitsSet {
        /// Of which account.
        #[n(0)]
        account: AccountId,
        /// The floor from now on.
        #[n(1)]
        floor: Floor,
        /// The ceiling from now on.
        #[n(2)]
        ceiling: Ceiling,
    },
    /// An account was frozen or thawed.
    #[n(2)]
    FreezeSet {
        /// Which account.
        #[n(0)]
        account: AccountId,
        /// Which new entries it refuses from now on.
        #[n(1)]
        freeze: Freeze,
    },
    /// Part of the amount was blocked.
    #[n(3)]
    BlockedSet {
        /// Of which account.
        #[n(0)]
        account: AccountId,
        /// How much may not leave from now on.
        #[n(1)]
        amount: Minor,
    },
    /// An account was closed.
    #[n(4)]
    AccountClosed {
        /// Which account.
        #[n(0)]
        account: AccountId,
    },
    /// Money was set aside.
    #[n(5)]
    HoldPlaced(#[n(0)] Placement),
    /// A hold will not expire any more.
    #[n(6)]
    HoldPinned {
        /// Which hold.
        #[n(0)]
        hold: HoldId,
    },
    /// A hold was released whole.
    #[n(7)]
    HoldVoided {
        /// Which hold.
        #[n(0)]
        hold: HoldId,
        /// How much came free.
        #[n(1)]
        released: Minor,
        /// Why it might be.
        #[n(2)]
        ground: VoidGround,
    },
    /// A hold ran out.
    #[n(8)]
    HoldExpired {
        /// Which hold.
        #[n(0)]
        hold: HoldId,
        /// How much came free.
        #[n(1)]
        released: Minor,
    },
    /// Entries were posted.
    #[n(9)]
    Posted {
        /// The transaction, with its exact entries.
        #[n(0)]
        transaction: Transaction,
        /// The holds it posted, in the order of its entries.
        #[n(1)]
        ended: Vec<Ended>,
        /// Digest of the draft that it was resolved from.
        #[n(2)]
        asked: Option<Digest>,
    },
}

/// Whether a command is done now or was done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done by the changes that come with this answer.
    Done,
    /// The same id with the same content was done before; there is nothing to change.
    Repeated {
        /// When it was done.
        first: Instant,
    },
}

/// What a command leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// New or known.
    pub answer: Answer,
    /// The touched accounts as they stand afterwards, by id; absent for a repeated command,
    /// because its balances were those of another position.
    pub balances: SmallVec<[Balances; 2]>,
}

/// A command that was checked. Only [`check`](crate::Ledger::check) makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing has happened until the changes are recorded and applied"]
pub struct Checked {
    pub(crate) changes: SmallVec<[Change; 1]>,
    pub(crate) outcome: Outcome,
}

/// Where a check tells what it found: kept whole in a [`Checked`], or made into something else at
/// once, because a transaction is large and each move of it costs.
pub trait Findings {
    /// A change to record, in order.
    fn change(&mut self, change: Change);

    /// Whether balances are of use. Making them costs as much as a rule.
    fn wants_balances(&self) -> bool {
        true
    }

    /// A touched account as it stands afterwards; in the order of ids.
    fn balances(&mut self, after: Balances);

    /// It was done before, then; no change comes.
    fn repeated(&mut self, first: Instant);
}

impl Findings for Checked {
    fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    fn balances(&mut self, after: Balances) {
        self.outcome.balances.push(after);
    }

    fn repeated(&mut self, first: Instant) {
        self.outcome.answer = Answer::Repeated { first };
    }
}

impl Checked {
    pub(crate) fn nothing() -> Self {
        let balances = SmallVec::new();
        let outcome = Outcome { answer: Answer::Done, balances };
        Self { changes: SmallVec::new(), outcome }
    }

    /// The changes, in the order in which they are applied.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What to answer, once the changes are durable.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Both.
    #[must_use]
    pub fn into_parts(self) -> (SmallVec<[Change; 1]>, Outcome) {
        (self.changes, self.outcome)
    }
}
