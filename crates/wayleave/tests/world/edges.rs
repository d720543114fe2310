//! One edge, several instances: they come, die and go while payments flow, and nobody notices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use record::RequestToPay;
use serde_json::{Value, json};
use terms::PaymentId;
use tokio::task::JoinSet;
use wallet::{Agreement, PaymentOutcome, Wallet, WhenMissing};
use wayleave::demo::acts::invoice;
use wayleave::demo::processes::{RoleProcess, free_port};
use wayleave::demo::setup::write_json;

use super::stage::{BINARY, World, play, until};

/// Wallets that pay at the same time.
const WALLETS: usize = 3;
/// How long an instance is held still: three wallets come by in turn, and the front waits longer.
const STILL: Duration = Duration::from_secs(2);
/// What each payment pays, in minor units of SGD.
const MINOR: u128 = 1_000;

/// One side's edge behind a front.
struct Fleet {
    institution: &'static str,
    /// By instance: its place and its process.
    instances: BTreeMap<u8, RoleProcess>,
    _front: RoleProcess,
    root: PathBuf,
    ports: Vec<u16>,
}

impl Fleet {
    /// An edge of `world` moves behind a front, with room for three; one runs.
    async fn raise(world: &mut World, institution: &'static str) -> anyhow::Result<Self> {
        let edge = format!("{institution}.1");
        let dir = world.stage.folder(&edge);
        let root = world.folder.path().to_owned();
        world.process(&edge).stop();
        let public = world.stage.memory.ports[&edge];
        let mut taken: Vec<u16> = world.stage.memory.ports.values().copied().collect();
        let highest = taken.iter().max().copied().context("ports")?;
        let mut ports = Vec::new();
        for _ in 0..3 {
            ports.push(free_port(highest + 1, &mut taken)?);
        }
        let path = dir.join("role.json");
        let mut role: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        role["port"] = json!(ports[0]);
        write_json(&path, &role)?;
        let front = root.join(format!("front-{institution}"));
        std::fs::create_dir_all(&front)?;
        let places: Vec<String> = ports.iter().map(|port| place(*port)).collect();
        write_json(&front.join("role.json"), &json!({ "port": public, "places": places }))?;
        let mut first = RoleProcess::start(Path::new(BINARY), "edge", &dir, &place(ports[0]))?;
        first.ready().await?;
        let url = place(public);
        let mut front = RoleProcess::start(Path::new(BINARY), "front", &front, &url)?;
        front.ready().await?;
        let instances = [(1, first)].into();
        Ok(Self { institution, instances, _front: front, root, ports })
    }

    fn folder(&self, number: u8) -> PathBuf {
        match number {
            1 => self.root.join(self.institution),
            other => self.root.join(format!("{}-{other}", self.institution)),
        }
    }

    fn edge(&self, number: u8) -> String {
        format!("{}.{number}", self.institution)
    }

    /// One more, while requests run.
    async fn add(&mut self, number: u8) -> anyhow::Result<()> {
        let port = self.ports[usize::from(number) - 1];
        let dir = self.folder(number);
        let output = Command::new(BINARY)
            .args(["edge", "add", "--from"])
            .arg(self.folder(1))
            .arg("--dir")
            .arg(&dir)
            .args(["--instance", &self.edge(number), "--port", &port.to_string()])
            .output()?;
        said(&output)?;
        let mut process = RoleProcess::start(Path::new(BINARY), "edge", &dir, &place(port))?;
        process.ready().await?;
        self.instances.insert(number, process);
        Ok(())
    }

    /// One leaves for good: stopped in order or dead already, then drained and closed.
    fn retire(&mut self, number: u8) -> anyhow::Result<()> {
        if let Some(mut process) = self.instances.remove(&number) {
            process.stop();
        }
        let dir = self.folder(number);
        said(&Command::new(BINARY).args(["edge", "retire", "--dir"]).arg(dir).output()?)?;
        Ok(())
    }

    /// SIGKILL with requests under way: it is held still first, until some wait for it.
    async fn kill_in_mid_flow(&mut self, number: u8) -> anyhow::Result<()> {
        let mut process = self.instances.remove(&number).context("an instance")?;
        process.signal("STOP")?;
        tokio::time::sleep(STILL).await;
        process.kill()?;
        let front = self.root.join(format!("front-{}", self.institution)).join("log.txt");
        until("a request that broke off, asked again elsewhere", || async {
            let log = std::fs::read_to_string(&front)?;
            let broke = |line: &&str| line.contains("Unknown") && line.contains("another=true");
            Ok(log.lines().find(broke).map(|_| ()))
        })
        .await
    }
}

fn place(port: u16) -> String {
    format!("http://localhost:{port}")
}

fn said(output: &Output) -> anyhow::Result<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        bail!("{}: {}{}", output.status, text(&output.stdout), text(&output.stderr));
    }
    Ok(text(&output.stdout))
}

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

/// Every payment must settle: no error, no refusal, no doubt.
async fn pay(payer: &Wallet, request: &RequestToPay) -> anyhow::Result<PaymentId> {
    match payer.pay(request, &mut |_| Agreement::Yes, WhenMissing::GoOn).await? {
        PaymentOutcome::Settled(settled) => Ok(settled.terms.payment),
        other => bail!("expected a settled payment, got {other:?}"),
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

async fn one_to_three_and_back(institution: &'static str) -> anyhow::Result<()> {
    let mut world = World::new(&format!("edges-{institution}")).await?;
    let mut fleet = Fleet::raise(&mut world, institution).await?;
    let before = (world.balance("brightwater").await?, world.balance("lim").await?);
    let mut load = Load::start(&world)?;
    load.pays(4).await?;
    fleet.add(2).await?;
    fleet.add(3).await?;
    load.pays(12).await?;
    // In mid-flow: whatever was under way at the second goes on at another.
    fleet.kill_in_mid_flow(2).await?;
    load.pays(9).await?;
    fleet.retire(2)?;
    load.pays(4).await?;
    fleet.retire(1)?;
    load.pays(6).await?;
    let paid = load.stop().await?;

    for payment in &paid {
        let status = world.players.payer.ask(*payment).await?;
        assert!(status.ending.is_some(), "{payment} is lost");
    }
    let after = (world.balance("brightwater").await?, world.balance("lim").await?);
    let credited = after.1.units() - before.1.units();
    assert_eq!(credited, MINOR * u128::try_from(paid.len())?, "each credited once");
    assert!(after.0 < before.0);
    every_number_is_accounted_for(&world, &fleet, paid.len()).await?;
    // A folder that left does not serve again.
    let dir = fleet.folder(2);
    let mut back = RoleProcess::start(Path::new(BINARY), "edge", &dir, &place(fleet.ports[1]))?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(back.has_ended(), "an instance that left serves");
    Ok(())
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
