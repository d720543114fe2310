//! The model: lists of what happened, and sums over them. It answers as a ledger must: with the
//! moment of a repeated command, or with the one rule that says no and its numbers.

use std::collections::BTreeMap;

use ledger::{
    Available, Ceiling, Claim, Command, Draft, Entry, Floor, Freeze, Link, Opening, Period,
    Refusal, Rest, Side, Term, Transaction, VelocityLimit, VoidGround,
};
use terms::{AccountId, AssetCode, BusinessDate, HoldId, Minor, TransactionId};

use crate::{DAY, UNIT, at};

/// Ledger time as the histories count it.
pub(crate) fn units(at: terms::Instant) -> u64 {
    at.nanos().saturating_sub(BusinessDate::from_days(DAY).start().nanos()) / UNIT
}

/// Done now, or first done then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    Now,
    Before(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Open(Option<u64>),
    Posted(i128, TransactionId),
    Voided,
    Expired,
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
    pub(crate) opening: Opening,
    pub(crate) opened: u64,
    pub(crate) closed: bool,
    pub(crate) floor: Floor,
    pub(crate) ceiling: Ceiling,
    pub(crate) freeze: Freeze,
    pub(crate) blocked: i128,
}

impl MAccount {
    fn debit_normal(&self) -> bool {
        self.opening.normal == Side::Debit
    }

    fn overdraft(&self) -> Option<i128> {
        overdraft(self.floor)
    }
}

fn overdraft(floor: Floor) -> Option<i128> {
    match floor {
        Floor::MayNotGoBelowZero => Some(0),
        Floor::Overdraft(most) => Some(signed(most)),
        Floor::Unlimited => None,
    }
}

fn highest(ceiling: Ceiling) -> Option<i128> {
    match ceiling {
        Ceiling::At(most) => Some(signed(most)),
        Ceiling::Unlimited => None,
    }
}

/// Debits posted, credits posted, debits held, credits held of each account by its first byte.
pub(crate) type Sums = [[i128; 4]; 16];

