//! Who answers questions: the book, the read models, the journal.
//!
//! The book's own answers are of the moment at which they are asked. Those of the read models are
//! of what these have seen, unless the question says how fresh they must be: then it waits,
//! parked and not on a thread, until the read models have come so far, or is told *not ready*.
//! What reads a file is answered on threads of its own, so that neither the writer nor the thread
//! of the protocol ever waits for a disk. Each client waits there in a line of its own, and the
//! lines are served in turn, a question each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant as Clock};

use bookkeeping::keys::CLIENTS_MAX;
use bookkeeping::{ClientNumber, Effect, Key, LedgerBook, Outcome, Request, What};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use record::SaltSlot;
use store::log::LogFeed;
use store::views::{QueryError, Views};
use store::{Answer, Asked, BookHandle, Lane, NoRoom, QUANTUM, Turns};
use terms::Position;

use crate::contents::Contents;
use crate::figures::{Figures, Projected, Snapshot, count};
use crate::lookups::Reading;
use crate::projections::Progress;
use crate::public_log::Prover;
use crate::query::asked::facts;
use crate::query::{Asks, Freshness, Query, Said, Told, Unanswered, answer, answer_from};

/// Questions that may wait for a thread, three quarters of them of one client: a page of the
/// longest takes some milliseconds.
const QUESTIONS_MAX: usize = 256;
/// Questions that may wait for the read models.
const PARKED_MAX: usize = 1024;
/// Of one client: as many programs as ask under one name, and a quarter of the room.
const PARKED_OF_CLIENT: usize = PARKED_MAX / 4;
/// Threads that answer.
const THREADS: usize = 2;
/// Longest wait for the read models: who asks within less is told sooner.
pub const READY_WITHIN: Duration = Duration::from_secs(5);

/// Why a question was not answered. Nothing was asked to be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnswered {
    /// The read models have not come so far in time: ask again.
    #[error("what lies before position `{wanted}` was asked for, and `{seen}` is reached: {why}")]
    NotReady {
        /// Facts before it must have been seen.
        wanted: Position,
        /// Facts before it have been seen.
        seen: Position,
        /// More.
        why: String,
    },
    /// A queue is full.
    #[error("too many questions wait")]
    Busy,
    /// The book is stopped.
    #[error("the book is stopped: {0}")]
    Stopped(String),
    /// It keeps no read models.
    #[error("this book keeps no read models: start it with them")]
    NoViews,
    /// It keeps no log.
    #[error("this book keeps no log: start it with one")]
    NoLog,
    /// It has no answer.
    #[error("{why}")]
    Unanswered {
        /// What is known of it was seen up to here.
        position: Position,
        /// Why.
        why: Unanswered,
    },
}

type Done = Box<dyn FnOnce(Result<Told, NotAnswered>) + Send>;

/// What a thread is to do.
enum Job {
    /// Ask the read models.
    Views(Query),
    /// Read these facts; the answer is of this position.
    Facts { positions: Vec<Position>, whole: bool, as_of: Position },
    /// Prove the fact at a position.
    Proof(Position),
}

/// What waits for a thread.
enum Queued {
    Question(Box<Waiting>),
    /// Facts of a request that looked up many ids.
    Past(Box<Reading>),
}

struct Waiting {
    /// Who asks.
    client: u32,
    job: Job,
    /// The read models must have seen what lies before it.
    at_least: Position,
    until: Clock,
    done: Done,
}

impl Waiting {
    /// Everything that it names is durable: nothing is waited for.
    const fn now(client: u32, job: Job, until: Clock, done: Done) -> Self {
        Self { client, job, at_least: Position::ZERO, until, done }
    }
}

/// What follows the book, for those who ask how far it has come.
#[derive(Clone, Default)]
pub struct Behind {
    /// The log's thread.
    pub log: Option<LogFeed>,
    /// The read models, and how far they have come.
    pub views: Option<(Arc<Views>, Progress)>,
    /// Makes receipts from the log.
    pub prover: Option<Arc<Prover>>,
}

