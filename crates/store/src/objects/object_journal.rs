//! The journal as objects: one per batch, created once, under an epoch that is updated by version.
//!
//! `epoch` holds the newest claimed epoch and its run; `batch/<first position, 20 digits>` each
//! batch, byte for byte. The name is the position alone: of two writers at one position the place
//! lets one create it, whatever they believe of their epochs.
//!
//! # The fence
//!
//! A place cannot make the creation of one object depend on another, so an older writer that
//! paused between reading the epoch and creating its batch could still win a position after a
//! newer one claimed. The newer one decides this in its claim: after the epoch is its own it puts
//! a *stop* of its epoch beside the head, `batch/<next position>` being the only name that an older
//! writer can want, and only then is the head known. What an older one creates there before the
//! stop is a batch of the journal, as any in flight is; after it there is no room. The writer's
//! own first batch then stands behind the stop, at `batch/<next position>.<epoch>`; readers ask
//! for that name when they meet a stop. Durability class: the place's own.

use std::sync::Arc;

use journal::memory::{Epochs, admissible};
use journal::{Append, Batch, BatchError, ClaimError, Journal, NotDone, ReadError, Tip};
use seal::digest::{Domain, digest};
use terms::{BookName, Epoch, Position, RunId};

use super::{Created, ObjectError, Objects, Updated, Version, create_once, update_once};

const EPOCH_NAME: &str = "epoch";
const EPOCH_MAGIC: &[u8; 6] = b"WLoe\x00\x01";
const EPOCH_DOMAIN: Domain = Domain::new("wayleave/journal/object-epoch/v1");
const STOP_MAGIC: &[u8; 6] = b"WLos\x00\x01";
const STOP_DOMAIN: Domain = Domain::new("wayleave/journal/object-stop/v1");
/// Tries to claim against others who claim at the same time.
const CLAIMS_MAX: usize = 8;

/// Why a journal in a place of objects could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenObjectsError {
    /// A batch is damaged or missing.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The place.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// A journal over a place of objects.
#[derive(Debug)]
pub struct ObjectJournal {
    objects: Arc<dyn Objects>,
    book: BookName,
    epoch: Epoch,
    /// Where batches lie: first position and object, in order.
    places: Vec<(Position, String)>,
    tip: Tip,
    /// The stop that the head meets, whose epoch its next batch's name carries.
    stop: Option<Epoch>,
    stopped: Option<String>,
    /// The epoch of the last batch.
    seen: Epoch,
}

/// What lies under a name.
enum Slot {
    Nothing,
    Batch(Box<Batch>),
    Stop(Epoch),
}

impl ObjectJournal {
    /// Reads and checks the whole journal.
    ///
    /// # Errors
    /// [`OpenObjectsError`].
    pub fn open(objects: Arc<dyn Objects>, book: BookName) -> Result<Self, OpenObjectsError> {
        let mut journal = Self {
            objects,
            book,
            epoch: Epoch::ZERO,
            places: Vec::new(),
            tip: Tip::GENESIS,
            stop: None,
            stopped: None,
            seen: Epoch::ZERO,
        };
        journal.epoch = journal.newest_epoch().map_err(ReadError::Failed)?.0;
        journal.go_on()?;
        Ok(journal)
    }

    /// Takes note of what lies behind the known head.
    fn go_on(&mut self) -> Result<(), ReadError> {
        loop {
            let name = self.name();
            match self.slot(&name)? {
                Slot::Nothing => return Ok(()),
                Slot::Stop(epoch) => self.stop = Some(epoch),
                Slot::Batch(batch) => {
                    batch
                        .follows(&self.tip, &self.book)
                        .map_err(|error| damaged(&name, self.tip.next, error))?;
                    self.take(name, &batch);
                }
            }
        }
    }

    fn take(&mut self, name: String, batch: &Batch) {
        self.places.push((batch.origin().first, name));
        self.tip = batch.tip();
        self.seen = batch.origin().epoch;
        self.stop = None;
    }

    /// The name that the next batch is to have, as far as stops are known.
    fn name(&self) -> String {
        let position = self.tip.next.number();
        match self.stop {
            None => format!("batch/{position:020}"),
            Some(epoch) => format!("batch/{position:020}.{:020}", epoch.number()),
        }
    }

    fn slot(&self, name: &str) -> Result<Slot, ReadError> {
        let read = self.objects.read(name).map_err(|error| ReadError::Failed(error.to_string()))?;
        let Some((bytes, _)) = read else { return Ok(Slot::Nothing) };
        if let Some(epoch) = parse(&bytes, *STOP_MAGIC, STOP_DOMAIN) {
            return Ok(Slot::Stop(epoch));
        }
        let batch = Batch::from_bytes(bytes);
        batch
            .map(|batch| Slot::Batch(Box::new(batch)))
            .map_err(|error| damaged(name, self.tip.next, error))
    }

    fn newest_epoch(&self) -> Result<(Epoch, Option<Version>), String> {
        match self.objects.read(EPOCH_NAME).map_err(|error| error.to_string())? {
            None => Ok((Epoch::ZERO, None)),
            Some((bytes, version)) => {
                let epoch = parse(&bytes, *EPOCH_MAGIC, EPOCH_DOMAIN);
                Ok((epoch.ok_or("the object `epoch` is damaged")?, Some(version)))
            }
        }
    }

