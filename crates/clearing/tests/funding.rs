//! Money in from outside: whatever files come, in whatever order and however often, a line counts
//! once, and what the book owes is what confirmed lines account for.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use clearing::rule::RuleName;
use clearing::settlement::funding::{
    FileClaim, Found, FundingAnswer, FundingWork, News, ResolutionWish,
};
use clearing::settlement::{SettlementBook, SettlementWork};
use clearing::testkit::{Kept, eur, name, now, opening, own_account, settlement_genesis};
use clearing::{SettlementAnswer, SettlementCommand};
use journal::Image;
use ledger::{Command, Owner, Purpose};
use proptest::prelude::*;
use record::{
    BreakKind, FundingReference, LineOutcome, LineSide, OutsideAccount, SaltSlot, SuspenseReason,
};
use seal::sha256;
use terms::{BusinessDate, Instant, Minor};

const IBAN: &str = "NL91ABNA0417164300";
const DAY: &str = "2026-11-22";

fn control() -> terms::AccountId {
    own_account(1)
}
fn bank() -> terms::AccountId {
    own_account(3)
}
fn suspense() -> terms::AccountId {
    own_account(8)
}

struct Book(Kept<SettlementBook>);

impl Book {
    fn new() -> Self {
        let mut book = Self(Kept::genesis(settlement_genesis()));
        let open = |id, of: &str, purpose| {
            let owner = Owner::Institution(name(of));
            SettlementWork::OpenAccount(opening(id, eur(), owner, purpose))
        };
        for work in [
            open(control(), "tcb", Purpose::Control),
            open(bank(), "bank-nl", Purpose::Settlement),
            open(own_account(5), "fx-dealer", Purpose::Settlement),
            open(own_account(7), "tcb", Purpose::Fee),
            open(suspense(), "tcb", Purpose::Suspense),
        ] {
            assert_eq!(book.submit(work), SettlementAnswer::Done);
        }
        let reference = |reference: &str, participant: &str| FundingReference {
            reference: reference.into(),
            participant: name(participant),
        };
        let account = OutsideAccount {
            asset: eur(),
            number: IBAN.into(),
            servicer: "ABNANL2A".into(),
            control: control(),
            suspense: suspense(),
            owner: name("tcb"),
            references: vec![reference("BANK-NL", "bank-nl"), reference("DEALER", "fx-dealer")],
        };
        assert_eq!(book.tell(FundingWork::NameAccount(account.clone())), FundingAnswer::Done);
        let facts = book.0.facts.len();
        assert_eq!(book.tell(FundingWork::NameAccount(account)), FundingAnswer::Done);
        assert_eq!(book.0.facts.len(), facts, "named once");
        book
    }

    fn submit(&mut self, work: SettlementWork) -> SettlementAnswer {
        self.0.submit(now(), &SettlementCommand { slot: SaltSlot(0), work }).0
    }

    fn tell(&mut self, work: FundingWork) -> FundingAnswer {
        match self.submit(SettlementWork::Funding(Box::new(work))) {
            SettlementAnswer::Funding(answer) => *answer,
            other => panic!("{other:?}"),
        }
    }

    /// Judges a file and counts its lines, in order.
    fn post(&mut self, file: &str) -> Vec<FundingAnswer> {
        let claim = claim(file);
        let assets = match self.tell(FundingWork::JudgeFile(claim.clone())) {
            FundingAnswer::Taken { assets, .. } => assets,
            refused => return vec![refused],
        };
        let mut answers = Vec::new();
        for (asset, report) in assets.into_iter().zip(claim.reports) {
            for line in report.lines {
                let file = claim.digest;
                answers.push(self.tell(FundingWork::BookLine { file, asset, claim: line }));
            }
        }
        answers
    }

