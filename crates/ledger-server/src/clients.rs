//! Who may ask a book for what.

use seal::{KeyId, PublicKey};
use serde::{Deserialize, Serialize};

/// What a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum May {
    /// Balances, statements, what became of an id.
    Read,
    /// Transactions and holds.
    Post,
    /// Accounts, their limits and freezes.
    Manage,
}

/// A client of the book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its number in the book's facts, from 1; never given to another.
    pub number: u32,
    /// What people call it.
    pub name: String,
    /// The key that it proves.
    #[serde(with = "text")]
    pub key: PublicKey,
    /// What it may ask for.
    pub may: Vec<May>,
}

/// All clients of a book.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Clients(pub Vec<Client>);

impl Clients {
    /// The client that has this key.
    #[must_use]
    pub fn with_key(&self, key: &KeyId) -> Option<&Client> {
        self.0.iter().find(|client| client.key.key_id() == *key)
    }

    /// Whether a client may.
    #[must_use]
    pub fn may(&self, number: u32, what: May) -> bool {
        self.0.iter().any(|client| client.number == number && client.may.contains(&what))
    }

    /// The number of the next new client.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        self.0.iter().map(|client| client.number).max().unwrap_or(0).saturating_add(1)
    }
}

/// A public key as its text.
mod text {
    use seal::PublicKey;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(key: &PublicKey, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(key)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<PublicKey, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
