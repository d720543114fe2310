//! Who may call: roles, and the table that ties a key to a role and a name.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use seal::{KeyId, PublicKey};
use serde::{Deserialize, Serialize};

/// What a process of ours is. Each role is a process of its own, with keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The settlement book and its log.
    Core,
    /// An institution's edge: decides on one side.
    Edge,
    /// A dealer who signs quotes.
    Provider,
    /// A register, tax office or bureau.
    Issuer,
    /// A supervisor's cosigner.
    Witness,
    /// A company's wallet.
    Wallet,
    /// A person who operates a role.
    Operator,
    /// A supervisor's evidence node.
    Supervisor,
    /// An institution's own book.
    Bank,
    /// The rail simulator: what stands at the other end of a rail in the sandbox.
    Rail,
}

impl Role {
    /// Every role, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::Core,
        Self::Edge,
        Self::Provider,
        Self::Issuer,
        Self::Witness,
        Self::Wallet,
        Self::Operator,
        Self::Supervisor,
        Self::Bank,
        Self::Rail,
    ];

    /// The word for it on the wire and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Edge => "edge",
            Self::Provider => "provider",
            Self::Issuer => "issuer",
            Self::Witness => "witness",
            Self::Wallet => "wallet",
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Bank => "bank",
            Self::Rail => "rail",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a role such as `core` or `edge`, got `{got}`")]
pub struct UnknownRole {
    /// The word, cut to 64 characters.
    pub got: String,
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole { got: text.chars().take(64).collect() })
    }
}

/// Who spoke: made only by a signature that verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    role: Role,
    name: String,
    key: PublicKey,
}

impl Caller {
    /// What the caller is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The caller's name in our table, such as `edge-a`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key it signed with.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// The name of that key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key.key_id()
    }
}

/// The keys that may call, each with its role and name. At most [`CALLERS_MAX`].
#[derive(Clone, Debug, Default)]
pub struct Callers(BTreeMap<KeyId, Caller>);

/// The table is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallersError {
    /// One key would speak for two callers.
    #[error("key `{key}` already belongs to `{name}`")]
    KeyTaken {
        /// The key.
        key: KeyId,
        /// Who has it.
        name: String,
    },
    /// Too many callers.
    #[error("at most {CALLERS_MAX} callers fit the table")]
    Full,
}

impl Callers {
    /// A table without anybody: every signed request is refused.
    #[must_use]
    pub const fn nobody() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a caller. One key speaks for one caller only; a caller may have several keys.
    pub fn admit(&mut self, key: PublicKey, role: Role, name: &str) -> Result<(), CallersError> {
        let id = key.key_id();
        if let Some(holder) = self.0.get(&id) {
            return Err(CallersError::KeyTaken { key: id, name: holder.name.clone() });
        }
        if self.0.len() >= CALLERS_MAX {
            return Err(CallersError::Full);
        }
        self.0.insert(id, Caller { role, name: name.to_owned(), key });
        Ok(())
    }

    /// The caller of this key id: a name to check a signature against, not yet proof of anything.
    pub(crate) fn find(&self, id: &KeyId) -> Option<&Caller> {
        self.0.get(id)
    }

    /// How many keys may call.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody may call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Callers of one role process: partners, wallets and persons of one institution; 65 536 entries
/// of about 200 bytes stay below 16 MiB.
pub const CALLERS_MAX: usize = 65_536;
