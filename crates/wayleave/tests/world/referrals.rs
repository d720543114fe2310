//! What the rules refer to a person: cases, four eyes, one release for one payment, a block, and a
//! customer who sees the same answer through all of it. By the commands, against real processes.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use record::{NEUTRAL_CODE, RequestToPay, Side};
use serde_json::{Value, json};
use server::roles::supervisor::{Edits, JsonEntry, SanctionEdit};
use wallet::{PaymentOutcome, RefusedPayment, Settled};
use wayleave::demo::acts;
use wayleave::demo::onboard::Calls;
use wayleave::demo::setup::{Stage, write_json};

use super::stage::{BINARY, World, play, set_parameters, until};

/// Up to this many cents of EUR one key releases.
const ONE_KEY_MAX: u32 = 5_000;
/// Invoices below and above it, in minor units of SGD.
const SMALL: u128 = 1_000;
const LARGE: u128 = 10_000;

/// The payer's bank has a queue, two persons, and rules that say when one of them is enough.
fn with_queue(stage: &Stage) -> anyhow::Result<()> {
    let changes =
        [("referralOneKeyMax", ONE_KEY_MAX), ("referralHours", 24), ("notTheSameDays", 30)];
    set_parameters(stage, Side::Debtor, &changes)?;
    let reviewer = |name: &str| -> anyhow::Result<Value> {
        let key = stage.key("operator", &format!("referral-{name}"))?.public_key();
        Ok(json!({ "name": name, "key": key.to_string(), "role": "compliance" }))
    };
    let file = stage.folder("bank-nl.1").join("role.json");
    let mut role: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    role["referrals"] = json!({ "reviewers": [reviewer("ada")?, reviewer("ben")?] });
    write_json(&file, &role)
}

