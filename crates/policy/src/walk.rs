//! Which attributes a policy reads, from its JSON form.

use std::collections::BTreeSet;

use serde_json::Value;

/// What a policy reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Attributes of `context`: findings.
    pub context: BTreeSet<String>,
    /// Attributes of `resource`: parameters.
    pub resource: BTreeSet<String>,
    /// A variable is used other than by naming one of its attributes, so that what is read
    /// cannot be said.
    pub whole: bool,
}

/// The attributes that the conditions of a policy in JSON form read.
#[must_use]
pub fn reads(policy: &Value) -> Reads {
    let mut reads = Reads::default();
    if let Some(conditions) = policy.get("conditions") {
        walk(conditions, &mut reads);
    }
    reads
}

fn walk(node: &Value, reads: &mut Reads) {
    if let Some(items) = node.as_array() {
        items.iter().for_each(|item| walk(item, reads));
    }
    let Some(members) = node.as_object() else { return };
    for (name, value) in members {
        match (name.as_str(), access(value)) {
            ("." | "has", Some(("context", attribute))) => {
                reads.context.insert(attribute.to_owned());
            }
            ("." | "has", Some(("resource", attribute))) => {
                reads.resource.insert(attribute.to_owned());
            }
            ("Var", _) => reads.whole = true,
            // A literal is data, whatever it looks like.
            ("Value", _) => {}
            (_, _) => walk(value, reads),
        }
    }
}

fn access(value: &Value) -> Option<(&str, &str)> {
    let variable = value.get("left")?.get("Var")?.as_str()?;
    Some((variable, value.get("attr")?.as_str()?))
}
