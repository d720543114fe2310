//! The stored form of a batch, byte by byte as in `docs/formats/journal.md`.
//!
//! A batch is made by [`Batch::seal`] or by [`Batch::decode`] and nowhere else, so whoever holds
//! one holds bytes that decode to exactly it. Decoding is strict: whatever encoding would not
//! have produced is refused with the batch, the fact and the byte.

use record::{Commitment, Fact};
use seal::digest::{Domain, digest};
use seal::{Digest, from_canonical, to_canonical};
use terms::name::NAME_BYTES_MAX;
use terms::{BookName, Epoch, Instant, Position, RunId};

use crate::port::Tip;

/// The first four bytes of a batch.
pub const MAGIC: [u8; 4] = *b"WLjb";
/// The last four bytes of a batch. None is zero, so that a batch whose last sector was never
/// written is told from one whose last bytes were damaged.
pub const TRAILER: [u8; 4] = *b"jend";
/// Version of the layout.
pub const FORMAT_VERSION: u16 = 1;
/// Bytes before the first fact.
pub const HEADER_BYTES: usize = 143;
/// Bytes after the last fact: digest and trailer.
pub const FOOTER_BYTES: usize = 36;
/// Bytes a fact takes beside its own: length and commitment.
pub const ENTRY_BYTES: usize = 36;
/// Most bytes of one batch: 1 MiB less one page, so that a store that rounds up to powers of two
/// does not double it.
pub const BATCH_BYTES_MAX: usize = (1 << 20) - 4096;
/// Most facts of one batch: what fits at 256 bytes each.
pub const BATCH_FACTS_MAX: usize = 4096;
/// Domain of a batch's digest.
pub const BATCH_DOMAIN: Domain = Domain::new("wayleave/journal/batch/v1");
/// Domain of the header's check.
pub const HEADER_DOMAIN: Domain = Domain::new("wayleave/journal/header/v1");

const CHECK_BYTES: usize = 8;
const LENGTH_OFFSET: usize = 6;
const COUNT_OFFSET: usize = 131;

/// What a batch says of itself before its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The book.
    pub book: BookName,
    /// Position of the first fact.
    pub first: Position,
    /// The writer's epoch.
    pub epoch: Epoch,
    /// The process run that wrote it.
    pub run: RunId,
    /// Digest of the batch before; zero for the first.
    pub previous: Digest,
    /// The instant of all its facts.
    pub stamp: Instant,
}

/// A fact with its commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub fact: Fact,
    /// What the log shows of it.
    pub commitment: Commitment,
}

impl Entry {
    /// Bytes the entry takes in a batch.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        to_canonical(&self.fact).len().saturating_add(ENTRY_BYTES)
    }
}

/// One or more facts that become durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    origin: Origin,
    entries: Vec<Entry>,
    digest: Digest,
    bytes: Vec<u8>,
}

/// Facts that make no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No facts.
    #[error("a batch needs a fact")]
    Empty,
    /// Too many facts or bytes.
    #[error("a batch takes `{BATCH_FACTS_MAX}` facts and `{BATCH_BYTES_MAX}` bytes")]
    TooLarge,
    /// Positions would pass the largest.
    #[error("no position is left")]
    PositionsExhausted,
}

/// Bytes that are no batch: which, where and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}byte {offset} of the batch: {problem}", fact_text(.fact))]
pub struct BatchError {
    /// Position of the batch's first fact, where the header could be trusted.
    pub batch: Option<Position>,
    /// Position of the fact, where the damage lies in one.
    pub fact: Option<Position>,
    /// Byte offset within the batch.
    pub offset: usize,
    /// What is wrong.
    pub problem: BatchProblem,
}

