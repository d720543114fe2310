//! What a script needs, and how it is brought.
//!
//! | need | meaning |
//! |---|---|
//! | `apt:NAME` | a Debian package, listed in `.ci/packages` too |
//! | `pip:NAME==VERSION` | a PyPI package, in a virtual environment under the target folder |
//! | `npm:NAME@VERSION` | an npm package, under the target folder |
//! | `tool:NAME` | a program on the path that no package of the above brings |
//! | `wayleave`, `wayleave-release` | our binary, built in that profile |

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::{PACKAGES, name_of};
use crate::finding::Finding;
use crate::workspace::SourceFile;

/// The kinds of need that carry a name.
const KINDS: [&str; 4] = ["apt", "pip", "npm", "tool"];
/// Needs without a name.
const BINARIES: [&str; 2] = ["wayleave", "wayleave-release"];

/// The needs in a script's header.
pub(crate) fn of(text: &str) -> Vec<String> {
    let header = text.lines().take_while(|line| line.starts_with('#'));
    let lines = header.filter_map(|line| line.strip_prefix("# needs: "));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// Scripts without a header, needs that nobody can bring, Debian packages not listed in one place.
pub(crate) fn check_needs(files: &[SourceFile]) -> Vec<Finding> {
    let packages = files.iter().find(|file| file.path == PACKAGES);
    let listed: BTreeSet<&str> =
        packages.map_or("", |file| &file.text).lines().filter_map(named).collect();
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| f.path.starts_with("interop/") && f.path.ends_with(".sh")) {
        // Deeper down, or without a first line that names an interpreter, it is another's part.
        if file.path.matches('/').count() > 1 || !file.text.starts_with("#!") {
            continue;
        }
        if !name_of(file).is_some_and(|name| name.starts_with("interop-")) {
            let message = "the header does not say `# suite: interop-NAME`";
            findings.push(Finding::at(&file.path, 1, message));
        }
        findings
            .extend(of(&file.text).iter().filter_map(|need| refusal(&file.path, need, &listed)));
    }
    findings
}

fn refusal(path: &str, need: &str, listed: &BTreeSet<&str>) -> Option<Finding> {
    let (kind, name) = need.split_once(':').unwrap_or((need, ""));
    let known = BINARIES.contains(&need) || (KINDS.contains(&kind) && !name.is_empty());
    if !known {
        return Some(Finding::at(path, 1, format!("`{need}` is no need that xtask can bring")));
    }
    let unlisted = kind == "apt" && !listed.contains(name);
    unlisted.then(|| Finding::at(path, 1, format!("`{name}` is not listed in {PACKAGES}")))
}

/// The package that a line of the list names, without what is said of it.
fn named(line: &str) -> Option<&str> {
    line.split('#').next().map(str::trim).filter(|name| !name.is_empty())
}

/// Brings a need; the error is the hint that a person reads.
pub(crate) fn bring(need: &str, scratch: &Path) -> Result<()> {
    match need.split_once(':') {
        Some(("apt", package)) => debian(package),
        Some(("pip", package)) => python(package, scratch),
        Some(("npm", package)) => node(package, scratch),
        Some(("tool", tool)) => {
            ensure!(succeeds("which", &[tool]), "`{tool}` is not on the path: install it");
            Ok(())
        }
        _ => Ok(()),
    }
}

fn debian(package: &str) -> Result<()> {
    if succeeds("dpkg", &["-s", package]) {
        return Ok(());
    }
    println!("installing the Debian package {package}");
    let install = ["install", "-y", "--no-install-recommends", package];
    let installed = succeeds("apt-get", &install)
        || (succeeds("apt-get", &["update"]) && succeeds("apt-get", &install));
    ensure!(installed, "`{package}` is missing: `sudo apt-get install {package}`");
    Ok(())
}

fn python(package: &str, scratch: &Path) -> Result<()> {
    let environment = scratch.join("venv");
    let folder = path_text(&environment)?;
    let pip = environment.join("bin/pip");
    if !pip.exists() {
        let made = succeeds("python3", &["-m", "venv", folder]);
        ensure!(made, "`python3 -m venv` failed: `sudo apt-get install python3-venv`");
    }
    let marker = marker_of(scratch, "pip", package);
    if marker.exists() {
        return Ok(());
    }
    println!("installing the PyPI package {package}");
    let installed = succeeds(path_text(&pip)?, &["install", "--quiet", package]);
    ensure!(installed, "`pip install {package}` failed");
    mark(&marker)
}

fn node(package: &str, scratch: &Path) -> Result<()> {
    let marker = marker_of(scratch, "npm", package);
    if marker.exists() {
        return Ok(());
    }
    ensure!(succeeds("npm", &["--version"]), "`npm` is missing: install Node.js 20 or newer");
    let folder = scratch.join("npm");
    std::fs::create_dir_all(&folder)?;
    println!("installing the npm package {package}");
    let start = ["install", "--no-audit", "--no-fund", "--prefix", path_text(&folder)?, package];
    ensure!(succeeds("npm", &start), "`npm install {package}` failed");
    mark(&marker)
}

fn marker_of(scratch: &Path, kind: &str, package: &str) -> std::path::PathBuf {
    scratch.join("brought").join(format!("{kind}-{}", package.replace('/', "+")))
}

fn mark(marker: &Path) -> Result<()> {
    let Some(folder) = marker.parent() else { bail!("the marker has no folder") };
    std::fs::create_dir_all(folder)?;
    std::fs::write(marker, "").context("the target folder is not writable")
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("the target folder's path is not UTF-8")
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).env("DEBIAN_FRONTEND", "noninteractive");
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(header: &str) -> Vec<Finding> {
        let text = format!("#!/usr/bin/env bash\n{header}set -e\n");
        let packages = SourceFile::planted(PACKAGES, "# what\ngolang-go # Go\n");
        check_needs(&[SourceFile::planted("interop/a.sh", &text), packages])
    }

    #[test]
    fn needs_are_read_from_the_header_only() {
        let text = "#!/bin/sh\n# needs: apt:golang-go wayleave\n# needs: pip:a==1\n\n# needs: x\n";
        assert_eq!(of(text), ["apt:golang-go", "wayleave", "pip:a==1"]);
    }

    #[test]
    fn a_script_must_say_its_suite_and_needs_that_can_be_brought() {
        assert!(findings("# suite: interop-a\n# needs: apt:golang-go npm:@a/b@1\n").is_empty());
        assert_eq!(findings("# needs: wayleave\n").len(), 1);
        assert_eq!(findings("# suite: a\n").len(), 1);
        assert_eq!(findings("# suite: interop-a\n# needs: brew:go\n").len(), 1);
        assert_eq!(findings("# suite: interop-a\n# needs: apt:unlisted\n").len(), 1);
        let part = SourceFile::planted("interop/part.sh", "# Sourced by others.\n");
        assert!(check_needs(&[part]).is_empty());
    }

    #[test]
    fn a_missing_tool_is_a_failure_with_a_hint() {
        let error = bring("tool:no-such-tool-anywhere", Path::new("unused")).unwrap_err();
        assert!(error.to_string().contains("no-such-tool-anywhere"), "{error}");
    }
}
