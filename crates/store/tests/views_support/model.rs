//! The slow model: every question answered by going over everything that ever happened.

use std::collections::BTreeMap;

use ledger::{Link, Side, Term};
use store::views::{
    AccountBalance, AsOf, Cursor, DaySums, Filter, HoldEvent, HoldPage, OpenHold, Order, Page,
    Pending, Period, QueryError, Start, StatementEntry, StatementQuery, Sums, Views,
};
use terms::{
    AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor, PaymentId, Position, TransactionId,
};

use super::{Book, Dice, Happened};

/// A cursor kept for later, with what came before it.
pub(crate) struct Kept {
    account: AccountId,
    filter: Filter,
    cursor: Cursor,
    before: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Four {
    debits: u128,
    credits: u128,
    held_debits: u128,
    held_credits: u128,
}

impl Four {
    fn apply(&mut self, one: &Happened) {
        use store::views::HoldStep::{Expired, Pinned, Placed, Posted, Voided};
        let (posted, held) = match one.side {
            Side::Debit => (&mut self.debits, &mut self.held_debits),
            Side::Credit => (&mut self.credits, &mut self.held_credits),
        };
        match one.step {
            None => *posted += one.amount,
            Some(Placed(_)) => *held += one.amount,
            Some(Posted | Voided | Expired) => *held -= one.amount,
            Some(Pinned) => {}
        }
    }
}

impl Book {
    fn of(&self, account: AccountId) -> impl Iterator<Item = &Happened> {
        self.happened.iter().filter(move |one| one.account == account)
    }

    fn entries(&self, account: AccountId, filter: &Filter) -> Vec<StatementEntry> {
        let mut sums = Four::default();
        let mut entries = Vec::new();
        for one in self.of(account).filter(|one| one.step.is_none()) {
            sums.apply(one);
            if fits(one, filter) {
                entries.push(StatementEntry {
                    position: Position::new(one.position),
                    stamp: Instant::from_nanos(one.stamp),
                    effective: one.effective.map(Instant::from_nanos),
                    transaction: TransactionId::from_bytes(one.id),
                    business_date: BusinessDate::from_days(one.date),
                    reason: one.reason,
                    side: one.side,
                    amount: Minor::new(one.amount),
                    debits_posted: Minor::new(sums.debits),
                    credits_posted: Minor::new(sums.credits),
                });
            }
        }
        entries
    }

    fn hold_events(&self, account: AccountId) -> Vec<HoldEvent> {
        let mut sums = Four::default();
        let mut events = Vec::new();
        for one in self.of(account) {
            sums.apply(one);
            if let Some(step) = one.step {
                events.push(HoldEvent {
                    position: Position::new(one.position),
                    stamp: Instant::from_nanos(one.stamp),
                    hold: HoldId::from_bytes(one.id),
                    step,
                    side: one.side,
                    amount: Minor::new(one.amount),
                    debits_pending: Minor::new(sums.held_debits),
                    credits_pending: Minor::new(sums.held_credits),
                });
            }
        }
        events
    }

    fn balance(&self, account: AccountId, as_of: AsOf) -> AccountBalance {
        let mut sums = Four::default();
        for one in self.of(account) {
            let counts = match as_of {
                AsOf::Now => true,
                AsOf::Position(position) => one.position <= position.number(),
                AsOf::LedgerTime(time) => one.stamp <= time.nanos(),
                AsOf::EffectiveTime(time) => {
                    one.step.is_none() && one.effective.unwrap_or(one.stamp) <= time.nanos()
                }
            };
            if counts {
                sums.apply(one);
            }
        }
        let pending = match as_of {
            AsOf::EffectiveTime(_) => Pending::NotByEffectiveTime,
            AsOf::Now | AsOf::Position(_) | AsOf::LedgerTime(_) => Pending::Known {
                debits: Minor::new(sums.held_debits),
                credits: Minor::new(sums.held_credits),
            },
        };
        AccountBalance {
            account,
            asset: self.asset(account),
            debits_posted: Minor::new(sums.debits),
            credits_posted: Minor::new(sums.credits),
            pending,
        }
    }

    fn asset(&self, account: AccountId) -> AssetCode {
        self.accounts.iter().find(|opening| opening.id == account).unwrap().asset
    }

    fn day(&self, account: AccountId, date: u32) -> DaySums {
        let sum = |which: &dyn Fn(u32) -> bool| {
            let mut sums = Four::default();
            let entries = self.of(account).filter(|one| one.step.is_none());
            entries.filter(|one| which(one.date)).for_each(|one| sums.apply(one));
            Sums { debits: Minor::new(sums.debits), credits: Minor::new(sums.credits) }
        };
        DaySums {
            opening: sum(&|d| d < date),
            day: sum(&|d| d == date),
            closing: sum(&|d| d <= date),
        }
    }

