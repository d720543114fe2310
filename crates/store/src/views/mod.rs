//! Read models of a stand-alone ledger book: what its facts add up to, for those who ask.
//!
//! A [`Feed`] takes each [`ledger::Change`] of the journal in order; [`Views`] answers. Neither is
//! ever asked by the writer: they may lag, be thrown away and be made again ([`Views::rebuild`]).
//! What was taken lies in a bounded buffer until a flush writes it, in one transaction, with the
//! position and the digest of the batch up to which it goes; questions are answered from the file
//! and the buffer together, so that answers are as new as the feed. After a crash the feed begins
//! again at the stored position.
//!
//! This must not know what a caller may see, nor decide anything. Start at [`Feed::take`] for what
//! is kept and at [`Views::statement`] for how it is found; `docs/formats/views.md` has the bytes.

mod accounts;
mod balance;
mod blocks;
mod buffer;
mod bytes;
mod cursor;
mod days;
mod error;
mod feed;
mod flush;
mod head;
mod holds;
mod item;
mod links;
mod lists;
mod load;
mod moments;
mod statement;
mod tables;
mod trial;
mod walk;

use std::path::Path;
use std::sync::{Arc, RwLock};

use journal::Tip;
use terms::{AccountId, Instant, Position};

pub use balance::{AccountBalance, AsOf, Pending};
pub use cursor::Cursor;
pub use error::{FeedError, OpenError, QueryError, ResumeError, StoreFault, Table};
pub use feed::Feed;
pub use lists::{HoldPage, LinkedTransactions, OpenHold};
pub use statement::{
    Filter, HoldEvent, HoldStep, Order, Page, Period, Start, StatementEntry, StatementQuery,
};
pub use tables::FORMAT_VERSION;
pub use trial::{AccountLine, AssetLine, DaySums, Sums, TrialPage};

use balance::Fixed;
use head::Head;
use moments::Stamps;
use tables::{Reading, Store, guarded};
use walk::{Path as WalkPath, Recent};

/// Most lines of one page: what a person scrolls through and a program asks for at once.
pub const PAGE_MAX: usize = 1000;
/// Most entries looked at for one page: about five milliseconds. A filter that fits little ends
/// the page there, with a cursor.
pub const SCAN_MAX: usize = 200_000;
/// Most transactions named for one link: a payment has a handful.
pub const LINKED_MAX: usize = 1000;

/// How much is kept in memory before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items, 24 bytes each: an entry, or a step of a hold.
    pub items: usize,
    /// Transactions and steps of holds, 48 bytes each.
    pub events: usize,
    /// Holds that changed, about 320 bytes each. One that was placed and ended since the last
    /// flush does not count.
    pub holds: usize,
    /// Batches, 16 bytes each.
    pub moments: usize,
    /// Links, 24 bytes each.
    pub links: usize,
    /// Items looked at for one page.
    pub scan: usize,
    /// Bytes of one block on disk. The library gives it a power of two of pages: a little less
    /// than that is best.
    pub block_bytes: usize,
}

impl Limits {
    /// About 40 MiB at most, and one flush for a quarter of a million transactions of two entries.
    pub const STANDARD: Self = Self {
        items: 1 << 19,
        events: 1 << 18,
        holds: 1 << 15,
        moments: 1 << 18,
        links: 1 << 18,
        scan: SCAN_MAX,
        block_bytes: (16 << 10) - 128,
    };
}

/// How read models are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How much is kept in memory.
    pub limits: Limits,
    /// Bytes of the library's own cache of pages.
    pub cache_bytes: usize,
    /// Seed of the index of accounts: random, so that nobody chooses ids that collide.
    pub seed: u64,
}

impl Config {
    /// The standard limits and a cache of 8 MiB.
    #[must_use]
    pub const fn standard(seed: u64) -> Self {
        Self { limits: Limits::STANDARD, cache_bytes: 8 << 20, seed }
    }
}

/// An answer, and how much of the journal it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// Every fact before this position has been seen, and none from it on.
    pub next: Position,
    /// The stamp of the newest fact or batch seen.
    pub stamp: Instant,
    /// The answer.
    pub answer: T,
}

/// How the read models stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Every fact before this position is in the file.
    pub stored: Position,
    /// Items in memory, not yet in the file.
    pub buffered_items: usize,
    /// Accounts.
    pub accounts: u32,
    /// Flushes in the file.
    pub runs: usize,
    /// Bytes of memory, beside the library's cache.
    pub memory_bytes: usize,
}

/// The read models, to be asked from any thread.
pub struct Views {
    store: Store,
    head: RwLock<Head>,
    limits: Limits,
}

impl Views {
    /// Opens the file, or makes it where there is none.
    ///
    /// # Errors
    /// [`OpenError`]; where [`StoreFault::needs_rebuild`] says so, and for another version,
    /// [`Views::rebuild`] helps.
    pub fn open(path: &Path, config: &Config) -> Result<(Feed, Arc<Self>), OpenError> {
        Self::start(Store::open(path, config.cache_bytes)?, config)
    }

