//! The thread that owns the journal: seals, writes, syncs, hands batches to subscribers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use journal::{
    Append, Batch, Book, Claimed, ClosedBatch, Journal, Machine, NotDone, OpenError, ReadError,
    Refolded, Salts, Sealer, Start,
};
use terms::Position;

use super::images::Images;
use super::pauses::Pauses;
use super::recall::{Recall, RecallError};
use super::teaching::{Lesson, teaching};
use super::{BookConfig, Damage, SUBSCRIBER_BATCHES};
use crate::recovery::Recovery;

/// Batches that are kept for a subscriber whose channel is full, at least; a batch is some hundred
/// bytes to two megabytes long.
const PENDING_BATCHES: usize = 8;
/// Beyond those, small ones are kept up to so many bytes: what is read in one turn for a subscriber
/// that lags, while nothing waits to be written.
const PENDING_BYTES: usize = 1 << 20;
/// While something does: less than a tenth of a millisecond of reading and checking.
const BESIDE_BYTES: usize = 64 << 10;
/// Batches read in one turn, however small: what a channel holds.
const CATCH_UP_BATCHES: usize = SUBSCRIBER_BATCHES;
/// How long the appender waits for work while all who lag have full channels.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// How long it waits for bytes that could not be read and are not known to be damaged.
const FAILED_PAUSE: Duration = Duration::from_millis(50);

/// What the writer tells the appender.
pub(super) enum Order<R> {
    Append(ClosedBatch),
    Subscribe(Position, SyncSender<Arc<Batch>>),
    /// Opens the book again after a failure.
    Reopen(R),
}

/// What the appender tells the writer.
pub(super) enum Report<M: Machine, R> {
    Landed(Arc<Batch>),
    Failed(Append),
    Reopened(Box<Result<(Book<M>, Recovery), OpenFailure>>, R),
}

/// Why a book could not be opened.
#[derive(Debug)]
pub(super) enum OpenFailure {
    Open(OpenError),
    Recall(RecallError),
}

impl std::fmt::Display for OpenFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Recall(error) => error.fmt(f),
        }
    }
}

pub(super) struct Appender<M, J, S> {
    pub(super) config: BookConfig,
    pub(super) genesis: M,
    pub(super) images: Option<Images<M>>,
    pub(super) journal: J,
    pub(super) salts: Arc<S>,
    /// `None` from a failure until the book was opened again.
    pub(super) sealer: Option<Sealer>,
    pub(super) next: Position,
    pub(super) subscribers: Vec<Subscriber>,
    /// Told how long a batch took while an image was being written.
    pub(super) pauses: Arc<Pauses>,
    /// Where subscriptions ended because of bytes that cannot be read.
    pub(super) damage: Damage,
}

/// What catching up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CaughtUp {
    /// Nobody lags.
    All,
    /// Somebody lags, and has room for more.
    Goes,
    /// All who lag must take something first.
    Full,
    /// The journal could not be read.
    Failed,
}

/// Somebody who follows the book.
pub(super) struct Subscriber {
    /// The first position that it was neither sent nor is kept for it.
    next: Position,
    sender: SyncSender<Arc<Batch>>,
    /// Batches that came or were read while its channel was full. They go first, so that nothing
    /// is read twice however long it takes.
    pending: VecDeque<Arc<Batch>>,
    pending_bytes: usize,
    /// How long the last batch was: those beside it are about as long.
    about: usize,
    gone: bool,
}

