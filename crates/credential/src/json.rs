//! JSON read strictly: a key that stands twice is refused, and so is deep nesting.
//!
//! Two readers that disagree about which of two equal keys counts is how signed JSON is forged.

use core::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// Deepest nesting of objects and arrays read. Our own documents go to 5.
pub const JSON_DEPTH_MAX: usize = 16;
/// The longest JSON text read, in bytes: issuer metadata with all types takes about 20 KiB.
pub const JSON_BYTES_MAX: usize = 256 * 1024;

/// Why text is not the JSON that was expected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected {expected}: {reason}")]
pub struct JsonError {
    /// What was expected, in words.
    pub expected: &'static str,
    /// What the reader says.
    pub reason: String,
}

/// Reads one JSON value, strictly.
pub fn read(bytes: &[u8]) -> Result<Value, JsonError> {
    let refused = |reason: String| JsonError { expected: "a JSON value", reason };
    if bytes.len() > JSON_BYTES_MAX {
        return Err(refused(format!("{} bytes exceed {JSON_BYTES_MAX}", bytes.len())));
    }
    let Strict(value) =
        serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
    if depth(&value) > JSON_DEPTH_MAX {
        return Err(refused(format!("nested deeper than {JSON_DEPTH_MAX}")));
    }
    Ok(value)
}

/// Reads one JSON object, strictly.
pub fn read_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    into_object(read(bytes)?)
}

/// The object that `value` is.
pub fn into_object(value: Value) -> Result<Map<String, Value>, JsonError> {
    if let Value::Object(object) = value {
        return Ok(object);
    }
    Err(JsonError { expected: "a JSON object", reason: "got another JSON type".to_owned() })
}

/// How deep objects and arrays nest: 0 for a scalar.
#[must_use]
pub fn depth(value: &Value) -> usize {
    let inner = |value: &Value| -> Option<usize> {
        match (value.as_object(), value.as_array()) {
            (Some(object), _) => Some(object.values().map(depth).max().unwrap_or(0)),
            (_, Some(array)) => Some(array.iter().map(depth).max().unwrap_or(0)),
            (None, None) => None,
        }
    };
    inner(value).map_or(0, |deepest| deepest.saturating_add(1))
}

/// The text of member `name`, if it is there and is text.
#[must_use]
pub fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without repeated keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(value)) = items.next_element()? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("key `{name}` stands twice")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_is_refused_at_every_level() {
        assert!(read(br#"{"a":1,"b":{"c":2}}"#).is_ok());
        for bad in [r#"{"a":1,"a":1}"#, r#"{"b":[{"c":2,"c":3}]}"#, "{} {}", "", "{"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert!(read(nested(JSON_DEPTH_MAX + 1).as_bytes()).is_err());
    }
}
