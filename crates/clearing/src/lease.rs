//! Authority lease: what an edge or a bank may do while it is cut off from the core.
//!
//! The core grants an amount for a time, beforehand, out of money that it holds back from the
//! party; cut off, the party spends within it by its own word; when the link is back it settles
//! up. Two pure machines, [`Grantor`] and [`Holder`]: each method is one turn, made durable by the
//! caller before its message leaves. Messages may be lost, repeated and reordered.
//!
//! - A lease has a number. A holder takes only a newer one, and from then on the older one is
//!   closed: a late copy of an old grant revives nothing.
//! - A holder stops when its clock is `skew_max` before the end, so by the grantor's clock nothing
//!   is spent at or after the end, as long as the two are not further apart than that.
//! - **Time ends the authority, never the doubt.** What an expired or revoked lease has spent is
//!   unknown until its holder says so: the grantor goes on holding back its whole amount. Only a
//!   final report, after which the holder spends nothing more, frees the rest.
//! - So the sum of what is unsettled is at most `exposure_max`, whatever is lost and whoever dies.
//!
//! INVARIANT (LeaseBounds): of each lease at most its amount is spent, all before its end, and the
//! grantor holds back at least what is spent and not settled. Guard: every interleaving of a small
//! world, in `tests/lease.rs`.
//!
//! The settlement book ([`crate::settlement::lease`]) and a bank's own book
//! ([`crate::customers::lease`]) hold these machines and record each turn as a fact.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};
use terms::{Instant, Minor, TransactionId};

/// Leases passed over that are still reported when a newer one arrives. A holder that was set back
/// to an older copy takes the newest at once; what lies further back persons end.
const AHEAD_MAX: u64 = 64;

/// Settled leases whose sum is still known, and whose spendings are still told apart here: what is
/// older is over. Both books know for themselves how each payment ended.
const SETTLED_KEPT: usize = 64;

/// What the two agreed on, in the participant's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// Most that may be granted and not settled at one time: the bound of the loss.
    pub exposure_max: Minor,
    /// How far the two clocks may be apart.
    pub skew_max: Duration,
}

/// A lease, as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Lease {
    /// Its number: the first is 1, the next is larger.
    #[n(0)]
    pub number: u64,
    /// How much may be spent.
    #[n(1)]
    pub amount: Minor,
    /// When the authority ends, by the grantor's clock.
    #[n(2)]
    pub ends_at: Instant,
}

/// What a holder says of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct LeaseReport {
    /// Which lease.
    #[n(0)]
    pub number: u64,
    /// How much it has spent.
    #[n(1)]
    pub spent: Minor,
    /// Whether it spends nothing more of it.
    #[n(2)]
    pub is_final: bool,
}

/// How the grantor sees a lease that is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Granted {
    /// The lease.
    #[n(0)]
    pub lease: Lease,
    /// What is known to be spent, at least.
    #[n(1)]
    pub known: Minor,
    /// Whether it was taken back before its end.
    #[n(2)]
    pub revoked: bool,
}

/// The side of the core, for one holder: a fold over its facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Grantor {
    #[n(0)]
    last: u64,
    #[n(1)]
    open: BTreeMap<u64, Granted>,
    /// What each settled lease had spent.
    #[n(2)]
    settled: BTreeMap<u64, Minor>,
}

/// Why nothing was granted or settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseRefusal {
    /// More would be unsettled than may be.
    #[error("{open} is leased and not settled; at most {most} may be")]
    ExposureExceeded {
        /// What is granted and not settled.
        open: Minor,
        /// Most that may be.
        most: Minor,
    },
    /// No such lease was granted.
    #[error("lease {0} was never granted")]
    Unknown(u64),
    /// The holder spent more than it was granted. The lease stays open: a person must look.
    #[error("lease {number}: {spent} spent of {amount}")]
    Overspent {
        /// Which lease.
        number: u64,
        /// What the holder says.
        spent: Minor,
        /// What was granted.
        amount: Minor,
    },
    /// A report says less than one before, or another end than the one that was settled.
    #[error("lease {number}: {spent} spent, and {known} was said before")]
    Contradicted {
        /// Which lease.
        number: u64,
        /// What it says now.
        spent: Minor,
        /// What was said.
        known: Minor,
    },
}

