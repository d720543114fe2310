//! A connection that can be cut or fall silent at a chosen point.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

/// What befalls the next bytes that a caller sends, and all after them on that connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing.
    None,
    /// The connection closes before the request reaches the server.
    RequestLost,
    /// The request is swallowed: both sides wait.
    RequestSwallowed,
    /// The request arrives; the connection closes before any of the answer comes back.
    AnswerLost,
    /// The request arrives; the answer is swallowed.
    AnswerSwallowed,
    /// The answer comes up to `CommandComplete`; the connection closes before `ReadyForQuery`,
    /// which is what says that the transaction ended.
    EndLost,
}

const CUTS: [Cut; 6] = [
    Cut::None,
    Cut::RequestLost,
    Cut::RequestSwallowed,
    Cut::AnswerLost,
    Cut::AnswerSwallowed,
    Cut::EndLost,
];

impl Cut {
    pub(crate) const FAULTS: [Self; 5] = [
        Self::RequestLost,
        Self::RequestSwallowed,
        Self::AnswerLost,
        Self::AnswerSwallowed,
        Self::EndLost,
    ];
}

/// Stands between a journal and its server.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    plan: Arc<AtomicU8>,
    over: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (plan, over) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicBool::new(false)));
        let (server, seen, ended) = (server.to_owned(), Arc::clone(&plan), Arc::clone(&over));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                if let Ok(upstream) = TcpStream::connect(&server) {
                    carry(client, upstream, &seen);
                }
            }
        });
        Self { port, plan, over }
    }

    /// Plans the fate of the next request. A connection that was struck stays struck; new ones
    /// are struck as well until the plan is [`Cut::None`].
    pub(crate) fn plan(&self, cut: Cut) {
        let index = CUTS.iter().position(|one| *one == cut).unwrap();
        self.plan.store(u8::try_from(index).unwrap(), Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn close(streams: [&TcpStream; 2]) {
    for stream in streams {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn carry(client: TcpStream, server: TcpStream, plan: &Arc<AtomicU8>) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let struck = Arc::new(AtomicU8::new(0));
    let forth = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (plan, strike) = (Arc::clone(plan), Arc::clone(&struck));
    std::thread::spawn(move || requests(forth.0, forth.1, &plan, &strike));
    std::thread::spawn(move || answers(server, client, &struck));
}

fn requests(mut from: TcpStream, mut to: TcpStream, plan: &AtomicU8, struck: &AtomicU8) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if struck.load(Ordering::SeqCst) == 0 {
            struck.store(plan.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        match CUTS[usize::from(struck.load(Ordering::SeqCst))] {
            Cut::RequestLost => break,
            Cut::RequestSwallowed => continue,
            Cut::None | Cut::AnswerLost | Cut::AnswerSwallowed | Cut::EndLost => {}
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // Closing only our own side lets what was forwarded arrive.
    std::thread::sleep(Duration::from_millis(1));
    close([&from, &to]);
}

fn answers(mut from: TcpStream, mut to: TcpStream, struck: &AtomicU8) {
    let mut frames = Frames::default();
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let answer = &bytes[..count];
        let (passed, ends) = match CUTS[usize::from(struck.load(Ordering::SeqCst))] {
            Cut::None | Cut::RequestLost | Cut::RequestSwallowed => (answer, false),
            Cut::AnswerSwallowed => (&answer[..0], false),
            Cut::AnswerLost => (&answer[..0], true),
            Cut::EndLost => match frames.before_ready(answer) {
                Some(end) => (&answer[..end], true),
                None => (answer, false),
            },
        };
        if to.write_all(passed).is_err() || ends {
            break;
        }
    }
    close([&from, &to]);
}

/// Where the server's messages begin: a tag and a length that counts itself.
#[derive(Default)]
struct Frames {
    /// Bytes of the current message that are still to come.
    left: usize,
}

impl Frames {
    /// Offset of the first `ReadyForQuery` in `bytes`. Assumes that no header is torn between two
    /// reads, which holds for the small answers of these tests.
    fn before_ready(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = self.left.min(bytes.len());
        self.left -= at;
        while at < bytes.len() {
            if bytes[at] == b'Z' {
                return Some(at);
            }
            let length = u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap());
            let end = at + 1 + usize::try_from(length).unwrap();
            self.left = end.saturating_sub(bytes.len());
            at = end.min(bytes.len());
        }
        None
    }
}
