//! The packed log: the same tree as evidence's own, over every crash, and damage is named.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use evidence::tile::{CHECKPOINT_PATH, Tile, changed};
use evidence::tree::{TreeHead, check_consistency, check_inclusion};
use evidence::{CompactRange, Log, MemoryStore, NoteSigner};
use proptest::prelude::*;
use record::{Commitment, leaf_hash};
use seal::{SigningKey, sha256};
use store::disk::{Disk, DiskFile, FileDisk};
use store::fault::{FaultDisk, FaultFile, Faults};
use store::log::{
    LOG_NAME, LogConfig, LogReader, LogThread, OpenLogError, PackedLog, Reopen, check, export,
};
use support::{Dice, Scratch};
use terms::Position;

fn commitment(position: u64) -> Commitment {
    Commitment(sha256(&position.to_be_bytes()))
}

fn run(first: u64, end: u64) -> Vec<Commitment> {
    (first..end).map(commitment).collect()
}

fn signer() -> NoteSigner {
    NoteSigner::new("log.example".parse().unwrap(), SigningKey::from_seed(&[1; 32]))
}

/// Evidence's own log, published at each of these sizes.
fn model(sizes: &[u64]) -> Log<MemoryStore> {
    let mut log = Log::open(MemoryStore::empty(), &signer()).unwrap();
    for size in sizes {
        (log.size()..*size).for_each(|position| log.append(&commitment(position)));
        log.publish(&signer()).unwrap();
    }
    log
}

static HEADS: Mutex<BTreeMap<u64, TreeHead>> = Mutex::new(BTreeMap::new());

/// The head at a size; each is computed once.
fn model_head(size: u64) -> TreeHead {
    let known = HEADS.lock().unwrap().get(&size).copied();
    let head = known.unwrap_or_else(|| {
        let mut range = CompactRange::empty();
        run(0, size).iter().for_each(|commitment| range.append(leaf_hash(commitment)));
        TreeHead { size, root: range.root() }
    });
    HEADS.lock().unwrap().insert(size, head);
    head
}

fn grow(log: &mut PackedLog<FaultFile>, size: u64) -> TreeHead {
    log.append(&run(log.size(), size));
    log.flush().unwrap()
}

fn sums(steps: &[u64]) -> Vec<u64> {
    let sum = |total: &mut u64, step: &u64| {
        *total += step;
        Some(*total)
    };
    steps.iter().scan(0, sum).collect()
}

