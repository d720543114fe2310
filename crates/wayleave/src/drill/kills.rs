//! SIGKILL of each role, again and again under one load that never stops; and at the end every
//! acknowledgement against the journal.
//!
//! A drill is one fault with a file of proof. This is the other half: many faults, one after
//! another, so that a process also dies while others have only just come back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use record::InDoubtEnd;
use serde_json::{Value, json};

use super::catalogue::LoadKind;
use super::journal::Held;
use super::load::{Load, Open, Record};
use super::run::mirrored;
use super::scene::Scene;
use crate::command::tell;
use crate::load::soak::Dice;

/// The roles of the stage, by their names; of two cores, the one that leads is killed.
pub const ROLES: [&str; 8] = [
    "core",
    "bank-b",
    "bank-nl.1",
    "bank-sg.1",
    "fx-dealer",
    "issuers",
    "supervisor-nl",
    "supervisor-sg",
];
/// Between a recovery and the next kill, at most: the seed decides.
const BREATH_MS: usize = 250;
/// Nothing recovers for so long: the series ends with an error.
const PATIENCE: Duration = Duration::from_secs(40);
/// A recovery that took longer is told with what failed last.
const SLOW: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// What the kills of one role came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// From the kill until the role was ready and a payment after it was acknowledged.
    pub back: Vec<Duration>,
}

impl Tally {
    /// The middle one and the longest, in milliseconds.
    #[must_use]
    pub fn middle_and_most(&self) -> (u128, u128) {
        let mut sorted = self.back.clone();
        sorted.sort_unstable();
        let at = |index: usize| sorted.get(index).map_or(0, Duration::as_millis);
        (at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
    }
}

/// What a series came to.
#[derive(Debug)]
pub struct Series {
    /// By role.
    pub tallies: BTreeMap<&'static str, Tally>,
    /// Payments that were begun.
    pub payments: usize,
    /// Acknowledged, and each compared with the journal.
    pub acknowledged: usize,
    /// Acknowledged and not in the journal as promised.
    pub lost: usize,
    /// Not acknowledged when the load ended; each has one end now.
    pub in_doubt: usize,
}

/// Kills every role `times` times, in an order that the seed decides, and judges.
pub async fn series(scene: &mut Scene, times: u32, seed: u64) -> anyhow::Result<Series> {
    let mut dice = Dice::of(seed);
    let mut orders = Load::start(&scene.rig, LoadKind::Orders).await?;
    let mut payments = Load::start(&scene.rig, LoadKind::Payments).await?;
    let mut tallies: BTreeMap<&'static str, Tally> = BTreeMap::new();
    for _ in 0..times {
        let mut left = ROLES.to_vec();
        while !left.is_empty() {
            let name = left.swap_remove(dice.below(left.len()));
            let breath = u64::try_from(dice.below(BREATH_MS)).unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(breath)).await;
            let back = kill_one(scene, [&orders, &payments], name).await?;
            tallies.entry(name).or_default().back.push(back);
        }
    }
    orders.stop().await;
    payments.stop().await;
    let mut series = Series { tallies, payments: 0, acknowledged: 0, lost: 0, in_doubt: 0 };
    let held = Held::read(&scene.rig).await?;
    for load in [orders, payments] {
        let record = std::mem::take(&mut *load.record());
        judge(scene, &held, &record, &mut series).await?;
    }
    if let record::DrillVerdict::Refuted(why) = mirrored(scene).await? {
        bail!("after the kills: {why}");
    }
    Ok(series)
}

