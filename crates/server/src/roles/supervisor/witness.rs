//! The witness over HTTP (C2SP tlog-witness): one turn for all logs, durable before the answer.

use core::time::Duration;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use api::{Problem, problem};
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use evidence::cosignature::Cosigner;
use evidence::exchange::{AddCheckpoint, TEXT_CONTENT_TYPE};
use evidence::{Decision, KeyName, Note, SignatureLine, VerifierKey, Witness, WitnessState};
use http::{HeaderValue, StatusCode};
use minicbor::{Decode, Encode};
use seal::text::to_hex;
use seal::{from_canonical, sha256, to_canonical};
use terms::Instant;

use super::Config;
use crate::keys::KeyStore;
use crate::roles::common::RoleError;
use crate::roles::files::write_whole;
use crate::roles::start::{blocking, configuration, disk_fault, named};
use crate::system;
use crate::web::{AsIs, Refuse};

/// The witness, its state file and what it tells monitors.
pub(super) struct WitnessDesk {
    logs: Vec<VerifierKey>,
    path: PathBuf,
    turn: Mutex<Turn>,
}

struct Turn {
    witness: Witness,
    notes: Vec<StoredNote>,
    allowance: Allowance,
}

/// All that is stored, in one file, so that state and notes cannot part.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Stored {
    #[n(0)]
    layout: u8,
    #[n(1)]
    state: WitnessState,
    #[n(2)]
    notes: Vec<StoredNote>,
}

#[derive(Clone, Encode, Decode)]
#[cbor(array)]
struct StoredNote {
    #[n(0)]
    origin: KeyName,
    #[n(1)]
    note: String,
}

impl WitnessDesk {
    /// Opens the witness as it was last stored. A file that cannot be read is no empty one: a
    /// witness that forgot would cosign a fork.
    pub(super) fn open(dir: &Path, config: &Config, keys: &KeyStore) -> Result<Self, RoleError> {
        let path = dir.join("witness.cbor");
        let unsound = |what: &str| RoleError::Unsound(format!("`{}`: {what}", path.display()));
        let stored = match fs::read(&path) {
            Ok(bytes) => from_canonical::<Stored>(&bytes).map_err(|e| unsound(&e.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Stored { layout: LAYOUT, state: WitnessState::empty(), notes: Vec::new() }
            }
            Err(error) => return Err(unsound(&error.to_string())),
        };
        if stored.layout != LAYOUT {
            return Err(unsound("unknown layout"));
        }
        // The order and the version of the state are checked by its own reader.
        let state = WitnessState::from_bytes(&stored.state.to_bytes())
            .map_err(|e| unsound(&e.to_string()))?;
        let mut logs = Vec::new();
        for log in &config.logs {
            let key = config.common.peer(&log.peer).and_then(|peer| peer.key("log"));
            let key = key.ok_or_else(|| {
                configuration(format!("expected a peer `{}` with a key `log`", log.peer))
            })?;
            logs.push(VerifierKey::of_log(named("logs.origin", &log.origin)?, key));
        }
        let name = named("witness_name", &config.witness_name)?;
        let cosigner = Cosigner::new(name, keys.signing_key("cosign")?);
        let witness = Witness::new(cosigner, logs.clone(), state);
        let turn = Turn { witness, notes: stored.notes, allowance: Allowance::full() };
        Ok(Self { logs, path, turn: Mutex::new(turn) })
    }

    /// One request in its turn.
    ///
    /// On success the state and the note are durable before the cosignature leaves. Stopped
    /// before: nothing was answered, the old state stands. Stopped after: the log asks again and
    /// learns the size, or gets the same checkpoint cosigned once more.
    fn add(&self, body: &[u8]) -> Result<Decision, Refuse> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let now = system::now();
        if !turn.allowance.take(now) {
            return Err(Problem::of(&problem::TOO_MANY).mend("ask again in a second").into());
        }
        let mut decision = turn.witness.decide(body, now);
        let Some(state) = decision.next.take() else { return Ok(decision) };
        let fault = || Refuse::from(Problem::of(&problem::FAULT));
        let noted = self.noted(body, &decision.body).ok_or_else(fault)?;
        let mut notes = turn.notes.clone();
        notes.retain(|note| note.origin != noted.origin);
        notes.push(noted);
        let stored = Stored { layout: LAYOUT, state, notes };
        write_whole(&self.path, &to_canonical(&stored))
            .map_err(|error| disk_fault("the witness's state", &error))?;
        turn.witness.adopt(stored.state).map_err(|error| {
            tracing::error!(%error, "the witness would roll back");
            fault()
        })?;
        turn.notes = stored.notes;
        Ok(decision)
    }