pub(crate) fn slot(id: AccountId) -> usize {
    usize::from(id.bytes()[0])
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

pub(crate) fn minor(amount: i128) -> Minor {
    Minor::new(u128::try_from(amount).unwrap())
}

impl Model {
    /// From the lists, every time.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = [[0; 4]; 16];
        for entry in self.transactions.values().flat_map(|t| &t.content.entries) {
            sums[slot(entry.account)][entry.side as usize] += signed(entry.amount);
        }
        for hold in self.holds.values() {
            if matches!(hold.end, End::Open(_)) {
                let (of, side) = (slot(hold.content.account), hold.content.side as usize);
                sums[of][2 + side] += hold.left();
            }
        }
        sums
    }

    pub(crate) fn counters(&self, id: AccountId) -> [i128; 4] {
        self.sums()[slot(id)]
    }

    pub(crate) fn balance(&self, id: AccountId, [dp, cp, dh, ch]: [i128; 4]) -> i128 {
        if self.accounts[&id].debit_normal() { dp - cp - ch } else { cp - dp - dh }
    }

    /// What may leave, as answers say it.
    pub(crate) fn available(&self, id: AccountId, sums: [i128; 4]) -> Available {
        let of = &self.accounts[&id];
        of.overdraft().map_or(Available::Unlimited, |o| {
            Available::UpTo(minor((self.balance(id, sums) - of.blocked + o).max(0)))
        })
    }

    pub(crate) fn height(&self, id: AccountId, [dp, cp, dh, ch]: [i128; 4]) -> i128 {
        if self.accounts[&id].debit_normal() { dp + dh - cp } else { cp + ch - dp }
    }

    pub(crate) fn within_limits(&self, id: AccountId, sums: [i128; 4]) -> bool {
        let of = &self.accounts[&id];
        of.overdraft().is_none_or(|o| self.balance(id, sums) + o >= 0)
            && highest(of.ceiling).is_none_or(|most| self.height(id, sums) <= most)
    }

    /// No account that loses may pass its floor; none may stand above its ceiling.
    fn bounds(&self, touched: &[AccountId], before: &Sums, after: &Sums) -> Result<(), Refusal> {
        let mut touched = touched.to_vec();
        touched.sort_unstable();
        for account in &touched {
            let leaves = self.balance(*account, before[slot(*account)])
                - self.balance(*account, after[slot(*account)]);
            if let Available::UpTo(got) = self.available(*account, before[slot(*account)])
                && signed(got) < leaves
            {
                let expected = minor(leaves);
                return Err(Refusal::InsufficientFunds { account: *account, expected, got });
            }
        }
        for account in touched {
            let height = self.height(account, after[slot(account)]);
            if let Ceiling::At(expected) = self.accounts[&account].ceiling
                && height > signed(expected)
            {
                return Err(Refusal::CeilingExceeded { account, expected, got: minor(height) });
            }
        }
        Ok(())
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
                End::Posted(amount, _) => amount + h.taken,
                End::Voided | End::Expired if h.taken == 0 => continue,
                End::Voided | End::Expired => h.taken,
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

    /// Whether each claimed period still counts, and has come near enough.
    fn periods(&self, claims: &[Claim], date: BusinessDate, now: u64) -> Result<(), Refusal> {
        // 35 days after the last one of a day or of a month of 31 nothing is counted any more.
        let today = DAY + u32::try_from(now / 144).unwrap();
        let (year, month, _) = date.civil();
        let first = (date.days() - 31..=date.days())
            .find(|day| BusinessDate::from_days(*day).civil() == (year, month, 1));
        for Claim { limit, .. } in claims {
            let over = match limit.period {
                Period::BusinessDay => date.days() + 35 < today,
                Period::Month => first.unwrap() + 30 + 35 < today,
                Period::RollingHours(_) | Period::RollingDays(_) => false,
            };
            if over {
                let expected = BusinessDate::from_days(today - 35);
                return Err(Refusal::LimitPeriodOver { key: limit.key, expected, got: date });
            }
        }
        for Claim { limit, .. } in claims {
            let rolls = matches!(limit.period, Period::RollingHours(_) | Period::RollingDays(_));
            // What counts for a day must not be dated more than ten days ahead.
            if !rolls && date.days() > today + 10 {
                let expected = BusinessDate::from_days(today + 10);
                return Err(Refusal::LimitPeriodTooFar { key: limit.key, expected, got: date });
            }
        }
        Ok(())
    }

    fn velocity(&self, claims: &[Claim], date: BusinessDate, now: u64) -> Result<(), Refusal> {
        for Claim { limit, amount } in claims {
            let got = self.counted(limit, date, now).0 + signed(*amount);
            if got > signed(limit.amount_max) {
                let (key, expected, got) = (limit.key, limit.amount_max, minor(got));
                return Err(Refusal::VelocityAmountExceeded { key, expected, got });
            }
        }
        for Claim { limit, .. } in claims {
            let got = self.counted(limit, date, now).1 + 1;
            if got > limit.count_max {
                let (key, expected) = (limit.key, limit.count_max);
                return Err(Refusal::VelocityCountExceeded { key, expected, got });
            }
        }
        Ok(())
    }

    fn frozen(&self, id: AccountId, side: Side) -> Result<(), Refusal> {
        let freeze = self.accounts[&id].freeze;
        if freeze == Freeze::Both || freeze == [Freeze::Debits, Freeze::Credits][side as usize] {
            return Err(Refusal::AccountFrozen { account: id, side });
        }
        Ok(())
    }

    /// Why a hold is not open, and how early among such rules this one speaks.
    pub(crate) fn ended(&self, hold: HoldId, now: u64) -> Option<(u8, Refusal)> {
        match self.holds[&hold].end {
            End::Open(Some(until)) if until <= now => {
                Some((2, Refusal::HoldAlreadyExpired { hold }))
            }
            End::Open(_) => None,
            End::Posted(_, transaction) => {
                Some((0, Refusal::HoldAlreadyPosted { hold, transaction }))
            }
            End::Voided => Some((1, Refusal::HoldAlreadyVoided { hold })),
            End::Expired => Some((2, Refusal::HoldAlreadyExpired { hold })),
        }
    }

    fn open_hold(&self, hold: HoldId, now: u64) -> Result<&MHold, Refusal> {
        let known = self.holds.get(&hold).ok_or(Refusal::UnknownHold { hold })?;
        self.ended(hold, now).map_or(Ok(known), |(_, refusal)| Err(refusal))
    }

    /// Accounts, then holds; then how those ended, and whether they are the entry's.
    pub(crate) fn named(
        &self,
        named: &[(AccountId, Side, Option<HoldId>)],
        now: u64,
    ) -> Result<(), Refusal> {
        for (account, _, _) in named {
            if !self.accounts.contains_key(account) {
                return Err(Refusal::UnknownAccount { account: *account });
            }
        }
        let holds = || named.iter().filter_map(|(account, side, id)| Some((account, side, (*id)?)));
        if let Some((_, _, hold)) = holds().find(|(_, _, id)| !self.holds.contains_key(id)) {
            return Err(Refusal::UnknownHold { hold });
        }
        let ends = holds().filter_map(|(_, _, id)| self.ended(id, now));
        if let Some((_, refusal)) = ends.min_by_key(|(early, _)| *early) {
            return Err(refusal);
        }
        for (got, _, id) in holds() {
            let (expected, got) = (self.holds[&id].content.account, *got);
            if expected != got {
                return Err(Refusal::HoldAccountDiffers { expected, got });
            }
        }
        for (_, got, id) in holds() {
            let (expected, got) = (self.holds[&id].content.side, *got);
            if expected != got {
                return Err(Refusal::HoldSideDiffers { expected, got });
            }
        }
        Ok(())
    }

    fn balanced(&self, t: &Transaction) -> Result<(), Refusal> {
        let mut sums = BTreeMap::<AssetCode, [i128; 2]>::new();
        for e in &t.entries {
            let of = sums.entry(self.accounts[&e.account].opening.asset).or_default();
            of[e.side as usize] += signed(e.amount);
        }
        if let Some(claim) = t.claims.iter().find(|c| !sums.contains_key(&c.limit.asset)) {
            return Err(Refusal::LimitAssetDiffers { got: claim.limit.asset });
        }
        match sums.into_iter().find(|(_, [debits, credits])| debits != credits) {
            Some((asset, sums)) => {
                let [debits, credits] = sums.map(minor);
                Err(Refusal::DebitsMustEqualCredits { asset, debits, credits })
            }
            None => Ok(()),
        }
    }

    /// The rules that need no list were asked before.
    pub(crate) fn may_post(
        &mut self,
        content: Transaction,
        draft: Option<&Draft>,
        now: u64,
    ) -> Result<(), Refusal> {
        let parts = draft.into_iter().flat_map(|draft| &draft.lines).filter_map(|line| line.part);
        let kept: Vec<HoldId> =
            parts.filter(|part| part.rest == Rest::Kept).map(|part| part.hold).collect();
        let t = &content;
        let named: Vec<_> = t.entries.iter().map(|e| (e.account, e.side, e.hold)).collect();
        self.named(&named, now)?;
        for e in &t.entries {
            if let Some(hold) = e.hold
                && signed(e.amount) > self.holds[&hold].left()
            {
                let (expected, got) = (minor(self.holds[&hold].left()), e.amount);
                return Err(Refusal::AmountExceedsHold { hold, expected, got });
            }
        }
        self.balanced(t)?;
        self.periods(&t.claims, t.business_date, now)?;
        if let Some(e) = t.entries.iter().find(|e| self.accounts[&e.account].closed) {
            return Err(Refusal::AccountClosed { account: e.account });
        }
        for e in &t.entries {
            if !e.hold.is_some_and(|id| self.holds[&id].end == End::Open(None)) {
                self.frozen(e.account, e.side)?;
            }
        }
        // Do it on a copy, and look.
        let touched: Vec<AccountId> = t.entries.iter().map(|e| e.account).collect();
        let (before, mut after) = (self.sums(), self.sums());
        for e in &t.entries {
            after[slot(e.account)][e.side as usize] += signed(e.amount);
            if let Some(id) = e.hold {
                let stays = kept.contains(&id) && signed(e.amount) < self.holds[&id].left();
                let freed = if stays { signed(e.amount) } else { self.holds[&id].left() };
                after[slot(e.account)][2 + e.side as usize] -= freed;
            }
        }
        self.bounds(&touched, &before, &after)?;
        self.velocity(&t.claims, t.business_date, now)?;
        for Entry { amount, hold, .. } in &t.entries {
            let Some(id) = hold else { continue };
            let hold = self.holds.get_mut(id).unwrap();
            if kept.contains(id) && signed(*amount) < hold.left() {
                hold.taken += signed(*amount);
            } else {
                hold.end = End::Posted(signed(*amount), t.id);
            }
        }
        let draft = draft.cloned();
        self.transactions.insert(t.id, MTransaction { content, posted: now, draft });
        Ok(())
    }

    fn place(&mut self, new: &ledger::Placement, now: u64) -> Result<(), Refusal> {
        let of_limit = |limit: &VelocityLimit| Claim { limit: *limit, amount: new.amount };
        let claims: Vec<Claim> = new.limits.iter().map(of_limit).collect();
        sizes(&claims, &new.links)?;
        let account = new.account;
        if new.amount.is_zero() {
            return Err(Refusal::AmountMustBePositive { account });
        }
        limits_differ(&claims)?;
        let of = self.accounts.get(&account).ok_or(Refusal::UnknownAccount { account })?;
        if let Some(claim) = claims.iter().find(|c| c.limit.asset != of.opening.asset) {
            return Err(Refusal::LimitAssetDiffers { got: claim.limit.asset });
        }
        let end = match new.term {
            Term::Expiring { at: got } if units(got) <= now => {
                return Err(Refusal::ExpiryMustBeLater { stamp: at(now), got });
            }
            Term::Expiring { at } => Some(units(at)),
            Term::Pinned => None,
        };
        self.periods(&claims, new.business_date, now)?;
        if of.closed {
            return Err(Refusal::AccountClosed { account });
        }
        self.frozen(account, new.side)?;
        let (before, mut after) = (self.sums(), self.sums());
        after[slot(account)][2 + new.side as usize] += signed(new.amount);
        self.bounds(&[account], &before, &after)?;
        self.velocity(&claims, new.business_date, now)?;
        let content = new.clone();
        self.holds.insert(new.id, MHold { content, placed: now, taken: 0, end: End::Open(end) });
        Ok(())
    }

    /// Does the command if it may be done; says whether, or which rule stands against it.
    pub(crate) fn run(&mut self, now: u64, command: &Command) -> Result<Did, Refusal> {
        match command {
            Command::Post(t) => match self.transactions.get(&t.id) {
                Some(known) => {
                    let lines = known.draft.is_some().then_some("lines");
                    repeated(same_post(&known.content, t).or(lines), known.posted)
                }
                None => {
                    shape(t)?;
                    self.may_post(t.clone(), None, now).map(|()| Did::Now)
                }
            },
            Command::PostDraft(draft) => match self.transactions.get(&draft.id) {
                Some(known) => {
                    let same = known.draft.as_ref() == Some(draft);
                    repeated((!same).then_some("lines"), known.posted)
                }
                None => {
                    let content = self.resolve(draft, now)?;
                    self.may_post(content, Some(draft), now).map(|()| Did::Now)
                }
            },
            Command::PlaceHold(new) => match self.holds.get(&new.id) {
                Some(known) => repeated(same_hold(&known.content, new), known.placed),
                None => self.place(new, now).map(|()| Did::Now),
            },
            Command::PinHold { hold } => {
                let MHold { content, end, .. } = self.open_hold(*hold, now)?;
                if *end == End::Open(None) {
                    return Err(Refusal::HoldAlreadyPinned { hold: *hold });
                }
                self.frozen(content.account, content.side)?;
                self.holds.get_mut(hold).unwrap().end = End::Open(None);
                Ok(Did::Now)
            }
            Command::VoidHold { hold, ground } => {
                let known = self.open_hold(*hold, now)?;
                if known.end == End::Open(None) && *ground == VoidGround::Cancelled {
                    return Err(Refusal::EvidenceRequired { hold: *hold });
                }
                self.holds.get_mut(hold).unwrap().end = End::Voided;
                Ok(Did::Now)
            }
            Command::ExpireHolds { at_most } => {
                for _ in 0..*at_most {
                    let due = self.holds.iter().filter_map(|(id, h)| match h.end {
                        End::Open(Some(until)) if until <= now => Some((until, *id)),
                        End::Open(_) | End::Posted(..) | End::Voided | End::Expired => None,
                    });
                    let Some((_, id)) = due.min() else { break };
                    self.holds.get_mut(&id).unwrap().end = End::Expired;
                }
                Ok(Did::Now)
            }
            Command::OpenAccount(new) => self.open_account(now, new),
            Command::SetFreeze { account, .. }
            | Command::SetBlocked { account, .. }
            | Command::SetLimits { account, .. }
            | Command::CloseAccount { account } => self.manage(*account, command),
        }
    }

    #[expect(clippy::panic, reason = "a test stops where its own parts disagree")]
    fn manage(&mut self, id: AccountId, command: &Command) -> Result<Did, Refusal> {
        let sums = self.counters(id);
        let account = self.accounts.get_mut(&id).ok_or(Refusal::UnknownAccount { account: id })?;
        if account.closed {
            return Err(Refusal::AccountClosed { account: id });
        }
        match command {
            Command::SetFreeze { freeze, .. } => account.freeze = *freeze,
            Command::SetBlocked { amount, .. } => account.blocked = signed(*amount),
            Command::SetLimits { floor, ceiling, .. } => {
                let old = (account.floor, account.ceiling);
                (account.floor, account.ceiling) = (*floor, *ceiling);
                if !self.within_limits(id, sums) {
                    let account = self.accounts.get_mut(&id).unwrap();
                    (account.floor, account.ceiling) = old;
                    return Err(Refusal::BalanceOutsideLimits { account: id });
                }
            }
            Command::CloseAccount { .. } => {
                if (sums[0] - sums[1], sums[2], sums[3]) != (0, 0, 0) {
                    return Err(Refusal::AccountNotEmpty { account: id });
                }
                account.closed = true;
            }
            Command::OpenAccount(_)
            | Command::PlaceHold(_)
            | Command::PinHold { .. }
            | Command::VoidHold { .. }
            | Command::ExpireHolds { .. }
            | Command::Post(_)
            | Command::PostDraft(_) => panic!("done by `run`: {command:?}"),
        }
        Ok(Did::Now)
    }

    fn open_account(&mut self, now: u64, new: &Opening) -> Result<Did, Refusal> {
        // Marks that say nothing are none.
        let nothing = |m: &ledger::Marks| m.code.is_none() && m.tags.iter().next().is_none();
        let new = &Opening { marks: new.marks.filter(|m| !nothing(m)), ..*new };
        if let Some(MAccount { opening: first, opened, .. }) = self.accounts.get(&new.id) {
            let field = [
                (first.asset == new.asset, "asset"),
                (first.normal == new.normal, "normal"),
                (first.owner == new.owner, "owner"),
                (first.purpose == new.purpose, "purpose"),
                (first.floor == new.floor, "floor"),
                (first.ceiling == new.ceiling, "ceiling"),
                (first.marks == new.marks, "marks"),
            ];
            let field = field.into_iter().find(|(same, _)| !same).map(|(_, field)| field);
            return repeated(field, *opened);
        }
        let account = MAccount {
            opening: *new,
            opened: now,
            closed: false,
            floor: new.floor,
            ceiling: new.ceiling,
            freeze: Freeze::Nothing,
            blocked: 0,
        };
        self.accounts.insert(new.id, account);
        Ok(Did::Now)
    }
}

fn repeated(differs: Option<&'static str>, first: u64) -> Result<Did, Refusal> {
    differs.map_or(Ok(Did::Before(first)), |field| Err(Refusal::IdUsedWithOtherContent { field }))
}

fn same_post(first: &Transaction, other: &Transaction) -> Option<&'static str> {
    let detail = match (&first.detail, &other.detail) {
        (None, None) => None,
        (Some(first), Some(other)) if first.effective != other.effective => Some("effective"),
        (Some(first), Some(other)) if first.code != other.code => Some("code"),
        (Some(first), Some(other)) => (first.metadata != other.metadata).then_some("metadata"),
        (Some(_), None) | (None, Some(_)) => Some("detail"),
    };
    let fields = [
        (first.business_date == other.business_date, "business_date"),
        (first.reason == other.reason, "reason"),
        (first.entries == other.entries, "entries"),
        (first.claims == other.claims, "claims"),
        (first.links == other.links, "links"),
    ];
    fields.into_iter().find(|(same, _)| !same).map(|(_, field)| field).or(detail)
}

