//! The client against a server that does as the test says, down to the bytes.

use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use terms::Epoch;
use wire::client::{Broken, ConnectError, SubmitError, WhyNotDone, WhyUnknown};
use wire::frame::{Header, Integrity, Kind};
use wire::handshake::{Challenge, Welcome};
use wire::{Client, ClientNumber, Completion, Limits, Security, Target};

use crate::stage::{Raw, book, key, transfer, within};

/// A server for one connection.
fn serve<F>(act: F) -> (Target, JoinHandle<()>)
where
    F: FnOnce(Raw) + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || act(Raw(listener.accept().unwrap().0)));
    let connect_timeout = Duration::from_secs(20);
    (Target { address, book: book(), security: Security::Plain, connect_timeout }, thread)
}

fn welcome(raw: &mut Raw) {
    raw.expect(Kind::Hello).unwrap();
    let challenge = Challenge { book: book(), nonce: [0; 32], epoch: Epoch::new(1) };
    raw.send(Header::of(Kind::Challenge), &challenge.write());
    raw.expect(Kind::Proof).unwrap();
    let welcome = Welcome { client: ClientNumber(1), limits: Limits::STANDARD, idle_ms: 1_000 };
    raw.send(Header::of(Kind::Welcome), &welcome.write());
}

fn fault(last: u64) -> Vec<u8> {
    let said = wire::outcome::Said { code: 16, item: None, text: String::new() };
    let header = Header { request: last, ..Header::of(Kind::Fault) };
    header.frame(&said.write(), Integrity::Checked)
}

#[test]
fn after_a_fault_what_was_not_taken_is_not_done_and_what_was_is_unknown() {
    let (target, server) = serve(|mut raw| {
        welcome(&mut raw);
        for _ in 0..3 {
            raw.expect(Kind::Transfers).unwrap();
        }
        raw.write(&fault(2));
    });
    let mut client = Client::connect(&target, &key()).unwrap();
    for number in 1..=3 {
        client.transfers([transfer(number)], within(20_000)).unwrap();
    }
    let outcomes: Vec<Completion> = client.completions().map(|(_, outcome)| outcome).collect();
    let unknown = |outcome: &Completion| {
        matches!(outcome, Completion::Unknown(WhyUnknown::Broken(Broken::Fault(_))))
    };
    assert!(unknown(&outcomes[0]) && unknown(&outcomes[1]));
    assert!(matches!(outcomes[2], Completion::NotDone(WhyNotDone::Fault(_))), "{}", outcomes[2]);
    server.join().unwrap();
}

#[test]
fn what_no_reply_may_be_breaks_the_connection_and_is_unknown() {
    let pong = Header::of(Kind::Pong);
    let results = Header { request: 1, items: 1, ..Header::of(Kind::Results) };
    let mut damaged = Header { request: 1, ..pong }.frame(&[], Integrity::Checked);
    damaged[9] ^= 1;
    for (bytes, said) in [
        (damaged, "expected header check"),
        (Header { request: 2, ..pong }.frame(&[], Integrity::Checked), "not underway"),
        (results.frame(&[0; 16], Integrity::Checked), "in no known layout"),
        (results.frame(&[0; 48], Integrity::Checked), "in no known layout"),
        (Header { items: 2, ..results }.frame(&[0; 80], Integrity::Checked), "in no known layout"),
        (Header { request: 1, ..Header::of(Kind::Ping) }.frame(&[], Integrity::Checked), "`ping`"),
        (vec![b'W'; 40], "expected a frame that begins"),
        (vec![], "without saying why"),
    ] {
        let (target, server) = serve(move |mut raw| {
            welcome(&mut raw);
            raw.expect(Kind::Transfers).unwrap();
            raw.write(&bytes);
        });
        let mut client = Client::connect(&target, &key()).unwrap();
        let outcome = client.post([transfer(1)], within(20_000)).unwrap();
        assert!(matches!(outcome, Completion::Unknown(WhyUnknown::Broken(_))), "{outcome}");
        assert!(outcome.to_string().contains(said), "{outcome}");
        let refused = client.post([transfer(1)], within(20_000)).unwrap_err();
        assert!(matches!(refused, SubmitError::Broken(_)), "{refused}");
        server.join().unwrap();
    }
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_longer_than_asked() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (target, server) = serve(move |raw| {
        let _ = released.recv();
        drop(raw);
    });
    let target = Target { connect_timeout: Duration::from_millis(40), ..target };
    let error = Client::connect(&target, &key()).err().unwrap();
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error}");
    drop(release);
    server.join().unwrap();
}

#[test]
fn a_server_of_another_book_or_another_protocol_is_left() {
    let (target, server) = serve(|mut raw| {
        raw.expect(Kind::Hello).unwrap();
        let other = "other".parse().unwrap();
        let challenge = Challenge { book: other, nonce: [0; 32], epoch: Epoch::new(1) };
        raw.send(Header::of(Kind::Challenge), &challenge.write());
    });
    let error = Client::connect(&target, &key()).err().unwrap();
    assert_eq!(error.to_string(), "expected book `main`, got `other`");
    server.join().unwrap();
    let (target, server) =
        serve(|mut raw| raw.write(b"HTTP/1.1 400 Bad Request\r\n\r\n0123456789"));
    let error = Client::connect(&target, &key()).err().unwrap();
    assert!(error.to_string().contains("expected a frame that begins with `574c`"), "{error}");
    server.join().unwrap();
}

#[test]
fn nobody_listens_is_told_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let connect_timeout = Duration::from_secs(20);
    let target = Target { address, book: book(), security: Security::Plain, connect_timeout };
    let error = Client::connect(&target, &key()).err().unwrap();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

/// The client fills the socket until it takes no more; what had no byte sent is surely not done.
#[test]
fn what_never_left_is_not_done_when_its_time_is_over() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (target, server) = serve(move |mut raw| {
        raw.expect(Kind::Hello).unwrap();
        let challenge = Challenge { book: book(), nonce: [0; 32], epoch: Epoch::new(1) };
        raw.send(Header::of(Kind::Challenge), &challenge.write());
        raw.expect(Kind::Proof).unwrap();
        let limits =
            Limits { frames_in_flight: 1_000, items_in_flight: u32::MAX, ..Limits::STANDARD };
        let welcome = Welcome { client: ClientNumber(1), limits, idle_ms: 1_000 };
        raw.send(Header::of(Kind::Welcome), &welcome.write());
        let _ = released.recv();
    });
    let mut client = Client::connect(&target, &key()).unwrap();
    let mut tickets = Vec::new();
    for _ in 0..24 {
        tickets.push(client.transfers((0..8_190).map(transfer), within(60)).unwrap());
    }
    let first = client.wait(tickets[0]);
    assert_eq!(first, Completion::Unknown(WhyUnknown::TimeOver));
    let last = client.wait(tickets[23]);
    assert_eq!(last, Completion::NotDone(WhyNotDone::TimeOver));
    drop(release);
    server.join().unwrap();
}
