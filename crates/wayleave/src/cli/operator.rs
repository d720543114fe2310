//! The words of the operator: `wayleave operator`, `wayleave reconcile`, `wayleave day`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand};
use seal::Digest;
use terms::{AccountId, AssetCode, BusinessDate, InstitutionName, TransactionId};

/// The operator of the settlement book: money in from outside, and what waits for a person.
///
/// Exit 0: done. Exit 1: refused or not done. Exit 4: nobody knows; ask again.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Post files of booked lines (camt.054, camt.053) that the bank sent.
    ///
    /// Each booked line counts once for ever, in whatever file it comes and however often. A line
    /// whose remittance says a participant's word credits that participant; where it says an
    /// account (`acct_…`) too, the participant's book credits its customer. Every other line waits
    /// in suspense. A file that cannot be is refused whole, and kept with its verdict.
    Fund(FundArgs),
    /// Each outside account: confirmed, owed, what waits, what does not agree.
    Outside(DeskArgs),
    /// Credit a participant with a line that waits in suspense.
    Release(AssignArgs),
    /// Order that a line in suspense goes back.
    ///
    /// Prints the word that the outgoing payment must say: the debit line that says it, over the
    /// same amount, confirms the return. Until then the money stays in suspense.
    Return(ReturnArgs),
    /// Let a participant, or the operator itself, bear a debit that nobody here sent.
    Charge(AssignArgs),
    #[command(subcommand)]
    Correct(CorrectCommand),
    #[command(subcommand)]
    Stuck(super::participant::StuckCommand),
    #[command(subcommand)]
    Act(super::acts::ActCommand),
    /// What waits in suspense, the oldest first: age, amount, owner, and the sums of each age.
    Suspense(DeskArgs),
    /// What a person should look at now, with names. Exit 1 when there is anything.
    ///
    /// The same figures, without names, are gauges at `/metrics` of the core.
    /// `docs/parts/operations.md` says what to do about each.
    Alerts(DeskArgs),
}

/// Who asks, and in which form to answer.
#[derive(Clone, Debug, Args)]
pub struct DeskArgs {
    /// The operator's folder, with `role.json` and `keys/` [default: `WAYLEAVE_OPERATOR`, else
    /// ./operator].
    #[arg(long, value_name = "DIR")]
    pub operator: Option<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `operator fund`.
#[derive(Debug, Args)]
pub struct FundArgs {
    /// The files, at most 1 MiB each.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// Arguments of `operator release` and `operator charge`.
#[derive(Debug, Args)]
pub struct AssignArgs {
    /// The line: 64 hex digits, as `wayleave operator outside` prints it.
    pub line: Digest,
    /// Whom.
    pub participant: InstitutionName,
    /// Why: it is recorded.
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// Arguments of `operator return`.
#[derive(Debug, Args)]
pub struct ReturnArgs {
    /// The line: 64 hex digits, as `wayleave operator outside` prints it.
    pub line: Digest,
    /// Why: it is recorded.
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// Set right what was booked wrongly: a new transaction, linked to the wrong one.
///
/// Two persons sign the same document, each with a key of the core's `approvers`: one writes it
/// into a file, the other reads it and sends it. It passes no floor and no freeze.
#[derive(Debug, Subcommand)]
pub enum CorrectCommand {
    /// Write a correction into a file, signed by the first person. Nothing is sent.
    Sign(CorrectArgs),
    /// Show a correction that another person signed, sign it too and send it. Once: sent again, it
    /// changes nothing.
    Send(SecondArgs),
}

/// Arguments of `operator correct sign`.
#[derive(Debug, Args)]
pub struct CorrectArgs {
    /// The transaction that was wrong, as the general ledger of `day close` names it.
    pub transaction: TransactionId,
    /// The account that is debited.
    #[arg(long, value_name = "ACCOUNT")]
    pub debit: AccountId,
    /// The account that is credited.
    #[arg(long, value_name = "ACCOUNT")]
    pub credit: AccountId,
    /// How much: `12400.00`.
    #[arg(long)]
    pub amount: String,
    /// In which asset.
    #[arg(long)]
    pub asset: AssetCode,
    /// Why: it is recorded.
    #[arg(long)]
    pub reason: String,
    /// Your name: signs with `keys/approve-NAME.seed` of the folder.
    #[arg(long = "as", value_name = "NAME")]
    pub who: String,
    /// The file for the second person. It must be new.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// Arguments of `operator correct send`.
#[derive(Debug, Args)]
pub struct SecondArgs {
    /// The file of the first person.
    pub file: PathBuf,
    /// Your name: signs with `keys/approve-NAME.seed` of the folder.
    #[arg(long = "as", value_name = "NAME")]
    pub who: String,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// Compare a bank's statement (camt.053) with the settlement book, line by line.
///
/// Balances, then each line: matched, in suspense, missing in the book, missing in the statement,
/// differing amount, twice. Each break is named with amount, owner and age, recorded, and stops
/// defunding of its asset until a later statement agrees or the missing line is counted.
///
/// Exit 0: all agrees. Exit 1: breaks, or refused. Exit 4: nobody knows; ask again.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// The statement.
    pub file: PathBuf,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// The business day of the settlement book.
#[derive(Debug, Subcommand)]
pub enum DayCommand {
    /// Close the business day that runs, and write its files.
    ///
    /// The close is the cut-off: what is posted after it carries a later business date. It writes
    /// totals, one statement for each participant (camt.053), the general ledger (CSV), suspense
    /// with its age, and the digests of all. Closing a closed day gives the same bytes again.
    Close(CloseArgs),
}

/// Arguments of `day close`.
#[derive(Debug, Args)]
pub struct CloseArgs {
    /// Which day [default: the one that runs].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<BusinessDate>,
    /// Write the files into this folder, which is made [default: ./day-YYYY-MM-DD].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub desk: DeskArgs,
}
