//! A witness: remembers one checkpoint per log and cosigns only what extends it (C2SP
//! tlog-witness).
//!
//! A pure machine. The caller serves one request after another in one turn: [`Witness::decide`],
//! make [`Decision::next`] durable, [`Witness::adopt`] it, send the answer. Stopped before the
//! state is durable, nothing was answered and the old state stands. Stopped after, the log asks
//! again, learns the new size by 409 or gets the same checkpoint cosigned once more.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use seal::Digest;
use terms::Instant;
use thiserror::Error;

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosignature::Cosigner;
use crate::exchange::{AddCheckpoint, SIZE_CONTENT_TYPE, TEXT_CONTENT_TYPE};
use crate::note::{KeyName, NoteError, VerifierKey};
use crate::tree::{TreeHead, check_consistency, empty_root};

/// The latest checkpoint cosigned for one log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Seen {
    /// Which log.
    #[n(0)]
    pub origin: KeyName,
    /// Its size.
    #[n(1)]
    pub size: u64,
    /// Its root.
    #[n(2)]
    pub root: Digest,
}

/// All that a witness must not lose: one entry per log, by origin. Stored as canonical CBOR.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct WitnessState {
    #[n(0)]
    version: u8,
    #[n(1)]
    seen: Vec<Seen>,
}

impl WitnessState {
    /// A witness that saw nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self { version: STATE_VERSION, seen: Vec::new() }
    }

    /// Reads stored bytes: canonical, one entry per origin, in order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let state: Self = seal::from_canonical(bytes)?;
        let in_order = state.seen.iter().zip(state.seen.iter().skip(1));
        if state.version != STATE_VERSION || !in_order.into_iter().all(|(a, b)| a.origin < b.origin)
        {
            return Err(StateError::Unknown);
        }
        Ok(state)
    }

    /// The bytes to store.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        seal::to_canonical(self)
    }

    /// What was last cosigned for this log; the empty tree when nothing was.
    #[must_use]
    pub fn latest(&self, origin: &KeyName) -> TreeHead {
        let found = self.seen.iter().find(|seen| seen.origin == *origin);
        found.map_or_else(
            || TreeHead { size: 0, root: empty_root() },
            |seen| TreeHead { size: seen.size, root: seen.root },
        )
    }

    fn with(&self, checkpoint: &Checkpoint) -> Self {
        let TreeHead { size, root } = checkpoint.head;
        let mut seen = self.seen.clone();
        seen.retain(|seen| seen.origin != checkpoint.origin);
        seen.push(Seen { origin: checkpoint.origin.clone(), size, root });
        seen.sort_by(|a, b| a.origin.cmp(&b.origin));
        Self { version: STATE_VERSION, seen }
    }
}

/// The answer to one request, and the state to make durable before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The HTTP status: 200, 400, 403, 404, 409 or 422; 500 when the clock stands at 1970.
    pub status: u16,
    /// The content type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// On 200: store this, then [`Witness::adopt`] it, then answer. Else nothing changed.
    pub next: Option<WitnessState>,
}

/// A witness with its key, the logs it knows and what it saw of them.
pub struct Witness {
    cosigner: Cosigner,
    logs: BTreeMap<KeyName, Vec<VerifierKey>>,
    state: WitnessState,
}

impl Witness {
    /// A witness as it was last stored.
    #[must_use]
    pub fn new(cosigner: Cosigner, logs: Vec<VerifierKey>, state: WitnessState) -> Self {
        let mut by_origin: BTreeMap<KeyName, Vec<VerifierKey>> = BTreeMap::new();
        for log in logs {
            by_origin.entry(log.name().clone()).or_default().push(log);
        }
        Self { cosigner, logs: by_origin, state }
    }