    fn reconcile(&mut self, file: &str) -> clearing::settlement::funding::Reconciled {
        let claim = claim(file);
        let work = FundingWork::Reconcile { file: claim.digest, reports: claim.reports };
        match self.tell(work) {
            FundingAnswer::Reconciled(mut all) => all.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn balance(&self, account: terms::AccountId) -> u128 {
        let balances = self.0.state.ledger().balances(account).unwrap();
        let (one, other) = (balances.credits_posted.units(), balances.debits_posted.units());
        one.abs_diff(other)
    }

    /// Invariant 13: what the book owes is what confirmed lines account for.
    fn covered(&self) {
        let state = &self.0.state;
        let confirmed = state.funding().confirmed(eur(), BusinessDate::from_days(u32::MAX));
        let owed: u128 = [bank(), own_account(5), own_account(7), suspense()]
            .map(|account| self.balance(account))
            .iter()
            .sum();
        assert_eq!(confirmed.owed(), Some(Minor::new(owed)));
        assert_eq!(self.balance(control()), owed);
        state.ledger().audit().unwrap();
    }
}

fn claim(file: &str) -> FileClaim {
    let incoming = iso20022::read(file.as_bytes()).unwrap();
    FileClaim::of(&incoming, sha256(file.as_bytes())).unwrap()
}

/// A line: bank's reference, amount, `CRDT` or `DBIT`, what the payer wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    reference: String,
    cents: u64,
    side: &'static str,
    says: &'static str,
    status: &'static str,
    day: &'static str,
}

fn line(reference: &str, cents: u64, side: &'static str, says: &'static str) -> Line {
    Line { reference: reference.into(), cents, side, says, status: "BOOK", day: DAY }
}

fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn entries(lines: &[Line]) -> String {
    let mut out = String::new();
    for line in lines {
        let Line { reference, side, says, status, day, .. } = line;
        write!(
            out,
            "<Ntry><Amt Ccy=\"EUR\">{}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>{status}</Cd></Sts>\
             <BookgDt><Dt>{day}</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef><BkTxCd/>\
             <NtryDtls><TxDtls><RmtInf><Ustrd>{says}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>",
            money(line.cents)
        )
        .unwrap();
    }
    out
}

fn notification(message: &str, lines: &[Line]) -> String {
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\">\
         <BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>{message}</MsgId>\
         <CreDtTm>2026-11-22T20:50:00Z</CreDtTm></GrpHdr><Ntfctn><Id>N</Id>\
         <Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>{}</Ntfctn>\
         </BkToCstmrDbtCdtNtfctn></Document>",
        entries(lines)
    )
}

fn statement(message: &str, (opening, closing): (u64, u64), lines: &[Line]) -> String {
    let balance = |kind: &str, cents| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{}</Amt>\
             <CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{DAY}</Dt></Dt></Bal>",
            money(cents)
        )
    };
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt>\
         <GrpHdr><MsgId>{message}</MsgId><CreDtTm>2026-11-22T22:00:00Z</CreDtTm></GrpHdr>\
         <Stmt><Id>S</Id><Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>{}{}{}</Stmt>\
         </BkToCstmrStmt></Document>",
        balance("OPBD", opening),
        balance("CLBD", closing),
        entries(lines)
    )
}

fn outcome(answer: &FundingAnswer) -> (&LineOutcome, News) {
    match answer {
        FundingAnswer::Line { outcome, news, .. } => (outcome, *news),
        other => panic!("{other:?}"),
    }
}

