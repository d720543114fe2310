//! One encoding per value: deterministic CBOR (RFC 8949 section 4.2), re-encoded on reading.
//!
//! Our documents are arrays of fixed order. A reader decodes, encodes again and compares, so a
//! longer integer, an unknown field, a trailing byte or an indefinite length is refused, and a
//! signature or digest over the bytes is one over the value.

use minicbor::{Decode, Encode};
use thiserror::Error;

/// The largest document read at once, in bytes: a record with both permits is about 10 KiB, a
/// trust list of some hundred issuers stays under 1 MiB.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// Why bytes are not the canonical form of a document.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CanonicalError {
    /// More bytes than are read at once, [`DOCUMENT_BYTES_MAX`] of a document.
    #[error("expected a document of at most {most} bytes, got {got}")]
    TooLarge {
        /// How many may come.
        most: usize,
        /// How many bytes came.
        got: usize,
    },
    /// Not a document of this kind at all.
    #[error("expected a canonical document: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// A document, but not in the one encoding that writing produces.
    #[error("expected the one canonical encoding, got another encoding of the same document")]
    NotCanonical,
}

/// The one encoding of `value`.
#[must_use]
pub fn to_canonical<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    // INVARIANT (VecWriterIsInfallible): a `Vec` writer has no error, and our `Encode`
    // implementations return none of their own; were that broken, readers would refuse the
    // truncated document.
    let _ = minicbor::encode(value, &mut bytes);
    bytes
}

/// Reads a document and refuses every encoding but the canonical one.
pub fn from_canonical<T>(bytes: &[u8]) -> Result<T, CanonicalError>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    from_canonical_within(bytes, DOCUMENT_BYTES_MAX)
}

/// As [`from_canonical`], of a file that holds whole lists: `most` bytes instead.
pub fn from_canonical_within<T>(bytes: &[u8], most: usize) -> Result<T, CanonicalError>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    if bytes.len() > most {
        return Err(CanonicalError::TooLarge { most, got: bytes.len() });
    }
    let value: T = minicbor::decode(bytes)
        .map_err(|error| CanonicalError::Malformed { reason: error.to_string() })?;
    if to_canonical(&value) == bytes { Ok(value) } else { Err(CanonicalError::NotCanonical) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_integers_and_trailing_bytes_are_refused() {
        assert_eq!(from_canonical::<u64>(&[0x05]), Ok(5));
        assert_eq!(from_canonical::<u64>(&[0x18, 0x05]), Err(CanonicalError::NotCanonical));
        assert_eq!(from_canonical::<u64>(&[0x05, 0x00]), Err(CanonicalError::NotCanonical));
        assert!(matches!(from_canonical::<u64>(&[]), Err(CanonicalError::Malformed { .. })));
    }
}
