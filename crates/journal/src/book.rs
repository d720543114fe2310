//! The batching single-writer loop, without thread, clock or I/O.
//!
//! One *working* state = fold(durable facts + batches in flight + the open batch). Commands are
//! checked and applied there at once, in order; nothing computed from it is released before the
//! position it depends on is durable.
//!
//! The caller's turn: [`Book::submit`] until the queue is empty or the batch is full,
//! [`Book::seal`], append to the journal, [`Book::landed`] or [`Book::lost`], [`Book::release`].
//! [`Book::write_out`] does one such turn over a synchronous [`Journal`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use record::SaltSlot;
use terms::{BookName, Epoch, Instant, Position, RunId};

use crate::batch::{
    BATCH_BYTES_MAX, BATCH_FACTS_MAX, Batch, Entry, FOOTER_BYTES, HEADER_BYTES, Origin,
};
use crate::machine::{Machine, Salts};
use crate::port::{Append, ClaimError, Journal, ReadError, Tip};

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
    name: BookName,
    run: RunId,
    epoch: Epoch,
    limits: Limits,
    /// INVARIANT (WorkingIsFold): the fold of everything durable, in flight and open, in order.
    working: M,
    /// End of what is durable.
    durable: Tip,
    /// End of what is sealed.
    sealed: Tip,
    /// No later judgement is made at an earlier instant.
    judged: Instant,
    open: OpenBatch,
    in_flight: VecDeque<Arc<Batch>>,
    pending: VecDeque<Pending<M::Outcome>>,
    tickets: u64,
    stopped: bool,
}

#[derive(Debug)]
struct OpenBatch {
    stamp: Instant,
    entries: Vec<Entry>,
    bytes: usize,
}

impl OpenBatch {
    const EMPTY_BYTES: usize = HEADER_BYTES + FOOTER_BYTES;

    const fn empty() -> Self {
        Self { stamp: Instant::EPOCH, entries: Vec::new(), bytes: Self::EMPTY_BYTES }
    }
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

/// What the working state said to a command, and the entries it would journal.
struct Judged<O> {
    entries: Vec<Entry>,
    bytes: usize,
    outcome: O,
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
        let epoch = journal.claim_epoch(run)?;
        let head = journal.head()?;
        let Start { state: mut working, mut tip } = start;
        let (from, mut batches) = (tip, 0_u64);
        while tip.next < head.next {
            let read = journal.read_from(tip.next, REFOLD_BATCHES)?;
            if read.is_empty() {
                return Err(OpenError::ForeignState(tip.next));
            }
            for batch in &read {
                batch.follows(&tip, &name).map_err(|_| OpenError::ForeignState(tip.next))?;
                apply_all(&mut working, batch);
                tip = batch.tip();
                batches = batches.saturating_add(1);
            }
        }
        if tip != head {
            return Err(OpenError::ForeignState(from.next));
        }
        let facts = tip.next.number().saturating_sub(from.next.number());
        let book = Self {
            name,
            run,
            epoch,
            limits,
            working,
            durable: tip,
            sealed: tip,
            judged: tip.stamp,
            open: OpenBatch::empty(),
            in_flight: VecDeque::new(),
            pending: VecDeque::new(),
            tickets: 0,
            stopped: false,
        };
        Ok((book, Refolded { batches, facts, tip, epoch }))
    }

