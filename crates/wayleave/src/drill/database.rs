//! The hands that break and mend a replicated database and the two cores over it.
//!
//! A program controls the cluster, as `deploy/ha/cluster` does: `leader` and `standby` print a
//! node's number, `kill-node`, `kill-agent` and `start-node` take one, `whole` says by its end
//! whether every node is there, `database NAME` makes a database and prints the file of its
//! configuration, `drop NAME` drops it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use server::roles::core::{Cluster, JournalConfig};

use super::catalogue::Fault;
use super::scene::Scene;
use crate::demo::setup::STANDBY;

/// Until a core leads, at most.
const LEADS_WITHIN: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(50);
/// Both cores.
const CORES: [&str; 2] = ["core", STANDBY];

/// A database of our own in a cluster. Dropping this drops it.
#[derive(Debug)]
pub struct Database {
    script: PathBuf,
    name: String,
    /// The node that was broken.
    broken: Option<String>,
}

impl Database {
    /// Makes a database for one run.
    pub fn make(script: &Path) -> anyhow::Result<(Self, Cluster)> {
        let script = script.canonicalize().with_context(|| script.display().to_string())?;
        let name = format!("drill_{}", std::process::id());
        let made = Self { script, name, broken: None };
        let file = made.told(&["database", &made.name])?;
        let text = std::fs::read(&file).with_context(|| file.clone())?;
        let JournalConfig::Postgres(cluster) = serde_json::from_slice(&text)? else {
            bail!("`{file}` names no PostgreSQL");
        };
        Ok((made, cluster))
    }

    /// What the cluster's program answers.
    fn told(&self, words: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.script);
        let output = command.args(words).stdin(Stdio::null()).output();
        let output = output.with_context(|| self.script.display().to_string())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`{} {}`: {}", self.script.display(), words.join(" "), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Whether every node runs, one leads and one confirms.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.told(&["whole"]).is_ok()
    }

    fn break_node(&mut self, which: &str, how: &str) -> anyhow::Result<()> {
        let node = self.told(&[which])?;
        self.told(&[how, &node])?;
        self.broken = Some(node);
        Ok(())
    }

    /// Whether another node than the broken one does its work.
    fn replaced(&self, which: &str) -> Result<(), String> {
        let now = self.told(&[which]).map_err(|error| error.to_string())?;
        if self.broken.as_ref() == Some(&now) {
            return Err(format!("node {now} is `{which}` still"));
        }
        Ok(())
    }

    fn mend(&mut self) -> anyhow::Result<()> {
        if let Some(node) = self.broken.take() {
            self.told(&["start-node", &node])?;
        }
        Ok(())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.mend();
        let _ = self.told(&["drop", &self.name]);
    }
}

impl Scene {
    /// The core that leads.
    pub async fn leading(&self) -> Option<&'static str> {
        for name in CORES {
            if self.says_ready(name).await {
                return Some(name);
            }
        }
        None
    }

    /// The core that leads, waited for; the only one, where there is one.
    pub(super) async fn leading_core(&self) -> anyhow::Result<&'static str> {
        if self.database.is_none() {
            return Ok("core");
        }
        let begun = Instant::now();
        loop {
            if let Some(name) = self.leading().await {
                return Ok(name);
            }
            if begun.elapsed() > LEADS_WITHIN {
                bail!("no core leads");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn database(&mut self) -> anyhow::Result<&mut Database> {
        self.database.as_mut().context("this drill needs `--cluster`")
    }

    /// Makes a fault of a cluster.
    pub(super) async fn break_cluster(&mut self, fault: Fault) -> anyhow::Result<()> {
        if fault.is_of_database() {
            let (which, how) = match fault {
                Fault::DatabaseStandbyGone => ("standby", "kill-node"),
                Fault::DatabaseAgentGone => ("leader", "kill-agent"),
                _ => ("leader", "kill-node"),
            };
            return self.database()?.break_node(which, how);
        }
        let leads = self.leading().await.context("no core leads")?;
        let other = CORES.into_iter().find(|name| *name != leads).unwrap_or(leads);
        let name = if fault == Fault::ActiveCoreGone { leads } else { other };
        self.away.insert(name);
        self.role(name)?.kill()
    }

    /// Takes it away.
    pub(super) fn mend_cluster(&mut self) -> anyhow::Result<()> {
        self.away.retain(|name| !CORES.contains(name));
        self.database()?.mend()
    }

    /// Whether somebody else does the work of what was broken.
    pub(super) async fn shown_by_cluster(&mut self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::DatabaseStandbyGone => self.replaced("standby"),
            fault if fault.is_of_database() => self.replaced("leader"),
            Fault::ActiveCoreGone if self.leading().await.is_none() => {
                Err("no core took over".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn replaced(&mut self, which: &str) -> Result<(), String> {
        self.database().map_err(|error| error.to_string())?.replaced(which)
    }

    /// Whether the database is whole, where there is one.
    #[must_use]
    pub fn is_replicated(&self) -> bool {
        self.database.as_ref().is_none_or(Database::is_whole)
    }
}
