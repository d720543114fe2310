//! The witness protocol: published transcripts, the matrix of answers, and what must not happen.
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

use evidence::cosignature::Cosigner;
use evidence::exchange::{AddCheckpoint, Answer, AnswerError, SIZE_CONTENT_TYPE, read_answer};
use evidence::tree::{TreeHead, leaf_hash};
use evidence::witness::StateError;
use evidence::{NoteSigner, SignedCheckpoint, VerifierKey, Witness, WitnessState};
use seal::{Digest, PublicKey};
use support::{NOW, append, key, log_of, signer, witness};

/// Serves one request as a witness's process does: decide, store, adopt, answer.
fn serve(witness: &mut Witness, request: &[u8]) -> (u16, String) {
    let decision = witness.decide(request, NOW);
    if let Some(next) = decision.next {
        let stored = WitnessState::from_bytes(&next.to_bytes()).unwrap();
        witness.adopt(stored).unwrap();
    }
    (decision.status, decision.body)
}

fn ask(old_size: u64, proof: Vec<Digest>, checkpoint: &SignedCheckpoint) -> Vec<u8> {
    let asked = AddCheckpoint { old_size, proof, checkpoint: checkpoint.clone() };
    let bytes = asked.encode();
    assert_eq!(AddCheckpoint::parse(&bytes), Ok(asked));
    bytes
}

#[test]
fn the_published_transcript_is_answered_as_published() {
    let Some(folder) = support::vectors("torchwood-litewitness") else { return };
    let file = folder.join("cmd/litewitness/testdata/litewitness.txt");
    let whole = std::fs::read_to_string(file).unwrap();
    let log_key: PublicKey =
        "ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f".parse().unwrap();
    let origin = format!("sigsum.org/v1/tree/{}", seal::sha256(log_key.as_bytes()));
    let log = VerifierKey::of_log(origin.parse().unwrap(), log_key);
    let cosigner = Cosigner::new("example.com/witness".parse().unwrap(), key(5));
    let mut witness = Witness::new(cosigner, vec![log], WitnessState::empty());
    let mut statuses = Vec::new();
    for exchange in whole.split("POST http://localhost:7380/add-checkpoint\n```\n").skip(1) {
        let (request, rest) = exchange.split_once("```\nHTTP ").unwrap();
        let published: u16 = rest[..3].parse().unwrap();
        let (status, body) = serve(&mut witness, request.as_bytes());
        // The transcript is older than the specification's 404 for an unknown log.
        // Its wrong signature also has spare bits in its base64, which we call malformed.
        let published = match published {
            403 if rest.contains("unknown log") => 404,
            403 if rest.contains("invalid signature") => 400,
            same => same,
        };
        assert_eq!(status, published, "{request}\n{body}");
        if let Some((_, line)) = rest.split_once("body contains \"") {
            assert!(body.contains(line.split_once('"').unwrap().0) || status == 400, "{body}");
        }
        if let Some((_, exact)) = rest.split_once("body == \"") {
            assert_eq!(body, exact.split_once('"').unwrap().0.replace("\\n", "\n"));
        }
        statuses.push(status);
    }
    assert_eq!(statuses, [200, 400, 404, 422, 422, 200, 409, 200, 409]);
    let size = witness.state().latest(&origin.parse().unwrap()).size;
    assert_eq!(size, 5);
}

#[test]
fn a_log_that_grows_is_cosigned_and_its_proofs_lead_from_size_to_size() {
    let mut witness = witness(2);
    let (mut log, first) = log_of(0);
    assert_eq!(serve(&mut witness, &ask(0, vec![], &first)).0, 200);
    let mut old = 0;
    for size in [1, 2, 7, 255, 256, 257, 600] {
        append(&mut log, size);
        let checkpoint = log.publish(&signer()).unwrap();
        let proof = log.consistency(old, size).unwrap();
        let (status, body) = serve(&mut witness, &ask(old, proof, &checkpoint));
        let key = witness.verifier();
        let answer = read_answer(status, body.as_bytes(), key, checkpoint.checkpoint()).unwrap();
        assert!(matches!(answer, Answer::Cosigned { at, .. } if at == NOW));
        // The same again is answered again: the first answer may have been lost.
        assert_eq!(serve(&mut witness, &ask(size, vec![], &checkpoint)).0, 200);
        old = size;
    }
}