/// What is wrong with bytes that should be a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchProblem {
    /// The bytes end early.
    #[error("the bytes end early")]
    Short,
    /// Bytes follow the batch.
    #[error("bytes follow the end")]
    Trailing,
    /// Not a batch.
    #[error("the magic is not `WLjb`")]
    Magic,
    /// A layout of another version.
    #[error("the format version is `{0}`, known is `1`")]
    Version(u16),
    /// The stated length is impossible.
    #[error("the length `{0}` is out of range or differs from what is there")]
    Length(u32),
    /// The header's check does not fit.
    #[error("the header does not fit its check")]
    HeaderCheck,
    /// The book's name is malformed or its padding is not zero.
    #[error("the book's name is malformed")]
    BookName,
    /// No facts or too many.
    #[error("the count `{0}` is out of range")]
    Count(u32),
    /// A fact's bytes are not canonical.
    #[error("the fact's bytes are not canonical: {0}")]
    Fact(String),
    /// The digest does not fit.
    #[error("the bytes do not fit the digest")]
    Digest,
    /// The end mark is missing.
    #[error("the trailer is not `jend`")]
    Trailer,
    /// The batch does not follow the one before.
    #[error("the batch does not follow: {0}")]
    Unchained(&'static str),
    /// Bytes that must be zero are not.
    #[error("unused bytes are not zero")]
    NotZero,
    /// The commitment is not that of the fact.
    #[error("the commitment does not fit the fact")]
    Commitment,
}

impl Batch {
    /// A batch of these facts.
    ///
    /// # Errors
    /// [`SealError`] when they are none, too many or too large.
    pub fn seal(origin: Origin, entries: Vec<Entry>) -> Result<Self, SealError> {
        if entries.is_empty() {
            return Err(SealError::Empty);
        }
        let count = u32::try_from(entries.len()).map_err(|_| SealError::TooLarge)?;
        if entries.len() > BATCH_FACTS_MAX {
            return Err(SealError::TooLarge);
        }
        if origin.first.number().checked_add(count.into()).is_none() {
            return Err(SealError::PositionsExhausted);
        }
        let facts = encode_entries(&entries)?;
        let length = HEADER_BYTES.saturating_add(facts.len()).saturating_add(FOOTER_BYTES);
        if length > BATCH_BYTES_MAX {
            return Err(SealError::TooLarge);
        }
        let stated = u32::try_from(length).map_err(|_| SealError::TooLarge)?;
        let mut bytes = encode_header(&origin, stated, count);
        bytes.extend_from_slice(&facts);
        let digest = digest(BATCH_DOMAIN, &bytes);
        bytes.extend_from_slice(digest.as_bytes());
        bytes.extend_from_slice(&TRAILER);
        Ok(Self { origin, entries, digest, bytes })
    }

    /// The batch of exactly these bytes.
    ///
    /// # Errors
    /// [`BatchError`] for whatever [`Batch::seal`] would not have made.
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchError> {
        let (origin, stated, count) = decode_header(bytes)?;
        let at =
            |offset, problem| BatchError { batch: Some(origin.first), fact: None, offset, problem };
        if usize::try_from(stated).ok() != Some(bytes.len()) {
            return Err(at(LENGTH_OFFSET, BatchProblem::Length(stated)));
        }
        let mut reader = Reader { rest: bytes, offset: 0 };
        let _header: [u8; HEADER_BYTES] = reader.array().map_err(|(o, p)| at(o, p))?;
        let mut entries = Vec::new();
        for index in 0..count {
            let position = origin.first.number().saturating_add(u64::from(index));
            let entry = decode_entry(&mut reader).map_err(|(offset, problem)| BatchError {
                batch: Some(origin.first),
                fact: Some(Position::new(position)),
                offset,
                problem,
            })?;
            entries.push(entry);
        }
        let covered = bytes.get(..reader.offset).unwrap_or_default();
        let digest_offset = reader.offset;
        let stored = Digest::from_bytes(reader.array().map_err(|(o, p)| at(o, p))?);
        let trailer_offset = reader.offset;
        let trailer: [u8; 4] = reader.array().map_err(|(o, p)| at(o, p))?;
        if !reader.rest.is_empty() {
            return Err(at(reader.offset, BatchProblem::Trailing));
        }
        if trailer != TRAILER {
            return Err(at(trailer_offset, BatchProblem::Trailer));
        }
        if digest(BATCH_DOMAIN, covered) != stored {
            return Err(at(digest_offset, BatchProblem::Digest));
        }
        Ok(Self { origin, entries, digest: stored, bytes: bytes.to_vec() })
    }

