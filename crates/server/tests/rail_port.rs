//! The rail port's contract, run against every adapter: files, and the simulator over HTTP.
#![expect(clippy::unwrap_used, reason = "a helper of tests may stop the test")]

#[path = "support/ports.rs"]
mod ports;

use std::path::{Path, PathBuf};
use std::time::Duration;

use api::Role;
use clearing::outside::{Asking, Sending, Told, Transfer, message_id_of};
use client::Peer;
use record::{OutsideParty, Signed, Withdrawal};
use seal::SigningKey;
use server::keys::{Descriptor, KeyStore, REQUEST_KEY};
use server::rail::messages::{credit_transfer, reports};
use server::rail::{AnyRail, FileRail, OutsideAccount, Prepared, Rail, RemoteRail, Verdict};
use server::roles::rail::plan::Plan;
use server::roles::{Common, rail};
use terms::{AccountId, Amount, Instant, Minor, OutsideId, Position};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("wayleave-port-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn id(n: u8) -> OutsideId {
    OutsideId::from_bytes([n; 16])
}

fn prepared_of(n: u8, minor: u128) -> Prepared {
    let asked = Withdrawal {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        book: "settlement".parse().unwrap(),
        id: id(n),
        participant: "bank-nl".parse().unwrap(),
        amount: Amount::new(Minor::new(minor), "EUR.2@tcb-sandbox".parse().unwrap()),
        to: OutsideParty {
            name: "Example Bank N.V.".into(),
            account: "NL91ABNA0417164300".into(),
            bic: "ABNANL2A".into(),
        },
        reference: format!("WD-{n}"),
        valid_until: Instant::from_seconds(1_795_380_600),
    };
    let signed = Signed::sign(&asked, &SigningKey::from_seed(&[3; 32]));
    let placed = (Position::ZERO, Instant::from_seconds(1_795_380_000));
    let transfer = Transfer::held(&signed, &asked, AccountId::from_bytes([1; 16]), placed);
    let from = OutsideAccount {
        name: "Wayleave Operator".into(),
        account: "DE89370400440532013000".into(),
        bic: "COBADEFF".into(),
    };
    let xml = credit_transfer(&transfer, None, &from).unwrap();
    assert_eq!(
        xml,
        credit_transfer(&transfer, None, &from).unwrap(),
        "the same bytes at every try"
    );
    Prepared { id: id(n), message_id: message_id_of(id(n)), xml }
}

/// What every adapter promises.
async fn contract(rail: &AnyRail) {
    assert_eq!(rail.ask(id(9)).await, Asking::NotKnown, "never heard of");
    let first = prepared_of(1, 500);
    for _ in 0..3 {
        assert!(matches!(rail.send(&first).await, Sending::Sent(_)), "again is as once");
    }
    assert!(matches!(rail.ask(id(1)).await, Asking::Status(_)));
    // The id belongs to its first content: not sent, and never overwritten.
    let other = prepared_of(1, 501);
    let sent = rail.send(&other).await;
    assert!(matches!(sent, Sending::Unknown(_)), "{sent:?}: the first may be done");
    assert_eq!(rail.ask(id(2)).await, Asking::NotKnown);
}

#[tokio::test]
async fn files_keep_the_contract_over_a_restart_and_after_they_are_taken() {
    let folder = Folder::new("files");
    let open = || AnyRail::File(FileRail::open(&folder.0).unwrap());
    contract(&open()).await;
    let outbox = folder.0.join("outbox");
    let file = outbox.join(format!("{}.pacs.008.001.08.xml", message_id_of(id(1))));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), prepared_of(1, 500).xml);
    assert_eq!(schema_errors("pacs.008.001.08", &file), "");
    // The gateway takes it: it is not sent again, whoever asks for it.
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(open().send(&prepared_of(1, 500)).await, Sending::Sent(None)));
    assert_eq!(std::fs::read_dir(&outbox).unwrap().count(), 0);
    assert!(matches!(open().ask(id(1)).await, Asking::Status(_)));
}

#[tokio::test]
async fn an_empty_folder_says_nothing_of_what_was_sent_before_it() {
    let folder = Folder::new("younger");
    let open = || FileRail::open(&folder.0).unwrap();
    let sent_at = open().knows_since();
    let believed = |rail: FileRail, at| AnyRail::File(rail).believed(Asking::NotKnown, at);
    assert_eq!(believed(open(), Some(sent_at)), Asking::NotKnown, "the same folder, opened again");
    // Restored from a backup, which does not take what a rail keeps: made after the transfer.
    std::fs::remove_dir_all(folder.0.join("kept")).unwrap();
    let before = Instant::from_seconds(sent_at.seconds().saturating_sub(1));
    assert!(matches!(believed(open(), Some(before)), Asking::Unknown(_)));
    assert!(matches!(believed(open(), None), Asking::Unknown(_)));
}

#[tokio::test]
async fn a_crash_between_the_steps_of_a_send_is_asked_honestly() {
    let folder = Folder::new("steps");
    let rail = AnyRail::File(FileRail::open(&folder.0).unwrap());
    let message = prepared_of(1, 500);
    let name = &message.message_id;
    let kept = folder.0.join("kept");
    // Kept, and perhaps handed over and taken: nobody knows.
    std::fs::write(kept.join(format!("{name}.xml")), &message.xml).unwrap();
    assert!(matches!(rail.ask(id(1)).await, Asking::Unknown(_)));
    // In the outbox: the gateway will have it.
    let out = folder.0.join("outbox").join(format!("{name}.pacs.008.001.08.xml"));
    std::fs::write(&out, &message.xml).unwrap();
    assert!(matches!(rail.ask(id(1)).await, Asking::Status(_)));
    assert!(matches!(rail.send(&message).await, Sending::Sent(None)));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), message.xml);
    // A folder that cannot be written is surely not done.
    std::fs::remove_dir_all(&kept).unwrap();
    assert!(matches!(rail.send(&prepared_of(2, 500)).await, Sending::NotDone(_)));
}

