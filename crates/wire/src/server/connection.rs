//! One connection: frames in, requests out, replies written, within its limits.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use mio::event::Event;
use mio::net::TcpStream;
use seal::Signature;

use super::books::{BookNumber, Books, NotKept, Seat, Seats};
use super::output::{Counted, Output};
use super::reply::{Address, Outbox, Posted};
use super::stream::CreditLine;
use super::{RegisteredClient, Reply, ServerConfig, Service};
use crate::body::{Body, Pool};
use crate::codes::{FaultCode, RefusedCode};
use crate::follow::Credit;
use crate::frame::{HEADER_BYTES, Header, Integrity, Kind};
use crate::handshake::{Challenge, ClientNumber, Hello, Welcome, check_proof};
use crate::outcome::{Fault, Refused, ReplyBody};
use crate::request::{Content, Request};
use crate::transport::{Got, Transport};

/// What one connection may read in one turn before the next has its own.
const TURN_BYTES: usize = 256 << 10;
/// One read of small frames.
pub(super) const SCRATCH_BYTES: usize = (64 << 10) + HEADER_BYTES;
/// Written replies that the client does not read: beyond it, nothing more is read from it.
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// The first byte of a TLS record that begins a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a connection needs of the thread that it lives on.
pub(super) struct Thread<'a, S> {
    pub(super) books: &'a mut Books<S>,
    pub(super) seats: &'a mut Seats,
    pub(super) config: &'a ServerConfig,
    pub(super) outbox: &'a Arc<Outbox>,
    pub(super) pool: &'a Pool,
    pub(super) scratch: &'a mut [u8],
    pub(super) now: Instant,
}

/// What is to be done with a connection after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It has more to do at once.
    Again,
    /// It waits for the socket or for replies.
    Wait,
    /// It is over.
    Close,
}

enum Phase {
    /// Not one byte was seen: plain or TLS is open.
    New,
    Hello,
    Proof(Box<Challenged>),
    /// With its place among its client's connections, which is free once it is told a fault.
    Open(Seat),
    /// A fault was said: what still comes is thrown away until the client has read it.
    Closing {
        since: Instant,
        finished: bool,
    },
}

struct Challenged {
    hello: Hello,
    challenge: Challenge,
    book: BookNumber,
    client: RegisteredClient,
}

struct Arriving {
    header: Header,
    body: Body,
    filled: usize,
}

/// Follows under way, by request. When the connection goes, who sends them facts learns it.
#[derive(Default)]
struct Follows(BTreeMap<u64, Arc<CreditLine>>);

impl Drop for Follows {
    fn drop(&mut self) {
        self.0.values().for_each(|follow| follow.close());
    }
}

