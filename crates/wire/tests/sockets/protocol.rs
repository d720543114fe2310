//! Handshake, framing and requests.

use std::net::Shutdown;
use std::time::Duration;

use crate::stage::{
    Raw, all_done, config, connect, done_items, key, start, start_by_hand, start_doing, target,
    transfer, transfers_frame, within,
};
use seal::SigningKey;
use terms::{AccountId, Instant, Minor, Position, TransactionId};
use wire::client::{Broken, WhyNotDone, WhyUnknown};
use wire::frame::{Header, Integrity, Kind};
use wire::handshake::Hello;
use wire::{
    CallOptions, Client, Completion, ConnectError, Content, Detail, FaultCode, Field, Limits,
    Lookup, NotDone, NotDoneCode, PlainPolicy, RefusedCode, ReplyBody, RequestFlags, ResultsWriter,
    Rule, Status, Target, Timeouts, Unknown, UnknownCode,
};

fn refused(target: &Target, key: &SigningKey) -> (u16, String) {
    match Client::connect(target, key) {
        Err(ConnectError::Refused { fault }) => (fault.said().code, fault.to_string()),
        Err(other) => panic!("expected a fault, got {other}"),
        Ok(_) => panic!("expected a fault, got a welcome"),
    }
}

#[test]
fn a_registered_key_is_welcomed_with_its_number_and_limits() {
    let server = start_doing(config());
    let client = connect(&server);
    assert_eq!(client.number().0, 7);
    assert_eq!(client.epoch().number(), 3);
    assert_eq!(*client.limits(), Limits::STANDARD);
}

/// What one of several books does with a request.
type Act = Box<dyn FnMut(wire::ClientNumber, wire::Request, wire::Reply) + Send>;

#[test]
fn each_connection_reaches_the_book_of_its_hello_and_no_other() {
    let book = |name: &str| name.parse().unwrap();
    let (seen, requests) = std::sync::mpsc::channel();
    let served = |name: &'static str| {
        let seen = seen.clone();
        let act: Act = Box::new(move |_, request, reply| {
            seen.send(name).unwrap();
            reply.finish(crate::stage::all_done(request.items()));
        });
        (book(name), Some(crate::stage::Fake(act)))
    };
    let books = wire::Books::these(vec![served("north"), served("south"), (book("west"), None)]);
    let any = "127.0.0.1:0".parse().unwrap();
    let server = wire::Server::start(any, config(), books).unwrap();
    let of = |name| Target { book: book(name), ..target(&server) };
    let mut clients =
        ["south", "north", "south"].map(|name| Client::connect(&of(name), &key()).unwrap());
    for client in &mut clients {
        let ticket = client.transfers([transfer(1)], CallOptions::STANDARD).unwrap();
        assert_eq!(done_items(&client.wait(ticket)), 1);
    }
    let seen: Vec<&str> = requests.try_iter().collect();
    assert_eq!(seen, ["south", "north", "south"]);
    let (code, text) = refused(&of("east"), &key());
    assert_eq!(code, FaultCode::WrongBook.code());
    assert!(text.contains("expected one of `3` other books, got `east`"), "{text}");
    let (code, _) = refused(&of("west"), &key());
    assert_eq!(code, FaultCode::BookUnavailable.code());
}

#[test]
fn each_wrong_handshake_has_its_own_code() {
    let server = start_doing(config());
    let right = target(&server);

    let other = Target { book: "other".parse().unwrap(), ..right.clone() };
    let (code, text) = refused(&other, &key());
    assert_eq!(code, FaultCode::WrongBook.code());
    assert!(text.contains("expected book `main`, got `other`"), "{text}");

    let stranger = SigningKey::from_seed(&[2; 32]);
    let (code, text) = refused(&right, &stranger);
    assert_eq!(code, FaultCode::UnknownKey.code());
    assert!(text.contains(&stranger.key_id().to_string()), "{text}");

    let mut raw = Raw::to(server.address());
    let hello = Hello { book: crate::stage::book(), key: key().key_id(), nonce: [0; 32] };
    raw.send(Header::of(Kind::Hello), &hello.write());
    raw.expect(Kind::Challenge).unwrap();
    raw.send(Header::of(Kind::Proof), &[7; 64]);
    assert_eq!(raw.expect(Kind::Welcome).unwrap_err().code, FaultCode::BadProof.code());
    assert!(raw.is_closed());

    let mut raw = Raw::to(server.address());
    let mut frame = Header::of(Kind::Hello).frame(&hello.write(), Integrity::Checked);
    frame[2] = 9;
    raw.write(&frame);
    let said = raw.expect(Kind::Challenge).unwrap_err();
    assert_eq!(said.code, FaultCode::ProtocolVersion.code());
    assert_eq!(said.text, "expected protocol version `1`, got `9`");
    assert!(raw.is_closed());
}

