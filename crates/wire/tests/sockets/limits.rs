//! What one connection may take from the others: nothing beyond its share.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use wire::frame::{Header, Integrity, Kind};
use wire::handshake::Hello;
use wire::{Client, ConnectError, FaultCode, Limits, ReplyBody, ServerConfig, Timeouts};

use crate::stage::{
    Raw, all_done, book, config, connect, done_items, key, start, start_by_hand, start_doing,
    target, transfer, transfers_frame, within,
};

#[test]
fn beyond_its_frames_in_flight_a_connection_is_not_read() {
    let limits = Limits { frames_in_flight: 3, ..Limits::STANDARD };
    let (server, requests) = start_by_hand(ServerConfig { limits, ..config() });
    let mut greedy = Raw::welcomed(&server);
    for request in 1..=10 {
        greedy.write(&transfers_frame(request, 1));
    }
    let mut taken: Vec<_> = (0..3).map(|_| requests.recv().unwrap()).collect();
    // The I/O thread goes on with others, which shows that it has left the fourth where it is.
    let mut other = connect(&server);
    let ticket = other.ping(Duration::from_secs(20)).unwrap();
    assert_eq!(other.wait(ticket), wire::Completion::Pong);
    let ticket = other.transfers([transfer(1)], within(20_000)).unwrap();
    let (_, reply) = requests.recv().unwrap();
    reply.finish(all_done(1));
    assert_eq!(done_items(&other.wait(ticket)), 1);
    assert!(requests.try_recv().is_err(), "the fourth was not taken");
    for request in 4..=10 {
        let (_, reply) = taken.remove(0);
        reply.finish(all_done(1));
        taken.push(requests.recv().unwrap());
        assert_eq!(taken.last().unwrap().0.id, request);
    }
}

#[test]
fn items_in_flight_are_limited_and_one_large_request_may_stand_alone() {
    let limits = Limits { items_in_flight: 10, ..Limits::STANDARD };
    let (server, requests) = start_by_hand(ServerConfig { limits, ..config() });
    let mut raw = Raw::welcomed(&server);
    for (request, items) in [(1, 6), (2, 4), (3, 1), (4, 40)] {
        raw.write(&transfers_frame(request, items));
    }
    let take = || requests.recv().unwrap();
    let (first, second) = (take(), take());
    assert_eq!((first.0.id, second.0.id), (1, 2));
    let nothing = requests.recv_timeout(Duration::from_millis(30)).err();
    assert_eq!(nothing, Some(RecvTimeoutError::Timeout));
    first.1.finish(all_done(6));
    let third = requests.recv().unwrap();
    assert_eq!(third.0.id, 3);
    second.1.finish(all_done(4));
    let nothing = requests.recv_timeout(Duration::from_millis(30)).err();
    assert_eq!(nothing, Some(RecvTimeoutError::Timeout));
    third.1.finish(all_done(1));
    let fourth = requests.recv().unwrap();
    assert_eq!((fourth.0.id, fourth.0.items()), (4, 40));
    fourth.1.finish(all_done(40));
    for request in 1..=4 {
        assert_eq!(raw.read().unwrap().0.request, request);
    }
}

#[test]
fn the_client_keeps_the_limits_by_itself() {
    let limits = Limits { frames_in_flight: 2, ..Limits::STANDARD };
    let (server, requests) = start_by_hand(ServerConfig { limits, ..config() });
    let mut client = connect(&server);
    client.transfers([transfer(1)], within(20_000)).unwrap();
    client.transfers([transfer(2)], within(20_000)).unwrap();
    let third = client.transfers([transfer(3)], within(30));
    assert_eq!(third, Err(wire::client::SubmitError::NoRoom));
    let (_, reply) = requests.recv().unwrap();
    reply.finish(all_done(1));
    let third = client.transfers([transfer(3)], within(20_000)).unwrap();
    for _ in 0..2 {
        requests.recv().unwrap().1.finish(all_done(1));
    }
    assert_eq!(done_items(&client.wait(third)), 1);
    assert_eq!(client.completions().count(), 2);
}

/// The I/O thread is held at the greedy client's first request until both have sent everything;
/// what follows depends on the turns alone.
#[test]
fn a_greedy_connection_takes_its_turn_and_no_more() {
    let (arrived, has_arrived) = channel();
    let (release, released) = channel::<()>();
    let (log, order) = channel();
    let mut held = false;
    let limits = Limits { frames_in_flight: 100_000, items_in_flight: 1 << 30, ..Limits::STANDARD };
    let server = start(ServerConfig { limits, ..config() }, move |_, request, reply| {
        if !held {
            held = true;
            arrived.send(()).unwrap();
            released.recv().unwrap();
        }
        log.send(request.items()).unwrap();
        reply.finish(all_done(request.items()));
    });
    let (mut greedy, mut modest) = (Raw::welcomed(&server), Raw::welcomed(&server));
    let frames: Vec<u8> = (1..=8_000).flat_map(|request| transfers_frame(request, 1)).collect();
    let (first, rest) = frames.split_at(160);
    greedy.write(first);
    has_arrived.recv().unwrap();
    let mut sending = greedy.0.try_clone().unwrap();
    let rest = rest.to_vec();
    let flood = std::thread::spawn(move || std::io::Write::write_all(&mut sending, &rest));
    modest.write(&transfers_frame(1, 2));
    release.send(()).unwrap();
    let before = order.iter().position(|items| items == 2).unwrap();
    // Two turns of 256 KiB and 160 bytes a frame: one that runs, one that was queued.
    assert!(before <= 2 * (256 + 64) * 1024 / 160, "{before} frames before the modest one");
    assert!(modest.expect(Kind::Results).is_ok());
    for request in 1..=8_000 {
        assert_eq!(greedy.read().unwrap().0.request, request);
    }
    flood.join().unwrap().unwrap();
}

