//! A list document: entries, version, and when the next version is due.

use minicbor::{Decode, Encode};
use record::ListVersion;
use seal::digest::{Domain, digest};
use seal::{Digest, to_canonical};
use serde::Deserialize;
use terms::Instant;
use thiserror::Error;

use crate::index::{At, Index};
use crate::normal::{Normal, normal};

/// Domain of a list's digest.
pub const LIST_DOMAIN: Domain = Domain::new("wayleave/screening-list/v1");
/// Domain of an entry's digest: a "not the same" judgement is keyed by it.
pub const ENTRY_DOMAIN: Domain = Domain::new("wayleave/screening-entry/v1");
/// The layout written today.
pub const LIST_LAYOUT: u16 = 1;
/// Most entries of one list: the largest public list has about 20,000.
pub const ENTRIES_MAX: usize = 100_000;
/// Most names of one entry: the longest public one has about 60.
pub const ALIASES_MAX: usize = 256;

/// One listed person, company or vessel.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The list's own id of the entry.
    #[n(0)]
    pub id: String,
    /// The main name.
    #[n(1)]
    pub name: String,
    /// Other names.
    #[n(2)]
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Dates of birth or foundation, as far as known: `1970`, `1970-02-01`.
    #[n(3)]
    #[serde(default)]
    pub dates: Vec<String>,
    /// Country codes, upper case.
    #[n(4)]
    #[serde(default)]
    pub countries: Vec<String>,
    /// Under which programme it is listed.
    #[n(5)]
    pub program: String,
}

impl Entry {
    /// The digest of the entry's content.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(ENTRY_DOMAIN, &to_canonical(self))
    }
}

/// A whole list, as signed by its publisher.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ScreeningList {
    /// Layout version, [`LIST_LAYOUT`].
    #[n(0)]
    pub layout: u16,
    /// The list's name.
    #[n(1)]
    pub name: String,
    /// Rises by each publication; an older one than seen is refused by the snapshot.
    #[n(2)]
    pub version: u64,
    /// When it was signed.
    #[n(3)]
    pub issued_at: Instant,
    /// When the next version is due.
    #[n(4)]
    pub next_update: Instant,
    /// The entries.
    #[n(5)]
    pub entries: Vec<Entry>,
}

impl record::Document for ScreeningList {
    const DOMAIN: Domain = LIST_DOMAIN;
    const NAME: &'static str = "screening list";
}

impl ScreeningList {
    /// The digest of the whole list.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(LIST_DOMAIN, &to_canonical(self))
    }
}

/// A list with its names made comparable, once.
#[derive(Clone, Debug)]
pub struct LoadedList {
    list: ScreeningList,
    digest: Digest,
    names: Vec<Vec<Normal>>,
    index: Index,
}

impl LoadedList {
    /// Prepares a list for comparing.
    #[must_use]
    pub fn new(list: ScreeningList) -> Self {
        let digest = list.digest();
        let names: Vec<Vec<Normal>> = list
            .entries
            .iter()
            .map(|e| core::iter::once(&e.name).chain(&e.aliases).map(|n| normal(n)).collect())
            .collect();
        let index = Index::of(&names);
        Self { list, digest, names, index }
    }

    /// The list itself.
    #[must_use]
    pub const fn list(&self) -> &ScreeningList {
        &self.list
    }

    /// Name, version and digest, as records carry them.
    #[must_use]
    pub fn version(&self) -> ListVersion {
        let ScreeningList { name, version, .. } = &self.list;
        ListVersion { name: name.clone(), version: *version, digest: self.digest }
    }

    /// The entry of this digest.
    #[must_use]
    pub fn entry(&self, digest: Digest) -> Option<&Entry> {
        self.list.entries.iter().find(|entry| entry.digest() == digest)
    }

    /// Names that may be as like `name` as `least` per mille, in the list's order.
    pub(crate) fn names_like(&self, name: &Normal, least: u16) -> Vec<At> {
        self.index.names_like(name, least)
    }

    /// A name of the list: its entry, as it is written, and made comparable.
    pub(crate) fn named(&self, at: At) -> Option<(&Entry, &String, &Normal)> {
        let entry = self.list.entries.get(at.entry)?;
        let written = core::iter::once(&entry.name).chain(&entry.aliases).nth(at.name)?;
        Some((entry, written, self.names.get(at.entry)?.get(at.name)?))
    }

    /// All names of the list, in its order: what a scan looks at.
    #[cfg(test)]
    pub(crate) fn all_names(&self) -> Vec<At> {
        let names = |(entry, all): (usize, &Vec<Normal>)| {
            (0..all.len()).map(move |name| At { entry, name }).collect::<Vec<_>>()
        };
        self.names.iter().enumerate().flat_map(names).collect()
    }
}

/// Why a file is not a list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// Not the JSON of a list.
    #[error("expected a list in JSON: {reason}")]
    Malformed {
        /// What the reader says.
        reason: String,
    },
    /// Nothing in it: an emptied list must not clear anybody.
    #[error("expected at least one entry in list `{name}`")]
    Empty {
        /// The list.
        name: String,
    },
    /// More than the limits allow.
    #[error("expected at most {ENTRIES_MAX} entries with {ALIASES_MAX} aliases in list `{name}`")]
    TooLarge {
        /// The list.
        name: String,
    },
    /// An entry whose name holds no letter that can be compared.
    #[error("expected a name with letters in entry `{id}`")]
    NameMissing {
        /// The entry.
        id: String,
    },
    /// The next version would be due before this one was made.
    #[error("expected `next_update` after `issued_at` in list `{name}`")]
    TimesReversed {
        /// The list.
        name: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonList {
    name: String,
    version: u64,
    issued_at: u64,
    next_update: u64,
    entries: Vec<Entry>,
}

/// Reads `{"name","version","issued_at","next_update","entries":[…]}`; instants in seconds since
/// 1970, unknown members refused.
pub fn import_json(bytes: &[u8]) -> Result<ScreeningList, ListError> {
    let json: JsonList = serde_json::from_slice(bytes)
        .map_err(|error| ListError::Malformed { reason: error.to_string() })?;
    let JsonList { name, version, issued_at, next_update, entries } = json;
    if entries.is_empty() {
        return Err(ListError::Empty { name });
    }
    if entries.len() > ENTRIES_MAX || entries.iter().any(|e| e.aliases.len() > ALIASES_MAX) {
        return Err(ListError::TooLarge { name });
    }
    if issued_at >= next_update {
        return Err(ListError::TimesReversed { name });
    }
    if let Some(entry) = entries.iter().find(|e| normal(&e.name).is_empty()) {
        return Err(ListError::NameMissing { id: entry.id.clone() });
    }
    let (issued_at, next_update) =
        (Instant::from_seconds(issued_at), Instant::from_seconds(next_update));
    Ok(ScreeningList { layout: LIST_LAYOUT, name, version, issued_at, next_update, entries })
}
