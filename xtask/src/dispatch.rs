//! Commands that hand over to another crate's program, once that crate exists.
//!
//! Until then they say which issue brings it and end with [`NOT_THERE`]: never a quiet success.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// Exit code of a command whose program does not exist yet.
pub(crate) const NOT_THERE: u8 = 2;

/// What `cargo xtask bench` measures, by name.
const BENCHES: &str = "\
payments  whole path with 16 clients over real role processes, then the core alone: payments/s,
          latencies, processor time by role, the core's memory and start; `--json`, `--seconds N`,
          `--payments N`
ledger [WORKLOAD…]
          a stand-alone ledger, client and server in two processes: every workload or the named ones,
          beside the flush of the same folder, a bare loop and PostgreSQL; rows, tables and pictures
          go to `target/bench`; `--json`, `--quick` (seconds, no bars), `--stored` (what was measured
          before), `--peers` (PostgreSQL also beside named workloads)
policy [WORKLOAD…]
          one side's decision with one pack and with 1,000 corridors loaded, and screening against
          10,000 entities (`decide`, `decide-1000-corridors`, `screen-10k`): processor time at the
          median and the 99th percentile, rate per core, the index's memory; `--json`
ledger-peer-postgres
          PostgreSQL 15 with a minimal double-entry function under pgbench, for comparison: rates,
          latencies, measured flush, processor time, bytes; `--json`, `--seconds N`";

/// `cargo xtask bench [NAME]`: one bench, or which there are.
pub(crate) fn bench(workspace: &Workspace, rest: &[String]) -> Result<ExitCode> {
    match rest.split_first() {
        None => {
            println!("usage: cargo xtask bench NAME\n\n{BENCHES}");
            Ok(ExitCode::SUCCESS)
        }
        Some((name, options)) if name == "payments" => load(workspace, "payments", options),
        Some((name, options)) if name == "ledger" => ledger(workspace, options),
        Some((name, options)) if name == "policy" => {
            let missing = "expected the example `measure-policy` in this workspace";
            program(workspace, "measure-policy", missing, options)
        }
        Some((name, options)) if name == "ledger-peer-postgres" => {
            crate::peer::command(workspace, options)
        }
        Some((name, _)) => bail!("there is no bench `{name}`\n\n{BENCHES}"),
    }
}

/// `cargo xtask bench ledger`: the peers first, then our own program, which prints both.
fn ledger(workspace: &Workspace, options: &[String]) -> Result<ExitCode> {
    let folder = workspace.target.join("bench");
    let peers = folder.join("peers.json");
    std::fs::create_dir_all(&folder)?;
    let has = |option: &str| options.iter().any(|other| other == option);
    let named = options.iter().any(|option| !option.starts_with('-'));
    if has("--peers") || !(named || has("--quick") || has("--stored")) {
        std::fs::write(&peers, crate::peer::rows(workspace)?)?;
    }
    let mut rest: Vec<String> =
        options.iter().filter(|option| *option != "--peers").cloned().collect();
    rest.extend(["--into".to_owned(), folder.display().to_string()]);
    if peers.exists() {
        rest.extend(["--peers".to_owned(), peers.display().to_string()]);
    }
    let missing = "expected the example `measure` in this workspace";
    program(workspace, "measure", missing, &rest)
}

/// `cargo xtask simulate --seed N`: one world under a seed.
pub(crate) fn simulate(workspace: &Workspace, rest: &[String]) -> Result<ExitCode> {
    if let Some(at) = rest.iter().position(|argument| argument == "--seed") {
        let seed = rest.get(at + 1).map_or("nothing", String::as_str);
        if seed.parse::<u64>().is_err() {
            bail!("`--seed` takes a whole number, got `{seed}`");
        }
    }
    let missing = "expected the program `wayleave-simulate` in this workspace";
    program(workspace, "wayleave-simulate", missing, rest)
}

/// `cargo xtask soak [--minutes N] [--seed N]`: the core killed under load, again and again; with
/// `ledger` first, the stand-alone ledger's models and simulations.
pub(crate) fn soak(workspace: &Workspace, rest: &[String]) -> Result<ExitCode> {
    if let Some((name, rest)) = rest.split_first()
        && name == "ledger"
    {
        return crate::soak_ledger::command(workspace, rest);
    }
    load(workspace, "soak", rest)
}

/// `wayleave load`, which is a process of its own beside the roles of the same binary.
fn load(workspace: &Workspace, kind: &str, rest: &[String]) -> Result<ExitCode> {
    let start = ["run", "--quiet", "--release", "--package", "wayleave", "--", "load", kind];
    cargo(workspace, &start, rest)
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
