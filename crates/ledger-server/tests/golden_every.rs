//! A journal with every kind of change over two assets, written once by this format's first
//! version, refolded for ever: limits, freeze, block, close, pinned, expired, void, drafts with a
//! rest that is kept, claims, links, metadata, refusals.
//!
//! `tests/golden/ledger-v1-every` is never edited.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use bookkeeping::{ClientNumber, Effect, Event, Found, LedgerBook, LedgerFact, Request, What};
use journal::book::apply_all;
use journal::testkit::{FixedSalts, book_name};
use journal::{Batch, Book, Journal, Limits, Start, Tip};
use ledger::{
    Ask, Ceiling, Claim, Command, Datum, Detail, Draft, Entry, Floor, Freeze, Line, Link, Marks,
    NotDone, NotDoneSource, Opening, Owner, Part, Period, Placement, Purpose, Reason, Resolved,
    Rest, Side, Tags, Term, Transaction, Value, VelocityLimit, VoidGround,
};
use record::SaltSlot;
use seal::Digest;
use seal::digest::Domain;
use store::epoch_file::EPOCH_NAME;
use store::fault::FaultDisk;
use store::{Disk, DiskFile, Opening as HowOpened, SegmentConfig, SegmentJournal, fsck};
use terms::{
    AccountId, Amount, AssetCode, BusinessDate, HoldId, Instant, Minor, PaymentId, QuoteId, RunId,
    TransactionId,
};

/// Digest of `expected.txt`: neither may change alone.
const EXPECTED_DIGEST: &str = "25c28e5175996826034f28221300aa635d089ccce4b5dbe403093848a6595217";
const DOMAIN: Domain = Domain::new("wayleave/golden-ledger/v1");
const DAY: u32 = 20_000;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ledger-v1-every")
}

fn config() -> SegmentConfig {
    SegmentConfig { book: book_name(), segment_bytes: 8192, opening: HowOpened::ReadsAll }
}

fn at(seconds: u64) -> Instant {
    BusinessDate::from_days(DAY).start().plus(Duration::from_secs(seconds))
}

fn eur() -> AssetCode {
    "EUR.2@bank-nl".parse().unwrap()
}

fn sgd() -> AssetCode {
    "SGD.2@bank-sg".parse().unwrap()
}

fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

fn hold(n: u8) -> HoldId {
    HoldId::from_bytes([0x40 + n; 16])
}

fn open(n: u8, asset: AssetCode, floor: Floor, ceiling: Ceiling) -> Command {
    let tags = Tags::of(["nl".parse().unwrap(), "main".parse().unwrap()]).unwrap();
    let is_cash = floor == Floor::Unlimited;
    Command::OpenAccount(Opening {
        id: account(n),
        asset,
        normal: if is_cash { Side::Debit } else { Side::Credit },
        owner: Owner::Institution("bank-nl".parse().unwrap()),
        purpose: if is_cash { Purpose::Control } else { Purpose::Customer },
        floor,
        ceiling,
        marks: is_cash.then_some(Marks { code: Some(1000 + u16::from(n)), tags }),
    })
}

fn entry(n: u8, side: Side, amount: u128) -> Entry {
    Entry { account: account(n), side, amount: Minor::new(amount), hold: None }
}

fn move_of(from: u8, to: u8, amount: u128) -> [Entry; 2] {
    [entry(from, Side::Debit, amount), entry(to, Side::Credit, amount)]
}

fn transaction(n: u8, entries: &[Entry]) -> Transaction {
    Transaction {
        id: TransactionId::from_bytes([0x80 + n; 16]),
        business_date: BusinessDate::from_days(DAY),
        reason: Reason::Payment,
        entries: entries.iter().copied().collect(),
        claims: Vec::new(),
        links: Vec::new(),
        detail: None,
    }
}

fn limit(key: u8, asset: AssetCode, period: Period) -> VelocityLimit {
    let key = ledger::LimitKey(Digest::from_bytes([key; 32]));
    VelocityLimit {
        key,
        asset,
        period,
        amount_max: Minor::new(5_000),
        count_max: 20,
        besides: None,
    }
}

fn place(n: u8, of: u8, amount: u128, term: Term, limits: Vec<VelocityLimit>) -> Command {
    Command::PlaceHold(Placement {
        id: hold(n),
        account: account(of),
        side: Side::Debit,
        amount: Minor::new(amount),
        term,
        business_date: BusinessDate::from_days(DAY),
        limits,
        links: vec![Link::Quote(QuoteId::from_bytes([n; 16]))],
    })
}

