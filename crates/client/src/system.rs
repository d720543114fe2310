//! The clock and the randomness, for signing requests. `server::system` is the door for roles.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use terms::Instant;

use crate::clock::BookClock;

/// The one clock of this process, anchored when it is first read. What a role signs must bear the
/// time that it judges by: two clocks of one process, and others refuse what it says.
static CLOCK: LazyLock<BookClock> = LazyLock::new(BookClock::system);

/// The system gave no random bytes: nothing may be signed or created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoEntropy;

/// The clock of this process.
#[must_use]
pub fn clock() -> &'static BookClock {
    &CLOCK
}

/// The time. A wall clock that somebody sets while the process runs is not followed until it is
/// right again: one step ahead would end every permit and quote, and stamp facts with times that
/// the book can never go back behind.
#[must_use]
pub fn now() -> Instant {
    CLOCK.now()
}

/// The wall clock; the epoch if it is set before 1970, so that every signature is refused.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub(crate) fn wall() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::EPOCH.plus(since)
}

/// `N` bytes from the system's generator.
pub fn random<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes)
}
