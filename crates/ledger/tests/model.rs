//! Random histories against a slow model: lists of everything that happened, summed with signed
//! integers after each step. The model knows nothing of stages, counters or sweeps' indexes.
#![expect(clippy::unwrap_used, clippy::as_conversions, reason = "tests may stop, and cut numbers")]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests may stop")]

mod support;

use std::collections::BTreeMap;

use ledger::{
    Answer, Ceiling, Change, Command, Entry, Floor, Freeze, FullLedger, NotDone, NotDoneSource,
    Opening, Side, Term, Transaction, VelocityLimit, VoidGround,
};
use proptest::prelude::*;
use support::{account, at, claim, credit, debit, eur, held, hold, limit, opening, placement, sgd};
use terms::{AccountId, BusinessDate, HoldId, Minor, TransactionId};

/// Operations per history and histories: 220,000 operations in all.
const STEPS: usize = 220;
const HISTORIES: u32 = 1000;
const DAY: u32 = 20_779;

#[derive(Clone, Copy, PartialEq)]
enum End {
    Open(Option<u64>),
    Posted(i128),
    Released,
}

struct MHold {
    content: ledger::Placement,
    end: End,
}

struct MAccount {
    asset_is_eur: bool,
    debit_normal: bool,
    overdraft: Option<i128>,
    ceiling: Option<i128>,
    freeze: Freeze,
    blocked: i128,
}

#[derive(Default)]
struct Model {
    accounts: BTreeMap<AccountId, MAccount>,
    transactions: BTreeMap<TransactionId, Transaction>,
    holds: BTreeMap<HoldId, MHold>,
}

fn signed(minor: Minor) -> i128 {
    minor.units() as i128
}

impl Model {
    /// Debits posted, credits posted, debits held, credits held: from the lists, every time.
    fn counters(&self, id: AccountId) -> [i128; 4] {
        let mut sums = [0; 4];
        for entry in self.transactions.values().flat_map(|t| &t.entries) {
            if entry.account == id {
                sums[usize::from(entry.side == Side::Credit)] += signed(entry.amount);
            }
        }
        for hold in self.holds.values() {
            if hold.content.account == id && matches!(hold.end, End::Open(_)) {
                sums[2 + usize::from(hold.content.side == Side::Credit)] +=
                    signed(hold.content.amount);
            }
        }
        sums
    }

    fn available(&self, id: AccountId, [dp, cp, dh, ch]: [i128; 4]) -> i128 {
        if self.accounts[&id].debit_normal { dp - cp - ch } else { cp - dp - dh }
    }

    fn height(&self, id: AccountId, [dp, cp, dh, ch]: [i128; 4]) -> i128 {
        if self.accounts[&id].debit_normal { dp + dh - cp } else { cp + ch - dp }
    }

    /// Whether what an account may lose and gain stays within its limits.
    fn fits(&self, id: AccountId, before: [i128; 4], after: [i128; 4]) -> bool {
        let limits = &self.accounts[&id];
        let (was, is) = (self.available(id, before), self.available(id, after));
        let floor = is >= was || limits.overdraft.is_none_or(|o| is - limits.blocked + o >= 0);
        floor && limits.ceiling.is_none_or(|most| self.height(id, after) <= most)
    }

    fn within_limits(&self, id: AccountId) -> bool {
        let (sums, limits) = (self.counters(id), &self.accounts[&id]);
        limits.overdraft.is_none_or(|o| self.available(id, sums) + o >= 0)
            && limits.ceiling.is_none_or(|most| self.height(id, sums) <= most)
    }

    fn counted(&self, date: BusinessDate) -> (i128, u32) {
        let (mut amount, mut count) = (0, 0);
        for t in self.transactions.values().filter(|t| t.business_date == date) {
            amount += t.claims.iter().map(|c| signed(c.amount)).sum::<i128>();
            count += t.claims.len() as u32;
        }
        for h in self.holds.values().filter(|h| h.content.business_date == date) {
            let kept = match h.end {
                End::Open(_) => signed(h.content.amount),
                End::Posted(amount) => amount,
                End::Released => continue,
            };
            amount += kept * h.content.limits.len() as i128;
            count += h.content.limits.len() as u32;
        }
        (amount, count)
    }

