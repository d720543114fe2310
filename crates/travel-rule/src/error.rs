//! Why bytes are no payload, and why a payload has no bytes.

use thiserror::Error;

use crate::limits::{DEPTH_MAX, PAYLOAD_BYTES_MAX, VALUES_MAX};

/// Why bytes were refused; sending the same again does not help.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at}: {problem}")]
pub struct ReadError {
    /// Where, by member names and list positions from the outermost object, which is `payload`.
    pub at: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a member.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// More bytes than any payload has.
    #[error("{got} bytes, expected at most {PAYLOAD_BYTES_MAX}")]
    TooLong {
        /// How many there are.
        got: usize,
    },
    /// Not JSON, or JSON with what this format has no use for: `null`, `true`, a fraction.
    #[error("line {line}, column {column}: {what}")]
    Json {
        /// Line, from one.
        line: usize,
        /// Column, from one.
        column: usize,
        /// What the reader says.
        what: String,
    },
    /// Objects and lists are nested too deep.
    #[error("nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// Too many values in all.
    #[error("more than {VALUES_MAX} values")]
    TooMany,
    /// A member stands twice.
    #[error("the member `{0}` stands twice: leave one")]
    Twice(String),
    /// A required member is missing.
    #[error("the member `{0}` is missing")]
    Missing(&'static str),
    /// A member that this issue of the standard does not have.
    #[error("the member `{0}` is unknown in this issue of IVMS101: leave it out")]
    Unknown(String),
    /// Another kind of value.
    #[error("expected {expected}, got {got}")]
    Kind {
        /// What belongs here.
        expected: &'static str,
        /// What stands here.
        got: &'static str,
    },
    /// A list with too few or too many items. An empty list is left out as a whole.
    #[error("expected {least} to {most} items, got {got}")]
    Count {
        /// Fewest.
        least: usize,
        /// Most.
        most: usize,
        /// How many there are.
        got: usize,
    },
    /// A text that is no such value.
    #[error("expected {expected}, got `{got}`")]
    Value {
        /// What belongs here.
        expected: String,
        /// The text, its first characters.
        got: String,
    },
    /// The bytes are a payload in another spelling than the written form.
    #[error("the same payload is written otherwise: no space, members in the standard's order")]
    NotExact,
}

/// Why a payload cannot be written in its issue of the standard.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// A member that the other issue has, and this one not.
    #[error("`{0}` has no place in this issue of IVMS101")]
    NotInVersion(&'static str),
    /// A member that this issue requires.
    #[error("`{0}` is missing: this issue of IVMS101 requires it")]
    Missing(&'static str),
    /// A list outside its bounds.
    #[error("`{member}` has {got} items, expected {least} to {most}")]
    Count {
        /// Which.
        member: &'static str,
        /// Fewest.
        least: usize,
        /// Most.
        most: usize,
        /// How many there are.
        got: usize,
    },
    /// The whole is longer than a payload may be.
    #[error("{0} bytes, expected at most {PAYLOAD_BYTES_MAX}")]
    TooLong(usize),
}
