//! The ledger's state, and how changes are applied to it.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use terms::{AccountId, AmountError, AssetCode, HoldId, Instant, Minor, TransactionId};
use thiserror::Error;

use crate::account::{Account, Balances, Ceiling, Standing};
use crate::change::{Change, Ended, Resolved};
use crate::hold::{Hold, HoldState, Placement, Term};
use crate::refusal::Refusal;
use crate::transaction::{Side, Transaction};
use crate::velocity::{Bucket, Counter};

/// Sums over all accounts of one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Total {
    /// Sum of all posted debits.
    #[n(0)]
    pub debits_posted: Minor,
    /// Sum of all posted credits; always the same.
    #[n(1)]
    pub credits_posted: Minor,
    /// Sum of all held debits.
    #[n(2)]
    pub debits_pending: Minor,
    /// Sum of all held credits.
    #[n(3)]
    pub credits_pending: Minor,
}

impl Total {
    const ZERO: Self = Self {
        debits_posted: Minor::ZERO,
        credits_posted: Minor::ZERO,
        debits_pending: Minor::ZERO,
        credits_pending: Minor::ZERO,
    };
}

/// Accounts, holds, transactions and totals of one book. A fold over [`Change`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) holds: BTreeMap<HoldId, Hold>,
    pub(crate) transactions: BTreeMap<TransactionId, Posted>,
    pub(crate) counters: BTreeMap<Bucket, Counter>,
    pub(crate) totals: BTreeMap<AssetCode, Total>,
    // Open expiring holds by their moment: derived from `holds`, never stored.
    pub(crate) deadlines: BTreeSet<(Instant, HoldId)>,
}

/// A transaction and when it was posted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Posted {
    #[n(0)]
    pub(crate) at: Instant,
    #[n(1)]
    pub(crate) transaction: Transaction,
}

/// What an amount does to a counter.
#[derive(Clone, Copy)]
pub(crate) enum Turn {
    Post,
    Hold,
    Release,
}

/// One amount that moves on one side of one account.
#[derive(Clone, Copy)]
pub(crate) struct Move {
    pub(crate) account: AccountId,
    pub(crate) side: Side,
    pub(crate) turn: Turn,
    pub(crate) amount: Minor,
}

/// The touched accounts and totals as they stand after some moves.
pub(crate) struct Staged {
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    totals: BTreeMap<AssetCode, Total>,
}

/// What [`Ledger::audit`] found to be false.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuditFault {
    /// Debits and credits of an asset differ.
    #[error("debits and credits of `{asset}` differ")]
    Unbalanced {
        /// Which asset.
        asset: AssetCode,
    },
    /// A stored total is not the sum over its accounts.
    #[error("the total of `{asset}` is not the sum over its accounts")]
    TotalDiffers {
        /// Which asset.
        asset: AssetCode,
    },
    /// An account's counters are not the sums over transactions and holds.
    #[error("the counters of account `{account}` are not the sums over its entries and holds")]
    CountersDiffer {
        /// Which account.
        account: AccountId,
    },
    /// An account has passed its floor or ceiling.
    #[error("account `{account}` has passed its floor or ceiling")]
    LimitPassed {
        /// Which account.
        account: AccountId,
    },
    /// A velocity counter is not the sum over its holds and claims.
    #[error("a counter from `{}` is not the sum over its holds and claims", .bucket.first_day)]
    CountDiffers {
        /// Which counter.
        bucket: Bucket,
    },
    /// An entry or hold names an account that does not exist, or a sum exceeds 128 bits.
    #[error("a sum or a reference is broken")]
    Broken,
}

impl Ledger {
    /// A ledger without accounts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The account of that id.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// The counters of an account, and what they leave available.
    #[must_use]
    pub fn balances(&self, account: AccountId) -> Option<Balances> {
        self.accounts.get(&account).map(Account::balances)
    }

