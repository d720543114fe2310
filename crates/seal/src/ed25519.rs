//! Ed25519 (RFC 8032), verified strictly: no small-order keys, no malleable signatures.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::Signer;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::digest::{Domain, digest};
use crate::text::{from_hex_array, to_hex};
use crate::{BadKey, BadSignature};

const KEY_ID: Domain = Domain::new("wayleave/key-id/v1");

macro_rules! fixed_bytes {
    ($name:ident, $length:literal, $what:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadKey;

            fn from_str(text: &str) -> Result<Self, BadKey> {
                from_hex_array(text).map(Self).ok_or(BadKey { expected: $what })
            }
        }

        impl $name {
            /// These bytes, unchecked until they are used.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bare bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), EncodeError<W::Error>> {
                e.bytes(&self.0)?;
                Ok(())
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                d.bytes()?
                    .try_into()
                    .map(Self)
                    .map_err(|_| DecodeError::message(concat!("expected ", $what)))
            }
        }
    };
}

/// Names a public key: the first 16 bytes of its digest. Not a secret, not a proof of anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);
fixed_bytes!(KeyId, 16, "a key id of 32 lower-case hex digits");

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);
fixed_bytes!(PublicKey, 32, "an Ed25519 public key of 64 lower-case hex digits");

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);
fixed_bytes!(Signature, 64, "an Ed25519 signature of 128 lower-case hex digits");

/// An Ed25519 signing key. Wiped when dropped; never printed.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of this 32-byte seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The name of the public half.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.public_key().key_id()
    }

    /// Signs `domain ‖ 0x00 ‖ bytes`.
    #[must_use]
    pub fn sign(&self, domain: Domain, bytes: &[u8]) -> Signature {
        self.sign_bare(&in_domain(domain, bytes))
    }

    /// Signs bare bytes, for formats that others define (signed notes, HTTP signatures).
    #[must_use]
    pub fn sign_bare(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes).to_bytes())
    }

    pub(crate) fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
}

impl PublicKey {
    /// The name of this key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId(digest(KEY_ID, &self.0).half())
    }

    /// Checks a signature over `domain ‖ 0x00 ‖ bytes`.
    pub fn verify(
        &self,
        domain: Domain,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        self.verify_bare(&in_domain(domain, bytes), signature)
    }

    /// Checks a signature over bare bytes, for formats that others define.
    pub fn verify_bare(&self, bytes: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        key.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(&signature.0))
            .map_err(|_| BadSignature)
    }
}

fn in_domain(domain: Domain, bytes: &[u8]) -> Vec<u8> {
    [domain.name().as_bytes(), &[0], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: Domain = Domain::new("wayleave/test/v1");

    #[test]
    fn rfc_8032_test_2_signs_and_verifies() {
        let seed =
            from_hex_array("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = SigningKey::from_seed(&seed.unwrap());
        let signature = key.sign_bare(&[0x72]);
        assert!(signature.to_string().starts_with("92a009a9f0d4cab8720e820b5f642540"));
        assert_eq!(key.public_key().verify_bare(&[0x72], &signature), Ok(()));
    }

    #[test]
    fn a_signature_of_one_domain_is_worth_nothing_in_another() {
        let key = SigningKey::from_seed(&[7; 32]);
        let signature = key.sign(DOMAIN, b"x");
        assert_eq!(key.public_key().verify(DOMAIN, b"x", &signature), Ok(()));
        let other = Domain::new("wayleave/other/v1");
        assert_eq!(key.public_key().verify(other, b"x", &signature), Err(BadSignature));
        assert_eq!(key.public_key().verify(DOMAIN, b"y", &signature), Err(BadSignature));
    }

    #[test]
    fn small_order_keys_verify_nothing() {
        let weak = PublicKey::from_bytes([0; 32]);
        assert_eq!(weak.verify_bare(b"x", &Signature::from_bytes([0; 64])), Err(BadSignature));
    }
}
