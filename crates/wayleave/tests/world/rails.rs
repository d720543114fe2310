//! Withdrawals over rails: through files, through the simulator that loses and duplicates while
//! the core is killed, and to the hands of a person when the rail never knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use api::Role;
use client::{Outcome, Outgoing};
use record::{OutsideParty, Signed, Withdrawal};
use serde_json::{Value, json};
use server::keys::{Descriptor, KeyStore, REQUEST_KEY};
use server::roles::rail::desk::{Line, Verdict};
use terms::{Amount, Minor, OutsideId};
use wayleave::demo::processes::{RoleProcess, free_port};
use wayleave::demo::setup::Stage;

use super::stage::{BINARY, World, play, until};

const EUR: &str = "EUR.2@tcb-sandbox";
const SGD: &str = "SGD.2@mas-sandbox";
/// What the bank has prefunded at first, in cents.
const PREFUNDED: u128 = 50_000_000;
const IBAN: &str = "NL91ABNA0417164300";

fn patience(stuck_ms: u64) -> Value {
    json!({
        "first_pause_ms": 50, "pause_max_ms": 500, "give_up_ms": 30_000, "stuck_ms": stuck_ms,
        "answer_within_ms": 400, "resend": "same-message",
    })
}

fn account() -> Value {
    json!({ "name": "Wayleave Operator", "account": "DE89370400440532013000", "bic": "COBADEFF" })
}

/// A simulator's folder below the stage's, and its place in the core's configuration.
pub(crate) fn with_simulator(stage: &Stage, plan: &Value, stuck_ms: u64) -> anyhow::Result<()> {
    let folder = stage.dir.join("rail");
    std::fs::create_dir_all(&folder)?;
    let core = stage.memory.ports["core"];
    let port = free_port(core + 12, &mut vec![])?;
    let url = format!("http://localhost:{port}");
    let key = KeyStore::open(&folder)?.signing_key(REQUEST_KEY)?;
    let own = Descriptor::new(Role::Rail, "rail-eur", &url).with_key(REQUEST_KEY, &key);
    own.write(&folder)?;
    let role = json!({
        "environment": "sandbox", "name": "rail-eur", "url": url, "port": port,
        "peers": [stage.peer("core")?], "seed": 7, "plan": plan,
    });
    std::fs::write(folder.join("role.json"), role.to_string())?;
    edit_core(stage, |config| {
        config["peers"].as_array_mut().unwrap().push(json!(own));
        config["rails"] = json!([
            { "name": "sim-eur", "asset": EUR, "adapter": { "peer": "rail-eur" },
              "account": account(), "patience": patience(stuck_ms) },
            { "name": "files-sgd", "asset": SGD, "adapter": "file", "account": account(),
              "patience": patience(stuck_ms) },
        ]);
    })
}

