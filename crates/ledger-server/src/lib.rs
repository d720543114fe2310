//! A stand-alone ledger as a process: one folder, one book, its threads, its protocol.
//!
//! The threads of a book, in the order in which a request meets them: `wire-io` reads frames and
//! writes replies; `book` looks ids up, checks and applies; `append` commits, chains, writes and
//! syncs; only then does the reply leave. Behind them run the log's projection, the sealing of
//! ids and the saving of images. Everything is a fold over the journal's facts.
//!
//! Start at [`serve`]; [`recall`] looks up what the book no longer remembers, [`service`] stands
//! between the protocol and the book.
#![expect(clippy::disallowed_methods, reason = "rank 6: clocks enter here")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "rank 6: an answer that is none of those expected is told as it is"
)]

pub mod archive;
mod book;
pub mod clients;
pub mod contents;
pub mod events;
pub mod figures;
pub mod folder;
pub mod guard;
pub mod http;
pub mod limits;
pub mod load;
pub mod load_http;
pub mod log_follower;
mod lookups;
pub mod personal;
pub mod projections;
pub mod public_log;
pub mod query;
pub mod questions;
pub mod rebuild;
pub mod recall;
mod refusals;
pub mod serve;
pub mod service;
pub mod shown;

pub use book::IMAGE_EVERY;
pub use client::{Anchor, BookClock, Clocks, PART_MAX, SystemClocks};
pub use clients::{Client, Clients, May};
pub use folder::{FIRST_CLIENT, Folder, FolderError};
pub use guard::{Guard, GuardError, NotTheNewest};
pub use personal::{PersonalError, PersonalKeys};
pub use public_log::{CHECKPOINT_NAME, Prover, PublicLog, stored_checkpoint};
pub use query::{AccountView, Query, Said};
pub use questions::{NotAnswered, Questions};
pub use recall::LedgerRecall;
pub use serve::{
    Kept, Protections, Running, RunningBooks, ServeError, ServeOptions, serve, serve_books,
    serve_protected,
};
pub use service::LedgerService;
