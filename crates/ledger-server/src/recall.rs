//! Looks up what a ledger book no longer remembers: ids through the index, facts where they lie.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bookkeeping::keys::{self, Key};
use bookkeeping::{Found, LedgerBook, LedgerFact, Request};
use journal::{Batch, Book, Recorded, Tip};
use store::ids::{HashedKey, IdHasher, IdKey, Ids};
use store::{Disk, Recall, RecallError, SegmentReader};
use terms::{Instant, Position};

use crate::figures::Figures;

/// Durable batches kept in memory for look-ups: a repeat usually follows soon, and reading the
/// journal back costs a hundred times more.
const RECENT_BATCHES: usize = 8;
/// Batches read back that are kept: whoever repeats one old id repeats its neighbours, too.
const READ_BATCHES: usize = 4;
/// Keys that were looked up and are passed over for those of a fact: some commands that were
/// refused or done before. A key that is not met is hashed again.
const NEAR_KEYS: usize = 64;

/// The past of a ledger book.
pub struct LedgerRecall<D: Disk, R: Disk> {
    ids: Ids<D>,
    hasher: IdHasher,
    reader: SegmentReader<R>,
    recent: VecDeque<Arc<Batch>>,
    read: VecDeque<Arc<Batch>>,
    /// Facts before it are in the index and durable.
    durable: Position,
    /// What no later call mends.
    failed: Option<RecallError>,
    wanted: Vec<Key>,
    /// Hashes of the keys that were warmed and not looked up yet.
    warmed: VecDeque<(Key, HashedKey)>,
    /// Those that were looked up for the newest request: its facts have the same ones.
    looked_up: Vec<(Key, HashedKey)>,
    /// How many of them were met: facts have them in the same order.
    met: usize,
    /// Where it is told how far the index has come.
    figures: Arc<Figures>,
}

impl<D: Disk, R: Disk> std::fmt::Debug for LedgerRecall<D, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerRecall").field("durable", &self.durable).finish_non_exhaustive()
    }
}

fn failed(error: &dyn std::fmt::Display) -> RecallError {
    RecallError(error.to_string())
}

fn id_key(key: &Key) -> IdKey {
    IdKey::of(key.id, key.tail())
}

impl<D: Disk, R: Disk> LedgerRecall<D, R> {
    /// Over an index that covers all facts before `covered`, and a reader of the same journal.
    #[must_use]
    pub fn new(ids: Ids<D>, covered: Position, reader: SegmentReader<R>) -> Self {
        Self {
            figures: Arc::default(),
            hasher: ids.hasher(),
            ids,
            reader,
            recent: VecDeque::new(),
            read: VecDeque::new(),
            durable: covered,
            failed: None,
            wanted: Vec::new(),
            warmed: VecDeque::new(),
            looked_up: Vec::new(),
            met: 0,
        }
    }

    /// Tells these how far the index has come.
    #[must_use]
    pub fn telling(mut self, figures: Arc<Figures>) -> Self {
        self.figures = figures;
        self
    }

    fn find(
        &mut self,
        book: &Book<LedgerBook>,
        key: &Key,
        found: &mut Found,
    ) -> Result<(), RecallError> {
        let hashed = match self.warmed.pop_front_if(|(warmed, _)| warmed == key) {
            Some((_, hashed)) => hashed,
            None => self.hasher.hashed(&id_key(key)),
        };
        self.looked_up.push((*key, hashed));
        for position in self.ids.lookup(&hashed).map_err(|error| failed(&error))? {
            let (stamp, fact) = self.fact(book, position)?;
            found.learn(key, position, stamp, &fact);
        }
        Ok(())
    }

    /// The fact at a position: not written yet, written a moment ago, or in the journal.
    fn fact(
        &mut self,
        book: &Book<LedgerBook>,
        position: Position,
    ) -> Result<(Instant, LedgerFact), RecallError> {
        if let Some((stamp, bytes)) = book.unwritten(position) {
            return Ok((stamp, LedgerFact::read(bytes).map_err(RecallError)?));
        }
        let mut kept = self.recent.iter().chain(&self.read);
        let recent = kept.find(|batch| batch.at(position).is_some());
        let batch = match recent {
            Some(batch) => Arc::clone(batch),
            None => {
                let mut read = self.reader.read_from(position, 1).map_err(|e| failed(&e))?;
                let gone = || RecallError(format!("there is no fact at position {position}"));
                let batch = Arc::new(read.pop().ok_or_else(gone)?);
                if self.read.len() >= READ_BATCHES {
                    self.read.pop_front();
                }
                self.read.push_back(Arc::clone(&batch));
                batch
            }
        };
        let gone = || RecallError(format!("there is no fact at position {position}"));
        let stored = batch.at(position).ok_or_else(gone)?;
        Ok((batch.origin().stamp, stored.fact().map_err(|error| failed(&error))?))
    }

