//! What the book itself answers: accounts, open holds, totals, and how far it has come.

use ledger::account::Standing;
use ledger::{Account, Freeze, Link};
use ledger_server::contents::FactSaid;
use ledger_server::query::{AccountView, AssetTotal, DebitsCredits, StatementLine};
use ledger_server::{Query, Said};
use terms::{AccountId, HoldId, Minor, Position};
use wire::Client;

use crate::Dice;
use crate::model::Model;
use crate::questions::now;

pub(crate) fn ask(model: &Model, client: &mut Client, dice: &mut Dice, account: AccountId) {
    match dice.below(7) {
        0 => whole(model, client, account),
        1 => accounts(model, client, dice),
        2 => open_hold(model, client, dice),
        3 => totals(model, client),
        4 => plain_statement(model, client, dice, account),
        5 => status(model, client),
        _ => refusals(model, client, dice),
    }
}

fn sums(model: &Model, account: AccountId) -> (DebitsCredits, DebitsCredits) {
    let next = model.next().number();
    (model.posted(account, |_| true), model.pending(account, next))
}

fn is(model: &Model, got: &Account, account: AccountId) {
    let (posted, pending) = sums(model, account);
    let opening = model.opening(account);
    assert_eq!(got.opening(), opening);
    let nth = model.accounts.iter().position(|one| one.id == account).unwrap();
    assert_eq!(got.opened_at().nanos(), model.stamps[nth]);
    assert_eq!((got.standing(), got.freeze()), (Standing::Open, Freeze::Nothing));
    assert_eq!((got.floor(), got.ceiling()), (opening.floor, opening.ceiling));
    assert_eq!(got.blocked(), Minor::ZERO);
    let of = got.balances();
    assert_eq!((of.debits_posted, of.credits_posted), (posted.debits, posted.credits));
    assert_eq!((of.debits_pending, of.credits_pending), (pending.debits, pending.credits));
}

fn whole(model: &Model, client: &mut Client, account: AccountId) {
    let (posted, pending) = sums(model, account);
    let expected = AccountView {
        account,
        asset: model.opening(account).asset,
        debits_posted: posted.debits,
        credits_posted: posted.credits,
        debits_pending: pending.debits,
        credits_pending: pending.credits,
        available: None,
    };
    assert_eq!(now(client, model, Query::Account(account)), Said::Account(expected));
    let Said::AccountWhole(got) = now(client, model, Query::AccountWhole(account)) else {
        panic!()
    };
    is(model, &got, account);
    let strange = AccountId::from_bytes([0xee; 16]);
    for query in [Query::Account(strange), Query::AccountWhole(strange)] {
        assert_eq!(now(client, model, query), Said::NoAccount(strange));
    }
}

fn accounts(model: &Model, client: &mut Client, dice: &mut Dice) {
    let from = dice.below(model.accounts.len() as u64 + 2) as usize;
    let Said::Accounts(page, all) = now(client, model, Query::Accounts(from as u32)) else {
        panic!()
    };
    assert_eq!(all as usize, model.accounts.len());
    let expected = model.accounts.get(from..).unwrap_or_default();
    assert_eq!(page.len(), expected.len());
    for (got, opening) in page.iter().zip(expected) {
        is(model, got, opening.id);
    }
}

fn open_hold(model: &Model, client: &mut Client, dice: &mut Dice) {
    let never = HoldId::from_bytes(dice.id());
    assert_eq!(now(client, model, Query::OpenHold(never)), Said::NoOpenHold(never));
    if model.holds.is_empty() {
        return;
    }
    let held = dice.pick(&model.holds);
    let id = held.placement.id;
    match now(client, model, Query::OpenHold(id)) {
        Said::OpenHold(got) => {
            assert!(held.open);
            assert_eq!(*got.placement(), held.placement);
            assert_eq!(got.state(), ledger::HoldState::Open(held.term));
            assert_eq!(
                (got.remaining().units(), got.placed_at().nanos()),
                (held.left, held.placed_at)
            );
        }
        other => assert_eq!((other, held.open), (Said::NoOpenHold(id), false)),
    }
}