fn detail() -> Box<Detail> {
    let values = [
        Value::Text("invoice 7".to_owned()),
        Value::Integer(-5),
        Value::Bytes(vec![1, 2, 3]),
        Value::Instant(at(9)),
        Value::Amount(Amount::new(Minor::new(150), eur())),
        Value::Personal { key_slot: 3, sealed: vec![7; 40] },
    ];
    let datum = |(n, value)| Datum { key: format!("key-{n}").parse().unwrap(), value };
    let metadata = values.into_iter().enumerate().map(datum).collect();
    Box::new(Detail { effective: Some(at(1)), code: Some(77), metadata })
}

fn line(n: u8, side: Side, ask: Ask, part: Option<Part>) -> Line {
    Line { account: account(n), side, ask, part }
}

fn draft(n: u8, lines: Vec<Line>) -> Command {
    let Transaction { id, business_date, .. } = transaction(n, &[]);
    let (claims, links, reason) = (Vec::new(), Vec::new(), Reason::Fee);
    Command::PostDraft(Draft {
        id,
        business_date,
        reason,
        lines,
        claims,
        links,
        detail: Some(detail()),
    })
}

/// Accounts: 1 and 2 are where money comes from, in euros and Singapore dollars; 3, 5, 6 are of
/// the first, 4 and 7 of the second.
fn opened_and_funded() -> Vec<Command> {
    let (zero, free) = (Floor::MayNotGoBelowZero, Ceiling::Unlimited);
    let mut funding = transaction(1, &[move_of(1, 3, 9_000), move_of(2, 4, 8_000)].concat());
    funding.reason = Reason::Funding;
    funding.links = vec![
        Link::Payment(PaymentId::from_bytes([6; 16])),
        Link::Corrects(TransactionId::from_bytes([1; 16])),
    ];
    funding.detail = Some(detail());
    vec![
        open(1, eur(), Floor::Unlimited, free),
        open(2, sgd(), Floor::Unlimited, free),
        open(3, eur(), zero, Ceiling::At(Minor::new(100_000))),
        open(4, sgd(), Floor::Overdraft(Minor::new(500)), free),
        open(5, eur(), zero, free),
        open(6, eur(), zero, free),
        open(7, sgd(), zero, free),
        Command::Post(funding),
        Command::SetLimits {
            account: account(3),
            floor: Floor::Overdraft(Minor::new(250)),
            ceiling: Ceiling::At(Minor::new(1 << 70)),
        },
        Command::SetLimits { account: account(4), floor: zero, ceiling: free },
        Command::CloseAccount { account: account(6) },
    ]
}

fn held() -> Vec<Command> {
    let soon = |seconds| Term::Expiring { at: at(seconds) };
    let (hours, days) = (Period::RollingHours(7), Period::RollingDays(2));
    let document = Digest::from_bytes([9; 32]);
    let not_done = NotDone { source: NotDoneSource::RailRefused, document };
    let ground = VoidGround::NotDone(not_done);
    let kept = |n| Some(Part { hold: hold(n), rest: Rest::Kept });
    let released = |n| Some(Part { hold: hold(n), rest: Rest::Released });
    let mut posted = transaction(2, &move_of(3, 5, 120));
    posted.entries[0].hold = Some(hold(1));
    posted.claims = vec![
        Claim { limit: limit(2, eur(), Period::Month), amount: Minor::new(120) },
        Claim { limit: limit(3, eur(), hours), amount: Minor::new(7) },
    ];
    posted.links = vec![Link::Returns(transaction(1, &[]).id)];
    vec![
        place(1, 3, 200, soon(900), vec![limit(1, eur(), Period::BusinessDay)]),
        place(2, 4, 300, soon(900), vec![limit(4, sgd(), days), limit(5, sgd(), hours)]),
        place(3, 3, 400, Term::Pinned, Vec::new()),
        place(4, 3, 50, soon(20), vec![limit(1, eur(), Period::BusinessDay)]),
        place(5, 4, 60, soon(22), Vec::new()),
        place(6, 4, 70, soon(900), Vec::new()),
        place(7, 3, 80, soon(901), vec![limit(2, eur(), Period::Month)]),
        Command::PinHold { hold: hold(2) },
        Command::Post(posted),
        Command::VoidHold { hold: hold(6), ground: VoidGround::Cancelled },
        // Parts: the rest stays, stays again, and goes.
        draft(
            3,
            vec![
                line(4, Side::Debit, Ask::Exact(Minor::new(110)), kept(2)),
                line(7, Side::Credit, Ask::Remainder, None),
            ],
        ),
        draft(
            4,
            vec![
                line(3, Side::Debit, Ask::UpTo(Minor::new(90)), kept(3)),
                line(5, Side::Credit, Ask::Share { weight: 2 }, None),
                line(1, Side::Credit, Ask::Share { weight: 1 }, None),
            ],
        ),
        draft(
            5,
            vec![
                line(4, Side::Debit, Ask::Exact(Minor::new(40)), released(2)),
                line(7, Side::Credit, Ask::Remainder, None),
            ],
        ),
        Command::VoidHold { hold: hold(3), ground },
        Command::ExpireHolds { at_most: 9 },
    ]
}