/// Every file that evidence's log wrote is served, byte for byte.
fn assert_same_files(log: &PackedLog<FaultFile>, model: &Log<MemoryStore>) {
    for (path, bytes) in model.store().files() {
        let served = log.view().resource(path).unwrap();
        if path == CHECKPOINT_PATH {
            assert_eq!(served, None, "a checkpoint is not in the file");
        } else {
            assert_eq!(served.as_ref(), Some(bytes), "{path}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_serves_what_evidence_publishes(steps in prop::collection::vec(1_u64..600, 1..5)) {
        let sizes = sums(&steps);
        let (disk, model) = (FaultDisk::new(1), model(&sizes));
        let mut log = PackedLog::open(&disk).unwrap();
        for size in &sizes {
            let head = grow(&mut log, *size);
            prop_assert_eq!(head, model_head(*size));
        }
        prop_assert_eq!(log.durable(), model.published().unwrap().head());
        assert_same_files(&log, &model);
        drop(log);
        let log = PackedLog::open(&disk).unwrap();
        prop_assert_eq!(log.durable(), model.published().unwrap().head());
        assert_same_files(&log, &model);
        let report = check(&disk).unwrap();
        prop_assert!(report.is_sound(), "{:?}", report.findings);
        prop_assert_eq!(report.head, Some(log.durable()));
    }

    #[test]
    fn its_proofs_hold(size in 1_u64..1500, a in any::<u64>(), b in any::<u64>()) {
        let disk = FaultDisk::new(1);
        let mut log = PackedLog::open(&disk).unwrap();
        let new = grow(&mut log, size);
        let (index, old) = (a % size, model_head(b % size + 1));
        let path = log.view().inclusion(index).unwrap();
        let leaf = leaf_hash(&commitment(index));
        check_inclusion(leaf, index, size, &path, new.root).unwrap();
        let proof = log.view().consistency(old.size).unwrap();
        check_consistency(old, new, &proof).unwrap();
        prop_assert_eq!(log.view().commitment(index).unwrap(), Some(commitment(index)));
        prop_assert!(log.view().inclusion(size).is_err());
        prop_assert!(check_inclusion(leaf, index, size, &path, sha256(b"other")).is_err());
    }
}

/// Past the first full tile of level 1, with flushes that cross it.
#[test]
fn it_grows_past_a_full_tile_of_the_second_level() {
    let sizes = [65_000, 65_536, 66_000, 131_400];
    let disk = FaultDisk::new(1);
    let mut log = PackedLog::open(&disk).unwrap();
    for size in sizes {
        assert_eq!(grow(&mut log, size), model_head(size));
        log = PackedLog::open(&disk).unwrap();
        assert_eq!(log.durable(), model_head(size));
    }
    assert_same_files(&log, &model(&sizes));
    for index in [0, 65_535, 65_536, 131_399] {
        let path = log.view().inclusion(index).unwrap();
        let (leaf, head) = (leaf_hash(&commitment(index)), log.durable());
        check_inclusion(leaf, index, head.size, &path, head.root).unwrap();
    }
    assert!(check(&disk).unwrap().is_sound());
    let bytes = disk.open(LOG_NAME).unwrap().bytes().unwrap();
    assert!(bytes <= 131_400 * 65 + 100_000, "{bytes} bytes");
    // A hash of level 1 that no partial page stands for.
    let offset = usize::try_from(7 * 8192 + 32 * 200 + 5).unwrap();
    disk.damage(LOG_NAME, offset, 1);
    let report = check(&disk).unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].what, "hash 200 of `tile/1/000` is not the root below it");
}

#[test]
fn what_the_tree_has_not_is_not_served() {
    let disk = FaultDisk::new(1);
    let mut log = PackedLog::open(&disk).unwrap();
    grow(&mut log, 300);
    log.append(&run(300, 400));
    for path in [
        "tile/0/001.p/45",
        "tile/0/001",
        "tile/0/002.p/1",
        "tile/1/000.p/2",
        "tile/2/000.p/1",
        "tile/8/000.p/1",
        "tile/63/000.p/1",
        "tile/entries/001.p/45",
        "tile/entries/001",
        "checkpoint",
        "tile/0/x018/x014/x398/x509/x481/983",
    ] {
        assert_eq!(log.view().resource(path).unwrap(), None, "{path}");
    }
    for path in ["tile/0/001.p/44", "tile/0/000", "tile/0/000.p/9", "tile/entries/001.p/44"] {
        assert!(log.view().resource(path).unwrap().is_some(), "{path}");
    }
    assert!(log.view().inclusion(300).is_err(), "appended, not durable");
    assert!(check(&disk).unwrap().is_sound());
}

/// Opens and grows until the end or the crash. The largest size that was said to be durable.
fn work(disk: &FaultDisk, sizes: &[u64], told: &mut u64) -> Option<()> {
    let mut log = PackedLog::open(disk).ok()?;
    assert!(log.size() >= *told, "a size that was published is lost");
    *told = log.size();
    for size in sizes.iter().filter(|size| **size > log.size()).copied().collect::<Vec<_>>() {
        log.append(&run(log.size(), size));
        *told = log.flush().ok()?.size;
    }
    Some(())
}

/// After a crash: a head that was asked for, with all its tiles, and not before what was told.
fn assert_recovers(disk: &FaultDisk, sizes: &[u64], told: u64, what: &str) -> u64 {
    let log = PackedLog::open(disk).unwrap();
    let size = log.size();
    assert!(size >= told, "{what}: told {told}, found {size}");
    assert!(size == 0 || sizes.contains(&size), "{what}: {size}");
    assert_eq!(log.durable(), model_head(size), "{what}");
    let report = check(disk).unwrap();
    let fatal: Vec<_> = report.findings.iter().filter(|finding| finding.fatal).collect();
    // A head that never stood may be newer than what stands: its tiles are not whole.
    if report.head == Some(log.durable()) {
        assert!(fatal.is_empty(), "{what}: {fatal:?}");
    }
    size
}

