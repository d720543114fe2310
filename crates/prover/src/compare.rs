//! A new version of a pack against the old one: what it allows more, or makes due less.
//!
//! Rules are compared with the parameters of each day put in their place, lists included, so a
//! raised limit and a weakened rule look the same: as a payment that is allowed now and was not.
//! Each parameter also says which direction tightens; what goes the other way is named by itself.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Policy;
use cedar_policy_symcc::implies_asserts;
use policy::compare::EFFECTS;
use policy::invariants::{json_of, takes};
use policy::parameters::{ParameterValue, Tightens};
use policy::rule::Chapter;
use seal::Digest;
use serde_json::{Value, json};
use terms::BusinessDate;

use crate::prove::{
    Of, ProveError, Prover, SETTLE, action_of, compiled, environments, left, nothing, of_json, set,
};
use crate::sample::Sample;
use crate::subject::Subject;

/// Of a list that loses more than one entry in so many, somebody says yes first: 2 %.
const LIST_SHRINKS_BY: usize = 50;
const KIND: &str = "comparison";

/// One way in which the new version is wider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What to say yes to: `allows-more:pay`, `loosens:amountLimit`.
    pub id: String,
    /// In words.
    pub words: String,
    /// A payment that shows it, where rules are wider.
    pub sample: Option<Sample>,
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The old version's digest.
    pub against: Digest,
    /// Every difference, signed off or not.
    pub differences: Vec<Difference>,
    /// Ids of those to which somebody said yes, sorted.
    pub signed_off: Vec<String>,
}

impl Comparison {
    /// Differences to which nobody said yes.
    pub fn open(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|one| !self.signed_off.contains(&one.id))
    }
}

impl Prover {
    /// How `new` is wider than `old`; `yes` are the ids that are signed off.
    pub fn compare(
        &mut self,
        new: &Subject,
        old: &Subject,
        yes: &[String],
    ) -> Result<Comparison, ProveError> {
        if new.pack.side() != old.pack.side() {
            let why = "the old version decides the other side";
            return Err(ProveError::Compile {
                subject: new.pack.name().to_owned(),
                action: "any".to_owned(),
                reason: why.to_owned(),
            });
        }
        let mut differences = Vec::new();
        for (day, values) in days(new, old) {
            for found in self.on(new, old, (day, values))? {
                if differences.iter().all(|known: &Difference| known.id != found.id) {
                    differences.push(found);
                }
            }
        }
        differences.extend(loosened(new, old));
        differences.extend(effects(new, old));
        let signed: BTreeSet<String> = differences
            .iter()
            .filter(|one| yes.contains(&one.id))
            .map(|one| one.id.clone())
            .collect();
        let signed_off = signed.into_iter().collect();
        Ok(Comparison { against: old.pack.digest(), differences, signed_off })
    }

    /// With the parameters of one day.
    fn on(
        &mut self,
        new: &Subject,
        old: &Subject,
        (day, (now, before)): (BusinessDate, (&Values, &Values)),
    ) -> Result<Vec<Difference>, ProveError> {
        let mut found = Vec::new();
        for env in environments(new) {
            let action = action_of(&env);
            let of = Of { kind: KIND, subject: "the new version", action: &action };
            let allowed = concrete(&left(new, &action), now)?;
            // With what the old version assumed: an edge denied what broke it.
            let was = set(of, concrete(&left(old, &action), before)?)?;
            let a = compiled(new, &env, of, &set(of, allowed.clone())?)?;
            let b = compiled(new, &env, of, &was)?;
            if !self.unsatisfiable(&implies_asserts(&a, &b), of)?.0 {
                let sample = self.sample(new, &env, of, (allowed, &was), nothing())?;
                let words =
                    format!("from {day} on, the new version allows what the old one refused");
                found.push(Difference { id: format!("allows-more:{action}"), words, sample });
            }
            if action != SETTLE {
                found.extend(self.dropped(new, old, &env, (day, (now, before)))?);
            }
        }
        Ok(found)
    }

