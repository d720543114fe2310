//! Items on disk: written in runs, read by account.
//!
//! A run is what one flush wrote: blocks of items, sorted by account and position. Each group of
//! one account's items says the counters before it and the newest earlier run that holds items of
//! that account, so that a statement of a quiet account skips the runs it is not in, and nothing
//! ever has to be merged.

use redb::{ReadOnlyTable, Table as WriteTable};

use super::accounts::NONE;
use super::buffer::Buffer;
use super::bytes::{self, Reader, put_u64};
use super::error::{StoreFault, Table};
use super::item::{Context, ITEM_BYTES_MAX, Item, Totals};
use super::tables::fault;

/// Most bytes of a group's heading: slot, earlier run, four counters, length.
const GROUP_BYTES_MAX: usize = 5 + 5 + 4 * 19 + 5;

pub(super) fn item_key(run: u32, slot: u32, position: u64) -> u128 {
    (u128::from(run) << 96) | (u128::from(slot) << 64) | u128::from(position)
}

fn run_of(key: u128) -> u32 {
    u32::try_from(key >> 96).unwrap_or(NONE)
}

fn slot_of(key: u128) -> u32 {
    u32::try_from((key >> 64) & u128::from(u32::MAX)).unwrap_or(NONE)
}

/// Writes the items of a run, account by account.
pub(super) struct RunWriter<'t, 'txn> {
    table: &'t mut WriteTable<'txn, u128, &'static [u8]>,
    run: u32,
    base: u64,
    block_bytes: usize,
    block: Vec<u8>,
    key: Option<u128>,
    start: Context,
    last_slot: u32,
    /// Groups in the block that is open.
    groups: u32,
    scratch: Vec<u8>,
}

/// One account's items in the buffer.
pub(super) struct Group<'g> {
    pub(super) slot: u32,
    pub(super) earlier: u32,
    pub(super) before: Totals,
    /// Oldest first.
    pub(super) items: &'g [u32],
}

impl<'t, 'txn> RunWriter<'t, 'txn> {
    pub(super) fn new(
        table: &'t mut WriteTable<'txn, u128, &'static [u8]>,
        run: u32,
        base: u64,
        block_bytes: usize,
    ) -> Self {
        let start = Context { position: base, date: 0, reason: 0 };
        Self {
            table,
            run,
            base,
            block_bytes,
            block: Vec::with_capacity(block_bytes),
            key: None,
            start,
            last_slot: 0,
            groups: 0,
            scratch: Vec::with_capacity(block_bytes),
        }
    }

    /// Writes a group, in as many blocks as it needs. A position is never cut in two.
    pub(super) fn group(&mut self, group: &Group<'_>, buffer: &Buffer) -> Result<(), StoreFault> {
        let mut rest = group.items;
        let mut before = group.before;
        while let Some(first) = rest.first().and_then(|first| buffer.item(*first)) {
            self.begin(group.slot, &first);
            let taken = self.fill(rest, buffer);
            if taken == 0 {
                self.finish()?;
                continue;
            }
            let (here, later) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            self.heading(group, &before);
            self.block.append(&mut self.scratch);
            if !later.is_empty() {
                for item in here.iter().filter_map(|index| buffer.item(*index)) {
                    before.apply(item.kind, item.amount);
                }
                self.finish()?;
            }
            rest = later;
        }
        Ok(())
    }

    fn begin(&mut self, slot: u32, first: &Item) {
        if self.key.is_some() {
            return;
        }
        self.key = Some(item_key(self.run, slot, first.position));
        self.block = bytes::block(self.block_bytes);
        self.start = Context { position: self.base, date: first.date, reason: first.reason };
        put_u64(&mut self.block, self.base);
        put_u64(&mut self.block, first.date.into());
        put_u64(&mut self.block, first.reason.into());
        self.last_slot = slot;
        self.groups = 0;
    }

    /// Encodes into `scratch` what still fits of `items`; says how many.
    fn fill(&mut self, items: &[u32], buffer: &Buffer) -> usize {
        let mut context = self.start;
        let mut taken = 0_usize;
        let fixed = self.block.len().saturating_add(GROUP_BYTES_MAX);
        let fresh = self.groups == 0;
        self.scratch.clear();
        while let Some(rest) = items.get(taken..).filter(|rest| !rest.is_empty()) {
            let position = rest.first().and_then(|index| buffer.position(*index));
            let same = rest.iter().take_while(|index| buffer.position(**index) == position);
            let same = same.count();
            let most = same.saturating_mul(ITEM_BYTES_MAX);
            let bytes = fixed.saturating_add(self.scratch.len()).saturating_add(most);
            if bytes > self.block_bytes && !(fresh && taken == 0) {
                break;
            }
            for item in rest.iter().take(same).filter_map(|index| buffer.item(*index)) {
                context.put(&mut self.scratch, &item);
            }
            taken = taken.saturating_add(same);
        }
        taken
    }

