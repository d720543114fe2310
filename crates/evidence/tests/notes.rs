//! Notes, checkpoints, cosignatures, policies and proofs: published samples and near misses.
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

use evidence::cosignature::{self, Cosigner};
use evidence::fork::{ExtendsError, check_extends};
use evidence::note::NoteError;
use evidence::proof::ProofTextError;
use evidence::quorum::{LineError, PolicyError};
use evidence::tree::{TreeHead, check_inclusion, leaf_hash};
use evidence::{
    Checkpoint, KeyName, Note, NoteSigner, Policy, SignedCheckpoint, TlogProof, Trust, VerifierKey,
};
use proptest::prelude::*;
use serde_json::Value;
use support::{NOW, key, log_of, signer, witness};
use terms::Instant;

#[test]
fn the_examples_of_the_specification_hold() {
    let Some(folder) = support::vectors("tlog-proof") else { return };
    let cases = std::fs::read(folder.join("signed-note.json")).unwrap();
    let cases: Value = serde_json::from_slice(&cases).unwrap();
    for case in cases.as_object().unwrap().values() {
        let vkey: VerifierKey = case["vkey"].as_str().unwrap().parse().unwrap();
        assert_eq!(vkey.to_string(), case["vkey"].as_str().unwrap());
        let text = case["note"].as_str().unwrap();
        let note = Note::parse(text.as_bytes()).unwrap();
        assert_eq!(note.check(&vkey), Ok(()));
        assert_eq!(note.to_string(), text);
        let changed = text.replacen("you", "yoU", 1).replacen("This", "this", 1);
        let changed = Note::parse(changed.as_bytes()).unwrap();
        assert!(matches!(changed.check(&vkey), Err(NoteError::BadSignature { .. })));
        assert!(matches!(note.check(signer().verifier()), Err(NoteError::NotSignedBy { .. })));
    }
}

#[test]
fn a_signing_key_reads_back_and_its_refusals_repeat_nothing() {
    let signer = signer();
    let skey = signer.to_skey();
    assert!(skey.starts_with("PRIVATE+KEY+wayleave.example/settlement+"));
    assert_eq!(NoteSigner::from_skey(&skey).unwrap().verifier(), signer.verifier());
    for bad in [skey.replace("PRIVATE", "private"), skey.replace("+65a6", "+65a7"), skey + "A"] {
        assert_eq!(NoteSigner::from_skey(&bad).err(), Some(NoteError::SigningKey));
    }
}

