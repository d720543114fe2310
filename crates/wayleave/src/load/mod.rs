//! The whole system under load, for figures and long runs: the hidden command `wayleave load`, in
//! a process of its own beside the roles'.
//!
//! The roles are the demo's processes with the demo's files; only the load differs. Start at
//! [`bench::run`] (`cargo xtask bench payments`) and [`soak::run`] (`cargo xtask soak`).

pub mod bench;
pub mod figures;
pub mod mint;
pub mod rig;
pub mod soak;
