//! Worlds under a seed: many payments over the three books of the core, a fault at a port call of
//! one of them, recovery, and an oracle that knows what was promised.
//!
//! A port call is an append. In [`fault::Fault`] stands what may become of it; [`world::Port`]
//! names the appends of a payment's path; a cell of the table is one fault at one port. The books
//! are driven by `clearing::Route`, the very code of the core: only the carrying is ours.
//! [`disk`] worlds lose power at any call of a disk that tears and forgets.
//!
//! [`network`] worlds are the whole network: messages, processes and clocks that fail too.
//!
//! `wayleave-simulate --seed N` repeats a world; without a seed it prints the table.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a simulation is a test: a broken world stops by panicking"
)]

pub mod backing;
pub mod books;
pub mod dice;
pub mod network;
pub mod oracle;
pub mod table;
pub mod world;

pub use backing::Fault;
pub use dice::Dice;
pub use table::{Table, table};
pub use world::{Bug, Outcome, Plan, Port, World, run_disk_world, run_lossy_world, run_world};
