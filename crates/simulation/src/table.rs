//! The table: a fault in each row, a port call in each column, worlds in each cell.

use core::fmt;
use std::collections::BTreeMap;

use crate::backing::Fault;
use crate::world::{Bug, Plan, Port, run_world};

/// Worlds by cell: how many had the fault.
#[derive(Clone, Debug, Default)]
pub struct Table {
    cells: BTreeMap<(Fault, Port), u32>,
    /// Worlds in which the oracle found something, with what.
    pub found: Vec<(u64, Plan, String)>,
}

/// The plan and world seed of a table's world: `seed` repeats it alone.
#[must_use]
pub fn plan_of(seed: u64) -> Plan {
    let cells = Fault::ALL.len() * Port::ALL.len();
    let cell = usize::try_from(seed).unwrap_or(0) % cells;
    Plan { fault: Fault::ALL[cell / Port::ALL.len()], port: Port::ALL[cell % Port::ALL.len()] }
}

/// Runs `worlds` worlds for each cell, from `seed` on.
#[must_use]
pub fn table(seed: u64, worlds: u32, bug: Bug) -> Table {
    let mut table = Table::default();
    let cells = u64::try_from(Fault::ALL.len() * Port::ALL.len()).unwrap_or(1);
    for seed in seed..seed + cells * u64::from(worlds) {
        let plan = plan_of(seed);
        let outcome = run_world(seed, Some(plan), bug);
        *table.cells.entry((plan.fault, plan.port)).or_default() += u32::from(outcome.fired);
        if let Err(what) = outcome.verdict {
            table.found.push((seed, plan, what));
        }
    }
    table
}

impl Table {
    /// The fewest worlds of a cell in which the fault happened.
    #[must_use]
    pub fn fewest(&self) -> u32 {
        let of = |fault, port| self.cells.get(&(fault, port)).copied().unwrap_or(0);
        Fault::ALL
            .into_iter()
            .flat_map(|fault| Port::ALL.map(|port| of(fault, port)))
            .min()
            .unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<18}", "fault \\ append of")?;
        for port in Port::ALL {
            write!(f, "{:>9}", port.as_str())?;
        }
        for fault in Fault::ALL {
            write!(f, "\n{:<18}", fault.as_str())?;
            for port in Port::ALL {
                write!(f, "{:>9}", self.cells.get(&(fault, port)).copied().unwrap_or(0))?;
            }
        }
        for (seed, plan, what) in &self.found {
            let (fault, port) = (plan.fault.as_str(), plan.port.as_str());
            write!(f, "\nseed {seed}, {fault} at {port}: {what}")?;
        }
        Ok(())
    }
}
