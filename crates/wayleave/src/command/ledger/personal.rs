//! Personal data: its keys lie in the book's folder.

use std::process::ExitCode;

use anyhow::Context;
use ledger_server::Folder;
use seal::text::{from_hex, to_hex};
use serde_json::json;

use super::session::folder_path;
use crate::cli::ledger::PersonalCommand;
use crate::command::{say, say_json};

pub(super) fn command(asked: &PersonalCommand) -> anyhow::Result<ExitCode> {
    match asked {
        PersonalCommand::Forget(args) => {
            let keys = Folder::open(&folder_path(&args.folder))?.personal_keys();
            let there_was = keys.forget(args.slot)?;
            if args.folder.json {
                say_json(&json!({ "slot": args.slot, "forgotten": true, "there_was": there_was }));
            } else if there_was {
                say(&format!("slot {} is forgotten: what it sealed is erased", args.slot));
            } else {
                say(&format!("slot {} held no key, and never will", args.slot));
            }
        }
        PersonalCommand::Seal(args) => {
            let keys = Folder::open(&folder_path(&args.folder))?.personal_keys();
            let sealed = keys.seal(args.slot, args.transaction.id, &args.key, &args.words)?;
            let sealed = to_hex(&sealed);
            let about = json!({ "slot": args.slot, "sealed": sealed });
            if args.folder.json { say_json(&about) } else { say(&sealed) }
        }
        PersonalCommand::Open(args) => {
            let keys = Folder::open(&folder_path(&args.folder))?.personal_keys();
            let sealed = from_hex(&args.words).context("expected lower-case hex digits")?;
            let words = keys.open(args.slot, args.transaction.id, &args.key, &sealed)?;
            let about = json!({ "slot": args.slot, "words": words });
            if args.folder.json { say_json(&about) } else { say(&words) }
        }
    }
    Ok(ExitCode::SUCCESS)
}
