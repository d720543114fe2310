//! How often one client may ask what is missing before money moves.
//!
//! Preflight answers open rules only, but an answer costs an exchange with the other side's edge,
//! and whoever may ask without end can feel its way along a rule's edges. Each client has a window
//! of its own, so that nobody pays for another's questions. Each instance counts by itself, in
//! memory: with three instances behind one address a client may ask three times as often, and a
//! restart begins anew. Nothing depends on it but load.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use seal::KeyId;
use terms::Instant;

/// The window over which questions count.
const WINDOW: Duration = Duration::from_secs(60);
/// Questions of one client in a window where `role.json` says nothing: ten a second, where a busy
/// clerk asks once a minute.
pub(super) const PREPARATIONS_A_MINUTE: u32 = 600;
/// Clients whose windows are kept before those that are over are looked for.
const CLIENTS_SWEPT_AT: usize = 1_024;

/// The windows of all clients.
#[derive(Debug)]
pub(super) struct Rate {
    most: u32,
    of: Mutex<BTreeMap<KeyId, (Instant, u32)>>,
}

impl Rate {
    pub(super) const fn new(most: u32) -> Self {
        Self { most, of: Mutex::new(BTreeMap::new()) }
    }

    /// The most questions in a minute.
    pub(super) const fn most(&self) -> u32 {
        self.most
    }

    /// Counts one question; says how long to wait where there were too many. A question that is
    /// turned away counts nothing.
    pub(super) fn ask(&self, client: KeyId, now: Instant) -> Result<(), Duration> {
        let mut all = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CLIENTS_SWEPT_AT {
            all.retain(|_, (since, _)| now < since.plus(WINDOW));
        }
        let (since, asked) = all.entry(client).or_insert((now, 0));
        // A clock that was set back must not shut a client out until it gets there again.
        if now >= since.plus(WINDOW) || now < *since {
            (*since, *asked) = (now, 0);
        }
        if *asked >= self.most {
            return Err(since.plus(WINDOW).since(now));
        }
        *asked = asked.saturating_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn a_client_asks_so_often_in_a_window_and_nobody_pays_for_another() {
        let rate = Rate::new(3);
        let [one, other] = [1, 2].map(|n| seal::SigningKey::from_seed(&[n; 32]).key_id());
        for second in [0, 10, 20] {
            assert_eq!(rate.ask(one, at(second)), Ok(()));
        }
        assert_eq!(rate.ask(one, at(21)), Err(Duration::from_secs(39)));
        assert_eq!(rate.ask(one, at(59)), Err(Duration::from_secs(1)), "refusals count nothing");
        assert_eq!(rate.ask(other, at(59)), Ok(()));
        assert_eq!(rate.ask(one, at(60)), Ok(()));
        for _ in 0..3 {
            assert_eq!(rate.ask(one, at(7)), Ok(()), "a clock that was set back");
        }
        assert!(rate.ask(one, at(8)).is_err());
    }

    #[test]
    fn windows_that_are_over_are_swept_and_a_live_one_is_kept() {
        let rate = Rate::new(1);
        let key = |n: u32| {
            let mut seed = [0; 32];
            seed[..4].copy_from_slice(&n.to_be_bytes());
            seal::SigningKey::from_seed(&seed).key_id()
        };
        for n in 0..1_024 {
            assert_eq!(rate.ask(key(n), at(u64::from(n / 512) * 30)), Ok(()));
        }
        assert_eq!(rate.ask(key(5_000), at(61)), Ok(()));
        assert_eq!(rate.of.lock().unwrap().len(), 513, "half were over");
        assert!(rate.ask(key(1_000), at(61)).is_err());
    }
}
