//! What is wrong with a file, where, and how to mend it.

use core::fmt;

use thiserror::Error;

use crate::limits::SHOWN_MAX;

/// Why a file was not taken. Nothing of it may be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{path}` (line {line}, column {column}): {problem}")]
pub struct ReadError {
    /// The element, as a path of local names: `/Document/BkToCstmrStmt/Stmt[1]/Ntry[3]/Amt`. A
    /// number stands where there are several of one name. `/`: the file as a whole.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
    /// What was found there.
    pub problem: Problem,
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which rule.
    pub rule: Rule,
    /// What would have been right.
    pub expected: String,
    /// What came, at most 64 characters of it, made printable.
    pub got: String,
    /// How to mend it, or who can.
    pub mend: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, got `{}`", self.expected, self.got)?;
        if self.mend.is_empty() { Ok(()) } else { write!(f, "; {}", self.mend) }
    }
}

/// The rules that a file can break: the stable part of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Longer than [`crate::limits::FILE_BYTES_MAX`].
    FileTooLarge,
    /// More elements than [`crate::limits::ELEMENTS_MAX`].
    TooManyElements,
    /// Deeper than [`crate::limits::DEPTH_MAX`].
    TooDeep,
    /// A text longer than [`crate::limits::TEXT_BYTES_MAX`].
    TextTooLong,
    /// More attributes of one element than [`crate::limits::ATTRIBUTES_MAX`].
    TooManyAttributes,
    /// More namespaces than [`crate::limits::NAMESPACES_MAX`].
    TooManyNamespaces,
    /// A name longer than [`crate::limits::NAME_BYTES_MAX`], or of other characters.
    Name,
    /// Not UTF-8.
    Encoding,
    /// A control character.
    ControlCharacter,
    /// Not well-formed XML.
    NotXml,
    /// A document type declaration.
    DocumentType,
    /// An entity other than the five predefined ones.
    Entity,
    /// A processing instruction.
    ProcessingInstruction,
    /// Text beside elements, elements where text belongs, or a comment inside a value.
    MixedContent,
    /// No `Document`, or several, or something around it that is no envelope.
    Envelope,
    /// A namespace, and so a message or version, that is not taken.
    Namespace,
    /// A header that speaks of another message than the one that follows.
    HeaderMismatch,
    /// A required element is missing.
    Missing,
    /// An element that may stand once stands several times.
    Repeated,
    /// Two alternatives of one choice, or none.
    Choice,
    /// A value outside its type.
    Value,
    /// An amount that cannot be exact minor units of its currency.
    Amount,
    /// A currency that money cannot be in.
    Currency,
    /// A count or sum that differs from what follows it.
    Total,
}

/// Why a message was not written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// What was written would not have been taken by [`crate::read`].
    #[error("the message breaks a rule of its own schema: {0}")]
    Refused(ReadError),
    /// What was written does not read back as the same message.
    #[error(
        "the message has no exact form in `{definition}`: a value differs when it is read back"
    )]
    Differs {
        /// Which message.
        definition: &'static str,
    },
}

impl Problem {
    pub(crate) fn new(
        rule: Rule,
        expected: impl Into<String>,
        got: &str,
        mend: &'static str,
    ) -> Self {
        Self { rule, expected: expected.into(), got: shown(got), mend }
    }
}

/// At most [`SHOWN_MAX`] characters of what came, none of which can disturb a terminal or a log.
pub(crate) fn shown(text: &str) -> String {
    let printable = |c: char| if c.is_control() || is_direction(c) { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(SHOWN_MAX).map(printable).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Characters that turn the direction of text around: an error must read as it is written.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
