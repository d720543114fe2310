//! The lists that decisions rest on: trust lists of both jurisdictions and the sanctions list.

use credential::TrustSnapshot;
use credential::trust::SnapshotError;
use record::{
    ListVersion, ListedVersion, Side, Snapshot, TrustList, TrustedInstitution, TrustedIssuer,
};
use screening::LoadedList;
use seal::{BoxPublicKey, Digest, KeyId, PublicKey};
use terms::{CorridorName, Environment, Instant, InstitutionName, Jurisdiction, ProviderName};
use thiserror::Error;

/// The lists of one snapshot, with signatures and versions already checked by who fetched them.
#[derive(Clone, Debug)]
pub struct Lists {
    home: TrustList,
    others: Vec<TrustList>,
    trust: TrustSnapshot,
    sanctions: Vec<LoadedList>,
    snapshot: Digest,
}

/// Why lists do not go together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListsRefused {
    /// Two of one jurisdiction, or of two environments.
    #[error("{0}")]
    Trust(#[from] SnapshotError),
}

/// Why an institution of the other side is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Untrusted {
    /// No list of its own jurisdiction names it.
    #[error("institution `{institution}` is on no trust list")]
    Unknown {
        /// The institution.
        institution: InstitutionName,
    },
    /// Its jurisdiction names it, but our list does not recognise it.
    #[error("institution `{institution}` of `{jurisdiction}` is not recognised here")]
    NotRecognised {
        /// The institution.
        institution: InstitutionName,
        /// Where it is licensed.
        jurisdiction: Jurisdiction,
    },
    /// It may not act for this side of this corridor.
    #[error("institution `{institution}` may not act for the {side} side of `{corridor}`")]
    OtherSide {
        /// The institution.
        institution: InstitutionName,
        /// The corridor.
        corridor: CorridorName,
        /// The side.
        side: Side,
    },
    /// The key is not one of its permit keys.
    #[error("key `{key}` is not a permit key of `{institution}`")]
    OtherKey {
        /// The institution.
        institution: InstitutionName,
        /// The key.
        key: KeyId,
    },
}

impl Lists {
    /// The lists of `snapshot`, seen from the jurisdiction of `home`.
    pub fn new(
        home: TrustList,
        others: Vec<TrustList>,
        sanctions: Vec<LoadedList>,
        snapshot: Digest,
    ) -> Result<Self, ListsRefused> {
        let trust = TrustSnapshot::new(home.clone(), others.clone())?;
        Ok(Self { home, others, trust, sanctions, snapshot })
    }

    /// Whom the home jurisdiction trusts to issue.
    #[must_use]
    pub const fn trust(&self) -> &TrustSnapshot {
        &self.trust
    }

    /// The sanctions lists.
    #[must_use]
    pub fn sanctions(&self) -> &[LoadedList] {
        &self.sanctions
    }

    /// The digest of the published snapshot that names these lists.
    #[must_use]
    pub const fn snapshot(&self) -> Digest {
        self.snapshot
    }

    /// Every issuer that any of the trust lists names.
    pub fn issuers(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.trust_lists().flat_map(|list| &list.issuers)
    }

    /// The sanctions lists, as records carry them.
    #[must_use]
    pub fn versions(&self) -> Vec<ListVersion> {
        self.sanctions.iter().map(LoadedList::version).collect()
    }

    /// When the oldest sanctions list was signed; `None` without any.
    #[must_use]
    pub fn oldest_sanctions(&self) -> Option<Instant> {
        self.sanctions.iter().map(|list| list.list().issued_at).min()
    }

    /// Whether any list is past the time when its next edition was due, or there is no sanctions
    /// list at all.
    #[must_use]
    pub fn any_overdue(&self, now: Instant) -> bool {
        let trust = self.trust_lists().map(|list| list.next_update);
        let sanctions = self.sanctions.iter().map(|list| list.list().next_update);
        self.sanctions.is_empty() || trust.chain(sanctions).any(|due| now >= due)
    }

    /// The keys with which an institution of the other side signs and is written to. It must be
    /// named by its own jurisdiction, for this side of this corridor, and recognised by ours.
    pub fn counterparty(
        &self,
        institution: InstitutionName,
        (corridor, side): (CorridorName, Side),
        now: Instant,
    ) -> Result<&TrustedInstitution, Untrusted> {
        let entry = self
            .trust_lists()
            .filter_map(|list| Some((list.jurisdiction, list.institution(institution)?)))
            .find_map(|(of, entry)| (entry.jurisdiction == of).then_some(entry))
            .ok_or(Untrusted::Unknown { institution })?;
        let jurisdiction = entry.jurisdiction;
        let recognised = jurisdiction == self.home.jurisdiction
            || self.home.recognises_institution(jurisdiction, institution, now);
        if !recognised {
            return Err(Untrusted::NotRecognised { institution, jurisdiction });
        }
        if !entry.acts_for(corridor, side) {
            return Err(Untrusted::OtherSide { institution, corridor, side });
        }
        Ok(entry)
    }

    /// The quote key of this id, if a list names it for the provider.
    #[must_use]
    pub fn quote_key(&self, provider: ProviderName, key: KeyId) -> Option<PublicKey> {
        self.trust_lists()
            .flat_map(|list| &list.providers)
            .filter(|entry| entry.provider == provider)
            .flat_map(|entry| &entry.quote_keys)
            .find(|candidate| candidate.key_id() == key)
            .copied()
    }

    fn trust_lists(&self) -> impl Iterator<Item = &TrustList> {
        core::iter::once(&self.home).chain(&self.others)
    }
}

/// The permit key of this id.
pub(crate) fn permit_key(entry: &TrustedInstitution, key: KeyId) -> Result<PublicKey, Untrusted> {
    let institution = entry.institution;
    entry
        .permit_keys
        .iter()
        .find(|candidate| candidate.key_id() == key)
        .copied()
        .ok_or(Untrusted::OtherKey { institution, key })
}

/// The key that statements to an institution are sealed to.
pub(crate) const fn box_key(entry: &TrustedInstitution) -> BoxPublicKey {
    entry.statement_key
}

/// What a snapshot says of lists: whose it is, its version, and until when it may be relied on.
#[must_use]
pub fn snapshot_of(
    (environment, institution, version): (Environment, InstitutionName, u64),
    trust: &[&TrustList],
    sanctions: &[LoadedList],
    taken_at: Instant,
) -> Snapshot {
    use record::Document as _;
    let mut lists: Vec<ListedVersion> = trust
        .iter()
        .map(|list| ListedVersion {
            name: format!("trust:{}", list.jurisdiction),
            version: list.version,
            digest: list.digest(),
        })
        .collect();
    lists.extend(sanctions.iter().map(|list| {
        let ListVersion { name, version, digest } = list.version();
        ListedVersion { name: format!("sanctions:{name}"), version, digest }
    }));
    let due = trust.iter().map(|list| list.next_update);
    let due = due.chain(sanctions.iter().map(|list| list.list().next_update)).min();
    let valid_until = due.unwrap_or(taken_at);
    Snapshot { layout: 1, environment, institution, version, lists, taken_at, valid_until }
}
