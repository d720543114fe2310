//! The thread that owns the working state: judges, closes batches, answers what is durable.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};
use journal::book::IN_FLIGHT_MAX;
use journal::{
    Append, Batch, Book, Decided, End, Journal, Machine, NotDone, Release, Salts, SubmitError,
    Ticket,
};
use terms::{Instant, Position};

use super::appender::{Appender, OpenFailure, Order, Report};
use super::aside::{Aside, Begun, Known, SetAside};
use super::bulk::{Bulk, BulkEnd, BulkPlace};
use super::imaging::Imager;
use super::pauses::Pauses;
use super::recall::{NoRows, Recall, RecallError};
use super::turns::{Lane, QUANTUM, Turns};
use super::{
    Answer, BookConfig, Call, Damage, Decline, Finish, Look, Parts, Since, SpawnError, Work,
    decline,
};
use crate::recovery::Recovery;

/// How long a book that could not be opened rests before the next try.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);
/// Orders that may wait for the appender: the batches in flight and a few subscriptions.
const ORDERS_MAX: usize = IN_FLIGHT_MAX + 30;

enum Waiting<M: Machine> {
    Command(Box<dyn FnOnce(Answer<M::Outcome>) + Send>),
    Bulk(Box<dyn Bulk<M>>),
    Read(Finish),
}

impl<M: Machine> Waiting<M> {
    fn finish(self, end: End<M::Outcome>, next: Position) {
        match (self, end) {
            (Self::Command(reply), End::Unknown) => reply(Answer::Unknown),
            (Self::Read(reply), End::Unknown) => (reply.0)(Answer::Unknown),
            (Self::Bulk(bulk), End::Unknown) => bulk.finish(BulkEnd::Unknown),
            (Self::Bulk(bulk), End::Done { .. }) => bulk.finish(BulkEnd::Durable { next }),
            (Self::Read(reply), End::Done { position, stamp, .. }) => {
                (reply.0)(Answer::Done { outcome: (), position, stamp });
            }
            (Self::Command(reply), End::Done { outcome, position, stamp }) => {
                reply(outcome.map_or(Answer::Unknown, |outcome| Answer::Done {
                    outcome,
                    position,
                    stamp,
                }));
            }
        }
    }
}

pub(super) struct Writer<M: Machine, J, S, C, R> {
    config: BookConfig,
    salts: Arc<S>,
    clock: C,
    /// With the appender while a book is opened.
    recall: Option<R>,
    imager: Option<Imager<M>>,
    /// `None` after a failed append until it could be opened again.
    book: Option<Book<M>>,
    waiting: VecDeque<(Ticket, Waiting<M>)>,
    /// What waits for facts of long ago.
    aside: Aside<M>,
    /// Turns that found only lines that are held: they are made up for once one is let go.
    ///
    /// INVARIANT (TurnsFit): these and the turns that were called for are as many as requests wait.
    missed: usize,
    /// Room for the commands of a bulk that are looked at together.
    chunk: Vec<M::Command>,
    orders: Sender<Order<R>>,
    reports: Receiver<Report<M, R>>,
    appender: JoinHandle<J>,
    latest: Arc<Mutex<Since>>,
    retry_at: Instant,
    /// Another writer claimed a newer epoch.
    fenced: bool,
    /// How often the working state was dropped.
    losses: u64,
}

