//! `cargo xtask soak --drills`: drills for hours, drawn under a seed, and one table at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use record::{DrillReport, DrillVerdict};

use super::catalogue::{CATALOGUE, Drill, ON_CLUSTER};
use super::scene::Scene;
use super::{proof, run};
use crate::load::rig::{binary, folder_beside};
use crate::load::soak::{Arguments, Dice, commit};

/// What a fault came to.
#[derive(Debug, Default)]
struct Row {
    tries: u32,
    held: u32,
    orders: u64,
    acknowledged: u64,
    lost: u64,
    in_doubt: u64,
    /// From the fault to the first payment past its last sign; of those that showed.
    recovered_ms: Vec<u64>,
}

impl Row {
    fn add(&mut self, report: &DrillReport) {
        let counts = &report.counts;
        self.tries = self.tries.saturating_add(1);
        self.held = self.held.saturating_add(u32::from(report.verdict == DrillVerdict::Held));
        let add = |sum: &mut u64, more: u32| *sum = sum.saturating_add(u64::from(more));
        add(&mut self.orders, counts.orders);
        add(&mut self.acknowledged, counts.acknowledged);
        add(&mut self.lost, counts.lost);
        add(&mut self.in_doubt, counts.in_doubt);
        let times = &report.times;
        let took = times.recovered_at.map(|at| at.since(times.injected_at).as_millis());
        self.recovered_ms.extend(took.and_then(|ms| u64::try_from(ms).ok()));
    }

    fn text(&self, name: &str) -> String {
        let mut sorted = self.recovered_ms.clone();
        sorted.sort_unstable();
        let at =
            |index: usize| sorted.get(index).map_or_else(|| "-".to_owned(), ToString::to_string);
        let (middle, most) = (at(sorted.len() / 2), at(sorted.len().saturating_sub(1)));
        let Self { tries, held, orders, acknowledged, lost, in_doubt, .. } = self;
        format!(
            "| `{name}` | {tries} | {held} | {orders} | {acknowledged} | {lost} | {in_doubt} | \
             {middle} | {most} |"
        )
    }
}

/// Runs drills for the time given, and prints the table. Ends with an error when a hypothesis did
/// not hold; the table is printed all the same.
pub async fn soak(arguments: &Arguments) -> anyhow::Result<()> {
    let binary = binary(arguments.binary.clone())?;
    let dir = folder_beside(&binary, "soak-drills");
    let drills = if arguments.cluster.is_some() { ON_CLUSTER } else { CATALOGUE };
    let mut scene = match &arguments.cluster {
        Some(script) => Scene::start_on(script, &dir, &binary).await?,
        None => Scene::start(&dir, &binary).await?,
    };
    println!("soak of drills   seed {}   commit {}", arguments.seed, commit());
    let mut rows: BTreeMap<&'static str, Row> = BTreeMap::new();
    let out = dir.join("proofs");
    let length = Duration::from_secs(arguments.minutes.saturating_mul(60));
    let (mut dice, begun, mut round) = (Dice::of(arguments.seed), Instant::now(), 0);
    let mut failed = Vec::new();
    while begun.elapsed() < length && round < arguments.rounds {
        round += 1;
        // Each round has every drill once, in an order of its own.
        let mut left: Vec<&Drill> = drills.iter().collect();
        while !left.is_empty() && begun.elapsed() < length {
            let drill = left.swap_remove(dice.below(left.len()));
            let report =
                one(&mut scene, drill, arguments.seed, out.join(round.to_string())).await?;
            if report.verdict != DrillVerdict::Held {
                failed.push(format!("{} in round {round}: {}", drill.name, report.verdict));
            }
            rows.entry(drill.name).or_default().add(&report);
        }
    }
    println!(
        "| fault | tries | held | payments | acknowledged | lost | in doubt | RTO p50, ms | \
         RTO max, ms |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    rows.iter().for_each(|(name, row)| println!("{}", row.text(name)));
    println!("{round} rounds in {} s", begun.elapsed().as_secs());
    failed.iter().for_each(|line| println!("{line}"));
    scene.rig.stop();
    let findings = crate::fsck::findings(&scene.rig.stage.dir)?;
    println!("fsck: {} findings in all books, logs and copies", findings.len());
    if !failed.is_empty() || !findings.is_empty() {
        bail!("not everything held; the files stay in `{}`", dir.display());
    }
    if arguments.keep { Ok(()) } else { scene.rig.remove() }
}

async fn one(
    scene: &mut Scene,
    drill: &'static Drill,
    seed: u64,
    out: PathBuf,
) -> anyhow::Result<DrillReport> {
    let outcome = run::run(scene, drill, seed).await?;
    proof::certify(&scene.rig, &outcome.report, &outcome.before, &out).await?;
    Ok(outcome.report)
}
