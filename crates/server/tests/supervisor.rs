//! The supervisor over real sockets and files.
#![expect(clippy::unwrap_used, reason = "a helper of tests may stop the test")]

mod support;

use api::Role;
use api::wire::JSON;
use evidence::exchange::{AddCheckpoint, Answer, read_answer};
use evidence::tree::TreeHead;
use evidence::{
    CompactRange, KeyName, NoteSigner, SignatureLine, SignedCheckpoint, VerifierKey, cosignature,
};
use record::{Signed, TrustList};
use screening::ScreeningList;
use seal::text::to_hex;
use seal::{BoxSecretKey, sha256};
use serde_json::{Value, json};
use server::keys::{Descriptor, KeyStore};
use server::roles::read_config;
use server::roles::supervisor::{
    self, Edited, Example, JsonEntry, SanctionEdit, TrustEdit, WitnessedLog,
};
use support::{Folder, Running, answered, common, key, peer, refusal, socket};
use terms::Instant;

const OPERATOR: u8 = 1;
const STRANGER: u8 = 2;
const EDGE: u8 = 3;
const LOG: u8 = 4;
const ORIGIN: &str = "wayleave.example/sandbox/settlement";

fn first_trust() -> Vec<TrustEdit> {
    let institution = json!({
        "edit": "put-institution",
        "institution": {
            "institution": "bank-nl", "legal_name": "Bank NL N.V.", "jurisdiction": "NL",
            "sides": [{ "corridor": "nl-sg", "side": "debtor" }],
            "permit_keys": [key(20).public_key().to_string(), key(21).public_key().to_string()],
            "statement_key": to_hex(BoxSecretKey::from_seed([9; 32]).public_key().as_bytes()),
            "edges": ["bank-nl.1"],
        }
    });
    let recognition = json!({
        "edit": "add-recognition",
        "recognition": {
            "jurisdiction": "SG", "kind": "institution", "subject": "bank-sg",
            "until_seconds": 4_000_000_000_u64,
        }
    });
    vec![serde_json::from_value(institution).unwrap(), serde_json::from_value(recognition).unwrap()]
}

fn entry(id: &str, name: &str) -> JsonEntry {
    JsonEntry {
        id: id.to_owned(),
        name: name.to_owned(),
        aliases: vec![],
        dates: vec![],
        countries: vec!["SG".to_owned()],
        program: "sandbox".to_owned(),
    }
}

async fn start(dir: &Folder) -> Running {
    start_with(dir, 3600).await
}

async fn start_with(dir: &Folder, list_lifetime_seconds: u64) -> Running {
    let (listener, port) = socket().await;
    let core = Descriptor::new(Role::Core, "core", "http://localhost:1")
        .with_key("request", &key(30))
        .with_key("log", &key(LOG));
    let peers = vec![
        peer(Role::Operator, "supervisor-nl-operator", OPERATOR),
        peer(Role::Operator, "wayleave-operator", STRANGER),
        peer(Role::Edge, "bank-nl.1", EDGE),
        core,
    ];
    let example = Example {
        jurisdiction: "NL".to_owned(),
        operator: "supervisor-nl-operator".to_owned(),
        witness_name: "witness.example/nl".to_owned(),
        log: WitnessedLog { origin: ORIGIN.to_owned(), peer: "core".to_owned() },
        list_lifetime_seconds,
    };
    let config = supervisor::example_config(common("supervisor-nl", port, peers), example);
    let sanctions = vec![SanctionEdit::PutEntry { entry: entry("1", "Red Harbour Trading") }];
    supervisor::write_example(dir.path(), &config, first_trust(), sanctions).unwrap();
    let config: supervisor::Config = read_config(dir.path()).unwrap();
    let path = dir.path().to_owned();
    Running::start(dir.path(), port, |stop| {
        supervisor::run_on(listener, path, config, async {
            let _ = stop.await;
        })
    })
}

fn list_key(dir: &Folder) -> seal::PublicKey {
    KeyStore::open(dir.path()).unwrap().signing_key("list").unwrap().public_key()
}

async fn trust(running: &Running, dir: &Folder) -> TrustList {
    let bytes = answered(running.get("/v1/trust-list").await);
    Signed::<TrustList>::from_bytes(&bytes).unwrap().verify(&list_key(dir)).unwrap()
}

async fn sanctions(running: &Running, dir: &Folder) -> ScreeningList {
    let bytes = answered(running.get("/v1/sanctions").await);
    Signed::<ScreeningList>::from_bytes(&bytes).unwrap().verify(&list_key(dir)).unwrap()
}

fn act(edit: &Value) -> String {
    json!({ "reason": "a test", "edits": [edit] }).to_string()
}

