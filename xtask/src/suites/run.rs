//! Starts cargo and the scripts, and reads what they print.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::needs::bring;
use super::outcome::{CargoOutput, Outcome, ScriptOutput};
use crate::postgres::Server;
use crate::workspace::Workspace;

/// Names the folder of published test vectors for every test.
const VECTORS: &str = "WAYLEAVE_VECTORS";
/// Where they lie beside a clone.
const VECTORS_BESIDE: &str = "../shared/vectors";
/// The part of a test's name that says that it needs a PostgreSQL server.
pub(crate) const ON_POSTGRES: &str = "on_postgres::";
/// The part of a test's name that says that it needs an S3 server.
pub(crate) const ON_BUCKET: &str = "on_bucket::";
/// Longest run of one script, in seconds: an interop suite that takes longer hangs.
const SCRIPT_SECONDS_MAX: &str = "1200";

/// The folder of test vectors, when there is one.
fn vectors(workspace: &Workspace) -> Option<PathBuf> {
    let named = std::env::var_os(VECTORS).map(PathBuf::from);
    let folder = named.unwrap_or_else(|| workspace.root.join(VECTORS_BESIDE));
    folder.is_dir().then_some(folder).and_then(|path| path.canonicalize().ok())
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// `cargo test --workspace`.
pub(crate) fn workspace_tests(workspace: &Workspace) -> Result<Outcome> {
    let mut notes = Vec::new();
    let mut command = Command::new("cargo");
    command.args(["test", "--workspace", "--no-fail-fast"]);
    command.args(in_ci().then_some("--locked"));
    // What the quick loop leaves out, with a reason, is run here; what needs a server, in a suite
    // of its own.
    command.args(["--", "--include-ignored", "--skip", ON_POSTGRES, "--skip", ON_BUCKET]);
    command.args(["--skip", crate::ha::ON_CLUSTER, "--skip", crate::packs::ON_SOLVER]);
    // A panic's words and place are what a reader needs; its frames would push them out of sight.
    command.env("RUST_BACKTRACE", "0");
    match vectors(workspace) {
        Some(folder) => drop(command.env(VECTORS, folder)),
        None if in_ci() => {
            let why = format!("no test vectors: `{VECTORS}` or `{VECTORS_BESIDE}`; CI needs them");
            return Ok(Outcome::not_run("workspace", why));
        }
        None => notes.push(format!("left out: tests on published vectors (no `{VECTORS_BESIDE}`)")),
    }
    cargo_tests(workspace, "workspace", command, notes)
}

/// The tests of `store` that need a PostgreSQL server, with one.
pub(crate) fn postgres_tests(workspace: &Workspace) -> Result<Outcome> {
    let server = match Server::start(workspace, &[]) {
        Ok(server) => server,
        Err(hint) => return Ok(Outcome::not_run("postgres", format!("postgres: {hint:#}"))),
    };
    let mut command = Command::new("cargo");
    command.args(["test", "--package", "wayleave-store", "--test", "postgres"]);
    command.args(in_ci().then_some("--locked"));
    command.args(["--", ON_POSTGRES]);
    command.env("WAYLEAVE_POSTGRES", server.socket());
    command.env("WAYLEAVE_POSTGRES_TCP", server.tcp());
    command.env("WAYLEAVE_POSTGRES_RESTART", server.restart_command());
    cargo_tests(workspace, "postgres", command, Vec::new())
}

/// The tests that need an S3 server, with one.
pub(crate) fn bucket_tests(workspace: &Workspace) -> Result<Outcome> {
    let server = match crate::bucket::Server::start(workspace) {
        Ok(server) => server,
        Err(hint) => return Ok(Outcome::not_run("bucket", format!("bucket: {hint:#}"))),
    };
    let mut command = Command::new("cargo");
    command.args(["test", "--package", "wayleave-store", "--test", "bucket"]);
    command.args(["--package", "wayleave", "--test", "ledger_proofs"]);
    command.args(in_ci().then_some("--locked"));
    command.args(["--", ON_BUCKET]);
    command.env("WAYLEAVE_S3", server.endpoint());
    command.env("AWS_ACCESS_KEY_ID", "suite").env("AWS_SECRET_ACCESS_KEY", "suite");
    cargo_tests(workspace, "bucket", command, Vec::new())
}

pub(crate) fn cargo_tests(
    workspace: &Workspace,
    name: &str,
    mut command: Command,
    mut notes: Vec<String>,
) -> Result<Outcome> {
    let mut output = CargoOutput::default();
    let log = workspace.scratch.join(format!("{name}.log"));
    let success = follow(command.current_dir(&workspace.root), &log, |line| output.take(line))?;
    if !success && output.failed == 0 {
        output.failed = 1;
        notes.push("the tests did not build or did not end".to_owned());
    }
    let CargoOutput { ran, passed, failed, .. } = output;
    Ok(Outcome { name: name.to_owned(), passed, failed, notes, ran, ..Outcome::default() })
}

/// One script of `interop/`, with what it needs.
pub(crate) fn script(
    workspace: &Workspace,
    name: &str,
    path: &str,
    needs: &[String],
) -> Result<Outcome> {
    for need in needs {
        if let Err(hint) = bring(need, &workspace.scratch) {
            return Ok(Outcome::not_run(name, format!("{name}: {hint:#}")));
        }
    }
    let mut command = Command::new("timeout");
    command.args([SCRIPT_SECONDS_MAX, "bash", path]).current_dir(&workspace.root);
    surroundings(&mut command, workspace)?;
    for binary in needs.iter().filter(|need| need.starts_with("wayleave")) {
        match build(workspace, binary)? {
            Some(built) => drop(command.env("WAYLEAVE_BIN", built)),
            None => {
                let why = format!("{name}: the binary `wayleave` does not exist or does not build");
                return Ok(Outcome::not_run(name, why));
            }
        }
    }
    let mut counts = ScriptOutput::default();
    let log = workspace.scratch.join(format!("{name}.log"));
    let success = follow(&mut command, &log, |line| {
        counts.take(line);
        true
    })?;
    let (passed, failed) = counts.end(success);
    Ok(Outcome { name: name.to_owned(), passed, failed, ..Outcome::default() })
}

/// What every script finds in its environment; `interop/README.md` lists it.
fn surroundings(command: &mut Command, workspace: &Workspace) -> Result<()> {
    let venv = workspace.scratch.join("venv/bin");
    let old = std::env::var_os("PATH").unwrap_or_default();
    let mut path = vec![venv];
    path.extend(std::env::split_paths(&old));
    command
        .env("PATH", std::env::join_paths(path).context("the path cannot be joined")?)
        .env("WAYLEAVE_ROOT", &workspace.root)
        .env("WAYLEAVE_SCRATCH", &workspace.scratch)
        .env("WAYLEAVE_NPM", workspace.scratch.join("npm"))
        .env("CARGO_TARGET_DIR", &workspace.target);
    if let Some(folder) = vectors(workspace) {
        command.env(VECTORS, folder);
    }
    Ok(())
}

/// Builds our binary and tells where it lies; `None` when it does not build or does not exist.
fn build(workspace: &Workspace, need: &str) -> Result<Option<PathBuf>> {
    let Some((package, name)) = workspace.target_named("bin", |target| target == "wayleave") else {
        return Ok(None);
    };
    let release = need.ends_with("-release");
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--package", &package, "--bin", &name]);
    command.args(release.then_some("--release")).current_dir(&workspace.root);
    let built = command.status().context("`cargo build` did not start")?.success();
    let profile = if release { "release" } else { "debug" };
    Ok(built.then(|| workspace.target.join(profile).join("wayleave")))
}

/// Runs a command, keeps all its output in a log, prints the lines that `wanted` chooses; tells
/// whether the command succeeded.
fn follow(command: &mut Command, log: &Path, mut wanted: impl FnMut(&str) -> bool) -> Result<bool> {
    let mut log = std::fs::File::create(log).context("the target folder is not writable")?;
    let (reader, writer) = std::io::pipe().context("no pipe could be opened")?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("{command:?} did not start"))?;
    // The command holds the writing ends: without this the last line would never come.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        log.write_all(&bytes)?;
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end();
        if wanted(line) {
            println!("{line}");
        }
        bytes.clear();
    }
    let status = child.wait().context("the command's end was not seen")?;
    Ok(status.success())
}
