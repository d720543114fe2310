//! Lists of sanctioned names, and an explained answer for each party.
//!
//! Pure: a list and a party go in, an [`Outcome`] comes out. A missing name, country or list is
//! [`Outcome::NotScreened`], never `Clear`. Scores are whole numbers per mille, so that a replay
//! on any machine gives the same bytes. Start at [`screen`].

pub mod import;
mod index;
pub mod list;
pub mod matching;
mod near;
pub mod normal;
mod words;

pub use list::{Entry, ListError, LoadedList, ScreeningList, import_json};
pub use matching::{
    Aligned, Hit, NotScreened, Outcome, Party, Rule, Thresholds, alignment, all_hits, compare,
    screen,
};
