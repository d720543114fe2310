//! The workspace as the checks see it: its files, its packages, its target folder.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The prefix of our packages' names.
const OUR_PREFIX: &str = "wayleave-";

/// A file of the repository, read once.
pub(crate) struct SourceFile {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl SourceFile {
    #[cfg(test)]
    pub(crate) fn planted(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it is Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is a Markdown document.
    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }
}

/// One of our crates, reduced to what the rules look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crate {
    /// The bare noun: `terms` for `wayleave-terms`.
    pub(crate) noun: String,
    /// Our crates that it needs to build, as bare nouns.
    pub(crate) ours: Vec<String>,
    /// Our crates that only its tests need.
    pub(crate) ours_in_tests: Vec<String>,
    /// Other people's crates that it needs to build.
    pub(crate) others: Vec<String>,
}

/// The workspace: paths and packages, without the packages of other people.
pub(crate) struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where xtask keeps its own lists and tools: `xtask` inside cargo's target folder.
    pub(crate) scratch: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// What cargo says about our packages.
    pub(crate) packages: Vec<Package>,
}

impl Workspace {
    /// Asks cargo about the workspace that the current folder lies in.
    pub(crate) fn load() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("cargo cannot read the workspace; run this inside the repository")?;
        let Metadata { packages, workspace_root, target_directory, .. } = metadata;
        let target = target_directory.into_std_path_buf();
        Ok(Self {
            root: workspace_root.into_std_path_buf(),
            scratch: target.join("xtask"),
            target,
            packages,
        })
    }

    /// All files of the repository that git tracks or would track, as text; others are left out.
    pub(crate) fn files(&self) -> Result<Vec<SourceFile>> {
        let listing = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .current_dir(&self.root)
            .output()
            .context("`git ls-files` did not run; tidy needs git")?;
        ensure!(listing.status.success(), "`git ls-files` failed; is this a git repository?");
        let names = String::from_utf8(listing.stdout).context("a file name is not UTF-8")?;
        let mut files = Vec::new();
        for path in names.split('\0').filter(|name| !name.is_empty()) {
            // Deleted but not yet committed, or binary: nothing to check.
            if let Ok(text) = std::fs::read_to_string(self.root.join(path)) {
                files.push(SourceFile { path: path.to_owned(), text });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Ok(files)
    }

    /// Our crates, reduced to their arrows.
    pub(crate) fn crates(&self) -> Vec<Crate> {
        self.packages.iter().map(reduce).collect()
    }

    /// The package and name of the first target of this kind (`bench`, `example`, `bin`) whose
    /// name fits.
    pub(crate) fn target_named(
        &self,
        kind: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Option<(String, String)> {
        self.packages.iter().find_map(|package| {
            let target = package.targets.iter().find(|target| {
                target.kind.iter().any(|k| k.to_string() == kind) && fits(&target.name)
            })?;
            Some((package.name.to_string(), target.name.clone()))
        })
    }
}

/// The bare noun of a package of ours; `None` when it is somebody else's.
fn noun_of(package: &str) -> Option<String> {
    match package {
        "xtask" | "wayleave" => Some(package.to_owned()),
        _ => package.strip_prefix(OUR_PREFIX).map(str::to_owned),
    }
}

fn reduce(package: &Package) -> Crate {
    let mut reduced = Crate {
        noun: noun_of(&package.name).unwrap_or_else(|| package.name.to_string()),
        ..Crate::default()
    };
    for dependency in &package.dependencies {
        let ours = dependency.path.is_some().then(|| noun_of(&dependency.name)).flatten();
        match (ours, dependency.kind) {
            (Some(noun), DependencyKind::Development) => reduced.ours_in_tests.push(noun),
            (Some(noun), _) => reduced.ours.push(noun),
            (None, DependencyKind::Development) => {}
            (None, _) => reduced.others.push(dependency.name.clone()),
        }
    }
    reduced
}
