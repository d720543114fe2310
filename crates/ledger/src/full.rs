//! A ledger that keeps its whole past in memory: for books with few transactions.

use std::collections::BTreeMap;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use terms::{AccountId, AssetCode, HoldId, Instant, TransactionId};

use crate::account::{Account, Balances};
use crate::change::{Change, Checked};
use crate::command::Command;
use crate::hold::{Hold, HoldState};
use crate::past::{MemoryPast, Past as _, Posted};
use crate::refusal::Refusal;
use crate::state::{AuditFault, Ledger, Total, Turn};
use crate::transaction::Transaction;
use crate::velocity::{Bucket, Counter};

/// A [`Ledger`] and all that it ever did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FullLedger {
    open: Ledger,
    past: MemoryPast,
}

impl FullLedger {
    /// A ledger without accounts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is open.
    #[must_use]
    pub const fn open(&self) -> &Ledger {
        &self.open
    }

    /// What is past.
    #[must_use]
    pub const fn past(&self) -> &MemoryPast {
        &self.past
    }

    /// As [`Ledger::check`]; every id is known.
    pub fn check(&self, stamp: Instant, command: &Command) -> Result<Checked, Refusal> {
        self.open.check(&self.past, stamp, command)
    }

    /// As [`Ledger::apply`], and remembers.
    ///
    /// # Panics
    /// As [`Ledger::apply`].
    pub fn apply(&mut self, stamp: Instant, change: &Change) {
        self.open.apply_remembering(stamp, change, &mut self.past);
    }

    /// The account of that id.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<Account> {
        self.open.account(id)
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> impl Iterator<Item = Account> {
        self.open.accounts()
    }

    /// The counters of an account, and what they leave available.
    #[must_use]
    pub fn balances(&self, account: AccountId) -> Option<Balances> {
        self.open.balances(account)
    }

    /// The hold of that id, ended or not.
    #[must_use]
    pub fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.open.open_hold(id).or_else(|| self.past.hold(id))
    }

    /// All holds, by id, ended ones included.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds_by_id().into_values()
    }

    /// The transaction of that id, and when it was posted.
    #[must_use]
    pub fn transaction(&self, id: TransactionId) -> Option<(Instant, &Transaction)> {
        self.past.transaction(id).map(|posted| (posted.at, &posted.transaction))
    }

    /// What one velocity counter stands at.
    #[must_use]
    pub fn counter(&self, bucket: &Bucket) -> Counter {
        self.open.counter(bucket)
    }

    /// Sums over all accounts, by asset.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<AssetCode, Total> {
        self.open.totals()
    }

    /// The moment at which the next hold expires: when a sweep has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.open.next_deadline()
    }

    /// Recomputes every sum from the entries and holds, and tests every limit.
    ///
    /// Slow: for tests, images and the end of a day.
    pub fn audit(&self) -> Result<(), AuditFault> {
        let mut counted: BTreeMap<AccountId, Total> = BTreeMap::new();
        let broken = |_| AuditFault::Broken;
        for entry in self.past.transactions().flat_map(|posted| &posted.transaction.entries) {
            let sums = counted.entry(entry.account).or_insert(Total::ZERO);
            sums.shift(entry.side, Turn::Post, entry.amount).map_err(broken)?;
        }
        for hold in self.open.open_holds() {
            let sums = counted.entry(hold.placement.account).or_insert(Total::ZERO);
            sums.shift(hold.placement.side, Turn::Hold, hold.remaining()).map_err(broken)?;
        }
        for account in self.accounts() {
            let id = account.opening.id;
            if counted.remove(&id).unwrap_or(Total::ZERO) != account.counters() {
                return Err(AuditFault::CountersDiffer { account: id });
            }
        }
        if !counted.is_empty() {
            return Err(AuditFault::Broken);
        }
        self.open.audit()?;
        self.audit_counters()
    }

    /// Counts again what transactions claim and holds keep.
    fn audit_counters(&self) -> Result<(), AuditFault> {
        let mut counted: BTreeMap<Bucket, Counter> = BTreeMap::new();
        let mut count = |bucket, amount: terms::Minor| {
            let counter = counted.entry(bucket).or_insert(Counter::ZERO);
            let sum = counter.amount.units().saturating_add(amount.units());
            counter.amount = terms::Minor::new(sum);
            counter.count = counter.count.saturating_add(1);
        };
        for Posted { at, transaction, .. } in self.past.transactions() {
            for claim in &transaction.claims {
                count(claim.limit.bucket(transaction.business_date, *at), claim.amount);
            }
        }
        for hold in self.holds() {
            let Hold { placement, placed_at, state, taken, parts: _ } = hold;
            let last = match state {
                HoldState::Open(_) => hold.remaining(),
                HoldState::Posted { amount, .. } => *amount,
                HoldState::Voided | HoldState::Expired if taken.is_none() => continue,
                HoldState::Voided | HoldState::Expired => terms::Minor::ZERO,
            };
            let counts = last.units().saturating_add(hold.taken().units());
            for limit in &placement.limits {
                let bucket = limit.bucket(placement.business_date, *placed_at);
                count(bucket, limit.counts(terms::Minor::new(counts)));
            }
        }
        let known = self.open.counters();
        let buckets = known.keys().chain(counted.keys());
        let of = |counters: &BTreeMap<Bucket, Counter>, bucket| {
            counters.get(bucket).copied().unwrap_or(Counter::ZERO)
        };
        // What a rolling window has left behind is forgotten, and what is over for long.
        let posted = self.past.transactions().map(|posted| posted.at);
        let latest = posted.chain(self.holds().map(|hold| hold.placed_at)).max();
        let is_over = |b: &Bucket| b.rolls() || latest.is_some_and(|latest| b.is_over(latest));
        let buckets = buckets.filter(|b| !is_over(b) || known.contains_key(b));
        let mut wrong = buckets.filter(|b| of(&known, b) != of(&counted, b));
        wrong.next().map_or(Ok(()), |bucket| Err(AuditFault::CountDiffers { bucket: *bucket }))
    }

    fn holds_by_id(&self) -> BTreeMap<HoldId, &Hold> {
        self.open.open_holds().chain(self.past.holds()).map(|h| (h.placement.id, h)).collect()
    }
}

