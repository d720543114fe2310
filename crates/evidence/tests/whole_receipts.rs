//! Receipts of facts that were committed as one: fixed bytes, every check, every changed byte.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "tests: a panic is a failure, and helpers are not marked as tests"
)]

mod support;

use evidence::whole::{WHOLE_RECEIPT_MAGIC, inspect_whole};
use evidence::{Check, Log, MemoryStore, TlogProof, WholeReceipt, Witnessing};
use record::fact::whole_commitment;
use record::{Fact, FactKind, OpenedFact, SaltSlot};
use seal::Salt;
use seal::text::to_hex;
use support::{cosign, signer, trust, witness};

fn opened(position: u64) -> OpenedFact {
    let kind = FactKind { number: 0x0100, version: 1 };
    let body = vec![format!("fact {position}").into_bytes()];
    let fact = Fact::plain(kind, SaltSlot(2), body);
    OpenedFact::of(&fact, Salt([7; 16])).unwrap()
}

fn proof(position: u64, size: u64, witnesses: &[u8]) -> TlogProof {
    let mut log = Log::open(MemoryStore::empty(), &signer()).unwrap();
    for position in 0..size {
        let opened = opened(position);
        log.append(&whole_commitment(&opened.salt, &opened.bytes));
    }
    let mut checkpoint = log.publish(&signer()).unwrap();
    for seed in witnesses {
        cosign(&mut witness(*seed), &mut checkpoint);
    }
    let path = log.inclusion(position, size).unwrap();
    TlogProof { index: position, path, checkpoint }
}

#[test]
fn a_whole_receipt_is_fixed_and_verifies() {
    let proof = proof(2, 5, &[2, 3]);
    let receipt = WholeReceipt::new(opened(2), &proof).unwrap();
    let bytes = receipt.to_bytes();
    let text = proof.to_string();
    let golden = [
        "85".to_owned(),                                             // five items
        "7819".to_owned() + &to_hex(WHOLE_RECEIPT_MAGIC.as_bytes()), // kind and version
        "781b".to_owned() + &to_hex(b"wayleave.example/settlement"), // origin
        "02".to_owned(),                                             // position
        "82".to_owned(),                                             // the opened fact: two things
        "50".to_owned() + &"07".repeat(16),                          // its salt
        "50".to_owned() + "84" + "82190100" + "01" + "02" + "80" + "8146" + &to_hex(b"fact 2"),
        format!("59{:04x}", text.len()) + &to_hex(text.as_bytes()), // the proof
    ];
    assert_eq!(to_hex(&bytes), golden.concat());
    assert!(WholeReceipt::is_named_by(&bytes));
    let read = inspect_whole(&bytes).unwrap();
    assert_eq!((read.receipt(), read.entry()[0]), (&receipt, 1));
    let (cosigned, witnessing) = read.verify(&trust()).unwrap();
    assert_eq!((cosigned.len(), witnessing), (2, Witnessing::Witnessed));
}

#[test]
fn each_other_bit_of_each_byte_is_refused() {
    let bytes = WholeReceipt::new(opened(2), &proof(2, 5, &[2, 3])).unwrap().to_bytes();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            let judged = inspect_whole(&changed).and_then(|read| read.verify(&trust()));
            assert!(judged.is_err(), "byte {place}, bit {bit}");
        }
    }
}

#[test]
fn each_check_refuses_what_it_is_for() {
    let by = |bytes: &[u8]| inspect_whole(bytes).map(drop).map_err(|refused| refused.check);
    let good = WholeReceipt::new(opened(2), &proof(2, 5, &[2, 3])).unwrap();
    assert_eq!(by(&good.to_bytes()), Ok(()));
    assert_eq!(by(b""), Err(Check::Canonical));
    // Another fact than the one that was logged there, and the right one at another place.
    let other = WholeReceipt::new(opened(3), &proof(2, 5, &[])).unwrap_err();
    assert_eq!(other.check, Check::Inclusion);
    // A fact of a kind that is committed field by field has no opening of this form.
    let kind = FactKind { number: 1, version: 1 };
    let fact = Fact::plain(kind, SaltSlot(2), vec![b"x".to_vec()]);
    let bytes = seal::to_canonical(&fact).into();
    let fields = OpenedFact { salt: Salt([7; 16]), bytes };
    let refused = WholeReceipt::new(fields, &proof(2, 5, &[])).unwrap_err();
    assert_eq!(refused.check, Check::OpeningsFitCommitments);
    let verify = |witnesses: &[u8]| {
        let receipt = WholeReceipt::new(opened(2), &proof(2, 5, witnesses)).unwrap();
        let read = inspect_whole(&receipt.to_bytes()).unwrap();
        read.verify(&trust()).map(drop).map_err(|refused| refused.check)
    };
    assert_eq!(verify(&[2, 3]), Ok(()));
    assert_eq!(verify(&[2]), Err(Check::QuorumOfWitnesses));
    assert_eq!(verify(&[2, 3, 4]), Err(Check::Cosignatures));
}
