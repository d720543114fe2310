//! The book's facts, in order, from any position, to whoever follows it.
//!
//! While somebody listens, one thread learns of each durable batch and wakes those who wait;
//! another sends frames to the followers of the binary protocol, one after another, each as far as
//! its credit goes. While nobody does, the book has no subscriber for them and both sleep. What is
//! old is read from the segments, what came last is at hand; nothing is kept for a follower but
//! the batch that it stands in, so that a slow one costs a bounded number of bytes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bookkeeping::LedgerBook;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use journal::Batch;
use store::BookHandle;
use terms::Position;
use tokio::sync::watch;
use wire::{FactStream, FactsWriter, Follow, NotDone, NotDoneCode, Pushed, ReplyBody};

use crate::contents::{Contents, ContentsError, FactLine};
use crate::figures::{Figures, count};

/// Who may follow the binary protocol at once: each may hold a batch and its frames, 2 MiB.
pub const FOLLOWERS_MAX: usize = 64;
/// Of one client: as many programs as follow a book under one name, and an eighth of the places.
pub const FOLLOWERS_OF_CLIENT: usize = FOLLOWERS_MAX / 8;
/// After how long one more may try, milliseconds.
const FULL_RETRY_MS: u32 = 1_000;

/// Events of a book. Clones share its threads.
#[derive(Clone)]
pub struct Events {
    contents: Arc<Contents>,
    head: watch::Receiver<Head>,
    ears: Arc<Ears>,
    followers: Sender<Follower>,
    places: Arc<Mutex<BTreeMap<u32, usize>>>,
    wake: Sender<()>,
    figures: Arc<Figures>,
}

type Batches = mpsc::Receiver<Arc<Batch>>;

/// Who listens, and whether the tail follows the book for them.
struct Ears {
    handle: BookHandle<LedgerBook>,
    figures: Arc<Figures>,
    told: Arc<watch::Sender<Head>>,
    shared: Arc<Hearing>,
    /// What the tail is to take batches from.
    tail: Sender<Batches>,
}

/// What the tail shares with those who listen.
#[derive(Default)]
struct Hearing {
    /// INVARIANT (NobodyMissed): the tail stops following only under the lock and while nobody
    /// listens, and who begins to listen looks under the lock whether it follows.
    listeners: AtomicUsize,
    follows: Mutex<bool>,
}

impl Hearing {
    fn follows(&self) -> MutexGuard<'_, bool> {
        // One assignment: a panic leaves nothing half done.
        self.follows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the tail has nobody to follow for, and from now on does not.
    fn rests(&self) -> bool {
        if self.listeners.load(Ordering::Acquire) > 0 {
            return false;
        }
        let mut follows = self.follows();
        let rests = self.listeners.load(Ordering::Acquire) == 0;
        *follows = !rests;
        rests
    }
}

/// Somebody listens: while it is held, the head is told.
pub struct Listening(Arc<Hearing>);

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listening")
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Ears {
    fn listen(&self) -> Listening {
        let mut follows = self.shared.follows();
        self.shared.listeners.fetch_add(1, Ordering::AcqRel);
        if !*follows {
            // What became durable before is told here, all after it by the tail.
            let next = self.figures.head();
            self.told.send_modify(|head| head.next = head.next.max(next));
            *follows = self.tail.send(self.handle.subscribe(next)).is_ok();
        }
        Listening(Arc::clone(&self.shared))
    }
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
    place: FollowerPlace,
    stream: FactStream,
    _listening: Listening,
    next: Position,
    /// The batch that `next` lies in, when it was read.
    batch: Option<Arc<Batch>>,
}

/// A place among the followers, of one client.
struct FollowerPlace {
    places: Arc<Mutex<BTreeMap<u32, usize>>>,
    client: u32,
}

fn places_of(all: &Mutex<BTreeMap<u32, usize>>) -> MutexGuard<'_, BTreeMap<u32, usize>> {
    // Nothing panics while it is held.
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FollowerPlace {
    /// Takes one; in words why there is none.
    fn take(places: &Arc<Mutex<BTreeMap<u32, usize>>>, client: u32) -> Result<Self, String> {
        let mut all = places_of(places);
        if all.values().sum::<usize>() >= FOLLOWERS_MAX {
            return Err(format!("`{FOLLOWERS_MAX}` follow the book already"));
        }
        let own = all.entry(client).or_default();
        if *own >= FOLLOWERS_OF_CLIENT {
            let most = FOLLOWERS_OF_CLIENT;
            return Err(format!("this client follows the book `{most}` times already"));
        }
        *own = own.saturating_add(1);
        Ok(Self { places: Arc::clone(places), client })
    }

    /// How many there are in all.
    fn all(&self) -> u64 {
        u64::try_from(places_of(&self.places).values().sum::<usize>()).unwrap_or(u64::MAX)
    }

    /// Gives it up; how many there are then.
    fn leave(self) -> u64 {
        let places = Arc::clone(&self.places);
        drop(self);
        u64::try_from(places_of(&places).values().sum::<usize>()).unwrap_or(u64::MAX)
    }
}

