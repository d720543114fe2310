//! Who asked for which claims, why, and what was shown: the company's own record.
//!
//! One JSON object a line, each with the digest of the line before it. Values are never written,
//! names only. A line that is changed, moved or taken out of the middle breaks the chain; lines cut
//! off at the end do not, so whoever relies on the end keeps [`PrivacyReport::head`].

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use credential::ConsentView;
use seal::{Digest, Domain};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use terms::{Instant, PaymentId};
use thiserror::Error;

use crate::error::WalletError;
use crate::folder::read_file_up_to;
use crate::outcome::CommandResult;

const ENTRY: Domain = Domain::new("wayleave/privacy-entry/v1");

/// What became of a request for claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disclosure {
    /// The owner agreed: the claims were handed over.
    Shown,
    /// The owner said no: nothing left the wallet.
    Declined,
    /// The wallet could not or would not answer: nothing left it.
    NotAnswered,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyEntry {
    /// From 1, without gaps.
    pub number: u64,
    /// When the owner agreed or declined, RFC 3339.
    pub at: String,
    /// What became of it.
    pub disclosure: Disclosure,
    /// Who asked: its `client_id`.
    pub verifier: String,
    /// The purpose it registered; `null` when no trust list names it.
    pub registered_purpose: Option<String>,
    /// What was asked for, by credential.
    pub credentials: Vec<CredentialShown>,
    /// How many claims were asked for.
    pub asked_count: usize,
    /// How many claims the wallet held then.
    pub held_count: usize,
    /// What was asked for although the verifier did not register it.
    pub unregistered: Vec<String>,
    /// The payment it was for; `null` for a request to pay.
    #[serde(default, with = "optional_text")]
    pub payment: Option<PaymentId>,
    /// Digest of the line before; 64 zeros in the first.
    #[serde(with = "api::wire::text")]
    pub previous: Digest,
}

/// What was asked of one credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialShown {
    /// Its type.
    pub credential_type: String,
    /// Who issued it.
    pub issuer: String,
    /// Names of the claims, never values.
    pub claims: Vec<String>,
    /// How many it holds.
    pub held_count: usize,
}

/// A record that does not hang together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the privacy record `{path}` is damaged at line {line}: {reason}")]
pub struct RecordDamaged {
    /// The file.
    pub path: PathBuf,
    /// The first bad line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// The record's file.
#[derive(Clone, Debug)]
pub struct PrivacyRecord {
    path: PathBuf,
}

/// The longest record read: some 100,000 presentations of about 2 KB each. It is never cut.
const RECORD_BYTES_MAX: u64 = 256 << 20;

impl PrivacyRecord {
    /// The record of the wallet in this folder.
    #[must_use]
    pub fn of(wallet: &Path) -> Self {
        Self { path: wallet.join("privacy.jsonl") }
    }

    /// Writes what `view` asked for and what became of it; durable when this returns. To be called
    /// before the claims leave: a crash in between leaves a line too much, never one too few.
    pub fn append(
        &self,
        view: &ConsentView,
        disclosure: Disclosure,
        payment: Option<PaymentId>,
        at: Instant,
    ) -> Result<PrivacyEntry, WalletError> {
        let (entries, head) = self.read()?;
        let entry = PrivacyEntry {
            number: entries.last().map_or(1, |last| last.number.saturating_add(1)),
            at: at.to_string(),
            disclosure,
            verifier: view.verifier.clone(),
            registered_purpose: view.registered_purpose.clone(),
            credentials: view.credentials.iter().map(CredentialShown::of).collect(),
            asked_count: view.disclosed_count,
            held_count: view.held_count,
            unregistered: view.unregistered.clone(),
            payment,
            previous: head,
        };
        let fault = |source| WalletError::File { path: self.path.clone(), source };
        let mut line = serde_json::to_vec(&entry).map_err(|e| fault(io::Error::other(e)))?;
        line.push(b'\n');
        let write = || {
            let mut file =
                OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
            file.write_all(&line)?;
            file.sync_all()?;
            self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(fault)?;
        Ok(entry)
    }

    /// All entries and the digest of the last line, after checking the chain.
    pub fn read(&self) -> Result<(Vec<PrivacyEntry>, Digest), WalletError> {
        let bytes = match read_file_up_to(&self.path, RECORD_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(WalletError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok((Vec::new(), Digest::ZERO));
            }
            Err(error) => return Err(error),
        };
        Ok(self.check(&bytes)?)
    }

    fn check(&self, bytes: &[u8]) -> Result<(Vec<PrivacyEntry>, Digest), RecordDamaged> {
        let damaged = |line: u64, reason: String| {
            let path = self.path.clone();
            RecordDamaged { path, line, reason }
        };
        let mut head = Digest::ZERO;
        let mut entries: Vec<PrivacyEntry> = Vec::new();
        let Some(body) = bytes.strip_suffix(b"\n") else {
            return Err(damaged(0, "the last line is not whole".to_owned()));
        };
        for (number, line) in (1..).zip(body.split(|byte| *byte == b'\n')) {
            let entry: PrivacyEntry =
                api::json::read_json(line).map_err(|error| damaged(number, error.to_string()))?;
            if serde_json::to_vec(&entry).ok().as_deref() != Some(line) {
                return Err(damaged(number, "not the one encoding of its entry".to_owned()));
            }
            if entry.number != number || entry.previous != head {
                let reason = format!("entry {} does not follow the line before", entry.number);
                return Err(damaged(number, reason));
            }
            head = seal::digest(ENTRY, line);
            entries.push(entry);
        }
        Ok((entries, head))
    }
}

impl CredentialShown {
    fn of(view: &credential::ConsentCredential) -> Self {
        Self {
            credential_type: view.credential_type.clone(),
            issuer: view.issuer.clone(),
            claims: view.disclosed.iter().map(|(name, _)| name.clone()).collect(),
            held_count: view.held_count,
        }
    }
}

/// Who saw what, of all or of one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivacyReport {
    /// The entries asked for.
    pub entries: Vec<PrivacyEntry>,
    /// Digest of the record's last line: keep it to notice a cut end.
    pub head: Digest,
}

impl CommandResult for PrivacyReport {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for entry in &self.entries {
            let what = match entry.disclosure {
                Disclosure::Shown => "saw",
                Disclosure::Declined => "was declined",
                Disclosure::NotAnswered => "asked in vain for",
            };
            lines.push(format!(
                "{}  {} {what} {} of {} claims",
                entry.at, entry.verifier, entry.asked_count, entry.held_count
            ));
            let purpose = entry.registered_purpose.as_deref().unwrap_or("none registered");
            lines.push(format!("    purpose   {purpose}"));
            if let Some(payment) = entry.payment {
                lines.push(format!("    payment   {payment}"));
            }
            for shown in &entry.credentials {
                let (kind, claims) = (&shown.credential_type, shown.claims.join(", "));
                lines.push(format!("    {kind}   {claims}   (of {})", shown.held_count));
            }
            if !entry.unregistered.is_empty() {
                let beyond = entry.unregistered.join(", ");
                lines.push(format!("    warning   asked beyond what it registered: {beyond}"));
            }
        }
        if lines.is_empty() {
            lines.push("nobody asked for anything".to_owned());
        }
        lines.push(format!("record whole, last line {}", self.head));
        lines.join("\n")
    }

