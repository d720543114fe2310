//! Salts of consecutive positions, cut from one key stream: a few nanoseconds each in bulk.
//!
//! A salt per fact by HMAC costs more than committing to the fact. ChaCha20 under a key of its own
//! is a pseudorandom function of the position all the same: who sees some salts learns nothing of
//! the others, and who holds the key finds any of them at once.

use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use chacha20::{ChaCha20, Nonce};
use terms::Position;

use crate::digest::Domain;
use crate::secret::{Salt, Secret, derive};

/// Domain that a stream's key is derived under, from the key of a salt slot and with no info.
pub const SALT_STREAM_DOMAIN: Domain = Domain::new("wayleave/salt-stream/v1");

const SALT_BYTES: usize = 16;
/// Salts cut at once: a buffer of 4 KiB stays in the nearest cache.
const CHUNK_SALTS: usize = 256;
/// Positions under one nonce. The block counter then stays below 2^30 of its 2^32.
const SEGMENT_POSITIONS: u64 = 1 << 32;

/// The salts of all facts whose key lies in one slot.
///
/// The salt of position *p* is 16 bytes of the ChaCha20 key stream (RFC 8439, section 2.4) under
/// this stream's key, with the nonce of eight zero bytes and the upper 32 bits of *p*
/// (big-endian), from byte 16 · (*p* mod 2^32) on: block counter (*p* mod 2^32) / 4, four salts
/// to a block.
#[derive(Clone)]
pub struct SaltStream {
    key: Secret,
}

impl SaltStream {
    /// The stream of a salt slot, from the slot's key.
    #[must_use]
    pub fn of(slot_key: &Secret) -> Self {
        Self { key: derive(slot_key, SALT_STREAM_DOMAIN, &[]) }
    }

    /// The salt of one position.
    #[must_use]
    pub fn at(&self, position: Position) -> Salt {
        let mut salt = [Salt([0; SALT_BYTES])];
        self.fill(position, &mut salt);
        let [salt] = salt;
        salt
    }

    /// The salts of as many consecutive positions as `salts` has room for.
    ///
    /// After the largest position the stream begins again at 0: a journal ends before
    /// ([`Position`] is its dense count).
    pub fn fill(&self, first: Position, salts: &mut [Salt]) {
        let mut next = first.number();
        let mut rest = salts;
        while !rest.is_empty() {
            let left = SEGMENT_POSITIONS - next % SEGMENT_POSITIONS;
            let count = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let (segment, others) = rest.split_at_mut(count);
            self.fill_segment(next, segment);
            next = next.wrapping_add(left);
            rest = others;
        }
    }

    /// Salts of one segment: they share a nonce.
    fn fill_segment(&self, first: u64, salts: &mut [Salt]) {
        let mut nonce = Nonce::default();
        let upper = (first / SEGMENT_POSITIONS).to_be_bytes();
        for (to, from) in nonce.iter_mut().skip(4).zip(upper) {
            *to = from;
        }
        let mut stream = ChaCha20::new(self.key.bytes().into(), &nonce);
        // INVARIANT (StreamNeverEnds): a segment is 2^36 of a nonce's 2^38 bytes.
        stream.seek(first % SEGMENT_POSITIONS * 16);
        let mut buffer = [0; SALT_BYTES * CHUNK_SALTS];
        for chunk in salts.chunks_mut(CHUNK_SALTS) {
            let (used, _) = buffer.split_at_mut(SALT_BYTES * chunk.len());
            stream.write_keystream(used);
            let (cut, _) = used.as_chunks::<SALT_BYTES>();
            for (salt, bytes) in chunk.iter_mut().zip(cut) {
                *salt = Salt(*bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::to_hex;

    fn stream() -> SaltStream {
        SaltStream::of(&Secret::from_bytes([1; 32]))
    }

    /// RFC 8439 appendix A.1, test vector 1: key and nonce zero, counter 0.
    #[test]
    fn the_stream_is_the_published_one() {
        let stream = SaltStream { key: Secret::from_bytes([0; 32]) };
        let mut salts = [Salt([0; 16]); 5];
        stream.fill(Position::new(0), &mut salts);
        let published = [
            "76b8e0ada0f13d90405d6ae55386bd28",
            "bdd219b8a08ded1aa836efcc8b770dc7",
            "da41597c5157488d7724e03fb8d84a37",
            "6a43b8f41518a11cc387b669b2ee6586",
            "9f07e7be5551387a98ba977c732d080d", // Vector 2: counter 1.
        ];
        assert_eq!(salts.map(|salt| to_hex(&salt.0)), published);
    }

    /// Computed by a second implementation, written from the documentation above.
    #[test]
    fn the_salt_of_a_position_is_fixed() {
        let golden = [
            (0, "33f833e8d52e7d18fab35ab521ed7f77"),
            (5, "e8753f3ab30d095a4d09f3406aeeae26"),
            ((1 << 32) - 1, "d11a23fa8dbf7f54da9bbcbfb2be9821"),
            (1 << 32, "9507b90688499d61ab10dd9c73795fed"),
            (u64::MAX, "c1af635b710247da9ae9c6be173a528d"),
        ];
        let found = golden.map(|(p, _)| (p, to_hex(&stream().at(Position::new(p)).0)));
        assert_eq!(found, golden.map(|(p, salt)| (p, salt.to_owned())));
    }

    #[test]
    fn a_run_is_the_salts_of_its_positions() {
        for first in [0, 1, 3, 255, (1 << 32) - 300, (7 << 32) - 1] {
            let mut run = [Salt([0; 16]); 600];
            stream().fill(Position::new(first), &mut run);
            for (position, salt) in (first..).zip(run) {
                assert_eq!(stream().at(Position::new(position)), salt, "{position}");
            }
        }
    }
}
