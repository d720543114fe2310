//! The table of the network: a fault in each row, a call in each column, worlds in each cell.

use core::fmt;
use std::collections::BTreeMap;

use super::{Call, Canary, NetFault, NetPlan, Setting, run};

/// Payments of a world of the table: all kinds once.
const PAYMENTS: usize = 7;

/// Worlds by cell: how many had the fault.
#[derive(Clone, Debug, Default)]
pub struct NetTable {
    cells: BTreeMap<NetPlan, u32>,
    /// Events in all of them.
    pub events: u64,
    /// Worlds in which the oracle found something, with what.
    pub found: Vec<(u64, NetPlan, String)>,
}

/// The plans of all cells that can be.
pub fn plans() -> impl Iterator<Item = NetPlan> {
    NetFault::ALL
        .into_iter()
        .flat_map(|fault| Call::ALL.map(|call| NetPlan { fault, call }))
        .filter(|plan| plan.is_possible())
}

/// The world `seed` of a cell.
#[must_use]
pub const fn setting_of(seed: u64, plan: NetPlan) -> Setting {
    Setting { seed, payments: PAYMENTS, plan: Some(plan), canary: Canary::None }
}

/// Runs worlds for each cell, from `seed` on, until `worlds` of them had the fault.
#[must_use]
pub fn net_table(seed: u64, worlds: u32) -> NetTable {
    let mut table = NetTable::default();
    for plan in plans() {
        let mut fired = 0;
        for seed in seed..seed + u64::from(worlds) * 6 {
            if fired >= worlds {
                break;
            }
            let outcome = run(setting_of(seed, plan));
            fired += u32::from(outcome.fired);
            table.events += outcome.events;
            if let Err(what) = outcome.verdict {
                table.found.push((seed, plan, what));
            }
        }
        table.cells.insert(plan, fired);
    }
    table
}

impl NetTable {
    /// The fewest worlds of a cell in which the fault happened.
    #[must_use]
    pub fn fewest(&self) -> u32 {
        self.cells.values().copied().min().unwrap_or(0)
    }
}

impl fmt::Display for NetTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<20}", "fault \\ call")?;
        for call in Call::ALL {
            write!(f, "{:>9}", call.as_str())?;
        }
        for fault in NetFault::ALL {
            write!(f, "\n{:<20}", fault.as_str())?;
            for call in Call::ALL {
                match self.cells.get(&NetPlan { fault, call }) {
                    Some(count) => write!(f, "{count:>9}")?,
                    None => write!(f, "{:>9}", "-")?,
                }
            }
        }
        for (seed, plan, what) in &self.found {
            let (fault, call) = (plan.fault.as_str(), plan.call.as_str());
            write!(f, "\nseed {seed}, {fault} at {call}: {what}")?;
        }
        Ok(())
    }
}