/// What a report came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// At least so much is spent; all of the lease stays held back.
    Known,
    /// It is settled, now or before: this is to be posted, once, and the rest is free.
    Settled {
        /// What was spent.
        spent: Minor,
        /// What is free again.
        free: Minor,
        /// Whether it was settled by this very report.
        now: bool,
    },
}

impl Grantor {
    /// What is granted and not settled: held back from the holder's money, all of it.
    #[must_use]
    pub fn exposure(&self) -> Minor {
        let sum = |sum: Minor, one: &Granted| sum.plus(one.lease.amount).unwrap_or(Minor::MAX);
        self.open.values().fold(Minor::ZERO, sum)
    }

    /// The leases that are not settled, expired ones too.
    pub fn open(&self) -> impl Iterator<Item = &Granted> {
        self.open.values()
    }

    /// What a settled lease had spent.
    #[must_use]
    pub fn settled(&self, number: u64) -> Option<Minor> {
        self.settled.get(&number).copied()
    }

    /// Whether a lease was granted and is settled, however long ago.
    #[must_use]
    pub fn is_over(&self, number: u64) -> bool {
        (1..=self.last).contains(&number) && !self.open.contains_key(&number)
    }

    fn note_settled(&mut self, number: u64, spent: Minor) {
        self.open.remove(&number);
        self.settled.insert(number, spent);
        while self.settled.len() > SETTLED_KEPT {
            self.settled.pop_first();
        }
    }

    /// Grants, or renews: a renewal is the next lease, and closes the one before when it arrives.
    /// The caller holds the amount back in the same fact, and sends the lease once that is durable.
    pub fn grant(
        &mut self,
        terms: &LeaseTerms,
        now: Instant,
        amount: Minor,
        time: Duration,
    ) -> Result<Lease, LeaseRefusal> {
        let open = self.exposure();
        let most = terms.exposure_max;
        match open.plus(amount) {
            Ok(sum) if sum <= most => {}
            Ok(_) | Err(_) => return Err(LeaseRefusal::ExposureExceeded { open, most }),
        }
        self.last = self.last.saturating_add(1);
        let lease = Lease { number: self.last, amount, ends_at: now.plus(time) };
        self.open.insert(self.last, Granted { lease, known: Minor::ZERO, revoked: false });
        Ok(lease)
    }

    /// Folds a lease that was granted before.
    pub(crate) fn note_granted(&mut self, lease: Lease) {
        self.last = self.last.max(lease.number);
        self.open.insert(lease.number, Granted { lease, known: Minor::ZERO, revoked: false });
    }

    /// Folds what is known to be spent.
    pub(crate) fn note_known(&mut self, number: u64, spent: Minor) {
        if let Some(granted) = self.open.get_mut(&number) {
            granted.known = granted.known.max(spent);
        }
    }

    /// Folds a lease that ended: by its holder's final report, or because persons ended it.
    pub(crate) fn note_ended(&mut self, number: u64, spent: Minor) {
        self.note_settled(number, spent);
    }

    /// The number of the last lease that was granted.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Takes a lease back: its number is to be sent. What it has spent by then stays in doubt
    /// until it is reported.
    pub fn revoke(&mut self, number: u64) -> Result<(), LeaseRefusal> {
        if let Some(granted) = self.open.get_mut(&number) {
            granted.revoked = true;
            return Ok(());
        }
        if self.is_over(number) { Ok(()) } else { Err(LeaseRefusal::Unknown(number)) }
    }

    /// Whether a lease gives no authority any more, by the grantor's clock. It frees nothing.
    #[must_use]
    pub fn has_ended(&self, number: u64, now: Instant) -> bool {
        self.open.get(&number).is_none_or(|granted| now >= granted.lease.ends_at)
    }

