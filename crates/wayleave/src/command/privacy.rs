//! `wayleave privacy`: who saw what, as a table.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};
use wallet::{
    CommandResult, Disclosure, PrivacyEntry, PrivacyRecord, PrivacyReport, WalletConfig,
    WalletFolder,
};

use super::files;
use crate::cli::wallet::{PrivacyArgs, Which};

/// Prints the record of one payment or of all.
pub(crate) fn command(args: &PrivacyArgs) -> anyhow::Result<ExitCode> {
    let root = files::wallet_folder(args.place.wallet.as_deref())?;
    let folder = WalletFolder::open(&root)?;
    let config = folder.read_config()?;
    let (mut entries, head) = PrivacyRecord::of(&root).read()?;
    if let Which::One(payment) = args.which {
        entries.retain(|entry| entry.payment == Some(payment));
        if entries.is_empty() && !folder.payments()?.contains(&payment) {
            bail!("this wallet knows no payment `{payment}`: see `wayleave wallet list`");
        }
    }
    let report = Table { report: PrivacyReport { entries, head }, config };
    Ok(super::show(&report, args.place.json))
}

/// A privacy report with the names of the edges.
struct Table {
    report: PrivacyReport,
    config: WalletConfig,
}

impl Table {
    /// The edge that asked, by the address its answer goes to.
    fn edge(&self, entry: &PrivacyEntry) -> Option<&str> {
        let address = entry.verifier.strip_prefix("redirect_uri:").unwrap_or(&entry.verifier);
        let under = |url: &str| {
            let rest = address.strip_prefix(url.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let edge = self.config.edges.iter().find(|edge| under(&edge.peer.url));
        edge.map(|edge| edge.peer.name.as_str())
    }
}

impl CommandResult for Table {
    fn text(&self) -> String {
        let entries = &self.report.entries;
        if entries.is_empty() {
            return "nobody asked this wallet for anything".to_owned();
        }
        let mut lines =
            vec![format!("{:<20}  {:<12}  {:<12}  {:<9}  for", "when", "edge", "", "claims")];
        for entry in entries {
            let what = match entry.disclosure {
                Disclosure::Shown => "saw",
                Disclosure::Declined => "was declined",
                Disclosure::NotAnswered => "got nothing",
            };
            lines.push(format!(
                "{:<20}  {:<12}  {what:<12}  {:>2} of {:<3}  {}",
                seconds_only(&entry.at),
                self.edge(entry).unwrap_or("unknown"),
                entry.asked_count,
                entry.held_count,
                entry.registered_purpose.as_deref().unwrap_or("no registered purpose")
            ));
            if let Some(payment) = entry.payment {
                lines.push(format!("    payment  {payment}"));
            }
            for shown in &entry.credentials {
                let (kind, claims) = (short(&shown.credential_type), shown.claims.join(", "));
                lines.push(format!("    {kind}  {claims}  (of {})", shown.held_count));
            }
            if !entry.unregistered.is_empty() {
                let beyond = entry.unregistered.join(", ");
                lines.push(format!("    WARNING  asked beyond what it registered: {beyond}"));
            }
        }
        lines.push(format!("record whole; its last line is {}", self.report.head));
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let with_edge = |entry: &PrivacyEntry| {
            let mut value = json!(entry);
            if let Some(object) = value.as_object_mut() {
                object.insert("edge".to_owned(), json!(self.edge(entry)));
            }
            value
        };
        let entries: Vec<Value> = self.report.entries.iter().map(with_edge).collect();
        json!({ "entries": entries, "head": self.report.head.to_string() })
    }
}

/// `2026-11-22T22:10:43.5Z` without the fraction.
fn seconds_only(at: &str) -> String {
    at.split_once('.').map_or_else(|| at.to_owned(), |(whole, _)| format!("{whole}Z"))
}

/// The last part of a credential type's name.
fn short(credential_type: &str) -> &str {
    let parts = credential_type.rsplit([':', '/']);
    parts.into_iter().find(|part| part.len() > 2).unwrap_or(credential_type)
}
