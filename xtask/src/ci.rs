//! `cargo xtask ci`: format, lints, tidy, audit. All of them run, then the failed ones are named.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{audit, tidy};

/// Runs the four checks and prints the minutes of each.
#[expect(clippy::disallowed_methods, reason = "the time of each check is printed")]
pub(crate) fn command(workspace: &Workspace) -> Result<ExitCode> {
    let mut table = Vec::new();
    for name in ["format", "lints", "tidy", "audit"] {
        println!("--- {name}");
        let started = Instant::now();
        let passed = run(workspace, name)?;
        table.push((name, started.elapsed().as_secs_f64() / 60.0, passed));
    }
    println!("\ncheck     minutes  outcome");
    for (name, minutes, passed) in &table {
        println!("{name:<9} {minutes:>7.2}  {}", if *passed { "ok" } else { "FAILED" });
    }
    let all = table.iter().all(|(_, _, passed)| *passed);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(workspace: &Workspace, name: &str) -> Result<bool> {
    match name {
        "format" => cargo(workspace, &["fmt", "--all", "--check"]),
        "lints" => cargo(
            workspace,
            &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"],
        ),
        "tidy" => Ok(tidy::command(workspace)? == ExitCode::SUCCESS),
        _ => Ok(audit::command()? == ExitCode::SUCCESS),
    }
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<bool> {
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(&workspace.root)
        .status()
        .with_context(|| format!("`cargo {}` did not start", arguments.join(" ")))?;
    Ok(status.success())
}
