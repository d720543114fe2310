//! Facts compared with their commitments.
//!
//! A log signs commitments alone. All other digests of a journal, an archive or an export are made
//! without a key, so whoever changes a fact and leaves its commitment can make them anew. Only the
//! salts tell.

use std::io;
use std::path::Path;

use journal::batch::{Stored, Uncommitted};
use journal::commit::commit;
use journal::{Batch, Salts};
use record::{Commitment, Fact};
use store::salt_keys::SALT_KEYS_NAME;
use store::{FileDisk, SaltKeys};
use terms::Position;

use super::{ArchiveError, failed};

/// How many facts were opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Whose commitment, made again with its salt, is the one that stands beside it.
    pub facts: u64,
    /// Whose salt is not there, or was erased: their contents may be anybody's.
    pub not: u64,
}

/// A fact whose commitment is not that of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fact `{0}`: its commitment is not that of its bytes")]
pub struct NotItsCommitment(pub Position);

impl Opened {
    /// Opens one fact.
    ///
    /// # Errors
    /// [`NotItsCommitment`].
    pub fn one(
        &mut self,
        salts: Option<&dyn Salts>,
        fact: Uncommitted<'_>,
        commitment: Commitment,
    ) -> Result<(), NotItsCommitment> {
        let position = fact.position;
        match salts.and_then(|salts| commit(salts, fact)) {
            Some(expected) if expected != commitment => return Err(NotItsCommitment(position)),
            Some(_) => self.facts = self.facts.saturating_add(1),
            None => self.not = self.not.saturating_add(1),
        }
        Ok(())
    }

    /// Opens the facts of a batch.
    ///
    /// # Errors
    /// [`NotItsCommitment`] of the first such fact.
    pub fn batch(
        &mut self,
        salts: Option<&dyn Salts>,
        batch: &Batch,
    ) -> Result<(), NotItsCommitment> {
        batch.entries().try_for_each(|stored| self.stored(salts, &stored))
    }

    fn stored(
        &mut self,
        salts: Option<&dyn Salts>,
        stored: &Stored<'_>,
    ) -> Result<(), NotItsCommitment> {
        let Ok(fact) = stored.fact::<Fact>() else {
            return Err(NotItsCommitment(stored.position));
        };
        let uncommitted = Uncommitted {
            position: stored.position,
            slot: fact.salt_slot,
            is_whole: fact.kind.is_whole(),
            bytes: stored.bytes,
        };
        self.one(salts, uncommitted, stored.commitment)
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        let (facts, not) = (self.facts.saturating_add(more.facts), self.not);
        Self { facts, not: not.saturating_add(more.not) }
    }
}

/// The salts in the folder of a journal, read only; `None` where none are.
///
/// # Errors
/// [`ArchiveError`]: the file cannot be read.
pub fn salts_beside(journal: &Path) -> Result<Option<SaltKeys<FileDisk>>, ArchiveError> {
    let path = journal.join(SALT_KEYS_NAME);
    if !path.is_file() {
        return Ok(None);
    }
    let never = || Err(io::Error::other("no key is made here"));
    let opened = SaltKeys::open(&FileDisk::look(journal), 1, never);
    opened.map(Some).map_err(|error| failed(&path)(io::Error::other(error)))
}

/// As what checks ask for.
#[must_use]
pub fn known(salts: Option<&SaltKeys<FileDisk>>) -> Option<&dyn Salts> {
    match salts {
        Some(salts) => Some(salts),
        None => None,
    }
}