#[tokio::test]
async fn an_edit_takes_effect_at_once_and_survives_a_restart() {
    let dir = Folder::new("supervisor");
    let running = start(&dir).await;
    let first = trust(&running, &dir).await;
    assert_eq!((first.version, first.institutions[0].permit_keys.len()), (1, 2));
    assert!(first.next_update > first.issued_at);
    let edit = act(&json!({
        "edit": "remove-permit-key", "institution": "bank-nl",
        "key": key(21).public_key().to_string(),
    }));
    let edited = answered(running.post("/v1/trust-list/edits", JSON, edit, OPERATOR).await);
    let edited: Edited = serde_json::from_slice(&edited).unwrap();
    assert_eq!(edited.version, 2);
    let second = trust(&running, &dir).await;
    assert_eq!(second.institutions[0].permit_keys, [key(20).public_key()]);
    running.stop().await;
    let running = start(&dir).await;
    assert_eq!(trust(&running, &dir).await, second);
    let old = answered(running.get("/v1/trust-list/1").await);
    let old = Signed::<TrustList>::from_bytes(&old).unwrap().verify(&list_key(&dir)).unwrap();
    assert_eq!(old, first);
    assert_eq!(refusal(running.get("/v1/trust-list/9").await).status, 404);
    running.stop().await;
}

#[tokio::test]
async fn a_list_is_signed_anew_before_it_is_stale() {
    let dir = Folder::new("supervisor");
    let running = start_with(&dir, 2).await;
    let first = trust(&running, &dir).await;
    let newer = loop {
        let list = trust(&running, &dir).await;
        assert!(server::system::now() < list.next_update, "a stale list was served");
        if list.version > first.version {
            break list;
        }
        assert!(server::system::now() < first.next_update, "it was not signed anew");
    };
    assert_eq!(newer.institutions, first.institutions);
    assert!(newer.issued_at > first.issued_at);
    running.stop().await;
}

#[tokio::test]
async fn only_its_operator_edits_and_unfit_edits_change_nothing() {
    let dir = Folder::new("supervisor");
    let running = start(&dir).await;
    let remove = act(&json!({ "edit": "remove-institution", "institution": "bank-nl" }));
    let absent = act(&json!({ "edit": "remove-institution", "institution": "bank-xx" }));
    let bad_key = act(&json!({ "edit": "add-permit-key", "institution": "bank-nl", "key": "zz" }));
    let member = act(&json!({ "edit": "remove-institution", "institution": "bank-nl", "x": 1 }));
    let partly = json!({ "reason": "a test", "edits": [
        { "edit": "remove-institution", "institution": "bank-nl" },
        { "edit": "remove-institution", "institution": "bank-nl" },
    ]});
    let path = "/v1/trust-list/edits";
    let post = |body: String, by: u8| running.post(path, JSON, body, by);
    let rows = [
        (running.post_open(path, JSON, remove.clone()).await, 401),
        (post(remove.clone(), 99).await, 401),
        (post(remove.clone(), EDGE).await, 403),
        (post(remove, STRANGER).await, 403),
        (post(absent, OPERATOR).await, 422),
        (post(bad_key, OPERATOR).await, 422),
        (post(partly.to_string(), OPERATOR).await, 422),
        (post(json!({ "reason": "", "edits": [] }).to_string(), OPERATOR).await, 422),
        (post(member, OPERATOR).await, 400),
        (post("{".to_owned(), OPERATOR).await, 400),
    ];
    for (row, (outcome, status)) in rows.into_iter().enumerate() {
        assert_eq!(refusal(outcome).status, status, "row {row}");
    }
    assert_eq!(trust(&running, &dir).await.version, 1);
    running.stop().await;
}

#[tokio::test]
async fn sanctions_are_edited_and_never_emptied() {
    let dir = Folder::new("supervisor");
    let running = start(&dir).await;
    let path = "/v1/sanctions/edits";
    let put = act(&json!({ "edit": "put-entry", "entry": entry("2", "Lim Ceramics Pte Ltd") }));
    answered(running.post(path, JSON, put, OPERATOR).await);
    let list = sanctions(&running, &dir).await;
    assert_eq!((list.version, list.entries.len()), (2, 2));
    let remove = |id: &str| act(&json!({ "edit": "remove-entry", "id": id }));
    answered(running.post(path, JSON, remove("2"), OPERATOR).await);
    assert_eq!(refusal(running.post(path, JSON, remove("2"), OPERATOR).await).status, 422);
    assert_eq!(refusal(running.post(path, JSON, remove("1"), OPERATOR).await).status, 422);
    assert_eq!(refusal(running.post(path, JSON, remove("1"), EDGE).await).status, 403);
    let nameless = act(&json!({ "edit": "put-entry", "entry": entry("3", "…") }));
    assert_eq!(refusal(running.post(path, JSON, nameless, OPERATOR).await).status, 422);
    assert_eq!(sanctions(&running, &dir).await.version, 3);
    running.stop().await;
}

/// A log of some leaves: heads and proofs by the crate's own tree.
fn heads() -> (TreeHead, TreeHead, Vec<seal::Digest>) {
    let leaf = |n: u8| evidence::tree::leaf_hash(&[n]);
    let mut range = CompactRange::empty();
    range.append(leaf(0));
    let one = TreeHead { size: 1, root: range.root() };
    range.append(leaf(1));
    let two = TreeHead { size: 2, root: range.root() };
    (one, two, vec![leaf(1)])
}

