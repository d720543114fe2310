//! Places of connections: who holds one without a request under way gives it up when none is left.
//!
//! A place costs a stranger nothing but a connection, so a bound on them alone lets one who opens
//! many and says nothing keep out everybody else. When all are taken, the connection that has had
//! no request under way for the longest is closed, once it had [`IDLE_LEAST`] to say something:
//! whoever connects waits for a place about so long, and never for as long as others care to stay.
//! What is under way is not touched; how much of it one client may have is for the `answer` to say.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long a connection may be without a request though others wait for its place: enough for a
/// head over a slow line, and little for whoever waits.
pub const IDLE_LEAST: Duration = Duration::from_secs(1);

/// All places of a server.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Idle>>,
}

/// Connections without a request under way, by when that began.
#[derive(Debug, Default)]
struct Idle {
    next: u64,
    since: BTreeMap<u64, (Instant, Arc<Notify>)>,
}

/// The place of one connection. Dropped, it is free.
#[derive(Debug)]
pub(crate) struct Place {
    seat: Arc<Seat>,
    _permit: OwnedSemaphorePermit,
}

/// What a connection and its requests share.
#[derive(Debug)]
pub(crate) struct Seat {
    idle: Arc<Mutex<Idle>>,
    state: Mutex<SeatState>,
    leave: Arc<Notify>,
}

#[derive(Debug, Default)]
struct SeatState {
    under_way: u32,
    /// Among those that are idle.
    number: Option<u64>,
    /// The connection is over, though its requests may still be dropped.
    gone: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics while it holds a lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), idle: Arc::default() }
    }

    /// Waits for a place, and has the longest idle connection give its own up.
    pub(crate) async fn take(&self) -> Option<Place> {
        let mut waiting = core::pin::pin!(Arc::clone(&self.free).acquire_owned());
        loop {
            // Polled first: while there are free places, nobody is asked to leave.
            let pause = tokio::time::sleep(self.until_next());
            tokio::select! {
                biased;
                permit = &mut waiting => return Some(Place::new(&self.idle, permit.ok()?)),
                () = pause => self.free_longest(),
            }
        }
    }

    /// How long until somebody has been idle for so long that the place is given to another.
    fn until_next(&self) -> Duration {
        let idle = lock(&self.idle);
        let first = idle.since.first_key_value().map(|(_, (since, _))| since.elapsed());
        IDLE_LEAST.saturating_sub(first.unwrap_or_default()).max(LOOK_LEAST)
    }

    fn free_longest(&self) {
        let mut idle = lock(&self.idle);
        if let Some(first) = idle.since.first_entry()
            && first.get().0.elapsed() >= IDLE_LEAST
        {
            first.remove().1.notify_one();
        }
    }
}

/// How often it is looked for one to close at most, while none is free.
const LOOK_LEAST: Duration = Duration::from_millis(1);

impl Place {
    fn new(idle: &Arc<Mutex<Idle>>, permit: OwnedSemaphorePermit) -> Self {
        let seat = Arc::new(Seat {
            idle: Arc::clone(idle),
            state: Mutex::default(),
            leave: Arc::default(),
        });
        seat.rest(&mut lock(&seat.state));
        Self { seat, _permit: permit }
    }

    pub(crate) const fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Ends when the place is wanted for another.
    pub(crate) async fn wanted(&self) {
        self.seat.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.seat.state);
        state.gone = true;
        self.seat.busy(&mut state);
    }
}

impl Seat {
    fn rest(&self, state: &mut SeatState) {
        let mut idle = lock(&self.idle);
        let number = idle.next;
        idle.next = number.wrapping_add(1);
        idle.since.insert(number, (Instant::now(), Arc::clone(&self.leave)));
        state.number = Some(number);
    }

    fn busy(&self, state: &mut SeatState) {
        if let Some(number) = state.number.take() {
            lock(&self.idle).since.remove(&number);
        }
    }

    /// A request is under way until what it gives back is dropped: its answer was written.
    pub(crate) fn under_way(self: &Arc<Self>) -> UnderWay {
        self.begun();
        UnderWay(Arc::clone(self))
    }

    fn begun(&self) {
        let mut state = lock(&self.state);
        state.under_way = state.under_way.saturating_add(1);
        self.busy(&mut state);
    }

    fn ended(&self) {
        let mut state = lock(&self.state);
        state.under_way = state.under_way.saturating_sub(1);
        if state.under_way == 0 && state.number.is_none() && !state.gone {
            self.rest(&mut state);
        }
    }
}

/// The connection that a request came on: among the extensions of each.
#[derive(Clone, Debug)]
pub struct Connection(pub(crate) Arc<Seat>);

impl Connection {
    /// While what this gives back is held, a request is only arriving: its place may be given to
    /// another, as that of a connection that says nothing.
    #[must_use]
    pub fn arriving(&self) -> Arriving {
        self.0.ended();
        Arriving(Arc::clone(&self.0))
    }
}

/// A request whose body is still on its way.
#[derive(Debug)]
pub struct Arriving(Arc<Seat>);

impl Drop for Arriving {
    fn drop(&mut self) {
        self.0.begun();
    }
}

/// A request that is answered.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Seat>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// An answer's body, which ends what is under way when it was written or is given up.
pub(crate) struct Answered<B> {
    body: Pin<Box<B>>,
    _under_way: UnderWay,
}

impl<B> Answered<B> {
    pub(crate) fn new(body: B, under_way: UnderWay) -> Self {
        Self { body: Box::pin(body), _under_way: under_way }
    }
}

impl<B: Body> Body for Answered<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
