//! What the read models cost: `views_speed [transactions] [accounts] [file]`.
//!
//! Feeds single-entry transactions (one debit, one credit, between random accounts, ids ordered
//! by time) in batches of 4,000 and prints processor time, disk and flush times, then how long
//! questions take.
#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement, not the product"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant as Clock};

use journal::Tip;
use ledger::{
    Ceiling, Change, Entry, Floor, Opening, Owner, Purpose, Reason, Resolved, Side, Transaction,
};
use seal::digest::sha256;
use store::views::{AsOf, Config, Feed, Filter, Order, Start, StatementQuery, Views};
use terms::{AccountId, BusinessDate, Instant, Minor, Position, TransactionId};

const BATCH: u64 = 4000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |other| arguments.next().map_or(other, |n| n.parse::<u64>().unwrap());
    let (transactions, accounts) = (number(1_000_000), number(10_000));
    let path = arguments.next().unwrap_or_else(|| "/tmp/views_speed.redb".to_owned());
    let path = Path::new(&path);
    let (feed, views) = Views::rebuild(path, &Config::standard(7)).unwrap();
    let mut run = Run { feed, dice: 7, next: 0, stamp: 1_764_000_000_000_000_000, taking: 0 };
    run.open_accounts(accounts);
    let opened = run.taking;
    let mut flushes = Vec::new();
    let mut memory = 0;
    let mut done = 0;
    while done < transactions {
        let wall = run.post(BATCH.min(transactions - done), accounts);
        done += BATCH.min(transactions - done);
        let status = views.status().unwrap().answer;
        memory = memory.max(status.memory_bytes);
        if status.buffered_items == 0 {
            flushes.push(wall);
        }
    }
    let last = run.tip();
    run.feed.flush(&last).unwrap();
    let cpu = run.taking - opened;
    flushes.sort_unstable();
    let at = |part: usize| flushes.get(flushes.len() * part / 100).copied().unwrap_or_default();
    let (length, disk) = sizes(path);
    println!("{transactions} transactions over {accounts} accounts");
    println!("  cpu: {} ns per transaction", cpu / transactions);
    println!("  opening: {} ns per account", opened / accounts.max(1));
    println!(
        "  disk: {} B per transaction (file {} B)",
        disk / transactions,
        length / transactions
    );
    println!(
        "  {} flushes: median {:?}, p99 {:?}, longest {:?}",
        flushes.len(),
        at(50),
        at(99),
        flushes.last().copied().unwrap_or_default()
    );
    println!("  memory: {} MiB counted, {} MiB resident at most", memory >> 20, peak_mib());
    questions(&run, &views, accounts);
    drop((run, views));
    let started = Clock::now();
    let (_feed, _views) = Views::open(path, &Config::standard(8)).unwrap();
    println!("  open: {:?}", started.elapsed());
}

struct Run {
    feed: Feed,
    dice: u64,
    next: u64,
    stamp: u64,
    /// Nanoseconds of processor time spent in the feed.
    taking: u64,
}

impl Run {
    fn random(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn tip(&self) -> Tip {
        let digest = sha256(&self.next.to_be_bytes());
        let stamp = Instant::from_nanos(self.stamp);
        Tip { next: Position::new(self.next), digest, stamp }
    }

    fn open_accounts(&mut self, accounts: u64) {
        let mut opened = 0;
        while opened < accounts {
            let here = BATCH.min(accounts - opened);
            let changes = (opened..opened + here)
                .map(|n| {
                    Resolved::AccountOpened(Opening {
                        id: account(n),
                        asset: "EUR.2@x".parse().unwrap(),
                        normal: Side::Debit,
                        owner: Owner::Institution("bank".parse().unwrap()),
                        purpose: Purpose::Control,
                        floor: Floor::Unlimited,
                        ceiling: Ceiling::Unlimited,
                        marks: None,
                    })
                })
                .collect();
            self.feed(changes);
            opened += here;
        }
    }

    fn post(&mut self, count: u64, accounts: u64) -> Duration {
        let changes = (0..count)
            .map(|_| {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&(self.stamp / 1_000_000).to_be_bytes());
                id[8..].copy_from_slice(&self.random().to_be_bytes());
                let debit = self.random() % accounts;
                let credit = (debit + 1 + self.random() % (accounts - 1)) % accounts;
                let amount = Minor::new(u128::from(self.random() % 1_000_000) + 1);
                let entry = |n, side| Entry { account: account(n), side, amount, hold: None };
                let transaction = Transaction {
                    id: TransactionId::from_bytes(id),
                    business_date: BusinessDate::from_days(20_400 + (self.next >> 20) as u32),
                    reason: Reason::Payment,
                    entries: [entry(debit, Side::Debit), entry(credit, Side::Credit)]
                        .into_iter()
                        .collect(),
                    claims: vec![],
                    links: vec![],
                    detail: None,
                };
                Resolved::Posted { transaction, ended: vec![], asked: None }
            })
            .collect();
        self.feed(changes)
    }

