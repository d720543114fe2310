//! Golden bytes of what may follow an order: one line per field of each fact (26 to 31, 48 to 51).
//!
//! The files are never edited: a new layout is a new version with a file of its own. Run with
//! `GOLDEN_WRITE` set, a file that is absent is written; one that is there never is.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "sample values of a test")]

use std::path::PathBuf;

use record::settlement::FactBody;
use record::{
    BlockExtent, BlockOrder, BlockRelease, BookCorrected, CancellationAnswer, CancellationAnswered,
    CancellationRequest, CancellationRequested, CancellationVerdict, CaseChange, CaseChanged,
    CaseNotice, Correction, CorrectionMove, CreditDiverted, Diverted, Document, Ending, Fact, Fee,
    FeeTaker, FundsBlocked, GivenBack, Heading, PaymentCancelled, PaymentEnded, PaymentReturned,
    RateGuarantee, ReleaseTo, ReturnConsent, ReturnOrder, ReturnParties, ReturnRate, ReturnStep,
    SaltSlot, Signed, TwoPersons,
};
use seal::text::to_hex;
use seal::{Digest, SigningKey, from_canonical, to_canonical};
use terms::{AccountId, Amount, Instant, Minor, PaymentId, Position, TransactionId};

fn name<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a well-formed name")
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn signed<T: Document>(document: &T) -> Signed<T> {
    Signed::sign(document, &key(3))
}

fn two<T: Document>(document: &T) -> TwoPersons<T> {
    TwoPersons { first: signed(document), second: Signed::sign(document, &key(4)) }
}

fn at(seconds: u64) -> Instant {
    Instant::from_seconds(1_795_380_600 + seconds)
}

fn payment(n: u8) -> PaymentId {
    PaymentId::from_bytes([n; 16])
}

fn transaction(n: u8) -> TransactionId {
    TransactionId::from_bytes([n; 16])
}

fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

fn eur(units: u128) -> Amount {
    Amount::new(Minor::new(units), name("EUR.2@tcb-sandbox"))
}

fn sgd(units: u128) -> Amount {
    Amount::new(Minor::new(units), name("SGD.2@tcb-sandbox"))
}

fn request() -> CancellationRequest {
    CancellationRequest {
        layout: 1,
        environment: name("sandbox"),
        terms: "eyJ0eXBlIjoi".into(),
        reason: "CUST".into(),
        asked_at: at(0),
    }
}

fn return_order() -> ReturnOrder {
    let guarantee = RateGuarantee {
        layout: 1,
        environment: name("sandbox"),
        provider: name("fx-dealer"),
        quote: Digest::from_bytes([5; 32]),
        principal: eur(68_400),
        credit: sgd(100_000),
        issued_at: at(0),
        valid_until: at(60),
    };
    ReturnOrder {
        layout: 1,
        environment: name("sandbox"),
        book: name("settlement"),
        payment: payment(0x22),
        original: payment(0x11),
        institution: name("bank-sg"),
        reason: "AC04".into(),
        amount: sgd(100_000),
        credited: eur(68_400),
        rate: ReturnRate::Guaranteed(signed(&guarantee)),
        fees_kept: vec![Fee {
            taker: FeeTaker::Operator,
            amount: eur(35),
            purpose: "settlement".into(),
        }],
        decided_at: at(1),
        valid_until: at(61),
    }
}

fn ended(ending: Ending) -> PaymentEnded {
    PaymentEnded {
        payment: payment(0x22),
        environment: name("sandbox"),
        terms: Digest::from_bytes([7; 32]),
        ending,
        recorded_at: at(2),
    }
}

fn parties() -> ReturnParties {
    ReturnParties {
        debtor: name("bank-sg"),
        debited: account(2),
        creditor: name("bank-nl"),
        credited: account(1),
    }
}

const ENDED: &str = "payment environment terms_digest ending recorded_at";

fn check<T>(file: &str, body: &T, labels: &str)
where
    T: FactBody + PartialEq + core::fmt::Debug,
{
    let fact = body.to_fact(SaltSlot(3), Heading::default());
    let labels: Vec<&str> = labels.split_whitespace().collect();
    assert_eq!(fact.fields().len(), labels.len() + 6, "{file}: each field has a label");
    let lines: String = ["kind"]
        .iter()
        .chain(&[
            "corridor",
            "debtor_edge",
            "debtor_sequence",
            "creditor_edge",
            "creditor_sequence",
        ])
        .chain(&labels)
        .zip(fact.fields())
        .map(|(label, bytes)| format!("{label} {}\n", to_hex(&bytes)))
        .collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{file}.txt"));
    if std::env::var_os("GOLDEN_WRITE").is_some() && !path.exists() {
        std::fs::write(&path, &lines).unwrap();
    }
    assert_eq!(lines, std::fs::read_to_string(&path).unwrap(), "golden/{file}.txt");
    assert_eq!(&from_canonical::<Fact>(&to_canonical(&fact)).unwrap(), &fact);
    assert_eq!(T::from_fact(&fact).as_ref(), Ok(body), "{file}");
}

