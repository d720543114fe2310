//! A blocking client: one connection, many requests underway, no thread of its own.
//!
//! [`Client::transfers`] and its like submit and return a [`Ticket`]; [`Client::wait`] gives that
//! request's completion, [`Client::next_completion`] whichever comes first. The client never tries
//! again by itself and never waits for ever: after its time a request that was sent is *unknown*,
//! and [`Client::lookup`], on this connection or the next, tells what became of its ids.

mod following;
mod incoming;
mod link;

use core::fmt;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use seal::SigningKey;
use terms::{BookName, Epoch};
use thiserror::Error;

use crate::bytes::{length_u32, size};
use crate::codes::FaultCode;
use crate::follow::Facts;
use crate::frame::{HEADER_BYTES, Header, ITEMS_MAX, Kind};
use crate::handshake::{Challenge, ClientNumber, Hello, Limits, Welcome, prove};
use crate::outcome::{Coded, Fault, NotDone, Refused, Said, Unknown};
use crate::request::{
    COMMAND_BYTES_MAX, Commands, LOOKUP_BYTES, Lookup, RequestFlags, TRANSFER_BYTES, Transfer,
};
use crate::results::Results;
use crate::tls::ClientTls;
pub use following::Followed;
use link::Link;

/// After so long without a request the client looks whether the server is still there.
const QUIET: Duration = Duration::from_millis(500);

/// Where and as what to connect.
#[derive(Clone)]
pub struct Target {
    /// The server's address.
    pub address: SocketAddr,
    /// The book that is meant: another one is refused.
    pub book: BookName,
    /// Plain on this machine, TLS elsewhere.
    pub security: Security,
    /// From connecting to the welcome.
    pub connect_timeout: Duration,
}

/// How the connection is protected.
#[derive(Clone)]
pub enum Security {
    /// Not at all: for a server on this machine.
    Plain,
    /// By TLS 1.3.
    Tls(ClientTls),
}

/// How one request is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallOptions {
    /// All or nothing, dry run, balances.
    pub flags: RequestFlags,
    /// Within what time an outcome is wanted.
    pub within: Duration,
}

impl CallOptions {
    /// No flag, thirty seconds.
    pub const STANDARD: Self = Self { flags: RequestFlags::NONE, within: Duration::from_secs(30) };
}

/// A request underway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Why a connection is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    /// The server ended it and said why.
    #[error("{0}")]
    Fault(Fault),
    /// The server ended it without a word.
    #[error("the server closed the connection without saying why")]
    Closed,
    /// The network or TLS failed.
    #[error("the connection failed: {0}")]
    Io(String),
    /// The server sent what this version does not allow.
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// Nobody listens there, or the way is barred.
    #[error("could not reach `{address}`: {reason}")]
    Unreachable {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// It took too long.
    #[error("expected a welcome from `{address}` within {} ms", within.as_millis())]
    Timeout {
        /// The address.
        address: SocketAddr,
        /// The time there was.
        within: Duration,
    },
    /// The server said no.
    #[error("{fault}; {}", mend(fault))]
    Refused {
        /// Its reason.
        fault: Fault,
    },
    /// The connection failed during the handshake.
    #[error("the handshake with `{address}` failed: {broken}")]
    Broken {
        /// The address.
        address: SocketAddr,
        /// How.
        broken: Broken,
    },
    /// The server keeps another book, and yet went on.
    #[error("expected book `{expected}`, got `{got}`")]
    Book {
        /// The book that is meant.
        expected: BookName,
        /// The book of the challenge.
        got: BookName,
    },
}

/// What to do about a refused handshake.
const fn mend(fault: &Fault) -> &'static str {
    match FaultCode::from_code(fault.0.code) {
        Some(FaultCode::ProtocolVersion) => "use a client of the server's version",
        Some(FaultCode::WrongBook) => "check the book's name and the address",
        Some(FaultCode::UnknownKey) => "register the key with the book first",
        Some(FaultCode::BadProof) => "sign with the key whose id was sent",
        Some(FaultCode::TlsRequired) => "connect with TLS, or from the server's own machine",
        Some(FaultCode::TlsUnavailable) => "connect without TLS, or give the server a certificate",
        Some(FaultCode::TooManyConnections | FaultCode::Stopping) => "try again later",
        Some(FaultCode::TooManyOfClient) => "close connections of this client first, or share them",
        Some(FaultCode::BookUnavailable) => "ask whoever runs the server what keeps the book",
        _ => "nothing was sent",
    }
}

