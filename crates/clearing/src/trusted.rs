//! Which keys the adopted trust lists name, for whom.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use record::{
    Document, DocumentError, Side, Signed, TrustList, TrustedInstitution, TrustedProvider,
};
use seal::{KeyId, PublicKey};
use terms::{CorridorName, InstitutionName, Jurisdiction, ProviderName};

use crate::rule::{Rule, RuleName};

/// The trust lists in force, by jurisdiction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TrustView {
    #[n(0)]
    lists: BTreeMap<Jurisdiction, TrustList>,
}

impl TrustView {
    /// Takes a list in place of the older one. The caller has checked signature and version.
    pub fn adopt(&mut self, list: TrustList) {
        self.lists.insert(list.jurisdiction, list);
    }

    /// The lists in force.
    pub fn lists(&self) -> impl Iterator<Item = &TrustList> {
        self.lists.values()
    }

    /// Why a list may not stand beside the others: names are global, accounts belong to names,
    /// and no jurisdiction's root may speak for what another root has named.
    #[must_use]
    pub fn captures(&self, list: &TrustList) -> Option<String> {
        let others = || self.lists.values().filter(|o| o.jurisdiction != list.jurisdiction);
        let institutions = |of: &TrustList| -> Vec<InstitutionName> {
            let home = of.jurisdiction;
            let entries = of.institutions.iter().filter(|entry| entry.jurisdiction == home);
            entries.map(|entry| entry.institution).collect()
        };
        let named = institutions(list);
        for other in others() {
            let taken = institutions(other);
            let first = named.iter().find(|name| taken.contains(name));
            let clash = first.map(ToString::to_string).or_else(|| {
                let providers = other.providers.iter().map(|p| p.provider.as_str());
                named_by(&named, providers)
                    .or_else(|| {
                        named_by(&taken, list.providers.iter().map(|p| p.provider.as_str()))
                    })
                    .or_else(|| other_keys(list, other))
            });
            if let Some(name) = clash {
                return Some(format!("`{name}` is named by the list of `{}`", other.jurisdiction));
            }
        }
        None
    }

    /// Whether this very edition is in force.
    pub(crate) fn holds(&self, list: &TrustList) -> bool {
        self.lists.get(&list.jurisdiction) == Some(list)
    }

    /// The version in force for a jurisdiction.
    #[must_use]
    pub fn version(&self, jurisdiction: Jurisdiction) -> Option<u64> {
        self.lists.get(&jurisdiction).map(|list| list.version)
    }

    /// The institution's entry, on the list of its own jurisdiction.
    #[must_use]
    pub fn institution(&self, name: InstitutionName) -> Option<&TrustedInstitution> {
        self.lists
            .values()
            .filter_map(|list| Some((list.jurisdiction, list.institution(name)?)))
            .find_map(|(home, entry)| (entry.jurisdiction == home).then_some(entry))
    }

    /// Whether a list names this corridor.
    #[must_use]
    pub fn knows_corridor(&self, corridor: CorridorName) -> bool {
        let entries = self.lists.values().flat_map(|list| &list.institutions);
        entries.flat_map(|entry| &entry.sides).any(|side| side.corridor == corridor)
    }

    /// The provider's quote key with this id.
    #[must_use]
    pub fn quote_key(&self, provider: ProviderName, key: KeyId) -> Option<PublicKey> {
        self.lists
            .values()
            .flat_map(|list| &list.providers)
            .filter(|entry| entry.provider == provider)
            .flat_map(|entry| &entry.quote_keys)
            .find(|candidate| candidate.key_id() == key)
            .copied()
    }

    /// Whether any institution may act for this side of a corridor.
    #[must_use]
    pub fn has_side(&self, corridor: CorridorName, side: Side) -> bool {
        let mut entries = self.lists.values().flat_map(|list| &list.institutions);
        entries.any(|entry| entry.acts_for(corridor, side))
    }

    /// The institution's permit key with this id, if the list lets it act for this side.
    #[must_use]
    pub fn permit_key(
        &self,
        institution: InstitutionName,
        corridor: CorridorName,
        side: Side,
        key: KeyId,
    ) -> Option<PublicKey> {
        let entry = self.institution(institution)?;
        if !entry.acts_for(corridor, side) {
            return None;
        }
        entry.permit_keys.iter().find(|candidate| candidate.key_id() == key).copied()
    }
}

fn named_by<'a>(
    institutions: &[InstitutionName],
    mut providers: impl Iterator<Item = &'a str>,
) -> Option<String> {
    providers
        .find(|provider| institutions.iter().any(|name| name.as_str() == *provider))
        .map(str::to_owned)
}

/// A provider may be listed by several jurisdictions, with the same keys.
fn other_keys(list: &TrustList, other: &TrustList) -> Option<String> {
    let differs = |mine: &&TrustedProvider| {
        let same_name = |theirs: &&TrustedProvider| theirs.provider == mine.provider;
        let theirs = other.providers.iter().find(same_name);
        theirs.is_some_and(|theirs| theirs.quote_keys != mine.quote_keys)
    };
    list.providers.iter().find(differs).map(|provider| provider.provider.to_string())
}

/// Opens a signed document with the key that the view names, or refuses.
pub(crate) fn open<T: Document>(document: &Signed<T>, key: Option<PublicKey>) -> Result<T, Rule> {
    let untrusted = |detail: String| Rule::new(RuleName::SignerNotTrusted, detail);
    let key = key.ok_or_else(|| {
        let signer = document.key();
        untrusted(format!("{}: the trust list does not name key `{signer}` for it", T::NAME))
    })?;
    document.verify(&key).map_err(|error: DocumentError| untrusted(error.to_string()))
}
