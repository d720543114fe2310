//! The journal over a real PostgreSQL server.
//!
//! `cargo xtask test postgres` installs and starts one and names it in `WAYLEAVE_POSTGRES`. Without
//! that variable every test says that it was left out; under `CI` it fails.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and a real server is waited for by the clock"
)]

mod on_postgres;
mod proxy;
mod server;
