//! Where a wallet keeps what it has. Every file is whole or absent, and durable when a function
//! that wrote it returns.
//!
//! | path | what |
//! |---|---|
//! | `wallet.json`, `trust.policy` | the directory, and whom it trusts to vouch for receipts |
//! | `keys/` | seeds, [`crate::KeyFolder`] |
//! | `credentials/TYPE-ISSUER.sdjwt` | credentials |
//! | `lists/JURISDICTION.trust-list` | signed trust lists |
//! | `requests/NUMBER.request` | requests to pay that it made |
//! | `payments/PAYMENT/` | `request`, `quote`, `preparation`, `debtor.wayleave`, `creditor.wayleave`, `refusal`, `order`, `preparation-out`, `order-out`, `promise`, `receipt.wayleave` |
//! | `privacy.jsonl` | [`crate::PrivacyRecord`] |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use credential::HeldCredential;
use minicbor::{Decode, Encode};
use record::TrustList;
use record::{Document, Signed};
use seal::{from_canonical, to_canonical};
use terms::{Jurisdiction, PaymentId};

use crate::config::WalletConfig;
use crate::error::WalletError;

/// The largest file read: a document is at most 1 MiB.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most credentials that are read: a company has a dozen.
const CREDENTIALS_MAX: usize = 256;

/// What a payment's folder may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The request to pay.
    Request,
    /// The signed quote.
    Quote,
    /// What the debtor's edge prepared.
    Preparation,
    /// The debtor side's permit.
    DebtorPermit,
    /// The creditor side's permit.
    CreditorPermit,
    /// An edge's signed refusal.
    Refusal,
    /// The order, stored before it is sent.
    Order,
    /// What the edge prepared of a payment out.
    OutgoingPreparation,
    /// The institution's order of a payment out.
    OutgoingOrder,
    /// Whom that order commits to.
    OutgoingParties,
    /// How a payment out ended, in one word: a like one may follow.
    OutgoingEnd,
    /// The core's promise.
    Promise,
    /// The receipt.
    Receipt,
    /// The bank's word that it accepted the payment while the core could not be reached.
    Accepted,
}

impl Kept {
    const fn file(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Quote => "quote",
            Self::Preparation => "preparation",
            Self::DebtorPermit => "debtor.wayleave",
            Self::CreditorPermit => "creditor.wayleave",
            Self::Refusal => "refusal",
            Self::Order => "order",
            Self::OutgoingPreparation => "preparation-out",
            Self::OutgoingOrder => "order-out",
            Self::OutgoingParties => "parties-out",
            Self::OutgoingEnd => "end-out",
            Self::Promise => "promise",
            Self::Receipt => "receipt.wayleave",
            Self::Accepted => "accepted.wayleave",
        }
    }
}

/// The folder of one wallet.
#[derive(Clone, Debug)]
pub struct WalletFolder {
    root: PathBuf,
}

impl WalletFolder {
    /// The folder at `root`, made (mode 0700) if absent.
    pub fn open(root: &Path) -> Result<Self, WalletError> {
        make_folder(root)?;
        Ok(Self { root: root.to_owned() })
    }

    /// Its path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes `wallet.json`.
    pub fn write_config(&self, config: &WalletConfig) -> Result<(), WalletError> {
        let path = self.root.join("wallet.json");
        let mut bytes = serde_json::to_vec_pretty(config).map_err(|error| {
            WalletError::BadFile { path: path.clone(), reason: error.to_string() }
        })?;
        bytes.push(b'\n');
        write_file(&path, &bytes)
    }

    /// Reads `wallet.json` strictly.
    pub fn read_config(&self) -> Result<WalletConfig, WalletError> {
        let path = self.root.join("wallet.json");
        api::json::read_json(&read_file(&path)?)
            .map_err(|error| WalletError::BadFile { path, reason: error.to_string() })
    }

    /// Writes the trust policy that `wallet.json` names `name`.
    pub fn write_trust(&self, name: &str, policy: &str) -> Result<(), WalletError> {
        write_file(&self.root.join(name), policy.as_bytes())
    }

    /// A file of a payment.
    #[must_use]
    pub fn path_of(&self, payment: PaymentId, kept: Kept) -> PathBuf {
        self.root.join("payments").join(payment.to_string()).join(kept.file())
    }

    /// Keeps bytes of a payment.
    pub fn keep_bytes(
        &self,
        payment: PaymentId,
        kept: Kept,
        bytes: &[u8],
    ) -> Result<PathBuf, WalletError> {
        let path = self.path_of(payment, kept);
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        write_file(&path, bytes)?;
        Ok(path)
    }

    /// Keeps a document of a payment.
    pub fn keep<T: Encode<()>>(
        &self,
        payment: PaymentId,
        kept: Kept,
        document: &T,
    ) -> Result<PathBuf, WalletError> {
        self.keep_bytes(payment, kept, &to_canonical(document))
    }

