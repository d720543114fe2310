//! The words of `wayleave ledger` for what is proved, archived and locked.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ledger::{FolderArgs, PlaceArgs, ProgressArgs};

/// The newest signed checkpoint of the book's log (C2SP tlog-checkpoint).
///
/// It binds every fact before its size: keep one elsewhere, or give it to others, and no older or
/// other history can be served later without being found out (`ledger serve
/// --known-checkpoint`, `ledger checkpoint --extends`). Needs no server.
///
/// Exit 1: the log does not extend the checkpoint that was given.
#[derive(Debug, Args)]
pub struct CheckpointArgs {
    /// Print the log's verifier key instead: what strangers check with.
    #[arg(long, conflicts_with = "extends")]
    pub key: bool,
    /// Check, too, that the log extends this older checkpoint.
    #[arg(long, value_name = "FILE")]
    pub extends: Option<PathBuf>,
    #[command(flatten)]
    pub folder: FolderArgs,
}

/// Write a receipt: a whole fact, and the proof that it stands in the book's signed log.
///
/// Anybody who has the log's verifier key checks it without us: `wayleave ledger verify`, or after
/// `wayleave verify-export` any C2SP tlog-proof verifier. It shows the whole fact to whoever has
/// the file.
#[derive(Debug, Args)]
pub struct ReceiptArgs {
    /// A transaction or hold of this client: its id or name.
    #[arg(required_unless_present = "position")]
    pub id: Option<String>,
    /// The fact at this position.
    #[arg(long, conflicts_with = "id")]
    pub position: Option<u64>,
    /// Where to write it; never over another file [default: receipt-POSITION.wayleave].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Verify a receipt of a ledger, anywhere, with nothing but the log's key.
///
/// Each check is named. Exit 0: whom you trust vouches for it. Exit 1: a check failed. Exit 3: it
/// agrees with itself, and nobody whom you trust vouches for it.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The receipt.
    pub file: PathBuf,
    /// The log's verifier key, from whom you trust (`ledger checkpoint --key` prints it).
    #[arg(long, value_name = "VKEY", conflicts_with = "trust")]
    pub key: Option<String>,
    /// A tlog-policy file: the log's key, its witnesses, and how many are enough.
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Copy sealed segments of the journal into an archive, each with a manifest that proves it.
///
/// A segment is sealed when the next one was begun. Each manifest names the segment's digest, its
/// positions, the log's root at its end and a signed checkpoint over it, and is chained to the one
/// before. Run it again at any time: what is there is compared and left, what is new is added, and
/// nothing is written over. Keys are not archived: docs/formats/archive.md says what that means.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ArchiveArgs {
    #[command(subcommand)]
    pub what: Option<ArchiveCommand>,
    /// The archive's folder.
    #[arg(long, value_name = "DIR", required = true)]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    pub folder: FolderArgs,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// What else to do with an archive.
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Check every byte of an archive, anywhere: chain, digests, facts, the log's roots and
    /// signatures.
    ///
    /// Exit 0: the log whose key was given vouches for it, and with the salts (`--with`) each fact
    /// is what its commitment says. Exit 1: segment, batch and fact of the damage are named. Exit
    /// 3: it is consistent, and nobody vouches for it, or only for its order: the log signs
    /// commitments, and without the salts whoever could change the archive could change its facts.
    Verify(ArchiveVerifyArgs),
}

/// Arguments of `ledger archive verify`.
#[derive(Debug, Args)]
pub struct ArchiveVerifyArgs {
    /// The archive's folder.
    pub dir: PathBuf,
    /// The log's verifier key, from whom you trust; without it the archive is only consistent, and
    /// the exit code is 3.
    #[arg(long, value_name = "VKEY")]
    pub key: Option<String>,
    /// A book's folder with its salt keys: each fact's commitment is made again, and damage is
    /// named down to the fact. Without them nothing is good: exit 3.
    #[arg(long, value_name = "DIR")]
    pub with: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// What else to do with an export.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Check an export that was written with `--out`, anywhere: each row against the hash before
    /// it, its words against its bytes, its bytes against the journal's own digests, all of it
    /// against the log's root.
    ///
    /// Exit 0: the log whose key was given vouches for it, and with the salts (`--with`) each fact
    /// is what its commitment says. Exit 1: the first row that differs is named. Exit 3: it is
    /// consistent, and nobody vouches for it, or only for its order.
    Verify(ExportVerifyArgs),
}

/// Arguments of `ledger export verify`.
#[derive(Debug, Args)]
pub struct ExportVerifyArgs {
    /// The export; its manifest lies beside it.
    pub file: PathBuf,
    /// The log's verifier key, from whom you trust.
    #[arg(long, value_name = "VKEY")]
    pub key: Option<String>,
    /// A book's folder with its salt keys: each fact's commitment is made again. Without them
    /// nothing is good: exit 3.
    #[arg(long, value_name = "DIR")]
    pub with: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// Build a book's folder from an archive, or from an export.
///
/// What it is built from is checked first. What is left of the old folder (`--with`) gives what an
/// archive does not hold: later segments of the journal, clients and keys; it must not be served
/// meanwhile, nor ever again when the log goes on in the new one. Without it the book has a new
/// operator key, a new log key, and receipts of the old facts cannot be made any more.
///
/// With its salts each fact must be what its commitment says; how many had none is said.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The archive's folder.
    #[arg(long, value_name = "DIR", required_unless_present = "from_export")]
    pub from: Option<PathBuf>,
    /// An export of a whole book, written with `ledger export --out`.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub from_export: Option<PathBuf>,
    /// The new folder; it must not exist.
    #[arg(long, value_name = "NEWDIR")]
    pub to: PathBuf,
    /// What is left of the book's old folder, or a copy of it.
    #[arg(long, value_name = "DIR")]
    pub with: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// Make an API key for HTTP for a client: shown this once, kept as a digest. Replaces the one that
/// it had; a running book learns of it when it starts again.
#[derive(Debug, Args)]
pub struct ClientKeyArgs {
    /// The client.
    pub name: String,
    /// For how long it is good: `12h`, `30d` [default: until it is replaced or revoked].
    #[arg(long, value_name = "TIME")]
    pub lasts: Option<String>,
    #[command(flatten)]
    pub folder: FolderArgs,
}

/// Take a client's API key away. A running book learns of it when it starts again.
#[derive(Debug, Args)]
pub struct ClientNameArgs {
    /// The client.
    pub name: String,
    #[command(flatten)]
    pub folder: FolderArgs,
}
