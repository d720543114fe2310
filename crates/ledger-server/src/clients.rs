//! Who may ask a book for what.

use seal::digest::{Domain, digest};
use seal::{Digest, KeyId, PublicKey, constant_time_eq};
use serde::{Deserialize, Serialize};
use terms::Instant;

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

/// Domain of the digest of an API key's secret: name ‖ 0 ‖ the secret's 32 bytes.
pub const API_KEY_DOMAIN: Domain = Domain::new("wayleave/ledger-http/api-key/v1");

/// What is kept of a client's API key: enough to know it again, not enough to use it.
#[must_use]
pub fn api_key_digest(name: &str, secret: &[u8; 32]) -> Digest {
    digest(API_KEY_DOMAIN, &[name.as_bytes(), &[0], secret].concat())
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
    /// [`api_key_digest`] of its key for HTTP; without one it has none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "digest_text")]
    pub api_key: Option<Digest>,
    /// From when on that key is no longer good, nanoseconds since 1970; never without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key_until_nanos: Option<u64>,
}

impl Client {
    /// A client without an API key.
    #[must_use]
    pub fn new(number: u32, name: &str, key: PublicKey, may: Vec<May>) -> Self {
        let (name, api_key, api_key_until_nanos) = (name.to_owned(), None, None);
        Self { number, name, key, may, api_key, api_key_until_nanos }
    }

    /// From when on its API key is no longer good.
    #[must_use]
    pub fn api_key_until(&self) -> Option<Instant> {
        self.api_key_until_nanos.map(Instant::from_nanos)
    }

    /// Replaces its API key, or takes it away.
    pub fn set_api_key(&mut self, digest: Option<Digest>, until: Option<Instant>) {
        self.api_key = digest;
        self.api_key_until_nanos = until.map(Instant::nanos);
    }

    /// Whether its API key, shown at this moment, is still good.
    #[must_use]
    pub fn api_key_is_good(&self, now: Instant) -> bool {
        self.api_key_until().is_none_or(|until| now < until)
    }
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

    /// The client of this name, when the secret is that of its API key. An unknown name costs the
    /// same time as a wrong secret.
    #[must_use]
    pub fn with_api_key(&self, name: &str, secret: &[u8; 32]) -> Option<&Client> {
        let client = self.0.iter().find(|client| client.name == name);
        let kept = client.and_then(|client| client.api_key);
        let shown = api_key_digest(name, secret);
        let same = constant_time_eq(kept.unwrap_or(Digest::ZERO).as_bytes(), shown.as_bytes());
        client.filter(|_| same && kept.is_some())
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

/// A digest as its text, or nothing.
mod digest_text {
    use seal::Digest;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        digest: &Option<Digest>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => to.collect_str(digest),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(
        from: D,
    ) -> Result<Option<Digest>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
    }
}
