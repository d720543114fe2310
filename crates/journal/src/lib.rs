//! The journal: batch format, port, and the single-writer loop over a pure machine.
//!
//! Everything that happened in a book is a fact in one ordered, durable, conditionally appended
//! journal; every state is a fold over it. This crate knows no money, no thread, no clock and no
//! I/O: instants, salts and the journal itself are arguments.
//!
//! Start at [`Machine`] for what a book computes, at [`Book`] for the loop that batches, at
//! [`Journal`] for what an adapter promises, and at [`batch`] for the stored bytes
//! (`docs/formats/journal.md`).
//!
//! What a machine no longer keeps in memory comes to `check` as [`Machine::Rows`], looked up by
//! whoever runs the book in the same turn.

pub mod batch;
pub mod book;
pub mod commit;
pub mod machine;
pub mod memory;
pub mod port;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use batch::{Batch, BatchError, BatchProblem, Draft, Entry, Origin, Recorded, Stored};
pub use book::{
    Book, Claimed, ClosedBatch, Decided, End, Limits, OpenError, Refolded, Release, Sealer, Start,
    SubmitError, Ticket,
};
pub use machine::{Checked, Image, ImageError, Machine, Salts};
pub use memory::MemoryJournal;
pub use port::{Append, ClaimError, Journal, NotDone, ReadError, Tip};
