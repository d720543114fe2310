//! The payload as a whole, in both issues of the standard.

use crate::codes::Transliteration;
use crate::error::{Problem, ReadError, WriteError};
use crate::json::{Node, parse, quoted};
use crate::limits::{
    ACCOUNTS_MAX, INTERMEDIARIES_MAX, PAYLOAD_BYTES_MAX, PERSONS_MAX, TRANSLITERATIONS_MAX,
};
use crate::member::{Member, Members, Object, Part, part, refused, text};
use crate::person::{AccountPerson, Person};
use crate::text::shown;
use crate::{Address, LegalPerson, NationalIdentification, NaturalPerson, Text};

/// An issue of the standard. Members were renamed between them, so bytes of one are not bytes of
/// the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Issue 1 of May 2020. It names no version in the payload.
    V2020,
    /// Of August 2023, `payloadVersion` `101.2023`.
    V2023,
}

/// What the later issue calls itself (`PayloadVersionCode`).
const VERSION_2023: &str = "101.2023";

/// Who pays whom through which institutions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPayload {
    /// By which issue it is read and written.
    pub version: Version,
    /// Who pays.
    pub originator: Originator,
    /// Who is paid.
    pub beneficiary: Beneficiary,
    /// The payer's institution.
    pub originating: Option<Person>,
    /// The payee's institution.
    pub beneficiary_institution: Option<Person>,
    /// Institutions in between.
    pub path: Option<TransferPath>,
    /// How names came into Latin letters. The issue of 2023 has it always, since its version
    /// stands there.
    pub metadata: Option<Metadata>,
}

/// Who pays (`Originator`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originator {
    /// One or, for a joint account, more.
    pub persons: Vec<AccountPerson>,
    /// The accounts; the issue of 2020 only.
    pub accounts: Vec<Text<100>>,
}

part!(Originator {
    persons: Member::renamed("originatorPersons", "originatorPerson") => list (1, PERSONS_MAX),
    accounts: Member::until_2023("accountNumber") => list (0, ACCOUNTS_MAX),
});

/// Who is paid (`Beneficiary`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beneficiary {
    /// One or, for a joint account, more.
    pub persons: Vec<AccountPerson>,
    /// The accounts; the issue of 2020 only.
    pub accounts: Vec<Text<100>>,
}

part!(Beneficiary {
    persons: Member::renamed("beneficiaryPersons", "beneficiaryPerson") => list (1, PERSONS_MAX),
    accounts: Member::until_2023("accountNumber") => list (0, ACCOUNTS_MAX),
});

/// Institutions in between (`TransferPath`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferPath {
    /// In any order; their sequence numbers say which (C12).
    pub intermediaries: Vec<Intermediary>,
}

part!(TransferPath {
    intermediaries: Member::both("transferPath") => list (1, INTERMEDIARIES_MAX),
});

/// One institution in between (`IntermediaryVASP`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intermediary {
    /// Who.
    pub institution: Person,
    /// Its place, from zero.
    pub sequence: u64,
}

part!(Intermediary {
    institution: Member::both("intermediaryVASP") => one,
    sequence: Member::both("sequence") => one,
});

/// About the payload itself (`PayloadMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// How names came into Latin letters.
    pub transliterations: Vec<Transliteration>,
}

const ORIGINATOR: Member = Member::both("originator");
const BENEFICIARY: Member = Member::both("beneficiary");
const ORIGINATING: Member = Member::both("originatingVASP");
const BENEFICIARY_INSTITUTION: Member = Member::both("beneficiaryVASP");
const PATH: Member = Member::both("transferPath");
const METADATA: Member = Member::both("payloadMetadata");
const TRANSLITERATION: Member = Member::both("transliterationMethod");
const PAYLOAD_VERSION: Member = Member::since_2023("payloadVersion");

/// Reads a payload of either issue: of 2023 if it says so, of 2020 if it says nothing.
///
/// # Errors
/// [`ReadError`]: where, and what was expected there.
pub fn read(bytes: &[u8]) -> Result<IdentityPayload, ReadError> {
    let tree = parse(bytes)?;
    let version = version_of(&tree)?;
    IdentityPayload::read(tree, "payload", version)
}

/// Reads a payload whose bytes are exactly those that [`write`] makes of it, so that a digest over
/// them is a digest over the content.
///
/// # Errors
/// As [`read`], and [`Problem::NotExact`].
pub fn read_exact(bytes: &[u8]) -> Result<IdentityPayload, ReadError> {
    let payload = read(bytes)?;
    let written = write(&payload);
    if written.is_ok_and(|written| written == bytes) {
        return Ok(payload);
    }
    Err(refused("payload", Problem::NotExact))
}

/// The one written form: UTF-8, no space, members in the standard's order, nothing empty.
///
/// # Errors
/// [`WriteError`] when it holds what its issue has no member for, or too much.
pub fn write(payload: &IdentityPayload) -> Result<Vec<u8>, WriteError> {
    let mut out = String::new();
    payload.write(&mut out, payload.version)?;
    if out.len() > PAYLOAD_BYTES_MAX {
        return Err(WriteError::TooLong(out.len()));
    }
    Ok(out.into_bytes())
}

/// Reads one part of a payload that stands alone, as published samples do.
///
/// # Errors
/// As [`read`].
pub fn read_part<T: Standalone>(bytes: &[u8], version: Version) -> Result<T, ReadError> {
    T::read(parse(bytes)?, "payload", version)
}

