//! SD-JWT VC: the credential format (RFC 9901, draft-ietf-oauth-sd-jwt-vc), ES256, bound to a key.
//!
//! Stricter than the drafts where a company's payment hangs on it: `iss`, `vct`, `iat`, `exp` and
//! `cnf` are required, none of them nor `status` may hide behind a disclosure, and a presentation
//! without a key-binding JWT is none. Issue with [`issue`]; hold with [`HeldCredential`]; verify
//! with [`Presentation`].

mod held;
mod issue;
mod locate;
mod verify;

#[cfg(test)]
mod tests;

use seal::{Digest, Es256PublicKey};
use serde_json::{Map, Value};
use terms::Instant;
use thiserror::Error;

pub use held::{HeldCredential, PresentTo};
pub use issue::{CredentialDraft, IssueError, issue};
pub use verify::{Presentation, PresentationCheck, VerifiedPresentation};

use crate::adapters::sd_jwt::{Disclosure, SD_ALGORITHM};
use crate::jose::{JwtError, key_of, moment_claim, optional_moment, text_claim};
use crate::status::StatusReference;

/// The credential format identifier in OpenID4VCI and OpenID4VP.
pub const FORMAT: &str = "dc+sd-jwt";
/// The `typ` of the issuer's JWT.
pub const CREDENTIAL_TYP: &str = "dc+sd-jwt";
/// The `typ` of the key-binding JWT.
pub const KEY_BINDING_TYP: &str = "kb+jwt";
/// Most disclosures of one credential: our largest type has 16.
pub const DISCLOSURES_MAX: usize = 64;
/// The longest credential or presentation read, in bytes: 64 disclosures of 200 bytes stay below.
pub const SD_JWT_BYTES_MAX: usize = 64 * 1024;
/// How old a key-binding JWT may be, in seconds: a quote lives shorter.
pub const KEY_BINDING_AGE_MAX_SECONDS: u64 = 300;
/// How far another's clock may be ahead of ours, in seconds.
pub const CLOCK_SKEW_MAX_SECONDS: u64 = 30;
/// The longest life of a credential without status reference, in seconds: what may be valid for
/// more than a day must be revocable.
pub const STATUSLESS_LIFETIME_MAX_SECONDS: u64 = 86_400;

/// Claims that may never hide behind a disclosure.
pub const NEVER_SELECTIVE: [&str; 12] = [
    "iss",
    "iat",
    "nbf",
    "exp",
    "cnf",
    "vct",
    "vct#integrity",
    "aka_vcts",
    "status",
    "_sd",
    "_sd_alg",
    "...",
];

/// One step of a claim path, as in DCQL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathStep {
    /// The member of this name.
    Member(String),
    /// The element of this index.
    Element(u64),
    /// Every element.
    EveryElement,
}