/// Why a request was not submitted: nothing of it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubmitError {
    /// A request has at least one item.
    #[error("expected at least one item")]
    Empty,
    /// More items than one request may have.
    #[error("expected at most `{expected}` items, got `{got}`: send several requests")]
    TooManyItems {
        /// The most.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// More bytes than one request may have.
    #[error("expected at most `{expected}` bytes, got `{got}`: send several requests")]
    TooManyBytes {
        /// The most.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A command without bytes or with too many.
    #[error("expected a command of 1 to {COMMAND_BYTES_MAX} bytes, got `{got}`")]
    CommandLength {
        /// How many it has.
        got: usize,
    },
    /// So much was underway for so long that its time was over before it could be sent.
    #[error("nothing was sent: the connection had no room for it in time")]
    NoRoom,
    /// There is no connection any more.
    #[error("nothing was sent: {0}")]
    Broken(Broken),
}

/// What became of a request as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// One result per item.
    Results(Results),
    /// The answer to a query.
    Answer(Vec<u8>),
    /// The server is there.
    Pong,
    /// The same bytes will be refused again.
    Refused(Refused),
    /// Surely nothing of it was done.
    NotDone(WhyNotDone),
    /// It may have been done: look its ids up, or send the same bytes again.
    Unknown(WhyUnknown),
}

/// How it is known that nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNotDone {
    /// The server said so.
    Said {
        /// Its reason.
        not_done: NotDone,
        /// After how long to try again, where it says.
        retry_after: Option<Duration>,
    },
    /// The server ended the connection and said that it had not taken this request.
    Fault(Fault),
    /// No byte of it was sent before its time was over.
    TimeOver,
    /// No byte of it was sent before the connection broke.
    NeverSent(Broken),
}

/// Why it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyUnknown {
    /// The server said so.
    Said(Unknown),
    /// It was sent, and its time was over.
    TimeOver,
    /// It was sent, and the connection broke.
    Broken(Broken),
    /// This ticket's completion was given out before, or is none of this connection's.
    NoSuchTicket,
}

impl fmt::Display for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Results(results) => write!(f, "{} results", results.len()),
            Self::Answer(bytes) => write!(f, "an answer of {} bytes", bytes.len()),
            Self::Pong => f.write_str("the server is there"),
            Self::Refused(refused) => refused.fmt(f),
            Self::NotDone(why) => match why {
                WhyNotDone::Said { not_done, retry_after: None } => not_done.fmt(f),
                WhyNotDone::Said { not_done, retry_after: Some(after) } => {
                    write!(f, "{not_done}; try again after {} ms", after.as_millis())
                }
                WhyNotDone::Fault(fault) => write!(f, "the request was not done: {fault}"),
                WhyNotDone::TimeOver => f.write_str("the request was not sent within its time"),
                WhyNotDone::NeverSent(broken) => write!(f, "the request was not sent: {broken}"),
            },
            Self::Unknown(why) => {
                match why {
                    WhyUnknown::Said(unknown) => unknown.fmt(f)?,
                    WhyUnknown::TimeOver => f.write_str("no answer came within the time")?,
                    WhyUnknown::Broken(broken) => {
                        write!(f, "the request was sent, and then: {broken}")?;
                    }
                    WhyUnknown::NoSuchTicket => f.write_str("this ticket was settled before")?,
                }
                f.write_str("; look up its ids, or send the same bytes again")
            }
        }
    }
}

struct Underway {
    items: u16,
    weight: u32,
    deadline: Instant,
    /// Nobody waits for it any more; the server may still answer.
    given_up: bool,
    /// Facts come before its outcome.
    follows: bool,
}

/// One connection to one book.
pub struct Client {
    link: Link,
    welcome: Welcome,
    epoch: Epoch,
    last_request: u64,
    underway: BTreeMap<u64, Underway>,
    weight_underway: u64,
    submitted: Instant,
    completed: BTreeMap<u64, Completion>,
    order: VecDeque<u64>,
    facts: VecDeque<(u64, Facts)>,
    broken: Option<Broken>,
}

