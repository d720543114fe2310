//! The log as a projection of the settlement book: leaf *n* is the commitment to fact *n*.
//!
//! A task of its own reads durable batches, appends their commitments, publishes a checkpoint
//! and asks the witnesses to cosign it. The writer never waits for it. Crash story: tiles come
//! before the checkpoint that needs them; a crash in between leaves the old checkpoint with all
//! its files, and the batches are read from the journal again from the published size on.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::{Client, Outcome, Outgoing, Peer};
use evidence::exchange::{
    ADD_CHECKPOINT_PATH, AddCheckpoint, Answer, TEXT_CONTENT_TYPE, read_answer,
};
use evidence::tile::{TILE_WIDTH, Tile, TileReader};
use evidence::{Log, NoteSigner, SignedCheckpoint, TlogProof, Trust, VerifierKey};
use journal::Batch;
use terms::Position;
use tokio::sync::watch;

use super::facts::READ_PATIENCE;
use super::files::{TileFiles, replace};
use super::orders::Clearing;
use crate::roles::RoleError;

/// How long commitments are gathered before a checkpoint: the window of risk stays under 1 s.
const GATHER: Duration = Duration::from_millis(100);
/// Batches taken into one checkpoint at most.
const BATCHES_MAX: usize = 4096;
/// The cosigned checkpoint's file, beside the log's own.
pub const COSIGNED_FILE: &str = "checkpoint.cosigned";

/// A witness and what it last said.
#[derive(Debug)]
pub struct WitnessLink {
    /// Where it is.
    pub peer: Peer,
    /// Its key.
    pub key: VerifierKey,
    /// The size it is known to hold; asked anew after a 409.
    pub size: u64,
}

/// What the log has published and what was cosigned, shared with those who serve it.
#[derive(Debug)]
pub struct Published {
    log: Mutex<Log<TileFiles>>,
    trust: Trust,
    folder: PathBuf,
    cosigned: watch::Sender<Option<SignedCheckpoint>>,
}

impl Published {
    /// Shares an opened log.
    #[must_use]
    pub fn new(log: Log<TileFiles>, trust: Trust, folder: PathBuf) -> Self {
        let kept = std::fs::read(folder.join(COSIGNED_FILE)).ok();
        let known = kept.and_then(|bytes| SignedCheckpoint::parse(&bytes).ok());
        let (cosigned, _) = watch::channel(known);
        Self { log: Mutex::new(log), trust, folder, cosigned }
    }

    /// The log, for proofs. Held briefly.
    pub fn log(&self) -> MutexGuard<'_, Log<TileFiles>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The trust that receipts are checked by before they leave.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The newest checkpoint with enough cosignatures.
    #[must_use]
    pub fn cosigned(&self) -> Option<SignedCheckpoint> {
        self.cosigned.borrow().clone()
    }

    /// Waits until entries up to and including `position` are under a cosigned checkpoint.
    pub async fn covers(&self, position: u64, patience: Duration) -> Option<SignedCheckpoint> {
        let mut watching = self.cosigned.subscribe();
        let covered = watching.wait_for(|seen| {
            seen.as_ref().is_some_and(|checkpoint| checkpoint.head().size > position)
        });
        let found = tokio::time::timeout(patience, covered).await.ok()?.ok()?;
        found.clone()
    }

    /// A published entry, as its bytes stand in the log.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<Vec<u8>> {
        let log = self.log();
        let size = log.published()?.head().size;
        let tile = Tile::holding(0, index, size)?;
        let entries = TileReader::new(log.store(), size).entries(tile)?;
        let within = usize::try_from(index % TILE_WIDTH).ok()?;
        entries.into_iter().nth(within)
    }

    /// The tlog-proof of an entry under a cosigned checkpoint.
    pub fn proof(&self, index: u64, checkpoint: &SignedCheckpoint) -> Result<TlogProof, String> {
        let size = checkpoint.head().size;
        let path = self.log().inclusion(index, size).map_err(|e| e.to_string())?;
        Ok(TlogProof { index, path, checkpoint: checkpoint.clone() })
    }

    fn keep(&self, checkpoint: SignedCheckpoint) -> Result<(), String> {
        replace(&self.folder.join(COSIGNED_FILE), checkpoint.to_string().as_bytes())
            .map_err(|error| error.to_string())?;
        self.cosigned.send_replace(Some(checkpoint));
        Ok(())
    }
}

/// Appends and publishes what the journal holds beyond the log, before any witness is asked: the
/// log of a core that stood by ends a little before what its predecessor had cosigned.
pub async fn catch_up(
    clearing: &Clearing,
    published: &Arc<Published>,
    signer: NoteSigner,
) -> Result<NoteSigner, RoleError> {
    let head = clearing.books.settlement.recovery.tip.next.number();
    let from = published.log().size();
    let batches = clearing.books.settlement.handle.subscribe(Position::new(from));
    let published = Arc::clone(published);
    let work = move || {
        while published.log().size() < head {
            let batch = batches.recv_timeout(READ_PATIENCE).map_err(|e| e.to_string())?;
            if append(&mut published.log(), &batch).is_break() {
                return Err("facts are missing".to_owned());
            }
        }
        published.log().publish(&signer).map_err(|e| e.to_string())?;
        Ok(signer)
    };
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(e.to_string()));
    done.map_err(|error| RoleError::Unsound(format!("the log could not catch up: {error}")))
}

