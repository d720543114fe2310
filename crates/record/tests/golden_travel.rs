//! Golden bytes of what the travel rule sends between two institutions.
//!
//! One line per document in `golden/travel.txt`, which is only added to.
#![expect(clippy::expect_used, reason = "sample values of a test")]

use record::{Side, TravelMark, TravelMessage, TravelReceipt};
use seal::text::to_hex;
use seal::{Digest, Salt, from_canonical, to_canonical};
use terms::{Instant, PaymentId};

fn digest(n: u8) -> Digest {
    Digest::from_bytes([n; 32])
}

fn at(seconds: u64) -> Instant {
    Instant::from_seconds(1_795_380_600 + seconds)
}

fn name<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a well-formed name")
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
fn the_bytes_of_a_travel_message_and_its_receipt_are_fixed() {
    let payment = PaymentId::from_bytes([0x11; 16]);
    let message = TravelMessage {
        layout: 1,
        environment: name("sandbox"),
        book: name("settlement"),
        corridor: name("nl-sg"),
        payment,
        terms: digest(1),
        side: Side::Debtor,
        from: name("bank-nl"),
        to: name("bank-sg"),
        statement: digest(2),
        blind: Salt([5; 16]),
        payload: b"{}".to_vec().into(),
        told_at: at(0),
    };
    let receipt = TravelReceipt {
        layout: 1,
        environment: name("sandbox"),
        book: name("settlement"),
        corridor: name("nl-sg"),
        payment,
        side: Side::Creditor,
        from: name("bank-sg"),
        to: name("bank-nl"),
        message: digest(3),
        received_at: at(1),
    };
    let mark = TravelMark { message: digest(3), receipt: digest(4) };
    let lines = [line("message", &message), line("receipt", &receipt), line("mark", &mark)];
    assert_eq!(lines.concat(), include_str!("golden/travel.txt"), "golden bytes are never edited");
}
