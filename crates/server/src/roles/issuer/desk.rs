//! One issuer: the standard's machine, its files, and what its operator may ask.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use api::{Problem, problem};
use credential::StatusReference;
use credential::issuance::{Issuer, IssuerProfile, OfferDraft};
use credential::jose::thumbprint;
use seal::text::{to_base64url, to_hex};
use seal::{Domain, Es256SigningKey, Secret, derive, sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use terms::Instant;

use super::status::{StatusDesk, StatusTerms};
use super::subjects::{Subject, Subjects, issuable};
use super::{Config, IssuerConfig, StatusPublished};
use crate::keys::KeyStore;
use crate::roles::common::RoleError;
use crate::roles::files::{LineLog, make_folder};
use crate::roles::start::{configuration, disk_fault, refused};
use crate::system;
use crate::web::Refuse;

/// What the operator asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferRequest {
    /// Which subject's credential.
    pub subject: String,
    /// Whether the company must type in a code that reaches it another way.
    pub transaction_code: TransactionCodeWish,
}

/// Whether an offer asks for a transaction code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionCodeWish {
    /// Whoever has the offer may take it.
    None,
    /// Six digits.
    Numeric,
}

/// An offer for the company, and what the operator keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offered {
    /// The credential's id here, by which it is revoked.
    pub credential: String,
    /// Its index in the status list, if its status is published.
    pub index: Option<u64>,
    /// The offer as JSON.
    pub offer: Value,
    /// The offer as a link.
    pub uri: String,
    /// The code to send another way.
    pub transaction_code: Option<String>,
    /// Until when it may be taken, in seconds since 1970.
    pub expires_at_seconds: u64,
}

/// Revokes one credential for ever.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// By its id …
    #[serde(default)]
    pub credential: Option<String>,
    /// … or by its index in the status list.
    #[serde(default)]
    pub index: Option<u64>,
    /// Why, in words.
    pub reason: String,
}

/// What was published.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// The index.
    pub index: u64,
    /// The URI of the list.
    pub list: String,
    /// SHA-256 of the list that says so first, hex.
    pub digest: String,
}

/// A line of `issued.log`: written when a credential is offered, since its index is fixed then.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Issued {
    credential: String,
    subject: String,
    credential_type: String,
    index: Option<u64>,
    offered_at_seconds: u64,
}

/// A line of `revocations.log`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedLine {
    index: u64,
    reason: String,
    by: String,
    at_seconds: u64,
}

/// One issuer.
pub(super) struct Desk {
    pub(super) operator: String,
    status_url: String,
    entries: u32,
    unlisted: Vec<String>,
    subjects: Vec<Subject>,
    key: Es256SigningKey,
    turn: Mutex<Turn>,
}

struct Turn {
    issuer: Issuer,
    issued: BTreeMap<String, Issued>,
    taken: BTreeMap<u64, String>,
    issued_log: LineLog,
    revoked: Vec<u64>,
    revocations_log: LineLog,
    status: StatusDesk,
}

/// An issuer's key and its name: the thumbprint of RFC 7638.
pub(super) fn issuer_key(
    keys: &KeyStore,
    name: &str,
) -> Result<(Es256SigningKey, String), RoleError> {
    let key = Es256SigningKey::from_scalar(&keys.seed(name)?)
        .map_err(|error| RoleError::Unsound(format!("the key of `{name}`: {error}")))?;
    let id = to_base64url(thumbprint(&key.public_key()).as_bytes());
    Ok((key, id))
}

