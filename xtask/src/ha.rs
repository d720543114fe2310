//! The suite `ha`: a replicated cluster of PostgreSQL of our own, on which the tests kill servers,
//! agents and cores.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::suites::{Outcome, bring, cargo_tests};
use crate::workspace::Workspace;

/// The part of a test's name that says that it needs the cluster.
pub(crate) const ON_CLUSTER: &str = "on_cluster::";
/// The Debian packages, as `deploy/ha/README.md` names them.
const NEEDS: [&str; 5] =
    ["apt:postgresql-15", "apt:patroni", "apt:etcd-server", "apt:etcd-client", "apt:curl"];
/// Starts, stops and kills.
const SCRIPT: &str = "deploy/ha/cluster";
/// Longest run of the tests, built: one that hangs ends, and the cluster is removed.
const SECONDS_MAX: &str = "600";
/// Ports that a cluster takes, from its first on.
const PORTS: u16 = 210;

/// Installs what is needed, starts the cluster, runs the tests, removes the cluster.
pub(crate) fn tests(workspace: &Workspace) -> Result<Outcome> {
    for need in NEEDS {
        if let Err(hint) = bring(need, &workspace.scratch) {
            return Ok(Outcome::not_run("ha", format!("ha: {hint:#}")));
        }
    }
    // Built before the cluster runs: it is timed by clocks of its own.
    let built = cargo("cargo").arg("--no-run").current_dir(&workspace.root).status();
    if !built.context("cargo did not start")?.success() {
        return Ok(Outcome::not_run("ha", "ha: the tests do not build".to_owned()));
    }
    let cluster = Cluster::start(workspace)?;
    let mut command = cargo("timeout");
    command.args(["--", ON_CLUSTER, "--test-threads=1"]);
    cluster.names_itself(&mut command);
    let outcome = cargo_tests(workspace, "ha", command, Vec::new())?;
    let figures = cluster.figures();
    if outcome.failed > 0 {
        cluster.keep_logs(workspace);
    }
    Ok(Outcome { notes: [outcome.notes, figures].concat(), ..outcome })
}

/// `cargo test` of the tests here, by itself or within a time.
fn cargo(program: &str) -> Command {
    let mut command = Command::new(program);
    if program == "timeout" {
        command.args(["--kill-after=10", SECONDS_MAX, "cargo"]);
    }
    command.args(["test", "--package", "wayleave-store", "--test", "ha"]);
    command.args(["--package", "wayleave", "--test", "world", "--test", "drills"]);
    command.args(std::env::var_os("CI").map(|_| "--locked"));
    command
}

/// A running cluster. Dropping it stops it and removes its folder.
struct Cluster {
    script: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Cluster {
    fn start(workspace: &Workspace) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("wayleave-ha-{}", std::process::id()));
        let cluster = Self { script: workspace.root.join(SCRIPT), folder, port: free_ports()? };
        // From here on a failure removes what was made.
        cluster.control("up")?;
        Ok(cluster)
    }

    fn control(&self, word: &str) -> Result<()> {
        let mut command = Command::new(&self.script);
        self.names_itself(&mut command);
        command.arg(word).stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.status().context("the cluster's script did not start")?;
        ensure!(status.success(), "`{SCRIPT} {word}` failed; see the logs in its folder");
        Ok(())
    }

    /// What the tests measured.
    fn figures(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("figures")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The logs of agents and servers, for whoever looks why a test failed.
    fn keep_logs(&self, workspace: &Workspace) {
        let kept = workspace.scratch.join("ha-logs");
        let _ = std::fs::create_dir_all(&kept);
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end == "log") {
                let _ = std::fs::copy(entry.path(), kept.join(entry.file_name()));
            }
        }
    }

    fn names_itself(&self, command: &mut Command) {
        command.env("WAYLEAVE_HA", &self.folder);
        command.env("WAYLEAVE_HA_PORT", self.port.to_string());
        command.env("WAYLEAVE_HA_OWNER", std::process::id().to_string());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.control("remove");
    }
}

/// The first of enough ports of which those that matter are free.
fn free_ports() -> Result<u16> {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let offsets = [11, 12, 21, 22, 31, 32, 101, 102, 103, 201, 202, 203];
    let first = 17_900 + (u16::try_from(std::process::id() % 40)?) * PORTS;
    (0..40)
        .map(|step: u16| 17_900 + (first - 17_900 + step * PORTS) % (40 * PORTS))
        .find(|port| offsets.iter().all(|offset| is_free(port + offset)))
        .context("no ports are free for a cluster")
}
