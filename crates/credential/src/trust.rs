//! Whom one jurisdiction trusts: its own list and the lists of those it recognises.
//!
//! Built from trust lists whose signatures and versions were checked by whoever fetched them. The
//! snapshot answers one question for an edge: may this key of this issuer vouch for this type, at
//! the moment it signed?

use record::{RegisteredVerifier, TrustList, TrustedIssuer};
use seal::Es256PublicKey;
use terms::{Environment, Instant, Jurisdiction};
use thiserror::Error;

/// Trust lists of one moment, seen from one jurisdiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustSnapshot {
    home: TrustList,
    others: Vec<TrustList>,
}

/// Why lists make no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Two lists of one jurisdiction.
    #[error("two trust lists of `{jurisdiction}`")]
    Twice {
        /// The jurisdiction.
        jurisdiction: Jurisdiction,
    },
    /// A list of another environment.
    #[error("expected trust lists of `{expected}`, got one of `{got}`")]
    OtherEnvironment {
        /// The home list's environment.
        expected: Environment,
        /// The other one's.
        got: Environment,
    },
}

/// Why an issuer is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IssuerNotTrusted {
    /// No list in force here names it.
    #[error("issuer `{issuer}` is on no trust list in force here")]
    Unknown {
        /// The issuer.
        issuer: String,
    },
    /// A list names it, but not for this type.
    #[error("issuer `{issuer}` may not issue `{credential_type}`")]
    OtherType {
        /// The issuer.
        issuer: String,
        /// The type it issued.
        credential_type: String,
    },
    /// Another jurisdiction names it, whose credentials of this type are not recognised here.
    #[error("credentials of type `{credential_type}` from `{jurisdiction}` are not recognised")]
    NotRecognised {
        /// Where it is listed.
        jurisdiction: Jurisdiction,
        /// The type it issued.
        credential_type: String,
    },
    /// It has no such key.
    #[error("issuer `{issuer}` has no key `{key_id}`")]
    UnknownKey {
        /// The issuer.
        issuer: String,
        /// The `kid` that came.
        key_id: String,
    },
    /// The key was not valid when it signed.
    #[error("key `{key_id}` of issuer `{issuer}` was not valid at {signed_at}")]
    KeyNotValid {
        /// The issuer.
        issuer: String,
        /// The key.
        key_id: String,
        /// When it says to have signed.
        signed_at: Instant,
    },
}

/// A key of a trusted issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// The issuer.
    pub issuer: String,
    /// The `kid`.
    pub key_id: String,
    /// The key.
    pub key: Es256PublicKey,
    /// Whose list names it.
    pub jurisdiction: Jurisdiction,
}

/// One list that a snapshot rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEdition {
    /// Whose list.
    pub jurisdiction: Jurisdiction,
    /// Which version.
    pub version: u64,
    /// When it was signed.
    pub issued_at: Instant,
    /// When it becomes stale.
    pub next_update: Instant,
}

/// A claim of an issuer's signature: who, which key, what type, when.
#[derive(Clone, Copy, Debug)]
pub struct SignatureClaim<'a> {
    /// The `iss`.
    pub issuer: &'a str,
    /// The `kid`.
    pub key_id: Option<&'a str>,
    /// The `vct`.
    pub credential_type: &'a str,
    /// The `iat`.
    pub signed_at: Instant,
}

impl TrustSnapshot {
    /// The home jurisdiction's list and those of others.
    pub fn new(home: TrustList, others: Vec<TrustList>) -> Result<Self, SnapshotError> {
        let mut seen = vec![home.jurisdiction];
        for list in &others {
            if list.environment != home.environment {
                let (expected, got) = (home.environment, list.environment);
                return Err(SnapshotError::OtherEnvironment { expected, got });
            }
            if seen.contains(&list.jurisdiction) {
                return Err(SnapshotError::Twice { jurisdiction: list.jurisdiction });
            }
            seen.push(list.jurisdiction);
        }
        Ok(Self { home, others })
    }

    /// The key that may vouch for this, judged at `now`.
    pub fn key_for(
        &self,
        claim: &SignatureClaim<'_>,
        now: Instant,
    ) -> Result<TrustedKey, IssuerNotTrusted> {
        // The first list that names the issuer for the type decides; home comes first.
        let mut refused = IssuerNotTrusted::Unknown { issuer: claim.issuer.to_owned() };
        for list in self.lists() {
            let Some(issuer) = list.issuers.iter().find(|one| one.url == claim.issuer) else {
                continue;
            };
            if !issuer.credential_types.iter().any(|one| one == claim.credential_type) {
                refused = IssuerNotTrusted::OtherType {
                    issuer: claim.issuer.to_owned(),
                    credential_type: claim.credential_type.to_owned(),
                };
                continue;
            }
            if !self.counts_here(list, claim.credential_type, now) {
                refused = IssuerNotTrusted::NotRecognised {
                    jurisdiction: list.jurisdiction,
                    credential_type: claim.credential_type.to_owned(),
                };
                continue;
            }
            return valid_key(list.jurisdiction, issuer, claim);
        }
        Err(refused)
    }

