//! What a book's journal lies on, and what its next append suffers.

use journal::{Append, Batch, ClaimError, Journal, MemoryJournal, NotDone, ReadError, Tip};
use store::fault::FaultDisk;
use store::{Opening, SegmentConfig, SegmentJournal};
use terms::{BookName, Epoch, Position, RunId};

/// What becomes of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Surely not done, and the writer is told so.
    NotDone,
    /// Done, and the writer is told that it is unknown.
    UnknownDone,
    /// Not done, and the writer is told that it is unknown.
    UnknownNotDone,
    /// The process dies before the append.
    CrashBefore,
    /// The process dies after the append, before anybody is told.
    CrashAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::NotDone,
        Self::UnknownDone,
        Self::UnknownNotDone,
        Self::CrashBefore,
        Self::CrashAfter,
    ];

    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotDone => "not done",
            Self::UnknownDone => "unknown, done",
            Self::UnknownNotDone => "unknown, not done",
            Self::CrashBefore => "crash before",
            Self::CrashAfter => "crash after",
        }
    }
}

#[derive(Debug)]
enum Lies {
    Memory(MemoryJournal),
    Disk(FaultDisk, SegmentConfig, Option<Box<SegmentJournal<FaultDisk>>>),
}

/// A journal that outlives the process that writes it.
#[derive(Debug)]
pub struct Backing {
    lies: Lies,
    /// What the next append suffers.
    pub next: Option<Fault>,
    /// Whether the planned fault has happened.
    pub fired: bool,
    /// Whether the process is dead.
    pub crashed: bool,
}

impl Backing {
    /// In memory: every append is atomic.
    #[must_use]
    pub fn memory(book: BookName) -> Self {
        Self::on(Lies::Memory(MemoryJournal::new(book)))
    }

    /// On a disk that fails by its own dice.
    #[must_use]
    pub fn disk(book: BookName, disk: FaultDisk) -> Self {
        let config = SegmentConfig { book, segment_bytes: 1 << 16, opening: Opening::ReadsTail };
        Self::on(Lies::Disk(disk, config, None))
    }

    const fn on(lies: Lies) -> Self {
        Self { lies, next: None, fired: false, crashed: false }
    }

    /// A new process: the disk comes back as the power left it.
    pub fn restart(&mut self, power_was_lost: bool) {
        (self.crashed, self.next) = (false, None);
        if let Lies::Disk(disk, _, journal) = &mut self.lies {
            *journal = None;
            if power_was_lost { disk.reboot() } else { disk.kill_process() }
        }
    }

    /// Opens the journal where that can fail.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn open(&mut self) -> Result<(), String> {
        if let Lies::Disk(disk, config, journal @ None) = &mut self.lies {
            let opened = SegmentJournal::open(disk.clone(), *config);
            *journal = Some(Box::new(opened.map_err(|error| error.to_string())?));
        }
        Ok(())
    }

    fn inner(&self) -> Option<&dyn Journal> {
        match &self.lies {
            Lies::Memory(journal) => Some(journal),
            Lies::Disk(_, _, Some(journal)) => Some(journal.as_ref()),
            Lies::Disk(_, _, None) => None,
        }
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Journal> {
        match &mut self.lies {
            Lies::Memory(journal) => Some(journal),
            Lies::Disk(_, _, Some(journal)) => Some(journal.as_mut()),
            Lies::Disk(_, _, None) => None,
        }
    }
}

impl Journal for Backing {
    fn append(&mut self, expected: Position, epoch: Epoch, batch: &Batch) -> Append {
        let fault = self.next.take();
        self.fired = self.fired || fault.is_some();
        self.crashed =
            self.crashed || matches!(fault, Some(Fault::CrashBefore | Fault::CrashAfter));
        let lost = || Append::Unknown("planned".to_owned());
        match fault {
            Some(Fault::NotDone) => Append::NotDone(NotDone::Failed("planned".to_owned())),
            Some(Fault::UnknownNotDone | Fault::CrashBefore) => lost(),
            Some(Fault::UnknownDone | Fault::CrashAfter) => {
                let _ = self.inner_mut().map(|j| j.append(expected, epoch, batch));
                lost()
            }
            None => self.inner_mut().map_or_else(lost, |j| j.append(expected, epoch, batch)),
        }
    }

    fn read_from(&self, position: Position, most: usize) -> Result<Vec<Batch>, ReadError> {
        let closed = || Err(ReadError::Failed("closed".to_owned()));
        self.inner().map_or_else(closed, |j| j.read_from(position, most))
    }

    fn head(&self) -> Result<Tip, ReadError> {
        self.inner().map_or_else(|| Err(ReadError::Failed("closed".to_owned())), Journal::head)
    }

    fn claim_epoch(&mut self, run: RunId) -> Result<Epoch, ClaimError> {
        let closed = || Err(ClaimError::Failed("closed".to_owned()));
        self.inner_mut().map_or_else(closed, |j| j.claim_epoch(run))
    }
}
