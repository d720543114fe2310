//! What a folder is, and what of it a backup takes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use evidence::SignedCheckpoint;
use ledger_server::{CHECKPOINT_NAME, Folder};
use server::roles::core::projection::COSIGNED_FILE;
use server::roles::core::{Config, JournalConfig};
use store::backup::{LogPart, Source};
use store::segment::segment_first;
use terms::BookName;

/// Largest file that is sealed whole: keys and lists are far smaller.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// The file of a core's configuration.
pub(super) const ROLE_FILE: &str = "role.json";
/// The file that makes a folder a stand-alone book's.
const BOOK_FILE: &str = "book.json";
const LOG_VKEY_FILE: &str = "log.vkey";

/// The two kinds of folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ledger,
    Core,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Core => "core",
        }
    }

    pub(super) fn named(name: &str) -> anyhow::Result<Self> {
        match name {
            "ledger" => Ok(Self::Ledger),
            "core" => Ok(Self::Core),
            other => bail!("expected a backup of a ledger or a core, got `{other}`"),
        }
    }
}

/// A folder with books.
pub(super) struct Books {
    pub(super) kind: Kind,
    pub(super) dir: PathBuf,
    pub(super) sources: Vec<Source>,
    pub(super) log_book: BookName,
    pub(super) log_key: String,
    pub(super) config: Vec<u8>,
}

impl Books {
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        if dir.join(BOOK_FILE).is_file() {
            return Self::ledger(dir);
        }
        ensure!(
            dir.join(ROLE_FILE).is_file(),
            "expected the folder of a ledger book or of a core, got `{}`",
            dir.display()
        );
        let path = dir.join(ROLE_FILE);
        let bytes = fs::read(&path).with_context(|| format!("`{}`", path.display()))?;
        let config =
            core_config(&bytes).with_context(|| format!("`{}` is not a core's", path.display()))?;
        ensure!(
            matches!(config.journal, JournalConfig::Segments),
            "the books of `{}` are in a PostgreSQL: back that up, this copies files of a journal",
            dir.display()
        );
        let source =
            |book: BookName| Source { book, folder: dir.join("books").join(book.as_str()) };
        let mut sources = vec![source(config.book)];
        sources.extend(config.hosted.iter().map(|hosted| source(hosted.book)));
        for source in &sources {
            ensure!(
                source.folder.is_dir(),
                "book `{}` was never served from `{}`",
                source.book,
                dir.display()
            );
        }
        Ok(Self {
            kind: Kind::Core,
            dir: dir.to_owned(),
            sources,
            log_book: config.book,
            log_key: key_of_policy(&config.policy),
            config: bytes,
        })
    }

    fn ledger(dir: &Path) -> anyhow::Result<Self> {
        let book = Folder::open(dir)?.book();
        let folder = dir.join("journal");
        ensure!(folder.is_dir(), "the book was never served: there is no `{}`", folder.display());
        let key = fs::read_to_string(dir.join(LOG_VKEY_FILE)).unwrap_or_default();
        Ok(Self {
            kind: Kind::Ledger,
            dir: dir.to_owned(),
            sources: vec![Source { book, folder }],
            log_book: book,
            log_key: key.trim_end().to_owned(),
            config: Vec::new(),
        })
    }

    /// What the log has published.
    pub(super) fn log(&self) -> LogPart {
        let read = |name: &str| {
            let bytes = fs::read(self.dir.join("log").join(name)).unwrap_or_default();
            // One that does not parse is none: the facts are copied all the same.
            let parsed = SignedCheckpoint::parse(&bytes).ok();
            parsed.map_or_else(String::new, |checkpoint| checkpoint.to_string())
        };
        LogPart {
            book: self.log_book,
            key: self.log_key.clone(),
            checkpoint: read(CHECKPOINT_NAME),
            cosigned: read(COSIGNED_FILE),
        }
    }

    /// The files without which a folder cannot go on as itself: names below it, sorted. What is
    /// made again from the facts is not among them.
    pub(super) fn secret_files(&self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        self.walk("", &mut found)?;
        found.sort();
        Ok(found)
    }

    fn walk(&self, below: &str, found: &mut Vec<String>) -> anyhow::Result<()> {
        let folder = self.dir.join(below);
        let entries = fs::read_dir(&folder).with_context(|| format!("`{}`", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() && self.goes_into(&path) {
                self.walk(&path, found)?;
            } else if kind.is_file() && self.takes(&path, &name) {
                let length = entry.metadata()?.len();
                let salts = name == store::salt_keys::SALT_KEYS_NAME;
                ensure!(salts || length <= FILE_BYTES_MAX, "`{path}` is too large to be sealed");
                found.push(path);
            }
        }
        Ok(())
    }

    fn goes_into(&self, path: &str) -> bool {
        match self.kind {
            Kind::Ledger => ["keys", "personal", "journal"].contains(&path),
            Kind::Core => {
                let book = path.strip_prefix("books/");
                ["keys", "books"].contains(&path) || book.is_some_and(|rest| !rest.contains('/'))
            }
        }
    }

    fn takes(&self, path: &str, name: &str) -> bool {
        let in_journal = match self.kind {
            Kind::Ledger => path.starts_with("journal/"),
            Kind::Core => path.starts_with("books/"),
        };
        if in_journal {
            return name == store::salt_keys::SALT_KEYS_NAME;
        }
        let passing = name.ends_with(".new") || name.ends_with(".log") || name.starts_with('.');
        let made_anew =
            ["lock", "clean", "address"].contains(&name) || segment_first(name).is_some();
        !passing && !made_anew
    }
}

/// A core's configuration.
pub(super) fn core_config(bytes: &[u8]) -> anyhow::Result<Config> {
    Ok(serde_json::from_slice(bytes)?)
}

/// The log's key as a tlog policy names it.
fn key_of_policy(policy: &str) -> String {
    let line = policy.lines().find_map(|line| line.strip_prefix("log "));
    line.unwrap_or_default().trim().to_owned()
}
