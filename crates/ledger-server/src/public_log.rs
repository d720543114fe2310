//! The log as others read it: checkpoints signed, tiles cut, facts proved.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use evidence::tree::TreeHead;
use evidence::{NoteSigner, SignedCheckpoint, TlogProof, VerifierKey, WholeReceipt};
use record::OpenedFact;
use seal::from_canonical;
use store::disk::{SystemFile, read_whole, replace};
use store::log::LogReader;
use store::{FileDisk, SaltKeys, SegmentReader};
use terms::Position;

/// Where the newest checkpoint lies, in the log's folder.
pub const CHECKPOINT_NAME: &str = "checkpoint";

/// The checkpoint that a log's folder holds; `None` when none was ever published there.
///
/// # Errors
/// In words; also when it is not signed by the book's key.
pub fn stored_checkpoint(
    folder: &Path,
    key: &VerifierKey,
) -> Result<Option<SignedCheckpoint>, String> {
    let path = folder.join(CHECKPOINT_NAME);
    let wrong = |why: &dyn std::fmt::Display| format!("`{}`: {why}", path.display());
    let disk = FileDisk::look(folder);
    let Some(bytes) = read_whole(&disk, CHECKPOINT_NAME).map_err(|error| wrong(&error))? else {
        return Ok(None);
    };
    let checkpoint = SignedCheckpoint::parse(&bytes).map_err(|error| wrong(&error))?;
    checkpoint.check(key).map_err(|error| wrong(&error))?;
    Ok(Some(checkpoint))
}

/// The log as far as a published checkpoint covers it.
#[derive(Debug)]
pub struct PublicLog {
    reader: LogReader<SystemFile>,
    newest: RwLock<Option<SignedCheckpoint>>,
}

impl PublicLog {
    /// Over the packed file in a folder, which must be there.
    ///
    /// # Errors
    /// The device's.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        let reader = LogReader::open(&FileDisk::look(folder))?;
        Ok(Self { reader, newest: RwLock::new(None) })
    }

    /// Serves the last run's checkpoint, which was compared with the log.
    pub(crate) fn begin(&self, last: Option<SignedCheckpoint>) {
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = last;
    }

    /// Signs a durable head, stores the checkpoint durably, and serves it from then on.
    pub(crate) fn publish(
        &self,
        disk: &FileDisk,
        signer: &NoteSigner,
        head: TreeHead,
    ) -> Result<(), String> {
        let signed = SignedCheckpoint::sign(signer, head).map_err(|error| error.to_string())?;
        let text = signed.to_string();
        replace(disk, CHECKPOINT_NAME, text.as_bytes()).map_err(|error| error.to_string())?;
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(signed);
        Ok(())
    }

    /// The newest published checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Option<SignedCheckpoint> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What stands at a path below the log's prefix, the checkpoint apart: a tile or a bundle of
    /// the published tree. `None` for anything else.
    ///
    /// # Errors
    /// The device's.
    pub fn resource(&self, path: &str) -> std::io::Result<Option<Vec<u8>>> {
        match self.checkpoint() {
            Some(checkpoint) => self.reader.view(checkpoint.head().size).resource(path),
            None => Ok(None),
        }
    }

    /// The root of the first `size` entries, which must be durable.
    pub(crate) fn root_at(&self, size: u64) -> Result<seal::Digest, String> {
        self.reader.view(size).root().map_err(|error| error.to_string())
    }

    /// The commitment of an entry, which must be durable.
    pub(crate) fn commitment(&self, position: u64) -> Result<Option<record::Commitment>, String> {
        let view = self.reader.view(position.saturating_add(1));
        view.commitment(position).map_err(|error| error.to_string())
    }

    /// That an entry stands in the published log; `None` while no checkpoint covers it.
    ///
    /// # Errors
    /// In words.
    pub fn proof(&self, position: Position) -> Result<Option<TlogProof>, String> {
        let index = position.number();
        let Some(checkpoint) = self.checkpoint().filter(|one| one.head().size > index) else {
            return Ok(None);
        };
        let path = self.reader.view(checkpoint.head().size).inclusion(index);
        let path = path.map_err(|error| error.to_string())?;
        Ok(Some(TlogProof { index, path, checkpoint }))
    }
}

/// Makes receipts: reads the fact, opens it, proves it.
#[derive(Debug)]
pub struct Prover {
    /// The log.
    pub log: Arc<PublicLog>,
    pub(crate) journal: SegmentReader<FileDisk>,
    pub(crate) salts: Arc<SaltKeys<FileDisk>>,
}

impl Prover {
    /// The receipt of the fact at a position; `None` while no checkpoint covers it.
    ///
    /// # Errors
    /// In words: a damaged fact, or one whose salts are erased.
    pub fn receipt(&self, position: Position) -> Result<Option<WholeReceipt>, String> {
        let Some(proof) = self.log.proof(position)? else { return Ok(None) };
        let read = self.journal.read_from(position, 1).map_err(|error| error.to_string())?;
        let stored = read.first().and_then(|batch| batch.at(position));
        let stored = stored.ok_or_else(|| format!("there is no fact at position `{position}`"))?;
        let fact: record::Fact = from_canonical(stored.bytes).map_err(|error| error.to_string())?;
        let stream = self.salts.stream(fact.salt_slot);
        let stream = stream.ok_or("its salts were erased: it can be proved to nobody any more")?;
        let opened = OpenedFact { salt: stream.at(position), bytes: stored.bytes.to_vec().into() };
        WholeReceipt::new(opened, &proof).map(Some).map_err(|refused| {
            format!("the log does not hold the fact at `{position}`: {refused}; run `fsck`")
        })
    }
}
