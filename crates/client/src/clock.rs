//! The time that a book is judged by, and whether it can be trusted.
//!
//! The wall clock says what time it is and may be set; the monotonic one says how much time has
//! passed and may not. When they part by more than [`PART_MAX`], somebody set the wall clock:
//! until they agree again the book's time goes on by the monotonic one, and nothing expires.
//!
//! A process that starts has only the wall clock's word. What the two said when an earlier one
//! started, an [`Anchor`] kept in the book's folder, is the second source: within one boot of the
//! machine they must still be as far from each other as they were then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Names what [`Clocks::monotonic`] counts from, when other processes count from it too: a
    /// boot of the machine. `None` where it says nothing to another process.
    fn boot(&self) -> Option<String> {
        None
    }
}

/// What both clocks said at one moment of one boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Which boot, as [`Clocks::boot`] names it.
    pub boot: String,
    /// The wall clock.
    pub wall: Instant,
    /// The monotonic one.
    pub passed: Duration,
}

impl Anchor {
    /// What these clocks say now; `None` where the monotonic one says nothing to another process.
    #[must_use]
    pub fn now(clocks: &impl Clocks) -> Option<Self> {
        Some(Self { boot: clocks.boot()?, wall: clocks.wall(), passed: clocks.monotonic() })
    }

    /// How far the wall clock is now from where it would be had nobody set it since; `None` after
    /// another boot, where this says nothing.
    #[must_use]
    pub fn apart(&self, clocks: &impl Clocks) -> Option<Duration> {
        (clocks.boot()? == self.boot).then(|| apart(self.expected(clocks.monotonic()), clocks))
    }

    /// As the file that keeps it says it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let passed = u64::try_from(self.passed.as_nanos()).unwrap_or(u64::MAX);
        let members = serde_json::json!({
            "boot": self.boot,
            "wall_nanos": self.wall.nanos(),
            "boottime_nanos": passed,
        });
        format!("{members}\n")
    }

    /// What such a file says.
    ///
    /// # Errors
    /// In words, when it says something else.
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        let members: serde_json::Value =
            serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let nanos = |name: &str| {
            let number = members.get(name).and_then(serde_json::Value::as_u64);
            number.ok_or_else(|| format!("`{name}` is no number of nanoseconds"))
        };
        let boot = members.get("boot").and_then(serde_json::Value::as_str);
        let boot = boot.ok_or("`boot` names no boot of the machine")?.to_owned();
        let wall = Instant::from_nanos(nanos("wall_nanos")?);
        Ok(Self { boot, wall, passed: Duration::from_nanos(nanos("boottime_nanos")?) })
    }

    fn expected(&self, passed: Duration) -> Instant {
        expected((self.wall, self.passed), passed)
    }
}

fn expected((first, then): (Instant, Duration), passed: Duration) -> Instant {
    first.plus(passed.saturating_sub(then))
}

fn apart(expected: Instant, clocks: &impl Clocks) -> Duration {
    Duration::from_nanos(clocks.wall().nanos().abs_diff(expected.nanos()))
}

/// The system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClocks;

impl Clocks for SystemClocks {
    fn wall(&self) -> Instant {
        crate::system::wall()
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

    #[cfg(target_os = "linux")]
    fn boot(&self) -> Option<String> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim_end().to_owned())
    }
}

/// The book's clock. Clones share it.
#[derive(Clone)]
pub struct BookClock {
    clocks: Arc<dyn Clocks>,
    /// Read when the clock is made: a confined process cannot.
    boot: Option<String>,
    first: Arc<Mutex<(Instant, Duration)>>,
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
        let first = Arc::new(Mutex::new((clocks.wall(), clocks.monotonic())));
        let boot = clocks.boot();
        Self { clocks: Arc::new(clocks), boot, first, parted: Arc::default() }
    }

    /// By the same clocks, judged apart from this one: another book may know more.
    #[must_use]
    pub fn for_book(&self) -> Self {
        let first = Arc::new(Mutex::new(*self.first()));
        Self { first, parted: Arc::default(), ..self.clone() }
    }

    /// Measures the wall clock by what both said before. Of another boot this says nothing, and
    /// the wall clock is believed.
    pub fn take(&self, anchor: &Anchor) {
        if self.boot.as_ref() == Some(&anchor.boot) {
            *self.first() = (anchor.wall, anchor.passed);
        }
    }

    /// What to keep for the next process: what both clocks say now, or, while they are parted,
    /// what the wall clock is measured by. `None` where it would say nothing.
    #[must_use]
    pub fn anchor(&self) -> Option<Anchor> {
        let boot = self.boot.clone()?;
        if self.may_expire() {
            let (wall, passed) = (self.clocks.wall(), self.clocks.monotonic());
            return Some(Anchor { boot, wall, passed });
        }
        let (wall, passed) = *self.first();
        Some(Anchor { boot, wall, passed })
    }

    fn first(&self) -> MutexGuard<'_, (Instant, Duration)> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
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
        let expected = expected(*self.first(), monotonic);
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

    struct Set(Arc<Mutex<(Instant, Duration)>>);

    fn at(wall: u64, passed: u64) -> Set {
        let both = (Instant::from_seconds(wall), Duration::from_secs(passed));
        Set(Arc::new(Mutex::new(both)))
    }

    #[test]
    fn a_process_that_starts_measures_the_wall_clock_by_what_was_kept() {
        let day = 86_400;
        let kept = BookClock::new(at(10 * day, 500)).anchor().unwrap();
        for (wall, parted) in [(10, false), (11, false), (12, true), (8, true), (day + 10, true)] {
            let clock = BookClock::new(at(10 * day + wall, 510));
            assert!(clock.may_expire(), "alone it has only the wall clock's word");
            let book = clock.for_book();
            book.take(&kept);
            assert_eq!(!book.may_expire(), parted, "{wall}");
            let now = if parted { 10 * day + 10 } else { 10 * day + wall };
            assert_eq!(book.now(), Instant::from_seconds(now));
            assert!(clock.may_expire(), "another book is judged by what it knows");
            // What is kept of a parted clock is what it was measured by: no restart heals it.
            let again = BookClock::new(at(10 * day + wall + 60, 570));
            again.take(&book.anchor().unwrap());
            assert_eq!(!again.may_expire(), parted);
            assert_eq!(kept.apart(&at(10 * day + wall, 510)).unwrap() > PART_MAX, parted);
        }
        assert_eq!(Anchor::from_json(kept.to_json().as_bytes()), Ok(kept.clone()));
        let other = Anchor { boot: "another".into(), ..kept };
        let clock = BookClock::new(at(11 * day, 5));
        clock.take(&other);
        assert!(clock.may_expire(), "the monotonic clock began anew");
        assert_eq!(other.apart(&at(11 * day, 5)), None);
    }

    impl Clocks for Set {
        fn wall(&self) -> Instant {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
        }

        fn monotonic(&self) -> Duration {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1
        }

        fn boot(&self) -> Option<String> {
            Some("boot".into())
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
