//! The words of what takes long: how its progress is told, and the bench.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::Args;

use super::FolderArgs;

/// How far a long command has come is told on standard error: a bar where that is a terminal, a
/// line now and then where it is not, and nothing there for a program that reads `--json`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ProgressArgs {
    /// Do not tell on standard error how far it has come.
    #[arg(long)]
    pub quiet: bool,
    /// Where standard error is no terminal: the least time between two lines. 0 tells each step,
    /// and with `--json` too.
    #[arg(long, value_name = "SECONDS", conflicts_with = "quiet")]
    pub progress_every: Option<u32>,
}

/// Arguments of `ledger fsck`.
#[derive(Debug, Args)]
pub struct FsckArgs {
    #[command(flatten)]
    pub folder: FolderArgs,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// Arguments of `ledger bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Where the fresh folder is made [default: the system's folder for temporary files].
    #[arg(long, value_name = "DIR", conflicts_with = "dir")]
    pub at: Option<PathBuf>,
    /// A book that is served already, by its folder, instead of a fresh one. What is posted stays
    /// in it for ever: expected to be empty.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Take a book that is not empty: what is measured is added to its facts, for ever.
    #[arg(long, requires = "dir")]
    pub not_empty: bool,
    /// Transactions of `batch`; `single` posts a fortieth of them.
    #[arg(long, value_name = "N", default_value_t = 200_000,
          value_parser = clap::value_parser!(u64).range(2_000..=100_000_000))]
    pub transactions: u64,
    /// Accounts that move.
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    pub accounts: u64,
    /// Print one JSON object a figure.
    #[arg(long)]
    pub json: bool,
}
