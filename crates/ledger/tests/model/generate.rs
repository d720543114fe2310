//! Commands out of random bits: each choice is a roll of its own, so that none depends on another.

use ledger::{
    Ceiling, Claim, Command, Datum, Detail, Entry, Floor, Freeze, Link, Marks, NotDone,
    NotDoneSource, Opening, Owner, Period, Placement, Purpose, Reason, Side, Tags, Term,
    Transaction, Value, VelocityLimit, VoidGround,
};
use terms::{AssetCode, BusinessDate, Minor, PaymentId, QuoteId};

use crate::support::{account, claim, credit, debit, eur, held, hold, limit, opening, sgd, txn};
use crate::{DAY, at};

/// Numbers that look random (splitmix64).
#[derive(Clone, Copy)]
pub(crate) struct Roll(pub(crate) u64);

impl Roll {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    pub(crate) fn money(&mut self, below: u64) -> u128 {
        u128::from(self.below(below))
    }

    /// An account: mostly one that is open from the beginning, seldom one that never is.
    pub(crate) fn account(&mut self) -> u8 {
        match self.below(48) {
            0 => 9,
            1..=4 => 7 + self.below(2) as u8,
            _ => 1 + self.below(6) as u8,
        }
    }

    pub(crate) fn side(&mut self) -> Side {
        self.pick(&Side::ALL)
    }
}

/// When a command comes, and what there is by then.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: u64,
    pub(crate) day: u32,
    pub(crate) step: u8,
}

impl Moment {
    /// Holds are numbered by the step.
    pub(crate) fn newest(self) -> u8 {
        self.step / 3
    }

    /// A late hold: most of those before have ended. Seldom one that never was.
    pub(crate) fn near(self, roll: &mut Roll) -> u8 {
        if roll.one_in(64) { 200 } else { self.newest().saturating_sub(roll.below(6) as u8) }
    }

    pub(crate) fn number(self, roll: &mut Roll) -> u128 {
        roll.money(512) + u128::from(self.day) * 512
    }
}

/// All holds of one id lie on one account, so that posts by chance find them.
pub(crate) fn home(hold: u8) -> u8 {
    1 + hold % 6
}

/// An account of the same asset.
pub(crate) fn beside(account: u8) -> u8 {
    [1, 3, 5, 1, 1, 2, 1, 1, 2, 1][usize::from(account)]
}

/// Posts a hold, mostly on its own account and side, against an account of the same asset.
fn held_post(roll: &mut Roll, id: u8) -> Vec<Entry> {
    let x = if roll.one_in(12) { roll.account() } else { home(id) };
    let money = roll.money(64);
    let (mut from, mut to) = (held(x, money, u128::from(id)), credit(beside(x), money));
    if roll.one_in(4) {
        (from.side, to.side) = (Side::Credit, Side::Debit);
    }
    let mut entries = vec![from, to];
    if roll.one_in(16) {
        // Again the same hold, which may stand once.
        entries.extend([from, to]);
    }
    entries
}

/// A limit of any period, on one asset or the other.
pub(crate) fn bound(roll: &mut Roll, mostly: AssetCode) -> VelocityLimit {
    let asset = if roll.one_in(8) { roll.pick(&[eur(), sgd()]) } else { mostly };
    let key: u8 = if asset == eur() { 0 } else { 2 };
    // Sometimes the count is what is too much, not the amount.
    let (most, count) = if roll.one_in(2) { (500, 6) } else { (9_000, 3) };
    let of = |n, period| VelocityLimit { period, ..limit(key + n, asset, most, count) };
    match roll.below(4) {
        0 => of(2, Period::RollingHours(7)),
        1 => of(2, Period::RollingDays(2)),
        2 => of(1, Period::Month),
        _ => of(1, Period::BusinessDay),
    }
}

/// None, one, two, and seldom too many or one twice.
pub(crate) fn bounds(roll: &mut Roll, mostly: AssetCode) -> Vec<VelocityLimit> {
    let one = bound(roll, mostly);
    match roll.below(48) {
        0 => vec![one; 9],
        1 => vec![one, one],
        2..=6 => vec![one, bound(roll, mostly)],
        7..=20 => vec![one],
        _ => vec![],
    }
}

