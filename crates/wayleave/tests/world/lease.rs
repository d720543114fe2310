//! A payer's bank that is cut off from the core goes on inside its lease: what it accepted settles
//! when the link is back, what is more than the lease is refused, and every book agrees.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use api::lease::{LeaseRow, Leases};
use client::{Outcome, Outgoing};
use record::{LeaseConsent, LeaseLine, PaymentTerms, SettleOrder, Signed};
use seal::text::to_hex;
use server::roles::{bank, core, read_config};
use terms::{Instant, Minor, PaymentId};
use wallet::{Accepted, PaymentInHand, PaymentOutcome, Settled};
use wayleave::demo::acts::permitted;
use wayleave::demo::setup::{OwnBooks, Stage, write_json};

use super::bank::all_agree;
use super::operations::{decide, propose};
use super::stage::{BINARY, World, play, until};

const EUR: &str = "EUR.2@tcb-sandbox";
const SGD: &str = "SGD.2@mas-sandbox";
/// Of the bank's side of a lease, in cents.
const LEASED: u64 = 5_000;
/// Of the provider's.
const PROVIDED: u64 = 20_000;

/// A signed consent of the provider, hex.
fn consent(stage: &Stage) -> anyhow::Result<String> {
    let line = LeaseLine {
        institution: "bank-nl".parse()?,
        provider: "fx-dealer".parse()?,
        debit: EUR.parse()?,
        credit: SGD.parse()?,
    };
    let consent = LeaseConsent {
        layout: 1,
        environment: "sandbox".parse()?,
        book: "settlement".parse()?,
        line,
        ceiling: Minor::new(u128::from(PROVIDED) * 2),
        ends_at: Instant::from_seconds(server::system::now().seconds() + 86_400),
    };
    Ok(to_hex(&Signed::sign(&consent, &stage.key("fx-dealer", "quote")?).to_bytes()))
}

/// The contract: the core leases to the payer's bank, and the bank is not patient.
fn leased(stage: &Stage) -> anyhow::Result<()> {
    leased_for(stage, 600)
}

fn leased_for(stage: &Stage, seconds: u32) -> anyhow::Result<()> {
    let folder = stage.folder("core");
    let mut config: core::Config = read_config(&folder)?;
    config.leases = vec![core::LeaseEntry {
        institution: "bank-nl".into(),
        provider: "fx-dealer".into(),
        debit_asset: EUR.into(),
        debit: LEASED,
        credit_asset: SGD.into(),
        credit: PROVIDED,
        seconds,
        skew_seconds: 1,
        exposure_max: LEASED * 2,
        consent: consent(stage)?,
    }];
    write_json(&folder.join("role.json"), &config)?;
    let folder = stage.folder("bank-a");
    let mut config: bank::Config = read_config(&folder)?;
    config.link_patience_ms = 1_500;
    write_json(&folder.join("role.json"), &config)
}

async fn leases(world: &World) -> anyhow::Result<Vec<LeaseRow>> {
    match world.send("operator", "core", Outgoing::get("/v1/leases")).await {
        Outcome::Answer(answer) => {
            let leases: Leases = serde_json::from_slice(&answer.body)?;
            Ok(leases.leases)
        }
        other => anyhow::bail!("no leases: {other:?}"),
    }
}

async fn one_is_taken(world: &World) -> anyhow::Result<()> {
    let bank = || world.send("operator", "bank-a", Outgoing::get("/v1/leases/held"));
    until("the bank has a lease", || async {
        let Outcome::Answer(answer) = bank().await else { return Ok(None) };
        let held: api::lease::HeldLeases = serde_json::from_slice(&answer.body)?;
        Ok(held.lines.iter().any(|line| line.is_open).then_some(()))
    })
    .await
}

struct Ordered {
    hand: PaymentInHand,
    order: SettleOrder,
}

impl Ordered {
    fn payment(&self) -> PaymentId {
        PaymentTerms::from_terms_string(&self.order.terms).unwrap().payment
    }
}

