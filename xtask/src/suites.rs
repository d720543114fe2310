//! `cargo xtask test`: every suite, its minutes, one total.
//!
//! Suites are `workspace` (cargo's own tests), `packs-proved` (those that ask solvers), `postgres`
//! and `bucket` (those that need a server, which is installed and started for them), `ha` (those
//! that kill members of a replicated cluster), one `interop-*` per script in `interop/`, and
//! `documents` (capabilities against what ran). A script joins by lying there: its header says
//! `# suite: interop-NAME` and `# needs: …` ([`needs`]). A missing tool is installed by its
//! package name or fails with a hint; nothing is skipped in silence.

mod needs;
mod outcome;
mod run;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

pub(crate) use self::needs::{bring, check_needs};
pub(crate) use self::outcome::Outcome;
pub(crate) use self::run::cargo_tests;
use crate::documents::{CAPABILITIES, SUITE_PREFIX, check_ran};
use crate::workspace::{SourceFile, Workspace};

/// The Debian packages that the suites need, in one place.
pub(crate) const PACKAGES: &str = ".ci/packages";
/// Where the suites leave the names of the tests that ran and passed.
const RAN: &str = "tests-ran.txt";

/// One suite.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Suite {
    /// `cargo test --workspace`.
    Workspace,
    /// The tests of `store` that need a PostgreSQL server.
    Postgres,
    /// The tests that need a replicated cluster of PostgreSQL.
    Ha,
    /// The tests that need an S3 server.
    Bucket,
    /// The tests that ask solvers about the rule packs.
    Packs,
    /// A script of `interop/`: name, path, needs.
    Interop { name: String, path: String, needs: Vec<String> },
    /// What documents claim, against what ran.
    Documents,
}

impl Suite {
    fn name(&self) -> &str {
        match self {
            Self::Workspace => "workspace",
            Self::Postgres => "postgres",
            Self::Ha => "ha",
            Self::Bucket => "bucket",
            Self::Packs => "packs-proved",
            Self::Interop { name, .. } => name,
            Self::Documents => "documents",
        }
    }

    fn needs(&self) -> &[String] {
        if let Self::Interop { needs, .. } = self { needs } else { &[] }
    }
}

