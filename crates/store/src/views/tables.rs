//! The file: its tables, how it is opened, written and read.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase as _,
    ReadableTable as _, StorageBackend, TableDefinition, WriteTransaction,
};
use seal::Digest;
use terms::{Instant, Position};

use journal::Tip;

use super::bytes::{self, put_u64};
use super::error::{OpenError, StoreFault, Table};

/// The layout that this program writes.
pub const FORMAT_VERSION: u64 = 1;

/// A table of blocks.
pub(super) type Blocks = TableDefinition<'static, u128, &'static [u8]>;

pub(super) const STATE: Blocks = TableDefinition::new("state");
/// (run, slot, position) of a block's first item.
pub(super) const ITEMS: Blocks = TableDefinition::new("items");
/// (date, run, slot) of a block's first row.
pub(super) const DAYS: Blocks = TableDefinition::new("days");
/// The `next` of a block's last moment.
pub(super) const MOMENTS: Blocks = TableDefinition::new("moments");
/// The stamp of a block's last moment, to its key.
pub(super) const TIMES: TableDefinition<'static, u64, u64> = TableDefinition::new("times");
/// The slot of a block's first account.
pub(super) const ACCOUNTS: Blocks = TableDefinition::new("accounts");
pub(super) const ASSETS: Blocks = TableDefinition::new("assets");
/// The number of the block of accounts.
pub(super) const TOTALS: Blocks = TableDefinition::new("totals");
pub(super) const RUNS: Blocks = TableDefinition::new("runs");
/// The hold's id.
pub(super) const HOLDS: Blocks = TableDefinition::new("holds");
/// Last moment and id of each open hold; the largest moment for one that does not expire.
pub(super) const HOLD_TERMS: TableDefinition<'static, (u64, u128), ()> =
    TableDefinition::new("hold_terms");
/// Slot and id of each open hold.
pub(super) const HOLD_ACCOUNTS: TableDefinition<'static, (u32, u128), ()> =
    TableDefinition::new("hold_accounts");
/// (run, kind, id) of a block's first link.
pub(super) const LINKS: TableDefinition<'static, &'static [u8; 21], &'static [u8]> =
    TableDefinition::new("links");

/// The open file.
pub(super) struct Store {
    database: Database,
}

/// How far the file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) tip: Tip,
    pub(super) accounts: u32,
    pub(super) assets: u32,
    pub(super) runs: u32,
}

impl Stored {
    pub(super) const NOTHING: Self = Self {
        tip: Tip { next: Position::ZERO, digest: Digest::ZERO, stamp: Instant::EPOCH },
        accounts: 0,
        assets: 0,
        runs: 0,
    };

    fn encode(&self) -> Vec<u8> {
        let mut block = bytes::block(96);
        put_u64(&mut block, FORMAT_VERSION);
        put_u64(&mut block, self.tip.next.number());
        put_u64(&mut block, self.tip.stamp.nanos());
        block.extend_from_slice(self.tip.digest.as_bytes());
        for count in [self.accounts, self.assets, self.runs] {
            put_u64(&mut block, count.into());
        }
        bytes::seal(Table::State, 0, &mut block);
        block
    }

    fn decode(block: &[u8]) -> Result<Self, OpenError> {
        let mut reader = bytes::open(Table::State, 0, block)?;
        let got = reader.u64()?;
        if got != FORMAT_VERSION {
            return Err(OpenError::Version { expected: FORMAT_VERSION, got });
        }
        let next = Position::new(reader.u64()?);
        let stamp = Instant::from_nanos(reader.u64()?);
        let digest = Digest::from_bytes(reader.array()?);
        let tip = Tip { next, digest, stamp };
        let (accounts, assets, runs) = (reader.u32()?, reader.u32()?, reader.u32()?);
        Ok(Self { tip, accounts, assets, runs })
    }
}

impl Store {
    pub(super) fn open(path: &Path, cache_bytes: usize) -> Result<(Self, Stored), OpenError> {
        let database =
            guarded(|| Builder::new().set_cache_size(cache_bytes).create(path).map_err(fault))?;
        Self { database }.prepared()
    }

