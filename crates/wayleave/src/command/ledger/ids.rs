//! Ids from what people type, and new ones that grow with time.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context;
use ledger_server::Folder;
use seal::digest::{Domain, digest_of};
use seal::text::from_hex_array;
use terms::{AccountId, BusinessDate, HoldId, Instant, TransactionId};

/// A name stands for the first 16 bytes of the digest of the pieces prefix and name in this
/// domain, with the version and variant bits of a UUIDv8 (RFC 9562): see `docs/parts/ledger.md`.
const NAME_DOMAIN: Domain = Domain::new("wayleave/ledger/name/v1");
/// Longest name.
const NAME_BYTES_MAX: usize = 48;
/// Names of accounts that were opened from this folder, one a line: for showing, never needed.
const NAMES_FILE: &str = "names";
const PREFIXES: [&str; 3] = ["txn_", "hold_", "acct_"];

/// An id of some kind.
pub trait Id: Copy + fmt::Display {
    /// What its text begins with.
    const PREFIX: &'static str;
    /// Of these bytes.
    fn of(bytes: [u8; 16]) -> Self;
    /// Its bytes.
    fn bare(&self) -> [u8; 16];
}

macro_rules! ids {
    ($($id:ident)*) => { $(
        impl Id for $id {
            const PREFIX: &'static str = $id::PREFIX;
            fn of(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }
            fn bare(&self) -> [u8; 16] {
                self.bytes()
            }
        }
    )* };
}
ids!(AccountId HoldId TransactionId);

/// An id as it was given: by itself, or by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<I> {
    /// The id.
    pub id: I,
    /// The name that stands for it, where one was given.
    pub name: Option<String>,
}

impl<I: Id> fmt::Display for Given<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => self.id.fmt(f),
        }
    }
}

impl<I: Id> FromStr for Given<I> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix(I::PREFIX).unwrap_or(text);
        if let Some(bytes) = from_hex_array(digits) {
            return Ok(Self { id: I::of(bytes), name: None });
        }
        let shown: String = text.chars().take(64).collect();
        // A mangled id must not quietly become a name.
        if PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            let prefix = I::PREFIX;
            return Err(format!("expected `{prefix}` and 32 lower-case hex digits, got `{shown}`"));
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._@:+-".contains(&b);
        let length = 1..=NAME_BYTES_MAX;
        if !length.contains(&text.len()) || text.starts_with('-') || !text.bytes().all(allowed) {
            return Err(format!(
                "expected an id, or a name of 1 to {NAME_BYTES_MAX} of `a-z A-Z 0-9 . _ @ : + -`, \
                 got `{shown}`"
            ));
        }
        Ok(Self { id: named(text), name: Some(text.to_owned()) })
    }
}

/// The id that a name stands for.
pub(crate) fn named<I: Id>(name: &str) -> I {
    let digest = digest_of(NAME_DOMAIN, &[I::PREFIX.as_bytes(), name.as_bytes()]);
    let bytes = digest.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
    I::of(uuid(bytes, 8))
}

/// A new id: milliseconds since 1970, then random bits (a UUIDv7, RFC 9562).
pub(super) fn fresh<I: Id>() -> anyhow::Result<I> {
    let mut bytes: [u8; 16] = client::system::random()?;
    let millis = client::system::now().nanos() / 1_000_000;
    let [_, _, time @ ..] = millis.to_be_bytes();
    if let Some(head) = bytes.first_chunk_mut::<6>() {
        *head = time;
    }
    Ok(I::of(uuid(bytes, 7)))
}

/// When an id was made, where it grows with time as [`fresh`] makes them.
pub(super) fn made_at(id: &impl Id) -> Option<Instant> {
    let bytes = id.bare();
    if uuid(bytes, 7) != bytes {
        return None;
    }
    let [a, b, c, d, e, f, ..] = bytes;
    let millis = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    Some(Instant::from_nanos(millis.saturating_mul(1_000_000)))
}

/// The day that an id counts for when nobody says another.
pub(super) fn day_of(id: &impl Id) -> BusinessDate {
    made_at(id).unwrap_or_else(client::system::now).date()
}

const fn uuid(mut bytes: [u8; 16], version: u8) -> [u8; 16] {
    let [_, _, _, _, _, _, high, _, variant, ..] = &mut bytes;
    *high = (*high & 0x0f) | (version << 4);
    *variant = (*variant & 0x3f) | 0x80;
    bytes
}

/// Names of accounts, by id.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<AccountId, String>);

impl Names {
    /// Those that this folder knows. A name that is lost shows as its id.
    pub(super) fn read(folder: &Folder) -> Self {
        let text = std::fs::read_to_string(folder.part(NAMES_FILE)).unwrap_or_default();
        Self(text.lines().map(|name| (named(name), name.to_owned())).collect())
    }

    /// Learns one for this command, and shows it from now on.
    pub(super) fn learn(&mut self, given: &Given<AccountId>) {
        if let Some(name) = &given.name {
            self.0.insert(given.id, name.clone());
        }
    }

    /// Keeps one for later commands.
    pub(super) fn keep(folder: &Folder, given: &Given<AccountId>) -> anyhow::Result<()> {
        let path = folder.part(NAMES_FILE);
        let Some(name) = &given.name else { return Ok(()) };
        if Self::read(folder).0.contains_key(&given.id) {
            return Ok(());
        }
        append(&path, name).with_context(|| format!("`{}`", path.display()))
    }

    /// The name, where one is known.
    pub(super) fn of(&self, account: AccountId) -> Option<&str> {
        self.0.get(&account).map(String::as_str)
    }

    /// The name, or the id.
    pub(super) fn shown(&self, account: AccountId) -> String {
        self.of(account).map_or_else(|| account.to_string(), str::to_owned)
    }
}

fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_id_of_each_kind() {
        let alice: Given<AccountId> = "alice".parse().unwrap();
        // Golden: a name that changed its id would move nobody's money and lose everybody's.
        assert_eq!(alice.id.to_string(), "acct_8a79dce8c1c4815782ff9bc9da38102d");
        assert_ne!(alice.id.bytes(), named::<HoldId>("alice").bytes());
        assert_eq!(alice.id.to_string().parse(), Ok(Given { id: alice.id, name: None }));
        assert_eq!(made_at(&alice.id), None);
    }

    #[test]
    fn a_mangled_id_is_no_name() {
        let longest = "a".repeat(48);
        assert!(longest.parse::<Given<AccountId>>().is_ok());
        for bad in ["acct_12", "txn_00000000000000000000000000000000", "", "a b", "-x", "a=b"] {
            assert!(bad.parse::<Given<AccountId>>().is_err(), "{bad}");
        }
        assert!(format!("{longest}a").parse::<Given<AccountId>>().is_err());
    }

    #[test]
    fn a_fresh_id_says_when_it_was_made() {
        let before = client::system::now();
        let id: TransactionId = fresh().unwrap();
        let made = made_at(&id).unwrap();
        assert!(made.nanos() + 1_000_000 > before.nanos() && made <= client::system::now());
        assert_eq!(day_of(&id), made.date());
    }
}