    /// Duties that were due and are not any more.
    fn dropped(
        &mut self,
        new: &Subject,
        old: &Subject,
        env: &cedar_policy::RequestEnv,
        (day, (now, before)): (BusinessDate, (&Values, &Values)),
    ) -> Result<Vec<Difference>, ProveError> {
        let action = action_of(env);
        let mut found = Vec::new();
        let mut rules: Vec<&Policy> = old.pack.policies(Chapter::Oblige).policies().collect();
        rules.sort_by_key(|rule| rule.id().to_string());
        for rule in rules.into_iter().filter(|rule| takes(rule, &action)) {
            let id = rule.id().to_string();
            let of = Of { kind: KIND, subject: &id, action: &action };
            // The same rule, whose annotations are compared by themselves, or one of like effect.
            let same = |policy: &&Policy| {
                let kind = policy.annotation("kind") == rule.annotation("kind");
                kind && (policy.id() == rule.id() || effects_changed(rule, policy).is_empty())
            };
            let duties = new.pack.policies(Chapter::Oblige).policies().filter(same).cloned();
            let is = set(of, concrete(&duties.collect::<Vec<_>>(), now)?)?;
            let was = concrete(std::slice::from_ref(rule), before)?;
            let a = compiled(new, env, of, &set(of, was.clone())?)?;
            let b = compiled(new, env, of, &is)?;
            if !self.unsatisfiable(&implies_asserts(&a, &b), of)?.0 {
                let sample = self.sample(new, env, of, (was, &is), nothing())?;
                let words = format!("from {day} on, the duty `{id}` is not due where it was");
                found.push(Difference { id: format!("duty-dropped:{id}:{action}"), words, sample });
            }
        }
        Ok(found)
    }
}

type Values = BTreeMap<String, ParameterValue>;

/// The days on which parameters of either change, with what is in force in both.
fn days<'a>(new: &'a Subject, old: &'a Subject) -> Vec<(BusinessDate, (&'a Values, &'a Values))> {
    let (new, old): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (new.pack.parameters().collect(), old.pack.parameters().collect());
    let all: BTreeSet<BusinessDate> = new.keys().chain(old.keys()).copied().collect();
    let mut seen = Vec::new();
    let pairs = all.into_iter().filter_map(|day| {
        let now = *new.range(..=day).next_back()?.1;
        let before = *old.range(..=day).next_back()?.1;
        Some((day, (now, before)))
    });
    for (day, pair) in pairs {
        if seen.iter().all(|(_, known)| *known != pair) {
            seen.push((day, pair));
        }
    }
    seen
}

/// Parameters that go the other way than the one that tightens.
fn loosened(new: &Subject, old: &Subject) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    for (day, (now, before)) in days(new, old) {
        for (name, value) in now {
            let Some(old_value) = before.get(name) else { continue };
            // The old version's word: a release does not choose how it is judged.
            let Some(meaning) = old.parameters.get(name) else { continue };
            let id = match looser(meaning.tightens, old_value, value) {
                Some(kind) => format!("{kind}:{name}"),
                None => continue,
            };
            if found.iter().all(|known| known.id != id) {
                let words = format!(
                    "from {day} on, `{name}` goes from {} to {}",
                    shown(old_value),
                    shown(value)
                );
                found.push(Difference { id, words, sample: None });
            }
        }
    }
    let direction = new.parameters.iter().filter_map(|(name, meaning)| {
        let was = old.parameters.get(name)?;
        (was.tightens != meaning.tightens).then(|| Difference {
            id: format!("direction:{name}"),
            words: format!(
                "`{name}` tightens {:?} now and {:?} before",
                meaning.tightens, was.tightens
            ),
            sample: None,
        })
    });
    found.extend(direction);
    found
}

