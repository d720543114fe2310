//! Looking up many ids at once without holding anybody up.
//!
//! The writer says only where the facts of each id lie, some hundred ids a turn, so that others
//! come in between. What the facts say is read by the threads that answer questions, batch by
//! batch in the order of the journal and a few batches a turn: reading and hashing batches back
//! on the writer's thread would stop the book for seconds, since each of 8,190 old ids may lie in
//! another.

use std::sync::Arc;
use std::time::Instant as Clock;

use bookkeeping::machine::said_before;
use bookkeeping::{ClientNumber, Effect, Found, Key, LedgerBook, LedgerFact, Outcome, What};
use journal::Batch;
use record::SaltSlot;
use store::{BookHandle, Bulk, BulkEnd, BulkPlace};
use terms::Position;
use wire::{NotDone, NotDoneCode, Reply, ReplyBody, ResultsWriter, Unknown, UnknownCode};

use crate::contents::{Contents, ContentsError};
use crate::questions::Questions;
use crate::refusals::refused_before;
use crate::service::{busy, stopped};

/// Ids of one request that the writer looks for in a turn: a page of the index is read for each
/// that is old.
const TURN: usize = 512;
/// Ids looked for together: their index lines fit the nearest caches.
const CHUNK: usize = 256;
/// Batches that a thread reads of one request before it turns to other questions: some 50 ms.
const BATCHES: usize = 32;

/// Ids of one request on the writer's thread.
pub(crate) struct Lookups {
    pub(crate) handle: BookHandle<LedgerBook>,
    pub(crate) questions: Questions,
    pub(crate) client: ClientNumber,
    pub(crate) slot: SaltSlot,
    /// `None` for what has no facts of its own.
    pub(crate) keys: Vec<Option<Key>>,
    pub(crate) deadline: Option<Clock>,
    pub(crate) reply: Reply,
    /// Where the facts of the first of them lie; `None` when that could not be looked up.
    traced: Vec<Option<Vec<Position>>>,
    given: usize,
    /// Where this turn ends.
    until: usize,
    is_late: bool,
}

/// Who asks, and what for.
pub(crate) struct Asking {
    pub(crate) client: ClientNumber,
    pub(crate) slot: SaltSlot,
    pub(crate) keys: Vec<Option<Key>>,
    pub(crate) deadline: Option<Clock>,
    pub(crate) reply: Reply,
}

impl Lookups {
    /// Looks the ids up; the reply follows.
    pub(crate) fn submit(handle: &BookHandle<LedgerBook>, questions: &Questions, asking: Asking) {
        let Asking { client, slot, keys, deadline, reply } = asking;
        let traced = Vec::with_capacity(keys.len());
        let (handle, questions) = (handle.clone(), questions.clone());
        let (given, until, is_late) = (0, 0, false);
        Box::new(Self {
            handle,
            questions,
            client,
            slot,
            keys,
            deadline,
            reply,
            traced,
            given,
            until,
            is_late,
        })
        .turn();
    }

    /// Waits in its client's line for the next turn.
    fn turn(mut self: Box<Self>) {
        self.until = self.keys.len().min(self.given.saturating_add(TURN));
        let handle = self.handle.clone();
        handle.submit_bulk(self);
    }
}

impl Bulk<LedgerBook> for Lookups {
    fn client(&self) -> u32 {
        self.client.0
    }

    fn items(&self) -> usize {
        self.until.saturating_sub(self.given)
    }

    fn fill(&mut self, into: &mut Vec<bookkeeping::Request>) {
        if self.given == 0 && self.deadline.is_some_and(|deadline| Clock::now() >= deadline) {
            self.is_late = true;
            return;
        }
        let nothing = Key::hold(terms::HoldId::from_bytes([0; 16]));
        let most = CHUNK.min(self.items());
        let next = self.keys.iter().skip(self.given).take(most);
        let (client, slot, effect) = (self.client, self.slot, Effect::None);
        into.extend(next.map(|key| {
            let what = What::Trace(key.unwrap_or(nothing));
            bookkeeping::Request { client, slot, what, effect }
        }));
        self.given = self.given.saturating_add(into.len());
    }

    fn decided(&mut self, _place: BulkPlace, outcome: Outcome) {
        let Outcome::Traced { positions, .. } = outcome else { return self.traced.push(None) };
        self.traced.push(Some(positions));
    }

    fn not_taken(&mut self, why: &str) {
        tracing::warn!(why, "an id could not be looked up");
        self.traced.push(None);
    }

