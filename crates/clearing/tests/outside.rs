//! Transfers over a rail: the table of steps, and worlds in which the rail loses, duplicates,
//! delays and reorders, and the process dies between any two steps.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test fail by panicking"
)]

#[path = "outside/model.rs"]
mod model;
#[path = "outside/table.rs"]
mod table;
#[path = "outside/world.rs"]
mod world;
