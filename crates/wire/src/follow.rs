//! Following a book: facts pushed in order, as many frames as the client has given credit for.
//!
//! A *follow* names a position and how many frames may come. Each frame of *facts* uses one up;
//! the client gives more with *credit* frames as it goes on, so that a slow reader costs the
//! server a bounded number of bytes and nobody else anything. The follow ends with one outcome.

use seal::Digest;
use terms::{Instant, Position};

use crate::bytes::{Reader, Writer, length_u32, size};

/// Length of a follow and of a credit.
pub const FOLLOW_BYTES: usize = 16;
/// Frames that may be under way at once: a megabyte of the usual size.
pub const CREDIT_MAX: u32 = 16;
/// A frame of facts is closed when it holds so many bytes; one with a single fact may be longer.
pub const FACTS_BYTES: usize = 64 << 10;
/// What stands before the facts of a frame.
const PREFIX_BYTES: usize = 16;
/// What stands before the bytes of each fact: stamp, length, commitment.
const FACT_HEAD_BYTES: usize = 8 + 4 + 32;
/// Most facts of one frame.
const FACTS_MAX: u16 = crate::frame::ITEMS_MAX;

/// From where a book is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// The first fact that is wanted.
    pub from: Position,
    /// How many frames may come at first, 1 to [`CREDIT_MAX`].
    pub credit: u32,
}

impl Follow {
    /// Its bytes.
    #[must_use]
    pub const fn write(&self) -> [u8; FOLLOW_BYTES] {
        Writer::new().u64_const(self.from.number(), self.credit)
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader::new(bytes);
        let (from, credit) = (Position::new(reader.u64()), reader.u32());
        if !reader.zeros::<4>() || !reader.ended() {
            return Err("reserved bytes must be zero");
        }
        if !(1..=CREDIT_MAX).contains(&credit) {
            return Err("the credit must be 1 to 16 frames");
        }
        Ok(Self { from, credit })
    }
}

/// More frames for a follow, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// The request id of the follow.
    pub follow: u64,
    /// How many frames more; nothing ends it.
    pub frames: u32,
}

impl Credit {
    /// Its bytes.
    #[must_use]
    pub const fn write(&self) -> [u8; FOLLOW_BYTES] {
        Writer::new().u64_const(self.follow, self.frames)
    }

    /// Reads one; `None` when reserved bytes are set.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (follow, frames) = (reader.u64(), reader.u32());
        (reader.zeros::<4>() && reader.ended()).then_some(Self { follow, frames })
    }
}

impl Writer<FOLLOW_BYTES> {
    /// A number of 8 bytes, one of 4, and 4 reserved ones.
    const fn u64_const(self, first: u64, second: u32) -> [u8; FOLLOW_BYTES] {
        let [a, b, c, d, e, f, g, h] = first.to_be_bytes();
        let [i, j, k, l] = second.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 0]
    }
}

/// One fact of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowedFact<'b> {
    /// Where it lies.
    pub position: Position,
    /// When it was recorded.
    pub stamp: Instant,
    /// What the log shows of it.
    pub commitment: Digest,
    /// Its canonical bytes.
    pub bytes: &'b [u8],
}

/// A frame of facts being put together.
#[derive(Debug)]
pub struct FactsWriter {
    body: Vec<u8>,
    items: u16,
}

impl FactsWriter {
    /// Facts from `first` on; `head` is one after the newest durable position now.
    #[must_use]
    pub fn new(first: Position, head: Position) -> Self {
        let mut body = Vec::with_capacity(FACTS_BYTES);
        body.extend_from_slice(&first.number().to_be_bytes());
        body.extend_from_slice(&head.number().to_be_bytes());
        Self { body, items: 0 }
    }

    /// Adds the next fact; `false` when the frame is full and nothing was added.
    #[must_use]
    pub fn push(&mut self, stamp: Instant, commitment: &Digest, bytes: &[u8]) -> bool {
        let after = self.body.len() + FACT_HEAD_BYTES + bytes.len();
        if self.items > 0 && (after > FACTS_BYTES || self.items >= FACTS_MAX) {
            return false;
        }
        self.body.extend_from_slice(&stamp.nanos().to_be_bytes());
        self.body.extend_from_slice(&length_u32(bytes.len()).to_be_bytes());
        self.body.extend_from_slice(commitment.as_bytes());
        self.body.extend_from_slice(bytes);
        self.items += 1;
        true
    }

    /// How many facts it holds.
    #[must_use]
    pub const fn len(&self) -> u16 {
        self.items
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items == 0
    }

    pub(crate) fn into_body(self) -> (Vec<u8>, u16) {
        (self.body, self.items)
    }
}

/// A frame of facts, dense from its first position on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    body: Vec<u8>,
    items: u16,
}

