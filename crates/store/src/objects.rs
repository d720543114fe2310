//! Objects that are written whole and conditionally: an S3 bucket, a folder, memory.
//!
//! What a backup and [`ObjectJournal`] need of a place is small, and nothing of it may be weaker
//! than said here: a name is *created* once, whoever races for it, and a named object is *updated*
//! by whoever knows its present version, and by nobody else. [`Target::parse`] reads where.

mod dial;
mod folder;
mod object_journal;
mod remote;

use std::path::PathBuf;
use std::sync::Arc;

pub use folder::FolderObjects;
pub use object_journal::{ObjectJournal, OpenObjectsError};
pub use remote::RemoteObjects;

/// Largest object that is read: nothing of ours is near it, so a larger one is not ours.
pub const OBJECT_BYTES_MAX: u64 = 64 << 20;

/// A place of objects with flat names of parts joined by `/`.
///
/// The contract, checked by [`contract`] on every adapter: each call is atomic; what was created
/// or updated is durable as the place promises, and seen by every later call of anybody. Of any
/// number of racing creators of one name, or updaters of one version, one wins.
pub trait Objects: Send + Sync + std::fmt::Debug {
    /// Creates an object, if none of that name is there.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, ObjectError>;

    /// Replaces an object that has this version.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn update(&self, name: &str, bytes: &[u8], known: &Version) -> Result<Updated, ObjectError>;

    /// An object with its version; `None` when there is none.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn read(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, ObjectError>;

    /// The names of the objects in a folder of names (no deeper), sorted.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError>;

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// [`ObjectError`].
    fn remove(&self, name: &str) -> Result<(), ObjectError>;
}

/// What tells one content of an object from another. Opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub(crate) String);

/// How a creation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// It is there, by this call.
    Done(Version),
    /// An object of this name was there. Nothing was changed.
    Exists,
}

/// How an update ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Updated {
    /// It is there, by this call.
    Done(Version),
    /// The object has another version, or is gone. Nothing was changed.
    Moved,
}

/// Why a place did not answer as it must. [`ObjectError::NotDone`] and [`ObjectError::Unknown`]
/// are never merged: after the second a write may have happened, and is to be read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Surely nothing happened.
    #[error("`{name}`: {why}")]
    NotDone {
        /// The object, or what else was asked for.
        name: String,
        /// Why.
        why: String,
    },
    /// It may have happened.
    #[error("`{name}`: no answer, so it may or may not be there: {why}")]
    Unknown {
        /// The object.
        name: String,
        /// Why.
        why: String,
    },
}

impl ObjectError {
    pub(crate) fn not_done(name: &str, why: impl std::fmt::Display) -> Self {
        Self::NotDone { name: name.to_owned(), why: why.to_string() }
    }
}

/// Why a place cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Its address is none.
    #[error("expected `s3://BUCKET/PREFIX` or `file:FOLDER`, got `{0}`")]
    Address(String),
    /// Unencrypted, and not on this machine.
    #[error("`{0}`: plain http is for this machine only; use https")]
    Plain(String),
    /// The library refuses the configuration.
    #[error("`{address}`: {why}")]
    Config {
        /// The address.
        address: String,
        /// Why.
        why: String,
    },
}

/// A place as it is named on a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    address: String,
    endpoint: Option<String>,
    roots: Option<PathBuf>,
}

impl Target {
    /// `s3://BUCKET/PREFIX`, `file:FOLDER` or `file:///FOLDER`.
    #[must_use]
    pub fn parse(address: &str) -> Self {
        Self { address: address.to_owned(), endpoint: None, roots: None }
    }

    /// Another server than Amazon's, as a URL. Without it `AWS_ENDPOINT_URL` says so, if set.
    #[must_use]
    pub fn at_endpoint(mut self, endpoint: Option<String>) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Certificates that a server's is checked by, PEM, instead of the system's.
    #[must_use]
    pub fn trusting(mut self, roots: Option<PathBuf>) -> Self {
        self.roots = roots;
        self
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Opens the place. Credentials of a bucket come from the environment (`AWS_*`), from nowhere
    /// else.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn open(&self) -> Result<Arc<dyn Objects>, TargetError> {
        if let Some(rest) = self.address.strip_prefix("file:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() {
                return Err(TargetError::Address(self.address.clone()));
            }
            return Ok(Arc::new(FolderObjects::new(PathBuf::from(path))));
        }
        let Some(rest) = self.address.strip_prefix("s3://") else {
            return Err(TargetError::Address(self.address.clone()));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(TargetError::Address(self.address.clone()));
        }
        let place = remote::Bucket {
            bucket,
            prefix: prefix.trim_matches('/'),
            endpoint: self.endpoint.as_deref(),
            roots: self.roots.clone(),
        };
        Ok(Arc::new(RemoteObjects::s3(&self.address, &place)?))
    }
}

