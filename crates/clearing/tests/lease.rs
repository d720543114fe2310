//! Every interleaving of a small world of leases: what is granted, spent, renewed, revoked,
//! expires and settles up, over a network that loses, repeats and reorders everything, with two
//! clocks that are apart by as much as they may.
//!
//! A message that was sent once stays in the network and may be delivered at any later moment, any
//! number of times or never: that is all loss, repetition and reordering there is. A process that
//! dies loses nothing, since each turn is durable before it shows: a crash is a turn not taken.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of a test fail by panicking")]

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use clearing::lease::{
    Grantor, Holder, Lease, LeaseRefusal, LeaseReport, LeaseTerms, NoAuthority, Reported,
};
use terms::{Instant, Minor, TransactionId};

const LEASED: u128 = 2;
const EXPOSURE: u128 = 4;
const TICKS: u64 = 4;
const LASTS: u64 = 3;
const GRANTS: u8 = 3;
const IDS: u8 = 3;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Msg {
    Grant(Lease),
    Revoke(u64),
    Report(LeaseReport),
    Settled(u64),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    grantor: Grantor,
    holder: Holder,
    sent: BTreeSet<Msg>,
    /// The grantor's clock, and the holder's, in seconds.
    clocks: [u64; 2],
    grants: u8,
    /// What was truly spent, by id: of which lease.
    truth: BTreeMap<u8, u64>,
}

fn terms(skew_seconds: u64) -> LeaseTerms {
    let skew_max = Duration::from_secs(skew_seconds);
    LeaseTerms { exposure_max: Minor::new(EXPOSURE), skew_max }
}

fn at(seconds: u64) -> Instant {
    Instant::from_seconds(1_000 + seconds)
}

fn id(n: u8) -> TransactionId {
    TransactionId::from_bytes([n; 16])
}

/// What an exploration found.
#[derive(Debug, Default)]
struct Seen {
    worlds: usize,
    /// Spendings at or after the end by the grantor's clock.
    late: usize,
    /// Worlds in which less than what is spent would be held back, if time alone freed a lease.
    freed_by_time: usize,
    refused: usize,
    ended: usize,
    no_lease: usize,
    too_much: usize,
}

impl World {
    fn truly(&self, number: u64) -> Minor {
        let count = self.truth.values().filter(|of| **of == number).count();
        Minor::new(u128::try_from(count).unwrap())
    }

    fn deliver(&mut self, msg: &Msg) {
        match msg {
            Msg::Grant(lease) => {
                self.holder.granted(*lease);
            }
            Msg::Revoke(number) => self.holder.revoked(*number),
            Msg::Report(report) => match self.grantor.reported(report) {
                Ok(Reported::Settled { .. }) => {
                    self.sent.insert(Msg::Settled(report.number));
                }
                Ok(Reported::Known) => {}
                Err(refusal) => panic!("an honest report is refused: {refusal}"),
            },
            Msg::Settled(number) => self.holder.settled(*number),
        }
    }

    fn spend(&mut self, terms: &LeaseTerms, n: u8, seen: &mut Seen) {
        let amount = Minor::new(1);
        match self.holder.spend(terms, at(self.clocks[1]), id(n), amount) {
            Ok(number) => match self.truth.get(&n) {
                Some(first) => assert_eq!(*first, number, "the same spending is one"),
                None => {
                    self.truth.insert(n, number);
                    let late = self.grantor.has_ended(number, at(self.clocks[0]));
                    seen.late += usize::from(late);
                }
            },
            Err(NoAuthority::Ends(_)) => seen.ended += 1,
            Err(NoAuthority::NoLease) => seen.no_lease += 1,
            Err(NoAuthority::TooMuch { .. }) => seen.too_much += 1,
            Err(NoAuthority::IdUsed { .. }) => panic!("one amount"),
        }
    }

