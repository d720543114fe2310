//! The wallet's keys: seeds in files that only their owner can read.
//!
//! `keys/<name>.seed` holds 64 lower-case hex digits and a newline, mode 0600 in a folder of mode
//! 0700. A file that others can read is refused, not repaired: who read it is unknown.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use seal::text::{from_hex_array, to_hex};
use seal::{Es256SigningKey, SigningKey};

use crate::error::WalletError;
use crate::system;

/// The key that signs requests and invoices: the bank knows it as the account's client key.
pub(crate) const REQUEST_KEY: &str = "request";

/// The folder of a wallet's keys.
#[derive(Debug)]
pub struct KeyFolder {
    folder: PathBuf,
}

impl KeyFolder {
    /// Opens `<wallet>/keys`, making it if absent.
    pub fn open(wallet: &Path) -> Result<Self, WalletError> {
        let folder = wallet.join("keys");
        let fault = |source| WalletError::File { path: folder.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(fault)?;
        check_mode(&folder, &fs::metadata(&folder).map_err(fault)?)?;
        Ok(Self { folder })
    }

    /// The key that signs requests and invoices.
    pub fn request_key(&self) -> Result<SigningKey, WalletError> {
        self.seed(REQUEST_KEY).map(|seed| SigningKey::from_seed(&seed))
    }

    /// Holder key `number`. Each issuer gets another one, so that two issuers cannot tell by the
    /// key that they know the same company.
    pub fn holder_key(&self, number: usize) -> Result<Es256SigningKey, WalletError> {
        let name = format!("holder-{number}");
        // A scalar outside the curve's order comes once in 2^32 seeds; it is refused, not bent.
        Es256SigningKey::from_scalar(&self.seed(&name)?)
            .map_err(|_| WalletError::NoSeed { path: self.path(&name) })
    }

    /// The seed of this name; drawn and made durable first if there is none.
    fn seed(&self, name: &str) -> Result<[u8; 32], WalletError> {
        let path = self.path(name);
        match read_seed(&path) {
            Err(WalletError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.create(&path)
            }
            read => read,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.seed"))
    }

    /// Writes a temporary file, syncs it and links it into place: after a crash there is a whole
    /// seed or none, and of two processes one wins and both read its seed.
    fn create(&self, path: &Path) -> Result<[u8; 32], WalletError> {
        let seed = system::random::<32>()?;
        let temporary = path.with_extension(format!("{}.new", to_hex(&system::random::<8>()?)));
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(to_hex(&seed).as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            match fs::hard_link(&temporary, path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => fs::remove_file(&temporary)?,
            }
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| WalletError::File { path: path.to_owned(), source })?;
        read_seed(path)
    }
}

fn read_seed(path: &Path) -> Result<[u8; 32], WalletError> {
    let fault = |source| WalletError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fault)?;
    // The open file is checked, not the path, which could be swapped in between.
    check_mode(path, &file.metadata().map_err(fault)?)?;
    let mut text = String::new();
    Read::by_ref(&mut file).take(66).read_to_string(&mut text).map_err(fault)?;
    text.strip_suffix('\n')
        .and_then(from_hex_array)
        .ok_or_else(|| WalletError::NoSeed { path: path.to_owned() })
}

fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), WalletError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(WalletError::OpenToOthers { path: path.to_owned(), mode })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::temporary_folder;

    #[test]
    fn a_key_is_drawn_once_and_holder_keys_differ() {
        let folder = temporary_folder("keys");
        let keys = KeyFolder::open(folder.path()).unwrap();
        let first = keys.request_key().unwrap().public_key();
        assert_eq!(
            KeyFolder::open(folder.path()).unwrap().request_key().unwrap().public_key(),
            first
        );
        let holders = [1, 2].map(|number| keys.holder_key(number).unwrap().public_key());
        assert_ne!(holders[0], holders[1]);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = temporary_folder("open-keys");
        let keys = KeyFolder::open(folder.path()).unwrap();
        keys.request_key().unwrap();
        let path = keys.path(REQUEST_KEY);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(keys.request_key(), Err(WalletError::OpenToOthers { mode: 0o640, .. })));
    }
}
