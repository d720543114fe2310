//! Keeps the lists in force: fetched from supervisors under pinned roots, published to the core
//! as a snapshot, and used only once the core knows it.
//!
//! The newest edition ever seen of each list is on disk before it is used: an older one is
//! refused for ever, after a restart too. A supervisor that does not answer changes nothing: the
//! last snapshot goes on until its lists are overdue, and then the pack says what happens.

use std::path::PathBuf;
use std::sync::Arc;

use admission::Lists;
use admission::lists::snapshot_of;
use api::wire::CBOR;
use client::{Outcome, Outgoing, Peer};
use record::{Document, Signed, Snapshot, TrustList};
use screening::{LoadedList, ScreeningList};
use seal::PublicKey;
use terms::Jurisdiction;

use super::config::{Config, named, wrong};
use super::disk::replace;
use super::state::Edge;
use crate::roles::RoleError;

/// Where a list comes from, and the newest edition of it that was seen.
struct Source<T> {
    name: String,
    path: PathBuf,
    peer: Peer,
    root: PublicKey,
    held: Option<Edition<T>>,
}

struct Edition<T> {
    signed: Signed<T>,
    list: T,
}

/// The keeper of one edge instance.
pub(super) struct Keeper {
    edge: Arc<Edge>,
    trust: Vec<(Jurisdiction, Source<TrustList>)>,
    sanctions: Vec<Source<ScreeningList>>,
    snapshot_path: PathBuf,
    snapshot: Option<Edition<Snapshot>>,
    published: bool,
}

/// What lists of both kinds have.
trait Versioned: Document {
    fn version(&self) -> u64;
}

impl Versioned for TrustList {
    fn version(&self) -> u64 {
        self.version
    }
}

impl Versioned for ScreeningList {
    fn version(&self) -> u64 {
        self.version
    }
}

impl Keeper {
    /// Reads what was seen before.
    pub(super) fn open(edge: Arc<Edge>, config: &Config) -> Result<Self, RoleError> {
        let folder = edge.dir.join("lists");
        std::fs::create_dir_all(&folder).map_err(RoleError::world("making folder `lists`"))?;
        let mut trust = Vec::new();
        for list in &config.lists {
            let jurisdiction: Jurisdiction = named("lists.jurisdiction", &list.jurisdiction)?;
            let name = format!("trust-{jurisdiction}");
            trust.push((jurisdiction, Source::open(config, &list.peer, name, &folder)?));
        }
        let mut sanctions = Vec::new();
        for peer in &config.sanctions_from {
            sanctions.push(Source::open(config, peer, format!("sanctions-{peer}"), &folder)?);
        }
        let snapshot_path = folder.join("snapshot");
        let snapshot = read_held(&snapshot_path, &edge.permit_key.public_key())?;
        Ok(Self { edge, trust, sanctions, snapshot_path, snapshot, published: false })
    }

    /// Fetches all lists, and publishes a snapshot if anything is new.
    pub(super) async fn refresh(&mut self) -> Result<(), RoleError> {
        let mut changed = false;
        for (jurisdiction, source) in &mut self.trust {
            let (environment, of) = (self.edge.settings.environment, *jurisdiction);
            let fits =
                |list: &TrustList| list.environment == environment && list.jurisdiction == of;
            changed |= source.fetch(&self.edge, "/v1/trust-list", fits).await?;
        }
        for source in &mut self.sanctions {
            changed |= source.fetch(&self.edge, "/v1/sanctions", |_| true).await?;
        }
        if self.trust.iter().any(|(_, source)| source.held.is_none()) {
            return Ok(());
        }
        if changed || self.snapshot.is_none() {
            self.take()?;
        }
        if !self.published {
            self.publish().await?;
        }
        Ok(())
    }

    /// Signs a snapshot of what is held: durable before anybody is told of its version.
    fn take(&mut self) -> Result<(), RoleError> {
        let version = self.snapshot.as_ref().map_or(1, |held| held.list.version.saturating_add(1));
        let settings = &self.edge.settings;
        let trust: Vec<&TrustList> =
            self.trust.iter().filter_map(|(_, s)| Some(&s.held.as_ref()?.list)).collect();
        let sanctions = self.loaded();
        let of = (settings.environment, settings.institution, version);
        let list = snapshot_of(of, &trust, &sanctions, self.edge.now());
        let signed = Signed::sign(&list, &self.edge.permit_key);
        replace(&self.snapshot_path, &signed.to_bytes())
            .map_err(RoleError::world("writing the snapshot"))?;
        self.snapshot = Some(Edition { signed, list });
        self.published = false;
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), RoleError> {
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        let body = snapshot.signed.to_bytes();
        match self.edge.to_core(Outgoing::post("/v1/snapshots", CBOR, body)).await {
            Outcome::Answer(_) => {
                let digest = snapshot.signed.digest();
                let mut lists: Vec<TrustList> = self
                    .trust
                    .iter()
                    .filter_map(|(_, s)| Some(s.held.as_ref()?.list.clone()))
                    .collect();
                let home = lists.remove(0);
                let sanctions = self.loaded();
                let lists = Lists::new(home, lists, sanctions, digest)
                    .map_err(|error| RoleError::Unsound(error.to_string()))?;
                self.edge.use_lists(lists);
                self.published = true;
                tracing::info!(snapshot = %digest, "the snapshot is in force");
            }
            Outcome::Refused(problem) => {
                tracing::warn!(code = problem.code, detail = problem.detail, "snapshot refused");
                // Somebody of this institution published a higher version: ours must rise.
                if problem.detail.as_deref().is_some_and(|text| text.contains("newer than")) {
                    self.take()?;
                }
            }
            Outcome::NotDone(why) => tracing::debug!(%why, "the snapshot waits for the core"),
            Outcome::Unknown(why) => tracing::debug!(%why, "the snapshot waits for the core"),
        }
        Ok(())
    }

