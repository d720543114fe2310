//! Why a command of the wallet gave no result.

use std::io;
use std::path::PathBuf;

use api::Problem;
use client::{NotDone, Unknown};
use thiserror::Error;

use crate::privacy::RecordDamaged;
use crate::system::NoEntropy;

/// Why a command ended without a result. Refusals of a payment are results, not errors.
#[derive(Debug, Error)]
pub enum WalletError {
    /// The file system failed.
    #[error("`{path}`: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read a key.
    #[error("`{path}` has mode {mode:o}: make new keys, others may know these")]
    OpenToOthers {
        /// Which file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not a seed.
    #[error("`{path}` is no seed of 64 lower-case hex digits and a newline")]
    NoSeed {
        /// Which file.
        path: PathBuf,
    },
    /// No randomness: nothing may be signed.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// A file that the wallet keeps, or was given, is not what its name says.
    #[error("`{path}`: {reason}")]
    BadFile {
        /// Which file.
        path: PathBuf,
        /// What was expected and what was got.
        reason: String,
    },
    /// The privacy record was changed.
    #[error(transparent)]
    Privacy(#[from] RecordDamaged),
    /// An offer, a request or an address that the wallet does not take.
    #[error("{what}: {reason}")]
    NotTaken {
        /// What it was.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A peer refused to answer. Nothing was done.
    #[error("`{by}` refused: {}", in_words(problem))]
    Refused {
        /// Who.
        by: String,
        /// Its words.
        problem: Box<Problem>,
    },
    /// It surely was not done.
    #[error(transparent)]
    NotDone(#[from] NotDone),
    /// Nobody here knows whether it was done.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// An answer is not what it must be.
    #[error("the answer of `{by}` is not accepted: {reason}")]
    BadAnswer {
        /// Who.
        by: String,
        /// What was expected and what was got.
        reason: String,
    },
    /// What was signed, or is asked to be signed, differs from what the wallet itself knows.
    #[error("`{by}` says another `{what}`: expected `{expected}`, got `{got}`")]
    Differs {
        /// Who.
        by: String,
        /// Which field.
        what: &'static str,
        /// What the wallet's own documents say.
        expected: String,
        /// What came.
        got: String,
    },
}

fn in_words(problem: &Problem) -> String {
    let detail = problem.detail.as_deref().unwrap_or(&problem.title);
    match &problem.mend {
        Some(mend) => format!("{detail} ({}); {mend}", problem.code),
        None => format!("{detail} ({})", problem.code),
    }
}

impl WalletError {
    pub(crate) fn answer(by: &str, reason: impl ToString) -> Self {
        Self::BadAnswer { by: by.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn not_taken(what: &'static str, reason: impl ToString) -> Self {
        Self::NotTaken { what, reason: reason.to_string() }
    }
}

/// Refuses when two things that must be the same are not.
pub(crate) fn same<T: PartialEq + ToString>(
    by: &str,
    what: &'static str,
    expected: &T,
    got: &T,
) -> Result<(), WalletError> {
    if expected == got {
        return Ok(());
    }
    Err(WalletError::Differs {
        by: by.to_owned(),
        what,
        expected: expected.to_string(),
        got: got.to_string(),
    })
}
