//! Measures the index of ids: `cargo run --release -p wayleave-store --example ids -- timed 10`.
//!
//! Arguments: `timed` or `random`, millions of ids, ids per second (0: as fast as it goes) and a
//! folder. Ids come in bulks of 4096: warmed in chunks of 256, then each looked up (absent) and
//! inserted, then declared durable. Prints nanoseconds on the caller's thread, the slowest bulks,
//! bytes, and the processor time of both threads.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::as_conversions,
    reason = "a measurement, not shipped"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use store::FileDisk;
use store::ids::{HashedKey, IdKey, Ids, IdsConfig, IdsLimits, IdsSeed};
use terms::Position;

const BULK: u64 = 4096;
const CHUNK: usize = 256;
/// Ids of one millisecond, as at a million a second.
const IDS_PER_MS: u64 = 1000;
const CLIENTS: u64 = 32;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let is_timed = arguments.next().is_none_or(|kind| kind == "timed");
    let millions: u64 = arguments.next().map_or(10, |n| n.parse().unwrap());
    let per_second: u64 = arguments.next().map_or(1_000_000, |n| n.parse().unwrap());
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("ids-bench-{}", std::process::id()));
    run(is_timed, millions * 1_000_000, per_second, &folder);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn run(is_timed: bool, count: u64, per_second: u64, folder: &std::path::Path) {
    let config = IdsConfig {
        book: "ledger".parse().unwrap(),
        seed: IdsSeed::new([42; 16]),
        limits: IdsLimits::STANDARD,
    };
    let (mut ids, _) = Ids::open(FileDisk::take(folder).unwrap(), &config).unwrap();
    let next = feed(&mut ids, is_timed, count, per_second);
    ids.drain().unwrap();
    ids.settle().unwrap();
    let stats = ids.stats();
    let cpu = background_cpu_ns() as f64 / next as f64;
    println!("background: {cpu:.1} ns cpu per id with all merged");
    println!(
        "disk {:.2} B, memory {:.2} B per id in {} runs",
        stats.disk_bytes as f64 / stats.run_entries as f64,
        stats.run_memory_bytes as f64 / stats.run_entries as f64,
        stats.runs
    );
    reads(&ids, count, is_timed);
    let disk = ids.close().unwrap();
    let began = Instant::now();
    let (ids, covered) = Ids::open_inline(disk, &config).unwrap();
    assert_eq!(covered, Position::new(next));
    println!("opened in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    drop(ids);
}

/// Feeds ids bulk by bulk and prints what that cost; returns the position after them.
fn feed(ids: &mut Ids<FileDisk>, is_timed: bool, count: u64, per_second: u64) -> u64 {
    let hasher = ids.hasher();
    let began = Instant::now();
    let mut bulks = Vec::new();
    let mut next = 0;
    while next < count {
        let keys: Vec<IdKey> = (next..next + BULK).map(|n| key(n, is_timed)).collect();
        if per_second > 0 {
            let due = Duration::from_secs_f64(next as f64 / per_second as f64);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        let start = Instant::now();
        for (at, chunk) in keys.chunks(CHUNK).enumerate() {
            let hashed: Vec<HashedKey> = chunk.iter().map(|key| hasher.hashed(key)).collect();
            ids.warm(&hashed);
            for (n, key) in hashed.iter().enumerate() {
                assert!(ids.lookup(key).unwrap().is_empty());
                ids.insert(key, Position::new(next + (at * CHUNK + n) as u64));
            }
        }
        next += BULK;
        ids.durable(Position::new(next)).unwrap();
        bulks.push(start.elapsed());
    }
    let wall = began.elapsed().as_secs_f64();
    let cpu = background_cpu_ns() as f64 / next as f64;
    let busy: Duration = bulks.iter().sum();
    bulks.sort();
    let of = |at: f64| bulks[((bulks.len() - 1) as f64 * at) as usize].as_secs_f64() * 1e3;
    let what = if is_timed { "timed" } else { "random" };
    let each = busy.as_nanos() as f64 / next as f64;
    println!("{what}: {next} ids in {wall:.2} s");
    println!("caller: {each:.1} ns per lookup+insert");
    let [p50, p99, p999, most] = [0.5, 0.99, 0.999, 1.0].map(of);
    println!("bulk of {BULK}: p50 {p50:.3} p99 {p99:.3} p99.9 {p999:.3} max {most:.3} ms");
    println!("background: {cpu:.1} ns cpu per id so far");
    println!("{:?}", ids.stats());
    next
}

/// Looks up ids that are there, and ids between them that are not.
fn reads(ids: &Ids<FileDisk>, count: u64, is_timed: bool) {
    const LOOKUPS: u64 = 50_000;
    let hasher = ids.hasher();
    let began = Instant::now();
    for n in 0..LOOKUPS {
        let at = mix(n) % count;
        assert_eq!(
            ids.lookup(&hasher.hashed(&key(at, is_timed))).unwrap()[..],
            [Position::new(at)]
        );
    }
    println!("present: {:.0} ns each", began.elapsed().as_nanos() as f64 / LOOKUPS as f64);
    let began = Instant::now();
    for n in 0..LOOKUPS {
        let mut other = *key(mix(n) % count, is_timed).as_bytes();
        other[15] ^= 1;
        assert!(ids.lookup(&hasher.hashed(&IdKey::new(other))).unwrap().is_empty());
    }
    println!("absent, old: {:.0} ns each", began.elapsed().as_nanos() as f64 / LOOKUPS as f64);
}

/// The id of a number: as UUID version 7 or version 4 would be, and one of some clients.
fn key(n: u64, is_timed: bool) -> IdKey {
    let mut id = u128::from(mix(n)) << 64 | u128::from(mix(n ^ 0x5555_5555_0000));
    if is_timed {
        let ms = u128::from(1_790_000_000_000 + n / IDS_PER_MS);
        id = ms << 80 | id & ((1 << 80) - 1);
    }
    let version = if is_timed { 7_u128 } else { 4 };
    id = id & !(0xf << 76 | 0b11 << 62) | version << 76 | 0b10 << 62;
    let client = (mix(n >> 3) % CLIENTS) as u16;
    let [high, low] = client.to_be_bytes();
    IdKey::of(id.to_be_bytes(), [1, 0, high, low])
}

fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Nanoseconds on a processor.
fn cpu_ns(file: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// Of all threads but the first.
fn background_cpu_ns() -> u64 {
    let first = std::process::id().to_string();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| task.unwrap().file_name().into_string().unwrap());
    let others = names.filter(|name| *name != first);
    others.map(|name| cpu_ns(&format!("/proc/self/task/{name}/schedstat"))).sum()
}
