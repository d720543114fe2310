//! What is no longer in memory: past transactions and ended holds, handed in where a command
//! needs them.
//!
//! A [`Ledger`](crate::Ledger) knows what is open. Ids are known for ever, by whoever keeps the
//! journal: [`Ledger::plan`](crate::Ledger::plan) names the ids that a command needs to know
//! about, and [`Past`] says what became of them. Plan, find and check a command at one state: a
//! hold that another command ends in between is not in memory any more.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use seal::Digest;
use terms::{HoldId, Instant, TransactionId};

use crate::change::{Change, Ended, Resolved};
use crate::hold::{Hold, HoldState, Term};
use crate::transaction::Transaction;

/// An id that a command needs to know about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PastKey {
    /// Whether and how it was posted.
    Transaction(TransactionId),
    /// Whether it was placed, and how it ended.
    Hold(HoldId),
}

/// A transaction and when it was posted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Posted {
    /// The stamp of its batch.
    #[n(0)]
    pub at: Instant,
    /// The transaction, with its exact entries.
    #[n(1)]
    pub transaction: Transaction,
    /// Digest of the draft that it was resolved from.
    #[n(2)]
    pub asked: Option<Digest>,
}

/// What became of ids that are not in memory. It must know every id that
/// [`Ledger::plan`](crate::Ledger::plan) names for the command that is checked.
pub trait Past {
    /// The transaction of that id, if it was ever posted.
    fn transaction(&self, id: TransactionId) -> Option<&Posted>;
    /// The hold of that id, if it has ended.
    fn hold(&self, id: HoldId) -> Option<&Hold>;
}

/// Keeps what leaves the memory of a [`Ledger`](crate::Ledger) when a change is applied.
pub trait Remember {
    /// A transaction was posted; `asked` is the digest of the draft that it came from.
    fn posted(&mut self, at: Instant, transaction: &Transaction, asked: Option<Digest>);
    /// A hold has ended.
    fn ended(&mut self, hold: Hold);
}

/// Every id is new: for tests of rules, and for ids that are surely new.
#[derive(Clone, Copy, Debug)]
pub struct Fresh;

impl Past for Fresh {
    fn transaction(&self, _: TransactionId) -> Option<&Posted> {
        None
    }

    fn hold(&self, _: HoldId) -> Option<&Hold> {
        None
    }
}

/// Remembers nothing: the journal does.
impl Remember for Fresh {
    fn posted(&mut self, _: Instant, _: &Transaction, _: Option<Digest>) {}

    fn ended(&mut self, _: Hold) {}
}

/// What was found in the journal for the ids of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    posted: BTreeMap<TransactionId, Posted>,
    holds: BTreeMap<HoldId, Hold>,
}

impl Rows {
    /// Nothing found yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { posted: BTreeMap::new(), holds: BTreeMap::new() }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.posted.is_empty() && self.holds.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.posted.clear();
        self.holds.clear();
    }

    /// Learns from a change that names a wanted id. For one id the changes come in order of
    /// their positions, the first one that names it included; learning one twice does no harm.
    pub fn learn(&mut self, stamp: Instant, change: &Change) {
        self.learn_of_holds(stamp, change);
        if let Resolved::Posted { transaction, asked, .. } = change.resolved() {
            // Learned twice, it is the same twice.
            self.posted(stamp, transaction, *asked);
        }
    }

    /// As [`Rows::learn`], what it says of holds only: for a change that was found by a hold.
    pub fn learn_of_holds(&mut self, stamp: Instant, change: &Change) {
        match change.resolved() {
            Resolved::HoldPlaced(placement) => {
                self.holds.entry(placement.id).or_insert_with(|| Hold {
                    placement: placement.clone(),
                    placed_at: stamp,
                    state: HoldState::Open(placement.term),
                    taken: None,
                    parts: None,
                });
            }
            Resolved::HoldPinned { hold } => self.turn(*hold, HoldState::Open(Term::Pinned)),
            Resolved::HoldVoided { hold, .. } => self.turn(*hold, HoldState::Voided),
            Resolved::HoldExpired { hold, .. } => self.turn(*hold, HoldState::Expired),
            Resolved::Posted { transaction, ended, .. } => {
                for end in ended {
                    self.learn_post(transaction.id, end);
                }
            }
            Resolved::AccountOpened(_)
            | Resolved::LimitsSet { .. }
            | Resolved::FreezeSet { .. }
            | Resolved::BlockedSet { .. }
            | Resolved::AccountClosed { .. } => {}
        }
    }

    fn learn_post(&mut self, transaction: TransactionId, end: &Ended) {
        match end.kept {
            None => self.turn(end.hold, HoldState::Posted { transaction, amount: end.posted }),
            // What is kept says how much was taken in all, so learning it twice does no harm.
            Some(kept) => {
                if let Some(hold) = self.hold_mut(end.hold)
                    && matches!(hold.state, HoldState::Open(_))
                {
                    hold.taken = hold.placement.amount.minus(kept).ok().max(hold.taken);
                }
            }
        }
    }

    /// A hold that is open moves on; one that has ended stays as it is.
    fn turn(&mut self, id: HoldId, state: HoldState) {
        if let Some(hold) = self.hold_mut(id)
            && matches!(hold.state, HoldState::Open(_))
        {
            hold.state = state;
        }
    }

    fn hold_mut(&mut self, id: HoldId) -> Option<&mut Hold> {
        self.holds.get_mut(&id)
    }
}

impl Past for Rows {
    fn transaction(&self, id: TransactionId) -> Option<&Posted> {
        self.posted.get(&id)
    }

    fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.get(&id)
    }
}

impl Remember for Rows {
    fn posted(&mut self, at: Instant, transaction: &Transaction, asked: Option<Digest>) {
        self.posted.entry(transaction.id).or_insert_with(|| Posted {
            at,
            transaction: transaction.clone(),
            asked,
        });
    }

    fn ended(&mut self, hold: Hold) {
        self.holds.insert(hold.placement.id, hold);
    }
}

/// Keeps everything in memory: for books with few transactions, and for audits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryPast {
    pub(crate) transactions: BTreeMap<TransactionId, Posted>,
    pub(crate) holds: BTreeMap<HoldId, Hold>,
}

impl MemoryPast {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All transactions, by id.
    pub fn transactions(&self) -> impl Iterator<Item = &Posted> {
        self.transactions.values()
    }

    /// All ended holds, by id.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }
}

impl Past for MemoryPast {
    fn transaction(&self, id: TransactionId) -> Option<&Posted> {
        self.transactions.get(&id)
    }

    fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.get(&id)
    }
}

impl Remember for MemoryPast {
    fn posted(&mut self, at: Instant, transaction: &Transaction, asked: Option<Digest>) {
        let posted = Posted { at, transaction: transaction.clone(), asked };
        self.transactions.insert(transaction.id, posted);
    }

    fn ended(&mut self, hold: Hold) {
        self.holds.insert(hold.placement.id, hold);
    }
}
