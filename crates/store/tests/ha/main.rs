//! The journal over a replicated PostgreSQL whose servers and agents are killed.
//!
//! `cargo xtask test ha` starts the cluster of `deploy/ha` and names its folder in `WAYLEAVE_HA`.
//! Without that variable every test says that it was left out; the suite is asked for by name.
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
    reason = "a test fails by panicking, and a real cluster is waited for by the clock"
)]

mod cluster;
mod load;
mod on_cluster;
