//! The one door through which secret bytes leave: to be written to a key file by a role that
//! owns it. Every use stands out in a search for `danger`.

use crate::ed25519::SigningKey;
use crate::es256::Es256SigningKey;
use crate::sealed::BoxSecretKey;
use crate::secret::Secret;

/// The seed of an Ed25519 key.
#[must_use]
pub fn seed_of_signing_key(key: &SigningKey) -> [u8; 32] {
    key.seed()
}

/// The scalar of a P-256 key.
#[must_use]
pub fn scalar_of_es256_key(key: &Es256SigningKey) -> [u8; 32] {
    key.scalar()
}

/// The seed of a box key.
#[must_use]
pub const fn seed_of_box_key(key: &BoxSecretKey) -> [u8; 32] {
    *key.seed()
}

/// The bytes of a secret.
#[must_use]
pub const fn bytes_of_secret(secret: &Secret) -> [u8; 32] {
    *secret.bytes()
}
