//! Books in a place of objects, as a copy: what lies there, how it is added to, how it is read.
//!
//! Runs of batches are objects that never change; one object, the manifest, says which of them
//! count and is changed by whoever knows its version: of two writers at once one wins, and what
//! the other left counts for nothing. `docs/formats/backup.md`.

mod copy;
mod walk;

use minicbor::{Decode, Encode};
use record::Fact;
use seal::Digest;
use seal::digest::{Domain, digest};
use terms::{BookName, Epoch, Instant, Position, RunId};

use journal::{Batch, Tip};

use crate::objects::{Created, ObjectError, Objects, Updated, Version, create_once, update_once};

pub use copy::{Copied, CopyError, Source};
pub use walk::{WalkError, each_batch, runs_of, unnamed};

/// The first item of a manifest: names it and its version.
pub const MAGIC: &str = "wayleave/backup/v1";
/// The manifest's name.
pub const MANIFEST_NAME: &str = "manifest";
/// Bytes of batches of one object, at most by one batch more: an upload that is repeated costs
/// seconds, and a terabyte is 130,000 objects.
pub const RUN_BYTES: usize = 8 << 20;
/// Runs that a manifest names itself before they move into an index of their own.
pub const RUNS_MAX: usize = 256;
const MANIFEST_DOMAIN: Domain = Domain::new("wayleave/backup/manifest/v1");
const INDEX_MAGIC: &str = "wayleave/backup/index/v1";

/// What a place holds, as of one moment for all books.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Manifest {
    /// [`MAGIC`].
    #[n(0)]
    pub magic: String,
    /// From 0, one more at each change.
    #[n(1)]
    pub number: u64,
    /// Digest of the manifest before; zeros in the first.
    #[n(2)]
    pub previous: Digest,
    /// What the folder is: `ledger` or `core`.
    #[n(3)]
    pub kind: String,
    /// The process run that wrote this.
    #[n(4)]
    pub writer: RunId,
    /// The moment of the cut, nanoseconds since 1970: no batch of a later stamp is in it.
    #[n(5)]
    pub cut: u64,
    /// The books, by name.
    #[n(6)]
    pub books: Vec<BookPart>,
    /// The log of one of them.
    #[n(7)]
    pub log: Option<LogPart>,
    /// The role's configuration, as its file; empty where there is none.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub config: Vec<u8>,
    /// What was sealed to the operator's recovery key.
    #[n(9)]
    pub sealed: Option<SealedPart>,
}

/// One book.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BookPart {
    /// Its name.
    #[n(0)]
    pub book: BookName,
    /// Facts copied: the position of the next one.
    #[n(1)]
    pub next: Position,
    /// Digest of the last batch; zeros before the first.
    #[n(2)]
    pub digest: Digest,
    /// Its stamp, nanoseconds since 1970.
    #[n(3)]
    pub stamp: u64,
    /// Its epoch.
    #[n(4)]
    pub epoch: u64,
    /// One more than the highest salt slot of any fact.
    #[n(5)]
    pub salt_slots: u64,
    /// Bytes of all batches.
    #[n(6)]
    pub bytes: u64,
    /// Name of the newest index of older runs; empty where there is none.
    #[n(7)]
    pub index: String,
    /// The runs since.
    #[n(8)]
    pub runs: Vec<Run>,
    /// The trial balance at `next`, where it was made.
    #[n(9)]
    pub trial: Option<Trial>,
}

/// One object of batches.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Run {
    /// Position of its first fact.
    #[n(0)]
    pub first: Position,
    /// One after its last.
    #[n(1)]
    pub next: Position,
    /// Its length.
    #[n(2)]
    pub bytes: u64,
    /// Its SHA-256.
    #[n(3)]
    pub sha256: Digest,
}

/// What the accounts of a book come to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Trial {
    /// How many accounts there are.
    #[n(0)]
    pub accounts: u64,
    /// Per asset its code and, in minor units, posted debits and credits, held debits and credits.
    #[n(1)]
    pub totals: Vec<AssetTotal>,
    /// Digest of every account's counters, by id.
    #[n(2)]
    pub balances: Digest,
}

/// The sums of one asset, minor units as text: they may be larger than 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AssetTotal {
    /// The asset.
    #[n(0)]
    pub asset: String,
    /// Posted debits.
    #[n(1)]
    pub debits: String,
    /// Posted credits.
    #[n(2)]
    pub credits: String,
    /// Held debits.
    #[n(3)]
    pub debits_held: String,
    /// Held credits.
    #[n(4)]
    pub credits_held: String,
}

/// A log and what it has signed of its book.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LogPart {
    /// Whose log.
    #[n(0)]
    pub book: BookName,
    /// Its verifier key, as text; empty where it was not at hand.
    #[n(1)]
    pub key: String,
    /// Its newest checkpoint, of no more entries than the book has facts here; empty before any.
    #[n(2)]
    pub checkpoint: String,
    /// The newest with cosignatures; empty before any.
    #[n(3)]
    pub cosigned: String,
}

/// What was sealed, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SealedPart {
    /// The recovery key's public half (X25519).
    #[cbor(n(0), with = "minicbor::bytes")]
    pub recipient: [u8; 32],
    /// The boxes, in the order in which they are to be opened.
    #[n(1)]
    pub boxes: Vec<SealedBox>,
}

