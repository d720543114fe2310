//! The suite `packs-proved`: every shipped pack proved by two solvers, every planted hole found.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::finding::Finding;
use crate::suites::{Outcome, bring, cargo_tests};
use crate::workspace::{SourceFile, Workspace};

/// The part of a test's name that says that it needs the solvers.
pub(crate) const ON_SOLVER: &str = "on_solver::";
/// The solver that decides, and the one that must agree.
const NEEDS: [&str; 2] = ["apt:cvc5", "pip:z3-solver==5.4.1.0"];
/// Where the second one lies below the folder of what is brought.
const Z3: &str = "venv/bin/z3";

/// Brings both solvers and runs the tests that ask them.
pub(crate) fn tests(workspace: &Workspace) -> Result<Outcome> {
    let name = "packs-proved";
    for need in NEEDS {
        if let Err(hint) = bring(need, &workspace.scratch) {
            return Ok(Outcome::not_run(name, format!("{name}: {hint:#}")));
        }
    }
    let mut command = Command::new("cargo");
    command.args(["test", "--package", "wayleave-prover", "--test", "packs", "--test", "mutation"]);
    command.args(["--package", "wayleave", "--test", "policy_prove"]);
    command.args(std::env::var_os("CI").map(|_| "--locked"));
    command.args(["--", ON_SOLVER, "--show-output"]);
    command.env("Z3", workspace.scratch.join(Z3));
    let outcome = cargo_tests(workspace, name, command, Vec::new())?;
    // How often the solvers were asked, and how the mutants ended.
    let log = std::fs::read_to_string(workspace.scratch.join(format!("{name}.log")))?;
    let told = log.lines().filter(|line| line.ends_with("questions") || line.contains("KilledBy"));
    let notes = outcome.notes.iter().cloned().chain(told.map(str::to_owned)).collect();
    Ok(Outcome { notes, ..outcome })
}

/// `cargo xtask soak packs`: every mutant of every rule is put to the solver, also those that the
/// packs' test cases kill.
pub(crate) fn soak(workspace: &Workspace) -> Result<ExitCode> {
    if let Err(hint) = bring("apt:cvc5", &workspace.scratch) {
        println!("packs: {hint:#}");
        return Ok(ExitCode::FAILURE);
    }
    let status = Command::new("cargo")
        .args(["test", "--package", "wayleave-prover", "--test", "mutation"])
        .args(["--", ON_SOLVER, "--nocapture"])
        .env("WAYLEAVE_MUTANTS", "all")
        .current_dir(&workspace.root)
        .status()
        .context("`cargo test` did not start")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What stands beside a pack's rules.
const BESIDE: [&str; 3] = ["assumptions.cedar", "invariants.cedar", "certificate.json"];

/// A shipped pack without assumptions, invariants or a certificate in which all holds. Whether the
/// certificate is about the rules of today is a test's to say, which can read a pack.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let folder = |file: &&SourceFile| file.path.strip_suffix("/decide.cedar").map(str::to_owned);
    let folders = files.iter().filter(|file| file.path.starts_with("packs/"));
    let mut findings = Vec::new();
    for folder in folders.filter_map(|file| folder(&file)) {
        for name in BESIDE {
            let path = format!("{folder}/{name}");
            let Some(file) = files.iter().find(|file| file.path == path) else {
                findings.push(Finding::of(&path, "is missing beside the pack's rules"));
                continue;
            };
            let proved = file.text.contains("\"holds\": true");
            if name == "certificate.json" && (!proved || file.text.contains("\"holds\": false")) {
                findings.push(Finding::of(&path, "is no certificate in which every check holds"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_without_a_good_certificate_is_found() {
        let with = |certificate: &str| {
            let files = [
                ("packs/a-b/decide.cedar", ""),
                ("packs/a-b/assumptions.cedar", ""),
                ("packs/a-b/invariants.cedar", ""),
                ("packs/a-b/certificate.json", certificate),
            ];
            check(&files.map(|(path, text)| SourceFile::planted(path, text))).len()
        };
        assert_eq!(with("{\"holds\": true}"), 0);
        assert_eq!(with("{\"holds\": true}, {\"holds\": false}"), 1);
        assert_eq!(with("{}"), 1);
        assert_eq!(check(&[SourceFile::planted("packs/a-b/decide.cedar", "")]).len(), 3);
    }
}