/// Answers questions. Clones share its threads, which end with the last of them.
#[derive(Clone)]
pub struct Questions {
    handle: BookHandle<LedgerBook>,
    slot: SaltSlot,
    behind: Behind,
    figures: Arc<Figures>,
    lines: Arc<Turns<Queued>>,
    /// One for each that waits in the lines: whoever takes it serves the next in turn.
    queued: Sender<()>,
    parked: Arc<Parked>,
}

impl std::fmt::Debug for Questions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Questions").finish_non_exhaustive()
    }
}

/// The threads that answer.
#[derive(Debug)]
pub struct Answering(Vec<JoinHandle<()>>);

impl Answering {
    /// Waits until all [`Questions`] are dropped and the last one is answered.
    pub fn join(self) {
        for thread in self.0 {
            let _ = thread.join();
        }
    }
}

impl Questions {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        handle: BookHandle<LedgerBook>,
        slot: SaltSlot,
        behind: Behind,
        contents: &Arc<Contents>,
        figures: Arc<Figures>,
    ) -> std::io::Result<(Self, Answering)> {
        let (queue, queued) = bounded(QUESTIONS_MAX);
        let lines = Arc::new(Turns::new(QUESTIONS_MAX));
        let (wake, woken) = bounded(1);
        let parked =
            Arc::new(Parked { waiting: Mutex::default(), count: AtomicUsize::new(0), wake });
        if let Some((_, progress)) = &behind.views {
            let parked = Arc::clone(&parked);
            progress.on_reached(move || parked.reached());
        }
        let thread = |number: usize| {
            let worker = Worker {
                lines: Arc::clone(&lines),
                queued: queued.clone(),
                woken: woken.clone(),
                parked: Arc::clone(&parked),
                views: behind.views.clone(),
                prover: behind.prover.clone(),
                contents: Arc::clone(contents),
                figures: Arc::clone(&figures),
            };
            let name = format!("questions {number}");
            std::thread::Builder::new().name(name).spawn(move || worker.run())
        };
        let threads = (0..THREADS).map(thread).collect::<std::io::Result<Vec<_>>>()?;
        let questions = Self { handle, slot, behind, figures, lines, queued: queue, parked };
        Ok((questions, Answering(threads)))
    }

    /// Asks; `done` is called once, on some thread, and must not block. `client` is who asks,
    /// `until` when the answer is of no use any more.
    pub fn ask(
        &self,
        client: u32,
        query: Query,
        until: Option<Clock>,
        done: impl FnOnce(Result<Told, NotAnswered>) + Send + 'static,
    ) {
        let latest = Clock::now() + READY_WITHIN;
        let until = until.map_or(latest, |until| until.min(latest));
        let (fresh, query) = match query {
            Query::Fresh { fresh, query } => (Some(fresh), *query),
            plain => (None, plain),
        };
        if matches!(query, Query::Fresh { .. }) {
            let (position, why) = (self.figures.head(), Unanswered::FreshTwice);
            return done(Err(NotAnswered::Unanswered { position, why }));
        }
        let done: Done = Box::new(done);
        match query.asks() {
            Asks::Book => self.ask_book(client, query, fresh, done),
            Asks::Journal => self.ask_journal(client, &query, fresh, until, done),
            Asks::Views => self.ask_views(client, query, fresh, until, done),
            Asks::Metrics => self.ask_metrics(&query, done),
            Asks::Proofs => self.ask_log(client, &query, until, done),
        }
    }

    /// How everything stands.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            head: self.figures.head(),
            projections: self.projected(),
            trouble: self.handle.trouble(),
            clock_parted: self.figures.clock_parted.load(Ordering::Relaxed) > 0,
            queued: self.handle.queued(),
            questions_queued: self.lines.waiting(),
            questions_parked: self.parked.count.load(Ordering::Relaxed),
            pauses: self.handle.pauses(),
        }
    }

    /// The counters.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// The counters, to add to on other threads.
    #[must_use]
    pub fn shared_figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// How far each projection that is kept has come.
    #[must_use]
    pub fn projected(&self) -> Vec<Projected> {
        let log = self.behind.log.as_ref().map(|log| {
            let watch = log.watch();
            let failure = watch.failure().map(|closed| closed.to_string());
            Projected { name: "log", next: Position::new(watch.durable()), failure }
        });
        let views = self.behind.views.as_ref().map(|(_, progress)| Projected {
            name: "views",
            next: progress.next(),
            failure: progress.failure(),
        });
        let indexed = Position::new(self.figures.ids_indexed.load(Ordering::Acquire));
        let ids = Projected { name: "ids", next: indexed, failure: None };
        log.into_iter().chain(views).chain([ids]).collect()
    }

    fn ask_book(&self, client: u32, query: Query, fresh: Option<Freshness>, done: Done) {
        let questions = self.clone();
        let is_status = query == Query::Status;
        let asked = Asked { client, items: query.items() };
        self.handle.read_as(
            asked,
            move |book| answer(book, &query),
            move |answered: Answer<Said>| {
                done(questions.at(answered).and_then(|(said, position)| {
                    reached(fresh, position)?;
                    let said = if is_status { questions.status() } else { said };
                    count(&questions.figures.questions);
                    Ok(Told { position, said })
                }));
            },
        );
    }

    fn ask_views(
        &self,
        client: u32,
        query: Query,
        fresh: Option<Freshness>,
        until: Clock,
        done: Done,
    ) {
        let job = Job::Views(query);
        match fresh {
            None => self.queue(Waiting { client, job, at_least: Position::ZERO, until, done }),
            Some(Freshness::AtLeast(at_least)) => {
                self.queue(Waiting { client, job, at_least, until, done });
            }
            // What is durable when the book takes this is what the answer must have seen.
            Some(Freshness::Now) => {
                let questions = self.clone();
                self.handle.read_as(
                    Asked::one(client),
                    |_| (),
                    move |answered: Answer<()>| match questions.at(answered) {
                        Ok(((), at_least)) => {
                            questions.queue(Waiting { client, job, at_least, until, done });
                        }
                        Err(why) => done(Err(why)),
                    },
                );
            }
        }
    }

    /// Learns from the book where the facts lie, then has them read.
    fn ask_journal(
        &self,
        client: u32,
        query: &Query,
        fresh: Option<Freshness>,
        until: Clock,
        done: Done,
    ) {
        let questions = self.clone();
        let key = match query {
            // A client beyond the numbers that there are has no keys of its own.
            Query::Transaction { client: whose, id }
                if whose.is_none_or(|number| number < CLIENTS_MAX) =>
            {
                Key::transaction(ClientNumber(whose.unwrap_or(client)), *id)
            }
            Query::HoldWhole(id) => Key::hold(*id),
            _ => {
                let wanted = if let Query::Fact(at) = query { Some(*at) } else { None };
                return self.handle.read_as(
                    Asked::one(client),
                    |_| (),
                    move |answered: Answer<()>| match questions.at(answered) {
                        Ok(((), as_of)) => {
                            let positions = wanted.filter(|at| *at < as_of).into_iter().collect();
                            let job = Job::Facts { positions, whole: true, as_of };
                            questions.read(fresh, Waiting::now(client, job, until, done));
                        }
                        Err(why) => done(Err(why)),
                    },
                );
            }
        };
        let (slot, effect) = (self.slot, Effect::None);
        let request =
            Request { client: ClientNumber(client), slot, what: What::Trace(key), effect };
        self.handle.submit_as(client, request, move |answered| match questions.at(answered) {
            Ok((Outcome::Traced { positions, whole }, as_of)) => {
                let job = Job::Facts { positions, whole, as_of };
                questions.read(fresh, Waiting::now(client, job, until, done));
            }
            Ok(_) => done(Err(NotAnswered::Stopped("the book answers something else".into()))),
            Err(why) => done(Err(why)),
        });
    }

    fn read(&self, fresh: Option<Freshness>, waiting: Waiting) {
        if let Job::Facts { as_of, .. } = &waiting.job
            && let Err(why) = reached(fresh, *as_of)
        {
            return (waiting.done)(Err(why));
        }
        self.queue(waiting);
    }

    fn ask_metrics(&self, query: &Query, done: Done) {
        let snapshot = self.snapshot();
        let said = if *query == Query::Metrics {
            Said::Metrics(snapshot.text(&self.figures))
        } else {
            let figures = snapshot.figures(&self.figures);
            Said::Engine { figures, troubles: snapshot.troubles() }
        };
        done(Ok(Told { position: snapshot.head, said }));
    }

    /// A receipt is of the newest checkpoint, whatever the question says of freshness.
    fn ask_log(&self, client: u32, query: &Query, until: Clock, done: Done) {
        let Query::Receipt(position) = *query else {
            return done(Err(NotAnswered::Stopped("this is not asked of the log".into())));
        };
        self.queue(Waiting::now(client, Job::Proof(position), until, done));
    }

    fn queue(&self, waiting: Waiting) {
        if matches!(waiting.job, Job::Views(_)) && self.behind.views.is_none() {
            return (waiting.done)(Err(NotAnswered::NoViews));
        }
        let client = waiting.client;
        let queued = Queued::Question(Box::new(waiting));
        if let Err((why, Queued::Question(waiting))) = self.line_up(client, queued) {
            (waiting.done)(Err(why));
        }
    }

    /// Has facts read that were looked up, after what waits already; gives them back when there is
    /// no room.
    pub(crate) fn read_past(&self, reading: Box<Reading>) -> Result<(), Box<Reading>> {
        match self.line_up(reading.client(), Queued::Past(reading)) {
            Err((_, Queued::Past(back))) => Err(back),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn line_up(&self, client: u32, queued: Queued) -> Result<(), (NotAnswered, Queued)> {
        let announce = || {
            self.queued.try_send(()).map_err(|error| match error {
                TrySendError::Full(()) => NoRoom::Full,
                TrySendError::Disconnected(()) => NoRoom::Closed,
            })
        };
        // Each counts as a whole turn: a page looks at as many lines as many short answers.
        self.lines.push(Lane::Asks(client), QUANTUM, queued, announce).map_err(|(why, queued)| {
            let why = match why {
                NoRoom::Full => NotAnswered::Busy,
                NoRoom::Closed => NotAnswered::Stopped(String::new()),
            };
            (why, queued)
        })
    }

    fn at<T>(&self, answered: Answer<T>) -> Result<(T, Position), NotAnswered> {
        match answered {
            Answer::Done { outcome, position, .. } => Ok((outcome, position)),
            Answer::Unknown | Answer::Busy => Err(NotAnswered::Busy),
            Answer::NotTaken(why) => Err(NotAnswered::Stopped(why.to_string())),
            Answer::NotRecalled(why) => Err(NotAnswered::Stopped(why)),
            Answer::Stopped => Err(NotAnswered::Stopped(self.handle.trouble().unwrap_or_default())),
        }
    }

    fn status(&self) -> Said {
        let log = self.behind.log.as_ref().map(|log| Position::new(log.watch().durable()));
        let views = self.behind.views.as_ref().map(|(_, progress)| progress.next());
        Said::Status { log, views }
    }
}

/// Whether the book itself has come as far as it must.
fn reached(fresh: Option<Freshness>, seen: Position) -> Result<(), NotAnswered> {
    match fresh {
        Some(Freshness::AtLeast(wanted)) if wanted > seen => {
            let why = "the book itself ends there".to_owned();
            Err(NotAnswered::NotReady { wanted, seen, why })
        }
        Some(Freshness::AtLeast(_) | Freshness::Now) | None => Ok(()),
    }
}

/// Questions that wait for the read models.
struct Parked {
    waiting: Mutex<Vec<Waiting>>,
    /// INVARIANT (NobodyForgotten): counted *before* the read models' position is looked at once
    /// more, and that position moves *before* the count is looked at: whoever comes second sees
    /// the other.
    count: AtomicUsize,
    wake: Sender<()>,
}

impl Parked {
    fn reached(&self) {
        if self.count.load(Ordering::SeqCst) > 0 {
            // One that waits to be taken is enough.
            let _ = self.wake.try_send(());
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn park(&self, waiting: Waiting) -> Option<Waiting> {
        let mut list = self.list();
        let of_client = list.iter().filter(|one| one.client == waiting.client).count();
        if list.len() >= PARKED_MAX || of_client >= PARKED_OF_CLIENT {
            return Some(waiting);
        }
        list.push(waiting);
        self.count.store(list.len(), Ordering::SeqCst);
        None
    }

    /// Those that need not wait any more, and when the next one gives up.
    fn ready(&self, seen: Position, gone: bool) -> (Vec<Waiting>, Option<Clock>) {
        let now = Clock::now();
        let mut list = self.list();
        let over = |one: &mut Waiting| gone || one.at_least <= seen || one.until <= now;
        let ready = list.extract_if(.., over).collect();
        self.count.store(list.len(), Ordering::SeqCst);
        (ready, list.iter().map(|one| one.until).min())
    }
}

struct Worker {
    lines: Arc<Turns<Queued>>,
    queued: Receiver<()>,
    woken: Receiver<()>,
    parked: Arc<Parked>,
    views: Option<(Arc<Views>, Progress)>,
    prover: Option<Arc<Prover>>,
    contents: Arc<Contents>,
    figures: Arc<Figures>,
}

impl Worker {
    fn run(self) {
        let mut ended = false;
        while !ended {
            let failed = self.failure().is_some();
            let (ready, next) = self.parked.ready(self.seen(), failed);
            ready.into_iter().for_each(|waiting| self.answer(waiting));
            let pause = next.map_or(IDLE, |until| until.saturating_duration_since(Clock::now()));
            crossbeam_channel::select! {
                recv(self.queued) -> queued => match queued {
                    Ok(()) => self.lines.next().into_iter().for_each(|next| self.serve(next)),
                    Err(_) => ended = true,
                },
                recv(self.woken) -> _ => {},
                default(pause) => {},
            }
        }
        self.parked.ready(self.seen(), true).0.into_iter().for_each(|waiting| self.answer(waiting));
    }

    fn serve(&self, queued: Queued) {
        match queued {
            Queued::Question(waiting) => self.take(*waiting),
            Queued::Past(reading) => match reading.read(&self.contents) {
                Some(rest) => rest.again(&self.contents),
                None => count(&self.figures.questions),
            },
        }
    }

    fn take(&self, waiting: Waiting) {
        if waiting.at_least <= self.seen() || self.failure().is_some() {
            return self.answer(waiting);
        }
        if let Some(waiting) = self.parked.park(waiting) {
            (waiting.done)(Err(NotAnswered::Busy));
        }
    }

    fn seen(&self) -> Position {
        self.views.as_ref().map_or(Position::ZERO, |(_, progress)| progress.next())
    }

    fn failure(&self) -> Option<String> {
        self.views.as_ref().and_then(|(_, progress)| progress.failure())
    }

    fn answer(&self, waiting: Waiting) {
        let Waiting { job, at_least, done, .. } = waiting;
        let seen = self.seen();
        if at_least > seen {
            count(&self.figures.not_ready);
            let why = self.failure().unwrap_or_else(|| "ask again".to_owned());
            return done(Err(NotAnswered::NotReady { wanted: at_least, seen, why }));
        }
        let told = match job {
            Job::Facts { positions, whole, as_of } => facts(&self.contents, &positions)
                .map(|facts| Told { position: as_of, said: Said::Facts { facts, whole } })
                .map_err(Unanswered::from),
            Job::Views(query) => match &self.views {
                Some((views, _)) => answer_from(views, &self.contents, &query),
                None => return done(Err(NotAnswered::NoViews)),
            },
            Job::Proof(position) => match &self.prover {
                Some(prover) => Ok(proved(prover, position)),
                None => return done(Err(NotAnswered::NoLog)),
            },
        };
        count(&self.figures.questions);
        done(told.map_err(|why| match why {
            Unanswered::Views(QueryError::NotSeenYet { asked, next }) => {
                let wanted = Position::new(asked.number().saturating_add(1));
                NotAnswered::NotReady { wanted, seen: next, why: "ask again".to_owned() }
            }
            why => NotAnswered::Unanswered { position: seen, why },
        }));
    }
}

/// The answer's position is the size of the checkpoint.
fn proved(prover: &Prover, position: Position) -> Told {
    let size = prover.log.checkpoint().map_or(0, |checkpoint| checkpoint.head().size);
    let receipt = prover.receipt(position);
    let receipt = receipt.map(|receipt| receipt.map(|receipt| receipt.to_bytes().into()));
    let said = receipt.map_or_else(Said::NoAnswer, Said::Receipt);
    Told { position: Position::new(size), said }
}

/// A queue that nobody feeds is looked at this often.
const IDLE: Duration = Duration::from_secs(60);
