//! The keys under which facts are found again.

use ledger::{Change, Command, Ledger, PastKey, Resolved};
use terms::{HoldId, TransactionId};

use crate::fact::{Event, LedgerFact};
use crate::request::{ClientNumber, Request, What};

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    /// A transaction of one client, or its refusal.
    Transaction,
    /// A hold. Its end may be asked for by another client, or by time: holds are the book's.
    Hold,
}

/// An id, what it names, and whose it is: 20 bytes, the id first, so that ids which grow with time
/// are found by range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The id's bytes.
    pub id: [u8; 16],
    /// What it names.
    pub tag: Tag,
    /// Whose it is.
    pub client: ClientNumber,
}

/// Clients have numbers below this: three bytes of a key.
pub const CLIENTS_MAX: u32 = 1 << 24;

impl Key {
    /// A transaction of a client.
    #[must_use]
    pub const fn transaction(client: ClientNumber, id: TransactionId) -> Self {
        Self { id: id.bytes(), tag: Tag::Transaction, client }
    }

    /// A hold.
    #[must_use]
    pub const fn hold(id: HoldId) -> Self {
        Self { id: id.bytes(), tag: Tag::Hold, client: ClientNumber::BOOK }
    }

    /// The key of what a ledger asks to know for a client's command.
    #[must_use]
    pub const fn of(client: ClientNumber, key: PastKey) -> Self {
        match key {
            PastKey::Transaction(id) => Self::transaction(client, id),
            PastKey::Hold(id) => Self::hold(id),
        }
    }

    /// The four bytes after the id: tag, then client.
    #[must_use]
    pub const fn tail(&self) -> [u8; 4] {
        let [_, high, middle, low] = self.client.0.to_be_bytes();
        let tag = match self.tag {
            Tag::Transaction => 1,
            Tag::Hold => 2,
        };
        [tag, high, middle, low]
    }
}

/// Every key of a fact, for an index from keys to positions.
pub fn of_fact(fact: &LedgerFact, mut each: impl FnMut(Key)) {
    match &fact.event {
        Event::Changed(change) => of_change(fact.client, change, &mut each),
        Event::Refused(refused) => each(Key {
            id: refused.id,
            tag: refused.tag,
            client: match refused.tag {
                Tag::Transaction => fact.client,
                Tag::Hold => ClientNumber::BOOK,
            },
        }),
    }
}

fn of_change(client: ClientNumber, change: &Change, each: &mut impl FnMut(Key)) {
    match change.resolved() {
        Resolved::Posted { transaction, ended, .. } => {
            each(Key::transaction(client, transaction.id));
            ended.iter().for_each(|end| each(Key::hold(end.hold)));
        }
        Resolved::HoldPlaced(placement) => each(Key::hold(placement.id)),
        Resolved::HoldPinned { hold }
        | Resolved::HoldVoided { hold, .. }
        | Resolved::HoldExpired { hold, .. } => each(Key::hold(*hold)),
        Resolved::AccountOpened(_)
        | Resolved::LimitsSet { .. }
        | Resolved::FreezeSet { .. }
        | Resolved::BlockedSet { .. }
        | Resolved::AccountClosed { .. } => {}
    }
}

/// Every key that must be looked up before a request is judged.
pub fn to_find(ledger: &Ledger, request: &Request, mut ask: impl FnMut(Key)) {
    match &request.what {
        What::Do(command) => to_find_for(ledger, request.client, command, &mut ask),
        What::Find(key) => ask(*key),
        What::Together(commands) => {
            for command in commands {
                to_find_for(ledger, request.client, command, &mut ask);
            }
        }
        // Looked up by position alone: what its facts say is read elsewhere.
        What::Trace(_) => {}
    }
}

fn to_find_for(
    ledger: &Ledger,
    client: ClientNumber,
    command: &Command,
    ask: &mut impl FnMut(Key),
) {
    // A hold that is open stands in memory and the ledger asks nothing; but a client that repeats
    // itself is told where its hold was recorded.
    if let Command::PlaceHold(placement) = command
        && ledger.open_hold(placement.id).is_some()
    {
        ask(Key::hold(placement.id));
    }
    ledger.plan(command, &mut |key| ask(Key::of(client, key)));
}

/// The id that a command uses up when it is done or refused for good.
#[must_use]
pub const fn of_command(client: ClientNumber, command: &Command) -> Option<Key> {
    match command {
        Command::Post(transaction) => Some(Key::transaction(client, transaction.id)),
        Command::PostDraft(draft) => Some(Key::transaction(client, draft.id)),
        Command::PlaceHold(placement) => Some(Key::hold(placement.id)),
        Command::OpenAccount(_)
        | Command::SetLimits { .. }
        | Command::SetFreeze { .. }
        | Command::SetBlocked { .. }
        | Command::CloseAccount { .. }
        | Command::PinHold { .. }
        | Command::VoidHold { .. }
        | Command::ExpireHolds { .. } => None,
    }
}
