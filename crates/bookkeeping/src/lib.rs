//! A ledger as a book of its own: what clients ask for, the facts that follow, ids for ever.
//!
//! [`LedgerBook`] is the machine of a stand-alone ledger: it asks a [`ledger::Ledger`] and wraps
//! what it says into facts that name the client. What it no longer remembers (past transactions,
//! ended holds, refusals that were journalled) comes in as [`Found`], looked up by [`keys`].
//!
//! Start at [`LedgerBook`]; the stored bytes are in [`fact`] and `docs/formats/bookkeeping.md`.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod fact;
pub mod found;
pub mod keys;
pub mod machine;
pub mod request;
pub mod together;

pub use fact::{CHANGED, Event, LedgerFact, REFUSED, Refused};
pub use found::Found;
pub use keys::{Key, Tag};
pub use machine::LedgerBook;
pub use request::{ClientNumber, Effect, Outcome, Request, TRACE_MAX, What};
pub use together::TogetherItem;
