//! The stored form of a batch: fixed bytes, round trip, and refusal of each near miss.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use journal::batch::{
    BATCH_DOMAIN, FOOTER_BYTES, HEADER_BYTES, SealError, entries_despite_damage, stated_length,
};
use journal::testkit::{batch_after, book_name};
use journal::{Batch, BatchProblem, Entry, Origin, Tip};
use proptest::prelude::*;
use record::{Commitment, Fact, FactKind, SaltSlot};
use seal::{Digest, sha256};
use terms::{Epoch, Instant, Position, RunId};

fn small() -> Batch {
    batch_after(&Tip::GENESIS, Epoch::new(3), 2)
}

fn origin() -> Origin {
    *small().origin()
}

#[test]
fn the_layout_is_fixed() {
    let batch = small();
    let bytes = batch.bytes();
    let pieces: [(&str, usize, Vec<u8>); 12] = [
        ("magic", 0, b"WLjb".to_vec()),
        ("version", 4, vec![0, 1]),
        ("length", 6, u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec()),
        ("book", 10, [b"\x0asettlement".to_vec(), vec![0; 38]].concat()),
        ("first position", 59, vec![0; 8]),
        ("epoch", 67, 3_u64.to_be_bytes().to_vec()),
        ("run", 75, vec![9; 16]),
        ("previous", 91, vec![0; 32]),
        ("stamp", 123, 1_u64.to_be_bytes().to_vec()),
        ("count", 131, vec![0, 0, 0, 2]),
        ("digest", bytes.len() - 36, batch.digest().as_bytes().to_vec()),
        ("trailer", bytes.len() - 4, b"jend".to_vec()),
    ];
    for (name, offset, expected) in pieces {
        assert_eq!(&bytes[offset..offset + expected.len()], expected, "{name}");
    }
    let fact = seal::to_canonical(&batch.entries().next().unwrap().fact::<Fact>().unwrap());
    let first = HEADER_BYTES;
    assert_eq!(bytes[first..first + 4], u32::try_from(fact.len()).unwrap().to_be_bytes());
    assert_eq!(bytes[first + 4..first + 4 + fact.len()], fact);
    let covered = &bytes[..bytes.len() - FOOTER_BYTES];
    assert_eq!(seal::digest(BATCH_DOMAIN, covered), batch.digest());
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = small().bytes().to_vec();
    for offset in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[offset] ^= 1 << bit;
            assert!(Batch::decode(&flipped).is_err(), "byte {offset} bit {bit}");
        }
    }
}

