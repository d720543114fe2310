//! Persons: a natural one, or any other that can own.

use core::fmt;
use core::str::FromStr;

use terms::BusinessDate;

use crate::address::Address;
use crate::error::{Problem, ReadError, WriteError};
use crate::identifier::NationalIdentification;
use crate::json::{Node, quoted};
use crate::limits::{ACCOUNTS_MAX, ADDRESSES_MAX};
use crate::member::{Member, Members, Object, Part, part, refused, text};
use crate::name::{LegalPersonName, NaturalPersonName};
use crate::payload::Version;
use crate::text::{Text, shown};

const NATURAL: Member = Member::both("naturalPerson");
const LEGAL: Member = Member::both("legalPerson");

/// A person (`Person`): exactly one of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Person {
    /// One single human.
    Natural(Box<NaturalPerson>),
    /// A company, foundation, partnership or the like.
    Legal(Box<LegalPerson>),
}

impl Person {
    fn take(object: &mut Object<'_>, at: &str) -> Result<Self, ReadError> {
        match (object.optional(NATURAL)?, object.optional(LEGAL)?) {
            (Some(natural), None) => Ok(Self::Natural(natural)),
            (None, Some(legal)) => Ok(Self::Legal(legal)),
            (None, None) => Err(refused(at, Problem::Missing("naturalPerson` or `legalPerson"))),
            (Some(_), Some(_)) => {
                let (least, most) = (1, 1);
                Err(refused(at, Problem::Count { least, most, got: 2 }))
            }
        }
    }

    fn put(&self, members: &mut Members<'_>) -> Result<(), WriteError> {
        match self {
            Self::Natural(person) => members.one(NATURAL, person),
            Self::Legal(person) => members.one(LEGAL, person),
        }
    }
}

impl Part for Person {
    fn read(node: Node, at: &str, version: Version) -> Result<Self, ReadError> {
        let mut object = Object::of(node, at, version)?;
        let person = Self::take(&mut object, at)?;
        object.end()?;
        Ok(person)
    }

    fn write(&self, out: &mut String, version: Version) -> Result<(), WriteError> {
        let mut members = Members::of(out, version);
        self.put(&mut members)?;
        members.end();
        Ok(())
    }
}

/// A person with the accounts that the transfer touches. The issue of 2020 lists the accounts
/// beside the persons instead, in [`crate::Originator::accounts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPerson {
    /// Who.
    pub person: Person,
    /// The accounts; the issue of 2023 only.
    pub accounts: Vec<Text<100>>,
}

impl Part for AccountPerson {
    fn read(node: Node, at: &str, version: Version) -> Result<Self, ReadError> {
        let mut object = Object::of(node, at, version)?;
        let person = Person::take(&mut object, at)?;
        let accounts = object.list(ACCOUNTS_SINCE_2023, (0, ACCOUNTS_MAX))?;
        object.end()?;
        Ok(Self { person, accounts })
    }

    fn write(&self, out: &mut String, version: Version) -> Result<(), WriteError> {
        let mut members = Members::of(out, version);
        self.person.put(&mut members)?;
        members.list(ACCOUNTS_SINCE_2023, &self.accounts, (0, ACCOUNTS_MAX))?;
        members.end();
        Ok(())
    }
}

const ACCOUNTS_SINCE_2023: Member = Member::since_2023("accountNumber");

/// One single human (`NaturalPerson`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NaturalPerson {
    /// Names.
    pub name: NaturalPersonName,
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Identifier.
    pub national_identification: Option<NationalIdentification>,
    /// What its institution calls it.
    pub customer_identification: Option<Text<50>>,
    /// Birth.
    pub birth: Option<DateAndPlaceOfBirth>,
    /// Where it lives (C3).
    pub country_of_residence: Option<Text<2>>,
}

part!(NaturalPerson {
    name: Member::both("name") => one,
    addresses: Member::both("geographicAddress") => list (0, ADDRESSES_MAX),
    national_identification: Member::both("nationalIdentification") => optional,
    customer_identification: Member::both("customerIdentification") => optional,
    birth: Member::both("dateAndPlaceOfBirth") => optional,
    country_of_residence: Member::both("countryOfResidence") => optional,
});

/// Any other person (`LegalPerson`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegalPerson {
    /// Names.
    pub name: LegalPersonName,
    /// Addresses.
    pub addresses: Vec<Address>,
    /// What its institution calls it.
    pub customer_identification: Option<Text<50>>,
    /// Identifier.
    pub national_identification: Option<NationalIdentification>,
    /// Where it is registered (C3).
    pub country_of_registration: Option<Text<2>>,
}

part!(LegalPerson {
    name: Member::both("name") => one,
    addresses: Member::both("geographicAddress") => list (0, ADDRESSES_MAX),
    customer_identification: Member::renamed("customerNumber", "customerIdentification") => optional,
    national_identification: Member::both("nationalIdentification") => optional,
    country_of_registration: Member::both("countryOfRegistration") => optional,
});

/// When and where a human was born (`DateAndPlaceOfBirth`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateAndPlaceOfBirth {
    /// The day (C2).
    pub date: BirthDate,
    /// The place.
    pub place: Text<70>,
}

part!(DateAndPlaceOfBirth {
    date: Member::both("dateOfBirth") => one,
    place: Member::both("placeOfBirth") => one,
});

/// A day of the Gregorian calendar, also before 1970: `YYYY-MM-DD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BirthDate {
    year: u32,
    month: u32,
    day: u32,
}

impl BirthDate {
    /// Whether it lies before `today`.
    #[must_use]
    pub fn is_before(self, today: BusinessDate) -> bool {
        (self.year, self.month, self.day) < today.civil()
    }
}

impl FromStr for BirthDate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            let part = parts.next().filter(|p| p.len() == digits).ok_or(())?;
            let formed = part.bytes().all(|b| b.is_ascii_digit());
            if formed { part.parse::<u32>().map_err(|_| ()) } else { Err(()) }
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        let whole = parts.next().is_none() && year > 0;
        if whole && (1..=days_of(year, month)).contains(&day) {
            return Ok(Self { year, month, day });
        }
        Err(())
    }
}

const fn days_of(year: u32, month: u32) -> u32 {
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 0,
    }
}

impl fmt::Display for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Part for BirthDate {
    fn read(node: Node, at: &str, _: Version) -> Result<Self, ReadError> {
        let text = text(node, at)?;
        text.parse().map_err(|()| {
            let expected = "a day of the calendar, YYYY-MM-DD".to_owned();
            refused(at, Problem::Value { expected, got: shown(&text) })
        })
    }

    fn write(&self, out: &mut String, _: Version) -> Result<(), WriteError> {
        quoted(&self.to_string(), out);
        Ok(())
    }
}
