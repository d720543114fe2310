//! Two versions of a pack, compared: rules, parameters, lists.
//!
//! Which way a parameter moves is said by its own `tightens`. Which way a changed condition moves
//! is not said here: that is a proof's business.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::PolicySet;
use serde_json::Value;

use crate::json::canonical;
use crate::pack::{Pack, PackError, PackFiles};
use crate::parameters::{ParameterFile, ParameterValue, Tightens};
use crate::rule::Chapter;

/// Which way a change goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Fewer payments pass, or more is owed.
    Tightens,
    /// More payments pass, or less is owed: somebody signs it off.
    Loosens,
    /// Only words.
    Words,
    /// Not decided by comparison.
    Open,
}

impl Direction {
    /// The word shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tightens => "tightens",
            Self::Loosens => "loosens",
            Self::Words => "words only",
            Self::Open => "to be looked at",
        }
    }
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// A rule's code, a parameter's name, or `schema`.
    pub of: String,
    /// Where it stands.
    pub file: &'static str,
    /// What happened, such as `added`, `removed`, `condition changed`, `50000000 → 75000000`.
    pub what: String,
    /// Which way.
    pub direction: Direction,
}

/// What differs between two packs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Digest of the older.
    pub old: seal::Digest,
    /// Digest of the newer.
    pub new: seal::Digest,
    /// What differs, by file and name.
    pub changes: Vec<Change>,
}

impl Comparison {
    /// Whether somebody has to sign the newer one off: something loosens, or could.
    #[must_use]
    pub fn needs_sign_off(&self) -> bool {
        let loose = |d: Direction| matches!(d, Direction::Loosens | Direction::Open);
        self.changes.iter().any(|change| loose(change.direction))
    }
}

/// Compares two packs that both load.
pub fn compare(old: &PackFiles<'_>, new: &PackFiles<'_>) -> Result<Comparison, PackError> {
    let (before, after) = (Pack::load(old)?, Pack::load(new)?);
    let mut changes = Vec::new();
    for chapter in [Chapter::Decide, Chapter::Oblige, Chapter::Gate] {
        let (a, b) = (texts(before.policies(chapter)), texts(after.policies(chapter)));
        for id in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
            changes.extend(rule(chapter, id, a.get(id), b.get(id)));
        }
    }
    parameters(&file(old)?, &file(new)?, &mut changes);
    if before.schema_digest() != after.schema_digest() {
        let what = "changed".to_owned();
        let of = "schema".to_owned();
        let file = crate::pack::SCHEMA_FILE;
        changes.push(Change { of, file, what, direction: Direction::Words });
    }
    changes.sort_unstable_by(|a, b| (a.file, &a.of, &a.what).cmp(&(b.file, &b.of, &b.what)));
    Ok(Comparison { old: before.digest(), new: after.digest(), changes })
}

fn file(files: &PackFiles<'_>) -> Result<ParameterFile, PackError> {
    serde_json::from_str(files.parameters)
        .map_err(|error| PackError::Parameters { reason: error.to_string() })
}

fn texts(set: &PolicySet) -> BTreeMap<String, Value> {
    let policies = set.policies();
    policies.filter_map(|policy| Some((policy.id().to_string(), policy.to_json().ok()?))).collect()
}

fn rule(chapter: Chapter, id: &str, old: Option<&Value>, new: Option<&Value>) -> Option<Change> {
    let forbids = |rule: &Value| rule.get("effect").and_then(Value::as_str) == Some("forbid");
    // A duty less is owed by nobody, a forbid less lets pass; the wide permit does neither.
    let binds = |rule: &Value| chapter == Chapter::Oblige || forbids(rule);
    let (what, direction) = match (old, new) {
        (None, Some(rule)) if binds(rule) => ("added", Direction::Tightens),
        (Some(rule), None) if binds(rule) => ("removed", Direction::Loosens),
        (None, Some(_)) => ("added", Direction::Open),
        (Some(_), None) => ("removed", Direction::Open),
        (Some(old), Some(new)) if canonical(old) == canonical(new) => return None,
        (Some(old), Some(new)) => changed(old, new),
        (None, None) => return None,
    };
    let (of, what) = (id.to_owned(), what.to_owned());
    Some(Change { of, file: chapter.file(), what, direction })
}

