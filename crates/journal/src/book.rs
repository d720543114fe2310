//! The batching single-writer loop, without thread, clock or I/O.
//!
//! One *working* state = fold(durable facts + batches in flight + the open batch). Commands are
//! checked and applied there at once, in order; nothing computed from it is released before the
//! position it depends on is durable.
//!
//! The caller's turn: [`Book::submit`] or [`Book::decide`] until the queue is empty or the batch
//! is full, [`Book::close`], append to the journal, [`Book::landed`] or [`Book::lost`],
//! [`Book::release`]. [`Book::write_out`] does one such turn over a synchronous [`Journal`].
//! Committing, chaining and digesting are the [`Sealer`]'s: it may live on another thread, so that
//! the next batch is judged while this one is hashed and written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use record::SaltSlot;
use seal::Digest;
use terms::{BookName, Epoch, Instant, Position, RunId};

use crate::batch::{
    BATCH_BYTES_MAX, BATCH_FACTS_MAX, Batch, BatchError, Draft, Origin, Recorded, SealError,
};
use crate::commit::Committer;
use crate::machine::{Machine, Salts};
use crate::port::{Append, ClaimError, Journal, NotDone, ReadError, Tip};

/// Most sealed batches that may be in flight: one being written, one waiting behind it. More
/// would only lengthen what is answered *unknown* after a fault.
pub const IN_FLIGHT_MAX: usize = 2;
/// Batches read at once while refolding: at most 16 MiB.
pub const REFOLD_BATCHES: usize = 16;
/// Most answers that may wait for durability: bounds memory while a disk stalls.
pub const PENDING_MAX: usize = 65_536;

/// How large a batch may grow. Both are capped by the format's own limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most facts of one batch.
    pub batch_facts: usize,
    /// Most stored bytes of one batch.
    pub batch_bytes: usize,
}

impl Limits {
    /// The format's own limits.
    pub const WIDEST: Self = Self { batch_facts: BATCH_FACTS_MAX, batch_bytes: BATCH_BYTES_MAX };
}

/// A state and the end of the prefix it is the fold of.
#[derive(Clone, Debug)]
pub struct Start<M> {
    /// The state.
    pub state: M,
    /// Where the prefix ends.
    pub tip: Tip,
}

impl<M> Start<M> {
    /// The state before the first fact.
    pub const fn genesis(state: M) -> Self {
        Self { state, tip: Tip::GENESIS }
    }
}

impl<M: Machine> Start<M> {
    /// Goes on by the batch that comes next: for whoever follows a journal that another writes.
    ///
    /// # Errors
    /// [`OpenError::ForeignState`]: the batch does not follow. [`OpenError::ForeignFact`]: the
    /// state holds a part of the batch and is no fold of anything any more.
    pub fn follow(&mut self, book: &BookName, batch: &Batch) -> Result<(), OpenError> {
        let here = self.tip;
        batch.follows(&here, book).map_err(|_| OpenError::ForeignState(here.next))?;
        apply_all(&mut self.state, batch).map_err(OpenError::ForeignFact)?;
        self.tip = batch.tip();
        Ok(())
    }
}

/// Names a submitted command until its answer is released. Dense from 0 per opened book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// An answer that may leave the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release<O> {
    /// Whose.
    pub ticket: Ticket,
    /// What it says.
    pub end: End<O>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End<O> {
    /// Answered, from durable facts only.
    Done {
        /// The answer; `None` for [`Book::read`].
        outcome: Option<O>,
        /// Position of its first fact; of the next fact when it journalled none.
        position: Position,
        /// The instant it was judged at.
        stamp: Instant,
    },
    /// May have happened: ask by id.
    Unknown,
}

/// Why a command was not taken. It had no effect at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The open batch has no room: seal it and submit again.
    #[error("the open batch is full")]
    BatchFull,
    /// The command's facts would not fit an empty batch.
    #[error("the command makes more facts than a batch takes")]
    TooLarge,
    /// Too many answers wait.
    #[error("too many answers wait for durability")]
    Busy,
    /// A fact names a salt slot that holds no key.
    #[error("salt slot `{}` holds no key", .0.0)]
    NoSaltKey(SaltSlot),
    /// An append failed: open the book again.
    #[error("the book is stopped and must be opened again")]
    Stopped,
}

