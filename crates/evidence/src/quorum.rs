//! Whose cosignatures are enough: policy files of logs, witnesses, nested k-of-n groups and a
//! quorum (C2SP tlog-policy).
//!
//! Read strictly, and narrower than the specification in two places: the file is UTF-8, and a
//! key of type ML-DSA-44 is refused, because a member that cannot be checked must not count.

use std::collections::BTreeSet;

use seal::PublicKey;
use thiserror::Error;

use crate::line::{decimal, shown};
use crate::note::{KeyName, NoteError, SignatureType, VerifierKey};

/// The largest policy file read, in bytes: 96 lines of the longest names stay under it.
pub const POLICY_BYTES_MAX: usize = 1 << 16;
/// Most logs, most witnesses, most groups; the specification wants at least 32 of each.
pub const POLICY_MEMBERS_MAX: usize = 32;

/// A name within one policy file: it means nothing outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberName(pub String);

/// A policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<(MemberName, VerifierKey)>,
    /// In the order of the file: a group's members stand before it.
    groups: Vec<(MemberName, Group)>,
    quorum: Quorum,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    needed: usize,
    members: BTreeSet<MemberName>,
}

/// What the quorum line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// `none`: no witness is needed. Whatever passes is labelled `unwitnessed`.
    NotNeeded,
    /// This witness or group.
    Member(MemberName),
}

/// How much a passed quorum is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witnessing {
    /// The policy asks for nobody.
    Unwitnessed,
    /// A key of the quorum is held by the one who is witnessed.
    SelfWitnessed,
    /// Others vouch.
    Witnessed,
}

impl Witnessing {
    /// The label shown to people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unwitnessed => "unwitnessed",
            Self::SelfWitnessed => "self-witnessed",
            Self::Witnessed => "witnessed",
        }
    }
}

impl Policy {
    /// Reads a policy file.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLarge { got: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| PolicyError::NotText)?;
        let control = |b: u8| (b < 0x20 && b != b'\t' && b != b'\n') || b == 0x7f;
        if text.bytes().any(control) {
            return Err(PolicyError::NotText);
        }
        let body = text.strip_suffix('\n').ok_or(PolicyError::NotText)?;
        let mut reading = Reading::default();
        for (number, line) in (1..).zip(body.split('\n')) {
            let words: Vec<&str> = line.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
            reading.line(&words).map_err(|reason| PolicyError::Line { number, reason })?;
        }
        let quorum = reading.quorum.ok_or(PolicyError::NoQuorum)?;
        let Reading { logs, witnesses, groups, .. } = reading;
        Ok(Self { logs, witnesses, groups, quorum })
    }

    /// The logs whose checkpoints are accepted.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// All witnesses, in or out of the quorum, with their names in this file.
    #[must_use]
    pub fn witnesses(&self) -> &[(MemberName, VerifierKey)] {
        &self.witnesses
    }

    /// The quorum line.
    #[must_use]
    pub const fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// Whether these witnesses, all checked by the caller, are enough.
    #[must_use]
    pub fn is_met_by(&self, cosigned: &[&VerifierKey]) -> bool {
        let Quorum::Member(wanted) = &self.quorum else { return true };
        let cosigned = |key: &VerifierKey| cosigned.contains(&key);
        let mut met: BTreeSet<&MemberName> =
            self.witnesses.iter().filter(|(_, key)| cosigned(key)).map(|(name, _)| name).collect();
        // Members stand before their group, so one pass settles all.
        for (name, group) in &self.groups {
            if group.members.iter().filter(|member| met.contains(member)).count() >= group.needed {
                met.insert(name);
            }
        }
        met.contains(wanted)
    }

    /// The keys that the quorum can draw on, through all its groups.
    #[must_use]
    pub fn quorum_keys(&self) -> Vec<&VerifierKey> {
        let Quorum::Member(wanted) = &self.quorum else { return Vec::new() };
        let mut reached = BTreeSet::from([wanted]);
        for (name, group) in self.groups.iter().rev() {
            if reached.contains(name) {
                reached.extend(&group.members);
            }
        }
        let within = self.witnesses.iter().filter(|(name, _)| reached.contains(name));
        within.map(|(_, key)| key).collect()
    }

    /// What a passed quorum is worth when one party holds these keys.
    #[must_use]
    pub fn witnessing(&self, held: &[PublicKey]) -> Witnessing {
        match &self.quorum {
            Quorum::NotNeeded => Witnessing::Unwitnessed,
            Quorum::Member(_) if self.quorum_keys().iter().any(|k| held.contains(&k.key())) => {
                Witnessing::SelfWitnessed
            }
            Quorum::Member(_) => Witnessing::Witnessed,
        }
    }
}

