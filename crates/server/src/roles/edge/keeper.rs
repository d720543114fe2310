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
use api::messages::EdgeBasis;
use api::wire::CBOR;
use client::{Outcome, Outgoing, Peer};
use record::{Document, ListedVersion, Signed, Snapshot, TrustList};
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
        if !self.agree().await? && self.snapshot.is_some() {
            // Nobody knows what is in force: what was goes on.
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

    /// Learns what the institution's other instances go by. All instances use the snapshot in
    /// force: a permit on any other is refused.
    async fn agree(&mut self) -> Result<bool, RoleError> {
        let Outcome::Answer(answer) = self.edge.to_core(Outgoing::get("/v1/edge-basis")).await
        else {
            return Ok(false);
        };
        let basis: EdgeBasis = match seal::from_canonical(&answer.body) {
            Ok(basis) => basis,
            Err(error) => {
                tracing::warn!(%error, "the basis of the edge's instances does not read");
                return Ok(false);
            }
        };
        let marks = RoleError::world("writing the status marks");
        self.edge.statuses.learn(&basis.status_lists).map_err(marks)?;
        let Some(signed) = basis.snapshot else { return Ok(true) };
        if self.snapshot.as_ref().is_some_and(|ours| ours.signed.digest() == signed.digest()) {
            return Ok(true);
        }
        let list = match signed.verify(&self.edge.permit_key.public_key()) {
            Ok(list) => list,
            Err(error) => {
                tracing::warn!(%error, "the snapshot in force is not signed by this institution");
                return Ok(true);
            }
        };
        match compare(&list.lists, &self.held_versions()) {
            Compared::Same => self.adopt(signed, list)?,
            Compared::WeAreNewer => {
                // The next one that we take is above it.
                self.snapshot = Some(Edition { signed, list });
                self.take()?;
            }
            Compared::WeAreOlder => {
                tracing::info!("another instance has newer lists: fetched again");
                self.edge.look.notify_one();
            }
        }
        Ok(true)
    }

    fn held_versions(&self) -> Vec<ListedVersion> {
        let settings = &self.edge.settings;
        let trust: Vec<&TrustList> =
            self.trust.iter().filter_map(|(_, s)| Some(&s.held.as_ref()?.list)).collect();
        let of = (settings.environment, settings.institution, 0);
        snapshot_of(of, &trust, &self.loaded(), self.edge.now()).lists
    }

    /// Goes by a snapshot that another instance published.
    fn adopt(&mut self, signed: Signed<Snapshot>, list: Snapshot) -> Result<(), RoleError> {
        replace(&self.snapshot_path, &signed.to_bytes())
            .map_err(RoleError::world("writing the snapshot"))?;
        tracing::info!(snapshot = %signed.digest(), "the snapshot of another instance is used");
        self.snapshot = Some(Edition { signed, list });
        self.use_snapshot()
    }

    /// From now on decisions rest on the snapshot that is held: the core knows it.
    fn use_snapshot(&mut self) -> Result<(), RoleError> {
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        self.keep(&snapshot.signed).map_err(RoleError::world("keeping the snapshot's lists"))?;
        let digest = snapshot.signed.digest();
        let mut lists: Vec<TrustList> =
            self.trust.iter().filter_map(|(_, s)| Some(s.held.as_ref()?.list.clone())).collect();
        let home = lists.remove(0);
        let lists = Lists::new(home, lists, self.loaded(), digest)
            .map_err(|error| RoleError::Unsound(error.to_string()))?;
        self.edge.use_lists(lists);
        self.published = true;
        Ok(())
    }

    /// Keeps what a snapshot names, and it: decisions that name it can be replayed.
    fn keep(&self, snapshot: &Signed<Snapshot>) -> std::io::Result<()> {
        let kept = &self.edge.kept;
        for edition in self.trust.iter().filter_map(|(_, source)| source.held.as_ref()) {
            kept.keep_document(&edition.signed)?;
        }
        for edition in self.sanctions.iter().filter_map(|source| source.held.as_ref()) {
            kept.keep_document(&edition.signed)?;
        }
        kept.keep_document(snapshot)
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
                self.use_snapshot()?;
                tracing::info!(snapshot = %digest, "the snapshot is in force");
            }
            Outcome::Refused(problem) => {
                tracing::warn!(code = problem.code, detail = problem.detail, "snapshot refused");
                // Another instance was first: the next round takes its snapshot, or goes above it.
                if problem.detail.as_deref().is_some_and(|text| text.contains("newer than")) {
                    self.edge.look.notify_one();
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

/// How the lists that we hold stand to those of the snapshot in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    Same,
    WeAreNewer,
    WeAreOlder,
}

/// One list that is older than in force is enough to be older: that list is fetched again first.
fn compare(in_force: &[ListedVersion], ours: &[ListedVersion]) -> Compared {
    let version = |name: &str, of: &[ListedVersion]| {
        of.iter().find(|one| one.name == name).map_or(0, |one| one.version)
    };
    if in_force == ours {
        Compared::Same
    } else if in_force.iter().any(|theirs| version(&theirs.name, ours) < theirs.version) {
        Compared::WeAreOlder
    } else {
        Compared::WeAreNewer
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
    fn instances_meet_at_the_newest_of_each_list() {
        let lists = |versions: [u64; 2]| {
            let names = ["trust:NL", "sanctions"];
            let one = |(name, version): (&str, u64)| ListedVersion {
                name: name.to_owned(),
                version,
                digest: seal::Digest::ZERO,
            };
            names.into_iter().zip(versions).map(one).collect::<Vec<_>>()
        };
        let table = [
            ([3, 3], Compared::Same),
            ([4, 3], Compared::WeAreNewer),
            ([3, 2], Compared::WeAreOlder),
            ([4, 2], Compared::WeAreOlder),
        ];
        for (ours, expected) in table {
            assert_eq!(compare(&lists([3, 3]), &lists(ours)), expected, "{ours:?}");
        }
        assert_eq!(compare(&lists([3, 3]), &[]), Compared::WeAreOlder, "nothing is held");
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
