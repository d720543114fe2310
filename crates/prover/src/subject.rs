//! What is proved about: a pack, and the invariants that it must keep.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, Effect, Policy, PolicyId, PolicySet, Schema};
use policy::parameters::Tightens;
use policy::{Pack, PackError, PackFiles};
use record::Side;
use seal::Digest;
use seal::digest::{Domain, digest_of};
use serde_json::Value;
use thiserror::Error;

/// The invariants of all packs.
pub const SHARED_INVARIANTS: &str = include_str!("../../../packs/invariants.cedar");
/// Domain of the digest of a set of invariants.
pub const INVARIANTS_DOMAIN: Domain = Domain::new("wayleave/pack-invariants/v1");

/// Why a pack cannot be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubjectError {
    /// It is no pack.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// An invariant is not one.
    #[error("expected invariant `{invariant}` {expected}")]
    Invariant {
        /// Its id, or what stands in its place.
        invariant: String,
        /// What was expected of it.
        expected: String,
    },
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
    /// The findings that it trusts: nothing is proved of how they were made.
    pub findings: BTreeSet<String>,
    /// The parameters that it compares with.
    pub parameters: BTreeSet<String>,
    pub(crate) policy: Policy,
}

/// What a parameter is, beside its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) unit: String,
    pub(crate) tightens: Tightens,
}

/// A pack with its invariants.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The pack.
    pub pack: Pack,
    /// Those of all packs on its side, then its own.
    pub invariants: Vec<Invariant>,
    /// The digest of their meaning.
    pub invariants_digest: Digest,
    pub(crate) schema: Schema,
    pub(crate) parameters: BTreeMap<String, Meaning>,
}

impl Subject {
    /// Loads a pack, with the shared invariants and `own`, the text of its `invariants.cedar`.
    pub fn new(files: &PackFiles<'_>, own: &str) -> Result<Self, SubjectError> {
        let pack = Pack::load(files)?;
        let bad = |file: &'static str, reason: String| PackError::Syntax { file, reason };
        let (schema, _) = Schema::from_cedarschema_str(files.schema)
            .map_err(|e| bad("corridor.cedarschema", e.to_string()))?;
        let shared = read(SHARED_INVARIANTS, pack.side())?;
        let mut invariants = Vec::new();
        for invariant in shared.into_iter().chain(read(own, pack.side())?) {
            invariants.extend(of_known_actions(invariant, &schema)?);
        }
        let mut seen = BTreeMap::new();
        for invariant in &invariants {
            let json = json_of(&invariant.policy, &invariant.id)?;
            if seen.insert(invariant.id.clone(), policy::json::canonical(&json)).is_some() {
                return Err(form(&invariant.id, "once"));
            }
        }
        let pieces: Vec<&[u8]> = seen.values().map(String::as_bytes).collect();
        let invariants_digest = digest_of(INVARIANTS_DOMAIN, &pieces);
        let parameters = meanings(files.parameters)
            .ok_or_else(|| bad("parameters.json", "expected rows with a name".to_owned()))?;
        Ok(Self { pack, invariants, invariants_digest, schema, parameters })
    }
}

/// An invariant as far as it is about actions that the schema has: a pack that refunds nothing is
/// held to what is said of payments. `None` when it is about none of them.
fn of_known_actions(
    invariant: Invariant,
    schema: &Schema,
) -> Result<Option<Invariant>, SubjectError> {
    let id = invariant.id.clone();
    let known: BTreeSet<&str> = schema.actions().map(|action| action.id().unescaped()).collect();
    match invariant.policy.action_constraint() {
        ActionConstraint::Any => return Ok(Some(invariant)),
        ActionConstraint::Eq(uid) => {
            return Ok(known.contains(uid.id().unescaped()).then_some(invariant));
        }
        ActionConstraint::In(_) => {}
    }
    let mut json = json_of(&invariant.policy, &id)?;
    let Some(entities) = json.pointer_mut("/action/entities").and_then(Value::as_array_mut) else {
        return Ok(Some(invariant));
    };
    let before = entities.len();
    entities.retain(|one| one["id"].as_str().is_some_and(|id| known.contains(id)));
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

fn meanings(text: &str) -> Option<BTreeMap<String, Meaning>> {
    let file: Value = serde_json::from_str(text).ok()?;
    let rows = file.get("parameters")?.as_array()?;
    let meaning = |row: &Value| {
        let name = row.get("name")?.as_str()?.to_owned();
        let unit = row.get("unit")?.as_str()?.to_owned();
        let tightens = serde_json::from_value(row.get("tightens")?.clone()).ok()?;
        Some((name, Meaning { unit, tightens }))
    };
    rows.iter().map(meaning).collect()
}

/// The invariants of a text that are for this side.
fn read(text: &str, side: Side) -> Result<Vec<Invariant>, SubjectError> {
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

fn one(policy: &Policy) -> Result<Invariant, SubjectError> {
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
    if !policy::pack::of_anybody(policy) {
        return Err(form(&id, "with a plain `principal` and a plain `resource`"));
    }
    let about = match (policy.annotation("duty"), policy.annotation("chapter")) {
        (None, None | Some("decide")) => About::Decide,
        (None, Some("gate")) => About::Gate,
        (Some(kind), None) => About::Duty(kind.to_owned()),
        _ => return Err(form(&id, "with a `@duty`, or a `@chapter` of decide or gate")),
    };
    let reads = policy::walk::reads(&json_of(policy, &id)?);
    if reads.whole {
        return Err(form(&id, "to read named attributes of context and resource only"));
    }
    Ok(Invariant {
        sentence: need("sentence")?,
        reference: need("ref")?,
        about,
        findings: reads.context,
        parameters: reads.resource,
        policy: policy.new_id(PolicyId::new(&id)),
        id,
    })
}

/// Whether a policy's scope takes an action.
pub(crate) fn takes(policy: &Policy, action: &str) -> bool {
    let named = |uid: &cedar_policy::EntityUid| uid.id().unescaped() == action;
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => named(&uid),
        ActionConstraint::In(uids) => uids.iter().any(named),
    }
}

pub(crate) fn json_of(policy: &Policy, id: &str) -> Result<Value, SubjectError> {
    policy.to_json().map_err(|e| form(id, &format!("in JSON form: {e}")))
}

fn form(invariant: &str, expected: &str) -> SubjectError {
    SubjectError::Invariant { invariant: invariant.to_owned(), expected: expected.to_owned() }
}