/// What a verifier brings along: never taken from the thing it verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    log: VerifierKey,
    policy: Policy,
}

impl Trust {
    /// A log's key and the policy for it. A policy that lists logs must list this one.
    pub fn new(log: VerifierKey, policy: Policy) -> Result<Self, TrustError> {
        if log.kind() != SignatureType::Ed25519 {
            return Err(TrustError::NotALogKey { name: log.name().clone() });
        }
        if !policy.logs.is_empty() && !policy.logs.contains(&log) {
            return Err(TrustError::LogNotInPolicy { name: log.name().clone() });
        }
        Ok(Self { log, policy })
    }

    /// A policy file that lists exactly one log.
    pub fn from_policy(policy: Policy) -> Result<Self, TrustError> {
        match policy.logs.as_slice() {
            [log] => Ok(Self { log: log.clone(), policy }),
            others => Err(TrustError::NotOneLog { got: others.len() }),
        }
    }

    /// The log's key.
    #[must_use]
    pub const fn log(&self) -> &VerifierKey {
        &self.log
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What a passed quorum is worth when the log's own key is the only one known to be held by
    /// the log's holder.
    #[must_use]
    pub fn witnessing(&self) -> Witnessing {
        self.policy.witnessing(&[self.log.key()])
    }
}

#[derive(Default)]
struct Reading {
    logs: Vec<VerifierKey>,
    witnesses: Vec<(MemberName, VerifierKey)>,
    groups: Vec<(MemberName, Group)>,
    quorum: Option<Quorum>,
}

impl Reading {
    fn line(&mut self, words: &[&str]) -> Result<(), LineError> {
        match words {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] | ["witness", name, key, _] => self.witness(name, key),
            ["group", name, needed, members @ ..] => self.group(name, needed, members),
            ["quorum", name] => self.set_quorum(name),
            [first, ..] => Err(LineError::Unknown { got: shown(first) }),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), LineError> {
        let key = read_key(key, SignatureType::Ed25519)?;
        if self.logs.iter().any(|known| known.key() == key.key()) {
            return Err(LineError::DuplicateKey { name: key.name().clone() });
        }
        self.logs.push(key);
        room(self.logs.len())
    }

    fn witness(&mut self, name: &str, key: &str) -> Result<(), LineError> {
        let name = self.fresh(name)?;
        let key = read_key(key, SignatureType::CosignatureEd25519)?;
        if self.witnesses.iter().any(|(_, known)| known.key() == key.key()) {
            return Err(LineError::DuplicateKey { name: key.name().clone() });
        }
        self.witnesses.push((name, key));
        room(self.witnesses.len())
    }

    fn group(&mut self, name: &str, needed: &str, words: &[&str]) -> Result<(), LineError> {
        let name = self.fresh(name)?;
        let mut members = BTreeSet::new();
        for word in words {
            if !members.insert(self.member(word)?) {
                return Err(LineError::ListedTwice { got: shown(word) });
            }
        }
        let count = match needed {
            "any" => Some(1),
            "all" => Some(members.len()),
            number => decimal(number).and_then(|n| usize::try_from(n).ok()),
        };
        let needed = count.filter(|n| (1..=members.len()).contains(n));
        let needed = needed.ok_or_else(|| LineError::Threshold { got: shown(name.0.as_str()) })?;
        self.groups.push((name, Group { needed, members }));
        room(self.groups.len())
    }

    fn set_quorum(&mut self, name: &str) -> Result<(), LineError> {
        let read = match name {
            "none" => Quorum::NotNeeded,
            _ => Quorum::Member(self.defined(name)?),
        };
        match self.quorum.replace(read) {
            None => Ok(()),
            Some(_) => Err(LineError::SecondQuorum),
        }
    }

