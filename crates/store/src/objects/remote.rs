//! Objects in a bucket, by other people's library: S3 and memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutResult, RetryConfig, UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};

use super::dial::{Dial, is_loopback};
use super::{Created, OBJECT_BYTES_MAX, ObjectError, Objects, TargetError, Updated, Version};

/// Tries of one request and the time for all of them: a backup that waits longer says so and is
/// run again.
const RETRIES_MAX: usize = 4;
const RETRY_FOR: Duration = Duration::from_secs(30);

/// What a version is made of where a place names one only.
const SEPARATOR: char = '\n';

/// A bucket as it was named.
pub(super) struct Bucket<'a> {
    pub(super) bucket: &'a str,
    pub(super) prefix: &'a str,
    pub(super) endpoint: Option<&'a str>,
    pub(super) roots: Option<PathBuf>,
}

/// A store of the library, with the threads that its requests run on.
#[derive(Debug)]
pub struct RemoteObjects {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    runtime: Runtime,
}

impl RemoteObjects {
    pub(super) fn s3(address: &str, place: &Bucket<'_>) -> Result<Self, TargetError> {
        let config = |why: String| TargetError::Config { address: address.to_owned(), why };
        let named = std::env::var("AWS_ENDPOINT_URL").ok();
        let endpoint = place.endpoint.map(str::to_owned).or(named);
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(place.bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(RetryConfig {
                max_retries: RETRIES_MAX,
                retry_timeout: RETRY_FOR,
                ..RetryConfig::default()
            })
            .with_http_connector(Dial::new(place.roots.clone()));
        if std::env::var_os("AWS_REGION").is_none()
            && std::env::var_os("AWS_DEFAULT_REGION").is_none()
        {
            builder = builder.with_region("us-east-1");
        }
        if std::env::var_os("AWS_ACCESS_KEY_ID").is_none() {
            let why = "no credentials: set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`";
            return Err(config(why.to_owned()));
        }
        // Whatever the environment says: money's history is not sent in the clear.
        builder = builder.with_allow_http(false);
        if let Some(endpoint) = endpoint {
            let plain = endpoint.starts_with("http://");
            if plain && !is_loopback(&endpoint) {
                return Err(TargetError::Plain(endpoint));
            }
            builder = builder.with_endpoint(endpoint).with_allow_http(plain);
        }
        let store = builder.build().map_err(|error| config(error.to_string()))?;
        Self::new(Arc::new(store), place.prefix).map_err(config)
    }

    /// Objects in memory, gone with the value: for tests.
    ///
    /// # Errors
    /// In words, when no thread can be had.
    pub fn in_memory() -> Result<Self, String> {
        Self::new(Arc::new(object_store::memory::InMemory::new()), "")
    }

    fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, String> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        Ok(Self { store, prefix: prefix.to_owned(), runtime })
    }

    fn path(&self, name: &str) -> Path {
        Path::from(if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.prefix)
        })
    }

    fn put(&self, name: &str, bytes: &[u8], mode: PutMode) -> Result<PutResult, Error> {
        let options = PutOptions { mode, ..PutOptions::default() };
        let (path, bytes) = (self.path(name), bytes.to_vec());
        self.runtime.block_on(self.store.put_opts(&path, bytes.into(), options))
    }
}

impl Objects for RemoteObjects {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, ObjectError> {
        match self.put(name, bytes, PutMode::Create) {
            Ok(put) => Ok(Created::Done(version(put.e_tag, put.version))),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Created::Exists),
            Err(error) => Err(fault(name, &error)),
        }
    }

    fn update(&self, name: &str, bytes: &[u8], known: &Version) -> Result<Updated, ObjectError> {
        let (tag, version_id) = known.0.split_once(SEPARATOR).unwrap_or((&known.0, ""));
        let present = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let known = UpdateVersion { e_tag: present(tag), version: present(version_id) };
        match self.put(name, bytes, PutMode::Update(known)) {
            Ok(put) => Ok(Updated::Done(version(put.e_tag, put.version))),
            Err(Error::Precondition { .. } | Error::NotFound { .. }) => Ok(Updated::Moved),
            Err(error) => Err(fault(name, &error)),
        }
    }

    fn read(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, ObjectError> {
        let path = self.path(name);
        let read = self.runtime.block_on(async {
            let found = self.store.get(&path).await?;
            let known = version(found.meta.e_tag.clone(), found.meta.version.clone());
            if found.meta.size > OBJECT_BYTES_MAX {
                return Ok(Err(found.meta.size));
            }
            Ok(Ok((found.bytes().await?.to_vec(), known)))
        });
        match read {
            Ok(Ok(found)) => Ok(Some(found)),
            Ok(Err(size)) => Err(ObjectError::not_done(name, format!("{size} bytes: too large"))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(ObjectError::not_done(name, words(&error))),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        let path = self.path(folder);
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(&path)));
        let listed = listed.map_err(|error| ObjectError::not_done(folder, words(&error)))?;
        let last = |found: &Path| found.filename().map(|last| format!("{folder}/{last}"));
        let mut names: Vec<String> =
            listed.objects.iter().filter_map(|found| last(&found.location)).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), ObjectError> {
        match self.runtime.block_on(self.store.delete(&self.path(name))) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault(name, &error)),
        }
    }
}

fn version(tag: Option<String>, version: Option<String>) -> Version {
    let (tag, version) = (tag.unwrap_or_default(), version.unwrap_or_default());
    Version(format!("{tag}{SEPARATOR}{version}"))
}

/// A write that failed. What the server refused by rule was surely not done.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum grows: the rest is unknown")]
fn fault(name: &str, error: &Error) -> ObjectError {
    let why = words(error);
    match error {
        Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::NotImplemented { .. }
        | Error::NotSupported { .. }
        | Error::InvalidPath { .. }
        | Error::NotFound { .. } => ObjectError::not_done(name, why),
        _ => ObjectError::Unknown { name: name.to_owned(), why },
    }
}

/// An error with its causes, once each.
fn words(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        next = cause.source();
    }
    said
}
