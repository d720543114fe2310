//! How long a two-entry transaction takes to check, apply, encode and read back, at 10,000 and at
//! 1,000,000 accounts: `cargo run --release -p wayleave-ledger --example pace
//! [transactions] [accounts]`.
#![expect(clippy::print_stdout, reason = "an example that measures prints")]
#![expect(clippy::expect_used, clippy::as_conversions, reason = "an example may stop, and round")]
#![expect(clippy::disallowed_methods, reason = "an example that measures reads a clock")]
#![expect(clippy::arithmetic_side_effects, reason = "an example may overflow")]
#![expect(clippy::float_arithmetic, reason = "figures for people")]

use std::time::Instant as Clock;

use ledger::state::WARM_COMMANDS;
use ledger::{
    Balances, Ceiling, Change, Command, Entry, Findings, Floor, Fresh, Ledger, Opening, Owner,
    Purpose, Reason, Resolved, Side, Transaction,
};
use terms::{AccountId, BusinessDate, Instant, Minor, TransactionId};

const BULK: usize = 8_190;

/// A small generator of numbers: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn index(&mut self, below: u64) -> u64 {
        self.roll() % below
    }
}

fn account(n: u64) -> AccountId {
    // As random as a client's: spread over all sixteen bytes.
    let (mut low, mut high) = (Dice(n), Dice(!n));
    let mut id = [0; 16];
    let (left, right) = id.split_at_mut(8);
    left.copy_from_slice(&low.roll().to_be_bytes());
    right.copy_from_slice(&high.roll().to_be_bytes());
    AccountId::from_bytes(id)
}

fn opened(accounts: u64) -> Ledger {
    let mut ledger = Ledger::new();
    let asset = "EUR.2@bank".parse().expect("an asset");
    for n in 0..accounts {
        let opening = Opening {
            id: account(n),
            asset,
            normal: Side::Credit,
            owner: Owner::Company(format!("nl-kvk:{n:08}").parse().expect("a company")),
            purpose: Purpose::Customer,
            floor: Floor::Overdraft(Minor::new(1 << 60)),
            ceiling: Ceiling::Unlimited,
            marks: None,
        };
        let command = Command::OpenAccount(opening);
        let checked = ledger.check(&Fresh, Instant::EPOCH, &command).expect("a new account");
        for change in checked.changes() {
            ledger.apply(Instant::EPOCH, change);
        }
    }
    ledger
}

/// What a client would send: two accounts, an amount and an id.
type Pick = (AccountId, AccountId, u128, u64);

fn pick(accounts: u64, dice: &mut Dice) -> Pick {
    let from = dice.index(accounts);
    let to = (from + 1 + dice.index(accounts - 1)) % accounts;
    (account(from), account(to), u128::from(100 + dice.index(900)), dice.roll())
}

fn transfer(n: u64, (from, to, amount, salt): Pick) -> Command {
    let amount = Minor::new(amount);
    let entry = |account, side| Entry { account, side, amount, hold: None };
    let entries = [entry(from, Side::Debit), entry(to, Side::Credit)];
    let mut id = [0; 16];
    let (left, right) = id.split_at_mut(8);
    left.copy_from_slice(&n.to_be_bytes());
    right.copy_from_slice(&salt.to_be_bytes());
    Command::Post(Transaction {
        id: TransactionId::from_bytes(id),
        business_date: BusinessDate::from_days(20_779),
        reason: Reason::Payment,
        entries: entries.into(),
        claims: vec![],
        links: vec![],
        detail: None,
    })
}

