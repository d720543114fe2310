//! Reading and writing fixed layouts, field by field, big-endian.

/// Reads fields one after another. What lies beyond the end reads as zeros and is remembered, so
/// that a layout is written down without a branch per field and tested once, by [`Self::ended`].
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    short: bool,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, short: false }
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        if let Some((head, rest)) = self.rest.split_first_chunk::<N>() {
            self.rest = rest;
            *head
        } else {
            self.short = true;
            [0; N]
        }
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    #[inline]
    pub(crate) fn u128(&mut self) -> u128 {
        u128::from_be_bytes(self.array())
    }

    /// Whether the next `N` bytes, which are reserved, are zeros.
    #[inline]
    pub(crate) fn zeros<const N: usize>(&mut self) -> bool {
        self.array::<N>() == [0; N]
    }

    /// All that was not read.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Whether exactly everything was read.
    #[inline]
    pub(crate) fn ended(&self) -> bool {
        !self.short && self.rest.is_empty()
    }
}

/// Writes fields one after another into `N` bytes that begin as zeros.
pub(crate) struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    /// INVARIANT (LayoutFits): the fields of a layout add up to at most `N`; the golden bytes of
    /// each layout test it. A field that did not fit would be left out.
    #[inline]
    pub(crate) fn put<const M: usize>(mut self, field: [u8; M]) -> Self {
        if let Some(to) = self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<M>) {
            *to = field;
        }
        self.at += M;
        self
    }

    #[inline]
    pub(crate) fn u8(self, field: u8) -> Self {
        self.put([field])
    }

    #[inline]
    pub(crate) fn u16(self, field: u16) -> Self {
        self.put(field.to_be_bytes())
    }

    #[inline]
    pub(crate) fn u32(self, field: u32) -> Self {
        self.put(field.to_be_bytes())
    }

    #[inline]
    pub(crate) fn u64(self, field: u64) -> Self {
        self.put(field.to_be_bytes())
    }

    #[inline]
    pub(crate) fn u128(self, field: u128) -> Self {
        self.put(field.to_be_bytes())
    }

    /// `M` reserved bytes.
    #[inline]
    pub(crate) const fn zeros<const M: usize>(mut self) -> Self {
        self.at += M;
        self
    }

    #[inline]
    pub(crate) const fn done(self) -> [u8; N] {
        self.bytes
    }
}

/// A length that was bounded before; a longer one would be a bug and reads as the largest.
pub(crate) fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A count or length of the wire as a size in memory.
pub(crate) fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// The longest head of `text` of at most `bytes_max` bytes.
pub(crate) fn head_of(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
