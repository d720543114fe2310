//! Drafts out of random bits: a sweep, a part of a hold, a split, or anything at all.

use ledger::{Ask, Draft, Line, Part, Reason, Rest, Side};
use terms::Minor;

use crate::generate::{Moment, Roll, beside, bounds, counts_for, detail, home, links};
use crate::support::{account, claim, eur, hold, txn};

fn line(n: u8, side: Side, ask: Ask) -> Line {
    Line { account: account(n), side, ask, part: None }
}

/// A part of a hold, mostly on its own side, against what it moves.
fn of_hold(roll: &mut Roll, id: u8, money: Minor) -> Vec<Line> {
    let x = if roll.one_in(16) { roll.account() } else { home(id) };
    let rest = if roll.one_in(4) { Rest::Released } else { Rest::Kept };
    let part = Some(Part { hold: hold(u128::from(id)), rest });
    let (few, little) = (1 + money.units() / 4, money.units() / 8);
    let ask = match roll.below(3) {
        0 => Ask::Exact(Minor::new(little)),
        1 => Ask::UpTo(Minor::new(few)),
        _ => Ask::Everything,
    };
    let side = if roll.one_in(4) { Side::Credit } else { Side::Debit };
    let back = if side == Side::Debit { Side::Credit } else { Side::Debit };
    let held = Line { part, ..line(x, side, ask) };
    let mut lines = vec![held, line(beside(x), back, Ask::Remainder)];
    if roll.one_in(24) {
        lines.insert(1, held);
    }
    lines
}

fn shaped(roll: &mut Roll, moment: Moment, money: Minor) -> Vec<Line> {
    let (x, y, z) = (roll.account(), roll.account(), roll.account());
    let (left, right) = (Side::Debit, Side::Credit);
    match roll.below(8) {
        0 => vec![line(x, left, Ask::Everything), line(y, right, Ask::Remainder)],
        1 => vec![line(x, left, Ask::UpTo(money)), line(y, right, Ask::Remainder)],
        2 | 5 | 6 => {
            let id = moment.near(roll);
            of_hold(roll, id, money)
        }
        3 => {
            let weight = |n| Ask::Share { weight: n };
            let (v, w) = (1 + roll.below(5) as u32, 1 + roll.below(7) as u32);
            vec![
                line(x, left, if roll.one_in(2) { Ask::UpTo(money) } else { Ask::Exact(money) }),
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
    }
}

/// A draft; of a part of this hold, if one is named.
pub(crate) fn draft_of(roll: &mut Roll, moment: Moment, hold: Option<u8>) -> Draft {
    let money = Minor::new(roll.money(250));
    let mut lines = match hold {
        Some(id) => of_hold(roll, id, money),
        None => shaped(roll, moment, money),
    };
    let more = match (lines.is_empty(), roll.below(64)) {
        (true, 0) => 0,
        (true, 1) => 65,
        (true, _) => 1 + roll.below(5),
        (false, 0) => 65 - lines.len() as u64 + roll.below(2),
        (false, n) => u64::from(n > 48),
    };
    for _ in 0..more {
        let asks = [
            Ask::Exact(money),
            Ask::UpTo(money),
            Ask::Everything,
            Ask::Share { weight: roll.below(4) as u32 },
            Ask::Remainder,
        ];
        lines.push(line(roll.account(), roll.side(), roll.pick(&asks)));
    }
    let claims = if roll.one_in(3) { bounds(roll, eur()) } else { vec![] };
    Draft {
        id: txn(moment.number(roll)),
        business_date: counts_for(roll, moment.day),
        reason: roll.pick(&Reason::ALL),
        lines,
        claims: claims.into_iter().map(|bound| claim(bound, money.units())).collect(),
        links: links(roll),
        detail: detail(roll),
    }
}
