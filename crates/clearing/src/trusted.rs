//! Which keys the adopted trust lists name, for whom.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use record::{Document, DocumentError, Side, Signed, TrustList, TrustedInstitution};
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

/// Opens a signed document with the key that the view names, or refuses.
pub(crate) fn open<T: Document>(document: &Signed<T>, key: Option<PublicKey>) -> Result<T, Rule> {
    let untrusted = |detail: String| Rule::new(RuleName::SignerNotTrusted, detail);
    let key = key.ok_or_else(|| {
        let signer = document.key();
        untrusted(format!("{}: the trust list does not name key `{signer}` for it", T::NAME))
    })?;
    document.verify(&key).map_err(|error: DocumentError| untrusted(error.to_string()))
}
