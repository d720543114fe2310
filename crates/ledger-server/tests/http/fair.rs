//! One client that takes all it can get, and one that only wants an answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ledger_server::http::{FOLLOWS_OF_CLIENT, LIMITS};
use serde_json::Value;

use super::{Site, transfer};

/// A stream of events that is asked for and never read; its first bytes.
fn stream(site: &Site, key: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(site.address()).unwrap();
    let head = format!(
        "GET /v1/events?from=0 HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\
         authorization: Bearer {key}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut begins = [0; 12];
    stream.read_exact(&mut begins).unwrap();
    (stream, String::from_utf8(begins.to_vec()).unwrap())
}

#[test]
fn one_reader_has_its_streams_and_others_have_theirs() {
    let site = Site::new();
    let (a, b) = (site.open(1, "unlimited"), site.open(2, "0"));
    let mut hostile = Vec::new();
    for _ in 0..FOLLOWS_OF_CLIENT {
        let (stream, begins) = stream(&site, &site.reader);
        assert_eq!(begins, "HTTP/1.1 200");
        hostile.push(stream);
    }
    assert!(stream(&site, &site.reader).1.ends_with("429"));
    let wait = "/v1/events?from=2&wait=15";
    let busy = site.ask_as(&site.reader, "GET", wait, &Value::Null);
    assert!(busy.head.contains("retry-after: 1"), "{}", busy.head);
    let said = busy.expect(429, "not_done");
    assert_eq!((&said["code"], &said["may_retry"]), (&"busy".into(), &true.into()));
    // What it does not wait for is answered.
    assert_eq!(site.ask_as(&site.reader, "GET", "/v1/events?from=0", &Value::Null).status, 200);
    // And others stream, wait, and move money.
    let (mut honest, begins) = stream(&site, &site.poster);
    assert_eq!(begins, "HTTP/1.1 200");
    site.post("/v1/transactions", &transfer(1, &a, &b, "1.00")).expect(200, "done");
    let mut text = String::new();
    while !text.contains("id: 2\n") {
        let mut some = [0; 4096];
        let read = honest.read(&mut some).unwrap();
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&some[..read]));
    }
    assert!(site.get("/metrics").status == 200);
    // Who gives a stream up may have another.
    drop(hostile.pop());
    let again = (0..500).find(|_| {
        std::thread::sleep(Duration::from_millis(10));
        stream(&site, &site.reader).1.ends_with("200")
    });
    assert!(again.is_some());
}

#[test]
fn strangers_that_say_nothing_keep_nobody_out() {
    let site = Site::new();
    let silent = |n: usize| {
        let mut stream = TcpStream::connect(site.address()).unwrap();
        // Some say half of something: a head, or a head and no body.
        let said = ["", "GET / HT", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"];
        let _ = stream.write_all(said[n % said.len()].as_bytes());
        stream
    };
    let strangers: Vec<TcpStream> = (0..LIMITS.connections + 8).map(silent).collect();
    site.get("/v1/totals");
    drop(strangers);
}
