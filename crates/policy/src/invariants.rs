//! What no pack may ever allow: the invariants of all packs, and those of one.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, Effect, Policy, PolicyId, PolicySet};
use record::Side;
use seal::Digest;
use seal::digest::{Domain, digest_of};
use serde_json::Value;
use thiserror::Error;

use crate::compare::EFFECTS;
use crate::pack::{Pack, of_anybody};
use crate::{json, walk};

/// The invariants of all packs.
pub const SHARED_INVARIANTS: &str = include_str!("../../../packs/invariants.cedar");
/// Domain of the digest of a set of invariants.
pub const INVARIANTS_DOMAIN: Domain = Domain::new("wayleave/pack-invariants/v1");

/// The action that `gate` decides.
const SETTLE: &str = "settle";

/// An invariant is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected invariant `{invariant}` {expected}")]
pub struct InvariantError {
    /// Its id, or what stands in its place.
    pub invariant: String,
    /// What was expected of it.
    pub expected: String,
}

/// What an invariant is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// What `decide` may allow.
    Decide,
    /// What `gate` may let settle.
    Gate,
    /// Which kind of duty must be due of what is allowed.
    Duty(String),
}

/// One invariant.
#[derive(Clone, Debug)]
pub struct Invariant {
    /// Its id.
    pub id: String,
    /// What it says.
    pub sentence: String,
    /// The legal reference.
    pub reference: String,
    /// What it is about.
    pub about: About,
    /// What a duty must say of itself to be the one that is meant: `key`, `max`, `period` and the
    /// like, as the invariant's own annotations say them.
    pub duty_says: BTreeMap<String, String>,
    /// The findings that it trusts: nothing is proved of how they were made.
    pub findings: BTreeSet<String>,
    /// The parameters that it compares with.
    pub parameters: BTreeSet<String>,
    /// The widest pack that it would accept.
    pub policy: Policy,
}

impl Invariant {
    /// Whether it says something of an action: `pay`, `refund` or `settle`.
    #[must_use]
    pub fn is_about(&self, action: &str) -> bool {
        (self.about == About::Gate) == (action == SETTLE) && takes(&self.policy, action)
    }
}

/// The invariants that a pack is held to: those of all packs on its side, then `own`, the text of
/// its `invariants.cedar`; each as far as it is about actions that the pack declares.
///
/// # Errors
/// One is not an invariant, or two have one id.
pub fn invariants_of(pack: &Pack, own: &str) -> Result<Vec<Invariant>, InvariantError> {
    let shared = read(SHARED_INVARIANTS, pack.side())?;
    let mut all = Vec::new();
    for invariant in shared.into_iter().chain(read(own, pack.side())?) {
        all.extend(of_known_actions(invariant, pack)?);
    }
    Ok(all)
}

/// The digest of what a set of invariants means, whatever their order.
///
/// # Errors
/// Two have one id.
pub fn invariants_digest(invariants: &[Invariant]) -> Result<Digest, InvariantError> {
    let mut seen = BTreeMap::new();
    for invariant in invariants {
        let text = json::canonical(&json_of(&invariant.policy, &invariant.id)?);
        if seen.insert(invariant.id.as_str(), text).is_some() {
            return Err(form(&invariant.id, "once"));
        }
    }
    let pieces: Vec<&[u8]> = seen.values().map(String::as_bytes).collect();
    Ok(digest_of(INVARIANTS_DOMAIN, &pieces))
}

