//! How a type of the model is read from a tree and written: each member named once for both.

use core::str::FromStr;

use crate::error::{Problem, ReadError, WriteError};
use crate::json::{Node, quoted};
use crate::payload::Version;
use crate::text::{Text, shown};

/// The name of a member in each issue; `None` where that issue has no such member.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    of_2020: Option<&'static str>,
    of_2023: Option<&'static str>,
}

impl Member {
    /// The same in both issues.
    pub(crate) const fn both(name: &'static str) -> Self {
        Self { of_2020: Some(name), of_2023: Some(name) }
    }

    /// Renamed by the later issue.
    pub(crate) const fn renamed(of_2020: &'static str, of_2023: &'static str) -> Self {
        Self { of_2020: Some(of_2020), of_2023: Some(of_2023) }
    }

    /// In the earlier issue only.
    pub(crate) const fn until_2023(name: &'static str) -> Self {
        Self { of_2020: Some(name), of_2023: None }
    }

    /// In the later issue only.
    pub(crate) const fn since_2023(name: &'static str) -> Self {
        Self { of_2020: None, of_2023: Some(name) }
    }

    /// Its name in one issue.
    pub(crate) const fn name(self, version: Version) -> Option<&'static str> {
        match version {
            Version::V2020 => self.of_2020,
            Version::V2023 => self.of_2023,
        }
    }

    /// A name for errors.
    pub(crate) const fn any(self) -> &'static str {
        match (self.of_2020, self.of_2023) {
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => "",
        }
    }
}

/// Something that has one written form in each issue.
pub(crate) trait Part: Sized {
    /// Reads it from its tree; `at` says where, for an error.
    fn read(node: Node, at: &str, version: Version) -> Result<Self, ReadError>;
    /// Writes it.
    fn write(&self, out: &mut String, version: Version) -> Result<(), WriteError>;
}

/// An object that is being read: what was not taken from it is unknown.
pub(crate) struct Object<'a> {
    at: &'a str,
    version: Version,
    members: Vec<(String, Node)>,
}

impl<'a> Object<'a> {
    pub(crate) fn of(node: Node, at: &'a str, version: Version) -> Result<Self, ReadError> {
        match node {
            Node::Object(members) => Ok(Self { at, version, members }),
            other @ (Node::Text(_) | Node::Number(_) | Node::List(_)) => {
                let problem = Problem::Kind { expected: "an object", got: other.kind() };
                Err(refused(at, problem))
            }
        }
    }

    fn take(&mut self, member: Member) -> Option<(&'static str, Node)> {
        let name = member.name(self.version)?;
        let place = self.members.iter().position(|(other, _)| other == name)?;
        Some((name, self.members.remove(place).1))
    }

    /// A member that may be left out.
    pub(crate) fn optional<T: Part>(&mut self, member: Member) -> Result<Option<T>, ReadError> {
        let Some((name, node)) = self.take(member) else { return Ok(None) };
        T::read(node, &format!("{}.{name}", self.at), self.version).map(Some)
    }

    /// A member that must be there.
    pub(crate) fn one<T: Part>(&mut self, member: Member) -> Result<T, ReadError> {
        let found = self.optional(member)?;
        found.ok_or_else(|| refused(self.at, Problem::Missing(member.any())))
    }

    /// A list of so many items; left out when it has none.
    pub(crate) fn list<T: Part>(
        &mut self,
        member: Member,
        (least, most): (usize, usize),
    ) -> Result<Vec<T>, ReadError> {
        let Some((name, node)) = self.take(member) else {
            let absent = least == 0 || member.name(self.version).is_none();
            return if absent {
                Ok(Vec::new())
            } else {
                Err(refused(self.at, Problem::Missing(member.any())))
            };
        };
        let at = format!("{}.{name}", self.at);
        let items = match node {
            Node::List(items) => items,
            other @ (Node::Text(_) | Node::Number(_) | Node::Object(_)) => {
                let problem = Problem::Kind { expected: "a list", got: other.kind() };
                return Err(refused(&at, problem));
            }
        };
        let least = least.max(1);
        if !(least..=most).contains(&items.len()) {
            return Err(refused(&at, Problem::Count { least, most, got: items.len() }));
        }
        let read = |(i, item)| T::read(item, &format!("{at}[{i}]"), self.version);
        items.into_iter().enumerate().map(read).collect()
    }

    /// Refuses what was not taken.
    pub(crate) fn end(self) -> Result<(), ReadError> {
        match self.members.first() {
            None => Ok(()),
            Some((name, _)) => Err(refused(self.at, Problem::Unknown(shown(name)))),
        }
    }
}

/// An object that is being written.
pub(crate) struct Members<'a> {
    out: &'a mut String,
    version: Version,
    first: bool,
}

