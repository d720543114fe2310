//! Golden bytes of every document and of every kind of fact, in labelled pieces.
//!
//! One file per document in `golden/`: the head of the array, then one line per field. The files
//! are never edited: a new layout is a new version with a file of its own.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "sample values of a test"
)]

use record::settlement::FactBody;
use record::{
    Acceptance, AccountProfile, Action, AskedBack, Basis, Blind, BodyError, CancellationRequest,
    Cancelled, CorridorSide, CustomerStep, Document, Documents, Durability, DutyClaim, EdgeMark,
    EdgeNotice, Ending, Fact, FactKind, Fee, FeeTaker, GivenBack, Heading, Identifiers, Invoice,
    IssuerKey, LedgerChanged, LimitClaim, LimitPeriod, ListedVersion, NamelessRequest, PackNotice,
    PackStanding, Parcel, PartyStatement, PaymentEnded, PaymentRefunded, PaymentRefused,
    PaymentSettled, Permit, PostalAddress, Promise, Quote, Rate, Recognised, Recognition,
    RecoveryCertificate, Refusal, RefusedBy, RegisteredClaims, RegisteredVerifier, ReleaseReason,
    ReliedOn, RequestToPay, Resolved, ResolvedEnd, SaltSlot, SandboxLine, SandboxStatement,
    SettleOrder, Settled, SettledAccounts, Side, Signed, Snapshot, StatedParty, TravelMark,
    TrustList, TrustedInstitution, TrustedIssuer, TrustedProvider, Withheld,
};
use seal::text::to_hex;
use seal::{BoxSecretKey, Digest, Es256SigningKey, Salt, SigningKey, from_canonical, to_canonical};
use terms::{
    AccountId, Amount, Epoch, Instant, InvoiceId, Minor, PaymentId, Position, QuoteId, RunId,
    Sequence, StatementId, TransactionId, Uetr,
};

fn name<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a well-formed name")
}

fn digest(n: u8) -> Digest {
    Digest::from_bytes([n; 32])
}

fn at(seconds: u64) -> Instant {
    Instant::from_seconds(1_795_380_600 + seconds)
}

