//! The words of `wayleave duty`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand};
use seal::Digest;

use super::bank::BankPlace;

/// What an institution's decisions made due: travel rule, review, report, evidence.
///
/// Each stands in the institution's own book as a fact, opened with the decision's record and
/// closed by its owner's signed word. Reads `role.json` and the keys in the folder of one of the
/// institution's edges, which may be running.
#[derive(Debug, Subcommand)]
pub enum DutyCommand {
    /// The duties that are not done, by deadline: id, kind, owner, payment, until when.
    ///
    /// Exit 0: none is past its time. Exit 1: some are.
    List(ListArgs),
    /// Say that a duty is done, with what shows it.
    ///
    /// The digest of the file becomes part of the fact; the file stays with you. The same again is
    /// done already.
    Close(CloseArgs),
}

/// Arguments of `duty list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those past their time.
    #[arg(long)]
    pub overdue: bool,
    #[command(flatten)]
    pub place: BankPlace,
}

/// Arguments of `duty close`.
#[derive(Debug, Args)]
pub struct CloseArgs {
    /// The duty, as `duty list` names it.
    pub duty: Digest,
    /// What shows that it is done: a report, a note of the review.
    #[arg(long, value_name = "FILE")]
    pub evidence: PathBuf,
    #[command(flatten)]
    pub place: BankPlace,
}
