//! The book's facts, in order, from any position, to whoever follows it.
//!
//! One thread learns of each durable batch and wakes those who wait; another sends frames to the
//! followers of the binary protocol, one after another, each as far as its credit goes. What is
//! old is read from the segments, what came last is at hand; nothing is kept for a follower but
//! the batch that it stands in, so that a slow one costs a bounded number of bytes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use bookkeeping::LedgerBook;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use journal::Batch;
use store::BookHandle;
use terms::Position;
use tokio::sync::watch;
use wire::{FactStream, FactsWriter, Follow, NotDone, NotDoneCode, Pushed, ReplyBody};

use crate::contents::{Contents, ContentsError, FactLine};
use crate::figures::Figures;

/// Who may follow the binary protocol at once: each may hold a batch and its frames, 2 MiB.
pub const FOLLOWERS_MAX: usize = 64;
/// After how long one more may try, milliseconds.
const FULL_RETRY_MS: u32 = 1_000;

/// Events of a book. Clones share its threads.
#[derive(Clone)]
pub struct Events {
    contents: Arc<Contents>,
    head: watch::Receiver<Head>,
    followers: Sender<Follower>,
    wake: Sender<()>,
    figures: Arc<Figures>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// How far the book has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// One after the newest durable position.
    pub next: Position,
    /// Whether nothing more will come from this process.
    pub closed: bool,
}

/// The threads behind [`Events`].
#[derive(Debug)]
pub struct EventThreads {
    stop: Arc<watch::Sender<Head>>,
    wake: Sender<()>,
    tail: JoinHandle<()>,
    sender: JoinHandle<()>,
}

impl EventThreads {
    /// Tells every follower that the book stops: before the protocol's server does.
    pub fn stop(&self) {
        self.stop.send_modify(|head| head.closed = true);
        let _ = self.wake.try_send(());
    }

    /// Waits for both threads: the book must be closed and all [`Events`] dropped.
    pub fn join(self) {
        let _ = self.tail.join();
        let _ = self.sender.join();
    }
}

struct Follower {
    stream: FactStream,
    next: Position,
    /// The batch that `next` lies in, when it was read.
    batch: Option<Arc<Batch>>,
}

/// What happened to a follower in its turn.
enum Turn {
    Sent,
    Waits,
    Over(Option<ReplyBody>),
}

impl Events {
    /// Starts both threads over a book that ends at `next`.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        handle: &BookHandle<LedgerBook>,
        next: Position,
        contents: Arc<Contents>,
        figures: Arc<Figures>,
    ) -> std::io::Result<(Self, EventThreads)> {
        let (told, head) = watch::channel(Head { next, closed: false });
        let told = Arc::new(told);
        let (wake, woken) = bounded(1);
        let (followers, arriving) = unbounded();
        let batches = handle.subscribe(next);
        let (teller, waker, kept) = (Arc::clone(&told), wake.clone(), Arc::clone(&contents));
        let tail = std::thread::Builder::new().name("events".into()).spawn(move || {
            for batch in batches {
                kept.keep(&batch);
                let next = batch.tip().next;
                teller.send_modify(|head| head.next = head.next.max(next));
                let _ = waker.try_send(());
            }
            teller.send_modify(|head| head.closed = true);
            let _ = waker.try_send(());
        })?;
        let events = Self { contents, head, followers, wake: wake.clone(), figures };
        let sending = Sending {
            contents: Arc::clone(&events.contents),
            head: events.head.clone(),
            figures: Arc::clone(&events.figures),
        };
        let sender = std::thread::Builder::new()
            .name("followers".into())
            .spawn(move || sending.run(&arriving, &woken))?;
        Ok((events, EventThreads { stop: told, wake, tail, sender }))
    }

    /// How far the book has come, to look at and to wait for.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    /// The facts from a position on that are durable, at most so many and as many as lie in one
    /// or two batches. Reads a file: not on a thread that must not wait.
    ///
    /// # Errors
    /// [`ContentsError`].
    pub fn read(&self, from: Position, most: usize) -> Result<Vec<FactLine>, ContentsError> {
        let mut lines = Vec::new();
        let mut next = from;
        while lines.len() < most {
            let Some(batch) = self.contents.batch(next)? else { break };
            let stamp = batch.origin().stamp;
            let skipped = next.number().saturating_sub(batch.origin().first.number());
            let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
            let left = most.saturating_sub(lines.len());
            for stored in batch.entries().skip(skipped).take(left) {
                lines.push(FactLine::of(stamp, &stored)?);
            }
            next = batch.tip().next;
        }
        Ok(lines)
    }

    /// Takes a follower. What it is told in the end is told by the sending thread, or here when
    /// there is no room.
    pub fn follow(&self, follow: Follow, stream: FactStream) {
        // Followers are told after whoever asked: what was answered may be ahead of them.
        let next = self.head.borrow().next.max(self.figures.head());
        let refuse = |stream: FactStream, code, text: String, retry_ms| {
            stream.finish(ReplyBody::not_done(&NotDone::new(code, text), retry_ms));
        };
        if follow.from > next {
            let text = format!("position `{}` lies beyond the head `{next}`", follow.from);
            return refuse(stream, NotDoneCode::NotReady, text, 0);
        }
        let most = u64::try_from(FOLLOWERS_MAX).unwrap_or(u64::MAX);
        if self.figures.followers.fetch_add(1, Ordering::AcqRel) >= most {
            self.figures.followers.fetch_sub(1, Ordering::AcqRel);
            let text = format!("`{FOLLOWERS_MAX}` follow the book already");
            return refuse(stream, NotDoneCode::Busy, text, FULL_RETRY_MS);
        }
        let wake = self.wake.clone();
        stream.on_credit(move || {
            let _ = wake.try_send(());
        });
        let follower = Follower { stream, next: follow.from, batch: None };
        if self.followers.send(follower).is_ok() {
            let _ = self.wake.try_send(());
        }
    }
}

