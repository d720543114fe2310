//! A follow whose client is gone ends, although nothing is written to it.

use std::sync::mpsc::channel;
use std::time::Duration;

use terms::Position;
use wire::ReplyBody;
use wire::follow::Follow;
use wire::frame::{Header, Kind};

use crate::stage::{Raw, config, start_by_hand};

#[test]
fn a_follower_that_hangs_up_is_known_to_be_gone() {
    let (server, requests) = start_by_hand(config());
    let mut raw = Raw::welcomed(&server);
    let follow = Follow { from: Position::ZERO, credit: 1 };
    raw.send(Header { request: 1, ..Header::of(Kind::Follow) }, &follow.write());
    let (_, reply) = requests.recv().unwrap();
    let Ok(stream) = reply.stream() else { panic!("no stream") };
    let (woken, wakes) = channel();
    stream.on_credit(move || {
        let _ = woken.send(());
    });
    assert!(!stream.is_ended() && !stream.is_gone());
    drop(raw);
    wakes.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(stream.is_ended() || stream.is_gone());
    stream.finish(ReplyBody::answer(b""));
}