#[test]
fn a_client_that_does_not_read_is_closed_and_others_go_on() {
    let timeouts = Timeouts { slow_reader: Duration::from_millis(60), ..Timeouts::STANDARD };
    let server = start(ServerConfig { timeouts, ..config() }, |_, _, reply| {
        reply.finish(ReplyBody::answer(&vec![7; 1 << 20]));
    });
    let mut slow = Raw::welcomed(&server);
    for request in 1..=100 {
        let header = Header { request, ..Header::of(Kind::Query) };
        slow.write(&header.frame(b"q", Integrity::Checked));
    }
    let mut other = connect(&server);
    for _ in 0..5 {
        let ticket = other.query(b"q", Duration::from_secs(20)).unwrap();
        assert!(
            matches!(other.wait(ticket), wire::Completion::Answer(bytes) if bytes.len() == 1 << 20)
        );
    }
    // The socket's own buffers hold some; the rest was never written.
    let mut read = 0;
    std::thread::sleep(Duration::from_millis(400));
    while slow.read().is_some() {
        read += 1;
    }
    assert!(read < 100, "{read} replies of 1 MiB were read");
}

#[test]
fn a_thousand_connections_are_served() {
    let server = start_doing(config());
    let mut connections: Vec<Raw> = (0..1_000).map(|_| Raw::welcomed(&server)).collect();
    for raw in &mut connections {
        raw.write(&transfers_frame(1, 2));
    }
    for raw in &mut connections {
        assert_eq!(raw.expect(Kind::Results).unwrap().len(), 16 + 64);
    }
    // Half of them go, and their places are taken again.
    connections.truncate(500);
    connections.extend((0..500).map(|_| Raw::welcomed(&server)));
    for (raw, request) in connections.iter_mut().zip([2; 1_000]) {
        raw.write(&transfers_frame(request, 1));
        assert_eq!(raw.read().unwrap().0.request, request);
    }
}

#[test]
fn one_connection_too_many_is_told_so() {
    let server = start_doing(ServerConfig { connections_max: 2, ..config() });
    let _kept = (Raw::welcomed(&server), Raw::welcomed(&server));
    let said = Raw::to(server.address()).shake(&crate::stage::key()).unwrap_err();
    assert_eq!(said.code, FaultCode::TooManyConnections.code());
}

#[test]
fn a_client_with_all_its_connections_is_told_so_and_gets_one_when_one_has_gone() {
    let server = start_doing(ServerConfig { connections_of_client: 2, ..config() });
    let mut kept = Raw::welcomed(&server);
    let goes = Raw::welcomed(&server);
    // Whoever only knows the key's id takes no place from its client.
    let mut stranger = Raw::to(server.address());
    let hello = Hello { book: book(), key: key().key_id(), nonce: [5; 32] };
    stranger.send(Header::of(Kind::Hello), &hello.write());
    stranger.expect(Kind::Challenge).unwrap();
    let mut third = Raw::to(server.address());
    let said = third.shake(&key()).unwrap_err();
    assert_eq!(said.code, FaultCode::TooManyOfClient.code());
    assert!(said.text.contains("the most is `2`"), "{}", said.text);
    assert!(third.is_closed());
    let error = Client::connect(&target(&server), &key()).err().unwrap();
    let ConnectError::Refused { fault } = error else { panic!("expected a fault, got {error}") };
    assert!(fault.may_retry_help());
    // The others go on.
    kept.write(&transfers_frame(1, 1));
    assert_eq!(kept.read().unwrap().0.request, 1);
    drop(goes);
    // Its place is free when the server has seen that it is gone.
    while Raw::to(server.address()).shake(&key()).is_err() {}
}

#[test]
fn replies_for_a_connection_that_is_gone_reach_no_other() {
    let (server, requests) = start_by_hand(config());
    let mut gone = Raw::welcomed(&server);
    gone.write(&transfers_frame(1, 1));
    let (_, reply) = requests.recv().unwrap();
    drop(gone);
    // A connection that may have got the same place, with a request of the same id.
    let mut next = Raw::welcomed(&server);
    next.write(&transfers_frame(1, 2));
    let (_, right) = requests.recv().unwrap();
    reply.finish(all_done(1));
    right.finish(all_done(2));
    assert_eq!(next.read().unwrap().0.items, 2);
}