    fn open_hold_list(&self) -> Vec<OpenHold> {
        let list = self.open.iter().map(|held| OpenHold {
            hold: held.placement.id,
            account: held.placement.account,
            side: held.placement.side,
            amount: Minor::new(held.left),
            term: held.term,
            business_date: held.placement.business_date,
            position: Position::new(held.position),
            placed_at: Instant::from_nanos(held.stamp),
        });
        list.collect()
    }

    fn some_time(&self, dice: &mut Dice) -> Instant {
        let spot = self.stamps.get(dice.below(self.stamps.len() as u64 + 1) as usize);
        let near = spot.copied().unwrap_or(dice.below(self.stamp + 2_000_000_000));
        Instant::from_nanos((near + dice.below(3)).saturating_sub(1))
    }

    fn some_account(&self, dice: &mut Dice) -> AccountId {
        let known = dice.pick(&self.accounts).filter(|_| !dice.one_in(50));
        known.map_or(AccountId::from_bytes(dice.id()), |opening| opening.id)
    }

    fn some_filter(&self, dice: &mut Dice) -> Filter {
        let mut filter = Filter::ALL;
        if dice.one_in(3) {
            return filter;
        }
        let period = |dice: &mut Dice| {
            let (a, b) = (self.some_time(dice), self.some_time(dice));
            Period { from: a.min(b), until: a.max(b) }
        };
        filter.ledger_time = dice.one_in(3).then(|| period(dice));
        filter.effective_time = dice.one_in(3).then(|| period(dice));
        filter.side = dice.pick(&[None, None, Some(Side::Debit), Some(Side::Credit)]).unwrap();
        if dice.one_in(3) {
            let date = self.date(dice);
            filter.business_dates = Some((date, BusinessDate::from_days(date.days() + 1)));
        }
        if dice.one_in(3) {
            let low = u128::from(dice.below(100_000));
            let high = if dice.one_in(2) { u128::MAX } else { low * 2 };
            filter.amounts = Some((Minor::new(low), Minor::new(high)));
        }
        filter.reason = dice.pick(&self.happened).map(|one| one.reason).filter(|_| dice.one_in(3));
        filter
    }

    /// Asks something at random and compares. `Err` only for a damaged file.
    pub(crate) fn ask(
        &self,
        dice: &mut Dice,
        views: &Views,
        kept: &mut Vec<Kept>,
    ) -> Result<(), QueryError> {
        match dice.below(12) {
            0..=2 => self.ask_statement(dice, views, kept),
            3 => self.ask_kept(dice, views, kept),
            4 => self.ask_hold_events(dice, views),
            5 | 6 => self.ask_balance(dice, views),
            7 => self.ask_trial(dice, views),
            8 => self.ask_holds(dice, views),
            9 => self.ask_account_holds(dice, views),
            10 => self.ask_links(dice, views),
            _ => self.ask_times(dice, views),
        }
    }

    fn ask_statement(
        &self,
        dice: &mut Dice,
        views: &Views,
        kept: &mut Vec<Kept>,
    ) -> Result<(), QueryError> {
        let (account, filter) = (self.some_account(dice), self.some_filter(dice));
        let order = dice.pick(&[Order::OldestFirst, Order::NewestFirst]).unwrap();
        let limit = 1 + dice.below(40) as usize;
        let ask = |order, start| {
            views.statement(&StatementQuery { account, filter, order, start, limit })
        };
        if !self.accounts.iter().any(|opening| opening.id == account) {
            let refused = Err(QueryError::UnknownAccount { account });
            assert_eq!(ask(order, Start::AtEnd), refused);
            return Ok(());
        }
        let all = self.entries(account, &filter);
        let mut expected = all.clone();
        let mut ask = |order, start| {
            let seen = ask(order, start)?;
            assert_eq!((seen.next.number(), seen.stamp.nanos()), self.seen);
            assert!(seen.answer.lines.len() <= limit);
            Ok(seen.answer)
        };
        let turn = dice.below(4) as usize;
        let last = both_ways(&mut expected, order, turn, dice, &mut ask)?;
        if order == Order::OldestFirst && last.at_end {
            kept.push(Kept { account, filter, cursor: last.next, before: all.len() });
        }
        Ok(())
    }

    /// A cursor from long ago finds what came since, through flushes and restarts.
    fn ask_kept(
        &self,
        dice: &mut Dice,
        views: &Views,
        kept: &mut Vec<Kept>,
    ) -> Result<(), QueryError> {
        if kept.is_empty() {
            return Ok(());
        }
        let at = dice.below(kept.len() as u64) as usize;
        let Kept { account, filter, cursor, before } = kept.swap_remove(at);
        let cursor: Cursor = cursor.to_string().parse()?;
        let mut start = Start::At(cursor);
        let mut found = Vec::new();
        loop {
            let order = Order::OldestFirst;
            let query = StatementQuery { account, filter, order, start, limit: 7 };
            let page = views.statement(&query)?.answer;
            found.extend(page.lines);
            start = Start::At(page.next);
            if page.at_end {
                break;
            }
        }
        // A batch that was not ended is lost in a restart: what was before may be gone.
        let all = self.entries(account, &filter);
        assert_eq!(found, all.get(before..).unwrap_or_default());
        Ok(())
    }