/// Why a credential or a presentation is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CredentialRefused {
    /// Longer than [`SD_JWT_BYTES_MAX`] or more than [`DISCLOSURES_MAX`] disclosures.
    #[error("expected at most {SD_JWT_BYTES_MAX} bytes and {DISCLOSURES_MAX} disclosures")]
    TooLarge,
    /// Not an SD-JWT.
    #[error("expected an sd-jwt: {reason}")]
    Malformed {
        /// Why.
        reason: String,
    },
    /// The issuer's JWT is not one, or its signature does not fit.
    #[error("issuer's jwt: {0}")]
    Issuer(JwtError),
    /// A claim that must stand in the open hides behind a disclosure.
    #[error("claim `{name}` must not be selectively disclosable")]
    HiddenClaim {
        /// The claim.
        name: String,
    },
    /// Another digest algorithm.
    #[error("expected `_sd_alg` `{SD_ALGORITHM}`, got `{got}`")]
    DigestAlgorithm {
        /// What came.
        got: String,
    },
    /// A disclosure stands twice, is referred to by nothing, or collides with a claim.
    #[error("disclosures do not fit the credential: {reason}")]
    Disclosures {
        /// Why.
        reason: String,
    },
    /// `iat` or `nbf` is in the future.
    #[error("not yet valid: `{claim}` is {from}, now is {now}")]
    NotYetValid {
        /// Which claim.
        claim: &'static str,
        /// From when.
        from: Instant,
        /// The instant it was judged at.
        now: Instant,
    },
    /// `exp` has passed.
    #[error("expired at {at}, now is {now}")]
    Expired {
        /// When.
        at: Instant,
        /// The instant it was judged at.
        now: Instant,
    },
    /// No status reference, and it lives longer than a day.
    #[error("a credential without status may live {STATUSLESS_LIFETIME_MAX_SECONDS} s at most")]
    StatusMissing,
    /// The key-binding JWT is not one, or its signature does not fit the holder's key.
    #[error("key-binding jwt: {0}")]
    KeyBinding(JwtError),
    /// There is no key-binding JWT, or there is one where none belongs.
    #[error("expected {expected}")]
    KeyBindingPresence {
        /// What was expected, in words.
        expected: &'static str,
    },
    /// The key-binding JWT is for somebody else.
    #[error("expected audience `{expected}`, got `{got}`")]
    OtherAudience {
        /// Who we are.
        expected: String,
        /// Whom it names.
        got: String,
    },
    /// The key-binding JWT answers another request.
    #[error("the nonce is not the one of the request")]
    OtherNonce,
    /// The key-binding JWT is older than allowed, or from the future.
    #[error("key binding made at {made_at} is not fresh at {now}")]
    NotFresh {
        /// Its `iat`.
        made_at: Instant,
        /// The instant it was judged at.
        now: Instant,
    },
    /// The key-binding JWT is over other disclosures.
    #[error("the key-binding jwt is over another set of disclosures")]
    OtherDisclosures,
    /// The key-binding JWT signs other transaction data than the request's, or none, or some that
    /// nobody asked for.
    #[error("the key-binding jwt signs other transaction data than the request's")]
    OtherTransactionData,
    /// Bound to another key.
    #[error("the credential is bound to another holder key")]
    OtherHolder,
}

/// The claims of a credential that are never hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenClaims {
    /// Who issued it.
    pub issuer: String,
    /// The credential type.
    pub credential_type: String,
    /// The issuer's `kid`.
    pub key_id: Option<String>,
    /// When it was issued.
    pub issued_at: Instant,
    /// Not valid before.
    pub not_before: Option<Instant>,
    /// Not valid from then on.
    pub expires_at: Instant,
    /// The holder's key.
    pub holder: Es256PublicKey,
    /// Where its status is published.
    pub status: Option<StatusReference>,
}

impl OpenClaims {
    /// Reads them from an issuer's payload.
    pub fn read(key_id: Option<&str>, payload: &Map<String, Value>) -> Result<Self, JwtError> {
        const NAME: &str = "cnf";
        let jwk = payload.get(NAME).and_then(|cnf| cnf.get("jwk"));
        let jwk = jwk.ok_or(JwtError::BadClaim { name: NAME, expected: "an object with `jwk`" })?;
        Ok(Self {
            issuer: text_claim(payload, "iss")?.to_owned(),
            credential_type: text_claim(payload, "vct")?.to_owned(),
            key_id: key_id.map(str::to_owned),
            issued_at: moment_claim(payload, "iat")?,
            not_before: optional_moment(payload, "nbf")?,
            expires_at: moment_claim(payload, "exp")?,
            holder: key_of(jwk)?,
            status: StatusReference::from_claims(payload)?,
        })
    }

    /// Judges the times at `now`; `exp` has no leeway, the others the skew of two clocks.
    pub(crate) fn judge_times(&self, now: Instant) -> Result<(), CredentialRefused> {
        let ahead = now.plus(core::time::Duration::from_secs(CLOCK_SKEW_MAX_SECONDS));
        if self.issued_at > ahead {
            return Err(CredentialRefused::NotYetValid { claim: "iat", from: self.issued_at, now });
        }
        if let Some(from) = self.not_before.filter(|from| *from > ahead) {
            return Err(CredentialRefused::NotYetValid { claim: "nbf", from, now });
        }
        if now >= self.expires_at {
            return Err(CredentialRefused::Expired { at: self.expires_at, now });
        }
        let life = self.expires_at.since(self.issued_at).as_secs();
        if self.status.is_none() && life > STATUSLESS_LIFETIME_MAX_SECONDS {
            return Err(CredentialRefused::StatusMissing);
        }
        Ok(())
    }
}

