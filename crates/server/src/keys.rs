//! The keys of one role: seeds in files that only their owner can read, and the public
//! descriptor by which others know it.
//!
//! A folder per role: `keys/<name>.seed` (64 hex digits, mode 0600, folder 0700), `public.json`
//! beside. A file that others can read is refused, not repaired: who read it is unknown. Hardware
//! keys come later behind the same door.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use api::caller::CallersError;
use api::json::{JsonError, read_json};
use api::{Callers, Role};
use client::{Peer, PeerError};
use seal::text::{from_hex_array, to_hex};
use seal::{KeyId, PublicKey, SigningKey};
use serde::{Deserialize, Serialize};

use crate::system::{self, NoEntropy};

/// Why a key file was not accepted or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file system failed.
    #[error("`{path}`: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error("`{path}` has mode {mode:o}, expected {expected:o}: replace it, others may know it")]
    OpenToOthers {
        /// Which file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it must have.
        expected: u32,
    },
    /// Not a seed.
    #[error("`{path}` is no seed of 64 lower-case hex digits and a newline")]
    NoSeed {
        /// Which file.
        path: PathBuf,
    },
    /// The name cannot name a file.
    #[error("expected a key name of `a-z`, `0-9` and `-`, got `{got}`")]
    BadName {
        /// The name.
        got: String,
    },
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The descriptor cannot be read.
    #[error("`{path}`: {source}")]
    Descriptor {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: JsonError,
    },
    /// A descriptor's key id is not that of its key.
    #[error("key `{name}` of `{path}` is named `{id}`, which is not the id of its bytes")]
    WrongId {
        /// Which file.
        path: PathBuf,
        /// The key's name.
        name: String,
        /// The id it claims.
        id: KeyId,
    },
}

/// The folder of a role's keys.
#[derive(Debug)]
pub struct KeyStore {
    folder: PathBuf,
}

impl KeyStore {
    /// Opens `<role_folder>/keys`, making it (mode 0700) if absent.
    pub fn open(role_folder: &Path) -> Result<Self, KeyError> {
        let folder = role_folder.join("keys");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|source| KeyError::File { path: folder.clone(), source })?;
        let metadata = fs::metadata(&folder)
            .map_err(|source| KeyError::File { path: folder.clone(), source })?;
        check_mode(&folder, &metadata, 0o700)?;
        Ok(Self { folder })
    }

    /// The signing key of this name; drawn and made durable first if there is none.
    pub fn signing_key(&self, name: &str) -> Result<SigningKey, KeyError> {
        self.seed(name).map(|seed| SigningKey::from_seed(&seed))
    }

    /// 32 secret bytes of this name, for keys of other kinds; drawn and made durable first if
    /// there are none.
    pub fn seed(&self, name: &str) -> Result<[u8; 32], KeyError> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(KeyError::BadName { got: name.chars().take(64).collect() });
        }
        let path = self.folder.join(format!("{name}.seed"));
        match read_seed(&path) {
            Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.create(&path)
            }
            read => read,
        }
    }

    /// Writes a temporary file, syncs it and links it into place: after a crash there is a whole
    /// seed or none, and of two processes that start together one wins and both read its seed.
    fn create(&self, path: &Path) -> Result<[u8; 32], KeyError> {
        let fault = |source| KeyError::File { path: path.to_owned(), source };
        let seed = system::random::<32>()?;
        let temporary = path.with_extension(format!("{}.new", to_hex(&system::random::<8>()?)));
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(to_hex(&seed).as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            match fs::hard_link(&temporary, path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => fs::remove_file(&temporary)?,
            }
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(fault)?;
        read_seed(path)
    }
}

fn read_seed(path: &Path) -> Result<[u8; 32], KeyError> {
    let fault = |source| KeyError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fault)?;
    // The open file is checked, not the path, which could be swapped in between.
    check_mode(path, &file.metadata().map_err(fault)?, 0o600)?;
    let mut text = String::new();
    Read::by_ref(&mut file).take(66).read_to_string(&mut text).map_err(fault)?;
    text.strip_suffix('\n')
        .and_then(from_hex_array)
        .ok_or_else(|| KeyError::NoSeed { path: path.to_owned() })
}