#[test]
fn frames_out_of_place_or_shape_end_the_connection_with_a_code() {
    let server = start_doing(config());
    let hello = Hello { book: crate::stage::book(), key: key().key_id(), nonce: [0; 32] }.write();
    let mut reserved = hello;
    reserved[55] = 1;
    let ping = Header { request: 1, ..Header::of(Kind::Ping) };
    let before = [
        (ping.frame(&[], Integrity::Checked), FaultCode::Unexpected),
        (Header::of(Kind::Welcome).frame(&[0; 32], Integrity::Checked), FaultCode::Unexpected),
        (Header::of(Kind::Hello).frame(&reserved, Integrity::Checked), FaultCode::Malformed),
        (Header::of(Kind::Hello).frame(&hello, Integrity::Transport), FaultCode::Damaged),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), FaultCode::Malformed),
    ];
    for (bytes, code) in before {
        let mut raw = Raw::to(server.address());
        raw.write(&bytes);
        assert_eq!(raw.expect(Kind::Challenge).unwrap_err().code, code.code(), "{code}");
        assert!(raw.is_closed());
    }
    let mut damaged = transfers_frame(1, 2);
    damaged[100] ^= 1;
    let mut long = Header { request: 1, items: 1, ..Header::of(Kind::Transfers) }
        .write(&[0; 128], Integrity::Checked);
    long[16..20].copy_from_slice(&(1u32 << 20).wrapping_add(1).to_be_bytes());
    let open = [
        (Header::of(Kind::Hello).frame(&hello, Integrity::Checked), FaultCode::Unexpected),
        (Header::of(Kind::Pong).frame(&[], Integrity::Checked), FaultCode::Unexpected),
        (Header::of(Kind::Ping).frame(&[], Integrity::Checked), FaultCode::RequestIdNotRising),
        (damaged, FaultCode::Damaged),
        (long.to_vec(), FaultCode::Damaged),
    ];
    for (bytes, code) in open {
        let mut raw = Raw::welcomed(&server);
        raw.write(&bytes);
        assert_eq!(raw.expect(Kind::Results).unwrap_err().code, code.code(), "{code}");
        assert!(raw.is_closed());
    }
}

#[test]
fn a_frame_beyond_the_limits_is_named_and_ends_the_connection() {
    let limits = Limits { items_per_frame: 2, ..Limits::STANDARD };
    let server = start_doing(wire::ServerConfig { limits, ..config() });
    let mut raw = Raw::welcomed(&server);
    raw.write(&transfers_frame(1, 2));
    assert!(raw.expect(Kind::Results).is_ok());
    raw.write(&transfers_frame(2, 3));
    let said = raw.expect(Kind::Results).unwrap_err();
    assert_eq!(said.code, FaultCode::TooLarge.code());
    assert!(said.text.contains("at most `2` items"), "{}", said.text);
    let mut client = connect(&server);
    let error = client.transfers([transfer(1), transfer(2), transfer(3)], CallOptions::STANDARD);
    let text = error.unwrap_err().to_string();
    assert_eq!(text, "expected at most `2` items, got `3`: send several requests");
}

#[test]
fn plain_tcp_is_refused_where_only_tls_is_taken() {
    let policy = wire::ServerConfig { plain: PlainPolicy::Never, ..config() };
    let start = wire::Server::start(
        "127.0.0.1:0".parse().unwrap(),
        policy,
        wire::Books::one(
            crate::stage::book(),
            crate::stage::Fake(|_, _, reply: wire::Reply| drop(reply)),
        ),
    );
    assert!(start.is_err(), "nobody could connect");
}

