//! The ledger's state: what is open. What is past is in [`crate::past`].

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};
use terms::{AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor};
use thiserror::Error;

use crate::account::{Account, Balances, Opening, Standing};
use crate::change::{Change, Resolved};
use crate::command::Command;
use crate::hold::{Hold, HoldState, Term};
use crate::image::Imaging;
use crate::label::{Marks, Tags};
use crate::owners::Owners;
use crate::past::PastKey;
use crate::row::{Beside, More, Row};
use crate::slab::{HashKey, Index, Slab};
use crate::transaction::{Side, Transaction};
use crate::velocity::{Bucket, Counter, LimitKey, Period};

/// The key of the indexes where none is given. A book that strangers choose ids for takes one
/// that they do not know: see [`Ledger::with_hash_seed`].
pub const HASH_SEED: u64 = 0x5761_796c_6561_7665;

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
    pub(crate) const ZERO: Self = Self {
        debits_posted: Minor::ZERO,
        credits_posted: Minor::ZERO,
        debits_pending: Minor::ZERO,
        credits_pending: Minor::ZERO,
    };
}

/// Accounts, open holds, velocity counters and totals of one book. A fold over
/// [`Change`](crate::Change)s, as large as what is open: past transactions and ended holds come in
/// as [`Past`](crate::Past).
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(crate) key: HashKey,
    pub(crate) assets: Vec<AssetCode>,
    pub(crate) asset_numbers: BTreeMap<AssetCode, u32>,
    /// By number of asset.
    pub(crate) totals: Vec<Total>,
    pub(crate) owners: Owners,
    pub(crate) rows: Slab<Row>,
    /// By the slot of the row.
    pub(crate) beside: Slab<Beside>,
    pub(crate) row_index: Index,
    pub(crate) holds: Slab<Option<Box<Hold>>>,
    pub(crate) hold_index: Index,
    /// Slots of holds that have ended.
    pub(crate) free: Vec<u32>,
    pub(crate) counters: Slab<Option<CounterRow>>,
    pub(crate) counter_index: Index,
    /// Slots of counters that no window reaches any more.
    pub(crate) counters_free: Vec<u32>,
    // Counters by the last day that counts into them: derived from `counters`, never stored.
    pub(crate) counter_ends: BTreeSet<(u32, u32)>,
    // Open expiring holds by their moment: derived from `holds`, never stored.
    pub(crate) deadlines: BTreeSet<(Instant, HoldId)>,
    /// How far an image in steps has come.
    pub(crate) imaging: Option<Imaging>,
}

/// A velocity counter as it lies in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CounterRow {
    pub(crate) key: LimitKey,
    pub(crate) asset: u32,
    pub(crate) period: Period,
    pub(crate) first_day: BusinessDate,
    pub(crate) hour: Option<u8>,
    pub(crate) counter: Counter,
}

/// What an amount does to a counter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    Post,
    Hold,
    Release,
}

/// One amount that moves on one side of one account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) slot: u32,
    pub(crate) side: Side,
    pub(crate) turn: Turn,
    pub(crate) amount: Minor,
}

