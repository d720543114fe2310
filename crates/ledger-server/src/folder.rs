//! What lies on disk: one folder per book.
//!
//! `book.json` (its name), `clients.json` (who may ask), `keys/<name>.seed` (clients' keys made
//! here, mode 0600), `keys/log.skey` and `log.vkey` (the key of the log's checkpoints), `address`
//! (where it last listened), `clock.json` (what the clocks said when it was last started), and what
//! the threads keep: `journal`, `images`, `ids`, `log`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use client::Anchor;
use evidence::{KeyName, NoteSigner, VerifierKey};
use seal::SigningKey;
use seal::text::{from_hex_array, to_hex};
use serde::{Deserialize, Serialize};
use terms::{BookName, Instant};

use crate::clients::{Client, Clients, May, api_key_digest};
use crate::personal::PersonalKeys;

const BOOK_FILE: &str = "book.json";
const CLIENTS_FILE: &str = "clients.json";
/// What both clocks said when the book was last started.
pub const CLOCK_FILE: &str = "clock.json";
const ADDRESS_FILE: &str = "address";
pub(crate) const LOG_KEY_FILE: &str = "keys/log.skey";
pub(crate) const LOG_VKEY_FILE: &str = "log.vkey";
/// Name of the client that [`Folder::create`] registers: it may everything.
pub const FIRST_CLIENT: &str = "operator";
const SECRET_FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system failed.
    #[error("`{path}`: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a book already.
    #[error("`{0}` holds a book already: choose another folder")]
    Exists(PathBuf),
    /// There is no book.
    #[error("`{0}` holds no book: make one with `wayleave ledger init --dir {0}`")]
    NoBook(PathBuf),
    /// A file is not what it should be.
    #[error("`{path}`: {problem}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Another client has this name.
    #[error("there is a client `{0}` already: choose another name")]
    NameTaken(String),
    /// Nobody has this name.
    #[error("there is no client `{0}`")]
    NoClient(String),
    /// The name cannot name a file.
    #[error("expected a name of `a-z`, `0-9` and `-`, got `{0}`")]
    BadName(String),
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] client::system::NoEntropy),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BookFile {
    book: String,
}

/// The folder of one book.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    book: BookName,
}

