//! Worlds by dice: a rail that loses requests and answers, duplicates, delays and reorders them,
//! and a process that dies between any two steps. The oracle: money is posted at most once, never
//! posted when the rail surely did nothing, never released when it did, and everything ends.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use clearing::outside::{
    Asking, Effect, Input, Live, Patience, Phase, Rails, Report, Resend, Sending, Step, step,
};
use clearing::testkit::{Books, name, now, settlement_genesis};
use clearing::{OutsideAnswer, OutsideWork};
use proptest::prelude::*;
use record::StuckDecision;
use terms::{Instant, OutsideId};

use clearing::testkit::outside::stuck_act;

use crate::model::{id, moved, order, outside, report, returned, sound, transfer};

const TRANSFERS: u8 = 3;
const UNITS: u128 = 500;
const PATIENT: Patience = Patience {
    first_pause: Duration::from_secs(1),
    pause_max: Duration::from_secs(8),
    give_up_after: Duration::from_secs(8),
    stuck_after: Duration::from_secs(60),
    resend: Resend::SameMessage,
};

/// Numbers of the world, one after the other.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn place(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).expect("a count");
        usize::try_from(self.roll(count)).expect("a place")
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// What a rail does with a message id: decided at the first time, kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pending,
    Settled,
    Rejected,
    Returned,
}

/// The rail at the other end. It promises: one message id is executed at most once.
#[derive(Clone, Debug, Default)]
struct Outside {
    verdicts: BTreeMap<OutsideId, Verdict>,
    executed: BTreeMap<OutsideId, u32>,
    /// Requests still on their way.
    delayed: Vec<OutsideId>,
    /// Messages on their way to us, in any order.
    incoming: Vec<(OutsideId, Report)>,
    dead: bool,
    /// Nothing is reached for a while: every try is surely not done.
    cut: bool,
}

impl Outside {
    fn arrive(&mut self, id: OutsideId, dice: &mut Dice) -> Report {
        if let Some(verdict) = self.verdicts.get(&id) {
            return match verdict {
                // Some rails answer a duplicate with the first status, some refuse it as one.
                _ if dice.one_in(3) => report("RJCT", "AM05"),
                verdict => told(*verdict),
            };
        }
        let verdict = match dice.roll(6) {
            0 | 1 => Verdict::Pending,
            2 => Verdict::Rejected,
            3 => Verdict::Returned,
            _ => Verdict::Settled,
        };
        self.decide(id, verdict, dice);
        told(verdict)
    }

    fn decide(&mut self, id: OutsideId, verdict: Verdict, dice: &mut Dice) {
        self.verdicts.insert(id, verdict);
        if matches!(verdict, Verdict::Settled | Verdict::Returned) {
            *self.executed.entry(id).or_default() += 1;
        }
        for _ in 0..=dice.roll(2) {
            if !dice.one_in(4) {
                self.incoming.push((id, told(verdict)));
            }
        }
        if verdict == Verdict::Returned {
            self.incoming.push((id, returned()));
        }
    }

    /// Time passes at the rail: what was delayed arrives, what was pending is decided.
    fn tick(&mut self, dice: &mut Dice) {
        if dice.one_in(25) {
            self.cut = !self.cut;
        }
        if self.dead {
            return;
        }
        if dice.one_in(3) && !self.delayed.is_empty() {
            let place = dice.place(self.delayed.len());
            let id = self.delayed.remove(place);
            let answer = self.arrive(id, dice);
            self.incoming.push((id, answer));
        }
        let pending = self.verdicts.iter().find(|(_, verdict)| **verdict == Verdict::Pending);
        if let Some((id, _)) = pending.map(|(id, verdict)| (*id, *verdict))
            && dice.one_in(8)
        {
            let end = if dice.one_in(2) { Verdict::Settled } else { Verdict::Rejected };
            self.decide(id, end, dice);
        }
    }

