//! Token Status Lists (draft-ietf-oauth-status-list): published by issuers, checked by edges.
//!
//! A list is judged by its signed times, never by when it was fetched: `iat` says how old it is,
//! `exp` ends it. [`HighWater`] remembers per list the newest `iat` seen; anything older is
//! refused for ever, and two different lists with one `iat` convict their issuer.

use core::time::Duration;
use std::collections::BTreeMap;

use seal::{Digest, Es256PublicKey, Es256SigningKey, sha256};
use serde_json::{Map, Value, json};
use terms::Instant;
use thiserror::Error;

use crate::adapters::status_list::Packed;
use crate::jose::{JwtError, UnverifiedJwt, moment_claim, optional_moment, sign, text_claim};
use crate::sd_jwt_vc::CLOCK_SKEW_MAX_SECONDS;

/// The `typ` of a status list token.
pub const STATUS_LIST_TYP: &str = "statuslist+jwt";
/// The media type that a status list token is served as.
pub const STATUS_LIST_MEDIA_TYPE: &str = "application/statuslist+jwt";
/// Most entries of one list that we publish: 1 million, 128 KiB before compression.
pub const STATUS_ENTRIES_MAX: usize = 1 << 20;

/// Where a credential's status is published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusReference {
    /// The list's URI: its `sub`.
    pub uri: String,
    /// The entry.
    pub index: u64,
}

/// How wide an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusBits {
    /// Valid or revoked.
    One,
    /// Valid, revoked or suspended.
    Two,
}

/// What a list says about one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialStatus {
    /// Good.
    Valid,
    /// Revoked for ever.
    Revoked,
    /// Not good for now.
    Suspended,
    /// A value that only its application knows. Never good.
    Other(u8),
}

/// Why a list cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StatusListError {
    /// More than [`STATUS_ENTRIES_MAX`] entries, or none.
    #[error("expected 1 to {STATUS_ENTRIES_MAX} entries, got {got}")]
    Size {
        /// How many were asked for.
        got: usize,
    },
    /// No such entry, or the status does not fit into the entry's width.
    #[error("status list: {reason}")]
    Entry {
        /// Why.
        reason: String,
    },
}

/// A list as its issuer keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusList(Packed);

/// The signed part of a published list.
#[derive(Clone, Copy, Debug)]
pub struct StatusListHeading<'a> {
    /// The URI it is served at.
    pub uri: &'a str,
    /// Who publishes it.
    pub issuer: &'a str,
    /// The name of the key.
    pub key_id: &'a str,
    /// When it is signed.
    pub issued_at: Instant,
    /// When it ends.
    pub expires_at: Instant,
    /// How long a copy may be kept before a newer one is to be fetched.
    pub time_to_live: Duration,
}

impl StatusReference {
    /// The value of a credential's `status` claim.
    #[must_use]
    pub fn to_claim(&self) -> Value {
        json!({ "status_list": { "idx": self.index, "uri": self.uri } })
    }

    /// Reads it from a credential's claims; a `status` of another mechanism is refused, since
    /// nobody here could check it.
    pub fn from_claims(claims: &Map<String, Value>) -> Result<Option<Self>, JwtError> {
        const REFUSED: JwtError = JwtError::BadClaim {
            name: "status",
            expected: "an object with `status_list`, its `idx` and `uri`",
        };
        let Some(status) = claims.get("status") else { return Ok(None) };
        let list = status.get("status_list").ok_or(REFUSED)?;
        let index = list.get("idx").and_then(Value::as_u64).ok_or(REFUSED)?;
        let uri = list.get("uri").and_then(Value::as_str).filter(|uri| !uri.is_empty());
        Ok(Some(Self { uri: uri.ok_or(REFUSED)?.to_owned(), index }))
    }
}

impl CredentialStatus {
    /// The value of an entry.
    #[must_use]
    pub const fn value(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Revoked => 1,
            Self::Suspended => 2,
            Self::Other(value) => value,
        }
    }

    const fn of(value: u8) -> Self {
        match value {
            0 => Self::Valid,
            1 => Self::Revoked,
            2 => Self::Suspended,
            other => Self::Other(other),
        }
    }
}

impl StatusList {
    /// A list in which everybody is valid.
    pub fn new(bits: StatusBits, entries: usize) -> Result<Self, StatusListError> {
        if entries == 0 || entries > STATUS_ENTRIES_MAX {
            return Err(StatusListError::Size { got: entries });
        }
        let bits = match bits {
            StatusBits::One => 1,
            StatusBits::Two => 2,
        };
        Packed::new(bits, entries).map(Self).map_err(|reason| StatusListError::Entry { reason })
    }

