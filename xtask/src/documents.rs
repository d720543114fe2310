//! Documents that a machine can hold to their word: dependencies, capabilities, links.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::source::{code_only, functions};
use crate::workspace::SourceFile;

/// One line for each library.
const DEPENDENCIES: &str = "docs/dependencies.md";
/// One row for each capability.
pub(crate) const CAPABILITIES: &str = "docs/capabilities.md";
/// What a stranger looks for first.
const REQUIRED: [&str; 10] = [
    "Cargo.toml",
    "README.md",
    "ARCHITECTURE.md",
    "LICENSE",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/GLOSSARY.md",
    "docs/THREATS.md",
    CAPABILITIES,
];
/// How a capability names an interop suite as its test.
pub(crate) const SUITE_PREFIX: &str = "suite:";

/// A row of the capabilities table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capability {
    /// Its line in the document.
    pub(crate) line: usize,
    /// What it is.
    pub(crate) name: String,
    /// The command that a person runs.
    pub(crate) command: String,
    /// The tests that carry it.
    pub(crate) tests: Vec<String>,
    /// `works`, `partial` or `absent`.
    pub(crate) state: String,
}

/// All that is wrong with the documents.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let text_of = |path: &str| {
        let found = files.iter().find(|file| file.path == path);
        found.map_or("", |file| file.text.as_str())
    };
    let mut findings: Vec<Finding> = REQUIRED
        .iter()
        .filter(|path| text_of(path).is_empty())
        .map(|path| Finding::of(path, "is missing"))
        .collect();
    findings.extend(check_dependencies(text_of("Cargo.toml"), text_of(DEPENDENCIES)));
    findings.extend(check_capabilities(text_of(CAPABILITIES), &tests_in_source(files)));
    findings.extend(files.iter().filter(|file| file.is_markdown()).flat_map(check_commands));
    findings.extend(check_links(files));
    findings
}

/// Documents name only commands of xtask that exist.
fn check_commands(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(file.text.lines()) {
        for (at, start) in text.match_indices("cargo xtask ") {
            let rest = text.get(at + start.len()..).unwrap_or_default();
            let command: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            if !command.is_empty() && !crate::COMMANDS.contains(&command.as_str()) {
                let message = format!("`cargo xtask {command}` does not exist");
                findings.push(Finding::at(&file.path, line, message));
            }
        }
    }
    findings
}

/// Every library of the workspace has a line, and every line a library.
fn check_dependencies(manifest: &str, document: &str) -> Vec<Finding> {
    let libraries = workspace_libraries(manifest);
    let mut findings = Vec::new();
    let mut said = BTreeSet::new();
    for (line, cells) in rows(document) {
        let Some(name) = cells.first().and_then(|cell| quoted(cell).into_iter().next()) else {
            continue;
        };
        if !libraries.contains(&name) {
            let message = format!("`{name}` is not a dependency of the workspace");
            findings.push(Finding::at(DEPENDENCIES, line, message));
        }
        if cells.len() < 4 || cells.iter().any(String::is_empty) {
            let message = format!("`{name}` needs four cells: name, why, who keeps it, way out");
            findings.push(Finding::at(DEPENDENCIES, line, message));
        }
        if !said.insert(name.clone()) {
            findings.push(Finding::at(DEPENDENCIES, line, format!("`{name}` stands twice")));
        }
    }
    for library in libraries.difference(&said) {
        let message = format!("`{library}` has no line: why, who keeps it, way out");
        findings.push(Finding::of(DEPENDENCIES, message));
    }
    findings
}