fn same_hold(first: &ledger::Placement, other: &ledger::Placement) -> Option<&'static str> {
    let fields = [
        (first.account == other.account, "account"),
        (first.side == other.side, "side"),
        (first.amount == other.amount, "amount"),
        (first.term == other.term, "term"),
        (first.business_date == other.business_date, "business_date"),
        (first.limits == other.limits, "limits"),
        (first.links == other.links, "links"),
    ];
    fields.into_iter().find(|(same, _)| !same).map(|(_, field)| field)
}

pub(crate) fn sizes(claims: &[Claim], links: &[Link]) -> Result<(), Refusal> {
    match (claims.len(), links.len()) {
        (got @ 9.., _) => Err(Refusal::LimitsOutOfRange { max: 8, got }),
        (_, got @ 9..) => Err(Refusal::LinksOutOfRange { max: 8, got }),
        (_, _) => Ok(()),
    }
}

pub(crate) fn detail(detail: Option<&ledger::Detail>) -> Result<(), Refusal> {
    let Some(ledger::Detail { metadata, .. }) = detail else { return Ok(()) };
    if metadata.len() > 16 {
        return Err(Refusal::MetadataOutOfRange { max: 16, got: metadata.len() });
    }
    let got = seal::to_canonical(metadata).len();
    if !metadata.is_empty() && got > 2048 {
        return Err(Refusal::MetadataTooLarge { max: 2048, got });
    }
    for (nth, one) in metadata.iter().enumerate() {
        if metadata[..nth].iter().any(|other| other.key == one.key) {
            return Err(Refusal::MetadataKeysMustDiffer { key: one.key.clone() });
        }
    }
    Ok(())
}