#[test]
fn transfers_arrive_as_they_were_sent_and_results_as_they_were_made() {
    let (sender, seen) = std::sync::mpsc::channel();
    let server = start(config(), move |client, request, reply| {
        let Content::Transfers(items) = &request.content else { return };
        sender.send((client, request.flags, items.iter().collect::<Vec<_>>())).unwrap();
        let mut results = ResultsWriter::for_items(3);
        results.repeated(Position::new(4), Instant::from_nanos(5));
        let account = AccountId::from_bytes([1; 16]);
        let detail = Detail::of_account(account, Minor::new(100), Minor::new(3));
        results.refused(Rule::InsufficientFunds, None, Some(detail));
        results.conflict(Some(Field::Amount), Position::new(1), Instant::from_nanos(2));
        reply.finish(results.finish(Position::new(9)));
    });
    let mut client = connect(&server);
    let flags = RequestFlags { all_or_nothing: true, ..RequestFlags::NONE };
    let options = CallOptions { flags, ..CallOptions::STANDARD };
    let sent = [transfer(1), transfer(2), transfer(3)];
    let Completion::Results(results) = client.post(sent, options).unwrap() else {
        panic!("expected results")
    };
    assert_eq!(seen.recv().unwrap(), (client.number(), flags, sent.to_vec()));
    let statuses: Vec<Status> = results.iter().map(|item| item.status).collect();
    assert_eq!(statuses, [Status::Repeated, Status::Refused, Status::Conflict]);
    let said = results.iter().nth(1).unwrap().to_string();
    assert!(said.contains("`acct_01010101"), "{said}");
    assert!(said.contains("expected `100`, got `3`"), "{said}");
    assert_eq!(results.as_of, Position::new(9));
}

#[test]
fn commands_lookups_queries_and_pings_arrive() {
    let server = start(config(), |_, request, reply| match &request.content {
        Content::Commands(commands) => {
            assert_eq!(commands.iter().collect::<Vec<_>>(), [&b"one"[..], b"two"]);
            reply.finish(all_done(2));
        }
        Content::Lookup(ids) => {
            let mut results = ResultsWriter::for_items(ids.len());
            ids.iter().for_each(|_| results.absent());
            reply.finish(results.finish(Position::ZERO));
        }
        Content::Query(bytes) => {
            let mut answer = bytes.to_vec();
            answer.reverse();
            reply.finish(ReplyBody::answer(&answer));
        }
        Content::Transfers(_) | Content::Follow(_) => panic!("none was sent"),
    });
    let mut client = connect(&server);
    let ticket = client.commands(&["one", "two"], CallOptions::STANDARD).unwrap();
    assert_eq!(done_items(&client.wait(ticket)), 2);
    let id = Lookup::Transaction(TransactionId::from_bytes([1; 16]));
    let ticket = client.lookup(&[id], Duration::from_secs(20)).unwrap();
    let Completion::Results(results) = client.wait(ticket) else { panic!("expected results") };
    assert!(results.all(Status::Absent));
    let ticket = client.query(b"abc", Duration::from_secs(20)).unwrap();
    assert_eq!(client.wait(ticket), Completion::Answer(b"cba".to_vec()));
    let ticket = client.ping(Duration::from_secs(20)).unwrap();
    assert_eq!(client.wait(ticket), Completion::Pong);
    let again = client.wait(ticket);
    assert_eq!(again, Completion::Unknown(WhyUnknown::NoSuchTicket));
}

#[test]
fn a_malformed_request_is_refused_and_the_connection_goes_on() {
    let server = start_doing(config());
    let mut raw = Raw::welcomed(&server);
    let mut body = [transfer(1).write(), transfer(2).write()].concat();
    body[128 + 127] = 1;
    let header = Header { request: 5, items: 2, ..Header::of(Kind::Transfers) };
    raw.send(header, &body);
    let said = wire::outcome::Said::read(&raw.expect(Kind::Refused).unwrap()).unwrap();
    assert_eq!((said.code, said.item), (RefusedCode::Malformed.code(), Some(1)));
    raw.write(&transfers_frame(6, 2));
    assert!(raw.expect(Kind::Results).is_ok());
}

#[test]
fn a_fault_names_the_last_request_that_was_taken() {
    let (server, requests) = start_by_hand(config());
    let mut raw = Raw::welcomed(&server);
    let mut damaged = transfers_frame(6, 1);
    damaged[40] ^= 1;
    raw.write(&[transfers_frame(5, 1), damaged, transfers_frame(7, 1)].concat());
    let _held = requests.recv().unwrap();
    let (header, _) = raw.read().unwrap();
    assert_eq!((header.kind, header.request), (Kind::Fault, 5));
    server.stop();
    assert!(requests.recv().is_err(), "neither 6 nor 7 was taken");
}

#[test]
fn one_byte_at_a_time_gives_the_same() {
    let server = start_doing(config());
    let mut raw = Raw::welcomed(&server);
    let ping = Header { request: 2, ..Header::of(Kind::Ping) }.frame(&[], Integrity::Checked);
    for byte in [transfers_frame(1, 3), ping].concat() {
        raw.write(&[byte]);
    }
    let mut replies = [raw.read().unwrap(), raw.read().unwrap()];
    // The I/O thread answers a ping by itself and may be quicker than the service.
    replies.sort_by_key(|(header, _)| header.request);
    let [(header, body), (pong, _)] = replies;
    assert_eq!((header.kind, header.request, header.items), (Kind::Results, 1, 3));
    assert_eq!(body.len(), 16 + 3 * 32);
    assert_eq!((pong.kind, pong.request), (Kind::Pong, 2));
}