    fn index(&mut self, position: Position, fact: &LedgerFact) {
        let Self { ids, looked_up, met, hasher, .. } = self;
        keys::of_fact(fact, |key| {
            // From where the last one was met: of thousands together, the next is near.
            let from = looked_up.iter().enumerate().skip(*met).take(NEAR_KEYS);
            let known = from.into_iter().find(|(_, (known, _))| *known == key);
            let hashed = match known {
                Some((at, (_, hashed))) => {
                    *met = at;
                    *hashed
                }
                None => hasher.hashed(&id_key(&key)),
            };
            ids.insert(&hashed, position);
        });
    }

    /// Once a batch: numbers that lie at hand.
    fn tell(&self) {
        let stats = self.ids.stats();
        self.figures.ids_indexed.store(self.durable.number(), Ordering::Release);
        self.figures.ids_unsealed.store(stats.recent_entries, Ordering::Relaxed);
        self.figures.ids_runs.store(stats.runs, Ordering::Relaxed);
    }

    fn settle(&mut self, batch: &Arc<Batch>) -> Result<(), RecallError> {
        self.durable = batch.tip().next;
        if self.recent.len() >= RECENT_BATCHES {
            self.recent.pop_front();
        }
        self.recent.push_back(Arc::clone(batch));
        self.tell();
        match self.ids.durable(self.durable) {
            Ok(()) => Ok(()),
            // What is not sealed stays in memory and is found there; it is tried again.
            Err(error) if error.may_pass() => {
                tracing::warn!(%error, "ids could not be sealed yet");
                Ok(())
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

impl<D: Disk, R: Disk> Recall<LedgerBook> for LedgerRecall<D, R>
where
    D::File: Send,
{
    fn opened(&mut self, tip: &Tip) -> Result<Position, RecallError> {
        if self.durable > tip.next {
            let (covered, next) = (self.durable, tip.next);
            return Err(RecallError(format!(
                "the index of ids covers facts up to {covered} and the journal ends at {next}: \
                 the journal was rolled back, or the index is of another one; remove the folder \
                 `ids` to have it built again"
            )));
        }
        // What was decided and is not known to be durable may never have happened.
        self.ids.forget_from(self.durable);
        self.figures.opened_at(tip.next);
        self.tell();
        self.recent.clear();
        self.read.clear();
        Ok(self.durable)
    }

    fn learn(&mut self, batch: &Arc<Batch>) -> Result<(), RecallError> {
        let known = self.durable;
        for stored in batch.entries().filter(|stored| stored.position >= known) {
            let fact = stored.fact().map_err(|error| failed(&error))?;
            self.index(stored.position, &fact);
        }
        self.settle(batch)
    }

    fn warm(&mut self, requests: &[Request]) {
        let keys = requests.iter().filter_map(own_key);
        self.warmed.clear();
        self.warmed.extend(keys.map(|key| (key, self.hasher.hashed(&id_key(&key)))));
        let hashed: Vec<HashedKey> = self.warmed.iter().map(|(_, hashed)| *hashed).collect();
        self.ids.warm(&hashed);
    }

    fn rows(&mut self, book: &Book<LedgerBook>, request: &Request) -> Result<Found, RecallError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if let bookkeeping::What::Trace(key) = &request.what {
            let hashed = match self.warmed.pop_front_if(|(warmed, _)| warmed == key) {
                Some((_, hashed)) => hashed,
                None => self.hasher.hashed(&id_key(key)),
            };
            let found = self.ids.lookup(&hashed);
            let mut traced = Found::default();
            traced.traced_at(found.map_err(|error| failed(&error))?.into_iter());
            return Ok(traced);
        }
        let mut wanted = core::mem::take(&mut self.wanted);
        wanted.clear();
        self.looked_up.clear();
        self.met = 0;
        keys::to_find(book.working().ledger(), request, |key| wanted.push(key));
        let mut found = Found::default();
        let all = wanted.iter().try_for_each(|key| self.find(book, key, &mut found));
        self.wanted = wanted;
        all.map(|()| found)
    }

    fn decided(&mut self, position: Position, _stamp: Instant, facts: &[LedgerFact]) {
        for (position, fact) in (position.number()..).map(Position::new).zip(facts) {
            self.index(position, fact);
        }
    }

    fn durable(&mut self, batch: &Arc<Batch>) {
        if let Err(error) = self.settle(batch) {
            tracing::error!(%error, "the index of ids failed: nothing more is taken");
            self.failed = Some(error);
        }
    }
}

/// The id that a request brings itself: what is looked up for nearly every one.
const fn own_key(request: &Request) -> Option<Key> {
    match &request.what {
        bookkeeping::What::Do(command) => keys::of_command(request.client, command),
        bookkeeping::What::Find(key) | bookkeeping::What::Trace(key) => Some(*key),
        bookkeeping::What::Together(_) => None,
    }
}
