//! Whom the wallet trusts: the policy file for receipts, and trust lists under pinned roots.

use std::path::Path;

use client::{Outgoing, Peer};
use credential::TrustSnapshot;
use evidence::{Policy, Trust};
use record::{Signed, TrustList};
use seal::PublicKey;

use crate::calls::answer_of;
use crate::config::TrustListEntry;
use crate::error::WalletError;
use crate::folder::{WalletFolder, read_file};
use crate::wallet::Wallet;

/// Reads a tlog-policy file that lists exactly one log: what `--trust FILE` names.
pub fn read_trust(path: &Path) -> Result<Trust, WalletError> {
    let bad = |reason: String| WalletError::BadFile { path: path.to_owned(), reason };
    let policy = Policy::parse(&read_file(path)?).map_err(|error| bad(error.to_string()))?;
    Trust::from_policy(policy).map_err(|error| bad(error.to_string()))
}

/// Reads a signed trust list under the root key that the caller pins.
pub fn read_trust_list(path: &Path, root: &PublicKey) -> Result<TrustList, WalletError> {
    Signed::<TrustList>::from_bytes(&read_file(path)?)
        .and_then(|signed| signed.verify(root))
        .map_err(|error| WalletError::BadFile { path: path.to_owned(), reason: error.to_string() })
}

/// Reads a kept list and checks it against its pinned root; `None` when none is kept.
pub(crate) fn kept_list(
    folder: &WalletFolder,
    entry: &TrustListEntry,
) -> Result<Option<TrustList>, WalletError> {
    let path = folder.trust_list_path(entry.jurisdiction);
    match read_trust_list(&path, &entry.root) {
        Err(WalletError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        read => read.map(Some),
    }
}

impl Wallet {
    /// The lists at hand as one snapshot; `None` when the home list is missing.
    pub(crate) fn trust_snapshot(&self) -> Result<Option<TrustSnapshot>, WalletError> {
        let Some((home, others)) = self.config.trust_lists.split_first() else { return Ok(None) };
        let Some(home) = kept_list(&self.folder, home)? else { return Ok(None) };
        let mut lists = Vec::new();
        for entry in others {
            lists.extend(kept_list(&self.folder, entry)?);
        }
        TrustSnapshot::new(home, lists)
            .map(Some)
            .map_err(|error| WalletError::not_taken("trust lists", error))
    }

    /// Fetches every trust list anew. A list that its pinned root did not sign, that is another
    /// jurisdiction's or older than the one kept, is refused.
    pub async fn refresh_trust_lists(&self) -> Result<(), WalletError> {
        for entry in &self.config.trust_lists {
            let by = &entry.url;
            let peer = Peer::unverified(by)
                .map_err(|error| WalletError::not_taken("trust list's address", error))?;
            let outcome = self.client.send_foreign(&peer, Outgoing::get("/v1/trust-list")).await;
            let answer = answer_of(by, outcome)?;
            if answer.status != 200 {
                return Err(WalletError::answer(by, format!("status {}", answer.status)));
            }
            let bad = |error: record::DocumentError| WalletError::answer(by, error);
            let signed = Signed::<TrustList>::from_bytes(&answer.body).map_err(bad)?;
            let list = signed.verify(&entry.root).map_err(bad)?;
            crate::error::same(by, "jurisdiction", &entry.jurisdiction, &list.jurisdiction)?;
            crate::error::same(by, "environment", &self.config.environment, &list.environment)?;
            let kept = kept_list(&self.folder, entry)?.map_or(0, |list| list.version);
            if list.version < kept {
                let got = list.version;
                let reason = format!("expected version {kept} or later, got {got}");
                return Err(WalletError::answer(by, reason));
            }
            self.folder.keep_trust_list(entry.jurisdiction, &signed)?;
        }
        Ok(())
    }
}