impl Folder {
    /// Makes a folder for a new book, with a first client that may everything.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn create(path: &Path, book: BookName) -> Result<Self, FolderError> {
        Self::create_with(path, book, None)
    }

    /// [`Folder::create`], with a name for the book's log: what checkpoints begin with, best a
    /// host name of the owner and a path. `None` for [`default_origin`].
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn create_with(
        path: &Path,
        book: BookName,
        origin: Option<KeyName>,
    ) -> Result<Self, FolderError> {
        if path.join(BOOK_FILE).exists() {
            return Err(FolderError::Exists(path.to_owned()));
        }
        make_folder(path)?;
        make_folder(&path.join("keys"))?;
        let folder = Self { path: path.to_owned(), book };
        folder.add_client(FIRST_CLIENT, vec![May::Read, May::Post, May::Manage])?;
        folder.make_log_key(origin.unwrap_or_else(|| default_origin(&book)))?;
        // Written last: with it the folder holds a book.
        folder.put(BOOK_FILE, &json(&BookFile { book: book.to_string() }), SECRET_FILE_MODE)?;
        Ok(folder)
    }

    /// The folder of a book that was made before.
    ///
    /// # Errors
    /// [`FolderError::NoBook`] and the like.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let file = path.join(BOOK_FILE);
        if !file.exists() {
            return Err(FolderError::NoBook(path.to_owned()));
        }
        let BookFile { book } = read_json(&file)?;
        let book = book
            .parse()
            .map_err(|error| FolderError::Malformed { path: file, problem: format!("{error}") })?;
        Ok(Self { path: path.to_owned(), book })
    }

    /// The book's name.
    #[must_use]
    pub const fn book(&self) -> BookName {
        self.book
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder in it.
    #[must_use]
    pub fn part(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The keys that seal what is about persons.
    #[must_use]
    pub fn personal_keys(&self) -> PersonalKeys {
        PersonalKeys::new(self.part("personal"), self.book)
    }

    /// Who may ask.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn clients(&self) -> Result<Clients, FolderError> {
        let path = self.path.join(CLIENTS_FILE);
        if path.exists() { read_json(&path) } else { Ok(Clients::default()) }
    }

    /// Registers a client with a key made here. A running book learns of it when it starts again.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn add_client(&self, name: &str, may: Vec<May>) -> Result<Client, FolderError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 40 || !name.chars().all(plain) {
            return Err(FolderError::BadName(name.to_owned()));
        }
        let _alone = self.alone()?;
        let mut clients = self.clients()?;
        if clients.0.iter().any(|client| client.name == name) {
            return Err(FolderError::NameTaken(name.to_owned()));
        }
        let seed: [u8; 32] = client::system::random()?;
        let key = SigningKey::from_seed(&seed);
        let seed_file = format!("keys/{name}.seed");
        self.put(&seed_file, format!("{}\n", to_hex(&seed)).as_bytes(), SECRET_FILE_MODE)?;
        let number = clients.next_number();
        let client = Client::new(number, name, key.public_key(), may);
        clients.0.push(client.clone());
        self.put(CLIENTS_FILE, &json(&clients), SECRET_FILE_MODE)?;
        Ok(client)
    }

    /// Makes an API key for a client and replaces the one it had. Only its digest is kept: what is
    /// returned (`<name>.<64 hex digits>`) can be shown this once. A running book learns of it when
    /// it starts again.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn make_api_key(&self, name: &str) -> Result<String, FolderError> {
        self.make_api_key_until(name, None)
    }

    /// [`Folder::make_api_key`], good until a moment.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn make_api_key_until(
        &self,
        name: &str,
        until: Option<Instant>,
    ) -> Result<String, FolderError> {
        let secret: [u8; 32] = client::system::random()?;
        let digest = api_key_digest(name, &secret);
        self.change_client(name, |client| client.set_api_key(Some(digest), until))?;
        Ok(format!("{name}.{}", to_hex(&secret)))
    }

    /// Takes a client's API key away; whether it had one. A running book learns of it when it
    /// starts again.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn revoke_api_key(&self, name: &str) -> Result<bool, FolderError> {
        self.change_client(name, |client| {
            let had = client.api_key.is_some();
            client.set_api_key(None, None);
            had
        })
    }

    fn change_client<R>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Client) -> R,
    ) -> Result<R, FolderError> {
        let _alone = self.alone()?;
        let mut clients = self.clients()?;
        let client = clients.0.iter_mut().find(|client| client.name == name);
        let client = client.ok_or_else(|| FolderError::NoClient(name.to_owned()))?;
        let changed = change(client);
        self.put(CLIENTS_FILE, &json(&clients), SECRET_FILE_MODE)?;
        Ok(changed)
    }

    /// The key of a client that was made here.
    ///
    /// # Errors
    /// [`FolderError`]; also when others may read it.
    pub fn client_key(&self, name: &str) -> Result<SigningKey, FolderError> {
        let path = self.path.join("keys").join(format!("{name}.seed"));
        let malformed = |problem: &str| FolderError::Malformed {
            path: path.clone(),
            problem: problem.to_owned(),
        };
        let text = read_secret(&path)?;
        let seed = text.strip_suffix('\n').and_then(from_hex_array);
        let seed = seed.ok_or_else(|| malformed("expected 64 lower-case hex digits"))?;
        Ok(SigningKey::from_seed(&seed))
    }

    /// The key that signs the log's checkpoints. A folder of an older version gets one.
    ///
    /// # Errors
    /// [`FolderError`]; also when others may read it.
    pub fn log_signer(&self) -> Result<NoteSigner, FolderError> {
        let path = self.path.join(LOG_KEY_FILE);
        if !path.exists() {
            return self.make_log_key(default_origin(&self.book));
        }
        let text = read_secret(&path)?;
        let signer = NoteSigner::from_skey(text.trim_end_matches('\n'));
        signer.map_err(|error| FolderError::Malformed { path, problem: error.to_string() })
    }

    fn make_log_key(&self, origin: KeyName) -> Result<NoteSigner, FolderError> {
        let seed: [u8; 32] = client::system::random()?;
        let signer = NoteSigner::new(origin, SigningKey::from_seed(&seed));
        self.put(LOG_KEY_FILE, format!("{}\n", signer.to_skey()).as_bytes(), SECRET_FILE_MODE)?;
        let public = format!("{}\n", signer.verifier());
        self.put(LOG_VKEY_FILE, public.as_bytes(), SECRET_FILE_MODE)?;
        Ok(signer)
    }

    /// The public half of the log's key, as strangers are given it.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn log_key(&self) -> Result<VerifierKey, FolderError> {
        Ok(self.log_signer()?.verifier().clone())
    }

    /// Where the guard lies unless it is said otherwise: beside the folder, not in it.
    #[must_use]
    pub fn guard_path(&self) -> PathBuf {
        guard_path(&self.path)
    }

    /// Keeps what the clocks are to be measured by when the book starts again.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn note_clock(&self, anchor: &Anchor) -> Result<(), FolderError> {
        self.put(CLOCK_FILE, anchor.to_json().as_bytes(), SECRET_FILE_MODE)
    }

    /// What the clocks said when the book was last started, or when a person last said that they
    /// are right; `None` when that was never kept.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn clock(&self) -> Result<Option<Anchor>, FolderError> {
        let path = self.path.join(CLOCK_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let failed = |source| FolderError::File { path: path.clone(), source };
        let bytes = fs::read(&path).map_err(failed)?;
        let read = Anchor::from_json(&bytes);
        read.map(Some).map_err(|problem| FolderError::Malformed { path, problem })
    }

    /// Notes where the book listens, for tools on this machine.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn note_address(&self, address: std::net::SocketAddr) -> Result<(), FolderError> {
        self.put(ADDRESS_FILE, format!("{address}\n").as_bytes(), SECRET_FILE_MODE)
    }

    /// Where the book last listened.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn address(&self) -> Result<std::net::SocketAddr, FolderError> {
        let path = self.path.join(ADDRESS_FILE);
        let failed = |source| FolderError::File { path: path.clone(), source };
        let text = fs::read_to_string(&path).map_err(failed)?;
        let malformed =
            |_| FolderError::Malformed { path: path.clone(), problem: "no address".into() };
        text.trim_end().parse().map_err(malformed)
    }

    /// Keeps others who change the clients out until it is dropped: what one of them writes holds
    /// what the one before wrote. The kernel lets go of it when the process dies.
    fn alone(&self) -> Result<File, FolderError> {
        let failed = |source| FolderError::File { path: self.path.clone(), source };
        let folder = File::open(&self.path).map_err(failed)?;
        folder.lock().map_err(failed)?;
        Ok(folder)
    }

    /// Puts a whole file in place, or leaves the old one.
    fn put(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.new"));
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(mode);
            let mut file = options.open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(path.parent().unwrap_or(&self.path))?.sync_all()
        };
        write().map_err(|source| FolderError::File { path: path.clone(), source })
    }
}