impl<'a> Members<'a> {
    pub(crate) fn of(out: &'a mut String, version: Version) -> Self {
        out.push('{');
        Self { out, version, first: true }
    }

    fn name(&mut self, member: Member) -> Result<(), WriteError> {
        let name = member.name(self.version).ok_or(WriteError::NotInVersion(member.any()))?;
        if !core::mem::take(&mut self.first) {
            self.out.push(',');
        }
        quoted(name, self.out);
        self.out.push(':');
        Ok(())
    }

    pub(crate) fn one<T: Part>(&mut self, member: Member, value: &T) -> Result<(), WriteError> {
        self.name(member)?;
        value.write(self.out, self.version)
    }

    pub(crate) fn optional<T: Part>(
        &mut self,
        member: Member,
        value: Option<&T>,
    ) -> Result<(), WriteError> {
        value.map_or(Ok(()), |value| self.one(member, value))
    }

    pub(crate) fn list<T: Part>(
        &mut self,
        member: Member,
        items: &[T],
        (least, most): (usize, usize),
    ) -> Result<(), WriteError> {
        if !(least..=most).contains(&items.len()) {
            let (member, got) = (member.any(), items.len());
            return Err(WriteError::Count { member, least, most, got });
        }
        if items.is_empty() {
            return Ok(());
        }
        self.name(member)?;
        self.out.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            item.write(self.out, self.version)?;
        }
        self.out.push(']');
        Ok(())
    }

    pub(crate) fn end(self) {
        self.out.push('}');
    }
}

pub(crate) fn refused(at: &str, problem: Problem) -> ReadError {
    ReadError { at: at.to_owned(), problem }
}

/// The text of a node.
pub(crate) fn text(node: Node, at: &str) -> Result<String, ReadError> {
    match node {
        Node::Text(text) => Ok(text),
        other @ (Node::Number(_) | Node::List(_) | Node::Object(_)) => {
            Err(refused(at, Problem::Kind { expected: "a text", got: other.kind() }))
        }
    }
}

impl<const MAX: usize> Part for Text<MAX> {
    fn read(node: Node, at: &str, _: Version) -> Result<Self, ReadError> {
        let text = text(node, at)?;
        Self::from_str(&text).map_err(|e| {
            let expected = format!("one to {MAX} characters without control characters");
            refused(at, Problem::Value { expected, got: e.got })
        })
    }

    fn write(&self, out: &mut String, _: Version) -> Result<(), WriteError> {
        quoted(self.as_str(), out);
        Ok(())
    }
}

impl Part for u64 {
    fn read(node: Node, at: &str, _: Version) -> Result<Self, ReadError> {
        match node {
            Node::Number(number) => Ok(number),
            other @ (Node::Text(_) | Node::List(_) | Node::Object(_)) => {
                Err(refused(at, Problem::Kind { expected: "a number", got: other.kind() }))
            }
        }
    }

    fn write(&self, out: &mut String, _: Version) -> Result<(), WriteError> {
        out.push_str(&self.to_string());
        Ok(())
    }
}

impl<T: Part> Part for Box<T> {
    fn read(node: Node, at: &str, version: Version) -> Result<Self, ReadError> {
        T::read(node, at, version).map(Self::new)
    }

    fn write(&self, out: &mut String, version: Version) -> Result<(), WriteError> {
        (**self).write(out, version)
    }
}

/// Reads and writes a struct by one table: `field: MEMBER => one | optional | list (LEAST, MOST)`.
/// The order of the table is the order in which members are written.
macro_rules! part {
    ($type:ty {
        $($field:ident: $member:expr => $kind:ident $(($least:expr, $most:expr))?),+ $(,)?
    }) => {
        impl $crate::member::Part for $type {
            fn read(
                node: $crate::json::Node,
                at: &str,
                version: $crate::payload::Version,
            ) -> Result<Self, $crate::error::ReadError> {
                let mut object = $crate::member::Object::of(node, at, version)?;
                let read = Self {
                    $($field: object.$kind($member $(, ($least, $most))?)?,)+
                };
                object.end()?;
                Ok(read)
            }

            fn write(
                &self,
                out: &mut String,
                version: $crate::payload::Version,
            ) -> Result<(), $crate::error::WriteError> {
                let mut members = $crate::member::Members::of(out, version);
                $($crate::member::part!(
                    @write members, $kind, $member, self.$field $(, ($least, $most))?
                );)+
                members.end();
                Ok(())
            }
        }
    };
    (@write $members:ident, one, $member:expr, $value:expr) => {
        $members.one($member, &$value)?
    };
    (@write $members:ident, optional, $member:expr, $value:expr) => {
        $members.optional($member, $value.as_ref())?
    };
    (@write $members:ident, list, $member:expr, $value:expr, $bounds:expr) => {
        $members.list($member, &$value, $bounds)?
    };
}
pub(crate) use part;