/// Stops, and what they stop: two refusals stand in the journal.
fn stopped() -> Vec<Command> {
    let sweep = vec![
        line(5, Side::Debit, Ask::Everything, None),
        line(3, Side::Credit, Ask::Remainder, None),
    ];
    vec![
        Command::SetBlocked { account: account(3), amount: Minor::new(333) },
        Command::SetBlocked { account: account(4), amount: Minor::new(44) },
        Command::SetFreeze { account: account(7), freeze: Freeze::Both },
        Command::Post(transaction(6, &move_of(7, 4, 5))),
        Command::SetFreeze { account: account(7), freeze: Freeze::Credits },
        Command::Post(transaction(7, &move_of(7, 4, 6))),
        Command::Post(transaction(8, &move_of(1, 6, 5))),
        draft(9, sweep),
        Command::SetFreeze { account: account(3), freeze: Freeze::Debits },
    ]
}

fn written() -> FaultDisk {
    let disk = FaultDisk::new(1);
    let mut journal = SegmentJournal::open(disk.clone(), config()).unwrap();
    let run = RunId::from_bytes([7; 16]);
    let start = Start::genesis(LedgerBook::new(3));
    let limits = Limits { batch_facts: 4, ..Limits::WIDEST };
    let (mut book, _) = Book::open(book_name(), limits, run, start, &mut journal).unwrap();
    let commands = [opened_and_funded(), held(), stopped()].concat();
    for (n, command) in (0_u32..).zip(commands) {
        let (client, slot) = (ClientNumber(1 + n % 2), SaltSlot(1));
        let request = Request { client, slot, what: What::Do(command), effect: Effect::Lasting };
        let now = at(u64::from(n));
        while book.decide(now, &Found::default(), &request, &FixedSalts).is_err() {
            book.write_out(&mut journal, &FixedSalts).unwrap();
        }
    }
    book.write_out(&mut journal, &FixedSalts).unwrap();
    drop(journal);
    disk
}

/// The golden files in memory. Run with `GOLDEN_WRITE` set, they are written when they are absent.
fn golden() -> FaultDisk {
    if std::env::var_os("GOLDEN_WRITE").is_some() && !directory().exists() {
        write_golden();
    }
    let disk = FaultDisk::new(1);
    for entry in std::fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".segment") || name == EPOCH_NAME {
            let bytes = std::fs::read(directory().join(&name)).unwrap();
            let mut file = disk.create(&name, 0).unwrap();
            file.write_at(0, &bytes).unwrap();
            file.sync().unwrap();
        }
    }
    disk.sync_directory().unwrap();
    disk
}

fn batches(disk: &FaultDisk) -> Vec<Batch> {
    let journal = SegmentJournal::open(disk.clone(), config()).unwrap();
    journal.read_from(terms::Position::ZERO, usize::MAX).unwrap()
}

const fn kind(change: &Resolved) -> &'static str {
    match change {
        Resolved::AccountOpened(_) => "account opened",
        Resolved::LimitsSet { .. } => "limits set",
        Resolved::FreezeSet { .. } => "freeze set",
        Resolved::BlockedSet { .. } => "block set",
        Resolved::AccountClosed { .. } => "account closed",
        Resolved::HoldPlaced(_) => "hold placed",
        Resolved::HoldPinned { .. } => "hold pinned",
        Resolved::HoldVoided { .. } => "hold voided",
        Resolved::HoldExpired { .. } => "hold expired",
        Resolved::Posted { .. } => "posted",
    }
}

fn facts(batches: &[Batch]) -> Vec<LedgerFact> {
    batches.iter().flat_map(Batch::entries).map(|stored| stored.fact().unwrap()).collect()
}