    fn send(&mut self, id: OutsideId, dice: &mut Dice) -> Sending {
        let lost = || Sending::Unknown("no answer".into());
        match dice.roll(8) {
            _ if self.cut => Sending::NotDone("the link is cut".into()),
            0 => Sending::NotDone("no connection".into()),
            1 => lost(),
            2 => {
                self.delayed.push(id);
                lost()
            }
            3 if !self.dead => {
                let _answer = self.arrive(id, dice);
                lost()
            }
            4 if !self.dead => {
                self.delayed.push(id);
                Sending::Sent(Some(self.arrive(id, dice)))
            }
            _ if self.dead => lost(),
            5 if self.verdicts.contains_key(&id) => Sending::Sent(None),
            _ => Sending::Sent(Some(self.arrive(id, dice))),
        }
    }

    fn ask(&mut self, id: OutsideId, dice: &mut Dice) -> Asking {
        if self.dead || self.cut || dice.one_in(3) {
            return Asking::Unknown("no answer".into());
        }
        self.verdicts.get(&id).map_or(Asking::NotKnown, |verdict| Asking::Status(told(*verdict)))
    }

    fn surely_did(&self, id: OutsideId) -> bool {
        self.executed.contains_key(&id)
    }
}

fn told(verdict: Verdict) -> Report {
    match verdict {
        Verdict::Pending => report("ACSP", ""),
        Verdict::Settled | Verdict::Returned => report("ACSC", ""),
        Verdict::Rejected => report("RJCT", "AC04"),
    }
}

/// One driver of one transfer: what it remembers, and what it does next.
struct Driver {
    live: Live,
    next: Input,
    due: Instant,
}

struct World {
    books: Books,
    rail: Outside,
    dice: Dice,
    now: Instant,
    drivers: BTreeMap<u8, Driver>,
    crashes: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut books = Books::ready();
        for n in 1..=TRANSFERS {
            let work = OutsideWork::Request(order(n, UNITS));
            assert_eq!(outside(&mut books, now(), work), OutsideAnswer::Now);
        }
        let dice = Dice(seed);
        let rail = Outside::default();
        let mut world =
            Self { books, rail, dice, now: now(), drivers: BTreeMap::new(), crashes: 0 };
        world.restart();
        world
    }

    /// A new process: the fold of the facts, and drivers that remember nothing.
    fn restart(&mut self) {
        assert_eq!(self.books.settlement.refold(settlement_genesis()), self.books.settlement.state);
        let fresh = |n| (n, Driver { live: Live::RECOVERED, next: Input::Begun, due: self.now });
        self.drivers = (1..=TRANSFERS).map(fresh).collect();
    }

    fn turn(&mut self, n: u8, input: Input) {
        let seen = transfer(&self.books, n);
        let live = self.drivers[&n].live;
        let rails = Rails { rail: name("tcb-files"), patience: &PATIENT };
        let Step { live, work, then } = step(&seen, live, rails, self.now, input);
        if self.crash() {
            return;
        }
        let fresh = match work {
            None => true,
            Some(work) => outside(&mut self.books, self.now, work) == OutsideAnswer::Now,
        };
        if self.crash() {
            return;
        }
        self.check();
        let (next, pause) = match then {
            _ if !fresh => (Input::Begun, 1),
            Effect::Send => {
                let sent = self.rail.send(id(n), &mut self.dice);
                (Input::Handed(sent), 0)
            }
            Effect::Ask => (Input::Asked(self.rail.ask(id(n), &mut self.dice)), 0),
            Effect::Wait(pause) => (Input::Timer, pause.as_secs()),
            Effect::Nothing | Effect::Alarm(_) => (Input::Timer, 5),
        };
        // Between the rail's answer and the next step, too.
        if self.crash() {
            return;
        }
        let due = self.now.plus(Duration::from_secs(pause));
        self.drivers.insert(n, Driver { live, next, due });
    }

    fn crash(&mut self) -> bool {
        let crashes = self.dice.one_in(12);
        if crashes {
            self.crashes += 1;
            self.restart();
        }
        crashes
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now.plus(Duration::from_secs(1));
            self.rail.tick(&mut self.dice);
            if !self.rail.incoming.is_empty() && self.dice.one_in(2) {
                let place = self.dice.place(self.rail.incoming.len());
                let (of, report) = self.rail.incoming.remove(place);
                if !self.dice.one_in(4) {
                    self.turn(of.bytes()[0], Input::Heard(report));
                }
            }
            for n in 1..=TRANSFERS {
                if self.drivers[&n].due <= self.now {
                    let next = self.drivers[&n].next.clone();
                    self.turn(n, next);
                }
            }
        }
    }

    /// What holds at every moment.
    fn check(&self) {
        let mut posted = 0;
        for n in 1..=TRANSFERS {
            let one = transfer(&self.books, n);
            let did = self.rail.surely_did(one.id);
            assert!(self.rail.executed.get(&one.id).is_none_or(|times| *times == 1), "once");
            match &one.phase {
                Phase::Confirmed(how) => {
                    assert!(did, "posted, and the rail did nothing: {how:?}");
                    posted += UNITS;
                }
                Phase::Rejected(how) => assert!(!did, "released, and the rail did it: {how:?}"),
                Phase::Held => assert!(!self.rail.verdicts.contains_key(&one.id), "not sent"),
                Phase::SendIntended | Phase::Sent(_) | Phase::InDoubt(_) | Phase::Stuck(_) => {
                    let hold = self.books.settlement.state.ledger().hold(one.hold).expect("a hold");
                    let later = self.now.plus(Duration::from_secs(365 * 24 * 3600));
                    assert!(hold.is_open(later), "a pinned hold never expires");
                }
            }
            assert_eq!(one.contradicted, None, "an honest rail never contradicts");
        }
        assert_eq!(moved(&self.books), posted, "posted exactly once each");
    }

    /// A person asks the rail, which has nothing on its way any more, and says what it says.
    fn resolve(&mut self) {
        for id in core::mem::take(&mut self.rail.delayed) {
            let _answer = self.rail.arrive(id, &mut self.dice);
        }
        for n in 1..=TRANSFERS {
            let one = transfer(&self.books, n);
            if !matches!(one.phase, Phase::Stuck(_)) {
                continue;
            }
            let decision = if self.rail.surely_did(one.id) {
                StuckDecision::Done
            } else {
                self.rail.verdicts.insert(one.id, Verdict::Rejected);
                StuckDecision::NotDone
            };
            self.turn_surely(n, Input::Person(stuck_act(&one, decision)));
        }
    }

    fn turn_surely(&mut self, n: u8, input: Input) {
        let rails = Rails { rail: name("tcb-files"), patience: &PATIENT };
        let made = step(&transfer(&self.books, n), Live::RECOVERED, rails, self.now, input);
        let work = made.work.expect("an act");
        assert_eq!(outside(&mut self.books, self.now, work), OutsideAnswer::Now);
    }
}