pub(super) struct Connection {
    pub(super) address: Address,
    peer: IpAddr,
    transport: Transport,
    phase: Phase,
    readable: bool,
    writable: bool,
    /// The socket has said that its end has come: a short read is not the last one, and no
    /// further readiness will be reported.
    hung_up: bool,
    /// The client will send nothing more.
    ended: bool,
    /// The server will take nothing more.
    stopping: bool,
    /// Whole frames that limits keep from being taken, or the beginning of a header.
    kept: Vec<u8>,
    /// Kept frames wait for room among what is in flight.
    blocked: bool,
    arriving: Option<Arriving>,
    last_request: u64,
    frames_in_flight: u32,
    weight_in_flight: u32,
    follows: Follows,
    output: Output,
    connected: Instant,
    /// Since when a frame is unfinished.
    begun: Option<Instant>,
    read_at: Instant,
    written_at: Instant,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: IpAddr, address: Address, now: Instant) -> Self {
        Self {
            address,
            peer,
            transport: Transport::plain(stream),
            phase: Phase::New,
            readable: true,
            writable: true,
            hung_up: false,
            ended: false,
            stopping: false,
            kept: Vec::new(),
            blocked: false,
            arriving: None,
            last_request: 0,
            frames_in_flight: 0,
            weight_in_flight: 0,
            follows: Follows::default(),
            output: Output::default(),
            connected: now,
            begun: None,
            read_at: now,
            written_at: now,
        }
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        self.transport.stream()
    }

    pub(super) fn ready(&mut self, event: &Event) {
        let hung_up = event.is_read_closed() || event.is_error();
        self.hung_up |= hung_up;
        self.readable |= event.is_readable() || hung_up;
        self.writable |= event.is_writable() || event.is_write_closed();
    }

    /// One turn: writes what waits, reads one quantum, writes what that made.
    pub(super) fn turn<S: Service>(&mut self, thread: &mut Thread<'_, S>) -> After {
        let went = self
            .write(thread.now)
            .and_then(|()| self.take_in(thread))
            .and_then(|()| self.write(thread.now));
        if went.is_err() { After::Close } else { self.after(thread.config) }
    }

    /// Writes replies and says what is next, without reading.
    pub(super) fn write_turn(&mut self, config: &ServerConfig, now: Instant) -> After {
        if self.write(now).is_err() { After::Close } else { self.after(config) }
    }

    /// Takes a reply that some thread has finished.
    pub(super) fn deliver(&mut self, posted: Posted, now: Instant) {
        if matches!(self.phase, Phase::Closing { .. }) {
            return;
        }
        let counted = match posted.weight {
            Some(weight) => {
                self.follows.0.remove(&posted.request);
                Counted::Weight(weight)
            }
            None => Counted::No,
        };
        self.push(posted.frame, counted, now);
    }

    /// Says why the connection ends, and which request was the last one taken: all after it are
    /// surely not done. It ends when that was read.
    pub(super) fn fault(&mut self, fault: &Fault, now: Instant) {
        if matches!(self.phase, Phase::Closing { .. }) {
            return;
        }
        let frame = ReplyBody::fault(fault).into_frame(self.last_request, self.integrity());
        self.push(frame, Counted::No, now);
        self.phase = Phase::Closing { since: now, finished: false };
        self.kept = Vec::new();
        self.arriving = None;
        self.begun = None;
    }

    /// Takes no more requests; ends when nothing is in flight.
    pub(super) fn stop(&mut self, now: Instant) {
        self.stopping = true;
        let open = matches!(self.phase, Phase::Open(_));
        if !open || self.frames_in_flight == 0 {
            self.fault(&Fault::new(FaultCode::Stopping, ""), now);
        }
    }

    /// Whether a time limit has passed; a fault may have been said.
    pub(super) fn is_overdue(&mut self, config: &ServerConfig, now: Instant) -> bool {
        let limits = &config.timeouts;
        let since = |then: Instant| now.saturating_duration_since(then);
        if !self.output.is_empty() && since(self.written_at) > limits.slow_reader {
            return true;
        }
        let fault = match &self.phase {
            Phase::Closing { since: then, .. } => return since(*then) > limits.linger,
            Phase::New | Phase::Hello | Phase::Proof(_) => (since(self.connected)
                > limits.handshake)
                .then_some((FaultCode::HandshakeTimeout, limits.handshake)),
            Phase::Open(_) if self.begun.is_some_and(|then| since(then) > limits.frame) => {
                Some((FaultCode::FrameTimeout, limits.frame))
            }
            Phase::Open(_) => {
                let quiet = since(self.read_at.max(self.written_at)) > limits.idle;
                let idle = quiet && self.frames_in_flight == 0 && self.begun.is_none();
                idle.then_some((FaultCode::Idle, limits.idle))
            }
        };
        if let Some((code, limit)) = fault {
            let text = format!("the limit is {} ms", limit.as_millis());
            self.fault(&Fault::new(code, text), now);
        }
        false
    }

    fn after(&mut self, config: &ServerConfig) -> After {
        let empty = self.output.is_empty();
        if let Phase::Closing { finished, .. } = &mut self.phase {
            if !empty {
                return After::Wait;
            }
            if self.ended {
                return After::Close;
            }
            if !*finished {
                *finished = true;
                if self.transport.finish().is_err() {
                    return After::Close;
                }
            }
            return if self.readable { After::Again } else { After::Wait };
        }
        if self.ended && empty && self.frames_in_flight == 0 && !self.blocked {
            return After::Close;
        }
        let room = !self.blocked || self.has_room_for_kept(config);
        let more = (self.blocked || (self.readable && !self.ended)) && room && self.may_read();
        if more { After::Again } else { After::Wait }
    }

    fn integrity(&self) -> Integrity {
        self.transport.integrity()
    }

    fn push(&mut self, frame: Vec<u8>, counted: Counted, now: Instant) {
        if self.output.is_empty() {
            self.written_at = now;
        }
        self.output.push(frame, counted);
    }

    fn write(&mut self, now: Instant) -> io::Result<()> {
        while self.writable && !self.output.is_empty() {
            match self.output.write(&mut self.transport)? {
                None => self.writable = false,
                Some(written) => {
                    self.frames_in_flight -= written.frames.min(self.frames_in_flight);
                    self.weight_in_flight -= written.weight.min(self.weight_in_flight);
                    if written.bytes > 0 {
                        self.written_at = now;
                    }
                }
            }
        }
        if self.writable && !self.transport.flush()? {
            self.writable = false;
        }
        Ok(())
    }

    fn may_read(&self) -> bool {
        let closing = matches!(self.phase, Phase::Closing { .. });
        closing || (!self.stopping && self.output.bytes() <= OUTPUT_BYTES_MAX)
    }

    fn take_in<S: Service>(&mut self, thread: &mut Thread<'_, S>) -> io::Result<()> {
        let mut left = TURN_BYTES;
        if self.blocked && self.has_room_for_kept(thread.config) {
            let kept = core::mem::take(&mut self.kept);
            self.blocked = false;
            left = left.saturating_sub(kept.len());
            self.keep_after(&kept, thread);
        }
        while left > 0 && self.readable && !self.ended && !self.blocked && self.may_read() {
            let got = match self.phase {
                Phase::New => self.choose_transport(thread)?,
                Phase::Closing { .. } => self.transport.read(thread.scratch)?,
                Phase::Hello | Phase::Proof(_) | Phase::Open(_) => self.read(thread)?,
            };
            match got {
                Got::Bytes { count, more } => {
                    left = left.saturating_sub(count);
                    self.readable = more || self.hung_up;
                    self.read_at = thread.now;
                }
                Got::Later => self.readable = false,
                Got::End => {
                    self.ended = true;
                    // No more credit can come: whoever follows is told the end of it, and a
                    // connection whose other side is gone is found out by that write.
                    self.follows.0.values().for_each(|follow| follow.give(0));
                }
            }
        }
        // A frame that was cut off can never be finished.
        if self.ended && !self.blocked && self.begun.is_some() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Looks at the first byte, which tells TLS from ours, and leaves it where it is.
    fn choose_transport<S: Service>(&mut self, thread: &Thread<'_, S>) -> io::Result<Got> {
        let mut first = [0];
        match self.stream().peek(&mut first) {
            Ok(0) => return Ok(Got::End),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Got::Later),
            Err(error) => return Err(error),
        }
        if first != [TLS_HANDSHAKE] {
            self.phase = Phase::Hello;
            if !thread.config.plain.admits(self.peer) {
                let text = format!("plain TCP is not taken from `{}`", self.peer);
                self.fault(&Fault::new(FaultCode::TlsRequired, text), thread.now);
            }
        } else if let Some(tls) = &thread.config.tls {
            let session = tls.session().map_err(io::Error::other)?;
            self.transport.begin_tls(session);
            self.phase = Phase::Hello;
        } else {
            self.fault(&Fault::new(FaultCode::TlsUnavailable, ""), thread.now);
        }
        Ok(Got::Bytes { count: 0, more: true })
    }

    /// One read: into the body that is arriving, or into the thread's scratch.
    fn read<S: Service>(&mut self, thread: &mut Thread<'_, S>) -> io::Result<Got> {
        if let Some(arriving) = &mut self.arriving {
            let space = arriving.body.space().get_mut(arriving.filled..).unwrap_or_default();
            let got = self.transport.read(space)?;
            if let Got::Bytes { count, .. } = got {
                arriving.filled += count;
                self.dispatch_if_whole(thread);
            }
            return Ok(got);
        }
        let scratch = core::mem::take(&mut thread.scratch);
        let begins = self.kept.len();
        if let Some(to) = scratch.get_mut(..begins) {
            to.copy_from_slice(&self.kept);
        }
        self.kept.clear();
        let got = self.transport.read(scratch.get_mut(begins..).unwrap_or_default());
        let count = if let Ok(Got::Bytes { count, .. }) = got { count } else { 0 };
        self.keep_after(scratch.get(..begins + count).unwrap_or_default(), thread);
        thread.scratch = scratch;
        got
    }

    /// Takes frames from `bytes` and keeps what cannot be taken yet.
    fn keep_after<S: Service>(&mut self, bytes: &[u8], thread: &mut Thread<'_, S>) {
        let mut rest = bytes;
        while let Some(after) = self.take_frame(rest, thread) {
            rest = after;
        }
        if !matches!(self.phase, Phase::Closing { .. }) {
            self.kept.extend_from_slice(rest);
            if !rest.is_empty() && !self.blocked && self.begun.is_none() {
                self.begun = Some(thread.now);
            }
        }
    }

    /// Takes one frame, or the part of it that is there; `None` when there is nothing to take.
    fn take_frame<'b, S: Service>(
        &mut self,
        bytes: &'b [u8],
        thread: &mut Thread<'_, S>,
    ) -> Option<&'b [u8]> {
        let (head, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let header = match Header::read(head, self.integrity()) {
            Ok(header) => header,
            Err(error) => {
                self.fault(&Fault::new(error.fault(), error.to_string()), thread.now);
                return None;
            }
        };
        if !self.may_begin(&header, thread) {
            return None;
        }
        let length = header.body_size();
        if let Some((body, rest)) = rest.split_at_checked(length) {
            self.dispatch(&header, Body::copied(body), thread);
            return (!matches!(self.phase, Phase::Closing { .. })).then_some(rest);
        }
        let mut body = thread.pool.body(length);
        if let Some(to) = body.space().get_mut(..rest.len()) {
            to.copy_from_slice(rest);
        }
        self.begun = Some(thread.now);
        self.arriving = Some(Arriving { header, body, filled: rest.len() });
        Some(&[])
    }

    /// Whether this frame may stand here and has room; else it waits, or the connection ends.
    fn may_begin<S: Service>(&mut self, header: &Header, thread: &Thread<'_, S>) -> bool {
        let expected = match self.phase {
            Phase::Closing { .. } => return false,
            Phase::New | Phase::Hello => header.kind == Kind::Hello,
            Phase::Proof(_) => header.kind == Kind::Proof,
            Phase::Open(_) => header.kind.is_request(),
        };
        let limits = &thread.config.limits;
        let too_large = u32::from(header.items) > limits.items_per_frame
            || header.body_bytes > limits.body_bytes;
        let fault = if !expected {
            let text = format!("got a frame of kind `{}`", header.kind.name());
            Fault::new(FaultCode::Unexpected, text)
        } else if too_large && header.kind.is_request() {
            let text = format!(
                "expected at most `{}` items and `{}` bytes, got `{}` and `{}`",
                limits.items_per_frame, limits.body_bytes, header.items, header.body_bytes
            );
            Fault::new(FaultCode::TooLarge, text)
        } else if header.kind.is_request() && header.request <= self.last_request {
            let (last, got) = (self.last_request, header.request);
            let text = format!("expected an id above `{last}`, got `{got}`");
            Fault::new(FaultCode::RequestIdNotRising, text)
        } else {
            let room = is_uncounted(header.kind) || self.has_room(header, thread.config);
            self.blocked = !(room && self.may_read());
            if self.blocked {
                // It is we who let it wait.
                self.begun = None;
            }
            return !self.blocked;
        };
        self.fault(&fault, thread.now);
        false
    }

    fn has_room(&self, header: &Header, config: &ServerConfig) -> bool {
        let weight = self.weight_in_flight.saturating_add(header.weight());
        self.frames_in_flight < config.limits.frames_in_flight
            && (self.weight_in_flight == 0 || weight <= config.limits.items_in_flight)
    }

    fn has_room_for_kept(&self, config: &ServerConfig) -> bool {
        let header = self.kept.first_chunk().map(|head| Header::read(head, self.integrity()));
        match header {
            Some(Ok(header)) => {
                self.may_read() && (is_uncounted(header.kind) || self.has_room(&header, config))
            }
            _ => true,
        }
    }

    fn dispatch_if_whole<S: Service>(&mut self, thread: &mut Thread<'_, S>) {
        let whole = |arriving: &mut Arriving| arriving.filled >= arriving.header.body_size();
        if let Some(Arriving { header, body, .. }) = self.arriving.take_if(whole) {
            self.dispatch(&header, body, thread);
        }
    }

    fn dispatch<S: Service>(&mut self, header: &Header, body: Body, thread: &mut Thread<'_, S>) {
        self.begun = None;
        if let Err(error) = header.check_body(&body, self.integrity()) {
            let fault = Fault::new(error.fault(), error.to_string());
            self.fault(&fault, thread.now);
            return;
        }
        let said = match &self.phase {
            Phase::New | Phase::Hello => self.hello(&body, thread),
            Phase::Proof(_) => self.proof(&body, thread),
            Phase::Open(seat) => {
                let member = seat.member;
                self.request(member, header, body, thread);
                Ok(())
            }
            Phase::Closing { .. } => Ok(()),
        };
        if let Err(fault) = said {
            self.fault(&fault, thread.now);
        }
    }

    fn hello<S: Service>(&mut self, body: &[u8], thread: &mut Thread<'_, S>) -> Result<(), Fault> {
        let malformed = || Fault::new(FaultCode::Malformed, "expected a hello of version 1");
        let hello = Hello::read(body).ok_or_else(malformed)?;
        let name = hello.book;
        let book = thread.books.find(&name).map_err(|why| match why {
            NotKept::Elsewhere(text) => Fault::new(FaultCode::WrongBook, text),
            NotKept::Unavailable => Fault::new(FaultCode::BookUnavailable, ""),
        })?;
        let unavailable = || Fault::new(FaultCode::BookUnavailable, "");
        let service = thread.books.service(book).ok_or_else(unavailable)?;
        let client = service.client(&hello.key).ok_or_else(|| {
            let text = format!("key `{}` is not registered in book `{name}`", hello.key);
            Fault::new(FaultCode::UnknownKey, text)
        })?;
        let mut nonce = [0; 32];
        // Without randomness nobody may come in, and the reason is not the client's business.
        getrandom::fill(&mut nonce).map_err(|_| Fault::new(FaultCode::Stopping, ""))?;
        let challenge = Challenge { book: name, nonce, epoch: service.epoch() };
        let frame = Header::of(Kind::Challenge).frame(&challenge.write(), self.integrity());
        self.push(frame, Counted::No, thread.now);
        self.phase = Phase::Proof(Box::new(Challenged { hello, challenge, book, client }));
        Ok(())
    }

    fn proof<S: Service>(&mut self, body: &[u8], thread: &mut Thread<'_, S>) -> Result<(), Fault> {
        let Phase::Proof(challenged) = &self.phase else { return Ok(()) };
        let Challenged { hello, challenge, book, client } = &**challenged;
        let bad = || {
            let text = format!("expected a signature by key `{}`", hello.key);
            Fault::new(FaultCode::BadProof, text)
        };
        let proof = Signature::from_bytes(*body.first_chunk().ok_or_else(bad)?);
        let binding = self.transport.binding().map_err(|_| bad())?;
        check_proof(&client.key, hello, challenge, binding, &proof).map_err(|_| bad())?;
        // Not before: whoever only knows a key's id must not take its client's places.
        let (member, most) = ((*book, client.number), thread.config.connections_of_client);
        let seat = thread.seats.take(member, most).ok_or_else(|| {
            Fault::new(FaultCode::TooManyOfClient, format!("the most is `{most}`"))
        })?;
        let idle_ms = thread.config.timeouts.idle.as_millis();
        let welcome = Welcome {
            client: client.number,
            limits: thread.config.limits,
            idle_ms: u32::try_from(idle_ms).unwrap_or(u32::MAX),
        };
        let frame = Header::of(Kind::Welcome).frame(&welcome.write(), self.integrity());
        self.push(frame, Counted::No, thread.now);
        self.phase = Phase::Open(seat);
        Ok(())
    }

    fn request<S: Service>(
        &mut self,
        (book, client): (BookNumber, ClientNumber),
        header: &Header,
        body: Body,
        thread: &mut Thread<'_, S>,
    ) {
        self.last_request = header.request;
        if header.kind == Kind::Credit {
            match Credit::read(&body) {
                // It may have ended while the credit was on its way.
                Some(credit) => {
                    if let Some(follow) = self.follows.0.get(&credit.follow) {
                        follow.give(credit.frames);
                    }
                }
                None => {
                    let text = "expected a credit of version 1";
                    self.fault(&Fault::new(FaultCode::Malformed, text), thread.now);
                }
            }
            return;
        }
        let reply_here = if header.kind == Kind::Ping {
            ReplyBody::pong()
        } else {
            match Request::parse(header, body, thread.now) {
                Ok(request) => {
                    self.frames_in_flight += 1;
                    self.weight_in_flight += header.weight();
                    let outbox = Arc::clone(thread.outbox);
                    let mut reply = Reply::new(outbox, self.address, header, self.integrity());
                    if let Content::Follow(follow) = &request.content {
                        let credit = Arc::new(CreditLine::new(follow.credit));
                        self.follows.0.insert(header.request, Arc::clone(&credit));
                        reply = reply.with_credit(credit);
                    }
                    // Without a service the reply is dropped, which says *unknown*.
                    if let Some(service) = thread.books.service(book) {
                        service.request(client, request, reply);
                    }
                    return;
                }
                Err(malformed) => {
                    let refused = Refused::new(RefusedCode::Malformed, malformed.to_string());
                    ReplyBody::refused(&match malformed.item() {
                        Some(item) => refused.of_item(item),
                        None => refused,
                    })
                }
            }
        };
        let frame = reply_here.into_frame(header.request, self.integrity());
        self.push(frame, Counted::No, thread.now);
    }
}

/// Frames that are taken at once: neither costs anything that lasts.
const fn is_uncounted(kind: Kind) -> bool {
    matches!(kind, Kind::Ping | Kind::Credit)
}

// INVARIANT (KeptFits): unblocked, less than a header is kept; blocked, nothing is read.
const _: () = assert!(SCRATCH_BYTES > HEADER_BYTES);
