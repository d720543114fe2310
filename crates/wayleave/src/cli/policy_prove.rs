//! The words of `policy prove`.

use std::path::PathBuf;

use clap::Args;

/// Prove what a rule pack can never do, or show a payment where it can.
///
/// For every kind of request and every value of the parameters two solvers are asked: is there a
/// payment that the pack allows and an invariant does not? The invariants of all packs come with
/// this program; those of one pack stand in its folder, in `invariants.cedar`. Proved too: no rule
/// can fail at run time, no rule is a dead letter, and the pack allows something at all. What the
/// proofs take for granted stands in `assumptions.cedar`, and the edge refuses what breaks it.
///
/// Needs `cvc5` (Debian: `apt-get install cvc5`, or CVC5=PATH) and `z3` as a second opinion
/// (`pip install z3-solver`, or Z3=PATH; `--one-solver` leaves it out).
///
/// Exit 0: all of it holds. Exit 1: something does not, with a payment that shows it; or a
/// difference from the old version that nobody signed off.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// The rule pack's folder.
    pub dir: PathBuf,
    /// Compare with an older version in this folder: where the new one allows more, or makes less
    /// due, print a payment that shows it.
    #[arg(long, value_name = "DIR")]
    pub against: Option<PathBuf>,
    /// Sign off a difference from the older version, by its id. Repeat for more.
    #[arg(long, value_name = "ID", requires = "against")]
    pub yes: Vec<String>,
    /// Ask cvc5 only.
    #[arg(long)]
    pub one_solver: bool,
    /// Write the certificate's body as JSON, unsigned: `certificate.json` beside a shipped pack.
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Sign the certificate with the key `pack-author` of this folder, into the pack's folder.
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    pub sign: Option<PathBuf>,
    /// Run again what this certificate says (a signed one, or its JSON body) and compare.
    #[arg(long, value_name = "CERTIFICATE")]
    pub check: Option<PathBuf>,
    /// With `--check`: where all agrees, countersign with the key `pack-operator` of this folder,
    /// into the pack's folder. An edge decides under no pack without it.
    #[arg(long, value_name = "DIR", requires = "check")]
    pub countersign: Option<PathBuf>,
    /// Where the countersignature is meant.
    #[arg(long, default_value = "sandbox")]
    pub environment: String,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