/// Why a book could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No epoch.
    #[error("no epoch could be claimed: {0}")]
    Claim(#[from] ClaimError),
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The state given does not belong to this journal.
    #[error("the state at position `{0}` is not of this journal")]
    ForeignState(Position),
    /// A sound batch holds a fact that this machine does not know.
    #[error("a fact cannot be read by this version: {0}")]
    ForeignFact(BatchError),
}

/// A journal that was claimed for one run, and its end then.
#[derive(Clone, Copy, Debug)]
pub struct Claimed {
    epoch: Epoch,
    run: RunId,
    head: Tip,
}

impl Claimed {
    /// Claims the journal: nobody else appends from now on.
    ///
    /// # Errors
    /// [`OpenError::Claim`] or [`OpenError::Read`].
    pub fn of<J: Journal + ?Sized>(run: RunId, journal: &mut J) -> Result<Self, OpenError> {
        let epoch = journal.claim_epoch(run)?;
        Ok(Self { epoch, run, head: journal.head()? })
    }

    /// The journal's end.
    #[must_use]
    pub const fn head(&self) -> Tip {
        self.head
    }
}

/// What opening did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refolded {
    /// Batches applied.
    pub batches: u64,
    /// Facts applied.
    pub facts: u64,
    /// The durable end.
    pub tip: Tip,
    /// The epoch claimed.
    pub epoch: Epoch,
}

/// One writer's view of one book.
#[derive(Debug)]
pub struct Book<M: Machine> {
    epoch: Epoch,
    limits: Limits,
    /// INVARIANT (WorkingIsFold): the fold of everything durable, in flight and open, in order.
    working: M,
    /// End of what is durable.
    durable: Tip,
    /// Where what is closed ends.
    closed: Closed,
    /// Where the working state ends: what is closed and what is open.
    closed_and_open: Position,
    /// No later judgement is made at an earlier instant.
    judged: Instant,
    open: OpenBatch,
    /// Facts of the last command: a place that is used again and again.
    decided: Vec<M::Fact>,
    /// How large the last batch grew: room for the next.
    last_bytes: usize,
    last_facts: usize,
    in_flight: VecDeque<Flight>,
    pending: VecDeque<Pending<M::Outcome>>,
    tickets: u64,
    /// `None` once it was taken to another thread.
    sealer: Option<Sealer>,
    keeps_unwritten: bool,
    stopped: bool,
}

#[derive(Clone, Copy, Debug)]
struct Closed {
    next: Position,
    stamp: Instant,
}

#[derive(Debug)]
struct OpenBatch {
    stamp: Instant,
    draft: Draft,
}

/// A batch on its way to the journal.
#[derive(Debug)]
struct Flight {
    first: Position,
    next: Position,
    stamp: Instant,
    /// Its facts, when they must stay readable ([`Book::keep_unwritten`]).
    kept: Option<Draft>,
}

#[derive(Debug)]
struct Pending<O> {
    ticket: Ticket,
    /// Released when this many facts are durable.
    needs: Position,
    position: Position,
    stamp: Instant,
    outcome: Option<O>,
}

/// What [`Book::decide`] came to; its facts are [`Book::decided`]. Nothing of it may leave before
/// `needs` is durable.
#[derive(Debug)]
pub struct Decided<O> {
    /// The answer.
    pub outcome: O,
    /// Position of its first fact; of the next fact when it journalled none.
    pub position: Position,
    /// The answer may leave when this many facts are durable.
    pub needs: Position,
    /// The instant it was judged at.
    pub stamp: Instant,
}

/// A batch whose facts are decided and encoded, before commitments, chain and digest.
#[derive(Debug)]
pub struct ClosedBatch {
    first: Position,
    stamp: Instant,
    draft: Draft,
}

impl ClosedBatch {
    /// How many facts it has.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.draft.count()
    }
}

