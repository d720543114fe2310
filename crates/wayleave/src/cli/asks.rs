//! The words of `wayleave ledger` that only ask: the past, holds, links, facts.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use clap::{Args, ValueEnum};
use terms::{AccountId, BusinessDate, HoldId, Instant, TransactionId};

use super::ledger::{FolderArgs, PlaceArgs, ProgressArgs, ReasonArg, SideArg};
use crate::command::ledger::ids::Given;

/// A moment as it is typed.
fn moment(text: &str) -> Result<Instant, String> {
    crate::command::ledger::moment(text).map_err(|error| error.to_string())
}

/// How much the read models must have seen.
#[derive(Clone, Copy, Debug, Args)]
pub struct FreshArgs {
    /// Every fact before this position [default: all that the book had done when it was asked].
    #[arg(long, value_name = "POSITION", conflicts_with = "stale")]
    pub at_least: Option<u64>,
    /// What they have seen so far is enough: never waits.
    #[arg(long)]
    pub stale: bool,
}

/// A page of a list.
#[derive(Clone, Debug, Args)]
pub struct PageArgs {
    /// At most so many lines, 1 to 1000.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    /// Go on where a page ended: the cursor that it printed.
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
}

/// Arguments of `ledger balance`.
#[derive(Debug, Args)]
pub struct BalanceArgs {
    /// Its id or name.
    pub account: Given<AccountId>,
    /// As it was after the fact at this position.
    #[arg(long, value_name = "POSITION")]
    pub position: Option<u64>,
    /// As it was at this moment of the ledger's time: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "position")]
    pub at: Option<Instant>,
    /// Counting what takes effect at this moment or earlier.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with_all = ["position", "at"])]
    pub effective: Option<Instant>,
    #[command(flatten)]
    pub fresh: FreshArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Which entries of a statement.
#[derive(Clone, Debug, Args)]
pub struct FilterArgs {
    /// On this side.
    #[arg(long)]
    pub side: Option<SideArg>,
    /// Posted at this moment or later: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Instant>,
    /// Posted before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Instant>,
    /// In effect at this moment or later.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub effective_from: Option<Instant>,
    /// In effect before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub effective_until: Option<Instant>,
    /// Of this business date or a later one.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub first_date: Option<BusinessDate>,
    /// Of this business date or an earlier one.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub last_date: Option<BusinessDate>,
    /// Of this amount or more, decimal.
    #[arg(long, value_name = "AMOUNT")]
    pub min: Option<String>,
    /// Of this amount or less, decimal.
    #[arg(long, value_name = "AMOUNT")]
    pub max: Option<String>,
    /// For this reason.
    #[arg(long)]
    pub reason: Option<ReasonArg>,
    /// Of a transaction with this code.
    #[arg(long)]
    pub code: Option<u16>,
    /// Of a transaction that also touches this account.
    #[arg(long, value_name = "ACCOUNT")]
    pub with: Option<Given<AccountId>>,
}

/// Arguments of `ledger transaction`.
#[derive(Debug, Args)]
pub struct TransactionArgs {
    /// Its id or name.
    pub id: Given<TransactionId>,
    /// Whose, by client number: ids belong to the client that used them [default: who asks].
    #[arg(long, value_name = "NUMBER")]
    pub of_client: Option<u32>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The hold's id or name.
    pub hold: Given<HoldId>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger fact`.
#[derive(Debug, Args)]
pub struct FactArgs {
    /// Its position.
    pub position: u64,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger holds`.
#[derive(Debug, Args)]
pub struct HoldsArgs {
    /// Only those of this account, by id.
    #[arg(long, value_name = "ACCOUNT")]
    pub on: Option<Given<AccountId>>,
    /// Only those that end at this moment or earlier.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "on")]
    pub until: Option<Instant>,
    #[command(flatten)]
    pub page: PageArgs,
    #[command(flatten)]
    pub fresh: FreshArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What a link says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinkArg {
    /// Part of this payment.
    Payment,
    /// At the rate of this quote.
    Quote,
    /// Gives back this transaction.
    Returns,
    /// Refunds this transaction.
    Refunds,
    /// Corrects this transaction.
    Corrects,
}

/// Arguments of `ledger links`.
#[derive(Debug, Args)]
pub struct LinksArgs {
    /// What the link says.
    pub kind: LinkArg,
    /// What is linked to: `pay_…`, `quote_…`, `txn_…`, or 32 hex digits.
    pub id: String,
    #[command(flatten)]
    pub fresh: FreshArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Begin with the fact at this position.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    pub from: u64,
    /// Wait for what comes next, until stopped or until the book stops.
    #[arg(long)]
    pub follow: bool,
    /// End after so many facts.
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<u64>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger rebuild`.
#[derive(Debug, Args)]
pub struct RebuildArgs {
    #[command(flatten)]
    pub folder: FolderArgs,
    #[command(flatten)]
    pub progress: ProgressArgs,
}
