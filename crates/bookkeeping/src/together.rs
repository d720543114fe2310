//! Several commands of one client that are recorded in one batch, or of which none is.
//!
//! A batch is appended whole or not at all, so nobody ever sees some of them without the others:
//! not after a crash, and not in a reply.
//!
//! - Each is checked as if those before it were done, under one stamp.
//! - One that was done before, under the same id with the same content, is *repeated* and counts as
//!   done: those that are new are done beside it, together or not at all. So a request that is
//!   sent again is answered *repeated* throughout.
//! - The first one that is refused is told with its rule, and all others are *not done*: their ids
//!   stay free. The refused one uses its id up, as it would alone, so that the same request is
//!   refused again for the same reason, whatever has changed since.

use std::collections::BTreeMap;

use ledger::{Answer, BulkRefusal, Checked, Command};
use terms::{Instant, Position};

use crate::fact::{Event, LedgerFact};
use crate::found::Found;
use crate::keys::{self, Key};
use crate::machine::{LedgerBook, refused_before};
use crate::request::{Effect, Outcome, Request};

pub use ledger::bulk::TOGETHER_MAX;

/// What became of one of several commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TogetherItem {
    /// Its fact, counted from the first fact of the request; that of the first one when it stands
    /// twice in one request. `None` when it has none in this request.
    pub offset: Option<u32>,
    /// What became of it; never again [`Outcome::Together`].
    pub outcome: Outcome,
}

impl TogetherItem {
    const fn without_fact(outcome: Outcome) -> Self {
        Self { offset: None, outcome }
    }

    /// Position and outcome, where the request's first fact is at `first`.
    #[must_use]
    pub fn placed(self, first: Position) -> (Position, Outcome) {
        let offset = u64::from(self.offset.unwrap_or(0));
        let at = Position::new(first.number().saturating_add(offset));
        let mut outcome = self.outcome;
        if let Outcome::Repeated { position: position @ None, .. } = &mut outcome {
            *position = self.offset.map(|_| at);
        }
        (at, outcome)
    }
}

/// Judges them, and says which facts follow.
pub(crate) fn judge(
    book: &LedgerBook,
    found: &Found,
    stamp: Instant,
    request: &Request,
    commands: &[Command],
) -> (Vec<LedgerFact>, Outcome) {
    let lasting = request.effect != Effect::None;
    let before = |command| refused_before(found, request.client, command);
    let known = (0..).zip(commands).find_map(|(item, command)| Some((item, before(command)?)));
    if let Some((item, outcome)) = known {
        return (Vec::new(), broken(commands.len(), item, outcome));
    }
    match book.ledger().check_all(found.rows(), stamp, commands) {
        Ok(checked) => done(found, request, commands, checked),
        Err(BulkRefusal::Item { item, refusal }) => {
            let command = commands.get(item).filter(|_| lasting);
            let fact = command.and_then(|command| book.refusal(request, command, &refusal));
            let outcome = broken(commands.len(), item, Outcome::Refused { refusal });
            (fact.into_iter().collect(), outcome)
        }
        // Whoever takes requests says so before; nothing is done here.
        Err(BulkRefusal::TooMany { got }) => (Vec::new(), broken(got, got, Outcome::NotDone)),
    }
}

/// One of them has this outcome and the others are not done.
fn broken(all: usize, broken: usize, outcome: Outcome) -> Outcome {
    let mut items = vec![TogetherItem::without_fact(Outcome::NotDone); all];
    if let Some(item) = items.get_mut(broken) {
        *item = TogetherItem::without_fact(outcome);
    }
    Outcome::Together(items)
}

fn done(
    found: &Found,
    request: &Request,
    commands: &[Command],
    checked: Vec<Checked>,
) -> (Vec<LedgerFact>, Outcome) {
    let mut facts = Vec::with_capacity(checked.len());
    let mut items = Vec::with_capacity(checked.len());
    let mut here: BTreeMap<Key, u32> = BTreeMap::new();
    let mut next = 0_u32;
    for (command, checked) in commands.iter().zip(checked) {
        let own = keys::of_command(request.client, command);
        let (changes, outcome) = checked.into_parts();
        let item = match outcome.answer {
            Answer::Repeated { first } => {
                let position = own.and_then(|own| found.first_under(&own));
                let earlier = own.and_then(|own| here.get(&own).copied());
                let offset = earlier.filter(|_| position.is_none());
                TogetherItem { offset, outcome: Outcome::Repeated { first, position } }
            }
            Answer::Done => {
                if let Some(own) = own {
                    here.insert(own, next);
                }
                let balances = match request.effect {
                    Effect::LastingUntold => Vec::new(),
                    Effect::Lasting | Effect::None => outcome.balances.into_vec(),
                };
                TogetherItem { offset: Some(next), outcome: Outcome::Done { balances } }
            }
        };
        items.push(item);
        next = next.saturating_add(u32::try_from(changes.len()).unwrap_or(u32::MAX));
        let fact = |change| LedgerFact {
            client: request.client,
            slot: request.slot,
            event: Event::Changed(change),
        };
        facts.extend(changes.into_iter().map(fact));
    }
    if request.effect == Effect::None {
        facts.clear();
    }
    (facts, Outcome::Together(items))
}
