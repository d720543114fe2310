//! ES256 (RFC 7518 section 3.4): ECDSA on P-256 with SHA-256, signature as 64 bytes `r ‖ s`.
//!
//! `p256` signs (deterministic nonces, RFC 6979); `ring` verifies, since it is five times faster
//! and verification is what a server does most.

use core::fmt;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use p256::ecdsa::signature::Signer;

use crate::text::to_hex;
use crate::{BadKey, BadSignature};

/// An ES256 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Es256Signature(pub [u8; 64]);

/// A P-256 public key: `x ‖ y`, both 32 bytes big-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Es256PublicKey([u8; 64]);

impl fmt::Debug for Es256PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl Es256PublicKey {
    /// The key with these coordinates; the point must lie on the curve.
    pub fn from_coordinates(x: &[u8], y: &[u8]) -> Result<Self, BadKey> {
        const REFUSED: BadKey = BadKey { expected: "the coordinates of a point on P-256" };
        if x.len() != 32 || y.len() != 32 {
            return Err(REFUSED);
        }
        let sec1 = [&[4], x, y].concat();
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).map_err(|_| REFUSED)?;
        let bytes = [x, y].concat().try_into().map_err(|_| REFUSED)?;
        Ok(Self(bytes))
    }

    /// The coordinate `x`, as in the `x` of a JWK.
    #[must_use]
    pub fn x(&self) -> &[u8] {
        self.0.split_at(32).0
    }

    /// The coordinate `y`, as in the `y` of a JWK.
    #[must_use]
    pub fn y(&self) -> &[u8] {
        self.0.split_at(32).1
    }

    /// Checks a signature over `bytes`.
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let sec1 = [&[4], self.0.as_slice()].concat();
        ring::signature::UnparsedPublicKey::new(
            &ring::signature::ECDSA_P256_SHA256_FIXED,
            sec1.as_slice(),
        )
        .verify(bytes, signature)
        .map_err(|_| BadSignature)
    }
}

impl<C> Encode<C> for Es256PublicKey {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Es256PublicKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let bytes = d.bytes()?;
        let (x, y) = bytes.split_at_checked(32).unwrap_or((&[], &[]));
        Self::from_coordinates(x, y).map_err(|_| DecodeError::message("expected a P-256 point"))
    }
}

/// A P-256 signing key. Wiped when dropped; never printed.
pub struct Es256SigningKey(p256::ecdsa::SigningKey);

impl Es256SigningKey {
    /// The key of this 32-byte scalar; refused when it is zero or not below the group order.
    pub fn from_scalar(scalar: &[u8; 32]) -> Result<Self, BadKey> {
        p256::ecdsa::SigningKey::from_slice(scalar)
            .map(Self)
            .map_err(|_| BadKey { expected: "a scalar between 1 and the order of P-256" })
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> Es256PublicKey {
        let sec1 = self.0.verifying_key().to_sec1_point(false);
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(sec1.as_bytes().iter().skip(1)) {
            *to = *from;
        }
        Es256PublicKey(bytes)
    }

    /// Signs `bytes`.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Es256Signature {
        let signature: p256::ecdsa::Signature = self.0.sign(bytes);
        Es256Signature(signature.to_bytes().into())
    }

    pub(crate) fn scalar(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_library_signs_and_another_verifies() {
        let key = Es256SigningKey::from_scalar(&[9; 32]).unwrap();
        let mut signature = key.sign(b"terms").0;
        let public = key.public_key();
        assert_eq!(public.verify(b"terms", &signature), Ok(()));
        assert_eq!(public.verify(b"term", &signature), Err(BadSignature));
        signature[40] ^= 1;
        assert_eq!(public.verify(b"terms", &signature), Err(BadSignature));
        assert_eq!(Es256PublicKey::from_coordinates(public.x(), public.y()), Ok(public));
    }

    #[test]
    fn scalars_and_points_outside_the_group_are_refused() {
        assert!(Es256SigningKey::from_scalar(&[0; 32]).is_err());
        assert!(Es256SigningKey::from_scalar(&[0xff; 32]).is_err());
        assert!(Es256PublicKey::from_coordinates(&[1; 32], &[1; 32]).is_err());
        assert!(Es256PublicKey::from_coordinates(&[1; 31], &[1; 33]).is_err());
    }
}