/// Writes one part of a payload alone.
///
/// # Errors
/// As [`write`].
pub fn write_part<T: Standalone>(part: &T, version: Version) -> Result<Vec<u8>, WriteError> {
    let mut out = String::new();
    part.write(&mut out, version)?;
    Ok(out.into_bytes())
}

/// What is read and written alone; sealed, since its form is the standard's.
#[expect(private_bounds, reason = "the trait is sealed by its private bound")]
pub trait Standalone: Part {}

impl Standalone for Address {}
impl Standalone for NaturalPerson {}
impl Standalone for LegalPerson {}
impl Standalone for NationalIdentification {}

fn version_of(tree: &Node) -> Result<Version, ReadError> {
    let stated = member(tree, METADATA).and_then(|metadata| member(metadata, PAYLOAD_VERSION));
    match stated {
        None => Ok(Version::V2020),
        Some(Node::Text(code)) if code == VERSION_2023 => Ok(Version::V2023),
        Some(other) => {
            let got = text(other.clone(), "payload.payloadMetadata.payloadVersion")?;
            let expected = format!("`{VERSION_2023}`, or no such member for the issue of 2020");
            let problem = Problem::Value { expected, got: shown(&got) };
            Err(refused("payload.payloadMetadata.payloadVersion", problem))
        }
    }
}

fn member(tree: &Node, member: Member) -> Option<&Node> {
    let name = member.name(Version::V2023)?;
    match tree {
        Node::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, node)| node),
        Node::Text(_) | Node::Number(_) | Node::List(_) => None,
    }
}

impl Part for IdentityPayload {
    fn read(node: Node, at: &str, version: Version) -> Result<Self, ReadError> {
        let mut object = Object::of(node, at, version)?;
        let payload = Self {
            version,
            originator: object.one(ORIGINATOR)?,
            beneficiary: object.one(BENEFICIARY)?,
            originating: object.optional::<Originating>(ORIGINATING)?.map(|found| found.0),
            beneficiary_institution: object
                .optional::<Receiving>(BENEFICIARY_INSTITUTION)?
                .map(|found| found.0),
            path: object.optional(PATH)?,
            metadata: object.optional(METADATA)?,
        };
        object.end()?;
        Ok(payload)
    }

    fn write(&self, out: &mut String, version: Version) -> Result<(), WriteError> {
        let mut members = Members::of(out, version);
        members.one(ORIGINATOR, &self.originator)?;
        members.one(BENEFICIARY, &self.beneficiary)?;
        let originating = self.originating.clone().map(Originating);
        members.optional(ORIGINATING, originating.as_ref())?;
        let receiving = self.beneficiary_institution.clone().map(Receiving);
        members.optional(BENEFICIARY_INSTITUTION, receiving.as_ref())?;
        members.optional(PATH, self.path.as_ref())?;
        if version == Version::V2023 && self.metadata.is_none() {
            return Err(WriteError::Missing(METADATA.any()));
        }
        members.optional(METADATA, self.metadata.as_ref())?;
        members.end();
        Ok(())
    }
}

/// The payer's institution: the issue of 2020 wraps the person once more under the same name.
struct Originating(Person);
/// The payee's institution, wrapped alike.
struct Receiving(Person);

macro_rules! wrapped {
    ($type:ident, $member:expr) => {
        impl Part for $type {
            fn read(node: Node, at: &str, version: Version) -> Result<Self, ReadError> {
                match version {
                    Version::V2023 => Person::read(node, at, version).map(Self),
                    Version::V2020 => {
                        let mut object = Object::of(node, at, version)?;
                        let person = object.one($member)?;
                        object.end()?;
                        Ok(Self(person))
                    }
                }
            }

            fn write(&self, out: &mut String, version: Version) -> Result<(), WriteError> {
                match version {
                    Version::V2023 => self.0.write(out, version),
                    Version::V2020 => {
                        let mut members = Members::of(out, version);
                        members.one($member, &self.0)?;
                        members.end();
                        Ok(())
                    }
                }
            }
        }
    };
}

wrapped!(Originating, ORIGINATING);
wrapped!(Receiving, BENEFICIARY_INSTITUTION);

impl Part for Metadata {
    fn read(node: Node, at: &str, version: Version) -> Result<Self, ReadError> {
        let mut object = Object::of(node, at, version)?;
        // The issue of 2020 has nothing else here: an empty object would be nothing said.
        let least = usize::from(version == Version::V2020);
        let transliterations = object.list(TRANSLITERATION, (least, TRANSLITERATIONS_MAX))?;
        if version == Version::V2023 {
            object.one::<PayloadVersion>(PAYLOAD_VERSION)?;
        }
        object.end()?;
        Ok(Self { transliterations })
    }

    fn write(&self, out: &mut String, version: Version) -> Result<(), WriteError> {
        let mut members = Members::of(out, version);
        let least = usize::from(version == Version::V2020);
        let bounds = (least, TRANSLITERATIONS_MAX);
        members.list(TRANSLITERATION, &self.transliterations, bounds)?;
        if version == Version::V2023 {
            members.one(PAYLOAD_VERSION, &PayloadVersion)?;
        }
        members.end();
        Ok(())
    }
}

/// The version's own member; which version it is was read before.
struct PayloadVersion;

impl Part for PayloadVersion {
    fn read(node: Node, at: &str, _: Version) -> Result<Self, ReadError> {
        text(node, at).map(|_| Self)
    }

    fn write(&self, out: &mut String, _: Version) -> Result<(), WriteError> {
        quoted(VERSION_2023, out);
        Ok(())
    }
}
