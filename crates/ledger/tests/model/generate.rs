//! Commands out of random bits.

use ledger::{
    Ask, Ceiling, Command, Draft, Entry, Floor, Freeze, Line, NotDone, NotDoneSource, Opening,
    Part, Period, Rest, Side, Term, VelocityLimit, VoidGround,
};
use terms::{BusinessDate, Minor, TransactionId};

use crate::support::{
    account, claim, credit, debit, eur, held, hold, limit, opening, placement, sgd,
};
use crate::{DAY, at};

/// All holds of one id lie on one account, so that posts by chance find them.
pub(crate) fn home(hold: u8) -> u8 {
    1 + hold % 6
}

/// Posts a hold, mostly on its own account and side, against an account of the same asset.
pub(crate) fn held_post(a: u8, money: u128, id: u8, d: u8) -> Vec<Entry> {
    let x = if a.is_multiple_of(8) { 1 + d % 6 } else { home(id) };
    let y = [3, 5, 1, 1, 2, 1][usize::from(x - 1)];
    let (mut from, mut to) = (held(x, money, u128::from(id)), credit(y, money));
    if d.is_multiple_of(4) {
        (from.side, to.side) = (Side::Credit, Side::Debit);
    }
    vec![from, to]
}

fn bound(n: u8) -> VelocityLimit {
    match n % 4 {
        0 => VelocityLimit { period: Period::RollingHours(7), ..limit(2, eur(), 500, 5) },
        1 => VelocityLimit { period: Period::RollingDays(2), ..limit(2, eur(), 600, 6) },
        2 => VelocityLimit { period: Period::Month, ..limit(1, eur(), 900, 9) },
        _ => limit(1, eur(), 600, 6),
    }
}

/// The day that an operation counts for. One in sixteen is nearly too old for a limit, and soon
/// is; one in sixteen is too far ahead, and soon near enough.
fn counts_for(d: u8, day: u32) -> BusinessDate {
    BusinessDate::from_days(match d % 16 {
        14 => DAY - 35,
        6 => DAY + 12,
        _ => DAY + day,
    })
}

/// Reads an operation out of eight random bytes, so that a failing history shrinks.
///
/// Holds are numbered by the step, and what names one names a late one: most have ended before.
pub(crate) fn command(bits: u64, now: u64, day: u32, step: u8) -> Command {
    let [kind, a, b, amount, id, c, d, _] = bits.to_be_bytes();
    let business_date = counts_for(d, day);
    let (x, y) = (1 + a % 6, 1 + b % 6);
    let money = u128::from(amount);
    let newest = step / 3;
    let near = |n: u8| newest.saturating_sub(n % 6);
    let bound = bound(d / 2);
    let number = u128::from(id) + u128::from(day) * 256;
    let document = seal::Digest::from_bytes([d; 32]);
    let simple = |entries| {
        let mut t = crate::support::transaction(number, entries);
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
pub(crate) fn draft(
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

pub(crate) fn openings() -> Vec<Opening> {
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
