//! The words of `wayleave drill`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Break something on purpose, under load, and prove what became of every payment.
///
/// A drill states what it expects, makes one fault in running roles, and takes it away again. It
/// ends in a file: the operator's report, recorded as a fact of the settlement book, under a
/// checkpoint that both supervisors cosigned, with the proof that the log only grew since before
/// the fault. `wayleave verify recovery FILE` checks it without any server.
#[derive(Debug, Subcommand)]
pub enum DrillCommand {
    /// The drills there are: what each breaks and expects.
    List(ListArgs),
    /// Run drills on a stage of their own: every role a process, the core behind a proxy.
    ///
    /// Exit 0: every hypothesis held. Exit 1: one was refuted or aborted; the table says which.
    Run(RunArgs),
    /// Kill every role again and again under one load, and compare every acknowledgement with the
    /// journal at the end.
    ///
    /// Exit 0: nothing was lost. Anything else that is not as it must be is an error.
    Kills(KillsArgs),
    /// The table of drills that were run, from their files.
    Report(ReportArgs),
}

/// Arguments of `drill list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `drill run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which drills, by name: see `wayleave drill list`.
    #[arg(required_unless_present = "all")]
    pub names: Vec<String>,
    /// Every drill of the list.
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// So many times each.
    #[arg(long, default_value_t = 1)]
    pub times: u32,
    /// Written into the reports. The moments of a fault are the machine's: a seed cannot repeat
    /// them.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the files of proof go.
    #[arg(long, default_value = "drills")]
    pub out: PathBuf,
    /// Run the drills of a replicated database, on the cluster that this program controls:
    /// `deploy/ha/cluster`, after `deploy/ha/cluster up`. It kills nodes of that cluster.
    #[arg(long, value_name = "PROGRAM")]
    pub cluster: Option<PathBuf>,
    /// Keep the stage's folder.
    #[arg(long)]
    pub keep: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `drill kills`.
#[derive(Debug, Args)]
pub struct KillsArgs {
    /// So many times each role.
    #[arg(long, default_value_t = 20)]
    pub times: u32,
    /// Decides the order of the roles and the pauses between them.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Two cores over the replicated database that this program controls: `deploy/ha/cluster`.
    #[arg(long, value_name = "PROGRAM")]
    pub cluster: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `drill report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder that `drill run` wrote to.
    #[arg(default_value = "drills")]
    pub dir: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}