async fn kill_one(
    scene: &mut Scene,
    loads: [&Load; 2],
    name: &'static str,
) -> anyhow::Result<Duration> {
    let victim = if name == "core" { scene.leading_core().await? } else { name };
    scene.role(victim)?.kill()?;
    let begun = Instant::now();
    scene.role(victim)?.start_again()?;
    let mut ready = None;
    loop {
        tokio::time::sleep(PAUSE).await;
        // A core that was fenced ends itself, to stand by.
        scene.tend()?;
        for load in loads {
            load.tend(&scene.rig).await;
            if let Some(broken) = &load.record().broken {
                bail!("after a kill of `{name}`: {broken}");
            }
        }
        if ready.is_none() && scene.is_ready(name).await {
            ready = Some(Instant::now());
        }
        let acknowledged =
            |at: Instant| loads.iter().any(|load| load.record().acknowledged_since(at));
        if let Some(at) = ready.filter(|at| acknowledged(*at)) {
            let (served, back) = (at.duration_since(begun), begun.elapsed());
            if back > SLOW {
                let why = loads.map(|load| load.record().last_failure.clone());
                tell(&format!("{name}: ready after {served:?}, back after {back:?}: {why:?}"));
            }
            return Ok(back);
        }
        if begun.elapsed() > PATIENCE {
            let words = scene.role(victim)?.last_words();
            bail!("nothing goes on {PATIENCE:?} after a kill of `{name}`: {words}");
        }
    }
}

async fn judge(
    scene: &Scene,
    held: &Held,
    record: &Record,
    series: &mut Series,
) -> anyhow::Result<()> {
    let payer = super::payer(&scene.rig)?;
    for (payment, open) in &record.open {
        let end = super::journal::end_of(&payer, *payment).await?;
        if *open == Open::Refused && end == InDoubtEnd::Settled {
            bail!("payment {payment} was refused and settled");
        }
    }
    series.payments = series.payments.saturating_add(record.orders());
    series.acknowledged = series.acknowledged.saturating_add(record.promises.len());
    series.in_doubt = series.in_doubt.saturating_add(record.open.len());
    let lost = record.promises.values().filter(|promise| !held.holds(promise)).count();
    series.lost = series.lost.saturating_add(lost);
    Ok(())
}

impl Series {
    /// A table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text =
            format!("{:<14} {:>5} {:>12} {:>12}", "role", "kills", "median ms", "most ms");
        for (role, tally) in &self.tallies {
            let (middle, most) = tally.middle_and_most();
            let kills = tally.back.len();
            let _ = write!(text, "\n{role:<14} {kills:>5} {middle:>12} {most:>12}");
        }
        let Self { payments, acknowledged, lost, in_doubt, .. } = self;
        let _ = write!(
            text,
            "\npayments {payments}   acknowledged {acknowledged}   lost {lost}   in doubt at the \
             end {in_doubt}, each with one end"
        );
        text
    }

    /// The same for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let roles = self.tallies.iter().map(|(role, tally)| {
            let (middle, most) = tally.middle_and_most();
            let kills = tally.back.len();
            json!({ "role": role, "kills": kills, "median_ms": middle, "most_ms": most })
        });
        json!({
            "roles": roles.collect::<Vec<_>>(),
            "payments": self.payments,
            "acknowledged": self.acknowledged,
            "lost": self.lost,
            "in_doubt": self.in_doubt,
        })
    }
}

/// `wayleave drill kills`.
pub async fn command(args: &crate::cli::drill::KillsArgs) -> anyhow::Result<Series> {
    let binary = crate::load::rig::binary(None)?;
    let dir: PathBuf = crate::load::rig::folder_beside(&binary, "kills");
    let mut scene = match &args.cluster {
        Some(script) => Scene::start_on(script, &dir, &binary).await?,
        None => Scene::start(&dir, &binary).await?,
    };
    let series = series(&mut scene, args.times, args.seed).await?;
    scene.rig.stop();
    let findings = crate::fsck::findings(&scene.rig.stage.dir)?;
    if let Some(first) = findings.first() {
        bail!("{} findings of fsck in `{}`: {first:?}", findings.len(), dir.display());
    }
    std::fs::remove_dir_all(&dir).context("the run's folder")?;
    Ok(series)
}