    /// Everything that can happen next.
    fn next(&self, terms: &LeaseTerms, seen: &mut Seen) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |change: &mut dyn FnMut(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            if next != *self {
                all.push(next);
            }
        };
        if self.grants < GRANTS {
            add(&mut |world| {
                let lasts = Duration::from_secs(LASTS);
                let now = at(world.clocks[0]);
                match world.grantor.grant(terms, now, Minor::new(LEASED), lasts) {
                    Ok(lease) => {
                        world.grants += 1;
                        world.sent.insert(Msg::Grant(lease));
                    }
                    Err(LeaseRefusal::ExposureExceeded { .. }) => seen.refused += 1,
                    Err(other) => panic!("{other}"),
                }
            });
        }
        let open: Vec<u64> = self.grantor.open().map(|one| one.lease.number).collect();
        for number in open {
            add(&mut |world| {
                world.grantor.revoke(number).unwrap();
                world.sent.insert(Msg::Revoke(number));
            });
        }
        for n in 0..IDS {
            add(&mut |world| world.spend(terms, n, seen));
        }
        add(&mut |world| world.holder.expire(terms, at(world.clocks[1])));
        let reports: Vec<LeaseReport> = self.holder.reports().collect();
        add(&mut |world| world.sent.extend(reports.iter().copied().map(Msg::Report)));
        for msg in &self.sent {
            add(&mut |world| world.deliver(msg));
        }
        for [one, other] in [[1, 0], [0, 1]] {
            let clocks = [self.clocks[0] + one, self.clocks[1] + other];
            add(&mut |world| world.clocks = clocks);
        }
        // A clock steps back, too.
        if self.clocks[1] > 0 {
            add(&mut |world| world.clocks[1] -= 1);
        }
        all.retain(|world| {
            let [one, other] = world.clocks;
            one <= TICKS && other <= TICKS && one.abs_diff(other) <= 1
        });
        all
    }

    fn check(&self, seen: &mut Seen) {
        let (mut unsettled, mut leased) = (Minor::ZERO, Minor::ZERO);
        let mut held_if_time_freed = Minor::ZERO;
        for number in 1..=u64::from(self.grants) {
            let spent = self.truly(number);
            assert!(spent <= Minor::new(LEASED), "lease {number}: {spent} spent");
            leased = leased.plus(Minor::new(LEASED)).unwrap();
            match self.grantor.settled(number) {
                Some(settled) => assert_eq!(settled, spent, "what is settled is what was spent"),
                None => unsettled = unsettled.plus(spent).unwrap(),
            }
        }
        for one in self.grantor.open() {
            if !self.grantor.has_ended(one.lease.number, at(self.clocks[0])) {
                held_if_time_freed = held_if_time_freed.plus(one.lease.amount).unwrap();
            }
            assert!(one.known <= self.truly(one.lease.number), "known is at least spent");
        }
        let exposure = self.grantor.exposure();
        assert!(unsettled <= exposure, "{unsettled} is spent and {exposure} held back");
        assert!(exposure <= Minor::new(EXPOSURE), "the bound of the loss");
        let total = Minor::new(u128::try_from(self.truth.len()).unwrap());
        assert!(total <= leased, "{total} spent of {leased}");
        seen.freed_by_time += usize::from(unsettled > held_if_time_freed);
    }

    /// The link is back and time goes on: everything settles.
    fn comes_to_rest(&self, terms: &LeaseTerms) {
        let mut world = self.clone();
        world.clocks = [TICKS + LASTS + 2; 2];
        for _ in 0..4 {
            world.holder.expire(terms, at(world.clocks[1]));
            let reports: Vec<Msg> = world.holder.reports().map(Msg::Report).collect();
            world.sent.extend(reports);
            for msg in world.sent.clone() {
                world.deliver(&msg);
            }
        }
        assert_eq!(world.grantor.exposure(), Minor::ZERO, "{world:?}");
        assert_eq!(world.holder.held().count(), 0);
        assert_eq!(world.holder.reports().count(), 0);
    }
}

/// All worlds that can be reached in `depth` turns.
fn explore(terms: &LeaseTerms, depth: usize) -> Seen {
    let mut seen = Seen::default();
    let mut known: BTreeSet<World> = BTreeSet::from([World::default()]);
    let mut front = vec![World::default()];
    for _ in 0..depth {
        let mut reached = Vec::new();
        for world in &front {
            for next in world.next(terms, &mut seen) {
                if known.insert(next.clone()) {
                    next.check(&mut seen);
                    if terms.skew_max > Duration::ZERO && known.len().is_multiple_of(5) {
                        next.comes_to_rest(terms);
                    }
                    reached.push(next);
                }
            }
        }
        front = reached;
    }
    seen.worlds = known.len();
    seen
}