/// One box.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SealedBox {
    /// The object.
    #[n(0)]
    pub object: String,
    /// SHA-256 of the object.
    #[n(1)]
    pub sha256: Digest,
    /// Digest of what is sealed, so that the same is not sealed again.
    #[n(2)]
    pub content: Digest,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Index {
    #[n(0)]
    magic: String,
    #[n(1)]
    book: BookName,
    /// Name of the index before; empty in the first.
    #[n(2)]
    previous: String,
    #[n(3)]
    runs: Vec<Run>,
}

impl Manifest {
    /// The first one of a place: nothing copied yet.
    #[must_use]
    pub fn begun(kind: &str, writer: RunId) -> Self {
        Self {
            magic: MAGIC.to_owned(),
            number: 0,
            previous: Digest::ZERO,
            kind: kind.to_owned(),
            writer,
            cut: 0,
            books: Vec::new(),
            log: None,
            config: Vec::new(),
            sealed: None,
        }
    }

    /// The object.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        seal::to_canonical(self)
    }

    /// Reads the object.
    ///
    /// # Errors
    /// In words: not canonical, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let read: Self = seal::from_canonical(bytes).map_err(|error| error.to_string())?;
        if read.magic == MAGIC {
            return Ok(read);
        }
        Err(format!("expected `{MAGIC}`, got `{}`", read.magic))
    }

    /// What the next one names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(MANIFEST_DOMAIN, &self.to_bytes())
    }

    /// The one that is to follow this one.
    #[must_use]
    pub fn next(&self, writer: RunId, cut: Instant) -> Self {
        Self {
            number: self.number.saturating_add(1),
            previous: self.digest(),
            writer,
            cut: cut.nanos(),
            ..self.clone()
        }
    }

    /// One of its books.
    #[must_use]
    pub fn book(&self, book: &BookName) -> Option<&BookPart> {
        self.books.iter().find(|part| part.book == *book)
    }
}

impl BookPart {
    /// A book of which nothing was copied yet.
    #[must_use]
    pub const fn begun(book: BookName) -> Self {
        Self {
            book,
            next: Position::ZERO,
            digest: Digest::ZERO,
            stamp: 0,
            epoch: 0,
            salt_slots: 0,
            bytes: 0,
            index: String::new(),
            runs: Vec::new(),
            trial: None,
        }
    }

    /// Where the copy ends.
    #[must_use]
    pub const fn tip(&self) -> Tip {
        Tip { next: self.next, digest: self.digest, stamp: Instant::from_nanos(self.stamp) }
    }

    /// The epoch of the last batch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        Epoch::new(self.epoch)
    }

    fn take(&mut self, batch: &Batch) -> Result<(), journal::BatchError> {
        for stored in batch.entries() {
            let fact: Fact = stored.fact()?;
            self.salt_slots = self.salt_slots.max(fact.salt_slot.0.saturating_add(1));
        }
        let tip = batch.tip();
        (self.next, self.digest, self.stamp) = (tip.next, tip.digest, tip.stamp.nanos());
        self.epoch = batch.origin().epoch.number();
        let bytes = u64::try_from(batch.bytes().len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
        self.trial = None;
        Ok(())
    }
}

impl Run {
    /// The object's name.
    #[must_use]
    pub fn name(&self, book: &BookName) -> String {
        let last = self.next.number().saturating_sub(1);
        format!("{}/{:020}-{last:020}", journal_folder(book), self.first.number())
    }
}

/// Where a book's runs lie.
#[must_use]
pub fn journal_folder(book: &BookName) -> String {
    format!("journal/{book}")
}

/// A manifest as it lies there, with the version that a change of it must know.
#[derive(Clone, Debug)]
pub struct Held {
    /// It.
    pub manifest: Manifest,
    version: Option<Version>,
}

/// Why a place gives no manifest, or takes none.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The place.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// It is none of ours.
    #[error("`{MANIFEST_NAME}` is no manifest of a backup: {0}")]
    Malformed(String),
    /// Another writer changed it meanwhile.
    #[error("another backup writes to this place: its manifest {0} came first; run this again")]
    Overtaken(u64),
}

/// The manifest of a place; `None` where nothing was ever backed up.
///
/// # Errors
/// [`ManifestError`].
pub fn held(objects: &dyn Objects) -> Result<Option<Held>, ManifestError> {
    let Some((bytes, version)) = objects.read(MANIFEST_NAME)? else { return Ok(None) };
    let manifest = Manifest::from_bytes(&bytes).map_err(ManifestError::Malformed)?;
    Ok(Some(Held { manifest, version: Some(version) }))
}

impl Held {
    /// A place in which nothing lies yet.
    #[must_use]
    pub fn nothing(kind: &str, writer: RunId) -> Self {
        Self { manifest: Manifest::begun(kind, writer), version: None }
    }

    /// Whether nothing lies there yet.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.version.is_none()
    }

    /// Puts a manifest in the place of this one: the commit point of a backup. Stopped before,
    /// the old one stands with all its objects; what was put beside it is found and used by the
    /// next run, or counts for nothing.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn replace(
        &mut self,
        objects: &dyn Objects,
        manifest: Manifest,
    ) -> Result<(), ManifestError> {
        let bytes = manifest.to_bytes();
        let version = match &self.version {
            None => match create_once(objects, MANIFEST_NAME, &bytes)? {
                Created::Done(version) => version,
                Created::Exists => return Err(ManifestError::Overtaken(0)),
            },
            Some(known) => match update_once(objects, MANIFEST_NAME, &bytes, known)? {
                Updated::Done(version) => version,
                Updated::Moved => return Err(ManifestError::Overtaken(manifest.number)),
            },
        };
        *self = Self { manifest, version: Some(version) };
        Ok(())
    }
}

#[cfg(test)]
#[path = "backup/tests.rs"]
mod tests;