impl Desk {
    /// Opens an issuer as it was last stored.
    pub(super) fn open(
        dir: &Path,
        config: &Config,
        issuer: &IssuerConfig,
        subjects: &Subjects,
        keys: &KeyStore,
    ) -> Result<Self, RoleError> {
        let (key, key_id) = issuer_key(keys, &issuer.name)?;
        let url = config.issuer_url(&issuer.name);
        let profile = profile(issuer, url.clone())?;
        let subjects: Vec<Subject> =
            subjects.subjects.iter().filter(|one| one.issuer == issuer.name).cloned().collect();
        for subject in &subjects {
            let issuable = profile.issuable(&subject.credential_type).ok_or_else(|| {
                configuration(format!("`{}` does not issue what `{}` is", issuer.name, subject.id))
            })?;
            subject.check(issuable).map_err(configuration)?;
        }
        let folder = dir.join(&issuer.name);
        make_folder(&folder).map_err(RoleError::world(format!("making `{}`", folder.display())))?;
        let (issued_log, lines) = open_log::<Issued>(&folder.join("issued.log"))?;
        let taken =
            lines.iter().filter_map(|line| Some((line.index?, line.credential.clone()))).collect();
        let issued = lines.into_iter().map(|line| (line.credential.clone(), line)).collect();
        let (revocations_log, lines) = open_log::<RevokedLine>(&folder.join("revocations.log"))?;
        let revoked: Vec<u64> = lines.iter().map(|line| line.index).collect();
        let terms = StatusTerms {
            uri: config.status_url(&issuer.name),
            issuer: url,
            key_id: key_id.clone(),
            time_to_live: Duration::from_secs(config.status_ttl_seconds),
            lifetime: Duration::from_secs(config.status_lifetime_seconds),
        };
        let status = StatusDesk::open(&folder, terms, config.status_entries, &revoked)?;
        // The nonces' secret hangs on the issuer's own seed: they stay good over a restart.
        let secret = Secret::from_bytes(keys.seed(&issuer.name)?);
        let nonces = derive(&secret, NONCE_SECRET, issuer.name.as_bytes());
        let machine_key = issuer_key(keys, &issuer.name)?.0;
        let machine = Issuer::new(profile, machine_key, key_id, nonces);
        let never = issuer.types.iter().filter(|one| one.status == StatusPublished::Never);
        Ok(Self {
            operator: issuer.operator.clone(),
            status_url: config.status_url(&issuer.name),
            entries: config.status_entries,
            unlisted: never.map(|one| one.credential_type.clone()).collect(),
            subjects,
            key,
            turn: Mutex::new(Turn {
                issuer: machine,
                issued,
                taken,
                issued_log,
                revoked,
                revocations_log,
                status,
            }),
        })
    }

    /// Runs the standard's machine in its turn.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Issuer) -> T) -> T {
        work(&mut self.turn.lock().unwrap_or_else(PoisonError::into_inner).issuer)
    }

    /// Offers a subject's credential. Its index is durable before the offer leaves: stopped in
    /// between, an index is spent and nobody has it.
    pub(super) fn offer(&self, request: &OfferRequest) -> Result<Offered, Refuse> {
        let subject =
            self.subjects.iter().find(|one| one.id == request.subject).ok_or_else(|| {
                refused(format!("there is no subject `{}` here", request.subject), "correct its id")
            })?;
        let now = system::now();
        let fault = |_| Refuse::from(Problem::of(&problem::FAULT));
        let code = system::random::<32>().map_err(fault)?;
        let credential = to_hex(&system::random::<16>().map_err(fault)?);
        let transaction_code = match request.transaction_code {
            TransactionCodeWish::None => None,
            TransactionCodeWish::Numeric => {
                let number = u64::from_be_bytes(system::random().map_err(fault)?) % 1_000_000;
                Some(format!("{number:06}"))
            }
        };
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = !self.unlisted.contains(&subject.credential_type);
        let index = if listed { Some(self.free_index(&turn)?) } else { None };
        let issued = Issued {
            credential: credential.clone(),
            subject: subject.id.clone(),
            credential_type: subject.credential_type.clone(),
            index,
            offered_at_seconds: now.seconds(),
        };
        append(&mut turn.issued_log, &issued)?;
        if let Some(index) = index {
            turn.taken.insert(index, credential.clone());
        }
        turn.issued.insert(credential.clone(), issued);
        let issuable = turn.issuer.profile().issuable(&subject.credential_type);
        let selective = issuable.map(|one| subject.selective(one)).unwrap_or_default();
        let expires_at = now.plus(OFFER_LIFETIME);
        let draft = OfferDraft {
            configuration_id: subject.credential_type.clone(),
            claims: subject.claims.clone(),
            selective,
            status: index.map(|index| StatusReference { uri: self.status_url.clone(), index }),
            transaction_code: transaction_code.clone(),
            expires_at,
        };
        let offer = turn.issuer.offer(draft, &code);
        Ok(Offered {
            credential,
            index,
            offer: offer.to_json(),
            uri: offer.to_uri(),
            transaction_code,
            expires_at_seconds: expires_at.seconds(),
        })
    }

    /// An index at random, so that neighbours in the list tell nothing of each other.
    fn free_index(&self, turn: &Turn) -> Result<u64, Refuse> {
        let entries = u64::from(self.entries);
        let taken = u64::try_from(turn.taken.len()).unwrap_or(u64::MAX);
        // Beyond half, the number of draws would grow; and a full list hides nobody.
        if taken.saturating_mul(2) >= entries {
            return Err(refused("the status list is half full", "configure a larger list"));
        }
        for _ in 0..DRAWS_MAX {
            let fault = |_| Refuse::from(Problem::of(&problem::FAULT));
            let drawn = u64::from_be_bytes(system::random().map_err(fault)?);
            let index = drawn.checked_rem(entries).unwrap_or(0);
            if !turn.taken.contains_key(&index) {
                return Ok(index);
            }
        }
        Err(Problem::of(&problem::FAULT).detail("no free index was drawn").into())
    }

    /// Revokes. Durable in `revocations.log` first, then published: stopped in between, the next
    /// list after the restart says so. Revoking twice answers the same.
    pub(super) fn revoke(&self, revocation: &Revocation, by: &str) -> Result<Revoked, Refuse> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let index = turn.index_of(revocation)?;
        let now = system::now();
        if !turn.revoked.contains(&index) {
            let line = RevokedLine {
                index,
                reason: revocation.reason.clone(),
                by: by.to_owned(),
                at_seconds: now.seconds(),
            };
            append(&mut turn.revocations_log, &line)?;
            turn.revoked.push(index);
        }
        let token = turn
            .status
            .revoke(index, &self.key, now)
            .map_err(|error| disk_fault("the status list", &error))?;
        let digest = sha256(token.as_bytes()).to_string();
        Ok(Revoked { index, list: self.status_url.clone(), digest })
    }

    /// The status list as it is served now.
    pub(super) fn status(&self, now: Instant) -> Result<String, Refuse> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let token = turn.status.token(&self.key, now);
        token.map_err(|error| disk_fault("the status list", &error))
    }
}

