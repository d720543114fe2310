//! Making commitments, many in a row.

use record::fact::whole_commitment;
use record::{Blinding, Commitment, Fact, SaltSlot};
use seal::{Salt, SaltStream};
use terms::Position;

use crate::batch::Uncommitted;
use crate::machine::Salts;

/// Salts cut from a stream at once: what follows a fact is usually asked for next.
const SALTS_AHEAD: usize = 256;

/// Commits to facts in the order of their positions.
#[derive(Debug)]
pub struct Committer<'s, S: ?Sized> {
    salts: &'s S,
    /// Salts of consecutive positions of one slot, cut ahead of need.
    ahead: Option<Ahead>,
}

struct Ahead {
    slot: SaltSlot,
    stream: SaltStream,
    first: Position,
    salts: Vec<Salt>,
}

impl core::fmt::Debug for Ahead {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ahead").field("first", &self.first).finish_non_exhaustive()
    }
}

impl<'s, S: Salts + ?Sized> Committer<'s, S> {
    /// One that asks `salts`.
    #[must_use]
    pub const fn new(salts: &'s S) -> Self {
        Self { salts, ahead: None }
    }

    /// The commitment of a fact under its salts; `None` when these are gone or the bytes are no
    /// fact. `follow` facts are expected to come after it.
    pub fn commit(&mut self, fact: Uncommitted<'_>, follow: usize) -> Option<Commitment> {
        if fact.is_whole {
            let salt = self.salt(fact.position, fact.slot, follow)?;
            return Some(whole_commitment(&salt, fact.bytes));
        }
        let blinding = Blinding::Fields(self.salts.root(fact.position, fact.slot)?);
        let fact: Fact = seal::from_canonical(fact.bytes).ok()?;
        fact.commitment_under(&blinding)
    }

    fn salt(&mut self, position: Position, slot: SaltSlot, follow: usize) -> Option<Salt> {
        if let Some(salt) = self.ahead.as_ref().and_then(|ahead| ahead.salt(position, slot)) {
            return Some(salt);
        }
        let stream = match self.ahead.take() {
            Some(ahead) if ahead.slot == slot => ahead.stream,
            Some(_) | None => self.salts.stream(slot)?,
        };
        let count = follow.saturating_add(1).min(SALTS_AHEAD);
        let mut salts = vec![Salt([0; 16]); count];
        stream.fill(position, &mut salts);
        let ahead = self.ahead.insert(Ahead { slot, stream, first: position, salts });
        ahead.salt(position, slot)
    }
}

impl Ahead {
    fn salt(&self, position: Position, slot: SaltSlot) -> Option<Salt> {
        let index = position.number().checked_sub(self.first.number())?;
        let salt = self.salts.get(usize::try_from(index).ok()?)?;
        (self.slot == slot).then_some(*salt)
    }
}

/// The commitment of one fact under its salts; `None` when these are gone.
#[must_use]
pub fn commit<S: Salts + ?Sized>(salts: &S, fact: Uncommitted<'_>) -> Option<Commitment> {
    Committer::new(salts).commit(fact, 0)
}