    /// Takes a report, as often as it comes.
    pub fn reported(&mut self, report: &LeaseReport) -> Result<Reported, LeaseRefusal> {
        let LeaseReport { number, spent, is_final } = *report;
        if let Some(known) = self.settled(number) {
            // A report that was under way when the final one was taken says less, or the same.
            if spent > known || (is_final && spent != known) {
                return Err(LeaseRefusal::Contradicted { number, spent, known });
            }
            return Ok(Reported::Settled { spent: known, free: Minor::ZERO, now: false });
        }
        if self.is_over(number) {
            return Ok(Reported::Settled { spent, free: Minor::ZERO, now: false });
        }
        let granted = self.open.get_mut(&number).ok_or(LeaseRefusal::Unknown(number))?;
        let (amount, known) = (granted.lease.amount, granted.known);
        let Ok(free) = amount.minus(spent) else {
            return Err(LeaseRefusal::Overspent { number, spent, amount });
        };
        if is_final && spent < known {
            return Err(LeaseRefusal::Contradicted { number, spent, known });
        }
        if !is_final {
            granted.known = known.max(spent);
            return Ok(Reported::Known);
        }
        self.note_settled(number, spent);
        Ok(Reported::Settled { spent, free, now: true })
    }
}

/// A lease as its holder has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Held {
    /// The lease.
    #[n(0)]
    pub lease: Lease,
    /// What was spent, by id: the same spending again is one.
    #[n(1)]
    pub spent: BTreeMap<TransactionId, Minor>,
    /// Whether nothing more is spent of it.
    #[n(2)]
    pub is_closed: bool,
}

impl Held {
    /// The sum of what was spent.
    #[must_use]
    pub fn total(&self) -> Minor {
        let sum = |sum: Minor, one: &Minor| sum.plus(*one).unwrap_or(Minor::MAX);
        self.spent.values().fold(Minor::ZERO, sum)
    }

    /// What it says of itself.
    #[must_use]
    pub fn report(&self) -> LeaseReport {
        let Self { lease, is_closed, .. } = self;
        LeaseReport { number: lease.number, spent: self.total(), is_final: *is_closed }
    }
}

/// The side of the edge or bank. Durable before anything spent is acted upon.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Holder {
    #[n(0)]
    newest: u64,
    #[n(1)]
    held: BTreeMap<u64, Held>,
    /// Leases that were passed over before they arrived: nothing is ever spent of them.
    #[n(2)]
    passed: BTreeSet<u64>,
    /// What was spent of settled leases, so that the same spending stays one.
    #[n(3)]
    done: BTreeMap<TransactionId, Spent>,
}

/// A spending of a lease that is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
struct Spent {
    #[n(0)]
    number: u64,
    #[n(1)]
    amount: Minor,
}

/// Why nothing may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAuthority {
    /// There is no lease, or it was taken back or ended.
    #[error("no lease is in force")]
    NoLease,
    /// The lease ends, or may have ended by the grantor's clock.
    #[error("the lease ends at {0}")]
    Ends(Instant),
    /// Less is left.
    #[error("{left} is left of the lease")]
    TooMuch {
        /// What is left.
        left: Minor,
    },
    /// The id was used for another amount.
    #[error("the id was used for {first}")]
    IdUsed {
        /// The first amount.
        first: Minor,
    },
}

impl Holder {
    /// Takes a grant: `false` for one that is not newer. The leases before it are
    /// closed, those that never arrived too.
    pub fn granted(&mut self, lease: Lease) -> bool {
        if !self.pass_to(lease.number) {
            return false;
        }
        self.passed.remove(&lease.number);
        let held = Held { lease, spent: BTreeMap::new(), is_closed: false };
        self.held.insert(lease.number, held);
        true
    }

    /// Hears that a lease is taken back. A grant of it that comes later gives nothing.
    pub fn revoked(&mut self, number: u64) {
        self.pass_to(number);
        self.close(number);
    }

