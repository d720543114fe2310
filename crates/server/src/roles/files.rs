//! Files that survive a crash: whole ones, and ones that only grow.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Replaces `path` whole: after a crash the old content stands or the new one, never a part.
///
/// When this returns, the new content and its name are durable. After an error either may stand.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// Makes a folder (mode as the process's umask says) and its name durable.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// A text file to which lines are added, each durable before anything is told of it.
#[derive(Debug)]
pub(crate) struct LineLog {
    file: File,
    path: PathBuf,
    // After a failed write or sync nobody knows what stands at the end: nothing more is added
    // until a restart has read the file again.
    broken: Option<String>,
}

impl LineLog {
    /// Opens or makes the file and reads its lines. A last line without its end was never
    /// durable, so nobody was told of it: it is cut off.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<String>)> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end.saturating_add(1));
        if whole < bytes.len() {
            tracing::warn!(path = %path.display(), "a line that was cut short is removed");
            bytes.truncate(whole);
            file.set_len(u64::try_from(whole).map_err(io::Error::other)?)?;
        }
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        let text = String::from_utf8(bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let lines = text.lines().map(str::to_owned).collect();
        Ok((Self { file, path: path.to_owned(), broken: None }, lines))
    }

    /// Adds a line. When this returns `Ok` it is durable.
    pub(crate) fn append(&mut self, line: &str) -> io::Result<()> {
        if let Some(reason) = &self.broken {
            return Err(io::Error::other(format!("`{}`: {reason}", self.path.display())));
        }
        let added = self
            .file
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(error) = &added {
            self.broken = Some(error.to_string());
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cut_short_is_removed_and_whole_ones_stay() {
        let folder = std::env::temp_dir().join(format!("wayleave-lines-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("lines");
        let (mut log, lines) = LineLog::open(&path).unwrap();
        assert!(lines.is_empty());
        log.append("one").unwrap();
        log.append("two").unwrap();
        drop(log);
        fs::write(&path, "one\ntwo\nthr").unwrap();
        let (mut log, lines) = LineLog::open(&path).unwrap();
        assert_eq!(lines, ["one", "two"]);
        log.append("three").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        fs::remove_dir_all(&folder).unwrap();
    }
}