impl<M, J, S> Appender<M, J, S>
where
    M: Machine + Clone,
    J: Journal,
    S: Salts,
{
    pub(super) fn run<R: Recall<M>>(
        mut self,
        orders: &Receiver<Order<R>>,
        reports: &Sender<Report<M, R>>,
    ) -> J {
        let mut caught_up = CaughtUp::All;
        loop {
            let order = match caught_up {
                CaughtUp::All => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                CaughtUp::Goes => orders.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                }),
                CaughtUp::Full => orders.recv_timeout(FULL_PAUSE),
                CaughtUp::Failed => orders.recv_timeout(FAILED_PAUSE),
            };
            let mut landed = None;
            let report = match order {
                Ok(Order::Append(closed)) => {
                    let report = self.append_timed(closed);
                    if let Report::Landed(batch) = &report {
                        landed = Some(Arc::clone(batch));
                    }
                    Some(report)
                }
                Ok(Order::Subscribe(next, sender)) => {
                    self.subscribers.push(Subscriber::new(next, sender));
                    None
                }
                Ok(Order::Reopen(mut recall)) => {
                    let opened = self.open(&mut recall);
                    Some(Report::Reopened(Box::new(opened), recall))
                }
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Some(report) = report
                && reports.send(report).is_err()
            {
                break;
            }
            // After the report: whoever waits for an answer comes before whoever follows.
            if let Some(batch) = landed {
                self.deliver(&batch);
            }
            let bytes = if orders.is_empty() { PENDING_BYTES } else { BESIDE_BYTES };
            caught_up = self.catch_up(bytes);
        }
        self.journal
    }

    fn append_timed<R>(&mut self, closed: ClosedBatch) -> Report<M, R> {
        let (begun, was_writing) = (std::time::Instant::now(), self.pauses.is_writing());
        let report = self.append(closed);
        if was_writing || self.pauses.is_writing() {
            self.pauses.appended(begun.elapsed());
        }
        report
    }

    fn append<R>(&mut self, closed: ClosedBatch) -> Report<M, R> {
        let Some(sealer) = &mut self.sealer else {
            return Report::Failed(Append::NotDone(NotDone::Stopped("an earlier append".into())));
        };
        let batch = match sealer.seal(closed, &*self.salts) {
            Ok(batch) => batch,
            Err(error) => {
                self.sealer = None;
                return Report::Failed(Append::NotDone(NotDone::Failed(error.to_string())));
            }
        };
        // The commit point. Stopped before: the batch never was, its callers are answered
        // unknown or not at all and ask by id. Stopped after: refolding finds it.
        match self.journal.append(self.next, sealer.epoch(), &batch) {
            Append::Appended => {
                self.next = batch.tip().next;
                Report::Landed(Arc::new(batch))
            }
            failed @ (Append::NotDone(_) | Append::Unknown(_)) => {
                self.sealer = None;
                Report::Failed(failed)
            }
        }
    }

    /// The one way to open a book: at start and after a failed append.
    pub(super) fn open<R: Recall<M>>(
        &mut self,
        recall: &mut R,
    ) -> Result<(Book<M>, Recovery), OpenFailure> {
        let started = std::time::Instant::now();
        let loaded = self.images.as_ref().map_or(Ok(None), |images| (images.load)(&self.genesis));
        let (image, mut image_refused) = match loaded {
            Ok(image) => (image, None),
            Err(why) => (None, Some(why)),
        };
        let mut from_image = image.is_some();
        let start = image.unwrap_or_else(|| Start::genesis(self.genesis.clone()));
        let claimed = Claimed::of(self.config.run, &mut self.journal).map_err(OpenFailure::Open)?;
        let known = recall.opened(&claimed.head()).map_err(OpenFailure::Recall)?;
        let (mut book, refolded) = teaching(recall, known, claimed.head(), |lesson| {
            self.tell_earlier(lesson, start.tip.next)?;
            let opened = match self.fold(claimed, start, lesson) {
                Err(OpenError::ForeignState(position)) if from_image => {
                    // An image ahead of the journal or of another one: refold. That the journal
                    // itself was rolled back is for the witnesses' checkpoints to say.
                    let why = format!("the image at `{position}` is not of this journal");
                    image_refused = Some(why);
                    from_image = false;
                    self.fold(claimed, Start::genesis(self.genesis.clone()), lesson)
                }
                other => other,
            };
            opened.map_err(OpenFailure::Open)
        })?;
        if recall.reads_unwritten() {
            book.keep_unwritten();
        }
        self.sealer = book.take_sealer();
        self.next = refolded.tip.next;
        let recovery = Recovery {
            tip: refolded.tip,
            epoch: refolded.epoch,
            torn_bytes_cut: self.journal.torn_bytes(),
            batches_refolded: refolded.batches,
            facts_refolded: refolded.facts,
            from_image,
            image_refused,
            took: started.elapsed(),
        };
        Ok((book, recovery))
    }

    fn fold(
        &self,
        claimed: Claimed,
        start: Start<M>,
        lesson: &Lesson,
    ) -> Result<(Book<M>, Refolded), OpenError> {
        let BookConfig { name, limits, .. } = self.config;
        Book::fold(name, limits, claimed, start, &self.journal, |batch| lesson.tell(batch))
    }

    /// Tells what a recall has not seen and the state holds already.
    fn tell_earlier(&self, lesson: &Lesson, until: Position) -> Result<(), OpenFailure> {
        let mut next = lesson.from;
        let until = until.min(lesson.until);
        while next < until {
            let read = self
                .journal
                .read_from(next, PENDING_BATCHES)
                .map_err(|error| OpenFailure::Open(OpenError::Read(error)))?;
            let Some(last) = read.last() else { break };
            next = last.tip().next;
            // One that goes on beyond is told twice: the second time is passed over.
            read.into_iter().for_each(|batch| lesson.tell(batch));
        }
        Ok(())
    }

    /// Hands a batch that just became durable to every subscriber that is up to date.
    fn deliver(&mut self, batch: &Arc<Batch>) {
        for subscriber in &mut self.subscribers {
            if subscriber.next == batch.origin().first {
                subscriber.take(batch);
            }
        }
    }

    /// Reads a few batches for each subscriber that lags and has room for them.
    fn catch_up(&mut self, bytes: usize) -> CaughtUp {
        let (head, is_open) = (self.next, self.sealer.is_some());
        let Self { journal, subscribers, damage, .. } = self;
        let mut worst = CaughtUp::All;
        for subscriber in &mut *subscribers {
            let sent = subscriber.send_pending();
            let lags = subscriber.next < head;
            worst = worst.max(match (sent, lags) {
                (false, _) if subscriber.gone => CaughtUp::All,
                (false, _) => CaughtUp::Full,
                (true, false) => CaughtUp::All,
                // Between a failed append and the next opening nothing is read.
                (true, true) if !is_open => CaughtUp::All,
                (true, true) => subscriber.read_on(journal, head, bytes, damage),
            });
        }
        subscribers.retain(|s| !s.gone);
        worst
    }
}

