//! At an opening: what is folded into the state is told to the recall, on a thread beside.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use journal::{Batch, Machine, Tip};
use terms::Position;

use super::appender::OpenFailure;
use super::recall::{Recall, RecallError};

/// Batches that may wait to be learned.
const WAITING: usize = 4;

/// Where batches are told, in their order.
pub(super) struct Lesson {
    sender: Option<Sender<Arc<Batch>>>,
    /// What the recall has not seen.
    pub(super) from: Position,
    pub(super) until: Position,
}

impl Lesson {
    pub(super) fn tell(&self, batch: Batch) {
        if let Some(sender) = self.sender.as_ref().filter(|_| batch.tip().next > self.from) {
            // Who does not listen any more has failed, and says why at the end.
            let _ = sender.send(Arc::new(batch));
        }
    }
}

/// Runs `fold`, whose batches from `known` to `head` are given to [`Recall::learn`] meanwhile.
pub(super) fn teaching<M, R, T>(
    recall: &mut R,
    known: Position,
    head: Tip,
    fold: impl FnOnce(&Lesson) -> Result<T, OpenFailure>,
) -> Result<T, OpenFailure>
where
    M: Machine,
    R: Recall<M>,
{
    let mut lesson = Lesson { sender: None, from: known, until: head.next };
    if known >= head.next {
        return fold(&lesson);
    }
    let (sender, told) = bounded(WAITING);
    lesson.sender = Some(sender);
    std::thread::scope(|scope| {
        let name = std::thread::Builder::new().name("recall".into());
        let learning = name
            .spawn_scoped(scope, move || learn(recall, known, &told))
            .map_err(|error| OpenFailure::Recall(RecallError(error.to_string())))?;
        let folded = fold(&lesson);
        drop(lesson);
        let learned = learning.join();
        let gone = |_| OpenFailure::Recall(RecallError("its thread ended".into()));
        let next = learned.map_err(gone)?.map_err(OpenFailure::Recall)?;
        let folded = folded?;
        if next < head.next {
            let why = format!("it was told facts up to {next} of {}", head.next);
            return Err(OpenFailure::Recall(RecallError(why)));
        }
        Ok(folded)
    })
}

fn learn<M: Machine, R: Recall<M>>(
    recall: &mut R,
    mut next: Position,
    told: &Receiver<Arc<Batch>>,
) -> Result<Position, RecallError> {
    for batch in told {
        // Told again, when an image turned out to be of another journal.
        if batch.tip().next > next {
            recall.learn(&batch)?;
            next = batch.tip().next;
        }
    }
    Ok(next)
}
