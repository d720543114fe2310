//! Names of owners, each stored once.

use crate::account::Owner;
use crate::slab::{HashKey, Index};

/// Owners by number: their texts one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    text: Vec<u8>,
    /// Where each text ends.
    ends: Vec<u32>,
    index: Index,
}

const COMPANY: u8 = b'c';
const INSTITUTION: u8 = b'i';

impl Owners {
    /// The number of an owner, new or known; `None` after 4 GiB of texts.
    pub(crate) fn number(&mut self, key: &HashKey, owner: &Owner) -> Option<u32> {
        let (kind, text) = match owner {
            Owner::Company(id) => (COMPANY, id.as_str()),
            Owner::Institution(name) => (INSTITUTION, name.as_str()),
        };
        let hash = key.of_bytes(text.as_bytes(), [u32::from(kind), 0]);
        let is = |n| self.bytes(n).split_first() == Some((&kind, text.as_bytes()));
        if let Some(known) = self.index.find(hash, is) {
            return Some(known);
        }
        let bytes: Vec<u8> = core::iter::once(kind).chain(text.bytes()).collect();
        self.push(key, &bytes)
    }

    /// Adds an owner that is not known, by its stored bytes.
    pub(crate) fn push(&mut self, key: &HashKey, stored: &[u8]) -> Option<u32> {
        let number = u32::try_from(self.ends.len()).ok()?;
        self.text.extend_from_slice(stored);
        self.ends.push(u32::try_from(self.text.len()).ok()?);
        self.index.insert(hash_of(key, stored), number);
        Some(number)
    }

    /// Makes room for `more` owners at once.
    pub(crate) fn reserve(&mut self, more: u32) {
        self.index.reserve(more);
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// The owner of that number.
    pub(crate) fn owner(&self, number: u32) -> Option<Owner> {
        let (kind, text) = self.bytes(number).split_first()?;
        let text = core::str::from_utf8(text).ok()?;
        match *kind {
            COMPANY => text.parse().ok().map(Owner::Company),
            INSTITUTION => text.parse().ok().map(Owner::Institution),
            _ => None,
        }
    }

    /// The stored bytes of an owner: its kind, then its text.
    pub(crate) fn bytes(&self, number: u32) -> &[u8] {
        slice(&self.text, &self.ends, number)
    }
}

fn slice<'a>(text: &'a [u8], ends: &[u32], number: u32) -> &'a [u8] {
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let end = |n: usize| ends.get(n).and_then(|end| usize::try_from(*end).ok());
    let start = match place.checked_sub(1) {
        Some(before) => end(before),
        None => Some(0),
    };
    start.zip(end(place)).and_then(|(start, end)| text.get(start..end)).unwrap_or(&[])
}

fn hash_of(key: &HashKey, bytes: &[u8]) -> u64 {
    let (kind, text) = bytes.split_first().unwrap_or((&COMPANY, &[]));
    key.of_bytes(text, [u32::from(*kind), 0])
}
