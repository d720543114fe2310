//! Open holds: those in the file, and what has changed since the last flush.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Side, Term};
use redb::WriteTransaction;
use terms::Instant;

use super::bytes::{self, put_u64, put_u128};
use super::error::{StoreFault, Table};
use super::tables::{HOLD_ACCOUNTS, HOLD_TERMS, HOLDS, Reading, fault};

/// Bytes that a changed hold takes in memory, with its places in three trees.
const CHANGE_BYTES: usize = 320;

/// An open hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) slot: u32,
    pub(super) side: Side,
    /// What is still held.
    pub(super) amount: u128,
    /// `None` for one that does not expire.
    pub(super) at: Option<u64>,
    pub(super) position: u64,
    pub(super) date: u32,
}

impl Record {
    pub(super) fn term(&self) -> Term {
        self.at.map_or(Term::Pinned, |at| Term::Expiring { at: Instant::from_nanos(at) })
    }

    /// Those that do not expire come last.
    pub(super) fn moment(&self) -> u64 {
        self.at.unwrap_or(u64::MAX)
    }

    fn encode(&self, id: u128) -> Vec<u8> {
        let mut block = bytes::block(48);
        put_u64(&mut block, self.slot.into());
        let side = match self.side {
            Side::Debit => 0,
            Side::Credit => 1,
        };
        block.push(side | (u8::from(self.at.is_some()) << 1));
        put_u128(&mut block, self.amount);
        if let Some(at) = self.at {
            put_u64(&mut block, at);
        }
        put_u64(&mut block, self.position);
        put_u64(&mut block, self.date.into());
        bytes::seal(Table::Holds, id, &mut block);
        block
    }

    fn decode(id: u128, block: &[u8]) -> Result<Self, StoreFault> {
        let mut reader = bytes::open(Table::Holds, id, block)?;
        let slot = reader.u32()?;
        let head = reader.byte()?;
        let side = if head & 1 == 0 { Side::Debit } else { Side::Credit };
        let amount = reader.u128()?;
        let at = if head & 2 == 0 { None } else { Some(reader.u64()?) };
        Ok(Self { slot, side, amount, at, position: reader.u64()?, date: reader.u32()? })
    }
}

/// A hold that is not in the file as it is now.
#[derive(Clone, Copy)]
struct Change {
    stored: Option<Record>,
    now: Option<Record>,
}

/// What has changed since the last flush.
#[derive(Default)]
pub(super) struct Changes {
    changes: BTreeMap<u128, Change>,
    /// Of the open ones among them.
    terms: BTreeSet<(u64, u128)>,
    accounts: BTreeSet<(u32, u128)>,
}

impl Changes {
    pub(super) fn count(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.changes.len().saturating_mul(CHANGE_BYTES)
    }

    /// What is known of a hold here: `None` when nothing, `Some(None)` when it has ended.
    pub(super) fn get(&self, id: u128) -> Option<Option<Record>> {
        self.changes.get(&id).map(|change| change.now)
    }

    pub(super) fn place(&mut self, id: u128, record: Record) {
        self.insert_keys(id, &record);
        // An id is used once; were it used again after its end, what is stored stays to be removed.
        let stored = self.changes.get(&id).and_then(|change| change.stored);
        self.changes.insert(id, Change { stored, now: Some(record) });
    }

    /// Replaces `before`, which is open; `None` ends it.
    pub(super) fn replace(&mut self, id: u128, before: &Record, now: Option<Record>) {
        self.terms.remove(&(before.moment(), id));
        self.accounts.remove(&(before.slot, id));
        if let Some(record) = &now {
            self.insert_keys(id, record);
        }
        let known = self.changes.get(&id).copied();
        let stored = known.map_or(Some(*before), |change| change.stored);
        if stored.is_none() && now.is_none() {
            // Placed and ended since the last flush: the file never hears of it.
            self.changes.remove(&id);
        } else {
            self.changes.insert(id, Change { stored, now });
        }
    }

