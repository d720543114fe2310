//! Reads into memory what the head keeps there.

use ledger::Side;
use redb::ReadableTable as _;

use super::Config;
use super::accounts::{Accounts, NONE, TOTALS_BLOCK_ACCOUNTS};
use super::bytes;
use super::error::{StoreFault, Table};
use super::head::{Head, Run};
use super::item::Totals;
use super::tables::{ACCOUNTS, ASSETS, RUNS, Reading, Store, Stored, TOTALS, fault, guarded};

/// The head as it was at the last flush.
pub(super) fn head(store: &Store, stored: Stored, config: &Config) -> Result<Head, StoreFault> {
    guarded(|| {
        let reading = store.read()?;
        let mut accounts = Accounts::new(config.seed);
        load_assets(&reading, &mut accounts, stored.assets)?;
        load_accounts(&reading, &mut accounts, stored.accounts)?;
        load_totals(&reading, &mut accounts)?;
        accounts.clean();
        let runs = load_runs(&reading, stored.runs)?;
        Ok(Head::new(accounts, runs, stored, &config.limits))
    })
}

fn load_assets(reading: &Reading, accounts: &mut Accounts, count: u32) -> Result<(), StoreFault> {
    let table = reading.table(ASSETS)?;
    for index in 0..count {
        let key = u128::from(index);
        let damaged = |problem| StoreFault::Damaged { table: Table::Assets, key, problem };
        let block = table.get(key).map_err(fault)?.ok_or_else(|| damaged("it is missing"))?;
        let mut reader = bytes::open(Table::Assets, key, block.value())?;
        let mut name = Vec::new();
        while !reader.is_empty() {
            name.push(reader.byte()?);
        }
        let name = core::str::from_utf8(&name).ok().and_then(|name| name.parse().ok());
        let asset = name.ok_or_else(|| damaged("it is no asset's name"))?;
        if accounts.add_asset(asset) != index {
            return Err(damaged("it is there twice"));
        }
    }
    Ok(())
}

fn load_accounts(reading: &Reading, accounts: &mut Accounts, count: u32) -> Result<(), StoreFault> {
    let table = reading.table(ACCOUNTS)?;
    for found in table.iter().map_err(fault)? {
        let (key, block) = found.map_err(fault)?;
        let mut reader = bytes::open(Table::Accounts, key.value(), block.value())?;
        if key.value() != u128::from(accounts.count()) {
            return Err(reader.damaged("accounts before it are missing"));
        }
        while !reader.is_empty() {
            let id = reader.array()?;
            let fixed = reader.u64()?;
            let asset = u32::try_from(fixed >> 1).ok().filter(|a| accounts.asset(*a).is_some());
            let asset = asset.ok_or_else(|| reader.damaged("an asset is not known"))?;
            let normal = if fixed & 1 == 0 { Side::Debit } else { Side::Credit };
            let added = accounts.add(id, asset, normal);
            added.ok_or_else(|| reader.damaged("an account is there twice"))?;
        }
    }
    if accounts.count() == count {
        return Ok(());
    }
    let problem = "accounts are missing";
    Err(StoreFault::Damaged { table: Table::Accounts, key: count.into(), problem })
}

fn load_totals(reading: &Reading, accounts: &mut Accounts) -> Result<(), StoreFault> {
    let table = reading.table(TOTALS)?;
    let mut first = 0;
    while first < accounts.count() {
        let key = u128::from(first / TOTALS_BLOCK_ACCOUNTS);
        let missing = StoreFault::Damaged { table: Table::Totals, key, problem: "it is missing" };
        let block = table.get(key).map_err(fault)?.ok_or(missing)?;
        let mut reader = bytes::open(Table::Totals, key, block.value())?;
        let run = reader.u32()?;
        let until = first.saturating_add(TOTALS_BLOCK_ACCOUNTS).min(accounts.count());
        for slot in first..until {
            let totals = Totals::take(&mut reader)?;
            let back = reader.u32()?;
            let newest = back.checked_sub(1).map_or(NONE, |back| run.wrapping_sub(back));
            accounts.restore(slot, &totals, newest);
        }
        if !reader.is_empty() {
            return Err(reader.damaged("it has more accounts than there are"));
        }
        first = until;
    }
    Ok(())
}

fn load_runs(reading: &Reading, count: u32) -> Result<Vec<Run>, StoreFault> {
    let table = reading.table(RUNS)?;
    let mut runs: Vec<Run> = Vec::new();
    for number in 0..count {
        let key = u128::from(number);
        let missing = StoreFault::Damaged { table: Table::Runs, key, problem: "it is missing" };
        let block = table.get(key).map_err(fault)?.ok_or(missing)?;
        let mut reader = bytes::open(Table::Runs, key, block.value())?;
        let (first, next, marks) = (reader.u64()?, reader.u64()?, reader.byte()?);
        if runs.last().is_some_and(|before| before.next != first) || next < first {
            return Err(reader.damaged("it does not follow the one before"));
        }
        runs.push(Run { first, next, effective: marks & 1 != 0, links: marks & 2 != 0 });
    }
    Ok(runs)
}