/// `cargo xtask test [SUITE…]`. A name chooses the suites that begin with it. The minutes hold
/// what a suite installs and builds first.
#[expect(clippy::disallowed_methods, reason = "the minutes of each suite are printed")]
pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    let suites = discover(&workspace.files()?);
    if arguments.iter().any(|argument| argument == "--list") {
        for suite in &suites {
            println!("{:<24} {}", suite.name(), suite.needs().join(" "));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(suites, arguments)?;
    std::fs::create_dir_all(&workspace.scratch).context("the target folder is not writable")?;
    let mut outcomes = Vec::new();
    for suite in &chosen {
        println!("--- {}", suite.name());
        let started = Instant::now();
        let mut outcome = run_one(workspace, suite)?;
        outcome.seconds = started.elapsed().as_secs_f64();
        outcome.notes.iter().for_each(|note| println!("{note}"));
        outcomes.push(outcome);
    }
    println!("\n{}", outcome::table(&outcomes));
    println!("{}", outcome::closing_line(&outcomes));
    let failed = outcomes.iter().any(|outcome| outcome.failed > 0);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// All suites in the order they run: documents last, because it reads what ran.
fn discover(files: &[SourceFile]) -> Vec<Suite> {
    let scripts = files.iter().filter_map(|file| {
        let name = name_of(file)?;
        Some(Suite::Interop { name, path: file.path.clone(), needs: needs::of(&file.text) })
    });
    let mut suites =
        vec![Suite::Workspace, Suite::Packs, Suite::Postgres, Suite::Bucket, Suite::Ha];
    suites.extend(scripts);
    suites.push(Suite::Documents);
    suites
}

/// The suite's name in a script's header; `None` for any other file.
pub(crate) fn name_of(file: &SourceFile) -> Option<String> {
    let inside = file.path.strip_prefix("interop/")?;
    if inside.contains('/') || !inside.ends_with(".sh") {
        return None;
    }
    let header = file.text.lines().take_while(|line| line.starts_with('#'));
    header.filter_map(|line| line.strip_prefix("# suite: ")).map(|n| n.trim().to_owned()).next()
}

fn choose(suites: Vec<Suite>, names: &[String]) -> Result<Vec<Suite>> {
    for name in names {
        let known = suites.iter().any(|suite| suite.name().starts_with(name.as_str()));
        ensure!(known, "there is no suite `{name}`; `cargo xtask test --list` names them");
    }
    let wanted = |suite: &Suite| {
        names.is_empty() || names.iter().any(|name| suite.name().starts_with(name.as_str()))
    };
    Ok(suites.into_iter().filter(wanted).collect())
}

fn run_one(workspace: &Workspace, suite: &Suite) -> Result<Outcome> {
    let ran_path = workspace.scratch.join(RAN);
    let outcome = match suite {
        Suite::Workspace => {
            let outcome = run::workspace_tests(workspace)?;
            std::fs::write(&ran_path, lines_of(&outcome.ran))?;
            outcome
        }
        Suite::Postgres => {
            let outcome = run::postgres_tests(workspace)?;
            keep_ran(&ran_path, run::ON_POSTGRES, &outcome)?;
            outcome
        }
        Suite::Ha => {
            let outcome = crate::ha::tests(workspace)?;
            keep_ran(&ran_path, crate::ha::ON_CLUSTER, &outcome)?;
            outcome
        }
        Suite::Bucket => {
            let outcome = run::bucket_tests(workspace)?;
            keep_ran(&ran_path, run::ON_BUCKET, &outcome)?;
            outcome
        }
        Suite::Packs => {
            let outcome = crate::packs::tests(workspace)?;
            keep_ran(&ran_path, crate::packs::ON_SOLVER, &outcome)?;
            outcome
        }
        Suite::Interop { name, path, needs } => {
            let outcome = run::script(workspace, name, path, needs)?;
            let mut ran = read_ran(&ran_path);
            let entry = format!("{SUITE_PREFIX}{name}");
            if outcome.failed == 0 {
                ran.insert(entry)
            } else {
                ran.remove(&entry)
            };
            std::fs::write(&ran_path, lines_of(&ran))?;
            outcome
        }
        Suite::Documents => documents(workspace, &ran_path)?,
    };
    Ok(outcome)
}

/// Replaces what ran of a suite whose tests are known by a part of their names.
fn keep_ran(path: &std::path::Path, part: &str, outcome: &Outcome) -> Result<()> {
    let mut ran = read_ran(path);
    ran.retain(|name| !name.contains(part));
    ran.extend(outcome.ran.iter().cloned());
    Ok(std::fs::write(path, lines_of(&ran))?)
}

fn lines_of(ran: &BTreeSet<String>) -> String {
    ran.iter().map(|name| format!("{name}\n")).collect()
}

fn read_ran(path: &std::path::Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// One check per capability that is marked *works*, and one for all other rules of documents.
fn documents(workspace: &Workspace, ran_path: &std::path::Path) -> Result<Outcome> {
    let document = std::fs::read_to_string(workspace.root.join(CAPABILITIES))
        .with_context(|| format!("`{CAPABILITIES}` cannot be read"))?;
    let works = crate::documents::capabilities(&document);
    let works = works.iter().filter(|row| row.state == "works").count();
    let mut findings = check_ran(&document, &read_ran(ran_path));
    findings.extend(crate::documents::check(&workspace.files()?));
    let failed = findings.len();
    Ok(Outcome {
        name: "documents".to_owned(),
        passed: (works + 1).saturating_sub(failed),
        failed,
        notes: findings.iter().map(ToString::to_string).collect(),
        ..Outcome::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(path: &str) -> SourceFile {
        let text =
            "#!/usr/bin/env bash\n# suite: interop-proof\n# needs: pip:proofbundle\nset -e\n";
        SourceFile::planted(path, text)
    }

    #[test]
    fn a_script_in_the_folder_is_a_suite_before_documents() {
        let suites = discover(&[script("interop/proof.sh"), script("elsewhere/proof.sh")]);
        let names: Vec<&str> = suites.iter().map(Suite::name).collect();
        assert_eq!(names.get(..3), Some(["workspace", "packs-proved", "postgres"].as_slice()));
        assert_eq!(names.get(3..), Some(["bucket", "ha", "interop-proof", "documents"].as_slice()));
        let Some(Suite::Interop { needs, .. }) = suites.get(5) else { panic!("{suites:?}") };
        assert_eq!(needs, &["pip:proofbundle"]);
    }

    #[test]
    fn an_unknown_suite_is_refused_and_a_prefix_chooses() {
        let suites = discover(&[script("interop/proof.sh")]);
        assert!(choose(suites.clone(), &["interpo".to_owned()]).is_err());
        assert_eq!(choose(suites.clone(), &["interop".to_owned()]).unwrap().len(), 1);
        assert_eq!(choose(suites, &[]).unwrap().len(), 7);
    }
}
