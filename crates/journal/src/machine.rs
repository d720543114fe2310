//! What a book computes: a pure machine whose state is a fold over facts.

use record::{Fact, SaltSlot};
use seal::{SaltStream, Secret};
use terms::{Instant, Position};

use crate::batch::Recorded;

/// A state that is a function of the facts applied to it, and the rules that make new facts.
pub trait Machine {
    /// What callers ask for.
    type Command;
    /// What they are told: a result or a refusal.
    type Outcome;
    /// What happened, as this machine knows it.
    type Fact: Recorded + Send;
    /// What was looked up for one command of what the machine itself no longer remembers. `()`
    /// for a machine that keeps everything in memory.
    type Rows: Default;

    /// Judges a command at `stamp`, the instant of the batch it would belong to.
    ///
    /// `rows` is what whoever runs the machine found for this command, in the same turn.
    /// Changes nothing. A refusal is an outcome; whether it is journalled is the machine's
    /// choice. The same state, rows, stamp and command give the same answer.
    fn check(
        &self,
        rows: &Self::Rows,
        stamp: Instant,
        command: &Self::Command,
    ) -> Checked<Self::Outcome, Self::Fact>;

    /// As [`Machine::check`], with the facts added to `facts`: for a machine whose facts are large
    /// and many.
    fn check_into(
        &self,
        rows: &Self::Rows,
        stamp: Instant,
        command: &Self::Command,
        facts: &mut Vec<Self::Fact>,
    ) -> Self::Outcome {
        let Checked { facts: made, outcome } = self.check(rows, stamp, command);
        facts.extend(made);
        outcome
    }

    /// Looks at the rows that these commands will need, so that memory fetches them at once and
    /// not one after another. Changes nothing, and no answer depends on it.
    fn warm(&self, _commands: &[Self::Command]) {}

    /// The same for facts that are applied next.
    fn warm_facts(&self, _facts: &[Self::Fact]) {}

    /// Takes the fact at `position` into the state. Cannot fail: a fact records what was
    /// resolved and is never judged again.
    fn apply(&mut self, position: Position, stamp: Instant, fact: &Self::Fact);
}

/// What [`Machine::check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked<O, F = Fact> {
    /// Facts to journal, in order. Empty: answered without journalling (a duplicate, a read, a
    /// refusal not worth a fact). It is still released only when all it was computed from is
    /// durable.
    pub facts: Vec<F>,
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

    /// As [`Image::load`], for a book that began as `genesis`: what no image holds, such as the key
    /// of an index, is taken from there.
    ///
    /// # Errors
    /// As [`Image::load`].
    fn load_beside(_genesis: &Self, bytes: &[u8]) -> Result<Self, ImageError> {
        Self::load(bytes)
    }

    /// Begins an image of the state as it is now, to be taken in steps while the state goes on.
    /// `false` from a machine that only saves at once; its `save` is called instead. An image that
    /// was begun before and not finished is given up.
    fn begin_image(&mut self) -> bool {
        false
    }

    /// Goes on with the image that was begun: a short piece of work. Appends the next bytes to
    /// `into` and says whether there are more. All of them together are what `save` would have
    /// given at the moment when it was begun.
    fn image_step(&mut self, _into: &mut Vec<u8>) -> bool {
        false
    }

    /// Facts between two images, when there are to be `least` at least: a machine whose image is
    /// large asks for more, so that images stay a small part of its work.
    fn facts_between_images(&self, least: u64) -> u64 {
        least
    }
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

    /// The salts of the facts in `slot` that are committed as one. `None` as for
    /// [`Salts::root`].
    fn stream(&self, slot: SaltSlot) -> Option<SaltStream>;

    /// Whether a slot holds a key.
    fn holds(&self, slot: SaltSlot) -> bool {
        self.root(Position::ZERO, slot).is_some()
    }
}

impl<S: Salts + ?Sized> Salts for &S {
    fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret> {
        (**self).root(position, slot)
    }

    fn stream(&self, slot: SaltSlot) -> Option<SaltStream> {
        (**self).stream(slot)
    }

    fn holds(&self, slot: SaltSlot) -> bool {
        (**self).holds(slot)
    }
}

impl<S: Salts + ?Sized> Salts for std::sync::Arc<S> {
    fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret> {
        (**self).root(position, slot)
    }

    fn stream(&self, slot: SaltSlot) -> Option<SaltStream> {
        (**self).stream(slot)
    }

    fn holds(&self, slot: SaltSlot) -> bool {
        (**self).holds(slot)
    }
}