/// Makes batches of closed ones, each chained to the one before.
#[derive(Clone, Debug)]
pub struct Sealer {
    book: BookName,
    epoch: Epoch,
    run: RunId,
    previous: Digest,
}

impl Sealer {
    /// The sealed batch.
    ///
    /// # Errors
    /// [`SealError`]: the book must be stopped, its working state holds what cannot be journalled.
    pub fn seal<S: Salts + ?Sized>(
        &mut self,
        closed: ClosedBatch,
        salts: &S,
    ) -> Result<Batch, SealError> {
        let origin = Origin {
            book: self.book,
            first: closed.first,
            epoch: self.epoch,
            run: self.run,
            previous: self.previous,
            stamp: closed.stamp,
        };
        let mut left = closed.draft.count();
        let mut committer = Committer::new(salts);
        let batch = closed.draft.seal(origin, |fact| {
            left = left.saturating_sub(1);
            committer.commit(fact, left)
        })?;
        self.previous = batch.digest();
        Ok(batch)
    }

    /// The epoch it seals for.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }
}

impl<M: Machine> Book<M> {
    /// Claims an epoch, finds the head and folds from `start` to it.
    ///
    /// The one way to begin and the one way to recover: after [`Book::lost`] the book is dropped
    /// and opened again.
    ///
    /// # Errors
    /// [`OpenError`]; with [`OpenError::ForeignState`], start from genesis instead.
    pub fn open<J: Journal + ?Sized>(
        name: BookName,
        limits: Limits,
        run: RunId,
        start: Start<M>,
        journal: &mut J,
    ) -> Result<(Self, Refolded), OpenError> {
        let claimed = Claimed::of(run, journal)?;
        Self::fold(name, limits, claimed, start, journal, drop)
    }

    /// [`Book::open`] after its epoch was claimed. `tell` is given every batch that was applied.
    ///
    /// # Errors
    /// As [`Book::open`].
    pub fn fold<J: Journal + ?Sized>(
        name: BookName,
        limits: Limits,
        claimed: Claimed,
        start: Start<M>,
        journal: &J,
        mut tell: impl FnMut(Batch),
    ) -> Result<(Self, Refolded), OpenError> {
        let Claimed { epoch, run, head } = claimed;
        let Start { state: mut working, mut tip } = start;
        let (from, mut batches) = (tip, 0_u64);
        while tip.next < head.next {
            let read = journal.read_from(tip.next, REFOLD_BATCHES)?;
            if read.is_empty() {
                return Err(OpenError::ForeignState(tip.next));
            }
            for batch in read {
                batch.follows(&tip, &name).map_err(|_| OpenError::ForeignState(tip.next))?;
                apply_all(&mut working, &batch).map_err(OpenError::ForeignFact)?;
                tip = batch.tip();
                batches = batches.saturating_add(1);
                tell(batch);
            }
        }
        if tip != head {
            return Err(OpenError::ForeignState(from.next));
        }
        let facts = tip.next.number().saturating_sub(from.next.number());
        let sealer = Sealer { book: name, epoch, run, previous: tip.digest };
        let book = Self {
            epoch,
            limits,
            working,
            durable: tip,
            closed: Closed { next: tip.next, stamp: tip.stamp },
            closed_and_open: tip.next,
            judged: tip.stamp,
            open: OpenBatch { stamp: Instant::EPOCH, draft: Draft::new() },
            decided: Vec::new(),
            last_bytes: 0,
            last_facts: 0,
            in_flight: VecDeque::new(),
            pending: VecDeque::new(),
            tickets: 0,
            sealer: Some(sealer),
            keeps_unwritten: false,
            stopped: false,
        };
        Ok((book, Refolded { batches, facts, tip, epoch }))
    }

    /// Checks a command on the working state at once, applies its facts there, and keeps its
    /// answer until it may leave.
    ///
    /// The stamp is the open batch's; the first command that makes a fact fixes it at the later
    /// of `now` and one nanosecond after the batch before.
    ///
    /// # Errors
    /// [`SubmitError`]: the command had no effect.
    pub fn submit<S: Salts + ?Sized>(
        &mut self,
        now: Instant,
        rows: &M::Rows,
        command: &M::Command,
        salts: &S,
    ) -> Result<Ticket, SubmitError> {
        self.may_take()?;
        let Decided { outcome, position, stamp, .. } = self.decide(now, rows, command, salts)?;
        Ok(self.wait(position, stamp, Some(outcome)))
    }