/// The thread that sends to followers.
struct Sending {
    contents: Arc<Contents>,
    head: watch::Receiver<Head>,
    figures: Arc<Figures>,
}

impl Sending {
    fn run(self, arriving: &Receiver<Follower>, woken: &Receiver<()>) {
        let mut followers: Vec<Follower> = Vec::new();
        loop {
            followers.extend(arriving.try_iter());
            let head = *self.head.borrow();
            let mut sent = false;
            // One frame each: nobody waits for whoever replays the whole book.
            let mut going = Vec::with_capacity(followers.len());
            for mut follower in followers {
                match self.turn(&mut follower, head) {
                    Turn::Sent => {
                        sent = true;
                        going.push(follower);
                    }
                    Turn::Waits => going.push(follower),
                    Turn::Over(outcome) => {
                        self.figures.followers.fetch_sub(1, Ordering::AcqRel);
                        let body = outcome.unwrap_or_else(|| end(follower.next));
                        follower.stream.finish(body);
                    }
                }
            }
            followers = going;
            if sent {
                continue;
            }
            crossbeam_channel::select! {
                recv(arriving) -> one => match one {
                    Ok(one) => followers.push(one),
                    // Nobody can come any more.
                    Err(_) if followers.is_empty() => return,
                    Err(_) => { let _ = woken.recv(); }
                },
                recv(woken) -> _ => {},
            }
        }
    }

    fn turn(&self, follower: &mut Follower, head: Head) -> Turn {
        if follower.stream.is_gone() || follower.stream.is_ended() {
            return Turn::Over(None);
        }
        let stopped = |text: String| {
            Turn::Over(Some(ReplyBody::not_done(&NotDone::new(NotDoneCode::Stopped, text), 0)))
        };
        if head.closed {
            return stopped(format!("the book stops: go on from position `{}`", follower.next));
        }
        if follower.next >= head.next || !follower.stream.has_credit() {
            return Turn::Waits;
        }
        let frame = match self.frame(follower, head.next) {
            Ok(frame) => frame,
            Err(error) => return stopped(error.to_string()),
        };
        let count = u64::from(frame.len());
        match follower.stream.push(frame) {
            Pushed::Sent => {
                self.figures.facts_sent.fetch_add(count, Ordering::Relaxed);
                follower.next = Position::new(follower.next.number().saturating_add(count));
                Turn::Sent
            }
            Pushed::NoCredit => Turn::Waits,
            Pushed::Ended => Turn::Over(None),
        }
    }

    /// A frame of what comes next, from as many batches as fit.
    fn frame(&self, follower: &mut Follower, head: Position) -> Result<FactsWriter, ContentsError> {
        let mut frame = FactsWriter::new(follower.next, head);
        let mut next = follower.next;
        while next < head {
            let held = follower.batch.take().filter(|batch| batch.at(next).is_some());
            let batch = match held {
                Some(batch) => batch,
                None => self.contents.batch(next)?.ok_or_else(|| ContentsError {
                    position: next,
                    why: "it is durable, and not there".to_owned(),
                })?,
            };
            let stamp = batch.origin().stamp;
            let skipped = next.number().saturating_sub(batch.origin().first.number());
            let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
            let mut entries = batch.entries().skip(skipped);
            let full = entries.any(|one| !frame.push(stamp, &one.commitment.0, one.bytes));
            drop(entries);
            if full {
                follower.batch = Some(batch);
                return Ok(frame);
            }
            next = batch.tip().next;
        }
        Ok(frame)
    }
}

/// The end of a follow that its client wanted: where to go on.
fn end(next: Position) -> ReplyBody {
    ReplyBody::answer(&next.number().to_be_bytes())
}
