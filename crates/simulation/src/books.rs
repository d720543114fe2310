//! One book that runs: its journal, its working state, and who waits for which answer.

use std::collections::BTreeMap;

use clearing::Heard;
use journal::testkit::FixedSalts;
use journal::{Book, End, Image, Limits, Machine, Start, SubmitError, Ticket, Tip};
use record::Fact;
use terms::{BookName, Instant, Position, RunId};

use crate::backing::Backing;
use crate::dice::Dice;

/// A book, its journal, and those who wait.
pub struct Running<M: Machine> {
    name: BookName,
    genesis: M,
    image: Option<(Vec<u8>, Tip)>,
    /// Its journal.
    pub backing: Backing,
    book: Option<Book<M>>,
    /// Who waits, and what a read has seen.
    waiting: BTreeMap<Ticket, (usize, Option<Heard>)>,
}

/// How an answer of a machine becomes what a route hears.
pub type ToHeard<M> = fn(<M as Machine>::Outcome, Position) -> Heard;

impl<M: Machine<Fact = Fact, Rows = ()> + Image + Clone> Running<M> {
    /// A book that is not open yet.
    pub const fn new(name: BookName, genesis: M, backing: Backing) -> Self {
        Self { name, genesis, image: None, backing, book: None, waiting: BTreeMap::new() }
    }

    /// Opens it: from its image if there is one that loads, else from the first fact.
    ///
    /// # Errors
    /// Why not, in words: the disk may fail again.
    pub fn open(&mut self, dice: &mut Dice) -> Result<(), String> {
        self.backing.open()?;
        let loaded = self
            .image
            .as_ref()
            .and_then(|(bytes, tip)| M::load(bytes).ok().map(|state| Start { state, tip: *tip }));
        let start = loaded.unwrap_or_else(|| Start::genesis(self.genesis.clone()));
        let run = RunId::from_bytes(
            [dice.roll().to_be_bytes(), dice.roll().to_be_bytes()]
                .concat()
                .try_into()
                .unwrap_or([0; 16]),
        );
        let limits = Limits { batch_facts: 2 + dice.index(6), ..Limits::WIDEST };
        let opened = Book::open(self.name, limits, run, start, &mut self.backing);
        let (book, _) = opened.map_err(|error| error.to_string())?;
        self.book = Some(book);
        Ok(())
    }

    /// Ends the process: who waited hears nothing.
    pub fn crash(&mut self, power_was_lost: bool) {
        self.book = None;
        self.waiting.clear();
        self.backing.restart(power_was_lost);
    }

    /// The working state.
    pub fn state(&self) -> &M {
        self.book.as_ref().expect("an open book").working()
    }

    /// The fold of the journal from its first fact, read again.
    pub fn refold(&self) -> (M, Vec<(Position, Instant, Fact)>) {
        use journal::Journal;
        let mut state = self.genesis.clone();
        let mut facts = Vec::new();
        for batch in self.backing.read_from(Position::ZERO, usize::MAX).expect("readable") {
            let stamp = batch.origin().stamp;
            for stored in batch.entries() {
                let fact = stored.fact::<Fact>().expect("a fact of this build");
                state.apply(stored.position, stamp, &fact);
                facts.push((stored.position, stamp, fact));
            }
        }
        (state, facts)
    }

    /// Queues a command for `who`. `false`: surely not taken.
    pub fn submit(&mut self, now: Instant, command: &M::Command, who: usize) -> bool {
        let Some(book) = &mut self.book else { return false };
        match book.submit(now, &(), command, &FixedSalts) {
            Ok(ticket) => {
                self.waiting.insert(ticket, (who, None));
                true
            }
            Err(SubmitError::TooLarge | SubmitError::NoSaltKey(_)) => {
                unreachable_command(&self.name)
            }
            Err(SubmitError::BatchFull | SubmitError::Busy | SubmitError::Stopped) => false,
        }
    }

    /// Queues a read for `who`: what it sees now leaves when that is durable.
    pub fn read(&mut self, now: Instant, who: usize, seen: impl FnOnce(&M, Position) -> Heard) {
        let Some(book) = &mut self.book else { return };
        let seen = seen(book.working(), book.durable().next);
        if let Ok(ticket) = book.read(now) {
            self.waiting.insert(ticket, (who, Some(seen)));
        }
    }

    /// Whether facts wait to be written or answers to be released.
    pub fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes out and tells who waits. A book that stopped is opened again, unless the process
    /// died: then nobody is told anything.
    pub fn turn(&mut self, dice: &mut Dice, to_heard: ToHeard<M>) -> Vec<(usize, Heard)> {
        let Some(book) = &mut self.book else { return Vec::new() };
        let _ = book.write_out(&mut self.backing, &FixedSalts);
        if self.backing.crashed {
            return Vec::new();
        }
        let mut told = Vec::new();
        for release in book.release() {
            let Some((who, seen)) = self.waiting.remove(&release.ticket) else { continue };
            let heard = match (release.end, seen) {
                (End::Unknown, _) => Heard::Unknown,
                (End::Done { .. }, Some(seen)) => seen,
                (End::Done { outcome: Some(outcome), position, .. }, None) => {
                    to_heard(outcome, position)
                }
                (End::Done { outcome: None, .. }, None) => Heard::Unknown,
            };
            told.push((who, heard));
        }
        if let Some((state, tip)) = book.settled_state()
            && dice.one_in(8)
        {
            self.image = Some((state.save(), tip));
        }
        if book.is_stopped() {
            self.book = None;
            self.waiting.clear();
            // A disk that fails again is a process that dies: somebody starts it again.
            self.backing.crashed = self.open(dice).is_err();
        }
        told
    }
}

#[expect(clippy::panic, reason = "a world that cannot be is a bug of the simulation")]
fn unreachable_command(name: &BookName) -> bool {
    panic!("book `{name}` cannot take a command of the path at all")
}
