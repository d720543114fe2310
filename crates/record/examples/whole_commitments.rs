//! What a whole commitment costs on this machine: salts in bulk, digests of facts of 110 bytes.
//!
//! `cargo run --release -p wayleave-record --example whole_commitments`
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "prints what it measured")]

use std::hint::black_box;
use std::time::Instant;

use record::{leaf_hash, whole_commitment};
use seal::{Salt, SaltStream, Secret, sha256};
use terms::Position;

const FACTS: usize = 4096;
const ROUNDS: u64 = 500;
/// A transaction of two entries with its client's number.
const FACT_BYTES: usize = 110;

fn main() {
    let mut salts = vec![Salt([0; 16]); FACTS];
    let stream = SaltStream::of(&Secret::from_bytes([7; 32]));
    measure("a salt, 4096 at once", || {
        stream.fill(Position::new(black_box(5)), &mut salts);
        black_box(&salts);
        FACTS
    });
    measure("a salt, 4 at once", || {
        let (few, _) = salts.split_at_mut(4);
        stream.fill(Position::new(black_box(5)), few);
        black_box(few).len()
    });
    let facts: Vec<[u8; FACT_BYTES]> = (0..=u8::MAX).map(|byte| [byte; FACT_BYTES]).collect();
    measure("a commitment to 110 bytes, salt given", || {
        for (salt, fact) in salts.iter().zip(facts.iter().cycle()) {
            black_box(whole_commitment(salt, fact));
        }
        FACTS
    });
    let commitment = whole_commitment(&Salt([1; 16]), &[2; FACT_BYTES]);
    measure("a leaf hash of a commitment", || {
        for _ in 0..FACTS {
            black_box(leaf_hash(black_box(&commitment)));
        }
        FACTS
    });
    let long = vec![3; 1 << 20];
    measure("a block of 64 bytes, in 1 MiB", || {
        black_box(sha256(black_box(&long)));
        long.len() / 64
    });
}

/// Runs until half a second is over and prints nanoseconds per item.
fn measure(what: &str, mut once: impl FnMut() -> usize) {
    once();
    let (began, mut items) = (Instant::now(), 0);
    for _ in 0..ROUNDS {
        items += once();
    }
    let spent = began.elapsed();
    let each = spent.as_nanos() * 100 / u128::try_from(items).unwrap_or(1).max(1);
    println!("{what:<40} {:>6}.{:02} ns", each / 100, each % 100);
}