impl Client {
    /// Connects, proves `key` and waits for the welcome.
    pub fn connect(target: &Target, key: &SigningKey) -> Result<Self, ConnectError> {
        let address = target.address;
        let within = target.connect_timeout;
        let until = Instant::now() + within;
        let link = Link::connect(&address, &target.security, within).map_err(|error| {
            if error.kind() == std::io::ErrorKind::TimedOut {
                return ConnectError::Timeout { address, within };
            }
            ConnectError::Unreachable { address, reason: error.to_string() }
        })?;
        let mut shake = Handshake { link, until };
        shake
            .run(target, key)
            .map_err(|error| match error {
                ShakeError::TimeOver => ConnectError::Timeout { address, within },
                ShakeError::Broken(Broken::Fault(fault)) => ConnectError::Refused { fault },
                ShakeError::Broken(broken) => ConnectError::Broken { address, broken },
                ShakeError::Book(got) => ConnectError::Book { expected: target.book, got },
            })
            .map(|(welcome, epoch)| Self {
                link: shake.link,
                welcome,
                epoch,
                last_request: 0,
                underway: BTreeMap::new(),
                weight_underway: 0,
                submitted: Instant::now(),
                completed: BTreeMap::new(),
                order: VecDeque::new(),
                facts: VecDeque::new(),
                broken: None,
            })
    }

    /// This client's number in the book.
    #[must_use]
    pub const fn number(&self) -> ClientNumber {
        self.welcome.client
    }