/// What an audit found to be false.
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

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// A ledger without accounts.
    #[must_use]
    pub fn new() -> Self {
        Self::with_hash_seed(HASH_SEED)
    }

    /// A ledger without accounts whose indexes hash with this key. It changes where rows are
    /// found, and no answer.
    #[must_use]
    pub fn with_hash_seed(seed: u64) -> Self {
        Self {
            key: HashKey::new(seed),
            assets: Vec::new(),
            asset_numbers: BTreeMap::new(),
            totals: Vec::new(),
            owners: Owners::default(),
            rows: Slab::default(),
            beside: Slab::default(),
            row_index: Index::default(),
            holds: Slab::default(),
            hold_index: Index::default(),
            free: Vec::new(),
            counters: Slab::default(),
            counter_index: Index::default(),
            counters_free: Vec::new(),
            counter_ends: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            imaging: None,
        }
    }

    /// The account of that id.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<Account> {
        self.account_at(self.slot(id)?)
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> impl Iterator<Item = Account> {
        let mut order: Vec<(AccountId, u32)> =
            (0_u32..).zip(self.rows.iter()).map(|(slot, row)| (row.id, slot)).collect();
        order.sort_unstable();
        order.into_iter().filter_map(|(_, slot)| self.account_at(slot))
    }

    /// Accounts in the order in which they were opened, from a place on: for pages, because
    /// nothing is sorted. A place stays that of its account.
    pub fn accounts_opened(&self, from: u32) -> impl Iterator<Item = Account> {
        (from..self.rows.len()).map_while(|slot| self.account_at(slot))
    }

    /// How many accounts there are.
    #[must_use]
    pub const fn accounts_len(&self) -> u32 {
        self.rows.len()
    }

    /// The counters of an account, and what they leave available.
    #[must_use]
    pub fn balances(&self, account: AccountId) -> Option<Balances> {
        let slot = self.slot(account)?;
        let row = self.rows.get(slot)?;
        Some(self.balances_of(slot, row, &row.counters))
    }

    /// The hold of that id, while it has not ended.
    #[must_use]
    pub fn open_hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.get(self.hold_slot(id)?)?.as_deref()
    }

    /// All holds that have not ended, by id.
    pub fn open_holds(&self) -> impl Iterator<Item = &Hold> {
        let mut holds: Vec<&Hold> = self.holds.iter().flatten().map(AsRef::as_ref).collect();
        holds.sort_unstable_by_key(|hold| hold.placement.id);
        holds.into_iter()
    }

    /// What a velocity total stands at: the sum over the window that ends with `bucket`.
    #[must_use]
    pub fn total_until(&self, bucket: &Bucket) -> Counter {
        bucket.window().fold(Counter::ZERO, |sum, bucket| {
            let Counter { amount, count } = self.counter(&bucket);
            let amount = Minor::new(sum.amount.units().saturating_add(amount.units()));
            Counter { amount, count: sum.count.saturating_add(count) }
        })
    }

    /// What one velocity counter stands at.
    #[must_use]
    pub fn counter(&self, bucket: &Bucket) -> Counter {
        let slot = self.counter_slot(bucket);
        slot.and_then(|slot| self.counter_at(slot)).map_or(Counter::ZERO, |row| row.counter)
    }

    /// All velocity totals.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<Bucket, Counter> {
        let bucket = |row: &CounterRow| {
            let asset = *self.assets.get(place(row.asset))?;
            let CounterRow { key, period, first_day, hour, counter, .. } = *row;
            Some((Bucket { key, asset, period, first_day, hour }, counter))
        };
        self.counters.iter().flatten().filter_map(bucket).collect()
    }

    /// Sums over all accounts, by asset.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<AssetCode, Total> {
        self.assets.iter().copied().zip(self.totals.iter().copied()).collect()
    }

    /// The moment at which the next hold expires: when a sweep has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Names the ids that `command` needs to know about and that are not in memory: the
    /// transaction of a post, and every hold that is not open.
    pub fn plan(&self, command: &Command, ask: &mut impl FnMut(PastKey)) {
        match command {
            Command::Post(transaction) => {
                ask(PastKey::Transaction(transaction.id));
                for hold in transaction.entries.iter().filter_map(|entry| entry.hold) {
                    self.plan_hold(hold, ask);
                }
            }
            Command::PostDraft(draft) => {
                ask(PastKey::Transaction(draft.id));
                for part in draft.lines.iter().filter_map(|line| line.part) {
                    self.plan_hold(part.hold, ask);
                }
            }
            Command::PlaceHold(placement) => self.plan_hold(placement.id, ask),
            Command::PinHold { hold } | Command::VoidHold { hold, .. } => {
                self.plan_hold(*hold, ask);
            }
            Command::OpenAccount(_)
            | Command::SetLimits { .. }
            | Command::SetFreeze { .. }
            | Command::SetBlocked { .. }
            | Command::CloseAccount { .. }
            | Command::ExpireHolds { .. } => {}
        }
    }

    fn plan_hold(&self, hold: HoldId, ask: &mut impl FnMut(PastKey)) {
        if self.hold_slot(hold).is_none() {
            ask(PastKey::Hold(hold));
        }
    }

    /// Reads one word of each row that the posts among `commands` will touch, so that the memory
    /// fetches them at once and not one after the other. Changes nothing, and nothing depends on
    /// it. Best over some [`WARM_COMMANDS`] at a time: more rows push each other out.
    pub fn warm<'a>(&self, commands: impl IntoIterator<Item = &'a Command>) {
        self.warm_posts(commands.into_iter().filter_map(|command| {
            if let Command::Post(transaction) = command { Some(transaction) } else { None }
        }));
    }

    /// [`Ledger::warm`] for changes that are applied next.
    pub fn warm_changes<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) {
        self.warm_posts(changes.into_iter().filter_map(|change| {
            let Resolved::Posted { transaction, .. } = change.resolved() else { return None };
            Some(transaction)
        }));
    }

    fn warm_posts<'a>(&self, transactions: impl Iterator<Item = &'a Transaction>) {
        // First the index and then the rows: in each pass no look-up waits for another. A slot
        // that only looks like the right one warms a wrong row, which does no harm.
        let mut slots = Vec::with_capacity(WARM_COMMANDS.saturating_mul(2));
        for transaction in transactions {
            let hashes = transaction.entries.iter().map(|e| self.key.of_id(e.account.bytes()));
            slots.extend(hashes.filter_map(|hash| self.row_index.find(hash, |_| true)));
        }
        let rows = slots.iter().filter_map(|slot| self.rows.get(*slot));
        core::hint::black_box(rows.fold(0, |sum, row| sum ^ row.touch()));
    }

    #[inline]
    pub(crate) fn slot(&self, id: AccountId) -> Option<u32> {
        let is = |slot| self.rows.get(slot).is_some_and(|row| row.id == id);
        self.row_index.find(self.key.of_id(id.bytes()), is)
    }

    #[inline]
    pub(crate) fn hold_slot(&self, id: HoldId) -> Option<u32> {
        let is = |slot| {
            let hold = self.holds.get(slot).and_then(Option::as_deref);
            hold.is_some_and(|hold| hold.placement.id == id)
        };
        self.hold_index.find(self.key.of_id(id.bytes()), is)
    }

    pub(crate) fn counter_slot(&self, bucket: &Bucket) -> Option<u32> {
        let asset = *self.asset_numbers.get(&bucket.asset)?;
        let Bucket { key, period, first_day, hour, .. } = *bucket;
        let wanted = CounterRow { key, asset, period, first_day, hour, counter: Counter::ZERO };
        let is = |slot| {
            self.counter_at(slot).is_some_and(|row| {
                (row.key, row.asset, row.period, row.first_day, row.hour)
                    == (key, asset, period, first_day, hour)
            })
        };
        self.counter_index.find(hash_of_counter(&self.key, &wanted), is)
    }

    pub(crate) fn counter_at(&self, slot: u32) -> Option<&CounterRow> {
        self.counters.get(slot)?.as_ref()
    }

    /// How much of an account may not leave.
    #[inline]
    pub(crate) fn blocked(&self, slot: u32, row: &Row) -> Minor {
        if !row.is_blocked {
            return Minor::ZERO;
        }
        let more = self.beside.get(slot).and_then(|beside| beside.more.as_deref());
        more.map_or(Minor::ZERO, |more| more.blocked)
    }

    /// The balances of an account as they are when its counters stand so.
    #[inline]
    pub(crate) fn balances_of(&self, slot: u32, row: &Row, counters: &Total) -> Balances {
        let sided = crate::row::Sided { normal: row.normal, counters };
        Balances {
            account: row.id,
            asset: self.asset_of(row),
            debits_posted: counters.debits_posted,
            credits_posted: counters.credits_posted,
            debits_pending: counters.debits_pending,
            credits_pending: counters.credits_pending,
            available: sided.available(row.floor(), self.blocked(slot, row)),
        }
    }

    // INVARIANT (RowsName): each row's asset, owner and part beside it exist. Upheld where rows
    // are added and where an image is read; without it an account has no name to show.
    #[inline]
    #[expect(clippy::expect_used, reason = "INVARIANT RowsName")]
    pub(crate) fn asset_of(&self, row: &Row) -> AssetCode {
        *self.assets.get(place(row.asset)).expect("a row's asset is in the table")
    }

    pub(crate) fn account_at(&self, slot: u32) -> Option<Account> {
        let (row, beside) = (self.rows.get(slot)?, self.beside.get(slot)?);
        let more = beside.more.as_deref().copied().unwrap_or(More::NOTHING);
        let (floor, ceiling) = more.first.unwrap_or((row.floor(), row.ceiling()));
        let opening = Opening {
            id: row.id,
            asset: self.asset_of(row),
            normal: row.normal,
            owner: self.owners.owner(row.owner)?,
            purpose: row.purpose,
            floor,
            ceiling,
            marks: Marks { code: beside.code, tags: more.tags.unwrap_or(Tags::NONE) }.if_any(),
        };
        let standing =
            if row.is_closed { Standing::Closed(more.closed_at) } else { Standing::Open };
        Some(Account {
            opening,
            opened_at: beside.opened_at,
            standing,
            freeze: row.freeze,
            floor: row.floor(),
            ceiling: row.ceiling(),
            blocked: more.blocked,
            debits_posted: row.counters.debits_posted,
            credits_posted: row.counters.credits_posted,
            debits_pending: row.counters.debits_pending,
            credits_pending: row.counters.credits_pending,
        })
    }

    /// Tests what memory alone can tell: that totals are the sums over accounts, that debits equal
    /// credits, that held sums are those of the open holds, and that no limit is passed.
    pub fn audit(&self) -> Result<(), AuditFault> {
        let mut held: BTreeMap<AccountId, Total> = BTreeMap::new();
        for hold in self.holds.iter().flatten() {
            let (placement, broken) = (&hold.placement, |_| AuditFault::Broken);
            let sums = held.entry(placement.account).or_insert(Total::ZERO);
            sums.shift(placement.side, Turn::Hold, hold.remaining()).map_err(broken)?;
        }
        let mut totals = vec![Total::ZERO; self.assets.len()];
        for row in self.rows.iter() {
            let account = row.id;
            let open = held.remove(&account).unwrap_or(Total::ZERO);
            let pending = (row.counters.debits_pending, row.counters.credits_pending);
            if pending != (open.debits_pending, open.credits_pending) {
                return Err(AuditFault::CountersDiffer { account });
            }
            let (floor, ceiling) = (row.floor(), row.ceiling());
            let within =
                row.sided().within_floor(floor).ok().zip(row.sided().within_ceiling(ceiling).ok());
            match within {
                Some((true, true)) => {}
                Some(_) => return Err(AuditFault::LimitPassed { account }),
                None => return Err(AuditFault::Broken),
            }
            let total = totals.get_mut(place(row.asset)).ok_or(AuditFault::Broken)?;
            *total = total.plus(&row.counters).map_err(|_| AuditFault::Broken)?;
        }
        if !held.is_empty() {
            return Err(AuditFault::Broken);
        }
        for (asset, (sum, total)) in self.assets.iter().zip(totals.iter().zip(&self.totals)) {
            if sum.debits_posted != sum.credits_posted {
                return Err(AuditFault::Unbalanced { asset: *asset });
            }
            if sum != total {
                return Err(AuditFault::TotalDiffers { asset: *asset });
            }
        }
        Ok(())
    }
}

