//! What was looked up for one request.

use std::collections::BTreeMap;

use ledger::Rows;
use terms::{Instant, Position};

use crate::fact::{Event, LedgerFact, Refused};
use crate::keys::{Key, Tag};

/// What the journal says of the ids of one request that are no longer in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    rows: Rows,
    refused: BTreeMap<Key, (Position, Refused)>,
    first: Option<(Position, Instant)>,
    /// By the key under which a fact was found: a request for several things has several.
    firsts: BTreeMap<Key, Position>,
    traced: Vec<Position>,
}

impl Found {
    /// Learns from a fact that names a wanted key; for one key in order of position.
    pub fn learn(&mut self, key: &Key, position: Position, stamp: Instant, fact: &LedgerFact) {
        match &fact.event {
            Event::Changed(change) => match key.tag {
                Tag::Transaction => self.rows.learn(stamp, change),
                // Another client's transaction may have ended the hold: its id is that client's.
                Tag::Hold => self.rows.learn_of_holds(stamp, change),
            },
            Event::Refused(refused) => {
                if refused.id == key.id && refused.tag == key.tag {
                    self.refused.entry(*key).or_insert_with(|| (position, refused.clone()));
                }
            }
        }
        self.first.get_or_insert((position, stamp));
        self.firsts.entry(*key).or_insert(position);
    }

    /// Learns where the facts of a traced id lie, oldest first, without what they say.
    pub fn traced_at(&mut self, positions: impl Iterator<Item = Position>) {
        self.traced.extend(positions);
    }

    /// Where the facts of a traced id lie.
    #[must_use]
    pub fn traced(&self) -> &[Position] {
        &self.traced
    }

    /// Past transactions and ended holds.
    #[must_use]
    pub const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The refusal journalled under this id. A command also asks for the holds that it names, and
    /// the refusal of one of those is not its own.
    #[must_use]
    pub fn refused(&self, own: &Key) -> Option<&(Position, Refused)> {
        self.refused.get(own)
    }

    /// Position of the first fact found under a key.
    #[must_use]
    pub fn first_under(&self, own: &Key) -> Option<Position> {
        self.firsts.get(own).copied()
    }

    /// Position and stamp of the first fact found.
    #[must_use]
    pub const fn first(&self) -> Option<(Position, Instant)> {
        self.first
    }
}
