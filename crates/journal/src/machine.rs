//! What a book computes: a pure machine whose state is a fold over facts.

use record::{Fact, SaltSlot};
use seal::Secret;
use terms::{Instant, Position};

/// A state that is a function of the facts applied to it, and the rules that make new facts.
pub trait Machine {
    /// What callers ask for.
    type Command;
    /// What they are told: a result or a refusal.
    type Outcome;

    /// Judges a command at `stamp`, the instant of the batch it would belong to.
    ///
    /// Changes nothing. A refusal is an outcome; whether it is journalled is the machine's
    /// choice. The same state, stamp and command give the same answer.
    fn check(&self, stamp: Instant, command: &Self::Command) -> Checked<Self::Outcome>;

    /// Takes the fact at `position` into the state. Cannot fail: a fact records what was
    /// resolved and is never judged again.
    fn apply(&mut self, position: Position, stamp: Instant, fact: &Fact);
}

/// What [`Machine::check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked<O> {
    /// Facts to journal, in order. Empty: answered without journalling (a duplicate, a read, a
    /// refusal not worth a fact). It is still released only when all it was computed from is
    /// durable.
    pub facts: Vec<Fact>,
    /// What the caller is told once the facts are durable.
    pub outcome: O,
}

/// A machine whose state can be saved, to bound the time of a restart. Never the truth: a state
/// that does not load is refolded.
pub trait Image: Machine + Sized {
    /// The state as bytes. Equal states should give equal bytes.
    fn save(&self) -> Vec<u8>;

    /// The state of these bytes.
    ///
    /// # Errors
    /// [`ImageError`] when the bytes are no state of this machine's present version.
    fn load(bytes: &[u8]) -> Result<Self, ImageError>;
}

/// Saved bytes that are no state of this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image does not load: {0}")]
pub struct ImageError(pub String);

/// Where the salts of facts come from.
pub trait Salts {
    /// The root of the salts of the fact at `position` whose key lies in `slot`.
    ///
    /// `None` when the slot never held a key or its key was erased. A slot handed out for a new
    /// fact must be durable before the fact is submitted: otherwise the fact could never be
    /// opened.
    fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret>;
}

impl<S: Salts + ?Sized> Salts for &S {
    fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret> {
        (**self).root(position, slot)
    }
}

impl<S: Salts + ?Sized> Salts for std::sync::Arc<S> {
    fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret> {
        (**self).root(position, slot)
    }
}
