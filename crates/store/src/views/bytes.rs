//! How numbers and blocks lie in the file: `docs/formats/views.md`.

use super::error::{StoreFault, Table};

/// Bytes before a block's content: its check.
const CHECK_BYTES: usize = 4;

/// Appends seven bits a byte, the lowest first; the high bit says that more follow.
pub(super) fn put_u64(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        let [low, ..] = number.to_le_bytes();
        out.push(low | 0x80);
        number >>= 7;
    }
    let [low, ..] = number.to_le_bytes();
    out.push(low);
}

/// As [`put_u64`], for amounts.
pub(super) fn put_u128(out: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        if let Ok(small) = u64::try_from(number) {
            put_u64(out, small);
            return;
        }
        let [low, ..] = number.to_le_bytes();
        out.push(low | 0x80);
        number >>= 7;
    }
    let [low, ..] = number.to_le_bytes();
    out.push(low);
}

/// A difference of two numbers of 32 bits, small ones short whichever their sign.
pub(super) fn zigzag(from: u32, to: u32) -> u64 {
    let (from, to) = (i64::from(from), i64::from(to));
    let difference = to.wrapping_sub(from);
    u64::from_le_bytes(((difference << 1) ^ (difference >> 63)).to_le_bytes())
}

/// What [`zigzag`] began with at `from`.
pub(super) fn unzigzag(from: u32, stored: u64) -> Option<u32> {
    let half = i64::try_from(stored >> 1).ok()?;
    let difference = if stored & 1 == 0 { half } else { !half };
    u32::try_from(i64::from(from).checked_add(difference)?).ok()
}

/// Begins a block: room for its check.
pub(super) fn block(capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(capacity);
    bytes.extend_from_slice(&[0; CHECK_BYTES]);
    bytes
}

/// Writes the check over table, key and content, so that neither a flipped byte nor a block at
/// another block's place is read.
pub(super) fn seal(table: Table, key: u128, block: &mut [u8]) {
    let check = check_of(table, key, block.get(CHECK_BYTES..).unwrap_or_default());
    if let Some(place) = block.get_mut(..CHECK_BYTES) {
        place.copy_from_slice(&check);
    }
}

/// The content of a block whose check fits.
pub(super) fn open(table: Table, key: u128, block: &[u8]) -> Result<Reader<'_>, StoreFault> {
    let damaged = |problem| StoreFault::Damaged { table, key, problem };
    let (stored, content) =
        block.split_at_checked(CHECK_BYTES).ok_or_else(|| damaged("it ends early"))?;
    if stored != check_of(table, key, content) {
        return Err(damaged("its bytes do not fit their check"));
    }
    Ok(Reader { table, key, rest: content })
}

fn check_of(table: Table, key: u128, content: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[table.tag()]);
    hasher.update(&key.to_le_bytes());
    hasher.update(content);
    hasher.finalize().to_le_bytes()
}

/// Reads a block's content from its beginning.
#[derive(Clone, Copy)]
pub(super) struct Reader<'b> {
    table: Table,
    key: u128,
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) fn damaged(&self, problem: &'static str) -> StoreFault {
        StoreFault::Damaged { table: self.table, key: self.key, problem }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8, StoreFault> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| self.damaged("it ends early"))?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn u64(&mut self) -> Result<u64, StoreFault> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let placed = bits << shift;
            if placed >> shift != bits {
                return Err(self.damaged("a number is too large"));
            }
            number |= placed;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.damaged("a number is too long"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, StoreFault> {
        u32::try_from(self.u64()?).map_err(|_| self.damaged("a number is too large"))
    }

    pub(super) fn u128(&mut self) -> Result<u128, StoreFault> {
        let mut number = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            let placed = bits << shift;
            if placed >> shift != bits {
                return Err(self.damaged("a number is too large"));
            }
            number |= placed;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.damaged("a number is too long"))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreFault> {
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or_else(|| self.damaged("it ends early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next `length` bytes as a reader of their own.
    pub(super) fn part(&mut self, length: u64) -> Result<Self, StoreFault> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or_else(|| self.damaged("it ends early"))?;
        self.rest = rest;
        Ok(Self { table: self.table, key: self.key, rest: taken })
    }
}

/// An index of 32 bits as one of the machine's: at least as wide on every machine we build for.
pub(super) fn wide(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// A length that was bounded before, as 32 bits.
pub(super) fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn numbers_round_trip(small: u64, large: u128, from: u32, to: u32) {
            let mut bytes = block(0);
            put_u64(&mut bytes, small);
            put_u128(&mut bytes, large);
            put_u128(&mut bytes, small.into());
            put_u64(&mut bytes, zigzag(from, to));
            seal(Table::Items, 7, &mut bytes);
            let mut reader = open(Table::Items, 7, &bytes).unwrap();
            assert_eq!(reader.u64().unwrap(), small);
            assert_eq!(reader.u128().unwrap(), large);
            assert_eq!(reader.u128().unwrap(), u128::from(small));
            assert_eq!(unzigzag(from, reader.u64().unwrap()), Some(to));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_flipped_byte_another_key_and_another_table_are_refused() {
        let mut bytes = block(0);
        put_u64(&mut bytes, 300);
        seal(Table::Items, 7, &mut bytes);
        assert!(open(Table::Items, 7, &bytes).is_ok());
        assert!(open(Table::Items, 8, &bytes).is_err());
        assert!(open(Table::Days, 7, &bytes).is_err());
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(open(Table::Items, 7, &flipped).is_err());
        }
    }

    #[test]
    fn overlong_numbers_are_refused() {
        let mut bytes = block(0);
        bytes.extend_from_slice(&[0xff; 9]);
        bytes.push(0x02);
        seal(Table::Items, 0, &mut bytes);
        assert!(open(Table::Items, 0, &bytes).unwrap().u64().is_err());
    }
}
