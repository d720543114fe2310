//! One directory of files, as the journal needs it: the port and the real adapter.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::times::Times;

/// One directory of files with flat names.
///
/// The contract is that of a POSIX file system and no more: what was written is durable after
/// [`DiskFile::sync`]; a name made or changed is durable after [`Disk::sync_directory`]; a rename
/// is atomic; unsynced writes reach the disk in any order, in part, or never. After an error from
/// a sync nothing is known of what was written before it, and the file must not be used again:
/// the next sync may say yes without having written (the kernel forgets).
pub trait Disk: Send {
    /// An open file.
    type File: DiskFile;

    /// Makes a file of `bytes` zero bytes in place of any of that name.
    ///
    /// # Errors
    /// The device's; `StorageFull` when there is no room.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Self::File>;

    /// Opens a file to read and write.
    ///
    /// # Errors
    /// `NotFound`, or the device's.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Renames atomically, over any file of the new name.
    ///
    /// # Errors
    /// The device's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Exchanges the names of two files atomically: neither is removed, so no block is freed.
    ///
    /// # Errors
    /// `NotFound` when one of them is missing, `Unsupported` where there is no such thing, or the
    /// device's. Nothing was done.
    fn exchange(&self, _one: &str, _other: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Removes a file.
    ///
    /// # Errors
    /// The device's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes names durable.
    ///
    /// # Errors
    /// The device's.
    fn sync_directory(&self) -> io::Result<()>;

    /// All names, sorted.
    ///
    /// # Errors
    /// The device's.
    fn list(&self) -> io::Result<Vec<String>>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send {
    /// The bytes from `offset`, as many as there are up to `most`.
    ///
    /// # Errors
    /// The device's.
    fn read_at(&self, offset: u64, most: usize) -> io::Result<Vec<u8>>;

    /// Writes all bytes. After an error any part may have been written.
    ///
    /// # Errors
    /// The device's.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written durable, with the length.
    ///
    /// # Errors
    /// The device's; the file must not be used again.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts or extends with zeros.
    ///
    /// # Errors
    /// The device's.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;

    /// Its length.
    ///
    /// # Errors
    /// The device's.
    fn bytes(&self) -> io::Result<u64>;
}

/// Name of the file whose lock keeps a second writer out.
pub const LOCK_NAME: &str = "lock";

/// A directory of the operating system's.
#[derive(Debug)]
pub struct FileDisk {
    directory: PathBuf,
    flush_delay: Duration,
    syncs: Option<Arc<Times>>,
    /// Held as long as the value lives; the kernel lets go of it when the process dies.
    _lock: Option<File>,
}

/// Why a directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Another process holds it.
    #[error("`{0}` is in use by another process")]
    InUse(PathBuf),
    /// The file system failed.
    #[error("`{path}` cannot be used: {error}")]
    Failed {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl FileDisk {
    /// Takes a directory for writing, making it if need be. One process at a time.
    ///
    /// # Errors
    /// [`TakeError`].
    pub fn take(directory: &Path) -> Result<Self, TakeError> {
        let failed = |error| TakeError::Failed { path: directory.to_path_buf(), error };
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(directory).map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .mode(FILE_MODE)
            .truncate(false)
            .write(true)
            .open(directory.join(LOCK_NAME))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                directory: directory.to_path_buf(),
                flush_delay: Duration::ZERO,
                syncs: None,
                _lock: Some(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(TakeError::InUse(directory.to_path_buf())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Looks at a directory without taking it, for checks on a copy or beside a writer.
    #[must_use]
    pub fn look(directory: &Path) -> Self {
        let directory = directory.to_path_buf();
        Self { directory, flush_delay: Duration::ZERO, syncs: None, _lock: None }
    }

    /// Waits so much longer in each sync of a file: to see what a slower disk would do. For
    /// measurements only.
    #[must_use]
    pub const fn with_flush_delay(mut self, delay: Duration) -> Self {
        self.flush_delay = delay;
        self
    }

    /// Adds how long each sync of a file takes to a histogram.
    #[must_use]
    pub fn with_sync_times(mut self, times: Arc<Times>) -> Self {
        self.syncs = Some(times);
        self
    }

    fn file(&self, file: File) -> SystemFile {
        SystemFile { file, flush_delay: self.flush_delay, syncs: self.syncs.clone() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// A file of the operating system's.
#[derive(Debug)]
pub struct SystemFile {
    file: File,
    flush_delay: Duration,
    syncs: Option<Arc<Times>>,
}

impl Disk for FileDisk {
    type File = SystemFile;

    fn create(&self, name: &str, bytes: u64) -> io::Result<SystemFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(FILE_MODE);
        let file = options.open(self.path(name))?;
        if bytes > 0 {
            // The blocks are taken now: a full disk shows here, where nothing is at stake, and a
            // sync that need not record new blocks is several times faster. Writing zeros through
            // the page cache instead would cost a write of everything.
            allocate(&file, bytes)?;
        }
        Ok(self.file(file))
    }

    fn open(&self, name: &str) -> io::Result<SystemFile> {
        let path = self.path(name);
        if self._lock.is_none() {
            return Ok(self.file(File::open(path)?));
        }
        Ok(self.file(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    #[cfg(target_os = "linux")]
    fn exchange(&self, one: &str, other: &str) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        let flags = RenameFlags::EXCHANGE;
        match renameat_with(CWD, self.path(one), CWD, self.path(other), flags) {
            Ok(()) => Ok(()),
            Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}

/// Takes the blocks of a file; where the file system cannot, the length alone.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(bytes),
        Err(error) => Err(error.into()),
    }
}

impl DiskFile for SystemFile {
    fn read_at(&self, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let there = self.file.metadata()?.len().saturating_sub(offset);
        let length = usize::try_from(there).unwrap_or(usize::MAX).min(most);
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        if !self.flush_delay.is_zero() {
            std::thread::sleep(self.flush_delay);
        }
        self.file.sync_data()?;
        if let Some(syncs) = &self.syncs {
            syncs.add(begun.elapsed());
        }
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

/// Puts a whole small file in place so that after a crash there is the old one or the new one.
///
/// # Errors
/// The device's. The old file is in place then, or the new one: never a mixture.
pub fn replace<D: Disk>(disk: &D, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}{TEMPORARY_SUFFIX}");
    let mut file = disk.create(&temporary, 0)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    // Stopped before: the old file and a leftover that the next opening removes. Stopped after,
    // before the directory is synced: one or the other.
    disk.rename(&temporary, name)?;
    disk.sync_directory()
}

/// A journal holds terms and invoices, and the salts beside it open every commitment: nobody but
/// their owner reads them.
const FILE_MODE: u32 = 0o600;
/// See [`FILE_MODE`].
const FOLDER_MODE: u32 = 0o700;

/// How names of unfinished files end. Opening removes them.
pub const TEMPORARY_SUFFIX: &str = ".new";

/// The whole of a file; `None` when there is no such file.
///
/// # Errors
/// The device's, other than `NotFound`.
pub fn read_whole<D: Disk>(disk: &D, name: &str) -> io::Result<Option<Vec<u8>>> {
    match disk.open(name) {
        Ok(file) => {
            let bytes = usize::try_from(file.bytes()?).unwrap_or(usize::MAX);
            file.read_at(0, bytes).map(Some)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
