//! How far a client has seen each book come, kept outside the book's folder.
//!
//! A folder that was restored from an old copy, guard and all, agrees with itself. Whoever asked
//! it before knows better: an answer of a smaller position than one seen before is refused. One
//! small file per client key; it is a memory and no evidence, and a fork that has grown further
//! is found by a checkpoint only.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use seal::PublicKey;
use seal::text::to_hex;
use terms::{BookName, Position};

/// What a client has seen of its book.
pub(super) struct Seen {
    path: Option<PathBuf>,
    stored: u64,
    now: u64,
}

impl Seen {
    /// What was kept before; nothing where there is no place to keep it.
    pub(super) fn read(client: &PublicKey) -> Self {
        let name = format!("{}.seen", to_hex(client.as_bytes()));
        let path = state_folder().map(|folder| folder.join("ledger").join(name));
        let text = path.as_deref().map(fs::read_to_string).and_then(Result::ok);
        let stored = text.and_then(|text| text.trim_end().parse().ok()).unwrap_or(0);
        Self { path, stored, now: stored }
    }

    /// Whether there is anything to compare with.
    pub(super) const fn is_any(&self) -> bool {
        self.stored > 0
    }

    /// Compares what the book says it has come to.
    pub(super) fn compare(&self, book: &BookName, came: Position) -> anyhow::Result<()> {
        if came.number() >= self.stored {
            return Ok(());
        }
        let (seen, last) = (self.stored, self.stored.saturating_sub(1));
        let file = self.path.as_deref().unwrap_or(Path::new("")).display();
        bail!(
            "JournalRolledBack: this client has seen `{seen}` facts of book `{book}`, which now \
             has `{came}`: positions `{came}` to `{last}` are missing. An older copy is served: \
             nothing was sent to it. If the loss is known and accepted, remove `{file}`"
        )
    }

    /// Takes note of how far it came.
    pub(super) fn saw(&mut self, next: Position) {
        self.now = self.now.max(next.number());
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let Some(path) = self.path.as_deref().filter(|_| self.now > self.stored) else { return };
        // Not synced and not demanded: a memory that is lost remembers less.
        let folder = path.parent().unwrap_or(path);
        let temporary = path.with_extension(format!("new-{}", std::process::id()));
        let _ = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&temporary, format!("{}\n", self.now)))
            .and_then(|()| fs::rename(&temporary, path));
    }
}

/// Where this user's programs keep what they learnt.
fn state_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = || Some(set("HOME")?.join(".local/state"));
    set("WAYLEAVE_STATE")
        .or_else(|| set("XDG_STATE_HOME").or_else(usual).map(|state| state.join("wayleave")))
}
