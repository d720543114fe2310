//! The stored form of a batch, byte by byte as in `docs/formats/journal.md`.
//!
//! A batch is made from a [`Draft`] or from stored bytes and nowhere else, so whoever holds one
//! holds bytes that decode to exactly it. Decoding is strict: whatever encoding would not have
//! produced is refused with the batch, the fact and the byte. Facts stay bytes until somebody
//! asks for one as a type ([`Stored::fact`]).

use record::{Commitment, Fact, SaltSlot};
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
/// Bytes of a fact's stated length, before its own.
pub const LENGTH_BYTES: usize = 4;
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

const DIGEST_BYTES: usize = 32;
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

/// A fact as its book's machine knows it, and as the journal stores it.
///
/// The stored bytes are those of a [`record::Fact`] in canonical form, whatever type the machine
/// uses: checks, exports and openings read every book alike.
pub trait Recorded: Sized {
    /// Appends the canonical bytes.
    fn write(&self, bytes: &mut Vec<u8>);

    /// The fact of exactly these bytes.
    ///
    /// # Errors
    /// Why they are none, or are not canonical.
    fn read(bytes: &[u8]) -> Result<Self, String>;

    /// Which key its salts come from.
    fn salt_slot(&self) -> SaltSlot;

    /// Whether it is committed as one instead of field by field.
    fn is_whole(&self) -> bool;
}

impl Recorded for Fact {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&to_canonical(self));
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        from_canonical(bytes).map_err(|error| error.to_string())
    }

    fn salt_slot(&self) -> SaltSlot {
        self.salt_slot
    }

    fn is_whole(&self) -> bool {
        self.kind.is_whole()
    }
}

/// A fact with its commitment, taken out of its batch.
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

/// A fact with its commitment, where it lies in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored<'b> {
    /// Its position in the book.
    pub position: Position,
    /// Byte offset of its bytes within the batch.
    pub offset: usize,
    /// Its canonical bytes.
    pub bytes: &'b [u8],
    /// What the log shows of it.
    pub commitment: Commitment,
}

impl Stored<'_> {
    /// The fact, as the type its book's machine uses.
    ///
    /// # Errors
    /// [`BatchProblem::Fact`], with position and offset: the bytes were written by something that
    /// does not know this type.
    pub fn fact<F: Recorded>(&self) -> Result<F, BatchError> {
        F::read(self.bytes).map_err(|why| BatchError {
            batch: None,
            fact: Some(self.position),
            offset: self.offset,
            problem: BatchProblem::Fact(why),
        })
    }

    /// Fact and commitment on their own.
    ///
    /// # Errors
    /// As [`Stored::fact`].
    pub fn entry(&self) -> Result<Entry, BatchError> {
        Ok(Entry { fact: self.fact()?, commitment: self.commitment })
    }

    /// Bytes that the entry takes in the batch.
    #[must_use]
    pub const fn stored_bytes(&self) -> usize {
        self.bytes.len().saturating_add(ENTRY_BYTES)
    }
}

/// One or more facts that become durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    origin: Origin,
    digest: Digest,
    /// The stored form.
    bytes: Vec<u8>,
    marks: Vec<Mark>,
}

/// Where a fact's bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    start: u32,
    end: u32,
}

impl Mark {
    fn bytes(self, of: &[u8]) -> &[u8] {
        let range = place(self.start)..place(self.end);
        of.get(range).unwrap_or_default()
    }

    fn commitment(self, of: &[u8]) -> Commitment {
        let rest = of.get(place(self.end)..).unwrap_or_default();
        let digest = rest.first_chunk::<DIGEST_BYTES>().copied().unwrap_or_default();
        Commitment(Digest::from_bytes(digest))
    }
}

