//! One life of a process: the writer's and the appender's turns on one thread.

use std::collections::{BTreeSet, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bookkeeping::{Found, LedgerBook, LedgerFact, Outcome, Request};
use journal::testkit::{FixedSalts, book_name};
use journal::{
    Append, Book, ClosedBatch, Image, Journal, Limits, OpenError, Sealer, Start, SubmitError,
};
use ledger_server::LedgerRecall;
use store::ids::{Ids, IdsConfig, IdsLimits, IdsSeed};
use store::image::{load_image, save_image};
use store::{Known, NoRows, Opening, Past, Recall, SegmentConfig, SegmentJournal, SegmentReader};
use terms::{Instant, Position, RunId};

use crate::clients::{Asked, Memory};
use crate::probe::{Disks, Part, Probe};
use crate::{Bug, Dice};

/// Ids of one world: so few that most are asked for again.
const IDS: u64 = 34;
const IMAGE_EVERY: u64 = 5;

pub fn segments() -> SegmentConfig {
    SegmentConfig { book: book_name(), segment_bytes: 2048, opening: Opening::ReadsTail }
}

pub fn ids() -> IdsConfig {
    let limits = IdsLimits {
        recent_max: 6,
        frozen_max: 1,
        merge_runs: 2,
        tier_max: 2,
        slice_entries: 4,
        cached_pages: 2,
    };
    IdsConfig { book: book_name(), seed: IdsSeed::new([5; 16]), limits }
}

/// The look-ups with who reads for them, whose turn comes at once.
pub struct Recalls {
    recall: LedgerRecall<Probe, Probe>,
    past: Box<dyn Past<LedgerFact>>,
}

impl Recalls {
    pub fn new(ids: Ids<Probe>, covered: Position, reader: SegmentReader<Probe>) -> Self {
        let mut recall = LedgerRecall::new(ids, covered, reader);
        let past = recall.past().unwrap();
        Self { recall, past }
    }

    /// As the driver does: facts that are not at hand are read, and it is asked again.
    pub fn rows(&mut self, book: &Book<LedgerBook>, request: &Request) -> Result<Found, NoRows> {
        let mut known = Known::default();
        loop {
            self.recall.lend(known);
            let rows = self.recall.rows(book, request);
            known = self.recall.take_back();
            if rows != Err(NoRows::Cold) {
                return rows;
            }
            let mut wanted = BTreeSet::new();
            self.recall.cold(book, core::slice::from_ref(request), &mut wanted);
            wanted.retain(|position| known.at(*position).is_none());
            if wanted.is_empty() {
                // A run could not be read when it was asked what it names: the driver declines.
                return rows;
            }
            for position in wanted {
                known.learn(position, self.past.fact(position));
            }
        }
    }
}

impl Deref for Recalls {
    type Target = LedgerRecall<Probe, Probe>;

    fn deref(&self) -> &Self::Target {
        &self.recall
    }
}

impl DerefMut for Recalls {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.recall
    }
}

struct Waiting {
    needs: Position,
    asked: Asked,
    outcome: Outcome,
    position: Position,
    facts: Vec<LedgerFact>,
}

/// An image that waits for its position to be durable.
struct Imaging {
    next: Position,
    bytes: Option<Vec<u8>>,
    taken: Vec<u8>,
}

impl Imaging {
    fn step(&mut self, book: &mut Book<LedgerBook>) {
        if !book.image(|book| book.image_step(&mut self.taken)) {
            self.bytes = Some(core::mem::take(&mut self.taken));
        }
    }
}

pub struct Life<'w> {
    pub disks: &'w Disks,
    pub memory: &'w mut Memory,
    pub dice: Dice,
    pub bug: Bug,
    pub now: u64,
}

struct Running {
    book: Book<LedgerBook>,
    sealer: Sealer,
    closed: VecDeque<ClosedBatch>,
    waiting: VecDeque<Waiting>,
    imaging: Option<Imaging>,
    imaged: Position,
}

