//! The bytes of `docs/formats/views.md`, written down once and for ever.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod views_support;

use std::collections::BTreeMap;

use journal::Tip;
use ledger::{
    Ceiling, Command, Entry, Floor, Link, Opening, Owner, Placement, Purpose, Reason, Side, Term,
    Transaction,
};
use redb::{Database, ReadableDatabase as _, TableDefinition};
use seal::Digest;
use store::views::{Config, Views};
use terms::{AccountId, BusinessDate, HoldId, Instant, Minor, PaymentId, Position, TransactionId};
use views_support::Ledger;

fn opening(n: u8, normal: Side) -> Command {
    Command::OpenAccount(Opening {
        id: AccountId::from_bytes([n; 16]),
        asset: "EUR.2@x".parse().unwrap(),
        normal,
        owner: Owner::Institution("bank".parse().unwrap()),
        purpose: Purpose::Control,
        floor: if normal == Side::Debit { Floor::Unlimited } else { Floor::MayNotGoBelowZero },
        ceiling: Ceiling::Unlimited,
        marks: None,
    })
}

/// Two accounts, one transaction of 300 that takes effect at 5 and names a payment, one hold.
fn commands() -> Vec<Command> {
    let entry = |n, side| Entry {
        account: AccountId::from_bytes([n; 16]),
        side,
        amount: Minor::new(300),
        hold: None,
    };
    let date = BusinessDate::from_days(20_000);
    vec![
        opening(1, Side::Debit),
        opening(2, Side::Credit),
        Command::Post(Transaction {
            id: TransactionId::from_bytes([3; 16]),
            business_date: date,
            reason: Reason::Funding,
            entries: [entry(1, Side::Debit), entry(2, Side::Credit)].into_iter().collect(),
            claims: vec![],
            links: vec![Link::Payment(PaymentId::from_bytes([4; 16]))],
            detail: None,
        }),
        Command::PlaceHold(Placement {
            id: HoldId::from_bytes([5; 16]),
            account: AccountId::from_bytes([2; 16]),
            side: Side::Debit,
            amount: Minor::new(100),
            term: Term::Expiring { at: Instant::from_nanos(0x0102) },
            business_date: BusinessDate::from_days(20_001),
            limits: vec![],
            links: vec![],
        }),
    ]
}

/// What is stored: table, key, content without its check.
fn stored() -> BTreeMap<(&'static str, u128), String> {
    let folder = std::env::temp_dir().join(format!("wayleave-golden-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("views");
    let (mut feed, views) = Views::rebuild(&path, &Config::standard(1)).unwrap();
    let (mut ledger, stamp) = (Ledger::new(), Instant::from_nanos(9));
    for (position, command) in (0..).zip(commands()) {
        let (changes, _) = ledger.check(stamp, &command).unwrap().into_parts();
        let (change, position) = (&changes[0], Position::new(position));
        ledger.apply(stamp, change);
        match command {
            Command::Post(_) => {
                feed.take_effective(position, stamp, Instant::from_nanos(5), change).unwrap();
            }
            _ => feed.take(position, stamp, change).unwrap(),
        }
    }
    let tip = Tip { next: Position::new(4), digest: Digest::from_bytes([6; 32]), stamp };
    feed.batch_end(&tip).unwrap();
    feed.flush(&tip).unwrap();
    drop((feed, views));
    let database = Database::open(&path).unwrap();
    let reading = database.begin_read().unwrap();
    let mut found = BTreeMap::new();
    for name in
        ["state", "items", "days", "moments", "accounts", "assets", "totals", "runs", "holds"]
    {
        let table: TableDefinition<'static, u128, &'static [u8]> = TableDefinition::new(name);
        for row in reading.open_table(table).unwrap().range::<u128>(..).unwrap() {
            let (key, block) = row.unwrap();
            found.insert((name, key.value()), hex(&block.value()[4..]));
        }
    }
    drop((reading, database));
    std::fs::remove_dir_all(&folder).unwrap();
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_stored_bytes_are_those_of_the_format() {
    let pieces = |pieces: &[&str]| pieces.concat();
    let repeat = |n: u8, times: usize| format!("{n:02x}").repeat(times);
    let (one, two, transaction) = (repeat(1, 16), repeat(2, 16), repeat(3, 16));
    let hold = repeat(5, 16);
    let expected = BTreeMap::from([
        // Version, next, stamp, digest, accounts, assets, runs.
        (("state", 0), pieces(&["01", "04", "09", &repeat(6, 32), "02", "01", "01"])),
        (("assets", 0), hex(b"EUR.2@x")),
        (("accounts", 0), pieces(&[&one, "00", &two, "01"])),
        // Run; debits, credits, held debits, held credits, newest run.
        (
            ("totals", 0),
            pieces(&["00", "ac02", "00", "00", "00", "01", "00", "ac02", "64", "00", "01"]),
        ),
        // First, next, marks.
        (("runs", 0), "000403".to_owned()),
        // Batch before: next, stamp; batch: next, stamp.
        (("moments", 4), "00000409".to_owned()),
        // Date 20,000, run 0, slot 0: slot, debits, credits, twice.
        (("days", 20_000 << 64), pieces(&["00", "ac02", "00", "01", "00", "ac02"])),
        // Slot, debit that expires, amount, moment, position, date.
        (
            ("holds", 0x0505_0505_0505_0505_0505_0505_0505_0505),
            pieces(&["01", "02", "64", "8202", "03", "a19c01"]),
        ),
        // Run 0, slot 0, position 2.
        (
            ("items", 2),
            pieces(&[
                // First position, date, reason.
                "00",
                "a09c01",
                "02",
                // Slot, back, counters before, length.
                "00",
                "00",
                "00000000",
                "1c",
                // Head: debit entry with a moment; position, amount, id, moment.
                "20",
                "02",
                "ac02",
                &transaction,
                "0500000000000000",
                // The next group.
                "01",
                "00",
                "00000000",
                "39",
                // A credit entry.
                "21",
                "02",
                "ac02",
                &transaction,
                "0500000000000000",
                // A debit held, on another date, for no reason.
                "72",
                "01",
                "64",
                &hold,
                "02",
                "0201000000000000",
                "00",
            ]),
        ),
    ]);
    assert_eq!(stored(), expected);
}
