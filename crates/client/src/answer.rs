//! How a request can end.

use api::Problem;
use bytes::Bytes;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The peer did it and said so.
    Answer(Answer),
    /// The peer understood and did not do it.
    Refused(Problem),
    /// It surely was not done: the request never reached a handler.
    NotDone(NotDone),
    /// Nobody here knows whether it was done: ask, do not act.
    Unknown(Unknown),
}

/// A complete answer with a status of 200 to 299.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub content_type: Option<String>,
    /// The whole body.
    pub body: Bytes,
}

/// Why surely nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// No connection.
    #[error("no connection to `{authority}`: {reason}")]
    NoConnection {
        /// Whereto.
        authority: String,
        /// Why.
        reason: String,
    },
    /// The guard forbids the address.
    #[error(transparent)]
    Forbidden(#[from] crate::Forbidden),
    /// The request cannot be signed or written.
    #[error("the request cannot be sent: {reason}")]
    Unsendable {
        /// Why.
        reason: String,
    },
    /// The peer says that it did not begin (`503 not-ready`, `408`, `429`).
    #[error("`{authority}` did not begin: {}", problem.title)]
    NotBegun {
        /// Who.
        authority: String,
        /// Its words.
        problem: Box<Problem>,
    },
}

/// Why nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No answer in time.
    #[error("no answer of `{authority}` within {deadline_ms} ms")]
    Late {
        /// Who.
        authority: String,
        /// The time allowed.
        deadline_ms: u64,
    },
    /// The connection broke after sending began.
    #[error("the connection to `{authority}` broke: {reason}")]
    Broken {
        /// Who.
        authority: String,
        /// What broke.
        reason: String,
    },
    /// The answer is larger than allowed.
    #[error("the answer of `{authority}` is larger than {limit} bytes")]
    TooLarge {
        /// Who.
        authority: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is not signed by the peer, so it may be anybody's.
    #[error("the answer of `{authority}` is not signed by it: {reason}")]
    NotTheirs {
        /// Who.
        authority: String,
        /// What does not fit.
        reason: String,
    },
    /// A status that says nothing about what was done: a redirect, a fault, no problem document.
    #[error("`{authority}` answered {status}: {detail}")]
    Status {
        /// Who.
        authority: String,
        /// HTTP status.
        status: u16,
        /// Its words, if any.
        detail: String,
    },
}
