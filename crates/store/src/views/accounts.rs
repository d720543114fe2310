//! The accounts in memory: 48 bytes each, and four to nine in the index.
//!
//! Slots number the accounts in the order in which they were opened. A row holds the counters at
//! the head, so that a balance now costs one look, and the newest item of the buffer, so that the
//! items of one account can be walked from the newest back.

use core::hash::BuildHasher as _;
use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use ledger::Side;
use terms::{AccountId, AssetCode};

use super::bytes::{narrow, wide};
use super::item::{Kind, Totals, What};

/// No item, no run.
pub(super) const NONE: u32 = u32::MAX;
/// Accounts whose counters are stored together.
pub(super) const TOTALS_BLOCK_ACCOUNTS: u32 = 1024;

/// One account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) id: [u8; 16],
    /// The low 64 bits of what was posted; the rest is in [`Accounts::carries`].
    debits: u64,
    credits: u64,
    /// The newest item in the buffer.
    pub(super) last: u32,
    /// The newest run that holds items.
    pub(super) run: u32,
    pub(super) asset: u32,
    pub(super) normal: Side,
}

/// All accounts.
pub(super) struct Accounts {
    // An index only: its order is never seen, rows are walked by slot.
    table: HashTable<u32>,
    hasher: FixedState,
    rows: Vec<Row>,
    /// How many times 2^64 a posted counter holds beyond its row, where any.
    carries: BTreeMap<(u32, Side), u64>,
    /// Held debits and credits, where any.
    held: BTreeMap<u32, (u128, u128)>,
    assets: Vec<AssetCode>,
    asset_index: BTreeMap<AssetCode, u32>,
    /// Which blocks of totals changed since the last flush.
    dirty: Vec<bool>,
}

