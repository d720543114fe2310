//! The whole system under load, for figures and long runs: not reachable from the command line.
//!
//! The roles are the demo's processes with the demo's files; only the load differs. Start at
//! [`bench::command`] and [`soak::command`], which `cargo xtask bench payments` and
//! `cargo xtask soak` run through the examples `bench_payments` and `soak`.

pub mod bench;
pub mod figures;
pub mod mint;
pub mod rig;
pub mod soak;
