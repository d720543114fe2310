//! Which pack may decide: stages that an institution's own signed steps set.
//!
//! A side of a corridor whose pack took a step is *staged*: from then on its steps alone say which
//! pack is in force, and an edge's own notice changes nothing. A side without steps goes by
//! notices.
//!
//! INVARIANT (NoRetiredPack): nothing is posted under a pack that is not in force in the writer's
//! turn, payments under a lease excepted, whose acceptance binds (ADR 0037). Guard:
//! [`SettlementBook::pack_in_force`] where a payment is judged, and the property
//! `no_interleaving_posts_under_a_pack_that_is_not_in_force` of `tests/stages.rs`. Without it a
//! permit that was open when a pack was rolled back would still move money by its rules.

use core::time::Duration;
use std::collections::BTreeMap;

use journal::Checked;
use minicbor::{Decode, Encode};
use record::stages::{CANARY_SECONDS_MAX, CANARY_SHARE_MAX, PACK_STAGED, STEP_REASON_MAX};
use record::{Fact, First, PackStanding, PackStep, SaltSlot, Side, Signed, Stage};
use seal::Digest;
use terms::{CompanyId, CorridorName, Instant, InstitutionName};

use super::{PackKey, SettlementAnswer, SettlementBook, done, not_accepted, signed_document};

/// Packs that one side of a corridor remembers: the newest steps' ones. What is in use is never
/// forgotten, and no more than these are in use: a step beyond them is refused.
const PACKS_MAX: usize = 256;

/// The stages of all sides of all corridors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Stages {
    #[n(0)]
    sides: BTreeMap<StagedSide, StagedPacks>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
struct StagedSide {
    #[n(0)]
    institution: InstitutionName,
    #[n(1)]
    corridor: CorridorName,
    #[n(2)]
    side: Side,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct StagedPacks {
    /// The number of the last step.
    #[n(0)]
    step: u64,
    /// The digest of the last step's signed document: the same again is done already.
    #[n(1)]
    last: Option<Digest>,
    #[n(2)]
    packs: BTreeMap<Digest, StagedPack>,
}

/// A pack and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StagedPack {
    /// Digest of its schema.
    #[n(0)]
    pub schema: Digest,
    /// Its stage.
    #[n(1)]
    pub stage: Stage,
    /// The step that set it.
    #[n(2)]
    pub step: u64,
}

/// What is staged on one side of a corridor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StagedView {
    /// The number of the last step; 0 when there was none.
    pub step: u64,
    /// The packs by their digests.
    pub packs: BTreeMap<Digest, StagedPack>,
}

impl SettlementBook {
    /// What is staged on one side of a corridor, by one institution.
    #[must_use]
    pub fn staged(
        &self,
        institution: InstitutionName,
        corridor: CorridorName,
        side: Side,
    ) -> StagedView {
        let key = StagedSide { institution, corridor, side };
        let found = self.stages.sides.get(&key);
        found.map_or_else(StagedView::default, |staged| StagedView {
            step: staged.step,
            packs: staged.packs.clone(),
        })
    }

    /// Takes a step, or says why not. The caller has verified the signature.
    pub(super) fn stage_pack(
        &self,
        stamp: Instant,
        slot: SaltSlot,
        signed: &Signed<PackStep>,
    ) -> Checked<SettlementAnswer> {
        let Ok(step) = signed.read_unverified() else {
            return not_accepted("the pack step does not read".to_owned());
        };
        if (step.layout, step.environment, step.book) != (1, self.environment, self.book) {
            let why = "the pack step is of another layout or environment, or for another book";
            return not_accepted(why.to_owned());
        }
        let staged = self.stages.sides.get(&side_of(&step));
        if staged.is_some_and(|staged| staged.last == Some(signed.digest())) {
            return done();
        }
        match self.step_refused(stamp, &step, staged) {
            Some(why) => not_accepted(why),
            None => self.record(slot, PACK_STAGED, signed.to_bytes()),
        }
    }