#[test]
fn bulks_that_span_many_reads_arrive_whole() {
    let (server, requests) = start_by_hand(config());
    let mut client = connect(&server);
    let bulk = || (0..8_190).map(transfer);
    let first = client.transfers(bulk(), CallOptions::STANDARD).unwrap();
    let second = client.transfers(bulk(), CallOptions::STANDARD).unwrap();
    let answers = std::thread::spawn(move || {
        for _ in 0..2 {
            let (request, reply) = requests.recv().unwrap();
            let Content::Transfers(items) = &request.content else { panic!() };
            assert!(items.iter().eq((0..8_190).map(transfer)));
            reply.finish(all_done(8_190));
        }
    });
    assert_eq!(done_items(&client.wait(first)), 8_190);
    assert_eq!(done_items(&client.wait(second)), 8_190);
    answers.join().unwrap();
}

#[test]
fn replies_may_come_in_another_order() {
    let (server, requests) = start_by_hand(config());
    let mut client = connect(&server);
    let tickets: Vec<_> =
        (1..=3).map(|n| client.transfers((0..n).map(transfer), within(20_000)).unwrap()).collect();
    let mut taken: Vec<_> = (0..3).map(|_| requests.recv().unwrap()).collect();
    assert!(taken.iter().map(|(request, _)| request.items()).eq(1..=3), "sent in order");
    for place in [1, 1, 0] {
        let (request, reply) = taken.remove(place);
        reply.finish(all_done(request.items()));
    }
    let order: Vec<_> =
        client.completions().map(|(ticket, done)| (ticket, done_items(&done))).collect();
    assert_eq!(order, [(tickets[1], 2), (tickets[2], 3), (tickets[0], 1)]);
}

#[test]
fn a_dropped_reply_is_unknown_and_a_wrong_count_of_results_too() {
    let server = start(config(), |_, request, reply| {
        if request.items() == 1 {
            drop(reply);
        } else {
            reply.finish(all_done(1));
        }
    });
    let mut client = connect(&server);
    for items in 1..=2 {
        let completion = client.post((0..items).map(transfer), within(20_000)).unwrap();
        let Completion::Unknown(WhyUnknown::Said(unknown)) = &completion else {
            panic!("expected unknown, got {completion}")
        };
        assert_eq!(unknown.said().code, UnknownCode::Unanswered.code());
        assert!(completion.to_string().ends_with("look up its ids, or send the same bytes again"));
    }
}

#[test]
fn refused_not_done_and_unknown_stay_apart() {
    let server = start(config(), |_, request, reply| {
        reply.finish(match request.items() {
            1 => ReplyBody::refused(&wire::Refused::new(RefusedCode::NotPermitted, "no")),
            2 => ReplyBody::not_done(&NotDone::new(NotDoneCode::Busy, "4 of 4"), 250),
            _ => ReplyBody::unknown(&Unknown::new(UnknownCode::Fenced, "epoch 4")),
        });
    });
    let mut client = connect(&server);
    let mut post = |items| client.post((0..items).map(transfer), within(20_000)).unwrap();
    assert!(matches!(post(1), Completion::Refused(why) if why.said().text == "no"));
    let busy = post(2);
    let Completion::NotDone(WhyNotDone::Said { retry_after, .. }) = &busy else {
        panic!("expected not done, got {busy}")
    };
    assert_eq!(*retry_after, Some(Duration::from_millis(250)));
    let text = "the request was not done: the queue is full: 4 of 4; try again after 250 ms";
    assert_eq!(busy.to_string(), text);
    assert!(matches!(post(3), Completion::Unknown(WhyUnknown::Said(_))));
}

#[test]
fn after_its_time_a_sent_request_is_unknown_and_its_late_reply_is_not_told() {
    let (server, requests) = start_by_hand(config());
    let mut client = connect(&server);
    let completion = client.post([transfer(1)], within(30)).unwrap();
    assert_eq!(completion, Completion::Unknown(WhyUnknown::TimeOver));
    let (request, reply) = requests.recv().unwrap();
    assert!(request.deadline.is_some());
    reply.finish(all_done(1));
    let ticket = client.ping(Duration::from_secs(20)).unwrap();
    assert_eq!(client.wait(ticket), Completion::Pong);
    assert_eq!((client.underway(), client.next_completion()), (0, None));
}

