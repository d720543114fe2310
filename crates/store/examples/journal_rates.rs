//! Appends a second that the two durable adapters of the journal give on one disk.
//!
//! ```sh
//! WAYLEAVE_POSTGRES="host=/run/postgresql user=me dbname=scratch" \
//!   cargo run --release -p wayleave-store --example journal_rates -- /folder/on/that/disk
//! ```
//! Uses the book `settlement` of that database, which should be an empty one.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement is run by hand and ends by panicking"
)]

use std::time::{Duration, Instant};

use journal::testkit::{batch_after, book_name};
use journal::{Append, Journal};
use store::postgres::migrate;
use store::{FileDisk, PostgresConfig, PostgresJournal, SegmentConfig, SegmentJournal};
use terms::RunId;

const APPENDS: usize = 300;

fn main() {
    let connection = std::env::var("WAYLEAVE_POSTGRES").expect("WAYLEAVE_POSTGRES names a server");
    let folder = std::env::args().nth(1).expect("a folder on the same disk");
    let config = PostgresConfig::parse(book_name(), &connection).unwrap();
    println!("{} migrations applied", migrate(&config).unwrap());
    let mut postgres = PostgresJournal::open(config).unwrap();
    println!("{:?}", postgres.server());
    let disk = FileDisk::take(std::path::Path::new(&folder)).unwrap();
    let mut segments = SegmentJournal::open(disk, SegmentConfig::new(book_name())).unwrap();
    for facts in [1, 32, 512, 4096] {
        measure("segments", &mut segments, facts);
        measure("postgres", &mut postgres, facts);
    }
}

fn measure(name: &str, journal: &mut impl Journal, facts: u64) {
    let epoch = journal.claim_epoch(RunId::from_bytes([1; 16])).unwrap();
    let mut tip = journal.head().unwrap();
    // Sealed beforehand: only appending is measured.
    let batches: Vec<_> = (0..APPENDS)
        .map(|_| {
            let batch = batch_after(&tip, epoch, facts);
            tip = batch.tip();
            batch
        })
        .collect();
    let mut took: Vec<Duration> = Vec::new();
    for batch in &batches {
        let started = Instant::now();
        assert_eq!(journal.append(batch.origin().first, epoch, batch), Append::Appended);
        took.push(started.elapsed());
    }
    let total: Duration = took.iter().sum();
    took.sort();
    let count = f64::from(u32::try_from(APPENDS).unwrap());
    println!(
        "{name}: {facts:>4} facts, {:>7} B: {:>7.0} appends/s, p50 {:?}, p99 {:?}",
        batches[0].bytes().len(),
        count / total.as_secs_f64(),
        took[APPENDS / 2],
        took[APPENDS * 99 / 100],
    );
}
