//! How much of the interface one client may have at a time, so that there is some left for others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::problem::{BUSY, Problem};
use super::server::LIMITS;

/// Requests of one client that may be under way: a quarter of all connections, so that three other
/// clients that do the same still leave some.
pub const REQUESTS_OF_CLIENT: usize = LIMITS.connections / 4;
/// Streams of events and waits for a fact of one client, each of which holds a connection for as
/// long as it likes: as many programs as follow a book under one name, and one in 32 connections.
pub const FOLLOWS_OF_CLIENT: usize = LIMITS.connections / 32;
/// Those of all clients: half of the connections, however many clients follow.
pub const FOLLOWS_MAX: usize = LIMITS.connections / 2;

/// What each client of a book has; counted for all books of the process together.
#[derive(Debug, Default)]
pub(super) struct Shares {
    of: Arc<Mutex<Counts>>,
    /// Which of the books.
    book: usize,
}

/// A client of one of the books.
type Member = (usize, u32);

#[derive(Debug, Default)]
struct Counts {
    /// Only of clients that have something.
    clients: BTreeMap<Member, Count>,
    follows: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    requests: usize,
    follows: usize,
}

/// A request under way. Dropped, it is over.
#[derive(Debug)]
pub(super) struct Share {
    of: Arc<Mutex<Counts>>,
    client: Member,
}

/// A stream or a wait. Dropped, it is over.
#[derive(Debug)]
pub(super) struct FollowShare {
    of: Arc<Mutex<Counts>>,
    client: Member,
}

/// Where a request's share lies until its answer is made: among the extensions of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot(Arc<OnceLock<Share>>);

impl Slot {
    /// Keeps it.
    pub(super) fn keep(&self, share: Share) {
        // A request is asked once who it is of; a second share would be given up at once.
        let _ = self.0.set(share);
    }
}

fn counts(of: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    // Nothing here panics while it holds the lock.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn busy(what: &str, most: usize) -> Problem {
    Problem::of(&BUSY)
        .detail(format!("this client has as many {what} as it may"))
        .expected(format!("at most {most} at a time"))
        .mend("wait for one of them to end")
}

impl Shares {
    /// Those of another book of this process.
    pub(super) fn of_book(&self, book: usize) -> Self {
        Self { of: Arc::clone(&self.of), book }
    }

    /// Takes a request of this client.
    ///
    /// # Errors
    /// It has as many as it may.
    pub(super) fn request(&self, client: u32) -> Result<Share, Problem> {
        let mut counts = counts(&self.of);
        let count = counts.clients.entry((self.book, client)).or_default();
        if count.requests >= REQUESTS_OF_CLIENT {
            return Err(busy("requests under way", REQUESTS_OF_CLIENT));
        }
        count.requests = count.requests.saturating_add(1);
        Ok(Share { of: Arc::clone(&self.of), client: (self.book, client) })
    }

    /// Takes a stream or a wait of this client.
    ///
    /// # Errors
    /// It has as many as it may, or all of them together are too many.
    pub(super) fn follow(&self, client: u32) -> Result<FollowShare, Problem> {
        let mut counts = counts(&self.of);
        if counts.follows >= FOLLOWS_MAX {
            let detail = format!("`{FOLLOWS_MAX}` streams and waits of all clients are open");
            return Err(Problem::not_done(detail));
        }
        let count = counts.clients.entry((self.book, client)).or_default();
        if count.follows >= FOLLOWS_OF_CLIENT {
            return Err(busy("streams and waits", FOLLOWS_OF_CLIENT));
        }
        count.follows = count.follows.saturating_add(1);
        counts.follows = counts.follows.saturating_add(1);
        Ok(FollowShare { of: Arc::clone(&self.of), client: (self.book, client) })
    }
}

impl Counts {
    fn change(&mut self, client: Member, change: impl FnOnce(&mut Count)) {
        let Some(count) = self.clients.get_mut(&client) else { return };
        change(count);
        if count.requests == 0 && count.follows == 0 {
            self.clients.remove(&client);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let less = |count: &mut Count| count.requests = count.requests.saturating_sub(1);
        counts(&self.of).change(self.client, less);
    }
}

impl Drop for FollowShare {
    fn drop(&mut self) {
        let mut counts = counts(&self.of);
        counts.follows = counts.follows.saturating_sub(1);
        counts.change(self.client, |count| count.follows = count.follows.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_its_share_and_no_more() {
        let shares = Shares::default();
        let held: Vec<Share> =
            (0..REQUESTS_OF_CLIENT).map(|_| shares.request(1).unwrap()).collect();
        assert!(shares.request(1).is_err());
        drop(shares.request(2).unwrap());
        drop(held);
        drop(shares.request(1).unwrap());
        assert!(counts(&shares.of).clients.is_empty(), "nothing is kept of who has nothing");
    }

    #[test]
    fn all_follows_together_leave_half_of_the_connections() {
        let shares = Shares::default();
        let mut held = Vec::new();
        for client in 1.. {
            let of_client: Vec<_> = core::iter::from_fn(|| shares.follow(client).ok()).collect();
            if of_client.is_empty() {
                break;
            }
            assert!(of_client.len() <= FOLLOWS_OF_CLIENT);
            held.extend(of_client);
        }
        assert_eq!(held.len(), FOLLOWS_MAX);
        held.pop();
        assert!(shares.follow(9_999).is_ok());
    }
}