    fn names(&self) -> impl Iterator<Item = &MemberName> {
        self.witnesses.iter().map(|(n, _)| n).chain(self.groups.iter().map(|(n, _)| n))
    }

    fn fresh(&self, name: &str) -> Result<MemberName, LineError> {
        if name == "none" || self.names().any(|known| known.0 == name) {
            return Err(LineError::NameTaken { got: shown(name) });
        }
        Ok(MemberName(name.to_owned()))
    }

    fn defined(&self, name: &str) -> Result<MemberName, LineError> {
        let found = self.names().find(|known| known.0 == name).cloned();
        found.ok_or_else(|| LineError::NotDefined { got: shown(name) })
    }

    /// A witness or group defined above, and in no group yet: each counts in one way only.
    fn member(&self, name: &str) -> Result<MemberName, LineError> {
        let found = self.defined(name)?;
        if self.groups.iter().any(|(_, group)| group.members.contains(&found)) {
            return Err(LineError::ListedTwice { got: shown(name) });
        }
        Ok(found)
    }
}

fn read_key(text: &str, kind: SignatureType) -> Result<VerifierKey, LineError> {
    let key: VerifierKey = text.parse()?;
    if key.kind() == kind {
        Ok(key)
    } else {
        Err(LineError::WrongKeyType { name: key.name().clone() })
    }
}

const fn room(count: usize) -> Result<(), LineError> {
    if count > POLICY_MEMBERS_MAX { Err(LineError::TooMany) } else { Ok(()) }
}

/// Why a file is no policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// Too many bytes.
    #[error("expected a policy of at most {POLICY_BYTES_MAX} bytes, got {got}")]
    TooLarge {
        /// How many bytes came.
        got: usize,
    },
    /// Not lines of text.
    #[error("expected lines of UTF-8 that end in a newline, without control characters")]
    NotText,
    /// One line is wrong.
    #[error("line {number}: {reason}")]
    Line {
        /// Which line, from 1.
        number: usize,
        /// What is wrong with it.
        reason: LineError,
    },
    /// Nobody says what is enough.
    #[error("expected one `quorum` line")]
    NoQuorum,
}

/// Why a line of a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// No known form.
    #[error("expected `log`, `witness`, `group` or `quorum` with its words, got `{got}`")]
    Unknown {
        /// The first word.
        got: String,
    },
    /// The key is none.
    #[error(transparent)]
    Key(#[from] NoteError),
    /// A log's key for a witness, or the other way round.
    #[error("the key `{name}` is of another type than this line needs")]
    WrongKeyType {
        /// The key's name.
        name: KeyName,
    },
    /// One key twice.
    #[error("the key of `{name}` is already listed")]
    DuplicateKey {
        /// The second one's name.
        name: KeyName,
    },
    /// One name twice, or `none`.
    #[error("the name `{got}` is taken")]
    NameTaken {
        /// The name.
        got: String,
    },
    /// A name that no line above defines.
    #[error("no line above defines `{got}`")]
    NotDefined {
        /// The name.
        got: String,
    },
    /// A member that stands in a group already.
    #[error("`{got}` is already a member of a group")]
    ListedTwice {
        /// The name.
        got: String,
    },
    /// Not 1 to the number of members.
    #[error("the group `{got}` needs `all`, `any` or 1 to its number of members")]
    Threshold {
        /// The group.
        got: String,
    },
    /// Two quorum lines.
    #[error("expected one `quorum` line, got a second")]
    SecondQuorum,
    /// More than we read.
    #[error("expected at most {POLICY_MEMBERS_MAX} logs, witnesses and groups each")]
    TooMany,
}

/// Why a key and a policy are no trust.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrustError {
    /// A witness's key.
    #[error("the key `{name}` is not a log's")]
    NotALogKey {
        /// The key's name.
        name: KeyName,
    },
    /// A policy for other logs.
    #[error("the policy does not list the log `{name}`")]
    LogNotInPolicy {
        /// The log.
        name: KeyName,
    },
    /// A policy that leaves the log open.
    #[error("expected a policy with one log, got {got}")]
    NotOneLog {
        /// How many it lists.
        got: usize,
    },
}