    /// [`Book::submit`] for a caller that keeps the answer itself: many commands of one request.
    /// It must hold the answer back until `needs` is durable, which a ticket of [`Book::read`]
    /// taken afterwards tells.
    ///
    /// # Errors
    /// [`SubmitError`]: the command had no effect.
    pub fn decide<S: Salts + ?Sized>(
        &mut self,
        now: Instant,
        rows: &M::Rows,
        command: &M::Command,
        salts: &S,
    ) -> Result<Decided<M::Outcome>, SubmitError> {
        self.decided.clear();
        if self.stopped {
            return Err(SubmitError::Stopped);
        }
        let stamp = self.stamp(now);
        let outcome = self.working.check_into(rows, stamp, command, &mut self.decided);
        if let Err(error) = self.draft(salts) {
            self.decided.clear();
            return Err(error);
        }
        self.judged = stamp;
        let position = self.working_next();
        if !self.decided.is_empty() {
            self.open.stamp = stamp;
        }
        for (at, fact) in (position.number()..).map(Position::new).zip(&self.decided) {
            self.working.apply(at, stamp, fact);
        }
        let grown = u64::try_from(self.decided.len()).unwrap_or(u64::MAX);
        let needs = Position::new(position.number().saturating_add(grown));
        self.closed_and_open = needs;
        Ok(Decided { outcome, position, needs, stamp })
    }

    /// The facts of the last command that was decided, from its position on; none when it was not
    /// taken.
    #[must_use]
    pub fn decided(&self) -> &[M::Fact] {
        &self.decided
    }

    /// A ticket for an answer that the caller computed from [`Book::working`]: a linearizable
    /// read. The answer must not leave before the ticket is released.
    ///
    /// # Errors
    /// [`SubmitError::Stopped`] or [`SubmitError::Busy`].
    pub fn read(&mut self, now: Instant) -> Result<Ticket, SubmitError> {
        self.may_take()?;
        let stamp = self.stamp(now);
        self.judged = stamp;
        Ok(self.wait(self.working_next(), stamp, None))
    }

    /// Keeps the answer of [`Book::decide`] until it may leave.
    ///
    /// # Errors
    /// [`SubmitError::Stopped`]. Never [`SubmitError::Busy`] when [`Book::has_room`] was asked
    /// before the command was decided.
    pub fn keep(
        &mut self,
        position: Position,
        stamp: Instant,
        outcome: M::Outcome,
    ) -> Result<Ticket, SubmitError> {
        self.may_take()?;
        Ok(self.wait(position, stamp, Some(outcome)))
    }

