//! Golden bytes of the facts that open and close a duty.
//!
//! One line per body in `golden/duty.txt`, which is only added to.
#![expect(clippy::expect_used, reason = "sample values of a test")]

use record::duty::{DUTY_CLOSED, DUTY_OPENED};
use record::{
    DutyClosed, DutyClosing, DutyOpened, FactBody, Heading, SaltSlot, Side, Signed, Visibility,
};
use seal::text::{from_hex_array, to_hex};
use seal::{Digest, SigningKey, from_canonical, to_canonical};
use terms::{DecisionId, Instant, PaymentId};

fn at(seconds: u64) -> Instant {
    Instant::from_seconds(1_795_380_600 + seconds)
}

fn name<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a well-formed name")
}

/// The first test key of RFC 8032, section 7.1.
fn key() -> SigningKey {
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    SigningKey::from_seed(&from_hex_array(seed).expect("hex"))
}

fn opened() -> DutyOpened {
    DutyOpened {
        environment: name("sandbox"),
        book: name("settlement"),
        institution: name("bank-nl"),
        corridor: name("nl-sg"),
        payment: PaymentId::from_bytes([0x11; 16]),
        side: Side::Debtor,
        decision: DecisionId::from_bytes([0x61; 16]),
        rule: "review-large".into(),
        kind: "review".into(),
        owner: "compliance".into(),
        closer: key().public_key(),
        visibility: Visibility::Restricted,
        opened_at: at(0),
        due_at: at(259_200),
    }
}

fn closing() -> DutyClosing {
    DutyClosing {
        layout: 1,
        environment: name("sandbox"),
        book: name("settlement"),
        institution: name("bank-nl"),
        duty: Digest::from_bytes([5; 32]),
        evidence: Digest::from_bytes([6; 32]),
        closed_at: at(60),
    }
}

fn line<T>(label: &str, value: &T) -> String
where
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + PartialEq + core::fmt::Debug,
{
    let bytes = to_canonical(value);
    assert_eq!(from_canonical::<T>(&bytes).expect("reads"), *value);
    for index in 0..bytes.len() {
        assert!(bytes.get(..index).is_none_or(|cut| from_canonical::<T>(cut).is_err()));
    }
    format!("{label} {}\n", to_hex(&bytes))
}

#[test]
fn the_bytes_of_an_open_duty_and_of_its_closing_are_fixed() {
    let lines = [line("opened", &opened()), line("closing", &closing())].concat();
    assert_eq!(lines, include_str!("golden/duty.txt"), "golden bytes are never edited");
}

#[test]
fn facts_of_duties_have_their_kinds_and_read_back() {
    let (slot, heading) = (SaltSlot(3), Heading::default());
    let fact = opened().to_fact(slot, heading);
    assert_eq!((fact.kind, fact.kind.number), (DUTY_OPENED, 93));
    assert_eq!(DutyOpened::from_fact(&fact), Ok(opened()));
    let closed = DutyClosed { closing: Signed::sign(&closing(), &key()) };
    let fact = closed.to_fact(slot, heading);
    assert_eq!((fact.kind, fact.kind.number), (DUTY_CLOSED, 94));
    assert_eq!(DutyClosed::from_fact(&fact), Ok(closed));
    assert!(DutyOpened::from_fact(&fact).is_err(), "another kind");
}

#[test]
fn a_duty_is_known_by_all_that_opened_it() {
    type Change = fn(&mut DutyOpened);
    let rows: [Change; 6] = [
        |d| d.environment = name("production"),
        |d| d.book = name("another"),
        |d| d.payment = PaymentId::from_bytes([0x12; 16]),
        |d| d.side = Side::Creditor,
        |d| d.due_at = at(259_201),
        |d| d.decision = DecisionId::from_bytes([0x62; 16]),
    ];
    for (row, change) in rows.into_iter().enumerate() {
        let mut other = opened();
        change(&mut other);
        assert_ne!(other.id(), opened().id(), "row {row}");
    }
}
