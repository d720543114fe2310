//! Boxes: to a public key (HPKE, RFC 9180 base mode) and under a data key (ChaCha20-Poly1305).

use core::convert::Infallible;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hpke::aead::ChaCha20Poly1305 as HpkeAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use minicbor::{Decode, Encode};
use rand_core::{TryCryptoRng, TryRng};
use thiserror::Error;
use zeroize::ZeroizeOnDrop;

use crate::BadKey;
use crate::digest::{Domain, digest_of};
use crate::secret::{Secret, mac};

/// Length of an encapsulated X25519 key, which starts every box to a public key.
const ENCAPSULATED_BYTES: usize = 32;

/// A box that does not open: another key, another context or changed bytes. One opaque kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the sealed bytes do not open with this key in this context")]
pub struct BoxError;

/// The public key that boxes are sealed to (X25519).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct BoxPublicKey(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl BoxPublicKey {
    /// A key of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bare bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The key that opens boxes. Wiped when dropped; never printed.
#[derive(ZeroizeOnDrop)]
pub struct BoxSecretKey([u8; 32]);

impl BoxSecretKey {
    /// The key of this 32-byte seed (RFC 9180 `DeriveKeyPair` happens at use).
    #[must_use]
    pub const fn from_seed(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> BoxPublicKey {
        let (_, public) = X25519HkdfSha256::derive_keypair(&self.0);
        BoxPublicKey(public.to_bytes().into())
    }

    pub(crate) const fn seed(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Seals `plaintext` to `recipient` in the context `domain`, bound to `about` (not hidden).
///
/// `entropy` must be 32 fresh random bytes; the ephemeral key is drawn from it. The box is the
/// encapsulated key (32 bytes) followed by the ciphertext with its tag.
pub fn seal_box(
    recipient: &BoxPublicKey,
    domain: Domain,
    about: &[u8],
    plaintext: &[u8],
    entropy: [u8; 32],
) -> Result<Vec<u8>, BadKey> {
    const REFUSED: BadKey = BadKey { expected: "an X25519 public key" };
    let recipient =
        <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&recipient.0).map_err(|_| REFUSED)?;
    let (encapsulated, ciphertext) =
        hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &recipient,
            domain.name().as_bytes(),
            plaintext,
            about,
            &mut OneDraw { entropy: Secret::from_bytes(entropy), draws: 0 },
        )
        .map_err(|_| REFUSED)?;
    Ok([encapsulated.to_bytes().as_slice(), &ciphertext].concat())
}

/// Opens a box made by [`seal_box`] in the same context about the same thing.
pub fn open_box(
    key: &BoxSecretKey,
    domain: Domain,
    about: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, BoxError> {
    let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED_BYTES).ok_or(BoxError)?;
    let encapsulated =
        <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| BoxError)?;
    let (secret, _) = X25519HkdfSha256::derive_keypair(&key.0);
    hpke::single_shot_open::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &encapsulated,
        domain.name().as_bytes(),
        ciphertext,
        about,
    )
    .map_err(|_| BoxError)
}

/// The key of one party's payload in one payment. Destroying it is erasure. Wiped when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// A data key of these bytes: fresh random bytes, durable before the fact that commits to
    /// what it seals.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret that salts of this payment's records are derived from.
    #[must_use]
    pub fn salt_root(&self, domain: Domain, info: &[u8]) -> Secret {
        crate::secret::derive(&Secret::from_bytes(self.0), domain, info)
    }
}

/// Seals `plaintext` under a data key.
///
/// The nonce is derived from domain, `about` and plaintext, so that a repeated call gives the
/// same box and two different plaintexts never share a nonce under one key.
pub fn seal_with(
    key: &DataKey,
    domain: Domain,
    about: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, BoxError> {
    let secret = Secret::from_bytes(key.0);
    let name = domain.name().as_bytes();
    let content = digest_of(domain, &[about, plaintext]);
    let nonce_source = mac(&secret, Domain::new("wayleave/box-nonce/v1"), content.as_bytes());
    let (nonce, _) = nonce_source.as_bytes().split_at(12);
    let aad = [name, &[0], about].concat();
    let cipher = ChaCha20Poly1305::new(&Key::from(key.0));
    let nonce: [u8; 12] = nonce.try_into().map_err(|_| BoxError)?;
    let ciphertext = cipher
        .encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad: &aad })
        .map_err(|_| BoxError)?;
    Ok([nonce.as_slice(), &ciphertext].concat())
}

/// Opens what [`seal_with`] made in the same context about the same thing.
pub fn open_with(
    key: &DataKey,
    domain: Domain,
    about: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, BoxError> {
    let (nonce, ciphertext) = sealed.split_at_checked(12).ok_or(BoxError)?;
    let nonce: [u8; 12] = nonce.try_into().map_err(|_| BoxError)?;
    let aad = [domain.name().as_bytes(), &[0], about].concat();
    ChaCha20Poly1305::new(&Key::from(key.0))
        .decrypt(&Nonce::from(nonce), Payload { msg: ciphertext, aad: &aad })
        .map_err(|_| BoxError)
}

/// Stretches 32 bytes of entropy that came as an argument into what `hpke` draws.
struct OneDraw {
    entropy: Secret,
    draws: u64,
}

impl TryRng for OneDraw {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        const DOMAIN: Domain = Domain::new("wayleave/one-draw/v1");
        for chunk in out.chunks_mut(32) {
            let block = mac(&self.entropy, DOMAIN, &self.draws.to_be_bytes());
            self.draws = self.draws.wrapping_add(1);
            for (to, from) in chunk.iter_mut().zip(block.as_bytes()) {
                *to = *from;
            }
        }
        Ok(())
    }
}

impl TryCryptoRng for OneDraw {}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: Domain = Domain::new("wayleave/test/v1");

    #[test]
    fn only_the_recipient_opens_a_box_and_only_in_its_context() {
        let key = BoxSecretKey::from_seed([3; 32]);
        let sealed = seal_box(&key.public_key(), DOMAIN, b"pay", b"name", [8; 32]).unwrap();
        assert_eq!(open_box(&key, DOMAIN, b"pay", &sealed).unwrap(), b"name");
        assert_eq!(open_box(&key, DOMAIN, b"pax", &sealed), Err(BoxError));
        assert_eq!(open_box(&key, Domain::new("wayleave/x/v1"), b"pay", &sealed), Err(BoxError));
        let other = BoxSecretKey::from_seed([4; 32]);
        assert_eq!(open_box(&other, DOMAIN, b"pay", &sealed), Err(BoxError));
        assert_eq!(open_box(&key, DOMAIN, b"pay", &sealed[..40]), Err(BoxError));
    }

    #[test]
    fn a_changed_byte_does_not_open_under_a_data_key() {
        let key = DataKey::from_bytes([5; 32]);
        let sealed = seal_with(&key, DOMAIN, b"pay", b"payload").unwrap();
        assert_eq!(open_with(&key, DOMAIN, b"pay", &sealed).unwrap(), b"payload");
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(open_with(&key, DOMAIN, b"pay", &changed), Err(BoxError), "{index}");
        }
    }
}
