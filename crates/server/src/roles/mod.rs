//! The roles: each a process of the one binary, with keys, folder and routes of its own.

pub mod bank;
pub mod common;
pub mod core;
pub mod edge;
mod files;
pub mod front;
pub mod issuer;
pub mod provider;
pub mod rail;
mod start;
pub mod supervisor;

pub(crate) use files::write_whole;

pub use common::{Common, RoleError, read_config};