    fn loaded(&self) -> Vec<LoadedList> {
        let held = self.sanctions.iter().filter_map(|source| source.held.as_ref());
        held.map(|edition| LoadedList::new(edition.list.clone())).collect()
    }
}

impl<T: Versioned> Source<T> {
    fn open(
        config: &Config,
        peer: &str,
        name: String,
        folder: &std::path::Path,
    ) -> Result<Self, RoleError> {
        let found = config.peer(peer)?;
        let no_root = || wrong("peers", format!("expected a key `list` of peer `{peer}`"));
        let root = found.key("list").ok_or_else(no_root)?;
        let path = folder.join(&name);
        let held = read_held(&path, &root)?;
        let peer = Peer::unverified(&found.url).map_err(|e| wrong("peers", e.to_string()))?;
        Ok(Self { name, path, peer, root, held })
    }

    /// Whether a newer edition is held now.
    async fn fetch(
        &mut self,
        edge: &Edge,
        target: &str,
        fits: impl Fn(&T) -> bool,
    ) -> Result<bool, RoleError> {
        let outcome = edge.client.send_unsigned(&self.peer, Outgoing::get(target)).await;
        let Outcome::Answer(answer) = outcome else { return Ok(false) };
        let read = || {
            let signed = Signed::<T>::from_bytes(&answer.body).map_err(|e| e.to_string())?;
            let list = signed.verify(&self.root).map_err(|e| e.to_string())?;
            if fits(&list) {
                Ok(Edition { signed, list })
            } else {
                Err("it is of another environment or jurisdiction".to_owned())
            }
        };
        let edition = match read() {
            Ok(edition) => edition,
            Err(reason) => {
                tracing::warn!(list = self.name, reason, "a list is refused");
                return Ok(false);
            }
        };
        match supersedes(self.held.as_ref(), &edition) {
            Ok(true) => {
                replace(&self.path, &edition.signed.to_bytes())
                    .map_err(RoleError::world(format!("writing list `{}`", self.name)))?;
                self.held = Some(edition);
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(reason) => {
                tracing::warn!(list = self.name, reason, "a list is refused");
                Ok(false)
            }
        }
    }
}

/// Whether `got` takes the place of what is held; an older one, or another of the same version,
/// is refused.
fn supersedes<T: Versioned>(held: Option<&Edition<T>>, got: &Edition<T>) -> Result<bool, String> {
    let Some(held) = held else { return Ok(true) };
    let (seen, new) = (held.list.version(), got.list.version());
    if new < seen {
        return Err(format!("expected version {seen} or newer, got {new}"));
    }
    if new == seen && held.signed.digest() != got.signed.digest() {
        return Err(format!("two editions of version {seen}: both together convict the signer"));
    }
    Ok(new > seen)
}

fn read_held<T: Document>(
    path: &std::path::Path,
    key: &PublicKey,
) -> Result<Option<Edition<T>>, RoleError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RoleError::world(format!("`{}`", path.display()))(error)),
    };
    let unsound =
        |error: record::DocumentError| RoleError::Unsound(format!("`{}`: {error}", path.display()));
    let signed = Signed::<T>::from_bytes(&bytes).map_err(unsound)?;
    let list = signed.verify(key).map_err(unsound)?;
    Ok(Some(Edition { signed, list }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seal::SigningKey;
    use terms::Instant;

    fn edition(version: u64, issued: u64) -> Edition<TrustList> {
        let list = TrustList {
            layout: 1,
            environment: "sandbox".parse().unwrap(),
            jurisdiction: "NL".parse().unwrap(),
            version,
            issued_at: Instant::from_seconds(issued),
            next_update: Instant::from_seconds(issued + 60),
            issuers: vec![],
            institutions: vec![],
            providers: vec![],
            verifiers: vec![],
            recognitions: vec![],
        };
        let signed = Signed::sign(&list, &SigningKey::from_seed(&[1; 32]));
        Edition { signed, list }
    }

    #[test]
    fn version_seven_after_version_eight_is_refused() {
        let eight = edition(8, 100);
        assert_eq!(supersedes(None, &eight), Ok(true));
        assert_eq!(supersedes(Some(&eight), &edition(9, 90)), Ok(true));
        assert_eq!(supersedes(Some(&eight), &edition(8, 100)), Ok(false));
        assert!(supersedes(Some(&eight), &edition(7, 200)).is_err());
        assert!(supersedes(Some(&eight), &edition(8, 101)).is_err(), "two of one version");
    }
}
