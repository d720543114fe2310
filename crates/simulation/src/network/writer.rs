//! A book that runs in a process: who waits for which answer, and the batch on its way.

use std::collections::BTreeMap;

use clearing::outside::{Input, Step, Transfer};
use clearing::route::Heard;
use journal::testkit::FixedSalts;
use journal::{Append, Batch, Book, End, Limits, Machine, OpenError, Sealer, Start, Ticket};
use record::{Commitment, Fact};
use terms::{Epoch, Instant, OutsideId, PaymentId, Position};

use super::Node;

/// Who waits.
#[derive(Clone, Debug)]
pub(crate) enum Waiter {
    /// A route of the core.
    Route(u64),
    /// The core, asked by a bank's own book: the call that it answers.
    Call(Node, u64),
    /// An edge that keeps a parcel.
    Parcel(Node, usize),
    /// A driver that looks a transfer up, and what it will put in.
    Look(OutsideId, Box<Input>),
    /// A driver whose step is recorded.
    Step(OutsideId, Box<Step>),
    /// A message of the rail that was heard.
    Heard,
    /// A person's act or a request: asked for again by who wants it.
    Request,
    /// A file, and how often it was asked about.
    File(usize, usize, FileStage),
    /// A person's act that stops payments.
    Act(usize),
    /// Payments said to be complete.
    Complete(Vec<PaymentId>),
    /// Nobody.
    Nobody,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileStage {
    /// It is judged.
    Judged,
    /// Its line is counted.
    Counted,
}

/// What a read saw.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// For a route.
    Heard(Heard),
    /// For a driver.
    Transfer(Option<Box<Transfer>>),
    /// For a probe: open holds, and payments not done here.
    Sides(Vec<PaymentId>, Vec<PaymentId>),
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Reply<O> {
    /// Done, durably, at this position.
    Done(O, Position),
    /// What was seen is durable.
    Saw(Seen),
    /// Nobody knows.
    Unknown,
}

/// One book, open.
pub(crate) struct Writer<M: Machine> {
    pub(crate) book: Book<M>,
    sealer: Sealer,
    waiting: BTreeMap<Ticket, (Waiter, Option<Seen>)>,
    /// The batch on its way, and its number: one that no other opening of a book gives.
    pub(crate) flight: Option<Batch>,
    pub(crate) flights: u64,
    /// Whether a turn is on its way.
    pub(crate) turn_due: bool,
}

impl<M: Machine<Fact = Fact, Rows = ()>> Writer<M> {
    pub(crate) fn of(mut book: Book<M>, flights: u64) -> Self {
        let sealer = book.take_sealer().expect("a fresh book has its sealer");
        Self { book, sealer, waiting: BTreeMap::new(), flight: None, flights, turn_due: false }
    }

    pub(crate) fn state(&self) -> &M {
        self.book.working()
    }

    /// Queues a command. `false`: surely not taken.
    pub(crate) fn submit(&mut self, now: Instant, command: &M::Command, waiter: Waiter) -> bool {
        match self.book.submit(now, &(), command, &FixedSalts) {
            Ok(ticket) => {
                self.waiting.insert(ticket, (waiter, None));
                true
            }
            Err(_) => false,
        }
    }

    /// Queues a read: what it sees now leaves when that is durable.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        waiter: Waiter,
        see: impl FnOnce(&M, Position) -> Seen,
    ) -> bool {
        let seen = see(self.book.working(), self.book.durable().next);
        match self.book.read(now) {
            Ok(ticket) => {
                self.waiting.insert(ticket, (waiter, Some(seen)));
                true
            }
            Err(_) => false,
        }
    }

    /// Seals what waits, when nothing is on its way.
    pub(crate) fn begin(&mut self) -> Option<(Position, Epoch, Batch, u64)> {
        if self.flight.is_some() {
            return None;
        }
        let closed = self.book.close()?;
        let batch = self.sealer.seal(closed, &FixedSalts).expect("a batch of the path seals");
        self.flight = Some(batch.clone());
        self.flights += 1;
        Some((batch.origin().first, self.book.epoch(), batch, self.flights))
    }

    /// How the append of the batch on its way ended; the commitments that became durable.
    pub(crate) fn ended(&mut self, how: &Append) -> Vec<Commitment> {
        let Some(batch) = self.flight.take() else { return Vec::new() };
        match how {
            Append::Appended => {
                self.book.landed(batch.digest());
                batch.entries().map(|stored| stored.commitment).collect()
            }
            Append::NotDone(_) | Append::Unknown(_) => {
                self.book.lost();
                Vec::new()
            }
        }
    }

    /// All answers that may leave.
    pub(crate) fn release(&mut self) -> Vec<(Waiter, Reply<M::Outcome>)> {
        let mut told = Vec::new();
        for release in self.book.release() {
            let Some((waiter, seen)) = self.waiting.remove(&release.ticket) else { continue };
            let reply = match (release.end, seen) {
                (End::Unknown, _) => Reply::Unknown,
                (End::Done { .. }, Some(seen)) => Reply::Saw(seen),
                (End::Done { outcome: Some(outcome), position, .. }, None) => {
                    Reply::Done(outcome, position)
                }
                (End::Done { outcome: None, .. }, None) => Reply::Unknown,
            };
            told.push((waiter, reply));
        }
        told
    }
}

/// Small batches, so that several are on their way in a world.
pub(crate) const LIMITS: Limits = Limits { batch_facts: 24, ..Limits::WIDEST };

/// From a state that was followed, or from the first fact where that is not of this journal.
pub(crate) fn begun<M: Machine>(
    opened: Result<Book<M>, OpenError>,
    again: impl FnOnce() -> Result<Book<M>, OpenError>,
) -> Result<Book<M>, OpenError> {
    match opened {
        Err(OpenError::ForeignState(_)) => again(),
        other => other,
    }
}

/// What a standby has followed, with the leaves of the log.
#[derive(Clone, Debug)]
pub(crate) struct Followed<M> {
    pub(crate) start: Start<M>,
    pub(crate) leaves: Vec<Commitment>,
}