    /// What this connection may have underway.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.welcome.limits
    }

    /// The epoch in which the server writes.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Requests whose outcome did not come yet.
    #[must_use]
    pub fn underway(&self) -> usize {
        self.underway.values().filter(|one| !one.given_up).count()
    }

    /// Why the connection is of no use any more, where it is not.
    #[must_use]
    pub const fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// Submits transfers.
    pub fn transfers<I>(&mut self, items: I, options: CallOptions) -> Result<Ticket, SubmitError>
    where
        I: IntoIterator<Item = Transfer>,
    {
        let items = items.into_iter();
        let mut frame = self.link.buffer(items.size_hint().0 * TRANSFER_BYTES);
        let mut count = 0;
        for item in items {
            frame.extend_from_slice(&item.write());
            count += 1;
        }
        self.submit(Kind::Transfers, frame, count, options)
    }

    /// Submits commands of the ledger, each in its canonical encoding.
    pub fn commands<C: AsRef<[u8]>>(
        &mut self,
        commands: &[C],
        options: CallOptions,
    ) -> Result<Ticket, SubmitError> {
        let mut frame = self.link.buffer(commands.iter().map(|one| one.as_ref().len() + 4).sum());
        for one in commands.iter().map(AsRef::as_ref) {
            if !Commands::push(&mut frame, one) {
                return Err(SubmitError::CommandLength { got: one.len() });
            }
        }
        self.submit(Kind::Commands, frame, commands.len(), options)
    }

    /// Asks what became of these.
    pub fn lookup(&mut self, ids: &[Lookup], within: Duration) -> Result<Ticket, SubmitError> {
        let mut frame = self.link.buffer(ids.len() * LOOKUP_BYTES);
        for id in ids {
            frame.extend_from_slice(&id.write());
        }
        let options = CallOptions { flags: RequestFlags::NONE, within };
        self.submit(Kind::Lookup, frame, ids.len(), options)
    }

    /// Asks a question in the service's own words.
    pub fn query(&mut self, query: &[u8], within: Duration) -> Result<Ticket, SubmitError> {
        if query.is_empty() {
            return Err(SubmitError::Empty);
        }
        let mut frame = self.link.buffer(query.len());
        frame.extend_from_slice(query);
        let options = CallOptions { flags: RequestFlags::NONE, within };
        self.submit(Kind::Query, frame, 0, options)
    }

    /// Asks whether the server is there.
    pub fn ping(&mut self, within: Duration) -> Result<Ticket, SubmitError> {
        let frame = self.link.buffer(0);
        let options = CallOptions { flags: RequestFlags::NONE, within };
        self.submit(Kind::Ping, frame, 0, options)
    }

    /// Submits transfers and waits for their outcome.
    pub fn post<I>(&mut self, items: I, options: CallOptions) -> Result<Completion, SubmitError>
    where
        I: IntoIterator<Item = Transfer>,
    {
        let ticket = self.transfers(items, options)?;
        Ok(self.wait(ticket))
    }

    /// Waits for this request's outcome, at most until its time is over.
    pub fn wait(&mut self, ticket: Ticket) -> Completion {
        loop {
            if let Some(completion) = self.completed.remove(&ticket.0) {
                let place = self.order.iter().position(|request| *request == ticket.0);
                place.and_then(|place| self.order.remove(place));
                return completion;
            }
            let underway = self.underway.get(&ticket.0).filter(|one| !one.given_up);
            let Some(until) = underway.map(|one| one.deadline) else {
                return Completion::Unknown(WhyUnknown::NoSuchTicket);
            };
            if !self.progress(until) {
                self.give_up(ticket.0);
            }
        }
    }

    /// Waits for whichever outcome comes first; nothing when nothing is underway.
    pub fn next_completion(&mut self) -> Option<(Ticket, Completion)> {
        loop {
            while let Some(request) = self.order.pop_front() {
                if let Some(completion) = self.completed.remove(&request) {
                    return Some((Ticket(request), completion));
                }
            }
            let waiting = self.underway.iter().filter(|(_, one)| !one.given_up);
            let (request, until) =
                waiting.map(|(id, one)| (*id, one.deadline)).min_by_key(|(_, by)| *by)?;
            if !self.progress(until) {
                self.give_up(request);
            }
        }
    }

    /// Every outcome, as it comes, until nothing is underway.
    pub fn completions(&mut self) -> impl Iterator<Item = (Ticket, Completion)> + '_ {
        core::iter::from_fn(|| self.next_completion())
    }

    /// Sends what is queued and takes what has come, without waiting.
    pub fn pump(&mut self) {
        if let Err(broken) = self.link.look() {
            self.break_off(&broken, Taken::PerhapsAll);
        }
        self.advance();
    }

    fn advance(&mut self) {
        while self.broken.is_none() && self.take_one() {}
    }

    /// Says that no more requests will come; what is underway may still be waited for.
    pub fn finish(&mut self) {
        self.link.finish();
    }

    fn submit(
        &mut self,
        kind: Kind,
        frame: Vec<u8>,
        items: usize,
        options: CallOptions,
    ) -> Result<Ticket, SubmitError> {
        let items = self.check(kind, &frame, items)?;
        let now = Instant::now();
        let deadline = now + options.within;
        if now.saturating_duration_since(self.submitted) > QUIET {
            // The server may have ended the connection meanwhile: better to see it before
            // sending, while the outcome is still certain.
            self.pump();
        }
        self.submitted = now;
        let body_bytes = length_u32(frame.len().saturating_sub(HEADER_BYTES));
        let weight = Header { items, body_bytes, ..Header::of(kind) }.weight();
        while self.broken.is_none() && !self.has_room(weight) {
            if !self.progress(deadline) {
                return Err(SubmitError::NoRoom);
            }
        }
        if let Some(broken) = &self.broken {
            return Err(SubmitError::Broken(broken.clone()));
        }
        self.last_request += 1;
        let request = self.last_request;
        let header = Header {
            flags: options.flags.bits(),
            items,
            request,
            millis: u32::try_from(options.within.as_millis()).unwrap_or(u32::MAX),
            ..Header::of(kind)
        };
        self.link.send(header, frame);
        self.weight_underway += u64::from(weight);
        self.underway.insert(
            request,
            Underway { items, weight, deadline, given_up: false, follows: kind == Kind::Follow },
        );
        self.advance();
        Ok(Ticket(request))
    }

    fn check(&self, kind: Kind, frame: &[u8], items: usize) -> Result<u16, SubmitError> {
        let limits = &self.welcome.limits;
        let with_items = matches!(kind, Kind::Transfers | Kind::Commands | Kind::Lookup);
        if with_items && items == 0 {
            return Err(SubmitError::Empty);
        }
        let expected = size(limits.items_per_frame).min(usize::from(ITEMS_MAX));
        let count = u16::try_from(items).ok().filter(|_| items <= expected);
        let count = count.ok_or(SubmitError::TooManyItems { expected, got: items })?;
        let got = frame.len().saturating_sub(HEADER_BYTES);
        let expected = size(limits.body_bytes.min(kind.body_bounds().1));
        if got > expected {
            return Err(SubmitError::TooManyBytes { expected, got });
        }
        Ok(count)
    }

    /// The server would stop reading beyond its limits; the client keeps them, so that what it
    /// has not sent it can still take back.
    fn has_room(&self, weight: u32) -> bool {
        let limits = &self.welcome.limits;
        let whole = self.weight_underway + u64::from(weight);
        self.underway.len() < size(limits.frames_in_flight)
            && (self.weight_underway == 0 || whole <= u64::from(limits.items_in_flight))
    }

    /// One thing done: a frame taken, the connection found broken, or the socket waited for.
    /// `false` when `until` has come and nothing was there.
    fn progress(&mut self, until: Instant) -> bool {
        if self.broken.is_some() {
            return false;
        }
        if self.take_one() {
            return true;
        }
        match self.link.sleep(until) {
            Ok(ready) => ready,
            Err(broken) => {
                self.break_off(&broken, Taken::PerhapsAll);
                true
            }
        }
    }

    fn take_one(&mut self) -> bool {
        match self.link.step() {
            Ok(None) => false,
            Ok(Some((header, body))) => {
                self.take(&header, body);
                true
            }
            Err(broken) => {
                self.break_off(&broken, Taken::PerhapsAll);
                true
            }
        }
    }

    fn take(&mut self, header: &Header, body: Vec<u8>) {
        if header.kind == Kind::Fault {
            self.break_off(&Broken::of_fault(&body), Taken::UpTo(header.request));
            return;
        }
        let Some(underway) = self.underway.get(&header.request) else {
            let text = format!("a reply to `{}`, which is not underway", header.request);
            self.break_off(&Broken::Protocol(text), Taken::PerhapsAll);
            return;
        };
        if header.kind == Kind::Facts && underway.follows {
            let next = Facts::read(body, header.items);
            return match next {
                Some(facts) => self.facts.push_back((header.request, facts)),
                None => self.break_off(&layout(Kind::Facts), Taken::PerhapsAll),
            };
        }
        let (items, weight) = (underway.items, u64::from(underway.weight));
        let given_up = underway.given_up;
        let Some(completion) = completion(header, body, items) else {
            let text = format!("a reply of kind `{}` in no known layout", header.kind.name());
            self.break_off(&Broken::Protocol(text), Taken::PerhapsAll);
            return;
        };
        self.weight_underway -= weight;
        self.underway.remove(&header.request);
        if !given_up {
            self.complete(header.request, completion);
        }
    }

    fn complete(&mut self, request: u64, completion: Completion) {
        self.completed.insert(request, completion);
        self.order.push_back(request);
    }

    /// Its time is over: *not done* when no byte of it was sent, *unknown* otherwise.
    fn give_up(&mut self, request: u64) {
        let Some(underway) = self.underway.get_mut(&request) else { return };
        if self.link.unsend(request) {
            self.weight_underway -= u64::from(underway.weight);
            self.underway.remove(&request);
            self.complete(request, Completion::NotDone(WhyNotDone::TimeOver));
        } else {
            underway.given_up = true;
            self.complete(request, Completion::Unknown(WhyUnknown::TimeOver));
        }
    }

    fn break_off(&mut self, broken: &Broken, taken: Taken) {
        let underway = core::mem::take(&mut self.underway);
        self.weight_underway = 0;
        for (request, _) in underway.into_iter().filter(|(_, one)| !one.given_up) {
            let completion = match (broken, taken) {
                (Broken::Fault(fault), Taken::UpTo(last)) if request > last => {
                    Completion::NotDone(WhyNotDone::Fault(fault.clone()))
                }
                _ if self.link.is_unsent(request) => {
                    Completion::NotDone(WhyNotDone::NeverSent(broken.clone()))
                }
                _ => Completion::Unknown(WhyUnknown::Broken(broken.clone())),
            };
            self.complete(request, completion);
        }
        self.broken.get_or_insert_with(|| broken.clone());
    }
}