/// The day that an operation counts for. One in sixteen is nearly too old for a limit, and soon
/// is; one in sixteen is too far ahead, and soon near enough.
pub(crate) fn counts_for(roll: &mut Roll, day: u32) -> BusinessDate {
    BusinessDate::from_days(match roll.below(16) {
        14 => DAY - 35,
        6 => DAY + 12,
        _ => DAY + day,
    })
}

pub(crate) fn links(roll: &mut Roll) -> Vec<Link> {
    let number = roll.money(512);
    let id = number.to_be_bytes();
    let one = match roll.below(5) {
        0 => Link::Payment(PaymentId::from_bytes(id)),
        1 => Link::Quote(QuoteId::from_bytes(id)),
        2 => Link::Returns(txn(number)),
        3 => Link::Refunds(txn(number)),
        _ => Link::Corrects(txn(number)),
    };
    match roll.below(96) {
        0 => vec![one; 9],
        1..=4 => vec![one, Link::Corrects(txn(roll.money(512)))],
        5..=16 => vec![one],
        _ => vec![],
    }
}

fn value(roll: &mut Roll) -> Value {
    match roll.below(6) {
        0 => Value::Text("invoice 7".repeat(roll.below(4) as usize)),
        1 => Value::Integer(roll.below(1000) as i64 - 500),
        2 => Value::Bytes(vec![7; roll.below(40) as usize]),
        3 => Value::Instant(at(roll.below(99))),
        4 => Value::Amount(terms::Amount::new(Minor::new(roll.money(99)), eur())),
        _ => Value::Personal { key_slot: roll.below(9) as u32, sealed: vec![9; 48] },
    }
}

pub(crate) fn detail(roll: &mut Roll) -> Option<Box<Detail>> {
    if roll.below(6) > 0 {
        return None;
    }
    let datum = |n: u64, value| Datum { key: format!("key-{n}").parse().unwrap(), value };
    let metadata = match roll.below(24) {
        0 => (0..17).map(|n| datum(n, Value::Integer(1))).collect(),
        1 => vec![datum(1, Value::Text("long".repeat(600)))],
        2 => vec![datum(1, Value::Integer(1)), datum(1, Value::Integer(2))],
        _ => (0..roll.below(5)).map(|n| datum(n, value(roll))).collect(),
    };
    let effective = roll.one_in(2).then(|| at(roll.below(400)));
    let code = roll.one_in(2).then(|| roll.below(900) as u16);
    Some(Box::new(Detail { effective, code, metadata }))
}

pub(crate) fn document(roll: &mut Roll) -> seal::Digest {
    seal::Digest::from_bytes([roll.below(256) as u8; 32])
}

fn transaction(roll: &mut Roll, moment: Moment, entries: Vec<Entry>) -> Transaction {
    Transaction {
        id: txn(moment.number(roll)),
        business_date: counts_for(roll, moment.day),
        reason: roll.pick(&Reason::ALL),
        entries: entries.into(),
        claims: vec![],
        links: links(roll),
        detail: detail(roll),
    }
}

/// Two entries, mostly of one asset and from where there is money.
fn few(roll: &mut Roll) -> Vec<Entry> {
    let money = roll.money(250);
    let (x, y) = match roll.below(6) {
        0 => (roll.account(), roll.account()),
        1 => (3, 4),
        2 => (2, 5),
        3 => (5, 2),
        4 => (beside(7 + roll.below(2) as u8), 7 + roll.below(2) as u8),
        _ => (1, roll.pick(&[3, 3, 4, 6])),
    };
    let mut entries = vec![debit(x, money), credit(y, money)];
    if roll.one_in(8) {
        let more = roll.money(99);
        entries.extend([debit(5, more), credit(2, more)]);
    }
    entries
}

/// Up to 64 entries of both assets, mostly balanced by the last two; seldom none or too many.
fn many(roll: &mut Roll) -> Vec<Entry> {
    let most = match roll.below(24) {
        0 => return vec![],
        1 => 65,
        2..=5 => 64,
        _ => 4 + roll.below(60),
    };
    let mut entries = Vec::new();
    let mut sums = [0_u128; 2];
    for _ in 0..most - 2 {
        let money = 1 + roll.money(6);
        let (x, of) = roll.pick(&[(3, 0), (4, 0), (6, 0), (5, 1)]);
        sums[of] += money;
        entries.push(credit(x, money));
    }
    let short = u128::from(roll.one_in(24));
    entries.push(debit(1, sums[0].saturating_sub(short)));
    entries.push(debit(2, sums[1]));
    entries.retain(|entry| !entry.amount.is_zero());
    entries
}