pub(crate) fn entries(got: usize) -> Result<(), Refusal> {
    if got == 0 || got > 64 { Err(Refusal::EntriesOutOfRange { max: 64, got }) } else { Ok(()) }
}

pub(crate) fn holds_differ(holds: &[HoldId]) -> Result<(), Refusal> {
    let twice = holds.iter().enumerate().find(|(nth, hold)| holds[..*nth].contains(hold));
    twice.map_or(Ok(()), |(_, hold)| Err(Refusal::HoldsMustDiffer { hold: *hold }))
}

pub(crate) fn limits_differ(claims: &[Claim]) -> Result<(), Refusal> {
    let of = |claim: &Claim| (claim.limit.key, claim.limit.asset, claim.limit.period);
    let twice = claims
        .iter()
        .enumerate()
        .find(|(nth, claim)| claims[..*nth].iter().any(|other| of(other) == of(claim)));
    twice.map_or(Ok(()), |(_, claim)| Err(Refusal::LimitsMustDiffer { key: claim.limit.key }))
}

fn shape(t: &Transaction) -> Result<(), Refusal> {
    entries(t.entries.len())?;
    sizes(&t.claims, &t.links)?;
    detail(t.detail.as_deref())?;
    if let Some(e) = t.entries.iter().find(|e| e.amount.is_zero()) {
        return Err(Refusal::AmountMustBePositive { account: e.account });
    }
    holds_differ(&t.entries.iter().filter_map(|e| e.hold).collect::<Vec<_>>())?;
    limits_differ(&t.claims)
}