impl PathStep {
    /// Whether `asked` covers this path: both agree as far as both go.
    pub(crate) fn covers(asked: &[Self], path: &[Self]) -> bool {
        path.iter().zip(asked).all(|(step, asked)| match asked {
            Self::EveryElement => matches!(step, Self::Element(_)),
            Self::Member(_) | Self::Element(_) => step == asked,
        })
    }

    /// The path as text, steps joined by dots.
    #[must_use]
    pub fn join(path: &[Self]) -> String {
        let text = |step: &Self| match step {
            Self::Member(name) => name.clone(),
            Self::Element(index) => index.to_string(),
            Self::EveryElement => "*".to_owned(),
        };
        path.iter().map(text).collect::<Vec<_>>().join(".")
    }
}

/// The text of an SD-JWT taken apart: the issuer's JWT, disclosures, the key-binding JWT or "".
pub(crate) struct Parts<'a> {
    pub(crate) jwt: &'a str,
    pub(crate) disclosures: Vec<Disclosure>,
    pub(crate) key_binding: &'a str,
    /// Everything before the key-binding JWT, last tilde included: what `sd_hash` is over.
    pub(crate) bound: &'a str,
}

impl<'a> Parts<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, CredentialRefused> {
        let malformed = |reason: &str| CredentialRefused::Malformed { reason: reason.to_owned() };
        if text.len() > SD_JWT_BYTES_MAX {
            return Err(CredentialRefused::TooLarge);
        }
        let (jwt, rest) = text.split_once('~').ok_or_else(|| malformed("no tilde"))?;
        let (middle, key_binding) = rest.rsplit_once('~').unwrap_or(("", rest));
        let bound = text
            .strip_suffix(key_binding)
            .ok_or_else(|| malformed("the last part does not stand last"))?;
        let texts: Vec<&str> =
            if rest.contains('~') { middle.split('~').collect() } else { Vec::new() };
        if texts.len() > DISCLOSURES_MAX {
            return Err(CredentialRefused::TooLarge);
        }
        let disclosures = texts
            .into_iter()
            .map(|text| Disclosure::read(text).map_err(|reason| malformed(&reason)))
            .collect::<Result<_, _>>()?;
        Ok(Self { jwt, disclosures, key_binding, bound })
    }
}

/// Checks what RFC 9901 leaves to its user: the digest algorithm, and that no protected claim
/// hides.
pub(crate) fn check_hiding(
    payload: &Map<String, Value>,
    disclosures: &[Disclosure],
) -> Result<(), CredentialRefused> {
    let algorithm = payload.get("_sd_alg");
    if let Some(other) = algorithm.filter(|name| name.as_str() != Some(SD_ALGORITHM)) {
        let got = other.to_string().chars().take(64).collect();
        return Err(CredentialRefused::DigestAlgorithm { got });
    }
    let located = locate::locate(payload, disclosures);
    for name in NEVER_SELECTIVE {
        let hides = payload.get(name).is_some_and(|value| !name.starts_with('_') && hides(value));
        let step = PathStep::Member(name.to_owned());
        let hidden = located.iter().any(|found| found.path.first() == Some(&step));
        if hides || hidden {
            return Err(CredentialRefused::HiddenClaim { name: name.to_owned() });
        }
    }
    Ok(())
}

/// Whether anything inside `value` is selectively disclosable.
fn hides(value: &Value) -> bool {
    if let Some(object) = value.as_object() {
        return object.contains_key("_sd")
            || object.contains_key("...")
            || object.values().any(hides);
    }
    value.as_array().is_some_and(|array| array.iter().any(hides))
}

/// The digest of a text as base64url, as `sd_hash` and `transaction_data_hashes` write it.
pub(crate) fn hash_text(text: &str) -> String {
    let digest: Digest = seal::sha256(text.as_bytes());
    seal::text::to_base64url(digest.as_bytes())
}