    /// As [`Views::open`], over another backend: for tests that let it fail.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_backend(
        backend: impl redb::StorageBackend,
        config: &Config,
    ) -> Result<(Feed, Arc<Self>), OpenError> {
        Self::start(Store::open_backend(backend, config.cache_bytes)?, config)
    }

    /// Throws the file away and begins from nothing: the feed then takes the whole journal.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn rebuild(path: &Path, config: &Config) -> Result<(Feed, Arc<Self>), OpenError> {
        tables::erase(path)?;
        Self::open(path, config)
    }

    /// Opens the file, or begins a new one where it is of another journal, damaged, or of another
    /// version: all of it can be made again from the journal. `tip_at` says how the journal's batch
    /// that holds a position ends.
    ///
    /// # Errors
    /// [`OpenError`]: neither helps.
    pub fn open_of(
        path: &Path,
        config: &Config,
        tip_at: impl FnOnce(Position) -> Option<Tip>,
    ) -> Result<(Feed, Arc<Self>), OpenError> {
        match Self::open(path, config) {
            Ok((feed, views)) if feed.is_of(tip_at) => return Ok((feed, views)),
            Ok(_) | Err(OpenError::Version { .. }) => {}
            Err(OpenError::Store(fault)) if fault.needs_rebuild() => {}
            Err(error) => return Err(error),
        }
        Self::rebuild(path, config)
    }

    /// Walks over the whole file and compares every check, the library's and ours. Nobody may have
    /// the file open.
    ///
    /// # Errors
    /// [`OpenError`] that says what is damaged.
    pub fn check_file(path: &Path) -> Result<(), OpenError> {
        let config = Config::standard(0);
        let (mut store, stored) = Store::open(path, config.cache_bytes)?;
        store.check()?;
        load::head(&store, stored, &config)?;
        Ok(())
    }

    fn start(
        (store, stored): (Store, tables::Stored),
        config: &Config,
    ) -> Result<(Feed, Arc<Self>), OpenError> {
        let head = load::head(&store, stored, config)?;
        let views = Arc::new(Self { store, head: RwLock::new(head), limits: config.limits });
        Ok((Feed::new(Arc::clone(&views), &stored.tip), views))
    }

    /// How the read models stand.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn status(&self) -> Result<Seen<Status>, QueryError> {
        self.look(|look| {
            let head = look.head;
            Ok(Status {
                stored: head.stored.tip.next,
                buffered_items: head.buffer.items(),
                accounts: head.accounts.count(),
                runs: head.runs.len(),
                memory_bytes: head.bytes(),
            })
        })
    }

    /// Asks the file and the memory at one moment. Takes wait meanwhile, flushes do not.
    fn look<T>(
        &self,
        ask: impl FnOnce(&Look<'_>) -> Result<T, QueryError>,
    ) -> Result<Seen<T>, QueryError> {
        self.look_then(ask, |answer, _| Ok(answer))
    }

    /// Asks the memory, and then the file as it was at the same moment: what takes long is read
    /// from a transaction of the file, while takes go on. Nobody who is slow, by a cold disk or by
    /// asking for much, then keeps the read models from following the journal.
    fn look_then<T, U>(
        &self,
        ask: impl FnOnce(&Look<'_>) -> Result<T, QueryError>,
        then: impl FnOnce(T, &Reading) -> Result<U, QueryError>,
    ) -> Result<Seen<U>, QueryError> {
        let head = self.head.read().map_err(|_| QueryError::Stopped)?;
        if head.stopped.is_some() {
            return Err(QueryError::Stopped);
        }
        let reading = self.store.read()?;
        let asked = sheltered(|| ask(&Look { head: &head, reading: &reading }))?;
        let (next, stamp) = (Position::new(head.next), Instant::from_nanos(head.stamp));
        drop(head);
        let answer = sheltered(|| then(asked, &reading))?;
        Ok(Seen { next, stamp, answer })
    }
}

/// [`guarded`], for what may also have no answer.
fn sheltered<T>(ask: impl FnOnce() -> Result<T, QueryError>) -> Result<T, QueryError> {
    let mut refused = None;
    let answer = guarded(|| match ask() {
        Ok(answer) => Ok(Some(answer)),
        Err(QueryError::Store(fault)) => Err(fault),
        Err(other) => {
            refused = Some(other);
            Ok(None)
        }
    })?;
    answer.ok_or_else(|| refused.unwrap_or(QueryError::Stopped))
}

/// The file and the memory at one moment.
struct Look<'h> {
    head: &'h Head,
    reading: &'h Reading,
}

impl<'h> Look<'h> {
    fn slot(&self, account: AccountId) -> Result<u32, QueryError> {
        self.head.accounts.slot(account).ok_or(QueryError::UnknownAccount { account })
    }

    fn account(&self, slot: u32) -> Result<Fixed, QueryError> {
        let row = self.head.accounts.row(slot);
        let fixed = row.and_then(|row| {
            let asset = self.head.accounts.asset(row.asset)?;
            let account = AccountId::from_bytes(row.id);
            Some(Fixed { account, asset, normal: row.normal })
        });
        let problem = "an account is missing";
        let missing = StoreFault::Damaged { table: Table::Accounts, key: slot.into(), problem };
        fixed.ok_or(QueryError::Store(missing))
    }

    fn stamps(&self) -> Stamps<'h> {
        let head = self.head;
        Stamps::new(self.reading, head.stored_moment(), &head.buffer.moments, head.stamp)
    }

    fn recent(&self, slot: u32) -> Result<Recent<'h>, QueryError> {
        let problem = "an account is missing";
        let missing = StoreFault::Damaged { table: Table::Accounts, key: slot.into(), problem };
        Recent::new(self.head, slot).ok_or(QueryError::Store(missing))
    }

    fn path(&self, slot: u32) -> Result<WalkPath, QueryError> {
        let problem = "an account is missing";
        let missing = StoreFault::Damaged { table: Table::Accounts, key: slot.into(), problem };
        WalkPath::new(self.head, slot).ok_or(QueryError::Store(missing))
    }
}
