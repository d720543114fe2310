//! Checkpoints: origin, size and root of a log as a note's text (C2SP tlog-checkpoint).
//!
//! Exactly three lines. Extension lines are refused: no witness vouches for what they say.

use core::fmt;

use seal::Digest;
use thiserror::Error;

use crate::line::{decimal, hash, of_hash, shown};
use crate::note::{KeyName, Note, NoteError, NoteSigner, SignatureLine, VerifierKey};
use crate::tree::TreeHead;

/// What a log says of itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log. Equals the name of the log's key.
    pub origin: KeyName,
    /// Its size and root.
    pub head: TreeHead,
}

impl Checkpoint {
    /// Reads the three lines.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let refused = || CheckpointError::Malformed { got: shown(text) };
        let body = text.strip_suffix('\n').ok_or_else(refused)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(refused());
        };
        let size = decimal(size).ok_or_else(refused)?;
        let root: Digest = hash(root).ok_or_else(refused)?;
        Ok(Self { origin: origin.parse()?, head: TreeHead { size, root } })
    }
}

impl fmt::Display for Checkpoint {
    /// The three lines, each with its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.head.size, of_hash(&self.head.root))
    }
}

/// A checkpoint with the signature lines under it. Unchecked until [`SignedCheckpoint::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Signs with the log's key; the origin is that key's name.
    pub fn sign(signer: &NoteSigner, head: TreeHead) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint { origin: signer.verifier().name().clone(), head };
        let text = checkpoint.to_string();
        let line = signer.sign(&text);
        Ok(Self { checkpoint, note: Note::new(text, line)? })
    }

    /// Reads the note and the three lines in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes)?;
        Ok(Self { checkpoint: Checkpoint::parse(note.text())?, note })
    }

    /// What it says.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Size and root.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        self.checkpoint.head
    }

    /// The note it stands in.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// Adds a cosignature line; one of the same key is replaced.
    pub fn add(&mut self, line: SignatureLine) {
        self.note.add(line);
    }

    /// Checks the log's own signature, and that the key is this origin's.
    pub fn check(&self, log: &VerifierKey) -> Result<(), CheckpointError> {
        if *log.name() != self.checkpoint.origin {
            return Err(CheckpointError::OtherOrigin {
                expected: log.name().clone(),
                got: self.checkpoint.origin.clone(),
            });
        }
        Ok(self.note.check(log)?)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.note, f)
    }
}

/// Why a checkpoint is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Not three lines of origin, size and root.
    #[error("expected three lines: origin, size, root, got `{got}`")]
    Malformed {
        /// The first characters of what came.
        got: String,
    },
    /// The note around it is wrong.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A checkpoint of another log.
    #[error("expected a checkpoint of `{expected}`, got one of `{got}`")]
    OtherOrigin {
        /// The log that was expected.
        expected: KeyName,
        /// The log that it names.
        got: KeyName,
    },
}
