//! The key, the entry it makes with a position, and the keyed hash of it.

use siphasher::sip::SipHasher13;

/// Bytes of a key.
pub const KEY_BYTES: usize = 20;

/// What is looked up: 20 opaque bytes, ordered bytewise.
///
/// Callers put the 16-byte id first, then 4 bytes of tag and client. Ids whose first bytes grow
/// with time (UUID version 7) are found without touching a filter; random ones cost a probe of
/// each run's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdKey([u8; KEY_BYTES]);

impl IdKey {
    /// A key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// An id and what tells its uses apart.
    #[must_use]
    pub fn of(id: [u8; 16], tail: [u8; 4]) -> Self {
        Self::join(u128::from_be_bytes(id), u32::from_be_bytes(tail))
    }

    /// The bare bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The first 16 bytes and the last 4 as numbers: they order as the bytes do.
    pub(super) fn split(&self) -> (u128, u32) {
        let id = self.0.first_chunk::<16>().copied().unwrap_or_default();
        let tail = self.0.last_chunk::<4>().copied().unwrap_or_default();
        (u128::from_be_bytes(id), u32::from_be_bytes(tail))
    }

    pub(super) fn join(id: u128, tail: u32) -> Self {
        let mut bytes = [0; KEY_BYTES];
        if let Some(to) = bytes.first_chunk_mut::<16>() {
            *to = id.to_be_bytes();
        }
        if let Some(to) = bytes.last_chunk_mut::<4>() {
            *to = tail.to_be_bytes();
        }
        Self(bytes)
    }
}

/// A key at a position, in the form that sorts fastest. The order is that of key, then position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) id: u128,
    pub(super) tail: u32,
    pub(super) position: u64,
}

impl Entry {
    pub(super) fn key(&self) -> IdKey {
        IdKey::join(self.id, self.tail)
    }
}

/// What keys the hash: secret, because clients choose the ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdsSeed([u8; 16]);

impl IdsSeed {
    /// A seed of these random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Hashes keys as one index does: SipHash-1-3 under its seed. May go to the thread that reads
/// requests, so that the writer's need not hash.
///
/// One hash serves the tables in memory and the stored filters. A faster one (`foldhash`) was
/// rejected: its output is not specified, so no stored filter could rest on it, and it does not
/// withstand a client that chooses ids to collide.
#[derive(Clone, Copy)]
pub struct IdHasher(SipHasher13);

/// A key with its hash, made by the [`IdHasher`] of the index that is asked. One of another index
/// is not found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashedKey {
    pub(super) id: u128,
    pub(super) tail: u32,
    pub(super) hash: u64,
}

impl HashedKey {
    /// The key.
    #[must_use]
    pub fn key(&self) -> IdKey {
        IdKey::join(self.id, self.tail)
    }

    /// Orders as the key's bytes do.
    pub(super) const fn order(&self) -> (u128, u32) {
        (self.id, self.tail)
    }
}

impl IdHasher {
    pub(super) fn new(seed: &IdsSeed) -> Self {
        Self(SipHasher13::new_with_key(&seed.0))
    }

    /// A key with its hash.
    #[must_use]
    pub fn hashed(&self, key: &IdKey) -> HashedKey {
        let (id, tail) = key.split();
        HashedKey { id, tail, hash: self.0.hash(&key.0) }
    }

    pub(super) fn of(&self, key: &IdKey) -> u64 {
        self.0.hash(&key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_splits_and_joins_and_orders_as_its_bytes() {
        let mut bytes = [0; KEY_BYTES];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(at * 11 + 3).unwrap();
        }
        let key = IdKey::new(bytes);
        let (id, tail) = key.split();
        assert_eq!(IdKey::join(id, tail), key);
        bytes[19] += 1;
        assert!(IdKey::new(bytes) > key && IdKey::new(bytes).split() > key.split());
        bytes[15] -= 1;
        assert!(IdKey::new(bytes) < key && IdKey::new(bytes).split() < key.split());
    }
}
