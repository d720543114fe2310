//! What facts say, read where they lie: from the segments, never from the working state.
//!
//! Questions by id learn positions from the book and come here for the content; who replays the
//! book reads it batch by batch. Nothing here is kept but a few batches that were read last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bookkeeping::{ClientNumber, Event, LedgerFact, Refused};
use journal::{Batch, Stored};
use ledger::Change;
use minicbor::{Decode, Encode};
use store::{FileDisk, SegmentReader};
use terms::{Instant, Position};

/// Bytes of batches that are kept: whoever asks for one fact asks for its neighbours, too. Four of
/// the largest batches, and what 32 readers at different places read ahead.
const KEPT_BYTES: usize = 8 << 20;
/// Batches that are kept, however small.
const KEPT_BATCHES: usize = 4096;
/// Bytes that are read at once from where somebody reads: some frames of a follower, and of small
/// batches hundreds.
const AHEAD_BYTES: usize = 256 << 10;

/// Reads the journal beside its writer.
pub struct Contents {
    reader: SegmentReader<FileDisk>,
    kept: Mutex<Kept>,
}

/// Batches by their first position; the one that was put in first goes first.
#[derive(Default)]
struct Kept {
    batches: BTreeMap<Position, Arc<Batch>>,
    order: VecDeque<Position>,
    bytes: usize,
}

impl Kept {
    fn find(&self, position: Position) -> Option<Arc<Batch>> {
        let (_, batch) = self.batches.range(..=position).next_back()?;
        batch.at(position).map(|_| Arc::clone(batch))
    }

    fn put(&mut self, batch: &Arc<Batch>) {
        let first = batch.origin().first;
        if self.batches.insert(first, Arc::clone(batch)).is_some() {
            return;
        }
        self.order.push_back(first);
        self.bytes = self.bytes.saturating_add(batch.bytes().len());
        while self.order.len() > 1 && (self.bytes > KEPT_BYTES || self.order.len() > KEPT_BATCHES) {
            let oldest = self.order.pop_front().and_then(|first| self.batches.remove(&first));
            self.bytes = self.bytes.saturating_sub(oldest.map_or(0, |one| one.bytes().len()));
        }
    }
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

/// A fact could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal could not be read at position `{position}`: {why}")]
pub struct ContentsError {
    /// Where.
    pub position: Position,
    /// Why: damage is named with its file and byte.
    pub why: String,
}

/// A fact: where and when it was recorded, by whom, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct FactLine {
    /// Its position in the book.
    #[n(0)]
    pub position: Position,
    /// When it was recorded: the stamp of its batch.
    #[n(1)]
    pub stamp: Instant,
    /// Who asked for it; 0 is the book itself.
    #[n(2)]
    pub client: ClientNumber,
    /// What it says.
    #[n(3)]
    pub said: FactSaid,
}

/// What a fact says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[expect(clippy::large_enum_variant, reason = "nearly every one is the large one")]
pub enum FactSaid {
    /// The ledger changed.
    #[n(0)]
    Changed(#[n(0)] Change),
    /// A request was refused, and its id used up.
    #[n(1)]
    Refused(#[n(0)] Refused),
}

impl FactLine {
    /// A fact as it stands in a batch of this stamp.
    ///
    /// # Errors
    /// In words: the fact is of a later version.
    pub fn of(stamp: Instant, stored: &Stored<'_>) -> Result<Self, ContentsError> {
        let position = stored.position;
        let fact = stored.fact::<LedgerFact>();
        let fact = fact.map_err(|error| ContentsError { position, why: error.to_string() })?;
        Ok(Self::told(position, stamp, fact))
    }

    /// A fact read from its own bytes.
    ///
    /// # Errors
    /// In words.
    pub fn read(position: Position, stamp: Instant, bytes: &[u8]) -> Result<Self, ContentsError> {
        let fact = <LedgerFact as journal::Recorded>::read(bytes);
        let fact = fact.map_err(|why| ContentsError { position, why })?;
        Ok(Self::told(position, stamp, fact))
    }

    fn told(position: Position, stamp: Instant, fact: LedgerFact) -> Self {
        let said = match fact.event {
            Event::Changed(change) => FactSaid::Changed(change),
            Event::Refused(refused) => FactSaid::Refused(refused),
        };
        Self { position, stamp, client: fact.client, said }
    }
}

impl Contents {
    /// Over a reader of the book's journal.
    #[must_use]
    pub fn new(reader: SegmentReader<FileDisk>) -> Self {
        Self { reader, kept: Mutex::default() }
    }

    /// The batch that holds a position; `None` when nothing durable is there.
    ///
    /// # Errors
    /// [`ContentsError`].
    pub fn batch(&self, position: Position) -> Result<Option<Arc<Batch>>, ContentsError> {
        if let Some(kept) = self.kept().find(position) {
            return Ok(Some(kept));
        }
        let failed = |why: String| ContentsError { position, why };
        let read = self.reader.read_ahead(position, AHEAD_BYTES);
        let mut read = read.map_err(|error| failed(error.to_string()))?.into_iter().map(Arc::new);
        let Some(batch) = read.next() else { return Ok(None) };
        if batch.at(position).is_none() {
            return Err(failed("the segment that holds it is not here".to_owned()));
        }
        let mut kept = self.kept();
        read.for_each(|later| kept.put(&later));
        // Last, so that what is read ahead never pushes it out.
        kept.put(&batch);
        Ok(Some(batch))
    }

    /// The fact at a position; `None` when nothing durable is there.
    ///
    /// # Errors
    /// [`ContentsError`].
    pub fn fact(&self, position: Position) -> Result<Option<FactLine>, ContentsError> {
        let Some(batch) = self.batch(position)? else { return Ok(None) };
        let stamp = batch.origin().stamp;
        batch.at(position).map(|stored| FactLine::of(stamp, &stored)).transpose()
    }

    /// Keeps a batch that just became durable: who follows the book asks for it next.
    pub fn keep(&self, batch: &Arc<Batch>) {
        self.kept().put(batch);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A store of what can be read again: a panic leaves nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
