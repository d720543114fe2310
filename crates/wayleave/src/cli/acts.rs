//! The words of `wayleave operator act`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use clap::{Args, Subcommand, ValueEnum};
use terms::{AccountId, ActId, AssetCode, InstitutionName};

use super::operator::DeskArgs;

/// Acts of the operator's persons: stop, freeze, lift, limit. Each is signed, and a fact for ever.
///
/// What only makes things stricter takes one key at once: `suspend`, `freeze`, a higher mark, a
/// tighter limit. Lifting and loosening takes two persons with two keys: one proposes, another
/// approves. Nobody approves what they proposed. A stop holds for what is new: what has settled
/// or is on its way over a rail still ends. Times are `2026-11-24T08:00:00Z`, or `+90s`, `+15m`,
/// `+2h`, `+3d` from now.
///
/// Exit 0: done. Exit 1: refused or not done. Exit 4: nobody knows; `operator act again`.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one for a process")]
pub enum ActCommand {
    /// Propose an act; with one key asked for, it is decided by that.
    ///
    /// Example: `wayleave operator act propose suspend corridor nl-sg --reason "fraud case 12"
    /// --as ada`.
    Propose(ProposeArgs),
    /// Send a proposal again that was kept, after an answer that was lost. It counts once.
    Again(AgainArgs),
    /// Approve what another person proposed. Prints what your key signs.
    Approve(DecideArgs),
    /// Reject what another person proposed.
    Reject(DecideArgs),
    /// Take back what you proposed yourself and nobody decided yet.
    Withdraw(DecideArgs),
    /// What is stopped now or later, and the acts, the newest first.
    List(ListArgs),
    /// One act whole.
    Show(ShowArgs),
}

/// Arguments of `operator act propose`.
#[derive(Debug, Args)]
pub struct ProposeArgs {
    #[command(subcommand)]
    pub what: ActWords,
}

/// What an act says beside what it does.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// Why: it is recorded.
    #[arg(long)]
    pub reason: String,
    /// Your name in the core's `operators`; signs with `keys/act-NAME.seed` of the folder.
    #[arg(long = "as", value_name = "NAME")]
    pub who: String,
    /// In effect from then on [default: at once].
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// For `suspend` and `freeze`: over from then on [default: until it is lifted].
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Not to be approved from then on.
    #[arg(long, value_name = "TIME", default_value = "+1d")]
    pub decide_by: String,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// What an act does.
#[derive(Debug, Subcommand)]
pub enum ActWords {
    /// The kill switch: no new payment, return, withdrawal or release. One key.
    Suspend(SubjectArgs),
    /// End every suspension that is known now. Two keys.
    Resume(SubjectArgs),
    /// An account takes no new entries. One key.
    Freeze(FreezeArgs),
    /// End every freeze of an account that is known now. Two keys.
    Thaw(ThawArgs),
    /// Below this available balance an alert rises. One key up, two keys down.
    LowWater(LowWaterArgs),
    /// How far a settlement account may fall and rise. One key tighter, two keys looser.
    Limits(LimitsArgs),
}

/// Arguments of `suspend` and `resume`.
#[derive(Debug, Args)]
pub struct SubjectArgs {
    /// Of which kind.
    pub kind: SubjectKind,
    /// Its name: `bank-nl`, `nl-sg`, `EUR.2@tcb-sandbox`.
    pub name: String,
    #[command(flatten)]
    pub sign: SignArgs,
}

/// What can be suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SubjectKind {
    /// An institution or a provider.
    Participant,
    /// A corridor.
    Corridor,
    /// An asset.
    Asset,
}

/// Which account.
#[derive(Debug, Args)]
pub struct AccountArgs {
    /// Whose settlement account, or in whose book.
    pub institution: InstitutionName,
    /// Its settlement account of this asset.
    #[arg(long, required_unless_present = "account", conflicts_with = "account")]
    pub asset: Option<AssetCode>,
    /// This account of a customer in its hosted book.
    #[arg(long)]
    pub account: Option<AccountId>,
}

/// Arguments of `freeze`.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    #[command(flatten)]
    pub account: AccountArgs,
    /// What it does not take.
    #[arg(long, default_value = "both")]
    pub stop: Sides,
    #[command(flatten)]
    pub sign: SignArgs,
}

/// Which entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sides {
    /// Money that would leave.
    Debits,
    /// Money that would come.
    Credits,
    /// Both.
    Both,
}

/// Arguments of `thaw`.
#[derive(Debug, Args)]
pub struct ThawArgs {
    #[command(flatten)]
    pub account: AccountArgs,
    #[command(flatten)]
    pub sign: SignArgs,
}

/// Arguments of `low-water`.
#[derive(Debug, Args)]
pub struct LowWaterArgs {
    /// Whose settlement account.
    pub institution: InstitutionName,
    /// Of which asset.
    pub asset: AssetCode,
    /// The mark: `50000.00`; nothing: none.
    pub amount: String,
    #[command(flatten)]
    pub sign: SignArgs,
}

/// Arguments of `limits`.
#[derive(Debug, Args)]
pub struct LimitsArgs {
    /// Whose settlement account.
    pub institution: InstitutionName,
    /// Of which asset.
    pub asset: AssetCode,
    /// Below nothing by at most this much.
    #[arg(long, default_value = "0")]
    pub overdraft: String,
    /// At most this much [default: unbounded].
    #[arg(long)]
    pub ceiling: Option<String>,
    #[command(flatten)]
    pub sign: SignArgs,
}

/// Arguments of `operator act again`.
#[derive(Debug, Args)]
pub struct AgainArgs {
    /// The act: `act_…`.
    pub id: ActId,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// Arguments of `operator act approve`, `reject` and `withdraw`.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// The act: `act_…`.
    pub id: ActId,
    /// Why: it is recorded.
    #[arg(long)]
    pub reason: String,
    /// Your name in the core's `operators`; signs with `keys/act-NAME.seed` of the folder.
    #[arg(long = "as", value_name = "NAME")]
    pub who: String,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// Arguments of `operator act list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those that wait for a second key.
    #[arg(long)]
    pub open: bool,
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// Arguments of `operator act show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The act: `act_…`.
    pub id: ActId,
    #[command(flatten)]
    pub desk: DeskArgs,
}
