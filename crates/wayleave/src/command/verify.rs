//! `wayleave verify`: each check by name, against trust that the caller brings.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use evidence::Trust;
use record::{Signed, TrustList};
use seal::PublicKey;
use terms::Jurisdiction;
use wallet::WalletFolder;
use wallet::verify::{VerifyTrust, verify, verify_recovery};

use super::{files, show};
use crate::cli::check::{VerifyArgs, VerifyHow, VerifyKind};

/// Verifies a file.
pub(crate) fn command(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let (file, how) = match (&args.kind, &args.file) {
        (Some(VerifyKind::Recovery(asked)), _) => (&asked.file, &asked.how),
        (None, Some(file)) => (file, &args.how),
        (None, None) => bail!("expected a file: see `wayleave verify --help`"),
    };
    let bytes = files::read(file)?;
    let trust = trust(how)?;
    let report = match args.kind {
        Some(VerifyKind::Recovery(_)) => verify_recovery(&bytes, trust.as_ref()),
        None => verify(&bytes, trust.as_ref()),
    };
    Ok(show(&report, how.json))
}

fn trust(how: &VerifyHow) -> anyhow::Result<Option<VerifyTrust>> {
    let VerifyHow { trust, roots, wallet, json: _ } = how;
    let pinned = wallet.as_deref().map(|dir| pinned(dir, roots.is_none())).transpose()?;
    let given = trust.as_deref().map(files::read_trust).transpose()?;
    let lists = match (roots, &pinned) {
        (Some(file), _) => lists_by_roots(file)?,
        (None, Some(pinned)) => pinned.lists.clone(),
        (None, None) => Vec::new(),
    };
    let log: Option<Trust> = given.or_else(|| pinned.map(|pinned| pinned.log));
    Ok(log.map(|log| VerifyTrust { log, lists }))
}

/// What a wallet has pinned: its policy file and its trust lists.
fn pinned(dir: &Path, with_lists: bool) -> anyhow::Result<VerifyTrust> {
    let root = files::wallet_folder(Some(dir))?;
    let folder = WalletFolder::open(&root)?;
    let config = folder.read_config()?;
    let log = files::read_trust(&root.join(&config.trust))?;
    let mut lists = Vec::new();
    for entry in config.trust_lists.iter().filter(|_| with_lists) {
        let path = folder.trust_list_path(entry.jurisdiction);
        if path.exists() {
            lists.push(list_under(&path, entry.jurisdiction, &entry.root)?);
        }
    }
    Ok(VerifyTrust { log, lists })
}

/// Lines `NL KEY LIST_FILE`; empty lines and lines from `#` on say nothing.
fn lists_by_roots(file: &Path) -> anyhow::Result<Vec<TrustList>> {
    let text = files::read_text(file)?;
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let mut lists = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let place = || format!("`{}`, line {number}", file.display());
        match words.as_slice() {
            [] => {}
            [country, key, list] => {
                let country: Jurisdiction = country.parse().with_context(place)?;
                let key: PublicKey = key.parse().with_context(place)?;
                lists.push(list_under(&folder.join(list), country, &key)?);
            }
            _ => bail!("{}: expected `NL KEY LIST_FILE`", place()),
        }
    }
    Ok(lists)
}

/// A trust list that this root signed for this jurisdiction.
fn list_under(path: &Path, country: Jurisdiction, root: &PublicKey) -> anyhow::Result<TrustList> {
    let bytes = files::read(path)?;
    let list = Signed::<TrustList>::from_bytes(&bytes)
        .and_then(|signed| signed.verify(root))
        .with_context(|| format!("`{}`", path.display()))?;
    if list.jurisdiction != country {
        let (shown, got) = (path.display(), list.jurisdiction);
        bail!("`{shown}`: expected the trust list of `{country}`, got that of `{got}`");
    }
    Ok(list)
}
