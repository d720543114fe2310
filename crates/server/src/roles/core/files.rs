//! The log's files: tiles and checkpoints below one folder, each replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use evidence::TileStore;
use evidence::tile::StoreFault;

/// Tiles in a folder.
#[derive(Clone, Debug)]
pub struct TileFiles {
    folder: PathBuf,
}

impl TileFiles {
    /// Tiles below `folder`, which is made if need be.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_path_buf() })
    }

    /// The bytes at a path that a stranger sent; `None` for anything that is not a tile path.
    #[must_use]
    pub fn serve(&self, path: &str) -> Option<Vec<u8>> {
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.')
        };
        if !path.split('/').all(plain) {
            return None;
        }
        fs::read(self.folder.join(path)).ok()
    }
}

impl TileStore for TileFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        match fs::read(self.folder.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault(path, &error)),
        }
    }

    /// Temporary file, sync, rename, sync of the folder: a reader sees the old or the new bytes.
    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), StoreFault> {
        replace(&self.folder.join(path), bytes).map_err(|error| fault(path, &error))
    }
}

/// Replaces a file as a whole, durably.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = parent.join(format!(".{name}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(parent)?.sync_all()
}

fn fault(path: &str, error: &io::Error) -> StoreFault {
    StoreFault { path: path.to_owned(), reason: error.to_string() }
}