    fn step_refused(
        &self,
        stamp: Instant,
        step: &PackStep,
        staged: Option<&StagedPacks>,
    ) -> Option<String> {
        let next = staged.map_or(0, |staged| staged.step).saturating_add(1);
        if step.step != next {
            return Some(format!("expected step {next}, got {}", step.step));
        }
        if step.reason.trim().is_empty() || step.reason.len() > STEP_REASON_MAX {
            return Some(format!("expected a reason of 1 to {STEP_REASON_MAX} bytes"));
        }
        let before = staged.and_then(|staged| staged.packs.get(&step.pack));
        if before.is_some_and(|before| before.schema != step.schema) {
            return Some("the pack has another schema than in its steps before".to_owned());
        }
        let first = if self.anything_known(step, staged) { First::No } else { First::Yes };
        let stage = before.map(|before| before.stage).or_else(|| self.noticed(step));
        if !step.stage.may_follow(stage.as_ref(), first) {
            let from = stage.map_or("unknown", |stage| stage.word());
            return Some(format!("a pack that is {from} does not become {}", step.stage.word()));
        }
        let others = staged.map_or(0, |staged| staged.busy_beside(step.pack));
        if step.stage != Stage::Retired && others >= PACKS_MAX {
            return Some(format!("{others} packs are in use: retire some of them first"));
        }
        match step.stage {
            Stage::Canary(canary) => {
                let last = stamp.plus(Duration::from_secs(CANARY_SECONDS_MAX));
                let share = (1..=CANARY_SHARE_MAX).contains(&canary.share);
                (!share || canary.until <= stamp || canary.until > last).then(|| {
                    format!("expected 1 to {CANARY_SHARE_MAX} of 1000 companies, until {last}")
                })
            }
            Stage::Draft | Stage::Shadow | Stage::Active | Stage::Retired => None,
        }
    }

    /// A pack that an edge's notice put in force before the first step is active.
    fn noticed(&self, step: &PackStep) -> Option<Stage> {
        if self.stages.sides.contains_key(&side_of(step)) {
            return None;
        }
        let key = PackKey {
            institution: step.institution,
            corridor: step.corridor,
            side: step.side,
            pack: step.pack,
        };
        self.packs.get(&key).map(|entry| match entry.standing {
            PackStanding::InForce => Stage::Active,
            PackStanding::Retired => Stage::Retired,
        })
    }

    /// Whether this side ever had a pack, by a step or by a notice, in force or retired. One that
    /// had does not begin anew by retiring it.
    fn anything_known(&self, step: &PackStep, staged: Option<&StagedPacks>) -> bool {
        let here = (step.institution, step.corridor, step.side);
        let noticed = || {
            let mut keys = self.packs.keys();
            keys.any(|key| (key.institution, key.corridor, key.side) == here)
        };
        staged.is_some() || noticed()
    }

    /// Whether steps say which pack is in force here, and not notices.
    pub(super) fn is_staged(&self, key: &PackKey) -> bool {
        let PackKey { institution, corridor, side, .. } = *key;
        self.stages.sides.contains_key(&StagedSide { institution, corridor, side })
    }

    /// The stage of a staged side's pack.
    pub(super) fn stage_of(&self, key: &PackKey) -> Option<Stage> {
        let PackKey { institution, corridor, side, pack } = *key;
        let staged = self.stages.sides.get(&StagedSide { institution, corridor, side })?;
        staged.packs.get(&pack).map(|pack| pack.stage)
    }

