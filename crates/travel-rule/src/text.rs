//! Bounded text: the `Max16Text` to `Max100Text` of the standard.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::limits::SHOWN_MAX;

/// Text of one to `MAX` characters without control characters, as it was given.
///
/// Not trimmed and not folded: two spellings are two texts. A text that is nothing but space is
/// refused, since it tells nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(Box<str>);

impl<const MAX: usize> Text<MAX> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let told = !text.trim().is_empty();
        if told && text.chars().count() <= MAX && !text.chars().any(char::is_control) {
            return Ok(Self(text.into()));
        }
        Err(TextError { max: MAX, got: shown(text) })
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The text is empty, too long, or holds a control character.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected one to {max} characters without control characters, got `{got}`")]
pub struct TextError {
    /// Most characters.
    pub max: usize,
    /// The text, its first characters.
    pub got: String,
}

/// The first characters of a value, with control characters made visible.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
