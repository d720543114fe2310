//! Random histories against a slow model: lists of everything that happened, summed with signed
//! integers after each step. The model knows nothing of stages, counters or sweeps' indexes.
//!
//! Several commands share a stamp, as in one batch, so expiry races post, void and pin. Each
//! command is also checked by a ledger that remembers nothing, with rows found in the journal for
//! the ids that it plans; some commands come as a bulk that is done together or not at all.
#![expect(clippy::unwrap_used, clippy::as_conversions, reason = "tests may stop, and cut numbers")]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests may stop")]

mod support;

use std::collections::BTreeMap;

use ledger::{
    Answer, Ask, BulkRefusal, Ceiling, Change, Checked, Command, Draft, Entry, Floor, Freeze,
    FullLedger, Line, NotDone, NotDoneSource, Opening, Part, PastKey, Period, Refusal, Resolved,
    Rest, Rows, Side, Term, Transaction, VelocityLimit, VoidGround,
};
use proptest::prelude::*;
use support::{account, claim, credit, debit, eur, held, hold, limit, opening, placement, sgd};
use terms::{AccountId, BusinessDate, HoldId, Instant, Minor, TransactionId};

/// Operations per history and histories: 1,100,000 operations in all.
const STEPS: usize = 220;
const HISTORIES: u32 = 5000;
const DAY: u32 = 20_779;
/// Ten minutes: a history takes some days, so that rolling windows roll.
const UNIT: u64 = 600_000_000_000;

fn at(units: u64) -> Instant {
    Instant::from_nanos(units * UNIT)
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Open(Option<u64>),
    Posted(i128),
    Released,
}

#[derive(Clone)]
struct MHold {
    content: ledger::Placement,
    placed: u64,
    taken: i128,
    end: End,
}

impl MHold {
    fn left(&self) -> i128 {
        signed(self.content.amount) - self.taken
    }
}

#[derive(Clone)]
struct MTransaction {
    content: Transaction,
    posted: u64,
    draft: Option<Draft>,
}

#[derive(Clone)]
struct MAccount {
    asset_is_eur: bool,
    debit_normal: bool,
    overdraft: Option<i128>,
    ceiling: Option<i128>,
    freeze: Freeze,
    blocked: i128,
}

#[derive(Clone, Default)]
struct Model {
    accounts: BTreeMap<AccountId, MAccount>,
    transactions: BTreeMap<TransactionId, MTransaction>,
    holds: BTreeMap<HoldId, MHold>,
}

fn signed(minor: Minor) -> i128 {
    minor.units() as i128
}