fn totals(model: &Model, client: &mut Client) {
    let Said::Totals(got, accounts) = now(client, model, Query::Totals) else { panic!() };
    assert_eq!(accounts as usize, model.accounts.len());
    let mut expected: Vec<AssetTotal> = Vec::new();
    let mut assets: Vec<_> = model.accounts.iter().map(|opening| opening.asset).collect();
    assets.sort();
    assets.dedup();
    for asset in assets {
        let mine = model.accounts.iter().filter(|opening| opening.asset == asset);
        let all: Vec<_> = mine.map(|opening| sums(model, opening.id)).collect();
        let sum = |of: fn(&(DebitsCredits, DebitsCredits)) -> Minor| {
            Minor::new(all.iter().map(|one| of(one).units()).sum())
        };
        let posted = sum(|(posted, _)| posted.debits);
        assert_eq!(posted, sum(|(posted, _)| posted.credits));
        let debits_pending = sum(|(_, pending)| pending.debits);
        let credits_pending = sum(|(_, pending)| pending.credits);
        expected.push(AssetTotal { asset, posted, debits_pending, credits_pending });
    }
    assert_eq!(got, expected);
}

/// The statement without filters, with the sums after each entry.
fn plain_statement(model: &Model, client: &mut Client, dice: &mut Dice, account: AccountId) {
    let newest_first = dice.one_in(2);
    let limit = 1 + dice.below(90) as u32;
    let (mut after, mut got): (_, Vec<StatementLine>) = (None, Vec::new());
    loop {
        let query = Query::Statement { account, newest_first, after, limit };
        let Said::Statement { lines, next, at_end } = now(client, model, query) else { panic!() };
        got.extend(lines);
        if at_end {
            break;
        }
        after = Some(next);
    }
    if newest_first {
        got.reverse();
    }
    let mine: Vec<_> = model.lines.iter().filter(|line| line.account == account).collect();
    assert_eq!(got.len(), mine.len());
    let (mut debits, mut credits) = (0, 0);
    for (got, line) in got.iter().zip(mine) {
        match line.side {
            ledger::Side::Debit => debits += line.amount,
            ledger::Side::Credit => credits += line.amount,
        }
        assert_eq!((got.position.number(), got.amount.units()), (line.position, line.amount));
        assert_eq!((got.side, got.transaction), (line.side, line.transaction.id));
        let sums = (got.debits_posted.units(), got.credits_posted.units());
        assert_eq!(sums, (debits, credits));
    }
}

fn status(model: &Model, client: &mut Client) {
    let Said::Status { log, views } = now(client, model, Query::Status) else { panic!() };
    // Both projections are kept here, and none is ahead of the book.
    assert!(log.unwrap() <= model.next() && views.unwrap() <= model.next());
}

/// A refused id tells its refusal, and posts nothing that is linked.
fn refusals(model: &Model, client: &mut Client, dice: &mut Dice) {
    if model.refused.is_empty() {
        return;
    }
    let (position, id) = dice.pick(&model.refused);
    for query in [Query::Transaction { client: None, id }, Query::Fact(Position::new(position))] {
        let Said::Facts { facts, whole: true } = now(client, model, query) else { panic!() };
        let [fact] = facts.as_slice() else { panic!("{facts:?}") };
        assert_eq!(fact.position.number(), position);
        assert_eq!(fact.stamp.nanos(), model.stamps[position as usize]);
        let FactSaid::Refused(refused) = &fact.said else { panic!("{fact:?}") };
        assert_eq!((refused.rule.as_str(), refused.id), ("UnknownAccount", id.bytes()));
    }
    let linked = now(client, model, Query::Linked(Link::Corrects(id)));
    assert_eq!(linked, Said::Linked { transactions: Vec::new(), whole: true });
}
