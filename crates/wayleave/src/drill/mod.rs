//! Recovery drills: a fault made on purpose, under load, and a file that proves what came of it.
//!
//! Start at [`run::run`]. The catalogue is in [`catalogue`], the hands that break and mend in
//! [`scene`], the load in [`load`], the proof in [`proof`].

pub mod catalogue;
pub mod database;
pub mod journal;
pub mod kills;
pub mod load;
mod numbers;
pub mod proof;
pub mod proxy;
pub mod run;
pub mod scene;
pub mod soak;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use record::DrillVerdict;
use wallet::Wallet;

use self::catalogue::{CATALOGUE, Drill, ON_CLUSTER};
use self::scene::Scene;
use self::table::Row;
use crate::cli::drill::{DrillCommand, RunArgs};
use crate::command::{say, say_json, tell};
use crate::load::rig::{Rig, binary, folder_beside};

/// Does what was asked.
pub fn command(asked: &DrillCommand) -> anyhow::Result<ExitCode> {
    match asked {
        DrillCommand::List(args) => {
            list(args.json);
            Ok(ExitCode::SUCCESS)
        }
        DrillCommand::Run(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(run_all(args))
        }
        DrillCommand::Kills(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let series = runtime.block_on(kills::command(args))?;
            if args.json {
                say_json(&series.json())
            } else {
                say(&series.text())
            }
            Ok(if series.lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        DrillCommand::Report(args) => table::report(&args.dir, args.json),
    }
}

fn list(json: bool) {
    for drill in CATALOGUE.iter().chain(ON_CLUSTER) {
        if json {
            say_json(&serde_json::json!({
                "drill": drill.name,
                "needs_cluster": drill.fault.needs_cluster(),
                "expected": drill.hypothesis,
                "recovers_within_ms": drill.recovers_within.as_millis(),
            }));
        } else {
            let needs = if drill.fault.needs_cluster() { " (--cluster)" } else { "" };
            let (name, width) = (drill.name, catalogue::NAME_WIDTH);
            say(&format!("{name:<width$} {}{needs}", drill.hypothesis));
        }
    }
}

async fn run_all(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let drills = asked(args)?;
    let binary = binary(None)?;
    let dir = folder_beside(&binary, "drill");
    tell("starting every role; the first drill begins in some ten seconds");
    let mut scene = match &args.cluster {
        Some(script) => Scene::start_on(script, &dir, &binary).await?,
        None => Scene::start(&dir, &binary).await?,
    };
    let mut failed = 0_u32;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    std::fs::copy(scene.rig.stage.dir.join("trust"), args.out.join("trust")).context("trust")?;
    if !args.json {
        say(&Row::heading());
    }
    for round in 1..=args.times {
        for drill in &drills {
            tell(&format!("{}: {}", drill.name, drill.hypothesis));
            let out =
                if args.times > 1 { args.out.join(round.to_string()) } else { args.out.clone() };
            let (row, held) = one(&mut scene, drill, args.seed, &out).await?;
            if args.json {
                say_json(&row.json())
            } else {
                say(&row.text())
            }
            failed = failed.saturating_add(u32::from(!held));
        }
    }
    scene.rig.stop();
    let findings = crate::fsck::findings(&scene.rig.stage.dir)?;
    if !findings.is_empty() {
        bail!("{} findings of fsck in `{}`: {:?}", findings.len(), dir.display(), findings.first());
    }
    if !args.keep {
        scene.rig.remove()?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn asked(args: &RunArgs) -> anyhow::Result<Vec<&'static Drill>> {
    let on_cluster = args.cluster.is_some();
    if args.all {
        return Ok(if on_cluster { ON_CLUSTER } else { CATALOGUE }.iter().collect());
    }
    let named = args.names.iter().map(|name| {
        let found = catalogue::find(name)
            .with_context(|| format!("there is no drill `{name}`: see `wayleave drill list`"))?;
        match (found.fault.needs_cluster(), on_cluster) {
            (true, false) => bail!("`{name}` needs two cores over a database: `--cluster PROGRAM`"),
            (false, true) => bail!("`{name}` is a drill of one core: leave `--cluster` out"),
            _ => Ok(found),
        }
    });
    named.collect()
}

async fn one(
    scene: &mut Scene,
    drill: &'static Drill,
    seed: u64,
    out: &Path,
) -> anyhow::Result<(Row, bool)> {
    let outcome = run::run(scene, drill, seed).await.with_context(|| drill.name)?;
    let (report, before) = (&outcome.report, &outcome.before);
    let path: PathBuf = proof::certify(&scene.rig, report, before, out).await?;
    let held = report.verdict == DrillVerdict::Held;
    Ok((Row::of(report, Some(&path)), held))
}

/// The payer's own wallet, to ask with.
fn payer(rig: &Rig) -> anyhow::Result<Wallet> {
    Ok(Wallet::open(&rig.stage.folder("brightwater"))?)
}

/// Which build runs.
fn build() -> String {
    format!("wayleave {}", env!("CARGO_PKG_VERSION"))
}
