//! Following a book with a blocking client.

use std::time::{Duration, Instant};

use terms::Position;

use super::{CallOptions, Client, Completion, SubmitError, Ticket};
use crate::follow::{CREDIT_MAX, Credit, Facts, Follow};
use crate::frame::{Header, Kind};
use crate::request::RequestFlags;

/// A follow has no time of its own: it lasts until somebody ends it.
const NO_END: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a follow gave next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Facts, dense with those before.
    Facts(Facts),
    /// Nothing yet: all that is durable was given.
    Nothing,
    /// It ended. An answer holds the next position, as 8 bytes; anything else says why.
    Ended(Completion),
}

impl Client {
    /// Follows the book from a position on, with at most `credit` frames under way.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was sent.
    pub fn follow(&mut self, from: Position, credit: u32) -> Result<Ticket, SubmitError> {
        let follow = Follow { from, credit: credit.clamp(1, CREDIT_MAX) };
        let mut frame = self.link.buffer(0);
        frame.extend_from_slice(&follow.write());
        let options = CallOptions { flags: RequestFlags::NONE, within: NO_END };
        self.submit(Kind::Follow, frame, 0, options)
    }

    /// The next frame of facts, within some time. Taking one gives the server credit for another,
    /// so that who takes slowly is sent little.
    pub fn next_facts(&mut self, follow: Ticket, within: Duration) -> Followed {
        let until = Instant::now() + within;
        loop {
            let place = self.facts.iter().position(|(request, _)| *request == follow.0);
            if let Some((_, facts)) = place.and_then(|place| self.facts.remove(place)) {
                self.give(follow, 1);
                return Followed::Facts(facts);
            }
            if !self.underway.contains_key(&follow.0) || self.completed.contains_key(&follow.0) {
                return Followed::Ended(self.wait(follow));
            }
            if !self.progress(until) {
                return Followed::Nothing;
            }
        }
    }

    /// Ends a follow; facts under way still come, then its outcome.
    pub fn end_follow(&mut self, follow: Ticket) {
        self.give(follow, 0);
    }

    fn give(&mut self, follow: Ticket, frames: u32) {
        if self.broken.is_some() || !self.underway.contains_key(&follow.0) {
            return;
        }
        let mut frame = self.link.buffer(0);
        frame.extend_from_slice(&Credit { follow: follow.0, frames }.write());
        self.last_request += 1;
        let header = Header { request: self.last_request, ..Header::of(Kind::Credit) };
        self.link.send(header, frame);
        self.advance();
    }
}