#[test]
fn what_is_spent_never_exceeds_what_is_leased_in_any_interleaving() {
    let seen = explore(&terms(1), 10);
    println!("{seen:?}");
    assert_eq!(seen.late, 0, "spent at or after the end by the grantor's clock");
    assert!(seen.worlds > 20_000, "{seen:?}");
    let each = [seen.refused, seen.ended, seen.no_lease, seen.too_much];
    assert!(each.iter().all(|count| *count > 0), "each refusal is met: {seen:?}");
    // Why an expired lease is not free: in these worlds the loss would exceed what is held back.
    assert!(seen.freed_by_time > 0, "{seen:?}");
}

#[test]
fn a_holder_that_ignores_how_far_clocks_are_apart_is_seen() {
    assert!(explore(&terms(0), 8).late > 0);
}

#[test]
fn a_holder_that_breaks_its_lease_is_found_out_and_bound() {
    let mut grantor = Grantor::default();
    let (terms, lasts) = (terms(1), Duration::from_secs(LASTS));
    let lease = grantor.grant(&terms, at(0), Minor::new(LEASED), lasts).unwrap();
    let said = |spent: u128, is_final: bool| LeaseReport {
        number: lease.number,
        spent: Minor::new(spent),
        is_final,
    };
    let over = grantor.reported(&said(3, true));
    assert!(matches!(over, Err(LeaseRefusal::Overspent { .. })), "{over:?}");
    assert_eq!(grantor.exposure(), Minor::new(LEASED), "it stays held back");
    assert_eq!(grantor.reported(&said(2, false)), Ok(Reported::Known));
    let less = grantor.reported(&said(1, true));
    assert!(matches!(less, Err(LeaseRefusal::Contradicted { .. })), "{less:?}");
    let unknown = grantor.reported(&LeaseReport { number: 9, ..said(0, true) });
    assert_eq!(unknown, Err(LeaseRefusal::Unknown(9)));
    let (spent, free) = (Minor::new(2), Minor::ZERO);
    assert_eq!(grantor.reported(&said(2, true)), Ok(Reported::Settled { spent, free, now: true }));
    assert_eq!(grantor.reported(&said(2, true)), Ok(Reported::Settled { spent, free, now: false }));
}

#[test]
fn what_both_sides_remember_of_settled_leases_is_bounded_and_a_late_report_is_still_answered() {
    let (terms, mut grantor, mut holder) = (terms(0), Grantor::default(), Holder::default());
    let mut sizes = Vec::new();
    for round in 1..=300_u64 {
        let lease = grantor.grant(&terms, at(0), Minor::new(2), Duration::from_secs(9)).unwrap();
        assert!(holder.granted(lease));
        let mut id = [0; 16];
        id[..8].copy_from_slice(&round.to_be_bytes());
        holder.spend(&terms, at(0), TransactionId::from_bytes(id), Minor::new(1)).unwrap();
        holder.revoked(lease.number);
        holder.expire(&terms, at(10));
        let said = holder.reports().next().unwrap();
        assert!(matches!(grantor.reported(&said), Ok(Reported::Settled { now: true, .. })));
        holder.settled(lease.number);
        sizes.push([seal::to_canonical(&grantor).len(), seal::to_canonical(&holder).len()]);
    }
    let (early, late) = (sizes[149], sizes[299]);
    assert!(late[0] < early[0] + 200 && late[1] < early[1] + 200, "{early:?} {late:?}");
    let said = LeaseReport { number: 1, spent: Minor::new(1), is_final: true };
    assert!(matches!(grantor.reported(&said), Ok(Reported::Settled { now: false, .. })));
    let said = LeaseReport { number: 301, ..said };
    assert_eq!(grantor.reported(&said), Err(LeaseRefusal::Unknown(301)));
}
