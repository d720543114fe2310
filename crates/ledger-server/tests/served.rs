//! A book that is served: over a real socket, from a real folder, opened again.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ledger_server::load::{At, IdOrder, Load, account, open_accounts, post};
use ledger_server::query::Told;
use ledger_server::{Folder, Kept, Query, Running, Said, ServeOptions, serve};
use seal::{from_canonical, to_canonical};
use terms::{BusinessDate, Minor, Position, TransactionId};
use wire::{CallOptions, Client, Completion, Lookup, RequestFlags, Results, Status, Transfer};

const WITHIN: Duration = Duration::from_secs(20);

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        Self(std::env::temp_dir().join(format!("wayleave-{name}-{process}-{number}")))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start(folder: &Folder) -> (Running, At) {
    let options = ServeOptions {
        address: "127.0.0.1:0".parse().unwrap(),
        http: None,
        flush_delay: Duration::ZERO,
        log: Kept::Yes,
        views: Kept::Yes,
    };
    let running = serve(folder, &options).unwrap();
    let key = folder.client_key("operator").unwrap();
    let at =
        At { address: running.address, book: folder.book(), key, security: wire::Security::Plain };
    (running, at)
}

fn book(scratch: &Scratch) -> Folder {
    Folder::create(&scratch.0, "served".parse().unwrap()).unwrap()
}

fn transfer(id: u8, from: u64, to: u64, amount: u128) -> Transfer {
    Transfer::plain(
        TransactionId::from_bytes([id; 16]),
        account(from),
        account(to),
        Minor::new(amount),
        BusinessDate::from_days(20_780),
    )
}

fn ask(client: &mut Client, items: &[Transfer], flags: RequestFlags) -> Results {
    let options = CallOptions { flags, within: WITHIN };
    match client.post(items.iter().copied(), options).unwrap() {
        Completion::Results(results) => results,
        other => panic!("{other}"),
    }
}

fn told(client: &mut Client, query: &Query) -> Told {
    let ticket = client.query(&to_canonical(query), WITHIN).unwrap();
    match client.wait(ticket) {
        Completion::Answer(bytes) => from_canonical(&bytes).unwrap(),
        other => panic!("{other}"),
    }
}