fn edit_core(stage: &Stage, edit: impl FnOnce(&mut Value)) -> anyhow::Result<()> {
    let path = stage.folder("core").join("role.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    edit(&mut config);
    std::fs::write(&path, config.to_string())?;
    Ok(())
}

pub(crate) async fn simulator(stage: &Stage) -> anyhow::Result<RoleProcess> {
    let folder = stage.dir.join("rail");
    let url = Descriptor::read(&folder)?.url;
    let mut process = RoleProcess::start(Path::new(BINARY), "rail", &folder, &url)?;
    process.ready().await?;
    Ok(process)
}

fn order(world: &World, id: OutsideId, minor: u128) -> anyhow::Result<Vec<u8>> {
    let order = Withdrawal {
        layout: 1,
        environment: "sandbox".parse()?,
        book: "settlement".parse()?,
        id,
        participant: "bank-nl".parse()?,
        amount: Amount::new(Minor::new(minor), EUR.parse()?),
        to: OutsideParty {
            name: "Example Bank N.V.".into(),
            account: IBAN.into(),
            bic: "ABNANL2A".into(),
        },
        reference: "WD".into(),
        valid_until: server::system::now().plus(Duration::from_secs(600)),
    };
    Ok(Signed::sign(&order, &world.stage.key("bank-nl.1", "permit")?).to_bytes())
}

fn new_id() -> OutsideId {
    OutsideId::from_bytes(server::system::time_ordered_bytes().unwrap())
}

async fn withdraw(world: &World, order: Vec<u8>) -> Outcome {
    world.send("bank-nl.1", "core", Outgoing::post("/v1/outside", api::wire::CBOR, order)).await
}

/// A withdrawal that must be taken.
pub(crate) async fn taken(world: &World, minor: u128) -> anyhow::Result<OutsideId> {
    let id = new_id();
    match withdraw(world, order(world, id, minor)?).await {
        Outcome::Answer(_) => Ok(id),
        other => anyhow::bail!("not taken: {other:?}"),
    }
}

async fn status(world: &World, id: OutsideId) -> anyhow::Result<Option<Value>> {
    let target = format!("/v1/outside/{id}");
    match world.send("operator", "core", Outgoing::get(&target)).await {
        Outcome::Answer(answer) => Ok(Some(serde_json::from_slice(&answer.body)?)),
        Outcome::Refused(problem) if problem.status == 404 => Ok(None),
        other => anyhow::bail!("no status: {other:?}"),
    }
}

async fn phase(world: &World, id: OutsideId) -> anyhow::Result<String> {
    let status = status(world, id).await?.context("a transfer")?;
    Ok(status["phase"].as_str().unwrap().to_owned())
}

/// How many transfers wait for what the rail says.
async fn pinned(world: &World) -> anyhow::Result<usize> {
    match world.send("operator", "core", Outgoing::get("/v1/outside")).await {
        Outcome::Answer(answer) => {
            let all: Vec<Value> = serde_json::from_slice(&answer.body)?;
            let waits = |one: &&Value| {
                ["send-intended", "sent", "in-doubt"].contains(&one["phase"].as_str().unwrap())
            };
            Ok(all.iter().filter(waits).count())
        }
        other => anyhow::bail!("no list: {other:?}"),
    }
}

pub(crate) async fn until_phase(
    world: &World,
    id: OutsideId,
    wanted: &[&str],
) -> anyhow::Result<String> {
    until(&format!("{id} is {wanted:?}"), || async {
        let phase = phase(world, id).await?;
        Ok(wanted.contains(&phase.as_str()).then_some(phase))
    })
    .await
}

/// What the simulator's own file says of each message: its last word, and how often it executed.
pub(crate) fn executed(stage: &Stage) -> anyhow::Result<BTreeMap<String, (Verdict, u32)>> {
    let mut said: BTreeMap<String, (Verdict, u32)> = BTreeMap::new();
    let text = std::fs::read_to_string(stage.dir.join("rail/transfers.log"))?;
    for line in text.lines() {
        let line: Line = serde_json::from_str(line)?;
        let one = said.entry(line.message_id).or_insert((line.verdict, 0));
        one.0 = line.verdict;
        one.1 += u32::from(line.verdict == Verdict::Executed);
    }
    Ok(said)
}

fn some_moment(ms_max: u64) -> Duration {
    let bytes: [u8; 8] = server::system::random().unwrap();
    Duration::from_millis(u64::from_be_bytes(bytes) % ms_max)
}

pub(crate) fn stormy() -> Value {
    json!({
        "lose_request": 15, "lose_answer": 15, "late_request": 10, "duplicate": 25,
        "late_answer": 10, "pending": 25, "reject": 20, "return_later": 10, "lose_message": 25,
        "duplicate_message": 25, "lose_question": 15, "pause_ms_max": 500,
    })
}

#[test]
fn a_core_killed_twelve_times_over_a_stormy_rail_executes_each_withdrawal_at_most_once() {
    play(async {
        let mut world =
            World::changed("rails-killed", |stage| with_simulator(stage, &stormy(), 120_000))
                .await?;
        let mut rail = simulator(&world.stage).await?;
        let mut all: BTreeMap<OutsideId, (u128, Vec<u8>)> = BTreeMap::new();
        let mut caught = 0;
        for round in 0..12_u128 {
            for n in 0..4 {
                let (id, minor) = (new_id(), 1_000 + round * 10 + n);
                let order = order(&world, id, minor)?;
                // Whatever comes of it: the same order is sent again below.
                let _ = withdraw(&world, order.clone()).await;
                all.insert(id, (minor, order));
            }
            tokio::time::sleep(some_moment(400)).await;
            world.process("core").kill()?;
            if round % 4 == 3 {
                rail.kill()?;
                rail.start_again()?;
                rail.ready().await?;
            }
            world.process("core").start_again()?;
            world.process("core").ready().await?;
            caught += pinned(&world).await?;
        }
        for (_, order) in all.values() {
            let again = withdraw(&world, order.clone()).await;
            anyhow::ensure!(matches!(again, Outcome::Answer(_)), "{again:?}");
        }
        let mut counted: BTreeMap<String, u32> = BTreeMap::new();
        let mut left = PREFUNDED;
        for (id, (minor, _)) in &all {
            let end = until_phase(&world, *id, &["confirmed", "rejected"]).await?;
            let said = executed(&world.stage)?;
            let outside = said.get(&clearing::outside::message_id_of(*id));
            let did = matches!(outside, Some((Verdict::Executed | Verdict::Returned, _)));
            assert_eq!(end == "confirmed", did, "{id}: {end}, and the rail says {outside:?}");
            assert!(outside.is_none_or(|(_, times)| *times <= 1), "{id}: executed twice");
            let shown = status(&world, *id).await?.context("a transfer")?;
            assert_eq!(shown["contradicted"], Value::Null, "{shown}");
            left -= if did { *minor } else { 0 };
            *counted.entry(end).or_default() += 1;
        }
        println!("{} withdrawals, 12 kills, {caught} times pinned then: {counted:?}", all.len());
        assert!(caught > 0, "no kill fell between an intent and its end");
        assert_eq!(counted.len(), 2, "some of each");
        // Posted exactly when executed: what is left is exactly what may still be withdrawn.
        let more = withdraw(&world, order(&world, new_id(), left + 1)?).await;
        assert!(
            matches!(&more, Outcome::Refused(problem)
            if problem.detail.as_ref().is_some_and(|d| d.contains("LiquidityInsufficient"))),
            "{more:?}"
        );
        taken(&world, left).await?;
        world.process("core").stop();
        let fsck = Command::new(BINARY).arg("fsck").arg(world.stage.folder("core")).output()?;
        assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stdout));
        Ok(())
    });
}