impl<M, J, S, C, R> Writer<M, J, S, C, R>
where
    M: Machine + Clone + Send + 'static,
    M::Command: Send + 'static,
    M::Fact: 'static,
    M::Outcome: Send + 'static,
    J: Journal + Send + 'static,
    S: Salts + Send + Sync + 'static,
    C: FnMut() -> Instant,
    R: Recall<M> + 'static,
{
    /// Opens the book here and starts the appender.
    pub(super) fn start(
        config: BookConfig,
        parts: Parts<M, J, S, C, R>,
        (latest, pauses, damage): (Arc<Mutex<Since>>, Arc<Pauses>, Damage),
    ) -> Result<(Self, Recovery), SpawnError> {
        let Parts { genesis, journal, salts, clock, images, mut recall } = parts;
        let salts = Arc::new(salts);
        let mut appender = Appender {
            config,
            genesis,
            images: images.images.clone(),
            journal,
            salts: Arc::clone(&salts),
            sealer: None,
            next: Position::ZERO,
            subscribers: Vec::new(),
            pauses: Arc::clone(&pauses),
            damage,
        };
        let (book, recovery) = appender.open(&mut recall).map_err(|failure| match failure {
            OpenFailure::Open(error) => SpawnError::Open(error),
            OpenFailure::Recall(error) => SpawnError::Recall(error),
        })?;
        let (orders, taken) = bounded(ORDERS_MAX);
        let (told, reports) = bounded(ORDERS_MAX);
        let appender = std::thread::Builder::new()
            .name(format!("append {}", config.name))
            .spawn(move || appender.run(&taken, &told))
            .map_err(SpawnError::Thread)?;
        // Where the newest image is, and not where the book ends: otherwise one that is killed
        // again and again before it comes to an image would refold ever more.
        let imaged = recovery.imaged();
        let aside = Aside::start(&config, recall.past()).map_err(SpawnError::Thread)?;
        let imager = images.images.map(|all| Imager::start(all, images.every, imaged, pauses));
        let writer = Self {
            config,
            salts,
            clock,
            recall: Some(recall),
            imager: imager.transpose().map_err(SpawnError::Thread)?,
            book: Some(book),
            waiting: VecDeque::new(),
            aside,
            missed: 0,
            chunk: Vec::new(),
            orders,
            reports,
            appender,
            latest,
            retry_at: Instant::EPOCH,
            fenced: false,
            losses: 0,
        };
        Ok((writer, recovery))
    }

    pub(super) fn run(&mut self, calls: &Receiver<Call>, turns: &Turns<Work<M>>) {
        loop {
            while let Ok(report) = self.reports.try_recv() {
                self.take_report(report);
            }
            self.close_if_idle();
            self.take_image_step();
            let pause = self.imager.as_ref().map_or(Duration::MAX, Imager::pause);
            // Reports first: an answer that may leave goes before a question that waits.
            select_biased! {
                recv(self.reports) -> report => match report {
                    Ok(report) => self.take_report(report),
                    // The appender is gone, and the journal with it: nothing more can be done.
                    Err(_) => { self.stop(); break }
                },
                recv(self.aside.back) -> back => self.take_back(back.ok(), turns),
                recv(calls) -> first => match first {
                    Ok(first) => self.take_all(first, calls, turns),
                    Err(_) => break,
                },
                default(pause) => {}
            }
        }
        while self.aside.is_waited_for() {
            let back = self.aside.back.recv().ok();
            self.take_back(back, turns);
        }
        self.drain();
    }

    /// Waits for the appender and gives the journal back.
    pub(super) fn end(self) -> Option<J> {
        let Self { orders, appender, imager, aside, .. } = self;
        aside.end();
        drop(orders);
        let journal = appender.join().ok();
        if let Some(imager) = imager {
            imager.end();
        }
        journal
    }

    /// What is queued, up to as much as the queue holds.
    fn take_all(&mut self, first: Call, calls: &Receiver<Call>, turns: &Turns<Work<M>>) {
        let mut judged = self.take_call(first, turns);
        for _ in 0..self.config.queue {
            while let Ok(report) = self.reports.try_recv() {
                self.take_report(report);
            }
            while let Ok(back) = self.aside.back.try_recv() {
                self.take_back(Some(back), turns);
            }
            // Many items without a fact, as look-ups are, would keep others' facts waiting.
            if judged >= QUANTUM {
                self.close_if_idle();
                judged = 0;
            }
            let Ok(next) = calls.try_recv() else { return };
            judged = judged.saturating_add(self.take_call(next, turns));
        }
    }

    /// Returns how many items it came to.
    fn take_call(&mut self, call: Call, turns: &Turns<Work<M>>) -> u64 {
        match call {
            Call::Subscribe(next, sender) => {
                self.order(Order::Subscribe(next, sender));
                0
            }
            // Whose turn it is, and not who called.
            Call::Turn => self.take_turn(turns).unwrap_or_else(|| {
                self.missed = self.missed.saturating_add(1);
                0
            }),
        }
    }

    /// Takes what is next and says how many items it came to; `None` when no line gives anything.
    fn take_turn(&mut self, turns: &Turns<Work<M>>) -> Option<u64> {
        let (lane, work) = turns.next_of()?;
        let items = work.items();
        if let Some(begun) = self.take(work) {
            self.set_aside(lane, begun, Known::default(), turns);
        }
        Some(items)
    }

    /// Takes work; gives it back when it needs facts that must be read first.
    fn take(&mut self, work: Work<M>) -> Option<Begun<M>> {
        if self.book.is_none() && !self.reopen() {
            decline(work, Decline::Stopped);
            return None;
        }
        match work {
            Work::Command(command, reply) => return self.take_command(command, reply),
            Work::Bulk(bulk) => {
                let chunk = core::mem::take(&mut self.chunk);
                return self.take_bulk(bulk, chunk);
            }
            Work::Read(look, _) => self.take_read(look),
        }
        None
    }

    /// Has the facts read that this work needs, and its line wait meanwhile.
    fn set_aside(
        &mut self,
        lane: Lane,
        begun: Begun<M>,
        known: Known<M::Fact>,
        turns: &Turns<Work<M>>,
    ) {
        let mut wanted = BTreeSet::new();
        if let (Some(book), Some(recall)) = (&self.book, &mut self.recall) {
            match &begun {
                Begun::Command(command, _) => {
                    recall.cold(book, core::slice::from_ref(command), &mut wanted);
                }
                Begun::Bulk { rest, .. } => recall.cold(book, rest, &mut wanted),
            }
        }
        wanted.retain(|position| known.at(*position).is_none());
        // The next one last: each batch of the journal is read once.
        let work = SetAside { lane, begun, wanted: wanted.into_iter().rev().collect(), known };
        turns.hold(lane);
        let not_put =
            if work.wanted.is_empty() { Err(Box::new(work)) } else { self.aside.put(work) };
        if let Err(work) = not_put {
            // Nothing would ever change: the recall contradicts itself, or nobody reads for it.
            turns.let_go(lane);
            match work.begun {
                Begun::Command(_, reply) => {
                    reply(Answer::NotRecalled("nobody reads what it needs of the past".into()));
                }
                Begun::Bulk { bulk, .. } => bulk.finish(BulkEnd::Unknown),
            }
        }
    }

    /// Goes on with what was set aside; `None` when who read for it is gone.
    fn take_back(&mut self, back: Option<SetAside<M>>, turns: &Turns<Work<M>>) {
        let Some(SetAside { lane, begun, known, .. }) = back else {
            self.aside.is_gone();
            turns.let_all_go();
            return self.take_missed(turns);
        };
        self.aside.came_back();
        if let Some(recall) = &mut self.recall {
            recall.lend(known);
        }
        let again = self.go_on(begun);
        let known = self.recall.as_mut().map(Recall::take_back).unwrap_or_default();
        match again {
            // More happened to what it names since: what was read is still true.
            Some(begun) => self.set_aside(lane, begun, known, turns),
            None => turns.let_go(lane),
        }
        self.take_missed(turns);
    }

    fn go_on(&mut self, begun: Begun<M>) -> Option<Begun<M>> {
        let is_open = self.book.is_some() || self.reopen();
        match begun {
            Begun::Command(command, reply) if is_open => self.take_command(command, reply),
            Begun::Command(_, reply) => {
                reply(Answer::Stopped);
                None
            }
            Begun::Bulk { bulk, rest, losses } if is_open && losses == self.losses => {
                self.take_bulk(bulk, rest)
            }
            // What it did before may be lost, and may not.
            Begun::Bulk { bulk, .. } => {
                bulk.finish(BulkEnd::Unknown);
                None
            }
        }
    }

    /// Takes what was called for while its line was held.
    fn take_missed(&mut self, turns: &Turns<Work<M>>) {
        let mut judged = 0_u64;
        while self.missed > 0 {
            while let Ok(report) = self.reports.try_recv() {
                self.take_report(report);
            }
            if judged >= QUANTUM {
                self.close_if_idle();
                judged = 0;
            }
            let Some(items) = self.take_turn(turns) else { return };
            self.missed = self.missed.saturating_sub(1);
            judged = judged.saturating_add(items);
        }
    }

    fn take_command(
        &mut self,
        command: M::Command,
        reply: Box<dyn FnOnce(Answer<M::Outcome>) + Send>,
    ) -> Option<Begun<M>> {
        let now = (self.clock)();
        let decided = match self.decide(now, &command) {
            Ok(decided) => decided,
            Err(NotTaken::Cold) => return Some(Begun::Command(command, reply)),
            Err(why) => {
                reply(why.answer());
                return None;
            }
        };
        let Decided { outcome, position, stamp, .. } = decided;
        match self.book.as_mut().map(|book| book.keep(position, stamp, outcome)) {
            Some(Ok(ticket)) => self.wait(ticket, Waiting::Command(reply)),
            // Decided, and nobody can be told in order: it may have happened.
            Some(Err(_)) | None => reply(Answer::Unknown),
        }
        None
    }

    /// Judges a command on the working state; makes room in the batch when there is none.
    fn decide(
        &mut self,
        now: Instant,
        command: &M::Command,
    ) -> Result<Decided<M::Outcome>, NotTaken> {
        let (Some(book), Some(recall)) = (&mut self.book, &mut self.recall) else {
            return Err(NotTaken::Refused(SubmitError::Stopped));
        };
        if !book.has_room() {
            return Err(NotTaken::Refused(SubmitError::Busy));
        }
        let rows = recall.rows(book, command)?;
        match self.decide_with(now, &rows, command) {
            // A full batch is closed, and the command fits the empty one or none.
            Err(NotTaken::Refused(SubmitError::BatchFull)) => {
                self.make_room()?;
                self.decide_with(now, &rows, command)
            }
            decided => decided,
        }
    }

    fn decide_with(
        &mut self,
        now: Instant,
        rows: &M::Rows,
        command: &M::Command,
    ) -> Result<Decided<M::Outcome>, NotTaken> {
        let (Some(book), Some(recall)) = (&mut self.book, &mut self.recall) else {
            return Err(NotTaken::Lost);
        };
        let decided = book.decide(now, rows, command, &*self.salts).map_err(NotTaken::Refused)?;
        recall.decided(decided.position, decided.stamp, book.decided());
        Ok(decided)
    }

    /// `chunk` is what the bulk gave already, and room for what it will give.
    fn take_bulk(
        &mut self,
        mut bulk: Box<dyn Bulk<M>>,
        mut chunk: Vec<M::Command>,
    ) -> Option<Begun<M>> {
        let now = (self.clock)();
        loop {
            if chunk.is_empty() {
                bulk.fill(&mut chunk);
            }
            if let (Some(book), Some(recall)) = (&self.book, &mut self.recall) {
                book.working().warm(&chunk);
                recall.warm(&chunk);
            }
            let mut judged = 0_usize;
            for command in &chunk {
                match self.decide(now, command) {
                    Ok(Decided { outcome, position, stamp, .. }) => {
                        bulk.decided(BulkPlace { position, stamp }, outcome);
                    }
                    Err(NotTaken::Cold) => break,
                    Err(NotTaken::Lost) => {
                        bulk.finish(BulkEnd::Unknown);
                        return None;
                    }
                    Err(NotTaken::Recall(why)) => bulk.not_taken(&why.to_string()),
                    Err(NotTaken::Refused(SubmitError::TooLarge)) => bulk.too_large(),
                    Err(NotTaken::Refused(why)) => bulk.not_taken(&why.to_string()),
                }
                judged = judged.saturating_add(1);
            }
            if chunk.is_empty() {
                break;
            }
            if judged < chunk.len() {
                chunk.drain(..judged);
                return Some(Begun::Bulk { bulk, rest: chunk, losses: self.losses });
            }
            chunk.clear();
        }
        self.chunk = chunk;
        let ticket = self.book.as_mut().map(|book| book.read(now));
        match ticket {
            Some(Ok(ticket)) => self.wait(ticket, Waiting::Bulk(bulk)),
            Some(Err(_)) | None => bulk.finish(BulkEnd::Unknown),
        }
        None
    }

    fn take_read(&mut self, look: Look<M>) {
        let now = (self.clock)();
        let Some(book) = &mut self.book else { return ((look.0)(None).0)(Answer::Stopped) };
        match book.read(now) {
            Ok(ticket) => {
                let finish = (look.0)(Some(book.working()));
                self.wait(ticket, Waiting::Read(finish));
            }
            Err(SubmitError::Busy) => ((look.0)(None).0)(Answer::Busy),
            Err(_) => ((look.0)(None).0)(Answer::Stopped),
        }
    }

    fn wait(&mut self, ticket: Ticket, waiting: Waiting<M>) {
        self.waiting.push_back((ticket, waiting));
        // What depends on nothing that waits to be written is told at once.
        self.answer();
    }

    /// Closes the open batch when the appender has nothing to do.
    fn close_if_idle(&mut self) {
        if self.book.as_ref().is_some_and(|b| b.in_flight() == 0 && b.has_open()) {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(closed) = self.book.as_mut().and_then(Book::close) {
            if let (Some(imager), Some(book)) = (&mut self.imager, &mut self.book) {
                imager.begin(book);
            }
            self.order(Order::Append(closed));
            // Also while requests keep coming: otherwise an image would wait for a quiet moment.
            self.take_image_step();
        }
    }

    /// Closes the open batch; waits while two are in flight.
    ///
    /// The book may be lost and opened again while this waits. What the caller decided or looked
    /// up before is of the lost one: it must not go on with the new one.
    fn make_room(&mut self) -> Result<(), NotTaken> {
        let losses = self.losses;
        loop {
            let Some(book) = self.book.as_ref().filter(|_| self.losses == losses) else {
                return Err(NotTaken::Lost);
            };
            if book.in_flight() < IN_FLIGHT_MAX {
                self.close();
                return Ok(());
            }
            match self.reports.recv() {
                Ok(report) => self.take_report(report),
                Err(_) => {
                    self.stop();
                    return Err(NotTaken::Lost);
                }
            }
        }
    }

    fn order(&mut self, order: Order<R>) {
        // INVARIANT (OrdersFit): batches in flight are bounded and reports are taken before the
        // queue of orders can fill with subscriptions; a closed channel means that the appender
        // panicked, which the next look at its reports finds.
        let _ = self.orders.send(order);
    }

    fn take_report(&mut self, report: Report<M, R>) {
        match report {
            Report::Landed(batch) => self.landed(&batch),
            Report::Failed(append) => self.failed(&append),
            Report::Reopened(_, recall) => self.recall = Some(recall),
        }
    }

    fn landed(&mut self, batch: &Arc<Batch>) {
        let tip = batch.tip();
        if let Some(book) = &mut self.book {
            book.landed(tip.digest);
        }
        if let Some(recall) = &mut self.recall {
            recall.durable(batch);
        }
        if let Some(imager) = &mut self.imager {
            imager.landed(tip);
        }
        self.answer();
    }

    fn answer(&mut self) {
        let Some(book) = &mut self.book else { return };
        let next = book.durable().next;
        for Release { ticket, end } in book.release() {
            if self.waiting.front().is_some_and(|(first, _)| *first == ticket)
                && let Some((_, waiting)) = self.waiting.pop_front()
            {
                waiting.finish(end, next);
            }
        }
    }

    fn failed(&mut self, append: &Append) {
        if self.book.is_none() {
            // The second batch in flight, after the first failed.
            return;
        }
        self.stop();
        // Fenced: somebody else became the writer on purpose. Claiming the epoch back would only
        // fence them in turn: this writer is done.
        self.fenced = matches!(append, Append::NotDone(NotDone::Fenced { .. }));
        self.since().fenced = self.fenced;
        self.since().trouble = Some(match append {
            Append::NotDone(why) => why.to_string(),
            Append::Unknown(why) => format!("an append ended unknown: {why}"),
            Append::Appended => String::new(),
        });
        self.reopen();
    }

    /// Answers everything that waits with *unknown* and drops the state.
    fn stop(&mut self) {
        self.losses = self.losses.wrapping_add(1);
        if let Some(book) = &mut self.book {
            book.lost();
        }
        self.answer();
        self.book = None;
        if let Some(imager) = &mut self.imager {
            imager.give_up();
        }
        for (_, waiting) in self.waiting.drain(..) {
            waiting.finish(End::Unknown, Position::ZERO);
        }
    }

    fn since(&self) -> MutexGuard<'_, Since> {
        // Every change is one assignment.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reopen(&mut self) -> bool {
        let now = (self.clock)();
        // A clock that was set back must not keep the book closed.
        let rests = now < self.retry_at && now.plus(REOPEN_PAUSE) >= self.retry_at;
        if self.fenced || rests {
            return false;
        }
        let Some(recall) = self.recall.take() else { return false };
        self.order(Order::Reopen(recall));
        let opened = loop {
            match self.reports.recv() {
                Ok(Report::Reopened(opened, recall)) => {
                    self.recall = Some(recall);
                    break opened;
                }
                Ok(Report::Landed(_) | Report::Failed(_)) => {}
                Err(_) => return false,
            }
        };
        match *opened {
            Ok((book, recovery)) => {
                let (recovery, trouble) = (Some(recovery), None);
                *self.since() = Since { recovery, trouble, fenced: false };
                self.book = Some(book);
                true
            }
            Err(failure) => {
                self.since().trouble = Some(failure.to_string());
                self.retry_at = now.plus(REOPEN_PAUSE);
                false
            }
        }
    }

    /// Writes what is left after the last handle was dropped.
    fn drain(&mut self) {
        while self.book.as_ref().is_some_and(Book::has_unwritten) {
            self.close();
            let Ok(report) = self.reports.recv() else { return self.stop() };
            self.take_report(report);
        }
        self.answer();
        if let (Some(imager), Some(book)) = (&mut self.imager, &mut self.book) {
            imager.finish(book);
        }
    }

    fn take_image_step(&mut self) {
        if let (Some(imager), Some(book)) = (&mut self.imager, &mut self.book) {
            imager.step(book);
        }
    }
}

/// Why a command was not taken, seen from the writer.
enum NotTaken {
    Refused(SubmitError),
    Recall(RecallError),
    /// The state was lost while room was made: what was decided before may have happened.
    Lost,
    /// Facts must be read first.
    Cold,
}

impl From<NoRows> for NotTaken {
    fn from(why: NoRows) -> Self {
        match why {
            NoRows::Failed(why) => Self::Recall(why),
            NoRows::Cold => Self::Cold,
        }
    }
}

impl NotTaken {
    /// What a single command is told. One that is set aside is told later.
    fn answer<O>(self) -> Answer<O> {
        match self {
            Self::Refused(SubmitError::Stopped) => Answer::Stopped,
            Self::Refused(SubmitError::Busy) => Answer::Busy,
            Self::Refused(why) => Answer::NotTaken(why),
            Self::Recall(why) => Answer::NotRecalled(why.0),
            Self::Lost | Self::Cold => Answer::Unknown,
        }
    }
}
