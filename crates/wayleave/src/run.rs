//! One role in this process: confined first, then served until told to stop.

use std::path::Path;

use anyhow::Context;
use server::roles::{core, edge, issuer, provider, read_config, supervisor};
use server::sandbox::{Reach, confine, system_files};
use server::telemetry;

use crate::cli::{RoleName, RunArgs};

/// Runs a role.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let dir = std::path::absolute(&args.dir)
        .with_context(|| format!("`{}` is no folder", args.dir.display()))?;
    telemetry::start(args.log.as_deref()).context("the log cannot be opened")?;
    // Before any thread: a thread that is already running would stay unconfined.
    let reach = Reach { read_only: system_files(), read_write: vec![dir.clone()] };
    let enforcement = confine(&reach).context("the sandbox cannot be set up")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads for the runtime")?;
    eprintln!("{}: folder access {}", dir.display(), enforcement.as_str());
    runtime.block_on(serve(args.role, &dir))
}

async fn serve(role: RoleName, dir: &Path) -> anyhow::Result<()> {
    match role {
        RoleName::Core => core::run(dir.into(), read_config(dir)?, told_to_stop()).await?,
        RoleName::Edge => edge::run(dir.into(), read_config(dir)?, told_to_stop()).await?,
        RoleName::Issuer => issuer::run(dir.into(), read_config(dir)?, told_to_stop()).await?,
        RoleName::Provider => provider::run(dir.into(), read_config(dir)?, told_to_stop()).await?,
        RoleName::Supervisor => {
            supervisor::run(dir.into(), read_config(dir)?, told_to_stop()).await?;
        }
    }
    Ok(())
}

/// Ends when the process is told to stop.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = signal(SignalKind::interrupt());
    let terminated = signal(SignalKind::terminate());
    let (Ok(mut interrupted), Ok(mut terminated)) = (interrupted, terminated) else { return };
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
}
