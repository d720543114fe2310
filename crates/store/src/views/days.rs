//! Sums of one run by business date and account.

use std::collections::BTreeMap;

use redb::{ReadOnlyTable, Table as WriteTable};

use super::bytes::{self, put_u64, put_u128};
use super::error::{StoreFault, Table};
use super::tables::fault;

/// Most bytes of a row: slot and two sums.
const ROW_BYTES_MAX: usize = 5 + 19 + 19;

/// What was posted, debits and credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turnover {
    pub(super) debits: u128,
    pub(super) credits: u128,
}

impl Turnover {
    pub(super) fn add(&mut self, other: Self) {
        self.debits = self.debits.wrapping_add(other.debits);
        self.credits = self.credits.wrapping_add(other.credits);
    }

    pub(super) fn less(self, other: Self) -> Self {
        Self {
            debits: self.debits.wrapping_sub(other.debits),
            credits: self.credits.wrapping_sub(other.credits),
        }
    }
}

fn key_of(date: u32, run: u32, slot: u32) -> u128 {
    (u128::from(date) << 64) | (u128::from(run) << 32) | u128::from(slot)
}

fn low32(bits: u128) -> u32 {
    u32::try_from(bits & u128::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// Writes the sums of a run; accounts come in the order of their slots.
pub(super) struct DayWriter<'t, 'txn> {
    table: &'t mut WriteTable<'txn, u128, &'static [u8]>,
    run: u32,
    block_bytes: usize,
    open: BTreeMap<u32, OpenDay>,
}

struct OpenDay {
    first: u32,
    last: u32,
    block: Vec<u8>,
}

impl<'t, 'txn> DayWriter<'t, 'txn> {
    pub(super) fn new(
        table: &'t mut WriteTable<'txn, u128, &'static [u8]>,
        run: u32,
        block_bytes: usize,
    ) -> Self {
        Self { table, run, block_bytes, open: BTreeMap::new() }
    }

    pub(super) fn row(&mut self, date: u32, slot: u32, sums: Turnover) -> Result<(), StoreFault> {
        let fresh = || OpenDay { first: slot, last: slot, block: bytes::block(64) };
        let day = self.open.entry(date).or_insert_with(fresh);
        put_u64(&mut day.block, slot.wrapping_sub(day.last).into());
        put_u128(&mut day.block, sums.debits);
        put_u128(&mut day.block, sums.credits);
        day.last = slot;
        if day.block.len().saturating_add(ROW_BYTES_MAX) > self.block_bytes
            && let Some(full) = self.open.remove(&date)
        {
            self.write(date, full)?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<(), StoreFault> {
        for (date, day) in core::mem::take(&mut self.open) {
            self.write(date, day)?;
        }
        Ok(())
    }

    fn write(&mut self, date: u32, mut day: OpenDay) -> Result<(), StoreFault> {
        let key = key_of(date, self.run, day.first);
        bytes::seal(Table::Days, key, &mut day.block);
        self.table.insert(key, day.block.as_slice()).map_err(fault)?;
        Ok(())
    }
}

/// Reads sums.
pub(super) struct Days {
    pub(super) table: ReadOnlyTable<u128, &'static [u8]>,
    /// Runs from this one on are not yet to be seen.
    pub(super) runs: u32,
}

impl Days {
    /// Every row of that date and later ones, of slots from `from` to `until`, both included.
    pub(super) fn rows_since(
        &self,
        date: u32,
        from: u32,
        until: u32,
        mut visit: impl FnMut(u32, u32, Turnover),
    ) -> Result<(), StoreFault> {
        let mut next = Some(key_of(date, 0, 0));
        while let Some(start) = next {
            let Some(found) = self.table.range(start..).map_err(fault)?.next() else { break };
            let group = found.map_err(fault)?.0.value() >> 32;
            if low32(group) < self.runs {
                self.run_rows(group << 32, from, until, &mut visit)?;
            }
            next = group.checked_add(1).and_then(|after| after.checked_mul(1 << 32));
        }
        Ok(())
    }

    /// The rows of one date and run, whose blocks have keys from `group` on.
    fn run_rows(
        &self,
        group: u128,
        from: u32,
        until: u32,
        visit: &mut impl FnMut(u32, u32, Turnover),
    ) -> Result<(), StoreFault> {
        // The block that begins at `from` or is the last to begin before it may hold it.
        let seek = self.table.range(group..=group | u128::from(from)).map_err(fault)?.next_back();
        let start = match seek {
            Some(found) => found.map_err(fault)?.0.value(),
            None => group,
        };
        for found in self.table.range(start..=group | u128::from(until)).map_err(fault)? {
            let (key, block) = found.map_err(fault)?;
            read_rows(key.value(), block.value(), from..=until, visit)?;
        }
        Ok(())
    }
}

fn read_rows(
    key: u128,
    block: &[u8],
    slots: core::ops::RangeInclusive<u32>,
    visit: &mut impl FnMut(u32, u32, Turnover),
) -> Result<(), StoreFault> {
    let mut reader = bytes::open(Table::Days, key, block)?;
    let date = low32(key >> 64);
    let mut slot = low32(key);
    while !reader.is_empty() {
        slot = slot.wrapping_add(reader.u32()?);
        let sums = Turnover { debits: reader.u128()?, credits: reader.u128()? };
        if slots.contains(&slot) {
            visit(date, slot, sums);
        }
    }
    Ok(())
}
