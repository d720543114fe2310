//! The one door for everything around the code: `cargo xtask tidy | test | ci | …`.
//!
//! Start at [`main`]: each command is one function of one module. Nothing here is shipped, and no
//! crate of ours depends on it.
#![expect(clippy::print_stdout, reason = "a command line tool speaks on standard output")]
#![expect(clippy::float_arithmetic, reason = "seconds are shown as minutes; no money here")]

mod audit;
mod bucket;
mod ci;
mod crypto;
mod dispatch;
mod documents;
mod finding;
mod ha;
mod packs;
mod peer;
mod postgres;
mod ranks;
mod soak_ledger;
mod source;
mod suites;
mod text;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy               the house rules that a machine can check, in seconds
  test [SUITE…]      every suite: workspace, postgres, ha, interop scripts, documents; minutes, totals
  test --list        the suites and what each needs
  ci                 format, lints, tidy, audit
  audit              sources, licences and duplicate versions of all dependencies
  ranks              the crates by rank, and whether every arrow goes down
  bench [NAME]       a bench over the real processes, or which there are
  simulate --seed N  one world under a seed
  soak               the core killed under load, again and again: --minutes N --seed N
  soak packs         every mutant of every rule of the packs, put to a solver
  soak ledger        the stand-alone ledger's models and simulations: --minutes N --seed N
";

/// Every command, as documents may name it.
const COMMANDS: [&str; 8] = ["tidy", "test", "ci", "audit", "ranks", "bench", "simulate", "soak"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = arguments.split_first() else {
        println!("{USAGE}");
        return Ok(ExitCode::from(dispatch::NOT_THERE));
    };
    if matches!(command.as_str(), "help" | "--help" | "-h") {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::load()?;
    match command.as_str() {
        "tidy" => tidy::command(&workspace),
        "test" => suites::command(&workspace, rest),
        "ci" => ci::command(&workspace),
        "audit" => audit::command(),
        "ranks" => ranks::command(&workspace),
        "bench" => dispatch::bench(&workspace, rest),
        "simulate" => dispatch::simulate(&workspace, rest),
        "soak" => dispatch::soak(&workspace, rest),
        other => anyhow::bail!("there is no command `{other}`\n\n{USAGE}"),
    }
}
