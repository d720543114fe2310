//! What lies on disk: one folder per book.
//!
//! `book.json` (its name), `clients.json` (who may ask), `keys/<name>.seed` (clients' keys made
//! here, mode 0600), `address` (where it last listened), and what the threads keep: `journal`,
//! `images`, `ids`, `log`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use seal::SigningKey;
use seal::text::{from_hex_array, to_hex};
use serde::{Deserialize, Serialize};
use terms::BookName;

use crate::clients::{Client, Clients, May, api_key_digest};
use crate::personal::PersonalKeys;

const BOOK_FILE: &str = "book.json";
const CLIENTS_FILE: &str = "clients.json";
const ADDRESS_FILE: &str = "address";
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
        if path.join(BOOK_FILE).exists() {
            return Err(FolderError::Exists(path.to_owned()));
        }
        make_folder(path)?;
        make_folder(&path.join("keys"))?;
        let folder = Self { path: path.to_owned(), book };
        folder.add_client(FIRST_CLIENT, vec![May::Read, May::Post, May::Manage])?;
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
        let mut clients = self.clients()?;
        if clients.0.iter().any(|client| client.name == name) {
            return Err(FolderError::NameTaken(name.to_owned()));
        }
        let seed: [u8; 32] = client::system::random()?;
        let key = SigningKey::from_seed(&seed);
        let seed_file = format!("keys/{name}.seed");
        self.put(&seed_file, format!("{}\n", to_hex(&seed)).as_bytes(), SECRET_FILE_MODE)?;
        let number = clients.next_number();
        let client =
            Client { number, name: name.to_owned(), key: key.public_key(), may, api_key: None };
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
        let mut clients = self.clients()?;
        let client = clients.0.iter_mut().find(|client| client.name == name);
        let client = client.ok_or_else(|| FolderError::NoClient(name.to_owned()))?;
        let secret: [u8; 32] = client::system::random()?;
        client.api_key = Some(api_key_digest(name, &secret));
        self.put(CLIENTS_FILE, &json(&clients), SECRET_FILE_MODE)?;
        Ok(format!("{name}.{}", to_hex(&secret)))
    }

    /// The key of a client that was made here.
    ///
    /// # Errors
    /// [`FolderError`]; also when others may read it.
    pub fn client_key(&self, name: &str) -> Result<SigningKey, FolderError> {
        let path = self.path.join("keys").join(format!("{name}.seed"));
        let failed = |source| FolderError::File { path: path.clone(), source };
        let malformed = |problem: &str| FolderError::Malformed {
            path: path.clone(),
            problem: problem.to_owned(),
        };
        let mode = fs::metadata(&path).map_err(failed)?.permissions().mode() & 0o777;
        if mode != SECRET_FILE_MODE {
            return Err(malformed("others may read it: replace it, others may know it"));
        }
        let text = fs::read_to_string(&path).map_err(failed)?;
        let seed = text.strip_suffix('\n').and_then(from_hex_array);
        let seed = seed.ok_or_else(|| malformed("expected 64 lower-case hex digits"))?;
        Ok(SigningKey::from_seed(&seed))
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
