//! Where which tile lies in the file, and the two heads it begins with.
//!
//! The file is counted in places of 8 KiB, as much as a full tile of hashes. Place 0 holds the
//! heads. After it come *pages* of two places, one per 256 entries: the tile of their leaf hashes,
//! and their commitments. A tile of a higher level lies before the first page below it, the higher
//! one first. So every place is known before anything is written, the file has no holes but for
//! the levels that a young log has not reached, and the pages of 65,536 entries are one run.

use evidence::Tile;
use evidence::tile::TILE_WIDTH;
use evidence::tree::TreeHead;
use seal::Digest;
use seal::digest::{Domain, digest};

/// Its name.
pub const LOG_NAME: &str = "log.tiles";
/// A place: a full tile of hashes.
pub(crate) const PLACE_BYTES: usize = 8192;
/// A page: leaf hashes and commitments of 256 entries.
pub(crate) const PAGE_BYTES: usize = 2 * PLACE_BYTES;
/// A hash, a commitment.
pub(crate) const HASH_BYTES: usize = 32;
/// The highest level of tiles: 256^8 is one more than the largest position.
const LEVEL_MAX: u32 = 7;

/// How many heads the file has. They are written in turn, each in a sector of its own.
pub(crate) const HEADS: usize = 2;
/// Where a head's sector begins is a multiple of this.
pub(crate) const HEAD_STRIDE: usize = PLACE_BYTES / HEADS;
/// Magic, size, root, check.
pub(crate) const HEAD_BYTES: usize = 16 + 8 + 32 + CHECK_BYTES;
const MAGIC: &[u8; 16] = b"wayleave log v1\n";
const CHECK_BYTES: usize = 16;
const HEAD_DOMAIN: Domain = Domain::new("wayleave/log-head/v1");

/// Byte offset of the page of entries `256 · page` on.
pub(crate) fn page_offset(page: u64) -> u64 {
    let mut place = page.saturating_mul(2).saturating_add(1);
    for level in 1..=LEVEL_MAX {
        // Tiles of this level that begin at or before this page.
        let tiles = (page >> (8 * level)).saturating_add(1);
        place = place.saturating_add(tiles);
    }
    place.saturating_mul(as_u64(PLACE_BYTES))
}

/// Byte offset of a tile of hashes; `None` for one that no log can have.
pub(crate) fn tile_offset(tile: Tile) -> Option<u64> {
    if tile.level > LEVEL_MAX {
        return None;
    }
    let first = tile.index.checked_mul(1_u64.checked_shl(8 * tile.level)?)?;
    let above = u64::from(tile.level).saturating_mul(as_u64(PLACE_BYTES));
    (first <= u64::MAX / TILE_WIDTH).then(|| page_offset(first).saturating_sub(above))
}

/// Byte offset of the commitments beside a tile of level 0.
pub(crate) fn entries_offset(page: u64) -> u64 {
    page_offset(page).saturating_add(as_u64(PLACE_BYTES))
}

/// What a head's sector holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadSector {
    /// Nothing yet.
    Blank,
    /// A head.
    Head(TreeHead),
    /// Something else: torn, or damaged.
    Broken,
}

/// The bytes of a head.
pub(crate) fn write_head(head: &TreeHead) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&head.size.to_be_bytes());
    bytes.extend_from_slice(head.root.as_bytes());
    let check = digest(HEAD_DOMAIN, &bytes);
    bytes.extend(check.as_bytes().iter().take(CHECK_BYTES));
    bytes
}

/// Reads a head's sector; bytes behind the head are for the check to judge.
pub(crate) fn read_head(sector: &[u8]) -> HeadSector {
    if sector.len() == HEAD_STRIDE && sector.iter().all(|byte| *byte == 0) {
        return HeadSector::Blank;
    }
    let fields = || {
        let (head, _) = sector.split_first_chunk::<HEAD_BYTES>()?;
        let (size, rest) = head.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
        let (root, _) = rest.split_first_chunk::<32>()?;
        let (size, root) = (u64::from_be_bytes(*size), Digest::from_bytes(*root));
        let found = TreeHead { size, root };
        (write_head(&found) == head).then_some(found)
    };
    fields().map_or(HeadSector::Broken, HeadSector::Head)
}

pub(crate) fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

pub(crate) fn as_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_tiles_share_a_place_and_a_dense_file_has_none_left_over() {
        let pages = 3 * 256 + 5;
        let mut places = BTreeMap::from([(0, "heads".to_owned())]);
        let place = as_u64(PLACE_BYTES);
        let mut put = |offset: u64, what: String| {
            assert_eq!(offset % place, 0);
            let before = places.insert(offset / place, what.clone());
            assert_eq!(before, None, "{what}");
        };
        for page in 0..pages {
            let tile = Tile { level: 0, index: page, width: 256 };
            assert_eq!(tile_offset(tile), Some(page_offset(page)));
            put(page_offset(page), tile.path());
            put(entries_offset(page), tile.bundle_path());
        }
        for level in 1..=7_u32 {
            for index in 0..=(pages - 1) >> (8 * level) {
                let tile = Tile { level, index, width: 1 };
                put(tile_offset(tile).unwrap(), tile.path());
            }
        }
        assert_eq!(places.last_key_value().unwrap().0 + 1, as_u64(places.len()));
        // All levels together cost less than a byte per entry.
        assert!(as_u64(places.len()) * place < pages * 256 * 65);
    }

    #[test]
    fn places_are_fixed() {
        let offset = |level, index| tile_offset(Tile { level, index, width: 1 });
        assert_eq!(offset(0, 0), Some(8 * 8192));
        assert_eq!(offset(0, 1), Some(10 * 8192));
        assert_eq!(offset(1, 0), Some(7 * 8192));
        assert_eq!(offset(7, 0), Some(8192));
        assert_eq!(offset(0, 255), Some(518 * 8192));
        assert_eq!(offset(1, 1), Some(520 * 8192));
        assert_eq!(offset(0, 256), Some(521 * 8192));
        assert_eq!(offset(2, 1), Some((131_072 + 256 + 7) * 8192));
        assert_eq!(offset(8, 0), None);
        assert_eq!(offset(7, 1), None);
        assert_eq!(offset(0, u64::MAX), None);
    }

    #[test]
    fn a_head_is_fixed_and_no_changed_one_is_read() {
        let head = TreeHead { size: 0x0102, root: Digest::from_bytes([7; 32]) };
        let bytes = write_head(&head);
        let golden = [
            "7761796c65617665206c6f672076310a", // wayleave log v1, newline
            "0000000000000102",                 // size
            "0707070707070707070707070707070707070707070707070707070707070707",
            "9425b9ec6fa675fd26058ae691c2906d", // check,
        ];
        assert_eq!(seal::text::to_hex(&bytes), golden.concat());
        let mut sector = bytes.clone();
        sector.resize(HEAD_STRIDE, 0);
        assert_eq!(read_head(&sector), HeadSector::Head(head));
        assert_eq!(read_head(&bytes[..71]), HeadSector::Broken);
        assert_eq!(read_head(&[0; HEAD_STRIDE]), HeadSector::Blank);
        for at in 0..HEAD_BYTES {
            let mut changed = sector.clone();
            changed[at] ^= 1;
            assert_eq!(read_head(&changed), HeadSector::Broken, "byte {at}");
        }
    }
}
