//! SHA-256, always under a domain, so that bytes of one kind never hash as another kind.

use core::fmt;
use core::str::FromStr;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};

use crate::text::{from_hex_array, to_hex};

/// What kind of bytes are hashed, signed or derived: `wayleave/permit/v1`.
///
/// The version stands in the name: a new layout is a new domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain(&'static str);

impl Domain {
    /// A domain. The name must hold no zero byte: zero ends it in every preimage.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// 32 bytes of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// All zero: the "previous" of the first batch. No known input has it.
    pub const ZERO: Self = Self([0; 32]);

    /// A digest of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bare bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 16 bytes: an id that is made of what was hashed.
    #[must_use]
    pub fn half(&self) -> [u8; 16] {
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(&self.0) {
            *to = *from;
        }
        half
    }

    /// The first eight hex digits, for people. Never compared.
    #[must_use]
    pub fn short(&self) -> String {
        to_hex(&self.0[..4])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = crate::BadKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        from_hex_array(text).map(Self).ok_or(crate::BadKey { expected: "64 lower-case hex digits" })
    }
}

impl<C> Encode<C> for Digest {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Digest {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        d.bytes()?.try_into().map(Self).map_err(|_| DecodeError::message("expected 32 bytes"))
    }
}

/// SHA-256 of bare bytes, for formats that others define (SD-JWT, RFC 6962, signed notes).
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// [`sha256`] of as many bytes as the type says, for the two inputs of a hash tree: up to 119 the
/// padding is laid out at compile time, and half the time of a short digest is saved.
#[must_use]
pub fn sha256_array<const BYTES: usize>(bytes: &[u8; BYTES]) -> Digest {
    // FIPS 180-4 section 5.1.1: the bytes, 0x80, zeros, and the length in bits in the last eight.
    let mut blocks = [[0_u8; 64]; 2];
    let used = if BYTES < 56 { 1 } else { 2 };
    let Ok(bits) = u64::try_from(BYTES.saturating_mul(8)) else { return sha256(bytes) };
    let (Some((padded, _)), true) = (blocks.split_at_mut_checked(used), BYTES < 120) else {
        return sha256(bytes);
    };
    let flat = padded.as_flattened_mut();
    let Some((to, length)) = flat.split_last_chunk_mut::<8>() else { return sha256(bytes) };
    *length = bits.to_be_bytes();
    let Some((to, padding)) = to.split_first_chunk_mut::<BYTES>() else { return sha256(bytes) };
    *to = *bytes;
    if let Some(first) = padding.first_mut() {
        *first = 0x80;
    }
    compress(padded)
}

/// Blocks that short pieces are gathered in.
const FEW_BLOCKS: usize = 4;

/// Gathers pieces of at most 247 bytes together and hashes them in one call; `None` when they are
/// longer. Going through the hasher's own buffer costs a third of the time of such an input.
fn sha256_of_few(pieces: &[&[u8]]) -> Option<Digest> {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let used = length.checked_add(9)?.div_ceil(64);
    let mut blocks = [[0_u8; 64]; FEW_BLOCKS];
    let (padded, _) = blocks.split_at_mut_checked(used)?;
    let mut rest = padded.as_flattened_mut();
    for piece in pieces {
        let (to, others) = rest.split_at_mut_checked(piece.len())?;
        to.copy_from_slice(piece);
        rest = others;
    }
    *rest.first_mut()? = 0x80;
    *rest.last_chunk_mut::<8>()? = u64::try_from(length).ok()?.checked_mul(8)?.to_be_bytes();
    Some(compress(padded))
}