    /// Sets one entry.
    pub fn set(&mut self, index: u64, status: CredentialStatus) -> Result<(), StatusListError> {
        self.0.set(index, status.value()).map_err(|reason| StatusListError::Entry { reason })
    }

    /// One entry.
    pub fn status_at(&self, index: u64) -> Result<CredentialStatus, StatusListError> {
        let value = self.0.value(index).map_err(|reason| StatusListError::Entry { reason })?;
        Ok(CredentialStatus::of(value))
    }

    /// How many entries it has.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.0.entries()
    }

    /// The signed token.
    pub fn publish(
        &self,
        heading: &StatusListHeading<'_>,
        key: &Es256SigningKey,
    ) -> Result<String, StatusListError> {
        let list = self.0.to_claim().map_err(|reason| StatusListError::Entry { reason })?;
        let header = json!({ "typ": STATUS_LIST_TYP, "kid": heading.key_id });
        let payload = json!({
            "iss": heading.issuer,
            "sub": heading.uri,
            "iat": heading.issued_at.seconds(),
            "exp": heading.expires_at.seconds(),
            "ttl": heading.time_to_live.as_secs(),
            "status_list": list,
        });
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        Ok(sign(key, object(header), &object(payload)))
    }
}

/// The newest edition seen of each list: a value that its owner keeps durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HighWater {
    newest: BTreeMap<String, SeenList>,
}

/// One edition of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenList {
    /// Its `iat`.
    pub issued_at: Instant,
    /// SHA-256 of the token.
    pub digest: Digest,
}

impl HighWater {
    /// Marks kept from an earlier run.
    #[must_use]
    pub const fn restore(newest: BTreeMap<String, SeenList>) -> Self {
        Self { newest }
    }

    /// The marks, to be kept.
    #[must_use]
    pub const fn marks(&self) -> &BTreeMap<String, SeenList> {
        &self.newest
    }

    /// Remembers a checked list.
    pub fn raise(&mut self, list: &CheckedStatusList) {
        self.newest.insert(list.uri.clone(), list.seen);
    }

    fn admits(&self, uri: &str, seen: SeenList) -> Result<(), StatusRefused> {
        let Some(newest) = self.newest.get(uri) else { return Ok(()) };
        if seen.issued_at < newest.issued_at {
            let (newest, got) = (newest.issued_at, seen.issued_at);
            return Err(StatusRefused::OlderThanSeen { uri: uri.to_owned(), newest, got });
        }
        if seen.issued_at == newest.issued_at && seen.digest != newest.digest {
            let (first, second) = (newest.digest, seen.digest);
            return Err(StatusRefused::TwoListsForOneMoment { uri: uri.to_owned(), first, second });
        }
        Ok(())
    }
}

/// Why a status list, or what it says, is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StatusRefused {
    /// We hold no copy of the list.
    #[error("no copy of status list `{uri}` is at hand")]
    Unavailable {
        /// The list.
        uri: String,
    },
    /// Not a status list token, or its signature does not fit.
    #[error("status list: {0}")]
    Token(JwtError),
    /// The token is of another list.
    #[error("expected status list `{expected}`, got `{got}`")]
    OtherList {
        /// The list that the credential names.
        expected: String,
        /// The token's `sub`.
        got: String,
    },
    /// `iat` is in the future.
    #[error("status list issued at {issued_at}, now is {now}")]
    FromTheFuture {
        /// Its `iat`.
        issued_at: Instant,
        /// The instant it was judged at.
        now: Instant,
    },
    /// Older than the rule allows, or its `exp` has passed.
    #[error("status list issued at {issued_at} is stale at {now}")]
    Stale {
        /// Its `iat`.
        issued_at: Instant,
        /// The instant it was judged at.
        now: Instant,
    },
    /// Older than one that was seen before.
    #[error("status list `{uri}` of {got} is older than the one of {newest} seen before")]
    OlderThanSeen {
        /// The list.
        uri: String,
        /// The newest `iat` seen.
        newest: Instant,
        /// What came.
        got: Instant,
    },
    /// Two signed lists with one `iat`: both together convict the issuer.
    #[error("status list `{uri}` has two editions for one moment: {first} and {second}")]
    TwoListsForOneMoment {
        /// The list.
        uri: String,
        /// The edition seen before.
        first: Digest,
        /// The edition that came.
        second: Digest,
    },
    /// Does not inflate within the cap, or has no such entry.
    #[error("status list: {reason}")]
    List {
        /// Why.
        reason: String,
    },
    /// The credential is not good.
    #[error("entry {index} of status list `{uri}` is {status:?}")]
    NotValid {
        /// The list.
        uri: String,
        /// The entry.
        index: u64,
        /// What it says.
        status: CredentialStatus,
    },
}