fn cli(world: &World, words: &[&str], folder: &str) -> (Option<i32>, Vec<Value>, String) {
    let output = Command::new(BINARY)
        .args(words)
        .arg("--dir")
        .arg(world.stage.folder(folder))
        .arg("--core")
        .arg(world.stage.folder("core"))
        .arg("--json")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (output.status.code(), lines, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_lost_rail_is_resolved_by_asking_and_one_that_never_knows_by_a_person() {
    play(async {
        let lost = json!({ "lose_answer": 100, "lose_message": 100, "pause_ms_max": 600 });
        let world =
            World::changed("rails-lost", |stage| with_simulator(stage, &lost, 4_000)).await?;
        let mut rail = simulator(&world.stage).await?;
        // Every answer and every message is lost: only asking tells.
        let asked = taken(&world, 5_000).await?;
        until_phase(&world, asked, &["confirmed"]).await?;
        assert_eq!(executed(&world.stage)?.len(), 1);
        // From now on nothing is answered at all.
        rail.stop();
        let path = world.stage.dir.join("rail/role.json");
        let mut role: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        role["plan"] = json!({ "lose_request": 100, "lose_question": 100, "pause_ms_max": 600 });
        std::fs::write(&path, role.to_string())?;
        rail.start_again()?;
        rail.ready().await?;
        let mut stuck = Vec::new();
        for _ in 0..3 {
            stuck.push(taken(&world, 7_000).await?);
        }
        until_phase(&world, stuck[0], &["in-doubt"]).await?;
        for id in &stuck {
            until_phase(&world, *id, &["stuck"]).await?;
        }
        let (code, listed, _) = cli(&world, &["operator", "stuck", "list"], "operator");
        let of = |id: &OutsideId| {
            listed.iter().find(|one| one["id"] == id.to_string()).map(|one| one["phase"].clone())
        };
        assert_eq!(code, Some(0));
        assert!(stuck.iter().all(|id| of(id) == Some(json!("stuck"))), "{listed:?}");
        let resolve = |id: OutsideId, decision: &str, folder: &str| {
            let id = id.to_string();
            let words = [
                "operator",
                "stuck",
                "resolve",
                &id,
                "--decision",
                decision,
                "--reason",
                "telephone call with the bank",
                "--by",
                "m.visser",
            ];
            cli(&world, &words, folder)
        };
        // Another's key is no operator's.
        let (code, _, words) = resolve(stuck[0], "done", "bank-nl.1");
        assert_ne!(code, Some(0), "{words}");
        let (code, _, words) = resolve(stuck[0], "done", "operator");
        assert_eq!(code, Some(0), "{words}");
        let (code, _, words) = resolve(stuck[1], "not-done", "operator");
        assert_eq!(code, Some(0), "{words}");
        assert_eq!(phase(&world, stuck[0]).await?, "confirmed");
        assert_eq!(phase(&world, stuck[1]).await?, "rejected");
        // What has ended is not decided again.
        let (code, _, _) = resolve(stuck[1], "done", "operator");
        assert_eq!(code, Some(1));
        let (code, _, words) = resolve(stuck[2], "ask-again", "operator");
        assert_eq!(code, Some(0), "{words}");
        // The rail is there again, and the message arrives for the first time.
        rail.stop();
        role["plan"] = json!({});
        std::fs::write(&path, role.to_string())?;
        rail.start_again()?;
        rail.ready().await?;
        until_phase(&world, stuck[2], &["confirmed"]).await?;
        let rest = PREFUNDED - 5_000 - 7_000 - 7_000;
        taken(&world, rest).await?;
        Ok(())
    });
}

fn status_file(message_id: &str, code: &str, own_id: &str) -> String {
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pacs.002.001.10\"><FIToFIPmtStsRpt>\
         <GrpHdr><MsgId>{own_id}</MsgId><CreDtTm>2026-11-23T08:00:00Z</CreDtTm></GrpHdr>\
         <OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId>\
         <OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId></OrgnlGrpInfAndSts>\
         <TxInfAndSts><OrgnlInstrId>{message_id}</OrgnlInstrId><TxSts>{code}</TxSts></TxInfAndSts>\
         </FIToFIPmtStsRpt></Document>"
    )
}

/// Puts a file into the inbox as a gateway does.
fn arrive(inbox: &Path, name: &str, text: &str) {
    let hidden = inbox.join(format!(".{name}.part"));
    std::fs::write(&hidden, text).unwrap();
    std::fs::rename(&hidden, inbox.join(name)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir(folder).unwrap().map(|one| one.unwrap().file_name());
    let mut names: Vec<String> = all.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

/// What `xmllint` says of a file under a schema; nothing where either is absent.
fn schema_errors(schema: &str, file: &Path) -> String {
    let vectors = std::env::var_os("WAYLEAVE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let schema = vectors.join(format!("iso20022/xsd/{schema}.xsd"));
    let lint = Command::new("xmllint")
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

/// What is no message, of nobody's payment, or hostile; and then one that says nothing final.
fn arrive_odd(inbox: &Path, message_id: &str) {
    let other = clearing::outside::message_id_of(new_id());
    let hostile =
        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><Document>&b;</Document>";
    arrive(inbox, "1-garbage.xml", "no xml at all");
    arrive(inbox, "2-hostile.xml", hostile);
    arrive(inbox, "3-other.xml", &status_file(&other, "ACSC", "S-0"));
    arrive(inbox, "4-pending.xml", &status_file(message_id, "ACSP", "S-1"));
}

/// The number that each file's name begins with, and its verdict.
fn verdicts(taken: &Path) -> Vec<String> {
    let files = names(taken).into_iter().filter(|name| name.ends_with(".verdict.json"));
    let word = |name: String| {
        let text = std::fs::read_to_string(taken.join(&name)).unwrap();
        let verdict: Value = serde_json::from_str(&text).unwrap();
        format!("{} {}", name.chars().nth(13).unwrap(), verdict["verdict"].as_str().unwrap())
    };
    let mut verdicts: Vec<String> = files.map(word).collect();
    verdicts.sort();
    verdicts
}

#[test]
fn the_dealer_withdraws_through_files_and_hostile_files_book_nothing() {
    play(async {
        let world =
            World::changed("rails-files", |stage| with_simulator(stage, &json!({}), 120_000))
                .await?;
        let rail = world.stage.folder("core").join("rails/files-sgd");
        let words = |to: &str, amount: &str| {
            [
                "participant",
                "withdraw",
                "--asset",
                SGD,
                "--amount",
                amount,
                "--to",
                to,
                "--name",
                "Example Bank Pte. Ltd.",
                "--bic",
                "DBSSSGSG",
                "--reference",
                "WD-1",
            ]
            .map(str::to_owned)
        };
        let ask = |to: &str, amount: &str| {
            let words = words(to, amount);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            cli(&world, &words, "fx-dealer")
        };
        let (code, _, said) = ask("NL92ABNA0417164300", "10.00");
        assert_eq!((code, names(&rail.join("outbox")).len()), (Some(1), 0), "{said}");
        let (code, lines, said) = ask("0123456789", "1250.00");
        assert_eq!(code, Some(0), "{said}");
        let id: OutsideId = lines[0]["id"].as_str().unwrap().parse()?;
        until_phase(&world, id, &["sent"]).await?;
        let outbox = names(&rail.join("outbox"));
        let message_id = clearing::outside::message_id_of(id);
        assert_eq!(outbox, [format!("{message_id}.pacs.008.001.08.xml")]);
        let file = rail.join("outbox").join(&outbox[0]);
        assert_eq!(schema_errors("pacs.008.001.08", &file), "");
        std::fs::remove_file(&file)?;
        // What is odd is kept with its verdict.
        let inbox = rail.join("inbox");
        arrive_odd(&inbox, &message_id);
        until("the inbox is empty", || async { Ok(names(&inbox).is_empty().then_some(())) })
            .await?;
        assert_eq!(phase(&world, id).await?, "sent");
        // The same status twice, under two names.
        arrive(&inbox, "5-settled.xml", &status_file(&message_id, "ACSC", "S-2"));
        arrive(&inbox, "6-settled-again.xml", &status_file(&message_id, "ACSC", "S-2"));
        until_phase(&world, id, &["confirmed"]).await?;
        until("the inbox is empty", || async { Ok(names(&inbox).is_empty().then_some(())) })
            .await?;
        let expected = ["1 refused", "2 refused", "3 refused", "4 taken", "5 taken", "6 taken"];
        assert_eq!(verdicts(&rail.join("taken")), expected);
        let shown = status(&world, id).await?.context("a transfer")?;
        assert_eq!(
            (shown["in_transit"].as_str(), shown["rail"].as_str()),
            (Some("yes"), Some("files-sgd"))
        );
        let (code, lines, _) =
            cli(&world, &["participant", "status", &id.to_string()], "fx-dealer");
        assert_eq!((code, &lines[0]["phase"]), (Some(0), &json!("confirmed")));
        // Another participant does not see it.
        let (code, _, _) = cli(&world, &["participant", "status", &id.to_string()], "bank-nl.1");
        assert_eq!(code, Some(1));
        // The file is not sent again after a restart.
        assert!(names(&rail.join("outbox")).is_empty());
        Ok(())
    });
}
