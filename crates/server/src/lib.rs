//! Where the world enters: routes, roles, key files, the sandbox, clocks and randomness.
//!
//! Start at [`web::serve`]. Handlers parse, call one use case and map its outcome; everything a
//! stranger can send is bounded by [`web::Limits`] before a handler sees it.
#![expect(
    clippy::result_large_err,
    reason = "rank 6: a refusal is a problem document, written once"
)]

pub mod keys;
pub mod rail;
pub mod roles;
pub mod sandbox;
pub mod statements;
pub mod system;
pub mod telemetry;
pub mod web;