    /// Reads a document of a payment; `None` when there is none.
    pub fn kept<T>(&self, payment: PaymentId, kept: Kept) -> Result<Option<T>, WalletError>
    where
        T: Encode<()> + for<'b> Decode<'b, ()>,
    {
        let path = self.path_of(payment, kept);
        match read_file(&path) {
            Ok(bytes) => from_canonical(&bytes)
                .map(Some)
                .map_err(|error| WalletError::BadFile { path, reason: error.to_string() }),
            Err(WalletError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All payments, oldest id first.
    pub fn payments(&self) -> Result<Vec<PaymentId>, WalletError> {
        let names = list(&self.root.join("payments"))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Keeps a credential; one of the same issuer and type is replaced.
    pub fn keep_credential(&self, credential: &HeldCredential) -> Result<PathBuf, WalletError> {
        let folder = self.root.join("credentials");
        make_folder(&folder)?;
        let name = format!("{}.sdjwt", credential_name(credential));
        let path = folder.join(name);
        write_file(&path, credential.text().as_bytes())?;
        Ok(path)
    }

    /// Forgets every credential of a type, such as before it is received anew. How many there were.
    pub fn forget_credentials(&self, credential_type: &str) -> Result<usize, WalletError> {
        let mut forgotten = 0;
        for held in self.credentials()? {
            if held.open().credential_type == credential_type {
                let name = format!("{}.sdjwt", credential_name(&held));
                let path = self.root.join("credentials").join(name);
                std::fs::remove_file(&path).map_err(|error| WalletError::BadFile {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    /// All credentials, by file name.
    pub fn credentials(&self) -> Result<Vec<HeldCredential>, WalletError> {
        let folder = self.root.join("credentials");
        let names = list(&folder)?;
        let mut held = Vec::new();
        for name in names.iter().filter(|name| name.ends_with(".sdjwt")).take(CREDENTIALS_MAX) {
            let path = folder.join(name);
            let bad = |reason: String| WalletError::BadFile { path: path.clone(), reason };
            let text = String::from_utf8(read_file(&path)?).map_err(|e| bad(e.to_string()))?;
            held.push(HeldCredential::read_stored(&text).map_err(|e| bad(e.to_string()))?);
        }
        Ok(held)
    }

    /// Keeps a trust list that was verified.
    pub fn keep_trust_list(
        &self,
        jurisdiction: Jurisdiction,
        list: &Signed<TrustList>,
    ) -> Result<(), WalletError> {
        make_folder(&self.root.join("lists"))?;
        write_file(&self.trust_list_path(jurisdiction), &list.to_bytes())
    }

    /// Where a jurisdiction's list is kept.
    #[must_use]
    pub fn trust_list_path(&self, jurisdiction: Jurisdiction) -> PathBuf {
        self.root.join("lists").join(format!("{jurisdiction}.trust-list"))
    }

    /// Keeps a request to pay and says where.
    pub fn keep_request<T: Document>(
        &self,
        number: &str,
        request: &T,
    ) -> Result<PathBuf, WalletError> {
        let folder = self.root.join("requests");
        make_folder(&folder)?;
        let path = folder.join(format!("{}.request", file_name(number)));
        write_file(&path, &to_canonical(request))?;
        Ok(path)
    }
}

/// A file's bytes, at most `FILE_BYTES_MAX`.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, WalletError> {
    read_file_up_to(path, FILE_BYTES_MAX)
}

/// A file's bytes, at most `bytes_max`.
pub(crate) fn read_file_up_to(path: &Path, bytes_max: u64) -> Result<Vec<u8>, WalletError> {
    let fault = |source| WalletError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(fault)?;
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(fault)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        let reason = format!("expected at most {bytes_max} bytes");
        return Err(WalletError::BadFile { path: path.to_owned(), reason });
    }
    Ok(bytes)
}

/// Writes beside, syncs, renames, syncs the folder: after a crash the old file or the new one.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), WalletError> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|source| WalletError::File { path: path.to_owned(), source })
}

fn make_folder(path: &Path) -> Result<(), WalletError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| WalletError::File { path: path.to_owned(), source })
}

/// File names of a folder, sorted; none when it is absent.
fn list(folder: &Path) -> Result<Vec<String>, WalletError> {
    let fault = |source| WalletError::File { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.map_err(fault)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn credential_name(credential: &HeldCredential) -> String {
    let open = credential.open();
    let issuer = seal::sha256(open.issuer.as_bytes()).short();
    format!("{}-{issuer}", file_name(&open.credential_type))
}

/// A text as part of a file name: what is not a letter, digit, `-` or `.` becomes `-`.
fn file_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = text.chars().take(64).map(plain).collect();
    name.trim_start_matches(['.', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{config, temporary_folder};

    #[test]
    fn the_configuration_reads_back_and_an_unknown_member_is_refused() {
        let temporary = temporary_folder("config");
        let folder = WalletFolder::open(temporary.path()).unwrap();
        folder.write_config(&config()).unwrap();
        assert_eq!(folder.read_config().unwrap(), config());
        let path = folder.root().join("wallet.json");
        let text = String::from_utf8(read_file(&path).unwrap()).unwrap();
        write_file(&path, text.replacen('{', "{\"spare\":1,", 1).as_bytes()).unwrap();
        assert!(matches!(folder.read_config(), Err(WalletError::BadFile { .. })));
    }

    #[test]
    fn a_file_name_cannot_leave_its_folder() {
        assert_eq!(file_name("../../etc/x"), "etc-x");
        assert_eq!(file_name("INV-014"), "INV-014");
    }

    #[test]
    fn what_is_kept_of_a_payment_reads_back() {
        let temporary = temporary_folder("kept");
        let folder = WalletFolder::open(temporary.path()).unwrap();
        let payment = PaymentId::from_bytes([1; 16]);
        assert_eq!(folder.kept::<terms::Minor>(payment, Kept::Order).unwrap(), None);
        folder.keep(payment, Kept::Order, &terms::Minor::new(7)).unwrap();
        assert_eq!(folder.kept(payment, Kept::Order).unwrap(), Some(terms::Minor::new(7)));
        assert_eq!(folder.payments().unwrap(), [payment]);
    }
}
