//! The packs at hand, and which one decides a payment: what the settlement book says is staged.
//!
//! Each corridor and side has a pack of its own, `pack/` or a folder below `packs/` that
//! `role.json` names. Further folders below `packs/` hold other versions, found while the edge
//! runs, of the corridor and side that they are for. One that is not certified is not taken up,
//! nor one that asks wallets for other claims: what may be asked is registered on the trust list
//! and was asked before this decision. Activation is one look at the core: the next decision goes
//! by it, and none waits.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use api::messages::StagedPacks;
use api::problem::{self, Problem};
use client::{Outcome, Outgoing};
use policy::Pack;
use policy::shadow::Otherwise;
use record::{Canary, DecisionRecord, Stage};
use seal::Digest;
use terms::{CompanyId, Instant};

use super::certified;
use super::config::{Config, read_pack_in};
use super::state::Edge;
use super::ways::{Way, Ways};
use crate::roles::RoleError;
use crate::web::Refuse;

/// Folders below `packs/` that are looked at: what is staged first, then the newest.
const FURTHER_MAX: usize = 256;
/// How far `shadow.log` grows; then what differs is only counted in the log of the role.
const SHADOW_LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The packs of one side of one corridor.
pub(super) struct Packs {
    dir: PathBuf,
    config: Arc<Config>,
    own: Arc<Pack>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    further: BTreeMap<PathBuf, Found>,
    /// What the book says; `None` before the first look, and where nothing is staged.
    staged: Option<StagedPacks>,
}

/// What a folder below `packs/` holds.
enum Found {
    /// A pack that may decide here.
    Here(Arc<Pack>),
    /// One of another way of this edge.
    Elsewhere,
    /// None, as far as was seen: looked at again each time, for it may be mended.
    Unfit(String),
}

impl Packs {
    pub(super) fn new(dir: &Path, config: &Arc<Config>, own: Pack) -> Self {
        let (config, state) = (Arc::clone(config), RwLock::new(State::default()));
        Self { dir: dir.to_owned(), config, own: Arc::new(own), state }
    }

    /// The pack that `role.json` names: what this edge is registered for.
    pub(super) fn own(&self) -> &Pack {
        &self.own
    }

    /// The pack that decides a payment of this company: the canary's share first, then the active
    /// one. Without stages it is the folder's own.
    pub(super) fn of(&self, owner: CompanyId, now: Instant) -> Result<Arc<Pack>, Refuse> {
        self.chosen(|pack, canary| now < canary.until && canary.takes(pack, self.own.side(), owner))
    }

    /// The pack that decides for whoever is in no canary's share: while nobody is known yet.
    pub(super) fn in_force(&self) -> Result<Arc<Pack>, Refuse> {
        self.chosen(|_, _| false)
    }