/// An invariant as far as it is about actions that the schema has: a pack that refunds nothing is
/// held to what is said of payments. `None` when it is about none of them.
fn of_known_actions(
    invariant: Invariant,
    pack: &Pack,
) -> Result<Option<Invariant>, InvariantError> {
    let id = invariant.id.clone();
    match invariant.policy.action_constraint() {
        ActionConstraint::Any => return Ok(Some(invariant)),
        ActionConstraint::Eq(uid) => {
            return Ok(pack.declares(uid.id().unescaped()).then_some(invariant));
        }
        ActionConstraint::In(_) => {}
    }
    let mut json = json_of(&invariant.policy, &id)?;
    let Some(entities) = json.pointer_mut("/action/entities").and_then(Value::as_array_mut) else {
        return Ok(Some(invariant));
    };
    let before = entities.len();
    entities.retain(|one| one["id"].as_str().is_some_and(|id| pack.declares(id)));
    if entities.len() == before {
        return Ok(Some(invariant));
    }
    if entities.is_empty() {
        return Ok(None);
    }
    let policy = Policy::from_json(Some(PolicyId::new(&id)), json)
        .map_err(|e| form(&id, &format!("about actions of the schema: {e}")))?;
    Ok(Some(Invariant { policy, ..invariant }))
}

/// The invariants of a text that are for this side.
fn read(text: &str, side: Side) -> Result<Vec<Invariant>, InvariantError> {
    let parsed: PolicySet = text
        .parse()
        .map_err(|e: cedar_policy::ParseErrors| form("?", &format!("to parse: {e}")))?;
    if parsed.templates().next().is_some() {
        return Err(form("?", "without slots"));
    }
    let mut policies: Vec<&Policy> = parsed.policies().collect();
    // `policy2` before `policy10`: in the order of the file.
    policies.sort_by_key(|policy| {
        let id = policy.id().to_string();
        (id.len(), id)
    });
    let wanted =
        |policy: &&&Policy| policy.annotation("side").is_none_or(|named| named == side.as_str());
    policies.iter().filter(wanted).map(|policy| one(policy)).collect()
}

fn one(policy: &Policy) -> Result<Invariant, InvariantError> {
    let id = policy.annotation("id").unwrap_or_default().to_owned();
    if id.is_empty() {
        return Err(form(&policy.to_string(), "with an `@id`"));
    }
    let need = |name: &'static str| {
        let text = policy.annotation(name).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| form(&id, &format!("with `@{name}`")))
    };
    if policy.effect() != Effect::Permit {
        return Err(form(&id, "as a permit: the widest pack that one would accept"));
    }
    if !of_anybody(policy) {
        return Err(form(&id, "with a plain `principal` and a plain `resource`"));
    }
    let about = match (policy.annotation("duty"), policy.annotation("chapter")) {
        (None, None | Some("decide")) => About::Decide,
        (None, Some("gate")) => About::Gate,
        (Some(kind), None) => About::Duty(kind.to_owned()),
        _ => return Err(form(&id, "with a `@duty`, or a `@chapter` of decide or gate")),
    };
    let duty_says: BTreeMap<String, String> = EFFECTS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), policy.annotation(name)?.to_owned())))
        .collect();
    if !duty_says.is_empty() && !matches!(about, About::Duty(_)) {
        return Err(form(&id, "with a `@duty`, since it says what that must say"));
    }
    let reads = walk::reads(&json_of(policy, &id)?);
    if reads.whole {
        return Err(form(&id, "to read named attributes of context and resource only"));
    }
    Ok(Invariant {
        sentence: need("sentence")?,
        reference: need("ref")?,
        about,
        duty_says,
        findings: reads.context,
        parameters: reads.resource,
        policy: policy.new_id(PolicyId::new(&id)),
        id,
    })
}

/// Whether a policy's scope takes an action.
#[must_use]
pub fn takes(policy: &Policy, action: &str) -> bool {
    let named = |uid: &cedar_policy::EntityUid| uid.id().unescaped() == action;
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => named(&uid),
        ActionConstraint::In(uids) => uids.iter().any(named),
    }
}

/// A policy's JSON form.
///
/// # Errors
/// It has none.
pub fn json_of(policy: &Policy, id: &str) -> Result<Value, InvariantError> {
    policy.to_json().map_err(|e| form(id, &format!("in JSON form: {e}")))
}

fn form(invariant: &str, expected: &str) -> InvariantError {
    InvariantError { invariant: invariant.to_owned(), expected: expected.to_owned() }
}
