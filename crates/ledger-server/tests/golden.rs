//! A journal written once by this format's first version, refolded for ever.
//!
//! `tests/golden/ledger-v1` is never edited. A version that reads it otherwise would read every
//! book out there otherwise.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test fails by panicking; a part of the shared modules is used"
)]

#[path = "simulation/clients.rs"]
mod clients;

use std::fmt::Write as _;
use std::path::PathBuf;

use bookkeeping::{Event, Found, LedgerBook, LedgerFact, What, keys};
use clients::Asked;
use journal::batch::{ENTRY_BYTES, LENGTH_BYTES};
use journal::book::apply_all;
use journal::testkit::{FixedSalts, book_name};
use journal::{Batch, Book, Journal, Limits, Start, Tip};
use seal::digest::Domain;
use store::epoch_file::EPOCH_NAME;
use store::fault::FaultDisk;
use store::{Disk, DiskFile, FsckReport, Opening, SegmentConfig, SegmentJournal, fsck};
use terms::{Instant, Position, RunId};

/// What the shared module asks for; nothing is thrown here.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, _end: u64) -> u64 {
        self.0
    }
}

/// Digest of `expected.txt`: neither may change alone.
const EXPECTED_DIGEST: &str = "29d4150106cb14f68c44adefa94c4c2272a0a01370a93ecca80f822596e97bfc";
const DOMAIN: Domain = Domain::new("wayleave/golden-ledger/v1");

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ledger-v1")
}

fn config() -> SegmentConfig {
    SegmentConfig { book: book_name(), segment_bytes: 4096, opening: Opening::ReadsAll }
}

/// The golden files in memory, where they can be damaged.
fn copy() -> FaultDisk {
    let disk = FaultDisk::new(1);
    for entry in std::fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".segment") || name == EPOCH_NAME {
            let bytes = std::fs::read(directory().join(&name)).unwrap();
            let mut file = disk.create(&name, 0).unwrap();
            file.write_at(0, &bytes).unwrap();
            file.sync().unwrap();
        }
    }
    disk.sync_directory().unwrap();
    disk
}

fn batches(disk: &FaultDisk) -> Vec<Batch> {
    let journal = SegmentJournal::open(disk.clone(), config()).unwrap();
    journal.read_from(Position::ZERO, usize::MAX).unwrap()
}

/// What the journal comes to, in words that do not depend on how a state is kept.
fn told(batches: &[Batch]) -> String {
    let (mut state, mut tip, mut text) = (LedgerBook::new(3), Tip::GENESIS, String::new());
    for batch in batches {
        batch.follows(&tip, &book_name()).unwrap();
        for stored in batch.entries() {
            let fact: LedgerFact = stored.fact().unwrap();
            let what = match &fact.event {
                Event::Changed(_) => "changed".to_owned(),
                Event::Refused(refused) => format!("refused by {}", refused.rule),
            };
            let mut ids = String::new();
            keys::of_fact(&fact, |key| {
                let id = u128::from_be_bytes(key.id);
                write!(ids, " {id:032x}").unwrap();
            });
            let (position, client) = (stored.position, fact.client.0);
            writeln!(text, "{position} client {client} {what}{ids}").unwrap();
        }
        apply_all(&mut state, batch).unwrap();
        tip = batch.tip();
    }
    let ledger = state.ledger();
    let mut rows: Vec<String> = ledger
        .accounts()
        .map(|account| {
            let of = account.balances();
            format!(
                "{} {} posted {} {} pending {} {}",
                of.account,
                of.asset,
                of.debits_posted.units(),
                of.credits_posted.units(),
                of.debits_pending.units(),
                of.credits_pending.units()
            )
        })
        .collect();
    rows.extend(
        ledger
            .open_holds()
            .map(|hold| format!("{} remains {}", hold.placement().id, hold.remaining().units())),
    );
    rows.sort();
    writeln!(text, "{}", rows.join("\n")).unwrap();
    writeln!(text, "next {} stamp {} digest {:?}", tip.next, tip.stamp.nanos(), tip.digest)
        .unwrap();
    text
}

