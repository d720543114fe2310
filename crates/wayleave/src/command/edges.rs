//! `wayleave edge`: instances made, drained and counted.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use client::Outgoing;
use serde_json::{Value, json};
use server::roles::edge::{self, Config};
use server::roles::read_config;
use wallet::EXIT_REFUSED;

use super::operator::{Desk, Heard, online, rows};
use super::{say, say_json};
use crate::cli::edges::{AddArgs, EdgeCommand, RetireArgs};
use crate::cli::operator::DeskArgs;
use crate::demo::setup::write_json;

/// `wayleave edge`.
pub(crate) fn command(asked: &EdgeCommand) -> anyhow::Result<ExitCode> {
    match asked {
        EdgeCommand::Add(args) => add(args),
        EdgeCommand::Retire(args) => online(retire(args)),
        EdgeCommand::Instances(args) => online(instances(args)),
    }
}

fn add(args: &AddArgs) -> anyhow::Result<ExitCode> {
    let config: Config = read_config(&args.from)?;
    if config.common.port == args.port {
        bail!("port {} is that of `{}`", args.port, args.from.display());
    }
    if config.referrals.is_some() {
        bail!(
            "`{}` has a referral queue, which one instance keeps: take `referrals` out of its \
             `role.json` first",
            args.from.display()
        );
    }
    if args.dir.exists() {
        bail!("`{}` is there already: an instance begins with an empty folder", args.dir.display());
    }
    let private = |path: &Path| {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path)
    };
    private(&args.dir.join("keys")).with_context(|| format!("`{}`", args.dir.display()))?;
    copy_files(&args.from.join("keys"), &args.dir.join("keys"), 0o600)?;
    private(&args.dir.join("pack"))?;
    copy_files(&args.from.join("pack"), &args.dir.join("pack"), 0o644)?;
    for more in &config.more {
        let place = Path::new("packs").join(&more.pack);
        private(&args.dir.join(&place))?;
        copy_files(&args.from.join(&place), &args.dir.join(&place), 0o644)?;
    }
    let common = server::roles::Common { port: args.port, ..config.common };
    let config = Config { common, instance: Some(args.instance.clone()), ..config };
    write_json(&args.dir.join("role.json"), &config)?;
    say(&format!("{}  {}  port {}", args.instance, args.dir.display(), args.port));
    Ok(ExitCode::SUCCESS)
}

fn copy_files(from: &Path, to: &Path, mode: u32) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(from).with_context(|| format!("`{}`", from.display()))?;
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let copy = to.join(entry.file_name());
        std::fs::write(&copy, std::fs::read(entry.path())?)
            .with_context(|| format!("`{}`", copy.display()))?;
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

async fn retire(args: &RetireArgs) -> anyhow::Result<ExitCode> {
    let dir = std::path::absolute(&args.dir)?;
    let config: Config = read_config(&dir)?;
    let retired = edge::retire(dir, &config).await?;
    let (edge, end) = (retired.edge.to_string(), retired.end.number());
    if args.json {
        say_json(&json!({ "edge": edge, "numbers": end }));
    } else {
        say(&format!("closed  {edge}  after {end} numbers, all accounted for"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn instances(args: &DeskArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(args)?;
    let told = match desk.send(Outgoing::get("/v1/edge-instances")).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    let all = rows(&told, "instances");
    for one in all {
        if args.json {
            say_json(one);
        } else {
            show(one);
        }
    }
    let whole = all.iter().all(|one| one["missing"].is_null() && differences(one).is_empty());
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}

fn show(one: &Value) {
    let word = |key: &str| match &one[key] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let differ = !differences(one).is_empty();
    let state = match (one["missing"].is_null(), differ, one["closed_at"].is_null()) {
        (false, _, _) => "MISSING",
        (true, true, _) => "DIFFERS",
        (true, false, true) => "whole",
        (true, false, false) => "closed",
    };
    say(&format!(
        "{state:<8} {:<14} numbers {} to {}: {} permits, {} refusals, {} referrals, {} cut short",
        word("edge"),
        word("first"),
        word("last_accounted"),
        word("permits"),
        word("refusals"),
        word("referrals"),
        word("nothing"),
    ));
    if let Some(missing) = one["missing"].as_object() {
        let number = |key: &str| missing.get(key).map(ToString::to_string).unwrap_or_default();
        say(&format!("         missing: {} to {}", number("from"), number("to")));
    }
    let said = |one: &Value| text(&one["payment"]).to_owned();
    for lost in rows(one, "unaccounted") {
        say(&format!("         {} of {} is not accounted for", lost["number"], said(lost)));
    }
    for other in differences(one) {
        let said = |whose: &str| {
            let said = &other[whose];
            format!("{} of {}", text(&said["spent_on"]), text(&said["payment"]))
        };
        let (number, account, fact) = (&other["number"], said("accounted"), said("fact"));
        say(&format!("         {number}: accounted as {account}; a fact says {fact}"));
    }
}

/// Numbers of which an account says one thing and a payment's fact another.
fn differences(one: &Value) -> &[Value] {
    rows(one, "differences")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