fn crash_everywhere(sizes: &[u64], seeds: u64) {
    let mut recovered = BTreeSet::new();
    for seed in 0..seeds {
        for call in 1.. {
            let disk = FaultDisk::new(seed * 1000 + call);
            disk.plan(Faults { crash_at_call: call, ..Faults::default() });
            let mut told = 0;
            if work(&disk, sizes, &mut told).is_some() {
                assert!(call > 10, "hardly any calls");
                break;
            }
            disk.reboot();
            let what = format!("seed {seed}, call {call}");
            recovered.insert(assert_recovers(&disk, sizes, told, &what));
            work(&disk, sizes, &mut told).unwrap();
            let last = *sizes.last().unwrap();
            assert_eq!(PackedLog::open(&disk).unwrap().durable(), model_head(last));
            assert!(check(&disk).unwrap().is_sound());
        }
    }
    assert!(recovered.len() >= sizes.len(), "crashes stopped at {recovered:?} only");
}

#[test]
fn a_crash_at_any_disk_call_loses_nothing_that_feeding_again_does_not_restore() {
    crash_everywhere(&sums(&[100, 156, 300, 1, 513, 700]), 12);
}

#[test]
fn a_crash_around_a_full_tile_of_the_second_level_is_no_other() {
    crash_everywhere(&[65_530, 65_540], 1);
}

/// Failed writes and syncs, killed processes, then a power cut: the kernel forgets after a failed
/// sync, and a restarted process must not believe what it sees.
#[test]
fn a_size_that_was_told_survives_failed_syncs_and_a_later_power_cut() {
    let mut injected = 0;
    for seed in 0..150 {
        let (disk, mut dice, mut told) = (FaultDisk::new(seed), Dice(seed), 0);
        let sizes = sums(&[90, 200, 256, 30, 400, 5, 5, 900]);
        for _ in 0..6 {
            let (write, sync) = (dice.below(60), dice.below(300));
            let crash_at_call = dice.below(60);
            let faults =
                Faults { write_per_mille: write, sync_per_mille: sync, ..Faults::default() };
            disk.plan(Faults { crash_at_call, ..faults });
            let _ = work(&disk, &sizes, &mut told);
            if dice.below(2) == 0 && !disk.is_down() { disk.kill_process() } else { disk.reboot() }
        }
        disk.reboot();
        injected += disk.injected();
        let what = format!("seed {seed}");
        assert_recovers(&disk, &sizes, told, &what);
        work(&disk, &sizes, &mut told).unwrap();
        assert_eq!(told, 1886);
        assert!(check(&disk).unwrap().is_sound(), "{what}");
    }
    assert!(injected > 150, "{injected} faults");
}

#[test]
fn a_flipped_bit_is_found_and_named() {
    let disk = FaultDisk::new(1);
    let mut log = PackedLog::open(&disk).unwrap();
    grow(&mut log, 290);
    grow(&mut log, 300);
    let place = 8192;
    // Where in the file what lies, and how the check names it.
    let parts = [
        (0, 4096, "head 0", false),
        (4096, 4096, "head 1", false),
        (7 * place, 32, "of `tile/1/000.p/1`", true),
        (8 * place, place, "of `tile/0/000`", true),
        (9 * place, place, "of `tile/entries/000`", true),
        (10 * place, 44 * 32, "of `tile/0/001.p/44`", true),
        (11 * place, 44 * 32, "of `tile/entries/001.p/44`", true),
    ];
    for (start, length, name, fatal) in parts {
        for within in (0..length).step_by(13).chain([length - 1]) {
            disk.damage(LOG_NAME, start + within, 0x10);
            let report = check(&disk).unwrap();
            let named = report.findings.iter().find(|finding| finding.what.contains(name));
            let named = named.unwrap_or_else(|| panic!("{start}+{within}: {:?}", report.findings));
            assert_eq!(named.fatal, fatal);
            let near = usize::try_from(named.offset).unwrap();
            // In a partial page it cannot be told which of the two halves is wrong.
            let same_page = start >= 10 * place && near / (2 * place) == start / (2 * place);
            let hash = (start..=start + within).contains(&near) && start + within - near < 4096;
            assert!(same_page || hash, "{name}: {near} for {}", start + within);
            disk.damage(LOG_NAME, start + within, 0x10);
        }
    }
    for slack in [place, 7 * place + 32, 10 * place + 44 * 32, 11 * place + 44 * 32] {
        disk.damage(LOG_NAME, slack, 1);
        assert!(check(&disk).unwrap().is_sound(), "byte {slack} is not the log's");
        disk.damage(LOG_NAME, slack, 1);
    }
}