#[test]
fn bytes_cut_short_or_added_are_refused() {
    let bytes = small().bytes().to_vec();
    for length in 0..bytes.len() {
        assert!(Batch::decode(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(Batch::decode(&[bytes, vec![0]].concat()).is_err());
}

/// Re-makes header check and digest, so that only the rule under test is broken.
fn reseal(mut bytes: Vec<u8>) -> Vec<u8> {
    let check = seal::digest(journal::batch::HEADER_DOMAIN, &bytes[..135]);
    bytes[135..143].copy_from_slice(&check.as_bytes()[..8]);
    let end = bytes.len() - FOOTER_BYTES;
    let digest = seal::digest(BATCH_DOMAIN, &bytes[..end]);
    bytes[end..end + 32].copy_from_slice(digest.as_bytes());
    bytes
}

#[test]
fn near_misses_with_a_sound_digest_are_refused_by_name() {
    let change = |offset: usize, to: &[u8]| {
        let mut bytes = small().bytes().to_vec();
        bytes[offset..offset + to.len()].copy_from_slice(to);
        Batch::decode(&reseal(bytes)).unwrap_err()
    };
    assert_eq!(change(0, b"WLjc").problem, BatchProblem::Magic);
    assert_eq!(change(4, &[0, 2]).problem, BatchProblem::Version(2));
    assert_eq!(change(58, &[1]).problem, BatchProblem::BookName, "padding that is not zero");
    assert_eq!(change(10, &[60]).problem, BatchProblem::BookName, "a length beyond the field");
    assert_eq!(change(11, b" ").problem, BatchProblem::BookName, "a space");
    assert_eq!(change(131, &[0; 4]).problem, BatchProblem::Count(0));
    assert_eq!(change(59, &[0xff; 8]).problem, BatchProblem::Count(2), "positions run out");
    assert!(matches!(change(6, &[0, 0, 0, 9]).problem, BatchProblem::Length(9)));
    let fact = change(HEADER_BYTES + 4, &[0x9f]);
    assert!(matches!(fact.problem, BatchProblem::Fact(_)));
    assert_eq!((fact.batch, fact.fact), (Some(Position::ZERO), Some(Position::ZERO)));
    let more = change(131, &3_u32.to_be_bytes());
    assert_eq!(more.fact, Some(Position::new(2)), "a third fact was promised");
    let fewer = change(131, &1_u32.to_be_bytes());
    assert_eq!(fewer.problem, BatchProblem::Trailing);
}

#[test]
fn an_error_names_batch_fact_and_byte() {
    let mut bytes = batch_after(&Tip { next: Position::new(40), ..Tip::GENESIS }, Epoch::new(1), 2)
        .bytes()
        .to_vec();
    let second = HEADER_BYTES + (bytes.len() - HEADER_BYTES - FOOTER_BYTES) / 2;
    bytes[second + 4] = 0x9f;
    let error = Batch::decode(&bytes).unwrap_err();
    assert_eq!((error.batch, error.fact), (Some(Position::new(40)), Some(Position::new(41))));
    assert!(error.to_string().starts_with("fact `41`, byte "), "{error}");
}

#[test]
fn the_header_alone_tells_the_length_and_a_bad_digest_still_shows_facts() {
    let batch = small();
    assert_eq!(stated_length(&batch.bytes()[..HEADER_BYTES]), Ok(batch.bytes().len()));
    let mut bytes = batch.bytes().to_vec();
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    assert_eq!(Batch::decode(&bytes).unwrap_err().problem, BatchProblem::Digest);
    let entries = entries_despite_damage(&bytes);
    assert!(entries.len() == 2 && entries.iter().all(|(_, _, entry)| entry.is_some()));
    // A fact that is none does not hide those beside it.
    bytes[HEADER_BYTES + 4] = 0x9f;
    let entries = entries_despite_damage(&bytes);
    assert_eq!((entries[0].0, entries[0].1), (Position::ZERO, HEADER_BYTES));
    assert!(entries[0].2.is_none() && entries[1].2.is_some());
    // After a length that leads nowhere nothing can be told apart.
    bytes[HEADER_BYTES..HEADER_BYTES + 4].fill(0xff);
    assert_eq!(entries_despite_damage(&bytes), vec![(Position::ZERO, HEADER_BYTES, None)]);
    assert_eq!(entries_despite_damage(&bytes[..HEADER_BYTES - 1]), Vec::new());
}

#[test]
fn a_batch_needs_a_fact_and_has_limits() {
    assert_eq!(Batch::seal(origin(), &[]), Err(SealError::Empty));
    let kind = FactKind { number: 1, version: 1 };
    let commitment = Commitment(Digest::ZERO);
    let entry = |bytes: usize| Entry {
        fact: Fact::plain(kind, SaltSlot(0), vec![vec![7; bytes]]),
        commitment,
    };
    assert_eq!(Batch::seal(origin(), &[entry(1 << 20)]), Err(SealError::TooLarge));
    assert_eq!(Batch::seal(origin(), &vec![entry(1); 4097]), Err(SealError::TooLarge));
    let late = Origin { first: Position::new(u64::MAX), ..origin() };
    assert_eq!(Batch::seal(late, &[entry(1)]), Err(SealError::PositionsExhausted));
}

#[test]
fn a_batch_follows_only_its_predecessor() {
    let first = small();
    let second = batch_after(&first.tip(), Epoch::new(3), 1);
    assert!(second.follows(&first.tip(), &book_name()).is_ok());
    let other = "other".parse().unwrap();
    assert!(second.follows(&first.tip(), &other).is_err());
    assert!(second.follows(&Tip::GENESIS, &book_name()).is_err());
    assert!(second.follows(&Tip { digest: sha256(b""), ..first.tip() }, &book_name()).is_err());
    let later = Tip { stamp: second.origin().stamp, ..first.tip() };
    assert!(second.follows(&later, &book_name()).is_err());
}

proptest! {
    #[test]
    fn what_is_sealed_decodes_to_itself(
        bodies in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5), 1..20),
        first in 0..u64::MAX / 2, epoch: u64, run: [u8; 16], previous: [u8; 32], stamp: u64,
    ) {
        let origin = Origin {
            book: book_name(),
            first: Position::new(first),
            epoch: Epoch::new(epoch),
            run: RunId::from_bytes(run),
            previous: Digest::from_bytes(previous),
            stamp: Instant::from_nanos(stamp),
        };
        let kind = FactKind { number: 5, version: 2 };
        let entries: Vec<Entry> = bodies.into_iter().map(|body| {
            let fact = Fact::plain(kind, SaltSlot(stamp), body);
            Entry { commitment: Commitment(sha256(&seal::to_canonical(&fact))), fact }
        }).collect();
        let batch = Batch::seal(origin, &entries).unwrap();
        prop_assert_eq!(Batch::decode(batch.bytes()).unwrap(), batch);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Batch::decode(&bytes).is_err());
    }
}
