//! One text per JSON value: members sorted, no spaces. For digests and for exports.

use serde_json::Value;

/// The value as canonical text.
#[must_use]
pub fn canonical(value: &Value) -> String {
    if let Some(members) = value.as_object() {
        let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        let members: Vec<String> = sorted
            .into_iter()
            .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
            .collect();
        format!("{{{}}}", members.join(","))
    } else if let Some(items) = value.as_array() {
        format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
    } else {
        value.to_string()
    }
}
