//! What waits, by client, and whose turn it is: before the writer, and before whoever answers
//! from files.
//!
//! Each client has a line of its own, and before the writer one more for what it only reads. Each
//! is bounded in requests and in items; a full one is told [`Answer::Busy`](super::Answer::Busy)
//! and takes no room from the others. They are served in turn, each with [`QUANTUM`] items a round
//! (deficit round robin): a request larger than that waits some rounds, in which everybody else is
//! served. Within a line the order is that of arrival.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Items of one client that are judged before the next client's turn: an eighth of the largest
/// request, some two milliseconds.
pub const QUANTUM: u64 = 1024;
/// Items of one client that may wait: 64 of the largest requests.
pub const CLIENT_ITEMS_MAX: u64 = 64 * 8190;

/// Whose line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// What this client wants done, in the order of its arrival.
    Does(u32),
    /// What this client only asks: a line of its own, so that neither another client's questions
    /// nor its own requests hold them up, nor they those.
    Asks(u32),
}

/// Lines of clients, served in turn.
pub struct Turns<T> {
    state: Mutex<State<T>>,
    /// Requests that may wait in all.
    most: usize,
}

struct State<T> {
    /// Kept when they are empty: clients are few and come again.
    lines: BTreeMap<Lane, Line<T>>,
    /// Those that are not empty, the next one first.
    ring: VecDeque<Lane>,
    waiting: usize,
    is_closed: bool,
}

struct Line<T> {
    waiting: VecDeque<(u64, T)>,
    /// Whether it gives nothing for now: see [`Turns::hold`].
    is_held: bool,
    items: u64,
    /// Items it may still have judged in this round.
    credit: u64,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), is_held: false, items: 0, credit: 0 }
    }
}

/// Why something does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The client's line, or all of them together, are full.
    Full,
    /// Nobody serves them any more.
    Closed,
}

impl<T> std::fmt::Debug for Turns<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

