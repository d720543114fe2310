//! One edge, several instances: they come, die and go while payments flow, and nobody notices.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use record::RequestToPay;
use serde_json::{Value, json};
use terms::{Minor, PaymentId};
use tokio::task::JoinSet;
use wallet::{Agreement, PaymentOutcome, Wallet, WhenMissing};
use wayleave::demo::acts::invoice;
use wayleave::demo::fleet::Fleet;
use wayleave::demo::setup::Stage;

use super::stage::{BINARY, World, play, until};

/// Wallets that pay at the same time.
const WALLETS: usize = 3;
/// Payments of each wallet within which every instance has its turn many times.
const ROUNDS_MAX: usize = 40;
/// What each payment pays, in minor units of SGD.
const MINOR: u128 = 1_000;

/// Wallets that pay one invoice after the other until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    paid: Arc<AtomicUsize>,
    paying: JoinSet<anyhow::Result<Vec<PaymentId>>>,
}

impl Load {
    fn start(world: &World) -> anyhow::Result<Self> {
        let (stop, paid) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut paying = JoinSet::new();
        for number in 0..WALLETS {
            let payer = copied(world, "brightwater", number)?;
            let payee = copied(world, "lim", number)?;
            let (stop, paid) = (Arc::clone(&stop), Arc::clone(&paid));
            paying.spawn(async move {
                for wallet in [&payer, &payee] {
                    wallet.refresh_trust_lists().await?;
                }
                let mut settled = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let name = format!("E{number}-{}", settled.len());
                    let request = invoice(&payee, &name, MINOR).await?;
                    settled.push(pay(&payer, &request).await.with_context(|| name)?);
                    paid.fetch_add(1, Ordering::Relaxed);
                }
                Ok(settled)
            });
        }
        Ok(Self { stop, paid, paying })
    }

    /// Waits until so many more payments have settled; fails at once when a wallet saw an error.
    async fn pays(&mut self, more: usize) -> anyhow::Result<()> {
        let enough = self.paid.load(Ordering::Relaxed) + more;
        while self.paid.load(Ordering::Relaxed) < enough {
            if let Some(ended) = self.paying.try_join_next() {
                ended??;
                bail!("a wallet stopped paying");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn stop(mut self) -> anyhow::Result<Vec<PaymentId>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        while let Some(ended) = self.paying.join_next().await {
            all.extend(ended??);
        }
        Ok(all)
    }
}

/// A wallet of its own for each that pays at the same time.
fn copied(world: &World, firm: &str, number: usize) -> anyhow::Result<Wallet> {
    let folder = world.folder.path().join(format!("{firm}-{number}"));
    let copied = Command::new("cp").arg("-rp").arg(world.stage.folder(firm)).arg(&folder).status();
    anyhow::ensure!(copied?.success(), "`{}` cannot be copied", folder.display());
    Ok(Wallet::open(&folder)?)
}

/// Tries of one payment at most. On a machine that is starved the front may find no instance
/// within its patience and say so; then nothing was ordered, and the wallet may pay again.
const TRIES_MAX: u32 = 5;

/// Every payment must settle: no refusal, no doubt. What surely came to nothing is tried again.
async fn pay(payer: &Wallet, request: &RequestToPay) -> anyhow::Result<PaymentId> {
    let mut tries = 1;
    loop {
        match payer.pay(request, &mut |_| Agreement::Yes, WhenMissing::GoOn).await {
            Ok(PaymentOutcome::Settled(settled)) => return Ok(settled.terms.payment),
            Ok(other) => bail!("expected a settled payment, got {other:?}"),
            Err(error) if tries == TRIES_MAX => return Err(error.into()),
            Err(_) => {}
        }
        tries += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn instances(world: &World) -> anyhow::Result<Vec<Value>> {
    let output = Command::new(BINARY)
        .args(["edge", "instances", "--json", "--operator"])
        .arg(world.stage.folder("operator"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn permits(all: &[Value], edge: &str) -> u64 {
    let one = all.iter().find(|one| one["edge"] == edge);
    one.and_then(|one| one["permits"].as_u64()).unwrap_or_default()
}

#[test]
fn instances_come_die_and_go_under_load_and_no_payment_is_lost_or_refused() {
    play(one_to_three_and_back("bank-nl"));
}

#[test]
fn instances_of_the_payees_edge_come_die_and_go_under_load_too() {
    play(one_to_three_and_back("bank-sg"));
}

/// One firm's wallets pay without a pause here: more than a clerk has quotes open at a time.
fn more_quotes(stage: &Stage) -> anyhow::Result<()> {
    let path = stage.folder("fx-dealer").join("role.json");
    let mut role: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    role["open_quotes_per_client_max"] = 10_000.into();
    Ok(std::fs::write(&path, role.to_string())?)
}

async fn one_to_three_and_back(institution: &'static str) -> anyhow::Result<()> {
    let mut world = World::changed(&format!("edges-{institution}"), more_quotes).await?;
    let own = world.stage.folder(&format!("{institution}.1"));
    let first = world.processes.iter_mut().find(|process| process.dir() == own);
    let first = first.context("the edge")?;
    let mut fleet = Fleet::raise(&world.stage, Path::new(BINARY), first, institution, 2).await?;
    let before = (world.balance("brightwater").await?, world.balance("lim").await?);
    let mut load = Load::start(&world)?;
    load.pays(4).await?;
    assert_eq!((fleet.add().await?, fleet.add().await?), (2, 3));
    for number in 1..=3 {
        decides(&world, &mut load, &fleet.edge(number)).await?;
    }
    // In mid-flow: whatever was under way at the second goes on at another.
    fleet.kill_in_mid_flow(2).await?;
    until("a request that broke off, asked again elsewhere", || async {
        Ok(fleet.asked_another().then_some(()))
    })
    .await?;
    load.pays(9).await?;
    fleet.retire(2)?;
    load.pays(4).await?;
    world.process(&fleet.edge(1)).stop();
    fleet.retire(1)?;
    load.pays(6).await?;
    let paid = load.stop().await?;

    each_is_credited_once(&world, before, &paid).await?;
    every_number_is_accounted_for(&world, &fleet, paid.len()).await?;
    // A folder that left does not serve again.
    let mut back = fleet.start(2)?;
    until("an instance that left ends when it is started", || {
        let ended = back.has_ended();
        async move { Ok(ended.then_some(())) }
    })
    .await
}

/// No payment is lost, and the payee has what all of them brought.
async fn each_is_credited_once(
    world: &World,
    before: (Minor, Minor),
    paid: &[PaymentId],
) -> anyhow::Result<()> {
    for payment in paid {
        let status = world.players.payer.ask(*payment).await?;
        assert!(status.ending.is_some(), "{payment} is lost");
    }
    let expected = before.1.units() + MINOR * u128::try_from(paid.len())?;
    // The payee's bank credits after the promise.
    let credited = until("each payment's credit", || async {
        let now = world.balance("lim").await?.units();
        Ok((now >= expected).then_some(now))
    })
    .await?;
    assert_eq!(credited, expected, "each credited once");
    assert!(world.balance("brightwater").await? < before.0);
    Ok(())
}

/// The load goes on until this instance has permitted something.
async fn decides(world: &World, load: &mut Load, edge: &str) -> anyhow::Result<()> {
    for _ in 0..ROUNDS_MAX {
        load.pays(WALLETS).await?;
        if permits(&instances(world)?, edge) > 0 {
            return Ok(());
        }
    }
    bail!("`{edge}` is asked for nothing")
}

/// Number by number: what the instances account for is what the payments' facts name.
async fn every_number_is_accounted_for(
    world: &World,
    fleet: &Fleet,
    paid: usize,
) -> anyhow::Result<()> {
    let edges: Vec<String> = (1..=3).map(|number| fleet.edge(number)).collect();
    let whole = until("the last account", || async {
        let all = instances(world)?;
        let told: u64 = edges.iter().map(|edge| permits(&all, edge)).sum();
        let enough = usize::try_from(told)? >= paid;
        let missing = all.iter().any(|one| !one["missing"].is_null());
        Ok((enough && !missing).then_some(all))
    })
    .await?;
    for (number, edge) in (1..).zip(&edges) {
        assert!(permits(&whole, edge) > 0, "{edge} decided nothing: {whole:?}");
        let one = whole.iter().find(|one| one["edge"] == **edge).context("an instance")?;
        assert_eq!(one["closed_at"].is_null(), number == 3, "{one}");
    }
    for one in &whole {
        assert_eq!((&one["differences"], &one["unaccounted"]), (&json!([]), &json!([])), "{one}");
    }
    Ok(())
}
