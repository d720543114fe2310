use proptest::prelude::*;

use super::*;
use crate::frame::{Header, Integrity};

fn account(byte: u8) -> AccountId {
    AccountId::from_bytes([byte; 16])
}

fn balance() -> Balance {
    Balance {
        account: account(2),
        debits_posted: Minor::new(3),
        credits_posted: Minor::new(4),
        debits_pending: Minor::new(5),
        credits_pending: Minor::new(6),
        available: None,
    }
}

fn sample() -> (Vec<u8>, u16, u16) {
    let mut writer = ResultsWriter::for_items(3);
    writer.done(Position::new(7), Instant::from_nanos(8));
    writer.balances(&[balance()]);
    let detail = Detail::of_account(account(9), Minor::new(100), Minor::new(20));
    writer.refused(Rule::InsufficientFunds, Some(Field::Amount), Some(detail));
    writer.conflict(Some(Field::Entries), Position::new(1), Instant::from_nanos(2));
    body_of(writer.finish(Position::new(7)))
}

fn body_of(reply: ReplyBody) -> (Vec<u8>, u16, u16) {
    let frame = reply.into_frame(1, Integrity::Transport);
    let header = Header::read(frame.first_chunk().unwrap(), Integrity::Transport).unwrap();
    (frame[HEADER_BYTES..].to_vec(), header.items, header.flags)
}

#[test]
fn golden_results_field_by_field() {
    let n16 = |n: u8| [[0; 15].as_slice(), &[n]].concat();
    let expected = [
        // One detail, one balance, as of position 7.
        &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..],
        // Done at 7, stamp 8, one balance from 0.
        &[1, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 7],
        &[0, 0, 0, 0, 0, 0, 0, 8],
        &[0, 0, 0, 0, 0, 1, 0, 0],
        // Refused: field 8, rule 24, the first detail.
        &[3, 8, 0, 24, 0, 0, 0, 1],
        &[0; 24],
        // Conflict: field 3, first recorded at 1, stamp 2.
        &[4, 3, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 1],
        &[0, 0, 0, 0, 0, 0, 0, 2],
        &[0; 8],
        // The detail: account, expected, got, subject, quantity.
        &[9; 16],
        &n16(100),
        &n16(20),
        &[2, 2],
        &[0; 14],
        // The balance.
        &[2; 16],
        &n16(3),
        &n16(4),
        &n16(5),
        &n16(6),
        &n16(0),
        &[1],
        &[0; 15],
    ]
    .concat();
    let (body, items, flags) = sample();
    assert_eq!(body, expected);
    assert_eq!((items, flags), (3, 0));
}

#[test]
fn results_are_read_back_and_told_to_people() {
    let (body, items, flags) = sample();
    let results = Results::read(body, items, flags).unwrap();
    let read: Vec<Item> = results.iter().collect();
    assert_eq!(read[0].position, Position::new(7));
    assert_eq!(results.balances_of(&read[0]).collect::<Vec<_>>(), [balance()]);
    assert_eq!(results.balances_of(&read[1]).count(), 0);
    assert_eq!(read[1].rule, Some(Coded::Known(Rule::InsufficientFunds)));
    let said = read[1].to_string();
    assert!(said.contains("`insufficient_funds`"), "{said}");
    assert!(said.contains("expected `100`, got `20`"), "{said}");
    assert!(said.contains("acct_0909"), "{said}");
    assert_eq!(read[2].to_string(), "conflict, field `entries`");
    assert!(!results.all(Status::Done));
}

#[test]
fn near_misses_of_results_are_refused() {
    let (sound, items, flags) = sample();
    let detail = 16 + 96;
    for (at, byte, why) in [
        (3, 0, "a detail less"),
        (3, 2, "a detail more"),
        (7, 0, "a balance less"),
        (16, 0, "no status"),
        (16, 9, "a status of a later version"),
        (16, 3, "refused without a rule"),
        (19, 1, "done with a rule"),
        (43, 1, "a balance that is not there"),
        (46, 1, "a reserved byte"),
        (55, 2, "a detail that is not there"),
        (detail + 48, 0, "a detail about no kind of subject"),
        (detail + 49, 7, "a detail that counts nothing known"),
        (detail + 63, 1, "a reserved byte of the detail"),
        (detail + 64 + 95, 1, "unlimited, and yet so much available"),
        (detail + 64 + 96, 2, "a balance's flag"),
        (detail + 64 + 111, 1, "a reserved byte of the balance"),
    ] {
        let mut body = sound.clone();
        body[at] = byte;
        assert_eq!(Results::read(body, items, flags), None, "{why}");
    }
    assert_eq!(Results::read(sound.clone(), items, 2), None);
    assert_eq!(Results::read(sound.clone(), 2, flags), None);
    assert_eq!(Results::read(sound[..sound.len() - 1].to_vec(), items, flags), None);
}

#[test]
fn balances_beyond_the_longest_reply_are_left_out_and_said_to_be() {
    let mut writer = ResultsWriter::for_items(8_190);
    for _ in 0..8_190 {
        writer.done(Position::new(1), Instant::from_nanos(1));
        writer.balances(&[balance(); 4]);
    }
    let (body, items, flags) = body_of(writer.finish(Position::new(1)));
    assert!(u32::try_from(body.len()).unwrap() <= REPLY_BODY_BYTES_MAX);
    let results = Results::read(body, items, flags).unwrap();
    assert!(results.balances_left_out && results.all(Status::Done));
    assert_eq!(results.balances_of(&results.iter().last().unwrap()).count(), 0);
    let mut writer = ResultsWriter::for_items(8_190);
    for _ in 0..8_190 {
        writer.refused(Rule::AccountClosed, None, Some(Detail::of(Subject::Account, [1; 16])));
        writer.balances(&[balance(); 2]);
    }
    assert_eq!(body_of(writer.finish(Position::new(1))).2, 0, "two accounts of each always fit");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_fall(
        items in 0u16..4,
        flags in 0u16..3,
        details in 0u8..3,
        balances in 0u8..3,
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let counts = (usize::from(items), usize::from(details), usize::from(balances));
        let mut body = vec![0; 16 + counts.0 * 32 + counts.1 * 64 + counts.2 * 112];
        (body[3], body[7]) = (details, balances);
        for item in 0..counts.0 {
            body[16 + item * 32] = 1;
        }
        for detail in 0..counts.1 {
            body[16 + counts.0 * 32 + detail * 64 + 48..][..2].fill(1);
        }
        let length = body.len();
        prop_assert_eq!(Results::read(body.clone(), items, 0).is_some(), true);
        for (at, byte) in noise {
            body[at.index(length)] = byte;
        }
        if let Some(results) = Results::read(body, items, flags) {
            prop_assert_eq!(results.iter().count(), results.len());
            for item in results.iter() {
                prop_assert!(results.balances_of(&item).count() <= counts.2);
            }
        }
    }
}
