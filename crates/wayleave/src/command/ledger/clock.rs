//! Whether the wall clock is believed, and a person's word that it is right.

use std::process::ExitCode;

use anyhow::Context as _;
use ledger_server::{Anchor, Folder, PART_MAX, SystemClocks};
use serde_json::json;
use wallet::EXIT_REFUSED;

use super::session::folder_path;
use crate::cli::ledger::ClockArgs;
use crate::command::{say, say_json, tell};

pub(super) fn command(args: &ClockArgs) -> anyhow::Result<ExitCode> {
    let folder = Folder::open(&folder_path(&args.folder))?;
    let before = folder.clock()?;
    if args.accept {
        let now = Anchor::now(&SystemClocks).context("this machine does not name its boots")?;
        folder.note_clock(&now)?;
    }
    let apart = before.and_then(|kept| kept.apart(&SystemClocks));
    let is_parted = apart.is_some_and(|apart| apart > PART_MAX);
    if args.folder.json {
        say_json(&json!({
            "parted": is_parted && !args.accept,
            "apart_ms": apart.map(|apart| u64::try_from(apart.as_millis()).unwrap_or(u64::MAX)),
            "accepted": args.accept,
        }));
    } else {
        let shown = apart.map_or_else(
            || "there is nothing of this boot to measure the wall clock by".to_owned(),
            |apart| format!("the wall clock is {:.3} s from where it was", apart.as_secs_f64()),
        );
        say(&shown);
        if args.accept {
            say("accepted: from here on it is measured by what it says now");
        } else if is_parted {
            tell("no hold expires: set the clock right, or say that it is: `--accept`");
        }
    }
    Ok(if is_parted && !args.accept { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}
