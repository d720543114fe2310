//! Secrets, what is derived from them, and comparisons that do not leak by time.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use crate::digest::{Digest, Domain};

/// 32 secret bytes: a master key, a data key's parent, a MAC key. Wiped when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A secret of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 16 bytes that blind one committed field. Secret until the field is opened, public afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// The salt of field `index` under the 32-byte root of one record: the first 16 bytes of
    /// HMAC-SHA-256(root, "wayleave/field-salt/v1" ‖ 0x00 ‖ index).
    ///
    /// Opening one field tells nothing of the root or of another field's salt.
    #[must_use]
    pub fn of_field(root: &Secret, index: u16) -> Self {
        const DOMAIN: Domain = Domain::new("wayleave/field-salt/v1");
        let code = mac(root, DOMAIN, &index.to_be_bytes());
        let mut salt = [0; 16];
        for (to, from) in salt.iter_mut().zip(code.as_bytes()) {
            *to = *from;
        }
        Self(salt)
    }
}

impl<C> Encode<C> for Salt {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Salt {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        d.bytes()?.try_into().map(Self).map_err(|_| DecodeError::message("expected 16 bytes"))
    }
}

/// HKDF-SHA-256 (RFC 5869) of `secret` with info `domain ‖ 0x00 ‖ info` and no salt.
#[must_use]
pub fn derive(secret: &Secret, domain: Domain, info: &[u8]) -> Secret {
    let mut derived = [0; 32];
    // INVARIANT (OneHkdfBlock): 32 bytes is one block, so expansion cannot fail.
    let _ = Hkdf::<Sha256>::new(None, &secret.0)
        .expand_multi_info(&[domain.name().as_bytes(), &[0], info], &mut derived);
    Secret(derived)
}

/// HMAC-SHA-256 of `domain ‖ 0x00 ‖ bytes`.
#[must_use]
pub fn mac(secret: &Secret, domain: Domain, bytes: &[u8]) -> Digest {
    // INVARIANT (HmacTakesAnyKey): HMAC accepts keys of every length.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&secret.0) else { return Digest::ZERO };
    hmac.update(domain.name().as_bytes());
    hmac.update(&[0]);
    hmac.update(bytes);
    Digest::from_bytes(hmac.finalize().into_bytes().into())
}

/// Whether `code` is [`mac`] of the same, compared in constant time.
#[must_use]
pub fn mac_matches(secret: &Secret, domain: Domain, bytes: &[u8], code: &Digest) -> bool {
    constant_time_eq(mac(secret, domain, bytes).as_bytes(), code.as_bytes())
}

/// Equality whose time depends on the lengths only.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: Domain = Domain::new("wayleave/test/v1");

    #[test]
    fn what_is_derived_differs_by_domain_and_info() {
        let root = Secret::from_bytes([1; 32]);
        let a = derive(&root, DOMAIN, b"a");
        assert_ne!(a.bytes(), derive(&root, DOMAIN, b"b").bytes());
        assert_ne!(a.bytes(), derive(&root, Domain::new("wayleave/x/v1"), b"a").bytes());
        assert_ne!(Salt::of_field(&root, 0), Salt::of_field(&root, 1));
    }

    #[test]
    fn a_changed_message_has_another_code() {
        let root = Secret::from_bytes([1; 32]);
        let code = mac(&root, DOMAIN, b"nonce");
        assert!(mac_matches(&root, DOMAIN, b"nonce", &code));
        assert!(!mac_matches(&root, DOMAIN, b"noncf", &code));
    }
}
