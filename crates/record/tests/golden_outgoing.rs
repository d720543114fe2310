//! Golden bytes of payments out: the order, who pays whom, and the facts of kinds 66 to 68.
//!
//! One line per document or fact in `golden/outgoing.txt`, which is never edited. Run with
//! `GOLDEN_WRITE` set, it is written when it is absent.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "sample values of a test")]

use std::path::PathBuf;

use record::settlement::FactBody;
use record::{
    Basis, EdgeMark, Ending, Fact, Heading, Identifiers, OutgoingEnded, OutgoingParties,
    OutgoingPayment, OutgoingStep, OutgoingTaken, OutsideAddress, OutsideEvidence, OutsideParty,
    PaymentEnded, SaltSlot, Signed,
};
use seal::text::to_hex;
use seal::{Digest, SigningKey, from_canonical, to_canonical};
use terms::{AccountId, Amount, HoldId, Instant, Minor, PaymentId, Position, Sequence, Uetr};

fn name<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a well-formed name")
}

fn at(seconds: u64) -> Instant {
    Instant::from_seconds(1_795_380_600 + seconds)
}

fn payment() -> PaymentId {
    PaymentId::from_bytes([0x11; 16])
}

fn parties() -> OutgoingParties {
    OutgoingParties {
        layout: 1,
        salt: [0x5a; 32].into(),
        payer_name: "Brightwater B.V.".into(),
        to: OutsideParty {
            name: "Atelier Nord SARL".into(),
            account: "FR7630006000011234567890189".into(),
            bic: "AGRIFRPP".into(),
        },
        address: OutsideAddress {
            street: "Rue du Port".into(),
            building: "4".into(),
            post_code: "59000".into(),
            town: "Lille".into(),
            country: "FR".into(),
        },
        identifiers: Identifiers {
            uetr: Uetr::from_random([0x12; 16]),
            end_to_end_id: "INV-2026-7".into(),
            instruction_id: "1".into(),
        },
        payer_address: None,
        payer_account: None,
        purpose: None,
    }
}

fn order() -> OutgoingPayment {
    let amount = |units| Amount::new(Minor::new(units), name("EUR.2@tcb-sandbox"));
    let digest = |n| Digest::from_bytes([n; 32]);
    OutgoingPayment {
        layout: 1,
        environment: name("sandbox"),
        book: name("settlement"),
        payment: payment(),
        corridor: name("nl-out"),
        institution: name("bank-nl"),
        owner: name("nl-kvk:68750110"),
        debited_account: AccountId::from_bytes([0x14; 16]),
        amount: amount(2_500),
        fee: amount(75),
        parties: parties().commitment(),
        uetr: parties().identifiers.uetr,
        basis: Basis { pack: digest(2), schema: digest(3), findings_layer: 1, snapshot: digest(4) },
        record: digest(5),
        mark: EdgeMark { edge: name("bank-nl.1"), sequence: Sequence::new(7) },
        decided_at: at(0),
        valid_until: at(60),
        terms: None,
        limits: None,
    }
}

fn signed() -> Signed<OutgoingPayment> {
    Signed::sign(&order(), &SigningKey::from_seed(&[3; 32]))
}

fn fact<T: FactBody + PartialEq + core::fmt::Debug>(label: &str, body: &T) -> String {
    let fact = body.to_fact(SaltSlot(3), Heading::default());
    let bytes = to_canonical(&fact);
    assert_eq!(&from_canonical::<Fact>(&bytes).unwrap(), &fact);
    assert_eq!(T::from_fact(&fact).as_ref(), Ok(body), "{label}");
    format!("{label} {}\n", to_hex(&bytes))
}

fn ended(ending: Ending, evidence: OutsideEvidence) -> OutgoingEnded {
    let (environment, terms) = (name("sandbox"), signed().digest());
    let ended = PaymentEnded { payment: payment(), environment, terms, ending, recorded_at: at(3) };
    OutgoingEnded { ended, order: signed(), evidence }
}

fn message(code: &str, reason: &str) -> OutsideEvidence {
    OutsideEvidence::Message {
        digest: Digest::from_bytes([9; 32]),
        message_id: "STS-1".into(),
        kind: "pacs.002".into(),
        code: code.into(),
        reason: reason.into(),
    }
}

#[test]
fn payments_out_have_their_golden_bytes() {
    let change = || vec![0x82, 0x00, 0x80];
    let (order, parties) = (Box::new(signed()), Box::new(parties()));
    let held = OutgoingStep::Held { order, parties: parties.clone(), change: change().into() };
    let (settled, refused) = (Position::new(41), Position::new(42));
    let debited = OutgoingStep::Debited { payment: payment(), settled, change: change().into() };
    let released = OutgoingStep::Released { payment: payment(), refused, change: change().into() };
    let hold = HoldId::from_bytes([0x22; 16]);
    let taken = OutgoingTaken { order: signed(), hold, change: change() };
    let not_paid = Ending::Refused("RailRefused".into());
    let lines = [
        format!("order {}\n", to_hex(&signed().to_bytes())),
        format!("parties {}\n", to_hex(&to_canonical(parties.as_ref()))),
        format!("commitment {}\n", parties.commitment()),
        fact("66_held", &held),
        fact("66_debited", &debited),
        fact("66_released", &released),
        fact("67_taken", &taken),
        fact("68_settled", &ended(Ending::Settled, message("ACSC", ""))),
        fact("68_refused", &ended(not_paid, message("RJCT", "AC04"))),
    ]
    .concat();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/outgoing.txt");
    if std::env::var_os("GOLDEN_WRITE").is_some() && !path.exists() {
        std::fs::write(&path, &lines).unwrap();
    }
    assert_eq!(lines, std::fs::read_to_string(&path).unwrap(), "golden/outgoing.txt");
}