impl Drop for FollowerPlace {
    fn drop(&mut self) {
        let mut all = places_of(&self.places);
        if let Some(own) = all.get_mut(&self.client) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                all.remove(&self.client);
            }
        }
    }
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
        let (tail, followed) = bounded(1);
        let shared = Arc::new(Hearing::default());
        let ears = Ears {
            handle: handle.clone(),
            figures: Arc::clone(&figures),
            told: Arc::clone(&told),
            shared: Arc::clone(&shared),
            tail,
        };
        let tail = Tail {
            shared,
            contents: Arc::clone(&contents),
            told: Arc::clone(&told),
            wake: wake.clone(),
        };
        let tail =
            std::thread::Builder::new().name("events".into()).spawn(move || tail.run(&followed))?;
        let (ears, places, wakes) = (Arc::new(ears), Arc::default(), wake.clone());
        let events = Self { contents, head, ears, followers, places, wake: wakes, figures };
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

    /// How far the book has come, to look at and to wait for as long as the second is held.
    #[must_use]
    pub fn listen(&self) -> (watch::Receiver<Head>, Listening) {
        let listening = self.ears.listen();
        (self.head.clone(), listening)
    }

    /// Whether the book is followed for anybody now.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        *self.ears.shared.follows()
    }

    /// Counts what ended because the journal cannot be read there.
    pub fn unreadable(&self) {
        count(&self.figures.unreadable);
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
    pub fn follow(&self, client: u32, follow: Follow, stream: FactStream) {
        // Followers are told after whoever asked: what was answered may be ahead of them.
        let next = self.head.borrow().next.max(self.figures.head());
        let refuse = |stream: FactStream, code, text: String, retry_ms| {
            stream.finish(ReplyBody::not_done(&NotDone::new(code, text), retry_ms));
        };
        if follow.from > next {
            let text = format!("position `{}` lies beyond the head `{next}`", follow.from);
            return refuse(stream, NotDoneCode::NotReady, text, 0);
        }
        let place = match FollowerPlace::take(&self.places, client) {
            Ok(place) => place,
            Err(text) => {
                count(&self.figures.turned_away);
                return refuse(stream, NotDoneCode::Busy, text, FULL_RETRY_MS);
            }
        };
        self.figures.followers.store(place.all(), Ordering::Release);
        let wake = self.wake.clone();
        stream.on_credit(move || {
            let _ = wake.try_send(());
        });
        let _listening = self.ears.listen();
        let follower = Follower { place, stream, _listening, next: follow.from, batch: None };
        if self.followers.send(follower).is_ok() {
            let _ = self.wake.try_send(());
        }
    }
}

/// The thread that learns of each batch while somebody listens.
struct Tail {
    shared: Arc<Hearing>,
    contents: Arc<Contents>,
    told: Arc<watch::Sender<Head>>,
    wake: Sender<()>,
}

impl Tail {
    fn run(self, followed: &Receiver<Batches>) {
        for batches in followed {
            let mut rests = false;
            // One that comes when nobody listens any more is the last.
            for batch in batches {
                rests = self.shared.rests();
                if rests {
                    break;
                }
                self.contents.keep(&batch);
                let next = batch.tip().next;
                self.told.send_modify(|head| head.next = head.next.max(next));
                let _ = self.wake.try_send(());
            }
            if !rests {
                break;
            }
        }
        // The book is closed, or everybody who could listen is gone.
        self.told.send_modify(|head| head.closed = true);
        let _ = self.wake.try_send(());
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
                        let Follower { place, stream, next, .. } = follower;
                        self.figures.followers.store(place.leave(), Ordering::Release);
                        stream.finish(outcome.unwrap_or_else(|| end(next)));
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
            Err(error) => {
                count(&self.figures.unreadable);
                return stopped(error.to_string());
            }
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
