//! What opening found and did: the facts of a recovery certificate.

use std::time::Duration;

use journal::Tip;
use terms::{Epoch, Position};

/// What opening a book found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The durable end: one after the last durable position.
    pub tip: Tip,
    /// The epoch claimed.
    pub epoch: Epoch,
    /// Bytes of an append that was never acknowledged and did not fit its digest, cut off.
    pub torn_bytes_cut: u64,
    /// Batches applied to the state since the image, or since genesis.
    pub batches_refolded: u64,
    /// Facts in them.
    pub facts_refolded: u64,
    /// Whether an image was used.
    pub from_image: bool,
    /// Why an image that was there was not used.
    pub image_refused: Option<String>,
    /// How long it took, the reading of the journal included.
    pub took: Duration,
}

impl Recovery {
    /// Where the image was that was used; the beginning when none was.
    #[must_use]
    pub const fn imaged(&self) -> Position {
        if !self.from_image {
            return Position::ZERO;
        }
        Position::new(self.tip.next.number().saturating_sub(self.facts_refolded))
    }
}