fn place_hold(roll: &mut Roll, moment: Moment) -> Command {
    let id = moment.newest();
    let account_number = if roll.one_in(24) { roll.account() } else { home(id) };
    let of = if [2, 5, 8].contains(&account_number) { sgd() } else { eur() };
    let term = if roll.one_in(4) {
        Term::Pinned
    } else {
        Term::Expiring { at: at(moment.now + roll.below(64)) }
    };
    Command::PlaceHold(Placement {
        id: hold(u128::from(id)),
        account: account(account_number),
        side: if roll.one_in(4) { Side::Credit } else { Side::Debit },
        amount: Minor::new(roll.money(250)),
        term,
        business_date: counts_for(roll, moment.day),
        limits: bounds(roll, of),
        links: links(roll),
    })
}

fn floor(roll: &mut Roll) -> Floor {
    let money = Minor::new(roll.money(250));
    roll.pick(&[
        Floor::MayNotGoBelowZero,
        Floor::Overdraft(money),
        Floor::Overdraft(money),
        Floor::Unlimited,
    ])
}

fn ceiling(roll: &mut Roll) -> Ceiling {
    if roll.one_in(3) { Ceiling::Unlimited } else { Ceiling::At(Minor::new(roll.money(2000))) }
}

fn manage(roll: &mut Roll) -> Command {
    let id = account(roll.account());
    match roll.below(6) {
        0 | 1 => {
            let nothing = Freeze::Nothing;
            let all = [nothing, nothing, nothing, Freeze::Debits, Freeze::Credits, Freeze::Both];
            Command::SetFreeze { account: id, freeze: roll.pick(&all) }
        }
        2 => Command::SetBlocked { account: id, amount: Minor::new(roll.money(60)) },
        3 => {
            let id = account(3 + roll.below(3) as u8);
            Command::SetLimits { account: id, floor: floor(roll), ceiling: ceiling(roll) }
        }
        // Seldom one of those that all live by.
        4 => Command::CloseAccount {
            account: if roll.one_in(24) { id } else { account(7 + roll.below(2) as u8) },
        },
        _ => Command::OpenAccount(one_opening(roll)),
    }
}

/// An account opened later, or one again; seldom with other content.
fn one_opening(roll: &mut Roll) -> Opening {
    let n = 1 + roll.below(8) as usize;
    let mut new = openings()[n - 1];
    if roll.one_in(4) {
        match roll.below(7) {
            0 => new.asset = if new.asset == eur() { sgd() } else { eur() },
            1 => new.normal = if new.normal == Side::Debit { Side::Credit } else { Side::Debit },
            2 => new.owner = Owner::Institution("bank-sg".parse().unwrap()),
            3 => new.purpose = Purpose::Fee,
            4 => new.floor = Floor::Overdraft(Minor::new(77)),
            5 => new.ceiling = Ceiling::At(Minor::new(777)),
            _ => new.marks = Some(Marks { code: Some(12), tags: Tags::NONE }),
        }
    } else if new.marks.is_none() && roll.one_in(4) {
        // Says nothing, and is nothing.
        new.marks = Some(Marks { code: None, tags: Tags::NONE });
    }
    new
}

/// The same id with one thing changed.
pub(crate) fn altered(command: &Command, roll: &mut Roll) -> Command {
    let mut command = command.clone();
    let later = |date: BusinessDate| BusinessDate::from_days(date.days() + 1);
    match &mut command {
        Command::Post(t) => match roll.below(6) {
            0 => t.business_date = later(t.business_date),
            1 => t.reason = roll.pick(&Reason::ALL),
            2 => t.entries.reverse(),
            3 => t.claims = vec![claim(bound(roll, eur()), 1)],
            4 => t.links = links(roll),
            _ => t.detail = detail(roll),
        },
        Command::PostDraft(draft) => match roll.below(3) {
            0 => draft.business_date = later(draft.business_date),
            1 => draft.lines.reverse(),
            _ => draft.detail = detail(roll),
        },
        Command::PlaceHold(new) => match roll.below(6) {
            0 => new.amount = Minor::new(new.amount.units() + 1),
            1 => new.side = roll.side(),
            2 => new.term = Term::Pinned,
            3 => new.business_date = later(new.business_date),
            4 => new.limits = bounds(roll, eur()),
            _ => new.links = links(roll),
        },
        Command::OpenAccount(_)
        | Command::SetLimits { .. }
        | Command::SetFreeze { .. }
        | Command::SetBlocked { .. }
        | Command::CloseAccount { .. }
        | Command::PinHold { .. }
        | Command::VoidHold { .. }
        | Command::ExpireHolds { .. } => {}
    }
    command
}