/// The text of a file that nobody else may read.
fn read_secret(path: &Path) -> Result<String, FolderError> {
    let failed = |source| FolderError::File { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode != SECRET_FILE_MODE {
        let problem = "others may read it: replace it, others may know it".to_owned();
        return Err(FolderError::Malformed { path: path.to_owned(), problem });
    }
    fs::read_to_string(path).map_err(failed)
}

/// The name of a book's log when no other was given. It names nobody: `.invalid` is no host.
#[must_use]
#[expect(clippy::expect_used, reason = "INVARIANT PlainOrigin")]
pub fn default_origin(book: &BookName) -> KeyName {
    // INVARIANT (PlainOrigin): a book's name has no spaces, and without its `+` it is a part of a
    // key name. Guard: `BookName`'s parser.
    let name = book.as_str().replace('+', "-");
    format!("ledger.invalid/{name}").parse().expect("a book's name is part of a key name")
}

/// Where the guard of the book in a folder lies unless it is said otherwise.
#[must_use]
pub fn guard_path(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".guard");
    folder.with_file_name(name)
}

fn make_folder(path: &Path) -> Result<(), FolderError> {
    let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path);
    made.map_err(|source| FolderError::File { path: path.to_owned(), source })
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // INVARIANT (PlainJson): names, numbers and words only; they always serialise.
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn read_json<T: for<'d> Deserialize<'d>>(path: &Path) -> Result<T, FolderError> {
    let bytes =
        fs::read(path).map_err(|source| FolderError::File { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|error| FolderError::Malformed {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_clients_at_the_same_time_are_all_kept() {
        let name = format!("wayleave-clients-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        let folder = Folder::create(&path, "book".parse().unwrap()).unwrap();
        for name in ["kept", "revoked"] {
            folder.add_client(name, vec![May::Read]).unwrap();
            folder.make_api_key(name).unwrap();
        }
        let (threads, each) = (4, 8);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let folder = &folder;
                scope.spawn(move || {
                    for number in 0..each {
                        folder.add_client(&format!("c{thread}-{number}"), vec![May::Post]).unwrap();
                    }
                });
            }
            assert!(folder.revoke_api_key("revoked").unwrap());
        });
        let clients = folder.clients().unwrap();
        let has_key = |name: &str| clients.0.iter().any(|c| c.name == name && c.api_key.is_some());
        assert!(has_key("kept") && !has_key("revoked"));
        assert_eq!(clients.0.len(), 3 + threads * each);
        let numbers: std::collections::BTreeSet<u32> =
            clients.0.iter().map(|client| client.number).collect();
        assert_eq!(numbers.len(), clients.0.len(), "each has a number of its own");
        fs::remove_dir_all(&path).unwrap();
    }
}