    /// What the batch says of itself.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its facts, in order of position.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Its facts with their positions.
    pub fn positioned(&self) -> impl Iterator<Item = (Position, &Entry)> {
        (self.origin.first.number()..).map(Position::new).zip(&self.entries)
    }

    /// Its digest, which the next batch names.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Its stored form.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The end of the journal when this is its last batch.
    #[must_use]
    pub fn tip(&self) -> Tip {
        let count = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        let next = Position::new(self.origin.first.number().saturating_add(count));
        Tip { next, digest: self.digest, stamp: self.origin.stamp }
    }

    /// Whether the batch follows `tip` in `book`.
    ///
    /// # Errors
    /// [`BatchError`] that says in what it does not.
    pub fn follows(&self, tip: &Tip, book: &BookName) -> Result<(), BatchError> {
        let origin = &self.origin;
        let follows = [
            (origin.book == *book, 10, "another book"),
            (origin.first == tip.next, 59, "another position"),
            (origin.previous == tip.digest, 91, "another previous batch"),
            (origin.stamp > tip.stamp, 123, "a stamp that is not later"),
        ];
        match follows.iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, offset, why)) => Err(BatchError {
                batch: Some(origin.first),
                fact: None,
                offset: *offset,
                problem: BatchProblem::Unchained(why),
            }),
        }
    }
}

/// How many bytes the batch takes whose header these bytes begin with.
///
/// # Errors
/// [`BatchError`] when they do not begin with a sound header.
pub fn stated_length(bytes: &[u8]) -> Result<usize, BatchError> {
    let (_, stated, _) = decode_header(bytes)?;
    Ok(usize::try_from(stated).unwrap_or(usize::MAX))
}

/// The entries of a batch whose digest does not fit, with their positions and byte offsets: for
/// naming the damaged one, never for serving.
#[must_use]
pub fn entries_despite_digest(bytes: &[u8]) -> Option<Vec<(Position, usize, Entry)>> {
    let (origin, _, count) = decode_header(bytes).ok()?;
    let mut reader = Reader { rest: bytes, offset: 0 };
    let _header: [u8; HEADER_BYTES] = reader.array().ok()?;
    let mut entries = Vec::new();
    for index in 0..count {
        let position = Position::new(origin.first.number().checked_add(index.into())?);
        let offset = reader.offset;
        entries.push((position, offset, decode_entry(&mut reader).ok()?));
    }
    Some(entries)
}

fn fact_text(fact: &Option<Position>) -> String {
    fact.map(|f| format!("fact `{f}`, ")).unwrap_or_default()
}

fn encode_header(origin: &Origin, length: u32, count: u32) -> Vec<u8> {
    let name = origin.book.as_str().as_bytes();
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    // INVARIANT (NameFits): a name has at most 48 bytes, by its type.
    bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    bytes.extend(name.iter().copied().chain(core::iter::repeat(0)).take(NAME_BYTES_MAX));
    bytes.extend_from_slice(&origin.first.number().to_be_bytes());
    bytes.extend_from_slice(&origin.epoch.number().to_be_bytes());
    bytes.extend_from_slice(&origin.run.bytes());
    bytes.extend_from_slice(origin.previous.as_bytes());
    bytes.extend_from_slice(&origin.stamp.nanos().to_be_bytes());
    bytes.extend_from_slice(&count.to_be_bytes());
    let check = digest(HEADER_DOMAIN, &bytes);
    bytes.extend(check.as_bytes().iter().take(CHECK_BYTES));
    bytes
}

