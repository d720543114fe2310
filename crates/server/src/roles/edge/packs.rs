//! The packs at hand, and which one decides a payment: what the settlement book says is staged.
//!
//! `pack/` is the pack of the folder; `packs/NAME/` are others, found while the edge runs. A pack
//! that asks wallets for other claims than `pack/` is not taken up: what may be asked is registered
//! on the trust list and was asked before this decision. Activation is one look at the core: the
//! next decision goes by it, and none waits.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use api::messages::StagedPacks;
use api::problem::{self, Problem};
use client::{Outcome, Outgoing};
use policy::Pack;
use policy::shadow::Otherwise;
use record::{DecisionRecord, Stage};
use seal::Digest;
use terms::{Instant, PaymentId};

use super::config::read_pack_in;
use super::state::Edge;
use crate::web::Refuse;

/// Packs besides the first that are looked for at most.
const FURTHER_MAX: usize = 16;
/// How far `shadow.log` grows; then what differs is only counted in the log of the role.
const SHADOW_LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The packs of one edge.
pub(super) struct Packs {
    dir: PathBuf,
    own: Arc<Pack>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    further: BTreeMap<PathBuf, Option<Arc<Pack>>>,
    /// What the book says; `None` before the first look, and where nothing is staged.
    staged: Option<StagedPacks>,
}

impl Packs {
    pub(super) fn new(dir: &Path, own: Pack) -> Self {
        let state = RwLock::new(State::default());
        Self { dir: dir.to_owned(), own: Arc::new(own), state }
    }

    /// The pack of the folder `pack/`: what this edge is registered for.
    pub(super) fn own(&self) -> &Pack {
        &self.own
    }

    /// The pack that decides this payment: the canary's share first, then the active one. Without
    /// stages it is the folder's own.
    pub(super) fn of(&self, payment: PaymentId, now: Instant) -> Result<Arc<Pack>, Refuse> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(staged) = &state.staged else { return Ok(Arc::clone(&self.own)) };
        let canary = staged.packs.iter().find(|pack| match pack.stage {
            Stage::Canary(canary) => now < canary.until && canary.takes(payment),
            Stage::Draft | Stage::Shadow | Stage::Active | Stage::Retired => false,
        });
        let active = staged.packs.iter().find(|pack| pack.stage == Stage::Active);
        let chosen = canary.into_iter().chain(active);
        chosen.filter_map(|pack| self.at_hand(&state, pack.pack)).next().ok_or_else(no_pack)
    }

    /// Whether steps say what is in force, and if so whether that pack is here.
    pub(super) fn staged(&self) -> Option<bool> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let active = state.staged.as_ref()?.packs.iter().find(|p| p.stage == Stage::Active);
        Some(active.is_some_and(|active| self.at_hand(&state, active.pack).is_some()))
    }

    fn at_hand(&self, state: &State, digest: Digest) -> Option<Arc<Pack>> {
        let further = state.further.values().flatten();
        core::iter::once(&self.own).chain(further).find(|p| p.digest() == digest).cloned()
    }

    fn shadows(&self) -> Vec<Arc<Pack>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let staged = state.staged.iter().flat_map(|staged| &staged.packs);
        let shadows = staged.filter(|pack| pack.stage == Stage::Shadow);
        shadows.filter_map(|pack| self.at_hand(&state, pack.pack)).collect()
    }

    /// Looks for packs that came into the folder.
    fn look_for_more(&self) {
        let Ok(entries) = std::fs::read_dir(self.dir.join("packs")) else { return };
        for folder in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let known = {
                let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
                state.further.contains_key(&folder) || state.further.len() >= FURTHER_MAX
            };
            if known || !folder.is_dir() {
                continue;
            }
            let pack = self.taken_up(&folder);
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.further.insert(folder, pack);
        }
    }

    fn taken_up(&self, folder: &Path) -> Option<Arc<Pack>> {
        match read_pack_in(folder) {
            Ok(pack)
                if pack.side() == self.own.side()
                    && pack.corridor() == self.own.corridor()
                    && pack.asks() == self.own.asks() =>
            {
                tracing::info!(pack = pack.name(), digest = %pack.digest(), "a further pack");
                Some(Arc::new(pack))
            }
            Ok(pack) => {
                let (name, place) = (pack.name().to_owned(), folder.display());
                tracing::error!(name, %place, "the pack is of another side or asks for other claims");
                None
            }
            Err(error) => {
                tracing::error!(%error, place = %folder.display(), "a folder of `packs` is no pack");
                None
            }
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
            tracing::info!(payment = %record.payment, pack = pack.name(), line, "the shadow differs");
            if let Err(error) = self.note(&pack, record, &line) {
                tracing::warn!(%error, "`shadow.log` cannot be written");
            }
        }
    }

    fn note(&self, pack: &Pack, record: &DecisionRecord, change: &str) -> std::io::Result<()> {
        let path = self.dir.join("shadow.log");
        let mut file = std::fs::File::options().create(true).append(true).open(path)?;
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

/// Asks the core what is staged, and looks for packs that came. What cannot be asked stays as it
/// is: the book refuses a permit whose pack is not in force.
pub(super) async fn refresh(edge: &Edge) {
    edge.packs.look_for_more();
    let settings = &edge.settings;
    let target = format!("/v1/packs/{}/{}", settings.corridor, settings.side);
    let answer = match edge.to_core(Outgoing::get(&target)).await {
        Outcome::Answer(answer) => answer,
        Outcome::Refused(_) | Outcome::NotDone(_) | Outcome::Unknown(_) => return,
    };
    let Ok(staged) = seal::from_canonical::<StagedPacks>(&answer.body) else { return };
    let mut state = edge.packs.state.write().unwrap_or_else(PoisonError::into_inner);
    // Steps are numbered: an answer that was overtaken changes nothing.
    let newer = state.staged.as_ref().is_none_or(|seen| seen.step < staged.step);
    if staged.step > 0 && newer {
        tracing::info!(step = staged.step, "other packs are in force");
        state.staged = Some(staged);
    }
}

fn no_pack() -> Refuse {
    let problem = Problem::of(&problem::NOT_READY).detail("the pack in force is not at hand here");
    problem.mend("put it into `packs/` of this edge: `wayleave policy stage` does").into()
}
