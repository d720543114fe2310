//! Each signed request once: the nonces seen within the clock window.
//!
//! Bounded, and never forgets early: when it is full, or one key has used its share, the request
//! is refused. Only requests whose signature verified enter, so strangers cannot fill it. After a
//! restart it is empty, therefore requests created before the start are refused: they could be
//! replays of what the process before took.

use std::collections::{BTreeMap, BTreeSet};

use seal::KeyId;
use terms::Instant;

use crate::signature::Nonce;

/// Why a nonce was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayRefusal {
    /// This key used this nonce before.
    Seen,
    /// The key, or all keys together, made too many requests within the window.
    Full,
}

/// The nonces seen within the clock window.
#[derive(Debug)]
pub struct ReplayCache {
    since: Instant,
    capacity: usize,
    share: usize,
    seen: BTreeSet<(KeyId, Nonce)>,
    ends: BTreeSet<(Instant, KeyId, Nonce)>,
    per_key: BTreeMap<KeyId, usize>,
}

impl ReplayCache {
    /// An empty cache of a process that started at `since`.
    #[must_use]
    pub fn starting(since: Instant) -> Self {
        Self::with_limits(since, REPLAY_CAPACITY, REPLAY_SHARE)
    }

    /// An empty cache with other limits than the usual: `capacity` in all, `share` per key.
    #[must_use]
    pub fn with_limits(since: Instant, capacity: usize, share: usize) -> Self {
        Self {
            since,
            capacity,
            share,
            seen: BTreeSet::new(),
            ends: BTreeSet::new(),
            per_key: BTreeMap::new(),
        }
    }

    /// When the process started: what was created before, in whole seconds, is refused.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// How many nonces are kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Takes a nonce and keeps it until after `end`, when the window refuses it anyway.
    pub(crate) fn take(
        &mut self,
        key: KeyId,
        nonce: Nonce,
        end: Instant,
        now: Instant,
    ) -> Result<(), ReplayRefusal> {
        self.forget_before(now);
        if self.seen.contains(&(key, nonce)) {
            return Err(ReplayRefusal::Seen);
        }
        let used = self.per_key.get(&key).copied().unwrap_or(0);
        if self.seen.len() >= self.capacity || used >= self.share {
            return Err(ReplayRefusal::Full);
        }
        self.seen.insert((key, nonce));
        self.ends.insert((end, key, nonce));
        self.per_key.insert(key, used.saturating_add(1));
        Ok(())
    }

    fn forget_before(&mut self, now: Instant) {
        while let Some(&(end, key, nonce)) = self.ends.first() {
            if end >= now {
                return;
            }
            self.ends.pop_first();
            self.seen.remove(&(key, nonce));
            let left = self.per_key.get(&key).map_or(0, |used| used.saturating_sub(1));
            if left == 0 {
                self.per_key.remove(&key);
            } else {
                self.per_key.insert(key, left);
            }
        }
    }
}

/// Nonces kept in all: about 4000 signed requests per second over the window, some 40 MiB.
pub const REPLAY_CAPACITY: usize = 262_144;
/// Nonces kept per key: a quarter, so that one partner cannot shut out the others.
pub const REPLAY_SHARE: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cache_refuses_rather_than_forgets() {
        let key = seal::SigningKey::from_seed(&[1; 32]).key_id();
        let other = seal::SigningKey::from_seed(&[2; 32]).key_id();
        let mut cache = ReplayCache::with_limits(Instant::EPOCH, 3, 2);
        let (now, end) = (Instant::from_seconds(1), Instant::from_seconds(10));
        let nonce = |n: u8| Nonce::from_bytes([n; 16]);
        assert_eq!(cache.take(key, nonce(1), end, now), Ok(()));
        assert_eq!(cache.take(key, nonce(1), end, now), Err(ReplayRefusal::Seen));
        assert_eq!(cache.take(key, nonce(2), end, now), Ok(()));
        assert_eq!(cache.take(key, nonce(3), end, now), Err(ReplayRefusal::Full));
        assert_eq!(cache.take(other, nonce(1), end, now), Ok(()), "another key's nonce");
        assert_eq!(cache.take(other, nonce(2), end, now), Err(ReplayRefusal::Full));
        let later = Instant::from_seconds(11);
        assert_eq!(cache.take(key, nonce(3), Instant::from_seconds(20), later), Ok(()));
        assert_eq!(cache.len(), 1);
    }
}
