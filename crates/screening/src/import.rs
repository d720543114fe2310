//! Lists as their publishers give them: files in, entries out.
//!
//! The same file gives the same entries in the same order, so the digest of a list made of them is
//! the same wherever it is made. What a reader does not know it leaves out rather than guesses: an
//! entry without country or date is contradicted by neither.

mod countries;
mod ofac;
mod table;
mod un;

use thiserror::Error;

use crate::list::{ALIASES_MAX, ENTRIES_MAX, Entry};
use crate::normal::normal;

pub use ofac::{OfacFiles, import_ofac};
pub use table::import_csv;
pub use un::import_un;

/// Longest file that is read: the largest public list has some 30 MB.
pub const FILE_MAX: usize = 256 << 20;

/// Why a file gives no list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// Longer than anything published.
    #[error("expected at most {FILE_MAX} bytes, got {got}")]
    TooLong {
        /// Its length.
        got: usize,
    },
    /// Not the format.
    #[error("line {line}: {reason}")]
    Malformed {
        /// Where, from one; zero when the reader does not say.
        line: u64,
        /// What was expected and what came.
        reason: String,
    },
    /// Nothing in it: an emptied list must not clear anybody.
    #[error("expected at least one entry")]
    Empty,
    /// More than a list may hold.
    #[error("expected at most {ENTRIES_MAX} entries with {ALIASES_MAX} aliases each")]
    TooLarge,
    /// An entry whose name holds no letter that can be compared.
    #[error("expected a name with letters in entry `{id}`")]
    NameMissing {
        /// The entry.
        id: String,
    },
    /// Two entries of one id.
    #[error("expected each id once, got `{id}` twice")]
    Twice {
        /// The id.
        id: String,
    },
}

fn bounded(bytes: &[u8]) -> Result<(), ImportError> {
    if bytes.len() > FILE_MAX { Err(ImportError::TooLong { got: bytes.len() }) } else { Ok(()) }
}

/// Entries as a list may hold them: each name once, aliases that say something, ids once.
fn checked(mut entries: Vec<Entry>) -> Result<Vec<Entry>, ImportError> {
    if entries.is_empty() {
        return Err(ImportError::Empty);
    }
    for entry in &mut entries {
        if normal(&entry.name).is_empty() {
            return Err(ImportError::NameMissing { id: entry.id.clone() });
        }
        let mut seen = std::collections::BTreeSet::from([entry.name.clone()]);
        entry.aliases.retain(|one| !normal(one).is_empty() && seen.insert(one.clone()));
        for all in [&mut entry.dates, &mut entry.countries] {
            all.sort_unstable();
            all.dedup();
        }
    }
    if entries.len() > ENTRIES_MAX || entries.iter().any(|one| one.aliases.len() > ALIASES_MAX) {
        return Err(ImportError::TooLarge);
    }
    let mut ids = std::collections::BTreeSet::new();
    match entries.iter().find(|entry| !ids.insert(entry.id.as_str())) {
        Some(twice) => Err(ImportError::Twice { id: twice.id.clone() }),
        None => Ok(entries),
    }
}

/// A year, year and month, or day, as lists write them: `1962`, `Dec 1962`, `07 Dec 1962`,
/// `1962-12-07`, with `circa` before it or not. Nothing of anything else.
fn date(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "circa").collect();
    let year = |word: &str| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit());
    match words.as_slice() {
        [one] if year(one) => Some((*one).to_owned()),
        [one] if is_day(one) => Some((*one).to_owned()),
        [month, one] if year(one) => Some(format!("{one}-{:02}", month_of(month)?)),
        [day, month, one] if year(one) => {
            let day: u8 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
            Some(format!("{one}-{:02}-{day:02}", month_of(month)?))
        }
        _ => None,
    }
}

fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits =
        |part: &&str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts.as_slice(), [y, m, d] if digits(y, 4) && digits(m, 2) && digits(d, 2))
}

fn month_of(word: &str) -> Option<usize> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let word = word.to_ascii_lowercase();
    MONTHS.iter().position(|month| word.starts_with(month)).map(|at| at.saturating_add(1))
}

#[cfg(test)]
mod tests;
