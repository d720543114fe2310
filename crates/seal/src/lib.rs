//! Canonical bytes, domain-separated digests, signatures and sealed boxes.
//!
//! The only crate of ours that depends on a cryptographic primitive; every primitive is a
//! library's, none is ours. Keys, entropy and salts are arguments: nothing here draws a random
//! number. Secrets implement neither `Debug` nor `Display` nor any serialisation, are wiped when
//! dropped, and leave only through [`danger`].
//!
//! | for | algorithm | library |
//! |---|---|---|
//! | digests, commitments | SHA-256 | `sha2` |
//! | signatures on our documents, notes, requests | Ed25519 (RFC 8032, strict) | `ed25519-dalek` |
//! | credentials and key binding | ES256 (RFC 7518) | `p256` signs, `ring` verifies |
//! | key derivation, message codes | HKDF, HMAC-SHA-256 | `hkdf`, `hmac` |
//! | boxes to a public key | HPKE base mode X25519/HKDF-SHA256/ChaCha20-Poly1305 (RFC 9180) | `hpke` |
//! | salts of whole facts, by position | ChaCha20 (RFC 8439) | `chacha20` |
//! | boxes under a data key | ChaCha20-Poly1305 (RFC 8439) | `chacha20poly1305` |

pub mod canonical;
pub mod danger;
pub mod digest;
pub mod ed25519;
pub mod es256;
pub mod salt_stream;
pub mod sealed;
pub mod secret;
pub mod text;

pub use canonical::{CanonicalError, from_canonical, from_canonical_within, to_canonical};
pub use digest::{Digest, Domain, digest, sha256};
pub use ed25519::{KeyId, PublicKey, Signature, SigningKey};
pub use es256::{Es256PublicKey, Es256Signature, Es256SigningKey};
pub use salt_stream::SaltStream;
pub use sealed::{
    BoxError, BoxPublicKey, BoxSecretKey, DataKey, open_box, open_with, seal_box, seal_with,
};
pub use secret::{Salt, Secret, constant_time_eq, derive, mac, mac_matches};

/// Why a signature or a key was not accepted. One opaque kind: more would help an attacker only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the key and the bytes")]
pub struct BadSignature;

/// Bytes that are no key of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct BadKey {
    /// The kind of key that was expected, in words.
    pub expected: &'static str,
}
