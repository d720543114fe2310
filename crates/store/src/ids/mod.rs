//! From ids to journal positions, for ever: what makes a repeated request find its first answer.
//!
//! A projection of the journal, rebuilt from its facts at any time. It is used in the writer's
//! turn, so nothing here waits for the disk as long as sealing keeps up. New entries go to a table
//! in memory. A full table is frozen and *sealed* behind the caller: sorted and written as an
//! immutable run. Runs are merged in tiers, so that there are few. A lookup asks the runs whose
//! range of keys spans the key, each through a filter first, then the frozen tables, then the
//! recent one: every entry is in exactly one of them at every moment.
//!
//! Not known here: what the keys and the facts mean. Start at [`Ids`]; [`docs/formats/ids.md`]
//! says what is stored.
//!
//! # Crash story
//!
//! Only entries of durable facts are sealed, and a run counts only when the manifest lists it. So
//! after a stop at any moment the manifest names a position up to which all entries are in its
//! runs ([`Ids::covered`]); the caller feeds the facts from there on again. A damaged file is an
//! error that names it and never a wrong answer; [`erase`] and feeding from 0 rebuild all.

mod cache;
mod engine;
mod error;
mod filter;
mod key;
mod manifest;
mod merge;
mod page;
mod part;
mod run;
mod worker;

use core::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;
use terms::{BookName, Position};

use crate::disk::Disk;
use cache::PageCache;
use engine::{Engine, Garbage, Report, Request};
pub use error::IdsError;
use filter::Probe;
pub use key::{HashedKey, IdHasher, IdKey, IdsSeed, KEY_BYTES};
use manifest::{MANIFEST_NAME, Manifest};
use part::Part;
use run::{Run, RunReader};
use worker::{Worker, is_ours};

/// The positions of a key, oldest first. Most keys have one; a hold that ended has two.
pub type Positions = SmallVec<[Position; 2]>;

/// Entries of the recent part before it is sealed. With its slack it fills a table of 2^19 places
/// to seven eighths: 16 MiB, and as much for each part that waits to be sealed.
pub const RECENT_MAX: usize = 450_560;

/// How the index is laid out.
#[derive(Clone, Copy)]
pub struct IdsConfig {
    /// The book whose journal this indexes.
    pub book: BookName,
    /// Keys the hash of a new index: random bytes. An existing index has its own in the manifest.
    pub seed: IdsSeed,
    /// The limits.
    pub limits: IdsLimits,
}

/// Sizes, each bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdsLimits {
    /// Entries of the recent part before it is frozen.
    pub recent_max: usize,
    /// Frozen parts that may wait; with more, [`Ids::durable`] waits for one to be sealed.
    pub frozen_max: usize,
    /// Runs of a tier that are merged into one of the next.
    pub merge_runs: usize,
    /// The highest tier, whose runs are merged no further.
    pub tier_max: u32,
    /// Entries merged before the worker looks for other work.
    pub slice_entries: usize,
    /// Pages of 4 KiB kept in memory.
    pub cached_pages: usize,
}

impl IdsLimits {
    /// For a book with millions of ids: 2 bytes of memory a past id, and about 85 MiB beside.
    pub const STANDARD: Self = Self {
        recent_max: RECENT_MAX,
        frozen_max: 2,
        merge_runs: 8,
        tier_max: 2,
        slice_entries: 8192,
        cached_pages: 256,
    };
}

/// Plain numbers, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdsStats {
    /// Entries in memory only, frozen ones included.
    pub recent_entries: u64,
    /// Parts that wait to be sealed or are being sealed.
    pub frozen_parts: u64,
    /// Runs.
    pub runs: u64,
    /// Entries in runs.
    pub run_entries: u64,
    /// Bytes of the runs' files.
    pub disk_bytes: u64,
    /// Bytes in memory for the runs: filters and page indexes.
    pub run_memory_bytes: u64,
    /// Bytes in memory for entries that are not sealed.
    pub recent_memory_bytes: u64,
    /// Pages read from runs.
    pub page_reads: u64,
    /// Pages found in the page cache.
    pub page_hits: u64,
    /// Times that a filter let a key through to a run that does not hold it.
    pub false_positives: u64,
    /// Parts sealed since opening.
    pub sealed: u64,
    /// Merges since opening.
    pub merged: u64,
    /// Sealings and merges that failed since opening.
    pub failures: u64,
    /// Times that [`Ids::durable`] had to wait for sealing.
    pub waits: u64,
}

