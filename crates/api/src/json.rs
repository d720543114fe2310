//! Strict JSON: what two readers could understand differently is refused.
//!
//! Refused: text that is not UTF-8 or begins with a byte order mark, more than the limits, two
//! members of one name, members the type does not have, numbers that are not whole (amounts are
//! strings), anything after the value. Parsed with `serde_json`; the first pass keeps nothing.

use core::fmt;
use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use crate::problem::{self, Problem};

/// What a JSON body may cost.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// Bytes of the whole text.
    pub bytes: usize,
    /// Arrays and objects within each other.
    pub depth: usize,
}

/// Our own bodies: small forms, no deep trees.
pub const JSON_LIMITS: JsonLimits = JsonLimits { bytes: 256 * 1024, depth: 24 };

/// Why JSON was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Longer than the limit.
    #[error("expected at most {limit} bytes, got {got}")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
        /// The length in bytes.
        got: usize,
    },
    /// Not UTF-8.
    #[error("expected UTF-8, got another byte at offset {offset}")]
    NotUtf8 {
        /// The first byte that does not fit.
        offset: usize,
    },
    /// No JSON value, or one that breaks a rule of shape: depth, doubled member, fraction.
    #[error("{what}")]
    Shape {
        /// What, with line and column.
        what: String,
    },
    /// JSON of another type.
    #[error("{what}")]
    Type {
        /// What, with line and column.
        what: String,
    },
    /// A member that the type does not have.
    #[error("unknown member `{path}`")]
    UnknownMember {
        /// From the root, members separated by `.`.
        path: String,
    },
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        let detail = error.to_string();
        let (kind, mend) = match error {
            JsonError::TooLong { .. } => (&problem::TOO_LARGE, "send less"),
            JsonError::NotUtf8 { .. } => (&problem::BAD_JSON, "encode the body as UTF-8"),
            JsonError::Shape { .. } => {
                (&problem::BAD_JSON, "send one JSON value: each member once, no fractions, flat")
            }
            JsonError::Type { .. } => (&problem::BAD_JSON, "correct the member at that place"),
            JsonError::UnknownMember { .. } => (&problem::BAD_JSON, "leave the member out"),
        };
        Self::of(kind).detail(detail).mend(mend)
    }
}

/// Reads a `T` within [`JSON_LIMITS`].
pub fn read_json<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, JsonError> {
    read_json_within(bytes, JSON_LIMITS)
}

/// Reads a `T` within limits of the caller's choice.
///
/// A member that `T` does not write back is unknown to it: that finds what a forgotten
/// `deny_unknown_fields` would let through, in nested types too.
pub fn read_json_within<T>(bytes: &[u8], limits: JsonLimits) -> Result<T, JsonError>
where
    T: DeserializeOwned + Serialize,
{
    check_shape(bytes, limits)?;
    let mismatch = |error: serde_json::Error| JsonError::Type { what: error.to_string() };
    let value: T = serde_json::from_slice(bytes).map_err(mismatch)?;
    let came: Value = serde_json::from_slice(bytes).map_err(mismatch)?;
    let known = serde_json::to_value(&value).map_err(mismatch)?;
    match unknown_member(&came, &known) {
        None => Ok(value),
        Some(path) => Err(JsonError::UnknownMember { path: path.chars().take(128).collect() }),
    }
}

/// Checks size, encoding and shape without keeping anything.
pub fn check_shape(bytes: &[u8], limits: JsonLimits) -> Result<(), JsonError> {
    if bytes.len() > limits.bytes {
        return Err(JsonError::TooLong { limit: limits.bytes, got: bytes.len() });
    }
    let text = core::str::from_utf8(bytes)
        .map_err(|error| JsonError::NotUtf8 { offset: error.valid_up_to() })?;
    let mut reader = serde_json::Deserializer::from_str(text);
    Shape { depth_left: limits.depth }
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|error| JsonError::Shape { what: error.to_string() })
}

/// The first member of `came` that is not in `known`. A `null` may stand for an absent member.
fn unknown_member(came: &Value, known: &Value) -> Option<String> {
    match (came, known) {
        (Value::Object(came), Value::Object(known)) => {
            came.iter().find_map(|(name, value)| match known.get(name) {
                Some(inner) => unknown_member(value, inner).map(|path| format!("{name}.{path}")),
                None => Some(name.clone()),
            })
        }
        (Value::Array(came), Value::Array(known)) => came
            .iter()
            .zip(known)
            .enumerate()
            .find_map(|(i, (a, b))| unknown_member(a, b).map(|path| format!("{i}.{path}"))),
        _ => None,
    }
}

/// Walks a value and checks its shape.
struct Shape {
    depth_left: usize,
}

impl Shape {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left }),
            None => Err(E::custom("nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom("expected a whole number; amounts are strings"))
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.inner::<A::Error>()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.contains(&name) {
                let name: String = name.chars().take(64).collect();
                return Err(A::Error::custom(format_args!("member `{name}` came twice")));
            }
            names.insert(name);
            members.next_value_seed(self.inner::<A::Error>()?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        x: u8,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Form {
        name: String,
        items: Vec<Inner>,
    }

    fn message(bytes: &[u8]) -> String {
        read_json::<Form>(bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_well_formed_body_is_read() {
        let form = read_json::<Form>(br#" {"name":"a","items":[{"x":1}]} "#).unwrap();
        assert_eq!(form, Form { name: "a".into(), items: vec![Inner { x: 1 }] });
    }

    #[test]
    fn each_ambiguity_is_refused_with_its_reason() {
        for (bytes, expected) in [
            (&br#"{"name":"a","name":"b","items":[]}"#[..], "`name` came twice"),
            (br#"{"name":"a","n\u0061me":"b","items":[]}"#, "`name` came twice"),
            (br#"{"name":"a","items":[],"more":1}"#, "unknown member `more`"),
            (br#"{"name":"a","items":[{"x":1,"y":2}]}"#, "unknown member `items.0.y`"),
            (br#"{"name":"a","items":[{"x":1.0}]}"#, "whole number"),
            (br#"{"name":"a","items":[]} {}"#, "trailing"),
            (br#"{"name":"a","items":["#, "EOF"),
            (br#"{"name":5,"items":[]}"#, "expected a string"),
            (br#"{"name":"a"}"#, "missing field `items`"),
            (b"{\"name\":\"\xff\",\"items\":[]}", "UTF-8"),
            (b"\xef\xbb\xbf{}", "expected value"),
            (b"", "EOF"),
        ] {
            let got = message(bytes);
            assert!(got.contains(expected), "{got} for {}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn depth_and_size_are_limited() {
        let deep = [b"[".repeat(10_000), b"]".repeat(10_000)].concat();
        assert!(message(&deep).contains("too deeply"));
        let ok = [b"[".repeat(24), b"]".repeat(24)].concat();
        assert_eq!(check_shape(&ok, JSON_LIMITS), Ok(()));
        let long = vec![b' '; JSON_LIMITS.bytes + 1];
        assert!(matches!(read_json::<Form>(&long), Err(JsonError::TooLong { .. })));
    }
}