fn refusal(answer: &FundingAnswer) -> RuleName {
    match answer {
        FundingAnswer::Refused(rule) => rule.name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_line_credits_whom_it_names_and_waits_where_it_names_nobody() {
    let mut book = Book::new();
    let lines = [
        line("A", 10_000, "CRDT", "invoice 7 / bank-nl"),
        line("B", 500, "CRDT", "hello"),
        line("C", 300, "CRDT", "BANK-NL DEALER"),
        line("D", 200, "CRDT", "BANK-NLX"),
        Line { status: "PDNG", ..line("E", 900, "CRDT", "BANK-NL") },
        Line { status: "INFO", ..line("F", 900, "CRDT", "BANK-NL") },
        line("G", 50, "DBIT", "charge"),
        line("H", 70, "CRDT", "BANK-NL ACCT-0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"),
    ];
    let answers = book.post(&notification("M1", &lines));
    assert_eq!(answers.len(), 6, "pending and informational lines never count");
    let credited = |customer| LineOutcome::Credited {
        participant: name("bank-nl"),
        account: bank(),
        customer,
    };
    assert_eq!(outcome(&answers[0]), (&credited(None), News::Now));
    let waits = |why| LineOutcome::Suspense(why);
    assert_eq!(*outcome(&answers[1]).0, waits(SuspenseReason::NoParticipant));
    assert_eq!(*outcome(&answers[2]).0, waits(SuspenseReason::SeveralParticipants));
    assert_eq!(*outcome(&answers[3]).0, waits(SuspenseReason::NoParticipant));
    assert_eq!(*outcome(&answers[4]).0, LineOutcome::Unmatched);
    let customer = terms::AccountId::from_bytes([0x0a; 16]);
    assert_eq!(*outcome(&answers[5]).0, credited(Some(customer)));
    assert_eq!((book.balance(bank()), book.balance(suspense())), (10_070, 1_000));
    book.covered();
    let funding = book.0.state.funding();
    assert_eq!(funding.customers_lines().count(), 1);
    let kinds: Vec<_> = funding.breaks(eur()).map(|one| one.kind).collect();
    assert_eq!(kinds, [BreakKind::DebitUnmatched]);
    assert_eq!(funding.may_defund(eur()).unwrap_err().name, RuleName::BreakOpen);
}

#[test]
fn a_file_that_cannot_be_leaves_nothing() {
    let good = notification("M1", &[line("A", 10_000, "CRDT", "BANK-NL")]);
    let late = notification("M9", &[Line { day: "2026-11-25", ..line("A", 1, "CRDT", "?") }]);
    let dated = good.replace("2026-11-22T20", "2027-01-01T20");
    let cases = [
        (good.replace(IBAN, "DE89370400440532013000"), RuleName::StatementAccountUnknown),
        (good.replace("<Ccy>EUR", "<Ccy>USD"), RuleName::StatementCurrencyDiffers),
        (good.replace("Ccy=\"EUR\"", "Ccy=\"USD\""), RuleName::StatementCurrencyDiffers),
        (dated, RuleName::StatementDateWrong),
        (late, RuleName::StatementDateWrong),
        (good.replace("<BookgDt><Dt>2026-11-22</Dt></BookgDt>", ""), RuleName::StatementDateWrong),
        (good.replace("<AcctSvcrRef>A</AcctSvcrRef>", ""), RuleName::StatementLineUnnamed),
    ];
    for (file, expected) in cases {
        let mut book = Book::new();
        let before = book.0.facts.len();
        let answers = book.post(&file);
        assert_eq!(refusal(&answers[0]), expected, "{file}");
        assert_eq!(book.0.facts.len(), before, "nothing is recorded");
        // A refused file does not use its message id up.
        assert_eq!(outcome(&book.post(&good)[0]).1, News::Now);
        assert_eq!(book.balance(bank()), 10_000);
    }
}

#[test]
fn one_message_id_is_one_file_and_one_reference_one_amount() {
    let mut book = Book::new();
    let first = notification("M1", &[line("A", 10_000, "CRDT", "BANK-NL")]);
    assert_eq!(outcome(&book.post(&first)[0]).1, News::Now);
    let facts = book.0.facts.len();
    assert_eq!(outcome(&book.post(&first)[0]).1, News::Before);
    assert_eq!(book.0.facts.len(), facts, "the same file again leaves no fact");
    let other = notification("M1", &[line("B", 10_000, "CRDT", "BANK-NL")]);
    assert_eq!(refusal(&book.post(&other)[0]), RuleName::StatementMessageIdUsed);
    // The bank says another amount of the same line: it does not count, and a break says so.
    let differs = notification("M2", &[line("A", 10_500, "CRDT", "BANK-NL")]);
    assert_eq!(refusal(&book.post(&differs)[0]), RuleName::StatementLineDiffers);
    assert_eq!(refusal(&book.post(&differs)[0]), RuleName::StatementLineDiffers);
    let breaks: Vec<_> = book.0.state.funding().breaks(eur()).cloned().collect();
    assert_eq!((breaks.len(), breaks[0].kind), (1, BreakKind::AmountDiffers));
    assert_eq!(breaks[0].amount.minor.units(), 500);
    assert_eq!(book.balance(bank()), 10_000);
    book.covered();
}

#[test]
fn suspense_ends_by_a_person_and_a_return_by_its_debit_line() {
    let mut book = Book::new();
    let lines = [line("A", 700, "CRDT", "?"), line("B", 300, "CRDT", "?")];
    let answers = book.post(&notification("M1", &lines));
    let ids: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            FundingAnswer::Line { line, .. } => *line,
            other => panic!("{other:?}"),
        })
        .collect();
    let resolve = |line, wish| FundingWork::Resolve {
        line,
        wish,
        by: "operator".into(),
        reason: "the payer called".into(),
    };
    let to = || ResolutionWish::Release(name("bank-nl"));
    assert!(matches!(book.tell(resolve(ids[0], to())), FundingAnswer::Resolved(_)));
    assert_eq!((book.balance(bank()), book.balance(suspense())), (700, 300));
    let again = book.tell(resolve(ids[0], to()));
    assert_eq!(refusal(&again), RuleName::StatementLineNotOpen, "released once");
    let FundingAnswer::Resolved(record::Resolution::ReturnOrdered { reference }) =
        book.tell(resolve(ids[1], ResolutionWish::Return))
    else {
        panic!("ordered")
    };
    book.covered();
    assert_eq!(book.balance(suspense()), 300, "it is here until a line says that it went");
    assert_eq!(refusal(&book.tell(resolve(ids[1], to()))), RuleName::StatementLineNotOpen);
    let says: &'static str = Box::leak(reference.into_boxed_str());
    let wrong = book.post(&notification("M2", &[line("C", 299, "DBIT", says)]));
    assert_eq!(*outcome(&wrong[0]).0, LineOutcome::Unmatched, "the amount must fit");
    let right = book.post(&notification("M3", &[line("D", 300, "DBIT", says)]));
    assert!(matches!(outcome(&right[0]).0, LineOutcome::Confirmed { .. }));
    assert_eq!(book.balance(suspense()), 0);
    let twice = book.post(&notification("M4", &[line("E", 300, "DBIT", says)]));
    assert_eq!(*outcome(&twice[0]).0, LineOutcome::Unmatched, "a return goes once");
    book.covered();
    // A charge that nobody sent is borne by somebody, and the break is gone.
    let open: Vec<_> = book.0.state.funding().breaks(eur()).cloned().collect();
    assert_eq!(open.len(), 2);
    for one in open {
        let wish = ResolutionWish::Charge(name("bank-nl"));
        let done = book.tell(resolve(one.line.unwrap(), wish));
        assert!(matches!(done, FundingAnswer::Resolved(_)), "{done:?}");
    }
    assert_eq!(book.0.state.funding().breaks(eur()).count(), 0);
    assert!(book.0.state.funding().may_defund(eur()).is_ok());
    assert_eq!(book.balance(bank()), 700 - 299 - 300);
    book.covered();
}

