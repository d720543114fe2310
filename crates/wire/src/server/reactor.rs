//! The I/O thread: readiness in, turns out, replies delivered, limits of time kept.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::books::{Books, Seats};
use super::connection::{After, Connection, SCRATCH_BYTES, Thread};
use super::reply::{Address, Outbox, Posted};
use super::{ServerConfig, Service};
use crate::body::Pool;
use crate::codes::FaultCode;
use crate::outcome::Fault;

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_SLOT: usize = 2;

/// Readiness taken from the system at once.
const EVENTS: usize = 1024;
/// Connections accepted in one turn, so that a flood of them starves nobody.
const ACCEPT_MAX: usize = 64;
/// Connections beyond the most that are told so; still more are closed without a word.
const TURNED_AWAY_MAX: usize = 64;
/// How often limits of time are looked at.
const TICK_MAX: Duration = Duration::from_millis(250);
const TICK_MIN: Duration = Duration::from_millis(5);

pub(super) struct Reactor<S> {
    poll: Poll,
    listener: Option<TcpListener>,
    accepting: bool,
    connections: Connections,
    ready: VecDeque<usize>,
    outbox: Arc<Outbox>,
    posted: Vec<Posted>,
    pool: Pool,
    scratch: Vec<u8>,
    config: ServerConfig,
    books: Books<S>,
    seats: Seats,
    tick: Duration,
    ticked: Instant,
    stop_by: Option<Instant>,
}

struct Slot {
    connection: Connection,
    queued: bool,
}

#[derive(Default)]
struct Connections {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    count: usize,
    serial: u64,
}

impl Connections {
    fn get(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index)?.as_mut()
    }

    fn at(&mut self, address: Address) -> Option<&mut Slot> {
        self.get(address.slot).filter(|slot| slot.connection.address == address)
    }

    fn next_address(&mut self) -> Address {
        self.serial += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        Address { slot, serial: self.serial }
    }

    fn put(&mut self, connection: Connection) {
        let index = connection.address.slot;
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(Slot { connection, queued: false });
            self.count += 1;
        }
    }

    fn remove(&mut self, index: usize) {
        if self.slots.get_mut(index).and_then(Option::take).is_some() {
            self.free.push(index);
            self.count -= 1;
        }
    }
}

impl<S: Service> Reactor<S> {
    pub(super) fn new(
        mut listener: TcpListener,
        config: ServerConfig,
        books: Books<S>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let outbox = Arc::new(Outbox::new(&poll, WAKER)?);
        let limits = &config.timeouts;
        let shortest = [limits.handshake, limits.frame, limits.idle, limits.slow_reader];
        let shortest = shortest.into_iter().fold(limits.linger, Duration::min);
        Ok(Self {
            poll,
            listener: Some(listener),
            accepting: false,
            connections: Connections::default(),
            ready: VecDeque::new(),
            outbox,
            posted: Vec::new(),
            pool: Pool::default(),
            scratch: vec![0; SCRATCH_BYTES],
            tick: (shortest / 4).clamp(TICK_MIN, TICK_MAX),
            ticked: Instant::now(),
            stop_by: None,
            config,
            books,
            seats: Seats::default(),
        })
    }

