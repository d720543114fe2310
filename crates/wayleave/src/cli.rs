//! What can be asked of the binary, in words that teach.

pub mod acts;
pub mod asks;
pub mod backup;
pub mod bank;
pub mod books;
pub mod check;
pub mod drill;
pub mod duty;
pub mod edges;
pub mod lease;
pub mod ledger;
pub mod ledger_proofs;
pub mod lists;
pub mod operator;
pub mod participant;
pub mod policy;
pub mod policy_prove;
pub mod referral;
pub mod wallet;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Settles a small company's payment across a border and leaves proof behind.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a variant without words shows those of its arguments")]
#[expect(clippy::large_enum_variant, reason = "one for a process")]
pub enum Command {
    /// Tell the whole story on this machine: payments, refusals, a crash, a cheat.
    ///
    /// Starts every role as a process, with real files below the folder and real signatures.
    /// A second run goes on with the same books.
    Demo(DemoArgs),
    /// Run one role until it is told to stop (SIGINT or SIGTERM).
    ///
    /// The role reads `role.json` and `keys/` in its folder, and may reach nothing else: where
    /// the kernel has Landlock, the process confines itself to its folder before it serves.
    Run(RunArgs),
    /// Two cores over one replicated journal: one is active, one stands by and takes over.
    #[command(subcommand)]
    Ha(HaCommand),
    /// Check every book, log and copy below a folder, without writing.
    ///
    /// Batches are chained and digested, facts fit their commitments, leaves of the log fit the
    /// facts, unused bytes are zero. What does not fit is named by file, batch, fact and byte.
    /// Exit 0: sound. Exit 1: not.
    Fsck(FsckArgs),
    #[command(subcommand)]
    Edge(edges::EdgeCommand),
    #[command(subcommand)]
    Referral(referral::ReferralCommand),
    #[command(subcommand)]
    Drill(drill::DrillCommand),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    // What these say of themselves stands beside their arguments, in `cli/`.
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    #[command(subcommand)]
    Bank(bank::BankCommand),
    #[command(subcommand)]
    Duty(duty::DutyCommand),
    Privacy(wallet::PrivacyArgs),
    Verify(check::VerifyArgs),
    VerifyExport(check::ExportArgs),
    Replay(check::ReplayArgs),
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    Explain(check::ExplainArgs),
    #[command(subcommand)]
    Receipt(check::ReceiptCommand),
    #[command(subcommand)]
    Lists(lists::ListsCommand),
    Mirrors(books::MirrorsArgs),
    #[command(subcommand)]
    Lease(lease::LeaseCommand),
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    Reconcile(operator::ReconcileArgs),
    #[command(subcommand)]
    Day(operator::DayCommand),
    #[command(subcommand)]
    Participant(participant::ParticipantCommand),
    /// The whole system under load: what `cargo xtask bench payments` and `cargo xtask soak` run.
    #[command(hide = true, subcommand)]
    Load(LoadCommand),
}

/// Kinds of load.
#[derive(Debug, Subcommand)]
pub enum LoadCommand {
    /// Payments a second, latencies, processor time and memory of the real processes.
    Payments(crate::load::bench::Arguments),
    /// Kills the core under load for some minutes and counts what became of each payment.
    Soak(crate::load::soak::Arguments),
}

/// What two cores are asked for.
#[derive(Debug, Subcommand)]
pub enum HaCommand {
    /// Start every role of the demo on this machine, with two cores, until told to stop.
    ///
    /// The journal's tables are made if need be. A core that ends is started again and stands by.
    /// `deploy/ha/up` starts the database first, and then this.
    Up(HaUpArgs),
}

/// Arguments of `ha up`.
#[derive(Debug, Args)]
pub struct HaUpArgs {
    /// The `journal` of a core's `role.json`, as `deploy/ha/cluster up` writes it.
    #[arg(long)]
    pub journal: PathBuf,
    /// Where everything lies. One folder for one database.
    #[arg(long, default_value = "wayleave-ha")]
    pub dir: PathBuf,
    /// The first of eight ports; a taken one moves to the next free.
    #[arg(long, default_value_t = 7000)]
    pub port: u16,
    /// Stop when standard input ends.
    #[arg(long, hide = true)]
    pub until_input_ends: bool,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which role.
    pub role: RoleName,
    /// The role's own folder.
    #[arg(long)]
    pub dir: PathBuf,
    /// Write the log here instead of to standard error.
    #[arg(long)]
    pub log: Option<PathBuf>,
    /// Take the wall clock as right at this start, although it parted from the time that passed
    /// since the last one (the log says so). Look first: what was set a day ahead stamps facts a
    /// day ahead, and stamps never go back.
    #[arg(long)]
    pub believe_clock: bool,
    /// Stop when standard input ends: the role lives no longer than whoever started it.
    #[arg(long, hide = true)]
    pub until_input_ends: bool,
    /// Do not serve: confine the process as the role would be, say whether it may read this
    /// file, and stop. Exit 0: it may. Exit 1: denied. Exit 4: no Landlock here, or no such file.
    #[arg(long, value_name = "PATH", hide = true)]
    pub may_read: Option<PathBuf>,
}

/// The roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Settlement book, hosted customers' books, transparency log.
    Core,
    /// An institution's own customers' book.
    Bank,
    /// An institution's edge: decides on one side.
    Edge,
    /// Registers, tax offices, bureaus: issue and revoke credentials.
    Issuer,
    /// An FX provider: signs firm quotes.
    Provider,
    /// A supervisor: cosigns the log, keeps trust and sanctions lists.
    Supervisor,
    /// One address for several instances of an edge.
    Front,
    /// A rail simulator for the sandbox: takes pacs.008, loses, delays, duplicates, answers late.
    Rail,
}

/// Arguments of `fsck`.
#[derive(Debug, Args)]
pub struct FsckArgs {
    /// A book's folder, a role's folder, or a whole demo.
    pub dir: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where everything lies.
    #[arg(long, default_value = "wayleave-demo")]
    pub dir: PathBuf,
    /// Begin anew: remove the folder first.
    #[arg(long)]
    pub fresh: bool,
    /// End when the story is told, instead of waiting for keys.
    #[arg(long)]
    pub once: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Other amounts, the same for the same number.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The first of eight ports; a taken one moves to the next free.
    #[arg(long, default_value_t = 7000)]
    pub port: u16,
}