fn place(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
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
    /// The salts of a fact are gone.
    #[error("the fact at `{0}` cannot be committed to: its salt key is not there")]
    Uncommitted(Position),
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
    /// A batch of these facts, with commitments made elsewhere.
    ///
    /// # Errors
    /// [`SealError`] when they are none, too many or too large.
    pub fn seal(origin: Origin, entries: &[Entry]) -> Result<Self, SealError> {
        let mut draft = Draft::new();
        for entry in entries {
            draft.push(&entry.fact);
            if draft.stored_bytes() > BATCH_BYTES_MAX {
                return Err(SealError::TooLarge);
            }
        }
        let mut commitments = entries.iter().map(|entry| entry.commitment);
        draft.seal(origin, |_| commitments.next())
    }

    /// The batch of exactly these bytes, every fact of it canonical.
    ///
    /// # Errors
    /// [`BatchError`] for whatever [`Batch::seal`] would not have made.
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchError> {
        Self::parse(bytes.to_vec(), |stored| stored.fact::<Fact>().map(drop))
    }

    /// The batch of these bytes, its facts not looked into: for a reader that decodes each fact
    /// itself, as a fold does. The digest is checked all the same.
    ///
    /// # Errors
    /// As [`Batch::decode`], but for [`BatchProblem::Fact`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, BatchError> {
        Self::parse(bytes, |_| Ok(()))
    }

    fn parse(
        bytes: Vec<u8>,
        look: impl Fn(Stored<'_>) -> Result<(), BatchError>,
    ) -> Result<Self, BatchError> {
        let (origin, stated, count) = decode_header(&bytes)?;
        let at =
            |offset, problem| BatchError { batch: Some(origin.first), fact: None, offset, problem };
        if usize::try_from(stated).ok() != Some(bytes.len()) {
            return Err(at(LENGTH_OFFSET, BatchProblem::Length(stated)));
        }
        let mut reader = Reader { rest: &bytes, offset: 0 };
        let _header: [u8; HEADER_BYTES] = reader.array().map_err(|(o, p)| at(o, p))?;
        let mut marks = Vec::with_capacity(place(count));
        for position in positions(&origin, count) {
            let named = |(offset, problem)| BatchError {
                batch: Some(origin.first),
                fact: Some(position),
                offset,
                problem,
            };
            let stored = read_entry(&mut reader, position).map_err(named)?;
            look(stored).map_err(|error| BatchError { batch: Some(origin.first), ..error })?;
            marks.push(mark(stored));
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
        Ok(Self { origin, digest: stored, bytes, marks })
    }

    /// What the batch says of itself.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its facts, in order of position.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Stored<'_>> {
        let first = self.origin.first.number();
        self.marks.iter().enumerate().map(move |(index, mark)| Stored {
            position: Position::new(first.saturating_add(u64::try_from(index).unwrap_or(u64::MAX))),
            offset: place(mark.start),
            bytes: mark.bytes(&self.bytes),
            commitment: mark.commitment(&self.bytes),
        })
    }

    /// The fact at a position, when it lies in this batch.
    #[must_use]
    pub fn at(&self, position: Position) -> Option<Stored<'_>> {
        let index = position.number().checked_sub(self.origin.first.number())?;
        let mark = self.marks.get(usize::try_from(index).ok()?)?;
        Some(Stored {
            position,
            offset: place(mark.start),
            bytes: mark.bytes(&self.bytes),
            commitment: mark.commitment(&self.bytes),
        })
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
        let count = u64::try_from(self.marks.len()).unwrap_or(u64::MAX);
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

/// One after the last position of the batch whose header these bytes begin with; `None` when they
/// do not begin with a sound header.
#[must_use]
pub fn stated_next(bytes: &[u8]) -> Option<Position> {
    let (origin, _, count) = decode_header(bytes).ok()?;
    Some(Position::new(origin.first.number().saturating_add(count.into())))
}

/// The entries of a batch that is damaged: for naming the damaged fact, never for serving. Each
/// with its place, as far as the stated lengths lead; `None` for one that is no fact. Nothing when
/// the header does not tell.
#[must_use]
pub fn entries_despite_damage(bytes: &[u8]) -> Vec<(Position, usize, Option<Entry>)> {
    let mut entries = Vec::new();
    let Ok((origin, _, count)) = decode_header(bytes) else { return entries };
    let mut reader = Reader { rest: bytes, offset: 0 };
    if reader.array::<HEADER_BYTES>().is_err() {
        return entries;
    }
    for position in positions(&origin, count) {
        let offset = reader.offset;
        let Ok(stored) = read_entry(&mut reader, position) else {
            entries.push((position, offset, None));
            break;
        };
        entries.push((position, offset, stored.entry().ok()));
    }
    entries
}

fn positions(origin: &Origin, count: u32) -> impl Iterator<Item = Position> {
    (0..count).map({
        let first = origin.first.number();
        move |index| Position::new(first.saturating_add(index.into()))
    })
}

fn fact_text(fact: &Option<Position>) -> String {
    fact.map(|f| format!("fact `{f}`, ")).unwrap_or_default()
}

/// Facts that wait to become a batch: already encoded, each with room for its commitment.
///
/// The bytes are those of the batch to come, so that sealing copies nothing.
#[derive(Clone, Debug)]
pub struct Draft {
    bytes: Vec<u8>,
    facts: Vec<Drafted>,
}

/// A fact of a draft.
#[derive(Clone, Copy, Debug)]
struct Drafted {
    mark: Mark,
    slot: SaltSlot,
    is_whole: bool,
}

/// What a commitment is made from.
#[derive(Clone, Copy, Debug)]
pub struct Uncommitted<'d> {
    /// The fact's position.
    pub position: Position,
    /// Which key its salts come from.
    pub slot: SaltSlot,
    /// Whether it is committed as one.
    pub is_whole: bool,
    /// Its canonical bytes.
    pub bytes: &'d [u8],
}

impl Default for Draft {
    fn default() -> Self {
        Self::new()
    }
}

