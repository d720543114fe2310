//! Looks up what a ledger book no longer remembers: ids through the index, facts where they lie.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bookkeeping::keys::{self, Key};
use bookkeeping::{Found, LedgerBook, LedgerFact, Request};
use journal::{Batch, Book, Recorded, Tip};
use store::ids::{HashedKey, IdHasher, IdKey, Ids};
use store::{Disk, Known, NoRows, Past, Recall, RecallError, SegmentReader};
use terms::{Instant, Position};

use crate::figures::Figures;

/// Durable batches kept in memory for look-ups: a repeat usually follows soon, and reading the
/// journal back costs a hundred times more.
const RECENT_BATCHES: usize = 8;
/// Batches read back that are kept beside: whoever repeats one old id repeats its neighbours, too.
const READ_BATCHES: usize = 4;
/// Keys that were looked up and are passed over for those of a fact: some commands that were
/// refused or done before. A key that is not met is hashed again.
const NEAR_KEYS: usize = 64;

/// The past of a ledger book.
pub struct LedgerRecall<D: Disk, R: Disk> {
    ids: Ids<D>,
    hasher: IdHasher,
    /// Until [`Recall::past`] is asked for.
    reader: Option<SegmentReader<R>>,
    recent: VecDeque<Arc<Batch>>,
    /// Facts that were read for what is judged now.
    lent: Known<LedgerFact>,
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
            reader: Some(reader),
            recent: VecDeque::new(),
            lent: Known::default(),
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
    ) -> Result<(), NoRows> {
        let hashed = match self.warmed.pop_front_if(|(warmed, _)| warmed == key) {
            Some((_, hashed)) => hashed,
            None => self.hasher.hashed(&id_key(key)),
        };
        self.looked_up.push((*key, hashed));
        for position in self.ids.lookup(&hashed).map_err(|error| failed(&error))? {
            match self.lent.at(position) {
                Some(Ok((stamp, fact))) => found.learn(key, position, *stamp, fact),
                Some(Err(why)) => return Err(why.clone().into()),
                None => {
                    let (stamp, fact) = self.fact(book, position)?;
                    found.learn(key, position, stamp, &fact);
                }
            }
        }
        Ok(())
    }

    /// The fact at a position, when it is at hand: not written yet, or written a moment ago.
    fn fact(
        &self,
        book: &Book<LedgerBook>,
        position: Position,
    ) -> Result<(Instant, LedgerFact), NoRows> {
        if let Some((stamp, bytes)) = book.unwritten(position) {
            return Ok((stamp, LedgerFact::read(bytes).map_err(RecallError)?));
        }
        match self.recent.iter().find_map(|batch| in_batch(batch, position)) {
            Some(read) => Ok(read?),
            None => Err(NoRows::Cold),
        }
    }

    fn is_at_hand(&self, book: &Book<LedgerBook>, position: Position) -> bool {
        book.unwritten(position).is_some()
            || self.recent.iter().any(|batch| batch.at(position).is_some())
            || self.lent.at(position).is_some()
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

/// A fact of a batch; `None` when it lies in another.
fn in_batch(
    batch: &Batch,
    position: Position,
) -> Option<Result<(Instant, LedgerFact), RecallError>> {
    let fact = batch.at(position)?.fact().map_err(|error| failed(&error));
    Some(fact.map(|fact| (batch.origin().stamp, fact)))
}

/// Reads the journal back beside the writer's thread.
struct LedgerPast<R: Disk> {
    reader: SegmentReader<R>,
    read: VecDeque<Arc<Batch>>,
}

impl<R: Disk> Past<LedgerFact> for LedgerPast<R> {
    fn fact(&mut self, position: Position) -> Result<(Instant, LedgerFact), RecallError> {
        if let Some(read) = self.read.iter().find_map(|batch| in_batch(batch, position)) {
            return read;
        }
        let gone = || RecallError(format!("there is no fact at position {position}"));
        let mut read = self.reader.read_from(position, 1).map_err(|error| failed(&error))?;
        let batch = Arc::new(read.pop().ok_or_else(gone)?);
        if self.read.len() >= READ_BATCHES {
            self.read.pop_front();
        }
        self.read.push_back(Arc::clone(&batch));
        in_batch(&batch, position).ok_or_else(gone)?
    }
}

impl<D: Disk, R: Disk + 'static> Recall<LedgerBook> for LedgerRecall<D, R>
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

    fn rows(&mut self, book: &Book<LedgerBook>, request: &Request) -> Result<Found, NoRows> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
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

    fn cold(
        &mut self,
        book: &Book<LedgerBook>,
        requests: &[Request],
        into: &mut BTreeSet<Position>,
    ) {
        for request in requests {
            if matches!(request.what, bookkeeping::What::Trace(_)) {
                continue;
            }
            let mut wanted = core::mem::take(&mut self.wanted);
            wanted.clear();
            keys::to_find(book.working().ledger(), request, |key| wanted.push(key));
            for key in &wanted {
                let hashed = self.hasher.hashed(&id_key(key));
                // What cannot be looked up says so when it is judged.
                let Ok(found) = self.ids.lookup(&hashed) else { continue };
                into.extend(found.into_iter().filter(|at| !self.is_at_hand(book, *at)));
            }
            self.wanted = wanted;
        }
    }

    fn past(&mut self) -> Option<Box<dyn Past<LedgerFact>>> {
        let reader = self.reader.take()?;
        Some(Box::new(LedgerPast { reader, read: VecDeque::new() }))
    }

    fn lend(&mut self, known: Known<LedgerFact>) {
        self.lent = known;
    }

    fn take_back(&mut self) -> Known<LedgerFact> {
        core::mem::take(&mut self.lent)
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
