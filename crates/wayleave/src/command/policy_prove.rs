//! `wayleave policy prove`: what a pack can never do.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use policy::certificate::{NEVER_ERRORS, certifies, of_json, to_json};
use policy::invariants::About;
use prover::certificate::difference;
use prover::{Check, Comparison, Proof, Prover, Solvers, Subject, certificate};
use record::{Document, PackCertificate, PackCountersignature, Signed};
use serde_json::{Value, json};
use server::keys::KeyStore;
use server::roles::edge::{CERTIFICATE, COUNTERSIGNATURE};
use wallet::{CommandResult, EXIT_REFUSED};

use super::replay::PackTexts;
use super::{files, show};
use crate::cli::policy_prove::ProveArgs;
use crate::demo::setup::{PACK_AUTHOR, PACK_OPERATOR};

/// Proves, compares, writes and signs, as asked.
pub(crate) fn command(args: &ProveArgs) -> anyhow::Result<ExitCode> {
    let subject = read(&args.dir)?;
    let before = args.against.as_deref().map(read).transpose()?;
    let solvers = Solvers::find(!args.one_solver)?;
    let mut prover = Prover::new(solvers)?;
    let proof = prover.prove(&subject)?;
    let compared = match &before {
        Some(before) => Some(prover.compare(&subject, before, &args.yes)?),
        None => None,
    };
    let made = certificate(&subject, &proof, (prover.solvers(), compared.as_ref()));
    let said = args.check.as_deref().map(read_certificate).transpose()?;
    let differs = said.as_ref().and_then(|said| difference(said, &made));
    let open = compared.as_ref().map_or(0, |compared| compared.open().count());
    let mut proved = Proved { subject, proof, compared, made, differs, written: Vec::new() };
    if let Some(path) = &args.certificate {
        std::fs::write(path, to_json(&proved.made))
            .with_context(|| format!("`{}`", path.display()))?;
        proved.written.push(path.display().to_string());
    }
    if open == 0 && proved.differs.is_none() {
        proved.sign(args, said)?;
    }
    Ok(show(&proved, args.json))
}

/// A pack with its own invariants, where it has some.
fn read(dir: &Path) -> anyhow::Result<Subject> {
    let texts = PackTexts::read(dir)?;
    let own = dir.join("invariants.cedar");
    let own = if own.exists() { files::read_text(&own)? } else { String::new() };
    Subject::new(&texts.files(), &own).with_context(|| format!("`{}`", dir.display()))
}

/// A signed certificate, as it claims to be, or the JSON body of one.
fn read_certificate(path: &Path) -> anyhow::Result<PackCertificate> {
    let bytes = files::read(path)?;
    if let Ok(signed) = Signed::<PackCertificate>::from_bytes(&bytes) {
        return Ok(signed.read_unverified()?);
    }
    let text = String::from_utf8(bytes).context("expected a certificate")?;
    of_json(&text).with_context(|| format!("`{}`", path.display()))
}

/// What came of it.
struct Proved {
    subject: Subject,
    proof: Proof,
    compared: Option<Comparison>,
    made: PackCertificate,
    /// In what a certificate that was checked differs.
    differs: Option<String>,
    written: Vec<String>,
}

impl Proved {
    /// Signs or countersigns, where all of it holds.
    fn sign(&mut self, args: &ProveArgs, said: Option<PackCertificate>) -> anyhow::Result<()> {
        if args.sign.is_none() && args.countersign.is_none() {
            return Ok(());
        }
        let certificate = said.unwrap_or_else(|| self.made.clone());
        certifies(&certificate, &self.subject.pack, &self.subject.invariants)?;
        if let Some(folder) = &args.sign {
            let key = KeyStore::open(folder)?.signing_key(PACK_AUTHOR)?;
            let signed = Signed::sign(&certificate, &key);
            self.keep(&args.dir.join(CERTIFICATE), &signed.to_bytes())?;
        }
        if let Some(folder) = &args.countersign {
            let key = KeyStore::open(folder)?.signing_key(PACK_OPERATOR)?;
            let countersignature = PackCountersignature {
                layout: 1,
                environment: args.environment.parse()?,
                certificate: certificate.digest(),
                pack: certificate.pack,
                run_again: true,
            };
            let signed = Signed::sign(&countersignature, &key);
            self.keep(&args.dir.join(COUNTERSIGNATURE), &signed.to_bytes())?;
        }
        Ok(())
    }

    fn keep(&mut self, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        std::fs::write(path, bytes).with_context(|| format!("`{}`", path.display()))?;
        self.written.push(path.display().to_string());
        Ok(())
    }

    fn good(&self) -> bool {
        let open = self.compared.as_ref().map_or(0, |compared| compared.open().count());
        self.proof.holds() && open == 0 && self.differs.is_none()
    }

