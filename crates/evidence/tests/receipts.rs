//! Receipts: each single-byte change is refused, and by which check.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "tests: a panic is a failure, and helpers are not marked as tests"
)]

mod support;

use std::collections::BTreeMap;

use evidence::receipt::{inspect, verify};
use evidence::{
    Check, Log, MemoryStore, NoteSigner, Policy, Receipt, TlogProof, Trust, Witnessing,
};
use support::{NOW, fact, key, proof, receipt, salts, signer, trust, witness};

#[test]
fn a_receipt_verifies_and_says_by_which_checks() {
    let receipt = receipt(&proof(271, 300, &[2, 3]));
    let verified = verify(&receipt.to_bytes(), &trust()).unwrap();
    let names: Vec<_> = verified.checks().iter().map(|c| c.name()).collect();
    let expected = [
        "canonical",
        "openings fit commitments",
        "canonical proof",
        "proof fits receipt",
        "inclusion",
        "log signature",
        "cosignatures",
        "quorum of witnesses",
    ];
    assert_eq!(names, expected);
    assert_eq!(verified.witnessing(), Witnessing::Witnessed);
    let times: Vec<_> = verified.cosigned().iter().map(|c| c.at).collect();
    assert_eq!(times, [NOW, NOW]);
    let shown: Vec<_> = verified.receipt().opened().iter().map(|f| f.index).collect();
    assert_eq!(shown, [0, 6]);
    assert_eq!(verified.receipt().opened()[1].bytes.as_slice(), b"fact 271");
}

#[test]
fn without_trust_it_is_consistent_and_vouched_for_by_nobody() {
    let receipt = receipt(&proof(271, 300, &[]));
    let inspected = inspect(&receipt.to_bytes()).unwrap();
    assert_eq!(inspected.checks(), &Check::ALL[..5]);
    let refused = verify(&receipt.to_bytes(), &trust()).unwrap_err();
    assert_eq!(refused.check, Check::QuorumOfWitnesses);
    let label =
        "quorum of witnesses: the cosignatures of 0 witnesses do not meet the policy's quorum";
    assert_eq!(refused.to_string(), label);
}

#[test]
fn each_single_byte_change_is_refused_and_a_table_says_by_which_check() {
    let bytes = receipt(&proof(2, 5, &[2, 3])).to_bytes();
    // Each bit, and all bits: every value of every byte is the slow test below.
    let changes = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff];
    let table = refusals(&bytes, &changes);
    for (check, count) in &table {
        println!("{:26} {count}", check.name());
    }
    let refusing: Vec<_> = table.keys().copied().collect();
    let expected = [
        Check::Canonical,
        Check::OpeningsFitCommitments,
        Check::CanonicalProof,
        Check::ProofFitsReceipt,
        Check::Inclusion,
        Check::LogSignature,
        Check::Cosignatures,
    ];
    // A single byte cannot make a valid cosignature of too few witnesses: that check has its
    // own tests.
    assert_eq!(refusing, expected);
    assert_eq!(table.values().sum::<usize>(), bytes.len() * changes.len());
}

#[test]
#[ignore = "takes a quarter of a minute: all 255 other values of every byte"]
fn each_other_value_of_each_byte_is_refused() {
    let bytes = receipt(&proof(2, 5, &[2, 3])).to_bytes();
    let changes: Vec<u8> = (1..=255).collect();
    assert_eq!(refusals(&bytes, &changes).values().sum::<usize>(), bytes.len() * 255);
}

/// By which check each change of each byte is refused; panics at one that is not.
fn refusals(bytes: &[u8], changes: &[u8]) -> BTreeMap<Check, usize> {
    let trust = trust();
    let mut table = BTreeMap::new();
    for (at, change) in (0..bytes.len()).flat_map(|at| changes.iter().map(move |c| (at, c))) {
        let mut changed = bytes.to_vec();
        changed[at] ^= change;
        let refused = verify(&changed, &trust);
        let refused = refused.expect_err(&format!("byte {at} changed by {change:#x}"));
        *table.entry(refused.check).or_default() += 1;
    }
    table
}

#[test]
fn each_byte_dropped_or_doubled_is_refused() {
    let trust = trust();
    let bytes = receipt(&proof(2, 5, &[2, 3])).to_bytes();
    for at in 0..bytes.len() {
        let mut shorter = bytes.clone();
        shorter.remove(at);
        assert!(verify(&shorter, &trust).is_err(), "byte {at} dropped");
        let mut longer = bytes.clone();
        longer.insert(at, bytes[at]);
        assert!(verify(&longer, &trust).is_err(), "byte {at} doubled");
    }
    assert!(verify(&[], &trust).is_err());
}