    fn insert_keys(&mut self, id: u128, record: &Record) {
        self.terms.insert((record.moment(), id));
        self.accounts.insert((record.slot, id));
    }

    pub(super) fn write(&self, writing: &WriteTransaction) -> Result<(), StoreFault> {
        let mut holds = writing.open_table(HOLDS).map_err(fault)?;
        let mut terms = writing.open_table(HOLD_TERMS).map_err(fault)?;
        let mut accounts = writing.open_table(HOLD_ACCOUNTS).map_err(fault)?;
        for (id, change) in &self.changes {
            if let Some(old) = &change.stored {
                holds.remove(*id).map_err(fault)?;
                terms.remove((old.moment(), *id)).map_err(fault)?;
                accounts.remove((old.slot, *id)).map_err(fault)?;
            }
            if let Some(now) = &change.now {
                holds.insert(*id, now.encode(*id).as_slice()).map_err(fault)?;
                terms.insert((now.moment(), *id), ()).map_err(fault)?;
                accounts.insert((now.slot, *id), ()).map_err(fault)?;
            }
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.changes.clear();
        self.terms.clear();
        self.accounts.clear();
    }
}

/// The open hold of that id in the file.
pub(super) fn stored(reading: &Reading, id: u128) -> Result<Option<Record>, StoreFault> {
    let table = reading.table(HOLDS)?;
    match table.get(id).map_err(fault)? {
        None => Ok(None),
        Some(block) => Record::decode(id, block.value()).map(Some),
    }
}

/// The first `most` open holds by last moment and id, from `from` to `until`.
pub(super) fn by_term(
    reading: &Reading,
    changes: &Changes,
    from: (u64, u128),
    until: (u64, u128),
    most: usize,
) -> Result<Vec<(u128, Record)>, StoreFault> {
    if from > until {
        return Ok(Vec::new());
    }
    let table = reading.table(HOLD_TERMS)?;
    let stored = table.range(from..=until).map_err(fault)?;
    let stored = stored.map(|found| found.map(|(key, _)| key.value()).map_err(fault));
    let recent = changes.terms.range(from..=until).copied();
    first(reading, changes, most, Lists { stored, recent })
}

/// The first `most` open holds of an account by id, from `from` on.
pub(super) fn by_account(
    reading: &Reading,
    changes: &Changes,
    slot: u32,
    from: u128,
    most: usize,
) -> Result<Vec<(u128, Record)>, StoreFault> {
    let range = (slot, from)..=(slot, u128::MAX);
    let table = reading.table(HOLD_ACCOUNTS)?;
    let stored = table.range(range.clone()).map_err(fault)?;
    let stored = stored.map(|found| found.map(|(key, _)| key.value()).map_err(fault));
    let recent = changes.accounts.range(range).copied();
    first(reading, changes, most, Lists { stored, recent })
}

/// Keys of open holds in order: those in the file, and those changed since.
struct Lists<S, R> {
    stored: S,
    recent: R,
}

/// The first holds of both lists; what changed since the flush hides what is stored of it, also
/// where the file already has the change and the flush is not yet known.
fn first<T: Ord + Copy>(
    reading: &Reading,
    changes: &Changes,
    most: usize,
    lists: Lists<
        impl Iterator<Item = Result<(T, u128), StoreFault>>,
        impl Iterator<Item = (T, u128)>,
    >,
) -> Result<Vec<(u128, Record)>, StoreFault> {
    let mut keys = Vec::new();
    for key in lists.stored {
        let key = key?;
        if changes.get(key.1).is_none() {
            keys.push(key);
        }
        if keys.len() >= most {
            break;
        }
    }
    keys.extend(lists.recent.take(most));
    keys.sort_unstable();
    keys.truncate(most);
    let mut found = Vec::new();
    for (_, id) in keys {
        let record = match changes.get(id) {
            Some(now) => now,
            None => stored(reading, id)?,
        };
        let missing = StoreFault::Damaged {
            table: Table::Holds,
            key: id,
            problem: "a hold is missing that a list names",
        };
        found.push((id, record.ok_or(missing)?));
    }
    Ok(found)
}
