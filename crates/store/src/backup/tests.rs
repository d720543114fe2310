use std::path::PathBuf;
use std::sync::Mutex;

use journal::testkit::{batch_after, book_name};
use journal::{Append, Journal};
use seal::text::to_hex;

use super::*;
use crate::objects::RemoteObjects;
use crate::segment_journal::{SegmentConfig, SegmentJournal};
use crate::{FileDisk, Opening};

/// A journal of many batches in small segments, in a folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, batches: u64) -> Self {
        let path = std::env::temp_dir().join(format!("wayleave-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let folder = Self(path);
        folder.append(batches);
        folder
    }

    fn append(&self, batches: u64) {
        let config =
            SegmentConfig { book: book_name(), segment_bytes: 8192, opening: Opening::ReadsAll };
        let mut journal = SegmentJournal::open(FileDisk::take(&self.0).unwrap(), config).unwrap();
        let epoch = journal.claim_epoch(RunId::from_bytes([1; 16])).unwrap();
        for count in 0..batches {
            let tip = journal.head().unwrap();
            let batch = batch_after(&tip, epoch, count % 7 + 1);
            assert_eq!(journal.append(tip.next, epoch, &batch), Append::Appended);
        }
    }

    fn source(&self) -> Source {
        Source { book: book_name(), folder: self.0.clone() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const EVER: Instant = Instant::from_nanos(u64::MAX);

/// One whole backup, as a command makes it.
fn backed_up(objects: &dyn Objects, folder: &Folder, cut: Instant) -> Result<Copied, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let held = held(objects).map_err(|error| words(&error))?;
    let mut held = held.unwrap_or_else(|| Held::nothing("ledger", RunId::from_bytes([2; 16])));
    let mut next = held.manifest.next(RunId::from_bytes([2; 16]), cut);
    let mut part = next.books.pop().unwrap_or(BookPart::begun(book_name()));
    let copied = folder.source().copy(objects, &mut part, cut, &mut |_, _| ());
    let copied = copied.map_err(|error| words(&error))?;
    next.books.push(part);
    held.replace(objects, next).map_err(|error| words(&error))?;
    Ok(copied)
}

fn read_back(objects: &dyn Objects) -> Vec<u8> {
    let held = held(objects).unwrap().unwrap();
    let mut bytes = Vec::new();
    each_batch::<WalkError>(objects, held.manifest.books.first().unwrap(), |batch| {
        bytes.extend_from_slice(batch.bytes());
        Ok(())
    })
    .unwrap();
    bytes
}

fn journal_bytes(folder: &Folder) -> Vec<u8> {
    let mut bytes = Vec::new();
    let take = |batch: &Batch| {
        bytes.extend_from_slice(batch.bytes());
        Ok::<(), CopyError>(())
    };
    folder.source().each(&Tip::GENESIS, take).unwrap();
    bytes
}

/// A place that fails at one call: before it, or after it so that nobody hears.
#[derive(Debug)]
struct Failing {
    objects: RemoteObjects,
    calls: Mutex<(u64, u64, bool)>,
}

impl Failing {
    fn call<T>(
        &self,
        name: &str,
        call: impl FnOnce() -> Result<T, ObjectError>,
    ) -> Result<T, ObjectError> {
        let (now, after) = {
            let mut calls = self.calls.lock().unwrap();
            calls.0 += 1;
            (calls.0 == calls.1, calls.2)
        };
        let fault = || ObjectError::Unknown { name: name.to_owned(), why: "planned".to_owned() };
        match (now, after) {
            (false, _) => call(),
            (true, false) => Err(fault()),
            (true, true) => call().and(Err(fault())),
        }
    }
}

impl Objects for Failing {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<crate::objects::Created, ObjectError> {
        self.call(name, || self.objects.create(name, bytes))
    }

    fn update(&self, name: &str, bytes: &[u8], known: &Version) -> Result<Updated, ObjectError> {
        self.call(name, || self.objects.update(name, bytes, known))
    }

    fn read(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, ObjectError> {
        self.call(name, || self.objects.read(name))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        self.objects.list(folder)
    }

    fn remove(&self, name: &str) -> Result<(), ObjectError> {
        self.objects.remove(name)
    }
}

#[test]
fn a_backup_that_fails_at_any_call_is_completed_by_the_next() {
    let folder = Folder::new("backup-fails", 40);
    let whole = journal_bytes(&folder);
    for after in [false, true] {
        for at in 1..12 {
            let calls = Mutex::new((0, at, after));
            let place = Failing { objects: RemoteObjects::in_memory().unwrap(), calls };
            let cut = stamps(&folder)[20];
            let ends = [cut, EVER, EVER, EVER].map(|cut| backed_up(&place, &folder, cut));
            let failed = ends.iter().filter(|end| end.is_err()).count();
            assert!(failed <= 1, "one call failed, so at most one backup: {ends:?}");
            assert_eq!(read_back(&place.objects), whole, "call {at}, after: {after}");
        }
    }
}

fn stamps(folder: &Folder) -> Vec<Instant> {
    let mut stamps = Vec::new();
    let take = |batch: &Batch| {
        stamps.push(batch.origin().stamp);
        Ok::<(), CopyError>(())
    };
    folder.source().each(&Tip::GENESIS, take).unwrap();
    stamps
}

#[test]
fn nothing_behind_the_cut_is_copied_and_it_comes_with_the_next() {
    let folder = Folder::new("backup-cut", 30);
    let place = RemoteObjects::in_memory().unwrap();
    let cut = stamps(&folder)[9];
    let copied = backed_up(&place, &folder, cut).unwrap();
    let part = held(&place).unwrap().unwrap().manifest.books.pop().unwrap();
    assert_eq!((part.stamp, part.next.number()), (cut.nanos(), copied.facts));
    assert!(copied.later > 0);
    folder.append(3);
    let rest = backed_up(&place, &folder, EVER).unwrap();
    assert_eq!(rest.later, 0);
    assert_eq!(read_back(&place), journal_bytes(&folder));
    assert_eq!(backed_up(&place, &folder, EVER).unwrap().facts, 0);
}

#[test]
fn many_runs_move_into_indexes_and_are_all_found_again() {
    let runs = RUNS_MAX * 2 + 3;
    let folder = Folder::new("backup-index", u64::try_from(runs).unwrap());
    let place = RemoteObjects::in_memory().unwrap();
    for cut in stamps(&folder) {
        backed_up(&place, &folder, cut).unwrap();
    }
    let part = held(&place).unwrap().unwrap().manifest.books.pop().unwrap();
    assert!(part.runs.len() < RUNS_MAX && !part.index.is_empty());
    assert_eq!(runs_of(&place, &part).unwrap().len(), runs);
    assert_eq!(unnamed(&place, &part.book, &runs_of(&place, &part).unwrap()).unwrap().len(), 0);
    read_back(&place);
}

#[test]
fn another_history_is_never_added() {
    let folder = Folder::new("backup-history", 12);
    let other = Folder::new("backup-other", 5);
    let place = RemoteObjects::in_memory().unwrap();
    backed_up(&place, &folder, EVER).unwrap();
    let refused = backed_up(&place, &other, EVER).unwrap_err();
    assert!(refused.contains("is not the one that lies there"), "{refused}");
    assert_eq!(read_back(&place), journal_bytes(&folder));
}

#[test]
fn a_manifest_is_fixed() {
    let of = |byte| Digest::from_bytes([byte; 32]);
    let total = AssetTotal {
        asset: "EUR.2@bank".to_owned(),
        debits: "5".to_owned(),
        credits: "5".to_owned(),
        debits_held: "0".to_owned(),
        credits_held: "0".to_owned(),
    };
    let book: BookName = "main".parse().unwrap();
    let run = Run { first: Position::new(3), next: Position::new(9), bytes: 70, sha256: of(4) };
    assert_eq!(run.name(&book), "journal/main/00000000000000000003-00000000000000000008");
    let manifest = Manifest {
        number: 1,
        previous: of(1),
        cut: 7,
        books: vec![BookPart {
            next: Position::new(9),
            digest: of(2),
            stamp: 6,
            epoch: 2,
            salt_slots: 5,
            bytes: 300,
            index: "i".to_owned(),
            runs: vec![run],
            trial: Some(Trial { accounts: 2, totals: vec![total], balances: of(3) }),
            ..BookPart::begun(book)
        }],
        log: Some(LogPart {
            book,
            key: "k".to_owned(),
            checkpoint: "c".to_owned(),
            cosigned: String::new(),
        }),
        config: b"{}".to_vec(),
        sealed: Some(SealedPart {
            recipient: [8; 32],
            boxes: vec![SealedBox { object: "s".to_owned(), sha256: of(5), content: of(6) }],
        }),
        ..Manifest::begun("ledger", RunId::from_bytes([7; 16]))
    };
    let bytes_of = |byte: &str| "5820".to_owned() + &byte.repeat(32);
    let text = |text: &str| format!("{:02x}{}", 0x60 + text.len(), to_hex(text.as_bytes()));
    let golden = [
        "8a".to_owned() + &text("wayleave/backup/v1"), // ten items: kind and version
        "01".to_owned() + &bytes_of("01"),             // number, the manifest before
        text("ledger") + "50" + &"07".repeat(16),      // what it is of, who wrote it
        "07".to_owned(),                               // the cut
        "818a".to_owned() + &text("main"),             // one book of ten items: its name
        "09".to_owned() + &bytes_of("02"),             // facts, digest of the last batch
        "0602".to_owned() + "05" + "19012c",           // stamp, epoch, salt slots, bytes
        text("i"),                                     // newest index
        "81840309".to_owned() + "1846" + &bytes_of("04"), // one run
        "830281".to_owned() + "85" + &text("EUR.2@bank"), // trial balance: accounts, one asset
        [text("5"), text("5"), text("0"), text("0")].concat(),
        bytes_of("03"), // all accounts
        "84".to_owned() + &text("main") + &text("k") + &text("c") + "60", // the log
        "427b7d".to_owned(), // configuration
        "82".to_owned() + &bytes_of("08"), // sealed to
        "8183".to_owned() + &text("s") + &bytes_of("05") + &bytes_of("06"), // one box
    ];
    assert_eq!(to_hex(&manifest.to_bytes()), golden.concat());
    assert_eq!(Manifest::from_bytes(&manifest.to_bytes()), Ok(manifest.clone()));
    let other = Manifest { magic: "wayleave/backup/v2".to_owned(), ..manifest };
    assert!(Manifest::from_bytes(&other.to_bytes()).unwrap_err().contains("v2"));
}
