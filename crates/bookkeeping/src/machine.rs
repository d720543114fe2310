//! The machine: a ledger, its clients' requests, and the facts they make.

use std::collections::BTreeMap;

use journal::{Checked, Image, ImageError, Machine};
use ledger::state::HASH_SEED;
use ledger::{Balances, Change, Command, Findings, Ledger, Refusal};
use minicbor::{Decode, Encode};
use seal::digest::{Domain, digest};
use seal::{Digest, from_canonical, to_canonical};
use terms::{Instant, Position};

use crate::fact::{Event, LedgerFact, Refused};
use crate::found::Found;
use crate::keys::{self, Key};
use crate::request::{ClientNumber, Effect, Outcome, Request, TRACE_MAX, What};
use crate::together;

/// Refusals of one client that are journalled before it has posted anything: they cost disk.
pub const REFUSALS_FREE: u64 = 10_000;
/// Longest text of a journalled refusal, bytes.
pub const REFUSAL_TEXT_MAX: usize = 200;
/// Rows of the ledger that one step of an image copies: about two milliseconds. A step is taken
/// with each batch that is closed, so an image of a million accounts is copied within 40 batches.
const IMAGE_STEP_ROWS: u32 = 65_536;
/// For so many rows of the ledger at least one fact stands between two images: copying a row
/// costs a fiftieth of a fact.
const ROWS_PER_FACT: u64 = 3;

/// A stand-alone ledger.
#[derive(Clone, Debug)]
pub struct LedgerBook {
    ledger: Ledger,
    /// Keys the ledger's indexes; in no image.
    hash_seed: u64,
    clients: BTreeMap<ClientNumber, Tally>,
    /// The first bytes of an image that was begun.
    image: Option<Vec<u8>>,
}

/// What a client did so far, for its quota of journalled refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Tally {
    #[n(0)]
    changed: u64,
    #[n(1)]
    refused: u64,
}

impl Default for LedgerBook {
    fn default() -> Self {
        Self::new(HASH_SEED)
    }
}

impl LedgerBook {
    /// A book without accounts. `hash_seed` keys the indexes and changes no answer.
    #[must_use]
    pub fn new(hash_seed: u64) -> Self {
        let ledger = Ledger::with_hash_seed(hash_seed);
        Self { ledger, hash_seed, clients: BTreeMap::new(), image: None }
    }

    fn loaded(bytes: &[u8], hash_seed: u64) -> Result<Self, ImageError> {
        let short = || ImageError("the image of a ledger book ends early".into());
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (clients, ledger) = rest.split_at_checked(length).ok_or_else(short)?;
        let clients = from_canonical(clients).map_err(|error| ImageError(error.to_string()))?;
        let ledger = Ledger::load_with_hash_seed(ledger, hash_seed)
            .map_err(|error| ImageError(error.to_string()))?;
        Ok(Self { ledger, hash_seed, clients, image: None })
    }

    /// Accounts, open holds, limits and totals.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The fact of a refusal that uses up its id; `None` when the command has no id of its own,
    /// the id is used already, or the client has no quota left.
    pub(crate) fn refusal(
        &self,
        request: &Request,
        command: &Command,
        refusal: &Refusal,
    ) -> Option<LedgerFact> {
        if matches!(refusal, Refusal::IdUsedWithOtherContent { .. }) {
            return None;
        }
        let tally = self.clients.get(&request.client).copied().unwrap_or_default();
        if tally.refused >= REFUSALS_FREE.saturating_add(tally.changed) {
            return None;
        }
        let key = keys::of_command(request.client, command)?;
        let mut text = refusal.to_string();
        text.truncate(text.floor_char_boundary(REFUSAL_TEXT_MAX));
        let refused = Refused {
            tag: key.tag,
            id: key.id,
            content: content(command),
            rule: refusal.rule_name().to_owned(),
            text,
        };
        let (client, slot) = (request.client, request.slot);
        Some(LedgerFact { client, slot, event: Event::Refused(refused) })
    }
}

/// Takes what the ledger finds: changes become facts at once.
struct Judged<'a> {
    request: &'a Request,
    facts: &'a mut Vec<LedgerFact>,
    balances: Vec<Balances>,
    first: Option<Instant>,
}

impl Findings for Judged<'_> {
    #[inline]
    fn change(&mut self, change: Change) {
        let Request { client, slot, effect, .. } = *self.request;
        if effect != Effect::None {
            self.facts.push(LedgerFact { client, slot, event: Event::Changed(change) });
        }
    }

    fn wants_balances(&self) -> bool {
        self.request.effect != Effect::LastingUntold
    }

    fn balances(&mut self, after: Balances) {
        if self.wants_balances() {
            self.balances.push(after);
        }
    }

    fn repeated(&mut self, first: Instant) {
        self.first = Some(first);
    }
}

/// What is answered to a command whose id a refusal used up.
pub(crate) fn refused_before(
    found: &Found,
    client: ClientNumber,
    command: &Command,
) -> Option<Outcome> {
    let (position, refused) = found.refused(&keys::of_command(client, command)?)?;
    Some(if refused.content == content(command) {
        Outcome::RefusedBefore { refused: refused.clone(), position: *position }
    } else {
        Outcome::Refused { refusal: Refusal::IdUsedWithOtherContent { field: "command" } }
    })
}

/// Domain of what was asked under an id that a refusal used up.
pub const ASKED_DOMAIN: Domain = Domain::new("wayleave/bookkeeping/asked/v1");

