//! A wallet that is open: its folder, directory, keys and the one client.

use std::path::Path;

use client::{AddressGuard, CLIENT_LIMITS, Client};
use credential::{ConsentView, HeldCredential, PresentationRequest, TrustSnapshot};
use evidence::Trust;
use record::TrustList;
use seal::{Es256SigningKey, SigningKey};
use terms::{Instant, PaymentId};

use crate::config::{EdgeEntry, WalletConfig};
use crate::error::WalletError;
use crate::folder::WalletFolder;
use crate::keys::KeyFolder;
use crate::privacy::{PrivacyRecord, PrivacyReport};
use crate::trust::read_trust;

/// A company's wallet.
pub struct Wallet {
    pub(crate) folder: WalletFolder,
    pub(crate) config: WalletConfig,
    pub(crate) keys: KeyFolder,
    pub(crate) request_key: SigningKey,
    pub(crate) client: Client,
    pub(crate) trust: Trust,
    pub(crate) record: PrivacyRecord,
}

impl Wallet {
    /// Opens the wallet in `root`. Call within a tokio runtime: the client keeps connections.
    pub fn open(root: &Path) -> Result<Self, WalletError> {
        let folder = WalletFolder::open(root)?;
        let config = folder.read_config()?;
        let keys = KeyFolder::open(root)?;
        let guard = config
            .authorities()
            .iter()
            .fold(AddressGuard::public_only(), |guard, authority| guard.allow(authority));
        Ok(Self {
            request_key: keys.request_key()?,
            trust: read_trust(&root.join(&config.trust))?,
            record: PrivacyRecord::of(root),
            client: Client::new(guard, CLIENT_LIMITS),
            folder,
            config,
            keys,
        })
    }

    /// Its folder.
    #[must_use]
    pub const fn folder(&self) -> &WalletFolder {
        &self.folder
    }

    /// Its directory.
    #[must_use]
    pub const fn config(&self) -> &WalletConfig {
        &self.config
    }

    /// What it trusts to vouch for receipts.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Who saw which claims: of one payment, or of all and requests to pay with `None`.
    pub fn privacy(&self, payment: Option<PaymentId>) -> Result<PrivacyReport, WalletError> {
        let (entries, head) = self.record.read()?;
        let wanted = |entry: &crate::PrivacyEntry| payment.is_none() || entry.payment == payment;
        Ok(PrivacyReport { entries: entries.into_iter().filter(wanted).collect(), head })
    }

    /// The edge of the wallet's own institution.
    pub(crate) fn own_edge(&self) -> Result<&EdgeEntry, WalletError> {
        let name = self.config.institution;
        self.config.edge(name).ok_or_else(|| {
            WalletError::not_taken("wallet.json", format!("expected an edge of `{name}`"))
        })
    }

    /// Every holder key there is an issuer for.
    pub(crate) fn holder_keys(&self) -> Result<Vec<Es256SigningKey>, WalletError> {
        (1..=self.config.issuers.len()).map(|number| self.keys.holder_key(number)).collect()
    }

    /// What a request would show, against the trust lists at hand.
    pub(crate) fn consent_view(
        &self,
        request: &PresentationRequest,
        held: &[HeldCredential],
    ) -> Result<ConsentView, WalletError> {
        let snapshot = match self.trust_snapshot()? {
            Some(snapshot) => snapshot,
            None => self.nobody_listed()?,
        };
        credential::consent(request, held, &snapshot)
            .map_err(|error| WalletError::not_taken("request for a presentation", error))
    }

    /// A snapshot in which nobody is registered: every claim is then shown as unregistered.
    fn nobody_listed(&self) -> Result<TrustSnapshot, WalletError> {
        let list = TrustList {
            layout: 1,
            environment: self.config.environment,
            jurisdiction: match self.config.trust_lists.first() {
                Some(entry) => entry.jurisdiction,
                None => "XX".parse().map_err(|e| WalletError::not_taken("trust lists", e))?,
            },
            version: 0,
            issued_at: Instant::EPOCH,
            next_update: Instant::EPOCH,
            issuers: Vec::new(),
            institutions: Vec::new(),
            providers: Vec::new(),
            verifiers: Vec::new(),
            recognitions: Vec::new(),
        };
        TrustSnapshot::new(list, Vec::new())
            .map_err(|error| WalletError::not_taken("trust lists", error))
    }
}