/// Appends the entries of a batch that the log does not have yet.
fn append(log: &mut Log<TileFiles>, batch: &Batch) -> ControlFlow<()> {
    for entry in batch.entries() {
        let position = entry.position;
        // A batch may begin before what was published: those leaves are there already.
        match position.number().cmp(&log.size()) {
            Ordering::Less => {}
            Ordering::Equal => log.append(&entry.commitment),
            Ordering::Greater => {
                tracing::error!(%position, size = log.size(), "facts are missing");
                return ControlFlow::Break(());
            }
        }
    }
    ControlFlow::Continue(())
}

/// Runs until the book closes: gather, publish, have cosigned. Ends early only when a part of it
/// panicked or the facts do not follow on: whoever runs it must stop serving then, for promises
/// would be given that no log keeps.
pub async fn run(
    published: Arc<Published>,
    batches: Receiver<Arc<Batch>>,
    signer: NoteSigner,
    client: Client,
    mut witnesses: Vec<WitnessLink>,
) {
    let mut source = Some(batches);
    let signer = Arc::new(signer);
    while let Some(batches) = source.take() {
        let gathering = tokio::task::spawn_blocking(move || gather(batches));
        let Ok((batches, gathered, open)) = gathering.await else { return };
        if publish(&published, gathered, &signer).await.is_break() {
            return;
        }
        cosign(&published, &client, &mut witnesses).await;
        source = open.then_some(batches);
    }
}

type Gathered = (Receiver<Arc<Batch>>, Vec<Arc<Batch>>, bool);

fn gather(batches: Receiver<Arc<Batch>>) -> Gathered {
    let mut gathered = Vec::new();
    match batches.recv_timeout(Duration::from_millis(500)) {
        Ok(batch) => gathered.push(batch),
        Err(RecvTimeoutError::Timeout) => return (batches, gathered, true),
        Err(RecvTimeoutError::Disconnected) => return (batches, gathered, false),
    }
    std::thread::sleep(GATHER);
    gathered.extend(batches.try_iter().take(BATCHES_MAX));
    (batches, gathered, true)
}

/// Appends and publishes. Called with nothing, too: what a full disk did not take the last time is
/// tried again though no new fact comes.
async fn publish(
    published: &Arc<Published>,
    batches: Vec<Arc<Batch>>,
    signer: &Arc<NoteSigner>,
) -> ControlFlow<()> {
    let (published, signer) = (Arc::clone(published), Arc::clone(signer));
    let work = move || {
        let mut log = published.log();
        if batches.iter().any(|batch| append(&mut log, batch).is_break()) {
            return ControlFlow::Break(());
        }
        if let Err(error) = log.publish(&signer) {
            tracing::error!(%error, "the log could not be published");
        }
        ControlFlow::Continue(())
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "the log's task failed");
        ControlFlow::Break(())
    })
}

/// Asks every witness for its cosignature of the newest checkpoint, one after another: a witness
/// answers within milliseconds, and receipts need them all anyway.
async fn cosign(published: &Arc<Published>, client: &Client, witnesses: &mut [WitnessLink]) {
    let Some(newest) = published.log().published().cloned() else { return };
    let known = published.cosigned().map(|seen| seen.head());
    if known == Some(newest.head()) {
        return;
    }
    let mut cosigned = newest.clone();
    for witness in witnesses {
        if let Some(line) = ask(published, client, witness, &newest).await {
            cosigned.add(line);
        }
    }
    let keys = published.trust.policy();
    let enough = {
        let signed = cosigned.note().signatures();
        let made: Vec<&VerifierKey> = keys
            .witnesses()
            .iter()
            .map(|(_, key)| key)
            .filter(|key| signed.iter().any(|line| key.made(line)))
            .collect();
        keys.is_met_by(&made)
    };
    if enough {
        if let Err(error) = published.keep(cosigned) {
            tracing::error!(%error, "the cosigned checkpoint could not be kept");
        }
    } else {
        tracing::warn!(size = cosigned.head().size, "not enough cosignatures yet; receipts wait");
    }
}

async fn ask(
    published: &Published,
    client: &Client,
    witness: &mut WitnessLink,
    newest: &SignedCheckpoint,
) -> Option<evidence::SignatureLine> {
    // A first try with the size we believe, a second with the size the witness names.
    for _ in 0..2 {
        match once(published, client, witness, newest).await {
            Ok(Answer::Cosigned { line, .. }) => {
                witness.size = newest.head().size;
                return Some(line);
            }
            Ok(Answer::SawOther { size }) => witness.size = size,
            Ok(other) => {
                tracing::error!(witness = witness.peer.authority(), ?other, "not cosigned");
                return None;
            }
            Err(reason) => {
                tracing::warn!(witness = witness.peer.authority(), %reason, "not cosigned");
                return None;
            }
        }
    }
    None
}

/// What a witness answers to the newest checkpoint.
pub async fn once(
    published: &Published,
    client: &Client,
    witness: &WitnessLink,
    newest: &SignedCheckpoint,
) -> Result<Answer, String> {
    let (old, new) = (witness.size, newest.head().size);
    let proof = if old == 0 || old >= new {
        Vec::new()
    } else {
        published.log().consistency(old, new).map_err(|e| e.to_string())?
    };
    let request = AddCheckpoint { old_size: old, proof, checkpoint: newest.clone() };
    let target = format!("/{ADD_CHECKPOINT_PATH}");
    let outgoing = Outgoing::post(&target, TEXT_CONTENT_TYPE, request.encode());
    let (status, body) = match client.send_foreign(&witness.peer, outgoing).await {
        Outcome::Answer(answer) => (answer.status, answer.body),
        Outcome::Refused(problem) => return Err(problem.title),
        Outcome::NotDone(reason) => return Err(reason.to_string()),
        Outcome::Unknown(reason) => return Err(reason.to_string()),
    };
    read_answer(status, &body, &witness.key, newest.checkpoint()).map_err(|e| e.to_string())
}
