//! `wayleave backup` and `wayleave restore`: a folder's books in a place of objects, and back.
//!
//! What lies there, byte by byte: `docs/formats/backup.md`. How batches are copied and read is
//! `store::backup`'s; here is what a ledger's and a core's folder hold beside them.

mod again;
mod folder;
mod keys;
mod pass;
mod said;
mod trial;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use store::objects::{Objects, Target};

use crate::cli::backup::{BackupArgs, BackupCommand, RestoreArgs, ServerArgs};
use crate::command::tell;

/// Longest pause after a place did not answer.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Runs `wayleave backup`.
pub(crate) fn command(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        Some(BackupCommand::Verify(asked)) => return again::verify(asked),
        Some(BackupCommand::Key(asked)) => return keys::make(&asked.file),
        None => {}
    }
    let (Some(dir), Some(to)) = (&args.dir, &args.to) else {
        anyhow::bail!("expected `DIR --to URL`");
    };
    let objects = open(to, &args.server)?;
    let mut sender = pass::Sender::new(dir, objects, args)?;
    let mut pause = Duration::from_secs(args.every);
    loop {
        match sender.pass() {
            Ok(sent) => {
                pause = Duration::from_secs(args.every);
                if sent.is_news() || !args.follow {
                    said::sent(&sent, args.json);
                }
            }
            // What a place does not answer now it may answer later; all else stays as it is.
            Err(error) if args.follow && pass::may_pass(&error) => {
                tell(&format!("not copied yet: {error:#}"));
                pause = pause.saturating_mul(2).min(PAUSE_MAX);
            }
            Err(error) => return Err(error),
        }
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(pause);
    }
}

/// Runs `wayleave restore`.
pub(crate) fn restore_command(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    again::restore(args)
}

fn open(address: &str, server: &ServerArgs) -> anyhow::Result<Arc<dyn Objects>> {
    let target =
        Target::parse(address).at_endpoint(server.endpoint.clone()).trusting(server.ca.clone());
    target.open().with_context(|| format!("`{address}` cannot be used"))
}
