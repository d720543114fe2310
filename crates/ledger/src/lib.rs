//! Double entry as a pure machine: accounts, transactions of many entries, holds, limits.
//!
//! A book's machine owns a [`Ledger`], asks it to [`check`](Ledger::check) a [`Command`], stores
//! the [`Change`]s that come back in its own fact, and [`apply`](Ledger::apply)s them: at once,
//! and again on each refold. `check` changes nothing and may refuse; `apply` cannot refuse. Nothing
//! here knows of journals, payments across books, clocks or I/O: the stamp is an argument.
//!
//! A [`Ledger`] keeps what is open. What is past comes in as an argument, where
//! [`plan`](Ledger::plan) says that it is needed; a [`FullLedger`] keeps both.
//!
//! Start at [`Ledger`]; the words are in [`account`], [`hold`], [`transaction`], [`velocity`].
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod account;
mod apply;
pub mod bulk;
pub mod change;
mod check;
mod codec;
pub mod command;
pub mod draft;
mod full;
pub mod hold;
pub mod image;
pub mod label;
mod owners;
pub mod past;
pub mod refusal;
mod resolve;
mod row;
mod slab;
mod stage;
pub mod state;
pub mod transaction;
pub mod velocity;

pub use account::{Account, Available, Balances, Ceiling, Floor, Freeze, Opening, Owner, Purpose};
pub use bulk::BulkRefusal;
pub use change::{Answer, Change, Checked, Ended, Findings, Outcome, Resolved};
pub use command::Command;
pub use draft::{Ask, Draft, Line, Part, Rest};
pub use full::FullLedger;
pub use hold::{Hold, HoldState, NotDone, NotDoneSource, Placement, Term, VoidGround};
pub use label::{Datum, Detail, Key, Marks, Tag, Tags, Value};
pub use past::{Fresh, MemoryPast, Past, PastKey, Posted, Remember, Rows};
pub use refusal::Refusal;
pub use state::{AuditFault, Ledger, Total};
pub use transaction::{Entry, Link, Reason, Side, Transaction};
pub use velocity::{Bucket, Claim, Counter, LimitKey, Period, VelocityLimit};