impl<C> Encode<C> for FullLedger {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let accounts: BTreeMap<AccountId, Account> =
            self.accounts().map(|account| (account.opening.id, account)).collect();
        e.array(5)?;
        accounts.encode(e, context)?;
        self.holds_by_id().encode(e, context)?;
        self.past.transactions.encode(e, context)?;
        self.open.counters().encode(e, context)?;
        self.totals().encode(e, context)
    }
}

impl<'b, C> Decode<'b, C> for FullLedger {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        if d.array()? != Some(5) {
            return Err(DecodeError::message("expected a ledger of five parts"));
        }
        let accounts: BTreeMap<AccountId, Account> = BTreeMap::decode(d, context)?;
        let holds: BTreeMap<HoldId, Hold> = BTreeMap::decode(d, context)?;
        let transactions: BTreeMap<TransactionId, Posted> = BTreeMap::decode(d, context)?;
        let counters: BTreeMap<Bucket, Counter> = BTreeMap::decode(d, context)?;
        let totals: BTreeMap<AssetCode, Total> = BTreeMap::decode(d, context)?;
        let mut full = Self::new();
        full.past.transactions = transactions;
        for (asset, total) in totals {
            full.open.add_asset(asset, total);
        }
        for account in accounts.values() {
            full.open.restore_account(account);
        }
        for (id, hold) in holds {
            match hold.state {
                HoldState::Open(_) => full.open.add_hold(hold),
                HoldState::Posted { .. } | HoldState::Voided | HoldState::Expired => {
                    full.past.holds.insert(id, hold);
                }
            }
        }
        for (bucket, counter) in counters {
            let asset = full.open.asset_numbers.get(&bucket.asset).copied();
            let asset = asset.ok_or_else(|| DecodeError::message("a counter of no known asset"))?;
            full.open.add_counter(&bucket, asset, counter);
        }
        full.audit().map_err(|fault| DecodeError::message(fault.to_string()))?;
        Ok(full)
    }
}
