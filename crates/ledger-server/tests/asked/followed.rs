//! The stream of facts: dense, the same from any position, also across a restart; bounded by
//! credit; ended clearly.

use std::time::Duration;

use ledger_server::contents::FactLine;
use ledger_server::{Query, Said};
use terms::Position;
use wire::client::{Followed, WhyNotDone};
use wire::outcome::Coded;
use wire::{Client, Completion, NotDoneCode};

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
