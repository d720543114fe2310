//! Words for what stands beside the money: metadata, links, limits, marks, personal data.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use clap::{Args, Subcommand};
use ledger::Tag;
use terms::TransactionId;

use super::{FolderArgs, Given};

/// What a transaction says beyond its lines.
#[derive(Debug, Args)]
#[command(next_help_heading = "Beside the money")]
pub struct BesideArgs {
    /// Metadata: `KEY=TEXT`; keys are of `a-z 0-9 . _ : -`. It stands in the journal for ever and
    /// in the clear: for what is about a person use `--personal`.
    #[arg(long, value_name = "KEY=TEXT")]
    pub note: Vec<String>,
    /// Metadata that is a whole number: `KEY=NUMBER`.
    #[arg(long, value_name = "KEY=NUMBER")]
    pub number: Vec<String>,
    /// Metadata about a person, `SLOT:KEY=TEXT`: sealed under the key of that slot (a number of
    /// your own, one for each person) in the book's folder. `wayleave ledger personal forget`
    /// erases it.
    #[arg(long, value_name = "SLOT:KEY=TEXT")]
    pub personal: Vec<String>,
    /// When it took effect in the world, where that is not now: RFC 3339 or seconds since 1970.
    #[arg(long, value_name = "TIME")]
    pub effective: Option<String>,
    /// A number of your own: a kind of transaction, a journal.
    #[arg(long, value_name = "0..65535")]
    pub code: Option<u16>,
    #[command(flatten)]
    pub bounds: BoundArgs,
}

/// What holds have, too.
#[derive(Debug, Args)]
#[command(next_help_heading = "Beside the money")]
pub struct BoundArgs {
    /// What it belongs to: `payment=ID`, `quote=ID`, `returns=TXN`, `refunds=TXN`, `corrects=TXN`.
    #[arg(long, value_name = "KIND=ID")]
    pub link: Vec<String>,
    /// Counts into a total and is refused beyond it: `KEY,PERIOD,AMOUNT,COUNT`, such as
    /// `alice,business_day,1000.00,20`. Periods: `business_day`, `month`, `rolling_hours:N`,
    /// `rolling_days:N`. The book stores the key's digest only.
    #[arg(long, value_name = "KEY,PERIOD,AMOUNT,COUNT")]
    pub limit: Vec<String>,
}

/// What an account is marked with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Marks")]
pub struct MarkArgs {
    /// Its number in your chart of accounts.
    #[arg(long, value_name = "0..65535")]
    pub code: Option<u16>,
    /// A word to find it by, of 1 to 15 of `a-z 0-9 . _ : -`; up to eight.
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<Tag>,
}

/// Personal data: sealed under keys in the book's folder.
#[derive(Debug, Subcommand)]
pub enum PersonalCommand {
    /// Erase all that was sealed under a slot, by forgetting its key for ever.
    ///
    /// The journal keeps the sealed bytes, which say nothing without the key. Copies of the key
    /// that you made (backups of the folder `personal`) must be destroyed, too. A transaction that
    /// was sealed under the slot cannot be sent again; what became of it is still found by its id.
    Forget(ForgetArgs),
    /// Seal words as `post --personal` does, and print the bytes in hex: for programs that send
    /// canonical commands themselves.
    Seal(SealArgs),
    /// Open sealed bytes.
    Open(SealArgs),
}

/// Arguments of `ledger personal forget`.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// Which slot.
    pub slot: u32,
    #[command(flatten)]
    pub folder: FolderArgs,
}

/// Arguments of `ledger personal seal` and `open`.
#[derive(Debug, Args)]
pub struct SealArgs {
    /// Which slot.
    pub slot: u32,
    /// The transaction that they stand in.
    pub transaction: Given<TransactionId>,
    /// The key of the metadata.
    pub key: ledger::Key,
    /// The words, or the sealed bytes in hex.
    pub words: String,
    #[command(flatten)]
    pub folder: FolderArgs,
}
