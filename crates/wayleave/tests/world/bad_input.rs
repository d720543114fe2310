//! Bad input over sockets: a clear problem answer each time, and the process lives.

use std::time::Duration;

use api::Problem;
use client::{Outcome, Outgoing};
use seal::to_canonical;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wayleave::demo::acts::permitted;

use super::form::{FORM, form};
use super::stage::{World, play};

/// One more than a body may have.
const TOO_LARGE: usize = (1 << 20) + 1;

/// The problem that a body meets; anything else stops the test.
async fn problem(
    world: &World,
    (caller, callee, target): (&str, &str, &str),
    media_type: &str,
    body: Vec<u8>,
    what: &str,
) -> Problem {
    let request = Outgoing::post(target, media_type, body);
    match world.send(caller, callee, request).await {
        Outcome::Refused(problem) => {
            assert!(
                (400..500).contains(&problem.status),
                "{what} at {callee} {target}: {problem:?}"
            );
            let told = problem.detail.is_some() || problem.expected.is_some();
            assert!(told, "{what} at {callee} {target} is not explained: {problem:?}");
            problem
        }
        outcome => panic!("{what} at {callee} {target}: {outcome:?}"),
    }
}

/// Arrays within arrays, deeper than any document.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = vec![0x81; depth];
    bytes.push(0);
    bytes
}

#[test]
fn documents_cut_short_padded_reordered_nested_or_random_get_a_clear_answer() {
    play(async {
        let mut world = World::new("bad-documents").await?;
        let request = world.invoice("BI-1", 10_000).await?;
        let ready = permitted(&world.players.payer, &request, 60).await?.expect("permitted");
        let order = to_canonical(&world.players.payer.order(&ready.hand, &ready.permits)?);
        let random: [u8; 256] = server::system::random().map_err(|e| anyhow::anyhow!("{e}"))?;
        let places = [
            ("brightwater", "core", "/v1/orders"),
            ("bank-nl.1", "core", "/v1/refusals"),
            ("bank-nl.1", "core", "/v1/parcels"),
            ("bank-nl.1", "core", "/v1/customers"),
            ("bank-nl.1", "core", "/v1/snapshots"),
            ("operator", "core", "/v1/outside-statements"),
            ("brightwater", "bank-nl.1", "/v1/preparations"),
            ("bank-nl.1", "bank-sg.1", "/v1/statements"),
            ("lim", "bank-sg.1", "/v1/invoices"),
            ("brightwater", "fx-dealer", "/v1/quotes"),
        ];
        let mut longer = order.clone();
        longer.push(0);
        let mut swapped = order.clone();
        swapped.rotate_left(order.len() / 2);
        let mut indefinite = order.clone();
        indefinite[0] = 0x9f;
        indefinite.push(0xff);
        let cases = [
            ("no body", vec![]),
            ("one byte", vec![0x80]),
            ("half an order", order[..order.len() / 2].to_vec()),
            ("an order and a byte", longer),
            ("an order from the middle on", swapped),
            ("an array of indefinite length", indefinite),
            ("deep nesting", nested(100_000)),
            ("a length that lies", vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            (
                "bytes of a length that lies",
                vec![0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            ),
            ("random bytes", random.to_vec()),
            ("text that is no UTF-8", vec![0x81, 0x62, 0xff, 0xfe]),
        ];
        for place in places {
            for (what, body) in &cases {
                problem(&world, place, api::wire::CBOR, body.clone(), what).await;
            }
            let body = vec![0; TOO_LARGE];
            let large = problem(&world, place, api::wire::CBOR, body, "too large a body").await;
            assert_eq!(large.status, 413, "{large:?}");
        }
        // An order cut at any byte is no order; a stride that meets every field.
        for end in (1..order.len()).step_by(61) {
            let place = ("brightwater", "core", "/v1/orders");
            problem(&world, place, api::wire::CBOR, order[..end].to_vec(), "a cut order").await;
        }
        for process in &mut world.processes {
            process.ready().await?;
        }
        world.settled("BI-2", 10_000).await?;
        Ok(())
    });
}

#[test]
fn forms_with_unknown_repeated_or_broken_fields_get_a_clear_answer() {
    play(async {
        let mut world = World::new("bad-forms").await?;
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("no field", vec![]),
            ("an unknown field", b"state=x&more=y".to_vec()),
            ("a field twice", b"state=x&state=x".to_vec()),
            ("a broken escape", b"state=%4".to_vec()),
            ("an escape that is no UTF-8", b"state=%ff%fe".to_vec()),
            ("bytes that are no UTF-8", vec![b's', 0xff, b'=', 0xc0]),
            ("a state that is no base64url", b"state=***".to_vec()),
            ("a state that is no document", b"state=AAAA".to_vec()),
            ("a token that is no JSON", form(&[("vp_token", "{"), ("state", "AAAA")]).into_bytes()),
            ("many fields", "a=b&".repeat(100_000).into_bytes()),
        ];
        let places = [
            ("brightwater", "bank-nl.1", "/v1/decisions"),
            ("brightwater", "bank-sg.1", "/v1/decisions"),
            ("lim", "bank-sg.1", "/v1/invoices/presentations"),
        ];
        for place in places {
            for (what, body) in &cases {
                problem(&world, place, FORM, body.clone(), what).await;
            }
            let body = format!("state={}", "A".repeat(TOO_LARGE)).into_bytes();
            let large = problem(&world, place, FORM, body, "too large a form").await;
            assert_eq!(large.status, 413, "{large:?}");
        }
        for process in &mut world.processes {
            process.ready().await?;
        }
        world.settled("BF-1", 10_000).await?;
        Ok(())
    });
}

/// Sends raw bytes and returns the beginning of what comes back, if anything does.
async fn raw(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The other side may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(15), reading).await.expect("an end");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn bytes_that_are_no_request_end_the_connection_and_nothing_else() {
    play(async {
        let mut world = World::new("bad-bytes").await?;
        let long_head =
            format!("GET /ready HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(1 << 17));
        let many_heads = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(2_000));
        let cases: [(&str, &[u8]); 7] = [
            ("nothing", b""),
            ("random text", b"hello, is somebody there?\r\n\r\n"),
            ("a TLS greeting", &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]),
            ("half a head", b"POST /v1/orders HTTP/1.1\r\nhost: x\r\n"),
            ("two lengths", b"POST /v1/orders HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
            ("a head too long", long_head.as_bytes()),
            ("too many headers", many_heads.as_bytes()),
        ];
        for role in ["core", "bank-nl.1", "bank-sg.1", "issuers", "supervisor-nl", "fx-dealer"] {
            let port = world.stage.memory.ports[role];
            for (what, bytes) in cases {
                let answer = raw(port, bytes).await;
                let fine = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
                assert!(fine, "{what} at {role}: {answer}");
            }
        }
        for process in &mut world.processes {
            process.ready().await?;
        }
        world.settled("BB-1", 10_000).await?;
        Ok(())
    });
}
