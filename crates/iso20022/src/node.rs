//! An element while it is taken apart, and the two traits that read and write every type.

use crate::error::{Problem, Rule};
use crate::out::Writer;
use crate::tree::Element;

/// What all elements of one message share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// The message's namespace: elements of any other are never matched.
    pub(crate) namespace: u8,
    /// The message is camt.053.001.02, where some elements have other shapes.
    pub(crate) old: bool,
}

/// An element of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'t> {
    pub(crate) element: &'t Element<'t>,
    pub(crate) scope: Scope,
}

/// A broken rule at an element: its place becomes a path and a line at the end.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) offset: usize,
    /// What is missing below the element.
    pub(crate) below: &'static str,
    pub(crate) problem: Problem,
}

/// A type with one element form.
pub(crate) trait Part: Sized {
    /// Reads the element.
    fn read(node: Node<'_>) -> Result<Self, Fault>;
    /// Writes it as an element of this name.
    fn write(&self, out: &mut Writer, name: &str);
}

/// How often a type stands among its parent's children: once, at most once, or often.
///
/// The name is one of: `Amt`; `BICFI|BIC`, where the first is written and either is read;
/// `Sts/Cd`, an element within an element; `Ntry+`, at least one.
pub(crate) trait Field: Sized {
    fn take(node: Node<'_>, name: &'static str) -> Result<Self, Fault>;
    fn put(&self, out: &mut Writer, name: &'static str);
}

impl<'t> Node<'t> {
    /// The children of this name, marked as taken.
    pub(crate) fn all(self, name: &'static str) -> impl Iterator<Item = Node<'t>> {
        let (scope, element) = (self.scope, self.element);
        let wanted = name.trim_end_matches('+');
        element
            .children
            .iter()
            .filter(move |child| {
                child.namespace == scope.namespace
                    && wanted.split('|').any(|alternative| alternative == child.name)
            })
            .map(move |element| {
                element.taken.set(true);
                Node { element, scope }
            })
    }

    /// The only child of this name, if there is one.
    pub(crate) fn one(self, name: &'static str) -> Result<Option<Node<'t>>, Fault> {
        let mut found = self.all(name);
        let first = found.next();
        match found.next() {
            None => Ok(first),
            Some(second) => Err(second.fault(
                Rule::Repeated,
                format!("one `{name}`"),
                "another",
                "the sender's file breaks the message's schema",
            )),
        }
    }

    /// The only child of this name.
    pub(crate) fn required(self, name: &'static str) -> Result<Node<'t>, Fault> {
        self.one(name)?.ok_or_else(|| self.missing(name))
    }

    /// The text of an element without children.
    pub(crate) fn value(self) -> Result<&'t str, Fault> {
        let element = self.element;
        if let Some(child) = element.children.first() {
            let mend = "the sender's file breaks the message's schema";
            return Err(self.fault(Rule::MixedContent, "a value", child.name, mend));
        }
        self.unmixed()?;
        Ok(&element.text)
    }

    /// The text without white space around it, for numbers, dates and indicators.
    pub(crate) fn collapsed(self) -> Result<&'t str, Fault> {
        Ok(self.value()?.trim_matches([' ', '\t', '\n', '\r']))
    }

    /// Checks that the element holds elements and nothing between them.
    pub(crate) fn complex(self) -> Result<(), Fault> {
        self.unmixed()?;
        let text = &self.element.text;
        if crate::tree::is_white(text) {
            return Ok(());
        }
        let mend = "the sender's file breaks the message's schema";
        Err(self.fault(Rule::MixedContent, "elements", text, mend))
    }

    fn unmixed(self) -> Result<(), Fault> {
        if self.element.mixed {
            let expected = "no text between elements and no comment inside a value";
            let mend = "the sender must remove it";
            return Err(self.fault(Rule::MixedContent, expected, "both", mend));
        }
        Ok(())
    }

    pub(crate) fn missing(self, name: &'static str) -> Fault {
        let below = name.trim_end_matches('+');
        let expected = format!("`{below}`");
        let mend = "the sender must give it; the message is of no use without";
        let problem = Problem::new(Rule::Missing, expected, "nothing", mend);
        Fault { offset: self.element.offset, below, problem }
    }

    pub(crate) fn fault(
        self,
        rule: Rule,
        expected: impl Into<String>,
        got: &str,
        mend: &'static str,
    ) -> Fault {
        let problem = Problem::new(rule, expected, got, mend);
        Fault { offset: self.element.offset, below: "", problem }
    }

    /// The value is none of its type.
    pub(crate) fn wrong(self, expected: impl Into<String>, got: &str) -> Fault {
        self.fault(Rule::Value, expected, got, "the sender must correct it")
    }
}

impl<T: Part> Field for T {
    fn take(node: Node<'_>, name: &'static str) -> Result<Self, Fault> {
        match name.split_once('/') {
            None => T::read(node.required(name)?),
            Some((outer, inner)) => T::read(node.required(outer)?.required(inner)?),
        }
    }

    fn put(&self, out: &mut Writer, name: &'static str) {
        out.within(name, |out, name| self.write(out, name));
    }
}

impl<T: Part> Field for Option<T> {
    fn take(node: Node<'_>, name: &'static str) -> Result<Self, Fault> {
        let found = match name.split_once('/') {
            None => node.one(name)?,
            Some((outer, inner)) => match node.one(outer)? {
                None => None,
                Some(wrapper) => wrapper.one(inner)?,
            },
        };
        found.map(T::read).transpose()
    }

    fn put(&self, out: &mut Writer, name: &'static str) {
        if let Some(value) = self {
            value.put(out, name);
        }
    }
}

impl<T: Part> Field for Vec<T> {
    fn take(node: Node<'_>, name: &'static str) -> Result<Self, Fault> {
        let found: Vec<T> = node.all(name).map(T::read).collect::<Result<_, _>>()?;
        if found.is_empty() && name.ends_with('+') {
            return Err(node.missing(name));
        }
        Ok(found)
    }

    fn put(&self, out: &mut Writer, name: &'static str) {
        for value in self {
            value.put(out, name);
        }
    }
}

/// Reads and writes a struct by the element names of its fields, in the schema's order.
///
/// A macro, because the two directions written out by hand drift apart: here the order and the
/// names stand once.
macro_rules! part {
    ($type:ty { $($field:ident: $name:literal),* $(,)? }) => {
        impl $crate::node::Part for $type {
            fn read(node: $crate::node::Node<'_>) -> Result<Self, $crate::node::Fault> {
                node.complex()?;
                Ok(Self { $($field: $crate::node::Field::take(node, $name)?),* })
            }

            fn write(&self, out: &mut $crate::out::Writer, name: &str) {
                out.open(name);
                $($crate::node::Field::put(&self.$field, out, $name);)*
                out.close(name);
            }
        }
    };
}

pub(crate) use part;

/// Reads and writes a value by `FromStr` and `Display`.
macro_rules! leaf {
    ($type:ty, $rule:expr) => {
        impl $crate::node::Part for $type {
            fn read(node: $crate::node::Node<'_>) -> Result<Self, $crate::node::Fault> {
                let text = node.value()?;
                text.parse().map_err(|error: <$type as core::str::FromStr>::Err| {
                    let mend = "the sender must correct it";
                    node.fault($rule, error.expected(), text, mend)
                })
            }

            fn write(&self, out: &mut $crate::out::Writer, name: &str) {
                out.value(name, &self.to_string());
            }
        }
    };
}

pub(crate) use leaf;