#[test]
fn facts_after_an_order_in_the_settlement_book_have_their_golden_bytes() {
    let cancelled = PaymentCancelled {
        ended: ended(Ending::Refused("PaymentCancelled".into())),
        request: signed(&request()),
    };
    check("fact_26_cancelled", &cancelled, &format!("{ENDED} request"));
    let asked = CancellationRequested {
        payment: payment(0x11),
        request: signed(&request()),
        recorded_at: at(2),
        answer_by: at(864_002),
    };
    check("fact_27_asked", &asked, "payment request recorded_at answer_by");
    let verdict = CancellationVerdict::Rejected("CUST".into());
    let answer = CancellationAnswer {
        layout: 1,
        environment: name("sandbox"),
        payment: payment(0x11),
        request: Digest::from_bytes([6; 32]),
        institution: name("bank-sg"),
        verdict: verdict.clone(),
        answered_at: at(3),
    };
    let answer = signed(&answer);
    let answered =
        CancellationAnswered { payment: payment(0x11), answer, verdict, recorded_at: at(4) };
    check("fact_28_answered", &answered, "payment answer verdict recorded_at");
    let returned = PaymentReturned {
        ended: ended(Ending::Settled),
        original: payment(0x11),
        order: signed(&return_order()),
        parties: parties(),
        postings: vec![0x82, 0x00, 0x80],
    };
    check("fact_29_returned", &returned, &format!("{ENDED} original order parties postings"));
    let correction = Correction {
        layout: 1,
        environment: name("sandbox"),
        book: name("settlement"),
        correction: transaction(0x77),
        corrects: transaction(0x76),
        reason: "booked twice".into(),
        moves: vec![CorrectionMove { debit: account(7), credit: account(3), amount: eur(35) }],
        valid_until: at(60),
    };
    let corrected = BookCorrected { correction: two(&correction), change: vec![0x82, 0x00, 0x80] };
    check("fact_30_corrected", &corrected, "correction change");
}

#[test]
fn facts_after_an_order_in_a_customers_book_have_their_golden_bytes() {
    let change = || vec![0x82, 0x00, 0x80].into();
    let consent = ReturnConsent {
        layout: 1,
        environment: name("sandbox"),
        original: payment(0x11),
        account: account(2),
        amount: sgd(100_000),
        valid_until: at(60),
    };
    let held = ReturnStep::Held {
        order: Box::new(signed(&return_order())),
        parties: Box::new(parties()),
        consent: Some(signed(&consent)),
        change: change(),
    };
    check("fact_48_held", &held, "step");
    let (payment, position) = (payment(0x22), Position::new(41));
    let debited = ReturnStep::Debited { payment, settled: position, change: change() };
    check("fact_48_debited", &debited, "step");
    let released = ReturnStep::Released { payment, refused: position, change: change() };
    check("fact_48_released", &released, "step");
    let diverted = |into| CreditDiverted {
        payment,
        settled: position,
        account: account(1),
        amount: eur(68_400),
        into,
        change: change(),
    };
    check("fact_49_blocked", &diverted(Diverted::Blocked(transaction(0x66))), "credit");
    check("fact_49_waiting", &diverted(Diverted::Waiting(transaction(0x55))), "credit");
}

#[test]
fn facts_of_cases_and_blocks_have_their_golden_bytes() {
    let change = || vec![0x82, 0x00, 0x80].into();
    let notice = CaseNotice {
        layout: 1,
        environment: name("sandbox"),
        institution: name("bank-sg"),
        case: transaction(0x55),
        account: account(2),
        change: CaseChange::Post,
        decided_at: at(5),
    };
    let changed = CaseChanged { notice: signed(&notice), change: Some(change()) };
    check("fact_50_case", &changed, "case");
    let order = BlockOrder {
        layout: 1,
        environment: name("sandbox"),
        institution: name("bank-nl"),
        block: transaction(0x66),
        account: account(1),
        owner: name("nl-kvk:68750110"),
        extent: BlockExtent::AllAndComing,
        legal_basis: "Sanctiewet 1977, article 2".into(),
        authority: "Ministerie van Financien".into(),
        ordered_at: at(6),
    };
    let order = Box::new(signed(&order));
    let blocked = FundsBlocked::Blocked { order, amount: eur(500), change: Some(change()) };
    check("fact_51_blocked", &blocked, "block");
    let release = BlockRelease {
        layout: 1,
        environment: name("sandbox"),
        institution: name("bank-nl"),
        block: transaction(0x66),
        to: ReleaseTo::Account(account(9)),
        legal_basis: "licence 2026/17".into(),
        valid_until: at(60),
    };
    let released = FundsBlocked::Released { release: Box::new(two(&release)), change: None };
    check("fact_51_released", &released, "block");
    let given = GivenBack { original: PaymentId::from_bytes([0x11; 16]), counted: sgd(50_000) };
    assert_eq!(from_canonical::<GivenBack>(&to_canonical(&given)).unwrap(), given);
}