/// Waits until log and read models have seen all that the book has.
fn caught_up(client: &mut Client) -> Position {
    let begun = Instant::now();
    loop {
        let Told { position, said } = told(client, &Query::Status);
        let seen = Some(position);
        if matches!(said, Said::Status { log, views } if log == seen && views == seen) {
            return position;
        }
        assert!(begun.elapsed() < WITHIN, "the projections lag: {said:?} of {position}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_was_posted_is_found_repeated_and_there_after_a_restart() {
    let scratch = Scratch::new("served");
    let folder = book(&scratch);
    let (running, at) = start(&folder);
    open_accounts(&at, 0, 10).unwrap();
    let mut client = at.connect().unwrap();
    let balances = RequestFlags { want_balances: true, ..RequestFlags::NONE };
    let first = ask(&mut client, &[transfer(1, 0, 1, 500)], balances);
    let item = first.iter().next().unwrap();
    assert_eq!((item.status, item.position), (Status::Done, Position::new(10)));
    let touched: Vec<_> = first.balances_of(&item).collect();
    assert_eq!(touched[0].debits_posted, Minor::new(500));
    let mixed = [transfer(1, 0, 1, 500), transfer(1, 0, 1, 501), transfer(2, 0, 99, 1)];
    let again = ask(&mut client, &mixed, RequestFlags::NONE);
    let statuses: Vec<_> = again.iter().map(|item| item.status).collect();
    assert_eq!(statuses, [Status::Repeated, Status::Conflict, Status::Refused]);
    let repeated = again.iter().next().unwrap();
    assert_eq!((repeated.position, repeated.stamp), (item.position, item.stamp));
    let dry = RequestFlags { dry_run: true, ..RequestFlags::NONE };
    let passes = ask(&mut client, &[transfer(3, 0, 1, 7)], dry);
    assert_eq!(passes.iter().next().unwrap().status, Status::Passes);
    drop(client);
    running.stop();

    let (running, at) = start(&folder);
    let mut client = at.connect().unwrap();
    let ids = [1, 2, 3].map(|id| Lookup::Transaction(TransactionId::from_bytes([id; 16])));
    let ticket = client.lookup(&ids, WITHIN).unwrap();
    let Completion::Results(found) = client.wait(ticket) else { panic!() };
    let found: Vec<_> = found.iter().collect();
    let statuses: Vec<_> = found.iter().map(|item| item.status).collect();
    assert_eq!(statuses, [Status::Repeated, Status::Refused, Status::Absent]);
    assert_eq!((found[0].position, found[0].stamp), (item.position, item.stamp));
    let Told { said, .. } = told(&mut client, &Query::Account(account(1)));
    let Said::Account(view) = said else { panic!("{said:?}") };
    assert_eq!(view.credits_posted, Minor::new(500));
    drop(client);
    running.stop();
}

/// Each was recorded in a batch of its own, and nothing of them is in memory any more: what needs
/// them waits beside the writer, and is answered as if it had not.
#[test]
fn ids_of_long_ago_are_repeated_exactly_and_in_order() {
    const OLD: u8 = 60;
    let scratch = Scratch::new("long-ago");
    let folder = book(&scratch);
    let (running, at) = start(&folder);
    open_accounts(&at, 0, 10).unwrap();
    let mut client = at.connect().unwrap();
    let first: Vec<_> = (1..=OLD)
        .map(|id| {
            let done = ask(&mut client, &[transfer(id, 0, 1, 5)], RequestFlags::NONE);
            done.iter().next().unwrap()
        })
        .collect();
    drop(client);
    running.stop();

    let (running, at) = start(&folder);
    let mut client = at.connect().unwrap();
    // Every seventh says something else now; one new id stands among them and once more behind.
    let changed = |id: u8| id.is_multiple_of(7);
    let mut items: Vec<Transfer> =
        (1..=OLD).map(|id| transfer(id, 0, 1, if changed(id) { 6 } else { 5 })).collect();
    items.insert(30, transfer(200, 0, 2, 1));
    items.push(transfer(200, 0, 2, 1));
    let mut again: Vec<_> = ask(&mut client, &items, RequestFlags::NONE).iter().collect();
    let (last, new) = (again.pop().unwrap(), again.remove(30));
    assert_eq!((new.status, last.status), (Status::Done, Status::Repeated));
    assert_eq!(last.position, new.position);
    for ((id, first), now) in (1..=OLD).zip(&first).zip(&again) {
        if changed(id) {
            assert_eq!(now.status, Status::Conflict, "{id}");
        } else {
            assert_eq!(now.status, Status::Repeated, "{id}");
            assert_eq!((now.position, now.stamp), (first.position, first.stamp), "{id}");
        }
    }
    // Together: all of it was done, so it is repeated; with a conflict in it nothing new is done.
    let whole = RequestFlags { all_or_nothing: true, ..RequestFlags::NONE };
    let old: Vec<Transfer> = (1..=OLD).map(|id| transfer(id, 0, 1, 5)).collect();
    assert!(ask(&mut client, &old, whole).all(Status::Repeated));
    let mixed = [transfer(201, 0, 2, 1), transfer(14, 0, 1, 6)];
    let mixed: Vec<_> = ask(&mut client, &mixed, whole).iter().map(|item| item.status).collect();
    assert_eq!(mixed, [Status::NotDone, Status::Conflict]);
    let Told { said, .. } = told(&mut client, &Query::Account(account(2)));
    let Said::Account(view) = said else { panic!("{said:?}") };
    assert_eq!(view.credits_posted, Minor::new(1));
    drop(client);
    running.stop();
}

#[test]
fn a_load_conserves_money_and_statements_add_up() {
    let scratch = Scratch::new("load");
    let folder = book(&scratch);
    let (running, at) = start(&folder);
    open_accounts(&at, 0, 50).unwrap();
    let load = Load {
        transactions: 6_000,
        batch: 500,
        connections: 3,
        ahead: 2,
        accounts: 50,
        ids: IdOrder::Random,
        seed: 7,
    };
    let seen = post(&at, &load).unwrap();
    assert_eq!((seen.done, seen.other), (6_000, 0));
    let mut client = at.connect().unwrap();
    let head = caught_up(&mut client);
    assert_eq!(head, Position::new(6_050));
    let Told { said, .. } = told(&mut client, &Query::Totals);
    let Said::Totals(totals, 50) = said else { panic!("{said:?}") };
    let posted = totals[0].posted;
    let mut debits = 0;
    for number in 0..50 {
        let (mut after, mut seen) = (None, 0);
        loop {
            let query = Query::Statement {
                account: account(number),
                newest_first: false,
                after,
                limit: 100,
            };
            let Told { said, .. } = told(&mut client, &query);
            let Said::Statement { lines, next, at_end } = said else { panic!("{said:?}") };
            let debit =
                |line: &&ledger_server::query::StatementLine| line.side == ledger::Side::Debit;
            debits += lines.iter().filter(debit).map(|line| line.amount.units()).sum::<u128>();
            seen += lines.len();
            if at_end {
                break;
            }
            after = Some(next);
        }
        assert!(seen > 0);
    }
    assert_eq!(Minor::new(debits), posted);
    let day = Query::TrialBalance(BusinessDate::from_days(20_780));
    let Told { said, .. } = told(&mut client, &day);
    let Said::TrialBalance(lines) = said else { panic!("{said:?}") };
    assert_eq!((lines[0].debits, lines[0].credits), (posted, posted));
    drop(client);
    running.stop();
    let (running, at) = start(&folder);
    let mut client = at.connect().unwrap();
    assert_eq!(caught_up(&mut client), head, "the projections go on where they were");
    drop(client);
    running.stop();
}

#[test]
fn the_wrong_key_and_a_second_server_fail_at_once() {
    let scratch = Scratch::new("wrong");
    let folder = book(&scratch);
    let (running, at) = start(&folder);
    let stranger = At { key: seal::SigningKey::from_seed(&[9; 32]), ..at };
    let refused = stranger.connect().err().unwrap();
    assert!(refused.contains("no client of this book"), "{refused}");
    let options = ServeOptions {
        address: "127.0.0.1:0".parse().unwrap(),
        http: None,
        flush_delay: Duration::ZERO,
        log: Kept::No,
        views: Kept::No,
    };
    let second = serve(&folder, &options).err().unwrap().to_string();
    assert!(second.contains("in use by another process"), "{second}");
    running.stop();
}

/// Each of these ids lies in another batch than the one before: read back in the order they are
/// asked for, on the writer's thread, they would stop the book for a minute here.
#[test]
fn many_old_ids_are_looked_up_while_others_go_on() {
    let scratch = Scratch::new("lookups");
    let folder = book(&scratch);
    let (running, at) = start(&folder);
    open_accounts(&at, 0, 10).unwrap();
    let numbered = |number: u32| {
        TransactionId::from_bytes(
            [[1; 4], number.to_be_bytes(), [2; 4], [3; 4]].as_flattened().try_into().unwrap(),
        )
    };
    let (batches, each) = (24_u32, 1_000_u32);
    let mut client = at.connect().unwrap();
    let mut places = Vec::new();
    for batch in 0..batches {
        let ids = (batch * each..(batch + 1) * each).map(numbered);
        let items: Vec<Transfer> = ids.map(|id| Transfer { id, ..transfer(0, 0, 1, 1) }).collect();
        places.extend(ask(&mut client, &items, RequestFlags::NONE).iter().map(|i| i.position));
    }
    drop(client);
    running.stop();

    let (running, at) = start(&folder);
    // Across the batches, with one that is not there now and then.
    let asked: Vec<u32> =
        (0..8_190).map(|n| (n % batches) * each + n / batches + n % 7 / 6 * 50_000).collect();
    let lookups: Vec<Lookup> = asked.iter().map(|n| Lookup::Transaction(numbered(*n))).collect();
    let (began, ended) = (std::sync::Barrier::new(2), std::sync::atomic::AtomicBool::new(false));
    let meanwhile = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut client = at.connect().unwrap();
            began.wait();
            let mut answered = 0_u32;
            loop {
                let id = 10 + u8::try_from(answered % 240).unwrap();
                ask(&mut client, &[transfer(id, 0, 1, 1)], RequestFlags::NONE);
                if ended.load(Ordering::SeqCst) {
                    return answered;
                }
                answered += 1;
            }
        });
        let mut client = at.connect().unwrap();
        let ticket = client.lookup(&lookups, WITHIN).unwrap();
        began.wait();
        let Completion::Results(found) = client.wait(ticket) else { panic!() };
        ended.store(true, Ordering::SeqCst);
        assert_eq!(found.len(), asked.len());
        for (number, item) in asked.iter().zip(found.iter()) {
            match places.get(*number as usize) {
                Some(place) => {
                    assert_eq!((item.status, item.position), (Status::Repeated, *place));
                }
                None => assert_eq!(item.status, Status::Absent),
            }
        }
        other.join().unwrap()
    });
    assert!(meanwhile > 0, "nobody else was answered meanwhile");
    running.stop();
}
