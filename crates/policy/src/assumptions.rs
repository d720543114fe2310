//! What a pack takes for granted.
//!
//! An assumption is written as a permit with one `when` condition and compiled twice from the
//! same text: into the left side of each proof, and into a check before each decision that denies
//! what breaks it. So a proof never speaks of a payment that the edge would not refuse anyway.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, Effect, Policy, PolicyId, PolicySet};
use serde_json::{Value, json};

use crate::json::canonical;
use crate::pack::{PackError, of_anybody};
use crate::walk;

/// The file's name in a pack's folder.
pub const ASSUMPTIONS_FILE: &str = "assumptions.cedar";
/// The id of the permit that the check begins with.
const WIDE: &str = "assumed";

/// One assumption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// What it says, for people.
    pub sentence: String,
    /// Why it may be taken for granted.
    pub reference: String,
    reads: BTreeSet<String>,
    actions: BTreeSet<String>,
}

/// The assumptions of a pack.
#[derive(Clone, Debug)]
pub struct Assumptions {
    named: BTreeMap<String, Assumption>,
    /// A wide permit and, for each assumption, `forbid … unless` it holds.
    check: PolicySet,
    canonical: String,
}

impl Assumptions {
    /// No assumption at all.
    pub(crate) fn none() -> Self {
        Self { named: BTreeMap::new(), check: PolicySet::new(), canonical: String::new() }
    }

    pub(crate) fn read(text: &str) -> Result<Self, PackError> {
        let syntax = |reason: String| PackError::Syntax { file: ASSUMPTIONS_FILE, reason };
        let parsed: PolicySet =
            text.parse().map_err(|e: cedar_policy::ParseErrors| syntax(e.to_string()))?;
        if parsed.templates().next().is_some() {
            return Err(syntax("expected policies without slots".to_owned()));
        }
        let (mut named, mut compiled) = (BTreeMap::new(), Vec::new());
        let mut meaning = BTreeMap::new();
        for policy in parsed.policies() {
            let (id, assumption, forbid) = one(policy)?;
            meaning.insert(id.clone(), canonical(&json_of(policy)?));
            compiled.push(forbid);
            if named.insert(id.clone(), assumption).is_some() {
                return Err(PackError::IdTwice { policy: id });
            }
        }
        if named.is_empty() {
            return Ok(Self::none());
        }
        let wide =
            Policy::parse(Some(PolicyId::new(WIDE)), "permit (principal, action, resource);")
                .map_err(|e| syntax(e.to_string()))?;
        let check = PolicySet::from_policies(compiled.into_iter().chain([wide]))
            .map_err(|e| syntax(e.to_string()))?;
        let pairs = meaning.iter().map(|(id, text)| format!("{}:{text}", Value::from(id.as_str())));
        let canonical = format!("{{{}}}", pairs.collect::<Vec<_>>().join(","));
        Ok(Self { named, check, canonical })
    }

    /// Nothing is assumed of what no rule reads: it would not be in the request.
    pub(crate) fn check_reads(&self, reads: &BTreeSet<String>) -> Result<(), PackError> {
        for (id, assumption) in &self.named {
            if let Some(finding) = assumption.reads.iter().find(|name| !reads.contains(*name)) {
                return Err(form(id, &format!("not to read `{finding}`, which no rule reads")));
            }
        }
        Ok(())
    }

    /// What is assumed is assumed of every payment that is decided: a proof puts all assumptions
    /// before each rule, whatever its action.
    pub(crate) fn check_actions(&self, decided: &BTreeSet<String>) -> Result<(), PackError> {
        match self.named.iter().find(|(_, assumption)| assumption.actions != *decided) {
            Some((id, _)) => {
                let all = decided.iter().cloned().collect::<Vec<_>>().join(", ");
                Err(form(id, &format!("of exactly the actions {all}")))
            }
            None => Ok(()),
        }
    }

    /// Each by its id.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Assumption)> {
        self.named.iter().map(|(id, assumption)| (id.as_str(), assumption))
    }

    /// The forbids alone, as a proof puts them beside the rules.
    pub fn forbids(&self) -> impl Iterator<Item = &Policy> {
        self.check.policies().filter(|policy| policy.effect() == Effect::Forbid)
    }

    /// Whether nothing is assumed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    pub(crate) const fn check(&self) -> &PolicySet {
        &self.check
    }

    pub(crate) fn canonical(&self) -> String {
        self.canonical.clone()
    }

    pub(crate) fn sentence(&self, id: &str) -> &str {
        self.named.get(id).map_or("", |assumption| assumption.sentence.as_str())
    }
}

/// An assumption and the forbid that it compiles to.
fn one(policy: &Policy) -> Result<(String, Assumption, Policy), PackError> {
    let id = need(policy, "id")?;
    let (sentence, reference) = (need(policy, "sentence")?, need(policy, "ref")?);
    if policy.effect() != Effect::Permit {
        return Err(form(&id, "as a permit that says when all is well"));
    }
    if !of_anybody(policy) {
        return Err(PackError::ScopeNarrow { policy: id });
    }
    let actions = match policy.action_constraint() {
        ActionConstraint::Any => Vec::new(),
        ActionConstraint::Eq(action) => vec![action],
        ActionConstraint::In(actions) => actions,
    };
    let actions = actions.iter().map(|action| action.id().unescaped().to_owned()).collect();
    let mut json = json_of(policy)?;
    let read = walk::reads(&json);
    if read.whole {
        return Err(form(&id, "to read named attributes of context and resource only"));
    }
    let whens = json.get_mut("conditions").and_then(Value::as_array_mut);
    let Some([only]) = whens.map(Vec::as_mut_slice) else {
        return Err(form(&id, "with one `when`"));
    };
    if only.get("kind") != Some(&json!("when")) {
        return Err(form(&id, "with one `when`"));
    }
    if let Some(kind) = only.get_mut("kind") {
        *kind = json!("unless");
    }
    if let Some(effect) = json.get_mut("effect") {
        *effect = json!("forbid");
    }
    let forbid = Policy::from_json(Some(PolicyId::new(&id)), json)
        .map_err(|e| PackError::Syntax { file: ASSUMPTIONS_FILE, reason: e.to_string() })?;
    Ok((id, Assumption { sentence, reference, reads: read.context, actions }, forbid))
}

fn json_of(policy: &Policy) -> Result<Value, PackError> {
    let syntax = |reason: String| PackError::Syntax { file: ASSUMPTIONS_FILE, reason };
    policy.to_json().map_err(|e| syntax(e.to_string()))
}

fn need(policy: &Policy, annotation: &'static str) -> Result<String, PackError> {
    let text = policy.annotation(annotation).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| PackError::AnnotationMissing {
        file: ASSUMPTIONS_FILE,
        policy: policy.annotation("id").unwrap_or("?").to_owned(),
        annotation,
    })
}

fn form(assumption: &str, expected: &str) -> PackError {
    PackError::AssumptionForm { assumption: assumption.to_owned(), expected: expected.to_owned() }
}
