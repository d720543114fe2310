//! Golden bytes of transfers over rails: two documents and the facts of kinds 20 to 25.
//!
//! One line per document or fact in `golden/rails.txt`, which is only added to.
#![expect(clippy::expect_used, reason = "sample values of a test")]

use record::settlement::FactBody;
use record::{
    Document, Fact, Heading, OutsideEvidence, OutsideHeard, OutsideHeld, OutsideNote, OutsideParty,
    OutsidePosted, OutsideReleased, SaltSlot, SendIntended, Signed, StuckAct, StuckDecision,
    StuckResolved, Withdrawal,
};
use seal::text::to_hex;
use seal::{Digest, SigningKey, from_canonical, to_canonical};
use terms::{Amount, HoldId, Instant, Minor, OutsideId, Position};

fn name<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a well-formed name")
}

fn id() -> OutsideId {
    OutsideId::from_bytes([0x21; 16])
}

fn change() -> Vec<u8> {
    vec![0x82, 0x00, 0x80]
}

fn withdrawal() -> Withdrawal {
    Withdrawal {
        layout: 1,
        environment: name("sandbox"),
        book: name("settlement"),
        id: id(),
        participant: name("bank-nl"),
        amount: Amount::new(Minor::new(125_000), name("EUR.2@tcb-sandbox")),
        to: OutsideParty {
            name: "Example Bank N.V.".into(),
            account: "NL91ABNA0417164300".into(),
            bic: "ABNANL2A".into(),
        },
        reference: "WD-014".into(),
        valid_until: Instant::from_seconds(1_795_380_600),
    }
}

fn act(decision: StuckDecision) -> StuckAct {
    StuckAct {
        layout: 1,
        environment: name("sandbox"),
        book: name("settlement"),
        id: id(),
        stuck_at: Position::new(41),
        decision,
        reason: "telephone call with the bank".into(),
        by: "m.visser".into(),
    }
}

fn message() -> OutsideEvidence {
    OutsideEvidence::Message {
        digest: Digest::from_bytes([9; 32]),
        message_id: "STS-1".into(),
        kind: "pacs.002".into(),
        code: "RJCT".into(),
        reason: "AC04".into(),
    }
}

fn document<T: Document + PartialEq + core::fmt::Debug>(label: &str, value: &T) -> String {
    let bytes = to_canonical(value);
    assert_eq!(from_canonical::<T>(&bytes).expect("reads"), *value);
    for index in 0..bytes.len() {
        assert!(bytes.get(..index).is_none_or(|cut| from_canonical::<T>(cut).is_err()));
    }
    format!("{label} {}\n", to_hex(&bytes))
}

fn fact<T: FactBody + PartialEq + core::fmt::Debug>(label: &str, body: &T) -> String {
    let fact = body.to_fact(SaltSlot(3), Heading::default());
    assert_eq!(T::from_fact(&fact).expect("reads"), *body);
    let bytes = to_canonical(&fact);
    assert_eq!(from_canonical::<Fact>(&bytes).expect("reads"), fact);
    let short = Fact { body: fact.body.iter().skip(1).cloned().collect(), ..fact.clone() };
    assert!(T::from_fact(&short).is_err(), "{label}: a field is missing");
    let other = Fact { kind: record::settlement::PAYMENT_SETTLED, ..fact };
    assert!(T::from_fact(&other).is_err(), "{label}: another kind");
    format!("{label} {}\n", to_hex(&bytes))
}

fn heard(label: &str, note: OutsideNote) -> String {
    fact(label, &OutsideHeard { id: id(), note })
}

#[test]
fn transfers_over_rails_have_their_golden_bytes() {
    let key = SigningKey::from_seed(&[3; 32]);
    let (change, evidence) = (change(), message);
    let held = OutsideHeld {
        order: Signed::sign(&withdrawal(), &key),
        hold: HoldId::from_bytes([0x22; 16]),
        change: change.clone(),
    };
    let intended = SendIntended {
        id: id(),
        rail: name("tcb-files"),
        message_id: "21212121212121212121212121212121".into(),
        change: change.clone(),
    };
    let posted = |evidence| OutsidePosted { id: id(), evidence, change: change.clone() };
    let released = |evidence| OutsideReleased { id: id(), evidence, change: change.clone() };
    let resolved =
        |decision, change| StuckResolved { act: Signed::sign(&act(decision), &key), change };
    let lines = [
        document("withdrawal", &withdrawal()),
        document("act", &act(StuckDecision::NotDone)),
        fact("20_held", &held),
        fact("21_intended", &intended),
        heard("22_sent", OutsideNote::Sent("ACSP".into())),
        heard("22_in_doubt", OutsideNote::InDoubt("no answer".into())),
        heard("22_stuck", OutsideNote::Stuck("no end in time".into())),
        heard("22_returned", OutsideNote::Returned(evidence())),
        heard("22_contradicted", OutsideNote::Contradicted(evidence())),
        heard("22_line", OutsideNote::LineBooked("L-1".into())),
        fact("23_message", &posted(evidence())),
        fact("23_line", &posted(OutsideEvidence::Line("L-1".into()))),
        fact("24_message", &released(evidence())),
        fact("24_never", &released(OutsideEvidence::NeverSent("no connection".into()))),
        fact("24_lapsed", &released(OutsideEvidence::Lapsed("over".into()))),
        fact("25_not_done", &resolved(StuckDecision::NotDone, change.clone())),
        fact("25_ask_again", &resolved(StuckDecision::AskAgain, vec![])),
    ];
    assert_eq!(lines.concat(), include_str!("golden/rails.txt"));
}
