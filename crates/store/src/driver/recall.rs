//! Looking up what a machine no longer remembers.

use std::collections::BTreeSet;
use std::sync::Arc;

use journal::{Batch, Book, Machine, Tip};
use terms::{Instant, Position};

use super::aside::Known;

/// Why the past cannot be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the past cannot be looked up: {0}")]
pub struct RecallError(pub String);

/// Why there are no rows for a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRows {
    /// They cannot be found: the command is surely not done.
    #[error(transparent)]
    Failed(#[from] RecallError),
    /// They need facts that must be read first, which [`Recall::cold`] names: the command is judged
    /// later.
    #[error("facts of long ago must be read first")]
    Cold,
}

/// Reads facts of long ago, on a thread of its own.
pub trait Past<F>: Send {
    /// The fact at a position that is durable, and when it was recorded.
    ///
    /// # Errors
    /// [`RecallError`]: what needs it is surely not done.
    fn fact(&mut self, position: Position) -> Result<(Instant, F), RecallError>;
}

/// Finds the rows that a machine's `check` needs beside its state. Lives on the writer's thread
/// and is called in its turn, so that it may know what was decided a moment ago.
///
/// An index behind it is a projection of the journal: [`Recall::opened`] says from which position
/// it must be fed again after a restart.
pub trait Recall<M: Machine>: Send {
    /// The book was opened and ends at `tip`; nothing after it ever happened. Returns the position
    /// from which facts must be given to [`Recall::learn`].
    ///
    /// # Errors
    /// [`RecallError`]; the book does not open.
    fn opened(&mut self, tip: &Tip) -> Result<Position, RecallError>;

    /// A durable batch that it may not have seen; may begin before the position asked for.
    ///
    /// # Errors
    /// [`RecallError`]; the book does not open.
    fn learn(&mut self, batch: &Arc<Batch>) -> Result<(), RecallError>;

    /// These commands are judged next: a place to touch what looking up their rows will need.
    fn warm(&mut self, _commands: &[M::Command]) {}

    /// The rows for a command about to be judged.
    ///
    /// # Errors
    /// [`NoRows`].
    fn rows(&mut self, book: &Book<M>, command: &M::Command) -> Result<M::Rows, NoRows>;

    /// Adds the positions of all facts that these commands need and that must be read first.
    fn cold(&mut self, _: &Book<M>, _commands: &[M::Command], _into: &mut BTreeSet<Position>) {}

    /// Who reads those, asked for once.
    fn past(&mut self) -> Option<Box<dyn Past<M::Fact>>> {
        None
    }

    /// What was read, for the commands that are judged next.
    fn lend(&mut self, _known: Known<M::Fact>) {}

    /// Gives back what was lent.
    fn take_back(&mut self) -> Known<M::Fact> {
        Known::default()
    }

    /// Facts were decided, from `position` on. They may still be lost.
    fn decided(&mut self, position: Position, stamp: Instant, facts: &[M::Fact]);

    /// A batch of decided facts became durable.
    fn durable(&mut self, batch: &Arc<Batch>);

    /// Whether rows may be facts that are not durable yet.
    fn reads_unwritten(&self) -> bool {
        true
    }
}

/// For machines that keep everything in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecall;

impl<M: Machine> Recall<M> for NoRecall {
    fn opened(&mut self, tip: &Tip) -> Result<Position, RecallError> {
        Ok(tip.next)
    }

    fn learn(&mut self, _batch: &Arc<Batch>) -> Result<(), RecallError> {
        Ok(())
    }

    fn rows(&mut self, _book: &Book<M>, _command: &M::Command) -> Result<M::Rows, NoRows> {
        Ok(M::Rows::default())
    }

    fn decided(&mut self, _position: Position, _stamp: Instant, _facts: &[M::Fact]) {}

    fn durable(&mut self, _batch: &Arc<Batch>) {}

    fn reads_unwritten(&self) -> bool {
        false
    }
}
