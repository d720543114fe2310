//! Where the worker runs: in a thread of its own, or in the caller's turn.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::error::IdsError;
use super::part::Part;
use super::run::Run;
use super::worker::{Slice, Worker};
use crate::disk::Disk;

/// One part is sealed at a time; the rest is room for what is only to be dropped.
const REQUESTS: usize = 8;
/// A report a run; the caller takes them once a batch.
const REPORTS: usize = 64;
/// Rest between two slices of merging at most.
const REST_MAX: Duration = Duration::from_millis(20);

/// What the caller wants done behind it.
pub(super) enum Request<F> {
    /// Seal this part.
    Seal(Arc<Part>),
    /// Finish all merging now.
    Settle,
    /// Drop this: giving tens of megabytes back to the system takes milliseconds.
    Drop(Garbage<F>),
}

/// What is no longer needed.
#[expect(dead_code, reason = "held only to be dropped elsewhere")]
pub(super) enum Garbage<F> {
    /// A part that was sealed.
    Part(Arc<Part>),
    /// Runs that were merged.
    Runs(Vec<Run<F>>),
}

/// What was done, or not.
pub(super) enum Report<F> {
    /// The oldest part is this run.
    Sealed(Box<Run<F>>),
    /// It is not, and stays in memory.
    NotSealed(IdsError),
    /// These runs are one.
    Merged {
        /// Their numbers, neighbours.
        inputs: Vec<u64>,
        /// It.
        run: Box<Run<F>>,
    },
    /// They are not, and stay.
    NotMerged(IdsError),
    /// All merging is done.
    Settled,
}

/// The worker, wherever it runs.
pub(super) enum Engine<D: Disk> {
    /// In the caller's turn, for deterministic tests: a slice of merging at each [`Engine::poll`].
    Inline { worker: Box<Worker<D>>, reports: Vec<Report<D::File>> },
    /// In a thread.
    Threaded(Threaded<D>),
}

pub(super) struct Threaded<D: Disk> {
    requests: Option<SyncSender<Request<D::File>>>,
    reports: Receiver<Report<D::File>>,
    thread: Option<JoinHandle<Worker<D>>>,
}

impl<D: Disk> Engine<D> {
    pub(super) fn inline(worker: Worker<D>) -> Self {
        Self::Inline { worker: Box::new(worker), reports: Vec::new() }
    }

    pub(super) fn threaded(worker: Worker<D>) -> Result<Self, IdsError>
    where
        D: 'static,
        D::File: 'static,
    {
        let (requests, orders) = sync_channel(REQUESTS);
        let (answers, reports) = sync_channel(REPORTS);
        let thread = std::thread::Builder::new()
            .name("ids".to_owned())
            .spawn(move || work(worker, &orders, &answers))
            .map_err(IdsError::failed("ids", "worked on in a thread"))?;
        Ok(Self::Threaded(Threaded { requests: Some(requests), reports, thread: Some(thread) }))
    }

    /// Hands work over without waiting; `false` when there is no room now.
    pub(super) fn submit(&mut self, request: Request<D::File>) -> Result<bool, IdsError> {
        match self {
            Self::Inline { worker, reports } => {
                match request {
                    Request::Seal(part) => reports.push(seal(worker, &part)),
                    Request::Settle => settle(worker, |report| reports.push(report)),
                    Request::Drop(_) => {}
                }
                Ok(true)
            }
            Self::Threaded(threaded) => {
                let requests = threaded.requests.as_ref().ok_or(IdsError::Stopped)?;
                match requests.try_send(request) {
                    Ok(()) => Ok(true),
                    Err(TrySendError::Full(_)) => Ok(false),
                    Err(TrySendError::Disconnected(_)) => Err(IdsError::Stopped),
                }
            }
        }
    }

    /// What was done since the last call, without waiting.
    pub(super) fn poll(&mut self) -> Vec<Report<D::File>> {
        match self {
            Self::Inline { worker, reports } => {
                if worker.is_merging() {
                    reports.extend(slice(worker));
                }
                core::mem::take(reports)
            }
            Self::Threaded(threaded) => threaded.reports.try_iter().collect(),
        }
    }

    /// Waits for a report.
    pub(super) fn wait(&mut self) -> Result<Vec<Report<D::File>>, IdsError> {
        match self {
            Self::Inline { reports, .. } => Ok(core::mem::take(reports)),
            Self::Threaded(threaded) => {
                threaded.reports.recv().map(|report| vec![report]).map_err(|_| IdsError::Stopped)
            }
        }
    }

    /// Ends the work and gives the disk back, unless the thread panicked.
    pub(super) fn stop(self) -> Option<D> {
        match self {
            Self::Inline { worker, .. } => Some(worker.into_disk()),
            Self::Threaded(mut threaded) => threaded.stop().map(Worker::into_disk),
        }
    }
}

impl<D: Disk> Threaded<D> {
    fn stop(&mut self) -> Option<Worker<D>> {
        self.requests = None;
        // The thread may wait for room to report: let it.
        while self.reports.recv().is_ok() {}
        self.thread.take().and_then(|thread| thread.join().ok())
    }
}

impl<D: Disk> Drop for Threaded<D> {
    fn drop(&mut self) {
        // The lock of the directory must not outlive the index.
        self.stop();
    }
}

fn work<D: Disk>(
    mut worker: Worker<D>,
    orders: &Receiver<Request<D::File>>,
    answers: &SyncSender<Report<D::File>>,
) -> Worker<D> {
    let mut rest = Duration::ZERO;
    loop {
        let order = if worker.is_merging() {
            orders.recv_timeout(rest)
        } else {
            orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match order {
            Ok(Request::Seal(part)) => {
                let report = seal(&mut worker, &part);
                // So that the caller's is the last reference and it is dropped here.
                drop(part);
                if answers.send(report).is_err() {
                    return worker;
                }
            }
            Ok(Request::Settle) => settle(&mut worker, |report| drop(answers.send(report))),
            Ok(Request::Drop(garbage)) => drop(garbage),
            Err(RecvTimeoutError::Timeout) => {
                let began = Instant::now();
                if let Some(report) = slice(&mut worker)
                    && answers.send(report).is_err()
                {
                    return worker;
                }
                // As long as it worked it rests, so that merging never takes more than half a
                // core from the writer; unless runs come faster than that.
                rest = if worker.is_behind() { Duration::ZERO } else { began.elapsed() };
                rest = rest.min(REST_MAX);
            }
            Err(RecvTimeoutError::Disconnected) => return worker,
        }
    }
}

fn seal<D: Disk>(worker: &mut Worker<D>, part: &Part) -> Report<D::File> {
    match worker.seal(part) {
        Ok(run) => Report::Sealed(Box::new(run)),
        Err(error) => Report::NotSealed(error),
    }
}

fn slice<D: Disk>(worker: &mut Worker<D>) -> Option<Report<D::File>> {
    match worker.merge_slice() {
        Ok(Slice::Idle | Slice::Going) => None,
        Ok(Slice::Merged { inputs, run }) => Some(Report::Merged { inputs, run }),
        Err(error) => Some(Report::NotMerged(error)),
    }
}

fn settle<D: Disk>(worker: &mut Worker<D>, mut report: impl FnMut(Report<D::File>)) {
    while worker.is_merging() {
        if let Some(done) = slice(worker) {
            report(done);
        }
    }
    report(Report::Settled);
}