#[test]
fn near_misses_of_a_note_are_refused() {
    let good = log_of(3).1.to_string();
    assert!(Note::parse(good.as_bytes()).is_ok());
    let near = [
        good.replace('\n', "\r\n"),
        good.replace("\n\n", "\n"),
        good.replace("— ", "- "),
        good.replace("— ", "—"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        good.replace("=\n\n", "=\n\t\n\n"),
        good.replace("— wayleave", "— way+leave"),
        good.replace("settlement ", "settlement  "),
    ];
    for bad in near {
        assert!(Note::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(Note::parse(&[0xff, b'\n', b'\n']).is_err());
    for bad in ["", "a b", "a+b", "a\u{a0}b", "a\nb"] {
        assert!(bad.parse::<KeyName>().is_err(), "{bad:?}");
    }
}

#[test]
fn near_misses_of_a_checkpoint_are_refused() {
    let good = "example.com/log\n12\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    assert_eq!(Checkpoint::parse(good).unwrap().to_string(), good);
    let near = [
        good.replace("12", "012"),
        good.replace("12", "+12"),
        good.replace("12", "1 2"),
        good.replace("12", ""),
        good.replace("12", "18446744073709551616"),
        good.replace("q2I=", "q2J="),
        good.replace("q2I=", "q2I"),
        good.replace("example.com/log", ""),
        format!("{good}extension\n"),
        format!("{good}\n"),
        good.trim_end().to_owned(),
    ];
    for bad in near {
        assert!(Checkpoint::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_cosignature_binds_key_time_and_checkpoint() {
    let seen = log_of(3).1.checkpoint().clone();
    let cosigner = Cosigner::new("w.example".parse().unwrap(), key(2));
    let line = cosigner.sign(&seen, NOW).unwrap();
    let vkey = cosigner.verifier();
    assert_eq!(vkey.to_string().parse::<VerifierKey>().as_ref(), Ok(vkey));
    assert_eq!(cosignature::check(vkey, &seen, &line), Ok(NOW));
    let mut other = seen.clone();
    other.head.size += 1;
    assert!(cosignature::check(vkey, &other, &line).is_err());
    for at in 0..line.bytes.len() {
        let mut changed = line.clone();
        changed.bytes[at] ^= 1;
        assert!(cosignature::check(vkey, &seen, &changed).is_err(), "byte {at}");
    }
    let as_log = VerifierKey::of_log("w.example".parse().unwrap(), key(2).public_key());
    assert!(cosignature::check(&as_log, &seen, &line).is_err());
    assert!(cosigner.sign(&seen, Instant::EPOCH).is_err());
}

#[test]
fn the_sample_of_the_cosignature_scheme_made_elsewhere_holds() {
    let Some(folder) = support::vectors("own") else { return };
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap().trim().to_owned();
    let log: VerifierKey = text("log.vkey").parse().unwrap();
    let entry = std::fs::read(folder.join("receipt.entry")).unwrap();
    let plain = std::fs::read(folder.join("receipt.tlog-proof")).unwrap();
    let proof = TlogProof::parse(&plain).unwrap();
    assert_eq!(proof.to_string().into_bytes(), plain);
    let nobody = Policy::parse(b"quorum none\n").unwrap();
    let trust = Trust::new(log.clone(), nobody).unwrap();
    assert!(proof.verify(leaf_hash(&entry), &trust).is_ok());
    assert!(proof.verify(leaf_hash(b"other"), &trust).is_err());

    // The same with an Ed25519 and an ML-DSA-44 cosignature: the first holds; the second is of
    // a key that our trust cannot list, so the proof as a whole is refused.
    let cosigned = std::fs::read(folder.join("receipt-cosigned.tlog-proof")).unwrap();
    let cosigned = TlogProof::parse(&cosigned).unwrap();
    let w1: VerifierKey = text("w1.vkey").parse().unwrap();
    let line = cosigned.checkpoint.note().signatures().iter().find(|l| w1.made(l)).unwrap();
    assert!(cosignature::check(&w1, cosigned.checkpoint.checkpoint(), line).is_ok());
    let refused = text("w2.vkey").parse::<VerifierKey>();
    assert!(matches!(refused, Err(NoteError::MlDsa44NotChecked { .. })));
    let policy = Policy::parse(format!("witness w1 {w1}\nquorum w1\n").as_bytes()).unwrap();
    let trust = Trust::new(log, policy).unwrap();
    let refused = cosigned.verify(leaf_hash(&entry), &trust).unwrap_err();
    assert!(refused.to_string().contains("evidence2-pq"), "{refused}");
}

#[test]
fn near_misses_of_a_proof_are_refused() {
    let good = support::proof(2, 5, &[2]).to_string();
    assert!(TlogProof::parse(good.as_bytes()).is_ok());
    let extra = good.replace("index 2", "extra AAAA\nindex 2");
    assert_eq!(TlogProof::parse(extra.as_bytes()), Err(ProofTextError::Extra));
    let near = [
        good.replace("@v1", "@v2"),
        good.replace("index 2", "index 02"),
        good.replace("index 2", "index  2"),
        good.replace("index 2", "Index 2"),
        good.replace("index 2\n", ""),
        good.replace("index 2", "index -2"),
        good.replace('\n', "\r\n"),
        good.replacen("\n\n", "\n", 1),
        good.replacen("=\n", "\n", 1),
        format!("\n{good}"),
        format!("{good}\n"),
        good.trim_end().to_owned(),
        good.split_once("\n\n").unwrap().0.to_owned(),
    ];
    for bad in near {
        assert!(TlogProof::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn nested_groups_are_met_by_enough_members_only() {
    let keys: Vec<_> = (2..8).map(|n| witness(n).verifier().clone()).collect();
    let mut text = String::from("# two of three regulators, and one of two others\n");
    for (name, key) in ["x1", "x2", "x3", "y1", "y2", "z"].iter().zip(&keys) {
        text.push_str(&format!("witness {name}\t{key}  https://example.org/{name}\n"));
    }
    text.push_str("\n group X 2 x1 x2 x3\ngroup Y any y1 y2\ngroup both all X Y\nquorum both\n");
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let table: [(&[usize], bool); 9] = [
        (&[], false),
        (&[0, 1], false),
        (&[0, 1, 2], false),
        (&[3, 4], false),
        (&[0, 3], false),
        (&[0, 3, 5], false),
        (&[0, 1, 3], true),
        (&[1, 2, 4], true),
        (&[0, 1, 2, 3, 4, 5], true),
    ];
    for (cosigned, met) in table {
        let cosigned: Vec<_> = cosigned.iter().map(|n| &keys[*n]).collect();
        assert_eq!(policy.is_met_by(&cosigned), met, "{cosigned:?}");
    }
    assert_eq!(policy.quorum_keys(), keys[..5].iter().collect::<Vec<_>>());
    let one = text.replace("quorum both", "quorum x1");
    assert!(Policy::parse(one.as_bytes()).unwrap().is_met_by(&[&keys[0]]));
}

#[test]
fn wrong_policies_are_refused_by_line_and_reason() {
    let w = witness(2).verifier().clone();
    let v = witness(3).verifier().clone();
    let l = signer().verifier().clone();
    let both = format!("witness a {w}\nwitness b {v}\n");
    type Expected = fn(&LineError) -> bool;
    let table: [(String, usize, Expected); 15] = [
        ("policy x\n".into(), 1, |e| matches!(e, LineError::Unknown { .. })),
        ("quorum a\n".into(), 1, |e| matches!(e, LineError::NotDefined { .. })),
        (format!("log {w}\n"), 1, |e| matches!(e, LineError::WrongKeyType { .. })),
        (format!("witness a {l}\n"), 1, |e| matches!(e, LineError::WrongKeyType { .. })),
        (format!("log {l}\nlog {l}\n"), 2, |e| matches!(e, LineError::DuplicateKey { .. })),
        (format!("witness a {w}\nwitness b {w}\n"), 2, |e| {
            matches!(e, LineError::DuplicateKey { .. })
        }),
        (format!("witness a {w}\nwitness a {v}\n"), 2, |e| {
            matches!(e, LineError::NameTaken { .. })
        }),
        (format!("witness none {w}\n"), 1, |e| matches!(e, LineError::NameTaken { .. })),
        (format!("{both}group g 3 a b\n"), 3, |e| matches!(e, LineError::Threshold { .. })),
        (format!("{both}group g 0 a b\n"), 3, |e| matches!(e, LineError::Threshold { .. })),
        (format!("{both}group g 01 a b\n"), 3, |e| matches!(e, LineError::Threshold { .. })),
        (format!("{both}group g all\n"), 3, |e| matches!(e, LineError::Threshold { .. })),
        (format!("{both}group g any a a\n"), 3, |e| matches!(e, LineError::ListedTwice { .. })),
        (format!("{both}group g any a\ngroup h any a b\n"), 4, |e| {
            matches!(e, LineError::ListedTwice { .. })
        }),
        ("quorum none\nquorum none\n".into(), 2, |e| matches!(e, LineError::SecondQuorum)),
    ];
    for (text, line, expected) in table {
        match Policy::parse(text.as_bytes()) {
            Err(PolicyError::Line { number, reason }) => {
                assert!(number == line && expected(&reason), "{text}: line {number}: {reason}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(Policy::parse(b"\n"), Err(PolicyError::NoQuorum));
    assert_eq!(Policy::parse(b"quorum none"), Err(PolicyError::NotText));
    assert_eq!(Policy::parse(b"quorum none\r\n"), Err(PolicyError::NotText));
    let none = Policy::parse(b"quorum none\n").unwrap();
    assert!(Trust::from_policy(none.clone()).is_err() && Trust::new(w, none).is_err());
}

#[test]
fn a_newer_checkpoint_extends_an_older_one_or_convicts_the_log() {
    let (mut log, older) = log_of(100);
    support::append(&mut log, 300);
    let newer = log.publish(&signer()).unwrap();
    let proof = log.consistency(100, 300).unwrap();
    let vkey = signer().verifier().clone();
    assert_eq!(check_extends(&older, &newer, &proof, &vkey), Ok(()));
    assert!(check_extends(&newer, &older, &proof, &vkey).is_err());
    assert!(check_extends(&older, &newer, &proof[1..], &vkey).is_err());
    assert_eq!(check_extends(&log_of(0).1, &newer, &[], &vkey), Ok(()));
    let head = TreeHead { size: 100, root: leaf_hash(b"another history") };
    let forked = SignedCheckpoint::sign(&signer(), head).unwrap();
    let convicted = check_extends(&older, &forked, &[], &vkey);
    assert_eq!(convicted, Err(ExtendsError::Forked { size: 100 }));
    assert!(matches!(
        check_extends(&forked, &newer, &proof, &vkey),
        Err(ExtendsError::NotShown(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, cases: 48, ..ProptestConfig::default()
    })]

    #[test]
    fn proofs_of_random_sizes_read_back_and_hold(size in 1_u64..700, pick: u64, other: u64) {
        let (index, other) = (pick % size, other % size);
        let proof = support::proof(index, size, &[2, 3]);
        let text = proof.to_string();
        prop_assert_eq!(&TlogProof::parse(text.as_bytes()).unwrap(), &proof);
        let leaf = |n| record::leaf_hash(&support::fact(n).commitment(&support::salts(n)));
        prop_assert!(proof.verify(leaf(index), &support::trust()).is_ok());
        prop_assert_eq!(proof.verify(leaf(other), &support::trust()).is_ok(), other == index);
    }

    #[test]
    fn no_reader_panics_and_what_reads_writes_the_same(at: usize, byte: u8, cut: usize) {
        let good = support::proof(2, 5, &[2]).to_string().into_bytes();
        let mut changed = good.clone();
        changed[at % good.len()] = byte;
        for bytes in [changed.as_slice(), &good[..cut % good.len()], &[byte, 10, 10, byte]] {
            if let Ok(read) = TlogProof::parse(bytes) {
                prop_assert_eq!(read.to_string().into_bytes(), bytes);
            }
            let split = bytes.windows(2).position(|pair| pair == b"\n\n");
            let note = split.map_or(bytes, |at| &bytes[at + 2..]);
            if let Ok(read) = SignedCheckpoint::parse(note) {
                prop_assert_eq!(read.to_string().into_bytes(), note);
            }
            let _ = Policy::parse(bytes);
            let _ = evidence::exchange::AddCheckpoint::parse(bytes);
        }
    }
}

#[test]
fn an_entry_of_a_log_made_by_other_software_stands_at_its_root() {
    let Some(folder) = support::vectors("tlog-proof") else { return };
    let case = std::fs::read(folder.join("oak-real-inclusion.json")).unwrap();
    let case: Value = serde_json::from_slice(&case).unwrap();
    let hash = |v: &Value| {
        let bytes = seal::text::from_base64(v.as_str().unwrap()).unwrap();
        seal::Digest::from_bytes(bytes.try_into().unwrap())
    };
    let path: Vec<_> = case["proof_hashes"].as_array().unwrap().iter().map(hash).collect();
    let leaf = leaf_hash(case["entry_utf8"].as_str().unwrap().as_bytes());
    // The source does not say where it stands. Nine hashes, all on the left: it is the last
    // entry, and its index has nine bits set, of which the smallest is 511.
    let check = |index, size| check_inclusion(leaf, index, size, &path, hash(&case["root"]));
    assert_eq!(check(511, 512), Ok(()));
    assert!(check(510, 512).is_err());
    assert!(check(511, 513).is_err());
}

#[test]
fn the_files_of_a_log_are_these_bytes() {
    let (log, _) = log_of(3);
    let checkpoint = concat!(
        "wayleave.example/settlement\n",
        "3\n",
        "4mLDiBMxz5o3RgCxuGUcZG+JUKVrNU5ecDOG/iYBsag=\n",
        "\n",
        "— wayleave.example/settlement ZaYq8/m7bj3PipnWjQ2sUTpZYkEtdlnJmViyr/PjSb2nnWVNMlJy0Ow",
        "WG7pE6noJuhZeWADdV9dbt2K/ZX/gUDa3KQ0=\n",
    );
    let bundle = concat!(
        "0021", // 33 bytes follow
        "01",   // version of the entry
        "4d5e53baaaa37c8bb657cb4ebee8a4ce850b41dbefe9af87597ad4df5accd140",
        "0021",
        "01",
        "b814108d2196311e5d3f25a1d152644225cc93d640e08bb628787ce17cc89c53",
        "0021",
        "01",
        "6db4264d4725ea08bb5ace3b5e66a85ad64cfc80df2e7bde7484adac52bef63c",
    );
    let tile = concat!(
        "47b4479cb0eae2b2d77abcf8d3d5c778a28af2d916335a90a65f5b6b673726b0",
        "9c6d60485c4ca981f31945bbfe5a042a26744d0b958701bb370477990bd5240e",
        "693439203c82bd41f0c464285514052decc8f46558745ab5bcd79ad47ecb1083",
    );
    let hex = |path: &str| seal::text::to_hex(&log.store().files()[path]);
    assert_eq!(hex("checkpoint"), seal::text::to_hex(checkpoint.as_bytes()));
    assert_eq!(hex("tile/entries/000.p/3"), bundle);
    assert_eq!(hex("tile/0/000.p/3"), tile);
    assert_eq!(log.store().files().len(), 3);
}