    fn limit_fits(&self, limit: &VelocityLimit, date: BusinessDate, more: i128) -> bool {
        let (amount, count) = self.counted(date);
        amount + more <= signed(limit.amount_max) && count < limit.count_max
    }

    fn frozen(&self, id: AccountId, side: Side) -> bool {
        let freeze = self.accounts[&id].freeze;
        freeze == Freeze::Both || freeze == [Freeze::Debits, Freeze::Credits][side as usize]
    }

    fn open(&self, id: HoldId, now: u64) -> bool {
        match self.holds.get(&id).map(|h| h.end) {
            Some(End::Open(until)) => until.is_none_or(|until| now < until),
            _ => false,
        }
    }

    fn may_post(&mut self, t: &Transaction, now: u64) -> bool {
        let mut sums = [0, 0];
        for e in &t.entries {
            let eur = self.accounts[&e.account].asset_is_eur;
            let sign = if e.side == Side::Debit { 1 } else { -1 };
            sums[usize::from(eur)] += sign * signed(e.amount);
            let held = e.hold.and_then(|id| self.holds.get(&id));
            if e.amount.is_zero() || e.hold.is_some_and(|id| !self.open(id, now)) {
                return false;
            }
            let pinned = held.is_some_and(|h| h.end == End::Open(None));
            if !pinned && self.frozen(e.account, e.side) {
                return false;
            }
            let fits = held.is_none_or(|h| {
                let c = &h.content;
                (c.account, c.side) == (e.account, e.side) && e.amount <= c.amount
            });
            if !fits {
                return false;
            }
        }
        let claims = t.claims.iter().all(|c| {
            let moved = t.entries.iter().any(|e| self.accounts[&e.account].asset_is_eur);
            moved && self.limit_fits(&c.limit, t.business_date, signed(c.amount))
        });
        if sums != [0, 0] || !claims {
            return false;
        }
        // Do it, look, and undo it if an account does not like it.
        let before: Vec<_> =
            t.entries.iter().map(|e| (e.account, self.counters(e.account))).collect();
        let mut undo = Vec::new();
        for e in &t.entries {
            if let Some(id) = e.hold {
                let hold = self.holds.get_mut(&id).unwrap();
                undo.push((id, hold.end));
                hold.end = End::Posted(signed(e.amount));
            }
        }
        self.transactions.insert(t.id, t.clone());
        let fits = before.iter().all(|(id, was)| self.fits(*id, *was, self.counters(*id)));
        if !fits {
            self.transactions.remove(&t.id);
            for (id, end) in undo {
                self.holds.get_mut(&id).unwrap().end = end;
            }
        }
        fits
    }

    fn may_hold(&mut self, new: &ledger::Placement, now: u64) -> bool {
        let end = match new.term {
            Term::Expiring { at } if at.nanos() <= now => return false,
            Term::Expiring { at } => Some(at.nanos()),
            Term::Pinned => None,
        };
        let eur = self.accounts[&new.account].asset_is_eur;
        let claims = new
            .limits
            .iter()
            .all(|l| eur && self.limit_fits(l, new.business_date, signed(new.amount)));
        if new.amount.is_zero() || self.frozen(new.account, new.side) || !claims {
            return false;
        }
        let before = self.counters(new.account);
        self.holds.insert(new.id, MHold { content: new.clone(), end: End::Open(end) });
        let fits = self.fits(new.account, before, self.counters(new.account));
        if !fits {
            self.holds.remove(&new.id);
        }
        fits
    }

