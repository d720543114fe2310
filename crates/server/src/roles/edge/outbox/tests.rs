//! Queues and numbers survive a restart; one destination holds up nothing for another.

use record::{EdgeMark, Refusal, Side};
use seal::SigningKey;
use terms::Instant;

use super::*;

fn payment(n: u8) -> PaymentId {
    PaymentId::from_bytes([n; 16])
}

fn parcel(n: u8) -> Parcel {
    let sealed = vec![n].into();
    let kind = DECISION.to_owned();
    Parcel { payment: payment(n), side: Side::Debtor, kind, sealed, duties: None }
}

fn refusal(n: u8) -> Item {
    let refusal = Refusal {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        side: Side::Debtor,
        institution: "bank-nl".parse().unwrap(),
        payment: payment(n),
        terms: Digest::ZERO,
        code: "NotAccepted".to_owned(),
        record: Digest::ZERO,
        mark: EdgeMark { edge: "bank-nl.1".parse().unwrap(), sequence: Sequence::new(0) },
        decided_at: Instant::EPOCH,
    };
    Item::Refusal(Box::new(Signed::sign(&refusal, &SigningKey::from_seed(&[1; 32]))))
}

fn decide(outbox: &mut Outbox, n: u8) {
    let number = outbox.take(payment(n)).unwrap();
    let items = vec![Item::Parcel(parcel(n)), refusal(n)];
    outbox.keep((number, SpentOn::Refusal), items).unwrap();
}

#[test]
fn a_book_that_is_away_holds_up_no_refusal_and_a_restart_changes_nothing() {
    let folder = std::env::temp_dir().join(format!("wayleave-outbox-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("outbox");
    let mut outbox = Outbox::open(&path).unwrap();
    outbox.note_joined(Sequence::new(0)).unwrap();
    decide(&mut outbox, 1);
    decide(&mut outbox, 2);
    for _ in 0..2 {
        let (number, item) = outbox.first(Destination::Core).unwrap();
        assert!(matches!(item, Item::Refusal(_)));
        outbox.done(number).unwrap();
    }
    assert!(outbox.first(Destination::Core).is_none());
    // A number whose decision was cut short.
    let cut = outbox.take(payment(3)).unwrap();
    assert_eq!(outbox.unaccounted(9).1.len(), 2, "somebody may still decide it");
    drop(outbox);

    let mut outbox = Outbox::open(&path).unwrap();
    let (first, item) = outbox.first(Destination::Book).unwrap();
    assert!(matches!(item, Item::Parcel(parcel) if parcel.payment == payment(1)));
    outbox.rename(first, &parcel(1), "decision@bank-nl.1".to_owned()).unwrap();
    let (_, next) = outbox.first(Destination::Book).unwrap();
    assert!(matches!(next, Item::Parcel(parcel) if parcel.payment == payment(2)), "in order");
    assert_eq!(outbox.undelivered(), 2);
    let (from, numbers) = outbox.unaccounted(9);
    let spent: Vec<SpentOn> = numbers.iter().map(|one| one.spent_on).collect();
    assert_eq!(spent, [SpentOn::Refusal, SpentOn::Refusal, SpentOn::Nothing], "{cut}");
    outbox.accounted(numbers.len(), Digest::ZERO).unwrap();
    let chain = outbox.chain();
    drop(outbox);
    let mut outbox = Outbox::open(&path).unwrap();
    assert_eq!((outbox.chain(), outbox.unaccounted(9).1.len()), (chain, 0), "{from}");
    outbox.note_closed().unwrap();
    drop(outbox);
    assert!(Outbox::open(&path).unwrap().is_closed());
    std::fs::remove_dir_all(&folder).unwrap();
}