#[test]
fn each_wrong_request_has_its_status_and_changes_nothing() {
    let mut witness = witness(2);
    let (mut log, at_5) = log_of(5);
    assert_eq!(serve(&mut witness, &ask(0, vec![], &at_5)).0, 200);
    append(&mut log, 9);
    let at_9 = log.publish(&signer()).unwrap();
    let good = log.consistency(5, 9).unwrap();
    let signed = |size, root| SignedCheckpoint::sign(&signer(), TreeHead { size, root }).unwrap();
    let other_key = NoteSigner::new(signer().verifier().name().clone(), key(9));
    let stranger = NoteSigner::new("stranger.example".parse().unwrap(), key(1));
    let by = |signer: &NoteSigner| SignedCheckpoint::sign(signer, at_9.head()).unwrap();
    let mut broken = at_9.note().signatures()[0].clone();
    broken.bytes[0] ^= 1;
    let mut bad_line = at_9.clone();
    bad_line.add(broken);
    let wrong = leaf_hash(b"another history");
    let with_extension =
        String::from_utf8(ask(5, good.clone(), &at_9)).unwrap().replace("=\n\n—", "=\next\n\n—");
    let table = [
        ("no request", 400, b"garbage".to_vec()),
        ("leading zero", 400, [b"old 05\n".as_slice(), &ask(5, vec![], &at_9)[6..]].concat()),
        ("extension line", 400, with_extension.into_bytes()),
        ("old above new", 400, ask(10, vec![], &at_9)),
        ("unknown log", 404, ask(5, good.clone(), &by(&stranger))),
        ("unknown key", 403, ask(5, good.clone(), &by(&other_key))),
        ("bad signature", 403, ask(5, good.clone(), &bad_line)),
        ("other old size", 409, ask(4, good.clone(), &at_9)),
        ("rolled back", 409, ask(3, vec![], &log_of(3).1)),
        ("no proof", 422, ask(5, vec![], &at_9)),
        ("other proof", 422, ask(5, vec![wrong; good.len()], &at_9)),
        ("other root", 422, ask(5, good.clone(), &signed(9, wrong))),
        ("fork at one size", 422, ask(5, vec![], &signed(5, wrong))),
        ("proof at one size", 422, ask(5, good.clone(), &at_5)),
    ];
    let before = witness.state().clone();
    for (what, expected, request) in table {
        let (status, body) = serve(&mut witness, &request);
        assert_eq!(status, expected, "{what}: {body}");
        assert_eq!(witness.state(), &before, "{what}");
    }
    let mut fresh = support::witness(3);
    assert_eq!(serve(&mut fresh, &ask(0, good.clone(), &at_9)).0, 422, "proof from nothing");
    assert_eq!(serve(&mut fresh, &ask(0, vec![], &signed(0, wrong))).0, 422, "root of nothing");
    assert_eq!(serve(&mut witness, &ask(5, good, &at_9)).0, 200);
}

#[test]
fn two_decisions_on_one_state_do_not_roll_back() {
    let mut witness = witness(2);
    let (mut log, at_5) = log_of(5);
    serve(&mut witness, &ask(0, vec![], &at_5));
    append(&mut log, 7);
    let at_7 = log.publish(&signer()).unwrap();
    append(&mut log, 9);
    let at_9 = log.publish(&signer()).unwrap();
    let to_7 = witness.decide(&ask(5, log.consistency(5, 7).unwrap(), &at_7), NOW);
    let to_9 = witness.decide(&ask(5, log.consistency(5, 9).unwrap(), &at_9), NOW);
    assert_eq!((to_7.status, to_9.status), (200, 200));
    witness.adopt(to_9.next.unwrap()).unwrap();
    let refused = witness.adopt(to_7.next.unwrap());
    assert!(matches!(refused, Err(StateError::WouldRollBack { held: 9, got: 7, .. })));
    assert!(witness.adopt(WitnessState::empty()).is_err());
}

#[test]
fn a_conflict_tells_the_size_and_leads_to_a_cosignature() {
    let mut witness = witness(2);
    let (mut log, at_5) = log_of(5);
    serve(&mut witness, &ask(0, vec![], &at_5));
    append(&mut log, 9);
    let at_9 = log.publish(&signer()).unwrap();
    let decision = witness.decide(&ask(0, vec![], &at_9), NOW);
    assert_eq!((decision.content_type, decision.next), (SIZE_CONTENT_TYPE, None));
    let body = decision.body.as_bytes();
    let answer = read_answer(decision.status, body, witness.verifier(), at_9.checkpoint());
    assert_eq!(answer, Ok(Answer::SawOther { size: 5 }));
    let proof = log.consistency(5, 9).unwrap();
    assert_eq!(serve(&mut witness, &ask(5, proof, &at_9)).0, 200);
}

#[test]
fn answers_that_are_none_are_refused() {
    let (_, checkpoint) = log_of(5);
    let (ours, other) = (witness(2), witness(3));
    let read = |status, body: &str| {
        read_answer(status, body.as_bytes(), ours.verifier(), checkpoint.checkpoint())
    };
    let theirs = other.decide(&ask(0, vec![], &checkpoint), NOW).body;
    assert_eq!(read(200, &theirs), Err(AnswerError::NoCosignature));
    let mine = ours.decide(&ask(0, vec![], &checkpoint), NOW).body;
    assert!(matches!(read(200, &format!("{theirs}{mine}")), Ok(Answer::Cosigned { .. })));
    let elsewhere = ours.decide(&ask(0, vec![], &log_of(6).1), NOW).body;
    assert!(matches!(read(200, &elsewhere), Err(AnswerError::Cosignature(_))));
    for bad in ["", "5", "05\n", "5\n\n", "five\n"] {
        assert_eq!(read(409, bad), Err(AnswerError::NotASize), "{bad:?}");
    }
    assert_eq!(read(200, ""), Err(AnswerError::NoCosignature));
    assert_eq!(read(500, ""), Err(AnswerError::Status { got: 500 }));
    assert_eq!(read(404, ""), Ok(Answer::UnknownLog));
    assert_eq!(read(422, ""), Ok(Answer::Inconsistent));
}

#[test]
fn the_stored_state_is_these_bytes() {
    let mut witness = witness(2);
    let (_, at_5) = log_of(5);
    serve(&mut witness, &ask(0, vec![], &at_5));
    let golden = [
        "82",                                                         // two things
        "01",                                                         // version
        "81",                                                         // one log
        "83",                                                         // origin, size, root
        "781b7761796c656176652e6578616d706c652f736574746c656d656e74", // its name
        "05",                                                         // its size
        &format!("5820{}", at_5.head().root),                         // its root
    ];
    let bytes = witness.state().to_bytes();
    assert_eq!(seal::text::to_hex(&bytes), golden.concat());
    assert_eq!(&WitnessState::from_bytes(&bytes).unwrap(), witness.state());
    for at in 0..bytes.len() {
        assert!(WitnessState::from_bytes(&bytes[..at]).is_err());
    }
}
