//! The roles: each a process of the one binary, with keys, folder and routes of its own.

pub mod common;
pub mod core;

pub use common::{Common, RoleError, read_config};