#[test]
fn a_server_that_goes_away_leaves_unknown_what_was_sent() {
    let (server, requests) = start_by_hand(config());
    let mut client = connect(&server);
    let ticket = client.transfers([transfer(1)], within(20_000)).unwrap();
    let held = requests.recv().unwrap();
    server.stop();
    let completion = client.wait(ticket);
    let Completion::Unknown(WhyUnknown::Broken(_)) = completion else {
        panic!("expected unknown, got {completion}")
    };
    drop(held);
    let refused = client.transfers([transfer(2)], within(20_000)).unwrap_err();
    assert!(refused.to_string().starts_with("nothing was sent"), "{refused}");
}

#[test]
fn a_server_that_stops_answers_first_and_says_so() {
    let (server, requests) = start_by_hand(config());
    let mut client = connect(&server);
    let ticket = client.transfers([transfer(1)], within(20_000)).unwrap();
    let (_, reply) = requests.recv().unwrap();
    let stopping = std::thread::spawn(move || server.stop());
    reply.finish(all_done(1));
    assert_eq!(done_items(&client.wait(ticket)), 1);
    let ticket = client.ping(Duration::from_secs(20));
    let broken = match ticket.map(|ticket| client.wait(ticket)) {
        Ok(Completion::Pong) => {
            while client.broken().is_none() {
                client.pump();
            }
            client.broken().cloned()
        }
        Ok(_) | Err(_) => client.broken().cloned(),
    };
    assert!(matches!(broken, Some(Broken::Fault(fault)) if fault.may_retry_help()));
    stopping.join().unwrap();
}

#[test]
fn a_client_that_has_finished_sending_is_still_answered() {
    let (server, requests) = start_by_hand(config());
    let mut raw = Raw::welcomed(&server);
    raw.write(&transfers_frame(1, 2));
    raw.0.shutdown(Shutdown::Write).unwrap();
    let (_, reply) = requests.recv().unwrap();
    reply.finish(all_done(2));
    assert!(raw.expect(Kind::Results).is_ok());
    assert!(raw.is_closed());
}

#[test]
fn a_frame_that_is_cut_off_closes_and_reaches_nobody() {
    let (server, requests) = start_by_hand(config());
    for cut in [1, 31, 32, 33, 32 + 128, 32 + 255] {
        let mut raw = Raw::welcomed(&server);
        raw.write(&transfers_frame(1, 2)[..cut]);
        raw.0.shutdown(Shutdown::Write).unwrap();
        assert!(raw.is_closed(), "{cut}");
    }
    server.stop();
    assert!(requests.recv().is_err(), "no request came");
}

#[test]
fn time_limits_end_connections_with_their_codes() {
    let short = Duration::from_millis(40);
    let timeouts = Timeouts { handshake: short, frame: short, ..Timeouts::STANDARD };
    let server = start_doing(wire::ServerConfig { timeouts, ..config() });
    let mut silent = Raw::to(server.address());
    silent.write(b"W");
    let said = silent.expect(Kind::Challenge).unwrap_err();
    assert_eq!(said.code, FaultCode::HandshakeTimeout.code());
    let mut slow = Raw::welcomed(&server);
    slow.write(&transfers_frame(1, 2)[..40]);
    assert_eq!(slow.expect(Kind::Results).unwrap_err().code, FaultCode::FrameTimeout.code());

    let timeouts = Timeouts { idle: short, ..Timeouts::STANDARD };
    let server = start_doing(wire::ServerConfig { timeouts, ..config() });
    let mut idle = Raw::welcomed(&server);
    assert_eq!(idle.expect(Kind::Results).unwrap_err().code, FaultCode::Idle.code());
    assert!(idle.is_closed());
}

/// Sound streams with some bytes changed, from a fixed seed: whatever comes, each connection ends
/// in replies or a fault, and the server goes on.
#[test]
fn no_bytes_make_the_server_fall() {
    let server = start_doing(config());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    for round in 0..300 {
        let mut stream = [transfers_frame(1, 2), transfers_frame(2, 1)].concat();
        for _ in 0..=random(4) {
            let at = random(stream.len());
            stream[at] = u8::try_from(random(256)).unwrap();
        }
        stream.truncate(random(stream.len() + 1));
        let mut raw =
            if round % 3 == 0 { Raw::to(server.address()) } else { Raw::welcomed(&server) };
        // The server may have closed before everything was written.
        let _ = std::io::Write::write_all(&mut raw.0, &stream);
        let _ = raw.0.shutdown(Shutdown::Write);
        while raw.read().is_some_and(|(header, _)| header.kind != Kind::Fault) {}
    }
    let mut client = connect(&server);
    assert_eq!(done_items(&client.post([transfer(1)], within(20_000)).unwrap()), 1);
}
