//! The house rules that a machine can check in seconds.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::finding::Finding;
use crate::workspace::{SourceFile, Workspace};
use crate::{crypto, documents, packs, ranks, suites, text};

/// `cargo xtask tidy`: prints each breach and how many there are.
#[expect(clippy::disallowed_methods, reason = "the time that tidy takes is printed")]
pub(crate) fn command(workspace: &Workspace) -> Result<ExitCode> {
    let started = Instant::now();
    let files = workspace.files()?;
    let findings = check(workspace, &files);
    findings.iter().for_each(|finding| println!("{finding}"));
    let seconds = started.elapsed().as_secs_f64();
    println!("tidy: {} files, {} findings, {seconds:.2} s", files.len(), findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All breaches, sorted by place.
pub(crate) fn check(workspace: &Workspace, files: &[SourceFile]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for file in files {
        findings.extend(text::check(file));
        findings.extend(ranks::check_async(file));
        findings.extend(crypto::check_adapters(file));
        findings.extend(house_lints(file));
    }
    let crates = workspace.crates();
    findings.extend(ranks::check(&crates));
    findings.extend(crates.iter().flat_map(crypto::check));
    findings.extend(documents::check(files));
    findings.extend(suites::check_needs(files));
    findings.extend(packs::check(files));
    findings.sort();
    findings
}

/// Every crate takes the workspace's lints: a crate without them is checked by nobody.
fn house_lints(file: &SourceFile) -> Option<Finding> {
    let of_a_crate = file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml");
    let takes_them = file.text.replace(' ', "").contains("[lints]\nworkspace=true");
    (of_a_crate && !takes_them)
        .then(|| Finding::of(&file.path, "does not take the lints: `[lints] workspace = true`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_the_house_lints_is_found() {
        let path = "crates/terms/Cargo.toml";
        let without = SourceFile::planted(path, "[package]\nname = \"wayleave-terms\"\n");
        assert!(house_lints(&without).is_some());
        let with = SourceFile::planted(path, "[lints]\nworkspace = true\n");
        assert!(house_lints(&with).is_none());
    }
}
