//! The words of what an operator asks about books that are kept apart: `mirrors`, `bank`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use terms::AccountId;

/// Compare each participant's settlement account with the mirror of it in its own book.
///
/// What the settlement book owes to an institution and what the institution's own book says is
/// owed to it are equal but for what is in transit: settled payments that its book has not posted
/// or credited yet. They are listed with since when. What is left over is a break, with who,
/// which asset, how much and how long it is known. Each side is named with its position.
///
/// The core answers; ask as its operator. In the demo:
/// `wayleave mirrors --at wayleave-demo/core --as wayleave-demo/operator`
///
/// Exit 0: all agree. Exit 1: a break. Exit 4: a book did not answer.
#[derive(Debug, Args)]
pub struct MirrorsArgs {
    #[command(flatten)]
    pub asked: AskedArgs,
}

/// Whom to ask, as whom.
#[derive(Debug, Args)]
pub struct AskedArgs {
    /// The folder of the role to ask: its `public.json` says where it is and what its key is.
    #[arg(long, value_name = "DIR")]
    pub at: PathBuf,
    /// The folder of the operator who asks: its `keys/request.seed` signs the question.
    #[arg(long = "as", value_name = "DIR")]
    pub operator: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Ask a bank that keeps its own book, as its operator.
#[derive(Debug, Subcommand)]
pub enum BankCommand {
    /// The returns that a bank owes: money that an account did not take, in suspense since when.
    ///
    /// A settled payment is final. Where the payee's account does not take the money any more, it
    /// lies in the bank's suspense account and the bank owes a return until a payment brings it
    /// back. Asked at a bank's own process, or at the core for the books that it hosts and those
    /// that it can reach.
    ///
    /// Exit 0: none is owed. Exit 1: some are.
    Duties(AskedArgs),
    /// Freeze an account of the bank, or thaw it. The act and its reason are recorded.
    ///
    /// A frozen account refuses new entries. What was settled for it before goes to suspense and
    /// opens a duty to return; payments accepted from then on are refused by the bank's edge.
    Freeze(FreezeArgs),
}

/// Arguments of `bank freeze`.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    /// The account.
    pub account: AccountId,
    /// What it refuses from now on.
    #[arg(long, value_enum)]
    pub refuses: RefusesArg,
    /// Why.
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub asked: AskedArgs,
}

/// What an account refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RefusesArg {
    /// Nothing: it is thawed.
    Nothing,
    /// Money leaving.
    Debits,
    /// Money coming.
    Credits,
    /// Both.
    Both,
}