/// What of a rule's two versions differs: its condition, its effect, or words only.
fn changed(old: &Value, new: &Value) -> (&'static str, Direction) {
    let without = |rule: &Value, name: &str| {
        let mut members = rule.as_object().cloned().unwrap_or_default();
        members.remove(name);
        canonical(&Value::Object(members))
    };
    let said = |rule: &Value, name: &str| {
        rule.get("annotations").and_then(|all| all.get(name)).map(canonical)
    };
    if without(old, "annotations") != without(new, "annotations") {
        return ("condition changed", Direction::Open);
    }
    match EFFECTS.iter().find(|name| said(old, name) != said(new, name)) {
        Some(_) => ("effect changed", Direction::Open),
        None => ("words changed", Direction::Words),
    }
}

fn parameters(old: &ParameterFile, new: &ParameterFile, changes: &mut Vec<Change>) {
    let file = crate::parameters::PARAMETERS_FILE;
    let dated = |all: &ParameterFile| {
        let mut table = BTreeMap::new();
        for parameter in &all.parameters {
            let values = parameter.values.iter().map(|v| (v.from.clone(), v.value.clone()));
            let values: BTreeMap<String, ParameterValue> = values.collect();
            table.insert(parameter.name.clone(), (parameter.tightens, values));
        }
        table
    };
    let (a, b) = (dated(old), dated(new));
    for name in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        let mut push = |what: String, direction| {
            changes.push(Change { of: name.clone(), file, what, direction });
        };
        let (Some((before, old)), Some((after, new))) = (a.get(name), b.get(name)) else {
            let what = if a.contains_key(name) { "removed" } else { "added" };
            push(what.to_owned(), Direction::Open);
            continue;
        };
        if before != after {
            push("direction that tightens changed".to_owned(), Direction::Open);
            continue;
        }
        for day in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let value = |all: &BTreeMap<String, ParameterValue>| {
                all.range(..=day.clone()).next_back().map(|(_, value)| value.clone())
            };
            if let Some((what, direction)) = moved(*after, value(old), value(new)) {
                push(format!("from {day}: {what}"), direction);
            }
        }
    }
}

/// What became of a value, and which way that goes.
fn moved(
    tightens: Tightens,
    old: Option<ParameterValue>,
    new: Option<ParameterValue>,
) -> Option<(String, Direction)> {
    let (old, new) = match (old, new) {
        (None, None) => return None,
        (Some(old), Some(new)) if old == new => return None,
        (Some(old), Some(new)) => (old, new),
        (None, Some(_)) => return Some(("a value where there was none".into(), Direction::Open)),
        (Some(_), None) => return Some(("no value any more".into(), Direction::Open)),
    };
    Some(match (&old, &new) {
        (ParameterValue::Number(old), ParameterValue::Number(new)) => {
            (format!("{old} → {new}"), of_numbers(tightens, *old, *new))
        }
        (ParameterValue::Texts(old), ParameterValue::Texts(new)) => of_lists(tightens, old, new),
        (ParameterValue::Text(old), ParameterValue::Text(new)) => {
            (format!("`{old}` → `{new}`"), Direction::Open)
        }
        (ParameterValue::Number(_), _)
        | (ParameterValue::Texts(_), _)
        | (ParameterValue::Text(_), _) => ("another type".to_owned(), Direction::Open),
    })
}

const fn of_numbers(tightens: Tightens, old: i64, new: i64) -> Direction {
    match tightens {
        Tightens::Down if new < old => Direction::Tightens,
        Tightens::Up if new > old => Direction::Tightens,
        Tightens::Down | Tightens::Up => Direction::Loosens,
        Tightens::Fewer | Tightens::More | Tightens::Neither => Direction::Open,
    }
}

fn of_lists(
    tightens: Tightens,
    old: &BTreeSet<String>,
    new: &BTreeSet<String>,
) -> (String, Direction) {
    let gone: Vec<&str> = old.difference(new).map(String::as_str).collect();
    let came: Vec<&str> = new.difference(old).map(String::as_str).collect();
    let mut words = Vec::new();
    if !came.is_empty() {
        words.push(format!("with {}", came.join(", ")));
    }
    if !gone.is_empty() {
        words.push(format!("without {}", gone.join(", ")));
    }
    if new.is_empty() {
        words.push("empty now".to_owned());
    }
    let direction = match (tightens, gone.is_empty(), came.is_empty()) {
        (Tightens::Fewer, _, true) | (Tightens::More, true, _) => Direction::Tightens,
        (Tightens::Fewer | Tightens::More, _, _) => Direction::Loosens,
        (Tightens::Down | Tightens::Up | Tightens::Neither, _, _) => Direction::Open,
    };
    (words.join("; "), direction)
}

/// Annotations that are more than words.
pub const EFFECTS: &[&str] = &[
    "outcome",
    "precedence",
    "visibility",
    "kind",
    "owner",
    "hours",
    "on",
    "parameters",
    "key",
    "asset",
    "max",
    "period",
];