    /// The witness's public key.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        self.cosigner.verifier()
    }

    /// What it saw.
    #[must_use]
    pub const fn state(&self) -> &WitnessState {
        &self.state
    }

    /// Decides one `add-checkpoint` request. Changes nothing.
    #[must_use]
    pub fn decide(&self, request: &[u8], now: Instant) -> Decision {
        match self.check(request) {
            Ok(checkpoint) => match self.cosigner.sign(&checkpoint, now) {
                Ok(line) => Decision {
                    status: 200,
                    content_type: TEXT_CONTENT_TYPE,
                    body: format!("{line}\n"),
                    next: Some(self.state.with(&checkpoint)),
                },
                // A clock before 1970-01-01T00:00:01Z: nothing this witness signs would hold.
                Err(error) => refusal(500, &error.to_string()),
            },
            Err(Turned::SawOther(size)) => Decision {
                status: 409,
                content_type: SIZE_CONTENT_TYPE,
                body: format!("{size}\n"),
                next: None,
            },
            Err(Turned::Away(status, reason)) => refusal(status, &reason),
        }
    }

    /// Takes a decision's state as its own, after it is durable. Refuses one that forgets or
    /// shrinks a log: two decisions were made on one state, and the second must not roll the
    /// first one back.
    pub fn adopt(&mut self, next: WitnessState) -> Result<(), StateError> {
        // INVARIANT (WitnessOnlyGrows): every log's size is at least what it was, and at an
        // equal size the root is equal. Guard: this check, at each change of state.
        for seen in &self.state.seen {
            let then = next.latest(&seen.origin);
            let same = then.size == seen.size && then.root == seen.root;
            if then.size <= seen.size && !same {
                return Err(StateError::WouldRollBack {
                    origin: seen.origin.clone(),
                    held: seen.size,
                    got: then.size,
                });
            }
        }
        self.state = next;
        Ok(())
    }

    /// The checks of the specification, in its order.
    fn check(&self, request: &[u8]) -> Result<Checkpoint, Turned> {
        let request = AddCheckpoint::parse(request).map_err(|e| away(400, &e))?;
        let checkpoint = request.checkpoint.checkpoint();
        let keys = self.logs.get(&checkpoint.origin).ok_or_else(|| away(404, &"unknown log"))?;
        check_signed(&request.checkpoint, keys).map_err(|error| away(403, &error))?;
        let new = checkpoint.head;
        if request.old_size > new.size {
            return Err(away(400, &"expected an old size up to the checkpoint's"));
        }
        let latest = self.state.latest(&checkpoint.origin);
        if request.old_size != latest.size {
            return Err(Turned::SawOther(latest.size));
        }
        if new.size == 0 && new.root != empty_root() {
            return Err(away(422, &"expected the root of the empty tree"));
        }
        if latest.size == 0 {
            // Every tree extends the empty one: there is nothing to prove.
            return if request.proof.is_empty() {
                Ok(checkpoint.clone())
            } else {
                Err(away(422, &"expected no consistency proof from size 0"))
            };
        }
        check_consistency(latest, new, &request.proof)
            .map_err(|error| away(422, &format!("consistency proof: {error}")))?;
        Ok(checkpoint.clone())
    }
}

/// One key of the origin signed, and no line of a key of the origin is wrong.
fn check_signed(signed: &SignedCheckpoint, keys: &[VerifierKey]) -> Result<(), NoteError> {
    let mut outcome = Err(NoteError::NotSignedBy { name: signed.checkpoint().origin.clone() });
    for key in keys {
        match signed.note().check(key) {
            Ok(()) => outcome = Ok(()),
            Err(NoteError::NotSignedBy { .. }) => {}
            Err(wrong) => return Err(wrong),
        }
    }
    outcome
}

enum Turned {
    Away(u16, String),
    SawOther(u64),
}

fn away(status: u16, reason: &impl ToString) -> Turned {
    Turned::Away(status, reason.to_string())
}

fn refusal(status: u16, reason: &str) -> Decision {
    let body = format!("{reason}\n");
    Decision { status, content_type: TEXT_CONTENT_TYPE, body, next: None }
}

const STATE_VERSION: u8 = 1;

/// Why a state is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// Not canonical bytes.
    #[error(transparent)]
    Malformed(#[from] seal::CanonicalError),
    /// Another version, or entries out of order.
    #[error("expected a witness state of version {STATE_VERSION}, one entry per log in order")]
    Unknown,
    /// A state older than the one held.
    #[error("expected a state of `{origin}` beyond size `{held}`, got `{got}`")]
    WouldRollBack {
        /// The log.
        origin: KeyName,
        /// The size held.
        held: u64,
        /// The size that came.
        got: u64,
    },
}
