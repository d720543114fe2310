//! One role in this process: confined first, then served until told to stop.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use server::roles::{bank, core, edge, front, issuer, provider, rail, read_config, supervisor};
use server::sandbox::{Enforcement, Reach, confine, system_files};
use server::system::{self, ClockWord};
use server::telemetry;
use wallet::{EXIT_REFUSED, EXIT_UNKNOWN};

use crate::cli::{RoleName, RunArgs};

/// Runs a role.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let dir = std::path::absolute(&args.dir)
        .with_context(|| format!("`{}` is no folder", args.dir.display()))?;
    telemetry::start(args.log.as_deref()).context("the log cannot be opened")?;
    system::start_clock();
    // Before any thread: a thread that is already running would stay unconfined.
    let reach = Reach { read_only: system_files(), read_write: vec![dir.clone()] };
    let enforcement = confine(&reach).context("the sandbox cannot be set up")?;
    if let Some(path) = &args.may_read {
        return Ok(may_read(path, enforcement));
    }
    let word = if args.believe_clock { ClockWord::Given } else { ClockWord::Kept };
    system::measure_clock(&dir, word).with_context(|| {
        let file = dir.join(system::CLOCK_FILE);
        format!("`{}`: if the wall clock is right, start with `--believe-clock`", file.display())
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads for the runtime")?;
    eprintln!("{}: folder access {}", dir.display(), enforcement.as_str());
    let served = runtime.block_on(serve(args, &dir));
    // A thread that still waits for input must not hold the process.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

/// Whether this process, confined as the role, may read a file. The bytes are not shown.
fn may_read(path: &Path, enforcement: Enforcement) -> ExitCode {
    let read = std::fs::read(path);
    let (word, code) = match (&read, enforcement) {
        (Ok(_), Enforcement::Full | Enforcement::Partial) => ("readable", 0),
        (Ok(_), Enforcement::Absent) => ("readable: nothing is enforced", EXIT_UNKNOWN),
        (Err(error), _) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            ("denied", EXIT_REFUSED)
        }
        (Err(_), _) => ("not there", EXIT_UNKNOWN),
    };
    crate::command::say(&format!("{word}  {}", path.display()));
    ExitCode::from(code)
}

async fn serve(args: &RunArgs, dir: &Path) -> anyhow::Result<()> {
    let stop = told_to_stop(args.until_input_ends);
    match args.role {
        RoleName::Bank => bank::run(dir.into(), read_config(dir)?, stop).await?,
        RoleName::Core => core::run(dir.into(), read_config(dir)?, stop).await?,
        RoleName::Edge => edge::run(dir.into(), read_config(dir)?, stop).await?,
        RoleName::Front => front::run(read_config(dir)?, stop).await?,
        RoleName::Issuer => issuer::run(dir.into(), read_config(dir)?, stop).await?,
        RoleName::Provider => provider::run(dir.into(), read_config(dir)?, stop).await?,
        RoleName::Supervisor => supervisor::run(dir.into(), read_config(dir)?, stop).await?,
        RoleName::Rail => rail::run(dir.into(), read_config(dir)?, stop).await?,
    }
    Ok(())
}

/// Ends when the process is told to stop: by a signal, or by the end of its input if it lives only
/// as long as whoever started it.
pub(crate) async fn told_to_stop(until_input_ends: bool) {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = signal(SignalKind::interrupt());
    let terminated = signal(SignalKind::terminate());
    let (Ok(mut interrupted), Ok(mut terminated)) = (interrupted, terminated) else { return };
    let input = async {
        if until_input_ends {
            let drained = || std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = tokio::task::spawn_blocking(drained).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
        () = input => {}
    }
}