    fn heading(&mut self, group: &Group<'_>, before: &Totals) {
        put_u64(&mut self.block, group.slot.wrapping_sub(self.last_slot).into());
        let back = if group.earlier == NONE { 0 } else { self.run.wrapping_sub(group.earlier) };
        put_u64(&mut self.block, back.into());
        before.put(&mut self.block);
        put_u64(&mut self.block, u64::try_from(self.scratch.len()).unwrap_or(u64::MAX));
        self.last_slot = group.slot;
        self.groups = self.groups.saturating_add(1);
    }

    /// Writes the block that is open, if any.
    pub(super) fn finish(&mut self) -> Result<(), StoreFault> {
        if let Some(key) = self.key.take() {
            bytes::seal(Table::Items, key, &mut self.block);
            self.table.insert(key, self.block.as_slice()).map_err(fault)?;
        }
        Ok(())
    }
}

/// An item with the counters after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) item: Item,
    /// How many items of the account stand before it at the same position.
    pub(super) ordinal: u32,
    pub(super) after: Totals,
}

/// One account's items in one block.
pub(super) struct Part {
    key: u128,
    slot: u32,
    /// The newest earlier run with items of the account.
    pub(super) earlier: u32,
    /// Oldest first.
    pub(super) lines: Vec<Line>,
}

/// Reads items.
pub(super) struct Items {
    pub(super) table: ReadOnlyTable<u128, &'static [u8]>,
}

impl Items {
    /// The account's last part in that run that begins at `position` or before it.
    pub(super) fn part_at(
        &self,
        run: u32,
        slot: u32,
        position: u64,
    ) -> Result<Option<Part>, StoreFault> {
        self.last_up_to(item_key(run, slot, position), slot)
    }

    /// The account's first part in that run whose block begins at `position` or after it.
    pub(super) fn part_from(
        &self,
        run: u32,
        slot: u32,
        position: u64,
    ) -> Result<Option<Part>, StoreFault> {
        self.first_from(item_key(run, slot, position), slot)
    }

    /// The account's part after this one, in the same run.
    pub(super) fn part_after(&self, part: &Part) -> Result<Option<Part>, StoreFault> {
        let first = item_key(run_of(part.key), part.slot, 0);
        self.first_from(part.key.saturating_add(1).max(first), part.slot)
    }

    /// The account's part before this one, in the same run.
    pub(super) fn part_before(&self, part: &Part) -> Result<Option<Part>, StoreFault> {
        if slot_of(part.key) != part.slot || part.key == item_key(run_of(part.key), 0, 0) {
            return Ok(None);
        }
        self.last_up_to(part.key.saturating_sub(1), part.slot)
    }

    fn first_from(&self, from: u128, slot: u32) -> Result<Option<Part>, StoreFault> {
        let until = item_key(run_of(from), slot, u64::MAX);
        if from > until {
            return Ok(None);
        }
        match self.table.range(from..=until).map_err(fault)?.next() {
            None => Ok(None),
            Some(found) => {
                let (key, block) = found.map_err(fault)?;
                part_of(key.value(), block.value(), slot)
            }
        }
    }

    fn last_up_to(&self, until: u128, slot: u32) -> Result<Option<Part>, StoreFault> {
        let from = item_key(run_of(until), 0, 0);
        match self.table.range(from..=until).map_err(fault)?.next_back() {
            None => Ok(None),
            Some(found) => {
                let (key, block) = found.map_err(fault)?;
                part_of(key.value(), block.value(), slot)
            }
        }
    }
}

/// The group of `slot` in a block, if it has one.
fn part_of(key: u128, block: &[u8], slot: u32) -> Result<Option<Part>, StoreFault> {
    let mut reader = bytes::open(Table::Items, key, block)?;
    let base = reader.u64()?;
    let date = reader.u32()?;
    let reason = reader.u32()?;
    let reason = u16::try_from(reason).map_err(|_| reader.damaged("a reason is too large"))?;
    let mut at = slot_of(key);
    while !reader.is_empty() {
        at = at.wrapping_add(reader.u32()?);
        let back = reader.u32()?;
        let before = Totals::take(&mut reader)?;
        let length = reader.u64()?;
        let items = reader.part(length)?;
        if at > slot {
            break;
        }
        if at == slot {
            let earlier = if back == 0 { NONE } else { run_of(key).wrapping_sub(back) };
            let lines = lines(items, Context { position: base, date, reason }, before)?;
            return Ok(Some(Part { key, slot, earlier, lines }));
        }
    }
    Ok(None)
}

fn lines(
    mut items: Reader<'_>,
    mut context: Context,
    mut totals: Totals,
) -> Result<Vec<Line>, StoreFault> {
    let mut lines: Vec<Line> = Vec::new();
    while !items.is_empty() {
        let item = context.take(&mut items)?;
        totals.apply(item.kind, item.amount);
        let same = lines.last().filter(|line| line.item.position == item.position);
        let ordinal = same.map_or(0, |line| line.ordinal.saturating_add(1));
        lines.push(Line { item, ordinal, after: totals });
    }
    Ok(lines)
}
