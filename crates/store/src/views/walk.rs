//! One account's items in order, stored and recent, forwards and backwards.
//!
//! What is in memory, a [`Recent`], is looked at while takes wait, and costs no look into the file.
//! What is in the file, a [`Walk`], needs nothing of the memory, so that takes go on meanwhile.

use core::ops::ControlFlow;
use std::sync::Arc;

use super::accounts::{NONE, Row};
use super::blocks::{Items, Line, Part};
use super::bytes::{narrow, wide};
use super::error::{StoreFault, Table};
use super::head::{Head, Run};
use super::item::{Totals, What};
use super::tables::{ITEMS, Reading};

/// Runs that are looked into one by one before the account's own chain of runs is followed.
const PROBES: u32 = 4;

/// A place between items: before the item of this position and ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) position: u64,
    pub(super) ordinal: u32,
}

impl Place {
    pub(super) const fn before(position: u64) -> Self {
        Self { position, ordinal: 0 }
    }

    pub(super) const fn of(line: &Line) -> Self {
        Self { position: line.item.position, ordinal: line.ordinal }
    }

    pub(super) const fn after(line: &Line) -> Self {
        Self { position: line.item.position, ordinal: line.ordinal.saturating_add(1) }
    }
}

/// Where one account's items lie in the file, as far as they were stored at one moment.
#[derive(Clone)]
pub(super) struct Path {
    runs: Arc<Vec<Run>>,
    slot: u32,
    /// The newest run that holds items of the account.
    newest: u32,
}

/// Goes over them.
pub(super) struct Walk {
    path: Path,
    items: Items,
}

/// Goes over one account's items in memory.
pub(super) struct Recent<'h> {
    head: &'h Head,
    slot: u32,
    row: Row,
}

/// The counters before a position, as far as they are known without the file.
pub(super) enum Before {
    Known(Totals),
    Stored(Path, u64),
}

type Visit<'v> = &'v mut dyn FnMut(&Line) -> ControlFlow<()>;

impl<'h> Recent<'h> {
    pub(super) fn new(head: &'h Head, slot: u32) -> Option<Self> {
        let row = *head.accounts.row(slot)?;
        Some(Self { head, slot, row })
    }