#[test]
fn a_statement_names_each_break_and_closes_what_agrees() {
    let mut book = Book::new();
    let known = [line("A", 1_000, "CRDT", "BANK-NL"), line("B", 200, "CRDT", "?")];
    book.post(&notification("M1", &known));
    let agreed = book.reconcile(&statement("S0", (0, 1_200), &known));
    assert_eq!(agreed.breaks, []);
    let found: Vec<_> = agreed.lines.iter().map(|line| line.found).collect();
    assert_eq!(found, [Found::Matched, Found::Suspense]);
    let facts = book.0.facts.len();
    let kinds = |told: &clearing::settlement::funding::Reconciled| {
        told.breaks
            .iter()
            .map(|one| (one.kind, one.amount.minor.units()))
            .collect::<BTreeMap<_, _>>()
    };
    let with = |more: &[Line]| [&known, more].concat();
    let table = [
        (
            statement("S1", (0, 1_450), &with(&[line("C", 250, "CRDT", "DEALER")])),
            vec![(BreakKind::MissingInBook, 250)],
        ),
        (statement("S2", (0, 1_000), &known[..1]), vec![(BreakKind::MissingInStatement, 200)]),
        (
            statement("S3", (0, 1_210), &[known[0].clone(), line("B", 210, "CRDT", "?")]),
            vec![(BreakKind::AmountDiffers, 10)],
        ),
        (statement("S4", (0, 2_200), &with(&known[..1])), vec![(BreakKind::Duplicated, 1_000)]),
        (statement("S5", (30, 1_230), &known), vec![(BreakKind::OpeningBalance, 30)]),
        (statement("S6", (0, 1_240), &known), vec![(BreakKind::ClosingBalance, 40)]),
    ];
    for (file, expected) in table {
        let told = book.reconcile(&file);
        assert_eq!(kinds(&told), expected.into_iter().collect(), "{file}");
        let one = &told.breaks[0];
        assert_eq!((one.owner, one.opened_at), (name("tcb"), now()));
        assert!(book.0.state.funding().may_defund(eur()).is_err());
        let facts = book.0.facts.len();
        assert_eq!(book.reconcile(&file).breaks, told.breaks);
        assert_eq!(book.0.facts.len(), facts, "what is open is not opened again");
        assert_eq!(book.reconcile(&statement("S0", (0, 1_200), &known)).breaks, []);
        assert!(book.0.state.funding().may_defund(eur()).is_ok());
    }
    assert!(book.0.facts.len() > facts);
    // Booked from the statement, the missing line is no break any more.
    let missing = statement("S1", (0, 1_450), &with(&[line("C", 250, "CRDT", "DEALER")]));
    assert_eq!(book.reconcile(&missing).breaks.len(), 1);
    book.post(&missing);
    assert_eq!(book.0.state.funding().breaks(eur()).count(), 0);
    assert_eq!(book.reconcile(&missing).breaks, []);
    book.covered();
}

