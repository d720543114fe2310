//! Reads a copied book back: every byte compared with what the manifest says of it.

use std::collections::BTreeSet;

use journal::batch::stated_length;
use journal::{Batch, Tip};
use seal::sha256;
use terms::BookName;

use super::{BookPart, INDEX_MAGIC, Index, Run, journal_folder};
use crate::objects::{ObjectError, Objects};

/// Why a book cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The place.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// An object that is named is not there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// An object is not what it is said to be.
    #[error("`{name}` is damaged: {why}")]
    Damaged {
        /// The object.
        name: String,
        /// What is wrong.
        why: String,
    },
}

impl WalkError {
    fn damaged(name: &str, why: impl std::fmt::Display) -> Self {
        Self::Damaged { name: name.to_owned(), why: why.to_string() }
    }
}

/// All runs of a book, in order.
///
/// # Errors
/// [`WalkError`].
pub fn runs_of(objects: &dyn Objects, part: &BookPart) -> Result<Vec<Run>, WalkError> {
    let mut parts = vec![part.runs.clone()];
    let mut name = part.index.clone();
    while !name.is_empty() {
        let found = objects.read(&name)?.ok_or_else(|| WalkError::Missing(name.clone()))?;
        let (bytes, _) = found;
        if !name.ends_with(&sha256(&bytes).to_string()) {
            return Err(WalkError::damaged(&name, "its bytes are not those that it is named by"));
        }
        let index: Index =
            seal::from_canonical(&bytes).map_err(|error| WalkError::damaged(&name, error))?;
        if index.magic != INDEX_MAGIC || index.book != part.book {
            return Err(WalkError::damaged(&name, "it is no index of this book"));
        }
        parts.push(index.runs);
        name = index.previous;
    }
    Ok(parts.into_iter().rev().flatten().collect())
}

/// Each batch of a book, in order, checked: lengths, digests, chain, and the end.
///
/// # Errors
/// [`WalkError`], or what `each` says.
pub fn each_batch<E: From<WalkError>>(
    objects: &dyn Objects,
    part: &BookPart,
    mut each: impl FnMut(&Batch) -> Result<(), E>,
) -> Result<(), E> {
    let mut tip = Tip::GENESIS;
    for run in runs_of(objects, part)? {
        let name = run.name(&part.book);
        let damaged = |why: String| WalkError::Damaged { name: name.clone(), why };
        let found = objects.read(&name).map_err(WalkError::from)?;
        let (bytes, _) = found.ok_or_else(|| WalkError::Missing(name.clone()))?;
        if u64::try_from(bytes.len()) != Ok(run.bytes) || sha256(&bytes) != run.sha256 {
            return Err(damaged("its bytes are not those that were put".to_owned()).into());
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let length = stated_length(rest).map_err(|error| damaged(error.to_string()))?;
            let short = || damaged("it ends within a batch".to_owned());
            let (one, behind) = rest.split_at_checked(length).ok_or_else(short)?;
            let batch = Batch::decode(one).map_err(|error| damaged(error.to_string()))?;
            batch.follows(&tip, &part.book).map_err(|error| damaged(error.to_string()))?;
            tip = batch.tip();
            rest = behind;
            each(&batch)?;
        }
        if tip.next != run.next {
            return Err(damaged(format!("it ends at `{}`, not at `{}`", tip.next, run.next)).into());
        }
    }
    if tip == part.tip() {
        return Ok(());
    }
    let name = journal_folder(&part.book);
    let why = format!("its batches end at `{}`, the manifest says `{}`", tip.next, part.next);
    Err(WalkError::Damaged { name, why }.into())
}

/// Objects beside a book's runs: left by a writer that was stopped or came second.
///
/// # Errors
/// [`WalkError`].
pub fn unnamed(
    objects: &dyn Objects,
    book: &BookName,
    runs: &[Run],
) -> Result<Vec<String>, WalkError> {
    let named: BTreeSet<String> = runs.iter().map(|run| run.name(book)).collect();
    let there = objects.list(&journal_folder(book))?;
    Ok(there.into_iter().filter(|name| !named.contains(name)).collect())
}
