//! The words of `wayleave referral`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use terms::DecisionId;

use super::operator::DeskArgs;

/// Payments that the rules referred to a person: look at them, and decide.
///
/// The customer was told no more than of any restricted refusal, and orders again. Then the edge
/// decides anew: a release lets that order go on once, if nothing that mattered has changed.
#[derive(Debug, Subcommand)]
pub enum ReferralCommand {
    /// The cases of an edge, the newest first. Exit 1: some are past their deadline.
    List(ListArgs),
    /// One case with its evidence: hits, listed entries, words that met, findings.
    Show(CaseArgs),
    /// Sign what is to become of a case: release, refuse or block.
    ///
    /// Above the pack's amount a release waits for another person's key. Refusing and blocking
    /// take one.
    Decide(DecideArgs),
    /// Agree, as another person, to what the first signed.
    Approve(AnswerArgs),
    /// Disagree, as another person: the case is open again.
    Reject(AnswerArgs),
    /// Take a release back before it was used.
    Withdraw(AnswerArgs),
    /// End what was remembered; of a block it waits for another person's key.
    Revoke(AnswerArgs),
    /// Check the chain of an edge's file `referrals`, offline, without writing.
    ///
    /// Every entry follows the one before it, every signature fits, and every act was allowed
    /// where it stands. A tail that was cut off shows against `--head`, or the list `referrals` of
    /// a later decision record. Exit 0: whole. Exit 1: not.
    Audit(AuditArgs),
}

/// At whose counter.
#[derive(Clone, Debug, Args)]
pub struct EdgeArgs {
    /// The edge, by its name in the operator's `role.json`: `bank-nl.1`.
    #[arg(long, value_name = "PEER")]
    pub edge: String,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// Arguments of `referral list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those that wait for somebody.
    #[arg(long)]
    pub open: bool,
    #[command(flatten)]
    pub at: EdgeArgs,
}

/// Arguments of `referral show`.
#[derive(Debug, Args)]
pub struct CaseArgs {
    /// The case, as `referral list` names it.
    pub case: DecisionId,
    #[command(flatten)]
    pub at: EdgeArgs,
}

/// What is to become of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decided {
    /// Not the same: the customer's next order of the same may go on, once.
    Release,
    /// It stays refused; nothing is remembered.
    Refuse,
    /// A true match: whoever looks like that entry again is denied.
    Block,
}

/// Arguments of `referral decide`.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// The case, as `referral list` names it.
    pub case: DecisionId,
    /// What is to become of it.
    #[arg(value_enum)]
    pub verdict: Decided,
    /// Of a release: hours that it waits for the customer's next order, at most 168.
    #[arg(long, default_value_t = 24)]
    pub hours: u64,
    /// Of a release: days for which party and entry are remembered as not the same [default: not
    /// at all]. The pack says how many there may be.
    #[arg(long, value_name = "DAYS")]
    pub remember: Option<u64>,
    #[command(flatten)]
    pub sign: SignArgs,
}

/// Arguments of `referral approve`, `reject`, `withdraw` and `revoke`.
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// The case, as `referral list` names it.
    pub case: DecisionId,
    #[command(flatten)]
    pub sign: SignArgs,
}

/// Who signs, and why.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// Why: it is recorded. Ten characters at least.
    #[arg(long)]
    pub reason: String,
    /// Your name among the edge's reviewers; signs with `keys/referral-NAME.seed` of the folder.
    #[arg(long = "as", value_name = "NAME")]
    pub who: String,
    #[command(flatten)]
    pub at: EdgeArgs,
}

/// Arguments of `referral audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The file `referrals` of an edge's folder, or a copy.
    pub file: PathBuf,
    /// The edge's `role.json`: whether each person who signed is one of its reviewers.
    #[arg(long, value_name = "FILE")]
    pub role: Option<PathBuf>,
    /// The end that is known from before, `ENTRIES:DIGEST`: nothing up to it was changed.
    #[arg(long, value_name = "N:DIGEST")]
    pub head: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
