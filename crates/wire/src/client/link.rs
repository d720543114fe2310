//! The client's end of one connection: writes what waits, reads what comes, sleeps until a time.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::incoming::Incoming;
use super::{Broken, Security};
use crate::frame::Header;
use crate::handshake::Binding;
use crate::outcome::{Fault, Said};
use crate::transport::{Got, Transport};

/// Frames written by one system call.
const SLICES: usize = 16;
/// Sent frames whose buffers are used again.
const SPARE_MAX: usize = 4;

struct Outgoing {
    request: u64,
    frame: Vec<u8>,
}

pub(super) struct Link {
    poll: Poll,
    events: Events,
    transport: Transport,
    readable: bool,
    writable: bool,
    /// The socket has said that its end has come: a short read is not the last one.
    hung_up: bool,
    incoming: Incoming,
    outgoing: VecDeque<Outgoing>,
    /// How much of the first outgoing frame is written.
    written: usize,
    spare: Vec<Vec<u8>>,
}

impl Link {
    pub(super) fn connect(
        address: &SocketAddr,
        security: &Security,
        timeout: Duration,
    ) -> Result<Self, std::io::Error> {
        let stream = std::net::TcpStream::connect_timeout(address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut transport = Transport::plain(TcpStream::from_std(stream));
        let poll = Poll::new()?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(transport.stream(), Token(0), interest)?;
        if let Security::Tls(tls) = security {
            transport.begin_tls(tls.session().map_err(std::io::Error::other)?);
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(8),
            transport,
            readable: true,
            writable: true,
            hung_up: false,
            incoming: Incoming::new(),
            outgoing: VecDeque::new(),
            written: 0,
            spare: Vec::new(),
        })
    }

    pub(super) fn binding(&self) -> Result<Binding, Broken> {
        self.transport.binding().map_err(|error| Broken::Io(error.to_string()))
    }

    /// An empty buffer with room for a header and `body_bytes`.
    pub(super) fn buffer(&mut self, body_bytes: usize) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.reserve(crate::frame::HEADER_BYTES + body_bytes);
        buffer.extend_from_slice(&[0; crate::frame::HEADER_BYTES]);
        buffer
    }

    /// Queues a frame whose header has its room at the front.
    pub(super) fn send(&mut self, header: Header, mut frame: Vec<u8>) {
        header.write_into(&mut frame, self.transport.integrity());
        self.outgoing.push_back(Outgoing { request: header.request, frame });
    }

    /// Takes back a frame of which nothing was written; whether there was one.
    pub(super) fn unsend(&mut self, request: u64) -> bool {
        let begun = usize::from(self.written > 0);
        let found = self.outgoing.iter().skip(begun).position(|out| out.request == request);
        found.and_then(|place| self.outgoing.remove(place + begun)).is_some()
    }

    /// Whether nothing of this request was written.
    pub(super) fn is_unsent(&self, request: u64) -> bool {
        let begun = usize::from(self.written > 0);
        self.outgoing.iter().skip(begun).any(|out| out.request == request)
    }

    /// Writes and reads what can be without waiting; the next whole frame, where there is one.
    pub(super) fn step(&mut self) -> Result<Option<(Header, Vec<u8>)>, Broken> {
        // A server that ends the connection may have said why before: read even when writing
        // fails.
        let wrote = self.write();
        loop {
            if let Some(frame) = self.incoming.next(&self.transport).map_err(Broken::of_frame)? {
                return Ok(Some(frame));
            }
            if !self.readable {
                return wrote.map(|()| None);
            }
            match self.incoming.read(&mut self.transport) {
                Ok(Got::Bytes { more, .. }) => self.readable = more || self.hung_up,
                Ok(Got::Later) => self.readable = false,
                Ok(Got::End) => return Err(Broken::Closed),
                Err(error) => return wrote.and(Err(Broken::Io(error.to_string()))),
            }
        }
    }

    /// Sleeps until the socket is ready or `until` has come; `false` when it has come.
    pub(super) fn sleep(&mut self, until: Instant) -> Result<bool, Broken> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }

        self.poll_for(left).map(|()| true)
    }

    /// Asks whether the socket is ready, without waiting.
    pub(super) fn look(&mut self) -> Result<(), Broken> {
        self.poll_for(Duration::ZERO)
    }

    fn poll_for(&mut self, left: Duration) -> Result<(), Broken> {
        match self.poll.poll(&mut self.events, Some(left)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Broken::Io(error.to_string())),
        }
        for event in &self.events {
            self.hung_up |= event.is_read_closed() || event.is_error();
            self.readable |= event.is_readable() || self.hung_up;
            self.writable |= event.is_writable() || event.is_write_closed();
        }
        Ok(())
    }

    /// Says that nothing more will come; what is underway is still answered.
    pub(super) fn finish(&mut self) {
        let _ = self.write();
        let _ = self.transport.finish();
    }

    fn write(&mut self) -> Result<(), Broken> {
        let broken = |error: std::io::Error| Broken::Io(error.to_string());
        while self.writable && !self.outgoing.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let (mut skip, mut used) = (self.written, 0);
            for (slice, out) in slices.iter_mut().zip(&self.outgoing) {
                *slice = IoSlice::new(out.frame.get(skip..).unwrap_or_default());
                (skip, used) = (0, used + 1);
            }
            let slices = slices.get(..used).unwrap_or_default();
            match self.transport.write(slices).map_err(broken)? {
                None => self.writable = false,
                Some(count) => self.advance(count),
            }
        }
        if self.writable && !self.transport.flush().map_err(broken)? {
            self.writable = false;
        }
        Ok(())
    }

    fn advance(&mut self, count: usize) {
        self.written += count;
        while self.outgoing.front().is_some_and(|out| out.frame.len() <= self.written) {
            if let Some(out) = self.outgoing.pop_front() {
                self.written -= out.frame.len();
                if self.spare.len() < SPARE_MAX {
                    self.spare.push(out.frame);
                }
            }
        }
    }
}

impl Broken {
    fn of_frame(error: crate::frame::FrameError) -> Self {
        Self::Protocol(error.to_string())
    }

    /// The fault in a frame's body.
    pub(super) fn of_fault(body: &[u8]) -> Self {
        match Said::read(body) {
            Some(said) => Self::Fault(Fault(said)),
            None => Self::Protocol("expected a fault in the layout of version 1".to_owned()),
        }
    }
}
