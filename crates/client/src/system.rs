//! The clock and the randomness, for signing requests. `server::system` is the door for roles.

use std::time::{SystemTime, UNIX_EPOCH};

use terms::Instant;

/// The system gave no random bytes: nothing may be signed or created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoEntropy;

/// The wall clock; the epoch if it is set before 1970, so that every signature is refused.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::EPOCH.plus(since)
}

/// `N` bytes from the system's generator.
pub fn random<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes)
}
