//! The log as one packed file: fast to append to, and cut into tlog-tiles when somebody asks.
//!
//! Tiles as files of their own cost a sync each: ten million entries are 80,000 files. Here all
//! tiles lie in one file at places that follow from level and index ([`layout`]), a flush is a few
//! writes and one sync, and [`reader::TreeView`] cuts any tile, full or partial, and any bundle of
//! entries out of it, byte for byte as C2SP tlog-tiles says. [`export`] writes the plain directory.
//!
//! [`PackedLog`] writes, [`LogThread`] runs it behind a bounded queue, [`check`] reads everything
//! again and names what is wrong. Everything is a function of the journal: what is lost is fed
//! again. The bytes are described in `docs/formats/log-file.md`.

pub mod check;
pub mod export;
pub mod layout;
pub mod packed;
pub mod reader;
pub mod thread;

pub use check::{LogFinding, LogReport, check};
pub use export::export;
pub use layout::LOG_NAME;
pub use packed::{LogFault, OpenLogError, PackedLog};
pub use reader::{LogReader, TreeView};
pub use thread::{LogClosed, LogConfig, LogFeed, LogThread, LogWatch, Reopen};
