//! The load of [`crate::load`] over HTTP: one thread, many connections kept open.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::Transfer;

use crate::load::{Load, Maker, Seen};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Digits behind the point of the load's asset, `EUR.2@load`.
const EXPONENT: usize = 2;

/// Whom to ask.
#[derive(Clone)]
pub struct HttpAt {
    /// Where it listens.
    pub address: SocketAddr,
    /// A client's API key: `<name>.<64 hex digits>`.
    pub key: String,
}

impl std::fmt::Debug for HttpAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpAt").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Posts a load and measures it: each connection has one request underway, of one transaction or,
/// where `batch` is above 1, of a bulk. [`Load::ahead`] has no meaning here.
///
/// # Errors
/// In words: a connection that broke, an answer that is none.
pub fn post(at: &HttpAt, load: &Load) -> Result<Seen, String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let connections = u64::try_from(load.connections.max(1)).unwrap_or(1);
    let share = load.transactions / connections;
    runtime.block_on(async {
        let tasks: Vec<_> = (0..connections)
            .map(|connection| {
                let (at, load) = (at.clone(), *load);
                tokio::spawn(async move { one(&at, &load, connection, share, begun).await })
            })
            .collect();
        let mut seen = Seen { took: Duration::ZERO, done: 0, other: 0, latencies: Vec::new() };
        for task in tasks {
            let part = task.await.map_err(|error| error.to_string())??;
            seen.took = seen.took.max(part.took);
            seen.done = seen.done.saturating_add(part.done);
            seen.other = seen.other.saturating_add(part.other);
            seen.latencies.extend(part.latencies);
        }
        seen.latencies.sort_unstable();
        Ok(seen)
    })
}

async fn one(
    at: &HttpAt,
    load: &Load,
    connection: u64,
    share: u64,
    begun: Instant,
) -> Result<Seen, String> {
    let stream = TcpStream::connect(at.address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut line = Line { stream, bytes: Vec::new(), head: head(at, load.batch) };
    let mut maker = Maker::new(load, connection);
    let mut seen = Seen { took: Duration::ZERO, done: 0, other: 0, latencies: Vec::new() };
    let mut left = share;
    let mut body = String::new();
    while left > 0 {
        let count = u64::try_from(load.batch.max(1)).unwrap_or(1).min(left);
        left = left.saturating_sub(count);
        body.clear();
        write_body(&mut maker, count, load.batch > 1, &mut body);
        let sent = Instant::now();
        let asking = tokio::time::timeout(PATIENCE, line.ask(&body));
        let done = asking.await.map_err(|_| "no answer in time".to_owned())??;
        seen.done = seen.done.saturating_add(done);
        seen.other = seen.other.saturating_add(count.saturating_sub(done));
        let now = Instant::now();
        seen.latencies.push((now.saturating_duration_since(begun), now - sent));
        seen.took = now.saturating_duration_since(begun);
    }
    Ok(seen)
}

fn head(at: &HttpAt, batch: usize) -> String {
    let target = if batch > 1 { "/v1/transactions/bulk" } else { "/v1/transactions" };
    format!(
        "POST {target} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: ",
        at.address, at.key
    )
}

fn write_body(maker: &mut Maker, count: u64, bulk: bool, body: &mut String) {
    if bulk {
        body.push_str("{\"transactions\":[");
    }
    for place in 0..count {
        if place > 0 {
            body.push(',');
        }
        write_transfer(&maker.next(), body);
    }
    if bulk {
        body.push_str("]}");
    }
}

fn write_transfer(transfer: &Transfer, body: &mut String) {
    let mut amount = format!("{:0>width$}", transfer.amount.units(), width = EXPONENT + 1);
    amount.insert(amount.len().saturating_sub(EXPONENT), '.');
    // Writing to a string never fails.
    let _ = write!(
        body,
        "{{\"id\":\"{}\",\"business_date\":\"{}\",\"from\":\"{}\",\"to\":\"{}\",\"amount\":\"{amount}\"}}",
        transfer.id, transfer.business_date, transfer.debit, transfer.credit
    );
}

/// A connection that is kept open.
struct Line {
    stream: TcpStream,
    bytes: Vec<u8>,
    head: String,
}

impl Line {
    /// Sends a body; how many transactions were recorded by it.
    async fn ask(&mut self, body: &str) -> Result<u64, String> {
        let broke = |error: std::io::Error| format!("the connection broke: {error}");
        let request = format!("{}{}\r\n\r\n{body}", self.head, body.len());
        self.stream.write_all(request.as_bytes()).await.map_err(broke)?;
        self.bytes.clear();
        loop {
            if let Some((status, body)) = reply(&self.bytes) {
                return match status {
                    b"200" => Ok(count(body, b"\"repeated\":false,\"position\"")),
                    b"409" | b"422" => Ok(0),
                    _ => Err(String::from_utf8_lossy(&self.bytes).chars().take(600).collect()),
                };
            }
            if self.stream.read_buf(&mut self.bytes).await.map_err(broke)? == 0 {
                return Err("the connection was closed".to_owned());
            }
        }
    }
}

/// Status and body of a reply that is there whole.
fn reply(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = find(bytes, b"\r\n\r\n")?;
    let (head, rest) = bytes.split_at_checked(end.saturating_add(4))?;
    let status = head.get(9..12)?;
    let name = b"\r\ncontent-length: ";
    let from = find(head, name)?.saturating_add(name.len());
    let digits = head.get(from..)?.iter().take_while(|b| b.is_ascii_digit());
    let add = |sum: usize, digit: &u8| {
        sum.saturating_mul(10).saturating_add(usize::from(digit.saturating_sub(b'0')))
    };
    let length = digits.fold(0, add);
    Some((status, rest.get(..length)?))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn count(bytes: &[u8], what: &[u8]) -> u64 {
    let hits = bytes.windows(what.len()).filter(|window| *window == what).count();
    u64::try_from(hits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_once_it_is_whole() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: x\r\n\r\n{}";
        assert_eq!(reply(whole), Some((&b"200"[..], &b"{}"[..])));
        for cut in 0..whole.len() {
            assert_eq!(reply(&whole[..cut]), None);
        }
    }
}
