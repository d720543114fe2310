//! What other people's code we build with: where it comes from, under which licence, how often.
//!
//! Works without network, on what cargo knows of the locked packages. It does not look up
//! advisories: their database is not in any package registry (`cargo deny check advisories` does
//! where it can be reached).

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use anyhow::{Context, Result};
use cargo_metadata::{MetadataCommand, Package};

use crate::finding::Finding;

/// The lists of allowed registries and licences.
const RULES: &str = "deny.toml";
/// Most surplus versions of one library, summed over all: the count when the whole dependency set
/// was first resolved together, and a few. Lower it when it falls.
const SURPLUS_VERSIONS_MAX: usize = 20;

/// What the audit looks at of one package.
struct Library {
    name: String,
    version: String,
    source: Option<String>,
    licence: Option<String>,
}

/// The lists of [`RULES`].
struct Rules {
    licences: BTreeSet<String>,
    registries: BTreeSet<String>,
}

/// `cargo xtask audit`: prints duplicates and breaches.
pub(crate) fn command() -> Result<ExitCode> {
    let mut asked = MetadataCommand::new();
    if std::env::var_os("CI").is_some() {
        asked.other_options(vec!["--locked".to_owned()]);
    }
    let metadata = asked.exec().context("cargo cannot resolve the dependencies")?;
    let ours: BTreeSet<_> = metadata.workspace_members.iter().collect();
    let libraries: Vec<Library> =
        metadata.packages.iter().filter(|p| !ours.contains(&p.id)).map(reduce).collect();
    let rules = std::fs::read_to_string(metadata.workspace_root.join(RULES))
        .with_context(|| format!("`{RULES}` cannot be read"))?;
    let findings = check(&libraries, &Rules::parse(&rules));
    for (name, versions) in duplicates(&libraries) {
        println!("in several versions: {name} {}", versions.join(", "));
    }
    findings.iter().for_each(|finding| println!("{finding}"));
    println!("audit: {} libraries, {} findings", libraries.len(), findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn reduce(package: &Package) -> Library {
    Library {
        name: package.name.to_string(),
        version: package.version.to_string(),
        source: package.source.as_ref().map(|source| source.repr.clone()),
        licence: package.license.clone(),
    }
}

impl Rules {
    fn parse(text: &str) -> Self {
        Self {
            licences: strings_of(text, "allow").collect(),
            registries: strings_of(text, "allow-registry").collect(),
        }
    }
}

/// The strings of `key = [ … ]` in a TOML text whose comments hold no quotes.
fn strings_of<'a>(text: &'a str, key: &str) -> impl Iterator<Item = String> + use<'a> {
    let start = format!("{key} = [");
    let inside = text
        .match_indices(&start)
        .find(|(at, _)| *at == 0 || text.get(..*at).is_some_and(|head| head.ends_with('\n')))
        .and_then(|(at, _)| text.get(at + start.len()..))
        .and_then(|rest| rest.split(']').next())
        .unwrap_or_default();
    inside.split('"').skip(1).step_by(2).map(str::to_owned)
}

fn check(libraries: &[Library], rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for library in libraries {
        let place = format!("{} {}", library.name, library.version);
        if !comes_from(library, rules) {
            let source = library.source.as_deref().unwrap_or("a folder outside the workspace");
            findings.push(Finding::of(&place, format!("comes from `{source}`")));
        }
        let licence = library.licence.as_deref().unwrap_or_default();
        if !allowed(licence, &rules.licences) {
            findings.push(Finding::of(&place, format!("licence `{licence}` is not in {RULES}")));
        }
    }
    let surplus: usize = duplicates(libraries).values().map(|versions| versions.len() - 1).sum();
    if surplus > SURPLUS_VERSIONS_MAX {
        let message = format!("{surplus} surplus versions, at most {SURPLUS_VERSIONS_MAX}");
        findings.push(Finding::of("Cargo.lock", message));
    }
    findings
}

