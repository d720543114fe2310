//! What was proved of a rule pack, and who says that it was proved again.

use minicbor::{Decode, Encode};
use seal::{Digest, Domain};
use terms::Environment;

use crate::document::Document;

/// What solvers said of a pack. Signed by the pack's author.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PackCertificate {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Digest of the pack that it is for: rules, assumptions and parameters.
    #[n(1)]
    pub pack: Digest,
    /// Digest of its schema.
    #[n(2)]
    pub schema: Digest,
    /// Digest of schema, rules and assumptions: what the proofs are about. They hold for every
    /// value of the parameters.
    #[n(3)]
    pub rules: Digest,
    /// Digest of the invariants that were asked for.
    #[n(4)]
    pub invariants: Digest,
    /// The pack's name.
    #[n(5)]
    pub name: String,
    /// Ids of the assumptions, sorted: what the proofs take for granted and the edge checks.
    #[n(6)]
    pub assumptions: Vec<String>,
    /// Each check and its verdict, in the order of the run.
    #[n(7)]
    pub checks: Vec<PackCheck>,
    /// Name and version of the solver.
    #[n(8)]
    pub solver: String,
    /// Name and version of the second solver.
    #[n(9)]
    pub second_solver: Option<String>,
    /// What asked the solvers: our version, the engine's, the compiler's.
    #[n(10)]
    pub tool: String,
    /// Digest of the pack that this one was compared with.
    #[n(11)]
    pub against: Option<Digest>,
    /// Differences from that pack to which the author says yes, sorted.
    #[n(12)]
    pub signed_off: Vec<String>,
}

impl Document for PackCertificate {
    const DOMAIN: Domain = Domain::new("wayleave/pack-certificate/v1");
    const NAME: &'static str = "pack certificate";
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PackCheck {
    /// What kind: `not-vacuous`, `invariant`, `never-errors`, `alive`.
    #[n(0)]
    pub kind: String,
    /// The invariant or rule; the chapter's name for `not-vacuous`.
    #[n(1)]
    pub subject: String,
    /// The action: `pay`, `refund`, `settle`.
    #[n(2)]
    pub action: String,
    /// Whether it holds.
    #[n(3)]
    pub holds: bool,
    /// Digest of the script that the solvers were given; absent where the compiler alone saw it.
    #[n(4)]
    pub script: Option<Digest>,
    /// Whether the second solver says so too; absent where it was not asked.
    #[n(5)]
    pub second: Option<bool>,
}

/// An edge's operator stands behind a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PackCountersignature {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is meant.
    #[n(1)]
    pub environment: Environment,
    /// Digest of the certificate's body.
    #[n(2)]
    pub certificate: Digest,
    /// Digest of the pack.
    #[n(3)]
    pub pack: Digest,
    /// Whether the operator ran every check again and got the same verdicts; elsewhere than in
    /// the environment `sandbox` an edge asks for that.
    #[n(4)]
    pub run_again: bool,
}

impl Document for PackCountersignature {
    const DOMAIN: Domain = Domain::new("wayleave/pack-countersignature/v1");
    const NAME: &'static str = "pack countersignature";
}
