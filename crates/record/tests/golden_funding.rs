//! Golden bytes of facts 14 to 19 and 40: one file each, the array's elements one a line.
//!
//! The files are never edited: a new layout is a new version with a file of its own.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "sample values of a test")]

use minicbor::Decoder;
use record::settlement::FactBody;
use record::{
    Break, BreakId, BreakKind, BreaksChanged, BusinessDayClosed, CustomerFunded, DayAccount,
    DayAsset, FactKind, FileKind, FundingReference, Heading, LineBooked, LineId, LineNature,
    LineOutcome, LineResolved, LineSide, NamedBy, OutsideAccount, OutsideLine, Resolution,
    SaltSlot, StatementFile, SuspenseReason, TransitItem,
};
use seal::Digest;
use seal::text::to_hex;
use terms::{AccountId, Amount, BusinessDate, Instant, Minor, Position, TransactionId};

fn name<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a well-formed name")
}

fn digest(n: u8) -> Digest {
    Digest::from_bytes([n; 32])
}

fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

fn at() -> Instant {
    Instant::from_seconds(1_795_380_600)
}

fn on() -> BusinessDate {
    at().date()
}

fn eur(units: u128) -> Amount {
    Amount::new(Minor::new(units), name("EUR.2@tcb-sandbox"))
}

fn line() -> OutsideLine {
    OutsideLine {
        line: LineId(digest(1)),
        amount: eur(125_000),
        side: LineSide::Credit,
        nature: LineNature::Movement,
        reference: "TCB-1".into(),
        booked_on: on(),
        named_by: NamedBy::Servicer,
    }
}

fn one_break() -> Break {
    Break {
        id: BreakId(digest(4)),
        kind: BreakKind::MissingInBook,
        amount: eur(1_250),
        side: LineSide::Debit,
        reference: "C-9".into(),
        on: on(),
        owner: name("tcb"),
        opened_at: at(),
        line: Some(LineId(digest(5))),
    }
}

/// Compares a fact with its golden file, and reads it back.
fn golden<T: FactBody + PartialEq + core::fmt::Debug>(file: &str, kind: u16, body: &T) {
    let fact = body.to_fact(SaltSlot(3), Heading::default());
    assert_eq!(fact.kind, FactKind { number: kind, version: 1 }, "{file}");
    assert_eq!(T::from_fact(&fact).as_ref(), Ok(body), "{file}");
    let bytes = fact.body.first().unwrap();
    assert_eq!(fact.body.len(), 1, "{file}");
    let mut decoder = Decoder::new(bytes);
    let elements = decoder.array().unwrap().unwrap();
    let mut text = format!("kind {kind}\n");
    for n in 0..elements {
        let from = decoder.position();
        decoder.skip().unwrap();
        let element = bytes.get(from..decoder.position()).unwrap();
        text.push_str(&format!("{n} {}\n", to_hex(element)));
    }
    let path = format!("{}/tests/golden/{file}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("WAYLEAVE_BLESS").is_some() && !std::path::Path::new(&path).exists() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{file}");
}

#[test]
fn facts_of_money_outside_have_their_golden_bytes() {
    let named = OutsideAccount {
        asset: name("EUR.2@tcb-sandbox"),
        number: "NL91ABNA0417164300".into(),
        servicer: "TCBXNL2A".into(),
        control: account(1),
        suspense: account(2),
        owner: name("tcb"),
        references: vec![FundingReference {
            reference: "BANK-NL".into(),
            participant: name("bank-nl"),
        }],
    };
    golden("fact_14_account", 14, &named);
    let file = StatementFile {
        digest: digest(2),
        message_id: "M-1".into(),
        servicer: "TCBXNL2A".into(),
        kind: FileKind::Notification,
        created_on: on(),
        lines: vec![LineId(digest(1))],
    };
    golden("fact_15_file", 15, &file);
    let (participant, to) = (name("bank-nl"), account(3));
    let outcomes = [
        LineOutcome::Credited { participant, account: to, customer: Some(account(0xa0)) },
        LineOutcome::Suspense(SuspenseReason::NoParticipant),
        LineOutcome::Confirmed { of: "return of line TCB-2".into() },
        LineOutcome::Unmatched,
    ];
    let names = ["credited", "suspense", "confirmed", "unmatched"];
    for (outcome, name) in outcomes.into_iter().zip(names) {
        let change = if outcome == LineOutcome::Unmatched { vec![] } else { vec![0x82, 0, 0x80] };
        let returns = (name == "confirmed").then_some(LineId(digest(6)));
        let (line, change) = (line(), change.into());
        let body = LineBooked { line, file: digest(2), outcome, change, returns };
        golden(&format!("fact_16_{name}"), 16, &body);
    }
    let resolutions = [
        Resolution::Released { participant, account: to },
        Resolution::ReturnOrdered { reference: "RTN0101010101010101".into() },
        Resolution::Charged { bearer: name("tcb"), account: account(7) },
    ];
    for (resolution, name) in resolutions.into_iter().zip(["released", "return", "charged"]) {
        let body = LineResolved {
            line: LineId(digest(1)),
            resolution,
            by: "operator".into(),
            reason: "the payer wrote".into(),
            change: vec![0x82, 0, 0x80].into(),
        };
        golden(&format!("fact_17_{name}"), 17, &body);
    }
}

#[test]
fn facts_of_breaks_days_and_customers_have_their_golden_bytes() {
    let (opened, closed) = (vec![one_break()], vec![BreakId(digest(8))]);
    golden("fact_18_breaks", 18, &BreaksChanged { opened, closed, file: digest(2) });
    let body = BusinessDayClosed {
        date: on(),
        previous: None,
        last: Some(Position::new(41)),
        closed_at: at(),
        assets: vec![DayAsset {
            asset: name("EUR.2@tcb-sandbox"),
            debits: Minor::new(125_000),
            credits: Minor::new(125_000),
            liabilities: Minor::new(125_000),
            confirmed_in: Minor::new(125_000),
            confirmed_out: Minor::ZERO,
        }],
        accounts: vec![DayAccount {
            account: account(3),
            asset: name("EUR.2@tcb-sandbox"),
            owner: name("bank-nl"),
            purpose: "settlement".into(),
            debits_before: Minor::ZERO,
            credits_before: Minor::ZERO,
            debits: Minor::ZERO,
            credits: Minor::new(125_000),
            low_water: Minor::ZERO,
        }],
        in_transit: vec![TransitItem {
            line: LineId(digest(1)),
            amount: eur(700),
            what: "suspense".into(),
            since: at(),
        }],
        breaks: vec![one_break()],
    };
    golden("fact_19_day", 19, &body);
    let funded = CustomerFunded {
        line: LineId(digest(1)),
        settled: Position::new(41),
        account: account(0xa0),
        change: vec![0x82, 0, 0x80].into(),
        transaction: TransactionId::from_bytes([9; 16]),
    };
    golden("fact_40_customer", 40, &funded);
}