#[test]
fn damage_at_the_edge_is_refused_and_a_short_file_too() {
    for offset in [8 * 8192 + 40 * 32, 9 * 8192 + 7] {
        let disk = FaultDisk::new(1);
        grow(&mut PackedLog::open(&disk).unwrap(), 100);
        disk.damage(LOG_NAME, 0, 1);
        disk.damage(LOG_NAME, offset, 1);
        assert!(matches!(PackedLog::open(&disk), Err(OpenLogError::Damaged(_))), "{offset}");
        disk.damage(LOG_NAME, offset, 1);
        assert!(PackedLog::open(&disk).is_ok());
        disk.damage(LOG_NAME, 4096, 1);
        assert!(matches!(PackedLog::open(&disk), Err(OpenLogError::Damaged(_))));
        assert!(!check(&disk).unwrap().is_sound());
    }
    for bytes in [0, 72, 8192, 8 * 8192 + 1, 9 * 8192 + 300 * 10] {
        let disk = FaultDisk::new(1);
        grow(&mut PackedLog::open(&disk).unwrap(), 100);
        disk.damage(LOG_NAME, 0, 1);
        disk.open(LOG_NAME).unwrap().truncate(bytes).unwrap();
        assert!(matches!(PackedLog::open(&disk), Err(OpenLogError::Damaged(_))), "{bytes}");
        assert!(check(&disk).unwrap().findings.iter().any(|finding| finding.fatal), "{bytes}");
    }
}

/// Damage below the newest head in what the last flush wrote: the head before it stands, and
/// feeding again mends it.
#[test]
fn what_the_last_flush_wrote_is_fed_again_when_it_is_damaged() {
    let disk = FaultDisk::new(1);
    let mut log = PackedLog::open(&disk).unwrap();
    grow(&mut log, 290);
    grow(&mut log, 700);
    disk.damage(LOG_NAME, 13 * 8192 + 9, 1);
    assert!(!check(&disk).unwrap().is_sound());
    let mut log = PackedLog::open(&disk).unwrap();
    assert_eq!(log.durable(), model_head(290));
    assert_eq!(grow(&mut log, 700), model_head(700));
    assert!(check(&disk).unwrap().is_sound());
}

fn fed_and_published(disk: &FaultDisk, to: u64, by: u64) -> Vec<u64> {
    let (tell, told) = std::sync::mpsc::channel();
    let log = PackedLog::open(disk).unwrap();
    let start = log.size();
    let seen = disk.clone();
    let publish = move |head: TreeHead| {
        // What is published is durable: a crash now would show it.
        let copy = LogReader::open(&seen).unwrap().head().unwrap().unwrap();
        assert_eq!((copy, head), (head, model_head(head.size)));
        tell.send(head.size)
    };
    let gather = Duration::ZERO;
    let config = LogConfig { queue_runs: 2, flush_entries: 300, gather, ..LogConfig::USUAL };
    let (feed, thread) = LogThread::spawn(log, config, publish).unwrap();
    // From before what it has: that part is passed over.
    let mut first = start.saturating_sub(10);
    while first < to {
        let end = (first + by).min(to);
        feed.feed(Position::new(first), run(first, end)).unwrap();
        first = end;
    }
    drop(feed);
    assert_eq!(thread.join().unwrap(), model_head(to));
    told.iter().collect()
}

