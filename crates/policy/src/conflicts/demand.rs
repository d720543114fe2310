//! What the forbids of a pack demand of single findings, read from their form.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, Policy};
use serde_json::Value;

use super::{OF_PAYEE, OF_PAYER, WORDS};
use crate::pack::Pack;
use crate::rule::Chapter;

/// What is demanded of a yes-or-no finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Refused unless it is so.
    Needs,
    /// Refused unless it is so, from the amount of a parameter on.
    NeedsFrom(String),
    /// Refused when it is so.
    Never,
}

/// All demands of a pack. Each value has the rule's id beside it.
#[derive(Debug, Default)]
pub(super) struct Demands {
    flags: BTreeMap<String, (String, Demand)>,
    among: BTreeMap<String, (String, String)>,
    not_among: BTreeMap<String, (String, String)>,
    at_most: BTreeMap<String, (String, String)>,
    others: BTreeSet<String>,
}

impl Demands {
    pub(super) fn of(pack: &Pack) -> Self {
        let mut demands = Self::default();
        let mut forbids: Vec<&Policy> = pack
            .policies(Chapter::Decide)
            .policies()
            .filter(|policy| policy.effect() == Effect::Forbid)
            .collect();
        forbids.sort_by_key(|policy| policy.id().to_string());
        for policy in forbids {
            let id = policy.id().to_string();
            let read = policy.to_json().ok().and_then(|json| demands.take(&id, &json));
            if read.is_none() && pack.set.rules.get(&id).is_none_or(|(_, rule)| shared(&rule.reads))
            {
                demands.others.insert(id);
            }
        }
        demands
    }

    pub(super) fn of_flag(&self, finding: &str) -> Option<(&str, &Demand)> {
        self.flags.get(finding).map(|(rule, demand)| (rule.as_str(), demand))
    }

    /// The rule and the parameter that lists what is taken.
    pub(super) fn among(&self, finding: &str) -> Option<(&str, &str)> {
        named(self.among.get(finding))
    }

    /// The rule and the parameter that lists what is refused.
    pub(super) fn not_among(&self, finding: &str) -> Option<(&str, &str)> {
        named(self.not_among.get(finding))
    }

    /// The rule and the parameter that a number may not exceed.
    pub(super) fn at_most(&self, finding: &str) -> Option<(&str, &str)> {
        named(self.at_most.get(finding))
    }

    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(String::as_str)
    }

    /// Reads one forbid; `None` when it has another form, or says again what another rule said.
    fn take(&mut self, id: &str, json: &Value) -> Option<()> {
        let [condition] = json.get("conditions")?.as_array()?.as_slice() else { return None };
        let unless = condition.get("kind")? == "unless";
        let body = condition.get("body")?;
        if let Some((finding, yes)) = flag(body) {
            let demand = if yes == unless { Demand::Needs } else { Demand::Never };
            return put(&mut self.flags, finding, (id.to_owned(), demand));
        }
        if unless && let Some((finding, parameter)) = from_amount(body) {
            let demand = Demand::NeedsFrom(parameter);
            return put(&mut self.flags, finding, (id.to_owned(), demand));
        }
        if unless && let Some((finding, parameter)) = at_most(body) {
            return put(&mut self.at_most, finding, (id.to_owned(), parameter));
        }
        if unless && let Some((finding, parameter)) = contains(body) {
            return put(&mut self.among, finding, (id.to_owned(), parameter));
        }
        if unless {
            return None;
        }
        for part in parts(body) {
            let (finding, parameter) = contains(part)?;
            put(&mut self.not_among, finding, (id.to_owned(), parameter))?;
        }
        Some(())
    }
}

fn named(found: Option<&(String, String)>) -> Option<(&str, &str)> {
    found.map(|(rule, parameter)| (rule.as_str(), parameter.as_str()))
}

/// Two rules about one finding are not weighed against each other here: the second is left over.
fn put<T>(into: &mut BTreeMap<String, T>, finding: String, value: T) -> Option<()> {
    if into.contains_key(&finding) {
        return None;
    }
    into.insert(finding, value);
    Some(())
}

/// Whether a rule reads anything that both sides are told.
fn shared(reads: &BTreeSet<String>) -> bool {
    let told = |name: &str| reads.contains(name);
    OF_PAYER
        .iter()
        .chain(&OF_PAYEE)
        .chain(&WORDS)
        .chain(&["counterpartyCountry"])
        .any(|name| told(name))
}

/// `context.f`, or `!context.f`.
fn flag(body: &Value) -> Option<(String, bool)> {
    if let Some(inside) = body.get("!") {
        return Some((attribute("context", inside.get("arg")?)?, false));
    }
    Some((attribute("context", body)?, true))
}

/// `context.amount < resource.p || context.f`.
fn from_amount(body: &Value) -> Option<(String, String)> {
    let or = body.get("||")?;
    let below = or.get("left")?.get("<")?;
    let amount = attribute("context", below.get("left")?)?;
    let parameter = attribute("resource", below.get("right")?)?;
    (amount == "amount").then_some(())?;
    Some((attribute("context", or.get("right")?)?, parameter))
}

/// `context.f <= resource.p`.
fn at_most(body: &Value) -> Option<(String, String)> {
    let most = body.get("<=")?;
    let finding = attribute("context", most.get("left")?)?;
    Some((finding, attribute("resource", most.get("right")?)?))
}

/// `resource.p.contains(context.f)`.
fn contains(body: &Value) -> Option<(String, String)> {
    let of = body.get("contains")?;
    let parameter = attribute("resource", of.get("left")?)?;
    Some((attribute("context", of.get("right")?)?, parameter))
}

/// What stands between `||`.
fn parts(body: &Value) -> Vec<&Value> {
    match body.get("||") {
        Some(or) => ["left", "right"]
            .iter()
            .filter_map(|part| or.get(part))
            .flat_map(|part| parts(part))
            .collect(),
        None => vec![body],
    }
}

fn attribute(variable: &str, body: &Value) -> Option<String> {
    let access = body.get(".")?;
    (access.get("left")?.get("Var")? == variable).then_some(())?;
    Some(access.get("attr")?.as_str()?.to_owned())
}