async fn ordered(world: &World, number: &str, minor: u128) -> anyhow::Result<Ordered> {
    let request = world.invoice(number, minor).await?;
    let ready = permitted(&world.players.payer, &request, 60).await?.expect("permitted");
    let order = world.players.payer.order(&ready.hand, &ready.permits)?;
    Ok(Ordered { hand: ready.hand, order })
}

async fn accepted(world: &World, mut one: Ordered) -> anyhow::Result<Accepted> {
    match world.players.payer.settle(&mut one.hand, &one.order).await? {
        PaymentOutcome::Accepted(accepted) => Ok(*accepted),
        other => anyhow::bail!("expected an acceptance, got {other:?}"),
    }
}

async fn settled(world: &World, payment: PaymentId) -> anyhow::Result<Settled> {
    until("what was accepted has settled", || async {
        match world.players.payer.resume(payment).await? {
            PaymentOutcome::Settled(settled) => Ok(Some(*settled)),
            PaymentOutcome::Refused(refused) => anyhow::bail!("refused: {refused:?}"),
            _ => Ok(None),
        }
    })
    .await
}

fn is_sound(folder: &Path) {
    let output = Command::new(BINARY).arg("fsck").arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_bank_goes_on_within_its_lease_while_the_core_is_dead_and_all_of_it_settles() {
    play(async {
        let mut world = World::written("lease-dead", OwnBooks::Both, leased).await?;
        one_is_taken(&world).await?;
        let before = (world.balance("brightwater").await?, world.balance("lim").await?);
        let mut prepared = Vec::new();
        for (number, minor) in [("LE-1", 1_000), ("LE-2", 2_000)] {
            prepared.push(ordered(&world, number, minor).await?);
        }
        let too_much = ordered(&world, "LE-3", 9_000).await?;
        world.process("core").kill()?;

        let (mut payments, mut debited) = (Vec::new(), 0);
        for one in prepared {
            let (payment, order) = (one.payment(), one.order.clone());
            let said = accepted(&world, one).await?;
            assert_eq!((said.acceptance.payment, said.acceptance.number), (payment, 1));
            debited += said.terms.debited.minor.units();
            // The same order again is the same acceptance.
            let again = world.players.payer.resume(payment).await?;
            let PaymentOutcome::Accepted(again) = again else { anyhow::bail!("{again:?}") };
            assert_eq!(again.acceptance, said.acceptance);
            payments.push((payment, order));
        }
        let held = before.0.units() - world.balance("brightwater").await?.units();
        assert_eq!(held, debited, "held for good");
        // More than what is left of the lease is refused, clearly, and holds nothing.
        let Ordered { mut hand, order } = too_much;
        let outcome = world.players.payer.settle(&mut hand, &order).await?;
        let PaymentOutcome::Unknown { words, .. } = outcome else { anyhow::bail!("{outcome:?}") };
        assert!(words.contains("LeaseExceeded"), "{words}");
        assert_eq!(before.0.units() - world.balance("brightwater").await?.units(), debited);

        world.process("core").start_again()?;
        world.process("core").ready().await?;
        for (payment, _) in &payments {
            let settled = settled(&world, *payment).await?;
            assert!(settled.receipt.is_some(), "the receipt verifies and is kept");
        }
        all_agree(&world).await?;
        assert_eq!(before.0.units() - world.balance("brightwater").await?.units(), debited);
        assert_eq!(world.balance("lim").await?.units() - before.1.units(), 3_000);
        let rows = leases(&world).await?;
        assert!(rows.iter().all(|row| row.waits.is_empty()), "{rows:?}");
        for process in ["core", "bank-a", "bank-b"] {
            world.process(process).stop();
            is_sound(&world.stage.folder(process));
        }
        Ok(())
    });
}

/// What the command prints, and whether it succeeded.
fn wayleave(world: &World, words: &[&str], at: &str) -> (bool, String) {
    let mut command = Command::new(BINARY);
    command.args(words).arg("--at").arg(world.stage.folder(at));
    let output = command.arg("--as").arg(world.stage.folder("operator")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_lease_that_ends_while_the_core_is_dead_accepts_no_more_and_is_settled_at_the_return() {
    play(async {
        let short = |stage: &Stage| leased_for(stage, 24);
        let mut world = World::written("lease-ends", OwnBooks::Both, short).await?;
        one_is_taken(&world).await?;
        let (one, late) =
            (ordered(&world, "LX-1", 1_000).await?, ordered(&world, "LX-2", 1_000).await?);
        let payment = one.payment();
        world.process("core").kill()?;
        let said = accepted(&world, one).await?;
        let (fine, text) = wayleave(&world, &["lease", "held"], "bank-a");
        assert!(fine && text.contains("the core is not heard"), "{text}");
        // The newest lease was granted before the core died.
        let end = said.acceptance.accepted_at.plus(Duration::from_secs(24));
        while server::system::now() < end {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let Ordered { mut hand, order } = late;
        let outcome = world.players.payer.settle(&mut hand, &order).await?;
        let PaymentOutcome::Unknown { words, .. } = outcome else { anyhow::bail!("{outcome:?}") };
        assert!(words.contains("LeaseNotInForce"), "{words}");
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        settled(&world, payment).await?;
        let number = said.acceptance.number;
        until("the old lease is settled and a new one stands", || async {
            let rows = leases(&world).await?;
            let newer = |row: &LeaseRow| row.number > number && row.standing == "in-force";
            Ok((!rows.is_empty() && rows.iter().all(newer)).then_some(()))
        })
        .await?;
        let (fine, text) = wayleave(&world, &["lease", "list"], "core");
        assert!(fine && text.contains("bank-nl  lease "), "{text}");
        all_agree(&world).await
    });
}

#[test]
fn a_payer_undoes_nothing_at_the_core_that_its_bank_accepted_under_a_lease() {
    play(async {
        let mut world = World::written("lease-cancel", OwnBooks::Both, leased).await?;
        one_is_taken(&world).await?;
        let before = world.balance("lim").await?;
        let one = ordered(&world, "LC-1", 1_000).await?;
        let (payment, order) = (one.payment(), one.order.clone());
        // The payee's bank takes nothing now: what is reported waits, and the window stays open.
        let freeze = ["freeze", "bank-sg", "--asset", SGD, "--stop", "credits"];
        let (code, told) = propose(&world, "ada", &freeze);
        assert_eq!(code, Some(0), "{told}");
        world.process("core").kill()?;
        accepted(&world, one).await?;
        world.process("core").start_again()?;
        world.process("core").ready().await?;
        until("it is reported and waits", || async {
            let rows = leases(&world).await?;
            Ok(rows.iter().any(|row| !row.waits.is_empty()).then_some(()))
        })
        .await?;
        let request = record::CancellationRequest {
            layout: 1,
            environment: "sandbox".parse()?,
            terms: order.terms.clone(),
            reason: "CUST".into(),
            asked_at: server::system::now(),
        };
        let key = world.stage.key("brightwater", server::keys::REQUEST_KEY)?;
        let (request, quote) = (Signed::sign(&request, &key), Some(order.quote.clone()));
        let ask = api::after::CancellationAsk { layout: 1, request, quote };
        let mut malformed = order.clone();
        malformed.identifiers.end_to_end_id = "x".repeat(64);
        for (target, body) in [
            ("/v1/cancellations", seal::to_canonical(&ask)),
            ("/v1/orders", seal::to_canonical(&malformed)),
        ] {
            let request = Outgoing::post(target, api::wire::CBOR, body);
            let said = format!("{:?}", world.send("brightwater", "core", request).await);
            assert!(said.contains("accepted it under a lease"), "{target}: {said}");
        }
        let (_, told) = propose(&world, "ben", &["thaw", "bank-sg", "--asset", SGD]);
        let id = told["act"].as_str().unwrap().to_owned();
        assert_eq!(decide(&world, "ada", "approve", &id).0, Some(0));
        settled(&world, payment).await?;
        all_agree(&world).await?;
        until("the payee is credited", || async {
            Ok((world.balance("lim").await?.units() - before.units() == 1_000).then_some(()))
        })
        .await
    });
}
