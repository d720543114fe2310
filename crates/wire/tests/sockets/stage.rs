//! A server on loopback with a service that does what the test says, and a raw connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use seal::{KeyId, SigningKey};
use terms::{AccountId, BookName, BusinessDate, Epoch, Instant, Minor, Position, TransactionId};
use wire::frame::{HEADER_BYTES, Header, Integrity, Kind};
use wire::handshake::{Binding, Challenge, Hello, prove};
use wire::outcome::Said;
use wire::{
    Books, CallOptions, Client, ClientNumber, Completion, Limits, PlainPolicy, RegisteredClient,
    Reply, Request, RequestFlags, ResultsWriter, Security, Server, ServerConfig, Service, Target,
    Timeouts, Transfer,
};

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub(crate) fn book() -> BookName {
    "main".parse().unwrap()
}

pub(crate) fn config() -> ServerConfig {
    ServerConfig {
        plain: PlainPolicy::Loopback,
        tls: None,
        limits: Limits::STANDARD,
        timeouts: Timeouts { stop: Duration::from_millis(200), ..Timeouts::STANDARD },
        connections_max: 2_000,
        connections_of_client: 2_000,
    }
}

/// A service that hands every request to a closure, on the I/O thread.
pub(crate) struct Fake<F>(pub(crate) F);

impl<F: FnMut(ClientNumber, Request, Reply) + Send + 'static> Service for Fake<F> {
    fn client(&mut self, key: &KeyId) -> Option<RegisteredClient> {
        let registered = crate::stage::key().public_key();
        let number = ClientNumber(7);
        (*key == registered.key_id()).then_some(RegisteredClient { key: registered, number })
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(3)
    }

    fn request(&mut self, client: ClientNumber, request: Request, reply: Reply) {
        self.0(client, request, reply);
    }
}

pub(crate) fn start<F>(config: ServerConfig, act: F) -> Server
where
    F: FnMut(ClientNumber, Request, Reply) + Send + 'static,
{
    let books = Books::one(book(), Fake(act));
    Server::start("127.0.0.1:0".parse().unwrap(), config, books).unwrap()
}

/// A server that does every item at once.
pub(crate) fn start_doing(config: ServerConfig) -> Server {
    start(config, |_, request, reply| reply.finish(all_done(request.items())))
}

/// A server whose requests the test answers by itself.
pub(crate) fn start_by_hand(config: ServerConfig) -> (Server, Receiver<(Request, Reply)>) {
    let (sender, receiver): (Sender<(Request, Reply)>, _) = channel();
    let server = start(config, move |_, request, reply| {
        let _ = sender.send((request, reply));
    });
    (server, receiver)
}

pub(crate) fn all_done(items: usize) -> wire::ReplyBody {
    let mut results = ResultsWriter::for_items(items);
    for item in 0..items {
        results.done(Position::new(u64::try_from(item).unwrap()), Instant::from_nanos(9));
    }
    results.finish(Position::new(99))
}

pub(crate) fn target(server: &Server) -> Target {
    Target {
        address: server.address(),
        book: book(),
        security: Security::Plain,
        connect_timeout: Duration::from_secs(20),
    }
}

pub(crate) fn connect(server: &Server) -> Client {
    Client::connect(&target(server), &key()).unwrap()
}

pub(crate) fn transfer(number: u64) -> Transfer {
    let mut id = [0xaa; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Transfer::plain(
        TransactionId::from_bytes(id),
        AccountId::from_bytes([1; 16]),
        AccountId::from_bytes([2; 16]),
        Minor::new(100),
        BusinessDate::from_days(20_000),
    )
}

pub(crate) fn within(millis: u64) -> CallOptions {
    CallOptions { flags: RequestFlags::NONE, within: Duration::from_millis(millis) }
}

pub(crate) fn done_items(completion: &Completion) -> usize {
    match completion {
        Completion::Results(results) if results.all(wire::Status::Done) => results.len(),
        other => panic!("expected results, got {other}"),
    }
}

/// A connection of bare bytes.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// One that has been welcomed.
    pub(crate) fn welcomed(server: &Server) -> Self {
        let mut raw = Self::to(server.address());
        raw.shake(&key()).unwrap();
        raw
    }

    pub(crate) fn shake(&mut self, key: &SigningKey) -> Result<(), Said> {
        let hello = Hello { book: book(), key: key.key_id(), nonce: [5; 32] };
        self.send(Header::of(Kind::Hello), &hello.write());
        let challenge = self.expect(Kind::Challenge)?;
        let challenge = Challenge::read(&challenge).unwrap();
        let proof = prove(key, &hello, &challenge, Binding::Plain);
        self.send(Header::of(Kind::Proof), proof.as_bytes());
        self.expect(Kind::Welcome).map(|_| ())
    }

    pub(crate) fn send(&mut self, header: Header, body: &[u8]) {
        self.write(&header.frame(body, Integrity::Checked));
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub(crate) fn read(&mut self) -> Option<(Header, Vec<u8>)> {
        let mut head = [0; HEADER_BYTES];
        self.0.read_exact(&mut head).ok()?;
        let header = Header::read(&head, Integrity::Checked).unwrap();
        let mut body = vec![0; header.body_size()];
        self.0.read_exact(&mut body).ok()?;
        header.check_body(&body, Integrity::Checked).unwrap();
        Some((header, body))
    }

    /// The body of a frame of this kind, or what a fault says.
    pub(crate) fn expect(&mut self, kind: Kind) -> Result<Vec<u8>, Said> {
        let (header, body) = self.read().expect("a frame");
        if header.kind == Kind::Fault {
            return Err(Said::read(&body).unwrap());
        }
        assert_eq!(header.kind, kind);
        Ok(body)
    }

    /// Whether the server has closed, after which nothing comes.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0; 1]).is_ok_and(|count| count == 0)
    }
}

pub(crate) fn transfers_frame(request: u64, items: u16) -> Vec<u8> {
    let body: Vec<u8> = (0..u64::from(items)).flat_map(|item| transfer(item).write()).collect();
    let header = Header { request, items, ..Header::of(Kind::Transfers) };
    header.frame(&body, Integrity::Checked)
}
