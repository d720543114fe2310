//! Replies: made by any thread, sent by the I/O thread, one wake for many.

use core::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::{Poll, Token, Waker};

use super::stream::{CreditLine, FactStream};
use crate::codes::UnknownCode;
use crate::frame::{Header, Integrity};
use crate::outcome::{ReplyBody, Unknown};

/// Names a connection for ever: a slot is used again, a serial number is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) slot: usize,
    pub(super) serial: u64,
}

/// A finished reply on its way to its connection.
pub(super) struct Posted {
    pub(super) to: Address,
    /// What it takes off what is in flight; `None` for a frame after which more will come.
    pub(super) weight: Option<u32>,
    /// The request that it answers.
    pub(super) request: u64,
    pub(super) frame: Vec<u8>,
}

/// Where finished replies wait for the I/O thread. Bounded by what all connections may have in
/// flight: a reply exists only for a request that was counted.
pub(super) struct Outbox {
    posted: Mutex<Vec<Posted>>,
    awake: AtomicBool,
    stopping: AtomicBool,
    waker: Waker,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox")
    }
}

impl Outbox {
    pub(super) fn new(poll: &Poll, token: Token) -> io::Result<Self> {
        Ok(Self {
            posted: Mutex::default(),
            awake: AtomicBool::new(true),
            stopping: AtomicBool::new(false),
            waker: Waker::new(poll.registry(), token)?,
        })
    }

    fn post(&self, posted: Posted) {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).push(posted);
        self.wake();
    }

    /// INVARIANT (NoLostWake): the I/O thread says that it sleeps *before* it looks for replies a
    /// last time, and a reply is posted *before* its maker looks whether it sleeps. Whichever
    /// comes second sees the other.
    fn wake(&self) {
        if !self.awake.swap(true, Ordering::SeqCst) {
            // It fails only when the system is out of memory; the next tick sees the reply.
            let _ = self.waker.wake();
        }
    }

    /// Called before the I/O thread may sleep; whether it must not.
    pub(super) fn going_to_sleep(&self) -> bool {
        self.awake.store(false, Ordering::SeqCst);
        !self.posted.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(super) fn awake(&self) {
        self.awake.store(true, Ordering::SeqCst);
    }

    /// Swaps the waiting replies with `empty`.
    pub(super) fn take(&self, empty: &mut Vec<Posted>) {
        core::mem::swap(&mut *self.posted.lock().unwrap_or_else(PoisonError::into_inner), empty);
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = self.waker.wake();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// The one outcome that is owed for a request. Dropped without one, it says *unknown*.
#[must_use = "dropped without an outcome, it tells the client `unknown`"]
pub struct Reply {
    outbox: Arc<Outbox>,
    to: Address,
    request: u64,
    items: u16,
    weight: u32,
    integrity: Integrity,
    /// Of a follow.
    credit: Option<Arc<CreditLine>>,
    owed: bool,
}

impl Reply {
    pub(super) fn new(
        outbox: Arc<Outbox>,
        to: Address,
        header: &Header,
        integrity: Integrity,
    ) -> Self {
        let (request, items, weight) = (header.request, header.items, header.weight());
        let credit = None;
        Self { outbox, to, request, items, weight, integrity, credit, owed: true }
    }

    pub(super) fn with_credit(mut self, credit: Arc<CreditLine>) -> Self {
        self.credit = Some(credit);
        self
    }

    /// Goes on as a stream of facts; only a follow can.
    ///
    /// # Errors
    /// Itself, when the request is no follow.
    pub fn stream(mut self) -> Result<FactStream, Self> {
        match self.credit.take() {
            Some(credit) => Ok(FactStream::new(self, credit)),
            None => Err(self),
        }
    }

    /// Sends a frame after which more will come.
    pub(super) fn push(&self, body: ReplyBody) {
        let (to, request) = (self.to, self.request);
        let frame = body.into_frame(request, self.integrity);
        self.outbox.post(Posted { to, weight: None, request, frame });
    }

    /// Sends the outcome. Results that are not one per item of the request are a bug of the
    /// service: the client is told *unknown*, which is true.
    pub fn finish(mut self, body: ReplyBody) {
        let body = match body.result_count() {
            Some(got) if got != self.items => {
                let text = format!("expected `{}` results, got `{got}`", self.items);
                ReplyBody::unknown(&Unknown::new(UnknownCode::Unanswered, text))
            }
            _ => body,
        };
        self.send(body);
    }

    fn send(&mut self, body: ReplyBody) {
        self.owed = false;
        let frame = body.into_frame(self.request, self.integrity);
        let (to, request) = (self.to, self.request);
        self.outbox.post(Posted { to, weight: Some(self.weight), request, frame });
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply to request {}", self.request)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.owed {
            self.send(ReplyBody::unknown(&Unknown::new(UnknownCode::Unanswered, "")));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::Events;

    use super::*;
    use crate::frame::Kind;

    fn reply(outbox: &Arc<Outbox>, request: u64) -> Reply {
        let header = Header { request, items: 0, ..Header::of(Kind::Query) };
        let to = Address { slot: 0, serial: 1 };
        Reply::new(Arc::clone(outbox), to, &header, Integrity::Checked)
    }

    #[test]
    fn many_replies_wake_a_sleeping_thread_once_and_a_busy_one_never() {
        let mut poll = Poll::new().unwrap();
        let outbox = Arc::new(Outbox::new(&poll, Token(1)).unwrap());
        let mut events = Events::with_capacity(8);
        let mut wakes = |poll: &mut Poll| {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            events.iter().count()
        };
        reply(&outbox, 1).finish(ReplyBody::answer(b"busy"));
        assert_eq!(wakes(&mut poll), 0);
        assert!(outbox.going_to_sleep(), "a reply waits: it must not sleep");
        let mut posted = Vec::new();
        outbox.take(&mut posted);
        assert!(!outbox.going_to_sleep());
        for request in 2..=50 {
            reply(&outbox, request).finish(ReplyBody::answer(b"asleep"));
        }
        assert_eq!(wakes(&mut poll), 1);
        outbox.awake();
        drop(reply(&outbox, 51));
        assert_eq!(wakes(&mut poll), 0);
        posted.clear();
        outbox.take(&mut posted);
        assert_eq!(posted.len(), 50, "one each, the dropped one among them");
    }
}