    fn json(&self) -> Value {
        json!({ "entries": self.entries, "head": self.head.to_string() })
    }
}

/// An optional value by its text form.
mod optional_text {
    use core::fmt::Display;
    use core::str::FromStr;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(ToString::to_string).serialize(to)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, temporary_folder, view};
    use crate::folder::read_file;

    fn three(record: &PrivacyRecord) {
        let payment = Some(PaymentId::from_bytes([1; 16]));
        record.append(&view(), Disclosure::Shown, payment, NOW).unwrap();
        record.append(&view(), Disclosure::Declined, payment, NOW).unwrap();
        record.append(&view(), Disclosure::NotAnswered, None, NOW).unwrap();
    }

    #[test]
    fn entries_chain_and_hold_names_but_no_values() {
        let folder = temporary_folder("privacy");
        let record = PrivacyRecord::of(folder.path());
        three(&record);
        let (entries, head) = record.read().unwrap();
        assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(entries[0].previous, Digest::ZERO);
        assert_ne!(head, Digest::ZERO);
        let text = String::from_utf8(read_file(&record.path).unwrap()).unwrap();
        assert!(text.contains("legal_name") && !text.contains("Tulip"));
        assert!(!view().credentials[0].disclosed[0].1.is_null());
    }

    #[test]
    fn a_changed_moved_or_missing_line_is_found() {
        let folder = temporary_folder("privacy-damage");
        let record = PrivacyRecord::of(folder.path());
        three(&record);
        let bytes = read_file(&record.path).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let found = record.check(&changed);
            // The last line is vouched for by whoever kept the head.
            let (entries, head) = record.check(&bytes).unwrap();
            assert!(found.is_err() || found.clone().unwrap().1 != head, "byte {index}");
            assert_eq!(entries.len(), 3);
        }
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(record.check(&[lines[0], lines[2]].concat()).unwrap_err().line, 2);
        assert_eq!(record.check(&[lines[1], lines[0], lines[2]].concat()).unwrap_err().line, 1);
        assert!(record.check(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn a_record_longer_than_other_files_still_takes_lines() {
        let folder = temporary_folder("privacy-long");
        let record = PrivacyRecord::of(folder.path());
        let long = ConsentView { unregistered: vec!["claim".repeat(40_000)], ..view() };
        for _ in 0..6 {
            record.append(&long, Disclosure::Shown, None, NOW).unwrap();
        }
        assert!(std::fs::metadata(&record.path).unwrap().len() > 1 << 20);
        assert_eq!(record.read().unwrap().0.len(), 6);
    }

    #[test]
    fn a_damaged_record_takes_no_more_lines() {
        let folder = temporary_folder("privacy-stop");
        let record = PrivacyRecord::of(folder.path());
        three(&record);
        let mut bytes = read_file(&record.path).unwrap();
        bytes[20] ^= 1;
        crate::folder::write_file(&record.path, &bytes).unwrap();
        let refused = record.append(&view(), Disclosure::Shown, None, NOW);
        assert!(matches!(refused, Err(WalletError::Privacy(_))));
    }
}
