//! The rail port: a way to move money that we do not control, and the adapters of it.
//!
//! A rail promises one thing: it executes one message id at most once. Everything else is in
//! doubt: what a call comes to is *done*, *surely not done* or *unknown*, never merged. How to add
//! a rail: `docs/adding/rail.md`. What is asked of it when: `clearing::outside`.

mod file;
pub mod messages;
mod remote;

use clearing::outside::{Asking, Sending};
use terms::{Instant, OutsideId};

pub use file::FileRail;
pub use messages::OutsideAccount;
pub use remote::{IncomingPage, RemoteRail, XML};

/// A message on its way out, the same bytes at every try.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Whose.
    pub id: OutsideId,
    /// The name under which the rail knows it; in the file's name, too.
    pub message_id: String,
    /// pacs.008.001.08.
    pub xml: String,
}

/// A message that came in.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// What the adapter knows it by.
    pub name: String,
    /// Its bytes, bounded.
    pub bytes: Vec<u8>,
}

/// What became of a message that came in; kept beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was about transfers of ours, and the book has what it says.
    Taken(Vec<String>),
    /// Nothing of it was booked: why.
    Refused(String),
}

/// A way to move money that we do not control.
///
/// Contract, which `tests/rail_port.rs` runs against every adapter:
/// - `send` may be called again with the same message and has the effect of one call. *Sent* only
///   when the rail has it durably; *not done* only when this very call surely had no effect.
/// - `ask` tells how the rail says it stands now. *Not known* is no promise for later.
/// - `incoming` shows what came and is not taken, in any order, and the same again until `taken`;
///   after a restart it may show what was taken before.
pub trait Rail: Send + Sync {
    /// Hands a message over.
    fn send(&self, message: &Prepared) -> impl Future<Output = Sending> + Send;

    /// Asks what became of it.
    fn ask(&self, id: OutsideId) -> impl Future<Output = Asking> + Send;

    /// What came in and is not taken yet; nothing when the rail cannot be reached.
    fn incoming(&self) -> impl Future<Output = Vec<Arrived>> + Send;

    /// Takes a message out of what comes in, with its verdict. The book has it already: when the
    /// process ends before this, it comes again and changes nothing.
    fn taken(&self, arrived: &Arrived, verdict: &Verdict) -> impl Future<Output = ()> + Send;
}

/// The adapters.
#[derive(Debug)]
pub enum AnyRail {
    /// Folders with message files.
    File(FileRail),
    /// A process that speaks the same messages over HTTP.
    Remote(Box<RemoteRail>),
}

impl AnyRail {
    /// What the rail's *not known* comes to for a message that was intended then. A rail of files
    /// says it for its own folder only: for what is older, nobody knows.
    #[must_use]
    pub fn believed(&self, asking: Asking, intended_at: Option<Instant>) -> Asking {
        let Self::File(rail) = self else { return asking };
        let known = intended_at.is_some_and(|at| at >= rail.knows_since());
        if asking == Asking::NotKnown && !known {
            return Asking::Unknown("the rail's folder is younger than this transfer".to_owned());
        }
        asking
    }
}

impl Rail for AnyRail {
    async fn send(&self, message: &Prepared) -> Sending {
        match self {
            Self::File(rail) => rail.send(message).await,
            Self::Remote(rail) => rail.send(message).await,
        }
    }

    async fn ask(&self, id: OutsideId) -> Asking {
        match self {
            Self::File(rail) => rail.ask(id).await,
            Self::Remote(rail) => rail.ask(id).await,
        }
    }

    async fn incoming(&self) -> Vec<Arrived> {
        match self {
            Self::File(rail) => rail.incoming().await,
            Self::Remote(rail) => rail.incoming().await,
        }
    }

    async fn taken(&self, arrived: &Arrived, verdict: &Verdict) {
        match self {
            Self::File(rail) => rail.taken(arrived, verdict).await,
            Self::Remote(rail) => rail.taken(arrived, verdict).await,
        }
    }
}

/// Longest message that is read: one payment's messages have a few kilobytes.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
