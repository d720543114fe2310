//! Server and client over real sockets on loopback.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers may stop")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test wants one outcome, and no other")]

mod follow;
mod hostile;
mod limits;
mod protocol;
mod stage;
mod tls;