    /// One line for each invariant, over all its actions.
    fn invariants(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for invariant in &self.subject.invariants {
            let of: Vec<&Check> =
                self.proof.checks.iter().filter(|check| check.subject == invariant.id).collect();
            let actions: Vec<&str> = of.iter().map(|check| check.action.as_str()).collect();
            let held = of.iter().all(|check| check.holds);
            let word = if held { "PROVED " } else { "REFUTED" };
            lines.push(format!("{word}  {} ({})", invariant.id, actions.join(", ")));
            lines.push(format!("         {}", invariant.sentence));
            let trusts: Vec<&str> = invariant.findings.iter().map(String::as_str).collect();
            if !trusts.is_empty() {
                lines.push(format!("         trusts the findings {}", trusts.join(", ")));
            }
            if let About::Duty(kind) = &invariant.about {
                lines.push(format!("         by a duty of kind {kind}"));
            }
            for check in of {
                let word = match invariant.about {
                    About::Duty(_) => "not due of",
                    About::Decide | About::Gate => "allowed",
                };
                let sample = check.sample.as_ref();
                lines.extend(sample.map(|sample| format!("  {word}: {}", sample.text())));
            }
        }
        lines
    }

    fn rules(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let failing =
            self.proof.checks.iter().filter(|check| !check.holds && check.sample.is_none());
        for check in failing.filter(|check| check.kind != policy::certificate::INVARIANT) {
            let words = match check.kind {
                policy::certificate::NOT_VACUOUS => {
                    "allows nothing: everything could be proved of it"
                }
                NEVER_ERRORS => "can fail at run time",
                _ => "applies to no payment",
            };
            lines.push(format!("REFUTED  `{}` ({}) {words}", check.subject, check.action));
        }
        if lines.is_empty() {
            let rules = self.subject.pack.rule_ids().count();
            lines.push(format!(
                "PROVED   of all {rules} rules: none can fail at run time, none is a dead letter"
            ));
        }
        lines
    }

    fn comparison(&self) -> Vec<String> {
        let Some(compared) = &self.compared else { return Vec::new() };
        if compared.differences.is_empty() {
            return vec![format!("PROVED   nothing more is allowed than by {}", compared.against)];
        }
        let mut lines = Vec::new();
        for one in &compared.differences {
            let signed = compared.signed_off.contains(&one.id);
            let word = if signed { "SIGNED OFF" } else { "DIFFERS" };
            lines.push(format!("{word}  {}: {}", one.id, one.words));
            lines.extend(one.sample.as_ref().map(|sample| format!("  {}", sample.text())));
            if !signed {
                lines.push(format!("         to sign it off: --yes {}", one.id));
            }
        }
        lines
    }
}

impl CommandResult for Proved {
    fn text(&self) -> String {
        let pack = &self.subject.pack;
        let mut lines = self.invariants();
        lines.extend(self.rules());
        lines.extend(self.comparison());
        for (id, assumption) in pack.assumptions().named() {
            lines.push(format!("assumed  {id}: {}", assumption.sentence));
        }
        if let Some(differs) = &self.differs {
            lines.push(format!("DIFFERS  from the certificate: {differs}"));
        }
        let held = self.proof.checks.iter().filter(|check| check.holds).count();
        let second = self.made.second_solver.as_ref();
        lines.push(format!(
            "{held} of {} checks hold; {}{}, {} questions",
            self.proof.checks.len(),
            self.made.solver,
            second.map_or(String::new(), |name| format!(" and {name} agree")),
            self.proof.asked,
        ));
        lines.push(format!("pack     {} {}", pack.name(), pack.digest()));
        lines.extend(self.written.iter().map(|path| format!("written  {path}")));
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let checks = self.proof.checks.iter().map(|check| {
            json!({
                "kind": check.kind,
                "subject": check.subject,
                "action": check.action,
                "holds": check.holds,
                "script": check.call.as_ref().map(|call| call.script.to_string()),
                "second": check.call.as_ref().and_then(|call| call.agreed),
                "sample": check.sample.as_ref().map(prover::Sample::json),
            })
        });
        let invariants = self.subject.invariants.iter().map(|invariant| {
            json!({
                "id": invariant.id,
                "sentence": invariant.sentence,
                "reference": invariant.reference,
                "trusts": invariant.findings,
                "parameters": invariant.parameters,
            })
        });
        let differences = self.compared.iter().flat_map(|compared| {
            compared.differences.iter().map(|one| {
                json!({
                    "id": one.id,
                    "words": one.words,
                    "signed_off": compared.signed_off.contains(&one.id),
                    "sample": one.sample.as_ref().map(prover::Sample::json),
                })
            })
        });
        json!({
            "pack": self.subject.pack.digest().to_string(),
            "name": self.subject.pack.name(),
            "proved": self.good(),
            "questions": self.proof.asked,
            "solver": self.made.solver,
            "second_solver": self.made.second_solver,
            "invariants": invariants.collect::<Vec<_>>(),
            "checks": checks.collect::<Vec<_>>(),
            "differences": differences.collect::<Vec<_>>(),
            "differs_from_certificate": self.differs,
            "written": self.written,
        })
    }

    fn exit_code(&self) -> u8 {
        if self.good() { 0 } else { EXIT_REFUSED }
    }
}