fn asked(signer: u8, old_size: u64, head: TreeHead, proof: Vec<seal::Digest>) -> AddCheckpoint {
    let signer = NoteSigner::new(ORIGIN.parse().unwrap(), key(signer));
    let checkpoint = SignedCheckpoint::sign(&signer, head).unwrap();
    AddCheckpoint { old_size, proof, checkpoint }
}

async fn add(running: &Running, request: &AddCheckpoint) -> (u16, String, String) {
    running.raw("POST /add-checkpoint HTTP/1.1", &request.encode()).await
}

#[tokio::test]
async fn the_witness_cosigns_what_extends_and_remembers_over_a_restart() {
    let dir = Folder::new("supervisor");
    let running = start(&dir).await;
    let witness = KeyStore::open(dir.path()).unwrap().signing_key("cosign").unwrap();
    let name: KeyName = "witness.example/nl".parse().unwrap();
    let witness = VerifierKey::of_witness(name, witness.public_key());
    let (one, two, proof) = heads();
    let origin_hash = to_hex(sha256(ORIGIN.as_bytes()).as_bytes());
    let read = format!("GET /{origin_hash}/checkpoint HTTP/1.1");
    assert_eq!(running.raw(&read, b"").await.0, 404);

    let request = asked(LOG, 0, one, vec![]);
    let (status, _, body) = add(&running, &request).await;
    let answer = read_answer(status, body.as_bytes(), &witness, request.checkpoint.checkpoint());
    assert!(matches!(answer, Ok(Answer::Cosigned { .. })), "{answer:?}");

    running.stop().await;
    let running = start(&dir).await;
    let (status, kind, body) = add(&running, &asked(LOG, 0, two, vec![])).await;
    assert_eq!((status, kind.as_str(), body.as_str()), (409, "text/x.tlog.size", "1\n"));
    let mut fork = two;
    fork.root = sha256(b"another history");
    let rows = [
        (asked(LOG, 1, fork, proof.clone()), 422),
        (asked(LOG, 1, two, vec![]), 422),
        (asked(LOG + 1, 1, two, proof.clone()), 403),
        (asked(LOG, 3, two, proof.clone()), 400),
        (asked(LOG, 1, two, proof), 200),
    ];
    for (request, expected) in rows {
        let (status, _, body) = add(&running, &request).await;
        assert_eq!(status, expected, "{body}");
    }
    assert_eq!(running.raw("POST /add-checkpoint HTTP/1.1", b"nonsense").await.0, 400);

    let (status, _, note) = running.raw(&read, b"").await;
    assert_eq!(status, 200);
    let read = SignedCheckpoint::parse(note.as_bytes()).unwrap();
    let log = VerifierKey::of_log(ORIGIN.parse().unwrap(), key(LOG).public_key());
    assert_eq!(read.check(&log), Ok(()));
    assert_eq!(read.head(), two);
    let line: &SignatureLine =
        read.note().signatures().iter().find(|line| witness.made(line)).unwrap();
    let at = cosignature::check(&witness, read.checkpoint(), line).unwrap();
    assert!(at > Instant::EPOCH);
    running.stop().await;
}

#[tokio::test]
async fn of_two_histories_at_once_one_is_cosigned() {
    let dir = Folder::new("supervisor");
    let running = start(&dir).await;
    let (one, _, _) = heads();
    let mut other = one;
    other.root = sha256(b"another history");
    let (first, second) = (asked(LOG, 0, one, vec![]), asked(LOG, 0, other, vec![]));
    let (a, b) = tokio::join!(add(&running, &first), add(&running, &second));
    let mut statuses = [a.0, b.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    running.stop().await;
}

#[tokio::test]
async fn nothing_is_cosigned_that_could_not_be_stored() {
    let dir = Folder::new("supervisor");
    let running = start(&dir).await;
    let (one, _, _) = heads();
    let mut other = one;
    other.root = sha256(b"another history");
    // A folder in the way of the temporary file: writing fails, as on a full disk.
    let in_the_way = dir.path().join("witness.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let (status, _, body) = add(&running, &asked(LOG, 0, one, vec![])).await;
    assert_eq!(status, 500, "{body}");
    assert!(!body.contains('\u{2014}'), "a cosignature left without being stored");
    std::fs::remove_dir(&in_the_way).unwrap();
    // What was not stored was not seen: the log may still show another first checkpoint.
    assert_eq!(add(&running, &asked(LOG, 0, other, vec![])).await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_damaged_state_is_no_empty_one() {
    let dir = Folder::new("supervisor");
    start(&dir).await.stop().await;
    std::fs::write(dir.path().join("witness.cbor"), b"").unwrap();
    let (listener, _) = socket().await;
    let config: supervisor::Config = read_config(dir.path()).unwrap();
    let path = dir.path().to_owned();
    let ended = supervisor::run_on(listener, path, config, async {}).await;
    assert!(ended.unwrap_err().to_string().contains("witness.cbor"));
}
