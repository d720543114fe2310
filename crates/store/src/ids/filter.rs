//! A split-block Bloom filter: which keys a run surely does not hold, at one cache line a probe.
//!
//! Eight words of 64 bits make a block; a key sets one bit in each word of one block. At 14 bits a
//! key about one absent key in 500 seems present, at 20 one in 3,000. Binary fuse filters (`xorf`)
//! need a third less memory for the same rate, and were rejected: they touch three lines a probe,
//! which counts with ten runs to ask, and building one over a large run holds all its hashes in
//! memory at once. The form is ours and written down, because it is stored.

/// Bits of filter per key of a large run, of which there may be any number. With 28 bytes of page
/// index per 200 keys this stays within the two bytes of memory that a past id may cost.
const BITS_PER_KEY: u64 = 14;
/// Bits per key of a run that is yet to be merged. There are at most some 14 of them, and a random
/// id asks each: what their filters let through by mistake costs a page each time.
const BITS_PER_NEW_KEY: u64 = 20;
/// Keys of the largest run that is yet to be merged: eight sealed parts.
const NEW_KEYS_MAX: u64 = 1 << 22;
/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 64;
const BLOCK_BITS: u64 = 512;
const WORDS: usize = 8;

/// Odd numbers, those of Parquet's split-block Bloom filter: each picks another bit from one hash.
const SALTS: [u32; WORDS] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// Aligned to the cache line, so that a probe is one miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(64))]
struct Block([u64; WORDS]);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    blocks: Vec<Block>,
}

impl Filter {
    /// An empty filter for this many keys.
    pub(super) fn for_keys(keys: u64) -> Self {
        let blocks = blocks_for(keys);
        Self { blocks: vec![Block::default(); usize::try_from(blocks).unwrap_or(0)] }
    }

    /// An empty filter to be filled from its stored form.
    pub(super) fn with_room(blocks: u64) -> Self {
        Self { blocks: Vec::with_capacity(usize::try_from(blocks).unwrap_or(0)) }
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let at = self.place(hash);
        if let Some(block) = self.blocks.get_mut(at) {
            for (word, bit) in block.0.iter_mut().zip(bits(hash)) {
                *word |= bit;
            }
        }
    }

    /// `false`: the key is surely absent. Without branches, so that probes of several filters
    /// overlap.
    pub(super) fn may_hold(&self, probe: &Probe) -> bool {
        let Some(block) = self.blocks.get(self.place(probe.hash)) else { return true };
        let missing =
            block.0.iter().zip(&probe.bits).fold(0, |sum, (word, bit)| sum | (bit & !word));
        missing == 0
    }

    /// Reads the block of a hash, for its effect on the caches only.
    pub(super) fn touch(&self, hash: u64) -> u64 {
        self.blocks.get(self.place(hash)).map_or(0, |block| block.0[0])
    }

    pub(super) fn blocks(&self) -> u64 {
        u64::try_from(self.blocks.len()).unwrap_or(u64::MAX)
    }

    /// The stored form of the blocks from `first`, at most `most`.
    pub(super) fn encode(&self, first: usize, most: usize) -> Vec<u8> {
        let blocks = self.blocks.iter().skip(first).take(most);
        blocks.flat_map(|block| block.0).flat_map(u64::to_be_bytes).collect()
    }

    /// Appends stored blocks.
    pub(super) fn decode(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks_exact(BLOCK_BYTES) {
            let mut block = Block::default();
            for (word, bytes) in block.0.iter_mut().zip(chunk.chunks_exact(8)) {
                *word = bytes.first_chunk().copied().map_or(0, u64::from_be_bytes);
            }
            self.blocks.push(block);
        }
    }

    /// The upper half of the hash picks the block.
    fn place(&self, hash: u64) -> usize {
        let at = ((hash >> 32) * self.blocks()) >> 32;
        usize::try_from(at).unwrap_or(0)
    }
}

/// The bits of one key: the same in every filter.
pub(super) struct Probe {
    hash: u64,
    bits: [u64; WORDS],
}

impl Probe {
    pub(super) fn of(hash: u64) -> Self {
        Self { hash, bits: bits(hash) }
    }
}

/// How many blocks a filter for this many keys has: at least one, at most 2^32 − 1.
fn blocks_for(keys: u64) -> u64 {
    let each = if keys <= NEW_KEYS_MAX { BITS_PER_NEW_KEY } else { BITS_PER_KEY };
    keys.saturating_mul(each).div_ceil(BLOCK_BITS).clamp(1, u64::from(u32::MAX))
}

/// The lower half of the hash picks one bit in each word.
fn bits(hash: u64) -> [u64; WORDS] {
    let low = u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(0);
    SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 26))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(n: u64) -> u64 {
        let z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn what_was_inserted_is_held_and_few_others_are() {
        const KEYS: u64 = 50_000;
        let mut filter = Filter::for_keys(KEYS);
        (0..KEYS).for_each(|n| filter.insert(mix(n)));
        let may_hold = |n: u64| filter.may_hold(&Probe::of(mix(n)));
        assert!((0..KEYS).all(may_hold));
        let wrong = (KEYS..5 * KEYS).filter(|n| may_hold(*n)).count();
        assert!(wrong < 150, "{wrong} of 200000 absent keys seem present");
        assert!(wrong > 0, "a filter that never errs is not being asked");
    }

    #[test]
    fn a_filter_survives_its_stored_form() {
        let mut filter = Filter::for_keys(1000);
        (0..1000).for_each(|n| filter.insert(mix(n)));
        let mut read = Filter::with_room(filter.blocks());
        let mut first = 0;
        loop {
            let bytes = filter.encode(first, 7);
            if bytes.is_empty() {
                break;
            }
            first += 7;
            read.decode(&bytes);
        }
        assert_eq!(read, filter);
    }

    #[test]
    fn golden_block() {
        let mut filter = Filter::for_keys(1);
        filter.insert(0x0123_4567_89ab_cdef);
        let bits: Vec<u32> = filter.blocks[0].0.iter().map(|word| word.trailing_zeros()).collect();
        assert_eq!(filter.blocks(), 1);
        assert_eq!(bits, GOLDEN_BITS);
    }

    /// Computed apart from this code: (0x89abcdef × salt mod 2^32) >> 26.
    const GOLDEN_BITS: [u32; 8] = [37, 38, 61, 46, 9, 32, 25, 48];
}