    /// Does the command if it may be done; says whether.
    fn run(&mut self, now: u64, command: &Command) -> bool {
        match command {
            Command::Post(t) => match self.transactions.get(&t.id) {
                Some(known) => known == t,
                None => self.may_post(t, now),
            },
            Command::PlaceHold(new) => match self.holds.get(&new.id) {
                Some(known) => known.content == *new,
                None => self.may_hold(new, now),
            },
            Command::PinHold { hold } => {
                let may = self.open(*hold, now) && {
                    let MHold { content, end } = &self.holds[hold];
                    *end != End::Open(None) && !self.frozen(content.account, content.side)
                };
                if may {
                    self.holds.get_mut(hold).unwrap().end = End::Open(None);
                }
                may
            }
            Command::VoidHold { hold, ground } => {
                let may = self.open(*hold, now)
                    && (self.holds[hold].end != End::Open(None)
                        || *ground != VoidGround::Cancelled);
                if may {
                    self.holds.get_mut(hold).unwrap().end = End::Released;
                }
                may
            }
            Command::ExpireHolds { at_most } => {
                for _ in 0..*at_most {
                    let due = self.holds.iter().filter_map(|(id, h)| match h.end {
                        End::Open(Some(until)) if until <= now => Some((until, *id)),
                        End::Open(_) | End::Posted(_) | End::Released => None,
                    });
                    let Some((_, id)) = due.min() else { break };
                    self.holds.get_mut(&id).unwrap().end = End::Released;
                }
                true
            }
            Command::SetFreeze { account, freeze } => {
                self.accounts.get_mut(account).unwrap().freeze = *freeze;
                true
            }
            Command::SetBlocked { account, amount } => {
                self.accounts.get_mut(account).unwrap().blocked = signed(*amount);
                true
            }
            Command::SetLimits { account, floor, ceiling } => {
                let known = self.accounts.get_mut(account).unwrap();
                let old = (known.overdraft, known.ceiling);
                (known.overdraft, known.ceiling) = bounds(*floor, *ceiling);
                let fits = self.within_limits(*account);
                if !fits {
                    let known = self.accounts.get_mut(account).unwrap();
                    (known.overdraft, known.ceiling) = old;
                }
                fits
            }
            Command::OpenAccount(new) => {
                // The histories repeat an opening only with the content it had.
                self.accounts.contains_key(&new.id) || self.open_account(new)
            }
            Command::CloseAccount { .. } => false,
        }
    }

    fn open_account(&mut self, new: &Opening) -> bool {
        let (overdraft, ceiling) = bounds(new.floor, new.ceiling);
        let account = MAccount {
            asset_is_eur: new.asset == eur(),
            debit_normal: new.normal == Side::Debit,
            overdraft,
            ceiling,
            freeze: Freeze::Nothing,
            blocked: 0,
        };
        self.accounts.insert(new.id, account).is_none()
    }
}

fn bounds(floor: Floor, ceiling: Ceiling) -> (Option<i128>, Option<i128>) {
    let overdraft = match floor {
        Floor::MayNotGoBelowZero => Some(0),
        Floor::Overdraft(most) => Some(signed(most)),
        Floor::Unlimited => None,
    };
    let ceiling = match ceiling {
        Ceiling::At(most) => Some(signed(most)),
        Ceiling::Unlimited => None,
    };
    (overdraft, ceiling)
}

/// All holds of one id lie on one account, so that posts by chance find them.
fn home(hold: u8) -> u8 {
    1 + hold % 6
}

/// Posts a hold, mostly on its own account and side, against an account of the same asset.
fn held_post(a: u8, money: u128, id: u8, d: u8) -> Vec<Entry> {
    let id = id % 32;
    let x = if a.is_multiple_of(8) { 1 + d % 6 } else { home(id) };
    let y = [3, 5, 1, 1, 2, 1][usize::from(x - 1)];
    let (mut from, mut to) = (held(x, money, u128::from(id)), credit(y, money));
    if d.is_multiple_of(4) {
        (from.side, to.side) = (Side::Credit, Side::Debit);
    }
    vec![from, to]
}

