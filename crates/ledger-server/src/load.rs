//! A client that asks as fast as it can, and measures.
//!
//! What is measured is what a client sees: from the moment a request is handed to the connection
//! until its durable answer is there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ledger::{Ceiling, Command, Floor, Opening, Owner, Purpose, Side};
use seal::{SigningKey, to_canonical};
use terms::{AccountId, BookName, BusinessDate, Minor, TransactionId};
use wire::{CallOptions, Client, Completion, RequestFlags, Security, Status, Target, Transfer};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Accounts opened in one request.
const OPEN_AT_ONCE: usize = 2_000;

/// Whom to ask.
pub struct At {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its book.
    pub book: BookName,
    /// A client's seed.
    pub key: SigningKey,
    /// How what is said is kept from others.
    pub security: Security,
}

impl std::fmt::Debug for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("At").field("address", &self.address).finish_non_exhaustive()
    }
}

impl At {
    /// A connection.
    ///
    /// # Errors
    /// In words, with what to do.
    pub fn connect(&self) -> Result<Client, String> {
        let target = Target {
            address: self.address,
            book: self.book,
            security: self.security.clone(),
            connect_timeout: Duration::from_secs(5),
        };
        Client::connect(&target, &self.key).map_err(|error| error.to_string())
    }
}

/// What to post.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Transactions in all.
    pub transactions: u64,
    /// In one request.
    pub batch: usize,
    /// Connections, each with `ahead` requests underway.
    pub connections: usize,
    /// Requests underway on each connection.
    pub ahead: usize,
    /// Accounts that move.
    pub accounts: u64,
    /// How ids are made.
    pub ids: IdOrder,
    /// Chooses accounts and random ids.
    pub seed: u64,
}

/// How ids are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdOrder {
    /// They grow with time.
    Rising,
    /// They are random.
    Random,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// From the first request to the last answer.
    pub took: Duration,
    /// Transactions recorded.
    pub done: u64,
    /// Transactions with any other answer.
    pub other: u64,
    /// Of each request, in order of its answer: when it was answered, and how long it took.
    pub latencies: Vec<(Duration, Duration)>,
}

impl Seen {
    /// Recorded transactions a second, whole.
    #[must_use]
    pub fn rate(&self) -> u64 {
        let nanos = self.took.as_nanos().max(1);
        u64::try_from(u128::from(self.done).saturating_mul(1_000_000_000) / nanos).unwrap_or(0)
    }

