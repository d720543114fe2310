//! One account's items in order, stored and recent, forwards and backwards.

use core::ops::ControlFlow;

use super::accounts::{NONE, Row};
use super::blocks::{Items, Line, Part};
use super::bytes::{narrow, wide};
use super::error::{StoreFault, Table};
use super::head::{Head, Run};
use super::item::Totals;

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

/// Goes over one account's items.
pub(super) struct Walk<'h> {
    head: &'h Head,
    items: Items,
    slot: u32,
    row: Row,
}

type Visit<'v> = &'v mut dyn FnMut(&Line) -> ControlFlow<()>;

impl<'h> Walk<'h> {
    pub(super) fn new(head: &'h Head, items: Items, slot: u32) -> Option<Self> {
        let row = *head.accounts.row(slot)?;
        Some(Self { head, items, slot, row })
    }

    /// Visits the items from `from` on and before position `until`, oldest first.
    pub(super) fn forward(
        &self,
        from: Place,
        until: u64,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreFault> {
        let runs = &self.head.runs;
        let first = runs.partition_point(|run| run.next <= from.position);
        for (number, run) in (0_u32..).zip(runs).skip(first) {
            if run.first >= until || self.row.run == NONE || number > self.row.run {
                break;
            }
            if self.run_forward(number, from, until, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(self.buffer_forward(from, until, visit))
    }

    fn run_forward(
        &self,
        run: u32,
        from: Place,
        until: u64,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreFault> {
        let mut part = self.items.part_at(run, self.slot, from.position)?;
        if part.is_none() {
            part = self.items.part_from(run, self.slot, from.position)?;
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

    fn buffer_forward(&self, from: Place, until: u64, visit: Visit<'_>) -> ControlFlow<()> {
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
    pub(super) fn backward(
        &self,
        until: Place,
        lowest: u64,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreFault> {
        if until > Place::before(self.head.buffer.base)
            && self.buffer_backward(until, lowest, visit).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
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

    fn buffer_backward(&self, until: Place, lowest: u64, visit: Visit<'_>) -> ControlFlow<()> {
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

    /// Goes back through one run; says which run to go on with.
    fn run_backward(
        &self,
        run: u32,
        until: Place,
        lowest: u64,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<(), u32>, StoreFault> {
        let mut part = self.items.part_at(run, self.slot, until.position)?;
        if part.is_none() {
            let later = self.items.part_from(run, self.slot, until.position)?;
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
        let within = self.head.runs.partition_point(|run| run.next <= until.position);
        let within = narrow(within);
        if self.row.run == NONE || self.row.run <= within {
            return Ok(self.row.run);
        }
        for run in (within.saturating_sub(PROBES)..=within).rev() {
            if self.items.part_at(run, self.slot, u64::MAX)?.is_some() {
                return Ok(run);
            }
        }
        let mut run = self.row.run;
        while run != NONE && run > within {
            let part = self.items.part_at(run, self.slot, u64::MAX)?;
            run = self.chained(run, part.as_ref())?;
        }
        Ok(run)
    }

    fn chained(&self, run: u32, part: Option<&Part>) -> Result<u32, StoreFault> {
        part.map(|part| part.earlier).ok_or(StoreFault::Damaged {
            table: Table::Items,
            key: super::blocks::item_key(run, self.slot, 0),
            problem: "an account's items are missing in a run that should have some",
        })
    }

    fn run(&self, number: u32) -> Result<Option<&Run>, StoreFault> {
        if number == NONE {
            return Ok(None);
        }
        self.head.runs.get(wide(number)).map(Some).ok_or(StoreFault::Damaged {
            table: Table::Runs,
            key: number.into(),
            problem: "a run is missing that an account names",
        })
    }

    /// Visits the entries that say their effective time.
    pub(super) fn effective(&self, visit: &mut dyn FnMut(&Line)) -> Result<(), StoreFault> {
        let mut all = |line: &Line| {
            if line.item.moment.is_some() && line.item.kind.what == super::item::What::Entry {
                visit(line);
            }
            ControlFlow::Continue(())
        };
        for (number, run) in (0_u32..).zip(&self.head.runs) {
            if run.effective {
                let _ = self.run_forward(number, Place::before(0), u64::MAX, &mut all)?;
            }
        }
        if self.head.buffer.effective {
            let _ = self.buffer_forward(Place::before(0), u64::MAX, &mut all);
        }
        Ok(())
    }

    /// The counters after all facts before `position`.
    pub(super) fn totals_before(&self, position: u64) -> Result<Totals, StoreFault> {
        if position >= self.head.next {
            return Ok(self.head.accounts.totals(self.slot));
        }
        let mut totals = Totals::default();
        let mut first = |line: &Line| {
            totals = line.after;
            ControlFlow::Break(())
        };
        let _ = self.backward(Place::before(position), 0, &mut first)?;
        Ok(totals)
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
