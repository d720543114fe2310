//! Why the index of ids cannot be used.

use std::io;
use std::sync::Arc;

use terms::Position;

/// Why an operation on the index of ids did not succeed. No answer is ever guessed: the index can
/// always be rebuilt from the journal ([`super::erase`], then feed from position 0).
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdsError {
    /// Bytes that no writer of this version wrote. A retry does not help; rebuild.
    #[error("`{file}`{} is damaged: {what}", page_text(.page))]
    Damaged {
        /// The file.
        file: String,
        /// The page, counted from 0, where the damage lies in one.
        page: Option<u32>,
        /// What is wrong.
        what: &'static str,
    },
    /// The index belongs to another book.
    #[error("`{file}` belongs to the book `{found}`")]
    ForeignBook {
        /// The manifest.
        file: String,
        /// The book that it names.
        found: String,
    },
    /// The device failed. A retry may help.
    #[error("`{file}` cannot be {doing}: {error}")]
    Failed {
        /// The file, or `.` for the directory.
        file: String,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        error: Arc<io::Error>,
    },
    /// The caller broke the order of positions: nothing is sealed any more. A bug.
    #[error("position `{got}` was inserted after position `{last}`")]
    OutOfOrder {
        /// The position before.
        last: Position,
        /// The position that came after it.
        got: Position,
    },
    /// The background thread is gone. Open again.
    #[error("the thread that seals ids has stopped")]
    Stopped,
}

impl IdsError {
    /// Whether the same call may succeed later without a rebuild or a restart.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Failed { .. } => true,
            Self::Damaged { .. }
            | Self::ForeignBook { .. }
            | Self::OutOfOrder { .. }
            | Self::Stopped => false,
        }
    }

    pub(super) fn damaged(file: &str, what: &'static str) -> Self {
        Self::Damaged { file: file.to_owned(), page: None, what }
    }

    pub(super) fn damaged_page(file: &str, page: u32, what: &'static str) -> Self {
        Self::Damaged { file: file.to_owned(), page: Some(page), what }
    }

    /// For `map_err` at each call of the disk.
    pub(super) fn failed(file: &str, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |error| Self::Failed { file, doing, error: Arc::new(error) }
    }
}

fn page_text(page: &Option<u32>) -> String {
    page.map_or_else(String::new, |page| format!(", page {page},"))
}
