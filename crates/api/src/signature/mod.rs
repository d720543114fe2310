//! Who spoke: HTTP Message Signatures (RFC 9421) in one fixed profile, `wayleave-v1`.
//!
//! Fixed on purpose: one label, one algorithm, one list of components in one order, so that no
//! peer can choose to cover less. The byte-by-byte description is `docs/formats/requests.md`.
//! A signature names its authority; a server refuses what was signed for another, else one role
//! could pass on what was said to it.

mod answer;
mod base;
mod headers;
mod request;

use core::time::Duration;

use seal::KeyId;
use terms::Instant;

pub use answer::{AnswerParts, sign_answer, verify_answer};
pub use base::{content_digest, signature_base};
pub use headers::{SignatureHeaders, single};
pub use request::{Acceptance, RequestParts, sign_request, verify_request};

/// 16 random bytes that make each signed request different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A nonce of these bytes, drawn by the caller for this one request.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// A part of a message that cannot stand in a signature base.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{component}` expects {expected}, got `{got}`")]
pub struct Unsignable {
    /// Which component.
    pub component: &'static str,
    /// What it should be.
    pub expected: &'static str,
    /// What it was, cut to 64 characters.
    pub got: String,
}

/// Why a signature was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A header is absent.
    #[error("header `{header}` is missing")]
    Missing {
        /// Which.
        header: &'static str,
    },
    /// A header came more than once.
    #[error("header `{header}` came more than once")]
    Repeated {
        /// Which.
        header: &'static str,
    },
    /// A header is not in the one form of the profile.
    #[error("header `{header}` is not as the profile `{TAG}` writes it: expected `{expected}`")]
    Malformed {
        /// Which.
        header: &'static str,
        /// The form.
        expected: String,
    },
    /// The message cannot be signed at all.
    #[error(transparent)]
    Unsignable(#[from] Unsignable),
    /// Signed for another server.
    #[error("signed for the authority `{got}`, which is not served here")]
    OtherAuthority {
        /// The authority in the request.
        got: String,
    },
    /// Created too early or too late.
    #[error("created at {created}, which at {now} is outside the window of {WINDOW:?}")]
    OutsideWindow {
        /// When it says it was signed.
        created: Instant,
        /// The clock here.
        now: Instant,
    },
    /// Created before this process started: it could be a replay from before.
    #[error("created at {created}, before this process started at {since}")]
    BeforeStart {
        /// When it says it was signed.
        created: Instant,
        /// When we started.
        since: Instant,
    },
    /// The key is not in the table.
    #[error("key `{key}` is not known here")]
    UnknownKey {
        /// Which.
        key: KeyId,
    },
    /// The body is not the one that was digested.
    #[error("`content-digest` does not fit the body")]
    DigestMismatch,
    /// The signature does not verify.
    #[error("the signature does not fit the key and the message")]
    BadSignature,
    /// The same request came before.
    #[error("this nonce was used before")]
    Replayed,
    /// Too many requests within the window.
    #[error("too many signed requests within the clock window")]
    TooMany,
}

/// The tag that names this profile inside each signature.
pub const TAG: &str = "wayleave-v1";
/// The one label of the signature dictionaries.
pub const LABEL: &str = "wayleave";
/// How old a request may be: longer than any retry by our client, short enough to remember.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How far ahead the caller's clock may be.
pub const WINDOW_AHEAD: Duration = Duration::from_secs(5);
