//! How changes are applied.

use terms::{AccountId, HoldId, Instant, Minor};

use crate::account::{Account, Opening};
use crate::change::{Change, Ended, Resolved};
use crate::hold::{Hold, HoldState, Placement, Term};
use crate::label::{Marks, Tags};
use crate::past::{Fresh, Remember};
use crate::row::{Beside, More, Row};
use crate::state::{CounterRow, Ledger, Move, Total, Turn, deadline, hash_of_counter, place};
use crate::transaction::Transaction;
use crate::velocity::{Bucket, Counter};

/// Counters forgotten for one that is made.
const FORGET_AT_ONCE: u32 = 8;

impl Ledger {
    /// Applies a change that `check` made at the same state, or that stands in the journal.
    ///
    /// # Panics
    /// When the change was not made at this state: the journal and the state have parted, and
    /// going on would invent money. The writer stops and rebuilds from the journal.
    pub fn apply(&mut self, stamp: Instant, change: &Change) {
        self.apply_remembering(stamp, change, &mut Fresh);
    }

    /// As [`Self::apply`], and hands what leaves the memory to `past`.
    ///
    /// # Panics
    /// As [`Self::apply`].
    // INVARIANT (AppliedAsChecked): a change is applied to the state at which it was checked.
    // Guarded by the order of facts in the journal; without it the expectations below fail.
    pub fn apply_remembering(&mut self, stamp: Instant, change: &Change, past: &mut impl Remember) {
        match &change.0 {
            Resolved::Posted { transaction, ended, asked } => {
                self.apply_transaction(stamp, transaction, ended, past);
                past.posted(stamp, transaction, *asked);
            }
            Resolved::AccountOpened(opening) => {
                self.add_row(opening, stamp);
            }
            Resolved::LimitsSet { account, floor, ceiling } => {
                let slot = self.slot_to_change(*account);
                let row = self.row_mut(slot);
                let first = (row.floor(), row.ceiling());
                row.set_limits(*floor, *ceiling);
                self.more_mut(slot).first.get_or_insert(first);
            }
            Resolved::FreezeSet { account, freeze } => {
                let slot = self.slot_to_change(*account);
                self.row_mut(slot).freeze = *freeze;
            }
            Resolved::BlockedSet { account, amount } => {
                let slot = self.slot_to_change(*account);
                self.row_mut(slot).is_blocked = !amount.is_zero();
                self.more_mut(slot).blocked = *amount;
            }
            Resolved::AccountClosed { account } => {
                let slot = self.slot_to_change(*account);
                self.row_mut(slot).is_closed = true;
                self.more_mut(slot).closed_at = stamp;
            }
            Resolved::HoldPlaced(placement) => self.apply_placement(stamp, placement),
            Resolved::HoldPinned { hold } => self.apply_pin(*hold),
            Resolved::HoldVoided { hold, released, .. } => {
                self.end_hold(*hold, HoldState::Voided, *released, past);
            }
            Resolved::HoldExpired { hold, released } => {
                self.end_hold(*hold, HoldState::Expired, *released, past);
            }
        }
        debug_assert!(
            self.totals.iter().all(|total| total.debits_posted == total.credits_posted),
            "INVARIANT MoneyConserved"
        );
    }

    fn apply_transaction(
        &mut self,
        stamp: Instant,
        transaction: &Transaction,
        ended: &[Ended],
        past: &mut impl Remember,
    ) {
        for end in ended {
            let state = HoldState::Posted { transaction: transaction.id, amount: end.posted };
            match end.kept {
                None => self.end_hold(end.hold, state, end.released, past),
                Some(kept) => self.take_part(end.hold, end.posted, kept),
            }
        }
        for entry in &transaction.entries {
            let slot = self.slot_to_change(entry.account);
            self.shift(Move { slot, side: entry.side, turn: Turn::Post, amount: entry.amount });
        }
        for claim in &transaction.claims {
            let bucket = claim.limit.bucket(transaction.business_date, stamp);
            self.count(stamp, &bucket, claim.amount);
        }
    }