    fn ask_hold_events(&self, dice: &mut Dice, views: &Views) -> Result<(), QueryError> {
        let Some(opening) = dice.pick(&self.accounts) else { return Ok(()) };
        let order = dice.pick(&[Order::OldestFirst, Order::NewestFirst]).unwrap();
        let limit = 1 + dice.below(20) as usize;
        let mut expected = self.hold_events(opening.id);
        let mut ask = |order, start| Ok(views.hold_events(opening.id, order, start, limit)?.answer);
        both_ways(&mut expected, order, dice.below(3) as usize, dice, &mut ask).map(|_| ())
    }

    fn ask_balance(&self, dice: &mut Dice, views: &Views) -> Result<(), QueryError> {
        let account = self.some_account(dice);
        let as_of = match dice.below(6) {
            0 => AsOf::Now,
            1 | 2 => AsOf::Position(Position::new(dice.below(self.seen.0 + 2))),
            3 | 4 => AsOf::LedgerTime(self.some_time(dice)),
            _ => AsOf::EffectiveTime(self.some_time(dice)),
        };
        let answer = views.balance(account, as_of);
        if !self.accounts.iter().any(|opening| opening.id == account) {
            assert_eq!(answer, Err(QueryError::UnknownAccount { account }));
            return Ok(());
        }
        if let AsOf::Position(asked) = as_of
            && asked.number() >= self.seen.0
        {
            let next = Position::new(self.seen.0);
            assert_eq!(answer, Err(QueryError::NotSeenYet { asked, next }));
            return Ok(());
        }
        assert_eq!(answer?.answer, self.balance(account, as_of), "{as_of:?}");
        if as_of == AsOf::Now {
            // The ledger itself says the same.
            let own = self.ledger.balances(account).unwrap();
            let said = self.balance(account, as_of);
            assert_eq!(own.debits_posted, said.debits_posted);
            let pending =
                Pending::Known { debits: own.debits_pending, credits: own.credits_pending };
            assert_eq!(pending, said.pending);
        }
        Ok(())
    }

    fn ask_trial(&self, dice: &mut Dice, views: &Views) -> Result<(), QueryError> {
        let date = self.date(dice);
        let limit = 1 + dice.below(30) as usize;
        let mut start = Start::AtEnd;
        let mut lines = Vec::new();
        loop {
            let page = views.trial_balance_of_accounts(date, start, limit)?.answer;
            lines.extend(page.lines);
            start = Start::At(page.next);
            if page.at_end {
                break;
            }
        }
        assert_eq!(lines.len(), self.accounts.len());
        let mut by_asset: BTreeMap<AssetCode, DaySums> = BTreeMap::new();
        for (line, opening) in lines.iter().zip(&self.accounts) {
            assert_eq!(
                (line.account, line.asset, line.normal),
                (opening.id, opening.asset, opening.normal)
            );
            assert_eq!(line.sums, self.day(opening.id, date.days()));
            by_asset
                .entry(opening.asset)
                .and_modify(|sums| *sums = plus(sums, &line.sums))
                .or_insert(line.sums);
        }
        let assets = views.trial_balance(date)?.answer;
        let assets: BTreeMap<_, _> = assets.iter().map(|line| (line.asset, line.sums)).collect();
        assert_eq!(assets, by_asset);
        for sums in assets.values() {
            for side in [sums.opening, sums.day, sums.closing] {
                assert_eq!(side.debits, side.credits);
            }
        }
        Ok(())
    }

    fn ask_holds(&self, dice: &mut Dice, views: &Views) -> Result<(), QueryError> {
        let until =
            if dice.one_in(2) { Instant::from_nanos(u64::MAX) } else { self.some_time(dice) };
        let mut expected = self.open_hold_list();
        let moment = |hold: &OpenHold| match hold.term {
            Term::Expiring { at } => at.nanos(),
            Term::Pinned => u64::MAX,
        };
        expected.retain(|hold| moment(hold) <= until.nanos());
        expected.sort_by_key(|hold| (moment(hold), hold.hold));
        let limit = 1 + dice.below(10) as usize;
        pages(&expected, |start| Ok(views.holds_by_expiry(until, start, limit)?.answer))
    }