    /// The hold of that id, ended or not.
    #[must_use]
    pub fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.get(&id)
    }

    /// All holds, by id, ended ones included.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }

    /// The transaction of that id, and when it was posted.
    #[must_use]
    pub fn transaction(&self, id: TransactionId) -> Option<(Instant, &Transaction)> {
        self.transactions.get(&id).map(|posted| (posted.at, &posted.transaction))
    }

    /// What a velocity total stands at.
    #[must_use]
    pub fn counter(&self, bucket: &Bucket) -> Counter {
        self.counters.get(bucket).copied().unwrap_or(Counter::ZERO)
    }

    /// Sums over all accounts, by asset.
    #[must_use]
    pub const fn totals(&self) -> &BTreeMap<AssetCode, Total> {
        &self.totals
    }

    /// The moment at which the next hold expires: when a sweep has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Applies a change that `check` made at the same state, or that stands in the journal.
    ///
    /// # Panics
    /// When the change was not made at this state: the journal and the state have parted, and
    /// going on would invent money. The writer stops and rebuilds from the journal.
    // INVARIANT (AppliedAsChecked): a change is applied to the state at which it was checked.
    // Guarded by the order of facts in the journal; without it the expectations below fail.
    pub fn apply(&mut self, stamp: Instant, change: &Change) {
        let moves = self.moves(&change.0);
        #[expect(clippy::expect_used, reason = "INVARIANT AppliedAsChecked")]
        let staged = self.stage(&moves).expect("a change fits the state it was checked at");
        self.accounts.extend(staged.accounts);
        self.totals.extend(staged.totals);
        match &change.0 {
            Resolved::AccountOpened(opening) => {
                self.accounts.insert(opening.id, Account::opened(*opening, stamp));
                self.totals.entry(opening.asset).or_insert(Total::ZERO);
            }
            Resolved::LimitsSet { account, floor, ceiling } => {
                let account = self.account_to_change(*account);
                (account.floor, account.ceiling) = (*floor, *ceiling);
            }
            Resolved::FreezeSet { account, freeze } => {
                self.account_to_change(*account).freeze = *freeze;
            }
            Resolved::BlockedSet { account, amount } => {
                self.account_to_change(*account).blocked = *amount;
            }
            Resolved::AccountClosed { account } => {
                self.account_to_change(*account).standing = Standing::Closed(stamp);
            }
            Resolved::HoldPlaced(placement) => self.apply_placement(stamp, placement),
            Resolved::HoldPinned { hold } => {
                self.set_hold(*hold, HoldState::Open(Term::Pinned));
            }
            Resolved::HoldVoided { hold, released, .. } => {
                self.end_hold(*hold, HoldState::Voided, *released);
            }
            Resolved::HoldExpired { hold, released } => {
                self.end_hold(*hold, HoldState::Expired, *released);
            }
            Resolved::Posted { transaction, ended } => {
                self.apply_transaction(stamp, transaction, ended);
            }
        }
        debug_assert!(
            self.totals.values().all(|total| total.debits_posted == total.credits_posted),
            "INVARIANT MoneyConserved"
        );
    }

    fn apply_placement(&mut self, stamp: Instant, placement: &Placement) {
        for limit in &placement.limits {
            self.count(limit.bucket(placement.business_date), placement.amount);
        }
        let state = HoldState::Open(placement.term);
        let hold = Hold { placement: placement.clone(), placed_at: stamp, state };
        if let Term::Expiring { at } = placement.term {
            self.deadlines.insert((at, placement.id));
        }
        self.holds.insert(placement.id, hold);
    }

    fn apply_transaction(&mut self, stamp: Instant, transaction: &Transaction, ended: &[Ended]) {
        for end in ended {
            let state = HoldState::Posted { transaction: transaction.id, amount: end.posted };
            self.end_hold(end.hold, state, end.released);
        }
        for claim in &transaction.claims {
            self.count(claim.limit.bucket(transaction.business_date), claim.amount);
        }
        let posted = Posted { at: stamp, transaction: transaction.clone() };
        self.transactions.insert(transaction.id, posted);
    }

    // INVARIANT (HoldEndsOnce): `state` leaves `Open` once. Upheld by `check` (no command reaches
    // an ended hold), asserted here; without it a hold is released twice and money is invented.
    fn end_hold(&mut self, id: HoldId, state: HoldState, released: Minor) {
        let before = self.set_hold(id, state);
        assert!(matches!(before.state, HoldState::Open(_)), "INVARIANT HoldEndsOnce: `{id}`");
        let placement = before.placement;
        let posted = !matches!(state, HoldState::Voided | HoldState::Expired);
        for limit in &placement.limits {
            let bucket = limit.bucket(placement.business_date);
            if let Some(counter) = self.counters.get_mut(&bucket) {
                let left = counter.amount.units().saturating_sub(released.units());
                counter.amount = Minor::new(left);
                counter.count = counter.count.saturating_sub(u32::from(!posted));
            }
        }
    }

    /// Sets a hold's state, keeps the deadlines in step, and gives back the hold as it was.
    fn set_hold(&mut self, id: HoldId, state: HoldState) -> Hold {
        #[expect(clippy::expect_used, reason = "INVARIANT AppliedAsChecked")]
        let hold = self.holds.get_mut(&id).expect("a change names a hold that was placed");
        let before = hold.clone();
        hold.state = state;
        if let HoldState::Open(Term::Expiring { at }) = before.state {
            self.deadlines.remove(&(at, id));
        }
        before
    }

    fn account_to_change(&mut self, id: AccountId) -> &mut Account {
        #[expect(clippy::expect_used, reason = "INVARIANT AppliedAsChecked")]
        self.accounts.get_mut(&id).expect("a change names an account that was opened")
    }

    fn count(&mut self, bucket: Bucket, amount: Minor) {
        let counter = self.counters.entry(bucket).or_insert(Counter::ZERO);
        // `check` refused whatever would pass the limit, hence also whatever would not fit.
        counter.amount = Minor::new(counter.amount.units().saturating_add(amount.units()));
        counter.count = counter.count.saturating_add(1);
    }

    /// What a change moves. The same answer serves `check` and `apply`.
    pub(crate) fn moves(&self, change: &Resolved) -> Vec<Move> {
        let release = |hold: &HoldId| {
            self.holds.get(hold).map(|hold| Move {
                account: hold.placement.account,
                side: hold.placement.side,
                turn: Turn::Release,
                amount: hold.placement.amount,
            })
        };
        match change {
            Resolved::HoldPlaced(placement) => vec![Move {
                account: placement.account,
                side: placement.side,
                turn: Turn::Hold,
                amount: placement.amount,
            }],
            Resolved::HoldVoided { hold, .. } | Resolved::HoldExpired { hold, .. } => {
                release(hold).into_iter().collect()
            }
            Resolved::Posted { transaction, ended } => {
                let released = ended.iter().filter_map(|end| release(&end.hold));
                let posted = transaction.entries.iter().map(|entry| Move {
                    account: entry.account,
                    side: entry.side,
                    turn: Turn::Post,
                    amount: entry.amount,
                });
                released.chain(posted).collect()
            }
            Resolved::AccountOpened(_)
            | Resolved::LimitsSet { .. }
            | Resolved::FreezeSet { .. }
            | Resolved::BlockedSet { .. }
            | Resolved::AccountClosed { .. }
            | Resolved::HoldPinned { .. } => Vec::new(),
        }
    }

    /// The touched accounts and totals after `moves`, in order.
    pub(crate) fn stage(&self, moves: &[Move]) -> Result<Staged, Refusal> {
        let mut staged = Staged { accounts: BTreeMap::new(), totals: BTreeMap::new() };
        for one in moves {
            let known = self.accounts.get(&one.account).copied();
            let known = known.ok_or(Refusal::UnknownAccount { account: one.account })?;
            let account = staged.accounts.entry(one.account).or_insert(known);
            let asset = known.opening.asset;
            let total = self.totals.get(&asset).copied().unwrap_or(Total::ZERO);
            let total = staged.totals.entry(asset).or_insert(total);
            let counters = account.counters_mut();
            let moved = moved(counters, *one).and_then(|()| moved(total.counters_mut(), *one));
            moved.map_err(|_| Refusal::AmountTooLarge { account: one.account })?;
        }
        Ok(staged)
    }

    /// Recomputes every sum from the entries and holds, and tests every limit.
    ///
    /// Slow: for tests, images and the end of a day.
    pub fn audit(&self) -> Result<(), AuditFault> {
        let mut accounts: BTreeMap<AccountId, Account> = self
            .accounts
            .iter()
            .map(|(id, account)| (*id, Account::opened(account.opening, account.opened_at)))
            .collect();
        for one in self.all_moves() {
            let account = accounts.get_mut(&one.account).ok_or(AuditFault::Broken)?;
            moved(account.counters_mut(), one).map_err(|_| AuditFault::Broken)?;
        }
        let mut totals: BTreeMap<AssetCode, Total> = BTreeMap::new();
        for (id, account) in &self.accounts {
            let mut counted = accounts.remove(id).ok_or(AuditFault::Broken)?;
            if counted.balances_without_limits() != account.balances_without_limits() {
                return Err(AuditFault::CountersDiffer { account: *id });
            }
            let floor = account.within_floor(account.floor).map_err(|_| AuditFault::Broken)?;
            let ceiling =
                account.within_ceiling(account.ceiling).map_err(|_| AuditFault::Broken)?;
            if !(floor && ceiling) {
                return Err(AuditFault::LimitPassed { account: *id });
            }
            let total = totals.entry(account.opening.asset).or_insert(Total::ZERO);
            for (sum, part) in total.counters_mut().into_iter().zip(counted.counters_mut()) {
                *sum = sum.plus(*part).map_err(|_| AuditFault::Broken)?;
            }
        }
        for (asset, total) in &totals {
            if total.debits_posted != total.credits_posted {
                return Err(AuditFault::Unbalanced { asset: *asset });
            }
            if self.totals.get(asset) != Some(total) {
                return Err(AuditFault::TotalDiffers { asset: *asset });
            }
        }
        self.audit_counters()
    }

    /// Counts again what transactions claim and holds keep.
    fn audit_counters(&self) -> Result<(), AuditFault> {
        let mut counted = Self::default();
        for Posted { transaction, .. } in self.transactions.values() {
            for claim in &transaction.claims {
                counted.count(claim.limit.bucket(transaction.business_date), claim.amount);
            }
        }
        for Hold { placement, state, .. } in self.holds.values() {
            let kept = match state {
                HoldState::Open(_) => placement.amount,
                HoldState::Posted { amount, .. } => *amount,
                HoldState::Voided | HoldState::Expired => continue,
            };
            for limit in &placement.limits {
                counted.count(limit.bucket(placement.business_date), kept);
            }
        }
        let buckets = self.counters.keys().chain(counted.counters.keys());
        let mut wrong = buckets.filter(|b| self.counter(b) != counted.counter(b));
        wrong.next().map_or(Ok(()), |bucket| Err(AuditFault::CountDiffers { bucket: *bucket }))
    }

    fn all_moves(&self) -> impl Iterator<Item = Move> {
        let posted = self.transactions.values().flat_map(|posted| {
            posted.transaction.entries.iter().map(|entry| Move {
                account: entry.account,
                side: entry.side,
                turn: Turn::Post,
                amount: entry.amount,
            })
        });
        let held = self.holds.values().filter(|hold| matches!(hold.state, HoldState::Open(_)));
        posted.chain(held.map(|hold| Move {
            account: hold.placement.account,
            side: hold.placement.side,
            turn: Turn::Hold,
            amount: hold.placement.amount,
        }))
    }
}

