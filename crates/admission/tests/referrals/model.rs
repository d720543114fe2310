//! Random histories against a slow model: a release counts once, and only while all keys stand.

use std::collections::{BTreeMap, BTreeSet};

use admission::referrals::{Queue, Wanted};
use record::{
    Document, ReferralCase, ReferralEntry, ReferralEvent, ReferralUse, ReferralVerdict as V, Signed,
};
use seal::Digest;
use terms::{DecisionId, PaymentId};

use super::*;

/// What the model knows of a case: a list of what was said, nothing derived.
#[derive(Clone, Default)]
struct Known {
    first: Option<(usize, Digest)>,
    released: Option<Digest>,
    over: bool,
    used: Option<PaymentId>,
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        // xorshift64*: the same history for the same seed.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % most
    }
}

/// The model's answer, independent of the queue's stages.
fn may(known: &Known, verdict: V, who: usize, about: Digest) -> bool {
    let proposed = known.first.filter(|_| known.released.is_none() && !known.over);
    match verdict {
        V::Release => known.first.is_none() && !known.over,
        V::Refuse | V::Block => known.released.is_none() && !known.over,
        V::Approve | V::Reject => {
            proposed.is_some_and(|(maker, digest)| maker != who && digest == about)
        }
        V::Withdraw => match known.released {
            Some(digest) => known.used.is_none() && !known.over && digest == about,
            None => proposed.is_some_and(|(_, digest)| digest == about),
        },
        V::Revoke => false,
    }
}

/// One history: the queue, the model beside it, and everything that was taken.
struct History {
    random: Random,
    queue: Queue,
    entries: Vec<ReferralEntry>,
    known: BTreeMap<u8, (ReferralCase, Known)>,
    paid: BTreeSet<(u8, PaymentId)>,
}

impl History {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            queue: queue(),
            entries: Vec::new(),
            known: BTreeMap::new(),
            paid: BTreeSet::new(),
        }
    }

    fn take(&mut self, event: ReferralEvent, now: Instant) -> bool {
        let Ok(entry) = self.queue.next(event, now) else { return false };
        self.queue.apply(&entry).unwrap();
        self.entries.push(entry);
        true
    }

    /// One thing happens; the queue takes it if the model does.
    fn step(&mut self, template: &ReferralCase, now: Instant) {
        let number = u8::try_from(self.random.below(12)).unwrap();
        let Some((case, _)) = self.known.get(&number) else {
            let case = ReferralCase {
                case: DecisionId::from_bytes([number; 16]),
                order: Digest::from_bytes([number; 32]),
                ..template.clone()
            };
            assert!(self.take(ReferralEvent::Opened(Box::new(case.clone()), vec![].into()), now));
            self.known.insert(number, (case, Known::default()));
            return;
        };
        let case = case.clone();
        let pick = self.random.below(8);
        let (event, expected) = if pick >= 6 {
            self.uses(number, &case, now)
        } else {
            self.says(number, &case, pick, now)
        };
        assert_eq!(self.take(event, now), expected, "case {number} at {now}");
    }

    fn uses(&mut self, number: u8, case: &ReferralCase, now: Instant) -> (ReferralEvent, bool) {
        let payment = PaymentId::from_bytes([u8::try_from(self.random.below(3)).unwrap(); 16]);
        let terms = Digest::from_bytes([1; 32]);
        let wanted = Wanted { order: case.order, payment, terms, amount: case.amount, now };
        let model = &mut self.known.get_mut(&number).unwrap().1;
        let usable = model.released.is_some()
            && !model.over
            && model.used.is_none_or(|used| used == payment);
        assert_eq!(self.queue.release_for(&wanted).is_some(), usable, "case {number} at {now}");
        if usable {
            model.used = Some(payment);
            self.paid.insert((number, payment));
        }
        let used = ReferralUse {
            case: case.case,
            payment,
            terms,
            order: case.order,
            basis: case.basis,
            amount: case.amount,
            decision: case.case,
        };
        (ReferralEvent::Used(used), usable)
    }

    fn says(
        &mut self,
        number: u8,
        case: &ReferralCase,
        pick: u64,
        now: Instant,
    ) -> (ReferralEvent, bool) {
        let verdict = V::ALL[usize::try_from(pick).unwrap()];
        let who = usize::try_from(self.random.below(3)).unwrap();
        // Now and then about something else.
        let astray = self.random.below(5) == 0;
        let model = &mut self.known.get_mut(&number).unwrap().1;
        let about = match (verdict.is_first(), model.first) {
            (true, _) | (false, None) => case.digest(),
            (false, Some(_)) if astray => Digest::from_bytes([8; 32]),
            (false, Some((_, digest))) => digest,
        };
        let (key, name) = [ADA, BEN, (93, "eve")][who];
        let signed = Signed::sign(&act(case, verdict, about, now), &person(key));
        let good = may(model, verdict, who, about);
        if good {
            match verdict {
                V::Release => model.first = Some((who, signed_digest(&signed))),
                V::Approve => model.released = model.first.map(|(_, digest)| digest),
                V::Reject => model.first = None,
                V::Withdraw if model.released.is_none() => model.first = None,
                V::Withdraw | V::Refuse | V::Block | V::Revoke => model.over = true,
            }
        }
        (ReferralEvent::Acted(signed, name.into(), person(key).public_key()), good)
    }

    /// What a start reads is what stood before.
    fn is_read_again(&self) {
        let mut again = queue();
        self.entries.iter().for_each(|entry| again.apply(entry).unwrap());
        assert_eq!(again.head(), self.queue.head());
        assert_eq!(again.open(), self.queue.open());
        for standing in self.queue.cases() {
            assert_eq!(again.case(standing.case.case), Some(standing));
        }
        let open = self.queue.cases().filter(|standing| standing.stage.is_open()).count();
        assert_eq!(open, self.queue.open());
    }
}

#[test]
fn random_histories_agree_with_a_slow_model_and_no_release_counts_twice() {
    let mut world = World { rules: Some(&TWO_KEYS), ..near_hit() };
    let template = case_of(&decide(&mut world));
    let mut uses = 0;
    for seed in 1..=80_u64 {
        let mut history = History::new(seed);
        for step in 0..300_u64 {
            history.step(&template, world.now.plus(seconds(step)));
        }
        for number in history.known.keys() {
            let payments = history.paid.iter().filter(|(case, _)| case == number).count();
            assert!(payments <= 1, "seed {seed}: one release, {payments} payments");
        }
        uses += history.paid.len();
        history.is_read_again();
    }
    assert!(uses > 20, "the histories use releases: {uses}");
}
