//! The words of what anybody can check: `verify`, `verify-export`, `replay`, `policy`, `explain`,
//! `receipt`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Verify a receipt or a recovery file without any server, each check by name.
///
/// Nothing is fetched, and whom to trust is never taken from the file: bring it with `--trust`
/// (a tlog-policy file with one `log` line), or use what a wallet has pinned with `--wallet`.
///
/// Exit 0: good, whom you trust vouches for it. Exit 1: refused, the failed check is named.
/// Exit 3: the file agrees with itself, but nobody whom you trust vouches for it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct VerifyArgs {
    #[command(subcommand)]
    pub kind: Option<VerifyKind>,
    /// A receipt or a recovery file.
    #[arg(required = true)]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub how: VerifyHow,
}

/// A kind of file that must be of that kind. A file of that very name: write `./recovery`.
#[derive(Debug, Subcommand)]
pub enum VerifyKind {
    /// Verify a recovery file: nothing acknowledged was lost, and the log only grew.
    ///
    /// The file holds the receipt of the core's recovery certificate, the checkpoint that was
    /// signed before the crash, and the proof that the log after extends the log before.
    Recovery(RecoveryArgs),
}

/// Arguments of `verify recovery`.
#[derive(Debug, Args)]
pub struct RecoveryArgs {
    /// The recovery file.
    pub file: PathBuf,
    #[command(flatten)]
    pub how: VerifyHow,
}

/// Whom to trust, and in which form to answer.
#[derive(Debug, Args)]
pub struct VerifyHow {
    /// A tlog-policy file: the log's key, its witnesses, and how many are enough.
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Pinned roots of trust lists, so that the keys of permits, quotes and acceptances are
    /// checked too: a text file with lines `NL KEY LIST_FILE` (the list's path is taken from
    /// the roots file's folder).
    #[arg(long, value_name = "FILE")]
    pub roots: Option<PathBuf>,
    /// Take what is not given from this wallet's pinned trust.
    #[arg(long, value_name = "DIR")]
    pub wallet: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Write a receipt's proof for verifiers that are not ours, and print their command.
///
/// Writes the proof as a C2SP `.tlog-proof` file and the 33 bytes of the log's entry beside it,
/// and prints the command by which `proofbundle` (PyPI) checks them. With `--trust`, the keys
/// stand in the command.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The receipt.
    #[arg(value_name = "RECEIPT")]
    pub receipt: PathBuf,
    /// Where to write the two files.
    #[arg(long)]
    pub dir: PathBuf,
    /// A tlog-policy file whose keys go into the printed command.
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Decide again from a decision record, under a rule pack, and compare.
///
/// The record holds what the rules were told. Decided again under the same rules it must give
/// the same bytes: MATCH. Under other rules, or if a word of it was changed, it is a MISMATCH,
/// and the first difference and the policies concerned are named. Depth 1: the findings are
/// taken from the record. Depth 2: they are made anew from a replay file, which holds what was
/// handed in and the lists of that day. Depth 3: the permit's limits against the settlement book,
/// its facts folded again up to the payment's position.
///
/// Exit 0: match. Exit 1: mismatch, or the file is none. Exit 5, nothing is said: something that
/// the file names by its digest is not in it, the pack is another, or the book has no settlement
/// of the payment.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The decision record; at depth 2 a replay file.
    pub file: PathBuf,
    /// From where: 1 findings, 2 what was handed in, 3 the ledger's totals.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=3)
    )]
    pub depth: u8,
    /// The rule pack's folder.
    #[arg(long, value_name = "DIR", required_unless_present = "book")]
    pub pack: Option<PathBuf>,
    /// At depth 3, the settlement book's folder, such as `core/books/settlement`.
    #[arg(long, value_name = "DIR")]
    pub book: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Explain a code: what happened, how to mend it, its ISO 20022 reason.
///
/// Codes stand in refusals, receipts and problem answers. Exit 1: no such code.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The code, such as `QuoteExpired` or `tax-standing-not-good`; without it, all codes.
    pub code: Option<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Look into a receipt.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// The opened fields of a receipt, in words.
    ///
    /// This shows what the file says; whether it is true says `wayleave verify FILE --trust FILE`.
    Show(ShowArgs),
}

/// Arguments of `receipt show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The receipt.
    pub file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
