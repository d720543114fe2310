//! Writes a packed log of 66,000 entries in three flushes, and the plain tlog-tiles directory cut
//! out of it, for verifiers that others wrote:
//! `cargo run -p wayleave-store --example export_tiles -- DIR`.
//!
//! The key is made of a published seed: the files are worth nothing as evidence.
#![expect(clippy::print_stdout, reason = "a program for people and scripts")]

use std::error::Error;
use std::path::PathBuf;

use evidence::{NoteSigner, SignedCheckpoint};
use record::Commitment;
use seal::{SigningKey, sha256};
use store::FileDisk;
use store::log::{PackedLog, export};

/// The last has a full and a partial tile on level 1, and one on level 2.
const SIZES: [u64; 3] = [300, 65_000, 66_000];

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: export_tiles DIR")?);
    let packed = dir.join("packed");
    let _ = std::fs::remove_dir_all(&packed);
    let mut log = PackedLog::open(&FileDisk::take(&packed)?)?;
    for size in SIZES {
        let run: Vec<Commitment> =
            (log.size()..size).map(|n| Commitment(sha256(&n.to_be_bytes()))).collect();
        log.append(&run);
        log.flush()?;
    }
    let signer =
        NoteSigner::new("wayleave.example/ledger".parse()?, SigningKey::from_seed(&[1; 32]));
    let checkpoint = SignedCheckpoint::sign(&signer, log.durable())?.to_string();
    let files = export(&log.view(), 0, &checkpoint, &dir)?;
    std::fs::write(dir.join("log.vkey"), format!("{}\n", signer.verifier()))?;
    println!("{} entries, {files} files of tiles and entries", log.size());
    Ok(())
}