/// Reads an operation out of eight random bytes, so that a failing history shrinks.
fn command(bits: u64, now: u64, day: u32) -> Command {
    let [kind, a, b, amount, id, c, d, _] = bits.to_be_bytes();
    let business_date = BusinessDate::from_days(DAY + day);
    let (x, y) = (1 + a % 6, 1 + b % 6);
    let money = u128::from(amount);
    let bound = limit(1, eur(), 600, 6);
    let number = u128::from(id) + u128::from(day) * 256;
    let document = seal::Digest::from_bytes([d; 32]);
    let simple = |entries| {
        let mut t = support::transaction(number, entries);
        t.business_date = business_date;
        t
    };
    match kind % 18 {
        0..=2 => Command::Post(simple(vec![debit(x, money), credit(y, money)])),
        3 => Command::Post(simple(vec![debit(1, money), credit(3 + y % 2, money)])),
        4 => Command::Post(simple(vec![debit(2, money), credit(5, money)])),
        5 => Command::Post(simple(vec![
            debit(3, money),
            credit(4, money),
            debit(5, u128::from(c)),
            credit(2, u128::from(c)),
        ])),
        6..=8 => {
            let term = if c % 4 == 0 {
                Term::Pinned
            } else {
                Term::Expiring { at: at(now + u64::from(c % 64)) }
            };
            let mut new = placement(u128::from(id % 32), home(id % 32), money, term);
            new.business_date = business_date;
            new.side = if b % 4 == 0 { Side::Credit } else { Side::Debit };
            new.limits = if d % 2 == 0 { vec![bound] } else { vec![] };
            Command::PlaceHold(new)
        }
        9 => Command::PinHold { hold: hold(u128::from(id % 32)) },
        10..=12 => Command::Post(simple(held_post(a, money / 4, c, d))),
        13 => Command::VoidHold {
            hold: hold(u128::from(id % 32)),
            ground: match c % 2 {
                0 => VoidGround::Cancelled,
                _ => VoidGround::NotDone(NotDone { source: NotDoneSource::TwoPersons, document }),
            },
        },
        14 => Command::ExpireHolds { at_most: u32::from(c % 4) },
        15 => Command::SetFreeze {
            account: account(x),
            freeze: [Freeze::Nothing, Freeze::Nothing, Freeze::Debits, Freeze::Credits]
                [usize::from(c % 4)],
        },
        16 if c % 2 == 0 => {
            Command::SetBlocked { account: account(x), amount: Minor::new(money / 4) }
        }
        16 => Command::SetLimits {
            account: account(3 + a % 3),
            floor: [Floor::MayNotGoBelowZero, Floor::Overdraft(Minor::new(money))]
                [usize::from(d % 2)],
            ceiling: Ceiling::At(Minor::new(u128::from(b) * 8)),
        },
        _ => {
            let mut t = simple(vec![debit(x, money), credit(y, money)]);
            t.claims = vec![claim(bound, money)];
            Command::Post(t)
        }
    }
}

fn openings() -> Vec<Opening> {
    let (zero, free) = (Floor::MayNotGoBelowZero, Ceiling::Unlimited);
    let due = opening(6, eur(), zero, free);
    vec![
        opening(1, eur(), Floor::Unlimited, free),
        opening(2, sgd(), Floor::Unlimited, free),
        opening(3, eur(), zero, free),
        opening(4, eur(), Floor::Overdraft(Minor::new(50)), Ceiling::At(Minor::new(500))),
        opening(5, sgd(), zero, free),
        Opening { normal: Side::Debit, ..due },
    ]
}

/// How often each kind of thing happened, so that a history of refusals alone cannot pass.
#[derive(Default)]
struct Seen {
    steps: u32,
    accepted: u32,
    repeated: u32,
    expired: u32,
    held_posts: u32,
}

fn same(ledger: &FullLedger, model: &Model) -> Result<(), TestCaseError> {
    let mut sums = BTreeMap::<_, i128>::new();
    for id in model.accounts.keys() {
        let balances = ledger.balances(*id).unwrap();
        let counters = [
            balances.debits_posted,
            balances.credits_posted,
            balances.debits_pending,
            balances.credits_pending,
        ]
        .map(signed);
        prop_assert_eq!(counters, model.counters(*id));
        prop_assert!(model.within_limits(*id), "{} has passed a limit", id);
        *sums.entry(balances.asset).or_default() += counters[0] - counters[1];
    }
    prop_assert!(sums.values().all(|sum| *sum == 0), "money is not conserved");
    for day in 0..2 {
        let date = BusinessDate::from_days(DAY + day);
        let counter = ledger.counter(&limit(1, eur(), 0, 0).bucket(date));
        prop_assert_eq!((signed(counter.amount), counter.count), model.counted(date));
    }
    Ok(())
}