/// The index from ids to positions.
pub struct Ids<D: Disk> {
    limits: IdsLimits,
    hasher: IdHasher,
    recent: Part,
    /// Oldest first. The first one is being sealed when `is_sealing`.
    frozen: VecDeque<Arc<Part>>,
    /// Oldest first, and each before the frozen parts.
    runs: Vec<Run<D::File>>,
    /// Least and greatest key of all runs.
    span: Option<((u128, u32), (u128, u32))>,
    engine: Engine<D>,
    /// Facts before it have their keys in the runs.
    covered: u64,
    /// The same when it was opened: facts before it may be fed again.
    opened_at: u64,
    /// Facts before it are durable.
    durable: u64,
    is_sealing: bool,
    is_settling: bool,
    /// Calls of [`Ids::durable`] before sealing is tried again, and failures in a row.
    retry_in: u32,
    failed_in_a_row: u32,
    last_failure: Option<IdsError>,
    /// What no retry mends.
    broken: Option<IdsError>,
    counts: IdsStats,
    cache: RefCell<PageCache>,
    false_positives: Cell<u64>,
}

impl<D: Disk> Ids<D> {
    /// Opens or begins an index whose sealing and merging run in a thread of their own.
    ///
    /// Returns the position from which the caller feeds the facts' keys again. A position beyond
    /// the journal's end means that the journal was rolled back: [`erase`] then.
    ///
    /// # Errors
    /// [`IdsError::Damaged`] and [`IdsError::ForeignBook`] need a rebuild; the device's.
    pub fn open(disk: D, config: &IdsConfig) -> Result<(Self, Position), IdsError>
    where
        D: 'static,
        D::File: 'static,
    {
        Self::open_with(disk, config, Engine::threaded)
    }

    /// The same without a thread: a part is sealed within [`Ids::durable`], and each call of it
    /// merges one slice. For tests, simulations and tools.
    ///
    /// # Errors
    /// As [`Ids::open`].
    pub fn open_inline(disk: D, config: &IdsConfig) -> Result<(Self, Position), IdsError> {
        Self::open_with(disk, config, |worker| Ok(Engine::inline(worker)))
    }

    fn open_with(
        disk: D,
        config: &IdsConfig,
        engine: impl FnOnce(Worker<D>) -> Result<Engine<D>, IdsError>,
    ) -> Result<(Self, Position), IdsError> {
        let (worker, runs) = Worker::open(disk, config)?;
        let covered = worker.covered();
        let hasher = worker.hasher;
        let limits = config.limits;
        let mut ids = Self {
            limits,
            hasher,
            recent: Part::with_room(limits.recent_max),
            frozen: VecDeque::new(),
            runs,
            span: None,
            engine: engine(worker)?,
            covered,
            opened_at: covered,
            durable: covered,
            is_sealing: false,
            is_settling: false,
            retry_in: 0,
            failed_in_a_row: 0,
            last_failure: None,
            broken: None,
            counts: IdsStats::default(),
            cache: RefCell::new(PageCache::with_room(limits.cached_pages)),
            false_positives: Cell::new(0),
        };
        ids.measure_span();
        Ok((ids, Position::new(covered)))
    }

    /// Hashes keys for this index.
    #[must_use]
    pub const fn hasher(&self) -> IdHasher {
        self.hasher
    }

    /// Adds a key of the fact at a position. Positions never go back.
    ///
    /// Entries before the position that [`Ids::open`] returned are in the runs already and are
    /// passed over. A position before the newest one is a bug of the caller's: nothing is sealed
    /// any more and [`Ids::durable`] says so.
    pub fn insert(&mut self, key: &HashedKey, position: Position) {
        let at = position.number();
        if at < self.opened_at {
            return;
        }
        let newest = self.newest();
        if at < newest {
            let last = Position::new(newest);
            self.broken.get_or_insert(IdsError::OutOfOrder { last, got: position });
            return;
        }
        // Not within the keys of one fact: a run holds all of them or none.
        let is_new_fact = self.recent.last().is_some_and(|last| at > last);
        let is_full = self.recent.len() >= self.limits.recent_max || !self.recent.reaches(at);
        if is_new_fact && is_full {
            self.freeze();
        }
        self.recent.insert(&self.hasher, key, at);
    }

