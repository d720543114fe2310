//! Where in a credential each disclosure belongs, and which ones a claim path needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::PathStep;
use crate::adapters::sd_jwt::Disclosure;

/// How deep disclosures may refer to disclosures.
const DEPTH_MAX: usize = 16;

/// One disclosure with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    /// The path of the claim that it discloses.
    pub(crate) path: Vec<PathStep>,
    /// Which disclosure.
    pub(crate) index: usize,
    /// The disclosures that contain its digest, outermost first.
    pub(crate) parents: Vec<usize>,
}

/// Every disclosure that the payload refers to, directly or through another one.
pub(crate) fn locate(payload: &Map<String, Value>, disclosures: &[Disclosure]) -> Vec<Located> {
    let by_digest = disclosures.iter().enumerate().map(|(i, d)| (d.digest(), i)).collect();
    let mut walk = Walk { disclosures, by_digest, found: Vec::new() };
    walk.object(payload, &[], &[]);
    walk.found
}

/// The disclosures that show the claims at `paths`, with what they stand in and what they hold.
pub(crate) fn needed(located: &[Located], paths: &[Vec<PathStep>]) -> BTreeSet<usize> {
    located
        .iter()
        .filter(|found| paths.iter().any(|path| PathStep::covers(path, &found.path)))
        .flat_map(|found| found.parents.iter().copied().chain([found.index]))
        .collect()
}

struct Walk<'a> {
    disclosures: &'a [Disclosure],
    by_digest: BTreeMap<&'a str, usize>,
    found: Vec<Located>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, value: &'a Value, path: &[PathStep], parents: &[usize]) {
        if parents.len() > DEPTH_MAX {
            return;
        }
        if let Some(object) = value.as_object() {
            self.object(object, path, parents);
        }
        for (index, element) in value.as_array().into_iter().flatten().enumerate() {
            let at = with(path, PathStep::Element(u64::try_from(index).unwrap_or(u64::MAX)));
            match element.get("...").and_then(Value::as_str) {
                Some(digest) => self.disclosed(digest, &at, parents),
                None => self.value(element, &at, parents),
            }
        }
    }

    fn object(&mut self, object: &'a Map<String, Value>, path: &[PathStep], parents: &[usize]) {
        for digest in object.get("_sd").and_then(Value::as_array).into_iter().flatten() {
            let Some(digest) = digest.as_str() else { continue };
            let name = self.by_digest.get(digest).and_then(|index| {
                self.disclosures.get(*index).and_then(|disclosure| disclosure.name())
            });
            if let Some(name) = name {
                let at = with(path, PathStep::Member(name.to_owned()));
                self.disclosed(digest, &at, parents);
            }
        }
        for (name, value) in object.iter().filter(|(name, _)| *name != "_sd") {
            self.value(value, &with(path, PathStep::Member(name.clone())), parents);
        }
    }

    fn disclosed(&mut self, digest: &str, at: &[PathStep], parents: &[usize]) {
        let Some(index) = self.by_digest.get(digest).copied() else { return };
        let Some(disclosure) = self.disclosures.get(index) else { return };
        let inside = [parents, &[index]].concat();
        self.found.push(Located { path: at.to_vec(), index, parents: parents.to_vec() });
        self.value(disclosure.value(), at, &inside);
    }
}

fn with(path: &[PathStep], step: PathStep) -> Vec<PathStep> {
    [path, &[step]].concat()
}