    fn finish(self: Box<Self>, end: BulkEnd) {
        let body = match end {
            BulkEnd::Durable { .. } if self.is_late => {
                ReplyBody::not_done(&NotDone::new(NotDoneCode::Late, ""), 0)
            }
            BulkEnd::Durable { .. } if self.given < self.keys.len() => return self.turn(),
            BulkEnd::Durable { next } => return Reading::begin(*self, next),
            BulkEnd::Unknown => {
                ReplyBody::unknown(&Unknown::new(UnknownCode::Storage, "ask by id"))
            }
            BulkEnd::Busy => busy(),
            BulkEnd::Stopped => stopped(&self.handle),
        };
        self.reply.finish(body);
    }
}

/// Facts of one request that are read where they lie.
pub(crate) struct Reading {
    client: ClientNumber,
    questions: Questions,
    keys: Vec<Option<Key>>,
    /// What is known of each; `None` when it could not be read.
    found: Vec<Option<Found>>,
    /// What is to be read, with whose item it is, in order of position.
    reads: Vec<(Position, usize)>,
    /// How many of those were.
    done: usize,
    batch: Option<Arc<Batch>>,
    as_of: Position,
    reply: Reply,
}

impl Reading {
    /// All the positions are durable.
    fn begin(looked: Lookups, as_of: Position) {
        let Lookups { client, questions, keys, traced, reply, .. } = looked;
        let mut reads = Vec::new();
        for (item, positions) in traced.iter().enumerate() {
            reads.extend(positions.iter().flatten().map(|position| (*position, item)));
        }
        // Each batch is read once, and of one id the facts come oldest first.
        reads.sort_unstable();
        let found = traced.iter().map(|at| at.as_ref().map(|_| Found::default())).collect();
        let (done, batch) = (0, None);
        let reading = Self { client, questions, keys, found, reads, done, batch, as_of, reply };
        if reading.reads.is_empty() {
            return reading.tell();
        }
        let questions = reading.questions.clone();
        if let Err(full) = questions.read_past(Box::new(reading)) {
            full.reply.finish(busy());
        }
    }

    /// Whose line it waits in.
    pub(crate) const fn client(&self) -> u32 {
        self.client.0
    }

    /// Reads a few batches; gives itself back when there are more, and tells the reply otherwise.
    pub(crate) fn read(mut self: Box<Self>, contents: &Contents) -> Option<Box<Self>> {
        let mut batches = 0;
        while let Some((position, item)) = self.reads.get(self.done).copied() {
            if self.batch.as_ref().is_none_or(|batch| batch.at(position).is_none()) {
                if batches == BATCHES {
                    return Some(self);
                }
                batches += 1;
                self.batch = contents.batch(position).unwrap_or_else(|error| {
                    tracing::warn!(%error, "an id could not be looked up");
                    None
                });
            }
            let learned = self.learn(position, item);
            if let (Err(error), Some(found)) = (learned, self.found.get_mut(item)) {
                tracing::warn!(%error, "an id could not be looked up");
                *found = None;
            }
            self.done = self.done.saturating_add(1);
        }
        self.tell();
        None
    }

    /// Others' questions come before the rest of it, if there is room for it behind them.
    pub(crate) fn again(self: Box<Self>, contents: &Contents) {
        let questions = self.questions.clone();
        let mut rest = self;
        while let Err(full) = questions.read_past(rest) {
            match full.read(contents) {
                Some(more) => rest = more,
                None => return,
            }
        }
    }

    fn learn(&mut self, position: Position, item: usize) -> Result<(), ContentsError> {
        let failed = |why: String| ContentsError { position, why };
        let key = self.keys.get(item).copied().flatten();
        let (Some(key), Some(Some(found))) = (key, self.found.get_mut(item)) else {
            return Ok(());
        };
        let gone = || failed("it is durable, and not there".to_owned());
        let batch = self.batch.as_ref().ok_or_else(gone)?;
        let fact = batch.at(position).ok_or_else(gone)?.fact::<LedgerFact>();
        let fact = fact.map_err(|error| failed(error.to_string()))?;
        found.learn(&key, position, batch.origin().stamp, &fact);
        Ok(())
    }

    fn tell(self) {
        let mut out = ResultsWriter::for_items(self.keys.len());
        for (key, found) in self.keys.iter().zip(&self.found) {
            let Some(found) = found else {
                out.not_done();
                continue;
            };
            match key.as_ref().map(|key| said_before(found, key)) {
                Some(Outcome::Repeated { first, position }) => {
                    out.repeated(position.unwrap_or(Position::ZERO), first);
                }
                Some(Outcome::RefusedBefore { refused, .. }) => {
                    refused_before(&mut out, &refused);
                }
                Some(_) | None => out.absent(),
            }
        }
        self.reply.finish(out.finish(self.as_of));
    }
}
