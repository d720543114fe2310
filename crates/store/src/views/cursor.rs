//! Where a page ends, opaque to whoever holds it.

use core::fmt;
use core::str::FromStr;

use super::error::QueryError;

/// Of which list a cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Items,
    HoldTerms,
    HoldAccounts,
    Trial,
}

impl List {
    const fn tag(self) -> u8 {
        match self {
            Self::Items => 1,
            Self::HoldTerms => 2,
            Self::HoldAccounts => 3,
            Self::Trial => 4,
        }
    }
}

/// A place in a list, to go on from: made by a page of it, of no meaning elsewhere.
///
/// It stays good while the list grows and when the read models are rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    list: u8,
    scope: u32,
    major: u64,
    minor: u128,
}

const CONTENT_BYTES: usize = 29;

impl Cursor {
    pub(super) const fn new(list: List, scope: u32, major: u64, minor: u128) -> Self {
        Self { list: list.tag(), scope, major, minor }
    }

    /// What it holds, when it is of that list and scope.
    pub(super) fn of(&self, list: List, scope: u32) -> Result<(u64, u128), QueryError> {
        if self.list == list.tag() && self.scope == scope {
            Ok((self.major, self.minor))
        } else {
            Err(QueryError::Cursor)
        }
    }

    fn content(&self) -> Vec<u8> {
        let mut bytes = vec![self.list];
        bytes.extend_from_slice(&self.scope.to_be_bytes());
        bytes.extend_from_slice(&self.major.to_be_bytes());
        bytes.extend_from_slice(&self.minor.to_be_bytes());
        bytes
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = self.content();
        content.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "{:08x}", crc32fast::hash(&content))
    }
}

impl FromStr for Cursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let digits = text.as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != CONTENT_BYTES.saturating_add(4) || !rest.is_empty() {
            return Err(QueryError::Cursor);
        }
        let bytes: Option<Vec<u8>> = pairs.iter().map(|pair| byte_of(*pair)).collect();
        let bytes = bytes.ok_or(QueryError::Cursor)?;
        let (content, check) = bytes.split_at_checked(CONTENT_BYTES).ok_or(QueryError::Cursor)?;
        if crc32fast::hash(content).to_be_bytes() != *check {
            return Err(QueryError::Cursor);
        }
        let parsed = parse(content).ok_or(QueryError::Cursor)?;
        if parsed.to_string() == text { Ok(parsed) } else { Err(QueryError::Cursor) }
    }
}

fn parse(content: &[u8]) -> Option<Cursor> {
    let (list, rest) = content.split_first()?;
    let (scope, rest) = rest.split_first_chunk()?;
    let (major, rest) = rest.split_first_chunk()?;
    let (minor, rest) = rest.split_first_chunk()?;
    rest.is_empty().then_some(Cursor {
        list: *list,
        scope: u32::from_be_bytes(*scope),
        major: u64::from_be_bytes(*major),
        minor: u128::from_be_bytes(*minor),
    })
}

fn byte_of(pair: [u8; 2]) -> Option<u8> {
    let text = core::str::from_utf8(&pair).ok()?;
    u8::from_str_radix(text, 16).ok()
}
