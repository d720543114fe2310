//! `wallet.json`: whose wallet it is and whom it knows. Nothing in it is fetched or guessed.

use seal::PublicKey;
use serde::{Deserialize, Serialize};
use terms::{
    AccountId, AssetCode, BookName, CompanyId, CorridorName, Environment, InstitutionName,
    Jurisdiction, ProviderName,
};

/// The directory of one wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalletConfig {
    /// Where it pays: documents of another environment are refused.
    #[serde(with = "api::wire::text")]
    pub environment: Environment,
    /// The company.
    #[serde(with = "api::wire::text")]
    pub company: CompanyId,
    /// Its legal name, as invoices say it.
    pub legal_name: String,
    /// Its account.
    #[serde(with = "api::wire::text")]
    pub account: AccountId,
    /// The account's asset.
    #[serde(with = "api::wire::text")]
    pub asset: AssetCode,
    /// The institution that holds the account; one of `edges`.
    #[serde(with = "api::wire::text")]
    pub institution: InstitutionName,
    /// The corridor it pays along.
    #[serde(with = "api::wire::text")]
    pub corridor: CorridorName,
    /// The corridor it is paid along, and refunds come back; its bank takes requests to be paid
    /// for one corridor each. Absent: for the only one that its bank serves.
    #[serde(default, with = "api::wire::optional_text", skip_serializing_if = "Option::is_none")]
    pub paid_along: Option<CorridorName>,
    /// The settlement book.
    #[serde(with = "api::wire::text")]
    pub book: BookName,
    /// The core.
    pub core: PeerEntry,
    /// The bank that keeps the account, where it runs its own book: it may accept a payment for
    /// good while the core cannot be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<PeerEntry>,
    /// The FX provider.
    pub provider: ProviderEntry,
    /// The edges whose decisions it takes: its own institution's and those of payees.
    pub edges: Vec<EdgeEntry>,
    /// Base URLs of issuers. Each has a holder key of its own: the first `holder-1`, and so on.
    pub issuers: Vec<String>,
    /// Whose trust lists it reads, its own jurisdiction's first. Empty: purposes of verifiers
    /// cannot be looked up, and the consent view says so.
    pub trust_lists: Vec<TrustListEntry>,
    /// The tlog-policy file with the log's line, within the folder.
    pub trust: String,
}

/// A server whose every answer must be signed with `key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerEntry {
    /// Its name, for messages.
    pub name: String,
    /// `http://host:port`; of a core that others stand by for, several with blanks between.
    pub url: String,
    /// The key that signs its answers.
    #[serde(with = "api::wire::text")]
    pub key: PublicKey,
}

/// An institution's edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeEntry {
    /// Whose edge it is.
    #[serde(with = "api::wire::text")]
    pub institution: InstitutionName,
    /// The server.
    pub peer: PeerEntry,
    /// The key that signs its permits, refusals and acceptances.
    #[serde(with = "api::wire::text")]
    pub permit_key: PublicKey,
}

/// The FX provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    /// Its name in quotes.
    #[serde(with = "api::wire::text")]
    pub provider: ProviderName,
    /// The server.
    pub peer: PeerEntry,
    /// The key that signs its quotes.
    #[serde(with = "api::wire::text")]
    pub quote_key: PublicKey,
}

/// A jurisdiction's trust list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustListEntry {
    /// Whose list it is.
    #[serde(with = "api::wire::text")]
    pub jurisdiction: Jurisdiction,
    /// `http://host:port` of its keeper.
    pub url: String,
    /// Its pinned root key.
    #[serde(with = "api::wire::text")]
    pub root: PublicKey,
}

impl WalletConfig {
    /// The edge of this institution.
    #[must_use]
    pub fn edge(&self, institution: InstitutionName) -> Option<&EdgeEntry> {
        self.edges.iter().find(|edge| edge.institution == institution)
    }

    /// The number of the holder key for this issuer, from 1: that of the longest base URL it lies
    /// under.
    #[must_use]
    pub fn holder_number(&self, issuer: &str) -> Option<usize> {
        let under = |base: &str| {
            let base = base.trim_end_matches('/');
            issuer.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        (1..)
            .zip(&self.issuers)
            .filter(|(_, base)| under(base))
            .max_by_key(|(_, base)| base.len())
            .map(|(number, _)| number)
    }

    /// Every authority that the wallet may call.
    #[must_use]
    pub fn authorities(&self) -> Vec<String> {
        let edges = self.edges.iter().map(|edge| edge.peer.url.as_str());
        edges
            .chain(self.core.url.split_ascii_whitespace())
            .chain([self.provider.peer.url.as_str()])
            .chain(self.bank.iter().map(|bank| bank.url.as_str()))
            .chain(self.issuers.iter().map(String::as_str))
            .chain(self.trust_lists.iter().map(|list| list.url.as_str()))
            .filter_map(|url| split_url(url).map(|(base, _)| base))
            .map(|base| base.trim_start_matches("http://").to_owned())
            .collect()
    }
}

/// `http://host:port` and the rest, which is `/` at least.
pub(crate) fn split_url(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).map_or(url.len(), |at| at.saturating_add(7));
    let (base, target) = (url.get(..end)?, url.get(end..)?);
    if base.len() == 7 || target.contains('#') {
        return None;
    }
    Some((base, if target.is_empty() { "/" } else { target }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_cut_after_the_authority() {
        assert_eq!(split_url("http://a:1/b?c"), Some(("http://a:1", "/b?c")));
        assert_eq!(split_url("http://a:1"), Some(("http://a:1", "/")));
        for bad in ["https://a", "http://", "http:///x", "http://a/#f", "ftp://a"] {
            assert_eq!(split_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_issuer_has_a_holder_key_of_its_own() {
        let mut config = crate::fixtures::config();
        config.issuers = vec!["http://i:1/register".to_owned(), "http://i:1/tax".to_owned()];
        assert_eq!(config.holder_number("http://i:1/tax"), Some(2));
        assert_eq!(config.holder_number("http://i:1/register/"), Some(1));
        assert_eq!(config.holder_number("http://i:1/registered"), None);
    }
}
