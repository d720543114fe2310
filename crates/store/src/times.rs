//! How long something took, many times: a histogram that any thread may add to and read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, microseconds: from a cached write to a disk in trouble. What took
/// longer than the last is in the whole count only.
pub const BOUNDS_US: [u64; 14] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000,
];

/// A histogram of durations. Counts are of this process.
#[derive(Debug, Default)]
pub struct Times {
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    nanos: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimesSeen {
    /// How many took at most [`BOUNDS_US`] each, smaller ones included.
    pub at_most: [u64; BOUNDS_US.len()],
    /// How many there were.
    pub count: u64,
    /// How long all of them took.
    pub whole: Duration,
}

impl Times {
    /// Adds one.
    pub fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let fits = self.buckets.iter().zip(BOUNDS_US).find(|(_, bound)| micros <= *bound);
        if let Some((bucket, _)) = fits {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What it holds: sums by bucket never exceed the count.
    #[must_use]
    pub fn seen(&self) -> TimesSeen {
        let mut at_most = [0; BOUNDS_US.len()];
        let mut sum: u64 = 0;
        for (to, bucket) in at_most.iter_mut().zip(&self.buckets) {
            sum = sum.saturating_add(bucket.load(Ordering::Relaxed));
            *to = sum;
        }
        let count = self.count.load(Ordering::Relaxed).max(sum);
        let whole = Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
        TimesSeen { at_most, count, whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_counts_in_its_bucket_and_all_above() {
        let times = Times::default();
        for micros in [1, 50, 51, 999, 2_000_000] {
            times.add(Duration::from_micros(micros));
        }
        let seen = times.seen();
        assert_eq!(seen.at_most.first(), Some(&2));
        assert_eq!(seen.at_most.get(1), Some(&3));
        assert_eq!(seen.at_most.last(), Some(&4));
        assert_eq!((seen.count, seen.whole), (5, Duration::from_micros(2_001_101)));
    }
}
