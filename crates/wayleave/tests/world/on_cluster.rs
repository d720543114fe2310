//! Two cores over one replicated journal: cores die, and nothing that was acknowledged is lost.
//! That servers and their guards die, too, is what the drills of `tests/drills.rs` are for.
//!
//! `cargo xtask test ha` starts the cluster and names its folder in `WAYLEAVE_HA`; without it every
//! test says that it was left out.
#![expect(clippy::print_stdout, reason = "the figures of the suite are what it is run for")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::bail;
use record::{Durability, Ending, SettleOrder};
use server::roles::core::{Cluster, JournalConfig};
use terms::{BookName, PaymentId};
use wallet::OrderSent;
use wayleave::demo::acts::permitted;
use wayleave::demo::setup::STANDBY;

use super::bank::all_agree;
use super::stage::{World, play, until};

/// Orders that are ready before a fault: settled before, and asked after.
const BEFORE: usize = 4;
const AFTER: usize = 4;
/// A core's death is answered within this.
const CORE_DEATH_MAX: Duration = Duration::from_secs(5);
/// An order that nobody takes is given up after this.
const PATIENCE: Duration = Duration::from_secs(60);

fn tries() -> usize {
    std::env::var("WAYLEAVE_HA_TRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

fn control(words: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/ha/cluster");
    let output = Command::new(script).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "cluster {words:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A database of the test's own, with the journal's tables in it.
fn database(name: &str) -> Option<Cluster> {
    let Some(folder) = std::env::var_os("WAYLEAVE_HA").map(PathBuf::from) else {
        println!("left out: `WAYLEAVE_HA` is not set; `cargo xtask test ha` sets it");
        return None;
    };
    let name = format!("{name}_{}", std::process::id());
    control(&["database", &name]);
    let text = std::fs::read_to_string(folder.join(format!("journal.{name}.json"))).unwrap();
    let JournalConfig::Postgres(cluster) = serde_json::from_str(&text).unwrap() else {
        panic!("{text}");
    };
    let book: BookName = "settlement".parse().unwrap();
    store::postgres::migrate(&cluster.of_book(book).unwrap()).unwrap();
    Some(cluster)
}

/// What was acknowledged.
struct Acknowledged(BTreeMap<PaymentId, Ending>);

impl Acknowledged {
    /// Sends an order until it is acknowledged.
    async fn order(&mut self, world: &World, order: &SettleOrder) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            if let OrderSent::Answered(answer) = world.players.payer.send_order(order).await? {
                let promise = &answer.promise;
                assert_eq!(promise.durability, Durability::Replicated);
                let earlier = self.0.insert(promise.payment, promise.outcome.clone());
                assert!(earlier.is_none_or(|earlier| earlier == promise.outcome));
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("no acknowledgement within {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whoever leads now knows each acknowledged payment with the end that was promised.
    async fn all_there(&self, world: &World) -> anyhow::Result<()> {
        for (payment, ending) in &self.0 {
            let status = until("the core answers", || async {
                Ok(world.players.payer.ask(*payment).await.ok())
            });
            let found = status.await?.ending.map(|end| end.ending);
            assert_eq!(found.as_ref(), Some(ending), "acknowledged, and lost: {payment}");
        }
        Ok(())
    }
}

async fn orders(world: &World, what: &str, count: usize) -> anyhow::Result<Vec<SettleOrder>> {
    let mut orders = Vec::new();
    for number in 0..count {
        let request = world.invoice(&format!("HA-{what}-{number}"), 1_000).await?;
        let ready = permitted(&world.players.payer, &request, 300).await?;
        let ready = ready.expect("permitted");
        orders.push(world.players.payer.order(&ready.hand, &ready.permits)?);
    }
    Ok(orders)
}

/// Whether a core's `/ready` says that it leads.
async fn leads(world: &World, name: &str) -> bool {
    let url = world.stage.url(name);
    let authority = url.trim_start_matches("http://").to_owned();
    let guard = client::AddressGuard::public_only().allow(&authority);
    let client = client::Client::new(guard, client::CLIENT_LIMITS);
    let peer = client::Peer::unverified(&url).unwrap();
    let asked = client.send_unsigned(&peer, client::Outgoing::get("/ready")).await;
    matches!(asked, client::Outcome::Answer(_))
}

async fn leader(world: &World) -> anyhow::Result<&'static str> {
    until("a core leads", || async {
        for name in ["core", STANDBY] {
            if leads(world, name).await {
                return Ok(Some(name));
            }
        }
        Ok(None)
    })
    .await
}

/// One fault: acknowledged before, injected, acknowledged after; how long nothing was.
async fn struck(
    world: &mut World,
    acknowledged: &mut Acknowledged,
    what: &str,
    inject: impl FnOnce(&mut World, &str) -> anyhow::Result<()>,
) -> anyhow::Result<Duration> {
    let orders = orders(world, what, BEFORE + AFTER).await?;
    let (before, after) = orders.split_at(BEFORE);
    for order in before {
        acknowledged.order(world, order).await?;
    }
    let name = leader(world).await?;
    inject(world, name)?;
    let begun = Instant::now();
    let [first, rest @ ..] = after else { bail!("no orders") };
    acknowledged.order(world, first).await?;
    let pause = begun.elapsed();
    for order in rest {
        acknowledged.order(world, order).await?;
    }
    // The same again gets the same end.
    acknowledged.order(world, first).await?;
    acknowledged.all_there(world).await?;
    Ok(pause)
}

fn say(what: &str, pauses: &mut [Duration], acknowledged: &Acknowledged) {
    pauses.sort_unstable();
    let seconds = |at: usize| pauses.get(at).map_or(0.0, Duration::as_secs_f64);
    let line = format!(
        "ha: {what}: {} tries, acknowledged {}, lost 0, back after {:.1} / {:.1} / {:.1} s \
         (least / median / most)",
        pauses.len(),
        acknowledged.0.len(),
        seconds(0),
        seconds(pauses.len() / 2),
        seconds(pauses.len().saturating_sub(1))
    );
    println!("{line}");
    let Some(folder) = std::env::var_os("WAYLEAVE_HA").map(PathBuf::from) else { return };
    let figures = folder.join("figures");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(figures).unwrap();
    writeln!(file, "{line}").unwrap();
}

#[test]
fn a_core_that_is_killed_is_replaced_by_the_one_that_stands_by() {
    let Some(cluster) = database("cores") else { return };
    play(async {
        let mut world = World::shared("ha-cores", cluster).await?;
        let (mut acknowledged, mut pauses) = (Acknowledged(BTreeMap::new()), Vec::new());
        for number in 0..tries() {
            let mut killed = String::new();
            let what = format!("c{number}");
            let pause = struck(&mut world, &mut acknowledged, &what, |world, name| {
                killed = name.to_owned();
                world.process(name).kill()
            });
            pauses.push(pause.await?);
            // What was killed stands by from now on.
            world.process(&killed).start_again()?;
            assert_ne!(leader(&world).await?, killed);
        }
        // Whoever leads now carries on with the banks that keep their own book.
        all_agree(&world).await?;
        say("core killed", &mut pauses, &acknowledged);
        assert!(pauses.iter().all(|pause| *pause <= CORE_DEATH_MAX), "{pauses:?}");
        Ok(())
    });
}

#[test]
fn a_core_that_slept_through_its_lease_ends_itself_and_answers_nothing() {
    let Some(cluster) = database("asleep") else { return };
    play(async {
        let mut world = World::shared("ha-asleep", cluster).await?;
        let mut acknowledged = Acknowledged(BTreeMap::new());
        let mut stopped = 0;
        let pause = struck(&mut world, &mut acknowledged, "s", |world, name| {
            assert_eq!(name, "core");
            stopped = world.process(name).id();
            signal("-STOP", stopped)
        });
        let pause = pause.await?;
        assert_eq!(leader(&world).await?, STANDBY);
        signal("-CONT", stopped)?;
        let words = until("the old one ends itself", || async {
            let log = std::fs::read_to_string(world.stage.folder("core").join("log.txt"))?;
            Ok(log.contains("fenced: ").then_some(log))
        });
        words.await?;
        assert_eq!(leader(&world).await?, STANDBY);
        acknowledged.all_there(&world).await?;
        say("core asleep", &mut [pause], &acknowledged);
        Ok(())
    });
}

fn signal(signal: &str, process: u32) -> anyhow::Result<()> {
    let status = Command::new("kill").arg(signal).arg(process.to_string()).status()?;
    anyhow::ensure!(status.success(), "kill {signal} {process}");
    Ok(())
}

#[test]
fn a_core_that_is_told_to_stop_hands_over_at_once() {
    let Some(cluster) = database("orderly") else { return };
    play(async {
        let mut world = World::shared("ha-orderly", cluster).await?;
        let mut acknowledged = Acknowledged(BTreeMap::new());
        let pause = struck(&mut world, &mut acknowledged, "o", |world, name| {
            world.process(name).stop();
            Ok(())
        });
        let pause = pause.await?;
        say("core stopped in order", &mut [pause], &acknowledged);
        Ok(())
    });
}

/// A request of the payer's to one place of the core.
async fn at(world: &World, name: &str, request: client::Outgoing<'_>) -> client::Outcome {
    let known = world.stage.peer("core").unwrap().key(server::keys::REQUEST_KEY).unwrap();
    let peer = client::Peer::signing(&world.stage.url(name), known).unwrap();
    let client = client::Client::new(peer.guard(), client::CLIENT_LIMITS);
    let folder = wallet::KeyFolder::open(&world.stage.folder("brightwater")).unwrap();
    client.send(&peer, request, &folder.request_key().unwrap()).await
}

fn get(target: &str) -> client::Outgoing<'_> {
    client::Outgoing::get(target)
}

/// Surely not begun, in these words.
fn not_begun(outcome: client::Outcome) -> String {
    let client::Outcome::NotDone(client::NotDone::NotBegun { problem, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    problem.detail.unwrap_or_default()
}

/// The head of an answer, as it stands on the wire.
async fn head_of(world: &World, name: &str, path: &str) -> anyhow::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let authority = world.stage.url(name).trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&authority).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.to_ascii_lowercase())
}

fn cli(arguments: &[&str]) -> std::process::Output {
    Command::new(super::stage::BINARY).args(arguments).output().unwrap()
}

#[test]
fn a_core_that_stands_by_answers_reads_at_a_position_and_refuses_all_else() {
    let Some(cluster) = database("reads") else { return };
    play(async {
        let mut world = World::shared("ha-reads", cluster).await?;
        let mut acknowledged = Acknowledged(BTreeMap::new());
        let orders = orders(&world, "r", 3).await?;
        for order in &orders {
            acknowledged.order(&world, order).await?;
        }
        let leads = leader(&world).await?;
        let replica = if leads == "core" { STANDBY } else { "core" };
        for payment in acknowledged.0.keys() {
            let truth = world.players.payer.ask(*payment).await?;
            let least = truth.ending.as_ref().unwrap().position.number() + 1;
            let target = format!("/v1/payments/{payment}?at_least={least}");
            let read = until("the replica has it", || async {
                match at(&world, replica, client::Outgoing::get(&target)).await {
                    client::Outcome::Answer(answer) => Ok(Some(answer.body)),
                    other => Ok(not_begun(other).is_empty().then(bytes::Bytes::new)),
                }
            });
            let read: api::messages::PaymentStatus = seal::from_canonical(&read.await?)?;
            assert_eq!(read.ending, truth.ending);
            // The money's book is another one, whose last batch a replica does not show yet.
            assert!([truth.held, api::messages::Held::Yes].contains(&read.held), "{read:?}");
            assert!(read.head.number() >= least);
        }
        asked_otherwise(&world, (leads, replica), &orders).await?;
        let payment = acknowledged.0.keys().next().unwrap().to_string();
        read_while_nobody_leads(&mut world, leads, &payment)
    });
}

/// What a replica does not answer, and says so.
async fn asked_otherwise(
    world: &World,
    (leads, replica): (&str, &str),
    orders: &[SettleOrder],
) -> anyhow::Result<()> {
    let account = world.stage.account("brightwater")?;
    let later = not_begun(
        at(world, replica, get(&format!("/v1/accounts/{account}?at_least=1000000"))).await,
    );
    assert!(later.contains("1000000 was asked for"), "{later}");
    // Nothing is answered to who wants the newest, and nothing is written.
    let newest = not_begun(at(world, replica, get(&format!("/v1/accounts/{account}"))).await);
    assert!(newest.contains(&world.stage.url(leads)), "{newest}");
    let order = seal::to_canonical(orders.first().unwrap());
    let order = client::Outgoing::post("/v1/orders", api::wire::CBOR, order);
    assert!(not_begun(at(world, replica, order).await).contains(&world.stage.url(leads)));
    let mine = format!("/v1/accounts/{account}?at_least=1");
    let client::Outcome::Answer(answer) = at(world, replica, get(&mine)).await else {
        panic!("no account");
    };
    let view: api::messages::AccountView = seal::from_canonical(&answer.body)?;
    assert!(view.head.number() >= 1);
    let statement = format!("/v1/accounts/{account}/statement?at_least={}", view.head);
    let client::Outcome::Answer(answer) = at(world, replica, get(&statement)).await else {
        panic!("no statement");
    };
    let page: api::statement::StatementPage = seal::from_canonical(&answer.body)?;
    assert!(page.head >= view.head && page.lines.iter().any(|line| line.reason == "payment"));
    let newest = at(world, replica, get(&format!("/v1/accounts/{account}/statement"))).await;
    assert!(not_begun(newest).contains(&world.stage.url(leads)));
    // Another's account is not shown.
    let others = format!("/v1/accounts/{}?at_least=1", world.stage.account("lim")?);
    assert!(!matches!(at(world, replica, get(&others)).await, client::Outcome::Answer(_)));
    let log = until("a checkpoint", || async {
        match at(world, replica, get("/log/checkpoint?at_least=1")).await {
            client::Outcome::Answer(answer) => Ok(Some(answer.body)),
            _ => Ok(None),
        }
    });
    assert!(evidence::SignedCheckpoint::parse(&log.await?)?.head().size >= 1);
    let metrics = head_of(world, replica, "/metrics").await?;
    assert!(metrics.contains("wayleave_replica_lag_seconds{book=\"settlement\"}"), "{metrics}");
    let refused = head_of(world, replica, "/v1/about").await?;
    assert!(refused.starts_with("http/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
    Ok(())
}

/// The command line knows both places: it reads from the one that stands by, and is told the
/// newest once it leads. A backup of such a core is refused.
fn read_while_nobody_leads(world: &mut World, leads: &str, payment: &str) -> anyhow::Result<()> {
    world.process(leads).kill()?;
    let folder = world.stage.folder("brightwater");
    let status = ["wallet", "status", payment, "--wallet", folder.to_str().unwrap(), "--json"];
    let read = cli(&[&status[..], &["--at-least", "1"]].concat());
    assert!(read.status.success(), "{read:?}");
    let said: serde_json::Value = serde_json::from_slice(&read.stdout)?;
    assert_eq!(said["ending"], "settled", "{said}");
    let begun = Instant::now();
    while !cli(&status).status.success() {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the command line finds no leader");
        std::thread::sleep(Duration::from_millis(100));
    }
    let key = world.stage.folder("brightwater").join("backup.key");
    let public = cli(&["backup", "key", key.to_str().unwrap()]).stdout;
    let public = String::from_utf8(public)?.trim().to_owned();
    let core = world.stage.folder("core");
    let place = format!("file:{}", world.folder.path().join("place").display());
    let backup = ["backup", core.to_str().unwrap(), "--to", &place, "--seal-to", &public];
    let refused = cli(&backup);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("PostgreSQL"), "{words}");
    Ok(())
}