fn history(steps: &[u64], seen: &mut Seen) -> Result<(), TestCaseError> {
    let (mut ledger, mut model) = (FullLedger::new(), Model::default());
    let mut facts: Vec<(u64, Vec<u8>)> = Vec::new();
    let open = openings().into_iter().map(Command::OpenAccount);
    let days = steps.iter().enumerate();
    let mut now = 0;
    let rest: Vec<(u64, u32)> = days.map(|(n, bits)| (*bits, u32::from(n > 120))).collect();
    let mut commands: Vec<(u64, Command)> = open.map(|command| (1, command)).collect();
    for (bits, day) in rest {
        let step = 1 + bits % 4;
        let before = commands.iter().map(|(step, _)| step).sum::<u64>();
        // One in eight says again what was said before, whether it was done or refused.
        let (again, nth) = (bits >> 8 & 7 == 0, (bits >> 16) as usize % commands.len());
        let new = command(bits, before + step, day);
        commands.push((step, if again { commands[nth].1.clone() } else { new }));
    }
    for (step, command) in commands {
        now += step;
        let before = model.holds.iter().map(|(id, h)| (*id, h.end)).collect::<Vec<_>>();
        let expected = model.run(now, &command);
        let checked = ledger.check(at(now), &command);
        prop_assert_eq!(checked.is_ok(), expected, "{:?} {:?}", &command, &checked);
        seen.steps += 1;
        let Ok(checked) = checked else { continue };
        seen.accepted += 1;
        seen.repeated += u32::from(checked.outcome().answer != Answer::Done);
        let (changes, outcome) = checked.into_parts();
        if let (Command::ExpireHolds { .. }, n) = (&command, changes.len()) {
            seen.expired += n as u32;
        }
        let posts_hold = matches!(&command, Command::Post(t) if t.entries[0].hold.is_some());
        seen.held_posts += u32::from(posts_hold && outcome.answer == Answer::Done);
        for change in changes {
            facts.push((now, seal::to_canonical(&change)));
            ledger.apply(at(now), &change);
        }
        for promised in outcome.balances {
            prop_assert_eq!(ledger.balances(promised.account), Some(promised));
        }
        same(&ledger, &model)?;
        for (id, end) in before {
            let ended_once = matches!(end, End::Open(_)) || model.holds[&id].end == end;
            prop_assert!(ended_once, "{} ended twice", id);
        }
    }
    prop_assert_eq!(ledger.audit(), Ok(()));
    let mut refolded = FullLedger::new();
    for (stamp, bytes) in &facts {
        let change: Change = seal::from_canonical(bytes).expect("a stored change reads back");
        refolded.apply(at(*stamp), &change);
    }
    prop_assert_eq!(&refolded, &ledger);
    let image = seal::to_canonical(&ledger);
    let restored: FullLedger = seal::from_canonical(&image).expect("an image reads back");
    prop_assert_eq!(restored, ledger);
    Ok(())
}

#[test]
fn random_histories_agree_with_the_slow_model() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig { cases: HISTORIES, ..config },
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let seen = std::cell::RefCell::new(Seen::default());
    let steps = proptest::collection::vec(any::<u64>(), STEPS);
    runner.run(&steps, |steps| history(&steps, &mut seen.borrow_mut())).unwrap();
    let seen = seen.into_inner();
    assert!(seen.steps >= 200_000, "{}", seen.steps);
    assert!(seen.accepted > 40_000, "{}", seen.accepted);
    assert!(seen.repeated > 2_000 && seen.expired > 2_000, "{} {}", seen.repeated, seen.expired);
    assert!(seen.held_posts > 600, "{}", seen.held_posts);
}
