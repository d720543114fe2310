//! The only door to third-party identity crates; each has one module, and none of their types
//! leaves this folder.

pub(crate) mod dcql;
pub(crate) mod sd_jwt;
pub(crate) mod status_list;