/// Creates an object, or finds that the same one is there: what a run that was killed had already
/// done, or a try whose answer was lost.
///
/// # Errors
/// [`ObjectError`]; [`Created::Exists`] only when other bytes are there.
pub fn create_once(
    objects: &dyn Objects,
    name: &str,
    bytes: &[u8],
) -> Result<Created, ObjectError> {
    let tried = objects.create(name, bytes);
    match &tried {
        Ok(Created::Done(_)) | Err(ObjectError::NotDone { .. }) => return tried,
        Ok(Created::Exists) | Err(ObjectError::Unknown { .. }) => {}
    }
    match objects.read(name)? {
        Some((there, version)) if there == bytes => Ok(Created::Done(version)),
        Some(_) => Ok(Created::Exists),
        None => tried,
    }
}

/// Updates an object, or finds that an answer was lost and the update was done.
///
/// # Errors
/// [`ObjectError`].
pub fn update_once(
    objects: &dyn Objects,
    name: &str,
    bytes: &[u8],
    known: &Version,
) -> Result<Updated, ObjectError> {
    let tried = objects.update(name, bytes, known);
    match &tried {
        Ok(Updated::Done(_)) | Err(ObjectError::NotDone { .. }) => return tried,
        Ok(Updated::Moved) | Err(ObjectError::Unknown { .. }) => {}
    }
    match objects.read(name)? {
        Some((there, version)) if there == bytes => Ok(Updated::Done(version)),
        Some(_) | None => tried,
    }
}

/// Every clause of [`Objects`], on an empty place. Used by the tests of each adapter.
///
/// # Panics
/// When the adapter breaks the contract.
#[cfg(any(test, feature = "testkit"))]
#[expect(clippy::panic, clippy::expect_used, reason = "a contract suite stops at a breach")]
pub fn contract(objects: &dyn Objects) {
    assert_eq!(objects.read("one"), Ok(None));
    assert_eq!(objects.list("a/b"), Ok(Vec::new()));
    let Ok(Created::Done(_)) = objects.create("a/b/2", b"two") else { panic!("not created") };
    let Ok(Created::Done(_)) = objects.create("a/b/1", b"one") else { panic!("not created") };
    assert_eq!(objects.create("a/b/1", b"other"), Ok(Created::Exists));
    let (bytes, version) = objects.read("a/b/1").expect("readable").expect("there");
    assert_eq!(bytes, b"one", "a second creation changed an object");
    assert_eq!(objects.list("a/b"), Ok(vec!["a/b/1".to_owned(), "a/b/2".to_owned()]));
    let Ok(Updated::Done(newer)) = objects.update("a/b/1", b"uno", &version) else {
        panic!("not updated")
    };
    assert_ne!(newer, version);
    assert_eq!(objects.update("a/b/1", b"due", &version), Ok(Updated::Moved));
    assert_eq!(objects.read("a/b/1"), Ok(Some((b"uno".to_vec(), newer.clone()))));
    assert_eq!(objects.update("a/b/none", b"x", &newer), Ok(Updated::Moved));
    races(objects);
    objects.remove("a/b/1").expect("removed");
    objects.remove("a/b/1").expect("removed already");
    assert_eq!(objects.read("a/b/1"), Ok(None));
}

/// Two writers at once, many times: one wins each time, and what is there is the winner's.
#[cfg(any(test, feature = "testkit"))]
#[expect(clippy::panic, clippy::expect_used, reason = "a contract suite stops at a breach")]
fn races(objects: &dyn Objects) {
    let both = |step: &(dyn Fn(&[u8]) -> bool + Sync)| {
        std::thread::scope(|scope| {
            let left = scope.spawn(|| step(b"left"));
            let right = step(b"right");
            (left.join().expect("no panic"), right)
        })
    };
    let winner = |ends: (bool, bool)| match ends {
        (true, false) => b"left".to_vec(),
        (false, true) => b"right".to_vec(),
        (true, true) => panic!("both writers won"),
        (false, false) => panic!("no writer won"),
    };
    for round in 0..20 {
        let name = format!("race/{round}");
        let create = |bytes: &[u8]| {
            let end = create_once(objects, &name, bytes).expect("an answer");
            matches!(end, Created::Done(_))
        };
        let won = winner(both(&create));
        let (there, version) = objects.read(&name).expect("readable").expect("there");
        assert_eq!(there, won);
        let update = |bytes: &[u8]| {
            let bytes = [bytes, b" again"].concat();
            let end = update_once(objects, &name, &bytes, &version).expect("an answer");
            matches!(end, Updated::Done(_))
        };
        let won = [winner(both(&update)), b" again".to_vec()].concat();
        assert_eq!(objects.read(&name).expect("readable").expect("there").0, won);
    }
}

#[cfg(test)]
#[path = "objects/tests.rs"]
mod tests;
