//! Ports for roles of a test.

use std::sync::atomic::{AtomicU16, Ordering};

/// A port that nobody listens on, below those that the system hands out to whoever asks for any:
/// another test's connection cannot take it between this look and the role's own.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % 200).unwrap_or_default();
    loop {
        let port = 28_000 + process * 20 + NEXT.fetch_add(1, Ordering::Relaxed) % 20;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
