//! The suite `packs-proved`: every shipped pack proved by two solvers, every planted hole found.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::suites::{Outcome, bring, cargo_tests};
use crate::workspace::Workspace;

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
