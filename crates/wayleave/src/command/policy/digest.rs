//! `wayleave policy digest`.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::policy::DigestArgs;
use crate::command::replay::read_pack;
use crate::command::{say, say_json};

/// What permits and records name a pack by.
pub(crate) fn command(args: &DigestArgs) -> anyhow::Result<ExitCode> {
    let (_, pack) = read_pack(&args.dir)?;
    let rules = pack.rule_ids().count();
    if args.json {
        say_json(&json!({
            "digest": pack.digest().to_string(),
            "schema": pack.schema_digest().to_string(),
            "name": pack.name(),
            "corridor": pack.corridor().to_string(),
            "side": pack.side().as_str(),
            "rules": rules,
        }));
    } else {
        say(&format!("{}  {}", pack.digest(), pack.name()));
        let (corridor, side) = (pack.corridor(), pack.side().as_str());
        say(&format!("{rules} rules for the {side} side of {corridor}"));
    }
    Ok(ExitCode::SUCCESS)
}