#[test]
fn money_that_no_line_confirms_is_a_break() {
    let mut book = Book::new();
    let command = clearing::testkit::funding(0x77, control(), bank(), 5_000);
    let reason = "by hand".to_owned();
    book.submit(SettlementWork::Ledger { command: Box::new(command), reason });
    let told = book.reconcile(&statement("S0", (0, 0), &[]));
    assert_eq!(told.breaks.len(), 1);
    assert_eq!(told.breaks[0].kind, BreakKind::Unconfirmed);
    assert_eq!(
        (told.breaks[0].amount.minor.units(), told.breaks[0].side),
        (5_000, LineSide::Credit)
    );
}

/// A posting by hand between two accounts at a moment, for the running business day.
fn pay(book: &mut Book, at: Instant, number: u8, cents: u128) -> SettlementAnswer {
    let mut command = clearing::testkit::funding(number, bank(), own_account(5), cents);
    let date = book.0.state.business_date(at);
    if let Command::Post(transaction) = &mut command {
        transaction.business_date = date;
    }
    let work = SettlementWork::Ledger { command: Box::new(command), reason: "by hand".into() };
    book.0.submit(at, &SettlementCommand { slot: SaltSlot(0), work }).0
}

fn close(book: &mut Book, at: Instant, date: Option<BusinessDate>) -> FundingAnswer {
    let work = SettlementWork::Funding(Box::new(FundingWork::CloseDay(date)));
    match book.0.submit(at, &SettlementCommand { slot: SaltSlot(0), work }).0 {
        SettlementAnswer::Funding(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_day_closes_once_and_what_comes_after_it_carries_the_next_date() {
    let mut book = Book::new();
    book.post(&notification("M1", &[line("A", 10_000, "CRDT", "BANK-NL")]));
    let (today, hour) = (now().date(), Duration::from_secs(3_600));
    let tomorrow = BusinessDate::from_days(today.days() + 1);
    assert_eq!(pay(&mut book, now(), 1, 7_000), SettlementAnswer::Done);
    let command = clearing::testkit::funding(2, own_account(5), bank(), 6_000);
    let reason = "back".to_owned();
    book.submit(SettlementWork::Ledger { command: Box::new(command), reason });
    let not_begun = close(&mut book, now(), Some(tomorrow));
    assert_eq!(refusal(&not_begun), RuleName::BusinessDayNotBegun);
    let FundingAnswer::DayClosed(body, News::Now) = close(&mut book, now(), None) else {
        panic!("closed")
    };
    assert_eq!((body.date, body.previous), (today, None));
    let of = |body: &record::BusinessDayClosed, id| {
        body.accounts.iter().find(|one| one.account == id).unwrap().clone()
    };
    let bank_day = of(&body, bank());
    assert_eq!((bank_day.credits.units(), bank_day.debits.units()), (16_000, 7_000));
    // Nothing before the first line; 3,000 at the lowest in between does not count below it.
    assert_eq!(bank_day.low_water, Minor::ZERO);
    for asset in &body.assets {
        assert_eq!(asset.debits, asset.credits, "trial balance");
        assert_eq!(asset.liabilities.units(), 10_000);
        assert_eq!(asset.confirmed_in.units(), 10_000);
    }
    // The same day again: the same answer and no fact; another time of day changes nothing.
    let facts = book.0.facts.len();
    let again = close(&mut book, now().plus(hour), None);
    assert_eq!(again, FundingAnswer::DayClosed(body.clone(), News::Before));
    assert_eq!(close(&mut book, now(), Some(today)), FundingAnswer::DayClosed(body, News::Before));
    assert_eq!(book.0.facts.len(), facts);
    // After the close, still before midnight: the next business date, and never the closed one.
    assert_eq!(book.0.state.business_date(now().plus(hour)), tomorrow);
    let late = clearing::testkit::funding(3, bank(), own_account(5), 1);
    let work = SettlementWork::Ledger { command: Box::new(late), reason: "late".into() };
    assert!(matches!(book.submit(work), SettlementAnswer::NotAccepted(_)));
    assert_eq!(pay(&mut book, now().plus(hour), 4, 2_500), SettlementAnswer::Done);
    let next = now().plus(Duration::from_secs(86_400));
    assert_eq!(pay(&mut book, next, 5, 1_500), SettlementAnswer::Done);
    let FundingAnswer::DayClosed(second, News::Now) = close(&mut book, next, None) else {
        panic!("closed")
    };
    assert_eq!((second.date, second.previous), (tomorrow, Some(today)));
    let bank_day = of(&second, bank());
    assert_eq!((bank_day.credits_before.units(), bank_day.debits_before.units()), (16_000, 7_000));
    assert_eq!((bank_day.debits.units(), bank_day.low_water.units()), (4_000, 5_000));
    let shown = book.0.state.funding().days().shown(tomorrow).unwrap();
    assert_eq!(shown.entries.len(), 4, "two entries each of the two of that day");
    assert_eq!(book.0.refold(settlement_genesis()), book.0.state);
}

fn any_line() -> impl Strategy<Value = Line> {
    let side = prop_oneof![3 => Just("CRDT"), 1 => Just("DBIT")];
    let says = prop_oneof![Just("BANK-NL"), Just("x DEALER y"), Just("nobody")];
    let status = prop_oneof![6 => Just("BOOK"), 1 => Just("PDNG"), 1 => Just("INFO")];
    (0_u8..12, 1_u64..4, side, says, status).prop_map(|(number, cents, side, says, status)| Line {
        // What the bank calls a line follows from it: one name never has two amounts here.
        reference: format!("R{number}-{cents}-{side}"),
        status,
        ..line("", cents * 100, side, says)
    })
}

proptest! {
    /// Files overlap, repeat, come as notification or statement, and a crash may leave a file
    /// half done at any line: each booked line counts once, and the fold of the facts is the state.
    #[test]
    fn liabilities_are_the_confirmed_balance_and_named_items(
        files in prop::collection::vec(
            (prop::collection::vec(any_line(), 1..6), any::<bool>(), 0_usize..8), 1..12
        ),
        again in prop::collection::vec(0_usize..12, 0..8),
    ) {
        let mut book = Book::new();
        let mut model: BTreeSet<(String, u64, &str)> = BTreeSet::new();
        let texts: Vec<String> = files.iter().enumerate().map(|(at, (lines, stated, _))| {
            let message = format!("M{at}");
            if *stated { statement(&message, (0, 0), lines) } else { notification(&message, lines) }
        }).collect();
        for (at, (lines, _, stop)) in files.iter().enumerate() {
            let claim = claim(&texts[at]);
            book.tell(FundingWork::JudgeFile(claim.clone()));
            for line in claim.reports[0].lines.iter().take(*stop) {
                let (file, claim) = (claim.digest, line.clone());
                let work = FundingWork::BookLine { file, asset: eur(), claim };
                book.tell(work);
            }
            book.covered();
            model.extend(lines.iter().filter(|line| line.status == "BOOK")
                .map(|line| (line.reference.clone(), line.cents, line.side)));
        }
        // Recovery: whatever is unfinished is posted again; so are some others.
        let unfinished: Vec<_> = book.0.state.funding().unfinished().map(|f| f.digest).collect();
        for text in &texts {
            if unfinished.contains(&sha256(text.as_bytes())) {
                book.post(text);
            }
        }
        prop_assert_eq!(book.0.state.funding().unfinished().count(), 0);
        for at in again {
            if let Some(text) = texts.get(at) {
                let facts = book.0.facts.len();
                book.post(text);
                prop_assert_eq!(book.0.facts.len(), facts);
            }
        }
        book.covered();
        prop_assert_eq!(book.0.state.funding().lines().count(), model.len());
        let of = |side| model.iter().filter(move |l| l.2 == side);
        let sum = |side| of(side).map(|l| u128::from(l.1)).sum::<u128>();
        let confirmed = book.0.state.funding().confirmed(eur(), BusinessDate::from_days(u32::MAX));
        prop_assert_eq!(confirmed.came_in.units(), sum("CRDT"));
        prop_assert_eq!(confirmed.went_out.units(), sum("DBIT"));
        prop_assert_eq!(&book.0.refold(settlement_genesis()), &book.0.state);
        let saved = book.0.state.save();
        prop_assert_eq!(&SettlementBook::load(&saved).unwrap(), &book.0.state);
    }
}

#[test]
fn a_stop_keeps_suspense_where_it_is_and_a_frozen_account_sends_lines_there() {
    use clearing::settlement::acts::{ActsAnswer, ActsWork};
    use clearing::{May, Operator, check_act};
    use record::{Act, ActAccount, ActKind, Stop, Subject};

    let settlement = ActAccount::Settlement(name("bank-nl"), eur());
    let table = [
        (
            ActKind::Suspend(Subject::Participant(name("bank-nl"))),
            RuleName::ParticipantSuspended,
            true,
        ),
        (ActKind::Suspend(Subject::Asset(eur())), RuleName::AssetSuspended, true),
        (ActKind::Freeze(settlement, Stop::Credits), RuleName::AccountFrozen, false),
    ];
    for (what, rule, credits) in table {
        let mut book = Book::new();
        let first = book.post(&notification("M1", &[line("A", 700, "CRDT", "?")]));
        let FundingAnswer::Line { line: waiting, .. } = first[0] else { panic!("a line") };
        let key = seal::SigningKey::from_seed(&[0x61; 32]);
        let ada = Operator { name: "ada".into(), key: key.public_key(), may: May::Both };
        let act = Act {
            layout: 1,
            environment: clearing::testkit::environment(),
            book: clearing::testkit::settlement_name(),
            id: terms::ActId::from_bytes([1; 16]),
            what,
            reason: "a drill".into(),
            from: now(),
            until: None,
            decide_by: now().plus(core::time::Duration::from_secs(60)),
        };
        let checked = check_act(record::Signed::sign(&act, &key), &[ada]).expect("a person");
        let work = ActsWork::Propose(Box::new(checked));
        let answer = book.submit(SettlementWork::Acts(Box::new(work)));
        assert!(
            matches!(&answer, SettlementAnswer::Acts(stands)
            if matches!(**stands, ActsAnswer::Stands(..))),
            "{answer:?}"
        );
        let release = FundingWork::Resolve {
            line: waiting,
            wish: ResolutionWish::Release(name("bank-nl")),
            by: "operator".into(),
            reason: "the payer called".into(),
        };
        assert_eq!(refusal(&book.tell(release)), rule, "{what:?}");
        // Money that came is counted, whoever is stopped.
        let more = book.post(&notification("M2", &[line("B", 300, "CRDT", "BANK-NL")]));
        let credited = matches!(outcome(&more[0]).0, LineOutcome::Credited { .. });
        assert_eq!(credited, credits, "{what:?}");
        book.covered();
    }
}

#[test]
fn money_in_suspense_goes_to_nobody_who_is_suspended_and_out_of_no_suspended_asset() {
    use clearing::settlement::acts::{ActsAnswer, ActsWork};
    use clearing::testkit::{environment, settlement_name};
    let suspend = |book: &mut Book, subject| {
        let key = seal::SigningKey::from_seed(&[0x61; 32]);
        let act = record::Act {
            layout: 1,
            environment: environment(),
            book: settlement_name(),
            id: terms::ActId::from_bytes([1; 16]),
            what: record::ActKind::Suspend(subject),
            reason: "a drill".into(),
            from: now(),
            until: None,
            decide_by: now().plus(Duration::from_secs(60)),
        };
        let (name, may) = ("ada".into(), clearing::May::Both);
        let ada = clearing::Operator { name, key: key.public_key(), may };
        let checked = clearing::check_act(record::Signed::sign(&act, &key), &[ada]).unwrap();
        let work = SettlementWork::Acts(Box::new(ActsWork::Propose(Box::new(checked))));
        match book.submit(work) {
            SettlementAnswer::Acts(told) if matches!(*told, ActsAnswer::Stands(..)) => {}
            other => panic!("{other:?}"),
        }
    };
    let to = |of: &str| ResolutionWish::Release(name(of));
    let bank_nl = record::Subject::Participant(name("bank-nl"));
    let asset = record::Subject::Asset(eur());
    let table = [
        (bank_nl, to("bank-nl"), Some(RuleName::ParticipantSuspended)),
        (bank_nl, to("fx-dealer"), None),
        (bank_nl, ResolutionWish::Return, None),
        (asset, to("bank-nl"), Some(RuleName::AssetSuspended)),
        (asset, ResolutionWish::Return, Some(RuleName::AssetSuspended)),
    ];
    for (subject, wish, expected) in table {
        let mut book = Book::new();
        let answers = book.post(&notification("M1", &[line("A", 700, "CRDT", "?")]));
        let FundingAnswer::Line { line, .. } = &answers[0] else { panic!("{answers:?}") };
        suspend(&mut book, subject);
        let (by, reason) = ("operator".to_owned(), "the payer called".to_owned());
        let told = book.tell(FundingWork::Resolve { line: *line, wish: wish.clone(), by, reason });
        match expected {
            Some(rule) => assert_eq!(refusal(&told), rule, "{subject:?} {wish:?}"),
            None => assert!(matches!(told, FundingAnswer::Resolved(_)), "{wish:?}: {told:?}"),
        }
    }
}