#[test]
fn a_flawless_receipt_of_another_log_for_the_same_fact_is_refused() {
    let other = NoteSigner::new("wayleave.example/settlement".parse().unwrap(), key(77));
    let mut log = Log::open(MemoryStore::empty(), &other).unwrap();
    support::append(&mut log, 5);
    let checkpoint = log.publish(&other).unwrap();
    let path = log.inclusion(2, 5).unwrap();
    let forged = receipt(&TlogProof { index: 2, path, checkpoint });
    assert!(inspect(&forged.to_bytes()).is_ok());
    assert_eq!(verify(&forged.to_bytes(), &trust()).unwrap_err().check, Check::LogSignature);
}

#[test]
fn one_witness_of_two_an_unlisted_one_and_one_twice_are_refused() {
    let trust = trust();
    let check = |receipt: &Receipt| verify(&receipt.to_bytes(), &trust).unwrap_err().check;
    assert_eq!(check(&receipt(&proof(2, 5, &[2]))), Check::QuorumOfWitnesses);
    assert_eq!(check(&receipt(&proof(2, 5, &[2, 3, 4]))), Check::Cosignatures);
    let twice = proof(2, 5, &[2, 3]).to_string();
    let last = twice.lines().last().unwrap();
    let twice = TlogProof::parse(format!("{twice}{last}\n").as_bytes()).unwrap();
    assert_eq!(check(&receipt(&twice)), Check::Cosignatures);
}

#[test]
fn openings_of_other_facts_and_positions_are_refused() {
    let good = proof(2, 5, &[2, 3]);
    let (fact_2, salts_2) = (fact(2), salts(2));
    let commitments = fact_2.field_commitments(&salts_2);
    let foreign = vec![fact(3).open(&salts(3), 6).unwrap()];
    let refused = Receipt::new(commitments.clone(), foreign, &good).unwrap_err();
    assert_eq!(refused.check, Check::OpeningsFitCommitments);
    let twice = vec![fact_2.open(&salts_2, 6).unwrap(), fact_2.open(&salts_2, 6).unwrap()];
    assert_eq!(
        Receipt::new(commitments.clone(), twice, &good).unwrap_err().check,
        Check::Canonical
    );
    let elsewhere = proof(3, 5, &[2, 3]);
    let refused = Receipt::new(commitments.clone(), vec![], &elsewhere).unwrap_err();
    assert_eq!(refused.check, Check::Inclusion);
    assert_eq!(Receipt::new(vec![], vec![], &good).unwrap_err().check, Check::Canonical);
    assert!(Receipt::new(commitments, vec![], &good).is_ok());
}

#[test]
fn a_quorum_of_nobody_and_of_oneself_are_labelled() {
    let log = signer().verifier().clone();
    let receipt = receipt(&proof(2, 5, &[]));
    let none = Trust::new(log.clone(), Policy::parse(b"quorum none\n").unwrap()).unwrap();
    let verified = verify(&receipt.to_bytes(), &none).unwrap();
    assert_eq!(verified.witnessing().label(), "unwitnessed");
    let policy = format!("witness w {}\nquorum w\n", witness(2).verifier());
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    assert_eq!(policy.witnessing(&[key(2).public_key()]).label(), "self-witnessed");
    assert_eq!(policy.witnessing(&[key(3).public_key()]).label(), "witnessed");
}

#[test]
fn the_receipt_is_these_bytes() {
    let receipt = receipt(&proof(2, 5, &[2, 3]));
    let hex = seal::text::to_hex(&receipt.to_bytes());
    let text = |t: &str| seal::text::to_hex(t.as_bytes());
    let mut golden = vec![
        "86".to_owned(),                                          // six things
        "73".to_owned() + &text("wayleave/receipt/v1"),           // magic and version
        "781b".to_owned() + &text("wayleave.example/settlement"), // origin
        "02".to_owned(),                                          // position
        "88".to_owned(),                                          // eight field commitments
    ];
    golden.extend(receipt.commitments().iter().map(|c| format!("5820{c}")));
    let field = |index: &str, salt: [u8; 16], bytes: &str| {
        format!("83{index}50{}{bytes}", seal::text::to_hex(&salt))
    };
    golden.push("82".to_owned()); // two opened fields: index, salt, bytes
    golden.push(field("00", receipt.opened()[0].salt.0, "4400010001"));
    golden.push(field("06", receipt.opened()[1].salt.0, &("46".to_owned() + &text("fact 2"))));
    golden.push(format!("59{:04x}", receipt.tlog_proof().len()));
    golden.push(seal::text::to_hex(receipt.tlog_proof()));
    assert_eq!(hex, golden.concat());
    assert_eq!(seal::sha256(&receipt.to_bytes()).to_string(), GOLDEN_RECEIPT);
}

/// SHA-256 of the receipt above: never edited; a new layout is a new version.
const GOLDEN_RECEIPT: &str = "1b237f8de7710e36e3bb3e45be3aadf0680aa256741b20fbe2cd31c83c8e9c29";