fn payment() -> PaymentId {
    PaymentId::from_bytes([0x11; 16])
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

fn key() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

fn mark() -> EdgeMark {
    EdgeMark { edge: name("bank-nl.1"), sequence: Sequence::new(9) }
}

fn permit() -> Permit {
    Permit {
        layout: 1,
        environment: name("sandbox"),
        corridor: name("nl-sg"),
        action: Action::Pay,
        side: Side::Creditor,
        institution: name("bank-sg"),
        payment: payment(),
        terms: digest(1),
        owner: name("sg-uen:202600010"),
        basis: Basis { pack: digest(2), schema: digest(3), findings_layer: 1, snapshot: digest(4) },
        statement_sent: digest(5),
        statement_received: digest(6),
        acceptance: Some(digest(7)),
        relied_on: vec![ReliedOn { issuer: "https://acra.example".into(), kid: "k1".into() }],
        mark: mark(),
        duties: vec![DutyClaim { kind: "travel_rule".into(), due_at: at(3600) }],
        limits: vec![LimitClaim {
            key: "mandate:1".into(),
            amount: eur(500_000),
            period: LimitPeriod::Month,
        }],
        record: digest(8),
        decided_at: at(0),
        valid_until: at(60),
        travel: None,
    }
}

fn refusal() -> Refusal {
    Refusal {
        layout: 1,
        environment: name("sandbox"),
        corridor: name("nl-sg"),
        side: Side::Debtor,
        institution: name("bank-nl"),
        payment: payment(),
        terms: digest(1),
        code: "NotAccepted".into(),
        record: digest(8),
        mark: mark(),
        decided_at: at(0),
    }
}

fn quote() -> Quote {
    let fee =
        |taker, units, purpose: &str| Fee { taker, amount: eur(units), purpose: purpose.into() };
    Quote {
        layout: 1,
        environment: name("sandbox"),
        quote: QuoteId::from_bytes([0x22; 16]),
        payment: payment(),
        provider: name("fx-dealer"),
        corridor: name("nl-sg"),
        debit: eur(68_610),
        credit: sgd(100_000),
        mid: Rate {
            debit_units: Minor::new(684),
            credit_units: Minor::new(1000),
            source: "sandbox table".into(),
        },
        principal: eur(68_400),
        margin: eur(25),
        fees: vec![
            fee(FeeTaker::DebtorInstitution, 150, "transfer"),
            fee(FeeTaker::Operator, 35, "settlement"),
        ],
        issued_at: at(0),
        expires_at: at(120),
        at_rate_of: None,
    }
}

fn invoice() -> Invoice {
    Invoice {
        layout: 1,
        environment: name("sandbox"),
        invoice: InvoiceId::from_bytes([0x33; 16]),
        number: "INV-014".into(),
        creditor: name("sg-uen:202600010"),
        creditor_name: "Straits Parts Pte. Ltd.".into(),
        institution: name("bank-sg"),
        account: account(0xb0),
        amount: sgd(100_000),
        purpose: "GDDS".into(),
        issued_at: at(0),
        due_at: at(3000),
    }
}

fn acceptance() -> Acceptance {
    Acceptance {
        layout: 1,
        environment: name("sandbox"),
        payment: payment(),
        institution: name("bank-sg"),
        invoice: digest(9),
        account: account(0xb0),
        owner: name("sg-uen:202600010"),
        amount: sgd(100_000),
        valid_until: at(300),
    }
}

fn statement() -> PartyStatement {
    PartyStatement {
        layout: 1,
        environment: name("sandbox"),
        statement: StatementId::from_bytes([0x44; 16]),
        payment: payment(),
        side: Side::Debtor,
        from: name("bank-nl"),
        to: name("bank-sg"),
        blind: Salt([0x55; 16]),
        party: StatedParty {
            company: name("nl-kvk:68750110"),
            legal_name: "Tulp Bikes B.V.".into(),
            account: account(0xa0),
            country: name("NL"),
            address: Some(PostalAddress {
                street: "Keizersgracht 1".into(),
                post_code: "1015 AA".into(),
                town: "Amsterdam".into(),
                country: name("NL"),
            }),
            lei: None,
            purpose: Some("GDDS".into()),
        },
        stated_at: at(0),
    }
}

fn promise() -> Promise {
    Promise {
        layout: 1,
        environment: name("sandbox"),
        origin: "settlement.tcb.example/log".into(),
        position: Position::new(41),
        commitment: record::Commitment(digest(10)),
        payment: payment(),
        terms: digest(1),
        outcome: Ending::Settled,
        durability: Durability::OneDisk,
        settled_at: at(1),
        integrate_by: at(61),
    }
}

fn certificate() -> RecoveryCertificate {
    RecoveryCertificate {
        layout: 1,
        environment: name("sandbox"),
        book: name("settlement"),
        epoch: Epoch::new(2),
        run: RunId::from_bytes([0x66; 16]),
        head: Position::new(42),
        last_stamp: at(1),
        started_at: at(5),
        serving_at: at(6),
        torn_bytes: 17,
        resolved: vec![Resolved { payment: payment(), end: ResolvedEnd::NeverHappened }],
        checkpoint_size: 40,
        checkpoint_root: digest(11),
    }
}

fn trust_list() -> TrustList {
    TrustList {
        layout: 1,
        environment: name("sandbox"),
        jurisdiction: name("NL"),
        version: 8,
        issued_at: at(0),
        next_update: at(86_400),
        issuers: vec![TrustedIssuer {
            url: "https://kvk.example".into(),
            name: "Chamber of Commerce".into(),
            keys: vec![IssuerKey {
                kid: "k1".into(),
                key: Es256SigningKey::from_scalar(&[2; 32]).unwrap().public_key(),
                valid_from: at(0),
                valid_until: at(86_400),
            }],
            credential_types: vec!["urn:eu.europa.ec.eudi:registration:1".into()],
        }],
        institutions: vec![TrustedInstitution {
            institution: name("bank-nl"),
            legal_name: "Bank NL N.V.".into(),
            jurisdiction: name("NL"),
            sides: vec![CorridorSide { corridor: name("nl-sg"), side: Side::Debtor }],
            permit_keys: vec![key().public_key()],
            statement_key: BoxSecretKey::from_seed([8; 32]).public_key(),
            edges: vec![name("bank-nl.1")],
        }],
        providers: vec![TrustedProvider {
            provider: name("fx-dealer"),
            quote_keys: vec![SigningKey::from_seed(&[5; 32]).public_key()],
        }],
        verifiers: vec![RegisteredVerifier {
            client_id: "x509_san_dns:edge.bank-nl.example".into(),
            purpose: "to settle payments".into(),
            claims: vec![RegisteredClaims {
                credential_type: "urn:eu.europa.ec.eudi:registration:1".into(),
                paths: vec!["legal_name".into()],
            }],
        }],
        recognitions: vec![
            Recognition {
                jurisdiction: name("SG"),
                subject: Recognised::Institution(name("bank-sg")),
                until: at(86_400),
            },
            Recognition {
                jurisdiction: name("SG"),
                subject: Recognised::CredentialType("urn:sg:registration:1".into()),
                until: at(86_400),
            },
        ],
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        layout: 1,
        environment: name("sandbox"),
        institution: name("bank-nl"),
        version: 3,
        lists: vec![ListedVersion { name: "trust:NL".into(), version: 8, digest: digest(12) }],
        taken_at: at(0),
        valid_until: at(3600),
    }
}

fn pack_notice() -> PackNotice {
    PackNotice {
        layout: 1,
        environment: name("sandbox"),
        institution: name("bank-nl"),
        corridor: name("nl-sg"),
        side: Side::Debtor,
        pack: digest(2),
        schema: digest(3),
        standing: PackStanding::InForce,
    }
}

fn edge_notice() -> EdgeNotice {
    EdgeNotice {
        layout: 1,
        environment: name("sandbox"),
        institution: name("bank-nl"),
        mark: mark(),
        key: key().key_id(),
    }
}

fn order() -> SettleOrder {
    SettleOrder {
        layout: 1,
        terms: "eyJ0eXBlIjoi".into(),
        identifiers: Identifiers {
            uetr: Uetr::from_random([0x77; 16]),
            end_to_end_id: "INV-014".into(),
            instruction_id: "1".into(),
        },
        quote: Signed::sign(&quote(), &key()),
        invoice: Signed::sign(&invoice(), &key()),
        acceptance: Signed::sign(&acceptance(), &key()),
        debtor_permit: Signed::sign(&permit(), &key()),
        creditor_permit: Signed::sign(&permit(), &key()),
    }
}

fn ended(ending: Ending) -> PaymentEnded {
    PaymentEnded {
        payment: payment(),
        environment: name("sandbox"),
        terms: digest(1),
        ending,
        recorded_at: at(1),
    }
}

/// The head of an array and each element, in hex, each with its label.
fn pieces(labels: &str, bytes: &[u8]) -> String {
    let mut decoder = minicbor::Decoder::new(bytes);
    let count = decoder.array().unwrap().expect("a definite array");
    let mut lines = format!("head {}\n", to_hex(&bytes[..decoder.position()]));
    let labels: Vec<&str> = labels.split_whitespace().collect();
    let count = usize::try_from(count).unwrap();
    assert!(labels.len() >= count, "a field has no label");
    for label in labels.iter().take(count) {
        let from = decoder.position();
        decoder.skip().unwrap();
        lines += &format!("{label} {}\n", to_hex(&bytes[from..decoder.position()]));
    }
    assert_eq!(decoder.position(), bytes.len(), "bytes after the last field");
    lines
}

fn golden(file: &str, lines: &str, stored: &str) {
    assert_eq!(lines, stored, "golden/{file}.txt");
}

fn document<T>(file: &str, value: T, labels: &str, stored: &str)
where
    T: Document + PartialEq + core::fmt::Debug,
{
    let bytes = to_canonical(&value);
    golden(file, &pieces(labels, &bytes), stored);
    assert_eq!(from_canonical::<T>(&bytes).unwrap(), value);
    for index in 0..bytes.len() {
        let cut = from_canonical::<T>(&bytes[..index]);
        assert!(cut.is_err(), "{file}: the first {index} bytes are read");
    }
}

fn fact(file: &str, fact: &Fact, labels: &str, stored: &str) {
    let labels: Vec<&str> = labels.split_whitespace().collect();
    let fields = fact.fields();
    assert_eq!(fields.len(), labels.len() + 6, "{file}: each field has a label");
    let heading = [
        "kind",
        "corridor",
        "debtor_edge",
        "debtor_sequence",
        "creditor_edge",
        "creditor_sequence",
    ];
    let lines: String = heading
        .iter()
        .chain(&labels)
        .zip(&fields)
        .map(|(label, bytes)| format!("{label} {}\n", to_hex(bytes)))
        .collect();
    golden(file, &lines, stored);
    assert_eq!(&from_canonical::<Fact>(&to_canonical(fact)).unwrap(), fact);
}

fn heading() -> Heading {
    Heading { corridor: Some(name("nl-sg")), debtor_edge: Some(mark()), creditor_edge: None }
}

#[test]
fn documents_of_a_payment_have_their_golden_bytes() {
    document("permit", permit(), PERMIT, include_str!("golden/permit.txt"));
    document("refusal", refusal(), REFUSAL, include_str!("golden/refusal.txt"));
    document("quote", quote(), QUOTE, include_str!("golden/quote.txt"));
    document("invoice", invoice(), INVOICE, include_str!("golden/invoice.txt"));
    document("acceptance", acceptance(), ACCEPTANCE, include_str!("golden/acceptance.txt"));
    document("statement", statement(), STATEMENT, include_str!("golden/statement.txt"));
    document("promise", promise(), PROMISE, include_str!("golden/promise.txt"));
    document("order", order(), ORDER, include_str!("golden/order.txt"));
    let request = RequestToPay {
        layout: 1,
        invoice: Signed::sign(&invoice(), &key()),
        ticket: vec![1, 2, 3].into(),
    };
    document("request", request, REQUEST, include_str!("golden/request.txt"));
}

/// What travelled stands at the end: a permit without it keeps its bytes and its layout.
#[test]
fn a_permit_that_names_what_travelled_has_its_golden_bytes() {
    let travel = Some(TravelMark { message: digest(3), receipt: digest(4) });
    let permit = Permit { layout: Permit::layout_of(travel), travel, ..permit() };
    document("permit_2", permit, PERMIT_2, include_str!("golden/permit_2.txt"));
}

#[test]
fn documents_of_the_books_have_their_golden_bytes() {
    document("certificate", certificate(), CERTIFICATE, include_str!("golden/certificate.txt"));
    document("trust_list", trust_list(), TRUST_LIST, include_str!("golden/trust_list.txt"));
    document("snapshot", snapshot(), SNAPSHOT, include_str!("golden/snapshot.txt"));
    document("pack_notice", pack_notice(), PACK_NOTICE, include_str!("golden/pack_notice.txt"));
    document("edge_notice", edge_notice(), EDGE_NOTICE, include_str!("golden/edge_notice.txt"));
    let line = SandboxLine {
        reference: TransactionId::from_bytes([0x88; 16]),
        book: name("settlement"),
        account: account(3),
        amount: eur(1_000_000),
    };
    let sandbox = SandboxStatement {
        layout: 1,
        environment: name("sandbox"),
        number: "2026-11-22/1".into(),
        lines: vec![line],
    };
    document("sandbox", sandbox, SANDBOX, include_str!("golden/sandbox.txt"));
}

#[test]
fn a_signed_document_has_its_golden_bytes() {
    let signed = Signed::sign(&edge_notice(), &key()).to_bytes();
    golden("signed", &pieces("body key signature", &signed), include_str!("golden/signed.txt"));
}

#[test]
fn facts_of_the_settlement_book_have_their_golden_bytes() {
    let (slot, change) = (SaltSlot(3), vec![0x82, 0x00, 0x80]);
    let settled =
        PaymentSettled { ended: ended(Ending::Settled), order: order(), postings: change.clone() };
    let settled = settled.to_fact(slot, heading());
    fact("fact_1_settled", &settled, SETTLED, include_str!("golden/fact_1_settled.txt"));
    let given = GivenBack { original: PaymentId::from_bytes([0x10; 16]), counted: eur(700_000) };
    let refunded =
        PaymentSettled { ended: ended(Ending::Settled), order: order(), postings: change.clone() };
    let refunded = PaymentRefunded { settled: refunded, given }.to_fact(slot, heading());
    let labels = format!("{SETTLED} given_back");
    fact("fact_31_refunded", &refunded, &labels, include_str!("golden/fact_31_refunded.txt"));
    assert_eq!(PaymentRefunded::from_fact(&refunded).unwrap().settled.order, order());
    let core = RefusedBy::Core("QuoteExpired".into(), "expired".into());
    let refused = |by, code: &str| {
        PaymentRefused { ended: ended(Ending::Refused(code.into())), by }.to_fact(slot, heading())
    };
    let by_core = refused(core, "QuoteExpired");
    fact("fact_2_refused", &by_core, REFUSED, include_str!("golden/fact_2_refused.txt"));
    let by_edge = refused(RefusedBy::Edge(Signed::sign(&refusal(), &key())), "NotAccepted");
    fact("fact_2_edge", &by_edge, REFUSED, include_str!("golden/fact_2_edge.txt"));
    let changed = LedgerChanged { change, reason: "sandbox statement".into() };
    let changed = changed.to_fact(slot, Heading::default());
    fact("fact_3_ledger", &changed, "change reason", include_str!("golden/fact_3_ledger.txt"));
    let signed = |number, bytes| Fact::plain(FactKind { number, version: 1 }, slot, vec![bytes]);
    let bytes = Signed::sign(&trust_list(), &key()).to_bytes();
    fact("fact_4_trust", &signed(4, bytes), "signed", include_str!("golden/fact_4_trust.txt"));
    let bytes = Signed::sign(&pack_notice(), &key()).to_bytes();
    fact("fact_5_pack", &signed(5, bytes), "signed", include_str!("golden/fact_5_pack.txt"));
    let bytes = Signed::sign(&snapshot(), &key()).to_bytes();
    fact(
        "fact_6_snapshot",
        &signed(6, bytes),
        "signed",
        include_str!("golden/fact_6_snapshot.txt"),
    );
    let bytes = Signed::sign(&edge_notice(), &key()).to_bytes();
    fact("fact_7_edge", &signed(7, bytes), "signed", include_str!("golden/fact_7_edge.txt"));
    let bytes = Signed::sign(&certificate(), &key()).to_bytes();
    fact(
        "fact_8_recovery",
        &signed(8, bytes),
        "signed",
        include_str!("golden/fact_8_recovery.txt"),
    );
}

#[test]
fn facts_of_customers_books_have_their_golden_bytes() {
    let (slot, change) = (SaltSlot(3), vec![0x82, 0x00, 0x80]);
    let profile = AccountProfile {
        account: account(0xa0),
        owner: name("nl-kvk:68750110"),
        name: "Tulp Bikes B.V.".into(),
        client_key: key().public_key(),
    };
    let kind = FactKind { number: 32, version: 1 };
    let opened = Fact::plain(kind, slot, vec![to_canonical(&profile)]);
    fact("fact_32_account", &opened, "profile", include_str!("golden/fact_32_account.txt"));
    let (payment, settled) = (payment(), Position::new(41));
    let steps = [
        CustomerStep::Held {
            payment,
            order: Box::new(order()),
            change: change.clone().into(),
            blind: None,
        },
        CustomerStep::Debited { payment, settled, change: change.clone().into() },
        CustomerStep::Released {
            payment,
            reason: ReleaseReason::RefusedAt(settled),
            change: change.clone().into(),
        },
        CustomerStep::Released {
            payment,
            reason: ReleaseReason::NeverSettled(settled),
            change: change.clone().into(),
        },
        CustomerStep::Credited { payment, settled, change: change.into() },
    ];
    let stored = [
        include_str!("golden/fact_33_held.txt"),
        include_str!("golden/fact_33_debited.txt"),
        include_str!("golden/fact_33_refused.txt"),
        include_str!("golden/fact_33_never.txt"),
        include_str!("golden/fact_33_credited.txt"),
    ];
    let names = ["held", "debited", "refused", "never", "credited"];
    for ((step, stored), name) in steps.iter().zip(stored).zip(names) {
        let made = step.to_fact(slot, Heading::default());
        fact(&format!("fact_33_{name}"), &made, "step", stored);
        assert_eq!(CustomerStep::from_fact(&made).as_ref(), Ok(step));
    }
    let parcel = Parcel {
        payment,
        side: Side::Debtor,
        kind: "decision".into(),
        sealed: vec![1, 2, 3].into(),
        duties: None,
    };
    let made = parcel.to_fact(slot, Heading::default());
    fact("fact_34_parcel", &made, "parcel", include_str!("golden/fact_34_parcel.txt"));
    assert_eq!(Parcel::from_fact(&made), Ok(parcel));
}

#[test]
fn facts_that_name_nobody_have_their_golden_bytes() {
    let (slot, change, blind) = (SaltSlot(3), vec![0x82, 0x00, 0x80], Blind::from_bytes([6; 32]));
    let body = |given| Settled {
        ended: ended(Ending::Settled),
        quote: order().quote,
        debtor_permit: order().debtor_permit,
        creditor_permit: order().creditor_permit,
        postings: change.clone(),
        given,
        accounts: SettledAccounts { debited: account(0xa0), credited: account(0xb0) },
        documents: Documents::Withheld(Withheld::of(&order(), blind)),
    };
    let labels = format!("{SETTLED} given_back accounts");
    let given = GivenBack { original: PaymentId::from_bytes([0x10; 16]), counted: eur(700_000) };
    for (file, given, stored) in [
        ("fact_1_settled_2", None, include_str!("golden/fact_1_settled_2.txt")),
        ("fact_31_refunded_2", Some(given), include_str!("golden/fact_31_refunded_2.txt")),
    ] {
        let made = body(given).to_fact(slot, heading());
        fact(file, &made, &labels, stored);
        assert_eq!(Settled::of_fact(&made), Ok(body(given)));
    }
    let terms = "eyJ0eXBlIjoi";
    let request = CancellationRequest {
        layout: 1,
        environment: name("sandbox"),
        terms: terms.into(),
        reason: "CUST".into(),
        asked_at: at(4),
    };
    let signed = Signed::sign(&request, &key());
    let request = NamelessRequest::of(&signed).unwrap();
    assert_eq!(request.with_terms(terms), Some(signed.clone()));
    assert_eq!(request.with_terms("eyJ0eXBlIjoj"), None);
    let ended = ended(Ending::Refused("PaymentCancelled".into()));
    let cancelled = Cancelled { ended, request: request.clone() };
    let made = cancelled.to_fact(slot, heading());
    let labels = "payment environment terms_digest ending recorded_at request";
    fact("fact_26_cancelled_2", &made, labels, include_str!("golden/fact_26_cancelled_2.txt"));
    assert_eq!(Cancelled::of_fact(&made), Ok(cancelled));
    let (payment, recorded_at, answer_by) = (payment(), at(5), at(6));
    let asked = AskedBack { payment, request, recorded_at, answer_by };
    let made = asked.to_fact(slot, Heading::default());
    let labels = "payment request recorded_at answer_by";
    fact("fact_27_asked_2", &made, labels, include_str!("golden/fact_27_asked_2.txt"));
    assert_eq!(AskedBack::of_fact(&made), Ok(asked));
    let (order, held) = (Box::new(order()), change.clone().into());
    let steps = [
        CustomerStep::Held { payment, order: order.clone(), change: held, blind: Some(blind) },
        CustomerStep::Documented { payment, order, blind },
    ];
    let stored = [
        ("fact_33_held_blind", include_str!("golden/fact_33_held_blind.txt")),
        ("fact_33_documented", include_str!("golden/fact_33_documented.txt")),
    ];
    for (step, (file, stored)) in steps.iter().zip(stored) {
        let made = step.to_fact(slot, Heading::default());
        fact(file, &made, "step", stored);
        assert_eq!(CustomerStep::from_fact(&made).as_ref(), Ok(step));
    }
}

/// A commitment of another length, or a link where none belongs, is no fact of version 2.
#[test]
fn what_is_no_commitment_is_not_read_as_one() {
    let body = Settled {
        ended: ended(Ending::Settled),
        quote: order().quote,
        debtor_permit: order().debtor_permit,
        creditor_permit: order().creditor_permit,
        postings: vec![0x80],
        given: None,
        accounts: SettledAccounts { debited: account(0xa0), credited: account(0xb0) },
        documents: Documents::Withheld(Withheld::of(&order(), Blind::from_bytes([6; 32]))),
    };
    let good = body.to_fact(SaltSlot(3), heading());
    for index in [11_u16, 12, 14, 15] {
        let mut short = good.clone();
        short.body[usize::from(index) - 6] = vec![0; 31].into();
        let refused = Settled::of_fact(&short).unwrap_err();
        assert_eq!(refused, BodyError::BadField { kind: good.kind, index });
    }
    let mut linked = good.clone();
    linked.kind.number = 31;
    let refused = Settled::of_fact(&linked).unwrap_err();
    assert_eq!(refused, BodyError::BadField { kind: linked.kind, index: 19 });
}

const PERMIT: &str = "\
    layout environment corridor action side institution payment terms owner basis
    statement_sent statement_received acceptance relied_on mark duties limits record
    decided_at valid_until";
const PERMIT_2: &str = "\
    layout environment corridor action side institution payment terms owner basis
    statement_sent statement_received acceptance relied_on mark duties limits record
    decided_at valid_until travel";
const REFUSAL: &str = "\
    layout environment corridor side institution payment terms code record mark
    decided_at";
const QUOTE: &str = "\
    layout environment quote payment provider corridor debit credit mid principal margin
    fees issued_at expires_at";
const INVOICE: &str = "\
    layout environment invoice number creditor creditor_name institution account amount
    purpose issued_at due_at";
const ACCEPTANCE: &str = "\
    layout environment payment institution invoice account owner amount valid_until";
const STATEMENT: &str = "\
    layout environment statement payment side from to blind party stated_at";
const PROMISE: &str = "\
    layout environment origin position commitment payment terms outcome durability
    settled_at integrate_by";
const ORDER: &str = "\
    layout terms identifiers quote invoice acceptance debtor_permit creditor_permit";
const REQUEST: &str = "\
    layout invoice ticket";
const CERTIFICATE: &str = "\
    layout environment book epoch run head last_stamp started_at serving_at torn_bytes
    resolved checkpoint_size checkpoint_root";
const TRUST_LIST: &str = "\
    layout environment jurisdiction version issued_at next_update issuers institutions
    providers verifiers recognitions";
const SNAPSHOT: &str = "\
    layout environment institution version lists taken_at valid_until";
const PACK_NOTICE: &str = "\
    layout environment institution corridor side pack schema standing";
const EDGE_NOTICE: &str = "\
    layout environment institution mark key";
const SANDBOX: &str = "\
    layout environment number lines";
const SETTLED: &str = "\
    payment environment terms_digest ending recorded_at terms identifiers quote invoice
    acceptance debtor_permit creditor_permit postings";
const REFUSED: &str = "\
    payment environment terms_digest ending recorded_at refused_by";