/// The golden files are never written again; that this version still writes them, byte for byte,
/// is seen in memory.
#[test]
fn the_golden_journal_is_written_the_same_way_again() {
    let disk = FaultDisk::new(1);
    let mut journal = SegmentJournal::open(disk.clone(), config()).unwrap();
    let run = RunId::from_bytes([7; 16]);
    let start = Start::genesis(LedgerBook::new(3));
    let limits = Limits { batch_facts: 5, ..Limits::WIDEST };
    let (mut book, _) = Book::open(book_name(), limits, run, start, &mut journal).unwrap();
    // Of every second hold the post is left out, so that its void finds it open.
    for n in (0..46).filter(|n| n % 12 != 4) {
        let now = Instant::from_nanos(n);
        let asked = Asked::command(n, 0);
        let What::Do(_) = &asked.request.what else { panic!("a question") };
        while book.decide(now, &Found::default(), &asked.request, &FixedSalts).is_err() {
            book.write_out(&mut journal, &FixedSalts).unwrap();
        }
    }
    book.write_out(&mut journal, &FixedSalts).unwrap();
    drop(journal);
    let whole =
        |disk: &FaultDisk, name: &str| disk.open(name).unwrap().read_at(0, usize::MAX).unwrap();
    let golden = copy();
    let names = golden.list().unwrap();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        assert_eq!(whole(&disk, &name), whole(&golden, &name), "{name}");
    }
}

#[test]
fn the_golden_journal_refolds_to_the_same_state() {
    let disk = copy();
    let report = fsck(&disk, &book_name(), Some(&FixedSalts)).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert!(report.segments >= 2 && report.commitments_unchecked == 0, "{report:?}");
    let told = told(&batches(&disk));
    assert_eq!(told, std::fs::read_to_string(directory().join("expected.txt")).unwrap());
    let digest = format!("{:?}", seal::digest(DOMAIN, told.as_bytes()));
    assert_eq!(digest, EXPECTED_DIGEST);
}

#[derive(Debug, Default)]
struct Flips {
    missed: u64,
    in_facts: u64,
    unused: u64,
}

/// Flips a bit of every `step`th byte of every file, and looks whether the check says where.
fn flips(step: usize, check: impl Fn(&FaultDisk) -> FsckReport) -> Flips {
    let disk = copy();
    let all = batches(&copy());
    let mut seen = Flips::default();
    for name in disk.list().unwrap() {
        let bytes = disk.open(&name).unwrap().read_at(0, usize::MAX).unwrap();
        let first = store::segment::segment_first(&name);
        let mut next = 0;
        let mut places = Vec::new();
        for batch in all.iter().filter(|b| first.is_some_and(|f| b.origin().first >= f)) {
            let end = next + batch.bytes().len();
            if bytes.get(next..end) != Some(batch.bytes()) {
                break;
            }
            places.push((next, end, batch));
            next = end;
        }
        for offset in (0..bytes.len()).step_by(step) {
            disk.damage(&name, offset, 1 << (offset % 8));
            let report = check(&disk);
            disk.damage(&name, offset, 1 << (offset % 8));
            let Some(finding) = report.findings.iter().find(|f| f.file == name) else {
                seen.missed += 1;
                continue;
            };
            let place = places.iter().find(|(begin, end, _)| (*begin..*end).contains(&offset));
            let Some((begin, _, batch)) = place else {
                seen.unused += u64::from(first.is_some());
                continue;
            };
            assert_eq!(finding.batch, Some(batch.origin().first), "{name} {offset}: {finding}");
            let within = offset - begin;
            // Length, fact and commitment.
            let hit = batch.entries().find(|stored| {
                let begin = stored.offset - LENGTH_BYTES;
                (begin..begin + ENTRY_BYTES + stored.bytes.len()).contains(&within)
            });
            match hit {
                Some(hit) => {
                    assert_eq!(finding.fact, Some(hit.position), "{name} {offset}: {finding}");
                    seen.in_facts += 1;
                }
                None => assert_eq!(finding.fact, None, "{name} {offset}: {finding}"),
            }
        }
    }
    seen
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_named() {
    let seen = flips(1, |disk| fsck(disk, &book_name(), Some(&FixedSalts)).unwrap());
    println!("{seen:?}");
    assert_eq!(seen.missed, 0);
    assert!(seen.unused > 100 && seen.in_facts > 4000, "{seen:?}");
}

/// A check that does not look at unused bytes, planted: the test above would see it.
#[test]
fn a_check_that_passes_over_unused_bytes_is_seen() {
    let seen = flips(17, |disk| {
        let mut report = fsck(disk, &book_name(), Some(&FixedSalts)).unwrap();
        report.findings.retain(|finding| finding.what != "unused bytes are not zero");
        report
    });
    assert!(seen.missed > 5, "{seen:?}");
}