#[tokio::test]
async fn what_came_in_is_shown_until_it_is_taken_and_kept_with_its_verdict() {
    let folder = Folder::new("inbox");
    let rail = AnyRail::File(FileRail::open(&folder.0).unwrap());
    let inbox = folder.0.join("inbox");
    std::fs::write(inbox.join("a.xml"), "one").unwrap();
    std::fs::write(inbox.join(".b.xml.part"), "half").unwrap();
    std::fs::write(inbox.join("c.tmp"), "half").unwrap();
    for _ in 0..2 {
        let came = rail.incoming().await;
        assert_eq!(came.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a.xml"]);
    }
    let came = rail.incoming().await;
    rail.taken(&came[0], &Verdict::Refused("no message".into())).await;
    assert!(rail.incoming().await.is_empty());
    let verdicts: Vec<String> = std::fs::read_dir(folder.0.join("taken"))
        .unwrap()
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(verdicts.len(), 2, "{verdicts:?}");
}

async fn simulator(folder: &Path, plan: Plan) -> (AnyRail, tokio::task::JoinHandle<()>) {
    let port = ports::free_port();
    let url = format!("http://localhost:{port}");
    let core = SigningKey::from_seed(&[5; 32]);
    let caller =
        Descriptor::new(Role::Core, "core", "http://localhost:1").with_key(REQUEST_KEY, &core);
    let own = KeyStore::open(folder).unwrap().signing_key(REQUEST_KEY).unwrap().public_key();
    let common = Common {
        environment: "sandbox".into(),
        name: "rail".into(),
        url: url.clone(),
        port,
        peers: vec![caller],
    };
    let config = rail::Config { common, seed: 3, plan };
    let dir = folder.to_path_buf();
    let task = tokio::spawn(async move {
        rail::run(dir, config, std::future::pending()).await.unwrap();
    });
    let peer = Peer::signing(&url, own).unwrap();
    let rail = RemoteRail::new(peer, core, Duration::from_secs(2));
    for _ in 0..200 {
        if matches!(rail.ask(id(200)).await, Asking::NotKnown) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (AnyRail::Remote(Box::new(rail)), task)
}

#[tokio::test]
async fn the_simulator_keeps_the_contract_and_remembers_over_a_restart() {
    let folder = Folder::new("simulator");
    let (rail, task) = simulator(&folder.0, Plan::default()).await;
    contract(&rail).await;
    let came = rail.incoming().await;
    assert_eq!(came.len(), 1, "one message, one status");
    rail.taken(&came[0], &Verdict::Taken(vec![])).await;
    assert!(rail.incoming().await.is_empty());
    task.abort();
    let _ = task.await;
    let (rail, task) = simulator(&folder.0, Plan::default()).await;
    let Asking::Status(report) = rail.ask(id(1)).await else { panic_free() };
    assert_eq!(report.told, Told::Settled);
    let text = std::fs::read_to_string(folder.0.join("transfers.log")).unwrap();
    assert_eq!(text.lines().count(), 1, "three sends, one execution");
    task.abort();
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn panic_free() -> ! {
    panic!("expected a status")
}

#[tokio::test]
async fn a_rejected_and_a_returned_transfer_say_so_in_valid_messages() {
    let folder = Folder::new("verdicts");
    let plan = Plan { return_later: 100, ..Plan::default() };
    let (rail, task) = simulator(&folder.0, plan).await;
    let _ = rail.send(&prepared_of(1, 500)).await;
    let mut told = Vec::new();
    for _ in 0..200 {
        let came = rail.incoming().await;
        for one in &came {
            let kind = if one.bytes.windows(6).any(|w| w == b"PmtRtr") {
                "004.001.09"
            } else {
                "002.001.10"
            };
            let file = folder.0.join("message.xml");
            std::fs::write(&file, &one.bytes).unwrap();
            assert_eq!(schema_errors(&format!("pacs.{kind}"), &file), "");
            told.extend(reports(&one.bytes).unwrap().into_iter().map(|(_, report)| report.told));
            rail.taken(one, &Verdict::Taken(vec![])).await;
        }
        if told.contains(&Told::Returned) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(told.first(), Some(&Told::Settled));
    assert!(told.contains(&Told::Returned));
    task.abort();
    let folder = Folder::new("rejected");
    let (rail, task) = simulator(&folder.0, Plan { reject: 100, ..Plan::default() }).await;
    let Sending::Sent(Some(report)) = rail.send(&prepared_of(1, 500)).await else { panic_free() };
    assert_eq!(report.told, Told::NotDone);
    task.abort();
}

/// What `xmllint` says of a file under a schema; nothing where either is absent outside of `CI`.
fn schema_errors(schema: &str, file: &Path) -> String {
    let vectors = std::env::var_os("WAYLEAVE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let schema = vectors.join(format!("iso20022/xsd/{schema}.xsd"));
    let lint = std::process::Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(&schema)
        .arg(file)
        .output();
    match lint {
        Ok(output) if schema.exists() => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { String::new() } else { text }
        }
        _ => {
            assert!(std::env::var_os("CI").is_none(), "no xmllint or no {}", schema.display());
            eprintln!("left out: no xmllint or no {}", schema.display());
            String::new()
        }
    }
}