impl<T> Turns<T> {
    /// Lines in which `most` may wait in all.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let state =
            State { lines: BTreeMap::new(), ring: VecDeque::new(), waiting: 0, is_closed: false };
        Self { state: Mutex::new(state), most: most.max(1) }
    }

    /// Requests of one client that may wait: three quarters of all, so that one can never fill the
    /// whole queue.
    const fn client_most(&self) -> usize {
        self.most.saturating_sub(self.most / 4)
    }

    /// Requests that wait, in all lines.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Lets `work` wait in its line; gives it back when it cannot. `announce` tells
    /// who serves the lines, under the same lock.
    ///
    /// # Errors
    /// The work itself, and why it does not wait.
    pub fn push(
        &self,
        lane: Lane,
        items: u64,
        work: T,
        announce: impl FnOnce() -> Result<(), NoRoom>,
    ) -> Result<(), (NoRoom, T)> {
        let mut state = self.lock();
        if state.is_closed {
            return Err((NoRoom::Closed, work));
        }
        let is_full = state.waiting >= self.most;
        let line = state.lines.entry(lane).or_default();
        let has_room = line.waiting.len() < self.client_most()
            && (line.items == 0 || line.items.saturating_add(items) <= CLIENT_ITEMS_MAX);
        if is_full || !has_room {
            return Err((NoRoom::Full, work));
        }
        if let Err(why) = announce() {
            return Err((why, work));
        }
        let was_empty = line.waiting.is_empty() && !line.is_held;
        line.waiting.push_back((items, work));
        line.items = line.items.saturating_add(items);
        state.waiting = state.waiting.saturating_add(1);
        if was_empty {
            state.ring.push_back(lane);
        }
        Ok(())
    }

    /// What is to be done next.
    #[must_use]
    pub fn next(&self) -> Option<T> {
        self.next_of().map(|(_, work)| work)
    }

    /// Has a line give nothing until it is let go, so that its order stays while what it gave last
    /// waits for something. Others are served.
    pub fn hold(&self, lane: Lane) {
        let mut state = self.lock();
        state.lines.entry(lane).or_default().is_held = true;
        state.ring.retain(|other| *other != lane);
    }

    /// Lets a line go: what waits in it comes next.
    pub fn let_go(&self, lane: Lane) {
        let mut state = self.lock();
        let Some(line) = state.lines.get_mut(&lane).filter(|line| line.is_held) else { return };
        line.is_held = false;
        if !line.waiting.is_empty() {
            state.ring.push_front(lane);
        }
    }

    /// Lets all lines go.
    pub fn let_all_go(&self) {
        let held: Vec<Lane> = {
            let state = self.lock();
            state.lines.iter().filter(|(_, line)| line.is_held).map(|(lane, _)| *lane).collect()
        };
        held.into_iter().for_each(|lane| self.let_go(lane));
    }

    /// [`Turns::next`], and whose it is; `None` also when all that waits is in lines that are held.
    #[must_use]
    pub fn next_of(&self) -> Option<(Lane, T)> {
        let mut state = self.lock();
        loop {
            let State { lines, ring, waiting, .. } = &mut *state;
            let lane = *ring.front()?;
            let line = lines.get_mut(&lane)?;
            let items = line.waiting.front()?.0;
            if ring.len() > 1 && line.credit < items {
                line.credit = line.credit.saturating_add(QUANTUM);
                ring.rotate_left(1);
                continue;
            }
            let (items, work) = line.waiting.pop_front()?;
            line.credit = line.credit.saturating_sub(items);
            line.items = line.items.saturating_sub(items);
            *waiting = waiting.saturating_sub(1);
            if line.waiting.is_empty() {
                // Who did not wait saved nothing up.
                line.credit = 0;
                ring.pop_front();
            }
            return Some((lane, work));
        }
    }

    /// Drops all that waits: nobody will do it. Whoever asked learns by the drop that nobody knows.
    pub fn close(&self) {
        let lines = {
            let mut state = self.lock();
            state.is_closed = true;
            state.ring.clear();
            core::mem::take(&mut state.lines)
        };
        drop(lines);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing here panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(turns: &Turns<(u32, u64)>, client: u32, items: u64, n: u64) -> Result<(), NoRoom> {
        turns.push(Lane::Does(client), items, (client, n), || Ok(())).map_err(|(why, _)| why)
    }

    fn all(turns: &Turns<(u32, u64)>) -> Vec<(u32, u64)> {
        core::iter::from_fn(|| turns.next()).collect()
    }

    #[test]
    fn a_client_with_large_requests_does_not_hold_up_one_with_small_ones() {
        let turns = Turns::new(4096);
        for n in 0..60 {
            push(&turns, 1, 8190, n).unwrap();
        }
        for n in 0..600 {
            push(&turns, 2, 1, n).unwrap();
        }
        let order = all(&turns);
        let before = |client: u32, n: u64, other: u32| {
            let at = order.iter().position(|one| *one == (client, n)).unwrap();
            order[..at].iter().filter(|(client, _)| *client == other).count()
        };
        // The small ones are served within one round.
        assert!(before(2, 0, 1) <= 1, "{}", before(2, 0, 1));
        assert!(before(2, 599, 1) <= 1, "{}", before(2, 599, 1));
        // Each line keeps its order.
        for client in [1, 2] {
            let own: Vec<u64> =
                order.iter().filter(|(of, _)| *of == client).map(|(_, n)| *n).collect();
            assert!(own.is_sorted());
        }
    }

    #[test]
    fn questions_have_lines_of_their_own() {
        let turns = Turns::new(4096);
        let ask = |client: u32, n: u64| {
            turns.push(Lane::Asks(client), QUANTUM, (client, n), || Ok(())).unwrap();
        };
        (0..100).for_each(|n| ask(1, n));
        push(&turns, 1, 1, 500).unwrap();
        ask(2, 0);
        let order = all(&turns);
        let before = |one| order.iter().position(|other| *other == one).unwrap();
        assert!(before((1, 500)) <= 3 && before((2, 0)) <= 3, "{order:?}");
    }

    #[test]
    fn clients_that_always_have_work_are_served_as_many_items() {
        let turns = Turns::new(100_000);
        // As many items of each: requests of 8,190, of 91 and of one.
        for n in 0..10 {
            push(&turns, 1, 8190, n).unwrap();
        }
        for n in 0..900 {
            push(&turns, 2, 91, n).unwrap();
        }
        for n in 0..30_000 {
            push(&turns, 3, 1, n).unwrap();
        }
        let mut served = BTreeMap::new();
        for _ in 0..20_000 {
            let Some((client, _)) = turns.next() else { break };
            let items = match client {
                1 => 8190,
                2 => 91,
                _ => 1,
            };
            *served.entry(client).or_insert(0_u64) += items;
        }
        let most = served.values().max().unwrap();
        let least = served.values().min().unwrap();
        assert!(most - least <= 8190 + 2 * QUANTUM, "{served:?}");
    }

    #[test]
    fn a_full_line_is_busy_and_leaves_room_for_others() {
        let turns = Turns::new(8);
        for n in 0..6 {
            push(&turns, 1, 1, n).unwrap();
        }
        assert_eq!(push(&turns, 1, 1, 6), Err(NoRoom::Full));
        push(&turns, 2, 1, 0).unwrap();
        push(&turns, 2, 1, 1).unwrap();
        assert_eq!(push(&turns, 3, 1, 0), Err(NoRoom::Full));
        assert_eq!(turns.next(), Some((1, 0)));
        push(&turns, 3, 1, 0).unwrap();
        assert_eq!(all(&turns).len(), 8);
        // By items, too; one that is larger than the bound waits alone.
        push(&turns, 1, CLIENT_ITEMS_MAX, 0).unwrap();
        assert_eq!(push(&turns, 1, 1, 1), Err(NoRoom::Full));
        push(&turns, 2, 1, 0).unwrap();
    }

    #[test]
    fn a_line_that_is_held_gives_nothing_and_keeps_its_order() {
        let turns = Turns::new(16);
        for n in 0..3 {
            push(&turns, 1, 1, n).unwrap();
        }
        push(&turns, 2, 1, 0).unwrap();
        assert_eq!(turns.next_of(), Some((Lane::Does(1), (1, 0))));
        turns.hold(Lane::Does(1));
        assert_eq!(turns.next(), Some((2, 0)));
        assert_eq!(turns.next(), None, "what waits is held");
        push(&turns, 1, 1, 3).unwrap();
        push(&turns, 2, 1, 1).unwrap();
        assert_eq!(turns.next(), Some((2, 1)), "what came since is held, too");
        assert_eq!(turns.next(), None);
        assert_eq!(turns.waiting(), 3);
        turns.let_go(Lane::Does(1));
        turns.let_go(Lane::Does(1));
        assert_eq!(all(&turns), [(1, 1), (1, 2), (1, 3)]);
        // One that is empty when it is let go is served as ever.
        turns.hold(Lane::Does(1));
        turns.let_all_go();
        push(&turns, 1, 1, 4).unwrap();
        assert_eq!(all(&turns), [(1, 4)]);
    }

    #[test]
    fn what_was_not_announced_does_not_wait_and_a_closed_line_takes_nothing() {
        let turns = Turns::new(8);
        let refused = turns.push(Lane::Does(1), 1, (1, 1), || Err(NoRoom::Closed));
        assert_eq!(refused, Err((NoRoom::Closed, (1, 1))));
        assert_eq!(turns.next(), None);
        push(&turns, 1, 1, 1).unwrap();
        turns.close();
        assert_eq!(turns.next(), None);
        assert_eq!(push(&turns, 1, 1, 1), Err(NoRoom::Closed));
    }
}
