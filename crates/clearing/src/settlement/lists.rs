//! Trust lists in the settlement book: a newer edition, signed by its pinned root.

use journal::Checked;
use record::settlement::TRUST_LIST_ADOPTED;
use record::{SaltSlot, Signed, TrustList};

use super::{SettlementAnswer, SettlementBook, done, not_accepted};

impl SettlementBook {
    pub(super) fn adopt(
        &self,
        slot: SaltSlot,
        signed: &Signed<TrustList>,
    ) -> Checked<SettlementAnswer> {
        let list = match signed.read_unverified() {
            Ok(list) => list,
            Err(error) => return not_accepted(error.to_string()),
        };
        let Some(root) = self.roots.get(&list.jurisdiction) else {
            return not_accepted(format!("no root key is pinned for `{}`", list.jurisdiction));
        };
        if let Err(error) = signed.verify(root) {
            return not_accepted(error.to_string());
        }
        match self.trust.version(list.jurisdiction) {
            Some(_) if self.trust.holds(&list) => done(),
            Some(seen) if list.version == seen => not_accepted(format!(
                "two editions of version {seen} of the list of `{}`: both convict its signer",
                list.jurisdiction
            )),
            Some(seen) if list.version < seen => {
                let got = list.version;
                not_accepted(format!("expected a trust list newer than version {seen}, got {got}"))
            }
            _ if list.environment != self.environment => {
                not_accepted("the trust list is of another environment".to_owned())
            }
            _ => match self.trust.captures(&list) {
                Some(clash) => not_accepted(clash),
                None => self.record(slot, TRUST_LIST_ADOPTED, signed.to_bytes()),
            },
        }
    }
}