/// What tells two commands under one id apart, for a refusal: tag ‖ canonical bytes.
fn content(command: &Command) -> Digest {
    let bytes = match command {
        Command::Post(transaction) => [vec![1], to_canonical(transaction)].concat(),
        Command::PlaceHold(placement) => [vec![2], to_canonical(placement)].concat(),
        Command::PostDraft(draft) => [vec![3], to_canonical(draft)].concat(),
        // No other command has an id of its own.
        Command::OpenAccount(_)
        | Command::SetLimits { .. }
        | Command::SetFreeze { .. }
        | Command::SetBlocked { .. }
        | Command::CloseAccount { .. }
        | Command::PinHold { .. }
        | Command::VoidHold { .. }
        | Command::ExpireHolds { .. } => Vec::new(),
    };
    digest(ASKED_DOMAIN, &bytes)
}

/// The first answer to an id, from its facts: what [`What::Find`] is told.
#[must_use]
pub fn said_before(found: &Found, key: &Key) -> Outcome {
    if let Some((position, refused)) = found.refused(key) {
        return Outcome::RefusedBefore { refused: refused.clone(), position: *position };
    }
    found.first().map_or(Outcome::Absent, |(position, first)| Outcome::Repeated {
        first,
        position: Some(position),
    })
}

fn traced(found: &Found) -> Outcome {
    let all = found.traced();
    let positions: Vec<Position> = all.iter().take(TRACE_MAX).copied().collect();
    Outcome::Traced { whole: positions.len() == all.len(), positions }
}

impl Machine for LedgerBook {
    type Command = Request;
    type Outcome = Outcome;
    type Fact = LedgerFact;
    type Rows = Found;

    fn check(
        &self,
        found: &Found,
        stamp: Instant,
        request: &Request,
    ) -> Checked<Outcome, LedgerFact> {
        let mut facts = Vec::new();
        let outcome = self.check_into(found, stamp, request, &mut facts);
        Checked { facts, outcome }
    }

    fn check_into(
        &self,
        found: &Found,
        stamp: Instant,
        request: &Request,
        facts: &mut Vec<LedgerFact>,
    ) -> Outcome {
        let command = match &request.what {
            What::Do(command) => command,
            What::Find(key) => return said_before(found, key),
            What::Trace(_) => return traced(found),
            What::Together(commands) => {
                let (made, outcome) = together::judge(self, found, stamp, request, commands);
                facts.extend(made);
                return outcome;
            }
        };
        if let Some(outcome) = refused_before(found, request.client, command) {
            return outcome;
        }
        let (balances, first) = (Vec::new(), None);
        let mut judged = Judged { request, facts, balances, first };
        match self.ledger.check_to(found.rows(), stamp, command, &mut judged) {
            Ok(()) => match judged.first {
                None => Outcome::Done { balances: judged.balances },
                Some(first) => {
                    let position = found.first().map(|(position, _)| position);
                    Outcome::Repeated { first, position }
                }
            },
            Err(refusal) => {
                if request.effect != Effect::None {
                    facts.extend(self.refusal(request, command, &refusal));
                }
                Outcome::Refused { refusal }
            }
        }
    }

    fn warm(&self, requests: &[Request]) {
        self.ledger.warm(requests.iter().filter_map(|request| match &request.what {
            What::Do(command) => Some(command),
            What::Find(_) | What::Trace(_) | What::Together(_) => None,
        }));
    }

    fn warm_facts(&self, facts: &[LedgerFact]) {
        self.ledger.warm_changes(facts.iter().filter_map(|fact| match &fact.event {
            Event::Changed(change) => Some(change),
            Event::Refused(_) => None,
        }));
    }

    fn apply(&mut self, _position: Position, stamp: Instant, fact: &LedgerFact) {
        let tally = self.clients.entry(fact.client).or_default();
        match &fact.event {
            Event::Changed(change) => {
                tally.changed = tally.changed.saturating_add(1);
                self.ledger.apply(stamp, change);
            }
            Event::Refused(_) => tally.refused = tally.refused.saturating_add(1),
        }
    }
}

/// Length of the tallies (4 bytes, big-endian), the tallies, the ledger.
impl Image for LedgerBook {
    fn save(&self) -> Vec<u8> {
        let mut bytes = self.image_head();
        bytes.extend_from_slice(&self.ledger.save());
        bytes
    }

    fn load(bytes: &[u8]) -> Result<Self, ImageError> {
        Self::loaded(bytes, HASH_SEED)
    }

    fn load_beside(genesis: &Self, bytes: &[u8]) -> Result<Self, ImageError> {
        Self::loaded(bytes, genesis.hash_seed)
    }

    fn begin_image(&mut self) -> bool {
        let mut bytes = self.image_head();
        bytes.extend_from_slice(&self.ledger.begin_image());
        self.image = Some(bytes);
        true
    }

    fn image_step(&mut self, into: &mut Vec<u8>) -> bool {
        if let Some(head) = self.image.take() {
            into.extend_from_slice(&head);
        }
        self.ledger.image_step(IMAGE_STEP_ROWS, into)
    }

    fn facts_between_images(&self, least: u64) -> u64 {
        least.max(u64::from(self.ledger.accounts_len()) / ROWS_PER_FACT)
    }
}

impl LedgerBook {
    fn image_head(&self) -> Vec<u8> {
        let clients = to_canonical(&self.clients);
        let mut bytes = u32::try_from(clients.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        bytes.extend_from_slice(&clients);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise strangers could choose ids that collide in the indexes after every restart.
    #[test]
    fn a_loaded_book_keys_its_indexes_as_its_genesis_does() {
        let (genesis, image) = (LedgerBook::new(7), LedgerBook::new(8).save());
        let loaded = LedgerBook::load_beside(&genesis, &image).unwrap();
        assert_eq!(loaded.hash_seed, 7);
        assert_eq!(loaded.save(), image, "no image holds it");
    }
}
