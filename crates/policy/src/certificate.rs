//! The certificate of a pack: what it must say before an edge decides under the pack.

use std::collections::BTreeSet;

use record::{PackCertificate, PackCheck};
use seal::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::findings::Action;
use crate::invariants::{Invariant, InvariantError, invariants_digest};
use crate::pack::Pack;

/// The kind of check that a chapter allows something at all.
pub const NOT_VACUOUS: &str = "not-vacuous";
/// The kind of check that nothing is allowed, or nothing left undue, against an invariant.
pub const INVARIANT: &str = "invariant";
/// The kind of check that a rule cannot fail at run time.
pub const NEVER_ERRORS: &str = "never-errors";
/// The kind of check that a rule applies to some payment.
pub const ALIVE: &str = "alive";

/// Why a certificate is none for a pack.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// It is for another pack.
    #[error("expected a certificate for pack `{expected}`, got one for `{got}`")]
    OtherPack {
        /// The pack at hand.
        expected: Digest,
        /// The pack that it names.
        got: Digest,
    },
    /// Its proofs are about other rules.
    #[error("expected proofs about rules `{expected}`, got some about `{got}`")]
    OtherRules {
        /// The rules at hand.
        expected: Digest,
        /// The rules that it names.
        got: Digest,
    },
    /// A check failed, or the solvers did not agree.
    #[error("expected {kind} of `{subject}` to hold for `{action}`")]
    NotHeld {
        /// The kind of check.
        kind: String,
        /// What was checked.
        subject: String,
        /// For which action.
        action: String,
    },
    /// Something was never checked.
    #[error("expected a check {kind} of `{subject}`")]
    Missing {
        /// The kind of check.
        kind: &'static str,
        /// Of what.
        subject: String,
    },
    /// It was made under other invariants than those that hold now.
    #[error("expected proofs of the invariants `{expected}`, got some of `{got}`")]
    OtherInvariants {
        /// Those of all packs as they are now, and the pack's own.
        expected: Digest,
        /// Those that it names.
        got: Digest,
    },
    /// What stands beside the pack are no invariants.
    #[error(transparent)]
    Invariants(#[from] InvariantError),
    /// One solver alone said so.
    #[error("expected two solvers to agree on {kind} of `{subject}` for `{action}`")]
    OneSolver {
        /// The kind of check.
        kind: String,
        /// What was checked.
        subject: String,
        /// For which action.
        action: String,
    },
    /// The text is none.
    #[error("expected a certificate: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

/// Whether a certificate says of this very pack all that must be said: every rule cannot fail and
/// is no dead letter, every chapter allows something, every one of `invariants` (those of
/// [`crate::invariants::invariants_of`] the pack) was asked for of each action that it is about,
/// and all of it holds.
pub fn certifies(
    certificate: &PackCertificate,
    pack: &Pack,
    invariants: &[Invariant],
) -> Result<(), CertificateError> {
    let (expected, got) = (pack.digest(), certificate.pack);
    if expected != got {
        return Err(CertificateError::OtherPack { expected, got });
    }
    about_rules(certificate, pack, invariants)
}

/// Whether two solvers agreed on every check that a solver was asked for.
pub fn seconded(certificate: &PackCertificate) -> Result<(), CertificateError> {
    let alone = |check: &&PackCheck| check.script.is_some() && check.second != Some(true);
    certificate.checks.iter().find(alone).map_or(Ok(()), |check| {
        Err(CertificateError::OneSolver {
            kind: check.kind.clone(),
            subject: check.subject.clone(),
            action: check.action.clone(),
        })
    })
}

/// As [`certifies`], whatever the parameters: proofs hold for all their values.
pub fn about_rules(
    certificate: &PackCertificate,
    pack: &Pack,
    invariants: &[Invariant],
) -> Result<(), CertificateError> {
    let (expected, got) = (pack.rules_digest(), certificate.rules);
    if expected != got {
        return Err(CertificateError::OtherRules { expected, got });
    }
    let fails = |check: &&PackCheck| !check.holds || check.second == Some(false);
    if let Some(check) = certificate.checks.iter().find(fails) {
        return Err(CertificateError::NotHeld {
            kind: check.kind.clone(),
            subject: check.subject.clone(),
            action: check.action.clone(),
        });
    }
    let seen = |kind: &str| -> BTreeSet<&str> {
        let of_kind = certificate.checks.iter().filter(|check| check.kind == kind);
        of_kind.map(|check| check.subject.as_str()).collect()
    };
    for kind in [NEVER_ERRORS, ALIVE] {
        let seen = seen(kind);
        if let Some(rule) = pack.rule_ids().find(|id| !seen.contains(id)) {
            return Err(CertificateError::Missing { kind, subject: rule.to_owned() });
        }
    }
    let actions = [Action::Pay.word(), Action::Refund.word(), "settle"];
    let allowed: BTreeSet<&str> = certificate
        .checks
        .iter()
        .filter(|check| check.kind == NOT_VACUOUS)
        .map(|check| check.action.as_str())
        .collect();
    // A pack without refunds has nothing to say of them: its engine denies what no schema declares.
    let mut needed = actions.into_iter().filter(|action| pack.declares(action));
    if let Some(action) = needed.find(|action| !allowed.contains(action)) {
        return Err(CertificateError::Missing { kind: NOT_VACUOUS, subject: action.to_owned() });
    }
    every_invariant(certificate, pack, invariants)
}

/// Whether the certificate asked for each invariant, of each action that it is about.
fn every_invariant(
    certificate: &PackCertificate,
    pack: &Pack,
    invariants: &[Invariant],
) -> Result<(), CertificateError> {
    let (expected, got) = (invariants_digest(invariants)?, certificate.invariants);
    if expected != got {
        return Err(CertificateError::OtherInvariants { expected, got });
    }
    let asked: BTreeSet<(&str, &str)> = certificate
        .checks
        .iter()
        .filter(|check| check.kind == INVARIANT)
        .map(|check| (check.subject.as_str(), check.action.as_str()))
        .collect();
    for action in [Action::Pay.word(), Action::Refund.word(), "settle"] {
        let about = |one: &&Invariant| pack.declares(action) && one.is_about(action);
        let missing = |one: &&Invariant| !asked.contains(&(one.id.as_str(), action));
        if let Some(one) = invariants.iter().filter(about).find(missing) {
            let subject = format!("{} ({action})", one.id);
            return Err(CertificateError::Missing { kind: INVARIANT, subject });
        }
    }
    Ok(())
}

/// The certificate's body as JSON, for people and for files beside a pack. The signed form is
/// [`PackCertificate`]'s canonical bytes.
#[must_use]
pub fn to_json(certificate: &PackCertificate) -> String {
    let checks = certificate.checks.iter().map(CheckText::of).collect();
    let text = CertificateText {
        name: certificate.name.clone(),
        pack: certificate.pack.to_string(),
        schema: certificate.schema.to_string(),
        rules: certificate.rules.to_string(),
        invariants: certificate.invariants.to_string(),
        assumptions: certificate.assumptions.clone(),
        solver: certificate.solver.clone(),
        second_solver: certificate.second_solver.clone(),
        tool: certificate.tool.clone(),
        against: certificate.against.map(|digest| digest.to_string()),
        signed_off: certificate.signed_off.clone(),
        checks,
    };
    let mut text = serde_json::to_string_pretty(&text).unwrap_or_default();
    text.push('\n');
    text
}

/// Reads what [`to_json`] wrote.
pub fn of_json(text: &str) -> Result<PackCertificate, CertificateError> {
    let bad = |reason: String| CertificateError::Malformed { reason };
    let read: CertificateText = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
    let digest = |text: &str| text.parse::<Digest>().map_err(|e| bad(format!("`{text}`: {e}")));
    let optional = |text: &Option<String>| text.as_deref().map(digest).transpose();
    let checks = read.checks.iter().map(|check| {
        Ok(PackCheck {
            kind: check.kind.clone(),
            subject: check.subject.clone(),
            action: check.action.clone(),
            holds: check.holds,
            script: optional(&check.script)?,
            second: check.second,
        })
    });
    Ok(PackCertificate {
        layout: 1,
        pack: digest(&read.pack)?,
        schema: digest(&read.schema)?,
        rules: digest(&read.rules)?,
        invariants: digest(&read.invariants)?,
        checks: checks.collect::<Result<_, CertificateError>>()?,
        against: optional(&read.against)?,
        name: read.name,
        assumptions: read.assumptions,
        solver: read.solver,
        second_solver: read.second_solver,
        tool: read.tool,
        signed_off: read.signed_off,
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateText {
    name: String,
    pack: String,
    schema: String,
    rules: String,
    invariants: String,
    assumptions: Vec<String>,
    solver: String,
    second_solver: Option<String>,
    tool: String,
    against: Option<String>,
    signed_off: Vec<String>,
    checks: Vec<CheckText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckText {
    kind: String,
    subject: String,
    action: String,
    holds: bool,
    script: Option<String>,
    second: Option<bool>,
}

impl CheckText {
    fn of(check: &PackCheck) -> Self {
        Self {
            kind: check.kind.clone(),
            subject: check.subject.clone(),
            action: check.action.clone(),
            holds: check.holds,
            script: check.script.map(|digest| digest.to_string()),
            second: check.second,
        }
    }
}