    /// Whether a pack may decide a payment of this company now.
    pub(super) fn pack_in_force(
        &self,
        stamp: Instant,
        key: &PackKey,
        schema: Digest,
        owner: CompanyId,
    ) -> bool {
        let PackKey { institution, corridor, side, pack } = *key;
        let Some(staged) = self.stages.sides.get(&StagedSide { institution, corridor, side })
        else {
            return self.packs.get(key).is_some_and(|entry| {
                entry.standing == PackStanding::InForce && entry.schema == schema
            });
        };
        staged.packs.get(&pack).is_some_and(|entry| {
            entry.schema == schema
                && match entry.stage {
                    Stage::Active => true,
                    Stage::Canary(canary) => {
                        stamp < canary.until && canary.takes(pack, side, owner)
                    }
                    Stage::Draft | Stage::Shadow | Stage::Retired => false,
                }
        })
    }

    /// The packs that decide every payment of their side, with their schemas: active by steps where
    /// a side is staged, in force by notices elsewhere. A canary is none: it decides a share only.
    pub(super) fn active_packs(&self) -> Vec<(PackKey, Digest)> {
        let noticed = self
            .packs
            .iter()
            .filter(|(key, entry)| entry.standing == PackStanding::InForce && !self.is_staged(key));
        let noticed = noticed.map(|(key, entry)| (key.clone(), entry.schema));
        let staged = self.stages.sides.iter().flat_map(|(side, staged)| {
            let StagedSide { institution, corridor, side } = *side;
            let active = staged.packs.iter().filter(|(_, pack)| pack.stage == Stage::Active);
            active.map(move |(pack, entry)| {
                (PackKey { institution, corridor, side, pack: *pack }, entry.schema)
            })
        });
        noticed.chain(staged).collect()
    }

    /// A step becomes state. The first one of a side takes over what notices had put in force.
    pub(super) fn apply_step(&mut self, fact: &Fact) {
        let (signed, step) = signed_document::<PackStep>(fact);
        let side = side_of(&step);
        if !self.stages.sides.contains_key(&side) {
            let taken_over = self.packs_noticed(&step);
            self.stages.sides.insert(side, StagedPacks { packs: taken_over, ..Default::default() });
        }
        let staged = self.stages.sides.entry(side).or_default();
        staged.step = step.step;
        staged.last = Some(signed.digest());
        if step.stage == Stage::Active {
            for other in staged.packs.values_mut() {
                if matches!(other.stage, Stage::Active) {
                    *other = StagedPack { stage: Stage::Retired, step: step.step, ..*other };
                }
            }
        }
        let entry = StagedPack { schema: step.schema, stage: step.stage, step: step.step };
        staged.packs.insert(step.pack, entry);
        staged.forget();
    }

    fn packs_noticed(&self, step: &PackStep) -> BTreeMap<Digest, StagedPack> {
        let here = (step.institution, step.corridor, step.side);
        let of_side =
            self.packs.iter().filter(|(key, _)| (key.institution, key.corridor, key.side) == here);
        of_side
            .map(|(key, entry)| {
                let stage = match entry.standing {
                    PackStanding::InForce => Stage::Active,
                    PackStanding::Retired => Stage::Retired,
                };
                (key.pack, StagedPack { schema: entry.schema, stage, step: 0 })
            })
            .collect()
    }
}

impl StagedPacks {
    /// How many other packs than this are in use: neither drafts nor retired. A canary that is
    /// over is one until a step takes it back.
    fn busy_beside(&self, pack: Digest) -> usize {
        let others = self.packs.iter().filter(|(other, _)| **other != pack);
        others.filter(|(_, one)| !matches!(one.stage, Stage::Retired | Stage::Draft)).count()
    }

    /// Drops the oldest retired and drafted packs beyond [`PACKS_MAX`].
    fn forget(&mut self) {
        while self.packs.len() > PACKS_MAX {
            let idle = self
                .packs
                .iter()
                .filter(|(_, pack)| matches!(pack.stage, Stage::Retired | Stage::Draft));
            let Some(oldest) = idle.min_by_key(|(_, pack)| pack.step).map(|(pack, _)| *pack) else {
                return;
            };
            self.packs.remove(&oldest);
        }
    }
}

const fn side_of(step: &PackStep) -> StagedSide {
    StagedSide { institution: step.institution, corridor: step.corridor, side: step.side }
}