    /// The latency that so many of 1000 requests do not exceed.
    #[must_use]
    pub fn latency(&self, per_mille: usize) -> Duration {
        let mut all: Vec<Duration> = self.latencies.iter().map(|(_, took)| *took).collect();
        all.sort_unstable();
        let place = all.len().saturating_mul(per_mille) / 1000;
        all.get(place.min(all.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// The id of the account of that number.
#[must_use]
pub const fn account(number: u64) -> AccountId {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    AccountId::from_bytes([0xac, 0, 0, 0, 0, 0, 0, 0, a, b, c, d, e, f, g, h])
}

/// Opens as many accounts, all of one asset, without floor.
///
/// # Errors
/// In words.
pub fn open_accounts(at: &At, from: u64, to: u64) -> Result<(), String> {
    let mut client = at.connect()?;
    let asset = "EUR.2@load".parse().map_err(|error| format!("{error}"))?;
    let owner = "load".parse().map_err(|error| format!("{error}"))?;
    let numbers: Vec<u64> = (from..to).collect();
    for chunk in numbers.chunks(OPEN_AT_ONCE) {
        let commands: Vec<Vec<u8>> = chunk
            .iter()
            .map(|number| {
                to_canonical(&Command::OpenAccount(Opening {
                    id: account(*number),
                    asset,
                    normal: Side::Credit,
                    owner: Owner::Institution(owner),
                    purpose: Purpose::Customer,
                    floor: Floor::Unlimited,
                    ceiling: Ceiling::Unlimited,
                    marks: None,
                }))
            })
            .collect();
        let options = CallOptions { flags: RequestFlags::NONE, within: PATIENCE };
        let ticket = client.commands(&commands, options).map_err(|e| e.to_string())?;
        match client.wait(ticket) {
            Completion::Results(results)
                if results.iter().all(|r| matches!(r.status, Status::Done | Status::Repeated)) => {}
            other => return Err(format!("accounts could not be opened: {other}")),
        }
    }
    Ok(())
}

/// A generator of numbers that only need to look random: splitmix64.
#[derive(Clone, Copy, Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        let product = u128::from(self.roll()).wrapping_mul(u128::from(most.max(1)));
        u64::try_from(product >> 64).unwrap_or(0)
    }
}

/// Makes transfers: one connection's share of a load.
pub(crate) struct Maker {
    dice: Dice,
    accounts: u64,
    ids: IdOrder,
    number: u64,
    connection: u64,
}

impl Maker {
    /// The share of one connection. Rising ids begin at the clock's milliseconds, as UUIDv7 does,
    /// so that runs do not collide.
    pub(crate) fn new(load: &Load, connection: u64) -> Self {
        let mut dice = Dice(load.seed ^ connection.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let number = match load.ids {
            IdOrder::Random => dice.roll(),
            IdOrder::Rising => (client::system::now().nanos() / 1_000_000) << 20,
        };
        Self { dice, accounts: load.accounts, ids: load.ids, number, connection }
    }

    pub(crate) fn next(&mut self) -> Transfer {
        let debit = self.dice.below(self.accounts);
        let step = self.dice.below(self.accounts.saturating_sub(1)).saturating_add(1);
        let credit = debit.wrapping_add(step) % self.accounts.max(1);
        self.number = self.number.wrapping_add(1);
        let id = match self.ids {
            IdOrder::Rising => u128::from(self.number) << 64 | u128::from(self.connection) << 32,
            IdOrder::Random => u128::from(self.dice.roll()) << 64 | u128::from(self.dice.roll()),
        };
        Transfer::plain(
            TransactionId::from_bytes(id.to_be_bytes()),
            account(debit),
            account(credit),
            Minor::new(u128::from(self.dice.below(1_000).saturating_add(1))),
            BusinessDate::from_days(20_780),
        )
    }
}

/// Posts a load and measures it. Ids follow from seed and connection: a second run with another
/// seed posts other transactions.
///
/// A thread serves several connections in turn, as an application with a pool would: each still
/// has its own requests underway and no more.
///
/// # Errors
/// In words: a connection that broke, an answer that is none.
pub fn post(at: &At, load: &Load) -> Result<Seen, String> {
    let begun = Instant::now();
    let threads = load.connections.clamp(1, THREADS_MAX);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || some(at, load, (thread, threads), begun)))
            .collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut seen = Seen { took: Duration::ZERO, done: 0, other: 0, latencies: Vec::new() };
    for part in parts {
        let part = part.map_err(|_| "a client's thread failed".to_owned())??;
        seen.took = seen.took.max(part.took);
        seen.done = seen.done.saturating_add(part.done);
        seen.other = seen.other.saturating_add(part.other);
        seen.latencies.extend(part.latencies);
    }
    seen.latencies.sort_unstable();
    Ok(seen)
}

/// Threads of a client: as many as there are processors to share with the server, twice.
const THREADS_MAX: usize = 4;

/// One connection, what it still has to post, and what it waits for.
struct Line {
    client: Client,
    maker: Maker,
    left: u64,
    underway: std::collections::VecDeque<(wire::Ticket, Instant, u64)>,
}

impl Line {
    fn open(at: &At, load: &Load, connection: usize) -> Result<Self, String> {
        let connection = u64::try_from(connection).unwrap_or(0);
        let connections = u64::try_from(load.connections.max(1)).unwrap_or(1);
        let mut dice = Dice(load.seed ^ connection.wrapping_mul(0x5851_f42d_4c95_7f2d));
        // Rising ids begin at the clock's milliseconds, as those of UUIDv7 do: runs do not collide.
        let number = (client::system::now().nanos() / 1_000_000) << 20;
        let number = if load.ids == IdOrder::Random { dice.roll() } else { number };
        let maker = Maker { dice, accounts: load.accounts, ids: load.ids, number, connection };
        let left = load.transactions / connections;
        Ok(Self { client: at.connect()?, maker, left, underway: std::collections::VecDeque::new() })
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.underway.is_empty()
    }

    /// Sends requests until as many are underway as may be.
    fn send(&mut self, load: &Load) -> Result<(), String> {
        while self.left > 0 && self.underway.len() < load.ahead.max(1) {
            let count = u64::try_from(load.batch).unwrap_or(1).min(self.left);
            self.left = self.left.saturating_sub(count);
            let sent = Instant::now();
            let maker = &mut self.maker;
            let items = (0..count).map(|_| maker.next());
            let options = CallOptions { flags: RequestFlags::NONE, within: PATIENCE };
            let ticket = self.client.transfers(items, options).map_err(|e| e.to_string())?;
            self.underway.push_back((ticket, sent, count));
        }
        Ok(())
    }

    /// Waits for the oldest.
    fn take(&mut self, begun: Instant, seen: &mut Seen) -> Result<(), String> {
        let Some((ticket, sent, count)) = self.underway.pop_front() else { return Ok(()) };
        match self.client.wait(ticket) {
            Completion::Results(results) => {
                let done = if results.all(Status::Done) {
                    count
                } else {
                    let done = results.iter().filter(|r| r.status == Status::Done).count();
                    u64::try_from(done).unwrap_or(0)
                };
                seen.done = seen.done.saturating_add(done);
                seen.other = seen.other.saturating_add(count.saturating_sub(done));
            }
            other => return Err(format!("a request was answered otherwise: {other}")),
        }
        let now = Instant::now();
        seen.latencies.push((now.saturating_duration_since(begun), now - sent));
        seen.took = now.saturating_duration_since(begun);
        Ok(())
    }
}

/// Every so many-th connection, from one on.
fn some(
    at: &At,
    load: &Load,
    (first, step): (usize, usize),
    begun: Instant,
) -> Result<Seen, String> {
    let mut lines = (first..load.connections.max(1))
        .step_by(step)
        .map(|connection| Line::open(at, load, connection))
        .collect::<Result<Vec<_>, _>>()?;
    let mut seen = Seen { took: Duration::ZERO, done: 0, other: 0, latencies: Vec::new() };
    while !lines.iter().all(Line::is_done) {
        for line in &mut lines {
            line.send(load)?;
        }
        for line in &mut lines {
            line.take(begun, &mut seen)?;
        }
    }
    Ok(seen)
}
