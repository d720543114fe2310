//! `wayleave demo`: two banks, an FX provider, issuers, two supervisors and a core, each a process
//! of this binary; two firms; five acts. The same code as in production, on example data.

pub mod acts;
pub mod cheat;
pub mod crash;
mod keys;
pub mod onboard;
pub mod processes;
pub mod screen;
pub mod setup;
pub mod subjects;

use std::path::Path;
use std::time::Instant;

use anyhow::Context;

use self::acts::Players;
use self::crash::relative;
use self::processes::RoleProcess;
use self::screen::Screen;
use self::setup::{CAST, Stage};
use crate::cli::DemoArgs;

/// Runs the demo.
pub fn run(args: &DemoArgs) -> anyhow::Result<()> {
    if args.fresh && args.dir.join("demo.json").is_file() {
        std::fs::remove_dir_all(&args.dir)
            .with_context(|| format!("`{}` cannot be removed", args.dir.display()))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(tell(args))
}

async fn tell(args: &DemoArgs) -> anyhow::Result<()> {
    let begun = Instant::now();
    let screen = Screen::new(args.json);
    let mut stage = Stage::open(&args.dir, args.port)?;
    stage.write_roles()?;
    stage.keep_memory()?;
    let binary = std::env::current_exe().context("this binary's path")?;
    let mut processes = start(&stage, &binary).await?;
    head(&stage, &screen);
    let fresh = !stage.memory.onboarded;
    if fresh {
        onboard::onboard(&stage).await?;
        stage.memory.onboarded = true;
    } else {
        onboard::top_up(&stage).await?;
    }
    let players = Players::open(&stage)?;
    acts::settles(&mut stage, &players, &screen).await?;
    stage.keep_memory()?;
    acts::refused(&stage, &players, &screen).await?;
    acts::twice(&players, &screen).await?;
    let core = processes.iter_mut().find(|p| p.is("core")).context("the core")?;
    crash::killed(&stage, &players, core, &screen).await?;
    crash::cheats(&stage, &screen).await?;
    screen.line(&format!("all in {:.0} s{}", begun.elapsed().as_secs_f32(), still(args)));
    foot(&stage, &screen);
    if !args.once {
        keys::listen(&mut stage, &players, &mut processes, &screen).await?;
    }
    for process in processes.iter_mut().rev() {
        process.stop();
    }
    Ok(())
}

const fn still(args: &DemoArgs) -> &'static str {
    if args.once { "" } else { ", still running" }
}

/// Starts every role; supervisors first, since the core asks them before it serves.
pub async fn start(stage: &Stage, binary: &Path) -> anyhow::Result<Vec<RoleProcess>> {
    let order = ["supervisor", "issuer", "provider", "core", "edge"];
    let mut processes = Vec::new();
    for process in order {
        let mut started = Vec::new();
        for one in CAST.iter().filter(|one| one.process == process) {
            let folder = stage.folder(one.name);
            let url = stage.url(one.name);
            started.push(RoleProcess::start(binary, one.process, &folder, &url)?);
        }
        // The edges publish to the core and wait for it themselves; the core waits for nobody
        // but the supervisors.
        for process in &mut started {
            process.ready().await?;
        }
        processes.extend(started);
    }
    Ok(processes)
}

fn head(stage: &Stage, screen: &Screen) {
    let version = env!("CARGO_PKG_VERSION");
    screen.line(&format!(
        "wayleave {version}   everything runs on this machine, in {}   example firms, real \
         signatures",
        relative(stage, &stage.dir).trim_end_matches('/')
    ));
    screen.line("");
    let row = |left: (&str, &str, &str), right: (&str, &str, &str)| {
        let cell = |(what, name, does): (&str, &str, &str)| {
            format!("{what:<12} {:<22} {does}", stage.url(name))
        };
        screen.line(&format!("  {:<55} {}", cell(left), cell(right)));
    };
    row(("core, log", "core", "settles"), ("supervisor NL", "supervisor-nl", "cosigns"));
    row(("bank NL", "bank-nl.1", "decides: payer"), ("supervisor SG", "supervisor-sg", "cosigns"));
    row(("bank SG", "bank-sg.1", "decides: payee"), ("FX provider", "fx-dealer", "quotes"));
    screen.line(&format!("  {:<12} {:<22} register, tax, bureau", "issuers", stage.url("issuers")));
    screen.line("");
}

fn foot(stage: &Stage, screen: &Screen) {
    let binary = std::env::args().next().unwrap_or_else(|| "wayleave".into());
    let receipt = relative(stage, &stage.dir.join("receipts").join("1.wayleave"));
    let trust = relative(stage, &stage.folder("brightwater").join("trust.policy"));
    let core = relative(stage, &stage.folder("core"));
    screen.line("");
    screen.line(&format!("check  {binary} verify {receipt} --trust {trust}"));
    screen.line(&format!("       {binary} fsck {core}"));
}