/// Which requests the server had taken when the connection ended.
#[derive(Clone, Copy)]
enum Taken {
    /// Those up to this id, as its fault says.
    UpTo(u64),
    /// Nobody said.
    PerhapsAll,
}

/// Reads a reply; `None` when it is not in the layout of its kind.
fn completion(header: &Header, body: Vec<u8>, items: u16) -> Option<Completion> {
    let completion = match header.kind {
        Kind::Results if header.items == items => {
            Completion::Results(Results::read(body, items, header.flags)?)
        }
        Kind::Answer => Completion::Answer(body),
        Kind::Pong => Completion::Pong,
        Kind::Refused => Completion::Refused(Refused(Said::read(&body)?)),
        Kind::NotDone => {
            let after = Duration::from_millis(header.millis.into());
            Completion::NotDone(WhyNotDone::Said {
                not_done: NotDone(Said::read(&body)?),
                retry_after: (!after.is_zero()).then_some(after),
            })
        }
        Kind::Unknown => Completion::Unknown(WhyUnknown::Said(Unknown(Said::read(&body)?))),
        Kind::Results
        | Kind::Hello
        | Kind::Challenge
        | Kind::Proof
        | Kind::Welcome
        | Kind::Fault
        | Kind::Transfers
        | Kind::Commands
        | Kind::Lookup
        | Kind::Query
        | Kind::Ping
        | Kind::Follow
        | Kind::Credit
        | Kind::Facts => return None,
    };
    Some(completion)
}