    /// Whether one more answer may wait.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.pending.len() < PENDING_MAX
    }

    /// Closes the open batch for a [`Sealer`]. `None` when it is empty or two are in flight
    /// already.
    pub fn close(&mut self) -> Option<ClosedBatch> {
        if self.open.draft.is_empty() || self.in_flight.len() >= IN_FLIGHT_MAX || self.stopped {
            return None;
        }
        (self.last_bytes, self.last_facts) =
            (self.open.draft.stored_bytes(), self.open.draft.count());
        let next = Draft::with_room(self.last_bytes, self.last_facts);
        let draft = core::mem::replace(&mut self.open.draft, next);
        let (first, stamp) = (self.closed.next, self.open.stamp);
        self.closed = Closed { next: self.closed_and_open, stamp };
        let kept = self.keeps_unwritten.then(|| draft.clone());
        self.in_flight.push_back(Flight { first, next: self.closed.next, stamp, kept });
        Some(ClosedBatch { first, stamp, draft })
    }

    /// From now on facts stay readable while they are in flight, for one copy of each batch.
    pub const fn keep_unwritten(&mut self) {
        self.keeps_unwritten = true;
    }

    /// The stamp and canonical bytes of a fact that is decided and not yet known to be durable.
    /// `None` for any other position, and in flight without [`Book::keep_unwritten`].
    #[must_use]
    pub fn unwritten(&self, position: Position) -> Option<(Instant, &[u8])> {
        let offset =
            |first: Position| usize::try_from(position.number().checked_sub(first.number())?).ok();
        if position >= self.closed.next {
            let bytes = self.open.draft.fact_bytes(offset(self.closed.next)?)?;
            return Some((self.open.stamp, bytes));
        }
        let flight = self.in_flight.iter().find(|f| f.first <= position && position < f.next)?;
        Some((flight.stamp, flight.kept.as_ref()?.fact_bytes(offset(flight.first)?)?))
    }

    /// How many batches are on their way to the journal.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether a fact waits in the open batch.
    #[must_use]
    pub const fn has_open(&self) -> bool {
        !self.open.draft.is_empty()
    }

    /// End of what is closed: the working state is the fold of exactly this much when nothing is
    /// open.
    #[must_use]
    pub const fn closed_next(&self) -> Position {
        self.closed.next
    }

    /// Lets the machine take its image step by step. The closure must not change what the state
    /// says: only how much of it was saved.
    pub fn image<R>(&mut self, step: impl FnOnce(&mut M) -> R) -> R {
        step(&mut self.working)
    }

    /// Takes the sealer, to seal on another thread. Once.
    pub const fn take_sealer(&mut self) -> Option<Sealer> {
        self.sealer.take()
    }

    /// The oldest batch in flight is durable; `digest` is its own.
    pub fn landed(&mut self, digest: Digest) {
        if let Some(flight) = self.in_flight.pop_front() {
            self.durable = Tip { next: flight.next, digest, stamp: flight.stamp };
        }
    }

    /// An append ended as [`Append::NotDone`] or [`Append::Unknown`]: everything that waits is
    /// answered *unknown* and the book takes nothing more. Its working state holds facts that may
    /// never be durable, so it cannot be repaired, only opened again.
    pub fn lost(&mut self) {
        self.stopped = true;
        self.in_flight.clear();
        self.open.draft = Draft::new();
    }

    /// All answers that may leave now, in the order of submission.
    pub fn release(&mut self) -> Vec<Release<M::Outcome>> {
        let durable = self.durable.next;
        let mut released = Vec::new();
        // INVARIANT (DurableFirst): an answer leaves as done only when all that it was computed
        // from is durable. The simulation's canary breaks exactly this line's condition.
        while let Some(first) = self.pending.pop_front_if(|p| p.needs <= durable) {
            let end =
                End::Done { outcome: first.outcome, position: first.position, stamp: first.stamp };
            released.push(Release { ticket: first.ticket, end });
        }
        if self.stopped {
            let unknown = |p: Pending<_>| Release { ticket: p.ticket, end: End::Unknown };
            released.extend(self.pending.drain(..).map(unknown));
        }
        released
    }

    /// One turn over a synchronous journal: closes, seals, appends and takes note. Returns the
    /// batch that became durable, if one did, and how the append ended if it failed.
    ///
    /// # Errors
    /// The [`Append`] that was not [`Append::Appended`]; the book is stopped.
    pub fn write_out<J: Journal + ?Sized, S: Salts + ?Sized>(
        &mut self,
        journal: &mut J,
        salts: &S,
    ) -> Result<Option<Arc<Batch>>, Append> {
        let Some(mut sealer) = self.sealer.take() else { return Ok(None) };
        let Some(closed) = self.close() else {
            self.sealer = Some(sealer);
            return Ok(None);
        };
        let sealed = sealer.seal(closed, salts);
        self.sealer = Some(sealer);
        // The commit point. Stopped before: the batch never was, its callers are answered
        // unknown or not at all and ask by id. Stopped after: refolding finds it.
        let ended = match &sealed {
            Ok(batch) => journal.append(self.durable.next, self.epoch, batch),
            Err(error) => Append::NotDone(NotDone::Failed(error.to_string())),
        };
        match (ended, sealed) {
            (Append::Appended, Ok(batch)) => {
                self.landed(batch.digest());
                Ok(Some(Arc::new(batch)))
            }
            (failed, _) => {
                self.lost();
                Err(failed)
            }
        }
    }

    /// The working state: includes what is not durable. Nothing computed from it may leave
    /// before a ticket of [`Book::read`] taken at the same time is released.
    #[must_use]
    pub const fn working(&self) -> &M {
        &self.working
    }

    /// The state when it is durable as a whole: nothing open, nothing in flight, not stopped.
    #[must_use]
    pub fn settled_state(&self) -> Option<(&M, Tip)> {
        let settled = self.in_flight.is_empty() && self.open.draft.is_empty() && !self.stopped;
        settled.then_some((&self.working, self.durable))
    }

    /// End of what is durable.
    #[must_use]
    pub const fn durable(&self) -> Tip {
        self.durable
    }

    /// The claimed epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether the book must be opened again.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether facts wait to be sealed or written.
    #[must_use]
    pub fn has_unwritten(&self) -> bool {
        !self.open.draft.is_empty() || !self.in_flight.is_empty()
    }

    fn may_take(&self) -> Result<(), SubmitError> {
        if self.stopped {
            return Err(SubmitError::Stopped);
        }
        if self.pending.len() >= PENDING_MAX { Err(SubmitError::Busy) } else { Ok(()) }
    }

    /// Encodes the decided facts into the open batch, or leaves it as it was.
    fn draft<S: Salts + ?Sized>(&mut self, salts: &S) -> Result<(), SubmitError> {
        let before = self.open.draft.count();
        for fact in &self.decided {
            let slot = fact.salt_slot();
            if self.open.draft.last_slot() != Some(slot) && !salts.holds(slot) {
                self.open.draft.truncate(before);
                return Err(SubmitError::NoSaltKey(slot));
            }
            self.open.draft.push(fact);
            if let Err(full) = within_limits(&self.limits, &self.open.draft, before) {
                self.open.draft.truncate(before);
                return Err(full);
            }
        }
        Ok(())
    }

    fn stamp(&self, now: Instant) -> Instant {
        if self.open.draft.is_empty() {
            let after = self.closed.stamp.plus(Duration::from_nanos(1));
            return after.max(now).max(self.judged);
        }
        self.open.stamp
    }

    const fn working_next(&self) -> Position {
        self.closed_and_open
    }

    fn wait(&mut self, position: Position, stamp: Instant, outcome: Option<M::Outcome>) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets = self.tickets.saturating_add(1);
        let needs = self.working_next();
        self.pending.push_back(Pending { ticket, needs, position, stamp, outcome });
        ticket
    }
}

