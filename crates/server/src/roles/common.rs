//! What every role's `role.json` begins with, and how a role fails to start.

use std::path::{Path, PathBuf};

use api::Role;
use api::json::{JsonLimits, read_json_within};
use client::{AddressGuard, CLIENT_LIMITS, Client, ClientLimits, Peer, PeerError};
use seal::PublicKey;
use serde::{Deserialize, Serialize};

use crate::keys::{Descriptor, KeyError};

/// The part of a role's configuration that all roles share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Common {
    /// Where this runs: `sandbox` or `production`.
    pub environment: String,
    /// The role's name, such as `bank-nl.1`.
    pub name: String,
    /// Its base URL, as others call it. Its authority is what requests must be addressed to.
    pub url: String,
    /// The port on 127.0.0.1 that it listens on.
    pub port: u16,
    /// Whom it knows: name, role, URL and public keys. Pinned; nothing is fetched.
    pub peers: Vec<Descriptor>,
}

/// Why a role does not run.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// A configuration file is missing or wrong.
    #[error("`{path}`: {reason}")]
    Configuration {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// A key file.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The port, a socket or a file.
    #[error("{what}: {source}")]
    World {
        /// What was tried.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Something that it holds is damaged or rolled back: it refuses to serve.
    #[error("{0}")]
    Unsound(String),
}

impl RoleError {
    /// A fault of the world.
    pub fn world(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::World { what, source }
    }
}

/// Reads `role.json` strictly.
pub fn read_config<T>(dir: &Path) -> Result<T, RoleError>
where
    T: Serialize + serde::de::DeserializeOwned,
{
    let path = dir.join("role.json");
    let wrong = |reason: String| RoleError::Configuration { path: path.clone(), reason };
    let bytes = std::fs::read(&path).map_err(|e| wrong(e.to_string()))?;
    read_json_within(&bytes, CONFIG_LIMITS).map_err(|e| wrong(e.to_string()))
}

impl Common {
    /// The authority of this role's own URL: `localhost:7001`.
    #[must_use]
    pub fn authority(&self) -> String {
        self.url.trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    /// The known peer of this name.
    #[must_use]
    pub fn peer(&self, name: &str) -> Option<&Descriptor> {
        self.peers.iter().find(|peer| peer.name == name)
    }

    /// The known peers of a role.
    pub fn peers_of(&self, role: Role) -> impl Iterator<Item = &Descriptor> {
        self.peers.iter().filter(move |peer| peer.role == role)
    }

    /// A client that may call exactly the known peers, on loopback too.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_within(CLIENT_LIMITS)
    }

    /// [`Common::client`] with other limits.
    #[must_use]
    pub fn client_within(&self, limits: ClientLimits) -> Client {
        // A peer that has others standing by names several URLs.
        let places = self.peers.iter().flat_map(|peer| peer.url.split_ascii_whitespace());
        let guard = places.fold(AddressGuard::public_only(), |guard, url| {
            guard.allow(url.trim_start_matches("http://").trim_end_matches('/'))
        });
        Client::new(guard, limits)
    }

    /// How to call a known peer whose answers must be signed with its request key.
    pub fn signing_peer(&self, name: &str) -> Result<Peer, RoleError> {
        let found = self.peer(name).and_then(|peer| Some((peer, peer.key("request")?)));
        let (peer, key): (&Descriptor, PublicKey) = found.ok_or_else(|| unknown(name))?;
        Peer::signing(&peer.url, key).map_err(|e: PeerError| RoleError::Unsound(e.to_string()))
    }
}

fn unknown(name: &str) -> RoleError {
    RoleError::Configuration {
        path: PathBuf::from("role.json"),
        reason: format!("expected a peer `{name}` with a request key"),
    }
}

/// A table of as many peers as a gate takes, some 500 bytes each.
const CONFIG_LIMITS: JsonLimits = JsonLimits { bytes: 32 << 20, depth: 24 };
