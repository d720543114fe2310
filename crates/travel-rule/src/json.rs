//! JSON as a bounded tree that keeps nothing ambiguous.
//!
//! Texts, whole numbers, lists and objects only: the format has no use for `null`, `true` or a
//! fraction. A member that stands twice is refused; `serde_json::Value` would keep the last.

use core::cell::Cell;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{Problem, ReadError};
use crate::limits::{DEPTH_MAX, PAYLOAD_BYTES_MAX, VALUES_MAX};
use crate::text::shown;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Text(String),
    Number(u64),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// What kind it is, for an error.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// The tree of a payload's bytes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node, ReadError> {
    let refused = |problem| ReadError { at: "payload".into(), problem };
    if bytes.len() > PAYLOAD_BYTES_MAX {
        return Err(refused(Problem::TooLong { got: bytes.len() }));
    }
    let budget = Budget { values: Cell::new(0), broken: Cell::new(None) };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let tree = Seed { budget: &budget, depth: 0 }
        .deserialize(&mut reader)
        .and_then(|tree| reader.end().map(|()| tree));
    tree.map_err(|e| {
        refused(budget.broken.take().unwrap_or_else(|| Problem::Json {
            line: e.line(),
            column: e.column(),
            what: shown(&e.to_string()),
        }))
    })
}

/// What all values of one payload share: how many there were, and which limit broke.
struct Budget {
    values: Cell<usize>,
    broken: Cell<Option<Problem>>,
}

impl Budget {
    fn breaks<E: serde::de::Error>(&self, problem: Problem) -> E {
        let said = E::custom(&problem);
        self.broken.set(Some(problem));
        said
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    budget: &'a Budget,
    depth: usize,
}

impl Seed<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.saturating_add(1);
        if depth > DEPTH_MAX {
            return Err(self.budget.breaks(Problem::TooDeep));
        }
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let values = self.budget.values.get().saturating_add(1);
        if values > VALUES_MAX {
            return Err(self.budget.breaks(Problem::TooMany));
        }
        self.budget.values.set(values);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number, a list or an object")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let inner = self.inner()?;
        let mut members: Vec<(String, Node)> = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            if members.iter().any(|(other, _)| *other == name) {
                return Err(self.budget.breaks(Problem::Twice(shown(&name))));
            }
            members.push((name, entries.next_value_seed(inner)?));
        }
        Ok(Node::Object(members))
    }
}

/// A text as JSON writes it. Only what must be escaped is: quotation mark, backslash, control
/// characters, which no text of ours holds.
pub(crate) fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}