/// Other people's crates in `[workspace.dependencies]`.
fn workspace_libraries(manifest: &str) -> BTreeSet<String> {
    let section = manifest.lines().skip_while(|line| line.trim() != "[workspace.dependencies]");
    section
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.trim_start().starts_with('#') && !line.contains("path = "))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// The table's rows: line number and cells, without the header and the rule under it.
fn rows(document: &str) -> Vec<(usize, Vec<String>)> {
    let mut rows = Vec::new();
    let mut in_table = 0_usize;
    for (number, line) in (1..).zip(document.lines()) {
        let Some(inner) = line.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|'))
        else {
            in_table = 0;
            continue;
        };
        in_table += 1;
        // The first two lines of a table are its header and the rule under it.
        if in_table > 2 {
            rows.push((number, inner.split('|').map(|cell| cell.trim().to_owned()).collect()));
        }
    }
    rows
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the capabilities document.
pub(crate) fn capabilities(document: &str) -> Vec<Capability> {
    let rows = rows(document).into_iter();
    rows.filter_map(|(line, cells)| {
        let [_, name, command, tests, state] = cells.as_slice() else { return None };
        Some(Capability {
            line,
            name: name.clone(),
            command: command.clone(),
            tests: quoted(tests),
            state: state.trim_matches('*').to_owned(),
        })
    })
    .collect()
}

fn check_capabilities(document: &str, known: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, cells) in rows(document) {
        if cells.len() != 5 {
            let message = format!("{} cells; area, capability, command, test, state", cells.len());
            findings.push(Finding::at(CAPABILITIES, line, message));
        }
    }
    for row in capabilities(document) {
        let Capability { line, name, command, tests, state } = row;
        let mut refuse = |message: String| {
            findings.push(Finding::at(CAPABILITIES, line, message));
        };
        match state.as_str() {
            "works" if tests.is_empty() || quoted(&command).is_empty() => {
                refuse(format!("`{name}` is marked works but names no command and test"));
            }
            "works" | "partial" | "absent" => {}
            other => refuse(format!("`{other}` is no state: works, partial or absent")),
        }
        for test in tests.iter().filter(|test| !known.contains(last_segment(test))) {
            refuse(format!("`{name}` names the test `{test}`, which does not exist"));
        }
    }
    findings
}

/// The function's name in `crate::module::name`.
fn last_segment(test: &str) -> &str {
    test.rsplit("::").next().unwrap_or(test)
}

/// Rows marked *works* whose test is not in the list of tests that ran and passed.
pub(crate) fn check_ran(document: &str, ran: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in capabilities(document).into_iter().filter(|row| row.state == "works") {
        for test in &row.tests {
            let tail = format!("::{test}");
            if !ran.iter().any(|name| name == test || name.ends_with(&tail)) {
                let message =
                    format!("`{}` is marked works, but `{test}` did not run and pass", row.name);
                findings.push(Finding::at(CAPABILITIES, row.line, message));
            }
        }
    }
    findings
}

/// The names of all test functions and interop suites.
fn tests_in_source(files: &[SourceFile]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        if file.is_rust() {
            let code = code_only(&file.text);
            let lines: Vec<&str> = code.lines().collect();
            let marked = |line: usize| {
                let above = lines.iter().take(line.saturating_sub(1)).rev();
                above
                    .take_while(|l| l.trim_start().starts_with("#[") || l.trim().is_empty())
                    .any(|l| l.contains("test]") || l.contains("test("))
            };
            let found = functions(&code).into_iter().filter(|f| marked(f.line));
            names.extend(found.map(|function| function.name));
        }
        names.extend(crate::suites::name_of(file).map(|name| format!("{SUITE_PREFIX}{name}")));
    }
    names
}

/// Links inside the repository lead to a file, and to a heading where they name one.
fn check_links(files: &[SourceFile]) -> Vec<Finding> {
    let mut places: BTreeMap<&str, Vec<String>> =
        files.iter().map(|file| (file.path.as_str(), headings(file))).collect();
    let folders: Vec<&str> = files.iter().flat_map(|file| parents(&file.path)).collect();
    for folder in folders {
        places.entry(folder).or_default();
    }
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_markdown()) {
        for (line, target) in links(&file.text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let path = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path) };
            let message = match places.get(path.as_str()) {
                None => format!("the link `{target}` leads nowhere"),
                Some(known) if !anchor.is_empty() && !known.iter().any(|k| k == anchor) => {
                    format!("the link `{target}` names no heading of `{path}`")
                }
                Some(_) => continue,
            };
            findings.push(Finding::at(&file.path, line, message));
        }
    }
    findings
}

fn parents(path: &str) -> Vec<&str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at)).collect()
}

/// The anchors of a document's headings: lower case, spaces to hyphens, other signs dropped.
fn headings(file: &SourceFile) -> Vec<String> {
    if !file.is_markdown() {
        return Vec::new();
    }
    let titles = file.text.lines().filter(|line| line.starts_with('#'));
    titles
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// Relative links outside code: line and target.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_fence = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let rest = line.get(at + 2..).unwrap_or_default();
            let target = rest.split(')').next().unwrap_or_default().trim();
            let outside = target.contains("://") || target.starts_with("mailto:");
            if !outside && !target.is_empty() {
                found.push((number, target.to_owned()));
            }
        }
    }
    found
}

/// A relative path, from the folder of the file that names it.
fn resolve(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests;
