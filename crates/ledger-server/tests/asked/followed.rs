//! The stream of facts: dense, the same from any position, also across a restart; bounded by
//! credit; ended clearly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ledger_server::BookClock;
use ledger_server::contents::FactLine;
use ledger_server::events::{FOLLOWERS_MAX, FOLLOWERS_OF_CLIENT};
use ledger_server::figures::Figures;
use ledger_server::load::{At, IdOrder, Load, open_accounts, post};
use ledger_server::projections::ViewsProjection;
use ledger_server::{Folder, Kept, May, Protections, Query, Said, ServeOptions, serve_protected};
use store::{FileDisk, Opening, SegmentConfig, SegmentJournal};
use terms::Position;
use wire::client::{Followed, WhyNotDone};
use wire::outcome::Coded;
use wire::{Client, Completion, NotDoneCode, Security};

use crate::model::Model;
use crate::{Dice, Scratch, connect, start, told};

const SOON: Duration = Duration::from_millis(200);

/// Takes facts until a position is reached.
fn until(client: &mut Client, from: u64, end: Position, credit: u32) -> Vec<FactLine> {
    let ticket = client.follow(Position::new(from), credit).unwrap();
    let mut lines: Vec<FactLine> = Vec::new();
    let mut next = Position::new(from);
    while next < end {
        match client.next_facts(ticket, crate::WITHIN) {
            Followed::Facts(facts) => {
                assert_eq!(facts.first(), next, "dense");
                for fact in facts.iter() {
                    lines.push(FactLine::read(fact.position, fact.stamp, fact.bytes).unwrap());
                }
                next = facts.next();
            }
            other => panic!("{other:?}"),
        }
    }
    client.end_follow(ticket);
    loop {
        match client.next_facts(ticket, crate::WITHIN) {
            Followed::Facts(_) => {}
            Followed::Ended(Completion::Answer(bytes)) => {
                assert_eq!(bytes, next.number().to_be_bytes());
                return lines;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_same_facts_from_any_position_and_after_a_restart() {
    let scratch = Scratch::new("followed");
    let folder = scratch.book();
    let (running, mut client) = start(&folder);
    let (mut model, mut dice) = (Model::default(), Dice(3));
    model.begin(&mut client, &mut dice);
    for _ in 0..40 {
        model.step(&mut client, &mut dice);
    }
    let all = until(&mut client, 0, model.next(), 1);
    let positions: Vec<u64> = all.iter().map(|line| line.position.number()).collect();
    assert_eq!(positions, (0..model.next().number()).collect::<Vec<_>>());
    for line in &all {
        assert_eq!(line.stamp.nanos(), model.stamps[line.position.number() as usize]);
        let said = told(&mut client, &Query::Fact(line.position)).said;
        assert_eq!(said, Said::Facts { facts: vec![line.clone()], whole: true });
    }
    drop(client);
    running.stop();

    let (running, mut client) = start(&folder);
    for _ in 0..6 {
        let from = dice.below(model.next().number());
        let got = until(&mut client, from, model.next(), 1 + dice.below(16) as u32);
        assert_eq!(got, all[from as usize..]);
    }
    // And what comes while it follows.
    let mut other = connect(&folder, &running);
    let ticket = client.follow(model.next(), 2).unwrap();
    assert_eq!(client.next_facts(ticket, SOON), Followed::Nothing);
    let begun = model.next();
    model.step(&mut other, &mut dice);
    let Followed::Facts(facts) = client.next_facts(ticket, crate::WITHIN) else { panic!() };
    assert_eq!(facts.first(), begun);
    drop((client, other));
    running.stop();
}

#[test]
fn who_gives_no_credit_is_sent_nothing_more_and_holds_up_nobody() {
    let scratch = Scratch::new("credit");
    let folder = scratch.book();
    let (running, mut client) = start(&folder);
    let (mut model, mut dice) = (Model::default(), Dice(4));
    model.begin(&mut client, &mut dice);
    let mut slow = connect(&folder, &running);
    let ticket = slow.follow(Position::ZERO, 1).unwrap();
    // Its one frame is on its way; then it takes nothing, and the book goes on.
    for _ in 0..60 {
        model.step(&mut client, &mut dice);
    }
    let quick = until(&mut client, 0, model.next(), 16);
    assert_eq!(quick.len() as u64, model.next().number());
    let mut seen = Vec::new();
    while (seen.len() as u64) < model.next().number() {
        let Followed::Facts(facts) = slow.next_facts(ticket, crate::WITHIN) else { panic!() };
        seen.extend(facts.iter().map(|fact| fact.position.number()));
    }
    assert_eq!(seen, (0..model.next().number()).collect::<Vec<_>>());
    drop((client, slow));
    running.stop();
}

#[test]
fn a_follow_ends_clearly_when_the_book_stops_and_beyond_its_head() {
    let scratch = Scratch::new("ended");
    let folder = scratch.book();
    let (running, mut client) = start(&folder);
    let beyond = client.follow(Position::new(5), 1).unwrap();
    let Followed::Ended(Completion::NotDone(WhyNotDone::Said { not_done, .. })) =
        client.next_facts(beyond, crate::WITHIN)
    else {
        panic!()
    };
    assert_eq!(not_done.code(), Coded::Known(NotDoneCode::NotReady));
    let ticket = client.follow(Position::ZERO, 1).unwrap();
    assert_eq!(client.next_facts(ticket, SOON), Followed::Nothing);
    let stopping = std::thread::spawn(move || running.stop());
    let Followed::Ended(Completion::NotDone(WhyNotDone::Said { not_done, .. })) =
        client.next_facts(ticket, crate::WITHIN)
    else {
        panic!()
    };
    assert_eq!(not_done.code(), Coded::Known(NotDoneCode::Stopped));
    assert!(not_done.to_string().contains("go on from position `0`"), "{not_done}");
    stopping.join().unwrap();
}

/// Facts, or how it ended.
fn busy(client: &mut Client, from: u64) -> bool {
    let ticket = client.follow(Position::new(from), 1).unwrap();
    match client.next_facts(ticket, crate::WITHIN) {
        Followed::Facts(_) => false,
        Followed::Ended(Completion::NotDone(WhyNotDone::Said { not_done, .. })) => {
            assert_eq!(not_done.code(), Coded::Known(NotDoneCode::Busy), "{not_done}");
            true
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_client_has_its_followers_and_others_have_theirs() {
    let scratch = Scratch::new("fair");
    let folder = scratch.book();
    folder.add_client("hostile", vec![May::Read]).unwrap();
    let (running, mut client) = start(&folder);
    let (mut model, mut dice) = (Model::default(), Dice(5));
    model.begin(&mut client, &mut dice);
    let hostile = || {
        let key = folder.client_key("hostile").unwrap();
        At { address: running.address, book: folder.book(), key, security: Security::Plain }
    };
    let mut greedy: Vec<Client> = Vec::new();
    let mut taken = 0;
    for _ in 0..FOLLOWERS_MAX {
        let mut one = hostile().connect().unwrap();
        taken += usize::from(!busy(&mut one, 0));
        greedy.push(one);
    }
    assert_eq!(taken, FOLLOWERS_OF_CLIENT);
    assert!(!busy(&mut client, 0), "another client follows");
    drop(greedy);
    let again = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        !busy(&mut hostile().connect().unwrap(), 0)
    });
    assert!(again, "places are given back");
    drop(client);
    running.stop();
}

#[test]
fn the_book_is_followed_only_while_somebody_listens() {
    let scratch = Scratch::new("heard");
    let folder = scratch.book();
    let (running, mut client) = start(&folder);
    let (mut model, mut dice) = (Model::default(), Dice(6));
    model.begin(&mut client, &mut dice);
    for _ in 0..20 {
        model.step(&mut client, &mut dice);
    }
    assert!(!running.events().is_heard(), "nobody follows");
    let mut other = connect(&folder, &running);
    for round in 0..5 {
        let ticket = other.follow(model.next(), 1 + round).unwrap();
        assert_eq!(other.next_facts(ticket, SOON), Followed::Nothing);
        assert!(running.events().is_heard());
        let begun = model.next();
        model.step(&mut client, &mut dice);
        let Followed::Facts(facts) = other.next_facts(ticket, crate::WITHIN) else { panic!() };
        assert_eq!(facts.first(), begun);
        other.end_follow(ticket);
        while !matches!(other.next_facts(ticket, crate::WITHIN), Followed::Ended(_)) {}
        // The batch that comes next finds that nobody listens.
        model.step(&mut client, &mut dice);
        let rests = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            !running.events().is_heard()
        });
        assert!(rests);
    }
    let all = until(&mut other, 0, model.next(), 16);
    assert_eq!(all.len() as u64, model.next().number());
    drop((client, other));
    running.stop();
}

/// Posts, and asks for nothing: a batch that was read is kept in memory, and served from there.
fn post_only(folder: &Folder, address: SocketAddr) {
    let key = folder.client_key("operator").unwrap();
    let at = At { address, book: folder.book(), key, security: Security::Plain };
    open_accounts(&at, 0, 8).unwrap();
    let (connections, ids) = (1, IdOrder::Rising);
    let load =
        Load { transactions: 400, batch: 10, connections, ahead: 1, accounts: 8, ids, seed: 7 };
    assert_eq!(post(&at, &load).unwrap().done, 400);
}

#[test]
fn damage_ends_a_follow_a_subscription_and_the_read_models_by_name() {
    let scratch = Scratch::new("damaged");
    let folder = scratch.book();
    let options = ServeOptions {
        address: "127.0.0.1:0".parse().unwrap(),
        http: None,
        flush_delay: Duration::ZERO,
        log: Kept::Yes,
        views: Kept::Yes,
    };
    let small = || Protections { segment_bytes: Some(8 << 10), ..Protections::default() };
    let running = serve_protected(&folder, &options, &BookClock::system(), small(), None).unwrap();
    let mut client = connect(&folder, &running);
    post_only(&folder, running.address);
    let mut segments: Vec<_> = std::fs::read_dir(scratch.0.join("journal"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "segment"))
        .collect();
    segments.sort();
    assert!(segments.len() > 3, "{segments:?}");
    let mut bytes = std::fs::read(&segments[1]).unwrap();
    bytes[700] ^= 1;
    std::fs::write(&segments[1], bytes).unwrap();

    let batches = running.handle().subscribe(Position::ZERO);
    let next = batches.into_iter().last().unwrap().tip().next;
    let why = running.handle().damage().at(next).unwrap();
    assert!(why.contains(&format!("position `{next}`")), "{why}");
    let ticket = client.follow(Position::ZERO, 16).unwrap();
    let ended = loop {
        match client.next_facts(ticket, crate::WITHIN) {
            Followed::Facts(_) => {}
            Followed::Ended(Completion::NotDone(WhyNotDone::Said { not_done, .. })) => {
                break not_done.to_string();
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(ended.contains(&format!("position `{next}`")), "{ended}");
    let Said::Engine { figures, .. } = told(&mut client, &Query::Engine).said else { panic!() };
    let unreadable = figures.iter().find(|one| one.name == "wayleave_ledger_unreadable_total");
    assert_eq!(unreadable.unwrap().value, 1);
    // Read models that begin anew say where they stop, and do not wait in silence.
    let (beside, book) = (scratch.0.join("beside"), folder.book());
    let disk = FileDisk::take(&beside).unwrap();
    let config = SegmentConfig { book, segment_bytes: 8 << 10, opening: Opening::ReadsTail };
    let reader = SegmentJournal::open(disk, config).unwrap().reader(FileDisk::look(&beside));
    let (figures, anew) = (Arc::new(Figures::default()), scratch.0.join("anew"));
    let counted = Arc::clone(&figures);
    let views = ViewsProjection::start(&anew, running.handle(), &reader, 0, counted).unwrap();
    let failure = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        views.progress.failure()
    });
    assert!(failure.unwrap().contains(&format!("position `{next}`")));
    assert_eq!(figures.unreadable.load(std::sync::atomic::Ordering::Relaxed), 1);
    views.join();
    drop(client);
    running.stop();
}
