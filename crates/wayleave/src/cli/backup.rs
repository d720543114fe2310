//! The words of `wayleave backup` and `wayleave restore`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Copy a ledger's or a core's journals to a bucket or a folder, while they are served.
///
/// Every batch is copied byte for byte, with the log's newest checkpoint. Run it again at any time:
/// it asks the place how far it is and adds what is new; stopped anywhere, it goes on. All books of
/// a core are copied as of one moment. Of two backups that write to one place at once one wins, and
/// the other says so. Keys are copied only with `--seal-to`, sealed: without them a restored book
/// has its money, and cannot go on as itself.
///
/// `s3://BUCKET/PREFIX` takes its credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
/// the region from AWS_REGION. `file:FOLDER` is a folder, best on another machine's disk.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BackupArgs {
    #[command(subcommand)]
    pub what: Option<BackupCommand>,
    /// The folder of a stand-alone ledger book, or of a core.
    #[arg(required = true)]
    pub dir: Option<PathBuf>,
    /// Where to: `s3://BUCKET/PREFIX` or `file:FOLDER`.
    #[arg(long, value_name = "URL", required = true)]
    pub to: Option<String>,
    #[command(flatten)]
    pub server: ServerArgs,
    /// Go on until it is told to stop, and copy what comes.
    #[arg(long)]
    pub follow: bool,
    /// Seconds between two looks with `--follow`.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
    /// Seal the keys, too, to this recovery key: the 64 digits that `wayleave backup key` printed.
    #[arg(long, value_name = "KEY")]
    pub seal_to: Option<String>,
    /// Make the trial balance of however many facts. Without it books of more than two million
    /// facts are copied without one, because every fact is folded for it.
    #[arg(long)]
    pub trial: bool,
    /// Print JSON, one object for each time that something was copied.
    #[arg(long)]
    pub json: bool,
}

/// How a bucket's server is reached.
#[derive(Clone, Debug, Default, Args)]
pub struct ServerArgs {
    /// Another server than Amazon's that speaks S3, as a URL; plain http on this machine only.
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Certificates to check the server's by, PEM, instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// What else to do with backups.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Read a whole backup back and check it, without restoring it.
    ///
    /// Every object against its digest, every batch against the one before, the facts' commitments
    /// against the log's checkpoint, and the accounts, folded again, against the trial balance.
    /// Exit 0: all of it holds. Exit 1: what does not is named.
    Verify(BackupVerifyArgs),
    /// Make a recovery key: the secret half goes into a new file, the public half is printed.
    ///
    /// Keep the file away from every machine of the system: whoever has it and the backup has every
    /// key of the book.
    Key(BackupKeyArgs),
}

/// Arguments of `backup verify`.
#[derive(Debug, Args)]
pub struct BackupVerifyArgs {
    /// Where from: `s3://BUCKET/PREFIX` or `file:FOLDER`.
    #[arg(long, value_name = "URL")]
    pub from: String,
    #[command(flatten)]
    pub server: ServerArgs,
    /// The log's verifier key, from whom you trust, instead of the one that the backup names.
    #[arg(long, value_name = "VKEY")]
    pub key: Option<String>,
    /// The recovery key's file: what was sealed is opened, and with the salts each fact is compared
    /// with its commitment.
    #[arg(long, value_name = "FILE")]
    pub recovery_key: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `backup key`.
#[derive(Debug, Args)]
pub struct BackupKeyArgs {
    /// The new file of the secret half.
    pub file: PathBuf,
}

/// Build a ledger's or a core's folder from a backup.
///
/// Everything is checked while it is read: digests, chain, the log's checkpoint, the trial balance.
/// The folder appears whole or not at all. With the recovery key the book goes on as itself;
/// without it what cannot be opened any more is said. The folder must not be served where the old
/// one still is: an older copy meets the same guard as any other, and is not served when somebody
/// outside has seen more.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The new folder; it must not exist, or be empty.
    pub dir: PathBuf,
    /// Where from: `s3://BUCKET/PREFIX` or `file:FOLDER`.
    #[arg(long, value_name = "URL")]
    pub from: String,
    #[command(flatten)]
    pub server: ServerArgs,
    /// The recovery key's file, for the keys that were sealed to it.
    #[arg(long, value_name = "FILE")]
    pub recovery_key: Option<PathBuf>,
    /// A ledger's log goes on under its key. Only where nothing behind the backup was ever shown to
    /// anybody: or its positions are signed twice, with different facts.
    #[arg(long)]
    pub same_log: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
