//! Commands that hand over to another crate's program, once that crate exists.
//!
//! Until then they say which issue brings it and end with [`NOT_THERE`]: never a quiet success.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// Exit code of a command whose program does not exist yet.
pub(crate) const NOT_THERE: u8 = 2;

/// `cargo xtask bench`: every bench of the workspace.
pub(crate) fn bench(workspace: &Workspace, rest: &[String]) -> Result<ExitCode> {
    match workspace.target_named("bench", |_| true) {
        None => Ok(not_there("bench", "no crate has a bench; issue 3 brings the ledger's")),
        Some(_) => cargo(workspace, &["bench", "--workspace", "--benches", "--"], rest),
    }
}

/// `cargo xtask simulate --seed N`: one world under a seed.
pub(crate) fn simulate(workspace: &Workspace, rest: &[String]) -> Result<ExitCode> {
    if let Some(at) = rest.iter().position(|argument| argument == "--seed") {
        let seed = rest.get(at + 1).map_or("nothing", String::as_str);
        if seed.parse::<u64>().is_err() {
            bail!("`--seed` takes a whole number, got `{seed}`");
        }
    }
    let missing = "there is no program `simulate` yet; issue 2 brings the simulated worlds";
    program(workspace, "wayleave-simulate", missing, rest)
}

/// `cargo xtask soak`: the long run.
pub(crate) fn soak(workspace: &Workspace, rest: &[String]) -> Result<ExitCode> {
    let missing = "there is no program `soak` yet; issue 4 brings the long run";
    program(workspace, "soak", missing, rest)
}

/// Runs the binary or example of this name, in release, wherever it lies.
fn program(workspace: &Workspace, name: &str, missing: &str, rest: &[String]) -> Result<ExitCode> {
    for kind in ["bin", "example"] {
        if let Some((package, _)) = workspace.target_named(kind, |target| target == name) {
            let option = format!("--{kind}");
            let start = ["run", "--quiet", "--release", "--package", &package, &option, name, "--"];
            return cargo(workspace, &start, rest);
        }
    }
    Ok(not_there(name, missing))
}

fn not_there(name: &str, sentence: &str) -> ExitCode {
    println!("{name}: {sentence}");
    ExitCode::from(NOT_THERE)
}

fn cargo(workspace: &Workspace, start: &[&str], rest: &[String]) -> Result<ExitCode> {
    let status = Command::new("cargo")
        .args(start)
        .args(rest)
        .current_dir(&workspace.root)
        .status()
        .with_context(|| format!("`cargo {}` did not start", start.join(" ")))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
