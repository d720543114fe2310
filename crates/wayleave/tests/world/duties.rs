//! Duties of decisions: the travel rule told before anything settles, and what is still to be done
//! afterwards, as facts of the institution's own book.

use std::process::Command;

use anyhow::{Context, bail};
use api::duties::DecisionDuties;
use client::{Outcome, Outgoing};
use record::{Ending, RequestToPay, SettleOrder, Side};
use serde_json::Value;
use wallet::OrderSent;
use wayleave::demo::acts::permitted;

use super::stage::{BINARY, World, play, set_parameters, until};

/// What the book says of the duties of the institution whose edge asks.
async fn duties(world: &World, edge: &str, book: &str) -> anyhow::Result<DecisionDuties> {
    match world.send(edge, book, Outgoing::get("/v1/decision-duties")).await {
        Outcome::Answer(answer) => {
            api::json::read_json(&answer.body).map_err(|error| anyhow::anyhow!("{error}"))
        }
        other => bail!("no duties of {edge}: {other:?}"),
    }
}

/// `wayleave duty …` with the keys of an edge: exit code and lines.
fn duty(world: &World, edge: &str, words: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = Command::new(BINARY)
        .arg("duty")
        .args(words)
        .arg("--dir")
        .arg(world.stage.folder(edge))
        .arg("--json")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (output.status.code(), lines)
}

/// Pays an invoice; the order that settled.
async fn paid(world: &World, request: &RequestToPay) -> anyhow::Result<SettleOrder> {
    let payer = &world.players.payer;
    let ready = match permitted(payer, request, 60).await? {
        Ok(ready) => ready,
        Err(refused) => bail!("not permitted: {refused:?}"),
    };
    let order = payer.order(&ready.hand, &ready.permits)?;
    match payer.send_order(&order).await? {
        OrderSent::Answered(promise) if promise.promise.outcome == Ending::Settled => Ok(order),
        other => bail!("not settled: {other:?}"),
    }
}

fn kinds(of: &DecisionDuties) -> Vec<&str> {
    let mut kinds: Vec<&str> = of.duties.iter().map(|one| one.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds
}

async fn metrics(world: &World, role: &str) -> anyhow::Result<String> {
    match world.send_unsigned(role, Outgoing::get("/metrics")).await {
        Outcome::Answer(answer) => Ok(String::from_utf8(answer.body.to_vec())?),
        other => bail!("no metrics of {role}: {other:?}"),
    }
}

async fn metric(world: &World, role: &str, name: &str) -> anyhow::Result<u64> {
    let text = metrics(world, role).await?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no `{name}` in {text}"))?.parse()?)
}

#[test]
fn duties_open_with_the_decision_are_listed_closed_by_their_owner_and_told_to_no_party() {
    play(async {
        let low = [("reviewThreshold", 1), ("reportThreshold", 1)];
        let world =
            World::changed("duties", |stage| set_parameters(stage, Side::Debtor, &low)).await?;
        let order = paid(&world, &world.invoice("DU-1", 10_000).await?).await?;
        let permit = order.debtor_permit.read_unverified()?;
        // Told and sealed before anything settled: neither is open. What compliance owes is.
        let open = until("the duties in the payer's bank's book", async || {
            let open = duties(&world, "bank-nl.1", "core").await?;
            Ok((open.open > 0).then_some(open))
        })
        .await?;
        assert_eq!(kinds(&open), ["report", "review"]);
        assert!(open.duties.iter().all(|one| one.visibility == "restricted"), "{open:?}");
        assert_eq!((open.open, open.overdue), (2, 0));
        assert!(open.duties.iter().all(|one| one.payment == permit.payment.to_string()));
        // Each bank reads its own book, and the payee's bank owes nothing.
        until("the payee's edge has delivered", async || {
            let left = metric(&world, "bank-sg.1", "wayleave_edge_undelivered_items").await?;
            Ok((left == 0).then_some(()))
        })
        .await?;
        assert_eq!(duties(&world, "bank-sg.1", "bank-b").await?.open, 0);
        // Who may read no duty may not count them either.
        for (role, name) in [("core", "decision_duties"), ("bank-nl.1", "undelivered_duties")] {
            let told = metrics(&world, role).await?;
            assert!(told.contains("wayleave_") && !told.contains(name), "{role}: {told}");
        }
        // Payer and payee hold permits that name the open duties only.
        let told: Vec<&str> = permit.duties.iter().map(|one| one.kind.as_str()).collect();
        assert_eq!(told, ["evidence-escrow", "travel-rule"]);
        assert_eq!(permit.travel, order.creditor_permit.read_unverified()?.travel);
        assert!(permit.travel.is_some());

        let evidence = world.folder.path().join("report.txt");
        std::fs::write(&evidence, "reported on 24 November")?;
        let file = evidence.to_str().context("a path")?;
        let (code, lines) = duty(&world, "bank-nl.1", &["list"]);
        assert_eq!((code, lines.len()), (Some(0), 2));
        let (code, lines) = duty(&world, "bank-nl.1", &["list", "--overdue"]);
        assert_eq!((code, lines.len()), (Some(0), 0));
        let id = &open.duties[0].duty;
        // Another institution's edge closes nothing here, and nothing is closed twice over.
        let (code, _) = duty(&world, "bank-sg.1", &["close", id, "--evidence", file]);
        assert_eq!(code, Some(1));
        for _ in 0..2 {
            let (code, _) = duty(&world, "bank-nl.1", &["close", id, "--evidence", file]);
            assert_eq!(code, Some(0));
        }
        let left = duties(&world, "bank-nl.1", "core").await?;
        assert_eq!((left.open, left.duties.iter().any(|one| one.duty == *id)), (1, false));
        Ok(())
    });
}

#[test]
fn no_payment_settles_while_the_payees_edge_is_gone_and_what_is_told_again_settles() {
    play(async {
        let mut world = World::new("told-again").await?;
        let request = world.invoice("TA-1", 10_000).await?;
        let told_before = world.prepared(&request).await?;
        // The message has come, the receipt is signed, and its edge dies.
        world.process("bank-sg.1").kill()?;
        assert!(world.pay(&request).await.is_err(), "nobody answers the message");
        world.process("bank-sg.1").start_again()?;
        world.process("bank-sg.1").ready().await?;
        drop(told_before);
        let order =
            until("the payment told anew settles", async || Ok(paid(&world, &request).await.ok()))
                .await?;
        let one = order.debtor_permit.read_unverified()?;
        let two = order.creditor_permit.read_unverified()?;
        assert!(
            one.travel.is_some() && one.travel == two.travel,
            "{:?} {:?}",
            one.travel,
            two.travel
        );
        Ok(())
    });
}
