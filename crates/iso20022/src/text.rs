//! Texts of bounded length, and references in SWIFT's character set.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::error::{Rule, shown};
use crate::node::leaf;

/// Up to this length a text is a name or a reference, which tab and line end would only disguise;
/// longer ones are free text, which may have lines.
const ONE_LINE_MAX: usize = 70;

/// `Max35Text` and its relatives: 1 to `MAX` characters, kept exactly. No control characters, save
/// tab and line end in free text (`MAX` above 70).
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
        let fits = !text.is_empty() && text.chars().nth(MAX).is_none();
        let foreign = |c: char| {
            let line = MAX > ONE_LINE_MAX && matches!(c, '\t' | '\n' | '\r');
            (c.is_control() && !line) || matches!(c, '\u{fffe}' | '\u{ffff}')
        };
        if fits && !text.contains(foreign) {
            return Ok(Self(text.into()));
        }
        Err(TextError {
            expected: format!("1 to {MAX} characters, none of them a control character"),
            got: shown(text),
        })
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

/// Text that is none of its type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected {expected}, got `{got}`")]
pub struct TextError {
    /// What was expected, in words.
    pub expected: String,
    /// The first 64 characters of what came.
    pub got: String,
}

impl TextError {
    pub(crate) fn new(expected: &str, got: &str) -> Self {
        Self { expected: expected.to_owned(), got: shown(got) }
    }

    pub(crate) fn expected(self) -> String {
        self.expected
    }
}

/// What a reference may be: 1 to 35 characters of SWIFT's set X, and no slash where SWIFT's FIN
/// messages could not carry it (CBPR+ rules on `InstrId` and the like).
const REFERENCE: &str =
    "1 to 35 of letters, digits, space, `/-?:().,'+`, no `/` first or last, no `//`";

fn is_reference(text: &str) -> bool {
    let set_x = |b: u8| b.is_ascii_alphanumeric() || b" /-?:().,'+".contains(&b);
    (1..=35).contains(&text.len())
        && text.bytes().all(set_x)
        && !text.starts_with('/')
        && !text.ends_with('/')
        && !text.contains("//")
        && text.trim() == text
}

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The reference.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                if is_reference(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(TextError::new(REFERENCE, text))
                }
            }
        }

        impl TryFrom<&Text<35>> for $name {
            type Error = TextError;

            fn try_from(text: &Text<35>) -> Result<Self, TextError> {
                text.as_str().parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        leaf!($name, Rule::Value);
    };
}

reference! {
    /// `InstrId`: names the instruction between two neighbouring agents. Not the payment's name
    /// from end to end.
    InstructionId
}
reference! {
    /// `EndToEndId`: the debtor's name for the payment, carried unchanged to the creditor.
    EndToEndId
}

impl<const MAX: usize> crate::node::Part for Text<MAX> {
    fn read(node: crate::node::Node<'_>) -> Result<Self, crate::node::Fault> {
        let text = node.value()?;
        text.parse().map_err(|error: TextError| node.wrong(error.expected, text))
    }

    fn write(&self, out: &mut crate::out::Writer, name: &str) {
        out.value(name, &self.0);
    }
}

impl EndToEndId {
    /// What stands where the debtor gave no name.
    pub const NOT_PROVIDED: &'static str = "NOTPROVIDED";

    /// Whether the debtor gave none.
    #[must_use]
    pub fn is_not_provided(&self) -> bool {
        &*self.0 == Self::NOT_PROVIDED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_follow_swifts_character_set() {
        for good in ["a", "E2E-04138234", "RP/GS/CT", "A B", "NOTPROVIDED", &"x".repeat(35)] {
            assert!(good.parse::<EndToEndId>().is_ok(), "{good}");
        }
        let long = "x".repeat(36);
        for bad in ["", "/a", "a/", "a//b", "a_b", "é", " a", "a\n", "a&b", long.as_str()] {
            assert!(bad.parse::<InstructionId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn length_counts_characters_and_control_characters_are_refused() {
        assert!("é".repeat(35).parse::<Text<35>>().is_ok());
        assert!("é".repeat(36).parse::<Text<35>>().is_err());
        assert!("a\u{7}".parse::<Text<35>>().is_err());
        assert!("a\nb".parse::<Text<35>>().is_err());
        assert!("a\nb".parse::<Text<105>>().is_ok());
        assert!("".parse::<Text<35>>().is_err());
    }
}
