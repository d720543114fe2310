//! Which batch has which stamp, on disk and since the last flush.

use redb::WriteTransaction;

use super::buffer::Moment;
use super::bytes::{self, put_u64};
use super::error::{StoreFault, Table};
use super::tables::{MOMENTS, Reading, TIMES, fault};

/// Most bytes of one moment.
const MOMENT_BYTES_MAX: usize = 20;

/// Writes the moments of a flush; `before` is the last one stored.
pub(super) fn write(
    writing: &WriteTransaction,
    before: Moment,
    moments: &[Moment],
    block_bytes: usize,
) -> Result<(), StoreFault> {
    let mut table = writing.open_table(MOMENTS).map_err(fault)?;
    let mut times = writing.open_table(TIMES).map_err(fault)?;
    let mut last = before;
    let mut block = Vec::new();
    for (index, moment) in moments.iter().enumerate() {
        if block.is_empty() {
            block = bytes::block(64);
            put_u64(&mut block, last.next);
            put_u64(&mut block, last.stamp);
        }
        put_u64(&mut block, moment.next.wrapping_sub(last.next));
        put_u64(&mut block, moment.stamp.wrapping_sub(last.stamp));
        last = *moment;
        let full = block.len().saturating_add(MOMENT_BYTES_MAX) > block_bytes;
        if full || index.saturating_add(1) == moments.len() {
            bytes::seal(Table::Moments, last.next.into(), &mut block);
            table.insert(u128::from(last.next), block.as_slice()).map_err(fault)?;
            times.insert(last.stamp, last.next).map_err(fault)?;
            block.clear();
        }
    }
    Ok(())
}

/// Moments in order: those of one stored block, or those since the last flush.
struct Stretch {
    before: Moment,
    moments: Vec<Moment>,
}

impl Stretch {
    fn stored(reading: &Reading, key: u64) -> Result<Option<Self>, StoreFault> {
        let table = reading.table(MOMENTS)?;
        let Some(block) = table.get(u128::from(key)).map_err(fault)? else { return Ok(None) };
        let mut reader = bytes::open(Table::Moments, key.into(), block.value())?;
        let before = Moment { next: reader.u64()?, stamp: reader.u64()? };
        let mut last = before;
        let mut moments = Vec::new();
        while !reader.is_empty() {
            last.next = last.next.wrapping_add(reader.u64()?);
            last.stamp = last.stamp.wrapping_add(reader.u64()?);
            moments.push(last);
        }
        Ok(Some(Self { before, moments }))
    }
}

/// Looks up stamps; keeps the block it looked at last, since pages ask in order.
pub(super) struct Stamps<'h> {
    pub(super) reading: &'h Reading,
    /// The last moment stored.
    pub(super) stored: Moment,
    /// Those since.
    pub(super) recent: &'h [Moment],
    /// The stamp of the batch that is being taken.
    pub(super) open: u64,
    last: Option<Stretch>,
}

impl<'h> Stamps<'h> {
    pub(super) fn new(
        reading: &'h Reading,
        stored: Moment,
        recent: &'h [Moment],
        open: u64,
    ) -> Self {
        Self { reading, stored, recent, open, last: None }
    }

    /// The stamp of the fact at `position`, which was seen.
    pub(super) fn stamp(&mut self, position: u64) -> Result<u64, StoreFault> {
        if position >= self.stored.next {
            let at = self.recent.partition_point(|moment| moment.next <= position);
            return Ok(self.recent.get(at).map_or(self.open, |moment| moment.stamp));
        }
        let fits = |s: &Stretch| {
            s.before.next <= position && s.moments.last().is_some_and(|m| position < m.next)
        };
        if !self.last.as_ref().is_some_and(fits) {
            let table = self.reading.table(MOMENTS)?;
            let after = u128::from(position).saturating_add(1);
            let key = match table.range(after..).map_err(fault)?.next() {
                Some(found) => u64::try_from(found.map_err(fault)?.0.value()).ok(),
                None => None,
            };
            self.last = match key {
                Some(key) => Stretch::stored(self.reading, key)?,
                None => None,
            };
        }
        let stretch = self.last.as_ref().filter(|stretch| fits(stretch));
        let found = stretch.and_then(|stretch| {
            let at = stretch.moments.partition_point(|moment| moment.next <= position);
            stretch.moments.get(at)
        });
        found.map(|moment| moment.stamp).ok_or(StoreFault::Damaged {
            table: Table::Moments,
            key: position.into(),
            problem: "the stamp of a position is missing",
        })
    }

    /// How many facts, of those before `seen`, have a stamp of `time` or earlier.
    pub(super) fn facts_until(&mut self, time: u64, seen: u64) -> Result<u64, StoreFault> {
        if time >= self.stored.stamp {
            let at = self.recent.partition_point(|moment| moment.stamp <= time);
            if at == self.recent.len() && self.open <= time {
                return Ok(seen);
            }
            let before = at.checked_sub(1).and_then(|at| self.recent.get(at));
            return Ok(before.map_or(self.stored.next, |moment| moment.next));
        }
        let table = self.reading.table(TIMES)?;
        let after = time.saturating_add(1);
        let key = match table.range(after..).map_err(fault)?.next() {
            Some(found) => found.map_err(fault)?.1.value(),
            None => return Ok(self.stored.next),
        };
        let stretch = Stretch::stored(self.reading, key)?.ok_or(StoreFault::Damaged {
            table: Table::Moments,
            key: key.into(),
            problem: "a block is missing",
        })?;
        let at = stretch.moments.partition_point(|moment| moment.stamp <= time);
        let before = at.checked_sub(1).and_then(|at| stretch.moments.get(at));
        Ok(before.map_or(stretch.before.next, |moment| moment.next))
    }
}