/// SHA-256 of padded blocks.
fn compress(padded: &[[u8; 64]]) -> Digest {
    let mut state = INITIAL_STATE;
    compress256(&mut state, padded);
    let mut digest = [0; 32];
    for (to, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    Digest(digest)
}

/// FIPS 180-4 section 5.3.3.
const INITIAL_STATE: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// SHA-256 of the pieces one after another, for formats that others define.
#[must_use]
pub fn sha256_of(pieces: &[&[u8]]) -> Digest {
    if let Some(digest) = sha256_of_few(pieces) {
        return digest;
    }
    let mut hasher = Sha256::new();
    for piece in pieces {
        hasher.update(piece);
    }
    Digest(hasher.finalize().into())
}

/// SHA-256 of `domain ‖ 0x00 ‖ bytes`.
#[must_use]
pub fn digest(domain: Domain, bytes: &[u8]) -> Digest {
    sha256_of(&[domain.0.as_bytes(), &[0], bytes])
}

/// [`digest`] of bytes that come one after another and are never in memory together.
#[derive(Clone, Debug)]
pub struct DigestStream(Sha256);

impl DigestStream {
    /// Nothing yet, under this domain.
    #[must_use]
    pub fn new(domain: Domain) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain.0.as_bytes());
        hasher.update([0]);
        Self(hasher)
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all of them.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// SHA-256 of `domain ‖ 0x00 ‖ for each piece: its length as 8 bytes big-endian ‖ the piece`.
#[must_use]
pub fn digest_of(domain: Domain, pieces: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(domain.0.as_bytes());
    hasher.update([0]);
    for piece in pieces {
        hasher.update(u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(piece);
    }
    Digest(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_digest_of_its_pieces_together() {
        const DOMAIN: Domain = Domain::new("wayleave/test/v1");
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for cut in [0, 1, 63, 64, 500, 1000] {
            let mut stream = DigestStream::new(DOMAIN);
            let (first, rest) = bytes.split_at(cut);
            stream.update(first);
            stream.update(rest);
            assert_eq!(stream.finish(), digest(DOMAIN, &bytes), "{cut}");
        }
    }

    #[test]
    fn sha256_of_abc_is_the_published_value() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc").to_string(), abc);
        assert_eq!(sha256_of(&[b"a", b"bc"]).to_string(), abc);
        assert_eq!(abc.parse::<Digest>().unwrap(), sha256(b"abc"));
    }

    fn array_is_slice<const BYTES: usize>() {
        let mut bytes = [0; BYTES];
        for (byte, value) in bytes.iter_mut().zip(3..) {
            *byte = value;
        }
        assert_eq!(sha256_array(&bytes), sha256(&bytes), "{BYTES}");
    }

    #[test]
    fn an_array_hashes_like_the_same_slice_at_every_padding() {
        array_is_slice::<0>();
        array_is_slice::<1>();
        array_is_slice::<33>();
        array_is_slice::<34>();
        array_is_slice::<54>();
        array_is_slice::<55>();
        array_is_slice::<56>();
        array_is_slice::<63>();
        array_is_slice::<64>();
        array_is_slice::<65>();
        array_is_slice::<118>();
        array_is_slice::<119>();
        array_is_slice::<120>();
        array_is_slice::<200>();
    }

    #[test]
    fn pieces_hash_like_the_whole_at_every_length_and_cut() {
        let bytes: Vec<u8> = (0..=255).cycle().take(600).collect();
        for (length, _) in bytes.iter().enumerate() {
            let (whole, _) = bytes.split_at(length);
            for cut in [0, 1, length / 2, length] {
                let Some((a, b)) = whole.split_at_checked(cut) else { continue };
                assert_eq!(sha256_of(&[a, &[], b]), sha256(whole), "{length} at {cut}");
            }
        }
        assert_eq!(sha256_of(&[]), sha256(&[]));
    }

    #[test]
    fn a_domain_separates() {
        let a = Domain::new("wayleave/a/v1");
        let b = Domain::new("wayleave/b/v1");
        assert_ne!(digest(a, b"x"), digest(b, b"x"));
        assert_ne!(digest_of(a, &[b"ab", b"c"]), digest_of(a, &[b"a", b"bc"]));
    }
}