fn moved(counters: [&mut Minor; 4], one: Move) -> Result<(), AmountError> {
    let [debits_posted, credits_posted, debits_pending, credits_pending] = counters;
    let (posted, pending) = match one.side {
        Side::Debit => (debits_posted, debits_pending),
        Side::Credit => (credits_posted, credits_pending),
    };
    match one.turn {
        Turn::Post => *posted = posted.plus(one.amount)?,
        Turn::Hold => *pending = pending.plus(one.amount)?,
        Turn::Release => *pending = pending.minus(one.amount)?,
    }
    Ok(())
}

impl Total {
    const fn counters_mut(&mut self) -> [&mut Minor; 4] {
        [
            &mut self.debits_posted,
            &mut self.credits_posted,
            &mut self.debits_pending,
            &mut self.credits_pending,
        ]
    }
}

impl Account {
    const fn counters_mut(&mut self) -> [&mut Minor; 4] {
        [
            &mut self.debits_posted,
            &mut self.credits_posted,
            &mut self.debits_pending,
            &mut self.credits_pending,
        ]
    }

    const fn balances_without_limits(&self) -> [Minor; 4] {
        [self.debits_posted, self.credits_posted, self.debits_pending, self.credits_pending]
    }

    pub(crate) const fn ceiling_of(ceiling: Ceiling) -> Option<Minor> {
        match ceiling {
            Ceiling::At(most) => Some(most),
            Ceiling::Unlimited => None,
        }
    }
}

impl<C> Encode<C> for Ledger {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(5)?;
        self.accounts.encode(e, context)?;
        self.holds.encode(e, context)?;
        self.transactions.encode(e, context)?;
        self.counters.encode(e, context)?;
        self.totals.encode(e, context)
    }
}

impl<'b, C> Decode<'b, C> for Ledger {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        if d.array()? != Some(5) {
            return Err(DecodeError::message("expected a ledger of five parts"));
        }
        let mut ledger = Self {
            accounts: BTreeMap::decode(d, context)?,
            holds: BTreeMap::decode(d, context)?,
            transactions: BTreeMap::decode(d, context)?,
            counters: BTreeMap::decode(d, context)?,
            totals: BTreeMap::decode(d, context)?,
            deadlines: BTreeSet::new(),
        };
        ledger.deadlines = ledger
            .holds
            .iter()
            .filter_map(|(id, hold)| match hold.state {
                HoldState::Open(Term::Expiring { at }) => Some((at, *id)),
                HoldState::Open(Term::Pinned)
                | HoldState::Posted { .. }
                | HoldState::Voided
                | HoldState::Expired => None,
            })
            .collect();
        ledger.audit().map_err(|fault| DecodeError::message(fault.to_string()))?;
        Ok(ledger)
    }
}
