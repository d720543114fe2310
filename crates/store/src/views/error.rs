//! What can go wrong, by operation.

use core::fmt;

use terms::{AccountId, HoldId, Position};

/// The tables of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// How far the file goes.
    State,
    /// What happened on each account.
    Items,
    /// Sums by business date.
    Days,
    /// Stamps of batches.
    Moments,
    /// The accounts.
    Accounts,
    /// The assets.
    Assets,
    /// Their counters.
    Totals,
    /// The flushes.
    Runs,
    /// Open holds.
    Holds,
    /// Links of transactions.
    Links,
}

impl Table {
    pub(super) const fn tag(self) -> u8 {
        match self {
            Self::State => 0,
            Self::Items => 1,
            Self::Days => 2,
            Self::Moments => 3,
            Self::Accounts => 4,
            Self::Assets => 5,
            Self::Totals => 6,
            Self::Runs => 7,
            Self::Holds => 8,
            Self::Links => 9,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "state",
            Self::Items => "items",
            Self::Days => "days",
            Self::Moments => "moments",
            Self::Accounts => "accounts",
            Self::Assets => "assets",
            Self::Totals => "totals",
            Self::Runs => "runs",
            Self::Holds => "holds",
            Self::Links => "links",
        })
    }
}

/// The file did not give what it should, or did not take what it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// The device or the file system failed; a retry may help.
    #[error("the read models' file failed: {0}")]
    Failed(String),
    /// The file's own structure is broken; only a rebuild helps.
    #[error("the read models' file is damaged: {0}")]
    Corrupted(String),
    /// One block is not as it was written; only a rebuild helps.
    #[error("the read models' file is damaged: in table `{table}`, block `{key:x}`: {problem}")]
    Damaged {
        /// In which table.
        table: Table,
        /// Under which key.
        key: u128,
        /// What is wrong.
        problem: &'static str,
    },
}

impl StoreFault {
    /// Whether only a rebuild from the journal helps.
    #[must_use]
    pub const fn needs_rebuild(&self) -> bool {
        match self {
            Self::Failed(_) => false,
            Self::Corrupted(_) | Self::Damaged { .. } => true,
        }
    }
}

impl From<redb::Error> for StoreFault {
    fn from(error: redb::Error) -> Self {
        use redb::Error;
        let text = error.to_string();
        // The library's enum grows: what it calls corrupted is, and so is a table of another type.
        if matches!(error, Error::Corrupted(_) | Error::TableTypeMismatch { .. }) {
            Self::Corrupted(text)
        } else {
            Self::Failed(text)
        }
    }
}

/// Why read models could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The file failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A layout of another version: rebuild.
    #[error("expected read models of version `{expected}`, got `{got}`: rebuild them")]
    Version {
        /// What this program writes.
        expected: u64,
        /// What the file says.
        got: u64,
    },
}

/// Why a feed may not go on from what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// The journal has no batch that ends there, or another one: it was rolled back or rewritten
    /// below the read models, or is another journal.
    #[error("the read models end at `{stored}`, where the journal has no such batch: rebuild them")]
    AnotherJournal {
        /// Up to which position they go.
        stored: Position,
    },
}

/// Why a change was not taken. After any of these but [`FeedError::Store`] with a fault that a
/// retry may help, the read models must be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// The file failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Facts came out of order, or a batch was not ended.
    #[error("expected a fact or batch end from position `{expected}` on, got `{got}`")]
    Order {
        /// The first position not yet seen.
        expected: Position,
        /// What came.
        got: Position,
    },
    /// The change names an account that was never opened: this is another journal.
    #[error("account `{account}` was never opened")]
    UnknownAccount {
        /// Which.
        account: AccountId,
    },
    /// The change opens an account that was opened before: this is another journal.
    #[error("account `{account}` was opened before")]
    AccountOpenedTwice {
        /// Which.
        account: AccountId,
    },
    /// The change ends a hold that is not open: this is another journal.
    #[error("hold `{hold}` is not open")]
    HoldNotOpen {
        /// Which.
        hold: HoldId,
    },
    /// A change came after one that was refused, or too many since a flush that failed.
    #[error("the read models take nothing more: {0}")]
    Stopped(&'static str),
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The file failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// No such account, as far as the read models have seen.
    #[error("account `{account}` is not known")]
    UnknownAccount {
        /// Which.
        account: AccountId,
    },
    /// The position was not seen yet: ask again later.
    #[error("position `{asked}` was not seen yet: seen is what lies before `{next}`")]
    NotSeenYet {
        /// What was asked for.
        asked: Position,
        /// The first position not seen.
        next: Position,
    },
    /// The cursor is of another account or list, or was not made here.
    #[error("the cursor is not one of this list")]
    Cursor,
    /// The page is empty or too large.
    #[error("expected a page of 1 to `{max}`, got `{got}`")]
    Page {
        /// The largest.
        max: usize,
        /// What came.
        got: usize,
    },
    /// The read models stopped on an error of their own and must be rebuilt.
    #[error("the read models have stopped and must be rebuilt")]
    Stopped,
}
