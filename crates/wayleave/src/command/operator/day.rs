//! `wayleave day close`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use seal::sha256;
use serde_json::{Value, json};

use super::{Desk, Heard, rows, say, say_json, text};
use crate::cli::operator::CloseArgs;

/// Closes a day and writes the files that the core made of it.
pub(super) async fn close(args: &CloseArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(&args.desk)?;
    let body = serde_json::to_vec(&json!({ "date": args.date.map(|date| date.to_string()) }))?;
    let told = match desk.post("/v1/day-closes", api::wire::JSON, body).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    let date = text(&told, "date");
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("day-{date}")));
    std::fs::create_dir_all(&out).with_context(|| format!("`{}`", out.display()))?;
    for file in rows(&told, "files") {
        let name = text(file, "name");
        let target = format!("/v1/day-closes/{date}/{name}");
        let bytes = match desk.send(client::Outgoing::get(&target)).await? {
            Heard::Told(fetched) => text(&fetched, "text").into_bytes(),
            Heard::Ended(code) => return Ok(code),
        };
        if sha256(&bytes).to_string() != text(file, "sha256") {
            bail!("`{name}` is not what the close said");
        }
        let path = out.join(&name);
        std::fs::write(&path, &bytes).with_context(|| format!("`{}`", path.display()))?;
    }
    if desk.json {
        say_json(&told);
    } else {
        show(&told, &out);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(told: &Value, out: &std::path::Path) {
    let counted = if text(told, "news") == "before" { "  (closed before)" } else { "" };
    say(&format!("closed  {}  position {}{counted}", text(told, "date"), text(told, "position")));
    for asset in rows(told, "assets") {
        let word = |key| text(asset, key);
        say(&format!(
            "  {}  debits {}  credits {}  owed {}  confirmed outside {}",
            word("asset"),
            word("debits"),
            word("credits"),
            word("liabilities"),
            word("confirmed")
        ));
    }
    say(&format!(
        "  {} in suspense or on its way, {} breaks",
        text(told, "in_transit"),
        text(told, "breaks")
    ));
    say(&format!("  {} files in {}", rows(told, "files").len(), out.display()));
}