impl Turn {
    fn index_of(&self, revocation: &Revocation) -> Result<u64, Refuse> {
        let unknown = || refused("no such credential with a published status", "correct its id");
        match (&revocation.credential, revocation.index) {
            (Some(id), None) => {
                self.issued.get(id).and_then(|issued| issued.index).ok_or_else(unknown)
            }
            (None, Some(index)) if self.taken.contains_key(&index) => Ok(index),
            (None, Some(_)) => Err(unknown()),
            (Some(_), Some(_)) | (None, None) => Err(Problem::of(&problem::BAD_FIELD)
                .expected("either `credential` or `index`")
                .into()),
        }
    }
}

fn profile(issuer: &IssuerConfig, url: String) -> Result<IssuerProfile, RoleError> {
    let mut types = Vec::new();
    for one in &issuer.types {
        let lifetime = Duration::from_secs(one.lifetime_seconds);
        if one.status == StatusPublished::Never && lifetime > UNLISTED_LIFETIME_MAX {
            let kind = &one.credential_type;
            return Err(configuration(format!("`{kind}` lives too long for no status")));
        }
        types.push(issuable(&one.credential_type, lifetime).ok_or_else(|| {
            configuration(format!("`{}` is no credential type of ours", one.credential_type))
        })?);
    }
    Ok(IssuerProfile { url, name: issuer.display_name.clone(), types })
}

fn open_log<T: serde::de::DeserializeOwned>(path: &Path) -> Result<(LineLog, Vec<T>), RoleError> {
    let opened = LineLog::open(path);
    let (log, lines) = opened.map_err(RoleError::world(format!("opening `{}`", path.display())))?;
    let read = |line: &String| serde_json::from_str(line);
    let lines = lines.iter().map(read).collect::<Result<_, _>>();
    let unsound = |error| RoleError::Unsound(format!("`{}`: {error}", path.display()));
    Ok((log, lines.map_err(unsound)?))
}

fn append<T: Serialize>(log: &mut LineLog, line: &T) -> Result<(), Refuse> {
    serde_json::to_string(line)
        .map_err(std::io::Error::other)
        .and_then(|text| log.append(&text))
        .map_err(|error| disk_fault("the issuer's record", &error))
}

const NONCE_SECRET: Domain = Domain::new("wayleave/issuer-nonce-secret/v1");
/// A company fetches its credential within a day.
const OFFER_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Longest life without a published status.
const UNLISTED_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// Draws for a free index in a list at most half full: failing all is a matter of 2^-64.
const DRAWS_MAX: usize = 64;
