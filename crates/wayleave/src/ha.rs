//! `wayleave ha up`: the demo's cast with two cores over one replicated journal.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use server::roles::core::{Cluster, JournalConfig};

use crate::cli::{HaCommand, HaUpArgs};
use crate::command::say;
use crate::demo::funding::prefund;
use crate::demo::onboard::onboard;
use crate::demo::setup::{STANDBY, Stage};
use crate::demo::start;
use crate::run::told_to_stop;

/// Pause between two looks at the processes.
const LOOK: Duration = Duration::from_millis(500);

/// Runs what was asked.
pub(crate) fn command(asked: &HaCommand) -> anyhow::Result<ExitCode> {
    let HaCommand::Up(args) = asked;
    let text =
        std::fs::read(&args.journal).with_context(|| format!("`{}`", args.journal.display()))?;
    let JournalConfig::Postgres(cluster) = serde_json::from_slice(&text)? else {
        bail!("`{}` names no PostgreSQL", args.journal.display());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(up(args, cluster));
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

async fn up(args: &HaUpArgs, cluster: Cluster) -> anyhow::Result<()> {
    let shared = cluster.of_book("settlement".parse()?).map_err(|reason| anyhow!("{reason}"))?;
    tokio::task::spawn_blocking(move || store::postgres::migrate(&shared)).await??;
    let mut stage = Stage::open(&args.dir, args.port)?;
    stage.share_journal(cluster)?;
    stage.write_roles()?;
    let binary = std::env::current_exe().context("this binary's path")?;
    let mut processes = start(&stage, &binary).await?;
    if !stage.memory.onboarded {
        onboard(&stage).await?;
        stage.memory.onboarded = true;
    }
    prefund(&mut stage).await?;
    stage.keep_memory()?;
    say(&format!("two cores: {} and {}", stage.url("core"), stage.url(STANDBY)));
    let stop = told_to_stop(args.until_input_ends);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(LOOK) => {}
        }
        // A core that was fenced ends itself: started again, it stands by.
        for process in processes.iter_mut().filter(|process| process.is("core")) {
            if process.has_ended() {
                process.start_again()?;
            }
        }
    }
    for process in processes.iter_mut().rev() {
        process.stop();
    }
    Ok(())
}
