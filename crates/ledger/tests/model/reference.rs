//! The model: lists of what happened, and sums over them.

use std::collections::BTreeMap;

use ledger::{
    Ask, Ceiling, Command, Draft, Entry, Floor, Freeze, Line, Opening, Period, Rest, Side, Term,
    Transaction, VelocityLimit, VoidGround,
};
use terms::{AccountId, BusinessDate, HoldId, Minor, TransactionId};

use crate::support::eur;
use crate::{DAY, UNIT};

/// Ledger time as the histories count it.
fn units(at: terms::Instant) -> u64 {
    at.nanos().saturating_sub(BusinessDate::from_days(DAY).start().nanos()) / UNIT
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    Open(Option<u64>),
    Posted(i128),
    Released,
}

#[derive(Clone)]
pub(crate) struct MHold {
    pub(crate) content: ledger::Placement,
    pub(crate) placed: u64,
    pub(crate) taken: i128,
    pub(crate) end: End,
}

impl MHold {
    pub(crate) fn left(&self) -> i128 {
        signed(self.content.amount) - self.taken
    }
}

#[derive(Clone)]
pub(crate) struct MTransaction {
    pub(crate) content: Transaction,
    pub(crate) posted: u64,
    pub(crate) draft: Option<Draft>,
}

#[derive(Clone)]
pub(crate) struct MAccount {
    pub(crate) asset_is_eur: bool,
    pub(crate) debit_normal: bool,
    pub(crate) overdraft: Option<i128>,
    pub(crate) ceiling: Option<i128>,
    pub(crate) freeze: Freeze,
    pub(crate) blocked: i128,
}

#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) accounts: BTreeMap<AccountId, MAccount>,
    pub(crate) transactions: BTreeMap<TransactionId, MTransaction>,
    pub(crate) holds: BTreeMap<HoldId, MHold>,
}

pub(crate) fn signed(minor: Minor) -> i128 {
    minor.units() as i128
}

impl Model {
    /// Debits posted, credits posted, debits held, credits held: from the lists, every time.
    pub(crate) fn counters(&self, id: AccountId) -> [i128; 4] {
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

    pub(crate) fn available(&self, id: AccountId, [dp, cp, dh, ch]: [i128; 4]) -> i128 {
        if self.accounts[&id].debit_normal { dp - cp - ch } else { cp - dp - dh }
    }

    pub(crate) fn height(&self, id: AccountId, [dp, cp, dh, ch]: [i128; 4]) -> i128 {
        if self.accounts[&id].debit_normal { dp + dh - cp } else { cp + ch - dp }
    }

    /// Whether what an account may lose and gain stays within its limits.
    pub(crate) fn fits(&self, id: AccountId, before: [i128; 4], after: [i128; 4]) -> bool {
        let limits = &self.accounts[&id];
        let (was, is) = (self.available(id, before), self.available(id, after));
        let floor = is >= was || limits.overdraft.is_none_or(|o| is - limits.blocked + o >= 0);
        floor && limits.ceiling.is_none_or(|most| self.height(id, after) <= most)
    }

    pub(crate) fn within_limits(&self, id: AccountId) -> bool {
        let (sums, limits) = (self.counters(id), &self.accounts[&id]);
        limits.overdraft.is_none_or(|o| self.available(id, sums) + o >= 0)
            && limits.ceiling.is_none_or(|most| self.height(id, sums) <= most)
    }

    /// Sum and count of one limit: whatever counts for its day or month, or lies in its window.
    pub(crate) fn counted(
        &self,
        limit: &VelocityLimit,
        date: BusinessDate,
        now: u64,
    ) -> (i128, u32) {
        let counts = |other: &VelocityLimit, day: BusinessDate, then: u64| {
            let hours = |units: u64| units / 6;
            let age = |size: u64| (hours(now) / size) - (hours(then) / size);
            (other.key, other.asset, other.period) == (limit.key, limit.asset, limit.period)
                && match limit.period {
                    Period::BusinessDay => day == date,
                    Period::Month => {
                        let month = |day: BusinessDate| (day.civil().0, day.civil().1);
                        month(day) == month(date)
                    }
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

    pub(crate) fn limit_fits(
        &self,
        limit: &VelocityLimit,
        date: BusinessDate,
        now: u64,
        more: i128,
    ) -> bool {
        // 35 days after the last one of a day or of a month of 31 nothing is counted any more.
        let today = DAY + u32::try_from(now / 144).unwrap();
        let (year, month, _) = date.civil();
        let first = (date.days() - 31..=date.days())
            .find(|day| BusinessDate::from_days(*day).civil() == (year, month, 1));
        let over = match limit.period {
            Period::BusinessDay => date.days() + 35 < today,
            Period::Month => first.unwrap() + 30 + 35 < today,
            Period::RollingHours(_) | Period::RollingDays(_) => false,
        };
        let rolls = matches!(limit.period, Period::RollingHours(_) | Period::RollingDays(_));
        // What counts for a day must not be dated more than ten days ahead.
        if over || (!rolls && date.days() > today + 10) {
            return false;
        }
        let (amount, count) = self.counted(limit, date, now);
        amount + more <= signed(limit.amount_max) && count < limit.count_max
    }

    pub(crate) fn frozen(&self, id: AccountId, side: Side) -> bool {
        let freeze = self.accounts[&id].freeze;
        freeze == Freeze::Both || freeze == [Freeze::Debits, Freeze::Credits][side as usize]
    }

    pub(crate) fn open(&self, id: HoldId, now: u64) -> bool {
        match self.holds.get(&id).map(|h| h.end) {
            Some(End::Open(until)) => until.is_none_or(|until| now < until),
            _ => false,
        }
    }

    pub(crate) fn may_post(&mut self, new: MTransaction, kept: &[HoldId]) -> bool {
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

    pub(crate) fn may_hold(&mut self, new: &ledger::Placement, now: u64) -> bool {
        let end = match new.term {
            Term::Expiring { at } if units(at) <= now => return false,
            Term::Expiring { at } => Some(units(at)),
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
    pub(crate) fn run(&mut self, now: u64, command: &Command) -> bool {
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
            Command::SetFreeze { .. }
            | Command::SetBlocked { .. }
            | Command::SetLimits { .. }
            | Command::OpenAccount(_)
            | Command::CloseAccount { .. } => self.manage(command),
        }
    }

    fn manage(&mut self, command: &Command) -> bool {
        match command {
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
            // The histories close nothing; the rest is done by `run`.
            Command::CloseAccount { .. }
            | Command::PlaceHold(_)
            | Command::PinHold { .. }
            | Command::VoidHold { .. }
            | Command::ExpireHolds { .. }
            | Command::Post(_)
            | Command::PostDraft(_) => false,
        }
    }

    /// What a draft comes to, or nothing when it may not be.
    pub(crate) fn resolve(&self, draft: &Draft, now: u64) -> Option<Transaction> {
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
    pub(crate) fn room(&self, line: &Line, sums: [i128; 4]) -> Option<i128> {
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
    pub(crate) fn share(&self, lines: &[Line], amounts: &mut [i128], eur: bool) -> Option<()> {
        let here = |line: &Line| self.accounts[&line.account].asset_is_eur == eur;
        let weight = |line: &Line| match line.ask {
            Ask::Share { weight } => i128::from(weight),
            Ask::Exact(_) | Ask::UpTo(_) | Ask::Everything | Ask::Remainder => 0,
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

    pub(crate) fn open_account(&mut self, new: &Opening) -> bool {
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

pub(crate) fn bounds(floor: Floor, ceiling: Ceiling) -> (Option<i128>, Option<i128>) {
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
