//! How many refusals one client may have recorded: each is a fact of the settlement book for ever.
//!
//! An order that is refused ends its payment, and the fact of it stays. Without a bound a client
//! whose orders are all refused would fill the book, and the receipts and checkpoints with it. What
//! is under way counts too, so that many at once pass no more than one after the other; what
//! settles, or was answered before, counts nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::{Caller, Role};
use seal::KeyId;
use terms::Instant;

/// The window over which refusals count.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Refusals of one wallet in a window, with its orders under way: ten a second, where a busy clerk
/// causes one an hour.
pub const OF_A_WALLET_MAX: u32 = 600;
/// Refusals of one instance of an edge in a window: of all its customers, two hundred a second.
pub const OF_AN_EDGE_MAX: u32 = 12_000;
/// Clients whose windows are kept before those that are over are looked for.
const CLIENTS_SWEPT_AT: usize = 1_024;

/// A client has too many refusals on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{most} refusals of yours are on record or under way within {} seconds", WINDOW.as_secs())]
pub struct TooManyRefusals {
    /// The most that it may have.
    pub most: u32,
}

#[derive(Clone, Copy, Debug)]
struct Spent {
    since: Instant,
    recorded: u32,
    under_way: u32,
}

/// The windows of all clients. In memory: a restart begins anew.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    of: Mutex<BTreeMap<KeyId, Spent>>,
    turned_away: AtomicU64,
}

/// Room for one refusal. Dropped, it is free again.
#[derive(Debug)]
pub struct Room {
    shared: Arc<Shared>,
    of: KeyId,
}

impl Refusals {
    /// Room for what may come to be a refusal of this client's.
    ///
    /// # Errors
    /// It has too many.
    pub fn room(&self, caller: &Caller, now: Instant) -> Result<Room, TooManyRefusals> {
        let most = if caller.role() == Role::Edge { OF_AN_EDGE_MAX } else { OF_A_WALLET_MAX };
        self.room_of(caller.key().key_id(), most, now)
    }

    fn room_of(&self, client: KeyId, most: u32, now: Instant) -> Result<Room, TooManyRefusals> {
        let mut all = self.0.of.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CLIENTS_SWEPT_AT {
            all.retain(|_, one| one.under_way > 0 || now < one.since.plus(WINDOW));
        }
        let fresh = Spent { since: now, recorded: 0, under_way: 0 };
        let one = all.entry(client).or_insert(fresh);
        if now >= one.since.plus(WINDOW) {
            *one = Spent { under_way: one.under_way, ..fresh };
        }
        if one.recorded.saturating_add(one.under_way) >= most {
            self.0.turned_away.fetch_add(1, Ordering::Relaxed);
            return Err(TooManyRefusals { most });
        }
        one.under_way = one.under_way.saturating_add(1);
        Ok(Room { shared: Arc::clone(&self.0), of: client })
    }

    /// How many requests were turned away since the start.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.0.turned_away.load(Ordering::Relaxed)
    }
}

impl Room {
    /// A refusal is on record.
    pub fn spend(self) {
        let mut all = self.shared.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = all.get_mut(&self.of) {
            one.recorded = one.recorded.saturating_add(1);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut all = self.shared.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = all.get_mut(&self.of) {
            one.under_way = one.under_way.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn a_client_has_its_refusals_in_a_window_and_no_other_pays_for_them() {
        let refusals = Refusals::default();
        let [one, other] = [1, 2].map(|n| seal::SigningKey::from_seed(&[n; 32]).key_id());
        let full = Err(TooManyRefusals { most: 3 });
        let asked = |of, second| refusals.room_of(of, 3, at(second)).map(|room| room.spend());
        for second in 0..3 {
            assert_eq!(asked(one, second), Ok(()));
        }
        assert_eq!(asked(one, 3), full);
        assert_eq!(asked(one, WINDOW.as_secs() - 1), full);
        assert_eq!(asked(other, 3), Ok(()), "another client");
        assert_eq!(asked(one, WINDOW.as_secs()), Ok(()), "the next window");
        assert_eq!(refusals.turned_away(), 2);
    }

    #[test]
    fn what_is_under_way_takes_room_and_gives_it_back_when_it_settles() {
        let refusals = Refusals::default();
        let one = seal::SigningKey::from_seed(&[1; 32]).key_id();
        let ask = || refusals.room_of(one, 2, at(0));
        let (first, second) = (ask().unwrap(), ask().unwrap());
        assert!(ask().is_err(), "two are under way");
        drop(first);
        second.spend();
        let third = ask().unwrap();
        assert!(ask().is_err(), "one is recorded, one is under way");
        drop(third);
        for _ in 0..10 {
            drop(ask().unwrap());
        }
    }
}
