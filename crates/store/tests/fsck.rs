//! Every damaged byte is found, named, and never served.
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

use journal::testkit::{FixedSalts, batch_after, book_name};
use journal::{Append, Batch, Entry, Journal, Origin, ReadError};
use store::epoch_file::EPOCH_NAME;
use store::fault::FaultDisk;
use store::segment_journal::OpenJournalError;
use store::{Disk, DiskFile, Opening, SegmentConfig, SegmentJournal, fsck};
use terms::{Position, RunId};

fn config() -> SegmentConfig {
    SegmentConfig { book: book_name(), segment_bytes: 1024, opening: Opening::ReadsAll }
}

/// Two segments of a few batches.
fn filled(disk: &FaultDisk) -> Vec<Batch> {
    let mut journal = SegmentJournal::open(disk.clone(), config()).unwrap();
    let epoch = journal.claim_epoch(RunId::from_bytes([1; 16])).unwrap();
    for count in [1, 3, 1, 2] {
        let tip = journal.head().unwrap();
        let batch = batch_after(&tip, epoch, count);
        assert_eq!(journal.append(tip.next, epoch, &batch), Append::Appended);
    }
    journal.read_from(Position::ZERO, 9).unwrap()
}

fn contents(disk: &FaultDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.list().unwrap();
    let read = |name: String| {
        let bytes = disk.open(&name).unwrap().read_at(0, usize::MAX).unwrap();
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

#[test]
fn a_flip_of_any_byte_is_found_and_never_served() {
    let disk = FaultDisk::new(1);
    let batches = filled(&disk);
    let sound = fsck(&disk, &book_name(), Some(&FixedSalts)).unwrap();
    assert!(sound.is_sound(), "{:?}", sound.findings);
    assert_eq!((sound.segments, sound.batches, sound.commitments_checked), (2, 4, 7));
    // A summary is a cache: nothing is served from it.
    let mut files = contents(&disk);
    files.retain(|(name, _)| !name.ends_with(".summary"));
    assert_eq!(files.len(), 3);
    for (name, bytes) in &files {
        let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
        for offset in 0..bytes.len() {
            for mask in [1 << (offset % 8), 0xff] {
                disk.damage(name, offset, mask);
                let report = fsck(&disk, &book_name(), Some(&FixedSalts)).unwrap();
                let found = report.findings.first().unwrap_or_else(|| panic!("{name} {offset}"));
                assert_eq!(&found.file, name);
                if name != EPOCH_NAME && offset < used {
                    assert!(found.fatal, "{name} {offset} {mask}: {found}");
                    let batch = batches.iter().rfind(|b| b.origin().first <= found.batch.unwrap());
                    assert!(batch.is_some(), "{found}");
                    // In the last segment an opening that took this for a torn append would cut
                    // what was acknowledged.
                    refuses_to_open(&disk, name);
                }
                disk.damage(name, offset, mask);
            }
        }
    }
    assert!(fsck(&disk, &book_name(), None).unwrap().is_sound(), "all flips were undone");
}

fn refuses_to_open(disk: &FaultDisk, name: &str) {
    match SegmentJournal::open(disk.clone(), config()) {
        Err(OpenJournalError::Read(ReadError::Damaged { place, .. })) => assert_eq!(place, name),
        other => panic!("{name}: {:?}", other.map(|j| j.head())),
    }
}

#[test]
fn damage_after_opening_is_not_served() {
    let disk = FaultDisk::new(1);
    filled(&disk);
    let journal = SegmentJournal::open(disk.clone(), config()).unwrap();
    disk.damage("00000000000000000000.segment", 300, 4);
    let read = journal.read_from(Position::ZERO, 9);
    assert!(matches!(read, Err(ReadError::Damaged { offset: 247.., .. })), "{read:?}");
}

#[test]
fn a_wrong_commitment_under_a_sound_digest_is_found_by_its_salts() {
    let disk = FaultDisk::new(1);
    let mut journal = SegmentJournal::open(disk.clone(), config()).unwrap();
    let epoch = journal.claim_epoch(RunId::from_bytes([1; 16])).unwrap();
    let tip = journal.head().unwrap();
    let honest = batch_after(&tip, epoch, 3);
    let mut entries: Vec<Entry> = honest.entries().map(|e| e.entry().unwrap()).collect();
    entries[1].commitment = entries[0].commitment;
    let batch = Batch::seal(Origin { ..*honest.origin() }, &entries).unwrap();
    assert_eq!(journal.append(tip.next, epoch, &batch), Append::Appended);
    assert!(fsck(&disk, &book_name(), None).unwrap().is_sound());
    let report = fsck(&disk, &book_name(), Some(&FixedSalts)).unwrap();
    assert_eq!(report.findings.len(), 1);
    let second = journal::batch::HEADER_BYTES + honest.entries().next().unwrap().stored_bytes();
    assert_eq!(report.findings[0].offset, second as u64);
    assert_eq!(report.findings[0].fact, Some(Position::new(1)));
}

#[test]
fn a_damaged_field_is_named_by_its_fact() {
    let disk = FaultDisk::new(1);
    filled(&disk);
    let (name, bytes) = contents(&disk).remove(0);
    // The amount in the segment's last batch, whose one fact is the fifth: still canonical, so
    // only digest and
    // commitment tell.
    let last = bytes.windows(4).rposition(|w| w == b"jend").unwrap();
    let amount = bytes[..last].windows(8).rposition(|w| w == 1_u64.to_be_bytes()).unwrap() + 7;
    disk.damage(&name, amount, 2);
    let report = fsck(&disk, &book_name(), Some(&FixedSalts)).unwrap();
    assert_eq!(report.findings[0].fact, Some(Position::new(4)), "{}", report.findings[0]);
    assert!(report.findings[0].to_string().contains("fact `4`"));
}

#[test]
fn a_missing_segment_is_found() {
    let disk = FaultDisk::new(1);
    filled(&disk);
    disk.remove("00000000000000000000.segment").unwrap();
    assert!(!fsck(&disk, &book_name(), None).unwrap().is_sound());
    assert!(SegmentJournal::open(disk, config()).is_err());
}

/// Overwrites bytes with zeros, as a sector that was lost long after it was written.
fn lose(disk: &FaultDisk, name: &str, range: std::ops::Range<usize>) {
    let bytes = disk.open(name).unwrap().read_at(0, usize::MAX).unwrap();
    range.for_each(|offset| disk.damage(name, offset, bytes[offset]));
}

#[test]
fn a_lost_sector_before_sound_batches_is_damage_and_not_a_torn_end() {
    let disk = FaultDisk::new(1);
    let config =
        SegmentConfig { book: book_name(), segment_bytes: 8192, opening: Opening::ReadsAll };
    let mut journal = SegmentJournal::open(disk.clone(), config).unwrap();
    let epoch = journal.claim_epoch(RunId::from_bytes([1; 16])).unwrap();
    for _ in 0..4 {
        let tip = journal.head().unwrap();
        let batch = batch_after(&tip, epoch, 12);
        assert_eq!(journal.append(tip.next, epoch, &batch), Append::Appended);
    }
    let name = "00000000000000000000.segment";
    for sector in 0..4 {
        lose(&disk, name, sector * 512..(sector + 1) * 512);
        let opened = SegmentJournal::open(disk.clone(), config);
        assert!(matches!(opened, Err(OpenJournalError::Read(_))), "sector {sector}");
        let report = fsck(&disk, &book_name(), None).unwrap();
        assert!(report.findings[0].fatal, "sector {sector}");
    }
}