    /// The registered verifier of this `client_id`.
    #[must_use]
    pub fn verifier(&self, client_id: &str) -> Option<&RegisteredVerifier> {
        self.lists()
            .flat_map(|list| &list.verifiers)
            .find(|verifier| verifier.client_id == client_id)
    }

    /// The environment of all lists.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.home.environment
    }

    /// The jurisdiction from which it is seen.
    #[must_use]
    pub const fn home(&self) -> Jurisdiction {
        self.home.jurisdiction
    }

    /// The lists with versions and times: a decision records them, and its pack says what happens
    /// past `next_update`.
    #[must_use]
    pub fn editions(&self) -> Vec<ListEdition> {
        self.lists()
            .map(|list| ListEdition {
                jurisdiction: list.jurisdiction,
                version: list.version,
                issued_at: list.issued_at,
                next_update: list.next_update,
            })
            .collect()
    }

    fn lists(&self) -> impl Iterator<Item = &TrustList> {
        core::iter::once(&self.home).chain(&self.others)
    }

    fn counts_here(&self, list: &TrustList, credential_type: &str, now: Instant) -> bool {
        list.jurisdiction == self.home.jurisdiction
            || self.home.recognises_type(list.jurisdiction, credential_type, now)
    }
}

fn valid_key(
    jurisdiction: Jurisdiction,
    listed: &TrustedIssuer,
    claim: &SignatureClaim<'_>,
) -> Result<TrustedKey, IssuerNotTrusted> {
    let issuer = claim.issuer.to_owned();
    let key_id = claim.key_id.unwrap_or("").to_owned();
    let Some(key) = listed.keys.iter().find(|key| key.kid == key_id) else {
        return Err(IssuerNotTrusted::UnknownKey { issuer, key_id });
    };
    if claim.signed_at < key.valid_from || claim.signed_at >= key.valid_until {
        let signed_at = claim.signed_at;
        return Err(IssuerNotTrusted::KeyNotValid { issuer, key_id, signed_at });
    }
    Ok(TrustedKey { issuer, key_id, key: key.key, jurisdiction })
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::claims::{CREDIT_BAND, MANDATE};
    use crate::fixtures::{BUREAU, NOW, REGISTER, list, trust};

    fn claim(issuer: &'static str, credential_type: &'static str) -> SignatureClaim<'static> {
        SignatureClaim { issuer, key_id: Some("k1"), credential_type, signed_at: NOW }
    }

    #[test]
    fn recognition_ends_and_home_does_not() {
        let trust = trust();
        let later = NOW.plus(Duration::from_secs(86_400));
        assert!(trust.key_for(&claim(BUREAU, CREDIT_BAND), NOW).is_ok());
        assert!(matches!(
            trust.key_for(&claim(BUREAU, CREDIT_BAND), later),
            Err(IssuerNotTrusted::NotRecognised { .. })
        ));
        assert!(trust.key_for(&claim(REGISTER, MANDATE), later).is_ok());
    }

    #[test]
    fn a_key_counts_for_what_it_signed_while_it_was_valid() {
        let late = SignatureClaim {
            signed_at: NOW.plus(Duration::from_secs(86_400 * 365)),
            ..claim(REGISTER, MANDATE)
        };
        assert!(matches!(trust().key_for(&late, NOW), Err(IssuerNotTrusted::KeyNotValid { .. })));
        let unnamed = SignatureClaim { key_id: None, ..claim(REGISTER, MANDATE) };
        assert!(matches!(trust().key_for(&unnamed, NOW), Err(IssuerNotTrusted::UnknownKey { .. })));
    }

    #[test]
    fn two_lists_of_one_jurisdiction_or_of_two_environments_make_no_snapshot() {
        let twice = TrustSnapshot::new(list("NL", Vec::new()), vec![list("NL", Vec::new())]);
        assert!(matches!(twice, Err(SnapshotError::Twice { .. })));
        let mut other = list("SG", Vec::new());
        other.environment = "production".parse().unwrap();
        let mixed = TrustSnapshot::new(list("NL", Vec::new()), vec![other]);
        assert!(matches!(mixed, Err(SnapshotError::OtherEnvironment { .. })));
    }
}
