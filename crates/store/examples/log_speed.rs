//! How fast the log projection is on this machine, on one thread and behind its queue.
//!
//! `cargo run --release -p wayleave-store --example log_speed [FOLDER [ENTRIES]]`
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::as_conversions,
    reason = "prints what it measured"
)]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use record::Commitment;
use seal::sha256;
use store::disk::{Disk, DiskFile};
use store::log::{LOG_NAME, LogConfig, LogThread, PackedLog, check};
use store::{FileDisk, log::LogReader};
use terms::Position;

/// A batch of the journal.
const BATCH: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let scratch = std::env::temp_dir().join(format!("log-speed-{}", std::process::id()));
    let folder = arguments.next().map_or_else(|| scratch.clone(), PathBuf::from);
    let entries: u64 = arguments.next().map_or(Ok(4_000_000), |text| text.parse())?;
    let batch: Vec<Commitment> =
        (0..4096_u64).map(|n| Commitment(sha256(&n.to_be_bytes()))).collect();
    for flush_entries in [4096, 16_384, 65_536] {
        let _ = std::fs::remove_dir_all(&folder);
        alone(&folder, entries, flush_entries, &batch)?;
    }
    let _ = std::fs::remove_dir_all(&folder);
    behind_the_queue(&folder, entries, &batch)?;
    look_back(&folder)?;
    let _ = std::fs::remove_dir_all(&scratch);
    Ok(())
}

/// Append and flush on this thread.
fn alone(
    folder: &std::path::Path,
    entries: u64,
    flush_entries: u64,
    batch: &[Commitment],
) -> Result<(), Box<dyn Error>> {
    let mut log = PackedLog::open(&FileDisk::take(folder)?)?;
    let (began, cpu) = (Instant::now(), cpu_ns());
    let (mut appending, mut flushes) = (0_u128, 0_u64);
    while log.size() < entries {
        let start = Instant::now();
        while log.size() - log.durable().size < flush_entries {
            log.append(batch);
        }
        appending += start.elapsed().as_nanos();
        log.flush()?;
        flushes += 1;
    }
    let (wall, cpu) = (began.elapsed().as_nanos() as f64, (cpu_ns() - cpu) as f64);
    let count = log.size() as f64;
    println!(
        "flush every {flush_entries:>6}: {:>6.3} M entries/s; per entry {:>5.1} ns wall, of which \
         append {:>5.1} ns; {:>5.1} ns CPU; {:.2} ms a flush",
        count * 1e3 / wall,
        wall / count,
        appending as f64 / count,
        cpu / count,
        (wall - appending as f64) / flushes as f64 / 1e6,
    );
    Ok(())
}

/// The same behind the queue of the thread, fed a batch of the journal at a time.
fn behind_the_queue(
    folder: &std::path::Path,
    entries: u64,
    batch: &[Commitment],
) -> Result<(), Box<dyn Error>> {
    let log = PackedLog::open(&FileDisk::take(folder)?)?;
    let (began, cpu) = (Instant::now(), cpu_ns());
    let publish = |_head| Ok::<(), String>(());
    let (feed, thread) = LogThread::spawn(log, LogConfig::USUAL, publish)?;
    let mut most_lag = 0;
    for first in (0..entries).step_by(BATCH) {
        feed.feed(Position::new(first), batch.to_vec())?;
        most_lag = most_lag.max(feed.watch().lag());
    }
    drop(feed);
    let head = thread.join()?;
    let (wall, cpu) = (began.elapsed().as_nanos() as f64, (cpu_ns() - cpu) as f64);
    let count = head.size as f64;
    println!(
        "behind its queue:   {:>6.3} M entries/s; per entry {:>5.1} ns wall, {:>5.1} ns CPU with the \
         feeder; lag at most {most_lag}",
        count * 1e3 / wall,
        wall / count,
        cpu / count,
    );
    Ok(())
}

/// Opening, proofs and the check over what was written.
fn look_back(folder: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let disk = FileDisk::take(folder)?;
    let began = Instant::now();
    let log = PackedLog::open(&disk)?;
    let opened = began.elapsed();
    let size = log.size();
    let bytes = disk.open(LOG_NAME)?.bytes()? as f64 / size as f64;
    println!("{size} entries, {bytes:.2} bytes each; opened in {opened:?}");
    let (reader, began) = (LogReader::open(&disk)?, Instant::now());
    for n in 0..1000 {
        reader.view(size).inclusion(n * 7919 % size)?;
    }
    println!("an inclusion path: {:?}", began.elapsed() / 1000);
    let began = Instant::now();
    for n in 0..1000 {
        reader.view(size).consistency(n * 7919 % size + 1)?;
    }
    println!("a consistency proof: {:?}", began.elapsed() / 1000);
    let began = Instant::now();
    let sound = check(&disk)?.is_sound();
    let each = began.elapsed().as_nanos() / u128::from(size.max(1));
    println!("check of everything: sound {sound}, {each} ns an entry");
    Ok(())
}

/// CPU time of this process, user and system, to a hundredth of a second.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
    ticks.sum::<u64>() * 10_000_000
}
