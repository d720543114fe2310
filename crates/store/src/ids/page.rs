//! A page of a run: 4 KiB of sorted entries, each a row of one width.
//!
//! What all keys of a page share is stored once: their leading bytes, their last four bytes (or a
//! list of the different ones, or not), the least position. Rows of one width need no offsets and
//! are searched by halving.

use super::Positions;
use super::key::{Entry, IdKey};
use seal::{Domain, digest};
use terms::Position;

/// Bytes of a page.
pub(super) const PAGE_BYTES: usize = 4096;
/// Bytes of a page's check.
pub(super) const CHECK_BYTES: usize = 8;

/// Count (2), shared leading bytes (1), different tails (2), width of a position (1), least
/// position (8).
const HEADER_BYTES: usize = 14;
const ID_BYTES: usize = 16;
const TAIL_BYTES: usize = 4;
/// Tails are listed when a byte can number them.
const TAILS_MAX: usize = 256;
/// Entries of a page at most: rows of no width (one key at one position, over and over) would
/// never fill one.
const PAGE_ENTRIES_MAX: usize = 4096;
const PAGE_DOMAIN: Domain = Domain::new("wayleave/ids/page/v1");

/// The check of a page: the first 8 bytes of its digest. It lies in the run's page index, so that
/// a page in another's place is found, too.
pub(super) fn check_of(page: &[u8]) -> [u8; CHECK_BYTES] {
    digest(PAGE_DOMAIN, page).as_bytes().first_chunk().copied().unwrap_or_default()
}

/// Collects sorted entries until a page is full.
#[derive(Default)]
pub(super) struct PageBuilder {
    entries: Vec<Entry>,
    /// The different tails, sorted.
    tails: Vec<u32>,
    shape: Shape,
}

/// What the size of a page follows from.
#[derive(Clone, Copy, Default)]
struct Shape {
    count: usize,
    /// Leading bytes of the 16-byte part that all keys share.
    shared: usize,
    tails: usize,
    least: u64,
    most: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tails {
    /// Listed once; rows hold their number in the list, or nothing when there is one.
    Listed,
    /// In each row.
    InRows,
}

impl Shape {
    fn with(self, first: &Entry, entry: &Entry, new_tail: usize) -> Self {
        let zeros = (first.id ^ entry.id).leading_zeros() / 8;
        Self {
            count: self.count + 1,
            shared: usize::try_from(zeros).unwrap_or(0).min(ID_BYTES),
            tails: self.tails + new_tail,
            least: self.least.min(entry.position),
            most: self.most.max(entry.position),
        }
    }

    fn tails(&self) -> Tails {
        let listed = self.tails * TAIL_BYTES + self.count;
        let pays = self.tails <= TAILS_MAX && listed <= self.count * TAIL_BYTES;
        if self.tails == 1 || pays { Tails::Listed } else { Tails::InRows }
    }

    fn tail_width(&self) -> usize {
        match self.tails() {
            Tails::Listed => usize::from(self.tails > 1),
            Tails::InRows => TAIL_BYTES,
        }
    }

    fn listed_bytes(&self) -> usize {
        match self.tails() {
            Tails::Listed => self.tails * TAIL_BYTES,
            Tails::InRows => 0,
        }
    }

    fn position_width(&self) -> usize {
        let bits = u64::BITS - (self.most - self.least).leading_zeros();
        usize::try_from(bits.div_ceil(8)).unwrap_or(0)
    }

    fn bytes(&self) -> usize {
        let row = ID_BYTES - self.shared + self.tail_width() + self.position_width();
        HEADER_BYTES + self.shared + self.listed_bytes() + self.count * row
    }
}

impl PageBuilder {
    /// Adds an entry, or says that the page is full without it.
    pub(super) fn add(&mut self, entry: Entry) -> bool {
        let same_tail = self.entries.last().is_some_and(|last| last.tail == entry.tail);
        let place = if same_tail { Ok(0) } else { self.tails.binary_search(&entry.tail) };
        let shape = match self.entries.first() {
            Some(first) => self.shape.with(first, &entry, usize::from(place.is_err())),
            None => Shape {
                count: 1,
                shared: ID_BYTES,
                tails: 1,
                least: entry.position,
                most: entry.position,
            },
        };
        if shape.bytes() > PAGE_BYTES || shape.count > PAGE_ENTRIES_MAX {
            return false;
        }
        if let Err(place) = place {
            self.tails.insert(place, entry.tail);
        }
        self.shape = shape;
        self.entries.push(entry);
        true
    }

