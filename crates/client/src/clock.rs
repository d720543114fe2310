//! The time that a book is judged by, and whether it can be trusted.
//!
//! The wall clock says what time it is and may be set; the monotonic one says how much time has
//! passed and may not. When they part by more than [`PART_MAX`], somebody set the wall clock:
//! until they agree again the book's time goes on by the monotonic one, and nothing expires.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use terms::Instant;

/// How far the clocks may part. A leap second is one second.
pub const PART_MAX: Duration = Duration::from_secs(1);

/// Two clocks.
pub trait Clocks: Send + Sync + 'static {
    /// What time it is.
    fn wall(&self) -> Instant;
    /// How much time has passed since some moment of this process.
    fn monotonic(&self) -> Duration;
}

/// The system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClocks;

impl Clocks for SystemClocks {
    fn wall(&self) -> Instant {
        crate::system::now()
    }

    /// Linux counts the time in which the machine slept as passed (`CLOCK_BOOTTIME`), so that a
    /// laptop that wakes up is no clock that was set.
    #[cfg(target_os = "linux")]
    fn monotonic(&self) -> Duration {
        let read = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::try_from(read).unwrap_or_default()
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads this clock")]
    fn monotonic(&self) -> Duration {
        static STARTED: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        STARTED.elapsed()
    }
}

/// The book's clock. Clones share it.
#[derive(Clone)]
pub struct BookClock {
    clocks: Arc<dyn Clocks>,
    first: Arc<OnceLock<(Instant, Duration)>>,
    parted: Arc<AtomicBool>,
}

impl std::fmt::Debug for BookClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BookClock").field("parted", &self.parted).finish_non_exhaustive()
    }
}

impl BookClock {
    /// Trusts the wall clock as it stands now.
    pub fn new(clocks: impl Clocks) -> Self {
        let first = OnceLock::from((clocks.wall(), clocks.monotonic()));
        Self { clocks: Arc::new(clocks), first: Arc::new(first), parted: Arc::default() }
    }

    /// The system's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self::new(SystemClocks)
    }

    /// The time: the wall clock's while the two agree, and the first one plus what has passed
    /// since while they do not.
    #[must_use]
    pub fn now(&self) -> Instant {
        let (wall, monotonic) = (self.clocks.wall(), self.clocks.monotonic());
        let (first, then) = *self.first.get_or_init(|| (wall, monotonic));
        let expected = first.plus(monotonic.saturating_sub(then));
        let apart = wall.nanos().abs_diff(expected.nanos());
        let parted = Duration::from_nanos(apart) > PART_MAX;
        if self.parted.swap(parted, Ordering::Relaxed) != parted {
            let apart = Duration::from_nanos(apart);
            if parted {
                tracing::warn!(?apart, "the wall clock was set: no hold expires until it is right");
            } else {
                tracing::info!("the clocks agree again: holds expire");
            }
        }
        if parted { expected } else { wall }
    }

    /// Whether deadlines may be acted upon.
    #[must_use]
    pub fn may_expire(&self) -> bool {
        let _ = self.now();
        !self.parted.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Set(Arc<Mutex<(Instant, Duration)>>);

    impl Clocks for Set {
        fn wall(&self) -> Instant {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
        }

        fn monotonic(&self) -> Duration {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1
        }
    }

    #[test]
    fn a_clock_that_was_set_is_not_followed_until_it_is_right() {
        let day = 86_400;
        for set_to in [10 * day, 10 * day + 5, 9 * day, 11 * day] {
            let clocks = Arc::new(Mutex::new((Instant::from_seconds(10 * day), Duration::ZERO)));
            let put = |wall: u64, passed: u64| {
                let mut clocks = clocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *clocks = (Instant::from_seconds(wall), Duration::from_secs(passed));
            };
            let clock = BookClock::new(Set(Arc::clone(&clocks)));
            put(10 * day + 7, 7);
            assert!(clock.may_expire());
            assert_eq!(clock.now(), Instant::from_seconds(10 * day + 7));
            put(set_to, 10);
            assert!(!clock.may_expire(), "{set_to}");
            assert_eq!(clock.now(), Instant::from_seconds(10 * day + 10));
            put(10 * day + 21, 20);
            assert!(clock.may_expire(), "one second is a leap second");
            assert_eq!(clock.now(), Instant::from_seconds(10 * day + 21));
        }
    }
}
