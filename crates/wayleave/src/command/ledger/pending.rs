//! What was sent and is not known to be answered: stored before it is sent, so that it can be
//! sent again under the same id, with the same bytes, whatever happened in between.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use ledger::Command;
use ledger_server::Folder;
use seal::text::{from_hex, to_hex};
use seal::{from_canonical, to_canonical};
use serde::{Deserialize, Serialize};

/// The folder of what is under way.
const PENDING: &str = "pending";
const SUFFIX: &str = ".json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    client: String,
    /// Canonical bytes of the command, hexadecimal.
    command: String,
}

/// A command that is stored.
pub(super) struct Kept {
    path: PathBuf,
    client: String,
    /// Where it lies when an older version stored it, which did not name the client.
    old: PathBuf,
}

impl Kept {
    /// A definite answer came.
    pub(super) fn forget(self) {
        // What stays is sent again by `retry` and answered as it was: no harm.
        let _ = fs::remove_file(self.path);
        if read(&self.old).is_ok_and(|(client, _)| client == self.client) {
            let _ = fs::remove_file(self.old);
        }
    }
}

/// Stores a command that has an id of its own; nothing for one that has none.
pub(super) fn keep(
    folder: &Folder,
    client: &str,
    command: &Command,
) -> anyhow::Result<Option<Kept>> {
    let Some(id) = id_of(command) else { return Ok(None) };
    let place = folder.part(PENDING);
    // Ids are each client's own: what another one waits for stays.
    let path = place.join(format!("{id}.{client}{SUFFIX}"));
    let old = place.join(format!("{id}{SUFFIX}"));
    let stored = Stored { client: client.into(), command: to_hex(&to_canonical(command)) };
    write(&place, &path, &serde_json::to_vec(&stored)?)
        .with_context(|| format!("nothing was sent: `{}`", path.display()))?;
    Ok(Some(Kept { path, client: client.into(), old }))
}

/// All that is stored: by which client, and what.
pub(super) fn all(folder: &Folder) -> anyhow::Result<Vec<(String, Command)>> {
    let place = folder.part(PENDING);
    if !place.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(&place)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(SUFFIX) {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read(path).with_context(|| format!("`{}`", path.display()))).collect()
}

fn read(path: &Path) -> anyhow::Result<(String, Command)> {
    let Stored { client, command } = serde_json::from_slice(&fs::read(path)?)?;
    let bytes = from_hex(&command).context("expected hexadecimal digits")?;
    Ok((client, from_canonical(&bytes)?))
}

fn write(place: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(place)?;
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(place)?.sync_all()
}

/// The id that a command brings itself.
pub(super) fn id_of(command: &Command) -> Option<String> {
    match command {
        Command::Post(transaction) => Some(transaction.id.to_string()),
        Command::PostDraft(draft) => Some(draft.id.to_string()),
        Command::PlaceHold(placement) => Some(placement.id.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_one_client_is_none_of_another() {
        let dir = std::env::temp_dir().join(format!("wayleave-pending-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let folder = Folder::create(&dir, "book".parse().unwrap()).unwrap();
        let (transaction, business_date) =
            (terms::TransactionId::from_bytes([7; 16]), "2026-01-05".parse().unwrap());
        let command = Command::PostDraft(ledger::Draft {
            id: transaction,
            business_date,
            reason: ledger::Reason::Payment,
            lines: Vec::new(),
            claims: Vec::new(),
            links: Vec::new(),
            detail: None,
        });
        let clients = || -> Vec<String> {
            all(&folder).unwrap().into_iter().map(|(client, _)| client).collect()
        };
        let kept = |client: &str| keep(&folder, client, &command).unwrap().unwrap();
        let first = kept("first");
        kept("second").forget();
        assert_eq!(clients(), ["first"]);
        // As it was stored before the client was in the name.
        fs::rename(&first.path, &first.old).unwrap();
        assert_eq!(clients(), ["first"]);
        kept("second").forget();
        assert_eq!(clients(), ["first"]);
        kept("first").forget();
        assert!(clients().is_empty());
        fs::remove_dir_all(&dir).unwrap();
    }
}