    /// Goes on to a newer number: everything up to it is closed.
    fn pass_to(&mut self, number: u64) -> bool {
        if number <= self.newest {
            return false;
        }
        self.close(self.newest);
        let first = self.newest.saturating_add(1).max(number.saturating_sub(AHEAD_MAX));
        self.passed.extend(first..=number);
        self.newest = number;
        true
    }

    /// Spends within the newest lease. What was spent before under this id is not spent again,
    /// whatever the clock says.
    pub fn spend(
        &mut self,
        terms: &LeaseTerms,
        now: Instant,
        id: TransactionId,
        amount: Minor,
    ) -> Result<u64, NoAuthority> {
        if let Some(Spent { number, amount: first }) = self.spent(id) {
            return if first == amount { Ok(number) } else { Err(NoAuthority::IdUsed { first }) };
        }
        let held = self.held.get_mut(&self.newest).filter(|held| !held.is_closed);
        let held = held.ok_or(NoAuthority::NoLease)?;
        if now.plus(terms.skew_max) >= held.lease.ends_at {
            return Err(NoAuthority::Ends(held.lease.ends_at));
        }
        let left = held.lease.amount.minus(held.total()).unwrap_or(Minor::ZERO);
        if amount > left {
            return Err(NoAuthority::TooMuch { left });
        }
        held.spent.insert(id, amount);
        Ok(held.lease.number)
    }

    /// Folds what was spent before.
    pub(crate) fn note_spent(&mut self, number: u64, id: TransactionId, amount: Minor) {
        if let Some(held) = self.held.get_mut(&number) {
            held.spent.insert(id, amount);
        }
    }

    /// Folds a lease that was closed before.
    pub(crate) fn note_closed(&mut self, number: u64) {
        self.close(number);
    }

    /// The number of the newest lease that was taken or passed over.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.newest
    }

    /// The newest lease, closed or not, while it is not known to be settled.
    #[must_use]
    pub fn newest(&self) -> Option<&Held> {
        self.held.get(&self.newest)
    }

    /// Closes what has ended by its own clock, so that its report is final. Before it, a clock
    /// that steps back could open it again.
    pub fn expire(&mut self, terms: &LeaseTerms, now: Instant) {
        let ended = |held: &Held| now.plus(terms.skew_max) >= held.lease.ends_at;
        if self.held.get(&self.newest).is_some_and(ended) {
            self.close(self.newest);
        }
    }

    /// What is to be reported, again and again until it is settled.
    pub fn reports(&self) -> impl Iterator<Item = LeaseReport> {
        let nothing =
            |number: &u64| LeaseReport { number: *number, spent: Minor::ZERO, is_final: true };
        self.held.values().map(Held::report).chain(self.passed.iter().map(nothing))
    }

    /// The leases that are not known to be settled.
    pub fn held(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    /// Hears that a closed lease is settled: it is reported no more.
    pub fn settled(&mut self, number: u64) {
        self.passed.remove(&number);
        if self.held.get(&number).is_none_or(|held| !held.is_closed) {
            return;
        }
        let spent = self.held.remove(&number).map(|held| held.spent).unwrap_or_default();
        self.done.extend(spent.into_iter().map(|(id, amount)| (id, Spent { number, amount })));
        let kept = u64::try_from(SETTLED_KEPT).unwrap_or(u64::MAX);
        let oldest = self.newest.saturating_sub(kept);
        self.done.retain(|_, spent| spent.number >= oldest);
    }

    /// What was spent under an id.
    fn spent(&self, id: TransactionId) -> Option<Spent> {
        let of = |held: &Held| {
            let number = held.lease.number;
            held.spent.get(&id).map(|amount| Spent { number, amount: *amount })
        };
        self.held.values().find_map(of).or_else(|| self.done.get(&id).copied())
    }

    fn close(&mut self, number: u64) {
        if let Some(held) = self.held.get_mut(&number) {
            held.is_closed = true;
        }
    }
}
