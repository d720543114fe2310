//! `wayleave demo`: two banks, one with a book of its own, an FX provider, issuers, two
//! supervisors and a core, each a process of this binary; two firms; five acts. The same code as
//! in production, on example data.

pub mod acts;
pub mod cheat;
pub mod crash;
pub mod fleet;
pub mod funding;
mod keys;
pub mod onboard;
pub mod processes;
pub mod screen;
pub mod setup;
pub mod subjects;

use std::path::Path;
use std::time::Instant;

use anyhow::Context;

use self::acts::{Figures, Players};
use self::crash::relative;
use self::processes::RoleProcess;
use self::screen::Screen;
use self::setup::{STANDBY, Stage};
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
    }
    funding::tell(&funding::prefund(&mut stage).await?, &screen);
    stage.keep_memory()?;
    let players = Players::open(&stage).await?;
    let figures = Figures::of(args.seed);
    acts::settles(&mut stage, &players, &figures, &screen).await?;
    stage.keep_memory()?;
    acts::refused(&stage, &players, &screen).await?;
    acts::twice(&players, &figures, &screen).await?;
    let core = processes.iter_mut().find(|p| p.is("core")).context("the core")?;
    crash::killed(&stage, &players, core, &screen).await?;
    crash::cheats(&stage, &screen).await?;
    screen.line(&format!("all in {:.0} s{}", begun.elapsed().as_secs_f32(), still(args)));
    foot(&stage, &screen);
    if !args.once {
        keys::listen(&mut stage, &players, &mut processes, (&figures, &screen)).await?;
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
    let order = ["supervisor", "issuer", "provider", "bank", "core", "edge"];
    let mut processes = Vec::new();
    for process in order {
        let mut started = Vec::new();
        for one in stage.own_books.cast().filter(|one| one.process == process) {
            let folder = stage.folder(one.name);
            let url = stage.url(one.name);
            started.push(RoleProcess::start(binary, one.process, &folder, &url)?);
        }
        // The edges publish to the core and wait for it themselves; the core waits for nobody
        // but the supervisors.
        for process in &mut started {
            process.ready().await?;
        }
        if process == "core" && stage.is_shared() {
            // The first leads by now; this one is ready only when it does.
            let (folder, url) = (stage.folder(STANDBY), stage.url(STANDBY));
            started.push(RoleProcess::start(binary, "core", &folder, &url)?);
        }
        processes.extend(started);
    }
    Ok(processes)
}

fn head(stage: &Stage, screen: &Screen) {
    let version = env!("CARGO_PKG_VERSION");
    let dir = relative(stage, &stage.dir);
    let dir = dir.trim_end_matches('/');
    screen.line(&format!(
        "wayleave {version}   everything runs on this machine, in {dir}   example firms, real files"
    ));
    screen.line("");
    let port = |name: &str| stage.memory.ports.get(name).copied().unwrap_or_default();
    let row = |what: &str, names: &[&str], does: &str| {
        let mut urls = format!("http://localhost:{}", port(names.first().unwrap_or(&"")));
        for name in names.iter().skip(1) {
            urls.push_str(&format!("  :{}", port(name)));
        }
        screen.line(&format!("  {what:<12} {urls:<30} {does}"));
    };
    row("core, log", &["core"], "settles and records");
    row("banks NL, SG", &["bank-nl.1", "bank-sg.1"], "decide for the payer, for the payee");
    row("bank B", &["bank-b"], "the payee's bank keeps its own book");
    row("FX provider", &["fx-dealer"], "quotes, holds both currencies");
    row("issuers", &["issuers"], "register, tax, bureau, banks' accounts");
    row("supervisors", &["supervisor-nl", "supervisor-sg"], "cosign what they checked, keep lists");
    screen.line("");
}

fn foot(stage: &Stage, screen: &Screen) {
    let binary = std::env::args().next().unwrap_or_else(|| "wayleave".into());
    let path = |name: &str| relative(stage, &stage.dir.join(name));
    screen.line("");
    screen.command(
        "check",
        &format!("{binary} verify {} --trust {}", path("receipts/1.wayleave"), path("trust")),
    );
    let recovery = path("recovery.wayleave");
    screen.command("", &format!("{binary} verify {recovery} --trust {}", path("trust")));
    let record = path("records/1.record");
    screen.command("", &format!("{binary} replay {record} --pack {}", path("bank-nl/pack")));
    let wallet = path("wallets/brightwater");
    screen.command("", &format!("{binary} privacy all --wallet {wallet}"));
    screen.command("", &format!("{binary} fsck {}", path("core")));
}