/// `before` facts were there before the command whose facts come now.
fn within_limits(limits: &Limits, draft: &Draft, before: usize) -> Result<(), SubmitError> {
    let most_facts = limits.batch_facts.min(BATCH_FACTS_MAX);
    let most_bytes = limits.batch_bytes.min(BATCH_BYTES_MAX);
    if draft.count() <= most_facts && draft.stored_bytes() <= most_bytes {
        return Ok(());
    }
    // Alone in its batch it would not fit either, when nothing came before it.
    Err(if before == 0 { SubmitError::TooLarge } else { SubmitError::BatchFull })
}

/// Facts that are read before they are applied, so that their rows are fetched together.
const APPLIED_AT_ONCE: usize = 256;

/// Applies all facts of a batch.
///
/// # Errors
/// [`BatchError`] for a fact that the machine does not know; some of those before it were applied.
pub fn apply_all<M: Machine>(state: &mut M, batch: &Batch) -> Result<(), BatchError> {
    let (stamp, mut entries) = (batch.origin().stamp, batch.entries());
    let mut facts = Vec::with_capacity(APPLIED_AT_ONCE);
    let mut first = batch.origin().first;
    loop {
        for stored in entries.by_ref().take(APPLIED_AT_ONCE) {
            facts.push(stored.fact::<M::Fact>()?);
        }
        if facts.is_empty() {
            return Ok(());
        }
        state.warm_facts(&facts);
        for fact in facts.drain(..) {
            state.apply(first, stamp, &fact);
            first = Position::new(first.number().saturating_add(1));
        }
    }
}