    pub(super) fn claim(&self, run: RunId) -> Result<Epoch, String> {
        for _ in 0..CLAIMS_MAX {
            let (newest, version) = self.newest_epoch()?;
            let next = newest.next().ok_or("no epoch is left")?;
            let bytes = mark(*EPOCH_MAGIC, EPOCH_DOMAIN, next, run);
            let objects = self.objects.as_ref();
            let won = match version {
                None => create_once(objects, EPOCH_NAME, &bytes)
                    .map(|created| matches!(created, Created::Done(_))),
                Some(known) => update_once(objects, EPOCH_NAME, &bytes, &known)
                    .map(|updated| matches!(updated, Updated::Done(_))),
            };
            if won.map_err(|error| error.to_string())? {
                return Ok(next);
            }
        }
        Err("others claim at the same time; try again".to_owned())
    }

    /// Finds the head and stands a stop of this epoch there: what an older writer has in flight
    /// is in before it, or never.
    pub(super) fn settle(&mut self, epoch: Epoch, run: RunId) -> Result<(), ClaimError> {
        loop {
            self.go_on()?;
            // Whoever claimed later may have been here first: it is the writer.
            if self.stop.is_some_and(|newer| newer > epoch) || self.seen > epoch {
                return Err(ClaimError::Failed("another writer claimed a newer epoch".to_owned()));
            }
            let stop = mark(*STOP_MAGIC, STOP_DOMAIN, epoch, run);
            let name = self.name();
            let created = create_once(self.objects.as_ref(), &name, &stop);
            if let Created::Done(_) = created.map_err(|e| ClaimError::Failed(e.to_string()))? {
                self.stop = Some(epoch);
                return Ok(());
            }
        }
    }
}

impl Journal for ObjectJournal {
    fn append(&mut self, expected: Position, epoch: Epoch, batch: &Batch) -> Append {
        if let Some(why) = &self.stopped {
            return Append::NotDone(NotDone::Stopped(why.clone()));
        }
        let epochs = Epochs { offered: epoch, newest: self.epoch };
        if let Err(why) = admissible(batch, expected, epochs, &self.book, &self.tip) {
            return Append::NotDone(why);
        }
        let name = self.name();
        match create_once(self.objects.as_ref(), &name, batch.bytes()) {
            Ok(Created::Done(_)) => {
                self.take(name, batch);
                Append::Appended
            }
            Ok(Created::Exists) => {
                // Another writer's batch, or its stop: this one was fenced.
                let newest = self.newest_epoch().map_or(self.epoch, |(newest, _)| newest);
                self.stopped = Some(format!("another writer has position `{expected}`"));
                Append::NotDone(NotDone::Fenced { newest })
            }
            Err(ObjectError::NotDone { why, .. }) => Append::NotDone(NotDone::Failed(why)),
            Err(ObjectError::Unknown { why, .. }) => {
                self.stopped = Some(why.clone());
                Append::Unknown(why)
            }
        }
    }

    fn read_from(&self, position: Position, most: usize) -> Result<Vec<Batch>, ReadError> {
        self.head()?;
        let after = self.places.partition_point(|(first, _)| *first <= position);
        let begin = if position < self.tip.next { after.saturating_sub(1) } else { after };
        let mut batches = Vec::new();
        for (first, name) in self.places.iter().skip(begin).take(most) {
            match self.slot(name)? {
                Slot::Batch(batch) if batch.origin().first == *first => batches.push(*batch),
                Slot::Batch(_) | Slot::Stop(_) | Slot::Nothing => {
                    return Err(ReadError::Failed(format!("`{name}` is gone, or another")));
                }
            }
        }
        Ok(batches)
    }

    fn head(&self) -> Result<Tip, ReadError> {
        match &self.stopped {
            Some(why) => Err(ReadError::Failed(format!("stopped: {why}"))),
            None => Ok(self.tip),
        }
    }

    fn claim_epoch(&mut self, run: RunId) -> Result<Epoch, ClaimError> {
        let epoch = self.claim(run).map_err(ClaimError::Failed)?;
        // From here on nothing is appended before the head is found under this epoch.
        self.stopped = Some("the head was not found".to_owned());
        self.settle(epoch, run)?;
        self.epoch = epoch;
        self.stopped = None;
        Ok(epoch)
    }
}

/// Magic, epoch and run, with a digest.
fn mark(magic: [u8; 6], domain: Domain, epoch: Epoch, run: RunId) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&epoch.number().to_be_bytes());
    bytes.extend_from_slice(&run.bytes());
    let check = digest(domain, &bytes);
    bytes.extend_from_slice(check.as_bytes());
    bytes
}

fn parse(bytes: &[u8], magic: [u8; 6], domain: Domain) -> Option<Epoch> {
    let (covered, check) = bytes.split_last_chunk::<32>()?;
    let rest = covered.strip_prefix(&magic)?;
    let (number, run) = rest.split_first_chunk::<8>()?;
    let sound = run.len() == 16 && digest(domain, covered).as_bytes() == check;
    sound.then(|| Epoch::new(u64::from_be_bytes(*number)))
}

fn damaged(name: &str, next: Position, error: BatchError) -> ReadError {
    ReadError::Damaged {
        place: name.to_owned(),
        offset: 0,
        batch: error.batch.unwrap_or(next),
        error,
    }
}