/// Rules whose annotations say otherwise what they do: a limit's key, a duty's deadline.
fn effects(new: &Subject, old: &Subject) -> Vec<Difference> {
    let mut found = Vec::new();
    for chapter in [Chapter::Decide, Chapter::Oblige, Chapter::Gate] {
        let mut rules: Vec<&Policy> = old.pack.policies(chapter).policies().collect();
        rules.sort_by_key(|rule| rule.id().to_string());
        for rule in rules {
            let Some(now) = new.pack.policies(chapter).policy(rule.id()) else { continue };
            let changed = effects_changed(rule, now);
            if !changed.is_empty() {
                let words =
                    format!("`{}` takes effect otherwise: {}", rule.id(), changed.join(", "));
                found.push(Difference { id: format!("effect:{}", rule.id()), words, sample: None });
            }
        }
    }
    found
}

/// The annotations with an effect that differ, in words.
fn effects_changed(old: &Policy, new: &Policy) -> Vec<String> {
    let mut words = Vec::new();
    for name in EFFECTS {
        let (was, is) = (old.annotation(name), new.annotation(name));
        if was != is {
            let shown = |said: Option<&str>| {
                said.map_or_else(|| "absent".to_owned(), |text| format!("`{text}`"))
            };
            words.push(format!("`@{name}` was {}, is {}", shown(was), shown(is)));
        }
    }
    words
}

/// In which way a value is looser than another.
fn looser(tightens: Tightens, old: &ParameterValue, new: &ParameterValue) -> Option<&'static str> {
    match (old, new) {
        (ParameterValue::Number(old), ParameterValue::Number(new)) => {
            let wider = match tightens {
                Tightens::Down => new > old,
                Tightens::Up => new < old,
                Tightens::Fewer | Tightens::More | Tightens::Neither => new != old,
            };
            wider.then_some("loosens")
        }
        (ParameterValue::Texts(old), ParameterValue::Texts(new)) => {
            let lost = old.difference(new).count();
            let wider = match tightens {
                Tightens::More => lost > 0,
                Tightens::Fewer => new.difference(old).next().is_some(),
                Tightens::Up | Tightens::Down | Tightens::Neither => new != old,
            };
            if lost.saturating_mul(LIST_SHRINKS_BY) > old.len() {
                return Some("list-shrinks");
            }
            wider.then_some("loosens")
        }
        _ => (old != new).then_some("changed"),
    }
}

fn shown(value: &ParameterValue) -> String {
    match value {
        ParameterValue::Number(number) => number.to_string(),
        ParameterValue::Text(text) => text.clone(),
        ParameterValue::Texts(texts) => {
            format!("[{}]", texts.iter().cloned().collect::<Vec<_>>().join(", "))
        }
    }
}

/// Policies with the values of parameters in their place.
fn concrete(policies: &[Policy], values: &Values) -> Result<Vec<Policy>, ProveError> {
    let one = |policy: &Policy| {
        let id = policy.id().to_string();
        let mut json = json_of(policy, &id)?;
        if let Some(conditions) = json.get_mut("conditions") {
            put(conditions, values);
        }
        of_json(&id, json)
    };
    policies.iter().map(one).collect()
}

fn put(node: &mut Value, values: &Values) {
    if let Some(value) = attribute(node).and_then(|name| values.get(name)) {
        *node = match value {
            ParameterValue::Number(number) => json!({"Value": number}),
            ParameterValue::Text(text) => json!({"Value": text}),
            ParameterValue::Texts(texts) => {
                let items: Vec<Value> = texts.iter().map(|text| json!({"Value": text})).collect();
                json!({"Set": items})
            }
        };
        return;
    }
    match node {
        Value::Array(items) => items.iter_mut().for_each(|item| put(item, values)),
        Value::Object(members) => members.values_mut().for_each(|member| put(member, values)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The parameter that a node reads.
fn attribute(node: &Value) -> Option<&str> {
    let access = node.get(".")?;
    (access.get("left")?.get("Var")?.as_str()? == "resource").then_some(())?;
    access.get("attr")?.as_str()
}