/// What the journal comes to, in words that do not depend on how a state is kept.
fn told(batches: &[Batch]) -> String {
    let (mut state, mut tip, mut text) = (LedgerBook::new(3), Tip::GENESIS, String::new());
    for batch in batches {
        batch.follows(&tip, &book_name()).unwrap();
        apply_all(&mut state, batch).unwrap();
        tip = batch.tip();
    }
    for (position, fact) in (0..).zip(facts(batches)) {
        let client = fact.client.0;
        match &fact.event {
            Event::Changed(change) => {
                let what = kind(change.resolved());
                writeln!(text, "{position} client {client} {what}").unwrap();
            }
            Event::Refused(refused) => {
                let (rule, words) = (&refused.rule, &refused.text);
                writeln!(text, "{position} client {client} refused by {rule}: {words}").unwrap();
            }
        }
    }
    let ledger = state.ledger();
    let mut rows: Vec<String> = Vec::new();
    for account in ledger.accounts() {
        let of = account.balances();
        let [dp, cp, dh, ch] =
            [of.debits_posted, of.credits_posted, of.debits_pending, of.credits_pending]
                .map(Minor::units);
        rows.push(format!(
            "{} {} posted {dp} {cp} pending {dh} {ch} available {:?} blocked {} {:?} {:?} {:?} \
             {:?}",
            of.account,
            of.asset,
            of.available,
            account.blocked().units(),
            account.floor(),
            account.ceiling(),
            account.freeze(),
            account.standing(),
        ));
    }
    for one in ledger.open_holds() {
        let (id, rest, parts) = (one.placement().id, one.remaining().units(), one.parts());
        rows.push(format!("{id} remains {rest} after {parts} parts, {:?}", one.state()));
    }
    for (bucket, counter) in ledger.counters() {
        let (key, period) = (bucket.key.0.as_bytes()[0], bucket.period);
        let (day, hour) = (bucket.first_day.days(), bucket.hour);
        let (amount, count) = (counter.amount.units(), counter.count);
        let asset = bucket.asset;
        rows.push(format!("limit {key} {asset} {period:?} {day} {hour:?}: {amount} in {count}"));
    }
    rows.sort();
    writeln!(text, "{}", rows.join("\n")).unwrap();
    let (next, stamp, digest) = (tip.next, tip.stamp.nanos(), tip.digest);
    writeln!(text, "next {next} stamp {stamp} digest {digest:?}").unwrap();
    text
}

/// Writes the golden files; once, and never where there are some.
fn write_golden() {
    std::fs::create_dir(directory()).unwrap();
    let disk = written();
    for name in disk.list().unwrap() {
        let bytes = disk.open(&name).unwrap().read_at(0, usize::MAX).unwrap();
        std::fs::write(directory().join(&name), bytes).unwrap();
    }
    let told = told(&batches(&disk));
    std::fs::write(directory().join("expected.txt"), &told).unwrap();
}

#[test]
fn a_journal_of_every_kind_is_written_the_same_way_again() {
    let whole =
        |disk: &FaultDisk, name: &str| disk.open(name).unwrap().read_at(0, usize::MAX).unwrap();
    let (disk, golden) = (written(), golden());
    let names = golden.list().unwrap();
    assert!(names.len() >= 2, "{names:?}");
    assert_eq!(names, disk.list().unwrap());
    for name in names {
        assert_eq!(whole(&disk, &name), whole(&golden, &name), "{name}");
    }
}

#[test]
fn a_journal_of_every_kind_refolds_to_the_same_state() {
    let disk = golden();
    let report = fsck(&disk, &book_name(), Some(&FixedSalts)).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    let told = told(&batches(&disk));
    assert_eq!(told, std::fs::read_to_string(directory().join("expected.txt")).unwrap());
    let digest = format!("{:?}", seal::digest(DOMAIN, told.as_bytes()));
    assert_eq!(digest, EXPECTED_DIGEST);
}

#[test]
fn the_journal_of_every_kind_leaves_none_out() {
    let (mut kinds, mut rules, mut assets) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    let (mut kept, mut drafts, mut metadata, mut claims, mut links) = (0, 0, 0, 0, 0);
    for fact in facts(&batches(&golden())) {
        match &fact.event {
            Event::Refused(refused) => rules.push(refused.rule.clone()),
            Event::Changed(change) => {
                kinds.insert(kind(change.resolved()));
                match change.resolved() {
                    Resolved::AccountOpened(opening) => _ = assets.insert(opening.asset),
                    Resolved::Posted { transaction, ended, asked } => {
                        kept += ended.iter().filter(|end| end.kept.is_some()).count();
                        drafts += usize::from(asked.is_some());
                        let detail = transaction.detail.as_ref();
                        metadata += detail.map_or(0, |detail| detail.metadata.len());
                        claims += transaction.claims.len();
                        links += transaction.links.len();
                    }
                    Resolved::LimitsSet { .. }
                    | Resolved::FreezeSet { .. }
                    | Resolved::BlockedSet { .. }
                    | Resolved::AccountClosed { .. }
                    | Resolved::HoldPlaced(_)
                    | Resolved::HoldPinned { .. }
                    | Resolved::HoldVoided { .. }
                    | Resolved::HoldExpired { .. } => {}
                }
            }
        }
    }
    assert_eq!((kinds.len(), assets.len()), (10, 2), "{kinds:?}");
    assert_eq!((kept, drafts, claims, links), (2, 4, 2, 3));
    assert_eq!(metadata, 30);
    assert_eq!(rules, ["AccountFrozen", "AccountClosed"]);
}
