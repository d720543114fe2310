//! What adapters and drivers are tested with: a toy machine and the contract of the port.
#![expect(clippy::expect_used, reason = "a contract suite fails by panicking, like any test")]

use record::{Fact, FactKind, SaltSlot};
use seal::digest::Domain;
use seal::{SaltStream, Secret};
use terms::{BookName, Epoch, Instant, Position, RunId};

use crate::batch::{Batch, Entry, Origin, Uncommitted};
use crate::commit::commit;
use crate::machine::{Checked, Image, ImageError, Machine, Salts};
use crate::port::{Append, Journal, NotDone, Tip};

/// Counts what it is told to add, once per id: like a payment, small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// The sum.
    pub total: u64,
    /// Position and amount by id.
    pub seen: std::collections::BTreeMap<u64, (Position, u64)>,
    /// Stamp of the last fact.
    pub stamp: u64,
}

/// Add `amount` under `id`; amount 0 is refused without a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Add {
    /// Idempotency key.
    pub id: u64,
    /// How much.
    pub amount: u64,
    /// Salt slot of its fact.
    pub slot: SaltSlot,
}

/// What [`Counter`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// Added; the new total.
    Total(u64),
    /// Was there already, at this position.
    Duplicate(Position),
    /// Zero is nothing to add.
    Refused,
}

/// The kind of the counter's facts.
pub const ADDED: FactKind = FactKind { number: 60_001, version: 1 };

impl Machine for Counter {
    type Command = Add;
    type Outcome = Added;
    type Fact = Fact;
    type Rows = ();

    fn check(&self, _rows: &(), _stamp: Instant, command: &Add) -> Checked<Added> {
        if let Some((position, _)) = self.seen.get(&command.id) {
            return Checked { facts: Vec::new(), outcome: Added::Duplicate(*position) };
        }
        if command.amount == 0 {
            return Checked { facts: Vec::new(), outcome: Added::Refused };
        }
        let body = vec![command.id.to_be_bytes().to_vec(), command.amount.to_be_bytes().to_vec()];
        let total = self.total.saturating_add(command.amount);
        let facts = vec![Fact::plain(ADDED, command.slot, body)];
        Checked { facts, outcome: Added::Total(total) }
    }

    fn apply(&mut self, position: Position, stamp: Instant, fact: &Fact) {
        let number = |index: usize| {
            let bytes = fact.body.get(index).map(|b| b.to_vec()).unwrap_or_default();
            bytes.try_into().map(u64::from_be_bytes).unwrap_or_default()
        };
        let (id, amount) = (number(0), number(1));
        self.total = self.total.saturating_add(amount);
        self.seen.insert(id, (position, amount));
        self.stamp = stamp.nanos();
    }
}

impl Image for Counter {
    fn save(&self) -> Vec<u8> {
        let mut bytes = [self.total, self.stamp].map(u64::to_be_bytes).concat();
        for (id, (position, amount)) in &self.seen {
            bytes.extend([*id, position.number(), *amount].map(u64::to_be_bytes).concat());
        }
        bytes
    }

    fn load(bytes: &[u8]) -> Result<Self, ImageError> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        let mut numbers = chunks.iter().map(|c| u64::from_be_bytes(*c));
        let (Some(total), Some(stamp), true) = (numbers.next(), numbers.next(), rest.is_empty())
        else {
            return Err(ImageError("too short".into()));
        };
        let mut state = Self { total, stamp, ..Self::default() };
        while let Some(id) = numbers.next() {
            let (Some(position), Some(amount)) = (numbers.next(), numbers.next()) else {
                return Err(ImageError("cut off".into()));
            };
            state.seen.insert(id, (Position::new(position), amount));
        }
        Ok(state)
    }
}

/// Salts under one fixed key: every slot holds one.
#[derive(Clone, Copy, Debug)]
pub struct FixedSalts;

impl Salts for FixedSalts {
    fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret> {
        let key = Secret::from_bytes([7; 32]);
        let info = [slot.0.to_be_bytes(), position.number().to_be_bytes()].concat();
        Some(seal::derive(&key, Domain::new("wayleave/test-salt/v1"), &info))
    }

    fn stream(&self, slot: SaltSlot) -> Option<SaltStream> {
        let key = Secret::from_bytes([7; 32]);
        let info = slot.0.to_be_bytes();
        Some(SaltStream::of(&seal::derive(&key, Domain::new("wayleave/test-salt/v1"), &info)))
    }
}

/// The book of the tests.
///
/// # Panics
/// Never: the name is well formed.
#[must_use]
pub fn book_name() -> BookName {
    "settlement".parse().expect("a book's name")
}

