//! The machine: a ledger, its clients' requests, and the facts they make.

use std::collections::BTreeMap;

use journal::{Checked, Image, ImageError, Machine};
use ledger::{Balances, Change, Command, Findings, Ledger, Refusal};
use minicbor::{Decode, Encode};
use seal::digest::{Domain, digest};
use seal::{Digest, from_canonical, to_canonical};
use terms::{Instant, Position};

use crate::fact::{Event, LedgerFact, Refused};
use crate::found::Found;
use crate::keys::{self, Key};
use crate::request::{ClientNumber, Effect, Outcome, Request, TRACE_MAX, What};

/// Refusals of one client that are journalled before it has posted anything: they cost disk.
pub const REFUSALS_FREE: u64 = 10_000;
/// Longest text of a journalled refusal, bytes.
pub const REFUSAL_TEXT_MAX: usize = 200;
/// Rows of the ledger that one step of an image copies: about a millisecond. A step is taken with
/// each batch that is closed, so an image of a million accounts ends within a quarter of a million
/// facts.
const IMAGE_STEP_ROWS: u32 = 16_384;

/// A stand-alone ledger.
#[derive(Clone, Debug, Default)]
pub struct LedgerBook {
    ledger: Ledger,
    clients: BTreeMap<ClientNumber, Tally>,
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

impl LedgerBook {
    /// A book without accounts. `hash_seed` keys the indexes and changes no answer.
    #[must_use]
    pub fn new(hash_seed: u64) -> Self {
        Self { ledger: Ledger::with_hash_seed(hash_seed), ..Self::default() }
    }

    /// Accounts, open holds, limits and totals.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What is told of a command, and its facts if it is to happen.
    fn judge(
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
        };
        let own = keys::of_command(request.client, command);
        if let Some((position, refused)) = own.and_then(|own| found.refused(&own)) {
            let same = refused.content == content(command);
            let position = *position;
            return if same {
                Outcome::RefusedBefore { refused: refused.clone(), position }
            } else {
                let refusal = Refusal::IdUsedWithOtherContent { field: "command" };
                Outcome::Refused { refusal }
            };
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
                    facts.extend(self.refusal(request, &refusal));
                }
                Outcome::Refused { refusal }
            }
        }
    }

    /// The fact of a refusal that uses up its id; `None` when the command has no id of its own,
    /// the id is used already, or the client has no quota left.
    fn refusal(&self, request: &Request, refusal: &Refusal) -> Option<LedgerFact> {
        if matches!(refusal, Refusal::IdUsedWithOtherContent { .. }) {
            return None;
        }
        let tally = self.clients.get(&request.client).copied().unwrap_or_default();
        if tally.refused >= REFUSALS_FREE.saturating_add(tally.changed) {
            return None;
        }
        let What::Do(command) = &request.what else { return None };
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

/// The first answer to an id, from its facts.
fn said_before(found: &Found, key: &Key) -> Outcome {
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
        let outcome = self.judge(found, stamp, request, &mut facts);
        Checked { facts, outcome }
    }

    fn check_into(
        &self,
        found: &Found,
        stamp: Instant,
        request: &Request,
        facts: &mut Vec<LedgerFact>,
    ) -> Outcome {
        self.judge(found, stamp, request, facts)
    }

    fn warm(&self, requests: &[Request]) {
        self.ledger.warm(requests.iter().filter_map(|request| match &request.what {
            What::Do(command) => Some(command),
            What::Find(_) | What::Trace(_) => None,
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
        let short = || ImageError("the image of a ledger book ends early".into());
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (clients, ledger) = rest.split_at_checked(length).ok_or_else(short)?;
        let clients = from_canonical(clients).map_err(|error| ImageError(error.to_string()))?;
        let ledger = Ledger::load(ledger).map_err(|error| ImageError(error.to_string()))?;
        Ok(Self { ledger, clients, image: None })
    }

    fn begin_image(&mut self) -> bool {
        let mut bytes = self.image_head();
        bytes.extend_from_slice(&self.ledger.begin_image());
        self.image = Some(bytes);
        true
    }

    fn image_step(&mut self) -> Option<Vec<u8>> {
        let piece = self.ledger.image_step(IMAGE_STEP_ROWS);
        match (piece, &mut self.image) {
            (Some(piece), Some(bytes)) => {
                bytes.extend_from_slice(&piece);
                None
            }
            (None, image) => image.take(),
            (Some(_), None) => None,
        }
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