    /// Only the feed is measured, not the making of the changes.
    fn feed(&mut self, changes: Vec<Resolved>) -> Duration {
        let changes: Vec<Change> = changes
            .into_iter()
            .map(|resolved| minicbor::decode(&minicbor::to_vec(resolved).unwrap()).unwrap())
            .collect();
        self.stamp += 5_000_000;
        let stamp = Instant::from_nanos(self.stamp);
        let (cpu, started) = (thread_cpu(), Clock::now());
        for change in &changes {
            self.feed.take(Position::new(self.next), stamp, change).unwrap();
            self.next += 1;
        }
        let tip = self.tip();
        self.feed.batch_end(&tip).unwrap();
        self.taking += thread_cpu() - cpu;
        started.elapsed()
    }
}

fn questions(run: &Run, views: &Views, accounts: u64) {
    let mut dice = 99_u64;
    let mut random = |n: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 20) % n
    };
    let statement = |account, order| {
        let (filter, start) = (Filter::ALL, Start::AtEnd);
        let query = StatementQuery { account, filter, order, start, limit: 100 };
        views.statement(&query).unwrap();
    };
    let middle = Position::new(run.next / 2);
    let time = views.stamp_of(middle).unwrap().answer;
    let day = BusinessDate::from_days(20_400 + (run.next >> 20) as u32);
    let first = BusinessDate::from_days(20_400);
    time_of("statement, newest 100", 200, || {
        statement(account(random(accounts)), Order::NewestFirst);
    });
    time_of("statement, oldest 100", 200, || {
        statement(account(random(accounts)), Order::OldestFirst);
    });
    for (name, as_of) in [
        ("balance now", AsOf::Now),
        ("balance at a position", AsOf::Position(middle)),
        ("balance at a ledger time", AsOf::LedgerTime(time)),
        ("balance at an effective time", AsOf::EffectiveTime(time)),
    ] {
        time_of(name, 500, || {
            views.balance(account(random(accounts)), as_of).unwrap();
        });
    }
    time_of("trial balance, today", 5, || {
        views.trial_balance(day).unwrap();
    });
    time_of("trial balance, the first day", 3, || {
        views.trial_balance(first).unwrap();
    });
    time_of("trial balance, 1000 accounts, today", 20, || {
        views.trial_balance_of_accounts(day, Start::AtEnd, 1000).unwrap();
    });
    time_of("position at a time", 500, || {
        views.position_at(time).unwrap();
    });
}

fn time_of(name: &str, times: u32, mut ask: impl FnMut()) {
    let mut all: Vec<Duration> = (0..times)
        .map(|_| {
            let started = Clock::now();
            ask();
            started.elapsed()
        })
        .collect();
    all.sort_unstable();
    let p99 = all[all.len() * 99 / 100];
    println!("  {name}: median {:?}, p99 {p99:?}", all[all.len() / 2]);
}

fn account(n: u64) -> AccountId {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    AccountId::from_bytes(((u128::from(mixed) << 64) | u128::from(n)).to_be_bytes())
}

/// Nanoseconds this thread was on a processor.
fn thread_cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn sizes(path: &Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).unwrap();
    (metadata.len(), metadata.blocks() * 512)
}

fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}
