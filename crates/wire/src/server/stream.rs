//! The server's end of a follow: frames of facts out, credit in.

use core::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Reply;
use crate::follow::{CREDIT_MAX, FactsWriter};
use crate::outcome::ReplyBody;

type Wake = Box<dyn Fn() + Send>;

/// What the connection's thread and who sends facts share.
#[derive(Default)]
pub(super) struct CreditLine {
    frames: AtomicU32,
    ended: AtomicBool,
    gone: AtomicBool,
    wake: Mutex<Option<Wake>>,
}

impl fmt::Debug for CreditLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CreditLine")
    }
}

impl CreditLine {
    pub(super) fn new(frames: u32) -> Self {
        Self { frames: AtomicU32::new(frames), ..Self::default() }
    }

    /// The client gives more frames, or with none ends the follow. Beyond [`CREDIT_MAX`] it gives
    /// nothing: what is under way stays bounded.
    pub(super) fn give(&self, frames: u32) {
        if frames == 0 {
            self.ended.store(true, Ordering::Release);
        }
        let more = |have: u32| Some(have.saturating_add(frames).min(CREDIT_MAX));
        let _ = self.frames.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        self.wake();
    }

    /// The connection is over.
    pub(super) fn close(&self) {
        self.gone.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }
}

/// What became of a frame of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is on its way.
    Sent,
    /// The client must give credit first.
    NoCredit,
    /// The client is gone, or wants no more.
    Ended,
}

/// A follow that is under way. Dropped without an outcome, it tells the client *unknown*.
#[derive(Debug)]
pub struct FactStream {
    reply: Reply,
    credit: Arc<CreditLine>,
}

impl FactStream {
    pub(super) const fn new(reply: Reply, credit: Arc<CreditLine>) -> Self {
        Self { reply, credit }
    }

    /// Has this called whenever credit came or the client ended: on the thread of the protocol,
    /// so it must not wait.
    pub fn on_credit(&self, wake: impl Fn() + Send + 'static) {
        let mut slot = self.credit.wake.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Box::new(wake));
    }

    /// Whether a frame may be sent now.
    #[must_use]
    pub fn has_credit(&self) -> bool {
        self.credit.frames.load(Ordering::Acquire) > 0
    }

    /// Whether the connection is over: nobody hears an outcome any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.credit.gone.load(Ordering::Acquire)
    }

    /// Whether the client wants no more: it waits for the outcome.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.credit.ended.load(Ordering::Acquire)
    }

    /// Sends a frame of facts, against credit.
    pub fn push(&self, facts: FactsWriter) -> Pushed {
        if self.is_gone() || self.is_ended() {
            return Pushed::Ended;
        }
        let one = |have: u32| have.checked_sub(1);
        if self.credit.frames.fetch_update(Ordering::AcqRel, Ordering::Acquire, one).is_err() {
            return Pushed::NoCredit;
        }
        self.reply.push(ReplyBody::facts(facts));
        Pushed::Sent
    }

    /// Ends it with an outcome.
    pub fn finish(self, body: ReplyBody) {
        self.reply.finish(body);
    }
}
