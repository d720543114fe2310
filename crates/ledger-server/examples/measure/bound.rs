//! What this machine could do at best: the flush of a folder, and a loop without rules.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Writes of 4 KiB and of 1 MiB that are timed.
const SMALL: (usize, usize) = (4 << 10, 200);
const LARGE: (usize, usize) = (1 << 20, 40);
/// What the bare loop writes goes round in a file of this size, written before.
const ROUND_BYTES: u64 = 64 << 20;

/// Durations of a write and its sync, in milliseconds.
pub struct Flush {
    pub small: [f64; 2],
    pub large: [f64; 2],
}

/// Writes and syncs over a file that was written before, as the journal does: p50 and p99.
pub fn flush(folder: &Path) -> Result<Flush> {
    Ok(Flush { small: timed(folder, SMALL)?, large: timed(folder, LARGE)? })
}

fn timed(folder: &Path, (bytes, times): (usize, usize)) -> Result<[f64; 2]> {
    let file = Round::new(folder, (bytes * times) as u64)?;
    let block = vec![0x5a; bytes];
    let mut all = Vec::new();
    for time in 0..times {
        let began = Instant::now();
        file.0.write_all_at(&block, (time * bytes) as u64)?;
        file.0.sync_data()?;
        all.push(began.elapsed());
    }
    all.sort_unstable();
    let at = |per_mille: usize| all[(times * per_mille / 1000).min(times - 1)].as_secs_f64() * 1e3;
    Ok([at(500), at(990)])
}

/// A file that exists as long as this does.
struct Round(std::fs::File, std::path::PathBuf);

impl Round {
    fn new(folder: &Path, bytes: u64) -> Result<Self> {
        let path = folder.join("flush-probe");
        let file =
            OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&path)?;
        let zeros = vec![0; 1 << 20];
        let mut at = 0;
        while at < bytes {
            file.write_all_at(&zeros, at)?;
            at += zeros.len() as u64;
        }
        file.sync_all()?;
        Ok(Self(file, path))
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.1);
    }
}

/// One transfer as bare as can be.
#[derive(Clone, Copy)]
struct Bare {
    debit: u32,
    credit: u32,
    amount: u32,
}

/// Adds the transfers to two plain arrays and writes and syncs `bytes_each` for each of them, one
/// write a batch. No rule, no id, no digest, no network.
pub fn bare(
    folder: &Path,
    (accounts, transfers, batch): (u64, u64, usize),
    bytes_each: f64,
) -> Result<Duration> {
    let file = Round::new(folder, ROUND_BYTES)?;
    let mut state = 1_u64;
    let mut made = Vec::with_capacity(batch);
    let mut debits = vec![0_u128; accounts as usize];
    let mut credits = vec![0_u128; accounts as usize];
    let block = vec![0x5a; (bytes_each * batch as f64) as usize];
    let (mut took, mut left, mut at) = (Duration::ZERO, transfers, 0_u64);
    while left > 0 {
        let count = (batch as u64).min(left);
        left -= count;
        made.clear();
        made.extend((0..count).map(|_| transfer(&mut state, accounts)));
        // Making them is the client's work.
        let began = Instant::now();
        for one in &made {
            debits[one.debit as usize] += u128::from(one.amount);
            credits[one.credit as usize] += u128::from(one.amount);
        }
        if at + block.len() as u64 > ROUND_BYTES {
            at = 0;
        }
        file.0.write_all_at(&block, at)?;
        file.0.sync_data()?;
        at += block.len() as u64;
        took += began.elapsed();
    }
    anyhow::ensure!(
        debits.iter().sum::<u128>() == credits.iter().sum::<u128>(),
        "the bare loop does not add up"
    );
    Ok(took)
}

/// The multiplier is Knuth's; the upper bits are good enough to choose accounts.
fn transfer(state: &mut u64, accounts: u64) -> Bare {
    let mut below = |most: u64| {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((*state >> 32) * most) >> 32) as u32
    };
    Bare { debit: below(accounts), credit: below(accounts), amount: below(1_000) + 1 }
}