/// A batch of `count` counter facts that follows `tip`.
///
/// # Panics
/// When `count` is 0 or beyond the format's limit.
#[must_use]
pub fn batch_after(tip: &Tip, epoch: Epoch, count: u64) -> Batch {
    let first = tip.next.number();
    let origin = Origin {
        book: book_name(),
        first: tip.next,
        epoch,
        run: RunId::from_bytes([9; 16]),
        previous: tip.digest,
        stamp: Instant::from_nanos(tip.stamp.nanos() + 1),
    };
    let entries = (first..first + count).map(|n| {
        let body = vec![n.to_be_bytes().to_vec(), 1_u64.to_be_bytes().to_vec()];
        let fact = Fact::plain(ADDED, SaltSlot(n), body);
        let uncommitted = Uncommitted {
            position: Position::new(n),
            slot: SaltSlot(n),
            is_whole: fact.kind.is_whole(),
            bytes: &seal::to_canonical(&fact),
        };
        Entry { commitment: commit(&FixedSalts, uncommitted).expect("fixed salts"), fact }
    });
    Batch::seal(origin, &entries.collect::<Vec<_>>()).expect("a small batch")
}

/// Every clause of [`Journal`] that needs no fault. `reopen` gives the empty journal for `None`
/// and the same journal again, as after a restart, for `Some`.
///
/// # Panics
/// When the adapter breaks the contract.
pub fn contract<J: Journal>(mut reopen: impl FnMut(Option<J>) -> J) {
    let journal = reopen(None);
    let journal = appends_in_order(journal);
    let journal = refuses_what_does_not_follow(journal);
    let before = journal.read_from(Position::ZERO, usize::MAX).expect("readable");
    let journal = reopen(Some(journal));
    let after = journal.read_from(Position::ZERO, usize::MAX).expect("readable");
    assert_eq!(before, after, "an appended batch was changed by a restart");
    let journal = fences_older_epochs(journal);
    reads_from_anywhere(&journal);
}

fn appends_in_order<J: Journal>(mut journal: J) -> J {
    let epoch = journal.claim_epoch(RunId::from_bytes([1; 16])).expect("an epoch");
    assert_eq!(journal.head(), Ok(Tip::GENESIS));
    assert_eq!(journal.read_from(Position::ZERO, 8), Ok(Vec::new()));
    for count in 1..20 {
        let tip = journal.head().expect("a head");
        let batch = batch_after(&tip, epoch, count);
        assert_eq!(journal.append(tip.next, epoch, &batch), Append::Appended);
        assert_eq!(journal.head(), Ok(batch.tip()));
    }
    journal
}

fn refuses_what_does_not_follow<J: Journal>(mut journal: J) -> J {
    let epoch = journal.claim_epoch(RunId::from_bytes([2; 16])).expect("an epoch");
    let tip = journal.head().expect("a head");
    let next = |n: u64| Position::new(n);
    let moved = batch_after(&Tip { next: next(5), ..tip }, epoch, 1);
    assert_eq!(
        journal.append(next(5), epoch, &moved),
        Append::NotDone(NotDone::Moved { next: tip.next })
    );
    let unchained = [
        moved,
        batch_after(&Tip { digest: seal::sha256(b"other"), ..tip }, epoch, 1),
        batch_after(&Tip { stamp: Instant::EPOCH, ..tip }, epoch, 1),
        batch_after(&tip, Epoch::new(77), 1),
    ];
    for batch in unchained {
        let end = journal.append(tip.next, epoch, &batch);
        let unchained = matches!(end, Append::NotDone(NotDone::Unchained(_)));
        assert!(unchained, "expected unchained, got {end:?}");
    }
    assert_eq!(journal.head(), Ok(tip), "a refused append moved the head");
    journal
}

fn fences_older_epochs<J: Journal>(mut journal: J) -> J {
    let older = journal.claim_epoch(RunId::from_bytes([3; 16])).expect("an epoch");
    let newer = journal.claim_epoch(RunId::from_bytes([4; 16])).expect("an epoch");
    assert!(newer > older, "epochs must grow");
    let tip = journal.head().expect("a head");
    assert_eq!(
        journal.append(tip.next, older, &batch_after(&tip, older, 1)),
        Append::NotDone(NotDone::Fenced { newest: newer })
    );
    let batch = batch_after(&tip, newer, 1);
    assert_eq!(journal.append(tip.next, newer, &batch), Append::Appended);
    assert_eq!(
        journal.append(tip.next, newer, &batch),
        Append::NotDone(NotDone::Moved { next: batch.tip().next }),
        "an append is never done twice"
    );
    journal
}

fn reads_from_anywhere<J: Journal>(journal: &J) {
    let all = journal.read_from(Position::ZERO, usize::MAX).expect("readable");
    let mut tip = Tip::GENESIS;
    for (index, batch) in all.iter().enumerate() {
        batch.follows(&tip, &book_name()).expect("the chain holds");
        for position in tip.next.number()..batch.tip().next.number() {
            let read = journal.read_from(Position::new(position), 2).expect("readable");
            let wanted: Vec<&Batch> = all.iter().skip(index).take(2).collect();
            assert_eq!(read.iter().collect::<Vec<_>>(), wanted, "from position {position}");
        }
        tip = batch.tip();
    }
    assert_eq!(journal.head(), Ok(tip));
    assert_eq!(journal.read_from(tip.next, 2), Ok(Vec::new()));
}