impl Accounts {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            table: HashTable::new(),
            hasher: FixedState::with_seed(seed),
            rows: Vec::new(),
            carries: BTreeMap::new(),
            held: BTreeMap::new(),
            assets: Vec::new(),
            asset_index: BTreeMap::new(),
            dirty: Vec::new(),
        }
    }

    pub(super) fn count(&self) -> u32 {
        narrow(self.rows.len())
    }

    pub(super) fn bytes(&self) -> usize {
        let rows = self.rows.capacity().saturating_mul(size_of::<Row>());
        let table = self.table.capacity().saturating_mul(size_of::<u32>().saturating_add(1));
        // A B-tree of these has about 64 bytes a row.
        let held = self.held.len().saturating_add(self.carries.len()).saturating_mul(64);
        rows.saturating_add(table).saturating_add(held)
    }

    pub(super) fn slot(&self, id: AccountId) -> Option<u32> {
        let id = id.bytes();
        let same = |slot: &u32| self.rows.get(wide(*slot)).is_some_and(|row| row.id == id);
        self.table.find(self.hasher.hash_one(id), same).copied()
    }

    pub(super) fn row(&self, slot: u32) -> Option<&Row> {
        self.rows.get(wide(slot))
    }

    pub(super) fn row_mut(&mut self, slot: u32) -> Option<&mut Row> {
        self.rows.get_mut(wide(slot))
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        (0..).zip(&self.rows)
    }

    pub(super) fn assets(&self) -> &[AssetCode] {
        &self.assets
    }

    pub(super) fn asset(&self, index: u32) -> Option<AssetCode> {
        self.assets.get(wide(index)).copied()
    }

    pub(super) fn add_asset(&mut self, asset: AssetCode) -> u32 {
        if let Some(known) = self.asset_index.get(&asset) {
            return *known;
        }
        let index = narrow(self.assets.len());
        self.assets.push(asset);
        self.asset_index.insert(asset, index);
        index
    }

    /// Adds an account that is not there; `None` when it is, or when no slot is left.
    pub(super) fn add(&mut self, id: [u8; 16], asset: u32, normal: Side) -> Option<u32> {
        let slot = self.count();
        if slot == NONE || self.slot(AccountId::from_bytes(id)).is_some() {
            return None;
        }
        self.rows.push(Row { id, debits: 0, credits: 0, last: NONE, run: NONE, asset, normal });
        let Self { table, hasher, rows, .. } = self;
        table.insert_unique(hasher.hash_one(id), slot, |other| {
            rows.get(wide(*other)).map_or(0, |row| hasher.hash_one(row.id))
        });
        if slot.is_multiple_of(TOTALS_BLOCK_ACCOUNTS) {
            self.dirty.push(true);
        }
        self.touch(slot);
        Some(slot)
    }

    pub(super) fn dirty_blocks(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.dirty).filter_map(|(block, dirty)| dirty.then_some(block))
    }

    pub(super) fn clean(&mut self) {
        self.dirty.fill(false);
    }

    fn touch(&mut self, slot: u32) {
        if let Some(dirty) = self.dirty.get_mut(wide(slot / TOTALS_BLOCK_ACCOUNTS)) {
            *dirty = true;
        }
    }

    pub(super) fn totals(&self, slot: u32) -> Totals {
        let Some(row) = self.row(slot) else { return Totals::default() };
        let whole = |low: u64, side| {
            let carry = self.carries.get(&(slot, side)).copied().unwrap_or(0);
            (u128::from(carry) << 64) | u128::from(low)
        };
        let (held_debits, held_credits) = self.held.get(&slot).copied().unwrap_or((0, 0));
        Totals {
            debits: whole(row.debits, Side::Debit),
            credits: whole(row.credits, Side::Credit),
            held_debits,
            held_credits,
        }
    }

    /// Sets what was stored.
    pub(super) fn restore(&mut self, slot: u32, totals: &Totals, run: u32) {
        let (debits_high, debits) = halves(totals.debits);
        let (credits_high, credits) = halves(totals.credits);
        if let Some(row) = self.row_mut(slot) {
            (row.debits, row.credits, row.run) = (debits, credits, run);
        }
        for (side, high) in [(Side::Debit, debits_high), (Side::Credit, credits_high)] {
            if high > 0 {
                self.carries.insert((slot, side), high);
            }
        }
        if totals.held_debits > 0 || totals.held_credits > 0 {
            self.held.insert(slot, (totals.held_debits, totals.held_credits));
        }
    }

    /// Applies an item and makes it the newest of its account; gives back the one before.
    pub(super) fn apply(&mut self, slot: u32, kind: Kind, amount: u128, item: u32) -> u32 {
        self.touch(slot);
        match kind.what {
            What::Entry => self.post(slot, kind.side, amount),
            What::HoldPlaced
            | What::HoldPosted
            | What::HoldVoided
            | What::HoldExpired
            | What::HoldPinned => self.hold(slot, kind, amount),
        }
        self.row_mut(slot).map_or(NONE, |row| core::mem::replace(&mut row.last, item))
    }

    fn post(&mut self, slot: u32, side: Side, amount: u128) {
        let (high, low) = halves(amount);
        let Some(row) = self.rows.get_mut(wide(slot)) else { return };
        let counter = match side {
            Side::Debit => &mut row.debits,
            Side::Credit => &mut row.credits,
        };
        let (sum, carried) = counter.overflowing_add(low);
        *counter = sum;
        if carried || high > 0 {
            let carry = self.carries.entry((slot, side)).or_insert(0);
            *carry = carry.wrapping_add(high).wrapping_add(u64::from(carried));
        }
    }

    fn hold(&mut self, slot: u32, kind: Kind, amount: u128) {
        let (debits, credits) = self.held.get(&slot).copied().unwrap_or((0, 0));
        let mut totals = Totals { held_debits: debits, held_credits: credits, ..Totals::default() };
        totals.apply(kind, amount);
        if totals == Totals::default() {
            self.held.remove(&slot);
        } else {
            self.held.insert(slot, (totals.held_debits, totals.held_credits));
        }
    }
}

/// The upper and the lower 64 bits.
fn halves(amount: u128) -> (u64, u64) {
    let low = u64::try_from(amount & u128::from(u64::MAX)).unwrap_or(0);
    (u64::try_from(amount >> 64).unwrap_or(0), low)
}