    fn ask_account_holds(&self, dice: &mut Dice, views: &Views) -> Result<(), QueryError> {
        let Some(opening) = dice.pick(&self.accounts) else { return Ok(()) };
        let mut expected = self.open_hold_list();
        expected.retain(|hold| hold.account == opening.id);
        expected.sort_by_key(|hold| hold.hold);
        let limit = 1 + dice.below(5) as usize;
        pages(&expected, |start| Ok(views.open_holds(opening.id, start, limit)?.answer))
    }

    fn ask_links(&self, dice: &mut Dice, views: &Views) -> Result<(), QueryError> {
        let known = dice.pick(&self.links).filter(|_| !dice.one_in(10));
        let link = known.map_or(Link::Payment(PaymentId::from_bytes(dice.id())), |(link, ..)| link);
        let mut expected: Vec<(Position, TransactionId)> = self
            .links
            .iter()
            .filter(|(other, ..)| *other == link)
            .map(|(_, position, id)| (Position::new(*position), *id))
            .collect();
        expected.dedup();
        let answer = views.linked(&link)?.answer;
        assert!(answer.all);
        assert_eq!(answer.transactions, expected);
        Ok(())
    }

    fn ask_times(&self, dice: &mut Dice, views: &Views) -> Result<(), QueryError> {
        let time = self.some_time(dice);
        let seen = &self.stamps[..self.seen.0 as usize];
        let facts = seen.iter().filter(|stamp| **stamp <= time.nanos()).count();
        assert_eq!(views.position_at(time)?.answer, Position::new(facts as u64), "{time:?}");
        let position = dice.below(self.seen.0 + 1);
        let answer = views.stamp_of(Position::new(position));
        match seen.get(position as usize) {
            Some(stamp) => assert_eq!(answer?.answer, Instant::from_nanos(*stamp)),
            None => assert!(matches!(answer, Err(QueryError::NotSeenYet { .. }))),
        }
        Ok(())
    }
}

fn fits(one: &Happened, filter: &Filter) -> bool {
    let within = |period: Option<Period>, at: u64| {
        period.is_none_or(|p| p.from.nanos() <= at && at < p.until.nanos())
    };
    within(filter.ledger_time, one.stamp)
        && within(filter.effective_time, one.effective.unwrap_or(one.stamp))
        && filter.side.is_none_or(|side| side == one.side)
        && filter.reason.is_none_or(|reason| reason == one.reason)
        && filter.business_dates.is_none_or(|(a, b)| a.days() <= one.date && one.date <= b.days())
        && filter.amounts.is_none_or(|(a, b)| a.units() <= one.amount && one.amount <= b.units())
}

fn plus(a: &DaySums, b: &DaySums) -> DaySums {
    let sum = |a: Sums, b: Sums| Sums {
        debits: a.debits.plus(b.debits).unwrap(),
        credits: a.credits.plus(b.credits).unwrap(),
    };
    DaySums {
        opening: sum(a.opening, b.opening),
        day: sum(a.day, b.day),
        closing: sum(a.closing, b.closing),
    }
}

/// Reads some pages one way, turns round, reads back to the beginning; then all the way.
fn both_ways<T: Clone + PartialEq + core::fmt::Debug>(
    expected: &mut [T],
    order: Order,
    turn: usize,
    dice: &mut Dice,
    ask: &mut dyn FnMut(Order, Start) -> Result<Page<T>, QueryError>,
) -> Result<Page<T>, QueryError> {
    let other = match order {
        Order::OldestFirst => Order::NewestFirst,
        Order::NewestFirst => {
            expected.reverse();
            Order::OldestFirst
        }
    };
    let mut found: Vec<T> = Vec::new();
    let mut start = Start::AtEnd;
    for page_number in 0.. {
        let page = ask(order, start)?;
        if page_number == turn && !page.at_end {
            // Going back from where this page began gives what came before it, the other way.
            let mut back = Vec::new();
            let mut back_start = Start::At(page.back);
            loop {
                let page = ask(other, back_start)?;
                back.extend(page.lines);
                back_start = Start::At(page.next);
                if page.at_end {
                    break;
                }
            }
            back.reverse();
            assert_eq!(back, found);
        }
        found.extend(page.lines.iter().cloned());
        assert_eq!(found[..], expected[..found.len()]);
        if page.at_end {
            assert_eq!(found.len(), expected.len());
            return Ok(page);
        }
        start = Start::At(page.next);
        if dice.one_in(200) {
            return Ok(page);
        }
    }
    unreachable!()
}

fn pages(
    expected: &[OpenHold],
    ask: impl Fn(Start) -> Result<HoldPage, QueryError>,
) -> Result<(), QueryError> {
    let mut found = Vec::new();
    let mut start = Start::AtEnd;
    loop {
        let page = ask(start)?;
        found.extend(page.holds);
        start = Start::At(page.next);
        if page.at_end {
            break;
        }
    }
    assert_eq!(found, expected);
    Ok(())
}