    fn chosen(&self, takes: impl Fn(Digest, &Canary) -> bool) -> Result<Arc<Pack>, Refuse> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(staged) = &state.staged else { return Ok(Arc::clone(&self.own)) };
        let canary = staged.packs.iter().find(|pack| match &pack.stage {
            Stage::Canary(canary) => takes(pack.pack, canary),
            Stage::Draft | Stage::Shadow | Stage::Active | Stage::Retired => false,
        });
        let active = staged.packs.iter().find(|pack| pack.stage == Stage::Active);
        let chosen = canary.into_iter().chain(active);
        let mut chosen = chosen.filter_map(|pack| self.at_hand(&state, pack.pack));
        chosen.next().ok_or_else(no_pack)
    }

    /// Whether steps say what is in force, and if so whether that pack is here.
    pub(super) fn staged(&self) -> Option<bool> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let active = state.staged.as_ref()?.packs.iter().find(|p| p.stage == Stage::Active);
        Some(active.is_some_and(|active| self.at_hand(&state, active.pack).is_some()))
    }

    fn at_hand(&self, state: &State, digest: Digest) -> Option<Arc<Pack>> {
        let further = state.further.values().filter_map(|found| match found {
            Found::Here(pack) => Some(pack),
            Found::Elsewhere | Found::Unfit(_) => None,
        });
        core::iter::once(&self.own).chain(further).find(|p| p.digest() == digest).cloned()
    }

    fn shadows(&self) -> Vec<Arc<Pack>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let staged = state.staged.iter().flat_map(|staged| &staged.packs);
        let shadows = staged.filter(|pack| pack.stage == Stage::Shadow);
        shadows.filter_map(|pack| self.at_hand(&state, pack.pack)).collect()
    }

    /// Looks for packs that came into the folder, and forgets what is gone from it. A pack that
    /// decides stays, whatever becomes of its folder.
    fn look_for_more(&self) {
        let folders = self.folders();
        for folder in &folders {
            let said = {
                let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
                match state.further.get(folder) {
                    Some(Found::Here(_) | Found::Elsewhere) => continue,
                    Some(Found::Unfit(said)) => Some(said.clone()),
                    None => None,
                }
            };
            let found = self.found(folder);
            match &found {
                Found::Here(pack) => {
                    tracing::info!(pack = pack.name(), digest = %pack.digest(), "a further pack");
                }
                Found::Unfit(why) if said.as_ref() != Some(why) => {
                    tracing::error!(why, place = %folder.display(), "no pack to decide under");
                }
                Found::Elsewhere | Found::Unfit(_) => {}
            }
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.further.insert(folder.clone(), found);
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let State { further, staged } = &mut *state;
        let staged = staged.iter().flat_map(|staged| &staged.packs);
        let deciding: BTreeSet<Digest> = staged
            .filter(|one| !matches!(one.stage, Stage::Draft | Stage::Retired))
            .map(|one| one.pack)
            .collect();
        further.retain(|folder, found| {
            let decides = matches!(found, Found::Here(p) if deciding.contains(&p.digest()));
            decides || folders.contains(folder)
        });
    }

    /// The folders below `packs/` that are looked at.
    fn folders(&self) -> BTreeSet<PathBuf> {
        let named: BTreeSet<String> = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let staged = state.staged.iter().flat_map(|staged| &staged.packs);
            let staged = staged.filter(|one| one.stage != Stage::Retired);
            staged.map(|one| one.pack.to_string()).collect()
        };
        let Ok(entries) = std::fs::read_dir(self.dir.join("packs")) else {
            return BTreeSet::new();
        };
        let mut folders: Vec<(bool, SystemTime, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().is_dir())
            .map(|entry| {
                let changed = entry.metadata().and_then(|meta| meta.modified());
                let staged = entry.file_name().to_str().is_some_and(|name| named.contains(name));
                (staged, changed.unwrap_or(SystemTime::UNIX_EPOCH), entry.path())
            })
            .collect();
        folders.sort_unstable_by(|a, b| b.cmp(a));
        folders.into_iter().take(FURTHER_MAX).map(|(_, _, folder)| folder).collect()
    }

    fn found(&self, folder: &Path) -> Found {
        match taken_up(folder, &self.config, &self.own) {
            Ok(Some(pack)) => Found::Here(Arc::new(pack)),
            Ok(None) => Found::Elsewhere,
            Err(error) => Found::Unfit(error.to_string()),
        }
    }

    /// Decides a recorded decision again under each shadow, and notes what differs. Without effect.
    pub(super) fn shadow(&self, record: &DecisionRecord) {
        for pack in self.shadows() {
            let line = match pack.otherwise(record) {
                Otherwise::Same | Otherwise::Elsewhere => continue,
                Otherwise::Untold(_) => "unknown: findings are not recorded".to_owned(),
                Otherwise::Differs { change, .. } => change,
            };
            // Not which payment and how: that may say who met a rule of which nobody is told.
            tracing::info!(pack = pack.name(), "the shadow differs");
            if let Err(error) = self.note(&pack, record, &line) {
                tracing::warn!(%error, "`shadow.log` cannot be written");
            }
        }
    }

    fn note(&self, pack: &Pack, record: &DecisionRecord, change: &str) -> std::io::Result<()> {
        let path = self.dir.join("shadow.log");
        // Its owner's alone: what a shadow denies is nobody else's to know.
        let mut file = std::fs::File::options().create(true).append(true).mode(0o600).open(path)?;
        if file.metadata()?.len() > SHADOW_LOG_BYTES_MAX {
            return Ok(());
        }
        let line = serde_json::json!({
            "payment": record.payment.to_string(),
            "decided_at": record.decided_at.to_string(),
            "pack": pack.digest().to_string(),
            "change": change,
        });
        writeln!(file, "{line}")
    }
}

/// A pack of a folder that may decide beside an edge's own, or nothing where it is of another way.
fn taken_up(folder: &Path, config: &Config, own: &Pack) -> Result<Option<Pack>, RoleError> {
    let pack = read_pack_in(folder)?;
    if pack.side() != own.side() || pack.corridor() != own.corridor() {
        return Ok(None);
    }
    certified::check(folder, config, &pack)?;
    if pack.asks() != own.asks() {
        let why = "asks wallets for other claims than are registered for this edge";
        return Err(RoleError::Unsound(format!("pack `{}` {why}", pack.name())));
    }
    Ok(Some(pack))
}

/// Whether the edge of the folder `dir` would decide under the pack in `folder`, which is this one:
/// what an operator asks before a step makes it do so.
pub fn fits(dir: &Path, folder: &Path, digest: Digest) -> Result<(), RoleError> {
    let config: Config = crate::roles::read_config(dir)?;
    let unsound = |why: &str| RoleError::Unsound(format!("`{}`: {why}", folder.display()));
    let pack = read_pack_in(folder)?;
    if pack.digest() != digest {
        return Err(unsound("the folder holds another pack"));
    }
    let ways = Ways::open(dir, &config)?;
    let way = ways.find(pack.corridor(), pack.side());
    let own = way.ok_or_else(|| unsound("the edge decides no such side"))?.packs.own();
    taken_up(folder, &config, own)?.map_or_else(|| Err(unsound("for another way")), |_| Ok(()))
}

/// Asks the core what is staged, and looks for packs that came. What cannot be asked stays as it
/// is: the book refuses a permit whose pack is not in force.
pub(super) async fn refresh(edge: &Edge) {
    for way in edge.ways.all() {
        refresh_way(edge, way).await;
    }
}