impl Model {
    /// Debits posted, credits posted, debits held, credits held: from the lists, every time.
    fn counters(&self, id: AccountId) -> [i128; 4] {
        let mut sums = [0; 4];
        for entry in self.transactions.values().flat_map(|t| &t.content.entries) {
            if entry.account == id {
                sums[usize::from(entry.side == Side::Credit)] += signed(entry.amount);
            }
        }
        for hold in self.holds.values() {
            if hold.content.account == id && matches!(hold.end, End::Open(_)) {
                sums[2 + usize::from(hold.content.side == Side::Credit)] += hold.left();
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

    /// Sum and count of one limit: whatever counts for its day or month, or lies in its window.
    fn counted(&self, limit: &VelocityLimit, date: BusinessDate, now: u64) -> (i128, u32) {
        let counts = |other: &VelocityLimit, day: BusinessDate, then: u64| {
            let hours = |units: u64| units / 6;
            let age = |size: u64| (hours(now) / size) - (hours(then) / size);
            (other.key, other.asset, other.period) == (limit.key, limit.asset, limit.period)
                && match limit.period {
                    Period::BusinessDay => day == date,
                    Period::Month => day.to_string()[..7] == date.to_string()[..7],
                    Period::RollingHours(n) => age(1) < u64::from(n),
                    Period::RollingDays(n) => age(24) < u64::from(n),
                }
        };
        let (mut amount, mut count) = (0, 0);
        for t in self.transactions.values() {
            for c in &t.content.claims {
                if counts(&c.limit, t.content.business_date, t.posted) {
                    amount += signed(c.amount);
                    count += 1;
                }
            }
        }
        for h in self.holds.values() {
            let kept = match h.end {
                End::Open(_) => signed(h.content.amount),
                End::Posted(amount) => amount + h.taken,
                End::Released if h.taken == 0 => continue,
                End::Released => h.taken,
            };
            for other in &h.content.limits {
                if counts(other, h.content.business_date, h.placed) {
                    amount += kept;
                    count += 1;
                }
            }
        }
        (amount, count)
    }

    fn limit_fits(&self, limit: &VelocityLimit, date: BusinessDate, now: u64, more: i128) -> bool {
        let (amount, count) = self.counted(limit, date, now);
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

    fn may_post(&mut self, new: MTransaction, kept: &[HoldId]) -> bool {
        let (t, now) = (&new.content, new.posted);
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
                (c.account, c.side) == (e.account, e.side) && signed(e.amount) <= h.left()
            });
            if !fits {
                return false;
            }
        }
        let claims = t.claims.iter().all(|c| {
            let moved = t.entries.iter().any(|e| self.accounts[&e.account].asset_is_eur);
            moved && self.limit_fits(&c.limit, t.business_date, now, signed(c.amount))
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
                undo.push((id, hold.end, hold.taken));
                let amount = signed(e.amount);
                if kept.contains(&id) && amount < hold.left() {
                    hold.taken += amount;
                } else {
                    hold.end = End::Posted(amount);
                }
            }
        }
        let id = t.id;
        self.transactions.insert(id, new);
        let fits = before.iter().all(|(id, was)| self.fits(*id, *was, self.counters(*id)));
        if !fits {
            self.transactions.remove(&id);
            for (id, end, taken) in undo {
                let hold = self.holds.get_mut(&id).unwrap();
                (hold.end, hold.taken) = (end, taken);
            }
        }
        fits
    }

    fn may_hold(&mut self, new: &ledger::Placement, now: u64) -> bool {
        let end = match new.term {
            Term::Expiring { at } if at.nanos() / UNIT <= now => return false,
            Term::Expiring { at } => Some(at.nanos() / UNIT),
            Term::Pinned => None,
        };
        let eur = self.accounts[&new.account].asset_is_eur;
        let claims = new
            .limits
            .iter()
            .all(|l| eur && self.limit_fits(l, new.business_date, now, signed(new.amount)));
        if new.amount.is_zero() || self.frozen(new.account, new.side) || !claims {
            return false;
        }
        let before = self.counters(new.account);
        let content = new.clone();
        self.holds.insert(new.id, MHold { content, placed: now, taken: 0, end: End::Open(end) });
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
                Some(known) => known.content == *t && known.draft.is_none(),
                None => {
                    let content = t.clone();
                    self.may_post(MTransaction { content, posted: now, draft: None }, &[])
                }
            },
            Command::PostDraft(draft) => match self.transactions.get(&draft.id) {
                Some(known) => known.draft.as_ref() == Some(draft),
                None => self.resolve(draft, now).is_some_and(|content| {
                    let kept = draft.lines.iter().filter_map(|line| line.part);
                    let kept = kept.filter(|part| part.rest == Rest::Kept);
                    let kept: Vec<HoldId> = kept.map(|part| part.hold).collect();
                    let draft = Some(draft.clone());
                    self.may_post(MTransaction { content, posted: now, draft }, &kept)
                }),
            },
            Command::PlaceHold(new) => match self.holds.get(&new.id) {
                Some(known) => known.content == *new,
                None => self.may_hold(new, now),
            },
            Command::PinHold { hold } => {
                let may = self.open(*hold, now) && {
                    let MHold { content, end, .. } = &self.holds[hold];
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

    /// What a draft comes to, or nothing when it may not be.
    fn resolve(&self, draft: &Draft, now: u64) -> Option<Transaction> {
        let mut amounts: Vec<i128> = Vec::new();
        let mut sums: BTreeMap<AccountId, [i128; 4]> = BTreeMap::new();
        for line in &draft.lines {
            let nothing =
                [Ask::Exact(Minor::ZERO), Ask::UpTo(Minor::ZERO), Ask::Share { weight: 0 }];
            let known = line.part.map(|part| self.holds.get(&part.hold));
            let fits = known.is_none_or(|hold| {
                hold.is_some_and(|hold| {
                    self.open(hold.content.id, now)
                        && (hold.content.account, hold.content.side) == (line.account, line.side)
                })
            });
            if nothing.contains(&line.ask) || !fits {
                return None;
            }
            sums.insert(line.account, self.counters(line.account));
            amounts.push(0);
        }
        for exact in [true, false] {
            for (line, amount) in draft.lines.iter().zip(&mut amounts) {
                let left = line.part.map(|part| self.holds[&part.hold].left());
                let room = left.or_else(|| self.room(line, sums[&line.account]));
                *amount = match (line.ask, exact) {
                    (Ask::Exact(most), true) => signed(most),
                    (Ask::UpTo(most), false) => room.map_or(signed(most), |r| r.min(signed(most))),
                    (Ask::Everything, false) => room?,
                    _ => continue,
                };
                let of = sums.get_mut(&line.account).unwrap();
                let side = usize::from(line.side == Side::Credit);
                of[side] += *amount;
                if let Some(part) = line.part {
                    let keeps = part.rest == Rest::Kept;
                    of[2 + side] -= if keeps { *amount } else { left.unwrap() };
                }
            }
        }
        for eur in [true, false] {
            self.share(&draft.lines, &mut amounts, eur)?;
        }
        let moving = draft.lines.iter().zip(&amounts).filter(|(_, amount)| **amount > 0);
        let entries = moving.map(|(line, amount)| Entry {
            account: line.account,
            side: line.side,
            amount: Minor::new(*amount as u128),
            hold: line.part.map(|part| part.hold),
        });
        let entries: Vec<Entry> = entries.collect();
        if entries.is_empty() {
            return None;
        }
        Some(Transaction {
            id: draft.id,
            business_date: draft.business_date,
            reason: draft.reason,
            entries: entries.into(),
            claims: draft.claims.clone(),
            links: draft.links.clone(),
            detail: draft.detail.clone(),
        })
    }

    /// What an account has room for on a line's side; nothing when there is no bound.
    fn room(&self, line: &Line, sums: [i128; 4]) -> Option<i128> {
        let limits = &self.accounts[&line.account];
        let falls = (line.side == Side::Credit) == limits.debit_normal;
        let room = if falls {
            self.available(line.account, sums) - limits.blocked + limits.overdraft?
        } else {
            limits.ceiling? - self.height(line.account, sums)
        };
        Some(room.max(0))
    }

    /// Divides what one side lacks: whole parts first, then one by one by what was cut off.
    fn share(&self, lines: &[Line], amounts: &mut [i128], eur: bool) -> Option<()> {
        let here = |line: &Line| self.accounts[&line.account].asset_is_eur == eur;
        let weight = |line: &Line| match line.ask {
            Ask::Share { weight } => i128::from(weight),
            _ => 0,
        };
        let takes = |line: &Line| weight(line) > 0 || line.ask == Ask::Remainder;
        let remainders = lines.iter().filter(|l| here(l) && l.ask == Ask::Remainder).count();
        let sides: Vec<Side> =
            lines.iter().filter(|l| here(l) && takes(l)).map(|l| l.side).collect();
        let Some(side) = sides.first().copied() else { return Some(()) };
        if remainders > 1 || sides.iter().any(|other| *other != side) {
            return None;
        }
        let mut rest = 0;
        for (line, amount) in lines.iter().zip(&*amounts).filter(|(line, _)| here(line)) {
            rest += if line.side == side { -amount } else { *amount };
        }
        let rest = rest.max(0);
        let whole: i128 = lines.iter().filter(|l| here(l)).map(&weight).sum();
        let mut cut: Vec<(i128, usize)> = Vec::new();
        let mut given = 0;
        for (nth, line) in lines.iter().enumerate().filter(|(_, l)| here(l) && weight(l) > 0) {
            amounts[nth] = rest * weight(line) / whole;
            cut.push((-(rest * weight(line) % whole), nth));
            given += amounts[nth];
        }
        let last = lines.iter().position(|l| here(l) && l.ask == Ask::Remainder);
        if let Some(last) = last {
            amounts[last] = rest - given;
        } else {
            cut.sort_unstable();
            for (_, nth) in cut.iter().take((rest - given) as usize) {
                amounts[*nth] += 1;
            }
        }
        Some(())
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
    let x = if a.is_multiple_of(8) { 1 + d % 6 } else { home(id) };
    let y = [3, 5, 1, 1, 2, 1][usize::from(x - 1)];
    let (mut from, mut to) = (held(x, money, u128::from(id)), credit(y, money));
    if d.is_multiple_of(4) {
        (from.side, to.side) = (Side::Credit, Side::Debit);
    }
    vec![from, to]
}

/// Reads an operation out of eight random bytes, so that a failing history shrinks.
///
/// Holds are numbered by the step, and what names one names a late one: most have ended before.
fn command(bits: u64, now: u64, day: u32, step: u8) -> Command {
    let [kind, a, b, amount, id, c, d, _] = bits.to_be_bytes();
    let business_date = BusinessDate::from_days(DAY + day);
    let (x, y) = (1 + a % 6, 1 + b % 6);
    let money = u128::from(amount);
    let newest = step / 3;
    let near = |n: u8| newest.saturating_sub(n % 6);
    let bound = match d / 2 % 4 {
        0 => VelocityLimit { period: Period::RollingHours(7), ..limit(2, eur(), 500, 5) },
        1 => VelocityLimit { period: Period::RollingDays(2), ..limit(2, eur(), 600, 6) },
        2 => VelocityLimit { period: Period::Month, ..limit(1, eur(), 900, 9) },
        _ => limit(1, eur(), 600, 6),
    };
    let number = u128::from(id) + u128::from(day) * 256;
    let document = seal::Digest::from_bytes([d; 32]);
    let simple = |entries| {
        let mut t = support::transaction(number, entries);
        t.business_date = business_date;
        t
    };
    match kind % 24 {
        18..=23 => Command::PostDraft(draft(bits, number, (business_date, newest), bound)),
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
            let mut new = placement(u128::from(newest), home(newest), money, term);
            new.business_date = business_date;
            new.side = if b % 4 == 0 { Side::Credit } else { Side::Debit };
            new.limits = if d % 2 == 0 { vec![bound] } else { vec![] };
            Command::PlaceHold(new)
        }
        9 => Command::PinHold { hold: hold(u128::from(near(id))) },
        10..=12 => Command::Post(simple(held_post(a, money / 4, near(c), d))),
        13 => Command::VoidHold {
            hold: hold(u128::from(near(id))),
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

/// A sweep, a part of a hold, a split, or anything at all.
fn draft(
    bits: u64,
    number: u128,
    (business_date, newest): (BusinessDate, u8),
    bound: VelocityLimit,
) -> Draft {
    let mut bits = bits;
    let mut roll = |below: u64| {
        bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (bits >> 33) % below
    };
    let (x, y, z) = (1 + roll(6) as u8, 1 + roll(6) as u8, 1 + roll(6) as u8);
    let money = Minor::new(u128::from(roll(250)));
    let line = |n: u8, side, ask| Line { account: account(n), side, ask, part: None };
    let (left, right) = (Side::Debit, Side::Credit);
    let mut lines = match roll(8) {
        0 => vec![line(x, left, Ask::Everything), line(y, right, Ask::Remainder)],
        1 => vec![line(x, left, Ask::UpTo(money)), line(y, right, Ask::Remainder)],
        2 | 5 | 6 => {
            let id = newest.saturating_sub(roll(6) as u8);
            let home = home(id);
            let other = [3, 5, 1, 1, 2, 1][usize::from(home - 1)];
            let rest = if roll(4) == 0 { Rest::Released } else { Rest::Kept };
            let part = Some(Part { hold: hold(u128::from(id)), rest });
            let few = Minor::new(1 + money.units() / 4);
            let ask = [Ask::Exact(money), Ask::UpTo(few), Ask::Everything][roll(3) as usize];
            let ask = if ask == Ask::Exact(money) {
                Ask::Exact(Minor::new(money.units() / 8))
            } else {
                ask
            };
            let side = if roll(4) == 0 { right } else { left };
            let back = if side == left { right } else { left };
            vec![Line { part, ..line(home, side, ask) }, line(other, back, Ask::Remainder)]
        }
        3 => {
            let weight = |n| Ask::Share { weight: n };
            let (v, w) = (1 + roll(5) as u32, 1 + roll(7) as u32);
            vec![
                line(x, left, if roll(2) == 0 { Ask::UpTo(money) } else { Ask::Exact(money) }),
                line(y, right, weight(v)),
                line(z, right, weight(w)),
            ]
        }
        4 => vec![
            line(1, left, Ask::Exact(money)),
            line(4, right, Ask::UpTo(Minor::new(40))),
            line(3, right, Ask::Share { weight: 3 }),
            line(6, right, Ask::Share { weight: 5 }),
            line(3, right, Ask::Remainder),
        ],
        _ => vec![],
    };
    for _ in 0..(if lines.is_empty() { 1 + roll(5) } else { roll(4) / 3 }) {
        let asks = [
            Ask::Exact(money),
            Ask::UpTo(money),
            Ask::Everything,
            Ask::Share { weight: roll(4) as u32 },
            Ask::Remainder,
        ];
        let side = if roll(2) == 0 { left } else { right };
        lines.push(line(1 + roll(6) as u8, side, asks[roll(5) as usize]));
    }
    let claims = if roll(4) == 0 { vec![claim(bound, money.units())] } else { vec![] };
    let id = TransactionId::from_bytes(number.to_be_bytes());
    let (reason, links, detail) = (ledger::Reason::Payment, vec![], None);
    Draft { id, business_date, reason, lines, claims, links, detail }
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
    drafts: u32,
    kept: u32,
    bulks: u32,
    refused_bulks: u32,
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
    Ok(())
}

/// Every total that some limit of the histories bounds.
fn same_totals(ledger: &FullLedger, model: &Model, now: u64) -> Result<(), TestCaseError> {
    for day in 0..2 {
        let date = BusinessDate::from_days(DAY + day);
        for (key, period) in [
            (1, Period::BusinessDay),
            (1, Period::Month),
            (2, Period::RollingHours(7)),
            (2, Period::RollingDays(2)),
        ] {
            let limit = VelocityLimit { period, ..limit(key, eur(), 0, 0) };
            let total = ledger.open().total_until(&limit.bucket(date, at(now)));
            let got = (signed(total.amount), total.count);
            prop_assert_eq!(got, model.counted(&limit, date, now), "{:?}", period);
        }
    }
    Ok(())
}

/// What was done, and where each id stands: as a journal and its index of ids.
#[derive(Default)]
struct Journal {
    facts: Vec<(u64, Vec<u8>)>,
    ids: BTreeMap<PastKey, Vec<usize>>,
}

impl Journal {
    fn note(&mut self, now: u64, change: &Change) {
        let place = self.facts.len();
        let mut bytes = Vec::new();
        change.encode_into(&mut bytes);
        self.facts.push((now, bytes));
        let mut ids = Vec::new();
        match change.resolved() {
            Resolved::HoldPlaced(placement) => ids.push(PastKey::Hold(placement.id)),
            Resolved::HoldPinned { hold }
            | Resolved::HoldVoided { hold, .. }
            | Resolved::HoldExpired { hold, .. } => ids.push(PastKey::Hold(*hold)),
            Resolved::Posted { transaction, ended, .. } => {
                ids.push(PastKey::Transaction(transaction.id));
                ids.extend(ended.iter().map(|end| PastKey::Hold(end.hold)));
            }
            _ => {}
        }
        for id in ids {
            self.ids.entry(id).or_default().push(place);
        }
    }

    /// The facts of the planned ids alone.
    fn find(&self, ledger: &FullLedger, commands: &[Command]) -> Rows {
        let mut rows = Rows::new();
        for command in commands {
            ledger.open().plan(command, &mut |key| {
                for place in self.ids.get(&key).into_iter().flatten() {
                    let (stamp, bytes) = &self.facts[*place];
                    rows.learn(at(*stamp), &Change::from_bytes(bytes).unwrap());
                }
            });
        }
        rows
    }
}

/// Does what was checked, and looks whether it came as it was said.
fn perform(
    now: u64,
    ledger: &mut FullLedger,
    journal: &mut Journal,
    checked: Checked,
) -> Result<(), TestCaseError> {
    let (changes, outcome) = checked.into_parts();
    for change in changes {
        journal.note(now, &change);
        ledger.apply(at(now), &change);
    }
    for promised in outcome.balances {
        prop_assert_eq!(ledger.balances(promised.account), Some(promised));
    }
    Ok(())
}

/// One command: the ledger with its whole past, the one with found rows, and the model.
fn single(
    now: u64,
    command: &Command,
    (ledger, model, journal): (&mut FullLedger, &mut Model, &mut Journal),
    seen: &mut Seen,
) -> Result<(), TestCaseError> {
    let expected = model.run(now, command);
    let checked = ledger.check(at(now), command);
    prop_assert_eq!(checked.is_ok(), expected, "{:?} {:?}", command, &checked);
    let rows = journal.find(ledger, std::slice::from_ref(command));
    prop_assert_eq!(&ledger.open().check(&rows, at(now), command), &checked);
    let Ok(checked) = checked else { return Ok(()) };
    let done = checked.outcome().answer == Answer::Done;
    seen.accepted += 1;
    seen.repeated += u32::from(!done);
    if matches!(command, Command::ExpireHolds { .. }) {
        seen.expired += checked.changes().len() as u32;
    }
    for change in checked.changes() {
        let Resolved::Posted { transaction, ended, asked } = change.resolved() else { continue };
        seen.held_posts += u32::from(!ended.is_empty());
        seen.kept += u32::from(ended.iter().any(|end| end.kept.is_some()));
        seen.drafts += u32::from(asked.is_some());
        prop_assert_eq!(transaction, &model.transactions[&transaction.id].content);
    }
    perform(now, ledger, journal, checked)
}

/// Several commands together: as one after the other, or the model as it was.
fn together(
    now: u64,
    commands: &[Command],
    (ledger, model, journal): (&mut FullLedger, &mut Model, &mut Journal),
    seen: &mut Seen,
) -> Result<(), TestCaseError> {
    let mut after = model.clone();
    let refused = commands.iter().position(|command| !after.run(now, command));
    let rows = journal.find(ledger, commands);
    let all = ledger.open().check_all(&rows, at(now), commands);
    // On a clone of the whole ledger, one after the other.
    let mut clone = ledger.clone();
    let mut one_by_one = Vec::new();
    let mut first: Option<(usize, Refusal)> = None;
    for (item, command) in commands.iter().enumerate() {
        match clone.check(at(now), command) {
            Ok(checked) => {
                checked.changes().iter().for_each(|change| clone.apply(at(now), change));
                one_by_one.push(checked);
            }
            Err(refusal) => {
                first = Some((item, refusal));
                break;
            }
        }
    }
    prop_assert_eq!(first.as_ref().map(|(item, _)| *item), refused);
    seen.bulks += 1;
    match (all, first) {
        (Ok(all), None) => {
            prop_assert_eq!(&all, &one_by_one);
            *model = after;
            for checked in all {
                for change in checked.changes() {
                    journal.note(now, change);
                    ledger.apply(at(now), change);
                }
            }
            prop_assert_eq!(&*ledger, &clone);
        }
        (Err(got), Some((item, refusal))) => {
            seen.refused_bulks += 1;
            prop_assert_eq!(got, BulkRefusal::Item { item, refusal });
        }
        (all, first) => prop_assert!(false, "{:?} {:?}", all, first),
    }
    Ok(())
}

fn history(steps: &[u64], seen: &mut Seen) -> Result<(), TestCaseError> {
    let (mut ledger, mut model) = (FullLedger::new(), Model::default());
    let mut journal = Journal::default();
    let open = openings().into_iter().map(Command::OpenAccount);
    let mut commands: Vec<(u64, Command)> = open.map(|command| (1, command)).collect();
    let mut now = commands.len() as u64;
    for (n, bits) in steps.iter().enumerate() {
        // One in four comes at the stamp of the one before it.
        let step = bits % 4;
        now += step;
        // One in eight says again what was said before, whether it was done or refused.
        let (again, nth) = (bits >> 8 & 7 == 0, (bits >> 16) as usize % commands.len());
        let new = command(*bits, now, u32::from(n > 120), n as u8);
        commands.push((step, if again { commands[nth].1.clone() } else { new }));
    }
    now = 0;
    let mut left = commands.as_slice();
    while let Some(((step, command), after)) = left.split_first() {
        now += step;
        let before = model.holds.iter().map(|(id, h)| (*id, h.end)).collect::<Vec<_>>();
        let size = (now as usize + left.len()) % 7;
        let world = (&mut ledger, &mut model, &mut journal);
        if size > 1 && left.len().is_multiple_of(16) && left.len() > size {
            let (bulk, after) = left.split_at(size);
            let bulk: Vec<Command> = bulk.iter().map(|(_, command)| command.clone()).collect();
            together(now, &bulk, world, seen)?;
            seen.steps += bulk.len() as u32;
            left = after;
        } else {
            single(now, command, world, seen)?;
            seen.steps += 1;
            left = after;
        }
        same(&ledger, &model)?;
        if left.len().is_multiple_of(8) {
            same_totals(&ledger, &model, now)?;
        }
        for (id, end) in before {
            let ended_once = matches!(end, End::Open(_)) || model.holds[&id].end == end;
            prop_assert!(ended_once, "{} ended twice", id);
        }
    }
    let facts = journal.facts;
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
fn a_million_random_operations_agree_with_the_slow_model() {
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
    assert!(seen.steps >= 1_000_000, "{}", seen.steps);
    assert!(seen.accepted > 200_000, "{}", seen.accepted);
    assert!(seen.repeated > 10_000 && seen.expired > 8_000, "{} {}", seen.repeated, seen.expired);
    assert!(seen.held_posts > 6_000 && seen.kept > 1_000, "{} {}", seen.held_posts, seen.kept);
    assert!(seen.drafts > 10_000, "{}", seen.drafts);
    assert!(seen.bulks > 10_000 && seen.refused_bulks < seen.bulks * 99 / 100);
}
