//! Writes a sample receipt and what third-party verifiers need to check it into a folder:
//! `cargo run -p wayleave-evidence --example sample_receipt -- DIR`.
//!
//! All keys are made of published seeds: the files are the same at each run and are worth
//! nothing as evidence.
#![expect(clippy::print_stdout, reason = "a program for people and scripts")]

use std::error::Error;
use std::path::PathBuf;

use evidence::cosignature::Cosigner;
use evidence::exchange::{AddCheckpoint, Answer, read_answer};
use evidence::{
    Log, MemoryStore, NoteSigner, Policy, Receipt, TileStore, TlogProof, Trust, VerifierKey,
    Witness, WitnessState, receipt,
};
use record::{Fact, FactKind, SaltSlot};
use seal::{Secret, SigningKey};
use terms::Instant;

/// 300 facts: the tree has a full tile, a partial one and two levels.
const FACTS: u64 = 300;
/// The fact that the receipt is about.
const POSITION: u64 = 271;
const NOW: Instant = Instant::from_seconds(1_795_380_600);

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: sample_receipt DIR")?);
    std::fs::create_dir_all(&dir)?;
    let signer = NoteSigner::new("wayleave.example/settlement".parse()?, key(1));
    let mut log = Log::open(MemoryStore::empty(), &signer)?;
    let roots = (0..FACTS).map(|n| (fact(n), salts(n)));
    roots.for_each(|(fact, salts)| log.append(&fact.commitment(&salts)));
    let mut checkpoint = log.publish(&signer)?;
    let mut policy = format!("log {}\n", signer.verifier());
    for (name, seed) in [("supervisor-a.example/w", 2), ("supervisor-b.example/w", 3)] {
        let cosigner = Cosigner::new(name.parse()?, key(seed));
        let mut witness =
            Witness::new(cosigner, vec![signer.verifier().clone()], WitnessState::empty());
        policy.push_str(&format!("witness w{seed} {}\n", witness.verifier()));
        std::fs::write(dir.join(format!("w{seed}.vkey")), line(witness.verifier()))?;
        let asked = AddCheckpoint { old_size: 0, proof: vec![], checkpoint: checkpoint.clone() };
        let decision = witness.decide(&asked.encode(), NOW);
        witness.adopt(decision.next.ok_or("the witness did not cosign")?)?;
        let body = decision.body.as_bytes();
        let answer =
            read_answer(decision.status, body, witness.verifier(), checkpoint.checkpoint())?;
        let Answer::Cosigned { line, .. } = answer else {
            return Err(format!("the witness answered {answer:?}").into());
        };
        checkpoint.add(line);
    }
    policy.push_str("group both all w2 w3\nquorum both\n");

    let path = log.inclusion(POSITION, FACTS)?;
    let proof = TlogProof { index: POSITION, path, checkpoint: checkpoint.clone() };
    let (fact, salts) = (fact(POSITION), salts(POSITION));
    let opened = [0, 6].iter().filter_map(|index| fact.open(&salts, *index)).collect();
    let receipt = Receipt::new(fact.field_commitments(&salts), opened, &proof)?;
    let trust = Trust::from_policy(Policy::parse(policy.as_bytes())?)?;
    let verified = receipt::verify(&receipt.to_bytes(), &trust)?;

    std::fs::write(dir.join("sample.receipt"), receipt.to_bytes())?;
    std::fs::write(dir.join("sample.tlog-proof"), receipt.tlog_proof())?;
    std::fs::write(dir.join("sample.entry"), receipt.entry())?;
    std::fs::write(dir.join("log.vkey"), line(signer.verifier()))?;
    std::fs::write(dir.join("trust.policy"), policy)?;
    write_tiles(&dir, &log)?;
    for check in verified.checks() {
        println!("passed: {}", check.name());
    }
    println!("{}: wrote the sample to {}", verified.witnessing().label(), dir.display());
    Ok(())
}

fn write_tiles<S: TileStore>(dir: &std::path::Path, log: &Log<S>) -> Result<(), Box<dyn Error>> {
    let size = log.size();
    let tiles = evidence::tile::changed(0, size).into_iter();
    let paths = tiles.flat_map(|tile| {
        let bundle = (tile.level == 0).then(|| tile.bundle_path());
        [Some(tile.path()), bundle].into_iter().flatten()
    });
    for path in paths.chain([evidence::tile::CHECKPOINT_PATH.to_owned()]) {
        let bytes = log.store().read(&path)?.ok_or("a file of the log is missing")?;
        let file = dir.join("log").join(&path);
        std::fs::create_dir_all(file.parent().ok_or("a path without a folder")?)?;
        std::fs::write(file, bytes)?;
    }
    Ok(())
}

fn fact(position: u64) -> Fact {
    let body = vec![format!("sample fact {position}").into_bytes(), vec![7; 3]];
    Fact::plain(FactKind { number: 1, version: 1 }, SaltSlot(position), body)
}

fn salts(position: u64) -> Secret {
    let mut bytes = [9; 32];
    for (to, from) in bytes.iter_mut().zip(position.to_be_bytes()) {
        *to = from;
    }
    Secret::from_bytes(bytes)
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn line(key: &VerifierKey) -> String {
    format!("{key}\n")
}