enum ShakeError {
    TimeOver,
    Broken(Broken),
    Book(BookName),
}

impl From<Broken> for ShakeError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

struct Handshake {
    link: Link,
    until: Instant,
}

impl Handshake {
    fn run(&mut self, target: &Target, key: &SigningKey) -> Result<(Welcome, Epoch), ShakeError> {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(|error| Broken::Io(error.to_string()))?;
        let hello = Hello { book: target.book, key: key.key_id(), nonce };
        let body = self.exchange(Kind::Hello, &hello.write(), Kind::Challenge)?;
        let challenge = Challenge::read(&body).ok_or_else(|| layout(Kind::Challenge))?;
        if challenge.book != target.book {
            return Err(ShakeError::Book(challenge.book));
        }
        let proof = prove(key, &hello, &challenge, self.link.binding()?);
        let body = self.exchange(Kind::Proof, proof.as_bytes(), Kind::Welcome)?;
        let welcome = Welcome::read(&body).ok_or_else(|| layout(Kind::Welcome))?;
        Ok((welcome, challenge.epoch))
    }

    fn exchange(&mut self, kind: Kind, body: &[u8], wanted: Kind) -> Result<Vec<u8>, ShakeError> {
        let mut frame = self.link.buffer(body.len());
        frame.extend_from_slice(body);
        self.link.send(Header::of(kind), frame);
        loop {
            match self.link.step()? {
                Some((header, body)) if header.kind == wanted => return Ok(body),
                Some((header, body)) if header.kind == Kind::Fault => {
                    return Err(Broken::of_fault(&body).into());
                }
                Some((header, _)) => {
                    let (wanted, got) = (wanted.name(), header.kind.name());
                    let text = format!("expected a frame of kind `{wanted}`, got `{got}`");
                    return Err(Broken::Protocol(text).into());
                }
                None if self.link.sleep(self.until)? => {}
                None => return Err(ShakeError::TimeOver),
            }
        }
    }
}

fn layout(kind: Kind) -> Broken {
    Broken::Protocol(format!("expected a `{}` in the layout of version 1", kind.name()))
}

impl Fault {
    /// Whether the same handshake or request may succeed later, unchanged.
    #[must_use]
    pub fn may_retry_help(&self) -> bool {
        matches!(
            self.code(),
            Coded::Known(
                FaultCode::TooManyConnections
                    | FaultCode::TooManyOfClient
                    | FaultCode::BookUnavailable
                    | FaultCode::Stopping
                    | FaultCode::Idle
                    | FaultCode::HandshakeTimeout
                    | FaultCode::FrameTimeout
                    | FaultCode::Damaged
            )
        )
    }
}