/// A list whose signature, subject and freshness were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedStatusList {
    uri: String,
    seen: SeenList,
    expires_at: Instant,
    time_to_live: Option<Duration>,
    age: Duration,
    list: Packed,
}

/// What a status list token is checked against.
#[derive(Clone, Copy, Debug)]
pub struct StatusCheck<'a> {
    /// The list that the credential names.
    pub uri: &'a str,
    /// The key of the credential's issuer.
    pub key: &'a Es256PublicKey,
    /// The instant it is judged at.
    pub now: Instant,
    /// The oldest list that the rule allows.
    pub age_max: Duration,
    /// The newest editions seen.
    pub high_water: &'a HighWater,
}

impl CheckedStatusList {
    /// Checks a token: signature first, then subject, times, high-water mark, and the list last.
    pub fn check(token: &str, check: &StatusCheck<'_>) -> Result<Self, StatusRefused> {
        let jwt = UnverifiedJwt::read(token, STATUS_LIST_TYP).map_err(StatusRefused::Token)?;
        let payload = jwt.verify(check.key).map_err(StatusRefused::Token)?.payload;
        let subject = text_claim(&payload, "sub").map_err(StatusRefused::Token)?;
        if subject != check.uri {
            let (expected, got) = (check.uri.to_owned(), subject.chars().take(200).collect());
            return Err(StatusRefused::OtherList { expected, got });
        }
        let issued_at = moment_claim(&payload, "iat").map_err(StatusRefused::Token)?;
        let expires_at = moment_claim(&payload, "exp").map_err(StatusRefused::Token)?;
        let age = judge_times(issued_at, expires_at, check)?;
        let seen = SeenList { issued_at, digest: sha256(token.as_bytes()) };
        check.high_water.admits(check.uri, seen)?;
        let claim = payload.get("status_list").unwrap_or(&Value::Null);
        let list = Packed::from_claim(claim).map_err(|reason| StatusRefused::List { reason })?;
        let time_to_live = optional_moment(&payload, "ttl").map_err(StatusRefused::Token)?;
        let time_to_live = time_to_live.map(|end| end.since(Instant::EPOCH));
        Ok(Self { uri: check.uri.to_owned(), seen, expires_at, time_to_live, age, list })
    }

    /// What the list says about entry `index`.
    pub fn status_at(&self, index: u64) -> Result<CredentialStatus, StatusRefused> {
        let value = self.list.value(index).map_err(|reason| StatusRefused::List { reason })?;
        Ok(CredentialStatus::of(value))
    }

    /// Refuses entry `index` unless it is valid.
    pub fn require_valid(&self, index: u64) -> Result<(), StatusRefused> {
        match self.status_at(index)? {
            CredentialStatus::Valid => Ok(()),
            status @ (CredentialStatus::Revoked
            | CredentialStatus::Suspended
            | CredentialStatus::Other(_)) => {
                Err(StatusRefused::NotValid { uri: self.uri.clone(), index, status })
            }
        }
    }

    /// The list's URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// `iat` and digest of the token.
    #[must_use]
    pub const fn seen(&self) -> SeenList {
        self.seen
    }

    /// How old the list was when it was checked, by its signed time.
    #[must_use]
    pub const fn age(&self) -> Duration {
        self.age
    }

    /// When it ends.
    #[must_use]
    pub const fn expires_at(&self) -> Instant {
        self.expires_at
    }

    /// How long a copy may be kept before a newer one is to be fetched, if it says so.
    #[must_use]
    pub const fn time_to_live(&self) -> Option<Duration> {
        self.time_to_live
    }
}

/// Which key a token says to be signed with, and when: to look up the key, not to believe.
pub fn claimed_signature(token: &str) -> Result<(Option<String>, Instant), StatusRefused> {
    let jwt = UnverifiedJwt::read(token, STATUS_LIST_TYP).map_err(StatusRefused::Token)?;
    let issued_at = moment_claim(jwt.claimed(), "iat").map_err(StatusRefused::Token)?;
    Ok((jwt.key_id().map(str::to_owned), issued_at))
}

fn judge_times(
    issued_at: Instant,
    expires_at: Instant,
    check: &StatusCheck<'_>,
) -> Result<Duration, StatusRefused> {
    let now = check.now;
    if issued_at > now.plus(Duration::from_secs(CLOCK_SKEW_MAX_SECONDS)) {
        return Err(StatusRefused::FromTheFuture { issued_at, now });
    }
    let age = now.since(issued_at);
    if now >= expires_at || age > check.age_max {
        return Err(StatusRefused::Stale { issued_at, now });
    }
    Ok(age)
}

#[cfg(test)]
mod tests;