fn per(clock: Clock, count: u64) -> f64 {
    clock.elapsed().as_nanos() as f64 / count as f64
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// What a bulk without balances needs.
struct Changes(Vec<Change>);

impl Findings for Changes {
    fn change(&mut self, change: Change) {
        self.0.push(change);
    }

    fn wants_balances(&self) -> bool {
        false
    }

    fn balances(&mut self, _after: Balances) {}

    fn repeated(&mut self, _first: Instant) {}
}

fn measure(accounts: u64, transactions: u64) {
    let before = resident_kib();
    let clock = Clock::now();
    let mut ledger = opened(accounts);
    let bytes = (resident_kib() - before) * 1024 / accounts;
    println!("{accounts} accounts: opened in {:.0} ns each, {bytes} B each", per(clock, accounts));
    let mut dice = Dice(7);
    let (mut built, mut warmed, mut checked) = (0.0, 0.0, 0.0);
    let mut last = Vec::new();
    let bulks = transactions / BULK as u64;
    let count = bulks * BULK as u64;
    let (mut number, mut done) = (0, Changes(Vec::new()));
    for _ in 0..bulks {
        let picks: Vec<Pick> = (0..BULK).map(|_| pick(accounts, &mut dice)).collect();
        let clock = Clock::now();
        let commands: Vec<Command> = picks
            .iter()
            .map(|pick| {
                number += 1;
                transfer(number, *pick)
            })
            .collect();
        built += clock.elapsed().as_nanos() as f64;
        last.clear();
        for some in commands.chunks(WARM_COMMANDS) {
            let clock = Clock::now();
            ledger.warm(some);
            warmed += clock.elapsed().as_nanos() as f64;
            let clock = Clock::now();
            for command in some {
                let stamp = Instant::from_nanos(number);
                done.0.clear();
                let checked = ledger.check_to(&Fresh, stamp, command, &mut done);
                checked.expect("within the overdraft");
                for change in &done.0 {
                    ledger.apply(stamp, change);
                }
                std::hint::black_box(&done);
            }
            checked += clock.elapsed().as_nanos() as f64;
        }
        last = commands;
    }
    let total = count as f64;
    let (built, warmed, checked) = (built / total, warmed / total, checked / total);
    println!("  build {built:.0} ns, warm {warmed:.0} ns, check and apply {checked:.0} ns");
    println!("  together {:.0} ns a transaction", built + warmed + checked);
    codec(&ledger, &last);
    images(&mut ledger);
}

fn images(ledger: &mut Ledger) {
    let clock = Clock::now();
    let image = ledger.save();
    let save = clock.elapsed();
    let clock = Clock::now();
    let loaded = Ledger::load(&image).expect("an image reads back");
    let load = clock.elapsed();
    assert_eq!(loaded.accounts_len(), ledger.accounts_len());
    let clock = Clock::now();
    let mut bytes = ledger.begin_image().len();
    let mut longest = clock.elapsed();
    loop {
        let clock = Clock::now();
        let piece = ledger.image_step(4096);
        longest = longest.max(clock.elapsed());
        let Some(piece) = piece else { break };
        bytes += piece.len();
    }
    assert_eq!(bytes, image.len());
    println!("  image {} MiB: save {save:.0?}, load {load:.0?}", bytes >> 20);
    println!("  longest step of 4,096 rows {longest:.0?}");
}

fn codec(ledger: &Ledger, commands: &[Command]) {
    let changes: Vec<Change> = commands
        .iter()
        .filter_map(|command| ledger.check(&Fresh, Instant::EPOCH, command).ok())
        .flat_map(|checked| checked.into_parts().0)
        .collect();
    let rounds = 50;
    let count = rounds * changes.len() as u64;
    let mut bytes = Vec::with_capacity(256 * changes.len());
    let clock = Clock::now();
    let mut ends = Vec::new();
    for _ in 0..rounds {
        bytes.clear();
        ends.clear();
        for change in &changes {
            change.encode_into(&mut bytes);
            ends.push(bytes.len());
        }
    }
    let encode = per(clock, count);
    let clock = Clock::now();
    let mut entries = 0;
    for _ in 0..rounds {
        let mut start = 0;
        for end in &ends {
            let change = Change::from_bytes(bytes.get(start..*end).expect("bytes"));
            let change = change.expect("a change reads back");
            if let Resolved::Posted { transaction, .. } = change.resolved() {
                entries += transaction.entries.len();
            }
            start = *end;
        }
    }
    let decode = per(clock, count);
    std::hint::black_box(entries);
    let size = bytes.len() / changes.len();
    println!("  encode {encode:.0} ns, decode and verify {decode:.0} ns, {size} B a change");
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|n| n.parse().ok());
    let transactions = arguments.next().flatten().unwrap_or(2_000_000);
    match arguments.next().flatten() {
        Some(accounts) => measure(accounts, transactions),
        None => [10_000, 1_000_000].iter().for_each(|accounts| measure(*accounts, transactions)),
    }
}
