//! What was found, as a certificate's body.

use policy::certificate::about_rules;
use record::{PackCertificate, PackCheck};

use crate::compare::Comparison;
use crate::prove::{Check, Proof};
use crate::solver::Solvers;
use crate::subject::Subject;

/// The version of the compiler from policies to scripts, pinned in the workspace.
const COMPILER: &str = "cedar-policy-symcc 0.8.1";

/// The body of a pack's certificate. Whether it certifies anything is
/// [`policy::certificate::certifies`]'s to say.
#[must_use]
pub fn certificate(
    subject: &Subject,
    proof: &Proof,
    (solvers, compared): (&Solvers, Option<&Comparison>),
) -> PackCertificate {
    let pack = &subject.pack;
    PackCertificate {
        layout: 1,
        pack: pack.digest(),
        schema: pack.schema_digest(),
        rules: pack.rules_digest(),
        invariants: subject.invariants_digest,
        name: pack.name().to_owned(),
        assumptions: pack.assumptions().named().map(|(id, _)| id.to_owned()).collect(),
        checks: proof.checks.iter().map(recorded).collect(),
        solver: solvers.first().version().to_owned(),
        second_solver: solvers.second().map(|program| program.version().to_owned()),
        tool: format!(
            "wayleave {}, {}, {COMPILER}",
            env!("CARGO_PKG_VERSION"),
            policy::decide::engine()
        ),
        against: compared.map(|comparison| comparison.against),
        signed_off: compared.map(|one| one.signed_off.clone()).unwrap_or_default(),
    }
}

fn recorded(check: &Check) -> PackCheck {
    PackCheck {
        kind: check.kind.to_owned(),
        subject: check.subject.clone(),
        action: check.action.clone(),
        holds: check.holds,
        script: check.call.as_ref().map(|call| call.script),
        second: check.call.as_ref().and_then(|call| call.agreed),
    }
}

/// The first thing in which a run again differs from a certificate; versions of the tools may.
#[must_use]
pub fn difference(said: &PackCertificate, again: &PackCertificate) -> Option<String> {
    let digests = [
        ("rules", said.rules, again.rules),
        ("schema", said.schema, again.schema),
        ("invariants", said.invariants, again.invariants),
    ];
    for (name, said, again) in digests {
        if said != again {
            return Some(format!("{name}: the certificate says {said}, here it is {again}"));
        }
    }
    if said.assumptions != again.assumptions {
        return Some("the assumptions".to_owned());
    }
    if said.checks.len() != again.checks.len() {
        let (a, b) = (said.checks.len(), again.checks.len());
        return Some(format!("the certificate has {a} checks, here there are {b}"));
    }
    let verdict = |check: &PackCheck| {
        let PackCheck { kind, subject, action, holds, .. } = check;
        format!("{kind} of `{subject}` for `{action}`: {}", if *holds { "holds" } else { "fails" })
    };
    let pairs = said.checks.iter().zip(&again.checks);
    let mut differing = pairs.filter(|(a, b)| verdict(a) != verdict(b));
    differing
        .next()
        .map(|(a, b)| format!("the certificate says {}; here {}", verdict(a), verdict(b)))
}

/// Whether a certificate beside a pack is still about its rules and the invariants of today.
pub fn fresh(certificate: &PackCertificate, subject: &Subject) -> Result<(), String> {
    about_rules(certificate, &subject.pack, &subject.invariants)
        .map_err(|error| error.to_string())?;
    let pairs = [
        ("pack", certificate.pack, subject.pack.digest()),
        ("schema", certificate.schema, subject.pack.schema_digest()),
    ];
    let differs = pairs.into_iter().find(|(_, said, is)| said != is);
    differs.map_or(Ok(()), |(name, said, is)| {
        Err(format!("the {name} are `{is}`, the certificate is about `{said}`"))
    })
}