    /// The checkpoint with the log's own lines and our cosignature: lines of others are dropped,
    /// we have not checked them.
    fn noted(&self, request: &[u8], cosignature: &str) -> Option<StoredNote> {
        let asked = AddCheckpoint::parse(request).ok()?.checkpoint;
        let ours = SignatureLine::parse(cosignature.trim_end()).ok()?;
        let mut lines = asked
            .note()
            .signatures()
            .iter()
            .filter(|line| self.logs.iter().any(|log| log.made(line)))
            .cloned();
        let mut note = Note::new(asked.note().text().to_owned(), lines.next()?).ok()?;
        lines.for_each(|line| note.add(line));
        note.add(ours);
        Some(StoredNote { origin: asked.checkpoint().origin.clone(), note: note.to_string() })
    }
}

/// `POST /add-checkpoint`.
pub(super) async fn add_checkpoint(
    State(desk): State<Arc<WitnessDesk>>,
    body: Bytes,
) -> Result<Response, Refuse> {
    let decision = blocking(move || desk.add(&body)).await?;
    let mut response = Response::new(Body::from(decision.body));
    *response.status_mut() =
        StatusCode::from_u16(decision.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = HeaderValue::from_static(decision.content_type);
    response.headers_mut().insert("content-type", kind);
    response.extensions_mut().insert(AsIs);
    Ok(response)
}

/// `GET /{origin hash}/checkpoint`: the hash is SHA-256 of the origin, in lower-case hex.
pub(super) async fn checkpoint(
    State(desk): State<Arc<WitnessDesk>>,
    UrlPath(hash): UrlPath<String>,
) -> Result<Response, Refuse> {
    let note = blocking(move || {
        let turn = desk.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let named =
            |note: &&StoredNote| to_hex(sha256(note.origin.as_str().as_bytes()).as_bytes()) == hash;
        let found = turn.notes.iter().find(named).map(|stored| stored.note.clone());
        found.ok_or_else(|| Problem::of(&problem::NOT_FOUND).into())
    });
    Ok(([("content-type", TEXT_CONTENT_TYPE)], note.await?).into_response())
}

/// How many requests may still be looked at now: anybody may ask, and each costs a signature
/// check. A log asks once a second or so.
struct Allowance {
    left: u64,
    filled_at: Instant,
}

impl Allowance {
    const fn full() -> Self {
        Self { left: BURST, filled_at: Instant::EPOCH }
    }

    fn take(&mut self, now: Instant) -> bool {
        let passed = now.since(self.filled_at);
        let due = u64::try_from(passed.as_millis() / u128::from(MILLIS_PER_REQUEST));
        let due = due.unwrap_or(u64::MAX);
        if due > 0 {
            self.left = self.left.saturating_add(due).min(BURST);
            // What is left of the last interval counts for the next request.
            let rest = passed.as_millis() % u128::from(MILLIS_PER_REQUEST);
            let rest = Duration::from_millis(u64::try_from(rest).unwrap_or(0));
            self.filled_at = now.minus(rest);
        }
        let taken = self.left.checked_sub(1);
        self.left = taken.unwrap_or(0);
        taken.is_some()
    }
}

const LAYOUT: u8 = 1;
/// Requests that may come at once: all logs of a corridor after a restart, some times over.
const BURST: u64 = 100;
/// 50 requests a second in the long run: a few milliseconds of signature checks.
const MILLIS_PER_REQUEST: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allowance_ends_and_comes_back() {
        let at = |millis: u64| Instant::from_seconds(1000).plus(Duration::from_millis(millis));
        let mut allowance = Allowance::full();
        assert!((0..BURST).all(|_| allowance.take(at(0))));
        assert!(!allowance.take(at(0)));
        assert!(!allowance.take(at(19)));
        assert!(allowance.take(at(39)));
        assert!(!allowance.take(at(39)));
        assert!(allowance.take(at(40)), "the rest of an interval is kept");
    }
}