impl Subscriber {
    const fn new(next: Position, sender: SyncSender<Arc<Batch>>) -> Self {
        let pending = VecDeque::new();
        Self { next, sender, pending, pending_bytes: 0, about: 0, gone: false }
    }

    /// Reads what it lacks, about so many bytes.
    fn read_on<J: Journal>(
        &mut self,
        journal: &J,
        head: Position,
        bytes: usize,
        damage: &Damage,
    ) -> CaughtUp {
        // Before anything is known of its batches, one is read to learn it.
        let most = bytes.checked_div(self.about).unwrap_or(1).clamp(1, CATCH_UP_BATCHES);
        let read = match journal.read_from(self.next, most) {
            // Many at once may end at damage behind some that are sound.
            Err(ReadError::Damaged { .. }) if most > 1 => journal.read_from(self.next, 1),
            read => read,
        };
        match read {
            Ok(read) => {
                for batch in read {
                    self.take(&Arc::new(batch));
                }
                let kept = if self.next < head { CaughtUp::Goes } else { CaughtUp::All };
                if self.pending.is_empty() { kept } else { CaughtUp::Full }
            }
            // Damaged bytes are never handed on, and do not become sound by waiting: the channel
            // closes, and whoever follows finds why.
            Err(error @ ReadError::Damaged { .. }) => {
                damage.found(self.next, &error);
                self.gone = true;
                CaughtUp::All
            }
            Err(_) => CaughtUp::Failed,
        }
    }

    /// Sends a batch, or keeps it when the channel is full and there is room; one that is not kept
    /// is read again when it is its turn.
    fn take(&mut self, batch: &Arc<Batch>) {
        let bytes = batch.bytes().len();
        let all = self.pending_bytes.saturating_add(bytes);
        let small = self.pending.len() < CATCH_UP_BATCHES && all <= PENDING_BYTES;
        if batch.at(self.next).is_some() && (self.pending.len() < PENDING_BATCHES || small) {
            self.pending.push_back(Arc::clone(batch));
            (self.pending_bytes, self.about) = (all, bytes);
            self.next = batch.tip().next;
            self.send_pending();
        }
    }

    /// Sends what is kept for it; whether nothing is left.
    fn send_pending(&mut self) -> bool {
        while let Some(batch) = self.pending.front() {
            match self.sender.try_send(Arc::clone(batch)) {
                Ok(()) => {
                    self.pending_bytes = self.pending_bytes.saturating_sub(batch.bytes().len());
                    drop(self.pending.pop_front());
                }
                Err(TrySendError::Full(_)) => return false,
                Err(TrySendError::Disconnected(_)) => {
                    self.gone = true;
                    self.pending.clear();
                    return false;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use journal::Origin;
    use terms::{Epoch, Instant};

    use super::*;

    fn batch(first: u64) -> Arc<Batch> {
        let origin = Origin {
            book: "book".parse().unwrap(),
            epoch: Epoch::new(1),
            run: terms::RunId::from_bytes([0; 16]),
            first: Position::new(first),
            stamp: Instant::from_nanos(first + 1),
            previous: seal::Digest::ZERO,
        };
        let fact = record::Fact::plain(
            record::FactKind { number: 0x0100, version: 1 },
            record::SaltSlot(1),
            vec![vec![1]],
        );
        let commitment = record::Commitment(seal::Digest::from_bytes([1; 32]));
        Arc::new(Batch::seal(origin, &[journal::Entry { fact, commitment }]).unwrap())
    }

    #[test]
    fn a_full_channel_keeps_a_few_batches_and_asks_for_no_more() {
        let (sender, receiver) = sync_channel(2);
        let mut subscriber = Subscriber::new(Position::ZERO, sender);
        for first in 0..200 {
            if subscriber.next == Position::new(first) {
                subscriber.take(&batch(first));
            }
        }
        // Two in the channel, as many as may be kept beside it, and the next one is to be read.
        let kept = u64::try_from(2 + CATCH_UP_BATCHES).unwrap();
        assert_eq!(subscriber.next, Position::new(kept));
        assert!(!subscriber.send_pending());
        let got: Vec<u64> = (0..kept)
            .map(|_| {
                let first = receiver.recv().unwrap().origin().first.number();
                subscriber.send_pending();
                first
            })
            .collect();
        assert_eq!(got, (0..kept).collect::<Vec<_>>());
        assert!(subscriber.send_pending() && receiver.try_recv().is_err());
        drop(receiver);
        subscriber.take(&batch(kept));
        assert!(subscriber.gone);
    }
}
