//! What every HTTP server here does before its first route: take connections, read a body whole,
//! and end well, each within limits.
//!
//! An `answer` gets the request as it arrives and decides itself when to read the body, with
//! [`read_body`]; what is said when a body is refused is the caller's too, since problem documents
//! differ between servers.

mod body;
mod connections;
mod places;
mod stream;

pub use body::{BodyFault, read_body};
pub use connections::{Alive, Limits, serve};
pub use places::{Arriving, Connection, IDLE_LEAST};
