//! The log as strangers read it, and receipts.

use evidence::tile::{read_bundle, root_of};
use evidence::{SignedCheckpoint, VerifierKey};
use seal::Digest;

use crate::book::{Book, json};
use crate::support::run;

const HTTP: [&str; 2] = ["--http", "127.0.0.1:0"];

#[test]
fn a_stranger_checks_a_receipt_with_the_logs_key_alone() {
    let book = Book::new(&[]);
    book.post("alice", "bob", "12.50", "rent");
    let key = json(&book.ask(&["checkpoint", "--key"]))["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("bank.example/ledger+"), "{key}");
    let file = book.path("rent.wayleave");
    let made = book.ask(&["receipt", "rent", "--out", &file]);
    assert_eq!((made.code, json(&made)["position"].as_u64()), (Some(0), Some(4)), "{made:?}");

    let good = run(&["ledger", "verify", &file, "--key", &key, "--json"]);
    assert_eq!(good.code, Some(0), "{good:?}");
    let told = json(&good);
    assert_eq!(told["verdict"], "good");
    assert_eq!(told["checks"].as_array().unwrap().len(), 8);
    assert_eq!(told["says"]["fact"]["kind"], "posted");
    assert!(told.to_string().contains("unwitnessed"), "{told}");
    assert!(told["says"].to_string().contains("1250"), "{told}");
    // Nobody's word, and another log's: consistent, and no more.
    let nobody = run(&["ledger", "verify", &file]);
    assert_eq!(nobody.code, Some(3), "{nobody:?}");
    let other = Book::new(&[]);
    let stranger = json(&other.ask(&["checkpoint", "--key"]))["key"].as_str().unwrap().to_owned();
    let others = run(&["ledger", "verify", &file, "--key", &stranger]);
    assert_eq!(others.code, Some(3), "{others:?}");
    // The command for all receipts knows this kind, too, and so does the export for others.
    let policy = book.folder.write("policy", format!("log {key}\nquorum none\n"));
    assert_eq!(run(&["verify", &file, "--trust", &policy]).code, Some(0));
    let parts = book.path("parts");
    let exported = run(&["verify-export", &file, "--dir", &parts, "--trust", &policy]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let entry = std::fs::read(format!("{parts}/rent.entry")).unwrap();
    assert_eq!((entry.len(), entry[0]), (33, 1));
    let proof = std::fs::read_to_string(format!("{parts}/rent.tlog-proof")).unwrap();
    assert!(proof.starts_with("c2sp.org/tlog-proof@v1\nindex 4\n"), "{proof}");

    // Nothing is written over, and every third changed byte is refused.
    let taken = book.ask(&["receipt", "funds", "--out", &file]);
    assert_eq!(taken.code, Some(5), "{taken:?}");
    let bytes = std::fs::read(&file).unwrap();
    let trust = evidence::Policy::parse(format!("log {key}\nquorum none\n").as_bytes()).unwrap();
    let trust = evidence::Trust::from_policy(trust).unwrap();
    let good = |bytes: &[u8]| {
        evidence::whole::inspect_whole(bytes).and_then(|read| read.verify(&trust)).is_ok()
    };
    assert!(good(&bytes));
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(!good(&changed), "byte {place}");
    }
    let changed = [&bytes[..60], &[bytes[60] ^ 1], &bytes[61..]].concat();
    let changed = book.folder.write("changed.wayleave", changed);
    let refused = run(&["ledger", "verify", &changed, "--key", &key]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
}

#[test]
fn a_refusal_has_a_receipt_and_an_absent_id_has_none() {
    let book = Book::new(&[]);
    let what = ["post", "--from", "alice", "--to", "bob", "--amount", "500", "--id", "too-much"];
    assert_eq!(book.ask(&what).code, Some(1));
    let file = book.path("refused.wayleave");
    // Refusals are told without their position; an export shows it.
    let by_id = book.ask(&["receipt", "too-much", "--out", &file]);
    assert!(by_id.code == Some(5) && by_id.err.contains("--position"), "{by_id:?}");
    let made = book.ask(&["receipt", "--position", "4", "--out", &file]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let read = json(&run(&["ledger", "verify", &file, "--json"]));
    assert_eq!(read["says"]["fact"]["kind"], "refused", "{read}");
    assert_eq!(read["says"]["fact"]["rule"], "InsufficientFunds", "{read}");
    assert_eq!(book.ask(&["receipt", "never-sent"]).code, Some(5));
    let beyond = book.ask(&["receipt", "--position", "99", "--within", "1"]);
    assert_eq!(beyond.code, Some(5), "{beyond:?}");
}

#[test]
fn the_log_is_served_as_tiles_under_a_signed_checkpoint() {
    let mut book = Book::new(&HTTP);
    let last = book.checkpoint(4);
    let key: VerifierKey = last["key"].as_str().unwrap().parse().unwrap();
    let (status, head, text) = book.get("/log/checkpoint", None);
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; charset=utf-8"), "{head}");
    let signed = SignedCheckpoint::parse(&text).unwrap();
    signed.check(&key).unwrap();
    assert_eq!(signed.head().size, 4);
    let (status, head, tile) = book.get("/log/tile/0/000.p/4", None);
    assert_eq!((status, tile.len()), (200, 128), "{head}");
    let hashes: Vec<Digest> =
        tile.as_chunks::<32>().0.iter().map(|h| Digest::from_bytes(*h)).collect();
    assert_eq!(root_of(&hashes), signed.head().root);
    let (status, _, bundle) = book.get("/log/tile/entries/000.p/4", None);
    let entries = read_bundle(&bundle).unwrap();
    assert_eq!((status, entries.len()), (200, 4));
    assert!(evidence::tile::bundle_fits(&entries, &hashes));
    for missing in ["/log/tile/0/000", "/log/tile/0/000.p/5", "/log/tile/0/0.p/4", "/log/x"] {
        assert_eq!(book.get(missing, None).0, 404, "{missing}");
    }
    // A receipt opens a fact: it needs a key.
    assert_eq!(book.get("/v1/facts/3/receipt", None).0, 401);
    book.stop();
    let api_key = json(&book.ask(&["client", "key", "operator"]))["api_key"].clone();
    book.start(&HTTP).unwrap();
    let (status, head, receipt) = book.get("/v1/facts/3/receipt", api_key.as_str());
    assert_eq!(status, 200, "{head}");
    assert_eq!(evidence::whole::inspect_whole(&receipt).unwrap().receipt().position().number(), 3);
    assert_eq!(book.get("/v1/facts/77/receipt", api_key.as_str()).0, 404);
    assert_eq!(book.get("/v1/facts/+3/receipt", api_key.as_str()).0, 400);
}

#[test]
fn a_newer_checkpoint_extends_the_one_that_was_kept() {
    let book = Book::new(&[]);
    let kept = book.checkpoint(4)["checkpoint"].as_str().unwrap().to_owned();
    let file = book.folder.write("kept", &kept);
    book.post("alice", "bob", "1", "one");
    book.checkpoint(5);
    let extends = book.ask(&["checkpoint", "--extends", &file]);
    assert_eq!((extends.code, &json(&extends)["extends"]), (Some(0), &true.into()), "{extends:?}");
    // Of another log, though of this name.
    let other = Book::new(&[]);
    assert_eq!(other.ask(&["checkpoint", "--extends", &file]).code, Some(1));
}