#[test]
fn the_thread_publishes_what_is_durable_and_goes_on_after_a_restart() {
    let disk = FaultDisk::new(1);
    let first = fed_and_published(&disk, 2000, 100);
    assert_eq!((first.first(), first.last()), (Some(&0), Some(&2000)));
    assert!(first.is_sorted());
    let second = fed_and_published(&disk, 2500, 7);
    assert_eq!((second.first(), second.last()), (Some(&2000), Some(&2500)));
}

#[test]
fn checkpoints_keep_their_distance_and_the_last_head_has_one() {
    let disk = FaultDisk::new(1);
    let (tell, told) = std::sync::mpsc::channel();
    let publish = move |head: TreeHead| tell.send(head.size);
    let publish_every = Duration::from_secs(3600);
    let config = LogConfig { gather: Duration::ZERO, publish_every, ..LogConfig::USUAL };
    let log = PackedLog::open(&disk).unwrap();
    let (feed, thread) = LogThread::spawn(log, config, publish).unwrap();
    // The first, at the start, and no other while an hour lasts.
    assert_eq!(told.recv().unwrap(), 0);
    for first in 0..20 {
        feed.feed(Position::new(first), run(first, first + 1)).unwrap();
    }
    drop(feed);
    thread.join().unwrap();
    assert_eq!(told.iter().collect::<Vec<_>>(), [20]);
}

#[test]
fn a_gap_or_a_dead_disk_stops_the_thread_and_says_why() {
    let disk = FaultDisk::new(1);
    let log = PackedLog::open(&disk).unwrap();
    let (feed, thread) =
        LogThread::spawn(log, LogConfig::USUAL, |_| Err::<(), _>("no signer")).unwrap();
    feed.feed(Position::new(1), run(1, 2)).unwrap();
    let error = thread.join().unwrap_err();
    assert_eq!(error.reason, "expected position `0`, got `1`");
    assert_eq!(feed.watch().failure(), Some(error.clone()));
    assert_eq!(feed.feed(Position::new(0), run(0, 2)), Err(error));
    assert_eq!(feed.watch().publish_failure(), Some("no signer".to_owned()));
    let watch = feed.watch().clone();
    drop(feed);
    assert_eq!((watch.durable(), watch.published(), watch.lag()), (0, 0, 2));

    let log = PackedLog::open(&disk).unwrap();
    let config = LogConfig { gather: Duration::ZERO, ..LogConfig::USUAL };
    let (feed, thread) = LogThread::spawn(log, config, |_| Ok::<(), String>(())).unwrap();
    disk.plan(Faults { sync_per_mille: 1000, ..Faults::default() });
    feed.feed(Position::new(0), run(0, 2)).unwrap();
    assert!(thread.join().unwrap_err().reason.contains("planned: a sync failed"));
    assert_eq!(feed.watch().durable(), 0);
}

#[test]
fn a_disk_that_fails_for_a_while_delays_the_log_and_loses_nothing() {
    let disk = FaultDisk::new(7);
    let log = PackedLog::open(&disk).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let publish = move |head: TreeHead| tell.send(head.size);
    let again = disk.clone();
    let reopen = Reopen::by(move || PackedLog::open(&again));
    let config = LogConfig { queue_runs: 4, gather: Duration::ZERO, ..LogConfig::USUAL };
    let (feed, thread) = LogThread::spawn_reopening(log, config, publish, reopen).unwrap();
    feed.feed(Position::new(0), run(0, 300)).unwrap();
    while feed.watch().durable() < 300 {
        std::thread::yield_now();
    }
    disk.plan(Faults { sync_per_mille: 1000, ..Faults::default() });
    feed.feed(Position::new(300), run(300, 400)).unwrap();
    while feed.watch().publish_failure().is_none() {
        std::thread::yield_now();
    }
    assert_eq!((feed.watch().durable(), feed.watch().failure()), (300, None));
    disk.plan(Faults::default());
    feed.feed(Position::new(400), run(400, 1000)).unwrap();
    while feed.watch().durable() < 1000 {
        std::thread::yield_now();
    }
    assert_eq!(feed.watch().head(), model_head(1000));
    drop(feed);
    assert_eq!(thread.join().unwrap(), model_head(1000));
    assert_eq!(told.iter().last(), Some(1000));
    // Nobody feeds any more, and the disk never comes back: it ends, and says why.
    let again = disk.clone();
    let reopen = Reopen::by(move || PackedLog::open(&again));
    let log = PackedLog::open(&disk).unwrap();
    let publish = |_: TreeHead| Ok::<(), String>(());
    let (feed, thread) = LogThread::spawn_reopening(log, config, publish, reopen).unwrap();
    disk.plan(Faults { sync_per_mille: 1000, ..Faults::default() });
    feed.feed(Position::new(1000), run(1000, 1001)).unwrap();
    drop(feed);
    assert!(thread.join().unwrap_err().reason.contains("planned"));
}