    /// The page and its first key; `None` when nothing was added.
    pub(super) fn take(&mut self, to: &mut Vec<u8>) -> Option<IdKey> {
        let first = self.entries.first()?.key();
        let end = to.len() + PAGE_BYTES;
        self.encode(to);
        to.resize(end, 0);
        self.entries.clear();
        self.tails.clear();
        self.shape = Shape::default();
        Some(first)
    }

    fn encode(&self, to: &mut Vec<u8>) {
        let shape = &self.shape;
        let tails = shape.tails();
        let width = shape.position_width();
        let listed = if tails == Tails::Listed { shape.tails } else { 0 };
        to.extend(u16::try_from(shape.count).unwrap_or(u16::MAX).to_be_bytes());
        to.push(u8::try_from(shape.shared).unwrap_or(u8::MAX));
        to.extend(u16::try_from(listed).unwrap_or(u16::MAX).to_be_bytes());
        to.push(u8::try_from(width).unwrap_or(u8::MAX));
        to.extend(shape.least.to_be_bytes());
        let first = self.entries.first().map_or(0, |entry| entry.id).to_be_bytes();
        to.extend(first.get(..shape.shared).unwrap_or_default());
        if tails == Tails::Listed {
            to.extend(self.tails.iter().flat_map(|tail| tail.to_be_bytes()));
        }
        for entry in &self.entries {
            to.extend_from_slice(entry.id.to_be_bytes().get(shape.shared..).unwrap_or_default());
            match tails {
                Tails::InRows => to.extend_from_slice(&entry.tail.to_be_bytes()),
                Tails::Listed if self.tails.len() > 1 => {
                    let number = self.tails.binary_search(&entry.tail).unwrap_or(0);
                    to.push(u8::try_from(number).unwrap_or(u8::MAX));
                }
                Tails::Listed => {}
            }
            let offset = (entry.position - shape.least).to_be_bytes();
            to.extend_from_slice(offset.get(offset.len() - width..).unwrap_or_default());
        }
    }
}

/// A page that was read and whose check matched.
pub(super) struct Page<'a> {
    count: usize,
    shared: &'a [u8],
    tails: &'a [u8],
    tail_width: usize,
    least: u64,
    rows: &'a [u8],
    row: usize,
}

impl<'a> Page<'a> {
    /// `None` when no writer makes such a page.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (count, bytes) = bytes.split_first_chunk::<2>()?;
        let (shared, bytes) = bytes.split_first()?;
        let (listed, bytes) = bytes.split_first_chunk::<2>()?;
        let (width, bytes) = bytes.split_first()?;
        let (least, bytes) = bytes.split_first_chunk::<8>()?;
        let (shared, bytes) = bytes.split_at_checked(usize::from(*shared))?;
        let listed = usize::from(u16::from_be_bytes(*listed));
        let (tails, rows) = bytes.split_at_checked(listed * TAIL_BYTES)?;
        let tail_width = match listed {
            0 => TAIL_BYTES,
            1 => 0,
            _ => 1,
        };
        let count = usize::from(u16::from_be_bytes(*count));
        let width = usize::from(*width);
        let row = ID_BYTES.checked_sub(shared.len())? + tail_width + width;
        let least = u64::from_be_bytes(*least);
        let fits = width <= 8 && listed <= TAILS_MAX && count > 0 && count * row <= rows.len();
        fits.then_some(Self { count, shared, tails, tail_width, least, rows, row })
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn entry(&self, at: usize) -> Option<Entry> {
        let row = self.rows.get(at * self.row..)?.get(..self.row)?;
        let (id, row) = row.split_at_checked(ID_BYTES - self.shared.len())?;
        let (tail, offset) = row.split_at_checked(self.tail_width)?;
        let mut whole = [0; ID_BYTES];
        let (lead, rest) = whole.split_at_mut_checked(self.shared.len())?;
        lead.copy_from_slice(self.shared);
        rest.copy_from_slice(id);
        let tail = match tail {
            [] => self.tails.first_chunk()?,
            [number] => {
                self.tails.get(usize::from(*number) * TAIL_BYTES..)?.first_chunk::<TAIL_BYTES>()?
            }
            tail => tail.first_chunk()?,
        };
        let offset = offset.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Some(Entry {
            id: u128::from_be_bytes(whole),
            tail: u32::from_be_bytes(*tail),
            position: self.least.checked_add(offset)?,
        })
    }

    /// Adds the positions of a key, in order; `None` when the page is malformed.
    pub(super) fn collect(&self, key: (u128, u32), found: &mut Positions) -> Option<()> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            let entry = self.entry(middle)?;
            if (entry.id, entry.tail) < key { low = middle + 1 } else { high = middle }
        }
        while low < self.count {
            let entry = self.entry(low)?;
            if (entry.id, entry.tail) != key {
                break;
            }
            found.push(Position::new(entry.position));
            low += 1;
        }
        Some(())
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