fn comes_from(library: &Library, rules: &Rules) -> bool {
    let registry = library.source.as_deref().and_then(|source| source.strip_prefix("registry+"));
    registry.is_some_and(|address| rules.registries.contains(address))
}

fn duplicates(libraries: &[Library]) -> BTreeMap<&str, Vec<&str>> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for library in libraries {
        versions.entry(&library.name).or_default().push(&library.version);
    }
    versions.retain(|_, list| list.len() > 1);
    versions
}

/// Whether an SPDX expression can be met with allowed licences. `OR` lets us choose, `AND` binds
/// closer and asks for both; the old `/` means `OR`.
fn allowed(expression: &str, licences: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Expression { words: &words, at: 0, licences };
    let met = reader.any();
    met && reader.at == words.len()
}

struct Expression<'a> {
    words: &'a [&'a str],
    at: usize,
    licences: &'a BTreeSet<String>,
}

impl Expression<'_> {
    fn take(&mut self, word: &str) -> bool {
        let next = self.words.get(self.at).is_some_and(|w| *w == word);
        self.at += usize::from(next);
        next
    }

    fn any(&mut self) -> bool {
        let mut met = self.all();
        while self.take("OR") {
            met |= self.all();
        }
        met
    }

    fn all(&mut self) -> bool {
        let mut met = self.one();
        while self.take("AND") {
            met &= self.one();
        }
        met
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let met = self.any();
            return self.take(")") && met;
        }
        let Some(name) = self.words.get(self.at) else { return false };
        self.at += 1;
        let mut licence = (*name).to_owned();
        if self.take("WITH") {
            let exception = self.words.get(self.at).copied().unwrap_or_default();
            self.at += 1;
            licence = format!("{licence} WITH {exception}");
        }
        self.licences.contains(&licence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "registry+https://index.example";

    fn rules() -> Rules {
        Rules::parse(
            "[licenses]\nallow = [\n  \"MIT\",\n  \"Zlib WITH x\",\n  \"ISC\",\n]\n\
             [sources]\nallow-registry = [\"https://index.example\"]\n",
        )
    }

    fn library(version: &str, source: Option<&str>, licence: &str) -> Library {
        Library {
            name: "planted".to_owned(),
            version: version.to_owned(),
            source: source.map(str::to_owned),
            licence: Some(licence.to_owned()),
        }
    }

    #[test]
    fn both_lists_are_read() {
        assert_eq!(rules().licences.len(), 3);
        assert_eq!(rules().registries.len(), 1);
    }

    #[test]
    fn a_library_from_elsewhere_is_refused() {
        let from = |source| check(&[library("1.0.0", source, "MIT")], &rules()).len();
        assert_eq!(from(Some(INDEX)), 0);
        assert_eq!(from(Some("git+https://index.example")), 1);
        assert_eq!(from(Some("registry+https://other.example")), 1);
        assert_eq!(from(None), 1);
    }

    #[test]
    fn an_expression_is_met_by_what_is_allowed() {
        let met = |expression: &str| allowed(expression, &rules().licences);
        assert!(met("MIT") && met("GPL-3.0 OR MIT") && met("GPL-3.0/MIT") && met("MIT AND ISC"));
        assert!(met("(GPL-3.0 OR MIT) AND ISC") && met("Zlib WITH x"));
        assert!(!met("GPL-3.0") && !met("MIT AND GPL-3.0") && !met("Zlib") && !met(""));
        assert!(!met("ISC AND (GPL-3.0 OR X)") && !met("MIT ISC") && !met("(MIT"));
    }

    #[test]
    fn too_many_surplus_versions_are_refused() {
        let many = |count: usize| -> Vec<Library> {
            (0..count).map(|n| library(&format!("{n}.0.0"), Some(INDEX), "MIT")).collect()
        };
        assert!(check(&many(SURPLUS_VERSIONS_MAX + 1), &rules()).is_empty());
        assert_eq!(check(&many(SURPLUS_VERSIONS_MAX + 2), &rules()).len(), 1);
    }
}
