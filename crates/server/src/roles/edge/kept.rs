//! The bytes of lists that decisions name by digest: kept once each, durable before a decision
//! rests on them, for as long as a decision that names them is kept.
//!
//! Folder `kept/`: one file per digest, its name the digest in hex. Nothing here deletes: a list
//! may go when the last record that names its snapshot has gone, which is years after the payment.
//! A crash between two files leaves files that nobody names yet: they do no harm.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use admission::Statuses;
use admission::raw::{RawInputs, kept_tokens};
use admission::replay::{FILE_LAYOUT, Materials, ReplayFile};
use api::{Caller, Problem, problem, wire};
use axum::Extension;
use axum::extract::{Path as Named, State};
use axum::response::IntoResponse;
use record::{DecisionRecord, Document, Signed, Snapshot};
use seal::{Digest, from_canonical, open_with, to_canonical};
use terms::PaymentId;

use super::disk::replace;
use super::routes::{Answer, Shared};
use super::state::{Edge, disk_fault};
use crate::web::Refuse;

/// Lists by digest.
pub(super) struct Kept {
    folder: PathBuf,
    /// Two that write one file would cut each other's short.
    writing: Mutex<()>,
}

impl Kept {
    /// Opens the folder, and makes it.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), writing: Mutex::new(()) })
    }

    /// Keeps bytes under their digest: durable when this returns.
    pub(super) fn keep(&self, digest: Digest, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // A file is whole or not there: it is written aside and renamed.
        if path.exists() { Ok(()) } else { replace(&path, bytes) }
    }

    /// Keeps a signed document under the digest that others name it by.
    pub(super) fn keep_document<T: Document>(&self, signed: &Signed<T>) -> io::Result<()> {
        self.keep(signed.digest(), &signed.to_bytes())
    }

    /// Keeps the status lists that a decision had at hand.
    pub(super) fn keep_statuses(&self, statuses: Statuses<'_>) -> io::Result<()> {
        kept_tokens(statuses).iter().try_for_each(|(digest, bytes)| self.keep(*digest, bytes))
    }

    /// The bytes, if they are kept.
    fn find(&self, digest: Digest) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.path(digest)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    /// What a record and its raw inputs name, as far as it is kept here.
    fn materials(&self, record: &DecisionRecord, inputs: &RawInputs) -> io::Result<Materials> {
        let mut named: Vec<Digest> = inputs.status_lists.iter().map(|list| list.token).collect();
        if let Some(bytes) = self.find(record.snapshot)? {
            let snapshot = Signed::<Snapshot>::from_bytes(&bytes).map_err(io::Error::other)?;
            let snapshot = snapshot.read_unverified().map_err(io::Error::other)?;
            named.extend(snapshot.lists.iter().map(|list| list.digest));
            named.push(record.snapshot);
        }
        let mut materials = Materials::default();
        for digest in named {
            if let Some(bytes) = self.find(digest)? {
                materials.0.insert(digest, bytes.into());
            }
        }
        Ok(materials)
    }
}

/// All that a replay of a payment's newest decision here needs: what `wayleave replay --depth 2`
/// reads.
pub(super) async fn replay_file(
    State(edge): Shared,
    Extension(caller): Extension<Caller>,
    Named(payment): Named<String>,
) -> Answer {
    super::routes::only_operator(&edge, &caller)?;
    let payment: PaymentId = wire::read_text("payment", &payment)?;
    let file = gathered(&edge, payment)?;
    Ok(([("content-type", wire::CBOR)], to_canonical(&file)).into_response())
}

fn gathered(edge: &Edge, payment: PaymentId) -> Result<ReplayFile, Refuse> {
    let nothing = || Refuse::from(Problem::of(&problem::NOT_FOUND));
    let closed = || Problem::of(&problem::FAULT).detail("what is sealed does not open");
    let disk = |error: io::Error| disk_fault(&error);
    let (record, inputs) = {
        let mut outbox = edge.outbox();
        (outbox.decision(payment).map_err(disk)?, outbox.inputs(payment).map_err(disk)?)
    };
    let (record, inputs) = (record.ok_or_else(nothing)?, inputs.ok_or_else(nothing)?);
    let key = edge.data_keys().find(payment).ok_or_else(nothing)?;
    let about = payment.bytes();
    let record =
        open_with(&key, admission::decide::SEALED_RECORD, &about, &record).map_err(|_| closed())?;
    let inputs = RawInputs::open(&key, payment, &inputs).map_err(|_| closed())?;
    let unread = |error: String| Refuse::from(Problem::of(&problem::FAULT).detail(error));
    let read: DecisionRecord =
        from_canonical(&record).map_err(|error| unread(error.to_string()))?;
    let raw = RawInputs::from_bytes(&inputs).map_err(|error| unread(error.to_string()))?;
    let materials = edge.kept.materials(&read, &raw).map_err(disk)?;
    Ok(ReplayFile { layout: FILE_LAYOUT, record: record.into(), inputs: inputs.into(), materials })
}