fn check_mode(path: &Path, metadata: &fs::Metadata, expected: u32) -> Result<(), KeyError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(KeyError::OpenToOthers { path: path.to_owned(), mode, expected })
}

/// Why a descriptor does not serve to know a caller or a server by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// Without that key its requests and answers could be anybody's.
    #[error("`{name}` has no key named `{REQUEST_KEY}`")]
    NoRequestKey {
        /// The role's name.
        name: String,
    },
    /// The table of callers refuses it.
    #[error(transparent)]
    Caller(#[from] CallersError),
    /// Its URL cannot be called.
    #[error(transparent)]
    Url(#[from] PeerError),
}

/// What others may know of a role: `public.json` in its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// What it is.
    pub role: Role,
    /// Its name, such as `edge-a`.
    pub name: String,
    /// Where it is served: `http://127.0.0.1:9000`; with others standing by, several with blanks
    /// between.
    pub url: String,
    /// Its public keys.
    pub keys: Vec<PublicKeyEntry>,
}

/// One public key of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKeyEntry {
    /// What it is for, as its seed file is named: `request`, `permit`, `log` …
    pub name: String,
    /// The id of the key.
    #[serde(with = "api::wire::text")]
    pub id: KeyId,
    /// The key.
    #[serde(with = "api::wire::text")]
    pub public_key: PublicKey,
}

impl Descriptor {
    /// A descriptor without keys.
    #[must_use]
    pub fn new(role: Role, name: &str, url: &str) -> Self {
        Self { role, name: name.to_owned(), url: url.to_owned(), keys: Vec::new() }
    }

    /// Adds the public half of a key.
    #[must_use]
    pub fn with_key(mut self, name: &str, key: &SigningKey) -> Self {
        let public_key = key.public_key();
        self.keys.push(PublicKeyEntry {
            name: name.to_owned(),
            id: public_key.key_id(),
            public_key,
        });
        self
    }

    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<PublicKey> {
        self.keys.iter().find(|key| key.name == name).map(|key| key.public_key)
    }

    /// Admits this role's [`REQUEST_KEY`] to a table of callers.
    pub fn admit_to(&self, callers: &mut Callers) -> Result<(), DescriptorError> {
        Ok(callers.admit(self.request_key()?, self.role, &self.name)?)
    }

    /// This role as a server to call: its answers must be signed with its [`REQUEST_KEY`].
    pub fn peer(&self) -> Result<Peer, DescriptorError> {
        Ok(Peer::signing(&self.url, self.request_key()?)?)
    }

    fn request_key(&self) -> Result<PublicKey, DescriptorError> {
        self.key(REQUEST_KEY)
            .ok_or_else(|| DescriptorError::NoRequestKey { name: self.name.clone() })
    }

    /// Writes `<role_folder>/public.json`, whole or not at all.
    pub fn write(&self, role_folder: &Path) -> Result<(), KeyError> {
        let path = role_folder.join(DESCRIPTOR_FILE);
        let temporary = role_folder.join(".public.json.new");
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(role_folder)?.sync_all()
        };
        write().map_err(|source| KeyError::File { path: path.clone(), source })
    }

    /// Reads `<role_folder>/public.json` and checks that each key id is its key's.
    pub fn read(role_folder: &Path) -> Result<Self, KeyError> {
        let path = role_folder.join(DESCRIPTOR_FILE);
        let bytes =
            fs::read(&path).map_err(|source| KeyError::File { path: path.clone(), source })?;
        let descriptor: Self = read_json(&bytes)
            .map_err(|source| KeyError::Descriptor { path: path.clone(), source })?;
        match descriptor.keys.iter().find(|key| key.public_key.key_id() != key.id) {
            None => Ok(descriptor),
            Some(key) => Err(KeyError::WrongId { path, name: key.name.clone(), id: key.id }),
        }
    }
}

/// The name of the key that signs a role's requests and answers.
pub const REQUEST_KEY: &str = "request";
/// The descriptor's file name.
pub const DESCRIPTOR_FILE: &str = "public.json";