fn phases(world: &World) -> BTreeSet<&'static str> {
    (1..=TRANSFERS).map(|n| transfer(&world.books, n).phase.as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn every_transfer_ends_once_and_as_the_rail_did(seed in any::<u64>(), dead in 0_u8..4) {
        let mut world = World::new(seed);
        // A rail that is lost for good from the start, in one of four worlds.
        world.rail.dead = dead == 0;
        world.run(300);
        world.check();
        for phase in phases(&world) {
            prop_assert!(["confirmed", "rejected", "stuck"].contains(&phase), "{phase} at the end");
        }
        world.resolve();
        world.run(30);
        world.check();
        for phase in phases(&world) {
            prop_assert!(["confirmed", "rejected"].contains(&phase), "{phase} after a person");
        }
        sound(&world.books);
    }
}

#[test]
fn the_worlds_see_every_end_and_many_crashes() {
    let mut seen: BTreeMap<&'static str, u32> = BTreeMap::new();
    let mut crashes = 0;
    for seed in 0..120 {
        let mut world = World::new(seed);
        world.rail.dead = seed % 4 == 0;
        world.run(300);
        for n in 1..=TRANSFERS {
            *seen.entry(transfer(&world.books, n).phase.as_str()).or_default() += 1;
        }
        crashes += world.crashes;
    }
    println!("{seen:?}, {crashes} crashes");
    assert!(seen.len() == 3 && seen.values().all(|count| *count > 10), "{seen:?}");
    assert!(crashes > 500, "{crashes}");
}
