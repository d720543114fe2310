//! What an edge instance must not lose: its sequence, the data keys, and what is on its way to
//! the institution's book.
//!
//! Commit points, in the order of one decision: the sequence number (before deciding), the data
//! key (before the record), then record and answer in one append. After a crash between them the
//! number is spent and its gap is explained by the outbox; nothing was answered.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use api::outgoing::OutgoingRequest;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use record::edges::chained;
use record::{Parcel, Refusal, Signed};
use record::{SpentNumber, SpentOn};
use seal::{DataKey, Digest, from_canonical, to_canonical};
use terms::{PaymentId, Sequence};

use super::count::Count;
use super::disk::{Place, Records};

/// One record of the outbox.
#[derive(Clone, Debug, Encode, Decode)]
enum Entry {
    /// This number is spent on this payment.
    #[n(0)]
    Taken(#[n(0)] Sequence, #[n(1)] PaymentId),
    /// A parcel is to be delivered.
    #[n(1)]
    Parcel(#[n(0)] u64, #[n(1)] Parcel),
    /// A refusal is to be reported.
    #[n(2)]
    Refusal(#[n(0)] u64, #[n(1)] Box<Signed<Refusal>>),
    /// This item was delivered, or the core will never take it.
    #[n(3)]
    Done(#[n(0)] u64),
    /// The instance joined the settlement book with this as its first number.
    #[n(4)]
    Joined(#[n(0)] Sequence),
    /// What came of a number.
    #[n(5)]
    Spent(#[n(0)] Sequence, #[n(1)] SpentOn),
    /// Numbers before this one are accounted for; the chain over the accounts.
    #[n(6)]
    Accounted(#[n(0)] Sequence, #[n(1)] Digest),
    /// The instance has left.
    #[n(7)]
    Closed,
    /// The order of a payment out is to be delivered.
    #[n(8)]
    Order(#[n(0)] u64, #[n(1)] Box<OutgoingRequest>),
}

/// Where something goes. Each destination has a queue of its own: one that is away holds up
/// nothing that is on its way to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Destination {
    /// The institution's own book.
    Book,
    /// The settlement book.
    Core,
}

impl Item {
    const fn destination(&self) -> Destination {
        match self {
            Self::Parcel(_) => Destination::Book,
            Self::Refusal(_) | Self::Order(_) => Destination::Core,
        }
    }
}

/// Something on its way to the core.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A sealed payload.
    Parcel(Parcel),
    /// A refusal.
    Refusal(Box<Signed<Refusal>>),
    /// The order of a payment out.
    Order(Box<OutgoingRequest>),
}

/// The outbox of one instance.
#[derive(Debug)]
pub(super) struct Outbox {
    records: Records,
    next_sequence: Sequence,
    next_item: u64,
    pending: BTreeMap<Destination, VecDeque<(u64, Item)>>,
    count: Count,
    decisions: BTreeMap<PaymentId, Place>,
    inputs: BTreeMap<PaymentId, Place>,
    orders: BTreeMap<PaymentId, Place>,
    joined: Option<Sequence>,
}

impl Outbox {
    /// Opens the outbox and finds what is still to be delivered.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (records, found) = Records::open(path)?;
        let mut outbox = Self {
            records,
            next_sequence: Sequence::new(0),
            next_item: 0,
            pending: BTreeMap::new(),
            count: Count::default(),
            decisions: BTreeMap::new(),
            inputs: BTreeMap::new(),
            orders: BTreeMap::new(),
            joined: None,
        };
        for (place, bytes) in found {
            let entry: Entry = from_canonical(&bytes).map_err(io::Error::other)?;
            outbox.replay(place, entry)?;
        }
        // Whoever was deciding these is no more.
        outbox.count.all_ended(outbox.next_sequence);
        Ok(outbox)
    }

    /// The number that the next decision gets.
    pub(super) const fn next_sequence(&self) -> Sequence {
        self.next_sequence
    }

    /// The number with which the instance joined.
    pub(super) const fn joined(&self) -> Option<Sequence> {
        self.joined
    }

    /// Notes that the instance joined.
    pub(super) fn note_joined(&mut self, first: Sequence) -> io::Result<()> {
        self.write(vec![Entry::Joined(first)])
    }

    /// Spends a number on a payment: durable when this returns.
    pub(super) fn take(&mut self, payment: PaymentId) -> io::Result<Sequence> {
        let sequence = self.next_sequence;
        self.write(vec![Entry::Taken(sequence, payment)])?;
        Ok(sequence)
    }

    /// Notes that a number's decision failed before there was an answer.
    pub(super) fn came_to_nothing(&mut self, sequence: Sequence) -> io::Result<()> {
        self.write(vec![Entry::Spent(sequence, SpentOn::Nothing)])
    }

    /// Keeps what a decision leaves behind, in one append: durable when this returns.
    pub(super) fn keep(
        &mut self,
        (sequence, spent_on): (Sequence, SpentOn),
        items: Vec<Item>,
    ) -> io::Result<()> {
        let mut entries = vec![Entry::Spent(sequence, spent_on)];
        let mut number = self.next_item;
        for item in items {
            entries.push(match item {
                Item::Parcel(parcel) => Entry::Parcel(number, parcel),
                Item::Refusal(refusal) => Entry::Refusal(number, refusal),
                Item::Order(order) => Entry::Order(number, order),
            });
            number = number.saturating_add(1);
        }
        self.write(entries)
    }

    /// The kind under which a payment's next decision is stored: the first is `decision`.
    pub(super) fn decision_kind(&self, payment: PaymentId, sequence: Sequence) -> String {
        if self.decisions.contains_key(&payment) {
            format!("{DECISION}-{}", sequence.number())
        } else {
            DECISION.to_owned()
        }
    }

    /// What is to be delivered next.
    pub(super) fn first(&self, to: Destination) -> Option<(u64, Item)> {
        self.pending.get(&to)?.front().cloned()
    }

    /// How much is still to be delivered.
    pub(super) fn undelivered(&self) -> usize {
        self.pending.values().map(VecDeque::len).sum()
    }

    /// Delivers a parcel under another kind: its own is taken, by another instance.
    pub(super) fn rename(&mut self, item: u64, parcel: &Parcel, kind: String) -> io::Result<()> {
        let number = self.next_item;
        let renamed = Parcel { kind, ..parcel.clone() };
        self.write(vec![Entry::Parcel(number, renamed), Entry::Done(item)])
    }

    /// The next numbers that are spent and not accounted for, at most `most`.
    pub(super) fn unaccounted(&self, most: usize) -> (Sequence, Vec<SpentNumber>) {
        self.count.unaccounted(most)
    }

    /// The chain over the accounts.
    pub(super) const fn chain(&self) -> Digest {
        self.count.chain
    }

    /// Notes that an account was taken.
    pub(super) fn accounted(&mut self, numbers: usize, account: Digest) -> io::Result<()> {
        let many = u64::try_from(numbers).map_err(io::Error::other)?;
        let next = self.count.accounted.number().saturating_add(many);
        let chain = chained(self.count.chain, account);
        self.write(vec![Entry::Accounted(Sequence::new(next), chain)])
    }

    /// Whether the instance has left.
    pub(super) const fn is_closed(&self) -> bool {
        self.count.closed
    }

    /// Notes that the instance has left.
    pub(super) fn note_closed(&mut self) -> io::Result<()> {
        self.write(vec![Entry::Closed])
    }

    /// Notes that an item is delivered.
    pub(super) fn done(&mut self, item: u64) -> io::Result<()> {
        self.write(vec![Entry::Done(item)])
    }

    /// The sealed record of a payment's newest decision here.
    pub(super) fn decision(&mut self, payment: PaymentId) -> io::Result<Option<ByteVec>> {
        self.sealed_at(self.decisions.get(&payment).copied())
    }

    /// The sealed raw inputs of a payment's newest decision here.
    pub(super) fn inputs(&mut self, payment: PaymentId) -> io::Result<Option<ByteVec>> {
        self.sealed_at(self.inputs.get(&payment).copied())
    }

    /// What the parcel at this place holds.
    fn sealed_at(&mut self, place: Option<Place>) -> io::Result<Option<ByteVec>> {
        let Some(place) = place else { return Ok(None) };
        let bytes = self.records.read(place)?;
        match from_canonical(&bytes).map_err(io::Error::other)? {
            Entry::Parcel(_, parcel) => Ok(Some(parcel.sealed)),
            Entry::Taken(..)
            | Entry::Refusal(..)
            | Entry::Done(_)
            | Entry::Joined(_)
            | Entry::Spent(..)
            | Entry::Accounted(..)
            | Entry::Order(..)
            | Entry::Closed => Err(io::Error::other("no parcel stands where the outbox says")),
        }
    }

    /// The order of a payment out that was decided here: asked again, it is the same.
    pub(super) fn order(&mut self, payment: PaymentId) -> io::Result<Option<OutgoingRequest>> {
        let Some(place) = self.orders.get(&payment).copied() else { return Ok(None) };
        let bytes = self.records.read(place)?;
        match from_canonical(&bytes).map_err(io::Error::other)? {
            Entry::Order(_, order) => Ok(Some(*order)),
            Entry::Taken(..)
            | Entry::Parcel(..)
            | Entry::Refusal(..)
            | Entry::Done(_)
            | Entry::Joined(_)
            | Entry::Spent(..)
            | Entry::Accounted(..)
            | Entry::Closed => Err(io::Error::other("no order stands where the outbox says")),
        }
    }

    fn write(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        let bytes: Vec<Vec<u8>> = entries.iter().map(to_canonical).collect();
        let places = self.records.append(&bytes)?;
        for (place, entry) in places.into_iter().zip(entries) {
            self.replay(place, entry)?;
        }
        Ok(())
    }

    fn replay(&mut self, place: Place, entry: Entry) -> io::Result<()> {
        let over = || io::Error::other("a count of the outbox overflows");
        match entry {
            Entry::Taken(sequence, payment) => {
                if sequence != self.next_sequence {
                    return Err(io::Error::other("the outbox's sequence has a gap"));
                }
                self.next_sequence = sequence.next().ok_or_else(over)?;
                self.count.taken(sequence, payment);
            }
            Entry::Parcel(number, parcel) => {
                if parcel.kind.starts_with(DECISION) {
                    self.decisions.insert(parcel.payment, place);
                }
                if parcel.kind.starts_with(INPUTS) {
                    self.inputs.insert(parcel.payment, place);
                }
                self.next_item = number.checked_add(1).ok_or_else(over)?;
                self.queue(number, Item::Parcel(parcel));
            }
            Entry::Refusal(number, refusal) => {
                self.next_item = number.checked_add(1).ok_or_else(over)?;
                self.queue(number, Item::Refusal(refusal));
            }
            Entry::Order(number, order) => {
                let read = order.order.read_unverified().map_err(io::Error::other)?;
                self.orders.entry(read.payment).or_insert(place);
                self.next_item = number.checked_add(1).ok_or_else(over)?;
                self.queue(number, Item::Order(order));
            }
            Entry::Done(number) => {
                for queue in self.pending.values_mut() {
                    queue.retain(|(one, _)| *one != number);
                }
            }
            Entry::Joined(first) => {
                self.joined = Some(first);
                self.count.begins(first);
            }
            Entry::Spent(sequence, spent_on) => self.count.spent(sequence, spent_on),
            Entry::Accounted(next, chain) => self.count.accounted_to(next, chain),
            Entry::Closed => self.count.closed = true,
        }
        Ok(())
    }

    fn queue(&mut self, number: u64, item: Item) {
        self.pending.entry(item.destination()).or_default().push_back((number, item));
    }
}

/// The data keys of payments, durable before anything is sealed under one.
pub(super) struct DataKeys {
    records: Records,
    keys: BTreeMap<PaymentId, [u8; 32]>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct KeyEntry {
    #[n(0)]
    payment: PaymentId,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    key: [u8; 32],
}

impl DataKeys {
    /// Opens the file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (records, found) = Records::open(path)?;
        let mut keys = BTreeMap::new();
        for (_, bytes) in found {
            let entry: KeyEntry = from_canonical(&bytes).map_err(io::Error::other)?;
            keys.insert(entry.payment, entry.key);
        }
        Ok(Self { records, keys })
    }

    /// The key of a payment, if there is one.
    pub(super) fn find(&self, payment: PaymentId) -> Option<DataKey> {
        self.keys.get(&payment).copied().map(DataKey::from_bytes)
    }

    /// The key of a payment; `fresh` becomes it, and durable, if there was none.
    pub(super) fn of(&mut self, payment: PaymentId, fresh: [u8; 32]) -> io::Result<DataKey> {
        if let Some(key) = self.find(payment) {
            return Ok(key);
        }
        self.records.append(&[to_canonical(&KeyEntry { payment, key: fresh })])?;
        self.keys.insert(payment, fresh);
        Ok(DataKey::from_bytes(fresh))
    }
}

/// The kind of parcels that hold a decision record.
pub(super) const DECISION: &str = "decision";
/// The kind of parcels that hold a decision's raw inputs.
pub(super) const INPUTS: &str = "inputs";
/// The kind of parcels that hold both statements.
pub(super) const STATEMENTS: &str = "statements";
/// What travelled by the travel rule, as a parcel.
pub(super) const TRAVELLED: &str = "travelled";

#[cfg(test)]
mod tests;
