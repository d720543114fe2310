//! The journal's contract on real files and in memory.
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

mod support;

use journal::testkit::{book_name, contract};
use journal::{Journal, MemoryJournal};
use store::disk::TakeError;
use store::{FileDisk, Opening, SegmentConfig, SegmentJournal};
use support::Scratch;

#[test]
fn the_segment_journal_keeps_the_contract() {
    let openings = [Opening::ReadsAll, Opening::ReadsTail];
    let sizes = [2048, 4096, 1 << 20];
    for (segment_bytes, opening) in
        sizes.into_iter().flat_map(|bytes| openings.map(|opening| (bytes, opening)))
    {
        let scratch = Scratch::new("contract");
        let config = SegmentConfig { book: book_name(), segment_bytes, opening };
        contract(|journal: Option<SegmentJournal<FileDisk>>| {
            drop(journal);
            SegmentJournal::open(FileDisk::take(scratch.path()).unwrap(), config).unwrap()
        });
    }
}

#[test]
fn the_memory_journal_keeps_the_contract() {
    contract(|journal: Option<MemoryJournal>| {
        journal.unwrap_or_else(|| MemoryJournal::new(book_name()))
    });
}

#[test]
fn a_directory_has_one_taker() {
    let scratch = Scratch::new("lock");
    let first = FileDisk::take(scratch.path()).unwrap();
    assert!(matches!(FileDisk::take(scratch.path()), Err(TakeError::InUse(_))));
    drop(first);
    assert!(FileDisk::take(scratch.path()).is_ok());
}

#[test]
fn epochs_grow_over_restarts() {
    let scratch = Scratch::new("epochs");
    let config =
        SegmentConfig { book: book_name(), segment_bytes: 4096, opening: Opening::ReadsAll };
    let mut last = terms::Epoch::ZERO;
    for run in 0..5 {
        let disk = FileDisk::take(scratch.path()).unwrap();
        let mut journal = SegmentJournal::open(disk, config).unwrap();
        let epoch = journal.claim_epoch(terms::RunId::from_bytes([run; 16])).unwrap();
        assert!(epoch > last);
        last = epoch;
    }
}