    /// Visits the items from `from` on and before position `until`, oldest first.
    pub(super) fn forward(&self, from: Place, until: u64, visit: Visit<'_>) -> ControlFlow<()> {
        let buffer = &self.head.buffer;
        let mut totals = self.head.accounts.totals(self.slot);
        let mut chain = Vec::new();
        let mut at = self.row.last;
        while let Some(item) = buffer.item(at).filter(|item| item.position >= from.position) {
            totals.undo(item.kind, item.amount);
            chain.push(at);
            at = buffer.previous(at);
        }
        let mut ordinal = 0;
        let mut position = None;
        for item in chain.iter().rev().filter_map(|index| buffer.item(*index)) {
            ordinal = if position == Some(item.position) { narrow(wide(ordinal) + 1) } else { 0 };
            position = Some(item.position);
            totals.apply(item.kind, item.amount);
            let line = Line { item, ordinal, after: totals };
            if item.position >= until {
                return ControlFlow::Break(());
            }
            if Place::of(&line) >= from {
                visit(&line)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits the items before `until` and from position `lowest` on, newest first.
    pub(super) fn backward(&self, until: Place, lowest: u64, visit: Visit<'_>) -> ControlFlow<()> {
        if until <= Place::before(self.head.buffer.base) {
            return ControlFlow::Continue(());
        }
        let buffer = &self.head.buffer;
        let mut totals = self.head.accounts.totals(self.slot);
        // Items of one position, newest first: their ordinals are known when the last is.
        let mut same: Vec<Line> = Vec::new();
        let mut at = self.row.last;
        while let Some(item) = buffer.item(at) {
            if same.last().is_some_and(|line| line.item.position != item.position) {
                emit(&mut same, until, visit)?;
            }
            if item.position < lowest {
                return ControlFlow::Break(());
            }
            same.push(Line { item, ordinal: 0, after: totals });
            totals.undo(item.kind, item.amount);
            at = buffer.previous(at);
        }
        emit(&mut same, until, visit)
    }

    /// The counters after all facts before `position`; `path` is that of the same account.
    pub(super) fn totals_before(&self, position: u64, path: Path) -> Before {
        if position >= self.head.next {
            return Before::Known(self.head.accounts.totals(self.slot));
        }
        let mut totals = None;
        let mut first = |line: &Line| {
            totals = Some(line.after);
            ControlFlow::Break(())
        };
        let _ = self.backward(Place::before(position), 0, &mut first);
        totals.map_or(Before::Stored(path, position), Before::Known)
    }

    /// The entries that say their effective time.
    pub(super) fn effective(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut all = |line: &Line| {
            lines.extend(says_effective(line).then_some(*line));
            ControlFlow::Continue(())
        };
        if self.head.buffer.effective {
            let _ = self.forward(Place::before(0), u64::MAX, &mut all);
        }
        lines
    }
}

impl Before {
    pub(super) fn totals(&self, reading: &Reading) -> Result<Totals, StoreFault> {
        match self {
            Self::Known(totals) => Ok(*totals),
            Self::Stored(path, position) => {
                let walk = path.walk(reading)?;
                let mut totals = Totals::default();
                let mut first = |line: &Line| {
                    totals = line.after;
                    ControlFlow::Break(())
                };
                let _ = walk.backward(Place::before(*position), 0, &mut first)?;
                Ok(totals)
            }
        }
    }
}

fn says_effective(line: &Line) -> bool {
    line.item.moment.is_some() && line.item.kind.what == What::Entry
}

impl Path {
    pub(super) fn new(head: &Head, slot: u32) -> Option<Self> {
        let newest = head.accounts.row(slot)?.run;
        Some(Self { runs: Arc::clone(&head.runs), slot, newest })
    }

    /// Opens the file's table: already that may have to wait for the disk.
    pub(super) fn walk(&self, reading: &Reading) -> Result<Walk, StoreFault> {
        let items = Items { table: reading.table(ITEMS)? };
        Ok(Walk { path: self.clone(), items })
    }
}

impl Walk {
    /// Visits the items from `from` on and before position `until`, oldest first.
    pub(super) fn forward(
        &self,
        from: Place,
        until: u64,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreFault> {
        let first = self.path.runs.partition_point(|run| run.next <= from.position);
        for (number, run) in (0_u32..).zip(&*self.path.runs).skip(first) {
            if run.first >= until || self.path.newest == NONE || number > self.path.newest {
                break;
            }
            if self.run_forward(number, from, until, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn run_forward(
        &self,
        run: u32,
        from: Place,
        until: u64,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreFault> {
        let mut part = self.items.part_at(run, self.path.slot, from.position)?;
        if part.is_none() {
            part = self.items.part_from(run, self.path.slot, from.position)?;
        }
        while let Some(here) = part {
            for line in here.lines.iter().filter(|line| Place::of(line) >= from) {
                if line.item.position >= until || visit(line).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            part = self.items.part_after(&here)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Visits the items before `until` and from position `lowest` on, newest first.
    pub(super) fn backward(
        &self,
        until: Place,
        lowest: u64,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreFault> {
        let mut run = self.newest_run(until)?;
        while let Some(known) = self.run(run)? {
            if known.next <= lowest {
                break;
            }
            match self.run_backward(run, until, lowest, visit)? {
                ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
                ControlFlow::Continue(earlier) => run = earlier,
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Goes back through one run; says which run to go on with.
    fn run_backward(
        &self,
        run: u32,
        until: Place,
        lowest: u64,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<(), u32>, StoreFault> {
        let mut part = self.items.part_at(run, self.path.slot, until.position)?;
        if part.is_none() {
            let later = self.items.part_from(run, self.path.slot, until.position)?;
            return Ok(ControlFlow::Continue(self.chained(run, later.as_ref())?));
        }
        let mut earlier = NONE;
        while let Some(here) = part {
            earlier = here.earlier;
            for line in here.lines.iter().rev().filter(|line| Place::of(line) < until) {
                if line.item.position < lowest || visit(line).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            part = self.items.part_before(&here)?;
        }
        Ok(ControlFlow::Continue(earlier))
    }

    /// The newest run with items of the account that may lie before `until`.
    fn newest_run(&self, until: Place) -> Result<u32, StoreFault> {
        let within = self.path.runs.partition_point(|run| run.next <= until.position);
        let within = narrow(within);
        if self.path.newest == NONE || self.path.newest <= within {
            return Ok(self.path.newest);
        }
        for run in (within.saturating_sub(PROBES)..=within).rev() {
            if self.items.part_at(run, self.path.slot, u64::MAX)?.is_some() {
                return Ok(run);
            }
        }
        let mut run = self.path.newest;
        while run != NONE && run > within {
            let part = self.items.part_at(run, self.path.slot, u64::MAX)?;
            run = self.chained(run, part.as_ref())?;
        }
        Ok(run)
    }

    fn chained(&self, run: u32, part: Option<&Part>) -> Result<u32, StoreFault> {
        part.map(|part| part.earlier).ok_or(StoreFault::Damaged {
            table: Table::Items,
            key: super::blocks::item_key(run, self.path.slot, 0),
            problem: "an account's items are missing in a run that should have some",
        })
    }

    fn run(&self, number: u32) -> Result<Option<&Run>, StoreFault> {
        if number == NONE {
            return Ok(None);
        }
        self.path.runs.get(wide(number)).map(Some).ok_or(StoreFault::Damaged {
            table: Table::Runs,
            key: number.into(),
            problem: "a run is missing that an account names",
        })
    }

    /// Visits the entries that say their effective time.
    pub(super) fn effective(&self, visit: &mut dyn FnMut(&Line)) -> Result<(), StoreFault> {
        let mut all = |line: &Line| {
            if says_effective(line) {
                visit(line);
            }
            ControlFlow::Continue(())
        };
        for (number, run) in (0_u32..).zip(&*self.path.runs) {
            if run.effective {
                let _ = self.run_forward(number, Place::before(0), u64::MAX, &mut all)?;
            }
        }
        Ok(())
    }
}

fn emit(same: &mut Vec<Line>, until: Place, visit: Visit<'_>) -> ControlFlow<()> {
    let count = narrow(same.len());
    for (index, mut line) in (1_u32..).zip(same.drain(..)) {
        line.ordinal = count.saturating_sub(index);
        if Place::of(&line) < until {
            visit(&line)?;
        }
    }
    ControlFlow::Continue(())
}
