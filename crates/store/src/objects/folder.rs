//! Objects as files of a folder: another disk of this machine, or a mounted one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use seal::sha256;

use super::{Created, OBJECT_BYTES_MAX, ObjectError, Objects, Updated, Version};

/// The file whose lock orders updates; its name is none of an object's.
const LOCK_NAME: &str = ".lock";
/// How names of files begin that are not whole yet.
const UNFINISHED: &str = ".new-";

/// A folder. A file is written under another name, synced, and linked or renamed into place;
/// updates take turns by a lock, which works between processes of one machine only.
#[derive(Debug)]
pub struct FolderObjects {
    folder: PathBuf,
    written: AtomicU64,
}

impl FolderObjects {
    /// Objects below this folder, which is made with the first of them.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder, written: AtomicU64::new(0) }
    }

    fn path(&self, name: &str) -> Result<PathBuf, ObjectError> {
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.');
        if name.split('/').all(plain) {
            return Ok(self.folder.join(name));
        }
        Err(ObjectError::not_done(name, "no name of an object"))
    }

    /// A synced file of these bytes beside `path`.
    fn unfinished(&self, path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
        let parent = path.parent().unwrap_or(&self.folder);
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = parent.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(temporary)
    }

    /// Makes the names of a file and of the folders above it durable.
    fn sync(&self, path: &Path) -> io::Result<()> {
        for folder in path.ancestors().skip(1) {
            File::open(folder)?.sync_all()?;
            if folder == self.folder {
                break;
            }
        }
        Ok(())
    }

    fn link(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        let temporary = self.unfinished(path, bytes)?;
        // Linking fails where the name is taken, which renaming would not.
        let linked = fs::hard_link(&temporary, path);
        fs::remove_file(&temporary)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            linked => linked.and_then(|()| self.sync(path)).map(|()| true),
        }
    }

    fn replace(&self, path: &Path, bytes: &[u8], known: &Version) -> io::Result<bool> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut options = OpenOptions::new();
        let lock = self.folder.join(LOCK_NAME);
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(lock)?;
        lock.lock()?;
        match fs::read(path) {
            Ok(there) if version(&there) == *known => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => return Ok(false),
        }
        fs::rename(self.unfinished(path, bytes)?, path)?;
        self.sync(path).map(|()| true)
    }
}

impl Objects for FolderObjects {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, ObjectError> {
        let path = self.path(name)?;
        match self.link(&path, bytes) {
            Ok(true) => Ok(Created::Done(version(bytes))),
            Ok(false) => Ok(Created::Exists),
            // Linked, perhaps, and the name not made durable.
            Err(error) if path.exists() => Err(unknown(name, &error)),
            Err(error) => Err(ObjectError::not_done(name, error)),
        }
    }

    fn update(&self, name: &str, bytes: &[u8], known: &Version) -> Result<Updated, ObjectError> {
        match self.replace(&self.path(name)?, bytes, known) {
            Ok(true) => Ok(Updated::Done(version(bytes))),
            Ok(false) => Ok(Updated::Moved),
            Err(error) => Err(unknown(name, &error)),
        }
    }

    fn read(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, ObjectError> {
        let path = self.path(name)?;
        let read = fs::metadata(&path).and_then(|found| {
            if found.len() > OBJECT_BYTES_MAX {
                return Err(io::Error::other(format!("{} bytes: too large", found.len())));
            }
            fs::read(&path)
        });
        match read {
            Ok(bytes) => {
                let version = version(&bytes);
                Ok(Some((bytes, version)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ObjectError::not_done(name, error)),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        let entries = match fs::read_dir(self.path(folder)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| ObjectError::not_done(folder, error))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| ObjectError::not_done(folder, error))?;
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            let name = entry.file_name().into_string().ok();
            let name = name.filter(|name| is_file && !name.starts_with('.'));
            names.extend(name.map(|name| format!("{folder}/{name}")));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), ObjectError> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed
                .and_then(|()| self.sync(&path))
                .map_err(|error| ObjectError::not_done(name, error)),
        }
    }
}

fn version(bytes: &[u8]) -> Version {
    Version(sha256(bytes).to_string())
}

fn unknown(name: &str, error: &io::Error) -> ObjectError {
    ObjectError::Unknown { name: name.to_owned(), why: error.to_string() }
}
