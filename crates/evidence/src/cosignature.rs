//! Cosignatures: a witness says that it saw this checkpoint as the largest and consistent one at
//! a second of its own clock (C2SP tlog-cosignature, Ed25519, type 0x04).
//!
//! The ML-DSA-44 type (0x06) is known by name in [`crate::note::SignatureType`] and refused.

use seal::{PublicKey, Signature, SigningKey};
use terms::Instant;
use thiserror::Error;

use crate::checkpoint::Checkpoint;
use crate::note::{KeyName, SignatureLine, SignatureType, VerifierKey};

/// The last second that a cosignature may name: 2^63 - 1.
pub const COSIGNED_AT_SECONDS_MAX: u64 = u64::MAX >> 1;

/// A witness's signing key with its name.
///
/// The message does not name the cosigner, so one key must never serve under two names.
pub struct Cosigner {
    verifier: VerifierKey,
    key: SigningKey,
}

impl Cosigner {
    /// The key under this name.
    #[must_use]
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        Self { verifier: VerifierKey::of_witness(name, key.public_key()), key }
    }

    /// The public half.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a checkpoint as seen at `now`, in whole seconds.
    pub fn sign(&self, seen: &Checkpoint, now: Instant) -> Result<SignatureLine, CosignatureError> {
        let seconds = now.seconds();
        check_time(seconds)?;
        let signature = self.key.sign_bare(message(seconds, seen).as_bytes());
        let bytes = [seconds.to_be_bytes().as_slice(), signature.as_bytes()].concat();
        Ok(SignatureLine { name: self.verifier.name().clone(), id: self.verifier.id(), bytes })
    }
}

/// Checks a cosignature line and tells when it was made, by the witness's clock.
pub fn check(
    key: &VerifierKey,
    seen: &Checkpoint,
    line: &SignatureLine,
) -> Result<Instant, CosignatureError> {
    let bad = || CosignatureError::BadSignature { name: key.name().clone() };
    if key.kind() != SignatureType::CosignatureEd25519 {
        return Err(CosignatureError::WrongKeyType { name: key.name().clone() });
    }
    if !key.made(line) {
        return Err(bad());
    }
    let (seconds, signature) = line.bytes.split_first_chunk::<8>().ok_or_else(bad)?;
    let seconds = u64::from_be_bytes(*seconds);
    check_time(seconds)?;
    let signature = Signature::from_bytes(signature.try_into().map_err(|_| bad())?);
    let public: PublicKey = key.key();
    public.verify_bare(message(seconds, seen).as_bytes(), &signature).map_err(|_| bad())?;
    Ok(Instant::from_seconds(seconds))
}

fn message(seconds: u64, seen: &Checkpoint) -> String {
    format!("cosignature/v1\ntime {seconds}\n{seen}")
}

const fn check_time(seconds: u64) -> Result<(), CosignatureError> {
    if seconds == 0 || seconds > COSIGNED_AT_SECONDS_MAX {
        return Err(CosignatureError::Time { got: seconds });
    }
    Ok(())
}

/// Why a cosignature is not made or not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CosignatureError {
    /// A time that a cosignature cannot have.
    #[error("expected a time of 1 to 2^63 - 1 seconds, got `{got}`")]
    Time {
        /// The seconds that came.
        got: u64,
    },
    /// The line is not by this key, or does not fit the checkpoint.
    #[error("the cosignature of `{name}` does not fit the checkpoint")]
    BadSignature {
        /// The witness.
        name: KeyName,
    },
    /// Not a witness's key.
    #[error("the key `{name}` is not of the cosignature type")]
    WrongKeyType {
        /// The key's name.
        name: KeyName,
    },
}
