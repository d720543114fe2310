//! What the read models' answers are made of, as it travels.

use ledger::{Side, Term};
use minicbor::{Decode, Encode};
use store::views::{
    AccountLine as Trial, DaySums, HoldEvent, HoldStep, OpenHold, Pending, StatementEntry, Sums,
};
use terms::{AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor, Position, TransactionId};

use super::StatementLine;

/// As of when an account's balance is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum AsOf {
    /// After everything that the answer has seen.
    #[n(0)]
    Now,
    /// After the fact at this position.
    #[n(1)]
    Position(#[n(0)] Position),
    /// After every fact stamped at this moment or earlier.
    #[n(2)]
    LedgerTime(#[n(0)] Instant),
    /// Counting each entry that takes effect at this moment or earlier.
    #[n(3)]
    EffectiveTime(#[n(0)] Instant),
}

/// Which entries of a statement are wanted: those that fit everything that is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EntryFilter {
    /// On this side.
    #[n(0)]
    pub side: Option<Side>,
    /// Posted at this moment or later.
    #[n(1)]
    pub from: Option<Instant>,
    /// Posted before this moment.
    #[n(2)]
    pub until: Option<Instant>,
    /// In effect at this moment or later; an entry that does not say takes effect when posted.
    #[n(3)]
    pub effective_from: Option<Instant>,
    /// In effect before this moment.
    #[n(4)]
    pub effective_until: Option<Instant>,
    /// Of this business date or a later one.
    #[n(5)]
    pub first_date: Option<BusinessDate>,
    /// Of this business date or an earlier one.
    #[n(6)]
    pub last_date: Option<BusinessDate>,
    /// Of this amount or more.
    #[n(7)]
    pub amount_min: Option<Minor>,
    /// Of this amount or less.
    #[n(8)]
    pub amount_max: Option<Minor>,
    /// For this reason.
    #[n(9)]
    pub reason: Option<ledger::Reason>,
    /// Of a transaction with this code. Read from the journal: a page looks at a few hundred.
    #[n(10)]
    pub code: Option<u16>,
    /// Of a transaction that also touches this account. Read from the journal, likewise.
    #[n(11)]
    pub counterparty: Option<AccountId>,
}

/// Debits and credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DebitsCredits {
    /// Sum of debits.
    #[n(0)]
    pub debits: Minor,
    /// Sum of credits.
    #[n(1)]
    pub credits: Minor,
}

impl DebitsCredits {
    const fn of(sums: &Sums) -> Self {
        Self { debits: sums.debits, credits: sums.credits }
    }
}

/// An account's counters as of some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BalanceLine {
    /// Which account.
    #[n(0)]
    pub account: AccountId,
    /// Of which asset.
    #[n(1)]
    pub asset: AssetCode,
    /// What was posted.
    #[n(2)]
    pub posted: DebitsCredits,
    /// What was held; `None` by effective time: a hold has none.
    #[n(3)]
    pub pending: Option<DebitsCredits>,
}

impl From<store::views::AccountBalance> for BalanceLine {
    fn from(of: store::views::AccountBalance) -> Self {
        let pending = match of.pending {
            Pending::Known { debits, credits } => Some(DebitsCredits { debits, credits }),
            Pending::NotByEffectiveTime => None,
        };
        let posted = DebitsCredits { debits: of.debits_posted, credits: of.credits_posted };
        Self { account: of.account, asset: of.asset, posted, pending }
    }
}

/// One account's line of a trial balance: `opening` and `day` make `closing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AccountTrialLine {
    /// Which account.
    #[n(0)]
    pub account: AccountId,
    /// Of which asset.
    #[n(1)]
    pub asset: AssetCode,
    /// The side on which its balance grows.
    #[n(2)]
    pub normal: Side,
    /// Everything of earlier business dates.
    #[n(3)]
    pub opening: DebitsCredits,
    /// Everything of this one.
    #[n(4)]
    pub day: DebitsCredits,
    /// Both.
    #[n(5)]
    pub closing: DebitsCredits,
}

impl From<&Trial> for AccountTrialLine {
    fn from(line: &Trial) -> Self {
        let DaySums { opening, day, closing } = &line.sums;
        let (account, asset, normal) = (line.account, line.asset, line.normal);
        let [opening, day, closing] = [opening, day, closing].map(DebitsCredits::of);
        Self { account, asset, normal, opening, day, closing }
    }
}

/// A hold that no fact has ended; one whose moment has passed may wait for the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OpenHoldLine {
    /// Which hold.
    #[n(0)]
    pub hold: HoldId,
    /// On which account.
    #[n(1)]
    pub account: AccountId,
    /// On which side.
    #[n(2)]
    pub side: Side,
    /// How much is still held.
    #[n(3)]
    pub amount: Minor,
    /// Until when.
    #[n(4)]
    pub term: Term,
    /// The day it counts for.
    #[n(5)]
    pub business_date: BusinessDate,
    /// Of the fact that placed it.
    #[n(6)]
    pub position: Position,
    /// When it was placed.
    #[n(7)]
    pub placed_at: Instant,
}

impl From<&OpenHold> for OpenHoldLine {
    fn from(of: &OpenHold) -> Self {
        Self {
            hold: of.hold,
            account: of.account,
            side: of.side,
            amount: of.amount,
            term: of.term,
            business_date: of.business_date,
            position: of.position,
            placed_at: of.placed_at,
        }
    }
}

/// How a hold moved on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Step {
    /// Placed, until then.
    #[n(0)]
    Placed(#[n(0)] Term),
    /// Posted, wholly or in part.
    #[n(1)]
    Posted,
    /// Released by a person or a use case.
    #[n(2)]
    Voided,
    /// Released by time.
    #[n(3)]
    Expired,
    /// It will not expire any more.
    #[n(4)]
    Pinned,
}

/// One step of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct HoldEventLine {
    /// Of the fact.
    #[n(0)]
    pub position: Position,
    /// When.
    #[n(1)]
    pub stamp: Instant,
    /// Which hold.
    #[n(2)]
    pub hold: HoldId,
    /// What.
    #[n(3)]
    pub step: Step,
    /// On which side.
    #[n(4)]
    pub side: Side,
    /// How much came to be held, or is not held any more.
    #[n(5)]
    pub amount: Minor,
    /// What is held on the account afterwards.
    #[n(6)]
    pub pending: DebitsCredits,
}

impl From<&HoldEvent> for HoldEventLine {
    fn from(of: &HoldEvent) -> Self {
        let step = match of.step {
            HoldStep::Placed(term) => Step::Placed(term),
            HoldStep::Posted => Step::Posted,
            HoldStep::Voided => Step::Voided,
            HoldStep::Expired => Step::Expired,
            HoldStep::Pinned => Step::Pinned,
        };
        Self {
            position: of.position,
            stamp: of.stamp,
            hold: of.hold,
            step,
            side: of.side,
            amount: of.amount,
            pending: DebitsCredits { debits: of.debits_pending, credits: of.credits_pending },
        }
    }
}

/// A transaction that names something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LinkedLine {
    /// Where its fact lies.
    #[n(0)]
    pub position: Position,
    /// Which.
    #[n(1)]
    pub transaction: TransactionId,
}

impl From<&StatementEntry> for StatementLine {
    fn from(entry: &StatementEntry) -> Self {
        Self {
            position: entry.position,
            stamp: entry.stamp,
            effective: entry.effective,
            transaction: entry.transaction,
            business_date: entry.business_date,
            side: entry.side,
            amount: entry.amount,
            debits_posted: entry.debits_posted,
            credits_posted: entry.credits_posted,
            reason: entry.reason,
        }
    }
}