/// Opens the book as the driver does: image or genesis, refold, then the index.
pub fn open_book(
    disks: &Disks,
    journal: &mut SegmentJournal<Probe>,
    recall: &mut Recalls,
    limits: Limits,
    bug: Bug,
) -> Result<Option<Book<LedgerBook>>, String> {
    let run = RunId::from_bytes([3; 16]);
    let genesis = || Start::genesis(LedgerBook::new(1));
    let image: Option<Start<LedgerBook>> =
        load_image(&disks.part(Part::Images), &book_name()).ok().flatten();
    let start = image.unwrap_or_else(genesis);
    let opened = match Book::open(book_name(), limits, run, start, journal) {
        Err(OpenError::ForeignState(_)) => Book::open(book_name(), limits, run, genesis(), journal),
        other => other,
    };
    let (mut book, refolded) = match opened {
        Ok(opened) => opened,
        Err(OpenError::Claim(_) | OpenError::Read(_)) => return Ok(None),
        Err(other) => return Err(other.to_string()),
    };
    book.keep_unwritten();
    if bug == Bug::NothingForgotten && refolded.epoch.number() > 1 {
        return Ok(Some(book));
    }
    let mut next = recall.opened(&refolded.tip).map_err(|error| error.to_string())?;
    while next < refolded.tip.next {
        let Ok(batches) = journal.read_from(next, 3) else { return Ok(None) };
        for batch in batches {
            next = batch.tip().next;
            recall.learn(&Arc::new(batch)).map_err(|error| error.to_string())?;
        }
    }
    Ok(Some(book))
}