    fn apply_placement(&mut self, stamp: Instant, placement: &Placement) {
        for limit in &placement.limits {
            let bucket = limit.bucket(placement.business_date, stamp);
            self.count(stamp, &bucket, limit.counts(placement.amount));
        }
        let slot = self.slot_to_change(placement.account);
        let (side, amount) = (placement.side, placement.amount);
        self.shift(Move { slot, side, turn: Turn::Hold, amount });
        let state = HoldState::Open(placement.term);
        let placement = placement.clone();
        self.add_hold(Hold { placement, placed_at: stamp, state, taken: None, parts: None });
    }

    fn apply_pin(&mut self, id: HoldId) {
        let slot = self.hold_slot(id).and_then(|slot| self.holds.get_mut(slot));
        #[expect(clippy::expect_used, reason = "INVARIANT AppliedAsChecked")]
        let hold = slot.and_then(Option::as_mut).expect("a change names a hold that is open");
        if let Some(at) = deadline(hold) {
            self.deadlines.remove(&(at, id));
        }
        hold.state = HoldState::Open(Term::Pinned);
    }

    // INVARIANT (HoldEndsOnce): `state` leaves `Open` once. Upheld by `check` (no command reaches
    // an ended hold), asserted here, where an ended hold is not found any more; without it a hold
    // is released twice and money is invented.
    fn end_hold(
        &mut self,
        id: HoldId,
        state: HoldState,
        released: Minor,
        past: &mut impl Remember,
    ) {
        let taken = self.take_hold(id);
        #[expect(clippy::expect_used, reason = "INVARIANT HoldEndsOnce")]
        let mut hold = taken.expect("a change ends a hold that is open");
        let placement = &hold.placement;
        let slot = self.slot_to_change(placement.account);
        let (side, amount) = (placement.side, hold.remaining());
        self.shift(Move { slot, side, turn: Turn::Release, amount });
        // Something of it was posted, now or earlier: then it counts as one.
        let never = matches!(state, HoldState::Voided | HoldState::Expired);
        let posted = !never || hold.taken.is_some();
        for limit in &placement.limits {
            let bucket = limit.bucket(placement.business_date, hold.placed_at);
            let slot = self.counter_slot(&bucket);
            let row = slot.and_then(|slot| self.counters.get_mut(slot));
            if let Some(Some(row)) = row {
                let back = if posted { released } else { limit.counts(released) };
                let left = row.counter.amount.units().saturating_sub(back.units());
                row.counter.amount = Minor::new(left);
                row.counter.count = row.counter.count.saturating_sub(u32::from(!posted));
            }
        }
        hold.state = state;
        past.ended(*hold);
    }

    /// Takes a part of an open hold; the rest stays held.
    fn take_part(&mut self, id: HoldId, posted: Minor, kept: Minor) {
        let slot = self.hold_slot(id).and_then(|slot| self.holds.get_mut(slot));
        #[expect(clippy::expect_used, reason = "INVARIANT AppliedAsChecked")]
        let hold = slot.and_then(Option::as_mut).expect("a change names a hold that is open");
        let taken = hold.placement.amount.units().saturating_sub(kept.units());
        hold.taken = Some(Minor::new(taken));
        hold.parts = Some(hold.parts().saturating_add(1));
        let (account, side) = (hold.placement.account, hold.placement.side);
        let slot = self.slot_to_change(account);
        self.shift(Move { slot, side, turn: Turn::Release, amount: posted });
    }

    /// Takes an open hold out of memory, its deadline with it.
    fn take_hold(&mut self, id: HoldId) -> Option<Box<Hold>> {
        let slot = self.hold_slot(id)?;
        self.hold_index.remove(self.key.of_id(id.bytes()), |known| known == slot)?;
        let hold = self.holds.get_mut(slot)?.take()?;
        self.free.push(slot);
        if let Some(at) = deadline(&hold) {
            self.deadlines.remove(&(at, id));
        }
        Some(hold)
    }