async fn refresh_way(edge: &Edge, way: &Way) {
    way.packs.look_for_more();
    let target = format!("/v1/packs/{}/{}", way.corridor, way.side);
    let answer = match edge.to_core(Outgoing::get(&target)).await {
        Outcome::Answer(answer) => answer,
        Outcome::Refused(_) | Outcome::NotDone(_) | Outcome::Unknown(_) => return,
    };
    let Ok(staged) = seal::from_canonical::<StagedPacks>(&answer.body) else { return };
    let mut state = way.packs.state.write().unwrap_or_else(PoisonError::into_inner);
    // Steps are numbered: an answer that was overtaken changes nothing.
    let newer = state.staged.as_ref().is_none_or(|seen| seen.step < staged.step);
    if staged.step > 0 && newer {
        let (corridor, side) = (way.corridor, way.side);
        tracing::info!(step = staged.step, %corridor, %side, "other packs are in force");
        state.staged = Some(staged);
    }
}

fn no_pack() -> Refuse {
    let problem = Problem::of(&problem::NOT_READY).detail("the pack in force is not at hand here");
    problem.mend("put it into `packs/` of this edge: `wayleave policy stage` does").into()
}

#[cfg(test)]
mod tests {
    use policy::PackFiles;
    use policy::shipped::NL_SG;
    use record::Side;
    use seal::SigningKey;

    use super::super::certified::{CERTIFICATE, PackKeys, write_more_pack, write_pack};
    use super::super::config::{Example, example_config};
    use super::*;
    use crate::roles::Common;

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn packs(name: &str) -> (Folder, Packs) {
        let dir = std::env::temp_dir().join(format!("wayleave-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let dir = Folder(dir);
        let common = Common {
            environment: "sandbox".to_owned(),
            name: "bank-nl.1".to_owned(),
            url: "http://localhost:1".to_owned(),
            port: 1,
            peers: vec![],
        };
        let example = Example {
            side: Side::Debtor,
            institution: "bank-nl".to_owned(),
            jurisdiction: "NL".to_owned(),
            other_edge: "bank-sg.1".to_owned(),
            supervisors: vec![],
            operator: "operator".to_owned(),
            pack_author: key(1).public_key(),
            pack_operator: key(2).public_key(),
            customers: vec![],
        };
        let config = Arc::new(example_config(common, "core", example));
        write_pack(&dir.0, &NL_SG, PackKeys { author: &key(1), operator: &key(2) }).unwrap();
        let own = read_pack_in(&dir.0.join("pack")).unwrap();
        let packs = Packs::new(&dir.0, &config, own);
        (dir, packs)
    }

    /// The shipped pack with another limit, below `packs/`.
    fn further(dir: &Folder, limit: u32) -> (PathBuf, Digest) {
        let text = NL_SG.parameters.replace("50000000", &limit.to_string());
        let files = PackFiles { parameters: &text, ..NL_SG };
        let name = format!("limit-{limit}");
        let keys = PackKeys { author: &key(1), operator: &key(2) };
        write_more_pack(&dir.0, &name, &files, keys).unwrap();
        let folder = dir.0.join("packs").join(name);
        let digest = read_pack_in(&folder).unwrap().digest();
        (folder, digest)
    }

    fn here(packs: &Packs, digest: Digest) -> bool {
        packs.at_hand(&packs.state.read().unwrap(), digest).is_some()
    }

    #[test]
    fn a_further_pack_without_its_certificate_is_not_taken_up_until_it_has_one() {
        let (dir, packs) = packs("further-certified");
        let (folder, digest) = further(&dir, 3_000);
        let certificate = std::fs::read(folder.join(CERTIFICATE)).unwrap();
        std::fs::remove_file(folder.join(CERTIFICATE)).unwrap();
        packs.look_for_more();
        assert!(!here(&packs, digest));
        // Mended, it is taken up at the next look, without a restart.
        std::fs::write(folder.join(CERTIFICATE), certificate).unwrap();
        packs.look_for_more();
        assert!(here(&packs, digest));
    }

    #[test]
    fn folders_that_are_no_packs_keep_no_new_one_out() {
        let (dir, packs) = packs("further-many");
        for number in 0..FURTHER_MAX + 3 {
            std::fs::create_dir_all(dir.0.join("packs").join(format!("z-{number}"))).unwrap();
        }
        packs.look_for_more();
        let (folder, digest) = further(&dir, 3_000);
        // Newest of all, whatever the clock's grain.
        let written = std::fs::metadata(&folder).unwrap().modified().unwrap();
        let later = written + core::time::Duration::from_secs(60);
        std::fs::File::open(&folder).unwrap().set_modified(later).unwrap();
        packs.look_for_more();
        assert!(here(&packs, digest));
        assert_eq!(packs.state.read().unwrap().further.len(), FURTHER_MAX);
        // What is gone from the folder is forgotten where no step names it.
        std::fs::remove_dir_all(&folder).unwrap();
        packs.look_for_more();
        assert!(!here(&packs, digest));
    }
}