impl Draft {
    /// No facts yet.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: vec![0; HEADER_BYTES], facts: Vec::new() }
    }

    /// A draft that will grow to about as much as `like` did: without growing step by step.
    #[must_use]
    pub fn with_room(like_bytes: usize, like_facts: usize) -> Self {
        let mut bytes = Vec::with_capacity(like_bytes.min(BATCH_BYTES_MAX));
        bytes.resize(HEADER_BYTES, 0);
        Self { bytes, facts: Vec::with_capacity(like_facts.min(BATCH_FACTS_MAX)) }
    }

    /// How many facts.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.facts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Bytes of the batch that it would make.
    #[must_use]
    pub const fn stored_bytes(&self) -> usize {
        self.bytes.len().saturating_add(FOOTER_BYTES)
    }

    /// Adds a fact at the end.
    pub fn push<F: Recorded>(&mut self, fact: &F) {
        let length_at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; LENGTH_BYTES]);
        fact.write(&mut self.bytes);
        let start = length_at.saturating_add(LENGTH_BYTES);
        let length = self.bytes.len().saturating_sub(start);
        // INVARIANT (DraftFits): a draft beyond the format's limits is refused before it is
        // sealed, so that a length that does not fit never reaches a disk.
        let stated = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(room) = self.bytes.get_mut(length_at..start) {
            room.copy_from_slice(&stated);
        }
        let offset = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let mark = Mark { start: offset(start), end: offset(self.bytes.len()) };
        self.bytes.extend_from_slice(Digest::ZERO.as_bytes());
        let (slot, is_whole) = (fact.salt_slot(), fact.is_whole());
        self.facts.push(Drafted { mark, slot, is_whole });
    }

    /// Takes back the newest facts until `count` are left.
    pub fn truncate(&mut self, count: usize) {
        let Some(first_out) = self.facts.get(count) else { return };
        self.bytes.truncate(place(first_out.mark.start).saturating_sub(LENGTH_BYTES));
        self.facts.truncate(count);
    }

    /// The salt slot of the newest fact.
    #[must_use]
    pub fn last_slot(&self) -> Option<SaltSlot> {
        self.facts.last().map(|fact| fact.slot)
    }

    /// The bytes of a fact.
    #[must_use]
    pub fn fact_bytes(&self, index: usize) -> Option<&[u8]> {
        self.facts.get(index).map(|fact| fact.mark.bytes(&self.bytes))
    }

    /// The batch, each commitment made by `commit`.
    ///
    /// # Errors
    /// [`SealError`] when the facts are none, too many or too large, or one cannot be committed
    /// to.
    pub fn seal(
        self,
        origin: Origin,
        mut commit: impl FnMut(Uncommitted<'_>) -> Option<Commitment>,
    ) -> Result<Batch, SealError> {
        let Self { mut bytes, facts } = self;
        if facts.is_empty() {
            return Err(SealError::Empty);
        }
        let count = u32::try_from(facts.len()).map_err(|_| SealError::TooLarge)?;
        let length = bytes.len().saturating_add(FOOTER_BYTES);
        if facts.len() > BATCH_FACTS_MAX || length > BATCH_BYTES_MAX {
            return Err(SealError::TooLarge);
        }
        if origin.first.number().checked_add(count.into()).is_none() {
            return Err(SealError::PositionsExhausted);
        }
        let stated = u32::try_from(length).map_err(|_| SealError::TooLarge)?;
        let mut marks = Vec::with_capacity(facts.len());
        for (position, fact) in positions(&origin, count).zip(&facts) {
            let Drafted { mark, slot, is_whole } = *fact;
            let uncommitted = Uncommitted { position, slot, is_whole, bytes: mark.bytes(&bytes) };
            let commitment = commit(uncommitted).ok_or(SealError::Uncommitted(position))?;
            let room = place(fact.mark.end)..place(fact.mark.end).saturating_add(DIGEST_BYTES);
            if let Some(room) = bytes.get_mut(room) {
                room.copy_from_slice(commitment.0.as_bytes());
            }
            marks.push(fact.mark);
        }
        if let Some(header) = bytes.get_mut(..HEADER_BYTES) {
            header.copy_from_slice(&encode_header(&origin, stated, count));
        }
        let digest = digest(BATCH_DOMAIN, &bytes);
        bytes.extend_from_slice(digest.as_bytes());
        bytes.extend_from_slice(&TRAILER);
        Ok(Batch { origin, digest, bytes, marks })
    }
}

fn encode_header(origin: &Origin, length: u32, count: u32) -> Vec<u8> {
    let name = origin.book.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
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

fn read_entry<'b>(reader: &mut Reader<'b>, position: Position) -> Result<Stored<'b>, Located> {
    let length = u32::from_be_bytes(reader.array()?);
    let offset = reader.offset;
    let bytes = reader.take(place(length))?;
    let commitment = Commitment(Digest::from_bytes(reader.array()?));
    Ok(Stored { position, offset, bytes, commitment })
}

fn mark(stored: Stored<'_>) -> Mark {
    let end = stored.offset.saturating_add(stored.bytes.len());
    let offset = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    Mark { start: offset(stored.offset), end: offset(end) }
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
