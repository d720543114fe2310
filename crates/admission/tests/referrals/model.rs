//! Random histories against a slow model: a release counts once, and only while all keys stand.

use std::collections::{BTreeMap, BTreeSet};

use admission::referrals::{Stage, Wanted};
use record::{Document, ReferralCase, ReferralEvent, ReferralUse, ReferralVerdict as V, Signed};
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

#[test]
fn random_histories_agree_with_a_slow_model_and_no_release_counts_twice() {
    let (world, template) = {
        let mut world = World { rules: Some(&TWO_KEYS), ..near_hit() };
        let case = case_of(&decide(&mut world));
        (world, case)
    };
    let persons = [ADA, BEN, (93, "eve")];
    let mut uses = 0;
    for seed in 1..=40_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut queue = queue();
        let mut entries = Vec::new();
        let mut known: BTreeMap<u8, (ReferralCase, Known)> = BTreeMap::new();
        let mut paid: BTreeSet<(u8, PaymentId)> = BTreeSet::new();
        for step in 0..300_u64 {
            let number = u8::try_from(random.below(12)).unwrap();
            let now = world.now.plus(seconds(step));
            let Some((case, model)) = known.get_mut(&number) else {
                let case = ReferralCase {
                    case: DecisionId::from_bytes([number; 16]),
                    order: Digest::from_bytes([number; 32]),
                    ..template.clone()
                };
                let event = ReferralEvent::Opened(Box::new(case.clone()), vec![].into());
                let entry = queue.next(event, now).unwrap();
                queue.apply(&entry).unwrap();
                entries.push(entry);
                known.insert(number, (case, Known::default()));
                continue;
            };
            let pick = random.below(8);
            let event = if pick >= 6 {
                let payment = PaymentId::from_bytes([u8::try_from(random.below(3)).unwrap(); 16]);
                let terms = Digest::from_bytes([1; 32]);
                let wanted = Wanted { order: case.order, payment, terms, amount: case.amount, now };
                let usable = model.released.is_some()
                    && !model.over
                    && model.used.is_none_or(|used| used == payment);
                assert_eq!(queue.release_for(&wanted).is_some(), usable, "{seed} {step}");
                let used = ReferralUse {
                    case: case.case,
                    payment,
                    terms,
                    order: case.order,
                    basis: case.basis,
                    amount: case.amount,
                    decision: case.case,
                };
                if usable {
                    model.used = Some(payment);
                    paid.insert((number, payment));
                    uses += 1;
                }
                (ReferralEvent::Used(used), usable)
            } else {
                let verdict = V::ALL[usize::try_from(pick).unwrap()];
                let who = usize::try_from(random.below(3)).unwrap();
                let about = match (verdict.is_first(), model.first) {
                    (true, _) | (false, None) => case.digest(),
                    // Now and then about something else.
                    (false, Some(_)) if random.below(5) == 0 => Digest::from_bytes([8; 32]),
                    (false, Some((_, digest))) => digest,
                };
                let said = act(case, verdict, about, now);
                let (key, name) = persons[who];
                let signed = Signed::sign(&said, &person(key));
                let digest = signed_digest(&signed);
                let good = may(model, verdict, who, about);
                if good {
                    match verdict {
                        V::Release => model.first = Some((who, digest)),
                        V::Approve => model.released = model.first.map(|(_, digest)| digest),
                        V::Reject => model.first = None,
                        V::Withdraw if model.released.is_none() => model.first = None,
                        _ => model.over = true,
                    }
                }
                (ReferralEvent::Acted(signed, name.into(), person(key).public_key()), good)
            };
            let (event, expected) = event;
            let taken = queue.next(event, now);
            assert_eq!(taken.is_ok(), expected, "seed {seed}, step {step}: {taken:?}");
            if let Ok(entry) = taken {
                queue.apply(&entry).unwrap();
                entries.push(entry);
            }
        }
        for number in known.keys() {
            let payments = paid.iter().filter(|(case, _)| case == number).count();
            assert!(payments <= 1, "seed {seed}: one release, {payments} payments");
        }
        // What a start reads is what stood before.
        let mut again = super::queue();
        entries.iter().for_each(|entry| again.apply(entry).unwrap());
        assert_eq!(again.head(), queue.head());
        assert_eq!(again.open(), queue.open());
        for standing in queue.cases() {
            assert_eq!(again.case(standing.case.case), Some(standing));
            let open = matches!(standing.stage, Stage::Open | Stage::Proposed(_));
            assert_eq!(standing.stage.is_open(), open);
        }
    }
    assert!(uses > 20, "the histories use releases: {uses}");
}