    /// Checks a command on the working state at once and applies its facts there.
    ///
    /// The stamp is the open batch's; the first command that makes a fact fixes it at the later
    /// of `now` and one nanosecond after the batch before.
    ///
    /// # Errors
    /// [`SubmitError`]: the command had no effect.
    pub fn submit<S: Salts + ?Sized>(
        &mut self,
        now: Instant,
        command: &M::Command,
        salts: &S,
    ) -> Result<Ticket, SubmitError> {
        self.may_take()?;
        let stamp = self.stamp(now);
        let judged = self.judge(stamp, command, salts)?;
        self.judged = stamp;
        let position = self.working_next();
        if !judged.entries.is_empty() {
            self.open.stamp = stamp;
            self.open.bytes = self.open.bytes.saturating_add(judged.bytes);
        }
        for entry in judged.entries {
            self.working.apply(self.working_next(), stamp, &entry.fact);
            self.open.entries.push(entry);
        }
        Ok(self.wait(position, stamp, Some(judged.outcome)))
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

    /// Closes the open batch. `None` when it is empty or two are in flight already.
    pub fn seal(&mut self) -> Option<Arc<Batch>> {
        if self.open.entries.is_empty() || self.in_flight.len() >= IN_FLIGHT_MAX || self.stopped {
            return None;
        }
        let open = core::mem::replace(&mut self.open, OpenBatch::empty());
        let origin = Origin {
            book: self.name,
            first: self.sealed.next,
            epoch: self.epoch,
            run: self.run,
            previous: self.sealed.digest,
            stamp: open.stamp,
        };
        let Ok(batch) = Batch::seal(origin, open.entries) else {
            // INVARIANT (OpenFits): `submit` keeps the open batch within the format's limits, so
            // only exhausted positions lead here. The working state holds facts that can never
            // be durable: stop, answer unknown.
            self.lost();
            return None;
        };
        let batch = Arc::new(batch);
        self.sealed = batch.tip();
        self.in_flight.push_back(Arc::clone(&batch));
        Some(batch)
    }

    /// The oldest batch in flight is durable.
    pub fn landed(&mut self) {
        if let Some(batch) = self.in_flight.pop_front() {
            self.durable = batch.tip();
        }
    }

    /// An append ended as [`Append::NotDone`] or [`Append::Unknown`]: everything that waits is
    /// answered *unknown* and the book takes nothing more. Its working state holds facts that may
    /// never be durable, so it cannot be repaired, only opened again.
    pub fn lost(&mut self) {
        self.stopped = true;
        self.in_flight.clear();
        self.open = OpenBatch::empty();
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

    /// One turn over a synchronous journal: seals, appends and takes note. Returns the batch that
    /// became durable, if one did, and how the append ended if it failed.
    ///
    /// # Errors
    /// The [`Append`] that was not [`Append::Appended`]; the book is stopped.
    pub fn write_out<J: Journal + ?Sized>(
        &mut self,
        journal: &mut J,
    ) -> Result<Option<Arc<Batch>>, Append> {
        self.seal();
        let Some(batch) = self.in_flight.front().map(Arc::clone) else { return Ok(None) };
        // The commit point. Stopped before: the batch never was, its callers are answered
        // unknown or not at all and ask by id. Stopped after: refolding finds it.
        match journal.append(self.durable.next, self.epoch, &batch) {
            Append::Appended => {
                self.landed();
                Ok(Some(batch))
            }
            failed @ (Append::NotDone(_) | Append::Unknown(_)) => {
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
        let settled = self.in_flight.is_empty() && self.open.entries.is_empty() && !self.stopped;
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
        !self.open.entries.is_empty() || !self.in_flight.is_empty()
    }

    fn may_take(&self) -> Result<(), SubmitError> {
        if self.stopped {
            return Err(SubmitError::Stopped);
        }
        if self.pending.len() >= PENDING_MAX { Err(SubmitError::Busy) } else { Ok(()) }
    }

    fn judge<S: Salts + ?Sized>(
        &self,
        stamp: Instant,
        command: &M::Command,
        salts: &S,
    ) -> Result<Judged<M::Outcome>, SubmitError> {
        let checked = self.working.check(stamp, command);
        let mut entries = Vec::new();
        let positions = (self.working_next().number()..).map(Position::new);
        for (position, fact) in positions.zip(checked.facts) {
            let slot = fact.salt_slot;
            let root = salts.root(position, slot).ok_or(SubmitError::NoSaltKey(slot))?;
            let commitment = fact.commitment(&root);
            entries.push(Entry { fact, commitment });
        }
        let bytes = entries.iter().map(Entry::stored_bytes).fold(0, usize::saturating_add);
        self.room_for(entries.len(), bytes)?;
        Ok(Judged { entries, bytes, outcome: checked.outcome })
    }

    fn room_for(&self, facts: usize, bytes: usize) -> Result<(), SubmitError> {
        let most_facts = self.limits.batch_facts.min(BATCH_FACTS_MAX);
        let most_bytes = self.limits.batch_bytes.min(BATCH_BYTES_MAX);
        if facts == 0 {
            return Ok(());
        }
        if facts > most_facts || bytes.saturating_add(OpenBatch::EMPTY_BYTES) > most_bytes {
            return Err(SubmitError::TooLarge);
        }
        let fits = self.open.entries.len().saturating_add(facts) <= most_facts
            && self.open.bytes.saturating_add(bytes) <= most_bytes;
        if fits { Ok(()) } else { Err(SubmitError::BatchFull) }
    }

    fn stamp(&self, now: Instant) -> Instant {
        if self.open.entries.is_empty() {
            let after = self.sealed.stamp.plus(Duration::from_nanos(1));
            return after.max(now).max(self.judged);
        }
        self.open.stamp
    }

    fn working_next(&self) -> Position {
        let open = u64::try_from(self.open.entries.len()).unwrap_or(u64::MAX);
        Position::new(self.sealed.next.number().saturating_add(open))
    }

    fn wait(&mut self, position: Position, stamp: Instant, outcome: Option<M::Outcome>) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets = self.tickets.saturating_add(1);
        let needs = self.working_next();
        self.pending.push_back(Pending { ticket, needs, position, stamp, outcome });
        ticket
    }
}

/// Applies all facts of a batch.
pub fn apply_all<M: Machine>(state: &mut M, batch: &Batch) {
    for (position, entry) in batch.positioned() {
        state.apply(position, batch.origin().stamp, &entry.fact);
    }
}
