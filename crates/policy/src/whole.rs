//! All forbids of a chapter as one: whether any of them forbids, asked once.
//!
//! Most payments are permitted, and Cedar asks each of thirty forbids in turn, with its scope and
//! its bookkeeping. Their conditions joined by *or* are asked in one go. The answer counts only
//! when it is *no, and without an error*: then every part was evaluated, each was false, and none
//! failed, which is what asking each of them says. Whatever else comes is asked again one by one,
//! so that reasons and errors are always those of the rules themselves.
//!
//! INVARIANT (WholeIsAll): a chapter and its whole permit the same requests. Guard: the property
//! `the_forbids_as_one_permit_what_each_of_them_permits` of `tests/whole.rs`, over both shipped
//! packs, and every case of every pack, which is decided both ways. Without it a forbid could be
//! passed over.

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};
use serde_json::{Value, json};

/// The chapter's permits beside one forbid for all its forbids; `None` where a scope names more
/// than actions, or a policy has no such form.
pub(crate) fn whole(set: &PolicySet) -> Option<PolicySet> {
    let mut policies: Vec<Policy> = Vec::new();
    // Conditions by the actions that they are for: one look at the action for all of them.
    let mut by_scope: Vec<(Value, Vec<Value>)> = Vec::new();
    let mut forbids: Vec<&Policy> = Vec::new();
    for policy in set.policies() {
        match policy.effect() {
            Effect::Permit => policies.push(policy.clone()),
            Effect::Forbid => forbids.push(policy),
        }
    }
    // One order, whatever that of the set is.
    forbids.sort_by_key(|policy| policy.id().to_string());
    for policy in forbids {
        let json = policy.to_json().ok()?;
        let scope = scope(&json)?;
        let conditions = conditions(&json)?;
        match by_scope.iter_mut().find(|(known, _)| *known == scope) {
            Some((_, all)) => all.push(conditions),
            None => by_scope.push((scope, vec![conditions])),
        }
    }
    let parts: Vec<Value> =
        by_scope.into_iter().filter_map(|(scope, all)| Some(both(&scope, any(&all)?))).collect();
    let all = json!({ "op": "All" });
    if let Some(body) = any(&parts) {
        let json = json!({
            "effect": "forbid",
            "principal": all,
            "action": all,
            "resource": all,
            "conditions": [{ "kind": "when", "body": body }],
        });
        policies.push(Policy::from_json(Some(PolicyId::new(WHOLE)), json).ok()?);
    }
    PolicySet::from_policies(policies).ok()
}

/// What the one forbid is called; it is never a reason.
const WHOLE: &str = "\u{0}whole";

/// The scope of a policy as an expression; principal and resource must be anybody's.
fn scope(policy: &Value) -> Option<Value> {
    let op = |part: &str| policy.get(part)?.get("op")?.as_str();
    (op("principal")? == "All" && op("resource")? == "All").then_some(())?;
    let action = policy.get("action")?;
    let entity = |uid: &Value| json!({ "Value": { "__entity": uid } });
    let left = json!({ "Var": "action" });
    match op("action")? {
        "All" => Some(json!({ "Value": true })),
        "==" => {
            let right = entity(action.get("entity")?);
            Some(json!({ "==": { "left": left, "right": right } }))
        }
        "in" => {
            let uids: Vec<Value> = match action.get("entities") {
                Some(all) => all.as_array()?.iter().map(entity).collect(),
                None => vec![entity(action.get("entity")?)],
            };
            Some(json!({ "in": { "left": left, "right": { "Set": uids } } }))
        }
        _ => None,
    }
}

/// All conditions of a policy as one expression.
fn conditions(policy: &Value) -> Option<Value> {
    let mut all = json!({ "Value": true });
    for condition in policy.get("conditions")?.as_array()? {
        let body = condition.get("body")?.clone();
        let holds = match condition.get("kind")?.as_str()? {
            "when" => body,
            "unless" => json!({ "!": { "arg": body } }),
            _ => return None,
        };
        all = both(&all, holds);
    }
    Some(all)
}

fn both(left: &Value, right: Value) -> Value {
    if *left == json!({ "Value": true }) {
        return right;
    }
    json!({ "&&": { "left": left, "right": right } })
}

/// Joined by *or*, halved again and again so that none lies deep.
fn any(parts: &[Value]) -> Option<Value> {
    match parts {
        [] => None,
        [one] => Some(one.clone()),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            Some(json!({ "||": { "left": any(left)?, "right": any(right)? } }))
        }
    }
}