/// Two ledgers are equal when every question has one answer; where rows lie does not matter.
impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.rows.len() == other.rows.len()
            && self.totals() == other.totals()
            && self.counters() == other.counters()
            && self.accounts().eq(other.accounts())
            && self.open_holds().eq(other.open_holds())
            && self.deadlines == other.deadlines
    }
}

impl Eq for Ledger {}

pub(crate) fn hash_of_counter(key: &HashKey, row: &CounterRow) -> u64 {
    let hour = row.hour.map_or(0, |hour| u32::from(hour).saturating_add(1));
    // A day has at most 25 of them.
    let bucket = row.first_day.days().wrapping_mul(25).wrapping_add(hour);
    key.of_bytes(row.key.0.as_bytes(), [row.asset, bucket])
}

/// When an open hold's moment comes.
pub(crate) const fn deadline(hold: &Hold) -> Option<Instant> {
    match hold.state {
        HoldState::Open(Term::Expiring { at }) => Some(at),
        HoldState::Open(Term::Pinned)
        | HoldState::Posted { .. }
        | HoldState::Voided
        | HoldState::Expired => None,
    }
}

/// A number of a table as a place in memory: 32 bits always fit where this runs.
#[inline]
pub(crate) fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// How many commands one call of [`Ledger::warm`] is best given: their rows and index lines take
/// some 100 KiB, which stays in the second cache until they are used.
pub const WARM_COMMANDS: usize = 256;
