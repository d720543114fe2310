//! How long an image holds the book up, for whoever runs it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The longest pauses of a book that came with its images, since the process began.
#[derive(Debug, Default)]
pub struct Pauses {
    /// An image is being written.
    is_writing: AtomicBool,
    images: AtomicU64,
    append_us: AtomicU64,
    step_us: AtomicU64,
}

/// [`Pauses`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PausesSeen {
    /// Images that were written and put in place.
    pub images: u64,
    /// The longest that a batch took from the appender's hand to the disk while an image was being
    /// written: commitments, write and sync, and whatever they waited for.
    pub append: Duration,
    /// The longest that the writer's own thread was busy with one step of an image.
    pub step: Duration,
}

impl Pauses {
    /// What they are now.
    #[must_use]
    pub fn seen(&self) -> PausesSeen {
        let micros = |of: &AtomicU64| Duration::from_micros(of.load(Ordering::Relaxed));
        PausesSeen {
            images: self.images.load(Ordering::Relaxed),
            append: micros(&self.append_us),
            step: micros(&self.step_us),
        }
    }

    /// An image begins.
    pub(super) fn begun(&self) {
        self.is_writing.store(true, Ordering::Relaxed);
    }

    /// It is in place, or given up.
    pub(super) fn ended(&self, is_in_place: bool) {
        self.is_writing.store(false, Ordering::Relaxed);
        self.images.fetch_add(u64::from(is_in_place), Ordering::Relaxed);
    }

    pub(super) fn is_writing(&self) -> bool {
        self.is_writing.load(Ordering::Relaxed)
    }

    /// A batch took so long while an image was being written.
    pub(super) fn appended(&self, took: Duration) {
        longest(&self.append_us, took);
    }

    /// A step of an image took so long on the writer's thread.
    pub(super) fn stepped(&self, took: Duration) {
        longest(&self.step_us, took);
    }
}

fn longest(of: &AtomicU64, took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    of.fetch_max(micros, Ordering::Relaxed);
}