impl Facts {
    /// Reads a body of `items` facts; `None` when it is not in this layout.
    #[must_use]
    pub fn read(body: Vec<u8>, items: u16) -> Option<Self> {
        let mut rest = body.get(PREFIX_BYTES..)?;
        for _ in 0..items {
            (_, rest) = one(rest)?;
        }
        (rest.is_empty() && items > 0).then_some(Self { body, items })
    }

    /// The position of its first fact.
    #[must_use]
    pub fn first(&self) -> Position {
        Position::new(Reader::new(&self.body).u64())
    }

    /// One after the position of its last.
    #[must_use]
    pub fn next(&self) -> Position {
        Position::new(self.first().number().saturating_add(self.items.into()))
    }

    /// One after the newest durable position when it was sent.
    #[must_use]
    pub fn head(&self) -> Position {
        let mut reader = Reader::new(&self.body);
        let _ = reader.u64();
        Position::new(reader.u64())
    }

    /// Each fact.
    pub fn iter(&self) -> impl Iterator<Item = FollowedFact<'_>> {
        let mut rest = self.body.get(PREFIX_BYTES..).unwrap_or_default();
        (self.first().number()..).map_while(move |position| {
            let ((stamp, commitment, bytes), after) = one(rest)?;
            rest = after;
            Some(FollowedFact { position: Position::new(position), stamp, commitment, bytes })
        })
    }
}

type One<'b> = (Instant, Digest, &'b [u8]);

fn one(rest: &[u8]) -> Option<(One<'_>, &[u8])> {
    let (head, rest) = rest.split_first_chunk::<FACT_HEAD_BYTES>()?;
    let mut reader = Reader::new(head);
    let (stamp, length) = (Instant::from_nanos(reader.u64()), reader.u32());
    let commitment = Digest::from_bytes(reader.array());
    let (bytes, rest) = rest.split_at_checked(size(length))?;
    Some(((stamp, commitment, bytes), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commitment(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    #[test]
    fn golden_follow_credit_and_facts() {
        let follow = Follow { from: Position::new(0x0102), credit: 16 };
        let golden = [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 16, 0, 0, 0, 0];
        assert_eq!(follow.write(), golden);
        assert_eq!(Follow::read(&golden), Ok(follow));
        let credit = Credit { follow: 7, frames: 3 };
        let golden = [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 0];
        assert_eq!(credit.write(), golden);
        assert_eq!(Credit::read(&golden), Some(credit));

        let mut writer = FactsWriter::new(Position::new(5), Position::new(9));
        assert!(writer.push(Instant::from_nanos(10), &commitment(0xaa), b"abc"));
        let (body, items) = writer.into_body();
        let golden: &[&[u8]] = &[
            &[0, 0, 0, 0, 0, 0, 0, 5],
            &[0, 0, 0, 0, 0, 0, 0, 9],
            &[0, 0, 0, 0, 0, 0, 0, 10],
            &[0, 0, 0, 3],
            &[0xaa; 32],
            b"abc",
        ];
        assert_eq!((body.as_slice(), items), (golden.concat().as_slice(), 1));
        let facts = Facts::read(body, 1).unwrap();
        assert_eq!((facts.first(), facts.next(), facts.head()).0, Position::new(5));
        assert_eq!((facts.next(), facts.head()), (Position::new(6), Position::new(9)));
        let one = facts.iter().next().unwrap();
        assert_eq!((one.position, one.bytes), (Position::new(5), &b"abc"[..]));
    }

    #[test]
    fn near_misses_are_refused() {
        let sound = Follow { from: Position::ZERO, credit: 1 }.write();
        for (at, byte) in [(11, 0), (11, 17), (12, 1), (15, 1)] {
            let mut bytes = sound;
            bytes[at] = byte;
            assert!(Follow::read(&bytes).is_err(), "{at}");
        }
        assert!(Follow::read(&sound[..15]).is_err());
        assert_eq!(Credit::read(&[0xff; 16]), None);
        let mut writer = FactsWriter::new(Position::ZERO, Position::ZERO);
        assert!(writer.push(Instant::EPOCH, &commitment(1), b"x"));
        let (body, _) = writer.into_body();
        assert_eq!(Facts::read(body.clone(), 2), None);
        assert_eq!(Facts::read(body.clone(), 0), None);
        for length in 0..body.len() {
            assert_eq!(Facts::read(body[..length].to_vec(), 1), None, "{length}");
        }
    }

    #[test]
    fn a_frame_closes_when_it_is_full_and_takes_one_fact_of_any_length() {
        let mut writer = FactsWriter::new(Position::ZERO, Position::ZERO);
        assert!(writer.push(Instant::EPOCH, &commitment(1), &[0; FACTS_BYTES * 2]));
        assert!(!writer.push(Instant::EPOCH, &commitment(1), b"x"));
        let mut writer = FactsWriter::new(Position::ZERO, Position::ZERO);
        while writer.push(Instant::EPOCH, &commitment(1), &[0; 200]) {}
        let (body, items) = writer.into_body();
        assert!(body.len() <= FACTS_BYTES && usize::from(items) == (FACTS_BYTES - 16) / 244);
    }
}
