//! The stored bytes of each kind of change, in labelled pieces. Old goldens are never edited:
//! `docs/formats/ledger.md` says what each byte is, and a new layout is a new kind of fact.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![expect(clippy::indexing_slicing, reason = "a test that cannot go on stops")]

mod support;

use ledger::{
    Ceiling, Change, Command, Floor, Freeze, Ledger, Link, NotDone, NotDoneSource, Term, VoidGround,
};
use support::{
    account, at, claim, credit, debit, eur, held, hold, limit, opening, placement, run, transaction,
};
use terms::{Minor, PaymentId};

/// One change of each kind, in the order of their numbers.
fn changes() -> Vec<Change> {
    let mut ledger = Ledger::new();
    let mut step = |command: Command| run(&mut ledger, 5, &command).unwrap().remove(0);
    let zero = Floor::MayNotGoBelowZero;
    step(Command::OpenAccount(opening(1, eur(), Floor::Unlimited, Ceiling::Unlimited)));
    step(Command::OpenAccount(opening(4, eur(), zero, Ceiling::Unlimited)));
    let mut placed = placement(1, 1, 200, Term::Expiring { at: at(1000) });
    placed.limits = vec![limit(7, eur(), 1000, 3)];
    placed.links = vec![Link::Payment(PaymentId::from_bytes([8; 16]))];
    let mut posted = transaction(1, vec![held(1, 150, 1), debit(1, 1 << 64), credit(3, 0)]);
    posted.entries[2].amount = Minor::new((1 << 64) + 150);
    posted.claims = vec![claim(limit(7, eur(), 1000, 3), 2)];
    let document = seal::Digest::from_bytes([9; 32]);
    let ground = VoidGround::NotDone(NotDone { source: NotDoneSource::RailRefused, document });
    let over = Floor::Overdraft(Minor::new(300));
    let limits = |n| Command::SetLimits { account: account(n), floor: over, ceiling: wide() };
    let place = |n, term| Command::PlaceHold(placement(n, 1, 24, term));
    let opened = step(Command::OpenAccount(opening(3, eur(), zero, Ceiling::At(Minor::MAX))));
    let mut all = vec![opened, step(limits(3))];
    all.push(step(Command::SetFreeze { account: account(3), freeze: Freeze::Debits }));
    all.push(step(Command::SetBlocked { account: account(3), amount: Minor::new(23) }));
    all.push(step(Command::CloseAccount { account: account(4) }));
    all.push(step(Command::PlaceHold(placed)));
    step(place(2, Term::Expiring { at: at(6) }));
    all.push(step(Command::PinHold { hold: hold(2) }));
    all.push(step(Command::VoidHold { hold: hold(2), ground }));
    step(place(3, Term::Expiring { at: at(6) }));
    let expired = ledger.check(at(6), &Command::ExpireHolds { at_most: 1 }).unwrap();
    all.push(expired.changes()[0].clone());
    all.push(run(&mut ledger, 5, &Command::Post(posted)).unwrap().remove(0));
    all
}

fn wide() -> Ceiling {
    Ceiling::Unlimited
}

#[test]
fn dump() {
    for change in changes() {
        println!("{}", seal::text::to_hex(&seal::to_canonical(&change)));
    }
}
