//! What can be asked of the binary, in words that teach.

pub(crate) mod check;
pub(crate) mod wallet;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Settles a small company's payment across a border and leaves proof behind.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one role until it is told to stop (SIGINT or SIGTERM).
    ///
    /// The role reads `role.json` and `keys/` in its folder, and may reach nothing else: where
    /// the kernel has Landlock, the process confines itself to its folder before it serves.
    Run(RunArgs),
    /// Check every book, log and copy below a folder, without writing.
    ///
    /// Batches are chained and digested, facts fit their commitments, leaves of the log fit the
    /// facts, unused bytes are zero. What does not fit is named by file, batch, fact and byte.
    /// Exit 0: sound. Exit 1: not.
    Fsck(FsckArgs),
    // What these say of themselves stands beside their arguments, in `cli/`.
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    Privacy(wallet::PrivacyArgs),
    Verify(check::VerifyArgs),
    VerifyExport(check::ExportArgs),
    Replay(check::ReplayArgs),
    #[command(subcommand)]
    Policy(check::PolicyCommand),
    Explain(check::ExplainArgs),
    #[command(subcommand)]
    Receipt(check::ReceiptCommand),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Which role.
    pub(crate) role: RoleName,
    /// The role's own folder.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Write the log here instead of to standard error.
    #[arg(long)]
    pub(crate) log: Option<PathBuf>,
    /// Do not serve: confine the process as the role would be, say whether it may read this
    /// file, and stop. Exit 0: it may. Exit 1: denied. Exit 4: no Landlock here, or no such file.
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) may_read: Option<PathBuf>,
}

/// The roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Settlement book, hosted customers' books, transparency log.
    Core,
    /// FX provider: quotes.
    Provider,
    /// Issuers of credentials, with their status lists.
    Issuer,
    /// Supervisor: witness of the log, keeper of trust list and sanctions list.
    Supervisor,
}

/// Arguments of `fsck`.
#[derive(Debug, Args)]
pub(crate) struct FsckArgs {
    /// A book's folder, a role's folder, or a whole demo.
    pub(crate) dir: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}