/// Exit code, the JSON lines, and what was told beside them.
fn run(world: &World, words: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let mut command = Command::new(BINARY);
    command.arg("referral").args(words).arg("--json").current_dir(world.folder.path());
    let output = command.env("WAYLEAVE_OPERATOR", world.stage.folder("operator")).output().unwrap();
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (output.status.code(), lines, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// One command about a case, by a person.
fn says(world: &World, words: &[&str], who: &str) -> (Option<i32>, Value) {
    let by = ["--edge", "bank-nl.1", "--as", who, "--reason", "another firm in another trade"];
    let (code, lines, told) = run(world, &[words, &by].concat());
    let line = lines.into_iter().next().unwrap_or_else(|| Value::String(told));
    (code, line)
}

/// The one case that waits, and what the command shows of it.
fn waiting(world: &World) -> anyhow::Result<Value> {
    let (_, lines, told) = run(world, &["list", "--open", "--edge", "bank-nl.1"]);
    anyhow::ensure!(lines.len() == 1, "expected one open case, got {lines:?}: {told}");
    lines.into_iter().next().context("a case")
}

fn id_of(case: &Value) -> &str {
    case["case"].as_str().unwrap()
}

async fn refused(world: &World, request: &RequestToPay) -> anyhow::Result<RefusedPayment> {
    match world.pay(request).await? {
        PaymentOutcome::Refused(refused) => Ok(*refused),
        other => anyhow::bail!("expected a refusal, got {other:?}"),
    }
}

async fn settled(world: &World, request: &RequestToPay) -> anyhow::Result<Settled> {
    match world.pay(request).await? {
        PaymentOutcome::Settled(settled) => Ok(*settled),
        other => anyhow::bail!("expected a settled payment, got {other:?}"),
    }
}

/// What a customer sees of a refusal, but for ids and hashes.
fn seen(refused: &RefusedPayment) -> String {
    let RefusedPayment { code, words, mend, law, chinese, next, .. } = refused;
    let (document, receipt) = (refused.document.is_some(), refused.receipt.is_some());
    format!("{code} {words} {mend:?} {law:?} {chinese:?} {next:?} {document} {receipt}")
}

/// The honest payee comes to resemble somebody listed: possible, not a match.
async fn resembles(world: &World, id: &str, name: &str) -> anyhow::Result<()> {
    let entry = JsonEntry {
        id: id.into(),
        name: name.into(),
        aliases: vec![],
        dates: vec![],
        countries: vec!["SG".into()],
        program: "sandbox".into(),
    };
    let edits = Edits { reason: "a test".into(), edits: vec![SanctionEdit::PutEntry { entry }] };
    let calls = Calls::new(&world.stage);
    calls.post_json("operator", "supervisor-nl", "/v1/sanctions/edits", &edits).await?;
    Ok(())
}

#[test]
fn two_persons_release_one_payment_once_and_one_blocks_and_the_customer_sees_no_difference() {
    play(async {
        let mut world = World::changed("referrals", with_queue).await?;
        let listed = acts::listed(&world.players).await?;
        assert_eq!(listed.code, NEUTRAL_CODE);
        resembles(&world, "SANDBOX-9", "Lym Ceramics").await?;
        let request = world.invoice("RQ-1", LARGE).await?;
        let first = until("bank-nl screens against the new list", || async {
            Ok(match world.pay(&request).await? {
                PaymentOutcome::Refused(refused) => Some(*refused),
                _ => None,
            })
        })
        .await?;
        assert_eq!(seen(&first), seen(&listed), "a near hit and a true match");
        // A case with its evidence; ordering again makes no second one.
        let case = waiting(&world)?;
        assert_eq!(case["reasons"], json!(["screening-unclear"]));
        assert_eq!(case["keys"], 2);
        refused(&world, &request).await?;
        let case_id = id_of(&waiting(&world)?).to_owned();
        assert_eq!(case_id, id_of(&case));
        let (_, shown, _) = run(&world, &["show", &case_id, "--edge", "bank-nl.1"]);
        let hit = &shown[0]["evidence"]["hits"][0];
        assert_eq!((&hit["who"], &hit["entry"]["name"]), (&json!("payee"), &json!("Lym Ceramics")));
        assert!(hit["aligned"].as_array().is_some_and(|met| !met.is_empty()), "{hit}");
        // One key is not enough, nor is the same person twice, nor a person who is none.
        let release = ["decide", case_id.as_str(), "release"];
        let (code, told) = says(&world, &release, "ada");
        assert_eq!((code, &told["stage"]), (Some(0), &json!("waits for a second key")), "{told}");
        assert_eq!(seen(&refused(&world, &request).await?), seen(&listed));
        let approve = ["approve", case_id.as_str()];
        let (code, told) = says(&world, &approve, "ada");
        assert!(code == Some(1) && told.to_string().contains("another person"), "{told}");
        world.stage.key("operator", "referral-eve")?;
        let (code, told) = says(&world, &approve, "eve");
        assert!(code == Some(1) && told.to_string().contains("no person's"), "{told}");
        let (code, told) = says(&world, &approve, "ben");
        assert_eq!((code, &told["stage"]), (Some(0), &json!("released")), "{told}");
        // The edge is killed: what was said is there again.
        world.process("bank-nl.1").kill()?;
        world.process("bank-nl.1").start_again()?;
        world.process("bank-nl.1").ready().await?;
        let paid = until("the released order settles", || async {
            Ok(match world.pay(&request).await {
                Ok(PaymentOutcome::Settled(settled)) => Some(*settled),
                _ => None,
            })
        })
        .await?;
        let record = world.record("bank-nl.1", paid.terms.payment).await?;
        let finding = record.findings.iter().find(|one| one.name == "payeeScreening");
        assert!(finding.is_some_and(|one| one.source.starts_with("released:")), "{finding:?}");
        // Once: the same order again is referred anew, whatever a wallet of another make does.
        let hand = world.prepared(&request).await?;
        let letters = world.players.payer.present(&hand)?;
        let again = world.decision("bank-nl.1", &letters.debtor, Some(&letters.vp_token)).await;
        let again = again.map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
        assert_eq!(again.code.as_deref(), Some(NEUTRAL_CODE));
        let anew = id_of(&waiting(&world)?).to_owned();
        assert_ne!(anew, case_id);
        let (code, told) = says(&world, &["withdraw", &case_id], "ben");
        assert!(code == Some(1) && told.to_string().contains("used"), "{told}");
        remembered(&world, &anew, &listed).await?;
        blocked(&world, &listed).await?;
        audited(&world)
    });
}

/// One key releases a small one; it is taken back, and released again with a memory.
async fn remembered(world: &World, anew: &str, listed: &RefusedPayment) -> anyhow::Result<()> {
    // A small one takes one key, is taken back, and released again with a memory.
    let small = world.invoice("RQ-2", SMALL).await?;
    assert_eq!(says(world, &["decide", anew, "refuse"], "ada").0, Some(0));
    refused(world, &small).await?;
    let case = waiting(world)?;
    assert_eq!(case["keys"], 1, "{case}");
    let (code, told) = says(world, &["decide", id_of(&case), "release"], "ada");
    assert_eq!((code, &told["stage"]), (Some(0), &json!("released")), "{told}");
    assert_eq!(says(world, &["withdraw", id_of(&case)], "ben").0, Some(0));
    assert_eq!(seen(&refused(world, &small).await?), seen(listed));
    let case = waiting(world)?;
    let remember = ["decide", id_of(&case), "release", "--remember", "30"];
    let (code, told) = says(world, &remember, "ben");
    assert_eq!((code, &told["stage"]), (Some(0), &json!("released")), "{told}");
    // The memory serves other orders, too, and each record says whose word it was.
    let other = world.invoice("RQ-3", LARGE).await?;
    let paid = settled(world, &other).await?;
    let record = world.record("bank-nl.1", paid.terms.payment).await?;
    let finding = record.findings.iter().find(|one| one.name == "payeeScreening");
    assert!(finding.is_some_and(|one| one.source.starts_with("cleared:")), "{finding:?}");
    assert_eq!(says(world, &["revoke", id_of(&case)], "ada").0, Some(0));
    Ok(())
}

/// A person says that it is the listed one.
async fn blocked(world: &World, listed: &RefusedPayment) -> anyhow::Result<()> {
    // A true match: from then on denied, and the customer sees what it always saw.
    let last = world.invoice("RQ-4", LARGE).await?;
    refused(world, &last).await?;
    let case = waiting(world)?;
    let (code, told) = says(world, &["decide", id_of(&case), "block"], "ada");
    assert_eq!((code, &told["stage"]), (Some(0), &json!("blocked")), "{told}");
    let blocked = refused(world, &last).await?;
    assert_eq!(seen(&blocked), seen(listed));
    let record = world.record("bank-nl.1", blocked.payment).await?;
    assert_eq!(record.determining, ["payee-listed"]);
    Ok(())
}

/// The chain is whole; what was taken out of it shows.
fn audited(world: &World) -> anyhow::Result<()> {
    let folder = world.stage.folder("bank-nl.1");
    let (file, role) = (folder.join("referrals"), folder.join("role.json"));
    let path = |path: &Path| path.to_str().map(str::to_owned).context("a path");
    let role = ["--role".to_owned(), path(&role)?];
    let audit = |file: &Path, more: &[String]| -> anyhow::Result<(Option<i32>, Value)> {
        let words: Vec<String> =
            ["audit".to_owned(), path(file)?].iter().chain(more).cloned().collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, lines, told) = run(world, &words);
        Ok((code, lines.into_iter().next().unwrap_or(Value::String(told))))
    };
    let (code, whole) = audit(&file, &role)?;
    assert_eq!((code, &whole["whole"]), (Some(0), &json!(true)), "{whole}");
    assert_eq!((&whole["uses"], &whole["open"]), (&json!(1), &json!(0)), "{whole}");
    let head = format!("{}:{}", whole["entries"], whole["head"].as_str().unwrap_or_default());
    let bytes = std::fs::read(&file)?;
    let records = cut(&bytes);
    let copy = world.folder.path().join("copy");
    // Without one from between; and without the last, which only the known end tells.
    let without = |at: usize| -> Vec<u8> {
        let kept = records.iter().enumerate().filter(|(number, _)| *number != at);
        kept.flat_map(|(_, record)| record.iter().copied()).collect()
    };
    std::fs::write(&copy, without(3))?;
    let (code, told) = audit(&copy, &[])?;
    assert_eq!((code, &told["whole"]), (Some(1), &json!(false)), "{told}");
    std::fs::write(&copy, without(records.len() - 1))?;
    assert_eq!(audit(&copy, &[])?.0, Some(0));
    let known = ["--head".to_owned(), head];
    let (code, told) = audit(&copy, &known)?;
    assert_eq!((code, &told["whole"]), (Some(1), &json!(false)), "{told}");
    assert_eq!(audit(&file, &known)?.0, Some(0));
    Ok(())
}

/// The records of a growing file, each with its head.
fn cut(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Some((length, _)) = rest.split_first_chunk::<4>() {
        let whole = 12 + usize::try_from(u32::from_be_bytes(*length)).unwrap();
        let (record, after) = rest.split_at(whole);
        records.push(record.to_vec());
        rest = after;
    }
    records
}
