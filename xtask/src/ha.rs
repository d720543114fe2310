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
/// Ports that a cluster takes, from its first on.
const PORTS: u16 = 210;

/// Installs what is needed, starts the cluster, runs the tests, removes the cluster.
pub(crate) fn tests(workspace: &Workspace) -> Result<Outcome> {
    for need in NEEDS {
        if let Err(hint) = bring(need, &workspace.scratch) {
            return Ok(Outcome::not_run("ha", format!("ha: {hint:#}")));
        }
    }
    let cluster = Cluster::start(workspace)?;
    let mut command = Command::new("cargo");
    command.args(["test", "--package", "wayleave-store", "--test", "ha"]);
    command.args(["--package", "wayleave", "--test", "world"]);
    command.args(std::env::var_os("CI").map(|_| "--locked"));
    command.args(["--", ON_CLUSTER, "--nocapture", "--test-threads=1"]);
    cluster.names_itself(&mut command);
    cargo_tests(workspace, "ha", command, Vec::new())
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

    fn names_itself(&self, command: &mut Command) {
        command.env("WAYLEAVE_HA", &self.folder);
        command.env("WAYLEAVE_HA_PORT", self.port.to_string());
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