    pub(super) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    pub(super) fn run(&mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let timeout = self.sleep_for();
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The poll itself is broken: nothing can be served any more, and every client
                // sees its connection end.
                Err(_) => return,
            }
            self.outbox.awake();
            let now = Instant::now();
            for event in &events {
                match event.token() {
                    LISTENER => self.accepting = true,
                    WAKER => {}
                    Token(token) => self.is_ready(token - FIRST_SLOT, event),
                }
            }
            self.accept(now);
            self.deliver(now);
            self.turns(now);
            self.books.each(Service::turn_ended);
            self.deliver(now);
            self.tick(now);
            if self.has_stopped(now) {
                return;
            }
        }
    }

    fn sleep_for(&mut self) -> Option<Duration> {
        let busy = self.accepting || !self.ready.is_empty();
        if busy || self.outbox.going_to_sleep() {
            return Some(Duration::ZERO);
        }
        // Nothing to do, and without connections no limit of time either.
        (self.connections.count > 0 || self.stop_by.is_some()).then_some(self.tick)
    }

    fn is_ready(&mut self, index: usize, event: &Event) {
        if let Some(slot) = self.connections.get(index) {
            slot.connection.ready(event);
            if !slot.queued {
                slot.queued = true;
                self.ready.push_back(index);
            }
        }
    }

    fn accept(&mut self, now: Instant) {
        let Some(listener) = self.listener.as_ref().filter(|_| self.accepting) else { return };
        for _ in 0..ACCEPT_MAX {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let most = self.config.connections_max;
                    if self.connections.count >= most.saturating_add(TURNED_AWAY_MAX) {
                        continue;
                    }
                    let too_many = self.connections.count >= most;
                    let address = self.connections.next_address();
                    let index = address.slot;
                    let mut connection = Connection::new(stream, peer.ip(), address, now);
                    let token = Token(index + FIRST_SLOT);
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    let stream = connection.stream();
                    let _ = stream.set_nodelay(true);
                    if self.poll.registry().register(stream, token, interest).is_err() {
                        self.connections.free.push(index);
                        continue;
                    }
                    if too_many {
                        let text = format!("the most is `{most}`");
                        let fault = Fault::new(FaultCode::TooManyConnections, text);
                        connection.fault(&fault, now);
                    }
                    self.connections.put(connection);
                    if too_many {
                        self.ready.push_back(index);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Out of descriptors: no edge will come when there are some again, so the next
                // turn, a tick away at most, tries again.
                Err(error) => {
                    self.accepting = false;
                    if error.kind() != ErrorKind::WouldBlock {
                        std::thread::sleep(TICK_MIN);
                        self.accepting = true;
                    }
                    return;
                }
            }
        }
    }

    /// Every connection that has something to do, once, in the order in which it became ready.
    fn turns(&mut self, now: Instant) {
        for _ in 0..self.ready.len() {
            let Some(index) = self.ready.pop_front() else { return };
            let Some(slot) = self.connections.get(index) else { continue };
            slot.queued = false;
            let mut thread = Thread {
                books: &mut self.books,
                seats: &mut self.seats,
                config: &self.config,
                outbox: &self.outbox,
                pool: &self.pool,
                scratch: &mut self.scratch,
                now,
            };
            let after = slot.connection.turn(&mut thread);
            self.then(index, after);
        }
    }

    fn then(&mut self, index: usize, after: After) {
        match after {
            After::Wait => {}
            After::Close => self.connections.remove(index),
            After::Again => {
                if let Some(slot) = self.connections.get(index).filter(|slot| !slot.queued) {
                    slot.queued = true;
                    self.ready.push_back(index);
                }
            }
        }
    }

    /// Hands finished replies to their connections, then lets each of these write once.
    fn deliver(&mut self, now: Instant) {
        let mut posted = core::mem::take(&mut self.posted);
        self.outbox.take(&mut posted);
        let mut touched = Vec::with_capacity(posted.len().min(EVENTS));
        for reply in posted.drain(..) {
            let address = reply.to;
            if let Some(slot) = self.connections.at(address) {
                slot.connection.deliver(reply, now);
                if touched.last() != Some(&address) {
                    touched.push(address);
                }
            }
        }
        self.posted = posted;
        for address in touched {
            if let Some(slot) = self.connections.at(address) {
                let after = slot.connection.write_turn(&self.config, now);
                self.then(address.slot, after);
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        let stopping = self.outbox.is_stopping();
        let due = now.saturating_duration_since(self.ticked) >= self.tick;
        if !(due || stopping && self.stop_by.is_none()) {
            return;
        }
        self.ticked = now;
        if stopping && self.stop_by.is_none() {
            self.stop_by = now.checked_add(self.config.timeouts.stop).or(Some(now));
            self.listener = None;
            self.accepting = false;
        }
        for index in 0..self.connections.slots.len() {
            let Some(slot) = self.connections.get(index) else { continue };
            if stopping {
                slot.connection.stop(now);
            }
            let after = if slot.connection.is_overdue(&self.config, now) {
                After::Close
            } else {
                slot.connection.write_turn(&self.config, now)
            };
            self.then(index, after);
        }
    }

    fn has_stopped(&self, now: Instant) -> bool {
        self.stop_by.is_some_and(|by| self.connections.count == 0 || now >= by)
    }
}
