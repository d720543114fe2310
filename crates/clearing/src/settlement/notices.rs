//! What supervisors and institutions publish into the settlement book: trust lists, snapshots of
//! lists, packs, edges.

use journal::Checked;
use record::settlement::{PACK_NOTICED, SNAPSHOT_PUBLISHED, TRUST_LIST_ADOPTED};
use record::{PackNotice, PackStanding, SaltSlot, Signed, Snapshot, Stage, TrustList};

use super::{PackKey, SettlementAnswer, SettlementBook, done, not_accepted, pack_entry};

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

    pub(super) fn publish(
        &self,
        slot: SaltSlot,
        signed: &Signed<Snapshot>,
    ) -> Checked<SettlementAnswer> {
        let Ok(snapshot) = signed.read_unverified() else {
            return not_accepted("the snapshot does not read".to_owned());
        };
        match self.snapshots.get(&snapshot.institution) {
            _ if snapshot.environment != self.environment => {
                not_accepted("the snapshot is of another environment".to_owned())
            }
            Some(entry) if entry.digest == signed.digest() => done(),
            Some(entry) if snapshot.version <= entry.version => {
                let (seen, got) = (entry.version, snapshot.version);
                not_accepted(format!("expected a snapshot newer than version {seen}, got {got}"))
            }
            _ => self.record(slot, SNAPSHOT_PUBLISHED, signed.to_bytes()),
        }
    }

    pub(super) fn notice_pack(
        &self,
        slot: SaltSlot,
        signed: &Signed<PackNotice>,
    ) -> Checked<SettlementAnswer> {
        let Ok(notice) = signed.read_unverified() else {
            return not_accepted("the pack notice does not read".to_owned());
        };
        if notice.environment != self.environment {
            return not_accepted("the pack notice is of another environment".to_owned());
        }
        let (key, entry) = pack_entry(&notice);
        if self.is_staged(&key) {
            return self.noticed_beside_steps(&key, notice.standing);
        }
        if self.packs.get(&key) == Some(&entry) {
            return done();
        }
        self.record(slot, PACK_NOTICED, signed.to_bytes())
    }

    /// An edge that starts says which pack it has. Where steps say what is in force, that changes
    /// nothing; and a pack that was taken out of force does not come back by a restart.
    fn noticed_beside_steps(
        &self,
        key: &PackKey,
        standing: PackStanding,
    ) -> Checked<SettlementAnswer> {
        match (standing, self.stage_of(key)) {
            (PackStanding::InForce, Some(Stage::Retired) | None) => not_accepted(
                "the pack is not in force: `wayleave policy stage` says which is".to_owned(),
            ),
            (PackStanding::Retired, Some(Stage::Active | Stage::Canary(_))) => {
                not_accepted("a staged pack is retired by a step".to_owned())
            }
            (PackStanding::InForce | PackStanding::Retired, _) => done(),
        }
    }
}
