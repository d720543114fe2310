//! One document that two persons sign: the first into a file, the second to the core.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, bail};
use record::{Document, Signed, TwoPersons};
use seal::SigningKey;
use server::keys::KeyStore;

use super::files;

/// An approver's key must be there: opening would draw a new one that nobody knows.
pub(super) fn approver(folder: &Path, who: &str) -> anyhow::Result<SigningKey> {
    let name = format!("approve-{who}");
    let path = folder.join("keys").join(format!("{name}.seed"));
    if !path.is_file() {
        bail!("there is no key of `{who}`: expected `{}`", path.display());
    }
    Ok(KeyStore::open(folder)?.signing_key(&name)?)
}

/// Writes what the first person signed into a new file.
pub(super) fn write_first<T: Document>(path: &Path, signed: &Signed<T>) -> anyhow::Result<()> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(&signed.to_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("`{}`", path.display()))
}

/// Reads what the first person signed and signs it too. What is signed is the document itself,
/// which the caller shows.
pub(super) fn second<T: Document>(
    path: &Path,
    key: &SigningKey,
) -> anyhow::Result<(T, TwoPersons<T>)> {
    let bytes = files::read(path)?;
    let first = Signed::<T>::from_bytes(&bytes)
        .with_context(|| format!("`{}` holds no signed {}", path.display(), T::NAME))?;
    if first.key() == key.key_id() {
        bail!("this key signed first: another person must sign");
    }
    let document = first.read_unverified()?;
    let second = Signed::sign(&document, key);
    Ok((document, TwoPersons { first, second }))
}