/// A sweep and something that names the hold whose moment came last, in either order and at one
/// stamp; nothing while no hold is due.
pub(crate) fn race(roll: &mut Roll, moment: Moment, before: &[(u64, Command)]) -> Vec<Command> {
    let due = before.iter().filter_map(|(_, command)| {
        let Command::PlaceHold(Placement { id, term, .. }) = command else { return None };
        let Term::Expiring { at: until } = term else { return None };
        (*until <= at(moment.now)).then_some((*until, *id))
    });
    let Some((_, id)) = due.max() else { return vec![] };
    let [.., number] = id.bytes();
    let sweep = Command::ExpireHolds { at_most: 256 };
    let asks = match roll.below(4) {
        0 => Command::PinHold { hold: id },
        1 => Command::VoidHold { hold: id, ground: VoidGround::Cancelled },
        2 => {
            let entries = held_post(roll, number);
            Command::Post(transaction(roll, moment, entries))
        }
        _ => Command::PostDraft(crate::lines::draft_of(roll, moment, Some(number))),
    };
    if roll.one_in(3) { vec![asks, sweep] } else { vec![sweep, asks] }
}

/// A new command.
pub(crate) fn command(roll: &mut Roll, moment: Moment) -> Command {
    match roll.below(32) {
        0..=6 => {
            let entries = few(roll);
            Command::Post(transaction(roll, moment, entries))
        }
        7 => {
            let entries = many(roll);
            Command::Post(transaction(roll, moment, entries))
        }
        8..=11 => place_hold(roll, moment),
        12 => Command::PinHold { hold: hold(u128::from(moment.near(roll))) },
        13..=16 => {
            let id = moment.near(roll);
            let entries = held_post(roll, id);
            Command::Post(transaction(roll, moment, entries))
        }
        17 => Command::VoidHold {
            hold: hold(u128::from(moment.near(roll))),
            ground: if roll.one_in(2) {
                VoidGround::Cancelled
            } else {
                let sources = [
                    NotDoneSource::RailRefused,
                    NotDoneSource::NeverSent,
                    NotDoneSource::TwoPersons,
                    NotDoneSource::OnePerson,
                ];
                let source = roll.pick(&sources);
                VoidGround::NotDone(NotDone { source, document: document(roll) })
            },
        },
        18 | 19 => Command::ExpireHolds { at_most: roll.below(4) as u32 },
        20 | 21 => manage(roll),
        22..=24 => {
            let entries = few(roll);
            let money = entries.first().map_or(0, |entry| entry.amount.units());
            let of = if entries.iter().any(|e| e.account == account(2)) { sgd() } else { eur() };
            let mut t = transaction(roll, moment, entries);
            let all = bounds(roll, of).into_iter().chain([bound(roll, of)]);
            t.claims = all.map(|bound| -> Claim { claim(bound, money) }).collect();
            if t.claims.len() == 2 && t.claims[0].limit == t.claims[1].limit && roll.one_in(2) {
                t.claims.pop();
            }
            Command::Post(t)
        }
        _ => Command::PostDraft(crate::lines::draft_of(roll, moment, None)),
    }
}

pub(crate) fn openings() -> Vec<Opening> {
    let (zero, free) = (Floor::MayNotGoBelowZero, Ceiling::Unlimited);
    let due = opening(6, eur(), zero, free);
    let tags = Tags::of(["late".parse().unwrap(), "opened".parse().unwrap()]).unwrap();
    let marks = Some(Marks { code: Some(4100), tags });
    let (some, most) = (Floor::Overdraft(Minor::new(100)), Ceiling::At(Minor::new(900)));
    vec![
        opening(1, eur(), Floor::Unlimited, free),
        opening(2, sgd(), Floor::Unlimited, free),
        opening(3, eur(), zero, free),
        opening(4, eur(), Floor::Overdraft(Minor::new(50)), Ceiling::At(Minor::new(500))),
        opening(5, sgd(), zero, free),
        Opening { normal: Side::Debit, ..due },
        Opening { marks, ..opening(7, eur(), zero, free) },
        opening(8, sgd(), some, most),
    ]
}
