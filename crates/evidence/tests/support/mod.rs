//! Published vectors, read in place; and a small world of one log and two witnesses.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};

use evidence::cosignature::Cosigner;
use evidence::exchange::{AddCheckpoint, Answer, read_answer};
use evidence::{
    Log, MemoryStore, NoteSigner, Policy, Receipt, SignedCheckpoint, TlogProof, Trust, Witness,
    WitnessState,
};
use record::{Fact, FactKind, SaltSlot};
use seal::{Secret, SigningKey};
use terms::Instant;

pub(crate) const NOW: Instant = Instant::from_seconds(1_795_380_600);

/// The folder of these vectors; `None`, with a line on it, when absent and not under `CI`.
pub(crate) fn vectors(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("WAYLEAVE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let folder = root.join("tlog").join(name);
    if folder.exists() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "no vectors in {}", folder.display());
    println!("left out: no vectors in {}", folder.display());
    None
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn signer() -> NoteSigner {
    NoteSigner::new("wayleave.example/settlement".parse().unwrap(), key(1))
}

pub(crate) fn fact(position: u64) -> Fact {
    let body = vec![format!("fact {position}").into_bytes(), vec![7; 3]];
    Fact::plain(FactKind { number: 1, version: 1 }, SaltSlot(position), body)
}

pub(crate) fn salts(position: u64) -> Secret {
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&position.to_be_bytes());
    Secret::from_bytes(bytes)
}

pub(crate) fn append(log: &mut Log<MemoryStore>, until: u64) {
    for position in log.size()..until {
        log.append(&fact(position).commitment(&salts(position)));
    }
}

pub(crate) fn log_of(size: u64) -> (Log<MemoryStore>, SignedCheckpoint) {
    let mut log = Log::open(MemoryStore::empty(), &signer()).unwrap();
    append(&mut log, size);
    let checkpoint = log.publish(&signer()).unwrap();
    (log, checkpoint)
}

pub(crate) fn witness(seed: u8) -> Witness {
    let name = format!("witness-{seed}.example/w").parse().unwrap();
    let logs = vec![signer().verifier().clone()];
    Witness::new(Cosigner::new(name, key(seed)), logs, WitnessState::empty())
}

pub(crate) fn cosign(witness: &mut Witness, checkpoint: &mut SignedCheckpoint) {
    let asked = AddCheckpoint { old_size: 0, proof: vec![], checkpoint: checkpoint.clone() };
    let decision = witness.decide(&asked.encode(), NOW);
    witness.adopt(decision.next.unwrap()).unwrap();
    let key = witness.verifier();
    let answer =
        read_answer(decision.status, decision.body.as_bytes(), key, checkpoint.checkpoint());
    match answer.unwrap() {
        Answer::Cosigned { line, .. } => checkpoint.add(line),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn trust() -> Trust {
    let (w2, w3) = (witness(2), witness(3));
    let policy = format!(
        "log {}\nwitness w2 {}\nwitness w3 {}\ngroup both all w2 w3\nquorum both\n",
        signer().verifier(),
        w2.verifier(),
        w3.verifier()
    );
    Trust::from_policy(Policy::parse(policy.as_bytes()).unwrap()).unwrap()
}

/// A proof for this position with the cosignatures of these witnesses.
pub(crate) fn proof(position: u64, size: u64, witnesses: &[u8]) -> TlogProof {
    let (log, mut checkpoint) = log_of(size);
    for seed in witnesses {
        cosign(&mut witness(*seed), &mut checkpoint);
    }
    let path = log.inclusion(position, size).unwrap();
    TlogProof { index: position, path, checkpoint }
}

/// A receipt that opens the kind and the first body field.
pub(crate) fn receipt(proof: &TlogProof) -> Receipt {
    let (fact, salts) = (fact(proof.index), salts(proof.index));
    let opened = [6, 0].map(|index| fact.open(&salts, index).unwrap()).to_vec();
    Receipt::new(fact.field_commitments(&salts), opened, proof).unwrap()
}