    /// Adds an open hold, and its deadline.
    pub(crate) fn add_hold(&mut self, hold: Hold) {
        let id = hold.placement.id;
        if let Some(at) = deadline(&hold) {
            self.deadlines.insert((at, id));
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(free) = self.holds.get_mut(slot) {
                    *free = Some(Box::new(hold));
                }
                slot
            }
            None => no_more_than(self.holds.push(Some(Box::new(hold)))),
        };
        self.index_hold(id, slot);
    }

    /// Adds the next slot of an image: an open hold, or a free slot.
    pub(crate) fn restore_hold(&mut self, hold: Option<Hold>) {
        let at = hold.as_ref().and_then(deadline);
        let id = hold.as_ref().map(|hold| hold.placement.id);
        let slot = no_more_than(self.holds.push(hold.map(Box::new)));
        match id {
            Some(id) => {
                self.deadlines.extend(at.map(|at| (at, id)));
                self.index_hold(id, slot);
            }
            None => self.free.push(slot),
        }
    }

    fn index_hold(&mut self, id: HoldId, slot: u32) {
        self.hold_index.insert(self.key.of_id(id.bytes()), slot);
    }

    /// Adds an account's row, its asset and its owner; says its slot.
    fn add_row(&mut self, opening: &Opening, stamp: Instant) -> u32 {
        let asset = self.number_asset(opening);
        let owner = no_more_than(self.owners.number(&self.key, &opening.owner));
        let mut beside = Beside { opened_at: stamp, code: None, more: None };
        if let Some(Marks { code, tags }) = opening.marks {
            beside.code = code;
            let tags = (tags != Tags::NONE).then_some(tags);
            beside.more = tags.map(|tags| Box::new(More { tags: Some(tags), ..More::NOTHING }));
        }
        self.beside.push(beside);
        self.restore_row(Row::opened(opening, asset, owner))
    }

    /// Adds a row as it stood; the part beside it is the caller's.
    pub(crate) fn restore_row(&mut self, row: Row) -> u32 {
        let hash = self.key.of_id(row.id.bytes());
        let slot = no_more_than(self.rows.push(row));
        self.row_index.insert(hash, slot);
        slot
    }

    /// Makes room in the index for `more` accounts at once.
    pub(crate) fn reserve(&mut self, more: u32) {
        self.row_index.reserve(more);
    }

    /// Adds an account as it stood; its sums are not added to the totals.
    pub(crate) fn restore_account(&mut self, account: &Account) {
        use crate::account::Standing;
        let slot = self.add_row(&account.opening, account.opened_at);
        let row = self.row_mut(slot);
        row.counters = account.counters();
        row.freeze = account.freeze;
        row.is_blocked = !account.blocked.is_zero();
        row.set_limits(account.floor, account.ceiling);
        if let Standing::Closed(at) = account.standing {
            row.is_closed = true;
            self.more_mut(slot).closed_at = at;
        }
        let first = (account.opening.floor, account.opening.ceiling);
        if first != (account.floor, account.ceiling) {
            self.more_mut(slot).first = Some(first);
        }
        if !account.blocked.is_zero() {
            self.more_mut(slot).blocked = account.blocked;
        }
    }

    fn number_asset(&mut self, opening: &Opening) -> u32 {
        if let Some(known) = self.asset_numbers.get(&opening.asset) {
            return *known;
        }
        self.add_asset(opening.asset, Total::ZERO)
    }

    pub(crate) fn add_asset(&mut self, asset: terms::AssetCode, total: Total) -> u32 {
        let number = no_more_than(u32::try_from(self.assets.len()).ok());
        self.assets.push(asset);
        self.totals.push(total);
        self.asset_numbers.insert(asset, number);
        number
    }

    #[inline]
    fn slot_to_change(&self, id: AccountId) -> u32 {
        #[expect(clippy::expect_used, reason = "INVARIANT AppliedAsChecked")]
        self.slot(id).expect("a change names an account that was opened")
    }

    #[inline]
    fn row_mut(&mut self, slot: u32) -> &mut Row {
        #[expect(clippy::expect_used, reason = "INVARIANT AppliedAsChecked")]
        self.rows.get_mut(slot).expect("a slot that was found has a row")
    }

    fn beside_mut(&mut self, slot: u32) -> &mut Beside {
        #[expect(clippy::expect_used, reason = "INVARIANT RowsName")]
        self.beside.get_mut(slot).expect("a row has a part beside it")
    }

    fn more_mut(&mut self, slot: u32) -> &mut More {
        self.beside_mut(slot).more.get_or_insert_with(|| Box::new(More::NOTHING))
    }

    /// Moves an amount on an account and in the total of its asset.
    #[inline]
    #[expect(clippy::expect_used, reason = "INVARIANT AppliedAsChecked")]
    fn shift(&mut self, Move { slot, side, turn, amount }: Move) {
        let row = self.rows.get_mut(slot).expect("a slot that was found has a row");
        row.counters.shift(side, turn, amount).expect("a checked sum fits");
        let total = self.totals.get_mut(place(row.asset)).expect("a row's asset is in the table");
        total.shift(side, turn, amount).expect("a checked sum fits");
    }

    fn count(&mut self, stamp: Instant, bucket: &Bucket, amount: Minor) {
        let slot = self.counter_slot(bucket).unwrap_or_else(|| {
            #[expect(clippy::expect_used, reason = "INVARIANT AppliedAsChecked")]
            let asset = *self.asset_numbers.get(&bucket.asset).expect("a limit's asset moves");
            self.forget_counters(bucket);
            self.forget_over(stamp);
            self.add_counter(bucket, asset, Counter::ZERO)
        });
        if let Some(Some(row)) = self.counters.get_mut(slot) {
            // `check` refused whatever would pass the limit, hence also whatever would not fit.
            let counter = &mut row.counter;
            counter.amount = Minor::new(counter.amount.units().saturating_add(amount.units()));
            counter.count = counter.count.saturating_add(1);
        }
    }

    pub(crate) fn add_counter(&mut self, bucket: &Bucket, asset: u32, counter: Counter) -> u32 {
        let Bucket { key, period, first_day, hour, .. } = *bucket;
        self.push_counter(CounterRow { key, asset, period, first_day, hour, counter })
    }

    /// Forgets the counters that a rolling window has left behind when it comes to `bucket`: as
    /// many as a window has, so that no more than two windows are ever kept of one total.
    fn forget_counters(&mut self, bucket: &Bucket) {
        let Some(first) = bucket.window().last().and_then(|first| first.before()) else { return };
        if !first.rolls() {
            return;
        }
        for old in first.window() {
            let Some(slot) = self.counter_slot(&old) else { continue };
            self.forget_counter(slot);
        }
    }

    /// Forgets some counters that nothing counts into any more: more than one for each that is
    /// made, so that memory is bounded by what counts, and few, so that nobody waits.
    fn forget_over(&mut self, stamp: Instant) {
        for _ in 0..FORGET_AT_ONCE {
            match self.counter_ends.first() {
                Some((until, slot)) if *until < stamp.date().days() => self.forget_counter(*slot),
                _ => return,
            }
        }
    }

    fn forget_counter(&mut self, slot: u32) {
        let Some(row) = self.counters.get_mut(slot).and_then(Option::take) else { return };
        let hash = hash_of_counter(&self.key, &row);
        self.counter_index.remove(hash, |known| known == slot);
        self.counter_ends.remove(&(self.counts_until(&row), slot));
        self.counters_free.push(slot);
    }

    fn counts_until(&self, row: &CounterRow) -> u32 {
        let CounterRow { key, asset, period, first_day, hour, .. } = *row;
        let asset = self.assets.get(place(asset)).copied();
        let bucket = |asset| Bucket { key, asset, period, first_day, hour };
        asset.map_or(0, |asset| bucket(asset).counts_until())
    }

    /// Adds the next slot of an image; `None` when its counter names no asset.
    pub(crate) fn restore_counter(&mut self, row: Option<CounterRow>, assets: u32) -> Option<()> {
        let slot = no_more_than(self.counters.push(row));
        match row {
            Some(row) if row.asset < assets => self.index_counter(&row, slot),
            Some(_) => return None,
            None => self.counters_free.push(slot),
        }
        Some(())
    }

    fn push_counter(&mut self, row: CounterRow) -> u32 {
        let slot = match self.counters_free.pop() {
            Some(slot) => {
                if let Some(free) = self.counters.get_mut(slot) {
                    *free = Some(row);
                }
                slot
            }
            None => no_more_than(self.counters.push(Some(row))),
        };
        self.index_counter(&row, slot);
        slot
    }

    fn index_counter(&mut self, row: &CounterRow, slot: u32) {
        self.counter_ends.insert((self.counts_until(row), slot));
        self.counter_index.insert(hash_of_counter(&self.key, row), slot);
    }
}

#[expect(clippy::expect_used, reason = "2^32 rows need 600 GiB: memory ends before")]
fn no_more_than(slot: Option<u32>) -> u32 {
    slot.expect("fewer than 2^32 rows of a kind")
}