    pub(super) fn open_backend(
        backend: impl StorageBackend,
        cache_bytes: usize,
    ) -> Result<(Self, Stored), OpenError> {
        let database = guarded(|| {
            let mut builder = Builder::new();
            builder.set_cache_size(cache_bytes).create_with_backend(backend).map_err(fault)
        })?;
        Self { database }.prepared()
    }

    /// Reads how far the file goes; makes the tables where there are none.
    fn prepared(self) -> Result<(Self, Stored), OpenError> {
        let found = guarded(|| {
            let writing = self.write()?;
            {
                let state = writing.open_table(STATE).map_err(fault)?;
                if let Some(block) = state.get(0).map_err(fault)? {
                    return Ok(Some(block.value().to_vec()));
                }
            }
            make_tables(&writing)?;
            write_state(&writing, &Stored::NOTHING)?;
            writing.commit().map_err(fault)?;
            Ok(None)
        })?;
        let stored = found.map_or(Ok(Stored::NOTHING), |block| Stored::decode(&block))?;
        Ok((self, stored))
    }

    /// A transaction that is durable when it is committed, and after which a crash needs no walk
    /// over the file (`quick_repair`): at one in some hundred thousand facts its second sync is
    /// not noticed, and what a lost one held is fed again.
    pub(super) fn write(&self) -> Result<WriteTransaction, StoreFault> {
        let mut writing = self.database.begin_write().map_err(fault)?;
        writing.set_durability(Durability::Immediate).map_err(fault)?;
        writing.set_quick_repair(true);
        Ok(writing)
    }

    pub(super) fn read(&self) -> Result<Reading, StoreFault> {
        guarded(|| Ok(Reading { transaction: self.database.begin_read().map_err(fault)? }))
    }

    /// Walks the whole file.
    pub(super) fn check(&mut self) -> Result<(), StoreFault> {
        let sound = guarded(|| self.database.check_integrity().map_err(fault))?;
        if sound { Ok(()) } else { Err(StoreFault::Corrupted("it was not closed".to_owned())) }
    }
}

/// A snapshot of the file.
pub(super) struct Reading {
    transaction: ReadTransaction,
}

impl Reading {
    pub(super) fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, StoreFault> {
        self.transaction.open_table(table).map_err(fault)
    }
}

fn make_tables(writing: &WriteTransaction) -> Result<(), StoreFault> {
    for table in [ITEMS, DAYS, MOMENTS, ACCOUNTS, ASSETS, TOTALS, RUNS, HOLDS] {
        writing.open_table(table).map_err(fault)?;
    }
    writing.open_table(TIMES).map_err(fault)?;
    writing.open_table(HOLD_TERMS).map_err(fault)?;
    writing.open_table(HOLD_ACCOUNTS).map_err(fault)?;
    writing.open_table(LINKS).map_err(fault)?;
    Ok(())
}

pub(super) fn write_state(writing: &WriteTransaction, stored: &Stored) -> Result<(), StoreFault> {
    let mut state = writing.open_table(STATE).map_err(fault)?;
    state.insert(0, stored.encode().as_slice()).map_err(fault)?;
    Ok(())
}

pub(super) fn fault(error: impl Into<redb::Error>) -> StoreFault {
    let error = error.into();
    // What begins otherwise than a file of this library.
    let foreign = matches!(&error, redb::Error::Io(io) if io.kind() == ErrorKind::InvalidData);
    if foreign { StoreFault::Corrupted(error.to_string()) } else { error.into() }
}

/// Runs what touches the file; a panic inside the library is damage of the file, by name.
///
/// The library checks pages when it repairs and when it is asked, not when it reads; a flipped
/// byte in one of its own pages makes it panic. Our blocks have checks of their own.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, StoreFault>) -> Result<T, StoreFault> {
    std::panic::catch_unwind(core::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreFault::Corrupted("its pages do not hang together".to_owned())))
}

/// Removes the file, so that the next opening begins from nothing.
pub(super) fn erase(path: &Path) -> Result<(), StoreFault> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreFault::Failed(error.to_string())),
    }
}
