//! Accounts: `CashAccount38`, `CashAccount39`, their identification.

use core::fmt;
use core::str::FromStr;

use crate::agent::Agent;
use crate::codes::Choice;
use crate::currency::Currency;
use crate::error::Rule;
use crate::node::{Fault, Node, Part, leaf, part};
use crate::out::Writer;
use crate::party::Party;
use crate::text::{Text, TextError};
use crate::time::choice;

/// `IBAN2007Identifier` with its check digits verified (ISO 7064 mod 97-10).
///
/// The length per country is not checked: that table changes with every new member.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iban(Box<str>);

impl Iban {
    /// The IBAN without spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Iban {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let refused = || TextError::new("an IBAN with right check digits, without spaces", text);
        let (country, rest) = text.split_at_checked(2).ok_or_else(refused)?;
        let (check, number) = rest.split_at_checked(2).ok_or_else(refused)?;
        let formed = country.bytes().all(|b| b.is_ascii_uppercase())
            && check.bytes().all(|b| b.is_ascii_digit())
            && (1..=30).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_alphanumeric());
        let turned = number.chars().chain(country.chars()).chain(check.chars());
        if formed && remainder_97(turned) == Some(1) {
            return Ok(Self(text.into()));
        }
        Err(refused())
    }
}

/// The number that letters (`A` is 10) and digits make, modulo 97.
fn remainder_97(mut characters: impl Iterator<Item = char>) -> Option<u32> {
    characters.try_fold(0_u32, |sum, character| {
        let digit = character.to_digit(36)?;
        let shift = if digit < 10 { 10 } else { 100 };
        sum.checked_mul(shift)?.checked_add(digit)?.checked_rem(97)
    })
}

impl fmt::Display for Iban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Iban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

leaf!(Iban, Rule::Value);

/// `AccountIdentification4Choice`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccountId {
    /// `IBAN`.
    Iban(Iban),
    /// `Othr`.
    Other(OtherAccount),
}

impl AccountId {
    /// The account's number, whichever kind it is.
    #[must_use]
    pub fn number(&self) -> &str {
        match self {
            Self::Iban(iban) => iban.as_str(),
            Self::Other(other) => other.id.as_str(),
        }
    }
}

impl Part for AccountId {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.complex()?;
        match (node.one("IBAN")?, node.one("Othr")?) {
            (Some(iban), None) => Iban::read(iban).map(Self::Iban),
            (None, Some(other)) => OtherAccount::read(other).map(Self::Other),
            (Some(_), Some(_)) => Err(choice(node, "one of `IBAN` and `Othr`", "both")),
            (None, None) => Err(choice(node, "one of `IBAN` and `Othr`", "neither")),
        }
    }

    fn write(&self, out: &mut Writer, name: &str) {
        out.open(name);
        match self {
            Self::Iban(iban) => iban.write(out, "IBAN"),
            Self::Other(other) => other.write(out, "Othr"),
        }
        out.close(name);
    }
}

/// `GenericAccountIdentification1`: an account number that is no IBAN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherAccount {
    /// `Id`.
    pub id: Text<34>,
    /// `SchmeNm`: what kind of number, for instance `BBAN`.
    pub scheme: Option<Choice<Text<4>>>,
    /// `Issr`.
    pub issuer: Option<Text<35>>,
}

part!(OtherAccount { id: "Id", scheme: "SchmeNm", issuer: "Issr" });

/// `CashAccount38`: the account of a party or agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// `Id`.
    pub id: AccountId,
    /// `Ccy`.
    pub currency: Option<Currency>,
    /// `Nm`.
    pub name: Option<Text<70>>,
}

part!(Account { id: "Id", currency: "Ccy", name: "Nm" });

/// `CashAccount39`: the account that a statement or notification is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatementAccount {
    /// `Id`.
    pub id: AccountId,
    /// `Ccy`.
    pub currency: Option<Currency>,
    /// `Nm`.
    pub name: Option<Text<70>>,
    /// `Ownr`.
    pub owner: Option<Party>,
    /// `Svcr`: the bank.
    pub servicer: Option<Agent>,
}

part!(StatementAccount { id: "Id", currency: "Ccy", name: "Nm", owner: "Ownr", servicer: "Svcr" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iban_with_wrong_check_digits_is_refused() {
        for good in ["DE89370400440532013000", "NL91ABNA0417164300", "GB29NWBK60161331926819"] {
            assert!(good.parse::<Iban>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "DE",
            "DE88370400440532013000",
            "NL91 ABNA 0417 1643 00",
            "de89370400440532013000",
            "DE8937040044053201300é",
            "XX00",
        ] {
            assert!(bad.parse::<Iban>().is_err(), "{bad}");
        }
    }
}