    /// Says that all facts before `next` are durable; seals what may be sealed, behind the caller.
    ///
    /// Called once a batch. Waits only when more than [`IdsLimits::frozen_max`] full parts wait to
    /// be sealed: memory is bounded, and whoever is faster than the disk is held up here.
    ///
    /// # Errors
    /// A sealing that failed while there is no room for more ([`IdsError::may_pass`]: call again;
    /// entries stay findable meanwhile); damage that merging found; a broken order of positions.
    pub fn durable(&mut self, next: Position) -> Result<(), IdsError> {
        self.durable = self.durable.max(next.number());
        self.receive();
        self.retry_in = self.retry_in.saturating_sub(1);
        self.try_sealing()?;
        self.receive_inline();
        self.make_room()?;
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// The positions of a key, oldest first; none when it was never inserted.
    ///
    /// Cheap for absent keys: a probe of the recent table, and of a filter for each run whose
    /// range spans the key. Pages are read only where a filter lets the key through.
    ///
    /// # Errors
    /// A page that cannot be read or does not match its check, by file and number.
    pub fn lookup(&self, key: &HashedKey) -> Result<Positions, IdsError> {
        let mut found = Positions::new();
        if self.is_spanned(key) {
            let probe = Probe::of(key.hash);
            for run in &self.runs {
                if run.spans(key) && run.filter().may_hold(&probe) {
                    self.read(run, key, &mut found)?;
                }
            }
        }
        for part in &self.frozen {
            part.collect(key, &mut found);
        }
        self.recent.collect(key, &mut found);
        Ok(found)
    }

    /// Brings what lookups of these keys will touch in memory into the caches, so that their
    /// misses overlap. A few hundred keys at a time: more push one another out.
    pub fn warm(&self, keys: &[HashedKey]) {
        let parts = self.frozen.iter().map(AsRef::as_ref).chain([&self.recent]);
        let mut touched = 0;
        for part in parts {
            touched = keys.iter().fold(touched, |sum, key| sum ^ part.touch(key));
        }
        if keys.iter().any(|key| self.is_spanned(key)) {
            // Run by run, so that nothing but the reads stands in the loop: they do not wait for
            // one another.
            for run in &self.runs {
                let spanned = keys.iter().filter(|key| run.spans(key));
                touched = spanned.fold(touched, |sum, key| sum ^ run.filter().touch(key.hash));
            }
        }
        core::hint::black_box(touched);
    }

    /// The position up to which all keys are in durable runs: where feeding begins after a stop.
    #[must_use]
    pub const fn covered(&self) -> Position {
        Position::new(self.covered)
    }

    /// All entries that are in memory only, in the order of positions: for an image, so that
    /// opening need not read the facts from [`Ids::covered`] on again.
    pub fn unsealed(&self) -> impl Iterator<Item = (IdKey, Position)> {
        self.frozen.iter().flat_map(|part| part.entries()).chain(self.recent.entries())
    }

    /// Takes back the entries from a position on: their append was refused or is unknown.
    ///
    /// Never reaches sealed ones, because they were durable. Slow, as it is rare.
    pub fn forget_from(&mut self, position: Position) {
        let from = position.number();
        let room = self.limits.recent_max;
        let in_flight = usize::from(self.is_sealing);
        for part in self.frozen.iter_mut().skip(in_flight).filter(|part| part.end() > from) {
            *part = Arc::new(part.before(from, &self.hasher, room));
        }
        let is_kept = |part: &Arc<Part>| !part.is_empty();
        let kept = self.frozen.drain(..).filter(is_kept).collect();
        self.frozen = kept;
        if self.recent.end() > from {
            self.recent = self.recent.before(from, &self.hasher, room);
        }
        self.durable = self.durable.min(from).max(self.covered);
    }

    /// Seals all durable entries, also of a part that is not full, and waits for it.
    ///
    /// # Errors
    /// As [`Ids::durable`]; what is not sealed stays in memory.
    pub fn drain(&mut self) -> Result<(), IdsError> {
        if !self.recent.is_empty() && self.recent.end() <= self.durable {
            self.freeze();
        }
        while self.may_seal() || self.is_sealing {
            self.retry_in = 0;
            self.try_sealing()?;
            self.wait()?;
            if let (false, Some(failure)) = (self.is_sealing, &self.last_failure) {
                return Err(failure.clone());
            }
        }
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Finishes all merging that is due, and waits for it: for tools and tests.
    ///
    /// # Errors
    /// Damage found; the thread gone.
    pub fn settle(&mut self) -> Result<(), IdsError> {
        self.is_settling = true;
        while !self.engine.submit(Request::Settle)? {
            self.wait()?;
        }
        while self.is_settling {
            self.wait()?;
        }
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Ends the background work and gives the disk back, unless its thread panicked. What is not
    /// sealed is fed again after the next opening; [`Ids::drain`] before leaves little.
    #[must_use]
    pub fn close(self) -> Option<D> {
        self.engine.stop()
    }

    /// Plain numbers.
    #[must_use]
    pub fn stats(&self) -> IdsStats {
        let parts = || self.frozen.iter().map(AsRef::as_ref).chain([&self.recent]);
        let cache = self.cache.borrow();
        IdsStats {
            recent_entries: parts().map(|part| run::bytes_u64(part.len())).sum(),
            frozen_parts: run::bytes_u64(self.frozen.len()),
            runs: run::bytes_u64(self.runs.len()),
            run_entries: self.runs.iter().map(|run| run.footer.count).sum(),
            disk_bytes: self.runs.iter().map(|run| run.footer.file_bytes()).sum(),
            run_memory_bytes: self.runs.iter().map(|run| run::bytes_u64(run.memory_bytes())).sum(),
            recent_memory_bytes: parts().map(|part| run::bytes_u64(part.memory_bytes())).sum(),
            page_reads: cache.reads,
            page_hits: cache.hits,
            false_positives: self.false_positives.get(),
            ..self.counts
        }
    }

    fn read(
        &self,
        run: &Run<D::File>,
        key: &HashedKey,
        found: &mut Positions,
    ) -> Result<(), IdsError> {
        let before = found.len();
        run.collect(key, &mut self.cache.borrow_mut(), found)?;
        let is_false = found.len() == before;
        self.false_positives.set(self.false_positives.get() + u64::from(is_false));
        Ok(())
    }

    /// Whether any run may hold the key. New ids that grow with time lie beyond all runs.
    fn is_spanned(&self, key: &HashedKey) -> bool {
        self.span
            .as_ref()
            .is_some_and(|(first, last)| key.order() >= *first && key.order() <= *last)
    }

    fn measure_span(&mut self) {
        let first = self.runs.iter().map(|run| run.range().0).min();
        let last = self.runs.iter().map(|run| run.range().1).max();
        self.span = first.zip(last);
    }

    /// No entry is beyond this position.
    fn newest(&self) -> u64 {
        let frozen = || self.frozen.back().and_then(|part| part.last());
        self.recent.last().or_else(frozen).unwrap_or(self.covered)
    }

    fn freeze(&mut self) {
        let fresh = Part::with_room(self.limits.recent_max);
        self.frozen.push_back(Arc::new(core::mem::replace(&mut self.recent, fresh)));
    }

    /// Whether the oldest frozen part is wholly durable and not yet being sealed.
    fn may_seal(&self) -> bool {
        let is_durable = |part: &Arc<Part>| part.end() <= self.durable;
        self.broken.is_none() && !self.is_sealing && self.frozen.front().is_some_and(is_durable)
    }

    fn try_sealing(&mut self) -> Result<(), IdsError> {
        if self.retry_in > 0 || !self.may_seal() {
            return Ok(());
        }
        if let Some(part) = self.frozen.front().map(Arc::clone) {
            self.is_sealing = self.engine.submit(Request::Seal(part))?;
        }
        Ok(())
    }

    /// Waits until few enough parts are frozen, unless they wait for the journal.
    fn make_room(&mut self) -> Result<(), IdsError> {
        while self.frozen.len() > self.limits.frozen_max && (self.is_sealing || self.may_seal()) {
            if !self.is_sealing && self.retry_in > 0 {
                return self.last_failure.clone().map_or(Ok(()), Err);
            }
            self.try_sealing()?;
            self.counts.waits += 1;
            self.wait()?;
        }
        Ok(())
    }

    fn receive(&mut self) {
        for report in self.engine.poll() {
            self.take(report);
        }
    }

    /// Without a thread what was submitted is already done.
    fn receive_inline(&mut self) {
        if matches!(self.engine, Engine::Inline { .. }) {
            self.receive();
        }
    }

    fn wait(&mut self) -> Result<(), IdsError> {
        for report in self.engine.wait()? {
            self.take(report);
        }
        Ok(())
    }

    fn take(&mut self, report: Report<D::File>) {
        match report {
            Report::Sealed(run) => self.take_sealed(*run),
            Report::Merged { inputs, run } => self.take_merged(&inputs, *run),
            Report::NotSealed(error) => {
                self.is_sealing = false;
                self.counts.failures += 1;
                self.failed_in_a_row += 1;
                self.retry_in = 1 << self.failed_in_a_row.min(RETRY_SHIFT_MAX);
                self.last_failure = Some(error);
            }
            Report::NotMerged(error) => {
                self.counts.failures += 1;
                if !error.may_pass() {
                    self.broken.get_or_insert(error);
                }
            }
            Report::Settled => self.is_settling = false,
        }
    }

    fn take_sealed(&mut self, run: Run<D::File>) {
        self.is_sealing = false;
        self.failed_in_a_row = 0;
        self.last_failure = None;
        self.counts.sealed += 1;
        self.covered = run.footer.to;
        self.runs.push(run);
        self.measure_span();
        if let Some(part) = self.frozen.pop_front() {
            self.discard(Garbage::Part(part));
        }
    }

    fn take_merged(&mut self, inputs: &[u64], run: Run<D::File>) {
        self.counts.merged += 1;
        let is_input = |run: &Run<D::File>| inputs.contains(&run.footer.number);
        let at = self.runs.iter().position(is_input).unwrap_or(self.runs.len());
        let inputs = at..(at + inputs.len()).min(self.runs.len());
        let merged = self.runs.splice(inputs, [run]).collect();
        self.discard(Garbage::Runs(merged));
    }

    /// Dropped by the worker if it has room, here otherwise.
    fn discard(&mut self, garbage: Garbage<D::File>) {
        // A thread that is gone is reported by the next call that needs it.
        let _ = self.engine.submit(Request::Drop(garbage));
    }
}

/// Between two tries of a failing sealing lie at most 2^10 batches.
const RETRY_SHIFT_MAX: u32 = 10;

/// Removes the whole index, manifest first. The next opening begins at position 0.
///
/// # Errors
/// The device's; call again.
pub fn erase<D: Disk>(disk: &D) -> Result<(), IdsError> {
    let names = disk.list().map_err(IdsError::failed(".", "listed"))?;
    if names.iter().any(|name| name == MANIFEST_NAME) {
        // Stopped after: runs without a manifest, which opening removes.
        disk.remove(MANIFEST_NAME).map_err(IdsError::failed(MANIFEST_NAME, "removed"))?;
        disk.sync_directory().map_err(IdsError::failed(".", "synced"))?;
    }
    for name in names.iter().filter(|name| *name != MANIFEST_NAME && is_ours(name)) {
        disk.remove(name).map_err(IdsError::failed(name, "removed"))?;
    }
    disk.sync_directory().map_err(IdsError::failed(".", "synced"))
}

/// Reads every page of every run: for checks on a copy. Returns how many entries there are.
///
/// # Errors
/// The first damage, by file and page; the device's.
pub fn check<D: Disk>(disk: &D, book: &BookName) -> Result<u64, IdsError> {
    let Some(manifest) = Manifest::read(disk, book)? else { return Ok(0) };
    let mut entries = 0;
    for run in &manifest.runs {
        // Opening checks index and filter, reading the pages.
        Run::open(disk, run.number, &run.footer)?;
        let mut reader = RunReader::open(disk, run.number, &run.footer)?;
        while reader.head().is_some() {
            entries += 1;
            reader.advance()?;
        }
    }
    Ok(entries)
}