impl Life<'_> {
    /// Until the power goes, a fault cannot be cured, or the work runs out.
    pub fn live(&mut self, turns: u64) -> Result<(), String> {
        let ended = self.try_live(turns);
        // What a process thinks while its disks are gone is nobody's business: it told no one.
        if self.disks.is_down() && self.bug == Bug::None { Ok(()) } else { ended }
    }

    fn try_live(&mut self, turns: u64) -> Result<(), String> {
        let disk = self.disks.part(Part::Journal);
        let Some(mut journal) = sound(SegmentJournal::open(disk.clone(), segments()))? else {
            return Ok(());
        };
        let (ids, covered) = match Ids::open_inline(self.disks.part(Part::Ids), &ids()) {
            Ok(opened) => opened,
            Err(error) if error.may_pass() => return Ok(()),
            Err(error) => return Err(format!("a crash looks like damage: {error}")),
        };
        let reader = journal.reader(disk);
        let mut recall = Recalls::new(ids, covered, reader);
        for _reopening in 0..3 {
            let facts = 1 + usize::try_from(self.dice.below(4)).unwrap();
            let limits = Limits { batch_facts: facts, ..Limits::WIDEST };
            let opened = open_book(self.disks, &mut journal, &mut recall, limits, self.bug)?;
            let Some(mut book) = opened else { continue };
            let sealer = book.take_sealer().unwrap();
            let imaged = book.closed_next();
            let mut running = Running {
                book,
                sealer,
                closed: VecDeque::new(),
                waiting: VecDeque::new(),
                imaging: None,
                imaged,
            };
            for _turn in 0..turns {
                for _ in 0..self.dice.below(5) {
                    let asked = Asked::any(&mut self.dice, IDS);
                    self.ask(&mut running, &mut journal, &mut recall, asked)?;
                }
                self.close(&mut running);
                // The next batch is judged while this one is written, or not.
                if self.dice.below(3) > 0 {
                    self.write(&mut running, &mut journal, &mut recall)?;
                }
                if running.book.is_stopped() {
                    break;
                }
            }
            while !running.closed.is_empty() {
                self.write(&mut running, &mut journal, &mut recall)?;
            }
        }
        Ok(())
    }

    fn ask(
        &mut self,
        running: &mut Running,
        journal: &mut SegmentJournal<Probe>,
        recall: &mut Recalls,
        asked: Asked,
    ) -> Result<(), String> {
        self.now += self.dice.below(4);
        let now = Instant::from_nanos(self.now);
        let Ok(mut rows) = recall.rows(&running.book, &asked.request) else { return Ok(()) };
        if self.bug == Bug::NothingLookedUp {
            rows = Found::default();
        }
        let mut decided = running.book.decide(now, &rows, &asked.request, &FixedSalts);
        if decided.as_ref().is_err_and(|error| *error == SubmitError::BatchFull) {
            self.close(running);
            if !running.book.has_open() {
                decided = running.book.decide(now, &rows, &asked.request, &FixedSalts);
            } else {
                self.write(running, journal, recall)?;
                // The state may be another one now: what was looked up is of the old one.
                return Ok(());
            }
        }
        let Ok(decided) = decided else { return Ok(()) };
        recall.decided(decided.position, decided.stamp, running.book.decided());
        let (needs, position) = (decided.needs, decided.position);
        let needs = if self.bug == Bug::ToldBeforeDurable { Position::ZERO } else { needs };
        let (facts, outcome) = (running.book.decided().to_vec(), decided.outcome);
        running.waiting.push_back(Waiting { needs, asked, outcome, position, facts });
        if let Some(imaging) = running.imaging.as_mut().filter(|i| i.bytes.is_none()) {
            imaging.step(&mut running.book);
        }
        self.tell(running)
    }

    fn close(&mut self, running: &mut Running) {
        let Some(closed) = running.book.close() else { return };
        running.closed.push_back(closed);
        let next = running.book.closed_next();
        if running.imaging.is_none() && next.number() >= running.imaged.number() + IMAGE_EVERY {
            let bytes = if self.dice.coin() {
                Some(running.book.working().save())
            } else {
                running.book.image(LedgerBook::begin_image);
                None
            };
            running.imaging = Some(Imaging { next, bytes, taken: Vec::new() });
        }
    }

    /// The appender's turn, for the oldest closed batch.
    fn write(
        &mut self,
        running: &mut Running,
        journal: &mut SegmentJournal<Probe>,
        recall: &mut Recalls,
    ) -> Result<(), String> {
        let Some(closed) = running.closed.pop_front() else { return Ok(()) };
        let batch = running.sealer.seal(closed, &FixedSalts).map_err(|error| error.to_string())?;
        let batch = Arc::new(batch);
        if self.bug == Bug::IndexAheadOfJournal {
            recall.durable(&batch);
        }
        let epoch = running.sealer.epoch();
        match journal.append(running.book.durable().next, epoch, &batch) {
            Append::Appended => {}
            Append::Unknown(_) if self.bug == Bug::UnknownIsDone => {}
            Append::NotDone(_) | Append::Unknown(_) => {
                running.book.lost();
                running.closed.clear();
                // Their callers are told that nobody knows.
                running.waiting.clear();
                return Ok(());
            }
        }
        running.book.landed(batch.digest());
        if self.bug != Bug::IndexAheadOfJournal {
            recall.durable(&batch);
        }
        self.tell(running)?;
        let tip = batch.tip();
        if let Some(imaging) = &mut running.imaging {
            while imaging.next == tip.next && imaging.bytes.is_none() {
                imaging.step(&mut running.book);
            }
            if let (true, Some(bytes)) = (imaging.next == tip.next, &imaging.bytes) {
                let images = self.disks.part(Part::Images);
                let _ = save_image(&images, &book_name(), bytes, &tip);
                running.imaging = None;
                running.imaged = tip.next;
            }
        }
        Ok(())
    }

    /// What may leave, leaves.
    fn tell(&mut self, running: &mut Running) -> Result<(), String> {
        let durable = running.book.durable().next;
        while let Some(first) = running.waiting.pop_front_if(|waiting| waiting.needs <= durable) {
            let Waiting { asked, outcome, position, facts, .. } = first;
            self.memory.learn(&asked, &outcome, position, &facts)?;
        }
        Ok(())
    }
}

/// A journal, or `None` when the device failed; damage is never a crash's doing.
pub fn sound<T>(opened: Result<T, store::OpenJournalError>) -> Result<Option<T>, String> {
    use store::segment_journal::OpenJournalError as Error;
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(Error::Failed(_) | Error::Epoch(store::epoch_file::EpochError::Failed(_))) => Ok(None),
        Err(Error::Read(journal::ReadError::Failed(_))) => Ok(None),
        Err(other) => Err(format!("a crash looks like damage: {other}")),
    }
}