#[test]
fn a_fault_that_lasts_ends_when_it_is_told_to_and_at_damage() {
    let start = |disk: &FaultDisk, queue_runs| {
        let again = disk.clone();
        let reopen = Reopen::by(move || PackedLog::open(&again));
        let config = LogConfig { queue_runs, gather: Duration::ZERO, ..LogConfig::USUAL };
        let publish = |_: TreeHead| Ok::<(), String>(());
        let log = PackedLog::open(disk).unwrap();
        LogThread::spawn_reopening(log, config, publish, reopen).unwrap()
    };
    // Somebody still feeds, the queue is full, and the disk never comes back.
    let disk = FaultDisk::new(8);
    let (feed, thread) = start(&disk, 1);
    disk.plan(Faults { sync_per_mille: 1000, ..Faults::default() });
    let mut next = 0;
    let refused = loop {
        match feed.offer(Position::new(next), run(next, next + 2)).unwrap() {
            None => next += 2,
            Some(back) if feed.watch().fault().is_some() => break back,
            Some(_) => std::thread::yield_now(),
        }
    };
    assert_eq!(refused, run(next, next + 2));
    assert_eq!(feed.watch().lag(), next + 2);
    feed.stop();
    assert!(thread.join().unwrap_err().reason.contains("planned"));
    assert!(feed.offer(Position::new(next), refused).is_err());

    // What is damaged when it is opened again is not mended by waiting.
    let disk = FaultDisk::new(9);
    let log = PackedLog::open(&disk).unwrap();
    let reopen =
        Reopen::by(|| Err::<PackedLog<FaultFile>, _>(OpenLogError::Damaged("torn".into())));
    let publish = |_: TreeHead| Ok::<(), String>(());
    let config = LogConfig { gather: Duration::ZERO, ..LogConfig::USUAL };
    let (feed, thread) = LogThread::spawn_reopening(log, config, publish, reopen).unwrap();
    disk.plan(Faults { sync_per_mille: 1000, ..Faults::default() });
    feed.feed(Position::new(0), run(0, 1)).unwrap();
    assert!(thread.join().unwrap_err().reason.contains("damaged: torn"));
    assert!(feed.watch().failure().is_some());
}

#[test]
fn the_export_is_the_directory_that_evidence_opens() {
    let (data, plain) = (Scratch::new("log"), Scratch::new("log-plain"));
    let disk = FileDisk::take(data.path()).unwrap();
    let mut log = PackedLog::open(&disk).unwrap();
    for size in [700, 1500] {
        let before = log.size();
        log.append(&run(before, size));
        log.flush().unwrap();
        let checkpoint = model(&[size]).published().unwrap().to_string();
        export(&log.view(), before, &checkpoint, plain.path()).unwrap();
    }
    let model = model(&[700, 1500]);
    for (path, bytes) in model.store().files() {
        assert_eq!(std::fs::read(plain.path().join(path)).unwrap(), *bytes, "{path}");
    }
    for tile in changed(0, 1500) {
        assert!(plain.path().join(tile.path()).exists(), "{tile:?}");
    }
    let tile = Tile { level: 0, index: 0, width: 256 };
    let looked = LogReader::open(&FileDisk::look(data.path())).unwrap();
    assert_eq!(looked.view(1500).tile(tile).unwrap().unwrap().len(), 8192);
}
