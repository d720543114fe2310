//! The wire floor: who asks, what is refused and how bytes and JSON cross; no domain rules.
//!
//! | for | module | specification |
//! |---|---|---|
//! | signed requests and answers | [`signature`] | RFC 9421, RFC 9530; `docs/formats/requests.md` |
//! | no request twice | [`replay`] | ours |
//! | refusals that a person can act on | [`problem`] | RFC 9457 |
//! | strict JSON | [`json`] | RFC 8259, narrowed |
//! | media types, canonical bodies, ids and amounts as strings | [`wire`] | ours |
//!
//! No clock, randomness or socket: instants and nonces are arguments, so every check is testable.
#![expect(clippy::result_large_err, reason = "a problem is made once per request: clarity first")]

pub mod after;
pub mod bank;
pub mod caller;
pub mod duties;
pub mod json;
pub mod lease;
pub mod messages;
pub mod outgoing;
pub mod problem;
pub mod replay;
pub mod signature;
pub mod statement;
pub mod wire;

pub use caller::{Caller, Callers, Role};
pub use problem::{Kind, Problem};
pub use replay::ReplayCache;
pub use signature::{
    Acceptance, AnswerParts, Nonce, Rejection, RequestParts, SignatureHeaders, Unsignable,
    sign_answer, sign_request, verify_answer, verify_request,
};
