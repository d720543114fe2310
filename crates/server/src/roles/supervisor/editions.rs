//! The editions of one signed list: each a file of its own, never changed, numbered by version.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use record::{Document, Signed};
use seal::SigningKey;

use crate::roles::common::RoleError;
use crate::roles::files::{make_folder, write_whole};

/// All editions of one list, the newest in memory.
pub(super) struct Editions<T> {
    folder: PathBuf,
    key: SigningKey,
    newest: Option<(u64, T, Signed<T>)>,
}

impl<T: Document> Editions<T> {
    /// Opens the folder and checks that the newest edition is ours.
    pub(super) fn open(
        folder: &Path,
        key: SigningKey,
        version_of: fn(&T) -> u64,
    ) -> Result<Self, RoleError> {
        let fault = || RoleError::world(format!("reading `{}`", folder.display()));
        make_folder(folder).map_err(fault())?;
        let mut newest = None;
        for entry in fs::read_dir(folder).map_err(fault())? {
            let name = entry.map_err(fault())?.file_name();
            let version = name.to_str().and_then(|n| n.strip_suffix(".cbor"));
            newest = newest.max(version.and_then(|n| n.parse::<u64>().ok()));
        }
        let mut editions = Self { folder: folder.to_owned(), key, newest: None };
        let Some(version) = newest else { return Ok(editions) };
        let signed = editions.read(version).map_err(fault())?;
        let unsound = |reason: String| {
            RoleError::Unsound(format!("edition {version} in `{}`: {reason}", folder.display()))
        };
        let signed = signed.ok_or_else(|| unsound("it cannot be read".to_owned()))?;
        let document =
            signed.verify(&editions.key.public_key()).map_err(|e| unsound(e.to_string()))?;
        if version_of(&document) != version {
            return Err(unsound("it holds another version".to_owned()));
        }
        editions.newest = Some((version, document, signed));
        Ok(editions)
    }

    /// The newest edition.
    pub(super) fn newest(&self) -> Option<(&T, &Signed<T>)> {
        self.newest.as_ref().map(|(_, document, signed)| (document, signed))
    }

    /// Signs the next edition and makes it durable, its act before it. Stopped in between, there
    /// is an act without an edition: nobody saw its outcome, and the next act replaces it.
    pub(super) fn publish(&mut self, version: u64, document: T, act: &[u8]) -> io::Result<()> {
        write_whole(&self.path(version, "act.json"), act)?;
        let signed = Signed::sign(&document, &self.key);
        write_whole(&self.path(version, "cbor"), &signed.to_bytes())?;
        self.newest = Some((version, document, signed));
        Ok(())
    }

    /// The edition of this version, if there is one.
    pub(super) fn read(&self, version: u64) -> io::Result<Option<Signed<T>>> {
        match fs::read(self.path(version, "cbor")) {
            Ok(bytes) => Ok(Signed::from_bytes(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn path(&self, version: u64, kind: &str) -> PathBuf {
        self.folder.join(format!("{version:020}.{kind}"))
    }
}
