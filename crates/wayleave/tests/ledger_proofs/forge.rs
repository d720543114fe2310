//! What somebody does who knows the formats and holds no key: changes an amount, leaves the fact's
//! commitment, which the log signed, and makes every digest anew that needs no key.

use std::path::Path;

use journal::Batch;
use journal::batch::{Entry, Origin};
use ledger_server::archive::{Manifest, manifest_name};
use seal::{Digest, sha256};
use store::segment::{scan, segment_name};

/// Posted once in a book that is to be forged: its minor units stand nowhere else.
pub(crate) const AMOUNT: &str = "6553.50";
/// What it is made.
pub(crate) const FORGED: &str = "6553.51";
const UNITS: [u8; 5] = [0x1a, 0x00, 0x09, 0xff, 0xf6];
const FORGED_UNITS: [u8; 5] = [0x1a, 0x00, 0x09, 0xff, 0xf7];

/// The entry with the other amount, if it has the one.
pub(crate) fn forged(entry: &Entry) -> (Entry, bool) {
    let bytes = seal::to_canonical(&entry.fact);
    let mut changed = bytes.clone();
    for place in 0..bytes.len().saturating_sub(UNITS.len()) {
        if bytes[place..].starts_with(&UNITS) {
            changed[place..place + UNITS.len()].copy_from_slice(&FORGED_UNITS);
        }
    }
    let fact = seal::from_canonical(&changed).unwrap();
    (Entry { fact, commitment: entry.commitment }, changed != bytes)
}

/// The batch with forged entries behind `previous`; how many entries were changed.
pub(crate) fn batch(of: &Batch, previous: Digest) -> (Batch, usize) {
    let both = of.entries().map(|stored| forged(&stored.entry().unwrap()));
    let (entries, changed): (Vec<Entry>, Vec<bool>) = both.unzip();
    let sealed = Batch::seal(Origin { previous, ..*of.origin() }, &entries).unwrap();
    (sealed, changed.into_iter().filter(|changed| *changed).count())
}

/// The segments of a journal behind `tip`, of the book `name`, consistently.
pub(crate) fn journal(dir: &Path, name: &str, tip: journal::Tip) {
    let (mut old, mut new, mut count) = (tip, tip, 0);
    loop {
        let path = dir.join(segment_name(old.next));
        let Ok(bytes) = std::fs::read(&path) else { break };
        let found = scan(&bytes, old, &name.parse().unwrap());
        if found.found.is_empty() {
            break;
        }
        let mut bytes = Vec::new();
        for found in &found.found {
            let (batch, changed) = batch(&found.batch, new.digest);
            bytes.extend_from_slice(batch.bytes());
            (new, count) = (batch.tip(), count + changed);
        }
        old = found.tip;
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(count, 1, "one fact is forged");
}

/// An archive, consistently; the first positions of its segments are given.
pub(crate) fn archive(dir: &Path, segments: &[u64]) {
    let (mut old, mut new) = (journal::Tip::GENESIS, journal::Tip::GENESIS);
    let (mut before, mut count) = (Digest::ZERO, 0);
    for first in segments {
        let first = terms::Position::new(*first);
        let (path, about) = (dir.join(segment_name(first)), dir.join(manifest_name(first)));
        let manifest = Manifest::from_bytes(&std::fs::read(&about).unwrap()).unwrap();
        let found = scan(&std::fs::read(&path).unwrap(), old, &manifest.book.parse().unwrap());
        old = found.tip;
        let (chain_before, mut bytes) = (new.digest, Vec::new());
        for found in &found.found {
            let (batch, changed) = batch(&found.batch, new.digest);
            bytes.extend_from_slice(batch.bytes());
            (new, count) = (batch.tip(), count + changed);
        }
        let manifest = Manifest {
            previous: before,
            chain_before,
            chain_after: new.digest,
            bytes: bytes.len().try_into().unwrap(),
            sha256: sha256(&bytes),
            ..manifest
        };
        before = manifest.digest();
        std::fs::write(&path, bytes).unwrap();
        std::fs::write(&about, manifest.to_bytes()).unwrap();
    }
    assert_eq!(count, 1, "one fact is forged");
}
