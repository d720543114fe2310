//! An issuer's status list and the record of every edition that it published.
//!
//! `status-log` holds one line per signed list, durable before the list is served: its time and
//! its digest. A list that an edge relied on and that is not in the log, or two lists of one
//! time, convict the issuer.

use core::time::Duration;
use std::path::Path;

use credential::status::StatusListHeading;
use credential::{CredentialStatus, StatusBits, StatusList};
use seal::{Es256SigningKey, sha256};
use serde::{Deserialize, Serialize};
use terms::Instant;

use crate::roles::common::RoleError;
use crate::roles::files::LineLog;

/// The names and times that stand in a list.
pub(super) struct StatusTerms {
    pub(super) uri: String,
    pub(super) issuer: String,
    pub(super) key_id: String,
    pub(super) time_to_live: Duration,
    pub(super) lifetime: Duration,
}

/// One list with its log.
pub(super) struct StatusDesk {
    terms: StatusTerms,
    list: StatusList,
    log: LineLog,
    last_issued_seconds: u64,
    current: Option<(u64, String)>,
}

/// A line of `status-log`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edition {
    /// The `iat`.
    issued_at_seconds: u64,
    /// SHA-256 of the token, hex.
    digest: String,
}

impl StatusDesk {
    /// A list in which `revoked` are revoked, continuing the log in `dir`.
    pub(super) fn open(
        dir: &Path,
        terms: StatusTerms,
        entries: u32,
        revoked: &[u64],
    ) -> Result<Self, RoleError> {
        let path = dir.join("status-log");
        let unsound = |what: String| RoleError::Unsound(format!("`{}`: {what}", path.display()));
        let entries = usize::try_from(entries).unwrap_or(usize::MAX);
        let list = StatusList::new(StatusBits::One, entries);
        let mut list = list.map_err(|error| unsound(error.to_string()))?;
        for index in revoked {
            list.set(*index, CredentialStatus::Revoked).map_err(|e| unsound(e.to_string()))?;
        }
        let opened = LineLog::open(&path);
        let (log, lines) =
            opened.map_err(RoleError::world(format!("opening `{}`", path.display())))?;
        let mut last_issued_seconds = 0;
        for line in &lines {
            let edition: Edition =
                serde_json::from_str(line).map_err(|error| unsound(error.to_string()))?;
            last_issued_seconds = edition.issued_at_seconds.max(last_issued_seconds);
        }
        Ok(Self { terms, list, log, last_issued_seconds, current: None })
    }

    /// Revokes an entry and publishes at once. The revocation itself must be durable before.
    pub(super) fn revoke(
        &mut self,
        index: u64,
        key: &Es256SigningKey,
        now: Instant,
    ) -> std::io::Result<String> {
        self.list.set(index, CredentialStatus::Revoked).map_err(std::io::Error::other)?;
        self.current = None;
        self.publish(key, now)
    }

    /// The list as it is served: signed anew when half of its time to live has passed.
    pub(super) fn token(&mut self, key: &Es256SigningKey, now: Instant) -> std::io::Result<String> {
        let renew = (self.terms.time_to_live.as_secs() / 2).max(1);
        match &self.current {
            Some((issued, token)) if now.seconds() < issued.saturating_add(renew) => {
                Ok(token.clone())
            }
            _ => self.publish(key, now),
        }
    }

    /// Signs an edition with a time of its own and logs it before anybody sees it.
    fn publish(&mut self, key: &Es256SigningKey, now: Instant) -> std::io::Result<String> {
        // INVARIANT (OneListPerSecond): no two lists of ours carry one `iat`, over restarts and
        // set-back clocks too: a reader takes two for proof that we equivocate. A second
        // revocation within a second is dated a second ahead, within what readers tolerate.
        let issued = now.seconds().max(self.last_issued_seconds.saturating_add(1));
        let issued_at = Instant::from_seconds(issued);
        let heading = StatusListHeading {
            uri: &self.terms.uri,
            issuer: &self.terms.issuer,
            key_id: &self.terms.key_id,
            issued_at,
            expires_at: issued_at.plus(self.terms.lifetime),
            time_to_live: self.terms.time_to_live,
        };
        let token = self.list.publish(&heading, key).map_err(std::io::Error::other)?;
        let digest = sha256(token.as_bytes()).to_string();
        let line = serde_json::to_string(&Edition { issued_at_seconds: issued, digest })?;
        self.log.append(&line)?;
        self.last_issued_seconds = issued;
        self.current = Some((issued, token.clone()));
        Ok(token)
    }
}
