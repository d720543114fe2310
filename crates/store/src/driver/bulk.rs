//! Many commands of one request.

use journal::Machine;
use terms::{Instant, Position};

/// Where an item of a bulk was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkPlace {
    /// Position of its first fact; of the next fact when it journalled none.
    pub position: Position,
    /// The instant it was judged at.
    pub stamp: Instant,
}

/// How a bulk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkEnd {
    /// Every item was judged, and all that the outcomes were computed from is durable.
    Durable {
        /// One after the last position it depends on.
        next: Position,
    },
    /// Items may have happened: ask by id.
    Unknown,
    /// Surely not one item was done: the queue is full.
    Busy,
    /// Surely not one item was done: the book is closed or cannot be opened.
    Stopped,
}

/// The commands of one request, and where their outcomes gather. All of it happens on the writer's
/// thread, in one turn: other callers' commands come before or after, never between.
///
/// Outcomes must not leave before [`Bulk::finish`].
pub trait Bulk<M: Machine>: Send {
    /// In whose line it waits: clients take turns.
    fn client(&self) -> u32 {
        0
    }

    /// How many commands it has: how much of its client's turn it takes.
    fn items(&self) -> usize {
        1
    }

    /// Adds the next commands to `into`, a few hundred at most: they are looked at together before
    /// they are judged. None when all were given.
    fn fill(&mut self, into: &mut Vec<M::Command>);

    /// What the next of them came to, in order.
    fn decided(&mut self, place: BulkPlace, outcome: M::Outcome);

    /// The next of them was surely not done and had no effect; `why` says for what reason.
    fn not_taken(&mut self, why: &str);

    /// The next of them makes more than a whole batch takes: it was not done and never will be.
    fn too_large(&mut self) {
        self.not_taken("it makes more than a batch takes");
    }

    /// All is judged and may be told.
    fn finish(self: Box<Self>, end: BulkEnd);
}
