//! Documents and signatures over them.
//!
//! A document is a canonical CBOR array whose first element is its layout version. It is signed
//! under its own domain, so a permit's signature is worth nothing under a quote.

use core::fmt;
use core::marker::PhantomData;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use seal::{
    CanonicalError, Digest, Domain, KeyId, PublicKey, Signature, SigningKey, digest,
    from_canonical, to_canonical,
};
use thiserror::Error;

/// A kind of document that is stored, signed or hashed.
pub trait Document: Encode<()> + for<'b> Decode<'b, ()> {
    /// The domain of its signature and digest, with the layout version in its name.
    const DOMAIN: Domain;
    /// What people call it.
    const NAME: &'static str;

    /// SHA-256 of the canonical bytes under the document's domain.
    fn digest(&self) -> Digest {
        digest(Self::DOMAIN, &to_canonical(self))
    }
}

/// A document with one signature. Stored as `[body, key id, signature]`.
///
/// The body is kept as the bytes that were signed; [`Signed::verify`] is the only way to a value
/// that may be trusted.
#[derive(Encode, Decode)]
#[cbor(array)]
pub struct Signed<T> {
    #[n(0)]
    body: ByteVec,
    #[n(1)]
    key: KeyId,
    #[n(2)]
    signature: Signature,
    #[cbor(skip)]
    kind: PhantomData<T>,
}

/// Why a signed document is not what it says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// The bytes are not the canonical form.
    #[error("{name}: {error}")]
    NotCanonical {
        /// What kind of document was expected.
        name: &'static str,
        /// What is wrong with the bytes.
        error: CanonicalError,
    },
    /// Another key signed.
    #[error("{name}: expected a signature by key `{expected}`, got one by `{got}`")]
    OtherKey {
        /// What kind of document was expected.
        name: &'static str,
        /// The key that should have signed.
        expected: KeyId,
        /// The key that the document names.
        got: KeyId,
    },
    /// The signature does not fit.
    #[error("{name}: the signature does not fit key `{key}`")]
    BadSignature {
        /// What kind of document was expected.
        name: &'static str,
        /// The key that the document names.
        key: KeyId,
    },
}

impl<T: Document> Signed<T> {
    /// Signs `document`.
    #[must_use]
    pub fn sign(document: &T, key: &SigningKey) -> Self {
        let body = to_canonical(document);
        let signature = key.sign(T::DOMAIN, &body);
        Self { body: body.into(), key: key.key_id(), signature, kind: PhantomData }
    }

    /// The document, if `key` signed it.
    pub fn verify(&self, key: &PublicKey) -> Result<T, DocumentError> {
        let expected = key.key_id();
        if self.key != expected {
            return Err(DocumentError::OtherKey { name: T::NAME, expected, got: self.key });
        }
        key.verify(T::DOMAIN, &self.body, &self.signature)
            .map_err(|_| DocumentError::BadSignature { name: T::NAME, key: self.key })?;
        self.read_unverified()
    }

    /// The document as it claims to be. For finding the right key, never for believing.
    pub fn read_unverified(&self) -> Result<T, DocumentError> {
        from_canonical(&self.body)
            .map_err(|error| DocumentError::NotCanonical { name: T::NAME, error })
    }

    /// The name of the key that is said to have signed.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// The signature, unchecked.
    pub(crate) const fn signature(&self) -> Signature {
        self.signature
    }

    /// A document put together of its parts, unchecked as one that was read.
    pub(crate) fn of_parts(body: Vec<u8>, key: KeyId, signature: Signature) -> Self {
        Self { body: body.into(), key, signature, kind: PhantomData }
    }

    /// The document's digest: over the body, so it is the same whoever signed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(T::DOMAIN, &self.body)
    }

    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_canonical(self)
    }

    /// Reads the stored form, in its one encoding, without believing it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DocumentError> {
        let signed: Self = from_canonical(bytes)
            .map_err(|error| DocumentError::NotCanonical { name: T::NAME, error })?;
        signed.read_unverified()?;
        Ok(signed)
    }
}

impl<T> Clone for Signed<T> {
    fn clone(&self) -> Self {
        Self {
            body: self.body.clone(),
            key: self.key,
            signature: self.signature,
            kind: PhantomData,
        }
    }
}

impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.body == other.body && self.key == other.key && self.signature == other.signature
    }
}

impl<T> Eq for Signed<T> {}

impl<T: Document> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed<{}>({}, {})", T::NAME, self.digest().short(), self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(array)]
    struct Note(#[n(0)] u64);

    impl Document for Note {
        const DOMAIN: Domain = Domain::new("wayleave/test-note/v1");
        const NAME: &'static str = "note";
    }

    #[test]
    fn every_changed_byte_of_a_signed_document_is_refused() {
        let key = SigningKey::from_seed(&[1; 32]);
        let bytes = Signed::sign(&Note(5), &key).to_bytes();
        let back = Signed::<Note>::from_bytes(&bytes).unwrap();
        assert_eq!(back.verify(&key.public_key()), Ok(Note(5)));
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let read = Signed::<Note>::from_bytes(&changed);
            assert!(read.and_then(|s| s.verify(&key.public_key())).is_err(), "byte {index}");
        }
    }

    #[test]
    fn another_key_is_named_in_the_refusal() {
        let signed = Signed::sign(&Note(5), &SigningKey::from_seed(&[1; 32]));
        let other = SigningKey::from_seed(&[2; 32]).public_key();
        assert!(matches!(signed.verify(&other), Err(DocumentError::OtherKey { .. })));
    }
}
