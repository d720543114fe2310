//! The words of `wayleave policy`: what can be done with rule packs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use policy::conflicts::ConflictRate;
use record::Side;
use terms::{BusinessDate, CorridorName};

/// Rule packs: write, check, test, explain, compare, try and prove them.
///
/// A pack is a folder: `corridor.cedarschema`, `decide.cedar`, `oblige.cedar`, `gate.cedar`,
/// `parameters.json`, `assumptions.cedar`, and `cases.json` with its test cases.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Write a small pack that works into a new folder, to begin from.
    New(NewArgs),
    /// Print every mistake of a pack: file, line, column, the line itself, and a hint.
    ///
    /// Exit 0: the pack loads. Exit 1: it does not, and every cause is printed.
    Check(DirArgs),
    /// Decide a pack's own test cases (`cases.json`) and name the first difference of each.
    ///
    /// Rules that no case touches are listed. Exit 0: all agree. Exit 1: one does not.
    Test(DirArgs),
    /// Every rule of a pack, or one code: law, sentence in English and Chinese, how to mend it.
    Explain(PolicyExplainArgs),
    /// What differs between two versions: rules, parameters with their direction, lists.
    ///
    /// Exit 0: nothing loosens. Exit 1: something loosens or could, and wants a signature.
    Diff(DiffArgs),
    /// Where the packs of a corridor's two sides conflict: which rule of which side, by which law,
    /// and what would satisfy both.
    ///
    /// Exit 0: some payments pass both sides. Exit 1: a conflict lets none pass.
    Conflicts(ConflictsArgs),
    /// Decide recorded decisions again under a new pack: what would change, and whom it would hit.
    ///
    /// Exit 0: nothing would change. Exit 1: something would, or a record cannot be decided.
    Shadow(ShadowArgs),
    /// Let a pack take a step: draft, shadow, canary, active, retired. One command rolls out, and
    /// one rolls back.
    ///
    /// The step is signed by the institution's key and recorded in the settlement book. `active`
    /// retires the pack that was active before, in the same step; to roll back, make the older
    /// pack `active` again. No edge stops deciding meanwhile, and nothing is posted under a pack
    /// that is not in force when it is posted.
    Stage(StageArgs),
    /// Which packs are at which stage on an edge's side of its corridor.
    Stages(StagesArgs),
    /// The digest of a pack: what permits and records name. Comments and layout do not change it.
    Digest(DigestArgs),
    #[expect(missing_docs, reason = "its arguments say what it does")]
    Prove(super::policy_prove::ProveArgs),
}

/// Arguments of `policy digest`.
#[derive(Debug, Args)]
pub struct DigestArgs {
    /// The rule pack's folder.
    pub dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `policy new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The folder, which must not exist; its last part is the pack's name.
    pub dir: PathBuf,
    /// The corridor.
    #[arg(long, default_value = "nl-sg")]
    pub corridor: CorridorName,
    /// The side that it decides: `debtor` or `creditor`.
    #[arg(long, default_value = "debtor", value_parser = side)]
    pub side: Side,
}

/// Arguments of `policy check` and `policy test`.
#[derive(Debug, Args)]
pub struct DirArgs {
    /// The rule pack's folder.
    pub dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `policy explain`.
#[derive(Debug, Args)]
pub struct PolicyExplainArgs {
    /// A pack's folder, or a code of a pack that comes with this build.
    #[arg(value_name = "DIR|CODE")]
    pub what: String,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `policy diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The older pack's folder.
    pub old: PathBuf,
    /// The newer pack's folder.
    pub new: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `policy conflicts`.
#[derive(Debug, Args)]
pub struct ConflictsArgs {
    /// The pack's folder of one side.
    #[arg(value_name = "PACK_A")]
    pub first: PathBuf,
    /// The pack's folder of the other side.
    #[arg(value_name = "PACK_B")]
    pub second: PathBuf,
    /// What is worth what, to compare amounts: minor units debited, a colon, minor units credited.
    #[arg(long, value_name = "DEBITED:CREDITED", value_parser = conflict_rate)]
    pub rate: Option<ConflictRate>,
    /// The day whose parameters count; today when absent.
    #[arg(long, value_name = "DAY")]
    pub on: Option<BusinessDate>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

fn conflict_rate(text: &str) -> Result<ConflictRate, String> {
    let parsed = || {
        let (debited, credited) = text.split_once(':')?;
        let (debit_units, credit_units) = (debited.parse().ok()?, credited.parse().ok()?);
        let rate = ConflictRate { debit_units, credit_units };
        (debit_units > 0 && credit_units > 0).then_some(rate)
    };
    parsed().ok_or_else(|| format!("expected a rate like `5530:1000`, got `{text}`"))
}

/// Arguments of `policy shadow`.
#[derive(Debug, Args)]
pub struct ShadowArgs {
    /// The new pack's folder.
    pub new: PathBuf,
    /// Decision records: files, or folders of them.
    #[arg(long, required = true, num_args = 1.., value_name = "RECORDS")]
    pub against: Vec<PathBuf>,
    /// How many payments to show of each change.
    #[arg(long, default_value_t = 3)]
    pub samples: usize,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

fn side(word: &str) -> Result<Side, String> {
    match word {
        "debtor" => Ok(Side::Debtor),
        "creditor" => Ok(Side::Creditor),
        other => Err(format!("expected `debtor` or `creditor`, got `{other}`")),
    }
}

/// The stages of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageName {
    /// Known; decides nothing.
    Draft,
    /// Decides beside the pack in force, without effect; what differs stands in `shadow.log`.
    Shadow,
    /// Decides the payments of a share of the companies, for some hours.
    Canary,
    /// Decides; the pack that did is retired.
    Active,
    /// Decides nothing any more.
    Retired,
}

/// Arguments of `policy stage`.
#[derive(Debug, Args)]
pub struct StageArgs {
    /// The rule pack's folder.
    pub dir: PathBuf,
    /// Where it goes.
    pub stage: StageName,
    /// The folder of the institution's edge, which gets the pack; every instance, the signer first.
    #[arg(long = "edge", required = true, value_name = "DIR")]
    pub edges: Vec<PathBuf>,
    /// Why: it is recorded.
    #[arg(long)]
    pub reason: String,
    /// Of a canary: how many of a thousand companies, 1 to 500.
    #[arg(long, default_value_t = 50)]
    pub share: u16,
    /// Of a canary: for how many hours, 720 at most.
    #[arg(long, default_value_t = 24)]
    pub hours: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `policy stages`.
#[derive(Debug, Args)]
pub struct StagesArgs {
    /// The folder of an edge.
    #[arg(long, value_name = "DIR")]
    pub edge: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