fn encode_entries(entries: &[Entry]) -> Result<Vec<u8>, SealError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let fact = to_canonical(&entry.fact);
        let length = u32::try_from(fact.len()).map_err(|_| SealError::TooLarge)?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&fact);
        bytes.extend_from_slice(entry.commitment.0.as_bytes());
    }
    Ok(bytes)
}

fn decode_header(bytes: &[u8]) -> Result<(Origin, u32, u32), BatchError> {
    header_fields(bytes).map_err(|(offset, problem)| BatchError {
        batch: None,
        fact: None,
        offset,
        problem,
    })
}

type Located = (usize, BatchProblem);

fn header_fields(bytes: &[u8]) -> Result<(Origin, u32, u32), Located> {
    let mut reader = Reader { rest: bytes, offset: 0 };
    if reader.array()? != MAGIC {
        return Err((0, BatchProblem::Magic));
    }
    let version = u16::from_be_bytes(reader.array()?);
    if version != FORMAT_VERSION {
        return Err((4, BatchProblem::Version(version)));
    }
    let length = u32::from_be_bytes(reader.array()?);
    let [name_length] = reader.array()?;
    let name: [u8; NAME_BYTES_MAX] = reader.array()?;
    let first = Position::new(u64::from_be_bytes(reader.array()?));
    let epoch = Epoch::new(u64::from_be_bytes(reader.array()?));
    let run = RunId::from_bytes(reader.array()?);
    let previous = Digest::from_bytes(reader.array()?);
    let stamp = Instant::from_nanos(u64::from_be_bytes(reader.array()?));
    let count = u32::from_be_bytes(reader.array()?);
    let check_offset = reader.offset;
    let covered = bytes.get(..check_offset).unwrap_or_default();
    let check: [u8; CHECK_BYTES] = reader.array()?;
    if !digest(HEADER_DOMAIN, covered).as_bytes().starts_with(&check) {
        return Err((check_offset, BatchProblem::HeaderCheck));
    }
    let book = book_name(name_length, &name).ok_or((10, BatchProblem::BookName))?;
    let most = u32::try_from(BATCH_FACTS_MAX).unwrap_or(u32::MAX);
    if count == 0 || count > most || first.number().checked_add(count.into()).is_none() {
        return Err((COUNT_OFFSET, BatchProblem::Count(count)));
    }
    let smallest = HEADER_BYTES.saturating_add(FOOTER_BYTES);
    if !usize::try_from(length).is_ok_and(|l| (smallest..=BATCH_BYTES_MAX).contains(&l)) {
        return Err((LENGTH_OFFSET, BatchProblem::Length(length)));
    }
    Ok((Origin { book, first, epoch, run, previous, stamp }, length, count))
}

fn book_name(length: u8, padded: &[u8]) -> Option<BookName> {
    let (name, padding) = padded.split_at_checked(length.into())?;
    if padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    core::str::from_utf8(name).ok()?.parse().ok()
}

fn decode_entry(reader: &mut Reader<'_>) -> Result<Entry, Located> {
    let length = u32::from_be_bytes(reader.array()?);
    let offset = reader.offset;
    let bytes = reader.take(usize::try_from(length).unwrap_or(usize::MAX))?;
    let fact = from_canonical(bytes).map_err(|e| (offset, BatchProblem::Fact(e.to_string())))?;
    let commitment = Commitment(Digest::from_bytes(reader.array()?));
    Ok(Entry { fact, commitment })
}

struct Reader<'b> {
    rest: &'b [u8],
    offset: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], Located> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or((self.offset, BatchProblem::Short))?;
        self.rest = rest;
        self.offset = self.offset.saturating_add(length);
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Located> {
        let offset = self.offset;
        self.take(N)?.try_into().map_err(|_| (offset, BatchProblem::Short))
    }
}
