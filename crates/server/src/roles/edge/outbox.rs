//! What an edge instance must not lose: its sequence, the data keys, and what is on its way to
//! the institution's book.
//!
//! Commit points, in the order of one decision: the sequence number (before deciding), the data
//! key (before the record), then record and answer in one append. After a crash between them the
//! number is spent and its gap is explained by the outbox; nothing was answered.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use record::{Parcel, Refusal, Signed};
use seal::{DataKey, from_canonical, to_canonical};
use terms::{PaymentId, Sequence};

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
}

/// Something on its way to the core.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A sealed payload.
    Parcel(Parcel),
    /// A refusal.
    Refusal(Box<Signed<Refusal>>),
}

/// The outbox of one instance.
#[derive(Debug)]
pub(super) struct Outbox {
    records: Records,
    next_sequence: Sequence,
    next_item: u64,
    pending: VecDeque<(u64, Item)>,
    decisions: BTreeMap<PaymentId, Place>,
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
            pending: VecDeque::new(),
            decisions: BTreeMap::new(),
            joined: None,
        };
        for (place, bytes) in found {
            let entry: Entry = from_canonical(&bytes).map_err(io::Error::other)?;
            outbox.replay(place, entry)?;
        }
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

    /// Keeps what a decision leaves behind, in one append: durable when this returns.
    pub(super) fn keep(&mut self, items: Vec<Item>) -> io::Result<()> {
        let mut entries = Vec::new();
        let mut number = self.next_item;
        for item in items {
            entries.push(match item {
                Item::Parcel(parcel) => Entry::Parcel(number, parcel),
                Item::Refusal(refusal) => Entry::Refusal(number, refusal),
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
    pub(super) fn first(&self) -> Option<(u64, Item)> {
        self.pending.front().cloned()
    }

    /// Notes that an item is delivered.
    pub(super) fn done(&mut self, item: u64) -> io::Result<()> {
        self.write(vec![Entry::Done(item)])
    }

    /// The sealed record of a payment's newest decision here.
    pub(super) fn decision(&mut self, payment: PaymentId) -> io::Result<Option<ByteVec>> {
        let Some(place) = self.decisions.get(&payment).copied() else { return Ok(None) };
        let bytes = self.records.read(place)?;
        match from_canonical(&bytes).map_err(io::Error::other)? {
            Entry::Parcel(_, parcel) => Ok(Some(parcel.sealed)),
            Entry::Taken(..) | Entry::Refusal(..) | Entry::Done(_) | Entry::Joined(_) => {
                Err(io::Error::other("no parcel stands where the outbox says"))
            }
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
            Entry::Taken(sequence, _) => {
                if sequence != self.next_sequence {
                    return Err(io::Error::other("the outbox's sequence has a gap"));
                }
                self.next_sequence = sequence.next().ok_or_else(over)?;
            }
            Entry::Parcel(number, parcel) => {
                if parcel.kind.starts_with(DECISION) {
                    self.decisions.insert(parcel.payment, place);
                }
                self.next_item = number.checked_add(1).ok_or_else(over)?;
                self.pending.push_back((number, Item::Parcel(parcel)));
            }
            Entry::Refusal(number, refusal) => {
                self.next_item = number.checked_add(1).ok_or_else(over)?;
                self.pending.push_back((number, Item::Refusal(refusal)));
            }
            Entry::Done(number) => self.pending.retain(|(one, _)| *one != number),
            Entry::Joined(first) => self.joined = Some(first),
        }
        Ok(())
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
/// The kind of parcels that hold both statements.
pub(super) const STATEMENTS: &str = "statements";
