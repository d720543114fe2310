//! The words of `wayleave participant` and `wayleave operator`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use terms::{AssetCode, OutsideId};

/// A participant of the settlement book: withdraw prefunded money over a rail, look.
///
/// Exit 0: good. Exit 1: refused, or surely not done. Exit 4: nobody here knows; give the same
/// `--id` again, and do not withdraw anew.
#[derive(Debug, Subcommand)]
pub enum ParticipantCommand {
    /// Withdraw prefunded money to an account outside.
    ///
    /// The order is signed with the participant's own key (an edge's `permit`, a provider's
    /// `quote`) and kept in the folder before it is sent. The core holds the money, writes down
    /// what it is about to send and pins the hold, calls the rail, and posts when the rail has
    /// done it. Until then the money is neither spendable nor gone.
    Withdraw(WithdrawArgs),
    /// Ask how a withdrawal stands.
    ///
    /// held, send-intended, sent, in-doubt: under way. confirmed: the rail did it. rejected: it
    /// surely did not, and the money is back. stuck: a person at the operator looks into it.
    Status(TransferArgs),
}

/// Transfers over rails that have no end: list them, say what was found out.
#[derive(Debug, Subcommand)]
pub enum StuckCommand {
    /// List transfers that are not ended, in transit, contradicted or stuck.
    List(RolePlace),
    /// Say what a person found out about a stuck transfer. Signed, and a fact for ever.
    ///
    /// `done` posts the money, `not-done` gives it back, `ask-again` lets the core ask the rail
    /// again for a while. Say `not-done` only when the rail will not do it any more either: money
    /// that is given back and sent is lost.
    Resolve(ResolveArgs),
}

/// Who asks, whom, and in which form to answer.
#[derive(Clone, Debug, Args)]
pub struct RolePlace {
    /// The asker's own folder, with `keys/` and `public.json`.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// The folder with the core's `public.json`.
    #[arg(long, value_name = "DIR")]
    pub core: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `participant withdraw`.
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    /// Which asset, such as `EUR.2@tcb-sandbox`.
    #[arg(long)]
    pub asset: AssetCode,
    /// How much: `12400.00`.
    #[arg(long)]
    pub amount: String,
    /// Whereto: an IBAN, or another number of at most 34 characters.
    #[arg(long, value_name = "IBAN")]
    pub to: String,
    /// Whose account that is.
    #[arg(long)]
    pub name: String,
    /// The BIC of the bank that keeps it.
    #[arg(long)]
    pub bic: String,
    /// Your own reference, at most 35 characters.
    #[arg(long)]
    pub reference: String,
    /// The id of an earlier try: the order that is kept under it is sent again.
    #[arg(long)]
    pub id: Option<OutsideId>,
    #[command(flatten)]
    pub place: RolePlace,
}

/// Arguments of `participant status`.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// The transfer: `out_…`.
    pub id: OutsideId,
    #[command(flatten)]
    pub place: RolePlace,
}

/// Arguments of `operator stuck resolve`.
#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// The transfer: `out_…`.
    pub id: OutsideId,
    /// What was found out.
    #[arg(long)]
    pub decision: Decision,
    /// What you saw, and where.
    #[arg(long)]
    pub reason: String,
    /// Who you are.
    #[arg(long)]
    pub by: String,
    #[command(flatten)]
    pub place: RolePlace,
}

/// What was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decision {
    /// The rail did it.
    Done,
    /// The rail did not, and will not.
    NotDone,
    /// Nobody knows yet.
    AskAgain,
}
