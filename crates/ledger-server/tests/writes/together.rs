//! All or nothing: flag 0 of transfers and commands.

use ledger::{Command, Term};
use terms::{HoldId, Minor, Position};
use wire::outcome::Coded;
use wire::{CallOptions, Completion, RefusedCode, RequestFlags, Status, Transfer};

use super::{Site, WITHIN, account, open, post, statuses, txn, words};

const TOGETHER: RequestFlags = RequestFlags { all_or_nothing: true, ..RequestFlags::NONE };

#[test]
fn commands_of_every_kind_are_done_together_or_not_at_all() {
    let mut site = Site::new();
    let hold = HoldId::from_bytes([9; 16]);
    let place = Command::PlaceHold(ledger::Placement {
        id: hold,
        account: account(5),
        side: ledger::Side::Debit,
        amount: Minor::new(40),
        term: Term::Pinned,
        business_date: terms::BusinessDate::from_days(20_780),
        limits: vec![],
        links: vec![],
    });
    let all = [open(5), post(1, 1, 5, 100), place, post(2, 5, 2, 61)];
    let refused = site.results(&all, TOGETHER);
    assert_eq!(words(&refused), ["not_done", "not_done", "not_done", "insufficient_funds"]);
    let detail = refused.iter().last().unwrap().detail.unwrap();
    assert_eq!((detail.expected, detail.got), (61, 60));
    assert_eq!(site.words(&[post(7, 1, 5, 1)]), ["unknown_account"], "nothing is left of it");
    let balances = RequestFlags { want_balances: true, ..TOGETHER };
    let less = [&all[..3], &[post(3, 5, 2, 60)]].concat();
    let dry = RequestFlags { dry_run: true, ..balances };
    assert_eq!(statuses(&site.results(&less, dry)), [Status::Passes; 4]);
    let done = site.results(&less, balances);
    assert_eq!(statuses(&done), [Status::Done; 4]);
    let places: Vec<u64> = done.iter().map(|item| item.position.number()).collect();
    assert_eq!(places, [places[0], places[0] + 1, places[0] + 2, places[0] + 3]);
    let last = done.iter().last().unwrap();
    let after: Vec<_> = done.balances_of(&last).collect();
    assert_eq!((after[1].debits_posted.units(), after[1].debits_pending.units()), (60, 40));
    site.restart();
    let again = site.results(&less, TOGETHER);
    assert_eq!(statuses(&again), [Status::Repeated; 4]);
    let first = |item: wire::results::Item| (item.position, item.stamp);
    let (firsts, repeats): (Vec<_>, Vec<_>) =
        (done.iter().skip(1).map(first).collect(), again.iter().skip(1).map(first).collect());
    assert_eq!(firsts, repeats);
    assert_eq!(again.iter().next().unwrap().position, Position::ZERO, "an account's is not kept");
}

fn transfers(ids: std::ops::RangeInclusive<u32>) -> Vec<Transfer> {
    let one = |n| {
        Transfer::plain(
            txn(n),
            account(1),
            account(2),
            Minor::new(1),
            terms::BusinessDate::from_days(20_780),
        )
    };
    ids.map(one).collect()
}

#[test]
fn a_whole_batch_of_transfers_is_the_most() {
    let mut site = Site::new();
    let options = CallOptions { flags: TOGETHER, within: WITHIN };
    let mut ask = |all: Vec<Transfer>| {
        let ticket = site.client.transfers(all, options).unwrap();
        site.client.wait(ticket)
    };
    let Completion::Refused(refused) = ask(transfers(1..=4_097)) else { panic!() };
    assert_eq!(refused.code(), Coded::Known(RefusedCode::TooLarge));
    for status in [Status::Done, Status::Repeated] {
        let Completion::Results(results) = ask(transfers(1..=4_096)) else { panic!() };
        assert_eq!(results.len(), 4_096);
        assert!(results.iter().all(|item| item.status == status));
    }
    assert_eq!(site.posted(2), (0, 4_096));
    // Few items can make more facts than a batch takes, too: then nothing is done either.
    let metadata = |n: u32| {
        let mut transaction = super::transaction(10_000 + n, 1, 2, 1);
        let value = ledger::Value::Bytes(vec![7; 1_900]);
        let metadata = vec![ledger::Datum { key: "blob".parse().unwrap(), value }];
        let detail = ledger::Detail { effective: None, code: None, metadata };
        transaction.detail = Some(Box::new(detail));
        Command::Post(transaction)
    };
    let large: Vec<Command> = (0..520).map(metadata).collect();
    match site.ask(&large, TOGETHER) {
        Completion::Refused(refused) => {
            assert_eq!(refused.code(), Coded::Known(RefusedCode::TooLarge));
        }
        other => panic!("{other}"),
    }
    assert_eq!(site.posted(2), (0, 4_096));
}

#[test]
fn one_that_does_not_fit_the_open_batch_waits_for_the_next_and_is_in_one() {
    let mut site = Site::new();
    // Sent without waiting, so that they meet batches that are open, being written, and full.
    let mut tickets = Vec::new();
    for round in 0..6 {
        let first = 10_000 * round;
        let alone = CallOptions { flags: RequestFlags::NONE, within: WITHIN };
        let together = CallOptions { flags: TOGETHER, within: WITHIN };
        let ids = first + 1..=first + 900 + round;
        tickets.push((false, site.client.transfers(transfers(ids), alone).unwrap()));
        let ids = first + 2_000..=first + 5_500 + round;
        tickets.push((true, site.client.transfers(transfers(ids), together).unwrap()));
    }
    for (is_together, ticket) in tickets {
        let Completion::Results(results) = site.client.wait(ticket) else { panic!() };
        let items: Vec<_> = results.iter().collect();
        assert!(items.iter().all(|item| item.status == Status::Done));
        if is_together {
            let first = items[0];
            for (item, position) in items.iter().zip(first.position.number()..) {
                assert_eq!((item.position.number(), item.stamp), (position, first.stamp));
            }
        }
    }
    let sum = (0..6).map(|round| 900 + round + 3_501 + round).sum();
    assert_eq!(site.posted(2), (0, sum));
}
